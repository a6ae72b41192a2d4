//! Pushing a scalar into a column that may have to widen for it, per the lattice of [`crate::schema::ColumnType`].
//!
//! Every function appends one slot, or says that a declared type does not take the value and leaves the column as it was.

use crate::decode::column::{Bits, ColumnBuilder, Texts, Times, Values};
use crate::decode::convert::write_quoted;
use crate::decode::temporal::{parse_date, parse_timestamp};
use crate::decode::token::{Class, EXACT_INT_MAX, Number, exact};

/// The value does not fit the column's type.
#[derive(Debug)]
pub(super) struct Unfit;

/// Appends a JSON string's text.
pub(super) fn push_text(column: &mut ColumnBuilder, text: &str) -> Result<(), Unfit> {
    if column.empty_as_null && text.trim().is_empty() {
        column.push_null();
        return Ok(());
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
    Ok(())
}

/// Appends the number or boolean that `text` is, to a column that is declared to take it so.
fn push_declared_text(column: &mut ColumnBuilder, text: &str) -> Result<(), Unfit> {
    match (&column.values, text) {
        (Values::Boolean(_), "true" | "false") => push_boolean(column, text == "true"),
        (Values::Int64 { .. } | Values::Float64(_) | Values::Decimal { .. }, _) => {
            push_number(column, &Number::whole(text).ok_or(Unfit)?)
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

/// Appends a number.
pub(super) fn push_number(column: &mut ColumnBuilder, number: &Number<'_>) -> Result<(), Unfit> {
    let class = number.class();
    loop {
        let declared = column.declared;
        match (&mut column.values, class) {
            (Values::Unknown, _) => column.values = first_of_number(class, column.len),
            (Values::Int64 { values, wide }, Class::Int(int)) => {
                values.push(int);
                *wide |= !exact(int);
                break;
            }
            (Values::Int64 { wide: false, .. }, Class::Float) if !declared => column.become_float(),
            (Values::Int64 { .. }, Class::Big(_)) if !declared => column.become_decimal(),
            (Values::Decimal { values, precision, scale }, _) if declared || class != Class::Float => {
                match number.decimal(*precision, *scale) {
                    Some(unscaled) => {
                        values.push(unscaled);
                        break;
                    }
                    None if declared || class == Class::Huge || *precision == 38 => widen_for_scalar(column)?,
                    None => *precision = 38,
                }
            }
            (Values::Float64(floats), class) if declared || has_exact_float(class) => {
                let value = number.float().filter(|&value| same_integer(class, value)).ok_or(Unfit)?;
                if !declared && !floats.spelling.note(number, value) {
                    floats.exceptions.push((column.len as u32, number.text.into()));
                }
                floats.values.push(value);
                break;
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
    Ok(())
}

fn first_of_number(class: Class, len: usize) -> Values {
    let mut values = match class {
        Class::Int(_) => Values::Int64 { values: Vec::new(), wide: false },
        Class::Big(_) => Values::Decimal { values: Vec::new(), precision: 38, scale: 0 },
        Class::Float => Values::Float64(Default::default()),
        Class::Huge => Values::Text(Texts::empty(0)),
    };
    values.push_defaults(len);
    values
}

/// Whether the lattice has the number in a column of floats.
fn has_exact_float(class: Class) -> bool {
    match class {
        Class::Float => true,
        Class::Int(int) => exact(int),
        Class::Big(_) | Class::Huge => false,
    }
}

/// Whether an integer is still itself as the float `value`.
fn same_integer(class: Class, value: f64) -> bool {
    match class {
        Class::Float => true,
        Class::Int(int) => exact(int) || value as i128 == i128::from(int),
        Class::Big(big) => value.abs() > EXACT_INT_MAX as f64 && value as i128 == big,
        Class::Huge => false,
    }
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
