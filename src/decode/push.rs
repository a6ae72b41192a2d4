//! Pushing a scalar into a column that may have to widen for it, per the lattice of [`crate::schema::ColumnType`].
//!
//! Every function appends one slot, or says that a declared type does not take the value and leaves the column as it was.

use crate::decode::column::{Bits, ColumnBuilder, Decimals, Floats, Texts, Times, Values};
use crate::decode::convert::write_quoted;
use crate::decode::temporal::{parse_date, parse_timestamp};
use crate::decode::token::{Class, Number, exact};
use crate::schema::Digits;

/// The value does not fit the column's type.
#[derive(Debug)]
pub(super) struct Unfit;

/// Appends a JSON string's text; the answer says whether it is a number that was rounded.
pub(super) fn push_text(column: &mut ColumnBuilder, text: &str) -> Result<bool, Unfit> {
    if column.empty_as_null && text.trim().is_empty() {
        column.push_null();
        return Ok(false);
    }
    loop {
        let slot = column.len;
        match &mut column.values {
            Values::Unknown => column.values = first_of_text(text, slot),
            Values::Text(texts) => {
                if texts.bare {
                    let mut quoted = Vec::with_capacity(text.len() + 2);
                    write_quoted(text, &mut quoted);
                    texts.exceptions.push((slot as u32, String::from_utf8_lossy(&quoted).into()));
                }
                texts.push(text);
                break;
            }
            Values::Json(texts) => {
                write_quoted(text, &mut texts.bytes);
                texts.end();
                break;
            }
            Values::Timestamp(times) => {
                if times.push(text) {
                    break;
                }
                widen_for_scalar(column)?;
            }
            Values::Date(values) if let Some(days) = parse_date(text) => {
                values.push(days);
                break;
            }
            _ if column.accept_text => return push_declared_text(column, text),
            _ => widen_for_scalar(column)?,
        }
    }
    column.count_valid();
    Ok(false)
}

/// Appends the number or boolean that `text` is, to a column that is declared to take it so.
fn push_declared_text(column: &mut ColumnBuilder, text: &str) -> Result<bool, Unfit> {
    match (&column.values, text) {
        (Values::Boolean(_), "true" | "false") => push_boolean(column, text == "true").map(|()| false),
        (Values::Int64 { .. } | Values::Float64(_) | Values::Decimal(_), _) => {
            push_number(column, &Number::whole(text).ok_or(Unfit)?, false)
        }
        _ => Err(Unfit),
    }
}

/// The type of a column whose first value is `text`, after `len` nulls.
fn first_of_text(text: &str, len: usize) -> Values {
    let mut values = if parse_timestamp(text).is_some() {
        Values::Timestamp(Times::default())
    } else if parse_date(text).is_some() {
        Values::Date(Vec::new())
    } else {
        return Values::Text(Texts::empty(len));
    };
    values.push_defaults(len);
    values
}

/// Appends a boolean.
pub(super) fn push_boolean(column: &mut ColumnBuilder, value: bool) -> Result<(), Unfit> {
    loop {
        match &mut column.values {
            Values::Boolean(bits) => {
                bits.push(value);
                break;
            }
            Values::Unknown => column.values = Values::Boolean(Bits::zeros(column.len)),
            Values::Text(texts) => {
                push_bare(texts, if value { "true" } else { "false" });
                break;
            }
            Values::Json(texts) => {
                texts.push(if value { "true" } else { "false" });
                break;
            }
            _ => widen_for_scalar(column)?,
        }
    }
    column.count_valid();
    Ok(())
}

/// Appends a number; with `round`, and where a float is declared, one that no float holds as it is written as the nearest float, which the
/// answer then says. Where values tell rows apart, none is rounded: two of them would be one.
pub(super) fn push_number(column: &mut ColumnBuilder, number: &Number<'_>, round: bool) -> Result<bool, Unfit> {
    let class = number.class();
    let round = round && !column.exact;
    loop {
        if column.declared {
            return push_declared_number(column, number, class);
        }
        match (&mut column.values, class) {
            (Values::Float64(floats), Class::Float) => match (number.exact_float(), number.float()) {
                (Some(value), _) => {
                    floats.push(number, value);
                    break;
                }
                (None, Some(value)) if round => {
                    floats.push_rounded(number, value);
                    column.count_valid();
                    return Ok(true);
                }
                _ => column.become_decimal(),
            },
            (Values::Float64(floats), Class::Int(int)) if exact(int) => {
                floats.digits = floats.digits.max(Digits::of_integers(false));
                floats.push(number, int as f64);
                break;
            }
            (Values::Unknown, _) => column.values = first_of_number(number, class, round, column.len),
            (Values::Int64 { values, wide }, Class::Int(int)) => {
                values.push(int);
                *wide |= !exact(int);
                break;
            }
            (Values::Int64 { wide: false, .. }, Class::Float) if is_float(number, round) => column.become_float(),
            (Values::Int64 { .. } | Values::Float64(_), _) => column.become_decimal(),
            (Values::Decimal(decimals), class) => {
                if decimals.push(number, digits_of(number, class)) {
                    break;
                }
                column.become_text();
            }
            (Values::Text(texts), _) => {
                push_bare(texts, number.text);
                break;
            }
            (Values::Json(texts), _) => {
                texts.push(number.text);
                break;
            }
            _ => widen_for_scalar(column)?,
        }
    }
    column.count_valid();
    Ok(false)
}

/// Whether the number makes a column one of floats.
fn is_float(number: &Number<'_>, round: bool) -> bool {
    number.exact_float().is_some() || (round && number.float().is_some())
}

/// Appends a number to a column of a declared type; the answer says whether it was rounded.
fn push_declared_number(column: &mut ColumnBuilder, number: &Number<'_>, class: Class) -> Result<bool, Unfit> {
    let mut is_rounded = false;
    match (&mut column.values, class) {
        (Values::Int64 { values, .. }, Class::Int(int)) => values.push(int),
        (Values::Decimal(Decimals { values, precision, scale, .. }), _) => {
            values.push(number.decimal(*precision, *scale).ok_or(Unfit)?);
        }
        (Values::Float64(floats), _) => {
            let value = number.float().filter(|value| class == Class::Float || is_integer(number, *value)).ok_or(Unfit)?;
            is_rounded = class == Class::Float && number.exact_float().is_none();
            if is_rounded && column.exact {
                return Err(Unfit);
            }
            floats.values.push(value);
        }
        (Values::Text(texts), _) => push_bare(texts, number.text),
        (Values::Json(texts), _) => texts.push(number.text),
        _ => return Err(Unfit),
    }
    column.count_valid();
    Ok(is_rounded)
}

/// The type of a column whose first number this is, after `len` nulls.
fn first_of_number(number: &Number<'_>, class: Class, round: bool, len: usize) -> Values {
    let mut values = match class {
        Class::Int(_) => Values::Int64 { values: Vec::new(), wide: false },
        Class::Float if is_float(number, round) => Values::Float64(Floats::default()),
        Class::Float | Class::Big => match number.places().decimal() {
            Some((precision, scale)) => Values::Decimal(Decimals::new(precision, scale)),
            None => Values::Text(Texts::empty(0)),
        },
    };
    values.push_defaults(len);
    values
}

/// The digits by which a number counts in a decimal: those of its type, so that it does not matter whether it came before or after.
fn digits_of(number: &Number<'_>, class: Class) -> Digits {
    if let Class::Int(int) = class { Digits::of_integers(!exact(int)) } else { number.places() }
}

/// Whether an integer is still itself as the float `value`.
fn is_integer(number: &Number<'_>, value: f64) -> bool {
    number.int().is_some_and(exact) || number.decimal(38, 0) == Some(value as i128)
}

/// Appends the token of a number or boolean to a column of texts.
fn push_bare(texts: &mut Texts, token: &str) {
    if !texts.bare {
        texts.exceptions.push((texts.next_slot(), token.into()));
    }
    texts.push(token);
}

/// Makes a column that does not take a scalar one that does, a step further up the lattice.
fn widen_for_scalar(column: &mut ColumnBuilder) -> Result<(), Unfit> {
    if column.declared {
        return Err(Unfit);
    }
    match column.values {
        Values::Struct(_) | Values::List(_) => column.become_json(),
        _ => column.become_text(),
    }
    Ok(())
}

/// Appends an object or array as the JSON text that `write` gives it.
pub(super) fn push_json<E>(texts: &mut Texts, write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let start = texts.bytes.len();
    write(&mut texts.bytes).inspect_err(|_| texts.bytes.truncate(start))?;
    texts.end();
    Ok(())
}
