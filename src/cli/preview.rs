//! `lakeward preview`: the first rows of a resource and what they would become.

use std::sync::Arc;

use arrow::util::pretty::pretty_format_batches;
use tokio_util::sync::CancellationToken;

use crate::base::SystemClock;
use crate::cli::args::PreviewArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::pipeline::sample;
use crate::report;

/// Shows one page of a resource; writes nothing.
pub(crate) async fn preview(args: PreviewArgs) -> Result<u8, Failure> {
    let plan = load_plan(&args.config)?;
    let Some(resource) = plan.resources.iter().find(|resource| resource.name == args.resource) else {
        let names: Vec<&str> = plan.resources.iter().map(|resource| resource.name.as_str()).collect();
        return Err(Failure::config(vec![format!(
            "no resource is named `{}`; the config has {}",
            args.resource,
            names.join(", ")
        )]));
    };
    let quiet: crate::pipeline::Events = Arc::new(|_| ());
    let sample = sample(&plan, resource, Arc::new(SystemClock), CancellationToken::new(), quiet).await?;
    let batch = &sample.decoded.rows.batch;
    let shown = batch.slice(0, batch.num_rows().min(args.rows as usize));
    let table = pretty_format_batches(&[shown]).map_err(|error| Failure::internal("showing the rows", &error))?;
    terminal::print(&table.to_string());
    terminal::print(&format!(
        "{} of {} records of the first page ({})",
        report::count(batch.num_rows().min(args.rows as usize) as u64),
        report::count(sample.decoded.facts.records),
        sample.page.url
    ));
    for reject in &sample.decoded.rejects {
        terminal::print(&format!(
            "record {} would be rejected: `{}` should be {}, found {}",
            reject.record, reject.path, reject.expected, reject.actual
        ));
    }
    terminal::print("\ncolumns, as inferred from this page:");
    for column in &sample.decoded.rows.schema.columns {
        terminal::print(&format!("  {}: {}", column.name, column.column_type));
    }
    Ok(0)
}
