//! The check of a slice: its records are JSON, each small enough, with a comma between them.

use crate::decode::fault::{Fault, Outcome};
use crate::decode::reader::Reader;

/// Reads the values of `text`, elements of a list that is `depth` deep, each of at most `record_bytes`, and gives their number and each one's text
/// to `each`.
///
/// # Errors
/// The first fault, its place counted from the start of `text`.
pub(super) fn check_records(text: &str, depth: u32, record_bytes: usize, each: &mut impl FnMut(&str)) -> Outcome<u64> {
    let mut reader = Reader::new(text);
    reader.depth = depth;
    reader.skip_space();
    let mut records = 0;
    loop {
        let start = reader.pos;
        reader.skip_value()?;
        if reader.pos - start > record_bytes {
            return Err(Fault::RecordTooLarge { at: start }.into());
        }
        each(reader.slice(start, reader.pos));
        records += 1;
        reader.skip_space();
        if reader.rest().is_empty() {
            return Ok(records);
        }
        if reader.peek() != b',' {
            return reader.expected("`,` or `]`");
        }
        reader.pos += 1;
        reader.skip_space();
    }
}
