//! `lake`: where the tables go, and how their files are written.

use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::base::Secret;
use crate::config::raw::{self, Credential, Either, Entries, Field, OptionValue, Publish, Scalar, TableFormat};
use crate::config::resolve::Context;
use crate::config::tree::NodeId;
use crate::config::{Compact, Compat, Compression, LakeLocation, LakePlan, OnSchemaChange, Problem, yaml};

/// Size at which a data file is split, unless the config says otherwise: 256 MB.
const TARGET_FILE_BYTES: u64 = 256_000_000;
/// The sizes that can be asked for: 1 kB to 16 GB.
const TARGET_FILE_BYTES_RANGE: RangeInclusive<u64> = 1_000..=16_000_000_000;

/// Memory of the rows of all resources, unless the config says otherwise.
const MEMORY_BYTES: u64 = 256_000_000;
/// How much can be asked for.
const MEMORY_BYTES_RANGE: RangeInclusive<u64> = 128_000_000..=64_000_000_000;

/// Partitions that one run may change, unless the config says otherwise.
const PARTITIONS_MAX: usize = 10_000;

/// Commits that can be undone, unless the config says otherwise: last night's.
const KEEP_VERSIONS: u32 = 1;
/// Most commits that can be undone.
const KEEP_VERSIONS_MAX: u32 = 1_000;

/// How long files that left a Delta table stay, unless the config says otherwise: as by Delta's own default.
const RETENTION: Duration = Duration::from_secs(7 * 86_400);
/// The longest that can be asked for: a Delta log forgets after that which files left its table.
const RETENTION_MAX: Duration = Duration::from_secs(30 * 86_400);

/// The settings of the lake of `pipeline`; `None` when a fault leaves its location open.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, raw: &raw::Lake, pipeline: Option<&str>) -> Option<LakePlan> {
    let url = cx.required(&raw.url, id, "url", "a folder, or `s3://bucket/prefix`");
    let location = url.and_then(|(id, url)| location(cx, id, url, pipeline));
    let flag = |field: &Field<bool>| field.get().copied().unwrap_or(false);
    let options = options(cx, &raw.options);
    let target_file_size =
        size(cx, &raw.target_file_size, (TARGET_FILE_BYTES, TARGET_FILE_BYTES_RANGE), "a size from 1kB to 16GB");
    let memory = size(cx, &raw.memory, (MEMORY_BYTES, MEMORY_BYTES_RANGE), "a size from 128MB to 64GB");
    Some(LakePlan {
        location: location?,
        options,
        compression: raw.compression.get().map_or(Compression::Zstd(1), |&Scalar(compression)| compression),
        target_file_size,
        adopt: flag(&raw.adopt),
        allow_unsafe_store: flag(&raw.allow_unsafe_store),
        publish_together: matches!(raw.publish.get(), Some(Publish::Together)),
        on_schema_change: on_schema_change(cx, &raw.on_schema_change),
        compact: raw.compact.get().map_or(Compact::Never, |&compact| compact.into()),
        max_partitions: max_partitions(cx, &raw.max_partitions),
        memory,
        keep_versions: keep_versions(cx, &raw.keep_versions),
        compat: raw.compat.get().map_or(Compat::Legacy, |&compat| compat.into()),
        is_delta: raw.table_format.get() == Some(&Scalar(TableFormat::Delta)),
        delta_log: flag(&raw.delta_log),
        retention: retention(cx, &raw.retention),
        is_durable: true,
    })
}

fn on_schema_change(cx: Context<'_>, field: &Field<Either<raw::SchemaChange, raw::RewriteUpTo>>) -> OnSchemaChange {
    match field.set() {
        None => OnSchemaChange::Rewrite,
        Some((_, &Either::Text(change))) => change.into(),
        Some((id, Either::Map(map))) => match cx.required(&map.rewrite_up_to, id, "rewrite_up_to", "a size, such as `50GB`") {
            Some((_, &Scalar(raw::ByteSize(bytes)))) => OnSchemaChange::RewriteUpTo(bytes),
            None => OnSchemaChange::Rewrite,
        },
    }
}

fn size(
    cx: Context<'_>,
    field: &Field<Scalar<raw::ByteSize>>,
    (default, range): (u64, RangeInclusive<u64>),
    expected: &str,
) -> u64 {
    let Some((id, &Scalar(raw::ByteSize(bytes)))) = field.set() else { return default };
    if !range.contains(&bytes) {
        cx.reader.wrong(id, expected);
    }
    bytes
}

fn max_partitions(cx: Context<'_>, field: &Field<u64>) -> usize {
    let Some((id, &partitions)) = field.set() else { return PARTITIONS_MAX };
    match usize::try_from(partitions) {
        Ok(partitions) if partitions > 0 => partitions,
        _ => {
            cx.reader.wrong(id, "a number of partitions, from 1");
            PARTITIONS_MAX
        }
    }
}

fn keep_versions(cx: Context<'_>, field: &Field<u64>) -> u32 {
    let Some((id, &versions)) = field.set() else { return KEEP_VERSIONS };
    match u32::try_from(versions) {
        Ok(versions) if versions <= KEEP_VERSIONS_MAX => versions,
        _ => {
            cx.reader.wrong(id, "a number of commits from 0 to 1000");
            KEEP_VERSIONS
        }
    }
}

fn retention(cx: Context<'_>, field: &Field<Scalar<Duration>>) -> Duration {
    let Some((id, &Scalar(retention))) = field.set() else { return RETENTION };
    if retention > RETENTION_MAX {
        cx.reader.wrong(id, "a duration of at most 30d");
    }
    retention
}

fn options(cx: Context<'_>, field: &Field<Entries<OptionValue>>) -> Vec<(String, Secret)> {
    let Some(Entries(entries)) = field.get() else { return Vec::new() };
    let mut options: Vec<(String, Secret)> = Vec::new();
    for (name, value) in entries {
        match value {
            Field::Set(id, OptionValue(Credential(secret))) => {
                let name = name.to_ascii_lowercase();
                if options.iter().any(|(other, _)| *other == name) {
                    cx.reader.conflict(*id, format!("option `{name}` is given twice; case does not count"));
                }
                options.push((name, secret.clone()));
            }
            Field::Null(id) => cx.fault(*id, Problem::Wrong { expected: "text".to_owned(), found: "nothing".to_owned() }),
            Field::Absent | Field::Invalid => {}
        }
    }
    options
}

fn location(cx: Context<'_>, id: NodeId, text: &str, pipeline: Option<&str>) -> Option<LakeLocation> {
    if let Some(meant) = without_slashes(text) {
        let why = format!("`{text}` lacks the slashes of a URL; did you mean `{meant}`? A folder of this name is `./{text}`");
        cx.reader.conflict(id, why);
        return None;
    }
    if let Some(meant) = cx.inputs.of_home(text) {
        let why = format!("`~` is filled in by shells alone: write `{meant}`; a folder of this name is `./{text}`");
        cx.reader.conflict(id, why);
        return None;
    }
    if let Some(why) = text.split_once("://").and_then(|(scheme, _)| no_lake(&scheme.to_ascii_lowercase())) {
        cx.reader.conflict(id, format!("{why}; write a folder or `s3://bucket/prefix`"));
        return None;
    }
    let supported = "a folder, `file:///folder` or `s3://bucket/prefix`";
    let location = match text.split_once("://") {
        None if text.trim().is_empty() => None,
        None => {
            let place = absolute(cx.inputs.folder, Path::new(text));
            check_left_behind(cx, id, (Path::new(text), &place), pipeline);
            Some(LakeLocation::Disk(place))
        }
        Some(("file", _)) => Url::parse(text).ok().and_then(|url| url.to_file_path().ok()).map(LakeLocation::Disk),
        Some(("s3", rest)) => s3(rest),
        Some(_) => None,
    };
    if location.is_none() {
        cx.reader.wrong(id, supported);
    }
    location
}

/// Why a store cannot hold the commit protocol: what a run has uploaded is completed behind its commit, once, and only over what was there before.
fn no_lake(scheme: &str) -> Option<&'static str> {
    match scheme {
        "gs" | "gcs" => Some(
            "Google Cloud Storage completes no multipart upload on a condition, so that a publish could overwrite what another run has published",
        ),
        "az" | "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => Some(
            "in Azure's storage an upload has no identity, so that two runs would upload into each other's files, and one could be published twice",
        ),
        _ => None,
    }
}

/// The URL that is most likely meant by a text that begins as one and would be a folder: `s3:/bucket/x`, `s3:bucket`, `s3//bucket`.
fn without_slashes(text: &str) -> Option<String> {
    let (scheme, rest) =
        text.split_once(':').or_else(|| text.split_once("//").map(|(scheme, _)| (scheme, &text[scheme.len()..])))?;
    let scheme = scheme.to_ascii_lowercase();
    if rest.starts_with("//") && text.contains("://") || !["s3", "s3a", "s3n", "file"].contains(&scheme.as_str()) {
        return None;
    }
    let rest = rest.trim_start_matches('/');
    Some(if scheme == "file" { format!("file:///{rest}") } else { format!("s3://{rest}") })
}

/// Refuses a relative `path` where the pipeline has no lake at its `place`, and one below the current folder, where an older lakeward put it: a
/// second lake beside the first one would be a green run with a part of the rows.
fn check_left_behind(cx: Context<'_>, id: NodeId, (path, place): (&Path, &Path), pipeline: Option<&str>) {
    let Some(pipeline) = pipeline.filter(|_| path.is_relative()) else { return };
    let left = absolute(cx.inputs.current_dir, path);
    if (cx.inputs.has_lake)(place, pipeline) || !(cx.inputs.has_lake)(&left, pipeline) {
        return;
    }
    // dlt's `bucket_url` is the folder around that of the dataset, which is the lake.
    let (key, up) = if cx.reader.document().path(id) == "lake.url" { ("url", 0) } else { ("bucket_url", 1) };
    let written = |lake: &Path| {
        let folder = lake.ancestors().nth(up).unwrap_or(lake).display().to_string();
        format!("`{key}: {}`", yaml(&folder.into()))
    };
    cx.reader.conflict(
        id,
        format!(
            "`{}` is relative to the config's folder, and `{}` is no lake of pipeline `{pipeline}`; `{}`, in the current folder, is one, from \
             an older lakeward: write {} to go on with it, or move it there; write {} to begin anew",
            path.display(),
            place.display(),
            left.display(),
            written(&left),
            written(place)
        ),
    );
}

/// The path from the root, without `.` segments.
fn absolute(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().filter(|component| !matches!(component, Component::CurDir)).collect()
}

/// `bucket/prefix`, by S3's bucket naming rules as far as a slip would lead elsewhere.
fn s3(rest: &str) -> Option<LakeLocation> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    let segments_safe = prefix.is_empty() || prefix.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
    let fine =
        (3..=63).contains(&bucket.len()) && bucket.chars().all(named) && segments_safe && !prefix.contains(['?', '#', '\\']);
    fine.then(|| LakeLocation::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}
