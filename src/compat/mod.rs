//! Compat: what is no config of lakeward's becomes one, and a config's text is changed.
//!
//! In: dltHub's project file, dlt's pipeline scripts, the text of a config. Out: a plan, as [`crate::config`] makes it of what the file
//! says; the text of a config. Not here: what a key means, which is the same wherever it stands; files and the environment (`cli` hands in how).

mod asked;
mod described;
mod draft;
mod edit;
mod import;
mod project;

pub(crate) use asked::{Asked, AskedFault, Body, Credentials, Export, ExportConfig, Given, SortBy, export_config, from_curl};
pub(crate) use described::{
    BYTES_MAX as DESCRIBED_BYTES_MAX, Described, DescribedFault, Wishes, from_har, from_openapi, from_postman,
};
pub(crate) use draft::{About, Draft};
pub(crate) use edit::{Keep, changed_lines, keep_detected};
pub(crate) use import::{ImportError, import};
pub(crate) use project::Choice;

use crate::compat::project::Wanted;
use crate::config::{self, ConfigErrors, Inputs, LakeOnly, Plan};

/// Reads, checks and settles a config: a lakeward config, or the pipeline that `choice` names in dltHub's project file.
///
/// # Errors
/// Every fault found in it. Only broken YAML, or a project's pipeline that cannot be told, ends the search early.
pub(crate) fn load(inputs: &Inputs<'_>, choice: Choice<'_>) -> Result<Plan, ConfigErrors> {
    config::load(inputs, |document, faults| project::settle(document, inputs, choice, Wanted::Run, faults))
}

/// Reads the part of such a file that says where its lake is, for whoever only looks at it.
///
/// # Errors
/// Those of [`load_lake`], but for what is missing of the environment and of other files.
pub(crate) fn load_place(inputs: &Inputs<'_>, choice: Choice<'_>) -> Result<LakeOnly, ConfigErrors> {
    config::load_place(inputs, |document, faults| project::settle(document, inputs, choice, Wanted::Lake, faults))
}

/// Reads the part of such a file that is about its lake.
///
/// # Errors
/// Every fault of that part; text that is not YAML; a project's pipeline that cannot be told.
pub(crate) fn load_lake(inputs: &Inputs<'_>, choice: Choice<'_>) -> Result<LakeOnly, ConfigErrors> {
    config::load_lake(inputs, |document, faults| project::settle(document, inputs, choice, Wanted::Lake, faults))
}
