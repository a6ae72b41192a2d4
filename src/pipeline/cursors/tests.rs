use chrono::TimeZone;
use chrono_tz::Tz;
use proptest::prelude::*;

use super::*;
use crate::base::{CursorForm, CursorStep, JsonPath};
use crate::config::{LastValue, OnMissingCursor, Outside};
use crate::pipeline::cursors::windows::windows;

fn plan(zone: Tz, step: &str) -> IncrementalPlan {
    IncrementalPlan {
        cursor_path: JsonPath::parse("t").unwrap(),
        form: CursorForm { time_zone: zone, epoch_per_second: 0 },
        initial_value: None,
        end_value: None,
        start_param: None,
        end_param: None,
        convert: None,
        last: LastValue::Max,
        dedup: Dedup::Record,
        row_order: None,
        on_missing: OnMissingCursor::Raise,
        lag: None,
        keeps_start: true,
        keeps_end: false,
        step: CursorStep::parse(step),
        until_now: false,
        settle: std::time::Duration::ZERO,
        outside: Outside::Drop,
        is_per_parent: false,
    }
}

fn tiles(plan: &IncrementalPlan, start: &str, end: &str) -> Vec<String> {
    let value = |text: &str| Some(plan.form.text(text));
    let windows = windows(plan, CursorRange { start: value(start), end: value(end), ..CursorRange::default() }).unwrap();
    windows.iter().map(|w| format!("{}..{}", w.start.as_ref().unwrap(), w.end.as_ref().unwrap())).collect()
}

#[test]
fn e_68_windows_of_days_follow_the_calendar_when_clocks_change() {
    let berlin = plan(Tz::Europe__Berlin, "1d");
    let autumn = ["2026-10-23T22:00:00Z..2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z..2026-10-25T23:00:00Z"];
    assert_eq!(tiles(&berlin, "2026-10-23T22:00:00Z", "2026-10-25T23:00:00Z"), autumn);
    let spring = ["2026-03-28T23:00:00Z..2026-03-29T22:00:00Z", "2026-03-29T22:00:00Z..2026-03-30T12:00:00Z"];
    assert_eq!(tiles(&berlin, "2026-03-28T23:00:00Z", "2026-03-30T12:00:00Z"), spring);
    let months = ["2026-01-31..2026-02-28", "2026-02-28..2026-03-31", "2026-03-31..2026-04-15"];
    assert_eq!(tiles(&plan(Tz::UTC, "1mo"), "2026-01-31", "2026-04-15"), months);
    assert_eq!(tiles(&plan(Tz::UTC, "40"), "0", "100"), ["0..40", "40..80", "80..100"]);
}

#[test]
fn too_many_windows_are_refused() {
    let plan = plan(Tz::UTC, "1s");
    let range = CursorRange {
        start: Some(plan.form.text("2026-01-01T00:00:00Z")),
        end: Some(plan.form.text("2026-01-02T00:00:00Z")),
        ..CursorRange::default()
    };
    assert!(matches!(windows(&plan, range), Err(IncrementalError::TooManyWindows)));
}

#[test]
fn a_cursor_never_moves_back_nor_past_the_time_of_the_run() {
    let plan = plan(Tz::UTC, "");
    let asked = Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).unwrap();
    let capped = |text: &str| super::capped(&plan, &plan.form.text(text), asked).text().to_owned();
    assert_eq!(capped("2026-01-01T11:59:59.5Z"), "2026-01-01T11:59:59.5Z");
    assert_eq!(capped("2026-01-01T14:00:00.5+01:00"), "2026-01-01T13:00:00.0+01:00");
    assert_eq!(capped("2026-02-01"), "2026-01-01");
    assert_eq!(capped("900"), "900", "a number is no time");
    let known = |reached: &str, kept_to: &str| {
        let [reached, kept_to] = [reached, kept_to].map(|text| plan.form.text(text));
        super::bounds::known_of_kept(&plan, reached, asked, Some(&kept_to)).text().to_owned()
    };
    assert_eq!((known("900", "800"), known("900", "1000")), ("800".into(), "900".into()));
    assert_eq!(known("2026-01-01", "2025-12-30"), "2026-01-01", "a time is known to be of before the run");
    assert_eq!(
        (capped("2026-02"), capped("2026/02/01"), capped("2025-12")),
        ("2026-01".into(), "2026/01/01".into(), "2025-12".into())
    );
    assert_eq!((capped("2026-20"), capped("2026-02-x")), ("2026-20".into(), "2026-02-x".into()), "a text that is no month");
}

#[test]
fn a_state_comes_back_as_it_was() {
    let plan = plan(Tz::UTC, "1d");
    let made = Made::new(&plan, "http://a.test/", &[]);
    let mut state = State { kind: Some(crate::base::CursorType::Number), ..State::default() };
    let remembered = Remembered {
        last: plan.form.number("12.50"),
        marks: [(7, 1), (u128::MAX, 3)].into(),
        missing_marks: [(9, 2)].into(),
        has_spelled_marks: false,
        first: First::At(plan.form.number("3")),
        pending: vec![(plan.form.text("1"), plan.form.text("2"))],
    };
    state.cursors.insert(SHARED.to_owned(), remembered);
    let (json, file) = state.to_json(&made);
    assert_eq!((&json["format"], file), (&serde_json::json!(3), None));
    let stored = serde_json::json!({"incremental": json});
    let past = |stored| Past { state: Some(stored), marks: None, kin: Kin::default() };
    assert_eq!(State::read(past(&stored), &made, &plan).unwrap(), state);
    let other = Made::new(&plan, "http://b.test/", &[]);
    assert!(matches!(State::read(past(&stored), &other, &plan), Err(IncrementalError::Changed { key: "client.base_url", .. })));
    assert_eq!(State::read(Past::default(), &made, &plan).unwrap(), State::default());
}

#[test]
fn marks_of_a_state_that_did_not_count_them_stand_for_as_many_records_as_come() {
    let plan = plan(Tz::UTC, "1d");
    let made = Made::new(&plan, "http://a.test/", &[]);
    let cursor = serde_json::json!({"last_value": {"number": "5"}, "marks": [format!("{:032x}", 7)], "marks_by": "value"});
    let stored = serde_json::json!({"incremental": {"format": 3, "cursor_path": made.cursor_path, "last_value_func": "max",
        "base_url": "http://a.test/", "per_parent": [], "type": "number", "cursors": {"": cursor}}});
    let state = State::read(Past { state: Some(&stored), marks: None, kin: Kin::default() }, &made, &plan).unwrap();
    assert_eq!(state.cursors[SHARED].marks, [(7, UNCOUNTED)].into());
    // They stay that until they come again.
    let again = state.to_json(&made).0;
    assert_eq!((&again["cursors"][SHARED]["marks"], again["cursors"][SHARED].get("marks_are_counted")), (&cursor_marks(), None));
}

fn cursor_marks() -> Value {
    serde_json::json!([format!("{:032x}", 7)])
}

#[test]
fn many_marks_come_back_from_their_file_and_a_damaged_or_missing_one_is_refused() {
    let plan = plan(Tz::UTC, "1d");
    let made = Made::new(&plan, "http://a.test/", &[]);
    let mut state = State::default();
    for (key, marks) in [("b", 0..900), ("a", 5000..6000), ("c", 0..0_u128)] {
        let has_spelled_marks = key == "b";
        let (last, marks, missing_marks) = (plan.form.number("1"), marks.map(|mark| (mark, 1)).collect(), BTreeMap::new());
        let cursor = Remembered { last, marks, missing_marks, has_spelled_marks, pending: vec![], first: First::Unknown };
        state.cursors.insert(key.to_owned(), cursor);
    }
    let (mut json, file) = state.to_json(&made);
    let file = file.unwrap();
    assert_eq!((&json["format"], file.bytes.len()), (&serde_json::json!(3), 1900 * 16));
    json["marks"] = file.reference("x.bin");
    let stored = serde_json::json!({"incremental": json});
    let read = |marks| State::read(Past { state: Some(&stored), marks, kin: Kin::default() }, &made, &plan);
    assert_eq!(read(Some(&file.bytes)).unwrap(), state);
    assert!(read(None).unwrap_err().to_string().contains("`x.bin`, which is gone"));
    let mut damaged = file.bytes.clone();
    damaged[9] ^= 1;
    for bytes in [damaged.as_slice(), &file.bytes[16..]] {
        assert!(read(Some(bytes)).unwrap_err().to_string().contains("not as it was written"));
    }
}

#[test]
fn a_cursor_belongs_to_its_table_and_its_path() {
    let plan = plan(Tz::UTC, "1d");
    let made = |table: &str, path: &str| Made {
        table: table.to_owned(),
        path: path.to_owned(),
        ..Made::new(&plan, "http://a.test/", &[])
    };
    let (json, _) = State::default().to_json(&made("t", "events"));
    let stored = serde_json::json!({"incremental": json});
    let key = |made: Made| match State::read(Past { state: Some(&stored), marks: None, kin: Kin::default() }, &made, &plan) {
        Err(IncrementalError::Changed { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    assert_eq!((key(made("u", "events")), key(made("t", "orders"))), ("table_name", "endpoint.path"));
}

/// What becomes of a night that ended so, behind one that left `before` marks at the cursor 200.
fn night(disposition: WriteDisposition, before: usize, ended: Ended) -> Result<CursorOutcome, IncrementalError> {
    let plan = plan(Tz::UTC, "");
    let before = Remembered {
        last: plan.form.number("200"),
        marks: (0..before as u128).map(|mark| (mark, 1)).collect(),
        ..Remembered::default()
    };
    let cursors = Cursors {
        kin: Kin::default(),
        made: Made::new(&plan, "http://a.test/", &[]),
        plan: Arc::new(plan),
        of_parent: Vec::new(),
        loaded: None,
        disposition,
        started: Utc.with_ymd_and_hms(2026, 1, 1, 12, 0, 0).unwrap(),
        stored: None,
        old: State { kind: None, cursors: [(SHARED.to_owned(), before)].into() },
        new: [(SHARED.to_owned(), ended)].into(),
        facts: CursorFacts::default(),
        kept_to: None,
        kind: None,
    };
    cursors.finish()
}

#[test]
fn more_marks_than_are_kept_end_an_append_before_its_commit_and_a_merge_forgets_them() {
    let at = |text: &str| plan(Tz::UTC, "").form.number(text).unwrap();
    let one_more = || Ended { farthest: Some(at("200")), marks: [(u128::MAX, (at("200"), 1))].into(), ..Ended::default() };
    let all = night(WriteDisposition::Append, MARKS_MAX - 1, one_more()).unwrap();
    assert_eq!((all.facts.marks, all.marks.unwrap().bytes.len()), (MARKS_MAX as u64, MARKS_MAX * 16));
    assert!(matches!(night(WriteDisposition::Append, MARKS_MAX, one_more()), Err(IncrementalError::TooManyMarks)));
    assert_eq!(night(WriteDisposition::Merge, MARKS_MAX, one_more()).unwrap().facts.marks, 0);
    // More than are kept came in one night already: that counts where the next one meets them again.
    let too_many =
        |farthest: &str| Ended { farthest: Some(at(farthest)), too_many_marks_at: Some(at("200")), ..Ended::default() };
    assert!(matches!(night(WriteDisposition::Append, 0, too_many("200")), Err(IncrementalError::TooManyMarks)));
    assert!(night(WriteDisposition::Append, 0, too_many("201")).is_ok());
}

proptest! {
    #[test]
    fn e_68_windows_tile_their_range_without_gap_or_overlap(
        start in 1_600_000_000_i64..1_900_000_000, hours in 1_i64..20_000, zone in 0_usize..4, step in 0_usize..6,
    ) {
        let zone = [Tz::UTC, Tz::Europe__Berlin, Tz::America__Sao_Paulo, Tz::Australia__Lord_Howe][zone];
        let plan = plan(zone, ["7h", "1d", "3d", "1w", "1mo", "1y"][step]);
        let text = |seconds: i64| Utc.timestamp_opt(seconds, 0).unwrap().to_rfc3339();
        let end = start + hours * 3600 + 17;
        let range = CursorRange { start: Some(plan.form.text(&text(start))), end: Some(plan.form.text(&text(end))), ..CursorRange::default() };
        let windows = windows(&plan, range).unwrap();
        let times = |value: &Option<CursorValue>| value.as_ref().unwrap().time(zone).unwrap().timestamp();
        let mut at = start;
        for window in &windows {
            prop_assert_eq!(times(&window.start), at);
            prop_assert!(times(&window.end) > at);
            at = times(&window.end);
        }
        prop_assert_eq!(at, end);
    }
}
