//! An empty lake on every kind of store, and the two nights that the tests play on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{Clock, Secret};
use crate::config::{Compact, Compat, Compression, LakeLocation, LakePlan, OnSchemaChange};
use crate::lake::bucket::Bucket;
use crate::lake::lease::HEARTBEAT;
use crate::lake::store::{Store, open_store};
use crate::lake::tests::s3_server::{Manner, S3Server};
use crate::lake::{DataFile, FileChange, Lake, LakeError, Owner, PreparedTable, Snapshot, StageStats};

/// Times that a task with a long sleep lets others go on: work in memory ends within one, as it does within a heartbeat.
const LONG_YIELDS: u64 = 10_000;

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
pub(super) struct TestClock {
    now: Mutex<DateTime<Utc>>,
    long_yields: AtomicU64,
    short_yields: AtomicU64,
}

impl TestClock {
    pub(super) fn new() -> Arc<Self> {
        let now = Mutex::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        Arc::new(Self { now, long_yields: AtomicU64::new(LONG_YIELDS), short_yields: AtomicU64::new(1) })
    }

    /// Lets long sleeps end at once, beside work whose short ones take their time.
    pub(super) fn hurry(&self) {
        self.long_yields.store(1, Ordering::Relaxed);
        self.short_yields.store(20, Ordering::Relaxed);
    }

    pub(super) fn advance(&self, seconds: i64) {
        *self.now.lock().unwrap() += chrono::TimeDelta::seconds(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let yields = if duration < HEARTBEAT { &self.short_yields } else { &self.long_yields }.load(Ordering::Relaxed);
        Box::pin(async move {
            for _ in 0..yields {
                tokio::task::yield_now().await;
            }
        })
    }

    fn random(&self) -> u64 {
        4
    }
}

/// An empty lake on one kind of store.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) store: Arc<dyn Store>,
    pub(super) plan: LakePlan,
    pub(super) clock: Arc<TestClock>,
    pub(super) temporary: tempfile::TempDir,
    /// What serves the store, where that is of the tests' own.
    server: Option<S3Server>,
}

pub(super) fn plan(location: LakeLocation, options: Vec<(String, Secret)>) -> LakePlan {
    LakePlan {
        location,
        options,
        compression: Compression::Uncompressed,
        target_file_size: 1 << 20,
        adopt: false,
        allow_unsafe_store: false,
        publish_together: false,
        on_schema_change: OnSchemaChange::Rewrite,
        compat: Compat::Legacy,
        compact: Compact::Never,
        max_partitions: 10_000,
        memory: 256_000_000,
        keep_versions: 1,
        is_delta: false,
        delta_log: false,
        retention: std::time::Duration::from_secs(7 * 86_400),
        is_durable: true,
    }
}

impl Rig {
    pub(super) async fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(LakeLocation::Disk(folder.path().join("lake")), vec![]);
        let clock = TestClock::new();
        let store = open_store(&plan, true).await.unwrap();
        Self { store, plan, clock, temporary: folder, server: None }
    }

    pub(super) fn in_memory() -> Self {
        Self::of(Arc::new(InMemory::new()))
    }

    pub(super) fn of<S: ObjectStore + MultipartStore>(store: Arc<S>) -> Self {
        let location = LakeLocation::S3 { bucket: "memory".to_owned(), prefix: "deep/prefix".to_owned() };
        let store = Arc::new(Bucket::of(store, "deep/prefix"));
        Self {
            store,
            plan: plan(location, vec![]),
            clock: TestClock::new(),
            temporary: tempfile::tempdir().unwrap(),
            server: None,
        }
    }

    /// A prefix of its own on the server that the variables of `name` tell of.
    pub(super) async fn s3(name: &str) -> Option<Self> {
        let var = |part: &str| std::env::var(format!("LAKEWARD_TEST_{part}")).ok();
        let Some(endpoint) = var(&format!("{name}_ENDPOINT")) else {
            assert!(var("FULL").is_none(), "LAKEWARD_TEST_FULL is set, and LAKEWARD_TEST_{name}_ENDPOINT is not");
            return None;
        };
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("unit/{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        Some(Self::at(endpoint, var("S3_BUCKET").unwrap(), prefix, (var("S3_KEY").unwrap(), var("S3_SECRET").unwrap())).await)
    }

    /// A prefix of the small S3 server of the tests.
    pub(super) async fn on(server: &S3Server) -> Self {
        Self::at(server.endpoint(), "bucket".to_owned(), "lake".to_owned(), ("key".to_owned(), "secret".to_owned())).await
    }

    async fn at(endpoint: String, bucket: String, prefix: String, (key, secret): (String, String)) -> Self {
        let location = LakeLocation::S3 { bucket, prefix };
        let options = [
            ("aws_endpoint", endpoint),
            ("aws_access_key_id", key),
            ("aws_secret_access_key", secret),
            ("aws_region", "us-east-1".to_owned()),
        ];
        let plan = plan(location, options.map(|(name, value)| (name.to_owned(), Secret::new(value))).to_vec());
        let store = open_store(&plan, true).await.unwrap();
        Self { store, plan, clock: TestClock::new(), temporary: tempfile::tempdir().unwrap(), server: None }
    }

    /// One on each kind of store that can be had; all of them under `LAKEWARD_TEST_FULL`.
    pub(super) async fn every() -> Vec<Self> {
        let server = S3Server::start(Manner { wants_conditions: true, ..Manner::default() }).await;
        let mut small = Self::on(&server).await;
        small.server = Some(server);
        let mut rigs = vec![Self::disk().await, Self::in_memory(), small];
        rigs.extend(Self::s3("S3").await);
        rigs.extend(Self::s3("MOTO").await);
        rigs
    }

    /// Those of them that decide about requests of the same instant one after the other: moto looks and then writes.
    pub(super) async fn every_atomic() -> Vec<Self> {
        let mut rigs = Self::every().await;
        let moto = std::env::var("LAKEWARD_TEST_MOTO_ENDPOINT").ok();
        let is_moto = |rig: &Self| {
            rig.plan.options.iter().any(|(name, value)| name == "aws_endpoint" && Some(value.expose()) == moto.as_deref())
        };
        rigs.retain(|rig| !is_moto(rig));
        rigs
    }

    /// Opens for `run`, whose process nobody can tell dead.
    pub(super) async fn open(&self, run: &str) -> Result<Lake, LakeError> {
        self.open_as("p", run).await
    }

    /// The same, as a run of `pipeline`.
    pub(super) async fn open_as(&self, pipeline: &str, run: &str) -> Result<Lake, LakeError> {
        let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
        let clock: Arc<TestClock> = Arc::clone(&self.clock);
        Lake::open_in(Arc::clone(&self.store), (&self.plan, pipeline), clock, run, owner, None).await
    }

    /// Opens for `run`, which needs what was committed of `needed` alone.
    pub(super) async fn open_needing(&self, run: &str, needed: &[&str]) -> Result<Lake, LakeError> {
        let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
        let clock: Arc<TestClock> = Arc::clone(&self.clock);
        Lake::open_in(Arc::clone(&self.store), (&self.plan, "p"), clock, run, owner, Some(needed)).await
    }

    /// Opens for `run` when earlier runs have been silent for long.
    pub(super) async fn open_later(&self, run: &str) -> Lake {
        self.clock.advance(31);
        self.open(run).await.unwrap()
    }

    /// What a glob reader sees: content by path.
    pub(super) async fn visible(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        for found in self.store.list("").await.unwrap() {
            if found.path.starts_with("_lakeward/") {
                assert!(!found.path.ends_with(".parquet"), "{}", found.path);
                continue;
            }
            let blob = self.store.get(&found.path).await.unwrap().unwrap();
            seen.insert(found.path, String::from_utf8(blob.bytes).unwrap());
        }
        seen
    }
}

/// One table's next content, by file; `None` deletes.
pub(super) async fn staged(lake: &Lake, table: &str, files: &[(&str, Option<&str>)]) -> PreparedTable {
    let state = lake.view().table(table).await.unwrap();
    staged_over(lake, table, state, files).await
}

/// The same over a table as `state` has it.
pub(super) async fn staged_over(lake: &Lake, table: &str, mut state: Snapshot, files: &[(&str, Option<&str>)]) -> PreparedTable {
    let mut changes = Vec::new();
    for (number, (name, content)) in files.iter().enumerate() {
        let path = format!("{table}/{name}");
        let old = state.files.iter().position(|file| file.path == path).map(|at| state.files.remove(at));
        let Some(content) = content else {
            changes.push(FileChange::Delete { file: old.unwrap() });
            continue;
        };
        let spooled = spool(lake, &format!("{table}-{number}.tmp"), content);
        let file = DataFile {
            path,
            partition: vec![],
            rows: 1,
            bytes: content.len() as u64,
            etag: None,
            checksum: format!("{:016x}", xxh3_64(content.as_bytes())),
            key_ranges: Default::default(),
        };
        state.files.push(file.clone());
        state.next_number += u64::from(old.is_none());
        changes.push(FileChange::Put { file, spooled, behind: None, replaces: old });
    }
    state.files.sort_by(|a, b| a.path.cmp(&b.path));
    PreparedTable {
        table: table.to_owned(),
        changes,
        after: state,
        stats: StageStats::default(),
        is_dropped: false,
        begins_log: false,
        ends_log: false,
        has_other_columns: false,
    }
}

pub(super) fn spool(lake: &Lake, name: &str, content: &str) -> PathBuf {
    let path = lake.spool().join(name);
    std::fs::create_dir_all(lake.spool()).unwrap();
    std::fs::write(&path, content).unwrap();
    path
}

pub(super) fn state(resource: &str, cursor: i64) -> Map<String, Value> {
    Map::from_iter([(resource.to_owned(), json!({ "cursor": cursor }))])
}

pub(super) fn seen(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

/// Last night: two files of `t`, cursor 1.
pub(super) async fn last_night(rig: &Rig) {
    let mut lake = rig.open("night-1").await.unwrap();
    let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("one")), ("k=2/part-000001.parquet", Some("two"))]).await;
    lake.commit(vec![table], state("t", 1)).await.unwrap();
    lake.close().await.unwrap();
}

/// Tonight: one file replaced, one deleted, two new, cursor 2.
pub(super) async fn tonight(lake: &Lake) -> PreparedTable {
    let files = [
        ("k=1/part-000000.parquet", Some("one, changed")),
        ("k=2/part-000001.parquet", None),
        ("k=3/part-000002.parquet", Some("three")),
        ("k=4/part-000003.parquet", Some("four")),
    ];
    staged(lake, "t", &files).await
}

pub(super) fn after_tonight() -> BTreeMap<String, String> {
    seen(&[
        ("t/k=1/part-000000.parquet", "one, changed"),
        ("t/k=3/part-000002.parquet", "three"),
        ("t/k=4/part-000003.parquet", "four"),
    ])
}

pub(super) fn after_last_night() -> BTreeMap<String, String> {
    seen(&[("t/k=1/part-000000.parquet", "one"), ("t/k=2/part-000001.parquet", "two")])
}
