//! Rows as NDJSON: an object a line, with every column of the table, null or not.

use std::io::Write;

use arrow_array::RecordBatch;

use crate::lake::export::ExportError;
use crate::lake::export::value;
use crate::schema::TableSchema;

/// Bytes of lines that are handed on at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Writes objects.
pub(super) struct Ndjson<'s> {
    schema: &'s TableSchema,
    /// `"name":` of each column, with what stands before it.
    heads: Vec<Vec<u8>>,
}

impl<'s> Ndjson<'s> {
    /// For rows of `schema`.
    pub(super) fn new(schema: &'s TableSchema) -> Self {
        let head = |(place, name): (usize, &String)| {
            let mut head = vec![if place == 0 { b'{' } else { b',' }];
            value::quoted(&mut head, name);
            head.push(b':');
            head
        };
        Self { schema, heads: schema.columns.iter().map(|column| &column.name).enumerate().map(head).collect() }
    }

    /// Writes all of them.
    ///
    /// # Errors
    /// [`ExportError`].
    pub(super) fn write(
        &self,
        batches: impl Iterator<Item = Result<RecordBatch, ExportError>>,
        out: &mut impl Write,
    ) -> Result<(), ExportError> {
        let mut lines = Vec::with_capacity(BUFFER_BYTES * 2);
        for batch in batches {
            let batch = batch?;
            for row in 0..batch.num_rows() {
                for ((column, array), head) in self.schema.columns.iter().zip(batch.columns()).zip(&self.heads) {
                    lines.extend_from_slice(head);
                    value::json(&mut lines, array, &column.column_type, row)?;
                }
                lines.extend_from_slice(if self.heads.is_empty() { b"{}\n" } else { b"}\n" });
                if lines.len() >= BUFFER_BYTES {
                    out.write_all(&lines)?;
                    lines.clear();
                }
            }
        }
        Ok(out.write_all(&lines)?)
    }
}
