//! Schema: the types of columns, how they widen, and what users declare.
//!
//! In: what the decoder saw, declared schema files, the table's schema of last night. Out: one schema for the table.
//! Invariants: [`TableSchema::join`] is commutative in its types, associative, idempotent and only widens; columns are
//! never dropped; their order is that of first appearance. Not here: JSON text, arrays, files.

mod types;

pub(crate) use types::*;
