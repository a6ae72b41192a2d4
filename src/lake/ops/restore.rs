//! Restoring: files of the newest version that are lost or damaged get their content back from what is kept of other versions.
//!
//! In: the newest version, every file of it read whole. Out: what is wrong with each file and where its content still is; a commit that puts it
//! back under its own name. Invariants: content counts only behind its size and checksum; no row changes, and no cursor; what has no copy stays as
//! it is, and is named.

use std::collections::BTreeMap;

use crate::base::ErrorKind;
use crate::config::LakePlan;
use crate::lake::ops::rollback::shape;
use crate::lake::ops::verify::FaultKind;
use crate::lake::ops::{Archive, Fault, FileAt, TableAt, Verify};
use crate::lake::store::Found;
use crate::lake::{DataFile, Edit, Lake, LakeError, PreparedTable, StageStats, TableEdit};

/// A table that is not what was committed.
#[derive(Debug, Default)]
pub(crate) struct Damages {
    /// Its lost and damaged files, by place.
    pub(crate) files: Vec<BadFile>,
    /// What else is wrong with it.
    pub(crate) others: Vec<Fault>,
    /// What cannot be told yet: a commit that is not published whole, or came meanwhile.
    pub(crate) is_open: bool,
}

/// A file that is not what was committed.
#[derive(Debug)]
pub(crate) struct BadFile {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// The file as it was committed.
    pub(crate) file: DataFile,
    /// What it is put back from.
    pub(crate) cure: Cure,
}

/// What a file is put back from.
#[derive(Debug)]
pub(crate) enum Cure {
    /// A copy.
    Copy(Box<FileAt>),
    /// Nothing: it has no rows, and is written anew.
    Empty,
    /// There is nothing to put it back from.
    None,
}

impl Damages {
    /// Whether nothing is left once what can be is put back.
    pub(crate) fn is_mended(&self) -> bool {
        self.others.is_empty() && !self.files.iter().any(|bad| matches!(bad.cure, Cure::None))
    }

    /// Whether anything of it can be put back.
    pub(crate) fn can_be_mended(&self) -> bool {
        self.files.iter().any(|bad| !matches!(bad.cure, Cure::None))
    }
}

impl Archive {
    /// Reads every file of the newest version, of all tables or of one; those tables with which something is wrong.
    ///
    /// # Errors
    /// [`LakeError::NoTable`]; those of [`Archive::verify`].
    pub(crate) async fn damages(&self, only: Option<&str>) -> Result<BTreeMap<String, Damages>, LakeError> {
        let mut found = BTreeMap::new();
        let mut kept = None;
        for (table, at) in self.tables_at(self.newest(), only).await? {
            let done = self.verify(self.newest(), &table, &at, &Verify::default()).await?;
            let mut damages = Damages { is_open: done.is_outrun || !done.waiting.is_empty(), ..Damages::default() };
            for fault in done.faults {
                let file = if is_of_bytes(fault.kind) { file_of(&at, &fault.place) } else { None };
                let Some(file) = file else {
                    damages.others.push(fault);
                    continue;
                };
                if let Err(error) = self.store.holds(&file.path, file.bytes, &file.checksum).await {
                    if error.kind() != ErrorKind::Data {
                        return Err(error);
                    }
                    // A link in its place may be anybody's.
                    damages.others.push(Fault::of_error(&fault.place, FaultKind::Unreadable, &error));
                    continue;
                }
                if kept.is_none() {
                    // All that is kept of whatever commit.
                    kept = Some(self.format.expired(u64::MAX).await?);
                }
                let cure = self.cure(file, kept.as_deref().unwrap_or_default()).await?;
                damages.files.push(BadFile { fault, file: file.clone(), cure });
            }
            if damages.is_open || !damages.files.is_empty() || !damages.others.is_empty() {
                found.insert(table, damages);
            }
        }
        Ok(found)
    }

    /// What `file` can be put back from.
    async fn cure(&self, file: &DataFile, kept: &[Found]) -> Result<Cure, LakeError> {
        if file.rows == 0 {
            return Ok(Cure::Empty);
        }
        for copy in kept.iter().filter(|copy| copy.bytes == file.bytes && !file.checksum.is_empty()) {
            if self.store.holds(&copy.path, file.bytes, &file.checksum).await? {
                return Ok(Cure::Copy(Box::new(self.file_at(file, copy.path.clone(), String::new()))));
            }
        }
        Ok(Cure::None)
    }
}

impl Lake {
    /// What puts back the files that have a copy. One that lies in its place as something else is replaced as it is found.
    ///
    /// # Errors
    /// [`LakeError::Claimed`]; [`LakeError::Damaged`] for a copy that is not what it was; the store's.
    pub(crate) async fn restoration(
        &self,
        found: &BTreeMap<String, Damages>,
        plan: &LakePlan,
    ) -> Result<Vec<PreparedTable>, LakeError> {
        let mut prepared = Vec::new();
        for (table, damages) in found.iter().filter(|(_, damages)| damages.can_be_mended()) {
            self.check_claims(&[table]).await?;
            let mut base = self.view().current(table).await?;
            let spool = self.spool().join(table);
            std::fs::create_dir_all(&spool).map_err(|source| LakeError::of_disk("create", &spool, source))?;
            let shape = shape(&base, plan, spool.clone())?;
            let mut edits = Vec::new();
            for (number, bad) in damages.files.iter().enumerate() {
                let Some(live) = base.files.iter_mut().find(|live| live.path == bad.file.path) else { continue };
                if matches!(bad.cure, Cure::None) {
                    continue;
                }
                if self.store.holds(&live.path, live.bytes, &live.checksum).await? {
                    continue;
                }
                if let Some(there) = self.store.head(&live.path).await? {
                    (live.bytes, live.etag, live.checksum) = (there.bytes, there.etag, String::new());
                }
                match &bad.cure {
                    Cure::Copy(copy) => {
                        let old = live.clone();
                        let new = self.fetch(table, copy, spool.join(format!("kept-{number:06}.tmp"))).await?;
                        edits.push(Edit::Replace { old, new });
                    }
                    // The format writes the file that it needs in place of one that it does not know.
                    Cure::Empty | Cure::None => live.checksum = String::new(),
                }
            }
            let edit = TableEdit { table: table.clone(), base, edits, shape: Some(shape), stats: StageStats::default() };
            prepared.push(self.format.prepare(edit)?);
        }
        Ok(prepared)
    }
}

/// Whether the fault is that a file has not the bytes that were committed.
fn is_of_bytes(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Missing | FaultKind::Size | FaultKind::Checksum)
}

/// The live file at a place.
fn file_of<'a>(at: &'a TableAt, place: &str) -> Option<&'a DataFile> {
    at.files.iter().find(|file| file.place == place && file.path == file.file.path).map(|at| &at.file)
}
