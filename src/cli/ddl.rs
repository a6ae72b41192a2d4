//! `lakeward ddl`: the statements that make a table known to a query engine.

use crate::base::counted;
use crate::cli::args::DdlArgs;
use crate::cli::exit::Failure;
use crate::cli::looked::look;
use crate::cli::terminal::{print, tell};
use crate::report::{self, DdlTable};

/// Prints the statements; takes no lease, writes nothing, asks nothing of the engine.
pub(crate) async fn ddl(args: DdlArgs) -> Result<u8, Failure> {
    let looked = look(&args.of)?;
    let lake = looked.open().await?;
    let story = looked.table(&lake, &args.table).await?;
    report::ddl(args.engine.0, DdlTable { name: &args.table, place: &story.place, snapshot: &story.snapshot })
        .iter()
        .for_each(|line| print(line));
    if story.snapshot.files.is_empty() {
        tell("note", &format!("the table has {} so far", counted(0, "file")));
    }
    Ok(0)
}
