//! Logs of this program and its libraries, one line an event.

use std::fmt;
use std::io::Write;

use chrono::SecondsFormat;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::{Clock, SystemClock, shown, shown_json};
use crate::cli::args::LogFormat;
use crate::cli::terminal::{FORMAT, has_colours, line_head, write_error_line};

/// Sends logs to stderr. `RUST_LOG` wins over `-v`.
pub(crate) fn start_logging(format: LogFormat, verbose: u8) {
    let level = match verbose {
        0 => "lakeward=warn",
        1 => "lakeward=info",
        _ => "lakeward=debug",
    };
    // A second start, as in tests, keeps the first.
    let _ = FORMAT.set(format);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = has_colours();
    let _ = tracing_subscriber::registry().with(Logs { format, colours }.with_filter(filter)).try_init();
}

/// Writes events as lines.
struct Logs {
    format: LogFormat,
    colours: bool,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut facts = Facts::default();
        attributes.record(&mut facts);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(facts);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = event.metadata().level();
        let mut facts = Facts::default();
        event.record(&mut facts);
        match self.format {
            LogFormat::Json => {
                let mut line = line_head(level.as_str(), "log");
                let of_spans = context.event_scope(event).into_iter().flatten();
                for span in of_spans {
                    let known = span.extensions().get::<Facts>().map(|facts| facts.0.clone()).unwrap_or_default();
                    line.extend(known);
                }
                line.extend(facts.0);
                line.insert("target".to_owned(), event.metadata().target().into());
                write_error_line(&shown_json(Value::Object(line)));
            }
            LogFormat::Text => {
                let time = SystemClock.now().to_rfc3339_opts(SecondsFormat::Micros, true);
                let text = shown(&facts.to_string()).into_owned();
                let colour = match *level {
                    tracing::Level::ERROR => 31,
                    tracing::Level::WARN => 33,
                    tracing::Level::INFO => 32,
                    _ => 34,
                };
                let mut head = Vec::new();
                // A Vec takes everything.
                let _ = match self.colours {
                    true => write!(head, "\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{level:>5}\u{1b}[0m"),
                    false => write!(head, "{time} {level:>5}"),
                };
                write_error_line(&format!("{} {text}", String::from_utf8_lossy(&head)));
            }
        }
    }
}

/// An event's fields; its message is the field `message`.
#[derive(Default)]
struct Facts(Vec<(String, Value)>);

impl Facts {
    fn add(&mut self, field: &Field, value: Value) {
        self.0.push((field.name().to_owned(), value));
    }
}

impl Visit for Facts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

/// The message, then `name=value` of the other fields.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_message = |name: &str| name == "message";
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut parts: Vec<String> = self.0.iter().filter(|(name, _)| is_message(name)).map(|(_, value)| text(value)).collect();
        parts.extend(self.0.iter().filter(|(name, _)| !is_message(name)).map(|(name, value)| format!("{name}={value}")));
        f.write_str(&parts.join(" "))
    }
}
