//! The plan of a table: how rows enter it, in which folders and order, and what is expected of them.

use std::fmt;

use crate::base::JsonPath;

/// dlt's write dispositions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteDisposition {
    /// Add rows.
    Append,
    /// The run's rows become the table.
    Replace,
    /// Upsert by primary key.
    Merge,
    /// Fetch nothing, leave the table.
    Skip,
}

/// One partition folder level: `<name>=<value>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionField {
    /// The column.
    pub(crate) column: String,
    /// How its value becomes a folder's.
    pub(crate) transform: Transform,
    /// Folder key: `as`, or `<column>_<transform>`, or just `<column>` for identity.
    pub(crate) name: String,
}

/// Partition transforms, after Iceberg's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transform {
    /// The value itself.
    Identity,
    /// `2026`
    Year,
    /// `2026-11`
    Month,
    /// `2026-11-22`
    Day,
    /// `2026-11-22-13`, UTC
    Hour,
    /// A hash bucket, `0..buckets` (Iceberg's murmur3 bucket).
    Bucket {
        /// Number of buckets, at least 1.
        buckets: u32,
    },
    /// Integers to a multiple of `width`, text to its first `width` characters.
    Truncate {
        /// At least 1.
        width: u32,
    },
}

impl Transform {
    /// The transform that [`fmt::Display`] spells so.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let argument =
            |name: &str| text.strip_prefix(name)?.trim().strip_prefix('[')?.strip_suffix(']')?.trim().parse::<u32>().ok();
        Some(match text {
            "identity" => Self::Identity,
            "year" => Self::Year,
            "month" => Self::Month,
            "day" => Self::Day,
            "hour" => Self::Hour,
            _ => match (argument("bucket"), argument("truncate")) {
                (Some(buckets @ 1..=65_536), _) => Self::Bucket { buckets },
                (_, Some(width @ 1..)) => Self::Truncate { width },
                _ => return None,
            },
        })
    }
}

/// As the config spells it.
impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Year => f.write_str("year"),
            Self::Month => f.write_str("month"),
            Self::Day => f.write_str("day"),
            Self::Hour => f.write_str("hour"),
            Self::Bucket { buckets } => write!(f, "bucket[{buckets}]"),
            Self::Truncate { width } => write!(f, "truncate[{width}]"),
        }
    }
}

/// A column of the row order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortField {
    /// The column.
    pub(crate) column: String,
    /// Greatest first.
    pub(crate) descending: bool,
}

/// Guards checked before a publish.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expect {
    /// Fewest rows the run must bring.
    pub(crate) min_rows: Option<u64>,
    /// Largest allowed loss of rows against the published table, as a fraction; for `replace` and `merge`, [`Expect::MAX_SHRINK`] unless set.
    pub(crate) max_shrink: Option<f64>,
    /// What the API tells of the number of records in all.
    pub(crate) total: ExpectTotal,
}

/// What the API tells of the number of records in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum ExpectTotal {
    /// Whatever stands where totals stand.
    #[default]
    Undeclared,
    /// The number at this path, which is what must be read.
    At(JsonPath),
    /// Nothing that what was read must come to: a total is an estimate, or counts something else.
    Estimate,
}

impl ExpectTotal {
    /// The path that has to be read.
    #[must_use]
    pub(crate) fn path(&self) -> Option<&JsonPath> {
        if let Self::At(path) = self { Some(path) } else { None }
    }
}

impl Expect {
    /// What `max_shrink` is where it is not set.
    pub(crate) const MAX_SHRINK: f64 = 0.5;
}

/// What happens to records that cannot become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnReject {
    /// Stop with exit 3.
    Fail,
    /// Keep them in the lake's quarantine, at most `max_rejects`.
    Quarantine {
        /// Rejects past this number fail the run.
        max_rejects: Option<u64>,
    },
}
