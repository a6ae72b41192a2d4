//! Plain Parquet in Hive's folders, for readers by glob.
//!
//! In: edits; commits of the log. Out: data files under the tables' folders, and what they replace or remove kept beside the log. What a reader by
//! glob sees while a commit is published: each file whole, old or new; no key twice in files that are replaced, since
//! those switch at once; a row that moves to another file for a moment twice rather than not at all, since new files come before old ones
//! are replaced, and deletes come last. Files of several partitions do not switch together.

mod empty;
mod fates;
mod folder;
mod kept;
mod names;
mod publish;
mod staged;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
pub(crate) use names::name_files;

use crate::lake::format::plain::folder::{as_found, check_folder, recognise_restored, strangers};
use crate::lake::format::plain::publish::{By, Placing};
use crate::lake::format::{FileFate, Kept, Placed, PreparedTable, Remains, TableFormat};
use crate::lake::log::{Change, Commit};
use crate::lake::publish::Publication;
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, Layout, Snapshot, TableEdit};

/// Replaced files that are looked at at once.
const PARALLEL_CHECKS: usize = 4;

/// The format, of one pipeline's tables.
#[derive(Debug)]
pub(super) struct Plain {
    store: Arc<dyn Store>,
    layout: Layout,
}

impl Plain {
    /// Tables in `store`.
    pub(super) fn new(store: &Arc<dyn Store>, layout: &Layout) -> Self {
        Self { store: Arc::clone(store), layout: layout.clone() }
    }
}

#[async_trait]
impl TableFormat for Plain {
    async fn snapshot(&self, table: &str, mut committed: Snapshot, adopt: bool) -> Result<Snapshot, LakeError> {
        let found = self.store.list(table).await?;
        recognise_restored(&*self.store, &mut committed, &found).await?;
        check_folder((table, &self.store.place(table)), &found, &committed.files, adopt)?;
        Ok(committed)
    }

    async fn remains(&self, table: &str, committed: Snapshot) -> Result<Remains, LakeError> {
        let found = self.store.list(table).await?;
        let strangers = strangers(&found, &committed.files);
        Ok(Remains { snapshot: as_found(committed, &found), strangers })
    }

    fn prepare(&self, edit: TableEdit) -> Result<PreparedTable, LakeError> {
        name_files(edit)
    }

    async fn stage(&self, run: &str, tables: &[PreparedTable]) -> Result<Vec<Change>, LakeError> {
        staged::stage(&*self.store, &self.layout.staging(run), tables).await
    }

    /// On disk every file is read; in a bucket the tags that the table was opened with tell.
    async fn check(&self, table: &str, replaced: &[&DataFile]) -> Result<(), LakeError> {
        if self.store.root().is_none() {
            return Ok(());
        }
        let checks: Vec<_> = replaced
            .iter()
            .map(|old| async {
                match self.store.holds(&old.path, old.bytes, &old.checksum).await? {
                    true => Ok(()),
                    false => Err(LakeError::Damaged { table: Some(table.to_owned()), place: self.store.place(&old.path) }),
                }
            })
            .collect();
        stream::iter(checks).buffer_unordered(PARALLEL_CHECKS).try_collect().await
    }

    async fn publish(&self, publication: &Publication<'_>) -> Result<Placed, LakeError> {
        Placing { format: self, publication, by: By::ItsRun }.run().await
    }

    async fn roll_forward(&self, publication: &Publication<'_>, needed: Option<&[&str]>) -> Result<Placed, LakeError> {
        Placing { format: self, publication, by: By::Another { needed } }.run().await
    }

    async fn fates(&self, commit: &Commit) -> Result<Vec<FileFate>, LakeError> {
        fates::fates(&*self.store, commit).await
    }

    async fn withdraw(&self, commit: &Commit) -> Result<(), LakeError> {
        fates::withdraw(&*self.store, commit).await
    }

    async fn kept(&self, version: u64) -> Result<Kept, LakeError> {
        kept::copies(self, version).await
    }

    async fn retain(&self, oldest: u64) -> Result<(), LakeError> {
        kept::prune(self, oldest).await
    }

    async fn expired(&self, oldest: u64) -> Result<Vec<Found>, LakeError> {
        kept::expired(self, oldest).await
    }
}
