//! `lakeward doctor`: what stands in the way of the next run or of readers, and what gets out of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{ErrorKind, SystemClock};
use crate::cli::args::{ConfigArgs, DoctorArgs};
use crate::cli::exit::Failure;
use crate::cli::load::load_lake;
use crate::cli::status::{aside_words, set_aside, tell_nothing};
use crate::cli::terminal::{print, print_json};
use crate::config::LakeOnly;
use crate::lake::{Diagnosis, Finding, Need, Told, diagnose};
use crate::pipeline::RunError;

/// Looks at a lake; takes no lease, writes nothing, sends no request to the API. The exit code is that of data where something needs the operator.
pub(crate) async fn doctor(args: DoctorArgs) -> Result<u8, Failure> {
    let plan = load_lake(&args.of)?;
    let tables: Vec<&str> = plan.resources.iter().map(|resource| resource.table.as_str()).collect();
    let seen = diagnose(&plan.lake, &plan.name, &tables, &SystemClock).await.map_err(RunError::from)?;
    let is_healthy = !seen.findings.iter().any(|finding| finding.need == Need::Operator);
    let code = if is_healthy { 0 } else { ErrorKind::Data.exit_code() };
    let Diagnosis { version, findings } = seen;
    let aside = if is_healthy && version > 0 { set_aside(&plan).await.map_err(RunError::from)? } else { BTreeMap::new() };
    let mut told: Vec<Line> = findings.into_iter().map(|finding| Line::of(finding, &plan, &args.of)).collect();
    told.extend(aside.into_iter().map(|(table, records)| Line {
        kind: "quarantine",
        need: Need::Nobody,
        text: format!("table `{table}`: {}", args.of.type_into(&aside_words(records, &table))),
        table: Some(table),
        ways: Vec::new(),
    }));
    if args.json {
        let findings: Vec<Value> = told.iter().map(Line::as_json).collect();
        print_json(json!({"pipeline": plan.name, "version": version, "healthy": is_healthy, "findings": findings}));
        return Ok(code);
    }
    match (is_healthy, version) {
        (true, 0) => tell_nothing(&plan, "nothing stands in the way; "),
        (true, version) => print(&format!("{}: nothing stands in the way; the newest commit is {version}", plan.name)),
        (false, _) => print(&format!("{}: something needs the operator", plan.name)),
    }
    for line in told {
        print(&format!("{}: {}", line.heading(), line.text));
        line.ways.iter().for_each(|way| print(&format!("  way out: {way}")));
    }
    Ok(code)
}

/// A finding as it is told.
struct Line {
    kind: &'static str,
    need: Need,
    table: Option<String>,
    text: String,
    ways: Vec<String>,
}

impl Line {
    fn of(Finding { kind, need, table, told }: Finding, plan: &LakeOnly, of: &ConfigArgs) -> Self {
        let resource = table.as_deref().and_then(|table| plan.resource_of(table)).unwrap_or("NAME");
        let (text, ways) = match told {
            Told::Error(error) => RunError::from(*error).told_of(resource),
            Told::Words(text, ways) => (text, ways.iter().map(|way| RunError::words_of(way, resource)).collect()),
        };
        Self { kind, need, table, text, ways: ways.iter().map(|way| of.type_into(way)).collect() }
    }

    fn heading(&self) -> &'static str {
        match self.need {
            Need::Operator => "fault",
            Need::NextRun => "left to the next run",
            Need::Nobody => "note",
        }
    }

    fn as_json(&self) -> Value {
        let needs = match self.need {
            Need::Operator => "operator",
            Need::NextRun => "next_run",
            Need::Nobody => "nobody",
        };
        json!({"kind": self.kind, "needs": needs, "table": self.table, "text": self.text, "ways_out": self.ways})
    }
}
