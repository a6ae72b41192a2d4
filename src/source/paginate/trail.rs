//! What was seen before, so that going in circles is noticed.

use std::collections::HashMap;

use crate::source::SourceError;
use crate::source::error::{PagingFault, Repeated};
use crate::source::paginate::Seen;

/// Entries of one generation. Two generations are kept, so that every circle of up to this many pages is found in
/// bounded memory.
const GENERATION: usize = 1 << 18;

/// Hashes of what was seen, with the page that had it.
#[derive(Debug)]
pub(in crate::source) struct Trail {
    what: Repeated,
    young: HashMap<u128, u64>,
    old: HashMap<u128, u64>,
}

impl Trail {
    /// A trail of nothing yet.
    pub(in crate::source) fn new(what: Repeated) -> Self {
        Self { what, young: HashMap::new(), old: HashMap::new() }
    }

    /// Notes text of `page`.
    ///
    /// # Errors
    /// [`PagingFault::Repeats`] when an earlier page had it.
    pub(in crate::source) fn note_text(&mut self, page: &Seen<'_>, text: &str) -> Result<(), SourceError> {
        self.note(page, xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
    }

    /// Notes a hash of `page`.
    ///
    /// # Errors
    /// [`PagingFault::Repeats`] when an earlier page had it.
    pub(in crate::source) fn note(&mut self, page: &Seen<'_>, hash: u128) -> Result<(), SourceError> {
        if let Some(&earlier) = self.young.get(&hash).or_else(|| self.old.get(&hash)) {
            return Err(SourceError::from(PagingFault::Repeats { place: page.at(), what: self.what, earlier }));
        }
        self.keep(page, hash);
        Ok(())
    }

    /// Whether a page had this hash.
    pub(in crate::source) fn knows(&self, hash: u128) -> bool {
        self.young.contains_key(&hash) || self.old.contains_key(&hash)
    }

    /// Notes text of `page` that may have been noted before, since the page is read again.
    pub(in crate::source) fn keep_text(&mut self, page: &Seen<'_>, text: &str) {
        self.keep(page, xxhash_rust::xxh3::xxh3_128(text.as_bytes()));
    }

    fn keep(&mut self, page: &Seen<'_>, hash: u128) {
        if self.young.len() == GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, page.page);
    }
}
