//! The commit protocol on every store.

mod commit;
mod crash;
mod faulty;
mod rig;
mod store;
