//! Live progress on stderr: a line a resource on a terminal, plain lines elsewhere, JSON lines on request.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::cli::args::LogFormat;
use crate::cli::terminal;
use crate::pipeline::{Event, Events};
use crate::report;
use crate::source::SourceEvent;

/// Time between two plain lines of one resource.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows a run's events until [`Progress::finish`].
pub(crate) struct Progress {
    shared: Arc<Mutex<State>>,
}

struct State {
    style: Style,
    resources: HashMap<Arc<str>, Counters>,
}

enum Style {
    Live(MultiProgress),
    Plain,
    Json,
}

struct Counters {
    started: Instant,
    said: Instant,
    pages: u64,
    records: u64,
    bytes: u64,
    line: Option<ProgressBar>,
    note: String,
}

impl Progress {
    /// Live lines when stderr is a terminal, plain ones otherwise.
    pub(crate) fn start(format: LogFormat) -> Self {
        let style = match format {
            LogFormat::Json => Style::Json,
            LogFormat::Text if std::io::stderr().is_terminal() => Style::Live(MultiProgress::new()),
            LogFormat::Text => Style::Plain,
        };
        Self { shared: Arc::new(Mutex::new(State { style, resources: HashMap::new() })) }
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
            // A terminal that is gone has nothing to clear.
            let _ = lines.clear();
        }
    }
}

impl State {
    fn take(&mut self, event: Event) {
        match event {
            Event::Started { resource } => self.start(resource),
            Event::Page { resource, records, bytes } => self.page(&resource, records, bytes),
            Event::Source(SourceEvent::Waiting { resource, why, wait, until }) => {
                let until = until.format("%H:%M:%SZ");
                let text = format!("waiting {} (until {until}): {why}", report::duration(wait));
                self.note(Some(&resource), "waiting", &text);
            }
            Event::Source(SourceEvent::Warning { resource, text }) => self.note(Some(&resource), "warning", &text),
            Event::Finishing { resource } => self.note(Some(&resource), "finishing", "all pages are in, finishing files"),
            Event::Ended { resource, failure } => self.end(&resource, failure),
            Event::Committing { tables, files } => {
                self.note(None, "committing", &format!("committing {tables} tables, {files} files"));
            }
            Event::Warning { resource, text } => self.note(resource.as_ref(), "warning", &text),
        }
    }

    fn start(&mut self, resource: Arc<str>) {
        let line = match &self.style {
            Style::Live(lines) => {
                let bar = lines.add(ProgressBar::new_spinner());
                if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {msg}") {
                    bar.set_style(style);
                }
                bar.set_prefix(resource.to_string());
                bar.enable_steady_tick(Duration::from_millis(120));
                Some(bar)
            }
            Style::Plain => None,
            Style::Json => {
                terminal::say(&json!({"event": "started", "resource": &*resource}).to_string());
                None
            }
        };
        let counters =
            Counters { started: Instant::now(), said: Instant::now(), pages: 0, records: 0, bytes: 0, line, note: String::new() };
        self.resources.insert(resource, counters);
    }

    fn page(&mut self, resource: &Arc<str>, records: u64, bytes: u64) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        counters.pages += 1;
        counters.records += records;
        counters.bytes += bytes;
        counters.note.clear();
        if let Some(line) = &counters.line {
            line.set_message(counters.text());
        } else if counters.said.elapsed() >= PLAIN_EVERY {
            counters.said = Instant::now();
            let text = match self.style {
                Style::Json => json!({
                    "event": "progress", "resource": &**resource, "pages": counters.pages,
                    "records": counters.records, "bytes": counters.bytes,
                })
                .to_string(),
                Style::Live(_) | Style::Plain => format!("{resource}: {}", counters.text()),
            };
            terminal::say(&text);
        }
    }

    fn note(&mut self, resource: Option<&Arc<str>>, kind: &str, text: &str) {
        match &self.style {
            Style::Json => {
                let resource = resource.map(|name| &**name);
                terminal::say(&json!({"event": kind, "resource": resource, "text": text}).to_string());
            }
            Style::Plain => match resource {
                Some(name) => terminal::say(&format!("{name}: {text}")),
                None => terminal::say(text),
            },
            Style::Live(lines) => {
                let line = resource.and_then(|name| self.resources.get_mut(name));
                match line {
                    // Warnings stay on the screen; the rest belongs to the moment.
                    Some(counters) if kind != "warning" => {
                        text.clone_into(&mut counters.note);
                        if let Some(bar) = &counters.line {
                            bar.set_message(counters.text());
                        }
                    }
                    _ => {
                        let name = resource.map(|name| format!("{name}: ")).unwrap_or_default();
                        // A terminal that is gone takes no line.
                        let _ = lines.println(format!("{name}{text}"));
                    }
                }
            }
        }
    }

    fn end(&mut self, resource: &Arc<str>, failure: Option<String>) {
        let Some(counters) = self.resources.get_mut(resource) else { return };
        if let Some(line) = &counters.line {
            line.finish_and_clear();
        }
        let text = counters.text();
        match (&self.style, failure) {
            (Style::Json, failure) => terminal::say(
                &json!({
                    "event": "ended", "resource": &**resource, "pages": counters.pages,
                    "records": counters.records, "bytes": counters.bytes, "failure": failure,
                })
                .to_string(),
            ),
            (_, None) => terminal::say(&format!("{resource}: {text}")),
            // Why it failed is told once, in the summary's lines.
            (_, Some(_)) => terminal::say(&format!("{resource}: failed after {text}")),
        }
    }
}

impl Counters {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are for reading"
    )]
    fn text(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mut text = format!(
            "{} pages, {} records, {} in {} ({} records/s, {}/s)",
            report::count(self.pages),
            report::count(self.records),
            report::bytes(self.bytes),
            report::duration(self.started.elapsed()),
            report::count((self.records as f64 / seconds) as u64),
            report::bytes((self.bytes as f64 / seconds) as u64),
        );
        if !self.note.is_empty() {
            text.push_str(" · ");
            text.push_str(&self.note);
        }
        text
    }
}
