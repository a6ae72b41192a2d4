//! One history: actors are started, scheduled, frozen, killed and thawed as a seed says, and then everything comes to rest.
//!
//! In: a seed, and perhaps a planted fault. Out: the guarantee that did not hold, if any, and the trace's hash. A history has three acts: a
//! wild one, in which every step may go wrong; a calm one, in which those that are left go on to their ends; and a quiet one, in which a
//! fresh run opens each pipeline and the oracle compares everything. An actor that was frozen may sleep through the quiet act; it wakes up
//! behind it, and there is another one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use chrono::TimeDelta;
use fastrand::Rng;
use futures::future::BoxFuture;

use super::actors::{Actor, KINDS, Kind, PIPELINES};
use super::bucket::SimBucket;
use super::disk::SimDisk;
use super::planted::{Plant, Planted};
use super::quiet;
use super::schedule::{ActorClock, ActorId, Sim, Verdict};
use super::world::World;
use crate::config::{LakeLocation, LakePlan};
use crate::lake::bucket::Bucket;
use crate::lake::store::Store;
use crate::lake::tests::rig;

/// Steps after which a calm act has to be over.
const CALM_STEPS: u64 = 20_000;

/// Calls by which the protocol makes or loses something: an actor falls asleep right before one more often than elsewhere.
const HOT: [&str; 8] = ["create", "complete", "copy", "link", "move", "delete", "swap", "write"];

/// How often, of 1000 steps, something happens.
#[derive(Debug, Clone, Copy)]
struct Odds {
    kill: u16,
    freeze: u16,
    thaw: u16,
    jump: u16,
    refused: u16,
    lost: u16,
    twice: u16,
    silence: u16,
}

/// The kinds of nights that histories have.
const WEATHER: [Odds; 6] = [
    Odds { kill: 0, freeze: 0, thaw: 0, jump: 20, refused: 0, lost: 0, twice: 0, silence: 0 },
    Odds { kill: 2, freeze: 0, thaw: 0, jump: 10, refused: 8, lost: 8, twice: 8, silence: 2 },
    Odds { kill: 12, freeze: 2, thaw: 30, jump: 10, refused: 0, lost: 2, twice: 2, silence: 2 },
    Odds { kill: 2, freeze: 15, thaw: 10, jump: 10, refused: 0, lost: 0, twice: 2, silence: 0 },
    Odds { kill: 0, freeze: 25, thaw: 25, jump: 5, refused: 0, lost: 0, twice: 0, silence: 0 },
    Odds { kill: 4, freeze: 8, thaw: 12, jump: 15, refused: 3, lost: 3, twice: 3, silence: 2 },
];

/// What a seed decides before the first step.
#[derive(Debug)]
pub(super) struct Setup {
    is_disk: bool,
    repeats_completes: bool,
    pub(super) keep_versions: u32,
    pub(super) commits_kept: u64,
    pipelines: usize,
    processes: usize,
    weather: usize,
    pub(super) plant: Option<Plant>,
}

impl Setup {
    fn of(seed: u64, plant: Option<Plant>) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        Self {
            is_disk: rng.bool(),
            repeats_completes: rng.bool(),
            keep_versions: rng.u32(..3),
            commits_kept: rng.u64(2..4),
            pipelines: if rng.u8(..3) == 0 { 2 } else { 1 },
            processes: if rng.u8(..10) == 0 { rng.usize(6..10) } else { rng.usize(2..6) },
            weather: rng.usize(..WEATHER.len()),
            plant,
        }
    }
}

/// Whether a future asked to be polled again.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A process on the stage.
struct Process {
    run: String,
    future: Option<BoxFuture<'static, ()>>,
    is_frozen: bool,
    /// Steps left to one that waits for an answer that never comes.
    patience: Option<u32>,
    spool: std::path::PathBuf,
}

/// What came of a history.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The guarantee that did not hold.
    pub(super) fault: Option<String>,
    pub(super) hash: u64,
    pub(super) steps: u64,
    /// Commits that were made.
    pub(super) versions: usize,
    pub(super) lines: Vec<String>,
}

/// Plays the history of `seed`; `is_told` keeps every step as text. `scratch` is a folder for the rows that wait for their commit.
pub(super) fn play(seed: u64, plant: Option<Plant>, scratch: &Path, is_told: bool) -> Outcome {
    let setup = Setup::of(seed, plant);
    let sim = Sim::new(seed, World::default(), is_told);
    if is_told {
        sim.state().tell(0, &format!("{setup:?}"));
    }
    let mut stage = Stage { sim: Arc::clone(&sim), setup, scratch: scratch.to_owned(), processes: Vec::new(), last: 0 };
    stage.play();
    // Futures go before the state that they lock.
    drop(stage);
    let mut state = sim.state();
    let oracle = &state.world.oracle;
    let versions = oracle.pipelines().iter().map(|pipeline| oracle.log(pipeline).len()).sum();
    let fault = oracle.fault.clone();
    Outcome {
        fault,
        hash: state.trace.hash,
        steps: state.trace.steps,
        versions,
        lines: state.trace.lines.take().unwrap_or_default(),
    }
}

struct Stage {
    sim: Arc<Sim>,
    setup: Setup,
    scratch: std::path::PathBuf,
    processes: Vec<Process>,
    last: ActorId,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for actor in 0..self.processes.len() {
            self.end(actor);
        }
    }
}

impl Stage {
    fn play(&mut self) {
        self.wild();
        let sleepers: Vec<ActorId> = self.awake(true).into_iter().filter(|_| self.sim.state().rng.bool()).collect();
        for actor in self.awake(true) {
            if !sleepers.contains(&actor) {
                self.freeze(actor, false);
            }
        }
        self.calm();
        self.quiet(0);
        if sleepers.is_empty() || self.is_over() {
            return;
        }
        for actor in sleepers {
            self.freeze(actor, false);
        }
        self.calm();
        self.quiet(1);
    }

    fn is_over(&self) -> bool {
        self.sim.state().world.oracle.fault.is_some()
    }

    /// One of 1000.
    fn roll(&self, odds: u16) -> bool {
        odds > 0 && self.sim.state().rng.u16(..1000) < odds
    }

    /// The processes that are there and frozen, or not.
    fn awake(&self, is_frozen: bool) -> Vec<ActorId> {
        let there = |process: &Process| process.future.is_some() && process.is_frozen == is_frozen;
        (0..self.processes.len()).filter(|at| there(&self.processes[*at])).collect()
    }

    fn one_of(&self, actors: &[ActorId]) -> Option<ActorId> {
        if actors.is_empty() { None } else { Some(actors[self.sim.state().rng.usize(..actors.len())]) }
    }

    // The first act.

    fn wild(&mut self) {
        let odds = WEATHER[self.setup.weather];
        let mut started = 0;
        while !self.is_over() {
            let awake = self.awake(false);
            if started < self.setup.processes && (awake.is_empty() || awake.len() < 3 && self.roll(8)) {
                let kind = if started == 0 { Kind::Night } else { self.any_kind() };
                self.start(kind);
                started += 1;
                continue;
            }
            if awake.is_empty() {
                return;
            }
            for actor in &awake {
                match &mut self.processes[*actor].patience {
                    Some(0) => self.kill(*actor),
                    Some(patience) => *patience -= 1,
                    None => {}
                }
            }
            if self.roll(odds.kill) {
                let actor = self.one_of(&awake);
                actor.into_iter().for_each(|actor| self.kill(actor));
            } else if self.roll(odds.thaw)
                && let Some(actor) = self.one_of(&self.awake(true))
            {
                self.freeze(actor, false);
            } else if self.roll(odds.jump) {
                self.jump();
            } else {
                self.step(&odds);
            }
        }
    }

    fn any_kind(&self) -> Kind {
        let all: u32 = KINDS.iter().map(|(_, weight)| weight).sum();
        let mut at = self.sim.state().rng.u32(..all);
        for (kind, weight) in KINDS {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        Kind::Look
    }

    /// Time goes on for all, or a clock is set.
    fn jump(&mut self) {
        let mut state = self.sim.state();
        let seconds = [1, 5, 11, 31, 61][state.rng.usize(..5)];
        if state.rng.u8(..3) > 0 || state.skews.is_empty() {
            state.now += TimeDelta::seconds(seconds);
            return;
        }
        let clocks = state.skews.len();
        let (actor, sign) = (state.rng.usize(..clocks), if state.rng.bool() { 1 } else { -1 });
        state.skews[actor] = TimeDelta::seconds(sign * seconds);
    }

    /// One call of one process that is awake goes on.
    fn step(&mut self, odds: &Odds) {
        let Some((at, actor, verb)) = self.next_ticket() else { return self.pass_time() };
        if HOT.contains(&verb) && self.roll(odds.freeze * 4) || self.roll(odds.freeze / 4) {
            return self.freeze(actor, true);
        }
        let verdict = match verb {
            "sleep" => Verdict::Go,
            _ if self.roll(odds.refused) => Verdict::Refused,
            _ if self.roll(odds.lost) => Verdict::AnswerLost,
            // A local disk asks once.
            _ if !self.setup.is_disk && self.roll(odds.twice) => Verdict::Twice,
            _ if self.roll(odds.silence) => {
                let mut state = self.sim.state();
                self.processes[actor].patience = Some(state.rng.u32(1..40));
                Verdict::Silence { done: state.rng.bool() }
            }
            _ => Verdict::Go,
        };
        let is_killed = self.roll(odds.kill * 2);
        self.go_on(at, verdict);
        if is_killed {
            self.kill(actor);
        }
    }

    /// The place of a call that can go on now, mostly one of the process that went on before.
    fn next_ticket(&mut self) -> Option<(usize, ActorId, &'static str)> {
        let mut state = self.sim.state();
        let now = state.now;
        let is_ready = |at: &usize| {
            let ticket = &state.tickets[*at];
            !self.processes[ticket.actor].is_frozen && ticket.due.is_none_or(|due| due <= now)
        };
        let ready: Vec<usize> = (0..state.tickets.len()).filter(is_ready).collect();
        let same: Vec<usize> = ready.iter().copied().filter(|at| state.tickets[*at].actor == self.last).collect();
        let is_same = !same.is_empty() && state.rng.u8(..5) > 0;
        let from = if is_same { same } else { ready };
        if from.is_empty() {
            return None;
        }
        let at = from[state.rng.usize(..from.len())];
        self.last = state.tickets[at].actor;
        Some((at, self.last, state.tickets[at].verb))
    }

    /// Nothing can go on: the next wait of somebody who is awake ends.
    fn pass_time(&mut self) {
        let mut state = self.sim.state();
        let waits = state.tickets.iter().filter(|ticket| !self.processes[ticket.actor].is_frozen);
        match waits.filter_map(|ticket| ticket.due).min() {
            Some(due) => state.now = due,
            None => {
                drop(state);
                // They wait for answers that never come.
                self.awake(false).into_iter().for_each(|actor| self.kill(actor));
            }
        }
    }

    // What happens to processes.

    fn start(&mut self, kind: Kind) {
        let actor = self.processes.len();
        let mut state = self.sim.state();
        let pipeline = state.rng.usize(..self.setup.pipelines);
        let (run, rng) = (format!("r{actor:02}"), state.rng.fork());
        state.skews.push(TimeDelta::zero());
        state.world.oracle.began(&run, PIPELINES[pipeline]);
        state.tell(actor, &format!("begins as {kind:?} of {}", PIPELINES[pipeline]));
        drop(state);
        let spool = self.scratch.join(&run);
        let store = self.store(self.setup.plant, pipeline, &spool);
        let clock = Arc::new(ActorClock { sim: Arc::clone(&self.sim), actor });
        let (sim, plan, commits_kept) = (Arc::clone(&self.sim), self.plan(), self.setup.commits_kept);
        let collects_too_much = self.setup.plant == Some(Plant::CollectsTooMuch);
        let own = (run.clone(), spool.clone());
        let process = Actor { sim, store, clock, plan, commits_kept, collects_too_much, run: own.0, pipeline, rng, spool: own.1 };
        let future: BoxFuture<'static, ()> = Box::pin(process.act(kind));
        self.processes.push(Process { run, future: Some(future), is_frozen: false, patience: None, spool });
        self.last = actor;
        self.poll(actor);
    }

    fn plan(&self) -> LakePlan {
        let mut plan = rig::plan(LakeLocation::Disk("/nowhere".into()), vec![]);
        plan.keep_versions = self.setup.keep_versions;
        plan
    }

    fn store(&self, plant: Option<Plant>, pipeline: usize, spool: &Path) -> Arc<dyn Store> {
        let sim = Arc::clone(&self.sim);
        let inner: Arc<dyn Store> = match self.setup.is_disk {
            true => Arc::new(SimDisk { sim, spool: spool.to_owned() }),
            false => Arc::new(Bucket::of(Arc::new(SimBucket { sim, repeats_completes: self.setup.repeats_completes }), "")),
        };
        let (spool, pipeline) = (spool.to_owned(), PIPELINES[pipeline].to_owned());
        Arc::new(Planted { inner, sim: Arc::clone(&self.sim), plant, spool, pipeline, late: Default::default() })
    }

    /// Puts a process to sleep, or wakes it up. Whoever sleeps misses a heartbeat or more.
    fn freeze(&mut self, actor: ActorId, is_frozen: bool) {
        self.processes[actor].is_frozen = is_frozen;
        let mut state = self.sim.state();
        state.tell(actor, if is_frozen { "falls asleep" } else { "wakes up" });
        if is_frozen {
            let seconds = [1, 31, 61][state.rng.usize(..3)];
            state.now += TimeDelta::seconds(seconds);
        }
    }

    fn kill(&mut self, actor: ActorId) {
        self.sim.state().tell(actor, "is killed");
        self.end(actor);
    }

    /// Forgets a process, as a kill does: nothing is closed or cleaned.
    fn end(&mut self, actor: ActorId) {
        let process = &mut self.processes[actor];
        drop(process.future.take());
        let _ = std::fs::remove_dir_all(&process.spool);
        self.sim.state().world.oracle.ended(&process.run);
    }

    fn go_on(&mut self, at: usize, verdict: Verdict) {
        let actor = self.sim.state().grant(at, verdict);
        self.poll(actor);
    }

    fn poll(&mut self, actor: ActorId) {
        self.sim.state().current = actor;
        let flag = Arc::new(Flag(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        while flag.0.swap(false, Ordering::Relaxed) {
            let Some(future) = &mut self.processes[actor].future else { return };
            if let Poll::Ready(()) = future.as_mut().poll(&mut context) {
                self.sim.state().tell(actor, "ends");
                return self.end(actor);
            }
        }
    }

    // The other acts.

    /// Everybody who is awake goes on to the end, and nothing goes wrong.
    fn calm(&mut self) {
        self.sim.state().tell(0, "calm");
        for actor in self.awake(false) {
            if self.processes[actor].patience.is_some() {
                self.kill(actor);
            }
        }
        let end = self.sim.state().trace.steps + CALM_STEPS;
        while !self.is_over() && !self.awake(false).is_empty() {
            match self.next_ticket() {
                Some((at, ..)) => self.go_on(at, Verdict::Go),
                None => self.pass_time(),
            }
            if self.sim.state().trace.steps > end {
                self.sim.state().world.oracle.fail("a calm night does not end".to_owned());
            }
        }
    }

    /// A fresh run opens each pipeline, and everything is compared.
    fn quiet(&mut self, number: usize) {
        for pipeline in 0..self.setup.pipelines {
            if self.is_over() {
                return;
            }
            let actor = self.processes.len();
            let mut state = self.sim.state();
            state.now += TimeDelta::seconds(120);
            state.skews.push(TimeDelta::zero());
            state.tell(actor, "looks whether all is well");
            drop(state);
            let run = format!("quiet-{number}-{pipeline}");
            let spool = self.scratch.join(&run);
            // What it looks with is in order.
            let store = self.store(None, pipeline, &spool);
            let clock = Arc::new(ActorClock { sim: Arc::clone(&self.sim), actor });
            let look = quiet::Look { sim: Arc::clone(&self.sim), store, clock, plan: self.plan(), run: run.clone(), pipeline };
            let future: BoxFuture<'static, ()> = Box::pin(look.look());
            self.processes.push(Process { run, future: Some(future), is_frozen: false, patience: None, spool });
            self.poll(actor);
            self.calm();
        }
        if !self.is_over() {
            quiet::check_at_rest(&self.sim);
        }
    }
}
