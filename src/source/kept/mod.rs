//! Kept answers: what a run that was interrupted got from its API, for the next run to be answered from.
//!
//! The next run asks the same requests again. Answered from here, paginators, rules, decoding and cursors do what they did, and the result is that of one
//! run that was never interrupted, as far as the API stood still meanwhile; where it did not, the rules on drift see what they would see in a long run.
//!
//! A chain that had not ended goes on only where its last kept page with records has the same ones now: it is asked for again before any of the chain is handed
//! out, so that rows that moved meanwhile are not missed between what was kept and what is asked for, and a cursor that has run out is found while another
//! way is open ([`crate::source::fetch`]). A chain that ended is whole as it was.
//!
//! In: the answers of pages in the order in which a chain judged them; a file for each resource, of this user alone. Out: the same, to the requests that they
//! answered. Invariants:
//! - an answer is kept once its page was judged in its turn: what a rule dropped, a retry, a refusal or a token answered is never here;
//! - no answer of the log counts behind one of the API in its chain: rows that move would be missed between the two;
//! - it is used only under the same [`Terms`], and within `resume` of the last answer that led farther; the run that goes on asks as of the time at which
//!   the first one began, so that windows and cursors are the same;
//! - no credential is written: of a request there is a salted hash, of an answer no cookie, and nothing at all where it shows a credential.
//!
//! Not here: when a log is used, and when it goes ([`crate::pipeline`]); where it lies ([`crate::lake`]).

mod chain;
mod log;
mod replay;
mod writer;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use xxhash_rust::xxh3::xxh3_128;

use crate::base::CursorValue;
use crate::config::Method;
use crate::source::Slice;
use crate::source::kept::log::{Entry, Epoch, FORMAT, Scanned};
use crate::source::kept::writer::{Target, Writer};
use crate::source::request::PageRequest;

pub(super) use chain::{Asked, Keep, KeptChain, LastPage, Standing, keep_of};
pub(super) use writer::KeptAnswer;

/// The answers kept of one resource: those of an interrupted run, and those of this one.
#[derive(Debug)]
pub(crate) struct KeptAnswers {
    started: DateTime<Utc>,
    salt: u64,
    /// Set where there are entries.
    file: Option<Arc<File>>,
    /// Of earlier runs, chain by chain.
    entries: Vec<Entry>,
    left: Option<Left>,
    writer: Writer,
}

/// Under what answers are kept, and used again.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// The resource.
    pub(crate) resource: String,
    /// This run.
    pub(crate) run: String,
    /// Of what the config asks of the API: [`crate::config::Plan::fingerprint`].
    pub(crate) fingerprint: u128,
    /// [`crate::config::Plan::credentials_check`].
    pub(crate) credentials: u16,
    /// Of the table and the state that the run begins with, as hex digits.
    pub(crate) base: String,
    /// When this run began.
    pub(crate) started: DateTime<Utc>,
    /// How old the last answer of a log may be.
    pub(crate) age_max: Duration,
    /// A random number, for a log that begins.
    pub(crate) salt: u64,
}

/// What an interrupted run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    /// The resource.
    pub(crate) resource: String,
    /// The run that began.
    pub(crate) run: String,
    /// When it did.
    pub(crate) started: DateTime<Utc>,
    /// Pages whose answers were kept.
    pub(crate) pages: u64,
    /// Bytes of the log.
    pub(crate) bytes: u64,
    /// When the last of them was kept.
    pub(crate) last: DateTime<Utc>,
}

impl Left {
    /// Whether it is too old at `now`, or from a time that has not come.
    pub(crate) fn is_expired(&self, now: DateTime<Utc>, age_max: Duration) -> bool {
        now.signed_duration_since(self.last).abs().to_std().is_ok_and(|age| age >= age_max)
    }

    /// Until when it is used.
    pub(crate) fn until(&self, age_max: Duration) -> DateTime<Utc> {
        crate::base::time_after(self.last, age_max)
    }

    fn of(scanned: &Scanned) -> Option<Self> {
        let Epoch { resource, run, started, .. } = &scanned.epoch;
        let pages = log::by_chain(scanned.entries.clone()).len() as u64;
        (pages > 0).then_some(())?;
        Some(Self {
            resource: resource.clone(),
            run: run.clone(),
            started: started.parse().ok()?,
            pages,
            bytes: scanned.end,
            last: DateTime::from_timestamp(scanned.last?, 0)?,
        })
    }
}

/// What a log has; `None` where it is of no use to anyone.
///
/// # Errors
/// The system's.
pub(crate) fn look_at_answers(file: &File) -> io::Result<Option<Left>> {
    Ok(log::scan(file)?.filter(|scanned| scanned.epoch.format == FORMAT).as_ref().and_then(Left::of))
}

/// The fingerprint as a log has it.
fn salted(salt: u64, fingerprint: u128) -> String {
    format!("{:032x}", xxh3_128(&[&salt.to_le_bytes()[..], &fingerprint.to_le_bytes()].concat()))
}

impl KeptAnswers {
    /// Goes on with the log of an interrupted run; `None` where the terms are others.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn go_on(file: File, terms: &Terms, now: DateTime<Utc>) -> io::Result<Option<Self>> {
        let Some(scanned) = log::scan(&file)? else { return Ok(None) };
        let Epoch { format, program, resource, fingerprint, credentials, base, salt, .. } = &scanned.epoch;
        let is_meant = (*format, program.as_str()) == (FORMAT, env!("CARGO_PKG_VERSION"))
            && (resource, base, credentials) == (&terms.resource, &terms.base, &terms.credentials)
            && *fingerprint == salted(*salt, terms.fingerprint);
        let left = Left::of(&scanned).filter(|left| is_meant && !left.is_expired(now, terms.age_max));
        let (Some(left), salt) = (left, *salt) else { return Ok(None) };
        // What a kill has cut would hide what comes behind it.
        file.set_len(scanned.end)?;
        (&file).seek(SeekFrom::Start(scanned.end))?;
        let file = Arc::new(file);
        let (started, entries) = (left.started, log::by_chain(scanned.entries));
        let writer = Writer::new(Target::Open(Arc::clone(&file), scanned.end));
        Ok(Some(Self { started, salt, writer, file: Some(file), entries, left: Some(left) }))
    }

    /// A log that begins with the first answer that is kept, in a file that `create` then makes.
    pub(crate) fn begin(create: impl FnOnce() -> io::Result<File> + Send + 'static, terms: &Terms) -> Self {
        let Terms { resource, run, fingerprint, credentials, base, started, salt, .. } = terms.clone();
        let epoch = Epoch {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            resource,
            run,
            started: started.to_rfc3339_opts(SecondsFormat::Nanos, true),
            fingerprint: salted(salt, fingerprint),
            credentials,
            base,
            salt,
        };
        let begin = move || {
            let file = create()?;
            let bytes = log::begin(&file, &epoch)?;
            Ok((Arc::new(file), bytes))
        };
        Self { started, salt, writer: Writer::new(Target::New(Box::new(begin))), file: None, entries: Vec::new(), left: None }
    }

    /// When the first of the runs began: as of then all of them ask.
    pub(crate) fn started(&self) -> DateTime<Utc> {
        self.started
    }

    /// What an interrupted run left.
    pub(crate) fn left(&self) -> Option<&Left> {
        self.left.as_ref()
    }

    /// Waits until all that is to be kept is written. Blocks.
    pub(crate) fn finish(&self) {
        self.writer.finish();
    }

    /// Keeps nothing more, and waits until nothing is written. Blocks for one answer at most.
    pub(crate) fn give_up(&self) {
        self.writer.give_up();
        self.writer.finish();
    }

    /// What a chain is answered from, by what it is for and its first request.
    pub(super) fn chain(self: &Arc<Self>, slice: &Slice, method: Method, first: &PageRequest) -> KeptChain {
        let mut text = format!("{:032x}", self.key(method, first));
        for record in &slice.parents {
            let _ = write!(text, "{:?}", record.values);
        }
        if let Some(cursor) = &slice.cursor {
            let range = [&cursor.range.start, &cursor.range.end].map(|end| end.as_ref().map(CursorValue::text));
            let _ = write!(text, "{range:?}{:?}", cursor.key);
        }
        KeptChain::new(Arc::clone(self), xxh3_128(text.as_bytes()), method)
    }

    /// What tells a request from others: its method, its URL and its body, before a client adds credentials.
    fn key(&self, method: Method, request: &PageRequest) -> u128 {
        let method = match method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let body = request.body.as_deref().unwrap_or_default();
        let mut text = self.salt.to_le_bytes().to_vec();
        for part in [method.as_bytes(), request.url.as_str().as_bytes(), body] {
            text.extend_from_slice(&(part.len() as u64).to_le_bytes());
            text.extend_from_slice(part);
        }
        xxh3_128(&text)
    }
}
