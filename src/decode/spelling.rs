//! How the floats of a column are spelled: the spellings that still fit all of them.

use crate::decode::token::Number;
use crate::decode::{Spelling, float_is_spelled};

const POINTED: u8 = 1;
const SHORTEST: u8 = 2;
const FIXED: u8 = 4;

/// The spellings that give back every token so far, but for the exceptions. All, before the first token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FloatSpelling {
    candidates: u8,
    digits: u8,
    empty: bool,
}

impl Default for FloatSpelling {
    fn default() -> Self {
        Self { candidates: POINTED | SHORTEST | FIXED, digits: 0, empty: true }
    }
}

impl FloatSpelling {
    /// What a column of integers is spelled like once they are floats.
    pub(super) fn of_integers() -> Self {
        Self { candidates: SHORTEST | FIXED, digits: 0, empty: false }
    }

    /// Takes a token that reads as `value` into account. `false`: no spelling so far gives it back, so it is an exception.
    #[inline]
    pub(super) fn note(&mut self, number: &Number<'_>, value: f64) -> bool {
        if self.empty {
            self.empty = false;
            self.digits = u8::try_from(number.fraction).unwrap_or(u8::MAX);
        }
        // Between these sizes neither short spelling needs an exponent.
        let mut fits = 0;
        if number.plain() && (value == 0.0 || value.abs() >= 1e-4) {
            let trailing_zero = number.fraction > 0 && number.ends_in_zero();
            fits |= if number.fraction == usize::from(self.digits) { FIXED } else { 0 };
            fits |= if trailing_zero { 0 } else { SHORTEST };
            fits |= if number.fraction == 1 || (number.fraction > 1 && !trailing_zero) { POINTED } else { 0 };
        } else {
            fits = self.fits_by_writing(number, value);
        }
        let left = self.candidates & fits;
        if left != 0 {
            self.candidates = left;
        }
        left != 0
    }

    #[cold]
    fn fits_by_writing(self, number: &Number<'_>, value: f64) -> u8 {
        [(POINTED, Spelling::PointedFloat), (SHORTEST, Spelling::ShortestFloat), (FIXED, Spelling::FixedFloat(self.digits))]
            .into_iter()
            .filter(|&(bit, spelling)| self.candidates & bit != 0 && float_is_spelled(number.text, value, spelling))
            .fold(0, |fits, (bit, _)| fits | bit)
    }

    /// A spelling that fits.
    pub(super) fn spelling(self) -> Spelling {
        if self.candidates & SHORTEST != 0 {
            Spelling::ShortestFloat
        } else if self.candidates & POINTED != 0 {
            Spelling::PointedFloat
        } else {
            Spelling::FixedFloat(self.digits)
        }
    }
}
