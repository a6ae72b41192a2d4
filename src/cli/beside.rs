//! Records of runs that no lake has, kept beside the config: of those that were refused before there was a lake, or whose lake could not be reached.
//!
//! In: a config's path, a record. Out: files `.lakeward-runs/<config>/<run>.json`, and what is in them. Bounded: the newest stay. What keeps a record
//! from being kept is told, and changes nothing about the run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::base::shown_json;

/// The folder, beside the config.
const FOLDER: &str = ".lakeward-runs";
/// Records of one config that stay.
const KEPT: usize = 100;
/// Largest record that is read, in bytes.
const BYTES_MAX: u64 = 4 << 20;

/// Where the records of a config are.
fn folder_of(config: &Path) -> Option<PathBuf> {
    let folder = config.parent().unwrap_or(Path::new(""));
    Some(folder.join(FOLDER).join(config.file_name()?))
}

/// Keeps the record of a run.
///
/// # Errors
/// The system's.
pub(super) fn keep(config: &Path, run: &str, record: Value) -> io::Result<()> {
    let Some(folder) = folder_of(config).filter(|_| config.is_file()) else { return Ok(()) };
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{run}.json")), shown_json(record))?;
    let names = names_in(&folder);
    names.iter().take(names.len().saturating_sub(KEPT)).try_for_each(|old| fs::remove_file(folder.join(old)))
}

/// The records of a config, the newest first; what cannot be read is none.
pub(super) fn kept(config: &Path) -> Vec<Value> {
    let Some(folder) = folder_of(config) else { return Vec::new() };
    let read = |name: &String| {
        let path = folder.join(name);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_file() && facts.len() <= BYTES_MAX);
        let mut record: Value =
            is_small.then(|| fs::read(&path).ok()).flatten().and_then(|it| serde_json::from_slice(&it).ok())?;
        let members = record.as_object_mut()?;
        members.insert("run_id".to_owned(), name.strip_suffix(".json")?.into());
        let is = |key: &str, text: &str| members.get(key).and_then(Value::as_str) == Some(text);
        let has_begun = members.get("tables").and_then(Value::as_object).is_some_and(|tables| !tables.is_empty());
        if is("status", "failed") && !is("kind", "internal") && !has_begun {
            members.insert("status".to_owned(), "refused".into());
        }
        Some(record)
    };
    names_in(&folder).iter().rev().take(KEPT).filter_map(read).collect()
}

/// Names of records, the oldest first.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".json")).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_records_stay_and_what_is_no_record_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let config = root.path().join("billing.yaml");
        keep(&config, "2026-01-01T00-00-00Z-000000", json!({})).unwrap();
        assert!(kept(&config).is_empty() && !root.path().join(FOLDER).exists(), "there is no config to be beside of");
        fs::write(&config, "").unwrap();
        for run in 0..KEPT + 5 {
            keep(&config, &format!("2026-01-01T00-00-00Z-{run:06}"), json!({"run_id": "another", "n": run})).unwrap();
        }
        let records = kept(&config);
        assert_eq!(records.len(), KEPT);
        assert_eq!(records[0], json!({"run_id": format!("2026-01-01T00-00-00Z-{:06}", KEPT + 4), "n": KEPT + 4}));
        fs::write(folder_of(&config).unwrap().join("2027.json"), "not JSON").unwrap();
        assert_eq!(kept(&config).len(), KEPT - 1);
    }
}
