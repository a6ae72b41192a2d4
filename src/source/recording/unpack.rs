//! Bodies on their way into a recording: unpacked as they come, so that a secret within is found.
//!
//! In: the bytes of a body as they come. Out: what they stand for. What is packed twice is undone twice, as [`crate::source::body`] does.

use std::io;

use crate::source::packing::{LAYERS_MAX, Packing, TELLING, Unpack};

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
    /// So few bytes came that nobody knows.
    Begin(Begun),
    Plain,
    Packed(Unpack, Box<Layer>),
}

/// The beginning of a layer.
struct Begun {
    bytes: Vec<u8>,
    /// Layers that it is within.
    depth: u32,
    /// Whether the headers say brotli, and none was met.
    is_brotli: bool,
}

impl Unpacker {
    /// Of a body that is brotli by its headers, or not.
    pub(super) fn new(is_brotli: bool) -> Self {
        Self { layer: Layer::Begin(Begun { bytes: Vec::new(), depth: 0, is_brotli }), packed_bytes: 0, bytes: 0 }
    }

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
            Self::Begin(begun) => {
                begun.bytes.extend_from_slice(bytes);
                if begun.bytes.len() < TELLING { Ok(()) } else { self.settle(out) }
            }
            Self::Plain => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Self::Packed(unpack, inner) => inner.feed(&unpack.feed(bytes)?, out),
        }
    }

    /// Settles what a layer is that has begun.
    fn settle(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let Self::Begin(Begun { bytes, depth, is_brotli }) = self else { return Ok(()) };
        let (bytes, depth, is_brotli) = (std::mem::take(bytes), *depth, *is_brotli);
        *self = match Packing::of(&bytes, is_brotli).filter(|_| depth < LAYERS_MAX) {
            Some(packing) => {
                let is_brotli = is_brotli && packing != Packing::Brotli;
                let inner = Self::Begin(Begun { bytes: Vec::new(), depth: depth + 1, is_brotli });
                Self::Packed(packing.writer()?, Box::new(inner))
            }
            None => Self::Plain,
        };
        self.feed(&bytes, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<bool> {
        self.settle(out)?;
        match self {
            Self::Begin(_) | Self::Plain => Ok(false),
            Self::Packed(unpack, inner) => {
                inner.feed(&unpack.end()?, out)?;
                inner.end(out)?;
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8], step: usize) -> io::Result<(Vec<u8>, bool)> {
        let (mut unpacker, mut out) = (Unpacker::new(bytes.len() > 1), Vec::new());
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
        let brotli = include_bytes!("../../../tests/fixtures/ids.json.br");
        let (once, whole) = (unpacked(brotli, 1).unwrap(), unpacked(&packed(brotli), 9).unwrap());
        assert_eq!((once.1, whole.1, &once.0), (true, true, &whole.0));
        assert!(once.0.starts_with(b"["), "{:?}", String::from_utf8_lossy(&once.0));
        let zstd = zstd::bulk::compress(&text, 3).unwrap();
        for step in [1, 5, 1 << 20] {
            assert_eq!(unpacked(&zstd, step).unwrap(), (text.clone(), true));
        }
        assert!(unpacked(&zstd[..zstd.len() - 3], 5).is_err());
        assert!(unpacked(&brotli[..brotli.len() - 3], 5).is_err());
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
