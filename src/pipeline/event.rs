//! What a run tells while it goes on.

use std::sync::Arc;

use crate::base::{JsonPath, Warning};
use crate::source::{Left, SourceEvent};

/// Takes events; called from any task, so it must not block for long.
pub(crate) type Events = Arc<dyn Fn(Event) + Send + Sync>;

/// Tells warnings about `resource`.
pub(crate) fn warn(events: &Events, resource: &str, warnings: impl IntoIterator<Item = Warning>) {
    for warning in warnings {
        events(Event::Warning { resource: Some(Arc::from(resource)), warning });
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// So many resources are going to be read.
    Planned {
        /// How many.
        resources: usize,
    },
    /// A resource began.
    Started {
        /// Its name.
        resource: Arc<str>,
    },
    /// It goes on with what an interrupted run has left.
    Resumed {
        /// The resource.
        resource: Arc<str>,
        /// What that is.
        left: Left,
    },
    /// A page was decoded and counts.
    Page {
        /// The resource.
        resource: Arc<str>,
        /// Records in the page.
        records: u64,
        /// Body bytes, decompressed.
        bytes: u64,
    },
    /// The first page showed where the records are.
    Detected {
        /// The resource.
        resource: Arc<str>,
        /// Where they are.
        data_selector: JsonPath,
    },
    /// Something the source has to say: a wait, a retry, a warning.
    Source(SourceEvent),
    /// All pages are in; files are being finished.
    Finishing {
        /// The resource.
        resource: Arc<str>,
    },
    /// A resource is ready to publish, or failed.
    Ended {
        /// The resource.
        resource: Arc<str>,
        /// Why it failed, in one line.
        failure: Option<String>,
    },
    /// The commit began: from here on the run goes forward only.
    Committing {
        /// Tables in it.
        tables: usize,
        /// Files put or deleted.
        files: usize,
    },
    /// Something that a person should know and that stops nothing.
    Warning {
        /// The resource, if it is about one.
        resource: Option<Arc<str>>,
        /// What.
        warning: Warning,
    },
}
