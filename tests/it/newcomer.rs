//! Mistakes of a first config: each message says what to write, names no secret, and stands alone.

use serde_json::json;

use crate::support::billing::{answer, things, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

const CONFIG: &str = "\
name: shop
client: {base_url: 'http://127.0.0.1:1', paginator: single_page}
lake: {url: ./lake}
resources:
  - {name: customers, endpoint: customers}
  - name: orders
    include_from_parent: [id]
    endpoint: {path: 'customers/{resources.customers.id}/orders'}
";

/// What `check` says of the config with one part replaced; it must refuse it.
#[track_caller]
fn refused(old: &str, new: &str, value: Option<&str>) -> Ended {
    assert!(CONFIG.contains(old), "{old}");
    let sandbox = Sandbox::with_config(&CONFIG.replace(old, new));
    let sandbox = if let Some(value) = value { sandbox.env("SHOP_URL", value) } else { sandbox };
    let ended = sandbox.lakeward(&["check", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(2), "{ended}");
    ended
}

/// The one fault that it names has `words`.
#[track_caller]
fn check(old: &str, new: &str, words: &str) {
    let ended = refused(old, new, None);
    let faults: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("lakeward.yaml:")).collect();
    assert!(faults.len() == 1 && faults[0].contains(words), "{words}: {ended}");
}

#[test]
fn a_variable_that_holds_no_url_is_named_without_its_value() {
    for (written, value) in
        [("'${SHOP_URL}'", "127.0.0.1:5868"), ("'${SHOP_URL}/v1'", "shop.example:5868"), ("'${SHOP_URL}'", "localhost:80")]
    {
        let ended = refused("'http://127.0.0.1:1'", written, Some(value));
        assert!(ended.stderr.contains("the value of `SHOP_URL` does not begin with `http://` or `https://`"), "{ended}");
        assert!(!ended.stderr.contains(value), "{ended}");
    }
    let ended = refused("paginator: single_page", "paginator: {type: offset, limit: '${SHOP_URL}'}", Some("a lot"));
    assert!(ended.stderr.contains("found the value of `SHOP_URL`") && !ended.stderr.contains("a lot"), "{ended}");
}

#[test]
fn a_placeholder_without_its_quotes_and_a_tab_are_told_at_their_line() {
    let bare = "path: customers/{resources.customers.id}/orders";
    check("path: 'customers/{resources.customers.id}/orders'", bare, "put a text with a placeholder in quotes");
    let since = "path: orders/{incremental.start_value}/x";
    check("path: 'customers/{resources.customers.id}/orders'", since, "put a text with a placeholder in quotes");
    check("    include_from_parent", "\tinclude_from_parent", "lakeward.yaml:7:1");
    check("    include_from_parent", "  \tinclude_from_parent", "indented with a tab: write spaces");
}

#[test]
fn a_misspelt_placeholder_is_one_fault_with_what_was_meant() {
    let meant = "did you mean `{resources.customers.id}`?";
    check("resources.customers.id", "customers.id", meant);
    check("resources.customers.id", "customer.id", meant);
    check("resources.customers.id", "resource.customers.id", meant);
    check("resources.customers.id", "resorces.custmers.id", meant);
    check("resources.customers.id", "resources.custmers.id", "did you mean `customers`?");
    check("resources.customers.id", "id", "write `{resources.NAME.id}` for a value of another resource");
    check("'customers/{resources.customers.id}/orders'", "orders, params: {of: '{customers.id}'}", meant);
}

#[test]
fn a_refused_api_key_is_told_with_where_it_was_sent() {
    let api = things(|_| Reply::status(401));
    for (auth, words) in [
        ("", "it was sent as the header `Authorization`"),
        (", name: X-Key", "it was sent as the header `X-Key`"),
        (", name: key, location: query", "it was sent as the query parameter `key`"),
    ] {
        let config = format!(
            "name: p\nclient: {{base_url: {}, auth: {{type: api_key, api_key: '${{KEY}}'{auth}}}}}\nlake: {{url: ./lake}}\nresources: [things]\n",
            api.url()
        );
        let sandbox = Sandbox::with_config(&config).env("KEY", "k-7Qx2-s3cret");
        let ended = sandbox.run();
        ended.failed_with(4, &["look at `client.auth.api_key`", words]);
        assert!(!ended.stderr.contains("k-7Qx2"), "{ended}");
    }
}

#[test]
fn a_refused_token_or_password_is_told_with_what_it_was_sent_as() {
    let api = things(|_| Reply::status(401));
    for (auth, words) in [
        (
            "type: bearer, token: '${KEY}'",
            ["it was sent as `Authorization: Bearer …`", "`auth: {type: api_key, name: NAME, location: header}`"],
        ),
        ("type: http_basic, username: me, password: '${KEY}'", ["look at `client.auth.password`", "as `Authorization: Basic …`"]),
    ] {
        let config = format!(
            "name: p\nclient: {{base_url: {}, auth: {{{auth}}}}}\nlake: {{url: ./lake}}\nresources: [things]\n",
            api.url()
        );
        let ended = Sandbox::with_config(&config).env("KEY", "k-7Qx2-s3cret").run();
        ended.failed_with(4, &words);
        assert!(!ended.stderr.contains("k-7Qx2"), "{ended}");
    }
}

#[test]
fn a_cloud_whose_store_cannot_hold_a_lake_is_refused_with_the_reason() {
    for url in ["gs://bucket/x", "gcs://bucket", "az://container/x", "abfss://container@account.dfs.core.windows.net/x"] {
        check("./lake", url, "so that");
    }
    check("./lake", "hdfs://host/x", "expected a folder");
}

#[test]
fn a_data_selector_that_leads_to_an_object_is_told_with_the_lists_of_the_page() {
    let api = things(|_| answer(&json!({"meta": {"total": 2}, "data": [{"id": 1}, {"id": 2}]})));
    for steps in ["", "processing_steps: [{drop: [total]}]\n"] {
        let keys = format!("primary_key: id\nwrite_disposition: merge\n{steps}");
        let endpoint = format!("endpoint: {{path: /things, data_selector: meta, paginator: single_page}}\n{keys}");
        let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
        let words = "`data_selector` leads to one object, and the page has a list at `data`: is that the records?";
        sandbox.run().failed_with(3, &[words]);
        sandbox.lakeward(&["check", "lakeward.yaml", "--online"]).failed_with(3, &[words]);
    }
}

#[test]
fn a_variable_without_its_braces_and_a_home_that_nobody_fills_in_are_refused_with_the_right_form() {
    let url = "'http://127.0.0.1:1'";
    let header = |value: &str| format!("'http://127.0.0.1:1', headers: {{X-Key: '{value}'}}");
    for (written, name) in [
        (header("$SHOP_URL"), "write `${SHOP_URL}` in place of `$SHOP_URL`"),
        (header("Bearer $SHOP_URL"), "write `${SHOP_URL}` in place of `$SHOP_URL`"),
        (header("$NO_SUCH_KEY"), "write `${NAME}` in place of `$NAME`"),
    ] {
        let ended = refused(url, &written, Some("sh0p-s3cret"));
        assert!(ended.stderr.contains(name) && !ended.stderr.contains("sh0p-s3cret"), "{ended}");
    }
    for written in ["${DOLLAR:-$}SHOP_URL", "$top", "a$1", "$", "pa$$WORD", "$${SHOP_URL}", "costs $SOME_OTHER money"] {
        let sandbox = Sandbox::with_config(&CONFIG.replace(url, &header(written))).env("SHOP_URL", "x");
        let ended = sandbox.lakeward(&["check", "lakeward.yaml"]);
        assert_eq!(ended.code(), Some(0), "{written}: {ended}");
    }
    let home = "shells alone";
    check("include_from_parent: [id]", "schema: ~/orders.json", home);
    check(url, &header("${file:~/key}"), home);
    check("./lake", "~/lake", home);
    let auth = "'http://127.0.0.1:1', auth: {type: oauth2_refresh_token, access_token_url: 'http://127.0.0.1:1/t', client_id: a, \
                refresh_token: b, token_file: ~/t}";
    check(url, auth, home);
}

#[test]
fn what_others_call_a_key_is_told_as_what_it_is_called_here() {
    let endpoint = "'customers/{resources.customers.id}/orders'";
    for (key, meant) in [
        ("records_path: data", "did you mean `data_selector`?"),
        ("dataselector: data", "did you mean `data_selector`?"),
        ("pagination: auto", "did you mean `paginator`?"),
        ("query: {a: 1}", "did you mean `params`?"),
        ("body: {a: 1}", "did you mean `json`?"),
        ("verb: POST", "did you mean `method`?"),
    ] {
        check(endpoint, &format!("{endpoint}, {key}"), meant);
    }
    check("include_from_parent: [id]", "records_path: data", "write it as `endpoint.data_selector`");
    check("include_from_parent: [id]", "key: id", "did you mean `primary_key`?");
    check("include_from_parent: [id]", "mode: merge", "did you mean `write_disposition`?");
    check("client: {base_url:", "client: {url:", "did you mean `base_url`?");
    check("lake: {url:", "lake: {path:", "did you mean `url`?");
    check("lake: {url:", "destination: {url:", "did you mean `lake`?");
}

#[test]
fn a_config_under_another_name_and_several_resources_at_once_are_understood() {
    let api = FakeApi::start().page("/a", r#"[{"id": 1}]"#).page("/b", r#"[{"id": 1}]"#).page("/c", r#"[{"id": 1}]"#);
    let text = format!(
        "name: p\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources: [a, b, c]\n",
        api.url()
    );
    let sandbox = Sandbox::new();
    sandbox.write("etc/shop.yaml", &text);
    for (typed, meant) in [("etc/shop.yml", "etc/shop.yaml"), ("etc/shop", "etc/shop.yaml"), ("etc/shp.yaml", "etc/shop.yaml")] {
        for command in ["run", "status"] {
            sandbox.lakeward(&[command, typed]).failed_with(2, &[&format!("did you mean `{meant}`?")]);
        }
    }
    let none = sandbox.lakeward(&["run", "etc/billing.yaml"]);
    assert!(none.code() == Some(2) && !none.stderr.contains("did you mean"), "{none}");
    sandbox.lakeward(&["run", "etc"]).failed_with(2, &["it is a folder"]);
    let ended = sandbox.lakeward(&["run", "etc/shop.yaml", "--resource", "a,b"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let tables = ended.summary()["tables"].clone();
    assert_eq!(tables.as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b"]);
    sandbox.lakeward(&["run", "etc/shop.yaml", "--resource", "a,d"]).failed_with(2, &["`d`"]);
}

/// A run of `/things`, of which nothing but `more` is declared, answered with `body` as `content_type`.
fn undeclared(content_type: &'static str, body: &str, more: &str) -> (Sandbox, Ended) {
    let body = body.to_owned();
    let api = things(move |_| Reply::json(body.clone()).header("content-type", content_type));
    let text = format!(
        "name: p\nclient: {{base_url: {}}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: things, write_disposition: replace, {more}endpoint: {{path: /things, paginator: single_page}}}}\n",
        api.url()
    );
    let sandbox = Sandbox::with_config(&text);
    let ended = sandbox.run();
    (sandbox, ended)
}

#[test]
fn what_the_content_type_says_is_believed_where_no_format_is_declared_and_the_body_does_not_contradict() {
    let rows = |content_type: &'static str, body: &str, more: &str, rows: usize| {
        let (sandbox, ended) = undeclared(content_type, body, more);
        assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), rows), "{content_type} {body}: {ended}");
        sandbox
    };
    for lines in ["application/x-ndjson", "application/jsonl; charset=utf-8"] {
        rows(lines, "{\"id\": 1}\n{\"id\": 2}\n", "", 2);
        rows(lines, "{\"id\": 1, \"tags\": [1]}\n", "primary_key: id, columns: {id: {data_type: bigint}}, ", 1);
        rows(lines, "", "", 0);
        // JSON under another name.
        rows(lines, "[{\"id\": 1}, {\"id\": 2}]", "", 2);
        rows(lines, "{\"data\": [{\"id\": 1}, {\"id\": 2}]}\n", "", 2);
        rows(lines, "{\n\"data\": [{\"id\": 1}, {\"id\": 2}]\n}\n", "", 2);
    }
    let table = rows("text/csv; charset=utf-8", "id,name\n1,Ada\n2,Bob\n", "primary_key: id, ", 2);
    assert_eq!(table.rows("things")[0]["name"].as_str(), Some("Ada"));
    rows("text/tab-separated-values", "id\tname\n1\tAda\n", "", 1);
    rows("text/csv", "[{\"id\": 1}]", "", 1);
    // Texts that would have to be numbers.
    let (_, ended) = undeclared("text/csv", "id,name\n1,Ada\n", "columns: {id: {data_type: bigint}}, ");
    ended.failed_with(3, &["is CSV by its `Content-Type`", "write `endpoint.response_format: csv`"]);
}

#[test]
fn a_body_that_is_no_json_is_told_with_the_key_that_reads_it() {
    for (body, words) in [
        ("[{\"id\": 1, \"price\": NaN}]", ["found `NaN` or `Infinity`", "`endpoint.response_format: {json: lenient}`"]),
        ("[{\"id\": 1, \"price\": -Infinity}]", ["found `NaN` or `Infinity`", "`endpoint.response_format: {json: lenient}`"]),
        ("{\"id\": 1}\n{\"id\": 2}\n", ["one JSON value behind another", "`endpoint.response_format: ndjson`"]),
        ("id,name\n1,Ada\n", ["what looks like CSV", "`endpoint.response_format: csv`"]),
    ] {
        let (_, ended) = undeclared("application/json", body, "");
        ended.failed_with(3, &words);
    }
}
