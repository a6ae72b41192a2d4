//! How engines call the types of columns, as the lake's files have them.

use crate::report::ddl::{Engine, is_text};
use crate::schema::{Column, ColumnType};

/// The type of a column of the files.
pub(super) fn column_type(engine: Engine, of: &ColumnType) -> String {
    match of {
        ColumnType::List(element) => list(engine, &column_type(engine, element)),
        ColumnType::Struct(fields) if !is_text(of) => structure(engine, fields),
        scalar if engine == Engine::ClickHouse => format!("Nullable({})", scalar_type(engine, scalar)),
        scalar => scalar_type(engine, scalar),
    }
}

/// The type of a partition level: that of the column which only the folder has, where a folder's text is read as one; else text.
pub(super) fn level_type(engine: Engine, own: Option<&ColumnType>) -> String {
    let read = own.filter(|own| matches!(own, ColumnType::Int64 { .. } | ColumnType::Date));
    let level = scalar_type(engine, read.unwrap_or(&ColumnType::Text));
    if engine == Engine::ClickHouse { format!("Nullable({level})") } else { level }
}

fn list(engine: Engine, element: &str) -> String {
    match engine {
        Engine::DuckDb => format!("{element}[]"),
        Engine::Spark | Engine::BigQuery => format!("ARRAY<{element}>"),
        Engine::Athena => format!("array<{element}>"),
        Engine::Trino => format!("ARRAY({element})"),
        Engine::ClickHouse => format!("Array({element})"),
    }
}

fn structure(engine: Engine, fields: &[Column]) -> String {
    let named = fields.iter().filter(|field| engine.can_name(&field.name));
    let field = |field: &Column| {
        let (name, of) = (engine.name_of(&field.name), column_type(engine, &field.column_type));
        match engine {
            Engine::Spark => format!("{name}: {of}"),
            Engine::Athena => format!("{name}:{of}"),
            Engine::DuckDb | Engine::Trino | Engine::ClickHouse | Engine::BigQuery => format!("{name} {of}"),
        }
    };
    let fields: Vec<String> = named.map(field).collect();
    let fields = fields.join(if engine == Engine::Athena { "," } else { ", " });
    match engine {
        Engine::DuckDb => format!("STRUCT({fields})"),
        Engine::Spark | Engine::BigQuery => format!("STRUCT<{fields}>"),
        Engine::Athena => format!("struct<{fields}>"),
        Engine::Trino => format!("ROW({fields})"),
        Engine::ClickHouse => format!("Tuple({fields})"),
    }
}

fn scalar_type(engine: Engine, of: &ColumnType) -> String {
    use Engine::{Athena, BigQuery, ClickHouse, DuckDb, Spark, Trino};
    if let ColumnType::Decimal { precision, scale } = of {
        let (precision, scale) = (*precision, *scale);
        return match engine {
            Athena => format!("decimal({precision},{scale})"),
            ClickHouse => format!("Decimal({precision}, {scale})"),
            // NUMERIC has 29 digits before the point and 9 after it.
            BigQuery if precision <= 38 && scale <= 9 && i16::from(precision) - i16::from(scale) <= 29 => {
                format!("NUMERIC({precision}, {scale})")
            }
            BigQuery => format!("BIGNUMERIC({precision}, {scale})"),
            DuckDb | Spark | Trino => format!("DECIMAL({precision}, {scale})"),
        };
    }
    let names: [&str; 6] = match of {
        // DuckDB, Spark, Athena, Trino, ClickHouse, BigQuery
        ColumnType::Boolean => ["BOOLEAN", "BOOLEAN", "boolean", "BOOLEAN", "Bool", "BOOL"],
        ColumnType::Int64 { .. } => ["BIGINT", "BIGINT", "bigint", "BIGINT", "Int64", "INT64"],
        ColumnType::Float64(_) => ["DOUBLE", "DOUBLE", "double", "DOUBLE", "Float64", "FLOAT64"],
        ColumnType::Timestamp => {
            ["TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "timestamp", "TIMESTAMP(6)", "DateTime64(6, 'UTC')", "TIMESTAMP"]
        }
        ColumnType::Date => ["DATE", "DATE", "date", "DATE", "Date32", "DATE"],
        ColumnType::Unknown
        | ColumnType::Text
        | ColumnType::Json
        | ColumnType::Struct(_)
        | ColumnType::List(_)
        | ColumnType::Decimal { .. } => ["VARCHAR", "STRING", "string", "VARCHAR", "String", "STRING"],
    };
    let at = match engine {
        DuckDb => 0,
        Spark => 1,
        Athena => 2,
        Trino => 3,
        ClickHouse => 4,
        BigQuery => 5,
    };
    names[at].to_owned()
}
