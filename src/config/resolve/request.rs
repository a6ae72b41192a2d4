//! The request of an endpoint: path, parameters, body and headers as templates.

use serde_json::Number;
use url::Url;

use crate::config::Problem;
use crate::config::raw::{self, Entries, Field, Node};
use crate::config::request::{DataTemplate, JsonTemplate, RequestTemplate, Template};
use crate::config::resolve::template::{Names, parse};
use crate::config::resolve::{Context, auth};
use crate::config::tree::{NodeId, Text, Value};

/// One key of `params`.
struct Param {
    name: Template,
    /// The name as written, by which a path may call it.
    written: String,
    values: Vec<Template>,
    /// Not a list and not null, so that it can stand in a path.
    scalar: bool,
    /// dlt's `type: resolve`, which has to stand in the path.
    resolve: Option<NodeId>,
}

/// Makes templates of an endpoint's texts.
#[derive(Clone, Copy)]
pub(crate) struct Texts<'a> {
    /// The config's reader.
    pub(crate) cx: Context<'a>,
    /// What placeholders may name.
    pub(crate) names: &'a Names<'a>,
}

/// The request of an endpoint already merged with its defaults; `None` when a fault leaves it open. `path` stands at `path_id`.
pub(crate) fn resolve(
    texts: Texts<'_>,
    path_id: NodeId,
    path: &Text,
    raw: &raw::Endpoint,
    base: &Url,
) -> Option<RequestTemplate> {
    let cx = texts.cx;
    let mut params = texts.params(&raw.params);
    let url = texts.url(path_id, path, &mut params, base);
    for param in params.iter().filter_map(|param| param.resolve) {
        cx.reader.conflict(
            param,
            "a parameter of `type: resolve` has to stand in the path as `{its name}`; elsewhere write `{resources.NAME.FIELD}`",
        );
    }
    let headers = texts.headers(&raw.headers);
    let json = raw.json.get().map(|entries| texts.json_body(entries));
    let data = texts.data(&raw.data);
    let has_json = matches!(&json, Some(JsonTemplate::Object(members)) if !members.is_empty());
    if let (Some(id), Some(_), true) = (raw.data.place(), &data, has_json) {
        cx.reader.conflict(id, "a request has one body: `json` or `data`");
    }
    let params = params.into_iter().flat_map(|param| {
        let Param { name, values, .. } = param;
        values.into_iter().map(move |value| (name.clone(), value))
    });
    Some(RequestTemplate {
        url: url?,
        params: params.collect(),
        json: json.filter(|_| data.is_none() || has_json),
        data,
        headers,
    })
}

impl Texts<'_> {
    /// The template of a text, or the fault recorded.
    fn template(self, id: NodeId, text: &Text, hide: bool) -> Option<Template> {
        self.parsed(id, text, hide).inspect(|template| self.names.note(id, template, false))
    }

    fn parsed(self, id: NodeId, text: &Text, hide: bool) -> Option<Template> {
        parse(self.names, id, text, hide, &mut |_| None).map_err(|problem| self.cx.fault(id, problem)).ok()
    }

    fn key(self, id: NodeId, key: &str) -> Option<Template> {
        self.template(id, &Text { text: key.to_owned(), ..Text::default() }, false)
    }

    fn node(&self, id: NodeId) -> &Value {
        &self.cx.reader.document().node(id).value
    }

    /// The parameters, null ones without values.
    fn params(self, field: &Field<Entries<Node>>) -> Vec<Param> {
        let Some(Entries(entries)) = field.get() else { return Vec::new() };
        let mut params = Vec::new();
        for (written, value) in entries {
            let Some(id) = value.place() else { continue };
            let Some(name) = self.key(id, written) else { continue };
            let (values, scalar, resolve) = match self.node(id) {
                Value::Null => (Vec::new(), false, None),
                Value::List(items) => (items.iter().filter_map(|&item| self.scalar(item)).collect(), false, None),
                Value::Map(_) if self.kind(id) == Some("resolve") => {
                    (self.resolve_param(id).into_iter().collect(), true, Some(id))
                }
                _ => (self.scalar(id).into_iter().collect(), true, None),
            };
            params.push(Param { name, written: written.clone(), values, scalar, resolve });
        }
        params
    }

    /// The `type` of a map.
    fn kind(&self, id: NodeId) -> Option<&str> {
        match self.member(id, "type").map(|id| self.node(id)) {
            Some(Value::Text(kind)) => Some(&kind.text),
            _ => None,
        }
    }

    fn member(&self, id: NodeId, key: &str) -> Option<NodeId> {
        let Value::Map(entries) = self.node(id) else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| entry.node)
    }

    /// dlt's older form, `{type: resolve, resource: posts, field: id}`, is `{resources.posts.id}`.
    fn resolve_param(self, id: NodeId) -> Option<Template> {
        let Value::Map(entries) = self.node(id) else { return None };
        let known = ["type", "resource", "field"];
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let known: Vec<String> = known.iter().map(|&key| key.to_owned()).collect();
            let nearest = crate::config::fault::nearest(&entry.key, &known);
            self.cx.fault(entry.node, Problem::UnknownKey { key: entry.key.clone(), nearest, known });
        }
        let text = |key: &str, meaning: &str| match self.member(id, key).map(|id| (id, self.node(id))) {
            Some((id, Value::Text(text))) if !text.text.is_empty() => Some((id, text.text.clone())),
            Some((id, _)) => {
                self.cx.reader.wrong(id, "text that is not empty");
                None
            }
            None => {
                self.cx.reader.missing(id, key, meaning);
                None
            }
        };
        let (resource, field) =
            (text("resource", "the parent"), text("field", "the JSON path of the value in the parent's records"));
        let ((resource_id, resource), (_, field)) = (resource?, field?);
        let written = Text { text: format!("{{resources.{resource}.{field}}}"), ..Text::default() };
        self.template(resource_id, &written, false)
    }

    /// A parameter's or form field's value as it is sent; `None` for null, and after a fault.
    fn scalar(self, id: NodeId) -> Option<Template> {
        match self.node(id) {
            Value::Null | Value::Faulty => None,
            Value::Bool(value) => Some(Template::fixed(if *value { "True" } else { "False" })),
            Value::Number(number) => Some(Template::fixed(number.as_str())),
            Value::Text(text) => self.parsed(id, text, false).inspect(|template| self.names.note(id, template, true)),
            Value::List(_) => {
                self.cx.reader.wrong(id, "text, a number or a boolean within the list");
                None
            }
            Value::Map(_) => {
                let problem = match self.kind(id) {
                    Some(kind @ ("resolve" | "incremental")) => Problem::NotYet { what: format!("type: {kind}") },
                    _ => Problem::Wrong {
                        expected: "text, a number, a boolean or a list; an object is sent as text, `'{{\"key\": 1}}'`".to_owned(),
                        found: "a map".to_owned(),
                    },
                };
                self.cx.fault(id, problem);
                None
            }
        }
    }

    /// Headers in order, their names checked where nothing in them is open.
    fn headers(self, field: &Field<Entries<raw::Credential>>) -> Vec<(Template, Template)> {
        let mut templates = Vec::new();
        let fixed = auth::headers(self.cx, field, &mut |id, name, secret| {
            let value = match self.node(id) {
                Value::Text(text) => self.template(id, text, true),
                _ => Some(Template::fixed(secret.expose())),
            };
            if let (Some(name), Some(value)) = (self.key(id, name), value) {
                templates.push((name, value));
            }
            None
        });
        debug_assert!(fixed.is_empty(), "the templates stand for the headers");
        templates
    }

    /// The URL: `path` with the parameters that it names, which then are not sent, joined to the base as dlt does.
    fn url(self, id: NodeId, path: &Text, params: &mut Vec<Param>, base: &Url) -> Option<Template> {
        let mut used = Vec::new();
        let mut unknown = false;
        let filled = parse(self.names, id, path, false, &mut |name| {
            let Some(param) = params.iter().find(|param| param.written == name) else {
                unknown = !name.is_empty();
                return None;
            };
            used.push(name.to_owned());
            Some(match param.values.first() {
                Some(value) if param.scalar && !value.parts.is_empty() => Ok(value.clone()),
                _ if param.scalar && param.values.is_empty() => Ok(Template::default()),
                _ => Err(Problem::Placeholder {
                    name: name.to_owned(),
                    why: "needs one value in `params`, not a list, null or nothing".into(),
                }),
            })
        });
        let filled = match filled {
            Ok(filled) => filled,
            Err(Problem::Placeholder { name, why: _ }) if unknown => {
                let why = self.names.meant(&name).map_or_else(
                    || format!(
                        "is not in `params`; write `{{resources.NAME.{}}}` for a value of another resource, `{{{{` and `}}}}` for braces",
                        if is_field(&name) { name.as_str() } else { "FIELD" }
                    ),
                    |meant| format!("is not in `params`; did you mean `{meant}`?"),
                );
                self.cx.fault(id, Problem::Placeholder { name, why: why.into() });
                return None;
            }
            Err(problem) => {
                self.cx.fault(id, problem);
                return None;
            }
        };
        self.names.note(id, &filled, false);
        params.retain(|param| !used.contains(&param.written));
        let joined = join(base.as_str(), filled);
        // The host is what credentials are sent to: no value of a record may stand in it.
        let has_open_host = !joined.is_fixed() && origin_of(joined.leading_text()).is_none();
        match Url::parse(&joined.sample()) {
            Ok(url) if has_open_host || url.host_str().is_none() => {
                self.cx.reader.conflict(id, "the host of a URL has to be written out");
                None
            }
            Ok(url) if url.username().is_empty() && url.password().is_none() => Some(joined),
            Ok(_) => {
                self.cx.reader.conflict(id, "credentials do not belong into a URL; write `endpoint.auth`");
                None
            }
            Err(_) => {
                self.cx.reader.wrong(id, "a path below `client.base_url`, or an `http(s)://` URL");
                None
            }
        }
    }

    fn json_body(self, Entries(entries): &Entries<Node>) -> JsonTemplate {
        let members = entries.iter().filter_map(|(key, value)| Some((key, value.place()?)));
        JsonTemplate::Object(members.filter_map(|(key, id)| Some((self.key(id, key)?, self.json(id)?))).collect())
    }

    /// The JSON of a node; its depth is bounded by the document's. `None` after a fault.
    fn json(self, id: NodeId) -> Option<JsonTemplate> {
        Some(match self.node(id) {
            Value::Null => JsonTemplate::Fixed(serde_json::Value::Null),
            Value::Bool(value) => JsonTemplate::Fixed((*value).into()),
            Value::Number(text) => {
                let number = text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from)).ok();
                let is_integer = !text.contains(['.', 'e', 'E']);
                let number = number.or_else(|| text.parse().ok().filter(|_| !is_integer).and_then(Number::from_f64));
                if number.is_none() {
                    self.cx.reader.wrong(id, "an integer of at most 64 bits, or the number as text");
                }
                JsonTemplate::Fixed(number?.into())
            }
            Value::Text(text) => JsonTemplate::Text(self.template(id, text, false)?),
            Value::List(items) => JsonTemplate::Array(items.iter().filter_map(|&item| self.json(item)).collect()),
            Value::Map(entries) => {
                let member =
                    |entry: &crate::config::tree::Entry| Some((self.key(entry.node, &entry.key)?, self.json(entry.node)?));
                JsonTemplate::Object(entries.iter().filter_map(member).collect())
            }
            Value::Faulty => return None,
        })
    }

    /// `data`: a map or a list of pairs is a form, a text goes as it is.
    fn data(self, field: &Field<Node>) -> Option<DataTemplate> {
        let (id, _) = field.set()?;
        match self.node(id) {
            Value::Text(text) => self.template(id, text, false).map(DataTemplate::Raw),
            Value::Map(entries) => {
                let mut form = Vec::new();
                for entry in entries {
                    let values: Vec<Template> = match self.node(entry.node) {
                        Value::List(items) => items.iter().filter_map(|&item| self.scalar(item)).collect(),
                        _ => self.scalar(entry.node).into_iter().collect(),
                    };
                    let Some(name) = self.key(entry.node, &entry.key) else { continue };
                    form.extend(values.into_iter().map(|value| (name.clone(), value)));
                }
                Some(DataTemplate::Form(form))
            }
            Value::List(items) => {
                let pair = |&item: &NodeId| match self.node(item) {
                    Value::List(pair) if pair.len() == 2 => Some((self.scalar(pair[0])?, self.scalar(pair[1])?)),
                    _ => {
                        self.cx.reader.wrong(item, "a pair of a name and a value");
                        None
                    }
                };
                Some(DataTemplate::Form(items.iter().filter_map(pair).collect()))
            }
            Value::Faulty => None,
            _ => {
                self.cx.reader.wrong(id, "a form as a map or a list of pairs, or text");
                None
            }
        }
    }
}

/// dlt's join: one slash between, a whole URL as it is, an empty path leaves the base.
fn join(base: &str, path: Template) -> Template {
    let start = path.leading_text();
    if start.starts_with("http://") || start.starts_with("https://") {
        path
    } else if path.parts.is_empty() {
        Template::fixed(base)
    } else {
        path.prefixed(&format!("{}/", base.trim_end_matches('/')))
    }
}

/// Scheme and host of a text that has them whole.
fn origin_of(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    rest.find('/').map(|_| text)
}

/// Whether a name may be that of a field.
fn is_field(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
