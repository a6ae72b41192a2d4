//! The commit protocol on every store.

mod claims;
mod commit;
mod crash;
mod faulty;
mod garbage;
mod hostile;
mod place;
mod rig;
mod store;
mod verify;
mod versions;
