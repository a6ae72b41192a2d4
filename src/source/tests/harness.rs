//! A plan for one resource, a clock that the test holds, and a reader that finds facts with serde_json.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::fake_api::FakeApi;
use crate::base::{Clock, JsonPath, Secret, Step};
use crate::config::*;
use crate::source::client::Bounds;
use crate::source::http::Http;
use crate::source::transport::Transport;
use crate::source::{Chain, End, Page, PageFacts, Reader, Sign, Source, SourceError, SourceEvent, tells_of_paging, wanted_paths};

/// Time passes only in `sleep`, at once. Chance is always its greatest, so that backoff waits 1, 2, 4 seconds.
#[derive(Debug)]
pub(super) struct TestClock {
    start: Instant,
    passed_ms: AtomicU64,
    /// When set, sleeping never ends.
    pub(super) stands_still: bool,
}

impl TestClock {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), passed_ms: AtomicU64::new(0), stands_still: false }
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(self.passed_ms.load(Ordering::SeqCst))
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        "2026-11-22T10:00:00Z".parse::<DateTime<Utc>>().unwrap() + self.passed()
    }

    fn instant(&self) -> Instant {
        self.start + self.passed()
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        if self.stands_still {
            return Box::pin(std::future::pending());
        }
        self.passed_ms.fetch_add(u64::try_from(wait.as_millis()).unwrap(), Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }

    fn random(&self) -> u64 {
        u64::MAX
    }
}

/// One resource of one API, and what to do differently from the plainest plan.
pub(super) struct Case {
    pub(super) client: ClientPlan,
    pub(super) resource: ResourcePlan,
    pub(super) request: Request,
    pub(super) bounds: Bounds,
    pub(super) clock: TestClock,
    pub(super) cancel: CancellationToken,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<End, SourceError>,
    /// `id` of every accepted record, in order.
    pub(super) ids: Vec<u64>,
    /// Whether a page came in a file.
    pub(super) spooled: bool,
    pub(super) events: Vec<SourceEvent>,
    /// Requests that may be in flight at the end.
    pub(super) allowed: usize,
}

impl Outcome {
    /// The error and its causes, as the command line would print them.
    pub(super) fn error(&self) -> String {
        let mut error: &dyn std::error::Error = self.result.as_ref().expect_err("it should fail");
        let mut text = error.to_string();
        while let Some(cause) = error.source() {
            text.push_str(&format!(": {cause}"));
            error = cause;
        }
        text
    }

    pub(super) fn end(&self) -> &End {
        self.result.as_ref().expect("it should end well")
    }

    /// Waits in whole seconds.
    pub(super) fn waits(&self) -> Vec<u64> {
        let waits = self.events.iter().filter_map(|event| match event {
            SourceEvent::Waiting { wait, .. } => Some(wait.as_secs()),
            SourceEvent::Warning { .. } | SourceEvent::Detected { .. } | SourceEvent::Total { .. } => None,
        });
        waits.collect()
    }

    /// What was detected, as a config would have it.
    pub(super) fn detected(&self) -> Vec<String> {
        let found = self.events.iter().filter_map(|event| match event {
            SourceEvent::Detected { detected, .. } => Some(paginator_words(&detected.plan)),
            SourceEvent::Waiting { .. } | SourceEvent::Warning { .. } | SourceEvent::Total { .. } => None,
        });
        found.collect()
    }

    pub(super) fn warnings(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match event {
            SourceEvent::Warning { warning, .. } => Some(warning.text.as_str()),
            SourceEvent::Waiting { .. } | SourceEvent::Detected { .. } | SourceEvent::Total { .. } => None,
        });
        texts.collect()
    }
}

pub(super) fn param(name: &str) -> Slot {
    Slot::Param(name.to_owned())
}

pub(super) fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

/// dlt's defaults.
pub(super) fn stop_rules() -> StopRules {
    StopRules { total: TotalPath::Optional(path("total")), stop_after_empty_page: true, ..StopRules::default() }
}

pub(super) fn without_total() -> StopRules {
    StopRules { total: TotalPath::None, ..stop_rules() }
}

pub(super) fn offset(limit: u64, stop: StopRules) -> PaginatorPlan {
    PaginatorPlan::Offset { limit, offset: 0, offset_slot: param("offset"), limit_slot: param("limit"), stop }
}

pub(super) fn page_number(base_page: u64, stop: StopRules) -> PaginatorPlan {
    PaginatorPlan::PageNumber { base_page, page: base_page, page_slot: param("page"), stop }
}

pub(super) fn cursor() -> PaginatorPlan {
    PaginatorPlan::Cursor { cursor_path: path("next"), cursor_slot: param("cursor"), stop: StopRules::default() }
}

pub(super) fn json_link() -> PaginatorPlan {
    PaginatorPlan::JsonLink { next_url_path: path("next"), stop: StopRules::default() }
}

pub(super) fn api_key(location: KeyLocation, hosts: &[String]) -> AuthPlan {
    AuthPlan::ApiKey { name: "x-key".to_owned(), key: Secret::new("sesame/1"), location, hosts: hosts.to_vec() }
}

impl Case {
    /// `/orders` of `api`, with dlt's defaults and an API key in the query.
    pub(super) fn new(api: &FakeApi, paginator: PaginatorPlan) -> Self {
        Self::at(&api.url(), paginator)
    }

    pub(super) fn at(base_url: &str, paginator: PaginatorPlan) -> Self {
        let base_url: url::Url = base_url.parse().unwrap();
        Self {
            client: client(base_url.clone()),
            resource: resource(paginator),
            request: Request {
                url: base_url.join("/orders").unwrap(),
                params: Vec::new(),
                json: None,
                data: None,
                headers: Vec::new(),
            },
            bounds: Bounds::default(),
            clock: TestClock::new(),
            cancel: CancellationToken::new(),
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) async fn read(self) -> Outcome {
        let http = Http::new(&self.client).unwrap();
        self.read_over(Arc::new(http)).await
    }

    /// Reads it twice, one after the other, by one source.
    pub(super) async fn read_twice(self) -> [Outcome; 2] {
        let http = Http::new(&self.client).unwrap();
        let Ok(outcomes) = self.read_times(2, Arc::new(http)).await.try_into() else { unreachable!() };
        outcomes
    }

    pub(super) async fn read_over(self, transport: Arc<dyn Transport>) -> Outcome {
        self.read_times(1, transport).await.remove(0)
    }

    async fn read_times(self, times: usize, transport: Arc<dyn Transport>) -> Vec<Outcome> {
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&events);
        let listener: crate::source::Events = Arc::new(move |event| told.lock().unwrap().push(event));
        let source = Source::over(transport, &self.client, Arc::new(self.clock), self.cancel, listener, self.bounds);
        let wanted = wanted_paths(&self.resource.endpoint.paginator, &self.resource.expect);
        let mut outcomes = Vec::new();
        for _ in 0..times {
            let chain = Chain::new(self.request.clone(), Arc::default(), self.client.concurrency);
            let mut reader = TestReader::new(&wanted);
            let result = source.read(&self.resource, chain, &mut reader).await.map(Option::unwrap);
            let TestReader { ids, spooled, .. } = reader;
            let mut events = std::mem::take(&mut *events.lock().unwrap());
            // Told with every page that moves it, and asked about by no test.
            events.retain(|event| !matches!(event, SourceEvent::Total { .. }));
            let resource: Arc<str> = Arc::from(self.resource.name.as_str());
            let warnings = result.iter().flat_map(End::warnings);
            events.extend(warnings.map(|warning| SourceEvent::Warning { resource: Arc::clone(&resource), warning }));
            outcomes.push(Outcome { result, ids, spooled, events, allowed: source.client.permits.allowed() });
        }
        outcomes
    }
}

/// Finds facts with serde_json, and keeps the `id` of every accepted record.
pub(super) struct TestReader<'w> {
    wanted: &'w [JsonPath],
    pub(super) ids: Vec<u64>,
    pub(super) spooled: bool,
}

impl<'w> TestReader<'w> {
    pub(super) fn new(wanted: &'w [JsonPath]) -> Self {
        Self { wanted, ids: Vec::new(), spooled: false }
    }
}

impl Reader for TestReader<'_> {
    /// Nothing of a page that is no JSON.
    type Decoded = (Option<Value>, bool);
    type Error = SourceError;

    fn decode(&self, page: Page) -> BoxFuture<'static, Result<Self::Decoded, SourceError>> {
        let body = page.spooled.as_ref().map_or_else(|| page.body.clone(), |spooled| spooled.whole().unwrap().unwrap());
        Box::pin(std::future::ready(Ok((serde_json::from_slice(&body).ok(), page.spooled.is_some()))))
    }

    fn facts(&mut self, (json, spooled): &mut Self::Decoded) -> Option<PageFacts> {
        self.spooled |= *spooled;
        let json = json.as_ref()?;
        let records = records(json);
        Some(PageFacts {
            null_next: false,
            records: records.len() as u64,
            records_hash: xxhash_rust::xxh3::xxh3_128(Value::from(records.clone()).to_string().as_bytes()),
            values: self.wanted.iter().map(|path| find(json, path)).collect(),
            signs: signs(json),
            records_at: Some(JsonPath::parse(if json.is_array() { "$" } else { "data" }).unwrap()),
            record_hashes: records.iter().map(|record| xxhash_rust::xxh3::xxh3_64(record.to_string().as_bytes())).collect(),
            list_inside: None,
            is_unreadable: false,
            header: None,
            failure: None,
            out_of_range: json.get("out_of_range").and_then(Value::as_bool).unwrap_or(false),
            room: None,
        })
    }

    async fn take(&mut self, (json, _): Self::Decoded) -> Result<bool, SourceError> {
        self.ids.extend(json.iter().flat_map(records).filter_map(|record| record["id"].as_u64()));
        Ok(true)
    }
}

fn records(json: &Value) -> Vec<Value> {
    let records = if json.is_array() { json } else { &json["data"] };
    records.as_array().cloned().unwrap_or_default()
}

/// Scalars around `data`, as the decoder finds them.
fn signs(json: &Value) -> Vec<Sign> {
    fn collect(json: &Value, path: &mut Vec<String>, found: &mut Vec<Sign>) {
        for (name, value) in json.as_object().into_iter().flatten() {
            path.push(name.clone());
            match value {
                Value::Object(_) => collect(value, path, found),
                Value::Array(_) | Value::Null => {}
                _ if tells_of_paging(path) => {
                    let path = JsonPath::from_steps(path.iter().cloned().map(Step::Key).collect());
                    found.push(Sign { path, value: value.clone() });
                }
                _ => {}
            }
            path.pop();
        }
    }
    let mut found = Vec::new();
    collect(json, &mut Vec::new(), &mut found);
    found
}

fn find(json: &Value, path: &JsonPath) -> Option<Value> {
    let found = path.steps().iter().try_fold(json, |at, step| match step {
        Step::Key(key) => at.get(key),
        Step::Index(index) => at.get(index),
        Step::Every => None,
    });
    found.cloned()
}

fn client(base_url: url::Url) -> ClientPlan {
    ClientPlan {
        base_url,
        headers: Vec::new(),
        auth: Some(api_key(KeyLocation::Query, &[])),
        retry: RetryPlan {
            max_retries: Some(3),
            backoff_factor: 2.0,
            initial_delay: Duration::from_secs(1),
            statuses: vec![408, 425, 429, 500, 502, 503, 504, 520, 529],
            max_wait: Duration::from_secs(600),
        },
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(10),
        page_timeout: Duration::from_secs(600),
        rate_limits: Vec::new(),
        concurrency: 4,
        allow_hosts: Vec::new(),
        rules: Vec::new(),
        tls: None,
    }
}

fn resource(paginator: PaginatorPlan) -> ResourcePlan {
    ResourcePlan {
        name: "orders".to_owned(),
        table: "orders".to_owned(),
        columns: Vec::new(),
        contract: crate::config::ContractPlan::default(),
        nesting_max: None,
        round_numbers: false,
        processing_steps: Vec::new(),
        endpoint: EndpointPlan {
            request: Default::default(),
            method: Method::Get,
            data_selector: None,
            response_format: crate::config::FormatPlan::default(),
            records: None,
            paginator,
            warnings: Vec::new(),
            auth: None,
            incremental: None,
            rules: Vec::new(),
            graphql: None,
        },
        parents: Vec::new(),
        include_from_parent: Vec::new(),
        on_missing_parent_field: OnMissing::Fail,
        selected: true,
        primary_key: Vec::new(),
        write_disposition: WriteDisposition::Append,
        appends_unasked: false,
        merge: crate::config::MergePlan::default(),
        schema: None,
        partition_by: Vec::new(),
        is_delta: None,
        sort_by: Vec::new(),
        expect: Expect { min_rows: None, max_shrink: None, total: ExpectTotal::Undeclared },
        on_reject: OnReject::Fail,
    }
}
