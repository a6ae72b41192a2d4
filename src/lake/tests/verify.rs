//! Verify: every fault that is planted is found and named, and nothing else is.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use serde_json::Map;
use xxhash_rust::xxh3::xxh3_64;

use super::rig::*;
use crate::config::{Compat, Compression, MergePlan, OnSchemaChange, PartitionField, Transform, WriteDisposition};
use crate::decode::TypedBatch;
use crate::lake::log::{Action, read_commit, to_json};
use crate::lake::ops::{Archive, Fault, Remedy, TableAt, Verification, Verify};
use crate::lake::parquet::KeyRange;
use crate::lake::store::Handle;
use crate::lake::{DataFile, Embedded, Lake, Layout, Snapshot, StageBudgets, StageSettings, TableStage, manifest};
use crate::schema::{Column, ColumnType, TableSchema};

const INT: ColumnType = ColumnType::Int64 { wide: false };
const DAY: i64 = 86_400_000_000;

pub(super) fn settings(lake: &Lake) -> StageSettings {
    StageSettings {
        table: "t".into(),
        primary_key: vec!["id".into()],
        disposition: WriteDisposition::Merge,
        keeps_repeats: false,
        merge: MergePlan::default(),
        partition_by: vec![],
        stored_as: Default::default(),
        sort_by: vec![],
        compression: Compression::Zstd(1),
        target_file_size: 1 << 20,
        compat: Compat::Legacy,
        is_durable: true,
        on_schema_change: OnSchemaChange::Rewrite,
        fills_up: false,
        max_partitions: 10_000,
        spool: lake.spool().join("t"),
        budgets: StageBudgets::default(),
        engine: Arc::new(Embedded),
    }
}

pub(super) fn field(column: &str, transform: Transform, name: &str) -> PartitionField {
    PartitionField { column: column.to_owned(), transform, name: name.to_owned() }
}

/// Rows of an id, a town, and a moment a day apart.
pub(super) fn rows(ids: &[Option<i64>]) -> TypedBatch {
    let town = |id: &Option<i64>| id.map(|id| if id % 2 == 0 { "Bonn" } else { "Köln" });
    let moments: Vec<Option<i64>> = ids.iter().map(|id| id.map(|id| id * 20 * DAY)).collect();
    let columns = [
        ("id", INT, Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef),
        ("town", ColumnType::Text, Arc::new(ids.iter().map(town).collect::<StringArray>())),
        ("at", ColumnType::Timestamp, Arc::new(TimestampMicrosecondArray::from(moments).with_timezone("UTC"))),
    ];
    batch(columns.into())
}

pub(super) fn batch(columns: Vec<(&str, ColumnType, ArrayRef)>) -> TypedBatch {
    let named = columns.iter().map(|(name, column_type, _)| Column::inferred(*name, column_type.clone()));
    let schema = TableSchema { columns: named.collect() };
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    let batch = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    TypedBatch { schema: Arc::new(schema), batch, originals: Vec::new() }
}

fn ids(range: std::ops::Range<i64>) -> TypedBatch {
    rows(&range.map(Some).collect::<Vec<_>>())
}

/// Commits rows to `t`.
async fn night(rig: &Rig, run: &str, change: impl FnOnce(&mut StageSettings), batches: Vec<TypedBatch>) {
    let mut lake = rig.open(run).await.unwrap();
    let (existing, files) = (lake.view().table("t").await.unwrap(), lake.live_files());
    let mut settings = settings(&lake);
    change(&mut settings);
    let schema = batches.iter().fold(TableSchema::default(), |schema, rows| schema.join(&rows.schema));
    let stage = move || {
        let mut stage = TableStage::new(settings, existing, files).unwrap();
        batches.into_iter().for_each(|rows| stage.push(rows).unwrap());
        stage.finish(&schema).unwrap()
    };
    let edit = tokio::task::spawn_blocking(stage).await.unwrap();
    let prepared = lake.format().prepare(edit).unwrap();
    lake.commit(vec![prepared], Map::new()).await.unwrap();
    lake.close().await.unwrap();
}

async fn archive(rig: &Rig) -> Archive {
    Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap()
}

async fn table(archive: &Archive, version: u64) -> TableAt {
    archive.tables_at(version, Some("t")).await.unwrap().remove("t").unwrap()
}

fn how(deep: bool) -> Verify {
    Verify { deep, one_row_a_key: ["t".to_owned()].into() }
}

async fn verified(rig: &Rig, deep: bool) -> Verification {
    let archive = archive(rig).await;
    let at = table(&archive, archive.newest()).await;
    archive.verify(archive.newest(), "t", &at, &how(deep)).await.unwrap()
}

fn told(faults: &[Fault]) -> Vec<(&str, &str)> {
    faults.iter().map(|fault| (fault.kind.name(), fault.place.rsplit('/').next().unwrap())).collect()
}

/// Asserts that both looks find nothing.
async fn assert_fine(rig: &Rig, what: &str) {
    for deep in [false, true] {
        let done = verified(rig, deep).await;
        assert!(done.faults.is_empty() && done.waiting.is_empty() && !done.is_outrun, "{what}, deep {deep}: {done:?}");
        assert!(done.pending.is_empty(), "{what}: {done:?}");
    }
}

/// Gives `t` another manifest in its newest commit, one that its name fits.
async fn forge(rig: &Rig, change: impl FnOnce(&mut Snapshot)) {
    let (layout, archive) = (Layout::new("p"), archive(rig).await);
    let mut snapshot = table(&archive, archive.newest()).await.snapshot;
    change(&mut snapshot);
    let manifest::Encoded { name, content } = manifest::encode("forger", "t", &snapshot);
    rig.store.put(&layout.manifest(&name), content).await.unwrap();
    let mut commit = read_commit(&*rig.store, &layout, archive.newest()).await.unwrap().unwrap();
    commit.tables.get_mut("t").unwrap().manifest = name;
    rig.store.put(&layout.commit(archive.newest()), to_json(&commit)).await.unwrap();
}

async fn content(rig: &Rig, path: &str) -> Vec<u8> {
    rig.store.get(path).await.unwrap().unwrap().bytes
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", xxh3_64(bytes))
}

/// A table in two partitions by the town's first letter, which files have, too.
async fn two_towns(rig: &Rig) {
    let by_letter = |settings: &mut StageSettings| {
        settings.partition_by = vec![field("town", Transform::Truncate { width: 1 }, "letter")];
    };
    night(rig, "one", by_letter, vec![ids(0..100)]).await;
}

const BONN: &str = "t/letter=B/part-000000.parquet";

#[tokio::test]
async fn a_healthy_lake_of_every_kind_is_fine() {
    type Change = fn(&mut StageSettings);
    let kinds: [(&str, Change); 4] = [
        ("one file", |_| {}),
        ("in the path alone", |settings| settings.partition_by = vec![field("town", Transform::Identity, "town")]),
        ("a key in the path", |settings| settings.partition_by = vec![field("id", Transform::Identity, "id")]),
        ("every transform", |settings| {
            settings.partition_by = vec![
                field("at", Transform::Year, "year"),
                field("at", Transform::Month, "month"),
                field("at", Transform::Day, "day"),
                field("at", Transform::Hour, "hour"),
                field("id", Transform::Bucket { buckets: 3 }, "bucket"),
                field("town", Transform::Truncate { width: 2 }, "start"),
            ];
        }),
    ];
    for (what, change) in kinds {
        for rig in Rig::every().await {
            night(&rig, "one", change, vec![ids(0..40)]).await;
            assert_fine(&rig, what).await;
            night(&rig, "two", change, vec![ids(30..50)]).await;
            assert_fine(&rig, what).await;
            assert_eq!(table(&archive(&rig).await, 2).await.snapshot.rows(), 50, "{what}");
        }
    }
}

#[tokio::test]
async fn a_table_without_rows_and_one_with_a_stand_in_file_are_fine() {
    for rig in Rig::every().await {
        night(&rig, "none", |_| {}, vec![ids(0..0)]).await;
        assert_fine(&rig, "no rows").await;
        night(&rig, "some", |_| {}, vec![ids(0..3)]).await;
        assert_fine(&rig, "rows at last").await;
    }
    for rig in Rig::every().await {
        // Towns that look like numbers need a folder that does not.
        let numbers: StringArray = ["01", "02"].into_iter().map(Some).collect();
        let numbers =
            batch(vec![("id", INT, Arc::new(Int64Array::from(vec![1, 2]))), ("town", ColumnType::Text, Arc::new(numbers))]);
        night(
            &rig,
            "numbers",
            |settings| settings.partition_by = vec![field("town", Transform::Identity, "town")],
            vec![numbers],
        )
        .await;
        assert_eq!(table(&archive(&rig).await, 1).await.files.len(), 3);
        assert_fine(&rig, "a stand-in file").await;
    }
}

#[tokio::test]
async fn a_table_that_evolved_and_one_that_was_rolled_back_are_fine() {
    for change in [OnSchemaChange::Rewrite, OnSchemaChange::Leave] {
        for rig in Rig::every().await {
            let by_town = |settings: &mut StageSettings| {
                settings.on_schema_change = change;
                settings.partition_by = vec![field("town", Transform::Identity, "town")];
            };
            night(&rig, "one", by_town, vec![ids(0..10)]).await;
            let wider = batch(vec![
                ("id", INT, Arc::new(Int64Array::from(vec![100]))),
                ("town", ColumnType::Text, Arc::new(StringArray::from(vec!["Ulm"]))),
                ("new", ColumnType::Text, Arc::new(StringArray::from(vec!["x"]))),
            ]);
            night(&rig, "two", by_town, vec![wider]).await;
            assert_fine(&rig, "a new column").await;
            let mut lake = rig.open("back").await.unwrap();
            lake.rollback(1, &rig.plan, |_| None).await.unwrap();
            lake.close().await.unwrap();
            assert_fine(&rig, "rolled back").await;
            let archive = archive(&rig).await;
            let at = table(&archive, 2).await;
            let done = archive.verify(2, "t", &at, &how(true)).await.unwrap();
            assert!(done.faults.is_empty(), "the version before the rollback: {done:?}");
        }
    }
}

#[tokio::test]
async fn an_append_may_have_a_key_twice_and_a_merge_may_not() {
    for rig in Rig::every().await {
        let append = |settings: &mut StageSettings| settings.disposition = WriteDisposition::Append;
        night(&rig, "one", append, vec![ids(0..10)]).await;
        night(&rig, "two", append, vec![ids(5..10)]).await;
        let archive = archive(&rig).await;
        let at = table(&archive, 2).await;
        let appends = Verify { deep: true, ..Verify::default() };
        let done = archive.verify(2, "t", &at, &appends).await.unwrap();
        assert!(done.faults.is_empty() && !done.keys_compared, "{done:?}");
        let done = archive.verify(2, "t", &at, &how(true)).await.unwrap();
        assert_eq!(told(&done.faults), [("repeated_key", "part-000001.parquet")]);
        let found = &done.faults[0].found;
        assert!(found.starts_with("5 rows, the first is row 1 of the file") && found.ends_with(": 5"), "{found}");
    }
}

#[tokio::test]
async fn missing_cut_changed_exchanged_and_unknown_files_are_named() {
    for rig in Rig::every().await {
        two_towns(&rig).await;
        let whole = content(&rig, BONN).await;
        let flipped: Vec<u8> = whole.iter().enumerate().map(|(at, byte)| if at == 60 { byte ^ 1 } else { *byte }).collect();
        let exchanged = vec![b'x'; whole.len()];
        let planted = [("size", whole[..whole.len() - 1].to_vec()), ("checksum", flipped), ("checksum", exchanged)];
        for (kind, bytes) in planted {
            rig.store.put(BONN, bytes.clone()).await.unwrap();
            let done = verified(&rig, false).await;
            assert_eq!(told(&done.faults), [(kind, "part-000000.parquet")]);
            assert_eq!(done.faults[0].kind.remedy(), Remedy::PutBack);
            if kind == "checksum" {
                assert_eq!(done.faults[0].found, format!("checksum {}", checksum(&bytes)));
                assert_eq!(done.faults[0].expected, format!("checksum {}", checksum(&whole)));
            }
            assert_eq!(told(&verified(&rig, true).await.faults), [(kind, "part-000000.parquet")]);
        }
        rig.store.remove(BONN).await.unwrap();
        assert_eq!(told(&verified(&rig, false).await.faults), [("missing", "part-000000.parquet")]);
        rig.store.put(BONN, whole).await.unwrap();
        rig.store.put("t/letter=B/extra.parquet", b"theirs".to_vec()).await.unwrap();
        rig.store.put("t/_SUCCESS", b"".to_vec()).await.unwrap();
        let done = verified(&rig, false).await;
        assert_eq!(told(&done.faults), [("unknown_file", "extra.parquet")]);
        assert_eq!(done.faults[0].kind.remedy(), Remedy::MoveOut);
        rig.store.remove("t/letter=B/extra.parquet").await.unwrap();
        assert_fine(&rig, "put back").await;
    }
}

#[tokio::test]
async fn a_page_that_was_damaged_before_its_commit_is_found_by_decoding_it() {
    for rig in Rig::every().await {
        night(&rig, "one", |_| {}, vec![ids(0..5_000)]).await;
        let path = "t/part-000000.parquet";
        let mut bytes = content(&rig, path).await;
        bytes[40..90].fill(0xFF);
        rig.store.put(path, bytes.clone()).await.unwrap();
        forge(&rig, |table| table.files[0].checksum = checksum(&bytes)).await;
        assert!(verified(&rig, false).await.faults.is_empty());
        let done = verified(&rig, true).await;
        assert_eq!(told(&done.faults), [("content", "part-000000.parquet")]);
        assert_eq!(done.faults[0].kind.remedy(), Remedy::Undo);
    }
}

#[tokio::test]
async fn rows_that_are_not_as_many_and_columns_that_the_table_has_not_are_named() {
    for rig in Rig::every().await {
        night(&rig, "one", |_| {}, vec![ids(0..10)]).await;
        forge(&rig, |table| table.files[0].rows = 11).await;
        let done = verified(&rig, false).await;
        assert_eq!(told(&done.faults), [("rows", "part-000000.parquet")]);
        assert_eq!((done.faults[0].expected.as_str(), done.faults[0].found.as_str()), ("11 rows", "10 rows in its footer"));
        forge(&rig, |table| {
            table.files[0].rows = 10;
            table.schema.columns.retain(|column| column.name != "at");
            table.schema.columns[1].column_type = ColumnType::Date;
        })
        .await;
        let found = verified(&rig, false).await.faults;
        let words: Vec<&str> = found.iter().map(|fault| fault.expected.as_str()).collect();
        assert!(words.contains(&"no column `at`"), "{found:?}");
    }
}

#[tokio::test]
async fn a_copied_file_is_found_by_its_keys() {
    for rig in Rig::every().await {
        night(&rig, "one", |_| {}, vec![ids(7..10)]).await;
        let copy = "t/part-000009.parquet";
        rig.store.put(copy, content(&rig, "t/part-000000.parquet").await).await.unwrap();
        forge(&rig, |table| {
            let mut file = table.files[0].clone();
            (file.path, file.etag) = (copy.to_owned(), None);
            table.insert(file);
        })
        .await;
        assert!(verified(&rig, false).await.faults.is_empty(), "each file is what the manifest says");
        let done = verified(&rig, true).await;
        assert_eq!(told(&done.faults), [("repeated_key", "part-000009.parquet")]);
        assert!(done.faults[0].found.starts_with("3 rows") && done.faults[0].found.ends_with(": 7"), "{done:?}");
        forge(&rig, |table| table.files[1] = table.files[0].clone()).await;
        let kinds: Vec<&str> = verified(&rig, false).await.faults.iter().map(|fault| fault.kind.name()).collect();
        assert_eq!(kinds, ["listed_twice", "unknown_file"]);
    }
}

#[tokio::test]
async fn rows_in_the_wrong_folder_and_files_under_the_wrong_path_are_named() {
    for rig in Rig::every().await {
        two_towns(&rig).await;
        let files = table(&archive(&rig).await, 1).await.snapshot.files;
        let (one, other) = (content(&rig, &files[0].path).await, content(&rig, &files[1].path).await);
        rig.store.put(&files[0].path, other).await.unwrap();
        rig.store.put(&files[1].path, one).await.unwrap();
        forge(&rig, |table| {
            for (file, from) in table.files.iter_mut().zip([&files[1], &files[0]]) {
                let DataFile { rows, bytes, checksum, key_ranges, .. } = from.clone();
                *file = DataFile { rows, bytes, checksum, key_ranges, etag: None, ..file.clone() };
            }
        })
        .await;
        assert!(verified(&rig, false).await.faults.is_empty());
        let done = verified(&rig, true).await;
        assert_eq!(told(&done.faults).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["partition", "partition"]);
        let Fault { expected, found, .. } = &done.faults[0];
        assert_eq!(expected, "rows of `letter=B`");
        assert_eq!(found, "50 rows, the first is row 1 of the file, of `letter=K`");
        forge(&rig, |table| table.files[0].partition = vec![Some("Z".to_owned())]).await;
        assert_eq!(verified(&rig, false).await.faults[0].expected, "folder `letter=Z`");
    }
}

#[tokio::test]
async fn a_null_in_a_key_is_named_with_its_row() {
    for rig in Rig::every().await {
        let keyless = |settings: &mut StageSettings| {
            (settings.primary_key, settings.disposition) = (vec![], WriteDisposition::Append);
        };
        night(&rig, "one", keyless, vec![rows(&[Some(1), Some(2), None, Some(3), None])]).await;
        assert_fine(&rig, "no key").await;
        forge(&rig, |table| table.primary_key = vec!["id".to_owned()]).await;
        let done = verified(&rig, true).await;
        assert_eq!(told(&done.faults), [("null_key", "part-000000.parquet")]);
        assert_eq!(done.faults[0].found, "null in 2 rows, the first is row 3 of the file");
    }
}

#[tokio::test]
async fn a_key_outside_of_the_range_that_the_manifest_tells_is_named() {
    for rig in Rig::every().await {
        night(&rig, "a", |_| (), vec![ids(0..10)]).await;
        assert_fine(&rig, "as written").await;
        forge(&rig, |table| drop(table.files[0].key_ranges.insert("id".to_owned(), KeyRange::Int(3, 9)))).await;
        let done = verified(&rig, true).await;
        assert_eq!(told(&done.faults), [("key_range", "part-000000.parquet")]);
        assert_eq!(done.faults[0].found, "0, which a merge would not find");
    }
}

#[tokio::test]
async fn a_manifest_whose_name_does_not_tell_its_content_rules_no_file_out() {
    for rig in Rig::every().await {
        night(&rig, "a", |_| (), vec![ids(0..10)]).await;
        let layout = Layout::new("p");
        let commit = read_commit(&*rig.store, &layout, 1).await.unwrap().unwrap();
        let path = layout.manifest(&commit.tables["t"].manifest);
        let text = String::from_utf8(content(&rig, &path).await).unwrap();
        assert!(text.contains(r#""key_ranges":{"id":{"int":[0,9]}}"#), "{text}");
        rig.store.put(&path, text.replace("[0,9]", "[5,9]").into_bytes()).await.unwrap();
        let other = rows(&[Some(2)]);
        let towns = StringArray::from(vec!["Ulm"]);
        let columns = vec![Arc::clone(other.batch.column(0)), Arc::new(towns), Arc::clone(other.batch.column(2))];
        let other = TypedBatch { batch: RecordBatch::try_new(other.batch.schema(), columns).unwrap(), ..other };
        night(&rig, "b", |_| (), vec![other]).await;
        assert_fine(&rig, "the key was found, whatever the manifest said").await;
        assert_eq!(table(&archive(&rig).await, 2).await.snapshot.rows(), 10);
    }
}

#[tokio::test]
async fn a_manifest_and_a_claim_that_are_anothers_are_named() {
    for rig in Rig::every().await {
        night(&rig, "one", |_| {}, vec![ids(0..3)]).await;
        let claim = Layout::new("p").claim("t", 0);
        let mine = content(&rig, &claim).await;
        rig.store.put(&claim, String::from_utf8(mine.clone()).unwrap().replace("\"p\"", "\"q\"").into_bytes()).await.unwrap();
        let done = verified(&rig, false).await;
        assert_eq!(told(&done.faults), [("claim", "t.json")]);
        assert_eq!(done.faults[0].found, "a claim of pipeline `q`");
        rig.store.put(&claim, mine).await.unwrap();
        let commit = read_commit(&*rig.store, &Layout::new("p"), 1).await.unwrap().unwrap();
        let manifest = Layout::new("p").manifest(&commit.tables["t"].manifest);
        let text = String::from_utf8(content(&rig, &manifest).await).unwrap();
        rig.store.put(&manifest, text.replace("\"next_number\":1", "\"next_number\":2").into_bytes()).await.unwrap();
        let done = verified(&rig, false).await;
        assert_eq!(told(&done.faults).iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["manifest"]);
    }
}

#[tokio::test]
async fn a_commit_during_the_verification_is_no_fault() {
    for keep_versions in [1, 0] {
        for mut rig in Rig::every().await {
            rig.plan.keep_versions = keep_versions;
            two_towns(&rig).await;
            let before = archive(&rig).await;
            let at = table(&before, 1).await;
            let by_letter = |settings: &mut StageSettings| {
                settings.partition_by = vec![field("town", Transform::Truncate { width: 1 }, "letter")];
            };
            let ulm = batch(vec![
                ("id", INT, Arc::new(Int64Array::from(vec![0, 100]))),
                ("town", ColumnType::Text, Arc::new(StringArray::from(vec!["Bonn!", "Ulm"]))),
            ]);
            night(&rig, "two", by_letter, vec![ulm]).await;
            let done = before.verify(1, "t", &at, &how(true)).await.unwrap();
            assert_eq!((done.faults.as_slice(), done.is_outrun), (&[][..], keep_versions == 0));
            assert_fine(&rig, "the newest version").await;
        }
    }
}

#[tokio::test]
async fn a_commit_that_is_not_published_whole_is_told_and_is_no_fault() {
    for rig in Rig::every().await {
        let layout = Layout::new("p");
        two_towns(&rig).await;
        let by_letter = |settings: &mut StageSettings| {
            settings.partition_by = vec![field("town", Transform::Truncate { width: 1 }, "letter")];
        };
        let changed = batch(vec![
            ("id", INT, Arc::new(Int64Array::from(vec![0, 100]))),
            ("town", ColumnType::Text, Arc::new(StringArray::from(vec!["Bonn!", "Ulm"]))),
        ]);
        night(&rig, "two", by_letter, vec![changed]).await;
        rig.store.remove(&layout.done(2)).await.unwrap();
        let done = verified(&rig, true).await;
        assert_eq!(
            (done.faults.len(), done.waiting.len(), done.pending.as_slice()),
            (0, 0, &[2][..]),
            "all of it is in its place"
        );
        // Brings the lake back to where nothing of the commit is published.
        let commit = read_commit(&*rig.store, &layout, 2).await.unwrap().unwrap();
        let mut puts = 0;
        for change in commit.files.iter().filter(|change| change.action == Action::Put) {
            if let Some(Handle::Staged(staged)) = &change.handle {
                rig.store.put(staged, content(&rig, &change.path).await).await.unwrap();
            }
            match &change.replaces {
                Some(_) => {
                    let old = content(&rig, &layout.kept(2, &commit.run, &change.path)).await;
                    rig.store.put(&change.path, old).await.unwrap();
                }
                None => rig.store.remove(&change.path).await.unwrap(),
            }
            puts += 1;
        }
        let done = verified(&rig, true).await;
        assert_eq!((done.faults.as_slice(), done.waiting.len()), (&[][..], puts));
        let put = commit.files.iter().find(|change| change.replaces.is_some()).unwrap();
        rig.store.put(&put.path, b"theirs".to_vec()).await.unwrap();
        assert_eq!(told(&verified(&rig, false).await.faults), [("size", put.path.rsplit('/').next().unwrap())]);
    }
}
