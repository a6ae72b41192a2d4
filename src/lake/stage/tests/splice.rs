//! Null columns that come behind a file's own bytes.

use std::ops::Range;

use arrow_array::types::Int64Type;
use arrow_array::{ListArray, StructArray};
use bytes::Bytes;

use super::*;
use crate::lake::checksum::pieces;
use crate::lake::live::RemoteRead;
use crate::lake::parquet::ParquetSource;

/// A row with columns that no file had: scalars, an object and a list.
fn wider(id: i64) -> TypedBatch {
    let object = ColumnType::Struct(vec![Column::inferred("a", INT), Column::inferred("b", ColumnType::Text)]);
    let DataType::Struct(fields) = object.to_arrow() else { unreachable!() };
    let object_array = StructArray::new(fields, vec![ints([1]), texts(["b".to_owned()])], None);
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some([Some(1), None])]);
    let list_type = ColumnType::List(Box::new(INT));
    let DataType::List(element) = list_type.to_arrow() else { unreachable!() };
    let list = ListArray::new(element, list.offsets().clone(), Arc::clone(list.values()), None);
    batch(vec![
        ("id", INT, ints([id])),
        ("n", INT, ints([5])),
        ("name", ColumnType::Text, texts([format!("w {id}")])),
        ("t", ColumnType::Text, texts(["new".to_owned()])),
        ("o", object, Arc::new(object_array)),
        ("l", list_type, Arc::new(list)),
    ])
}

/// What a night does to the file of the night before it.
#[derive(Debug, PartialEq)]
enum Done {
    Left,
    Spliced,
    Anew,
}

/// Whether the first file begins with what it was.
fn done(lake: &Lake, before: &[u8]) -> Done {
    let file = &lake.state.files[0];
    let now = std::fs::read(lake.folder.path().join(&file.path)).unwrap();
    match now == before {
        true => Done::Left,
        false if now.starts_with(before) && pieces(&file.checksum) > 1 => Done::Spliced,
        false => Done::Anew,
    }
}

fn first_file(lake: &Lake) -> Vec<u8> {
    std::fs::read(lake.folder.path().join(&lake.state.files[0].path)).unwrap()
}

/// Settings with several row groups a file, in which files of this size or more are spliced.
fn splicing(lake: &mut Lake, disposition: WriteDisposition, splice_bytes: u64) -> StageSettings {
    let mut settings = lake.settings(disposition);
    settings.budgets.row_group_rows = 100;
    settings.budgets.small_row_group_rows = 10;
    settings.budgets.splice_bytes = splice_bytes;
    settings
}

#[test]
fn columns_that_came_are_null_behind_a_files_own_bytes_and_its_rows_are_those_of_one_written_anew() {
    let mut told = Vec::new();
    for (splice_bytes, expected) in [(1, Done::Spliced), (u64::MAX, Done::Anew)] {
        let mut lake = Lake::new();
        let settings = splicing(&mut lake, WriteDisposition::Append, splice_bytes);
        lake.run(settings, vec![people(0..350, "a")]);
        let before = first_file(&lake);
        let settings = splicing(&mut lake, WriteDisposition::Append, splice_bytes);
        lake.run(settings, vec![wider(1000)]);
        assert_eq!(done(&lake, &before), expected);
        let again = first_file(&lake);
        let settings = splicing(&mut lake, WriteDisposition::Append, splice_bytes);
        lake.run(
            settings,
            vec![batch(vec![("id", INT, ints([1001])), ("last", FLOAT, Arc::new(Float64Array::from(vec![0.5])))])],
        );
        assert_eq!(done(&lake, &again), expected);
        let names: Vec<Vec<String>> =
            lake.schemas().iter().map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect()).collect();
        assert!(names.iter().all(|names| *names == ["id", "name", "city", "n", "t", "o", "l", "last"]), "{names:?}");
        let path = lake.folder.path().join(&lake.state.files[0].path);
        let source = ParquetSource::open(LiveFile::open_disk(&path).unwrap(), "test".into()).unwrap();
        let index = source.metadata().page_index().expect("it has a page index");
        for (row_group, found) in source.row_groups().iter().enumerate() {
            for leaf in 0..found.num_columns() {
                assert!(index.column_index(row_group, leaf).is_some() && index.offset_index(row_group, leaf).is_some());
            }
        }
        told.push((lake.rows(), lake.state.files[0].key_ranges.clone(), source.nested_types()));
    }
    assert_eq!(told[0], told[1]);
}

#[test]
fn a_file_whose_rows_or_columns_change_is_written_anew() {
    let lists = |value: &str| {
        batch(vec![("id", INT, ints([5])), ("name", ColumnType::Text, texts([value.to_owned()])), ("t", INT, ints([1]))])
    };
    let wide = batch(vec![("id", INT, ints([1000])), ("name", ColumnType::Text, texts(["x".to_owned()])), ("t", INT, ints([1]))]);
    let float = batch(vec![("id", FLOAT, Arc::new(Float64Array::from(vec![1000.5]))), ("t", INT, ints([1]))]);
    let plain = batch(vec![("id", INT, ints([1000]))]);
    let (append, merge) = (WriteDisposition::Append, WriteDisposition::Merge);
    let cases = [
        ("a column came", append, wide.clone(), Done::Spliced),
        ("a column came, and a type widened", append, float, Done::Anew),
        ("a column came, and a row changed", merge, lists("other"), Done::Anew),
        ("a column came, and a row got its value", merge, lists("a 5"), Done::Anew),
        ("nothing came", append, plain, Done::Left),
    ];
    for (case, disposition, rows, expected) in cases {
        let mut lake = Lake::new();
        let settings = splicing(&mut lake, disposition, 1);
        lake.run(settings, vec![people(0..350, "a")]);
        let before = first_file(&lake);
        let settings = splicing(&mut lake, disposition, 1);
        lake.run(settings, vec![rows]);
        assert_eq!(done(&lake, &before), expected, "{case}");
    }
}

#[test]
fn only_so_many_old_footers_stay_in_a_file_and_one_that_was_damaged_is_not_carried_on() {
    let mut lake = Lake::new();
    let settings = splicing(&mut lake, WriteDisposition::Append, 1);
    lake.run(settings, vec![people(0..350, "a")]);
    let mut most = 0;
    for night in 0..12 {
        let settings = splicing(&mut lake, WriteDisposition::Append, 1);
        lake.run(settings, vec![batch(vec![("id", INT, ints([1000 + night])), (&format!("c{night}"), INT, ints([night]))])]);
        most = most.max(pieces(&lake.state.files[0].checksum));
    }
    assert_eq!((most, lake.rows().len()), (9, 362));
    let path = lake.folder.path().join(&lake.state.files[0].path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let settings = splicing(&mut lake, WriteDisposition::Append, 1);
    let error = lake.stage(settings, vec![batch(vec![("id", INT, ints([2000])), ("d", INT, ints([1]))])]).unwrap_err();
    assert!(matches!(error, LakeError::Damaged { .. }), "{error:?}");
}

/// Files of a bucket.
#[derive(Debug)]
struct Remote(PathBuf);

impl LiveFiles for Remote {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        Ok(LiveFile::remote(Arc::new(Object(self.0.join(&file.path))), file.bytes))
    }
}

#[derive(Debug)]
struct Object(PathBuf);

impl RemoteRead for Object {
    fn read_range(&self, range: Range<u64>) -> Result<Bytes, LakeError> {
        let read = std::fs::read(&self.0).map_err(|source| LakeError::of_disk("read", &self.0, source))?;
        Ok(Bytes::from(read).slice(range.start as usize..range.end as usize))
    }
}

#[test]
fn of_a_file_in_a_bucket_only_what_comes_behind_it_is_in_the_spool_also_when_a_merge_is_checked() {
    for disposition in [WriteDisposition::Append, WriteDisposition::Merge] {
        let mut lake = Lake::new();
        let settings = splicing(&mut lake, disposition, 1);
        lake.run(settings, vec![people(0..350, "a")]);
        // No room for the row of tonight, so that a merge puts it into a file of its own.
        let settings = StageSettings { target_file_size: 1, ..splicing(&mut lake, disposition, 1) };
        let files = Arc::new(Remote(lake.folder.path().to_owned()));
        let mut stage = TableStage::new(settings, lake.state.clone(), files).unwrap();
        let rows = wider(1000);
        let schema = Arc::clone(&rows.schema);
        stage.push(rows).unwrap();
        let mut staged = name_files(stage.finish(&schema).unwrap()).unwrap();
        let mut put = staged.changes.iter_mut().filter_map(|change| match change {
            FileChange::Put { file, spooled, behind, replaces: Some(old) } => Some((file, spooled, behind, old)),
            _ => None,
        });
        let (file, spooled, behind, old) = put.next().unwrap();
        let rest = std::fs::read(&*spooled).unwrap();
        let first = behind.as_ref().map_or(0, |found| found.bytes);
        assert_eq!((first, first + rest.len() as u64), (old.bytes, file.bytes), "{disposition:?}");
        // What the bucket makes of it.
        let before = std::fs::read(lake.folder.path().join(&old.path)).unwrap();
        std::fs::write(&*spooled, [before.clone(), rest].concat()).unwrap();
        *behind = None;
        drop(put);
        lake.publish(staged);
        assert_eq!((done(&lake, &before), lake.rows().len()), (Done::Spliced, 351), "{disposition:?}");
    }
}

#[test]
fn a_column_that_comes_first_is_written_in_its_place() {
    let mut lake = Lake::new();
    let settings = splicing(&mut lake, WriteDisposition::Append, 1);
    lake.run(settings, vec![people(0..350, "a")]);
    let before = first_file(&lake);
    // What the table would be had another lakeward put its columns in another order.
    lake.state.schema.columns.insert(0, Column::inferred("first", ColumnType::Unknown));
    let settings = splicing(&mut lake, WriteDisposition::Append, 1);
    lake.run(settings, vec![batch(vec![("first", INT, ints([1])), ("id", INT, ints([1000]))])]);
    assert_eq!(done(&lake, &before), Done::Anew);
    assert_eq!(lake.schemas()[0].field(0).name(), "first");
}
