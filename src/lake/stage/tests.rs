//! The stage against a model: what a publisher would make of its changes, read back with the Parquet reader.

mod content;
mod engine;
mod evolution;
mod fill;
mod ranges;
mod readers;
mod records;
mod size;
mod splice;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::{Float64Array, Int64Array, StringArray};
use tempfile::TempDir;

use super::*;
use crate::config::{Compat, Compression, MergePlan, OnSchemaChange, SortField, Transform};
use crate::decode::{Originals, Spelling};
use crate::lake::checksum::{ContentCheck, Verified};
use crate::lake::{DataFile, FileChange, LiveFile, PreparedTable, name_files};
use crate::schema::{Column, Digits};

const INT: ColumnType = ColumnType::Int64 { wide: false };
const FLOAT: ColumnType = ColumnType::Float64(Digits::UNKNOWN);

/// A lake folder with one table, and the publisher.
#[derive(Debug)]
struct Lake {
    folder: TempDir,
    state: Snapshot,
    nights: u32,
}

#[derive(Debug)]
struct Folder(PathBuf);

impl LiveFiles for Folder {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        let path = self.0.join(&file.path);
        let check = ContentCheck::new(path.clone(), file.bytes, &file.checksum, &Verified::default());
        Ok(LiveFile::open_disk(&path)?.checked(check))
    }
}

impl Lake {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), state: Snapshot::default(), nights: 0 }
    }

    fn settings(&mut self, disposition: WriteDisposition) -> StageSettings {
        self.nights += 1;
        StageSettings {
            table: "t".into(),
            primary_key: vec!["id".into()],
            disposition,
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
            spool: self.folder.path().join(format!("spool-{}", self.nights)),
            budgets: StageBudgets::default(),
            engine: Arc::new(Embedded),
        }
    }

    fn run(&mut self, settings: StageSettings, rows: Vec<TypedBatch>) -> StageStats {
        let staged = self.stage(settings, rows).unwrap();
        self.publish(staged)
    }

    fn stage(&mut self, settings: StageSettings, rows: Vec<TypedBatch>) -> Result<PreparedTable, LakeError> {
        let files = Arc::new(Folder(self.folder.path().to_owned()));
        let schema = rows.iter().fold(TableSchema::default(), |schema, rows| schema.join(&rows.schema));
        let mut stage = TableStage::new(settings, self.state.clone(), files)?;
        rows.into_iter().try_for_each(|rows| stage.push(rows))?;
        name_files(stage.finish(&schema)?)
    }

    fn publish(&mut self, staged: PreparedTable) -> StageStats {
        let stats = staged.stats;
        let StageStats { rows_in, rows_inserted, rows_updated, rows_unchanged, rows_deduplicated, .. } = stats;
        let counted = rows_inserted + rows_updated + rows_unchanged + rows_deduplicated;
        assert_eq!(rows_in, counted + stats.rows_deleted + stats.deletes_unmatched, "{stats:?}");
        for change in &staged.changes {
            match change {
                FileChange::Put { file, spooled, replaces, .. } => {
                    let target = self.folder.path().join(&file.path);
                    assert_eq!(target.exists(), replaces.is_some(), "{}", file.path);
                    if let Some(replaced) = replaces {
                        assert!(self.state.files.contains(replaced));
                    }
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    assert!(!spooled.to_string_lossy().ends_with(".parquet"));
                    let bytes = std::fs::read(spooled).unwrap();
                    assert_eq!(bytes.len() as u64, file.bytes);
                    let mut hash = crate::lake::checksum::Hashing::like(&file.checksum);
                    hash.update(&bytes);
                    assert_eq!(hash.finish(), file.checksum);
                    std::fs::rename(spooled, target).unwrap();
                }
                FileChange::Delete { file } | FileChange::Retire { file } => {
                    assert!(self.state.files.contains(file));
                    std::fs::remove_file(self.folder.path().join(&file.path)).unwrap();
                }
            }
        }
        self.state = staged.after;
        let listed: Vec<String> = self.state.files.iter().map(|file| file.path.clone()).collect();
        assert_eq!(listed, parquet_files(self.folder.path()));
        stats
    }

    /// All rows as texts by column name, with partition values from the path for columns that files lack; files by path.
    fn rows(&self) -> Vec<BTreeMap<String, String>> {
        let mut rows = Vec::new();
        for file in &self.state.files {
            let read = read_file(&self.folder.path().join(&file.path));
            assert_eq!(read.len() as u64, file.rows);
            for mut row in read {
                for level in file.path.split('/').filter(|part| part.contains('=')) {
                    let (name, value) = level.split_once('=').unwrap();
                    row.entry(name.to_owned()).or_insert_with(|| value.to_owned());
                }
                rows.push(row);
            }
        }
        rows
    }

    fn schemas(&self) -> Vec<arrow_schema::Schema> {
        let open = |file: &DataFile| LiveFile::open_disk(&self.folder.path().join(&file.path)).unwrap();
        self.state
            .files
            .iter()
            .map(|file| {
                crate::lake::parquet::ParquetSource::open(open(file), file.path.clone()).unwrap().schema().as_ref().clone()
            })
            .collect()
    }
}

fn parquet_files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, below: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), found);
            } else if name.ends_with(".parquet") {
                found.push(name);
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}

fn read_file(path: &Path) -> Vec<BTreeMap<String, String>> {
    use arrow_cast::display::{ArrayFormatter, FormatOptions};
    let source = crate::lake::parquet::ParquetSource::open(LiveFile::open_disk(path).unwrap(), "test".into()).unwrap();
    let all = (0..source.row_groups().len()).collect();
    let options = FormatOptions::new().with_null("null");
    let mut rows = Vec::new();
    for batch in source.read(all, None, None, 1000).unwrap() {
        let batch = batch.unwrap();
        let schema = batch.schema();
        // A time in a zone is shown by its microseconds, without a time zone database.
        let shown = |column: &ArrayRef| match column.data_type() {
            DataType::Timestamp(..) => arrow_cast::cast(column, &DataType::Int64).unwrap(),
            _ => Arc::clone(column),
        };
        let shown: Vec<ArrayRef> = batch.columns().iter().map(shown).collect();
        let columns: Vec<_> = shown.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let cells = schema.fields().iter().zip(&columns);
            rows.push(cells.map(|(field, column)| (field.name().clone(), column.value(row).to_string())).collect());
        }
    }
    rows
}

fn batch(columns: Vec<(&str, ColumnType, ArrayRef)>) -> TypedBatch {
    let schema = TableSchema {
        columns: columns.iter().map(|(name, column_type, _)| Column::inferred(*name, column_type.clone())).collect(),
    };
    let arrays = columns.into_iter().map(|(_, _, array)| array).collect();
    let batch = RecordBatch::try_new(schema.to_arrow(), arrays).unwrap();
    TypedBatch { schema: Arc::new(schema), batch, originals: vec![] }
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn texts(values: impl IntoIterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

/// Rows with the ids, a text of the version, and a city.
fn people(ids: impl Iterator<Item = i64> + Clone, version: &str) -> TypedBatch {
    batch(vec![
        ("id", INT, ints(ids.clone())),
        ("name", ColumnType::Text, texts(ids.clone().map(|id| format!("{version} {id}")))),
        ("city", ColumnType::Text, texts(ids.map(|id| format!("city {}", id % 3)))),
    ])
}

fn names(lake: &Lake) -> BTreeMap<i64, String> {
    let rows = lake.rows();
    let names: BTreeMap<i64, String> = rows.iter().map(|row| (row["id"].parse().unwrap(), row["name"].clone())).collect();
    assert_eq!(names.len(), rows.len(), "a key is there twice");
    names
}

#[test]
fn appended_rows_stay_in_order_and_old_files_stay_untouched() {
    let mut lake = Lake::new();
    let settings = StageSettings { primary_key: vec![], ..lake.settings(WriteDisposition::Append) };
    let stats = lake.run(settings, (0..40).map(|page| people(page * 100..page * 100 + 100, "a")).collect());
    assert_eq!((stats.rows_in, stats.rows_inserted), (4000, 4000));
    let ids: Vec<i64> = lake.rows().iter().map(|row| row["id"].parse().unwrap()).collect();
    assert_eq!(ids, (0..4000).collect::<Vec<_>>());
    let before = lake.state.files.clone();
    let settings = StageSettings { primary_key: vec![], ..lake.settings(WriteDisposition::Append) };
    lake.run(settings, vec![people(0..10, "b")]);
    assert_eq!(lake.state.files.len(), 2);
    assert_eq!(lake.state.files[0], before[0]);
    assert_eq!(lake.state.files[1].path, "t/part-000001.parquet");
    assert_eq!(lake.state.next_number, 2);
}

#[test]
fn a_replaced_table_has_the_runs_rows_under_the_old_names() {
    let mut lake = Lake::new();
    let settings = lake.settings(WriteDisposition::Replace);
    lake.run(settings, vec![people(0..100, "a")]);
    let settings = lake.settings(WriteDisposition::Replace);
    lake.run(settings, vec![people(50..60, "b"), people(55..65, "c")]);
    assert_eq!(lake.state.files.len(), 1);
    assert_eq!(lake.state.files[0].path, "t/part-000000.parquet");
    let expected = (50..55).map(|id| (id, format!("b {id}"))).chain((55..65).map(|id| (id, format!("c {id}"))));
    assert_eq!(names(&lake), expected.collect());
}

#[test]
fn the_last_row_of_a_key_wins_whatever_partition_and_row_group_it_is_in() {
    for (partitioned, sorted) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut lake = Lake::new();
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        if partitioned {
            settings.partition_by =
                vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
        }
        if sorted {
            settings.sort_by = vec![SortField { column: "name".into(), descending: true }];
        }
        let moved = batch(vec![
            ("id", INT, ints(0..40)),
            ("name", ColumnType::Text, texts((0..40).map(|id| format!("moved {id}")))),
            ("city", ColumnType::Text, texts((0..40).map(|_| "city 1".to_owned()))),
        ]);
        let stats =
            lake.run(settings, vec![people(0..300, "a"), people(100..150, "b"), moved, people(120..130, "c"), people(7..8, "d")]);
        assert_eq!(stats.rows_deduplicated, 101);
        let version = |id: i64| match id {
            7 => "d",
            0..40 => "moved",
            120..130 => "c",
            100..150 => "b",
            _ => "a",
        };
        assert_eq!(names(&lake), (0..300).map(|id| (id, format!("{} {id}", version(id)))).collect());
        let city = |row: &BTreeMap<String, String>| row["city"].replace("%20", " ");
        assert!(lake.rows().iter().filter(|row| row["name"].starts_with("moved")).all(|row| city(row) == "city 1"));
    }
}

fn small(settings: &mut StageSettings) {
    settings.target_file_size = 20_000;
    settings.budgets = StageBudgets {
        row_group_rows: 50,
        sorted_rows: 50,
        sample_rows: 60,
        chunk_rows: 40,
        open_bytes: 20_000,
        footer_bytes: 20_000,
        key_bytes: 2_000,
        note_bytes: 64,
        gather_bytes: 4_000,
        small_row_group_rows: 10,
        small_row_groups: 3,
        open_handles: 2,
        ..StageBudgets::default()
    };
}

/// A value of the model, with the text that any wider column has for it.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

impl Value {
    /// As a column of this type shows it.
    fn shown(&self, column_type: &ColumnType) -> String {
        match (self, column_type) {
            (Self::Null, _) => "null".into(),
            (Self::Int(value), ColumnType::Float64(_)) => format!("{:?}", *value as f64),
            (Self::Int(value), _) => value.to_string(),
            (Self::Float(value), ColumnType::Float64(_)) => format!("{value:?}"),
            (Self::Float(value), _) => value.to_string(),
            (Self::Text(value), _) => value.clone(),
        }
    }

    fn column_type(&self) -> ColumnType {
        match self {
            Self::Null => ColumnType::Unknown,
            Self::Int(_) => INT,
            Self::Float(_) => FLOAT,
            Self::Text(_) => ColumnType::Text,
        }
    }
}

type Row = BTreeMap<&'static str, Value>;

/// A batch of rows, in the least types that hold them.
fn typed(rows: &[Row], columns: &[&'static str]) -> TypedBatch {
    let value = |row: &Row, name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let column = |name: &&'static str| {
        let values: Vec<Value> = rows.iter().map(|row| value(row, name)).collect();
        let column_type = values.iter().fold(ColumnType::Unknown, |joined, value| joined.join(&value.column_type()));
        let array: ArrayRef = match &column_type {
            ColumnType::Unknown => new_null_array(&DataType::Null, rows.len()),
            ColumnType::Float64(_) => Arc::new(Float64Array::from_iter(values.iter().map(|value| match value {
                Value::Int(value) => Some(*value as f64),
                Value::Float(value) => Some(*value),
                _ => None,
            }))),
            ColumnType::Int64 { .. } => Arc::new(Int64Array::from_iter(values.iter().map(|value| match value {
                Value::Int(value) => Some(*value),
                _ => None,
            }))),
            _ => Arc::new(StringArray::from_iter(
                values.iter().map(|value| (*value != Value::Null).then(|| value.shown(&ColumnType::Text))),
            )),
        };
        (*name, column_type, array)
    };
    batch(columns.iter().map(column).collect())
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn model_night(chance: &mut Chance, night: u64) -> Vec<(Vec<Row>, Vec<&'static str>)> {
    let mut columns: Vec<&'static str> = vec!["id", "city", "amount", "note"];
    if night >= 2 {
        columns.push("late");
    }
    let pages = chance.below(6);
    (0..pages)
        .map(|page| {
            if night == 3 && page == 2 {
                columns.push("later");
            }
            let rows = (0..chance.below(90))
                .map(|_| {
                    let mut row = Row::new();
                    row.insert("id", Value::Int(chance.below(400) as i64));
                    row.insert("city", Value::Text(format!("c{}", chance.below(4))));
                    let amount = match (night, chance.below(20)) {
                        (1.., 0) => Value::Float(chance.below(100) as f64 + 0.25),
                        (3.., 1) => Value::Text("many".into()),
                        (_, 2) => Value::Null,
                        (_, number) => Value::Int(number as i64),
                    };
                    row.insert("amount", amount);
                    row.insert(
                        "note",
                        if night.is_multiple_of(2) { Value::Text(format!("n{}", chance.below(3))) } else { Value::Null },
                    );
                    row.insert("late", Value::Int(chance.below(5) as i64));
                    row.insert("later", Value::Text("x".into()));
                    row.retain(|name, _| columns.contains(name));
                    row
                })
                .collect();
            (rows, columns.clone())
        })
        .collect()
}

fn check_against_model(seed: u64, partitioned: bool, sorted: bool) {
    let mut chance = Chance(seed);
    let mut lake = Lake::new();
    let mut model: BTreeMap<i64, Row> = BTreeMap::new();
    for night in 0..6 {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        if partitioned {
            settings.partition_by =
                vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
        }
        if sorted {
            settings.sort_by = vec![SortField { column: "note".into(), descending: false }];
        }
        let pages = model_night(&mut chance, night);
        let before = model.clone();
        for row in pages.iter().flat_map(|(rows, _)| rows) {
            let Value::Int(id) = row["id"] else { unreachable!() };
            model.insert(id, row.clone());
        }
        let files = lake.state.files.clone();
        let schema = lake.state.schema.clone();
        let stats = lake.run(settings, pages.iter().map(|(rows, columns)| typed(rows, columns)).collect());
        let shown = |row: &Row| -> BTreeMap<String, String> {
            let value = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
            lake.state.schema.columns.iter().map(|c| (c.name.clone(), value(&c.name).shown(&c.column_type))).collect()
        };
        let mut rows = lake.rows();
        rows.sort_by_key(|row| row["id"].parse::<i64>().unwrap());
        let expected: Vec<_> = model.values().map(shown).collect();
        assert_eq!(rows, expected, "seed {seed} night {night}");
        assert_eq!(stats.rows_inserted, (model.len() - before.len()) as u64);
        let same = |row: &Row, other: &Row| {
            lake.state.schema.columns.iter().all(|c| {
                let value = |row: &Row| row.get(c.name.as_str()).cloned().unwrap_or(Value::Null).shown(&c.column_type);
                value(row) == value(other)
            })
        };
        let changed = before.iter().filter(|(id, row)| !same(row, &model[*id])).count();
        assert_eq!(stats.rows_updated, changed as u64, "seed {seed} night {night}");
        let schemas = lake.schemas();
        assert!(schemas.windows(2).all(|pair| pair[0] == pair[1]), "{schemas:#?}");
        if changed == 0 && stats.rows_inserted == 0 && schema == lake.state.schema {
            assert_eq!(files, lake.state.files);
        }
    }
}

#[test]
fn nights_of_changes_moves_new_columns_and_wider_types_leave_the_table_that_a_model_has() {
    for seed in 0..12 {
        check_against_model(seed, seed % 2 == 1, seed % 3 == 2);
    }
}

#[test]
fn the_same_input_gives_the_same_names_and_bytes() {
    let mut nights = Vec::new();
    for _ in 0..2 {
        let mut lake = Lake::new();
        for night in 0..3 {
            let mut settings = lake.settings(WriteDisposition::Merge);
            small(&mut settings);
            settings.partition_by =
                vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
            let pages = (0..5).map(|page| people((page * 70 + night * 11..page * 70 + 100).step_by(1), &format!("{night}")));
            lake.run(settings, pages.collect());
        }
        nights.push(lake.state.files);
    }
    assert_eq!(nights[0], nights[1]);
}

#[test]
fn a_refresh_without_changes_writes_nothing() {
    let mut lake = Lake::new();
    let pages = || (0..4).map(|page| people(page * 90..page * 90 + 90, "a")).collect::<Vec<_>>();
    for night in 0..2 {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        let before = lake.state.files.clone();
        let stats = lake.run(settings, pages());
        if night == 1 {
            assert_eq!(lake.state.files, before);
            assert_eq!(stats.rows_unchanged, 360);
        }
    }
}

#[test]
fn only_files_with_a_changed_row_are_written_again() {
    let mut lake = Lake::new();
    let mut settings = lake.settings(WriteDisposition::Merge);
    small(&mut settings);
    settings.target_file_size = 1500;
    lake.run(settings, (0..8).map(|page| people(page * 100..page * 100 + 100, "a")).collect());
    let before = lake.state.files.clone();
    assert!(before.len() > 3, "{}", before.len());
    let mut settings = lake.settings(WriteDisposition::Merge);
    small(&mut settings);
    settings.target_file_size = 1500;
    let stats = lake.run(settings, vec![people(3..4, "b"), people(100..105, "a")]);
    assert_eq!((stats.rows_updated, stats.rows_unchanged), (1, 5));
    let changed = before.iter().filter(|file| !lake.state.files.contains(file)).count();
    assert_eq!((changed, lake.state.files.len()), (1, before.len()));
    assert_eq!(names(&lake)[&3], "b 3");
}

/// Amounts as floats that the API wrote with two digits, the third in another way.
fn prices(ids: std::ops::Range<i64>) -> TypedBatch {
    let mut rows = batch(vec![
        ("id", INT, ints(ids.clone())),
        ("city", ColumnType::Text, texts(ids.clone().map(|id| format!("c{}", id % 3)))),
        ("amount", FLOAT, Arc::new(Float64Array::from_iter_values(ids.clone().map(|id| id as f64 + 0.5)))),
    ]);
    let exceptions = vec![(2, Box::from(format!("{}5e-1", ids.start + 2)))];
    rows.originals = vec![Originals { leaf: vec!["amount".into()], spelling: Spelling::FixedNumber(2), exceptions }];
    rows
}

#[test]
fn text_that_a_late_page_asks_for_is_the_apis_own_whatever_became_of_the_rows() {
    for (partitioned, sorted, merged) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, false), (true, false, true)]
    {
        let mut lake = Lake::new();
        let settings = |lake: &mut Lake| {
            let mut settings = lake.settings(WriteDisposition::Merge);
            small(&mut settings);
            if partitioned {
                settings.partition_by =
                    vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
            }
            if sorted {
                settings.sort_by = vec![SortField { column: "id".into(), descending: true }];
            }
            settings
        };
        if merged {
            let first = settings(&mut lake);
            lake.run(first, vec![people(1000..1001, "old")]);
        }
        let late = batch(vec![
            ("id", INT, ints([900])),
            ("city", ColumnType::Text, texts(["c0".to_owned()])),
            ("amount", ColumnType::Text, texts(["a lot".to_owned()])),
        ]);
        let settings = settings(&mut lake);
        lake.run(settings, (0..6).map(|page| prices(page * 50..page * 50 + 50)).chain([late, prices(0..30)]).collect());
        let mut rows = lake.rows();
        rows.retain(|row| row["id"] != "1000");
        assert_eq!(rows.len(), 301);
        for row in rows {
            let id: i64 = row["id"].parse().unwrap();
            let expected = match id {
                900 => "a lot".to_owned(),
                id if id % 50 == 2 => format!("{id}5e-1"),
                id => format!("{id}.50"),
            };
            assert_eq!(row["amount"], expected, "{partitioned} {sorted} {merged}");
        }
    }
}

#[test]
fn many_partitions_fit_a_tiny_budget() {
    let mut lake = Lake::new();
    let mut settings = lake.settings(WriteDisposition::Merge);
    small(&mut settings);
    settings.partition_by =
        vec![PartitionField { column: "id".into(), transform: Transform::Bucket { buckets: 60 }, name: "bucket".into() }];
    lake.run(settings, (0..20).map(|page| people(page * 100..page * 100 + 100, "a")).collect());
    assert_eq!(names(&lake).len(), 2000);
    assert_eq!(lake.state.files.len(), 60);
}

#[test]
fn an_appended_column_is_null_in_old_files_or_they_are_left_until_a_type_widens() {
    let rewrite = [(OnSchemaChange::Rewrite, 1), (OnSchemaChange::RewriteUpTo(1 << 20), 1)];
    let leave = [(OnSchemaChange::Leave, 2), (OnSchemaChange::RewriteUpTo(1000), 2)];
    for (on_schema_change, schemas) in rewrite.into_iter().chain(leave) {
        let mut lake = Lake::new();
        let append =
            |lake: &mut Lake| StageSettings { primary_key: vec![], on_schema_change, ..lake.settings(WriteDisposition::Append) };
        let settings = append(&mut lake);
        lake.run(settings, vec![people(0..300, "a")]);
        let mut wide = people(300..310, "b");
        wide = widen(
            &wide,
            &Arc::new(TableSchema { columns: [wide.schema.columns.clone(), vec![Column::inferred("extra", FLOAT)]].concat() }),
        )
        .unwrap();
        let settings = append(&mut lake);
        lake.run(settings, vec![wide.clone()]);
        let mut found = lake.schemas();
        found.dedup();
        assert_eq!(found.len(), schemas);
        assert_eq!(names(&lake).len(), 310);
        assert_eq!(lake.state.schema.columns.len(), 4);

        // No reader joins a column of numbers with one of text: then no file is left.
        let mut texts = wide.schema.columns.clone();
        texts[3].column_type = ColumnType::Text;
        let settings = append(&mut lake);
        lake.run(settings, vec![widen(&wide, &Arc::new(TableSchema { columns: texts })).unwrap()]);
        let mut found = lake.schemas();
        found.dedup();
        assert_eq!(found.len(), 1);
        assert_eq!(lake.schemas().len(), 3);
    }
}

#[test]
fn inserts_of_many_nights_do_not_leave_a_file_in_splinters() {
    let mut lake = Lake::new();
    for night in 0..12 {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        lake.run(settings, vec![people(night * 2..night * 2 + 2, "a")]);
    }
    assert_eq!(names(&lake).len(), 24);
    assert_eq!(lake.state.files.len(), 1);
    let path = lake.folder.path().join(&lake.state.files[0].path);
    let source = crate::lake::parquet::ParquetSource::open(LiveFile::open_disk(&path).unwrap(), "test".into()).unwrap();
    assert!(source.row_groups().len() <= 4, "{}", source.row_groups().len());
}

#[test]
fn a_key_that_becomes_text_on_the_way_is_still_one_key() {
    let mut lake = Lake::new();
    let mut settings = lake.settings(WriteDisposition::Merge);
    small(&mut settings);
    let float = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let many: Vec<f64> = (0..200).map(|value| f64::from(value) + 0.25).collect();
    let numbers = batch(vec![("id", FLOAT, float(&many))]);
    let texts = batch(vec![("id", ColumnType::Text, texts(["x", "1.25", "7.25"].map(str::to_owned)))]);
    let stats = lake.run(settings, vec![numbers, texts]);
    assert_eq!(stats.rows_deduplicated, 2);
    assert_eq!(lake.rows().len(), 201);
}

#[test]
fn another_key_or_other_partitions_than_the_tables_are_refused() {
    let mut lake = Lake::new();
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![people(0..3, "a")]);
    let check = |settings: StageSettings, state: &Snapshot, expected: &str| {
        let error = TableStage::new(settings, state.clone(), Arc::new(Folder(PathBuf::new()))).err().unwrap();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), crate::base::ErrorKind::Config);
    };
    let state = lake.state.clone();
    let settings = StageSettings { primary_key: vec!["name".into()], ..lake.settings(WriteDisposition::Merge) };
    check(
        settings,
        &state,
        "table `t` has primary key id, the config name: change it back, let `lakeward table rekey CONFIG t --apply` make it so from the table's own rows, or run once with `--full-refresh`",
    );
    let city = PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() };
    let settings = StageSettings { partition_by: vec![city], ..lake.settings(WriteDisposition::Merge) };
    check(
        settings,
        &state,
        "table `t` has partitioning none, the config city = identity(city): change it back, let `lakeward table repartition CONFIG t --apply` make it so from the table's own rows, or run once with `--full-refresh`",
    );
}
