//! The plan of the lake: where it is, and how its files are written and published.

use std::fmt;
use std::time::Duration;

use crate::base::Secret;

/// Where the tables go.
#[derive(Debug, Clone)]
pub(crate) struct LakePlan {
    /// Disk or bucket.
    pub(crate) location: LakeLocation,
    /// object_store options (`aws_access_key_id`, `aws_endpoint`, …); values may be secrets.
    pub(crate) options: Vec<(String, Secret)>,
    /// Parquet codec.
    pub(crate) compression: Compression,
    /// Encoded bytes at which a data file is split.
    pub(crate) target_file_size: u64,
    /// Take over tables with files that no manifest knows.
    pub(crate) adopt: bool,
    /// Accept a store that ignores conditional writes.
    pub(crate) allow_unsafe_store: bool,
    /// `publish: together`: one failed resource keeps all from publishing.
    pub(crate) publish_together: bool,
    /// `on_schema_change`.
    pub(crate) on_schema_change: OnSchemaChange,
    /// `compact`.
    pub(crate) compact: Compact,
    /// `max_partitions`.
    pub(crate) max_partitions: usize,
    /// Memory of a run, in bytes.
    pub(crate) memory: u64,
    /// Commits whose replaced and removed files stay readable.
    pub(crate) keep_versions: u32,
    /// `compat`.
    pub(crate) compat: Compat,
    /// Whether tables are Delta tables, where their resource does not say.
    pub(crate) is_delta: bool,
    /// Whether a Delta log lies over the files of those that are none.
    pub(crate) delta_log: bool,
    /// How long files that left a Delta table stay.
    pub(crate) retention: Duration,
    /// Whether what is written survives a crash of the machine. Nobody misses a lake on disk that goes with its process, and syncing takes
    /// most of the time of a small one.
    pub(crate) is_durable: bool,
}

impl LakePlan {
    /// What a table's files are published as; `is_delta`: what its resource says.
    pub(crate) fn stored_as(&self, is_delta: Option<bool>) -> StoredAs {
        match (is_delta.unwrap_or(self.is_delta), self.delta_log) {
            (true, _) => StoredAs::Delta,
            (false, true) => StoredAs::DeltaBeside,
            (false, false) => StoredAs::Plain,
        }
    }
}

/// Where a lake lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LakeLocation {
    /// A folder, absolute.
    Disk(std::path::PathBuf),
    /// `s3://bucket/prefix`.
    S3 {
        /// Bucket name.
        bucket: String,
        /// Key prefix without slashes at its ends; may be empty.
        prefix: String,
    },
}

impl fmt::Display for LakeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

/// What a commit that changes a table's schema does to files of the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSchemaChange {
    /// Bring them up to date.
    Rewrite,
    /// Leave them; readers then need `union_by_name` or `mergeSchema`.
    Leave,
    /// Bring them up to date where the table has no more than so many bytes, and leave them past it.
    RewriteUpTo(u64),
}

impl OnSchemaChange {
    /// What holds for a table of so many bytes.
    pub(crate) fn of_table(self, bytes: u64) -> Self {
        match self {
            Self::RewriteUpTo(most) if bytes <= most => Self::Rewrite,
            Self::RewriteUpTo(_) => Self::Leave,
            decided => decided,
        }
    }
}

/// Whether runs put small files together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compact {
    /// An append fills up the last small file of a partition.
    Auto,
    /// An append makes new files.
    Never,
}

/// Which readers the files are for, the narrower choice first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Compat {
    /// Those that know the delta and byte-stream-split encodings.
    Modern,
    /// All, also those that know only the plain and dictionary encodings.
    Legacy,
}

impl Compat {
    /// The word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy => "legacy",
        }
    }
}

/// Parquet codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// None.
    Uncompressed,
    /// Snappy.
    Snappy,
    /// Zstandard at a level of 1 to 22.
    Zstd(i32),
}

/// What a table's files are published as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StoredAs {
    /// Parquet in Hive's folders, for readers by glob.
    #[default]
    Plain,
    /// The same, with a Delta log over the files.
    DeltaBeside,
    /// A Delta table.
    Delta,
}

impl StoredAs {
    /// Its name, as manifests and messages have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::DeltaBeside => "plain with a Delta log",
            Self::Delta => "delta",
        }
    }

    /// The one of this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Plain, Self::DeltaBeside, Self::Delta].into_iter().find(|stored_as| stored_as.name() == name)
    }

    /// Whether it is a folder of Parquet files, whatever lies beside them.
    pub(crate) fn is_plain(self) -> bool {
        self != Self::Delta
    }
}
