//! The ledger of a chain: what its requests came to, whole or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::source::answer::PartialErrors;
use crate::source::server_time::Earliest;

/// Counts that stay when a fetch fails, for whoever goes on in its place.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Requests sent, retries included.
    pub(super) requests: AtomicU64,
    /// Body bytes of accepted pages, decompressed.
    pub(super) bytes: AtomicU64,
    /// Pages that a rule of the config dropped.
    pub(super) ignored: AtomicU64,
    /// When it began, by the server's clock.
    pub(super) server_time: Earliest,
    /// GraphQL errors beside data that counts.
    pub(super) partial_errors: Mutex<PartialErrors>,
    /// What the resource has cost in all its chains.
    cost: Arc<Cost>,
}

/// What a resource has cost so far, whether it becomes whole or not.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    requests: AtomicU64,
    pages: AtomicU64,
    kept: AtomicU64,
}

impl Cost {
    /// Requests sent, retries included.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Pages that count.
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Pages whose answers were kept by an interrupted run, and asked of nobody.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// A page counts.
    pub(crate) fn count_page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }
}

/// A ledger, read.
pub(super) struct Sums {
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) ignored: u64,
    pub(super) server_time: Option<DateTime<Utc>>,
    pub(super) partial_errors: PartialErrors,
}

impl Ledger {
    /// A ledger whose requests are told to `cost` too.
    pub(crate) fn of(cost: &Arc<Cost>) -> Self {
        Self { cost: Arc::clone(cost), ..Self::default() }
    }

    /// A request is sent.
    pub(super) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.cost.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A page is one that an interrupted run has kept.
    pub(super) fn count_kept(&self) {
        self.cost.kept.fetch_add(1, Ordering::Relaxed);
    }

    /// What it has come to.
    pub(super) fn sums(&self) -> Sums {
        Sums {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            ignored: self.ignored.load(Ordering::Relaxed),
            server_time: self.server_time.get(),
            partial_errors: self.partial_errors.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
