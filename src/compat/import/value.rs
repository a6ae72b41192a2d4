//! From Python expressions to values, without running anything.
//!
//! In: an expression and its scope. Out: a [`Value`], or nothing and a note about what was left out. References to secrets and to the
//! environment stay references. A name whose value the script does not say becomes one too, so that it cannot be forgotten.

use std::collections::BTreeSet;

use ruff_python_ast::{
    BoolOp, Expr, ExprBinOp, ExprDict, ExprFString, ExprName, ExprSubscript, FStringPart, InterpolatedElement,
    InterpolatedStringElement, Number, Operator, UnaryOp,
};

use crate::compat::import::lambda::filter_of;
use crate::compat::import::script::{Bound, Script, dotted};
use crate::compat::import::{DEPTH_MAX, ImportError, Note, VALUES_MAX, Variable};

/// A value of the config.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::compat) enum Value {
    /// None.
    Null,
    /// True or False.
    Bool(bool),
    /// A number, as YAML writes it.
    Number(String),
    /// Text.
    Text(Vec<Part>),
    /// A list or tuple.
    List(Vec<Value>),
    /// A dict with keys of text, each once.
    Map(Vec<(String, Value)>),
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::compat) enum Part {
    /// Characters.
    Literal(String),
    /// An environment variable, and what stands for it where it is not set.
    Variable(String, Option<String>),
}

impl Value {
    pub(in crate::compat) fn text(text: &str) -> Self {
        Self::Text(vec![Part::Literal(text.to_owned())])
    }

    /// The text of one that comes from nowhere else.
    pub(super) fn literal(&self) -> Option<String> {
        let Self::Text(parts) = self else { return None };
        let literals = parts.iter().map(|part| if let Part::Literal(text) = part { Some(text.as_str()) } else { None });
        literals.collect()
    }

    /// The value of a key of a map.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// What may stand within a text: its parts.
    fn into_parts(self) -> Option<Vec<Part>> {
        match self {
            Self::Text(parts) => Some(parts),
            Self::Number(number) => Some(vec![Part::Literal(number)]),
            // As Python writes them.
            Self::Bool(value) => Some(vec![Part::Literal(if value { "True" } else { "False" }.to_owned())]),
            Self::Null => Some(vec![Part::Literal("None".to_owned())]),
            Self::List(_) | Self::Map(_) => None,
        }
    }
}

/// Sets a key of a map, in its place where it is there.
pub(super) fn set(entries: &mut Vec<(String, Value)>, key: &str, value: Value) {
    match entries.iter_mut().find(|(name, _)| name == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key.to_owned(), value)),
    }
}

/// Keys whose values are Python's: what is unknown below them is no text from the environment.
const PYTHON_KEYS: [&str; 9] =
    ["processing_steps", "filter", "map", "yield_map", "convert", "transform", "session", "action", "response_actions"];

/// Keys below which nothing of the script is shown.
const SECRET_KEYS: [&str; 4] = ["auth", "headers", "credentials", "session"];

/// Turns expressions of one script into values.
pub(super) struct Evaluator<'a> {
    pub(super) script: &'a Script<'a>,
    pub(super) notes: Vec<Note>,
    pub(super) variables: Vec<Variable>,
    /// Names that went into the values.
    pub(super) used: BTreeSet<&'a str>,
    /// Keys from the root to what is being read.
    pub(super) path: Vec<String>,
    depth: usize,
    count: usize,
    too_large: bool,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(script: &'a Script<'a>) -> Self {
        Self {
            script,
            notes: Vec::new(),
            variables: Vec::new(),
            used: BTreeSet::new(),
            path: Vec::new(),
            depth: 0,
            count: 0,
            too_large: false,
        }
    }

    /// Whether all of it was looked at.
    ///
    /// # Errors
    /// A bound was passed.
    pub(super) fn within_bounds(&self) -> Result<(), ImportError> {
        if self.too_large {
            let limit = format!("{DEPTH_MAX} levels and {VALUES_MAX} values");
            return Err(ImportError::TooLarge { what: "the config, names followed,", limit });
        }
        Ok(())
    }

    /// Records what is not carried over.
    pub(super) fn note(&mut self, at: usize, what: impl Into<String>) {
        let note = Note { line: self.script.line(at), path: self.path.concat(), what: what.into() };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// A reference to an environment variable.
    pub(super) fn variable(
        &mut self,
        name: String,
        default: Option<String>,
        written: String,
        at: impl Into<Option<usize>>,
    ) -> Value {
        if !self.variables.iter().any(|variable| variable.name == name) {
            let line = at.into().map(|at| self.script.line(at));
            self.variables.push(Variable { name: name.clone(), written, line });
        }
        Value::Text(vec![Part::Variable(name, default)])
    }

    /// The value of an expression; `None` when it is left out, which is noted.
    pub(super) fn value(&mut self, expr: &'a Expr, scope: usize) -> Option<Value> {
        self.count += 1;
        if self.depth >= DEPTH_MAX || self.count > VALUES_MAX {
            self.too_large = true;
            return None;
        }
        self.depth += 1;
        let value = self.any(expr, scope);
        self.depth -= 1;
        value
    }

    fn any(&mut self, expr: &'a Expr, scope: usize) -> Option<Value> {
        match expr {
            Expr::NoneLiteral(_) => Some(Value::Null),
            Expr::BooleanLiteral(literal) => Some(Value::Bool(literal.value)),
            Expr::StringLiteral(literal) => Some(Value::text(literal.value.to_str())),
            Expr::NumberLiteral(literal) => match &literal.value {
                Number::Int(int) => Some(Value::Number(int.to_string())),
                Number::Float(float) if float.is_finite() => Some(Value::Number(format!("{float:?}"))),
                Number::Float(_) | Number::Complex { .. } => self.left_out(expr, "a number that YAML does not have"),
            },
            Expr::UnaryOp(unary) => match (unary.op, self.value(&unary.operand, scope)?) {
                (UnaryOp::UAdd, number @ Value::Number(_)) => Some(number),
                (UnaryOp::USub, Value::Number(number)) => {
                    Some(Value::Number(number.strip_prefix('-').map_or_else(|| format!("-{number}"), str::to_owned)))
                }
                (UnaryOp::Not, Value::Bool(value)) => Some(Value::Bool(!value)),
                _ => self.left_out(expr, "an expression"),
            },
            Expr::List(list) => self.list(expr, &list.elts, scope),
            Expr::Tuple(tuple) => self.list(expr, &tuple.elts, scope),
            Expr::Dict(dict) => self.dict(dict, scope),
            Expr::FString(text) => self.f_string(expr, text, scope),
            Expr::BinOp(operation) => self.operation(expr, operation, scope),
            Expr::BoolOp(operation) if operation.op == BoolOp::Or => self.or(expr, &operation.values, scope),
            Expr::Name(name) => self.name(name, scope),
            Expr::Attribute(attribute) => {
                let name = dotted(expr).unwrap_or_default();
                match name.as_str() {
                    "dlt.secrets.value" | "dlt.config.value" => {
                        let key = self.path.last().map_or("value", |key| key.trim_start_matches('.')).to_uppercase();
                        let in_auth = self.path.iter().any(|key| key == ".auth");
                        let name = if in_auth { format!("CREDENTIALS__{key}") } else { key };
                        Some(self.variable(name, None, dotted(expr).unwrap_or_default(), usize::from(attribute.range.start())))
                    }
                    _ => self.left_out(expr, "an attribute whose value the script does not say"),
                }
            }
            Expr::Subscript(subscript) => self.subscript(expr, subscript, scope),
            Expr::Call(call) => self.call(expr, call, scope),
            Expr::Lambda(_) => self.left_out(expr, "a lambda"),
            Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_) => {
                self.left_out(expr, "a comprehension")
            }
            Expr::If(_) => self.left_out(expr, "a conditional expression"),
            _ => self.left_out(expr, "an expression"),
        }
    }

    /// Notes that an expression is not carried over, and what it is.
    pub(super) fn left_out(&mut self, expr: &Expr, what: &str) -> Option<Value> {
        let (from, to) = range(expr);
        let name = |key: &String| SECRET_KEYS.contains(&key.trim_start_matches('.'));
        let quoted = match expr {
            _ if self.path.iter().any(name) => String::new(),
            // Arguments may hold a password.
            Expr::Call(call) => dotted(&call.func).map_or_else(String::new, |name| format!(", `{name}(…)`")),
            _ => format!(", `{}`", self.script.quoted(from, to)),
        };
        let instead = match expr {
            Expr::Lambda(lambda) if self.path.last().is_some_and(|key| key == ".filter") => filter_of(lambda),
            _ => None,
        };
        let instead = instead.map_or_else(String::new, |filter| format!("; write `filter: \"{filter}\"`"));
        self.note(from, format!("{what}{quoted}{instead}"));
        None
    }

    fn list(&mut self, expr: &'a Expr, elements: &'a [Expr], scope: usize) -> Option<Value> {
        let (mut list, noted) = (Vec::new(), self.notes.len());
        for (position, element) in elements.iter().enumerate() {
            self.path.push(format!("[{position}]"));
            if let Expr::Starred(starred) = element {
                match self.value(&starred.value, scope) {
                    Some(Value::List(more)) => list.extend(more),
                    Some(_) => {
                        self.left_out(expr, "an unpacked value that is no list");
                    }
                    None => {}
                }
            } else {
                list.extend(self.value(element, scope));
            }
            self.path.pop();
        }
        // A list of what was all left out is left out.
        (!list.is_empty() || self.notes.len() == noted).then_some(Value::List(list))
    }

    fn dict(&mut self, dict: &'a ExprDict, scope: usize) -> Option<Value> {
        let (mut entries, noted) = (Vec::new(), self.notes.len());
        for item in &dict.items {
            match &item.key {
                None => match self.value(&item.value, scope) {
                    Some(Value::Map(more)) => more.into_iter().for_each(|(key, value)| set(&mut entries, &key, value)),
                    Some(_) => {
                        self.left_out(&item.value, "an unpacked value that is no dict");
                    }
                    None => {}
                },
                Some(key) => {
                    let name = match self.value(key, scope) {
                        Some(name @ Value::Text(_)) => name.literal(),
                        Some(Value::Number(number)) => Some(number),
                        _ => None,
                    };
                    match name {
                        Some(name) => self.entry(&mut entries, &name, &item.value, scope),
                        None => {
                            self.left_out(key, "a key that is not text");
                        }
                    }
                }
            }
        }
        (!entries.is_empty() || self.notes.len() == noted).then_some(Value::Map(entries))
    }

    /// One key of a map.
    pub(super) fn entry(&mut self, entries: &mut Vec<(String, Value)>, key: &str, value: &'a Expr, scope: usize) {
        self.path.push(if self.path.is_empty() { key.to_owned() } else { format!(".{key}") });
        if key == "session" {
            let (at, _) = range(value);
            self.note(at, "a Python object; see `client.timeout`, `client.retry` and `client.headers`");
        } else {
            match self.value(value, scope) {
                Some(value) => set(entries, key, value),
                // What was set before must not stand for it.
                None => entries.retain(|(name, _)| name != key),
            }
        }
        self.path.pop();
    }

    fn f_string(&mut self, expr: &'a Expr, text: &'a ExprFString, scope: usize) -> Option<Value> {
        let mut parts = Vec::new();
        for part in text.value.as_slice() {
            match part {
                FStringPart::Literal(literal) => parts.push(Part::Literal(literal.value.to_string())),
                FStringPart::FString(string) => {
                    for element in &*string.elements {
                        match element {
                            InterpolatedStringElement::Literal(literal) => parts.push(Part::Literal(literal.value.to_string())),
                            InterpolatedStringElement::Interpolation(filled) => parts.extend(self.filled(expr, filled, scope)?),
                        }
                    }
                }
            }
        }
        Some(Value::Text(parts))
    }

    fn filled(&mut self, expr: &'a Expr, filled: &'a InterpolatedElement, scope: usize) -> Option<Vec<Part>> {
        let plain = filled.format_spec.is_none() && filled.conversion.to_char().is_none() && filled.debug_text.is_none();
        let parts = if plain { self.value(&filled.expression, scope)?.into_parts() } else { None };
        if parts.is_none() {
            self.left_out(expr, "an f-string that has to be computed");
        }
        parts
    }

    fn operation(&mut self, expr: &'a Expr, operation: &'a ExprBinOp, scope: usize) -> Option<Value> {
        let (left, right) = (self.value(&operation.left, scope)?, self.value(&operation.right, scope)?);
        match (operation.op, left, right) {
            (Operator::Add, Value::Text(mut left), Value::Text(right)) => {
                left.extend(right);
                Some(Value::Text(left))
            }
            (Operator::Add, Value::List(mut left), Value::List(right)) => {
                left.extend(right);
                Some(Value::List(left))
            }
            (Operator::BitOr, Value::Map(mut left), Value::Map(right)) => {
                right.into_iter().for_each(|(key, value)| set(&mut left, &key, value));
                Some(Value::Map(left))
            }
            (operator, Value::Number(left), Value::Number(right)) => {
                let numbers = left.parse::<i64>().ok().zip(right.parse::<i64>().ok());
                let result = numbers.and_then(|(left, right)| match operator {
                    Operator::Add => left.checked_add(right),
                    Operator::Sub => left.checked_sub(right),
                    Operator::Mult => left.checked_mul(right),
                    _ => None,
                });
                result.map(|number| Value::Number(number.to_string())).or_else(|| self.left_out(expr, "a computed number"))
            }
            _ => self.left_out(expr, "an expression"),
        }
    }

    /// `os.getenv("X") or "default"`.
    fn or(&mut self, expr: &'a Expr, values: &'a [Expr], scope: usize) -> Option<Value> {
        if let [first, second] = values
            && let Some(Value::Text(parts)) = self.value(first, scope)
            && let [Part::Variable(name, None)] = parts.as_slice()
            && let Some(default) = self.value(second, scope).and_then(|value| value.literal())
            && !default.contains('}')
        {
            return Some(Value::Text(vec![Part::Variable(name.clone(), Some(default))]));
        }
        self.left_out(expr, "a choice between values")
    }

    fn name(&mut self, name: &'a ExprName, scope: usize) -> Option<Value> {
        let (text, at) = (name.id.as_str(), usize::from(name.range.start()));
        let of_python = self.path.iter().any(|key| PYTHON_KEYS.contains(&key.trim_start_matches('.')));
        match self.script.look_up(text, scope, at) {
            Some((scope, Bound::Value(value), conditional)) => {
                self.used.insert(text);
                if conditional {
                    self.note(at, format!("`{text}` is bound in a branch or loop; the last value before this line is taken"));
                }
                let of_dlt = dotted(value).filter(|name| matches!(name.as_str(), "dlt.secrets.value" | "dlt.config.value"));
                if let (Expr::Attribute(_), Some(of_dlt)) = (value, of_dlt) {
                    return Some(self.variable(in_variable(text), None, format!("{text}: {of_dlt}"), at));
                }
                self.value(value, scope)
            }
            Some((_, Bound::Code(what), _)) => {
                self.note(at, format!("{what}, `{text}`"));
                None
            }
            None if matches!(text, "max" | "min") => Some(Value::text(text)),
            found if of_python => {
                let what = if let Some((_, Bound::Outside(what), _)) = found { what } else { "bound nowhere" };
                self.note(at, format!("`{text}`, which is {what}"));
                None
            }
            found => {
                let what = if let Some((_, Bound::Outside(what), _)) = found { what } else { "bound nowhere" };
                let variable = in_variable(text);
                self.note(at, format!("the value of `{text}`, which is {what}; the config takes it from `{variable}`"));
                Some(self.variable(variable, None, text.to_owned(), at))
            }
        }
    }

    fn subscript(&mut self, expr: &'a Expr, subscript: &'a ExprSubscript, scope: usize) -> Option<Value> {
        let at = usize::from(subscript.range.start());
        let key = self.value(&subscript.slice, scope)?;
        let named = dotted(&subscript.value).unwrap_or_default();
        match (named.as_str(), key.literal()) {
            ("dlt.secrets" | "dlt.config" | "secrets" | "config", Some(key))
                if named.starts_with("dlt.") || self.is_imported(&named, scope, at) =>
            {
                return Some(self.variable(in_variable(&key), None, format!("{named}[\"{key}\"]"), at));
            }
            ("os.environ" | "environ", Some(key)) => return self.environment(expr, key, None),
            _ => {}
        }
        let value = match (self.value(&subscript.value, scope)?, &key) {
            (map @ Value::Map(_), key) => key.literal().and_then(|key| map.get(&key).cloned()),
            (Value::List(list), Value::Number(index)) => index.parse::<usize>().ok().and_then(|index| list.get(index).cloned()),
            _ => None,
        };
        value.or_else(|| self.left_out(expr, "a part of a value that the script does not say"))
    }

    pub(super) fn is_imported(&self, name: &str, scope: usize, at: usize) -> bool {
        matches!(self.script.look_up(name, scope, at), Some((_, Bound::Outside("imported"), _)))
    }

    /// A variable of the environment by its own name.
    pub(super) fn environment(&mut self, expr: &Expr, name: String, default: Option<String>) -> Option<Value> {
        let (from, to) = range(expr);
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let usable = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
        if !usable || default.as_ref().is_some_and(|default| default.contains('}')) {
            return self.left_out(expr, "a variable or default that a reference cannot hold");
        }
        let written = self.script.quoted(from, to);
        Some(self.variable(name, default, written, from))
    }
}

/// The variable that dlt looks a key up in: its parts joined by `__`, in upper case.
pub(super) fn in_variable(key: &str) -> String {
    let name = key
        .split('.')
        .map(|part| part.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect());
    let name = name.collect::<Vec<String>>().join("__");
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { format!("_{name}") } else { name }
}

/// The bytes of an expression.
pub(super) fn range(expr: &Expr) -> (usize, usize) {
    macro_rules! of {
        ($($kind:ident)*) => {
            match expr {
                Expr::Call(call) => (usize::from(call.range_start), usize::from(call.arguments.range.end())),
                $(Expr::$kind(node) => (usize::from(node.range.start()), usize::from(node.range.end())),)*
            }
        };
    }
    of!(BoolOp Named BinOp UnaryOp Lambda If Dict Set ListComp SetComp DictComp Generator Await Yield YieldFrom Compare FString
        TString StringLiteral BytesLiteral NumberLiteral BooleanLiteral NoneLiteral EllipsisLiteral Attribute Subscript Starred
        Name List Tuple Slice IpyEscapeCommand)
}
