//! Decode: a page's bytes become typed columns: plain JSON in one pass, without a tree of values in between; all else by way of `shape`.
//!
//! In: a [`crate::source::Page`] and the schema so far. Out: a [`DecodedPage`]: the page's facts, its rows under a schema at
//! least as wide, and the rejects. Invariants: `facts.records + exploded == rows + rejects + filtered`; a page counts whole or not at all; no
//! input panics, and nesting, columns and records are bounded. A batch can be widened later without loss: whatever its
//! arrays cannot give back (a timestamp's offset, a float's spelling) travels beside them as [`Originals`].
//! Not here: the network, the lake.

mod temporal;
mod number;
mod fault;
mod token;
mod reader;
mod record_hash;
mod spelling;
mod column;
mod layout;
mod structs;
mod convert;
mod push;
mod compact;
mod meaning;
mod json;
mod shape;
mod cursor;
mod steps;
mod records;
mod build;
mod locate;
mod map;
mod hints;
mod envelope;
mod answer;
mod find;
mod format;
mod rows;
mod batch;
mod error;
mod explain;
mod failure;
mod filled;
mod settle;
mod decoder;
mod stream;
mod originals;
mod texts;
mod widen;

pub(crate) use batch::*;
pub(crate) use cursor::{AtBorders, CursorFault, CursorHook, CursorProgress, Held, MARKS_MAX, PageCursors};
pub(crate) use decoder::{DecodePlan, Decoder, RECORD_BYTES_MAX};
pub(crate) use envelope::RecordsShape;
pub(crate) use error::DecodeError;
pub(crate) use json::Json;
pub(crate) use meaning::same_meaning;
pub(crate) use number::write_float;
pub(crate) use originals::{SpellingCursor, SpellingLog};
pub(crate) use shape::{ForChildren, IncludeFromParent, RecordHook, ShapePlan};
pub(crate) use steps::Steps;
pub(crate) use stream::{RecordSlice, Survey};
pub(crate) use temporal::{write_date, write_time};
pub(crate) use widen::{WidenError, widen, widen_array};

#[cfg(test)]
mod tests;
