//! What an expression sees of a record, and its value as JSON again.
//!
//! A member is turned into a value of the language when the expression asks for it. Integers keep all their digits; a number whose digits no
//! machine number gives back can be passed on and not computed with. What is passed on without being computed with comes back as it was.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};

use crate::config::{EvalFault, Expression};
use crate::decode::reader::DEPTH_MAX;
use crate::decode::steps::{Outcome, StepMisfit};
use crate::decode::{Json, Spelling, write_float};

/// The name of the whole record; a member of this name is `record.record`.
const RECORD: &str = "record";

/// The value of an expression for a record, and the record again.
pub(super) fn evaluate(place: &str, expression: &Expression, record: Json) -> Outcome<(Json, Json)> {
    if let Some(value) = expression.as_names().and_then(|names| member_at(&record, &names)) {
        return Ok((value.clone(), record));
    }
    let record = Arc::new(record);
    let has = |name: &str| member_at(&record, &name.split('.').collect::<Vec<_>>()).is_some();
    let value = expression.evaluate(Value::from_object(Scope(Arc::clone(&record))), &has);
    let value = value.and_then(|value| to_json(&value, 0).map_err(|kind| EvalFault(format!("{kind} as its value"))));
    match value {
        Ok(value) => Ok((value, Arc::unwrap_or_clone(record))),
        Err(EvalFault(actual)) => {
            let expected = format!("a record for which `{expression}` has a value (`{place}`)");
            Err(StepMisfit { path: "$".to_owned(), expected, actual })
        }
    }
}

fn member_at<'j>(record: &'j Json, names: &[&str]) -> Option<&'j Json> {
    let names = names.strip_prefix(&[RECORD]).unwrap_or(names);
    names.iter().try_fold(record, |value, name| value.member(name))
}

/// The names an expression can use.
#[derive(Debug)]
struct Scope(Arc<Json>);

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        // The functions that comparisons become are no members.
        if name.starts_with("__lakeward_") {
            return None;
        }
        if name == RECORD { Some(Value::from_object(Node(Arc::clone(&self.0)))) } else { self.0.member(name).map(to_value) }
    }
}

/// An object or array of the record.
#[derive(Debug)]
struct Node(Arc<Json>);

impl Object for Node {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(*self.0, Json::Array(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match &*self.0 {
            Json::Array(items) => items.get(key.as_usize()?).map(to_value),
            object => object.member(key.as_str()?).map(to_value),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &*self.0 {
            Json::Array(items) => Enumerator::Seq(items.len()),
            Json::Object(members) => Enumerator::Values(members.iter().map(|(name, _)| Value::from(name.as_str())).collect()),
            _ => Enumerator::Empty,
        }
    }
}

/// A number that no machine number holds to its last digit.
#[derive(Debug)]
struct Exact(Box<str>);

impl Object for Exact {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Text(text) => Value::from(text.as_str()),
        Json::Number(token) => number(token),
        Json::Array(_) | Json::Object(_) => Value::from_object(Node(Arc::new(json.clone()))),
    }
}

fn number(token: &str) -> Value {
    if let Ok(integer) = token.parse::<i128>() {
        return Value::from(integer);
    }
    match float_of(token) {
        Some(float) => Value::from(float),
        None => Value::from_object(Exact(token.into())),
    }
}

/// The float that has all digits of a number's text.
pub(super) fn float_of(token: &str) -> Option<f64> {
    let float: f64 = token.parse().ok()?;
    (float.is_finite() && digits(token) == digits(&format!("{float:e}"))).then_some(float)
}

/// The digits that count: without sign, point, exponent and zeros at the ends.
fn digits(token: &str) -> String {
    let mantissa = token.split(['e', 'E']).next().unwrap_or_default();
    let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    all.trim_matches('0').to_owned()
}

/// The JSON of a value, or what it is instead.
fn to_json(value: &Value, depth: u32) -> Result<Json, &'static str> {
    if depth > DEPTH_MAX {
        return Err("something too deep");
    }
    if let Some(node) = value.downcast_object_ref::<Node>() {
        return Ok((*node.0).clone());
    }
    if let Some(exact) = value.downcast_object_ref::<Exact>() {
        return Ok(Json::Number(exact.0.clone()));
    }
    match value.kind() {
        ValueKind::None => Ok(Json::Null),
        ValueKind::Bool => Ok(Json::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => Ok(Json::Number(value.to_string().into())),
        ValueKind::Number => {
            let float = f64::try_from(value.clone()).ok().filter(|float| float.is_finite()).ok_or("a number without end")?;
            let mut token = String::new();
            write_float(&mut token, float, Some(Spelling::PointedNumber));
            Ok(Json::Number(token.into()))
        }
        ValueKind::String => Ok(Json::Text(value.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|_| "something that is no list")?;
            items.map(|item| to_json(&item, depth + 1)).collect::<Result<_, _>>().map(Json::Array)
        }
        ValueKind::Map => {
            let keys = value.try_iter().map_err(|_| "something that is no object")?;
            let member = |key: Value| {
                let name = key.as_str().ok_or("an object with names that are no texts")?.to_owned();
                let member = value.get_item(&key).map_err(|_| "something that is no object")?;
                Ok((name, to_json(&member, depth + 1)?))
            };
            keys.map(member).collect::<Result<_, &'static str>>().map(Json::Object)
        }
        ValueKind::Undefined => Err("a member that is missing"),
        _ => Err("something that is no JSON"),
    }
}
