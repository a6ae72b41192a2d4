//! The commit protocol on every store: commits, crashes, zombies, foreign hands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{Clock, ErrorKind, FAULT_POINTS, Secret, arm_fault};
use crate::config::{Compression, LakeLocation, LakePlan, OnSchemaChange};
use crate::lake::open::inspect_in;
use crate::lake::store::{Store, open_store};
use crate::lake::{DataFile, FileChange, Lake, LakeError, Owner, StageStats, StagedTable, TableState};

/// A clock that stands still until it is told to go on.
#[derive(Debug)]
struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap())))
    }

    fn advance(&self, seconds: i64) {
        *self.0.lock().unwrap() += chrono::TimeDelta::seconds(seconds);
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }

    fn random(&self) -> u64 {
        4
    }
}

/// An empty lake on one kind of store.
struct Rig {
    store: Arc<dyn Store>,
    plan: LakePlan,
    clock: Arc<TestClock>,
    folder: Option<tempfile::TempDir>,
}

fn plan(location: LakeLocation, options: Vec<(String, Secret)>) -> LakePlan {
    LakePlan {
        location,
        options,
        compression: Compression::Uncompressed,
        target_file_size: 1 << 20,
        adopt: false,
        allow_unsafe_store: false,
        publish_together: false,
        on_schema_change: OnSchemaChange::Rewrite,
        legacy_encodings: false,
    }
}

impl Rig {
    async fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(LakeLocation::Disk(folder.path().join("lake")), vec![]);
        let clock = TestClock::new();
        let store = open_store(&plan, true).await.unwrap();
        Self { store, plan, clock, folder: Some(folder) }
    }

    async fn every() -> Vec<Self> {
        vec![Self::disk().await]
    }

    /// Opens for `run`, whose process nobody can tell dead.
    async fn open(&self, run: &str) -> Result<Lake, LakeError> {
        let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
        let clock: Arc<TestClock> = Arc::clone(&self.clock);
        Lake::open_in(Arc::clone(&self.store), &self.plan, "p", clock, run, owner).await
    }

    /// Opens for `run` when earlier runs have been silent for long.
    async fn open_later(&self, run: &str) -> Lake {
        self.clock.advance(31);
        self.open(run).await.unwrap()
    }

    /// What a glob reader sees: content by path.
    async fn visible(&self) -> BTreeMap<String, String> {
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
async fn staged(lake: &Lake, table: &str, files: &[(&str, Option<&str>)]) -> StagedTable {
    let mut state = lake.table(table).await.unwrap();
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
        };
        state.files.push(file.clone());
        changes.push(FileChange::Put { file, spooled, replaces: old });
    }
    state.files.sort_by(|a, b| a.path.cmp(&b.path));
    state.next_number += 1;
    StagedTable { table: table.to_owned(), changes, state, stats: StageStats::default() }
}

fn spool(lake: &Lake, name: &str, content: &str) -> PathBuf {
    let path = lake.spool().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn state(resource: &str, cursor: i64) -> Map<String, Value> {
    Map::from_iter([(resource.to_owned(), json!({ "cursor": cursor }))])
}

fn seen(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

/// Last night: two files of `t`, cursor 1.
async fn last_night(rig: &Rig) {
    let mut lake = rig.open("night-1").await.unwrap();
    let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("one")), ("k=2/part-000001.parquet", Some("two"))]).await;
    lake.commit(vec![table], state("t", 1)).await.unwrap();
    lake.close().await.unwrap();
}

/// Tonight: one file replaced, one deleted, two new, cursor 2.
async fn tonight(lake: &Lake) -> StagedTable {
    let files = [
        ("k=1/part-000000.parquet", Some("one, changed")),
        ("k=2/part-000001.parquet", None),
        ("k=3/part-000002.parquet", Some("three")),
        ("k=4/part-000003.parquet", Some("four")),
    ];
    staged(lake, "t", &files).await
}

fn after_tonight() -> BTreeMap<String, String> {
    seen(&[
        ("t/k=1/part-000000.parquet", "one, changed"),
        ("t/k=3/part-000002.parquet", "three"),
        ("t/k=4/part-000003.parquet", "four"),
    ])
}

fn after_last_night() -> BTreeMap<String, String> {
    seen(&[("t/k=1/part-000000.parquet", "one"), ("t/k=2/part-000001.parquet", "two")])
}

#[tokio::test]
async fn a_commit_publishes_files_and_state_together() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        assert_eq!(rig.visible().await, after_last_night());

        let mut lake = rig.open("night-2").await.unwrap();
        assert_eq!(lake.state("t"), Some(&json!({ "cursor": 1 })));
        assert_eq!(lake.table("t").await.unwrap().rows(), 2);
        let table = tonight(&lake).await;
        let commit = lake.commit(vec![table], state("t", 2)).await.unwrap();
        assert_eq!((commit.version, commit.is_new, commit.files_put, commit.files_deleted), (2, true, 3, 1));
        assert_eq!(lake.table("t").await.unwrap().rows(), 3);
        lake.close().await.unwrap();

        assert_eq!(rig.visible().await, after_tonight());
        let view = inspect_in(&*rig.store, "p", &*rig.clock).await.unwrap();
        assert_eq!((view.version, view.run.as_deref(), view.lease, view.pending), (2, Some("night-2"), None, vec![]));
        assert_eq!(view.unfinished_runs, Vec::<String>::new());
        assert_eq!(view.tables["t"].rows(), 3);
    }
}

#[tokio::test]
async fn a_commit_without_changes_writes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let before = rig.store.list("").await.unwrap();
        let mut lake = rig.open("night-2").await.unwrap();
        let table = StagedTable {
            table: "t".to_owned(),
            changes: vec![],
            state: lake.table("t").await.unwrap(),
            stats: StageStats::default(),
        };
        let commit = lake.commit(vec![table], state("t", 1)).await.unwrap();
        assert_eq!((commit.version, commit.is_new), (1, false));
        lake.close().await.unwrap();
        assert_eq!(rig.store.list("").await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_changed_state_is_recorded_without_data_objects() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("night-2").await.unwrap();
        let commit = lake.commit(vec![], state("u", 5)).await.unwrap();
        assert_eq!((commit.version, commit.is_new, commit.files_put), (2, true, 0));
        assert_eq!((lake.state("t"), lake.state("u")), (Some(&json!({ "cursor": 1 })), Some(&json!({ "cursor": 5 }))));
        assert_eq!(lake.table("t").await.unwrap().rows(), 2);
        assert_eq!(rig.visible().await, after_last_night());
    }
}
