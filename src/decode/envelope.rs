//! Envelope: what stands around a page's records.
//!
//! In: the page's text, the records' path and the paths the paginator asks for. Out: the records, handed to whoever turns
//! them into rows, and in the same pass the values asked for and signs of more pages. Invariants: all of the text is checked,
//! wanted or not; of equal names the last wins, also when they hold the records; what tells of more pages has one value.

use std::ops::Range;

use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

use crate::base::{JsonPath, Step};
use crate::decode::explain::END;
use crate::decode::fault::{Fault, Outcome, Stop};
use crate::decode::hints::{Hints, list_inside};
use crate::decode::reader::{Mended, Reader, StringToken, TextRules};
use crate::decode::{Json, Reject};
use crate::source::{ListInside, tells_of_none};

/// Longest string that the paginator is given, in bytes.
pub(super) const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Takes the records.
pub(super) trait Records {
    /// Reads the records at the reader's position: an array of them, or an object that is one. `again`: the same name came
    /// before, and what it held does not count.
    ///
    /// # Errors
    /// A fault of the page.
    fn read(&mut self, reader: &mut Reader<'_>, again: bool) -> Outcome<()>;

    /// The hash of each record so far; `None` where nobody asks for them.
    fn hashes(&self) -> Option<&[u64]> {
        None
    }
}

/// What was found around the records.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// The values asked for, in order.
    pub(super) values: Vec<Option<Value>>,
    /// Whether the records' path led somewhere.
    pub(super) records_found: bool,
    /// That path.
    pub(super) records_at: Option<JsonPath>,
    /// Where in the text their list is, where that is one.
    pub(super) list_at: Option<Range<usize>>,
    /// What stood there, where that is one value.
    pub(super) shape: Option<RecordsShape>,
    /// Where the null is that stands there.
    pub(super) null_at: usize,
    /// A hash of the records' bytes, or of their hashes where there are some.
    pub(super) records_hash: u128,
    pub(super) hints: Hints,
    /// The one list in a record that stands by itself, where hints are looked for.
    pub(super) list_inside: Option<ListInside>,
    /// Characters that are not what came.
    pub(super) mended: Mended,
}

/// What stands where the records should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordsShape {
    /// A list of them.
    List,
    /// One record.
    Object,
    /// Null.
    Null,
}

impl RecordsShape {
    /// As the state of a resource keeps it; null is not kept.
    #[must_use]
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Object => "object",
            Self::Null => "null",
        }
    }

    /// The shape of this name.
    #[must_use]
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        [Self::List, Self::Object].into_iter().find(|shape| shape.name() == name)
    }
}

/// What is looked for below one value of the page.
#[derive(Debug, Default)]
struct Node {
    /// The records are here.
    records: bool,
    /// Places in [`Findings::values`] of the values that are here.
    wanted: Vec<usize>,
    children: Vec<(Step, Node)>,
}

impl Node {
    fn at(&mut self, steps: &[Step]) -> &mut Self {
        let Some((step, rest)) = steps.split_first() else {
            return self;
        };
        let place = self.children.iter().position(|(known, _)| known == step).unwrap_or_else(|| {
            self.children.push((step.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[place].1.at(rest)
    }

    fn key(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(step, _)| matches!(step, Step::Key(key) if key == name)).map(|(_, node)| node)
    }

    fn element(&self, index: usize) -> Option<&Self> {
        let found = |wanted: &Step| self.children.iter().find(|(step, _)| step == wanted).map(|(_, node)| node);
        found(&Step::Index(index)).or_else(|| found(&Step::Every))
    }
}

/// Reads a page under `rules`: hands over its records, looks for `wanted`, and for signs of more pages if asked to.
///
/// # Errors
/// The first fault of the page.
pub(super) fn read_page<R: Records>(
    text: &str,
    records_path: Option<&JsonPath>,
    wanted: &[JsonPath],
    look_for_more_pages: bool,
    rules: TextRules,
    records: &mut R,
) -> Outcome<Findings> {
    let mut root = Node::default();
    let steps = records_path.map(JsonPath::steps);
    if let Some(steps) = steps {
        root.at(steps).records = true;
    }
    let mut inside = Vec::new();
    for (place, path) in wanted.iter().enumerate() {
        // What is not found by following one path while the page streams by is looked up afterwards, in a tree.
        if !path.is_simple() || path.steps().contains(&Step::Every) {
            continue;
        }
        // The records are read once, as rows; what is asked of them is looked up afterwards.
        if steps.is_some_and(|steps| path.steps().starts_with(steps)) {
            inside.push((place, path));
        } else {
            root.at(path.steps()).wanted.push(place);
        }
    }
    let mut walk = Walk {
        reader: Reader::new(text).under(rules),
        records,
        findings: Findings { values: vec![None; wanted.len()], ..Findings::default() },
        several: steps.is_some_and(|steps| steps.contains(&Step::Every)),
        hash: Xxh3::new(),
        is_beside: false,
        hints: look_for_more_pages,
        records_at: records_path,
        scratch: Vec::new(),
    };
    walk.reader.skip_space();
    walk.value(Some(&root), &mut Vec::new())?;
    walk.reader.skip_space();
    if !walk.reader.rest().is_empty() {
        return walk.reader.expected(END);
    }
    let mut findings = Findings { mended: walk.reader.mended, records_at: records_path.cloned(), ..walk.findings };
    findings.records_hash = match walk.records.hashes() {
        Some(hashes) => hash_of(hashes),
        None => walk.hash.digest128(),
    };
    // FHIR leaves out a list that would be empty.
    findings.records_found |= records_path.is_some() && tells_of_none(&findings.hints.signs);
    for (place, path) in inside {
        let found = read_page(text, None, std::slice::from_ref(path), false, TextRules::default(), &mut NoRecords)?;
        if let (Some(slot), Some(value)) = (findings.values.get_mut(place), found.values.into_iter().next()) {
            *slot = value;
        }
    }
    find_in_tree(text, wanted, &mut findings.values)?;
    Ok(findings)
}

/// The hash of records from the hash of each.
pub(super) fn hash_of(hashes: &[u64]) -> u128 {
    let mut all = Xxh3::new();
    hashes.iter().for_each(|hash| all.update(&hash.to_le_bytes()));
    all.digest128()
}

/// The hash of records and of texts that cannot be rows, or pages of nothing else would be one that comes again.
pub(super) fn with_rejects<'r>(records_hash: u128, rejects: impl Iterator<Item = &'r Reject>) -> u128 {
    let (mut hash, mut any) = (Xxh3::new(), false);
    for reject in rejects {
        any = true;
        hash.update(&(reject.raw.len() as u64).to_le_bytes());
        hash.update(reject.raw.as_bytes());
    }
    hash.update(&records_hash.to_le_bytes());
    if any { hash.digest128() } else { records_hash }
}

/// Looks up those of `wanted` that have to be looked up in the whole page: the first value that such a path finds.
///
/// # Errors
/// The first fault of the page.
fn find_in_tree(text: &str, wanted: &[JsonPath], values: &mut [Option<Value>]) -> Outcome<()> {
    let in_tree = |path: &JsonPath| !path.is_simple() || path.steps().contains(&Step::Every);
    if !wanted.iter().any(in_tree) {
        return Ok(());
    }
    let mut reader = Reader::new(text);
    reader.skip_space();
    let tree = Json::read(&mut reader, &mut 0)?;
    let view = tree.view();
    for (path, slot) in wanted.iter().zip(values).filter(|(path, _)| in_tree(path)) {
        let located = path.locate(&view).map_err(|error| Box::<Stop>::from(Fault::PathExhausted(error)))?;
        let Some(steps) = located.into_iter().next() else { continue };
        let mut found = Vec::new();
        if let Ok(Some(value)) = tree.first(&JsonPath::from_steps(steps)) {
            value.write(&mut found);
        }
        let found = String::from_utf8(found).expect("JSON is written from texts");
        *slot = Some(value_ahead(&Reader::new(&found))?);
    }
    Ok(())
}

/// For walks that look for values alone.
pub(super) struct NoRecords;

impl Records for NoRecords {
    fn read(&mut self, reader: &mut Reader<'_>, _again: bool) -> Outcome<()> {
        reader.skip_value()
    }
}

struct Walk<'a, 'r, R> {
    reader: Reader<'a>,
    records: &'r mut R,
    findings: Findings,
    /// Whether the records' path leads to several values, which then all count.
    several: bool,
    hash: Xxh3,
    /// Whether what is next stands beside what leads to the records.
    is_beside: bool,
    /// Whether to look for signs of more pages.
    hints: bool,
    /// The records' path.
    records_at: Option<&'a JsonPath>,
    scratch: Vec<u8>,
}

impl<R: Records> Walk<'_, '_, R> {
    /// Reads the value that is next; `path` holds the names that lead to it, as far as hints look.
    fn value(&mut self, node: Option<&Node>, path: &mut Vec<String>) -> Outcome<()> {
        if let Some(node) = node {
            if node.records {
                return self.read_records();
            }
            if !node.wanted.is_empty() {
                let value = value_ahead(&self.reader)?;
                for &place in &node.wanted {
                    if let Some(slot) = self.findings.values.get_mut(place) {
                        if slot.as_ref().is_some_and(|known| *known != value) {
                            return Err(Fault::PagingTwice { at: self.reader.pos }.into());
                        }
                        *slot = Some(value.clone());
                    }
                }
            }
        }
        let leads = node.is_some_and(Node::leads_to_records);
        let look = self.hints && (path.len() < Hints::LEVELS_MAX || leads || std::mem::take(&mut self.is_beside));
        match self.reader.peek() {
            b'{' if node.is_some_and(|node| !node.children.is_empty()) || look => self.object(node, path, look),
            b'[' if node.is_some_and(|node| !node.children.is_empty()) => self.array(node),
            _ => self.reader.skip_value(),
        }
    }

    fn object(&mut self, node: Option<&Node>, path: &mut Vec<String>, look: bool) -> Outcome<()> {
        self.reader.enter()?;
        if self.reader.peek() == b'}' {
            self.reader.leave();
            return Ok(());
        }
        let leads = node.is_some_and(Node::leads_to_records);
        loop {
            let key = self.reader.key()?;
            let mut scratch = std::mem::take(&mut self.scratch);
            let name = self.reader.resolve(key, &mut scratch);
            let child = node.and_then(|node| node.key(name));
            if look {
                path.push(name.to_owned());
                if !child.is_some_and(|child| child.records) {
                    self.findings.hints.note(path, &self.reader)?;
                }
            }
            self.scratch = scratch;
            self.is_beside = leads;
            self.value(child, path)?;
            self.is_beside = false;
            if look {
                path.pop();
            }
            if !self.reader.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, node: Option<&Node>) -> Outcome<()> {
        self.reader.enter()?;
        if let Some(every) = node.and_then(|node| node.element(usize::MAX)) {
            // No element, no records, and nothing missing.
            self.findings.records_found |= self.reader.peek() == b']' && every.leads_to_records();
        }
        if self.reader.peek() == b']' {
            self.reader.leave();
            return Ok(());
        }
        let mut index = 0;
        loop {
            // Hints look at what stands around lists, not into them.
            let hints = std::mem::replace(&mut self.hints, false);
            self.value(node.and_then(|node| node.element(index)), &mut Vec::new())?;
            self.hints = hints;
            index += 1;
            if !self.reader.more(b']')? {
                return Ok(());
            }
        }
    }

    fn read_records(&mut self) -> Outcome<()> {
        let start = self.reader.pos;
        let shape = match self.reader.peek() {
            b'[' => Some(RecordsShape::List),
            b'{' => Some(RecordsShape::Object),
            b'n' if !self.several => Some(RecordsShape::Null),
            _ => None,
        };
        if !self.several {
            self.findings.shape = shape;
        }
        if let Some(at) = self.records_at.filter(|_| self.hints && shape == Some(RecordsShape::Object)) {
            self.findings.list_inside = list_inside(self.reader.clone(), at);
        }
        if shape == Some(RecordsShape::Null) {
            self.reader.skip_value()?;
            self.findings.null_at = start;
            self.findings.records_found = true;
            return Ok(());
        }
        if shape.is_none() {
            let actual = self.reader.kind();
            self.reader.skip_value()?;
            return Err(Fault::NotRecords { at: start, actual }.into());
        }
        let again = self.findings.records_found && !self.several;
        if again {
            self.hash = Xxh3::new();
        }
        self.findings.records_found = true;
        self.records.read(&mut self.reader, again)?;
        self.findings.list_at = (self.findings.shape == Some(RecordsShape::List)).then_some(start..self.reader.pos);
        if self.records.hashes().is_none() {
            self.hash.update(self.reader.slice(start, self.reader.pos).as_bytes());
        }
        Ok(())
    }
}

/// The value that is next, without moving on.
fn value_ahead(reader: &Reader<'_>) -> Outcome<Value> {
    // What the paginator sends back is what came.
    let mut ahead = reader.clone().under(TextRules::default());
    let at = ahead.pos;
    Ok(match ahead.peek() {
        b'"' => {
            let token: StringToken = ahead.string()?;
            if token.end - token.start > VALUE_BYTES_MAX {
                return Err(Fault::ValueTooLong { at }.into());
            }
            Value::String(ahead.resolve(token, &mut Vec::new()).to_owned())
        }
        b'{' | b'[' => {
            ahead.skip_value()?;
            let text = ahead.slice(at, ahead.pos);
            let read = || serde_json::from_str(text).unwrap_or_else(|_| Value::from(vec![Value::Null]));
            // What is longer is neither a cursor nor a link, but something is there.
            if text.len() > VALUE_BYTES_MAX { Value::from(vec![Value::Null]) } else { read() }
        }
        _ => {
            ahead.skip_value()?;
            let token = ahead.slice(at, ahead.pos);
            if token.len() > VALUE_BYTES_MAX {
                return Err(Fault::ValueTooLong { at }.into());
            }
            // A number past every type of the parser keeps its digits as text.
            serde_json::from_str(token).unwrap_or_else(|_| Value::String(token.to_owned()))
        }
    })
}

impl Node {
    fn leads_to_records(&self) -> bool {
        self.records || self.children.iter().any(|(_, node)| node.leads_to_records())
    }
}
