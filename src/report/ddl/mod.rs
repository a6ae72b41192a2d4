//! The statements that make a table of a lake known to a query engine, with the descriptions of its columns.
//!
//! In: an engine, a table as its manifest tells it, where its files are. Out: lines of SQL. The files stay where they are; nothing is copied and nothing
//! asked. Invariants: names and texts are quoted by the engine's own rules; what an engine cannot spell, such as a control character in a name, is left
//! out and said in a comment. An identity level of the partitioning is a column that only the folder has; other levels are columns beside the file's.
//! Rules: each engine's reference for `CREATE TABLE` over Parquet in Hive's folders.

mod delta;
mod types;

use crate::base::is_special;
use crate::config::StoredAs;
use crate::lake::Snapshot;
use crate::report::ddl::types::{column_type, level_type};
use crate::schema::{Column, ColumnType};

/// A query engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// DuckDB: a view.
    DuckDb,
    /// Spark SQL: an external table.
    Spark,
    /// Amazon Athena: an external table of the Glue catalog.
    Athena,
    /// Trino, its Hive connector: an external table.
    Trino,
    /// ClickHouse: a table on the `File` or `S3` engine.
    ClickHouse,
    /// BigQuery: an external table.
    BigQuery,
}

impl Engine {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [Self::DuckDb, Self::Spark, Self::Athena, Self::Trino, Self::ClickHouse, Self::BigQuery];

    /// As the command line spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DuckDb => "duckdb",
            Self::Spark => "spark",
            Self::Athena => "athena",
            Self::Trino => "trino",
            Self::ClickHouse => "clickhouse",
            Self::BigQuery => "bigquery",
        }
    }

    /// An identifier, quoted.
    fn name_of(self, name: &str) -> String {
        match self {
            Self::DuckDb | Self::Trino => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Spark | Self::Athena => format!("`{}`", name.replace('`', "``")),
            Self::ClickHouse | Self::BigQuery => format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`")),
        }
    }

    /// A text, quoted.
    fn text(self, text: &str) -> String {
        match self {
            Self::DuckDb | Self::Trino => format!("'{}'", text.replace('\'', "''")),
            Self::Spark | Self::Athena | Self::ClickHouse | Self::BigQuery => {
                format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
            }
        }
    }

    /// Whether a name can be spelled.
    fn can_name(self, name: &str) -> bool {
        let is_refused = |c: char| is_special(c) || self == Self::BigQuery && "!\"$()*,./;?@[\\]^`{}~".contains(c);
        !name.is_empty() && !name.contains(is_refused)
    }
}

/// A table, for these statements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DdlTable<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its folder, as readers write it.
    pub(crate) place: &'a str,
    /// What it is.
    pub(crate) snapshot: &'a Snapshot,
}

/// The statements for `engine`.
pub(crate) fn ddl(engine: Engine, table: DdlTable<'_>) -> Vec<String> {
    let statements = Statements { engine, table };
    let mut lines = statements.remarks();
    lines.extend(match engine {
        _ if table.snapshot.stored_as == StoredAs::Delta => statements.delta(),
        Engine::DuckDb => statements.duckdb(),
        Engine::Spark => statements.spark(),
        Engine::Athena => statements.athena(),
        Engine::Trino => statements.trino(),
        Engine::ClickHouse => statements.clickhouse(),
        Engine::BigQuery => statements.bigquery(),
    });
    lines
}

struct Statements<'a> {
    engine: Engine,
    table: DdlTable<'a>,
}

impl Statements<'_> {
    /// Partition levels, each with the column that only the folder has, if it is one.
    fn levels(&self) -> impl Iterator<Item = (&str, Option<&Column>)> {
        self.table.snapshot.partition_by.iter().map(|(name, column, transform)| {
            let is_in_path_only = transform == "identity" && name == column;
            (name.as_str(), self.table.snapshot.schema.column(name).filter(|_| is_in_path_only))
        })
    }

    fn in_path_only(&self, column: &Column) -> bool {
        self.levels().any(|(name, own)| own.is_some() && name == column.name)
    }

    /// The columns of the files that the engine can name.
    fn columns(&self) -> impl Iterator<Item = &Column> {
        let all = self.table.snapshot.schema.columns.iter();
        all.filter(|column| !self.in_path_only(column) && self.engine.can_name(&column.name))
    }

    /// Comments on what has no place in the statement.
    fn remarks(&self) -> Vec<String> {
        let all = self.table.snapshot.schema.columns.iter();
        let left_out = all.filter(|column| !self.engine.can_name(&column.name)).count();
        let mut remarks = Vec::new();
        if left_out > 0 && self.engine != Engine::DuckDb {
            remarks.push(format!("-- {left_out} of the columns are left out: {} has no name for them", self.engine.name()));
        }
        let is_s3 = self.table.place.starts_with("s3://");
        match self.engine {
            Engine::Athena if !is_s3 => {
                remarks.push("-- Athena reads S3 alone: put the bucket's `s3://` URL in the place of this folder".to_owned());
            }
            Engine::BigQuery if is_s3 => {
                remarks.push("-- BigQuery reads S3 through a BigLake connection: add `WITH CONNECTION` with yours".to_owned());
            }
            Engine::BigQuery => {
                remarks.push(
                    "-- BigQuery reads Google Cloud Storage: put the bucket's `gs://` URL in the place of this folder".to_owned(),
                );
            }
            Engine::ClickHouse if !is_s3 => {
                remarks.push("-- the folder has to lie below ClickHouse's `user_files_path`".to_owned());
            }
            _ => {}
        }
        remarks
    }

    /// Column definitions, `name type comment`, a line each.
    fn definitions(&self, comment: impl Fn(&str) -> String) -> Vec<String> {
        let define = |column: &Column| {
            let told = column.description.as_deref().filter(|text| !text.is_empty());
            let told = told.map_or_else(String::new, |text| format!(" {}", comment(&self.engine.text(&plain(text)))));
            format!("  {} {}{told}", self.engine.name_of(&column.name), column_type(self.engine, &column.column_type))
        };
        self.columns().map(define).collect()
    }

    /// Definitions of partition levels.
    fn level_definitions(&self) -> Vec<String> {
        let define = |(name, own): (&str, Option<&Column>)| {
            format!("  {} {}", self.engine.name_of(name), level_type(self.engine, own.map(|column| &column.column_type)))
        };
        self.levels().map(define).collect()
    }

    fn level_names(&self) -> Vec<String> {
        self.levels().map(|(name, _)| self.engine.name_of(name)).collect()
    }

    fn name(&self) -> String {
        self.engine.name_of(&plain(self.table.name))
    }

    fn place(&self) -> String {
        self.engine.text(&plain(self.table.place))
    }

    fn files(&self) -> String {
        // Signs of the folder itself stand for themselves.
        let folder: String = plain(self.table.place).chars().fold(String::new(), |all, c| match c {
            '*' | '?' | '[' if self.engine == Engine::DuckDb => format!("{all}[{c}]"),
            c => format!("{all}{c}"),
        });
        self.engine.text(&format!("{folder}/**/*.parquet"))
    }

    fn is_partitioned(&self) -> bool {
        !self.table.snapshot.partition_by.is_empty()
    }

    fn duckdb(&self) -> Vec<String> {
        let types = self.levels().map(|(name, own)| {
            let level = level_type(self.engine, own.map(|column| &column.column_type));
            format!("{}: {level}", self.engine.text(name))
        });
        let hive = match self.is_partitioned() {
            true => format!("hive_partitioning = true, hive_types = {{{}}}", types.collect::<Vec<_>>().join(", ")),
            false => "hive_partitioning = false".to_owned(),
        };
        let mut lines = vec![
            format!("CREATE OR REPLACE VIEW {} AS", self.name()),
            format!("SELECT * FROM read_parquet({}, {hive}, union_by_name = true);", self.files()),
        ];
        lines.extend(self.column_comments());
        lines
    }

    /// What DuckDB is told of a view's columns.
    fn column_comments(&self) -> Vec<String> {
        let named = self.table.snapshot.schema.columns.iter().filter(|column| self.engine.can_name(&column.name));
        let comment = |column: &Column| {
            let told = column.description.as_deref().filter(|text| !text.is_empty())?;
            let column = self.engine.name_of(&column.name);
            Some(format!("COMMENT ON COLUMN {}.{column} IS {};", self.name(), self.engine.text(&plain(told))))
        };
        named.filter_map(comment).collect()
    }

    fn spark(&self) -> Vec<String> {
        let mut columns = self.definitions(|text| format!("COMMENT {text}"));
        columns.extend(self.level_definitions());
        let mut lines = vec![format!("CREATE TABLE IF NOT EXISTS {} (", self.name())];
        lines.extend(separated(columns));
        lines.push(")".to_owned());
        lines.push("USING parquet".to_owned());
        if self.is_partitioned() {
            lines.push(format!("PARTITIONED BY ({})", self.level_names().join(", ")));
        }
        lines.push(format!("LOCATION {};", self.place()));
        if self.is_partitioned() {
            lines.push(format!("MSCK REPAIR TABLE {};", self.name()));
        }
        lines
    }

    fn athena(&self) -> Vec<String> {
        let mut lines = vec![format!("CREATE EXTERNAL TABLE IF NOT EXISTS {} (", self.name())];
        lines.extend(separated(self.definitions(|text| format!("COMMENT {text}"))));
        lines.push(")".to_owned());
        if self.is_partitioned() {
            lines.push("PARTITIONED BY (".to_owned());
            lines.extend(separated(self.level_definitions()));
            lines.push(")".to_owned());
        }
        lines.push("STORED AS PARQUET".to_owned());
        lines.push(format!("LOCATION {};", self.engine.text(&format!("{}/", plain(self.table.place)))));
        if self.is_partitioned() {
            lines.push(format!("MSCK REPAIR TABLE {};", self.name()));
        }
        lines
    }

    fn trino(&self) -> Vec<String> {
        let mut columns = self.definitions(|text| format!("COMMENT {text}"));
        // The partition columns come last.
        columns.extend(self.level_definitions());
        let mut lines = vec![format!("CREATE TABLE IF NOT EXISTS {} (", self.name())];
        lines.extend(separated(columns));
        lines.push(")".to_owned());
        let mut with = vec!["  format = 'PARQUET'".to_owned(), format!("  external_location = {}", self.place())];
        if self.is_partitioned() {
            let names = self.levels().map(|(name, _)| self.engine.text(name)).collect::<Vec<_>>().join(", ");
            with.push(format!("  partitioned_by = ARRAY[{names}]"));
        }
        lines.push("WITH (".to_owned());
        lines.extend(separated(with));
        lines.push(");".to_owned());
        if self.is_partitioned() {
            let table = self.engine.text(&plain(self.table.name));
            lines.push(
                "-- once more after each run that made new partitions; the schema is the one that the table was made in"
                    .to_owned(),
            );
            lines.push(format!("CALL system.sync_partition_metadata('default', {table}, 'FULL');"));
        }
        lines
    }

    fn clickhouse(&self) -> Vec<String> {
        let mut columns = self.definitions(|text| format!("COMMENT {text}"));
        columns.extend(self.level_definitions());
        let engine = match self.table.place.starts_with("s3://") {
            true => format!("S3({}, 'Parquet')", self.files()),
            false => format!("File(Parquet, {})", self.files()),
        };
        let mut lines = vec![format!("CREATE TABLE IF NOT EXISTS {} (", self.name())];
        lines.extend(separated(columns));
        lines.push(")".to_owned());
        let partitioned = if self.is_partitioned() { " SETTINGS use_hive_partitioning = 1" } else { "" };
        lines.push(format!("ENGINE = {engine}{partitioned};"));
        lines
    }

    fn bigquery(&self) -> Vec<String> {
        let mut lines = vec![format!("CREATE EXTERNAL TABLE IF NOT EXISTS {} (", self.name())];
        lines.extend(separated(self.definitions(|text| format!("OPTIONS (description = {text})"))));
        lines.push(")".to_owned());
        if self.is_partitioned() {
            lines.push("WITH PARTITION COLUMNS (".to_owned());
            lines.extend(separated(self.level_definitions()));
            lines.push(")".to_owned());
        }
        let place = plain(self.table.place);
        let mut options =
            vec!["  format = 'PARQUET'".to_owned(), format!("  uris = [{}]", self.engine.text(&format!("{place}/*.parquet")))];
        if self.is_partitioned() {
            options.push(format!("  hive_partition_uri_prefix = {}", self.place()));
        }
        lines.push("OPTIONS (".to_owned());
        lines.extend(separated(options));
        lines.push(");".to_owned());
        lines
    }
}

/// Lines with a comma behind each but the last.
fn separated(lines: Vec<String>) -> Vec<String> {
    let last = lines.len().saturating_sub(1);
    lines.into_iter().enumerate().map(|(at, line)| if at < last { format!("{line},") } else { line }).collect()
}

/// A text in which nothing is left that is not seen.
fn plain(text: &str) -> String {
    text.chars().map(|c| if is_special(c) { ' ' } else { c }).collect()
}

/// Whether a column is text to every reader.
fn is_text(column_type: &ColumnType) -> bool {
    match column_type {
        ColumnType::Unknown | ColumnType::Text | ColumnType::Json => true,
        ColumnType::Struct(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::TableSchema;

    fn column(name: &str, column_type: ColumnType, description: Option<&str>) -> Column {
        let description = description.map(str::to_owned);
        Column { name: name.to_owned(), column_type, nullable: true, declared: false, description }
    }

    fn table() -> Snapshot {
        let columns = vec![
            column("id", ColumnType::Int64 { wide: false }, Some("the order's number")),
            column("price", ColumnType::Decimal { precision: 10, scale: 2 }, None),
            column("day", ColumnType::Date, None),
            column("bad\u{1b}[31m", ColumnType::Text, None),
            column("o\"d`d", ColumnType::Struct(vec![column("x y", ColumnType::List(Box::new(ColumnType::Text)), None)]), None),
        ];
        let level = |name: &str, column: &str, transform: &str| (name.to_owned(), column.to_owned(), transform.to_owned());
        Snapshot {
            schema: TableSchema { columns },
            partition_by: vec![level("day", "day", "identity"), level("id_bucket", "id", "bucket[4]")],
            ..Snapshot::default()
        }
    }

    #[test]
    fn of_a_delta_table_its_own_log_tells_the_columns() {
        let table = Snapshot { stored_as: StoredAs::Delta, ..table() };
        for engine in Engine::ALL {
            let text = ddl(engine, DdlTable { name: "orders", place: "s3://b/lake/orders", snapshot: &table }).join("\n");
            assert!(text.to_lowercase().contains("delta") && text.contains("s3://b/lake/orders"), "{text}");
            assert!(!text.contains("PARTITIONED BY") && !text.contains("*.parquet"), "{text}");
        }
    }

    fn of(engine: Engine) -> String {
        ddl(engine, DdlTable { name: "orders", place: "s3://b/lake/orders", snapshot: &table() }).join("\n")
    }

    #[test]
    fn names_and_texts_are_quoted_by_the_engines_rules_and_what_has_no_name_is_left_out_and_told() {
        let spark = of(Engine::Spark);
        assert!(spark.contains("`o\"d``d` STRUCT<`x y`: ARRAY<STRING>>"), "{spark}");
        assert!(spark.contains("`id` BIGINT COMMENT 'the order\\'s number'"), "{spark}");
        assert!(spark.starts_with("-- 1 of the columns are left out"), "{spark}");
        let trino = of(Engine::Trino);
        assert!(trino.contains("\"o\"\"d`d\" ROW(\"x y\" ARRAY(VARCHAR))"), "{trino}");
        assert!(trino.contains("\"id\" BIGINT COMMENT 'the order''s number'"), "{trino}");
        for engine in Engine::ALL {
            assert!(!of(engine).contains(|c| is_special(c) && c != '\n'), "{engine:?}");
        }
    }

    #[test]
    fn a_level_that_only_the_folder_has_is_no_column_of_the_files() {
        let athena = of(Engine::Athena);
        assert_eq!(athena.matches("`day`").count(), 1, "{athena}");
        assert!(athena.contains("PARTITIONED BY (\n  `day` date,\n  `id_bucket` string\n)"), "{athena}");
    }
}
