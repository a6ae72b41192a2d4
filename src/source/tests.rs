//! Scenarios from `Source::new` to the end of a resource, against an API made for misbehaving. Names begin with the id of the
//! misbehaviour, where it has one.

#[path = "../../tests/it/support/fake_api.rs"]
mod fake_api;

mod auth;
mod bodies;
mod detecting;
mod drift;
mod ends;
mod fuzz;
mod harness;
mod messages;
mod origins;
mod pacing;
mod paging;
mod renewal;
mod rendezvous;
mod retries;
mod rules;
mod tls;
mod transport;
