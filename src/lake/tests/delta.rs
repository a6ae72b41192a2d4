//! Delta tables: a crash anywhere, other writers at any moment, and what a reader of the log sees meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, StringArray};
use serde_json::{Map, Value, json};

use super::abandon::{abandon, marks_name};
use super::rig::*;
use super::verify::{batch, settings};
use crate::base::{ErrorKind, FAULT_POINTS, arm_fault};
use crate::config::{StoredAs, WriteDisposition};
use crate::decode::TypedBatch;
use crate::lake::format::delta::{Listing, Log};
use crate::lake::log::Purpose;
use crate::lake::ops::Conversion;
use crate::lake::parquet::ParquetSource;
use crate::lake::{DataFile, Lake, LakeError, Layout, PreparedTable, StageSettings, TableStage};
use crate::schema::{ColumnType, TableSchema};

/// Rows by key.
type Rows = BTreeMap<i64, Option<String>>;

fn people(rows: &[(i64, &str)]) -> TypedBatch {
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let names: Vec<&str> = rows.iter().map(|(_, name)| *name).collect();
    batch(vec![
        ("id", ColumnType::Int64 { wide: false }, Arc::new(Int64Array::from(ids)) as ArrayRef),
        ("name", ColumnType::Text, Arc::new(StringArray::from(names))),
    ])
}

fn expected(rows: &[(i64, &str)]) -> Rows {
    rows.iter().map(|(id, name)| (*id, Some((*name).to_owned()))).collect()
}

/// Stages rows over `t` as it is.
async fn prepared(lake: &Lake, change: impl FnOnce(&mut StageSettings), rows: TypedBatch) -> Result<PreparedTable, LakeError> {
    let (existing, files) = (lake.view().table("t").await?, lake.live_files());
    let mut settings = StageSettings { stored_as: StoredAs::Delta, ..settings(lake) };
    change(&mut settings);
    let stage = move || {
        let mut stage = TableStage::new(settings, existing, files)?;
        let schema = TableSchema::clone(&rows.schema);
        stage.push(rows)?;
        stage.finish(&schema)
    };
    lake.format().prepare(tokio::task::spawn_blocking(stage).await.unwrap()?)
}

async fn night(rig: &Rig, run: &str, cursor: i64, rows: &[(i64, &str)]) -> Result<(), LakeError> {
    let mut lake = rig.open(run).await?;
    let table = prepared(&lake, |_| {}, people(rows)).await?;
    let committed = lake.commit(vec![table], state("t", cursor)).await;
    lake.close().await?;
    committed.map(drop)
}

async fn cursor(rig: &Rig, run: &str) -> Option<i64> {
    let lake = rig.open_later(run).await;
    let cursor = lake.view().state("t").and_then(|state| state["cursor"].as_i64());
    lake.close().await.unwrap();
    cursor
}

/// What a reader of the Delta log sees, by its own way from the log to the rows.
async fn seen_in_log(rig: &Rig) -> Rows {
    let log = Log { store: &*rig.store, table: "t" };
    let table = log.replay(&log.list().await.unwrap()).await.unwrap().unwrap_or_default();
    let mut rows = Rows::new();
    for path in table.paths() {
        for (id, name) in rows_of(rig, format!("t/{path}")).await {
            assert!(rows.insert(id, name).is_none(), "key {id} twice");
        }
    }
    rows
}

async fn rows_of(rig: &Rig, path: String) -> Vec<(i64, Option<String>)> {
    let found = rig.store.head(&path).await.unwrap().unwrap_or_else(|| panic!("{path} is in the log and not there"));
    let files = rig.store.live_files();
    let file = DataFile {
        path: path.clone(),
        partition: vec![],
        rows: 0,
        bytes: found.bytes,
        etag: found.etag,
        checksum: String::new(),
        key_ranges: BTreeMap::new(),
    };
    let read = move || {
        let source = ParquetSource::open(files.open(&file).unwrap(), path).unwrap();
        let groups = (0..source.row_groups().len()).collect();
        let batches = source.read(groups, None, None, 1024).unwrap().map(|batch| batch.unwrap());
        let rows = batches.flat_map(|batch| {
            let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
            let names = batch.column_by_name("name").unwrap().as_string::<i32>().clone();
            let names: Vec<Option<String>> = names.iter().map(|name| name.map(str::to_owned)).collect();
            ids.values().to_vec().into_iter().zip(names)
        });
        rows.collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// Another writer's commit, the next one of the log.
async fn foreign(rig: &Rig, lines: &[Value]) -> u64 {
    let log = Log { store: &*rig.store, table: "t" };
    let next = log.list().await.unwrap().head().map_or(0, |head| head + 1);
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert!(rig.store.create(&format!("t/_delta_log/{next:020}.json"), lines.into_bytes()).await.unwrap());
    next
}

/// The only file of the table, below its folder, and its size.
async fn only_file(rig: &Rig) -> (String, u64) {
    let log = Log { store: &*rig.store, table: "t" };
    let table = log.replay(&log.list().await.unwrap()).await.unwrap().unwrap();
    let paths: Vec<String> = table.paths().map(str::to_owned).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    let bytes = rig.store.head(&format!("t/{}", paths[0])).await.unwrap().unwrap().bytes;
    (paths[0].clone(), bytes)
}

/// Another writer puts the rows of the only file into one of its own, as `OPTIMIZE` does.
async fn optimise(rig: &Rig) {
    let (path, bytes) = only_file(rig).await;
    let local = rig.temporary.path().join("copy");
    rig.store.fetch(&format!("t/{path}"), &local).await.unwrap();
    rig.store.put("t/part-of-others.parquet", std::fs::read(&local).unwrap()).await.unwrap();
    std::fs::remove_file(&local).unwrap();
    let remove = json!({"remove": {"path": path, "dataChange": false, "deletionTimestamp": 1}});
    let add = json!({"add": {"path": "part-of-others.parquet", "partitionValues": {}, "size": bytes, "modificationTime": 1, "dataChange": false}});
    foreign(rig, &[remove, add]).await;
}

/// Another writer takes all rows away.
async fn delete_all(rig: &Rig) {
    let (path, _) = only_file(rig).await;
    foreign(rig, &[json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": 1}})]).await;
}

const LAST: [(i64, &str); 3] = [(1, "one"), (2, "two"), (3, "three")];
const TONIGHT: [(i64, &str); 2] = [(2, "zwei"), (4, "vier")];
const AFTER: [(i64, &str); 4] = [(1, "one"), (2, "zwei"), (3, "three"), (4, "vier")];

#[tokio::test]
async fn nights_of_a_delta_table_are_told_by_its_log_and_older_versions_stay() {
    for rig in Rig::every().await {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        let first = only_file(&rig).await.0;
        night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&AFTER));
        // Whoever reads the older version still can.
        assert_eq!(rows_of(&rig, format!("t/{first}")).await.len(), 3);
        night(&rig, "night-3", 2, &TONIGHT).await.unwrap();
        let log = Log { store: &*rig.store, table: "t" };
        assert_eq!(log.list().await.unwrap().head(), Some(1), "a night that changes nothing is no version");
    }
}

#[tokio::test]
async fn a_run_killed_at_any_fault_point_leaves_last_night_or_tonight_in_the_log() {
    let of_a_commit = |fault: &&str| ["lake.commit.", "lake.publish.", "lake.delta."].iter().any(|room| fault.starts_with(room));
    for fault in FAULT_POINTS.into_iter().filter(of_a_commit) {
        for rig in Rig::every().await {
            night(&rig, "night-1", 1, &LAST).await.unwrap();
            let armed = arm_fault(&format!("{fault}=io"));
            let is_whole = night(&rig, "killed", 2, &TONIGHT).await.is_ok();
            assert!(is_whole || armed.passed() > 0, "{fault}");
            drop(armed);
            let between = seen_in_log(&rig).await;
            assert!([expected(&LAST), expected(&AFTER)].contains(&between), "{fault}: {between:?}");
            let cursor = cursor(&rig, "next").await;
            let whole = if cursor == Some(2) { expected(&AFTER) } else { expected(&LAST) };
            assert_eq!(seen_in_log(&rig).await, whole, "{fault}");
            rig.clock.advance(31);
            night(&rig, "night-3", 2, &TONIGHT).await.unwrap();
            assert_eq!(seen_in_log(&rig).await, expected(&AFTER), "{fault}");
            let log = Log { store: &*rig.store, table: "t" };
            assert_eq!(log.list().await.unwrap().head(), Some(1), "{fault}: each night is one version");
        }
    }
}

#[tokio::test]
async fn a_run_that_wakes_up_right_before_it_creates_its_version_makes_no_second_one() {
    for rig in Rig::every().await {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = prepared(&asleep, |_| {}, people(&TONIGHT)).await.unwrap();
        let armed = arm_fault("lake.delta.before_create=io");
        let error = asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        assert!(matches!(error, LakeError::Unpublished { version: 2, .. }), "{error:?}");
        drop(armed);
        assert_eq!(cursor(&rig, "awake").await, Some(2));
        let head = asleep.head.clone();
        for commit in asleep.view().head.into_iter().chain(&head) {
            asleep.publisher().place(commit).await.unwrap();
        }
        let commit = crate::lake::log::read_commit(&*rig.store, &Layout::new("p"), 2).await.unwrap().unwrap();
        asleep.publisher().place(&commit).await.unwrap();
        let log = Log { store: &*rig.store, table: "t" };
        assert_eq!(log.list().await.unwrap().head(), Some(1));
        assert_eq!(seen_in_log(&rig).await, expected(&AFTER));
    }
}

#[tokio::test]
async fn what_others_did_between_two_nights_is_taken_into_account() {
    for rig in Rig::every().await {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        optimise(&rig).await;
        night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&AFTER), "optimised");
        delete_all_of(&rig).await;
        night(&rig, "night-3", 3, &[(9, "neun")]).await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&[(9, "neun")]), "deleted");
    }
}

/// Another writer takes all rows away, of however many files.
async fn delete_all_of(rig: &Rig) {
    let log = Log { store: &*rig.store, table: "t" };
    let table = log.replay(&log.list().await.unwrap()).await.unwrap().unwrap();
    let remove = |path: &str| json!({"remove": {"path": path, "dataChange": true, "deletionTimestamp": 1}});
    foreign(rig, &table.paths().map(remove).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn a_commit_of_others_before_the_commit_point_ends_the_run_and_nothing_is_changed() {
    for rig in Rig::every().await {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        let mut lake = rig.open("late").await.unwrap();
        let table = prepared(&lake, |_| {}, people(&TONIGHT)).await.unwrap();
        delete_all(&rig).await;
        let error = lake.commit(vec![table], state("t", 2)).await.unwrap_err();
        assert!(matches!(error, LakeError::ForeignCommit { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        lake.close().await.unwrap();
        assert_eq!(seen_in_log(&rig).await, Rows::new());
        assert_eq!(cursor(&rig, "next").await, Some(1), "the cursor is not ahead of the rows");
        rig.clock.advance(31);
        night(&rig, "again", 2, &TONIGHT).await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&TONIGHT));
    }
}

#[tokio::test]
async fn a_commit_of_others_behind_the_commit_point_gives_the_commit_up_and_cursors_with_it() {
    for rig in Rig::every().await {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = prepared(&asleep, |_| {}, people(&TONIGHT)).await.unwrap();
        let armed = arm_fault("lake.commit.after_create=io");
        asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        delete_all(&rig).await;
        rig.clock.advance(31);
        let refused = rig.open("next").await.unwrap_err();
        assert!(matches!(refused, LakeError::ForeignCommit { version: 2, .. }), "{refused:?}");
        assert_eq!(abandon(&rig, "gives-up", 2).await.unwrap(), 3);
        assert_eq!(cursor(&rig, "then").await, Some(1));
        assert_eq!(seen_in_log(&rig).await, Rows::new());
        // Whoever slept finds its number taken.
        let commit = crate::lake::log::read_commit(&*rig.store, &Layout::new("p"), 2).await.unwrap().unwrap();
        let late = asleep.publisher().place(&commit).await.unwrap_err();
        assert!(matches!(late, LakeError::Abandoned { .. } | LakeError::Lost { .. }), "{late:?}");
        assert_eq!(seen_in_log(&rig).await, Rows::new());
        rig.clock.advance(31);
        night(&rig, "again", 2, &TONIGHT).await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&TONIGHT));
        // What the commit had put there was never seen, and what the other writer removed left long ago.
        let mut lake = rig.open_later("collect").await;
        lake.collect(400, |_| None).await.unwrap();
        lake.close().await.unwrap();
        let files = rig.store.list("t").await.unwrap().into_iter().filter(|found| found.path.ends_with(".parquet"));
        assert_eq!(files.map(|found| found.path).collect::<Vec<_>>(), ["t/part-000002.parquet"]);
    }
}

#[tokio::test]
async fn rows_without_a_key_are_added_beside_what_others_do() {
    let rig = Rig::disk().await;
    let keyless = |settings: &mut StageSettings| {
        (settings.primary_key, settings.disposition) = (Vec::new(), WriteDisposition::Append);
    };
    let mut lake = rig.open("night-1").await.unwrap();
    let table = prepared(&lake, keyless, people(&LAST)).await.unwrap();
    lake.commit(vec![table], Map::new()).await.unwrap();
    let table = prepared(&lake, keyless, people(&[(7, "seven")])).await.unwrap();
    delete_all(&rig).await;
    lake.commit(vec![table], Map::new()).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(seen_in_log(&rig).await, expected(&[(7, "seven")]));
}

#[tokio::test]
async fn a_table_that_asks_for_more_than_lakeward_does_is_refused_before_anything_is_read() {
    let rig = Rig::disk().await;
    night(&rig, "night-1", 1, &LAST).await.unwrap();
    foreign(&rig, &[json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [], "writerFeatures": ["rowTracking"]}})]).await;
    let lake = rig.open("night-2").await.unwrap();
    let error = lake.view().table("t").await.unwrap_err();
    assert!(error.to_string().contains("it has the table feature `rowTracking`"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_damaged_or_missing_log_is_named_and_the_table_stays_as_it_is() {
    let rig = Rig::disk().await;
    night(&rig, "night-1", 1, &LAST).await.unwrap();
    night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
    let path = |version: u64| format!("t/_delta_log/{version:020}.json");
    let whole = rig.store.get(&path(1)).await.unwrap().unwrap().bytes;
    let told = async || {
        let lake = rig.open_later("look").await;
        let error = lake.view().table("t").await.unwrap_err();
        lake.close().await.unwrap();
        error.to_string()
    };
    rig.store.put(&path(1), b"{\"add\":".to_vec()).await.unwrap();
    assert!(told().await.contains("00000000000000000001.json` is not readable: line 1: "), "{}", told().await);
    rig.store.put(&path(1), whole).await.unwrap();
    rig.store.remove(&path(0)).await.unwrap();
    assert!(told().await.contains("00000000000000000000.json` is not readable: it is missing"), "{}", told().await);
    rig.store.remove(&path(1)).await.unwrap();
    assert!(told().await.contains("it is gone"), "{}", told().await);
    // The hint's way out works.
    let mut lake = rig.open_later("drop").await;
    let dropped = lake.to_drop(&[]).await.unwrap().pop().unwrap();
    lake.commit_for(Purpose::Drop, vec![dropped.staged], Map::new()).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(rig.store.list("t").await.unwrap(), []);
}

#[tokio::test]
async fn whatever_stands_in_a_log_is_refused_and_nothing_panics() {
    let rig = Rig::disk().await;
    night(&rig, "night-1", 1, &LAST).await.unwrap();
    let next = format!("t/_delta_log/{:020}.json", 1);
    for line in [
        json!({"add": {"path": "../u/x.parquet", "size": 1}}),
        json!({"add": {"path": "s3://b/x.parquet", "size": 1}}),
        json!({"add": {"path": "x.parquet", "size": u64::MAX}}),
        json!({"add": {"path": "a\u{0}b", "size": 1}}),
        json!({"metaData": {"id": "x", "schemaString": "no JSON"}}),
        json!({"metaData": {"id": "x", "schemaString": "{\"fields\": 3}", "partitionColumns": []}}),
        json!({"metaData": {"id": "x", "schemaString": "{\"type\":\"struct\",\"fields\":[]}", "partitionColumns": ["y"]}}),
        json!({"protocol": {"minReaderVersion": 99, "minWriterVersion": 2}}),
        json!(7),
    ] {
        rig.store.put(&next, line.to_string().into_bytes()).await.unwrap();
        let lake = rig.open_later("look").await;
        let error = lake.view().table("t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{line}: {error}");
        lake.close().await.unwrap();
    }
    rig.store.remove(&next).await.unwrap();
    for (name, content) in [("18446744073709551615.json", "{}"), ("00000000000000000009.checkpoint.parquet", "PAR1")] {
        let path = format!("t/_delta_log/{name}");
        rig.store.put(&path, content.into()).await.unwrap();
        let lake = rig.open_later("look").await;
        let error = lake.view().table("t").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{name}: {error}");
        lake.close().await.unwrap();
        rig.store.remove(&path).await.unwrap();
    }
    rig.clock.advance(31);
    night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
    assert_eq!(seen_in_log(&rig).await, expected(&AFTER));
}

#[tokio::test]
async fn what_left_the_table_is_collected_once_it_is_old_and_no_version_needs_it() {
    let rig = Rig::disk().await;
    night(&rig, "night-1", 1, &LAST).await.unwrap();
    night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
    night(&rig, "night-3", 3, &[(2, "deux")]).await.unwrap();
    let files = async || rig.store.list("t").await.unwrap().iter().filter(|found| found.path.ends_with(".parquet")).count();
    assert_eq!(files().await, 3);
    let collect = async |run: &str| {
        let mut lake = rig.open_later(run).await;
        lake.collect(400, |_| None).await.unwrap();
        lake.close().await.unwrap();
    };
    collect("soon").await;
    assert_eq!(files().await, 3, "a reader of an older version is given a week");
    rig.clock.advance(8 * 86_400);
    collect("late").await;
    // The file that night 3 replaced can be brought back, as `keep_versions` is 1.
    assert_eq!(files().await, 2);
    assert_eq!(seen_in_log(&rig).await, expected(&[(1, "one"), (2, "deux"), (3, "three"), (4, "vier")]));
}

#[tokio::test]
async fn a_checkpoint_says_what_the_commits_before_it_said() {
    let rig = Rig::disk().await;
    for number in 0..12 {
        night(&rig, &format!("night-{number}"), number, &[(number, "x"), (1, "again")]).await.unwrap();
    }
    let log = Log { store: &*rig.store, table: "t" };
    let listing = log.list().await.unwrap();
    assert_eq!(listing.newest_checkpoint(), Some(10));
    let whole = log.replay(&listing).await.unwrap().unwrap();
    let told = log.replay(&Listing::without_checkpoints(&listing)).await.unwrap().unwrap();
    assert_eq!(whole.paths().collect::<Vec<_>>(), told.paths().collect::<Vec<_>>());
    assert_eq!(whole.removed_paths().collect::<Vec<_>>(), told.removed_paths().collect::<Vec<_>>());
    assert_eq!(seen_in_log(&rig).await.len(), 12);
}

#[tokio::test]
async fn a_table_is_converted_there_and_back_with_the_same_rows() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        let plain = |settings: &mut StageSettings| settings.stored_as = StoredAs::Plain;
        let mut lake = rig.open("night-1").await.unwrap();
        let table = prepared(&lake, plain, people(&LAST)).await.unwrap();
        lake.commit(vec![table], state("t", 1)).await.unwrap();
        lake.close().await.unwrap();
        convert(&rig, "there", StoredAs::Delta).await;
        assert_eq!(seen_in_log(&rig).await, expected(&LAST));
        rig.clock.advance(31);
        night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
        optimise_if_one(&rig).await;
        convert(&rig, "back", StoredAs::Plain).await;
        let found: Vec<String> = rig.store.list("t").await.unwrap().into_iter().map(|found| found.path).collect();
        assert!(found.iter().all(|path| path.ends_with(".parquet")), "{found:?}");
        let mut rows = Rows::new();
        for path in found {
            rows.extend(rows_of(&rig, path).await);
        }
        assert_eq!(rows, expected(&AFTER));
        assert_eq!(cursor(&rig, "then").await, Some(2));
    }
}

async fn optimise_if_one(rig: &Rig) {
    let log = Log { store: &*rig.store, table: "t" };
    if log.replay(&log.list().await.unwrap()).await.unwrap().unwrap().paths().count() == 1 {
        optimise(rig).await;
    }
}

async fn convert(rig: &Rig, run: &str, to: StoredAs) {
    let mut lake = rig.open_later(run).await;
    let prepared = match lake.conversion("t", to, &rig.plan).await.unwrap().unwrap() {
        Conversion::Named(prepared) => *prepared,
        Conversion::Written(job) => tokio::task::spawn_blocking(move || job.run()).await.unwrap().unwrap(),
    };
    lake.commit_for(Purpose::Conversion, vec![prepared], Map::new()).await.unwrap();
    assert!(lake.conversion("t", to, &rig.plan).await.unwrap().is_none(), "it is so already");
    lake.close().await.unwrap();
}

#[tokio::test]
async fn a_rollback_brings_rows_and_cursor_of_a_delta_table_back() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        night(&rig, "night-1", 1, &LAST).await.unwrap();
        night(&rig, "night-2", 2, &TONIGHT).await.unwrap();
        let mut lake = rig.open_later("back").await;
        lake.rollback(1, &rig.plan, marks_name).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(seen_in_log(&rig).await, expected(&LAST));
        assert_eq!(cursor(&rig, "then").await, Some(1));
    }
}

#[tokio::test]
async fn a_log_beside_plain_files_tells_the_same_rows_as_a_glob() {
    for rig in Rig::every().await {
        let beside = |settings: &mut StageSettings| settings.stored_as = StoredAs::DeltaBeside;
        for (run, rows) in [("night-1", LAST.as_slice()), ("night-2", &TONIGHT)] {
            let mut lake = rig.open_later(run).await;
            let table = prepared(&lake, beside, people(rows)).await.unwrap();
            lake.commit(vec![table], Map::new()).await.unwrap();
            lake.close().await.unwrap();
        }
        let mut by_glob = Rows::new();
        for found in rig.store.list("t").await.unwrap().into_iter().filter(|found| found.path.ends_with(".parquet")) {
            by_glob.extend(rows_of(&rig, found.path).await);
        }
        assert_eq!((seen_in_log(&rig).await, by_glob), (expected(&AFTER), expected(&AFTER)));
        foreign(&rig, &[json!({"commitInfo": {"operation": "WRITE"}})]).await;
        let lake = rig.open_later("night-3").await;
        let error = lake.view().table("t").await.unwrap_err();
        assert!(error.to_string().contains("another writer made"), "{error}");
        lake.close().await.unwrap();
    }
}
