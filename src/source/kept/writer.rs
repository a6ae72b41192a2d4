//! The thread that writes a log of kept answers, beside the run.
//!
//! In: answers of judged pages, as many as [`WAITING_KIB_MAX`] holds, or one larger one. Out: the log. Invariants: whoever keeps an answer waits for room and
//! for no disk beyond that; a log takes no more of the disk than it leaves; what goes wrong ends the log and not the run, and what the log has until then
//! stays whole. Answers that come at the pace of memory are not kept, since asking again is as fast.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::source::kept::log::{self, Head};

/// Largest log.
const LOG_BYTES_MAX: u64 = 16 << 30;
/// Bytes after which the room on the disk is looked at again.
const LOOK_EVERY_BYTES: u64 = 16 << 20;
/// Bodies that wait to be written.
const WAITING_KIB_MAX: u32 = 32 << 10;
/// Answers that come faster, in bytes a second, are as soon asked for again as they are packed: no real API is so fast, but one next door is.
const PACE_MAX: f64 = 64e6;
/// Bytes that are kept at any pace.
const UNPACED_BYTES: u64 = (WAITING_KIB_MAX as u64) << 10;
/// Answers that wait to be written.
const WAITING_MAX: usize = 256;

/// An answer on its way into the log.
#[derive(Debug)]
pub(in crate::source) struct KeptAnswer {
    pub(super) head: Head,
    pub(super) body: Bytes,
    /// Whether the body came unpacked.
    pub(super) is_plain: bool,
}

/// The writing end of a log.
#[derive(Debug)]
pub(super) struct Writer {
    answers: Mutex<Option<mpsc::Sender<(KeptAnswer, OwnedSemaphorePermit)>>>,
    room: Arc<Semaphore>,
    pace: Mutex<Pace>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How fast answers come.
#[derive(Debug)]
struct Pace {
    since: Instant,
    bytes: u64,
    is_too_fast: bool,
}

impl Pace {
    /// Counts an answer; whether it is to be kept. Once one is not, none behind it is.
    fn keeps(&mut self, bytes: u64, elapsed: Duration) -> bool {
        self.bytes += bytes;
        self.is_too_fast |= self.bytes > UNPACED_BYTES && self.bytes as f64 > PACE_MAX * elapsed.as_secs_f64();
        !self.is_too_fast
    }
}

impl Writer {
    /// Writes behind the `bytes` that are in `file`, where its next write goes.
    ///
    /// # Errors
    /// The system's, when there can be no thread.
    pub(super) fn start(file: Arc<File>, bytes: u64) -> io::Result<Self> {
        let (answers, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("answers".to_owned()).spawn(move || write_all(&file, bytes, waiting))?;
        let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
        let pace = Mutex::new(Pace { since: Instant::now(), bytes: 0, is_too_fast: false });
        Ok(Self { answers: Mutex::new(Some(answers)), room, pace, thread: Mutex::new(Some(thread)) })
    }

    /// Has an answer written.
    pub(super) async fn keep(&self, answer: KeptAnswer) {
        if !self.has_time_for(answer.body.len() as u64) {
            return;
        }
        let kib = u32::try_from(answer.body.len() >> 10).unwrap_or(WAITING_KIB_MAX) + 1;
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(kib.min(WAITING_KIB_MAX)).await else { return };
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(answers) = answers {
            // The thread ends before only by a defect, and then nothing is kept.
            let _ = answers.send((answer, room)).await;
        }
    }

    /// Whether it keeps nothing more.
    pub(super) fn is_over(&self) -> bool {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).is_too_fast
    }

    fn has_time_for(&self, bytes: u64) -> bool {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = pace.since.elapsed();
        pace.keeps(bytes, elapsed)
    }

    /// Waits until all answers are written. Blocks.
    pub(super) fn finish(&self) {
        drop(self.answers.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }
}

fn write_all(file: &File, mut bytes: u64, mut waiting: mpsc::Receiver<(KeptAnswer, OwnedSemaphorePermit)>) {
    let (mut looked_at, mut is_open) = (None, true);
    while let Some((KeptAnswer { head, body, is_plain }, _room)) = waiting.blocking_recv() {
        if !is_open {
            continue;
        }
        if looked_at.is_none_or(|at| bytes - at >= LOOK_EVERY_BYTES) {
            is_open = bytes < LOG_BYTES_MAX && has_room(file, bytes);
            looked_at = Some(bytes);
        }
        if !is_open {
            tracing::info!(bytes, "no more answers are kept: the log of them takes no more of the disk than it leaves");
            continue;
        }
        match log::append(file, head, &body, is_plain) {
            Ok(written) => bytes += written,
            Err(error) => {
                tracing::warn!(error = %error, "no more answers are kept for a run that is interrupted");
                is_open = false;
            }
        }
    }
}

/// Whether the disk has more room left than a log of this size takes.
fn has_room(file: &File, bytes: u64) -> bool {
    rustix::fs::fstatvfs(file).is_ok_and(|facts| facts.f_bavail.saturating_mul(facts.f_frsize) > bytes + LOOK_EVERY_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_come_faster_than_they_are_packed_are_kept_up_to_a_bound_and_none_behind_it() {
        let pace = || Pace { since: Instant::now(), bytes: 0, is_too_fast: false };
        let (mut slow, mut fast) = (pace(), pace());
        for second in 1..100 {
            assert!(slow.keeps(60_000_000, Duration::from_secs(second)), "{second}");
        }
        assert!(fast.keeps(UNPACED_BYTES, Duration::ZERO));
        assert!(!fast.keeps(1, Duration::from_millis(100)));
        assert!(!fast.keeps(1, Duration::from_secs(1000)), "an answer behind one that is not kept");
    }
}
