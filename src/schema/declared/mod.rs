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

pub(crate) use reader::nearest;

use crate::schema::declared::document::Document;
use crate::schema::declared::reader::Reader;
use crate::schema::{SchemaError, TableSchema};

/// A declared schema, with what it says besides types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DeclaredSchema {
    /// The declared columns.
    pub(crate) schema: TableSchema,
    /// What happens to columns that are not declared.
    pub(crate) undeclared: Undeclared,
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
        if path.is_empty() { self.undeclared } else { self.place(path).undeclared }
    }

    /// Whether the number or boolean declared at `path` may also come as JSON text (`"12.50"`).
    #[must_use]
    pub(crate) fn accepts_text(&self, path: &[String]) -> bool {
        self.place(path).accept_text
    }

    fn place(&self, path: &[String]) -> Place {
        self.places.iter().find(|(at, _)| at == path).map(|(_, place)| *place).unwrap_or_default()
    }
}
