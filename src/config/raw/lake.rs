//! `lake`: where the tables go.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::config::raw::{Credential, Either, Entries, Field, FromScalar, Scalar, ScalarError, TableFormat};
use crate::config::{Compression, OnSchemaChange, units};

/// Where the tables go, and how their files are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub(crate) struct Lake {
    /// A folder (relative to the config's, absolute, or `file://…`) or `s3://bucket/prefix`.
    #[schemars(with = "String")]
    pub(crate) url: Field<String>,
    /// Options of the object store, such as `aws_region` and `aws_endpoint`; the `AWS_*` variables work too. Values are treated as secrets.
    /// Default: none.
    pub(crate) options: Field<Entries<OptionValue>>,
    /// Parquet codec: `zstd(1)` to `zstd(22)`, `snappy` or `none`; higher levels are slower and smaller. Default: `zstd(1)`.
    pub(crate) compression: Field<Scalar<Compression>>,
    /// Encoded size at which a data file is split, such as "256MB" (kB, MB, GB, KiB, MiB, GiB). 1kB to 16GB. Default: 256MB.
    pub(crate) target_file_size: Field<Scalar<ByteSize>>,
    /// Reserved: files that no manifest knows are refused either way, since their keys and schema are not known. Default: false.
    pub(crate) adopt: Field<bool>,
    /// Accept a store that ignores conditional writes; then two runs at once can lose rows. Default: false.
    pub(crate) allow_unsafe_store: Field<bool>,
    /// `together`: one failed resource keeps all from publishing. Default: `each`.
    pub(crate) publish: Field<Publish>,
    /// What a changed schema does to the files written under the older one: `rewrite`, `leave`, or `{rewrite_up_to: 50GB}`, which leaves those of a
    /// larger table and says so. Default: `rewrite`.
    pub(crate) on_schema_change: Field<Either<SchemaChange, RewriteUpTo>>,
    /// `auto`: an `append` puts its rows behind those of a partition's last file, while that is small, so that a table of many nights has few
    /// files. `never`: each night makes files of its own, which `lakeward compact` puts together. Default: `never`.
    pub(crate) compact: Field<Compact>,
    /// Most partitions of a table that one run may change, and add; past it the run ends before its commit. Default: 10000.
    pub(crate) max_partitions: Field<u64>,
    /// Memory that a run may take, such as "256MB", but for answers that are on their way and huge records: resources that run at once share it.
    /// 128MB to 64GB. Default: 256MB.
    pub(crate) memory: Field<Scalar<ByteSize>>,
    /// How many of the newest commits that changed files can be undone: what they replaced or removed stays readable under `_lakeward`. 0 to
    /// 1000. Default: 1, the last one; 0 keeps nothing.
    pub(crate) keep_versions: Field<u64>,
    /// Which readers the files are for. `legacy`: all of them; `modern`: those that know the encodings which Spark before 4.1 does not.
    /// Default: `legacy`.
    pub(crate) compat: Field<Compat>,
    /// What tables are, where their resource does not say: `native`, folders of Parquet files, or `delta`, Delta tables. Default: `native`.
    pub(crate) table_format: Field<Scalar<TableFormat>>,
    /// `true`: a Delta log lies over the Parquet files of `native` tables, so that readers of Delta tables read them, too. Default: false.
    pub(crate) delta_log: Field<bool>,
    /// How long files that left a Delta table stay for those who read an older version of it, such as `7d`; `lakeward gc` then removes them.
    /// Default: 7d.
    pub(crate) retention: Field<Scalar<Duration>>,
}

/// An option's value; numbers and booleans count as their text.
#[derive(Debug, Clone)]
pub(crate) struct OptionValue(pub(crate) Credential);

impl<'de> Deserialize<'de> for OptionValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Credential::of_scalar(deserializer).map(Self)
    }
}

impl JsonSchema for OptionValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OptionValue".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// Which resources are published when one fails.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Publish {
    /// Those that succeeded.
    Each,
    /// None.
    Together,
}

/// What a changed schema does to the files written under the older one.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SchemaChange {
    /// They are brought up to date.
    Rewrite,
    /// They stay; readers then need `union_by_name` or `mergeSchema`.
    Leave,
}

/// The size up to which tables are written anew.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RewriteUpTo {
    /// Size of a table, such as "50GB", past which files that merely lack columns stay as they are. Required.
    pub(crate) rewrite_up_to: Field<Scalar<ByteSize>>,
}

impl From<SchemaChange> for OnSchemaChange {
    fn from(change: SchemaChange) -> Self {
        match change {
            SchemaChange::Rewrite => Self::Rewrite,
            SchemaChange::Leave => Self::Leave,
        }
    }
}

/// Whether runs put small files together.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compact {
    /// An `append` fills up the last small file of a partition.
    Auto,
    /// An `append` makes new files.
    Never,
}

impl From<Compact> for crate::config::Compact {
    fn from(compact: Compact) -> Self {
        match compact {
            Compact::Auto => Self::Auto,
            Compact::Never => Self::Never,
        }
    }
}

/// Which readers the files are written for.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compat {
    /// All, also those that know only the plain and dictionary encodings.
    Legacy,
    /// Those that know the delta and byte-stream-split encodings, which Spark before 4.1 does not.
    Modern,
}

impl From<Compat> for crate::config::Compat {
    fn from(compat: Compat) -> Self {
        match compat {
            Compat::Legacy => Self::Legacy,
            Compat::Modern => Self::Modern,
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ByteSize(pub(crate) u64);

impl FromScalar for ByteSize {
    const EXPECTED: &'static str = "a size such as \"256MB\" (kB, MB, GB, KiB, MiB or GiB)";
    const NUMBERS: bool = true;

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        units::bytes(text).map(Self).ok_or(ScalarError::Form)
    }

    fn from_number(number: f64) -> Option<Self> {
        units::whole(number).map(Self)
    }
}

impl FromScalar for Compression {
    const EXPECTED: &'static str = "`zstd(1)` to `zstd(22)`, `snappy` or `none`";

    fn from_text(text: &str) -> Result<Self, ScalarError> {
        let level = || text.strip_prefix("zstd(")?.strip_suffix(')')?.parse::<i32>().ok();
        match text {
            "none" | "uncompressed" => Ok(Self::Uncompressed),
            "snappy" => Ok(Self::Snappy),
            "zstd" => Ok(Self::Zstd(1)),
            _ => level().filter(|level| (1..=22).contains(level)).map(Self::Zstd).ok_or(ScalarError::Form),
        }
    }
}
