//! JSON as a tree, exact: what has to be looked at or changed before it becomes columns.
//!
//! In: the reader at a value. Out: a [`Json`], and its text again. Invariants: a number keeps its token, members keep their order, and of
//! equal names the last counts; depth is bounded by the reader's. Not here: the plain page, which goes from bytes to columns without a tree.

use crate::base::{JsonPath, PathExhausted, Step};
use crate::decode::convert::write_quoted;
use crate::decode::fault::Outcome;
use crate::decode::reader::Reader;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number as it is spelled.
    Number(Box<str>),
    /// A string, its escapes resolved.
    Text(String),
    /// An array.
    Array(Vec<Json>),
    /// An object: its members in order, each name once.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads the value that is next; counts the members whose name comes again in `duplicates`.
    ///
    /// # Errors
    /// The first fault in it.
    pub(in crate::decode) fn read(reader: &mut Reader<'_>, duplicates: &mut u64) -> Outcome<Self> {
        Ok(match reader.peek() {
            b'{' => Self::Object(members(reader, duplicates)?),
            b'[' => {
                let mut items = Vec::new();
                reader.enter()?;
                if reader.peek() == b']' {
                    reader.leave();
                    return Ok(Self::Array(items));
                }
                loop {
                    items.push(Self::read(reader, duplicates)?);
                    if !reader.more(b']')? {
                        break Self::Array(items);
                    }
                }
            }
            b'"' => {
                let token = reader.string()?;
                Self::Text(reader.resolve(token, &mut Vec::new()).to_owned())
            }
            byte @ (b't' | b'f') => {
                reader.literal(if byte == b't' { "true" } else { "false" })?;
                Self::Bool(byte == b't')
            }
            b'n' => {
                reader.literal("null")?;
                Self::Null
            }
            b'-' | b'0'..=b'9' => Self::Number(reader.number()?.text.into()),
            _ => return reader.expected("a value"),
        })
    }

    /// The value of a text that is one; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::new(text);
        reader.skip_space();
        let value = Self::read(&mut reader, &mut 0).ok()?;
        reader.skip_space();
        reader.rest().is_empty().then_some(value)
    }

    /// Appends its text, compact.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => write_quoted(text, out),
            Self::Array(items) => {
                out.push(b'[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, (name, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_quoted(name, out);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }

    /// What it is, as rejects and errors name it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The member of this name, if this is an object that has it.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether both are the same scalar but for quotes: `7` and `"7"`.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        let text = |json: &Self| match json {
            Self::Text(text) => Some(text.clone()),
            Self::Number(text) => Some(text.to_string()),
            _ => None,
        };
        text(self).is_some_and(|one| Some(one) == text(other))
    }

    /// The first value that `path` finds.
    ///
    /// # Errors
    /// [`PathExhausted`].
    pub(crate) fn first(&self, path: &JsonPath) -> Result<Option<&Self>, PathExhausted> {
        Ok(self.all(path)?.into_iter().next())
    }

    /// The values that `path` finds, in its order.
    ///
    /// # Errors
    /// [`PathExhausted`].
    pub(crate) fn all(&self, path: &JsonPath) -> Result<Vec<&Self>, PathExhausted> {
        let mut found = Vec::new();
        if path.is_simple() {
            self.collect(path.steps(), &mut found);
        } else {
            for steps in path.locate(&self.view())? {
                self.collect(&steps, &mut found);
            }
        }
        Ok(found)
    }

    fn collect<'j>(&'j self, steps: &[Step], found: &mut Vec<&'j Self>) {
        let Some((step, rest)) = steps.split_first() else {
            found.push(self);
            return;
        };
        match (step, self) {
            (Step::Every, Self::Array(items)) => items.iter().for_each(|item| item.collect(rest, found)),
            (Step::Key(_) | Step::Index(_), _) => {
                if let Some(below) = self.below(step) {
                    below.collect(rest, found);
                }
            }
            _ => {}
        }
    }

    /// The value one step further.
    fn below(&self, step: &Step) -> Option<&Self> {
        match (step, self) {
            (Step::Key(name), _) => self.member(name),
            (Step::Index(index), Self::Array(items)) => items.get(*index),
            _ => None,
        }
    }

    /// Does something to each value that `path` finds.
    ///
    /// # Errors
    /// [`PathExhausted`], before anything is changed.
    pub(crate) fn change(&mut self, path: &JsonPath, change: &mut dyn FnMut(&mut Self)) -> Result<(), PathExhausted> {
        if path.is_simple() {
            self.change_at(path.steps(), change);
        } else {
            for steps in path.locate(&self.view())? {
                self.change_at(&steps, change);
            }
        }
        Ok(())
    }

    fn change_at(&mut self, steps: &[Step], change: &mut dyn FnMut(&mut Self)) {
        let Some((step, rest)) = steps.split_first() else { return change(self) };
        match (step, self) {
            (Step::Every, Self::Array(items)) => items.iter_mut().for_each(|item| item.change_at(rest, change)),
            (Step::Index(index), Self::Array(items)) => {
                if let Some(item) = items.get_mut(*index) {
                    item.change_at(rest, change);
                }
            }
            (Step::Key(name), Self::Object(members)) => {
                if let Some((_, value)) = members.iter_mut().find(|(known, _)| known == name) {
                    value.change_at(rest, change);
                }
            }
            _ => {}
        }
    }

    /// The same as `serde_json` has it, to be looked at by JSON paths: numbers are rounded to what it can hold.
    pub(crate) fn view(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(text) => serde_json::from_str(text).unwrap_or_else(|_| {
                // Past every float.
                if text.starts_with('-') { f64::MIN.into() } else { f64::MAX.into() }
            }),
            Self::Text(text) => text.as_str().into(),
            Self::Array(items) => items.iter().map(Self::view).collect(),
            Self::Object(members) => {
                serde_json::Value::Object(members.iter().map(|(name, value)| (name.clone(), value.view())).collect())
            }
        }
    }
}

fn members(reader: &mut Reader<'_>, duplicates: &mut u64) -> Outcome<Vec<(String, Json)>> {
    let mut members: Vec<(String, Json)> = Vec::new();
    let mut places = hashbrown::HashMap::<String, usize>::new();
    reader.enter()?;
    if reader.peek() == b'}' {
        reader.leave();
        return Ok(members);
    }
    loop {
        let key = reader.key()?;
        let name = reader.resolve(key, &mut Vec::new()).to_owned();
        let value = Json::read(reader, duplicates)?;
        if let Some(&place) = places.get(&name) {
            *duplicates += 1;
            members[place].1 = value;
        } else {
            places.insert(name.clone(), members.len());
            members.push((name, value));
        }
        if !reader.more(b'}')? {
            return Ok(members);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str, path: &str, first: Option<&str>) {
        let (mut duplicates, mut out) = (0, Vec::new());
        let json = Json::read(&mut Reader::new(text), &mut duplicates).unwrap();
        json.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let found = json.first(&JsonPath::parse(path).unwrap()).unwrap().map(|found| {
            let mut out = Vec::new();
            found.write(&mut out);
            String::from_utf8(out).unwrap()
        });
        assert_eq!(found.as_deref(), first, "{path}");
    }

    #[test]
    fn values_come_back_to_the_last_digit() {
        let numbers = r#"[1.50,1e400,-0,12345678901234567890123]"#;
        check(numbers, numbers, "[0]", Some("1.50"));
        check(r#"{ "b" : "é\n" , "a" : [ ] }"#, r#"{"b":"é\n","a":[]}"#, "b", Some(r#""é\n""#));
        check(r#"{"a":[{"x":null},{"y":true}]}"#, r#"{"a":[{"x":null},{"y":true}]}"#, "a[*].y", Some("true"));
        check("{}", "{}", "a.b", None);
        check(
            r#"[{"n":1},{"n":9007199254740993.0}]"#,
            r#"[{"n":1},{"n":9007199254740993.0}]"#,
            "$[?(@.n > 1)].n",
            Some("9007199254740993.0"),
        );
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        check(r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#, "a", Some("3"));
    }
}
