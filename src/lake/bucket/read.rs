//! Reading data files of a bucket at offsets, from blocking threads.
//!
//! Every read asks for the content that the last commit left, by its etag, so that a file replaced from outside is an error
//! and never a mixture.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, GetRange};
use tokio::runtime::Handle;

use crate::lake::bucket::{Bucket, quoted};
use crate::lake::live::RemoteRead;
use crate::lake::{DataFile, LakeError, LiveFile, LiveFiles};

/// Files that are read at once: their readers wait for the bucket's answers most of the time.
const READERS: usize = 16;

/// Opens the bucket's data files. Made on the async side, used from blocking threads only.
#[derive(Debug)]
pub(super) struct RemoteFiles {
    bucket: Bucket,
    runtime: Handle,
}

impl RemoteFiles {
    /// For `bucket`, within a Tokio runtime.
    pub(super) fn new(bucket: Bucket) -> Self {
        Self { bucket, runtime: Handle::current() }
    }
}

impl LiveFiles for RemoteFiles {
    fn open(&self, file: &DataFile) -> Result<LiveFile, LakeError> {
        let object = RemoteFile {
            bucket: self.bucket.clone(),
            runtime: self.runtime.clone(),
            path: file.path.clone(),
            etag: file.etag.clone(),
        };
        Ok(LiveFile::remote(Arc::new(object), file.bytes))
    }

    fn readers(&self) -> usize {
        READERS
    }
}

#[derive(Debug)]
struct RemoteFile {
    bucket: Bucket,
    runtime: Handle,
    path: String,
    etag: Option<String>,
}

impl RemoteFile {
    async fn get(&self, range: Range<u64>) -> Result<Bytes, LakeError> {
        self.bucket.read_range(&self.path, self.etag.as_deref(), range).await
    }
}

impl Bucket {
    /// Bytes of the content of this etag.
    pub(super) async fn read_range(&self, path: &str, etag: Option<&str>, range: Range<u64>) -> Result<Bytes, LakeError> {
        let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match: etag.map(quoted), ..GetOptions::default() };
        let got = self.objects.get_opts(&self.key(path)?, options).await.map_err(self.failed("read", path))?;
        got.bytes().await.map_err(self.failed("read", path))
    }
}

impl RemoteRead for RemoteFile {
    fn read_range(&self, range: Range<u64>) -> Result<Bytes, LakeError> {
        self.runtime.block_on(self.get(range))
    }
}
