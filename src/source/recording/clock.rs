//! The clock of a replay: it begins when the recorded run did, and no wait takes time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use crate::base::{Clock, SystemClock, instant_after, time_after};

/// Time as a replay has it: that of the machine, and all waits that were passed over. Waits at the same time pass together.
#[derive(Clone)]
pub(crate) struct ReplayClock {
    started: DateTime<Utc>,
    begin: Instant,
    skipped_nanos: Arc<AtomicU64>,
}

impl ReplayClock {
    pub(crate) fn new(started: DateTime<Utc>) -> Self {
        Self { started, begin: SystemClock.instant(), skipped_nanos: Arc::default() }
    }

    /// Lets time pass until `until`.
    fn pass_to(&self, until: Instant) {
        let skipped = until.saturating_duration_since(SystemClock.instant());
        self.skipped_nanos.fetch_max(u64::try_from(skipped.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Lets `wait` pass.
    pub(crate) fn pass(&self, wait: Duration) {
        self.pass_to(instant_after(self.instant(), wait));
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> DateTime<Utc> {
        time_after(self.started, self.instant().saturating_duration_since(self.begin))
    }

    fn instant(&self) -> Instant {
        instant_after(SystemClock.instant(), Duration::from_nanos(self.skipped_nanos.load(Ordering::SeqCst)))
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        let (clock, until) = (self.clone(), instant_after(self.instant(), wait));
        Box::pin(async move {
            clock.pass_to(until);
            tokio::task::yield_now().await;
        })
    }

    fn random(&self) -> u64 {
        SystemClock.random()
    }
}

impl fmt::Debug for ReplayClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayClock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_wait_takes_time_and_all_of_them_pass() {
        let started: DateTime<Utc> = "2026-11-22T10:00:00Z".parse().unwrap();
        let clock = ReplayClock::new(started);
        let (real, day) = (SystemClock.instant(), Duration::from_secs(86_400));
        let before = clock.instant();
        futures::future::join(clock.sleep(day), clock.sleep(day / 2)).await;
        let passed = clock.instant().duration_since(before);
        assert!(passed >= day && passed < day + day / 4, "{passed:?}");
        assert!(SystemClock.instant().duration_since(real) < Duration::from_secs(60));
        assert!(clock.now() >= time_after(started, day));
        clock.sleep(Duration::MAX).await;
    }
}
