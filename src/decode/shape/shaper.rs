//! The shaper: records come in one at a time, pass the hooks, and are written one behind the other as a JSON array.

use std::sync::Arc;

use crate::base::{JsonPath, PathExhausted};
use crate::config::{PhpEmpty, RecordsPlan};
use crate::decode::envelope::Records;
use crate::decode::fault::{Fault, Outcome};
use crate::decode::format::{INVALID, Invalid, expected_utf8};
use crate::decode::locate::path_at;
use crate::decode::reader::Reader;
use crate::decode::rows::{NAME_AGAIN, NAME_ONCE, check_again};
use crate::decode::shape::{PageHook, RecordFault, Selected, ShapePlan};
use crate::decode::{DecodedPage, Json, RECORD_BYTES_MAX, Reject};
use crate::source::Page;

/// What became of a page's records.
#[derive(Debug, Default)]
pub(in crate::decode) struct Shaped {
    /// The records that are to become rows: elements of an array, without its brackets.
    out: Vec<u8>,
    /// The place in the page of each of them, from 0.
    places: Vec<u64>,
    /// Records in the page.
    pub(in crate::decode) records: u64,
    /// Records of which nothing is left.
    pub(in crate::decode) filtered: u64,
    /// Rows more than one that were made of a record.
    pub(in crate::decode) exploded: u64,
    /// Records that a hook could not handle.
    pub(in crate::decode) rejects: Vec<Reject>,
    /// Members superseded by a later one of the same name.
    pub(in crate::decode) duplicates: u64,
    /// Characters met that make their record a reject.
    pub(in crate::decode) met: usize,
    /// The marks of the steps.
    steps: Arc<[String]>,
}

impl Shaped {
    /// The records that are to become rows, as a JSON array.
    pub(in crate::decode) fn take_text(&mut self) -> String {
        let mut out = std::mem::take(&mut self.out);
        out.insert(0, b'[');
        out.push(b']');
        String::from_utf8(out).expect("JSON is written from texts")
    }

    /// Gives rejects among those records their place in the page, and puts them together with those of the hooks.
    pub(in crate::decode) fn place_rejects(&mut self, rejects: Vec<Reject>) -> Vec<Reject> {
        let mut all = std::mem::take(&mut self.rejects);
        all.extend(rejects.into_iter().map(|reject| {
            let place = usize::try_from(reject.record).ok().and_then(|at| self.places.get(at));
            let passed = reject.passed.as_ref().map(|_| Arc::clone(&self.steps));
            Reject { record: place.copied().unwrap_or(reject.record), passed, ..reject }
        }));
        all.sort_by_key(|reject| reject.record);
        all
    }
}

/// Shapes the records of one page.
pub(in crate::decode) struct Shaper<'p> {
    plan: &'p ShapePlan,
    page: &'p Page,
    /// Characters of the page that make their record a reject.
    invalid: &'p Invalid,
    hooks: Vec<Box<dyn PageHook + 'p>>,
    shaped: Shaped,
}

impl<'p> Shaper<'p> {
    /// Begins `page`.
    pub(in crate::decode) fn new(plan: &'p ShapePlan, page: &'p Page, invalid: &'p Invalid) -> Self {
        let hooks = plan.hooks.iter().map(|hook| hook.begin(page)).collect();
        Self { plan, page, invalid, hooks, shaped: Shaped { steps: Arc::clone(&plan.steps), ..Shaped::default() } }
    }

    /// What has become of the records so far.
    pub(in crate::decode) fn shaped(&mut self) -> &mut Shaped {
        &mut self.shaped
    }

    /// Ends the page: the hooks hand over what they found.
    pub(in crate::decode) fn end(self, decoded: &mut DecodedPage) {
        for hook in self.hooks {
            hook.end(decoded);
        }
    }

    /// Takes the next record of the page.
    pub(in crate::decode) fn take(&mut self, record: Selected) {
        let place = self.shaped.records;
        self.shaped.records += 1;
        match record.and_then(|record| self.through_hooks(record)) {
            Ok(rows) if rows.is_empty() => self.shaped.filtered += 1,
            Ok(rows) => {
                self.shaped.exploded += rows.len() as u64 - 1;
                for row in rows {
                    if !self.shaped.places.is_empty() {
                        self.shaped.out.push(b',');
                    }
                    row.write(&mut self.shaped.out);
                    self.shaped.places.push(place);
                }
            }
            Err(RecordFault { path, expected, actual, record, is_whole }) => {
                let (mut raw, page) = (Vec::new(), self.page.number);
                record.write(&mut raw);
                let raw = String::from_utf8(raw).expect("JSON is written from texts");
                let is_whole = is_whole && self.plan.begins_with_steps && !raw.contains(char::REPLACEMENT_CHARACTER);
                let passed = is_whole.then(Arc::default);
                self.shaped.rejects.push(Reject { page, record: place, path, expected, actual, raw, passed });
            }
        }
    }

    fn through_hooks(&mut self, mut record: Json) -> Result<Vec<Json>, RecordFault> {
        if let Some(plan) = &self.plan.records
            && let Err(error) = settle(&mut record, plan)
        {
            return Err(RecordFault::exhausted(&error, record));
        }
        let mut rows = vec![record];
        if !matches!(rows.as_slice(), [Json::Object(_)]) {
            return Ok(rows);
        }
        for hook in &mut self.hooks {
            let mut out = Vec::with_capacity(rows.len());
            for row in rows {
                hook.record(row, &mut out)?;
            }
            rows = out;
        }
        Ok(rows)
    }

    fn read_record(&mut self, reader: &mut Reader<'_>) -> Outcome<()> {
        let (start, before, mut duplicates) = (reader.pos, reader.clone(), 0);
        let record = Json::read(reader, &mut duplicates)?;
        if reader.pos - start > RECORD_BYTES_MAX {
            return Err(Fault::RecordTooLarge { at: start }.into());
        }
        let fault = if let Some((at, byte, count)) = self.invalid.within(start..reader.pos) {
            self.shaped.met += count;
            Some((at, expected_utf8(byte as u64), INVALID))
        } else if duplicates > 0 && reader.rules.unique_names {
            Some((before.repeated_name().unwrap_or(start), NAME_ONCE.to_owned(), NAME_AGAIN))
        } else {
            self.shaped.duplicates += duplicates;
            None
        };
        self.take(match fault {
            None => Ok(record),
            Some((at, expected, actual)) => {
                let path = path_at(reader.slice(start, reader.pos), at - start).unwrap_or_else(JsonPath::root).to_string();
                Err(RecordFault { path, expected, actual: actual.to_owned(), record: Box::new(record), is_whole: false })
            }
        });
        Ok(())
    }
}

impl Records for Shaper<'_> {
    fn read(&mut self, reader: &mut Reader<'_>, again: bool) -> Outcome<()> {
        if again {
            check_again(reader)?;
            let duplicates = self.shaped.duplicates + 1;
            *self = Self::new(self.plan, self.page, self.invalid);
            self.shaped.duplicates = duplicates;
        }
        if reader.peek() == b'{' {
            return self.read_record(reader);
        }
        reader.enter()?;
        if reader.peek() == b']' {
            reader.leave();
            return Ok(());
        }
        loop {
            self.read_record(reader)?;
            if !reader.more(b']')? {
                return Ok(());
            }
        }
    }
}

/// Makes lists of single values, and objects of the lists that stand for empty ones, where the plan says so.
fn settle(record: &mut Json, plan: &RecordsPlan) -> Result<(), PathExhausted> {
    for path in &plan.force_list {
        record.change(path, &mut |value| {
            if !matches!(value, Json::Array(_) | Json::Null) {
                let one = std::mem::replace(value, Json::Null);
                *value = Json::Array(vec![one]);
            }
        })?;
    }
    match &plan.php_empty {
        PhpEmpty::No => {}
        PhpEmpty::Everywhere => empty_objects(record),
        PhpEmpty::At(paths) => {
            for path in paths {
                record.change(path, &mut |value| {
                    if matches!(value, Json::Array(items) if items.is_empty()) {
                        *value = Json::Object(Vec::new());
                    }
                })?;
            }
        }
    }
    Ok(())
}

fn empty_objects(value: &mut Json) {
    match value {
        Json::Array(items) if items.is_empty() => *value = Json::Object(Vec::new()),
        Json::Array(items) => items.iter_mut().for_each(empty_objects),
        Json::Object(members) => members.iter_mut().for_each(|(_, value)| empty_objects(value)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => {}
    }
}
