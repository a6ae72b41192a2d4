//! `lakeward ddl`: the statements that make a table known to a query engine.

use crate::base::counted;
use crate::cli::args::DdlArgs;
use crate::cli::exit::Failure;
use crate::cli::looked::look;
use crate::cli::terminal::{print, tell};
use crate::config::nearest;
use crate::pipeline::RunError;
use crate::report::{self, DdlTable};

/// Prints the statements; takes no lease, writes nothing, asks nothing of the engine.
pub(crate) async fn ddl(args: DdlArgs) -> Result<u8, Failure> {
    let looked = look(&args.of)?;
    let lake = looked.open().await?;
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for pipeline in looked.pipelines(&lake).await? {
        let stories = lake.stories(&pipeline).await.map_err(RunError::from)?;
        found.extend(stories.table(&args.table, 0).await.map_err(RunError::from)?);
        known.extend(lake.table_names(&pipeline).await.map_err(RunError::from)?);
    }
    let Some(story) = found.pop().filter(|_| found.is_empty()) else {
        let names: Vec<&str> = known.iter().map(String::as_str).collect();
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let why = match (found.is_empty(), names.is_empty()) {
            (false, _) => format!("several pipelines have a table `{}`: name one by `--pipeline`", args.table),
            (true, true) => format!("the lake has no table `{}`; nothing is committed yet", args.table),
            (true, false) => format!("the lake has no table `{}`; there is {listed}", args.table),
        };
        let near = nearest(&args.table, &names).map(|near| format!("did you mean `{near}`?"));
        return Err(Failure::config(vec![why]).with_hints(near));
    };
    report::ddl(args.engine.0, DdlTable { name: &args.table, place: &story.place, snapshot: &story.snapshot })
        .iter()
        .for_each(|line| print(line));
    if story.snapshot.files.is_empty() {
        tell("note", &format!("the table has {} so far", counted(0, "file")));
    }
    Ok(0)
}
