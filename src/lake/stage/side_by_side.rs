//! Files read side by side: what waits for a store's answers is asked for at once.
//!
//! In: items, and work that blocks. Out: what came of each, in their order. Invariants: at most `threads` and [`THREADS_MAX`] are at work; the
//! first item's error is the one that is told.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lake::LakeError;

/// Threads at most, on a machine of many cores too.
const THREADS_MAX: usize = 16;

/// Does the work for all items, on as many threads as are told.
///
/// # Errors
/// Those of the work.
pub(super) fn side_by_side<I: Sync, O: Send>(
    items: &[I],
    threads: usize,
    work: impl Fn(&I) -> Result<O, LakeError> + Sync,
) -> Result<Vec<O>, LakeError> {
    let threads = threads.min(items.len()).min(THREADS_MAX);
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let outcome = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
