//! `single_page`: one request, because the config says so.

use crate::source::paginate::{Paginator, Seen, Step, link};
use crate::source::{EndReason, SourceError};

/// `single_page`.
pub(super) struct SinglePage {
    /// Whether the config has it that what the API tells of more counts for nothing.
    pub(super) is_all: bool,
}

impl Paginator for SinglePage {
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        link::part_of_all(page)?;
        if !self.is_all {
            link::only_page(page)?;
        }
        Ok(Step::End(EndReason::SinglePage))
    }
}
