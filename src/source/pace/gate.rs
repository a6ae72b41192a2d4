//! The gate that every request of a client passes: configured rate limits, waits that the API asked for, and what it says is left.
//!
//! Exact over any window: a limit of n per period never lets more than n requests start within a period. A wait that the
//! API asked of one request holds all of them. When few requests are left until the API's own limit resets, they are spread over
//! that time; when none is left, all wait for it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::instant_after;
use crate::config::RateLimit;
use crate::source::event::WaitReason;
use crate::source::pace::Told;

/// Requests left count as few from here down, in parts of the limit.
const FEW: u64 = 10;
/// The longest wait between two requests that are spread: beyond it, the last few are used up and the reset is waited for.
const SPREAD_MAX: Duration = Duration::from_secs(60);

/// Shared by all requests of a client.
#[derive(Debug)]
pub(in crate::source) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    windows: Vec<Window>,
    held: Option<Held>,
    spread: Option<Spread>,
}

/// A wait of all requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Held {
    /// Until when.
    pub(in crate::source) until: Instant,
    /// Why.
    pub(in crate::source) why: WaitReason,
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    until: Instant,
    interval: Duration,
    next: Instant,
}

#[derive(Debug)]
struct Window {
    limit: RateLimit,
    /// When the latest requests were let in, at most `limit.requests` of them.
    admitted: VecDeque<Instant>,
}

impl Gate {
    /// A gate that keeps `limits`.
    pub(in crate::source) fn new(limits: &[RateLimit]) -> Self {
        let windows = limits.iter().map(|limit| Window { limit: *limit, admitted: VecDeque::new() }).collect();
        Self { state: Mutex::new(State { windows, held: None, spread: None }) }
    }

    /// Books a place for a request: the moment at which every limit admits it, not before `now`, and which of them it waits for.
    pub(in crate::source) fn book(&self, now: Instant) -> Held {
        let mut state = self.lock();
        let at = state.windows.iter().filter_map(Window::opens).fold(now, Instant::max);
        let mut booked = Held { until: at, why: WaitReason::RateLimit };
        if let Some(spread) = state.spread.filter(|spread| booked.until < spread.until) {
            // Behind the reset there are new ones.
            let at = spread.next.min(spread.until);
            if at > booked.until {
                booked = Held { until: at, why: WaitReason::Spread };
            }
            let next = instant_after(booked.until, spread.interval);
            state.spread = Some(Spread { next, ..spread });
        }
        for window in &mut state.windows {
            if window.is_full() {
                window.admitted.pop_front();
            }
            window.admitted.push_back(booked.until);
        }
        booked
    }

    /// Holds all requests until `until`, unless they are held longer.
    pub(in crate::source) fn hold(&self, until: Instant, why: WaitReason) {
        let mut state = self.lock();
        if state.held.as_ref().is_none_or(|held| held.until < until) {
            state.held = Some(Held { until, why });
        }
    }

    /// Until when requests are held, if that lies after `now`.
    pub(in crate::source) fn held(&self, now: Instant) -> Option<Held> {
        self.lock().held.clone().filter(|held| held.until > now)
    }

    /// Heeds what an answer, received at `now`, tells of the API's own limits, whatever was counted here. `in_flight`: how many requests may
    /// be under way at once.
    pub(in crate::source) fn heed(&self, now: Instant, told: &[Told], in_flight: usize) {
        if told.is_empty() {
            return;
        }
        if let Some(reset) = told.iter().filter(|told| told.remaining == 0).map(|told| told.reset).max() {
            self.hold(instant_after(now, reset), WaitReason::UsedUp);
        }
        let mut state = self.lock();
        let few = told.iter().filter(|told| told.is_low(in_flight));
        let slowest = few.max_by_key(|told| told.interval());
        state.spread = slowest.filter(|told| told.interval() <= SPREAD_MAX).map(|told| {
            let booked = state.spread.map(|spread| spread.next).filter(|next| *next > now);
            let interval = told.interval();
            let next = booked.unwrap_or_else(|| instant_after(now, interval));
            Spread { until: instant_after(now, told.reset), interval, next }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// Few are left, but some: a tenth of the limit, or fewer than may be in flight.
    fn is_low(&self, in_flight: usize) -> bool {
        let tenth = self.limit.map_or(0, |limit| limit / FEW);
        self.remaining > 0 && (self.remaining <= tenth || self.remaining < in_flight as u64)
    }

    fn interval(&self) -> Duration {
        self.reset / u32::try_from(self.remaining.max(1)).unwrap_or(u32::MAX)
    }
}

impl Window {
    fn is_full(&self) -> bool {
        self.admitted.len() >= self.limit.requests.max(1) as usize
    }

    fn opens(&self) -> Option<Instant> {
        if self.is_full() { self.admitted.front().and_then(|first| first.checked_add(self.limit.per)) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(limits: &[(u32, u64)], seconds: &[u64]) {
        let limits: Vec<RateLimit> =
            limits.iter().map(|&(requests, per)| RateLimit { requests, per: Duration::from_secs(per) }).collect();
        let (gate, start) = (Gate::new(&limits), Instant::now());
        let got: Vec<u64> = seconds.iter().map(|_| gate.book(start).until.duration_since(start).as_secs()).collect();
        assert_eq!(got, seconds);
    }

    /// What the gate does with `remaining` of 100 requests and 50 s to the reset: when three requests are let in, in seconds.
    fn check_told(remaining: u64, expected: [u64; 3]) {
        let (gate, start) = (Gate::new(&[]), Instant::now());
        gate.heed(start, &[Told { remaining, limit: Some(100), reset: Duration::from_secs(50) }], 4);
        let got = [(); 3].map(|()| {
            let booked = gate.book(start).until;
            gate.held(start).map_or(booked, |held| held.until.max(booked)).duration_since(start).as_secs()
        });
        assert_eq!(got, expected, "{remaining}");
    }

    #[test]
    fn e_09_every_limit_must_admit_a_request() {
        check(&[], &[0, 0, 0]);
        check(&[(2, 1)], &[0, 0, 1, 1, 2]);
        check(&[(2, 1), (3, 10)], &[0, 0, 1, 10, 10, 11, 20]);
    }

    #[test]
    fn e_06_the_last_few_requests_are_spread_and_none_is_waited_for() {
        check_told(90, [0, 0, 0]);
        check_told(11, [0, 0, 0]);
        check_told(10, [5, 10, 15]);
        check_told(2, [25, 50, 50]);
        check_told(0, [50, 50, 50]);
    }

    #[test]
    fn e_10_the_servers_number_wins_over_ours() {
        let (gate, start) = (Gate::new(&[RateLimit { requests: 100, per: Duration::from_secs(60) }]), Instant::now());
        let told = |remaining| [Told { remaining, limit: Some(100), reset: Duration::from_secs(60) }];
        gate.heed(start, &told(6), 4);
        assert_eq!(gate.book(start), Held { until: start + Duration::from_secs(10), why: WaitReason::Spread });
        gate.heed(start, &told(80), 4);
        assert_eq!(gate.book(start).until, start, "another user's requests have gone");
        gate.heed(start, &told(0), 4);
        assert_eq!(gate.held(start).map(|held| held.why), Some(WaitReason::UsedUp));
    }

    #[test]
    fn a_reset_far_away_is_not_spread_for() {
        let (gate, start) = (Gate::new(&[]), Instant::now());
        gate.heed(start, &[Told { remaining: 3, limit: Some(5000), reset: Duration::from_secs(3000) }], 4);
        assert_eq!(gate.book(start).until, start);
    }

    #[test]
    fn the_longest_hold_counts() {
        let (gate, start) = (Gate::new(&[]), Instant::now());
        assert_eq!(gate.held(start), None);
        gate.hold(start + Duration::from_secs(5), WaitReason::HeldBack);
        gate.hold(start + Duration::from_secs(3), WaitReason::UsedUp);
        assert_eq!(gate.held(start), Some(Held { until: start + Duration::from_secs(5), why: WaitReason::HeldBack }));
        assert_eq!(gate.held(start + Duration::from_secs(5)), None);
    }
}
