//! Bytes in digits of base 16, 32 and 64.
//!
//! In: what a secret is made of. Out: the digits that it alone decides, at every place where it can begin among others' bytes, so that a text that
//! has them is known for what it says without reading any of its digits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of the shortest text that is looked for in digits, and digits of the shortest that count: less may stand anywhere by chance.
const MIN: usize = 6;

/// The digits of RFC 4648, section 6.
const OF_32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const OF_16: &[u8; 16] = b"0123456789abcdef";

/// The texts in Base64 that have `bytes` among others.
pub(super) fn in_64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let places = (0..3).map(|before| {
        let mut text = STANDARD_NO_PAD.encode([&[0; 2][..before], bytes].concat()).into_bytes();
        let is_cut = !(before + bytes.len()).is_multiple_of(3);
        text.truncate(text.len() - usize::from(is_cut));
        text.split_off([0, 2, 3][before].min(text.len()))
    });
    places.filter(|text| text.len() >= MIN).collect()
}

/// The texts in digits that have `bytes` among others, where they are long enough; Base64 alone `if_twice`, of what is so already.
pub(super) fn in_digits(bytes: &[u8], if_twice: bool) -> Vec<Vec<u8>> {
    if bytes.len() < MIN {
        return Vec::new();
    }
    let of_16 = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| OF_16[usize::from(digit)]).collect();
    let of_64 = if if_twice { in_64(bytes) } else { Vec::new() };
    (0..5).map(|before| in_32(before, bytes)).chain([of_16]).chain(of_64).collect()
}

/// The digits of base 32 that `bytes` alone decide when `before` bytes, modulo 5, stand before them.
fn in_32(before: usize, bytes: &[u8]) -> Vec<u8> {
    // Bits of the first byte that belong to a digit of the byte before.
    let passed_over = (5 - before * 8 % 5) % 5;
    let (mut held, mut bits, mut passed_over, mut digits) = (0_u32, 0_u32, passed_over as u32, Vec::new());
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        held += 8 - passed_over;
        passed_over = 0;
        while held >= 5 {
            held -= 5;
            digits.push(OF_32[(bits >> held & 31) as usize]);
        }
        bits &= (1 << held) - 1;
    }
    digits
}
