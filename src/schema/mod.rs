//! Schema: the types of columns, how they widen, and what users declare.
//!
//! In: what the decoder saw, declared schema files, the table's schema of last night. Out: one schema for the table.
//! Invariants: [`TableSchema::join`] is commutative in its types, associative, idempotent and only widens; columns are
//! never dropped; their order is that of first appearance; a declared type never changes. Not here: JSON text of records, arrays, files.

mod types;
mod error;
mod join;
mod columnar;
mod spelling;
mod declare;
mod declared;
mod evolve;

#[cfg(test)]
pub(crate) mod strategies;

pub(crate) use columnar::LIST_ELEMENT;
pub(crate) use declare::declared_json;
pub(crate) use declared::{DeclaredSchema, Undeclared, nearest, nearest_column};
pub(crate) use error::SchemaError;
pub(crate) use evolve::{Change, Widened, reconcile};
pub(crate) use join::{DEPTH_MAX, FIELDS_MAX, LEAVES_MAX};
pub(crate) use types::{Column, ColumnType, Digits, TableSchema};
