//! A rehearsal: the first pages of a resource go the way of a run, into a table in a folder of their own, which is thrown away.
//!
//! In: a plan, one of its resources, the lake where it could be looked at. Out: [`Rehearsed`], or what a run would fail with on these pages: there
//! is no second judgement that could differ from the run's. The table in the lake gives its schema, its key and its partitions, and earlier runs what
//! they remember; but the first pages are those of a first run, whatever the cursor, since more can be judged by them.
//! Not here: the rows in the lake.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::base::{Clock, JsonPath, Warning, WarningCode};
use crate::config::{PaginatorPlan, Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Look, NoLiveFiles, Snapshot, Spool, TableStage, check_same_table, name_files};
use crate::pipeline::cursors::{Cursors, Past};
use crate::pipeline::detected::Detected as Remembered;
use crate::pipeline::guards::{check_folders, check_rows};
use crate::pipeline::past::PastOf;
use crate::pipeline::resource::{Load, Loaded, load};
use crate::pipeline::run::Refresh;
use crate::pipeline::sample::first_records;
use crate::pipeline::slices::Slices;
use crate::pipeline::table::{finish, judge, stage_settings};
use crate::pipeline::{Event, RunError, told};
use crate::schema::{TableSchema, reconcile};
use crate::source::{Cost, Detected, EndReason, Source, SourceEvent};

/// Most pages that are requested to prove a detected paginator.
const PROVING_PAGES: u64 = 3;

/// What the first pages of a resource have shown.
pub(crate) struct Rehearsed {
    /// Records and body bytes of the first page.
    pub(crate) first_page: (u64, u64),
    /// Pages that count, and the records in them.
    pub(crate) pages: u64,
    /// Records in these pages.
    pub(crate) records: u64,
    /// Columns that they make; `None` for a resource without a table.
    pub(crate) columns: Option<usize>,
    /// Where the records are, if the config does not say.
    pub(crate) data_selector: Option<JsonPath>,
    /// The paginator, if the config does not say and a further page has proven it.
    pub(crate) paginator: Option<Detected>,
    /// How the pages ended; [`EndReason::MaximumReached`] when no more were asked for.
    pub(crate) reason: EndReason,
    /// What a run would warn of, or fail with once all pages are like these.
    pub(crate) warnings: Vec<String>,
}

/// What was heard while the pages were read.
#[derive(Default)]
struct Heard {
    first_page: Option<(u64, u64)>,
    data_selector: Option<JsonPath>,
    paginator: Option<Detected>,
    warnings: Vec<String>,
}

impl Heard {
    fn take(&mut self, of: &str, event: Event) {
        match event {
            Event::Page { records, bytes, .. } => {
                self.first_page.get_or_insert((records, bytes));
            }
            Event::Detected { data_selector, .. } => self.data_selector = Some(data_selector),
            Event::Source(SourceEvent::Detected { resource, detected }) if *resource == *of => self.paginator = Some(detected),
            Event::Source(SourceEvent::Warning { warning, .. }) | Event::Warning { warning, .. } => self.warn(warning),
            _ => {}
        }
    }

    /// A column that is missing is an error here, and what the config itself tells is told without asking the API.
    fn warn(&mut self, warning: Warning) {
        if !matches!(warning.code, WarningCode::ColumnNotSeenYet | WarningCode::ConfigSurprise) {
            self.warnings.push(warning.text);
        }
    }
}

/// What a resource goes on from, without its rows.
struct Found {
    /// Its table; `None` for a resource without one.
    table: Option<Snapshot>,
    /// Rows of that table.
    rows: u64,
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
            return Ok(Self { table: has_table.then(Snapshot::default), rows: 0, remembered: Remembered::default() });
        };
        let mut table = None;
        if has_table {
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
        Ok(Self { table, rows, remembered: past.detected(resource) })
    }
}

/// Requests the first page of `resource`, and up to two more where they prove a paginator, and makes a table of them that nobody keeps.
///
/// # Errors
/// Whatever a run would fail with on these pages, or before them.
pub(crate) async fn rehearse(
    plan: &Plan,
    resource: &ResourcePlan,
    lake: Option<&Look>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) -> Result<Rehearsed, RunError> {
    let (now, resource) = (clock.now(), Arc::new(resource.clone()));
    let past = lake.filter(|_| resource.selected).map(|lake| PastOf {
        view: lake.view(),
        plan,
        only: &[],
        refresh: Refresh::No,
        started: now,
    });
    let Found { table, rows, remembered } = Found::at(past, &resource).await?;
    let start = table.as_ref().map(|table| table.schema.clone()).unwrap_or_default();
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let (hears, name) = (Arc::clone(&heard), resource.name.clone());
    let events: crate::pipeline::Events =
        Arc::new(move |event| hears.lock().unwrap_or_else(PoisonError::into_inner).take(&name, event));
    let pages_max = if resource.endpoint.paginator == PaginatorPlan::Undeclared { PROVING_PAGES } else { 1 };
    let told = Arc::clone(&events);
    let source_events = Arc::new(move |event| told(Event::Source(event)));
    let source = Source::probing(&plan.client, clock, cancel, source_events, pages_max)?;
    let parents = first_records(plan, &source, &resource, now).await?;
    let cursors = Cursors::new(&resource, plan.client.base_url.as_str(), Past::default(), now);
    let cursors = cursors.map_err(|source| RunError::incremental(&resource.name, source))?;
    let spool = Spool::temporary("check").await?;
    let stage = match table {
        Some(table) => {
            let settings = stage_settings(plan, &resource, resource.write_disposition, spool.path());
            let folder = settings.spool.clone();
            Some((TableStage::new(settings, table, Arc::new(NoLiveFiles))?, folder))
        }
        None => None,
    };
    let has_table = stage.is_some();
    let remembered_at = remembered.records_at().cloned();
    let slices = Slices::first_of(Arc::clone(&resource), parents, cursors);
    let plan_of_load = Load { stage, slices, for_children: None, detected: remembered, cost: Arc::<Cost>::default() };
    let loaded = load(&source, &resource, plan_of_load, &start, &events).await;
    let (reason, pages, records, columns) = match loaded {
        Ok(loaded) => {
            let (reason, pages, records) = (loaded.end.reason, loaded.end.pages, loaded.end.records);
            let columns = if has_table { Some(stand(&resource, loaded, (&start, rows), &heard).await?) } else { None };
            (reason, pages, records, columns)
        }
        // Another record of the parent may well be there.
        Err(error @ RunError::AllSkipped { .. }) => {
            heard.lock().unwrap_or_else(PoisonError::into_inner).warnings.push(error.chain());
            (EndReason::NoParents, 0, 0, None)
        }
        Err(error) => return Err(error),
    };
    let Heard { first_page, data_selector, paginator, warnings } =
        std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    let (first_page, data_selector) = (first_page.unwrap_or_default(), data_selector.or(remembered_at));
    Ok(Rehearsed { first_page, pages, records, columns, data_selector, paginator, reason, warnings })
}

/// Makes a table of the pages, and gives the number of its columns.
///
/// # Errors
/// As a run.
async fn stand(
    resource: &ResourcePlan,
    loaded: Loaded,
    (start, rows): (&TableSchema, u64),
    heard: &Mutex<Heard>,
) -> Result<usize, RunError> {
    let Loaded { stage, schema, end, rejects, shaped, cursors, .. } = loaded;
    let is_whole = end.reason != EndReason::MaximumReached;
    let mut warnings: Vec<Warning> = cursors.iter().flat_map(|cursors| told::cursors(&cursors.facts)).collect();
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
    let columns = change.schema.columns.len();
    warnings.extend(told::changes(&change, (rows, rows)));
    let staged = finish(stage, change.schema, name_files).await?;
    if is_whole {
        // Only of a table that is replaced do these pages tell how many rows it will have.
        let is_all = resource.write_disposition == WriteDisposition::Replace && resource.endpoint.incremental.is_none();
        check_rows(resource, (if is_all { rows } else { 0 }, start.columns.is_empty()), &staged, shaped.overruled)?;
    }
    // Whether the table has such folders already is not known here.
    let folders =
        check_folders(resource, &[], &staged).err().map(|error| format!("{} (exit code 3 of a new table)", error.chain()));
    warnings.extend(told::repeats_on_few_pages(resource, &staged.stats));
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.into_iter().for_each(|warning| heard.warn(warning));
    heard.warnings.extend(doubt.into_iter().chain(folders));
    Ok(columns)
}
