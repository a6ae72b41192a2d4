//! Numbers from outside that no clock and no counter holds: each is a value like any other, or an error that names it.

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::{Ended, Sandbox};

const EXTREMES: [&str; 9] = [
    "8640000000000",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999999",
    "1e300",
    "-9223372036854775808",
    "8210266876799",
    "-8334601228800",
];

fn run(api: &FakeApi, client: &str, endpoint: &str) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(&format!(
        "name: things\nclient: {{base_url: {}, {client}}}\nresources:\n  - {{name: things, primary_key: id, write_disposition: merge, endpoint: {{path: things, {endpoint}}}}}\nlake: {{url: ./lake}}\n",
        api.url()
    ));
    let ended = sandbox.run();
    assert!(!ended.stderr.contains("panic") && ![Some(2), Some(70), Some(130), Some(101)].contains(&ended.code()), "{ended}");
    (sandbox, ended)
}

#[test]
fn a_wait_that_no_clock_holds_is_too_long_and_not_a_panic() {
    for wait in ["8640000000000", "9223372036854775807", "18446744073709551615", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        for status in [429, 503] {
            let api = FakeApi::start().on("/things", move |_| Reply::status(status).header("retry-after", wait));
            let (_, ended) = run(&api, "retry: {max_wait: 1s}", "paginator: single_page");
            ended.failed_with(75, &["asks to wait", "more than the 1s of `max_wait`"]);
        }
    }
}

#[test]
fn a_reset_that_no_clock_holds_ends_the_run_or_tells_nothing() {
    for reset in EXTREMES.iter().chain(&["Fri, 31 Dec 9999 23:59:59 GMT", "+262142-12-31T23:59:59Z", "nan", "inf"]) {
        for name in ["x-ratelimit-reset", "ratelimit-reset-after"] {
            let api = FakeApi::start().on("/things", move |_| {
                let family = name.strip_suffix("-reset").or_else(|| name.strip_suffix("-reset-after")).unwrap();
                Reply::json(r#"[{"id":1}]"#)
                    .header(name, reset)
                    .header(&format!("{family}-remaining"), "5")
                    .header("date", "Sun, 22 Nov 2026 10:00:00 GMT")
            });
            let (_, ended) = run(&api, "retry: {max_wait: 1s}", "paginator: single_page");
            assert_eq!(ended.code(), Some(0), "{name}: {reset}: {ended}");
        }
    }
}

#[test]
fn a_tokens_life_that_no_clock_holds_is_a_life() {
    for life in EXTREMES {
        for life in [life.to_owned(), format!("\"{life}\""), "\"+262142-12-31T23:59:59Z\"".to_owned()] {
            let body = format!(r#"{{"access_token":"t0ken","expires_in":{life}}}"#);
            let api = FakeApi::start().page("/token", body).page("/things", r#"[{"id":1}]"#);
            let auth = format!(
                "auth: {{type: oauth2_client_credentials, access_token_url: \"{}/token\", client_id: me, client_secret: s3cret}}",
                api.url()
            );
            let (_, ended) = run(&api, &auth, "paginator: single_page");
            assert_eq!(ended.code(), Some(0), "{life}: {ended}");
        }
    }
}

#[test]
fn totals_and_cursors_that_nothing_holds_are_told_or_taken() {
    for number in EXTREMES {
        let page = format!(r#"{{"data":[{{"id":1,"at":{number}}}],"total":{number},"pages":{number}}}"#);
        let api = FakeApi::start().on("/things", move |_| Reply::json(page.clone()));
        let places = "data_selector: data";
        run(
            &api,
            "timeout: {page: 5s}",
            &format!("{places}, paginator: {{type: offset, limit: 1, offset: 18446744073709551615, total_path: total}}"),
        );
        run(
            &api,
            "timeout: {page: 5s}",
            &format!("{places}, paginator: {{type: page_number, page: 18446744073709551615, total_path: pages}}"),
        );
        for converted in ["epoch_s", "epoch_ms"] {
            let incremental = format!(
                "{places}, paginator: single_page, incremental: {{cursor_path: at, initial_value: 0, lag: 2d, convert: {converted}, start_param: since}}"
            );
            let (sandbox, first) = run(&api, "timeout: {page: 5s}", &incremental);
            if first.code() == Some(0) {
                let again = sandbox.run();
                assert!(!again.stderr.contains("panic") && again.code() != Some(70), "{number}: {again}");
            }
        }
    }
}

#[test]
fn a_path_that_multiplies_values_ends_with_its_name() {
    let nested = (0..60).fold(r#"{"id":1}"#.to_owned(), |inner, _| format!(r#"{{"a":{inner},"b":1}}"#));
    let page = format!(r#"{{"data":[{{"id":1,"deep":{nested}}}]}}"#);
    let api = FakeApi::start().on("/things", move |_| Reply::json(page.clone()));
    let path = "$..*..*..*..*..*..*";
    let told = format!("`{path}` leads to more values than the document's");
    let (_, ended) = run(&api, "timeout: {page: 60s}", &format!("data_selector: '{path}', paginator: single_page"));
    ended.failed_with(3, &["cannot be searched", &told]);
    let cursor = format!("data_selector: data, paginator: {{type: cursor, cursor_path: '{path}', cursor_param: next}}");
    let (_, ended) = run(&api, "timeout: {page: 60s}", &cursor);
    ended.failed_with(3, &[&told]);
    let of_record = format!(
        "data_selector: data, paginator: single_page, incremental: {{cursor_path: '{path}', start_param: since, initial_value: 1}}"
    );
    let (_, ended) = run(&api, "timeout: {page: 60s}", &of_record);
    ended.failed_with(3, &["more values than its path may find", path]);
}

/// A value within so many objects or lists.
fn nested(levels: usize, open: &str, close: &str) -> String {
    format!("{}1{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn a_table_of_deep_records_opens_on_every_later_night_and_in_every_reader() {
    for (open, close) in [("{\"b\":", "}"), ("[", "]"), ("[{\"b\":", "}]"), ("[[{\"b\":", "}]]")] {
        for (levels, keys) in [(19, ""), (41, ""), (60, ""), (41, "max_table_nesting: 100, "), (60, "max_table_nesting: 1000, ")]
        {
            let levels = if open.len() > 6 { levels / 2 } else { levels };
            let value = nested(levels, open, close);
            let body = format!("[{{\"id\":1,\"a\":{value}}}]");
            let api = FakeApi::start().on("/things", move |_| Reply::json(&*body));
            let config = format!(
                "name: things\nclient: {{base_url: {}}}\nresources:\n  - {{name: things, {keys}primary_key: id, write_disposition: merge, endpoint: {{path: things, paginator: single_page}}}}\nlake: {{url: ./lake}}\n",
                api.url()
            );
            let sandbox = Sandbox::with_config(&config);
            let first = sandbox.run();
            if first.code() != Some(0) {
                first.failed_with(3, &["`a` is nested more than 41 levels deep", "max_table_nesting"]);
                assert!(!keys.is_empty() && sandbox.data_files().is_empty(), "{first}");
                continue;
            }
            for arguments in
                [&["run", "lakeward.yaml", "--strict"][..], &["status", "lakeward.yaml"], &["verify", "lakeward.yaml", "--deep"]]
            {
                let next = sandbox.lakeward(arguments);
                assert_eq!(next.code(), Some(0), "{open} {levels} {keys}: {next}");
            }
            let row = &sandbox.rows("things")[0]["a"];
            // Whatever is text and whatever is not, it is the API's value.
            let told =
                row.to_string().replace("\\", "").replace("\"{", "{").replace("}\"", "}").replace("\"[", "[").replace("]\"", "]");
            assert_eq!(told, value, "{open} {levels} {keys}");
            if keys.is_empty() {
                let name = format!("deep_{}_{levels}", open.replace(|c: char| !c.is_ascii_alphanumeric(), "l"));
                leave_for_readers(&name, &sandbox.lake().join("things"), 1, &[("id", 1)]);
            }
        }
    }
}
