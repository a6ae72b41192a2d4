//! Selecting: which values of a page's tree are its records, when following one path to a list is not enough.

use crate::base::{JsonPath, PathExhausted};
use crate::config::RecordsPlan;
use crate::decode::Json;
use crate::decode::shape::RecordFault;

/// A record, or why it is none.
pub(in crate::decode) type Selected = Result<Json, RecordFault>;

/// Why a page has no records where they should be.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::decode) enum Unfound {
    /// There is nothing at any of the paths.
    Nothing,
    /// There is something that holds no records.
    Other(JsonPath, &'static str),
    /// A path passes its budget.
    Exhausted(PathExhausted),
}

/// The records of a page, in order. `paths` are the places to look, the first that holds something counts.
///
/// # Errors
/// [`Unfound`] when the page does not hold records as the plan says.
pub(in crate::decode) fn select(tree: &Json, paths: &[JsonPath], plan: &RecordsPlan) -> Result<Vec<Selected>, Unfound> {
    let mut null = None;
    for path in paths {
        let found = tree.all(path).map_err(Unfound::Exhausted)?;
        if found.is_empty() && path.has_no_choice(&tree.view()) {
            return Ok(Vec::new());
        }
        if found.iter().all(|value| matches!(value, Json::Null)) {
            null = null.or(found.first().map(|_| path));
            continue;
        }
        let other = |actual| Unfound::Other(path.clone(), actual);
        let mut records = Vec::new();
        for value in found {
            if plan.by_key {
                by_key(value, plan, &mut records).map_err(other)?;
            } else {
                at_value(value, plan, &mut records).map_err(other)?;
            }
        }
        return Ok(records);
    }
    match null {
        _ if plan.optional => Ok(Vec::new()),
        Some(path) => Err(Unfound::Other(path.clone(), "null")),
        None => Err(Unfound::Nothing),
    }
}

/// The records that `value` is or holds; the kind of a value that holds none otherwise.
fn at_value(value: &Json, plan: &RecordsPlan, records: &mut Vec<Selected>) -> Result<(), &'static str> {
    match value {
        Json::Array(_) if plan.single == Some(true) => Err(value.kind()),
        Json::Array(items) => {
            records.extend(items.iter().map(|item| Ok(wrapped(item, plan))));
            Ok(())
        }
        Json::Object(_) if plan.single == Some(false) => Err(value.kind()),
        Json::Object(_) => {
            records.push(Ok(value.clone()));
            Ok(())
        }
        Json::Null => Ok(()),
        _ if plan.wrap.is_some() => {
            records.push(Ok(wrapped(value, plan)));
            Ok(())
        }
        _ => Err(value.kind()),
    }
}

/// A value that is no object, as an object if the plan says so.
fn wrapped(value: &Json, plan: &RecordsPlan) -> Json {
    match (value, &plan.wrap) {
        (Json::Object(_), _) | (_, None) => value.clone(),
        (_, Some(name)) => Json::Object(vec![(name.clone(), value.clone())]),
    }
}

/// The records that are the members of an object, each with its name; PHP writes an empty map as a list.
fn by_key(value: &Json, plan: &RecordsPlan, records: &mut Vec<Selected>) -> Result<(), &'static str> {
    let members = match value {
        Json::Object(members) => members,
        Json::Array(items) if items.is_empty() => return Ok(()),
        Json::Null => return Ok(()),
        other => return Err(other.kind()),
    };
    for (key, value) in members {
        match value {
            Json::Array(items) => records.extend(items.iter().map(|item| keyed(key, wrapped(item, plan), plan))),
            other => records.push(keyed(key, wrapped(other, plan), plan)),
        }
    }
    Ok(())
}

/// A record with the key it stood under, unless the plan does not want it. A key never replaces a value.
fn keyed(key: &str, record: Json, plan: &RecordsPlan) -> Selected {
    let (Some(name), Json::Object(mut members)) = (&plan.key_as, record.clone()) else { return Ok(record) };
    let key = Json::Text(key.to_owned());
    match record.member(name) {
        None => {
            members.insert(0, (name.clone(), key));
            Ok(Json::Object(members))
        }
        Some(same) if same.is_written_as(&key) => Ok(record),
        Some(other) => Err(RecordFault {
            path: JsonPath::from_steps(vec![crate::base::Step::Key(name.clone())]).to_string(),
            expected: "no member besides the key that `key_as` puts there".to_owned(),
            actual: other.kind().to_owned(),
            record: Box::new(record),
            is_whole: false,
        }),
    }
}
