//! Fault points: named instants at which a debug build can be killed, stopped or failed, so that crash tests hit every one.
//!
//! In: `LAKEWARD_FAULT=<name>[#n]=kill|stop|io|panic|int|int2|term2`, read once. Out: nothing, an [`io::Error`] (`io`), a panic, or the process gone (`kill`,
//! SIGKILL) or frozen (`stop`, SIGSTOP until SIGCONT) at the n-th time the point is passed; or a signal
//! sent to it, once or twice, and heeded before the point is left (`int`, `int2`, `term2`). A release build has none of it.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Every fault point, in the order in which a run passes them; crash tests iterate over this list.
pub(crate) const FAULT_POINTS: [&str; 28] = [
    "lake.open.leased",
    "lake.recover.before_fence",
    "lake.recover.after_fence",
    "lake.spool.file",
    "lake.commit.before_stage",
    "lake.stage.file",
    "lake.stage.copied",
    "lake.commit.after_stage",
    "lake.commit.after_claims",
    "lake.commit.after_manifests",
    "lake.commit.before_create",
    "lake.commit.after_create",
    "lake.publish.after_keeps",
    "lake.publish.put",
    "lake.delta.before_create",
    "lake.delta.after_create",
    "lake.publish.linked",
    "lake.publish.after_puts",
    "lake.publish.delete",
    "lake.publish.release",
    "lake.publish.before_done",
    "lake.publish.after_done",
    "lake.publish.cleaning",
    "lake.kept.prune",
    "lake.gc.removed",
    "lake.abandon.dropped",
    "lake.close.before_release",
    "lake.close.released",
];

/// Points within tasks, one for each kind of task, at which tests let one panic.
pub(crate) const TASK_POINTS: [&str; 8] =
    ["task.main", "task.request", "task.token", "task.body", "task.decode", "task.table", "task.finish", "task.disk"];

/// What happens at an armed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Kill,
    Stop,
    Io,
    Panic,
    /// A signal, so many times.
    Signal(&'static str, u8),
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
            "panic" => Effect::Panic,
            "int" => Effect::Signal("-INT", 1),
            "int2" => Effect::Signal("-INT", 2),
            "term2" => Effect::Signal("-TERM", 2),
            _ => return None,
        };
        is_known(name).then(|| Self { name: name.to_owned(), nth, effect, passed: AtomicU64::new(0) })
    }

    #[expect(clippy::panic, reason = "a panic is what one of the faults is")]
    fn pass(&self, name: &str) -> io::Result<()> {
        if self.name != name || self.passed.fetch_add(1, Ordering::SeqCst) + 1 != self.nth {
            return Ok(());
        }
        match self.effect {
            Effect::Kill => signal("-KILL"),
            Effect::Stop => signal("-STOP"),
            Effect::Io => Err(io::Error::other(format!("fault point `{name}`"))),
            Effect::Signal(name, times) => (0..times).try_for_each(|_| heeded(name)),
            Effect::Panic => std::panic::panic_any(format!("fault point `{name}`")),
        }
    }
}

fn is_known(name: &str) -> bool {
    FAULT_POINTS.contains(&name) || TASK_POINTS.contains(&name)
}

/// Signals that whoever watches them has heeded.
static HEEDED: AtomicU64 = AtomicU64::new(0);

/// To be called by whoever watches signals, once it has done what a signal asks for.
pub(crate) fn signal_heeded() {
    HEEDED.fetch_add(1, Ordering::SeqCst);
}

/// Sends `name` to this process, and waits until it is heeded.
fn heeded(name: &str) -> io::Result<()> {
    let before = HEEDED.load(Ordering::SeqCst);
    signal(name)?;
    while HEEDED.load(Ordering::SeqCst) == before {
        std::thread::park_timeout(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends `signal` to this process. By the `kill` program, because the system call needs `unsafe`.
fn signal(signal: &str) -> io::Result<()> {
    std::process::Command::new("kill").arg(signal).arg(std::process::id().to_string()).status().map(drop)
}

/// Passes the fault point `name`, one of [`FAULT_POINTS`] or [`TASK_POINTS`].
///
/// # Errors
/// The error that `LAKEWARD_FAULT` asks for, in debug builds only.
pub(crate) fn fault_point(name: &'static str) -> io::Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    debug_assert!(is_known(name), "`{name}` is missing in the lists of fault points");
    #[cfg(test)]
    ARMED.with_borrow(|armed| armed.as_ref().map_or(Ok(()), |fault| fault.pass(name)))?;
    static FROM_ENV: OnceLock<Option<Fault>> = OnceLock::new();
    FROM_ENV
        .get_or_init(|| std::env::var("LAKEWARD_FAULT").ok().and_then(|text| Fault::parse(&text)))
        .as_ref()
        .map_or(Ok(()), |fault| fault.pass(name))
}

/// Passes the point `name` of [`TASK_POINTS`], where only a panic matters.
pub(crate) fn task_point(name: &'static str) {
    // Tasks have errors of their own; this is about the ones they do not have.
    let _ = fault_point(name);
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
