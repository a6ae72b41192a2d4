//! Why a detected paginator does not hold, and what to write in its place.

use serde_json::Value;

use crate::config::{PaginatorPlan, paginator_words, path_words, yaml};
use crate::source::error::PagingFault;
use crate::source::paginate::Seen;
use crate::source::paginate::candidates::{by_offset, words};
use crate::source::paginate::detect::Detect;
use crate::source::paginate::link::ALL;
use crate::source::paginate::names::Role;
use crate::source::paginate::signs::{Sign, more_in_headers, stands_around};
use crate::source::paginate::totals::{beyond_in_headers, beyond_page, is_lower_bound};
use crate::source::{PageFacts, SourceError};

impl Detect {
    /// The total that the second page was asked for, where it may count something else.
    fn told_total(&self, page: &Seen<'_>) -> Option<String> {
        let (first, trial) = (self.first.as_ref()?, self.trial.as_ref()?);
        let seen = first.seen(page, page.ordinal);
        if !trial.is_proven && trial.candidate.from.starts_with("the header") {
            let total = beyond_in_headers(&seen).map(|(sign, total)| format!("{} says {total}", sign.shown));
            let why = total.or_else(|| more_in_headers(seen.headers))?;
            return Some(format!("it was asked for because {why} and page 1 has {} records", first.facts.records));
        }
        let (sign, total) = beyond_page(&seen).max_by_key(|(_, total)| *total)?;
        let is_its = !trial.is_proven && trial.candidate.from == format!("`{}`", sign.shown());
        is_its.then(|| {
            let least = if is_lower_bound(seen.facts, sign) { "at least " } else { "" };
            format!("it was asked for because `{}` is {least}{total} and page 1 has {} records", sign.path, first.facts.records)
        })
    }

    /// The error of a paginator that does not hold, with what else could be written.
    pub(super) fn failed(&self, page: &Seen<'_>, why: String) -> SourceError {
        self.failed_but_for(page, why, "")
    }

    /// The same, with what else could be written than another paginator, in words.
    fn failed_but_for(&self, page: &Seen<'_>, mut why: String, else_write: &str) -> SourceError {
        let tried = self.trial.as_ref().map(|trial| &trial.candidate.plan);
        let detected = tried.map(paginator_words).unwrap_or_default();
        let untried = self.left.iter().rev().map(|candidate| &candidate.plan);
        let mut write = words(untried);
        let at = match tried {
            Some(PaginatorPlan::Cursor { cursor_path, .. }) => yaml(&Value::from(path_words(cursor_path))),
            _ => "…".to_owned(),
        };
        let by_cursor = format!("{{type: cursor, cursor_path: {at}, cursor_param: …}}");
        let by_offset = self.first.as_ref().map(|first| paginator_words(&by_offset(&first.seen(page, 0))));
        let by_offset = by_offset.unwrap_or_else(|| "{type: offset, limit: 100}".to_owned());
        for template in [&*by_offset, "{type: page_number, base_page: 1}", &by_cursor] {
            let kind = template.split(',').next().unwrap_or_default();
            if !write.contains(kind) {
                let separator = if write.is_empty() { "" } else { " or " };
                write.push_str(&format!("{separator}`paginator: {template}`"));
            }
        }
        if let Some(total) = self.told_total(page) {
            why = format!("{why}; {total}");
            write.push_str(
                ", or `expect: {total: estimate}` if it counts something else, with `paginator: single_page` if page 1 is all there is",
            );
        } else if self.is_probing() {
            write.push_str(", or `paginator: single_page` if page 1 is all there is");
        }
        write.push_str(else_write);
        SourceError::from(PagingFault::DetectionFailed { place: page.at(), detected, why, write })
    }

    /// The totals that `page` tells, without those that on the first page are no more than its records, which may count the page.
    fn totals(&self, page: &Seen<'_>) -> Vec<(Sign, u64)> {
        let Some(first) = self.first.as_ref().filter(|_| !self.total_is_estimate()) else { return Vec::new() };
        let totals = |facts: &PageFacts| -> Vec<(Sign, u64)> {
            let is_total = |sign: &&Sign| sign.role() == Some(Role::Total) && stands_around(facts, sign);
            // A bound that is not reached is for whoever watches all totals.
            let signs = facts.signs.iter().filter(is_total).filter(|sign| !is_lower_bound(facts, sign));
            signs.filter_map(|sign| Some((sign.clone(), sign.number()?))).collect()
        };
        let of_page: Vec<_> = totals(&first.facts)
            .into_iter()
            .filter(|(_, total)| *total <= first.facts.records)
            .map(|(sign, _)| sign.path)
            .collect();
        totals(page.facts).into_iter().filter(|(sign, _)| !of_page.contains(&sign.path)).collect()
    }

    /// Whether as much is read as each total tells, and one does.
    pub(super) fn is_total_met(&self, page: &Seen<'_>) -> bool {
        let told = self.totals(page);
        !told.is_empty() && !self.has_skipped && told.iter().all(|(_, total)| *total == self.records)
    }

    /// Whether the API's own total is what was read.
    pub(super) fn check_total(&self, page: &Seen<'_>) -> Result<(), SourceError> {
        let told = self.totals(page);
        match told.iter().max_by_key(|(_, total)| *total) {
            Some((_, total)) if self.has_skipped && *total >= self.records => Ok(()),
            Some((sign, total)) if !told.iter().any(|(_, total)| *total == self.records) => {
                let estimate = format!(", or, if that is an estimate or counts something else, `{ALL}`");
                let why = format!("it ended after {} records, but `{}` is {total}", self.records, sign.shown());
                Err(self.failed_but_for(page, why, &estimate))
            }
            _ => Ok(()),
        }
    }
}
