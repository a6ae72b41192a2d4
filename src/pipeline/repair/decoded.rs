//! Records of the quarantine, decoded once more under the config as it is.
//!
//! In: lines of rejects, oldest first. Out: their rows, each with its line, under one schema; of the other lines why they stay. Invariants: a line is decoded
//! only where its text is the whole record, and only the steps that it has not passed are done to it; a line of which some rows fit and others not has none.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::config::ResourcePlan;
use crate::decode::{DecodedPage, Decoder, Json, Reject, TypedBatch};
use crate::pipeline::chain::internal;
use crate::pipeline::decoding::{decoder_again, step_marks};
use crate::pipeline::table_intake::check_against;
use crate::pipeline::{RunError, contract};
use crate::schema::TableSchema;
use crate::source::Page;

/// Records that are decoded together, and the bytes at which they are fewer.
const RECORDS_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 8 << 20;

/// A record that was set aside.
#[derive(Debug)]
pub(super) struct Line {
    /// The commit and the run that it came with.
    pub(super) version: u64,
    pub(super) run: String,
    /// As the file has it.
    pub(super) value: Value,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Its rows join the table.
    Joins,
    /// The steps leave it out.
    LeftOut,
    /// The table's row of its key is the newer one.
    Older,
    /// It stays, for what the decoder says.
    Unfit(Box<Reject>),
    /// It stays as it is, for this reason.
    Stays(&'static str),
}

/// Rows of records, each with the number of its line.
pub(super) struct Rows {
    pub(super) batch: TypedBatch,
    pub(super) lines: Vec<usize>,
}

/// All lines, decoded.
pub(super) struct Decoded {
    pub(super) rows: Vec<Rows>,
    pub(super) fates: Vec<Fate>,
    /// The table's schema with them.
    pub(super) schema: Arc<TableSchema>,
}

const NOT_WHOLE: &str = "its text is not the whole record as it came: what cannot be read as one, has a secret in it or a step's mask, or is of an older lakeward";
const OTHER_STEPS: &str = "it has passed `processing_steps` that the config no longer begins with";
const NO_PARENT: &str = "the values of its parent's record are not in it";

/// Decodes lines of `resource`, whose table has the schema `table`.
///
/// # Errors
/// What a run fails with for all records: [`RunError::Schema`], [`RunError::NewColumn`], [`RunError::NewType`].
pub(super) fn decode(resource: &ResourcePlan, table: &TableSchema, page: &Page, lines: &[Line]) -> Result<Decoded, RunError> {
    let (_, start) = decoder_again(resource, table, 0)?;
    let start = Arc::new(start);
    let marks = step_marks(&resource.processing_steps);
    let decoded = Decoded { rows: Vec::new(), fates: vec![Fate::Joins; lines.len()], schema: Arc::clone(&start) };
    let mut work = Work { resource, table, page, lines, start, decoders: BTreeMap::new(), decoded };
    let (mut waiting, mut bytes, mut passed_by) = (Vec::new(), 0, 0);
    for (number, line) in lines.iter().enumerate() {
        let passed = match passed(resource, &marks, line) {
            Ok(passed) => passed,
            Err(why) => {
                work.decoded.fates[number] = Fate::Stays(why);
                continue;
            }
        };
        if passed != passed_by || waiting.len() == RECORDS_AT_ONCE || bytes >= BYTES_AT_ONCE {
            work.decode(&std::mem::take(&mut waiting), passed_by)?;
            (bytes, passed_by) = (0, passed);
        }
        bytes += raw(line).len();
        waiting.push(number);
    }
    work.decode(&waiting, passed_by)?;
    Ok(work.decoded)
}

/// How many of the config's steps a line has passed.
///
/// # Errors
/// Why it cannot be decoded.
fn passed(resource: &ResourcePlan, marks: &[String], line: &Line) -> Result<usize, &'static str> {
    let Some(Value::Array(steps)) = line.value.get("steps") else { return Err(NOT_WHOLE) };
    let Some(Json::Object(members)) = Json::parse(raw(line)) else { return Err(NOT_WHOLE) };
    let is_begun = steps.len() <= marks.len() && steps.iter().zip(marks).all(|(step, mark)| step == mark);
    if !is_begun {
        return Err(OTHER_STEPS);
    }
    let has = |name: &String| members.iter().any(|(known, _)| known == name);
    if steps.is_empty() && !resource.include_from_parent.iter().all(|include| has(&include.column)) {
        return Err(NO_PARENT);
    }
    Ok(steps.len())
}

fn raw(line: &Line) -> &str {
    line.value.get("raw").and_then(Value::as_str).unwrap_or_default()
}

struct Work<'a> {
    resource: &'a ResourcePlan,
    /// The schema of last night.
    table: &'a TableSchema,
    page: &'a Page,
    lines: &'a [Line],
    /// What decoding starts from.
    start: Arc<TableSchema>,
    /// By the number of steps that are passed.
    decoders: BTreeMap<usize, Decoder>,
    decoded: Decoded,
}

impl Work<'_> {
    /// Decodes some lines together, or one by one where a step makes other records of them or one of them is none.
    fn decode(&mut self, numbers: &[usize], passed: usize) -> Result<(), RunError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let page = self.try_decode(numbers, passed)?;
        match page {
            Some(page) if numbers.len() == 1 || page.filtered + page.exploded == 0 => self.take(numbers, page),
            None if numbers.len() == 1 => {
                self.decoded.fates[numbers[0]] = Fate::Stays(NOT_WHOLE);
                Ok(())
            }
            _ => numbers.iter().try_for_each(|number| self.decode(&[*number], passed)),
        }
    }

    fn try_decode(&mut self, numbers: &[usize], passed: usize) -> Result<Option<DecodedPage>, RunError> {
        if !self.decoders.contains_key(&passed) {
            self.decoders.insert(passed, decoder_again(self.resource, self.table, passed)?.0);
        }
        let texts: Vec<&str> = numbers.iter().map(|number| raw(&self.lines[*number])).collect();
        let records = format!("[{}]", texts.join(","));
        let decoder = self.decoders.get(&passed).ok_or_else(|| internal("a decoder is gone"))?;
        Ok(decoder.decode_again(records, self.page, &self.decoded.schema).ok())
    }

    fn take(&mut self, numbers: &[usize], page: DecodedPage) -> Result<(), RunError> {
        let DecodedPage { table, rejects, filtered, .. } = page;
        let unfit: HashMap<u64, Reject> = rejects.into_iter().map(|reject| (reject.record, reject)).collect();
        let rows = table.rows.batch.num_rows();
        let fits: Vec<usize> = (0..).zip(numbers).filter(|(at, _)| !unfit.contains_key(at)).map(|(_, number)| *number).collect();
        for (at, reject) in unfit {
            if let Some(number) = usize::try_from(at).ok().and_then(|at| numbers.get(at)) {
                self.decoded.fates[*number] = Fate::Unfit(Box::new(reject));
            }
        }
        let lines = match (numbers, fits.as_slice()) {
            (_, []) => return Ok(()),
            ([number], _) if filtered > 0 => {
                self.decoded.fates[*number] = Fate::LeftOut;
                return Ok(());
            }
            ([number], _) => vec![*number; rows],
            _ => fits,
        };
        if lines.len() != rows {
            return Err(internal("records of the quarantine and their rows are not as many"));
        }
        self.widen(&table.rows, numbers[0])?;
        self.decoded.rows.push(Rows { batch: table.rows, lines });
        Ok(())
    }

    /// What the records taught of the schema joins what is known, as in a run.
    fn widen(&mut self, rows: &TypedBatch, number: usize) -> Result<(), RunError> {
        let joined = self.decoded.schema.join(&rows.schema);
        let wrong = |source| RunError::Schema { resource: self.resource.name.clone(), source };
        joined.check_limits().and_then(|()| joined.check_names()).map_err(wrong)?;
        let page = self.lines[number].value.get("page").and_then(Value::as_u64).unwrap_or(1);
        contract::check_frozen(self.resource, (self.table, &self.start), (&joined, None), page)?;
        check_against(self.resource, self.table, &joined)?;
        if joined != *self.decoded.schema {
            self.decoded.schema = Arc::new(joined);
        }
        Ok(())
    }
}
