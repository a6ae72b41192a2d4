//! Numbers: value to text, so that the API's own token comes back.
//!
//! In: an `f64` or a decimal, and a [`Spelling`]. Out: the token. Invariants: the text reads back as the same value; both kinds are
//! written by the same rules, so that a float which becomes a decimal keeps its spelling. Not here: reading numbers.

use std::fmt::{self, Write};

use crate::decode::Spelling;
use crate::schema::Digits;

/// Most digits of an `i128`; the shortest decimal of an `f64` has 17 at most.
const DIGITS_MAX: usize = 39;

/// A number's significant digits, none of them a zero at either end: 0.d₁d₂… × 10^`point`. Zero has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Significant {
    digits: [u8; DIGITS_MAX],
    len: usize,
    /// How many places behind the first digit the point stands; negative: zeros between the point and it.
    pub(super) point: i32,
    negative: bool,
}

impl Significant {
    /// Those of the shortest decimal that reads back as `value`, which is finite.
    pub(super) fn of_float(value: f64) -> Self {
        let mut text = Buffer { bytes: [0; 32], len: 0 };
        // No finite `f64` is longer than the buffer.
        let _ = write!(text, "{:e}", value.abs());
        let text = text.bytes.get(..text.len).unwrap_or_default();
        let (digits, exponent) = text.split_at(text.iter().position(|byte| *byte == b'e').unwrap_or(text.len()));
        let exponent = std::str::from_utf8(exponent.get(1..).unwrap_or_default()).ok().and_then(|text| text.parse::<i32>().ok());
        let digits = digits.iter().copied().filter(u8::is_ascii_digit);
        Self::new(value.is_sign_negative(), digits, exponent.unwrap_or(0) + 1)
    }

    /// Those of `unscaled` × 10^-`scale`.
    pub(super) fn of_decimal(unscaled: i128, scale: i8) -> Self {
        let (mut rest, mut buffer, mut start) = (unscaled.unsigned_abs(), [0; DIGITS_MAX], DIGITS_MAX);
        while rest > 0 {
            start -= 1;
            buffer[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let digits = buffer.get(start..).unwrap_or_default();
        Self::new(unscaled < 0, digits.iter().copied(), digits.len() as i32 - i32::from(scale))
    }

    fn new(negative: bool, all: impl Iterator<Item = u8>, point: i32) -> Self {
        let mut of = Self { digits: [0; DIGITS_MAX], len: 0, point, negative };
        for (digit, place) in all.zip(&mut of.digits) {
            *place = digit;
            of.len += 1;
        }
        while of.len > 0 && of.digits[of.len - 1] == b'0' {
            of.len -= 1;
        }
        if of.len == 0 {
            of.point = 1;
        }
        of
    }

    /// The digits.
    pub(super) fn digits(&self) -> &[u8] {
        self.digits.get(..self.len).unwrap_or_default()
    }

    /// The digits that a decimal needs for it.
    pub(super) fn places(&self) -> Digits {
        places(self.len, i64::from(self.point))
    }

    /// The number times 10^`scale`, if that is an integer of at most `precision` digits.
    pub(super) fn unscaled(&self, precision: u8, scale: i8) -> Option<i128> {
        unscaled(self.digits().iter().copied(), (self.len, i64::from(self.point)), self.negative, precision, scale)
    }

    /// Appends the number.
    pub(super) fn write(&self, out: &mut String, spelling: Option<Spelling>) {
        if self.negative {
            out.push('-');
        }
        match spelling {
            Some(Spelling::FixedNumber(digits)) => self.write_plain(out, usize::from(digits)),
            Some(Spelling::PointedNumber) if self.len == 0 || (-3..=16).contains(&self.point) => self.write_plain(out, 1),
            Some(Spelling::PointedNumber) => self.write_exponent(out, 2),
            Some(Spelling::ShortestNumber) if self.len > 0 && !(-5..=21).contains(&self.point) => self.write_exponent(out, 1),
            _ => self.write_plain(out, 0),
        }
    }

    /// Without exponent, and with `fraction_min` digits after the point or as many more as it takes.
    fn write_plain(&self, out: &mut String, fraction_min: usize) {
        let point = usize::try_from(self.point).unwrap_or(0);
        let (whole, fraction) = self.digits().split_at(point.min(self.len));
        out.extend(whole.iter().map(|digit| char::from(*digit)));
        let zeros = if point == 0 { 1 } else { point - whole.len() };
        out.extend(std::iter::repeat_n('0', zeros));
        let lead = if self.len == 0 { 0 } else { usize::try_from(-self.point).unwrap_or(0) };
        let places = lead + fraction.len();
        if places.max(fraction_min) == 0 {
            return;
        }
        out.push('.');
        out.extend(std::iter::repeat_n('0', lead));
        out.extend(fraction.iter().map(|digit| char::from(*digit)));
        out.extend(std::iter::repeat_n('0', fraction_min.saturating_sub(places)));
    }

    /// `1.5e+21`, `1e-07`: a sign, and at least `width` digits in the exponent.
    fn write_exponent(&self, out: &mut String, width: usize) {
        let Some((first, rest)) = self.digits().split_first() else { return };
        out.push(char::from(*first));
        if !rest.is_empty() {
            out.push('.');
            out.extend(rest.iter().map(|digit| char::from(*digit)));
        }
        let exponent = self.point - 1;
        // Writing to a `String` cannot fail.
        let _ = write!(out, "e{}{:0>width$}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
    }
}

/// The digits that a decimal needs for a number of `len` significant ones, `point` places behind the first of which the point stands.
pub(super) fn places(len: usize, point: i64) -> Digits {
    let fraction = i64::try_from(len).unwrap_or(i64::MAX).saturating_sub(point);
    let capped = |count: i64| count.clamp(0, i64::from(Digits::UNKNOWN.whole)) as u8;
    // Zero has a digit before the point, or it would be of no decimal.
    if len == 0 { Digits { whole: 1, fraction: 0 } } else { Digits { whole: capped(point), fraction: capped(fraction) } }
}

/// A number of `len` significant `digits`, `point` places behind the first of which the point stands, times 10^`scale`; `None` if that
/// is no integer of at most `precision` digits.
pub(super) fn unscaled(
    digits: impl Iterator<Item = u8>,
    (len, point): (usize, i64),
    negative: bool,
    precision: u8,
    scale: i8,
) -> Option<i128> {
    if len == 0 {
        return Some(0);
    }
    let places = point.checked_add(i64::from(scale)).filter(|places| *places <= i64::from(precision))?;
    let zeros = u32::try_from(places.checked_sub(i64::try_from(len).ok()?)?).ok()?;
    // 38 digits fit an `i128`.
    let digits = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let value = digits.checked_mul(10_i128.checked_pow(zeros)?)?;
    Some(if negative { -value } else { value })
}

/// Text without a heap.
struct Buffer {
    bytes: [u8; 32],
    len: usize,
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// Appends a float in `spelling`; in one that is not for numbers, or in none, as [`Spelling::ShortestNumber`].
pub(crate) fn write_float(out: &mut String, value: f64, spelling: Option<Spelling>) {
    if value.is_finite() {
        Significant::of_float(value).write(out, spelling.or(Some(Spelling::ShortestNumber)));
    } else {
        // No JSON number gives them.
        let _ = write!(out, "{value}");
    }
}

/// Appends the decimal `unscaled` × 10^-`scale` in `spelling`; in none, as [`Spelling::PlainNumber`].
pub(crate) fn write_decimal(out: &mut String, unscaled: i128, scale: i8, spelling: Option<Spelling>) {
    Significant::of_decimal(unscaled, scale).write(out, spelling);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn format_float(value: f64, spelling: Option<Spelling>) -> String {
        let mut out = String::new();
        write_float(&mut out, value, spelling);
        out
    }

    fn format_decimal(unscaled: i128, scale: i8, spelling: Option<Spelling>) -> String {
        let mut out = String::new();
        write_decimal(&mut out, unscaled, scale, spelling);
        out
    }

    /// `value` as ECMAScript and as Python write it.
    fn check(value: f64, shortest: &str, pointed: &str) {
        assert_eq!(format_float(value, None), shortest);
        assert_eq!(format_float(value, Some(Spelling::ShortestNumber)), shortest);
        assert_eq!(format_float(value, Some(Spelling::PointedNumber)), pointed);
    }

    #[test]
    fn floats_are_written_as_ecmascript_and_python_write_them() {
        check(3.0, "3", "3.0");
        check(-0.0, "-0", "-0.0");
        check(0.1, "0.1", "0.1");
        check(0.1 + 0.2, "0.30000000000000004", "0.30000000000000004");
        check(1e16, "10000000000000000", "1e+16");
        check(1e21, "1e+21", "1e+21");
        check(1.5e300, "1.5e+300", "1.5e+300");
        check(0.0001, "0.0001", "0.0001");
        check(0.000_01, "0.00001", "1e-05");
        check(1.25e-7, "1.25e-7", "1.25e-07");
        check(5e-324, "5e-324", "5e-324");
        assert_eq!(format_float(12.5, Some(Spelling::FixedNumber(4))), "12.5000");
        assert_eq!(format_float(0.1, Some(Spelling::FixedNumber(20))), "0.10000000000000000000");
    }

    #[test]
    fn decimals_are_written_as_floats_are_and_without_exponent_where_nothing_else_is_known() {
        for (unscaled, scale, plain) in [
            (0, 3, "0"),
            (1, 18, "0.000000000000000001"),
            (-12_340, 2, "-123.4"),
            (i128::from(u64::MAX) * 1000, 0, "18446744073709551615000"),
        ] {
            assert_eq!(format_decimal(unscaled, scale, None), plain);
        }
        assert_eq!(format_decimal(1, 18, Some(Spelling::ShortestNumber)), "1e-18");
        assert_eq!(format_decimal(300, 2, Some(Spelling::PointedNumber)), "3.0");
        assert_eq!(format_decimal(0, 2, Some(Spelling::FixedNumber(2))), "0.00");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_float(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
            for spelling in [Spelling::ShortestNumber, Spelling::PointedNumber, Spelling::FixedNumber(3), Spelling::PlainNumber] {
                let text = format_float(value, Some(spelling));
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", text);
            }
        }

        #[test]
        fn a_float_that_becomes_a_decimal_keeps_its_spelling(unscaled in -10_i64.pow(15)..10_i64.pow(15), scale in 0..22_i8, digits in 0..20_u8) {
            let value: f64 = format!("{unscaled}e-{scale}").parse().unwrap();
            for spelling in [Spelling::ShortestNumber, Spelling::PointedNumber, Spelling::FixedNumber(digits)] {
                let (float, decimal) = (format_float(value, Some(spelling)), format_decimal(i128::from(unscaled), scale, Some(spelling)));
                prop_assert_eq!(float, decimal);
            }
        }
    }
}
