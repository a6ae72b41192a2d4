//! Packing: gzip, zstd and brotli, how they are known, and how they are undone.
//!
//! In: bytes, and what the headers call them. Out: a reader or a writer that gives what the bytes stand for; gzip and zstd check their sums.
//! gzip and zstd are known by their first bytes, whatever the headers say; brotli has none of its own, and is believed where the body is no text.
//! Not here: how much may come out ([`crate::source::body`]).

use std::io::{self, BufRead, Read, Write};

use brotli_decompressor::{Decompressor, DecompressorWriter};
use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// What requests ask for (`Accept-Encoding`).
pub(super) const ACCEPTED: &str = "gzip, zstd, br";
/// Packed bytes within packed bytes are undone this often: servers that compress a stored `.gz` again exist.
pub(super) const LAYERS_MAX: u32 = 2;
/// Bytes that tell what a body is.
pub(super) const TELLING: usize = 64;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Byte order marks of UTF-16, which no brotli that holds something begins with.
const MARKS: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];
/// Bytes that brotli reads and writes at once.
const BUFFER: usize = 64 << 10;

/// How bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    Gzip,
    Zstd,
    Brotli,
}

impl Packing {
    /// How a body is packed that begins with `head`; `is_brotli`: the headers say that it is brotli.
    pub(super) fn of(head: &[u8], is_brotli: bool) -> Option<Self> {
        match head {
            _ if head.starts_with(&GZIP) => Some(Self::Gzip),
            _ if head.starts_with(&ZSTD) => Some(Self::Zstd),
            // Some servers name an encoding and send plain text.
            _ if is_brotli && !is_text(head) => Some(Self::Brotli),
            _ => None,
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "brotli",
        }
    }

    /// What `packed` stands for.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn reader<'r>(self, packed: impl BufRead + Send + 'r) -> io::Result<Box<dyn Read + Send + 'r>> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(packed)),
            Self::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(packed)?),
            Self::Brotli => Box::new(Decompressor::new(packed, BUFFER)),
        })
    }

    /// Something to write packed bytes to.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn writer(self) -> io::Result<Unpack> {
        Ok(match self {
            Self::Gzip => Unpack::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            Self::Zstd => Unpack::Zstd(zstd::stream::write::Decoder::new(Vec::new())?),
            Self::Brotli => Unpack::Brotli(Box::new(DecompressorWriter::new(Vec::new(), BUFFER))),
        })
    }
}

/// Undoes a packing as the bytes come.
pub(super) enum Unpack {
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
    Brotli(Box<DecompressorWriter<Vec<u8>>>),
}

impl Unpack {
    /// Takes the next bytes, and gives what they stand for.
    ///
    /// # Errors
    /// They are damaged.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        Ok(std::mem::take(match self {
            Self::Gzip(decoder) => {
                decoder.write_all(bytes)?;
                decoder.get_mut()
            }
            Self::Zstd(decoder) => {
                decoder.write_all(bytes)?;
                decoder.get_mut()
            }
            Self::Brotli(decoder) => {
                decoder.write_all(bytes)?;
                decoder.get_mut()
            }
        }))
    }

    /// There are no more bytes: what is left of those that came.
    ///
    /// # Errors
    /// They are damaged, or cut off.
    pub(super) fn end(&mut self) -> io::Result<Vec<u8>> {
        Ok(std::mem::take(match self {
            Self::Gzip(decoder) => {
                decoder.try_finish()?;
                decoder.get_mut()
            }
            Self::Zstd(decoder) => {
                decoder.do_finish()?;
                decoder.get_mut()
            }
            Self::Brotli(decoder) => {
                decoder.close()?;
                decoder.get_mut()
            }
        }))
    }
}

/// The encodings that `Content-Encoding` names, in lower case.
pub(super) fn encodings(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let texts = values.map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    texts
        .flat_map(|text| text.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Whether they say that a body is brotli.
pub(super) fn is_brotli(headers: &HeaderMap) -> bool {
    encodings(headers).iter().any(|name| name == "br")
}

/// Whether bytes are the beginning of a text, or nothing.
fn is_text(head: &[u8]) -> bool {
    let head = head.get(..TELLING).unwrap_or(head);
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head,
        Err(error) if error.error_len().is_none() => head.get(..error.valid_up_to()).unwrap_or_default(),
        Err(_) => return MARKS.iter().any(|mark| head.starts_with(mark)),
    };
    let is_odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x1e);
    (head.is_empty() || !valid.is_empty()) && !valid.iter().any(is_odd)
}
