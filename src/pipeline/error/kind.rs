//! What an error of a run means for the operator, and the error in one line.

use crate::base::ErrorKind;
use crate::pipeline::RunError;

impl RunError {
    /// What the operator has to do about it.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Source(error) => error.kind(),
            Self::Decode(error) => error.kind(),
            Self::Schema { source, .. } => source.kind(),
            Self::Lake(error) => error.kind(),
            Self::ParentFailed { kind, .. } | Self::NotAlone { kind, .. } => *kind,
            Self::Incremental { source, .. } => source.kind(),
            Self::Disk { .. } => ErrorKind::Unavailable,
            Self::Request { .. }
            | Self::AllSkipped { .. }
            | Self::NoParentRecord { .. }
            | Self::TooManyCombinations { .. }
            | Self::ManyLists { .. }
            | Self::TooManyElements { .. }
            | Self::TooManyGone { .. }
            | Self::NoSuchColumn { .. }
            | Self::NoParentField { .. }
            | Self::NoOrder { .. }
            | Self::NewColumn { .. }
            | Self::NewType { .. }
            | Self::NewTable { .. }
            | Self::Rejected { .. }
            | Self::TooManyRejects { .. }
            | Self::ManyRejects { .. }
            | Self::AllDeleted { .. }
            | Self::KeyRepeats { .. }
            | Self::OnlyRejects { .. }
            | Self::OtherPaginator { .. }
            | Self::TooFewRows { .. }
            | Self::Shrinks { .. }
            | Self::Strict { .. } => ErrorKind::Data,
            Self::Partitions { source, .. } => source.kind(),
            Self::ResetOfAppend { .. }
            | Self::Replay { .. }
            | Self::NoResource { .. }
            | Self::RekeyOfAppend { .. }
            | Self::MuchSetAside { .. }
            | Self::NoSuchResource { .. }
            | Self::Adopt(_)
            | Self::Held(_)
            | Self::Family(_) => ErrorKind::Config,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    /// The error and its causes in one line, each cause once. Of the HTTP client's causes only the first is told: the others
    /// name its layers.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        if let Self::Source(_) = self {
            while let Some(deeper) = cause.and_then(std::error::Error::source) {
                cause = Some(deeper);
            }
        }
        while let Some(error) = cause {
            let next = error.to_string();
            if !text.contains(&next) {
                text.push_str(": ");
                text.push_str(&next);
            }
            cause = error.source();
        }
        text
    }
}
