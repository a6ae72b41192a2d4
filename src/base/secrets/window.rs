//! The pieces of secrets, and where a text has one of them.
//!
//! A text is looked through once, whatever the number of secrets and of their spellings: each place costs a look at one bit, and a closer one
//! only where the last four bytes are those of a piece.

use std::ops::Range;

use hashbrown::HashSet;

use crate::base::secrets::digits::{in_64, in_digits};

/// Bytes of a secret that give it away: wherever a text has so many of them in a row, they are struck. Shorter secrets are found whole.
const WINDOW: usize = 16;
/// Bytes of a secret that are looked for: more than a key or a token has.
const BYTES_MAX: usize = 64 << 10;
/// Different bytes that a window of a longer secret has at least: a row of `=` or zeros gives nothing away.
const DISTINCT_MIN: usize = 4;
/// Of the windows of a secret in digits, one in so many is kept: digits are more than what they stand for, so that a piece of it has one.
const DIGITS_STEP: usize = 8;

/// Windows, by their length.
type OfLength = [HashSet<u128>; WINDOW + 1];

/// All windows of some secrets.
#[derive(Default)]
pub(super) struct Windows {
    of_length: OfLength,
    /// Those of secrets in digits.
    of_digits: OfLength,
    /// A bit for the last four bytes of each window: most places of a text need no closer look.
    ends: Vec<u64>,
    count: usize,
}

impl Windows {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds a secret: its lines, each as it is, in Base64 and in digits, at every place where it can begin among others' bytes.
    pub(super) fn add(&mut self, secret: &str) {
        let lines = secret.split(['\r', '\n']).map(str::trim).filter(|line| line.len() >= 4);
        // The first and last line of a key in PEM are no secrets.
        let mut left = BYTES_MAX;
        for line in lines.filter(|line| !line.starts_with("-----")) {
            let bytes = &line.as_bytes()[..line.len().min(left)];
            left -= bytes.len();
            if bytes.is_empty() {
                break;
            }
            self.add_bytes(bytes, 1);
            in_digits(bytes, false).iter().for_each(|digits| self.add_bytes(digits, DIGITS_STEP));
            for text in in_64(bytes) {
                self.add_bytes(&text, 1);
                in_digits(&text, true).iter().for_each(|digits| self.add_bytes(digits, DIGITS_STEP));
            }
        }
    }

    /// Adds the first of every `step` windows of `bytes`, and the last.
    fn add_bytes(&mut self, bytes: &[u8], step: usize) {
        let length = bytes.len().min(WINDOW);
        let last = bytes.len() - length;
        let kept = bytes.windows(length).enumerate().filter(|(at, _)| at % step == 0 || *at == last);
        for (_, window) in kept {
            let distinct = window.iter().enumerate().filter(|(at, byte)| !window[..*at].contains(byte)).count();
            if bytes.len() <= WINDOW || distinct >= DISTINCT_MIN {
                let packed = packed(window);
                let windows = if step == 1 { &mut self.of_length } else { &mut self.of_digits };
                self.count += usize::from(windows[length].insert(packed));
                self.ends.resize(ENDS, 0);
                let (word, bit) = end_of((packed & 0xffff_ffff) as u32);
                self.ends[word] |= bit;
            }
        }
    }

    /// Calls `found` with every place of `bytes` where a window stands, until it says that that is enough; whether it did.
    pub(super) fn find(&self, bytes: &[u8], mut found: impl FnMut(Range<usize>) -> bool) -> bool {
        if self.count == 0 {
            return false;
        }
        let lengths = |of: &OfLength| -> Vec<usize> { (1..=WINDOW).filter(|length| !of[*length].is_empty()).collect() };
        let (whole, digits) = (lengths(&self.of_length), lengths(&self.of_digits));
        let mut last = 0_u32;
        for (at, byte) in bytes.iter().enumerate() {
            last = last << 8 | u32::from(FOLDED[usize::from(*byte)]);
            let (word, bit) = end_of(last);
            if self.ends[word] & bit == 0 {
                continue;
            }
            let packed = packed(&bytes[(at + 1).saturating_sub(WINDOW)..=at]);
            let has = |of: &OfLength, length: usize| {
                at + 1 >= length && of[length].contains(&(packed & (u128::MAX >> (128 - 8 * length))))
            };
            for length in whole.iter().filter(|length| has(&self.of_length, **length)) {
                if found(at + 1 - length..at + 1) {
                    return true;
                }
            }
            for length in digits.iter().filter(|length| has(&self.of_digits, **length)) {
                let range = at + 1 - length..at + 1;
                if found(if *length == WINDOW { with_digits_beside(bytes, range) } else { range }) {
                    return true;
                }
            }
        }
        false
    }
}

/// The range with the digits at either side that may belong to a secret, and of which no window was kept.
fn with_digits_beside(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let is_digit = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'/' | b'_');
    let before = bytes[..range.start].iter().rev().take(DIGITS_STEP).take_while(is_digit).count();
    let behind = bytes[range.end..].iter().take(DIGITS_STEP).take_while(is_digit).count();
    range.start - before..range.end + behind
}

/// Words of the bits for four bytes.
const ENDS: usize = (1 << 20) / 64;

/// The word and the bit of the last four bytes.
fn end_of(last: u32) -> (usize, u64) {
    let end = last.wrapping_mul(0x9e37_79b1) >> 12;
    (end as usize / 64, 1 << (end % 64))
}

/// A window, as it is known: the last of its bytes are the lowest.
fn packed(window: &[u8]) -> u128 {
    window.iter().fold(0, |packed, byte| packed << 8 | u128::from(FOLDED[usize::from(*byte)]))
}

/// [`folded`] of every byte: a text is looked through byte by byte.
const FOLDED: [u8; 256] = {
    let (mut all, mut byte) = ([0; 256], 0);
    while byte < 256 {
        all[byte] = folded(byte as u8);
        byte += 1;
    }
    all
};

/// One byte for all that spellings of one text do not tell apart.
const fn folded(byte: u8) -> u8 {
    match byte {
        b'+' | b'-' => b' ',
        b'_' => b'/',
        other => other.to_ascii_lowercase(),
    }
}
