//! Config: from a file's text and an environment to a settled, validated plan.
//!
//! In: YAML text, where it came from, and the environment as a lookup. Out: a [`Plan`] without anything left open, or
//! every fault of the file at once, each with line, key path, what was expected and the nearest valid spelling.
//! Not here: reading files (`cli` hands in their text), sockets, Arrow.

mod plan;

pub(crate) use plan::*;
