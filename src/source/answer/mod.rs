//! Answers: what an answer means besides its status, by the config's rules and by what APIs are known to do.
//!
//! In: a status, headers, a body or its start. Out: the first rule that holds; whether it says "too fast", and for how long; what GraphQL says in it.
//! Invariants: pure; a body is parsed only where a rule whose other conditions hold looks into it, without a tree of it.
//! Not here: acting on it (`attempt`, `client`, `fetch`).

mod act;
mod graphql;
mod rules;
mod seek;
mod throttle;
mod wait;

pub(super) use act::{PartialErrors, Ruled};
pub(super) use rules::Rules;
pub(super) use throttle::is_throttle;
pub(super) use wait::{wait_in_body, wait_in_headers};
