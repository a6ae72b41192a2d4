//! Hooks: what is done to each record between the body and the columns.

use std::fmt;

use crate::base::PathExhausted;
use crate::base::Warning;
use crate::decode::{DecodedPage, Json};
use crate::source::Page;

/// One stage of the chain that every record passes: a filter, a change, a look at a value. Shared by pages that are decoded at the same time.
pub(crate) trait RecordHook: fmt::Debug + Send + Sync {
    /// Begins a page; what is found in it is kept apart from that of other pages until the page is accepted.
    fn begin<'h>(&'h self, page: &'h Page) -> Box<dyn PageHook + 'h>;

    /// What a person should know once all pages are in.
    fn notices(&self) -> Vec<Warning> {
        Vec::new()
    }
}

/// A [`RecordHook`] at work on one page.
///
/// Contract: `record` sees the page's objects in order (what is no object becomes a reject without it), each once, as the hook before it left
/// them; a record that it lets pass may still turn out not to fit its columns. `end` comes once, after the last record, and only if the page
/// could be decoded.
pub(crate) trait PageHook {
    /// Puts what becomes of `record` into `out`: nothing (it is filtered out), the record, or several rows made of it.
    ///
    /// # Errors
    /// [`RecordFault`] when the record cannot be handled: it becomes a reject, with all that was made of it.
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault>;

    /// Hands over what was found in the page.
    fn end(self: Box<Self>, _decoded: &mut DecodedPage) {}
}

impl RecordFault {
    /// A path of the config passes its budget in `record`.
    pub(crate) fn exhausted(error: &PathExhausted, record: Json) -> Self {
        Self {
            path: error.path.clone(),
            expected: "a path that leads to no more values than the record has".to_owned(),
            actual: format!("one that leads to many times its {} values", error.values),
            record: Box::new(record),
            is_whole: false,
        }
    }
}

/// Why a hook cannot handle a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordFault {
    /// Where in the record, as `$.amount`.
    pub(crate) path: String,
    /// What was expected there.
    pub(crate) expected: String,
    /// What was found: its kind, never its value.
    pub(crate) actual: String,
    /// The record as the quarantine may keep it: what is to be masked is masked.
    pub(crate) record: Box<Json>,
    /// Whether that is the record as the steps were given it.
    pub(crate) is_whole: bool,
}
