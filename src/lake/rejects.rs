//! Rejects on their way to the quarantine: lines of JSON that wait in the spool, so that memory holds few of them.
//!
//! In: rejects in page order. Out: parts of some megabytes for [`crate::lake::Lake::quarantine`], which writes them into the
//! lake once their resource is whole; a secret that the API echoes is `***` in them. What is left of a resource that failed goes with
//! the spool.

use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::{blocking, shown_json};
use crate::decode::Reject;
use crate::lake::LakeError;

/// Bytes at which the lines that wait become a part on disk.
const PART_BYTES: usize = 8 << 20;

/// The rejects of one resource.
#[derive(Debug)]
pub(crate) struct RejectLog {
    resource: String,
    folder: PathBuf,
    waiting: Vec<u8>,
    parts: Vec<PathBuf>,
    count: u64,
    first: Option<Reject>,
}

impl RejectLog {
    /// An empty log that keeps its parts in `folder`, the table's spool, made by its stage.
    pub(crate) fn new(resource: &str, folder: PathBuf) -> Self {
        Self { resource: resource.to_owned(), folder, waiting: Vec::new(), parts: Vec::new(), count: 0, first: None }
    }

    /// How many it has.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first of them, without its text.
    pub(crate) fn first(&self) -> Option<&Reject> {
        self.first.as_ref()
    }

    /// Takes the rejects of the next page.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) async fn push(&mut self, rejects: &[Reject]) -> Result<(), LakeError> {
        if self.first.is_none() {
            self.first = rejects.first().map(|reject| Reject { raw: String::new(), ..reject.clone() });
        }
        for reject in rejects {
            self.push_line(line_of(&self.resource, reject)).await?;
        }
        Ok(())
    }

    /// Takes a line, whole.
    async fn push_line(&mut self, line: String) -> Result<(), LakeError> {
        self.waiting.extend_from_slice(line.as_bytes());
        self.waiting.push(b'\n');
        self.count += 1;
        if self.waiting.len() >= PART_BYTES {
            self.set_aside().await?;
        }
        Ok(())
    }

    /// Takes lines of an older log.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(crate) async fn push_again(&mut self, lines: impl IntoIterator<Item = Value>) -> Result<(), LakeError> {
        for line in lines {
            self.push_line(shown_json(line)).await?;
        }
        Ok(())
    }

    async fn set_aside(&mut self) -> Result<(), LakeError> {
        let path = self.folder.join(format!("rejects-{:06}.tmp", self.parts.len()));
        let (lines, to) = (std::mem::take(&mut self.waiting), path.clone());
        let written = blocking(move || std::fs::File::create_new(to)?.write_all(&lines)).await;
        written.map_err(|source| LakeError::Disk { action: "write", path: path.clone(), source })?;
        self.parts.push(path);
        Ok(())
    }

    /// The parts that are on disk, then the lines that wait, in order; nothing of an empty log.
    pub(super) fn parts(&self) -> impl Iterator<Item = RejectPart<'_>> {
        let waiting = (!self.waiting.is_empty()).then_some(RejectPart::Waiting(&self.waiting));
        self.parts.iter().map(RejectPart::OnDisk).chain(waiting)
    }
}

/// The line of a reject. It says which steps the text has passed only where the text stands in it as it is: a secret in it is hidden.
fn line_of(resource: &str, reject: &Reject) -> String {
    let mut line = json!({
        "resource": resource, "page": reject.page, "record": reject.record + 1, "path": reject.path,
        "expected": reject.expected, "actual": reject.actual, "raw": reject.raw,
    });
    if let Some(passed) = &reject.passed {
        line["steps"] = json!(**passed);
    }
    let shown = shown_json(line);
    let mut told: Value = match &reject.passed {
        Some(_) => serde_json::from_str(&shown).unwrap_or_default(),
        None => return shown,
    };
    match &mut told {
        Value::Object(members) if members.get("raw").and_then(Value::as_str) != Some(&reject.raw) => {
            members.remove("steps");
            shown_json(told)
        }
        _ => shown,
    }
}

/// Some lines of a log.
pub(super) enum RejectPart<'a> {
    OnDisk(&'a PathBuf),
    Waiting(&'a [u8]),
}

impl RejectPart<'_> {
    /// Its lines.
    ///
    /// # Errors
    /// [`LakeError::Disk`].
    pub(super) async fn read(&self) -> Result<Vec<u8>, LakeError> {
        match self {
            Self::Waiting(lines) => Ok(lines.to_vec()),
            Self::OnDisk(path) => {
                let from = (*path).clone();
                let read = blocking(move || std::fs::read(from)).await;
                read.map_err(|source| LakeError::Disk { action: "read", path: (*path).clone(), source })
            }
        }
    }
}
