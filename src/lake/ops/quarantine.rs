//! What was set aside of a table and still counts, and which runs loaded the table.
//!
//! In: the log, from its newest commit back along what the lake's content has come from: a rollback leads to the version that it brought back. Out:
//! files of rejects, and whether a run has loaded the table after the one that brought them. Invariants: rejects count only where the commit that names them is part of
//! the table's content; what came before a run that loaded the table anew, or before a repair, does not count. Nothing is written.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lake::LakeError;
use crate::lake::log::{Commit, Purpose};
use crate::lake::ops::Archive;

/// Reports of runs that are looked through for those that changed nothing.
const REPORTS_READ: usize = 100;

/// What was set aside of a table.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    /// Files of rejects, the oldest first.
    pub(crate) files: Vec<RejectFile>,
    /// Commits by which a run loaded the table, with the run's name.
    loads: Vec<(u64, String)>,
    /// Runs that published the table by their own report, each with the version that it found or made.
    reported: Vec<(u64, String)>,
    /// Whether there are reports that nobody has read.
    is_cut: bool,
}

/// A file of rejects.
#[derive(Debug, Clone)]
pub(crate) struct RejectFile {
    /// The commit that names it.
    pub(crate) version: u64,
    /// Its run.
    pub(crate) run: String,
    /// Where it lies, below the lake's root.
    path: String,
}

impl SetAside {
    /// Whether a run after `run`, which made `version`, loaded the table, as far as that is known.
    pub(crate) fn is_newer_load_than(&self, (version, run): (u64, &str)) -> bool {
        let is_newer = |(at, by): &&(u64, String)| *at > version || *at == version && by != run;
        self.loads.iter().any(|(at, _)| *at > version) || self.reported.iter().any(|load| is_newer(&load)) || self.is_cut
    }
}

/// A table on the way back through the log.
struct Track {
    /// Its name at that commit.
    table: String,
    resource: String,
    found: SetAside,
    /// A repair has gone through all that was set aside before.
    has_all_files: bool,
    is_done: bool,
}

impl Track {
    /// Takes what a commit tells, which was made on `before`.
    fn take(&mut self, commit: &Commit, before: Option<&Commit>, own: impl Fn(&str) -> bool) {
        let (table, version) = (self.table.as_str(), commit.version);
        let is_rebuilt = commit.rebuilt.iter().any(|rebuilt| rebuilt == table);
        let has_all = self.has_all_files;
        let files = commit.quarantine.iter().rev().filter(|path| !has_all && own(path));
        self.found.files.extend(files.map(|path| RejectFile { version, run: commit.run.clone(), path: path.clone() }));
        let state = |commit: &Commit| commit.state.get(&self.resource).cloned();
        let is_loaded = commit.tables.get(table).is_some_and(|entry| entry.version == version)
            || state(commit) != before.and_then(state)
            || is_rebuilt;
        if commit.purpose == Purpose::Run && is_loaded {
            self.found.loads.push((version, commit.run.clone()));
        }
        self.has_all_files |= commit.repaired.iter().any(|repaired| repaired == table);
        let known = before.map(|before| &before.tables);
        let old_name = known.filter(|_| commit.purpose == Purpose::Rename).and_then(|known| {
            let is_new = !known.contains_key(table);
            known.keys().find(|name| is_new && !commit.tables.contains_key(*name))
        });
        self.is_done = is_rebuilt || old_name.is_none() && !known.is_some_and(|known| known.contains_key(table));
        if let Some(name) = old_name {
            self.table = name.clone();
        }
    }
}

impl Archive {
    /// What was set aside of tables, each with the resource that loads it; those of which something was.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn set_aside(&self, tables: &[(String, String)]) -> Result<BTreeMap<String, SetAside>, LakeError> {
        let known = tables.iter().filter(|(table, _)| self.head.tables.contains_key(table));
        let track = |(table, resource): &(String, String)| Track {
            table: table.clone(),
            resource: resource.clone(),
            found: SetAside::default(),
            has_all_files: false,
            is_done: false,
        };
        let mut tracks: BTreeMap<String, Track> = known.map(|known| (known.0.clone(), track(known))).collect();
        let mut next = Some(self.head.clone());
        while let Some(commit) = next.take() {
            if tracks.values().all(|track| track.is_done) {
                break;
            }
            let before = self.content_before(&commit).await?;
            for track in tracks.values_mut().filter(|track| !track.is_done) {
                let table = track.table.clone();
                let own = |path: &str| self.layout.parse_quarantine(path).is_some_and(|(of, _)| of == table);
                track.take(&commit, before.as_ref(), own);
            }
            next = before;
        }
        tracks.retain(|_, track| !track.found.files.is_empty());
        let mut found: BTreeMap<String, (String, SetAside)> =
            tracks.into_iter().map(|(table, track)| (table, (track.resource, track.found))).collect();
        found.values_mut().for_each(|(_, found)| found.files.reverse());
        self.add_reports(&mut found).await?;
        Ok(found.into_iter().map(|(table, (_, found))| (table, found)).collect())
    }

    /// How many records were set aside of tables, each with the resource that loads it, and still count; of those that have some.
    ///
    /// # Errors
    /// Those of [`Archive::set_aside`] and [`Archive::reject_lines`].
    pub(crate) async fn records_aside(&self, tables: &[(String, String)]) -> Result<BTreeMap<String, u64>, LakeError> {
        let mut counts = BTreeMap::new();
        // Most lakes have none, and need no way back through the log.
        if self.store.folders(&self.layout.quarantines()).await?.is_empty() {
            return Ok(counts);
        }
        for (table, aside) in self.set_aside(tables).await? {
            let mut records = 0;
            for file in &aside.files {
                records += self.reject_lines(file).await?.0.len() as u64;
            }
            if records > 0 {
                counts.insert(table, records);
            }
        }
        Ok(counts)
    }

    /// The commit whose content `commit` was made on; `None` where there is none, or it was collected.
    async fn content_before(&self, commit: &Commit) -> Result<Option<Commit>, LakeError> {
        let version = match commit.purpose {
            Purpose::Rollback { to } => to,
            Purpose::Abandonment { of } => of.saturating_sub(1),
            _ => commit.parent,
        };
        // What claims to lead forward leads nowhere.
        if version == 0 || version >= commit.version {
            return Ok(None);
        }
        match self.commit(version).await {
            Err(LakeError::NoVersion { .. }) => Ok(None),
            before => before.map(Some),
        }
    }

    /// Adds the runs that published a table by their reports: one that changed nothing makes no commit.
    async fn add_reports(&self, found: &mut BTreeMap<String, (String, SetAside)>) -> Result<(), LakeError> {
        let oldest = found.values().flat_map(|(_, found)| &found.files).map(|file| file.version).min();
        let Some(oldest) = oldest else { return Ok(()) };
        let listed = self.store.list(&self.layout.reports()).await?;
        // Names tell the second; of the reports of one second none is known to be the last.
        let mut ends_with = None;
        for (read, at) in listed.iter().rev().enumerate() {
            let second = at.path.rsplit_once('-').map(|(second, _)| second.to_owned());
            if ends_with.is_some() && ends_with != second {
                return Ok(());
            }
            if read == REPORTS_READ {
                found.values_mut().for_each(|(_, found)| found.is_cut = true);
                return Ok(());
            }
            let Some(blob) = self.store.get(&at.path).await? else { continue };
            let Ok(report) = serde_json::from_slice::<Value>(&blob.bytes) else { continue };
            let (Some(version), Some(run)) = (report["version"].as_u64(), report["run_id"].as_str()) else { continue };
            if version < oldest {
                ends_with = second;
            }
            for (resource, found) in found.values_mut() {
                if report["tables"][resource.as_str()]["status"] == "published" {
                    found.reported.push((version, run.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The lines of a file of rejects, each a JSON object; none where somebody has removed it.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`] for a line that is none, [`LakeError::TooLarge`]; the store's.
    pub(crate) async fn reject_lines(&self, file: &RejectFile) -> Result<(Vec<Value>, u64), LakeError> {
        let Some(blob) = self.store.get(&file.path).await? else { return Ok((Vec::new(), 0)) };
        let lines = blob.bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
        let read = lines.map(|(number, line)| match serde_json::from_slice::<Value>(line) {
            Ok(line) if line.is_object() => Ok(line),
            read => {
                let why = read.err().map_or_else(|| "it is no object".to_owned(), |error| error.to_string());
                let why = format!("line {} is not what lakeward writes: {why}", number + 1);
                Err(LakeError::Unreadable { place: self.store.place(&file.path), why })
            }
        });
        Ok((read.collect::<Result<_, _>>()?, blob.bytes.len() as u64))
    }
}
