//! Decode: a page's bytes become typed columns in one pass, without a tree of values in between.
//!
//! In: a [`crate::source::Page`] and the schema so far. Out: a [`DecodedPage`]: the page's facts, its rows under a schema at
//! least as wide, and the rejects. Invariants: `facts.records == rows + rejects`; a page counts whole or not at all; no
//! input panics, and nesting, columns and records are bounded. A batch can be widened later without loss: whatever its
//! arrays cannot give back (a timestamp's offset, a float's spelling) travels beside them as [`Originals`].
//! Not here: the network, the lake.

mod batch;
mod number;
mod temporal;

pub(crate) use batch::*;
pub(crate) use number::{float_is_spelled, format_float, guess_float_spelling, write_float};
pub(crate) use temporal::{format_time, parse_date, parse_timestamp, write_date, write_time};
