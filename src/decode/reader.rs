//! Reader: the JSON tokens of a page, exactly as RFC 8259 has them.
//!
//! In: the page's text. Out: tokens, one at a time, as ranges of that text. Invariants: what RFC 8259 does not allow is a
//! [`Fault`] with its offset, whether the value is kept or skipped; nesting is at most [`DEPTH_MAX`] deep; half of a
//! surrogate pair is U+FFFD and counted, so that every string is Unicode text.
//! Not here: what the values mean.

use crate::decode::fault::{Fault, Outcome};
use crate::decode::token::Number;

/// Deepest nesting of objects and arrays in a page, the page's outermost value included.
pub(super) const DEPTH_MAX: u32 = 128;

/// What the config says of texts and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TextRules {
    /// U+FFFD in the text may stand for what is none: halves of surrogate pairs, invalid bytes.
    pub(super) is_mended: bool,
    /// NUL characters are left out of strings.
    pub(super) strip_nul: bool,
    /// No object of a record has a name twice.
    pub(super) unique_names: bool,
}

/// Characters of a page's strings that are not what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mended {
    /// Halves of surrogate pairs without the other half: each is read as U+FFFD.
    pub(super) replaced: u64,
    /// NUL characters left out.
    pub(super) stripped: u64,
}

/// A position in a page, and the tokens behind it.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// Byte offset of the next token or of the space before it.
    pub(super) pos: usize,
    /// Open objects and arrays.
    pub(super) depth: u32,
    pub(super) mended: Mended,
    pub(super) rules: TextRules,
}

/// A string's range between its quotes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringToken {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether there is a `\` in it.
    pub(super) escaped: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), pos: 0, depth: 0, mended: Mended::default(), rules: TextRules::default() }
    }

    /// The same reader under these rules.
    pub(super) fn under(self, rules: TextRules) -> Self {
        Self { rules, ..self }
    }

    /// The page's text from byte `start` up to `end`; empty if that is no range of characters.
    #[inline]
    pub(super) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// The bytes from the position on.
    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.pos..).unwrap_or_default()
    }

    /// The next byte, 0 at the end: a byte that no token begins with or contains.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.pos).copied().unwrap_or(0)
    }

    /// Moves to the next token.
    #[inline]
    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.pos += 1;
        }
    }

    /// A fault at the position: `expected` is what had to stand there.
    #[cold]
    pub(super) fn expected<T>(&self, expected: &'static str) -> Outcome<T> {
        Err(Fault::Syntax { at: self.pos, expected }.into())
    }

    /// Steps into an object or array, whose opening byte is next.
    #[inline]
    pub(super) fn enter(&mut self) -> Outcome<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::TooDeep { at: self.pos }.into());
        }
        self.pos += 1;
        self.skip_space();
        Ok(())
    }

    /// Steps out of an object or array, whose closing byte is next.
    #[inline]
    pub(super) fn leave(&mut self) {
        self.depth -= 1;
        self.pos += 1;
    }

    /// After a member or element: `true` and at the next one behind a `,`, `false` and out of the container behind `close`.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Outcome<bool> {
        let mut byte = self.peek();
        if byte <= b' ' {
            self.skip_space();
            byte = self.peek();
        }
        if byte == b',' {
            self.pos += 1;
            if self.peek() <= b' ' {
                self.skip_space();
            }
            Ok(true)
        } else if byte == close {
            self.leave();
            Ok(false)
        } else {
            self.expected(if close == b'}' { "`,` or `}`" } else { "`,` or `]`" })
        }
    }

    /// Reads a member's name and its `:`, up to its value.
    pub(super) fn key(&mut self) -> Outcome<StringToken> {
        if self.peek() != b'"' {
            return self.expected("a member's name in quotes");
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != b':' {
            return self.expected("`:`");
        }
        self.pos += 1;
        self.skip_space();
        Ok(key)
    }

    /// Reads a string; the `"` is next.
    #[inline]
    pub(super) fn string(&mut self) -> Outcome<StringToken> {
        let start = self.pos + 1;
        self.pos = special_from(self.bytes, start);
        if self.peek() == b'"' {
            let end = self.pos;
            self.pos += 1;
            return Ok(StringToken { start, end, escaped: false });
        }
        self.string_rest(start)
    }

    #[cold]
    fn string_rest(&mut self, start: usize) -> Outcome<StringToken> {
        let mut escaped = false;
        loop {
            self.pos = special_from(self.bytes, self.pos);
            match self.bytes.get(self.pos) {
                Some(b'"') => {
                    let end = self.pos;
                    self.pos += 1;
                    return Ok(StringToken { start, end, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.expected("no bare control character in a string"),
                None => return self.expected("the `\"` that ends a string"),
            }
        }
    }

    /// Checks and skips an escape; its `\` is next.
    fn escape(&mut self) -> Outcome<()> {
        let at = self.pos;
        match self.bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.pos += 2,
            Some(b'u') => {
                let unit = hex4(self.bytes, at + 2).ok_or(Fault::Syntax { at, expected: "four hex digits after `\\u`" })?;
                self.pos += 6;
                if (0xd800..0xdc00).contains(&unit) {
                    let low = (self.bytes.get(at + 6..at + 8) == Some(b"\\u")).then(|| hex4(self.bytes, at + 8)).flatten();
                    if low.is_some_and(|low| (0xdc00..0xe000).contains(&low)) {
                        self.pos += 6;
                    } else {
                        self.mended.replaced += 1;
                    }
                } else if (0xdc00..0xe000).contains(&unit) {
                    self.mended.replaced += 1;
                } else if unit == 0 && self.rules.strip_nul {
                    self.mended.stripped += 1;
                }
            }
            _ => return self.expected("a JSON escape after `\\`"),
        }
        Ok(())
    }

    /// Appends the text of a string that [`Self::string`] accepted, its escapes resolved.
    #[inline]
    pub(super) fn unescape_into(&self, token: StringToken, out: &mut Vec<u8>) {
        let raw = self.bytes.get(token.start..token.end).unwrap_or_default();
        if token.escaped { unescape(raw, self.rules.strip_nul, out) } else { out.extend_from_slice(raw) }
    }

    /// The text of a string that [`Self::string`] accepted; `scratch` holds it when it has escapes.
    #[inline]
    pub(super) fn resolve<'s>(&self, token: StringToken, scratch: &'s mut Vec<u8>) -> &'s str
    where
        'a: 's,
    {
        if !token.escaped {
            return self.slice(token.start, token.end);
        }
        scratch.clear();
        self.unescape_into(token, scratch);
        std::str::from_utf8(scratch).unwrap_or_default()
    }

    /// Reads a number; `-` or a digit is next.
    #[inline]
    pub(super) fn number(&mut self) -> Outcome<Number<'a>> {
        let start = self.pos;
        match Number::scan(self.rest()) {
            Ok((mut number, length)) => {
                self.pos += length;
                number.text = self.slice(start, self.pos);
                Ok(number)
            }
            Err(length) => {
                self.pos += length;
                self.expected("a digit")
            }
        }
    }

    /// Reads `word`, of which the first byte is next.
    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Outcome<()> {
        if self.rest().starts_with(word.as_bytes()) {
            self.pos += word.len();
            return Ok(());
        }
        self.expected("a value")
    }

    /// Where an object within the value that is next has a name for the second time.
    pub(super) fn repeated_name(&self) -> Option<usize> {
        let mut ahead = self.clone();
        ahead.find_repeated().unwrap_or_default()
    }

    fn find_repeated(&mut self) -> Outcome<Option<usize>> {
        let open = self.peek();
        if !matches!(open, b'{' | b'[') {
            return self.skip_value().map(|()| None);
        }
        let (close, mut names) = (open + 2, hashbrown::HashSet::new());
        self.enter()?;
        if self.peek() == close {
            self.leave();
            return Ok(None);
        }
        loop {
            let at = self.pos;
            if open == b'{' {
                let key = self.key()?;
                if !names.insert(self.resolve(key, &mut Vec::new()).to_owned()) {
                    return Ok(Some(at));
                }
            }
            if let Some(found) = self.find_repeated()? {
                return Ok(Some(found));
            }
            if !self.more(close)? {
                return Ok(None);
            }
        }
    }

    /// Reads a value and forgets it, as strictly as if it were kept.
    pub(super) fn skip_value(&mut self) -> Outcome<()> {
        match self.peek() {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            b'{' => {
                self.enter()?;
                if self.peek() == b'}' {
                    self.leave();
                    return Ok(());
                }
                loop {
                    self.key()?;
                    self.skip_value()?;
                    if !self.more(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.enter()?;
                if self.peek() == b']' {
                    self.leave();
                    return Ok(());
                }
                loop {
                    self.skip_value()?;
                    if !self.more(b']')? {
                        return Ok(());
                    }
                }
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => self.expected("a value"),
        }
    }

    /// The kind of the value whose first byte is next, as messages name it.
    pub(super) fn kind(&self) -> &'static str {
        match self.peek() {
            b'"' => "string",
            b'-' | b'0'..=b'9' => "number",
            b'{' => "object",
            b'[' => "array",
            b't' | b'f' => "boolean",
            b'n' => "null",
            _ => "nothing",
        }
    }
}

/// The offset of the first `"`, `\` or control character at or after `pos`, or the end.
#[inline]
fn special_from(bytes: &[u8], mut pos: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(pos..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, slash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
        // Each term has the high bit of a byte set if that byte is special; only bytes behind the first one may be wrong.
        let special =
            (quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | (word.wrapping_sub(ONES * 0x20) & !word);
        if special & HIGH != 0 {
            return pos + ((special & HIGH).trailing_zeros() / 8) as usize;
        }
        pos += 8;
    }
    while bytes.get(pos).is_some_and(|&byte| byte != b'"' && byte != b'\\' && byte >= 0x20) {
        pos += 1;
    }
    pos
}

fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 4)?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

/// Appends `raw` with its escapes resolved, without NUL characters if they are to be stripped; they have been checked.
fn unescape(raw: &[u8], strip_nul: bool, out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (byte, length) = match escape.get(1) {
            Some(b'u') => {
                let (code, length) = match hex4(escape, 2).unwrap_or(0xfffd) {
                    high @ 0xd800..0xdc00 => {
                        let low = (escape.get(6..8) == Some(b"\\u")).then(|| hex4(escape, 8)).flatten();
                        match low.filter(|low| (0xdc00..0xe000).contains(low)) {
                            Some(low) => (0x10000 + ((high - 0xd800) << 10) + (low & 0x3ff), 12),
                            None => (high, 6),
                        }
                    }
                    unit => (unit, 6),
                };
                rest = escape.get(length..).unwrap_or_default();
                if code == 0 && strip_nul {
                    continue;
                }
                let mut buffer = [0; 4];
                let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
                continue;
            }
            Some(b'b') => (8, 2),
            Some(b'f') => (12, 2),
            Some(b'n') => (b'\n', 2),
            Some(b'r') => (b'\r', 2),
            Some(b't') => (b'\t', 2),
            Some(&other) => (other, 2),
            None => return,
        };
        out.push(byte);
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
