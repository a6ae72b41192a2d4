//! The API of the user's guide: customer usage and wallets, an API key in the query, offset pages.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

/// The key the API wants.
pub(crate) const KEY: &str = "k-7Qx2-s3cret";

/// The `index`-th usage record: a float, a nullable field, an object, a list, and 40 days of times.
pub(crate) fn usage(index: i64) -> Value {
    let (day, minute) = (index * 7 % 40, index % 1440);
    json!({
        "id": index,
        "customer_id": format!("cus_{:04}", index % 50),
        "units": index * 3 % 1000,
        "amount": (index % 100) as f64 / 8.0,
        "is_test": index % 10 == 0,
        "created_at": format!("2026-{:02}-{:02}T{:02}:{:02}:00Z", 10 + day / 30, day % 30 + 1, minute / 60, minute % 60),
        "note": if index % 4 == 0 { Value::Null } else { json!(format!("note “{index}” ✓")) },
        "charge": {"code": format!("c{}", index % 3), "cents": index % 977},
        "tags": (0..index % 3).map(|tag| format!("t{tag}")).collect::<Vec<_>>(),
    })
}

/// The `index`-th wallet.
pub(crate) fn wallet(index: i64) -> Value {
    json!({"id": index, "customer_id": format!("cus_{index:04}"), "balance": index * 100, "currency": "EUR"})
}

/// The API's tables, shared with the running server: a test changes them between nights.
#[derive(Clone, Default)]
pub(crate) struct Billing {
    tables: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    answered: Arc<(Mutex<u64>, Condvar)>,
}

impl Billing {
    /// Tables by the path they are served under.
    pub(crate) fn new(tables: &[(&str, Vec<Value>)]) -> Self {
        let tables = tables.iter().map(|(path, records)| ((*path).to_owned(), records.clone())).collect();
        Self { tables: Arc::new(Mutex::new(tables)), answered: Arc::default() }
    }

    /// The guide's two tables: 1,234 usage records and 240 wallets.
    pub(crate) fn guide() -> Self {
        let usage = (1..=1234).map(usage).collect();
        Self::new(&[("/v1/customer_usage", usage), ("/v1/wallets", (1..=240).map(wallet).collect())])
    }

    /// The records of a path as they are.
    pub(crate) fn records(&self, path: &str) -> Vec<Value> {
        self.tables.lock().unwrap()[path].clone()
    }

    /// Changes the records of a path.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Vec<Value>)) {
        change(self.tables.lock().unwrap().get_mut(path).unwrap());
    }

    /// The second night of the guide's usage: ten rows change, one of them also its month, and three are new.
    pub(crate) fn second_night(&self) {
        self.change("/v1/customer_usage", |records| {
            for record in records.iter_mut().filter(|record| record["id"].as_i64().unwrap() % 125 == 7) {
                record["units"] = json!(5000);
            }
            records[6]["created_at"] = json!("2026-12-24T18:00:00Z");
            records.extend((1235..=1237).map(usage));
        });
    }

    /// The answer to one request: 401 without the key, else the page.
    pub(crate) fn answer(&self, request: &Request) -> Reply {
        *self.answered.0.lock().unwrap() += 1;
        self.answered.1.notify_all();
        if request.param("api_key") != Some(KEY) {
            return Reply::status(401).body(r#"{"error":"invalid api key"}"#);
        }
        match self.tables.lock().unwrap().get(&request.path) {
            Some(records) => page(records, request.number("offset", 0), request.number("limit", 100)),
            None => Reply::status(404),
        }
    }

    /// Pages answered so far.
    pub(crate) fn answered(&self) -> u64 {
        *self.answered.0.lock().unwrap()
    }

    /// Waits until `count` pages in all have been answered, at most `limit`.
    pub(crate) fn wait_for(&self, count: u64, limit: Duration) {
        let answered = self.answered.0.lock().unwrap();
        drop(self.answered.1.wait_timeout_while(answered, limit, |answered| *answered < count).unwrap());
    }

    /// Starts a server of these tables.
    pub(crate) fn serve(&self) -> FakeApi {
        let paths: Vec<String> = self.tables.lock().unwrap().keys().cloned().collect();
        paths.iter().fold(FakeApi::start(), |api, path| {
            let billing = self.clone();
            api.on(path, move |request| billing.answer(request))
        })
    }
}

/// `{"data": […], "total": n}`, the records from `offset`, at most `limit`.
fn page(records: &[Value], offset: u64, limit: u64) -> Reply {
    let (offset, limit) = (offset as usize, limit as usize);
    let data = &records[offset.min(records.len())..(offset + limit).min(records.len())];
    answer(&json!({"data": data, "total": records.len()}))
}

/// 200 with this JSON.
pub(crate) fn answer(body: &Value) -> Reply {
    Reply::json(body.to_string())
}

/// An API with the one path `/things`.
pub(crate) fn things(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> FakeApi {
    FakeApi::start().on("/things", handler)
}

/// The guide's config for the API at `url`.
pub(crate) fn guide_config(url: &str) -> String {
    format!(
        r#"
name: billing
client:
  base_url: {url}
  auth: {{type: api_key, name: api_key, api_key: "${{BILLING_API_KEY}}", location: query}}
resource_defaults:
  primary_key: id
  write_disposition: merge
resources:
  - name: customer_usage
    endpoint:
      path: /v1/customer_usage
      data_selector: data
      paginator: {{type: offset, limit: 100}}
    partition_by: [{{column: created_at, transform: month}}]
  - name: wallets
    endpoint: {{path: /v1/wallets, data_selector: data, paginator: {{type: offset, limit: 100}}}}
lake:
  url: ./lake
"#
    )
}

/// A config with one resource `things` served at `/things`, whose further keys are the lines of `resource` (indented by four).
pub(crate) fn things_config(url: &str, resource: &str) -> String {
    let resource: String = resource.lines().map(|line| format!("    {}\n", line.trim_end())).collect();
    format!(
        r#"
name: things
client:
  base_url: {url}
  auth: {{type: api_key, name: api_key, api_key: "{KEY}", location: query}}
  retry: {{initial_delay: 10ms, max_retries: 3}}
resources:
  - name: things
{resource}
lake:
  url: ./lake
"#
    )
}

/// A run of `things` by `append`, read from `data` by a paginator, if there is one; `more` are further keys of the resource.
pub(crate) fn run_appended(api: &FakeApi, paginator: &str, more: &str) -> (Sandbox, Ended) {
    let paginator = if paginator.is_empty() { String::new() } else { format!(", paginator: {paginator}") };
    let resource = format!("write_disposition: append\n{more}\nendpoint: {{path: /things, data_selector: data{paginator}}}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &resource));
    let ended = sandbox.run();
    (sandbox, ended)
}
