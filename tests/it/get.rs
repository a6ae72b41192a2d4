//! `lakeward get`: the records of one URL as one file, or the first of them for a look.

use std::fs::{self, File};

use arrow_ipc::reader::FileReader;
use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Running, Sandbox};
use crate::support::table::{Row, file_schema, read_file};

/// 250 orders in pages of 100, with a total; the paginator has to be found.
fn orders() -> FakeApi {
    FakeApi::start().on("/v1/orders", |request| {
        let (start, count) = (request.number("offset", 0).min(250), 250);
        let end = (start + 100).min(count);
        let order = |id: u64| {
            json!({
                "id": id,
                "status": if id.is_multiple_of(5) { "open" } else { "paid" },
                "amount": format!("{}.{:02}", id * 7 % 100, id % 100).parse::<f64>().unwrap(),
                "address": {"city": format!("City, {id}"), "zip": null},
                "tags": ["a", "b"],
            })
        };
        let data: Vec<Value> = (start..end).map(order).collect();
        Reply::json(json!({"data": data, "total": count}).to_string())
    })
}

fn get(sandbox: &Sandbox, api: &FakeApi, path: &str, options: &[&str]) -> Ended {
    let url = format!("{}{path}", api.url());
    sandbox.lakeward(&[&["get", &url], options].concat())
}

#[track_caller]
fn ok(ended: &Ended, last: &str) {
    assert_eq!(ended.code(), Some(0), "{ended}");
    let said = ended.stderr.trim_end().lines().last().unwrap_or_default();
    assert!(said.starts_with(last), "{said}\n{ended}");
}

fn parquet(sandbox: &Sandbox, name: &str) -> Vec<Row> {
    read_file(sandbox.path(), &sandbox.path().join(name)).unwrap()
}

fn text(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.path().join(name)).unwrap()
}

/// What is left in the folder besides what is expected there.
fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn a_url_becomes_a_file_of_all_its_rows_and_says_so_in_one_line() {
    let (api, sandbox) = (orders(), Sandbox::new());
    let ended = get(&sandbox, &api, "/v1/orders", &["-o", "orders.parquet"]);
    ok(&ended, "250 rows, 3 pages, all that the API counts → orders.parquet, ");
    assert!(ended.stderr.contains("detected: --records data, from page 1"), "{ended}");
    assert!(ended.stderr.contains("detected: --paginator '{type: offset, "), "{ended}");
    assert_eq!(ended.stdout, "");
    let rows = parquet(&sandbox, "orders.parquet");
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..250).collect::<Vec<_>>());
    assert_eq!(rows[7]["address"], json!({"city": "City, 7", "zip": null}));
    assert_eq!(names(&sandbox), ["orders.parquet"], "nothing else is left");
}

#[test]
fn a_file_is_replaced_as_a_whole_and_never_appended_to() {
    let (api, sandbox) = (orders(), Sandbox::new());
    sandbox.write("orders.csv", "old\n");
    for _ in 0..2 {
        ok(&get(&sandbox, &api, "/v1/orders", &["-o", "orders.csv", "--select", "id"]), "250 rows");
        assert_eq!(text(&sandbox, "orders.csv").lines().count(), 251);
    }
    assert_eq!(names(&sandbox), ["orders.csv"]);
}

#[test]
fn csv_has_a_column_for_each_member_of_an_object_or_its_json_text() {
    let (api, sandbox) = (orders(), Sandbox::new());
    ok(
        &get(&sandbox, &api, "/v1/orders", &["-o", "flat.csv", "--limit", "2"]),
        "2 rows, 1 page, as many as --limit asks for → flat.csv",
    );
    assert_eq!(
        text(&sandbox, "flat.csv"),
        "id,status,amount,address.city,address.zip,tags\n0,open,0.0,\"City, 0\",,\"[\"\"a\"\",\"\"b\"\"]\"\n1,paid,7.01,\"City, 1\",,\"[\"\"a\"\",\"\"b\"\"]\"\n"
    );
    ok(
        &get(&sandbox, &api, "/v1/orders", &["-o", "json.csv", "--limit", "1", "--nested", "json", "--select", "address"]),
        "1 row",
    );
    assert_eq!(text(&sandbox, "json.csv"), "address\n\"{\"\"city\"\":\"\"City, 0\"\",\"\"zip\"\":null}\"\n");
}

#[test]
fn ndjson_and_arrow_have_the_same_rows_as_parquet() {
    let (api, sandbox) = (orders(), Sandbox::new());
    for file in ["o.ndjson", "o.jsonl", "o.arrow", "o.feather", "o.parquet"] {
        ok(&get(&sandbox, &api, "/v1/orders", &["-o", file]), "250 rows");
    }
    let lines: Vec<Value> = text(&sandbox, "o.ndjson").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[249]["address"]["city"], "City, 249");
    assert_eq!(text(&sandbox, "o.ndjson"), text(&sandbox, "o.jsonl"));
    let batches: Vec<_> = FileReader::try_new(File::open(sandbox.path().join("o.arrow")).unwrap(), None).unwrap().collect();
    let rows: usize = batches.iter().map(|batch| batch.as_ref().unwrap().num_rows()).sum();
    assert_eq!((rows, lines.len(), parquet(&sandbox, "o.parquet").len()), (250, 250, 250));
}

#[test]
fn without_a_file_ten_rows_and_the_columns_are_shown_and_few_pages_are_read() {
    let (api, sandbox) = (orders(), Sandbox::new());
    let ended = get(&sandbox, &api, "/v1/orders", &[]);
    ok(&ended, "10 of 200 rows on 2 pages shown, and there are more; `-o FILE` reads them all");
    for shown in ["City, 9", "columns:", "  id: int64", "  address: struct {city: text, zip: unknown}", "  tags: list of text"] {
        assert!(ended.stdout.contains(shown), "`{shown}`\n{ended}");
    }
    assert!(!ended.stdout.contains("City, 10"), "{ended}");
    assert!(ended.stderr.contains("detected: --paginator"), "{ended}");
    assert_eq!(api.requests().len(), 2);
    assert!(names(&sandbox).is_empty());
}

#[test]
fn stdout_has_the_data_alone() {
    let (api, sandbox) = (orders(), Sandbox::new());
    let ended = get(&sandbox, &api, "/v1/orders", &["-o", "-", "--format", "ndjson", "--select", "id", "--limit", "3"]);
    ok(&ended, "3 rows, 1 page, as many as --limit asks for → stdout");
    assert_eq!(ended.stdout, "{\"id\":0}\n{\"id\":1}\n{\"id\":2}\n");
    let ended = get(&sandbox, &api, "/v1/orders", &["--format", "csv", "--select", "id", "--limit", "1"]);
    assert_eq!(ended.stdout, "id\n0\n");
}

#[test]
fn a_limit_asks_for_no_page_behind_it() {
    let (api, sandbox) = (orders(), Sandbox::new());
    ok(&get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--limit", "10"]), "10 rows, 1 page, as many as --limit asks for");
    assert_eq!(api.requests().len(), 1);
    ok(&get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--limit", "150"]), "150 rows, 2 pages, as many as --limit asks for");
    assert_eq!((api.requests().len(), text(&sandbox, "a.csv").lines().count()), (3, 151));
    // What is there counts, where the limit is past it.
    ok(&get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--limit", "1000"]), "250 rows, 3 pages, all that the API counts");
    // The rows of an only page are cut, too.
    let api = FakeApi::start().page("/all", r#"[{"id":1},{"id":2},{"id":3}]"#);
    ok(&get(&sandbox, &api, "/all", &["-o", "a.csv", "--limit", "2"]), "2 rows, 1 page, as many as --limit asks for");
    assert_eq!(text(&sandbox, "a.csv"), "id\n1\n2\n");
}

#[test]
fn a_limit_counts_the_rows_that_a_filter_leaves() {
    let (api, sandbox) = (orders(), Sandbox::new());
    let ended =
        get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--where", "status == \"open\"", "--select", "id", "--limit", "25"]);
    ok(&ended, "25 rows of 200 records (160 left out by --where), 2 pages, as many as --limit asks for");
    let expected: String = (0..25).map(|n| format!("{}\n", n * 5)).collect();
    assert_eq!(text(&sandbox, "a.csv"), format!("id\n{expected}"));
}

#[test]
fn members_are_selected_in_their_order_and_records_by_an_expression() {
    let (api, sandbox) = (orders(), Sandbox::new());
    let select = ["--select", "address.city,id", "--where", "amount > 90 and status == 'paid'"];
    let ended = get(&sandbox, &api, "/v1/orders", &[&select[..], &["-o", "a.csv"]].concat());
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(text(&sandbox, "a.csv").starts_with("address.city,id\n\"City, 13\",13\n"), "{}", text(&sandbox, "a.csv"));
    ok(&get(&sandbox, &api, "/v1/orders", &[&select[..], &["-o", "a.parquet"]].concat()), "");
    let schema = file_schema(&sandbox.path().join("a.parquet"));
    assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["address", "id"]);
}

#[test]
fn rows_are_sorted_as_a_whole() {
    let (api, sandbox) = (orders(), Sandbox::new());
    ok(
        &get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--sort", "-status,amount", "--select", "id,status,amount"]),
        "250 rows",
    );
    let file = text(&sandbox, "a.csv");
    let rows: Vec<(String, f64)> = file
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|fields| (fields[1].to_owned(), fields[2].parse().unwrap()))
        .collect();
    let is_sorted = rows.is_sorted_by(|a, b| if a.0 == b.0 { a.1 <= b.1 } else { a.0 > b.0 });
    assert!(is_sorted && rows.len() == 250, "{file}");
}

#[test]
fn a_key_comes_once_with_its_last_record() {
    let api = FakeApi::start().page("/all", r#"[{"id":1,"v":"old"},{"id":2,"v":"x"},{"id":1,"v":"new"}]"#);
    let sandbox = Sandbox::new();
    let ended = get(&sandbox, &api, "/all", &["-o", "a.csv", "--key", "id", "--sort", "id"]);
    ok(&ended, "2 rows, 1 record with a key that came again, 1 page, the only page");
    assert_eq!(text(&sandbox, "a.csv"), "id,v\n1,new\n2,x\n");
}

#[test]
fn parameters_headers_and_credentials_are_sent_with_every_page() {
    let api = orders();
    let sandbox = Sandbox::new().env("TOKEN", "t0k3n-from-the-environment");
    sandbox.write("secret.txt", "s3cr3t-from-a-file\n");
    let options = [
        "-o",
        "a.csv",
        "--auth",
        "bearer:env:TOKEN",
        "-H",
        "X-Key: file:secret.txt",
        "-H",
        "X-Plain: 1",
        "--param",
        "since=-30d",
        "--param",
        "q=a {b} ${c}",
    ];
    ok(&get(&sandbox, &api, "/v1/orders?state=x&state=y", &options), "250 rows");
    for request in api.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer t0k3n-from-the-environment"));
        assert_eq!((request.header("x-key"), request.header("x-plain")), (Some("s3cr3t-from-a-file"), Some("1")));
        assert_eq!(request.param("q"), Some("a {b} ${c}"));
        let states: Vec<&str> =
            request.query.iter().filter(|(name, _)| name == "state").map(|(_, value)| value.as_str()).collect();
        assert_eq!(states, ["x", "y"]);
        let since = request.param("since").unwrap();
        assert!(since.len() == 10 && since.starts_with("20"), "{since}");
    }
}

#[test]
fn each_kind_of_credential_goes_where_it_says() {
    let api = orders();
    let sandbox = Sandbox::new();
    for auth in ["basic:me:p4ss:w0rd", "query:api_key=k3y-of-mine", "header:X-Api-Key=k3y-of-mine"] {
        ok(&get(&sandbox, &api, "/v1/orders", &["-o", "a.csv", "--limit", "1", "--auth", auth]), "1 row");
    }
    let requests = api.requests();
    assert_eq!(requests[0].header("authorization"), Some("Basic bWU6cDRzczp3MHJk"));
    assert_eq!(requests[1].param("api_key"), Some("k3y-of-mine"));
    assert_eq!(requests[2].header("x-api-key"), Some("k3y-of-mine"));
}

#[test]
fn json_is_posted_and_its_braces_are_its_own() {
    let api = FakeApi::start().on("/search", |request: &Request| {
        let sent: Value = serde_json::from_str(&request.body).unwrap();
        Reply::json(json!({"items": [{"method": request.method, "sent": sent["q"]}]}).to_string())
    });
    let sandbox = Sandbox::new();
    sandbox.write("body.json", r#"{"q": "{braces} ${DOLLARS}", "n": [1, 2.5, null, true]}"#);
    ok(&get(&sandbox, &api, "/search", &["-o", "a.ndjson", "--json", "@body.json"]), "1 row");
    assert_eq!(text(&sandbox, "a.ndjson"), "{\"method\":\"POST\",\"sent\":\"{braces} ${DOLLARS}\"}\n");
}

#[test]
fn a_curl_command_is_taken_as_it_is_pasted() {
    let api = orders();
    let sandbox = Sandbox::new().env("KEY", "k3y-of-the-shell");
    let command = format!("curl -sS '{}/v1/orders?state=x' \\\n  -H \"X-Api-Key: $KEY\" --compressed | jq .", api.url());
    let ended = sandbox.lakeward(&["get", "--from-curl", &command, "--param", "more=1", "-o", "a.csv"]);
    ok(&ended, "250 rows");
    assert!(ended.stderr.contains("warning: what stands behind the curl command"), "{ended}");
    let request = &api.requests()[0];
    assert_eq!((request.param("state"), request.param("more")), (Some("x"), Some("1")));
    assert_eq!(request.header("x-api-key"), Some("k3y-of-the-shell"));
    sandbox.write("command.sh", &command);
    ok(&sandbox.lakeward(&["get", "--from-curl", "@command.sh", "-o", "a.csv"]), "250 rows");
}

#[test]
fn the_config_of_an_export_runs_and_loads_the_same_rows() {
    let api = orders();
    let sandbox = Sandbox::new();
    let options = [
        "-o",
        "a.csv",
        "--auth",
        "header:X-Api-Key=k3y-of-mine",
        "--where",
        "status == 'paid'",
        "--select",
        "id,status",
        "--key",
        "id",
        "--save",
        "orders.yaml",
    ];
    let ended = get(&sandbox, &api, "/v1/orders", &options);
    ok(&ended, "200 rows of 250 records (50 left out by --where), 3 pages");
    assert!(ended.stderr.contains("saved: orders.yaml; next: lakeward run orders.yaml"), "{ended}");
    let config = text(&sandbox, "orders.yaml");
    assert!(config.contains("#   ORDERS_X_API_KEY\n") && config.contains("${ORDERS_X_API_KEY}"), "{config}");
    assert!(config.contains("data_selector: data") && config.contains("type: offset"), "what was detected is in it: {config}");
    assert!(!config.contains("k3y-of-mine"), "{config}");
    let sandbox = sandbox.env("ORDERS_X_API_KEY", "k3y-of-mine");
    let ended = sandbox.lakeward(&["run", "orders.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(sandbox.rows("orders").len(), 200);
    // A config that was worked on is not replaced, and nothing is asked for then.
    let before = api.requests().len();
    get(&sandbox, &api, "/v1/orders", &options).failed_with(2, &["--save: `orders.yaml` is there already"]);
    assert_eq!(api.requests().len(), before);
}

#[test]
fn what_no_total_speaks_for_is_told_with_how_it_ended() {
    let api = FakeApi::start().page("/all", r#"{"items": [{"id": 1}, {"id": 2}]}"#);
    let sandbox = Sandbox::new();
    ok(&get(&sandbox, &api, "/all", &["-o", "a.parquet"]), "2 rows, 1 page, the only page → a.parquet");
    let api = FakeApi::start().page("/none", r#"{"items": []}"#);
    ok(&get(&sandbox, &api, "/none", &["-o", "a.ndjson"]), "0 rows, 1 page");
    assert_eq!(text(&sandbox, "a.ndjson"), "");
    let ended = get(&sandbox, &api, "/none", &["-o", "a.parquet"]);
    ended.failed_with(3, &["no record came", "hint: `-o FILE.ndjson`"]);
    assert_eq!(parquet(&sandbox, "a.parquet").len(), 2, "the file is as it was");
}

/// Peak memory in kB of an export of so many pages of 600 kB.
fn peak(pages: u64) -> u64 {
    let rows = pages * 1000;
    let api = FakeApi::start().on("/rows", move |request| {
        let start = request.number("offset", 0).min(rows);
        let records: Vec<String> =
            (start..(start + 1000).min(rows)).map(|id| format!(r#"{{"id":{id},"text":"{}"}}"#, "x".repeat(600))).collect();
        Reply::json(format!(r#"{{"data":[{}],"total":{rows}}}"#, records.join(",")))
    });
    let sandbox = Sandbox::new();
    let url = format!("{}/rows", api.url());
    let running = Running::spawn(&mut sandbox.command(&["get", &url, "-o", "a.csv"]));
    let mut peak = 0;
    // A process that has ended has no memory to tell of.
    while let Some(line) = fs::read_to_string(format!("/proc/{}/status", running.pid()))
        .ok()
        .and_then(|facts| facts.lines().find(|line| line.starts_with("VmHWM:")).map(str::to_owned))
    {
        peak = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        std::thread::yield_now();
    }
    ok(&running.end(), &format!("{},000 rows, ", pages));
    assert_eq!(text(&sandbox, "a.csv").lines().count() as u64, rows + 1);
    peak
}

#[test]
fn many_pages_need_no_more_memory_than_few() {
    let (few, many) = (peak(60), peak(200));
    assert!(many < few + 30_000, "{few} kB and {many} kB");
}
