//! Faults: why reading stops in the middle of a page, as offsets; [`crate::decode::DecodeError`] gives them their place.

use crate::base::PathExhausted;

/// What the readers and builders of a page return. Boxed, so that the good case is one word.
pub(super) type Outcome<T> = Result<T, Box<Stop>>;

/// Why reading stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The page as a whole cannot be read.
    Fault(Fault),
    /// This record cannot become a row; the others may.
    Misfit(Misfit),
    /// An object has more names than a struct may: its column becomes JSON, which whoever reads the column sees to.
    Overgrown { at: usize },
}

/// Why a page cannot be read. Every `at` is a byte offset in the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not JSON.
    Syntax {
        at: usize,
        /// What had to stand there.
        expected: &'static str,
    },
    /// An object or array inside too many others.
    TooDeep { at: usize },
    /// More columns than a page may have.
    TooManyColumns { at: usize },
    /// A record of more bytes than a record may have.
    RecordTooLarge { at: usize },
    /// A value asked for by the paginator that is longer than such a value may be.
    ValueTooLong { at: usize },
    /// A member that tells of the pages comes twice, with two values.
    PagingTwice { at: usize },
    /// A path of the config passes its budget.
    PathExhausted(PathExhausted),
    /// The records are no list of objects and no object.
    NotRecords {
        at: usize,
        /// The kind of what stands there.
        actual: &'static str,
    },
}

/// Why a record cannot become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Byte offset in the page: of the value, or of the object that lacks `missing`.
    pub(super) at: usize,
    /// A member that has to be there and is absent or null.
    pub(super) missing: Option<String>,
    /// What was expected.
    pub(super) expected: String,
    /// The kind of what was found.
    pub(super) actual: &'static str,
}

impl From<Fault> for Box<Stop> {
    fn from(fault: Fault) -> Self {
        Self::new(Stop::Fault(fault))
    }
}

impl From<Misfit> for Box<Stop> {
    fn from(misfit: Misfit) -> Self {
        Self::new(Stop::Misfit(misfit))
    }
}
