//! `lakeward check`: is this config right?

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::base::SystemClock;
use crate::cli::args::CheckArgs;
use crate::cli::exit::Failure;
use crate::cli::keep;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::compat::Keep;
use crate::config::{PaginatorPlan, Plan, ResourcePlan, WriteDisposition, paginator_words, path_words};
use crate::lake::{Look, try_out};
use crate::pipeline::{APPENDS_UNASKED, Rehearsed, RunError, rehearse, typed_whole};
use crate::report;
use crate::source::{Detected, EndReason};

/// Checks a config, and with `--online` the lake and the first pages of every resource.
pub(crate) async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let before = keep::read(&args.of.config);
    let plan = load_plan(&args.of)?;
    let resources = report::counted(plan.resources.len() as u64, "resource");
    terminal::print(&format!("{}: {resources} into {}", plan.name, plan.lake.location));
    for resource in &plan.resources {
        terminal::print(&format!("  {}: {}", resource.name, describe(resource)));
        for warning in &resource.endpoint.warnings {
            terminal::tell("warning", &format!("{}: {warning}", resource.name));
        }
        if resource.appends_unasked {
            terminal::tell("warning", &format!("{}: {APPENDS_UNASKED}", resource.name));
        }
    }
    if args.online {
        let (code, keeps) = online(&plan).await;
        if args.write {
            keep::write(&args.of.config, &before, &plan, &keeps)?;
        } else if !keeps.is_empty() {
            terminal::print("write what was detected into the config with --write, to keep it");
        }
        return Ok(code);
    }
    terminal::print("the config is valid; no request was sent (--online asks the API and looks at the lake)");
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
        if resource.write_disposition == WriteDisposition::Append {
            text.push_str(" (one row a key within a run only)");
        }
    }
    if !resource.partition_by.is_empty() {
        let folders: Vec<&str> = resource.partition_by.iter().map(|field| field.name.as_str()).collect();
        text.push_str(&format!(", partitioned by {}", folders.join("/")));
    }
    text
}

/// Looks at the lake, and asks the API for the first pages of every resource. What was detected and proven comes with the exit code.
async fn online(plan: &Plan) -> (u8, Vec<Keep>) {
    let (mut code, look) = lake(plan).await;
    let (mut keeps, mut unread) = (Vec::new(), Vec::new());
    for resource in &plan.resources {
        match ask(plan, resource, look.as_ref()).await {
            Ok((keep, is_read)) => {
                keeps.extend(keep);
                unread.extend((!is_read).then(|| format!("`{}`", resource.name)));
            }
            Err(error) => {
                code = code.max(error.kind().exit_code());
                let (text, hints) = error.told_of(&resource.name);
                let whole = |text: String| typed_whole(plan, &resource.name, text);
                let (text, hints) = (whole(text), hints.into_iter().map(whole).collect::<Vec<_>>());
                let name = format!("`{}`", resource.name);
                let text = if text.contains(&name) { text } else { format!("{name}: {text}") };
                terminal::tell("error", &text);
                hints.iter().for_each(|hint| terminal::tell("hint", hint));
            }
        }
    }
    terminal::print(&match code {
        0 if unread.is_empty() => "every resource answered, and the lake can take what came".to_owned(),
        0 => format!(
            "not proven: {}, of which no page came (see the warnings); the lake can take what came of the others",
            unread.join(", ")
        ),
        _ => "not every resource can be loaded; see the errors".to_owned(),
    });
    (code, keeps)
}

/// Looks at the lake as a run does before its first request, and tries out whether it may be written; the exit code, and what was seen.
async fn lake(plan: &Plan) -> (u8, Option<Look>) {
    let look = Look::open(&plan.lake, &plan.name, &SystemClock).await;
    let tried = try_out(&plan.lake, &plan.name).await;
    let (look, told) = match (look, tried) {
        (Ok(look), tried) => (Some(look), tried.err()),
        (Err(error), _) => (None, Some(error)),
    };
    if let Some(look) = &look {
        tell_moving(look);
    }
    let Some(error) = told.map(RunError::from) else { return (0, look) };
    terminal::tell("error", &error.chain());
    error.hints_among(|table| plan.resource_of(table)).iter().for_each(|hint| terminal::tell("hint", hint));
    (error.kind().exit_code(), look)
}

/// Tells what keeps the tables' folders from being looked at.
fn tell_moving(look: &Look) {
    if let Some(holder) = look.holder() {
        let (run, host) = (&holder.run, &holder.owner.host);
        terminal::tell("warning", &format!("run {run} on {host} holds the lake; what it is about to commit is not looked at"));
    } else if let Some(first) = look.pending().first() {
        let text = format!(
            "commit {first} is not published whole; the next run finishes it first, and the tables' folders are not looked at"
        );
        terminal::tell("warning", &text);
    }
}

/// Rehearses a resource: what was detected, and whether a page came.
async fn ask(plan: &Plan, resource: &ResourcePlan, look: Option<&Look>) -> Result<(Option<Keep>, bool), RunError> {
    let is_open = matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared);
    let seen = rehearse(plan, resource, look, Arc::new(SystemClock), CancellationToken::new()).await?;
    tell_first(resource, &seen);
    let data_selector = seen.data_selector.filter(|_| resource.endpoint.data_selector.is_none());
    if let Some(path) = &data_selector {
        terminal::print(&format!("    detected data_selector: {}", path_words(path)));
    }
    if is_open {
        terminal::print(&match &seen.paginator {
            Some(Detected { plan, from }) => format!(
                "    detected paginator: {} from {from}, proven by {} with {}",
                paginator_words(plan),
                report::counted(seen.pages, "page"),
                report::counted(seen.records, "record"),
            ),
            None if seen.reason == EndReason::SinglePage => {
                "    no sign of more pages: it is read as a single page, as long as it shows none".to_owned()
            }
            None => "    no page has proven a paginator".to_owned(),
        });
    }
    for warning in &seen.warnings {
        terminal::tell("warning", &format!("{}: {warning}", resource.name));
    }
    let paginator = seen.paginator.filter(|_| is_open).map(|detected| detected.plan);
    let keep = Keep { resource: resource.name.clone(), data_selector, paginator };
    let is_read = seen.pages > 0 || seen.reason != EndReason::NoParents;
    Ok(((keep.data_selector.is_some() || keep.paginator.is_some()).then_some(keep), is_read))
}

/// What came, and what of it could not be judged for want of records.
fn tell_first(resource: &ResourcePlan, seen: &Rehearsed) {
    let (records, bytes) = seen.first_page;
    let columns = seen.columns.map_or_else(String::new, |columns| format!(" and {}", report::counted(columns as u64, "column")));
    let (name, records, bytes) = (&resource.name, report::counted(records, "record"), report::bytes(bytes));
    let pages = if seen.pages > 1 { format!(", {} read", report::counted(seen.pages, "page")) } else { String::new() };
    terminal::print(&format!("  {name}: {records}{columns} on the first page ({bytes}){pages}"));
    if seen.records == 0 {
        terminal::print("    no record came: the columns that the config names cannot be checked");
    }
}
