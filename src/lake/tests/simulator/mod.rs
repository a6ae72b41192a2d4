//! The commit protocol under a simulator: histories of processes that meet, fail, sleep and die, chosen by a seed, checked at every step.
//!
//! In: a seed. Out: nothing, or the first guarantee of `docs/guarantees.md` that did not hold, with the seed that shows it again
//! (`LAKEWARD_SIM_SEED=… cargo test --lib the_history_of_a_seed`). Every call of a store and every wait of a clock is a step, and one step is taken at a time: [`schedule`] holds
//! the calls, [`play`] decides which goes on and what becomes of it, [`actors`] are processes that run the protocol's own code, [`bucket`]
//! and [`disk`] are what they run on (the first under the real [`crate::lake::bucket::Bucket`]), [`oracle`], [`guarantees`] and [`quiet`] know
//! what has to be true, and [`planted`] does wrong what the oracle has to find. Invariants: no thread, no runtime, no wall clock; the same seed is the
//! same history, to the last step.

mod actors;
mod bucket;
mod disk;
mod guarantees;
mod oracle;
mod planted;
mod play;
mod quiet;
mod schedule;
mod tests;
mod world;
