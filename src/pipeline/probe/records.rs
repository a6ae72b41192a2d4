//! The records of an answer as they came, and what their fields are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::base::{JsonPath, Step};
use crate::source::Exchange;

/// A record as it came.
pub(super) type Record = Map<String, Value>;

/// Records of one answer that are looked at.
const RECORDS_MAX: usize = 5_000;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Json,
    Lines,
    Csv,
}

impl Written {
    /// As its content type says.
    pub(super) fn of(exchange: &Exchange) -> Self {
        match exchange.content_type().as_str() {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines" => Self::Lines,
            "text/csv" | "application/csv" => Self::Csv,
            _ => Self::Json,
        }
    }

    /// As a config says it; nothing for JSON.
    pub(super) fn spelled(self) -> Option<&'static str> {
        match self {
            Self::Json => None,
            Self::Lines => Some("ndjson"),
            Self::Csv => Some("csv"),
        }
    }
}

/// The records of an answer that stand at `at`; none where it has no such.
pub(super) fn records(exchange: &Exchange, written: Written, at: Option<&JsonPath>) -> Vec<Record> {
    let Some(text) = exchange.text() else { return Vec::new() };
    match written {
        Written::Json => {
            let Ok(page) = serde_json::from_str::<Value>(&text) else { return Vec::new() };
            let mut found = vec![&page];
            for step in at.map(JsonPath::steps).unwrap_or_default() {
                found = found.into_iter().flat_map(|value| stepped(value, step)).collect();
            }
            let elements = found.into_iter().flat_map(|value| match value {
                Value::Array(elements) => elements.iter().collect(),
                other => vec![other],
            });
            elements.filter_map(Value::as_object).take(RECORDS_MAX).cloned().collect()
        }
        Written::Lines => {
            let line = |line: &str| serde_json::from_str::<Value>(line).ok()?.as_object().cloned();
            text.lines().filter_map(line).take(RECORDS_MAX).collect()
        }
        Written::Csv => {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let Ok(header) = reader.headers().cloned() else { return Vec::new() };
            let record = |row: csv::StringRecord| -> Record {
                let value = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
                header.iter().zip(row.iter()).map(|(name, text)| (name.to_owned(), value(text))).collect()
            };
            reader.records().map_while(Result::ok).map(record).take(RECORDS_MAX).collect()
        }
    }
}

fn stepped<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    match (step, value) {
        (Step::Key(name), Value::Object(members)) => members.get(name).into_iter().collect(),
        (Step::Every, Value::Array(elements)) => elements.iter().collect(),
        (Step::Every, Value::Object(members)) => members.values().collect(),
        (Step::Index(at), Value::Array(elements)) => elements.get(*at).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The names of members that every record has, with a value that is neither null nor a list nor an object.
pub(super) fn scalars_of_all(records: &[Record]) -> Vec<String> {
    let Some(first) = records.first() else { return Vec::new() };
    let is_of_all = |name: &&String| {
        records.iter().all(|record| record.get(*name).is_some_and(|value| value.is_string() || value.is_number()))
    };
    first.keys().filter(is_of_all).cloned().collect()
}

/// Whether no two records have one value there.
pub(super) fn is_unique(records: &[Record], name: &str) -> bool {
    let mut seen = BTreeSet::new();
    records.iter().all(|record| record.get(name).is_some_and(|value| seen.insert(value.to_string())))
}

/// Whether a value at `name` stands for the same record in both answers: where an answer that has records of the other one too calls them otherwise, or
/// another one so, it is no key.
pub(super) fn is_stable(first: &[Record], second: &[Record], name: &str) -> bool {
    let by_value = |records: &'_ [Record]| -> BTreeMap<String, Record> {
        records.iter().filter_map(|record| Some((record.get(name)?.to_string(), record.clone()))).collect()
    };
    let (one, other) = (by_value(first), by_value(second));
    let shared: Vec<(&Record, &Record)> = one.iter().filter_map(|(value, record)| Some((record, other.get(value)?))).collect();
    if shared.is_empty() {
        // No value is shared: that says something only where records are.
        let rest =
            |record: &Record| record.iter().filter(|(key, _)| *key != name).map(|(k, v)| format!("{k}={v}")).collect::<String>();
        let known: BTreeSet<String> = first.iter().map(rest).collect();
        return !second.iter().any(|record| known.contains(&rest(record)));
    }
    let alike = shared.iter().filter(|(one, other)| {
        let fields = one.len().max(other.len()).saturating_sub(1);
        let same = one.iter().filter(|(key, value)| *key != name && other.get(*key) == Some(value)).count();
        same * 2 >= fields
    });
    alike.count() * 2 > shared.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(values: Value) -> Vec<Record> {
        values.as_array().unwrap().iter().map(|value| value.as_object().unwrap().clone()).collect()
    }

    #[test]
    fn a_key_names_the_same_record_in_every_answer() {
        let first = of(
            json!([{"id": 7, "row": 1, "n": "a", "m": 1}, {"id": 8, "row": 2, "n": "b", "m": 2}, {"id": 9, "row": 3, "n": "c", "m": 3}]),
        );
        let later = of(json!([{"id": 8, "row": 1, "n": "b", "m": 2}, {"id": 9, "row": 2, "n": "c", "m": 3}]));
        assert!(is_stable(&first, &later, "id"));
        assert!(!is_stable(&first, &later, "row"), "the first row of another answer is another record");
        let again = of(json!([{"id": "x1", "n": "a"}, {"id": "x2", "n": "b"}]));
        let other = of(json!([{"id": "y1", "n": "a"}, {"id": "y2", "n": "b"}]));
        assert!(!is_stable(&again, &other, "id"), "an id of one answer alone names nothing");
        assert!(
            is_unique(&first, "id") && !is_unique(&of(json!([{"a": 1}, {"a": 1}])), "a") && !is_unique(&of(json!([{}])), "a")
        );
        assert_eq!(scalars_of_all(&of(json!([{"a": 1, "b": null, "c": "x"}, {"a": 2, "b": 1, "c": "y", "d": 1}]))), ["a", "c"]);
    }
}
