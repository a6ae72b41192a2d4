//! How large files become: closed at the target, whatever a page, a chunk or a sorted row group holds.

use super::*;

const TARGET: u64 = 20_000;
/// What a file has besides its rows: the footer, bloom filters and indexes.
const BESIDES: u64 = 3_000;

fn settings(lake: &mut Lake, disposition: WriteDisposition) -> StageSettings {
    StageSettings { target_file_size: TARGET, ..lake.settings(disposition) }
}

/// Checks that no file passes the target by more than a quarter, and tells how many there are.
fn bounded(lake: &Lake, what: &str) -> usize {
    let largest = lake.state.files.iter().map(|file| file.bytes).max().unwrap();
    assert!(
        largest <= TARGET + TARGET / 4 + BESIDES,
        "{what}: {largest} bytes in the largest of {} files",
        lake.state.files.len()
    );
    lake.state.files.len()
}

#[test]
fn a_page_larger_than_a_file_is_split() {
    let mut lake = Lake::new();
    let append = StageSettings { primary_key: vec![], ..settings(&mut lake, WriteDisposition::Append) };
    lake.run(append, vec![people(0..31_000, "a")]);
    assert!(bounded(&lake, "appended") > 2);
    let ids: Vec<i64> = lake.rows().iter().map(|row| row["id"].parse().unwrap()).collect();
    assert_eq!(ids, (0..31_000).collect::<Vec<_>>());
}

#[test]
fn pages_that_come_together_are_split_and_so_are_sorted_rows_partitions_and_inserts() {
    for (partitioned, sorted) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut lake = Lake::new();
        let mut night = |first: i64| {
            let mut settings = settings(&mut lake, WriteDisposition::Merge);
            if partitioned {
                settings.partition_by =
                    vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
            }
            if sorted {
                settings.sort_by = vec![SortField { column: "name".into(), descending: true }];
            }
            // The last page has rows of the first again.
            let pages = (0..13).map(|page| first + page * 1_000..first + page * 1_000 + 1_000);
            let again = people(first..first + 10, "b");
            let stats = lake.run(settings, pages.map(|ids| people(ids, "a")).chain([again]).collect());
            assert_eq!(stats.rows_deduplicated, 10);
            (bounded(&lake, &format!("partitioned {partitioned}, sorted {sorted}")), names(&lake))
        };
        let (first, _) = night(0);
        let (second, rows) = night(13_000);
        assert!(first > 1 && second > first + 1, "{first} files, then {second}");
        let version = |id: i64| if id % 13_000 < 10 { "b" } else { "a" };
        assert_eq!(rows, (0..26_000).map(|id| (id, format!("{} {id}", version(id)))).collect());
    }
}

#[test]
fn the_spelling_of_a_page_that_is_split_is_kept() {
    let mut lake = Lake::new();
    let settings = StageSettings { target_file_size: 1_000, ..lake.settings(WriteDisposition::Merge) };
    let mut page = prices(0..5_000);
    page.originals[0].exceptions = (0..5_000).step_by(7).map(|row| (row, Box::from(format!("{row}5e-1")))).collect();
    let late = batch(vec![
        ("id", INT, ints([9_000])),
        ("city", ColumnType::Text, texts(["c0".to_owned()])),
        ("amount", ColumnType::Text, texts(["a lot".to_owned()])),
    ]);
    let mut stage = TableStage::new(settings, lake.state.clone(), Arc::new(Folder(lake.folder.path().to_owned()))).unwrap();
    stage.push(page.clone()).unwrap();
    // The rows are in segments before the text comes.
    stage.flush().unwrap();
    stage.push(late.clone()).unwrap();
    let staged = name_files(stage.finish(&page.schema.join(&late.schema)).unwrap()).unwrap();
    lake.publish(staged);
    assert!(lake.state.files.len() > 10, "{}", lake.state.files.len());
    for row in lake.rows() {
        let id: i64 = row["id"].parse().unwrap();
        let expected = match id {
            9_000 => "a lot".to_owned(),
            id if id % 7 == 0 => format!("{id}5e-1"),
            id => format!("{id}.50"),
        };
        assert_eq!(row["amount"], expected);
    }
}
