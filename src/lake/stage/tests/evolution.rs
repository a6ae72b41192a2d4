//! Nights on which a table's types change: what was declared, what was left, what was sorted.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ListArray, StructArray};
use arrow_buffer::OffsetBuffer;
use parquet::basic::ColumnOrder;

use super::*;
use crate::lake::parquet::ParquetSource;

/// A column with its type.
type Typed = (ColumnType, ArrayRef);

/// Rows with a key and one column `v`.
fn values(first: i64, column_type: ColumnType, array: ArrayRef) -> TypedBatch {
    batch(vec![("id", INT, ints(first..first + array.len() as i64)), ("v", column_type, array)])
}

/// The column `v` by key.
fn by_key(lake: &Lake) -> BTreeMap<i64, String> {
    lake.rows().into_iter().map(|row| (row["id"].parse().unwrap(), row.get("v").cloned().unwrap_or_default())).collect()
}

#[test]
fn what_was_declared_once_does_not_bind_a_run_that_declares_nothing() {
    let mut lake = Lake::new();
    let mut first = values(0, INT, ints(0..3));
    let mut declared = first.schema.as_ref().clone();
    declared.columns[1].declared = true;
    first.schema = Arc::new(declared);
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![first]);
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![values(2, ColumnType::Text, texts(["x".to_owned(), "y".to_owned()]))]);
    assert_eq!(by_key(&lake).into_values().collect::<Vec<_>>(), ["0", "1", "x", "y"]);
}

#[test]
fn files_that_are_left_have_the_types_of_the_others() {
    for disposition in [WriteDisposition::Append, WriteDisposition::Merge] {
        let mut lake = Lake::new();
        for rows in [values(0, INT, ints(0..2)), values(10, ColumnType::Text, texts(["x".to_owned()]))] {
            let mut settings = lake.settings(disposition);
            settings.on_schema_change = OnSchemaChange::Leave;
            lake.run(settings, vec![rows]);
        }
        let types =
            lake.schemas().iter().map(|schema| schema.field_with_name("v").unwrap().data_type().clone()).collect::<Vec<_>>();
        assert!(types.iter().all(|found| *found == DataType::Utf8), "{disposition:?}: {types:?}");
        assert_eq!(by_key(&lake).into_values().collect::<Vec<_>>(), ["0", "1", "x"], "{disposition:?}");
    }
}

#[test]
fn files_left_in_an_older_schema_are_read_as_what_they_were_once_a_row_of_them_changes() {
    let float = |values: &[f64]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let object = |columns: Vec<(&str, ArrayRef)>| -> (ColumnType, ArrayRef) {
        let fields = columns.iter().map(|(name, _)| Column::inferred(*name, INT)).collect();
        let column_type = ColumnType::Struct(fields);
        let DataType::Struct(fields) = column_type.to_arrow() else { unreachable!() };
        let arrays = columns.into_iter().map(|(_, array)| array).collect();
        (column_type, Arc::new(StructArray::new(fields, arrays, None)))
    };
    let empty = || -> Typed { (ColumnType::Struct(vec![]), Arc::new(StructArray::new_empty_fields(2, None))) };
    let in_object = |(column_type, array): Typed| -> Typed {
        let column_type = ColumnType::Struct(vec![Column::inferred("e", column_type)]);
        let DataType::Struct(fields) = column_type.to_arrow() else { unreachable!() };
        (column_type, Arc::new(StructArray::new(fields, vec![array], None)))
    };
    let in_list = |(column_type, array): Typed| -> Typed {
        let column_type = ColumnType::List(Box::new(column_type));
        let DataType::List(element) = column_type.to_arrow() else { unreachable!() };
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(1, array.len()));
        (column_type, Arc::new(ListArray::new(element, offsets, array, None)))
    };
    let json = |text: &str| -> Typed { (ColumnType::Json, texts([text.to_owned()])) };
    let two_texts = || -> Typed { (ColumnType::Text, texts(["x".to_owned(), "y".to_owned()])) };
    let two_jsons = || -> Typed { (ColumnType::Json, texts(["[1]".to_owned(), "2".to_owned()])) };
    let cases: Vec<(Typed, Typed, [&str; 2])> = vec![
        ((ColumnType::Unknown, new_null_array(&DataType::Null, 2)), (INT, ints([7])), ["null", "7"]),
        ((INT, ints([1, 2])), (FLOAT, float(&[1.5])), ["1.0", "1.5"]),
        ((INT, ints([1, 2])), (ColumnType::Text, texts(["x".to_owned()])), ["1", "x"]),
        (
            object(vec![("a", ints([1, 2]))]),
            object(vec![("a", ints([3])), ("b", ints([4]))]),
            ["{a: 1, b: null}", "{a: 3, b: 4}"],
        ),
        (empty(), object(vec![("a", ints([3]))]), ["{a: null}", "{a: 3}"]),
        (empty(), json("1"), ["{}", "1"]),
        (in_list(empty()), json("1"), ["[{}]", "1"]),
        (in_object(empty()), json("1"), [r#"{"e":{}}"#, "1"]),
        (in_object(two_jsons()), json("1"), [r#"{"e":[1]}"#, "1"]),
        (in_object(two_texts()), in_object(json("1")), [r#"{e: "x"}"#, "{e: 1}"]),
        (in_object(two_texts()), json("1"), [r#"{"e":"x"}"#, "1"]),
    ];
    for (old, new, expected) in cases {
        let mut lake = Lake::new();
        let split = |lake: &mut Lake| {
            let mut settings = lake.settings(WriteDisposition::Merge);
            settings.on_schema_change = OnSchemaChange::Leave;
            settings.partition_by =
                vec![PartitionField { column: "id".into(), transform: Transform::Truncate { width: 10 }, name: "tens".into() }];
            settings
        };
        let name = old.0.to_string();
        let settings = split(&mut lake);
        lake.run(settings, vec![values(0, old.0, old.1)]);
        // Another partition's rows change the schema, and the first one's file stays as it is.
        let settings = split(&mut lake);
        lake.run(settings, vec![values(10, new.0.clone(), Arc::clone(&new.1))]);
        let settings = split(&mut lake);
        let stats = lake.run(settings, vec![values(1, new.0, new.1)]);
        assert_eq!(stats.rows_updated, 1);
        let found = by_key(&lake);
        assert_eq!([found[&0].as_str(), found[&1].as_str()], expected, "{name}");
    }
}

#[test]
fn row_groups_that_are_told_to_be_sorted_are_sorted_whatever_became_of_the_column() {
    let sorted = |lake: &mut Lake| {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        settings.sort_by = vec![SortField { column: "v".into(), descending: false }];
        settings
    };
    let words = || texts(["m".to_owned()]);
    let nights: [Vec<TypedBatch>; 3] = [
        vec![values(0, INT, ints(0..200)), values(200, INT, ints((0..200).rev()))],
        vec![values(400, ColumnType::Text, words())],
        vec![values(500, ColumnType::Text, words())],
    ];
    for unsorted_at_first in [false, true] {
        let mut lake = Lake::new();
        for (night, rows) in nights.iter().enumerate() {
            let mut settings = sorted(&mut lake);
            if unsorted_at_first && night == 0 {
                settings.sort_by.clear();
            }
            lake.run(settings, rows.clone());
        }
        let mut lake_in_one = Lake::new();
        let settings = sorted(&mut lake_in_one);
        lake_in_one.run(settings, nights.concat());
        for lake in [&lake, &lake_in_one] {
            assert_eq!(by_key(lake).len(), 402);
            assert!(check_told_order(lake) > 0);
        }
    }
}

/// Row groups that are said to be sorted by `v`, all of which are.
fn check_told_order(lake: &Lake) -> usize {
    let mut told = 0;
    for file in &lake.state.files {
        let live = LiveFile::open_disk(&lake.folder.path().join(&file.path)).unwrap();
        let source = ParquetSource::open(live, file.path.clone()).unwrap();
        for row_group in (0..source.row_groups().len()).filter(|group| source.row_groups()[*group].sorting_columns().is_some()) {
            told += 1;
            for batch in source.read(vec![row_group], Some(&[1]), None, 10_000).unwrap() {
                let column = Arc::clone(batch.unwrap().column(0));
                if let Some(numbers) = column.as_primitive_opt::<Int64Type>() {
                    assert!(numbers.values().is_sorted());
                } else {
                    assert!(column.as_string::<i32>().iter().is_sorted(), "{row_group} of {}: {column:?}", file.path);
                }
            }
        }
    }
    told
}

#[test]
fn the_order_of_every_column_is_told_as_the_one_of_its_type() {
    let mut lake = Lake::new();
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![values(0, FLOAT, Arc::new(Float64Array::from(vec![-0.0, 1.5])))]);
    let file = &lake.state.files[0].path;
    let source = ParquetSource::open(LiveFile::open_disk(&lake.folder.path().join(file)).unwrap(), file.clone()).unwrap();
    let orders = source.metadata().file_metadata().column_orders().unwrap();
    assert_eq!(orders.len(), 2);
    assert!(orders.iter().all(|order| matches!(order, ColumnOrder::TYPE_DEFINED_ORDER(_))), "{orders:?}");
}

#[test]
fn exceptional_spellings_past_their_budget_wait_on_disk_and_none_is_lost() {
    for (partitioned, sorted) in [(false, false), (true, true)] {
        let mut lake = Lake::new();
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        settings.budgets.note_bytes = 4_000;
        if partitioned {
            let transform = Transform::Bucket { buckets: 3 };
            settings.partition_by = vec![PartitionField { column: "id".into(), transform, name: "bucket".into() }];
        }
        if sorted {
            settings.sort_by = vec![SortField { column: "id".into(), descending: true }];
        }
        let spool = settings.spool.clone();
        let mut stage = TableStage::new(settings, Snapshot::default(), Arc::new(Folder(lake.folder.path().to_owned()))).unwrap();
        for page in 0..20 {
            let ids = page * 100..page * 100 + 100;
            let floats: ArrayRef = Arc::new(Float64Array::from_iter_values(ids.clone().map(|id| id as f64)));
            let mut rows = values(ids.start, FLOAT, floats);
            let exceptions = ids.zip(0..).map(|(id, slot)| (slot, format!("{id}e0").into())).collect();
            rows.originals = vec![Originals { leaf: vec!["v".into()], spelling: Spelling::ShortestNumber, exceptions }];
            stage.push(rows).unwrap();
        }
        let spilled = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().ends_with("-spellings.tmp");
        assert!(std::fs::read_dir(&spool).unwrap().map(Result::unwrap).filter(spilled).count() > 10);
        let last = values(5000, ColumnType::Text, texts(["x".to_owned()]));
        let schema = last.schema.as_ref().clone();
        stage.push(last).unwrap();
        lake.publish(name_files(stage.finish(&schema).unwrap()).unwrap());
        let expected = (0..2000).map(|id| (id, format!("{id}e0"))).chain([(5000, "x".to_owned())]);
        assert_eq!(by_key(&lake), expected.collect());
        assert!(!std::fs::read_dir(&spool).unwrap().map(Result::unwrap).any(|entry| spilled(&entry)));
    }
}

#[test]
fn text_that_was_left_behind_is_json_text_once_the_column_is() {
    let mut lake = Lake::new();
    let json = |text: &str| texts([text.to_owned()]);
    let nights = [
        vec![values(0, ColumnType::Text, json("plain"))],
        // The second segment does not know yet, when it is opened, that its column holds JSON.
        vec![values(10, ColumnType::Unknown, new_null_array(&DataType::Null, 1)), values(11, ColumnType::Json, json("[1]"))],
        vec![values(20, ColumnType::Json, json("{}"))],
    ];
    for (night, rows) in nights.into_iter().enumerate() {
        let mut settings = lake.settings(WriteDisposition::Append);
        settings.primary_key = vec![];
        settings.budgets.sample_rows = 1;
        settings.budgets.chunk_rows = 1;
        settings.on_schema_change = if night == 2 { OnSchemaChange::Rewrite } else { OnSchemaChange::Leave };
        let extra = |rows: TypedBatch| {
            let mut columns = rows.schema.columns.clone();
            columns.push(Column::inferred("extra", INT));
            widen(&rows, &Arc::new(TableSchema { columns })).unwrap()
        };
        lake.run(settings, if night == 2 { rows.into_iter().map(extra).collect() } else { rows });
    }
    let shown: Vec<String> = by_key(&lake).into_values().collect();
    assert_eq!(shown, ["\"plain\"", "null", "[1]", "{}"]);
}
