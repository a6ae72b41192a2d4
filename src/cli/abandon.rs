//! `lakeward abandon`: a step past a commit of which files are lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::AbandonArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::rollback;
use crate::cli::terminal::print;
use crate::lake::{Abandonment, Fate, LakeError};
use crate::pipeline::{self, RunError};
use crate::report;

/// Lists what a commit brought, or gives it up.
pub(crate) async fn abandon(args: AbandonArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let failed = |error: RunError| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    if !args.how.apply {
        let found = match pipeline::abandonment(&plan, args.version, &SystemClock).await {
            Err(error) if tell_done(&error) => return Ok(0),
            found => found.map_err(failed)?,
        };
        tell(&found, "would be");
        print(&format!("to do it: lakeward abandon {} {} --apply", args.of.typed(), args.version));
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (done, commit) = match pipeline::abandon(&plan, args.version, clock).await {
        Err(error) if tell_done(&error) => return Ok(0),
        done => done.map_err(failed)?,
    };
    tell(&done, "is");
    print(&format!(
        "version {} is what was before; `lakeward run {}` asks the API from those cursors on",
        commit.version,
        args.of.typed()
    ));
    if let Some(error) = commit.untidy {
        rollback::tell_untidy(error);
    }
    Ok(0)
}

/// Tells that the commit was abandoned before, as by a command that was killed.
fn tell_done(error: &RunError) -> bool {
    let RunError::Lake(LakeError::NothingToAbandon { version, by: Some(by) }) = error else { return false };
    print(&format!("nothing to do: commit {version} was abandoned by commit {by}"));
    true
}

fn tell(found: &Abandonment, is: &str) {
    let (run, written) = &found.made;
    print(&format!("commit {} of {written} by run {run} {is} abandoned, with all that it brought:", found.version));
    let mut tables: BTreeMap<&str, (u64, u64, u64, u64)> = BTreeMap::new();
    for file in &found.files {
        let (files, rows, lost, untold) = tables.entry(&file.table).or_default();
        (*files, *rows) = (*files + 1, *rows + file.rows);
        *lost += u64::from(file.fate == Fate::Lost);
        *untold += u64::from(file.fate == Fate::Untold);
    }
    for (table, (files, rows, lost, untold)) in tables {
        let untold = if untold > 0 { format!(", of {untold} the store does not tell") } else { String::new() };
        let (files, rows) = (report::counted(files, "file"), report::counted(rows, "row"));
        print(&format!("  {table}: {files} with {rows}, of which {lost} are lost{untold}"));
    }
    for file in found.files.iter().filter(|file| file.fate == Fate::Lost).take(FILES_SHOWN) {
        print(&format!("    lost: {}", file.place));
    }
    print("what becomes of the tables and cursors:");
    rollback::lines(&found.back).iter().for_each(|line| print(line));
}

/// Lost files that are named.
const FILES_SHOWN: usize = 20;
