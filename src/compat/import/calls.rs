//! The few calls that a config may be written with: secrets, the environment, conversions, dicts, dlt's classes.

use ruff_python_ast::{Expr, ExprCall};

use crate::compat::import::objects::{self, Object};
use crate::compat::import::script::dotted;
use crate::compat::import::value::{Evaluator, Part, Value, in_variable, range, set};

impl<'a> Evaluator<'a> {
    /// The value of a call.
    pub(super) fn call(&mut self, expr: &'a Expr, call: &'a ExprCall, scope: usize) -> Option<Value> {
        let Some(name) = dotted(&call.func) else { return self.left_out(expr, "a call") };
        let arguments = &call.arguments;
        match (name.as_str(), &*arguments.args) {
            ("dlt.secrets.get" | "dlt.config.get", [key, ..]) => {
                let key = self.value(key, scope).and_then(|key| key.literal());
                let Some(key) = key else { return self.left_out(expr, "a secret without a fixed name") };
                let written = format!("{name}(\"{key}\")");
                return Some(self.variable(in_variable(&key), None, written, range(expr).0));
            }
            ("os.getenv" | "getenv" | "os.environ.get" | "environ.get", [key, rest @ ..]) => {
                let key = self.value(key, scope).and_then(|key| key.literal());
                let default = match (rest.first(), arguments.keywords.first()) {
                    (Some(default), _) => self.value(default, scope),
                    (None, Some(keyword)) => self.value(&keyword.value, scope),
                    (None, None) => None,
                };
                let default = match default {
                    None | Some(Value::Null) => None,
                    Some(Value::Number(number)) => Some(number),
                    Some(other) => match other.literal() {
                        Some(text) if !text.is_empty() => Some(text),
                        _ => return self.left_out(expr, "a default that a reference cannot hold"),
                    },
                };
                let Some(key) = key else { return self.left_out(expr, "a variable without a fixed name") };
                return self.environment(expr, key, default);
            }
            ("str" | "int" | "float" | "bool", [value]) => {
                let value = self.value(value, scope)?;
                return converted(&name, value).or_else(|| self.left_out(expr, "a conversion"));
            }
            ("list" | "tuple", [value]) => return self.value(value, scope),
            ("cast" | "typing.cast", [_, value]) => return self.value(value, scope),
            _ => {}
        }
        let known = self.script.known_name(&name);
        if objects::is_dict(known) {
            return self.keywords(expr, call, &[], scope).map(Value::Map);
        }
        match objects::named(known) {
            Some(object) => self.object(expr, call, object, scope),
            None => self.left_out(expr, "a call"),
        }
    }

    /// A call of one of dlt's classes.
    fn object(&mut self, expr: &'a Expr, call: &'a ExprCall, object: &Object, scope: usize) -> Option<Value> {
        let mut entries = vec![("type".to_owned(), Value::text(object.kind))];
        // `endpoint.incremental` has no other type.
        if self.path.last().is_some_and(|key| key == ".incremental") {
            entries.clear();
        }
        for (key, value) in self.keywords(expr, call, object.parameters, scope)? {
            set(&mut entries, objects::key(&key), value);
        }
        Some(Value::Map(entries))
    }

    /// The arguments of a call by their names; those without one by `parameters`.
    fn keywords(
        &mut self,
        expr: &'a Expr,
        call: &'a ExprCall,
        parameters: &[&'static str],
        scope: usize,
    ) -> Option<Vec<(String, Value)>> {
        let mut entries = Vec::new();
        for (position, argument) in call.arguments.args.iter().enumerate() {
            match parameters.get(position) {
                Some(parameter) => self.entry(&mut entries, parameter, argument, scope),
                None if parameters.is_empty() && position == 0 => match self.value(argument, scope)? {
                    Value::Map(more) => entries.extend(more),
                    _ => {
                        self.left_out(expr, "a call with an argument that is no dict");
                    }
                },
                None => {
                    self.left_out(argument, "an argument without a name");
                }
            }
        }
        for keyword in &call.arguments.keywords {
            match &keyword.arg {
                Some(name) => self.entry(&mut entries, name.id.as_str(), &keyword.value, scope),
                None => match self.value(&keyword.value, scope) {
                    Some(Value::Map(more)) => more.into_iter().for_each(|(key, value)| set(&mut entries, &key, value)),
                    _ => {
                        self.left_out(&keyword.value, "unpacked arguments");
                    }
                },
            }
        }
        Some(entries)
    }
}

/// A value converted by `str`, `int`, `float` or `bool`; a reference stands for whatever its place takes.
fn converted(function: &str, value: Value) -> Option<Value> {
    match (function, value) {
        (_, Value::Text(parts)) if matches!(parts.as_slice(), [Part::Variable(..)]) => Some(Value::Text(parts)),
        ("str", text @ Value::Text(_)) => Some(text),
        ("str", Value::Number(number)) => Some(Value::text(&number)),
        ("int", Value::Text(parts)) => {
            let text = Value::Text(parts).literal()?;
            text.trim().parse::<i64>().ok().map(|number| Value::Number(number.to_string()))
        }
        ("int", Value::Number(number)) if number.parse::<i64>().is_ok() => Some(Value::Number(number)),
        ("float", Value::Number(number)) => number.parse::<f64>().ok().map(|number| Value::Number(format!("{number:?}"))),
        ("bool", value @ Value::Bool(_)) => Some(value),
        _ => None,
    }
}
