//! Hints: what stands around a page's records and tells of other pages, for a paginator that has to find its own way.

use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::decode::envelope::VALUE_BYTES_MAX;
use crate::decode::fault::{Fault, Outcome};
use crate::decode::reader::Reader;
use crate::source::{ListInside, Sign, tells_as_links, tells_as_list, tells_as_object, tells_of_paging};

/// Most signs of a page; an envelope has a handful.
const SIGNS_MAX: usize = 64;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Hints {
    pub(super) signs: Vec<Sign>,
    /// Whether a member that would tell of the next page is null: no sign, but it says where it ends.
    pub(super) null_next: bool,
}

impl Hints {
    /// How many objects deep paging is looked for.
    pub(super) const LEVELS_MAX: usize = 3;

    /// Looks at a member: its path, and its value, which is next.
    ///
    /// # Errors
    /// [`Fault::PagingTwice`] where it had another value before: of two, the last may be the one that hides the other pages.
    pub(super) fn note(&mut self, path: &[String], reader: &Reader<'_>) -> Outcome<()> {
        let may_tell = match reader.peek() {
            b'[' => tells_as_links(path) || tells_as_list(path),
            b'{' => tells_as_object(path),
            _ => tells_of_paging(path),
        };
        if !may_tell {
            return Ok(());
        }
        self.null_next |= reader.peek() == b'n' && tells_as_object(path);
        let is_of_links = tells_as_links(path);
        let path = JsonPath::from_steps(path.iter().cloned().map(Step::Key).collect());
        let sign = match small(reader) {
            Some(links @ Value::Array(_)) if is_of_links => Sign::of_links(&path, &links),
            Some(value) => Some(Sign { path: path.clone(), value }),
            None => None,
        };
        let path = sign.as_ref().map_or(&path, |sign| &sign.path);
        if let Some(known) = self.signs.iter().find(|known| known.path == *path) {
            let is_same = sign.as_ref().is_some_and(|sign| sign.value == known.value);
            return if is_same { Ok(()) } else { Err(Fault::PagingTwice { at: reader.pos }.into()) };
        }
        if self.signs.len() < SIGNS_MAX {
            self.signs.extend(sign);
        }
        Ok(())
    }
}

/// How many objects deep a list is looked for in a record.
const LIST_LEVELS_MAX: usize = 3;

/// Members of an envelope that tell nothing of what it is around.
const OF_ANSWER: [&str; 16] = [
    "status",
    "success",
    "ok",
    "code",
    "message",
    "error",
    "errors",
    "took",
    "time",
    "timestamp",
    "version",
    "object",
    "kind",
    "etag",
    "request_id",
    "requestId",
];

/// The one list of objects in the record that is next, which stands at the path `at`; `None` where there are several.
pub(super) fn list_inside(mut reader: Reader<'_>, at: &JsonPath) -> Option<ListInside> {
    let names = at.steps().iter().map(|step| if let Step::Key(name) = step { Some(name.clone()) } else { None });
    let mut path: Vec<String> = names.collect::<Option<_>>()?;
    let mut inside = Inside { depth: path.len() + LIST_LEVELS_MAX, ..Inside::default() };
    inside.object(&mut reader, &mut path)?;
    let [(path, records)] = <[_; 1]>::try_from(inside.lists).ok()?;
    let at = JsonPath::from_steps(path.into_iter().map(Step::Key).collect());
    Some(ListInside { at, records, signs: inside.hints.signs, has_values: inside.has_values })
}

/// What is seen in a record.
#[derive(Debug, Default)]
struct Inside {
    depth: usize,
    hints: Hints,
    lists: Vec<(Vec<String>, u64)>,
    has_values: bool,
}

impl Inside {
    /// Looks into the object that is next; `None` for what is no JSON, which whoever reads it on tells.
    fn object(&mut self, reader: &mut Reader<'_>, path: &mut Vec<String>) -> Option<()> {
        reader.enter().ok()?;
        if reader.peek() == b'}' {
            reader.leave();
            return Some(());
        }
        loop {
            let key = reader.key().ok()?;
            path.push(reader.resolve(key, &mut Vec::new()).to_owned());
            self.hints.note(path, reader).ok()?;
            match reader.peek() {
                b'{' if path.len() < self.depth => self.object(reader, path)?,
                b'[' => self.list(reader, path)?,
                b'{' => reader.skip_value().ok()?,
                _ => {
                    let is_of_answer = path.last().is_some_and(|name| OF_ANSWER.contains(&name.as_str()));
                    self.has_values |= !is_of_answer && !tells_of_paging(path);
                    reader.skip_value().ok()?;
                }
            }
            path.pop();
            if !reader.more(b'}').ok()? {
                return Some(());
            }
        }
    }

    fn list(&mut self, reader: &mut Reader<'_>, path: &[String]) -> Option<()> {
        reader.enter().ok()?;
        if reader.peek() == b']' {
            reader.leave();
            return Some(());
        }
        let is_of_objects = reader.peek() == b'{';
        let mut records = 0;
        loop {
            reader.skip_value().ok()?;
            records += 1;
            if !reader.more(b']').ok()? {
                break;
            }
        }
        if is_of_objects {
            self.lists.push((path.to_vec(), records));
        }
        Some(())
    }
}

/// The scalar or small object that is next; `None` for null, for what is too long to be a cursor, and for what is no JSON, which whoever reads it on tells.
fn small(reader: &Reader<'_>) -> Option<Value> {
    let mut ahead = reader.clone();
    let start = ahead.pos;
    if ahead.peek() == b'"' {
        let token = ahead.string().ok().filter(|token| token.end - token.start <= VALUE_BYTES_MAX)?;
        return Some(Value::String(ahead.resolve(token, &mut Vec::new()).to_owned()));
    }
    ahead.skip_value().ok()?;
    let token = ahead.slice(start, ahead.pos);
    if token.len() > VALUE_BYTES_MAX {
        return None;
    }
    let value = serde_json::from_str(token).unwrap_or_else(|_| Value::String(token.to_owned()));
    (!value.is_null()).then_some(value)
}
