//! Files without rows, which readers need beside the others or in place of them.
//!
//! In: the table as the run leaves it, and the files without rows that it had. Out: the changes after which it has one where
//! [`Partitioner::anchor`] says so, and else none. To the commit it is a file like all others, with a number of its own; to the merge it
//! is not there.

use std::sync::Arc;

use crate::lake::parquet::{ColumnEncodings, FinishedFile};
use crate::lake::stage::changes::Changes;
use crate::lake::stage::files::{FileMaker, NewFile};
use crate::lake::stage::form::same_columns;
use crate::lake::stage::settings::StageSettings;
use crate::lake::{DataFile, FileChange, LakeError, PartitionId, Partitioner};
use crate::schema::TableSchema;

/// Leaves the file without rows that the table needs, with the columns of `schema`, of which `file_schema` are in files.
///
/// # Errors
/// [`LakeError`].
pub(crate) fn settle_anchors(
    settings: &Arc<StageSettings>,
    partitioner: &mut Partitioner,
    schema: &TableSchema,
    file_schema: &Arc<TableSchema>,
    anchors: Vec<DataFile>,
    changes: &mut Changes,
) -> Result<(), LakeError> {
    let is_needed = !file_schema.columns.is_empty();
    let mut wanted = if is_needed { partitioner.anchor(schema, &changes.state.files)? } else { None };
    let is_same = same_columns(&changes.state.schema.columns, &schema.columns);
    for anchor in anchors {
        let lies_in = anchor.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Without a checksum it is not known what it holds: the table is loaded anew.
        let is_known = !anchor.checksum.is_empty();
        if wanted.take_if(|partition| is_known && folder(settings, partitioner, *partition) == lies_in).is_none() {
            changes.changes.push(FileChange::Delete { file: anchor });
            continue;
        }
        changes.keep(anchor.clone());
        if !is_same {
            changes.replace(&anchor, without_rows(settings, file_schema)?);
        }
    }
    if let Some(partition) = wanted {
        let file = without_rows(settings, file_schema)?;
        changes.add(&settings.table, partitioner, NewFile { partition, file });
    }
    Ok(())
}

/// A partition's folder below the lake's root.
fn folder(settings: &StageSettings, partitioner: &Partitioner, partition: PartitionId) -> String {
    let folder = partitioner.folder(partition);
    if folder.is_empty() { settings.table.clone() } else { format!("{}/{folder}", settings.table) }
}

fn without_rows(settings: &Arc<StageSettings>, file_schema: &Arc<TableSchema>) -> Result<FinishedFile, LakeError> {
    let mut maker = FileMaker::new(settings, file_schema, ColumnEncodings::default(), "anchor");
    Ok(maker.create()?.finish()?.file)
}
