//! What `get` is told, as a request and what is wanted of its answers.
//!
//! In: the arguments, the environment and the files that they name. Out: values that `compat` makes a config of, or a failure that names the option.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::cli::args::GetArgs;
use crate::cli::described::{Named, described};
use crate::cli::exit::Failure;
use crate::cli::terminal;
use crate::compat::{Asked, AskedFault, Body, Credentials, Export, Given, SortBy, from_curl};
use crate::config::Expression;

/// Longest text that is read for an option, in bytes.
const TEXT_BYTES_MAX: u64 = 4 << 20;

/// The request, with all that the options add to it.
///
/// # Errors
/// The first option that is wrong, by its name.
pub(super) fn asked(args: &GetArgs, now: DateTime<Utc>) -> Result<Asked, Failure> {
    let wrong = |fault: AskedFault| Failure::config(vec![fault.to_string()]);
    let mut asked = match (&args.url, &args.from_curl) {
        (Some(url), _) => Asked::of_url(url).map_err(wrong)?,
        (None, Some(command)) => of_curl(command)?,
        (None, None) => of_file(args)?,
    };
    // What a described path has taken is no parameter of the query.
    let is_described = args.url.is_none() && args.from_curl.is_none();
    let taken: Vec<String> = asked.params.iter().map(|(name, _)| name.clone()).collect();
    for text in &args.param {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::config(vec!["`--param` is `NAME=VALUE`".to_owned()]));
        };
        if is_described && !taken.iter().any(|known| known == name) {
            continue;
        }
        let is_elsewhere = value.starts_with("env:") || value.starts_with("file:");
        let value = match relative(value, now) {
            Some(time) => Given::Plain(time),
            None if is_elsewhere => Given::credential(value),
            None => Given::named(name, value),
        };
        asked.set_param(name, value);
    }
    args.header.iter().try_for_each(|header| asked.add_header(header)).map_err(wrong)?;
    if let Some(auth) = &args.auth {
        asked.auth = Some(Credentials::parse(auth).map_err(wrong)?);
    }
    if let Some(json) = &args.json {
        asked.body = Some(json_body(json)?);
        asked.is_post = true;
    }
    place_files(&mut asked)?;
    Ok(asked)
}

/// What is wanted of the answers.
///
/// # Errors
/// An expression that is none, and where.
pub(super) fn export(args: &GetArgs) -> Result<Export, Failure> {
    if let Some(filter) = &args.filter
        && let Err(fault) = Expression::parse(filter)
    {
        // The hint's word is as long as it is on both lines.
        let caret = format!("{}^ here", " ".repeat(fault.at().saturating_sub(1)));
        return Err(Failure::config(vec![format!("--where: {fault}")]).with_hints([filter.clone(), caret]));
    }
    let sort_by = |text: &String| match text.strip_prefix('-') {
        Some(column) => SortBy { column: column.to_owned(), descending: true },
        None => SortBy { column: text.clone(), descending: false },
    };
    let trimmed = |texts: &[String]| texts.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
    Ok(Export {
        records: args.records.clone(),
        paginator: args.paginator.clone().filter(|paginator| paginator != "auto"),
        key: trimmed(&args.key),
        filter: args.filter.clone(),
        select: trimmed(&args.select),
        sort: args.sort.iter().map(sort_by).filter(|by| !by.column.is_empty()).collect(),
    })
}

/// The request of a file that describes some.
fn of_file(args: &GetArgs) -> Result<Asked, Failure> {
    let named = Named { openapi: args.openapi.as_deref(), har: args.har.as_deref(), postman: args.postman.as_deref() };
    let pairs = args.param.iter().filter_map(|text| text.split_once('='));
    let params: Vec<(String, String)> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let found = described(named, &params, args.base_url.as_deref())?;
    let found = found.ok_or_else(|| Failure::config(vec!["there is no URL".to_owned()]))?;
    found.notes.iter().for_each(|note| terminal::tell("note", note));
    Ok(found.asked)
}

fn of_curl(command: &str) -> Result<Asked, Failure> {
    let text = match command.strip_prefix('@') {
        Some(path) => read(path).map_err(|why| Failure::config(vec![format!("--from-curl: cannot read `{path}`: {why}")]))?,
        None if command == "-" => {
            let text = std::io::read_to_string(std::io::stdin());
            text.map_err(|error| Failure::config(vec![format!("--from-curl: cannot read stdin: {error}")]))?
        }
        None => command.to_owned(),
    };
    let variable = |name: &str| std::env::var(name).ok();
    let read_file = |path: &str| read(path).map_err(std::io::Error::other);
    let (asked, left_out) =
        from_curl(&text, &variable, &read_file).map_err(|fault| Failure::config(vec![format!("--from-curl: {fault}")]))?;
    if let Some(what) = left_out {
        terminal::tell("warning", &what);
    }
    Ok(asked)
}

fn json_body(text: &str) -> Result<Body, Failure> {
    let wrong = |why: String| Failure::config(vec![format!("--json: {why}")]);
    let text = match text.strip_prefix('@') {
        Some(path) => read(path).map_err(|why| wrong(format!("cannot read `{path}`: {why}")))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::Object(members)) => Ok(Body::Json(members)),
        Ok(_) => Err(wrong("it is no object; write `{…}`, or `@FILE` for the file that has it".to_owned())),
        Err(error) => Err(wrong(format!("it is no JSON: {error}; write `{{…}}`, or `@FILE` for the file that has it"))),
    }
}

fn read(path: &str) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > TEXT_BYTES_MAX {
        return Err(format!("it has {size} bytes, more than {TEXT_BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Names files from the root on, since a config that is saved elsewhere would look for them beside it.
fn place_files(asked: &mut Asked) -> Result<(), Failure> {
    let of_auth: Vec<&mut Given> = match &mut asked.auth {
        None => Vec::new(),
        Some(Credentials::Bearer(value) | Credentials::Query(_, value) | Credentials::Header(_, value)) => vec![value],
        Some(Credentials::Basic(user, password)) => vec![user, password],
    };
    let named = asked.params.iter_mut().chain(&mut asked.headers).map(|(_, value)| value);
    for value in of_auth.into_iter().chain(named) {
        if let Given::File(path) = value {
            let whole = std::path::absolute(&*path)
                .map_err(|error| Failure::config(vec![format!("`file:{path}` names no file: {error}")]))?;
            *path = whole.display().to_string();
        }
    }
    Ok(())
}

/// The time that `-30d` and its like are: a day for days and weeks, else an instant.
fn relative(text: &str, now: DateTime<Utc>) -> Option<String> {
    let body = text.strip_prefix('-')?;
    let unit = body.chars().next_back().filter(char::is_ascii_alphabetic)?;
    let number: i64 =
        body.get(..body.len() - 1).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let ago = match unit {
        's' => TimeDelta::try_seconds(number),
        'm' => TimeDelta::try_minutes(number),
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    }?;
    let then = now.checked_sub_signed(ago)?;
    Some(match unit {
        'd' | 'w' => then.format("%Y-%m-%d").to_string(),
        _ => then.to_rfc3339_opts(SecondsFormat::Secs, true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_ago_is_a_day_or_an_instant_and_anything_else_is_itself() {
        let now = "2026-11-30T09:30:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<&str>| assert_eq!(relative(text, now).as_deref(), expected, "{text}");
        check("-30d", Some("2026-10-31"));
        check("-2w", Some("2026-11-16"));
        check("-12h", Some("2026-11-29T21:30:00Z"));
        check("-90m", Some("2026-11-30T08:00:00Z"));
        check("-0s", Some("2026-11-30T09:30:00Z"));
        for text in ["30d", "-30", "-d", "-1.5d", "-30x", "--3d", "-99999999999999999999d", "-9223372036854775807w", "-", ""] {
            check(text, None);
        }
    }
}
