//! Dropping: the tables that leave the lake with the next commit, as that commit needs them.
//!
//! In: the tables that stay. Out: a [`PreparedTable`] for each other one of the newest commit. The files that go are those that the manifest
//! names, as they are; what else lies in a folder stays, and is named. Files of a table that another pipeline owns are not this one's to
//! delete: of such a table only the entry goes.

use std::collections::BTreeSet;

use crate::base::folded;
use crate::lake::format::Remains;
use crate::lake::{Edit, Lake, LakeError, PreparedTable, StageStats, TableEdit};

/// A table that leaves the lake.
#[derive(Debug)]
pub(crate) struct DroppedTable {
    /// What the commit does.
    pub(crate) staged: PreparedTable,
    /// Files in its folder that no manifest names, which stay.
    pub(crate) strangers: Vec<String>,
}

impl Lake {
    /// What a commit has to do to drop every table that is not among `kept`, whose names count without case.
    ///
    /// # Errors
    /// [`LakeError::ClaimedTwice`] where it is not known whose files they are; [`LakeError::Unreadable`]; the store's.
    pub(crate) async fn to_drop(&self, kept: &[&str]) -> Result<Vec<DroppedTable>, LakeError> {
        let kept: BTreeSet<String> = kept.iter().map(|table| folded(table)).collect();
        let mut dropped = Vec::new();
        let tables = self.head.as_ref().map(|head| head.tables.keys()).into_iter().flatten();
        for table in tables.filter(|table| !kept.contains(&folded(table))) {
            let is_mine = match self.check_claims(&[table]).await {
                Ok(()) => true,
                Err(LakeError::Claimed { .. }) => false,
                Err(error) => return Err(error),
            };
            let (mut base, mut strangers, mut others) = (self.view().known(table).await?, Vec::new(), Vec::new());
            if is_mine {
                Remains { snapshot: base, strangers, others, .. } = self.format.remains(table, base).await?;
            }
            let files = base.files.iter().cloned().chain(others);
            let edits = if is_mine { files.map(Edit::Remove).collect() } else { Vec::new() };
            let edit = TableEdit { table: table.clone(), base, edits, shape: None, stats: StageStats::default() };
            dropped.push(DroppedTable { staged: self.format.prepare(edit)?, strangers });
        }
        Ok(dropped)
    }
}
