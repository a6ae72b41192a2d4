//! A bucket in memory whose n-th request fails, before or after it took effect, or which ignores conditions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What is wrong with the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Conditional writes overwrite.
    IgnoredConditions,
    /// No upload can be dropped.
    NoAborts,
    /// The n-th request, from 1, is answered by an error and does nothing.
    Refused(u64),
    /// The n-th request, from 1, does its work and is answered by an error.
    AnswerLost(u64),
}

/// The bucket.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: InMemory,
    fault: std::sync::Mutex<Option<Fault>>,
    requests: AtomicU64,
}

impl Faulty {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: InMemory::new(), fault: std::sync::Mutex::new(None), requests: AtomicU64::new(0) })
    }

    /// From now on has `fault`, or none. Requests count from here.
    pub(super) fn set(&self, fault: Option<Fault>) {
        self.requests.store(0, Ordering::SeqCst);
        *self.fault.lock().unwrap() = fault;
    }

    /// Requests since the last [`Faulty::set`].
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Suspends the fault and the count until [`Faulty::resume`].
    pub(super) fn pause(&self) -> (Option<Fault>, u64) {
        (self.fault.lock().unwrap().take(), self.requests())
    }

    /// Goes on where [`Faulty::pause`] stopped.
    pub(super) fn resume(&self, (fault, requests): (Option<Fault>, u64)) {
        self.set(fault);
        self.requests.store(requests, Ordering::SeqCst);
    }

    async fn answer<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = *self.fault.lock().unwrap();
        let failure = || Error::Generic {
            store: "S3",
            source: "status code: 500 Internal Server Error: <Code>InternalError</Code>".into(),
        };
        match fault {
            Some(Fault::Refused(nth)) if nth == number => Err(failure()),
            Some(Fault::AnswerLost(nth)) if nth == number => {
                let _ = work.await;
                Err(failure())
            }
            _ => work.await,
        }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let is_ignored = *self.fault.lock().unwrap() == Some(Fault::IgnoredConditions);
        let opts = if is_ignored { PutOptions::default() } else { opts };
        self.answer(self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.answer(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let deleted = self.inner.delete_stream(locations);
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = *self.fault.lock().unwrap();
        let failure = || Err(Error::Generic { store: "S3", source: "status code: 500 Internal Server Error".into() });
        match fault {
            Some(Fault::Refused(nth)) if nth == number => stream::iter([failure()]).boxed(),
            Some(Fault::AnswerLost(nth)) if nth == number => deleted.map(move |_| failure()).boxed(),
            _ => deleted,
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Faulty {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        self.answer(self.inner.create_multipart(path)).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part_idx: usize, data: PutPayload) -> Result<PartId> {
        self.answer(self.inner.put_part(path, id, part_idx, data)).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        self.answer(self.inner.complete_multipart(path, id, parts)).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        if *self.fault.lock().unwrap() == Some(Fault::NoAborts) {
            let source = "status code: 403 Forbidden: <Code>AccessDenied</Code>".into();
            return Err(Error::PermissionDenied { path: path.to_string(), source });
        }
        self.answer(self.inner.abort_multipart(path, id)).await
    }
}
