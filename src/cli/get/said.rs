//! What `get` says: the options that a config's keys are, and what came of an export in a sentence.

use std::time::Duration;

use crate::cli::args::quoted;
use crate::pipeline::{Completeness, ResourceFacts};
use crate::report;
use crate::source::EndReason;

/// Keys of a config, and the options that say the same.
const OPTIONS: [(&str, &str); 10] = [
    ("resources[0].endpoint.paginator", "--paginator"),
    ("resources[0].endpoint.data_selector", "--records"),
    ("resources[0].endpoint.params", "--param"),
    ("resources[0].endpoint.json", "--json"),
    ("resources[0].endpoint.path", "the URL"),
    ("resources[0].primary_key", "--key"),
    ("resources[0].sort_by", "--sort"),
    ("client.base_url", "the URL"),
    ("client.headers", "-H"),
    ("client.auth", "--auth"),
];

/// A fault of the config that was made of the options, told of the option: there is no file to look at.
pub(super) fn of_option(fault: &str) -> String {
    // `FILE:LINE:COLUMN: …`
    let mut parts = fault.splitn(4, ':');
    let text = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(line), Some(column), Some(text)) if line.parse::<u32>().is_ok() && column.parse::<u32>().is_ok() => {
            text.trim_start()
        }
        _ => fault,
    };
    let steps = [
        ("processing_steps[0].filter", "--where"),
        ("processing_steps[0].keep", "--select"),
        ("processing_steps[1].keep", "--select"),
    ];
    let mut text = text.to_owned();
    for (key, option) in steps {
        text = text.replace(&format!("resources[0].{key}"), option);
    }
    for (key, option) in OPTIONS {
        text = text.replace(key, option);
    }
    text
}

/// What a run says of a config's keys, with the options in their place: `paginator: single_page` is `--paginator single_page`.
pub(super) fn with_options(text: &str) -> String {
    let keys = [
        ("endpoint.paginator: ", "--paginator"),
        ("paginator: ", "--paginator"),
        ("endpoint.data_selector: ", "--records"),
        ("data_selector: ", "--records"),
        ("primary_key: ", "--key"),
    ];
    let mut parts = text.split('`');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        out.push('`');
        let is_code = at % 2 == 0;
        let option = keys.iter().filter(|_| is_code).find_map(|(key, option)| Some((part.strip_prefix(key)?, option)));
        let bare = [("client.auth", "--auth"), ("client.base_url", "URL"), ("endpoint.data_selector", "--records")];
        let bare = bare.iter().find(|(key, _)| is_code && *key == part);
        match (bare, option) {
            (Some((_, option)), _) => out.push_str(option),
            (None, Some((value, option))) => out.push_str(&format!("{option} {}", quoted(value.trim_matches('"')))),
            (None, None) => out.push_str(part),
        }
    }
    out
}

/// How many rows came, and why that is all.
fn came(facts: &ResourceFacts, rows: u64) -> String {
    let mut parts = vec![report::counted(rows, "row")];
    if facts.shaped.records_filtered > 0 {
        let (all, out) = (report::counted(facts.records, "record"), report::count(facts.shaped.records_filtered));
        parts[0] = format!("{} of {all} ({out} left out by --where)", parts[0]);
    }
    if facts.rows.rows_deduplicated > 0 {
        parts.push(format!("{} with a key that came again", report::counted(facts.rows.rows_deduplicated, "record")));
    }
    parts.push(report::counted(facts.pages, "page"));
    parts.push(match (facts.completeness, facts.end_reason) {
        (_, EndReason::LimitReached) => "as many as --limit asks for".to_owned(),
        (Completeness::Proven, _) => "all that the API counts".to_owned(),
        (Completeness::Unknown, reason) => report::end_words(reason).to_owned(),
    });
    parts.join(", ")
}

/// The last line: `26,115 rows, 27 pages, all that the API counts → orders.parquet, 264 kB, 0.9 s`.
pub(super) fn written(facts: &ResourceFacts, rows: u64, to: &str, bytes: Option<u64>, took: Duration) -> String {
    let bytes = bytes.map_or_else(String::new, |bytes| format!(", {}", report::bytes(bytes)));
    format!("{} → {to}{bytes}, {}", came(facts, rows), report::duration(took))
}

/// The last line of a look.
pub(super) fn looked(facts: &ResourceFacts, (shown, rows): (u64, u64), took: Duration) -> String {
    let (shown, took) = (report::count(shown), report::duration(took));
    match facts.end_reason {
        EndReason::LimitReached => {
            let read = format!("{} on {}", report::counted(rows, "row"), report::counted(facts.pages, "page"));
            format!("{shown} of {read} shown, and there are more; `-o FILE` reads them all, {took}")
        }
        _ => format!("{shown} shown of {}; `-o FILE` writes them, {took}", came(facts, rows)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_config_is_told_as_the_option_that_it_came_from() {
        let check = |text: &str, expected: &str| assert_eq!(of_option(text), expected);
        check("get:9:17: `resources[0].endpoint.paginator.limt`: unknown key", "`--paginator.limt`: unknown key");
        check("get:9:17: `resources[0].processing_steps[1].keep`: x", "`--select`: x");
        check("get:3:13: `client.base_url`: x: y", "`the URL`: x: y");
        check("something else", "something else");
    }

    #[test]
    fn advice_for_a_config_is_advice_for_the_command_line() {
        let check = |text: &str, expected: &str| assert_eq!(with_options(text), expected);
        check(
            "write `paginator: {type: offset, limit: 10}`, or `data_selector: data.items`",
            "write `--paginator '{type: offset, limit: 10}'`, or `--records data.items`",
        );
        check("look at `client.base_url` and `client.auth`", "look at `URL` and `--auth`");
        check("`endpoint.data_selector: \"$\"` and `other: 1`, paginator: x", "`--records '$'` and `other: 1`, paginator: x");
    }
}
