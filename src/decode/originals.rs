//! Originals along a file: how the slots of each leaf were spelled, from its first row to its last.
//!
//! In: batches in the order in which they are written ([`SpellingLog::record`]). Out: a cursor that
//! [`crate::decode::widen_array`] reads while the file's columns come back, in slices of any size. Invariants: one slot for each slot of a leaf's
//! or struct's array, null or not; a list has a slot for each element, and a null list has none. Leaves and structs move on independently.
//! Memory: runs of equal spelling are one; exceptions cost their text ([`SpellingLog::exceptional_bytes`]).

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use serde::{Deserialize, Serialize};

use crate::decode::{Originals, Spelling, TypedBatch};
use crate::schema::ColumnType;

/// What an exception costs besides its text.
const EXCEPTION_BYTES: usize = 40;

/// Consecutive slots of a leaf.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpellingRun {
    /// How many.
    pub(crate) slots: u32,
    /// The spelling of most values; `None` is canonical.
    pub(crate) spelling: Option<Spelling>,
    /// The others: slot within this run, and its text. Ascending slots.
    pub(crate) exceptions: Vec<(u32, Box<str>)>,
}

/// The spellings of all leaves of a sequence of batches. Empty for files whose originals nobody knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpellingLog {
    leaves: HashMap<Vec<String>, Vec<SpellingRun>>,
    exceptional_bytes: usize,
}

impl SpellingLog {
    /// Adds `rows` behind those that are here already. All batches have the same schema.
    pub(crate) fn record(&mut self, rows: &TypedBatch) {
        for (column, array) in rows.schema.columns.iter().zip(rows.batch.columns()) {
            let mut path = vec![column.name.clone()];
            each_leaf(&column.column_type, array, &mut path, &mut |path, array| {
                let originals = rows.originals.iter().find(|originals| originals.leaf == path);
                self.append(path, array.len(), originals);
            });
        }
    }

    fn append(&mut self, path: &[String], slots: usize, originals: Option<&Originals>) {
        let (spelling, exceptions) = originals.map_or((None, &[][..]), |of| (Some(of.spelling), of.exceptions.as_slice()));
        self.push(path, slots, spelling, exceptions.iter().cloned());
    }

    /// Adds slots of one spelling, with their exceptions, behind those of a leaf.
    fn push(
        &mut self,
        path: &[String],
        slots: usize,
        spelling: Option<Spelling>,
        exceptions: impl Iterator<Item = (u32, Box<str>)>,
    ) {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        let mut bytes = 0;
        let exceptions = exceptions.inspect(|(_, text)| bytes += EXCEPTION_BYTES + text.len());
        match self.leaves.get_mut(path) {
            None => {
                self.leaves.insert(path.to_vec(), vec![SpellingRun { slots, spelling, exceptions: exceptions.collect() }]);
            }
            Some(runs) => match runs.last_mut().map(|last| (last.slots.checked_add(slots), last)) {
                Some((Some(sum), last)) if last.spelling == spelling => {
                    last.exceptions.extend(exceptions.map(|(slot, text)| (last.slots.saturating_add(slot), text)));
                    last.slots = sum;
                }
                _ => {
                    runs.push(SpellingRun { slots, spelling, exceptions: exceptions.collect() });
                    bytes += size_of::<SpellingRun>();
                }
            },
        }
        self.exceptional_bytes += bytes;
    }

    /// About how much memory the values take that are not spelled as their leaf's first ones.
    #[must_use]
    pub(crate) fn exceptional_bytes(&self) -> usize {
        self.exceptional_bytes
    }

    /// Writes the log, for [`SpellingLog::read`].
    ///
    /// # Errors
    /// Those of `to`.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        let leaves: Vec<_> = self.leaves.iter().collect();
        Ok(serde_json::to_writer(to, &leaves)?)
    }

    /// Reads what [`SpellingLog::write`] wrote.
    ///
    /// # Errors
    /// Those of `from`, also when it is something else.
    pub(crate) fn read(from: impl Read) -> io::Result<Self> {
        let leaves: Vec<(Vec<String>, Vec<SpellingRun>)> = serde_json::from_reader(from)?;
        Ok(Self { leaves: leaves.into_iter().collect(), exceptional_bytes: 0 })
    }

    /// Reads from the first row on.
    #[must_use]
    pub(crate) fn cursor(&self) -> SpellingCursor<'_> {
        let leaves =
            self.leaves.iter().map(|(leaf, runs)| (leaf.as_slice(), LeafCursor::new(runs.iter().map(Run::from).collect())));
        SpellingCursor { leaves: leaves.collect() }
    }
}

/// Where the reading is in each leaf of a [`SpellingLog`], or of a batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpellingCursor<'a> {
    leaves: HashMap<&'a [String], LeafCursor<'a>>,
}

impl<'a> SpellingCursor<'a> {
    /// Reads the originals of one batch.
    #[must_use]
    pub(crate) fn of(rows: &'a TypedBatch) -> Self {
        let leaves = rows.originals.iter().map(|originals| {
            let run = Run { slots: u32::MAX, spelling: Some(originals.spelling), exceptions: &originals.exceptions };
            (originals.leaf.as_slice(), LeafCursor::new([run].into()))
        });
        Self { leaves: leaves.collect() }
    }

    /// The cursor of a leaf, to be put back once its slots are read.
    pub(super) fn leaf(&mut self, path: &[String]) -> LeafReader<'_, 'a> {
        LeafReader { cursor: self.leaves.get_mut(path) }
    }
}

/// A run, borrowed.
#[derive(Debug, Clone, Copy)]
struct Run<'a> {
    slots: u32,
    spelling: Option<Spelling>,
    exceptions: &'a [(u32, Box<str>)],
}

impl<'a> From<&'a SpellingRun> for Run<'a> {
    fn from(run: &'a SpellingRun) -> Self {
        Self { slots: run.slots, spelling: run.spelling, exceptions: &run.exceptions }
    }
}

#[derive(Debug, Clone)]
struct LeafCursor<'a> {
    /// Runs still to come, this one first.
    runs: VecDeque<Run<'a>>,
    /// Slots read of the first one.
    slot: u32,
}

impl<'a> LeafCursor<'a> {
    fn new(runs: VecDeque<Run<'a>>) -> Self {
        Self { runs, slot: 0 }
    }
}

/// How one slot was spelled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Spelled<'a> {
    /// In a spelling; `None` is canonical.
    As(Option<Spelling>),
    /// With this text, as [`crate::decode::Originals::exceptions`] has it.
    With(&'a str),
}

/// Reads slots of one leaf; without a log, all are canonical.
#[derive(Debug)]
pub(super) struct LeafReader<'c, 'a> {
    cursor: Option<&'c mut LeafCursor<'a>>,
}

impl<'a> LeafReader<'_, 'a> {
    /// The next slot.
    pub(super) fn next(&mut self) -> Spelled<'a> {
        let Some(cursor) = self.cursor.as_deref_mut() else {
            return Spelled::As(None);
        };
        while cursor.runs.front().is_some_and(|run| run.slots <= cursor.slot) {
            cursor.runs.pop_front();
            cursor.slot = 0;
        }
        let Some(run) = cursor.runs.front_mut() else {
            return Spelled::As(None);
        };
        let slot = cursor.slot;
        cursor.slot += 1;
        match run.exceptions.split_first() {
            Some(((at, text), rest)) if *at == slot => {
                run.exceptions = rest;
                Spelled::With(text)
            }
            _ => Spelled::As(run.spelling),
        }
    }
}

/// Calls `visit` with the path and the array of every leaf and struct below a column; elements of lists only as far as their list has them.
pub(super) fn each_leaf(
    column_type: &ColumnType,
    array: &ArrayRef,
    path: &mut Vec<String>,
    visit: &mut dyn FnMut(&[String], &ArrayRef),
) {
    match (column_type, array) {
        (ColumnType::Struct(fields), array) => {
            let Some(structs) = array.as_struct_opt() else { return };
            visit(path, array);
            for (field, child) in fields.iter().zip(structs.columns()) {
                path.push(field.name.clone());
                each_leaf(&field.column_type, child, path, visit);
                path.pop();
            }
        }
        (ColumnType::List(element), array) => {
            let Some(list) = array.as_list_opt::<i32>() else { return };
            each_leaf(element, &elements(list).0, path, visit);
        }
        (_, array) => visit(path, array),
    }
}

/// The elements that a list array has, and its offsets into them, from 0.
pub(super) fn elements(list: &arrow_array::ListArray) -> (ArrayRef, Vec<i32>) {
    let offsets = list.value_offsets();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let length = usize::try_from(last - first).unwrap_or(0);
    let values = list.values().slice(usize::try_from(first).unwrap_or(0), length);
    (values, offsets.iter().map(|offset| offset - first).collect())
}
