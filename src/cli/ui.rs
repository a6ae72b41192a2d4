//! `lakeward ui`: the pages of a lake, live, for the person at this machine.
//!
//! In: requests on 127.0.0.1. Out: pages. Invariants: without the token in its path a request learns nothing, not even that there is a lake; one that names
//! another host or comes from another origin is refused; only GET and HEAD are answered; nothing is written. Bounded: so many connections, one survey at
//! a time, each used for some seconds, and a time for the head of a request.

use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::base::{Clock, SystemClock};
use crate::cli::args::UiArgs;
use crate::cli::exit::Failure;
use crate::cli::looked::{Looked, look};
use crate::cli::pages::{self, TableView, failed};
use crate::cli::terminal::{print, tell, unwritten};
use crate::report::{self, Links, Survey};

/// Connections served at once; more wait for a place.
const CONNECTIONS_MAX: usize = 32;
/// How long a survey is used.
const FRESH: Duration = Duration::from_secs(3);
/// Time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of a token.
const TOKEN_BYTES: usize = 16;

/// The server's state.
struct Ui {
    looked: Looked,
    /// The path below which the pages are: `/<token>/`.
    root: String,
    /// The hosts that a request may name.
    hosts: [String; 2],
    survey: Mutex<Option<(Instant, Arc<Survey>)>>,
}

/// Serves until Ctrl-C.
pub(crate) async fn ui(args: UiArgs) -> Result<u8, Failure> {
    let looked = look(&args.of)?;
    // What keeps the lake from being read is told at once, and not by the first page.
    looked.survey().await?;
    let port = args.port.unwrap_or(0);
    let cannot = |error: std::io::Error| Failure::config(vec![format!("cannot listen on 127.0.0.1:{port}: {error}")]);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
    let port = listener.local_addr().map_err(cannot)?.port();
    let token = token().map_err(|error| Failure::internal("making a token", &error))?;
    let hosts = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let ui = Ui { looked, root: format!("/{token}/"), hosts, survey: Mutex::default() };
    print(&format!("http://127.0.0.1:{port}{}", ui.root));
    // Nobody could ask for anything.
    if let Some(failure) = unwritten() {
        return Err(failure);
    }
    tell("ui", "open this address in a browser on this machine; whoever has it sees rows of the tables; Ctrl-C ends it");
    tokio::select! {
        () = serve(listener, &ui) => {}
        // Where signals cannot be watched, Ctrl-C ends the process as it is.
        Ok(()) = tokio::signal::ctrl_c() => {}
    }
    Ok(0)
}

/// A text that nobody guesses.
fn token() -> std::io::Result<String> {
    let mut random = [0; TOKEN_BYTES];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Serves all connections on one task: there is one person.
async fn serve(listener: TcpListener, ui: &Ui) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => open.push(connection(stream, ui)),
                // The client went away before it was accepted.
                Err(error) => tracing::debug!(error = %error, "a connection was not accepted"),
            },
            Some(()) = open.next(), if !open.is_empty() => {}
        }
    }
}

async fn connection(stream: TcpStream, ui: &Ui) {
    let service = hyper::service::service_fn(|request| async move { Ok::<_, Infallible>(ui.answer(&request).await) });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).keep_alive(false);
    // A client that hangs up early is its own business.
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error = %error, "a connection ended early");
    }
}

impl Ui {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if let Err(status) = self.check(request) {
            return plain(status);
        }
        let path = request.uri().path().get(self.root.len()..).unwrap_or_default();
        let query = request.uri().query().unwrap_or_default();
        let page = self.page(path, query).await;
        let mut answer = match page {
            Ok(Some(page)) => html(StatusCode::OK, page),
            Ok(None) => plain(StatusCode::NOT_FOUND),
            Err(failure) => {
                failure.report();
                plain(StatusCode::INTERNAL_SERVER_ERROR)
            }
        };
        if request.method() == Method::HEAD {
            *answer.body_mut() = Full::default();
        }
        answer
    }

    /// Whether the request may be answered.
    fn check(&self, request: &Request<Incoming>) -> Result<(), StatusCode> {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        let host = header(HOST).ok_or(StatusCode::FORBIDDEN)?;
        if !self.hosts.iter().any(|own| own.as_bytes() == host) {
            return Err(StatusCode::FORBIDDEN);
        }
        let is_own = |origin: &[u8]| self.hosts.iter().any(|own| format!("http://{own}").as_bytes() == origin);
        if header(ORIGIN).is_some_and(|origin| !is_own(origin)) {
            return Err(StatusCode::FORBIDDEN);
        }
        let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
        if site.is_some_and(|site| !matches!(site, b"none" | b"same-origin")) {
            return Err(StatusCode::FORBIDDEN);
        }
        if !is_same(self.root.as_bytes(), request.uri().path().as_bytes()) {
            return Err(StatusCode::FORBIDDEN);
        }
        match *request.method() {
            Method::GET | Method::HEAD => Ok(()),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn page(&self, path: &str, query: &str) -> Result<Option<String>, Failure> {
        let survey = self.survey().await?;
        let (links, lake) = (Links::Below(&self.root), self.looked.open().await?);
        let mut parts = Vec::new();
        for part in path.split('/') {
            let Ok(part) = percent_encoding::percent_decode_str(part).decode_utf8() else { return Ok(None) };
            parts.push(part.into_owned());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (title, body) = match parts[..] {
            [""] => {
                let body = report::overview(&survey, links, |_, table| table.in_lake).map_err(|error| failed(&error))?;
                (format!("Lake {}", survey.lake), Some(body))
            }
            ["table", pipeline, table] => {
                let of = survey.pipelines.iter().find(|known| known.name == pipeline);
                let of = of.and_then(|of| Some((of, of.tables.iter().find(|known| known.table == table)?)));
                let view = TableView { has_rows: true, is_page: true, versions: usize::MAX, links };
                let body = match (of, pages::stories(&lake, pipeline).await?) {
                    (Some(of), Some(stories)) => pages::table((&lake, &stories), of, view).await?,
                    _ => None,
                };
                (format!("Table {table}"), body)
            }
            ["run", pipeline, run] => (format!("Run {run}"), pages::run(&self.looked, &lake, &survey, (pipeline, run)).await?),
            ["runs", pipeline] => {
                let before = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "before");
                let before = before.as_ref().map(|(_, value)| &**value);
                (format!("Runs of {pipeline}"), pages::runs(&lake, &survey, (pipeline, before), links).await?)
            }
            _ => return Ok(None),
        };
        let Some(body) = body else { return Ok(None) };
        report::document(&title, &survey, body, links).map(Some).map_err(|error| failed(&error))
    }

    /// The survey, made anew unless the last one is some seconds old at most. Whoever asks meanwhile waits for it.
    async fn survey(&self) -> Result<Arc<Survey>, Failure> {
        let mut kept = self.survey.lock().await;
        let now = SystemClock.instant();
        if let Some((at, survey)) = &*kept
            && now.duration_since(*at) < FRESH
        {
            return Ok(Arc::clone(survey));
        }
        let survey = Arc::new(self.looked.survey().await?);
        *kept = Some((SystemClock.instant(), Arc::clone(&survey)));
        Ok(survey)
    }
}

/// Whether a path begins with the root, found out in the same time wherever they differ.
fn is_same(root: &[u8], path: &[u8]) -> bool {
    let Some(start) = path.get(..root.len()) else { return false };
    root.iter().zip(start).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

fn html(status: StatusCode, page: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(page)));
    *answer.status_mut() = status;
    let headers = [
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", format!("{}; frame-ancestors 'none'", report::policy())),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-frame-options", "DENY".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("cross-origin-opener-policy", "same-origin".to_owned()),
        ("cross-origin-resource-policy", "same-origin".to_owned()),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// An answer that tells nothing but its status.
fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let text = status.canonical_reason().unwrap_or("refused");
    html(status, format!("<!doctype html>\n<html lang=\"en\"><title>{text}</title><h1>{text}</h1></html>\n"))
}
