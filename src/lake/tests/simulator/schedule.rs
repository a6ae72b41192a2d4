//! Who goes on, and what becomes of each call: the one place where a history decides anything.
//!
//! In: a seed; calls of actors, each of which waits here until it is its turn. Out: a [`Verdict`] a call. Invariants: one thread, no wall
//! clock, no order that depends on addresses or hashes; the same seed makes the same choices, which [`Trace`] proves by a hash.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use futures::future::BoxFuture;

use super::world::World;
use crate::base::Clock;

/// The number of an actor, in the order in which they begin.
pub(super) type ActorId = usize;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is done and answered.
    Go,
    /// It fails before it has an effect.
    Refused,
    /// It is done, and answered by an error.
    AnswerLost,
    /// It is done twice, as when a client asks again by itself, and answered the second time.
    Twice,
    /// It is never answered; perhaps it is done.
    Silence {
        /// Whether it is.
        done: bool,
    },
}

/// A call that waits.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) actor: ActorId,
    /// What is called, `sleep` for a wait.
    pub(super) verb: &'static str,
    pub(super) path: String,
    /// When a wait ends.
    pub(super) due: Option<DateTime<Utc>>,
    waker: Waker,
}

/// What happened, as a hash and, where it is asked for, as text.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) hash: u64,
    pub(super) steps: u64,
    pub(super) lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn note(&mut self, numbers: [u64; 2], path: &str, line: impl FnOnce() -> String) {
        for number in numbers.into_iter().chain(path.bytes().map(u64::from)) {
            self.hash = (self.hash ^ number).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(line());
        }
    }
}

/// Everything that a history has, behind one lock that is never contended.
#[derive(Debug)]
pub(super) struct State {
    pub(super) rng: Rng,
    pub(super) now: DateTime<Utc>,
    /// How far each actor's clock is off.
    pub(super) skews: Vec<TimeDelta>,
    /// The actor that is being polled.
    pub(super) current: ActorId,
    pub(super) tickets: Vec<Ticket>,
    granted: Vec<(u64, Verdict)>,
    next_ticket: u64,
    pub(super) world: World,
    pub(super) trace: Trace,
}

/// The history's state, shared by its actors.
#[derive(Debug)]
pub(super) struct Sim(Mutex<State>);

impl Sim {
    pub(super) fn new(seed: u64, world: World, is_told: bool) -> Arc<Self> {
        let trace = Trace { hash: 0xcbf2_9ce4_8422_2325, steps: 0, lines: is_told.then(Vec::new) };
        Arc::new(Self(Mutex::new(State {
            rng: Rng::with_seed(seed),
            now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            skews: Vec::new(),
            current: 0,
            tickets: Vec::new(),
            granted: Vec::new(),
            next_ticket: 0,
            world,
            trace,
        })))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the permission to do something.
    pub(super) fn ask(self: &Arc<Self>, verb: &'static str, path: &str, due: Option<DateTime<Utc>>) -> Ask {
        Ask { sim: Arc::clone(self), verb, path: path.to_owned(), due, waits_for: None }
    }

    /// A call with an effect on the world: waits for its turn, and does what becomes of it.
    pub(super) async fn request<T, E>(
        self: &Arc<Self>,
        verb: &'static str,
        path: &str,
        failure: impl FnOnce() -> E,
        mut effect: impl FnMut(&mut World) -> Result<T, E>,
    ) -> Result<T, E> {
        let verdict = self.ask(verb, path, None).await;
        let is_done = !matches!(verdict, Verdict::Refused | Verdict::Silence { done: false });
        let mut outcome = is_done.then(|| effect(&mut self.state().world));
        if verdict == Verdict::Twice {
            outcome = Some(effect(&mut self.state().world));
        }
        match (verdict, outcome) {
            (Verdict::Go | Verdict::Twice, Some(outcome)) => outcome,
            (Verdict::Silence { .. }, _) => std::future::pending().await,
            _ => Err(failure()),
        }
    }
}

impl State {
    /// Lets a waiting call go on; its actor has to be polled then.
    pub(super) fn grant(&mut self, at: usize, verdict: Verdict) -> ActorId {
        let ticket = self.tickets.remove(at);
        self.granted.push((ticket.id, verdict));
        self.trace.steps += 1;
        let (actor, steps) = (ticket.actor, self.trace.steps);
        let kind = match verdict {
            Verdict::Go => 0,
            Verdict::Refused => 1,
            Verdict::AnswerLost => 2,
            Verdict::Twice => 3,
            Verdict::Silence { done } => 4 + u64::from(done),
        };
        let told = || format!("{steps:5} actor {actor}: {} {} {verdict:?}", ticket.verb, ticket.path);
        self.trace.note([actor as u64, kind], &ticket.path, told);
        ticket.waker.wake();
        actor
    }

    /// Notes something that is no call.
    pub(super) fn tell(&mut self, actor: ActorId, what: &str) {
        let steps = self.trace.steps;
        self.trace.note([actor as u64, 9], what, || format!("{steps:5} actor {actor}: {what}"));
    }
}

/// A call that waits for its turn. One that is dropped is not made.
#[derive(Debug)]
pub(super) struct Ask {
    sim: Arc<Sim>,
    verb: &'static str,
    path: String,
    due: Option<DateTime<Utc>>,
    waits_for: Option<u64>,
}

impl Future for Ask {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Verdict> {
        let sim = Arc::clone(&self.sim);
        let mut state = sim.state();
        let waker = context.waker().clone();
        let Some(id) = self.waits_for else {
            let (id, actor) = (state.next_ticket, state.current);
            state.next_ticket += 1;
            self.waits_for = Some(id);
            let (verb, path, due) = (self.verb, std::mem::take(&mut self.path), self.due);
            state.tickets.push(Ticket { id, actor, verb, path, due, waker });
            return Poll::Pending;
        };
        if let Some(at) = state.granted.iter().position(|(granted, _)| *granted == id) {
            self.waits_for = None;
            return Poll::Ready(state.granted.swap_remove(at).1);
        }
        if let Some(ticket) = state.tickets.iter_mut().find(|ticket| ticket.id == id) {
            ticket.waker = waker;
        }
        Poll::Pending
    }
}

impl Drop for Ask {
    fn drop(&mut self) {
        if let Some(id) = self.waits_for {
            let mut state = self.sim.state();
            state.tickets.retain(|ticket| ticket.id != id);
            state.granted.retain(|(granted, _)| *granted != id);
        }
    }
}

/// The clock of one actor.
#[derive(Debug)]
pub(super) struct ActorClock {
    pub(super) sim: Arc<Sim>,
    pub(super) actor: ActorId,
}

impl Clock for ActorClock {
    fn now(&self) -> DateTime<Utc> {
        let state = self.sim.state();
        state.now + state.skews[self.actor]
    }

    fn instant(&self) -> Instant {
        unreachable!("the lake measures no time")
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        let due = self.sim.state().now + TimeDelta::from_std(wait).unwrap();
        let ask = self.sim.ask("sleep", "", Some(due));
        Box::pin(async move {
            ask.await;
        })
    }

    fn random(&self) -> u64 {
        self.sim.state().rng.u64(..)
    }
}
