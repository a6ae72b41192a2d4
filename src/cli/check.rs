//! `lakeward check`: is this config right?

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::SystemClock;
use crate::cli::args::CheckArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::config::{LakeLocation, Plan, ResourcePlan, WriteDisposition};
use crate::pipeline::sample;
use crate::report;

/// Checks a config, and with `--online` one page of every resource.
pub(crate) async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let plan = load_plan(&args.config, args.choice.choice())?;
    let lake = match &plan.lake.location {
        LakeLocation::Disk(path) => path.display().to_string(),
        LakeLocation::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
    };
    terminal::print(&format!("{}: {} into {lake}", plan.name, report::counted(plan.resources.len() as u64, "resource")));
    for resource in &plan.resources {
        terminal::print(&format!("  {}: {}", resource.name, describe(resource)));
    }
    if args.online {
        return online(&plan).await;
    }
    terminal::print("the config is valid; no request was sent (--online sends one a resource)");
    Ok(0)
}

fn describe(resource: &ResourcePlan) -> String {
    let disposition = match resource.write_disposition {
        WriteDisposition::Append => "append",
        WriteDisposition::Replace => "replace",
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

async fn online(plan: &Plan) -> Result<u8, Failure> {
    let mut code = 0;
    for resource in &plan.resources {
        let quiet: crate::pipeline::Events = Arc::new(|_| ());
        match sample(plan, resource, Arc::new(SystemClock), CancellationToken::new(), quiet).await {
            Ok(sample) => terminal::print(&format!(
                "  {}: {} and {} on the first page ({})",
                resource.name,
                report::counted(sample.decoded.facts.records, "record"),
                report::counted(sample.decoded.rows.schema.columns.len() as u64, "column"),
                report::bytes(sample.page.body.len() as u64)
            )),
            Err(error) => {
                code = code.max(error.kind().exit_code());
                terminal::tell("error", &error.chain());
                error.hints().iter().for_each(|hint| terminal::tell("hint", hint));
            }
        }
    }
    terminal::print(if code == 0 { "every resource answered" } else { "not every resource answered; see the errors" });
    Ok(code)
}
