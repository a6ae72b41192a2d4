//! A rehearsal: the first pages of a resource go the way of a run, into a table in a folder of their own, which is thrown away.
//!
//! In: a plan, one of its resources, the lake where it could be looked at. Out: [`Rehearsed`], or what a run would fail with on these pages: there
//! is no second judgement that could differ from the run's. The table in the lake gives its schema, its key and its partitions, and earlier runs what
//! they remember; but the first pages are those of a first run, whatever the cursor, since more can be judged by them.
//! Not here: the rows in the lake.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, JsonPath, Warning, WarningCode};
use crate::config::{PaginatorPlan, Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Look, NoLiveFiles, Snapshot, Spool, TableStage, check_same_table, name_files};
use crate::pipeline::chain::internal;
use crate::pipeline::cursors::{Cursors, Past};
use crate::pipeline::detected::Detected as Remembered;
use crate::pipeline::guards::{check_folders, check_key, check_rows};
use crate::pipeline::left_behind::LeftBehind;
use crate::pipeline::past::PastOf;
use crate::pipeline::resource::{Load, Loaded, load};
use crate::pipeline::run::Refresh;
use crate::pipeline::sample::first_records;
use crate::pipeline::slices::Slices;
use crate::pipeline::table::{finish, judge, pages_bytes, stage_settings};
use crate::pipeline::{Event, Events, RunError, told};
use crate::schema::{Change, TableSchema, reconcile};
use crate::source::{
    Cost, Detected, End, EndReason, Events as SourceEvents, Meter, ParentRecord, Source, SourceError, SourceEvent,
};

/// Most pages that are requested to prove a detected paginator.
const PROVING_PAGES: u64 = 3;

/// Most pages that are requested of a paginator that the config names: the second shows whether the API heeds what it sends.
const SHOWING_PAGES: u64 = 2;

/// What the first pages of a resource have shown.
pub(crate) struct Rehearsed {
    /// Records and body bytes of the first page.
    pub(crate) first_page: (u64, u64),
    /// Pages that count, and the records in them.
    pub(crate) pages: u64,
    /// Records in these pages.
    pub(crate) records: u64,
    /// How many records there are, as the API tells.
    pub(crate) told: Option<u64>,
    /// The table that they make; `None` for a resource without a table.
    pub(crate) table: Option<Shown>,
    /// Where the records are, if the config does not say.
    pub(crate) data_selector: Option<JsonPath>,
    /// The paginator, if the config does not say and a further page has proven it.
    pub(crate) paginator: Option<Detected>,
    /// How the pages ended; [`EndReason::MaximumReached`] when no more were asked for.
    pub(crate) reason: EndReason,
    /// What a run would warn of, or fail with once all pages are like these.
    pub(crate) warnings: Vec<Noted>,
}

/// What a run would do to a table.
pub(crate) struct Shown {
    /// Its columns with these pages in it, and what of them is new.
    pub(crate) change: Change,
    /// Whether the lake has no such table yet.
    pub(crate) is_new: bool,
    /// Rows that it has.
    pub(crate) rows: u64,
    /// Records that are no rows, and the first of them.
    pub(crate) rejects: (u64, Option<String>),
    /// Rows that have the key of another one.
    pub(crate) repeated: u64,
}

/// Something that a person should know; what is no warning of a run has no code.
#[derive(Debug, Clone)]
pub(crate) struct Noted {
    /// Its kind.
    pub(crate) code: Option<WarningCode>,
    /// In words.
    pub(crate) text: String,
}

impl From<String> for Noted {
    fn from(text: String) -> Self {
        Self { code: None, text }
    }
}

/// What was heard while the pages were read.
#[derive(Default)]
struct Heard {
    first_page: Option<(u64, u64)>,
    data_selector: Option<JsonPath>,
    paginator: Option<Detected>,
    warnings: Vec<Noted>,
}

impl Heard {
    fn take(&mut self, of: &str, event: Event) {
        match event {
            Event::Page { records, bytes, .. } => {
                self.first_page.get_or_insert((records, bytes));
            }
            Event::Detected { data_selector, .. } => self.data_selector = Some(data_selector),
            Event::Source(SourceEvent::Detected { resource, detected }) if *resource == *of => self.paginator = Some(*detected),
            Event::Source(SourceEvent::Warning { warning, .. }) | Event::Warning { warning, .. } => self.warn(warning),
            _ => {}
        }
    }

    /// A column that is missing is an error here, and what the config itself tells is told without asking the API.
    fn warn(&mut self, warning: Warning) {
        if !matches!(warning.code, WarningCode::ColumnNotSeenYet | WarningCode::ConfigSurprise) {
            self.warnings.push(Noted { code: Some(warning.code), text: warning.text });
        }
    }
}

/// What a resource goes on from, without its rows.
#[derive(Default)]
struct Found {
    /// Its table; `None` for a resource without one.
    table: Option<Snapshot>,
    /// Rows of that table.
    rows: u64,
    /// What the config leaves behind.
    left_behind: LeftBehind,
    remembered: Remembered,
}

impl Found {
    /// Looks at the lake as a run of `resource` does before its first request.
    ///
    /// # Errors
    /// As a run.
    async fn at(past: Option<PastOf<'_>>, resource: &ResourcePlan) -> Result<Self, RunError> {
        let has_table = resource.write_disposition != WriteDisposition::Skip;
        let Some(past) = past else {
            return Ok(Self { table: has_table.then(Snapshot::default), ..Self::default() });
        };
        let (mut table, mut left_behind) = (None, LeftBehind::default());
        if has_table {
            left_behind = LeftBehind::find(&past, resource).await?;
            past.view.check_claims(&[resource.table.as_str()]).await?;
            table = past.table(resource).await?;
        }
        if let Some(table) = &table {
            check_same_table(&stage_settings(past.plan, resource, resource.write_disposition, Path::new("")), table)?;
        }
        past.cursors(resource).await?;
        let rows = table.as_ref().map_or(0, Snapshot::rows);
        // The rows stay where they are: what these pages do to them is the run's affair.
        let table = table.map(|table| Snapshot { files: Vec::new(), ..table });
        Ok(Self { table, rows, left_behind, remembered: past.detected(resource) })
    }
}

/// Requests the first page of `resource`, a second one where the first says so, a third where it proves a paginator, and makes a table of them
/// that nobody keeps. Of a child whose parent's record is gone the next few are tried.
///
/// # Errors
/// Whatever a run would fail with on these pages, or before them; [`RunError::AllSkipped`] where all that were tried are gone and no rule of the
/// config says so.
pub(crate) async fn rehearse(
    plan: &Plan,
    resource: &ResourcePlan,
    lake: Option<&Look>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> Result<Rehearsed, RunError> {
    let is_open = resource.endpoint.paginator == PaginatorPlan::Undeclared;
    let pages_max = if is_open { PROVING_PAGES } else { SHOWING_PAGES };
    let now = clock.now();
    let source = |events| Source::probing(&plan.client, clock, cancel, events, pages_max);
    rehearse_by(plan, resource, (lake, now), source).await
}

/// The same under a meter, and of so many pages, without a lake.
///
/// # Errors
/// As [`rehearse`]; what comes of a request that the meter does not allow.
pub(super) async fn rehearse_metered(
    plan: &Plan,
    resource: &ResourcePlan,
    clock: Arc<dyn Clock>,
    (pages_max, meter): (u64, &Meter),
) -> Result<Rehearsed, RunError> {
    let now = clock.now();
    let source = |events| Source::metered(&plan.client, clock, CancellationToken::new(), events, (pages_max, meter));
    rehearse_by(plan, resource, (None, now), source).await
}

async fn rehearse_by(
    plan: &Plan,
    resource: &ResourcePlan,
    (lake, now): (Option<&Look>, DateTime<Utc>),
    source: impl FnOnce(SourceEvents) -> Result<Source, SourceError>,
) -> Result<Rehearsed, RunError> {
    let resource = Arc::new(resource.clone());
    let past = lake.filter(|_| resource.selected).map(|lake| PastOf {
        view: lake.view(),
        plan,
        only: &[],
        refresh: Refresh::No,
        started: now,
    });
    let found = Found::at(past, &resource).await?;
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let (hears, name) = (Arc::clone(&heard), resource.name.clone());
    let events: Events = Arc::new(move |event| hears.lock().unwrap_or_else(PoisonError::into_inner).take(&name, event));
    let told = Arc::clone(&events);
    let source = source(Arc::new(move |event| told(Event::Source(event))))?;
    let rehearsal = Rehearsal { plan, resource, source: &source, events, heard };
    let (mut tried, mut vanished, mut gone) = (0, 0, None);
    for parents in first_records(plan, &source, &rehearsal.resource, now).await? {
        match rehearsal.attempt(&found, parents, now).await {
            // Another record of the parent may well be there.
            Err(RunError::AllSkipped { vanished: without_rule, first, .. }) => {
                tried += 1;
                vanished += without_rule;
                gone.get_or_insert(first);
            }
            rehearsed => return rehearsed,
        }
    }
    let first = gone.ok_or_else(|| internal("a child without a record of its parent"))?;
    let error = RunError::AllSkipped { resource: rehearsal.resource.name.clone(), skipped: tried, vanished, first };
    if vanished > 0 {
        return Err(error);
    }
    let mut rehearsed = rehearsal.told(&End::without_pages(EndReason::NoParents), None, None);
    rehearsed.warnings.push(error.chain().into());
    Ok(rehearsed)
}

/// What the attempts of a rehearsal share.
struct Rehearsal<'a> {
    plan: &'a Plan,
    resource: Arc<ResourcePlan>,
    source: &'a Source,
    events: Events,
    heard: Arc<Mutex<Heard>>,
}

impl Rehearsal<'_> {
    /// Reads the resource for these records of its parents.
    ///
    /// # Errors
    /// As a run, were these all of its pages.
    async fn attempt(&self, found: &Found, parents: Vec<ParentRecord>, now: DateTime<Utc>) -> Result<Rehearsed, RunError> {
        let Self { plan, resource, source, events, heard } = self;
        let Found { table, remembered, .. } = found;
        let start = table.as_ref().map(|table| table.schema.clone()).unwrap_or_default();
        let cursors = Cursors::new(resource, plan.client.base_url.as_str(), Past::default(), now);
        let cursors = cursors.map_err(|source| RunError::incremental(&resource.name, source))?;
        let spool = Spool::temporary("check").await?;
        let stage = match table {
            Some(table) => {
                let settings = stage_settings(plan, resource, resource.write_disposition, spool.path());
                let folder = settings.spool.clone();
                Some((TableStage::new(settings, table.clone(), Arc::new(NoLiveFiles))?, folder))
            }
            None => None,
        };
        let slices = Slices::first_of(Arc::clone(resource), parents, cursors);
        let detected = remembered.clone();
        let (cost, pages_bytes) = (Arc::<Cost>::default(), pages_bytes(plan));
        let load_plan = Load { stage, slices, for_children: None, detected, cost, kept: None, pages_bytes, limit: None };
        let loaded = load(source, resource, load_plan, &start, events).await?;
        let end = loaded.end.clone();
        let shown = if table.is_some() { Some(stand(resource, loaded, (&start, found), heard).await?) } else { None };
        Ok(self.told(&end, shown, remembered.records_at().cloned()))
    }

    /// What was shown, together with what was heard.
    fn told(&self, end: &End, table: Option<Shown>, remembered_at: Option<JsonPath>) -> Rehearsed {
        let End { reason, pages, records, told, .. } = *end;
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        let Heard { first_page, data_selector, paginator, warnings } = heard;
        let (first_page, data_selector) = (first_page.unwrap_or_default(), data_selector.or(remembered_at));
        Rehearsed { first_page, pages, records, told, table, data_selector, paginator, reason, warnings }
    }
}

/// Makes a table of the pages, and tells what it is.
///
/// # Errors
/// As a run.
async fn stand(
    resource: &ResourcePlan,
    loaded: Loaded,
    (start, found): (&TableSchema, &Found),
    heard: &Mutex<Heard>,
) -> Result<Shown, RunError> {
    let Loaded { stage, schema, end, rejects, shaped, cursors, .. } = loaded;
    let rows = found.rows;
    let is_whole = end.reason != EndReason::MaximumReached;
    let mut warnings: Vec<Warning> = cursors.iter().flat_map(|cursors| told::cursors(&cursors.facts)).collect();
    warnings.extend(cursors.iter().filter_map(|cursors| told::ignored_start(resource, &cursors.facts, (end.records, 0))));
    warnings.extend(told::left_out(resource, &shaped, rejects.count()));
    let judged = judge(resource, end.records, (&rejects, &shaped), &schema);
    let may_be_better_behind = |error: &RunError| {
        let is_sparse = matches!(error, RunError::NoSuchColumn { key: "hard_delete", .. } | RunError::ManyRejects { .. });
        is_sparse && !is_whole
    };
    let doubt = match judged {
        Err(error) if may_be_better_behind(&error) => Some(format!("{} (as far as these pages tell)", error.chain())),
        judged => judged.map(|()| None)?,
    };
    let change = reconcile(start, &schema, &resource.primary_key)
        .map_err(|source| RunError::Schema { resource: resource.name.clone(), source })?;
    warnings.extend(found.left_behind.warning(resource, &change.schema));
    warnings.extend(told::changes(&change, (rows, rows)));
    let staged = finish(stage, change.schema.clone(), name_files).await?;
    if is_whole {
        // Only of a table that is replaced do these pages tell how many rows it will have.
        let is_all = resource.write_disposition == WriteDisposition::Replace && resource.endpoint.incremental.is_none();
        check_rows(resource, (if is_all { rows } else { 0 }, start.columns.is_empty()), &staged, shaped.overruled)?;
    } else {
        // A key that comes again on the first pages is no better behind them.
        check_key(resource, &staged, shaped.overruled)?;
    }
    // Whether the table has such folders already is not known here.
    let folders =
        check_folders(resource, &[], &staged).err().map(|error| format!("{} (exit code 3 of a new table)", error.chain()));
    warnings.extend(told::repeats_on_few_pages(resource, &staged.stats));
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.into_iter().for_each(|warning| heard.warn(warning));
    heard.warnings.extend(doubt.into_iter().chain(folders).map(Noted::from));
    let rejects = (
        rejects.count(),
        rejects.first().map(|first| format!("`{}` should be {}, found {}", first.path, first.expected, first.actual)),
    );
    Ok(Shown { change, is_new: start.columns.is_empty(), rows, rejects, repeated: staged.stats.rows_deduplicated })
}
