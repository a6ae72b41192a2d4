//! Claims: which pipeline of a lake a table belongs to.
//!
//! Each pipeline has a log of its own, so nothing in a log keeps two of them from writing one table. A claim does: an object
//! that is created once, before the commit that first has the table, and removed after the one that drops it. Names are
//! compared without case. A table without a claim, as lakewards before this one left it, belongs to the one pipeline whose
//! newest commit has it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::lake::layout::HOME;
use crate::lake::log::{Commit, FORMAT, read_commit, read_json, to_json, versions};
use crate::lake::store::Store;
use crate::lake::{LakeError, Layout};

/// Times that a create is asked for again when its answer contradicts what is there.
const TRIES: u32 = 3;

/// The content of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    format: u32,
    table: String,
    pipeline: String,
}

/// The claims of a lake, as one pipeline sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claims<'a> {
    /// The store.
    pub(crate) store: &'a dyn Store,
    /// The pipeline's paths.
    pub(crate) layout: &'a Layout,
}

impl Claims<'_> {
    /// Checks, before anything is asked of an API, that no other pipeline has one of `tables`; `head` is this one's newest
    /// commit. The tables that it has without a claim.
    ///
    /// # Errors
    /// [`LakeError::Claimed`], [`LakeError::ClaimedTwice`]; the store's.
    pub(crate) async fn check(&self, tables: &[&str], head: Option<&Commit>) -> Result<Vec<String>, LakeError> {
        let (mut others, mut unclaimed) = (None, Vec::new());
        for table in tables {
            if let Some(owner) = self.owner(table).await? {
                self.expect_mine(table, owner, false)?;
                continue;
            }
            if others.is_none() {
                others = Some(self.other_heads().await?);
            }
            let has = |commit: &Commit| commit.tables.keys().any(|name| folded(name) == folded(table));
            let heads = others.iter().flatten();
            let owners: Vec<String> = heads.filter(|(_, commit)| has(commit)).map(|(name, _)| name.clone()).collect();
            match (head.is_some_and(has), owners.is_empty()) {
                (false, true) => {}
                (true, true) => unclaimed.push((*table).to_owned()),
                (false, false) => self.expect_mine(table, owners.join("`, `"), false)?,
                (true, false) => {
                    let place = self.store.place(&self.layout.claim(&folded(table)));
                    let pipelines = std::iter::once(self.layout.pipeline().to_owned()).chain(owners).collect();
                    return Err(LakeError::ClaimedTwice { table: (*table).to_owned(), pipelines, place });
                }
            }
        }
        Ok(unclaimed)
    }

    /// Claims a table, `late` after requests were made for it. The claim of a killed run of the same pipeline is as good.
    ///
    /// # Errors
    /// [`LakeError::Claimed`]; the store's.
    pub(crate) async fn take(&self, table: &str, late: bool) -> Result<(), LakeError> {
        let claim = Claim { format: FORMAT, table: table.to_owned(), pipeline: self.layout.pipeline().to_owned() };
        let (path, content) = (self.layout.claim(&folded(table)), to_json(&claim));
        for _ in 0..TRIES {
            if self.store.create(&path, content.clone()).await? {
                return Ok(());
            }
            if let Some(owner) = self.owner(table).await? {
                return self.expect_mine(table, owner, late);
            }
        }
        Err(LakeError::Unreadable { place: self.store.place(&path), why: "it was there and is gone".to_owned() })
    }

    /// Whether the table is this pipeline's.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn is_mine(&self, table: &str) -> Result<bool, LakeError> {
        Ok(self.owner(table).await?.is_some_and(|owner| owner == self.layout.pipeline()))
    }

    /// Gives a table back, if it is this pipeline's.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn release(&self, table: &str) -> Result<(), LakeError> {
        match self.is_mine(table).await? {
            true => self.store.remove(&self.layout.claim(&folded(table))).await,
            false => Ok(()),
        }
    }

    /// The pipeline that a table's claim names; `None` without a claim.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn owner(&self, table: &str) -> Result<Option<String>, LakeError> {
        let claim: Option<Claim> = read_json(self.store, &self.layout.claim(&folded(table))).await?;
        Ok(claim.map(|claim| claim.pipeline))
    }

    fn expect_mine(&self, table: &str, owner: String, late: bool) -> Result<(), LakeError> {
        if owner == self.layout.pipeline() {
            return Ok(());
        }
        let place = self.store.place(&self.layout.claim(&folded(table)));
        Err(LakeError::Claimed { table: table.to_owned(), owner, place, late })
    }

    /// The newest commit of every other pipeline.
    async fn other_heads(&self) -> Result<Vec<(String, Commit)>, LakeError> {
        let mut heads = Vec::new();
        for pipeline in self.store.folders(HOME).await? {
            // No pipeline's name begins so.
            if pipeline.starts_with(['_', '.']) || pipeline == self.layout.pipeline() {
                continue;
            }
            let layout = Layout::new(&pipeline);
            let head = versions(self.store, &layout).await?.head;
            if let Some(commit) = read_commit(self.store, &layout, head).await? {
                heads.push((pipeline, commit));
            }
        }
        Ok(heads)
    }
}

/// The tables that `before` has and `after` has not, in any spelling.
pub(crate) fn released(before: Option<&Commit>, after: &Commit) -> Vec<String> {
    let kept: BTreeSet<String> = after.tables.keys().map(|table| folded(table)).collect();
    let tables = before.into_iter().flat_map(|commit| commit.tables.keys());
    tables.filter(|table| !kept.contains(&folded(table))).cloned().collect()
}

/// A table's name for comparison; names are ASCII.
fn folded(table: &str) -> String {
    table.to_ascii_lowercase()
}
