//! One request: declared, or because nothing was declared.

use crate::source::paginate::link::more_pages;
use crate::source::paginate::{Paginator, Seen, Step};
use crate::source::{EndReason, SourceError};

/// `single_page`: the config says so.
pub(super) struct SinglePage;

impl Paginator for SinglePage {
    fn step(&mut self, _page: &Seen<'_>) -> Result<Step, SourceError> {
        Ok(Step::End(EndReason::SinglePage))
    }
}

/// No paginator in the config: one page, unless the answer looks like the first of several.
pub(super) struct Undeclared;

impl Paginator for Undeclared {
    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        more_pages(
            page,
            "if that is all there is, paginator: {type: single_page}; else the API's own way, as paginator: {type: offset, limit: 100}",
        )?;
        Ok(Step::End(EndReason::SinglePage))
    }
}
