//! Whether and when a request is tried again. Pure: failures and what was spent in, a decision out.
//!
//! Unless the config bounds the retries, a request is tried until it has waited for as long as it may: an API that is down for minutes costs
//! minutes, and no night. Where it has waited so long for one request, the others do not wait as long once more ([`Outage`]).
//!
//! A wait that the server tells (`Retry-After` with 429) uses up the wait budget, not the retries, since it is no failure but
//! an appointment; such waits are bounded by their own number too.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::RetryPlan;

/// The longest backoff between two attempts.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Retries of one request, where the config has no number: a bound for waits that chance makes short.
const RETRIES_MAX: u32 = 100;
/// Waits told by 429 that one request keeps.
const TOLD_WAITS_MAX: u32 = 20;
/// Time that the attempts of one page may take; one that has begun is finished.
const ATTEMPTS_TIME_MAX: Duration = Duration::from_secs(15 * 60);
/// What the jitter adds to a told wait, at most a tenth of it.
const TOLD_JITTER_MAX: Duration = Duration::from_secs(1);

/// What one request has spent so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spent {
    /// Requests sent.
    pub(super) attempts: u32,
    /// Retries used up.
    pub(super) retries: u32,
    told_waits: u32,
    waited: Duration,
    /// Time that attempts took, waits apart.
    attempted: Duration,
}

/// How far a failure may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// As often as the plan says.
    Plan,
    /// Once: what it is, is rarely gone the next moment.
    Once,
    /// The server told how long to wait; `Appointment` when it did so with 429.
    Told { wait: Duration, appointment: bool },
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Wait, then try again.
    Wait(Duration),
    /// The server's wait is longer than allowed.
    TooLong(Duration),
    /// Nothing is left to try.
    GiveUp,
}

/// How often a request was sent, and how long was waited for it, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempts {
    count: u32,
    waited: Duration,
}

impl From<u32> for Attempts {
    fn from(count: u32) -> Self {
        Self { count, waited: Duration::ZERO }
    }
}

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.waited.as_secs() / 60 {
            0 => write!(f, "{}", self.count),
            minutes => write!(f, "{} in {minutes} min of waits", self.count),
        }
    }
}

/// Whether the API was waited for in vain, and has answered nothing since: the state of a client.
#[derive(Debug, Default)]
pub(super) struct Outage(AtomicBool);

impl Outage {
    /// A request has waited for as long as it may.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An answer has come.
    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// How a request is tried again; briefly, where it `may_fail`, too.
    pub(super) fn plan<'p>(&self, plan: &'p RetryPlan, may_fail: bool) -> Cow<'p, RetryPlan> {
        if may_fail || self.0.load(Ordering::Relaxed) { Cow::Owned(plan.brief()) } else { Cow::Borrowed(plan) }
    }
}

impl Spent {
    /// What was sent and waited so far.
    pub(super) fn tried(&self) -> Attempts {
        Attempts { count: self.attempts, waited: self.waited }
    }

    /// Books the time that an attempt took.
    pub(super) fn note_attempt(&mut self, took: Duration) {
        self.attempted = self.attempted.saturating_add(took);
    }

    /// Decides what follows a failure and books it. `random` is uniform over all `u64`.
    pub(super) fn decide(&mut self, plan: &RetryPlan, patience: Patience, random: u64) -> Decision {
        let chance = random as f64 / u64::MAX as f64;
        let (retries_max, left) = (plan.max_retries.unwrap_or(RETRIES_MAX), plan.max_wait.saturating_sub(self.waited));
        let wait = match patience {
            Patience::Plan | Patience::Once => backoff(plan, self.retries).mul_f64(chance).min(left),
            Patience::Told { wait, .. } => wait.saturating_add((wait / 10).min(TOLD_JITTER_MAX).mul_f64(chance)),
        };
        if let Patience::Told { wait, .. } = patience
            && wait > left
        {
            return Decision::TooLong(wait);
        }
        let is_appointment = matches!(patience, Patience::Told { appointment: true, .. }) && retries_max > 0;
        let may_try = match patience {
            _ if is_appointment => self.told_waits < TOLD_WAITS_MAX,
            Patience::Once => self.retries < retries_max.min(1),
            Patience::Plan | Patience::Told { .. } => self.retries < retries_max,
        };
        if !may_try || left.is_zero() || self.attempted > ATTEMPTS_TIME_MAX {
            return Decision::GiveUp;
        }
        self.waited = self.waited.saturating_add(wait);
        if is_appointment {
            self.told_waits += 1;
        } else {
            self.retries += 1;
        }
        Decision::Wait(wait)
    }
}

/// The upper bound of the wait before retry number `retry` (from 0).
fn backoff(plan: &RetryPlan, retry: u32) -> Duration {
    let seconds = plan.initial_delay.as_secs_f64() * plan.backoff_factor.powi(i32::try_from(retry).unwrap_or(i32::MAX));
    if seconds.is_finite() && seconds < BACKOFF_MAX.as_secs_f64() {
        Duration::from_secs_f64(seconds.max(0.0))
    } else {
        BACKOFF_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> RetryPlan {
        RetryPlan {
            max_retries: Some(3),
            backoff_factor: 2.0,
            initial_delay: Duration::from_secs(1),
            statuses: vec![429],
            max_wait: Duration::from_secs(600),
        }
    }

    #[test]
    fn e_03_backoff_doubles_up_to_a_minute_with_full_jitter() {
        let mut spent = Spent::default();
        let decide = |spent: &mut Spent, random| spent.decide(&plan(), Patience::Plan, random);
        assert_eq!(decide(&mut spent, u64::MAX), Decision::Wait(Duration::from_secs(1)));
        assert_eq!(decide(&mut spent, u64::MAX), Decision::Wait(Duration::from_secs(2)));
        assert_eq!(decide(&mut spent, 0), Decision::Wait(Duration::ZERO));
        assert_eq!(decide(&mut spent, 0), Decision::GiveUp);
        assert_eq!(backoff(&plan(), 30), BACKOFF_MAX);
        assert_eq!(backoff(&plan(), u32::MAX), BACKOFF_MAX);
    }

    #[test]
    fn e_20_without_a_number_of_retries_the_wait_is_used_up_to_the_second() {
        let plan = RetryPlan { max_retries: None, ..plan() };
        for (random, tries) in [(u64::MAX, 15), (u64::MAX / 2, 25)] {
            let (mut spent, mut waits) = (Spent::default(), Vec::new());
            while let Decision::Wait(wait) = spent.decide(&plan, Patience::Plan, random) {
                waits.push(wait);
            }
            assert_eq!((waits.iter().sum::<Duration>(), waits.len()), (plan.max_wait, tries), "{waits:?}");
            assert!(waits.iter().all(|wait| *wait <= BACKOFF_MAX), "{waits:?}");
            assert_eq!(spent.decide(&plan, Patience::Plan, random), Decision::GiveUp);
        }
        // Chance that makes no wait at all makes no endless loop.
        let (mut spent, mut tries) = (Spent::default(), 0);
        while spent.decide(&plan, Patience::Plan, 0) == Decision::Wait(Duration::ZERO) {
            tries += 1;
        }
        assert_eq!(tries, RETRIES_MAX);
    }

    #[test]
    fn where_nobody_waits_for_minutes_there_are_three_retries_or_fewer() {
        let outage = Outage::default();
        let plans = [None, Some(20), Some(1)].map(|max_retries| RetryPlan { max_retries, ..plan() });
        for (plan, brief) in plans.iter().zip([Some(3), Some(3), Some(1)]) {
            assert_eq!(outage.plan(plan, false).max_retries, plan.max_retries);
            assert_eq!(outage.plan(plan, true).max_retries, brief);
        }
        outage.begin();
        assert_eq!(outage.plan(&plans[0], false).max_retries, Some(3));
        outage.end();
        assert_eq!(outage.plan(&plans[0], false).max_retries, None);
    }

    #[test]
    fn e_01_told_waits_use_up_the_wait_budget_and_not_the_retries() {
        let (mut spent, told) = (Spent::default(), Patience::Told { wait: Duration::from_secs(100), appointment: true });
        for _ in 0..5 {
            assert_eq!(spent.decide(&plan(), told, 0), Decision::Wait(Duration::from_secs(100)));
        }
        assert_eq!(spent.retries, 0);
        assert_eq!(spent.decide(&plan(), told, u64::MAX), Decision::Wait(Duration::from_secs(101)));
        assert_eq!(spent.decide(&plan(), told, 0), Decision::TooLong(Duration::from_secs(100)));
    }

    #[test]
    fn e_20_a_page_has_a_quarter_of_an_hour() {
        let mut spent = Spent::default();
        spent.note_attempt(ATTEMPTS_TIME_MAX);
        assert_eq!(spent.decide(&plan(), Patience::Plan, 0), Decision::Wait(Duration::ZERO));
        spent.note_attempt(Duration::from_secs(1));
        assert_eq!(spent.decide(&plan(), Patience::Plan, 0), Decision::GiveUp);
    }

    #[test]
    fn without_retries_nothing_is_tried_again() {
        let plan = RetryPlan { max_retries: Some(0), ..plan() };
        for patience in [Patience::Plan, Patience::Once, Patience::Told { wait: Duration::from_secs(1), appointment: true }] {
            assert_eq!(Spent::default().decide(&plan, patience, 0), Decision::GiveUp);
        }
    }
}
