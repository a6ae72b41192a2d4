//! What failures of the system and of Parquet files mean for the operator.

use std::io;

use parquet::errors::ParquetError;

use crate::base::{ErrorKind, Panicked};
use crate::lake::LakeError;

/// What a failed system call means. An error of ours may travel inside of one, through readers that only know those.
pub(super) fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind as Io;
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<LakeError>()) {
        return inner.kind();
    }
    if Panicked::within(error).is_some() {
        return ErrorKind::Internal;
    }
    match error.kind() {
        Io::InvalidData => ErrorKind::Data,
        Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotADirectory | Io::InvalidFilename => ErrorKind::Config,
        _ => ErrorKind::Unavailable,
    }
}

/// A Parquet file that cannot be read is a matter of the data, unless its bytes could not be had.
pub(super) fn parquet_kind(error: &ParquetError) -> ErrorKind {
    match error {
        ParquetError::External(inner) => inner.downcast_ref::<io::Error>().map_or(ErrorKind::Data, io_kind),
        _ => ErrorKind::Data,
    }
}
