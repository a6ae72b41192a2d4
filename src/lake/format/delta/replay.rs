//! What a Delta log says of its table.
//!
//! In: the objects of `<table>/_delta_log`. Out: a [`Table`] at its newest version, or the commits behind one. Source: the Delta transaction log
//! protocol, "Action Reconciliation" and "Checkpoints". Invariants: versions follow each other without a gap, from a checkpoint or from
//! the first one on; whatever lies there, it is data that anybody may have written: what is read is bounded, and what is damaged is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, StructArray};
use futures::{StreamExt, TryStreamExt, stream};

use crate::base::caught;
use crate::lake::format::delta::actions::{Action, Add, Metadata, Protocol, Remove, decode_path};
use crate::lake::format::delta::features;
use crate::lake::format::delta::rows::value_of;
use crate::lake::parquet::ParquetSource;
use crate::lake::store::{Found, Store};
use crate::lake::{DataFile, LakeError, LiveFiles};

/// Commits that are read at once.
const PARALLEL_READS: usize = 8;

/// Commits behind a checkpoint that are read: other writers make a checkpoint every ten.
const COMMITS_MAX: u64 = 100_000;

/// Rows of a checkpoint that are read at once.
const BATCH_ROWS: usize = 8_192;

/// The folder of a table's log.
pub(super) fn folder(table: &str) -> String {
    format!("{table}/_delta_log")
}

/// A commit of the log.
pub(super) fn commit_path(table: &str, version: u64) -> String {
    format!("{}/{version:020}.json", folder(table))
}

/// The object of a checkpoint.
pub(super) fn checkpoint_path(table: &str, version: u64) -> String {
    format!("{}/{version:020}.checkpoint.parquet", folder(table))
}

/// What lies in a log's folder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Versions of commits, ascending.
    pub(super) commits: Vec<u64>,
    /// Whole checkpoints, each with its parts in order.
    pub(super) checkpoints: BTreeMap<u64, Vec<Found>>,
}

impl Listing {
    /// That of `table` in a listing of its folder.
    pub(super) fn of(table: &str, found: &[Found]) -> Self {
        let prefix = format!("{}/", folder(table));
        let mut listing = Self::default();
        let mut parts: BTreeMap<(u64, u64), Vec<Found>> = BTreeMap::new();
        for found in found {
            let Some(name) = found.path.strip_prefix(&prefix) else { continue };
            let mut words = name.split('.');
            let Some(version) = words.next().filter(|word| word.len() == 20).and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.collect::<Vec<_>>().as_slice() {
                ["json"] => listing.commits.push(version),
                ["checkpoint", "parquet"] => {
                    listing.checkpoints.insert(version, vec![found.clone()]);
                }
                ["checkpoint", _, of, "parquet"] => {
                    if let Ok(of) = of.parse() {
                        parts.entry((version, of)).or_default().push(found.clone());
                    }
                }
                _ => {}
            }
        }
        for ((version, of), parts) in parts {
            if parts.len() as u64 == of {
                listing.checkpoints.entry(version).or_insert(parts);
            }
        }
        listing.commits.sort_unstable();
        listing
    }

    /// The newest version.
    pub(crate) fn head(&self) -> Option<u64> {
        self.commits.last().copied().max(self.checkpoints.last_key_value().map(|(version, _)| *version))
    }
}

/// A table as its log has it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(super) version: u64,
    pub(super) protocol: Option<Protocol>,
    pub(super) metadata: Option<Metadata>,
    /// How far each application has come.
    pub(super) txns: BTreeMap<String, i64>,
    /// Its files, by decoded path.
    pub(super) files: BTreeMap<String, Add>,
    /// Files that it had, by decoded path, as far as the log tells them.
    pub(super) removed: BTreeMap<String, Remove>,
}

impl Table {
    /// Applies a commit.
    fn apply(&mut self, actions: Vec<Action>) -> Result<(), String> {
        for action in actions {
            if let Some(protocol) = action.protocol {
                self.protocol = Some(protocol);
            }
            if let Some(metadata) = action.meta_data {
                self.metadata = Some(metadata);
            }
            if let Some(txn) = action.txn {
                self.txns.insert(txn.app_id, txn.version);
            }
            if let Some(remove) = action.remove {
                let path = decode_path(&remove.path)?;
                self.files.remove(&path);
                self.removed.insert(path, remove);
            }
            if let Some(add) = action.add {
                let path = decode_path(&add.path)?;
                self.removed.remove(&path);
                self.files.insert(path, add);
            }
        }
        Ok(())
    }

    /// Refuses a table that this program does not go on with.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn check(&self) -> Result<(&Protocol, &Metadata), String> {
        let (Some(protocol), Some(metadata)) = (&self.protocol, &self.metadata) else {
            return Err("its log has no protocol and no schema".to_owned());
        };
        features::check(protocol, metadata)?;
        if let Some((path, _)) = self.files.iter().find(|(_, add)| add.deletion_vector.is_some()) {
            return Err(format!("the file `{path}` has a deletion vector"));
        }
        Ok((protocol, metadata))
    }
}

/// A log that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) table: &'a str,
}

impl Log<'_> {
    /// What lies in the log's folder.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn list(self) -> Result<Listing, LakeError> {
        Ok(Listing::of(self.table, &self.store.list(&folder(self.table)).await?))
    }

    /// The table at the newest version of `listing`; `None` without any.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn replay(self, listing: &Listing) -> Result<Option<Table>, LakeError> {
        let Some(head) = listing.head() else { return Ok(None) };
        let mut table = Table::default();
        let mut next = 0;
        if let Some((version, parts)) = listing.checkpoints.last_key_value() {
            for part in parts {
                let actions = self.checkpoint(part).await?;
                table.apply(actions).map_err(|why| self.damaged(&part.path, why))?;
            }
            next = version.saturating_add(1);
        }
        for (version, actions) in self.commits(next, head).await? {
            let applied = table.apply(actions);
            applied.map_err(|why| self.damaged(&commit_path(self.table, version), why))?;
        }
        table.version = head;
        Ok(Some(table))
    }

    /// The commits `from..=to`, none of which may be missing.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(super) async fn commits(self, from: u64, to: u64) -> Result<Vec<(u64, Vec<Action>)>, LakeError> {
        if to.saturating_sub(from) > COMMITS_MAX {
            let why = format!("{} commits lie behind its newest checkpoint", to - from);
            return Err(self.damaged(&folder(self.table), why));
        }
        let reads: Vec<_> = (from..=to).map(|version| self.commit(version)).collect();
        stream::iter(reads).buffered(PARALLEL_READS).try_collect().await
    }

    async fn commit(self, version: u64) -> Result<(u64, Vec<Action>), LakeError> {
        let path = commit_path(self.table, version);
        let blob = self.store.get(&path).await?.ok_or_else(|| self.damaged(&path, "it is missing".to_owned()))?;
        Ok((version, Action::parse(&blob.bytes).map_err(|why| self.damaged(&path, why))?))
    }

    async fn checkpoint(self, part: &Found) -> Result<Vec<Action>, LakeError> {
        let (files, part) = (self.store.live_files(), part.clone());
        let (path, place) = (part.path.clone(), self.store.place(&part.path));
        let read = tokio::task::spawn_blocking(move || caught(|| read_checkpoint(&files, &part, &place)));
        match read.await {
            Ok(Ok(actions)) => actions,
            // Whoever wrote it, it may be what no reader has met.
            Ok(Err(panic)) => Err(self.damaged(&path, panic.to_string())),
            Err(error) => Err(self.damaged(&path, error.to_string())),
        }
    }

    pub(super) fn damaged(self, path: &str, why: String) -> LakeError {
        LakeError::Unreadable { place: self.store.place(path), why }
    }
}

fn read_checkpoint(files: &Arc<dyn LiveFiles>, part: &Found, place: &str) -> Result<Vec<Action>, LakeError> {
    let file = DataFile {
        path: part.path.clone(),
        partition: Vec::new(),
        rows: 0,
        bytes: part.bytes,
        etag: part.etag.clone(),
        checksum: String::new(),
        key_ranges: BTreeMap::new(),
    };
    let source = ParquetSource::open(files.open(&file)?, part.path.clone())?;
    let wanted = ["protocol", "metaData", "txn", "add", "remove"];
    let columns: Vec<usize> =
        (0..source.schema().fields().len()).filter(|at| wanted.contains(&source.schema().field(*at).name().as_str())).collect();
    let mut actions = Vec::new();
    for batch in source.read((0..source.row_groups().len()).collect(), Some(&columns), None, BATCH_ROWS)? {
        let batch = batch?;
        let rows = StructArray::from(batch);
        for row in 0..rows.len() {
            let action = serde_json::from_value(value_of(&rows, row));
            let damaged = |error: serde_json::Error| LakeError::Unreadable { place: place.to_owned(), why: error.to_string() };
            actions.push(action.map_err(damaged)?);
        }
    }
    Ok(actions)
}

#[cfg(test)]
impl Listing {
    pub(crate) fn newest_checkpoint(&self) -> Option<u64> {
        self.checkpoints.last_key_value().map(|(version, _)| *version)
    }

    pub(crate) fn without_checkpoints(&self) -> Self {
        Self { commits: self.commits.clone(), ..Self::default() }
    }
}

#[cfg(test)]
impl Table {
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    pub(crate) fn removed_paths(&self) -> impl Iterator<Item = &str> {
        self.removed.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<Found> {
        names.iter().map(|name| Found { path: format!("t/{name}"), bytes: 1, etag: None }).collect()
    }

    #[test]
    fn a_listing_has_commits_and_whole_checkpoints() {
        let listing = Listing::of(
            "t",
            &found(&[
                "_delta_log/00000000000000000002.json",
                "_delta_log/00000000000000000001.json",
                "_delta_log/00000000000000000001.crc",
                "_delta_log/_last_checkpoint",
                "_delta_log/00000000000000000001.checkpoint.parquet",
                "_delta_log/00000000000000000002.checkpoint.0000000001.0000000002.parquet",
                "_delta_log/00000000000000000001.00000000000000000002.compacted.json",
                "part-000001.parquet",
            ]),
        );
        assert_eq!((listing.commits.as_slice(), listing.head()), ([1, 2].as_slice(), Some(2)));
        assert_eq!(listing.checkpoints.keys().copied().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn the_newest_action_of_a_path_counts() {
        let mut table = Table::default();
        let lines = |text: &str| Action::parse(text.as_bytes()).unwrap();
        table.apply(lines("{\"add\":{\"path\":\"a%20b\",\"size\":1}}\n{\"add\":{\"path\":\"c\",\"size\":1}}")).unwrap();
        table.apply(lines("{\"remove\":{\"path\":\"a%20b\",\"size\":1}}\n{\"add\":{\"path\":\"c\",\"size\":2}}")).unwrap();
        assert_eq!(table.files.iter().map(|(path, add)| (path.as_str(), add.size)).collect::<Vec<_>>(), [("c", 2)]);
        assert_eq!(table.removed.keys().collect::<Vec<_>>(), ["a b"]);
        assert!(table.apply(lines("{\"add\":{\"path\":\"s3://x/y\",\"size\":1}}")).unwrap_err().contains("outside"));
    }
}
