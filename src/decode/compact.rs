//! JSON text as a JSON column keeps it: the API's own text of the value, compact.
//!
//! Members in their order, null ones too, numbers as they came, no space between tokens, and strings with the fewest escapes, so that it
//! does not matter by which way a record came here. Of equal names the last counts.

use hashbrown::HashMap;

use crate::decode::convert::write_quoted;
use crate::decode::fault::Outcome;
use crate::decode::reader::{Reader, StringToken};

/// Appends the next value to `out`; counts the members whose name comes again in `duplicates`.
pub(super) fn copy_compact(reader: &mut Reader<'_>, out: &mut Vec<u8>, duplicates: &mut u64) -> Outcome<()> {
    match reader.peek() {
        b'{' => copy_object(reader, out, duplicates),
        b'[' => copy_array(reader, out, duplicates),
        b'"' => {
            let token = reader.string()?;
            copy_string(reader, token, out);
            Ok(())
        }
        _ => {
            let start = reader.pos;
            reader.skip_value()?;
            out.extend_from_slice(reader.slice(start, reader.pos).as_bytes());
            Ok(())
        }
    }
}

fn copy_string(reader: &Reader<'_>, token: StringToken, out: &mut Vec<u8>) {
    if token.escaped {
        write_quoted(reader.resolve(token, &mut Vec::new()), out);
    } else {
        out.push(b'"');
        out.extend_from_slice(reader.slice(token.start, token.end).as_bytes());
        out.push(b'"');
    }
}

fn copy_array(reader: &mut Reader<'_>, out: &mut Vec<u8>, duplicates: &mut u64) -> Outcome<()> {
    out.push(b'[');
    reader.enter()?;
    if reader.peek() == b']' {
        reader.leave();
    } else {
        loop {
            copy_compact(reader, out, duplicates)?;
            if !reader.more(b']')? {
                break;
            }
            out.push(b',');
        }
    }
    out.push(b']');
    Ok(())
}

fn copy_object(reader: &mut Reader<'_>, out: &mut Vec<u8>, duplicates: &mut u64) -> Outcome<()> {
    out.push(b'{');
    let start = out.len();
    let mut members = Members::default();
    reader.enter()?;
    if reader.peek() == b'}' {
        reader.leave();
    } else {
        loop {
            if out.len() > start {
                out.push(b',');
            }
            let key_at = out.len();
            let key = reader.key()?;
            copy_string(reader, key, out);
            let key_to = out.len();
            out.push(b':');
            copy_compact(reader, out, duplicates)?;
            *duplicates += u64::from(members.note(out, (key_at, key_to)));
            if !reader.more(b'}')? {
                break;
            }
        }
    }
    members.settle(out, start);
    out.push(b'}');
    Ok(())
}

/// The members of an object in the output, to find names that come again.
#[derive(Default)]
struct Members {
    spans: Vec<Span>,
    by_name: HashMap<Box<[u8]>, usize>,
    /// Whether members have to go.
    unsettled: bool,
}

/// A member's ranges in the output.
struct Span {
    key: (usize, usize),
    to: usize,
    stays: bool,
}

/// Up to this many members, names are compared one by one.
const LINEAR_MAX: usize = 16;

impl Members {
    /// Notes the member just written; `true` if its name was there before.
    fn note(&mut self, out: &[u8], key: (usize, usize)) -> bool {
        let name = |key: (usize, usize)| out.get(key.0..key.1).unwrap_or_default();
        let place = self.spans.len();
        let earlier = if place < LINEAR_MAX {
            self.spans.iter().rposition(|span| name(span.key) == name(key))
        } else {
            if self.by_name.is_empty() {
                self.by_name = self.spans.iter().enumerate().map(|(at, span)| (name(span.key).into(), at)).collect();
            }
            self.by_name.insert(name(key).into(), place)
        };
        if let Some(span) = earlier.and_then(|at| self.spans.get_mut(at)) {
            span.stays = false;
        }
        self.unsettled |= earlier.is_some();
        self.spans.push(Span { key, to: out.len(), stays: true });
        earlier.is_some()
    }

    /// Takes superseded members out of the object that starts at `start`.
    fn settle(&mut self, out: &mut Vec<u8>, start: usize) {
        if !self.unsettled {
            return;
        }
        let members = out.split_off(start);
        for span in self.spans.iter().filter(|span| span.stays) {
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(members.get(span.key.0 - start..span.to - start).unwrap_or_default());
        }
    }
}
