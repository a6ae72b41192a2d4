//! The commit protocol on every store: commits, crashes, zombies, foreign hands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{Clock, ErrorKind, FAULT_POINTS, Secret, arm_fault};
use crate::config::{Compression, LakeLocation, LakePlan, OnSchemaChange};
use crate::decode::Reject;
use crate::lake::bucket::Bucket;
use crate::lake::log::{Record, read_record, to_json};
use crate::lake::open::inspect_in;
use crate::lake::store::{Store, open_store};
use crate::lake::{DataFile, FileChange, Lake, LakeError, Owner, StageStats, StagedTable, TableState, inspect, manifest};

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

    fn in_memory() -> Self {
        let location = LakeLocation::S3 { bucket: "memory".to_owned(), prefix: "deep/prefix".to_owned() };
        let store = Arc::new(Bucket::in_memory("deep/prefix"));
        Self { store, plan: plan(location, vec![]), clock: TestClock::new(), folder: None }
    }

    /// A prefix of its own on the server that the variables of `name` tell of.
    async fn s3(name: &str) -> Option<Self> {
        let var = |part: &str| std::env::var(format!("LAKEWARD_TEST_{part}")).ok();
        let Some(endpoint) = var(&format!("{name}_ENDPOINT")) else {
            assert!(var("FULL").is_none(), "LAKEWARD_TEST_FULL is set, and LAKEWARD_TEST_{name}_ENDPOINT is not");
            return None;
        };
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("unit/{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let location = LakeLocation::S3 { bucket: var("S3_BUCKET").unwrap(), prefix };
        let options = [
            ("aws_endpoint", endpoint),
            ("aws_access_key_id", var("S3_KEY").unwrap()),
            ("aws_secret_access_key", var("S3_SECRET").unwrap()),
            ("aws_region", "us-east-1".to_owned()),
        ];
        let plan = plan(location, options.map(|(name, value)| (name.to_owned(), Secret::new(value))).to_vec());
        let store = open_store(&plan, true).await.unwrap();
        Some(Self { store, plan, clock: TestClock::new(), folder: None })
    }

    /// One on each kind of store that can be had; all of them under `LAKEWARD_TEST_FULL`.
    async fn every() -> Vec<Self> {
        let mut rigs = vec![Self::disk().await, Self::in_memory()];
        rigs.extend(Self::s3("S3").await);
        rigs.extend(Self::s3("MOTO").await);
        rigs
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
    std::fs::create_dir_all(lake.spool()).unwrap();
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

/// Kills a run at `fault` (as far as one process can), then lets another one open the lake and commit tonight's changes.
async fn check_crash(fault: &str) {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let armed = arm_fault(&format!("{fault}=io"));
        let outcome = async {
            let mut lake = rig.open("killed").await?;
            let table = tonight(&lake).await;
            lake.commit(vec![table], state("t", 2)).await?;
            lake.close().await
        };
        // What was open is forgotten, as by a kill: nothing is closed or cleaned.
        let result = outcome.await;
        let passed = armed.passed() > 0;
        drop(armed);
        assert_eq!(result.is_err(), passed, "{fault}: {result:?}");

        let between = rig.visible().await;
        for (path, content) in &between {
            let is_whole = after_last_night().get(path) == Some(content) || after_tonight().get(path) == Some(content);
            assert!(is_whole, "{fault}: {path} holds {content:?}");
        }
        let mut lake = rig.open_later("next").await;
        let is_committed = lake.state("t") == Some(&json!({ "cursor": 2 }));
        let expected = if is_committed { after_tonight() } else { after_last_night() };
        assert_eq!(rig.visible().await, expected, "{fault}");
        if !is_committed {
            let table = tonight(&lake).await;
            lake.commit(vec![table], state("t", 2)).await.unwrap();
        }
        assert_eq!(lake.table("t").await.unwrap().rows(), 3, "{fault}");
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, after_tonight(), "{fault}");
        let view = inspect_in(&*rig.store, "p", &*rig.clock).await.unwrap();
        assert_eq!((view.pending, view.unfinished_runs, view.lease), (vec![], Vec::<String>::new(), None), "{fault}");
    }
}

#[tokio::test]
async fn a_run_killed_at_any_fault_point_leaves_last_night_or_tonight() {
    for fault in FAULT_POINTS {
        check_crash(fault).await;
    }
}

#[tokio::test]
async fn a_run_killed_between_two_files_is_finished_by_the_next() {
    for fault in ["lake.stage.file#2", "lake.publish.put#2", "lake.publish.put#3"] {
        check_crash(fault).await;
    }
}

#[tokio::test]
async fn a_run_killed_while_it_recovers_is_recovered_in_turn() {
    for fault in ["lake.recover.before_fence", "lake.recover.after_fence", "lake.publish.put#2", "lake.publish.cleaning"] {
        for rig in Rig::every().await {
            last_night(&rig).await;
            let first = if fault.starts_with("lake.recover") { "lake.commit.after_stage" } else { "lake.publish.put#2" };
            let mut lake = rig.open("killed").await.unwrap();
            let table = tonight(&lake).await;
            let armed = arm_fault(&format!("{first}=io"));
            lake.commit(vec![table], state("t", 2)).await.unwrap_err();
            drop(armed);
            rig.clock.advance(31);
            let armed = arm_fault(&format!("{fault}=io"));
            let second = rig.open("killed-too").await;
            assert_eq!(second.is_err(), armed.passed() > 0, "{fault}");
            drop((armed, second));
            let mut lake = rig.open_later("next").await;
            if lake.state("t") == Some(&json!({ "cursor": 1 })) {
                let table = tonight(&lake).await;
                lake.commit(vec![table], state("t", 2)).await.unwrap();
            }
            lake.close().await.unwrap();
            assert_eq!(rig.visible().await, after_tonight(), "{fault}");
        }
    }
}

#[tokio::test]
async fn a_run_that_wakes_up_in_its_publish_undoes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let armed = arm_fault("lake.publish.put#2=io");
        let error = asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        assert!(matches!(error, LakeError::Unpublished { version: 2, .. }), "{error:?}");

        let mut lake = rig.open_later("awake").await;
        let files = [
            ("k=1/part-000000.parquet", Some("one, changed again")),
            ("k=3/part-000002.parquet", None),
            ("k=5/part-000004.parquet", Some("five")),
        ];
        let table = staged(&lake, "t", &files).await;
        lake.commit(vec![table], state("t", 3)).await.unwrap();
        let expected = seen(&[
            ("t/k=1/part-000000.parquet", "one, changed again"),
            ("t/k=4/part-000003.parquet", "four"),
            ("t/k=5/part-000004.parquet", "five"),
        ]);
        assert_eq!(rig.visible().await, expected);

        let record = read_record(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
        asleep.publisher().publish(&record).await.unwrap();
        assert_eq!(rig.visible().await, expected);
        assert_eq!(lake.table("t").await.unwrap().rows(), 3);
        lake.close().await.unwrap();
        asleep.close().await.unwrap();
        assert_eq!(rig.visible().await, expected);
    }
}

/// Everything of a commit up to the creation of its record, where the run falls asleep.
async fn fall_asleep(lake: &mut Lake, table: &StagedTable, state: &Map<String, Value>) -> Record {
    let tables = [table.clone()];
    let mut record = lake.draft(&tables, state).await.unwrap();
    lake.stage(&mut record, &tables).await.unwrap();
    let (name, content) = manifest::encode(&table.table, &table.state);
    lake.store.create(&lake.layout.manifest(&name), content).await.unwrap();
    record
}

#[tokio::test]
async fn a_run_that_was_cleaned_away_cannot_commit_when_it_wakes_up() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let record = fall_asleep(&mut asleep, &table, &state("t", 2)).await;
        // The other run finds nothing to commit, so no commit of its own stands in the way.
        rig.open_later("awake").await.close().await.unwrap();

        let error = asleep.create_record(record, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { run } if run == "awake"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { .. }), "{error:?}");
        asleep.close().await.unwrap();
        assert_eq!(rig.visible().await, after_last_night());
        assert_eq!(rig.open_later("next").await.table("t").await.unwrap().rows(), 2);
    }
}

#[tokio::test]
async fn of_two_runs_on_one_table_the_second_to_commit_changes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut slow = rig.open("slow").await.unwrap();
        let table = tonight(&slow).await;
        let record = fall_asleep(&mut slow, &table, &state("t", 2)).await;
        let mut quick = rig.open_later("quick").await;
        let other = staged(&quick, "t", &[("k=1/part-000000.parquet", Some("one, by the quick"))]).await;
        quick.commit(vec![other], state("t", 3)).await.unwrap();
        let error = slow.create_record(record, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { run } if run == "quick"), "{error:?}");
        slow.close().await.unwrap();
        quick.close().await.unwrap();
        let expected = seen(&[("t/k=1/part-000000.parquet", "one, by the quick"), ("t/k=2/part-000001.parquet", "two")]);
        assert_eq!(rig.visible().await, expected);
    }
}

#[tokio::test]
async fn two_runs_on_different_tables_both_commit() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut quick = rig.open("quick").await.unwrap();
        let other = staged(&quick, "u", &[("part-000000.parquet", Some("u"))]).await;
        let mut slow = rig.open_later("slow").await;
        let table = tonight(&slow).await;
        let record = fall_asleep(&mut slow, &table, &state("t", 2)).await;
        if rig.store.root().is_some() {
            // On disk the slow one removed the other's spool.
            spool(&quick, "u-0.tmp", "u");
        }
        let record_of_quick = fall_asleep(&mut quick, &other, &state("u", 1)).await;
        let record_of_quick = Record { parent: record.parent, version: record.version, ..record_of_quick };
        assert!(rig.store.create(&slow.layout.record(record.version), to_json(&record_of_quick)).await.unwrap());

        let record = slow.create_record(record, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap();
        slow.publisher().publish(&record).await.unwrap();
        quick.close().await.unwrap();
        slow.close().await.unwrap();
        let mut expected = after_tonight();
        expected.insert("u/part-000000.parquet".to_owned(), "u".to_owned());
        assert_eq!(rig.visible().await, expected);
        let lake = rig.open_later("next").await;
        assert_eq!((lake.table("t").await.unwrap().rows(), lake.table("u").await.unwrap().rows()), (3, 1));
        assert_eq!((lake.state("t"), lake.state("u")), (Some(&json!({ "cursor": 2 })), Some(&json!({ "cursor": 1 }))));
    }
}

#[tokio::test]
async fn a_second_run_is_told_who_is_at_work() {
    for rig in Rig::every().await {
        let first = rig.open("first").await.unwrap();
        rig.clock.advance(9);
        let error = rig.open("second").await.unwrap_err();
        assert_eq!(error.to_string(), "run `first` on `elsewhere` (process 7) holds the lake, its last sign of life is 9 s old");
        assert_eq!(error.kind().exit_code(), 75);
        rig.clock.advance(20);
        first.lease().beat().await.unwrap();
        rig.clock.advance(29);
        rig.open("second").await.unwrap_err();
        // After three missed heartbeats the lease is anybody's, and its owner is told.
        let second = rig.open_later("second").await;
        assert!(matches!(first.lease().keep().await, LakeError::Conflict { run } if run == "second"));
        first.close().await.unwrap();
        assert!(matches!(rig.open("third").await, Err(LakeError::Locked { .. })));
        second.close().await.unwrap();
        rig.open("third").await.unwrap();
    }
}

#[tokio::test]
async fn the_lease_of_a_dead_process_on_this_machine_is_free_at_once() {
    let rig = Rig::disk().await;
    let mut owner = Owner::this_process();
    let store = Arc::clone(&rig.store);
    let clock: Arc<TestClock> = Arc::clone(&rig.clock);
    let live = Lake::open_in(store, &rig.plan, "p", clock, "first", owner.clone()).await.unwrap();
    assert!(matches!(rig.open("second").await, Err(LakeError::Locked { .. })));
    live.close().await.unwrap();
    if let Some(identity) = &mut owner.identity {
        identity.started_ticks += 1;
        let clock: Arc<TestClock> = Arc::clone(&rig.clock);
        let _dead = Lake::open_in(Arc::clone(&rig.store), &rig.plan, "p", clock, "first", owner).await.unwrap();
        rig.open("second").await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_jumped_locks_nobody_out() {
    let rig = Rig::disk().await;
    rig.clock.advance(86_400);
    let _killed = rig.open("from-tomorrow").await.unwrap();
    rig.clock.advance(-86_400);
    rig.open("today").await.unwrap();
}

#[tokio::test]
async fn a_table_folder_with_foreign_files_is_refused_by_name() {
    for rig in Rig::every().await {
        rig.store.put("t/other.parquet", b"x".to_vec()).await.unwrap();
        let lake = rig.open("run").await.unwrap();
        let error = lake.table("t").await.unwrap_err();
        assert!(error.to_string().ends_with("`t/other.parquet` is unknown"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(lake.table("u").await.unwrap(), TableState::default());
    }
}

#[tokio::test]
async fn a_data_file_changed_from_outside_is_refused_by_name() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        rig.store.put("t/k=1/part-000000.parquet", b"OWN".to_vec()).await.unwrap();
        rig.store.remove("t/k=2/part-000001.parquet").await.unwrap();
        let lake = rig.open("run").await.unwrap();
        let result = lake.table("t").await;
        let told = result.unwrap_err().to_string();
        assert!(told.contains("`t/k=2/part-000001.parquet` is missing"), "{told}");
        // On disk only a changed size is seen without reading everything.
        assert_eq!(told.contains("`t/k=1/part-000000.parquet` was replaced"), rig.store.root().is_none(), "{told}");
    }
}

#[tokio::test]
async fn a_committed_file_that_vanished_is_a_loud_error() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("killed").await.unwrap();
        let table = tonight(&lake).await;
        let armed = arm_fault("lake.publish.put=io");
        lake.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        rig.store.clear(&lake.layout.staging("killed"), false).await.unwrap();
        rig.clock.advance(31);
        let error = rig.open("next").await.unwrap_err();
        // moto answers a dropped upload with a 500, for which the file may be published later.
        assert!(matches!(error, LakeError::Lost { version: 2, .. } | LakeError::Store { .. }), "{error:?}");
        assert_eq!(rig.visible().await, after_last_night());
    }
}

#[tokio::test]
async fn rejects_are_kept_with_their_place_and_reason() {
    for rig in Rig::every().await {
        let mut lake = rig.open("run").await.unwrap();
        let reject = Reject {
            page: 3,
            record: 7,
            path: "$.amount".to_owned(),
            expected: "int64".to_owned(),
            actual: "text".to_owned(),
            raw: r#"{"amount":"x"}"#.to_owned(),
        };
        assert_eq!(lake.quarantine("t", "t", &[]).await.unwrap(), None);
        let path = lake.quarantine("t", "t", &[reject.clone(), reject]).await.unwrap().unwrap();
        let text = String::from_utf8(rig.store.get(&path).await.unwrap().unwrap().bytes).unwrap();
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((text.lines().count(), &line["page"], &line["raw"]), (2, &json!(3), &json!(r#"{"amount":"x"}"#)));
        let commit = lake.commit(vec![], Map::new()).await.unwrap();
        let record = read_record(&*rig.store, &lake.layout, commit.version).await.unwrap().unwrap();
        assert_eq!(record.quarantine, [path]);
        lake.report(&json!({ "status": "success" })).await.unwrap();
        lake.close().await.unwrap();
        let view = inspect_in(&*rig.store, "p", &*rig.clock).await.unwrap();
        assert_eq!(view.reports, [json!({ "status": "success" })]);
    }
}

#[tokio::test]
async fn data_files_are_read_back_at_any_offset() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let lake = rig.open("run").await.unwrap();
        let file = lake.table("t").await.unwrap().files.remove(1);
        let files = lake.live_files();
        let read = tokio::task::spawn_blocking(move || files.open(&file).unwrap().get_bytes(1, 2).unwrap());
        assert_eq!(&*read.await.unwrap(), b"wo");
    }
}

#[tokio::test]
async fn looking_at_a_lake_writes_nothing() {
    let rig = Rig::disk().await;
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&rig.clock);
    let mut plan = rig.plan.clone();
    let nowhere = rig.folder.as_ref().unwrap().path().join("nowhere");
    plan.location = LakeLocation::Disk(nowhere.clone());
    let view = inspect(&plan, "p", &clock).await.unwrap();
    assert_eq!((view.version, view.tables.len()), (0, 0));
    assert!(!nowhere.exists());
}
