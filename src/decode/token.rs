//! Numbers: a JSON number's token, and the values it can become without losing a digit.

/// The largest integer up to which every integer has an exact `f64`.
pub(super) const EXACT_INT_MAX: u64 = 1 << 53;

/// Most digits of an inferred decimal, and of any.
pub(super) const DECIMAL_DIGITS_MAX: usize = 38;

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
    /// An integer of at most 38 digits that needs more.
    Big(i128),
    /// A longer integer.
    Huge,
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
        match self.text.parse() {
            Ok(big) if self.digits <= DECIMAL_DIGITS_MAX => Class::Big(big),
            _ => Class::Huge,
        }
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

    /// Whether every decimal of these digits has an `f64` of its own, so that the text follows from the value.
    #[inline]
    pub(super) fn plain(&self) -> bool {
        self.digits <= 15 && !self.exponent
    }

    /// Whether the last digit is 0.
    #[inline]
    pub(super) fn ends_in_zero(&self) -> bool {
        self.text.as_bytes().last() == Some(&b'0')
    }

    /// The exact value times 10^`scale`, if it is an integer of at most `precision` digits.
    pub(super) fn decimal(&self, precision: u8, scale: i8) -> Option<i128> {
        let (digits, power) = self.text.split_once(['e', 'E']).unwrap_or((self.text, "0"));
        let digits = digits.trim_start_matches('-');
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let significant = format!("{whole}{fraction}");
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Some(0);
        }
        let dropped = i64::try_from(significant.len() - trimmed.len()).ok()?;
        let shift = power.parse::<i64>().ok()?.checked_add(dropped + i64::from(scale))? - i64::try_from(fraction.len()).ok()?;
        let trimmed = trimmed.trim_start_matches('0');
        let zeros = usize::try_from(shift).ok().filter(|zeros| trimmed.len() + zeros <= usize::from(precision))?;
        let unscaled = trimmed.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(u32::try_from(zeros).ok()?)?)?;
        Some(if self.negative { -unscaled } else { unscaled })
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
