//! `lakeward files`: the files of a table at a version, and how readers open them.
//!
//! A file that a later commit replaced or removed lies under `_lakeward/`, in partition folders of its own. So a version's files may lie
//! below several folders, and a statement names every file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::is_special;
use crate::cli::args::{FilesArgs, FilesForm};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::terminal::{print, print_json};
use crate::lake::{Archive, FileAt, LakeError, TableAt};
use crate::pipeline::RunError;

/// Lists the files; takes no lease, writes nothing, sends no request to the API.
pub(crate) async fn files(args: FilesArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let archive = Archive::open(&plan.lake, &plan.name).await.map_err(RunError::from)?;
    let Some(archive) = archive else {
        return Err(RunError::from(LakeError::NothingCommitted { place: plan.lake.location.to_string() }).into());
    };
    let version = args.at.unwrap_or(archive.newest());
    let mut tables = archive.tables_at(version, args.table.as_deref()).await.map_err(RunError::from)?;
    let names: Vec<String> = tables.keys().map(|table| format!("`{table}`")).collect();
    let Some((table, at)) = tables.pop_first().filter(|_| tables.is_empty()) else {
        let why = match names.first() {
            None => format!("version {version} has no table"),
            Some(_) => format!("version {version} has several tables: name one of {}", names.join(", ")),
        };
        return Err(Failure::config(vec![why]));
    };
    match statement(&table, &at, args.form) {
        Some(lines) => lines.iter().for_each(|line| print(line)),
        None => at.files.iter().for_each(|at| match args.form.json {
            true => print_json(as_json(at)),
            false => print(&at.place),
        }),
    }
    Ok(0)
}

fn as_json(at: &FileAt) -> Value {
    json!({"path": at.place, "partition": at.file.partition, "rows": at.file.rows, "bytes": at.file.bytes})
}

/// The statement that opens the files with the reader that was asked for.
fn statement(table: &str, at: &TableAt, form: FilesForm) -> Option<Vec<String>> {
    let is_partitioned = !at.snapshot.partition_by.is_empty();
    let places: Vec<&str> = at.files.iter().map(|at| at.place.as_str()).collect();
    if form.duckdb {
        let files = list(&places.iter().map(|place| sql(place)).collect::<Vec<_>>());
        return Some(closed(format!("SELECT * FROM read_parquet({files}, hive_partitioning = {is_partitioned});")));
    }
    if form.spark {
        let mut bases: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for file in &at.files {
            bases.entry(&file.base).or_default().push(python(&file.place));
        }
        let read = |(base, files): (&str, Vec<String>)| {
            format!("spark.read.option(\"basePath\", {}).parquet(*{})", python(base), list(&files))
        };
        let mut reads = bases.into_iter().map(read);
        let first = reads.next()?;
        let all = reads.fold(first, |all, read| format!("{all}.unionByName({read})"));
        return Some(closed(format!("{} = {all}", variable(table))));
    }
    let files = list(&places.iter().map(|place| python(place)).collect::<Vec<_>>());
    if form.polars {
        return Some(closed(format!(
            "{} = polars.scan_parquet({files}, hive_partitioning={})",
            variable(table),
            if is_partitioned { "True" } else { "False" }
        )));
    }
    let partitioning = if is_partitioned { ", partitioning=\"hive\"" } else { "" };
    form.pyarrow
        .then(|| closed(format!("{} = pyarrow.dataset.dataset({files}, format=\"parquet\"{partitioning})", variable(table))))
}

/// A list literal, one element a line.
fn list(elements: &[String]) -> String {
    format!("[\n    {},\n]", elements.join(",\n    "))
}

fn closed(text: String) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

/// A Python string literal, in which nothing is left that a terminal obeys or that is not seen.
fn python(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match (c, u32::from(c)) {
            ('"' | '\\', _) => out.extend(['\\', c]),
            (c, _) if !is_special(c) => out.push(c),
            (_, code @ ..=0xffff) => out.push_str(&format!("\\u{code:04x}")),
            (_, code) => out.push_str(&format!("\\U{code:08x}")),
        }
    }
    out.push('"');
    out
}

/// The same in DuckDB's SQL, whose literals have no escapes for them: such characters are given by their numbers.
fn sql(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            c if is_special(c) => out.push_str(&format!("' || chr({}) || '", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A Python name for the table.
fn variable(table: &str) -> String {
    let name: String = table.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("t_{name}") } else { name }
}
