//! Rows as CSV (RFC 4180, lines end with a line feed): a header, null as nothing, an empty text as `""`.
//!
//! Objects are flattened into columns that are called by their path, or JSON text; lists are JSON text. Invariant: no two columns have one name.

use std::collections::HashSet;
use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::lake::export::{ExportError, Nested, value};
use crate::schema::{Column, ColumnType, TableSchema};

/// Bytes of lines that are handed on at once.
const BUFFER_BYTES: usize = 256 << 10;

/// A column of the file.
struct Leaf {
    name: String,
    /// The column of the table, then the members that lead to it.
    path: Vec<usize>,
    of: ColumnType,
}

/// Writes fields.
pub(super) struct Csv {
    leaves: Vec<Leaf>,
}

impl Csv {
    /// For rows of `schema`.
    ///
    /// # Errors
    /// [`ExportError::SameName`].
    pub(super) fn new(schema: &TableSchema, nested: Nested) -> Result<Self, ExportError> {
        let mut leaves = Vec::new();
        add_leaves(&schema.columns, (&mut String::new(), &mut Vec::new()), nested, &mut leaves);
        let mut names = HashSet::new();
        match leaves.iter().find(|leaf| !names.insert(leaf.name.as_str())) {
            Some(leaf) => Err(ExportError::SameName(leaf.name.clone())),
            None => Ok(Self { leaves }),
        }
    }

    /// Writes the header and all rows.
    ///
    /// # Errors
    /// [`ExportError`].
    pub(super) fn write(
        &self,
        batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
        out: &mut impl Write,
    ) -> Result<(), ExportError> {
        let mut lines = Vec::with_capacity(BUFFER_BYTES * 2);
        if self.leaves.is_empty() {
            return Ok(());
        }
        for (place, leaf) in self.leaves.iter().enumerate() {
            if place > 0 {
                lines.push(b',');
            }
            field(&mut lines, leaf.name.as_bytes());
        }
        lines.push(b'\n');
        let mut text = Vec::new();
        for batch in batches {
            let batch = batch?;
            let columns: Vec<Vec<ArrayRef>> = self.leaves.iter().map(|leaf| arrays(&batch, &leaf.path)).collect();
            for row in 0..batch.num_rows() {
                for (place, (leaf, arrays)) in self.leaves.iter().zip(&columns).enumerate() {
                    if place > 0 {
                        lines.push(b',');
                    }
                    let is_null = arrays.iter().any(|array| array.is_null(row));
                    if let Some(array) = arrays.last().filter(|_| !is_null) {
                        text.clear();
                        value::text(&mut text, array, &leaf.of, row)?;
                        field(&mut lines, &text);
                    } else if self.leaves.len() == 1 {
                        // A line of nothing is one that readers pass over.
                        lines.extend_from_slice(b"\"\"");
                    }
                }
                lines.push(b'\n');
                if lines.len() >= BUFFER_BYTES {
                    out.write_all(&lines)?;
                    lines.clear();
                }
            }
        }
        Ok(out.write_all(&lines)?)
    }
}

/// Adds the columns below `path`.
fn add_leaves(columns: &[Column], (name, path): (&mut String, &mut Vec<usize>), nested: Nested, leaves: &mut Vec<Leaf>) {
    for (place, column) in columns.iter().enumerate() {
        let length = name.len();
        if length > 0 {
            name.push('.');
        }
        name.push_str(&column.name);
        path.push(place);
        match &column.column_type {
            ColumnType::Struct(members) if nested == Nested::Flatten && !members.is_empty() => {
                add_leaves(members, (&mut *name, &mut *path), nested, leaves);
            }
            of => leaves.push(Leaf { name: name.clone(), path: path.clone(), of: of.clone() }),
        }
        path.pop();
        name.truncate(length);
    }
}

/// The arrays on the way to a leaf, itself the last: a value is null where any of them is.
fn arrays(batch: &RecordBatch, path: &[usize]) -> Vec<ArrayRef> {
    let mut found: Vec<ArrayRef> = Vec::with_capacity(path.len());
    for &place in path {
        let next = match found.last() {
            None => batch.columns().get(place).cloned(),
            Some(parent) => parent.as_struct_opt().and_then(|parent| parent.columns().get(place)).cloned(),
        };
        found.extend(next);
    }
    found
}

/// A field that is not null, in quotes where it has to be.
fn field(out: &mut Vec<u8>, text: &[u8]) {
    let is_special = |byte: &u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    if !text.is_empty() && !text.iter().any(is_special) && !is_edge(text.first()) && !is_edge(text.last()) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
