//! Permits: how many requests may be in flight, fewer when the API is overrun, slowly more again when it is not.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Answers in a row, at the present number of permits, before one more is tried.
const CLIMB_AFTER: u32 = 10;

/// The permits of one client, between 1 and `most`.
#[derive(Debug)]
pub(in crate::source) struct Permits {
    semaphore: Semaphore,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    allowed: usize,
    /// Permits to be taken out of use when they come back.
    debt: usize,
    successes: u32,
    /// Counts the halvings, so that the requests of one storm halve once.
    epoch: u64,
}

/// One request's permit.
#[derive(Debug)]
pub(in crate::source) struct Permit<'p> {
    of: &'p Permits,
    inner: Option<SemaphorePermit<'p>>,
    epoch: u64,
}

impl Permits {
    /// At most `most` requests, and so many to begin with.
    pub(in crate::source) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let state = State { allowed: most, debt: 0, successes: 0, epoch: 0 };
        Self { semaphore: Semaphore::new(most), most, state: Mutex::new(state) }
    }

    /// Waits for a permit, first come, first served. `None` never comes: the semaphore is not closed.
    pub(in crate::source) async fn acquire(&self) -> Option<Permit<'_>> {
        let inner = self.semaphore.acquire().await.ok()?;
        Some(Permit { of: self, inner: Some(inner), epoch: self.lock().epoch })
    }

    /// How many requests may be in flight.
    pub(in crate::source) fn allowed(&self) -> usize {
        self.lock().allowed
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The API was overrun: half as many from here on, once for all requests that were in flight together.
    pub(in crate::source) fn halve(&self) {
        let mut state = self.of.lock();
        if state.epoch == self.epoch {
            let fewer = (state.allowed / 2).max(1);
            state.debt += state.allowed - fewer;
            state.allowed = fewer;
            state.epoch += 1;
        }
        state.successes = 0;
    }

    /// The API answered as it should.
    pub(in crate::source) fn succeed(&self) {
        let mut state = self.of.lock();
        state.successes += 1;
        if state.successes >= CLIMB_AFTER && state.allowed < self.of.most {
            state.successes = 0;
            state.allowed += 1;
            match state.debt.checked_sub(1) {
                Some(debt) => state.debt = debt,
                None => self.of.semaphore.add_permits(1),
            }
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let mut state = self.of.lock();
        if let (true, Some(inner)) = (state.debt > 0, self.inner.take()) {
            state.debt -= 1;
            inner.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(permits: &Permits, count: usize) -> Vec<Permit<'_>> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(permits.acquire().await.unwrap());
        }
        taken
    }

    #[tokio::test]
    async fn e_03_a_storm_halves_the_requests_once_and_success_brings_them_back_one_by_one() {
        let permits = Permits::new(8);
        let storm = take(&permits, 8).await;
        storm.iter().for_each(Permit::halve);
        assert_eq!(permits.allowed(), 4);
        drop(storm);
        assert_eq!(permits.semaphore.available_permits(), 4);
        for expected in [5, 6, 7, 8, 8] {
            for _ in 0..CLIMB_AFTER {
                permits.acquire().await.unwrap().succeed();
            }
            assert_eq!(permits.allowed(), expected);
            assert_eq!(permits.semaphore.available_permits(), expected);
        }
    }

    #[tokio::test]
    async fn one_request_is_always_allowed() {
        let permits = Permits::new(3);
        for _ in 0..5 {
            permits.acquire().await.unwrap().halve();
        }
        assert_eq!((permits.allowed(), permits.semaphore.available_permits()), (1, 1));
    }
}
