//! `single_page`: one request, because the config says so.

use crate::source::paginate::{Paginator, Seen, Step, link};
use crate::source::{EndReason, SourceError};

/// `single_page`.
pub(super) struct SinglePage;

impl Paginator for SinglePage {
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        link::part_of_all(page)?;
        Ok(Step::End(EndReason::SinglePage))
    }
}
