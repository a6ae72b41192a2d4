use super::*;
use crate::base::{CursorType, Edge};

fn incremental(keys: &str) -> String {
    endpoint(&format!("incremental: {{cursor_path: t, {keys}}}"))
}

fn plan_of(text: &str) -> IncrementalPlan {
    plan(text).resources.remove(0).endpoint.incremental.unwrap()
}

/// Checks that the `incremental` with these keys has just this fault.
fn check_one(keys: &str, expected: &str) {
    let faults = load_text(&incremental(keys)).unwrap_err();
    let faults: Vec<String> = faults.faults().iter().map(ToString::to_string).collect();
    assert_eq!(faults, [format!("`resources[0].endpoint.incremental.{expected}")], "{keys}");
}

#[test]
fn the_defaults_are_dlts() {
    let plan = plan_of(&endpoint("incremental: {cursor_path: a.b}"));
    assert_eq!(plan.cursor_path, crate::base::JsonPath::parse("a.b").unwrap());
    assert_eq!((plan.last, plan.on_missing, plan.row_order), (LastValue::Max, OnMissingCursor::Raise, None));
    assert!(plan.keeps_start && !plan.keeps_end && plan.has_state() && !plan.until_now && plan.step.is_none());
    assert_eq!((plan.dedup, plan.outside), (Dedup::Record, Outside::Drop));
    assert_eq!((plan.initial_value, plan.end_value, plan.start_param, plan.lag), (None, None, None, None));
}

#[test]
fn a_parameter_of_type_incremental_gets_the_start() {
    let text = endpoint("params: {a: 1, since: {type: incremental, cursor_path: t, initial_value: 2026-01-01, lag: 60}}");
    let plan = plan_of(&text);
    assert_eq!(plan.start_param.as_deref(), Some("since"));
    assert_eq!(plan.initial_value.unwrap().kind(), CursorType::Date);
    let request = super::plan(&text).resources.remove(0).endpoint.request;
    let names: Vec<String> =
        request.params.iter().map(|(name, value)| format!("{} {}", name.sample(), value.is_fixed())).collect();
    assert_eq!(names, ["a true", "since false"]);
    check(
        &endpoint("params: {since: {type: incremental, cursor_path: t, initial_value: 1, end_value: 2}}"),
        &[
            "6:106: `resources[0].endpoint.params.since.end_value`: `end_value` does not go with a parameter; write it in `endpoint.incremental`",
        ],
    );
    check(
        &endpoint("incremental: {cursor_path: t}, params: {since: {type: incremental, cursor_path: t}}"),
        &["6:72: `resources[0].endpoint.params.since`: an endpoint has one cursor: this is its second `incremental`"],
    );
}

#[test]
fn records_are_told_apart_by_the_key_and_a_merge_needs_nothing() {
    let dedup = |keys: &str, resource: &str| {
        plan_of(&config("", &format!("incremental: {{cursor_path: t, {keys}}}"), resource, "", "")).dedup
    };
    assert_eq!(dedup("", "primary_key: id"), Dedup::Key(vec!["id".to_owned()]));
    assert_eq!(dedup("primary_key: [a, b]", "primary_key: id"), Dedup::Key(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(dedup("primary_key: []", "primary_key: id"), Dedup::Off);
    assert_eq!(dedup("range_start: open", ""), Dedup::Record);
    assert_eq!(dedup("", "primary_key: id\nwrite_disposition: merge"), Dedup::Off);
}

#[test]
fn values_keep_their_type_and_are_written_as_the_request_wants_them() {
    let plan = plan_of(&incremental("initial_value: 2026-11-22T08:00:00+01:00, convert: epoch_ms, time_zone: Europe/Berlin"));
    let initial = plan.initial_value.clone().unwrap();
    assert_eq!(plan.sent(&initial, Edge::Start).unwrap().text, "1795330800000");
    let plan = plan_of(&incremental("initial_value: 007"));
    assert_eq!(plan.initial_value.clone().unwrap().kind(), CursorType::Number);
    assert_eq!(plan.sent(&plan.initial_value.clone().unwrap(), Edge::Start).unwrap().text, "007");
    let plan = plan_of(&incremental("initial_value: 1700000000, transform: epoch_s"));
    assert_eq!(plan.initial_value.unwrap().kind(), CursorType::Timestamp);
    let plan = plan_of(&incremental("initial_value: 2026-11-22, end_value: '2026-11-23T00:00:00Z'"));
    assert_eq!(plan.initial_value.unwrap().kind(), CursorType::Timestamp);
}

#[test]
fn a_scheduler_may_set_the_range() {
    let plan = plan_of(&incremental("allow_external_schedulers: true"));
    assert_eq!(plan.initial_value.unwrap().text(), "2026-11-01T00:00:00Z");
    assert_eq!(plan.end_value.unwrap().text(), "2026-11-02T00:00:00Z");
    assert_eq!(plan_of(&incremental("allow_external_schedulers: false")).initial_value, None);
}

#[test]
fn dlts_rules_of_ranges_are_checked_before_any_request() {
    check(
        &endpoint("incremental: {}"),
        &["6:38: `resources[0].endpoint.incremental`: `cursor_path` is missing: where the cursor stands in a record"],
    );
    check_one("end_value: 5", "end_value`: `end_value` needs an `initial_value`: both make the range");
    check_one("initial_value: 5, end_value: 5", "end_value`: `end_value` must lie after `initial_value`");
    check_one("initial_value: 10, end_value: '9'", "end_value`: `end_value` must lie after `initial_value`");
    let behind = "end_value`: `end_value` must lie before, with `last_value_func: min`, `initial_value`";
    check_one("initial_value: 5, end_value: 6, last_value_func: min", behind);
    let types = "end_value`: `initial_value` is a number and `end_value` a date: they cannot be compared";
    check_one("initial_value: 5, end_value: 2026-01-01", types);
    let lag = "lag`: `lag` does not go with `end_value`: such a run starts where `initial_value` says";
    check_one("initial_value: 5, end_value: 6, lag: 1", lag);
    check_one(
        "initial_value: abc, lag: 1",
        "lag`: `lag` needs a time, a date or a number as cursor, and `initial_value` is text",
    );
    let func =
        "last_value_func`: `last_value_func: my_func` needs Python and has no place in a config file; write `max` or `min`";
    check_one("last_value_func: my_func", func);
    check_one(
        "initial_value: [1]",
        "initial_value`: expected a time, a date, a number or text, as the cursor is spelled, found a list",
    );
    let convert = "convert`: expected a converter such as `iso8601`, or a strftime format with `%`, found the text `iso_8601`";
    check_one("convert: iso_8601", convert);
    check_one("convert: date, transform: date", "transform`: `transform` is the old name of `convert`; give one of them");
    check_one("cursor: x", "cursor`: unknown key; did you mean `cursor_path`?");
    check_one("row_order: down", "row_order`: unknown value `down`; expected one of `asc`, `desc`");
}

#[test]
fn a_row_order_that_leaves_pages_out_does_not_go_with_records_without_a_cursor() {
    let unread = "row_order`: `row_order` asks for no page behind the range, and there may be records without a cursor, which `on_cursor_value_missing: include` loads; take `row_order` out, so that all pages are read, or write `exclude`";
    for keys in [
        "row_order: desc, on_cursor_value_missing: include",
        "row_order: asc, on_cursor_value_missing: include, last_value_func: min",
    ] {
        check_one(keys, unread);
    }
    plan_of(&incremental("row_order: asc, on_cursor_value_missing: include"));
    plan_of(&incremental("row_order: desc, on_cursor_value_missing: exclude"));
}

#[test]
fn windows_need_a_start_and_a_cursor_that_goes_with_the_step() {
    assert!(plan_of(&incremental("start_param: a, initial_value: 2026-01-01, step: 1mo")).until_now);
    assert!(!plan_of(&incremental("end_param: b, initial_value: 1, end_value: 900, step: 100")).until_now);
    let check_one = |keys: &str, expected: &str| check_one(&format!("start_param: a, {keys}"), expected);
    check_one("step: 1d", "step`: `step` needs an `initial_value`: the first window begins there");
    check_one(
        "initial_value: abc, step: 1d",
        "step`: `step` needs a time, a date or a number as cursor, and `initial_value` is text",
    );
    let unit = "step`: `step` is a time, and the cursor a number; with `convert: epoch_s` or `epoch_ms`, numbers are times";
    check_one("initial_value: 5, end_value: 90, step: 1d", unit);
    check_one("initial_value: 5, step: 10", "step`: windows of numbers need an `end_value`");
    check_one("initial_value: 2026-01-01, step: 12h", "step`: `step` is shorter than a day, and the cursor is a date");
    let form = "step`: expected a step such as \"12h\", \"1d\", \"1w\" or \"1mo\", or a number for numeric cursors, found the text `daily`";
    check_one("initial_value: 2026-01-01, step: daily", form);
    let zone = "time_zone`: expected a zone of the tz database, perhaps `Europe/Berlin`, found the text `europe/berlin`";
    check_one("time_zone: europe/berlin", zone);
    let keep = "strict_window`: `strict_window: keep` goes with `write_disposition: merge` only; elsewhere such records would come twice";
    check_one("strict_window: keep", keep);
    check_one("state: shared", "state`: `state` goes with a parent resource only; without one there is a single cursor");
    let both = "until`: `until` and `end_value` are both ends of the range; give one of them";
    check_one("initial_value: 2026-01-01, end_value: 2026-02-01, until: now", both);
}

#[test]
fn windows_that_nobody_asks_for_and_too_many_of_them_are_refused() {
    let unasked = "step`: `step` makes windows, and the request names none of their ends, so that every window would fetch everything; give `start_param` and `end_param`, or write `{incremental.start_value}` and `{incremental.end_value}`";
    check_one("initial_value: 2026-01-01, step: 1d", unasked);
    plan(&endpoint(
        "incremental: {cursor_path: t, initial_value: 2026-01-01, step: 1d}, headers: {X-Until: '{incremental.end_value}'}",
    ));
    let many = "step`: `step` makes more than 10000 windows up to `end_value`; make it longer, or the range shorter";
    check_one("start_param: a, initial_value: 0, end_value: 10001, step: 1", many);
    plan(&incremental("start_param: a, initial_value: 0, end_value: 10000, step: 1"));
    check_one("start_param: a, initial_value: 2026-01-01T00:00:00Z, end_value: 2026-01-01T02:46:41Z, step: 1s", many);
}

#[test]
fn convert_needs_bounds_that_are_times() {
    let needs = |found: &str| {
        format!("`convert` needs a time or a date, and the cursor is a {found}; leave `convert` out, or write a time")
    };
    check_one("initial_value: 5, convert: iso8601", &format!("initial_value`: {}", needs("number")));
    check_one("initial_value: abc, convert: epoch_s", &format!("initial_value`: {}", needs("text")));
    let later = incremental("initial_value: 2026-01-01, end_value: 2027-01-01, convert: '%Y'");
    plan(&later);
    plan(&incremental("initial_value: 5, end_value: 900, convert: epoch_ms"));
}

#[test]
fn what_the_request_needs_has_a_value_in_the_first_run() {
    let missing =
        "the first run has no value for it: give `initial_value`, or make it all of a query parameter, which then is left out";
    let fault = |value: &str, advice: &str| format!("`{{incremental.{value}}}` cannot be filled in: {advice}");
    let check_one = |keys: &str, expected: String| {
        let faults = load_text(&endpoint(keys)).unwrap_err();
        let faults: Vec<String> = faults.faults().iter().map(ToString::to_string).collect();
        assert_eq!(faults, [format!("`resources[0].endpoint.{expected}")], "{keys}");
    };
    let open = "incremental: {cursor_path: t}";
    check_one(
        &format!("json: {{since: '{{incremental.start_value}}'}}, {open}"),
        format!("json.since`: {}", fault("start_value", missing)),
    );
    check_one(
        &format!("params: {{q: 'after:{{incremental.last_value}}'}}, {open}"),
        format!("params.q`: {}", fault("last_value", missing)),
    );
    check_one(
        &format!("headers: {{X-Since: '{{incremental.initial_value}}'}}, {open}"),
        format!("headers.X-Since`: {}", fault("initial_value", missing)),
    );
    let end = "the range has no end: give `end_value`, or `until: now` with an `initial_value`";
    check_one(
        "data: 'to={incremental.end_value}', incremental: {cursor_path: t, initial_value: 5}",
        format!("data`: {}", fault("end_value", end)),
    );
    check_one(
        "json: {lag: '{incremental.lag}'}, incremental: {cursor_path: t, initial_value: 5}",
        format!("json.lag`: {}", fault("lag", "there is no `lag`")),
    );
    // As all of a parameter or form field, a value that is missing is left out; in a path it cannot be.
    plan(&endpoint(&format!("params: {{since: '{{incremental.start_value}}'}}, {open}")));
    plan(&endpoint(&format!("data: {{since: '{{incremental.start_value}}'}}, {open}")));
    plan(&endpoint(
        "json: {to: '{incremental.end_value}'}, incremental: {cursor_path: t, initial_value: 2026-01-01, until: now}",
    ));
    let path = format!(
        "name: n\nclient: {{base_url: 'http://a.test'}}\nlake: {{url: l}}\nresources:\n  - name: r\n    endpoint: {{path: 'x/{{since}}', params: {{since: '{{incremental.start_value}}'}}, {open}}}\n"
    );
    check(&path, &[&format!("6:22: `resources[0].endpoint.path`: {}", fault("start_value", missing))]);
}

#[test]
fn a_placeholders_format_goes_with_the_bound_that_the_config_gives() {
    check(
        &endpoint("params: {since: '{incremental.start_value:010d}'}, incremental: {cursor_path: t, initial_value: 2026-01-01}"),
        &[
            "6:41: `resources[0].endpoint.params.since`: `{incremental.start_value:010d}`: its format `d` is for integers, and the value is none",
        ],
    );
    plan(&endpoint(
        "params: {since: '{incremental.start_value:010d}'}, incremental: {cursor_path: t, initial_value: 2026-01-01, convert: epoch_s}",
    ));
}

#[test]
fn a_cursor_that_the_steps_take_out_is_refused() {
    let text = config("", "incremental: {cursor_path: a.t}", "processing_steps: [{drop: a}]", "", "");
    check(
        &text,
        &[
            "6:52: `resources[0].endpoint.incremental.cursor_path`: `cursor_path` names `a`, which `processing_steps[0].drop` takes out of every record",
        ],
    );
}

#[test]
fn bounds_that_look_like_a_time_and_are_none_are_refused_before_a_request() {
    let form = "expected a time or a date that there is, as ISO 8601 writes it: `2026-11-22T08:00:00Z`, `2026-11-22`";
    for text in ["2026-02-30", "2026-11-22T25:00:00Z", "22.11.2026", "11/22/2026"] {
        check_one(&format!("initial_value: '{text}'"), &format!("initial_value`: {form}, found the text `{text}`"));
        check_one(
            &format!("initial_value: '2026-01-01', end_value: '{text}'"),
            &format!("end_value`: {form}, found the text `{text}`"),
        );
    }
}

#[test]
fn a_backfill_has_bounds_of_the_cursors_form() {
    let refused = |keys: &str, from: &str, to: &str| plan_of(&incremental(keys)).for_range(from, to).unwrap_err();
    let timed = "initial_value: 2026-01-01T00:00:00Z";
    assert_eq!(
        refused(timed, "2026-02-30", "2026-03-01"),
        "`--from` looks like a time and is none; write it as ISO 8601 does: `2026-11-22T08:00:00Z`, `2026-11-22`"
    );
    assert_eq!(refused(timed, "5", "7"), "`--from` is a number, and the cursor a timestamp, as `initial_value` has it");
    assert_eq!(refused(timed, "2026-03-01", "now"), "`--to` is a text, and the cursor a timestamp, as `initial_value` has it");
    assert_eq!(
        refused("initial_value: 5", "2026-01-01", "2026-02-01"),
        "`--from` is a date, and the cursor a number, as `initial_value` has it"
    );
    assert_eq!(
        refused("convert: date", "5", "7"),
        "`--from` is a number, and `convert` needs a time or a date, and the cursor is a number"
    );
    assert!(plan_of(&incremental(timed)).for_range("2026-01-01", "2026-02-01").is_ok(), "a date stands for its midnight");
    assert!(plan_of(&incremental("")).for_range("a", "b").is_ok());
}
