//! Expressions of `processing_steps`: the language, and what is refused before any record comes.
//!
//! In: an expression's text. Out: an [`Expression`] to evaluate over a scope. The language is minijinja's (Jinja2's expressions), without
//! anything that reads or writes. Two things are stricter than there: a member that is missing is an error, and so is a comparison of values of
//! different kinds (`"12" > 5`), which Jinja answers by an order of its own and so would drop records in silence.
//! Not here: records (`decode::steps` makes the scope).

mod compare;
mod words;

use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use crate::config::expression::words::{Word, words};

/// Steps of one evaluation, about one an operation; what takes more is refused as endless.
const FUEL: u64 = 100_000;

/// Longest expression, in bytes.
const BYTES_MAX: usize = 16 * 1024;

/// Jinja's tests that compare across kinds; the operators do it here.
const LOOSE_TESTS: [&str; 18] = [
    "eq",
    "equalto",
    "==",
    "ne",
    "!=",
    "lt",
    "lessthan",
    "<",
    "le",
    "<=",
    "gt",
    "greaterthan",
    ">",
    "ge",
    ">=",
    "in",
    "filter",
    "test",
];

static LANGUAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut language = Environment::new();
    language.set_undefined_behavior(UndefinedBehavior::Strict);
    language.set_fuel(Some(FUEL));
    for test in LOOSE_TESTS {
        language.remove_test(test);
    }
    for function in ["debug", "namespace"] {
        language.remove_global(function);
    }
    compare::add(&mut language);
    language
});

/// A checked expression.
#[derive(Clone)]
pub(crate) struct Expression {
    text: Arc<str>,
    compiled: Arc<minijinja::Expression<'static, 'static>>,
    /// Names it takes from the scope, sorted.
    names: Arc<[String]>,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an expression: {why} at character {at}")]
pub(crate) struct ExpressionFault {
    text: String,
    /// Where, counted in characters from 1.
    at: usize,
    why: String,
}

impl ExpressionFault {
    /// Where, counted in characters from 1.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
}

/// Why an expression has no value for a record. Tells kinds and names, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvalFault(pub(crate) String);

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({:?})", self.text)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expression {
    /// Names that it takes from the scope.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads an expression.
    ///
    /// # Errors
    /// [`ExpressionFault`], also for filters, tests and functions that there are not.
    pub(crate) fn parse(text: &str) -> Result<Self, ExpressionFault> {
        let fault = |at: usize, why: String| {
            let at = text.get(..at).map_or(1, |before| before.chars().count() + 1);
            ExpressionFault { text: text.to_owned(), at, why }
        };
        if text.len() > BYTES_MAX {
            return Err(fault(0, format!("longer than {BYTES_MAX} bytes")));
        }
        let words = words(text).map_err(|at| fault(at, "a text without its closing quote".to_owned()))?;
        if words.is_empty() {
            return Err(fault(0, "nothing stands here".to_owned()));
        }
        let original = LANGUAGE.compile_expression_owned(text.to_owned()).map_err(|error| {
            let at = culprit(text, &words);
            let instead = match words.iter().find(|word| word.start == at).map_or("", |word| word.text) {
                "=" => "; did you mean `==`?",
                "&" | "&&" => "; did you mean `and`?",
                "!" => "; did you mean `not`?",
                _ => "",
            };
            fault(at, format!("{}{instead}", error.detail().unwrap_or("not understood")))
        })?;
        check_names(&words).map_err(|(at, why)| fault(at, why))?;
        let mut names: Vec<String> = original.undeclared_variables(true).into_iter().collect();
        names.sort_unstable();
        let rewritten = compare::rewritten(&words);
        let compiled = LANGUAGE.compile_expression_owned(rewritten).map_err(|error| fault(0, error.to_string()))?;
        Ok(Self { text: text.into(), compiled: Arc::new(compiled), names: names.into() })
    }

    /// Its value over `scope`; `has` tells whether the scope has a name, to name the one that is missing.
    ///
    /// # Errors
    /// What kept it from having one.
    pub(crate) fn evaluate(&self, scope: Value, has: &dyn Fn(&str) -> bool) -> Result<Value, EvalFault> {
        self.compiled.eval(scope).map_err(|error| EvalFault(self.words_for(&error, has)))
    }

    /// The name or dotted names that the expression consists of, if it is no more than that.
    pub(crate) fn as_names(&self) -> Option<Vec<&str>> {
        let names: Vec<&str> = self.text.trim().split('.').map(str::trim).collect();
        let is_name = |name: &&str| {
            let mut chars = name.chars();
            chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
                && chars.all(|c| c.is_alphanumeric() || c == '_')
                && !matches!(*name, "true" | "false" | "none" | "True" | "False" | "None")
        };
        names.iter().all(is_name).then_some(names)
    }

    fn words_for(&self, error: &minijinja::Error, has: &dyn Fn(&str) -> bool) -> String {
        let detail = error.detail().unwrap_or_default();
        match error.kind() {
            ErrorKind::UndefinedError => match self.names.iter().find(|name| !has(name)) {
                Some(name) => format!("no member `{name}`"),
                None => "a member that is missing".to_owned(),
            },
            ErrorKind::OutOfFuel => "a computation past its bound".to_owned(),
            // These two have kinds in them; the texts of others may hold values.
            _ if detail.starts_with("tried to use") || detail.starts_with(compare::WORDS) => detail.to_owned(),
            _ => "a value that it cannot be applied to".to_owned(),
        }
    }
}

/// Where the text stops being the beginning of an expression.
fn culprit(text: &str, words: &[Word<'_>]) -> usize {
    let wrong = words.iter().find(|word| {
        let read = text.get(..word.start + word.text.len()).unwrap_or(text);
        let error = LANGUAGE.compile_expression(read).err();
        error.is_some_and(|error| !error.detail().unwrap_or_default().contains("end of input"))
    });
    wrong.map_or(text.len(), |word| word.start)
}

/// Checks that filters, tests and functions exist: minijinja would find out at the first record.
fn check_names(words: &[Word<'_>]) -> Result<(), (usize, String)> {
    let mut state = LANGUAGE.empty_state();
    for (at, word) in words.iter().enumerate() {
        let before = |back: usize| at.checked_sub(back).and_then(|at| words.get(at)).map_or("", |word| word.text);
        if !word.is_name {
            continue;
        }
        let called = words.get(at + 1).is_some_and(|next| next.text == "(");
        if before(1) == "|" {
            if is_unknown(state.apply_filter(word.text, &[]).map(drop)) {
                return Err((word.start, format!("there is no filter `{}`", word.text)));
            }
        } else if before(1) == "is" && word.text != "not" || before(1) == "not" && before(2) == "is" {
            if is_unknown(state.perform_test(word.text, &[]).map(drop)) {
                let instead = if LOOSE_TESTS.contains(&word.text) { "; write it as an operator" } else { "" };
                return Err((word.start, format!("there is no test `{}`{instead}", word.text)));
            }
        } else if called && before(1) == "." {
            return Err((word.start, format!("values have no methods; write a filter, such as `| {}`", word.text)));
        } else if called && !is_operator(word.text) && !LANGUAGE.globals().any(|(name, _)| name == word.text) {
            return Err((word.start, format!("there is no function `{}`", word.text)));
        }
    }
    Ok(())
}

fn is_operator(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "if" | "else" | "is")
}

fn is_unknown(outcome: Result<(), minijinja::Error>) -> bool {
    outcome.is_err_and(|error| matches!(error.kind(), ErrorKind::UnknownFilter | ErrorKind::UnknownTest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value over `{amount: 12, text: "12", none: null, list: [1, 2], big: 2^100}`, or why there is none.
    fn check(text: &str, expected: &str) {
        let scope = minijinja::context! {
            amount => 12, text => "12", nothing => (), list => vec![1, 2], big => 1_i128 << 100, flag => true, half => 0.5,
        };
        let has = |name: &str| ["amount", "text", "nothing", "list", "big", "flag", "half"].contains(&name);
        let found = match Expression::parse(text) {
            Ok(expression) => match expression.evaluate(scope, &has) {
                Ok(value) if value.kind() == minijinja::value::ValueKind::Bool => value.is_true().to_string(),
                Ok(value) => value.to_string(),
                Err(EvalFault(why)) => format!("found {why}"),
            },
            Err(fault) => fault.to_string(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn values_are_compared_computed_and_chosen() {
        for (text, expected) in [
            ("amount > 5", "true"),
            ("amount + 1 <= 12 or text == '12'", "true"),
            ("5 < amount < 13", "true"),
            ("5 < amount < 12", "false"),
            ("not amount == 12", "false"),
            ("amount == 12.0", "true"),
            ("half < 1", "true"),
            ("text | upper ~ '!' == '12!'", "true"),
            ("(amount > 5) == flag", "true"),
            ("amount in list", "false"),
            ("2 in list and 3 not in list", "true"),
            ("'1' in text", "true"),
            ("nothing == none", "true"),
            ("nothing != 5", "true"),
            ("nothing is none", "true"),
            ("missing is defined", "false"),
            ("missing | default('x')", "x"),
            ("missing is defined and missing > 5", "false"),
            ("'big' if amount > 10 else 'small'", "big"),
            ("big + 1", "1267650600228229401496703205377"),
            ("[1, 2, 3] | sum == 6", "true"),
            ("list[0] == 1", "true"),
            ("text[0:1] == '1'", "true"),
            ("{'a': 1 > 0}['a']", "true"),
            ("text is string and text | length == 2", "true"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn what_has_no_value_says_why() {
        for (text, expected) in [
            ("missing > 5", "found no member `missing`"),
            ("amount.deeper == 1", "found no member `amount.deeper`"),
            ("text > 5", "found the comparison of a text with a number"),
            ("amount == '12'", "found the comparison of a number with a text"),
            ("nothing < 5", "found the comparison of null with a number"),
            ("flag == 1", "found the comparison of a boolean with a number"),
            ("text in list", "found the comparison of a text with a number"),
            ("amount in text", "found the comparison of a number with a text"),
            ("list < list", "found the comparison of a list with a list"),
            ("text + 1", "found tried to use + operator on unsupported types string and number"),
            ("'n/a' | int", "found a value that it cannot be applied to"),
            ("range(100000000) | length", "found a value that it cannot be applied to"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn what_is_no_expression_is_refused_with_its_place() {
        for (text, expected) in [
            ("amount >", "`amount >` is not an expression: unexpected end of input, expected expression at character 9"),
            (
                "amount = 5",
                "`amount = 5` is not an expression: unexpected input after expression; did you mean `==`? at character 8",
            ),
            ("amount > > 5", "`amount > > 5` is not an expression: unexpected `>` at character 10"),
            ("", "`` is not an expression: nothing stands here at character 1"),
            ("é == 'x", "`é == 'x` is not an expression: a text without its closing quote at character 6"),
            ("text|uper", "`text|uper` is not an expression: there is no filter `uper` at character 6"),
            ("text is strng", "`text is strng` is not an expression: there is no test `strng` at character 9"),
            (
                "amount is gt(5)",
                "`amount is gt(5)` is not an expression: there is no test `gt`; write it as an operator at character 11",
            ),
            (
                "text.lower()",
                "`text.lower()` is not an expression: values have no methods; write a filter, such as `| lower` at character 6",
            ),
            ("now() > 1", "`now() > 1` is not an expression: there is no function `now` at character 1"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn names_alone_are_told_from_expressions() {
        let names = |text: &str| Expression::parse(text).unwrap().as_names().map(|names| names.join("/"));
        assert_eq!(names("a.b"), Some("a/b".to_owned()));
        assert_eq!(names(" record.x_1 "), Some("record/x_1".to_owned()));
        for text in ["a + b", "'a'", "1", "none", "a['b']"] {
            assert_eq!(names(text), None, "{text}");
        }
    }
}
