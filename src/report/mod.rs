//! Report: the facts of a run in words and JSON.
//!
//! In: [`crate::pipeline::RunFacts`]. Out: the summary line that orchestrators read, the report kept in the lake, and the lines a
//! person reads. Pure: it does nothing and prints nothing. The JSON here is a promise; `tests/it` holds it.

mod summary;
mod words;

pub(crate) use crate::base::{count, counted};
pub(crate) use summary::{add_warning, exit_code, failure, mark_dry, summary};
pub(crate) use words::{bytes, duration, end_words, run_lines, type_words};
