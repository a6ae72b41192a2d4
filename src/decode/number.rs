//! Floats: value to text, so that the API's own token comes back.
//!
//! In: an `f64` and a [`Spelling`], or a token and its value. Out: the token. Invariants: the text reads back as the same
//! `f64`; [`float_is_spelled`] says yes only when [`write_float`] writes that very token. Not here: reading numbers.

use std::fmt::Write;

use crate::decode::Spelling;

/// Tokens of at most this many significant digits are known to come back from an `f64` (IEEE 754, `DBL_DIG`).
const EXACT_DIGITS: usize = 15;

/// Appends a float in `spelling`; in one that is not for floats, or in none, as [`Spelling::ShortestFloat`].
pub(crate) fn write_float(out: &mut String, value: f64, spelling: Option<Spelling>) {
    // Writing to a `String` cannot fail.
    let _ = match spelling {
        Some(Spelling::FixedFloat(digits)) => write!(out, "{value:.*}", usize::from(digits)),
        Some(Spelling::PointedFloat) if is_plain(value, Spelling::PointedFloat) => write!(out, "{value:?}"),
        Some(Spelling::PointedFloat) => write_exponent(out, value, 2),
        _ if is_plain(value, Spelling::ShortestFloat) => write!(out, "{value}"),
        _ => write_exponent(out, value, 1),
    };
}

/// A float as [`write_float`] writes it.
#[must_use]
pub(crate) fn format_float(value: f64, spelling: Option<Spelling>) -> String {
    let mut out = String::with_capacity(24);
    write_float(&mut out, value, spelling);
    out
}

/// Whether `token`, a JSON number that reads as `value`, is what [`write_float`] writes in `spelling`. Cheap for tokens of up
/// to 15 digits without an exponent.
#[must_use]
pub(crate) fn float_is_spelled(token: &str, value: f64, spelling: Spelling) -> bool {
    match Shape::of(token) {
        Some(shape) => shape.is_spelled(value, spelling),
        None => format_float(value, Some(spelling)) == token,
    }
}

/// The spelling to assume after a first `token`: `None` when no spelling gives it back.
#[must_use]
#[cfg(test)]
pub(crate) fn guess_float_spelling(token: &str, value: f64) -> Option<Spelling> {
    let fraction = u8::try_from(token.split_once('.').map_or(0, |(_, fraction)| fraction.len())).ok()?;
    [Spelling::PointedFloat, Spelling::ShortestFloat, Spelling::FixedFloat(fraction)]
        .into_iter()
        .find(|&spelling| float_is_spelled(token, value, spelling))
}

/// A token without exponent whose digits an `f64` is known to keep.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Digits after the point.
    fraction: usize,
    /// Whether the last digit after the point is a zero.
    trailing_zero: bool,
}

impl Shape {
    fn of(token: &str) -> Option<Self> {
        let bytes = token.as_bytes();
        if bytes.len() > EXACT_DIGITS + 2 {
            return None;
        }
        let mut point = None;
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {}
                b'-' if at == 0 => {}
                b'.' if point.is_none() => point = Some(at),
                _ => return None,
            }
        }
        let digits = bytes.len() - usize::from(token.starts_with('-')) - usize::from(point.is_some());
        let fraction = point.map_or(0, |at| bytes.len() - at - 1);
        (digits <= EXACT_DIGITS).then(|| Self { fraction, trailing_zero: fraction > 0 && bytes.last() == Some(&b'0') })
    }

    fn is_spelled(self, value: f64, spelling: Spelling) -> bool {
        match spelling {
            Spelling::FixedFloat(digits) => usize::from(digits) == self.fraction,
            Spelling::ShortestFloat => !self.trailing_zero && is_plain(value, spelling),
            Spelling::PointedFloat => {
                self.fraction > 0 && (self.fraction == 1 || !self.trailing_zero) && is_plain(value, spelling)
            }
            Spelling::Time { .. } | Spelling::Quoted | Spelling::Bare => false,
        }
    }
}

/// Whether a shortest spelling writes `value` without exponent: ECMA-262 Number::toString, Python's `repr`.
fn is_plain(value: f64, spelling: Spelling) -> bool {
    let size = value.abs();
    let range = if spelling == Spelling::PointedFloat { 1e-4..1e16 } else { 1e-6..1e21 };
    size == 0.0 || range.contains(&size)
}

/// `1.5e+21`, `1e-07`: shortest digits, a sign, and at least `width` digits in the exponent.
fn write_exponent(out: &mut String, value: f64, width: usize) -> std::fmt::Result {
    let text = format!("{value:e}");
    let Some((digits, exponent)) = text.split_once('e') else {
        // Infinities and NaN have no digits; no JSON number gives them.
        out.push_str(&text);
        return Ok(());
    };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    write!(out, "{digits}e{sign}{exponent:0>width$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Spelling; 6] = [
        Spelling::ShortestFloat,
        Spelling::PointedFloat,
        Spelling::FixedFloat(0),
        Spelling::FixedFloat(1),
        Spelling::FixedFloat(2),
        Spelling::FixedFloat(7),
    ];

    /// `value` as ECMAScript and as Python write it.
    fn check(value: f64, shortest: &str, pointed: &str) {
        assert_eq!(format_float(value, None), shortest);
        assert_eq!(format_float(value, Some(Spelling::ShortestFloat)), shortest);
        assert_eq!(format_float(value, Some(Spelling::PointedFloat)), pointed);
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
        assert_eq!(format_float(12.5, Some(Spelling::FixedFloat(4))), "12.5000");
    }

    #[test]
    fn a_first_token_tells_the_spelling() {
        for (token, expected) in [
            ("0.07", Some(Spelling::PointedFloat)),
            ("3.0", Some(Spelling::PointedFloat)),
            ("3", Some(Spelling::ShortestFloat)),
            ("12.50", Some(Spelling::FixedFloat(2))),
            ("1E5", None),
            ("0.30000000000000004", Some(Spelling::PointedFloat)),
            ("0.3000000000000000440", None),
        ] {
            assert_eq!(guess_float_spelling(token, token.parse().unwrap()), expected, "{token}");
        }
    }

    proptest! {
        #[test]
        fn the_cheap_check_agrees_with_writing(token in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?") {
            let value: f64 = token.parse().unwrap();
            for spelling in ALL {
                let same = format_float(value, Some(spelling)) == token;
                prop_assert_eq!(float_is_spelled(&token, value, spelling), same, "{} {:?}", &token, spelling);
            }
        }

        #[test]
        fn what_is_written_reads_back_as_the_same_float(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
            for spelling in [Spelling::ShortestFloat, Spelling::PointedFloat] {
                let text = format_float(value, Some(spelling));
                prop_assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{}", text);
            }
        }
    }
}
