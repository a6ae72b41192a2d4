//! The decoder: one a resource, a page at a time, any number of pages at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::Xxh3;

use crate::base::{JsonPath, Warning};
use crate::config::{CsvHeader, FormatKind, FormatPlan, RecordsPlan, path_words};
use crate::decode::envelope::{Findings, NoRecords, RecordsShape, read_page, with_rejects};
use crate::decode::error::{DecodeError, PagePlace, Spot};
use crate::decode::explain::explain;
use crate::decode::fault::{Fault, Outcome, Stop};
use crate::decode::filled::{Filled, finish};
use crate::decode::find::lists;
use crate::decode::format::{self, Formatted, Invalid};
use crate::decode::reader::{Reader, TextRules};
use crate::decode::rows::{NAME_ONCE, Rows};
use crate::decode::shape::{ShapePlan, Shaper, Unfound, select};
use crate::decode::stream::StreamBounds;
use crate::decode::structs::StructBuilder;
use crate::decode::{DecodedPage, Json, NoteKind, Reject};
use crate::schema::{DeclaredSchema, LEAVES_MAX, TableSchema};
use crate::source::{Header, Page};

/// Most columns and struct fields of a page while it is read, those of the schema so far included. The table's own cap counts
/// leaves, and is checked on what comes of the page.
pub(super) const COLUMNS_MAX: usize = 2 * LEAVES_MAX;
/// Longest record in bytes.
pub(crate) const RECORD_BYTES_MAX: usize = 64 << 20;
/// Longest page in bytes: what 32-bit offsets reach.
pub(super) const PAGE_BYTES_MAX: usize = i32::MAX as usize;
/// How the pages of a resource are decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct DecodePlan {
    /// Where the records are; `None`: found on page 1, which is then to be decoded before any other.
    pub(crate) records: Option<JsonPath>,
    /// What the paginator asks for, outside the records or in them.
    pub(crate) wanted: Vec<JsonPath>,
    /// Whether to look for signs of more pages.
    pub(crate) look_for_more_pages: bool,
    /// Whether to hash each record.
    pub(crate) record_hashes: bool,
    /// Members of which the hash is made; none: of all of the record.
    pub(crate) hashed_by: Vec<String>,
    /// The declared schema.
    pub(crate) declared: Option<DeclaredSchema>,
    /// Columns whose null or absence makes a record a reject.
    pub(crate) key_columns: Vec<String>,
    /// Columns, or paths to struct fields, whose values tell rows apart, and whose numbers are so never rounded.
    pub(crate) exact_columns: Vec<Vec<String>>,
    /// What the bodies are written in.
    pub(crate) format: FormatPlan,
    /// What has to be done before the records are columns; `None` for plain JSON, which goes there in one pass.
    pub(crate) shape: Option<ShapePlan>,
    /// Levels of objects and arrays that become structs and lists, where neither the table nor a declaration says more; deeper ones are JSON text.
    pub(crate) nesting_max: Option<usize>,
    /// Values that do not fit a declared type are null and counted, where the record would be a reject; key columns apart.
    pub(crate) discard_unfit: bool,
    /// Numbers that no float holds as they are written are rounded to the nearest.
    pub(crate) round_numbers: bool,
    /// Columns may have other names than the records' members.
    pub(crate) renames: bool,
}

/// Decodes the pages of one resource.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(super) plan: DecodePlan,
    /// Where the first page had its records, if the plan does not say.
    pub(super) found: OnceLock<JsonPath>,
    /// What stands where the records are, once a page or an earlier run has shown it.
    pub(super) shape: OnceLock<RecordsShape>,
    /// The header of CSV, where the first page has it for all.
    header: OnceLock<Vec<String>>,
    /// How pages in files are read.
    pub(super) stream: StreamBounds,
}

impl Decoder {
    /// A decoder for a resource's pages. A trailing `[*]` of the records' path is dropped: it is what records are.
    #[must_use]
    pub(crate) fn new(mut plan: DecodePlan) -> Self {
        plan.records = plan.records.map(JsonPath::without_last_every);
        Self { plan, found: OnceLock::new(), shape: OnceLock::new(), header: OnceLock::new(), stream: StreamBounds::default() }
    }

    /// Where page 1 had its records, if the plan does not say and it is decoded.
    pub(crate) fn found(&self) -> Option<&JsonPath> {
        self.found.get()
    }

    /// What stands where the records are, if a page has shown it.
    pub(crate) fn shape(&self) -> Option<RecordsShape> {
        self.shape.get().copied()
    }

    /// Takes up what earlier runs have found, to be called before any page is decoded.
    pub(crate) fn remember(&self, found: Option<JsonPath>, shape: Option<RecordsShape>) {
        if let (Some(found), None) = (found, &self.plan.records) {
            let _ = self.found.set(found);
        }
        if let Some(shape) = shape {
            let _ = self.shape.set(shape);
        }
    }

    /// Whether the first page that is decoded has to tell where the records are.
    pub(crate) fn looks_for_records(&self) -> bool {
        self.plan.records.is_none() && self.found.get().is_none()
    }

    /// What a person should know once all pages are in.
    pub(crate) fn notices(&self) -> Vec<Warning> {
        self.plan.shape.iter().flat_map(|shape| &shape.hooks).flat_map(|hook| hook.notices()).collect()
    }

    /// Decodes a page in memory into rows of a schema that is `so_far` or wider. Pages may be decoded at the same time and in any order
    /// under any schema so far; joined in page order, the schemas give that of the table.
    ///
    /// # Errors
    /// [`DecodeError`] if the page is not as it has to be. Nothing of it counts then.
    pub(crate) fn decode(&self, page: &Page, so_far: &Arc<TableSchema>) -> Result<DecodedPage, DecodeError> {
        let given = self.header.get().filter(|_| page.number > 1).map(Vec::as_slice);
        let mut formatted = format::read(page, &self.plan.format, given)
            .map_err(|unreadable| format::unreadable_error(unreadable, PagePlace::of(page)))?;
        let all = formatted.places.is_some();
        let (header, closing) = (formatted.header.take(), formatted.closing.take());
        let part_lacks = formatted.part_lacks.take();
        let mut decoded = self.decode_formatted(formatted, all, page, so_far)?;
        decoded.table.part_lacks = part_lacks;
        decoded.facts.header = header.map(|names| Box::new(self.header(names, page, so_far)));
        if decoded.facts.records == 0
            && let Some(header) = &decoded.facts.header
        {
            decoded.facts.failure = self.failure_of_header(header, so_far);
        }
        if let Some(line) = closing {
            decoded.facts.failure = self.failure_of_line(page, &line, so_far);
        }
        Ok(decoded)
    }

    /// Decodes records that were set aside before, an array of them, as if `page` had them. Nothing is done to them but what the plan's shape says.
    ///
    /// # Errors
    /// Those of [`Decoder::decode`].
    pub(crate) fn decode_again(
        &self,
        records: String,
        page: &Page,
        so_far: &Arc<TableSchema>,
    ) -> Result<DecodedPage, DecodeError> {
        let formatted = Formatted { text: Cow::Owned(records), ..Formatted::default() };
        self.decode_formatted(formatted, true, page, so_far)
    }

    /// The header of a page of CSV, for whoever compares it with those of others.
    fn header(&self, names: Vec<String>, page: &Page, so_far: &TableSchema) -> Header {
        let csv = match &self.plan.format.kind {
            FormatKind::Csv(csv) | FormatKind::Auto(csv) => Some(&csv.header),
            _ => None,
        };
        if csv == Some(&CsvHeader::FirstPage) {
            let _ = self.header.set(names.clone());
        }
        // What the run itself puts beside the records begins with `_`.
        let known = so_far.columns.iter().map(|column| &column.name).filter(|name| !name.starts_with('_'));
        let known: Vec<String> = known.take(if self.plan.renames { 0 } else { usize::MAX }).cloned().collect();
        // A table without rows may know of no column but one that is declared and that few pages have, such as that of `hard_delete`.
        let is_foreign =
            csv != Some(&CsvHeader::Numbered) && !known.iter().chain(&self.plan.key_columns).any(|name| names.contains(name));
        Header {
            shown: page.redactor.preview(names.join(", ").as_bytes()),
            is_ordered: csv != Some(&CsvHeader::Present),
            table: if is_foreign && !known.is_empty() { Some(known.join(", ")) } else { None },
            names,
        }
    }

    /// Decodes the records in a text of `page`; `all`: it is an array of them and nothing else.
    pub(super) fn decode_formatted(
        &self,
        mut formatted: Formatted<'_>,
        all: bool,
        page: &Page,
        so_far: &Arc<TableSchema>,
    ) -> Result<DecodedPage, DecodeError> {
        let text = std::mem::take(&mut formatted.text);
        let invalid = std::mem::take(&mut formatted.invalid);
        let body = Body { text: &text, invalid: &invalid, is_all: all, is_mended: formatted.replaced > 0 };
        let mut decoded =
            self.records_of(body, all, page, so_far, PagePlace::of(page)).map_err(|error| error.earlier(formatted.shift))?;
        decoded.replaced_characters += formatted.replaced;
        if let Some(places) = formatted.places {
            decoded.facts.records += formatted.rejects.len() as u64;
            decoded.facts.records_hash = with_rejects(decoded.facts.records_hash, formatted.rejects.iter());
            for reject in &mut decoded.rejects {
                let place = usize::try_from(reject.record).ok().and_then(|at| places.get(at));
                reject.record = place.copied().unwrap_or(reject.record);
            }
            decoded.rejects.append(&mut formatted.rejects);
            decoded.rejects.sort_by_key(|reject| reject.record);
        }
        Ok(decoded)
    }

    /// Decodes the records in a text; `all`: it is an array of them and nothing else.
    fn records_of(
        &self,
        body: Body<'_>,
        all: bool,
        page: &Page,
        so_far: &Arc<TableSchema>,
        place: PagePlace,
    ) -> Result<DecodedPage, DecodeError> {
        let declared = self.plan.shape.as_ref().and_then(|shape| shape.records.as_ref()?.paths.first());
        let records_path = match declared {
            _ if all => JsonPath::root(),
            Some(path) => path.clone(),
            None => self.records_path(body.text, page.number, &place)?,
        };
        let simple = ShapePlan::default();
        let shape = self.plan.shape.as_ref().or_else(|| (!records_path.is_simple()).then_some(&simple));
        match shape {
            None => self.plain(page, body, records_path, so_far, place),
            Some(shape) => self.shaped(shape, page, body, records_path, so_far, place),
        }
    }

    /// From bytes to columns in one pass.
    fn plain(
        &self,
        page: &Page,
        body: Body<'_>,
        path: JsonPath,
        so_far: &Arc<TableSchema>,
        place: PagePlace,
    ) -> Result<DecodedPage, DecodeError> {
        let text = body.text;
        let (filled, findings) =
            self.fill(body, &path, page.number, so_far).map_err(|stop| explain(*stop, text, place.clone()))?;
        if !findings.records_found {
            return Err(self.no_records(page, text, place, path.to_string()));
        }
        self.check_shape(page, body, &path, &findings, &place)?;
        body.check_met(filled.met, &place)?;
        let records = filled.records;
        let failure = if body.is_all { None } else { self.failure_of(page, text, &findings, records) };
        let is_object = findings.shape == Some(RecordsShape::Object);
        let mut decoded = finish(filled, findings, records, so_far, place)?;
        decoded.lists_beside = self.lists_beside(text, &decoded, is_object);
        decoded.facts.failure = failure;
        Ok(decoded)
    }

    /// From bytes to records, through the shape's hooks, and from what they leave to columns.
    fn shaped(
        &self,
        shape: &ShapePlan,
        page: &Page,
        body: Body<'_>,
        path: JsonPath,
        so_far: &Arc<TableSchema>,
        place: PagePlace,
    ) -> Result<DecodedPage, DecodeError> {
        let text = body.text;
        let mut shaper = Shaper::new(shape, page, body.invalid);
        let findings = match &shape.records {
            None if path.is_simple() => {
                let (wanted, hints) = (&self.plan.wanted, self.plan.look_for_more_pages);
                let findings = read_page(text, Some(&path), wanted, hints, self.rules(), &mut shaper)
                    .map_err(|stop| explain(*stop, text, place.clone()))?;
                if !findings.records_found {
                    return Err(self.no_records(page, text, place, path.to_string()));
                }
                self.check_shape(page, body, &path, &findings, &place)?;
                findings
            }
            plan => self.select(text, &path, &plan.clone().unwrap_or_default(), &mut shaper, (page, &place))?,
        };
        body.check_met(shaper.shaped().met, &place)?;
        let kept = shaper.shaped().take_text();
        let is_mended = body.is_mended || findings.mended.replaced > 0;
        let kept = Body { text: &kept, invalid: &Invalid::default(), is_all: true, is_mended };
        let filled = self.fill(kept, &JsonPath::root(), page.number, so_far);
        let mut filled = filled.map_err(|stop| explain(*stop, kept.text, place.clone()))?.0;
        let shaped = shaper.shaped();
        filled.rejects = shaped.place_rejects(filled.rejects);
        filled.duplicates += shaped.duplicates;
        let (records, filtered, exploded) = (shaped.records, shaped.filtered, shaped.exploded);
        let failure = if body.is_all { None } else { self.failure_of(page, text, &findings, records) };
        let is_object = findings.shape == Some(RecordsShape::Object);
        let mut decoded = DecodedPage { filtered, exploded, ..finish(filled, findings, records, so_far, place)? };
        decoded.lists_beside = self.lists_beside(text, &decoded, is_object);
        decoded.facts.failure = failure;
        shaper.end(&mut decoded);
        Ok(decoded)
    }

    /// The lists of a page, where the config's place of the records has an object that is no row.
    fn lists_beside(&self, text: &str, decoded: &DecodedPage, is_object: bool) -> Vec<String> {
        let is_doubtful = is_object && self.plan.records.is_some() && !decoded.rejects.is_empty();
        if is_doubtful { lists(text).iter().map(path_words).collect() } else { Vec::new() }
    }

    /// Hands over the records of a page whose tree has to be looked at as a whole.
    fn select(
        &self,
        text: &str,
        path: &JsonPath,
        plan: &RecordsPlan,
        shaper: &mut Shaper<'_>,
        (page, place): (&Page, &PagePlace),
    ) -> Result<Findings, DecodeError> {
        let fault = |stop: Box<Stop>| explain(*stop, text, place.clone());
        let hints = self.plan.look_for_more_pages;
        let mut findings = read_page(text, None, &self.plan.wanted, hints, self.rules(), &mut NoRecords).map_err(fault)?;
        let mut reader = Reader::new(text).under(self.rules());
        reader.skip_space();
        if let Some(at) = reader.repeated_name().filter(|_| self.rules().unique_names) {
            return Err(fault(Fault::Syntax { at, expected: NAME_ONCE }.into()));
        }
        let tree = Json::read(&mut reader, &mut shaper.shaped().duplicates).map_err(fault)?;
        let paths = if plan.paths.is_empty() { std::slice::from_ref(path) } else { plan.paths.as_slice() };
        let records = select(&tree, paths, plan).map_err(|unfound| match unfound {
            Unfound::Nothing => {
                let path = paths.iter().map(JsonPath::to_string).collect::<Vec<_>>().join("` or `");
                self.no_records(page, text, place.clone(), path)
            }
            Unfound::Exhausted(source) => DecodeError::PathExhausted { place: place.clone(), source },
            Unfound::Other(path, actual) => {
                let spot = Spot { offset: None, path: Some(path.to_string()) };
                DecodeError::NotRecords { place: place.clone(), spot, actual }
            }
        })?;
        let (mut hash, mut written) = (Xxh3::new(), Vec::new());
        for record in records {
            // Rejects too, or pages of nothing else would be one that comes again.
            record.as_ref().unwrap_or_else(|fault| &fault.record).write(&mut written);
            hash.update(&written);
            written.clear();
            shaper.take(record);
        }
        (findings.records_hash, findings.records_found) = (hash.digest128(), true);
        Ok(findings)
    }

    /// Reads the records at `path` into columns, rejects aside.
    fn fill(&self, body: Body<'_>, path: &JsonPath, page: u64, so_far: &TableSchema) -> Outcome<(Filled, Findings)> {
        let Body { invalid, .. } = body;
        let fresh = || self.builders(so_far);
        let known = BTreeMap::new();
        let hashes = || self.plan.record_hashes.then(Vec::new);
        let mut rows = Rows::new(&fresh, &known, page, invalid, (hashes(), &self.plan.hashed_by));
        let mut findings = self.read(body, path, &mut rows)?;
        let known: BTreeMap<u64, Reject> = rows.rejects.iter().map(|reject| (reject.record, reject.clone())).collect();
        let mut schema = rows.columns.columns();
        if !known.is_empty() && schema != so_far.columns {
            // A record may have widened a column before it was found not to fit.
            rows = Rows::new(&fresh, &known, page, invalid, (hashes(), &self.plan.hashed_by));
            findings = self.read(body, path, &mut rows)?;
            schema = rows.columns.columns();
        }
        let notes = std::mem::take(&mut rows.notes);
        let wider = TableSchema { columns: schema };
        let fresh = || self.builders(&wider);
        if notes.iter().any(|note| note.kind != NoteKind::Rounded) {
            // What was rounded or left out before a column became JSON stands in its text.
            rows = Rows::new(&fresh, &known, page, invalid, (hashes(), &self.plan.hashed_by));
            findings = self.read(body, path, &mut rows)?;
        }
        let schema = rows.columns.columns();
        let Rows { columns, rows, records, rejects, duplicates, discarded, hashes, met, rounded, .. } = rows;
        let hashes = hashes.unwrap_or_default();
        Ok((Filled { columns, schema, rows, records, rejects, duplicates, discarded, hashes, met, notes, rounded }, findings))
    }

    fn read(&self, body: Body<'_>, path: &JsonPath, rows: &mut Rows<'_>) -> Outcome<Findings> {
        let rules = TextRules { is_mended: body.is_mended, ..self.rules() };
        read_page(body.text, Some(path), &self.plan.wanted, self.plan.look_for_more_pages, rules, rows)
    }

    fn rules(&self) -> TextRules {
        let FormatPlan { strip_nul, unique_names, .. } = self.plan.format;
        TextRules { strip_nul, unique_names, is_mended: false }
    }

    /// Builders for the schema so far and whatever of the declared columns it lacks.
    fn builders(&self, so_far: &TableSchema) -> StructBuilder {
        let declared = self.plan.declared.as_ref();
        let joined = declared.map(|declared| so_far.join(&declared.schema));
        let columns = &joined.as_ref().unwrap_or(so_far).columns;
        let mut builders = StructBuilder::of(columns, declared, &mut Vec::new());
        (builders.nesting_max, builders.unbounded) = (self.plan.nesting_max, true);
        builders.round = self.plan.round_numbers;
        self.plan.exact_columns.iter().for_each(|path| builders.keep_exact(path));
        for key in &self.plan.key_columns {
            builders.require(key);
        }
        if self.plan.discard_unfit {
            builders.discard_unfit();
        }
        if self.plan.format.kind.has_texts_only() {
            builders.fields.iter_mut().for_each(|field| field.column.accept_text |= field.column.declared);
        }
        builders
    }
}

/// The text that records are read from.
#[derive(Clone, Copy)]
pub(super) struct Body<'t> {
    pub(super) text: &'t str,
    /// Its characters that make their record a reject.
    pub(super) invalid: &'t Invalid,
    /// Whether it is an array of records and nothing else, whatever the page is.
    pub(super) is_all: bool,
    /// Whether U+FFFD in it may stand for what was no character.
    pub(super) is_mended: bool,
}

impl Body<'_> {
    /// # Errors
    /// [`DecodeError::NotUtf8`] when some of those characters are in no record.
    fn check_met(&self, met: usize, place: &PagePlace) -> Result<(), DecodeError> {
        self.invalid.check_met(met).map_err(|unreadable| format::unreadable_error(unreadable, place.clone()))
    }
}
