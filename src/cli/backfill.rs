//! `lakeward backfill`: a range of cursors is loaded, and the cursors stay where they are.

use crate::cli::args::{BackfillArgs, LogFormat};
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::run::{Outputs, run_and_report};
use crate::config::{OnMissingCursor, Plan, ResourcePlan, WriteDisposition};
use crate::pipeline::{Refresh, RunOptions};

/// Loads the range of the resources asked for, or of all that are incremental.
pub(crate) async fn backfill(args: BackfillArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let outputs = Outputs { report: args.report.as_deref(), json: args.json, dry_run: args.dry_run, ..Outputs::default() };
    run_and_report(&args.of, prepare(&args), outputs, log_format).await
}

/// The plan with the range in it.
fn prepare(args: &BackfillArgs) -> Result<(Plan, RunOptions), Failure> {
    let mut plan = load_plan(&args.of)?;
    let mut faults = Vec::new();
    for name in &args.resource {
        if !plan.resources.iter().any(|resource| resource.name == *name) {
            faults.push(format!("no resource is named `{name}`"));
        }
    }
    let meant: Vec<&ResourcePlan> = plan.resources.iter().filter(|resource| is_meant(resource, &args.resource)).collect();
    let with_range: Vec<&ResourcePlan> = meant.iter().copied().filter(|resource| is_ranged(&plan, resource, &meant)).collect();
    let mut only: Vec<String> = meant.iter().map(|resource| resource.name.clone()).collect();
    for resource in &with_range {
        for child in plan.descendants(&resource.name).into_iter().filter(|child| child.is_loaded()) {
            faults.extend(fault_of_child(resource, child, &args.resource));
            if !only.contains(&child.name) {
                only.push(child.name.clone());
            }
        }
        let feeds = |root: &ResourcePlan| plan.descendants(&root.name).iter().any(|child| child.name == resource.name);
        let is_unranged = |root: &&ResourcePlan| root.goes_on_from_cursor() && !with_range.iter().any(|of| of.name == root.name);
        if let Some(root) = plan.resources.iter().filter(is_unranged).find(|root| feeds(root)) {
            faults.push(format!(
                "`{}` is requested for the records of `{}`, of which a run reads only what lies behind its cursor: load the range of both, with `--resource {} --resource {}`, or all of it with `run --full-refresh`",
                resource.name, root.name, root.name, resource.name
            ));
        }
    }
    let names: Vec<String> = with_range.iter().map(|resource| resource.name.clone()).collect();
    for resource in plan.resources.iter_mut().filter(|resource| names.contains(&resource.name)) {
        if let Err(why) = set_range(resource, &args.from, &args.to) {
            faults.push(format!("`{}`: {why}", resource.name));
        }
    }
    if only.is_empty() && faults.is_empty() {
        faults.push("no resource of the config is incremental: there is no range to load".to_owned());
    }
    if !faults.is_empty() {
        return Err(Failure::config(faults).of_pipeline(&plan.name));
    }
    Ok((plan, RunOptions { only, refresh: Refresh::No, strict: args.strict, dry_run: args.dry_run, ..RunOptions::default() }))
}

/// Whether the range is that of `resource` itself, and not of the records that it is requested for.
fn is_ranged(plan: &Plan, resource: &ResourcePlan, meant: &[&ResourcePlan]) -> bool {
    let feeds = |root: &&ResourcePlan| plan.descendants(&root.name).iter().any(|child| child.name == resource.name);
    let is_child = meant.iter().copied().filter(|root| root.endpoint.incremental.is_some()).any(|root| feeds(&root));
    resource.endpoint.incremental.is_some() || !is_child
}

/// Why `child` cannot be loaded for the records of the range of `resource`, or must be.
fn fault_of_child(resource: &ResourcePlan, child: &ResourcePlan, names: &[String]) -> Option<String> {
    let (of, name) = (&resource.name, &child.name);
    if !names.is_empty() && !names.contains(name) {
        return Some(format!(
            "`{name}` is requested for the records of `{of}`, and would not be for those of the range: name both, with `--resource {of} --resource {name}`"
        ));
    }
    let is_again = child.write_disposition == WriteDisposition::Append && child.endpoint.incremental.is_none();
    (is_again && resource.write_disposition != WriteDisposition::Append).then(|| {
        format!("`{name}`: its rows are added by `append`, so that those for records of `{of}` that are loaded already would be there twice; `run --full-refresh` loads all of it anew")
    })
}

/// Named; or without names, incremental and loaded.
fn is_meant(resource: &ResourcePlan, names: &[String]) -> bool {
    if names.is_empty() {
        resource.endpoint.incremental.is_some() && resource.selected && resource.write_disposition != WriteDisposition::Skip
    } else {
        names.contains(&resource.name)
    }
}

/// Gives `resource` the range.
///
/// # Errors
/// Why it cannot have it.
fn set_range(resource: &mut ResourcePlan, from: &str, to: &str) -> Result<(), String> {
    let Some(plan) = &resource.endpoint.incremental else {
        return Err("it is not incremental: there is no range to load".to_owned());
    };
    let ranged = plan.for_range(from, to)?;
    match resource.write_disposition {
        WriteDisposition::Merge => {}
        WriteDisposition::Append if plan.on_missing == OnMissingCursor::Include => {
            return Err("`on_cursor_value_missing: include` would add the records without a cursor once more by `append`; write `exclude` for the backfill".to_owned());
        }
        WriteDisposition::Append if ranged.is_before_first_run_of(plan) => {}
        WriteDisposition::Append => {
            return Err("its rows are added by `append`, so that those of the range would be there twice; only a range that ends at or before `initial_value` is new".to_owned());
        }
        WriteDisposition::Replace | WriteDisposition::Skip => {
            return Err("its `write_disposition` keeps no rows beside those of the range; `merge` does".to_owned());
        }
    }
    resource.endpoint.incremental = Some(ranged);
    Ok(())
}
