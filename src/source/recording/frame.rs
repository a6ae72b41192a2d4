//! The file of a recording: a line that says what it is, then frames, each packed with zstd behind its length and a checksum.
//!
//! In and out: [`Frame`]s in order. Invariants: the checksum of a frame covers all that stands before it, so that nothing can be cut out, moved or
//! edited in place; the last frame counts the exchanges, so that a file that was cut is known; no length in the file makes room that its bytes do not fill.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::source::recording::{Fault, Header, RecordedRequest, Veil};

/// What the file begins with; the digit is the format's number.
const MAGIC: &[u8; 22] = b"lakeward recording 01\n";
/// Bytes of a length and a checksum.
const LEAD_BYTES: usize = 12;
/// Longest frame, packed or not.
const FRAME_BYTES_MAX: usize = 64 << 20;
/// Bytes of a body that are one frame, where no secret stands across its end.
pub(super) const PIECE_BYTES: usize = 1 << 20;
/// How hard frames are packed.
const PACKING: i32 = 3;

/// One frame of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Frame {
    /// The first one.
    Header(Header),
    /// What a request was answered with, its body apart, or why with nothing.
    Answer(Answer),
    /// A piece of a body; its bytes stand behind it.
    Piece { exchange: u64, veils: Vec<Veil> },
    /// The end of a body.
    End { exchange: u64, end: End },
    /// The last one: so many exchanges stand before it.
    Footer { exchanges: u64 },
}

/// The head of an exchange.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Its number, in the order in which requests were sent.
    pub(super) exchange: u64,
    /// What was asked.
    pub(super) request: RecordedRequest,
    /// Milliseconds until the head was there, or the failure.
    pub(super) took_ms: u64,
    /// What came.
    pub(super) outcome: Outcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// A status, headers with each byte of a value a character, and the body's length as far as it was told.
    Answered { status: u16, headers: Vec<(String, String, Vec<Veil>)>, body_bytes: Option<u64> },
    /// No answer.
    Failed(Fault),
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum End {
    /// It came whole; what was packed stands unpacked here.
    Whole { was_packed: bool },
    /// Nobody wanted more of it.
    Left,
    /// It broke off.
    Broken(Fault),
    /// It was damaged: no gzip, zstd or brotli that ends well.
    Damaged,
}

/// Why a file cannot be read as a recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    /// Another file.
    #[error("it is no recording of lakeward, or one of another version")]
    Other,
    /// It ends too early.
    #[error("it was cut: it ends behind exchange {exchanges}, and its last lines are missing")]
    Cut {
        /// Whole exchanges before the cut.
        exchanges: u64,
    },
    /// Its checksums do not agree.
    #[error("it was changed since it was written: the checksum does not agree behind exchange {exchanges}, at byte {at}")]
    Changed {
        /// Whole exchanges before the change.
        exchanges: u64,
        /// Where.
        at: u64,
    },
    /// The system's.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// Writes frames.
#[derive(Debug)]
pub(super) struct FrameWriter {
    file: BufWriter<File>,
    chain: u64,
}

impl FrameWriter {
    /// # Errors
    /// The system's.
    pub(super) fn new(file: File) -> io::Result<Self> {
        let mut file = BufWriter::new(file);
        file.write_all(MAGIC)?;
        Ok(Self { file, chain: 0 })
    }

    /// # Errors
    /// The system's.
    pub(super) fn write(&mut self, frame: &Frame, bytes: &[u8]) -> io::Result<()> {
        let head = serde_json::to_vec(frame)?;
        let mut whole = Vec::with_capacity(4 + head.len() + bytes.len());
        whole.extend_from_slice(&u32::try_from(head.len()).map_err(io::Error::other)?.to_le_bytes());
        whole.extend_from_slice(&head);
        whole.extend_from_slice(bytes);
        if whole.len() > FRAME_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a request or its headers have {} bytes", whole.len()),
            ));
        }
        let packed = zstd::bulk::compress(&whole, PACKING)?;
        self.chain = chained(self.chain, &packed);
        self.file.write_all(&u32::try_from(packed.len()).map_err(io::Error::other)?.to_le_bytes())?;
        self.file.write_all(&self.chain.to_le_bytes())?;
        self.file.write_all(&packed)
    }

    /// Brings all of it to the disk.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// Goes through a file from its begin, and tells each frame with where it stands and its bytes.
///
/// # Errors
/// [`FileFault`].
pub(super) fn scan(file: &File, mut seen: impl FnMut(u64, Frame)) -> Result<(), FileFault> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut magic = [0; MAGIC.len()];
    match reader.read_exact(&mut magic) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FileFault::Other),
        read => read?,
    }
    if magic != *MAGIC {
        return Err(FileFault::Other);
    }
    let (mut at, mut chain, mut exchanges, mut is_over) = (MAGIC.len() as u64, 0, 0, false);
    let mut packed = Vec::new();
    loop {
        let mut lead = [0; LEAD_BYTES];
        let read = fill(&mut reader, &mut lead)?;
        if read == 0 && is_over {
            return Ok(());
        }
        if read < LEAD_BYTES && !is_over {
            return Err(FileFault::Cut { exchanges });
        }
        let (length, told) = lead_of(&lead);
        let changed = FileFault::Changed { exchanges, at };
        if is_over || length > FRAME_BYTES_MAX {
            return Err(changed);
        }
        packed.clear();
        if (&mut reader).take(length as u64).read_to_end(&mut packed)? < length {
            return Err(FileFault::Cut { exchanges });
        }
        chain = chained(chain, &packed);
        let Some((frame, _)) = (chain == told).then(|| unpacked(&packed)).flatten() else { return Err(changed) };
        match &frame {
            Frame::Header(_) if at != MAGIC.len() as u64 => return Err(changed),
            Frame::Header(_) | Frame::Piece { .. } => {}
            Frame::Answer(answer) => exchanges += u64::from(matches!(answer.outcome, Outcome::Failed(_))),
            Frame::End { .. } => exchanges += 1,
            Frame::Footer { .. } => is_over = true,
        }
        seen(at, frame);
        at += (LEAD_BYTES + length) as u64;
    }
}

/// The frame at a place that [`scan`] told, and the bytes behind it.
///
/// # Errors
/// The system's.
pub(super) fn read(file: &File, at: u64) -> io::Result<(Frame, Vec<u8>)> {
    let mut lead = [0; LEAD_BYTES];
    file.read_exact_at(&mut lead, at)?;
    let (length, _) = lead_of(&lead);
    let changed = || io::Error::other("the recording was changed while it was replayed");
    if length > FRAME_BYTES_MAX {
        return Err(changed());
    }
    let mut packed = vec![0; length];
    file.read_exact_at(&mut packed, at + LEAD_BYTES as u64)?;
    unpacked(&packed).ok_or_else(changed)
}

fn chained(before: u64, packed: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&before.to_le_bytes());
    hash.update(packed);
    hash.digest()
}

fn lead_of(lead: &[u8; LEAD_BYTES]) -> (usize, u64) {
    let (length, checksum) = lead.split_at(4);
    let length = length.try_into().map_or(u32::MAX, u32::from_le_bytes);
    (length as usize, checksum.try_into().map_or(0, u64::from_le_bytes))
}

fn unpacked(packed: &[u8]) -> Option<(Frame, Vec<u8>)> {
    let mut whole = Vec::new();
    zstd::stream::read::Decoder::new(packed).ok()?.take(FRAME_BYTES_MAX as u64 + 1).read_to_end(&mut whole).ok()?;
    let (length, rest) = whole.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let frame = serde_json::from_slice(rest.get(..length)?).ok()?;
    (whole.len() <= FRAME_BYTES_MAX).then_some(())?;
    whole.drain(..4 + length);
    Some((frame, whole))
}

/// Reads until `into` is full or nothing is left, and gives the bytes read.
fn fill(reader: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match reader.read(&mut into[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
