//! Actions of a Delta log, one a line, and the paths in them.
//!
//! Source: the Delta transaction log protocol, "Actions". Members that are null are left out: some readers take `"deletionVector": null`
//! for a deletion vector. What the protocol adds later is ignored where a table's features allow that ([`super::features`]).

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What RFC 2396 lets stand in the path of a URI, and `=`, by which Hive's folders are told.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'=');

/// A line of the log: one of its members is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Action {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) commit_info: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) meta_data: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) add: Option<Add>,
}

/// What a reader and a writer have to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(super) min_reader_version: u32,
    pub(super) min_writer_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) writer_features: Option<Vec<String>>,
}

/// The table's schema and settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default)]
    pub(super) format: FileFormat,
    pub(super) schema_string: String,
    #[serde(default)]
    pub(super) partition_columns: Vec<String>,
    #[serde(default)]
    pub(super) configuration: BTreeMap<String, Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created_time: Option<i64>,
}

/// The format of data files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileFormat {
    pub(super) provider: String,
    #[serde(default)]
    pub(super) options: BTreeMap<String, Option<String>>,
}

impl Default for FileFormat {
    fn default() -> Self {
        Self { provider: "parquet".to_owned(), options: BTreeMap::new() }
    }
}

/// How far an application has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Txn {
    pub(super) app_id: String,
    pub(super) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) last_updated: Option<i64>,
}

/// A file of the table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Add {
    /// Percent-encoded, below the table's folder.
    pub(super) path: String,
    #[serde(default)]
    pub(super) partition_values: BTreeMap<String, Option<String>>,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) modification_time: i64,
    /// Whether rows change, or merely lie elsewhere.
    #[serde(default)]
    pub(super) data_change: bool,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_vector: Option<Value>,
}

/// A file that is one of the table's no more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remove {
    pub(super) path: String,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deletion_timestamp: Option<i64>,
    #[serde(default)]
    pub(super) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) partition_values: Option<BTreeMap<String, Option<String>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
}

impl Action {
    pub(super) fn of_protocol(protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..Self::default() }
    }

    pub(super) fn of_metadata(metadata: Metadata) -> Self {
        Self { meta_data: Some(metadata), ..Self::default() }
    }

    pub(super) fn of_add(add: Add) -> Self {
        Self { add: Some(add), ..Self::default() }
    }

    pub(super) fn of_remove(remove: Remove) -> Self {
        Self { remove: Some(remove), ..Self::default() }
    }

    /// The lines of a commit.
    pub(super) fn lines(actions: &[Self]) -> Vec<u8> {
        let mut lines = Vec::new();
        for action in actions {
            serde_json::to_writer(&mut lines, action).expect("actions are plain JSON with text keys");
            lines.push(b'\n');
        }
        lines
    }

    /// The actions of a commit.
    ///
    /// # Errors
    /// The first line that is none, by its number.
    pub(super) fn parse(lines: &[u8]) -> Result<Vec<Self>, String> {
        let lines = lines.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        let action = |(number, line)| serde_json::from_slice(line).map_err(|error| format!("line {}: {error}", number + 1));
        lines.filter(|(_, line)| !line.is_empty()).map(action).collect()
    }
}

/// `path`, below the table's folder, as an action has it.
pub(super) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// The path below the table's folder that an action names.
///
/// # Errors
/// What is wrong with it.
pub(super) fn decode_path(path: &str) -> Result<String, String> {
    if path.contains("://") || path.starts_with('/') {
        return Err(format!("the file {path:?} lies outside of the table's folder, as those of a shallow clone do"));
    }
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| format!("the path {path:?} is not UTF-8"))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_encoded_once_more_than_hives_folders_are() {
        for (path, encoded) in [
            ("part-000001.parquet", "part-000001.parquet"),
            ("k=a%2Fb/part-000001.parquet", "k=a%252Fb/part-000001.parquet"),
            ("Étage=1 2/p#?.parquet", "%C3%89tage=1%202/p%23%3F.parquet"),
        ] {
            assert_eq!(encode_path(path), encoded);
            assert_eq!(decode_path(encoded).unwrap(), path);
        }
        for outside in ["s3://bucket/x.parquet", "/data/x.parquet", "file:///x"] {
            assert!(decode_path(outside).unwrap_err().contains("outside"), "{outside}");
        }
        assert!(decode_path("%FF").is_err());
    }

    #[test]
    fn lines_are_read_as_they_are_written_and_null_members_are_left_out() {
        let add =
            Add { path: "a.parquet".to_owned(), size: 3, partition_values: [("k".to_owned(), None)].into(), ..Add::default() };
        let actions = vec![
            Action::of_protocol(Protocol { min_reader_version: 1, min_writer_version: 2, ..Protocol::default() }),
            Action::of_add(add),
        ];
        let lines = Action::lines(&actions);
        assert_eq!(Action::parse(&lines).unwrap(), actions);
        let text = String::from_utf8(lines).unwrap();
        assert!(!text.contains("deletionVector") && !text.contains("readerFeatures"), "{text}");
        assert!(text.contains(r#""partitionValues":{"k":null}"#), "{text}");
    }

    #[test]
    fn a_line_that_is_no_action_is_named() {
        assert!(Action::parse(b"{}\n\n{\"add\":{\"path\":1}}\n").unwrap_err().starts_with("line 3: "));
        assert_eq!(Action::parse(b"{\"cdc\":{\"path\":\"x\"}}").unwrap(), [Action::default()]);
    }
}
