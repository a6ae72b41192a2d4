//! Runs of digits of base 16, 32 and 64 in a text, as the bytes that they may stand for.
//!
//! In: a text or what it means. Out: for each run that is long enough to hold a secret, its bytes at every place where the first digit of a
//! byte can be. Work: each byte of the text belongs to fourteen views at most, and none of them is looked into for further runs.

use std::borrow::Cow;

use crate::base::secrets::spelling::View;

/// A way to write bytes in digits.
struct Base {
    /// Bits that a digit stands for.
    bits: u32,
    /// Places where the first digit of a byte can be.
    phases: usize,
    /// Digits of the shortest run: what a secret of six bytes comes to.
    digits_min: usize,
    digit: fn(u8) -> Option<u8>,
}

/// Base64 is that of texts that are Base64 already: what is so once is known as it is.
const BASES: [Base; 3] = [
    Base { bits: 4, phases: 2, digits_min: 12, digit: of_16 },
    Base { bits: 5, phases: 8, digits_min: 10, digit: of_32 },
    Base { bits: 6, phases: 4, digits_min: 11, digit: of_64 },
];

fn of_16(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// RFC 4648, section 6, in either case.
fn of_32(byte: u8) -> Option<u8> {
    match byte.to_ascii_uppercase() {
        letter @ b'A'..=b'Z' => Some(letter - b'A'),
        digit @ b'2'..=b'7' => Some(digit - b'2' + 26),
        _ => None,
    }
}

/// RFC 4648, sections 4 and 5.
fn of_64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Calls `found` with each view of a run of digits in `view`.
pub(super) fn each_run(view: &View<'_>, mut found: impl FnMut(&View<'_>)) {
    for base in &BASES {
        let mut at = 0;
        for run in view.bytes().split(|byte| (base.digit)(*byte).is_none()) {
            if run.len() >= base.digits_min {
                (0..base.phases).for_each(|phase| found(&decoded(view, base, (at, run), phase)));
            }
            at += run.len() + 1;
        }
    }
}

/// The bytes of a run that begins at `at` of the view's bytes, where the first byte's first digit is the one at `phase`.
fn decoded(view: &View<'_>, base: &Base, (at, run): (usize, &[u8]), phase: usize) -> View<'static> {
    let (mut bytes, mut starts) = (Vec::with_capacity(run.len()), Vec::with_capacity(run.len() + 1));
    let (mut bits, mut held, mut start) = (0_u32, 0_u32, at + phase);
    for (place, digit) in run.iter().enumerate().skip(phase) {
        if held == 0 {
            start = at + place;
        }
        bits = bits << base.bits | u32::from((base.digit)(*digit).unwrap_or_default());
        held += base.bits;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
            starts.push(view.start(start));
            bits &= (1 << held) - 1;
            // The next byte begins in this digit, if bits of it are left.
            start = at + place;
        }
    }
    starts.push(view.start(at + run.len()));
    View::of(Cow::Owned(bytes), starts)
}
