//! Which column names a record.
//!
//! In: all records that came, and answers that have some of them again. Out: the key, or why there is none that is proven. That values were unique on a
//! few pages is not enough: a name that means a key has to come to it.

use crate::pipeline::probe::records::{Record, is_stable, is_unique, scalars_of_all};
use crate::pipeline::probe::times::is_time;

/// Columns that are told as perhaps unique.
const TOLD_MAX: usize = 4;

/// What was found of the key.
#[derive(Debug, Default)]
pub(super) struct Key {
    /// The column.
    pub(super) column: Option<String>,
    /// Others that were unique, and no name of which says more.
    pub(super) others: Vec<String>,
    /// Those that were unique, and named other records in another answer.
    pub(super) unstable: Vec<String>,
}

/// The key of `records`; `again` are answers that have some of them once more.
pub(super) fn find(records: &[Record], again: &[Vec<Record>], resource: &str) -> Key {
    if records.len() < 2 {
        return Key::default();
    }
    let mut ranked: Vec<(u8, String)> = scalars_of_all(records)
        .into_iter()
        .filter(|name| is_unique(records, name) && !records.iter().all(|record| record.get(name).is_some_and(is_time)))
        .filter(|name| !records.iter().any(|record| record.get(name).is_some_and(serde_json::Value::is_f64)))
        .map(|name| (rank(&name, resource), name))
        .collect();
    ranked.sort();
    let (mut key, mut first) = (Key::default(), &[][..]);
    if let Some(one) = again.first() {
        first = one;
    }
    for (rank, name) in ranked {
        let is_moved = |answer: &&Vec<Record>| !is_stable(records, answer, &name) || !is_stable(first, answer, &name);
        match again.iter().any(|answer| is_moved(&answer)) {
            true => key.unstable.push(name),
            false if rank <= 2 && key.column.is_none() => key.column = Some(name),
            false if key.others.len() < TOLD_MAX => key.others.push(name),
            false => {}
        }
    }
    key
}

/// How much a name says that it is the key: 0 most, 3 nothing.
fn rank(name: &str, resource: &str) -> u8 {
    let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let owner: String = resource.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let singular = match owner.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => owner.strip_suffix('s').unwrap_or(&owner).to_owned(),
    };
    let of_owner = word.strip_prefix(&singular).or_else(|| word.strip_prefix(&owner)).unwrap_or_default();
    match word.as_str() {
        "id" => 0,
        "uuid" | "guid" | "gid" | "key" | "pk" | "objectid" => 1,
        _ if ["id", "uuid", "guid", "key", "code", "number", "no"].contains(&of_owner) => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(records: &serde_json::Value, resource: &str, column: Option<&str>, others: &[&str]) {
        let records: Vec<Record> = records.as_array().unwrap().iter().map(|value| value.as_object().unwrap().clone()).collect();
        let found = find(&records, &[], resource);
        assert_eq!(
            (found.column.as_deref(), found.others.iter().map(String::as_str).collect::<Vec<_>>()),
            (column, others.to_vec())
        );
    }

    #[test]
    fn a_key_is_unique_and_called_so() {
        check(&json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]), "orders", Some("id"), &["name"]);
        check(
            &json!([{"order_id": "a", "customer_id": 1}, {"order_id": "b", "customer_id": 2}]),
            "orders",
            Some("order_id"),
            &["customer_id"],
        );
        check(&json!([{"categoryCode": "a"}, {"categoryCode": "b"}]), "categories", Some("categoryCode"), &[]);
        check(&json!([{"id": 1, "uuid": "x"}, {"id": 1, "uuid": "y"}]), "orders", Some("uuid"), &[]);
        check(&json!([{"customer_id": 1}, {"customer_id": 2}]), "orders", None, &["customer_id"]);
        check(&json!([{"at": "2026-11-01T00:00:00Z"}, {"at": "2026-11-02T00:00:00Z"}]), "orders", None, &[]);
        check(&json!([{"price": 1.5}, {"price": 2.5}]), "orders", None, &[]);
        check(&json!([{"id": 1}]), "orders", None, &[]);
        check(&json!([{"id": null}, {"id": 2}]), "orders", None, &[]);
    }
}
