//! A survey of a lake by itself: its pipelines, and of each what it holds, what its last runs came to and what they left lying about.
//!
//! In: where the lake is. Out: [`PipelineFacts`]. Neither a config nor a lease is needed, and nothing is written. Bounded: so many of the newest
//! reports and commits are read, and of reports so many bytes. Not here: what the facts mean to a person (`report`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value};

use crate::base::{Clock, shown_json};
use crate::config::LakePlan;
use crate::lake::format::format_of;
use crate::lake::layout::HOME;
use crate::lake::lease::LeaseFile;
use crate::lake::log::{Commit, read_commit, versions};
use crate::lake::stage::small_files;
use crate::lake::store::{Store, open_store};
use crate::lake::{LakeError, Layout, Snapshot, manifest};

/// Objects of a lake that are read at once.
const AT_ONCE: usize = 16;
/// Pipelines of a lake that are looked at.
const PIPELINES_MAX: usize = 100;
/// Commits that are read for what no report tells.
const COMMITS_READ: u64 = 40;
/// Reports that are read whatever their age.
const REPORTS_LEAST: usize = 30;
/// Reports that are read at most.
const REPORTS_MOST: usize = 200;
/// Bytes of reports that are read.
const REPORT_BYTES_MAX: u64 = 16 << 20;
/// How far back the reports beyond those are read.
const LOOK_BACK: TimeDelta = TimeDelta::days(31);
/// Records of refused runs that a lake keeps.
const REFUSALS_KEPT: usize = 100;

/// What is known of a pipeline of a lake.
#[derive(Debug, Default)]
pub(crate) struct PipelineFacts {
    /// Its name.
    pub(crate) name: String,
    /// The newest commit, 0 for none.
    pub(crate) version: u64,
    /// When it was made, RFC 3339.
    pub(crate) written: Option<String>,
    /// What each resource remembers.
    pub(crate) state: Map<String, Value>,
    /// The tables.
    pub(crate) tables: BTreeMap<String, SurveyedTable>,
    /// Commits whose publish the next run finishes.
    pub(crate) pending: Vec<u64>,
    /// Runs that left unfinished work, or are at work.
    pub(crate) unfinished_runs: Vec<String>,
    /// Who holds the lake.
    pub(crate) lease: Option<LeaseFile>,
    /// Whether that lease may be taken over.
    pub(crate) is_lease_stale: bool,
    /// The newest commits, the newest first.
    pub(crate) commits: Vec<Commit>,
    /// Reports of the last runs, and records of those that were refused, the newest first.
    pub(crate) runs: Vec<Value>,
    /// How many reports and records there are.
    pub(crate) runs_in_all: usize,
    /// Why the log cannot be read.
    pub(crate) unreadable: Vec<LakeError>,
}

/// A table as it is surveyed.
#[derive(Debug)]
pub(crate) struct SurveyedTable {
    /// What its manifest tells; `None` where that cannot be read.
    pub(crate) snapshot: Option<Snapshot>,
    /// The commit that changed it last, and when that was made, where it is still told.
    pub(crate) changed: (u64, Option<String>),
    /// Small files that could be put together.
    pub(crate) small: u64,
    /// What of its folder is not as the last commit left it, or why its manifest cannot be read.
    pub(crate) difference: Option<LakeError>,
}

/// How a survey is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SurveyOptions<'a> {
    /// Only this pipeline.
    pub(crate) only: Option<&'a str>,
    /// Size at which a data file is split.
    pub(crate) target_file_size: u64,
    /// Whether the tables' folders are listed.
    pub(crate) looks_at_folders: bool,
}

/// A lake that is surveyed.
#[derive(Debug, Clone)]
pub(crate) struct SurveyedLake {
    pub(super) store: Arc<dyn Store>,
}

impl SurveyedLake {
    /// The lake of `plan`, which need not be there.
    ///
    /// # Errors
    /// Those of a store that cannot be opened.
    pub(crate) async fn open(plan: &LakePlan) -> Result<Self, LakeError> {
        Ok(Self { store: open_store(plan, false).await? })
    }

    /// Where it is.
    pub(crate) fn place(&self) -> String {
        self.store.place("").trim_end_matches('/').to_owned()
    }

    /// Its pipelines, by name.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn pipelines(&self) -> Result<Vec<String>, LakeError> {
        let mut names = self.store.folders(HOME).await?;
        names.retain(|name| !name.starts_with('_'));
        names.sort();
        names.truncate(PIPELINES_MAX);
        Ok(names)
    }

    /// The tables of a pipeline; none before its first commit.
    ///
    /// # Errors
    /// [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn table_names(&self, pipeline: &str) -> Result<Vec<String>, LakeError> {
        let (store, layout) = (&*self.store, Layout::new(pipeline));
        let newest = versions(store, &layout).await?.head;
        Ok(read_commit(store, &layout, newest).await?.map(|head| head.tables.into_keys().collect()).unwrap_or_default())
    }

    /// What is known of its pipelines.
    ///
    /// # Errors
    /// The store's; what is damaged of a pipeline is among its facts.
    pub(crate) async fn survey(&self, options: SurveyOptions<'_>, clock: &dyn Clock) -> Result<Vec<PipelineFacts>, LakeError> {
        let mut names = self.pipelines().await?;
        names.retain(|name| options.only.is_none_or(|only| only == name));
        let mut found = Vec::new();
        for name in names {
            found.push(self.pipeline(&name, options, clock).await?);
        }
        Ok(found)
    }

    async fn pipeline(&self, name: &str, options: SurveyOptions<'_>, clock: &dyn Clock) -> Result<PipelineFacts, LakeError> {
        let (store, layout) = (&*self.store, Layout::new(name));
        let now = clock.now();
        let lease = store.get(&layout.lease()).await?.as_ref().and_then(LeaseFile::parse);
        let mut facts = PipelineFacts {
            name: name.to_owned(),
            unfinished_runs: store.folders(&layout.stagings()).await?,
            is_lease_stale: lease.as_ref().is_some_and(|lease| lease.is_stale(now)),
            lease,
            ..PipelineFacts::default()
        };
        (facts.runs, facts.runs_in_all) = self.last_runs(&layout, now).await?;
        let told = match versions(store, &layout).await {
            Ok(told) => told,
            Err(error) => return unreadable(facts, error),
        };
        (facts.version, facts.pending) = (told.head, told.pending);
        let first = told.head.saturating_sub(COMMITS_READ - 1).max(1);
        let read = stream::iter((first..=told.head).rev().map(|version| read_commit(store, &layout, version))).buffered(AT_ONCE);
        let commits: Result<Vec<Option<Commit>>, LakeError> = read.try_collect().await;
        facts.commits = match commits {
            Ok(commits) => commits.into_iter().flatten().collect(),
            Err(error) => return unreadable(facts, error),
        };
        let Some(head) = facts.commits.first().filter(|head| head.version == told.head).cloned() else { return Ok(facts) };
        facts.commits.retain(|commit| commit.version >= head.oldest);
        (facts.written, facts.state) = (Some(head.written.clone()), head.state.clone());
        let is_moving = !facts.pending.is_empty() || facts.lease.is_some() && !facts.is_lease_stale;
        let looks = options.looks_at_folders && !is_moving;
        let format = format_of(&self.store, &layout);
        let tables = stream::iter(&head.tables).map(|(table, entry)| {
            let (layout, format) = (&layout, &format);
            async move {
                let snapshot = match manifest::load(store, layout, table, entry).await {
                    Ok(snapshot) => snapshot,
                    Err(error) => return (table, entry.version, Err(error)),
                };
                let looked = match looks {
                    true => format.snapshot(table, snapshot.clone(), false).await.map(drop),
                    false => Ok(()),
                };
                let difference = match looked {
                    Ok(()) => None,
                    Err(error @ (LakeError::Foreign { .. } | LakeError::Delta { .. })) => Some(error),
                    Err(error) => return (table, entry.version, Err(error)),
                };
                (table, entry.version, Ok((snapshot, difference)))
            }
        });
        let tables: Vec<_> = tables.buffered(AT_ONCE).collect().await;
        for (table, version, read) in tables {
            let (snapshot, difference) = match read {
                Ok((snapshot, difference)) => (Some(snapshot), difference),
                Err(error @ LakeError::Unreadable { .. }) => (None, Some(error)),
                Err(error) => return Err(error),
            };
            let written = facts.commits.iter().find(|commit| commit.version == version);
            let changed = (version, written.map(|commit| commit.written.clone()));
            let small = snapshot.iter().flat_map(|snapshot| small_files(snapshot, options.target_file_size));
            let small = small.map(|part| part.len() as u64).sum();
            facts.tables.insert(table.clone(), SurveyedTable { snapshot, changed, small, difference });
        }
        Ok(facts)
    }

    /// The last runs, the newest first, and how many there are.
    async fn last_runs(&self, layout: &Layout, now: DateTime<Utc>) -> Result<(Vec<Value>, usize), LakeError> {
        let listed = self.listed_runs(layout).await?;
        let since = (now - LOOK_BACK).format("%Y-%m-%dT%H-%M-%SZ").to_string();
        let mut bytes = 0_u64;
        let wanted = listed.iter().enumerate().take_while(|(at, (run, _, size))| {
            bytes = bytes.saturating_add(*size);
            *at < REPORTS_MOST && bytes <= REPORT_BYTES_MAX && (*at < REPORTS_LEAST || run.as_str() >= since.as_str())
        });
        let wanted: Vec<&str> = wanted.map(|(_, (_, path, _))| path.as_str()).collect();
        Ok((self.read_runs(&wanted, |report| report).await?, listed.len()))
    }

    /// Runs that have a report or a record, the newest first: each with its path and bytes.
    async fn listed_runs(&self, layout: &Layout) -> Result<Vec<(String, String, u64)>, LakeError> {
        let mut listed = Vec::new();
        for folder in [layout.reports(), layout.refusals()] {
            for found in self.store.list(&folder).await? {
                if let Some(run) = Layout::parse_report(&found.path) {
                    listed.push((run.to_owned(), found.path.clone(), found.bytes));
                }
            }
        }
        listed.sort_by(|(a, ..), (b, ..)| b.cmp(a));
        Ok(listed)
    }

    /// What `take` makes of the reports at these paths, as far as they can be read, in the order in which the runs began, the newest first. Few reports are
    /// in memory at once.
    async fn read_runs<T>(&self, paths: &[&str], take: impl Fn(Value) -> T) -> Result<Vec<T>, LakeError> {
        let store = &*self.store;
        let read = stream::iter(paths.to_vec()).map(|path| async move { store.get(path).await.map(|blob| (blob, path)) });
        let mut read = std::pin::pin!(read.buffered(AT_ONCE));
        let mut runs = Vec::new();
        while let Some((blob, path)) = read.try_next().await? {
            let Some(Ok(Value::Object(mut report))) = blob.map(|blob| serde_json::from_slice(&blob.bytes)) else { continue };
            // A name of the lake's own counts, not what stands in the file.
            let run = Layout::parse_report(path).unwrap_or_default();
            report.insert("run_id".to_owned(), run.into());
            if path.contains("/refused/") {
                report.insert("status".to_owned(), "refused".into());
            }
            let report = Value::Object(report);
            let order = (text_of(&report, "started"), report.get("version").and_then(Value::as_u64));
            runs.push((order, take(report)));
        }
        runs.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(runs.into_iter().map(|(_, run)| run).collect())
    }

    /// What `take` makes of the runs of a pipeline before the run `before`, the newest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn runs_before<T>(
        &self,
        pipeline: &str,
        (before, limit): (&str, usize),
        take: impl Fn(Value) -> T,
    ) -> Result<Vec<T>, LakeError> {
        let listed = self.listed_runs(&Layout::new(pipeline)).await?;
        let older = listed.iter().filter(|(run, ..)| run.as_str() < before);
        let wanted: Vec<&str> = older.take(limit).map(|(_, path, _)| path.as_str()).collect();
        self.read_runs(&wanted, take).await
    }

    /// The report or the record of one run, whose name may be cut short where that is clear; all that fit where it is not.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn run(&self, pipeline: &str, run: &str) -> Result<Vec<Value>, LakeError> {
        let listed = self.listed_runs(&Layout::new(pipeline)).await?;
        let exact = listed.iter().filter(|(known, ..)| known == run);
        let mut paths: Vec<&str> = exact.map(|(_, path, _)| path.as_str()).take(1).collect();
        if paths.is_empty() {
            let fits = |known: &str| known.starts_with(run) || known.ends_with(run) && run.len() >= 4;
            paths = listed.iter().filter(|(known, ..)| fits(known)).map(|(_, path, _)| path.as_str()).take(10).collect();
        }
        self.read_runs(&paths, |report| report).await
    }
}

/// Facts of a pipeline whose log is damaged.
fn unreadable(mut facts: PipelineFacts, error: LakeError) -> Result<PipelineFacts, LakeError> {
    if !matches!(error, LakeError::Unreadable { .. }) {
        return Err(error);
    }
    facts.unreadable.push(error);
    Ok(facts)
}

fn text_of(report: &Value, key: &str) -> Option<String> {
    report.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Notes a run that did not come to hold the lake of `plan`, in a folder of such notes, of which the newest stay. `false` where there is no lake of this
/// pipeline yet: nothing is made for it.
///
/// # Errors
/// The store's.
pub(crate) async fn note_refused(plan: &LakePlan, pipeline: &str, run: &str, record: &Value) -> Result<bool, LakeError> {
    let (store, layout) = (open_store(plan, false).await?, Layout::new(pipeline));
    if store.head(&layout.marker()).await?.is_none() {
        return Ok(false);
    }
    store.put(&layout.refusal(run), shown_json(record.clone()).into_bytes()).await?;
    let noted = store.list(&layout.refusals()).await?;
    let old = noted.len().saturating_sub(REFUSALS_KEPT);
    for found in noted.iter().take(old) {
        store.remove(&found.path).await?;
    }
    Ok(true)
}

/// The runs among these that a later run found killed, and those that left unfinished work and hold no lease.
pub(crate) fn killed_runs(facts: &PipelineFacts) -> BTreeSet<String> {
    let holder = facts.lease.as_ref().filter(|_| !facts.is_lease_stale).map(|lease| lease.run.as_str());
    let stale = facts.lease.as_ref().filter(|_| facts.is_lease_stale).map(|lease| lease.run.clone());
    let fenced = facts.commits.iter().flat_map(|commit| commit.fences.iter().cloned());
    let is_over = |run: &String| Some(run.as_str()) != holder;
    fenced.chain(facts.unfinished_runs.iter().cloned()).chain(stale).filter(is_over).collect()
}

/// When a run began, as its name tells: `2026-11-30T06-34-04Z-7b649e`.
pub(crate) fn began(run: &str) -> String {
    let (date, time) = run.split_once('T').unwrap_or((run, ""));
    format!("{date}T{}Z", time.split('Z').next().unwrap_or_default().replace('-', ":"))
}

/// A time as the records of runs spell it.
pub(crate) fn spelled(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
