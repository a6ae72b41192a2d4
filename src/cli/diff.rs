//! `lakeward diff`: the rows that came, went or changed between two versions.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::args::DiffArgs;
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::{print, print_json};
use crate::config::{LakeLocation, LakeOnly};
use crate::lake::{Archive, LakeError, TableDiff};
use crate::report;

/// Compares two versions; takes no lease, writes nothing into the lake, sends no request to the API.
pub(crate) async fn diff(args: DiffArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let failed = |error: LakeError| Failure::among(&error.into(), |table| plan.resource_of(table)).typed_with(&args.of);
    check_out(&args, &plan)?;
    let archive = Archive::committed(&plan.lake, &plan.name).await.map_err(failed)?;
    let (from, to, only) = (args.from, args.to, args.table.as_deref());
    let (old, new) = (archive.tables_at(from, None).await.map_err(failed)?, archive.tables_at(to, None).await.map_err(failed)?);
    let all: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    if let Some(table) = only.filter(|table| !all.contains(table)) {
        let tables = all.iter().map(|&table| table.to_owned()).collect();
        return Err(failed(LakeError::NoTable { table: table.to_owned(), version: to, tables }));
    }
    let mut is_any = false;
    for table in all.into_iter().filter(|table| only.is_none_or(|only| only == *table)) {
        let (before, after) = (old.get(table), new.get(table));
        let is_same = before.zip(after).is_some_and(|(before, after)| before.snapshot.files == after.snapshot.files);
        if is_same && only.is_none() && !args.json {
            continue;
        }
        is_any = true;
        let found = archive.diff(table, (from, before), (to, after), args.out.as_deref()).await.map_err(failed)?;
        match args.json {
            true => print_json(as_json(table, &args, &found)),
            false => print(&words(table, &found)),
        }
    }
    if !is_any && !args.json {
        print(&format!("versions {from} and {to} have the same rows in the same files"));
    }
    if let Some(out) = args.out.as_deref().filter(|_| !args.json) {
        print(&format!("the rows that differ are in {}, each with what became of it in the first column", out.display()));
    }
    Ok(0)
}

/// Checks where rows are to be written: one table, a file that is not there, and none of the lake's.
fn check_out(args: &DiffArgs, plan: &LakeOnly) -> Result<(), Failure> {
    let Some(out) = &args.out else { return Ok(()) };
    let refused = |why: &str| Err(Failure::config(vec![format!("`--out {}`: {why}", out.display())]));
    if args.table.is_none() {
        return refused("name the table whose rows are to be written");
    }
    if out.symlink_metadata().is_ok() {
        return refused("there is such a file already; name another one");
    }
    if !out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet")) {
        return refused("the rows are written as Parquet; give the file a name that ends in `.parquet`");
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(folder) = folder.canonicalize() else { return refused("its folder is not there") };
    if let LakeLocation::Disk(root) = &plan.lake.location
        && root.canonicalize().is_ok_and(|root| folder.starts_with(root))
    {
        return refused("it would lie in the lake, whose readers would take it for rows of a table; name a file elsewhere");
    }
    Ok(())
}

fn words(table: &str, found: &TableDiff) -> String {
    let counts = &found.counts;
    let by = if found.key.is_empty() { "whole rows".to_owned() } else { format!("key {}", found.key.join(", ")) };
    let rows = |rows: Option<u64>| rows.map_or_else(|| "no table".to_owned(), |rows| report::counted(rows, "row"));
    format!(
        "{table}: {} inserted, {} changed, {} deleted, by {by}; {} -> {}",
        report::count(counts.inserted),
        report::count(counts.changed),
        report::count(counts.deleted),
        rows(found.rows_before),
        rows(found.rows_after)
    )
}

fn as_json(table: &str, args: &DiffArgs, found: &TableDiff) -> Value {
    json!({
        "table": table,
        "from": args.from,
        "to": args.to,
        "key": found.key,
        "inserted": found.counts.inserted,
        "changed": found.counts.changed,
        "deleted": found.counts.deleted,
        "rows_before": found.rows_before,
        "rows_after": found.rows_after,
        "files_read": found.files_read,
    })
}
