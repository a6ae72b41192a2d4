//! Parquet: rows to bytes and back, and bytes that are carried over without being decoded.
//!
//! In: Arrow batches of one schema, or column chunks of another file. Out: a finished, synced file in the spool with its size
//! and checksum. Invariants: the same input gives the same bytes; memory is one row group of encoded pages, whose bound is
//! [`FileLimits`]; row groups that do not change are copied as bytes. Not here: which rows go where.

mod carry;
mod encoding;
mod portable;
mod range;
mod notes;
mod sample;
mod shape;
mod footer;
mod source;
mod splice;
mod spool;
mod writer;

pub(crate) use encoding::{ColumnEncodings, FileStyle};
pub(crate) use range::{KeyRange, KeyRanges, read_ranges};
pub(crate) use shape::FileShape;
pub(crate) use source::ParquetSource;
pub(crate) use splice::{Splice, read_footer};
pub(crate) use spool::SpoolFile;
pub(crate) use writer::{ColumnPlan, FileLimits, FinishedFile, ParquetFile, encoders_bytes};
