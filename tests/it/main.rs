//! Behaviour, seen from outside: the binary, the lake it leaves, and the order of the house.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod auth;
mod answers;
mod bad_input;
mod canary;
mod cancel;
mod commands;
mod crash;
mod defects;
mod detection;
mod dispositions;
mod expiring;
mod extremes;
mod guide;
mod hostile;
mod import;
mod incremental;
mod lake_files;
mod pagination;
mod no_list;
mod one_row_a_key;
mod parents;
mod partitions;
mod probing;
mod project;
mod processing_steps;
mod s3;
mod schema_evolution;
mod secrets;
mod shapes;
mod support;
mod table_keys;
mod tidy;
mod told_totals;
mod values;
mod warnings;
