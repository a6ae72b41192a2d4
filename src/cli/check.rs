//! `lakeward check`: is this config right?

mod told;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::base::SystemClock;
use crate::cli::args::CheckArgs;
use crate::cli::check::told::{Failed, failed_json, show, shown_json_of};
use crate::cli::exit::Failure;
use crate::cli::keep;
use crate::cli::load::load_plan;
use crate::cli::terminal;
use crate::compat::Keep;
use crate::config::{PaginatorPlan, Plan, ResourcePlan, WriteDisposition};
use crate::lake::{Look, free_space, try_out};
use crate::pipeline::{APPENDS_UNASKED, Rehearsed, RunError, rehearse, typed_whole};
use crate::report;
use crate::source::EndReason;

/// Free bytes below which a run is likely to end for want of them, however few records there are.
const ROOM_MIN: u64 = 100 << 20;

/// Checks a config, and with `--online` the lake and the first pages of every resource.
pub(crate) async fn check(args: CheckArgs) -> Result<u8, Failure> {
    let before = keep::read(&args.of.config);
    let plan = match load_plan(&args.of) {
        Ok(plan) => plan,
        Err(failure) => {
            if args.json {
                let failure = failure.typed_with(&args.of);
                terminal::print_json(failure.checked());
                return Err(failure);
            }
            return Err(failure);
        }
    };
    let say = |text: &str| {
        if !args.json {
            terminal::print(text)
        }
    };
    let resources = report::counted(plan.resources.len() as u64, "resource");
    say(&format!("{}: {resources} into {}", plan.name, plan.lake.location));
    for resource in &plan.resources {
        say(&format!("  {}: {}", resource.name, describe(resource)));
        for warning in of_config(resource) {
            terminal::tell("warning", &format!("{}: {warning}", resource.name));
        }
    }
    if !args.online {
        say("the config is valid; no request was sent (--online asks the API and looks at the lake)");
        if args.json {
            terminal::print_json(config_json(&plan));
        }
        return Ok(0);
    }
    let (code, keeps, told) = online(&plan, args.json).await;
    if args.json {
        terminal::print_json(told);
    }
    if args.write {
        keep::write(&args.of.config, &before, &plan, &keeps)?;
    } else if !keeps.is_empty() {
        say("write what was detected into the config with --write, to keep it");
    }
    Ok(code)
}

/// What the config itself tells of a resource.
fn of_config(resource: &ResourcePlan) -> impl Iterator<Item = String> + '_ {
    let unasked = resource.appends_unasked.then(|| APPENDS_UNASKED.to_owned());
    resource.endpoint.warnings.iter().cloned().chain(unasked)
}

/// What is said of a config without a request.
pub(super) fn config_json(plan: &Plan) -> Value {
    let resources: Map<String, Value> =
        plan.resources.iter().map(|resource| (resource.name.clone(), resource_json(resource))).collect();
    json!({
        "pipeline": plan.name, "status": "success", "exit_code": 0, "online": false,
        "lake": {"url": plan.lake.location.to_string()}, "resources": resources,
    })
}

/// What the config says of a resource.
fn resource_json(resource: &ResourcePlan) -> Value {
    let warnings: Vec<Value> = of_config(resource).map(|text| json!({"code": "config_surprise", "text": text})).collect();
    let folders: Vec<&str> = resource.partition_by.iter().map(|field| field.name.as_str()).collect();
    json!({
        "table": resource.table,
        "write_disposition": disposition(resource),
        "primary_key": resource.primary_key,
        "partition_by": folders,
        "warnings": warnings,
    })
}

fn disposition(resource: &ResourcePlan) -> &'static str {
    match resource.write_disposition {
        WriteDisposition::Append => "append",
        WriteDisposition::Replace => "replace",
        WriteDisposition::Merge => "merge",
        WriteDisposition::Skip => "skip",
    }
}

fn describe(resource: &ResourcePlan) -> String {
    let mut text = disposition(resource).to_owned();
    if resource.write_disposition == WriteDisposition::Merge && resource.merge.insert_only {
        text.push_str(" (insert-only)");
    }
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

/// Looks at the lake, and asks the API for the first pages of every resource: the exit code, what was detected and proven, and all of it as JSON.
async fn online(plan: &Plan, is_json: bool) -> (u8, Vec<Keep>, Value) {
    let say = |text: &str| {
        if !is_json {
            terminal::print(text)
        }
    };
    let (mut code, look, mut of_lake) = lake(plan).await;
    let (mut keeps, mut unread, mut resources, mut room) = (Vec::new(), Vec::new(), Map::new(), 0_u64);
    for resource in &plan.resources {
        let mut told = resource_json(resource);
        let more = match ask(plan, resource, look.as_ref()).await {
            Ok(seen) => {
                show(resource, &seen).iter().for_each(|line| say(line));
                for warning in &seen.warnings {
                    terminal::tell("warning", &format!("{}: {}", resource.name, warning.text));
                }
                let is_read = seen.pages > 0 || seen.reason != EndReason::NoParents;
                unread.extend((!is_read).then(|| format!("`{}`", resource.name)));
                room = room.saturating_add(room_of(&seen));
                keeps.extend(keep_of(resource, &seen));
                shown_json_of(resource, &seen, is_read)
            }
            Err(error) => {
                code = code.max(error.kind().exit_code());
                let failed = failed(plan, resource, &error);
                tell(&failed);
                failed_json(&failed)
            }
        };
        told::add(&mut told, more);
        resources.insert(resource.name.clone(), told);
    }
    if let Some((folder, free)) = free_space(&plan.lake) {
        say(&format!("  free for a run at {}: {}", folder.display(), report::bytes(free)));
        of_lake["free_bytes"] = json!(free);
        if free < room.max(ROOM_MIN) {
            let text = format!(
                "{} are free at {}, where the rows of a run wait: about {} may come; make room, or set TMPDIR for a lake in a bucket",
                report::bytes(free),
                folder.display(),
                report::bytes(room)
            );
            terminal::tell("warning", &text);
            told::add(&mut of_lake, json!({"warnings": [text]}));
        }
    }
    let last = match code {
        0 if unread.is_empty() => "every resource answered, and the lake can take what came".to_owned(),
        0 => format!(
            "not proven: {}, of which no page came (see the warnings); the lake can take what came of the others",
            unread.join(", ")
        ),
        _ => "not every resource can be loaded; see the errors".to_owned(),
    };
    say(&last);
    let status = if code == 0 { "success" } else { "failed" };
    let told = json!({
        "pipeline": plan.name, "status": status, "exit_code": code, "online": true, "lake": of_lake, "resources": resources,
    });
    (code, keeps, told)
}

/// Bytes that all records take, by the API's count of them, as far as it counts.
fn room_of(seen: &Rehearsed) -> u64 {
    let (records, bytes) = seen.first_page;
    let all = seen.told.unwrap_or(records);
    bytes.checked_div(records).unwrap_or(0).saturating_mul(all)
}

/// Says it to a person.
fn tell(failed: &Failed) {
    terminal::tell("error", &failed.text);
    failed.hints.iter().for_each(|hint| terminal::tell("hint", hint));
}

/// An error as it is told of a resource, which it names.
fn failed(plan: &Plan, resource: &ResourcePlan, error: &RunError) -> Failed {
    let (text, hints) = error.told_of(&resource.name);
    let whole = |text: String| typed_whole(plan, &resource.name, text);
    let hints = hints.into_iter().map(|hint| terminal::typed(&whole(hint))).collect();
    let text = whole(text);
    let name = format!("`{}`", resource.name);
    let text = if text.contains(&name) { text } else { format!("{name}: {text}") };
    Failed { kind: error.kind(), text, hints }
}

/// Looks at the lake as a run does before its first request, and tries out whether it may be written; the exit code, what was seen, and what is told.
async fn lake(plan: &Plan) -> (u8, Option<Look>, Value) {
    let tables: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let look = Look::open(&plan.lake, &plan.name, &SystemClock).await;
    let tried = try_out(&plan.lake, &plan.name, &tables).await;
    let mut told = json!({"url": plan.lake.location.to_string(), "writable": tried.is_ok()});
    let (look, failure) = match (look, tried) {
        (Ok(look), tried) => (Some(look), tried.err()),
        (Err(error), _) => (None, Some(error)),
    };
    if let Some(look) = &look {
        let moving = moving(look);
        moving.iter().for_each(|text| terminal::tell("warning", text));
        told::add(&mut told, json!({"warnings": moving, "pending_commits": look.pending()}));
    }
    let Some(error) = failure.map(RunError::from) else { return (0, look, told) };
    let hints = error.hints_among(|table| plan.resource_of(table));
    let hints = hints.iter().map(|hint| terminal::typed(hint)).collect();
    let failed = Failed { kind: error.kind(), text: error.chain(), hints };
    tell(&failed);
    told::add(&mut told, failed_json(&failed));
    (error.kind().exit_code(), look, told)
}

/// What keeps the tables' folders from being looked at.
fn moving(look: &Look) -> Option<String> {
    if let Some(holder) = look.holder() {
        let (run, host) = (&holder.run, &holder.owner.host);
        return Some(format!("run {run} on {host} holds the lake; what it is about to commit is not looked at"));
    }
    let first = look.pending().first()?;
    Some(format!(
        "commit {first} is not published whole; the next run finishes it first, and the tables' folders are not looked at"
    ))
}

/// Rehearses a resource.
async fn ask(plan: &Plan, resource: &ResourcePlan, look: Option<&Look>) -> Result<Rehearsed, RunError> {
    let mut seen = rehearse(plan, resource, look, Arc::new(SystemClock), CancellationToken::new()).await?;
    seen.data_selector = seen.data_selector.filter(|_| resource.endpoint.data_selector.is_none());
    Ok(seen)
}

/// What of it can be kept in the config.
fn keep_of(resource: &ResourcePlan, seen: &Rehearsed) -> Option<Keep> {
    let is_open = matches!(resource.endpoint.paginator, PaginatorPlan::Undeclared);
    let paginator = seen.paginator.as_ref().filter(|_| is_open).map(|detected| detected.plan.clone());
    let keep = Keep { resource: resource.name.clone(), data_selector: seen.data_selector.clone(), paginator };
    (keep.data_selector.is_some() || keep.paginator.is_some()).then_some(keep)
}
