//! Base: what every room shares and nobody owns.
//!
//! Error kinds, warnings, the clock, secrets, JSON paths, cursor values and fault points. It knows nothing of any other room, and only what has three users
//! moves in here.

mod clock;
mod count;
mod cursor;
mod error;
mod fault;
#[cfg(test)]
mod fuzz;
mod names;
mod path;
mod redact;
mod secrets;
mod show;
mod task;
mod tls;
mod warning;

pub(crate) use clock::{Clock, SystemClock, instant_after, time_after};
pub(crate) use count::{count, counted};
pub(crate) use cursor::{
    Converter, CursorForm, CursorStep, CursorType, CursorValue, Edge, Lag, NoTime, Sent, TypeMismatch, plain_number,
};
pub(crate) use error::ErrorKind;
#[cfg(test)]
pub(crate) use fault::{FAULT_POINTS, arm_fault};
pub(crate) use fault::{fault_point, signal_heeded, task_point};
#[cfg(test)]
pub(crate) use fuzz::fuzz;
pub(crate) use names::folded;
pub(crate) use path::{JsonPath, PathExhausted, Step};
pub(crate) use redact::{RedactedUrl, Secret, is_harmless_parameter, names_credential};
pub(crate) use secrets::{Secrets, secrets};
pub(crate) use show::{is_special, quoted, shown, shown_json, shown_json_lines, start_of};
pub(crate) use task::{Panicked, Unjoined, blocking, caught, in_place};
pub(crate) use tls::{http_client, settle_tls};
pub(crate) use warning::{Warning, WarningCode, Weight};
