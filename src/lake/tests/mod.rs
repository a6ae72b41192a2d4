//! The commit protocol on every store.

mod abandon;
mod claims;
mod commit;
mod conditions;
mod crash;
mod delta;
mod faulty;
mod garbage;
mod hostile;
mod place;
mod quarantine;
mod restore;
mod rig;
mod s3_server;
mod simulator;
mod splice;
mod store;
mod verify;
mod versions;
