//! A text with placeholders, and what becomes of a value that stands in one.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::config::request::{BindError, Format, Values};

/// A text with placeholders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Template {
    /// Its parts in order.
    pub(crate) parts: Vec<Part>,
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as it is.
    Text(String),
    /// Something to fill in.
    Value(Placeholder),
}

/// Something to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    /// Where its value comes from.
    pub(crate) of: Binding,
    /// What stands between the braces, for messages.
    pub(crate) name: String,
    /// How the value becomes text.
    pub(crate) format: Option<Format>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A record of a parent: the place of the parent and of the field in [`crate::config::ResourcePlan::parents`].
    Parent {
        /// Which parent.
        parent: usize,
        /// Which of its fields.
        field: usize,
    },
    /// Incremental loading.
    Incremental(IncrementalValue),
}

/// dlt's `{incremental.…}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncrementalValue {
    /// Where this run starts: the state's last value, `lag` applied, or the initial one.
    Start,
    /// `initial_value`.
    Initial,
    /// The state's last value.
    Last,
    /// `end_value`, or the end of a window.
    End,
    /// `lag`.
    Lag,
}

impl IncrementalValue {
    /// The names that dlt gives them.
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("start_value", Self::Start),
        ("initial_value", Self::Initial),
        ("last_value", Self::Last),
        ("end_value", Self::End),
        ("lag", Self::Lag),
    ];
}

impl Template {
    /// A text without placeholders.
    pub(crate) fn fixed(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())] }
    }

    /// Whether nothing is open.
    pub(crate) fn is_fixed(&self) -> bool {
        self.placeholders().next().is_none()
    }

    /// What is open.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Value(placeholder) => Some(placeholder),
        })
    }

    /// Appends a text.
    pub(crate) fn push(&mut self, c: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(c),
            _ => self.parts.push(Part::Text(c.to_string())),
        }
    }

    /// The text before the first placeholder.
    pub(crate) fn leading_text(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// This template behind `prefix`, which ends in `/`; slashes at its own beginning are dropped.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        match self.parts.first_mut() {
            Some(Part::Text(text)) => *text = format!("{prefix}{}", text.trim_start_matches('/')),
            _ => self.parts.insert(0, Part::Text(prefix.to_owned())),
        }
        self
    }

    /// The text with a digit for everything open, to see whether it can become a URL at all.
    pub(crate) fn sample(&self) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(_) => "0".to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The one placeholder that it is, if it is nothing else.
    fn alone(&self) -> Option<&Placeholder> {
        match self.parts.as_slice() {
            [Part::Value(placeholder)] => Some(placeholder),
            _ => None,
        }
    }

    /// Whether it is nothing but a value of incremental loading that does not exist.
    pub(super) fn is_absent(&self, values: &Values<'_>) -> bool {
        self.alone().is_some_and(|alone| matches!(alone.of, Binding::Incremental(_)) && alone.value(values).is_err())
    }

    /// The text, filled in.
    ///
    /// # Errors
    /// [`BindError`].
    pub(super) fn text(&self, values: &Values<'_>) -> Result<String, BindError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(fixed) => text.push_str(fixed),
                Part::Value(placeholder) => text.push_str(&placeholder.text(values)?),
            }
        }
        Ok(text)
    }

    /// The value, filled in: a placeholder that stands alone keeps its type, null too.
    ///
    /// # Errors
    /// [`BindError`].
    pub(super) fn json(&self, values: &Values<'_>) -> Result<Value, BindError> {
        match self.alone() {
            Some(alone) if alone.format.is_none() => {
                let text = values(&alone.of).ok_or_else(|| BindError::Missing { name: alone.name.clone() })?;
                let value: Value = serde_json::from_str(text).map_err(|_| BindError::Missing { name: alone.name.clone() })?;
                let is_inexact = matches!(&value, Value::Number(number) if number.to_string() != text && !number.is_f64());
                let is_large = matches!(&value, Value::Number(number) if number.is_f64() && !text.contains(['.', 'e', 'E']));
                if is_inexact || is_large {
                    return Err(BindError::Number { name: alone.name.clone() });
                }
                Ok(value)
            }
            _ => self.text(values).map(Value::from),
        }
    }

    /// The text of a URL, filled in. Values are encoded as far as they would change its structure: `/` stays, since names such as
    /// `owner/name` are put into paths.
    ///
    /// # Errors
    /// [`BindError`].
    pub(super) fn url(&self, values: &Values<'_>) -> Result<String, BindError> {
        let (mut url, mut filled) = (String::new(), Vec::new());
        for part in &self.parts {
            match part {
                Part::Text(fixed) => url.push_str(fixed),
                Part::Value(placeholder) => {
                    if let kind @ ("an object" | "an array") = kind_of(placeholder.value(values)?) {
                        return Err(BindError::Structured { name: placeholder.name.clone(), kind });
                    }
                    let text = placeholder.text(values)?;
                    let in_query = url.contains('?');
                    if text.is_empty() && !in_query {
                        return Err(BindError::Missing { name: placeholder.name.clone() });
                    }
                    let start = url.len();
                    encode(&text, in_query, &mut url);
                    if !in_query {
                        filled.push((start..url.len(), placeholder));
                    }
                }
            }
        }
        // Dots may meet those of the text around them.
        for (range, placeholder) in filled {
            let start = url[..range.start].rfind('/').map_or(0, |at| at + 1);
            let end = url[range.end..].find(['/', '?', '#']).map_or(url.len(), |at| range.end + at);
            if url[start..end].to_ascii_uppercase().replace("%5C", "/").split('/').any(is_dots) {
                return Err(BindError::Climbs { name: placeholder.name.clone() });
            }
        }
        Ok(url)
    }
}

impl Placeholder {
    /// The value's JSON text.
    fn value<'v>(&self, values: &Values<'v>) -> Result<&'v str, BindError> {
        let value = values(&self.of).filter(|value| *value != "null");
        value.ok_or_else(|| BindError::Missing { name: self.name.clone() })
    }

    /// Whether a value, as JSON text, can stand in it.
    ///
    /// # Errors
    /// [`BindError`].
    pub(crate) fn check(&self, json: &str) -> Result<(), BindError> {
        self.text(&|_| Some(json)).map(drop)
    }

    fn text(&self, values: &Values<'_>) -> Result<String, BindError> {
        let json = self.value(values)?;
        match &self.format {
            None => Ok(as_text(json).into_owned()),
            Some(format) => format.apply(json).map_err(|source| BindError::Format { name: self.name.clone(), source }),
        }
    }
}

/// A JSON value's text as dlt puts it into a request: strings as they are, booleans as Python spells them, the rest as JSON.
pub(super) fn as_text(json: &str) -> Cow<'_, str> {
    match json {
        "true" => "True".into(),
        "false" => "False".into(),
        _ if json.starts_with('"') => serde_json::from_str::<String>(json).map_or(json.into(), Cow::Owned),
        _ => json.into(),
    }
}

fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        _ => "a scalar",
    }
}

/// Whether a segment of a path, in upper case, leads to another place than itself, as URLs have it: dots may be written as `%2e` (WHATWG URL, "double-dot"), also
/// by the text around a value.
fn is_dots(segment: &str) -> bool {
    matches!(segment.replace("%2E", ".").as_str(), "." | "..")
}

/// Appends `text` with every character encoded that would end a path or a query. A `%` is one, whatever stands behind it: a value is data, and
/// never escapes that somebody else has written.
fn encode(text: &str, in_query: bool, url: &mut String) {
    for c in text.chars() {
        let encoded = match c {
            '?' | '#' | '\\' | '%' => true,
            '&' | '+' => in_query,
            _ => c.is_whitespace() || c.is_control(),
        };
        if encoded {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                url.push_str(&format!("%{byte:02X}"));
            }
        } else {
            url.push(c);
        }
    }
}

/// As written, with `{name}` for what is open; braces of the text are not doubled.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Value(placeholder) => write!(f, "{{{}}}", placeholder.name)?,
            }
        }
        Ok(())
    }
}
