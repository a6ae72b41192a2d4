//! Declared schemas: what a user says the columns are.
//!
//! In: the text of a `schemas/….json`, in lakeward's own form (`columns`) or as JSON Schema (`properties`). Out: a
//! [`DeclaredSchema`]. Invariants: strict; what is not understood is refused with file, line and path, and nothing that would change a type is
//! passed over. Limits on values (`minimum`, `pattern`, `enum`) are not types and not checked.

mod document;
mod json_schema;
mod own;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use reader::{nearest, nearest_column};

use crate::schema::declared::document::Document;
use crate::schema::declared::reader::Reader;
use crate::schema::{Column, ColumnType, SchemaError, TableSchema};

/// A declared schema, with what it says besides types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DeclaredSchema {
    /// The declared columns.
    pub(crate) schema: TableSchema,
    /// What happens to columns that are not declared.
    pub(crate) undeclared: Undeclared,
    /// What happens, wherever nothing else is said, to members that neither the declaration nor the table has.
    contract: Undeclared,
    /// Places, as column and field names, that differ from the default.
    places: Vec<(Vec<String>, Place)>,
}

/// What happens to a member of a record, or of a declared struct, that is not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Undeclared {
    /// Its type is inferred, and it becomes a column beside the declared ones.
    #[default]
    Infer,
    /// The record is a reject.
    Reject,
    /// It is left out, because the declaration says so.
    Ignore,
}

/// What is said of one place besides its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Place {
    undeclared: Undeclared,
    accept_text: bool,
    empty_as_null: bool,
}

/// A type as a declaration spells it, which says nothing of how wide integers are.
fn as_written(column_type: &ColumnType) -> String {
    if matches!(column_type, ColumnType::Int64 { .. }) { "int64".to_owned() } else { column_type.to_string() }
}

impl DeclaredSchema {
    /// Reads a declared schema; `file` is its name in errors.
    ///
    /// # Errors
    /// [`SchemaError::NotJson`], [`SchemaError::Declared`], and the caps of [`TableSchema::check_limits`].
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, SchemaError> {
        let document = Document::parse(file, text)?;
        let mut reader = Reader::new(&document);
        let root = document.root();
        let is_own = root.value().get("columns").is_some();
        let is_json_schema = ["properties", "$schema", "type", "$ref"].iter().any(|key| root.value().get(key).is_some());
        let declared = match (is_own, is_json_schema) {
            (false, true) => json_schema::read(&mut reader, &root)?,
            _ => own::read(&mut reader, &root)?,
        };
        declared.schema.check_limits()?;
        Ok(declared)
    }

    /// What happens to undeclared members of the struct at `path`: the column's name, then struct fields; a list's element adds
    /// no name, and the record itself is the empty path.
    #[must_use]
    pub(crate) fn undeclared_at(&self, path: &[String]) -> Undeclared {
        let said = if path.is_empty() { self.undeclared } else { self.place(path).undeclared };
        if said == Undeclared::Infer { self.contract } else { said }
    }

    /// Holds the whole table, structs of undeclared columns included, to a contract about members that are new.
    #[must_use]
    pub(crate) fn with_contract(self, contract: Undeclared) -> Self {
        Self { contract, ..self }
    }

    /// Whether what is said of members that are new also holds within columns that are not declared.
    #[must_use]
    pub(crate) fn has_contract(&self) -> bool {
        self.contract != Undeclared::Infer
    }

    /// Adds a column that is declared elsewhere than in the file.
    ///
    /// # Errors
    /// [`SchemaError::Disagree`] when the file declares it as another type.
    pub(crate) fn declare(&mut self, column: Column, accept_text: bool, empty_as_null: bool) -> Result<(), SchemaError> {
        let path = vec![column.name.clone()];
        match self.schema.columns.iter_mut().find(|known| known.name == column.name) {
            Some(known) if known.column_type != column.column_type => {
                return Err(SchemaError::Disagree {
                    column: column.name,
                    file_type: as_written(&known.column_type),
                    config_type: as_written(&column.column_type),
                });
            }
            Some(known) => {
                known.nullable &= column.nullable;
                known.description = known.description.take().or(column.description);
            }
            None => self.schema.columns.push(column),
        }
        let place = Place { accept_text, empty_as_null, ..self.place(&path) };
        match self.places.iter_mut().find(|(at, _)| *at == path) {
            Some((_, known)) => {
                *known = Place {
                    accept_text: known.accept_text || accept_text,
                    empty_as_null: known.empty_as_null || empty_as_null,
                    ..place
                };
            }
            None => self.places.push((path, place)),
        }
        Ok(())
    }

    /// Whether the number or boolean declared at `path` may also come as JSON text (`"12.50"`).
    #[must_use]
    pub(crate) fn accepts_text(&self, path: &[String]) -> bool {
        self.place(path).accept_text
    }

    /// Whether an empty text at `path` is null.
    #[must_use]
    pub(crate) fn empties_are_null(&self, path: &[String]) -> bool {
        self.place(path).empty_as_null
    }

    fn place(&self, path: &[String]) -> Place {
        self.places.iter().find(|(at, _)| at == path).map(|(_, place)| *place).unwrap_or_default()
    }
}
