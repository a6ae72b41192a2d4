//! Numbers: a JSON number's token, and the values it can become without losing a digit.

use crate::decode::number::{Significant, places, unscaled};
use crate::schema::Digits;

/// The largest integer up to which every integer has an exact `f64`.
pub(super) const EXACT_INT_MAX: u64 = 1 << 53;

/// A number's token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<'a> {
    /// The token itself.
    pub(super) text: &'a str,
    negative: bool,
    /// All digits before the exponent as one integer; meaningless with more than 19 of them.
    mantissa: u64,
    /// Digits before the exponent.
    digits: usize,
    /// Digits after the point.
    pub(super) fraction: usize,
    exponent: bool,
}

/// What a number's token is, before any column is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// An integer of 64 bits.
    Int(i64),
    /// A larger integer.
    Big,
    /// A point, an exponent, or `-0`, which no integer can be.
    Float,
}

impl<'a> Number<'a> {
    /// Reads the number at the start of `bytes`; `text` is left empty. The length of the token comes with it.
    ///
    /// # Errors
    /// The offset at which a digit is missing.
    #[inline]
    pub(super) fn scan(bytes: &[u8]) -> Result<(Self, usize), usize> {
        let negative = bytes.first() == Some(&b'-');
        let start = usize::from(negative);
        let (mut mantissa, mut pos) = (0, start);
        digits(bytes, &mut pos, &mut mantissa);
        let mut digits_seen = pos - start;
        if digits_seen == 0 || (digits_seen > 1 && bytes.get(start) == Some(&b'0')) {
            return Err(if digits_seen == 0 { pos } else { start + 1 });
        }
        let mut fraction = 0;
        let mut exponent = false;
        if bytes.get(pos) == Some(&b'.') {
            let point = pos + 1;
            pos = point;
            digits(bytes, &mut pos, &mut mantissa);
            fraction = pos - point;
            digits_seen += fraction;
            if fraction == 0 {
                return Err(pos);
            }
        }
        if matches!(bytes.get(pos), Some(b'e' | b'E')) {
            exponent = true;
            pos += 1 + usize::from(matches!(bytes.get(pos + 1), Some(b'+' | b'-')));
            let first = pos;
            digits(bytes, &mut pos, &mut 0);
            if pos == first {
                return Err(pos);
            }
        }
        Ok((Self { text: "", negative, mantissa, digits: digits_seen, fraction, exponent }, pos))
    }

    /// Reads a text that is a number from its first to its last byte.
    pub(super) fn whole(text: &'a str) -> Option<Self> {
        let (number, length) = Self::scan(text.as_bytes()).ok()?;
        (length == text.len()).then_some(Self { text, ..number })
    }

    /// Whether the token is written as an integer and is not `-0`.
    #[inline]
    fn integral(&self) -> bool {
        self.fraction == 0 && !self.exponent && !(self.negative && self.mantissa == 0 && self.digits == 1)
    }

    /// The integer, if it is one of 64 bits.
    #[inline]
    pub(super) fn int(&self) -> Option<i64> {
        if !self.integral() || self.digits > 19 {
            return None;
        }
        if self.negative { 0_i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() }
    }

    /// What the token is.
    pub(super) fn class(&self) -> Class {
        if !self.integral() {
            return Class::Float;
        }
        if let Some(int) = self.int() {
            return Class::Int(int);
        }
        Class::Big
    }

    /// The nearest `f64`; `None` past its range.
    #[inline]
    pub(super) fn float(&self) -> Option<f64> {
        // Both operands are exact and division rounds once (Clinger's fast path).
        if !self.exponent
            && self.digits <= 19
            && self.mantissa <= EXACT_INT_MAX
            && let Some(power) = POWERS.get(self.fraction)
        {
            let value = self.mantissa as f64 / power;
            return Some(if self.negative { -value } else { value });
        }
        self.text.parse().ok().filter(|value: &f64| value.is_finite())
    }

    /// The `f64` that holds the number as it is written: whose shortest decimal it is.
    #[inline]
    pub(super) fn exact_float(&self) -> Option<f64> {
        self.float().filter(|value| self.is_plain() || self.is_shortest_of(*value))
    }

    /// Whether every decimal of these digits has an `f64` of its own (IEEE 754, `DBL_DIG`).
    #[inline]
    fn is_plain(&self) -> bool {
        self.digits <= 15 && !self.exponent
    }

    fn is_shortest_of(&self, value: f64) -> bool {
        let shortest = Significant::of_float(value);
        self.significant().is_some_and(|(digits, (len, point))| {
            let same_place = len == 0 || point == i64::from(shortest.point);
            same_place && len == shortest.digits().len() && digits.eq(shortest.digits().iter().copied())
        })
    }

    /// Whether the token is a zero with a sign, which only floats have.
    #[inline]
    pub(super) fn is_negative_zero(&self) -> bool {
        self.negative && self.mantissa == 0 && self.significant().is_some_and(|(_, (len, _))| len == 0)
    }

    /// Whether the token is written with an exponent.
    #[inline]
    pub(super) fn has_exponent(&self) -> bool {
        self.exponent
    }

    /// As many digits as it has before the point and after it, or more; meaningless with an exponent.
    #[inline]
    pub(super) fn digits_max(&self) -> (usize, usize) {
        (self.digits - self.fraction, self.fraction)
    }

    /// The digits that a decimal needs for it.
    pub(super) fn places(&self) -> Digits {
        self.significant().map_or(Digits::UNKNOWN, |(_, (len, point))| places(len, point))
    }

    /// Its significant digits, none of them a zero at either end; how many they are, and how many places behind the first one the
    /// point stands. `None` for an exponent past 64 bits.
    pub(super) fn significant(&self) -> Option<(impl Iterator<Item = u8> + use<'a>, (usize, i64))> {
        let (digits, power) = self.text.split_once(['e', 'E']).unwrap_or((self.text, "0"));
        let digits = digits.as_bytes().strip_prefix(b"-").unwrap_or(digits.as_bytes());
        let all = || digits.iter().copied().filter(|byte| *byte != b'.');
        let lead = all().take_while(|digit| *digit == b'0').count();
        let trail = digits.iter().rev().copied().filter(|byte| *byte != b'.').take_while(|digit| *digit == b'0').count();
        let len = self.digits.saturating_sub(lead + trail);
        let whole = i64::try_from(self.digits - self.fraction).ok()?;
        let point = if len == 0 { 0 } else { power.parse::<i64>().ok()?.checked_add(whole)?.checked_sub(lead as i64)? };
        Some((all().skip(lead).take(len), (len, point)))
    }

    /// Whether the last digit is 0.
    #[inline]
    pub(super) fn ends_in_zero(&self) -> bool {
        self.text.as_bytes().last() == Some(&b'0')
    }

    /// The exact value times 10^`scale`, if it is an integer of at most `precision` digits.
    pub(super) fn decimal(&self, precision: u8, scale: i8) -> Option<i128> {
        let (digits, place) = self.significant()?;
        unscaled(digits, place, self.negative, precision, scale)
    }
}

/// By value, however they are spelled.
impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.significant(), other.significant()) {
            (Some((_, (0, _))), Some((_, (0, _)))) => true,
            (Some((digits, place)), Some((others, other_place))) => {
                self.negative == other.negative && place == other_place && digits.eq(others)
            }
            _ => self.text == other.text,
        }
    }
}

/// Whether an integer has an exact `f64`, as every one up to 2^53 has.
#[inline]
pub(super) fn exact(int: i64) -> bool {
    int.unsigned_abs() <= EXACT_INT_MAX
}

#[inline]
fn digits(bytes: &[u8], pos: &mut usize, mantissa: &mut u64) {
    while let Some(digit) = bytes.get(*pos).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        *pos += 1;
    }
}

/// Powers of ten with an exact `f64`.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
    1e22,
];
