//! `lakeward rollback`: an older version as the newest commit.

use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::RollbackArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::{print, tell};
use crate::lake::{LakeError, RollbackPlan};
use crate::pipeline::{self, RunError};
use crate::report;

/// Brings a version back, or tells what that would change.
pub(crate) async fn rollback(args: RollbackArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let failed = |error: RunError| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    if args.how.dry_run {
        let rollback = pipeline::rollback_plan(&plan, args.to, &SystemClock).await.map_err(failed)?;
        print(&format!("bringing version {} back would change", args.to));
        lines(&rollback).iter().for_each(|line| print(line));
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (rollback, commit) = pipeline::rollback(&plan, args.to, clock).await.map_err(failed)?;
    if let Some(error) = commit.untidy {
        tell_untidy(error);
    }
    if commit.is_new {
        print(&format!("version {} is version {} again", commit.version, args.to));
        lines(&rollback).iter().for_each(|line| print(line));
        print(&format!("to go forward again: lakeward rollback {} --to {}", args.of.typed(), commit.version - 1));
    } else {
        print(&format!("nothing to do: version {} has the content of version {}", commit.version, args.to));
    }
    Ok(0)
}

/// Tells what was not cleaned up, which takes nothing back.
pub(super) fn tell_untidy(error: LakeError) {
    let why = RunError::from(error).chain();
    tell("warning", &format!("something is left over in the lake's own folder, which the next run removes: {why}"));
}

pub(super) fn lines(rollback: &RollbackPlan) -> Vec<String> {
    let mut lines = Vec::new();
    for (table, change) in &rollback.tables {
        let then = match &change.then {
            Some(then) => report::counted(then.snapshot.rows(), "row"),
            None => "dropped".to_owned(),
        };
        let files = report::counted(change.files_written() as u64, "file");
        let removed = report::counted(change.files_removed() as u64, "file");
        lines.push(format!(
            "  {table}: {} -> {then}; {files} written, {removed} removed",
            report::counted(change.now.rows(), "row")
        ));
    }
    for (what, has_cursor) in
        [("  cursors are those of then: ", true), ("  what is known of the last load is that of then: ", false)]
    {
        let named = rollback.resources.iter().filter(|(_, moves)| *moves == has_cursor);
        let names: Vec<&str> = named.map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            lines.push(format!("{what}{}", names.join(", ")));
        }
    }
    if lines.is_empty() {
        lines.push("  nothing".to_owned());
    }
    lines
}
