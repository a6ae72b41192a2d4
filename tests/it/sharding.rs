//! Runs that are cut into shards: the tables are those of one run, whatever becomes of a shard.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

const CUSTOMERS: u64 = 9;

/// Customers, the orders of each, and events by day.
struct Shop {
    sandbox: Sandbox,
    asked: Arc<AtomicU64>,
    _api: FakeApi,
}

impl Shop {
    fn new(client: &str) -> Self {
        let asked = Arc::<AtomicU64>::default();
        let mut api = FakeApi::start();
        let count = |asked: &Arc<AtomicU64>| Arc::clone(asked);
        let seen = count(&asked);
        api = api.on("/customers", move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
            let customers: Vec<Value> = (1..=CUSTOMERS).map(|id| json!({"id": id, "name": format!("c{id}")})).collect();
            Reply::json(json!({"data": customers}).to_string())
        });
        for customer in 1..=CUSTOMERS {
            let seen = count(&asked);
            api = api.on(&format!("/customers/{customer}/orders"), move |request| {
                seen.fetch_add(1, Ordering::SeqCst);
                let page: u64 = request.number("page", 1);
                let orders: Vec<Value> = (0..if page <= 2 { 3 } else { 0 })
                    .map(|n| json!({"id": customer * 100 + page * 10 + n, "of": customer}))
                    .collect();
                Reply::json(json!({"data": orders}).to_string())
            });
        }
        let seen = count(&asked);
        api = api.on("/events", move |request| {
            seen.fetch_add(1, Ordering::SeqCst);
            let since = request.param("since").unwrap_or_default();
            let day: u64 = since.get(8..10).and_then(|day| day.parse().ok()).unwrap_or(1);
            let at = format!("2026-11-{day:02}T10:00:00Z");
            Reply::json(json!({"data": [{"id": day, "at": at}]}).to_string())
        });
        let config = format!(
            "name: p
client: {{base_url: \"{}\"{client}}}
resources:
  - {{name: customers, primary_key: id, write_disposition: merge, endpoint: {{path: /customers, data_selector: data, paginator: single_page}}}}
  - name: orders
    primary_key: id
    write_disposition: merge
    endpoint:
      path: \"/customers/{{resources.customers.id}}/orders\"
      data_selector: data
      paginator: {{type: page_number, page_param: page, base_page: 1, total_path: null}}
  - name: events
    primary_key: id
    write_disposition: merge
    endpoint:
      path: /events
      data_selector: data
      paginator: single_page
      params: {{since: \"{{incremental.start_value}}\", until: \"{{incremental.end_value}}\"}}
      incremental: {{cursor_path: at, initial_value: \"2026-11-01T00:00:00Z\", end_value: \"2026-11-08T00:00:00Z\", step: 1d}}
lake: {{url: ./lake}}
",
            api.url()
        );
        Self { sandbox: Sandbox::with_config(&config), asked, _api: api }
    }

    fn plan(&self, shards: u32) -> Vec<String> {
        let planned = self.sandbox.lakeward(&["shard", "plan", "lakeward.yaml", "--shards", &shards.to_string()]);
        assert_eq!(planned.code(), Some(0), "{planned}");
        planned.stdout.lines().map(str::to_owned).collect()
    }

    fn run(&self, spec: &str) -> String {
        let ran = self.sandbox.lakeward(&["shard", "run", "lakeward.yaml", spec]);
        assert_eq!(ran.code(), Some(0), "{ran}");
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines.len(), 1, "{ran}");
        lines[0].to_owned()
    }

    fn commit(&self, manifests: &[String]) -> crate::support::sandbox::Ended {
        self.sandbox.write("manifests", &manifests.join("\n"));
        self.sandbox.lakeward(&["shard", "commit", "lakeward.yaml", "manifests"])
    }

    /// Runs that shards have left something of.
    fn left(&self) -> usize {
        fs::read_dir(self.sandbox.lake().join("_lakeward/p/shards")).map_or(0, Iterator::count)
    }

    fn tables(&self) -> BTreeMap<&'static str, Vec<String>> {
        let rows = |table| self.sandbox.by_key(table, "id").into_iter().map(|(id, row)| format!("{id}: {row:?}")).collect();
        ["customers", "orders", "events"].into_iter().map(|table| (table, rows(table))).collect()
    }
}

/// The tables of one run on one machine, and its requests.
fn whole() -> (BTreeMap<&'static str, Vec<String>>, u64) {
    let shop = Shop::new("");
    shop.sandbox.run_ok();
    (shop.tables(), shop.asked.load(Ordering::SeqCst))
}

#[test]
fn shards_make_the_tables_of_one_run_with_its_requests() {
    let (expected, requests) = whole();
    assert_eq!((expected["customers"].len(), expected["orders"].len(), expected["events"].len()), (9, 54, 7));
    for shards in [1, 3, 20] {
        let shop = Shop::new("");
        let manifests: Vec<String> = shop.plan(shards).iter().map(|spec| shop.run(spec)).collect();
        assert_eq!(manifests.len(), shards as usize);
        assert!(!shop.sandbox.lake().join("orders").exists(), "a shard publishes nothing");
        assert_eq!(shop.asked.load(Ordering::SeqCst), requests, "{shards} shards");
        let done = shop.commit(&manifests);
        assert_eq!(done.code(), Some(0), "{done}");
        assert_eq!(shop.asked.load(Ordering::SeqCst), requests, "a commit asks nobody");
        assert_eq!(shop.tables(), expected, "{shards} shards");
        assert_eq!(shop.left(), 0, "what the shards left is gone");
        // The cursor has moved: the next run on one machine goes on from it.
        let next = shop.sandbox.run();
        assert_eq!(next.code(), Some(0), "{next}");
        assert_eq!(shop.tables(), expected);
    }
}

#[test]
fn a_shard_that_ran_twice_counts_once_and_others_are_refused_by_what_is_wrong_with_them() {
    let (expected, _) = whole();
    let shop = Shop::new("");
    let specs = shop.plan(3);
    let mut manifests: Vec<String> = specs.iter().map(|spec| shop.run(spec)).collect();
    let again = shop.run(&specs[1]);
    assert_ne!(again, manifests[1], "another attempt has another name");
    let refused = |lines: &[String], code: i32, words: &str| {
        let refused = shop.commit(lines);
        assert_eq!(refused.code(), Some(code), "{words}: {refused}");
        assert!(refused.stderr.contains(words), "{words}: {refused}");
        assert!(!shop.sandbox.lake().join("orders").exists(), "{words}");
    };
    refused(&[], 2, "there is no line");
    refused(&manifests[..2], 2, "1 of 3 shards are missing: 2");
    refused(&[manifests.clone(), vec![again.clone()]].concat(), 2, "shard 1 is there twice, in line 4 again");
    refused(&[manifests[0].clone(), "{}".to_owned()], 2, "line 2 is no manifest of a shard");
    let edited = manifests[2].replace("\"of\":3", "\"of\":4");
    refused(&[manifests[0].clone(), manifests[1].clone(), edited], 2, "line 3 is of another run, or was changed");
    let mut other: Value = serde_json::from_str(&manifests[2]).unwrap();
    other["answers"]["checksum"] = json!("0000000000000000");
    refused(&[manifests[0].clone(), manifests[1].clone(), other.to_string()], 3, "it is not what the shard left");
    let of_other_run = shop.run(&shop.plan(3)[2]);
    refused(&[manifests[0].clone(), manifests[1].clone(), of_other_run], 2, "line 3 is of another run");
    manifests[1] = again;
    let done = shop.commit(&manifests);
    assert_eq!(done.code(), Some(0), "{done}");
    assert_eq!(shop.tables(), expected);
    refused_after(&shop, &manifests);
}

/// The lake is another one since.
fn refused_after(shop: &Shop, manifests: &[String]) {
    let late = shop.commit(manifests);
    assert_ne!(late.code(), Some(0), "{late}");
}

#[test]
fn a_config_or_a_lake_that_changed_since_the_plan_is_refused() {
    let shop = Shop::new("");
    let specs = shop.plan(2);
    let manifests: Vec<String> = specs.iter().map(|spec| shop.run(spec)).collect();
    let path = shop.sandbox.path().join("lakeward.yaml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, config.replace("initial_value: \"2026-11-01", "initial_value: \"2026-11-02")).unwrap();
    let refused = shop.commit(&manifests);
    assert!(
        refused.code() == Some(2) && refused.stderr.contains("the config has changed since the shards were planned"),
        "{refused}"
    );
    fs::write(&path, config).unwrap();
    shop.sandbox.run_ok();
    let late = shop.commit(&manifests);
    assert_eq!(late.code(), Some(2), "{late}");
    assert!(late.stderr.contains("customers"), "{late}");
}

#[test]
fn a_shard_that_is_killed_leaves_nothing_that_counts_and_runs_again() {
    let (expected, _) = whole();
    let shop = Shop::new("");
    let specs = shop.plan(2);
    let mut killed = shop
        .sandbox
        .command(&["shard", "run", "lakeward.yaml", &specs[0]])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let manifests: Vec<String> = specs.iter().map(|spec| shop.run(spec)).collect();
    assert_eq!(shop.commit(&manifests).code(), Some(0));
    assert_eq!(shop.tables(), expected);
}

#[test]
fn shards_are_run_by_a_pipe_of_commands() {
    let (expected, _) = whole();
    let shop = Shop::new(", rate_limit: {requests: 1000, per: second}");
    let binary = env!("CARGO_BIN_EXE_lakeward");
    let script = format!(
        "set -e; {binary} shard plan lakeward.yaml --shards 4 | while read -r spec; do {binary} shard run lakeward.yaml \"$spec\" 2>/dev/null; done \
         | {binary} shard commit lakeward.yaml"
    );
    let done = Command::new("sh").args(["-c", &script]).current_dir(shop.sandbox.path()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(shop.tables(), expected);
}

#[test]
fn what_shards_left_that_were_never_committed_is_collected_once_it_is_old() {
    let shop = Shop::new("");
    shop.sandbox.run_ok();
    shop.run(&shop.plan(2)[0]);
    assert_eq!(shop.left(), 1);
    let gc = |retention: &str| {
        let path = shop.sandbox.path().join("lakeward.yaml");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(&path, config.replace("lake: {url: ./lake}", &format!("lake: {{url: ./lake, retention: {retention}}}")))
            .unwrap();
        let done = shop.sandbox.lakeward(&["gc", "lakeward.yaml", "--apply"]);
        fs::write(&path, config).unwrap();
        assert_eq!(done.code(), Some(0), "{done}");
        done.stdout
    };
    assert!(!gc("1d").contains("shards"), "another machine may be at work");
    assert!(gc("0s").contains("of shards of runs that were never committed"));
    let files = crate::support::sandbox::files_under(&shop.sandbox.lake().join("_lakeward/p/shards"));
    assert!(files.is_empty(), "{:?}", files.keys());
}
