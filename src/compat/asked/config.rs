//! The config of one export.
//!
//! In: the request, and what is wanted of its answers. Out: the text of a config with one resource, as a person would write it, and the secrets
//! that its variables stand for. It is read like any other config, so that all checks hold, and it is what the nightly run goes on with.

use crate::base::Secret;
use crate::compat::asked::{Asked, Body, Credentials, Given};
use crate::compat::import::{Part, Value, block};

/// What is wanted of the answers, each as it stands in a config.
#[derive(Debug, Clone, Default)]
pub(crate) struct Export {
    /// `data_selector`.
    pub(crate) records: Option<String>,
    /// `paginator`: a name, or `{type: …}`.
    pub(crate) paginator: Option<String>,
    /// `primary_key`.
    pub(crate) key: Vec<String>,
    /// The expression of a `filter`.
    pub(crate) filter: Option<String>,
    /// The paths of a `keep`.
    pub(crate) select: Vec<String>,
    /// `sort_by`.
    pub(crate) sort: Vec<SortBy>,
}

/// A column of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortBy {
    /// The column.
    pub(crate) column: String,
    /// Greatest first.
    pub(crate) descending: bool,
}

/// A config, written.
#[derive(Debug, Clone)]
pub(crate) struct ExportConfig {
    /// Its YAML.
    pub(crate) text: String,
    /// The name of the pipeline and its one resource.
    pub(crate) name: String,
    /// What its variables stand for that are not in the environment.
    pub(crate) secrets: Vec<(String, Secret)>,
}

/// The config of an export.
///
/// # Errors
/// What of it is no value, as a sentence.
pub(crate) fn export_config(asked: &Asked, export: &Export) -> Result<ExportConfig, String> {
    let name = name_of(asked);
    let mut writer = Writer { prefix: prefix_of(&name), secrets: Vec::new() };
    let mut client = vec![("base_url".to_owned(), Value::text(&asked.url.origin().ascii_serialization()))];
    if !asked.headers.is_empty() {
        let headers = asked.headers.iter().map(|(name, value)| (escaped(name), writer.value(name, value, true)));
        client.push(("headers".to_owned(), Value::Map(headers.collect())));
    }
    if let Some(auth) = &asked.auth {
        client.push(("auth".to_owned(), writer.auth(auth)));
    }
    let mut endpoint = vec![("path".to_owned(), Value::text(&escaped(asked.url.path())))];
    if asked.is_post {
        endpoint.push(("method".to_owned(), Value::text("POST")));
    }
    if !asked.params.is_empty() {
        endpoint.push(("params".to_owned(), writer.params(&asked.params)));
    }
    match &asked.body {
        None => {}
        Some(Body::Json(members)) => {
            let members = members.iter().map(|(name, value)| (escaped(name), writer.json(name, value)));
            endpoint.push(("json".to_owned(), Value::Map(members.collect())));
        }
        Some(Body::Form(pairs)) => {
            let pair =
                |(name, value): &(String, Given)| Value::List(vec![Value::text(&escaped(name)), writer.value(name, value, true)]);
            endpoint.push(("data".to_owned(), Value::List(pairs.iter().map(pair).collect())));
        }
        Some(Body::Text(text)) => endpoint.push(("data".to_owned(), Value::text(&escaped(text)))),
    }
    if let Some(records) = &export.records {
        endpoint.push(("data_selector".to_owned(), Value::text(records)));
    }
    if let Some(paginator) = &export.paginator {
        endpoint.push(("paginator".to_owned(), flow(paginator)?));
    }
    let mut resource = vec![("name".to_owned(), Value::text(&name)), ("endpoint".to_owned(), Value::Map(endpoint))];
    resource.extend(of_rows(export));
    let config = [
        ("name".to_owned(), Value::text(&name)),
        ("client".to_owned(), Value::Map(client)),
        ("resources".to_owned(), Value::List(vec![Value::Map(resource)])),
        ("lake".to_owned(), Value::Map(vec![("url".to_owned(), Value::text("./lake"))])),
    ];
    Ok(ExportConfig { text: block(&config), name, secrets: writer.secrets })
}

/// What of a resource is about its rows.
fn of_rows(export: &Export) -> Vec<(String, Value)> {
    let texts = |texts: &[String]| Value::List(texts.iter().map(|text| Value::text(text)).collect());
    let mut keys = Vec::new();
    let filter = export.filter.as_ref().map(|filter| ("filter", Value::text(filter)));
    let keep = (!export.select.is_empty()).then(|| ("keep", texts(&export.select)));
    let steps: Vec<Value> =
        filter.into_iter().chain(keep).map(|(step, value)| Value::Map(vec![(step.to_owned(), value)])).collect();
    if !steps.is_empty() {
        keys.push(("processing_steps".to_owned(), Value::List(steps)));
    }
    if !export.key.is_empty() {
        keys.push(("primary_key".to_owned(), texts(&export.key)));
    }
    let disposition = if export.key.is_empty() { "replace" } else { "merge" };
    keys.push(("write_disposition".to_owned(), Value::text(disposition)));
    if !export.sort.is_empty() {
        let field = |SortBy { column, descending }: &SortBy| {
            let mut field = vec![("column".to_owned(), Value::text(column))];
            if *descending {
                field.push(("order".to_owned(), Value::text("desc")));
            }
            Value::Map(field)
        };
        keys.push(("sort_by".to_owned(), Value::List(export.sort.iter().map(field).collect())));
    }
    keys
}

/// Values on their way into a config, whose secrets become variables.
struct Writer {
    prefix: String,
    secrets: Vec<(String, Secret)>,
}

impl Writer {
    /// A value that is called `name`; `is_template` where braces are placeholders.
    fn value(&mut self, name: &str, given: &Given, is_template: bool) -> Value {
        match given {
            Given::Plain(text) if is_template => Value::text(&escaped(text)),
            Given::Plain(text) => Value::text(text),
            Given::Secret(text) => self.secret(name, text),
            Given::Variable(name) => Value::Text(vec![Part::Variable(name.clone(), None)]),
            Given::File(path) => Value::Text(vec![Part::Variable(format!("file:{path}"), None)]),
        }
    }

    /// A variable for a secret, named by what it is for.
    fn secret(&mut self, name: &str, text: &str) -> Value {
        let word: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let base = format!("{}_{}", self.prefix, word.trim_matches('_'));
        let is_taken = |name: &String| self.secrets.iter().any(|(known, _)| known == name);
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(base);
        self.secrets.push((name.clone(), Secret::new(text)));
        Value::Text(vec![Part::Variable(name, None)])
    }

    fn auth(&mut self, auth: &Credentials) -> Value {
        let key = |name: &str, value: Value| (name.to_owned(), value);
        let api_key = |name: &str, location: &str, value: Value| {
            vec![
                key("type", Value::text("api_key")),
                key("name", Value::text(name)),
                key("api_key", value),
                key("location", Value::text(location)),
            ]
        };
        Value::Map(match auth {
            Credentials::Bearer(token) => {
                vec![key("type", Value::text("bearer")), key("token", self.value("token", token, false))]
            }
            Credentials::Basic(user, password) => vec![
                key("type", Value::text("http_basic")),
                key("username", self.value("user", user, false)),
                key("password", self.value("password", password, false)),
            ],
            Credentials::Query(name, value) => api_key(name, "query", self.value(name, value, false)),
            Credentials::Header(name, value) => api_key(name, "header", self.value(name, value, false)),
        })
    }

    /// Parameters as a map, in which those of one name are a list.
    fn params(&mut self, params: &[(String, Given)]) -> Value {
        let mut map: Vec<(String, Value)> = Vec::new();
        for (name, given) in params {
            let (key, value) = (escaped(name), self.value(name, given, true));
            match map.iter_mut().find(|(known, _)| *known == key) {
                None => map.push((key, value)),
                Some((_, Value::List(values))) => values.push(value),
                Some((_, single)) => {
                    let first = std::mem::replace(single, Value::Null);
                    *single = Value::List(vec![first, value]);
                }
            }
        }
        Value::Map(map)
    }

    fn json(&mut self, name: &str, value: &serde_json::Value) -> Value {
        use serde_json::Value as Json;
        match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::Number(number.to_string()),
            Json::String(text) => self.value(name, &Given::named(name, text), true),
            Json::Array(elements) => Value::List(elements.iter().map(|element| self.json(name, element)).collect()),
            Json::Object(members) => {
                Value::Map(members.iter().map(|(name, value)| (escaped(name), self.json(name, value))).collect())
            }
        }
    }
}

/// A text in which braces are no placeholders.
fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A name alone, or a flat map as messages write it: `{type: offset, limit: 100}`.
fn flow(text: &str) -> Result<Value, String> {
    let text = text.trim();
    let wrong = || format!("`{text}` is no paginator: write its type, or `{{type: offset, limit: 100}}`");
    let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        let is_name = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        return if is_name { Ok(Value::text(text)) } else { Err(wrong()) };
    };
    let mut members = Vec::new();
    for member in split_outside_quotes(inner) {
        let (key, value) = member.split_once(':').ok_or_else(wrong)?;
        let key = unquoted(key.trim());
        members.push((key, scalar(value.trim()).ok_or_else(wrong)?));
    }
    Ok(Value::Map(members))
}

/// The parts between commas that stand in no quotes.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match (c, quote) {
            (',', None) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn scalar(text: &str) -> Option<Value> {
    if text.is_empty() || text.contains(['{', '}']) {
        return None;
    }
    let is_number = text.parse::<i64>().is_ok();
    Some(match text {
        "true" | "false" => Value::Bool(text == "true"),
        "null" => Value::Null,
        _ if is_number => Value::Number(text.to_owned()),
        _ => Value::text(&unquoted(text)),
    })
}

fn unquoted(text: &str) -> String {
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    match (within('"'), within('\'')) {
        (Some(_), _) => serde_json::from_str(text).unwrap_or_else(|_| text.trim_matches('"').to_owned()),
        (_, Some(text)) => text.replace("''", "'"),
        _ => text.to_owned(),
    }
}

/// A name for the table: the last part of the URL's path that can be one, else its host.
fn name_of(asked: &Asked) -> String {
    let name = |text: &str| -> String {
        let text = text.strip_suffix(".json").or_else(|| text.strip_suffix(".csv")).unwrap_or(text);
        let decoded = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let safe = decoded.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' });
        safe.collect::<String>().trim_matches(['_', '.', '-']).chars().take(60).collect()
    };
    let is_word = |text: &&str| text.contains(|c: char| c.is_ascii_alphabetic());
    let path = asked.url.path().rsplit('/').filter(is_word).map(name).find(|name| !name.is_empty());
    path.or_else(|| asked.url.host_str().map(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "export".to_owned())
}

/// How the variables of a config of this name begin.
fn prefix_of(name: &str) -> String {
    let upper: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if upper.starts_with(|c: char| c.is_ascii_digit()) { format!("API_{upper}") } else { upper }
}
