//! Whether an upload that was begun is still there: a bucket rule may have dropped it.
//!
//! In: the key and id of an upload. Out: what `ListParts` answers. object_store has no such call, but signs a URL with any query. Nothing
//! is written.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::signer::{SignedUrlOptions, Signer};
use reqwest::Method;

use crate::lake::LakeError;
use crate::lake::bucket::Bucket;
use crate::lake::bucket::condition::Conditions;

/// How long a signed URL can be used: it is used at once.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// What signs and sends a request that object_store does not have.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    pub(super) store: Arc<AmazonS3>,
    pub(super) conditions: Conditions,
    /// The bucket's name.
    pub(super) bucket: String,
    /// Whether parts may be copied: with checksums of its own, or with keys that the client holds, a part is more than its etag.
    pub(super) copies: bool,
}

impl Bucket {
    /// Whether the upload `id` of `path` can still be completed; `None` where the store does not tell.
    pub(super) async fn ask_for_upload(&self, path: &str, id: &str) -> Result<Option<bool>, LakeError> {
        let key = self.key(path)?;
        let Some((requests, client)) = self.requests.as_ref().and_then(|all| Some((all, all.conditions.client()?))) else {
            return Ok(None);
        };
        let query = SignedUrlOptions::new().with_query([("max-parts", "1"), ("uploadId", id)]);
        let Ok(url) = requests.store.signed_url_opts(Method::GET, &key, SIGNED_FOR, &query).await else { return Ok(None) };
        let Ok(uri) = url.as_str().parse() else { return Ok(None) };
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.uri_mut() = uri;
        // A refusal that is none of these says nothing about the upload.
        Ok(match client.execute(request).await.map(|answer| answer.status().as_u16()) {
            Ok(200) => Some(true),
            Ok(404) => Some(false),
            _ => None,
        })
    }

    /// Drops the upload `id` of `path`, so that nobody completes it any more.
    pub(super) async fn drop_upload_of(&self, path: &str, id: &String) -> Result<(), LakeError> {
        match self.uploads.abort_multipart(&self.key(path)?, id).await {
            Err(error) if !self.answers.is_missing_upload(&error) => Err(self.failed("drop the upload of", path)(error)),
            _ => Ok(()),
        }
    }
}
