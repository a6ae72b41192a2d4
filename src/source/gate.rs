//! The gate that every request of a client passes: configured rate limits, and waits that the API asked for.
//!
//! Exact over any window: a limit of n per period never lets more than n requests start within a period. A wait that the
//! API asked of one request holds all of them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::config::RateLimit;

/// Shared by all requests of a client.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    windows: Vec<Window>,
    held_until: Option<Instant>,
}

#[derive(Debug)]
struct Window {
    limit: RateLimit,
    /// When the latest requests were let in, at most `limit.requests` of them.
    admitted: VecDeque<Instant>,
}

impl Gate {
    /// A gate that keeps `limits`.
    pub(super) fn new(limits: &[RateLimit]) -> Self {
        let windows = limits.iter().map(|limit| Window { limit: *limit, admitted: VecDeque::new() }).collect();
        Self { state: Mutex::new(State { windows, held_until: None }) }
    }

    /// Books a place for a request: the moment at which every limit admits it, not before `now`.
    pub(super) fn book(&self, now: Instant) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.windows.iter().filter_map(Window::opens).fold(now, Instant::max);
        for window in &mut state.windows {
            if window.is_full() {
                window.admitted.pop_front();
            }
            window.admitted.push_back(at);
        }
        at
    }

    /// Holds all requests until `until`, unless they are held longer.
    pub(super) fn hold(&self, until: Instant) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held_until = state.held_until.max(Some(until));
    }

    /// Until when requests are held, if that lies after `now`.
    pub(super) fn held(&self, now: Instant) -> Option<Instant> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.held_until.filter(|until| *until > now)
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
    use std::time::Duration;

    use super::*;

    fn check(limits: &[(u32, u64)], seconds: &[u64]) {
        let limits: Vec<RateLimit> =
            limits.iter().map(|&(requests, per)| RateLimit { requests, per: Duration::from_secs(per) }).collect();
        let (gate, start) = (Gate::new(&limits), Instant::now());
        let got: Vec<u64> = seconds.iter().map(|_| gate.book(start).duration_since(start).as_secs()).collect();
        assert_eq!(got, seconds);
    }

    #[test]
    fn e_09_every_limit_must_admit_a_request() {
        check(&[], &[0, 0, 0]);
        check(&[(2, 1)], &[0, 0, 1, 1, 2]);
        check(&[(2, 1), (3, 10)], &[0, 0, 1, 10, 10, 11, 20]);
    }

    #[test]
    fn the_longest_hold_counts() {
        let (gate, start) = (Gate::new(&[]), Instant::now());
        assert_eq!(gate.held(start), None);
        gate.hold(start + Duration::from_secs(5));
        gate.hold(start + Duration::from_secs(3));
        assert_eq!(gate.held(start), Some(start + Duration::from_secs(5)));
        assert_eq!(gate.held(start + Duration::from_secs(5)), None);
    }
}
