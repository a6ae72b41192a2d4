//! A loopback API made for misbehaving. It serves scripted answers, then its standing ones, and records what it was sent.
//!
//! It runs on a thread of its own, so that plain and async tests can use it alike, and ends when dropped.
//!
//! ```text
//! let api = FakeApi::start().page("/orders", r#"{"data": []}"#).then("/orders", Reply::status(503));
//! ```
//! Scripted answers (`then`) come first, in their order; then the standing one (`page`, `rows`, `on`) for ever.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The API. Dropping it closes it.
pub(crate) struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    routes: HashMap<String, Route>,
    requests: Vec<Request>,
}

#[derive(Default)]
struct Route {
    script: VecDeque<Reply>,
    standing: Option<Handler>,
}

/// Stands for every path that has no answer of its own.
pub(crate) const ANY: &str = "*";

type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// `GET` or `POST`.
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// The query as it was written, without `?`.
    pub(crate) raw_query: String,
    /// The query, decoded, in order.
    pub(crate) query: Vec<(String, String)>,
    /// Header names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: String,
}

impl Request {
    /// The first value of a query parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter as a number, `otherwise` without one.
    pub(crate) fn number(&self, name: &str, otherwise: u64) -> u64 {
        self.param(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// An answer and what goes wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    length: Length,
    delay: Duration,
    cut_at: Option<usize>,
    end: Ending,
    drip: Option<(usize, Duration)>,
}

#[derive(Debug, Clone, Copy)]
enum Length {
    True,
    Told(usize),
    None,
    Chunked,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    KeepAlive,
    Close,
    Reset,
    Hang,
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
            length: Length::True,
            delay: Duration::ZERO,
            cut_at: None,
            end: Ending::KeepAlive,
            drip: None,
        }
    }

    /// Another status, with a small JSON body.
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::json(format!(r#"{{"message":"status {status}"}}"#)) }
    }

    /// 200 with a page for people.
    pub(crate) fn html() -> Self {
        Self::json("<!doctype html><html><body>Sign in to the hotel network</body></html>")
            .header("content-type", "text/html; charset=utf-8")
    }

    /// A redirect.
    pub(crate) fn redirect(status: u16, to: impl AsRef<str>) -> Self {
        Self::status(status).header("location", to.as_ref())
    }

    /// Accepts the request and never answers.
    pub(crate) fn hang() -> Self {
        Self { end: Ending::Hang, ..Self::json("") }
    }

    /// Breaks the connection without an answer.
    pub(crate) fn reset() -> Self {
        Self { end: Ending::Reset, cut_at: Some(0), length: Length::None, ..Self::json("") }
    }

    /// Sets a header; `with_header` adds another of the same name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(key, _)| key != name);
        self.with_header(name, value)
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Compresses the body and says so.
    pub(crate) fn gzip(self) -> Self {
        let body = gzip(&self.body);
        self.body(body).header("content-encoding", "gzip")
    }

    /// Answers after a while.
    pub(crate) fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Closes the connection after `bytes` of the body, whose length was announced in full.
    pub(crate) fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        self.end = Ending::Close;
        self
    }

    /// Resets the connection after `bytes` of the body.
    pub(crate) fn reset_at(self, bytes: usize) -> Self {
        Self { end: Ending::Reset, ..self.cut_at(bytes) }
    }

    /// Announces another length than the body has, then closes.
    pub(crate) fn told_length(mut self, bytes: usize) -> Self {
        self.length = Length::Told(bytes);
        self.end = Ending::Close;
        self
    }

    /// Announces no length: the end of the connection is the end of the body, as in HTTP/1.0.
    pub(crate) fn without_length(mut self) -> Self {
        self.length = Length::None;
        self.end = Ending::Close;
        self
    }

    /// Sends the body in chunks; with `cut_at`, the last chunk never comes.
    pub(crate) fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// Sends `bytes` of the body at a time, waiting in between.
    pub(crate) fn drip(mut self, bytes: usize, wait: Duration) -> Self {
        self.drip = Some((bytes.max(1), wait));
        self
    }

    /// Closes the connection after the answer.
    pub(crate) fn close(mut self) -> Self {
        self.end = Ending::Close;
        self
    }
}

/// `bytes` as one gzip member.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("a Vec takes everything")
}

impl FakeApi {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        listener.set_nonblocking(true).expect("sockets can be non-blocking");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads can have runtimes");
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("it is non-blocking");
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, served) => {}
                }
            });
        });
        Self { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Answers `path` with 200 and this JSON.
    pub(crate) fn page(self, path: &str, body: impl Into<Vec<u8>>) -> Self {
        let reply = Reply::json(body);
        self.on(path, move |_| reply.clone())
    }

    /// Answers `path` by a function of the request.
    pub(crate) fn on(self, path: &str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        self.shared.lock().routes.entry(path.to_owned()).or_default().standing = Some(Arc::new(handler));
        self
    }

    /// Answers one request of `path` so, after those scripted before.
    pub(crate) fn then(self, path: &str, reply: Reply) -> Self {
        self.shared.lock().routes.entry(path.to_owned()).or_default().script.push_back(reply);
        self
    }

    /// Serves `{"data": [{"id": 0}, …], "total": count}` by `offset` and `limit`, at most `size_max` records a page.
    pub(crate) fn rows(self, path: &str, count: u64, size_max: u64) -> Self {
        self.on(path, move |request| {
            let offset = request.number("offset", 0).min(count);
            let end = (offset + request.number("limit", 100).min(size_max)).min(count);
            Reply::json(format!(r#"{{"data":{},"total":{count}}}"#, ids(offset..end)))
        })
    }

    /// What came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }
}

/// `[{"id":…}, …]`
pub(crate) fn ids(range: std::ops::Range<u64>) -> String {
    let records: Vec<String> = range.map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    format!("[{}]", records.join(","))
}

impl Drop for FakeApi {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: Request) -> Reply {
        let mut state = self.lock();
        state.requests.push(request.clone());
        let path = if state.routes.contains_key(&request.path) { request.path.as_str() } else { ANY };
        let Some(route) = state.routes.get_mut(path) else { return Reply::status(404) };
        if let Some(reply) = route.script.pop_front() {
            return reply;
        }
        let standing = route.standing.clone();
        drop(state);
        standing.map_or_else(|| Reply::status(404), |handler| handler(&request))
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A client that goes away is no matter of the API's.
            let _ = converse(stream, &shared).await;
        });
    }
}

async fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut pending).await? {
        let reply = shared.answer(request);
        pause(reply.delay).await;
        match reply.end {
            Ending::Hang => {
                std::future::pending::<()>().await;
            }
            Ending::KeepAlive => send(&mut stream, &reply).await?,
            Ending::Close => {
                send(&mut stream, &reply).await?;
                return stream.shutdown().await;
            }
            Ending::Reset => {
                if reply.cut_at != Some(0) {
                    send(&mut stream, &reply).await?;
                }
                return stream.set_zero_linger();
            }
        }
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match reply.length {
        Length::True if reply.status != 204 => head.push_str(&format!("content-length: {}\r\n", reply.body.len())),
        Length::Told(length) => head.push_str(&format!("content-length: {length}\r\n")),
        Length::Chunked => head.push_str("transfer-encoding: chunked\r\n"),
        Length::None => head.push_str("connection: close\r\n"),
        Length::True => {}
    }
    head.push_str("\r\n");
    let body = &reply.body[..reply.cut_at.unwrap_or(reply.body.len()).min(reply.body.len())];
    let (piece, wait) = reply.drip.unwrap_or((body.len().max(1), Duration::ZERO));
    stream.write_all(head.as_bytes()).await?;
    for part in body.chunks(piece) {
        match reply.length {
            Length::Chunked => {
                stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
                stream.write_all(part).await?;
                stream.write_all(b"\r\n").await?;
            }
            _ if reply.status != 204 => stream.write_all(part).await?,
            _ => {}
        }
        pause(wait).await;
    }
    if matches!(reply.length, Length::Chunked) && reply.cut_at.is_none() {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.flush().await
}

#[expect(clippy::disallowed_methods, reason = "the API's own slowness, not the program's")]
async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

async fn read_request(stream: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(at) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(pending).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&pending[..head_end]).into_owned();
    let mut request = parse_head(&head);
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while pending.len() < head_end + length {
        if stream.read_buf(pending).await? == 0 {
            return Ok(None);
        }
    }
    request.body = String::from_utf8_lossy(&pending[head_end..head_end + length]).into_owned();
    pending.drain(..head_end + length);
    Ok(Some(request))
}

fn parse_head(head: &str) -> Request {
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    let (path, raw_query) = target.split_once('?').unwrap_or((target, ""));
    let headers = lines.filter_map(|line| line.split_once(':'));
    Request {
        method,
        path: path.to_owned(),
        raw_query: raw_query.to_owned(),
        query: url::form_urlencoded::parse(raw_query.as_bytes()).into_owned().collect(),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect(),
        body: String::new(),
    }
}
