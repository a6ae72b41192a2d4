//! What a Delta table asks of those who read and write it, and whether this program keeps it.
//!
//! Source: the Delta transaction log protocol, "Table Features" and "Requirements for Writers". A feature that a table only allows is no
//! matter; one that it uses has to be kept. Those that are not are refused by name, before anything is read for the table.

use crate::lake::format::delta::actions::{Metadata, Protocol};

/// Reader and writer version of a table that everybody opens.
pub(super) const PLAIN: (u32, u32) = (1, 2);

/// Highest versions whose requirements are known.
const READER_MAX: u32 = 3;
const WRITER_MAX: u32 = 7;

/// Features that may be allowed, as long as [`used`] finds none of them used.
const KNOWN: [&str; 10] = [
    "appendOnly",
    "invariants",
    "checkConstraints",
    "changeDataFeed",
    "generatedColumns",
    "identityColumns",
    "columnMapping",
    "deletionVectors",
    "timestampNtz",
    "vacuumProtocolCheck",
];

/// Settings that ask a writer for more than this one does, each with the value that asks for nothing, and what helps.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("delta.enableChangeDataFeed", "false", "a change data feed"),
    ("delta.columnMapping.mode", "none", "column mapping"),
    ("delta.enableRowTracking", "false", "row tracking"),
    ("delta.enableInCommitTimestamps", "false", "in-commit timestamps"),
];

/// Metadata of a column that asks a writer for more.
const OF_COLUMNS: [(&str, &str); 3] = [
    ("delta.invariants", "an invariant of a column"),
    ("delta.generationExpression", "a generated column"),
    ("delta.identity.start", "an identity column"),
];

/// Refuses a table that asks for what this program does not do.
///
/// # Errors
/// What it asks for, in words.
pub(super) fn check(protocol: &Protocol, metadata: &Metadata) -> Result<(), String> {
    let Protocol { min_reader_version: reader, min_writer_version: writer, reader_features, writer_features } = protocol;
    if *reader > READER_MAX || *writer > WRITER_MAX {
        return Err(format!("it asks for version {reader} of readers and {writer} of writers"));
    }
    let features = reader_features.iter().chain(writer_features).flatten();
    if let Some(unknown) = features.clone().find(|feature| !KNOWN.contains(&feature.as_str())) {
        return Err(format!("it has the table feature `{unknown}`"));
    }
    if metadata.format.provider != "parquet" {
        return Err(format!("its files are `{}`", metadata.format.provider));
    }
    match used(metadata) {
        Some(used) => Err(format!("it uses {used}")),
        None => Ok(()),
    }
}

/// Whether rows may only be added.
pub(super) fn is_append_only(metadata: &Metadata) -> bool {
    metadata
        .configuration
        .get("delta.appendOnly")
        .and_then(Option::as_deref)
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn used(metadata: &Metadata) -> Option<&'static str> {
    let set = |key: &str, off: &str| {
        metadata.configuration.get(key).and_then(Option::as_deref).is_some_and(|value| !value.eq_ignore_ascii_case(off))
    };
    let setting = SETTINGS.iter().find(|(key, off, _)| set(key, off)).map(|(_, _, words)| *words);
    let constraint = metadata.configuration.keys().any(|key| key.starts_with("delta.constraints."));
    // The keys stand in the schema's text as JSON has them, and nowhere else than in a column's metadata.
    let of_column =
        OF_COLUMNS.iter().find(|(key, _)| metadata.schema_string.contains(&format!("\"{key}\""))).map(|(_, words)| *words);
    setting.or_else(|| constraint.then_some("a check constraint")).or(of_column)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(reader: u32, writer: u32, features: &[&str]) -> Protocol {
        let names = (!features.is_empty()).then(|| features.iter().map(|name| (*name).to_owned()).collect());
        Protocol { min_reader_version: reader, min_writer_version: writer, reader_features: None, writer_features: names }
    }

    fn metadata(setting: Option<(&str, &str)>, schema: &str) -> Metadata {
        let configuration = setting.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).into_iter().collect();
        Metadata { configuration, schema_string: schema.to_owned(), ..Metadata::default() }
    }

    #[test]
    fn what_is_merely_allowed_is_no_matter() {
        for protocol in
            [protocol(1, 2, &[]), protocol(2, 6, &[]), protocol(3, 7, &["deletionVectors", "appendOnly", "timestampNtz"])]
        {
            assert_eq!(check(&protocol, &metadata(None, "{}")), Ok(()), "{protocol:?}");
        }
        assert_eq!(check(&protocol(1, 4, &[]), &metadata(Some(("delta.enableChangeDataFeed", "false")), "{}")), Ok(()));
        assert_eq!(check(&protocol(2, 5, &[]), &metadata(Some(("delta.columnMapping.mode", "none")), "{}")), Ok(()));
    }

    #[test]
    fn what_is_used_or_unknown_is_refused_by_name() {
        let told = |protocol: &Protocol, metadata: &Metadata| check(protocol, metadata).unwrap_err();
        let plain = protocol(1, 2, &[]);
        assert_eq!(told(&protocol(4, 2, &[]), &metadata(None, "{}")), "it asks for version 4 of readers and 2 of writers");
        assert_eq!(told(&protocol(3, 7, &["rowTracking"]), &metadata(None, "{}")), "it has the table feature `rowTracking`");
        assert_eq!(told(&plain, &metadata(Some(("delta.enableChangeDataFeed", "TRUE")), "{}")), "it uses a change data feed");
        assert_eq!(told(&plain, &metadata(Some(("delta.columnMapping.mode", "name")), "{}")), "it uses column mapping");
        assert_eq!(told(&plain, &metadata(Some(("delta.constraints.x", "a > 1")), "{}")), "it uses a check constraint");
        let generated = r#"{"fields":[{"metadata":{"delta.generationExpression":"YEAR(d)"}}]}"#;
        assert_eq!(told(&plain, &metadata(None, generated)), "it uses a generated column");
    }

    #[test]
    fn a_table_of_appends_alone_is_known() {
        assert!(is_append_only(&metadata(Some(("delta.appendOnly", "true")), "{}")));
        assert!(!is_append_only(&metadata(Some(("delta.appendOnly", "false")), "{}")));
        assert!(!is_append_only(&metadata(None, "{}")));
    }
}
