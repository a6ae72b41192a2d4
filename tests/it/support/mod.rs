//! What the integration tests stand on.

#[expect(dead_code, reason = "the source room's own tests share it, and need more of it")]
pub(crate) mod fake_api;
