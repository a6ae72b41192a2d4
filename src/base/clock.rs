//! Time and chance, passed in so that tests hold them.

use std::fmt;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

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
