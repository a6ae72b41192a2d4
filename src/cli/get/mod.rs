//! `lakeward get`: the records of one URL as one file, without a config, a lake or a key.
//!
//! What is asked for becomes the text of a config, which is read like any other and run into a lake that nobody sees: a temporary folder that goes
//! with the process. So the engine is that of every run, and so is what it promises. The file is written from that lake once nothing is missing.

mod hidden;
mod request;
mod said;
mod target;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use crate::base::{Clock, JsonPath, Panicked, Step, SystemClock, secrets, signal_heeded};
use crate::cli::args::{GetArgs, LogFormat};
use crate::cli::exit::Failure;
use crate::cli::load::plan_from;
use crate::cli::preview;
use crate::cli::progress::Progress;
use crate::cli::replace::replace;
use crate::cli::terminal::{self, DataOut};
use crate::compat::{Choice, ExportConfig, Keep, export_config, keep_detected};
use crate::config::{LakeLocation, PaginatorPlan, Plan, nearest, paginator_words, path_words};
use crate::lake::{Archive, ExportError, ExportForm, ExportTable, LakeError, Spool};
use crate::pipeline::{
    self, Components, Event, Events, Limit, NewRun, ResourceFacts, ResourceResult, RunError, RunOptions, Standing, Stop, sample,
};
use crate::report;
use crate::schema::{Column, ColumnType, TableSchema};
use crate::source::SourceEvent;

pub(crate) use hidden::{arguments, hide};

/// Rows that are shown to a person.
const ROWS_SHOWN: usize = 10;

/// No file of the hidden lake is split: its one file may become the export.
const FILE_BYTES: u64 = 1 << 50;

/// Exports the records of one URL, or shows the first of them.
pub(crate) async fn get(args: GetArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let since = Instant::now();
    let target = target::Target::of(&args)?;
    if let Some(path) = args.save.as_ref().filter(|path| path.exists()) {
        return Err(Failure::config(vec![format!("--save: `{}` is there already; name another file", path.display())]));
    }
    let asked = request::asked(&args, SystemClock.now())?;
    asked.secrets().for_each(|secret| secrets().credential(secret));
    let export = request::export(&args)?;
    let config = export_config(&asked, &export).map_err(|why| Failure::config(vec![why]))?;
    let scratch = Spool::temporary("get").await.map_err(|error| {
        Failure::from(RunError::from(error)).with_hints(["`TMPDIR` names the folder in which rows wait".to_owned()])
    })?;
    let plan = plan_of(&config, scratch.path())?;
    let is_look = matches!(target, target::Target::Look);
    let rows = args.limit.or(is_look.then_some(ROWS_SHOWN as u64));
    let limit = rows.map(|rows| Limit { rows, is_look });
    let export = Exporting { plan: &plan, select: &args.select, since, scratch: scratch.path(), log_format };
    let form = |format| ExportForm {
        format,
        nested: target::nested(args.nested),
        sort: plan.resources.first().map(|resource| resource.sort_by.clone()).unwrap_or_default(),
        first: first_columns(&args.select),
    };
    let signals = Signals::watch();
    let heard = Arc::<Mutex<Heard>>::default();
    let ended = export.run(RunOptions { limit, ..RunOptions::default() }, &signals, &heard).await;
    if let Some(path) = &args.save {
        save(path, &config, &heard)?;
    }
    let outcome = match ended {
        Ok(facts) => export.hand_out(&target, form, &facts, &signals).await,
        Err(failure) => Err(failure),
    };
    match (outcome, signals.came()) {
        (Ok(()), _) => Ok(0),
        (Err(failure), Some(code)) => Err(failure.with_code(code)),
        (Err(failure), None) => Err(failure),
    }
}

/// The plan of an export, into a lake in `scratch`.
fn plan_of(config: &ExportConfig, scratch: &Path) -> Result<Plan, Failure> {
    let variable = |name: &str| {
        let own = config.secrets.iter().find(|(known, _)| known == name);
        own.map_or_else(|| std::env::var(name).ok(), |(_, secret)| Some(secret.expose().to_owned()))
    };
    let plan = plan_from(&config.text, Path::new("get"), Choice::default(), &variable);
    let mut plan = plan.map_err(|failure| failure.retold(said::of_option))?;
    plan.lake.location = LakeLocation::Disk(scratch.join("lake"));
    plan.lake.is_durable = false;
    plan.lake.target_file_size = FILE_BYTES;
    // Its process is the only one that could go on.
    plan.resume = Duration::ZERO;
    plan.client.retry = plan.client.retry.brief();
    Ok(plan)
}

/// What was found out while the run went on.
#[derive(Default)]
struct Heard {
    paginator: Option<PaginatorPlan>,
    records_at: Option<JsonPath>,
}

/// An export, under way.
struct Exporting<'a> {
    plan: &'a Plan,
    select: &'a [String],
    since: Instant,
    scratch: &'a Path,
    log_format: LogFormat,
}

impl Exporting<'_> {
    /// Reads everything into the hidden lake.
    async fn run(
        &self,
        options: RunOptions,
        signals: &Signals,
        heard: &Arc<Mutex<Heard>>,
    ) -> Result<Box<ResourceFacts>, Failure> {
        let progress = Progress::start(self.log_format);
        let events = listening(progress.events(), heard, self.log_format);
        let components = Components {
            clock: Arc::new(SystemClock),
            run: NewRun::now(&SystemClock),
            stop: Arc::clone(&signals.stop),
            events,
            spell: &report::summary,
        };
        let outcome = AssertUnwindSafe(pipeline::run(self.plan, &options, components)).catch_unwind().await;
        progress.finish();
        let facts = match outcome {
            Ok(outcome) => outcome.map_err(|unfinished| Failure::from(unfinished.error))?,
            Err(panic) => return Err(Failure::panicked(&Panicked::of(panic.as_ref()), "no file was written")),
        };
        match facts.resources.into_iter().next() {
            Some((_, ResourceResult::Published(facts))) => Ok(facts),
            Some((_, ResourceResult::Failed { kind, message, hints, .. })) => {
                let save = "a key of a config that is no option here: `--save FILE` writes this export as a config, where it can be written".to_owned();
                let needs_config =
                    |text: &String| text.contains("expect:") || text.contains("response_format") || text.contains("records:");
                let more = (needs_config(&message) || hints.iter().any(needs_config)).then_some(save);
                let hints = hints.iter().map(|hint| said::with_options(hint)).chain(more);
                Err(Failure::of_kind(kind, said::with_options(&message)).with_hints(hints))
            }
            _ => Err(Failure::internal("reading the records", &"nothing came of them")),
        }
    }

    /// Writes the rows, or shows some of them.
    async fn hand_out(
        &self,
        target: &target::Target,
        form: impl Fn(crate::lake::ExportFormat) -> ExportForm,
        facts: &ResourceFacts,
        signals: &Signals,
    ) -> Result<(), Failure> {
        let table = Arc::new(self.table().await?);
        self.check_selected(table.schema(), facts).await?;
        let rows = facts.table_rows;
        let (stop, scratch) = (signals.token.clone(), self.scratch.to_owned());
        let may_go_on = move || !stop.is_cancelled();
        let line = match target {
            target::Target::Look => {
                let shown = self.show(&table, &form(crate::lake::ExportFormat::Csv))?;
                said::looked(facts, (shown, rows), self.since.elapsed())
            }
            target::Target::Stdout(format) => {
                let form = form(*format);
                let write = move || table.write(&form, DataOut::new(), &scratch, &may_go_on);
                match blocking(write).await? {
                    // Who reads has seen enough.
                    Err(error) if target::is_closed(&error) => return Ok(()),
                    written => written.map_err(|error| failed(error, "stdout"))?,
                }
                said::written(facts, rows, "stdout", None, self.since.elapsed())
            }
            target::Target::File { shown, path, format } => {
                let (form, path) = (form(*format), path.clone());
                let write = move || replace(&path, |out| table.write(&form, out, &scratch, &may_go_on));
                let bytes = blocking(write).await?.map_err(|error| failed(error, shown))?;
                said::written(facts, rows, shown, Some(bytes), self.since.elapsed())
            }
        };
        match self.log_format {
            LogFormat::Text => terminal::say(&line),
            LogFormat::Json => terminal::tell("done", &line),
        }
        Ok(())
    }

    /// The table that the run has made; one without columns where no record came.
    async fn table(&self) -> Result<ExportTable, Failure> {
        let table = self.plan.resources.first().map_or("", |resource| resource.table.as_str());
        let opened = match Archive::open(&self.plan.lake, &self.plan.name).await {
            Ok(Some(archive)) => archive.open_table(table).await,
            Ok(None) => Ok(target::no_table()),
            Err(error) => Err(error),
        };
        match opened {
            Err(LakeError::NoTable { .. }) => Ok(target::no_table()),
            opened => Ok(opened.map_err(RunError::from)?),
        }
    }

    /// Shows the first rows and the columns; how many rows.
    fn show(&self, table: &ExportTable, form: &ExportForm) -> Result<u64, Failure> {
        let wrong = |error: &dyn std::fmt::Display| Failure::internal("showing the rows", error);
        let rows = table.first_rows(ROWS_SHOWN, form).map_err(|error| wrong(&error))?;
        if rows.num_columns() > 0 {
            let lines = preview::table(&rows).map_err(|error| wrong(&error))?;
            lines.iter().for_each(|line| terminal::print(line));
            terminal::print("");
        }
        terminal::print("columns:");
        for field in rows.schema().fields() {
            if let Some(Column { name, column_type, .. }) = table.schema().column(field.name()) {
                terminal::print(&format!("  {name}: {}", report::type_words(column_type)));
            }
        }
        Ok(rows.num_rows() as u64)
    }

    /// Whether the records have what `--select` names. The names that they do have are asked for once more, where one is missing.
    async fn check_selected(&self, schema: &TableSchema, facts: &ResourceFacts) -> Result<(), Failure> {
        let missing: Vec<&str> = self.select.iter().map(|path| path.trim()).filter(|path| !has(schema, path)).collect();
        if missing.is_empty() || facts.records <= facts.shaped.records_filtered {
            return Ok(());
        }
        let names = self.names().await;
        let told = missing.iter().map(|path| match nearest(path, &names) {
            Some(near) => format!("--select: no record has `{path}`; did you mean `{near}`?"),
            None if names.is_empty() => format!("--select: no record has `{path}`"),
            None => format!("--select: no record has `{path}`; the first page has {}", listed(&names)),
        });
        Err(Failure::data(told.collect()))
    }

    /// The columns of the first page, and the members of objects in it.
    async fn names(&self) -> Vec<String> {
        let mut plan = self.plan.clone();
        let Some(resource) = plan.resources.first_mut() else { return Vec::new() };
        resource.processing_steps.clear();
        let resource = resource.clone();
        let quiet: Events = Arc::new(|_| ());
        let first = sample(&plan, &resource, Arc::new(SystemClock), CancellationToken::new(), quiet).await;
        let mut names = Vec::new();
        if let Ok(first) = first {
            add_names(&first.decoded.table.rows.schema.columns, "", &mut names);
        }
        names
    }
}

/// Events as this command tells them: what is only true of a lake is not told.
fn listening(progress: Events, heard: &Arc<Mutex<Heard>>, log_format: LogFormat) -> Events {
    let heard = Arc::clone(heard);
    Arc::new(move |event| {
        match &event {
            Event::Source(SourceEvent::Detected { detected, .. }) => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                if heard.paginator.replace(detected.plan.clone()).is_none() && log_format == LogFormat::Text {
                    let (words, from) = (paginator_words(&detected.plan), &detected.from);
                    terminal::tell("detected", &format!("--paginator '{words}', from {from}; the second page proves it"));
                }
            }
            Event::Detected { data_selector, .. } => {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                if heard.records_at.replace(data_selector.clone()).is_none() && log_format == LogFormat::Text {
                    terminal::tell("detected", &format!("--records {}, from page 1", path_words(data_selector)));
                }
            }
            Event::Committing { .. } | Event::Finishing { .. } | Event::Ended { .. } => {}
            _ => return progress(event),
        }
        if log_format == LogFormat::Json && !matches!(event, Event::Committing { .. }) {
            progress(event);
        }
    })
}

/// Writes the config with what was detected in it.
fn save(path: &Path, config: &ExportConfig, heard: &Mutex<Heard>) -> Result<(), Failure> {
    use std::io::Write;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let keep =
        Keep { resource: config.name.clone(), data_selector: heard.records_at.clone(), paginator: heard.paginator.clone() };
    let text = keep_detected(&config.text, &keep).unwrap_or_else(|| config.text.clone());
    let mut head = "# Made by `lakeward get`.\n".to_owned();
    if !config.secrets.is_empty() {
        head.push_str("# Set in the environment:\n");
        config.secrets.iter().for_each(|(name, _)| head.push_str(&format!("#   {name}\n")));
    }
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(format!("{head}{text}").as_bytes()));
    written.map_err(|error| Failure::config(vec![format!("--save: cannot write `{}`: {error}", path.display())]))?;
    let typed = crate::cli::args::quoted(&path.display().to_string());
    terminal::tell("saved", &format!("{}; next: lakeward run {typed}", path.display()));
    Ok(())
}

/// Whether a table has what a path leads to.
fn has(schema: &TableSchema, path: &str) -> bool {
    let Ok(path) = JsonPath::parse(path) else { return true };
    let mut columns = schema.columns.as_slice();
    for (depth, step) in path.steps().iter().enumerate() {
        let Step::Key(name) = step else { continue };
        let Some(column) = columns.iter().find(|column| column.name == *name) else { return false };
        columns = match within(&column.column_type) {
            Some(members) => members,
            // What is JSON text, or null in every record, may have anything in it.
            None => {
                return depth + 1 == path.steps().len() || matches!(column.column_type, ColumnType::Json | ColumnType::Unknown);
            }
        };
    }
    true
}

fn within(of: &ColumnType) -> Option<&[Column]> {
    match of {
        ColumnType::Struct(members) => Some(members),
        ColumnType::List(element) => within(element),
        _ => None,
    }
}

fn add_names(columns: &[Column], before: &str, names: &mut Vec<String>) {
    for column in columns {
        let name = format!("{before}{}", column.name);
        if let Some(members) = within(&column.column_type) {
            add_names(members, &format!("{name}."), names);
        }
        names.push(name);
    }
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 30;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    if names.len() > MOST {
        shown.push(format!("and {} more", names.len() - MOST));
    }
    shown.join(", ")
}

/// The columns that `--select` names, in its order.
fn first_columns(select: &[String]) -> Vec<String> {
    let first = |path: &String| JsonPath::parse(path.trim()).ok()?.steps().first().cloned();
    let names = select.iter().filter_map(first).filter_map(|step| if let Step::Key(name) = step { Some(name) } else { None });
    names.collect()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Failure::internal("writing the rows", &error))
}

/// Why the rows are not written to `to`.
fn failed(error: ExportError, to: &str) -> Failure {
    let kept = "nothing of it was written; a file that was there is as it was";
    match error {
        ExportError::Lake(error) => Failure::from(RunError::from(error)),
        ExportError::Cancelled => Failure::from(RunError::Cancelled),
        ExportError::SameName(_) => Failure::data(vec![error.to_string()])
            .with_hints(["`--nested json` keeps objects in one column; `--select` leaves one of the two out".to_owned()]),
        ExportError::NoColumns(_) => Failure::data(vec![error.to_string()])
            .with_hints(["`-o FILE.ndjson` and `-o FILE.csv` may be empty; is the URL the right one?".to_owned()]),
        ExportError::Write(error) => {
            let is_full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
            let hint =
                is_full.then(|| "make room, or name a file on another disk; `TMPDIR` says where rows wait until then".to_owned());
            Failure::unavailable(format!("cannot write `{to}`: {error}; {kept}")).with_hints(hint)
        }
        ExportError::Rows(_) => Failure::internal("writing the rows", &error),
    }
}

/// Ctrl-C and SIGTERM: the first ends what goes on, and no file is written; the second ends the process.
struct Signals {
    stop: Arc<Stop>,
    /// Cancelled by the first.
    token: CancellationToken,
    number: Arc<AtomicU8>,
    watch: tokio::task::JoinHandle<()>,
}

impl Signals {
    fn watch() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let (stop, token, number) = (Arc::<Stop>::default(), CancellationToken::new(), Arc::new(AtomicU8::new(0)));
        let shared = (Arc::clone(&stop), token.clone(), Arc::clone(&number));
        let watch = tokio::spawn(async move {
            let (stop, token, number) = shared;
            let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                tracing::warn!("signals cannot be watched; Ctrl-C ends the process at once");
                return;
            };
            loop {
                let came = tokio::select! {
                    _ = interrupt.recv() => 2_u8,
                    _ = terminate.recv() => 15,
                };
                if number.swap(came, Ordering::SeqCst) != 0 {
                    std::process::exit(128 + i32::from(came));
                }
                if stop.ask() != Standing::Committed {
                    terminal::tell("cancelling", "no file is written; once more ends at once");
                }
                token.cancel();
                signal_heeded();
            }
        });
        Self { stop, token, number, watch }
    }

    /// The exit code of the signal that came.
    fn came(&self) -> Option<u8> {
        let number = self.number.load(Ordering::SeqCst);
        (number != 0).then_some(128 + number)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.watch.abort();
    }
}
