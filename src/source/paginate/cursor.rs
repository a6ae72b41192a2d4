//! `cursor` and `header_cursor`: the page gives a value that the next request carries.

use serde_json::Value;

use crate::base::JsonPath;
use crate::config::Slot;
use crate::source::error::Repeated;
use crate::source::paginate::facts::{has_more, is_absent, value};
use crate::source::paginate::link::no_next;
use crate::source::paginate::{Paginator, Place, Position, Seen, Step, Trail};
use crate::source::{EndReason, SourceError};

/// `cursor`.
pub(super) struct Cursor {
    path: JsonPath,
    slot: Slot,
    stop_after_empty_page: bool,
    has_more_path: Option<JsonPath>,
    trail: Trail,
}

impl Cursor {
    /// The cursor stands at `path` and goes to `slot`.
    pub(super) fn new(path: JsonPath, slot: Slot, stop_after_empty_page: bool, has_more_path: Option<JsonPath>) -> Self {
        Self { path, slot, stop_after_empty_page, has_more_path, trail: Trail::new(Repeated::Cursor) }
    }
}

impl Paginator for Cursor {
    fn wanted(&self) -> Vec<JsonPath> {
        [Some(&self.path), self.has_more_path.as_ref()].into_iter().flatten().cloned().collect()
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        if self.stop_after_empty_page && page.facts.records == 0 {
            return Ok(Step::End(EndReason::EmptyPage));
        }
        let more = has_more(page, self.has_more_path.as_ref(), 1)?;
        match (value(page, 0).filter(|cursor| !is_falsy(cursor)), more, &self.has_more_path) {
            (_, Some(false), _) => Ok(Step::End(EndReason::HasMoreFalse)),
            (None, Some(true), Some(path)) => {
                Err(SourceError::MoreWithoutWay { place: page.at(), path: path.clone(), why: "there is no next cursor" })
            }
            (None, ..) => no_next(page, is_absent(page, 0)),
            (Some(cursor), ..) => {
                self.trail.note_text(page, &cursor.to_string())?;
                Ok(Step::Next(Position { ordinal: 0, place: Place::Slots(vec![(self.slot.clone(), cursor.clone())]) }))
            }
        }
    }
}

/// dlt's end of a cursor: `null`, `""`, `0` and `false`.
fn is_falsy(cursor: &Value) -> bool {
    match cursor {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// `header_cursor`.
pub(super) struct HeaderCursor {
    header: String,
    slot: Slot,
    trail: Trail,
}

impl HeaderCursor {
    /// The cursor stands in `header` and goes to the query parameter `param`.
    pub(super) fn new(header: String, param: String) -> Self {
        Self { header, slot: Slot::Param(param), trail: Trail::new(Repeated::Cursor) }
    }
}

impl Paginator for HeaderCursor {
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        let cursor = page.headers.get(&self.header).map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        let is_absent = cursor.is_none();
        match cursor.filter(|cursor| !cursor.is_empty()) {
            None => no_next(page, is_absent),
            Some(cursor) => {
                self.trail.note_text(page, &cursor)?;
                let place = Place::Slots(vec![(self.slot.clone(), Value::from(cursor))]);
                Ok(Step::Next(Position { ordinal: 0, place }))
            }
        }
    }
}
