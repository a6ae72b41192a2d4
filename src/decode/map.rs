//! Maps of records: an object whose members are the records, under their keys, where a list or one record would stand.

use crate::base::{JsonPath, Step};
use crate::decode::answer::{is_own, members};

/// How many objects that are alike are at `path`, where these are all that the object there has, under names that are keys: numbers, dates, or
/// what each calls its own. One of them may be a record's part.
pub(super) fn records_in_map(text: &str, path: &JsonPath) -> Option<usize> {
    let entries = members(value_at(text, path.steps())?);
    let objects: Vec<Vec<String>> =
        entries.iter().map(|(_, value)| members(value).into_iter().map(|(name, _)| name).collect()).collect();
    let is_map = entries.len() > 1 && entries.iter().all(|(name, value)| value.starts_with('{') && is_key(name, value));
    (is_map && are_alike(&objects)).then_some(entries.len())
}

/// Whether the object at the end of `path`, without the last name of it, is a record of its own, of which the list there is only a part.
pub(super) fn record_around(text: &str, path: &JsonPath) -> Option<JsonPath> {
    let (_, parents) = path.steps().split_last()?;
    let around = members(value_at(text, parents)?);
    let is_set =
        |name: &str, value: &str| !value.starts_with(['{', '[']) && value != "null" && value != "\"\"" && !name.is_empty();
    let has_id = around.iter().any(|(name, value)| ["id", "_id", "uuid"].contains(&&**name) && is_set(name, value));
    let has_more = around.iter().any(|(name, value)| is_own(name) && is_set(name, value));
    (has_id && has_more).then(|| JsonPath::from_steps(parents.to_vec()))
}

/// The value at the end of these names.
fn value_at<'t>(text: &'t str, steps: &[Step]) -> Option<&'t str> {
    steps.iter().try_fold(text, |value, step| {
        let Step::Key(key) = step else { return None };
        members(value).into_iter().rfind(|(name, _)| name == key).map(|(_, value)| value)
    })
}

/// Whether a name is the key of the object that stands at it.
fn is_key(name: &str, object: &str) -> bool {
    let is_number_or_date = name.contains(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_digit() || ['-', ':', '.', '/', 'T', 'Z', '+', ' '].contains(&c));
    let is_own_key = |(member, value): (String, &str)| {
        ["id", "_id", "uuid", "key"].contains(&&*member.to_ascii_lowercase()) && value.trim_matches('"') == name
    };
    is_number_or_date || members(object).into_iter().any(is_own_key)
}

/// Whether objects have at least half of their names in common.
fn are_alike(objects: &[Vec<String>]) -> bool {
    let Some((first, others)) = objects.split_first() else { return false };
    let mut all: Vec<&String> = objects.iter().flatten().collect();
    all.sort();
    all.dedup();
    let common = first.iter().filter(|name| others.iter().all(|other| other.contains(name))).count();
    common > 0 && common * 2 >= all.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_records_is_told_from_a_record() {
        let at = |text: &str| records_in_map(text, &JsonPath::parse("data").unwrap());
        for text in [
            r#"{"data": {"100": {"v": 1, "w": 2}, "101": {"v": 2, "w": 1, "x": 3}}}"#,
            r#"{"data": {"2026-01-01": {"open": 1}, "2026-01-02": {"open": 2}}}"#,
            r#"{"data": {"ab": {"id": "ab", "v": 1}, "cd": {"id": "cd", "v": 2}}}"#,
        ] {
            assert_eq!(at(text), Some(2), "{text}");
        }
        for text in [
            r#"{"data": {"100": {"v": 1}}}"#,
            r#"{"data": {"100": {"v": 1}, "101": {"w": 1}}}"#,
            r#"{"data": {"100": {"v": 1}, "101": 7}}"#,
            r#"{"data": {"shipping": {"street": "x"}, "billing": {"street": "y"}}}"#,
            r#"{"data": {}}"#,
            r#"{"data": [{"1": {}}]}"#,
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }

    #[test]
    fn a_record_around_a_list_is_told_from_an_envelope() {
        let around = |text: &str| record_around(text, &JsonPath::parse("tags").unwrap()).is_some();
        assert!(around(r#"{"id": 7, "name": "x", "tags": [{}]}"#));
        for text in [
            r#"{"id": "req-1", "status": "ok", "total": 3, "tags": [{}]}"#,
            r#"{"id": null, "name": "x", "tags": [{}]}"#,
            r#"{"request_id": 7, "name": "x", "tags": [{}]}"#,
            r#"{"id": 7, "meta": {}, "tags": [{}]}"#,
        ] {
            assert!(!around(text), "{text}");
        }
    }
}
