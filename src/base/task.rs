//! Tasks that end without their result: a panic is a defect with a text, and never an interruption.
//!
//! In: what a task, a thread or a pool gives back. Out: the result, or [`Panicked`], which travels within an [`io::Error`] where a signature
//! has room for nothing else. Whoever joins a task of any kind does it through this module.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// What a panic said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a task panicked: {0}")]
pub(crate) struct Panicked(pub(crate) String);

impl Panicked {
    /// From what a panic leaves behind.
    pub(crate) fn of(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "it left no words".to_owned()))
    }

    /// What `error` is made of, if it is one.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// Why a task of the runtime has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unjoined {
    /// A defect.
    Panicked(Panicked),
    /// The runtime shuts down.
    Stopped,
}

impl From<JoinError> for Unjoined {
    fn from(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => Self::Panicked(Panicked::of(panic.as_ref())),
            Err(_) => Self::Stopped,
        }
    }
}

/// Does `work`; a panic in it becomes an error.
///
/// # Errors
/// [`Panicked`].
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked::of(panic.as_ref()))
}

/// Does blocking work off the async threads; in place where there is no runtime, and so no thread that it could block.
///
/// # Errors
/// Its own; a panic in it as an error that has it [within](Panicked::within).
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    if Handle::try_current().is_err() {
        return work();
    }
    match tokio::task::spawn_blocking(work).await.map_err(Unjoined::from) {
        Ok(result) => result,
        Err(Unjoined::Panicked(panic)) => Err(io::Error::other(panic)),
        Err(Unjoined::Stopped) => Err(io::Error::from(io::ErrorKind::Interrupted)),
    }
}

/// Does short blocking work where it stands, while other tasks of this thread go on at another one: a slow disk holds up nothing but what
/// waits for it.
pub(crate) fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_keeps_its_text() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(caught::<()>(|| std::panic::panic_any("no room")), Err(Panicked("no room".to_owned())));
        assert_eq!(caught::<()>(|| std::panic::panic_any(format!("{} of 2", 3))), Err(Panicked("3 of 2".to_owned())));
        assert_eq!(caught::<()>(|| std::panic::panic_any(7)), Err(Panicked("it left no words".to_owned())));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_task_that_waits_for_the_disk_holds_up_no_other_one() {
        let (free, disk) = std::sync::mpsc::sync_channel(1);
        let waits = tokio::spawn(async move {
            let other = tokio::spawn(async move { free.send("free") });
            let said = in_place(|| disk.recv());
            other.await.unwrap().unwrap();
            said
        });
        assert_eq!(waits.await.unwrap(), Ok("free"));
        assert_eq!(in_place(|| 1), 1);
    }

    #[tokio::test]
    async fn a_panic_travels_within_an_io_error() {
        let error = blocking::<()>(|| std::panic::panic_any("full")).await.unwrap_err();
        assert_eq!(Panicked::within(&error), Some(&Panicked("full".to_owned())));
        assert_eq!(error.to_string(), "a task panicked: full");
        assert_eq!(Panicked::within(&io::Error::other("disk")), None);
    }
}
