//! `lakeward table` and `lakeward convert`: a table dropped, renamed, stored as something else, or brought to the partitions or the key of the config.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Clock, SystemClock};
use crate::cli::args::{ConfigArgs, ConvertArgs, TableCommand, TableKind};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::print;
use crate::config::{LakeOnly, is_file_name};
use crate::lake::{Shape, partition_levels};
use crate::pipeline::{self, RunError, TableChange, TableChanged};
use crate::report;

/// Tells what becomes of a table, or does it.
pub(crate) async fn table(command: TableCommand) -> Result<u8, Failure> {
    let (of, table, change, apply) = match &command {
        TableCommand::Drop(args) => (&args.of, &args.table, TableChange::Drop, args.how.apply),
        TableCommand::Rename(args) => (&args.of, &args.table, TableChange::Rename { to: &args.to }, args.how.apply),
        TableCommand::Repartition(args) => (&args.of, &args.table, TableChange::Repartition, args.how.apply),
        TableCommand::Rekey(args) => (&args.of, &args.table, TableChange::Rekey, args.how.apply),
    };
    if let TableChange::Rename { to } = change
        && !is_file_name(to)
    {
        let why = format!("`{to}` is no name of a table: letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`");
        return Err(Failure::config(vec![why]));
    }
    change_table(of, table, change, apply).await
}

/// Tells how a table is stored, and would be, or does it.
pub(crate) async fn convert(args: &ConvertArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let is_delta = args.to == TableKind::Delta;
    change_table(&args.of, &args.table, TableChange::Convert { to: plan.lake.stored_as(Some(is_delta)) }, args.how.apply).await
}

async fn change_table(of: &ConfigArgs, table: &str, change: TableChange<'_>, apply: bool) -> Result<u8, Failure> {
    let plan = load_lake(of)?;
    let tell = |changed: &TableChanged, is_done| {
        let is_any = tell(table, change, changed, is_done);
        tell_config(&plan, &of.config, table, change);
        is_any
    };
    let failed = |error: RunError| Failure::among(&error, |table| plan.resource_of(table)).typed_with(of);
    if !apply {
        let changed = pipeline::table_change(&plan, table, change, &SystemClock).await.map_err(failed)?;
        if tell(&changed, false) {
            if change == TableChange::Rekey {
                print(
                    "  --apply looks first whether no row has null in the key and no two have the same, and changes nothing otherwise",
                );
            }
            print(&format!("to do it: {} --apply", typed(of, table, change)));
        }
        return Ok(0);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (changed, commit) = pipeline::change_table(&plan, table, change, clock).await.map_err(failed)?;
    if tell(&changed, true) && commit.is_new {
        let config = of.typed();
        let undo = match plan.lake.keep_versions {
            0 => String::new(),
            _ => format!("; to undo it: lakeward rollback {config} --to {}", commit.version - 1),
        };
        print(&format!("commit {}{undo}", commit.version));
    }
    if let Some(error) = commit.untidy {
        super::rollback::tell_untidy(error);
    }
    Ok(0)
}

/// Tells what was, or would be, done; whether that is anything.
fn tell(table: &str, change: TableChange<'_>, changed: &TableChanged, is_done: bool) -> bool {
    let before = &changed.before;
    let (rows, files) = (report::counted(before.rows(), "row"), report::counted(before.files.len() as u64, "file"));
    let what = format!("{table}: {rows} in {files}, {}", report::bytes(before.bytes()));
    let would = if is_done { "" } else { "would " };
    match (change, &changed.shape) {
        (TableChange::Drop, _) => {
            print(&format!("{what}: {would}{} the lake", if is_done { "left" } else { "leave" }));
        }
        (TableChange::Rename { to }, _) => {
            print(&format!("{what}: {would}{} `{to}`, with the same rows", if is_done { "became" } else { "become" }));
        }
        (TableChange::Convert { to }, _) if before.stored_as == to => {
            print(&format!("{table}: nothing to do, it is stored as {}", to.name()));
            return false;
        }
        (TableChange::Convert { to }, _) => {
            let verb = if is_done { "is stored as" } else { "would be stored as" };
            print(&format!("{what}: {verb} {}, and was as {}", to.name(), before.stored_as.name()));
        }
        (_, Some(shape)) => {
            let Some((what_differs, from, to)) = difference(before, shape) else {
                print(&format!("{table}: nothing to do, it is as the config says"));
                return false;
            };
            let verb = if is_done { "were written anew" } else { "would be written anew" };
            print(&format!("{what}: its rows {verb}; {what_differs}: {from} -> {to}"));
        }
        (_, None) => {}
    }
    if let Some((from, to)) = &changed.cursor {
        let goes = match to {
            Some(to) if to == from => "stays its own".to_owned(),
            Some(to) => format!("goes to `{to}`"),
            None => "is forgotten: a run begins anew".to_owned(),
        };
        print(&format!("  what is known of `{from}`, its cursor too, {goes}"));
    }
    for stranger in &changed.strangers {
        print(&format!("  {stranger} is not lakeward's, and stays"));
    }
    true
}

/// Tells what of the config has to follow a rename: a run of a resource that still has the old name would make that table anew.
fn tell_config(plan: &LakeOnly, config: &Path, table: &str, change: TableChange<'_>) {
    if let TableChange::Convert { to } = change
        && let Some(resource) = plan.resource_of(table)
    {
        let format = if to.is_plain() { "native" } else { "delta" };
        print(&format!(
            "  the config has to say so: `table_format: {format}` under the resource `{resource}` in `{}`, or under `lake`",
            config.display()
        ));
    }
    let TableChange::Rename { to } = change else { return };
    if plan.resource_of(to).is_some() {
        return;
    }
    let Some(resource) = plan.resource_of(table) else { return };
    let config = config.display();
    print(&format!(
        "  the config still loads `{resource}` into `{table}`: write `table_name: {to}` under the resource `{resource}` in `{config}` before the next run, \
         which else makes `{table}` anew or is refused"
    ));
}

/// What differs between a table and the shape that it is to have, in words.
fn difference(before: &crate::lake::Snapshot, shape: &Shape) -> Option<(&'static str, String, String)> {
    let listed = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let levels = |levels: &[(String, String, String)]| {
        listed(levels.iter().map(|(name, column, transform)| format!("{name} = {transform}({column})")).collect())
    };
    if before.primary_key != shape.primary_key {
        return Some(("key", listed(before.primary_key.clone()), listed(shape.primary_key.clone())));
    }
    let wanted = partition_levels(&shape.partition_by);
    (before.partition_by != wanted).then(|| ("partitions", levels(&before.partition_by), levels(&wanted)))
}

/// The command as it is typed.
fn typed(of: &ConfigArgs, table: &str, change: TableChange<'_>) -> String {
    let config = of.typed();
    match change {
        TableChange::Drop => format!("lakeward table drop {config} {table}"),
        TableChange::Rename { to } => format!("lakeward table rename {config} {table} {to}"),
        TableChange::Repartition => format!("lakeward table repartition {config} {table}"),
        TableChange::Rekey => format!("lakeward table rekey {config} {table}"),
        TableChange::Convert { to } => {
            format!("lakeward convert {config} {table} --to {}", if to.is_plain() { "plain" } else { "delta" })
        }
    }
}
