//! What readers meet in the files: encodings, notes, the order that is told, and files that an older lakeward left.

use arrow_array::{Date32Array, TimestampMicrosecondArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Encoding;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::lake::parquet::ParquetSource;

const NOTE: &str = "org.apache.spark.version";

/// Rows with a key, a number, a day and a time, all of them far back, and a text; many different ones and few.
fn old_times(ids: std::ops::Range<i64>) -> TypedBatch {
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values(ids.clone().map(|id| -719_162 + id as i32 % 5)));
    let micros = ids.clone().map(|id| -62_135_596_800_000_000 + id);
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values(ids.clone().map(|id| id as f64 * 1.25)));
    batch(vec![
        ("id", INT, ints(ids.clone())),
        ("v", FLOAT, floats),
        ("day", ColumnType::Date, days),
        ("at", ColumnType::Timestamp, times),
        ("name", ColumnType::Text, texts(ids.map(|id| format!("name {id}")))),
    ])
}

fn sources(lake: &Lake) -> Vec<ParquetSource> {
    let open = |file: &DataFile| LiveFile::open_disk(&lake.folder.path().join(&file.path)).unwrap();
    lake.state.files.iter().map(|file| ParquetSource::open(open(file), file.path.clone()).unwrap()).collect()
}

/// The encodings in use, over all files.
fn encodings(lake: &Lake) -> Vec<String> {
    let of = |source: &ParquetSource| {
        let chunks = source.row_groups().iter().flat_map(|group| group.columns());
        chunks.flat_map(|chunk| chunk.encodings()).map(|encoding| encoding.to_string()).collect::<Vec<_>>()
    };
    let mut found: Vec<String> = sources(lake).iter().flat_map(of).collect();
    found.sort();
    found.dedup();
    found
}

/// A table as a lakeward of yesterday left it, of these rows: in the encodings of today, without the note.
fn yesterday(rows: &TypedBatch) -> Lake {
    let mut lake = Lake::new();
    let path = lake.folder.path().join("t/part-000000.parquet");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder()
        .set_created_by("lakeward version 0.1.0".to_owned())
        .set_dictionary_enabled(false)
        .set_column_encoding("v".into(), Encoding::BYTE_STREAM_SPLIT)
        .set_column_encoding("id".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding("name".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
        .build();
    let file = std::fs::File::create_new(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.batch.schema(), Some(properties)).unwrap();
    writer.write(&rows.batch).unwrap();
    writer.close().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    lake.state = Snapshot {
        schema: rows.schema.as_ref().clone(),
        primary_key: vec!["id".into()],
        files: vec![DataFile {
            path: "t/part-000000.parquet".into(),
            partition: vec![],
            rows: rows.batch.num_rows() as u64,
            bytes: bytes.len() as u64,
            etag: None,
            checksum: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)),
            key_ranges: Default::default(),
        }],
        next_number: 1,
        ..Snapshot::default()
    };
    lake
}

#[test]
fn files_have_only_encodings_that_every_reader_knows_unless_those_of_today_are_asked_for() {
    let mut lake = Lake::new();
    let settings = lake.settings(WriteDisposition::Merge);
    lake.run(settings, vec![old_times(0..1000)]);
    assert_eq!(encodings(&lake), ["PLAIN", "RLE", "RLE_DICTIONARY"]);
    assert!(sources(&lake).iter().all(|source| source.metadata().file_metadata().version() == 1));
    let mut lake = Lake::new();
    let mut settings = lake.settings(WriteDisposition::Merge);
    settings.compat = Compat::Modern;
    lake.run(settings, vec![old_times(0..1000)]);
    assert!(encodings(&lake).contains(&"BYTE_STREAM_SPLIT".to_owned()), "{:?}", encodings(&lake));
}

#[test]
fn a_table_of_yesterday_is_brought_up_to_what_every_reader_opens_once() {
    let nights: [(WriteDisposition, Vec<TypedBatch>); 4] = [
        (WriteDisposition::Merge, vec![]),
        (WriteDisposition::Merge, vec![old_times(5..6)]),
        (WriteDisposition::Merge, vec![old_times(300..310)]),
        (WriteDisposition::Append, vec![old_times(300..310)]),
    ];
    for (disposition, rows) in nights {
        let mut lake = yesterday(&old_times(0..300));
        let mut expected: Vec<BTreeMap<String, String>> = lake.rows();
        expected.extend(rows.iter().filter(|rows| rows.batch.num_rows() == 10).flat_map(|_| {
            let mut lake = Lake::new();
            let settings = lake.settings(WriteDisposition::Append);
            lake.run(settings, vec![old_times(300..310)]);
            lake.rows()
        }));
        let settings = StageSettings { on_schema_change: OnSchemaChange::Leave, ..lake.settings(disposition) };
        assert_eq!(lake.run(settings, rows.clone()).files_reencoded, 1, "{disposition:?}");
        assert!(sources(&lake).iter().all(|source| source.is_fit_for(Compat::Legacy)), "{disposition:?}");
        assert!(encodings(&lake).iter().all(|name| ["PLAIN", "RLE", "RLE_DICTIONARY"].contains(&name.as_str())));
        assert_eq!(lake.rows(), expected);
        for source in sources(&lake) {
            let notes = source.metadata().file_metadata().key_value_metadata().unwrap();
            assert!(notes.iter().any(|note| note.key == NOTE), "{notes:?}");
        }
        let files = lake.state.files.clone();
        let settings = lake.settings(WriteDisposition::Merge);
        assert_eq!(lake.run(settings, vec![]).files_reencoded, 0);
        assert_eq!(lake.state.files, files);
    }
}

#[test]
fn a_table_that_asks_for_the_encodings_of_today_keeps_them_but_names_its_calendar() {
    let mut lake = yesterday(&old_times(0..300));
    let mut settings = lake.settings(WriteDisposition::Merge);
    settings.compat = Compat::Modern;
    assert_eq!(lake.run(settings, vec![]).files_reencoded, 1);
    assert!(encodings(&lake).contains(&"BYTE_STREAM_SPLIT".to_owned()), "{:?}", encodings(&lake));
    assert!(sources(&lake).iter().all(|source| source.is_fit_for(Compat::Modern) && !source.is_fit_for(Compat::Legacy)));
}

#[test]
fn plain_files_without_old_times_stay_as_they_are() {
    let mut lake = yesterday(&batch(vec![("word", ColumnType::Text, texts(["a".to_owned()]))]));
    let settings = StageSettings { primary_key: vec![], ..lake.settings(WriteDisposition::Append) };
    lake.state.primary_key.clear();
    let before = lake.state.files.clone();
    assert_eq!(lake.run(settings, vec![]).files_reencoded, 0);
    assert_eq!((lake.state.files.clone(), lake.state.compat), (before, Some(Compat::Legacy)));
}

/// Some readers hold -0.0 and 0.0 for equal, and would look for the second column's order among them.
#[test]
fn an_order_is_told_no_further_than_a_column_of_floating_point_numbers() {
    let mut lake = Lake::new();
    let settings = StageSettings {
        primary_key: vec![],
        sort_by: ["n", "v", "id"].map(|name| SortField { column: name.into(), descending: false }).to_vec(),
        ..lake.settings(WriteDisposition::Append)
    };
    let zeros: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, 0.0, -0.0, 7.0]));
    let rows = batch(vec![("id", INT, ints([1, 4, 3, 2, 0])), ("v", FLOAT, zeros), ("n", INT, ints([1; 5]))]);
    lake.run(settings, vec![rows]);
    let ids: Vec<String> = lake.rows().into_iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, ["2", "4", "1", "3", "0"]);
    let source = sources(&lake).remove(0);
    let row_group = &source.row_groups()[0];
    let told: Vec<i32> = row_group.sorting_columns().unwrap().iter().map(|order| order.column_idx).collect();
    assert_eq!(told, [2, 1]);
    let Some(parquet::file::statistics::Statistics::Double(found)) = row_group.column(1).statistics() else { unreachable!() };
    assert_eq!(found.min_opt().map(|least| least.to_bits()), Some((-0.0_f64).to_bits()));
}

#[test]
fn a_table_whose_records_have_no_member_is_refused_because_no_reader_opens_a_file_without_columns() {
    let mut lake = Lake::new();
    let settings = StageSettings { primary_key: vec![], ..lake.settings(WriteDisposition::Append) };
    let files = Arc::new(Folder(lake.folder.path().to_owned()));
    let mut stage = TableStage::new(settings, Snapshot::default(), files).unwrap();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(3));
    let none = RecordBatch::try_new_with_options(TableSchema::default().to_arrow(), vec![], &options).unwrap();
    stage.push(TypedBatch { schema: Arc::default(), batch: none, originals: vec![] }).unwrap();
    let error = stage.finish(&TableSchema::default()).unwrap_err();
    assert_eq!((error.kind().exit_code(), error.to_string().contains("all 3 records")), (3, true), "{error}");
}

/// The table's files with their rows.
fn files(lake: &Lake) -> Vec<(&str, u64)> {
    lake.state.files.iter().map(|file| (file.path.as_str(), file.rows)).collect()
}

#[test]
fn a_table_without_rows_has_one_file_with_its_columns_until_the_first_row_comes() {
    let nothing = || TypedBatch { batch: people(0..0, "a").batch, ..people(0..1, "a") };
    let partitioned = |lake: &mut Lake, disposition| {
        let by_city = PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() };
        StageSettings { partition_by: vec![by_city], ..lake.settings(disposition) }
    };
    for disposition in [WriteDisposition::Append, WriteDisposition::Replace, WriteDisposition::Merge] {
        let mut lake = Lake::new();
        for _ in 0..2 {
            let settings = partitioned(&mut lake, disposition);
            lake.run(settings, vec![nothing()]);
            assert_eq!(files(&lake), [("t/city=empty/part-000000.parquet", 0)]);
            let columns: Vec<String> = lake.schemas()[0].fields().iter().map(|field| field.name().clone()).collect();
            assert_eq!(columns, ["id", "name"]);
        }
        let settings = partitioned(&mut lake, disposition);
        assert_eq!(lake.run(settings, vec![people(0..1, "a")]).rows_inserted, 1);
        assert_eq!(files(&lake), [("t/city=city 0/part-000001.parquet", 1)]);
    }
}

#[test]
fn an_unchanged_table_without_rows_writes_nothing_and_a_new_column_writes_its_file_anew() {
    let mut lake = Lake::new();
    let stage = |lake: &mut Lake, schema: &TableSchema| {
        let settings = lake.settings(WriteDisposition::Merge);
        let files = Arc::new(Folder(lake.folder.path().to_owned()));
        let edit = TableStage::new(settings, lake.state.clone(), files).unwrap().finish(schema).unwrap();
        let staged = name_files(edit).unwrap();
        let changes = staged.changes.len();
        lake.publish(staged);
        changes
    };
    let mut schema = people(0..1, "a").schema.as_ref().clone();
    assert_eq!((stage(&mut lake, &schema), stage(&mut lake, &schema)), (1, 0));
    schema.columns.push(Column::inferred("late", INT));
    assert_eq!((stage(&mut lake, &schema), stage(&mut lake, &schema)), (1, 0));
    assert_eq!(files(&lake), [("t/part-000000.parquet", 0)]);
    assert_eq!(lake.schemas()[0].fields().len(), 4);
}

#[test]
fn text_partitions_of_digits_have_a_file_without_rows_beside_them_until_a_word_comes() {
    let zips = |id: i64, zip: &str| batch(vec![("id", INT, ints([id])), ("zip", ColumnType::Text, texts([zip.to_owned()]))]);
    let mut lake = Lake::new();
    let settings = |lake: &mut Lake| {
        let by_zip = PartitionField { column: "zip".into(), transform: Transform::Identity, name: "zip".into() };
        StageSettings { partition_by: vec![by_zip], ..lake.settings(WriteDisposition::Merge) }
    };
    for _ in 0..2 {
        let with = settings(&mut lake);
        lake.run(with, vec![zips(1, "01234")]);
        assert_eq!(files(&lake), [("t/zip=01234/part-000000.parquet", 1), ("t/zip=empty/part-000001.parquet", 0)]);
    }
    let with = settings(&mut lake);
    lake.run(with, vec![zips(2, "EC1A")]);
    assert_eq!(files(&lake), [("t/zip=01234/part-000000.parquet", 1), ("t/zip=EC1A/part-000002.parquet", 1)]);
}
