//! The warnings of a run, collected while it goes on: what the summary lists, and what `--strict` fails on.
//!
//! In: the run's events, on their way to whoever shows them. Out: the warnings that matter, in the order in which they came. Bounded: what is too
//! much to list is counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::{Warning, WarningCode, Weight};
use crate::pipeline::{Event, Events};
use crate::source::SourceEvent;

/// Warnings of one code and resource that are listed.
const LISTED_MAX: u32 = 20;
/// Warnings that are listed in all.
const ALL_MAX: usize = 1000;

/// A warning as the summary has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The resource, if it is about one.
    pub(crate) resource: Option<Arc<str>>,
    /// What.
    pub(crate) warning: Warning,
}

/// Keeps the warnings that matter.
#[derive(Debug, Default)]
pub(super) struct WarningLog(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    listed: Vec<Told>,
    counts: HashMap<(Option<Arc<str>>, WarningCode), u32>,
    unlisted: u64,
}

impl WarningLog {
    /// Events that are noted here and passed on.
    pub(super) fn watching(self: &Arc<Self>, events: Events) -> Events {
        let log = Arc::clone(self);
        Arc::new(move |event| {
            match &event {
                Event::Warning { resource, warning } => log.note(resource.as_ref(), warning),
                Event::Source(SourceEvent::Warning { resource, warning }) => log.note(Some(resource), warning),
                _ => {}
            }
            events(event);
        })
    }

    fn note(&self, resource: Option<&Arc<str>>, warning: &Warning) {
        if matches!(warning.code.weight(), Weight::Told | Weight::Asked) {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.counts.entry((resource.cloned(), warning.code)).or_default();
        *count = count.saturating_add(1);
        if *count > LISTED_MAX || kept.listed.len() >= ALL_MAX {
            kept.unlisted += 1;
        } else {
            kept.listed.push(Told { resource: resource.cloned(), warning: warning.clone() });
        }
    }

    /// The warnings so far, those that are not listed as one of their own.
    pub(super) fn listed(&self) -> Vec<Told> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = (kept.unlisted > 0).then(|| {
            let text = format!("{} more warnings of these kinds are not listed", kept.unlisted);
            Told { resource: None, warning: Warning::new(WarningCode::MoreWarnings, text) }
        });
        kept.listed.iter().cloned().chain(more).collect()
    }

    /// What `--strict` fails on: the first warning, and how many there are.
    pub(super) fn first(&self) -> Option<(Told, u64)> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.listed.iter().find(|told| told.warning.code.weight() == Weight::Matters)?;
        Some((first.clone(), kept.listed.len() as u64 + kept.unlisted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(warnings: impl IntoIterator<Item = (&'static str, WarningCode)>) -> Arc<WarningLog> {
        let log = Arc::<WarningLog>::default();
        let events = log.watching(Arc::new(|_| {}));
        for (resource, code) in warnings {
            events(Event::Warning { resource: Some(Arc::from(resource)), warning: Warning::new(code, code.name()) });
        }
        log
    }

    #[test]
    fn what_was_dealt_with_or_asked_for_is_not_listed_and_fails_nothing() {
        let log = log_of([
            ("orders", WarningCode::ClockSkew),
            ("orders", WarningCode::ColumnAdded),
            ("orders", WarningCode::PageIgnored),
        ]);
        assert_eq!((log.listed(), log.first()), (Vec::new(), None));
    }

    #[test]
    fn what_fails_late_is_listed_and_fails_nothing() {
        let log = log_of([("orders", WarningCode::ReportNotWritten)]);
        assert_eq!((log.listed().len(), log.first()), (1, None));
    }

    #[test]
    fn many_warnings_of_one_kind_are_counted_and_hide_no_other() {
        let many = std::iter::repeat_n(("orders", WarningCode::ParentRecordsSkipped), 1000);
        let log = log_of(many.chain([("orders", WarningCode::ColumnVanished), ("lines", WarningCode::ParentRecordsSkipped)]));
        let listed = log.listed();
        assert_eq!(listed.len(), 20 + 2 + 1);
        assert!(listed.iter().any(|told| told.warning.code == WarningCode::ColumnVanished));
        assert_eq!(listed.last().unwrap().warning.text, "980 more warnings of these kinds are not listed");
        assert_eq!(log.first().unwrap().1, 1002);
    }
}
