//! Live progress on stderr: a line a resource on a terminal, plain lines elsewhere, JSON lines on request.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use crate::base::{Clock, SystemClock, Warning, instant_after};
use crate::cli::args::LogFormat;
use crate::cli::terminal::{self, LiveLine, LiveLines};
use crate::cli::waits::Waits;
use crate::config::{paginator_words, path_words};
use crate::pipeline::{Event, Events};
use crate::report;
use crate::source::{Left, SourceEvent};

/// Time between two plain lines of one resource.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Time between two looks at the live lines: rates, times and what is left of a wait change by themselves.
const DRAW_EVERY: Duration = Duration::from_millis(500);

/// Live lines at once; the last line counts the others.
const LINES_MAX: usize = 10;

/// Shows a run's events until [`Progress::finish`].
pub(crate) struct Progress {
    shared: Arc<Mutex<State>>,
    /// Draws the live lines anew.
    _drawing: Option<AbortOnDropHandle<()>>,
}

struct State {
    style: Style,
    started: Instant,
    /// Resources that are going to be read, and those that have ended.
    planned: usize,
    ended: usize,
    resources: HashMap<Arc<str>, Counters>,
    waits: Waits,
    /// What was told as detected, by resource and key.
    detected: HashSet<(Arc<str>, &'static str)>,
}

enum Style {
    Live(LiveLines),
    Plain,
    Json,
}

struct Counters {
    started: Instant,
    said: Instant,
    pages: u64,
    records: u64,
    bytes: u64,
    /// The records that the API counts.
    total: Option<u64>,
    /// What is true for the moment, and until when.
    doing: Option<(String, Option<Instant>)>,
    has_ended: bool,
    line: Option<LiveLine>,
}

impl Progress {
    /// Live lines when stderr is a terminal, plain ones otherwise.
    pub(crate) fn start(format: LogFormat) -> Self {
        let style = match format {
            LogFormat::Json => Style::Json,
            LogFormat::Text if terminal::is_watched() => Style::Live(LiveLines::start()),
            LogFormat::Text => Style::Plain,
        };
        let is_live = matches!(style, Style::Live(_));
        let shared = Arc::new(Mutex::new(State {
            style,
            started: Instant::now(),
            planned: 0,
            ended: 0,
            resources: HashMap::new(),
            waits: Waits::default(),
            detected: HashSet::new(),
        }));
        let drawn = Arc::clone(&shared);
        let drawing = async move {
            loop {
                SystemClock.sleep(DRAW_EVERY).await;
                drawn.lock().unwrap_or_else(PoisonError::into_inner).draw();
            }
        };
        let drawing = is_live.then(|| AbortOnDropHandle::new(tokio::spawn(drawing)));
        Self { shared, _drawing: drawing }
    }

    /// Where a run sends its events.
    pub(crate) fn events(&self) -> Events {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |event| shared.lock().unwrap_or_else(PoisonError::into_inner).take(event))
    }

    /// Removes the live lines; what is to stay is printed after this.
    pub(crate) fn finish(&self) {
        let state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Style::Live(lines) = &state.style {
            lines.clear();
        }
    }
}

impl State {
    fn take(&mut self, event: Event) {
        match event {
            Event::Planned { resources } => {
                self.planned = resources;
                if let Style::Json = self.style {
                    terminal::event("planned", [("resources", json!(resources))]);
                }
            }
            Event::Source(SourceEvent::Total { resource, records }) => {
                if let Some(counters) = self.resources.get_mut(&resource) {
                    counters.total = Some(records);
                }
            }
            Event::Started { resource } => self.start(resource),
            Event::Resumed { resource, left } => self.resumed(&resource, &left),
            Event::Page { resource, records, bytes } => self.page(&resource, records, bytes),
            Event::Source(SourceEvent::Waiting { resource, why, wait, until }) => {
                if self.waits.is_news(&resource, &why, until) {
                    let text = format!("waiting {} (until {}): {why}", report::duration(wait), until.format("%H:%M:%SZ"));
                    let until = until.to_rfc3339_opts(SecondsFormat::Millis, true);
                    let facts =
                        [("seconds", json!(wait.as_secs_f64())), ("until", json!(until)), ("why", json!(why.to_string()))];
                    if let Style::Live(_) = self.style {
                        self.wait(&resource, &why.to_string(), wait);
                    } else {
                        self.passing(&resource, "waiting", &text, &facts);
                    }
                }
            }
            Event::Finishing { resource } => self.passing(&resource, "finishing", "all pages are in, finishing files", &[]),
            Event::Ended { resource, failure } => self.end(&resource, failure),
            // Nothing changed, which the summary tells.
            Event::Committing { files: 0, .. } => {}
            Event::Committing { tables, files } => match self.style {
                Style::Json => terminal::event("committing", [("tables", json!(tables)), ("files", json!(files))]),
                Style::Live(_) | Style::Plain => terminal::say(&format!(
                    "committing {}, {}",
                    report::counted(tables as u64, "table"),
                    report::counted(files as u64, "file")
                )),
            },
            Event::Source(SourceEvent::Detected { resource, detected }) => {
                self.detected(&resource, "paginator", &paginator_words(&detected.plan), &detected.from);
            }
            Event::Detected { resource, data_selector } => {
                self.detected(&resource, "data_selector", &path_words(&data_selector), "page 1");
            }
            Event::Source(SourceEvent::Warning { resource, warning }) => self.warn(Some(&resource), &warning),
            Event::Warning { resource, warning } => self.warn(resource.as_ref(), &warning),
        }
    }

    fn start(&mut self, resource: Arc<str>) {
        if let Style::Json = self.style {
            terminal::event("started", [("resource", json!(&*resource))]);
        }
        let now = Instant::now();
        let counters = Counters {
            started: now,
            said: now,
            pages: 0,
            records: 0,
            bytes: 0,
            total: None,
            doing: None,
            has_ended: false,
            line: None,
        };
        self.resources.insert(resource, counters);
        self.draw();
    }

    /// A wait on a terminal, where it is counted down.
    fn wait(&mut self, resource: &Arc<str>, why: &str, wait: Duration) {
        if let Some(counters) = self.resources.get_mut(resource) {
            counters.doing = Some((why.to_owned(), Some(instant_after(Instant::now(), wait))));
            self.draw();
        }
    }

    /// Brings the live lines up to date.
    fn draw(&mut self) {
        let Style::Live(lines) = &self.style else { return };
        let drawn = self.resources.values().filter(|counters| counters.line.is_some()).count();
        let mut waiting: Vec<(&Arc<str>, &mut Counters)> =
            self.resources.iter_mut().filter(|(_, counters)| !counters.has_ended && counters.line.is_none()).collect();
        waiting.sort_by(|a, b| a.0.cmp(b.0));
        for (name, counters) in waiting.into_iter().take(LINES_MAX.saturating_sub(drawn)) {
            counters.line = Some(lines.add(name));
        }
        for counters in self.resources.values() {
            if let Some(line) = &counters.line {
                line.set(&counters.line_text());
            }
        }
        if self.planned > 1 {
            let at_work = self.resources.values().filter(|counters| !counters.has_ended).count();
            let sum = |of: fn(&Counters) -> u64| self.resources.values().map(of).sum::<u64>();
            lines.set_foot(&format!(
                "{}/{} resources · {at_work} at work · {} · {} · {}",
                self.ended,
                self.planned,
                report::counted(sum(|counters| counters.records), "record"),
                report::bytes(sum(|counters| counters.bytes)),
                report::duration(self.started.elapsed())
            ));
        }
    }

    fn resumed(&self, resource: &str, Left { run, started, pages, bytes, .. }: &Left) {
        let started = started.to_rfc3339_opts(SecondsFormat::Secs, true);
        match self.style {
            Style::Json => terminal::event(
                "resumed",
                [
                    ("resource", json!(resource)),
                    ("run", json!(run)),
                    ("started", json!(started)),
                    ("pages", json!(pages)),
                    ("bytes", json!(bytes)),
                ],
            ),
            Style::Live(_) | Style::Plain => terminal::say(&format!(
                "{resource}: an interrupted run of {started} left {} ({}), which are not asked for again unless they have changed",
                report::counted(*pages, "page"),
                report::bytes(*bytes)
            )),
        }
    }

    fn page(&mut self, resource: &Arc<str>, records: u64, bytes: u64) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        counters.pages += 1;
        counters.records += records;
        counters.bytes += bytes;
        counters.doing = None;
        if let Style::Live(_) = self.style {
            self.draw();
        } else if counters.said.elapsed() >= PLAIN_EVERY {
            counters.said = Instant::now();
            match self.style {
                Style::Json => terminal::event("progress", counters.facts(resource)),
                Style::Live(_) | Style::Plain => terminal::say(&format!("{resource}: {}", counters.text())),
            }
        }
    }

    /// What is true for the moment: beside the counts on a terminal, a line elsewhere.
    fn passing(&mut self, resource: &Arc<str>, kind: &str, text: &str, facts: &[(&str, Value)]) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        match &self.style {
            Style::Live(_) => {
                counters.doing = Some((text.to_owned(), None));
                self.draw();
            }
            Style::Plain => terminal::say(&format!("{resource}: {text}")),
            Style::Json => terminal::event(kind, [("resource", json!(&**resource))].into_iter().chain(facts.iter().cloned())),
        }
    }

    /// What the config leaves open and the API answered, told once a resource.
    fn detected(&mut self, resource: &Arc<str>, key: &'static str, value: &str, from: &str) {
        if !self.detected.insert((Arc::clone(resource), key)) {
            return;
        }
        match &self.style {
            Style::Json => terminal::event(
                "detected",
                [("resource", json!(&**resource)), ("key", json!(key)), ("value", json!(value)), ("from", json!(from))],
            ),
            Style::Live(_) | Style::Plain => {
                terminal::say(&format!(
                    "{resource}: detected {key} {value} from {from}, which later runs are held to; `check --online --write` puts it into the config"
                ));
            }
        }
    }

    /// What stays true when the run is over.
    fn warn(&self, resource: Option<&Arc<str>>, Warning { code, text }: &Warning) {
        let text = terminal::typed(text);
        match (&self.style, resource) {
            (Style::Json, resource) => {
                let resource = json!(resource.map(|name| &**name));
                terminal::event("warning", [("code", json!(code.name())), ("resource", resource), ("text", json!(text))]);
            }
            (_, Some(name)) => terminal::say_as("warning", &format!("{name}: {text}")),
            (_, None) => terminal::say_as("warning", &text),
        }
    }

    fn end(&mut self, resource: &Arc<str>, failure: Option<String>) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        if let Some(line) = counters.line.take() {
            line.clear();
        }
        counters.has_ended = true;
        self.ended += 1;
        match (&self.style, failure) {
            (Style::Json, failure) => {
                terminal::event("ended", counters.facts(resource).into_iter().chain([("failure", json!(failure))]));
            }
            (_, None) => terminal::say(&format!("{resource}: {}", counters.text())),
            // Why it failed is told once, in the summary's lines.
            (_, Some(_)) if counters.pages > 0 => terminal::say(&format!("{resource}: failed after {}", counters.text())),
            (_, Some(_)) => {}
        }
        self.draw();
    }
}

impl Counters {
    fn facts(&self, resource: &str) -> [(&'static str, Value); 5] {
        let Self { pages, records, bytes, total, .. } = self;
        [
            ("resource", json!(resource)),
            ("pages", json!(pages)),
            ("records", json!(records)),
            ("total", json!(total)),
            ("bytes", json!(bytes)),
        ]
    }

    /// A short line: how far it is, and what holds it up.
    fn line_text(&self) -> String {
        let mut parts = Vec::new();
        match self.total.filter(|total| *total > 0 && *total >= self.records) {
            _ if self.pages == 0 => {}
            Some(total) => parts.push(format!(
                "{} % · {} of {}",
                u128::from(self.records) * 100 / u128::from(total),
                report::count(self.records),
                report::counted(total, "record")
            )),
            None => parts.push(report::counted(self.records, "record")),
        }
        match &self.doing {
            Some((why, Some(until))) => {
                let left = until.saturating_duration_since(Instant::now());
                parts.push(format!("waiting {} s: {why}", left.as_secs_f64().ceil()));
            }
            Some((what, None)) => parts.push(what.clone()),
            None if self.pages == 0 => parts.push("asking".to_owned()),
            None => {
                parts.push(report::counted(self.pages, "page"));
                parts.push(format!("{}/s", report::count(self.per_second(self.records))));
            }
        }
        parts.join(" · ")
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are for reading"
    )]
    fn per_second(&self, number: u64) -> u64 {
        (number as f64 / self.started.elapsed().as_secs_f64().max(0.001)) as u64
    }

    fn text(&self) -> String {
        format!(
            "{}, {}, {} in {} ({} records/s, {}/s)",
            report::counted(self.pages, "page"),
            report::counted(self.records, "record"),
            report::bytes(self.bytes),
            report::duration(self.started.elapsed()),
            report::count(self.per_second(self.records)),
            report::bytes(self.per_second(self.bytes)),
        )
    }
}
