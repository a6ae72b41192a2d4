//! Files without rows, which readers by glob need beside the others or in place of them.
//!
//! In: the table as the edits leave it, and the files without rows that it had. Out: the edits after which it has one where
//! [`Partitioner::anchor`] says so, and else none. To the commit it is a file like all others; to a merge it is not there.

use std::fs::File;

use crate::lake::parquet::{ColumnEncodings, FileShape, ParquetFile};
use crate::lake::stage::same_columns;
use crate::lake::{DataFile, Edit, LakeError, NewFile, Partitioner, Snapshot, TableShape};
use crate::schema::TableSchema;

/// The files without rows that a table had, apart from the others.
pub(crate) struct Empties {
    files: Vec<DataFile>,
    partitioner: Partitioner,
    /// Columns that files have, as the edits leave the table.
    file_schema: TableSchema,
    /// Whether those of the table were the same before.
    is_same: bool,
    /// Whether the table was partitioned as it is going to be.
    same_levels: bool,
}

impl Empties {
    /// Takes the files without rows out of `table`, which is going to have `shape`.
    ///
    /// # Errors
    /// [`LakeError::Partition`].
    pub(crate) fn take(table: &mut Snapshot, shape: &TableShape) -> Result<Self, LakeError> {
        let partitioner = Partitioner::new(&shape.partition_by, &shape.schema)?;
        let file_schema = partitioner.file_schema(&shape.schema)?;
        let is_same = same_columns(&table.schema.columns, &shape.schema.columns);
        let same_levels = table.has_levels_of(&shape.partition_by);
        Ok(Self { files: table.take_empty(), partitioner, file_schema, is_same, same_levels })
    }

    /// The edits that leave none: a log of the table's own tells its columns.
    pub(crate) fn leave(self) -> Vec<Edit> {
        self.files.into_iter().map(Edit::Remove).collect()
    }

    /// The edits that leave the file without rows that the table needs. The one that stays is back in `table`.
    ///
    /// # Errors
    /// [`LakeError::Partition`]; [`LakeError::Disk`], [`LakeError::Parquet`] for the file that is written.
    pub(crate) fn settle(mut self, table: &mut Snapshot, shape: &TableShape) -> Result<Vec<Edit>, LakeError> {
        let is_needed = !self.file_schema.columns.is_empty();
        let wanted = if is_needed { self.partitioner.anchor(&shape.schema, &table.files)? } else { None };
        let mut wanted = wanted.map(|partition| self.partitioner.values(partition));
        let mut edits = Vec::new();
        for file in std::mem::take(&mut self.files) {
            // Without a checksum it is not known what it holds: the table is loaded anew.
            let is_known = self.same_levels && !file.checksum.is_empty();
            match wanted.take_if(|partition| is_known && *partition == file.partition) {
                None => edits.push(Edit::Remove(file)),
                Some(partition) => {
                    table.insert(file.clone());
                    if !self.is_same {
                        edits.push(Edit::Replace { old: file, new: self.write(partition, shape)? });
                    }
                }
            }
        }
        if let Some(partition) = wanted {
            edits.push(Edit::Add(self.write(partition, shape)?));
        }
        Ok(edits)
    }

    /// Writes the file, durably.
    fn write(&self, partition: Vec<Option<String>>, shape: &TableShape) -> Result<NewFile, LakeError> {
        let path = shape.spool.join("empty.tmp");
        let bloom_rows = shape.style.limits.row_group_rows;
        let file_shape = FileShape::new(&path, &self.file_schema, &shape.style, &ColumnEncodings::default(), bloom_rows)?;
        let file = ParquetFile::create(&path, &self.file_schema, &shape.style, &file_shape)?.finish()?;
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|source| LakeError::Disk { action: "sync", path, source })?;
        Ok(NewFile::new(partition, file))
    }
}
