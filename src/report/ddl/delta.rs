//! The statements for a Delta table, whose own log tells its columns, partitions and files.
//!
//! Rules: each engine's reference for tables over an existing Delta log.

use crate::report::ddl::{Engine, Statements, plain};

impl Statements<'_> {
    /// What makes the Delta table known.
    pub(super) fn delta(&self) -> Vec<String> {
        let (name, place) = (self.name(), self.place());
        match self.engine {
            Engine::DuckDb => {
                let mut lines = vec![
                    "INSTALL delta; LOAD delta;".to_owned(),
                    format!("CREATE OR REPLACE VIEW {name} AS"),
                    format!("SELECT * FROM delta_scan({place});"),
                ];
                lines.extend(self.column_comments());
                lines
            }
            Engine::Spark => vec![format!("CREATE TABLE IF NOT EXISTS {name} USING delta"), format!("LOCATION {place};")],
            Engine::Athena => vec![
                format!("CREATE EXTERNAL TABLE {name}"),
                format!("LOCATION {}", self.engine.text(&format!("{}/", plain(self.table.place)))),
                "TBLPROPERTIES ('table_type' = 'DELTA');".to_owned(),
            ],
            Engine::Trino => vec![
                "-- in a catalog of the Delta Lake connector that allows `delta.register-table-procedure.enabled`".to_owned(),
                format!(
                    "CALL system.register_table(schema_name => 'default', table_name => {}, table_location => {place});",
                    self.engine.text(&plain(self.table.name))
                ),
            ],
            Engine::ClickHouse => {
                let engine = if self.table.place.starts_with("s3://") { "DeltaLakeS3" } else { "DeltaLakeLocal" };
                vec![format!("CREATE TABLE IF NOT EXISTS {name}"), format!("ENGINE = {engine}({place});")]
            }
            Engine::BigQuery => vec![
                format!("CREATE EXTERNAL TABLE IF NOT EXISTS {name}"),
                "OPTIONS (".to_owned(),
                "  format = 'DELTA_LAKE',".to_owned(),
                format!("  uris = [{place}]"),
                ");".to_owned(),
            ],
        }
    }
}
