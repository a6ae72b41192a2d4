//! `lakeward history`: the commits of a lake.

use serde_json::{Map, Value, json};

use crate::cli::args::{ConfigArgs, HistoryArgs};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::status::tell_nothing;
use crate::cli::terminal::{print, print_json};
use crate::lake::{Archive, CommitFacts, Purpose, TableFacts};
use crate::pipeline::RunError;
use crate::report;

/// Lists commits, the newest first; takes no lease, writes nothing, sends no request to the API.
pub(crate) async fn history(args: HistoryArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let Some(archive) = Archive::open(&plan.lake, &plan.name).await.map_err(RunError::from)? else {
        if !args.json {
            tell_nothing(&plan, "");
        }
        return Ok(0);
    };
    let commits =
        archive.history(args.limit as usize, args.table.as_deref(), plan.lake.keep_versions).await.map_err(RunError::from)?;
    if let Some(table) = args.table.filter(|_| commits.is_empty()) {
        return Err(RunError::from(archive.no_table(&table)).into());
    }
    for commit in commits {
        if args.json {
            print_json(as_json(&commit));
        } else {
            lines(&commit, &args.of).iter().for_each(|line| print(line));
        }
    }
    Ok(0)
}

fn lines(commit: &CommitFacts, of: &ConfigArgs) -> Vec<String> {
    let why = match commit.purpose {
        Purpose::Run if !commit.fences.is_empty() => format!("recovery: shut out {}", commit.fences.join(", ")),
        purpose => purpose_words(purpose),
    };
    let undo = match commit.can_be_undone {
        true => format!("  (undo: lakeward rollback {} --to {})", of.typed(), commit.version - 1),
        false => String::new(),
    };
    let kept = if commit.kept { "  kept" } else { "" };
    let mut lines = vec![format!("version {}  {}  {why}  {}{kept}{undo}", commit.version, commit.written, commit.run)];
    if commit.tables.is_empty() && commit.fences.is_empty() && commit.purpose != Purpose::Collection {
        lines.push("  no file changed, only what the next run is to know".to_owned());
    }
    lines.extend(commit.tables.iter().map(|(table, facts)| format!("  {table}: {}", words(facts))));
    lines
}

/// What a commit was made for.
pub(super) fn purpose_words(purpose: Purpose) -> String {
    match purpose {
        Purpose::Run => "run".to_owned(),
        Purpose::Rollback { to } => format!("rollback to version {to}"),
        Purpose::Collection => "gc".to_owned(),
        Purpose::Compaction => "compact".to_owned(),
        Purpose::Drop => "table drop".to_owned(),
        Purpose::Rename => "table rename".to_owned(),
        Purpose::Reshape => "table repartition or rekey".to_owned(),
        Purpose::Conversion => "convert".to_owned(),
        Purpose::Adoption => "adopt".to_owned(),
        Purpose::Repair => "repair: records of the quarantine".to_owned(),
        Purpose::Restoration => "repair: files put back".to_owned(),
        Purpose::Abandonment { of } => format!("abandoned version {of}"),
    }
}

fn words(facts: &TableFacts) -> String {
    let counts = [(facts.files_added, "added"), (facts.files_replaced, "replaced"), (facts.files_removed, "removed")];
    let files: Vec<String> = counts
        .iter()
        .filter(|(files, _)| *files > 0)
        .map(|(files, what)| format!("{} {what}", report::counted(*files, "file")))
        .collect();
    let files = if files.is_empty() { "no file changed".to_owned() } else { files.join(", ") };
    match facts.rows {
        Some(rows) => format!("{files}; {} after it", report::counted(rows, "row")),
        None => format!("{files}; dropped"),
    }
}

fn as_json(commit: &CommitFacts) -> Value {
    let tables: Map<String, Value> = commit
        .tables
        .iter()
        .map(|(table, facts)| {
            let TableFacts { files_added, files_replaced, files_removed, rows } = facts;
            let facts = json!({
                "files_added": files_added,
                "files_replaced": files_replaced,
                "files_removed": files_removed,
                "rows": rows,
            });
            (table.clone(), facts)
        })
        .collect();
    json!({
        "version": commit.version,
        "written": commit.written,
        "run_id": commit.run,
        "purpose": commit.purpose.name(),
        "rolled_back_to": if let Purpose::Rollback { to } = commit.purpose { Some(to) } else { None },
        "abandoned": if let Purpose::Abandonment { of } = commit.purpose { Some(of) } else { None },
        "fences": commit.fences,
        "can_be_undone": commit.can_be_undone,
        "kept": commit.kept,
        "tables": tables,
    })
}
