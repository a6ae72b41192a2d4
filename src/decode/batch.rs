//! What leaves the decoder.

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::decode::{Json, PageCursors};
use crate::schema::{TableSchema, nearest};
use crate::source::PageFacts;

/// A page, decoded: `facts.records + exploded == rows + rejects + filtered`.
#[derive(Debug, Clone)]
pub(crate) struct DecodedPage {
    /// For the paginator.
    pub(crate) facts: PageFacts,
    /// What of it enters the resource's table.
    pub(crate) table: TableRows,
    /// Records that could not become rows.
    pub(crate) rejects: Vec<Reject>,
    /// Members superseded by a later one of the same name in the same object; the last wins.
    pub(crate) duplicate_members: u64,
    /// Characters that are U+FFFD because what stood there is none: halves of surrogate pairs, invalid bytes.
    pub(crate) replaced_characters: u64,
    /// NUL characters left out of texts, where the config says so.
    pub(crate) stripped_characters: u64,
    /// Whether the page has null where its list of records should be: no records.
    pub(crate) is_null: bool,
    /// Records of which the hooks left nothing.
    pub(crate) filtered: u64,
    /// Rows more than one that the hooks made of a record.
    pub(crate) exploded: u64,
    /// Lists of objects in the page, where the place that the config names has one object, which can be no row.
    pub(crate) lists_beside: Vec<String>,
    /// What children ask of each record that is left: the fields' values as JSON text, in the order they were asked for.
    pub(crate) for_children: Vec<Vec<Box<str>>>,
    /// What the records say of the cursor; for incremental resources.
    pub(crate) cursors: Option<Box<PageCursors>>,
}

/// What a page comes to in one table.
#[derive(Debug, Clone)]
pub(crate) struct TableRows {
    /// The rows, in the page's order.
    pub(crate) rows: TypedBatch,
    /// Values of rows left out, or null, because the declared schema or the contract says so.
    pub(crate) discarded_values: u64,
    /// Columns that no row has, not even with null, by their place in the schema.
    pub(crate) absent: Vec<usize>,
    /// Of a page whose columns are those of a header, such as CSV, so that none is left out because it is empty: what a part of it lacks.
    pub(crate) part_lacks: Option<Vec<String>>,
    /// What became of columns, and where: the first place of each kind and column.
    pub(crate) notes: Vec<Note>,
    /// Numbers that are rounded to a float, as the config says.
    pub(crate) rounded_numbers: u64,
}

/// What a record made of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it is.
    pub(crate) kind: NoteKind,
    /// The column, as `stats.by_day`.
    pub(crate) column: String,
    /// The value's place in the record, as `$.stats.by_day`.
    pub(crate) path: String,
    /// The record's place in the page, from 0.
    pub(crate) record: u64,
}

/// What can become of a column that whoever reads it wants to know at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// It is JSON text because its objects have too many names.
    Overgrown,
    /// It is JSON text because its values have no other type in common.
    Conflict,
    /// A number is rounded to a float.
    Rounded,
}

/// Rows with the schema they were decoded under: `batch.schema() == schema.to_arrow()`.
#[derive(Debug, Clone)]
pub(crate) struct TypedBatch {
    /// The columns' types, at least as wide as the schema that decoding started from.
    pub(crate) schema: Arc<TableSchema>,
    /// The arrays, one a column.
    pub(crate) batch: RecordBatch,
    /// What widening needs besides the arrays.
    pub(crate) originals: Vec<Originals>,
}

/// How the texts of one leaf column, or the objects of one struct, were spelled, so that widening them to text gives the very tokens of the
/// API, whatever page the wider value came on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Originals {
    /// The leaf or struct: column name, then struct field names; a list's element adds no name.
    pub(crate) leaf: Vec<String>,
    /// The spelling of most values.
    pub(crate) spelling: Spelling,
    /// The others: slot in the leaf's array, and its text. Ascending slots.
    pub(crate) exceptions: Vec<(u32, Box<str>)>,
}

/// A spelling that gives back the API's text from the value. A leaf without [`Originals`] is spelled canonically: floats as
/// [`Spelling::ShortestNumber`], decimals as [`Spelling::PlainNumber`], times in UTC with the fewest fraction digits, texts as [`Spelling::Quoted`],
/// structs as [`Spelling::Valued`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Spelling {
    /// A number with the fewest digits, and never an exponent: `3`, `0.0000001`.
    PlainNumber,
    /// A number with the fewest digits, as ECMAScript writes it: `3`, `0.1`, `1e+21`, `1e-7`.
    ShortestNumber,
    /// The same as Python writes it: `3.0`, `0.1`, `1e+16`, `1e-05`.
    PointedNumber,
    /// A number with this many digits after the point.
    FixedNumber(u8),
    /// In a text leaf: the texts were JSON strings. Exceptions, the tokens that were not (`12.50`, `true`), are JSON texts.
    Quoted,
    /// In a text leaf: the texts were JSON numbers or booleans. Exceptions, the strings among them, are JSON texts.
    Bare,
    /// An RFC 3339 time with this many fraction digits, this separator and zone.
    Time {
        /// Digits of the fraction, 0 to 9; those past the sixth are zeros.
        fraction: u8,
        /// `T`, `t` or a space.
        separator: u8,
        /// Offset from UTC in minutes.
        offset_minutes: i16,
        /// Whether the zone is written `Z`.
        zulu: bool,
    },
    /// In a struct: the fields that have values, in their order. Exceptions are JSON texts.
    Valued,
    /// In a struct: the first fields, so many, also those that are null. Exceptions are JSON texts.
    First(u16),
}

/// A record that could not become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reject {
    /// The page it came on.
    pub(crate) page: u64,
    /// Its place in the page, from 0.
    pub(crate) record: u64,
    /// Where in the record, as `$.amount`.
    pub(crate) path: String,
    /// What was expected there.
    pub(crate) expected: String,
    /// What was found: its kind, never its value.
    pub(crate) actual: String,
    /// The record's text.
    pub(crate) raw: String,
    /// The steps that the text has passed, each by its mark; `None`: a record as it came, or as steps left it, cannot be had from it.
    pub(crate) passed: Option<Arc<[String]>>,
}

impl Reject {
    /// The member that an expression asks for and the record lacks.
    pub(crate) fn missing(&self) -> Option<&str> {
        self.actual.strip_prefix("no member `")?.strip_suffix('`')
    }

    /// The member of the record that the name at fault most likely stands for.
    pub(crate) fn meant(&self) -> Option<String> {
        let Some(Json::Object(members)) = Json::parse(&self.raw) else { return None };
        let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        let wanted = self.path.strip_prefix("$.").or_else(|| self.missing())?;
        if names.contains(&wanted) { None } else { nearest(wanted, &names).map(str::to_owned) }
    }
}
