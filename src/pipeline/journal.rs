//! The journal of a run: when each resource began, had all its pages and ended, what it waited for, and when the commit began.
//!
//! In: the run's events, on their way to whoever shows them. Out: a [`Passage`] for each resource. Bounded: so many reasons to wait are kept apart,
//! and what comes beyond them is counted as one. Waits that overlap are one: many requests of a resource report the same pause.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::base::{Clock, start_of};
use crate::pipeline::{Event, Events};
use crate::source::SourceEvent;

/// Reasons to wait that are kept apart, of one resource.
const REASONS_MAX: usize = 20;
/// Characters of a reason that are kept.
const REASON_CHARS: usize = 300;

/// How a resource went through a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Passage {
    /// When it began, behind its parents.
    pub(crate) started: Option<DateTime<Utc>>,
    /// When its pages were in, and its files began to be finished.
    pub(crate) pages_in: Option<DateTime<Utc>>,
    /// When it was ready to publish, or had failed.
    pub(crate) ended: Option<DateTime<Utc>>,
    /// What it waited for, in the order in which the reasons came.
    pub(crate) waits: Vec<Wait>,
}

/// Waits for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// The reason, in words.
    pub(crate) why: String,
    /// Pauses.
    pub(crate) times: u64,
    /// How long they were together.
    pub(crate) time: Duration,
    /// When the first of them began.
    pub(crate) first: DateTime<Utc>,
}

/// What a journal has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Passages {
    /// By resource.
    pub(crate) of: BTreeMap<String, Passage>,
    /// When the commit began.
    pub(crate) committing: Option<DateTime<Utc>>,
}

/// Notes when things happen.
#[derive(Debug)]
pub(super) struct Journal {
    clock: Arc<dyn Clock>,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    passages: Passages,
    /// Until when each resource is known to wait.
    waiting_until: BTreeMap<String, DateTime<Utc>>,
}

impl Journal {
    /// An empty one, by this clock.
    pub(super) fn new(clock: &Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock: Arc::clone(clock), noted: Mutex::default() })
    }

    /// Events that are noted here and passed on.
    pub(super) fn watching(self: &Arc<Self>, events: Events) -> Events {
        let journal = Arc::clone(self);
        Arc::new(move |event| {
            journal.note(&event);
            events(event);
        })
    }

    /// What was noted so far.
    pub(super) fn passages(&self) -> Passages {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).passages.clone()
    }

    fn note(&self, event: &Event) {
        // Pages come by the thousand, and have no part in it.
        if matches!(event, Event::Page { .. }) {
            return;
        }
        let now = self.clock.now();
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { resource } => noted.passage(resource).started = Some(now),
            Event::Finishing { resource } => noted.passage(resource).pages_in = Some(now),
            Event::Ended { resource, .. } => noted.passage(resource).ended = Some(now),
            Event::Committing { .. } => noted.passages.committing = Some(now),
            Event::Source(SourceEvent::Waiting { resource, why, wait, until }) => {
                noted.wait(resource, &why.to_string(), (*wait, *until));
            }
            _ => {}
        }
    }
}

impl Noted {
    fn passage(&mut self, resource: &str) -> &mut Passage {
        self.passages.of.entry(resource.to_owned()).or_default()
    }

    fn wait(&mut self, resource: &str, why: &str, (wait, until): (Duration, DateTime<Utc>)) {
        let begins = until - chrono::TimeDelta::from_std(wait).unwrap_or(chrono::TimeDelta::zero());
        let known = self.waiting_until.get(resource).copied().filter(|known| *known > begins);
        let Ok(time) = (until - known.unwrap_or(begins)).to_std() else { return };
        if time.is_zero() {
            return;
        }
        self.waiting_until.insert(resource.to_owned(), until);
        let why = start_of(why, REASON_CHARS);
        let waits = &mut self.passage(resource).waits;
        let why = if waits.len() + 1 >= REASONS_MAX && !waits.iter().any(|wait| wait.why == why) {
            "other reasons".to_owned()
        } else {
            why
        };
        match waits.iter_mut().find(|wait| wait.why == why) {
            Some(known) => {
                known.times += 1;
                known.time += time;
            }
            None => waits.push(Wait { why, times: 1, time, first: begins }),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::base::SystemClock;
    use crate::source::WaitReason;

    fn journal(waits: impl IntoIterator<Item = (String, u64, i64)>) -> Passage {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let journal = Journal::new(&clock);
        let events = journal.watching(Arc::new(|_| {}));
        for (after, seconds, until) in waits {
            events(Event::Source(SourceEvent::Waiting {
                resource: Arc::from("orders"),
                why: WaitReason::Backoff { after },
                wait: Duration::from_secs(seconds),
                until: DateTime::UNIX_EPOCH + TimeDelta::seconds(until),
            }));
        }
        journal.passages().of.remove("orders").unwrap_or_default()
    }

    #[test]
    fn a_pause_that_many_requests_report_is_one() {
        let told = |seconds, until| ("503".to_owned(), seconds, until);
        let passage = journal([told(60, 60), told(59, 60), told(30, 60), told(45, 90), told(10, 200)]);
        let wait = &passage.waits[0];
        assert_eq!((passage.waits.len(), wait.times, wait.time), (1, 3, Duration::from_secs(60 + 30 + 10)));
        assert_eq!(wait.first, DateTime::UNIX_EPOCH);
    }

    #[test]
    fn reasons_past_the_bound_are_counted_together() {
        let passage = journal((0..100_u32).map(|number| (format!("reason {number}"), 1, i64::from(number) * 10 + 1)));
        assert_eq!(passage.waits.len(), REASONS_MAX);
        assert_eq!(passage.waits.iter().map(|wait| wait.times).sum::<u64>(), 100);
        assert_eq!(passage.waits.last().map(|wait| wait.why.as_str()), Some("other reasons"));
    }
}
