//! Files that the shards of a run leave for its commit, in pieces among lakeward's own files of the lake.
//!
//! In: a local file, the run and a name. Out: its place, size and checksum, by which it is fetched again. Invariants: what is fetched is what was left,
//! or an error; names are given once, so that two attempts of a shard never meet; pieces are small objects, whatever the file's size.
//! Not here: what is in them ([`crate::source::Recorder`]).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use crate::config::LakePlan;
use crate::lake::store::{Store, open_store};
use crate::lake::trust::is_name;
use crate::lake::{LakeError, Layout};

/// Bytes of a piece.
const PIECE_BYTES: usize = 32 << 20;

/// Bytes of a file that is fetched.
const FILE_BYTES_MAX: u64 = 1 << 40;

/// A file that was left.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct LeftFile {
    /// Its folder's name, of the run's.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// XXH3-64 of its content, as 16 hex digits.
    pub(crate) checksum: String,
}

/// The files of all runs of a pipeline that are cut into shards.
#[derive(Debug)]
pub(crate) struct ShardFiles {
    store: Arc<dyn Store>,
    layout: Layout,
}

impl ShardFiles {
    /// Those of `pipeline` in the lake of `plan`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn open(plan: &LakePlan, pipeline: &str) -> Result<Self, LakeError> {
        Ok(Self { store: open_store(plan, true).await?, layout: Layout::new(pipeline) })
    }

    /// Leaves the file at `path` under a name that nobody else gives.
    ///
    /// # Errors
    /// [`LakeError::Disk`]; the store's.
    pub(crate) async fn leave(&self, run: &str, name: &str, path: &Path) -> Result<LeftFile, LakeError> {
        let failed = |source| LakeError::of_disk("read", path, source);
        let mut file = File::open(path).map_err(failed)?;
        let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
        for number in 0_u64.. {
            let mut piece = Vec::new();
            (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).map_err(failed)?;
            if piece.is_empty() {
                break;
            }
            hash.update(&piece);
            bytes += piece.len() as u64;
            self.store.put(&self.piece(run, name, number), piece).await?;
        }
        Ok(LeftFile { name: name.to_owned(), bytes, checksum: format!("{:016x}", hash.digest()) })
    }

    /// Brings what was left to `path`, for this user alone.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`] where it is gone, or something else; [`LakeError::Disk`]; the store's.
    pub(crate) async fn fetch(&self, run: &str, left: &LeftFile, path: &Path) -> Result<(), LakeError> {
        let place = self.store.place(&self.folder(run, &left.name));
        let damaged = |why: &str| LakeError::Unreadable { place: place.clone(), why: why.to_owned() };
        if !is_name(run) || !is_name(&left.name) || left.bytes > FILE_BYTES_MAX {
            return Err(damaged("it is no name of what a shard leaves"));
        }
        let failed = |source| LakeError::of_disk("write", path, source);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
        let (mut hash, mut bytes) = (Xxh3Default::new(), 0);
        for number in 0..left.bytes.div_ceil(PIECE_BYTES as u64) {
            let piece = self.store.get(&self.piece(run, &left.name, number)).await?.ok_or_else(|| damaged("it is gone"))?;
            hash.update(&piece.bytes);
            bytes += piece.bytes.len() as u64;
            file.write_all(&piece.bytes).map_err(failed)?;
        }
        match bytes == left.bytes && format!("{:016x}", hash.digest()) == left.checksum {
            true => Ok(()),
            false => Err(damaged("it is not what the shard left")),
        }
    }

    /// Removes all that the shards of `run` left.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn clear(&self, run: &str) -> Result<(), LakeError> {
        self.store.clear(&self.layout.shards_of(run), false).await
    }

    fn folder(&self, run: &str, name: &str) -> String {
        format!("{}/{name}", self.layout.shards_of(run))
    }

    fn piece(&self, run: &str, name: &str, number: u64) -> String {
        format!("{}/{number:06}.piece", self.folder(run, name))
    }
}
