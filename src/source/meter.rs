//! A meter: a transport that sends no more requests than it was allowed, and remembers what was answered.
//!
//! In: how many. Out: each [`Exchange`], its body unpacked as far as its bounds go. Whoever looks at an API with a few requests sees by it what pages do
//! not tell: headers, and records as they came. Not here: what any of it means.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::source::packing::{Packing, is_brotli};
use crate::source::transport::{Answered, Kind, Request, Transport, TransportError};

/// Bytes of a body that are remembered.
const BODY_BYTES_MAX: usize = 8 << 20;

/// Bytes of all bodies together.
const ALL_BYTES_MAX: usize = 64 << 20;

/// A request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The answer's status.
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    is_cut: bool,
}

impl Exchange {
    /// The body as text; `None` where it is no text, or longer than what is remembered.
    pub(crate) fn text(&self) -> Option<String> {
        if self.is_cut {
            return None;
        }
        let Some(packing) = Packing::of(&self.body, is_brotli(&self.headers)) else {
            return String::from_utf8(self.body.clone()).ok();
        };
        let mut text = String::new();
        let mut unpacked = packing.reader(&*self.body).ok()?.take(BODY_BYTES_MAX as u64 + 1);
        unpacked.read_to_string(&mut text).ok()?;
        (text.len() <= BODY_BYTES_MAX).then_some(text)
    }

    /// What kind of body it says it is, without parameters, in lower case.
    pub(crate) fn content_type(&self) -> String {
        let full = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The names of its headers, in lower case, with their values.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
    }
}

/// Counts requests, and remembers answers. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    most: usize,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Meter {
    /// At most this many requests.
    pub(crate) fn of(most: usize) -> Self {
        Self { most, seen: Arc::default() }
    }

    /// Requests that were sent.
    pub(crate) fn used(&self) -> usize {
        self.seen().len()
    }

    /// Requests that may still be sent.
    pub(crate) fn left(&self) -> usize {
        self.most.saturating_sub(self.used())
    }

    /// The exchanges behind the first `from` of them.
    pub(crate) fn since(&self, from: usize) -> Vec<Exchange> {
        self.seen().iter().skip(from).cloned().collect()
    }

    /// Remembers a piece of the body of an answer, within the bounds.
    fn note(&self, at: usize, chunk: &[u8]) {
        let mut seen = self.seen();
        let all: usize = seen.iter().map(|exchange| exchange.body.len()).sum();
        let Some(exchange) = seen.get_mut(at) else { return };
        let fits = exchange.body.len() + chunk.len() <= BODY_BYTES_MAX && all + chunk.len() <= ALL_BYTES_MAX;
        match fits && !exchange.is_cut {
            true => exchange.body.extend_from_slice(chunk),
            false => exchange.is_cut = true,
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Vec<Exchange>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transport under a meter.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) meter: Meter,
    pub(super) inner: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Metered {
    async fn send(&self, mut request: Request) -> Result<Answered, TransportError> {
        // What comes packed would have to be unpacked once more to be looked at.
        request.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let at = {
            let mut seen = self.meter.seen();
            if seen.len() >= self.meter.most {
                return Err(TransportError::told(
                    Kind::Setup,
                    format!("all {} requests that were allowed are made", self.meter.most).into(),
                ));
            }
            seen.push(Exchange { status: 0, headers: HeaderMap::new(), body: Vec::new(), is_cut: false });
            seen.len() - 1
        };
        let mut answered = self.inner.send(request).await?;
        if let Some(exchange) = self.meter.seen().get_mut(at) {
            (exchange.status, exchange.headers) = (answered.status.as_u16(), answered.headers.clone());
        }
        let head = (answered.status, answered.headers.clone(), answered.body_bytes);
        let meter = self.meter.clone();
        let body = stream::poll_fn(move |cx| answered.poll_chunk(cx)).inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                meter.note(at, chunk);
            }
        });
        Ok(Answered::new(head, body.boxed()))
    }
}
