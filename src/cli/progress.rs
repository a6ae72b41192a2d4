//! Live progress on stderr: a line a resource on a terminal, plain lines elsewhere, JSON lines on request.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use serde_json::{Value, json};

use crate::base::Warning;
use crate::cli::args::LogFormat;
use crate::cli::terminal::{self, LiveLine, LiveLines};
use crate::cli::waits::Waits;
use crate::config::{paginator_words, path_words};
use crate::pipeline::{Event, Events};
use crate::report;
use crate::source::{Left, SourceEvent};

/// Time between two plain lines of one resource.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows a run's events until [`Progress::finish`].
pub(crate) struct Progress {
    shared: Arc<Mutex<State>>,
}

struct State {
    style: Style,
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
        Self {
            shared: Arc::new(Mutex::new(State {
                style,
                resources: HashMap::new(),
                waits: Waits::default(),
                detected: HashSet::new(),
            })),
        }
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
            Event::Started { resource } => self.start(resource),
            Event::Resumed { resource, left } => self.resumed(&resource, &left),
            Event::Page { resource, records, bytes } => self.page(&resource, records, bytes),
            Event::Source(SourceEvent::Waiting { resource, why, wait, until }) => {
                if self.waits.is_news(&resource, &why, until) {
                    let text = format!("waiting {} (until {}): {why}", report::duration(wait), until.format("%H:%M:%SZ"));
                    let until = until.to_rfc3339_opts(SecondsFormat::Millis, true);
                    let facts =
                        [("seconds", json!(wait.as_secs_f64())), ("until", json!(until)), ("why", json!(why.to_string()))];
                    self.passing(&resource, "waiting", &text, &facts);
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
        let line = match &self.style {
            Style::Live(lines) => Some(lines.add(&resource)),
            Style::Plain => None,
            Style::Json => {
                terminal::event("started", [("resource", json!(&*resource))]);
                None
            }
        };
        let now = Instant::now();
        self.resources.insert(resource, Counters { started: now, said: now, pages: 0, records: 0, bytes: 0, line });
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
        if let Some(line) = &counters.line {
            line.set(&counters.text());
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
                if let Some(line) = &counters.line {
                    match counters.pages {
                        0 => line.set(text),
                        _ => line.set(&format!("{text} · {}", counters.text())),
                    }
                }
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
            (_, Some(name)) => terminal::say(&format!("warning: {name}: {text}")),
            (_, None) => terminal::say(&format!("warning: {text}")),
        }
    }

    fn end(&mut self, resource: &Arc<str>, failure: Option<String>) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        if let Some(line) = &counters.line {
            line.clear();
        }
        match (&self.style, failure) {
            (Style::Json, failure) => {
                terminal::event("ended", counters.facts(resource).into_iter().chain([("failure", json!(failure))]));
            }
            (_, None) => terminal::say(&format!("{resource}: {}", counters.text())),
            // Why it failed is told once, in the summary's lines.
            (_, Some(_)) if counters.pages > 0 => terminal::say(&format!("{resource}: failed after {}", counters.text())),
            (_, Some(_)) => {}
        }
    }
}

impl Counters {
    fn facts(&self, resource: &str) -> [(&'static str, Value); 4] {
        let Self { pages, records, bytes, .. } = self;
        [("resource", json!(resource)), ("pages", json!(pages)), ("records", json!(records)), ("bytes", json!(bytes))]
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are for reading"
    )]
    fn text(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        format!(
            "{}, {}, {} in {} ({} records/s, {}/s)",
            report::counted(self.pages, "page"),
            report::counted(self.records, "record"),
            report::bytes(self.bytes),
            report::duration(self.started.elapsed()),
            report::count((self.records as f64 / seconds) as u64),
            report::bytes((self.bytes as f64 / seconds) as u64),
        )
    }
}
