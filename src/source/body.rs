//! Bodies: received whole and decompressed.
//!
//! In: a response. Out: bytes without a byte order mark, at most `body_bytes_max` of them: in memory up to `body_in_memory_max`, in a
//! temporary file without a name beyond. A body that ends early, fails its checksum or is larger is an error; nothing of it is used.
//! Whether it is what was asked for is a matter of [`crate::source::expected`], and of the decoder.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use crate::base::{blocking, task_point};
use crate::source::client::Bounds;
use crate::source::packing::{LAYERS_MAX, Packing, encodings, is_brotli};
use crate::source::spooled::SpooledBody;
use crate::source::transport::{Answered, TransportError};

/// Bytes reserved at once on a server's word.
const TRUSTED_CAPACITY: u64 = 64 << 20;
/// Bytes decompressed before other tasks get their turn, and written to a file at once.
const SLICE: u64 = 1 << 20;
/// Bytes of a body in a file that are looked at to know what it is.
const HEAD_BYTES: usize = 64 << 10;
/// Bytes that a packed one becomes at most, past [`Bounds::bomb_bytes_min`]: the most repetitive records stay below, and what is made to
/// fill disks comes near deflate's 1032.
pub(super) const RATIO_MAX: u64 = 500;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why a body is not to be had.
#[derive(Debug)]
pub(super) enum BodyFault {
    /// The connection broke off.
    Lost { received_bytes: u64, source: TransportError },
    /// Not the gzip, zstd or brotli that it claims to be.
    Damaged(Packing, io::Error),
    /// An encoding that was not asked for.
    Encoding(String),
    /// Larger than allowed.
    TooLarge,
    /// Unpacked, so many bytes are more than records become.
    Bomb { packed_bytes: u64 },
    /// There is no room for it on this machine, or it cannot be read back.
    Spool(io::Error),
}

/// A body, received.
#[derive(Debug)]
pub(super) struct Received {
    /// The body, or the first of it.
    pub(super) body: Bytes,
    /// All of it, where it is too large for memory.
    pub(super) spooled: Option<SpooledBody>,
    /// What it was unpacked from, where that was in memory.
    pub(super) packed: Option<Bytes>,
}

/// Receives the whole body of `response` and undoes its compression.
///
/// # Errors
/// [`BodyFault`].
pub(super) async fn receive(response: &mut Answered, bounds: &Bounds) -> Result<Received, BodyFault> {
    let (encodings, mut is_brotli) = (encodings(&response.headers), is_brotli(&response.headers));
    let mut stored = collect(response, bounds).await?;
    let mut head = stored.head().map_err(BodyFault::Spool)?;
    let received = if let Stored::Memory(bytes) = &stored { Some(bytes.clone()) } else { None };
    let packed = received.filter(|_| Packing::of(&head, is_brotli).is_some());
    for _ in 0..LAYERS_MAX {
        let Some(packing) = Packing::of(&head, is_brotli) else { break };
        is_brotli &= packing != Packing::Brotli;
        stored = unpack(stored, packing, bounds).await?;
        head = stored.head().map_err(BodyFault::Spool)?;
    }
    let known = ["identity", "gzip", "x-gzip", "zstd", "br"];
    // Some servers name an encoding and send plain text.
    if let (Some(other), false) = (encodings.iter().find(|name| !known.contains(&name.as_str())), looks_like_json(&head)) {
        return Err(BodyFault::Encoding(other.clone()));
    }
    let marked = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let spooled = match stored {
        Stored::Memory(_) => None,
        Stored::File(file, bytes) => Some(SpooledBody::new(file, marked as u64, bytes, bounds.body_whole_max)),
    };
    Ok(Received { body: head.slice(marked..), spooled, packed })
}

/// Bytes as they came or as they were unpacked.
enum Stored {
    Memory(Bytes),
    /// So many of them.
    File(Arc<File>, u64),
}

impl Stored {
    /// All bytes in memory, or the first of a file.
    fn head(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::File(file, bytes) => {
                let mut head = vec![0; usize::try_from(*bytes).unwrap_or(HEAD_BYTES).min(HEAD_BYTES)];
                file.read_exact_at(&mut head, 0)?;
                Ok(Bytes::from(head))
            }
        }
    }
}

/// Takes bytes as they come, into memory and, when they are too many, into a file.
struct Sink<'b> {
    bounds: &'b Bounds,
    pending: Vec<u8>,
    file: Option<Arc<File>>,
    written: u64,
}

impl<'b> Sink<'b> {
    fn new(capacity: u64, bounds: &'b Bounds) -> Self {
        let capacity = usize::try_from(capacity).unwrap_or(0);
        Self { bounds, pending: Vec::with_capacity(capacity), file: None, written: 0 }
    }

    /// Bytes taken so far.
    fn bytes(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// To be called whenever `pending` has grown.
    async fn settle(&mut self) -> Result<(), BodyFault> {
        if self.bytes() > self.bounds.body_bytes_max {
            return Err(BodyFault::TooLarge);
        }
        let full = if self.file.is_some() { SLICE } else { self.bounds.body_in_memory_max };
        if self.pending.len() as u64 > full { self.write().await.map_err(BodyFault::Spool) } else { Ok(()) }
    }

    async fn write(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.pending);
        let file = self.file.take();
        let (file, written) = blocking(move || {
            task_point("task.body");
            let file = file.map_or_else(|| tempfile::tempfile().map(Arc::new), Ok)?;
            (&*file).write_all(&bytes)?;
            Ok::<_, io::Error>((file, bytes.len() as u64))
        })
        .await?;
        self.file = Some(file);
        self.written += written;
        Ok(())
    }

    async fn end(mut self) -> Result<Stored, BodyFault> {
        if self.file.is_none() {
            return Ok(Stored::Memory(Bytes::from(self.pending)));
        }
        self.write().await.map_err(BodyFault::Spool)?;
        let written = self.written;
        Ok(self.file.map_or_else(|| Stored::Memory(Bytes::new()), |file| Stored::File(file, written)))
    }
}

/// Receives at most `bytes_max` bytes, for a message; what goes wrong ends it early.
pub(super) async fn receive_start(response: &mut Answered, bytes_max: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < bytes_max {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    body.truncate(bytes_max);
    if let Some(packing) = Packing::of(&body, is_brotli(&response.headers)) {
        let mut plain = Vec::new();
        // As far as it goes: the start of a message is worth more than none.
        let _ = packing.reader(body.as_slice()).and_then(|reader| reader.take(bytes_max as u64).read_to_end(&mut plain));
        return plain;
    }
    body
}

async fn collect(response: &mut Answered, bounds: &Bounds) -> Result<Stored, BodyFault> {
    let lost = |received_bytes, source| BodyFault::Lost { received_bytes, source };
    let announced = response.body_bytes;
    if announced.is_some_and(|length| length > bounds.body_bytes_max) {
        return Err(BodyFault::TooLarge);
    }
    let Some(first) = response.chunk().await.map_err(|source| lost(0, source))? else {
        return Ok(Stored::Memory(Bytes::new()));
    };
    if announced == Some(first.len() as u64) && first.len() as u64 <= bounds.body_in_memory_max {
        return match response.chunk().await {
            Ok(_) => Ok(Stored::Memory(first)),
            Err(source) => Err(lost(first.len() as u64, source)),
        };
    }
    let capacity = announced.unwrap_or(0).min(TRUSTED_CAPACITY.min(bounds.body_in_memory_max)).max(first.len() as u64);
    let mut sink = Sink::new(capacity, bounds);
    sink.pending.extend_from_slice(&first);
    loop {
        sink.settle().await?;
        match response.chunk().await {
            Ok(Some(chunk)) => sink.pending.extend_from_slice(&chunk),
            Ok(None) => return sink.end().await,
            Err(source) => return Err(lost(sink.bytes(), source)),
        }
    }
}

/// Undoes a packing of one or more members, all checksums verified.
async fn unpack(packed: Stored, packing: Packing, bounds: &Bounds) -> Result<Stored, BodyFault> {
    // The last four bytes of gzip are the size of the last member; deflate packs at most 1:1032.
    let packed_bytes = match &packed {
        Stored::Memory(packed) => packed.len() as u64,
        Stored::File(_, bytes) => *bytes,
    };
    let bomb_bytes_min = bounds.bomb_bytes_min.max(packed_bytes.saturating_mul(RATIO_MAX));
    let (packed, capacity): (Box<dyn BufRead + Send>, u64) = match packed {
        Stored::Memory(packed) => {
            let told = packed.last_chunk::<4>().filter(|_| packing == Packing::Gzip);
            let told = told.map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
            let capacity = told.min(packed.len() as u64 * 1032).min(TRUSTED_CAPACITY.min(bounds.body_in_memory_max)) + 1;
            (Box::new(io::Cursor::new(packed)), capacity)
        }
        Stored::File(file, _) => {
            let mut file = file.try_clone().map_err(BodyFault::Spool)?;
            file.rewind().map_err(BodyFault::Spool)?;
            (Box::new(BufReader::with_capacity(HEAD_BYTES, file)), SLICE)
        }
    };
    let mut sink = Sink::new(capacity, bounds);
    let damaged = |source| BodyFault::Damaged(packing, source);
    let mut decoder = packing.reader(packed).map_err(damaged)?;
    loop {
        let read = (&mut decoder).take(SLICE).read_to_end(&mut sink.pending).map_err(damaged)?;
        sink.settle().await?;
        if sink.bytes() > bomb_bytes_min {
            return Err(BodyFault::Bomb { packed_bytes });
        }
        if (read as u64) < SLICE {
            return sink.end().await;
        }
        tokio::task::yield_now().await;
    }
}

fn looks_like_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start().first(), Some(b'{' | b'['))
}
