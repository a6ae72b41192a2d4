//! Appends fill up the last small file of a partition.

use super::*;

fn filling(lake: &mut Lake) -> StageSettings {
    StageSettings { fills_up: true, primary_key: vec![], target_file_size: 64 << 20, ..lake.settings(WriteDisposition::Append) }
}

fn ids(lake: &Lake) -> Vec<i64> {
    lake.rows().iter().map(|row| row["id"].parse().unwrap()).collect()
}

#[test]
fn a_hundred_small_appends_are_one_file_with_the_rows_in_order() {
    let mut lake = Lake::new();
    for night in 0..100 {
        let settings = filling(&mut lake);
        let stats = lake.run(settings, vec![people(night * 50..night * 50 + 50, "a")]);
        assert_eq!(stats.rows_inserted, 50);
        assert_eq!(lake.state.files.len(), 1, "night {night}");
    }
    assert_eq!(ids(&lake), (0..5000).collect::<Vec<_>>());
    let folder = lake.folder.path().to_owned();
    let file = &lake.state.files[0];
    let source = crate::lake::parquet::ParquetSource::open(Folder(folder).open(file).unwrap(), file.path.clone()).unwrap();
    assert!(
        source.row_groups().len() <= StageBudgets::default().small_row_groups + 1,
        "row groups become one once they are many"
    );
}

#[test]
fn only_the_partitions_that_get_rows_are_filled_up_and_each_file_keeps_its_partition() {
    let mut lake = Lake::new();
    let field = PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() };
    for night in 0..6 {
        let settings = StageSettings { partition_by: vec![field.clone()], ..filling(&mut lake) };
        let before = lake.state.files.clone();
        // Two of three cities a night.
        let ids = (0..20).filter(|id| id % 3 != night % 3).map(|id| id + night * 30);
        lake.run(settings, vec![people(ids, "a")]);
        let left = lake.state.files.iter().filter(|file| before.contains(file)).count();
        assert_eq!(left, usize::from(night > 0), "night {night}");
    }
    assert_eq!(lake.state.files.len(), 3);
    assert!(lake.rows().iter().all(|row| row["city"] == format!("city {}", row["id"].parse::<i64>().unwrap() % 3)));
}

#[test]
fn a_file_that_is_large_enough_is_left_alone() {
    let mut lake = Lake::new();
    let settings = StageSettings { target_file_size: 30_000, ..filling(&mut lake) };
    lake.run(settings, vec![people(0..2_000, "a")]);
    let before = lake.state.files.clone();
    let settings = StageSettings { target_file_size: before.last().unwrap().bytes + 100, ..filling(&mut lake) };
    lake.run(settings, vec![people(2_000..2_010, "a")]);
    assert_eq!(lake.state.files.len(), before.len() + 1);
    assert_eq!(lake.state.files[..before.len()], before);
    assert_eq!(ids(&lake), (0..2_010).collect::<Vec<_>>());
}

#[test]
fn a_night_that_widens_the_table_brings_its_files_up_to_date_and_fills_none_up_twice() {
    let mut lake = Lake::new();
    let settings = filling(&mut lake);
    lake.run(settings, vec![people(0..10, "a")]);
    let wider = batch(vec![
        ("id", INT, ints(10..12)),
        ("name", ColumnType::Text, texts((10..12).map(|id| format!("b {id}")))),
        ("city", ColumnType::Text, texts((10..12).map(|_| "Bonn".to_owned()))),
        ("new", INT, ints(0..2)),
    ]);
    let settings = filling(&mut lake);
    lake.run(settings, vec![wider.clone()]);
    assert_eq!(lake.state.files.len(), 2);
    let settings = StageSettings { on_schema_change: OnSchemaChange::Leave, ..filling(&mut lake) };
    lake.run(settings, vec![wider]);
    assert_eq!((lake.state.files.len(), lake.rows().len()), (2, 14));
}

#[test]
fn a_damaged_file_is_not_filled_up() {
    let mut lake = Lake::new();
    let settings = filling(&mut lake);
    lake.run(settings, vec![people(0..10, "a")]);
    let path = lake.folder.path().join(&lake.state.files[0].path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[10] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let settings = filling(&mut lake);
    let error = lake.stage(settings, vec![people(10..20, "a")]).unwrap_err();
    assert!(matches!(error, LakeError::Damaged { .. }), "{error}");
}
