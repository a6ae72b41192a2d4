//! The splitter: a JSON document goes by, and comes out as slices of whole records and a skeleton, the document without them.
//!
//! It counts brackets and strings and checks nothing: whoever takes the parts checks that each is JSON, and then the document is.

use memchr::memchr2;

use crate::decode::reader::Reader;
use crate::decode::stream::StreamBounds;

/// Bytes of a document around its records.
pub(super) const SKELETON_BYTES_MAX: usize = 16 << 20;

/// What is left out of the skeleton.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'p> {
    /// The records below these members; they are the slices.
    Records(&'p [&'p str]),
    /// All but what tells lists of objects, empty ones and others apart. There are no slices.
    Lists,
}

/// Some records of a list, or an object that is one.
#[derive(Debug)]
pub(super) struct Slice<'s> {
    /// What stands between the list's brackets, or between two commas in it; or the object.
    pub(super) bytes: &'s [u8],
    /// Its place in the document.
    pub(super) start: u64,
    /// Whether it is the first of its list.
    pub(super) is_first: bool,
    /// Whether it is the last of its list.
    pub(super) is_last: bool,
    /// Whether it is in no list.
    pub(super) is_object: bool,
}

/// Why a document cannot be split.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsplit {
    /// A record that begins here is too large.
    Record(u64),
    /// There is too much around the records.
    Skeleton,
    /// The records come a second time.
    Again(u64),
}

/// Splits a document, as it comes.
pub(super) struct Splitter<'p> {
    target: Target<'p>,
    bounds: StreamBounds,
    /// Bytes seen.
    at: u64,
    state: State,
    in_string: bool,
    escaped: bool,
    around: Around,
    inside: Inside,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Around the records.
    Around,
    /// In them.
    Inside,
    /// In a list that is left out.
    Left,
}

/// Where the walk is in the skeleton.
#[derive(Debug, Default)]
struct Around {
    skeleton: Vec<u8>,
    /// Bytes of the skeleton before the records, and how many bytes of the document are left out there.
    gap: Option<(usize, u64)>,
    depth: usize,
    /// Members of the path that the walk has followed; `depth` is one more in the object that has the next one.
    followed: usize,
    /// Whether the document is an object.
    is_object: bool,
    expects_key: bool,
    /// Where in the skeleton the key at hand begins.
    key_start: Option<usize>,
    /// The last key is the next of the path.
    key_matches: bool,
    /// The value of that key is next.
    value_next: bool,
}

/// Where the walk is in the records or in a list that is left out.
#[derive(Debug, Default)]
struct Inside {
    slice: Vec<u8>,
    slice_start: u64,
    record_start: u64,
    depth: usize,
    is_first: bool,
    is_object: bool,
    /// The first byte of the first element of a list that is left out.
    first_byte: Option<u8>,
}

impl Around {
    fn is_on_path(&self) -> bool {
        self.is_object && self.depth == self.followed + 1
    }
}

impl<'p> Splitter<'p> {
    pub(super) fn new(target: Target<'p>, bounds: StreamBounds) -> Self {
        Self {
            target,
            bounds,
            at: 0,
            state: State::Around,
            in_string: false,
            escaped: false,
            around: Around::default(),
            inside: Inside::default(),
        }
    }

    /// Takes the next bytes; slices go to `out`.
    ///
    /// # Errors
    /// [`Unsplit`], and what `out` returns.
    pub(super) fn feed<E: From<Unsplit>>(
        &mut self,
        mut bytes: &[u8],
        out: &mut impl FnMut(Slice<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let taken = match self.state {
                State::Around => self.around(bytes)?,
                State::Inside => self.inside(bytes, out)?,
                State::Left => self.left(bytes),
            };
            self.at += taken as u64;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// The skeleton; `None` when the document ends among the records.
    pub(super) fn end(self) -> Option<Skeleton> {
        let Around { skeleton, gap, .. } = self.around;
        (self.state == State::Around).then_some(Skeleton { bytes: skeleton, gap })
    }

    fn around(&mut self, bytes: &[u8]) -> Result<usize, Unsplit> {
        for (i, &byte) in bytes.iter().enumerate() {
            if self.around.skeleton.len() >= SKELETON_BYTES_MAX {
                return Err(Unsplit::Skeleton);
            }
            self.around.skeleton.push(byte);
            if self.in_string {
                self.string_byte(byte);
                continue;
            }
            match byte {
                b'"' => self.string_begins(),
                b'{' | b'[' => {
                    self.opened(byte, self.at + i as u64)?;
                    if self.state != State::Around {
                        return Ok(i + 1);
                    }
                }
                _ => self.between(byte),
            }
        }
        Ok(bytes.len())
    }

    /// A byte in a string around the records.
    fn string_byte(&mut self, byte: u8) {
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match byte {
            b'\\' => self.escaped = true,
            b'"' => {
                self.in_string = false;
                if let (Some(start), Target::Records(path)) = (self.around.key_start.take(), self.target) {
                    let key = self.around.skeleton.get(start..).and_then(|key| std::str::from_utf8(key).ok()).unwrap_or_default();
                    let mut reader = Reader::new(key);
                    let (token, mut scratch) = (reader.string().ok(), Vec::new());
                    let name = token.map(|token| reader.resolve(token, &mut scratch));
                    self.around.key_matches = name.is_some() && name == path.get(self.around.followed).copied();
                }
            }
            _ => {}
        }
    }

    fn string_begins(&mut self) {
        self.in_string = true;
        let around = &mut self.around;
        around.value_next = false;
        if around.is_on_path() && std::mem::take(&mut around.expects_key) {
            around.key_start = Some(around.skeleton.len() - 1);
        }
    }

    /// An object or array begins around the records, or they do.
    fn opened(&mut self, byte: u8, at: u64) -> Result<(), Unsplit> {
        let around = &mut self.around;
        let is_root = around.depth == 0;
        let follows = std::mem::take(&mut around.value_next);
        let are_records = match self.target {
            Target::Records([]) => is_root,
            Target::Records(path) => follows && around.followed + 1 == path.len(),
            Target::Lists => byte == b'[',
        };
        if are_records {
            if matches!(self.target, Target::Records(_)) {
                if around.gap.is_some() {
                    return Err(Unsplit::Again(at));
                }
                around.gap = Some((around.skeleton.len(), 0));
            }
            let is_object = byte == b'{';
            let start = if is_object { at } else { at + 1 };
            self.inside = Inside {
                slice: if is_object { vec![b'{'] } else { Vec::new() },
                slice_start: start,
                record_start: start,
                depth: 1,
                is_first: true,
                is_object,
                first_byte: None,
            };
            self.state = if matches!(self.target, Target::Lists) { State::Left } else { State::Inside };
            return Ok(());
        }
        around.depth += 1;
        if byte == b'{' && (is_root || follows) {
            around.is_object |= is_root;
            around.followed += usize::from(follows);
            around.expects_key = true;
        }
        Ok(())
    }

    /// A byte around the records that begins neither a string nor an object or array.
    fn between(&mut self, byte: u8) {
        let around = &mut self.around;
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b'}' | b']' => {
                if around.is_on_path() {
                    around.followed = around.followed.saturating_sub(1);
                }
                around.depth = around.depth.saturating_sub(1);
                (around.expects_key, around.value_next) = (false, false);
            }
            b',' => {
                around.value_next = false;
                if around.is_on_path() {
                    (around.expects_key, around.key_matches) = (true, false);
                }
            }
            b':' if around.is_on_path() => around.value_next = around.key_matches,
            _ => around.value_next = false,
        }
    }

    /// The hot path: records go by.
    fn inside<E: From<Unsplit>>(&mut self, bytes: &[u8], out: &mut impl FnMut(Slice<'_>) -> Result<(), E>) -> Result<usize, E> {
        let (mut i, mut from) = (0, 0);
        while let Some(&byte) = bytes.get(i) {
            if self.in_string {
                i += self.skip_string(bytes.get(i..).unwrap_or_default());
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.inside.depth += 1,
                b'}' | b']' => {
                    self.inside.depth -= 1;
                    if self.inside.depth == 0 {
                        self.take(bytes, from, if self.inside.is_object { i + 1 } else { i })?;
                        self.emit(true, out)?;
                        self.close(byte);
                        return Ok(i + 1);
                    }
                }
                b',' if self.inside.depth == 1 && !self.inside.is_object => {
                    let next = self.at + i as u64 + 1;
                    if self.inside.slice.len() + (i - from) >= self.bounds.slice_bytes {
                        self.take(bytes, from, i)?;
                        self.emit(false, out)?;
                        (self.inside.slice_start, from) = (next, i + 1);
                    }
                    self.inside.record_start = next;
                }
                _ => {}
            }
            i += 1;
        }
        self.take(bytes, from, bytes.len())?;
        Ok(bytes.len())
    }

    /// Bytes up to the end of the string, or of what has come of it.
    fn skip_string(&mut self, bytes: &[u8]) -> usize {
        if std::mem::take(&mut self.escaped) {
            return 1;
        }
        let Some(at) = memchr2(b'"', b'\\', bytes) else { return bytes.len() };
        if bytes.get(at) == Some(&b'"') {
            self.in_string = false;
        } else {
            self.escaped = true;
        }
        at + 1
    }

    /// Adds to the slice at hand.
    fn take(&mut self, bytes: &[u8], from: usize, to: usize) -> Result<(), Unsplit> {
        self.inside.slice.extend_from_slice(bytes.get(from..to).unwrap_or_default());
        if (self.at + to as u64).saturating_sub(self.inside.record_start) > self.bounds.record_bytes as u64 {
            return Err(Unsplit::Record(self.inside.record_start));
        }
        Ok(())
    }

    fn emit<E>(&mut self, is_last: bool, out: &mut impl FnMut(Slice<'_>) -> Result<(), E>) -> Result<(), E> {
        let Inside { slice, slice_start, is_first, is_object, .. } = &mut self.inside;
        if let Some((_, left_out)) = &mut self.around.gap {
            *left_out += slice.len() as u64 + u64::from(!is_last) - u64::from(*is_object) * 2;
        }
        let is_first = std::mem::replace(is_first, false);
        out(Slice { bytes: slice, start: *slice_start, is_first, is_last, is_object: *is_object })?;
        slice.clear();
        Ok(())
    }

    /// Back around the records, behind the byte that ends them.
    fn close(&mut self, byte: u8) {
        self.around.skeleton.push(byte);
        self.state = State::Around;
    }

    fn left(&mut self, bytes: &[u8]) -> usize {
        let mut i = 0;
        while let Some(&byte) = bytes.get(i) {
            if self.in_string {
                i += self.skip_string(bytes.get(i..).unwrap_or_default());
                continue;
            }
            i += 1;
            if !byte.is_ascii_whitespace() {
                self.inside.first_byte.get_or_insert(byte);
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.inside.depth += 1,
                b'}' | b']' => self.inside.depth -= 1,
                _ => {}
            }
            if self.inside.depth == 0 {
                let first: &[u8] = match self.inside.first_byte {
                    Some(b'{') => b"{}",
                    Some(b']') => b"",
                    _ => b"0",
                };
                self.around.skeleton.extend_from_slice(first);
                self.close(byte);
                break;
            }
        }
        i
    }
}

/// A document without its records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) bytes: Vec<u8>,
    gap: Option<(usize, u64)>,
}

impl Skeleton {
    /// The place in the document of a place in the skeleton.
    pub(super) fn place(&self, at: usize) -> usize {
        match self.gap {
            Some((before, left_out)) if at >= before => at.saturating_add(usize::try_from(left_out).unwrap_or(usize::MAX)),
            _ => at,
        }
    }
}
