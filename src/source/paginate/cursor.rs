//! `cursor` and `header_cursor`: the page gives a value that the next request carries, or a mark that there is none.

use serde_json::Value;

use crate::base::JsonPath;
use crate::config::Slot;
use crate::source::SourceError;
use crate::source::error::Repeated;
use crate::source::paginate::end_mark::{is_end, may_be_end};
use crate::source::paginate::facts::{absent, value, whole_number};
use crate::source::paginate::link::no_next;
use crate::source::paginate::pairs::{is_page_parameter, name_of};
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, Trail};

/// `cursor`.
pub(super) struct Cursor {
    path: JsonPath,
    slot: Slot,
    trail: Trail,
    /// The number that the page at hand was asked for by, if it was one.
    asked: Option<u64>,
}

impl Cursor {
    /// The cursor stands at `path` and goes to `slot`.
    pub(super) fn new(path: JsonPath, slot: Slot) -> Self {
        Self { path, slot, trail: Trail::new(Repeated::Cursor), asked: None }
    }
}

impl Paginator for Cursor {
    fn wanted(&self) -> Vec<JsonPath> {
        vec![self.path.clone()]
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        let cursor = value(page, 0).filter(|cursor| {
            let is_mark = may_be_end(cursor) || goes_nowhere(page, &self.slot, self.asked, cursor);
            !(is_end(cursor) || is_mark && page.is_last && page.more.is_none())
        });
        let Some(cursor) = cursor else { return no_next(page, absent(page, 0, &self.path).as_deref(), Some(&self.slot)) };
        if !page.is_reread {
            self.trail.note_text(page, &cursor.to_string())?;
        }
        self.asked = whole_number(cursor);
        Ok(Step::Next(Position { ordinal: 0, place: Place::Slots(vec![(self.slot.clone(), cursor.clone())]) }))
    }
}

/// Whether a cursor is the number that the page at hand was asked for by, or that of the first page.
fn goes_nowhere(page: &Seen<'_>, slot: &Slot, asked: Option<u64>, cursor: &Value) -> bool {
    let first = || page.asked.iter().find(|(own, _)| own == slot).map(|(_, number)| *number);
    let counts_pages = is_page_parameter(name_of(slot));
    let own = asked.or_else(first).or(counts_pages.then_some(1));
    whole_number(cursor).is_some_and(|number| Some(number) == own || counts_pages && number <= 1)
}

/// `header_cursor`.
pub(super) struct HeaderCursor {
    header: String,
    slot: Slot,
    trail: Trail,
    /// As [`Cursor::asked`].
    asked: Option<u64>,
}

impl HeaderCursor {
    /// The cursor stands in `header` and goes to the query parameter `param`.
    pub(super) fn new(header: String, param: String) -> Self {
        Self { header, slot: Slot::Param(param), trail: Trail::new(Repeated::Cursor), asked: None }
    }
}

impl Paginator for HeaderCursor {
    fn own_places(&self) -> Vec<String> {
        vec![format!("the header `{}`", self.header.to_ascii_lowercase())]
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        let cursor = page.headers.get(&self.header).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        let absent = cursor.is_none().then(|| format!("header `{}`", self.header));
        let is_cursor = |cursor: &Value| {
            let is_mark = may_be_end(cursor) || goes_nowhere(page, &self.slot, self.asked, cursor);
            !(is_end(cursor) || is_mark && page.is_last)
        };
        match cursor.map(Value::from).filter(is_cursor) {
            None => no_next(page, absent.as_deref(), Some(&self.slot)),
            Some(cursor) => {
                if !page.is_reread {
                    self.trail.note_text(page, &cursor.to_string())?;
                }
                self.asked = whole_number(&cursor);
                let place = Place::Slots(vec![(self.slot.clone(), cursor)]);
                Ok(Step::Next(Position { ordinal: 0, place }))
            }
        }
    }
}
