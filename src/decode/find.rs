//! Finding the records of a page whose config does not say where they are.

use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::config::{path_words, yaml};
use crate::decode::answer::members;
use crate::decode::fault::Outcome;
use crate::decode::map::record_around;
use crate::decode::reader::Reader;

/// How many objects deep records are looked for.
const LEVELS_MAX: usize = 3;
/// Names that APIs give to their records; one of them settles the choice among several arrays.
const WELL_KNOWN: [&str; 11] =
    ["data", "items", "results", "entries", "records", "rows", "entities", "payload", "content", "objects", "values"];

/// Names that settle it where none of these is there.
const KNOWN: [&str; 4] = ["entry", "features", "docs", "hits"];
/// Names of lists that tell about the records beside them, or about other pages.
const BESIDE: [&str; 4] = ["link", "links", "fields", "included"];

/// Names of lists that tell about an answer and are never its records, unless the config says so.
const ASIDE: [&str; 4] = ["errors", "warnings", "messages", "notices"];

/// Where the records seem to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Here; `$` for a page that is an array, or an object without any array of objects.
    At(JsonPath),
    /// In one of these.
    Ambiguous(Doubt, Vec<JsonPath>),
}

/// Why it is not plain where the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Several lists may be the records.
    Several,
    /// The only list stands in what may be the one record, which is named behind it.
    PartOfRecord,
    /// The only list has a name by which APIs tell about an answer; the whole answer is named behind it.
    Aside,
}

impl Doubt {
    /// Where records may be, with what to write for each place.
    pub(super) fn words(self, paths: &[JsonPath]) -> String {
        let write = |path: &JsonPath| format!("`data_selector: {}`", yaml(&Value::from(path_words(path))));
        match (self, paths) {
            (Doubt::PartOfRecord, [list, record]) => format!(
                "has one list, at `{list}`, in an object with an id and values of its own: if its objects are the records, write {}; if the list is a part of one record, {}",
                write(list),
                write(record)
            ),
            (Doubt::Aside, [list, answer]) => format!(
                "has one list, at `{list}`, a name by which APIs also tell what went wrong: if its objects are the records, write {}; if the whole answer is one record, {}",
                write(list),
                write(answer)
            ),
            _ => format!(
                "has several arrays that may be its records: write {}",
                paths.iter().map(write).collect::<Vec<_>>().join(" or ")
            ),
        }
    }
}

struct Candidate {
    path: Vec<Step>,
    empty: bool,
}

/// Looks for the records: an array at the top, or else the arrays within three levels of objects that are empty or begin with
/// an object. Of several, those that are beside the records by their names do not count; of the others, the only one with a well-known name, unless it is empty and another is not. One that is not so named, in an object with a key and values of its own, may be a part of that record.
///
/// # Errors
/// The first fault of the page.
pub(super) fn find_records(text: &str) -> Outcome<Found> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let mut candidates = Vec::new();
    if reader.peek() == b'{' {
        collect(&mut reader, &mut Vec::new(), &mut candidates)?;
    }
    let told: Vec<Candidate> = candidates.extract_if(.., |candidate| candidate.is_named(&ASIDE)).collect();
    if let (true, Some(told)) = (candidates.is_empty(), told.iter().find(|told| !told.empty)) {
        // An answer that has only failures to tell is no record.
        return Ok(Found::Ambiguous(Doubt::Aside, vec![JsonPath::from_steps(told.path.clone()), JsonPath::root()]));
    }
    if candidates.iter().any(|candidate| !candidate.is_named(&BESIDE)) {
        candidates.retain(|candidate| !candidate.is_named(&BESIDE));
    } else if is_bundle(text) {
        return Ok(Found::At(JsonPath::from_steps(vec![Step::Key("entry".to_owned())])));
    }
    let path = |candidate: &Candidate| JsonPath::from_steps(candidate.path.clone());
    let filled = candidates.iter().any(|candidate| !candidate.empty);
    let of_names = |names: &[&str]| candidates.iter().filter(|candidate| candidate.is_named(names)).collect::<Vec<_>>();
    let named = Some(of_names(&WELL_KNOWN)).filter(|named| !named.is_empty()).unwrap_or_else(|| of_names(&KNOWN));
    Ok(match (candidates.as_slice(), named.as_slice()) {
        ([], _) => Found::At(JsonPath::root()),
        ([only], []) => match record_around(text, &path(only)) {
            // The list may be a part of the one record, whose other members would be lost.
            Some(record) => Found::Ambiguous(Doubt::PartOfRecord, vec![path(only), record]),
            None => Found::At(path(only)),
        },
        ([only], _) => Found::At(path(only)),
        (_, [only]) if !only.empty || !filled => Found::At(path(only)),
        _ => Found::Ambiguous(Doubt::Several, candidates.iter().map(path).collect()),
    })
}

/// Whether a page is FHIR's envelope, which leaves out the list of records where there are none.
fn is_bundle(text: &str) -> bool {
    members(text).iter().any(|(name, value)| name == "resourceType" && *value == "\"Bundle\"")
}

/// The lists of objects within three levels of objects, as far as the page is JSON.
pub(super) fn lists(text: &str) -> Vec<JsonPath> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let mut candidates = Vec::new();
    if reader.peek() == b'{' {
        // What comes behind a fault is not looked at.
        let _ = collect(&mut reader, &mut Vec::new(), &mut candidates);
    }
    candidates.into_iter().map(|candidate| JsonPath::from_steps(candidate.path)).collect()
}

impl Candidate {
    fn is_named(&self, names: &[&str]) -> bool {
        matches!(self.path.last(), Some(Step::Key(name)) if names.contains(&name.as_str()))
    }
}

/// Collects the arrays below the object that is next.
fn collect(reader: &mut Reader<'_>, path: &mut Vec<Step>, candidates: &mut Vec<Candidate>) -> Outcome<()> {
    reader.enter()?;
    if reader.peek() == b'}' {
        reader.leave();
        return Ok(());
    }
    loop {
        let key = reader.key()?;
        path.push(Step::Key(reader.resolve(key, &mut Vec::new()).to_owned()));
        candidates.retain(|candidate| !candidate.path.starts_with(path));
        match reader.peek() {
            b'{' if path.len() < LEVELS_MAX => collect(reader, path, candidates)?,
            b'[' => {
                let mut ahead = reader.clone();
                ahead.enter()?;
                if matches!(ahead.peek(), b'{' | b']') {
                    candidates.push(Candidate { path: path.clone(), empty: ahead.peek() == b']' });
                }
                reader.skip_value()?;
            }
            _ => reader.skip_value()?,
        }
        path.pop();
        if !reader.more(b'}')? {
            return Ok(());
        }
    }
}
