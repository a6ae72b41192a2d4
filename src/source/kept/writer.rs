//! The thread that writes a log of kept answers, beside the run.
//!
//! In: answers of judged pages, as many as [`WAITING_KIB_MAX`] holds, or one larger one. Out: the log. Invariants: whoever keeps an answer waits for room and
//! for no disk beyond that; a log takes no more of the disk than it leaves; what goes wrong ends the log and not the run, and what the log has until then
//! stays whole. Answers that come at the pace of memory are not kept, since asking again is as fast.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// What is told where there can be no log.
const NOT_KEPT: &str = "no answers are kept for a run that is interrupted";

/// An answer on its way into the log.
#[derive(Debug)]
pub(in crate::source) struct KeptAnswer {
    pub(super) head: Head,
    pub(super) body: Bytes,
    /// Whether the body came unpacked.
    pub(super) is_plain: bool,
}

/// Where a log is written.
pub(super) enum Target {
    /// Behind so many bytes of a file, where its next write goes.
    Open(Arc<File>, u64),
    /// To a file that is made with the first answer, and the bytes that it then has.
    New(Box<dyn FnOnce() -> io::Result<(Arc<File>, u64)> + Send>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Target")
    }
}

/// An answer, and the room that it takes while it waits.
type Waiting = (KeptAnswer, OwnedSemaphorePermit);

/// The writing end of a log.
#[derive(Debug)]
pub(super) struct Writer {
    state: Mutex<State>,
    room: Arc<Semaphore>,
    pace: Mutex<Pace>,
    is_given_up: Arc<AtomicBool>,
}

#[derive(Debug)]
enum State {
    /// No answer has come.
    Idle(Target),
    Writing(mpsc::Sender<Waiting>, JoinHandle<()>),
    Over,
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
    /// Writes to `target`, from the first answer on.
    pub(super) fn new(target: Target) -> Self {
        let pace = Mutex::new(Pace { since: Instant::now(), bytes: 0, is_too_fast: false });
        let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
        Self { state: Mutex::new(State::Idle(target)), room, pace, is_given_up: Arc::default() }
    }

    /// Has an answer written.
    pub(super) async fn keep(&self, answer: KeptAnswer) {
        if !self.has_time_for(answer.body.len() as u64) {
            return;
        }
        let kib = u32::try_from(answer.body.len() >> 10).unwrap_or(WAITING_KIB_MAX) + 1;
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(kib.min(WAITING_KIB_MAX)).await else { return };
        if let Some(answers) = self.begun() {
            // The thread ends before where there can be no file, and then nothing is kept.
            let _ = answers.send((answer, room)).await;
        }
    }

    /// Where answers go, with the thread that writes them; `None` where nothing is kept any more.
    fn begun(&self) -> Option<mpsc::Sender<Waiting>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match std::mem::replace(&mut *state, State::Over) {
            State::Idle(target) => {
                let ((answers, waiting), is_given_up) = (mpsc::channel(WAITING_MAX), Arc::clone(&self.is_given_up));
                let write = move || write_all(target, waiting, &is_given_up);
                match std::thread::Builder::new().name("answers".to_owned()).spawn(write) {
                    Ok(thread) => State::Writing(answers, thread),
                    Err(error) => {
                        tracing::warn!(error = %error, NOT_KEPT);
                        State::Over
                    }
                }
            }
            state => state,
        };
        if let State::Writing(answers, _) = &*state { Some(answers.clone()) } else { None }
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
        let state = std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Over);
        if let State::Writing(answers, thread) = state {
            drop(answers);
            let _ = thread.join();
        }
    }

    /// Writes none of the answers that still wait.
    pub(super) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }
}

fn write_all(target: Target, mut waiting: mpsc::Receiver<Waiting>, is_given_up: &AtomicBool) {
    let Some(mut next) = waiting.blocking_recv().filter(|_| !is_given_up.load(Ordering::Relaxed)) else { return };
    let opened = match target {
        Target::Open(file, bytes) => Ok((file, bytes)),
        Target::New(begin) => begin(),
    };
    let (file, mut bytes) = match opened {
        Ok(opened) => opened,
        Err(error) => return tracing::warn!(error = %error, NOT_KEPT),
    };
    let mut looked_at = None;
    loop {
        let (KeptAnswer { head, body, is_plain }, _room) = next;
        if looked_at.is_none_or(|at| bytes - at >= LOOK_EVERY_BYTES) {
            if bytes >= LOG_BYTES_MAX || !has_room(&file, bytes) {
                return tracing::info!(
                    bytes,
                    "no more answers are kept: the log of them takes no more of the disk than it leaves"
                );
            }
            looked_at = Some(bytes);
        }
        match log::append(&file, head, &body, is_plain) {
            Ok(written) => bytes += written,
            Err(error) => return tracing::warn!(error = %error, NOT_KEPT),
        }
        match waiting.blocking_recv().filter(|_| !is_given_up.load(Ordering::Relaxed)) {
            Some(waits) => next = waits,
            None => return,
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
