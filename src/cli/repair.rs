//! `lakeward repair`: what is lost, damaged or set aside of the tables, had again without a request.

use std::sync::Arc;

use crate::base::{Clock, ErrorKind, SystemClock};
use crate::cli::args::{RepairArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::load::load_plan;
use crate::cli::terminal::{print, tell};
use crate::lake::{BadFile, Cure, Damages, Remedy};
use crate::pipeline::{self, RecordsRepair, Repairs, RunError, TableRepair};
use crate::report;

/// Files of one table that are named.
const FILES_SHOWN: usize = 20;

/// Reasons for which records stay that are told of one table.
const REASONS_SHOWN: usize = 20;

/// Lists what can be repaired, or repairs it. The exit code is that of data where something is left for a person to do.
pub(crate) async fn repair(args: RepairArgs) -> Result<u8, Failure> {
    let plan = load_plan(&args.of)?;
    let failed = |error: RunError| Failure::among(&error, |table| plan.resource_of(table)).typed_with(&args.of);
    let table = args.table.as_deref();
    if !args.how.apply {
        let found = pipeline::repairs(&plan, table, &SystemClock).await.map_err(failed)?;
        let code = tell_tables(&args, &found);
        let can_be_done = |table: &TableRepair| {
            table.damages.can_be_mended() || table.records.as_ref().is_some_and(|records| records.changes() && !records.waits)
        };
        if found.values().any(can_be_done) {
            let table = table.map(|table| format!(" {}", quoted(table))).unwrap_or_default();
            print(&format!("to do it: lakeward repair {}{table} --apply", args.of.typed()));
        }
        return Ok(code);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (found, commits) = pipeline::repair(&plan, table, clock).await.map_err(failed)?;
    let code = tell_tables(&args, &found);
    let what = ["files are back; rows and cursors are as they were", "records of the quarantine; cursors are as they were"];
    for (commit, what) in commits.into_iter().zip(what) {
        if commit.is_new {
            print(&format!("commit {}: {what}", commit.version));
        }
        if let Some(error) = commit.untidy {
            super::rollback::tell_untidy(error);
        }
    }
    Ok(code)
}

/// Tells what was found of each table; the exit code.
fn tell_tables(args: &RepairArgs, found: &Repairs) -> u8 {
    if found.is_empty() {
        print("nothing to repair: every file is what was committed, and nothing that counts is in the quarantine");
    }
    let mut code = 0;
    for (table, repair) in found {
        tell_files(table, &repair.damages, args.how.apply);
        if let Some(records) = &repair.records {
            tell_records(table, records, args.how.apply);
        }
        if repair.damages.is_open {
            tell("error", &format!("table `{table}`: a commit is not published whole, or came meanwhile"));
            tell("hint", &format!("run `lakeward repair {}` again once no run is at work", args.of.typed()));
            code = if code == 0 { ErrorKind::Unavailable.exit_code() } else { code };
        }
        if tell_rest(args, table, repair) {
            code = ErrorKind::Data.exit_code();
        }
    }
    code
}

fn tell_files(table: &str, damages: &Damages, is_done: bool) {
    let files = &damages.files;
    if !files.is_empty() {
        print(&format!("{table}: {} not what was committed", report::counted(files.len() as u64, "file")));
    }
    let verb = if is_done { "is" } else { "would be" };
    for BadFile { fault, cure, .. } in files.iter().take(FILES_SHOWN) {
        let cure = match cure {
            Cure::Copy(copy) => format!("{verb} put back from {}", copy.place),
            Cure::Empty => format!("has no rows, and {verb} written anew"),
            Cure::None => "no copy of it is kept".to_owned(),
        };
        print(&format!("  {}: expected {}, found {}: {cure}", fault.place, fault.expected, fault.found));
    }
    if files.len() > FILES_SHOWN {
        print(&format!("  and {} more", report::count((files.len() - FILES_SHOWN) as u64)));
    }
}

fn tell_records(table: &str, told: &RecordsRepair, is_done: bool) {
    let records = report::counted(told.records, "record");
    if told.waits {
        print(&format!("{table}: {records} in the quarantine, which wait for its files to be whole"));
        return;
    }
    print(&format!("{table}: {records} in the quarantine"));
    let number = |records: u64| report::counted(records, "record");
    let would = if is_done { "" } else { "would be " };
    if told.join > 0 {
        print(&format!("  {} {would}loaded", number(told.join)));
    }
    if told.left_out > 0 {
        print(&format!("  {} {would}left out by `processing_steps`", number(told.left_out)));
    }
    if told.older > 0 {
        print(&format!(
            "  {} {would}dropped: the table's row of the key is newer, or stays by `insert-only`",
            number(told.older)
        ));
    }
    for (why, records) in told.stay.iter().take(REASONS_SHOWN) {
        print(&format!("  {} {}: {why}", number(*records), if *records == 1 { "stays" } else { "stay" }));
    }
    if told.stay.len() > REASONS_SHOWN {
        let more = told.stay.values().skip(REASONS_SHOWN).sum();
        print(&format!("  {} {} for other reasons", number(more), if more == 1 { "stays" } else { "stay" }));
    }
}

/// Tells what of a table is left for a person, and what helps; whether that is anything.
fn tell_rest(args: &RepairArgs, table: &str, repair: &TableRepair) -> bool {
    let config = args.of.typed();
    let lost: Vec<&BadFile> = repair.damages.files.iter().filter(|bad| matches!(bad.cure, Cure::None)).collect();
    if !lost.is_empty() {
        let rows = lost.iter().fold(0_u64, |rows, bad| rows.saturating_add(bad.file.rows));
        let (files, rows) = (report::counted(lost.len() as u64, "file"), report::counted(rows, "row"));
        tell("error", &format!("table `{table}`: {files} with {rows} cannot be put back: no copy is kept under `_lakeward`"));
        let copy = "put them back from a copy of the lake, if there is one";
        tell(
            "hint",
            &match &repair.rebuild {
                Some(options) => format!(
                    "{copy}; or `lakeward run {config} --full-refresh {options}` rebuilds the table from what the API has today: rows that it has no more, \
                 of these files and of all others of the table, are lost then"
                ),
                None => format!(
                    "{copy}; or put the resource of `{table}` back into the config and load it anew with `--full-refresh`; or drop it: `lakeward table drop {config} \
                 {}`",
                    quoted(table)
                ),
            },
        );
    }
    for fault in repair.damages.others.iter().take(FILES_SHOWN) {
        tell("error", &format!("table `{table}`: {}: expected {}, found {}", fault.place, fault.expected, fault.found));
    }
    let others = || repair.damages.others.iter().map(|fault| fault.kind.remedy());
    if others().any(|remedy| remedy == Remedy::MoveOut) {
        tell("hint", &format!("table `{table}`: move the files that no commit put there out of the table's folder"));
    }
    if others().any(|remedy| remedy != Remedy::MoveOut) {
        tell(
            "hint",
            &format!(
                "`lakeward verify {config} {}` tells what helps; a link or a folder in a file's place has to go first",
                quoted(table)
            ),
        );
    }
    !lost.is_empty() || !repair.damages.others.is_empty()
}
