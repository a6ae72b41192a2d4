//! The file in which answers are kept: an [`Epoch`], then one answer behind the other, each behind its length and its checksum.
//!
//! In: a file of this user alone. Out: the answers that are whole. Invariants: an answer counts only behind its checksum; a tail that a kill has
//! cut is passed over, and so is all behind it; no length in the file makes room that its bytes do not fill. Nothing is synced: what a
//! machine loses is asked for again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::Slot;

/// What this program writes.
pub(super) const FORMAT: u32 = 3;
/// Longest epoch, or head of an answer, that is believed, in bytes.
const HEAD_BYTES_MAX: u32 = 1 << 20;
/// Longest body that is kept, packed or not: larger ones are in files, and asked for again.
pub(super) const BODY_BYTES_MAX: u64 = 64 << 20;
/// Answers of one log that are used; those behind them are asked for again.
const ANSWERS_MAX: usize = 1 << 20;
/// Bytes of a length and a checksum.
const FRAME_BYTES: usize = 12;
/// How hard bodies are packed: the least that there is, since it is done for nothing on most nights.
const PACKING: i32 = -3;

/// Under what answers were kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Epoch {
    /// [`FORMAT`] of the writer.
    pub(super) format: u32,
    /// The version of the program.
    pub(super) program: String,
    /// The resource.
    pub(super) resource: String,
    /// The run that began.
    pub(super) run: String,
    /// When it did, RFC 3339: also for the runs that go on.
    pub(super) started: String,
    /// Of what the config asks of the API, salted, as hex digits; no credential is in it.
    pub(super) fingerprint: String,
    /// Tells other credentials from those of the run, and too little to tell which they are: [`crate::config::Plan::credentials_check`].
    pub(super) credentials: u16,
    /// Of the table and the state that the run began with, as hex digits.
    pub(super) base: String,
    /// Goes into all keys of this log.
    pub(super) salt: u64,
}

/// What stands before a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The chain of pages.
    pub(super) chain: u128,
    /// Its place among the pages that were judged in this chain, from 0.
    pub(super) position: u32,
    /// The request that it answers.
    pub(super) request: u128,
    /// What that was made from, beside the config.
    pub(super) spot: Spot,
    /// A hash of the records, of a page whose records count.
    pub(super) records: Option<u128>,
    /// Whether its chain ended with it.
    pub(super) is_last: bool,
    /// When it was asked for, and answered, by the ticks of its chain: which pages were under way together.
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// When it was kept, in seconds since 1970.
    pub(super) at: i64,
    /// Its status.
    pub(super) status: u16,
    /// The path that redirects on the same host led to.
    pub(super) path: Option<String>,
    /// Its headers, each byte of a value a character.
    pub(super) headers: Vec<(String, String)>,
    /// Whether the log has packed the body.
    pub(super) is_packed: bool,
    /// Bytes of the body as it came.
    pub(super) body_bytes: u64,
    /// Bytes of it here.
    pub(super) kept_bytes: u64,
    /// XXH3-64 of those.
    pub(super) checksum: u64,
}

/// What a request is made from: values in the endpoint's own request, or a URL that the API gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spot {
    Slots(Vec<(Slot, Value)>),
    Link(String),
}

/// Where the log has an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) chain: u128,
    pub(super) position: u32,
    pub(super) request: u128,
    /// When it was answered, by the ticks of its chain.
    pub(super) answered: u64,
    /// Whether its page has records that count.
    pub(super) has_records: bool,
    /// [`Head::is_last`].
    pub(super) is_last: bool,
    /// Where its head begins.
    pub(super) offset: u64,
}

/// A log, looked through.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) epoch: Epoch,
    /// The answers, in the order in which they were kept.
    pub(super) entries: Vec<Entry>,
    /// When the last of them was kept that led farther than those before.
    pub(super) last: Option<i64>,
    /// Where the last one ends.
    pub(super) end: u64,
}

/// Looks through a log from its begin; `None` where it is none.
///
/// # Errors
/// The system's.
pub(super) fn scan(file: &File) -> io::Result<Option<Scanned>> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let Some(epoch) = piece(&mut reader)? else { return Ok(None) };
    let mut end = (FRAME_BYTES + epoch.len()) as u64;
    let Ok(epoch) = serde_json::from_slice::<Epoch>(&epoch) else { return Ok(None) };
    let (mut entries, mut last, mut body, mut farthest) = (Vec::new(), None, Vec::new(), HashMap::new());
    while entries.len() < ANSWERS_MAX {
        let Some(json) = piece(&mut reader)? else { break };
        let Ok(head) = serde_json::from_slice::<Head>(&json) else { break };
        if head.kept_bytes.max(head.body_bytes) > BODY_BYTES_MAX {
            break;
        }
        body.clear();
        (&mut reader).take(head.kept_bytes).read_to_end(&mut body)?;
        if body.len() as u64 != head.kept_bytes || xxh3_64(&body) != head.checksum {
            break;
        }
        let Head { chain, position, request, answered, at, records, is_last, .. } = head;
        let has_records = records.is_some();
        entries.push(Entry { chain, position, request, answered, has_records, is_last, offset: end });
        // A page that is read again at each try makes what lies before it no younger.
        if farthest.insert(chain, position).is_none_or(|before| before < position) {
            last = last.max(Some(at));
        }
        end += FRAME_BYTES as u64 + json.len() as u64 + head.kept_bytes;
    }
    Ok(Some(Scanned { epoch, entries, last, end }))
}

/// The next piece of JSON; `None` where it is cut or damaged.
fn piece(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut frame = Vec::new();
    reader.by_ref().take(FRAME_BYTES as u64).read_to_end(&mut frame)?;
    let Some((length, checksum)) = framed(&frame) else { return Ok(None) };
    let mut json = Vec::new();
    reader.by_ref().take(length).read_to_end(&mut json)?;
    Ok((json.len() as u64 == length && xxh3_64(&json) == checksum).then_some(json))
}

/// The length and the checksum that a frame tells, if it is one.
fn framed(frame: &[u8]) -> Option<(u64, u64)> {
    let (length, checksum) = frame.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length);
    let checksum = u64::from_le_bytes(<[u8; 8]>::try_from(checksum).ok()?);
    (length <= HEAD_BYTES_MAX).then_some((u64::from(length), checksum))
}

/// The answer at `offset`, its body as it came.
///
/// # Errors
/// The system's; [`io::ErrorKind::InvalidData`] where it is no longer what was kept.
pub(super) fn read(file: &File, offset: u64) -> io::Result<(Head, Vec<u8>)> {
    let damaged = || io::Error::new(io::ErrorKind::InvalidData, "it is not what was kept");
    let mut frame = [0; FRAME_BYTES];
    file.read_exact_at(&mut frame, offset)?;
    let (length, checksum) = framed(&frame).ok_or_else(damaged)?;
    let mut json = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut json, offset + FRAME_BYTES as u64)?;
    let head: Head = serde_json::from_slice(&json)?;
    if xxh3_64(&json) != checksum || head.kept_bytes.max(head.body_bytes) > BODY_BYTES_MAX {
        return Err(damaged());
    }
    let mut body = vec![0; usize::try_from(head.kept_bytes).map_err(io::Error::other)?];
    file.read_exact_at(&mut body, offset + FRAME_BYTES as u64 + length)?;
    if xxh3_64(&body) != head.checksum {
        return Err(damaged());
    }
    if head.is_packed {
        body = zstd::bulk::decompress(&body, usize::try_from(head.body_bytes).map_err(io::Error::other)?)?;
    }
    if body.len() as u64 == head.body_bytes { Ok((head, body)) } else { Err(damaged()) }
}

/// Writes the epoch, with which a log begins; how many bytes it takes.
///
/// # Errors
/// The system's.
pub(super) fn begin(mut file: &File, epoch: &Epoch) -> io::Result<u64> {
    let bytes = frame(&serde_json::to_vec(epoch)?)?;
    file.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}

/// Writes an answer with one call, so that a kill leaves it whole or cuts the end of the log; how many bytes it takes. What came unpacked (`is_plain`)
/// is packed where that makes it shorter.
///
/// # Errors
/// The system's.
pub(super) fn append(mut file: &File, mut head: Head, body: &[u8], is_plain: bool) -> io::Result<u64> {
    let packed = if is_plain { Some(zstd::bulk::compress(body, PACKING)?) } else { None };
    let packed = packed.filter(|packed| packed.len() < body.len());
    let kept = packed.as_deref().unwrap_or(body);
    (head.is_packed, head.body_bytes) = (packed.is_some(), body.len() as u64);
    (head.kept_bytes, head.checksum) = (kept.len() as u64, xxh3_64(kept));
    let mut bytes = frame(&serde_json::to_vec(&head)?)?;
    bytes.extend_from_slice(kept);
    file.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}

fn frame(json: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(json.len()).ok().filter(|length| *length <= HEAD_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("its headers are too long"))?;
    let mut bytes = Vec::with_capacity(json.len() + FRAME_BYTES);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&xxh3_64(json).to_le_bytes());
    bytes.extend_from_slice(json);
    Ok(bytes)
}

/// The answers of each chain that follow one another, chains beside chains: an answer takes the place of those of its chain that were kept at the same
/// position and behind it, by a run before.
pub(super) fn by_chain(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.chain);
    let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        while kept.last().is_some_and(|last| last.chain == entry.chain && last.position >= entry.position) {
            kept.pop();
        }
        kept.push(entry);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        let text = |text: &str| text.to_owned();
        let started = text("2026-11-30T03:15:00.123456789+00:00");
        Epoch {
            format: FORMAT,
            program: text("1"),
            resource: text("x"),
            run: text("r"),
            started,
            fingerprint: text("f"),
            credentials: 4711,
            base: text("b"),
            salt: 7,
        }
    }

    fn head(chain: u128, position: u32) -> Head {
        Head {
            chain,
            position,
            request: u128::MAX - u128::from(position),
            spot: Spot::Slots(vec![(Slot::Param("page".to_owned()), Value::from(position))]),
            records: Some(u128::MAX),
            is_last: false,
            sent: 0,
            answered: 1,
            at: 1000 + i64::from(position),
            status: 200,
            path: None,
            headers: vec![("link".to_owned(), "<?page=2>\u{e9}".to_owned())],
            is_packed: false,
            body_bytes: 0,
            kept_bytes: 0,
            checksum: 0,
        }
    }

    fn body(page: u32) -> Vec<u8> {
        format!("[{{\"id\":{page}}}]").repeat(page as usize * 9 + 1).into_bytes()
    }

    fn written() -> (File, Vec<u8>) {
        let file = tempfile::tempfile().unwrap();
        begin(&file, &epoch()).unwrap();
        for page in 0..4 {
            append(&file, head(1, page), &body(page), page != 2).unwrap();
        }
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        (file, bytes)
    }

    fn log_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    #[test]
    fn answers_come_back_as_they_were_kept() {
        let (_, bytes) = written();
        let file = log_of(&bytes);
        let scanned = scan(&file).unwrap().unwrap();
        assert_eq!((&scanned.epoch, scanned.last, scanned.end), (&epoch(), Some(1003), bytes.len() as u64));
        for (page, entry) in (0..4).zip(&scanned.entries) {
            let (found, text) = read(&file, entry.offset).unwrap();
            assert_eq!((found.position, found.headers, text), (page, head(1, 0).headers, body(page)));
        }
    }

    #[test]
    fn a_page_that_is_kept_again_makes_a_log_no_younger() {
        let last = |at: &[(u32, i64)]| {
            let file = tempfile::tempfile().unwrap();
            begin(&file, &epoch()).unwrap();
            for (position, at) in at {
                append(&file, Head { at: *at, ..head(1, *position) }, b"[]", true).unwrap();
            }
            io::Seek::rewind(&mut &file).unwrap();
            scan(&file).unwrap().unwrap().last
        };
        assert_eq!(last(&[(0, 1000), (1, 1001), (1, 9000)]), Some(1001));
        assert_eq!(last(&[(0, 1000), (1, 1001), (1, 9000), (2, 9001)]), Some(9001));
    }

    #[test]
    fn of_a_log_that_is_cut_or_damaged_anywhere_what_is_whole_before_comes_back_and_nothing_else() {
        let (_, bytes) = written();
        let all = scan(&log_of(&bytes)).unwrap().unwrap().entries;
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            for spoilt in [&bytes[..at], &damaged[..]] {
                let found = scan(&log_of(spoilt)).unwrap();
                let found = found.filter(|found| found.epoch == epoch()).map_or_else(Vec::new, |found| found.entries);
                assert!(all.starts_with(&found) && found.len() < all.len(), "byte {at}");
            }
        }
    }

    #[test]
    fn a_length_that_no_bytes_follow_takes_no_memory() {
        let hostile = Head { kept_bytes: u64::MAX, body_bytes: u64::MAX, ..head(1, 0) };
        let mut bytes = frame(&serde_json::to_vec(&epoch()).unwrap()).unwrap();
        bytes.extend(frame(&serde_json::to_vec(&hostile).unwrap()).unwrap());
        assert!(scan(&log_of(&bytes)).unwrap().unwrap().entries.is_empty());
        assert!(scan(&log_of(&[0xff; 40])).unwrap().is_none());
    }

    #[test]
    fn what_a_later_run_was_answered_takes_the_place_of_what_an_earlier_one_was() {
        let entry = |chain, position, offset| {
            let (request, answered, has_records, is_last) = (0, 0, true, false);
            Entry { chain, position, request, answered, has_records, is_last, offset }
        };
        let kept = [entry(1, 0, 1), entry(2, 0, 2), entry(1, 1, 3), entry(1, 2, 4), entry(1, 1, 5), entry(2, 1, 6)];
        let offsets = |kept: &[Entry]| by_chain(kept.to_vec()).iter().map(|entry| entry.offset).collect::<Vec<_>>();
        assert_eq!(offsets(&kept), [1, 5, 2, 6]);
    }
}
