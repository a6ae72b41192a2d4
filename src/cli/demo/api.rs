//! The sample API: keyed by query, offset pages, once a 429 with `Retry-After` and once a 503 a night.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cli::demo::data::{Night, Resource};

/// A running sample API; it stops when this is dropped.
pub(crate) struct SampleApi {
    port: u16,
    state: Arc<State>,
    _stop: DropGuard,
}

struct State {
    api_key: String,
    night: Mutex<Night>,
    requests: AtomicU64,
    limited: AtomicBool,
    failed: AtomicBool,
}

/// Connections served at once; more wait for a place.
const CONNECTIONS_MAX: usize = 64;

impl SampleApi {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the machine gives no port.
    pub(crate) async fn start(api_key: &str) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            api_key: api_key.to_owned(),
            night: Mutex::new(Night::First),
            requests: AtomicU64::new(0),
            limited: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&state), stop.clone()));
        Ok(Self { port, state, _stop: stop.drop_guard() })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Which data it serves from now on; its faults come once more.
    pub(crate) fn set_night(&self, night: Night) {
        *self.state.night.lock().unwrap_or_else(PoisonError::into_inner) = night;
        self.state.limited.store(false, Ordering::SeqCst);
        self.state.failed.store(false, Ordering::SeqCst);
    }

    /// Requests answered since this was last asked.
    pub(crate) fn take_requests(&self) -> u64 {
        self.state.requests.swap(0, Ordering::SeqCst)
    }

    /// The faults it made since the night began, in words.
    pub(crate) fn take_faults(&self) -> &'static str {
        match (self.state.limited.load(Ordering::SeqCst), self.state.failed.load(Ordering::SeqCst)) {
            (true, true) => "one got a 429 with Retry-After: 1 and one a 503, and both were tried again.",
            (true, false) => "one got a 429 with Retry-After: 1, and was tried again.",
            (false, true) => "one got a 503, and was tried again.",
            (false, false) => "none failed.",
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client went away before it was accepted.
                Err(_) => continue,
            },
        };
        let (state, stop) = (Arc::clone(&state), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let service = hyper::service::service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, Infallible>(state.answer(&request)) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that hangs up early is its own business.
                _ = connection => {}
            }
        });
    }
}

impl State {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let requests = self.requests.fetch_add(1, Ordering::SeqCst);
        let query = request.uri().query().unwrap_or_default();
        let query: HashMap<String, String> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if query.get("api_key") != Some(&self.api_key) {
            return json_answer(StatusCode::UNAUTHORIZED, &json!({"error": "missing or wrong api_key"}));
        }
        if requests == 20 && !self.limited.swap(true, Ordering::SeqCst) {
            let mut answer = json_answer(StatusCode::TOO_MANY_REQUESTS, &json!({"error": "slow down"}));
            answer.headers_mut().insert("retry-after", hyper::header::HeaderValue::from_static("1"));
            return answer;
        }
        if requests == 60 && !self.failed.swap(true, Ordering::SeqCst) {
            return json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": "try again"}));
        }
        let resource = match request.uri().path() {
            "/v1/customer_usage" => Resource::CustomerUsage,
            "/v1/wallets" => Resource::Wallets,
            _ => return json_answer(StatusCode::NOT_FOUND, &json!({"error": "no such resource"})),
        };
        let night = *self.night.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |name: &str, default: u64| query.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let (total, offset) = (resource.total(night), number("offset", 0));
        let end = offset.saturating_add(number("limit", 100).clamp(1, 100)).min(total);
        let records: Vec<_> = (offset.min(total)..end).map(|index| resource.record(night, index)).collect();
        json_answer(StatusCode::OK, &json!({"data": records, "total": total}))
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    answer
}
