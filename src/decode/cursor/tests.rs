use chrono::TimeZone;
use chrono_tz::Tz;
use proptest::prelude::*;
use std::time::Duration;

use super::*;
use crate::base::{CursorForm, Lag};
use crate::decode::reader::Reader;

const UTC: CursorForm = CursorForm { time_zone: Tz::UTC, epoch_per_second: 0 };

fn plan() -> IncrementalPlan {
    IncrementalPlan {
        cursor_path: JsonPath::parse("t").unwrap(),
        form: UTC,
        initial_value: None,
        end_value: None,
        start_param: None,
        end_param: None,
        convert: None,
        last: LastValue::Max,
        dedup: Dedup::Key(vec!["id".to_owned()]),
        row_order: None,
        on_missing: OnMissingCursor::Raise,
        lag: None,
        keeps_start: true,
        keeps_end: false,
        step: None,
        until_now: false,
        settle: Duration::ZERO,
        outside: Outside::Drop,
        is_per_parent: false,
    }
}

fn filter(plan: IncrementalPlan, start: Option<&str>, end: Option<&str>) -> CursorFilter {
    let value = |text: &str| UTC.text(text);
    CursorFilter {
        plan: Arc::new(plan),
        range: CursorRange { start: start.map(value), end: end.map(value), ..CursorRange::default() },
        kind: None,
        known: Arc::default(),
        is_known_by_spelling: false,
        held: Arc::default(),
        asked: Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap(),
    }
}

fn records(text: &str) -> Vec<Json> {
    let Json::Array(records) = Json::read(&mut Reader::new(text), &mut 0).unwrap() else { panic!("{text}") };
    records
}

/// The ids of the records that `filter` keeps, and what it found.
fn run(filter: &CursorFilter, text: &str) -> (String, PageCursors) {
    let mut page = PageFilter::new(filter.clone());
    let kept: Vec<String> = records(text)
        .iter()
        .filter(|record| page.keeps(record))
        .map(|record| match record.member("id") {
            Some(Json::Number(id)) => id.to_string(),
            _ => "?".to_owned(),
        })
        .collect();
    (kept.join(" "), page.finish())
}

fn check(filter: &CursorFilter, text: &str, kept: &str, farthest: Option<&str>) -> PageCursors {
    let (ids, seen) = run(filter, text);
    assert_eq!(ids, kept, "{text}");
    assert_eq!(seen.farthest.as_ref().map(CursorValue::text), farthest, "{text}");
    seen
}

const NUMBERS: &str = r#"[{"id":1,"t":9},{"id":2,"t":10},{"id":3,"t":11},{"id":4,"t":100}]"#;

#[test]
fn records_outside_the_range_are_dropped_and_counted() {
    let seen = check(&filter(plan(), Some("10"), Some("100")), NUMBERS, "2 3", Some("11"));
    assert_eq!((seen.outside, seen.repeated, seen.missing), (2, 0, 0));
    let bounds = IncrementalPlan { keeps_start: false, keeps_end: true, ..plan() };
    check(&filter(bounds, Some("10"), Some("100")), NUMBERS, "3 4", Some("100"));
    check(&filter(plan(), None, None), NUMBERS, "1 2 3 4", Some("100"));
}

#[test]
fn with_min_the_range_runs_backwards() {
    let backwards = IncrementalPlan { last: LastValue::Min, ..plan() };
    check(&filter(backwards, Some("11"), Some("9")), NUMBERS, "2 3", Some("10"));
}

#[test]
fn e_94_a_record_at_the_start_that_is_loaded_already_is_not_loaded_twice() {
    let first = run(&filter(plan(), None, None), r#"[{"id":1,"t":5},{"id":2,"t":7},{"id":3,"t":7}]"#).1;
    let mut progress = CursorProgress::default();
    progress.take(&plan(), first, &Clone::clone).unwrap();
    assert!(progress.marks.values().filter(|(value, _)| value.text() == "7").count() == 2);
    let again = CursorFilter {
        known: Arc::new(progress.marks.keys().map(|mark| (*mark, 1)).collect()),
        ..filter(plan(), Some("7"), None)
    };
    // The API spells the cursor otherwise, and one record is new.
    let seen = check(&again, r#"[{"id":2,"t":"7.0"},{"id":3,"t":7},{"id":4,"t":7},{"id":5,"t":8}]"#, "4 5", Some("8"));
    assert_eq!(seen.repeated, 2);
}

#[test]
fn without_a_key_the_whole_record_is_compared_whatever_the_order_of_its_members() {
    let whole = IncrementalPlan { dedup: Dedup::Record, ..plan() };
    let (_, seen) = run(&filter(whole.clone(), None, None), r#"[{"id":1,"t":5,"x":{"a":1,"b":2}}]"#);
    let known = Arc::new(seen.marks.iter().map(|(_, mark)| (*mark, 1)).collect());
    let again = CursorFilter { known, ..filter(whole, Some("5"), None) };
    check(&again, r#"[{"x":{"b":2,"a":1},"t":5,"id":1},{"id":1,"t":5,"x":{"a":1,"b":3}}]"#, "1", Some("5"));
}

#[test]
fn of_records_that_are_the_same_so_many_are_dropped_as_are_loaded() {
    let whole = IncrementalPlan { dedup: Dedup::Record, ..plan() };
    let text = |copies: usize| format!("[{}]", vec![r#"{"id":1,"t":5}"#; copies].join(","));
    let mark = run(&filter(whole.clone(), None, None), &text(1)).1.marks[0].1;
    let knowing = |loaded: u32, dedup: &Dedup| {
        let plan = IncrementalPlan { dedup: dedup.clone(), ..whole.clone() };
        CursorFilter { known: Arc::new([(mark, loaded)].into()), ..filter(plan, Some("5"), None) }
    };
    let again = knowing(2, &Dedup::Record);
    assert_eq!(check(&again, &text(3), "1", Some("5")).repeated, 2);
    check(&again, &text(1), "", Some("5"));
    // A state of an older program does not say how many there are.
    assert_eq!(check(&knowing(UNCOUNTED, &Dedup::Record), &text(3), "", Some("5")).repeated, 3);
    // Two pages have one each, and a third one more.
    let mut progress = CursorProgress::default();
    for is_over in [false, false, true] {
        let seen = run(&again, &text(1)).1;
        assert_eq!(progress.overdrawn(&seen, &again.known).is_some(), is_over);
        progress.take(&whole, seen, &Clone::clone).unwrap();
    }
}

#[test]
fn marks_by_spelling_are_found_and_replaced() {
    let text = r#"[{"id":1,"t":5,"price":1.10}]"#;
    let value = UTC.number("5").unwrap();
    for dedup in [Dedup::Record, Dedup::Key(vec!["id".to_owned()])] {
        let old = mark::mark_by_spelling(&dedup, &value, &records(text)[0]);
        let plan = IncrementalPlan { dedup, ..plan() };
        let again = CursorFilter { known: Arc::new([(old, UNCOUNTED)].into()), ..filter(plan, Some("5"), None) };
        let upgraded = CursorFilter { is_known_by_spelling: true, ..again.clone() };
        let seen = check(&upgraded, text, "", Some("5"));
        assert_eq!((seen.repeated, seen.replaced_marks.as_slice(), seen.marks.len()), (1, &[old][..], 1));
        check(&again, text, "1", Some("5"));
    }
}

#[test]
fn records_without_a_cursor_fail_stay_or_go_as_the_config_says() {
    let text = r#"[{"id":1,"t":5},{"id":2},{"id":3,"t":null}]"#;
    let seen = run(&filter(plan(), None, None), text).1;
    assert_eq!(seen.fault.unwrap().to_string(), "record 2 has no cursor at `$.t`");
    let with = |on_missing| filter(IncrementalPlan { on_missing, ..plan() }, None, None);
    assert_eq!(check(&with(OnMissingCursor::Include), text, "1 2 3", Some("5")).missing, 2);
    assert_eq!(check(&with(OnMissingCursor::Exclude), text, "1", Some("5")).missing, 2);
}

#[test]
fn e_67_a_cursor_that_changes_its_type_is_a_fault_with_its_record() {
    let fault = |filter: &CursorFilter, text: &str| run(filter, text).1.fault.unwrap().to_string();
    let open = filter(plan(), None, None);
    let text = r#"[{"id":1,"t":"2026-01-01T00:00:00Z"},{"id":2,"t":"2026-01-02"}]"#;
    assert_eq!(fault(&open, text), "record 2 has a date at `$.t`, where the cursor is a timestamp");
    let known = CursorFilter { kind: Some(CursorType::Date), ..open.clone() };
    assert_eq!(fault(&known, r#"[{"id":1,"t":5}]"#), "record 1 has a number at `$.t`, where the cursor is a date");
    assert_eq!(fault(&open, r#"[{"id":1,"t":[5]}]"#), "record 1 has an array at `$.t`, where the cursor is a scalar");
    let bound = filter(plan(), Some("2026-01-01"), None);
    assert_eq!(
        fault(&bound, r#"[{"id":1,"t":5}]"#),
        "the start of the range cannot be compared with record 1: a date where the cursor is a number"
    );
    let page = |text| run(&open, text).1;
    let mut progress = CursorProgress::default();
    progress.take(&plan(), page(r#"[{"id":1,"t":5}]"#), &Clone::clone).unwrap();
    assert!(progress.take(&plan(), page(r#"[{"id":2,"t":"2026-01-01"}]"#), &Clone::clone).is_err(), "also from page to page");
}

#[test]
fn a_bound_that_is_a_date_is_midnight_for_times() {
    let day = filter(plan(), Some("2026-11-22"), Some("2026-11-23"));
    let text =
        r#"[{"id":1,"t":"2026-11-21T23:59:59Z"},{"id":2,"t":"2026-11-22T01:00:00+01:00"},{"id":3,"t":"2026-11-23 00:00:00Z"}]"#;
    check(&day, text, "2", Some("2026-11-22T01:00:00+01:00"));
}

#[test]
fn pages_end_where_the_order_says_that_nothing_can_follow() {
    let ordered = |order| IncrementalPlan { row_order: Some(order), ..plan() };
    let out = |plan: &IncrementalPlan, start, end, text| {
        let seen = run(&filter(plan.clone(), start, end), text).1;
        CursorProgress::default().is_out_of_range(plan, &seen)
    };
    let (asc, desc) = (ordered(RowOrder::Asc), ordered(RowOrder::Desc));
    let falling = r#"[{"id":4,"t":100},{"id":3,"t":11},{"id":2,"t":10},{"id":1,"t":9}]"#;
    assert!(out(&asc, Some("10"), Some("100"), NUMBERS));
    assert!(!out(&asc, Some("10"), Some("101"), NUMBERS));
    assert!(out(&desc, Some("10"), None, falling));
    assert!(!out(&desc, Some("9"), Some("11"), falling));
    assert!(!out(&plan(), Some("10"), Some("100"), NUMBERS), "an unknown order says nothing");
}

#[test]
fn e_82_records_against_the_declared_order_end_nothing_early() {
    let asc = IncrementalPlan { row_order: Some(RowOrder::Asc), ..plan() };
    let open = filter(asc.clone(), None, Some("50"));
    let mixed = run(&open, r#"[{"id":1,"t":60},{"id":2,"t":40}]"#).1;
    assert!(mixed.is_disordered && mixed.is_out_of_range);
    assert!(!CursorProgress::default().is_out_of_range(&asc, &mixed));
    // Also when it is the second page that begins before the first one ended.
    let mut progress = CursorProgress::default();
    progress.take(&asc, run(&open, r#"[{"id":1,"t":45}]"#).1, &Clone::clone).unwrap();
    let second = run(&open, r#"[{"id":2,"t":44},{"id":3,"t":60}]"#).1;
    assert!(!progress.is_out_of_range(&asc, &second));
    progress.take(&asc, second, &Clone::clone).unwrap();
    assert!(progress.is_disordered);
}

#[test]
fn e_91_records_that_are_too_young_are_left_to_the_next_run() {
    let settled = IncrementalPlan { settle: Duration::from_secs(600), ..plan() };
    let text = r#"[{"id":1,"t":"2026-11-22T11:49:59Z"},{"id":2,"t":"2026-11-22T11:50:00Z"},{"id":3,"t":"2026-11-22T12:30:00Z"}]"#;
    let seen = check(&filter(settled, None, None), text, "1", Some("2026-11-22T11:49:59Z"));
    assert_eq!(seen.outside, 2);
}

#[test]
fn e_93_records_outside_the_window_are_dropped_kept_or_an_error_and_always_counted() {
    let with = |outside| filter(IncrementalPlan { outside, ..plan() }, Some("10"), Some("100"));
    assert_eq!(check(&with(Outside::Keep), NUMBERS, "1 2 3 4", Some("11")).outside, 2);
    let seen = run(&with(Outside::Error), NUMBERS).1;
    assert_eq!(seen.fault.unwrap().to_string(), "record 1 lies outside the range asked for");
}

#[test]
fn marks_are_kept_as_far_back_as_a_lag_reaches_and_bounded() {
    let lagging = IncrementalPlan { lag: Lag::parse("3"), ..plan() };
    let back = |value: &CursorValue| value.shifted(Lag::parse("3").unwrap(), false, Tz::UTC);
    let mut progress = CursorProgress::default();
    progress.take(&lagging, run(&filter(lagging.clone(), None, None), NUMBERS).1, &back).unwrap();
    assert!(progress.marks.values().any(|(value, _)| value.text() == "100"));
    let near = r#"[{"id":5,"t":98},{"id":6,"t":96},{"id":7,"t":97}]"#;
    progress.take(&lagging, run(&filter(lagging.clone(), None, None), near).1, &back).unwrap();
    assert!(progress.marks.len() >= 3);
    let passing = |number: usize| {
        format!("[{}]", (0..6000).map(|id| format!(r#"{{"id":{id},"t":{number}}}"#)).collect::<Vec<_>>().join(","))
    };
    let mut progress = CursorProgress::default();
    for number in 200..210 {
        progress.take(&plan(), run(&filter(plan(), None, None), &passing(number)).1, &Clone::clone).unwrap();
        assert!(progress.marks.len() <= 12_000, "{}", progress.marks.len());
    }
    let many: Vec<String> = (0..=MARKS_MAX).map(|id| format!(r#"{{"id":{id},"t":200}}"#)).collect();
    let page = run(&filter(plan(), None, None), &format!("[{}]", many.join(","))).1;
    let mut progress = CursorProgress::default();
    progress.take(&plan(), page, &Clone::clone).unwrap();
    assert_eq!((progress.too_many_marks_at.as_ref().map(CursorValue::text), progress.marks.len()), (Some("200"), 0));
}

proptest! {
    #[test]
    fn filtering_what_was_kept_keeps_all_of_it(
        cursors in prop::collection::vec(0_u32..50, 0..40), start in 0_u32..50, length in 1_u32..50, open in any::<bool>(),
    ) {
        let text: Vec<String> = cursors.iter().enumerate().map(|(id, t)| format!(r#"{{"id":{id},"t":{t}}}"#)).collect();
        let records = records(&format!("[{}]", text.join(",")));
        let plan = IncrementalPlan { keeps_start: !open, ..plan() };
        let filter = filter(plan, Some(&start.to_string()), Some(&(start + length).to_string()));
        let once: Vec<&Json> = { let mut page = PageFilter::new(filter.clone()); records.iter().filter(|record| page.keeps(record)).collect() };
        let mut page = PageFilter::new(filter.clone());
        prop_assert!(once.iter().all(|record| page.keeps(record)));
        prop_assert_eq!(page.finish().outside, 0);
    }

    #[test]
    fn every_record_is_in_one_of_two_neighbouring_ranges(cursors in prop::collection::vec(0_u32..50, 0..40), cut in 0_u32..50) {
        let text: Vec<String> = cursors.iter().enumerate().map(|(id, t)| format!(r#"{{"id":{id},"t":{t}}}"#)).collect();
        let text = format!("[{}]", text.join(","));
        let cut = cut.to_string();
        let count = |filter: CursorFilter| run(&filter, &text).0.split_whitespace().count();
        let both = count(filter(plan(), None, Some(&cut))) + count(filter(plan(), Some(&cut), None));
        prop_assert_eq!(both, cursors.len());
    }
}
