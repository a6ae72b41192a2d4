//! Commits, leases, foreign hands, quarantine.

use std::sync::Arc;

use parquet::file::reader::ChunkReader;
use serde_json::{Map, Value, json};

use crate::base::{Clock, ErrorKind, SystemClock};
use crate::config::{LakeLocation, LakePlan};
use crate::decode::Reject;
use crate::lake::log::read_commit;
use crate::lake::open::inspect_in;
use crate::lake::tests::rig::{Rig, TestClock, after_last_night, after_tonight, last_night, state, tonight};
use crate::lake::{Lake, LakeError, Owner, PreparedTable, RejectLog, Snapshot, StageStats, inspect};

#[tokio::test]
async fn a_commit_publishes_files_and_state_together() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        assert_eq!(rig.visible().await, after_last_night());

        let mut lake = rig.open("night-2").await.unwrap();
        assert_eq!(lake.view().state("t"), Some(&json!({ "cursor": 1 })));
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 2);
        let table = tonight(&lake).await;
        let commit = lake.commit(vec![table], state("t", 2)).await.unwrap();
        assert_eq!((commit.version, commit.is_new, commit.files_put, commit.files_deleted), (2, true, 3, 1));
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 3);
        lake.close().await.unwrap();

        assert_eq!(rig.visible().await, after_tonight());
        let view = inspect_in(&rig.store, "p", &[], &*rig.clock).await.unwrap();
        assert_eq!((view.version, view.run.as_deref(), view.lease, view.pending), (2, Some("night-2"), None, vec![]));
        assert_eq!(view.unfinished_runs, Vec::<String>::new());
        assert_eq!(view.tables["t"].rows(), 3);
    }
}

#[tokio::test]
async fn a_new_table_that_differs_in_case_alone_from_one_in_the_lake_is_refused_with_both_names() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let lake = rig.open("night-2").await.unwrap();
        let error = lake.view().table("T").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("`T`") && error.to_string().contains("`t`"), "{error}");
        lake.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_without_changes_writes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let before = rig.store.list("").await.unwrap();
        let mut lake = rig.open("night-2").await.unwrap();
        let table = PreparedTable {
            table: "t".to_owned(),
            changes: vec![],
            after: lake.view().table("t").await.unwrap(),
            stats: StageStats::default(),
            is_dropped: false,
            begins_log: false,
            ends_log: false,
            has_other_columns: false,
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
        assert_eq!(
            (lake.view().state("t"), lake.view().state("u")),
            (Some(&json!({ "cursor": 1 })), Some(&json!({ "cursor": 5 })))
        );
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 2);
        assert_eq!(rig.visible().await, after_last_night());
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
        assert!(
            matches!(first.lease().keep_during(std::future::pending::<Result<(), _>>()).await, Err(LakeError::Conflict { run }) if run == "second")
        );
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
    let live = Lake::open_in(store, (&rig.plan, "p"), clock, "first", owner.clone(), None).await.unwrap();
    assert!(matches!(rig.open("second").await, Err(LakeError::Locked { .. })));
    live.close().await.unwrap();
    if let Some(identity) = &mut owner.identity {
        identity.started_ticks += 1;
        let clock: Arc<TestClock> = Arc::clone(&rig.clock);
        let _dead = Lake::open_in(Arc::clone(&rig.store), (&rig.plan, "p"), clock, "first", owner, None).await.unwrap();
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
        let error = lake.view().table("t").await.unwrap_err();
        assert!(error.to_string().ends_with("`t/other.parquet`"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(lake.view().table("u").await.unwrap(), Snapshot::default());
    }
}

#[tokio::test]
async fn a_data_file_changed_from_outside_is_refused_by_name() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        rig.store.put("t/k=1/part-000000.parquet", b"OWN".to_vec()).await.unwrap();
        rig.store.remove("t/k=2/part-000001.parquet").await.unwrap();
        let lake = rig.open("run").await.unwrap();
        let result = lake.view().table("t").await;
        let told = result.unwrap_err().to_string();
        assert!(told.contains("`t/k=2/part-000001.parquet` is missing"), "{told}");
        // On disk only a changed size is seen without reading everything.
        assert_eq!(told.contains("`t/k=1/part-000000.parquet` was replaced"), rig.store.root().is_none(), "{told}");
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
            passed: Some(Arc::default()),
        };
        let mut log = RejectLog::new("t", lake.spool().to_owned());
        assert!(lake.quarantine("t", &log).await.unwrap().is_empty());
        log.push(&[reject.clone(), reject.clone()]).await.unwrap();
        // More than memory is to hold: the lines so far become a part.
        log.push(&[Reject { raw: "x".repeat(9 << 20), ..reject.clone() }, reject]).await.unwrap();
        let paths = lake.quarantine("t", &log).await.unwrap();
        let mut texts = Vec::new();
        for path in &paths {
            texts.push(String::from_utf8(rig.store.get(path).await.unwrap().unwrap().bytes).unwrap());
        }
        let lines: Vec<usize> = texts.iter().map(|text| text.lines().count()).collect();
        assert_eq!((log.count(), lines), (4, vec![3, 1]));
        let text = &texts[0];
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&line["resource"], &line["page"], &line["raw"]), (&json!("t"), &json!(3), &json!(r#"{"amount":"x"}"#)));
        let commit = lake.commit(vec![], Map::new()).await.unwrap();
        let commit = read_commit(&*rig.store, &lake.layout, commit.version).await.unwrap().unwrap();
        assert_eq!(commit.quarantine, paths);
        lake.report(&json!({ "status": "success" })).await.unwrap();
        lake.close().await.unwrap();
        let view = inspect_in(&rig.store, "p", &[], &*rig.clock).await.unwrap();
        assert_eq!(view.reports, [json!({ "status": "success" })]);
    }
}

#[tokio::test]
async fn data_files_are_read_back_at_any_offset() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let lake = rig.open("run").await.unwrap();
        let file = lake.view().table("t").await.unwrap().files.remove(1);
        let files = lake.live_files();
        let read = tokio::task::spawn_blocking(move || files.open(&file).unwrap().get_bytes(1, 2).unwrap());
        assert_eq!(&*read.await.unwrap(), b"wo");
    }
}

#[tokio::test]
async fn a_data_file_of_a_bucket_that_was_replaced_since_the_commit_is_not_read() {
    for rig in Rig::every().await.into_iter().filter(|rig| rig.store.root().is_none()) {
        last_night(&rig).await;
        let lake = rig.open("run").await.unwrap();
        let file = lake.view().table("t").await.unwrap().files.remove(1);
        let length = usize::try_from(file.bytes).unwrap();
        let files = lake.live_files();
        let opened = files.open(&file).unwrap();
        rig.store.put(&file.path, vec![b'x'; length]).await.unwrap();
        let read = tokio::task::spawn_blocking(move || opened.get_bytes(0, 1).unwrap_err().to_string());
        let told = read.await.unwrap();
        assert!(told.contains("it changed since the last commit"), "{told}");
    }
}

#[tokio::test]
async fn looking_at_a_lake_writes_nothing() {
    let rig = Rig::disk().await;
    let clock: Arc<dyn Clock> = Arc::<TestClock>::clone(&rig.clock);
    let mut plan = rig.plan.clone();
    let nowhere = rig.temporary.path().join("nowhere");
    plan.location = LakeLocation::Disk(nowhere.clone());
    let view = inspect(&plan, "p", &[], &clock).await.unwrap();
    assert_eq!((view.version, view.tables.len()), (0, 0));
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn what_a_kill_left_of_a_small_file_is_swept() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    for path in ["_lakeward/p/log/00000000000000000002.json.7-0.tmp", "_lakeward/p/lease.json.7-1.tmp"] {
        rig.store.put(path, b"{".to_vec()).await.unwrap();
    }
    rig.open("next").await.unwrap().close().await.unwrap();
    let left = rig.store.list("_lakeward").await.unwrap();
    assert!(left.iter().all(|found| !found.path.ends_with(".tmp")), "{left:?}");
}

#[tokio::test]
async fn a_damaged_or_newer_record_is_refused_by_name() {
    for (content, why) in
        [("{", "not JSON"), (r#"{"format":2}"#, "format 2 is of a newer lakeward"), ("{}", "it has no `format`")]
    {
        let rig = Rig::disk().await;
        last_night(&rig).await;
        rig.store.put("_lakeward/p/log/00000000000000000002.json", content.as_bytes().to_vec()).await.unwrap();
        let error = rig.open("next").await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("00000000000000000002.json` is not readable: ") && told.contains(why), "{told}");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(rig.visible().await, after_last_night());
    }
}

/// The pipeline runs these in tasks, which move between threads.
#[test]
fn a_run_on_the_lake_can_be_a_task() {
    fn is_send<T: Send>(_: impl FnOnce() -> T) {}
    let plan = || -> LakePlan { unreachable!() };
    let lake = || -> Lake { unreachable!() };
    is_send(
        || async move { Lake::open(&plan(), "p", Arc::new(SystemClock), "run", Owner::this_process(), None).await.map(drop) },
    );
    is_send(|| async move { lake().commit(vec![], Map::new()).await.map(drop) });
    is_send(|| async move { lake().view().table("t").await.map(drop) });
    is_send(|| async move { lake().close().await });
    is_send(|| async move { lake().lease().keep_during(std::future::pending::<Result<(), _>>()).await });
}
