//! Recording: a transport that writes down what another one is asked and answers.
//!
//! In: what a run asks. Out: the same answers, as they come, and a file with all of them. The file has its name once it is whole: it is written as
//! `FILE.part`, which a killed run leaves behind and the next recording of that name replaces. Memory is bounded by a piece of each body that is on its
//! way. A file that cannot be written ends the recording, and not the run, which tells so at its end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::header::{HeaderMap, SET_COOKIE};

use crate::base::{Clock, SystemClock, in_place, secrets};
use crate::source::packing::is_brotli;
use crate::source::recording::fault::Fault;
use crate::source::recording::frame::{Answer, End, Frame, FrameWriter, Outcome, PIECE_BYTES};
use crate::source::recording::unpack::Unpacker;
use crate::source::recording::veil::{Taken, Vault, Veil, find_with, tokens_of};
use crate::source::recording::{Header, RecordedRequest, Start};
use crate::source::transport::{Answered, Request, Transport, TransportError};

/// Owner only.
const MODE: u32 = 0o600;
/// Bytes at the end of what came of a body that wait for the next ones, since a secret may begin in them.
const HELD_BACK: usize = 16 << 10;
/// Longest answer to a token request that is kept.
const TOKEN_BYTES_MAX: usize = 1 << 20;

/// A recording that is being made.
pub(crate) struct Recorder {
    path: PathBuf,
    part: PathBuf,
    salt: u64,
    vault: Vault,
    header: Mutex<Option<Header>>,
    tape: Mutex<Tape>,
    exchanges: AtomicU64,
}

struct Tape {
    /// `None` before the run begins, and once the recording ended.
    writer: Option<FrameWriter>,
    /// Locked until then.
    file: Option<File>,
    written: u64,
    failed: Option<io::Error>,
}

impl Recorder {
    /// A recording for `path`, of a run whose config `taken` was read with.
    ///
    /// # Errors
    /// The system's; another process records to the same name.
    pub(crate) fn create(path: &Path, taken: &[Taken]) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(&part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another run records to it")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        file.set_len(0)?;
        let salt = SystemClock.random();
        let (vault, givens) = Vault::seal(taken, salt);
        let header = Header { program: env!("CARGO_PKG_VERSION").to_owned(), salt, givens, start: Start::default() };
        let tape = Tape { writer: None, file: Some(file), written: 0, failed: None };
        Ok(Self {
            path: path.to_owned(),
            part,
            salt,
            vault,
            header: Mutex::new(Some(header)),
            tape: Mutex::new(tape),
            exchanges: AtomicU64::new(0),
        })
    }

    /// The run begins, from what the lake has.
    pub(crate) fn begin(&self, start: Start) {
        let header = self.header.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(header) = header else { return };
        debug_assert_eq!(header.salt, self.salt);
        let mut tape = self.tape();
        let Some(file) = tape.file.as_ref().map(File::try_clone) else { return };
        match file.and_then(FrameWriter::new) {
            Ok(writer) => tape.writer = Some(writer),
            Err(error) => tape.failed = Some(error),
        }
        drop(tape);
        self.write(&Frame::Header(Header { start, ..header }), &[]);
    }

    /// The run is over: the file gets its name. A run that never asked anything leaves none.
    ///
    /// # Errors
    /// What kept the file from being written. It is gone then.
    pub(crate) fn finish(&self) -> io::Result<Option<u64>> {
        let exchanges = self.tape().written;
        self.write(&Frame::Footer { exchanges }, &[]);
        let mut tape = self.tape();
        let (writer, failed) = (tape.writer.take(), tape.failed.take());
        let finished = match (writer, failed) {
            (_, Some(error)) => Err(error),
            (None, None) => Ok(None),
            (Some(mut writer), None) => {
                writer.finish().and_then(|()| fs::rename(&self.part, &self.path)).map(|()| Some(exchanges))
            }
        };
        if !matches!(finished, Ok(Some(_))) {
            // What is left of it is of no use; the error tells why.
            let _ = fs::remove_file(&self.part);
        }
        drop(tape.file.take());
        finished
    }

    /// A transport that records what `inner` is asked.
    pub(in crate::source) fn over(self: &Arc<Self>, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Recording { recorder: Arc::clone(self), inner })
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, frame: &Frame, bytes: &[u8]) {
        let mut tape = self.tape();
        let Some(writer) = &mut tape.writer else { return };
        let is_over =
            matches!(frame, Frame::End { .. }) || matches!(frame, Frame::Answer(Answer { outcome: Outcome::Failed(_), .. }));
        match in_place(|| writer.write(frame, bytes)) {
            Ok(()) => tape.written += u64::from(is_over),
            Err(error) => {
                tape.failed = Some(error);
                tape.writer = None;
            }
        }
    }

    /// The headers as they are kept: no cookie, unless it is a token.
    fn headers(&self, headers: &HeaderMap, tokens: Option<&[String]>) -> Vec<(String, String, Vec<Veil>)> {
        let kept = headers.iter().filter(|(name, _)| tokens.is_some() || *name != SET_COOKIE);
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        kept.map(|(name, value)| {
            let found = find_with(value.as_bytes(), tokens.unwrap_or_default());
            let (bytes, veils) = self.vault.veil(value.as_bytes(), found);
            (name.as_str().to_owned(), text(&bytes), veils)
        })
        .collect()
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Drop for Recorder {
    /// A command that ends before its run leaves nothing.
    fn drop(&mut self) {
        let has_begun = self.header.get_mut().unwrap_or_else(PoisonError::into_inner).is_none();
        let tape = self.tape.get_mut().unwrap_or_else(PoisonError::into_inner);
        if !has_begun && tape.file.is_some() {
            let _ = fs::remove_file(&self.part);
        }
    }
}

#[derive(Debug)]
struct Recording {
    recorder: Arc<Recorder>,
    inner: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Recording {
    async fn send(&self, request: Request) -> Result<Answered, TransportError> {
        let recorder = &self.recorder;
        let (recorded, is_for_token) = (recorder.vault.request(&request), request.is_for_token);
        let exchange = recorder.exchanges.fetch_add(1, Ordering::SeqCst);
        let began = SystemClock.instant();
        let head = |outcome| Answer { exchange, request: recorded.clone(), took_ms: millis(began), outcome };
        let mut answered = match self.inner.send(request).await {
            Ok(answered) => answered,
            Err(error) => {
                recorder.write(&Frame::Answer(head(Outcome::Failed(Fault::of(&error)))), &[]);
                return Err(error);
            }
        };
        if is_for_token {
            return token(recorder, answered, recorded, (exchange, began)).await;
        }
        let headers = recorder.headers(&answered.headers, None);
        let outcome = Outcome::Answered { status: answered.status.as_u16(), headers, body_bytes: answered.body_bytes };
        recorder.write(&Frame::Answer(head(outcome)), &[]);
        let head = (answered.status, std::mem::take(&mut answered.headers), answered.body_bytes);
        let copy = Copy {
            recorder: Arc::clone(recorder),
            exchange,
            unpacker: Unpacker::new(is_brotli(&head.1)),
            pending: Vec::new(),
            is_over: false,
        };
        let body = futures::stream::unfold((answered, copy), |(mut answered, mut copy)| async move {
            match answered.chunk().await {
                Ok(Some(bytes)) => {
                    copy.take(&bytes);
                    Some((Ok(bytes), (answered, copy)))
                }
                Ok(None) => {
                    copy.end(None);
                    None
                }
                Err(error) => {
                    copy.end(Some(&error));
                    Some((Err(error), (answered, copy)))
                }
            }
        });
        Ok(Answered::new(head, body.boxed()))
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(SystemClock.instant().duration_since(began).as_millis()).unwrap_or(u64::MAX)
}

/// Receives the answer to a token request whole, since what is secret in it is known only then.
async fn token(
    recorder: &Recorder,
    mut answered: Answered,
    request: RecordedRequest,
    (exchange, began): (u64, Instant),
) -> Result<Answered, TransportError> {
    let (mut pieces, mut bytes, mut broken) = (Vec::new(), 0, None);
    while bytes <= TOKEN_BYTES_MAX {
        match answered.chunk().await {
            Ok(Some(piece)) => {
                bytes += piece.len();
                pieces.push(piece);
            }
            Ok(None) => break,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let (mut body, mut unpacker) = (Vec::new(), Unpacker::new(is_brotli(&answered.headers)));
    let fed = pieces.iter().try_for_each(|piece| unpacker.feed(piece, &mut body));
    let unpacked = fed.and_then(|()| if broken.is_some() { Ok(false) } else { unpacker.end(&mut body) });
    let cookies = answered.headers.get_all(SET_COOKIE).iter().filter_map(|value| {
        let pair = value.to_str().ok()?.split(';').next()?;
        Some(pair.split_once('=')?.1.trim().to_owned()).filter(|value| value.len() >= 4)
    });
    let tokens: Vec<String> = tokens_of(&body).into_iter().chain(cookies).collect();
    recorder.vault.learn(tokens.iter().cloned());
    let headers = recorder.headers(&answered.headers, Some(&tokens));
    let outcome = Outcome::Answered { status: answered.status.as_u16(), headers, body_bytes: None };
    recorder.write(&Frame::Answer(Answer { exchange, request, took_ms: millis(began), outcome }), &[]);
    body.truncate(2 * TOKEN_BYTES_MAX);
    let (veiled, veils) = recorder.vault.veil(&body, find_with(&body, &tokens));
    recorder.write(&Frame::Piece { exchange, veils }, &veiled);
    let end = match (&broken, unpacked) {
        (Some(error), _) => End::Broken(Fault::of(error)),
        (None, Ok(was_packed)) => End::Whole { was_packed },
        (None, Err(_)) => End::Damaged,
    };
    recorder.write(&Frame::End { exchange, end }, &[]);
    let head = (answered.status, std::mem::take(&mut answered.headers), answered.body_bytes);
    let pieces = pieces.into_iter().map(Ok).chain(broken.into_iter().map(Err));
    // What is too long for a token goes on behind what was looked at.
    let rest = futures::stream::unfold(answered, |mut answered| async move {
        answered.chunk().await.transpose().map(|piece| (piece, answered))
    });
    let rest = if bytes > TOKEN_BYTES_MAX { rest.boxed() } else { futures::stream::empty().boxed() };
    Ok(Answered::new(head, futures::stream::iter(pieces.collect::<Vec<Result<Bytes, _>>>()).chain(rest).boxed()))
}

/// Copies one body into the recording, while it is read.
struct Copy {
    recorder: Arc<Recorder>,
    exchange: u64,
    unpacker: Unpacker,
    pending: Vec<u8>,
    /// Whether its end is written, or its bytes are damaged.
    is_over: bool,
}

impl Copy {
    fn take(&mut self, bytes: &[u8]) {
        if self.is_over {
            return;
        }
        if self.unpacker.feed(bytes, &mut self.pending).is_err() {
            self.over(End::Damaged);
            return;
        }
        while self.pending.len() >= PIECE_BYTES + HELD_BACK {
            in_place(|| self.piece());
        }
    }

    /// Writes a piece, at whose end no secret stands.
    fn piece(&mut self) {
        let mut found = secrets().find(&self.pending[..PIECE_BYTES + HELD_BACK]);
        let across = found.iter().find(|range| range.start < PIECE_BYTES && range.end > PIECE_BYTES).cloned();
        // One that is longer than a piece is not kept anywhere.
        let end = across.map_or(PIECE_BYTES, |range| if range.start == 0 { range.end } else { range.start });
        found.retain(|range| range.end <= end);
        self.put(end, found);
    }

    fn put(&mut self, end: usize, found: Vec<std::ops::Range<usize>>) {
        let (veiled, veils) = self.recorder.vault.veil(&self.pending[..end], found);
        self.recorder.write(&Frame::Piece { exchange: self.exchange, veils }, &veiled);
        self.pending.drain(..end);
    }

    /// The body is over, or broke off.
    fn end(&mut self, error: Option<&TransportError>) {
        if self.is_over {
            return;
        }
        let end = match error {
            Some(error) => End::Broken(Fault::of(error)),
            None => match self.unpacker.end(&mut self.pending) {
                Ok(was_packed) => End::Whole { was_packed },
                Err(_) => End::Damaged,
            },
        };
        self.over(end);
    }

    fn over(&mut self, end: End) {
        in_place(|| {
            while self.pending.len() >= PIECE_BYTES + HELD_BACK {
                self.piece();
            }
            if !self.pending.is_empty() {
                let found = secrets().find(&self.pending);
                self.put(self.pending.len(), found);
            }
        });
        self.recorder.write(&Frame::End { exchange: self.exchange, end }, &[]);
        self.is_over = true;
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.is_over {
            self.over(End::Left);
        }
    }
}
