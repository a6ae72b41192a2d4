use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::merge::matches::Match;

/// Keys of units, one hash a row.
type Units = Vec<Vec<u128>>;

/// What a model with a map says about the same keys.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    superseded: BTreeSet<(u32, u32)>,
    matched: BTreeSet<(u32, u32)>,
    matches: BTreeMap<u32, Vec<Match>>,
    duplicate_live: BTreeSet<(u32, u32)>,
}

fn expected(run: &Units, live: &Units) -> Expected {
    let mut expected = Expected::default();
    let mut winners = BTreeMap::new();
    for (place, key) in places(run) {
        if let Some(loser) = winners.insert(key, place) {
            expected.superseded.insert(loser);
        }
    }
    let mut first_live = BTreeSet::new();
    for (place, key) in places(live) {
        if !first_live.insert(key) {
            expected.duplicate_live.insert(place);
        } else if let Some((run_unit, run_row)) = winners.get(&key) {
            expected.matched.insert((*run_unit, *run_row));
            let found = Match { live_row: place.1, run_unit: *run_unit, run_row: *run_row };
            expected.matches.entry(place.0).or_default().push(found);
        }
    }
    expected
}

fn places(units: &Units) -> impl Iterator<Item = ((u32, u32), u128)> {
    units.iter().zip(0..).flat_map(|(keys, unit)| keys.iter().zip(0..).map(move |(key, row)| ((unit, row), *key)))
}

fn log_of(units: &Units, folder: &std::path::Path, budget_bytes: usize, batch: usize) -> KeyLog {
    let mut log = KeyLog::new(folder.to_path_buf(), budget_bytes);
    for (keys, unit) in units.iter().zip(0..) {
        for (keys, number) in keys.chunks(batch).zip(0..) {
            log.push(keys, unit, number * batch as u32).unwrap();
        }
    }
    log
}

/// The outcome equals the model's, and no spill file outlives it.
fn check(run: &Units, live: &Units, budget_bytes: usize, batch: usize) {
    let folder = tempfile::tempdir().unwrap();
    let run_log = log_of(run, folder.path(), budget_bytes, batch);
    let live_log = log_of(live, folder.path(), budget_bytes, batch);
    let outcome = run_log.finish(Some(live_log)).unwrap();
    let matches: BTreeMap<u32, Vec<Match>> = (0..live.len() as u32)
        .map(|unit| (unit, outcome.matches.of_live_unit(unit).unwrap()))
        .filter(|(_, matches)| !matches.is_empty())
        .collect();
    assert_eq!(outcome.matches.count(), outcome.matched.count());
    let found = Expected {
        superseded: outcome.superseded.iter().collect(),
        matched: outcome.matched.iter().collect(),
        matches,
        duplicate_live: outcome.duplicate_live.iter().collect(),
    };
    drop(outcome.matches);
    assert_eq!(found, expected(run, live));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A key as a hash that shares its top bits with others, so that splitting has to go deep.
fn hash_of(key: u8, shared_bits: u32) -> u128 {
    xxhash_rust::xxh3::xxh3_128(&[key]).checked_shr(shared_bits).unwrap_or(0) | u128::from(key & 3)
}

fn units() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..5)
}

proptest! {
    #[test]
    fn the_outcome_is_that_of_a_map_whatever_the_budget(
        run in units(),
        live in units(),
        budget_bytes in prop_oneof![Just(0_usize), 24..4_000_usize, Just(1 << 20)],
        batch in 1..50_usize,
        shared_bits in prop_oneof![Just(0_u32), Just(60_u32), Just(126_u32)],
    ) {
        let hashes = |units: Vec<Vec<u8>>| -> Units {
            units.into_iter().map(|keys| keys.into_iter().map(|key| hash_of(key, shared_bits)).collect()).collect()
        };
        check(&hashes(run), &hashes(live), budget_bytes, batch);
    }
}

proptest! {
    #[test]
    fn merging_the_winners_again_supersedes_nothing_and_matches_all(run in units(), budget_bytes in 24..4_000_usize) {
        let run: Units = run.into_iter().map(|keys| keys.into_iter().map(|key| hash_of(key, 0)).collect()).collect();
        let folder = tempfile::tempdir().unwrap();
        let first = log_of(&run, folder.path(), budget_bytes, 7).finish(None).unwrap();
        let winners: Units = (0..)
            .zip(&run)
            .map(|(unit, keys)| {
                let rows = (0..).zip(keys).filter(|(row, _)| !first.superseded.contains(unit, *row));
                rows.map(|(_, key)| *key).collect()
            })
            .collect();
        let log = || log_of(&winners, folder.path(), budget_bytes, 7);
        let again = log().finish(Some(log())).unwrap();
        let rows: usize = winners.iter().map(Vec::len).sum();
        prop_assert_eq!((again.superseded.count(), again.duplicate_live.count()), (0, 0));
        prop_assert_eq!(again.matches.count(), rows as u64);
    }
}

#[test]
fn the_last_row_of_a_key_wins_and_replaces_its_live_row() {
    check(&vec![vec![1, 2, 1], vec![2, 3]], &vec![vec![9, 2], vec![3, 9, 1]], 1 << 20, 2);
}

#[test]
fn one_key_again_and_again_needs_no_split() {
    check(&vec![vec![5; 3_000]], &vec![vec![5; 700]], 100, 64);
}

#[test]
fn a_log_without_live_rows_tells_duplicates_of_the_run() {
    let mut log = KeyLog::new(std::env::temp_dir(), 1 << 20);
    log.push(&[4, 4, 8], 0, 10).unwrap();
    let outcome = log.finish(None).unwrap();
    assert_eq!(outcome.superseded.iter().collect::<Vec<_>>(), [(0, 10)]);
    assert_eq!((outcome.matched.count(), outcome.matches.count()), (0, 0));
}

#[test]
fn a_full_disk_is_an_error_with_the_file() {
    let mut log = KeyLog::new("/nonexistent/lakeward".into(), 24);
    let error = log.push(&[1, 2], 0, 0).unwrap_err();
    assert!(error.to_string().starts_with("cannot create spill file `/nonexistent/lakeward/keys-"), "{error}");
    assert!(matches!(log.push(&[1], 0, u32::MAX), Err(MergeError::UnitRows { unit: 0 })));
}

/// A row of the run: its key, and the value that decides.
type Ranked = (u8, Option<i8>);

/// Of each key the place of the row with the greatest or least value, the last one of equal ones; null loses.
fn ranked_winners(run: &[Vec<Ranked>], greatest: bool) -> BTreeMap<u8, (u32, u32)> {
    let mut best: BTreeMap<u8, (Option<i16>, (u32, u32))> = BTreeMap::new();
    for (unit, rows) in (0..).zip(run) {
        for (row, (key, value)) in (0..).zip(rows) {
            let value = value.map(|value| if greatest { i16::from(value) } else { -i16::from(value) });
            let found = (value, (unit, row));
            let slot = best.entry(*key).or_insert(found);
            *slot = found.max(*slot);
        }
    }
    best.into_iter().map(|(key, (_, place))| (key, place)).collect()
}

fn ranked_log(run: &[Vec<Ranked>], folder: &std::path::Path, budget_bytes: usize, (greatest, as_text): (bool, bool)) -> KeyLog {
    let unit_rows = run.iter().map(Vec::len).max().unwrap_or_default() as u64;
    let mut log = KeyLog::new(folder.to_path_buf(), budget_bytes).ranked(unit_rows, greatest);
    for (unit, rows) in (0..).zip(run) {
        let hashes: Vec<u128> = rows.iter().map(|(key, _)| hash_of(*key, 0)).collect();
        log.push(&hashes, unit, 0).unwrap();
        let values = rows.iter().map(|(_, value)| *value);
        let column: ArrayRef = if as_text {
            // A spelling whose bytes are in the order of the numbers.
            let texts = values.map(|value| value.map(|value| format!("{:03}", i16::from(value) + 200)));
            std::sync::Arc::new(texts.collect::<arrow_array::StringArray>())
        } else {
            std::sync::Arc::new(values.map(|value| value.map(i64::from)).collect::<arrow_array::Int64Array>())
        };
        log.push_ranks(&column, unit, 0).unwrap();
    }
    log
}

proptest! {
    #[test]
    fn the_greatest_or_least_value_of_a_key_wins_whatever_the_budget(
        run in proptest::collection::vec(proptest::collection::vec((any::<u8>(), proptest::option::of(-3..4_i8)), 0..120), 0..5),
        live in units(),
        budget_bytes in prop_oneof![Just(0_usize), 24..4_000_usize, Just(1 << 20)],
        greatest: bool,
        as_text: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let run_log = ranked_log(&run, folder.path(), budget_bytes, (greatest, as_text));
        let hashes: Units = live.iter().map(|keys| keys.iter().map(|key| hash_of(*key, 0)).collect()).collect();
        let outcome = run_log.finish(Some(log_of(&hashes, folder.path(), budget_bytes, 7))).unwrap();
        let winners = ranked_winners(&run, greatest);
        for (unit, rows) in (0..).zip(&run) {
            for (row, (key, _)) in (0..).zip(rows) {
                prop_assert_eq!(outcome.superseded.contains(unit, row), winners[key] != (unit, row));
            }
        }
        let mut seen = BTreeSet::new();
        for (unit, keys) in (0..).zip(&live) {
            let expected: Vec<Match> = (0..)
                .zip(keys)
                .filter(|(_, key)| seen.insert(hash_of(**key, 0)))
                .filter_map(|(live_row, key)| {
                    let (run_unit, run_row) = *winners.iter().find(|(own, _)| hash_of(**own, 0) == hash_of(*key, 0))?.1;
                    Some(Match { live_row, run_unit, run_row })
                })
                .collect();
            prop_assert_eq!(outcome.matches.of_live_unit(unit).unwrap(), expected);
        }
        drop(outcome);
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
