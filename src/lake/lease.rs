//! The lease: who runs on this lake, so that two runs do not waste each other's work.
//!
//! Advisory: a lease wrongly taken over costs one run its work and nothing else, because the log alone decides
//! ([`crate::lake::log`]). Wall clocks are compared across machines, so a clock that is off by more than [`STALE`] takes over
//! early. Not here: fencing a run that was overtaken.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::base::Clock;
use crate::lake::store::{Blob, Store};
use crate::lake::{LakeError, Layout};

/// Time between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(10);

/// A lease without a heartbeat for this long, three missed ones, is anybody's.
pub(crate) const STALE: Duration = Duration::from_secs(30);

/// A process, as far as others can recognise it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Name of its machine.
    pub(crate) host: String,
    /// Its id there.
    pub(crate) pid: u32,
    /// Boot, process namespace and start time, where the system tells (Linux): equal for one process only.
    pub(crate) identity: Option<ProcessIdentity>,
}

/// What tells a process from others with the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// The boot and the process namespace.
    pub(crate) realm: String,
    /// When it started, in the kernel's ticks.
    pub(crate) started_ticks: u64,
}

impl Owner {
    /// This process.
    pub(crate) fn this_process() -> Self {
        let pid = std::process::id();
        let identity = realm().zip(started_ticks(pid)).map(|(realm, started_ticks)| ProcessIdentity { realm, started_ticks });
        Self { host: host(), pid, identity }
    }

    /// Whether the process surely is no more. `false` when it may live, or when this machine cannot know.
    pub(crate) fn is_dead(&self) -> bool {
        let Some(identity) = &self.identity else { return false };
        realm().is_some_and(|realm| realm == identity.realm) && started_ticks(self.pid) != Some(identity.started_ticks)
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| {
            std::process::Command::new("uname").arg("-n").output().ok().and_then(|out| String::from_utf8(out.stdout).ok())
        })
        .unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}

fn realm() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)); the fields start behind the name's last parenthesis.
fn started_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    // A zombie holds no lease: its parent has not looked yet.
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    fields.get(19)?.parse().ok()
}

/// The content of `lease.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseFile {
    /// The run.
    pub(crate) run: String,
    /// Its process.
    pub(crate) owner: Owner,
    /// When it took the lease, RFC 3339.
    pub(crate) started: String,
    /// Its last sign of life, RFC 3339.
    pub(crate) heartbeat: String,
}

impl LeaseFile {
    /// Reads a lease. One that cannot be read, as after a power cut, is nobody's.
    pub(crate) fn parse(blob: &Blob) -> Option<Self> {
        serde_json::from_slice(&blob.bytes).ok()
    }

    /// Since the last heartbeat; a heartbeat from the future is as old as it is far away.
    pub(crate) fn age(&self, now: DateTime<Utc>) -> Duration {
        DateTime::parse_from_rfc3339(&self.heartbeat)
            .map_or(Duration::MAX, |beat| (now - beat.to_utc()).abs().to_std().unwrap_or(Duration::MAX))
    }

    /// What another run is told while it is fresh.
    pub(crate) fn refusal(&self, now: DateTime<Utc>) -> LakeError {
        let (run, host, pid) = (self.run.clone(), self.owner.host.clone(), self.owner.pid);
        LakeError::Locked { run, host, pid, age: self.age(now) }
    }

    /// Whether another run may take it over.
    pub(crate) fn is_stale(&self, now: DateTime<Utc>) -> bool {
        self.age(now) >= STALE || self.owner.is_dead()
    }
}

/// A lease this run holds. Cheap to clone; all clones are the same lease.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    store: Arc<dyn Store>,
    path: String,
    clock: Arc<dyn Clock>,
    content: LeaseFile,
    held: Arc<Mutex<Held>>,
}

/// What the store has of the lease, as far as this run knows.
#[derive(Debug)]
struct Held {
    blob: Blob,
    released: bool,
}

impl Lease {
    /// No lease, for `run` that only looks: nothing is written, and nobody waits for it.
    pub(crate) fn none(store: Arc<dyn Store>, layout: &Layout, clock: Arc<dyn Clock>, run: &str) -> Self {
        let now = clock.now().to_rfc3339();
        let content = LeaseFile { run: run.to_owned(), owner: Owner::this_process(), started: now.clone(), heartbeat: now };
        let blob = Blob { bytes: Vec::new(), etag: None };
        Self { store, path: layout.lease(), clock, content, held: Arc::new(Mutex::new(Held { blob, released: true })) }
    }

    /// Takes the lease for `run`.
    ///
    /// # Errors
    /// [`LakeError::Locked`] while another run holds a fresh one.
    pub(crate) async fn take(
        store: Arc<dyn Store>,
        layout: &Layout,
        clock: Arc<dyn Clock>,
        run: &str,
        owner: Owner,
    ) -> Result<Self, LakeError> {
        let path = layout.lease();
        let now = clock.now();
        let content = LeaseFile { run: run.to_owned(), owner, started: now.to_rfc3339(), heartbeat: now.to_rfc3339() };
        let bytes = encode(&content);
        // Each turn is lost to another run only, so a few turns tell enough.
        let mut taken = false;
        for _ in 0..3 {
            taken = match store.get(&path).await? {
                None => store.create(&path, bytes.clone()).await?,
                Some(blob) => {
                    if let Some(other) = LeaseFile::parse(&blob).filter(|other| !other.is_stale(now) && other.run != run) {
                        return Err(other.refusal(now));
                    }
                    store.swap(&path, &blob, bytes.clone()).await?
                }
            };
            if taken {
                break;
            }
        }
        match store.get(&path).await? {
            Some(blob) if taken && blob.bytes == bytes => {
                Ok(Self { store, path, clock, content, held: Arc::new(Mutex::new(Held { blob, released: false })) })
            }
            blob => {
                let run = blob.as_ref().and_then(LeaseFile::parse).map_or_else(|| "unknown".to_owned(), |lease| lease.run);
                Err(LakeError::Conflict { run })
            }
        }
    }

    /// Gives a sign of life.
    ///
    /// # Errors
    /// [`LakeError::Conflict`] when another run took the lease over.
    pub(crate) async fn beat(&self) -> Result<(), LakeError> {
        let mut held = self.held.lock().await;
        if held.released {
            return Ok(());
        }
        let content = LeaseFile { heartbeat: self.clock.now().to_rfc3339(), ..self.content.clone() };
        let bytes = encode(&content);
        let swapped = self.store.swap(&self.path, &held.blob, bytes).await?;
        let there = self.store.get(&self.path).await?;
        match there {
            // A write that went through although its answer was lost is still ours.
            Some(blob) if swapped || LeaseFile::parse(&blob).is_some_and(|lease| lease.run == self.content.run) => {
                held.blob = blob;
                Ok(())
            }
            blob => {
                let run = blob.as_ref().and_then(LeaseFile::parse).map_or_else(|| "unknown".to_owned(), |lease| lease.run);
                Err(LakeError::Conflict { run })
            }
        }
    }

    /// Gives signs of life while `work` goes on, which ends when another run took over.
    ///
    /// # Errors
    /// [`LakeError::Conflict`]; those of `work`.
    pub(crate) async fn keep_during<T>(&self, work: impl Future<Output = Result<T, LakeError>>) -> Result<T, LakeError> {
        match self.watch(std::pin::pin!(work)).await? {
            Ok(done) => Ok(done),
            Err(error) => Err(self.overtaken().await.unwrap_or(error)),
        }
    }

    /// [`LakeError::Conflict`] where another run took over. One that was overtaken finds files gone or changed, which tells nothing of why.
    pub(crate) async fn overtaken(&self) -> Option<LakeError> {
        self.beat().await.err().filter(|error| matches!(error, LakeError::Conflict { .. }))
    }

    /// Gives signs of life while `work` goes on, which ends by itself alone.
    pub(crate) async fn keep_beside<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        match self.watch(work.as_mut()).await {
            Ok(done) => done,
            Err(_) => work.await,
        }
    }

    /// Gives signs of life until `work` is done, or another run took over. A store that fails for a while is no reason to stop: the
    /// log decides at the commit. No heartbeat outlives this: one that was on its way would bring a lease back that was released
    /// meanwhile.
    async fn watch<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, LakeError> {
        loop {
            match select(work.as_mut(), self.clock.sleep(HEARTBEAT)).await {
                Either::Left((done, _)) => return Ok(done),
                Either::Right(((), _)) => {}
            }
            match select(work.as_mut(), std::pin::pin!(self.beat())).await {
                Either::Left((done, beat)) => {
                    let _ = beat.await;
                    return Ok(done);
                }
                Either::Right((Err(error @ LakeError::Conflict { .. }), _)) => return Err(error),
                Either::Right((Err(error), _)) => tracing::warn!(error = %error, "no heartbeat"),
                Either::Right((Ok(()), _)) => {}
            }
        }
    }

    /// Gives the lease back, if it is still this run's.
    ///
    /// # Errors
    /// When the store fails; the lease then goes stale by itself.
    pub(crate) async fn release(&self) -> Result<(), LakeError> {
        let mut held = self.held.lock().await;
        held.released = true;
        match self.store.get(&self.path).await? {
            Some(blob) if LeaseFile::parse(&blob).is_some_and(|lease| lease.run == self.content.run) => {
                self.store.remove(&self.path).await
            }
            _ => Ok(()),
        }
    }
}

fn encode(content: &LeaseFile) -> Vec<u8> {
    serde_json::to_vec(content).expect("a lease is plain JSON")
}
