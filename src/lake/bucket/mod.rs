//! A lake in a bucket, under a key prefix.
//!
//! Small objects are written by conditional puts; data files by multipart uploads on their final keys, which are completed
//! only to publish, on the condition that what they replace is still there. An upload can be completed once. Upload ids are noted in
//! the run's staging before any part is sent, so that a later run can drop them; the instant between the two is covered by a
//! bucket rule (AbortIncompleteMultipartUpload). Requests are retried by object_store only, a bounded number of times.

mod answer;
mod condition;
mod copy;
mod patience;
mod read;
mod settings;
mod there;
mod upload;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, UpdateVersion};
use tokio::io::AsyncWriteExt;

use crate::base::Secret;
use crate::lake::bucket::answer::Answers;
use crate::lake::bucket::condition::{Condition, Conditions};
use crate::lake::bucket::read::RemoteFiles;
use crate::lake::bucket::there::Requests;
use crate::lake::checksum::Hashing;
use crate::lake::spool::Spool;
use crate::lake::store::{Before, Blob, Found, Handle, Published, SMALL_BYTES_MAX, Spooled, Store, Target};
use crate::lake::{LakeError, LiveFiles};

/// Small requests in flight at once.
const PARALLEL_REQUESTS: usize = 16;

/// A lake in a bucket.
#[derive(Clone)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    uploads: Arc<dyn MultipartStore>,
    conditions: Conditions,
    /// For requests that object_store does not have.
    requests: Option<Requests>,
    prefix: String,
    answers: Answers,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("place", &self.answers.place(&self.prefix)).finish_non_exhaustive()
    }
}

impl Bucket {
    /// The lake under `prefix` (no slashes at its ends, may be empty) of an S3 bucket, by `AWS_*` variables and `options`.
    ///
    /// # Errors
    /// [`LakeError::Option`].
    pub(crate) fn s3(bucket: &str, prefix: &str, options: &[(String, Secret)]) -> Result<Self, LakeError> {
        let conditions = Conditions::default();
        let (store, secrets, copies) = settings::build(bucket, options, &conditions)?;
        let store = Arc::new(store);
        let answers = Answers::new(format!("s3://{bucket}"), secrets);
        let objects: Arc<dyn ObjectStore> = Arc::<object_store::aws::AmazonS3>::clone(&store);
        let (conditioned, named) = (conditions.clone(), bucket.to_owned());
        let requests = Some(Requests { store: Arc::clone(&store), conditions: conditioned, bucket: named, copies });
        Ok(Self { objects, uploads: store, conditions, requests, prefix: prefix.to_owned(), answers })
    }

    /// The lake under `prefix` of some other store.
    #[cfg(test)]
    pub(crate) fn of<S: ObjectStore + MultipartStore>(store: Arc<S>, prefix: &str) -> Self {
        let objects: Arc<dyn ObjectStore> = Arc::<S>::clone(&store);
        let answers = Answers::new("memory:/".to_owned(), vec![]);
        let conditions = Conditions::default();
        Self { objects, uploads: store, conditions, requests: None, prefix: prefix.to_owned(), answers }
    }

    fn full(&self, path: &str) -> String {
        match (self.prefix.as_str(), path) {
            ("", path) => path.to_owned(),
            (prefix, "") => prefix.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        }
    }

    /// The key of a path, taken literally: partition folders are escaped already.
    fn key(&self, path: &str) -> Result<Key, LakeError> {
        Key::parse(self.full(path)).map_err(|source| self.answers.explain("use", &self.full(path), &source.into()))
    }

    fn failed(&self, action: &'static str, path: &str) -> impl FnOnce(Error) -> LakeError {
        let (answers, path) = (self.answers.clone(), self.full(path));
        move |error| answers.explain(action, &path, &error)
    }

    fn found(&self, meta: ObjectMeta) -> Found {
        let full = meta.location.to_string();
        let path = match full.strip_prefix(&self.prefix) {
            Some(rest) if !self.prefix.is_empty() => rest.trim_start_matches('/').to_owned(),
            _ => full,
        };
        Found { path, bytes: meta.size, etag: meta.e_tag.as_deref().map(bare) }
    }
}

impl Bucket {
    /// The condition that what lies in the target's place now stays there, if that is what the commit replaces.
    async fn condition(&self, target: &Target) -> Result<Option<Condition>, LakeError> {
        let Some(found) = self.head(&target.path).await? else { return Ok(Some(Condition::Nothing)) };
        let is_as_before = match &target.before {
            Before::Nothing => false,
            Before::Anything => true,
            Before::File { bytes, .. } if found.bytes != *bytes => false,
            Before::File { etag, .. } if etag.is_some() && found.etag == *etag => true,
            Before::File { bytes, checksum, .. } => self.holds(&target.path, *bytes, checksum).await?,
        };
        Ok(is_as_before.then(|| Condition::Tag(quoted(&found.etag.unwrap_or_default()))))
    }
}

/// An etag without its quotes: listings, answers and headers differ in them.
fn bare(etag: &str) -> String {
    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or(etag).to_owned()
}

/// An etag as `If-Match` takes it (RFC 9110, section 8.8.3).
fn quoted(etag: &str) -> String {
    if etag.starts_with("W/") { etag.to_owned() } else { format!("\"{etag}\"") }
}

#[async_trait]
impl Store for Bucket {
    fn place(&self, path: &str) -> String {
        self.answers.place(&self.full(path))
    }

    fn root(&self) -> Option<&Path> {
        None
    }

    fn live_files(&self) -> Arc<dyn LiveFiles> {
        Arc::new(RemoteFiles::new(self.clone()))
    }

    async fn spool(&self, _staging: &str, run: &str) -> Result<Spool, LakeError> {
        Spool::temporary(run).await
    }

    async fn get(&self, path: &str) -> Result<Option<Blob>, LakeError> {
        let got = match self.objects.get(&self.key(path)?).await {
            Err(error) if self.answers.is_missing_object(&error) => return Ok(None),
            got => got.map_err(self.failed("read", path))?,
        };
        self.answers.note_success();
        if got.meta.size > SMALL_BYTES_MAX {
            return Err(LakeError::Refused { place: self.place(path), what: format!("larger than {SMALL_BYTES_MAX} bytes") });
        }
        let etag = got.meta.e_tag.as_deref().map(bare);
        let bytes = got.bytes().await.map_err(self.failed("read", path))?.to_vec();
        Ok(Some(Blob { bytes, etag }))
    }

    async fn create(&self, path: &str, bytes: Vec<u8>) -> Result<bool, LakeError> {
        match self.objects.put_opts(&self.key(path)?, PutPayload::from(bytes), PutMode::Create.into()).await {
            Ok(_) => {
                self.answers.note_success();
                Ok(true)
            }
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("create", path)(error)),
        }
    }

    async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let put = self.objects.put(&self.key(path)?, PutPayload::from(bytes)).await;
        put.map(drop).map_err(self.failed("write", path))
    }

    async fn swap(&self, path: &str, known: &Blob, bytes: Vec<u8>) -> Result<bool, LakeError> {
        let version = UpdateVersion { e_tag: known.etag.as_deref().map(quoted), version: None };
        match self.objects.put_opts(&self.key(path)?, PutPayload::from(bytes), PutMode::Update(version).into()).await {
            Ok(_) => Ok(true),
            Err(Error::Precondition { .. } | Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", path)(error)),
        }
    }

    async fn list(&self, folder: &str) -> Result<Vec<Found>, LakeError> {
        let key = self.key(folder)?;
        let within = (!key.as_ref().is_empty()).then_some(&key);
        let metas: Vec<ObjectMeta> = self.objects.list(within).try_collect().await.map_err(self.failed("list", folder))?;
        self.answers.note_success();
        let mut found: Vec<Found> = metas.into_iter().map(|meta| self.found(meta)).collect();
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>, LakeError> {
        // Not by a delimiter: some servers go on listing folders that have become empty.
        let found = self.list(folder).await?;
        let name =
            |found: &Found| found.path.strip_prefix(folder)?.strip_prefix('/')?.split_once('/').map(|(name, _)| name.to_owned());
        let mut names: Vec<String> = found.iter().filter_map(name).collect();
        names.dedup();
        Ok(names)
    }

    async fn head(&self, path: &str) -> Result<Option<Found>, LakeError> {
        match self.objects.head(&self.key(path)?).await {
            Err(error) if self.answers.is_missing_object(&error) => Ok(None),
            meta => meta.map(|meta| Some(self.found(meta))).map_err(self.failed("look at", path)),
        }
    }

    async fn holds(&self, path: &str, bytes: u64, checksum: &str) -> Result<bool, LakeError> {
        if self.head(path).await?.is_none_or(|found| found.bytes != bytes) {
            return Ok(false);
        }
        if checksum.is_empty() {
            return Ok(true);
        }
        let got = match self.objects.get(&self.key(path)?).await {
            Err(error) if self.answers.is_missing_object(&error) => return Ok(false),
            got => got.map_err(self.failed("read", path))?,
        };
        let (mut hash, mut content) = (Hashing::like(checksum), got.into_stream());
        while let Some(part) = content.try_next().await.map_err(self.failed("read", path))? {
            hash.update(&part);
        }
        Ok(hash.finish() == checksum)
    }

    async fn keep(&self, from: &Found, to: &str) -> Result<(), LakeError> {
        let is_other = |there: &Found| there.bytes != from.bytes || (from.etag.is_some() && there.etag != from.etag);
        if self.head(&from.path).await?.is_none_or(|there| is_other(&there)) {
            return Ok(());
        }
        match self.objects.copy(&self.key(&from.path)?, &self.key(to)?).await {
            Err(error) if !self.answers.is_missing_object(&error) => Err(self.failed("keep a file as", to)(error)),
            _ => Ok(()),
        }
    }

    async fn fetch(&self, from: &str, to: &Path) -> Result<(), LakeError> {
        let got = self.objects.get(&self.key(from)?).await.map_err(self.failed("read", from))?;
        let mut content = got.into_stream();
        let failed = |source| LakeError::of_disk("write", to, source);
        let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).open(to).await.map_err(failed)?;
        while let Some(part) = content.try_next().await.map_err(self.failed("read", from))? {
            file.write_all(&part).await.map_err(failed)?;
        }
        file.sync_all().await.map_err(failed)
    }

    async fn remove(&self, path: &str) -> Result<(), LakeError> {
        match self.objects.delete(&self.key(path)?).await {
            Err(error) if !self.answers.is_missing_object(&error) => Err(self.failed("remove", path)(error)),
            _ => Ok(()),
        }
    }

    async fn clear(&self, folder: &str, published: bool) -> Result<(), LakeError> {
        let found = self.list(folder).await?;
        if !published {
            for note in found.iter().filter(|found| upload::is_note(&found.path)) {
                self.abort_noted(&note.path).await?;
            }
        }
        let removals: Vec<_> = found.iter().map(|found| self.remove(&found.path)).collect();
        stream::iter(removals).buffer_unordered(PARALLEL_REQUESTS).try_collect().await
    }

    async fn sweep(&self, _folder: &str) -> Result<(), LakeError> {
        Ok(())
    }

    async fn stage(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        self.upload(staging, files).await
    }

    async fn publish(&self, handle: &Handle, target: &Target) -> Result<Published, LakeError> {
        let path = target.path.as_str();
        let Handle::Upload { id, parts } = handle else {
            return Err(LakeError::WrongHandle { place: self.place(path) });
        };
        // Looked at also for stores that know no conditions.
        let Some(condition) = self.condition(target).await? else { return Ok(Published::Taken) };
        let parts = parts.iter().map(|etag| PartId { content_id: etag.clone() }).collect();
        let standing = self.conditions.on(id, condition.clone());
        let completed = self.uploads.complete_multipart(&self.key(path)?, id, parts).await;
        drop(standing);
        Ok(match completed {
            Ok(put) => Published::Done(put.e_tag.as_deref().map(bare)),
            Err(error) if self.answers.is_missing_upload(&error) => Published::Gone,
            // A store that refuses a condition that holds is told as it answers.
            Err(Error::Precondition { .. }) if self.condition(target).await? != Some(condition) => Published::Taken,
            Err(error @ Error::AlreadyExists { .. }) => Published::Busy(self.failed("publish", path)(error)),
            Err(error) => Published::Unknown(self.failed("publish", path)(error)),
        })
    }

    async fn has_upload(&self, path: &str, id: &str) -> Result<Option<bool>, LakeError> {
        self.ask_for_upload(path, id).await
    }

    async fn drop_upload(&self, path: &str, id: &String) -> Result<(), LakeError> {
        self.drop_upload_of(path, id).await
    }

    async fn settle(&self, _paths: &[String]) -> Result<(), LakeError> {
        Ok(())
    }
}
