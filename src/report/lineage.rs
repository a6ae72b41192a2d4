//! A run as events of OpenLineage: what was read of an API, and which tables came of it with which columns.
//!
//! In: the plan, the run, how it ended. Out: events in JSON, by the spec's schema (<https://openlineage.io/spec/2-0-2/OpenLineage.json>) and its facets.
//! Pure. Invariants: a run is one UUID, made of its id; a table that was not loaded is no output; no URL has a path or a query.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{LakeLocation, Plan};
use crate::pipeline::{NewRun, ResourceFacts, ResourceResult, RunFacts};
use crate::report::type_words;
use crate::schema::{Column, ColumnType};

/// The program, as events name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Characters of an error that are told.
const ERROR_CHARS: usize = 4000;

/// The job that a run is of, as lineage knows it.
#[derive(Debug, Clone)]
pub(crate) struct Job<'a> {
    /// Where its name is one.
    pub(crate) namespace: &'a str,
    /// The run that started it.
    pub(crate) parent: Option<&'a ParentRun>,
    /// The run that started that one.
    pub(crate) root: Option<&'a ParentRun>,
    /// What it does.
    pub(crate) plan: &'a Plan,
    /// The run.
    pub(crate) run: &'a NewRun,
}

/// A run that started another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParentRun {
    namespace: String,
    name: String,
    run: String,
}

impl ParentRun {
    /// Reads `namespace/name/run`, as `OPENLINEAGE_PARENT_ID` has it; the namespace may have slashes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let (run, name, namespace) = (parts.next()?, parts.next()?, parts.next()?);
        let is_uuid = run.len() == 36 && run.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let is_given = !name.is_empty() && !namespace.is_empty();
        (is_uuid && is_given).then(|| Self { namespace: namespace.to_owned(), name: name.to_owned(), run: run.to_owned() })
    }

    fn told(&self) -> Value {
        json!({"run": {"runId": self.run}, "job": {"namespace": self.namespace, "name": self.name}})
    }
}

/// The event of a run that begins.
pub(crate) fn began(job: &Job<'_>) -> Value {
    event(job, "START", job.run.started, (None, Vec::new()))
}

/// The event of a run that ended with this exit code; without facts where it ended as a whole. `error` says why not all is published.
pub(crate) fn ended(job: &Job<'_>, facts: Option<&RunFacts>, code: u8, error: Option<&str>, now: DateTime<Utc>) -> Value {
    let kind = match code {
        0 => "COMPLETE",
        130 | 143 => "ABORT",
        _ => "FAIL",
    };
    let results = facts.map_or(&[][..], |facts| facts.resources.as_slice());
    let loaded = results.iter().filter_map(|(_, result)| match result {
        ResourceResult::Published(facts) => Some(output(job.plan, facts)),
        _ => None,
    });
    event(job, kind, now, (error, loaded.collect()))
}

fn event(job: &Job<'_>, kind: &str, now: DateTime<Utc>, (error, outputs): (Option<&str>, Vec<Value>)) -> Value {
    let Job { namespace, parent, root, plan, run } = job;
    let mut of_run = Map::new();
    let mut add = |name: &str, told: Value| of_run.insert(name.to_owned(), told);
    add("processing_engine", facet("1-1-1/ProcessingEngineRunFacet", json!({"version": VERSION, "name": "lakeward"})));
    if let Some(parent) = parent {
        let mut told = parent.told();
        if let Some(root) = root {
            told["root"] = root.told();
        }
        add("parent", facet("1-1-0/ParentRunFacet", told));
    }
    if let Some(error) = error {
        let message: String = error.chars().take(ERROR_CHARS).collect();
        add("errorMessage", facet("1-0-0/ErrorMessageRunFacet", json!({"message": message, "programmingLanguage": "Rust"})));
    }
    let kind_of_job = json!({"processingType": "BATCH", "integration": "LAKEWARD", "jobType": "PIPELINE"});
    json!({
        "eventType": kind,
        "eventTime": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "run": {"runId": uuid(&plan.name, &run.id), "facets": of_run},
        "job": {"namespace": namespace, "name": plan.name, "facets": {"jobType": facet("2-0-3/JobTypeJobFacet", kind_of_job)}},
        "inputs": inputs(plan),
        "outputs": outputs,
        "producer": producer(),
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    })
}

/// A facet, which names the schema that it follows.
fn facet(schema: &str, mut told: Value) -> Value {
    let name = schema.split('/').next_back().unwrap_or_default();
    told["_producer"] = producer().into();
    told["_schemaURL"] = format!("https://openlineage.io/spec/facets/{schema}.json#/$defs/{name}").into();
    told
}

fn producer() -> String {
    format!("urn:lakeward:{VERSION}")
}

/// Names a run by a UUID of version 8 (RFC 9562): the same for the same run of the same pipeline.
fn uuid(pipeline: &str, run: &str) -> String {
    let hash = xxh3_128(format!("{pipeline}/{run}").as_bytes());
    let bits = (hash & !(0xf << 76) & !(0x3 << 62)) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// What a run reads: a dataset for each resource, in the API's origin.
fn inputs(plan: &Plan) -> Vec<Value> {
    let origin = plan.client.base_url.origin().ascii_serialization();
    let of = |name: &str| json!({"namespace": origin, "name": name, "facets": {}});
    plan.resources.iter().map(|resource| of(&resource.name)).collect()
}

/// A table as OpenLineage names datasets: by the place of the lake, and the path in it.
fn output(plan: &Plan, facts: &ResourceFacts) -> Value {
    let table = &facts.table;
    let (namespace, name, uri) = match &plan.lake.location {
        LakeLocation::Disk(path) => {
            let path = path.join(table).display().to_string();
            ("file".to_owned(), path.clone(), format!("file://{path}"))
        }
        LakeLocation::S3 { bucket, prefix } => {
            let name = if prefix.is_empty() { table.clone() } else { format!("{prefix}/{table}") };
            (format!("s3://{bucket}"), name.clone(), format!("s3://{bucket}/{name}"))
        }
    };
    let written = facts.rows.rows_inserted + facts.rows.rows_updated;
    let statistics = json!({"rowCount": written, "fileCount": facts.files_put});
    let of_table = json!({
        "schema": facet("1-1-1/SchemaDatasetFacet", json!({"fields": fields(&facts.schema.columns)})),
        "dataSource": facet("1-0-1/DatasourceDatasetFacet", json!({"name": namespace, "uri": uri})),
    });
    let of_run = json!({"outputStatistics": facet("1-0-2/OutputStatisticsOutputDatasetFacet", statistics)});
    json!({"namespace": namespace, "name": name, "facets": of_table, "outputFacets": of_run})
}

fn fields(columns: &[Column]) -> Vec<Value> {
    let field = |column: &Column| {
        let mut told = json!({"name": column.name, "type": type_words(&column.column_type)});
        if let Some(description) = &column.description {
            told["description"] = description.as_str().into();
        }
        if let ColumnType::Struct(inner) = &column.column_type {
            told["type"] = "struct".into();
            told["fields"] = fields(inner).into();
        }
        told
    };
    columns.iter().map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_namespace_name_and_run() {
        let run = "0192f0a1-7d2e-7c4b-8e1f-1234567890ab";
        let parent = ParentRun::parse(&format!("airflow://prod/nightly.load/{run}"));
        assert_eq!(parent, Some(ParentRun { namespace: "airflow://prod".into(), name: "nightly.load".into(), run: run.into() }));
        for text in ["", run, "a/b/c", &format!("a/{run}"), &format!("//{run}")] {
            assert_eq!(ParentRun::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_run_is_one_uuid_of_version_8() {
        let id = uuid("shop", "2026-11-30T02-00-00Z-7b649e");
        assert_eq!(id, uuid("shop", "2026-11-30T02-00-00Z-7b649e"));
        assert_ne!(id, uuid("shop", "2026-11-30T02-00-00Z-7b649f"));
        assert_eq!((id.len(), &id[14..15]), (36, "8"), "{id}");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}
