//! Pace: how fast the requests of one API may go.
//!
//! In: the config's limits, and what answers tell of the API's own. Out: for each request, when it may be sent. One gate, one set of
//! permits for all resources of a client, so that a wait told to one holds all.
//! Invariants: the server's number of remaining requests wins over any count kept here; a wait is never cut short.
//! Not here: whether a failure is tried again (`retry`).

mod gate;
mod limits;
mod permits;

pub(super) use gate::{Gate, Held};
pub(super) use limits::{SPAN_MAX, Told, told_limits, told_span};
pub(super) use permits::Permits;
