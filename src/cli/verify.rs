//! `lakeward verify`: whether the tables of a version are what was committed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::base::ErrorKind;
use crate::cli::args::{VerifyArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::{print, print_json, tell};
use crate::config::LakeOnly;
use crate::lake::{Archive, Fault, Remedy, TableAt, Verification, Verify};
use crate::pipeline::RunError;
use crate::report;

/// Faults of one table that are shown.
const FAULTS_SHOWN: usize = 20;

/// Verifies tables, and tells of each what is wrong; takes no lease, writes nothing into the lake, sends no request to the API. The exit code is
/// that of data where something is wrong, and asks for another try where a run was at work.
pub(crate) async fn verify(args: VerifyArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let archive = Archive::committed(&plan.lake, &plan.name).await.map_err(RunError::from)?;
    let version = args.at.unwrap_or(archive.newest());
    let how = Verify { deep: args.deep, one_row_a_key: one_row_a_key(&plan) };
    let tables = archive.tables_at(version, args.table.as_deref()).await.map_err(RunError::from)?;
    let mut told = Told { args: &args, plan: &plan, is_newest: version == archive.newest(), code: 0, hints: BTreeSet::new() };
    for (table, at) in &tables {
        tracing::info!(table, files = at.files.len(), deep = args.deep, "verifying");
        let done = archive.verify(version, table, at, &how).await.map_err(RunError::from)?;
        match args.json {
            true => print_json(as_json(version, table, at, &done)),
            false => lines(version, table, at, &done, args.deep).iter().for_each(|line| print(line)),
        }
        told.tell(version, table, &done);
    }
    told.hints.iter().for_each(|hint| tell("hint", hint));
    Ok(told.code)
}

/// Tables whose keys are unique.
fn one_row_a_key(plan: &LakeOnly) -> BTreeSet<String> {
    plan.resources.iter().filter(|resource| resource.keeps_one_row()).map(|resource| resource.table.clone()).collect()
}

/// What was told of the tables so far.
struct Told<'a> {
    args: &'a VerifyArgs,
    plan: &'a LakeOnly,
    is_newest: bool,
    code: u8,
    hints: BTreeSet<String>,
}

impl Told<'_> {
    /// Tells what is wrong with a table, and notes the exit code and what helps.
    fn tell(&mut self, version: u64, table: &str, done: &Verification) {
        let config = self.args.of.typed();
        if !done.faults.is_empty() {
            let faults = report::counted(done.faults.len() as u64, "fault");
            tell("error", &format!("table `{table}` of version {version} is not what was committed: {faults}"));
            self.code = ErrorKind::Data.exit_code();
            let remedies: BTreeSet<Remedy> = done.faults.iter().map(|fault| fault.kind.remedy()).collect();
            let hints: Vec<String> = remedies.into_iter().map(|remedy| self.hint(remedy, table, &config)).collect();
            self.hints.extend(hints);
            return;
        }
        let kind = ErrorKind::Unavailable.exit_code();
        if done.is_outrun {
            tell("error", &format!("table `{table}`: newer commits removed files of version {version} before they were read"));
            self.hints.insert("run the command again; it then verifies the newest version".to_owned());
        } else if !done.waiting.is_empty() {
            let files = report::counted(done.waiting.len() as u64, "file");
            tell("error", &format!("table `{table}`: a commit is recorded, and {files} of it are not in their places yet"));
            let hint = format!("if no run is at work, `lakeward run {config}` finishes the commit; then verify again");
            self.hints.insert(hint);
        } else {
            return;
        }
        self.code = if self.code == 0 { kind } else { self.code };
    }

    fn hint(&self, remedy: Remedy, table: &str, config: &str) -> String {
        let anew = match self.plan.resource_of(table) {
            Some(resource) => format!(
                "load it anew, which loses rows that the API has no more: `lakeward run {config} --full-refresh --resource {resource}`"
            ),
            None => format!(
                "put its resource back into the config and load it anew with `--full-refresh`, or drop it: `lakeward run {config} --full-refresh=drop_sources`"
            ),
        };
        match remedy {
            Remedy::PutBack if !self.is_newest => {
                format!(
                    "table `{table}`: put the files back from a copy of the lake; `lakeward verify {config}` tells whether the newest version is whole without them"
                )
            }
            Remedy::PutBack => format!(
                "table `{table}`: `lakeward repair {config} {} --apply` puts back what there is a copy of; else put the files back from a copy of the lake, or {anew}",
                quoted(table)
            ),
            Remedy::Undo => format!(
                "table `{table}` was committed like this: find a version that is right with `lakeward history {config} {table}` and `lakeward verify {config} \
                 {table} --deep --at VERSION`, and bring it back with `lakeward rollback {config} --to VERSION`; or {anew}"
            ),
            Remedy::MoveOut => format!("table `{table}`: move the files that no commit put there out of the table's folder"),
            Remedy::SettleClaim => format!(
                "table `{table}`: give the resource of one of the pipelines another `table_name`, or put the claim back from a copy of the lake"
            ),
        }
    }
}

fn status(done: &Verification) -> &'static str {
    match () {
        () if !done.faults.is_empty() => "faulty",
        () if done.is_outrun => "outrun",
        () if !done.waiting.is_empty() => "unpublished",
        () => "ok",
    }
}

fn lines(version: u64, table: &str, at: &TableAt, done: &Verification, deep: bool) -> Vec<String> {
    let (rows, files) = (at.snapshot.rows(), at.files.len() as u64);
    let words = match (status(done), deep) {
        ("ok", true) => "ok, every row read".to_owned(),
        ("ok", false) => "ok".to_owned(),
        ("faulty", _) => report::counted(done.faults.len() as u64, "fault"),
        ("outrun", _) => "not verified, newer commits removed files of it meanwhile".to_owned(),
        _ => format!("not whole, {} not published yet", report::counted(done.waiting.len() as u64, "file")),
    };
    let mut lines = vec![format!(
        "{table}: version {version}, {} in {}, {}: {words}",
        report::counted(rows, "row"),
        report::counted(files, "file"),
        report::bytes(at.snapshot.bytes())
    )];
    let shown = |fault: &Fault| format!("  {}: expected {}, found {}", fault.place, fault.expected, fault.found);
    lines.extend(done.faults.iter().take(FAULTS_SHOWN).map(shown));
    lines.extend(done.waiting.iter().take(FAULTS_SHOWN).map(|place| format!("  {place}: not published yet")));
    let more = done.faults.len().max(done.waiting.len()).saturating_sub(FAULTS_SHOWN);
    if more > 0 {
        lines.push(format!("  and {} more", report::count(more as u64)));
    }
    if !done.pending.is_empty() {
        let versions: Vec<String> = done.pending.iter().map(u64::to_string).collect();
        lines.push(format!("  not known to be published whole: commit {}; the next run sees to it", versions.join(", ")));
    }
    if deep && !done.keys_compared && !at.snapshot.primary_key.is_empty() && !done.is_outrun {
        lines.push("  a key may be there twice: the config appends, or has no resource for the table".to_owned());
    }
    lines
}

fn as_json(version: u64, table: &str, at: &TableAt, done: &Verification) -> Value {
    let fault = |fault: &Fault| {
        let names: BTreeMap<&str, &str> = [
            ("path", fault.place.as_str()),
            ("fault", fault.kind.name()),
            ("expected", &fault.expected),
            ("found", &fault.found),
        ]
        .into();
        json!(names)
    };
    let faults: Vec<Value> = done.faults.iter().take(FAULTS_SHOWN).map(fault).collect();
    json!({
        "table": table,
        "version": version,
        "status": status(done),
        "rows": at.snapshot.rows(),
        "files": at.files.len(),
        "bytes": at.snapshot.bytes(),
        "faults": faults,
        "more_faults": done.faults.len().saturating_sub(FAULTS_SHOWN),
        "unpublished_files": done.waiting.len(),
        "unpublished_commits": done.pending,
        "keys_compared": done.keys_compared,
    })
}
