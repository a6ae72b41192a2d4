//! JSON paths: the part of RFC 9535 that can be followed while a document streams by.
//!
//! `$`, names (`a.b`, `['@odata.nextLink']`, bare names with `-`), indices (`[0]`) and `[*]`. Filters, slices and `..`
//! need the whole document and are refused by name.

use std::fmt;

/// A parsed path. The empty path is `$`, the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct JsonPath {
    steps: Vec<Step>,
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
    /// A part of JSONPath that lakeward does not follow.
    #[error("`{path}` uses {what}, which is not supported: write names, `[0]` and `[*]`")]
    Unsupported {
        /// The path as written.
        path: String,
        /// The unsupported construct.
        what: &'static str,
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
        Self { steps }
    }

    /// The steps from the root, none for `$`.
    #[must_use]
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Reads a path as dlt and RFC 9535 write it.
    ///
    /// # Errors
    /// [`JsonPathError`] when the text is no path, or uses a construct that needs the whole document.
    pub(crate) fn parse(text: &str) -> Result<Self, JsonPathError> {
        let chars: Vec<char> = text.trim().chars().collect();
        let syntax = |why, at: usize| JsonPathError::Syntax { path: text.to_owned(), why, at: at + 1 };
        let unsupported = |what| JsonPathError::Unsupported { path: text.to_owned(), what };
        if chars.is_empty() {
            return Err(syntax("it is empty", 0));
        }
        let (mut steps, mut i) = (Vec::new(), usize::from(chars[0] == '$'));
        let mut name_may_start = i == 0;
        while let Some(&c) = chars.get(i) {
            match c {
                '.' if chars.get(i + 1) == Some(&'.') => return Err(unsupported("`..`")),
                '.' if name_may_start => return Err(syntax("a name is missing", i)),
                '.' => {
                    i += 1;
                    name_may_start = true;
                    if i == chars.len() {
                        return Err(syntax("a name is missing", i));
                    }
                }
                '[' => {
                    let (step, next) = bracket(&chars, i + 1).map_err(|fault| match fault {
                        Fault::Syntax(why, at) => syntax(why, at),
                        Fault::Unsupported(what) => unsupported(what),
                    })?;
                    steps.push(step);
                    i = next;
                    name_may_start = false;
                }
                '*' if name_may_start => {
                    steps.push(Step::Every);
                    i += 1;
                    name_may_start = false;
                }
                '|' => return Err(unsupported("`|`")),
                '`' => return Err(unsupported("an operator in backticks")),
                ']' | '\'' | '"' | '(' | ')' | '?' => return Err(syntax("this character cannot stand here", i)),
                _ if name_may_start => {
                    let end = (i..chars.len()).find(|&k| ".[]|`'\"()?*".contains(chars[k])).unwrap_or(chars.len());
                    steps.push(Step::Key(chars[i..end].iter().collect::<String>().trim().to_owned()));
                    i = end;
                    name_may_start = false;
                }
                _ => return Err(syntax("a `.` or `[` is missing", i)),
            }
        }
        Ok(Self { steps })
    }
}

enum Fault {
    Syntax(&'static str, usize),
    Unsupported(&'static str),
}

/// Reads what stands between `[` and `]`; `i` is just behind the `[`.
fn bracket(chars: &[char], i: usize) -> Result<(Step, usize), Fault> {
    let close = |at: usize| if chars.get(at) == Some(&']') { Ok(at + 1) } else { Err(Fault::Syntax("`]` is missing", at)) };
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
                return Err(Fault::Unsupported("a slice"));
            }
            let digits: String = chars[i..end].iter().collect();
            let index = digits.parse().map_err(|_| Fault::Syntax("the index is too large", i))?;
            Ok((Step::Index(index), close(end)?))
        }
        Some('?') => Err(Fault::Unsupported("a filter")),
        Some(':') => Err(Fault::Unsupported("a slice")),
        Some('-') => Err(Fault::Unsupported("an index from the end")),
        _ => Err(Fault::Syntax("an index, `*` or a quoted name is missing", i)),
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        let got = JsonPath::parse(text).map_or_else(|e| format!("error: {e}"), |p| p.to_string());
        assert_eq!(got, shown, "{text}");
    }

    #[test]
    fn paths_are_read_as_dlt_writes_them() {
        check("data", "$.data");
        check("$", "$");
        check("$.a.b", "$.a.b");
        check("many-results", "$.many-results");
        check("['@odata.nextLink']", "$['@odata.nextLink']");
        check("a[0].b[*].c", "$.a[0].b[*].c");
        check("a.*", "$.a[*]");
        check(r#"a["x'y"]"#, r"$.a['x\'y']");
    }

    #[test]
    fn what_cannot_be_streamed_is_refused_by_name() {
        check("a..b", "error: `a..b` uses `..`, which is not supported: write names, `[0]` and `[*]`");
        check("a[?(@.x > 1)]", "error: `a[?(@.x > 1)]` uses a filter, which is not supported: write names, `[0]` and `[*]`");
        check("a.", "error: `a.` is not a JSON path: a name is missing at character 3");
        check("a[0", "error: `a[0` is not a JSON path: `]` is missing at character 4");
        check("", "error: `` is not a JSON path: it is empty at character 1");
    }
}
