//! A small S3 on 127.0.0.1 that behaves as AWS documents, or in one of the ways in which it may surprise.
//!
//! In: the requests that the bucket makes. Out: what AWS answers to them: conditional puts and completes (412), conflicts (409), uploads
//! that are over. Nothing here checks signatures.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use xxhash_rust::xxh3::xxh3_64;

/// What becomes of an upload that was completed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Completed {
    /// It is forgotten: completing it again is a 404.
    #[default]
    Forgotten,
    /// Completing it again is answered like the first time, and does nothing.
    Answered,
    /// It can be completed again, over whatever is there.
    Alive,
}

/// In what it differs from the plainest S3.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    /// What becomes of uploads.
    pub(super) completed: Completed,
    /// Whether conditions of a complete are passed over, as by servers from before 2024.
    pub(super) ignores_conditions: bool,
    /// How many of the next completes are a 409, nothing done.
    pub(super) conflicts: u32,
    /// Whether somebody else writes to the key just before a complete.
    pub(super) intrudes: bool,
    /// Whether a complete without a condition is refused, as a bucket policy can ask for.
    pub(super) wants_conditions: bool,
    /// Whether the copy of a part is taken for a part without bytes.
    pub(super) ignores_copies: bool,
}

#[derive(Debug, Default)]
struct State {
    manner: Manner,
    objects: BTreeMap<String, Object>,
    /// Tags given: equal content under another write has another one, as with server-side encryption.
    tags: u64,
    uploads: BTreeMap<String, Upload>,
    next_upload: u64,
    /// The conditions that completes came with.
    conditions: Vec<String>,
}

#[derive(Debug, Clone)]
struct Object {
    content: Bytes,
    tag: String,
}

#[derive(Debug)]
struct Upload {
    key: String,
    parts: BTreeMap<u32, Bytes>,
    is_completed: bool,
    tag: String,
}

/// A running server; it stops when this is dropped.
#[derive(Debug)]
pub(super) struct S3Server {
    port: u16,
    state: Arc<Mutex<State>>,
    _stop: DropGuard,
}

impl S3Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State { manner, ..State::default() }));
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(serve(listener, Arc::clone(&state))));
        Self { port, state, _stop: stop.drop_guard() }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn set(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// The conditions of all completes since this was last asked: `if-match`, `if-none-match` or nothing.
    pub(super) fn take_conditions(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().conditions)
    }

    /// Uploads that could be completed.
    pub(super) fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.values().filter(|upload| !upload.is_completed).count()
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let state = Arc::clone(&state);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                Ok::<_, Infallible>(state.lock().unwrap().answer(&Asked::new(&head, body)))
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// A request.
struct Asked<'r> {
    method: &'r Method,
    /// Without the bucket.
    key: String,
    query: BTreeMap<String, String>,
    headers: &'r hyper::HeaderMap,
    body: Bytes,
}

impl<'r> Asked<'r> {
    fn new(head: &'r hyper::http::request::Parts, body: Bytes) -> Self {
        let path = percent_decode_str(head.uri.path()).decode_utf8().unwrap().into_owned();
        let key = path.trim_start_matches('/').split_once('/').map_or(String::new(), |(_, key)| key.to_owned());
        let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        Self { method: &head.method, key, query, headers: &head.headers, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

type Answer = Response<Full<Bytes>>;

impl State {
    fn answer(&mut self, asked: &Asked<'_>) -> Answer {
        let upload = asked.query.get("uploadId").cloned();
        match (asked.method, upload) {
            (&Method::POST, Some(id)) => self.complete(&id, asked),
            (&Method::PUT, Some(id)) => self.put_part(&id, asked),
            (&Method::GET, Some(id)) => match self.uploads.get(&id) {
                Some(upload) if !upload.is_completed => text(StatusCode::OK, "<ListPartsResult></ListPartsResult>"),
                _ => refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
            },
            (&Method::DELETE, Some(id)) => match self.uploads.remove(&id) {
                Some(upload) if !upload.is_completed => text(StatusCode::NO_CONTENT, ""),
                _ => refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
            },
            (&Method::POST, None) if asked.query.contains_key("uploads") => {
                self.next_upload += 1;
                // Characters that a URL has to escape.
                let id = format!("upload+{}/=", self.next_upload);
                let upload = Upload { key: asked.key.clone(), parts: BTreeMap::new(), is_completed: false, tag: String::new() };
                self.uploads.insert(id.clone(), upload);
                let result = format!("<UploadId>{id}</UploadId>");
                text(StatusCode::OK, &format!("<InitiateMultipartUploadResult>{result}</InitiateMultipartUploadResult>"))
            }
            (&Method::POST, None) => self.delete_all(asked),
            (&Method::PUT, None) => self.put(asked),
            (&Method::GET, None) if asked.query.contains_key("list-type") => self.list(asked),
            (&Method::DELETE, None) => {
                self.objects.remove(&asked.key);
                text(StatusCode::NO_CONTENT, "")
            }
            _ => self.get(asked),
        }
    }

    /// Whether the request's conditions hold for the object; `None` when it has none.
    fn holds(&self, asked: &Asked<'_>) -> Option<bool> {
        let there = self.objects.get(&asked.key).map(|object| object.tag.as_str());
        match (asked.header("if-none-match"), asked.header("if-match")) {
            (Some(_), _) => Some(there.is_none()),
            (_, Some(tag)) => Some(there == Some(tag)),
            _ => None,
        }
    }

    fn write(&mut self, key: &str, content: Bytes) -> String {
        self.tags += 1;
        let tag = format!("\"{:016x}-{}\"", xxh3_64(&content), self.tags);
        self.objects.insert(key.to_owned(), Object { content, tag: tag.clone() });
        tag
    }

    fn put(&mut self, asked: &Asked<'_>) -> Answer {
        let content = match asked.header("x-amz-copy-source") {
            None => asked.body.clone(),
            Some(from) => match self.copied(from) {
                Some(object) => object.content.clone(),
                None => return refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
        };
        if self.holds(asked) == Some(false) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let tag = self.write(&asked.key, content);
        tagged(StatusCode::OK, &tag, &format!("<CopyObjectResult><ETag>{tag}</ETag></CopyObjectResult>"))
    }

    fn put_part(&mut self, id: &str, asked: &Asked<'_>) -> Answer {
        let source = asked.header("x-amz-copy-source").filter(|_| !self.manner.ignores_copies);
        let copied = match source.map(|from| self.copied(from)) {
            Some(None) => return refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
            Some(Some(object)) => Some(object.clone()),
            None => None,
        };
        let is_other = |object: &Object| asked.header("x-amz-copy-source-if-match").is_some_and(|tag| tag != object.tag);
        if copied.as_ref().is_some_and(is_other) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let content = copied.as_ref().map_or(asked.body.clone(), |object| object.content.clone());
        match self.uploads.get_mut(id).filter(|upload| !upload.is_completed) {
            Some(upload) => {
                let tag = format!("\"{:016x}\"", xxh3_64(&content));
                upload.parts.insert(asked.query["partNumber"].parse().unwrap(), content);
                match copied {
                    None => tagged(StatusCode::OK, &tag, ""),
                    Some(_) => {
                        let told = tag.replace('"', "&quot;");
                        text(StatusCode::OK, &format!("<CopyPartResult><ETag>{told}</ETag></CopyPartResult>"))
                    }
                }
            }
            None => refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
        }
    }

    /// The object that a copy is made of.
    fn copied(&self, from: &str) -> Option<&Object> {
        let from = percent_decode_str(from).decode_utf8().unwrap();
        self.objects.get(from.trim_start_matches('/').split_once('/')?.1)
    }

    fn complete(&mut self, id: &str, asked: &Asked<'_>) -> Answer {
        let condition = ["if-match", "if-none-match"].into_iter().find(|name| asked.headers.contains_key(*name));
        self.conditions.push(condition.unwrap_or_default().to_owned());
        if self.manner.conflicts > 0 {
            self.manner.conflicts -= 1;
            return refusal(StatusCode::CONFLICT, "ConditionalRequestConflict");
        }
        if self.manner.wants_conditions && condition.is_none() {
            return refusal(StatusCode::FORBIDDEN, "AccessDenied");
        }
        if self.manner.intrudes {
            self.write(&asked.key, Bytes::from_static(b"intruder"));
        }
        let done = |tag: &str| {
            let result = format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>");
            text(StatusCode::OK, &result)
        };
        let holds = self.manner.ignores_conditions || self.holds(asked) != Some(false);
        let Some(upload) = self.uploads.get_mut(id) else { return refusal(StatusCode::NOT_FOUND, "NoSuchUpload") };
        let content = Bytes::from(upload.parts.values().flatten().copied().collect::<Vec<u8>>());
        match (upload.is_completed, self.manner.completed) {
            (true, Completed::Forgotten) => return refusal(StatusCode::NOT_FOUND, "NoSuchUpload"),
            (true, Completed::Answered) => return done(&upload.tag),
            _ if !holds => return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"),
            _ => upload.is_completed = true,
        }
        let key = upload.key.clone();
        let tag = self.write(&key, content);
        self.uploads.entry(id.to_owned()).and_modify(|upload| upload.tag.clone_from(&tag));
        done(&tag)
    }

    fn get(&self, asked: &Asked<'_>) -> Answer {
        let Some(Object { content, tag }) = self.objects.get(&asked.key) else {
            return refusal(StatusCode::NOT_FOUND, "NoSuchKey");
        };
        if self.holds(asked) == Some(false) {
            return refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
        }
        let builder = Response::builder().header("etag", tag).header("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT");
        let range = asked.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (status, start, end) = match range {
            None => (StatusCode::OK, 0, content.len()),
            Some(("", last)) => (StatusCode::PARTIAL_CONTENT, content.len().saturating_sub(last.parse().unwrap()), content.len()),
            Some((first, last)) => {
                let end = last.parse::<usize>().map_or(content.len(), |last| content.len().min(last + 1));
                (StatusCode::PARTIAL_CONTENT, first.parse().unwrap(), end)
            }
        };
        let builder = match range {
            Some(_) => builder.header("content-range", format!("bytes {start}-{}/{}", end.max(1) - 1, content.len())),
            None => builder,
        };
        let body = if asked.method == Method::HEAD { Bytes::new() } else { content.slice(start..end) };
        builder.status(status).header("content-length", end - start).body(Full::new(body)).unwrap()
    }

    fn list(&self, asked: &Asked<'_>) -> Answer {
        let prefix = asked.query.get("prefix").map(String::as_str).unwrap_or_default();
        let mut result = String::from("<ListBucketResult><IsTruncated>false</IsTruncated>");
        for (key, Object { content, tag }) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            let (key, size) = (key.replace('&', "&amp;").replace('<', "&lt;"), content.len());
            result += &format!("<Contents><Key>{key}</Key><LastModified>2027-01-15T08:00:00.000Z</LastModified>");
            result += &format!("<ETag>{tag}</ETag><Size>{size}</Size></Contents>");
        }
        text(StatusCode::OK, &(result + "</ListBucketResult>"))
    }

    fn delete_all(&mut self, asked: &Asked<'_>) -> Answer {
        let wanted = String::from_utf8(asked.body.to_vec()).unwrap();
        let mut result = String::from("<DeleteResult>");
        for key in wanted.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
            self.objects.remove(&key.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"));
            result += &format!("<Deleted><Key>{key}</Key></Deleted>");
        }
        text(StatusCode::OK, &(result + "</DeleteResult>"))
    }
}

fn text(status: StatusCode, body: &str) -> Answer {
    Response::builder().status(status).body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

fn tagged(status: StatusCode, tag: &str, body: &str) -> Answer {
    Response::builder().status(status).header("etag", tag).body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

fn refusal(status: StatusCode, code: &str) -> Answer {
    text(status, &format!("<Error><Code>{code}</Code><Message>as asked for</Message></Error>"))
}
