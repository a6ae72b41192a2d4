//! Dagster Pipes: messages to the process that started this one, where that is Dagster.
//!
//! In: `DAGSTER_PIPES_CONTEXT` and `DAGSTER_PIPES_MESSAGES`, base64 of zlib of JSON. Out: messages in the file, or on the stream, that they name.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use serde_json::Value;

use crate::base::shown_json;
use crate::cli::terminal;

/// Largest context, in bytes.
const BYTES_MAX: u64 = 16 << 20;

/// Where messages go.
pub(super) struct Pipes {
    out: Out,
    assets: Vec<String>,
    /// Whether it was told that messages do not arrive: once is enough.
    is_lost: bool,
}

enum Out {
    File(File),
    Stdout,
    Stderr,
}

impl Pipes {
    /// Those that Dagster asks for; `None` where nothing does.
    pub(super) fn asked() -> Option<Self> {
        let context = std::env::var("DAGSTER_PIPES_CONTEXT").ok()?;
        let messages = std::env::var("DAGSTER_PIPES_MESSAGES").ok()?;
        match Self::opened(&context, &messages) {
            Ok(pipes) => Some(pipes),
            Err(why) => {
                terminal::tell("warning", &format!("Dagster is told nothing: {why}"));
                None
            }
        }
    }

    fn opened(context: &str, messages: &str) -> Result<Self, String> {
        let context = decoded(context).ok_or("`DAGSTER_PIPES_CONTEXT` is not base64 of compressed JSON")?;
        let messages = decoded(messages).ok_or("`DAGSTER_PIPES_MESSAGES` is not base64 of compressed JSON")?;
        let read = |path: &str| {
            let bytes = fs::read(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
            serde_json::from_slice(&bytes).map_err(|error| format!("`{path}`: {error}"))
        };
        let context = match (context.get("data"), context.get("path").and_then(Value::as_str)) {
            (Some(data), _) => data.clone(),
            (None, Some(path)) => read(path)?,
            (None, None) => return Err("its context is neither in `data` nor in a `path`".to_owned()),
        };
        let out = match (messages.get("path").and_then(Value::as_str), messages.get("stdio").and_then(Value::as_str)) {
            (Some(path), _) => {
                let opened = OpenOptions::new().create(true).append(true).open(path);
                Out::File(opened.map_err(|error| format!("`{path}` cannot be written: {error}"))?)
            }
            (None, Some("stdout")) => Out::Stdout,
            (None, Some("stderr")) => Out::Stderr,
            (None, _) => {
                return Err("its messages go neither to a `path` nor to `stdio`, which is all that lakeward has".to_owned());
            }
        };
        let keys = context.get("asset_keys").and_then(Value::as_array).into_iter().flatten();
        let assets = keys.filter_map(|key| key.as_str().map(str::to_owned)).collect();
        Ok(Self { out, assets, is_lost: false })
    }

    /// The keys of the assets that Dagster waits for.
    pub(super) fn assets(&self) -> &[String] {
        &self.assets
    }

    /// Sends a message.
    pub(super) fn send(&mut self, message: &Value) {
        let sent = match &mut self.out {
            Out::File(file) => file.write_all(format!("{}\n", shown_json(message.clone())).as_bytes()),
            Out::Stdout => {
                terminal::print_json(message.clone());
                Ok(())
            }
            Out::Stderr => {
                terminal::say_json(message.clone());
                Ok(())
            }
        };
        if let (Err(error), false) = (sent, self.is_lost) {
            self.is_lost = true;
            terminal::tell("warning", &format!("a message to Dagster cannot be delivered: {error}"));
        }
    }
}

fn decoded(text: &str) -> Option<Value> {
    let mut json = Vec::new();
    ZlibDecoder::new(STANDARD.decode(text).ok()?.as_slice()).take(BYTES_MAX).read_to_end(&mut json).ok()?;
    serde_json::from_slice(&json).ok()
}
