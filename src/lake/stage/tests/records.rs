//! Which record of a key becomes its row: `dedup_sort`, `hard_delete` and `insert-only`, against a model.

use arrow_array::{BooleanArray, Date32Array};

use super::*;
use crate::config::DedupSort;

/// A record: key, city, the value that decides, whether it deletes.
#[derive(Debug, Clone)]
struct Record {
    id: i64,
    city: i64,
    rank: Value,
    deletes: Option<bool>,
    version: String,
}

fn page(records: &[Record]) -> TypedBatch {
    let rows: Vec<Row> = records
        .iter()
        .map(|record| {
            Row::from([
                ("id", Value::Int(record.id)),
                ("city", Value::Text(format!("c{}", record.city))),
                ("rank", record.rank.clone()),
                ("version", Value::Text(record.version.clone())),
            ])
        })
        .collect();
    let mut page = typed(&rows, &["id", "city", "rank", "version"]);
    let flags: ArrayRef = Arc::new(records.iter().map(|record| record.deletes).collect::<BooleanArray>());
    let mut schema = page.schema.as_ref().clone();
    schema.columns.push(Column::inferred("deleted", ColumnType::Boolean));
    let columns = [page.batch.columns().to_vec(), vec![flags]].concat();
    page.batch = RecordBatch::try_new(schema.to_arrow(), columns).unwrap();
    page.schema = Arc::new(schema);
    page
}

/// The order of values in a column of this type.
fn rank_in(value: &Value, column_type: &ColumnType) -> Option<(f64, String)> {
    match (value, column_type) {
        (Value::Null, _) => None,
        (value, ColumnType::Text) => Some((0.0, value.shown(column_type))),
        (Value::Int(value), _) => Some((*value as f64, String::new())),
        (Value::Float(value), _) => Some((*value, String::new())),
        (Value::Text(_), _) => unreachable!("the column is text"),
    }
}

/// What a night leaves of a key's records: the winner, or nothing where it deletes.
fn winners(night: &[Record], merge: &MergePlan, column_type: &ColumnType) -> BTreeMap<i64, Record> {
    let mut winners: BTreeMap<i64, Record> = BTreeMap::new();
    for record in night {
        let Some(before) = winners.get(&record.id) else {
            winners.insert(record.id, record.clone());
            continue;
        };
        let (before, now) = (rank_in(&before.rank, column_type), rank_in(&record.rank, column_type));
        let wins = match (&merge.dedup_sort, before, now) {
            (None, ..) | (_, None, _) => true,
            (_, Some(_), None) => false,
            (Some(sort), Some(before), Some(now)) => {
                let order = now.partial_cmp(&before).unwrap();
                if sort.greatest { order.is_ge() } else { order.is_le() }
            }
        };
        if wins {
            winners.insert(record.id, record.clone());
        }
    }
    winners
}

struct Layout {
    partitioned: bool,
    sorted: bool,
}

fn check_nights(seed: u64, merge: &MergePlan, layout: &Layout) {
    let mut chance = Chance(seed);
    let mut lake = Lake::new();
    let mut model: BTreeMap<i64, Record> = BTreeMap::new();
    for night in 0..5 {
        let mut settings = lake.settings(WriteDisposition::Merge);
        small(&mut settings);
        settings.merge = merge.clone();
        if layout.partitioned {
            settings.partition_by =
                vec![PartitionField { column: "city".into(), transform: Transform::Identity, name: "city".into() }];
        }
        if layout.sorted {
            settings.sort_by = vec![SortField { column: "version".into(), descending: true }];
        }
        let pages: Vec<Vec<Record>> = (0..chance.below(6) + 1)
            .map(|page| {
                (0..chance.below(80))
                    .map(|number| Record {
                        id: chance.below(120) as i64,
                        city: chance.below(3) as i64,
                        rank: match (night, page, chance.below(12)) {
                            (_, _, 0) => Value::Null,
                            (1.., 3.., 1) => Value::Float(chance.below(12) as f64 + 0.5),
                            (3.., 4.., 2) => Value::Text("soon".into()),
                            _ => Value::Int(chance.below(12) as i64),
                        },
                        deletes: [None, Some(false), Some(false), Some(true)][chance.below(4) as usize],
                        version: format!("{night}.{page}.{number}"),
                    })
                    .collect()
            })
            .collect();
        let all: Vec<Record> = pages.concat();
        let stats = lake.run(settings, pages.iter().map(|records| page(records)).collect());
        let column_type = lake.state.schema.column("rank").unwrap().column_type.clone();
        let winners = winners(&all, merge, &column_type);
        let before = model.clone();
        for (id, record) in &winners {
            let deletes = merge.hard_delete.is_some() && record.deletes == Some(true);
            if merge.insert_only && before.contains_key(id) {
                continue;
            } else if deletes {
                model.remove(id);
            } else {
                model.insert(*id, record.clone());
            }
        }
        let found: BTreeMap<i64, (String, String)> =
            lake.rows().iter().map(|row| (row["id"].parse().unwrap(), (row["version"].clone(), row["city"].clone()))).collect();
        let expected: BTreeMap<i64, (String, String)> =
            model.iter().map(|(id, record)| (*id, (record.version.clone(), format!("c{}", record.city)))).collect();
        assert_eq!(found, expected, "seed {seed} night {night} {merge:?}");
        assert_eq!(lake.rows().len(), expected.len(), "a key is there twice");
        let gone = before.keys().filter(|id| !model.contains_key(id)).count() as u64;
        let new = model.keys().filter(|id| !before.contains_key(id)).count() as u64;
        assert_eq!((stats.rows_deleted, stats.rows_inserted), (gone, new), "seed {seed} night {night}");
        assert_eq!(stats.rows_deduplicated, (all.len() - winners.len()) as u64);
        assert!(lake.state.files.iter().all(|file| file.rows > 0), "an empty file is left");
    }
}

fn layouts(seed: u64) -> Layout {
    Layout { partitioned: seed % 2 == 1, sorted: seed % 3 == 2 }
}

#[test]
fn the_record_with_the_greatest_or_least_value_wins_also_when_the_column_widens_late() {
    for seed in 0..12 {
        let sort = DedupSort { column: "rank".into(), greatest: seed % 4 < 2 };
        check_nights(seed, &MergePlan { dedup_sort: Some(sort), ..MergePlan::default() }, &layouts(seed));
    }
}

#[test]
fn flagged_records_delete_their_rows_and_are_never_rows() {
    for seed in 0..6 {
        check_nights(seed, &MergePlan { hard_delete: Some("deleted".into()), ..MergePlan::default() }, &layouts(seed));
    }
}

#[test]
fn the_winner_among_the_records_of_a_key_decides_whether_its_row_is_deleted() {
    for seed in 0..6 {
        let dedup_sort = Some(DedupSort { column: "rank".into(), greatest: seed % 2 == 0 });
        let merge = MergePlan { dedup_sort, hard_delete: Some("deleted".into()), insert_only: false };
        check_nights(seed, &merge, &layouts(seed));
    }
}

#[test]
fn rows_of_the_table_stay_as_they_are_where_only_new_ones_are_inserted() {
    for seed in 0..6 {
        let hard_delete = (seed % 2 == 0).then(|| "deleted".to_owned());
        check_nights(seed, &MergePlan { hard_delete, insert_only: true, dedup_sort: None }, &layouts(seed));
    }
}

/// Rows with these ids, flagged or not.
fn flagged(ids: &[i64], flag: bool) -> TypedBatch {
    batch(vec![
        ("id", INT, ints(ids.iter().copied())),
        ("deleted", ColumnType::Boolean, Arc::new(BooleanArray::from(vec![flag; ids.len()]))),
    ])
}

#[test]
fn deleting_again_or_what_is_not_there_is_counted_and_changes_nothing() {
    let mut lake = Lake::new();
    let mut night = |batch: TypedBatch| {
        let mut settings = lake.settings(WriteDisposition::Merge);
        settings.merge.hard_delete = Some("deleted".into());
        let stats = lake.run(settings, vec![batch]);
        (
            stats.rows_deleted,
            stats.deletes_unmatched,
            lake.rows().len(),
            lake.state.files.iter().filter(|file| file.rows > 0).cloned().collect::<Vec<_>>(),
        )
    };
    assert_eq!(night(flagged(&[7], true)), (0, 1, 0, vec![]), "a first load of flagged records alone makes no file with rows");
    night(flagged(&[1, 2, 3], false));
    let (deleted, unmatched, rows, files) = night(flagged(&[2, 9], true));
    assert_eq!((deleted, unmatched, rows), (1, 1, 2));
    assert_eq!(night(flagged(&[2, 9], true)), (0, 2, 2, files));
    assert_eq!(night(flagged(&[1, 3], true)), (2, 0, 0, vec![]), "a file without rows goes");
    let (.., rows, _) = night(flagged(&[1], false));
    assert_eq!(rows, 1, "a deleted key comes back");
}

#[test]
fn a_flag_column_may_be_the_partition_and_the_deciding_column_too() {
    for column in ["deleted", "day"] {
        let mut lake = Lake::new();
        for _ in 0..2 {
            let mut settings = lake.settings(WriteDisposition::Merge);
            small(&mut settings);
            settings.merge.hard_delete = Some("deleted".into());
            settings.merge.dedup_sort = Some(DedupSort { column: "day".into(), greatest: true });
            settings.partition_by =
                vec![PartitionField { column: column.into(), transform: Transform::Identity, name: column.into() }];
            let page = |ids: Vec<i64>, column_type, days: ArrayRef, flags: Vec<bool>| {
                batch(vec![
                    ("id", INT, ints(ids)),
                    ("day", column_type, days),
                    ("deleted", ColumnType::Boolean, Arc::new(BooleanArray::from(flags))),
                ])
            };
            let days: ArrayRef = Arc::new(Date32Array::from(vec![20_003, 20_001, 20_002, 20_002]));
            let dates = page(vec![1, 1, 2, 3], ColumnType::Date, days, vec![false, true, true, false]);
            let filler = page((10..80).collect(), ColumnType::Unknown, new_null_array(&DataType::Null, 70), vec![false; 70]);
            // What decides becomes text when the first rows have long been written.
            let words = page(vec![4, 4], ColumnType::Text, texts(["soon", "never"].map(str::to_owned)), vec![false, true]);
            let stats = lake.run(settings, vec![dates, filler, words]);
            assert_eq!((stats.rows_deduplicated, stats.deletes_unmatched), (2, 1));
            let ids: Vec<i64> = lake.rows().iter().map(|row| row["id"].parse().unwrap()).filter(|id| *id < 10).collect();
            assert_eq!(ids.into_iter().collect::<std::collections::BTreeSet<_>>(), [1, 3, 4].into());
        }
    }
}
