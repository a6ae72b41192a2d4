//! What can go wrong between rows and a published table.

mod hints;
mod kinds;
mod store;

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parquet::errors::ParquetError;

use crate::decode::WidenError;
use crate::lake::{PartitionError, Unread};
use crate::merge::MergeError;
use crate::schema::TableSchema;

pub(crate) use store::{StoreAnswer, StoreProblem};

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
        source: io::Error,
    },
    /// Bytes of a data file could not be had.
    #[error(transparent)]
    Unread(Unread),
    /// A Parquet file could not be written or read.
    #[error("cannot {action} Parquet file `{path}`")]
    Parquet {
        /// What was tried, as a verb.
        action: &'static str,
        /// Which file, below the lake's root or in the spool.
        path: String,
        /// Why not.
        source: ParquetError,
    },
    /// Rows could not be brought into the form that files have, or back.
    #[error("cannot {action} rows of table `{table}`")]
    Arrow {
        /// What was tried, as a verb.
        action: &'static str,
        /// The table.
        table: String,
        /// Why not.
        source: arrow_schema::ArrowError,
    },
    /// Rows could not be brought to the table's schema.
    #[error(transparent)]
    Widen(#[from] WidenError),
    /// A table is not what the config says, in a way that a run cannot change by itself.
    #[error(
        "table `{table}` has {what} {found}, the config {wanted}: change it back, let `lakeward table {remedy} CONFIG {table} --apply` make it so from the table's own rows, or run once with `--full-refresh`"
    )]
    TableDiffers {
        /// The table.
        table: String,
        /// What differs: its primary key or its partitioning.
        what: &'static str,
        /// What the table has.
        found: String,
        /// What the config says.
        wanted: String,
        /// The command that brings the table to it.
        remedy: &'static str,
    },
    /// A new table whose name is that of another one but for case: some file systems and gateways have one folder for both.
    #[error(
        "table `{table}` and the lake's table `{other}` differ in case alone, and are one folder on macOS, Windows and some object gateways"
    )]
    SameFolder {
        /// The new table.
        table: String,
        /// The table that is there.
        other: String,
    },
    /// The lake's root lies below that of another lake, whose readers would take its files for rows of a table.
    #[error("the lake `{place}` lies within the lake `{outer}`, whose readers would find its files in a table's folder")]
    WithinLake {
        /// The lake's root.
        place: String,
        /// The other one's.
        outer: String,
    },
    /// A new pipeline whose name is another one's but for case or Unicode form.
    #[error(
        "pipeline `{pipeline}` and pipeline `{other}` of the lake `{place}` differ in case or Unicode form alone, and are one folder on macOS, Windows and some object gateways"
    )]
    SamePipeline {
        /// The new one.
        pipeline: String,
        /// The one that is there.
        other: String,
        /// The lake.
        place: String,
    },
    /// Rows without a column: files of them would have none, which no reader opens.
    #[error("all {rows} records for table `{table}` are empty objects, and a file without columns is opened by no reader")]
    NoColumns {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// Rows could not be given to partitions.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// Keys or rows could not be compared.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// The bucket's server refused, failed or did not answer.
    #[error("cannot {action} `{place}`: {problem}")]
    Store {
        /// What was tried, as a verb.
        action: &'static str,
        /// Where, as `s3://bucket/key`.
        place: String,
        /// What it means.
        problem: StoreProblem,
        /// What was answered, without secrets.
        source: StoreAnswer,
    },
    /// An entry of `lake.options` is not one of object_store's, or has a bad value.
    #[error("`lake.options.{name}`: {why}")]
    Option {
        /// The option.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The store overwrites where it was asked to create.
    #[error("the store of `{place}` ignores conditional writes, so two runs at once could lose a commit")]
    UnsafeStore {
        /// The lake.
        place: String,
    },
    /// Another run is at work.
    #[error("run `{run}` on `{host}` (process {pid}) holds the lake, its last sign of life is {} s old", age.as_secs())]
    Locked {
        /// The other run.
        run: String,
        /// Its machine.
        host: String,
        /// Its process there.
        pid: u32,
        /// Since its last heartbeat.
        age: Duration,
    },
    /// Another run took over while this one was silent, or committed to the same tables first.
    #[error("run `{run}` overtook this one, which therefore changed nothing")]
    Conflict {
        /// The other run.
        run: String,
    },
    /// This run fell asleep right where it committed, for so long that a collection has removed the number of its commit since: whether that counted is
    /// in no log any more.
    #[error(
        "this run stood still until version {version}, which it was about to commit, was long collected: whether its rows came in cannot be told any more"
    )]
    Outlived {
        /// The version.
        version: u64,
    },
    /// A table's folder is not what its manifest says.
    #[error("folder `{place}` {}: {}{}", foreign(*is_new), files.join(", "), more(*more_files))]
    Foreign {
        /// The table.
        table: String,
        /// Its folder.
        place: String,
        /// Whether no commit has put a file there.
        is_new: bool,
        /// Up to five files, each with what is wrong.
        files: Vec<String>,
        /// How many more there are.
        more_files: usize,
    },
    /// `lake.adopt` met a table that it cannot take over.
    #[error("`lake.adopt` cannot take over `{place}`: {why} (first: {file})")]
    Adopt {
        /// The table's folder.
        place: String,
        /// Why not.
        why: &'static str,
        /// The first file that is in the way.
        file: String,
    },
    /// A commit, manifest or lease cannot be read.
    #[error("`{place}` is not readable: {why}")]
    Unreadable {
        /// The object.
        place: String,
        /// Why not.
        why: String,
    },
    /// One of lakeward's own files is not what it writes there: a link, a FIFO, another user's, too large.
    #[error("`{place}` is {what}, and is neither read nor replaced")]
    Refused {
        /// The file.
        place: String,
        /// What it is instead.
        what: String,
    },
    /// A commit or manifest is larger than what is read again.
    #[error("`{place}` would take {bytes} bytes, more than the {bytes_max} that are read again")]
    TooLarge {
        /// The object.
        place: String,
        /// Its size.
        bytes: u64,
        /// The largest allowed.
        bytes_max: u64,
    },
    /// A data file does not have the content that the commit gave it.
    #[error("`{place}` is damaged or was exchanged: its checksum is not that of the file that was committed")]
    Damaged {
        /// The table, where that is not plain from what is done.
        table: Option<String>,
        /// The file.
        place: String,
    },
    /// In the place of a file that a commit puts or deletes lies something that it does not know.
    #[error("commit {version} cannot be published: `{place}` is not what it replaces, and was left as it is")]
    Taken {
        /// The commit.
        version: u64,
        /// The file.
        place: String,
    },
    /// The table belongs to another pipeline of the lake.
    #[error("table `{table}` of this lake belongs to pipeline `{owner}`, as `{place}` says")]
    Claimed {
        /// The table.
        table: String,
        /// The pipelines that have it.
        owner: String,
        /// The claim.
        place: String,
        /// Whether requests were made for it.
        late: bool,
    },
    /// A table without a claim is in the newest commits of several pipelines.
    #[error("table `{table}` of this lake was written by several pipelines: `{}`; its claim would be `{place}`", pipelines.join("`, `"))]
    ClaimedTwice {
        /// The table.
        table: String,
        /// The pipelines.
        pipelines: Vec<String>,
        /// Where a claim would lie.
        place: String,
    },
    /// A committed file is neither where it was staged nor where it belongs.
    #[error("commit {version} promises `{place}`, but it is neither staged nor published, and no later commit replaced it")]
    Lost {
        /// The commit.
        version: u64,
        /// The table.
        table: String,
        /// The file.
        place: String,
    },
    /// What is staged for a commit is not what was staged.
    #[error(
        "commit {version} cannot be finished: `{place}` is damaged or was exchanged, its checksum is not that of the file that was staged"
    )]
    StagedDamaged {
        /// The commit.
        version: u64,
        /// The table.
        table: String,
        /// The staged file.
        place: String,
    },
    /// The commit of this run was abandoned while it slept.
    #[error("commit {version} of this run was abandoned meanwhile, because files of it were lost: nothing of it counts")]
    Abandoned {
        /// The commit.
        version: u64,
    },
    /// A commit that was to be abandoned is published.
    #[error("commit {version} {}", by.map_or_else(|| "is published whole: there is nothing to abandon".to_owned(), |by| format!("was abandoned by commit {by}")))]
    NothingToAbandon {
        /// The commit.
        version: u64,
        /// What abandoned it before.
        by: Option<u64>,
    },
    /// A commit that was to be abandoned can be published.
    #[error("commit {version} can still be finished: none of its files is lost")]
    CanBeFinished {
        /// The commit.
        version: u64,
    },
    /// The commit is recorded and will be finished, but not by this run.
    #[error("commit {version} is recorded, but its files are not all in place; the next run finishes it")]
    Unpublished {
        /// The commit.
        version: u64,
        /// What kept this run from finishing it.
        source: Box<LakeError>,
    },
    /// Another writer's commit in a table's own log is in the way of one of ours.
    #[error(
        "commit {version} cannot be published: `{place}` of another writer changed table `{table}` meanwhile, and nothing of the commit counts"
    )]
    ForeignCommit {
        /// The commit.
        version: u64,
        /// The table.
        table: String,
        /// The other writer's commit.
        place: String,
    },
    /// Delta does not have what a table has.
    #[error("table `{table}` cannot be a Delta table: {why}")]
    NotInDelta {
        /// The table.
        table: String,
        /// Why not.
        why: String,
    },
    /// A Delta table asks its writers for what this program does not do, or was changed in a way that it does not go on from.
    #[error("the Delta table `{place}` cannot be gone on with: {why}")]
    Delta {
        /// Its folder.
        place: String,
        /// The table.
        table: String,
        /// Why not.
        why: String,
    },
    /// A table is published as something else than the config says.
    #[error(
        "table `{table}` is stored as {found}, the config says {wanted}: change it back, or let `lakeward convert CONFIG {table} --to {to} --apply` make it so"
    )]
    OtherFormat {
        /// The table.
        table: String,
        /// What it is.
        found: &'static str,
        /// What the config says.
        wanted: &'static str,
        /// The same as the command takes it.
        to: &'static str,
    },
    /// A commit of an earlier run is recorded and not published whole, and what asks may not finish it.
    #[error("commit {version} is recorded, but its files are not all in place; only a run that writes can finish it")]
    Unfinished {
        /// The commit.
        version: u64,
    },
    /// The log has no such version.
    #[error("there is no version {version}: the newest is {newest}")]
    NoVersion {
        /// What was asked for.
        version: u64,
        /// The newest there is.
        newest: u64,
    },
    /// No run has committed anything.
    #[error("nothing is committed yet in `{place}`")]
    NothingCommitted {
        /// Where it was looked for.
        place: String,
    },
    /// A table that is to get a name which another one has.
    #[error("table `{table}` is there already: drop it first, or take another name")]
    TableExists {
        /// The name.
        table: String,
    },
    /// What something else wrote cannot become a table.
    #[error("`{place}` cannot be adopted: {why}; nothing was changed")]
    NotAdoptable {
        /// The folder or file.
        place: String,
        /// Why.
        why: String,
    },
    /// Rows of a table that is to get a key have it more than once.
    #[error(
        "table `{table}`: {repeated} of {rows} rows have the key ({key}) of another row, so it is no key; nothing was changed"
    )]
    KeyRepeats {
        /// The table.
        table: String,
        /// The key's columns.
        key: String,
        /// Rows of the table.
        rows: u64,
        /// Rows too many.
        repeated: u64,
    },
    /// A row of a table that is to get a key has null in it.
    #[error("table `{table}`: column `{column}` is null in a row of `{place}`, so it is no part of a key; nothing was changed")]
    KeyIsNull {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// The file.
        place: String,
    },
    /// The config names a column that a table does not have.
    #[error("table `{table}` has no column `{column}`, which `{key}` names{}; nothing was changed", meant(near.as_deref()))]
    NoColumn {
        /// The table.
        table: String,
        /// The config's key.
        key: &'static str,
        /// The column.
        column: String,
        /// What it is probably a misspelling of.
        near: Option<String>,
    },
    /// A version that too many commits stand on.
    #[error("version {version} is too old: {} commits came after it, and at most {versions_max} are looked through", newest - version)]
    TooOld {
        /// What was asked for.
        version: u64,
        /// The newest there is.
        newest: u64,
        /// Commits that are looked through.
        versions_max: u64,
    },
    /// A file of a version is gone.
    #[error("version {version} is not kept whole: commit {by} replaced or removed `{place}`, and its old content is gone")]
    NotKept {
        /// What was asked for.
        version: u64,
        /// The commit that took the file's content away.
        by: u64,
        /// The file.
        place: String,
        /// The versions that are kept whole.
        kept: RangeInclusive<u64>,
    },
    /// A commit that is published in part, of which what was before is gone.
    #[error(
        "commit {version} cannot be abandoned: it has replaced or removed `{place}` already, and the old content is not kept"
    )]
    NotAbandonable {
        /// The commit.
        version: u64,
        /// The table.
        table: String,
        /// The file.
        place: String,
    },
    /// The marks that a version's cursors need are gone.
    #[error("version {version} is not kept whole: `{place}`, the marks of records at its cursor, is gone")]
    MarksGone {
        /// What was asked for.
        version: u64,
        /// The marks.
        place: String,
        /// The versions that are kept whole.
        kept: RangeInclusive<u64>,
    },
    /// A table that is another one at two versions.
    #[error("table `{table}` cannot be compared: the older version has {found}, the newer one {wanted}")]
    NotComparable {
        /// The table.
        table: String,
        /// What the older version has.
        found: String,
        /// What the newer one has.
        wanted: String,
    },
    /// A version has no such table.
    #[error("version {version} has no table `{table}`; it has {}", named(tables))]
    NoTable {
        /// What was asked for.
        table: String,
        /// Where.
        version: u64,
        /// What there is.
        tables: Vec<String>,
    },
    /// A spooled file is not what its stage said.
    #[error("spooled file `{}` cannot be committed: {why}", path.display())]
    Spool {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// A merge came to something else than it tells.
    #[error("the merge of table `{table}` is wrong, and nothing of it was published: {why}")]
    Unsound {
        /// The table.
        table: String,
        /// What does not agree.
        why: String,
    },
    /// A commit of one kind of store was found in another.
    #[error("`{place}` was staged for another kind of store")]
    WrongHandle {
        /// The file.
        place: String,
    },
}

fn named(tables: &[String]) -> String {
    if tables.is_empty() { "none".to_owned() } else { format!("`{}`", tables.join("`, `")) }
}

fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

fn foreign(is_new: bool) -> &'static str {
    match is_new {
        true => "has files that lakeward did not write, or whose commits are gone",
        false => "is not as the last commit left it",
    }
}

fn more(files: usize) -> String {
    if files == 0 { String::new() } else { format!(" and {files} more") }
}

impl LakeError {
    /// The error of a system call; one of ours that travelled in it stays what it is.
    pub(crate) fn of_disk(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(inner) => inner,
            Err(source) => match source.downcast::<Unread>() {
                Ok(unread) => Self::Unread(unread),
                Err(source) => Self::Disk { action, path: path.to_owned(), source },
            },
        }
    }

    /// That `table`, which has these columns, lacks one that the config's `key` names.
    pub(crate) fn no_column(table: &str, key: &'static str, column: &str, schema: &TableSchema) -> Self {
        Self::NoColumn { table: table.to_owned(), key, column: column.to_owned(), near: schema.meant(column) }
    }

    /// The one table that it is about, where its message or its hint may name a rebuild.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Self::Damaged { table, .. } => table.as_deref(),
            Self::Lost { table, .. }
            | Self::NotAbandonable { table, .. }
            | Self::StagedDamaged { table, .. }
            | Self::Foreign { table, .. }
            | Self::TableDiffers { table, .. } => Some(table),
            Self::Unpublished { source, .. } => source.table(),
            Self::Unread(source) => source.table(),
            _ => None,
        }
    }

    /// The commit of which it says that it can never be published whole.
    pub(crate) fn abandonable(&self) -> Option<u64> {
        match self {
            Self::Lost { version, .. } | Self::StagedDamaged { version, .. } | Self::ForeignCommit { version, .. } => {
                Some(*version)
            }
            Self::Unpublished { source, .. } => source.abandonable(),
            _ => None,
        }
    }
}
