//! Turns: what the chains of one resource find out for each other, where the config leaves something open.
//!
//! Chains run side by side, and what one of them finds holds for those behind it. So that the finding does not depend on what answers
//! first, it is the first chain in the order of the slices that finds it, and a chain that needs it waits for those before it: not to end, but
//! to have found it, or to have nothing to say. A chain waits only for earlier ones, which wait for none behind them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::config::PaginatorPlan;
use crate::source::Header;

/// Chains that may look for the paginator, one after the other, without proving one; then each looks for itself, so that an API whose
/// second pages are all empty is not read by one chain at a time.
const TRIALS_MAX: u32 = 5;

/// What the chains of a resource have found so far.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    given: AtomicU64,
    state: watch::Sender<State>,
    /// The header of the first page that was judged, where pages are CSV, and what that page is called.
    header: OnceLock<(String, Header)>,
}

#[derive(Debug, Default)]
struct State {
    /// Chains that may still find the paginator.
    looking: BTreeSet<u64>,
    /// Chains that looked for it, and ended without proof.
    unproven: u32,
    paginator: Option<PaginatorPlan>,
    /// Chains whose first page may still tell where the records are.
    unread: BTreeSet<u64>,
    /// A first page has told.
    is_read: bool,
}

/// A chain's place among those of its resource; its turn is over when it ends or is dropped. The default is that of a chain alone.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    number: u64,
    /// Whether it was for this chain to find the paginator.
    has_tried: AtomicBool,
}

impl Turns {
    /// The turn of the next chain, to be taken in the order of the slices.
    pub(crate) fn next(self: &Arc<Self>) -> Turn {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        self.state.send_modify(|state| {
            state.looking.insert(number);
            state.unread.insert(number);
        });
        Turn { turns: Arc::clone(self), number, has_tried: AtomicBool::new(false) }
    }

    /// The paginator that a chain has proven.
    pub(crate) fn found(&self) -> Option<PaginatorPlan> {
        self.state.borrow().paginator.clone()
    }
}

impl Default for Turn {
    fn default() -> Self {
        Arc::<Turns>::default().next()
    }
}

impl Turn {
    /// Whether no chain of the resource comes before this one.
    pub(crate) fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Waits until it is known how pages are found, `Some`; or until it is for this chain to find it.
    pub(crate) async fn paginator(&self) -> Option<PaginatorPlan> {
        let mut state = self.turns.state.subscribe();
        let is_known = |state: &State| {
            state.paginator.is_some() || state.unproven >= TRIALS_MAX || state.looking.first() == Some(&self.number)
        };
        // The sender lives as long as this turn.
        let settled = state.wait_for(is_known).await.ok().and_then(|state| state.paginator.clone());
        self.has_tried.store(settled.is_none(), Ordering::Relaxed);
        settled
    }

    /// This chain has proven how pages are found.
    pub(crate) fn settle(&self, plan: &PaginatorPlan) {
        self.turns.state.send_modify(|state| {
            state.looking.remove(&self.number);
            if state.unproven < TRIALS_MAX {
                state.paginator.get_or_insert_with(|| plan.clone());
            }
        });
    }

    /// Waits until it is known where the records are, or until it is for this chain's first page to tell.
    pub(crate) async fn records(&self) {
        let mut state = self.turns.state.subscribe();
        let is_known = |state: &State| state.is_read || state.unread.first() == Some(&self.number);
        // The sender lives as long as this turn.
        let _ = state.wait_for(is_known).await;
    }

    /// The first page of this chain is read: where its records are, those of the others are looked for.
    pub(crate) fn read(&self) {
        self.turns.state.send_if_modified(|state| !std::mem::replace(&mut state.is_read, true));
    }

    /// The header that holds for all pages of the resource, and the page that has it: by the first that asks, `page`.
    pub(crate) fn header(&self, page: String, header: &Header) -> &(String, Header) {
        self.turns.header.get_or_init(|| (page, header.clone()))
    }

    /// This chain ends: what it has not found, it will not find.
    pub(crate) fn end(&self) {
        self.turns.state.send_if_modified(|state| {
            let was_unread = state.unread.remove(&self.number);
            let was_looking = state.looking.remove(&self.number);
            state.unproven += u32::from(was_looking && self.has_tried.load(Ordering::Relaxed));
            was_unread || was_looking
        });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: PaginatorPlan = PaginatorPlan::SinglePage;

    fn turns<const N: usize>() -> [Turn; N] {
        let turns = Arc::<Turns>::default();
        std::array::from_fn(|_| turns.next())
    }

    /// What is known at once; outer `None`: it has to wait.
    fn known(turn: &Turn) -> Option<Option<PaginatorPlan>> {
        futures::FutureExt::now_or_never(turn.paginator())
    }

    #[test]
    fn the_first_chain_that_proves_a_paginator_settles_it_for_those_behind_it() {
        let [first, second, third] = turns();
        assert_eq!((known(&first), known(&second)), (Some(None), None));
        drop(first);
        assert_eq!((known(&second), known(&third)), (Some(None), None));
        second.settle(&SINGLE);
        assert_eq!(known(&third), Some(Some(SINGLE)));
    }

    #[test]
    fn a_chain_that_ends_without_proof_passes_it_on_and_after_some_each_looks_for_itself() {
        let mut all = turns::<8>().into_iter();
        for turn in all.by_ref().take(TRIALS_MAX as usize) {
            assert_eq!(known(&turn), Some(None));
            turn.end();
        }
        let (one, other) = (all.next().unwrap(), all.next().unwrap());
        assert_eq!((known(&other), known(&one)), (Some(None), Some(None)));
        one.settle(&SINGLE);
        assert_eq!(known(&other), Some(None), "who looks first is not told by time");
    }

    #[test]
    fn the_first_page_that_is_read_tells_where_the_records_are() {
        let [first, second, third] = turns();
        let may_read = |turn: &Turn| futures::FutureExt::now_or_never(turn.records()).is_some();
        assert_eq!((may_read(&first), may_read(&second)), (true, false));
        // Its first page is skipped by a rule.
        drop(first);
        assert_eq!((may_read(&second), may_read(&third)), (true, false));
        second.read();
        assert!(may_read(&third));
    }
}
