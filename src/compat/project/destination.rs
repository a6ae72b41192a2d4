//! `destinations` and `datasets`: where a pipeline's tables go.
//!
//! dlt's filesystem destination keeps a dataset's tables in `<bucket_url>/<dataset_name>/<table>`; so does the lake.

use crate::compat::project::Project;
use crate::compat::project::credentials::in_variable;
use crate::config::fault::Problem;
use crate::config::tree::{Document, Entry, NodeId, Text, Value};

/// The names of the filesystem destination.
const TYPES: [&str; 2] = ["filesystem", "dlt.destinations.filesystem"];
/// Keys of a filesystem destination that are dlt's.
const KEYS: [&str; 5] = ["type", "bucket_url", "credentials", "file_format", "loader_file_format"];
/// Keys of dlt's that lakeward does not have: it lays out files by itself, and its store has other options.
const FOREIGN_KEYS: [&str; 9] = [
    "layout",
    "extra_placeholders",
    "current_datetime",
    "kwargs",
    "client_kwargs",
    "config_kwargs",
    "max_state_files",
    "always_refresh_views",
    "deltalake_storage_options",
];
/// Keys of the lake that may stand in a destination too.
const LAKE_KEYS: [&str; 12] = [
    "options",
    "compression",
    "target_file_size",
    "adopt",
    "allow_unsafe_store",
    "publish",
    "on_schema_change",
    "compact",
    "max_partitions",
    "memory",
    "keep_versions",
    "compat",
];
/// Credentials by dlt's names, and the store's options they are.
pub(in crate::compat) const OPTIONS: [(&str, &str); 5] = [
    ("aws_access_key_id", "aws_access_key_id"),
    ("aws_secret_access_key", "aws_secret_access_key"),
    ("aws_session_token", "aws_session_token"),
    ("endpoint_url", "aws_endpoint"),
    ("region_name", "aws_region"),
];

impl Project<'_> {
    /// The `lake` of a pipeline.
    pub(super) fn lake(&mut self, pipeline: &Entry) -> Option<NodeId> {
        let (dataset_at, dataset) = self.dataset(pipeline);
        let destination = self.destination(pipeline.node, &dataset)?;
        let url = self.url(&destination, dataset_at, &dataset)?;
        let mut entries = vec![Entry::new("url", destination.mark, url)];
        let own = self.document.entries(destination.node).iter();
        entries.extend(own.filter(|entry| LAKE_KEYS.contains(&entry.key.as_str())).cloned());
        let is_bucket = matches!(&self.document.node(url).value, Value::Text(url) if url.text.starts_with("s3://"));
        if let Some(options) = self.credentials(&destination, is_bucket) {
            entries.push(options);
        }
        Some(self.document.add(destination.node, Value::Map(entries)))
    }

    /// The dataset's name and where it stands. Default: dlt's `<pipeline>_dataset`.
    fn dataset(&mut self, pipeline: &Entry) -> (NodeId, Text) {
        if let Some((id, name)) = self.text_of(pipeline.node, "dataset_name") {
            let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            if !name.is_empty() && (name.starts_with(['_', '.']) || !name.chars().all(safe)) {
                self.wrong(id, "a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`");
            }
            if let Value::Text(text) = &self.document.node(id).value {
                return (id, text.clone());
            }
        }
        (pipeline.node, Text { text: format!("{}_dataset", pipeline.key), ..Text::default() })
    }

    /// The destination of the pipeline at `pipeline`, its values filled in.
    fn destination(&mut self, pipeline: NodeId, dataset: &Text) -> Option<Entry> {
        let named = self.text_of(pipeline, "destination").or_else(|| self.destination_of_dataset(dataset));
        let meaning = "the name of a destination under `destinations`";
        let (at, name) = named.or_else(|| self.missing(pipeline, "destination", meaning))?;
        let section = self.section("destinations", "where the tables go, each with `type: filesystem` and `bucket_url`")?;
        let destination = self.named(section, at, "destination", &name)?;
        self.fill(destination.node, true);
        if !matches!(self.document.node(destination.node).value, Value::Map(_)) {
            self.wrong(destination.node, "a map");
            return None;
        }
        let kind = self.text_of(destination.node, "type");
        let (at, kind) =
            kind.or_else(|| self.missing(destination.node, "type", "`filesystem`, the one destination that lakeward writes"))?;
        if kind.is_empty() {
            return None;
        }
        if !TYPES.contains(&kind.as_str()) {
            self.wrong(at, "`filesystem`, the one destination that lakeward writes: Parquet files in a folder or a bucket");
            return None;
        }
        let known: Vec<&str> = KEYS.into_iter().chain(LAKE_KEYS).collect();
        self.known_keys(destination.node, &known, &FOREIGN_KEYS);
        for key in ["file_format", "loader_file_format"] {
            if let Some((id, format)) = self.text_of(destination.node, key)
                && !matches!(format.as_str(), "" | "parquet")
            {
                self.wrong(id, "`parquet`, which is what lakeward writes");
            }
        }
        Some(destination)
    }

    /// The one destination that `datasets` gives a dataset.
    fn destination_of_dataset(&mut self, dataset: &Text) -> Option<(NodeId, String)> {
        let datasets = self.document.entry(Document::ROOT, "datasets")?.node;
        let dataset = self.document.entry(datasets, &dataset.text)?.node;
        self.fill(dataset, true);
        self.known_keys(dataset, &["destination"], &[]);
        let id = self.document.entry(dataset, "destination")?.node;
        match &self.document.node(id).value {
            Value::Text(text) => Some((id, text.text.clone())),
            Value::List(items) => match items.as_slice() {
                [only] => match &self.document.node(*only).value {
                    Value::Text(text) => Some((*only, text.text.clone())),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    /// `<bucket_url>/<dataset_name>`, standing where `bucket_url` does.
    fn url(&mut self, destination: &Entry, dataset_at: NodeId, dataset: &Text) -> Option<NodeId> {
        let variables = [
            format!("DESTINATION__{}__BUCKET_URL", in_variable(&destination.key)),
            "DESTINATION__FILESYSTEM__BUCKET_URL".to_owned(),
        ];
        let written = self.text_of(destination.node, "bucket_url").map(|(id, _)| id);
        let (at, bucket) = match (written, self.providers.find(self.inputs, &variables)) {
            (Some(id), _) => match &self.document.node(id).value {
                Value::Text(text) => (id, text.clone()),
                _ => return None,
            },
            (None, Some(found)) => (destination.node, found),
            (None, None) => {
                let meaning = format!("a folder or `s3://bucket/prefix`; dlt's variable `{}` is not set", variables[0]);
                return self.missing(destination.node, "bucket_url", &meaning);
            }
        };
        if matches!(self.document.node(dataset_at).value, Value::Faulty) {
            return None;
        }
        let base = bucket.text.trim_end_matches('/');
        let shift = base.len() + 1;
        let mut given: Vec<_> = bucket.given.iter().map(|range| range.start.min(base.len())..range.end.min(base.len())).collect();
        given.extend(dataset.given.iter().map(|range| range.start + shift..range.end + shift));
        let written =
            (!given.is_empty()).then(|| format!("{}/{}", bucket.as_written().trim_end_matches('/'), dataset.as_written()));
        Some(self.document.add(at, Value::Text(Text { text: format!("{base}/{}", dataset.text), written, given })))
    }

    /// `credentials` as the store's options; for a bucket, those that are not written from dlt's other places.
    fn credentials(&mut self, destination: &Entry, is_bucket: bool) -> Option<Entry> {
        let written = self.document.entry(destination.node, "credentials").cloned();
        let written = written.filter(|entry| !matches!(self.document.node(entry.node).value, Value::Null));
        let Some(credentials) = written else {
            let has_options = self.document.entry(destination.node, "options").is_some();
            let found = if is_bucket && !has_options { self.provided(destination, &[]) } else { Vec::new() };
            let map = (!found.is_empty()).then(|| self.document.add(destination.node, Value::Map(found)));
            return map.map(|map| Entry::new("options", destination.mark, map));
        };
        if !matches!(self.document.node(credentials.node).value, Value::Map(_)) {
            let found = self.document.node(credentials.node).value.kind().to_owned();
            self.fault(credentials.node, Problem::Wrong { expected: "a map".to_owned(), found });
            return None;
        }
        if let Some(options) = self.document.entry(destination.node, "options").map(|entry| entry.node) {
            let why = "write either dlt's `credentials` or lakeward's `options`, not both";
            self.fault(options, Problem::Conflict { why: why.to_owned() });
            return None;
        }
        let names: Vec<&str> = OPTIONS.iter().map(|(dlt, _)| *dlt).collect();
        self.known_keys(credentials.node, &names, &["profile_name", "s3_url_style"]);
        let mut options = Vec::new();
        for (dlt, option) in OPTIONS {
            let entry = self.document.entry(credentials.node, dlt);
            options.extend(entry.map(|entry| Entry::new(option, entry.mark, entry.node)));
        }
        if is_bucket {
            let there = options.clone();
            options.extend(self.provided(destination, &there));
        }
        let map = self.document.add(credentials.node, Value::Map(options));
        Some(Entry::new("options", credentials.mark, map))
    }

    /// The store's options that dlt's variables and TOML files give, but for those that are `there`.
    fn provided(&mut self, destination: &Entry, there: &[Entry]) -> Vec<Entry> {
        let (pipeline, own) = (in_variable(&self.pipeline), in_variable(&destination.key));
        let mut options = Vec::new();
        for (dlt, option) in OPTIONS.into_iter().filter(|(_, option)| there.iter().all(|entry| entry.key != *option)) {
            let field = in_variable(dlt);
            let general = [&*format!("DESTINATION__{own}"), "DESTINATION__FILESYSTEM", "DESTINATION"];
            let general = general.map(|section| format!("{section}__CREDENTIALS__{field}"));
            let names: Vec<String> =
                general.iter().map(|name| format!("{pipeline}__{name}")).chain(general.iter().cloned()).collect();
            if let Some(found) = self.providers.find(self.inputs, &names) {
                let node = self.document.add(destination.node, Value::Text(found));
                options.push(Entry::new(option, destination.mark, node));
            }
        }
        options
    }
}
