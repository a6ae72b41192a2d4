//! Rows: the records of a page, one after the other, into columns; those that do not fit are set aside.
//!
//! Invariants: `rows + rejects.len()` is the number of records read; a reject leaves no value behind, in no column.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{JsonPath, Step};
use crate::decode::envelope::Records;
use crate::decode::fault::{Fault, Misfit, Outcome, Stop};
use crate::decode::format::{INVALID, Invalid, expected_utf8};
use crate::decode::locate::path_at;
use crate::decode::reader::Reader;
use crate::decode::record_hash::record_hash;
use crate::decode::records::RecordReader;
use crate::decode::structs::StructBuilder;
use crate::decode::{Note, RECORD_BYTES_MAX, Reject};

/// Rows after which the others are taken to be alike.
const SAMPLE_ROWS: usize = 8;

/// The rows of a page in the making.
pub(super) struct Rows<'p> {
    /// Makes the builders that they start from, and start again from.
    fresh: &'p dyn Fn() -> StructBuilder,
    /// Records known not to fit: passed over, so that their partial values widen no column.
    known: &'p BTreeMap<u64, Reject>,
    page: u64,
    pub(super) columns: StructBuilder,
    pub(super) rows: usize,
    pub(super) records: u64,
    pub(super) rejects: Vec<Reject>,
    /// Members superseded by a later one of the same name.
    pub(super) duplicates: u64,
    /// A hash of each record; `None` where nobody asks.
    pub(super) hashes: Option<Vec<u64>>,
    /// The members of which it is made.
    hashed_by: &'p [String],
    /// What became of columns, and where: the first place of each kind and column.
    pub(super) notes: Vec<Note>,
    /// Numbers that are rounded to a float.
    pub(super) rounded: u64,
    /// Characters of the page that make their record a reject, and how many of them were met.
    invalid: &'p Invalid,
    pub(super) met: usize,
    /// Values of rows left out, or null, because they are not declared or do not fit.
    pub(super) discarded: u64,
}

impl<'p> Rows<'p> {
    /// No rows yet, of page number `page`. Records in `known` are rejected unread.
    pub(super) fn new(
        fresh: &'p dyn Fn() -> StructBuilder,
        known: &'p BTreeMap<u64, Reject>,
        page: u64,
        invalid: &'p Invalid,
        (hashes, hashed_by): (Option<Vec<u64>>, &'p [String]),
    ) -> Self {
        Self {
            fresh,
            known,
            page,
            columns: fresh(),
            rows: 0,
            records: 0,
            rejects: Vec::new(),
            duplicates: 0,
            discarded: 0,
            hashes,
            hashed_by,
            notes: Vec::new(),
            rounded: 0,
            invalid,
            met: 0,
        }
    }

    /// Reads the record that is next into a row, or sets it aside.
    fn record(&mut self, records: &mut RecordReader<'_>) -> Outcome<()> {
        let start = records.reader.pos;
        self.row(records)?;
        if let Some(hashes) = &mut self.hashes {
            hashes.push(record_hash(records.reader.slice(start, records.reader.pos), self.hashed_by));
        }
        Ok(())
    }

    fn row(&mut self, records: &mut RecordReader<'_>) -> Outcome<()> {
        if !self.invalid.is_empty()
            && let Some(misfit) = self.invalid_in(records)?
        {
            self.set_aside(records, misfit)?;
            self.records += 1;
            return Ok(());
        }
        if !self.known.is_empty()
            && let Some(reject) = self.known.get(&self.records)
        {
            records.reader.skip_value()?;
            self.rejects.push(reject.clone());
            self.records += 1;
            return Ok(());
        }
        let (start, depth, mended) = (records.reader.pos, records.reader.depth, records.reader.mended);
        let (discarded, duplicates, rounded) = (records.discarded, records.duplicates, records.rounded);
        records.record_end_max = start.saturating_add(RECORD_BYTES_MAX);
        let read = match records.reader.peek() {
            b'{' => records.object(&mut self.columns, self.rows),
            _ => Err(Misfit::new(start, "an object", records.reader.kind()).into()),
        };
        let read = match read {
            Ok(()) if records.duplicates > duplicates && records.reader.rules.unique_names => {
                records.reader.pos = start;
                records.reader.depth = depth;
                Err(repeated(records).into())
            }
            read => read,
        };
        match read.map_err(|stop| *stop) {
            Ok(()) => {
                self.rows += 1;
                if !records.noted.is_empty() {
                    self.note(records, start);
                }
            }
            Err(Stop::Misfit(misfit)) => {
                records.noted.clear();
                records.rounded = rounded;
                (records.reader.pos, records.reader.depth, records.reader.mended) = (start, depth, mended);
                (records.discarded, records.duplicates) = (discarded, duplicates);
                records.forget_members();
                self.set_aside(records, misfit)?;
            }
            Err(fault) => return Err(Box::new(fault)),
        }
        self.records += 1;
        Ok(())
    }

    /// Names the columns of which something was noted in the record that began at `start`.
    #[cold]
    fn note(&mut self, records: &mut RecordReader<'_>, start: usize) {
        let record = records.reader.slice(start, records.reader.pos);
        for (kind, at) in std::mem::take(&mut records.noted) {
            let path = path_at(record, at - start).unwrap_or_else(JsonPath::root);
            let names =
                path.steps().iter().filter_map(|step| if let Step::Key(name) = step { Some(name.as_str()) } else { None });
            let column = names.collect::<Vec<_>>().join(".");
            if !self.notes.iter().any(|note| note.kind == kind && note.column == column) {
                self.notes.push(Note { kind, column, path: path.to_string(), record: self.records });
            }
        }
    }

    /// Why the record that is next cannot be a row, if it has bytes that mean nothing.
    #[cold]
    fn invalid_in(&mut self, records: &RecordReader<'_>) -> Outcome<Option<Misfit>> {
        let mut ahead = records.reader.clone();
        ahead.skip_value()?;
        Ok(self.invalid.within(records.reader.pos..ahead.pos).map(|(at, byte, count)| {
            self.met += count;
            Misfit { at, missing: None, expected: expected_utf8(byte as u64), actual: INVALID }
        }))
    }

    /// Makes room for the rows to come: as many, and as large, as the bytes behind say of those ahead. All room together is
    /// not much more than the page's own bytes.
    fn reserve(&mut self, read: usize, ahead: usize) {
        let more = ahead / (read / SAMPLE_ROWS).max(1) + 1;
        self.columns.reserve(self.rows, more + more / 16);
    }

    /// Takes back what the record that is next left in the columns, and keeps its text.
    #[cold]
    fn set_aside(&mut self, records: &mut RecordReader<'_>, misfit: Misfit) -> Outcome<()> {
        self.columns.truncate(self.rows);
        let start = records.reader.pos;
        records.reader.skip_value()?;
        let raw = records.reader.slice(start, records.reader.pos);
        if raw.len() > RECORD_BYTES_MAX {
            return Err(Fault::RecordTooLarge { at: start }.into());
        }
        let place = path_at(raw, misfit.at.saturating_sub(start)).unwrap_or_else(JsonPath::root);
        let steps = place.steps().iter().cloned().chain(misfit.missing.map(Step::Key)).collect();
        self.rejects.push(Reject {
            page: self.page,
            record: self.records,
            path: JsonPath::from_steps(steps).to_string(),
            expected: misfit.expected,
            actual: misfit.actual.to_owned(),
            raw: raw.to_owned(),
            // A character that did not come is gone for good.
            passed: (!raw.contains(char::REPLACEMENT_CHARACTER)).then(Arc::default),
        });
        Ok(())
    }
}

/// Why the record that is next, in which a name comes twice, cannot be a row.
fn repeated(records: &RecordReader<'_>) -> Misfit {
    let at = records.reader.repeated_name().unwrap_or(records.reader.pos);
    Misfit::new(at, NAME_ONCE, NAME_AGAIN)
}

/// What is expected of a name that must not come twice, and what is found where it does.
pub(super) const NAME_ONCE: &str = "a name that its object has once";
pub(super) const NAME_AGAIN: &str = "it again";

/// The records' own name came before: the last counts, unless the config says that no name comes twice.
pub(super) fn check_again(reader: &Reader<'_>) -> Outcome<()> {
    if reader.rules.unique_names { reader.expected("the records once") } else { Ok(()) }
}

impl Records for Rows<'_> {
    fn read(&mut self, reader: &mut Reader<'_>, again: bool) -> Outcome<()> {
        if again {
            check_again(reader)?;
            *self = Self {
                duplicates: self.duplicates + 1,
                ..Self::new(
                    self.fresh,
                    self.known,
                    self.page,
                    self.invalid,
                    (self.hashes.as_ref().map(|_| Vec::new()), self.hashed_by),
                )
            };
        }
        let mut records = RecordReader::new(reader.clone(), self.columns.count(), self.columns.nesting_max, self.columns.round);
        if reader.peek() == b'{' {
            self.record(&mut records)?;
        } else {
            records.reader.enter()?;
            if records.reader.peek() == b']' {
                records.reader.leave();
            } else {
                let start = records.reader.pos;
                loop {
                    self.record(&mut records)?;
                    if self.rows == SAMPLE_ROWS {
                        self.reserve(records.reader.pos - start, records.reader.rest().len());
                    }
                    if !records.reader.more(b']')? {
                        break;
                    }
                }
            }
        }
        self.duplicates += records.duplicates;
        self.discarded += records.discarded;
        self.rounded += records.rounded;
        *reader = records.reader;
        Ok(())
    }

    fn hashes(&self) -> Option<&[u64]> {
        self.hashes.as_deref()
    }
}
