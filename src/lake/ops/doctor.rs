//! Doctor: what stands in the way of the next run, or of readers, and what the next run does by itself.
//!
//! In: a plan, the tables of its config. Out: [`Finding`]s. Nothing is written and no lease is taken; a log that cannot be read is a finding like
//! any other, and what needs the log is not looked at then. Not here: whether files hold what was committed (`verify`).

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::Clock;
use crate::config::LakePlan;
use crate::lake::claim::Claims;
use crate::lake::format::{Fate, FileFate, format_of};
use crate::lake::lease::LeaseFile;
use crate::lake::log::{Commit, read_commit, versions};
use crate::lake::ops::Archive;
use crate::lake::store::{Store, open_store};
use crate::lake::trial::check_writable;
use crate::lake::{AnswerFolder, LakeError, Layout, manifest, outer, spool};

/// Who has to do something about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// The operator: no run gets past it.
    Operator,
    /// The next run does it.
    NextRun,
    /// Nobody.
    Nobody,
}

/// One thing that was found.
#[derive(Debug)]
pub(crate) struct Finding {
    /// What it is about, for scripts.
    pub(crate) kind: &'static str,
    /// Who has to do something.
    pub(crate) need: Need,
    /// The table that it is about.
    pub(crate) table: Option<String>,
    /// What it is.
    pub(crate) told: Told,
}

/// A finding in words.
#[derive(Debug)]
pub(crate) enum Told {
    /// What a run would be told.
    Error(Box<LakeError>),
    /// Text, and ways out.
    Words(String, Vec<String>),
}

/// What became of looking at a lake.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// The newest commit, 0 for none, as far as it could be read.
    pub(crate) version: u64,
    /// What was found, in the order in which a run comes to it.
    pub(crate) findings: Vec<Finding>,
}

/// A lake that is looked at.
struct Patient<'a> {
    store: Arc<dyn Store>,
    layout: Layout,
    clock: &'a dyn Clock,
    /// Tables of the config.
    tables: &'a [&'a str],
    is_busy: bool,
    found: Diagnosis,
}

/// Looks at the lake of `plan`; `tables` are those of its config.
///
/// # Errors
/// The store's, where they are no finding: it does not answer, or lets nobody in.
pub(crate) async fn diagnose(
    plan: &LakePlan,
    pipeline: &str,
    tables: &[&str],
    clock: &dyn Clock,
) -> Result<Diagnosis, LakeError> {
    let (store, layout) = (open_store(plan, false).await?, Layout::new(pipeline));
    let mut patient = Patient { store, layout, clock, tables, is_busy: false, found: Diagnosis::default() };
    let place = match outer::check_folder(plan) {
        Ok(()) => outer::check_new(&*patient.store, plan, &patient.layout).await,
        refused => refused,
    };
    patient.told("place", None, place)?;
    patient.told("access", None, check_writable(plan, &patient.layout, tables))?;
    patient.lease().await?;
    patient.log().await?;
    patient.leftovers();
    Ok(patient.found)
}

/// Whether an error is about what lies in the lake, and so a finding.
fn is_finding(error: &LakeError) -> bool {
    matches!(
        error,
        LakeError::Unreadable { .. }
            | LakeError::Disk { action: "write into", .. }
            | LakeError::Refused { .. }
            | LakeError::Claimed { .. }
            | LakeError::ClaimedTwice { .. }
            | LakeError::Foreign { .. }
            | LakeError::WithinLake { .. }
            | LakeError::SamePipeline { .. }
    )
}

impl Patient<'_> {
    fn note(&mut self, kind: &'static str, need: Need, table: Option<&str>, (text, ways): (String, Vec<String>)) {
        self.found.findings.push(Finding { kind, need, table: table.map(str::to_owned), told: Told::Words(text, ways) });
    }

    /// The result, unless it is a finding.
    fn told<T>(&mut self, kind: &'static str, table: Option<&str>, result: Result<T, LakeError>) -> Result<Option<T>, LakeError> {
        match result {
            Err(error) if is_finding(&error) => {
                let told = Told::Error(Box::new(error));
                self.found.findings.push(Finding { kind, need: Need::Operator, table: table.map(str::to_owned), told });
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    async fn lease(&mut self) -> Result<(), LakeError> {
        let path = self.layout.lease();
        let got = self.store.get(&path).await;
        let Some(Some(blob)) = self.told("lease", None, got)? else { return Ok(()) };
        let Some(lease) = LeaseFile::parse(&blob) else {
            let text = format!("the lease `{}` is none that can be read, and so nobody's", self.store.place(&path));
            self.note("lease", Need::NextRun, None, (text, Vec::new()));
            return Ok(());
        };
        let (run, host, pid) = (&lease.run, &lease.owner.host, lease.owner.pid);
        let age = lease.age(self.clock.now()).as_secs();
        let held = format!(
            "run `{run}` on `{host}` (process {pid}) holds the lake since {}, its last sign of life is {age} s old",
            lease.started
        );
        self.is_busy = !lease.is_stale(self.clock.now());
        if self.is_busy {
            self.note(
                "lease",
                Need::Nobody,
                None,
                (format!("{held}: it is at work, and whoever comes now ends with exit code 75"), Vec::new()),
            );
        } else {
            self.note(
                "lease",
                Need::NextRun,
                None,
                (format!("{held}: the lease has expired, and the next run takes it over"), Vec::new()),
            );
        }
        Ok(())
    }

    async fn log(&mut self) -> Result<(), LakeError> {
        let listed = versions(&*self.store, &self.layout).await;
        let Some(listed) = self.told("log", None, listed)? else { return Ok(()) };
        self.found.version = listed.head;
        let mut commits = Vec::new();
        for version in listed.pending.iter().copied().filter(|version| *version != listed.head) {
            let commit = self.commit(version).await;
            commits.extend(self.told("commit", None, commit)?);
        }
        let head = match listed.head {
            0 => None,
            newest => {
                let commit = self.commit(newest).await;
                match self.told("commit", None, commit)? {
                    Some(commit) => Some(commit),
                    None => return Ok(()),
                }
            }
        };
        let pending = listed.pending.clone();
        if let Some(head) = head.clone().filter(|head| pending.contains(&head.version)) {
            self.unpublished(head, pending.clone()).await?;
        }
        for commit in &commits {
            let text = format!("commit {} of run `{}` is not noted as published", commit.version, commit.run);
            self.note("commit", Need::NextRun, None, (text, Vec::new()));
        }
        commits.extend(head.clone());
        self.staging(&commits).await?;
        self.tables(head.as_ref(), pending.is_empty()).await
    }

    async fn commit(&self, version: u64) -> Result<Commit, LakeError> {
        let place = || self.store.place(&self.layout.commit(version));
        let missing = || LakeError::Unreadable { place: place(), why: "it is missing".to_owned() };
        read_commit(&*self.store, &self.layout, version).await?.ok_or_else(missing)
    }

    /// The newest commit, which is not known to be published.
    async fn unpublished(&mut self, head: Commit, pending: Vec<u64>) -> Result<(), LakeError> {
        let (version, run, written) = (head.version, head.run.clone(), head.written.clone());
        let named = format!("commit {version} of {written} by run `{run}`");
        if self.is_busy {
            self.note("commit", Need::Nobody, None, (format!("{named} is being published"), Vec::new()));
            return Ok(());
        }
        let archive = Archive::of(Arc::clone(&self.store), self.layout.clone(), head, pending);
        let files = archive.format.fates(&archive.head).await?;
        let of = |fate: Fate| files.iter().filter(move |file| file.fate == fate);
        for file in of(Fate::Taken) {
            let taken: Result<(), _> = Err(LakeError::Taken { version, place: file.place.clone() });
            let told = taken.map_err(|error| Told::Error(Box::new(error)));
            let table = Some(file.table.clone());
            self.found.findings.extend(told.err().map(|told| Finding { kind: "commit", need: Need::Operator, table, told }));
        }
        let tables: BTreeSet<&str> = of(Fate::Lost).map(|file| file.table.as_str()).collect();
        for table in tables {
            let lost: Vec<&FileFate> = of(Fate::Lost).filter(|file| file.table == table).collect();
            let rows: u64 = lost.iter().map(|file| file.rows).sum();
            let text = format!(
                "{named} promises {} of table `{table}`, with {rows} rows, that are gone for good: neither staged nor in place (the first: `{}`)",
                files_of(lost.len()),
                lost[0].place
            );
            let ways = vec![
                "put them back from a copy of the lake, or load the table anew with `--full-refresh`: rows that the API has no more are lost then"
                    .to_owned(),
                format!("or give the whole commit up: `lakeward abandon CONFIG {version}` lists what it brought"),
            ];
            self.note("commit", Need::Operator, Some(table), (text, ways));
        }
        let (staged, untold, placed) = (of(Fate::Staged).count(), of(Fate::Untold).count(), of(Fate::InPlace).count());
        let mut text = format!("{named} is not published whole: {} in place, {staged} staged", files_of(placed));
        if untold > 0 {
            text.push_str(&format!(", of {untold} the store does not tell whether their uploads are still there"));
        }
        let is_stuck = of(Fate::Taken).chain(of(Fate::Lost)).next().is_some();
        let ways = if is_stuck {
            Vec::new()
        } else {
            vec!["`lakeward run CONFIG` finishes it without asking the API for that".to_owned()]
        };
        self.note("commit", Need::NextRun, None, (text, ways));
        Ok(())
    }

    /// Unfinished work of runs that committed nothing.
    async fn staging(&mut self, commits: &[Commit]) -> Result<(), LakeError> {
        let folders = self.store.folders(&self.layout.stagings()).await?;
        let left = folders.iter().filter(|run| !commits.iter().any(|commit| commit.run == **run)).count();
        if left > 0 && !self.is_busy {
            let text = format!(
                "{} left files in `{}`: the next run removes them",
                if left == 1 { "1 unfinished run".to_owned() } else { format!("{left} unfinished runs") },
                self.store.place(&self.layout.stagings())
            );
            self.note("staging", Need::NextRun, None, (text, Vec::new()));
        }
        Ok(())
    }

    /// Manifests, folders and claims of the tables.
    async fn tables(&mut self, head: Option<&Commit>, is_settled: bool) -> Result<(), LakeError> {
        let (store, layout) = (Arc::clone(&self.store), self.layout.clone());
        let of_head = head.iter().flat_map(|head| head.tables.keys().map(String::as_str));
        let all: BTreeSet<&str> = of_head.chain(self.tables.iter().copied()).collect();
        for table in all {
            let claimed = Claims { store: &*store, layout: &layout }.check(&[table], head).await;
            if self.told("claim", Some(table), claimed)?.is_none() {
                continue;
            }
            let state = match head.and_then(|head| head.tables.get(table)) {
                Some(entry) => manifest::load(&*store, &layout, table, entry).await,
                None => Ok(Default::default()),
            };
            let Some(state) = self.told("manifest", Some(table), state)? else { continue };
            if is_settled && !self.is_busy {
                let looked = format_of(&store, &layout).snapshot(table, state, false).await;
                self.told("folder", Some(table), looked)?;
            }
        }
        if self.is_busy {
            return Ok(());
        }
        for (table, place) in (Claims { store: &*store, layout: &layout }).held().await? {
            let is_known = |known: &str| known.eq_ignore_ascii_case(&table);
            if head.is_some_and(|head| head.tables.keys().any(|known| is_known(known))) {
                continue;
            }
            let text = format!("`{place}` claims table `{table}` for this pipeline, which has committed no such table");
            if self.tables.iter().any(|known| is_known(known)) {
                self.note("claim", Need::NextRun, Some(&table), (format!("{text}: the next run goes on with it"), Vec::new()));
            } else {
                let way = "should another pipeline have the table, move this file away".to_owned();
                self.note("claim", Need::Nobody, Some(&table), (text, vec![way]));
            }
        }
        Ok(())
    }

    /// What killed processes left on this machine.
    fn leftovers(&mut self) {
        let answers = AnswerFolder::in_store(&*self.store, &self.layout);
        let left = if self.is_busy { Vec::new() } else { answers.list() };
        for (resource, _) in left {
            let path = answers.file(&resource);
            let text = format!(
                "`{}` is what an interrupted run was answered for `{resource}`: the next run goes on with it, or removes it",
                path.display()
            );
            self.note("answers", Need::NextRun, None, (text, Vec::new()));
        }
        for folder in spool::left_behind() {
            let text = format!(
                "`{}` was left by a process that is no more: the next run with a lake in a bucket removes it",
                folder.display()
            );
            self.note("spool", Need::NextRun, None, (text, Vec::new()));
        }
    }
}

fn files_of(count: usize) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}
