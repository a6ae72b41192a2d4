//! A request of a HAR, as browsers save what a page asked for.
//!
//! Of an entry only its request is used, and of its answer the status and the type: bodies, binary or wrongly encoded, are not looked at.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compat::asked::{Asked, Body, Given};
use crate::compat::described::{Described, DescribedFault, Wishes, add_header, choose, list_of, parse, text_of, with_params};

/// Whether an entry may be a request of records: it was answered, and by data.
fn is_of_data(entry: &Value) -> bool {
    let request = entry.get("request").unwrap_or(&Value::Null);
    let response = entry.get("response").unwrap_or(&Value::Null);
    let kind = response.get("content").map_or("", |content| text_of(content, "mimeType")).to_ascii_lowercase();
    let is_data = ["json", "csv", "ndjson"].iter().any(|word| kind.contains(word));
    let status = response.get("status").and_then(Value::as_u64).unwrap_or(0);
    matches!(text_of(request, "method"), "GET" | "POST")
        && text_of(request, "url").starts_with("http")
        && is_data
        && (200..300).contains(&status)
}

/// The method and the URL without its query, which may have secrets in it.
fn name_of(entry: &Value) -> String {
    let request = entry.get("request").unwrap_or(&Value::Null);
    let url = text_of(request, "url");
    format!("{} {}", text_of(request, "method"), url.split(['?', '#']).next().unwrap_or_default())
}

/// The request of an entry.
///
/// # Errors
/// [`DescribedFault`].
pub(crate) fn from_har(text: &str, wishes: &Wishes) -> Result<Described, DescribedFault> {
    let what = "HAR";
    let document = parse(text, what, false)?;
    let entries = document.get("log").and_then(|log| log.get("entries")).and_then(Value::as_array);
    let entries = entries.ok_or_else(|| DescribedFault::NoSuch { what, why: "it has no `log.entries`".to_owned() })?;
    let data: Vec<(usize, &Value)> = entries.iter().enumerate().filter(|(_, entry)| is_of_data(entry)).collect();
    let how = "by a part of its URL, or by its number among all entries";
    let names = || {
        let named = data.iter().map(|(number, entry)| (name_of(entry), number + 1));
        let mut seen = BTreeSet::new();
        named.filter(|(name, _)| seen.insert(name.clone())).map(|(name, number)| format!("{number}: {name}")).collect::<Vec<_>>()
    };
    let found = match wishes.which.as_deref() {
        None => {
            let names = names();
            (names.len() == 1).then(|| data.first()).flatten().ok_or_else(|| choose(None, &names, how))?.1
        }
        Some(which) => {
            let by_number = which.parse::<usize>().ok().and_then(|number| entries.get(number.checked_sub(1)?));
            let by_url = || data.iter().map(|(_, entry)| *entry).find(|entry| name_of(entry).contains(which));
            by_number.or_else(by_url).ok_or_else(|| choose(Some(which), &names(), how))?
        }
    };
    let request = found.get("request").unwrap_or(&Value::Null);
    let mut asked = Asked::of_url(text_of(request, "url"))?;
    asked.is_post = text_of(request, "method") == "POST";
    for header in list_of(request, "headers") {
        add_header(&mut asked, text_of(header, "name"), text_of(header, "value"))?;
    }
    let mut notes = Vec::new();
    if asked.is_post {
        asked.body = body(request.get("postData").unwrap_or(&Value::Null));
    }
    if asked.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("cookie")) {
        notes.push("the cookie of the browser is sent, which ends when the session does; an API's own key lasts".to_owned());
    }
    let mut described = Described { asked, parameters: Vec::new(), notes };
    with_params(&mut described, wishes);
    Ok(described)
}

fn body(data: &Value) -> Option<Body> {
    let (kind, text) = (text_of(data, "mimeType"), text_of(data, "text"));
    if let Ok(Value::Object(members)) = serde_json::from_str(text)
        && kind.contains("json")
    {
        return Some(Body::Json(members));
    }
    let params = list_of(data, "params");
    if !params.is_empty() {
        let pair = |param: &Value| {
            let (name, value) = (text_of(param, "name"), text_of(param, "value"));
            (name.to_owned(), Given::named(name, value))
        };
        return Some(Body::Form(params.iter().map(pair).collect()));
    }
    (!text.is_empty()).then(|| Body::Text(text.to_owned()))
}
