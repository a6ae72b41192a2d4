//! An answer of the log, looked at by the rules by which it was looked at when it came.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::base::blocking;
use crate::source::SourceError;
use crate::source::attempt::Answer;
use crate::source::auth::Bearing;
use crate::source::client::{Call, Client, place};
use crate::source::flight::Span;
use crate::source::kept::KeptAnswers;
use crate::source::kept::log::Head;
use crate::source::request::PageRequest;
use crate::source::retry::Spent;
use crate::source::transport::Answered;

impl Client {
    /// The page that the log has at `offset`, and when it was asked for and answered. It asks nobody: it waits for no limit, has no credentials and counts as
    /// no request.
    ///
    /// # Errors
    /// [`SourceError::Kept`] when it cannot be read; those of a page that is not what it was.
    pub(in crate::source) async fn kept_page(
        &self,
        call: &Call,
        request: &PageRequest,
        (kept, offset): (Arc<KeptAnswers>, u64),
    ) -> (Span, Result<Answer, SourceError>) {
        let read = blocking(move || kept.read(offset).and_then(answered)).await;
        match read {
            Ok((span, path, answered)) => (span, self.look_again(call, request, (path, answered)).await),
            Err(source) => (Span::default(), Err(SourceError::Kept { place: place(call, request), source })),
        }
    }

    async fn look_again(
        &self,
        call: &Call,
        request: &PageRequest,
        (path, answered): (Option<String>, Answered),
    ) -> Result<Answer, SourceError> {
        call.ledger.server_time.note(&answered.headers);
        let mut url = request.url.clone();
        if let Some(path) = path {
            url.set_path(&path);
        }
        let template = &call.template;
        let withheld = template.credentials.are_given() && !template.reach.trusts(&url);
        let looked_at = self.look_at(answered, call, &|| place(call, request), url, (withheld, &Bearing::default())).await;
        looked_at.map_err(|failure| failure.into_error(place(call, request), &Spent::default(), &self.plan))
    }
}

/// An answer as a transport gives it, when it came, and the path that it came from where that is another than was asked for.
fn answered((head, body): (Head, Vec<u8>)) -> io::Result<(Span, Option<String>, Answered)> {
    let Head { sent, answered, status, path, headers, .. } = head;
    let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
    let mut map = HeaderMap::new();
    for (name, text) in headers {
        let value: Vec<u8> = text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(io::Error::other)?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(io::Error::other)?;
        map.append(name, HeaderValue::from_bytes(&value).map_err(io::Error::other)?);
    }
    let bytes = body.len() as u64;
    let body = stream::iter([Ok(Bytes::from(body))]).boxed();
    Ok((Span { sent, answered }, path, Answered::new((status, map, Some(bytes)), body)))
}
