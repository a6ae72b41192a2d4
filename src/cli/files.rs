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
use crate::config::OnSchemaChange;
use crate::lake::{Archive, FileAt, TableAt};
use crate::pipeline::RunError;

/// Lists the files; takes no lease, writes nothing, sends no request to the API.
pub(crate) async fn files(args: FilesArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let archive = Archive::committed(&plan.lake, &plan.name).await.map_err(RunError::from)?;
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
    let is_mixed = plan.lake.on_schema_change != OnSchemaChange::Rewrite;
    match statement(&table, &at, args.form, is_mixed) {
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

/// The statement that opens the files with the reader that was asked for. Where files of an older schema are left as they are, some lack columns that
/// others have, so the statement brings them together by name.
fn statement(table: &str, at: &TableAt, form: FilesForm, is_mixed: bool) -> Option<Vec<String>> {
    let is_partitioned = !at.snapshot.partition_by.is_empty();
    let name = variable(table);
    if form.duckdb {
        let files = list(at.files.iter().map(|at| sql(&escaped(&at.place, &['*', '?', '['], |c| format!("[{c}]")))));
        let by_name = if is_mixed { ", union_by_name = true" } else { "" };
        return Some(closed(format!("SELECT * FROM read_parquet({files}, hive_partitioning = {is_partitioned}{by_name});")));
    }
    if form.spark {
        let mut bases: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for file in &at.files {
            let place = escaped(&file.place, &['*', '?', '[', ']', '{', '}'], |c| format!("\\{c}"));
            bases.entry(&file.base).or_default().push(python(&place));
        }
        let merge = if is_mixed { ".option(\"mergeSchema\", \"true\")" } else { "" };
        let missing = if is_mixed { ", allowMissingColumns=True" } else { "" };
        let read = |(base, files): (&str, Vec<String>)| {
            format!("spark.read.option(\"basePath\", {}){merge}.parquet(*{})", python(base), list(files.into_iter()))
        };
        let mut reads = bases.into_iter().map(read);
        let first = reads.next()?;
        let all = reads.fold(first, |all, read| format!("{all}.unionByName({read}{missing})"));
        return Some(closed(format!("{name} = {all}")));
    }
    let files = list(at.files.iter().map(|at| python(&at.place)));
    if form.polars {
        let hive = if is_partitioned { "True" } else { "False" };
        let scan = |files: &str| format!("polars.scan_parquet({files}, hive_partitioning={hive}, glob=False)");
        let all = match is_mixed {
            true => format!("polars.concat([{} for file in {files}], how=\"diagonal_relaxed\")", scan("file")),
            false => scan(&files),
        };
        return Some(closed(format!("import polars\n{name} = {all}")));
    }
    let partitioning = if is_partitioned { ", partitioning=\"hive\"" } else { "" };
    let dataset = |files: &str| format!("pyarrow.dataset.dataset({files}, format=\"parquet\"{partitioning})");
    let all = match is_mixed {
        true => format!("pyarrow.dataset.dataset([{} for file in {files}])", dataset("file")),
        false => dataset(&files),
    };
    form.pyarrow.then(|| closed(format!("import pyarrow.dataset\n{name} = {all}")))
}

/// A path in which nothing stands for other paths.
fn escaped(place: &str, signs: &[char], escape: impl Fn(char) -> String) -> String {
    place.chars().map(|c| if signs.contains(&c) { escape(c) } else { c.to_string() }).collect()
}

/// A list literal, one element a line.
fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[\n    {},\n]", elements.collect::<Vec<_>>().join(",\n    "))
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
