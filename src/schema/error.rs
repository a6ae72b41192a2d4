//! What can be wrong with a schema.

use crate::base::ErrorKind;

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// Records with ever new member names, or a very wide table.
    #[error("the table has more than {max} columns, struct fields counted; `{column}` is the next one")]
    TooManyColumns {
        /// The first column or field past the cap.
        column: String,
        /// The cap.
        max: usize,
    },
    /// Objects and arrays within each other past what readers take.
    #[error(
        "column `{column}` is nested more than {max} levels deep; `max_table_nesting: 20` makes JSON text of what lies deeper"
    )]
    TooDeep {
        /// The table's column.
        column: String,
        /// The cap.
        max: usize,
    },
    /// Names that readers which compare them without case take for one: Spark then refuses the whole table.
    #[error(
        "columns `{column}` and `{other}` differ in case or Unicode form alone, and Spark opens no table with both: leave one out with \
         `processing_steps: [{{drop: ['{column}']}}]`, or declare the object that has them as `json`"
    )]
    SameButCase {
        /// The later one, with struct fields behind points.
        column: String,
        /// The earlier one.
        other: String,
    },
    /// A schema kept in the lake that this version cannot read.
    #[error("`{at}` of the stored schema is {found}, expected {expected}")]
    Stored {
        /// JSON path below the schema.
        at: String,
        /// What stands there.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
    /// A declared schema's file is not JSON.
    #[error("`{file}` is not JSON")]
    NotJson {
        /// The file as the config names it.
        file: String,
        /// Why not, with line and column.
        source: serde_json::Error,
    },
    /// A declared schema's file is JSON, but declares nothing that can be used.
    #[error("`{file}` line {line}, `{path}`: {problem}")]
    Declared {
        /// The file as the config names it.
        file: String,
        /// From 1.
        line: usize,
        /// Where in the file.
        path: String,
        /// What is wrong and what was expected.
        problem: String,
    },
    /// The config's `columns` and the declared schema's file say different things.
    #[error(
        "column `{column}` is {file_type} in the file of `schema`, and {config_type} in `columns` or a `cast`: declare it once"
    )]
    Disagree {
        /// The column.
        column: String,
        /// Its type in the file.
        file_type: String,
        /// Its type in the config.
        config_type: String,
    },
    /// A column of the primary key came with another type than the table has.
    #[error(
        "key column `{column}` is {table_type} in the table and {run_type} in this run: run once with `--full-refresh` to load \
         the table anew, or declare `{hint}`, and records with other values are rejects"
    )]
    KeyTypeChanged {
        /// The column.
        column: String,
        /// Its type in the table.
        table_type: String,
        /// What this run needs.
        run_type: String,
        /// The hint that keeps the table's type.
        hint: String,
    },
    /// A declaration takes values away from a column that the table has already.
    #[error(
        "column `{column}` is {table_type} in the table, which does not become the declared {declared_type}: declare a wider \
         type, or run once with `--full-refresh` to load the table anew"
    )]
    Narrower {
        /// The column, with struct fields behind points.
        column: String,
        /// Its type in the table.
        table_type: String,
        /// The declared type.
        declared_type: String,
    },
}

impl SchemaError {
    /// What the operator has to do about it.
    #[must_use]
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::TooManyColumns { .. }
            | Self::TooDeep { .. }
            | Self::SameButCase { .. }
            | Self::Stored { .. }
            | Self::KeyTypeChanged { .. } => ErrorKind::Data,
            Self::NotJson { .. } | Self::Declared { .. } | Self::Disagree { .. } | Self::Narrower { .. } => ErrorKind::Config,
        }
    }
}
