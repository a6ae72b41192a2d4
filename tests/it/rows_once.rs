//! Every row once, within a run: where windows meet, where pages shift, where a body breaks off, and where two keys would become one.

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// A config of one resource `t` of `/t`, with these lines of the resource and keys of its endpoint.
fn config(api: &FakeApi, resource: &str, endpoint: &str) -> String {
    let url = api.url();
    format!(
        "name: p
client: {{base_url: \"{url}\", concurrency: 1, retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: t
    {resource}
    endpoint: {{path: /t, {endpoint}}}
"
    )
}

/// A sandbox with this config, after a strict run.
fn strict(config: &str) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(config);
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--strict"]);
    (sandbox, ended)
}

/// An API that always answers this body.
fn answering(kind: &'static str, body: &'static str) -> FakeApi {
    FakeApi::start().on("/t", move |_| Reply::json(body).header("content-type", kind))
}

/// An API of four records a day over ten days and a last one, which takes its bounds so: with the start, with the end.
fn days(has_start: bool, has_end: bool) -> FakeApi {
    let time = |hour: i64| format!("2026-01-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
    let records: Vec<Value> = (0..41).map(|id| json!({"id": id, "c": time(id * 6)})).collect();
    FakeApi::start().on("/t", move |request| {
        let (from, to) = (request.param("from").unwrap(), request.param("to").unwrap());
        let is_within = |record: &&Value| {
            let at = record["c"].as_str().unwrap();
            (at > from || (has_start && at == from)) && (at < to || (has_end && at == to))
        };
        Reply::json(json!({"data": records.iter().filter(is_within).collect::<Vec<_>>()}).to_string())
    })
}

fn windows(api: &FakeApi, resource: &str, incremental: &str) -> String {
    let keys = format!(
        "data_selector: data, paginator: single_page, params: {{from: '{{incremental.start_value}}', to: '{{incremental.end_value}}'}}, \
         incremental: {{cursor_path: c, initial_value: '2026-01-01T00:00:00Z', step: 1d, {incremental}}}"
    );
    config(api, resource, &keys)
}

#[test]
fn windows_tile_whatever_the_ends_of_the_range_are() {
    let api = days(true, true);
    for disposition in ["append", "replace", "merge"] {
        for key in ["primary_key: id", ""] {
            if (disposition, key) == ("merge", "") {
                continue;
            }
            for (ends, rows) in [("range_start: closed", 41), ("range_start: open", 40), ("range_end: closed", 41)] {
                let resource = format!("write_disposition: {disposition}\n    {key}");
                let (sandbox, ended) = strict(&windows(&api, &resource, ends));
                assert_eq!((ended.code(), sandbox.rows("t").len()), (Some(0), rows), "{disposition} {key} {ends}: {ended}");
            }
            let resource = format!("write_disposition: {disposition}\n    {key}");
            for (ends, rows) in [("range_end: open", 8), ("range_end: closed", 9), ("range_start: open", 7)] {
                let ends = format!("{ends}, end_value: '2026-01-03T00:00:00Z'");
                let (sandbox, ended) = strict(&windows(&api, &resource, &ends));
                assert_eq!((ended.code(), sandbox.rows("t").len()), (Some(0), rows), "{disposition} {key} {ends}: {ended}");
            }
        }
    }
}

#[test]
fn an_api_that_leaves_out_the_start_of_a_window_is_told_and_without_step_all_rows_come() {
    let api = days(false, true);
    let text = windows(&api, "write_disposition: append", "");
    let (sandbox, ended) = strict(&text);
    ended.failed_with(3, &["1 records lie at 2026-01-02T00:00:00Z", "leaves out the start of a range", "take `step` out"]);
    assert!(sandbox.data_files().is_empty());
    let text = text.replace("step: 1d", "until: now").replace("2026-01-01T00:00:00Z", "2025-12-31T00:00:00Z");
    let (sandbox, ended) = strict(&text);
    assert_eq!((ended.code(), sandbox.rows("t").len()), (Some(0), 41), "{ended}");
}

#[test]
fn an_append_whose_pages_shift_has_each_record_once_by_its_key() {
    let records: Vec<Value> = (0..25).map(|id| json!({"id": id, "c": id, "v": format!("x{id}")})).collect();
    let api = FakeApi::start().on("/t", move |request| {
        let offset = usize::try_from(request.number("offset", 0)).unwrap();
        let new = [json!({"id": 100, "c": 100, "v": "new"})];
        let all: Vec<&Value> = new.iter().filter(|_| offset > 0).chain(&records).collect();
        Reply::json(json!({"data": all.into_iter().skip(offset).take(10).collect::<Vec<_>>()}).to_string())
    });
    for incremental in ["", ", incremental: {cursor_path: c}"] {
        let endpoint = format!("data_selector: data, paginator: {{type: offset, limit: 10, total_path: null}}{incremental}");
        let sandbox = Sandbox::with_config(&config(&api, "primary_key: id\n    write_disposition: append", &endpoint));
        let ended = sandbox.run_ok();
        assert_eq!(sandbox.by_key("t", "id").len(), 25, "{ended}");
        assert_eq!(ended.table("t")["rows_deduplicated"], 1, "{ended}");
    }
}

#[test]
fn of_the_records_of_one_key_an_append_has_the_last_one_also_after_a_rebuild() {
    let api = answering("application/json", r#"{"data":[{"id":1,"c":1,"v":"a"},{"id":2,"c":1},{"id":1,"c":1,"v":"b"}]}"#);
    let endpoint = "data_selector: data, paginator: single_page, incremental: {cursor_path: c}";
    let sandbox = Sandbox::with_config(&config(&api, "primary_key: id\n    write_disposition: append", endpoint));
    for arguments in [&["run", "lakeward.yaml"][..], &["run", "lakeward.yaml"], &["run", "lakeward.yaml", "--full-refresh"]] {
        let ended = sandbox.lakeward(arguments);
        assert_eq!(ended.code(), Some(0), "{ended}");
        let rows = sandbox.by_key("t", "id");
        assert_eq!((rows.len(), &rows[&1]["v"]), (2, &json!("b")), "{ended}");
    }
}

#[test]
fn e_55_csv_that_ends_within_quotes_is_cut_off_and_text_behind_a_quote_is_a_reject() {
    let csv = |body: &'static str, keys: &str| {
        let api = answering("text/csv", body);
        let endpoint = format!("paginator: single_page, data_selector: $, response_format: {{type: csv{keys}}}");
        strict(&config(&api, "write_disposition: append", &endpoint))
    };
    for (body, line) in [("id,v\n1,a\n2,\"b\n3,c\n4,d\n", 3), ("id,v\n1,a\n2,\"b", 3), ("id,v\n1,\"a\nb\"\n2,\"c\n", 4)] {
        let (sandbox, ended) = csv(body, "");
        ended.failed_with(3, &[&format!("whose quote opens in line {line}: it is cut off"), "quote: null"]);
        assert!(sandbox.data_files().is_empty());
    }
    let (sandbox, ended) = csv("id,v\n1,a\n2,\"b\n3,c\n4,d\n", ", quote: null");
    assert_eq!((ended.code(), sandbox.rows("t").len()), (Some(0), 4), "{ended}");
    let (_, ended) = csv("id,v\n1,\"a\"b\"\n2,c\n", "");
    ended.failed_with(3, &["the end of the field behind its closing quote, at byte 10", "in line 2"]);
    let (sandbox, ended) = csv("id,v\n1,\"a \"\"b\"\", c\"\n2,d\"e\n", "");
    assert_eq!((ended.code(), sandbox.rows("t").len()), (Some(0), 2), "{ended}");
}

#[test]
fn keys_that_half_a_surrogate_pair_would_make_one_are_rejects() {
    let body = r#"{"data":[{"id":"\ud800","v":1,"c":1},{"id":"\udfff","v":2,"c":1},{"id":"ok","v":"\ud800","c":1}]}"#;
    let expected = ["a text whose characters all came", "half of a surrogate pair", "$.id"];
    for more in ["", ", incremental: {cursor_path: c}"] {
        let api = answering("application/json", body);
        let endpoint = format!("data_selector: data, paginator: single_page{more}");
        let text = config(&api, "primary_key: id\n    write_disposition: merge", &endpoint);
        let sandbox = Sandbox::with_config(&text);
        sandbox.run().failed_with(3, &expected);
        sandbox.write("lakeward.yaml", &text.replace("primary_key: id", "primary_key: c\n    partition_by: id"));
        sandbox.run().failed_with(3, &expected);
        sandbox.write(
            "lakeward.yaml",
            &text.replace("primary_key: id", "primary_key: id\n    on_reject: quarantine\n    max_rejects: 2"),
        );
        let ended = sandbox.run_ok();
        let rows = sandbox.rows("t");
        assert_eq!((rows.len(), &rows[0]["id"], &rows[0]["v"]), (1, &json!("ok"), &json!("\u{fffd}")), "{ended}");
    }
}

#[test]
fn a_lake_within_a_lake_and_a_pipeline_like_another_one_are_refused_before_anything_is_written() {
    let api = answering("application/json", r#"{"data":[{"id":1}]}"#);
    let text = config(&api, "write_disposition: replace", "data_selector: data, paginator: single_page");
    let sandbox = Sandbox::with_config(&text);
    sandbox.run_ok();
    let before = crate::support::sandbox::files_under(&sandbox.lake()).len();
    for inner in ["./lake/t", "./lake/new/deep"] {
        sandbox.write("inner.yaml", &text.replace("./lake", inner).replace("name: p", "name: q"));
        let ended = sandbox.lakeward(&["run", "inner.yaml"]);
        ended.failed_with(2, &["lies within the lake", "outside of that lake"]);
    }
    sandbox.write("like.yaml", &text.replace("name: p", "name: P").replace("name: t", "name: u"));
    sandbox.lakeward(&["run", "like.yaml"]).failed_with(2, &["pipeline `P` and pipeline `p`", "set `name`"]);
    assert_eq!(crate::support::sandbox::files_under(&sandbox.lake()).len(), before, "nothing was written");
    sandbox.write("beside.yaml", &text.replace("./lake", "./lake2").replace("name: p", "name: q"));
    assert_eq!(sandbox.lakeward(&["run", "beside.yaml"]).code(), Some(0));
    sandbox.run_ok();
}

#[test]
fn what_is_damaged_of_a_lake_names_a_way_out_and_the_way_works() {
    let api = answering("application/json", r#"{"data":[{"id":1}]}"#);
    let text = config(&api, "primary_key: id\n    write_disposition: merge", "data_selector: data, paginator: single_page");
    for (folder, way) in
        [("_tables", "the next run writes the claim anew"), ("p/manifest", "from a copy"), ("p/log", "from a copy")]
    {
        let sandbox = Sandbox::with_config(&text);
        sandbox.run_ok();
        let home = sandbox.lake().join("_lakeward");
        let mut files: Vec<_> = std::fs::read_dir(home.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
        let file = files.pop().unwrap();
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let ended = sandbox.run();
        ended.failed_with(3, &["hint: ", way]);
        if folder == "_tables" {
            std::fs::remove_file(&file).unwrap();
            sandbox.run_ok();
        } else {
            std::fs::rename(home.join("p"), sandbox.path().join("p")).unwrap();
            std::fs::rename(sandbox.lake().join("t"), sandbox.path().join("t")).unwrap();
            sandbox.run_ok();
        }
        assert_eq!(sandbox.rows("t").len(), 1);
    }
}
