//! The histories that are played, and the faults that have to be found.

use std::path::{Path, PathBuf};
use std::thread;

use tempfile::TempDir;

use super::planted::{PLANTS, Plant};
use super::play::play;

/// Histories of one of the sixteen tests that play most of them: 20,000 in the suite.
const HISTORIES: u64 = 1_250;

/// Histories within which each planted fault has to be found.
const FOUND_WITHIN: u64 = 1_000;

/// Faults after which no more are looked for.
const FAULTS_TOLD: usize = 12;

/// A folder for rows, in memory where the system has such a place.
fn scratch() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let folder = tempfile::Builder::new().prefix("lakeward-sim-").tempdir_in(memory);
    folder.or_else(|_| tempfile::tempdir()).unwrap()
}

/// Plays histories that must not show anything. Where some do, tells them, and the first one in words.
fn play_all(seeds: std::ops::Range<u64>) {
    let scratch = scratch();
    let (mut versions, mut faults) = (0, Vec::new());
    for seed in seeds.clone() {
        let outcome = play(seed, None, scratch.path(), false);
        versions += outcome.versions as u64;
        faults.extend(outcome.fault.map(|fault| (seed, fault)));
        if faults.len() == FAULTS_TOLD {
            break;
        }
    }
    let count = seeds.end - seeds.start;
    let Some((seed, _)) = faults.first() else {
        assert!(count < 100 || versions > count, "histories commit something: {versions}");
        return;
    };
    let lines = play(*seed, None, scratch.path(), true).lines;
    let last = lines[lines.len().saturating_sub(300)..].join("\n");
    let told: Vec<String> = faults.iter().map(|(seed, fault)| format!("history {seed}: {fault}")).collect();
    panic!("{last}\n\n{}\nsee one again: LAKEWARD_SIM_SEED={seed} cargo test --lib the_history_of_a_seed", told.join("\n"));
}

/// Sixteen tests, so that they run side by side.
macro_rules! histories {
    ($($name:ident $part:literal)*) => {
        $(#[test]
        fn $name() {
            play_all($part * HISTORIES..($part + 1) * HISTORIES);
        })*
    };
}

histories! {
    every_guarantee_holds_in_the_first_sixteenth_of_the_histories 0
    every_guarantee_holds_in_the_second_sixteenth_of_the_histories 1
    every_guarantee_holds_in_the_third_sixteenth_of_the_histories 2
    every_guarantee_holds_in_the_fourth_sixteenth_of_the_histories 3
    every_guarantee_holds_in_the_fifth_sixteenth_of_the_histories 4
    every_guarantee_holds_in_the_sixth_sixteenth_of_the_histories 5
    every_guarantee_holds_in_the_seventh_sixteenth_of_the_histories 6
    every_guarantee_holds_in_the_eighth_sixteenth_of_the_histories 7
    every_guarantee_holds_in_the_ninth_sixteenth_of_the_histories 8
    every_guarantee_holds_in_the_tenth_sixteenth_of_the_histories 9
    every_guarantee_holds_in_the_eleventh_sixteenth_of_the_histories 10
    every_guarantee_holds_in_the_twelfth_sixteenth_of_the_histories 11
    every_guarantee_holds_in_the_thirteenth_sixteenth_of_the_histories 12
    every_guarantee_holds_in_the_fourteenth_sixteenth_of_the_histories 13
    every_guarantee_holds_in_the_fifteenth_sixteenth_of_the_histories 14
    every_guarantee_holds_in_the_sixteenth_sixteenth_of_the_histories 15
}

/// What `./tests/run simulator --histories N` asks for; nothing in the suite.
#[test]
fn as_many_histories_as_are_asked_for() {
    let asked = |name: &str| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let Some(histories) = asked("LAKEWARD_SIM_HISTORIES") else { return };
    let first = asked("LAKEWARD_SIM_FIRST").unwrap_or(0);
    let threads = asked("LAKEWARD_SIM_THREADS").unwrap_or_else(|| thread::available_parallelism().unwrap().get() as u64);
    let bound = |thread: u64| first + histories * thread / threads;
    thread::scope(|scope| {
        for number in 0..threads {
            scope.spawn(move || play_all(bound(number)..bound(number + 1)));
        }
    });
}

/// Shows every step of a history, for which it fails.
#[test]
fn the_history_of_a_seed_is_played_again() {
    let Some(seed) = std::env::var("LAKEWARD_SIM_SEED").ok().and_then(|seed| seed.parse().ok()) else { return };
    let scratch = scratch();
    let outcome = play(seed, None, scratch.path(), true);
    panic!("{}\n\n{} calls, {} commits: {:?}", outcome.lines.join("\n"), outcome.steps, outcome.versions, outcome.fault);
}

#[test]
fn the_same_seed_is_the_same_history() {
    let scratch = scratch();
    for seed in 0..40 {
        let (one, other) = (play(seed, None, scratch.path(), true), play(seed, None, scratch.path(), true));
        assert_eq!(one, other, "{seed}");
    }
}

/// Histories that are played until a planted fault is found.
fn histories_until(plant: Plant, scratch: &Path, most: u64) -> Option<u64> {
    (0..most).find(|seed| play(*seed, Some(plant), scratch, false).fault.is_some()).map(|seed| seed + 1)
}

#[test]
fn every_planted_fault_is_found() {
    let scratch = scratch();
    let found: Vec<(Plant, Option<u64>)> =
        PLANTS.into_iter().map(|plant| (plant, histories_until(plant, scratch.path(), FOUND_WITHIN))).collect();
    assert!(found.iter().all(|(_, histories)| histories.is_some()), "{found:?}");
}

#[test]
fn a_lease_that_everybody_takes_costs_work_and_no_data() {
    let scratch = scratch();
    for seed in 0..400 {
        let outcome = play(seed, Some(Plant::EverybodyHasTheLease), scratch.path(), false);
        assert_eq!(outcome.fault, None, "{seed}");
    }
}
