//! `lakeward gc`: what the lake's own folder holds and nothing needs.

use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::GcArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::print;
use crate::lake::{COMMITS_KEPT, Garbage, REPORTS_KEPT};
use crate::pipeline;
use crate::report;

/// Lists garbage, or removes it.
pub(crate) async fn gc(args: GcArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let failed = |error| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    if !args.how.apply {
        let garbage = pipeline::garbage(&plan, &SystemClock).await.map_err(failed)?;
        let answers = pipeline::expired_answers(&plan, SystemClock.now()).await.map_err(failed)?;
        if tell(&garbage, &answers) {
            print(&format!("to remove it: lakeward gc {} --apply", args.of.typed()));
        }
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let answers = pipeline::expired_answers(&plan, clock.now()).await.map_err(failed)?;
    let (garbage, commit) = pipeline::collect(&plan, clock).await.map_err(failed)?;
    pipeline::remove_answers(&plan, &answers).await.map_err(failed)?;
    if tell(&garbage, &answers) {
        print(&format!("removed, behind commit {}", commit.version));
    }
    if let Some(error) = commit.untidy {
        super::rollback::tell_untidy(error);
    }
    Ok(0)
}

/// Tells what there is; whether there is anything.
fn tell(garbage: &Garbage, answers: &[(String, u64)]) -> bool {
    let kinds = [
        (&garbage.kept, "of commits that can no longer be undone (`lake.keep_versions`)".to_owned()),
        (&garbage.left, "that left Delta tables before `lake.retention`, and of their logs behind an old checkpoint".to_owned()),
        (&garbage.shards, "of shards of runs that were never committed, older than `lake.retention`".to_owned()),
        (&garbage.commits, format!("of commits older than the newest {COMMITS_KEPT}")),
        (&garbage.manifests, "that no commit names, of tables as they were".to_owned()),
        (&garbage.marks, "that no commit names, of records at a cursor".to_owned()),
        (&garbage.reports, format!("of reports older than the newest {REPORTS_KEPT}")),
    ];
    for (files, what) in kinds.iter().filter(|(files, _)| !files.is_empty()) {
        let bytes = files.iter().map(|found| found.bytes).sum();
        print(&format!("{} ({}) {what}", report::counted(files.len() as u64, "file"), report::bytes(bytes)));
    }
    if !answers.is_empty() {
        let (files, bytes) = (answers.len() as u64, answers.iter().map(|(_, bytes)| bytes).sum());
        let files = report::counted(files, "file");
        print(&format!("{files} ({}) of interrupted runs that no run goes on with (`resume`)", report::bytes(bytes)));
    }
    let is_any = garbage.files().next().is_some() || !answers.is_empty();
    if !is_any {
        print("nothing to remove");
    }
    is_any
}
