//! Fault points: named instants at which a debug build can be killed, stopped or failed, so that crash tests hit every one.
//!
//! In: `LAKEWARD_FAULT=<name>[#n]=kill|stop|io`, read once. Out: nothing, an [`io::Error`] (`io`), or the process gone (`kill`,
//! SIGKILL) or frozen (`stop`, SIGSTOP until SIGCONT) at the n-th time the point is passed. A release build has none of it.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every fault point, in the order in which a run passes them; crash tests iterate over this list.
pub(crate) const FAULT_POINTS: [&str; 18] = [
    "lake.open.leased",
    "lake.recover.before_fence",
    "lake.recover.after_fence",
    "lake.spool.file",
    "lake.commit.before_stage",
    "lake.stage.file",
    "lake.commit.after_stage",
    "lake.commit.after_manifests",
    "lake.commit.before_record",
    "lake.commit.after_record",
    "lake.publish.put",
    "lake.publish.after_puts",
    "lake.publish.delete",
    "lake.publish.before_done",
    "lake.publish.after_done",
    "lake.publish.cleaning",
    "lake.close.before_release",
    "lake.close.released",
];

/// What happens at an armed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Kill,
    Stop,
    Io,
}

/// One armed point.
#[derive(Debug)]
struct Fault {
    name: String,
    /// Counted from 1.
    nth: u64,
    effect: Effect,
    passed: AtomicU64,
}

impl Fault {
    /// Reads `<name>[#n]=<effect>`; `None` for anything else.
    fn parse(text: &str) -> Option<Self> {
        let (point, effect) = text.split_once('=')?;
        let (name, nth) = match point.split_once('#') {
            Some((name, nth)) => (name, nth.parse().ok()?),
            None => (point, 1),
        };
        let effect = match effect {
            "kill" => Effect::Kill,
            "stop" => Effect::Stop,
            "io" => Effect::Io,
            _ => return None,
        };
        FAULT_POINTS.contains(&name).then(|| Self { name: name.to_owned(), nth, effect, passed: AtomicU64::new(0) })
    }

    fn pass(&self, name: &str) -> io::Result<()> {
        if self.name != name || self.passed.fetch_add(1, Ordering::SeqCst) + 1 != self.nth {
            return Ok(());
        }
        match self.effect {
            Effect::Kill => signal("-KILL"),
            Effect::Stop => signal("-STOP"),
            Effect::Io => Err(io::Error::other(format!("fault point `{name}`"))),
        }
    }
}

/// Sends `signal` to this process. By the `kill` program, because the system call needs `unsafe`.
fn signal(signal: &str) -> io::Result<()> {
    std::process::Command::new("kill").arg(signal).arg(std::process::id().to_string()).status().map(drop)
}

/// Passes the fault point `name`, one of [`FAULT_POINTS`].
///
/// # Errors
/// The error that `LAKEWARD_FAULT` asks for, in debug builds only.
pub(crate) fn fault_point(name: &'static str) -> io::Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    debug_assert!(FAULT_POINTS.contains(&name), "`{name}` is missing in FAULT_POINTS");
    #[cfg(test)]
    ARMED.with_borrow(|armed| armed.as_ref().map_or(Ok(()), |fault| fault.pass(name)))?;
    static FROM_ENV: OnceLock<Option<Fault>> = OnceLock::new();
    FROM_ENV
        .get_or_init(|| std::env::var("LAKEWARD_FAULT").ok().and_then(|text| Fault::parse(&text)))
        .as_ref()
        .map_or(Ok(()), |fault| fault.pass(name))
}

#[cfg(test)]
thread_local! {
    static ARMED: std::cell::RefCell<Option<Fault>> = const { std::cell::RefCell::new(None) };
}

/// Arms a fault for this thread's tests until the guard is dropped.
#[cfg(test)]
#[must_use]
pub(crate) fn arm_fault(text: &str) -> ArmedFault {
    let fault = Fault::parse(text).expect("a known fault");
    ARMED.set(Some(fault));
    ArmedFault
}

/// Disarms on drop.
#[cfg(test)]
pub(crate) struct ArmedFault;

#[cfg(test)]
impl ArmedFault {
    /// How often the armed point was passed.
    pub(crate) fn passed(&self) -> u64 {
        ARMED.with_borrow(|armed| armed.as_ref().map_or(0, |fault| fault.passed.load(Ordering::SeqCst)))
    }
}

#[cfg(test)]
impl Drop for ArmedFault {
    fn drop(&mut self) {
        ARMED.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_armed_point_fails_once_at_its_nth_pass() {
        let armed = arm_fault("lake.publish.put#2=io");
        assert!(fault_point("lake.publish.put").is_ok());
        assert!(fault_point("lake.publish.delete").is_ok());
        assert!(fault_point("lake.publish.put").is_err());
        assert!(fault_point("lake.publish.put").is_ok());
        assert_eq!(armed.passed(), 3);
    }

    #[test]
    fn an_unknown_fault_arms_nothing() {
        assert!(Fault::parse("lake.nowhere=kill").is_none());
        assert!(Fault::parse("lake.publish.put=explode").is_none());
        assert!(Fault::parse("lake.publish.put").is_none());
    }
}
