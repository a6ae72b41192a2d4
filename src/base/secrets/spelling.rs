//! A text with its spellings undone: percent-encoding, escapes of JSON, Rust, JavaScript and C, entities of HTML.
//!
//! In: a text. Out: bytes, and for any range of them the place in the text that it was made of. Everything is undone at once, as often as
//! it was done: a server that quotes a URL in JSON in HTML does all three.

use std::borrow::Cow;
use std::ops::Range;

/// Named entities (HTML Living Standard, section 13.5) of the characters that keys are made of.
const ENTITIES: [(&str, u8); 36] = [
    ("amp", b'&'),
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("AMP", b'&'),
    ("LT", b'<'),
    ("GT", b'>'),
    ("QUOT", b'"'),
    ("plus", b'+'),
    ("sol", b'/'),
    ("equals", b'='),
    ("percnt", b'%'),
    ("num", b'#'),
    ("commat", b'@'),
    ("excl", b'!'),
    ("dollar", b'$'),
    ("ast", b'*'),
    ("midast", b'*'),
    ("comma", b','),
    ("period", b'.'),
    ("colon", b':'),
    ("semi", b';'),
    ("quest", b'?'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("lcub", b'{'),
    ("rcub", b'}'),
    ("bsol", b'\\'),
    ("lowbar", b'_'),
    ("verbar", b'|'),
    ("Hat", b'^'),
];

/// Longest entity that is looked for, from `&` to `;`.
const ENTITY_BYTES_MAX: usize = 12;

/// A text, or what it means.
pub(super) struct View<'t> {
    bytes: Cow<'t, [u8]>,
    /// Where in the text each byte begins, and the text's end; `None`: at its own place.
    starts: Option<Vec<usize>>,
}

impl<'t> View<'t> {
    /// The text as it is.
    pub(super) fn plain(text: &'t [u8]) -> Self {
        Self { bytes: Cow::Borrowed(text), starts: None }
    }

    /// Where in the text a byte begins, or the last one ends.
    fn start(&self, at: usize) -> usize {
        self.starts.as_ref().map_or(at, |starts| starts[at])
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The range of the text that a range of the bytes was made of.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        let Some(starts) = &self.starts else { return range };
        let last = starts[range.end - 1];
        // Bytes of one character begin at one place.
        let end = starts[range.end..].iter().find(|start| **start > last);
        starts[range.start]..end.copied().unwrap_or(last)
    }

    /// The same with every escape undone once; `None` when there is none.
    pub(super) fn decoded(&self) -> Option<Self> {
        let (mut escapes, from) = (Vec::new(), self.bytes.as_ref());
        let bytes = undone(from, |escape| escapes.push(escape))?;
        let (mut starts, mut at) = (Vec::with_capacity(bytes.len() + 1), 0);
        for escape in escapes {
            starts.extend((at..escape.at).map(|at| self.start(at)));
            starts.resize(starts.len() + escape.bytes, self.start(escape.at));
            at = escape.at + escape.length;
        }
        starts.extend((at..=from.len()).map(|at| self.start(at)));
        Some(Self { bytes: Cow::Owned(bytes), starts: Some(starts) })
    }
}

/// An escape of a text.
pub(super) struct Escape {
    at: usize,
    length: usize,
    /// Bytes that it means.
    bytes: usize,
}

/// `from` with every escape undone once, each told to `escape`; `None` when there is none.
pub(super) fn undone(from: &[u8], mut escape: impl FnMut(Escape)) -> Option<Vec<u8>> {
    let (mut bytes, mut is_changed) = (Vec::new(), false);
    // What stands from `plain` on is not copied yet, and what stands from `at` on not looked at.
    let (mut plain, mut at) = (0, 0);
    while let Some(next) = memchr::memchr3(b'%', b'\\', b'&', &from[at..]) {
        at += next;
        bytes.extend_from_slice(&from[plain..at]);
        let before = bytes.len();
        let length = match from[at] {
            b'%' => percent(&from[at..], &mut bytes),
            b'\\' => backslash(&from[at..], &mut bytes),
            _ => entity(&from[at..], &mut bytes),
        };
        plain = at + length.unwrap_or(0);
        if let Some(length) = length {
            is_changed = true;
            escape(Escape { at, length, bytes: bytes.len() - before });
        }
        at += length.unwrap_or(1);
    }
    bytes.extend_from_slice(&from[plain..]);
    is_changed.then_some(bytes)
}

/// Two digits of base 16 at `at`.
fn hex(from: &[u8], at: Range<usize>) -> Option<u32> {
    let digits = std::str::from_utf8(from.get(at)?).ok()?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

fn push(out: &mut Vec<u8>, code: u32) -> Option<()> {
    out.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

/// `%2b` (RFC 3986, section 2.1), and `%u002b` of old JavaScript. Gives the bytes used.
fn percent(from: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    if let Some(byte) = hex(from, 1..3) {
        out.push(u8::try_from(byte).ok()?);
        return Some(3);
    }
    let code = from.get(1).filter(|b| matches!(b, b'u' | b'U')).and_then(|_| hex(from, 2..6))?;
    push(out, code).map(|()| 6)
}

/// `\/`, `\u002B` (RFC 8259, section 7), `\x2b`, `\u{2b}`, `\053`.
fn backslash(from: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    match from.get(1)? {
        b'u' if from.get(2) == Some(&b'{') => {
            let end = from.iter().take(11).position(|b| *b == b'}')?;
            push(out, hex(from, 3..end)?).map(|()| end + 1)
        }
        b'u' | b'U' => {
            let high = hex(from, 2..6)?;
            let low = hex(from, 8..12).filter(|_| from.get(6) == Some(&b'\\') && matches!(from.get(7), Some(b'u' | b'U')));
            match low {
                Some(low) if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) => {
                    push(out, 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).map(|()| 12)
                }
                _ => push(out, high).map(|()| 6),
            }
        }
        b'0'..=b'3' => {
            let digits = from.get(1..4).filter(|digits| digits.iter().all(|digit| matches!(digit, b'0'..=b'7')))?;
            out.push(digits.iter().fold(0, |code, digit| code << 3 | (digit - b'0')));
            Some(4)
        }
        b'x' => push(out, hex(from, 2..4)?).map(|()| 4),
        byte @ (b'/' | b'\\' | b'"' | b'\'' | b'&') => {
            out.push(*byte);
            Some(2)
        }
        _ => None,
    }
}

/// `&plus;`, `&#43;`, `&#x2B;`.
fn entity(from: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let end = from.iter().take(ENTITY_BYTES_MAX).position(|b| *b == b';')?;
    let name = std::str::from_utf8(&from[1..end]).ok()?;
    if let Some(digits) = name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")) {
        push(out, hex(digits.as_bytes(), 0..digits.len())?)?;
    } else if let Some(digits) = name.strip_prefix('#') {
        push(out, digits.parse().ok()?)?;
    } else {
        out.push(ENTITIES.iter().find(|(known, _)| *known == name)?.1);
    }
    Some(end + 1)
}
