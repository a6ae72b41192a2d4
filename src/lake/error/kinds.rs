//! What failures of the lake, of the system and of Parquet files mean for the operator.

use std::io;

use parquet::errors::ParquetError;

use crate::base::{ErrorKind, Panicked};
use crate::lake::{LakeError, StoreProblem, Unread};

impl LakeError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk { source, .. } => io_kind(source),
            Self::Arrow { .. } | Self::NoColumns { .. } => ErrorKind::Data,
            Self::Unread(source) => source.kind(),
            Self::Widen(error) => error.kind(),
            Self::TableDiffers { .. }
            | Self::OtherFormat { .. }
            | Self::NotInDelta { .. }
            | Self::SameFolder { .. }
            | Self::WithinLake { .. }
            | Self::SamePipeline { .. }
            | Self::NoVersion { .. }
            | Self::TooOld { .. }
            | Self::NotKept { .. }
            | Self::MarksGone { .. }
            | Self::TableExists { .. }
            | Self::NoColumn { .. }
            | Self::NotComparable { .. }
            | Self::NothingToAbandon { .. }
            | Self::CanBeFinished { .. }
            | Self::NoTable { .. } => ErrorKind::Config,
            Self::Partition(error) => error.kind(),
            Self::Merge(error) => error.kind(),
            Self::Store { problem, .. } => match problem {
                StoreProblem::Denied => ErrorKind::Credentials,
                StoreProblem::NoBucket | StoreProblem::WrongPlace | StoreProblem::NotTls | StoreProblem::Tls => ErrorKind::Config,
                StoreProblem::Failed | StoreProblem::NoAnswer => ErrorKind::Unavailable,
                StoreProblem::Changed => ErrorKind::Data,
            },
            Self::Option { .. } | Self::UnsafeStore { .. } | Self::ClaimedTwice { .. } | Self::Claimed { late: false, .. } => {
                ErrorKind::Config
            }
            Self::Locked { .. }
            | Self::Conflict { .. }
            | Self::Outlived { .. }
            | Self::Unpublished { .. }
            | Self::Unfinished { .. }
            | Self::ForeignCommit { .. }
            | Self::Abandoned { .. } => ErrorKind::Unavailable,
            Self::Parquet { source, .. } => parquet_kind(source),
            Self::Foreign { .. }
            | Self::Delta { .. }
            | Self::Adopt { .. }
            | Self::Unreadable { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Damaged { .. }
            | Self::Taken { .. }
            | Self::Claimed { .. }
            | Self::NothingCommitted { .. }
            | Self::NotAdoptable { .. }
            | Self::KeyRepeats { .. }
            | Self::KeyIsNull { .. }
            | Self::StagedDamaged { .. }
            | Self::NotAbandonable { .. }
            | Self::Lost { .. } => ErrorKind::Data,
            Self::Spool { .. } | Self::WrongHandle { .. } | Self::Unsound { .. } => ErrorKind::Internal,
        }
    }
}

/// What a failed system call means. An error of ours may travel inside of one, through readers that only know those.
pub(super) fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind as Io;
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<LakeError>()) {
        return inner.kind();
    }
    if let Some(unread) = error.get_ref().and_then(|inner| inner.downcast_ref::<Unread>()) {
        return unread.kind();
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
