//! Pages: a survey, a table and a run as HTML, for a file that is mailed and for a server on this machine.
//!
//! In: plain facts as JSON, and where links lead. Out: HTML documents that need no script and load nothing. Pure. Invariants: every text passes
//! [`harmless`] and is escaped by the template engine; what is marked as safe was made here; the policy of a document lets nothing in but its own style
//! sheet, by its hash. Templates: `*.html` beside this file.

mod chart;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{AutoEscape, Environment, Error};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

#[cfg(test)]
use crate::base::is_special;
use crate::base::{count, counted, shown};
use crate::lake::{RejectReason, TableStory};
use crate::report::page::chart::Of;
use crate::report::survey::{
    Night, PipelineSurvey, RunLine, State, Survey, TableSurvey, age_words, changed_words, clock_words, reject_words, run_changed,
    seconds_of, timeline,
};
use crate::report::{DdlTable, Engine, bytes, ddl, duration, type_words};

/// The style sheet of all pages.
const CSS: &str = include_str!("style.css");
/// Columns of a table that are shown.
const COLUMNS_MAX: usize = 1_000;
/// Files of a table that are shown.
const FILES_MAX: usize = 200;
/// Partitions of a table that are shown.
const PARTITIONS_MAX: usize = 200;
/// Height of the charts in a list and of those that stand alone.
const LOW: usize = 18;
const HIGH: usize = 60;
/// Runs of a pipeline that the overview lists.
const RUNS_SHOWN: usize = 15;

/// Lets in the style sheet alone. A page that is served also says who may frame it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(CSS.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
});

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(templates);

fn templates() -> Environment<'static> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| AutoEscape::Html);
    templates.add_filter("count", count);
    templates.add_filter("counted", |number: u64, thing: String| counted(number, &thing));
    templates.add_filter("bytes", bytes);
    templates.add_filter("age", age_words);
    templates.add_filter("clock", |time: String| clock_words(&time));
    templates.add_filter("took", |seconds: f64| duration(seconds_of(seconds)));
    for (name, text) in [
        ("layout", include_str!("layout.html")),
        ("overview", include_str!("overview.html")),
        ("runs", include_str!("runs.html")),
        ("table", include_str!("table.html")),
        ("run", include_str!("run.html")),
        ("rejects", include_str!("rejects.html")),
    ] {
        templates.add_template(name, text).expect("the templates are part of the program, and its tests render each");
    }
    templates
}

/// Where links of a page lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links<'a> {
    /// To places of the same document.
    Within,
    /// To pages below this path, which ends in `/`.
    Below(&'a str),
}

impl Links<'_> {
    /// The place of a table in a document.
    pub(crate) fn anchor(pipeline: &str, table: &str) -> String {
        let plain = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
        format!("t-{}-{}", plain(pipeline), plain(table))
    }

    fn table(self, pipeline: &str, table: &str) -> String {
        match self {
            Self::Within => format!("#{}", Self::anchor(pipeline, table)),
            Self::Below(root) => format!("{root}table/{}/{}", coded(pipeline), coded(table)),
        }
    }

    fn run(self, pipeline: &str, run: &str) -> Option<String> {
        match self {
            Self::Within => None,
            Self::Below(root) => Some(format!("{root}run/{}/{}", coded(pipeline), coded(run))),
        }
    }

    fn runs(self, pipeline: &str) -> Option<String> {
        match self {
            Self::Within => None,
            Self::Below(root) => Some(format!("{root}runs/{}", coded(pipeline))),
        }
    }
}

fn coded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The policy of every page.
pub(crate) fn policy() -> &'static str {
    &POLICY
}

/// A value in which every text is as people may see it: secrets hidden, and nothing left that is not seen or turns the direction.
fn harmless(value: &mut Value) {
    match value {
        Value::String(text) => *text = shown(text).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(harmless),
        Value::Object(members) => members.values_mut().for_each(harmless),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text in HTML, behind [`harmless`].
fn escaped(text: &str) -> String {
    let text = shown(text);
    text.chars().fold(String::with_capacity(text.len()), |mut all, c| {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '"' => all.push_str("&quot;"),
            '\'' => all.push_str("&#39;"),
            c => all.push(c),
        }
        all
    })
}

/// The same for the template engine.
fn for_template(value: Value) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::from(()),
        Value::Bool(value) => value.into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.into(),
        Value::Array(values) => values.into_iter().map(for_template).collect::<Vec<_>>().into(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, for_template(value)))
            .collect::<std::collections::BTreeMap<_, _>>()
            .into(),
    }
}

fn render(name: &str, mut facts: Value, made: Map<String, Value>) -> Result<String, Error> {
    harmless(&mut facts);
    if let Value::Object(members) = &mut facts {
        members.extend(made);
    }
    TEMPLATES.get_template(name)?.render(for_template(facts))
}

/// HTML that was made here, by the name under which a template has it.
fn made<const N: usize>(parts: [(&str, String); N]) -> Map<String, Value> {
    parts.into_iter().map(|(name, html)| (name.to_owned(), Value::String(html))).collect()
}

fn json_of<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A whole document.
///
/// # Errors
/// Those of the template engine.
pub(crate) fn document(title: &str, survey: &Survey, body: String, links: Links<'_>) -> Result<String, Error> {
    let nav = match links {
        Links::Within => Value::Null,
        Links::Below(root) => {
            let runs = survey.pipelines.iter().filter_map(|pipeline| {
                Some(json!({"href": links.runs(&pipeline.name)?, "text": format!("runs of {}", pipeline.name)}))
            });
            [json!({"href": root, "text": "overview"})].into_iter().chain(runs).collect()
        }
    };
    let facts = json!({"title": title, "lake": survey.lake, "taken": survey.taken, "csp": policy(), "nav": nav});
    render("layout", facts, made([("body", body), ("css", CSS.to_owned())]))
}

/// The overview of a lake. `links` of tables that have no page or place lead nowhere: `has_table` tells which have.
///
/// # Errors
/// Those of the template engine.
pub(crate) fn overview(
    survey: &Survey,
    links: Links<'_>,
    has_table: impl Fn(&str, &TableSurvey) -> bool,
) -> Result<String, Error> {
    let mut facts = json!({"title": format!("Lake {}", survey.lake), "pipelines": []});
    let mut pipelines = Vec::new();
    for pipeline in &survey.pipelines {
        let mut tables = Vec::new();
        for table in &pipeline.tables {
            let mut told = table_facts(table);
            told["has_why"] =
                json!(table.error.is_some() || !table.warnings.is_empty() || table.rejects > 0 || table.next.is_some());
            told["nights"] = Value::Null;
            let failed = table.error.as_ref().filter(|error| !error.run.is_empty());
            told["run_href"] = json!(failed.and_then(|error| links.run(&pipeline.name, &error.run)));
            if has_table(&pipeline.name, table) {
                told["href"] = json!(links.table(&pipeline.name, &table.table));
            }
            harmless(&mut told);
            told["chart"] = json!(chart::nights(&table.nights, Of::Changes, LOW));
            tables.push(told);
        }
        let runs: Vec<RunLine> = pipeline.runs.iter().take(RUNS_SHOWN).cloned().collect();
        let not_ok = pipeline.tables.iter().filter(|table| table.state != State::Ok).count();
        let mut told = json!({
            "name": pipeline.name, "at_work": pipeline.at_work, "last_run": pipeline.last_run, "next_due": pipeline.next_due,
            "not_ok": not_ok, "notes": pipeline.notes, "runs_in_all": pipeline.runs_in_all,
            "runs_href": links.runs(&pipeline.name),
        });
        harmless(&mut told);
        told["tables"] = Value::Array(tables);
        told["runs_table"] = json!(runs_body(None, &pipeline.name, &runs, (pipeline.runs_in_all, None), links)?);
        pipelines.push(told);
    }
    harmless(&mut facts);
    facts["pipelines"] = Value::Array(pipelines);
    TEMPLATES.get_template("overview")?.render(for_template(facts))
}

fn table_facts(table: &TableSurvey) -> Value {
    let mut told = json_of(table);
    told["word"] = json!(table.state.word());
    told["changed"] = json!(table.last.as_ref().map_or_else(|| "–".to_owned(), changed_words));
    told
}

/// Runs of a pipeline, of `in_all`; `older` leads to those before them.
///
/// # Errors
/// Those of the template engine.
pub(crate) fn runs_body(
    title: Option<&str>,
    pipeline: &str,
    runs: &[RunLine],
    (in_all, older): (u64, Option<String>),
    links: Links<'_>,
) -> Result<String, Error> {
    let told = runs.iter().map(|run| {
        let mut told = json_of(run);
        told["changed"] = json!(run_changed(run));
        told["href"] = json!(links.run(pipeline, &run.run));
        told
    });
    let told: Vec<Value> = told.collect();
    render("runs", json!({"title": title, "pipeline": pipeline, "runs": told, "in_all": in_all, "older": older}), Map::new())
}

/// Some rows of a table: names of columns, and cells as text.
pub(crate) type Cells = (Vec<String>, Vec<Vec<Option<String>>>);

/// All that a page tells of a table.
pub(crate) struct TablePage<'a> {
    /// Its pipeline.
    pub(crate) pipeline: &'a PipelineSurvey,
    /// What the survey tells of it.
    pub(crate) survey: &'a TableSurvey,
    /// What its manifests tell.
    pub(crate) story: &'a TableStory,
    /// Some rows, where they are wanted.
    pub(crate) sample: Option<Cells>,
    /// What was set aside in its last load.
    pub(crate) rejects: &'a [RejectReason],
    /// Whether it is alone on its page.
    pub(crate) is_page: bool,
}

/// A table.
///
/// # Errors
/// Those of the template engine.
pub(crate) fn table_body(page: &TablePage<'_>, links: Links<'_>) -> Result<String, Error> {
    let TablePage { pipeline, survey, story, sample, rejects, is_page } = page;
    let mut table = table_facts(survey);
    let nights = survey.nights.iter().map(|night: &Night| {
        let mut told = json_of(night);
        told["changed"] = json!(changed_words(night));
        told["href"] = json!(links.run(&pipeline.name, &night.run));
        told
    });
    table["nights"] = nights.collect();
    let snapshot = &story.snapshot;
    let columns =
        snapshot.schema.columns.iter().take(COLUMNS_MAX).map(
            |column| json!({"name": column.name, "type": type_words(&column.column_type), "description": column.description}),
        );
    let columns: Vec<Value> = columns.collect();
    let is_cut = snapshot.schema.columns.len() > COLUMNS_MAX;
    let files = snapshot.files.iter().take(FILES_MAX);
    let files: Vec<Value> = files.map(|file| json!({"path": file.path, "rows": file.rows, "bytes": file.bytes})).collect();
    let (partitions, partitions_in_all) = partitions(story);
    let levels = snapshot.partition_by.iter().map(|(name, column, transform)| match transform.as_str() {
        "identity" => name.clone(),
        transform => format!("{name} ({transform} of {column})"),
    });
    let levels: Vec<String> = levels.collect();
    let statements = Engine::ALL.map(|engine| {
        let table = DdlTable { name: &survey.table, place: &story.place, snapshot };
        let lines: Vec<String> = ddl(engine, table).iter().map(|line| shown(line).into_owned()).collect();
        (engine.name(), lines.join("\n"))
    });
    let changes: Vec<Value> = story
        .changes
        .iter()
        .map(|change| {
            let pair = |(name, kind): &(String, String)| json!({"name": name, "type": kind});
            let retyped = |(name, old, new): &(String, String, String)| json!({"name": name, "old": old, "new": new});
            json!({
                "version": change.version, "written": change.written, "is_first": change.is_first, "removed": change.removed,
                "added": change.added.iter().map(pair).collect::<Vec<Value>>(),
                "retyped": change.retyped.iter().map(retyped).collect::<Vec<Value>>(),
            })
        })
        .collect();
    let sample = sample.as_ref().map(|(names, rows)| json!({"names": names, "rows": rows}));
    let facts = json!({
        "anchor": Links::anchor(&pipeline.name, &survey.table), "is_page": is_page, "pipeline": pipeline.name, "table": table,
        "place": story.place, "key": snapshot.primary_key, "levels": levels, "columns": columns,
        "more_columns": is_cut.then_some(snapshot.schema.columns.len()), "changes": changes, "files": files,
        "partitions": partitions, "partitions_in_all": partitions_in_all, "sample": sample,
    });
    let mut parts = made([
        ("rows_chart", chart::nights(&survey.nights, Of::Rows, HIGH)),
        ("time_chart", chart::nights(&survey.nights, Of::Time, HIGH)),
        ("rejects", rejects_body(rejects)?),
    ]);
    // Line breaks of a statement are our own; its lines are harmless already.
    let statements = statements.iter().map(|(name, text)| json!({"name": name, "text": text}));
    parts.insert("ddl".to_owned(), statements.collect());
    render("table", facts, parts)
}

fn partitions(story: &TableStory) -> (Vec<Value>, usize) {
    if story.snapshot.partition_by.is_empty() {
        return (Vec::new(), 0);
    }
    let mut sums: std::collections::BTreeMap<&[Option<String>], (u64, u64, u64)> = std::collections::BTreeMap::new();
    for file in &story.snapshot.files {
        let (files, rows, bytes) = sums.entry(&file.partition).or_default();
        (*files, *rows, *bytes) = (*files + 1, rows.saturating_add(file.rows), bytes.saturating_add(file.bytes));
    }
    let name = |values: &[Option<String>]| {
        let levels = story.snapshot.partition_by.iter().zip(values);
        let levels = levels.map(|((name, ..), value)| format!("{name}={}", value.as_deref().unwrap_or("null")));
        levels.collect::<Vec<_>>().join("/")
    };
    let listed = sums.iter().rev().take(PARTITIONS_MAX);
    let listed =
        listed.map(|(values, (files, rows, bytes))| json!({"name": name(values), "files": files, "rows": rows, "bytes": bytes}));
    (listed.collect(), sums.len())
}

fn rejects_body(rejects: &[RejectReason]) -> Result<String, Error> {
    if rejects.is_empty() {
        return Ok(String::new());
    }
    let told = rejects.iter().map(|reason| {
        json!({"table": reason.table, "records": reason.records, "why": reject_words(reason), "samples": reason.samples})
    });
    let told: Vec<Value> = told.collect();
    render("rejects", json!({"rejects": told}), Map::new())
}

/// A run, with its report where there is one, and what to type next.
///
/// # Errors
/// Those of the template engine.
pub(crate) fn run_body(
    pipeline: &str,
    run: &RunLine,
    report: Option<&Value>,
    rejects: &[RejectReason],
    next: &[String],
) -> Result<String, Error> {
    let empty = Value::Null;
    let report = report.unwrap_or(&empty);
    let resources = report.get("tables").and_then(Value::as_object).into_iter().flatten().map(|(name, table)| {
        let number = |key: &str| table.get(key).and_then(Value::as_u64).unwrap_or(0);
        let line = RunLine {
            inserted: number("rows_inserted"),
            updated: number("rows_updated"),
            deleted: number("rows_deleted"),
            ..RunLine::default()
        };
        let text = |key: &str| table.get(key).and_then(Value::as_str);
        json!({
            "name": name, "status": text("status"), "requests": number("requests"), "pages": number("pages"),
            "records": number("records"), "changed": run_changed(&line), "completeness": text("completeness"),
            "waits": waits(table), "error": text("error"), "kind": text("kind"),
            "hints": table.get("hints").filter(|hints| hints.is_array()),
        })
    });
    let resources: Vec<Value> = resources.collect();
    let warnings = report.get("warnings").filter(|warnings| warnings.is_array());
    let (tracks, end) = timeline(report);
    let drawn = if tracks.is_empty() { String::new() } else { chart::timeline(&tracks, end, escaped) };
    let next: Vec<&str> = next.iter().map(|next| next.trim_start_matches("→ ")).collect();
    let facts = json!({"pipeline": pipeline, "run": json_of(run), "next": next, "resources": resources, "warnings": warnings});
    render("run", facts, made([("timeline", drawn), ("rejects", rejects_body(rejects)?)]))
}

/// The waits of a resource that can be told.
fn waits(table: &Value) -> Vec<Value> {
    let waits = table.get("waits").and_then(Value::as_array).into_iter().flatten();
    let told = |wait: &Value| {
        let seconds = wait.get("seconds")?.as_f64()?;
        Some(json!({"seconds": seconds, "times": wait.get("times")?.as_u64()?, "why": wait.get("why")?.as_str()?}))
    };
    waits.filter_map(told).collect()
}

/// Whether nothing is left in a document that is not seen or turns the direction, its own line breaks apart.
#[cfg(test)]
fn is_harmless(document: &str) -> bool {
    !document.contains(|c| is_special(c) && c != '\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'`{{ 7777*7777 }}\u{202e}\u{1b}[31m\n&";

    fn survey() -> Survey {
        let report = json!({
            "run_id": HOSTILE, "status": HOSTILE, "started": HOSTILE, "kind": HOSTILE, "error": HOSTILE, "hints": [HOSTILE],
            "tables": {HOSTILE: {"status": "failed", "error": HOSTILE, "waits": [{"why": HOSTILE, "times": 1, "seconds": 2.5}]}},
            "warnings": [{"code": HOSTILE, "resource": HOSTILE, "text": HOSTILE}],
        });
        let facts =
            crate::lake::PipelineFacts { name: HOSTILE.to_owned(), runs: vec![report], ..crate::lake::PipelineFacts::default() };
        let now = chrono::DateTime::UNIX_EPOCH;
        let beside = crate::report::Beside::default();
        crate::report::survey(HOSTILE.to_owned(), &[(facts, beside)], &crate::report::Typed::default(), now)
    }

    #[track_caller]
    fn check(body: &str) {
        assert!(!body.contains("<script") && !body.contains("60481729"), "{body}");
        assert!(body.contains("&lt;script&gt;") && is_harmless(body), "{body}");
    }

    #[test]
    fn nothing_from_outside_is_markup_or_turns_the_text() {
        let survey = survey();
        for links in [Links::Within, Links::Below("/t/x/")] {
            let body = overview(&survey, links, |_, _| true).unwrap();
            check(&body);
            check(&document(HOSTILE, &survey, body, links).unwrap());
            let pipeline = &survey.pipelines[0];
            check(&runs_body(Some(HOSTILE), HOSTILE, &pipeline.runs, (1, None), links).unwrap());
            let reason = RejectReason {
                table: HOSTILE.to_owned(),
                path: HOSTILE.to_owned(),
                expected: HOSTILE.to_owned(),
                actual: HOSTILE.to_owned(),
                records: 1,
                samples: vec![HOSTILE.to_owned()],
            };
            let report = json!({"started": "2026-11-30T03:00:00Z", "seconds": 5.0, "tables": {HOSTILE: {
                "status": HOSTILE, "started": "2026-11-30T03:00:01Z", "ended": "2026-11-30T03:00:04Z"}}});
            check(&run_body(HOSTILE, &pipeline.runs[0], Some(&report), &[reason], &[HOSTILE.to_owned()]).unwrap());
        }
    }

    #[test]
    fn the_policy_lets_in_the_style_sheet_of_the_page_and_nothing_else() {
        let survey = survey();
        let page = document("t", &survey, String::new(), Links::Within).unwrap();
        let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
        assert!(policy().contains(&format!("style-src 'sha256-{hash}'")) && policy().starts_with("default-src 'none'"));
        assert!(!page.contains(" style=") && !page.contains("<script") && !page.contains("http://") && !page.contains("src="));
    }
}
