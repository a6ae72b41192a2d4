//! Slices: what one chain of pages is requested for.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::base::CursorType;
use crate::config::{Binding, CursorRange, IncrementalValue, Request};
use crate::source::{KeptAnswers, Ledger, Turn};

/// What a chain of pages is requested for. The default is that of a resource without parents.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Slice {
    /// A record of each parent, in the plan's order.
    pub(crate) parents: Vec<ParentRecord>,
    /// The range of an incremental resource.
    pub(crate) cursor: Option<Arc<SliceCursor>>,
}

/// What an incremental resource is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SliceCursor {
    /// Which of the resource's cursors it is.
    pub(crate) key: String,
    /// From where to where.
    pub(crate) range: CursorRange,
    /// What the cursor is, as far as the state knows.
    pub(crate) kind: Option<CursorType>,
    /// Marks of records at or behind the start that are loaded already, each with how many such records are.
    pub(crate) known: Arc<HashMap<u128, u32>>,
    /// Whether some of them are of an older program, which marked records as they were spelled.
    pub(crate) is_known_by_spelling: bool,
    /// What placeholders stand for, as JSON text.
    pub(crate) values: Vec<(IncrementalValue, Box<str>)>,
    /// When the run began to ask, by this machine's clock.
    pub(crate) asked: DateTime<Utc>,
}

/// How many records of a mark are loaded where nobody counted them: as many as come.
pub(crate) const UNCOUNTED: u32 = u32::MAX;

impl SliceCursor {
    /// The same where pages before have had so many of the records that are loaded.
    pub(crate) fn less(&self, had: &HashMap<u128, u32>) -> Self {
        let mut known = (*self.known).clone();
        for (mark, count) in had {
            known.entry(*mark).and_modify(|loaded| *loaded -= if *loaded == UNCOUNTED { 0 } else { (*count).min(*loaded) });
        }
        Self { known: Arc::new(known), ..self.clone() }
    }
}

/// What a child is told of a record of its parent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ParentRecord {
    /// Its place among the parent's records, from 0.
    pub(crate) number: u64,
    /// The values of the fields asked for, as JSON text, in the plan's order; `None` where it has none, which is not null.
    pub(crate) values: Vec<Option<Box<str>>>,
}

impl Slice {
    /// The value that a placeholder stands for, as JSON text.
    pub(crate) fn value(&self, binding: &Binding) -> Option<&str> {
        match binding {
            Binding::Parent { parent, field } => self.parents.get(*parent)?.values.get(*field)?.as_deref(),
            Binding::Incremental(wanted) => {
                self.cursor.as_ref()?.values.iter().find(|(value, _)| value == wanted).map(|(_, text)| &**text)
            }
        }
    }
}

/// A chain of pages: its first request, what it is for, and how far it may run ahead.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    /// The first page's request, without credentials.
    pub(crate) request: Request,
    /// What it is for; every page carries it.
    pub(crate) slice: Arc<Slice>,
    /// Requests under way at most, of pages whose places can be guessed.
    pub(crate) ahead: usize,
    /// Its place among the chains of its resource.
    pub(crate) turn: Arc<Turn>,
    /// What its requests come to.
    pub(crate) ledger: Arc<Ledger>,
    /// Where its answers are kept, and may be.
    pub(crate) kept: Option<Arc<KeptAnswers>>,
}

impl Chain {
    /// A chain for `slice`, the only one of its resource.
    pub(crate) fn new(request: Request, slice: Arc<Slice>, ahead: usize) -> Self {
        Self { request, slice, ahead, turn: Arc::default(), ledger: Arc::default(), kept: None }
    }
}
