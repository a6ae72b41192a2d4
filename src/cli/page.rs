//! `lakeward report`: a lake as one HTML file that needs no server and opens from a mail.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};

use crate::cli::args::ReportArgs;
use crate::cli::exit::Failure;
use crate::cli::looked::look;
use crate::cli::pages::{self, TableView, failed};
use crate::cli::replace::{file_at, replace};
use crate::cli::terminal::{print_document, tell};
use crate::report::{self, Links};

/// Tables that are told in full; of the others the overview tells.
const TABLES_MAX: usize = 400;
/// Bytes of the tables that are told in full: a mail takes some megabytes.
const BYTES_MAX: usize = 6 << 20;
/// Versions of all tables over which schemas are followed back.
const VERSIONS_MAX: usize = 600;
/// Tables that are read at once.
const AT_ONCE: usize = 8;

/// Writes the file whole or not at all; takes no lease, writes nothing into the lake.
pub(crate) async fn report(args: ReportArgs) -> Result<u8, Failure> {
    let is_stdout = args.output.as_os_str() == "-";
    let path = if is_stdout { None } else { Some(file_at(&args.output, ("-o", "lake.html"))?) };
    let looked = look(&args.of)?;
    let survey = looked.survey().await?;
    let lake = looked.open().await?;
    let all: Vec<_> = survey
        .pipelines
        .iter()
        .flat_map(|pipeline| pipeline.tables.iter().map(move |table| (pipeline, table)))
        .filter(|(_, table)| table.in_lake)
        .take(TABLES_MAX)
        .collect();
    let mut stories = BTreeMap::new();
    for pipeline in &survey.pipelines {
        if let Some(told) = pages::stories(&lake, &pipeline.name).await? {
            stories.insert(pipeline.name.as_str(), told);
        }
    }
    let versions = (VERSIONS_MAX / all.len().max(1)).max(2);
    let view = TableView { has_rows: args.sample, is_page: false, versions, links: Links::Within };
    let read = stream::iter(all).map(|of| {
        let (lake, stories) = (&lake, stories.get(of.0.name.as_str()));
        async move {
            let Some(stories) = stories else { return Ok::<_, Failure>((of, None)) };
            Ok((of, pages::table((lake, stories), of, view).await?))
        }
    });
    let mut tables = std::pin::pin!(read.buffered(AT_ONCE));
    let (mut bodies, mut told) = (String::new(), BTreeSet::new());
    while let Some(((pipeline, table), body)) = tables.try_next().await? {
        let Some(body) = body.filter(|body| bodies.len() + body.len() <= BYTES_MAX) else { continue };
        bodies.push_str(&body);
        told.insert((pipeline.name.as_str(), table.table.as_str()));
    }
    let overview = report::overview(&survey, Links::Within, |pipeline, table| told.contains(&(pipeline, table.table.as_str())));
    let body = overview.map_err(|error| failed(&error))? + &bodies;
    let title = format!("Lake {}", survey.lake);
    let page = report::document(&title, &survey, body, Links::Within).map_err(|error| failed(&error))?;
    let rows = if args.sample { "with sample rows" } else { "without rows of the tables" };
    let done = |place: &str, bytes: u64| tell("report", &format!("{place} ({}, {rows})", report::bytes(bytes)));
    let Some(path) = path else {
        print_document(&page);
        return Ok(0);
    };
    let shown = args.output.display().to_string();
    let cannot = |error: std::io::Error| {
        Failure::unavailable(format!(
            "cannot write `{shown}`: {error}; nothing of it was written, and a file that was there is as it was"
        ))
    };
    done(&shown, replace(&path, |out| out.write_all(page.as_bytes())).map_err(cannot)?);
    Ok(0)
}
