//! Which live files are written anew even where no row of theirs changes.
//!
//! In: the table as it was, its schema and the settings of tonight. Out: whether its files have to be looked at, and whether one of
//! them has to be brought up to date: to a changed schema, or to what the table's readers open, when an older lakeward or
//! `compat: modern` wrote it. The latter is done once; the manifest remembers.

use crate::config::Compat;
use crate::lake::Snapshot;
use crate::lake::stage::adapt::Adapted;
use crate::lake::stage::settings::StageSettings;
use crate::schema::TableSchema;

/// What live files are looked at for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep {
    schema: bool,
    compat: Option<Compat>,
}

impl Upkeep {
    /// What is due for the files of `before`, when the table's schema becomes `schema`.
    pub(crate) fn new(settings: &StageSettings, before: &Snapshot, schema: &TableSchema) -> Self {
        Self {
            schema: settings.refreshes(&before.schema, schema),
            compat: (before.compat < Some(settings.compat)).then_some(settings.compat),
        }
    }

    /// Whether files have to be looked at.
    pub(crate) fn is_due(self) -> bool {
        self.schema || self.compat.is_some()
    }

    /// Whether the file is to be written anew because not all readers open it.
    pub(crate) fn reencodes(self, live: &Adapted) -> bool {
        self.compat.is_some_and(|compat| !live.source().is_fit_for(compat))
    }

    /// Whether the file is to be written anew.
    pub(crate) fn rewrites(self, live: &Adapted) -> bool {
        (self.schema && !live.is_current()) || self.reencodes(live)
    }
}
