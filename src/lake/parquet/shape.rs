//! What the files of a table have in common while they are written: columns, and how they are encoded.

use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use parquet::arrow::ArrowSchemaConverter;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::TypePtr;

use crate::lake::LakeError;
use crate::lake::parquet::writer::failed;
use crate::lake::parquet::{ColumnEncodings, FileStyle};
use crate::schema::TableSchema;

/// What files of the same columns share: thousands may be open at once, and a copy for each takes several kB a column.
#[derive(Debug, Clone)]
pub(crate) struct FileShape {
    pub(super) schema: SchemaRef,
    pub(super) root: TypePtr,
    pub(super) properties: Arc<WriterProperties>,
}

impl FileShape {
    /// For rows of `table`; `bloom_rows` sizes the bloom filters of row groups. `path` is told where it fails.
    ///
    /// # Errors
    /// [`LakeError::Parquet`].
    pub(crate) fn new(
        path: &Path,
        table: &TableSchema,
        style: &FileStyle,
        encodings: &ColumnEncodings,
        bloom_rows: usize,
    ) -> Result<Self, LakeError> {
        let failed = |source| failed("write", path, source);
        let schema = table.to_file_arrow();
        let parquet = ArrowSchemaConverter::new().convert(&schema).map_err(failed)?;
        let properties = encodings.properties(style, &schema, &parquet, bloom_rows).map_err(failed)?;
        Ok(Self { schema, root: parquet.root_schema_ptr(), properties: Arc::new(properties) })
    }
}
