//! The lake as a run sees it: opened, its tables, its spool, closed.
//!
//! In: a plan, the pipeline's name, the run. Out: a [`Lake`] on which everything earlier runs began is finished, held by
//! this run's lease. [`inspect`] gives the same view without the lease and writes nothing. The commit is in
//! [`crate::lake::commit`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use crate::base::{Clock, shown_json};
use crate::config::LakePlan;
use crate::lake::claim::Claims;
use crate::lake::format::{TableFormat, format_of};
use crate::lake::lease::{Lease, LeaseFile, Owner};
use crate::lake::log::{Commit, Purpose, read_commit, to_json, versions};
use crate::lake::publish::{LostFile, Publisher, pass};
use crate::lake::spool::Spool;
use crate::lake::store::{Store, open_store, probe};
use crate::lake::view::{Look, View};
use crate::lake::{AnswerFolder, Archive, LakeError, Layout, LiveFiles, RejectLog, Snapshot, manifest, outer, recover};

/// What a lake is opened for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Opening<'a> {
    /// A run, and the tables that it needs; all of them where that is not told.
    Run(Option<&'a [&'a str]>),
    /// This commit is to be abandoned.
    Abandonment(u64),
}

/// A lake open for one run.
#[derive(Debug)]
pub(crate) struct Lake {
    pub(super) store: Arc<dyn Store>,
    pub(super) layout: Layout,
    pub(super) format: Arc<dyn TableFormat>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) run: String,
    /// The highest commit; published.
    pub(super) head: Option<Commit>,
    pub(super) quarantined: Vec<String>,
    pub(super) rebuilt: Vec<String>,
    pub(super) repaired: Vec<String>,
    /// Whether a commit of this run may stand in the log without being published: then its staging is the next run's.
    pub(super) is_unsettled: bool,
    lost: Vec<LostFile>,
    pub(super) keep_versions: u32,
    pub(super) retention: Duration,
    pub(super) purpose: Purpose,
    /// The oldest commit that is going to count, where this run collects.
    pub(super) oldest: u64,
    spool: Spool,
    lease: Lease,
    adopt: bool,
    /// Whether nothing is written into it.
    pub(super) is_dry: bool,
}

impl Lake {
    /// Opens the lake of `plan` for `run`: checks the store, takes the lease, finishes what earlier runs committed and removes
    /// what they did not.
    ///
    /// The lease comes first, so that a live run is not disturbed in its own publish. Of tables that are not among the `needed`, since this
    /// run loads them anew or no resource has them any more, committed files may be lost for good: [`Lake::lost`] has them.
    ///
    /// # Errors
    /// [`LakeError::Locked`] while another run is at work; [`LakeError::WithinLake`], [`LakeError::SamePipeline`];
    /// [`LakeError::UnsafeStore`], [`LakeError::Lost`], [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn open(
        plan: &LakePlan,
        pipeline: &str,
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
        needed: Option<&[&str]>,
    ) -> Result<Self, LakeError> {
        outer::check_folder(plan)?;
        let store = open_store(plan, true).await?;
        outer::check_new(&*store, plan, &Layout::new(pipeline)).await?;
        Self::open_in(store, (plan, pipeline), clock, run, owner, needed).await
    }

    /// The lake of `plan` as a run finds it that writes nothing: without a lease, and with its spool among the system's temporary files. What earlier
    /// runs left unfinished stays so.
    ///
    /// # Errors
    /// [`LakeError::Locked`] while a run is at work, [`LakeError::Unfinished`] where a commit is not published whole; those of [`Look::open`].
    pub(crate) async fn open_dry(plan: &LakePlan, pipeline: &str, clock: Arc<dyn Clock>, run: &str) -> Result<Self, LakeError> {
        let look = Look::open(plan, pipeline, &*clock).await?;
        look.check_free(&*clock)?;
        if let Some(version) = look.pending().first() {
            return Err(LakeError::Unfinished { version: *version });
        }
        let (store, layout, format, head) = look.into_parts();
        Ok(Self {
            lease: Lease::none(Arc::clone(&store), &layout, Arc::clone(&clock), run),
            spool: Spool::temporary(run).await?,
            store,
            layout,
            format,
            clock,
            run: run.to_owned(),
            head,
            quarantined: Vec::new(),
            rebuilt: Vec::new(),
            repaired: Vec::new(),
            is_unsettled: false,
            lost: Vec::new(),
            keep_versions: plan.keep_versions,
            retention: plan.retention,
            purpose: Purpose::Run,
            oldest: 0,
            adopt: plan.adopt,
            is_dry: true,
        })
    }

    /// [`LakeError::Conflict`] where a run has changed the lake since it was opened to be looked at alone.
    pub(crate) async fn moved(&self) -> Option<LakeError> {
        if !self.is_dry {
            return None;
        }
        let newest = versions(&*self.store, &self.layout).await.ok()?.head;
        let run = read_commit(&*self.store, &self.layout, newest).await.ok()?.map(|commit| commit.run);
        (newest != self.version()).then(|| LakeError::Conflict { run: run.unwrap_or_else(|| "unknown".to_owned()) })
    }

    /// The same of a lake that is there, for what is done with its tables: in another folder nothing is made.
    ///
    /// # Errors
    /// [`LakeError::NothingCommitted`]; those of [`Lake::open`].
    pub(crate) async fn open_committed(
        plan: &LakePlan,
        pipeline: &str,
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
    ) -> Result<Self, LakeError> {
        Archive::committed(plan, pipeline).await?;
        Self::open(plan, pipeline, clock, run, owner, None).await
    }

    /// Opens the lake of `plan` to abandon commit `version`, the newest. It is tried once more whether it can be published.
    ///
    /// # Errors
    /// [`LakeError::NothingToAbandon`] when it could; those of [`Lake::open_committed`].
    pub(crate) async fn open_to_abandon(
        plan: &LakePlan,
        pipeline: &str,
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
        version: u64,
    ) -> Result<Self, LakeError> {
        Archive::committed(plan, pipeline).await?;
        outer::check_folder(plan)?;
        let store = open_store(plan, true).await?;
        Self::open_for(store, (plan, pipeline), clock, run, owner, Opening::Abandonment(version)).await
    }

    /// [`Lake::open`] in a given store.
    pub(super) async fn open_in(
        store: Arc<dyn Store>,
        (plan, pipeline): (&LakePlan, &str),
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
        needed: Option<&[&str]>,
    ) -> Result<Self, LakeError> {
        Self::open_for(store, (plan, pipeline), clock, run, owner, Opening::Run(needed)).await
    }

    pub(super) async fn open_for(
        store: Arc<dyn Store>,
        (plan, pipeline): (&LakePlan, &str),
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
        opening: Opening<'_>,
    ) -> Result<Self, LakeError> {
        let layout = Layout::new(pipeline);
        probe(&*store, &layout, plan.allow_unsafe_store).await?;
        let lease = Lease::take(Arc::clone(&store), &layout, Arc::clone(&clock), run, owner).await?;
        // To finish what others began may take longer than a lease is fresh.
        let format = format_of(&store, &layout);
        let needed = if let Opening::Run(needed) = opening { needed } else { None };
        let publisher = Publisher { store: &*store, layout: &layout, clock: &*clock, format: &*format, run, needed };
        let opened = lease.keep_during(Self::recover(publisher, opening)).await;
        let (head, spool, lost) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // The lease would only keep the operator's next try waiting; the first error is the one to tell.
                let _ = lease.release().await;
                return Err(error);
            }
        };
        Ok(Self {
            store,
            layout,
            format,
            clock,
            run: run.to_owned(),
            head,
            quarantined: Vec::new(),
            rebuilt: Vec::new(),
            repaired: Vec::new(),
            is_unsettled: false,
            lost,
            keep_versions: plan.keep_versions,
            retention: plan.retention,
            purpose: Purpose::Run,
            oldest: 0,
            spool,
            lease,
            adopt: plan.adopt,
            is_dry: false,
        })
    }

    async fn recover(
        publisher: Publisher<'_>,
        opening: Opening<'_>,
    ) -> Result<(Option<Commit>, Spool, Vec<LostFile>), LakeError> {
        pass("lake.open.leased")?;
        let (Publisher { store, layout, clock, run, .. }, mut lost) = (publisher, Vec::new());
        let head = match opening {
            Opening::Run(_) => {
                let head = recover::roll_forward(publisher, &mut lost).await?;
                recover::clean(publisher, &timestamp(clock), head, &mut lost).await?
            }
            // What others left is the next run's to clear: a fence would stand on the commit that is abandoned.
            Opening::Abandonment(version) => Some(recover::stop_at(publisher, version).await?),
        };
        Ok((head, store.spool(&layout.staging(run), run).await?, lost))
    }

    /// Checks that none of `tables` is another pipeline's, before anything is read for them, and claims what this one has without a claim.
    ///
    /// # Errors
    /// [`LakeError::Claimed`], [`LakeError::ClaimedTwice`]; the store's.
    pub(crate) async fn check_claims(&self, tables: &[&str]) -> Result<(), LakeError> {
        let unclaimed = self.view().check_claims(tables).await?;
        if self.is_dry {
            return Ok(());
        }
        self.claims().take(&unclaimed.iter().map(String::as_str).collect::<Vec<_>>(), self.version() + 1, false).await
    }

    /// What the newest commit left, as a run goes by it.
    pub(crate) fn view(&self) -> View<'_> {
        let (store, layout, format) = (&*self.store, &self.layout, &*self.format);
        View { store, layout, format, head: self.head.as_ref(), adopt: self.adopt, is_settled: true }
    }

    /// Committed files that were lost for good when the lake was opened: their table and place.
    pub(crate) fn lost(&self) -> &[LostFile] {
        &self.lost
    }

    /// The folder for this run's finished and unfinished files, on local disk, and on the lake's own file system if the lake
    /// is on disk. Names in it must not end in `.parquet`.
    pub(crate) fn spool(&self) -> &Path {
        self.spool.path()
    }

    /// The folder in which the answers of a run wait for the next one.
    pub(crate) fn answers(&self) -> AnswerFolder {
        AnswerFolder::in_store(&*self.store, &self.layout)
    }

    /// What a run of `resource` into `table` begins with, as hex digits: equal as long as no commit has changed the table or the state.
    pub(crate) fn base_of(&self, resource: &str, table: &str) -> String {
        let head = self.head.as_ref();
        let of = (head.and_then(|head| head.tables.get(table)), head.and_then(|head| head.state.get(resource)));
        format!("{:032x}", xxh3_128(&to_json(&of)))
    }

    /// Whether a run of `resource` into `table` finds anything of earlier ones.
    pub(crate) fn has_past(&self, resource: &str, table: &str) -> bool {
        self.head.as_ref().is_some_and(|head| head.tables.contains_key(table) || head.state.contains_key(resource))
    }

    /// How the lake stores its tables.
    pub(crate) fn format(&self) -> Arc<dyn TableFormat> {
        Arc::clone(&self.format)
    }

    /// Opens the lake's data files for reading, from blocking threads.
    pub(crate) fn live_files(&self) -> Arc<dyn LiveFiles> {
        self.store.live_files()
    }

    /// The run's lease; `keep_during` or `keep_beside` has to hold it for as long as the run works.
    pub(crate) fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Keeps the rejects of `table` in the quarantine, one JSON object a line, and returns the files' paths below the root. Called
    /// before the commit, which then names the files. Nothing is written for no rejects.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn quarantine(&mut self, table: &str, rejects: &RejectLog) -> Result<Vec<String>, LakeError> {
        let mut paths = Vec::new();
        if self.is_dry {
            return Ok(paths);
        }
        for part in rejects.parts() {
            let path = self.layout.quarantine(table, &self.run, self.quarantined.len());
            self.store.put(&path, part.read().await?).await?;
            self.quarantined.push(path.clone());
            paths.push(path);
        }
        Ok(paths)
    }

    /// The next commit says that `table` has no rows but those of this run.
    pub(crate) fn note_rebuilt(&mut self, table: &str) {
        self.rebuilt.push(table.to_owned());
    }

    /// The next commit says that it went through the quarantine of `table`.
    pub(crate) fn note_repaired(&mut self, table: &str) {
        self.repaired.push(table.to_owned());
    }

    /// Keeps the run's report.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn report(&self, report: &Value) -> Result<(), LakeError> {
        if self.is_dry {
            return Ok(());
        }
        self.store.put(&self.layout.report(&self.run), shown_json(report.clone()).into_bytes()).await
    }

    /// Whether a commit of this run may stand in the log without being published.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }

    /// Drops this run's unfinished work, unless its commit may stand, and gives the lease back.
    ///
    /// # Errors
    /// The store's; the next run then does what was left.
    pub(crate) async fn close(self) -> Result<(), LakeError> {
        if self.is_dry {
            return Ok(());
        }
        let cleared = match self.is_unsettled {
            false => self.store.clear(&self.layout.staging(&self.run), false).await,
            true => Ok(()),
        };
        pass("lake.close.before_release")?;
        // What could not be cleared is the next run's to clear, which must not wait for a lease that nobody needs.
        self.lease.release().await?;
        pass("lake.close.released")?;
        cleared
    }

    pub(super) fn claims(&self) -> Claims<'_> {
        Claims { store: &*self.store, layout: &self.layout }
    }

    pub(super) fn publisher(&self) -> Publisher<'_> {
        let (store, layout, clock, format) = (&*self.store, &self.layout, &*self.clock, &*self.format);
        Publisher { store, layout, clock, format, run: &self.run, needed: None }
    }

    pub(super) fn version(&self) -> u64 {
        self.head.as_ref().map_or(0, |commit| commit.version)
    }
}

/// A lake looked at from outside.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    /// The newest commit: its number, 0 for none.
    pub(crate) version: u64,
    /// The run that wrote it.
    pub(crate) run: Option<String>,
    /// When, RFC 3339.
    pub(crate) written: Option<String>,
    /// What each resource remembers.
    pub(crate) state: Map<String, Value>,
    /// Every table.
    pub(crate) tables: BTreeMap<String, Snapshot>,
    /// Commits whose publish the next run finishes.
    pub(crate) pending: Vec<u64>,
    /// Runs that left unfinished work, or are at work; not those whose commits are pending.
    pub(crate) unfinished_runs: Vec<String>,
    /// Reports of runs, oldest first, as far as they can be read.
    pub(crate) reports: Vec<Value>,
    /// The newest commits, the newest first.
    pub(crate) commits: Vec<Commit>,
    /// Who holds the lake.
    pub(crate) lease: Option<LeaseFile>,
    /// Whether that lease may be taken over.
    pub(crate) is_lease_stale: bool,
    /// Tables that are another pipeline's, and folders that are not as the last commit left them; these are not looked at while a run is at work or
    /// its commit not published whole.
    pub(crate) differences: BTreeMap<String, LakeError>,
}

/// Reports that [`inspect`] reads.
const REPORTS: usize = 10;
/// Reports of the same second as the first of them that it reads besides.
const REPORTS_TIED_MAX: usize = 100;

/// Looks at a lake, and at the folders of `tables` and of all that it has. Takes no lease and writes nothing; a lake that does not exist is
/// empty.
///
/// # Errors
/// [`LakeError::Unreadable`]; the store's.
pub(crate) async fn inspect(
    plan: &LakePlan,
    pipeline: &str,
    tables: &[&str],
    clock: &Arc<dyn Clock>,
) -> Result<Inspection, LakeError> {
    let store = open_store(plan, false).await?;
    inspect_in(&store, pipeline, tables, &**clock).await
}

/// [`inspect`] in a given store.
pub(super) async fn inspect_in(
    store: &Arc<dyn Store>,
    pipeline: &str,
    tables: &[&str],
    clock: &dyn Clock,
) -> Result<Inspection, LakeError> {
    let layout = Layout::new(pipeline);
    let (format, store) = (format_of(store, &layout), &**store);
    let versions = versions(store, &layout).await?;
    let lease = store.get(&layout.lease()).await?.as_ref().and_then(LeaseFile::parse);
    let mut seen = Inspection {
        version: versions.head,
        pending: versions.pending,
        unfinished_runs: store.folders(&layout.stagings()).await?,
        is_lease_stale: lease.as_ref().is_some_and(|lease| lease.is_stale(clock.now())),
        lease,
        ..Inspection::default()
    };
    seen.reports = last_reports(store, &layout).await?;
    // What a recorded commit staged is published by the next run, not removed.
    for version in &seen.pending {
        if let Some(commit) = read_commit(store, &layout, *version).await? {
            seen.unfinished_runs.retain(|run| *run != commit.run);
        }
    }
    let head = read_commit(store, &layout, versions.head).await?;
    let oldest = head.as_ref().map_or(1, |head| head.oldest).max(versions.head.saturating_sub(REPORTS as u64 - 1)).max(1);
    for version in (oldest..=versions.head).rev() {
        seen.commits.extend(read_commit(store, &layout, version).await?);
    }
    if let Some(commit) = &head {
        for table in commit.tables.keys() {
            seen.tables.insert(table.clone(), load_table(store, &layout, Some(commit), table).await?);
        }
        (seen.run, seen.written, seen.state) = (Some(commit.run.clone()), Some(commit.written.clone()), commit.state.clone());
    }
    let view = View { store, layout: &layout, format: &*format, head: head.as_ref(), adopt: false, is_settled: false };
    seen.differences = others_tables(view, tables).await?;
    let is_moving = !seen.pending.is_empty() || seen.lease.is_some() && !seen.is_lease_stale;
    let known: Vec<String> = seen.tables.keys().cloned().collect();
    let all: BTreeSet<&str> = known.iter().map(String::as_str).chain(tables.iter().copied()).collect();
    for table in all.into_iter().filter(|_| !is_moving) {
        if seen.differences.contains_key(table) {
            continue;
        }
        let committed = seen.tables.get(table).cloned().unwrap_or_default();
        match format.snapshot(table, committed, false).await {
            Err(error @ (LakeError::Foreign { .. } | LakeError::Delta { .. })) => {
                drop(seen.differences.insert(table.to_owned(), error))
            }
            looked => drop(looked?),
        }
    }
    Ok(seen)
}

/// Those of `tables` that another pipeline has, each with that.
async fn others_tables(view: View<'_>, tables: &[&str]) -> Result<BTreeMap<String, LakeError>, LakeError> {
    let mut others = BTreeMap::new();
    if view.check_claims(tables).await.is_ok() {
        return Ok(others);
    }
    for table in tables {
        match view.check_claims(&[table]).await {
            Err(error @ (LakeError::Claimed { .. } | LakeError::ClaimedTwice { .. })) => {
                others.insert((*table).to_owned(), error);
            }
            checked => drop(checked?),
        }
    }
    Ok(others)
}

/// The reports of the last runs, oldest first. Their names tell the second, and what is in them the order within it.
async fn last_reports(store: &dyn Store, layout: &Layout) -> Result<Vec<Value>, LakeError> {
    let listed = store.list(&layout.reports()).await?;
    let first = listed.len().saturating_sub(REPORTS);
    let second = |at: usize| listed.get(at).map(|report| report.path.rsplit_once('-').map_or("", |(second, _)| second));
    let tied = (1..=first.min(REPORTS_TIED_MAX)).take_while(|back| second(first - back) == second(first)).count();
    let mut reports: Vec<Value> = Vec::new();
    for report in &listed[first - tied..] {
        let blob = store.get(&report.path).await?;
        reports.extend(blob.and_then(|blob| serde_json::from_slice(&blob.bytes).ok()));
    }
    let text = |report: &Value| report.get("started").and_then(Value::as_str).map(str::to_owned);
    reports.sort_by_cached_key(|report| (text(report), report.get("version").and_then(Value::as_u64)));
    reports.drain(..reports.len().saturating_sub(REPORTS));
    Ok(reports)
}

pub(super) async fn load_table(
    store: &dyn Store,
    layout: &Layout,
    head: Option<&Commit>,
    table: &str,
) -> Result<Snapshot, LakeError> {
    match head.and_then(|commit| commit.tables.get(table)) {
        Some(entry) => manifest::load(store, layout, table, entry).await,
        None => Ok(Snapshot::default()),
    }
}

/// The clock's time as commits spell it.
pub(super) fn timestamp(clock: &dyn Clock) -> String {
    clock.now().to_rfc3339_opts(SecondsFormat::Micros, true)
}
