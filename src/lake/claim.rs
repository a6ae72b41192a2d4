//! Claims: which pipeline of a lake a table belongs to.
//!
//! Each pipeline has a log of its own, so nothing in a log keeps two of them from writing one table. A claim does: an object
//! that is created once, before the commit that first has the table. Behind the commit that drops it, a second object gives it back, and who
//! takes the table then creates a third one: the newest of these records counts. They also hand on where the numbers of files go on. Invariants: a record is never changed nor removed, so that
//! nobody who slept gives back what was taken again; a drop gives back what was taken up to its own version, and nothing later. Names are
//! compared without case. A table without a claim, as lakewards before claims left it, belongs to the one pipeline whose
//! newest commit has it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::lake::layout::HOME;
use crate::lake::log::{Commit, FORMAT, read_commit, read_json, to_json, versions};
use crate::lake::store::Store;
use crate::lake::trust::NUMBER_MAX;
use crate::lake::{LakeError, Layout};

/// Times that a create is asked for again when its answer contradicts what is there.
const TRIES: u32 = 3;

/// The content of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    format: u32,
    table: String,
    /// Who has the table, or gave it back.
    pipeline: String,
    /// The first commit that it may be for; the drop, of a record that gives the table back. 0 in those of an older lakeward.
    #[serde(default)]
    version: u64,
    /// The next file number of a table that was dropped, so that one of its name uses no name of its files again.
    #[serde(default)]
    next_number: u64,
    /// Whether it gives the table back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    released: bool,
}

/// The newest record of a table.
#[derive(Debug)]
struct Newest {
    number: u64,
    record: Option<Claim>,
}

impl Newest {
    /// The claim, unless it was given back.
    fn claim(&self) -> Option<&Claim> {
        self.record.as_ref().filter(|record| !record.released)
    }

    /// The next file number that the record hands on.
    fn next_number(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.next_number.min(NUMBER_MAX))
    }

    /// The number of the next record.
    fn next(&self) -> u64 {
        self.number + u64::from(self.record.is_some())
    }
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
        let (numbers, mut others, mut unclaimed) = (self.numbers().await?, None, Vec::new());
        for table in tables {
            let newest = self.newest(&numbers, table).await?;
            if let Some(claim) = newest.claim() {
                self.expect_mine(table, (newest.number, &claim.pipeline), false)?;
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
                (false, false) => self.expect_mine(table, (newest.next(), &owners.join("`, `")), false)?,
                (true, false) => {
                    let place = self.place(table, newest.next());
                    let pipelines = std::iter::once(self.layout.pipeline().to_owned()).chain(owners).collect();
                    return Err(LakeError::ClaimedTwice { table: (*table).to_owned(), pipelines, place });
                }
            }
        }
        Ok(unclaimed)
    }

    /// Claims tables for commit `version` or a later one, `late` after requests were made for them. The claim of a killed run of the same
    /// pipeline is as good.
    ///
    /// # Errors
    /// [`LakeError::Claimed`]; the store's.
    pub(crate) async fn take(&self, tables: &[&str], version: u64, late: bool) -> Result<(), LakeError> {
        let mut left = tables.to_vec();
        for _ in 0..TRIES {
            if left.is_empty() {
                return Ok(());
            }
            let (numbers, mut again) = (self.numbers().await?, Vec::new());
            for table in left {
                let newest = self.newest(&numbers, table).await?;
                if let Some(claim) = newest.claim() {
                    self.expect_mine(table, (newest.number, &claim.pipeline), late)?;
                } else if !self.record(table, &newest, (version, 0), false).await? {
                    again.push(table);
                }
            }
            left = again;
        }
        match left.first() {
            None => Ok(()),
            Some(table) => Err(LakeError::Unreadable { place: self.place(table, 0), why: "it was there and is gone".to_owned() }),
        }
    }

    /// Whether the table is this pipeline's by a claim that the drop of commit `version` gives back.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn is_up_to(&self, table: &str, version: u64) -> Result<bool, LakeError> {
        let newest = self.newest(&self.numbers().await?, table).await?;
        Ok(newest.claim().is_some_and(|claim| self.is_mine_up_to(claim, version)))
    }

    /// Gives a table back that commit `version` dropped, unless it is another pipeline's, or was taken again. Files of the table as it may come
    /// back are numbered from `next_number` on.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn release(&self, table: &str, (version, next_number): (u64, u64)) -> Result<(), LakeError> {
        for _ in 0..TRIES {
            let newest = self.newest(&self.numbers().await?, table).await?;
            let is_over = newest.claim().is_none_or(|claim| !self.is_mine_up_to(claim, version));
            if is_over || self.record(table, &newest, (version, next_number), true).await? {
                return Ok(());
            }
        }
        Err(LakeError::Unreadable { place: self.place(table, 0), why: "it was there and is gone".to_owned() })
    }

    /// From which number on the files of a table are named that no commit has.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn next_number(&self, table: &str) -> Result<u64, LakeError> {
        Ok(self.newest(&self.numbers().await?, table).await?.next_number())
    }

    /// The place of the newest record of a table, and the pipeline that has it; `None` without a claim.
    ///
    /// # Errors
    /// With the place: [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn owner(&self, table: &str) -> Result<(String, Result<Option<String>, LakeError>), LakeError> {
        let numbers = self.numbers().await?;
        let place = self.place(table, numbers.get(&folded(table)).copied().unwrap_or(0));
        let newest = self.newest(&numbers, table).await;
        Ok((place, newest.map(|newest| newest.claim().map(|claim| claim.pipeline.clone()))))
    }

    /// Tables that this pipeline has by a claim, each with its place. What cannot be read is left out.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn held(&self) -> Result<Vec<(String, String)>, LakeError> {
        let (numbers, mut held) = (self.numbers().await?, Vec::new());
        for (table, number) in &numbers {
            let newest = match self.newest(&numbers, table).await {
                Err(LakeError::Unreadable { .. } | LakeError::Refused { .. }) => continue,
                newest => newest?,
            };
            if let Some(claim) = newest.claim().filter(|claim| claim.pipeline == self.layout.pipeline()) {
                held.push((claim.table.clone(), self.place(table, *number)));
            }
        }
        Ok(held)
    }

    /// The newest record's number of each table that has any.
    async fn numbers(&self) -> Result<BTreeMap<String, u64>, LakeError> {
        let mut numbers = BTreeMap::new();
        for found in self.store.list(&self.layout.claims()).await? {
            if let Some((table, number)) = self.layout.parse_claim(&found.path) {
                let newest = numbers.entry(table.to_owned()).or_insert(number);
                *newest = number.max(*newest);
            }
        }
        Ok(numbers)
    }

    async fn newest(&self, numbers: &BTreeMap<String, u64>, table: &str) -> Result<Newest, LakeError> {
        let number = numbers.get(&folded(table)).copied().unwrap_or(0);
        Ok(Newest { number, record: read_json(self.store, &self.layout.claim(&folded(table), number)).await? })
    }

    /// Creates the record behind the newest one; `false` when there is one already.
    async fn record(
        &self,
        table: &str,
        newest: &Newest,
        (version, next_number): (u64, u64),
        released: bool,
    ) -> Result<bool, LakeError> {
        let pipeline = self.layout.pipeline().to_owned();
        let next_number = next_number.max(newest.next_number());
        let claim = Claim { format: FORMAT, table: table.to_owned(), pipeline, version, next_number, released };
        self.store.create(&self.layout.claim(&folded(table), newest.next()), to_json(&claim)).await
    }

    fn is_mine_up_to(&self, claim: &Claim, version: u64) -> bool {
        claim.pipeline == self.layout.pipeline() && claim.version <= version
    }

    fn place(&self, table: &str, number: u64) -> String {
        self.store.place(&self.layout.claim(&folded(table), number))
    }

    fn expect_mine(&self, table: &str, (number, owner): (u64, &str), late: bool) -> Result<(), LakeError> {
        if owner == self.layout.pipeline() {
            return Ok(());
        }
        let (place, owner) = (self.place(table, number), owner.to_owned());
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
