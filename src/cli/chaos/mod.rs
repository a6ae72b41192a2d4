//! `lakeward chaos`: the config against sixty misbehaviours of its API, made of a recording.
//!
//! In: a config, a recording of a run that began with nothing. Out: what came of each misbehaviour in a scratch lake: all rows, a refusal, or rows that are
//! lost, doubled or changed in a green run, which is exit code 3. The user's own lake is not touched, and the API is not asked.

mod rows;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{ErrorKind, SystemClock};
use crate::cli::args::ChaosArgs;
use crate::cli::chaos::rows::{Difference, Rows};
use crate::cli::exit::Failure;
use crate::cli::recording::Replayable;
use crate::cli::terminal;
use crate::config::{LakeLocation, Plan};
use crate::pipeline::{self, Components, Events, NewRun, Refresh, ResourceResult, RunFacts, RunOptions, Stop, Unfinished};
use crate::report;
use crate::source::{Asking, Misbehaviour, Replay, Scene, Story, Taken, Truth, misbehaviours};

/// Bytes of a recording that are taken into memory.
const BYTES_MAX: usize = 256 << 20;
/// Characters of an error that are shown.
const ERROR_CHARS: usize = 160;

/// Plays the misbehaviours.
pub(crate) async fn chaos(args: ChaosArgs) -> Result<u8, Failure> {
    let chosen = chosen(&args.only)?;
    let Replayable { plan, recorded, taken, lacking } = Replayable::open(&args.of, &args.replay)?;
    let replay = recorded.replay(&taken, &lacking);
    let refresh = Refresh::of_option(&replay.start().refresh);
    if !replay.start().had_past.is_empty() && !refresh.is_from_nothing() {
        let line = "the recorded run went on from tables and cursors, which a scratch lake does not have".to_owned();
        let hint = "record a run with `--full-refresh`, or one into a new lake".to_owned();
        return Err(Failure::config(vec![line]).with_hints([hint]).of_pipeline(&plan.name));
    }
    let scenes = replay.scenes(BYTES_MAX).map_err(|error| Failure::internal("reading the recording", &error))?;
    let Some(scenes) = scenes else {
        let line =
            format!("the recording has more than {} MiB of answers, and chaos holds all of them in memory", BYTES_MAX >> 20);
        return Err(Failure::config(vec![line]).with_hints(["record a part of the run by `--resource`".to_owned()]));
    };
    let rig = Rig { plan, replay, taken, refresh };
    let clean = rig.run(scenes.clone()).await?;
    if clean.code != 0 {
        let line = format!("the recorded run itself ends with exit code {}: {}", clean.code, clean.said);
        return Err(Failure::of(ErrorKind::Data, vec![line], vec!["record a run that succeeds".to_owned()]));
    }
    let mut told = Vec::new();
    for misbehaviour in chosen {
        let mut story = Story::new(scenes.clone(), args.seed.wrapping_add(xxh3_64(misbehaviour.name.as_bytes())));
        let fate = match (misbehaviour.play)(&mut story) {
            Some(truth) => rig.run(story.into_scenes()).await?.fate(&clean, &truth)?,
            None => Fate::NotTried,
        };
        if !args.json {
            lines(misbehaviour, &fate).iter().for_each(|line| terminal::print(line));
        }
        told.push((misbehaviour, fate));
    }
    let count = |is: fn(&Fate) -> bool| told.iter().filter(|(_, fate)| is(fate)).count() as u64;
    let lost = count(|fate| matches!(fate, Fate::Lost(_) | Fate::Defect(_)));
    if args.json {
        let all: Vec<Value> = told.iter().map(|(misbehaviour, fate)| fate.json(misbehaviour)).collect();
        terminal::print_json(json!({"seed": args.seed, "lost": lost, "misbehaviours": all}));
    } else {
        terminal::print("");
        terminal::print(&format!(
            "{}: {} ended with all rows, {} refused, {} not tried, {} LOST",
            report::counted(told.len() as u64, "misbehaviour"),
            count(|fate| matches!(fate, Fate::AllRows)),
            count(|fate| matches!(fate, Fate::Refused { .. })),
            count(|fate| matches!(fate, Fate::NotTried)),
            lost
        ));
    }
    Ok(if lost > 0 { ErrorKind::Data.exit_code() } else { 0 })
}

/// The misbehaviours that are asked for; all where none is.
fn chosen(only: &[String]) -> Result<Vec<&'static Misbehaviour>, Failure> {
    let unknown = only.iter().find(|name| misbehaviours().all(|known| known.name != name.as_str()));
    if let Some(name) = unknown {
        let near = misbehaviours().max_by(|one, other| {
            let likeness = |of: &Misbehaviour| strsim::jaro_winkler(of.name, name);
            likeness(one).total_cmp(&likeness(other))
        });
        let hint = near.map(|near| format!("did you mean `{}`?", near.name));
        return Err(Failure::config(vec![format!("no misbehaviour is named `{name}`")]).with_hints(hint));
    }
    Ok(misbehaviours().filter(|known| only.is_empty() || only.iter().any(|name| name == known.name)).collect())
}

/// What every run needs.
struct Rig {
    plan: Plan,
    replay: Replay,
    taken: Vec<Taken>,
    refresh: Refresh,
}

/// One run in a lake of its own.
struct Ran {
    lake: TempDir,
    code: u8,
    /// Its first error, or nothing.
    said: String,
    /// Tables that are published, and those that are not.
    published: Vec<String>,
    failed: Vec<String>,
}

/// What came of a misbehaviour.
enum Fate {
    AllRows,
    Refused { code: u8, said: String },
    Lost(Difference),
    Defect(String),
    NotTried,
}

impl Rig {
    /// Runs the config into a scratch lake, answered by these scenes.
    async fn run(&self, scenes: Vec<Scene>) -> Result<Ran, Failure> {
        let cannot = |error: std::io::Error| Failure::config(vec![format!("a scratch lake cannot be made: {error}")]);
        let lake = TempDir::with_prefix("lakeward-chaos-").map_err(cannot)?;
        let mut plan = self.plan.clone();
        plan.lake.location = LakeLocation::Disk(lake.path().to_owned());
        plan.lake.options = Vec::new();
        let asking = Asking::Replaying(Arc::new(self.replay.with(scenes, &self.taken)));
        let options = RunOptions { refresh: self.refresh, asking, ..RunOptions::default() };
        let events: Events = Arc::new(|_| ());
        let components = Components {
            clock: Arc::new(SystemClock),
            run: NewRun::now(&SystemClock),
            stop: Arc::<Stop>::default(),
            events,
            spell: &report::summary,
        };
        let outcome = AssertUnwindSafe(pipeline::run(&plan, &options, components)).catch_unwind().await;
        let (code, said, results) = match outcome {
            Ok(Ok(facts)) => (report::exit_code(&facts), first_error(&facts), facts.resources),
            Ok(Err(Unfinished { error, .. })) => (error.kind().exit_code(), error.chain(), Vec::new()),
            Err(_) => (ErrorKind::Internal.exit_code(), "it panicked".to_owned(), Vec::new()),
        };
        let is_published =
            |name: &str| results.iter().any(|(of, result)| of == name && matches!(result, ResourceResult::Published(_)));
        let (published, failed): (Vec<_>, Vec<_>) = plan.resources.iter().partition(|resource| is_published(&resource.name));
        let tables = |of: Vec<&crate::config::ResourcePlan>| of.into_iter().map(|resource| resource.table.clone()).collect();
        Ok(Ran { lake, code, said, published: tables(published), failed: tables(failed) })
    }
}

fn first_error(facts: &RunFacts) -> String {
    let first = facts.resources.iter().find_map(|(_, result)| match result {
        ResourceResult::Failed { message, .. } => Some(message.clone()),
        _ => None,
    });
    first.unwrap_or_default()
}

impl Ran {
    /// What came of it, where `clean` is what comes without any trouble.
    fn fate(self, clean: &Self, truth: &Truth) -> Result<Fate, Failure> {
        if self.code == ErrorKind::Internal.exit_code() {
            return Ok(Fate::Defect(self.said));
        }
        let but = if let Truth::But(column) = truth { Some(column.as_str()) } else { None };
        let read = |of: &Self, table: &str| {
            Rows::read(&of.lake.path().join(table), but).map_err(|error| Failure::internal("reading a scratch lake", &error))
        };
        let mut difference = Difference::default();
        for table in &self.published {
            difference.add(read(clean, table)?.compared(&read(&self, table)?));
        }
        // What is refused leaves nothing.
        for table in &self.failed {
            difference.add(Rows::default().compared(&read(&self, table)?));
        }
        Ok(match (difference.is_any(), self.code) {
            (true, _) => Fate::Lost(difference),
            (false, 0) => Fate::AllRows,
            (false, code) => Fate::Refused { code, said: self.said },
        })
    }
}

impl Fate {
    fn json(&self, of: &Misbehaviour) -> Value {
        let (outcome, more) = match self {
            Self::AllRows => ("all_rows", json!({"exit_code": 0})),
            Self::Refused { code, said } => ("refused", json!({"exit_code": code, "error": said})),
            Self::Lost(Difference { missing, doubled, other }) => (
                "lost",
                json!({"exit_code": 0, "missing": missing, "doubled": doubled, "other": other, "undeclared": of.undeclared}),
            ),
            Self::Defect(said) => ("defect", json!({"exit_code": 70, "error": said})),
            Self::NotTried => ("not_tried", json!({})),
        };
        let mut told = json!({"name": of.name, "sentence": of.sentence, "outcome": outcome, "is_expected": self.is_expected(of)});
        if let (Value::Object(told), Value::Object(more)) = (&mut told, more) {
            told.extend(more);
        }
        told
    }

    fn is_expected(&self, of: &Misbehaviour) -> bool {
        match self {
            Self::AllRows => of.outcomes.contains(&0),
            Self::Refused { code, .. } => of.outcomes.contains(code) || *code == 20,
            Self::Lost(_) | Self::Defect(_) => false,
            Self::NotTried => true,
        }
    }
}

fn lines(of: &Misbehaviour, fate: &Fate) -> Vec<String> {
    let start = |text: &str| crate::base::start_of(text, ERROR_CHARS);
    let unexpected = if fate.is_expected(of) { "" } else { " (not what was expected)" };
    let (word, more) = match fate {
        Fate::AllRows => (format!("all rows{unexpected}"), None),
        Fate::Refused { code, said } => (format!("refused, exit code {code}{unexpected}"), Some(start(said))),
        Fate::Lost(difference) => {
            let why = match of.undeclared {
                Some(advice) => {
                    format!(
                        "nothing in the answers tells it, and the config does not say more: {advice}; where it does, report a bug of lakeward"
                    )
                }
                None => "a bug of lakeward: report it, with the recording if you may".to_owned(),
            };
            (format!("LOST: {}", difference.words()), Some(why))
        }
        Fate::Defect(said) => ("LOST: an internal error of lakeward, report it".to_owned(), Some(start(said))),
        Fate::NotTried => ("not tried: the recording has nothing that could do this".to_owned(), None),
    };
    let mut lines = vec![format!("{:28} {word}", of.name), format!("    {}", of.sentence)];
    lines.extend(more.map(|more| format!("    {more}")));
    lines
}
