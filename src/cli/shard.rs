//! `lakeward shard`: a run cut into shards that ask side by side, and its one commit.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::base::{Clock, ErrorKind, SystemClock};
use crate::cli::args::{ConfigArgs, LogFormat, ShardCommand, ShardCommitArgs, ShardPlanArgs, ShardRunArgs};
use crate::cli::exit::Failure;
use crate::cli::load::load_plan_given;
use crate::cli::recording::unreadable;
use crate::cli::run::{Outputs, run_and_report, run_plan};
use crate::cli::terminal::{print_json, tell};
use crate::config::Plan;
use crate::lake::{LeftFile, ShardFiles};
use crate::pipeline::{NewRun, Part, RunError, RunFacts, RunOptions, ShardFault, ShardManifest, ShardSpec, within_share};
use crate::report;
use crate::source::{Asking, Recorded, Recorder, Taken};

/// Longest text of manifests that is read, in bytes.
const MANIFESTS_BYTES_MAX: u64 = 64 << 20;

/// Plans shards, runs one of them, or commits what all of them came to.
pub(crate) async fn shard(command: ShardCommand, log_format: LogFormat) -> Result<u8, Failure> {
    match command {
        ShardCommand::Plan(args) => plan(&args, log_format).await,
        ShardCommand::Run(args) => run(&args, log_format).await,
        ShardCommand::Commit(args) => commit(args, log_format).await,
    }
}

/// A shard that is recorded, in a folder of its own.
struct Recording {
    plan: Plan,
    taken: Vec<Taken>,
    recorder: Arc<Recorder>,
    folder: TempDir,
}

impl Recording {
    fn begin(of: &ConfigArgs) -> Result<Self, Failure> {
        let (plan, taken) = load_plan_given(of, &|_, _, present| present)?;
        let failed = |error: std::io::Error| {
            Failure::of(
                ErrorKind::Unavailable,
                vec![format!("no room for what the API answers: {error}; nothing was requested")],
                Vec::new(),
            )
        };
        let folder = tempfile::Builder::new().prefix("lakeward-shard-").tempdir().map_err(failed)?;
        let recorder = Arc::new(Recorder::create(&folder.path().join("answers"), &taken).map_err(failed)?);
        Ok(Self { plan, taken, recorder, folder })
    }

    /// Asks, and leaves what was answered among the files of `run`; nothing where nothing was asked.
    async fn ask(
        self,
        (part, asking): (Part, Asking),
        (run, name): (&NewRun, &str),
        log_format: LogFormat,
    ) -> Result<Asked, Failure> {
        let options = RunOptions { dry_run: true, asking, part: Some(part), ..RunOptions::default() };
        let (ended, _) = run_plan(&self.plan, &options, run, log_format).await;
        let facts = ended.map_err(|ended| ended.failure)?;
        if report::exit_code(&facts) != 0 {
            report::run_lines(&facts).iter().for_each(|line| crate::cli::terminal::say(line));
            return Ok(Asked::Failed(report::exit_code(&facts)));
        }
        let unrecorded = |error: std::io::Error| {
            Failure::of(ErrorKind::Unavailable, vec![format!("what the API answered cannot be kept: {error}")], Vec::new())
        };
        let Some(exchanges) = self.recorder.finish().map_err(unrecorded)? else { return Ok(Asked::Nothing) };
        let files = ShardFiles::open(&self.plan.lake, &self.plan.name).await.map_err(RunError::from)?;
        let left = files.leave(&run.id, name, &self.folder.path().join("answers")).await.map_err(RunError::from)?;
        tell("shard", &words(&facts, exchanges));
        Ok(Asked::Left(left, exchanges))
    }
}

/// What a shard came to.
enum Asked {
    /// Its answers.
    Left(LeftFile, u64),
    /// It had nothing to ask.
    Nothing,
    /// A resource failed, with this exit code.
    Failed(u8),
}

fn words(facts: &RunFacts, exchanges: u64) -> String {
    format!("{} of {}", report::counted(exchanges, "exchange"), report::counted(facts.resources.len() as u64, "resource"))
}

async fn plan(args: &ShardPlanArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let recording = Recording::begin(&args.of)?;
    let run = NewRun::now(&SystemClock);
    let has_parents = recording.plan.resources.iter().any(|resource| !resource.parents.is_empty());
    let plan = recording.plan.clone();
    let asked = match has_parents {
        false => Asked::Nothing,
        true => {
            let asking = Asking::Recording(Arc::clone(&recording.recorder));
            recording.ask((Part::Parents { began: run.started }, asking), (&run, "parents"), log_format).await?
        }
    };
    let parents = match asked {
        Asked::Failed(code) => return Ok(code),
        Asked::Nothing => None,
        Asked::Left(left, _) => Some(left),
    };
    for spec in ShardSpec::all(&plan, (&run.id, run.started), args.shards, parents.as_ref()) {
        print_json(json!(spec));
    }
    Ok(0)
}

async fn run(args: &ShardRunArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let mut recording = Recording::begin(&args.of)?;
    let text = if args.spec == "-" { from_stdin(None)? } else { args.spec.clone() };
    let spec = ShardSpec::parse(&text, &recording.plan).map_err(|fault| refused(&fault, &args.of))?;
    let run = NewRun { id: spec.run.clone(), started: spec.began };
    recording.plan = within_share(recording.plan, spec.of);
    let recorder = Arc::clone(&recording.recorder);
    let asking = match &spec.parents {
        None => Asking::Recording(recorder),
        Some(parents) => {
            let path = recording.folder.path().join("parents");
            let files = ShardFiles::open(&recording.plan.lake, &recording.plan.name).await.map_err(RunError::from)?;
            files.fetch(&spec.run, parents, &path).await.map_err(RunError::from)?;
            let parents = Recorded::open(&path).map_err(|fault| unreadable(&path, &fault))?;
            Asking::Sharing(Arc::new(parents.replay(&recording.taken, &[])), recorder)
        }
    };
    let attempt = SystemClock.random() & 0xffff_ffff;
    let name = format!("{:05}-{attempt:08x}", spec.shard);
    let (answers, exchanges) = match recording.ask((spec.part(), asking), (&run, &name), log_format).await? {
        Asked::Failed(code) => return Ok(code),
        Asked::Nothing => (None, 0),
        Asked::Left(left, exchanges) => (Some(left), exchanges),
    };
    print_json(json!(ShardManifest { spec, answers, exchanges }));
    Ok(0)
}

async fn commit(args: ShardCommitArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let folder = tempfile::Builder::new().prefix("lakeward-shards-").tempdir();
    let folder = folder.map_err(|error| {
        Failure::of(ErrorKind::Unavailable, vec![format!("no room for what the shards were answered: {error}")], Vec::new())
    })?;
    let prepared = prepare(&args, folder.path()).await;
    let run = prepared.as_ref().ok().map(|(run, _)| run.clone());
    let outputs = Outputs { report: args.report.as_deref(), json: args.json, ..Outputs::default() };
    let plan = prepared.as_ref().ok().map(|(_, (plan, _))| (plan.lake.clone(), plan.name.clone()));
    let code = run_and_report(&args.of, prepared.map(|(_, prepared)| prepared), outputs, log_format).await?;
    if let (0, Some(run), Some((lake, pipeline))) = (code, run, plan) {
        let cleared = async { ShardFiles::open(&lake, &pipeline).await?.clear(&run).await };
        if let Err(error) = cleared.await {
            tell("warning", &format!("what the shards left stays in the lake: {error}"));
        }
    }
    Ok(code)
}

/// The run that the manifests make, and how it is answered.
async fn prepare(args: &ShardCommitArgs, folder: &Path) -> Result<(String, (Plan, RunOptions)), Failure> {
    let (plan, taken) = load_plan_given(&args.of, &|_, _, present| present)?;
    let text = from_stdin(args.manifests.as_deref())?;
    let manifests = ShardManifest::all(&text, &plan).map_err(|fault| refused(&fault, &args.of))?;
    let spec = &manifests[0].spec;
    let files = ShardFiles::open(&plan.lake, &plan.name).await.map_err(RunError::from)?;
    let left = spec.parents.iter().chain(manifests.iter().filter_map(|manifest| manifest.answers.as_ref()));
    let mut replays = Vec::new();
    for (number, left) in left.enumerate() {
        let path = folder.join(format!("{number:05}"));
        files.fetch(&spec.run, left, &path).await.map_err(RunError::from)?;
        let recorded = Recorded::open(&path).map_err(|fault| unreadable(&path, &fault))?;
        replays.push(recorded.replay(&taken, &[]));
    }
    let Some(first) = replays.pop() else {
        return Err(Failure::config(vec!["no shard asked anything, so that there is nothing to commit".to_owned()]));
    };
    replays.reverse();
    let exchanges = manifests.iter().fold(0_u64, |sum, manifest| sum.saturating_add(manifest.exchanges));
    tell(
        "shards",
        &format!(
            "{}, {}; the API is not asked",
            report::counted(u64::from(spec.of), "shard"),
            report::counted(exchanges, "exchange")
        ),
    );
    let options =
        RunOptions { asking: Asking::Replaying(Arc::new(first.joined(replays))), strict: args.strict, ..RunOptions::default() };
    Ok((spec.run.clone(), (plan, options)))
}

/// The text of a file, or of stdin.
fn from_stdin(path: Option<&Path>) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match path.filter(|path| *path != Path::new("-")) {
        None => std::io::stdin().lock().take(MANIFESTS_BYTES_MAX).read_to_string(&mut text),
        Some(path) => std::fs::File::open(path).and_then(|file| file.take(MANIFESTS_BYTES_MAX).read_to_string(&mut text)),
    };
    let shown = path.map_or_else(|| PathBuf::from("stdin"), Path::to_owned);
    read.map_err(|error| Failure::config(vec![format!("`{}` cannot be read: {error}", shown.display())]))?;
    Ok(text)
}

fn refused(fault: &ShardFault, of: &ConfigArgs) -> Failure {
    let config = of.typed();
    let hint = match fault {
        ShardFault::Missing { .. } => {
            format!("run the missing ones (`lakeward shard run {config} -`), and hand in their lines as well")
        }
        ShardFault::OtherConfig => format!("plan the run anew: `lakeward shard plan {config}`"),
        _ => format!("hand in what `lakeward shard run {config}` printed, one line of each shard of one run"),
    };
    Failure::of(ErrorKind::Config, vec![fault.to_string()], vec![hint])
}
