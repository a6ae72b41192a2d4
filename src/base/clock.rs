//! Time and chance, passed in so that tests hold them.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;

/// Seconds of a wait past which a point in time is no longer told apart: a hundred years.
const FAR_SECONDS: u64 = 100 * 366 * 86_400;

/// The point in time `wait` after `time`, and for a wait of more than a hundred years the one after those: whoever tells of such a wait
/// means no time at all, and no calendar holds it.
#[must_use]
pub(crate) fn time_after(time: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let wait = TimeDelta::from_std(wait.min(Duration::from_secs(FAR_SECONDS))).unwrap_or_default();
    time.checked_add_signed(wait).unwrap_or(time)
}

/// The instant `wait` after `instant`; see [`time_after`].
#[must_use]
pub(crate) fn instant_after(instant: Instant, wait: Duration) -> Instant {
    instant.checked_add(wait.min(Duration::from_secs(FAR_SECONDS))).unwrap_or(instant)
}

/// The only source of time, sleep and randomness in the program.
pub(crate) trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time in UTC. For records and for comparing with a server's `Date`; never for measuring waits.
    fn now(&self) -> DateTime<Utc>;
    /// Monotonic time, for measuring.
    fn instant(&self) -> Instant;
    /// Completes after `wait`.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
    /// A random number, uniform over all `u64`.
    fn random(&self) -> u64;
}

/// The machine's clock and random numbers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }

    fn random(&self) -> u64 {
        fastrand::u64(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_leaves_the_calendar() {
        let now: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        assert_eq!(time_after(now, Duration::from_secs(90)).to_rfc3339(), "2026-11-22T10:01:30+00:00");
        for wait in [Duration::from_secs(8_640_000_000_000), Duration::MAX] {
            assert_eq!(time_after(now, wait), time_after(now, Duration::from_secs(FAR_SECONDS)));
            assert_eq!(time_after(DateTime::<Utc>::MAX_UTC, wait), DateTime::<Utc>::MAX_UTC);
        }
        let start = Instant::now();
        assert_eq!(instant_after(start, Duration::from_secs(5)), start + Duration::from_secs(5));
        assert!(instant_after(start, Duration::MAX) > start + Duration::from_secs(86_400));
    }
}
