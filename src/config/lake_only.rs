//! What a config says of its lake, for commands that only look at a lake or work on it: they ask nothing of the API.
//!
//! In: the same as for a plan. Out: the pipeline's name, the lake, and of the resources what can be told without the API's part.
//! Faults of that part are left out, among them variables and files that only it uses; those of `name` and `lake` are all told.

use std::time::Duration;

use crate::config::fault::Fault;
use crate::config::tree::Document;
use crate::config::{
    ConfigErrors, Inputs, LakePlan, PartitionField, Problem, SortField, WriteDisposition, parse, raw, read, resolve,
};

/// The sections that say how the API is asked.
const API_SECTIONS: [&str; 4] = ["client", "resource_defaults", "resources", "sources"];

/// A pipeline's lake.
#[derive(Debug, Clone)]
pub(crate) struct LakeOnly {
    /// The pipeline's name.
    pub(crate) name: String,
    /// Where the tables are.
    pub(crate) lake: LakePlan,
    /// The resources, but for those whose names cannot be told.
    pub(crate) resources: Vec<Outline>,
    /// There is no other resource.
    pub(crate) has_all: bool,
    /// How long what an interrupted run was answered waits for the next one.
    pub(crate) resume: Duration,
}

impl LakeOnly {
    /// The resource that `table` comes from, as far as it can be told.
    pub(crate) fn resource_of(&self, table: &str) -> Option<&str> {
        self.resources.iter().find(|resource| resource.table == table).map(|resource| resource.name.as_str())
    }
}

/// A resource without what it asks of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Its name.
    pub(crate) name: String,
    /// Its table.
    pub(crate) table: String,
    /// `false`: read for its children, if at all.
    pub(crate) selected: bool,
    /// A run goes on from its cursor.
    pub(crate) has_cursor: bool,
    /// What it asks of the API says where that cursor is, or the order of the records tells where to end.
    pub(crate) asks_from_cursor: bool,
    /// It says where the records are.
    pub(crate) has_selector: bool,
    /// Columns of the primary key.
    pub(crate) primary_key: Vec<String>,
    /// Partition folders, outermost first.
    pub(crate) partition_by: Vec<PartitionField>,
    /// Row order within a row group.
    pub(crate) sort_by: Vec<SortField>,
    /// How its rows join the table; `None` where the config's word for it is none.
    pub(crate) write_disposition: Option<WriteDisposition>,
}

impl Outline {
    /// A key has one row of its table: an `append` keeps all rows of a key.
    pub(crate) fn keeps_one_row(&self) -> bool {
        matches!(self.write_disposition, Some(WriteDisposition::Merge | WriteDisposition::Replace))
    }

    /// Each run adds all records to the table.
    pub(crate) fn adds_all(&self) -> bool {
        self.write_disposition == Some(WriteDisposition::Append) && !self.has_cursor
    }
}

/// Reads the part of a config that is about its lake; `fill_in` is that of [`crate::config::load`].
///
/// # Errors
/// Every fault of that part; text that is not YAML; a document that becomes no config.
pub(crate) fn load_lake(
    inputs: &Inputs<'_>,
    fill_in: impl FnOnce(&mut Document, &mut Vec<Fault>) -> bool,
) -> Result<LakeOnly, ConfigErrors> {
    load_part(inputs, fill_in, |_| true)
}

/// The same for whoever only looks: what is missing of the environment, credentials of the bucket for one, is left out where the place can be told
/// without it.
///
/// # Errors
/// Those of [`load_lake`] but for that.
pub(crate) fn load_place(
    inputs: &Inputs<'_>,
    fill_in: impl FnOnce(&mut Document, &mut Vec<Fault>) -> bool,
) -> Result<LakeOnly, ConfigErrors> {
    load_part(inputs, fill_in, |fault| !matches!(fault.problem, Problem::Variable { .. } | Problem::File { .. }))
}

/// `counts` tells which faults count where the lake is known all the same.
fn load_part(
    inputs: &Inputs<'_>,
    fill_in: impl FnOnce(&mut Document, &mut Vec<Fault>) -> bool,
    counts: impl Fn(&Fault) -> bool,
) -> Result<LakeOnly, ConfigErrors> {
    let mut faults = Vec::new();
    let mut document = parse(inputs, &mut faults)?;
    let mut found = None;
    if fill_in(&mut document, &mut faults) {
        let reader = read::Reader::new(&document, faults);
        let config: Option<raw::Config> = reader.read();
        found = config.and_then(|config| resolve::lake_only(&reader, inputs, &config));
        faults = reader.into_faults();
    }
    faults.retain(|fault| !is_of_api(fault) && (found.is_none() || counts(fault)));
    match found {
        Some(found) if faults.is_empty() => Ok(found),
        _ => Err(ConfigErrors::new(inputs.file, faults)),
    }
}

/// Whether a fault lies in the API's part; a profile has sections of its own.
fn is_of_api(fault: &Fault) -> bool {
    let section = |path: &str| path.split(['.', '[']).next().is_some_and(|section| API_SECTIONS.contains(&section));
    let of_profile = fault.path.strip_prefix("profiles").is_some_and(|rest| rest.contains(".sources"));
    section(&fault.path) || of_profile
}
