//! The cursor filter as a hook: the last one, so that it sees records as the others leave them.

use std::sync::Arc;

use chrono::Duration;

use crate::config::IncrementalPlan;
use crate::decode::cursor::{CursorFilter, Held, PageFilter};
use crate::decode::shape::{PageHook, RecordFault, RecordHook};
use crate::decode::{DecodedPage, Json};
use crate::source::Page;

/// Dates of answers have whole seconds, and answers overtake each other.
const MARGIN: Duration = Duration::seconds(2);

/// Filters the records of an incremental resource by the range that their page was requested for.
#[derive(Debug)]
pub(crate) struct CursorHook {
    /// The resource's plan.
    pub(crate) plan: Arc<IncrementalPlan>,
    /// What declared columns make of texts.
    pub(crate) held: Arc<Held>,
}

impl RecordHook for CursorHook {
    fn begin<'h>(&'h self, page: &'h Page) -> Box<dyn PageHook + 'h> {
        let filter = page.slice.cursor.as_ref().map(|cursor| CursorFilter {
            plan: Arc::clone(&self.plan),
            held: Arc::clone(&self.held),
            range: cursor.range.clone(),
            kind: cursor.kind,
            known: Arc::clone(&cursor.known),
            is_known_by_spelling: cursor.is_known_by_spelling,
            asked: page.server_time.unwrap_or(cursor.asked) - MARGIN,
        });
        Box::new(Work { filter: filter.map(PageFilter::new) })
    }
}

struct Work {
    filter: Option<PageFilter>,
}

impl PageHook for Work {
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        if self.filter.as_mut().is_none_or(|filter| filter.keeps(&record)) {
            out.push(record);
        }
        Ok(())
    }

    fn end(self: Box<Self>, decoded: &mut DecodedPage) {
        decoded.cursors = self.filter.map(|filter| Box::new(filter.finish()));
    }
}
