//! Runs that are killed while their API keeps them waiting, and what they leave.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::sandbox::Sandbox;

/// Counts requests, and answers none from the `stop_at`th on.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(u64, Option<u64>)>,
    changed: Condvar,
}

impl Gate {
    /// Counts a request; whether it is answered.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        state.1.is_none_or(|stop_at| state.0 < stop_at)
    }

    /// Counts anew, and stops at the `stop_at`th request.
    pub(crate) fn begin(&self, stop_at: Option<u64>) {
        *self.state.lock().unwrap() = (0, stop_at);
    }

    pub(crate) fn count(&self) -> u64 {
        self.state.lock().unwrap().0
    }

    pub(crate) fn wait_for(&self, count: u64) {
        let wait = self.changed.wait_timeout_while(self.state.lock().unwrap(), Duration::from_secs(60), |state| state.0 < count);
        assert!(!wait.unwrap().1.timed_out(), "{count} requests never came");
    }
}

pub(crate) fn gated<F: Fn(&Request) -> Reply>(gate: &Arc<Gate>, answer: F) -> impl Fn(&Request) -> Reply + use<F> {
    let gate = Arc::clone(gate);
    move |request| if gate.pass() { answer(request) } else { Reply::hang() }
}

/// `{"data": […], "total": count}` by `offset`, ten a page.
pub(crate) fn offset_page(request: &Request, count: u64) -> Reply {
    let offset = request.number("offset", 0).min(count);
    Reply::json(format!(r#"{{"data":{},"total":{count}}}"#, ids(offset..(offset + 10).min(count))))
}

pub(crate) fn config(api: &FakeApi, resources: &str) -> String {
    format!("name: shop\nclient: {{base_url: {}}}\nresources:\n{resources}lake: {{url: ./lake}}\n", api.url())
}

pub(crate) const ORDERS: &str = "  - name: orders
    primary_key: id
    write_disposition: merge
    endpoint: {path: /orders, data_selector: data, paginator: {type: offset, limit: 10, total_path: total}}
";

pub(crate) fn shop(gate: &Arc<Gate>, pages: u64) -> FakeApi {
    FakeApi::start().on("/orders", gated(gate, move |request| offset_page(request, pages * 10)))
}

/// What `status` says is left of `resource`.
pub(crate) fn left(sandbox: &Sandbox, resource: &str) -> u64 {
    let ended = sandbox.lakeward(&["status", "lakeward.yaml"]);
    let start = format!("{resource}: an interrupted run of ");
    let line = ended.stdout.lines().find(|line| line.starts_with(&start));
    let pages = line.and_then(|line| line.split(" left ").nth(1)?.split(' ').next());
    pages.map_or(0, |pages| pages.replace([',', '\u{202f}', ' '], "").parse().unwrap())
}

pub(crate) fn log(sandbox: &Sandbox, resource: &str) -> PathBuf {
    sandbox.lake().join(format!("_lakeward/shop/answers/{resource}.answers"))
}

/// Runs until the API has stopped to answer at request `stop_at` and `least` answers of `resource` are written, and kills it.
pub(crate) fn killed_at(sandbox: &Sandbox, gate: &Gate, stop_at: u64, (resource, least): (&str, u64)) {
    gate.begin(Some(stop_at));
    let running = sandbox.start();
    gate.wait_for(stop_at);
    let until = Instant::now() + Duration::from_secs(60);
    while written(sandbox, resource) < least {
        assert!(Instant::now() < until, "fewer than {least} answers are kept: {}", written(sandbox, resource));
    }
    assert!(running.kill());
    gate.begin(None);
}

/// Answers in a log, each of which has one head.
pub(crate) fn written(sandbox: &Sandbox, resource: &str) -> u64 {
    let bytes = fs::read(log(sandbox, resource)).unwrap_or_default();
    bytes.windows(11).filter(|window| window == b"\"position\":").count() as u64
}
