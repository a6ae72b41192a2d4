//! `lakeward check`: is this config right?

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::SystemClock;
use crate::cli::args::CheckArgs;
use crate::cli::exit::Failure;
use crate::cli::keep;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::config::{
    ExpectTotal, Keep, LakeLocation, PaginatorPlan, Plan, ResourcePlan, WriteDisposition, paginator_words, path_words,
};
use crate::pipeline::{RunError, Sample, probe, sample};
use crate::report;
use crate::source::{Detected, EndReason};

/// Checks a config, and with `--online` the first pages of every resource.
pub(crate) async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let before = keep::read(&args.config);
    let plan = load_plan(&args.config, args.choice.choice())?;
    let lake = match &plan.lake.location {
        LakeLocation::Disk(path) => path.display().to_string(),
        LakeLocation::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
    };
    terminal::print(&format!("{}: {} into {lake}", plan.name, report::counted(plan.resources.len() as u64, "resource")));
    for resource in &plan.resources {
        terminal::print(&format!("  {}: {}", resource.name, describe(resource)));
        if let Some(warning) = &resource.endpoint.warning {
            terminal::tell("warning", &format!("{}: {warning}", resource.name));
        }
    }
    if args.online {
        let (code, keeps) = online(&plan).await;
        if args.write {
            keep::write(&args.config, &before, &plan, &keeps)?;
        } else if !keeps.is_empty() {
            terminal::print("write what was detected into the config with --write, to keep it");
        }
        return Ok(code);
    }
    terminal::print("the config is valid; no request was sent (--online asks the API)");
    Ok(0)
}

fn describe(resource: &ResourcePlan) -> String {
    let disposition = match resource.write_disposition {
        WriteDisposition::Append => "append",
        WriteDisposition::Replace => "replace",
        WriteDisposition::Merge if resource.merge.insert_only => "merge (insert-only)",
        WriteDisposition::Merge => "merge",
        WriteDisposition::Skip => "skip",
    };
    let mut text = disposition.to_owned();
    if !resource.primary_key.is_empty() {
        text.push_str(&format!(" by {}", resource.primary_key.join(", ")));
    }
    if !resource.partition_by.is_empty() {
        let folders: Vec<&str> = resource.partition_by.iter().map(|field| field.name.as_str()).collect();
        text.push_str(&format!(", partitioned by {}", folders.join("/")));
    }
    text
}

/// Asks the API for the first pages of every resource. What was detected and proven comes with the exit code.
async fn online(plan: &Plan) -> (u8, Vec<Keep>) {
    let (mut code, mut keeps) = (0, Vec::new());
    for resource in &plan.resources {
        match ask(plan, resource).await {
            Ok(keep) => keeps.extend(keep),
            Err(error) => {
                code = code.max(error.kind().exit_code());
                terminal::tell("error", &error.chain());
                error.hints().iter().for_each(|hint| terminal::tell("hint", hint));
            }
        }
    }
    terminal::print(if code == 0 { "every resource answered" } else { "not every resource answered; see the errors" });
    (code, keeps)
}

async fn ask(plan: &Plan, resource: &ResourcePlan) -> Result<Option<Keep>, RunError> {
    let quiet: crate::pipeline::Events = Arc::new(|_| ());
    let (clock, cancel) = (Arc::new(SystemClock), CancellationToken::new());
    let (is_open, is_found) =
        (matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared), resource.endpoint.data_selector.is_none());
    if !is_open && !is_found {
        tell_first(resource, &sample(plan, resource, clock, cancel, quiet).await?);
        return Ok(None);
    }
    let bounded = if is_open { resource.clone() } else { first_page_of(resource) };
    let probe = probe(plan, &bounded, clock, cancel, quiet).await?;
    tell_first(resource, &probe.first);
    let data_selector = probe.data_selector.filter(|path| is_found && !path.steps().is_empty());
    if let Some(path) = &data_selector {
        terminal::print(&format!("    detected data_selector: {}", path_words(path)));
    }
    if is_open {
        terminal::print(&match &probe.paginator {
            Some(Detected { plan, from }) => format!(
                "    detected paginator: {} from {from}, proven by {} with {}",
                paginator_words(plan),
                report::counted(probe.pages, "page"),
                report::counted(probe.records, "record"),
            ),
            None if probe.reason == EndReason::SinglePage => {
                "    no sign of more pages: it is read as a single page, as long as it shows none".to_owned()
            }
            None => "    no page has proven a paginator".to_owned(),
        });
    }
    let paginator = probe.paginator.map(|detected| detected.plan);
    let keep = Keep { resource: resource.name.clone(), data_selector, paginator };
    Ok((keep.data_selector.is_some() || keep.paginator.is_some()).then_some(keep))
}

/// The resource with its first page alone, where only the records are to be found.
fn first_page_of(resource: &ResourcePlan) -> ResourcePlan {
    let mut bounded = resource.clone();
    if bounded.endpoint.paginator != PaginatorPlan::SinglePage {
        bounded.endpoint.paginator = PaginatorPlan::SinglePage;
        // Of all pages, not of this one.
        bounded.expect.total = ExpectTotal::Estimate;
    }
    bounded
}

fn tell_first(resource: &ResourcePlan, sample: &Sample) {
    terminal::print(&format!(
        "  {}: {} and {} on the first page ({})",
        resource.name,
        report::counted(sample.decoded.facts.records, "record"),
        report::counted(sample.decoded.rows.schema.columns.len() as u64, "column"),
        report::bytes(sample.page.body_bytes())
    ));
}
