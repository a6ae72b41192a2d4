//! `endpoint`: the first request of a resource, and how the next ones follow.

use serde_json::{Map, Number};
use url::Url;

use crate::base::{JsonPath, Secret};
use crate::config::raw::{self, Entries, Field, Node, Scalar};
use crate::config::resolve::client::Client;
use crate::config::resolve::template::{fill, fill_none, names_single_entity};
use crate::config::resolve::{Context, auth, paginator};
use crate::config::tree::{NodeId, Text, Value};
use crate::config::{EndpointPlan, Method, PaginatorPlan, Problem};

/// The plan of an endpoint already merged with its defaults; `None` when a fault leaves it open. `id` and `name` are the
/// resource's: its name is the path of an endpoint without one.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, name: &str, raw: &raw::Endpoint, client: &Client) -> Option<EndpointPlan> {
    let path_id = raw.path.place().unwrap_or(id);
    let path = match (raw.path.set(), cx.reader.document()) {
        (Some((id, _)), document) => match &document.node(id).value {
            Value::Text(text) => text.clone(),
            _ => Text::default(),
        },
        (None, _) => Text { text: name.to_owned(), ..Text::default() },
    };
    let single = names_single_entity(&path.text);
    let mut params = params(cx, &raw.params);
    let url = url(cx, path_id, &path, &mut params, &client.base_url);
    let headers = auth::headers(cx, &raw.headers, &|id, secret| header_value(cx, id, secret));
    let auth = auth::resolve(cx, &raw.auth);
    let json = raw.json.get().map(|entries| json_body(cx, entries));
    let paginator = if single && raw.paginator.is_unset() {
        Some(PaginatorPlan::SinglePage)
    } else {
        paginator::resolve(cx, &raw.paginator, &client.paginator)
    };
    let data_selector = raw.data_selector.get().map(|Scalar(path)| path.clone());
    Some(EndpointPlan {
        url: url?,
        method: match raw.method.get() {
            None | Some(raw::Method::Get) => Method::Get,
            Some(raw::Method::Post) => Method::Post,
        },
        params: params
            .into_iter()
            .flat_map(|param| param.values.into_iter().map(move |value| (param.name.clone(), value)))
            .collect(),
        json,
        headers,
        data_selector: data_selector.or_else(|| single.then(JsonPath::root)),
        paginator: paginator?,
        auth,
    })
}

/// One key of `params`.
struct Param {
    name: String,
    values: Vec<String>,
    /// Not a list and not null, so that it can stand in a path.
    scalar: bool,
}

/// The parameters, null ones without values.
fn params(cx: Context<'_>, field: &Field<Entries<Node>>) -> Vec<Param> {
    let Some(Entries(entries)) = field.get() else { return Vec::new() };
    let mut params = Vec::new();
    for (name, value) in entries {
        let Some(id) = value.place() else { continue };
        let name = match fill_none(&Text { text: name.clone(), ..Text::default() }, false) {
            Ok(name) => name,
            Err(problem) => {
                cx.fault(id, problem);
                continue;
            }
        };
        let (values, scalar) = match &cx.reader.document().node(id).value {
            Value::Null => (Vec::new(), false),
            Value::List(items) => (items.iter().filter_map(|&item| param_value(cx, item)).collect(), false),
            _ => (param_value(cx, id).into_iter().collect(), true),
        };
        params.push(Param { name, values, scalar });
    }
    params
}

/// A parameter's value as it is sent; `None` for null, and after a fault.
fn param_value(cx: Context<'_>, id: NodeId) -> Option<String> {
    match &cx.reader.document().node(id).value {
        Value::Null | Value::Faulty => None,
        Value::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
        Value::Number(number) => Some(number.clone()),
        Value::Text(text) => filled(cx, id, text),
        Value::List(_) => {
            cx.reader.wrong(id, "text, a number or a boolean within the list");
            None
        }
        Value::Map(entries) => {
            let kind = entries.iter().find(|entry| entry.key == "type").map(|entry| &cx.reader.document().node(entry.node).value);
            let problem = match kind {
                Some(Value::Text(kind)) if matches!(kind.text.as_str(), "resolve" | "incremental") => {
                    Problem::NotYet { what: format!("type: {}", kind.text) }
                }
                _ => Problem::Wrong {
                    expected: "text, a number, a boolean or a list; an object is sent as text, `'{{\"key\": 1}}'`".to_owned(),
                    found: "a map".to_owned(),
                },
            };
            cx.fault(id, problem);
            None
        }
    }
}

fn filled(cx: Context<'_>, id: NodeId, text: &Text) -> Option<String> {
    fill_none(text, false).map_err(|problem| cx.fault(id, problem)).ok()
}

/// A header's value with its braces settled.
fn header_value(cx: Context<'_>, id: NodeId, secret: &Secret) -> Option<Secret> {
    match &cx.reader.document().node(id).value {
        Value::Text(text) => fill_none(text, true).map(Secret::new).map_err(|problem| cx.fault(id, problem)).ok(),
        _ => Some(secret.clone()),
    }
}

/// The endpoint's URL: `path` filled from `params`, which then are not sent, and joined to the base as dlt does.
fn url(cx: Context<'_>, id: NodeId, path: &Text, params: &mut Vec<Param>, base: &Url) -> Option<Url> {
    let mut used = Vec::new();
    let filled = fill(path, false, &mut |name| {
        let param = params.iter().find(|param| param.name == name)?;
        used.push(name.to_owned());
        Some(match param.values.first() {
            Some(value) if param.scalar && !value.is_empty() => Ok(value.clone()),
            _ if param.scalar && param.values.is_empty() => Ok(String::new()),
            _ => Err(Problem::Placeholder {
                name: name.to_owned(),
                why: "needs one value in `params`, not a list, null or nothing",
            }),
        })
    });
    let filled = match filled {
        Ok(filled) => filled,
        Err(Problem::Placeholder { name, why: _ }) if !name.is_empty() && !params.iter().any(|param| param.name == name) => {
            let why = "is not in `params`; write `{{` and `}}` for braces";
            cx.fault(id, Problem::Placeholder { name, why });
            return None;
        }
        Err(problem) => {
            cx.fault(id, problem);
            return None;
        }
    };
    params.retain(|param| !used.contains(&param.name));
    let joined = join(base.as_str(), &filled);
    match Url::parse(&joined) {
        Ok(url) if url.host_str().is_some() && url.username().is_empty() && url.password().is_none() => Some(url),
        Ok(_) => {
            cx.reader.conflict(id, "credentials do not belong into a URL; write `endpoint.auth`");
            None
        }
        Err(_) => {
            cx.reader.wrong(id, "a path below `client.base_url`, or an `http(s)://` URL");
            None
        }
    }
}

/// dlt's join: one slash between, a whole URL as it is, an empty path leaves the base.
fn join(base: &str, path: &str) -> String {
    if path.starts_with("http://") || path.starts_with("https://") {
        path.to_owned()
    } else if path.is_empty() {
        base.to_owned()
    } else {
        format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

fn json_body(cx: Context<'_>, Entries(entries): &Entries<Node>) -> serde_json::Value {
    let members = entries.iter().filter_map(|(key, value)| Some((key, value.place()?)));
    serde_json::Value::Object(members.filter_map(|(key, id)| Some((member(cx, id, key)?, json_value(cx, id)?))).collect())
}

fn member(cx: Context<'_>, id: NodeId, key: &str) -> Option<String> {
    filled(cx, id, &Text { text: key.to_owned(), ..Text::default() })
}

/// The JSON of a node; its depth is bounded by the document's. `None` after a fault.
fn json_value(cx: Context<'_>, id: NodeId) -> Option<serde_json::Value> {
    Some(match &cx.reader.document().node(id).value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => {
            let number = text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok();
            let is_integer = !text.contains(['.', 'e', 'E']);
            let number = number.or_else(|| text.parse().ok().filter(|_| !is_integer).and_then(Number::from_f64));
            if number.is_none() {
                cx.reader.wrong(id, "an integer of at most 64 bits, or the number as text");
            }
            number?.into()
        }
        Value::Text(text) => filled(cx, id, text)?.into(),
        Value::List(items) => items.iter().filter_map(|&item| json_value(cx, item)).collect::<Vec<_>>().into(),
        Value::Map(entries) => {
            let members =
                entries.iter().filter_map(|entry| Some((member(cx, entry.node, &entry.key)?, json_value(cx, entry.node)?)));
            members.collect::<Map<_, _>>().into()
        }
        Value::Faulty => return None,
    })
}
