//! The thread that writes a log of kept answers, beside the run.
//!
//! In: answers of judged pages, as many as [`WAITING_KIB_MAX`] holds, or one larger one. Out: the log. Invariants: whoever keeps an answer waits for room and
//! for no disk beyond that; a log takes no more of the disk than it leaves; what goes wrong ends the log and not the run, and what the log has until then
//! stays whole. Keeping takes a small part of a run's time: where answers come as fast as they are packed, asking again is as fast.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
/// Bytes that are kept whatever that takes.
const FREE_BYTES: u64 = 8 << 20;
/// Behind those, one of so many seconds of the run may be spent on keeping answers.
const SHARE: u32 = 8;
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
    cost: Arc<Mutex<Cost>>,
    is_given_up: Arc<AtomicBool>,
}

#[derive(Debug)]
enum State {
    /// No answer has come.
    Idle(Target),
    Writing(mpsc::Sender<Waiting>, JoinHandle<()>),
    Over,
}

/// What keeping answers takes of the run's time.
#[derive(Debug)]
struct Cost {
    since: Instant,
    bytes: u64,
    /// Looking for secrets, packing, writing.
    spent: Duration,
    is_too_high: bool,
}

impl Cost {
    /// Counts an answer; whether it is to be kept. Once one is not, none behind it is.
    fn allows(&mut self, bytes: u64, elapsed: Duration) -> bool {
        self.bytes += bytes;
        self.is_too_high |= self.bytes > FREE_BYTES && self.spent * SHARE > elapsed;
        !self.is_too_high
    }
}

impl Writer {
    /// Writes to `target`, from the first answer on.
    pub(super) fn new(target: Target) -> Self {
        let cost = Cost { since: Instant::now(), bytes: 0, spent: Duration::ZERO, is_too_high: false };
        let room = Arc::new(Semaphore::new(WAITING_KIB_MAX as usize));
        Self { state: Mutex::new(State::Idle(target)), room, cost: Arc::new(Mutex::new(cost)), is_given_up: Arc::default() }
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
                let cost = Arc::clone(&self.cost);
                let write = move || write_all(target, waiting, (&is_given_up, &cost));
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
        locked(&self.cost).is_too_high
    }

    /// Counts time that was spent on an answer before it came here.
    pub(super) fn spend(&self, took: Duration) {
        locked(&self.cost).spent += took;
    }

    fn has_time_for(&self, bytes: u64) -> bool {
        let mut cost = locked(&self.cost);
        let elapsed = cost.since.elapsed();
        cost.allows(bytes, elapsed)
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

fn locked(cost: &Mutex<Cost>) -> MutexGuard<'_, Cost> {
    cost.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(target: Target, mut waiting: mpsc::Receiver<Waiting>, (is_given_up, cost): (&AtomicBool, &Mutex<Cost>)) {
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
        let began = Instant::now();
        match log::append(&file, head, &body, is_plain) {
            Ok(written) => bytes += written,
            Err(error) => return tracing::warn!(error = %error, NOT_KEPT),
        }
        locked(cost).spent += began.elapsed();
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
    fn keeping_that_takes_too_much_of_a_run_ends_behind_a_bound_and_stays_ended() {
        let cost = |spent| Cost { since: Instant::now(), bytes: 0, spent, is_too_high: false };
        let (mut low, mut high) = (cost(Duration::from_secs(1)), cost(Duration::from_secs(1)));
        for second in 8..100 {
            assert!(low.allows(FREE_BYTES, Duration::from_secs(second)), "{second}");
        }
        assert!(high.allows(FREE_BYTES, Duration::ZERO));
        assert!(!high.allows(1, Duration::from_millis(7999)));
        assert!(!high.allows(1, Duration::from_secs(1000)), "an answer behind one that is not kept");
    }
}
