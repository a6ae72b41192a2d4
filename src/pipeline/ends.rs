//! How the chains of a resource ended, taken together.

use std::collections::BTreeMap;

use crate::pipeline::facts::LISTED_MAX;
use crate::pipeline::{RunError, SliceFacts};
use crate::source::{End, EndReason, SourceError};

/// The ends of a resource's chains.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    sum: Option<End>,
    reasons: BTreeMap<EndReason, u64>,
    chains: u64,
    /// Chains that told a total, and met it.
    proven: u64,
    skipped: u64,
    /// Pages and records taken of chains that failed.
    left: (u64, u64),
    is_partial: bool,
    /// The first of them, by their place among the parent's records.
    listed: BTreeMap<u64, String>,
}

impl Ends {
    /// A chain ended.
    pub(crate) fn add(&mut self, end: End) {
        self.chains += 1;
        self.proven += u64::from(end.total == Some(end.records));
        *self.reasons.entry(end.reason).or_default() += 1;
        match &mut self.sum {
            None => self.sum = Some(end),
            Some(sum) => sum.add(end),
        }
    }

    /// A chain failed and is left to the next run; the `pages` and `records` that were taken of it stay.
    pub(crate) fn leave(&mut self, (pages, records): (u64, u64)) {
        self.left.0 += pages;
        self.left.1 += records;
        self.is_partial = true;
    }

    /// A chain was skipped: what it was requested for is gone. `number` is its place among the parent's records.
    pub(crate) fn skip(&mut self, number: u64, error: &SourceError) {
        self.skipped += 1;
        self.listed.insert(number, error.to_string());
        if self.listed.len() > LISTED_MAX {
            self.listed.pop_last();
        }
    }

    /// Whether no chain ended whole.
    pub(crate) fn has_none(&self) -> bool {
        self.sum.is_none()
    }

    /// The end of the resource. Of several reasons the commonest is told; the number of records is proven only where every chain's was.
    ///
    /// # Errors
    /// [`RunError::AllSkipped`].
    pub(crate) fn finish(mut self, resource: &str, mut facts: SliceFacts) -> Result<(End, SliceFacts), RunError> {
        let listed = std::mem::take(&mut self.listed);
        facts.requested -= self.skipped.min(facts.requested);
        facts.skipped += self.skipped;
        facts.listed.extend(listed.into_values());
        facts.listed.truncate(LISTED_MAX);
        let Some(mut end) = self.sum else {
            if facts.skipped > 0 {
                let first = facts.listed.into_iter().next().unwrap_or_default();
                return Err(RunError::AllSkipped { resource: resource.to_owned(), skipped: facts.skipped, first });
            }
            return Ok((End::without_pages(EndReason::NoParents), facts));
        };
        if let Some((reason, _)) = self.reasons.iter().max_by_key(|(_, count)| **count) {
            end.reason = *reason;
        }
        if self.chains > 1 {
            end.total = (self.proven == self.chains && !self.is_partial).then_some(end.records);
        }
        end.pages += self.left.0;
        end.records += self.left.1;
        Ok((end, facts))
    }
}
