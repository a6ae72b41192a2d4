//! The pieces of secrets, and where a text has one of them.

use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hashbrown::HashSet;

/// Bytes of a secret that give it away: wherever a text has so many of them in a row, they are struck. Shorter secrets are found whole.
const WINDOW: usize = 16;
/// Bytes of a secret that are looked for: more than a key or a token has.
const BYTES_MAX: usize = 64 << 10;
/// Characters of Base64 that no two texts share by chance.
const BASE64_MIN: usize = 6;
/// Different bytes that a window of a longer secret has at least: a row of `=` or zeros gives nothing away.
const DISTINCT_MIN: usize = 4;

/// All windows of some secrets, by their length.
#[derive(Default)]
pub(super) struct Windows {
    of_length: [HashSet<u128>; WINDOW + 1],
    /// A bit for every two bytes that a window ends with: most places of a text need no closer look.
    ends: Vec<u64>,
    count: usize,
}

impl Windows {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds a secret: its lines, each as it is and in Base64 at the three places where it can begin among others' bytes.
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
            self.add_bytes(bytes);
            for before in 0..3 {
                let text = base64_after(before, bytes);
                if text.len() >= BASE64_MIN {
                    self.add_bytes(text.as_bytes());
                }
            }
        }
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let length = bytes.len().min(WINDOW);
        for window in bytes.windows(length) {
            let distinct = window.iter().enumerate().filter(|(at, byte)| !window[..*at].contains(byte)).count();
            if bytes.len() <= WINDOW || distinct >= DISTINCT_MIN {
                let packed = window.iter().fold(0, |packed, byte| packed << 8 | u128::from(folded(*byte)));
                self.count += usize::from(self.of_length[length].insert(packed));
                self.ends.resize(ENDS, 0);
                let (word, bit) = end_of(packed);
                self.ends[word] |= bit;
            }
        }
    }

    /// Calls `found` with every place of `bytes` where a window of so many bytes or more stands.
    pub(super) fn find(&self, bytes: &[u8], bytes_min: usize, mut found: impl FnMut(Range<usize>)) {
        let lengths: Vec<(usize, u128)> = (bytes_min.max(1)..=WINDOW)
            .filter(|length| !self.of_length[*length].is_empty())
            .map(|length| (length, u128::MAX >> (128 - 8 * length)))
            .collect();
        if lengths.is_empty() {
            return;
        }
        let mut packed = 0_u128;
        for (at, byte) in bytes.iter().enumerate() {
            packed = packed << 8 | u128::from(folded(*byte));
            let (word, bit) = end_of(packed);
            if self.ends[word] & bit == 0 {
                continue;
            }
            for (length, mask) in &lengths {
                if at + 1 >= *length && self.of_length[*length].contains(&(packed & mask)) {
                    found(at + 1 - length..at + 1);
                }
            }
        }
    }
}

/// Words of a bit for every two bytes.
const ENDS: usize = (1 << 16) / 64;

/// The word and the bit of the last two bytes.
fn end_of(packed: u128) -> (usize, u64) {
    let end = (packed & 0xffff) as usize;
    (end / 64, 1 << (end % 64))
}

/// One byte for all that spellings of one text do not tell apart.
fn folded(byte: u8) -> u8 {
    match byte {
        b'+' | b'-' => b' ',
        b'_' => b'/',
        other => other.to_ascii_lowercase(),
    }
}

/// The characters of Base64 that `bytes` alone decide when `before` bytes, modulo 3, stand before them.
fn base64_after(before: usize, bytes: &[u8]) -> String {
    let mut text = STANDARD_NO_PAD.encode([&[0; 2][..before], bytes].concat());
    let is_cut = !(before + bytes.len()).is_multiple_of(3);
    text.truncate(text.len() - usize::from(is_cut));
    text.split_off([0, 2, 3][before].min(text.len()))
}
