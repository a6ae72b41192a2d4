//! Waits, told once: one wait of a client holds many requests, and each of them reports it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::source::WaitReason;

/// A wait that ends at most this long after one that was told is part of it.
const PART_OF: TimeDelta = TimeDelta::seconds(1);

/// A configured rate limit makes nearly every request wait; only its longer waits are news.
const PACED: TimeDelta = TimeDelta::seconds(10);

/// Knows which waits were told.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    told: HashMap<Arc<str>, DateTime<Utc>>,
}

impl Waits {
    /// Whether a wait of `resource` until `until` is news.
    pub(crate) fn is_news(&mut self, resource: &Arc<str>, why: &WaitReason, until: DateTime<Utc>) -> bool {
        let known = self.told.get(resource);
        let slack = if *why == WaitReason::RateLimit { PACED } else { PART_OF };
        if known.is_some_and(|known| until <= *known + slack) {
            return false;
        }
        self.told.insert(Arc::clone(resource), until);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of these waits, as resource, reason and seconds at which they end, are told.
    fn check(waits: &[(&str, WaitReason, i64)], expected: &[bool]) {
        let mut seen = Waits::default();
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds);
        let told: Vec<bool> =
            waits.iter().map(|(name, why, seconds)| seen.is_news(&Arc::from(*name), why, at(*seconds))).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_wait_that_holds_many_requests_is_told_once_a_resource() {
        let told = WaitReason::Told { status: 429 };
        check(
            &[
                ("a", told.clone(), 60),
                ("a", WaitReason::HeldBack, 60),
                ("a", WaitReason::HeldBack, 61),
                ("b", WaitReason::HeldBack, 60),
                ("a", told, 90),
                ("a", WaitReason::HeldBack, 90),
            ],
            &[true, false, false, true, true, false],
        );
    }

    #[test]
    fn a_configured_pace_is_not_told_for_every_request() {
        let pace = || WaitReason::RateLimit;
        check(&[("a", pace(), 1), ("a", pace(), 2), ("a", pace(), 11), ("a", pace(), 12)], &[true, false, false, true]);
    }
}
