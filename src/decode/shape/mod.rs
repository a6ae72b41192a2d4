//! Shape: what stands between a body and the columns when a page is more than plain JSON with its records at one simple path.
//!
//! In: a page's text and a [`ShapePlan`]. Out: the records that are to become rows as one JSON array, each with its place in the
//! page. Invariants: `records + exploded == kept + rejects + filtered`; numbers keep their tokens; what the paginator learns comes from the
//! page as it came, before any hook. A resource whose plan has no shape never gets here: its bytes become columns without a tree.
//! Not here: columns and their types.

mod hook;
mod parents;
mod select;
mod shaper;

pub(crate) use hook::{PageHook, RecordFault, RecordHook};
pub(crate) use parents::{ForChildren, IncludeFromParent};
pub(in crate::decode) use select::{Selected, Unfound, select};
pub(in crate::decode) use shaper::Shaper;

use std::sync::Arc;

use crate::config::RecordsPlan;

/// What has to be done to the pages of a resource before they are columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShapePlan {
    /// How records are found, where there is more to say than one path.
    pub(crate) records: Option<RecordsPlan>,
    /// What is done to each record, in this order.
    pub(crate) hooks: Vec<Arc<dyn RecordHook>>,
    /// The marks of the steps among them.
    pub(crate) steps: Arc<[String]>,
    /// Whether what a hook cannot handle has passed nothing by then, so that the steps can begin with it again.
    pub(crate) begins_with_steps: bool,
}
