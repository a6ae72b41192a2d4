//! Uploading spooled files into multipart uploads that are not completed.
//!
//! In: finished local files and their final keys. Out: one handle a file. Order: the uploads are created, their ids are noted
//! in the run's staging, then parts are sent. Memory: [`PARALLEL_PARTS`] parts.

use std::error::Error as _;
use std::io::{Read, Seek, SeekFrom};
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
            let note = to_json(&Note { format: FORMAT, uploads });
            self.put(&format!("{staging}/uploads-{number:06}.json"), note).await?;
            let send: Vec<_> = files.iter().zip(begun).map(|(file, id)| self.send(file, id, &permits)).collect();
            let sent: Vec<Handle> = stream::iter(send).buffered(PARALLEL_FILES).try_collect().await?;
            handles.extend(sent);
        }
        Ok(handles)
    }

    async fn begin(&self, path: &str) -> Result<String, LakeError> {
        self.uploads.create_multipart(&self.key(path)?).await.map_err(self.failed("begin the upload of", path))
    }

    /// Sends a file's parts.
    async fn send(&self, file: &Spooled, id: String, permits: &Semaphore) -> Result<Handle, LakeError> {
        pass("lake.stage.file")?;
        let key = self.key(&file.to)?;
        let part_bytes = PART_BYTES.max(file.bytes.div_ceil(PARTS_MAX));
        let starts = (0..file.bytes.div_ceil(part_bytes).max(1)).map(|part| part * part_bytes);
        let sends: Vec<_> = starts
            .enumerate()
            .map(|(number, start)| {
                let (key, id) = (&key, &id);
                async move {
                    let _permit = permits.acquire().await;
                    let bytes = read_part(&file.from, start, part_bytes.min(file.bytes - start)).await?;
                    let sent = self.uploads.put_part(key, id, number, PutPayload::from(bytes)).await;
                    sent.map(|part| part.content_id).map_err(self.failed("upload", &file.to))
                }
            })
            .collect();
        let parts = stream::iter(sends).buffered(PARALLEL_PARTS).try_collect().await?;
        Ok(Handle::Upload { id, parts })
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
