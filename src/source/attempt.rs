//! One attempt at a page: sent, redirects followed, answer received whole and looked at.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, HeaderMap, LOCATION};
use url::Url;

use crate::base::{Panicked, RedactedUrl, start_of};
use crate::config::{ClientPlan, Method};
use crate::source::SourceError;
use crate::source::answer::{Ruled, is_throttle, wait_in_body};
use crate::source::auth::Bearing;
use crate::source::body::{BodyFault, RATIO_MAX, Received, receive, receive_start};
use crate::source::certificate::{causes, certificate_fault, io_kind, is_no_http, is_plain, is_refusal_of_http, is_unknown_name};
use crate::source::client::{Call, Client};
use crate::source::curl::command;
use crate::source::error::Place;
use crate::source::expected::Expected;
use crate::source::page::Skipped;
use crate::source::paginate::ContentRange;
use crate::source::request::{PageRequest, Template};
use crate::source::retry::Spent;
use crate::source::spooled::SpooledBody;
use crate::source::transport::{Answered, Kind, Request, TransportError};

/// Redirects followed one after the other.
const REDIRECTS_MAX: usize = 5;
/// Bytes of a refusal's body that are read to tell its reason.
const REASON_BYTES_MAX: usize = 8 << 10;
/// Bytes of it that rules look into.
const RULED_BYTES_MAX: usize = 1 << 20;

/// Path segments of pages where people sign in, extension apart.
const LOGIN_PAGES: [&str; 4] = ["login", "signin", "sign-in", "sign_in"];

/// A page as it came.
#[derive(Debug)]
pub(super) struct Answer {
    /// Where it came from, redirects followed, without credentials.
    pub(super) url: Url,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its status.
    pub(super) status: u16,
    /// Whether it came with 206, and no range says that it is all.
    pub(super) is_part: bool,
    /// The body, decompressed.
    pub(super) body: Bytes,
    /// The body in a file, where it is too large for memory; `body` is empty then.
    pub(super) spooled: Option<SpooledBody>,
    /// What the body was unpacked from, where that was in memory.
    pub(super) packed: Option<Bytes>,
    /// Set when a rule drops it; the body is empty then.
    pub(super) skipped: Option<Skipped>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing that another attempt could mend.
    Final(Box<SourceError>),
    /// Another status than success.
    Status {
        status: u16,
        headers: HeaderMap,
        withheld: bool,
        preview: String,
        key: Option<&'static str>,
        /// Where a key went, in words.
        sent: Option<String>,
        is_throttle: bool,
        /// The wait that its body tells.
        told: Option<Duration>,
    },
    /// Whatever the status: a rule, or the API in the body, asks for another attempt.
    Again {
        status: u16,
        headers: HeaderMap,
        why: String,
        is_throttle: bool,
        /// The wait that its body tells.
        told: Option<Duration>,
        /// How long to wait where the answer does not tell.
        wait: Option<Duration>,
        preview: String,
    },
    /// The token that was sent has expired, or so the API says.
    Expired { status: u16, headers: HeaderMap, preview: String },
    /// No status came.
    NoAnswer { host: String, late: bool, source: TransportError },
    /// The body broke off.
    Lost { received_bytes: u64, source: TransportError },
    /// The body is damaged.
    Damaged(&'static str, io::Error),
    /// A page for people.
    Instead { found: &'static str, expected: &'static str, server: String, preview: String },
    /// Nothing.
    Empty { status: u16 },
}

impl Client {
    /// Sends `request` once.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn attempt(&self, call: &Call, request: &PageRequest, bearing: &Bearing) -> Result<Answer, Failure> {
        let template = &call.template;
        let place =
            || Place { resource: template.resource.to_string(), page: request.number, url: RedactedUrl::new(&request.url) };
        let refused = |to: &Url, why| {
            let to = RedactedUrl::new(to);
            Failure::Final(Box::new(SourceError::RedirectRefused { place: place(), to, why }))
        };
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (response, trusted) = self.send(template, request, bearing, &url).await?;
            self.note(call, &response.headers, trusted);
            if !is_redirect(response.status) {
                let withheld = template.credentials.are_given() && !trusted;
                return self.look_at(response, call, &place, url, (withheld, bearing)).await;
            }
            let to = location(&response.headers, &url).ok_or_else(|| {
                Failure::Final(Box::new(SourceError::BadLink { place: place(), what: "its redirect".to_owned() }))
            })?;
            if leads_to_login(&url, &to) || trusted && template.credentials.is_sign_of_expiry(response.status.as_u16(), b"") {
                return Err(asked_to_log_in(response, template, trusted, &to, place()));
            }
            template.reach.follow(&url, &to).map_err(|why| refused(&to, why))?;
            let keeps_method = matches!(response.status.as_u16(), 307 | 308);
            if template.method == Method::Post && !keeps_method {
                return Err(refused(&to, "a POST is redirected only by 307 and 308"));
            }
            url = to;
        }
        Err(refused(&url, "there are more than 5 redirects one after the other"))
    }

    async fn send(
        &self,
        template: &Template,
        request: &PageRequest,
        bearing: &Bearing,
        url: &Url,
    ) -> Result<(Answered, bool), Failure> {
        let mut dressed = url.clone();
        let (headers, is_trusted) = template.dress(&mut dressed, request.body.is_some(), bearing);
        let method = match template.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
        };
        let (body, timeout) = (request.body.clone(), self.plan.page_timeout);
        let logged = tracing::enabled!(tracing::Level::INFO).then(|| command(template, request, &dressed, &headers));
        let started = self.clock.instant();
        let sent =
            self.transport.send(Request { method, url: dressed, headers, body, timeout, is_trusted, is_for_token: false }).await;
        if let Some(command) = logged {
            let took = self.clock.instant().duration_since(started);
            let answer = sent
                .as_ref()
                .map_or_else(|_| "no answer".to_owned(), |answered| format!("answered {}", answered.status.as_u16()));
            tracing::info!("{}, page {}: {answer} in {} ms: {command}", template.resource, request.number, took.as_millis());
        }
        match sent {
            Ok(response) => Ok((response, is_trusted)),
            Err(source) if source.kind() == Kind::Setup => Err(Failure::Final(Box::new(SourceError::Setup { source }))),
            Err(source) if source.kind() == Kind::Unrecorded => {
                let place = Place { resource: template.resource.to_string(), page: request.number, url: RedactedUrl::new(url) };
                Err(Failure::Final(Box::new(SourceError::Unrecorded { place, why: source.to_string() })))
            }
            Err(source) => {
                let late = self.clock.instant().duration_since(started) >= timeout;
                Err(Failure::NoAnswer { host: authority(url), late, source })
            }
        }
    }

    /// Receives an answer and looks at it by the rules.
    ///
    /// # Errors
    /// [`Failure`].
    pub(super) async fn look_at(
        &self,
        mut response: Answered,
        call: &Call,
        place: &(impl Fn() -> Place + Sync),
        url: Url,
        (withheld, bearing): (bool, &Bearing),
    ) -> Result<Answer, Failure> {
        let (status, template) = (response.status.as_u16(), &call.template);
        let (rules, redactor) = (&template.rules, &*template.redactor);
        let renewable = !withheld && template.credentials.can_be_renewed();
        let is_expired = |body: &[u8]| !withheld && template.credentials.is_sign_of_expiry(status, body);
        // A token may only be old: it is renewed before the rules are asked, and they before it is an error.
        let comes_first = !template.credentials.is_refusal_final(bearing);
        let expired = |headers, body: &[u8]| {
            let preview = redactor.preview(&body[..body.len().min(REASON_BYTES_MAX)]);
            Err(Failure::Expired { status, headers, preview })
        };
        if !response.status.is_success() {
            let looked_at = rules.look_at_body(status, &response.headers);
            let start = receive_start(&mut response, if looked_at { RULED_BYTES_MAX } else { REASON_BYTES_MAX }).await;
            let headers = response.headers;
            let is_expired = is_expired(&start);
            if is_expired && comes_first {
                return expired(headers, &start);
            }
            if let Some(rule) = rules.find(status, &headers, &start) {
                let (place, key) = (place(), template.key);
                return Ruled { place, url, status, headers, body: &start, redactor, key, renewable }
                    .obey(rule, self.clock.now());
            }
            if is_expired {
                return expired(headers, &start);
            }
            return Err(self.unsuccessful((status, headers), &start[..start.len().min(REASON_BYTES_MAX)], template, withheld));
        }
        let received = receive(&mut response, &self.bounds).await.map_err(|fault| self.unreceived(fault, place))?;
        let headers = response.headers;
        let is_ruled = template.graphql.is_some() || rules.look_at_body(status, &headers);
        let Received { body, spooled, packed } = if is_ruled { in_memory(received, place)? } else { received };
        let is_expired = is_expired(&body);
        if is_expired && comes_first {
            return expired(headers, &body);
        }
        if let Some(rule) = rules.find(status, &headers, &body) {
            return Ruled { place: place(), url, status, headers, body: &body, redactor, key: template.key, renewable }
                .obey(rule, self.clock.now());
        }
        if is_expired {
            return expired(headers, &body);
        }
        let expected = template.expected.told_by(&headers);
        if status == 202 && spooled.is_none() && !has_records(&body, expected) {
            let preview = redactor.preview(&body[..body.len().min(REASON_BYTES_MAX)]);
            if template.method == Method::Post {
                return Err(Failure::Final(Box::new(SourceError::NotReady { place: place(), preview })));
            }
            let why = "by which the API says that the answer is not ready".to_owned();
            return Err(Failure::Again { status, headers, why, is_throttle: false, told: None, wait: None, preview });
        }
        let is_part = is_part(status, &headers, (template, expected), place)?;
        if spooled.is_none() && body.trim_ascii().is_empty() && !expected.may_be_empty() {
            return Err(Failure::Empty { status });
        }
        if let Some(found) = expected.instead(&headers, &body) {
            let start = &body[..body.len().min(REASON_BYTES_MAX)];
            let (expected, server, preview) = (expected.name(), server(&headers), redactor.preview(start));
            return Err(Failure::Instead { found, expected, server, preview });
        }
        let ruled = Ruled { place: place(), url, status, headers, body: &body, redactor, key: template.key, renewable };
        if let Some(partial) = template.graphql {
            ruled.heed_graphql(partial, &call.ledger.partial_errors)?;
        }
        let Ruled { url, headers, .. } = ruled;
        let body = if spooled.is_some() { Bytes::new() } else { body };
        Ok(Answer { url, headers, status, is_part, body, spooled, packed, skipped: None })
    }

    /// What an answer comes to that is no success, and that no rule is about; `start` is the start of its body.
    fn unsuccessful(&self, (status, headers): (u16, HeaderMap), start: &[u8], template: &Template, withheld: bool) -> Failure {
        let (key, sent, preview) = (template.key, template.sent.clone(), template.redactor.preview(start));
        let is_throttle = is_throttle(status, &headers, start);
        let told = if is_throttle { wait_in_body(start, &headers, self.clock.now()) } else { None };
        Failure::Status { status, headers, withheld, preview, key, sent, is_throttle, told }
    }

    fn unreceived(&self, fault: BodyFault, place: &(impl Fn() -> Place + Sync)) -> Failure {
        Failure::Final(Box::new(match fault {
            BodyFault::Lost { received_bytes, source } => return Failure::Lost { received_bytes, source },
            BodyFault::Damaged(packing, source) => return Failure::Damaged(packing.name(), source),
            BodyFault::Encoding(encoding) => SourceError::UnknownEncoding { place: place(), encoding },
            BodyFault::TooLarge => SourceError::BodyTooLarge { place: place(), limit_bytes: self.bounds.body_bytes_max },
            BodyFault::Bomb { packed_bytes } => SourceError::Bomb { place: place(), packed_bytes, ratio_max: RATIO_MAX },
            BodyFault::Spool(source) => match Panicked::within(&source) {
                Some(panic) => SourceError::Panicked { resource: place().resource, panic: panic.clone() },
                None => SourceError::Spool { place: place(), source },
            },
        }))
    }
}

/// Whether an answer calls itself a part, and neither a range nor the config says that it is all. A part of lines is as good as the whole to
/// whoever reads them, and so is refused unless records are counted; a cut body is no JSON.
fn is_part(
    status: u16,
    headers: &HeaderMap,
    (template, expected): (&Template, Expected),
    place: &(impl Fn() -> Place + Sync),
) -> Result<bool, Failure> {
    let range = ContentRange::of(headers);
    if status != 206 || template.takes_parts || range.is_some_and(ContentRange::is_all) {
        return Ok(false);
    }
    if expected.may_be_empty() && range.is_none_or(|range| range.is_bytes) {
        let range = headers.get(CONTENT_RANGE).map_or(&b""[..], |value| value.as_bytes());
        return Err(Failure::Final(Box::new(SourceError::Part { place: place(), range: template.redactor.preview(range) })));
    }
    Ok(true)
}

/// Whether an answer that says it is not ready has records all the same: rows, or a list of objects.
fn has_records(body: &[u8], expected: Expected) -> bool {
    match expected {
        Expected::Lines | Expected::Events | Expected::Csv => !body.trim_ascii().is_empty(),
        Expected::Xml => false,
        Expected::Json | Expected::Told => {
            body.iter().enumerate().any(|(at, byte)| *byte == b'[' && body[at + 1..].trim_ascii_start().first() == Some(&b'{'))
        }
    }
}

/// The body in memory, as what looks into all of it needs it.
fn in_memory(received: Received, place: &(impl Fn() -> Place + Sync)) -> Result<Received, Failure> {
    let Some(spooled) = received.spooled else { return Ok(received) };
    match spooled.whole() {
        Ok(Some(body)) => Ok(Received { body, spooled: None, packed: received.packed }),
        Ok(None) => {
            let (bytes, limit_bytes) = (spooled.bytes(), spooled.whole_max());
            Err(Failure::Final(Box::new(SourceError::BodyTooLargeForRules { place: place(), bytes, limit_bytes })))
        }
        Err(source) => Err(Failure::Final(Box::new(SourceError::Spool { place: place(), source }))),
    }
}

impl Failure {
    /// The status that came, if one did.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Again { status, .. } | Self::Expired { status, .. } | Self::Empty { status } => {
                Some(*status)
            }
            Self::Final(_) | Self::NoAnswer { .. } | Self::Lost { .. } | Self::Damaged(..) | Self::Instead { .. } => None,
        }
    }

    /// Whether it says "too fast".
    pub(super) fn is_throttle(&self) -> bool {
        matches!(self, Self::Status { is_throttle: true, .. } | Self::Again { is_throttle: true, .. })
    }

    /// Whether the connection went away before a byte of the answer came, as an idle one does when the server closes it.
    pub(super) fn is_stale_connection(&self) -> bool {
        matches!(self, Self::NoAnswer { source, .. } if source.kind() == Kind::Broken)
    }

    /// Why another attempt is made, in words.
    pub(super) fn words(&self, place: &Place, plan: &ClientPlan) -> String {
        match self {
            Self::Final(error) => error.to_string(),
            Self::Status { status, .. } | Self::Expired { status, .. } => format!("page {}: answered {status}", place.page),
            Self::Again { status, why, .. } => format!("page {}: answered {status}, {why}", place.page),
            Self::NoAnswer { host, late, source } => format!("page {}: {}", place.page, no_answer(host, *late, source, plan)),
            Self::Lost { received_bytes, .. } => {
                format!("page {}: the answer broke off after {received_bytes} bytes", place.page)
            }
            Self::Damaged(packing, _) => format!("page {}: the body is damaged {packing}", place.page),
            Self::Instead { found, expected, .. } => format!("page {}: answered with {found} instead of {expected}", place.page),
            Self::Empty { .. } => format!("page {}: answered with an empty body", place.page),
        }
    }

    /// The error of a resource that fails with this, told in other words: waiting does not mend it.
    pub(super) fn told_as(self, why: String, place: Place, spent: &Spent, plan: &ClientPlan) -> SourceError {
        match self {
            Self::NoAnswer { source, .. } => SourceError::NoAnswer { place, why, attempts: spent.tried(), lasting: true, source },
            other => other.into_error(place, spent, plan),
        }
    }

    /// The error of a resource that fails with this.
    pub(super) fn into_error(self, place: Place, spent: &Spent, plan: &ClientPlan) -> SourceError {
        let attempts = spent.tried();
        match self {
            Self::Final(error) => *error,
            Self::Again { status, why, preview, .. } => SourceError::NoAttemptLeft { place, status, why, attempts, preview },
            Self::Status { status, preview, withheld, key, sent, is_throttle, .. } => match status {
                _ if is_refusal_of_http(status, &preview) => SourceError::PlainHttp { place, status, preview },
                401 | 403 if !is_throttle => SourceError::Credentials { place, status, withheld, preview, key, sent },
                _ if is_throttle || status >= 500 || plan.retry.statuses.contains(&status) => {
                    SourceError::Unavailable { place, status, attempts, preview }
                }
                _ => SourceError::Refused { place, status, preview },
            },
            Self::Expired { status, preview, .. } => {
                SourceError::Credentials { place, status, withheld: false, preview, key: None, sent: None }
            }
            Self::NoAnswer { host, late, source } => {
                let (why, lasting) = (no_answer(&host, late, &source, plan), is_lasting(&source));
                SourceError::NoAnswer { place, why, attempts, lasting, source }
            }
            Self::Lost { received_bytes, source } => SourceError::Truncated { place, received_bytes, attempts, source },
            Self::Damaged(packing, source) => SourceError::Damaged { place, packing, attempts, source },
            Self::Instead { found, expected, server, preview } => {
                SourceError::Instead { place, found, expected, server, preview }
            }
            Self::Empty { status } => SourceError::EmptyBody { place, status },
        }
    }
}

/// A redirect to a page where people sign in: nothing that follows it is a page of records.
fn asked_to_log_in(response: Answered, template: &Template, trusted: bool, to: &Url, place: Place) -> Failure {
    let to = RedactedUrl::new(to);
    if trusted && template.credentials.can_be_renewed() {
        let (status, headers) = (response.status.as_u16(), response.headers);
        return Failure::Expired { status, headers, preview: format!("redirected to {to}") };
    }
    Failure::Final(Box::new(SourceError::LoginPage { place, to, key: template.key }))
}

/// Whether a redirect leads to a sign-in page that the request itself did not go to.
fn leads_to_login(from: &Url, to: &Url) -> bool {
    let is_login = |url: &Url| {
        let path = url.path().to_ascii_lowercase();
        path.split('/').filter_map(|segment| segment.split('.').next()).any(|name| LOGIN_PAGES.contains(&name))
    };
    is_login(to) && !is_login(from)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads (RFC 9110 §10.2.2), without user information.
pub(super) fn location(headers: &HeaderMap, url: &Url) -> Option<Url> {
    let text = headers.get(LOCATION)?.to_str().ok()?;
    let mut to = url.join(text.trim()).ok()?;
    if to.has_host() {
        to.set_username("").ok()?;
        to.set_password(None).ok()?;
    }
    Some(to)
}

/// Who answered: proxies and portals give themselves away here.
fn server(headers: &HeaderMap) -> String {
    let named = ["server", "via"].into_iter().filter_map(|name| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(format!("{name} `{}`", start_of(value, 60)))
    });
    named.collect::<Vec<_>>().join(", ")
}

pub(super) fn authority(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => String::new(),
    }
}

/// What a transport error means, in plain words.
pub(super) fn no_answer(host: &str, late: bool, error: &TransportError, plan: &ClientPlan) -> String {
    let (kind, io_kind) = (error.kind(), io_kind(error));
    if kind == Kind::Name && is_lasting(error) {
        format!("there is no host of the name in `{host}`")
    } else if kind == Kind::Name {
        format!("the host name in `{host}` cannot be resolved")
    } else if kind == Kind::ConnectTimeout {
        format!("no connection to `{host}` within {:?}", plan.connect_timeout)
    } else if kind == Kind::Timeout && late {
        format!("`{host}` takes too long for one page")
    } else if kind == Kind::Timeout {
        format!("`{host}` is silent for {:?}", plan.read_timeout)
    } else if io_kind == Some(io::ErrorKind::ConnectionRefused) {
        format!("`{host}` refuses connections")
    } else if let Some(fault) = certificate_fault(error) {
        format!("the TLS certificate of `{host}` {}", fault.words)
    } else if is_plain(error) {
        format!("`{host}` does not speak TLS: write `http://`")
    } else if is_no_http(error) {
        format!("`{host}` answers, but not in HTTP, as a port for TLS does: write `https://`")
    } else if kind == Kind::Connect && matches!(io_kind, Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)) {
        format!("`{host}` breaks off the TLS handshake")
    } else if kind == Kind::Connect {
        format!("no connection to `{host}`")
    } else {
        format!("the connection to `{host}` broke before an answer came")
    }
}

/// Whether waiting does not mend it: the host name is unknown, TLS failed over the certificate, or one side speaks TLS and the other does not.
pub(super) fn is_lasting(error: &TransportError) -> bool {
    certificate_fault(error).is_some()
        || is_plain(error)
        || is_no_http(error)
        || error.kind() == Kind::Name && causes(error).any(|cause| is_unknown_name(&cause.to_string()))
}
