//! The stop of a run: asked for from outside, heeded up to the commit, and told what stands.
//!
//! Whether the run ends before its commit or goes through it is decided once, under one lock, so that what a person is told at that
//! instant stays true.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// How far the run has come with its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing of it is published.
    Nothing,
    /// Its commit is under way, and runs to its end.
    Committing,
    /// Its commit stands and is published.
    Committed,
}

/// Shared by the run and by whoever may stop it.
#[derive(Debug)]
pub(crate) struct Stop {
    cancel: CancellationToken,
    standing: Mutex<Standing>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { cancel: CancellationToken::new(), standing: Mutex::new(Standing::Nothing) }
    }
}

impl Stop {
    /// Asks the run to end. It does so unless its commit has begun; what stands is told.
    pub(crate) fn ask(&self) -> Standing {
        let standing = self.lock();
        if *standing == Standing::Nothing {
            self.cancel.cancel();
        }
        *standing
    }

    /// What stands.
    pub(crate) fn standing(&self) -> Standing {
        *self.lock()
    }

    /// Cancelled when the run is to end.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Goes into the commit; `false` when the run was asked to end before.
    pub(super) fn begin_commit(&self) -> bool {
        let mut standing = self.lock();
        if self.cancel.is_cancelled() {
            return false;
        }
        *standing = Standing::Committing;
        true
    }

    /// The commit is published.
    pub(super) fn committed(&self) {
        *self.lock() = Standing::Committed;
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_counts_before_the_commit_and_not_in_it() {
        let early = Stop::default();
        assert_eq!(early.ask(), Standing::Nothing);
        assert!(early.token().is_cancelled() && !early.begin_commit());
        assert_eq!(early.ask(), Standing::Nothing);
        let late = Stop::default();
        assert!(late.begin_commit());
        assert_eq!(late.ask(), Standing::Committing);
        assert!(!late.token().is_cancelled());
        late.committed();
        assert_eq!(late.ask(), Standing::Committed);
    }
}
