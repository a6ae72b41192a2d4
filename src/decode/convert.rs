//! Widening in place: what a column's values are under a wider type, and any value of a builder as JSON text.
//!
//! Invariants: the texts of scalars are those the API sent, whatever types the column had in between; JSON text has the members that came, in
//! their order.

use crate::decode::column::{ColumnBuilder, Decimals, Floats, Texts, Values, exception};
use crate::decode::layout::Layout;
use crate::decode::number::write_decimal;
use crate::decode::spelling::NumberSpelling;
use crate::decode::structs::FieldBuilder;
use crate::decode::{Spelling, write_date, write_float, write_time};
use crate::schema::Digits;

/// A column of numbers or booleans with more values than this that turns into text keeps its strings as exceptions, not its numbers.
const BARE_MIN: usize = 16;

impl ColumnBuilder {
    /// Integers of at most 53 bits become floats.
    pub(super) fn become_float(&mut self) {
        if let Values::Int64 { values, .. } = &self.values {
            let values = values.iter().map(|&int| int as f64).collect();
            let (digits, spelling) = (Digits::of_integers(false), self.integers_spelling());
            self.values = Values::Float64(Floats { values, digits, spelling, exceptions: Vec::new() });
        }
    }

    /// Integers and floats become decimals; floats that have too many digits for one, texts.
    pub(super) fn become_decimal(&mut self) {
        let decimals = match &self.values {
            Values::Int64 { values, wide } => Digits::of_integers(*wide).decimal().map(|(precision, scale)| Decimals {
                values: values.iter().map(|&int| i128::from(int)).collect(),
                spelling: self.integers_spelling(),
                ..Decimals::new(precision, scale)
            }),
            Values::Float64(floats) => Decimals::of_floats(floats),
            _ => return,
        };
        match decimals {
            Some(decimals) => self.values = Values::Decimal(decimals),
            None => self.become_text(),
        }
    }

    fn integers_spelling(&self) -> NumberSpelling {
        if self.has_values() { NumberSpelling::of_integers() } else { NumberSpelling::default() }
    }

    /// Scalars become the texts they were.
    pub(super) fn become_text(&mut self) {
        let mut texts = Texts::empty(0);
        let strings = matches!(self.values, Values::Timestamp(_) | Values::Date(_));
        texts.bare = !strings && self.valid_slots().take(BARE_MIN).count() == BARE_MIN;
        let mut text = String::new();
        for slot in 0..self.len {
            text.clear();
            if self.is_valid(slot) {
                write_scalar(&self.values, slot, &mut text);
                if !strings && !texts.bare {
                    texts.exceptions.push((slot as u32, text.as_str().into()));
                }
            }
            texts.push(&text);
        }
        self.values = Values::Text(texts);
    }

    /// Values become JSON texts.
    pub(super) fn become_json(&mut self) {
        let mut texts = Texts::empty(0);
        for slot in 0..self.len {
            if self.is_valid(slot) {
                write_json(self, slot, &mut texts.bytes);
            }
            texts.end();
        }
        self.values = Values::Json(texts);
    }
}

/// Appends the token of a scalar, or the text of a string that became a time or date.
fn write_scalar(values: &Values, slot: usize, out: &mut String) {
    use std::fmt::Write;
    // Writing to a `String` cannot fail.
    let _ = match values {
        Values::Boolean(bits) => write!(out, "{}", bits.get(slot)),
        Values::Int64 { values, .. } => write!(out, "{}", values.get(slot).copied().unwrap_or_default()),
        Values::Decimal(decimals) => {
            let unscaled = decimals.values.get(slot).copied().unwrap_or_default();
            match exception(&decimals.exceptions, slot) {
                Some(token) => out.push_str(token),
                None => write_decimal(out, unscaled, decimals.scale, Some(decimals.spelling.spelling(Spelling::PlainNumber))),
            }
            Ok(())
        }
        Values::Float64(floats) => {
            match exception(&floats.exceptions, slot) {
                Some(token) => out.push_str(token),
                None => {
                    let value = floats.values.get(slot).copied().unwrap_or_default();
                    write_float(out, value, Some(floats.spelling.spelling(Spelling::ShortestNumber)));
                }
            }
            Ok(())
        }
        Values::Timestamp(times) => {
            match exception(&times.exceptions, slot) {
                Some(text) => out.push_str(text),
                None => write_time(out, times.values.get(slot).copied().unwrap_or_default(), times.spelling),
            }
            Ok(())
        }
        Values::Date(values) => {
            write_date(out, values.get(slot).copied().unwrap_or_default());
            Ok(())
        }
        Values::Text(texts) => {
            out.push_str(texts.get(slot));
            Ok(())
        }
        Values::Unknown | Values::Json(_) | Values::Struct(_) | Values::List(_) => Ok(()),
    };
}

/// Appends the value in `slot` as JSON text.
pub(super) fn write_json(column: &ColumnBuilder, slot: usize, out: &mut Vec<u8>) {
    if !column.is_valid(slot) {
        out.extend_from_slice(b"null");
        return;
    }
    match &column.values {
        Values::Text(texts) => match exception(&texts.exceptions, slot) {
            Some(json) => out.extend_from_slice(json.as_bytes()),
            None if texts.bare => out.extend_from_slice(texts.get(slot).as_bytes()),
            None => write_quoted(texts.get(slot), out),
        },
        Values::Json(texts) => out.extend_from_slice(texts.get(slot).as_bytes()),
        Values::Struct(fields) => {
            let is_valid = |field: &&FieldBuilder| field.column.is_valid(slot);
            match fields.layouts.get(slot) {
                Layout::Valued => write_members(fields.fields.iter().filter(is_valid), slot, out),
                Layout::First(count) => write_members(fields.fields.iter().take(count), slot, out),
                Layout::Listed(places) => {
                    write_members(places.iter().filter_map(|place| fields.fields.get(usize::from(*place))), slot, out);
                }
            }
        }
        Values::List(list) => {
            out.push(b'[');
            for (at, item) in list.range(slot).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_json(&list.items, item, out);
            }
            out.push(b']');
        }
        values => {
            let mut text = String::new();
            write_scalar(values, slot, &mut text);
            if matches!(values, Values::Timestamp(_) | Values::Date(_)) {
                write_quoted(&text, out);
            } else {
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}

/// Appends the object that has these members in `slot`.
fn write_members<'f>(members: impl Iterator<Item = &'f FieldBuilder>, slot: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, field) in members.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_quoted(&field.name, out);
        out.push(b':');
        write_json(&field.column, slot, out);
    }
    out.push(b'}');
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_quoted(text, &mut out);
    out
}

/// Appends `text` as a JSON string: `"`, `\` and control characters escaped, the short way where there is one.
pub(super) fn write_quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else {
            break;
        };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            8 => out.extend_from_slice(b"\\b"),
            12 => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
