//! Slices: what one chain of pages is requested for.

use std::sync::Arc;

use crate::config::{Binding, Request};

/// What a chain of pages is requested for. The default is that of a resource without parents.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Slice {
    /// A record of each parent, in the plan's order.
    pub(crate) parents: Vec<ParentRecord>,
}

/// What a child is told of a record of its parent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ParentRecord {
    /// Its place among the parent's records, from 0.
    pub(crate) number: u64,
    /// The values of the fields asked for, as JSON text, in the plan's order; `None` where it has none.
    pub(crate) values: Vec<Option<Box<str>>>,
}

impl Slice {
    /// The value that a placeholder stands for, as JSON text.
    pub(crate) fn value(&self, binding: &Binding) -> Option<&str> {
        match binding {
            Binding::Parent { parent, field } => self.parents.get(*parent)?.values.get(*field)?.as_deref(),
            Binding::Incremental(_) => None,
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
}
