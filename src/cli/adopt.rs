//! `lakeward adopt`: a folder of Parquet files that something else wrote becomes a table.

use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::{AdoptArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::terminal::print;
use crate::pipeline::{self, Adoption, RunError};
use crate::report;

/// Columns that are listed.
const COLUMNS_SHOWN: usize = 100;

/// Tells what a folder would be as a table, or makes it one.
pub(crate) async fn adopt(args: AdoptArgs) -> Result<u8, Failure> {
    let plan = load_plan(&args.of)?;
    let failed = |error: RunError| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    let config = args.of.typed();
    if !args.how.apply {
        let found = pipeline::adoption(&plan, &args.resource, &args.from, &SystemClock).await.map_err(failed)?;
        tell(&found, "would become");
        let (resource, from) = (quoted(&args.resource), quoted(&args.from.display().to_string()));
        print(&format!("to do it: lakeward adopt {config} {resource} --from {from} --apply"));
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (done, commit) = pipeline::adopt(&plan, &args.resource, &args.from, clock).await.map_err(failed)?;
    tell(&done, "became");
    let drop = format!("lakeward table drop {config} {} --apply", quoted(&done.table));
    print(&format!("commit {}; to undo it: {drop}", commit.version));
    if let Some(error) = commit.untidy {
        super::rollback::tell_untidy(error);
    }
    Ok(0)
}

fn tell(adoption: &Adoption, verb: &str) {
    let (files, rows) = (report::counted(adoption.files as u64, "file"), report::counted(adoption.rows, "row"));
    print(&format!("{files} with {rows}, {}: {verb} the table `{}`", report::bytes(adoption.bytes), adoption.table));
    for column in adoption.schema.columns.iter().take(COLUMNS_SHOWN) {
        let place = if adoption.levels.contains(&column.name) { " (from the folders)" } else { "" };
        let declared = if column.declared { ", declared" } else { "" };
        print(&format!("  {}: {}{declared}{place}", column.name, column.column_type.hint_type()));
    }
    let more = adoption.schema.columns.len().saturating_sub(COLUMNS_SHOWN);
    if more > 0 {
        print(&format!("  and {} more", report::count(more as u64)));
    }
    match &adoption.cursor {
        Some(cursor) => print(&format!("  the next run goes on from the cursor {cursor}")),
        None => print("  there is no cursor to go on from"),
    }
}
