//! Stream: a page too large for memory, read from its file in two passes.
//!
//! In: a page whose body is in a file. Out: first a [`Survey`], once all of the body has been checked: the page's facts and where its records
//! are, in slices; then a [`DecodedPage`] a slice. Invariants: a survey is made of all the body or not at all; `facts.records` is the sum over the
//! slices; a slice becomes the same rows and rejects as if its records stood in a page in memory.
//! What cannot be read piece by piece is read into memory as far as the source allows ([`crate::source::SpooledBody::whole_max`]), and
//! refused beyond. Memory: a window, a slice and a record, the skeleton; none grows with the page, but for 64 bytes a slice and what the
//! paginator keeps of each record.

mod check;
mod splitter;
mod survey;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(in crate::decode) use survey::StreamBounds;
pub(crate) use survey::{RecordSlice, Survey};

use crate::decode::error::{DecodeError, PagePlace};
use crate::decode::format;
use crate::decode::stream::survey::Trouble;
use crate::decode::{DecodedPage, Decoder, Reject};
use crate::schema::TableSchema;
use crate::source::{Page, SpooledBody};

impl Decoder {
    /// Makes `page` ready: `None` when it is to be decoded as a whole, its body in memory.
    ///
    /// # Errors
    /// [`DecodeError`] if the body is not as it has to be, or is too large for what it is.
    pub(crate) fn open(&self, page: &mut Page) -> Result<Option<Survey>, DecodeError> {
        let Some(spooled) = page.spooled.clone() else { return Ok(None) };
        let why = match self.survey(page, &spooled) {
            Ok(survey) => return Ok(Some(survey)),
            Err(Trouble::Page(error)) => return Err(*error),
            Err(Trouble::NotInPieces(why)) => why,
        };
        let place = PagePlace::of(page);
        match spooled.whole() {
            Ok(Some(body)) => {
                (page.body, page.spooled) = (body, None);
                Ok(None)
            }
            Ok(None) => Err(DecodeError::NotInPieces { place, bytes: spooled.bytes(), limit: spooled.whole_max(), why }),
            Err(source) => Err(DecodeError::Spool { place, source }),
        }
    }

    /// Decodes a page of which the first rows are enough: all of it, or the first slice of a page in a file.
    ///
    /// # Errors
    /// [`DecodeError`], for all of the page.
    pub(crate) fn decode_first(&self, page: &mut Page, so_far: &Arc<TableSchema>) -> Result<DecodedPage, DecodeError> {
        match self.open(page)? {
            Some(Survey { facts, slices }) => match slices.first() {
                Some(slice) => Ok(DecodedPage { facts, ..self.decode_slice(page, slice, so_far)? }),
                None => Err(DecodeError::Empty { place: PagePlace::of(page) }),
            },
            None => self.decode(page, so_far),
        }
    }

    /// Decodes one slice of a page that is in a file, as [`Decoder::decode`] does a page. Rejects have their place in the page.
    ///
    /// # Errors
    /// [`DecodeError`] if its records cannot become rows.
    pub(crate) fn decode_slice(
        &self,
        page: &Page,
        slice: &RecordSlice,
        so_far: &Arc<TableSchema>,
    ) -> Result<DecodedPage, DecodeError> {
        let place = PagePlace::of(page);
        let body = page.spooled.as_deref().ok_or_else(|| DecodeError::Empty { place: place.clone() })?;
        let text = slice_text(body, slice, &place)?;
        let formatted = if let Some(framing) = slice.framing {
            format::lines(&text, framing, page.number, (slice.start, slice.lines_before))
                .map_err(|unreadable| format::unreadable_error(unreadable, place.clone()).within(slice.start))?
        } else {
            format::records(&text)
        };
        let decoded = self.decode_formatted(formatted, true, page, so_far);
        let mut decoded = decoded.map_err(|error| error.within(slice.start))?;
        decoded.replaced_characters += slice.replaced_around;
        for Reject { record, .. } in &mut decoded.rejects {
            *record += slice.first_record;
        }
        Ok(decoded)
    }
}

fn slice_text(body: &SpooledBody, slice: &RecordSlice, place: &PagePlace) -> Result<String, DecodeError> {
    let spool = |source| DecodeError::Spool { place: place.clone(), source };
    let bytes = body.read(slice.start, slice.bytes).map_err(spool)?;
    String::from_utf8(bytes).map_err(|error| {
        let source = error.utf8_error();
        DecodeError::NotUtf8 { place: place.clone(), offset: source.valid_up_to(), source }.within(slice.start)
    })
}
