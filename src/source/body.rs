//! Bodies: received whole, decompressed, checked to be text that may be JSON.
//!
//! In: a response. Out: bytes without a byte order mark, at most `body_bytes_max` of them. A body that ends early, fails its
//! checksum or is larger is an error; nothing of it is used. Whether it is JSON is for the decoder to find.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// Bytes reserved at once on a server's word.
const TRUSTED_CAPACITY: u64 = 64 << 20;
/// Bytes decompressed before other tasks get their turn.
const SLICE: u64 = 1 << 20;
/// gzip inside gzip is undone this often: servers that compress a stored `.gz` again exist.
const LAYERS_MAX: u32 = 2;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a body is not to be had.
#[derive(Debug)]
pub(super) enum BodyFault {
    /// The connection broke off.
    Lost { received_bytes: u64, source: reqwest::Error },
    /// Not the gzip it claims to be.
    Gzip(io::Error),
    /// An encoding that was not asked for.
    Encoding(String),
    /// Larger than allowed.
    TooLarge,
}

/// Receives the whole body of `response` and undoes its compression.
///
/// # Errors
/// [`BodyFault`].
pub(super) async fn receive(response: &mut reqwest::Response, bytes_max: u64) -> Result<Bytes, BodyFault> {
    let encoding = encoding(response.headers());
    let mut body = collect(response, bytes_max).await?;
    for _ in 0..LAYERS_MAX {
        if !body.starts_with(&GZIP_MAGIC) {
            break;
        }
        body = gunzip(&body, bytes_max).await?;
    }
    match encoding.as_deref() {
        None | Some("identity" | "gzip" | "x-gzip") => Ok(without_mark(body)),
        // Some servers name an encoding and send plain text.
        Some(_) if looks_like_json(&body) => Ok(without_mark(body)),
        Some(other) => Err(BodyFault::Encoding(other.to_owned())),
    }
}

/// Receives at most `bytes_max` bytes, for a message; what goes wrong ends it early.
pub(super) async fn receive_start(response: &mut reqwest::Response, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(bytes_max);
    if body.starts_with(&GZIP_MAGIC) {
        let mut plain = Vec::new();
        // As far as it goes: the start of a message is worth more than none.
        let _ = MultiGzDecoder::new(body.as_slice()).take(bytes_max as u64).read_to_end(&mut plain);
        return plain;
    }
    body
}

async fn collect(response: &mut reqwest::Response, bytes_max: u64) -> Result<Bytes, BodyFault> {
    let lost = |received_bytes: u64, source: reqwest::Error| BodyFault::Lost { received_bytes, source: source.without_url() };
    let announced = response.content_length();
    if announced.is_some_and(|length| length > bytes_max) {
        return Err(BodyFault::TooLarge);
    }
    let Some(first) = response.chunk().await.map_err(|source| lost(0, source))? else { return Ok(Bytes::new()) };
    if announced == Some(first.len() as u64) {
        return match response.chunk().await {
            Ok(_) => Ok(first),
            Err(source) => Err(lost(first.len() as u64, source)),
        };
    }
    let capacity = announced.unwrap_or(0).min(TRUSTED_CAPACITY).max(first.len() as u64);
    let mut body = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
    body.extend_from_slice(&first);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() as u64 + chunk.len() as u64 > bytes_max => return Err(BodyFault::TooLarge),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(Bytes::from(body)),
            Err(source) => return Err(lost(body.len() as u64, source)),
        }
    }
}

/// Undoes gzip of one or more members, all checksums verified.
async fn gunzip(packed: &Bytes, bytes_max: u64) -> Result<Bytes, BodyFault> {
    // The last four bytes are the size of the last member; deflate packs at most 1:1032.
    let told = packed.last_chunk::<4>().map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
    let capacity = told.min(packed.len() as u64 * 1032).min(TRUSTED_CAPACITY) + 1;
    let mut plain = Vec::with_capacity(usize::try_from(capacity).unwrap_or(0));
    let mut decoder = MultiGzDecoder::new(&packed[..]);
    loop {
        let read = (&mut decoder).take(SLICE).read_to_end(&mut plain).map_err(BodyFault::Gzip)?;
        if plain.len() as u64 > bytes_max {
            return Err(BodyFault::TooLarge);
        }
        if (read as u64) < SLICE {
            return Ok(Bytes::from(plain));
        }
        tokio::task::yield_now().await;
    }
}

fn encoding(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_ENCODING)?;
    let text = String::from_utf8_lossy(value.as_bytes()).trim().to_ascii_lowercase();
    (!text.is_empty()).then_some(text)
}

fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(BYTE_ORDER_MARK) { body.slice(BYTE_ORDER_MARK.len()..) } else { body }
}

fn looks_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// What a body is expected to be. What else it may be is added here, with what cannot be it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// One JSON value; an empty body is none.
    Json,
}

/// What stands in the place of what is expected, if that is plain from the first byte or the headers.
pub(super) fn unexpected(headers: &HeaderMap, body: &[u8], expected: Expected) -> Option<&'static str> {
    match expected {
        Expected::Json => not_json(headers, body),
    }
}

fn not_json(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let kind = headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let is_html = kind.is_some_and(|kind| kind.starts_with("text/html"));
    match body.trim_ascii_start().first() {
        Some(b'<') if is_html || body.trim_ascii_start().get(..5).is_some_and(|tag| !tag.eq_ignore_ascii_case(b"<?xml")) => {
            Some("HTML")
        }
        Some(b'<') => Some("XML"),
        Some(b'{' | b'[') => None,
        _ if is_html => Some("HTML"),
        _ => None,
    }
}
