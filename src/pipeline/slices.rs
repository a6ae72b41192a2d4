//! Slices: what the chains of a resource are requested for, one after the other, in the order its rows will have.
//!
//! A resource without parents has one slice. A child has one for each record of its parent, or for each combination of its parents' records,
//! the first parent's slowest. Equal requests are made once for equal values that the rows have from the parent; records that lack a field are skipped where the plan says so; both are counted.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::base::{CursorValue, in_place};
use crate::config::{BindError, IncludePlan, OnMissing, Request, ResourcePlan};
use crate::decode::CursorProgress;
use crate::pipeline::cursors::Cursors;
use crate::pipeline::parents::{ParentRecords, RecordReader};
use crate::pipeline::share::SliceShare;
use crate::pipeline::{RunError, SliceFacts};
use crate::source::{End, ParentRecord, Slice};

/// Records of a second or further parent: every record of the first is combined with all of them, from memory.
const COMBINED_RECORDS_MAX: usize = 100_000;

/// The slices of one resource.
pub(crate) struct Slices {
    parents: Parents,
    resource: Arc<ResourcePlan>,
    seen: HashSet<u128>,
    facts: SliceFacts,
    /// The cursors of an incremental resource.
    cursors: Option<Cursors>,
    /// Ranges of the parents' record at hand that were not given out.
    ranges: VecDeque<Slice>,
    /// How many of them count.
    ranges_max: usize,
    /// Which of all slices are this run's; all where it is whole.
    share: Option<SliceShare>,
}

enum Parents {
    /// None, or one record of each that is known: one slice, unless it was given out.
    One(Option<Slice>),
    /// Records of the first parent, and every combination of the others'.
    Of { first: Box<RecordReader>, batch: VecDeque<ParentRecord>, others: Vec<Vec<ParentRecord>>, combination: usize },
}

impl Slices {
    /// The slices of `resource`. `parents` are those of its plan, in order, all of them whole.
    ///
    /// # Errors
    /// [`RunError::Disk`]; [`RunError::TooManyCombinations`].
    pub(crate) fn new(
        resource: Arc<ResourcePlan>,
        parents: &[Arc<ParentRecords>],
        cursors: Option<Cursors>,
    ) -> Result<Self, RunError> {
        let parents = match parents.split_first() {
            None => Parents::One(Some(Slice::default())),
            Some((first, others)) => {
                let first = first.reader(&resource, 0)?;
                let mut combined = Vec::new();
                for (i, other) in others.iter().enumerate() {
                    combined.push(all(other.reader(&resource, i + 1)?, &resource)?);
                }
                Parents::Of { first: Box::new(first), batch: VecDeque::new(), others: combined, combination: 0 }
            }
        };
        Ok(Self::of(parents, resource, cursors, usize::MAX))
    }

    /// The first slice of `resource` alone, for these records of its parents.
    pub(crate) fn first_of(resource: Arc<ResourcePlan>, parents: Vec<ParentRecord>, cursors: Option<Cursors>) -> Self {
        Self::of(Parents::One(Some(Slice { parents, ..Slice::default() })), resource, cursors, 1)
    }

    fn of(parents: Parents, resource: Arc<ResourcePlan>, cursors: Option<Cursors>, ranges_max: usize) -> Self {
        let (seen, facts, ranges) = (HashSet::new(), SliceFacts::default(), VecDeque::new());
        Self { parents, resource, seen, facts, cursors, ranges, ranges_max, share: None }
    }

    /// Those of them that a shard asks for.
    pub(crate) fn shared(self, share: Option<SliceShare>) -> Self {
        Self { share, ..self }
    }

    /// The next slice and its first request; `None` behind the last. Blocks on the disk.
    ///
    /// # Errors
    /// [`RunError::Request`] when a request cannot be made from a record; [`RunError::Disk`].
    pub(crate) fn next(&mut self) -> Result<Option<(Slice, Request)>, RunError> {
        while let Some(slice) = self.next_range()? {
            let has_parents = !slice.parents.is_empty();
            match self.resource.endpoint.request.bind(&|binding| slice.value(binding)) {
                Ok(request) if !has_parents || self.seen.insert(fingerprint(&request, &slice, &self.resource)) => {
                    let number = self.facts.requested;
                    self.facts.requested += 1;
                    if self.share.is_none_or(|share| share.has(number)) {
                        return Ok(Some((slice, request)));
                    }
                }
                Ok(_) => self.facts.repeated += 1,
                Err(error @ BindError::Missing { .. })
                    if has_parents && self.resource.on_missing_parent_field == OnMissing::Skip =>
                {
                    self.facts.skip(format!("record {} of `{}`: {error}", record_of(&slice), self.parent_name()));
                }
                Err(source) => {
                    let of = has_parents.then(|| format!(" for record {} of `{}`", record_of(&slice), self.parent_name()));
                    let resource = self.resource.name.clone();
                    return Err(RunError::Request { resource, of: of.unwrap_or_default(), source });
                }
            }
        }
        Ok(None)
    }

    /// What became of the parents' records; final once [`Self::next`] has given `None`.
    pub(crate) fn into_parts(self) -> (SliceFacts, Option<Cursors>) {
        (self.facts, self.cursors)
    }

    fn parent_name(&self) -> &str {
        self.resource.parents.first().map_or("", |parent| &parent.resource)
    }

    /// A chain ended whole.
    pub(crate) fn ended(&mut self, slice: &Slice, progress: CursorProgress, end: &End) {
        if let Some(cursors) = &mut self.cursors {
            cursors.ended(slice, progress, end.server_time);
        }
    }

    /// Whether a chain that failed is left to the next run while the others count.
    pub(crate) fn leave(&mut self, slice: &Slice, error: &RunError) -> bool {
        self.cursors.as_mut().is_some_and(|cursors| cursors.leave(slice, &error.chain()))
    }

    /// The next range of the parents' record at hand, or of the next one.
    fn next_range(&mut self) -> Result<Option<Slice>, RunError> {
        loop {
            if let Some(slice) = self.ranges.pop_front() {
                return Ok(Some(slice));
            }
            let Some(slice) = self.next_slice()? else { return Ok(None) };
            let Some(cursors) = &mut self.cursors else { return Ok(Some(slice)) };
            let ranges = cursors.slices(&slice);
            self.ranges = ranges.map_err(|source| RunError::incremental(&self.resource.name, source))?.into();
            self.ranges.truncate(self.ranges_max);
        }
    }

    fn next_slice(&mut self) -> Result<Option<Slice>, RunError> {
        match &mut self.parents {
            Parents::One(slice) => Ok(slice.take()),
            Parents::Of { first, batch, others, combination } => {
                let combinations = others.iter().map(Vec::len).product::<usize>();
                if *combination >= combinations {
                    batch.pop_front();
                    *combination = 0;
                }
                if batch.is_empty() {
                    batch.extend(in_place(|| first.batch())?);
                }
                let Some(record) = batch.front().filter(|_| combinations > 0) else { return Ok(None) };
                let mut parents = vec![record.clone()];
                let mut rest = *combination;
                let mut chosen: Vec<ParentRecord> = others
                    .iter()
                    .rev()
                    .filter_map(|records| {
                        let at = rest % records.len();
                        rest /= records.len();
                        records.get(at).cloned()
                    })
                    .collect();
                chosen.reverse();
                parents.extend(chosen);
                *combination += 1;
                Ok(Some(Slice { parents, cursor: None }))
            }
        }
    }
}

fn record_of(slice: &Slice) -> u64 {
    slice.parents.first().map_or(0, |record| record.number + 1)
}

/// All records of a reader, as far as memory is allowed for them.
fn all(mut reader: RecordReader, resource: &ResourcePlan) -> Result<Vec<ParentRecord>, RunError> {
    let mut records = Vec::new();
    loop {
        let batch = reader.batch()?;
        if batch.is_empty() {
            return Ok(records);
        }
        records.extend(batch);
        if records.len() > COMBINED_RECORDS_MAX {
            return Err(RunError::TooManyCombinations { resource: resource.name.clone(), limit: COMBINED_RECORDS_MAX });
        }
    }
}

/// Equal for equal requests, whose records are filtered by equal ranges and have equal values of their parents.
fn fingerprint(request: &Request, slice: &Slice, resource: &ResourcePlan) -> u128 {
    let range = slice
        .cursor
        .as_ref()
        .map(|cursor| [&cursor.range.start, &cursor.range.end].map(|end| end.as_ref().map(CursorValue::text)));
    let headers: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    let json = request.json.as_ref().map(serde_json::Value::to_string);
    let included = |include: &IncludePlan| slice.parents.get(include.parent)?.values.get(include.field)?.as_deref();
    let included: Vec<Option<&str>> = resource.include_from_parent.iter().map(included).collect();
    let made_of = (request.url.as_str(), &request.params, json, &request.data, headers, range, included);
    xxh3_128(format!("{made_of:?}").as_bytes())
}
