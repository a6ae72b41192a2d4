//! Replaying: a transport that answers from a recording, and opens no socket.
//!
//! In: a recording, whose checksums are looked at before anything else. Out: to each request the answer that it had; equal requests are answered in the
//! order in which they were sent. A request that the recording does not have is an error that names the nearest one. Of an answer at most a piece is in
//! memory, of the recording some hundred bytes for each exchange.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Seek};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::base::{RedactedUrl, blocking};
use crate::source::recording::clock::ReplayClock;
use crate::source::recording::fault::{Fault, Said};
use crate::source::recording::frame::{self, Answer, End, FileFault, Frame, Outcome};
use crate::source::recording::veil::{Taken, Values, Vault};
use crate::source::recording::{Header, RecordedRequest, Scene, SceneEnd, Start};
use crate::source::transport::{Answered, Kind, Request, Transport, TransportError};

/// Requests among which the nearest is looked for.
const NEAREST_OF: u64 = 20_000;
/// How long silence is.
const SILENCE: Duration = Duration::from_secs(30);
/// What a client takes for damaged gzip.
const DAMAGED: &[u8] = &[0x1f, 0x8b, 0x08, 0xff, 0xff, 0xff];

/// A recording that was looked through.
pub(crate) struct Recorded {
    file: Arc<File>,
    header: Header,
    entries: Vec<Entry>,
}

/// Where an exchange stands.
#[derive(Debug, Clone)]
struct Entry {
    key: u128,
    /// The same, whatever the names of its secrets.
    blurred: u128,
    exchange: u64,
    head: u64,
    pieces: Vec<u64>,
    end: Option<u64>,
    /// What was made of it, where that is in memory.
    scene: Option<Arc<Scene>>,
}

impl Recorded {
    /// Looks through the recording at `path`.
    ///
    /// # Errors
    /// [`FileFault`].
    pub(crate) fn open(path: &Path) -> Result<Self, FileFault> {
        let mut file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(FileFault::Other);
        }
        let (mut header, mut entries, mut of_exchange, mut told) = (None, Vec::new(), HashMap::new(), 0);
        frame::scan(&file, |at, frame| match frame {
            Frame::Header(found) => header = Some(found),
            Frame::Answer(answer) => {
                of_exchange.insert(answer.exchange, entries.len());
                let names = header.as_ref().map(|header: &Header| &header.givens[..]).unwrap_or_default();
                let blurred = blurred(&answer.request, names.iter().map(|given| given.name.as_str())).key();
                let (key, exchange) = (answer.request.key(), answer.exchange);
                entries.push(Entry { key, blurred, exchange, head: at, pieces: Vec::new(), end: None, scene: None });
            }
            Frame::Piece { exchange, .. } => {
                if let Some(entry) = of_exchange.get(&exchange).map(|entry: &usize| &mut entries[*entry]) {
                    entry.pieces.push(at);
                }
            }
            Frame::End { exchange, .. } => {
                if let Some(entry) = of_exchange.get(&exchange).map(|entry: &usize| &mut entries[*entry]) {
                    entry.end = Some(at);
                }
            }
            Frame::Footer { exchanges } => told = exchanges,
        })?;
        let Some(header) = header else { return Err(FileFault::Other) };
        if told > entries.len() as u64 {
            return Err(FileFault::Changed { exchanges: told, at: file.stream_position()? });
        }
        // Answers stand as they came, and count as they were asked for.
        entries.sort_by_key(|entry: &Entry| entry.exchange);
        Ok(Self { file: Arc::new(file), header, entries })
    }

    /// How the recorded run began.
    pub(crate) fn start(&self) -> &Start {
        &self.header.start
    }

    /// The version of lakeward that recorded.
    pub(crate) fn program(&self) -> &str {
        &self.header.program
    }

    /// Requests that it has answers to, or failures.
    pub(crate) fn exchanges(&self) -> u64 {
        self.entries.len() as u64
    }

    /// The value with which the config is read for a variable, or a file: the one that is `present`, else the recorded one, in which fillers stand for
    /// secrets. Whether it is the one of the recording is told beside it.
    pub(crate) fn value(&self, name: &str, is_file: bool, present: Option<String>) -> Option<(String, bool)> {
        match self.header.givens.iter().find(|given| (given.name.as_str(), given.is_file) == (name, is_file)) {
            Some(given) => Some(given.value(present, self.header.salt)),
            None => present.map(|present| (present, true)),
        }
    }

    /// A replay for a config that was read with the values `used`, of which those in `lacking` are not the recorded ones.
    pub(crate) fn replay(&self, used: &[Taken], lacking: &[String]) -> Replay {
        let vault = Vault::open(&self.header.givens, used);
        let values = Values::of(&self.header.givens, &vault, lacking);
        Replay::of(Arc::clone(&self.file), self.header.clone(), self.entries.clone(), (vault, values), false)
    }
}

/// A recording that is played.
pub(crate) struct Replay {
    file: Arc<File>,
    header: Header,
    clock: ReplayClock,
    vault: Vault,
    values: Arc<Values>,
    entries: Vec<Entry>,
    queues: Mutex<Queues>,
    /// Whether the last answer to a request stands for all further ones.
    is_patient: bool,
    /// Answers that have fillers for secrets.
    lacking: Arc<AtomicU64>,
    /// Recordings of other parts of the same run, in the order in which they are asked.
    others: Vec<Replay>,
}

/// Whose turn it is.
#[derive(Default)]
struct Queues {
    exact: HashMap<u128, VecDeque<usize>>,
    blurred: HashMap<u128, VecDeque<usize>>,
    is_taken: Vec<bool>,
    last: HashMap<u128, usize>,
}

impl Queues {
    fn of(entries: &[Entry]) -> Self {
        let mut queues = Self { is_taken: vec![false; entries.len()], ..Self::default() };
        for (at, entry) in entries.iter().enumerate() {
            queues.exact.entry(entry.key).or_default().push_back(at);
            queues.blurred.entry(entry.blurred).or_default().push_back(at);
        }
        queues
    }

    fn take(&mut self, key: u128, blurred: u128, is_patient: bool) -> Option<usize> {
        let is_taken = &mut self.is_taken;
        let mut first = |queue: Option<&mut VecDeque<usize>>| {
            let queue = queue?;
            while let Some(at) = queue.pop_front() {
                if !std::mem::replace(&mut is_taken[at], true) {
                    return Some(at);
                }
            }
            None
        };
        let at = first(self.exact.get_mut(&key)).or_else(|| first(self.blurred.get_mut(&blurred)));
        match at {
            Some(at) => {
                self.last.insert(blurred, at);
                Some(at)
            }
            None if is_patient => self.last.get(&blurred).copied(),
            None => None,
        }
    }

    /// How many answers there were to it.
    fn knows(&self, blurred: u128) -> bool {
        self.last.contains_key(&blurred)
    }
}

impl Replay {
    fn of(file: Arc<File>, header: Header, entries: Vec<Entry>, (vault, values): (Vault, Values), is_patient: bool) -> Self {
        let queues = Mutex::new(Queues::of(&entries));
        let clock = ReplayClock::new(header.start.started);
        Self {
            file,
            header,
            clock,
            vault,
            values: Arc::new(values),
            entries,
            queues,
            is_patient,
            lacking: Arc::default(),
            others: Vec::new(),
        }
    }

    /// The same, answered from the recordings of other parts of the run as well, where this one has no answer.
    pub(crate) fn joined(self, others: Vec<Self>) -> Self {
        Self { others, ..self }
    }

    /// A transport that asks `other` for what the recording has no answer to.
    pub(in crate::source) fn before(self: &Arc<Self>, other: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(Before { replay: Arc::clone(self), other })
    }

    /// How the recorded run began.
    pub(crate) fn start(&self) -> &Start {
        &self.header.start
    }

    /// Time as the recorded run had it.
    pub(crate) fn clock(&self) -> &ReplayClock {
        &self.clock
    }

    /// Answers so far in which fillers stand for secrets that this run does not have.
    pub(crate) fn lacking(&self) -> u64 {
        self.others.iter().fold(self.lacking.load(Ordering::SeqCst), |sum, other| sum + other.lacking())
    }

    /// The turn of an answer to `request`, of this recording or another one.
    fn turn(&self, request: &Request) -> Result<(&Self, usize), (RecordedRequest, bool)> {
        let recorded = self.vault.request(request);
        let blurred = blurred(&recorded, self.header.givens.iter().map(|given| given.name.as_str())).key();
        let (at, is_known) = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            // How often a token is renewed depends on how long a run takes.
            (queues.take(recorded.key(), blurred, self.is_patient || request.is_for_token), queues.knows(blurred))
        };
        match at {
            Some(at) => Ok((self, at)),
            None => self.others.iter().find_map(|other| other.turn(request).ok()).ok_or((recorded, is_known)),
        }
    }

    fn play(&self, at: usize, is_for_token: bool) -> Result<Answered, TransportError> {
        let entry = &self.entries[at];
        if let Some(scene) = &entry.scene {
            return play(scene, &self.clock);
        }
        let answer = answer_at(&self.file, entry.head).map_err(unreadable)?;
        self.answered(answer, entry, is_for_token)
    }

    /// All exchanges, their bodies in memory; `None` where they are more than `bytes_max`.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn scenes(&self, bytes_max: usize) -> io::Result<Option<Vec<Scene>>> {
        let (mut scenes, mut bytes) = (Vec::new(), 0);
        for entry in &self.entries {
            let scene = self.scene(entry, bytes_max)?;
            bytes += scene.body.len() + 500;
            if bytes > bytes_max {
                return Ok(None);
            }
            scenes.push(scene);
        }
        Ok(Some(scenes))
    }

    /// An exchange with at most a piece more than `bytes_max` of its body.
    fn scene(&self, entry: &Entry, bytes_max: usize) -> io::Result<Scene> {
        let answer = answer_at(&self.file, entry.head)?;
        let mut scene = Scene { request: answer.request, answer: Err(Fault::reset()), body: Bytes::new(), end: SceneEnd::Whole };
        match answer.outcome {
            Outcome::Failed(fault) => scene.answer = Err(fault),
            Outcome::Answered { status, headers, .. } => {
                let headers = headers.into_iter().map(|(name, text, veils)| (name, self.header_text(&text, &veils))).collect();
                scene.answer = Ok((status, headers));
            }
        }
        let mut body = Vec::new();
        for at in &entry.pieces {
            if body.len() > bytes_max {
                break;
            }
            body.extend_from_slice(&piece_at(&self.file, &self.values, *at)?.0);
        }
        scene.body = Bytes::from(body);
        match entry.end.map(|at| end_at(&self.file, at)).transpose()? {
            None | Some(End::Whole { .. } | End::Left) => {}
            Some(End::Broken(fault)) => scene.end = SceneEnd::Broken(fault),
            Some(End::Damaged) => scene.body = Bytes::from_static(DAMAGED),
        }
        Ok(scene)
    }

    /// The same recording with other exchanges in their order, of which the last to each request stands for all further ones.
    pub(crate) fn with(&self, scenes: Vec<Scene>, used: &[Taken]) -> Self {
        let names = || self.header.givens.iter().map(|given| given.name.as_str());
        let entry = |(exchange, scene): (usize, Scene)| Entry {
            key: scene.request.key(),
            blurred: blurred(&scene.request, names()).key(),
            exchange: exchange as u64,
            head: 0,
            pieces: Vec::new(),
            end: None,
            scene: Some(Arc::new(scene)),
        };
        let entries = scenes.into_iter().enumerate().map(entry).collect();
        let vault = Vault::open(&self.header.givens, used);
        Self::of(Arc::clone(&self.file), self.header.clone(), entries, (vault, Values::default()), true)
    }

    fn header_text(&self, text: &str, veils: &[super::veil::Veil]) -> String {
        let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        self.values.put(bytes, veils).0.into_iter().map(char::from).collect()
    }

    fn answered(&self, answer: Answer, entry: &Entry, is_for_token: bool) -> Result<Answered, TransportError> {
        let (status, headers, body_bytes) = match answer.outcome {
            Outcome::Failed(fault) => {
                if fault.is_timeout() {
                    self.clock.pass(Duration::from_millis(answer.took_ms));
                }
                return Err(fault.error());
            }
            Outcome::Answered { status, headers, body_bytes } => (status, headers, body_bytes),
        };
        let headers = headers.into_iter().map(|(name, text, veils)| (name, self.header_text(&text, &veils)));
        let (file, values) = (Arc::clone(&self.file), Arc::clone(&self.values));
        let counts = Counts { lacking: Arc::clone(&self.lacking), is_for_token, is_counted: false };
        let end = entry.end.map(|at| end_at(&self.file, at)).transpose().map_err(unreadable)?;
        let body_bytes = body_bytes.filter(|_| matches!(end, Some(End::Whole { was_packed: false } | End::Broken(_))));
        let head = (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), map_of(headers), body_bytes);
        let last = match &end {
            Some(End::Damaged) => return Ok(Answered::new(head, one(Bytes::from_static(DAMAGED)))),
            Some(End::Broken(fault)) => Some(fault.clone()),
            Some(End::Whole { .. } | End::Left) | None => None,
        };
        let pieces: VecDeque<u64> = entry.pieces.iter().copied().collect();
        let body = futures::stream::unfold((pieces, counts), move |(mut pieces, mut counts)| {
            let (file, values) = (Arc::clone(&file), Arc::clone(&values));
            async move {
                let at = pieces.pop_front()?;
                let piece = blocking(move || piece_at(&file, &values, at)).await;
                let piece = piece.map_err(unreadable).map(|(bytes, is_whole)| {
                    counts.note(is_whole);
                    Bytes::from(bytes)
                });
                Some((piece, (pieces, counts)))
            }
        });
        let last = futures::stream::iter(last.map(|fault| Err(fault.error())));
        Ok(Answered::new(head, body.chain(last).boxed()))
    }

    /// What a request is told that the recording has no answer to.
    fn missing(&self, request: &RecordedRequest, is_known: bool) -> TransportError {
        let shown = |request: &RecordedRequest| {
            let url = request.url.parse().map_or_else(|_| request.url.clone(), |url| RedactedUrl::new(&url).to_string());
            let body: String = request.body.chars().take(120).collect();
            format!("`{} {url}`{}", request.method, if body.is_empty() { String::new() } else { format!(" with `{body}`") })
        };
        let asked = shown(request);
        if is_known {
            return unrecorded(format!("the recorded run asked {asked} less often: all of its answers are used up"));
        }
        let mut nearest: Option<(f64, RecordedRequest)> = None;
        let words = request.words();
        let mut judge = |other: RecordedRequest| {
            let likeness = strsim::sorensen_dice(&words, &other.words());
            if nearest.as_ref().is_none_or(|(best, _)| likeness > *best) {
                nearest = Some((likeness, other));
            }
        };
        for entry in self.entries.iter().take(NEAREST_OF as usize) {
            if let Some(scene) = &entry.scene {
                judge(scene.request.clone());
                continue;
            }
            match answer_at(&self.file, entry.head) {
                Ok(answer) => judge(answer.request),
                Err(error) => return unreadable(error),
            }
        }
        unrecorded(match nearest {
            Some((_, nearest)) if nearest.url == request.url => {
                format!("the recording has no answer to {asked}; the nearest that it has is the same but for its headers or body")
            }
            Some((_, nearest)) => {
                format!("the recording has no answer to {asked}; the nearest that it has is {}", shown(&nearest))
            }
            None => format!("the recording has no answer to {asked}, nor to anything else"),
        })
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replay")
    }
}

#[async_trait]
impl Transport for Replay {
    async fn send(&self, request: Request) -> Result<Answered, TransportError> {
        match self.turn(&request) {
            Ok((replay, at)) => replay.play(at, request.is_for_token),
            Err((recorded, is_known)) => Err(self.missing(&recorded, is_known)),
        }
    }

    fn is_live(&self) -> bool {
        false
    }
}

/// A recording, and what is asked for the rest.
#[derive(Debug)]
struct Before {
    replay: Arc<Replay>,
    other: Arc<dyn Transport>,
}

#[async_trait]
impl Transport for Before {
    async fn send(&self, request: Request) -> Result<Answered, TransportError> {
        match self.replay.turn(&request) {
            Ok((replay, at)) => replay.play(at, request.is_for_token),
            Err(_) => self.other.send(request).await,
        }
    }

    fn is_live(&self) -> bool {
        self.other.is_live()
    }
}

/// Counts an answer once that has fillers.
struct Counts {
    lacking: Arc<AtomicU64>,
    is_for_token: bool,
    is_counted: bool,
}

impl Counts {
    fn note(&mut self, is_whole: bool) {
        if !is_whole && !self.is_for_token && !std::mem::replace(&mut self.is_counted, true) {
            self.lacking.fetch_add(1, Ordering::SeqCst);
        }
    }
}

fn play(scene: &Scene, clock: &ReplayClock) -> Result<Answered, TransportError> {
    let (status, headers) = match &scene.answer {
        Ok(answer) => answer.clone(),
        Err(fault) => {
            if fault.is_timeout() {
                clock.pass(SILENCE);
            }
            return Err(fault.error());
        }
    };
    let is_whole = matches!(scene.end, SceneEnd::Whole);
    let body_bytes = is_whole.then_some(scene.body.len() as u64);
    let head = (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), map_of(headers), body_bytes);
    let last = match &scene.end {
        SceneEnd::Whole => None,
        SceneEnd::Broken(fault) => Some(Err(fault.error())),
    };
    let body = futures::stream::iter([Ok(scene.body.clone())].into_iter().chain(last).collect::<Vec<_>>());
    Ok(Answered::new(head, body.boxed()))
}

fn one(bytes: Bytes) -> futures::stream::BoxStream<'static, Result<Bytes, TransportError>> {
    futures::stream::iter([Ok(bytes)]).boxed()
}

fn map_of(headers: impl IntoIterator<Item = (String, String)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&bytes)) {
            map.append(name, value);
        }
    }
    map
}

fn answer_at(file: &File, at: u64) -> io::Result<Answer> {
    match frame::read(file, at)?.0 {
        Frame::Answer(answer) => Ok(answer),
        _ => Err(io::Error::other("the recording was changed while it was replayed")),
    }
}

fn end_at(file: &File, at: u64) -> io::Result<End> {
    match frame::read(file, at)?.0 {
        Frame::End { end, .. } => Ok(end),
        _ => Err(io::Error::other("the recording was changed while it was replayed")),
    }
}

/// A piece of a body with the secrets that are known, and whether that is all of them.
fn piece_at(file: &File, values: &Values, at: u64) -> io::Result<(Vec<u8>, bool)> {
    match frame::read(file, at)? {
        (Frame::Piece { veils, .. }, bytes) => Ok(values.put(bytes, &veils)),
        _ => Err(io::Error::other("the recording was changed while it was replayed")),
    }
}

fn unreadable(error: io::Error) -> TransportError {
    TransportError::told(
        Kind::Unrecorded,
        Box::new(Said { text: format!("the recording cannot be read: {error}"), source: None }),
    )
}

fn unrecorded(text: String) -> TransportError {
    TransportError::told(Kind::Unrecorded, Box::new(Said { text, source: None }))
}

/// A request whose secrets have no names.
fn blurred<'n>(request: &RecordedRequest, names: impl Iterator<Item = &'n str>) -> RecordedRequest {
    let mut request = request.clone();
    for name in names {
        let named = format!("***{name}***");
        request.url = request.url.replace(&named, "***");
        request.body = request.body.replace(&named, "***");
        request.headers.iter_mut().for_each(|(_, value)| *value = value.replace(&named, "***"));
    }
    request
}
