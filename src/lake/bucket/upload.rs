//! Uploading spooled files into multipart uploads that are not completed.
//!
//! In: finished local files and their final keys. Out: one handle a file. Order: the uploads are created, their ids are noted
//! in the run's staging, then parts are sent. A file that begins with all bytes of a stored one gets them from the store, by a copy or by
//! reading them. Memory: [`PARALLEL_PARTS`] parts.

use std::error::Error as _;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::PutPayload;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::base::blocking;
use crate::lake::bucket::{Bucket, PARALLEL_REQUESTS};
use crate::lake::log::{FORMAT, read_json, to_json};
use crate::lake::publish::pass;
use crate::lake::store::{Handle, Spooled, Store};
use crate::lake::trust::is_data_path;
use crate::lake::{LakeError, StoreProblem};

/// Size of a part, all but a file's last. S3 asks for 5 MiB or more; equal parts suit every server.
const PART_BYTES: u64 = 8 << 20;

/// Most parts of an upload (S3's limit is 10,000).
const PARTS_MAX: u64 = 9_000;

/// Parts in memory and on the wire at once.
const PARALLEL_PARTS: usize = 6;

/// Files uploaded at once.
const PARALLEL_FILES: usize = 8;

/// Uploads noted in one object.
const NOTED_AT_ONCE: usize = 256;

/// Uploads that a run began, so that they can be dropped.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    format: u32,
    /// Key below the lake's root, and id.
    uploads: Vec<(String, String)>,
}

/// Whether a path in a staging folder is a note of uploads.
pub(super) fn is_note(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("uploads-"))
}

impl Bucket {
    /// Uploads `files`; see the module.
    pub(super) async fn upload(&self, staging: &str, files: &[Spooled]) -> Result<Vec<Handle>, LakeError> {
        let permits = Semaphore::new(PARALLEL_PARTS);
        let mut handles = Vec::with_capacity(files.len());
        for (number, files) in files.chunks(NOTED_AT_ONCE).enumerate() {
            let begin: Vec<_> = files.iter().map(|file| self.begin(&file.to)).collect();
            let begun: Vec<String> = stream::iter(begin).buffered(PARALLEL_REQUESTS).try_collect().await?;
            let uploads = files.iter().zip(&begun).map(|(file, id)| (file.to.clone(), id.clone())).collect();
            let note = format!("{staging}/uploads-{number:06}");
            self.note(&format!("{note}.json"), uploads).await?;
            let again = |at: usize| format!("{note}-{at:06}.json");
            let each = files.iter().zip(begun).enumerate();
            let send: Vec<_> = each.map(|(at, (file, id))| self.send(file, id, again(at), &permits)).collect();
            let sent: Vec<Handle> = stream::iter(send).buffered(PARALLEL_FILES).try_collect().await?;
            handles.extend(sent);
        }
        Ok(handles)
    }

    async fn begin(&self, path: &str) -> Result<String, LakeError> {
        self.uploads.create_multipart(&self.key(path)?).await.map_err(self.failed("begin the upload of", path))
    }

    async fn note(&self, path: &str, uploads: Vec<(String, String)>) -> Result<(), LakeError> {
        self.put(path, to_json(&Note { format: FORMAT, uploads })).await
    }

    /// Sends a file's parts. Where another upload has to be begun for them, it is noted under `again`.
    async fn send(&self, file: &Spooled, mut id: String, again: String, permits: &Semaphore) -> Result<Handle, LakeError> {
        pass("lake.stage.file")?;
        let mut parts = Vec::new();
        if let Some(from) = file.behind.as_ref().filter(|from| self.may_copy(from)) {
            parts.extend(self.copy_part(from, &file.to, &id).await);
            pass("lake.stage.copied")?;
            if parts.is_empty() {
                let other = self.begin(&file.to).await?;
                self.note(&again, vec![(file.to.clone(), other.clone())]).await?;
                self.abort(&file.to, &std::mem::replace(&mut id, other)).await?;
            }
        }
        let (key, copied) = (self.key(&file.to)?, parts.len());
        let first = file.behind.as_ref().filter(|_| copied > 0).map_or(0, |from| from.bytes);
        let part_bytes = PART_BYTES.max(file.bytes.div_ceil(PARTS_MAX));
        let starts = (0..(file.bytes - first).div_ceil(part_bytes).max(1)).map(|part| first + part * part_bytes);
        let sends: Vec<_> = starts
            .enumerate()
            .map(|(number, start)| {
                let (key, id) = (&key, &id);
                async move {
                    let _permit = permits.acquire().await;
                    let bytes = self.part_of(file, start..file.bytes.min(start + part_bytes)).await?;
                    let sent = self.uploads.put_part(key, id, copied + number, PutPayload::from(bytes)).await;
                    sent.map(|part| part.content_id).map_err(self.failed("upload", &file.to))
                }
            })
            .collect();
        let sent: Vec<String> = stream::iter(sends).buffered(PARALLEL_PARTS).try_collect().await?;
        parts.extend(sent);
        Ok(Handle::Upload { id, parts })
    }

    /// Bytes of a file as it will be.
    async fn part_of(&self, file: &Spooled, range: Range<u64>) -> Result<Vec<u8>, LakeError> {
        let Some(from) = &file.behind else { return read_part(&file.from, range.start, range.end - range.start).await };
        let mut bytes = Vec::new();
        if range.start < from.bytes {
            let stored = range.start..range.end.min(from.bytes);
            bytes.extend_from_slice(&self.read_range(&from.path, from.etag.as_deref(), stored).await?);
        }
        let rest = range.start.max(from.bytes)..range.end.max(from.bytes);
        bytes.extend(read_part(&file.from, rest.start - from.bytes, rest.end - rest.start).await?);
        Ok(bytes)
    }

    /// Drops the uploads that a note names, as far as they still are. One that cannot be dropped is no obstacle: nothing will ever
    /// complete it, and a bucket rule drops it in time.
    pub(super) async fn abort_noted(&self, path: &str) -> Result<(), LakeError> {
        let Some(note) = read_json::<Note>(self, path).await? else { return Ok(()) };
        if let Some((named, _)) = note.uploads.iter().find(|(path, _)| !is_data_path(path)) {
            return Err(LakeError::Unreadable { place: self.place(path), why: format!("{named:?} is no path of a data file") });
        }
        let aborts: Vec<_> = note.uploads.iter().map(|(path, id)| self.abort(path, id)).collect();
        stream::iter(aborts).buffer_unordered(PARALLEL_REQUESTS).try_collect().await
    }

    async fn abort(&self, path: &str, id: &String) -> Result<(), LakeError> {
        match self.uploads.abort_multipart(&self.key(path)?, id).await {
            Err(error) if !self.answers.is_missing_upload(&error) => match self.failed("drop the upload of", path)(error) {
                error @ LakeError::Store { problem: StoreProblem::NoAnswer, .. } => Err(error),
                error => {
                    let why = error.source().map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(%error, why, "an unfinished upload stays until a bucket rule drops it");
                    Ok(())
                }
            },
            _ => Ok(()),
        }
    }
}

async fn read_part(path: &Path, start: u64, bytes: u64) -> Result<Vec<u8>, LakeError> {
    let from = path.to_owned();
    let read = move || {
        let mut file = std::fs::File::open(from)?;
        file.seek(SeekFrom::Start(start))?;
        let mut part = Vec::new();
        file.take(bytes).read_to_end(&mut part)?;
        Ok(part)
    };
    let part = blocking(read).await.map_err(|source| LakeError::Disk { action: "read", path: path.to_owned(), source })?;
    if part.len() as u64 != bytes {
        return Err(LakeError::Spool { path: path.to_owned(), why: "it became shorter" });
    }
    Ok(part)
}
