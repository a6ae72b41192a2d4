//! Waiting for a bucket that was there a moment ago: a server that is started again, a failover, a bucket that is busy.
//!
//! In: finished requests, above the client. Out: their answers. Invariants: a request is sent again only where no connection was made, or where the
//! answer says that the server is away or busy (502 to 504), as object_store does for itself and within a second or two (with 500, too, which may
//! be all that a server ever says to a request); it is waited for [`TIME_MAX`] at most, and
//! once; a place that has never answered is not waited for, since that is more often a wrong name than a bucket that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::client::{HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService};

use crate::base::Clock;

/// How long a request is sent again.
const TIME_MAX: Duration = Duration::from_secs(60);
/// The first wait, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A client that waits.
#[derive(Debug)]
pub(super) struct Patient {
    inner: HttpClient,
    clock: Arc<dyn Clock>,
    has_answered: AtomicBool,
}

impl Patient {
    /// Above `inner`.
    pub(super) fn new(inner: HttpClient, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, has_answered: AtomicBool::new(false) }
    }
}

#[async_trait]
impl HttpService for Patient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (first, mut wait) = (self.clock.instant(), WAITS.0);
        loop {
            let answer = self.inner.execute(request.clone()).await;
            let is_away = match &answer {
                Ok(answer) => matches!(answer.status().as_u16(), 502..=504),
                Err(error) => error.kind() == HttpErrorKind::Connect,
            };
            if !is_away {
                self.has_answered.fetch_or(answer.is_ok(), Ordering::Relaxed);
                return answer;
            }
            if !self.has_answered.load(Ordering::Relaxed) || self.clock.instant().duration_since(first) + wait > TIME_MAX {
                // What is left to do of a run that ends for it does not wait again.
                self.has_answered.store(false, Ordering::Relaxed);
                return answer;
            }
            tracing::debug!(uri = request.uri().path(), ?wait, "the bucket does not answer");
            // Runs that wait for the same bucket do not come back at once.
            self.clock.sleep(wait - wait / 2 * u32::from(self.clock.random() as u8) / 255).await;
            wait = (wait * 2).min(WAITS.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;
    use std::time::Instant;

    use chrono::{DateTime, Utc};
    use futures::future::{self, BoxFuture};
    use object_store::client::HttpRequestBody;

    use super::*;

    /// Time passes by sleeping alone.
    #[derive(Debug)]
    struct Sleeper {
        start: Instant,
        slept: Mutex<Duration>,
    }

    impl Clock for Sleeper {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + *self.slept.lock().unwrap()
        }

        fn instant(&self) -> Instant {
            self.start + *self.slept.lock().unwrap()
        }

        fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
            *self.slept.lock().unwrap() += wait;
            Box::pin(future::ready(()))
        }

        fn random(&self) -> u64 {
            100
        }
    }

    /// Answers with these statuses, one after the other; 0 is a connection that is refused. The last one stays.
    #[derive(Debug)]
    struct Scripted {
        statuses: Mutex<VecDeque<u16>>,
        asked: Arc<Mutex<u32>>,
    }

    #[async_trait]
    impl HttpService for Scripted {
        async fn call(&self, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
            *self.asked.lock().unwrap() += 1;
            let mut statuses = self.statuses.lock().unwrap();
            let status = if statuses.len() > 1 { statuses.pop_front().unwrap() } else { statuses[0] };
            match status {
                0 => Err(HttpError::new(HttpErrorKind::Connect, std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
                status => Ok(http::Response::builder().status(status).body(Vec::new().into()).unwrap()),
            }
        }
    }

    /// How many requests each of `calls` calls took, the last answer (a status, or 0), and how long it was waited for them.
    async fn ask(statuses: &[u16], calls: usize) -> (Vec<u32>, u16, Duration) {
        let clock = Arc::new(Sleeper { start: Instant::now(), slept: Mutex::default() });
        let asked = Arc::new(Mutex::new(0));
        let scripted = Scripted { statuses: Mutex::new(statuses.iter().copied().collect()), asked: Arc::clone(&asked) };
        let patient = Patient::new(HttpClient::new(scripted), Arc::clone(&clock) as Arc<dyn Clock>);
        let (mut counts, mut last) = (Vec::new(), 0);
        for _ in 0..calls {
            let request = http::Request::get("http://bucket/key").body(HttpRequestBody::empty()).unwrap();
            last = patient.call(request).await.map_or(0, |answer| answer.status().as_u16());
            counts.push(std::mem::take(&mut *asked.lock().unwrap()));
        }
        let slept = *clock.slept.lock().unwrap();
        (counts, last, slept)
    }

    #[tokio::test]
    async fn a_bucket_that_has_answered_is_waited_for() {
        let (counts, last, slept) = ask(&[200, 0, 503, 0, 200], 2).await;
        assert_eq!((counts, last), (vec![1, 4], 200));
        assert!(slept > Duration::from_millis(700), "{slept:?}");
    }

    #[tokio::test]
    async fn one_that_has_never_answered_is_not() {
        for status in [0, 503] {
            assert_eq!(ask(&[status], 1).await, (vec![1], status, Duration::ZERO));
        }
    }

    #[tokio::test]
    async fn it_is_not_waited_for_without_end() {
        let (counts, last, slept) = ask(&[200, 0], 3).await;
        assert!((10..60).contains(&counts[1]) && last == 0, "{counts:?} {last}");
        assert!(slept > TIME_MAX / 2 && slept <= TIME_MAX, "{slept:?}");
        // Nothing that comes after it waits again.
        assert_eq!(counts[2], 1);
    }

    #[tokio::test]
    async fn what_a_server_refuses_is_an_answer() {
        for status in [403, 500] {
            assert_eq!(ask(&[200, status], 2).await, (vec![1, 1], status, Duration::ZERO));
        }
        let (counts, last, _) = ask(&[404, 0, 412], 2).await;
        assert_eq!((counts, last), (vec![1, 2], 412));
    }
}
