//! `init` and `probe`: APIs of known properties are asked a dozen requests at most; what is chosen is counted against what they are.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

/// How an API gives its pages.
#[derive(Clone, Copy)]
enum Pages {
    /// `offset` and `limit`, told back or not.
    Offset { offset: &'static str, limit: &'static str, is_told: bool },
    /// A number from 1 on.
    Number { page: &'static str, size: &'static str, is_told: bool },
    /// A token.
    Cursor { param: &'static str },
    /// A URL in the body, under this name.
    Link { name: &'static str },
    /// RFC 8288.
    Header,
    /// All at once.
    One,
}

/// A start that the API heeds.
#[derive(Clone, Copy)]
struct Since {
    param: &'static str,
    column: &'static str,
    is_open: bool,
}

/// An API of known properties.
#[derive(Clone)]
struct Api {
    name: &'static str,
    records: u64,
    /// Records a page, unless asked for more, and the most.
    size: (u64, u64),
    pages: Pages,
    /// Where the records are.
    at: Option<&'static str>,
    /// Where they are counted.
    total: Option<&'static str>,
    since: Option<Since>,
    /// The record of this number, the `nth` of the answer.
    record: fn(u64, u64) -> Value,
    /// Refuses what it does not know.
    is_strict: bool,
    written: Written,
}

#[derive(Clone, Copy, PartialEq)]
enum Written {
    Json,
    Lines,
    Csv,
}

/// What is true of it.
#[derive(Default)]
struct Truth {
    paginator: Option<&'static str>,
    key: Option<&'static str>,
    cursor: Option<&'static str>,
    size: Option<&'static str>,
}

fn at(day: u64, second: u64) -> String {
    format!("2026-{:02}-{:02}T{:02}:{:02}:{:02}Z", 9 + day / 28, day % 28 + 1, second / 3600 % 24, second / 60 % 60, second % 60)
}

/// Made in order, and changed in another one.
fn plain(id: u64, _: u64) -> Value {
    json!({"id": id, "name": format!("n{}", id % 7), "created_at": at(id / 10, id), "updated_at": at((id * 7) % 50, id), "amount": id as f64 / 4.0})
}

impl Api {
    fn new(name: &'static str, pages: Pages) -> Self {
        let since = None;
        Self {
            name,
            records: 75,
            size: (20, 50),
            pages,
            at: Some("data"),
            total: Some("total"),
            since,
            record: plain,
            is_strict: false,
            written: Written::Json,
        }
    }

    fn knows(&self, name: &str) -> bool {
        let is_of_pages = match self.pages {
            Pages::Offset { offset, limit, .. } => name == offset || name == limit,
            Pages::Number { page, size, .. } => name == page || name == size,
            Pages::Cursor { param } => name == param,
            Pages::Link { .. } | Pages::Header => name == "after",
            Pages::One => false,
        };
        is_of_pages || self.since.is_some_and(|since| name == since.param)
    }

    /// The numbers of the records that a start leaves.
    fn left(&self, request: &Request) -> Vec<u64> {
        let start = self.since.and_then(|since| Some((since, request.param(since.param)?)));
        let is_left = |id: &u64| {
            let Some((since, start)) = start else { return true };
            let (less, equal) = match &(self.record)(*id, *id)[since.column] {
                Value::String(text) => (text.as_str() < start, text == start),
                number => (number.as_u64() < start.parse().ok(), number.as_u64() == start.parse().ok()),
            };
            !(less || since.is_open && equal)
        };
        (1..=self.records).filter(is_left).collect()
    }

    /// Where a page begins, and how many records it has at most.
    fn place(&self, request: &Request) -> (u64, u64) {
        let (default, most) = self.size;
        let wanted = |name: &str| request.number(name, default).clamp(1, most);
        match self.pages {
            Pages::Offset { offset, limit, .. } => (request.number(offset, 0), wanted(limit)),
            Pages::Number { page, size, .. } => ((request.number(page, 1).max(1) - 1) * wanted(size), wanted(size)),
            Pages::Cursor { param } => {
                (request.param(param).and_then(|text| text.strip_prefix('c')?.parse().ok()).unwrap_or(0), default)
            }
            Pages::Link { .. } | Pages::Header => (request.number("after", 0), default),
            Pages::One => (0, self.records),
        }
    }

    /// What stands around the records.
    fn around(&self, request: &Request, (from, size, total): (u64, u64, u64)) -> Map<String, Value> {
        let (is_last, next) = (from + size >= total, from + size);
        let more = |value: Value| if is_last { Value::Null } else { value };
        let around = match self.pages {
            Pages::Offset { offset, limit, is_told: true } => Some(("meta", json!({offset: from, limit: size}))),
            Pages::Number { page, size: name, is_told: true } => {
                Some(("meta", json!({page: from / size + 1, name: size, "total_pages": total.div_ceil(size)})))
            }
            Pages::Cursor { .. } => Some(("next_cursor", more(json!(format!("c{next}"))))),
            Pages::Link { name } => {
                let others = request.query.iter().filter(|(name, _)| name != "after");
                let query: Vec<String> = others.map(|(name, value)| format!("{name}={value}&")).collect();
                let host = request.header("host").unwrap_or_default();
                Some((name, more(json!(format!("http://{host}{}?{}after={next}", request.path, query.concat())))))
            }
            _ => None,
        };
        let total = self.total.map(|at| (at, json!(total)));
        around.into_iter().chain(total).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn answer(&self, request: &Request) -> Reply {
        if let Some((name, _)) = request.query.iter().find(|(name, _)| self.is_strict && !self.knows(name)) {
            return Reply::status(400).body(format!(r#"{{"message": "unknown parameter {name}"}}"#));
        }
        let (left, (from, size)) = (self.left(request), self.place(request));
        let (total, next) = (left.len() as u64, from + size);
        let numbered = left.iter().skip(from as usize).take(size as usize).enumerate();
        let page: Vec<Value> = numbered.map(|(nth, id)| (self.record)(*id, nth as u64 + 1)).collect();
        let reply = match (self.written, self.at) {
            (Written::Lines, _) => {
                let lines: String = page.iter().map(|record| format!("{record}\n")).collect();
                Reply::json(lines).header("content-type", "application/x-ndjson")
            }
            (Written::Csv, _) => {
                let row = |record: &Value| format!("{},{}\n", record["id"], record["name"].as_str().unwrap_or_default());
                let rows: String = page.iter().map(row).collect();
                Reply::json(format!("id,name\n{rows}")).header("content-type", "text/csv")
            }
            (_, None) => answer(&Value::Array(page)),
            (_, Some(path)) => {
                let mut around = self.around(request, (from, size, total));
                let (first, inner) = path.split_once('.').unwrap_or((path, ""));
                let records = Value::Array(page);
                around.insert(first.to_owned(), if inner.is_empty() { records } else { json!({inner: records}) });
                answer(&Value::Object(around))
            }
        };
        let link = format!("<http://{}{}?after={next}>; rel=\"next\"", request.header("host").unwrap_or_default(), request.path);
        if matches!(self.pages, Pages::Header) && next < total { reply.header("link", &link) } else { reply }
    }

    fn start(self) -> FakeApi {
        FakeApi::start().on("/v1/things", move |request| self.answer(request))
    }
}

const OFFSET: Pages = Pages::Offset { offset: "offset", limit: "limit", is_told: true };
const NUMBER: Pages = Pages::Number { page: "page", size: "per_page", is_told: true };
const UPDATED: Since = Since { param: "updated_since", column: "updated_at", is_open: false };

/// Ids of every kind that are none.
static ASKED: AtomicU64 = AtomicU64::new(0);

fn unstable(id: u64, _: u64) -> Value {
    json!({"id": format!("r{}", ASKED.fetch_add(1, Ordering::Relaxed)), "thing_code": format!("T-{id}"), "name": format!("n{id}")})
}

fn numbered(id: u64, nth: u64) -> Value {
    json!({"id": nth, "uuid": format!("u-{id:04}"), "name": format!("n{id}"), "updated_at": at((id * 7) % 50, id)})
}

fn lines(id: u64, _: u64) -> Value {
    json!({"order_id": id / 3, "line": id % 3, "customer_id": id % 11, "at": at(id, id)})
}

fn sparse(id: u64, _: u64) -> Value {
    json!({"id": if id.is_multiple_of(9) { Value::Null } else { json!(id) }, "name": format!("n{}", id % 5)})
}

fn epochs(id: u64, _: u64) -> Value {
    json!({"id": id, "modified_time": 1_790_000_000 + (id * 37) % 1000, "created_time": 1_780_000_000 + id})
}

fn created(id: u64, _: u64) -> Value {
    json!({"id": id, "created_at": at(id, id), "kind": id % 3})
}

fn small(id: u64, _: u64) -> Value {
    json!({"id": id, "name": format!("n{}", id % 3)})
}

fn truth(
    paginator: Option<&'static str>,
    key: Option<&'static str>,
    cursor: Option<&'static str>,
    size: Option<&'static str>,
) -> Truth {
    Truth { paginator, key, cursor, size }
}

fn with(mut api: Api, change: fn(&mut Api)) -> Api {
    change(&mut api);
    api
}

fn since(mut api: Api, param: &'static str, column: &'static str, is_open: bool) -> Api {
    api.since = Some(Since { param, column, is_open });
    api
}

const ID: Option<&str> = Some("id");
const LIMIT: Option<&str> = Some("limit=50");
const PER_PAGE: Option<&str> = Some("per_page=50");

/// Paginators of each kind, told and not.
fn paged() -> Vec<(Api, Truth)> {
    let api = Api::new;
    let bare: fn(&mut Api) = |api| (api.at, api.total) = (None, None);
    let untold = |size| Pages::Number { page: "page", size, is_told: false };
    let by_offset = Pages::Offset { offset: "offset", limit: "limit", is_told: false };
    let deep = Pages::Offset { offset: "start", limit: "rows", is_told: true };
    let odata: fn(&mut Api) = |api| (api.at, api.total) = (Some("value"), Some("@odata.count"));
    let of_docs: fn(&mut Api) = |api| (api.at, api.total) = (Some("response.docs"), None);
    let small: fn(&mut Api) = |api| (api.records, api.at, api.record) = (7, None, small);
    vec![
        (api("offset, told", OFFSET), truth(Some("offset"), ID, None, LIMIT)),
        (api("page numbers, told", NUMBER), truth(Some("page_number"), ID, None, PER_PAGE)),
        (api("cursor", Pages::Cursor { param: "cursor" }), truth(Some("cursor"), ID, None, None)),
        (api("next url", Pages::Link { name: "next" }), truth(Some("json_link"), ID, None, None)),
        (with(api("link header", Pages::Header), bare), truth(Some("header_link"), ID, None, None)),
        (with(api("odata", Pages::Link { name: "@odata.nextLink" }), odata), truth(Some("json_link"), ID, None, None)),
        (with(api("a small list", Pages::One), small), truth(None, ID, None, None)),
        (with(api("all, counted", Pages::One), |api| api.records = 40), truth(None, ID, None, None)),
        (with(api("a list, numbered without a sign", untold("per_page")), bare), truth(Some("page_number"), ID, None, PER_PAGE)),
        (with(api("a list, by offset without a sign", by_offset), bare), truth(Some("offset"), ID, None, LIMIT)),
        (with(api("a list, numbered, of one size", untold("none")), bare), truth(Some("page_number"), ID, None, None)),
        (with(api("deep", deep), of_docs), truth(Some("offset"), ID, None, Some("rows=50"))),
        (with(api("ndjson", Pages::One), |api| (api.written, api.total) = (Written::Lines, None)), truth(None, ID, None, None)),
        (
            with(api("csv", Pages::One), |api| (api.written, api.total, api.records) = (Written::Csv, None, 9)),
            truth(None, ID, None, None),
        ),
    ]
}

/// Starts that filter, that look as if, and keys that look like some.
fn trapped() -> Vec<(Api, Truth)> {
    let offset = |name| Api::new(name, OFFSET);
    let by = Some;
    vec![
        (
            since(offset("updated_since"), "updated_since", "updated_at", false),
            truth(Some("offset"), ID, by("updated_at by updated_since"), LIMIT),
        ),
        (
            since(Api::new("since, behind the start", NUMBER), "since", "updated_at", true),
            truth(Some("page_number"), ID, by("updated_at by since"), PER_PAGE),
        ),
        (
            since(Api::new("modified_after of links", Pages::Link { name: "next" }), "modified_after", "updated_at", false),
            truth(Some("json_link"), ID, by("updated_at by modified_after"), None),
        ),
        (
            with(since(offset("epochs"), "modified_since", "modified_time", false), |api| api.record = epochs),
            truth(Some("offset"), ID, by("modified_time by modified_since"), LIMIT),
        ),
        (
            with(since(offset("a start by creation"), "created_after", "created_at", false), |api| api.record = created),
            truth(Some("offset"), ID, None, LIMIT),
        ),
        (
            since(offset("since, by creation beside changes"), "since", "created_at", false),
            truth(Some("offset"), ID, None, LIMIT),
        ),
        (
            with(since(offset("refuses the unknown"), "updated_since", "updated_at", false), |api| api.is_strict = true),
            truth(Some("offset"), ID, by("updated_at by updated_since"), LIMIT),
        ),
        (with(offset("ids of one answer"), |api| api.record = unstable), truth(Some("offset"), by("thing_code"), None, LIMIT)),
        (
            with(since(offset("ids that count rows"), "updated_since", "updated_at", false), |api| api.record = numbered),
            truth(Some("offset"), by("uuid"), by("updated_at by updated_since"), LIMIT),
        ),
        (with(offset("lines without a key"), |api| api.record = lines), truth(Some("offset"), None, None, LIMIT)),
        (with(offset("ids that are null"), |api| api.record = sparse), truth(Some("offset"), None, None, LIMIT)),
    ]
}

fn apis() -> Vec<(Api, Truth)> {
    paged().into_iter().chain(trapped()).collect()
}

/// What was chosen, right and wrong, and what there was to choose.
#[derive(Default, Debug, Clone, Copy, PartialEq)]
struct Score {
    chosen: u32,
    right: u32,
    there: u32,
}

impl Score {
    fn count(&mut self, chosen: Option<&str>, truth: Option<&str>) -> bool {
        self.chosen += u32::from(chosen.is_some());
        self.there += u32::from(truth.is_some());
        self.right += u32::from(chosen.is_some() && chosen == truth);
        chosen.is_none() || chosen == truth
    }

    fn row(self, name: &str) -> String {
        format!("| {name} | {} | {} | {} |", self.there, self.chosen, self.right)
    }
}

fn choice(told: &Value, of: &str) -> Option<String> {
    let findings = told["findings"].as_array().unwrap();
    findings.iter().filter(|found| found["of"] == of).find_map(|found| Some(found["choice"].as_str()?.to_owned()))
}

/// What `probe` finds of an API with so many requests, and never more.
fn probed(api: &FakeApi, sandbox: &Sandbox, requests: usize) -> (Ended, Value) {
    let before = api.requests().len();
    let url = format!("{}/v1/things", api.url());
    let ended = sandbox.lakeward(&["probe", &url, "--json", "--requests", &requests.to_string()]);
    let sent = api.requests().len() - before;
    assert!(sent <= requests, "{sent} requests were sent\n{ended}");
    let told = ended.summary();
    assert_eq!(told["requests"].as_u64(), Some(sent as u64), "{ended}");
    (ended, told)
}

#[test]
fn twenty_five_apis_are_found_out_with_a_dozen_requests_and_nothing_is_guessed() {
    let (mut scores, mut wrong) = ([Score::default(); 4], Vec::new());
    let all = apis();
    assert_eq!(all.len(), 25);
    for (api, truth) in all {
        let name = api.name;
        let api = api.start();
        let sandbox = Sandbox::new();
        let (ended, told) = probed(&api, &sandbox, 12);
        let paginator =
            choice(&told, "paginator").and_then(|text| Some(text.split_once("type: ")?.1.split([',', '}']).next()?.to_owned()));
        let found = [paginator, choice(&told, "primary_key"), choice(&told, "cursor"), choice(&told, "page_size")];
        let true_of = [truth.paginator, truth.key, truth.cursor, truth.size];
        for (n, (found, there)) in found.iter().zip(true_of).enumerate() {
            let is_right = scores[n].count(found.as_deref(), there);
            if !is_right || found.as_deref() != there {
                wrong.push(format!("{name}: {found:?} and not {there:?}\n{ended}"));
            }
        }
    }
    let rows: Vec<String> =
        ["paginator", "key", "cursor", "page size"].iter().zip(scores).map(|(name, score)| score.row(name)).collect();
    let wrong = wrong.join("\n\n");
    assert!(
        scores.iter().all(|score| score.right == score.chosen),
        "something was chosen that is not so:\n{}\n{wrong}",
        rows.join("\n")
    );
    let docs = include_str!("../../docs/init.md");
    for row in &rows {
        assert!(docs.contains(row), "docs/init.md does not have the row `{row}`:\n{}\n{wrong}", rows.join("\n"));
    }
}

#[test]
fn what_init_writes_is_checked_and_run_as_it_stands_and_has_all_records() {
    let mut faults = Vec::new();
    for (api, _) in apis() {
        let (name, records) = (api.name, api.records);
        let (api, sandbox) = (api.start(), Sandbox::new());
        let url = format!("{}/v1/things", api.url());
        let made = sandbox.lakeward(&["init", &url, "-o", "lakeward.yaml"]);
        assert!(api.requests().len() <= 12, "{name}: {made}");
        let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap_or_default();
        let (checked, ran) = (sandbox.lakeward(&["check", "lakeward.yaml"]), sandbox.run());
        let is_whole = ran.code() == Some(0) && ran.table("things")["table_rows"] == records;
        let is_told = config.contains("read once more as it stands");
        if made.code() != Some(0) || checked.code() != Some(0) || !is_whole || !is_told {
            faults.push(format!("{name}: {made}\n{checked}\n{ran}\n{config}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn no_more_requests_are_sent_than_were_allowed_whatever_there_is_to_ask() {
    for requests in [1, 2, 3, 5, 8] {
        for mut api in
            [Api::new("offset", OFFSET), Api::new("list", Pages::Number { page: "page", size: "per_page", is_told: false })]
        {
            api.since = Some(UPDATED);
            let api = api.start();
            probed(&api, &Sandbox::new(), requests);
        }
    }
    // Retries count.
    let busy = FakeApi::start().on("/v1/things", |_| Reply::status(503).header("retry-after", "0"));
    let url = format!("{}/v1/things", busy.url());
    let ended = Sandbox::new().lakeward(&["probe", &url, "--requests", "3"]);
    assert_eq!(ended.code(), Some(75), "{ended}");
    assert!(busy.requests().len() <= 3, "{ended}");
}

#[test]
fn a_probe_is_a_table_of_what_was_seen_and_by_what() {
    let mut api = Api::new("offset", OFFSET);
    api.since = Some(UPDATED);
    let inner = api;
    let api = FakeApi::start().on("/v1/things", move |request| {
        inner.answer(request).header("x-ratelimit-limit", "100").header("x-ratelimit-remaining", "90")
    });
    let url = format!("{}/v1/things", api.url());
    let ended = Sandbox::new().lakeward(&["probe", &url]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    for words in [
        "data_selector  data",
        "primary_key    id",
        "cursor         updated_at by updated_since",
        "limit=50",
        "the API counts 75 records",
        "x-ratelimit-limit: 100",
        "of 12 requests",
    ] {
        assert!(ended.stdout.contains(words), "no `{words}`\n{ended}");
    }
}

#[test]
fn init_writes_comments_questions_and_a_declared_schema_and_overwrites_nothing() {
    let mut api = Api::new("lines", OFFSET);
    api.record = lines;
    let api = api.start();
    let (sandbox, url) = (Sandbox::new(), format!("{}/v1/things", api.url()));
    let made = sandbox.lakeward(&["init", &url, "-o", "things.yaml", "--schema", "things.json"]);
    assert_eq!(made.code(), Some(0), "{made}");
    let config = std::fs::read_to_string(sandbox.path().join("things.yaml")).unwrap();
    assert!(config.contains("# QUESTION (primary key): which column names a record?"), "{config}");
    assert!(config.contains("schema: \"things.json\"") || config.contains("schema: things.json"), "{config}");
    assert!(config.contains("write_disposition: replace"), "{config}");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(sandbox.path().join("things.json")).unwrap()).unwrap();
    assert_eq!(schema["columns"][0], json!({"name": "order_id", "type": "int64"}));
    let ran = sandbox.lakeward(&["run", "things.yaml"]);
    assert_eq!((ran.code(), &ran.table("things")["table_rows"]), (Some(0), &json!(75)), "{ran}");
    let asked = api.requests().len();
    sandbox.lakeward(&["init", &url, "-o", "things.yaml"]).failed_with(2, &["`things.yaml` is there already"]);
    assert_eq!(api.requests().len(), asked, "nothing is asked for a file that cannot be written");
    // Without a file it is printed, and reads the same.
    let printed = sandbox.lakeward(&["init", &url]);
    sandbox.write("printed.yaml", &printed.stdout);
    assert_eq!(sandbox.lakeward(&["check", "printed.yaml"]).code(), Some(0), "{printed}");
}

#[test]
fn secrets_become_variables_and_stand_nowhere() {
    let inner = Api::new("offset", OFFSET);
    let api = FakeApi::start().on("/v1/things", move |request| match (request.header("x-api-key"), request.param("token")) {
        (Some("k-Canary-7Qx2"), Some("t-Canary-9Zy8")) => inner.answer(request),
        _ => Reply::status(401),
    });
    let (sandbox, url) = (Sandbox::new(), format!("{}/v1/things?token=t-Canary-9Zy8", api.url()));
    let made = sandbox.lakeward(&["init", &url, "-H", "X-Api-Key: k-Canary-7Qx2", "-o", "lakeward.yaml"]);
    assert_eq!(made.code(), Some(0), "{made}");
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    assert!(!format!("{config}{made}").contains("Canary"), "{config}\n{made}");
    assert!(config.contains("${THINGS_TOKEN}") && config.contains("${THINGS_X_API_KEY}"), "{config}");
    let sandbox = sandbox.env("THINGS_TOKEN", "t-Canary-9Zy8").env("THINGS_X_API_KEY", "k-Canary-7Qx2");
    sandbox.run_ok();
    let refused = sandbox.lakeward(&["probe", &format!("{}/v1/things", api.url())]);
    assert_eq!(refused.code(), Some(4), "{refused}");
}

#[test]
fn requests_that_others_described_are_asked_as_they_say() {
    let mut api = Api::new("offset", OFFSET);
    api.since = Some(Since { param: "changed_from_time", column: "updated_at", is_open: false });
    let inner = api;
    let api = FakeApi::start().on("/v1/things", move |request| match request.header("authorization") {
        Some("Bearer t-Canary-9Zy8") => inner.answer(request),
        _ => Reply::status(401),
    });
    let sandbox = Sandbox::new().env("ACME_TOKEN", "t-Canary-9Zy8");
    let spec = format!(
        "openapi: 3.1.0\ninfo: {{title: acme, version: '1'}}\nservers: [{{url: '{}/v1'}}]\nsecurity: [{{token: []}}]\ncomponents: {{securitySchemes: {{token: {{type: http, scheme: bearer}}}}}}\n\
         paths:\n  /things:\n    get:\n      operationId: listThings\n      parameters:\n        - {{name: limit, in: query, schema: {{type: integer}}}}\n        - {{name: changed_from_time, in: query, schema: {{type: string}}}}\n  /things/{{id}}:\n    get: {{operationId: getThing}}\n",
        api.url()
    );
    sandbox.write("spec.yaml", &spec);
    let made = sandbox.lakeward(&["init", "--openapi", "spec.yaml#listThings", "-o", "lakeward.yaml"]);
    assert_eq!(made.code(), Some(0), "{made}");
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    assert!(config.contains("start_param: changed_from_time") && config.contains("${ACME_TOKEN}"), "{config}");
    sandbox.run_ok();
    let got = sandbox.lakeward(&["get", "--openapi", "spec.yaml#listThings", "--param", "limit=50", "-o", "things.ndjson"]);
    assert_eq!(got.code(), Some(0), "{got}");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("things.ndjson")).unwrap().lines().count(), 75, "{got}");
    sandbox.lakeward(&["probe", "--openapi", "spec.yaml#listThing"]).failed_with(2, &["did you mean `listThings`?"]);
    sandbox.lakeward(&["probe", "--openapi", "spec.yaml#getThing"]).failed_with(2, &["--param id=…"]);

    let har = json!({"log": {"entries": [
        {"request": {"method": "GET", "url": "https://cdn.example.com/a.png"}, "response": {"status": 200, "content": {"mimeType": "image/png", "encoding": "base64", "text": "%%%"}}},
        {"request": {"method": "GET", "url": format!("{}/v1/things?limit=10", api.url()), "headers": [{"name": ":authority", "value": "x"}, {"name": "Authorization", "value": "Bearer t-Canary-9Zy8"}]}, "response": {"status": 200, "content": {"mimeType": "application/json"}}},
    ]}});
    sandbox.write("saved.har", &har.to_string());
    let ended = sandbox.lakeward(&["probe", "--har", "saved.har", "--json"]);
    assert_eq!((ended.code(), choice(&ended.summary(), "primary_key").as_deref()), (Some(0), Some("id")), "{ended}");
    assert!(!ended.to_string().contains("Canary"), "{ended}");

    let collection = json!({"info": {"schema": "v2.1.0"}, "variable": [{"key": "base", "value": api.url()}], "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{acme_token}}"}]},
        "item": [{"name": "All", "item": [{"name": "Things", "request": {"method": "GET", "url": {"raw": "{{base}}/v1/things?limit=10", "query": [{"key": "limit", "value": "10"}]}}}]}]});
    sandbox.write("acme.json", &collection.to_string());
    let ended = sandbox.lakeward(&["probe", "--postman", "acme.json#Things", "--json"]);
    assert_eq!((ended.code(), choice(&ended.summary(), "page_size").as_deref()), (Some(0), Some("limit=50")), "{ended}");
}

#[test]
fn what_names_no_request_is_refused_with_a_way_out() {
    let sandbox = Sandbox::new();
    sandbox.lakeward(&["init"]).failed_with(2, &["nothing names the API: give its URL"]);
    sandbox.lakeward(&["probe", "api.example.com/v1"]).failed_with(2, &["has no scheme; write `https://api.example.com/v1`"]);
    sandbox.lakeward(&["probe", "http://127.0.0.1:9/x", "--requests", "0"]).failed_with(2, &["--requests"]);
    sandbox.lakeward(&["probe", "--har", "none.har"]).failed_with(2, &["cannot read `none.har`"]);
    sandbox.write("x.json", "{\"a\": 1}");
    sandbox.lakeward(&["probe", "--openapi", "x.json"]).failed_with(2, &["it has neither `openapi` nor `swagger`"]);
    sandbox.lakeward(&["probe", "--postman", "x.json"]).failed_with(2, &["it has no `item`"]);
    sandbox.lakeward(&["probe", "--har", "x.json"]).failed_with(2, &["it has no `log.entries`"]);
    sandbox.lakeward(&["probe", "http://127.0.0.1:9/x", "--param", "a"]).failed_with(2, &["--param NAME=VALUE"]);
    sandbox.lakeward(&["probe", "http://127.0.0.1:9/x", "--har", "x.json"]).failed_with(2, &["cannot be used with"]);
}
