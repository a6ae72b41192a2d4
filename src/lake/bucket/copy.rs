//! A stored file as the first part of an upload, copied by the store (S3, `UploadPartCopy`).
//!
//! In: the file with its etag, and an upload. Out: the part's etag, or `None` where the store did not say that it did it; the caller then sends the
//! bytes in another upload, into which no late copy can come. The store copies that very content (`x-amz-copy-source-if-match`) or nothing.
//! object_store has no such call, but signs a URL with any headers.

use std::time::Duration;

use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::signer::{HeaderName, HeaderValue, SignedUrlOptions, Signer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;

use crate::lake::bucket::answer::element;
use crate::lake::bucket::{Bucket, quoted};
use crate::lake::store::Found;

/// How long a signed URL can be used: it is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// Bytes of a part that is not the last, and of one that is copied.
const PART_BYTES: std::ops::RangeInclusive<u64> = 5 << 20..=5 << 30;

/// What is escaped in the name of a source: all but RFC 3986's unreserved characters and the slashes between names.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl Bucket {
    /// Whether the store may be asked to copy all of `from` as a part that others follow.
    pub(super) fn may_copy(&self, from: &Found) -> bool {
        let copies = self.requests.as_ref().is_some_and(|requests| requests.copies);
        copies && from.etag.is_some() && PART_BYTES.contains(&from.bytes)
    }

    /// Copies `from` as the first part of the upload `id` of `to`; the part's etag.
    pub(super) async fn copy_part(&self, from: &Found, to: &str, id: &str) -> Option<String> {
        let requests = self.requests.as_ref()?;
        let source = format!("/{}/{}", requests.bucket, utf8_percent_encode(&self.full(&from.path), ESCAPED));
        let headers = [("x-amz-copy-source", source), ("x-amz-copy-source-if-match", quoted(from.etag.as_deref()?))];
        let (mut signed, mut request) = (
            SignedUrlOptions::new().with_query([("partNumber", "1"), ("uploadId", id)]),
            HttpRequest::new(HttpRequestBody::empty()),
        );
        for (name, value) in headers {
            let (name, value) = (HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?);
            request.headers_mut().insert(name.clone(), value.clone());
            signed = signed.with_signed_header(name, value);
        }
        let url = requests.store.signed_url_opts(Method::PUT, &self.key(to).ok()?, SIGNED_FOR, &signed).await.ok()?;
        *request.method_mut() = Method::PUT;
        *request.uri_mut() = url.as_str().parse().ok()?;
        let answer = requests.conditions.client()?.execute(request).await.ok()?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.ok()?;
        // A store may answer 200 before it fails, and one that knows no copies takes the request for an empty part.
        let told = std::str::from_utf8(&body).ok().filter(|body| status.is_success() && body.contains("<CopyPartResult"));
        let etag = told.and_then(|body| element(body, "ETag"));
        if etag.is_none() {
            tracing::debug!(place = self.answers.place(&self.full(to)), %status, "the store does not copy a part: its bytes are sent");
        }
        Some(etag?.replace("&quot;", "\"").replace("&#34;", "\""))
    }
}
