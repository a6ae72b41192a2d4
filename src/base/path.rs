//! JSON paths: RFC 9535 as dlt writes it, and JSON Pointer (RFC 6901).
//!
//! *Simple* paths are followed while a page streams by: `$`, names (`a.b`, `['@odata.nextLink']`, bare names with `-`), indices (`[0]`) and
//! `[*]`. All others (`..`, slices, indices from the end, `|`, filters, `.*`) need the whole document, and are evaluated on a tree of it,
//! within a budget.

mod bounded;
mod translate;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::base::path::bounded::Bounded;
use crate::base::path::translate::queries;

pub(crate) use bounded::PathExhausted;

/// A parsed path. The empty path is `$`, the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
    /// Set for a path that is not simple, which then has no steps.
    document: Option<Arc<Document>>,
}

/// A path that needs the whole document.
#[derive(Debug)]
struct Document {
    text: String,
    /// What all of them find, one after the other, is what the path finds.
    queries: Vec<Query>,
}

/// One side of a path's `|`.
#[derive(Debug)]
struct Query {
    whole: Bounded,
    /// The part before the first filter, slice or `*`, and the part up to and with it.
    choice: Option<(serde_json_path::JsonPath, serde_json_path::JsonPath)>,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Document {}

impl Hash for Document {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// One step of a [`JsonPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A member of an object, by its exact name.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
    /// Every element of an array.
    Every,
}

/// Why a path is not one that can be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonPathError {
    /// The text is not a path.
    #[error("`{path}` is not a JSON path: {why} at character {at}")]
    Syntax {
        /// The path as written.
        path: String,
        /// What was wrong.
        why: &'static str,
        /// Where, counted in characters from 1.
        at: usize,
    },
    /// An operator that computes.
    #[error("`{path}` uses {what}, which lakeward does not have: a path finds values and does not compute")]
    Unsupported {
        /// The path as written.
        path: String,
        /// The unsupported construct.
        what: String,
    },
    /// Refused by the evaluator.
    #[error("`{path}` is not a JSON path: {why}")]
    Query {
        /// The path as written.
        path: String,
        /// In the evaluator's words.
        why: String,
    },
}

impl JsonPath {
    /// The document itself, `$`.
    #[must_use]
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A path of `steps` from the document's root.
    #[must_use]
    pub(crate) fn from_steps(steps: Vec<Step>) -> Self {
        Self { steps, document: None }
    }

    /// Whether the path can be followed while a document streams by; only then its steps say where it leads.
    #[must_use]
    pub(crate) fn is_simple(&self) -> bool {
        self.document.is_none()
    }

    /// The steps of a simple path from the root, none for `$` and for a path that is not simple.
    #[must_use]
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Where in `document` the values are that the path finds, in its order.
    ///
    /// # Errors
    /// [`PathExhausted`].
    pub(crate) fn locate(&self, document: &serde_json::Value) -> Result<Vec<Vec<Step>>, PathExhausted> {
        let exhausted = |values| PathExhausted { path: self.to_string(), values };
        let Some(path) = &self.document else {
            let query = Bounded::parse(&self.to_string(), &self.query());
            return query.map_or_else(|_| Ok(Vec::new()), |query| query.locate(document).map_err(exhausted));
        };
        let mut all = Vec::new();
        for query in &path.queries {
            all.extend(query.whole.locate(document).map_err(exhausted)?);
        }
        Ok(all)
    }

    /// A simple path as RFC 9535 has it, which takes fewer names than people write: each is quoted.
    fn query(&self) -> String {
        let step = |step: &Step| match step {
            Step::Key(name) => format!("[{}]", translate::quoted(name)),
            Step::Index(index) => format!("[{index}]"),
            Step::Every => "[*]".to_owned(),
        };
        format!("${}", self.steps.iter().map(step).collect::<String>())
    }

    /// Whether the path finds nothing in `document` because there is nothing to choose from, or nothing that its filter lets pass: what it
    /// chooses from is there.
    pub(crate) fn has_no_choice(&self, document_value: &serde_json::Value) -> bool {
        let written = self.query();
        let Some(path) = self.document.clone().or_else(|| document(&written, vec![written.clone()]).ok()?.document) else {
            return false;
        };
        path.queries.iter().filter_map(|query| query.choice.as_ref()).any(|(before, through)| {
            before.query(document_value).iter().any(|value| value.is_array() || value.is_object())
                && through.query(document_value).is_empty()
        })
    }

    /// The path without `[*]` at its end, where it has a simple one: a list stands for its elements.
    #[must_use]
    pub(crate) fn without_last_every(mut self) -> Self {
        while self.steps.last() == Some(&Step::Every) {
            self.steps.pop();
        }
        self
    }

    /// Reads a path as dlt and RFC 9535 write it, or a JSON Pointer such as `/meta/next`.
    ///
    /// # Errors
    /// [`JsonPathError`] when the text is no path, or uses an operator that computes.
    pub(crate) fn parse(text: &str) -> Result<Self, JsonPathError> {
        let trimmed = text.trim();
        if trimmed.starts_with('/') {
            return pointer(trimmed);
        }
        match simple(trimmed) {
            Ok(steps) => Ok(Self::from_steps(steps)),
            Err(Fault::Syntax(why, at)) => Err(JsonPathError::Syntax { path: text.to_owned(), why, at: at + 1 }),
            Err(Fault::NotSimple) => document(trimmed, queries(trimmed)?),
        }
    }
}

/// The path that stands for what `queries` find.
fn document(text: &str, queries: Vec<String>) -> Result<JsonPath, JsonPathError> {
    let parse = |query: &str| {
        let refused = |error: serde_json_path::ParseError| error.message().to_owned();
        serde_json_path::JsonPath::parse(query)
            .map_err(|error| JsonPathError::Query { path: text.to_owned(), why: refused(error) })
    };
    let query = |whole: &String| {
        let choice = match first_choice(whole) {
            Some((before, through)) => Some((parse(before)?, parse(through)?)),
            None => None,
        };
        Ok(Query { whole: Bounded::parse(text, whole)?, choice })
    };
    let queries = queries.iter().map(query).collect::<Result<_, _>>()?;
    Ok(JsonPath { steps: Vec::new(), document: Some(Arc::new(Document { text: text.to_owned(), queries })) })
}

/// The part of an RFC 9535 query before its first filter, slice or `*`, and the part up to and with it; `None` where there is none, or a `..`
/// before it.
fn first_choice(query: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote, mut start, mut escaped, mut chooses) = (0_u32, None, 0, false, false);
    let mut previous = ' ';
    for (at, c) in query.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '.') if depth == 0 && previous == '.' => return None,
            (None, '[') => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            (None, ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 && chooses {
                    return Some((query.get(..start)?, query.get(..=at)?));
                }
            }
            (None, '?' | '*' | ':') if depth == 1 => chooses = true,
            _ => {}
        }
        previous = c;
    }
    None
}

/// A JSON Pointer. A number in it is an index or a name, whichever is there.
fn pointer(text: &str) -> Result<JsonPath, JsonPathError> {
    let names = text.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
    let names: Vec<String> = names.collect();
    let is_index = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'))
    };
    if !names.iter().any(|name| is_index(name)) {
        return Ok(JsonPath::from_steps(names.into_iter().map(Step::Key).collect()));
    }
    let segment = |name: &String| {
        let quoted = translate::quoted(name);
        if is_index(name) { format!("[{name},{quoted}]") } else { format!("[{quoted}]") }
    };
    document(text, vec![format!("${}", names.iter().map(segment).collect::<String>())])
}

/// The steps of a simple path.
fn simple(text: &str) -> Result<Vec<Step>, Fault> {
    let chars: Vec<char> = text.chars().collect();
    if chars.is_empty() {
        return Err(Fault::Syntax("it is empty", 0));
    }
    let (mut steps, mut i) = (Vec::new(), usize::from(chars[0] == '$'));
    let mut name_may_start = i == 0;
    while let Some(&c) = chars.get(i) {
        match c {
            '.' if matches!(chars.get(i + 1), Some('.' | '[')) => return Err(Fault::NotSimple),
            '.' if name_may_start => return Err(Fault::Syntax("a name is missing", i)),
            '.' => {
                i += 1;
                name_may_start = true;
                if i == chars.len() {
                    return Err(Fault::Syntax("a name is missing", i));
                }
            }
            '[' => {
                let (step, next) = bracket(&chars, i + 1)?;
                steps.push(step);
                i = next;
                name_may_start = false;
            }
            '*' | '|' | '`' | '(' => return Err(Fault::NotSimple),
            ']' | '\'' | '"' | ')' | '?' => return Err(Fault::Syntax("this character cannot stand here", i)),
            _ if name_may_start => {
                let end = (i..chars.len()).find(|&k| ".[]|`'\"()?*".contains(chars[k])).unwrap_or(chars.len());
                steps.push(Step::Key(chars[i..end].iter().collect::<String>().trim().to_owned()));
                i = end;
                name_may_start = false;
            }
            _ => return Err(Fault::Syntax("a `.` or `[` is missing", i)),
        }
    }
    Ok(steps)
}

enum Fault {
    Syntax(&'static str, usize),
    /// Perhaps a path that needs the whole document.
    NotSimple,
}

/// Reads what stands between `[` and `]`; `i` is just behind the `[`.
fn bracket(chars: &[char], i: usize) -> Result<(Step, usize), Fault> {
    let close = |at: usize| match chars.get(at) {
        Some(']') => Ok(at + 1),
        Some(',') => Err(Fault::NotSimple),
        _ => Err(Fault::Syntax("`]` is missing", at)),
    };
    match chars.get(i) {
        Some('*') => Ok((Step::Every, close(i + 1)?)),
        Some(&quote @ ('\'' | '"')) => {
            let mut name = String::new();
            let mut k = i + 1;
            loop {
                match chars.get(k) {
                    None => return Err(Fault::Syntax("the quoted name has no end", i)),
                    Some('\\') => {
                        name.push(*chars.get(k + 1).ok_or(Fault::Syntax("the quoted name has no end", i))?);
                        k += 2;
                    }
                    Some(&c) if c == quote => return Ok((Step::Key(name), close(k + 1)?)),
                    Some(&c) => {
                        name.push(c);
                        k += 1;
                    }
                }
            }
        }
        Some(c) if c.is_ascii_digit() => {
            let end = (i..chars.len()).find(|&k| !chars[k].is_ascii_digit()).unwrap_or(chars.len());
            if chars.get(end) == Some(&':') {
                return Err(Fault::NotSimple);
            }
            let digits: String = chars[i..end].iter().collect();
            let index = digits.parse().map_err(|_| Fault::Syntax("the index is too large", i))?;
            Ok((Step::Index(index), close(end)?))
        }
        Some('?' | ':' | '-' | '`' | '\\' | '/') => Err(Fault::NotSimple),
        _ => Err(Fault::Syntax("an index, `*` or a quoted name is missing", i)),
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(document) = &self.document {
            return f.write_str(&document.text);
        }
        f.write_str("$")?;
        for step in &self.steps {
            match step {
                Step::Key(name) if !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') => {
                    write!(f, ".{name}")?;
                }
                Step::Key(name) => write!(f, "['{}']", name.replace('\\', "\\\\").replace('\'', "\\'"))?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Every => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
