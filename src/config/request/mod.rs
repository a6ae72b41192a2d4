//! Requests: what an endpoint asks for, with placeholders that wait for a record of a parent or for the state of incremental loading.
//!
//! In: templates, made once from the config, and the values of one slice. Out: the [`Request`] that the slice's pages are made from.
//! Pure. The rules of filling in are dlt's (Python's `str.format`), except where a value could lead the request elsewhere: in a URL it is
//! encoded, and `..` is refused. Not here: what a page's position changes (`source`).

mod format;
mod template;

use std::fmt;

use serde_json::{Map, Value};
use url::Url;

use crate::base::Secret;

pub(crate) use format::{Format, FormatError};
pub(crate) use template::{Binding, IncrementalValue, Part, Placeholder, Template};

/// A request whose placeholders are open.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestTemplate {
    /// The whole URL, without `params` and credentials.
    pub(crate) url: Template,
    /// Query parameters in order, nulls dropped, lists repeated.
    pub(crate) params: Vec<(Template, Template)>,
    /// JSON body.
    pub(crate) json: Option<JsonTemplate>,
    /// Any other body.
    pub(crate) data: Option<DataTemplate>,
    /// Headers besides the client's, winning over them. Values may hold secrets.
    pub(crate) headers: Vec<(Template, Template)>,
}

/// A JSON value whose texts, and names of members, may have placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JsonTemplate {
    /// Anything but text, a list or a map.
    Fixed(Value),
    /// Text; a placeholder that stands alone keeps the type of its value.
    Text(Template),
    /// A list.
    Array(Vec<JsonTemplate>),
    /// A map.
    Object(Vec<(Template, JsonTemplate)>),
}

/// A body that is no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DataTemplate {
    /// A form; a name may come several times.
    Form(Vec<(Template, Template)>),
    /// Sent as it is, without a content type.
    Raw(Template),
}

/// A request with nothing open.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The first page's URL, without `params` and credentials.
    pub(crate) url: Url,
    /// Query parameters in order.
    pub(crate) params: Vec<(String, String)>,
    /// JSON body.
    pub(crate) json: Option<Value>,
    /// Any other body.
    pub(crate) data: Option<RequestData>,
    /// Headers besides the client's, winning over them. Values may hold secrets.
    pub(crate) headers: Vec<(String, Secret)>,
}

/// A body that is no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RequestData {
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// As it is.
    Raw(String),
}

/// The values of one slice, as JSON text; `None` where there is none.
pub(crate) type Values<'v> = dyn Fn(&Binding) -> Option<&'v str> + 'v;

/// Why a request cannot be made from these values. Names the placeholder, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BindError {
    /// The value is missing or null.
    #[error("`{{{name}}}` has no value")]
    Missing {
        /// What stands between the braces.
        name: String,
    },
    /// An object or array where text is needed.
    #[error("`{{{name}}}` is {kind}, and only text, numbers and booleans can stand in a URL or a header")]
    Structured {
        /// What stands between the braces.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// A path that climbs out of its place.
    #[error("`{{{name}}}` makes a `.` or `..` of a part of the path, which would lead to another endpoint")]
    Climbs {
        /// What stands between the braces.
        name: String,
    },
    /// The format of a placeholder does not fit its value.
    #[error("`{{{name}}}`")]
    Format {
        /// What stands between the braces.
        name: String,
        /// Why.
        source: FormatError,
    },
    /// A number that JSON text keeps and a body would not.
    #[error("`{{{name}}}` is a number that a JSON body cannot carry exactly; write it within a text")]
    Number {
        /// What stands between the braces.
        name: String,
    },
    /// Filled in, the URL is none.
    #[error("with the values of this record the path makes no URL")]
    Url,
}

impl RequestTemplate {
    /// Fills in `values`. A parameter that is nothing but a value of incremental loading that does not exist yet is left out.
    ///
    /// # Errors
    /// [`BindError`] for the first placeholder that cannot be filled in.
    pub(crate) fn bind(&self, values: &Values<'_>) -> Result<Request, BindError> {
        let pairs = |pairs: &[(Template, Template)]| -> Result<Vec<(String, String)>, BindError> {
            let open = pairs.iter().filter(|(_, value)| !value.is_absent(values));
            open.map(|(name, value)| Ok((name.text(values)?, value.text(values)?))).collect()
        };
        let header = |(name, value): &(Template, Template)| Ok((name.text(values)?, Secret::new(value.text(values)?)));
        Ok(Request {
            url: Url::parse(&self.url.url(values)?).map_err(|_| BindError::Url)?,
            params: pairs(&self.params)?,
            json: self.json.as_ref().map(|json| json.bind(values)).transpose()?,
            data: match &self.data {
                None => None,
                Some(DataTemplate::Raw(text)) => Some(RequestData::Raw(text.text(values)?)),
                Some(DataTemplate::Form(form)) => Some(RequestData::Form(pairs(form)?)),
            },
            headers: self.headers.iter().map(header).collect::<Result<_, _>>()?,
        })
    }

    /// Where the values come from, each once, in no order that matters.
    pub(crate) fn bindings(&self) -> Vec<&Binding> {
        let mut bindings: Vec<&Binding> = Vec::new();
        for placeholder in self.templates().into_iter().flat_map(Template::placeholders) {
            if !bindings.contains(&&placeholder.of) {
                bindings.push(&placeholder.of);
            }
        }
        bindings
    }

    fn templates(&self) -> Vec<&Template> {
        let mut all = vec![&self.url];
        for (name, value) in self.params.iter().chain(&self.headers) {
            all.extend([name, value]);
        }
        match &self.data {
            Some(DataTemplate::Raw(text)) => all.push(text),
            Some(DataTemplate::Form(form)) => all.extend(form.iter().flat_map(|(name, value)| [name, value])),
            None => {}
        }
        if let Some(json) = &self.json {
            json.templates(&mut all);
        }
        all
    }
}

impl JsonTemplate {
    fn bind(&self, values: &Values<'_>) -> Result<Value, BindError> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Text(template) => template.json(values)?,
            Self::Array(items) => Value::Array(items.iter().map(|item| item.bind(values)).collect::<Result<_, _>>()?),
            Self::Object(members) => {
                let member = |(name, value): &(Template, Self)| Ok((name.text(values)?, value.bind(values)?));
                Value::Object(members.iter().map(member).collect::<Result<Map<_, _>, _>>()?)
            }
        })
    }

    /// How many names of `path` lead to something that is no object and has further names behind it.
    pub(crate) fn obstacle(&self, path: &[String]) -> Option<usize> {
        let mut at = self;
        for (depth, name) in path.iter().enumerate() {
            let Self::Object(members) = at else { return Some(depth).filter(|_| *at != Self::Fixed(Value::Null)) };
            let member = members.iter().find(|(key, _)| key.is_fixed() && key.sample() == *name);
            at = &member?.1;
        }
        None
    }

    fn templates<'t>(&'t self, all: &mut Vec<&'t Template>) {
        match self {
            Self::Fixed(_) => {}
            Self::Text(template) => all.push(template),
            Self::Array(items) => items.iter().for_each(|item| item.templates(all)),
            Self::Object(members) => {
                for (name, value) in members {
                    all.push(name);
                    value.templates(all);
                }
            }
        }
    }
}

/// Headers may hold secrets, so that no value is shown.
impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<&Template> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("RequestTemplate")
            .field("url", &self.url)
            .field("params", &self.params)
            .field("json", &self.json)
            .field("data", &self.data)
            .field("headers", &headers)
            .finish()
    }
}

#[cfg(test)]
mod tests;
