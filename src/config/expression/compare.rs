//! Comparisons that mind kinds: `a < b` becomes a call that refuses a text and a number.
//!
//! In: the words of an expression that minijinja accepts. Out: the same expression with its comparisons as calls, which short-circuits and
//! precedence leave where they were: a comparison binds weaker than all arithmetic and stronger than `not`.

use std::cmp::Ordering;

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value};

use crate::config::expression::words::Word;

/// How the reasons begin that are given here.
pub(super) const WORDS: &str = "the comparison of";

/// Operators and the functions that stand for them.
const CALLS: [(&str, &str); 8] = [
    ("==", "__lakeward_eq"),
    ("!=", "__lakeward_ne"),
    ("<", "__lakeward_lt"),
    ("<=", "__lakeward_le"),
    (">", "__lakeward_gt"),
    (">=", "__lakeward_ge"),
    ("in", "__lakeward_in"),
    ("not in", "__lakeward_not_in"),
];

/// Adds the functions to a language.
pub(super) fn add(language: &mut Environment<'static>) {
    type Holds = fn(Ordering) -> bool;
    type Answer = fn(&Value, &Value) -> Result<bool, Error>;
    let orders: [(&str, Holds); 4] =
        [("<", Ordering::is_lt), ("<=", Ordering::is_le), (">", Ordering::is_gt), (">=", Ordering::is_ge)];
    for (sign, holds) in orders {
        language.add_function(name_of(sign), move |a: Value, b: Value| ordered(&a, &b).map(holds));
    }
    let answers: [(&str, Answer, bool); 4] =
        [("==", equal, true), ("!=", equal, false), ("in", contains, true), ("not in", contains, false)];
    for (sign, answer, expected) in answers {
        language.add_function(name_of(sign), move |a: Value, b: Value| answer(&a, &b).map(|found| found == expected));
    }
}

fn name_of(sign: &str) -> &'static str {
    CALLS.iter().find(|(known, _)| *known == sign).map_or("", |(_, name)| name)
}

fn ordered(a: &Value, b: &Value) -> Result<Ordering, Error> {
    match (a.kind(), b.kind()) {
        (ValueKind::Number, ValueKind::Number) | (ValueKind::String, ValueKind::String) => Ok(a.cmp(b)),
        _ => Err(refused(a, b)),
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, Error> {
    match (a.kind(), b.kind()) {
        (ValueKind::None, kind) | (kind, ValueKind::None) if kind != ValueKind::Undefined => Ok(a.kind() == b.kind()),
        (a_kind, b_kind) if a_kind == b_kind && a_kind != ValueKind::Undefined && a_kind != ValueKind::Plain => Ok(a == b),
        _ => Err(refused(a, b)),
    }
}

fn contains(a: &Value, b: &Value) -> Result<bool, Error> {
    match (a.kind(), b.kind()) {
        (ValueKind::String, ValueKind::String) => Ok(b.as_str().unwrap_or_default().contains(a.as_str().unwrap_or_default())),
        (ValueKind::String, ValueKind::Map) => Ok(!b.get_item(a)?.is_undefined()),
        (kind, ValueKind::Seq | ValueKind::Iterable) if kind != ValueKind::Undefined => {
            for element in b.try_iter()? {
                if equal(a, &element)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(refused(a, b)),
    }
}

fn refused(a: &Value, b: &Value) -> Error {
    if a.is_undefined() || b.is_undefined() {
        return Error::from(ErrorKind::UndefinedError);
    }
    Error::new(ErrorKind::InvalidOperation, format!("{WORDS} {} with {}", kind(a), kind(b)))
}

fn kind(value: &Value) -> &'static str {
    match value.kind() {
        ValueKind::Undefined => "a missing member",
        ValueKind::None => "null",
        ValueKind::Bool => "a boolean",
        ValueKind::Number => "a number",
        ValueKind::String => "a text",
        ValueKind::Seq | ValueKind::Iterable => "a list",
        ValueKind::Map => "an object",
        // The only such values are numbers that no machine number holds.
        _ => "an overlong number",
    }
}

/// The expression with its comparisons as calls.
pub(super) fn rewritten(words: &[Word<'_>]) -> String {
    let mut out = Out::default();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let previous = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |word| word.text);
        let is_test = previous == "is"
            || (previous == "not" && at.checked_sub(2).and_then(|at| words.get(at)).is_some_and(|w| w.text == "is"));
        match word.text {
            "(" | "[" | "{" => {
                let close = closing(words, at);
                let inner = rewritten(words.get(at + 1..close).unwrap_or_default());
                let end = words.get(close).map_or("", |word| word.text);
                out.push(&format!("{}{inner}{end}", word.text));
                at = close;
            }
            "not" if previous == "is" => out.push("not"),
            "not" if !out.operand.is_empty() => {
                out.compare("not in");
                at += 1;
            }
            "in" if is_test || previous == "." || previous == "|" => out.push("in"),
            sign @ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") => out.compare(name_or_sign(sign)),
            word @ ("and" | "or" | "not" | "if" | "else") if previous != "." && previous != "|" && !is_test => out.separate(word),
            sign @ ("," | ":" | "=") => out.separate(sign),
            other => out.push(other),
        }
        at += 1;
    }
    out.separate("");
    out.text
}

fn name_or_sign(sign: &str) -> &'static str {
    CALLS.iter().find(|(known, _)| *known == sign).map_or("", |(known, _)| known)
}

/// The place of the bracket that closes the one at `open`, or the end.
fn closing(words: &[Word<'_>], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate().skip(open) {
        match word.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    words.len()
}

/// An expression being written: what is done, and the comparison at hand.
#[derive(Default)]
struct Out {
    text: String,
    compared: Vec<(String, &'static str)>,
    operand: String,
}

impl Out {
    fn push(&mut self, word: &str) {
        self.operand.push_str(word);
        self.operand.push(' ');
    }

    fn compare(&mut self, sign: &'static str) {
        self.compared.push((std::mem::take(&mut self.operand), sign));
    }

    /// Ends the operand, and the chain of comparisons that it is the last of: `a < b < c` is `a < b and b < c`.
    fn separate(&mut self, separator: &str) {
        let last = std::mem::take(&mut self.operand);
        let compared = std::mem::take(&mut self.compared);
        if compared.is_empty() {
            self.text.push_str(&last);
        } else {
            let rights = compared.iter().skip(1).map(|(operand, _)| operand).chain([&last]);
            let calls: Vec<String> =
                compared.iter().zip(rights).map(|((left, sign), right)| format!("{}({left}, {right})", name_of(sign))).collect();
            self.text.push_str(&format!("({}) ", calls.join(" and ")));
        }
        self.text.push_str(separator);
        self.text.push(' ');
    }
}
