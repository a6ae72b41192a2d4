//! Rows: the records of a page, one after the other, into columns; those that do not fit are set aside.
//!
//! Invariants: `rows + rejects.len()` is the number of records read; a reject leaves no value behind, in no column.

use std::collections::BTreeMap;

use crate::base::{JsonPath, Step};
use crate::decode::envelope::Records;
use crate::decode::fault::{Fault, Misfit, Outcome, Stop};
use crate::decode::locate::path_at;
use crate::decode::reader::Reader;
use crate::decode::records::RecordReader;
use crate::decode::structs::StructBuilder;
use crate::decode::{RECORD_BYTES_MAX, Reject};

/// The rows of a page in the making.
#[derive(Debug)]
pub(super) struct Rows<'p> {
    /// What they start from, to start again.
    empty: &'p StructBuilder,
    /// Records known not to fit: passed over, so that their partial values widen no column.
    known: &'p BTreeMap<u64, Reject>,
    page: u64,
    pub(super) columns: StructBuilder,
    pub(super) rows: usize,
    pub(super) records: u64,
    pub(super) rejects: Vec<Reject>,
    /// Members superseded by a later one of the same name.
    pub(super) duplicates: u64,
}

impl<'p> Rows<'p> {
    /// No rows yet, of page number `page`. Records in `known` are rejected unread.
    pub(super) fn new(empty: &'p StructBuilder, known: &'p BTreeMap<u64, Reject>, page: u64) -> Self {
        let columns = empty.clone();
        Self { empty, known, page, columns, rows: 0, records: 0, rejects: Vec::new(), duplicates: 0 }
    }

    /// Reads the record that is next into a row, or sets it aside.
    fn record(&mut self, records: &mut RecordReader<'_>) -> Outcome<()> {
        if !self.known.is_empty()
            && let Some(reject) = self.known.get(&self.records)
        {
            records.reader.skip_value()?;
            self.rejects.push(reject.clone());
            self.records += 1;
            return Ok(());
        }
        let (start, depth) = (records.reader.pos, records.reader.depth);
        records.record_end_max = start.saturating_add(RECORD_BYTES_MAX);
        let read = match records.reader.peek() {
            b'{' => records.object(&mut self.columns, self.rows),
            _ => Err(Misfit::new(start, "an object", records.reader.kind()).into()),
        };
        match read.map_err(|stop| *stop) {
            Ok(()) => self.rows += 1,
            Err(Stop::Misfit(misfit)) => {
                (records.reader.pos, records.reader.depth) = (start, depth);
                self.set_aside(records, misfit)?;
            }
            Err(fault) => return Err(Box::new(fault)),
        }
        self.records += 1;
        Ok(())
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
        });
        Ok(())
    }
}

impl Records for Rows<'_> {
    fn read(&mut self, reader: &mut Reader<'_>, again: bool) -> Outcome<()> {
        if again {
            *self = Self { duplicates: self.duplicates + 1, ..Self::new(self.empty, self.known, self.page) };
        }
        let mut records = RecordReader::new(reader.clone(), self.columns.count());
        if reader.peek() == b'{' {
            self.record(&mut records)?;
        } else {
            records.reader.enter()?;
            if records.reader.peek() == b']' {
                records.reader.leave();
            } else {
                loop {
                    self.record(&mut records)?;
                    if !records.reader.more(b']')? {
                        break;
                    }
                }
            }
        }
        self.duplicates += records.duplicates;
        *reader = records.reader;
        Ok(())
    }
}
