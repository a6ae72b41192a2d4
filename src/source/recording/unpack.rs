//! Bodies on their way into a recording: gzip undone as they come, so that a secret within is found.
//!
//! In: the bytes of a body as they come. Out: what they stand for. gzip inside gzip is undone once more, as [`crate::source::body`] does.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// gzip inside gzip is undone this often.
const LAYERS_MAX: u32 = 2;
/// Unpacked bytes, past which a body that became so many times as long is not unpacked any more.
const BOMB_BYTES_MIN: u64 = 1 << 30;
const RATIO_MAX: u64 = 500;

/// Undoes the packing of one body.
pub(super) struct Unpacker {
    layer: Layer,
    packed_bytes: u64,
    bytes: u64,
}

enum Layer {
    /// So few bytes came that nobody knows, within so many layers.
    Begin(Vec<u8>, u32),
    Plain,
    Packed(Box<MultiGzDecoder<Vec<u8>>>, Box<Layer>),
}

impl Default for Unpacker {
    fn default() -> Self {
        Self { layer: Layer::Begin(Vec::new(), 0), packed_bytes: 0, bytes: 0 }
    }
}

impl Unpacker {
    /// Takes the next bytes; adds what they stand for to `out`.
    ///
    /// # Errors
    /// When they are damaged, or packed to fill disks.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let before = out.len();
        self.packed_bytes += bytes.len() as u64;
        self.layer.feed(bytes, out)?;
        self.bytes += (out.len() - before) as u64;
        if self.bytes > BOMB_BYTES_MIN && self.bytes / RATIO_MAX > self.packed_bytes {
            return Err(io::Error::other("packed to fill disks"));
        }
        Ok(())
    }

    /// The body is over. Whether it was packed.
    ///
    /// # Errors
    /// When it was cut.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        self.layer.end(out)
    }
}

impl Layer {
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Begin(begin, depth) => {
                begin.extend_from_slice(bytes);
                if begin.len() < MAGIC.len() && MAGIC.starts_with(begin) {
                    return Ok(());
                }
                let (begin, depth) = (std::mem::take(begin), *depth);
                *self = match begin.starts_with(&MAGIC) && depth < LAYERS_MAX {
                    true => Self::Packed(Box::new(MultiGzDecoder::new(Vec::new())), Box::new(Self::Begin(Vec::new(), depth + 1))),
                    false => Self::Plain,
                };
                self.feed(&begin, out)
            }
            Self::Plain => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Packed(decoder, inner) => {
                decoder.write_all(bytes)?;
                inner.feed(&std::mem::take(decoder.get_mut()), out)
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Begin(begin, _) => {
                out.append(begin);
                Ok(false)
            }
            Self::Plain => Ok(false),
            Self::Packed(decoder, inner) => {
                decoder.try_finish()?;
                inner.feed(&std::mem::take(decoder.get_mut()), out)?;
                inner.end(out)?;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8], step: usize) -> io::Result<(Vec<u8>, bool)> {
        let (mut unpacker, mut out) = (Unpacker::default(), Vec::new());
        for piece in bytes.chunks(step) {
            unpacker.feed(piece, &mut out)?;
        }
        let was_packed = unpacker.end(&mut out)?;
        Ok((out, was_packed))
    }

    #[test]
    fn bodies_are_unpacked_however_they_are_cut_into_pieces() {
        let text = b"[{\"id\":1},{\"id\":2}]".repeat(50);
        for step in [1, 2, 7, 1 << 20] {
            assert_eq!(unpacked(&text, step).unwrap(), (text.clone(), false));
            assert_eq!(unpacked(&packed(&text), step).unwrap(), (text.clone(), true));
            assert_eq!(unpacked(&packed(&packed(&text)), step).unwrap(), (text.clone(), true));
        }
        assert_eq!(unpacked(&[0x1f], 1).unwrap(), (vec![0x1f], false));
        assert_eq!(unpacked(&[], 1).unwrap(), (Vec::new(), false));
    }

    #[test]
    fn a_body_that_is_cut_or_damaged_is_told() {
        let whole = packed(&b"[{\"id\":1}]".repeat(50));
        assert!(unpacked(&whole[..whole.len() - 3], 5).is_err());
        let mut damaged = whole.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert!(unpacked(&damaged, 5).is_err());
    }
}
