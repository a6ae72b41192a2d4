use std::sync::Arc;

use arrow_array::{BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, NullArray, TimestampMicrosecondArray};
use arrow_schema::Field;
use proptest::prelude::*;

use super::*;
use crate::base::ErrorKind;
use crate::config::Transform;
use crate::schema::{Column, ColumnType, Digits};

const DAY_MICROS: i64 = 86_400_000_000;

fn field(column: &str, transform: Transform, name: &str) -> PartitionField {
    PartitionField { column: column.to_owned(), transform, name: name.to_owned() }
}

fn identity() -> Vec<PartitionField> {
    vec![field("c", Transform::Identity, "c")]
}

fn schema(columns: &[(&str, ColumnType)]) -> TableSchema {
    let column = |(name, column_type): &(&str, ColumnType)| Column {
        name: (*name).to_owned(),
        column_type: column_type.clone(),
        nullable: true,
        declared: true,
        description: None,
    };
    TableSchema { columns: columns.iter().map(column).collect() }
}

fn partitioner(fields: &[PartitionField]) -> Partitioner {
    Partitioner::new(fields, &TableSchema::default()).unwrap()
}

fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, ArrayRef::clone(array), true))).unwrap()
}

fn one_column(array: impl arrow_array::Array + 'static) -> RecordBatch {
    batch(&[("c", Arc::new(array))])
}

/// The folder of every row.
fn folders(partitioner: &mut Partitioner, batch: &RecordBatch) -> Result<Vec<String>, PartitionError> {
    let mut folders = vec![String::new(); batch.num_rows()];
    for routed in partitioner.route(batch)? {
        let folder = partitioner.folder(routed.partition);
        match routed.rows {
            RoutedRows::Range(range) => folders[range].fill(folder),
            RoutedRows::Indices(indices) => indices.values().iter().for_each(|row| folders[*row as usize] = folder.clone()),
        }
    }
    Ok(folders)
}

fn check(transform: Transform, array: impl arrow_array::Array + 'static, expected: &[&str]) {
    let mut partitioner = partitioner(&[field("c", transform, "c")]);
    let expected: Vec<String> = expected.iter().map(|value| format!("c={value}")).collect();
    assert_eq!(folders(&mut partitioner, &one_column(array)).unwrap(), expected);
}

fn refused(transform: Transform, array: impl arrow_array::Array + 'static) -> PartitionError {
    let mut partitioner = partitioner(&[field("c", transform, "c")]);
    partitioner.route(&one_column(array)).unwrap_err()
}

fn texts(values: &[&str]) -> StringArray {
    StringArray::from(values.to_vec())
}

#[test]
fn values_become_folders_by_type_and_transform() {
    check(Transform::Identity, texts(&["Bonn", "a/b", "Bonn"]), &["Bonn", "a%2Fb", "Bonn"]);
    check(Transform::Identity, Int64Array::from(vec![Some(-5), None]), &["-5", NULL_VALUE]);
    check(Transform::Identity, BooleanArray::from(vec![Some(true), Some(false), None]), &["true", "false", NULL_VALUE]);
    check(Transform::Identity, Date32Array::from(vec![20_779]), &["2026-11-22"]);
    check(Transform::Identity, TimestampMicrosecondArray::from(vec![0]), &["1970-01-01T00%3A00%3A00Z"]);
    let money = Decimal128Array::from(vec![150, -5, 0]).with_precision_and_scale(10, 2).unwrap();
    check(Transform::Identity, money.clone(), &["1.50", "-0.05", "0.00"]);
    check(Transform::Truncate { width: 100 }, money, &["1.00", "-1.00", "0.00"]);
    check(Transform::Month, TimestampMicrosecondArray::from(vec![Some(0), None, Some(-1)]), &["1970-01", NULL_VALUE, "1969-12"]);
    check(Transform::Truncate { width: 2 }, texts(&["über", "üb", "x"]), &["üb", "üb", "x"]);
    check(Transform::Truncate { width: 10 }, Int64Array::from(vec![9, 10, -1]), &["0", "10", "-10"]);
    // Iceberg's test vectors: 34 hashes to 2017239379, "iceberg" to 1210000089.
    check(Transform::Bucket { buckets: 100 }, Int64Array::from(vec![34]), &["79"]);
    check(Transform::Bucket { buckets: 100 }, texts(&["iceberg", "iceberg"]), &["89", "89"]);
}

#[test]
fn a_column_without_values_or_without_existence_is_null() {
    check(Transform::Month, NullArray::new(2), &[NULL_VALUE, NULL_VALUE]);
    check(Transform::Hour, StringArray::from(vec![None::<&str>]), &[NULL_VALUE]);
    let other = batch(&[("other", Arc::new(Int64Array::from(vec![1])))]);
    assert_eq!(folders(&mut partitioner(&identity()), &other).unwrap(), [format!("c={NULL_VALUE}")]);
}

#[test]
fn values_that_readers_would_misread_are_refused() {
    assert!(matches!(refused(Transform::Identity, texts(&["a", ""])), PartitionError::EmptyText { .. }));
    assert!(matches!(refused(Transform::Identity, texts(&[NULL_VALUE])), PartitionError::ReservedText { .. }));
    let long = "x".repeat(201);
    let error = refused(Transform::Identity, texts(&[&long]));
    assert_eq!(error.to_string(), "a partition value of column `c` takes 201 bytes in a folder name, more than 200");
    assert!(matches!(refused(Transform::Identity, texts(&[&"/".repeat(67)])), PartitionError::TooLong { bytes: 201, .. }));
    check(Transform::Identity, texts(&[&long[..200]]), &[&long[..200]]);
}

#[test]
fn types_that_make_no_folders_are_refused_before_or_at_the_first_row() {
    let error = refused(Transform::Identity, Float64Array::from(vec![0.5]));
    assert_eq!(error.to_string(), "cannot partition by identity of column `c`, which is a floating-point number");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(matches!(refused(Transform::Month, texts(&["2026-11"])), PartitionError::Unsupported { .. }));
    assert!(matches!(refused(Transform::Hour, Date32Array::from(vec![1])), PartitionError::Unsupported { .. }));
    for column_type in [ColumnType::Float64(Digits::default()), ColumnType::Json, ColumnType::List(Box::new(ColumnType::Text))] {
        let error = Partitioner::new(&identity(), &schema(&[("c", column_type)])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    assert!(Partitioner::new(&identity(), &schema(&[("c", ColumnType::Unknown)])).is_ok());
}

#[test]
fn a_decimal_that_readers_of_folders_would_round_is_refused_with_the_ways_out() {
    let decimal = |precision, scale| Decimal128Array::from(vec![15]).with_precision_and_scale(precision, scale).unwrap();
    let error = refused(Transform::Identity, decimal(21, 1));
    assert!(error.to_string().ends_with("partition by `'bucket[16]'` of it"), "{error}");
    let declared = schema(&[("c", ColumnType::Decimal { precision: 38, scale: 9 })]);
    assert_eq!(Partitioner::new(&identity(), &declared).unwrap_err().kind(), ErrorKind::Config);
    // Readers take long integers for decimals or text.
    check(Transform::Identity, decimal(38, 0), &["15"]);
    check(Transform::Identity, decimal(15, 1), &["1.5"]);
    check(Transform::Bucket { buckets: 1 }, decimal(38, 9), &["0"]);
}

#[test]
fn a_value_keeps_its_folder_when_the_column_widens_to_text() {
    let mut partitioner = partitioner(&identity());
    let mut check = |array: ArrayRef, expected: &[u32]| {
        let mut found: Vec<(usize, u32)> = Vec::new();
        for routed in partitioner.route(&batch(&[("c", array)])).unwrap() {
            match routed.rows {
                RoutedRows::Range(range) => found.extend(range.map(|row| (row, routed.partition.0))),
                RoutedRows::Indices(rows) => found.extend(rows.values().iter().map(|row| (*row as usize, routed.partition.0))),
            }
        }
        found.sort_unstable();
        assert_eq!(found.iter().map(|(_, partition)| *partition).collect::<Vec<_>>(), expected);
    };
    check(Arc::new(Int64Array::from(vec![5, -7, 5])), &[0, 1, 0]);
    check(Arc::new(texts(&["-7", "5", "true", "2026-11-22"])), &[1, 0, 2, 3]);
    check(Arc::new(Decimal128Array::from(vec![5]).with_precision_and_scale(38, 0).unwrap()), &[0]);
    check(Arc::new(BooleanArray::from(vec![true])), &[2]);
    check(Arc::new(Date32Array::from(vec![20_779])), &[3]);
    check(Arc::new(Int64Array::from(vec![1])), &[4]);
}

#[test]
fn a_folder_of_an_older_run_is_found_again_after_the_column_widened() {
    let mut partitioner = Partitioner::new(&identity(), &schema(&[("c", ColumnType::Text), ("id", ColumnType::Text)])).unwrap();
    let older = partitioner.partition_of(&[Some("5".to_owned())]).unwrap();
    for array in [Arc::new(texts(&["5"])) as ArrayRef, Arc::new(Int64Array::from(vec![5]))] {
        assert_eq!(partitioner.route(&batch(&[("c", array)])).unwrap()[0].partition, older);
    }
    let bucket = [field("c", Transform::Bucket { buckets: 8 }, "c_bucket")];
    let mut partitioner = Partitioner::new(&bucket, &schema(&[("c", ColumnType::Int64 { wide: false })])).unwrap();
    let error = partitioner.route(&one_column(texts(&["5"]))).unwrap_err();
    assert!(matches!(error, PartitionError::TypeChanged { .. }));
}

#[test]
fn a_type_change_that_would_move_rows_is_refused() {
    let change = |transform, first: RecordBatch, second: RecordBatch| {
        let mut partitioner = partitioner(&[field("c", transform, "c_part")]);
        partitioner.route(&first).unwrap();
        partitioner.route(&second).unwrap_err()
    };
    let error = change(Transform::Bucket { buckets: 8 }, one_column(Int64Array::from(vec![1])), one_column(texts(&["1"])));
    assert_eq!(
        error.to_string(),
        "column `c` changed from an integer to text: bucket[8] of it would move its rows to other partitions"
    );
    let times = || one_column(TimestampMicrosecondArray::from(vec![1]));
    assert!(matches!(change(Transform::Identity, times(), one_column(texts(&["x"]))), PartitionError::TypeChanged { .. }));
    assert!(matches!(
        change(Transform::Year, times(), one_column(Date32Array::from(vec![1]))),
        PartitionError::TypeChanged { .. }
    ));
}

#[test]
fn batches_are_sliced_where_rows_are_neighbours() {
    let mut partitioner = partitioner(&[field("c", Transform::Day, "day"), field("city", Transform::Identity, "city")]);
    let days = TimestampMicrosecondArray::from(vec![0, 5, DAY_MICROS, DAY_MICROS, 7]);
    let rows = batch(&[("c", Arc::new(days)), ("city", Arc::new(texts(&["x"; 5])))]);
    let routed = partitioner.route(&rows).unwrap();
    assert_eq!(routed.len(), 2);
    assert_eq!(routed[0].rows, RoutedRows::Indices(vec![0, 1, 4].into()));
    assert_eq!(routed[1].rows, RoutedRows::Range(2..4));
    assert_eq!(partitioner.folder(routed[1].partition), "day=1970-01-02/city=x");
    assert_eq!(partitioner.values(routed[1].partition), [Some("1970-01-02".to_owned()), Some("x".to_owned())]);
    let known = partitioner.partition_of(&partitioner.values(routed[1].partition)).unwrap();
    assert_eq!(known, routed[1].partition);
    assert!(partitioner.route(&rows.slice(0, 0)).unwrap().is_empty());
}

#[test]
fn a_table_without_partitions_has_its_own_folder_only() {
    let mut partitioner = partitioner(&[]);
    let rows = one_column(Int64Array::from(vec![1, 2]));
    let routed = partitioner.route(&rows).unwrap();
    assert_eq!(routed[0].rows, RoutedRows::Range(0..2));
    assert_eq!((partitioner.folder(routed[0].partition), partitioner.len()), (String::new(), 1));
    assert_eq!(partitioner.file_batch(&rows, &routed[0].rows).unwrap(), rows);
}

#[test]
fn files_lack_the_columns_that_their_path_holds_and_get_them_back() {
    let fields = [
        field("city", Transform::Identity, "city"),
        field("at", Transform::Identity, "at"),
        field("size", Transform::Identity, "width"),
        field("at", Transform::Year, "at_year"),
    ];
    let mut partitioner = partitioner(&fields);
    let at = TimestampMicrosecondArray::from(vec![Some(1_500_001), None]).with_timezone("UTC");
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("city", Arc::new(StringArray::from(vec![Some("a=b"), None]))),
        ("at", Arc::new(at)),
        ("size", Arc::new(Int64Array::from(vec![3, 4]))),
    ];
    let rows = batch(&columns);
    for (routed, row) in partitioner.route(&rows).unwrap().into_iter().zip(0..) {
        let file = partitioner.file_batch(&rows, &routed.rows).unwrap();
        assert_eq!(file, rows.slice(row, 1).project(&[0, 3]).unwrap());
        let restored = partitioner.restore(&partitioner.values(routed.partition), 1, rows.schema_ref()).unwrap();
        let names: Vec<&str> = restored.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["city", "at"]);
        assert_eq!((&restored[0].1, &restored[1].1), (&columns[1].1.slice(row, 1), &columns[2].1.slice(row, 1)));
    }
    let table = schema(&[("id", ColumnType::Text), ("city", ColumnType::Text), ("size", ColumnType::Text)]);
    let file_schema = partitioner.file_schema(&table).unwrap();
    assert_eq!(file_schema.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["id", "size"]);
}

#[test]
fn restored_columns_have_the_type_the_table_has_by_then() {
    let partitioner = partitioner(&identity());
    let restore = |value: Option<&str>, data_type: DataType| {
        let wanted = Schema::new(vec![Field::new("c", data_type, true)]);
        partitioner.restore(&[value.map(str::to_owned)], 3, &wanted).map(|columns| ArrayRef::clone(&columns[0].1))
    };
    assert_eq!(&restore(Some("5"), DataType::Int64).unwrap(), &(Arc::new(Int64Array::from(vec![5; 3])) as ArrayRef));
    assert_eq!(&restore(Some("5"), DataType::Utf8).unwrap(), &(Arc::new(texts(&["5"; 3])) as ArrayRef));
    assert_eq!(restore(None, DataType::Date32).unwrap().null_count(), 3);
    assert_eq!(restore(Some("-0.05"), DataType::Decimal128(10, 2)).unwrap().data_type(), &DataType::Decimal128(10, 2));
    let error = restore(Some("five"), DataType::Int64).unwrap_err();
    assert_eq!(error.to_string(), "a folder value of `c` cannot be read as Int64");
    assert!(matches!(partitioner.restore(&[], 1, &Schema::empty()), Err(PartitionError::Levels { found: 0, levels: 1 })));
}

#[test]
fn names_that_readers_would_confuse_are_refused() {
    let new = |fields: &[PartitionField]| {
        Partitioner::new(fields, &schema(&[("id", ColumnType::Text), ("c", ColumnType::Text)])).map(|_| ())
    };
    assert!(matches!(new(&[field("c", Transform::Bucket { buckets: 2 }, "ID")]), Err(PartitionError::NameTaken { .. })));
    assert!(matches!(new(&[field("c", Transform::Bucket { buckets: 2 }, "c")]), Err(PartitionError::NameTaken { .. })));
    let twice = [field("c", Transform::Identity, "c"), field("id", Transform::Identity, "c")];
    assert!(matches!(new(&twice), Err(PartitionError::NameTaken { .. })));
    assert!(matches!(new(&[field("c", Transform::Identity, ".c")]), Err(PartitionError::Name { .. })));
    let only = Partitioner::new(&identity(), &TableSchema::default()).unwrap();
    assert!(only.file_schema(&schema(&[("c", ColumnType::Text)])).unwrap().columns.is_empty());
}

#[test]
fn too_many_partitions_name_the_columns_with_most_values() {
    let live = [Some("0".to_owned()), Some("false".to_owned())];
    let fields = [field("c", Transform::Identity, "c"), field("d", Transform::Identity, "d")];
    // One of those that the table has does not count.
    let mut partitioner = partitioner(&fields).bounded(99, std::iter::once(live.as_slice()));
    let many = 101;
    let rows = |rows: std::ops::Range<i64>| {
        let odd: BooleanArray = rows.clone().map(|row| Some(row % 2 == 1)).collect();
        batch(&[("c", Arc::new(Int64Array::from_iter_values(rows))), ("d", Arc::new(odd))])
    };
    partitioner.partition_of(&[Some("from an older run".to_owned()), None]).unwrap();
    assert_eq!(partitioner.route(&rows(0..many - 1)).unwrap().len(), 100);
    let error = partitioner.route(&rows(many - 1..many)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the run changes more than 99 partitions (`lake.max_partitions`); different values by column: `c` 102, `d` 3"
    );
}

proptest! {
    #[test]
    fn every_row_is_routed_once_to_the_folder_of_its_values(
        rows in proptest::collection::vec((proptest::option::of(0..4_i64), proptest::option::of("[ab/%]{1,2}")), 0..80),
        batch_rows in 1..20_usize,
    ) {
        let mut partitioner = partitioner(&[field("n", Transform::Identity, "n"), field("t", Transform::Identity, "t")]);
        for rows in rows.chunks(batch_rows) {
            let numbers: Int64Array = rows.iter().map(|row| row.0).collect();
            let texts: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
            let batch = batch(&[("n", Arc::new(numbers)), ("t", Arc::new(texts))]);
            let expected: Vec<String> = rows
                .iter()
                .map(|(number, text)| {
                    let number = number.map_or(NULL_VALUE.to_owned(), |number| number.to_string());
                    format!("n={number}/t={}", text.as_deref().map_or(NULL_VALUE.into(), escape))
                })
                .collect();
            prop_assert_eq!(folders(&mut partitioner, &batch).unwrap(), expected);
            let routed: usize = partitioner.route(&batch).unwrap().iter().map(|routed| routed.rows.len()).sum();
            prop_assert_eq!(routed, rows.len());
        }
    }
}

/// A live file with a row of the partition.
fn live_file(partition: Vec<Option<String>>) -> crate::lake::DataFile {
    crate::lake::DataFile {
        path: String::new(),
        partition,
        rows: 1,
        bytes: 1,
        etag: None,
        checksum: String::new(),
        key_ranges: Default::default(),
    }
}

/// The folder of the file without rows that a table with live files of these values needs, if any.
#[track_caller]
fn check_anchor(folder: &str, transform: Transform, column_type: ColumnType, live: &[Option<&str>], expected: Option<&str>) {
    let schema = schema(&[("id", ColumnType::Text), ("c", column_type)]);
    let mut partitioner = Partitioner::new(&[field("c", transform, folder)], &schema).unwrap();
    let live: Vec<_> = live.iter().map(|value| live_file(vec![value.map(str::to_owned)])).collect();
    let found = partitioner.anchor(&schema, &live).unwrap().map(|partition| partitioner.folder(partition));
    assert_eq!(found.as_deref(), expected);
}

#[test]
fn a_file_without_rows_lies_where_readers_take_its_folder_for_the_columns_type() {
    let decimal = ColumnType::Decimal { precision: 9, scale: 2 };
    check_anchor("f", Transform::Identity, ColumnType::Text, &[], Some("f=empty"));
    check_anchor("f", Transform::Identity, ColumnType::Unknown, &[], Some("f=empty"));
    check_anchor("f", Transform::Truncate { width: 2 }, ColumnType::Text, &[], Some("f=em"));
    check_anchor("f", Transform::Bucket { buckets: 4 }, ColumnType::Text, &[], Some("f=0"));
    check_anchor("f", Transform::Identity, ColumnType::Int64 { wide: false }, &[], Some("f=0"));
    check_anchor("f", Transform::Identity, decimal, &[], Some("f=0.00"));
    check_anchor("f", Transform::Identity, ColumnType::Boolean, &[], Some("f=false"));
    check_anchor("f", Transform::Identity, ColumnType::Date, &[], Some("f=1970-01-01"));
    check_anchor("f", Transform::Month, ColumnType::Unknown, &[], Some("f=1970-01"));
    check_anchor("f", Transform::Identity, ColumnType::Timestamp, &[], Some("f=1970-01-01T00%3A00%3A00Z"));
}

#[test]
fn folders_of_text_that_looks_like_something_else_have_one_of_plain_text_beside_them() {
    let text = |live: &[Option<&str>], expected| check_anchor("c", Transform::Identity, ColumnType::Text, live, expected);
    for digits in ["01234", "7", "+1", " 1", "1e5", "0x10", "1.10", "-0", "2026-11-01", "10:00:00", "true", "NaN", "inf"] {
        text(&[Some(digits), None], Some("c=empty"));
        text(&[Some(digits), Some("Bonn")], None);
    }
    text(&[None], Some("c=empty"));
    // Where files have the column too, a word beside numbers would be refused.
    check_anchor("f", Transform::Identity, ColumnType::Text, &[Some("01"), None], None);
    check_anchor("f", Transform::Identity, ColumnType::Text, &[None], Some("f=empty"));
    check_anchor("f", Transform::Truncate { width: 2 }, ColumnType::Text, &[Some("01")], None);
    check_anchor("f", Transform::Identity, ColumnType::Int64 { wide: false }, &[Some("7"), None], None);
    check_anchor("f", Transform::Identity, ColumnType::Int64 { wide: false }, &[None], Some("f=0"));
    check_anchor("f", Transform::Year, ColumnType::Date, &[Some("2026")], None);
}

/// What is told of the folders of a text column `c`.
#[track_caller]
fn check_misread(folder: &str, transform: &str, values: &[Option<&str>], expected: Option<&str>) {
    let table = crate::lake::Snapshot {
        schema: schema(&[("id", ColumnType::Text), ("c", ColumnType::Text)]),
        partition_by: vec![
            ("id_bucket".into(), "id".into(), "bucket[4]".into()),
            (folder.to_owned(), "c".to_owned(), transform.to_owned()),
        ],
        files: values.iter().map(|value| live_file(vec![Some("3".to_owned()), value.map(str::to_owned)])).collect(),
        ..crate::lake::Snapshot::default()
    };
    let found = crate::lake::misread_levels(&table);
    assert_eq!(found.first().map(ToString::to_string).as_deref(), expected);
    assert!(found.iter().all(|misread| misread.way_out().contains("{column: c, transform: 'bucket[16]'}")), "{found:?}");
}

#[test]
fn folders_that_alone_hold_text_look_like_text_to_every_reader() {
    let told = |value: &str| {
        format!(
            "column `c` is text, and some readers take the folder of its value {value:?} for a number, a date or the like, since \
             folders alone hold the column"
        )
    };
    check_misread("c", "identity", &[Some("Bonn"), None, Some("A12")], None);
    check_misread("c", "identity", &[Some("Bonn"), None, Some("12"), Some("13")], Some(&told("12")));
    check_misread("c", "identity", &[Some("2026-11-22")], Some(&told("2026-11-22")));
}

#[test]
fn folders_beside_a_column_of_text_look_alike() {
    let told = "some readers refuse folders of the text column `c` that look like \"12\" and \"Bonn\" (`f`)";
    for transform in ["identity", "truncate[4]"] {
        check_misread("f", transform, &[Some("01234"), None, Some("12")], None);
        check_misread("f", transform, &[Some("Bonn"), None, Some("A12")], None);
        check_misread("f", transform, &[Some("12"), None, Some("Bonn")], Some(told));
    }
    check_misread("f", "bucket[16]", &[Some("12"), Some("0")], None);
}

#[test]
fn values_that_are_one_folder_where_case_or_unicode_form_does_not_count_are_refused_with_both() {
    for (one, other) in [("Bonn", "bonn"), ("caf\u{e9}", "cafe\u{301}")] {
        let mut partitioner = partitioner(&identity());
        let error = partitioner.route(&one_column(StringArray::from(vec![one, other]))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        let message = error.to_string();
        assert!(message.contains(one) && message.contains("bucket[16]"), "{message}");
    }
    // A table that has both goes on as it is.
    let mut partitioner = partitioner(&identity());
    for value in ["Bonn", "bonn"] {
        partitioner.partition_of(&[Some(value.to_owned())]).unwrap();
    }
    assert_eq!(folders(&mut partitioner, &one_column(StringArray::from(vec!["bonn", "Bonn"]))).unwrap(), ["c=bonn", "c=Bonn"]);
}

/// A table by `day` and `id` with so many files, whose values are of the file's place, and rows in each.
fn check_thin(files: u64, days: u64, ids: u64, rows: u64, expected: Option<&str>) {
    let file = |at: u64| crate::lake::DataFile {
        path: format!("t/{at}.parquet"),
        partition: vec![Some((at % days).to_string()), Some((at % ids).to_string())],
        rows,
        bytes: 1,
        etag: None,
        checksum: String::new(),
        key_ranges: Default::default(),
    };
    let level = |name: &str, transform: &str| (name.to_owned(), name.to_owned(), transform.to_owned());
    let table = crate::lake::Snapshot {
        partition_by: vec![level("day", "day"), level("id", "identity")],
        files: (0..files).map(file).collect(),
        ..crate::lake::Snapshot::default()
    };
    let found = crate::lake::thin_level(&table).map(|level| level.to_string());
    assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
    assert!(expected.is_none_or(|expected| found.clone().unwrap().contains(expected)), "{found:?}");
}

#[test]
fn a_level_that_makes_a_folder_a_row_is_known_and_one_of_few_folders_or_many_rows_is_none() {
    check_thin(200, 200, 200, 1, Some("makes 200 folders for 200 rows by `day` (day)"));
    check_thin(200, 3, 200, 1, Some("makes 200 folders for 200 rows by `id` (identity)"));
    check_thin(99, 99, 99, 1, None);
    check_thin(200, 200, 200, 2, None);
    check_thin(200, 3, 20, 1, None);
    check_thin(200, 200, 200, 0, None);
}
