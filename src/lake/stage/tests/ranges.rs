//! Files without a key of the run are not opened, and no key is doubled for it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use arrow_array::{BooleanArray, Date32Array, Decimal128Array, TimestampMicrosecondArray};
use proptest::prelude::*;

use super::*;
use crate::lake::parquet::KeyRange;

/// Kinds of keys of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Text,
    LongText,
    LastText,
    NullableText,
    Date,
    Time,
    Decimal,
    Float,
    Boolean,
}

const KINDS: [Kind; 10] = [
    Kind::Int,
    Kind::Text,
    Kind::LongText,
    Kind::LastText,
    Kind::NullableText,
    Kind::Date,
    Kind::Time,
    Kind::Decimal,
    Kind::Float,
    Kind::Boolean,
];

/// The key's column with the values of these numbers; `night` chooses among values that are one key.
fn column(kind: Kind, numbers: &[i64], night: usize) -> (ColumnType, ArrayRef) {
    let text = |number: i64| match kind {
        Kind::LongText => format!("{}{number:03}", "é".repeat(50)),
        Kind::LastText => format!("{}{}", "\u{10ffff}".repeat(30), number),
        _ => format!("{number}"),
    };
    let each = numbers.iter().copied();
    match kind {
        Kind::Int => (INT, ints(each.map(|number| number * 1_000_003 - 20_000_000))),
        Kind::Text | Kind::LongText | Kind::LastText => (ColumnType::Text, texts(each.map(text))),
        Kind::NullableText => {
            (ColumnType::Text, Arc::new(each.map(|number| (number % 7 != 0).then(|| text(number))).collect::<StringArray>()))
        }
        Kind::Date => (ColumnType::Date, Arc::new(Date32Array::from_iter_values(each.map(|number| number as i32 - 20)))),
        Kind::Time => {
            let moments = TimestampMicrosecondArray::from_iter_values(each.map(|number| (number - 20) * 1_000_001));
            (ColumnType::Timestamp, Arc::new(moments.with_timezone("UTC")))
        }
        Kind::Decimal => {
            let values = Decimal128Array::from_iter_values(each.map(|number| i128::from(number) * 5 - 100));
            let (precision, scale) = (18, 2);
            let column_type = ColumnType::Decimal { precision, scale: 2 };
            (column_type, Arc::new(values.with_precision_and_scale(precision, scale).unwrap()))
        }
        Kind::Float => {
            let zero = if night.is_multiple_of(2) { 0.0 } else { -0.0 };
            let value = |number: i64| if number == 20 { zero } else { (number - 20) as f64 / 2.0 };
            (FLOAT, Arc::new(Float64Array::from_iter_values(each.map(value))))
        }
        Kind::Boolean => (ColumnType::Boolean, Arc::new(each.map(|number| Some(number % 2 == 0)).collect::<BooleanArray>())),
    }
}

/// What of two numbers makes one key.
fn key_of(kinds: &[Kind], number: i64) -> Vec<i64> {
    let value = |kind: &Kind| match kind {
        Kind::Boolean => number % 2,
        Kind::NullableText if number % 7 == 0 => -1,
        _ => number,
    };
    kinds.iter().map(value).collect()
}

fn check_nights(kinds: &[Kind], partition: Option<&str>, nights: &[Vec<i64>]) {
    let mut lake = Lake::new();
    let mut model: BTreeMap<Vec<i64>, String> = BTreeMap::new();
    let names: Vec<String> = (0..kinds.len()).map(|at| format!("key{at}")).collect();
    for (night, numbers) in nights.iter().enumerate() {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        settings.target_file_size = 3_000;
        settings.primary_key.clone_from(&names);
        let field = |name: &str| PartitionField { column: name.into(), transform: Transform::Identity, name: name.into() };
        settings.partition_by = partition.map(field).into_iter().collect();
        let value = |number: &i64| format!("{night} of {:?}", key_of(kinds, *number));
        let mut columns: Vec<(&str, ColumnType, ArrayRef)> = Vec::new();
        for (name, kind) in names.iter().zip(kinds) {
            let (column_type, array) = column(*kind, numbers, night);
            columns.push((name, column_type, array));
        }
        columns.push(("value", ColumnType::Text, texts(numbers.iter().map(value))));
        // Rows move between partitions from night to night.
        columns.push(("part", INT, ints(numbers.iter().map(|number| (number + night as i64) % 4))));
        lake.run(settings, vec![batch(columns)]);
        model.extend(numbers.iter().map(|number| (key_of(kinds, *number), value(number))));
        let rows = lake.rows();
        let found: BTreeSet<String> = rows.iter().map(|row| row["value"].clone()).collect();
        assert_eq!(found, model.values().cloned().collect(), "night {night}");
        assert_eq!(rows.len(), model.len(), "a key is there twice after night {night}");
        // As the next run reads it, whoever wrote it.
        if night % 3 == 2 {
            lake.state = lake.state.clone().of_content();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn no_key_of_any_type_is_doubled_because_its_file_was_ruled_out(
        nights in proptest::collection::vec(proptest::collection::vec(0_i64..60, 1..25), 2..5),
        of in proptest::collection::vec(0..KINDS.len(), 1..3),
    ) {
        let kinds: Vec<Kind> = of.into_iter().map(|kind| KINDS[kind]).collect();
        check_nights(&kinds, Some("part"), &nights);
        for kind in KINDS {
            check_nights(&[kind], Some("part"), &nights);
        }
        for kind in [Kind::Int, Kind::Text, Kind::Date] {
            check_nights(&[Kind::Text, kind], Some("key1"), &nights);
        }
        check_nights(&kinds, None, &nights);
    }
}

/// Notes which files are opened.
#[derive(Debug)]
struct Watched(Folder, Mutex<BTreeSet<String>>);

impl LiveFiles for Watched {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        self.1.lock().unwrap().insert(file.path.clone());
        self.0.open(file)
    }
}

/// Merges ids into a table of 50 folders of 20 rows, and tells which folders' files were opened and which were written.
fn merged(ids: impl Iterator<Item = i64> + Clone, change: impl FnOnce(&mut Lake)) -> (Vec<i64>, Vec<i64>) {
    let mut lake = Lake::new();
    let field = PartitionField { column: "fifty".into(), transform: Transform::Identity, name: "fifty".into() };
    let rows = |ids: &dyn Fn() -> Vec<i64>, version: &str| {
        batch(vec![
            ("id", INT, ints(ids())),
            ("name", ColumnType::Text, texts(ids().into_iter().map(|id| format!("{version} {id}")))),
            ("fifty", INT, ints(ids().into_iter().map(|id| id / 20))),
        ])
    };
    let settings = StageSettings { partition_by: vec![field.clone()], ..lake.settings(WriteDisposition::Merge) };
    lake.run(settings, vec![rows(&|| (0..1000).collect(), "a")]);
    change(&mut lake);
    let settings = StageSettings { partition_by: vec![field], ..lake.settings(WriteDisposition::Merge) };
    let files = Arc::new(Watched(Folder(lake.folder.path().to_owned()), Mutex::default()));
    let mut stage = TableStage::new(settings, lake.state.clone(), Arc::clone(&files) as Arc<dyn LiveFiles>).unwrap();
    let rows = rows(&|| ids.clone().collect(), "b");
    let schema = TableSchema::clone(&rows.schema);
    stage.push(rows).unwrap();
    let staged = name_files(stage.finish(&schema).unwrap()).unwrap();
    let folder = |path: &str| path.split(['=', '/']).nth(2).unwrap().parse::<i64>().unwrap();
    let written = staged.changes.iter().map(|change| match change {
        FileChange::Put { file, .. } | FileChange::Delete { file } | FileChange::Retire { file } => folder(&file.path),
    });
    let mut written: Vec<i64> = written.collect();
    written.sort_unstable();
    let opened = files.1.lock().unwrap().iter().map(|path| folder(path)).collect::<BTreeSet<_>>();
    (opened.into_iter().collect(), written)
}

#[test]
fn a_merge_opens_the_files_that_hold_its_keys_and_no_others() {
    assert_eq!(merged(200..220, |_| ()), (vec![10], vec![10]), "one folder");
    let spread = [3, 199, 200, 777];
    assert_eq!(
        merged(spread.into_iter(), |_| ()),
        (vec![0, 9, 10, 38], vec![0, 9, 10, 38]),
        "spread, between which there are others"
    );
    assert_eq!(merged(5000..5001, |_| ()).1, vec![250], "a new key is in no file");
}

#[test]
fn a_manifest_of_an_older_lakeward_tells_no_ranges_and_costs_a_look_at_every_file_once() {
    let forget = |lake: &mut Lake| lake.state = lake.state.clone().of_content();
    let (opened, written) = merged(200..220, forget);
    assert_eq!((opened.len(), written), (50, vec![10]));
    let mut lake = Lake::new();
    let settings = lake.settings(WriteDisposition::Append);
    lake.run(settings, vec![people(0..10, "a")]);
    let settings = lake.settings(WriteDisposition::Append);
    lake.run(settings, vec![people(10..20, "a")]);
    forget(&mut lake);
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![people(3..4, "b")]);
    let ranges: Vec<_> = lake.state.files.iter().map(|file| file.key_ranges["id"].clone()).collect();
    assert_eq!(ranges, [KeyRange::Int(0, 9), KeyRange::Int(10, 19)]);
}

#[test]
fn keys_that_folders_hold_rule_out_the_other_folders() {
    let mut lake = Lake::new();
    let field = PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() };
    let keyed = |lake: &mut Lake| StageSettings {
        primary_key: vec!["city".into(), "id".into()],
        partition_by: vec![field.clone()],
        ..lake.settings(WriteDisposition::Merge)
    };
    let settings = keyed(&mut lake);
    lake.run(settings, vec![people(0..30, "a")]);
    let files = Arc::new(Watched(Folder(lake.folder.path().to_owned()), Mutex::default()));
    let settings = keyed(&mut lake);
    let mut stage = TableStage::new(settings, lake.state.clone(), Arc::clone(&files) as Arc<dyn LiveFiles>).unwrap();
    let rows = people([1, 4, 7].into_iter(), "b");
    let schema = TableSchema::clone(&rows.schema);
    stage.push(rows).unwrap();
    assert_eq!(stage.finish(&schema).unwrap().stats.rows_updated, 3);
    let opened: Vec<String> = files.1.lock().unwrap().iter().cloned().collect();
    assert_eq!(opened, ["t/city=city 1/part-000001.parquet"]);
}
