//! Schemas as manifests spell them.
//!
//! In and out: `{"columns":[{"name":"id","type":"int64"},{"name":"charge","type":{"struct":[…]}},{"name":"tags","type":{"list":"text"}}]}`.
//! A column also carries `"nullable":false`, `"declared":true` and its `"description"` where that holds. Invariants: reading
//! what was written gives the same schema, and an unknown word is refused: a newer version wrote it, and guessing would lose data.

use serde_json::{Map, Value, json};

use crate::schema::{Column, ColumnType, DEPTH_MAX, Digits, SchemaError, TableSchema};

impl TableSchema {
    /// The schema as a manifest keeps it.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        json!({ "columns": columns_to_json(&self.columns) })
    }

    /// Reads what [`TableSchema::to_json`] wrote.
    ///
    /// # Errors
    /// [`SchemaError::Stored`] at the first thing that it never writes.
    pub(crate) fn from_json(value: &Value) -> Result<Self, SchemaError> {
        let members = members_of(value, "$", &["columns"])?;
        let columns = members.get("columns").unwrap_or(&Value::Null);
        Ok(Self { columns: columns_from_json(columns, "$.columns", DEPTH_MAX)? })
    }
}

impl ColumnType {
    /// The type as a manifest keeps it: a word, `{"struct":[…]}` or `{"list":…}`.
    #[must_use]
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Struct(fields) => json!({ "struct": columns_to_json(fields) }),
            Self::List(element) => json!({ "list": element.to_json() }),
            Self::Float64(digits) if *digits != Digits::UNKNOWN => {
                Value::String(format!("float64({},{})", digits.whole, digits.fraction))
            }
            scalar => Value::String(scalar.to_string()),
        }
    }

    /// Reads the word of a scalar type, as [`ColumnType`] displays it; that of a float may tell its digits.
    #[must_use]
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "unknown" => Self::Unknown,
            "boolean" => Self::Boolean,
            "int64" => Self::Int64 { wide: false },
            "int64(wide)" => Self::Int64 { wide: true },
            "float64" => Self::Float64(Digits::UNKNOWN),
            "timestamp" => Self::Timestamp,
            "date" => Self::Date,
            "text" => Self::Text,
            "json" => Self::Json,
            _ if let Some(digits) = word.strip_prefix("float64(") => {
                let (whole, fraction) = digits.strip_suffix(')')?.split_once(',')?;
                let digits = Digits { whole: whole.parse().ok()?, fraction: fraction.parse().ok()? };
                return (digits.max(Digits::UNKNOWN) == Digits::UNKNOWN).then_some(Self::Float64(digits));
            }
            _ => {
                let (precision, scale) = word.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
                let (precision, scale): (u8, i8) = (precision.parse().ok()?, scale.trim().parse().ok()?);
                let fits = (1..=38).contains(&precision) && (0..=38).contains(&scale) && scale.cast_unsigned() <= precision;
                return fits.then_some(Self::Decimal { precision, scale });
            }
        })
    }
}

fn columns_to_json(columns: &[Column]) -> Value {
    columns
        .iter()
        .map(|column| {
            let mut members = Map::new();
            members.insert("name".to_owned(), column.name.as_str().into());
            members.insert("type".to_owned(), column.column_type.to_json());
            if !column.nullable {
                members.insert("nullable".to_owned(), false.into());
            }
            if column.declared {
                members.insert("declared".to_owned(), true.into());
            }
            if let Some(description) = &column.description {
                members.insert("description".to_owned(), description.as_str().into());
            }
            Value::Object(members)
        })
        .collect()
}

fn columns_from_json(value: &Value, at: &str, levels: usize) -> Result<Vec<Column>, SchemaError> {
    let columns = value.as_array().ok_or_else(|| stored(at, value, "an array of columns"))?;
    columns.iter().enumerate().map(|(place, column)| column_from_json(column, &format!("{at}[{place}]"), levels)).collect()
}

fn column_from_json(value: &Value, at: &str, levels: usize) -> Result<Column, SchemaError> {
    let members = members_of(value, at, &["name", "type", "nullable", "declared", "description"])?;
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(stored(&format!("{at}.{name}"), other, "a text")),
    };
    let flag = |name: &str, default| match members.get(name) {
        None => Ok(default),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(stored(&format!("{at}.{name}"), other, "true or false")),
    };
    let name = text("name")?.ok_or_else(|| stored(&format!("{at}.name"), &Value::Null, "a text"))?;
    let column_type = type_from_json(members.get("type").unwrap_or(&Value::Null), &format!("{at}.type"), levels)?;
    Ok(Column {
        name,
        column_type,
        nullable: flag("nullable", true)?,
        declared: flag("declared", false)?,
        description: text("description")?,
    })
}

fn type_from_json(value: &Value, at: &str, levels: usize) -> Result<ColumnType, SchemaError> {
    let Some(levels) = levels.checked_sub(1) else {
        return Err(stored(at, value, "at most 64 levels of types"));
    };
    let expected = "a type such as `int64`, `{\"struct\": […]}` or `{\"list\": …}`";
    match value {
        Value::String(word) => ColumnType::from_word(word).ok_or_else(|| stored(at, value, expected)),
        Value::Object(members) if members.len() == 1 => match members.iter().next() {
            Some((word, fields)) if word == "struct" => {
                Ok(ColumnType::Struct(columns_from_json(fields, &format!("{at}.struct"), levels)?))
            }
            Some((word, element)) if word == "list" => {
                Ok(ColumnType::List(Box::new(type_from_json(element, &format!("{at}.list"), levels)?)))
            }
            _ => Err(stored(at, value, expected)),
        },
        _ => Err(stored(at, value, expected)),
    }
}

/// An object's members, all of them among `known`.
fn members_of<'a>(value: &'a Value, at: &str, known: &[&str]) -> Result<&'a Map<String, Value>, SchemaError> {
    let members = value.as_object().ok_or_else(|| stored(at, value, "an object"))?;
    match members.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(SchemaError::Stored {
            at: at.to_owned(),
            found: format!("an object with `{name}`"),
            expected: "only known members",
        }),
        None => Ok(members),
    }
}

fn stored(at: &str, value: &Value, expected: &'static str) -> SchemaError {
    let found = match value {
        Value::Null => "missing".to_owned(),
        Value::Bool(flag) => format!("`{flag}`"),
        Value::Number(number) => format!("`{number}`"),
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    SchemaError::Stored { at: at.to_owned(), found, expected }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::schema::strategies::any_schema;

    /// `text` is read, and written again, or refused with `expected`.
    fn check(text: &str, expected: &str) {
        let got = match TableSchema::from_json(&serde_json::from_str(text).unwrap()) {
            Ok(schema) => schema.to_json().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(got, expected);
    }

    #[test]
    fn a_stored_schema_is_read_as_it_was_written() {
        let text = concat!(
            r#"{"columns":[{"name":"id","type":"int64","nullable":false,"declared":true,"description":"the key"},"#,
            r#"{"name":"charge","type":{"struct":[{"name":"cents","type":"int64(wide)"}]}},"#,
            r#"{"name":"tags","type":{"list":"text"}},{"name":"amount","type":"decimal(18,4)"},"#,
            r#"{"name":"rate","type":"float64(3,2)"},{"name":"old","type":"float64"}]}"#
        );
        check(text, text);
    }

    #[test]
    fn an_unknown_spelling_is_refused_with_its_place() {
        check("{}", "`$.columns` of the stored schema is missing, expected an array of columns");
        check("[]", "`$` of the stored schema is an array, expected an object");
        check(
            r#"{"columns":[{"name":"a","type":"uuid"}]}"#,
            "`$.columns[0].type` of the stored schema is `uuid`, expected a type such as `int64`, `{\"struct\": […]}` or `{\"list\": …}`",
        );
        check(
            r#"{"columns":[{"name":"a","type":{"list":{"struct":[{"name":"b"}]}}}]}"#,
            "`$.columns[0].type.list.struct[0].type` of the stored schema is missing, expected a type such as `int64`, `{\"struct\": […]}` or `{\"list\": …}`",
        );
        check(
            r#"{"columns":[{"name":"a","type":"text","collation":"de"}]}"#,
            "`$.columns[0]` of the stored schema is an object with `collation`, expected only known members",
        );
        check(
            r#"{"columns":[{"name":"a","type":"text","nullable":"no"}]}"#,
            "`$.columns[0].nullable` of the stored schema is `no`, expected true or false",
        );
        for word in [
            "decimal(39,0)",
            "decimal(3,4)",
            "decimal(0,0)",
            "decimal(3,-1)",
            "decimal(3)",
            "decimal()",
            "float64(40,1)",
            "float64(1)",
        ] {
            assert_eq!(ColumnType::from_word(word), None, "{word}");
        }
    }

    #[test]
    fn a_stored_type_of_endless_depth_is_refused() {
        let deep = (0..100).fold(json!("text"), |inner, _| json!({ "list": inner }));
        let error = TableSchema::from_json(&json!({ "columns": [{ "name": "a", "type": deep }] })).unwrap_err();
        assert!(error.to_string().ends_with("expected at most 64 levels of types"), "{error}");
    }

    proptest! {
        #[test]
        fn every_schema_comes_back(
            schema in any_schema(), nullable: bool, declared: bool, description in prop::option::of("\\PC{0,9}"),
        ) {
            let mut schema = schema;
            if let Some(column) = schema.columns.first_mut() {
                (column.nullable, column.declared, column.description) = (nullable, declared, description);
            }
            let text = schema.to_json().to_string();
            prop_assert_eq!(TableSchema::from_json(&serde_json::from_str(&text).unwrap()).unwrap(), schema);
        }
    }
}
