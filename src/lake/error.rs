//! What can go wrong between rows and a published table.

use std::path::PathBuf;

use crate::base::ErrorKind;
use crate::lake::PartitionError;
use crate::merge::MergeError;

/// A failure of the lake, after the retries of its store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LakeError {
    /// A local file or folder could not be read or written: disk full, read-only, missing, broken.
    #[error("cannot {action} `{}`", path.display())]
    Disk {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A Parquet file could not be written or read.
    #[error("cannot {action} Parquet file `{path}`")]
    Parquet {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which file, below the lake's root or in the spool.
        path: String,
        /// Why not.
        source: parquet::errors::ParquetError,
    },
    /// Rows could not be given to partitions.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// Keys or rows could not be compared.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

impl LakeError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Disk { source, .. } => match source.kind() {
                std::io::ErrorKind::InvalidData => ErrorKind::Data,
                _ => ErrorKind::Unavailable,
            },
            Self::Parquet { .. } => ErrorKind::Data,
            Self::Partition(error) => error.kind(),
            Self::Merge(error) => error.kind(),
        }
    }
}
