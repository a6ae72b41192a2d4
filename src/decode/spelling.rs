//! How the numbers of a column are spelled: the spellings that still fit all of them.

use crate::decode::Spelling;
use crate::decode::number::Significant;
use crate::decode::token::Number;

const POINTED: u8 = 1;
const SHORTEST: u8 = 2;
const FIXED: u8 = 4;
const PLAIN: u8 = 8;

/// The spellings that give back every token so far, but for the exceptions. All, before the first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumberSpelling {
    candidates: u8,
    digits: u8,
    empty: bool,
}

impl Default for NumberSpelling {
    fn default() -> Self {
        Self { candidates: POINTED | SHORTEST | FIXED | PLAIN, digits: 0, empty: true }
    }
}

impl NumberSpelling {
    /// What a column of integers is spelled like once they are other numbers.
    pub(super) fn of_integers() -> Self {
        Self { candidates: SHORTEST | FIXED | PLAIN, digits: 0, empty: false }
    }

    /// Takes the token of a float that holds it as it is written into account. `false`: no spelling so far gives it back, so it is an
    /// exception.
    #[inline]
    pub(super) fn note_float(&mut self, number: &Number<'_>, value: f64) -> bool {
        // Between these sizes no spelling needs an exponent.
        let size = value.abs();
        if size > 0.0 || !number.is_negative_zero() {
            let is_plain = !number.has_exponent() && (size == 0.0 || (1e-4..1e16).contains(&size));
            return self.note(number, is_plain, || Significant::of_float(value));
        }
        // What becomes a decimal has lost the sign.
        false
    }

    /// The same for the token of a decimal.
    pub(super) fn note_decimal(&mut self, number: &Number<'_>, unscaled: i128, scale: i8) -> bool {
        if number.is_negative_zero() {
            return false;
        }
        let value = Significant::of_decimal(unscaled, scale);
        let is_plain = !number.has_exponent() && (unscaled == 0 || (-3..=16).contains(&value.point));
        self.note(number, is_plain, || value)
    }

    #[inline]
    fn note(&mut self, number: &Number<'_>, is_plain: bool, value: impl FnOnce() -> Significant) -> bool {
        if self.empty {
            self.empty = false;
            self.digits = u8::try_from(number.fraction).unwrap_or(u8::MAX);
        }
        let mut fits = 0;
        if is_plain {
            let trailing_zero = number.fraction > 0 && number.ends_in_zero();
            fits |= if number.fraction == usize::from(self.digits) { FIXED } else { 0 };
            fits |= if trailing_zero { 0 } else { SHORTEST | PLAIN };
            fits |= if number.fraction == 1 || (number.fraction > 1 && !trailing_zero) { POINTED } else { 0 };
        } else {
            fits = self.fits_by_writing(number, &value());
        }
        let left = self.candidates & fits;
        if left != 0 {
            self.candidates = left;
        }
        left != 0
    }

    #[cold]
    fn fits_by_writing(self, number: &Number<'_>, value: &Significant) -> u8 {
        let mut text = String::with_capacity(number.text.len());
        self.left().fold(0, |fits, (bit, spelling)| {
            text.clear();
            value.write(&mut text, Some(spelling));
            if text == number.text { fits | bit } else { fits }
        })
    }

    /// The spellings that are left, the best first.
    fn left(self) -> impl Iterator<Item = (u8, Spelling)> {
        [
            (PLAIN, Spelling::PlainNumber),
            (SHORTEST, Spelling::ShortestNumber),
            (POINTED, Spelling::PointedNumber),
            (FIXED, Spelling::FixedNumber(self.digits)),
        ]
        .into_iter()
        .filter(move |(bit, _)| self.candidates & bit != 0)
    }

    /// A spelling that fits; `canonical`, if that one does.
    pub(super) fn spelling(self, canonical: Spelling) -> Spelling {
        let mut left = self.left().map(|(_, spelling)| spelling);
        let first = left.next().unwrap_or(canonical);
        if left.any(|spelling| spelling == canonical) { canonical } else { first }
    }
}
