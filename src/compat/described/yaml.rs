//! YAML text to a JSON value, for documents of others: OpenAPI files of many megabytes.
//!
//! In: text. Out: the value, or why there is none, with its place. Aliases are what they stand for, as far as [`VALUES_MAX`] lets them; tags do not count.
//! Not here: configs, which know the place of every value (`config::tree`).

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// Most values, aliases counted as what they stand for.
const VALUES_MAX: usize = 3_000_000;

/// Deepest nesting.
const DEPTH_MAX: usize = 200;

struct Open {
    value: Value,
    anchor: usize,
    /// Values in it so far.
    values: usize,
    /// In a map: the key whose value comes next.
    key: Option<String>,
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    root: Option<Value>,
    /// Anchored values, with how many values they are.
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
}

/// Reads the first document of a text.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let mut reader = Reader::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| format!("line {}: {}", error.marker().line().max(1), error.info()))?;
        let at = |why: String| format!("line {}: {why}", span.start.line().max(1));
        match event {
            Event::DocumentStart(_) if reader.root.is_some() => break,
            Event::Scalar(text, style, anchor, _) => reader.scalar(text.into_owned(), style, anchor).map_err(at)?,
            Event::SequenceStart(anchor, _) => reader.start(Value::Array(Vec::new()), anchor).map_err(at)?,
            Event::MappingStart(anchor, _) => reader.start(Value::Object(Map::new()), anchor).map_err(at)?,
            Event::SequenceEnd | Event::MappingEnd => reader.end().map_err(at)?,
            Event::Alias(anchor) => reader.alias(anchor).map_err(at)?,
            Event::DocumentStart(_) | Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    reader.root.ok_or_else(|| "it is empty".to_owned())
}

impl Reader {
    fn scalar(&mut self, text: String, style: ScalarStyle, anchor: usize) -> Result<(), String> {
        if let Some(open) = self.open.last_mut()
            && open.value.is_object()
            && open.key.is_none()
        {
            open.key = Some(text);
            return Ok(());
        }
        let value = if style == ScalarStyle::Plain { plain(text) } else { Value::String(text) };
        self.add(value, anchor, 1)
    }

    fn start(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} levels"));
        }
        if self.open.last().is_some_and(|open| open.value.is_object() && open.key.is_none()) {
            return Err("a key that is no text".to_owned());
        }
        self.open.push(Open { value, anchor, values: 1, key: None });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open { value, anchor, values, .. }) = self.open.pop() else { return Ok(()) };
        self.add(value, anchor, values)
    }

    fn alias(&mut self, anchor: usize) -> Result<(), String> {
        let Some((value, values)) = self.anchors.get(&anchor).cloned() else {
            return Err("an alias of the value it stands in".to_owned());
        };
        self.add(value, 0, values)
    }

    /// Puts a value of so many values where one is awaited.
    fn add(&mut self, value: Value, anchor: usize, values: usize) -> Result<(), String> {
        // What was opened counts its parts when it ends.
        self.values += if value.is_array() || value.is_object() { 1 } else { values };
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), values));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        open.values += values;
        if self.values > VALUES_MAX || open.values > VALUES_MAX {
            return Err(format!("more than {VALUES_MAX} values"));
        }
        match (&mut open.value, open.key.take()) {
            (Value::Array(elements), _) => elements.push(value),
            (Value::Object(members), Some(key)) if key == "<<" => {
                if let Value::Object(merged) = value {
                    for (key, value) in merged {
                        members.entry(key).or_insert(value);
                    }
                }
            }
            (Value::Object(members), Some(key)) => drop(members.insert(key, value)),
            _ => return Err("a key that is no text".to_owned()),
        }
        Ok(())
    }
}

/// YAML 1.2's core schema.
fn plain(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(number), _) => Value::Number(number.into()),
            (_, Ok(number)) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Number::from_f64(number).map_or(Value::String(text), Value::Number)
            }
            _ => Value::String(text),
        },
    }
}
