//! `single_page`: one request, because the config says so.

use crate::source::paginate::{Paginator, Seen, Step};
use crate::source::{EndReason, SourceError};

/// `single_page`.
pub(super) struct SinglePage;

impl Paginator for SinglePage {
    fn step(&mut self, _page: &Seen<'_>) -> Result<Step, SourceError> {
        Ok(Step::End(EndReason::SinglePage))
    }
}
