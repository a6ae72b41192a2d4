//! What a run reads of live files, leaves of them, and how much of a table it may change.

use super::*;
use crate::base::ErrorKind;
use crate::lake::PartitionError;

fn by_city(settings: &mut StageSettings) {
    settings.partition_by = vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
}

/// Paths that a staged table puts over others, puts anew, and deletes.
fn paths(staged: &PreparedTable) -> [Vec<&str>; 3] {
    let mut paths = [vec![], vec![], vec![]];
    for change in &staged.changes {
        match change {
            FileChange::Put { file, replaces: Some(_), .. } => paths[0].push(file.path.as_str()),
            FileChange::Put { file, .. } => paths[1].push(file.path.as_str()),
            FileChange::Delete { file } | FileChange::Retire { file } => paths[2].push(file.path.as_str()),
        }
    }
    paths
}

#[test]
fn a_replace_with_the_same_rows_changes_nothing() {
    for partitioned in [false, true] {
        let mut lake = Lake::new();
        let mut night = |rows: Vec<TypedBatch>| {
            let mut settings = lake.settings(WriteDisposition::Replace);
            if partitioned {
                by_city(&mut settings);
            }
            let staged = lake.stage(settings, rows).unwrap();
            let changes = staged.changes.len();
            lake.publish(staged);
            changes
        };
        let files = if partitioned { 3 } else { 1 };
        assert_eq!(night(vec![people(0..90, "old")]), files);
        assert_eq!(night(vec![people(0..90, "old")]), 0);
        assert_eq!(night(vec![people(0..40, "old"), people(40..90, "old")]), 0);
        assert_eq!(night(vec![people(0..90, "new")]), files);
    }
}

#[test]
fn a_replace_switches_a_partition_of_one_file_under_its_name_and_leaves_those_that_are_equal() {
    let mut lake = Lake::new();
    let night = |lake: &mut Lake, rows| {
        let mut settings = lake.settings(WriteDisposition::Replace);
        by_city(&mut settings);
        lake.stage(settings, rows).unwrap()
    };
    let first = night(&mut lake, vec![people(0..9, "old")]);
    lake.publish(first);
    // City 0 has other rows, city 1 is as it was, city 2 is gone.
    let rows = [people([0, 3, 6].into_iter(), "new"), people([1, 4, 7].into_iter(), "old")];
    let staged = night(&mut lake, rows.to_vec());
    assert_eq!(paths(&staged), [vec!["t/city=city 0/part-000000.parquet"], vec![], vec!["t/city=city 2/part-000002.parquet"]]);
    lake.publish(staged);
    let names = names(&lake);
    assert_eq!((names.len(), names[&0].as_str(), names[&1].as_str()), (6, "new 0", "old 1"));
}

/// Turns one bit in the middle of a live file, whose footer stays whole.
fn flip(lake: &Lake, path: &str) {
    let place = lake.folder.path().join(path);
    let mut bytes = std::fs::read(&place).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&place, bytes).unwrap();
}

#[test]
fn a_damaged_or_exchanged_file_ends_whatever_takes_its_content() {
    let more = batch(vec![("id", INT, ints(200..201)), ("more", INT, ints(0..1))]);
    let cases = [
        ("a merge that changes a row", WriteDisposition::Merge, people(1..2, "new")),
        ("a merge that adds a row behind them", WriteDisposition::Merge, people(100..101, "new")),
        ("a column more, for which every file is written anew", WriteDisposition::Append, more),
    ];
    for (what, disposition, rows) in cases {
        for exchanged in [false, true] {
            let mut lake = Lake::new();
            let plain = |lake: &mut Lake| StageSettings { compression: Compression::Uncompressed, ..lake.settings(disposition) };
            let settings = plain(&mut lake);
            lake.run(settings, vec![people(0..50, "old")]);
            let path = lake.state.files[0].path.clone();
            if exchanged {
                // Another file of the same size.
                let mut other = Lake::new();
                let settings = plain(&mut other);
                other.run(settings, vec![people(0..50, "odl")]);
                let place = |lake: &Lake| lake.folder.path().join(&path);
                assert_eq!(other.state.files[0].bytes, lake.state.files[0].bytes);
                std::fs::copy(place(&other), place(&lake)).unwrap();
            } else {
                flip(&lake, &path);
            }
            let settings = lake.settings(disposition);
            let error = lake.stage(settings, vec![rows.clone()]).unwrap_err();
            let LakeError::Damaged { place, .. } = &error else { panic!("{what}: {error:?}") };
            assert!(place.ends_with(&path), "{what}: {error}");
            assert_eq!(error.kind(), ErrorKind::Data);
            assert!(error.hint().unwrap().contains("--full-refresh"));
        }
    }
}

#[test]
fn a_table_of_more_partitions_than_a_run_may_change_is_refreshed_where_little_changes() {
    let mut lake = Lake::new();
    let mut night = |max: usize, disposition, rows: TypedBatch| {
        let mut settings = lake.settings(disposition);
        settings.partition_by = vec![PartitionField { column: "id".into(), transform: Transform::Identity, name: "of".into() }];
        settings.max_partitions = max;
        let staged = lake.stage(settings, vec![rows])?;
        let changes = staged.changes.len();
        lake.publish(staged);
        Ok::<usize, LakeError>(changes)
    };
    let is_too_many = |error: Result<usize, LakeError>| {
        matches!(error, Err(LakeError::Partition(PartitionError::TooMany { partitions_max: 10, .. })))
    };
    assert!(is_too_many(night(10, WriteDisposition::Merge, people(0..50, "old"))));
    assert_eq!(night(50, WriteDisposition::Merge, people(0..50, "old")).unwrap(), 50);
    for disposition in [WriteDisposition::Merge, WriteDisposition::Replace] {
        assert_eq!(night(10, disposition, people(0..50, "old")).unwrap(), 0, "{disposition:?}");
    }
    // Some rows changed, some new.
    assert_eq!(night(10, WriteDisposition::Merge, people(45..55, "new")).unwrap(), 10);
    assert!(is_too_many(night(10, WriteDisposition::Merge, people(0..11, "newer"))));
    assert!(is_too_many(night(10, WriteDisposition::Append, people(0..11, "newer"))));
    assert!(is_too_many(night(10, WriteDisposition::Replace, people(0..55, "newest"))));
    assert!(is_too_many(night(10, WriteDisposition::Merge, people(60..71, "new"))));
}

#[test]
fn a_replaced_table_with_other_levels_leaves_nothing_in_the_old_folders() {
    let mut lake = Lake::new();
    for level in ["city", "town"] {
        let mut settings = lake.settings(WriteDisposition::Replace);
        settings.partition_by =
            vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: level.into() }];
        lake.run(settings, vec![people(0..30, level)]);
        let folder = format!("t/{level}=");
        assert!(lake.state.files.iter().all(|file| file.path.starts_with(&folder)), "{:?}", lake.state.files);
    }
}
