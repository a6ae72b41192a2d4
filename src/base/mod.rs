//! Base: what every room shares and nobody owns.
//!
//! Error kinds, the clock, secrets and JSON paths. It knows nothing of any other room, and only what has three users
//! moves in here.

mod clock;
mod error;
mod path;
mod redact;

pub(crate) use clock::{Clock, SystemClock};
pub(crate) use error::ErrorKind;
pub(crate) use path::{JsonPath, JsonPathError, Step};
pub(crate) use redact::{RedactedUrl, Secret};
