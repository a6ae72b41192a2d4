//! The store under a lake: a folder on disk or a bucket, with the few operations the commit protocol is made of.
//!
//! In: paths below the lake's root, bytes, spooled files. Out: bytes, listings, one-shot handles. Invariants of every store,
//! checked by one conformance test: [`Store::create`] succeeds once; a name never shows partial content; a [`Handle`]
//! publishes at most once, whoever holds it, and never over something newer. Not here: what a commit or a lease means.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::config::{LakeLocation, LakePlan};
use crate::lake::bucket::Bucket;
use crate::lake::disk::Disk;
use crate::lake::spool::Spool;
use crate::lake::{LakeError, Layout, LiveFiles};

/// Largest small object (a commit, a manifest, a lease) that is written or read: memory is bounded, whatever lies there.
pub(crate) const SMALL_BYTES_MAX: u64 = 64 << 20;

/// A small object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// Its content.
    pub(crate) bytes: Vec<u8>,
    /// The store's tag of this content, without quotes; none on disk.
    pub(crate) etag: Option<String>,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Below the lake's root.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// The store's tag of the content, without quotes; none on disk.
    pub(crate) etag: Option<String>,
}

/// The right to publish one staged file, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handle {
    /// A synced file, below the lake's root, to be renamed.
    Staged(String),
    /// A multipart upload on the final key, to be completed.
    Upload {
        /// The store's id of the upload.
        id: String,
        /// The etags of its parts, in order.
        parts: Vec<String>,
    },
}

/// Where a staged file goes, and what it may replace there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Below the lake's root.
    pub(crate) path: String,
    /// Size of the staged file.
    pub(crate) bytes: u64,
    /// Its checksum; empty: it is not read again. A bucket knows the content of an upload by its parts.
    pub(crate) checksum: String,
    /// What is there before.
    pub(crate) before: Before,
}

/// What is in a file's place before it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nothing.
    Nothing,
    /// This file.
    File {
        /// Its size.
        bytes: u64,
        /// Its XXH3-64, as 16 hex digits; empty: unknown.
        checksum: String,
        /// Its tag, where the store has one.
        etag: Option<String>,
    },
    /// What a commit of an older lakeward does not tell.
    Anything,
}

/// What came of using a [`Handle`].
#[derive(Debug)]
pub(crate) enum Published {
    /// The file is in its place; its etag where the store has one.
    Done(Option<String>),
    /// The handle was used or dropped before: the file's place tells which.
    Gone,
    /// What is staged, in this place, is not what was staged; nothing was changed.
    Damaged(String),
    /// Something else than [`Target::before`] is in the place; nothing was changed.
    Taken,
    /// Another request for the place was answered at the same instant; this one changed nothing, and may be made again.
    Busy(LakeError),
    /// The store failed, perhaps after doing it: the file's place tells.
    Unknown(LakeError),
}

/// A finished local file and the path it shall be published under.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    /// Where it is, in the run's spool.
    pub(crate) from: PathBuf,
    /// The stored file all bytes of which come before those, where there is one. Not on disk, where the spool has all bytes.
    pub(crate) behind: Option<Found>,
    /// Where it goes, below the lake's root.
    pub(crate) to: String,
    /// Its size, with that of the stored file.
    pub(crate) bytes: u64,
}

/// A store. Every error names the place and is final: retries are spent.
#[async_trait]
pub(crate) trait Store: std::fmt::Debug + Send + Sync {
    /// `path` as people write it: `/data/lake/x`, `s3://bucket/x`.
    fn place(&self, path: &str) -> String;

    /// The lake's root where it is a local folder.
    fn root(&self) -> Option<&Path>;

    /// Opens data files for reading, from blocking threads.
    fn live_files(&self) -> Arc<dyn LiveFiles>;

    /// Makes the local folder in which the rows of `run` wait until they are staged in `staging`.
    async fn spool(&self, staging: &str, run: &str) -> Result<Spool, LakeError>;

    /// Reads a small object, at most [`SMALL_BYTES_MAX`]; `None` when there is none.
    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError>;

    /// Writes a small object unless there is one: `false` then. Of many callers at once, one gets `true`.
    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError>;

    /// Writes a small object, whole, whatever was there.
    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError>;

    /// Writes a small object over `known`: `false` when something else is there. Atomic on S3; on disk two callers within
    /// the same instant may both succeed.
    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError>;

    /// All objects below a folder at any depth, ordered by path; none when there is no such folder.
    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError>;

    /// Names of the folders directly below a folder.
    async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError>;

    /// One object's facts.
    async fn head(&self, path: &str) -> Result<Option<Found>, LakeError>;

    /// Whether the object has this size and XXH3-64 (16 hex digits; empty: unknown). Reads it where the size is right.
    async fn holds(&self, path: &str, bytes: u64, checksum: &str) -> Result<bool, LakeError>;

    /// Lets the content of `from`, if there is one of this size, be read under `to` too, unless something is there: by a hard link on disk, by
    /// a server-side copy on S3. `etag`, where it is known, is that of the content that is meant.
    async fn keep(&self, from: &Found, to: &str) -> Result<(), LakeError>;

    /// Brings the content of `from` to a local file that is not there yet: by a hard link where the lake is on disk.
    async fn fetch(&self, from: &str, to: &Path) -> Result<(), LakeError>;

    /// Removes an object, and on disk the folders above it, up to the table's, that become empty; fine when it is gone.
    async fn remove(&self, path: &str) -> Result<(), LakeError>;

    /// Removes everything below a folder, aborting first the uploads noted there unless they are `published`.
    async fn clear(&self, folder: &str, published: bool) -> Result<(), LakeError>;

    /// Removes what killed processes left of small objects directly in a folder, where a store leaves any.
    async fn sweep(&self, folder: &str) -> Result<(), LakeError>;

    /// Brings spooled files to where one atomic step publishes each, durably: the handles, in the order of `files`.
    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError>;

    /// Uses a handle, unless something else lies in the place than the target says. Safe to repeat, also by a process that
    /// slept for an hour.
    async fn publish(&self, handle: &Handle, target: &Target) -> Result<Published, LakeError>;

    /// Whether the upload `id` of `path` can still be completed; `None` where the store does not tell.
    async fn has_upload(&self, path: &str, id: &str) -> Result<Option<bool>, LakeError> {
        let _ = id;
        Err(LakeError::WrongHandle { place: self.place(path) })
    }

    /// Drops the upload `id` of `path`: nobody completes it any more.
    async fn drop_upload(&self, path: &str, id: &String) -> Result<(), LakeError> {
        let _ = id;
        Err(LakeError::WrongHandle { place: self.place(path) })
    }

    /// Makes the names of published and removed objects durable.
    async fn settle(&self, paths: &[String]) -> Result<(), LakeError>;
}

/// The store that a plan names. `writable` makes a disk lake's root folder.
///
/// # Errors
/// [`LakeError::Option`] for an option no store knows, [`LakeError::Disk`] when the folder cannot be made.
pub(crate) async fn open_store(plan: &LakePlan, writable: bool) -> Result<Arc<dyn Store>, LakeError> {
    match &plan.location {
        LakeLocation::Disk(root) if writable => Ok(Arc::new(Disk::create(root.clone(), plan.is_durable).await?)),
        LakeLocation::Disk(root) => Ok(Arc::new(Disk::new(root.clone(), plan.is_durable))),
        LakeLocation::S3 { bucket, prefix } => Ok(Arc::new(Bucket::s3(bucket, prefix, &plan.options)?)),
    }
}

/// Checks what of a plan's options can be checked without a request.
///
/// # Errors
/// [`LakeError::Option`].
pub(crate) fn check_settings(plan: &LakePlan) -> Result<(), LakeError> {
    match &plan.location {
        LakeLocation::Disk(_) => Ok(()),
        LakeLocation::S3 { bucket, prefix } => Bucket::s3(bucket, prefix, &plan.options).map(drop),
    }
}

/// Checks that the store refuses to create an object twice; a store that does not would let two runs commit the same version.
/// The object is left as a marker, so that later opens prove it with one request.
///
/// # Errors
/// [`LakeError::UnsafeStore`], unless `allowed`.
pub(crate) async fn probe(store: &dyn Store, layout: &Layout, allowed: bool) -> Result<(), LakeError> {
    let marker = layout.marker();
    if is_safe(store, &marker).await? != Some(false) {
        return Ok(());
    }
    if allowed {
        tracing::warn!(place = store.place(""), "the store ignores conditional writes: two runs at once can lose a commit");
        return Ok(());
    }
    store.remove(&marker).await?;
    Err(LakeError::UnsafeStore { place: store.place("") })
}

/// Whether the store refuses to create the object `path` twice; `None` when it was there before, which tells the same.
///
/// # Errors
/// The store's.
pub(crate) async fn is_safe(store: &dyn Store, path: &str) -> Result<Option<bool>, LakeError> {
    let content = br#"{"format":1}"#;
    if !store.create(path, content.to_vec()).await? {
        return Ok(None);
    }
    Ok(Some(!store.create(path, content.to_vec()).await?))
}
