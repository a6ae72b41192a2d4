//! `lakeward compact`: small files put together.

use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::CompactArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::print;
use crate::lake::Compaction;
use crate::pipeline;
use crate::report;

/// Puts small files together, or tells what that would do.
pub(crate) async fn compact(args: CompactArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let table = args.table.as_deref();
    let failed = |error| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    if args.how.dry_run {
        let found = pipeline::compactions(&plan, table).await.map_err(failed)?;
        found.iter().for_each(|(table, compaction)| print(&format!("{table}: would put {}", words(*compaction))));
        tell_if_none(&found);
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (done, commit) = pipeline::compact(&plan, table, clock).await.map_err(failed)?;
    done.iter().for_each(|(table, compaction)| print(&format!("{table}: put {}", words(*compaction))));
    tell_if_none(&done);
    if commit.is_new {
        print(&format!("commit {}; rows and cursors are as they were", commit.version));
    }
    if let Some(error) = commit.untidy {
        super::rollback::tell_untidy(error);
    }
    Ok(0)
}

fn words(compaction: Compaction) -> String {
    format!(
        "{} ({}) together into {}; {} in the table where there were {}",
        report::counted(compaction.small, "small file"),
        report::bytes(compaction.bytes),
        compaction.into,
        report::counted(compaction.files_after(), "file"),
        compaction.files_before,
    )
}

fn tell_if_none(tables: &[(String, Compaction)]) {
    if tables.is_empty() {
        print("nothing to put together: no partition has two files below half of `lake.target_file_size`");
    }
}
