//! Values that say when a record was changed, and whether an answer is what a start in the request asks for.
//!
//! In: records of the first page as they came, and those of the same request with a start in it. Out: the columns by which the API filtered. That a
//! parameter is taken says nothing; that records from before are gone, and those behind are all there, does.

use chrono::DateTime;
use serde_json::Value;

use crate::pipeline::probe::records::{Record, scalars_of_all};

/// Names of parameters that ask for what changed, the likeliest first.
pub(super) const SINCE: [&str; 12] = [
    "updated_since",
    "since",
    "modified_since",
    "updated_after",
    "modified_after",
    "updated_at_min",
    "updatedSince",
    "updatedAfter",
    "changed_since",
    "updated_from",
    "created_after",
    "from_date",
];

/// Whether a parameter of this name may ask for what changed.
pub(super) fn may_be_start(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let of_paging =
        ["starting_after", "page", "cursor", "ending_before", "sort", "order", "until", "before", "max", "lte", "end"];
    !has(&of_paging)
        && (has(&["since", "updated", "modified", "changed", "created"])
            || ["after", "from", "start", "start_date", "from_date"].contains(&&*lower))
}

/// Whether a value is a time or a date.
pub(super) fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| instant(text).is_some())
}

/// A time as a number to compare, in microseconds.
fn instant(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    let zoned = zoned.or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z"));
    let plain = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
            .iter()
            .find_map(|form| chrono::NaiveDateTime::parse_from_str(text, form).ok())
            .map(|time| time.and_utc().timestamp_micros())
    };
    let date =
        || Some(chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_micros());
    zoned.ok().map(|time| time.timestamp_micros()).or_else(plain).or_else(date)
}

/// Where a value lies in time: as a text, or seconds or milliseconds of the epoch between 2001 and 2096.
fn place(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => instant(text),
        Value::Number(number) => number
            .as_i64()
            .filter(|n| (1_000_000_000..4_000_000_000).contains(n) || (1_000_000_000_000..4_000_000_000_000).contains(n)),
        _ => None,
    }
}

/// How a name tells of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tells {
    /// Of the last change.
    Change,
    /// Of something else, such as the beginning.
    Other,
}

/// What the name of a column says.
pub(super) fn tells(name: &str) -> Tells {
    let lower = name.to_ascii_lowercase();
    let is_change =
        ["updat", "modif", "chang", "mtime", "last_edit", "lastedit", "touched"].iter().any(|word| lower.contains(word));
    if is_change { Tells::Change } else { Tells::Other }
}

/// The columns of times that every record has, and that are not all the same: those of changes first.
pub(super) fn columns(records: &[Record]) -> Vec<String> {
    let is_time = |name: &String| {
        let lower = name.to_ascii_lowercase();
        let is_called_so =
            ["at", "time", "date", "ts", "on"].iter().any(|end| lower.ends_with(end)) || tells(name) == Tells::Change;
        records
            .iter()
            .all(|record| record.get(name).is_some_and(|value| place(value).is_some() && (value.is_string() || is_called_so)))
    };
    let differs = |name: &String| records.iter().any(|record| record.get(name) != records[0].get(name));
    let mut found: Vec<String> = scalars_of_all(records).into_iter().filter(|name| is_time(name) && differs(name)).collect();
    found.sort_by_key(|name| tells(name));
    found
}

/// A value of `column` that parts the first page: some records lie before it, and some do not, and it tells `column` from the `others` best.
pub(super) fn parting(page: &[Record], column: &str, others: &[String]) -> Option<Value> {
    let at = |record: &Record, name: &str| record.get(name).and_then(place);
    let mut values: Vec<(i64, &Value)> =
        page.iter().filter_map(|record| Some((at(record, column)?, record.get(column)?))).collect();
    values.sort_by_key(|(place, _)| *place);
    values.dedup_by_key(|(place, _)| *place);
    let middle = values.len() / 2;
    let tells_apart = |(value, _): &(i64, &Value)| {
        let differs = |record: &&Record, other: &String| {
            at(record, other).is_some_and(|place| (place >= *value) != at(record, column).is_some_and(|place| place >= *value))
        };
        others.iter().filter(|other| *other != column).filter(|other| page.iter().any(|record| differs(&record, other))).count()
    };
    let candidates = values.iter().enumerate().skip(1);
    let best = candidates.max_by_key(|(nth, value)| (tells_apart(value), std::cmp::Reverse(nth.abs_diff(middle))));
    best.map(|(_, (_, value))| (*value).clone())
}

/// What an answer to a request with a start tells of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filtered {
    /// It is not what a filter by the column leaves.
    No,
    /// It is, the start itself among it.
    From,
    /// It is, but for records at the start itself.
    Behind,
}

/// Whether `answer` is what a filter of `column` from `start` on leaves of the first page `page`; `is_whole`: it has no further pages.
pub(super) fn filtered(page: &[Record], answer: &[Record], column: &str, start: &Value, is_whole: bool) -> Filtered {
    let Some(start) = place(start) else { return Filtered::No };
    let at = |record: &&Record| record.get(column).and_then(place);
    let before = page.iter().any(|record| at(&record).is_some_and(|place| place < start));
    if answer.is_empty() || !before || answer.iter().any(|record| at(&record).is_none_or(|place| place < start)) {
        return Filtered::No;
    }
    let is_there = |record: &&Record| answer.iter().any(|other| is_same(record, other, column));
    let is_left = |most: bool| {
        let left: Vec<&Record> = page
            .iter()
            .filter(|record| at(record).is_some_and(|place| if most { place > start } else { place >= start }))
            .collect();
        // A page that is full may begin elsewhere, where the API sorts what it filters otherwise; then one that is there tells.
        let missing = left.iter().filter(|record| !is_there(record)).count();
        let in_order = answer.iter().zip(&left).all(|(one, other)| is_same(one, other, column));
        !left.is_empty() && (missing == 0 || !is_whole && in_order)
    };
    match (is_left(false), is_left(true)) {
        (true, _) => Filtered::From,
        (false, true) if !answer.iter().any(|record| at(&record) == Some(start)) => Filtered::Behind,
        _ => Filtered::No,
    }
}

/// Whether two are one record: of one time, and alike but for what an answer makes of it, such as its place.
fn is_same(one: &Record, other: &Record, column: &str) -> bool {
    let same = one.iter().filter(|(name, value)| other.get(*name) == Some(value)).count();
    one.get(column) == other.get(column) && same * 2 > one.len().max(other.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page() -> Vec<Record> {
        let record = |id: i64, created: &str, updated: &str| json!({"id": id, "created_at": format!("2026-11-{created}T00:00:00Z"), "updated_at": format!("2026-11-{updated}T00:00:00Z")});
        let records = [record(1, "01", "05"), record(2, "02", "03"), record(3, "03", "04"), record(4, "04", "09")];
        records.iter().map(|value| value.as_object().unwrap().clone()).collect()
    }

    fn from(column: &str, start: &Value, is_open: bool) -> Vec<Record> {
        let at = |record: &Record| record.get(column).and_then(place).unwrap();
        let start = place(start).unwrap();
        page().into_iter().filter(|record| if is_open { at(record) > start } else { at(record) >= start }).collect()
    }

    #[test]
    fn a_filter_is_known_by_the_column_that_it_filters() {
        let page = page();
        let columns = columns(&page);
        assert_eq!(columns, ["updated_at", "created_at"]);
        let start = parting(&page, "updated_at", &columns).unwrap();
        let told =
            |answer: &[Record]| columns.iter().map(|column| filtered(&page, answer, column, &start, true)).collect::<Vec<_>>();
        assert_eq!(told(&from("updated_at", &start, false)), [Filtered::From, Filtered::No]);
        assert_eq!(told(&from("updated_at", &start, true)), [Filtered::Behind, Filtered::No]);
        assert_eq!(told(&page), [Filtered::No, Filtered::No], "nothing was filtered");
        assert_eq!(told(&[]), [Filtered::No, Filtered::No]);
        let start = parting(&page, "created_at", &columns).unwrap();
        let by_created = from("created_at", &start, false);
        assert_eq!(filtered(&page, &by_created, "created_at", &start, true), Filtered::From);
    }

    #[test]
    fn names_tell_of_changes_and_of_starts() {
        assert!(
            tells("lastModified") == Tells::Change && tells("updated_at") == Tells::Change && tells("created_at") == Tells::Other
        );
        for name in ["since", "updated_since", "updatedAfter", "created_after", "updated_at[gte]", "from"] {
            assert!(may_be_start(name), "{name}");
        }
        for name in ["starting_after", "page", "updated_before", "created_until", "sort", "limit", "q"] {
            assert!(!may_be_start(name), "{name}");
        }
        for text in ["2026-11-01T00:00:00Z", "2026-11-01T00:00:00+0100", "2026-11-01 00:00:00", "2026-11-01"] {
            assert!(is_time(&json!(text)), "{text}");
        }
        assert!(
            !is_time(&json!("a")) && !is_time(&json!(1)) && place(&json!(1_790_000_000)).is_some() && place(&json!(12)).is_none()
        );
    }
}
