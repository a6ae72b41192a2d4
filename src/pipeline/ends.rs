//! How the chains of a resource ended, taken together.

use std::collections::{BTreeMap, HashSet};

use crate::pipeline::facts::LISTED_MAX;
use crate::pipeline::{RunError, SliceFacts};
use crate::source::{End, EndReason, SourceError};

/// One in so many of the parent's records may be gone without a rule for it: 5 %.
const GONE_PART: usize = 20;

/// The ends of a resource's chains.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    sum: Option<End>,
    reasons: BTreeMap<EndReason, u64>,
    chains: u64,
    /// Chains that told a total, and met it.
    proven: u64,
    skipped: u64,
    /// What the chains were requested for, each once, and what of it the API says is gone without a rule for it.
    asked: HashSet<u64>,
    gone: HashSet<u64>,
    /// Pages and records taken of chains that failed.
    left: (u64, u64),
    is_partial: bool,
    /// The first of those skipped, by their place among the parent's records.
    listed: BTreeMap<u64, String>,
    /// Those skipped without a rule, and the first of them.
    vanished: u64,
    vanished_listed: BTreeMap<u64, String>,
}

impl Ends {
    /// A chain ended, whatever it came to. `of` tells apart what chains are requested for.
    pub(crate) fn note(&mut self, of: u64) {
        self.asked.insert(of);
    }

    /// A chain ended whole.
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

    /// A chain was skipped: what it was requested for is gone, or a rule says so. `number` is its place among the parent's records.
    pub(crate) fn skip(&mut self, number: u64, of: u64, error: &SourceError) {
        self.skipped += 1;
        if !matches!(error, SourceError::ParentSkipped { .. }) {
            self.gone.insert(of);
            self.vanished += 1;
            list(&mut self.vanished_listed, number, error);
        }
        list(&mut self.listed, number, error);
    }

    /// Whether no chain ended whole.
    pub(crate) fn has_none(&self) -> bool {
        self.sum.is_none()
    }

    /// The end of the resource. Of several reasons the commonest is told; the number of records is proven only where every chain's was.
    ///
    /// # Errors
    /// [`RunError::AllSkipped`]; [`RunError::TooManyGone`].
    pub(crate) fn finish(mut self, resource: &str, mut facts: SliceFacts) -> Result<(End, SliceFacts), RunError> {
        let listed = std::mem::take(&mut self.listed);
        facts.requested -= self.skipped.min(facts.requested);
        facts.skipped += self.skipped;
        facts.listed.extend(listed.into_values());
        facts.listed.truncate(LISTED_MAX);
        facts.vanished = self.vanished;
        facts.vanished_listed = std::mem::take(&mut self.vanished_listed).into_values().collect();
        let Some(mut end) = self.sum else {
            if facts.skipped > 0 {
                let first = facts.listed.into_iter().next().unwrap_or_default();
                let (skipped, vanished) = (facts.skipped, facts.vanished);
                return Err(RunError::AllSkipped { resource: resource.to_owned(), skipped, vanished, first });
            }
            return Ok((End::without_pages(EndReason::NoParents), facts));
        };
        // Rounded down, so that it is never more than the part; a single record may always vanish between two requests.
        if self.gone.len() > (self.asked.len() / GONE_PART).max(1) {
            let first = facts.listed.into_iter().next().unwrap_or_default();
            let (gone, asked) = (self.gone.len(), self.asked.len());
            return Err(RunError::TooManyGone { resource: resource.to_owned(), gone, asked, first });
        }
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

/// Keeps the first of them.
fn list(listed: &mut BTreeMap<u64, String>, number: u64, error: &SourceError) {
    listed.insert(number, error.to_string());
    if listed.len() > LISTED_MAX {
        listed.pop_last();
    }
}
