//! `hooks`: what a run starts when it is over.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::raw::Field;

/// Commands that a run starts when it is over: the program and its arguments, without a shell. The summary is on their stdin, and `LAKEWARD_STATUS`,
/// `LAKEWARD_EXIT_CODE`, `LAKEWARD_PIPELINE` and `LAKEWARD_RUN_ID` in their environment. Each has a minute; whatever becomes of it, the run's exit code
/// stays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hooks {
    /// After a run whose exit code is 0, such as `[curl, -fsS, "https://hc.example.com/${CHECK}"]`. Default: none.
    #[schemars(length(min = 1))]
    pub(crate) on_success: Field<Vec<Field<String>>>,
    /// After a run with any other exit code, also one that did not begin because the lake was in use or out of reach, such as
    /// `[./tell-us.sh, nightly]`. Default: none.
    #[schemars(length(min = 1))]
    pub(crate) on_failure: Field<Vec<Field<String>>>,
}
