//! What the integration tests stand on: the binary in a folder of its own, tables read back, and the fakes.

pub(crate) mod billing;
#[expect(dead_code, reason = "the source room's own tests share it, and need more of it")]
pub(crate) mod fake_api;
pub(crate) mod interrupted;
pub(crate) mod readers;
pub(crate) mod sandbox;
pub(crate) mod table;
