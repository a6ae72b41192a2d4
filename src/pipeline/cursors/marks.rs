//! Many marks, out of the state: one after the other in the order of the cursors' keys, as a file beside the log.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::source::UNCOUNTED;

/// Marks of a resource that stay in its state.
pub(crate) const INLINE_MAX: usize = 1000;

/// Bytes of a mark.
const MARK_BYTES: usize = 16;

/// How many marks these are when a mark stands once for each record that has it.
pub(crate) fn total(marks: &BTreeMap<u128, u32>) -> u64 {
    marks.values().map(|count| u64::from(times(*count))).sum()
}

/// How often a mark is written.
fn times(count: u32) -> u32 {
    if count == UNCOUNTED { 1 } else { count }
}

/// Each mark as often as it is written.
pub(crate) fn each(marks: &BTreeMap<u128, u32>) -> impl Iterator<Item = u128> {
    marks.iter().flat_map(|(mark, count)| std::iter::repeat_n(*mark, times(*count) as usize))
}

/// The marks that were written; in states of older programs, which kept each of them once, nobody knows how many records have one.
pub(crate) fn counted(written: impl IntoIterator<Item = u128>, is_counted: bool) -> BTreeMap<u128, u32> {
    let mut marks = BTreeMap::new();
    for mark in written {
        let count = marks.entry(mark).or_insert(0);
        *count = if is_counted { *count + 1 } else { UNCOUNTED };
    }
    marks
}

/// Marks on their way into a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MarkFile {
    /// The file's content.
    pub(crate) bytes: Vec<u8>,
}

impl MarkFile {
    /// Adds a mark.
    pub(crate) fn push(&mut self, mark: u128) {
        self.bytes.extend_from_slice(&mark.to_be_bytes());
    }

    /// Takes the next `count` marks off `rest`; `None` when there are not so many.
    pub(crate) fn take(rest: &mut &[u8], count: usize) -> Option<impl Iterator<Item = u128> + use<>> {
        let (marks, left) = rest.split_at_checked(count.checked_mul(MARK_BYTES)?)?;
        *rest = left;
        let (marks, []) = marks.as_chunks::<MARK_BYTES>() else { return None };
        let marks: Vec<u128> = marks.iter().map(|mark| u128::from_be_bytes(*mark)).collect();
        Some(marks.into_iter())
    }

    /// How the state tells of the file `name`.
    pub(crate) fn reference(&self, name: &str) -> Value {
        json!({"file": name, "hash": hash(&self.bytes)})
    }
}

/// The file that a resource's state names.
pub(crate) fn file_named(stored: &Value) -> Option<&str> {
    stored.pointer("/incremental/marks/file")?.as_str()
}

/// Where it names that.
pub(crate) fn file_name(stored: &mut Value) -> Option<&mut Value> {
    stored.pointer_mut("/incremental/marks/file")
}

/// What a state says the content's hash is.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}
