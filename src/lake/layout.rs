//! Where everything of a pipeline lies, as `/`-separated paths below the lake's root.
//!
//! Nothing that is not committed data ever lies under a table's folder, and no name in here ends in `.parquet`: readers that
//! glob `**/*.parquet` see hidden folders too.

use crate::lake::trust::VERSION_MAX;

/// The folder that holds everything that is not a table.
pub(crate) const HOME: &str = "_lakeward";

/// How the copy of a file ends that is no Parquet file.
const OTHER_KEPT: &str = ".other.kept";

/// Paths of one pipeline.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    home: String,
    pipeline: String,
}

impl Layout {
    /// The paths of `pipeline`, whose name is a path segment.
    pub(crate) fn new(pipeline: &str) -> Self {
        Self { home: format!("{HOME}/{pipeline}"), pipeline: pipeline.to_owned() }
    }

    /// The pipeline's name.
    pub(crate) fn pipeline(&self) -> &str {
        &self.pipeline
    }

    /// Folder of the claims; the same for every pipeline of the lake, whose names do not begin with `_`.
    pub(crate) fn claims(&self) -> String {
        format!("{HOME}/_tables")
    }

    /// The record of this number, from 0, that tells whose a table is, by the table's name without case.
    pub(crate) fn claim(&self, table: &str, number: u64) -> String {
        match number {
            0 => format!("{}/{table}.json", self.claims()),
            number => format!("{}/{number}/{table}.json", self.claims()),
        }
    }

    /// The table and the number of a claim's path; `None` for anything else.
    pub(crate) fn parse_claim<'p>(&self, path: &'p str) -> Option<(&'p str, u64)> {
        let name = path.strip_prefix(&self.claims())?.strip_prefix('/')?.strip_suffix(".json")?;
        match name.split_once('/') {
            None => Some((name, 0)),
            Some((number, table)) => {
                let number = number.parse().ok().filter(|parsed: &u64| *parsed > 0 && parsed.to_string() == number)?;
                (number <= VERSION_MAX && !table.contains('/')).then_some((table, number))
            }
        }
    }

    /// The pipeline's folder.
    pub(crate) fn home(&self) -> &str {
        &self.home
    }

    /// Proof that the store refuses to create an object twice.
    pub(crate) fn marker(&self) -> String {
        format!("{}/store.json", self.home)
    }

    /// What is created and removed to try out whether a run may write.
    pub(crate) fn trial(&self) -> String {
        format!("{}/trial.json", self.home)
    }

    /// Who runs.
    pub(crate) fn lease(&self) -> String {
        format!("{}/lease.json", self.home)
    }

    /// Folder of the commits.
    pub(crate) fn log(&self) -> String {
        format!("{}/log", self.home)
    }

    /// A commit.
    pub(crate) fn commit(&self, version: u64) -> String {
        format!("{}/log/{version:020}.json", self.home)
    }

    /// Tells that a commit is published.
    pub(crate) fn done(&self, version: u64) -> String {
        format!("{}/log/{version:020}.done", self.home)
    }

    /// Folder of the answers that an interrupted run has kept.
    pub(crate) fn answers(&self) -> String {
        format!("{}/answers", self.home)
    }

    /// Folder of the manifests.
    pub(crate) fn manifests(&self) -> String {
        format!("{}/manifest", self.home)
    }

    /// A manifest, by its file name.
    pub(crate) fn manifest(&self, name: &str) -> String {
        format!("{}/manifest/{name}", self.home)
    }

    /// Folder of the marks that are too many for a state.
    pub(crate) fn marks_folder(&self) -> String {
        format!("{}/marks", self.home)
    }

    /// A file of marks, by its name.
    pub(crate) fn marks(&self, name: &str) -> String {
        format!("{}/marks/{name}", self.home)
    }

    /// Folder of what newer commits replaced or removed.
    pub(crate) fn kept_folder(&self) -> String {
        format!("{}/kept", self.home)
    }

    /// Folder of what commit `version` replaced or removed.
    pub(crate) fn kept_by(&self, version: u64) -> String {
        format!("{}/kept/{version:020}", self.home)
    }

    /// Tells whose copies of it count.
    pub(crate) fn keeper(&self, version: u64) -> String {
        format!("{}/keeper.json", self.kept_by(version))
    }

    /// Folder of the copies that `run` made of it.
    pub(crate) fn copies(&self, version: u64, run: &str) -> String {
        format!("{}/{run}", self.kept_by(version))
    }

    /// The copy that `run` made of the data file that commit `version` replaced or removed at `path`. The partition folders are the same.
    pub(crate) fn kept(&self, version: u64, run: &str, path: &str) -> String {
        match path.strip_suffix(".parquet") {
            Some(name) => format!("{}/{name}.kept", self.copies(version, run)),
            None => format!("{}/{path}{OTHER_KEPT}", self.copies(version, run)),
        }
    }

    /// The data file of which `path` is a copy in `folder`, one of [`Layout::copies`]; `None` for anything else.
    pub(crate) fn parse_kept(folder: &str, path: &str) -> Option<String> {
        let path = path.strip_prefix(folder)?.strip_prefix('/')?;
        match path.strip_suffix(OTHER_KEPT) {
            Some(name) => Some(name.to_owned()),
            None => Some(format!("{}.parquet", path.strip_suffix(".kept")?)),
        }
    }

    /// Folder of what the shards of all runs leave.
    pub(crate) fn shards(&self) -> String {
        format!("{}/shards", self.home)
    }

    /// Folder of what the shards of a run leave for its commit.
    pub(crate) fn shards_of(&self, run: &str) -> String {
        format!("{}/shards/{run}", self.home)
    }

    /// Folder of all unfinished work.
    pub(crate) fn stagings(&self) -> String {
        format!("{}/staging", self.home)
    }

    /// Folder of a run's unfinished work.
    pub(crate) fn staging(&self, run: &str) -> String {
        format!("{}/staging/{run}", self.home)
    }

    /// Folder of all rejects.
    pub(crate) fn quarantines(&self) -> String {
        format!("{}/quarantine", self.home)
    }

    /// A file of rejects.
    pub(crate) fn quarantine(&self, table: &str, run: &str, number: usize) -> String {
        format!("{}/quarantine/{table}/{run}/rejects-{number:06}.ndjson", self.home)
    }

    /// The table and the run whose rejects a path holds, where it is one of [`Layout::quarantine`]'s.
    pub(crate) fn parse_quarantine<'p>(&self, path: &'p str) -> Option<(&'p str, &'p str)> {
        let mut parts = path.strip_prefix(&self.home)?.strip_prefix("/quarantine/")?.split('/');
        let (table, run, name) = (parts.next()?, parts.next()?, parts.next()?);
        let is_name = name.starts_with("rejects-") && name.ends_with(".ndjson") && parts.next().is_none();
        is_name.then_some((table, run))
    }

    /// Folder of the runs' reports.
    pub(crate) fn reports(&self) -> String {
        format!("{}/runs", self.home)
    }

    /// A run's report.
    pub(crate) fn report(&self, run: &str) -> String {
        format!("{}/runs/{run}.json", self.home)
    }

    /// Folder of the records of runs that did not come to hold the lake.
    pub(crate) fn refusals(&self) -> String {
        format!("{}/refused", self.home)
    }

    /// The record of such a run.
    pub(crate) fn refusal(&self, run: &str) -> String {
        format!("{}/refused/{run}.json", self.home)
    }

    /// The run whose report or record a path is; `None` for anything else.
    pub(crate) fn parse_report(path: &str) -> Option<&str> {
        path.rsplit_once('/')?.1.strip_suffix(".json")
    }

    /// The version and kind (`json`, `done`) of a path right in the log's folder; `None` for anything else.
    pub(crate) fn parse_log<'p>(&self, path: &'p str) -> Option<(u64, &'p str)> {
        let name = path.strip_prefix(&self.log())?.strip_prefix('/')?;
        let (version, kind) = name.split_once('.')?;
        let is_number = version.len() == 20 && version.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && matches!(kind, "json" | "done")).then_some((version.parse().ok()?, kind))
    }
}
