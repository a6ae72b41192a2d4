//! Fuzzing within `cargo test`: inputs that chance makes of a corpus, the same ones each time.
//!
//! In: the files of `tests/fuzz/corpus/<target>/`, words that the target's language has, and a test's property. Out: the property was checked on
//! each file as it is and on [`RUNS`] inputs made of them; a panic is reported with its input, which is kept in `target/fuzz/<target>/`.
//! Bounded by count, never by time. `LAKEWARD_FUZZ_RUNS` and `LAKEWARD_FUZZ_SEED` go further; `tests/fuzz/README.md` says how.
//! Refused: the crate bolero, whose engine for `cargo test` makes bytes from nothing, and so hardly anything that a parser takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// Inputs for a target, besides its corpus.
const RUNS: u64 = 2_000;
/// Longest input in bytes.
const INPUT_BYTES_MAX: usize = 4_096;
/// Most changes that make an input of a seed.
const CHANGES_MAX: usize = 6;

/// Checks `property` on the corpus of `target` and on inputs made of it, of `words`, and of chance.
pub(crate) fn fuzz(target: &str, words: &[&str], mut property: impl FnMut(&[u8])) {
    let seeds = corpus(target);
    let number = |name: &str, default| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number")),
        Err(_) => default,
    };
    let (runs, seed) = (number("LAKEWARD_FUZZ_RUNS", RUNS), number("LAKEWARD_FUZZ_SEED", 0));
    let mut chance = Rng::with_seed(seed);
    let made = (0..runs).map(|_| mutated(&seeds, words, &mut chance));
    for input in seeds.iter().cloned().chain(made) {
        // The first panic has told what does not hold; the second tells of what.
        if catch_unwind(AssertUnwindSafe(|| property(&input))).is_err() {
            let (file, shown) = (keep(target, &input), String::from_utf8_lossy(&input));
            panic!("input kept as {}; copy it into tests/fuzz/corpus/{target}/:\n{shown}", file.display());
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("tests/fuzz/corpus").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no file", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Writes an input that failed to a file named after its bytes.
fn keep(target: &str, input: &[u8]) -> PathBuf {
    let folder = root().join("target/fuzz").join(target);
    let file = folder.join(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(input)));
    std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, input)).unwrap();
    file
}

/// One of `seeds`, changed in a few places.
fn mutated(seeds: &[Vec<u8>], words: &[&str], chance: &mut Rng) -> Vec<u8> {
    let mut input = seeds[chance.usize(..seeds.len())].clone();
    for _ in 0..chance.usize(1..=CHANGES_MAX) {
        change(&mut input, seeds, words, chance);
    }
    input.truncate(INPUT_BYTES_MAX);
    input
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str], chance: &mut Rng) {
    let at = chance.usize(..=input.len());
    let range = at..(at + chance.usize(1..=16)).min(input.len());
    match chance.u8(..8) {
        0 => drop(input.drain(range)),
        // Twice, or many times: what is deep, long or repeated.
        1 => {
            let piece = input[range].repeat(if chance.u8(..8) == 0 { 40 } else { 1 });
            input.splice(at..at, piece);
        }
        2 if at < input.len() => input[at] ^= 1 << chance.u8(..8),
        3 if at < input.len() => input[at] = chance.u8(..),
        4 => {
            // Another seed's piece.
            let other = &seeds[chance.usize(..seeds.len())];
            let start = chance.usize(..=other.len());
            let end = (start + chance.usize(1..=64)).min(other.len());
            input.splice(range, other[start..end].iter().copied());
        }
        5 => input.truncate(at),
        _ => {
            let word = words[chance.usize(..words.len())];
            let end = if chance.bool() { at } else { range.end };
            input.splice(at..end, word.bytes());
        }
    }
}
