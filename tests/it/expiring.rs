//! Cursors of an API that expire while its pages are read: where nothing can be lost, the night goes on; elsewhere it fails.

use serde_json::{Value, json};

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

/// Twenty events at the times that `time` gives them, from `since` on, three a page, behind cursors that last for two pages.
fn events(time: fn(i64) -> i64, refusal: Reply) -> FakeApi {
    FakeApi::start().on("/events", move |request| {
        let (since, skip) = (request.number("since", 0) as i64, request.number("cursor", 0) as usize);
        if skip >= 6 {
            return refusal.clone();
        }
        let all = (1..=20).map(|id| json!({"id": id, "t": time(id)}));
        let within: Vec<Value> = all.filter(|event| event["t"].as_i64() >= Some(since)).collect();
        let next = (skip + 3 < within.len()).then(|| (skip + 3).to_string());
        answer(&json!({"data": within.iter().skip(skip).take(3).collect::<Vec<_>>(), "next": next}))
    })
}

fn config(api: &FakeApi, resource: &str, incremental: &str) -> String {
    format!(
        "name: t
client: {{base_url: \"{}\", retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: events
    {resource}
    endpoint:
      path: /events
      data_selector: data
      params: {{since: \"{{incremental.start_value}}\"}}
      paginator: {{type: cursor, cursor_path: next}}
      incremental: {{cursor_path: t, initial_value: 1, {incremental}}}
",
        api.url()
    )
}

const MERGED: &str = "write_disposition: merge\n    primary_key: id";

/// `since` of each chain's first page.
fn asked(api: &FakeApi) -> Vec<u64> {
    let requests = api.requests();
    requests.iter().filter(|request| request.param("cursor").is_none()).map(|request| request.number("since", 0)).collect()
}

#[test]
fn e_84_behind_a_cursor_that_has_expired_reading_goes_on_from_the_farthest_record_and_loses_none() {
    for refusal in [Reply::status(410), Reply::status(400).body(r#"{"error":"The cursor is invalid or has expired"}"#)] {
        let api = events(|id| id / 2 + 1, refusal);
        let sandbox = Sandbox::with_config(&config(&api, MERGED, "row_order: asc"));
        let ended = sandbox.run_ok();
        assert_eq!(sandbox.by_key("events", "id").into_keys().collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
        assert_eq!(asked(&api), [1, 4, 6, 8, 10]);
        let table = ended.table("events");
        assert_eq!(
            (&table["incremental"]["restarts"], &table["incremental"]["last_value"]),
            (&json!(4), &json!("11")),
            "{ended}"
        );
        assert_eq!((&table["records"], &table["requests"], &table["pages"]), (&json!(27), &json!(13), &json!(9)), "{ended}");
        assert_eq!(ended.stderr.matches("taken for a cursor that has expired; reading on from").count(), 4, "{ended}");
    }
}

#[test]
fn e_84_reading_that_comes_no_farther_ends_after_three_more_attempts() {
    let api = events(|_| 5, Reply::status(410));
    let sandbox = Sandbox::with_config(&config(&api, MERGED, "row_order: asc"));
    sandbox.run().failed_with(3, &["page 3", "answered 410", "a cursor may have expired"]);
    assert_eq!(asked(&api), [1, 5, 5, 5, 5]);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn e_84_where_rows_could_be_lost_or_doubled_an_expired_cursor_is_an_error() {
    let cases = [
        (MERGED, ""),
        (MERGED, "row_order: asc, range_start: open"),
        (MERGED, "row_order: asc, on_cursor_value_missing: include"),
        ("write_disposition: append\n    primary_key: id", "row_order: asc"),
    ];
    for (resource, incremental) in cases {
        let api = events(|id| id / 2 + 1, Reply::status(410));
        Sandbox::with_config(&config(&api, resource, incremental)).run().failed_with(3, &["page 3", "a cursor may have expired"]);
        assert_eq!(asked(&api), [1], "{incremental}");
    }
    // Another fault of page 3 is no expired cursor, and records against their order show that there may be others before the farthest.
    let api = events(|id| id / 2 + 1, Reply::status(400).body(r#"{"error":"no such filter"}"#));
    Sandbox::with_config(&config(&api, MERGED, "row_order: asc")).run().failed_with(3, &["no such filter"]);
    assert_eq!(asked(&api), [1]);
    let api = events(|id| 30 - id, Reply::status(410));
    Sandbox::with_config(&config(&api, MERGED, "row_order: asc")).run().failed_with(3, &["page 3", "answered 410"]);
    assert_eq!(asked(&api), [1]);
}
