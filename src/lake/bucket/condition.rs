//! The condition on which an upload is completed: that what lies at its key is what was there a moment ago.
//!
//! In: a condition for an upload's id. Out: the header `If-None-Match` or `If-Match` on every request that completes this upload
//! (S3, CompleteMultipartUpload, since November 2024). object_store's interface has no place for it, so it is added to the finished
//! request. Signatures cover only the headers that they name, so that one more is no fault of theirs; object_store adds its own
//! `If-None-Match` behind the signature, too. A server that knows no conditions passes over it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use crate::base::{SystemClock, settle_tls};
use crate::lake::bucket::patience::Patient;

/// What has to lie at the key of an upload when it is completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// Nothing.
    Nothing,
    /// Content of this tag, quoted.
    Tag(String),
}

impl Condition {
    fn put(&self, headers: &mut HeaderMap) {
        let (name, value) = match self {
            Self::Nothing => (IF_NONE_MATCH, HeaderValue::from_static("*")),
            Self::Tag(etag) => match HeaderValue::from_str(etag) {
                Ok(value) => (IF_MATCH, value),
                Err(_) => return,
            },
        };
        headers.insert(name, value);
    }
}

/// Conditions of uploads that are being completed, by the upload's id.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    standing: Arc<Mutex<HashMap<String, Condition>>>,
    /// The client that adds them.
    client: Arc<OnceLock<HttpClient>>,
}

impl Conditions {
    /// The condition holds for requests that complete the upload `id` until what is returned is dropped.
    pub(super) fn on(&self, id: &str, condition: Condition) -> Standing {
        self.lock().insert(id.to_owned(), condition);
        Standing { conditions: self.clone(), id: id.to_owned() }
    }

    /// The client that requests are sent with, once there is one.
    pub(super) fn client(&self) -> Option<HttpClient> {
        self.client.get().cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Condition>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A condition that holds.
#[derive(Debug)]
pub(super) struct Standing {
    conditions: Conditions,
    id: String,
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.conditions.lock().remove(&self.id);
    }
}

impl HttpConnector for Conditions {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        settle_tls();
        let inner = HttpClient::new(Patient::new(ReqwestConnector::default().connect(options)?, Arc::new(SystemClock)));
        let client = HttpClient::new(Conditional { inner: inner.clone(), conditions: self.clone() });
        // A request that object_store does not have completes nothing.
        let _ = self.client.set(inner);
        Ok(client)
    }
}

/// A client that adds the conditions.
#[derive(Debug)]
struct Conditional {
    inner: HttpClient,
    conditions: Conditions,
}

#[async_trait]
impl HttpService for Conditional {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(id) = completed_upload(&request)
            && let Some(condition) = self.conditions.lock().get(&id)
        {
            condition.put(request.headers_mut());
        }
        self.inner.execute(request).await
    }
}

/// The upload that a request completes: `POST /key?uploadId=…`.
fn completed_upload(request: &HttpRequest) -> Option<String> {
    let query = request.uri().query().filter(|_| *request.method() == Method::POST)?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "uploadId").map(|(_, id)| id.into_owned())
}
