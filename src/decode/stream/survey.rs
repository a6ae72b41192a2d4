//! The survey: the first pass over a page in a file, to its end.

use memchr::memrchr;
use xxhash_rust::xxh3::Xxh3;

use crate::base::{JsonPath, Step};
use crate::decode::envelope::{NoRecords, hash_of, read_page, with_rejects};
use crate::decode::error::{DecodeError, PagePlace, Spot};
use crate::decode::explain::explain;
use crate::decode::fault::{Fault, Stop};
use crate::decode::find::{Found, find_records};
use crate::decode::format::Framing;
use crate::decode::reader::TextRules;
use crate::decode::record_hash::record_hash;
use crate::decode::stream::check::check_records;
use crate::decode::stream::splitter::{Skeleton, Slice, Splitter, Target, Unsplit};
use crate::decode::{Decoder, RECORD_BYTES_MAX, RecordsShape, format};
use crate::source::{Page, PageFacts, SpooledBody};

/// How a page in a file is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::decode) struct StreamBounds {
    /// Bytes read at once.
    pub(in crate::decode) window_bytes: usize,
    /// From so many bytes on, a slice ends with the next record.
    pub(in crate::decode) slice_bytes: usize,
    /// Most bytes of a record.
    pub(in crate::decode) record_bytes: usize,
}

impl Default for StreamBounds {
    fn default() -> Self {
        Self { window_bytes: 1 << 20, slice_bytes: 8 << 20, record_bytes: RECORD_BYTES_MAX }
    }
}

/// A page in a file, checked to its end.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Of all the page.
    pub(crate) facts: PageFacts,
    /// Its records, in order; at least one slice, which may be empty.
    pub(crate) slices: Vec<RecordSlice>,
}

/// Some records of a page in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordSlice {
    /// Its place in the body.
    pub(super) start: u64,
    /// Its length.
    pub(crate) bytes: usize,
    /// The place in the page of its first record, from 0.
    pub(super) first_record: u64,
    /// Records in it.
    pub(crate) records: u64,
    /// How its records are set apart; `None`: they are elements of a list.
    pub(super) framing: Option<Framing>,
    /// Lines of the page before it.
    pub(super) lines_before: u64,
    /// Halves of surrogate pairs around the records; told with the first slice.
    pub(super) replaced_around: u64,
}

/// Why there is no survey.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The page is not as it has to be.
    Page(Box<DecodeError>),
    /// It may be, but it has to be read as a whole.
    NotInPieces(&'static str),
}

impl From<DecodeError> for Trouble {
    fn from(error: DecodeError) -> Self {
        Self::Page(Box::new(error))
    }
}

/// Why a window is the last: it is not known yet in which page.
enum Halt {
    Unsplit(Unsplit),
    /// A fault in a slice that begins there.
    Fault(u64, Box<Stop>),
    NotUtf8(u64, std::str::Utf8Error),
}

impl From<Unsplit> for Halt {
    fn from(unsplit: Unsplit) -> Self {
        Self::Unsplit(unsplit)
    }
}

impl Decoder {
    /// Checks the body of `page` to its end, and finds its records.
    pub(super) fn survey(&self, page: &Page, body: &SpooledBody) -> Result<Survey, Trouble> {
        let place = PagePlace::of(page);
        let head = body.read(0, 4).map_err(|source| DecodeError::Spool { place: place.clone(), source })?;
        let framing = format::in_pieces(page, &self.plan.format, &head).map_err(Trouble::NotInPieces)?;
        if self.plan.shape.as_ref().is_some_and(|shape| shape.records.is_some()) {
            return Err(Trouble::NotInPieces("`endpoint.records` looks at the whole page"));
        }
        if let Some(framing) = framing {
            self.check_wanted(&JsonPath::root())?;
            return self.survey_lines(page, body, framing, &place);
        }
        let path = self.path_in(page, body, &place)?;
        self.check_wanted(&path)?;
        self.survey_records(page, body, &path, &place)
    }

    /// What the paginator asks for has to be around the records.
    fn check_wanted(&self, path: &JsonPath) -> Result<(), Trouble> {
        let needs_records = |wanted: &JsonPath| {
            let inside = wanted.steps().strip_prefix(path.steps());
            !wanted.is_simple()
                || wanted.steps().contains(&Step::Every)
                // A list of records has no members.
                || inside.is_some_and(|rest| !matches!(rest.first(), Some(Step::Key(_))))
        };
        if self.plan.wanted.iter().any(needs_records) {
            return Err(Trouble::NotInPieces("the paginator or `expect` asks for something in its records"));
        }
        Ok(())
    }

    /// The members of which records are hashed, if they are.
    fn hashes(&self) -> Option<&[String]> {
        self.plan.record_hashes.then_some(self.plan.hashed_by.as_slice())
    }

    /// Where the records are.
    fn path_in(&self, page: &Page, body: &SpooledBody, place: &PagePlace) -> Result<JsonPath, Trouble> {
        if let Some(path) = self.plan.records.as_ref().or_else(|| self.found.get()) {
            return Ok(path.clone());
        }
        let mut splitter = Splitter::new(Target::Lists, self.stream);
        self.windows(body, place, &mut |bytes| splitter.feed(bytes, &mut |_| Ok::<(), Halt>(())))?;
        let skeleton = splitter.end().ok_or_else(|| cut_off(body, place))?;
        let text = skeleton_text(&skeleton, place)?;
        match find_records(text).map_err(|stop| explain(*stop, text, place.clone()).without_offset())? {
            Found::At(path) => {
                if page.number == 1 {
                    let _ = self.found.set(path.clone());
                }
                Ok(path)
            }
            Found::Ambiguous(doubt, paths) => Err(DecodeError::AmbiguousRecords { place: place.clone(), doubt, paths }.into()),
        }
    }

    fn survey_records(&self, page: &Page, body: &SpooledBody, path: &JsonPath, place: &PagePlace) -> Result<Survey, Trouble> {
        let keys = keys(path).ok_or(Trouble::NotInPieces("its records are not at a path of names alone"))?;
        let mut splitter = Splitter::new(Target::Records(&keys), self.stream);
        let mut tally = Tally::new(self.hashes(), keys.len(), self.stream);
        self.windows(body, place, &mut |bytes| splitter.feed(bytes, &mut |slice| tally.take(&slice)))?;
        let skeleton = splitter.end().ok_or_else(|| cut_off(body, place))?;
        let text = skeleton_text(&skeleton, place)?;
        let (wanted, hints) = (&self.plan.wanted, self.plan.look_for_more_pages);
        let findings = read_page(text, Some(path), wanted, hints, TextRules::default(), &mut NoRecords)
            .map_err(|stop| explain(*stop, text, place.clone()).moved(&|at| skeleton.place(at)))?;
        if !findings.records_found {
            return Err(self.no_records(page, text, place.clone(), path.to_string()).into());
        }
        match findings.shape {
            Some(RecordsShape::Null) => {
                let spot = Spot { offset: None, path: Some(path.to_string()) };
                return Err(DecodeError::NotRecords { place: place.clone(), spot, actual: "null" }.into());
            }
            _ if tally.is_object => self.settle_shape(RecordsShape::Object, path, place)?,
            _ => self.settle_shape(RecordsShape::List, path, place)?,
        }
        let is_within = |wanted: &JsonPath| wanted.steps().starts_with(path.steps());
        if tally.is_object && self.plan.wanted.iter().any(is_within) {
            return Err(Trouble::NotInPieces("the paginator or `expect` asks for something in its record"));
        }
        let mut survey = tally.end();
        survey.facts.failure = self.failure_of(page, text, &findings, survey.facts.records);
        (survey.facts.values, survey.facts.signs) = (findings.values, findings.hints.signs);
        survey.facts.null_next = findings.hints.null_next;
        survey.facts.records_at = findings.records_at;
        if let Some(first) = survey.slices.first_mut() {
            first.replaced_around = findings.mended.replaced;
        }
        Ok(survey)
    }

    fn survey_lines(&self, page: &Page, body: &SpooledBody, framing: Framing, place: &PagePlace) -> Result<Survey, Trouble> {
        let mut tally = Tally::new(self.hashes(), 0, self.stream);
        let (mut pending, mut start, mut lines) = (Vec::new(), 0, 0);
        let mut take = |bytes: &[u8], start: u64| -> Result<(), DecodeError> {
            let text = std::str::from_utf8(bytes).map_err(|source| not_utf8(place, start, source))?;
            let formatted = format::lines(text, framing, page.number, (start, lines))
                .map_err(|unreadable| format::unreadable_error(unreadable, place.clone()).within(start))?;
            tally.take_lines(&formatted, start, bytes, (framing, lines)).map_err(|stop| fault(place, start, *stop))?;
            lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
            Ok(())
        };
        let mut failed = None;
        self.windows(body, place, &mut |bytes| {
            pending.extend_from_slice(bytes);
            if pending.len() < self.stream.slice_bytes {
                return Ok(());
            }
            let Some(end) = memrchr(framing.cut_behind(), &pending) else {
                return if pending.len() > self.stream.record_bytes { Err(Unsplit::Record(start).into()) } else { Ok(()) };
            };
            let rest = pending.split_off(end + 1);
            if let Err(error) = take(&pending, start) {
                failed = Some(error);
                return Err(Unsplit::Skeleton.into());
            }
            start += pending.len() as u64;
            pending = rest;
            Ok(())
        })
        .map_err(|trouble| failed.map_or(trouble, Trouble::from))?;
        take(&pending, start)?;
        let mut survey = tally.end();
        survey.facts.values = vec![None; self.plan.wanted.len()];
        survey.facts.records_at = Some(JsonPath::root());
        Ok(survey)
    }

    /// Reads the body window after window.
    fn windows(
        &self,
        body: &SpooledBody,
        place: &PagePlace,
        take: &mut dyn FnMut(&[u8]) -> Result<(), Halt>,
    ) -> Result<(), Trouble> {
        let mut at = 0;
        while at < body.bytes() {
            let window = body.read(at, self.stream.window_bytes);
            let window = window.map_err(|source| DecodeError::Spool { place: place.clone(), source })?;
            at += window.len() as u64;
            take(&window).map_err(|halt| match halt {
                Halt::Fault(start, stop) => fault(place, start, *stop).into(),
                Halt::NotUtf8(start, source) => not_utf8(place, start, source).into(),
                Halt::Unsplit(Unsplit::Record(start)) => fault(place, start, Stop::Fault(Fault::RecordTooLarge { at: 0 })).into(),
                Halt::Unsplit(Unsplit::Skeleton) => Trouble::NotInPieces("there are more than 16 MiB around its records"),
                Halt::Unsplit(Unsplit::Again(_)) => Trouble::NotInPieces("it has its records twice, of which the last count"),
            })?;
        }
        Ok(())
    }
}

/// What a first pass has found.
struct Tally<'d> {
    records: u64,
    slices: Vec<RecordSlice>,
    hash: Xxh3,
    hashes: Option<Vec<u64>>,
    hashed_by: &'d [String],
    /// Of what cannot be a row: it has no hash among the others.
    rejects_hash: u128,
    /// Objects that the records' list is in.
    depth: usize,
    is_object: bool,
    bounds: StreamBounds,
}

impl<'d> Tally<'d> {
    fn new(hashed_by: Option<&'d [String]>, depth: usize, bounds: StreamBounds) -> Self {
        let (hashes, hashed_by) = (hashed_by.map(|_| Vec::new()), hashed_by.unwrap_or_default());
        Self {
            records: 0,
            slices: Vec::new(),
            hash: Xxh3::new(),
            hashes,
            hashed_by,
            rejects_hash: 0,
            depth,
            is_object: false,
            bounds,
        }
    }

    fn take(&mut self, slice: &Slice<'_>) -> Result<(), Halt> {
        let text = std::str::from_utf8(slice.bytes).map_err(|source| Halt::NotUtf8(slice.start, source))?;
        self.is_object |= slice.is_object;
        let is_empty = slice.is_first && slice.is_last && text.trim_ascii().is_empty();
        let records =
            if is_empty { 0 } else { self.check(text, slice.is_object).map_err(|stop| Halt::Fault(slice.start, stop))? };
        if !slice.is_object {
            self.hash.update(if slice.is_first { b"[" } else { b"," });
        }
        self.hash.update(slice.bytes);
        if slice.is_last && !slice.is_object {
            self.hash.update(b"]");
        }
        self.push(slice.start, slice.bytes.len(), records, None);
        Ok(())
    }

    /// Takes lines that were read: places of errors are in the text made of them, a byte behind those in the body.
    fn take_lines(
        &mut self,
        formatted: &format::Formatted<'_>,
        start: u64,
        bytes: &[u8],
        lines: (Framing, u64),
    ) -> Result<(), Box<Stop>> {
        let elements = formatted.places.as_ref().map_or(0, Vec::len);
        if elements > 0 {
            let text = formatted.text.get(1..formatted.text.len().saturating_sub(1)).unwrap_or_default();
            self.check(text, false)?;
        }
        self.hash.update(bytes);
        self.rejects_hash = with_rejects(self.rejects_hash, formatted.rejects.iter());
        self.push(start, bytes.len(), (elements + formatted.rejects.len()) as u64, Some(lines));
        Ok(())
    }

    fn check(&mut self, text: &str, is_object: bool) -> Result<u64, Box<Stop>> {
        let depth = u32::try_from(self.depth + usize::from(!is_object)).unwrap_or(u32::MAX);
        let (hashes, by) = (&mut self.hashes, self.hashed_by);
        check_records(text, depth, self.bounds.record_bytes, &mut |record| {
            if let Some(hashes) = hashes {
                hashes.push(record_hash(record, by));
            }
        })
    }

    fn push(&mut self, start: u64, bytes: usize, records: u64, lines: Option<(Framing, u64)>) {
        self.slices.push(RecordSlice {
            start,
            bytes,
            first_record: self.records,
            records,
            framing: lines.map(|(framing, _)| framing),
            lines_before: lines.map_or(0, |(_, before)| before),
            replaced_around: 0,
        });
        self.records += records;
    }

    fn end(self) -> Survey {
        let records = self.records;
        let records_hash = self.rejects_hash ^ self.hashes.as_deref().map_or_else(|| self.hash.digest128(), hash_of);
        let record_hashes = self.hashes.unwrap_or_default();
        Survey { facts: PageFacts { records, records_hash, record_hashes, ..PageFacts::default() }, slices: self.slices }
    }
}

/// The names that lead to the records, if names alone do.
fn keys(path: &JsonPath) -> Option<Vec<&str>> {
    let mut keys = Vec::new();
    for step in path.steps() {
        match step {
            Step::Key(key) => keys.push(key.as_str()),
            Step::Index(_) | Step::Every => return None,
        }
    }
    path.is_simple().then_some(keys)
}

fn skeleton_text<'s>(skeleton: &'s Skeleton, place: &PagePlace) -> Result<&'s str, DecodeError> {
    std::str::from_utf8(&skeleton.bytes).map_err(|source| {
        let offset = skeleton.place(source.valid_up_to());
        DecodeError::NotUtf8 { place: place.clone(), offset, source }
    })
}

fn not_utf8(place: &PagePlace, start: u64, source: std::str::Utf8Error) -> DecodeError {
    DecodeError::NotUtf8 { place: place.clone(), offset: source.valid_up_to(), source }.within(start)
}

/// The error of a fault in a slice that begins at `start`; it is not the end of the page that is missing there.
fn fault(place: &PagePlace, start: u64, stop: Stop) -> DecodeError {
    let error = match stop {
        Stop::Fault(Fault::Syntax { at, expected }) => {
            DecodeError::Syntax { place: place.clone(), spot: Spot { offset: Some(at), path: None }, expected, instead: None }
        }
        stop => explain(stop, "", place.clone()),
    };
    error.within(start)
}

fn cut_off(body: &SpooledBody, place: &PagePlace) -> DecodeError {
    let offset = usize::try_from(body.bytes()).ok();
    DecodeError::CutOff { place: place.clone(), spot: Spot { offset, path: None } }
}
