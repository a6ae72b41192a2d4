//! From the JSON paths that dlt writes (the `jsonpath-ng` grammar, its filters included) to RFC 9535.
//!
//! In: a path that needs the whole document. Out: one RFC 9535 query for each side of its `|`, in order. Differences that matter: names may
//! stand bare, also in filters; `=` compares; `&` is and; `a|b` means what `a` finds and then what `b` finds. Operators in backticks compute
//! instead of finding, and are refused by name.

use std::fmt::Write;

use crate::base::path::JsonPathError;

/// Most queries that one path may stand for: sides of `|` multiply within parentheses.
const QUERIES_MAX: usize = 32;
/// Deepest nesting of parentheses and brackets.
const DEPTH_MAX: usize = 16;
/// Characters that end a bare name.
const NAME_ENDS: &str = ".[]|`'\"()?*,@&<>=!~ \t";

/// Translates `text`.
///
/// # Errors
/// [`JsonPathError`] when it is no path, or uses what lakeward does not have.
pub(super) fn queries(text: &str) -> Result<Vec<String>, JsonPathError> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser { text, chars: &chars, at: 0, depth: 0 };
    let found = parser.union()?;
    if parser.at < chars.len() {
        return Err(parser.syntax("this character cannot stand here"));
    }
    Ok(found.into_iter().map(|query| format!("${query}")).collect())
}

struct Parser<'t> {
    text: &'t str,
    chars: &'t [char],
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, JsonPathError>;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn takes(&mut self, expected: char) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn syntax(&self, why: &'static str) -> JsonPathError {
        JsonPathError::Syntax { path: self.text.to_owned(), why, at: self.at + 1 }
    }

    fn operator(&mut self) -> JsonPathError {
        let name: String = self.chars.iter().skip(self.at + 1).take_while(|&&c| c != '`').collect();
        JsonPathError::Unsupported { path: self.text.to_owned(), what: format!("the operator `{name}`") }
    }

    fn deeper(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX { Err(self.syntax("the path is nested too deeply")) } else { Ok(()) }
    }

    /// Paths with `|` between them.
    fn union(&mut self) -> Parsed<Vec<String>> {
        self.deeper()?;
        let mut all = self.path()?;
        while self.takes('|') {
            all.extend(self.path()?);
        }
        self.depth -= 1;
        if all.len() > QUERIES_MAX { Err(self.syntax("the path has too many sides of `|`")) } else { Ok(all) }
    }

    /// A path up to the end, a `|` or a `)`.
    fn path(&mut self) -> Parsed<Vec<String>> {
        self.skip_space();
        let start = self.at;
        let mut found = vec![String::new()];
        let mut name_may_start = !self.takes('$');
        loop {
            self.skip_space();
            match self.peek() {
                None | Some('|' | ')') if self.at == start => return Err(self.syntax("a name is missing")),
                None | Some('|' | ')') => return Ok(found),
                Some('`') => return Err(self.operator()),
                Some('(') if name_may_start => {
                    self.at += 1;
                    let inner = self.union()?;
                    if !self.takes(')') {
                        return Err(self.syntax("`)` is missing"));
                    }
                    found = found.iter().flat_map(|before| inner.iter().map(move |after| format!("{before}{after}"))).collect();
                    if found.len() > QUERIES_MAX {
                        return Err(self.syntax("the path has too many sides of `|`"));
                    }
                }
                Some('.' | '[') => {
                    if self.peek() == Some('.') && self.chars.get(self.at + 1) == Some(&'(') {
                        self.at += 1;
                        name_may_start = true;
                        continue;
                    }
                    let segment = self.segment()?;
                    found.iter_mut().for_each(|query| query.push_str(&segment));
                }
                Some(_) if name_may_start => {
                    let segment = self.name_or_all()?;
                    found.iter_mut().for_each(|query| query.push_str(&segment));
                }
                Some(_) => return Err(self.syntax("a `.` or `[` is missing")),
            }
            name_may_start = false;
        }
    }

    /// What begins with `.`, `..` or `[`.
    fn segment(&mut self) -> Parsed<String> {
        if self.takes('[') {
            return self.bracket();
        }
        self.at += 1;
        let prefix = if self.takes('.') { ".." } else { "" };
        let rest = match self.peek() {
            Some('[') => {
                self.at += 1;
                self.bracket()?
            }
            Some('`') => return Err(self.operator()),
            Some(_) => self.name_or_all()?,
            None => return Err(self.syntax("a name is missing")),
        };
        Ok(format!("{prefix}{rest}"))
    }

    fn name_or_all(&mut self) -> Parsed<String> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok("[*]".to_owned())
            }
            Some('\'' | '"') => Ok(format!("[{}]", quoted(&self.quoted()?))),
            _ => Ok(format!("[{}]", quoted(&self.name()?))),
        }
    }

    fn name(&mut self) -> Parsed<String> {
        // A name may begin with `@`, as OData's do.
        let start = self.at;
        self.takes('@');
        while self.peek().is_some_and(|c| !NAME_ENDS.contains(c)) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.syntax("a name is missing"));
        }
        Ok(self.chars.get(start..self.at).unwrap_or_default().iter().collect())
    }

    /// A quoted text; its quote is next.
    fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        let Some(quote) = self.peek() else { return Err(self.syntax("a quote is missing")) };
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
        self.at = start;
        Err(self.syntax("the quoted text has no end"))
    }

    /// What stands in brackets, the closing one included; the opening one is passed.
    fn bracket(&mut self) -> Parsed<String> {
        self.deeper()?;
        self.skip_space();
        let inner = match self.peek() {
            Some('?') => {
                self.at += 1;
                format!("?{}", self.filter()?)
            }
            Some('`') => return Err(self.operator()),
            Some('\\' | '/') => {
                return Err(JsonPathError::Unsupported { path: self.text.to_owned(), what: "sorting".to_owned() });
            }
            _ => self.selectors()?,
        };
        self.skip_space();
        if !self.takes(']') {
            return Err(self.syntax("`]` is missing"));
        }
        self.depth -= 1;
        Ok(format!("[{inner}]"))
    }

    /// Indices, slices, `*` and names with `,` between them.
    fn selectors(&mut self) -> Parsed<String> {
        let mut all = Vec::new();
        loop {
            self.skip_space();
            all.push(match self.peek() {
                Some('*') => {
                    self.at += 1;
                    "*".to_owned()
                }
                Some('\'' | '"') => quoted(&self.quoted()?),
                Some(c) if c.is_ascii_digit() || c == '-' || c == ':' => {
                    let start = self.at;
                    while self.peek().is_some_and(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | ' ')) {
                        self.at += 1;
                    }
                    self.chars.get(start..self.at).unwrap_or_default().iter().collect()
                }
                _ => quoted(&self.name()?),
            });
            self.skip_space();
            if !self.takes(',') {
                return Ok(all.join(","));
            }
        }
    }

    /// The expression of a filter, up to its `]`.
    fn filter(&mut self) -> Parsed<String> {
        let (mut out, mut compares, mut operand) = (String::new(), false, 0);
        loop {
            let Some(c) = self.peek() else { return Err(self.syntax("`]` is missing")) };
            let next = self.chars.get(self.at + 1).copied();
            match c {
                ']' => return Ok(out),
                '`' => return Err(self.operator()),
                '(' | ')' | ',' | '!' if next != Some('=') => {
                    out.push(c);
                    self.at += 1;
                    compares = false;
                }
                c if c.is_whitespace() => {
                    out.push(' ');
                    self.at += 1;
                }
                '&' | '|' => {
                    self.at += 1;
                    if !self.takes(c) && c == '|' {
                        return Err(self.syntax("`||` is missing"));
                    }
                    out.extend([c, c]);
                    compares = false;
                }
                '=' if next == Some('~') => {
                    self.at += 2;
                    self.skip_space();
                    let pattern = quoted(&format!("^(?:{})", self.quoted()?));
                    let left = out.split_off(operand);
                    let _ = write!(out, "search({},{pattern})", left.trim());
                }
                '=' | '!' | '<' | '>' => {
                    self.at += 1;
                    let or_equal = self.takes('=');
                    out.push(c);
                    out.push_str(if or_equal || c == '=' { "=" } else { "" });
                    compares = true;
                }
                '\'' | '"' => out.push_str(&quoted(&self.quoted()?)),
                c if c.is_ascii_digit() || c == '-' => {
                    while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.')) {
                        out.extend(self.peek());
                        self.at += 1;
                    }
                }
                _ => {
                    let start = out.len();
                    self.operand(&mut out, compares)?;
                    operand = if compares { operand } else { start };
                }
            }
        }
    }

    /// A path from `@` or `$`, a word, or a function's name.
    fn operand(&mut self, out: &mut String, compares: bool) -> Parsed<()> {
        let rooted = self.takes('$');
        let here = !rooted && self.takes('@');
        if rooted || here {
            out.push(if rooted { '$' } else { '@' });
            // `@name` is short for `@.name`.
            if self.peek().is_some_and(|c| !NAME_ENDS.contains(c)) {
                out.push_str(&self.name_or_all()?);
            }
        } else {
            let name = self.name()?;
            match name.as_str() {
                _ if self.peek() == Some('(') => {
                    out.push_str(&name);
                    return Ok(());
                }
                "true" | "false" | "null" => {
                    out.push_str(&name);
                    return Ok(());
                }
                _ if compares => {
                    out.push_str(&quoted(&name));
                    return Ok(());
                }
                _ => {
                    let _ = write!(out, "@[{}]", quoted(&name));
                }
            }
        }
        while matches!(self.peek(), Some('.' | '[')) {
            out.push_str(&self.segment()?);
        }
        Ok(())
    }
}

/// `text` as a quoted name of RFC 9535.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
