//! Tables that the config leaves behind: one that no resource has any more may be what a resource calls otherwise from this run on.
//!
//! In: the newest commit, the plan, a resource whose table is new. Out: a warning, where the new table has the columns of one that is left behind.
//! Nothing is moved: whether they are the same is for a person to say.

use crate::base::{Warning, WarningCode};
use crate::config::ResourcePlan;
use crate::pipeline::RunError;
use crate::pipeline::past::PastOf;
use crate::pipeline::run::Refresh;
use crate::schema::TableSchema;

/// Tables with rows that no resource has, each with how many, and its columns; none unless the resource's own table is new.
#[derive(Debug, Default)]
pub(super) struct LeftBehind(Vec<(String, u64, TableSchema)>);

impl LeftBehind {
    /// What the config leaves behind while `resource` has no table.
    ///
    /// # Errors
    /// The lake's.
    pub(super) async fn find(past: &PastOf<'_>, resource: &ResourcePlan) -> Result<Self, RunError> {
        let mut found = Vec::new();
        if past.refresh == Refresh::DropSources || past.view.tables().any(|table| table == resource.table) {
            return Ok(Self::default());
        }
        let is_configured = |table: &str| past.plan.resources.iter().any(|known| known.table == table);
        for table in past.view.tables().filter(|table| !is_configured(table)) {
            let known = past.view.known(table).await?;
            if known.rows() > 0 {
                found.push((table.to_owned(), known.rows(), known.schema));
            }
        }
        Ok(Self(found))
    }

    /// What a person should know of the new table of `resource`, which has `schema`: the one that shares most columns with it, if they are most of
    /// its own.
    pub(super) fn warning(&self, resource: &ResourcePlan, schema: &TableSchema) -> Option<Warning> {
        let shared = |old: &TableSchema| old.columns.iter().filter(|column| schema.column(&column.name).is_some()).count();
        let alike = self.0.iter().filter(|(_, _, old)| shared(old) * 2 > old.columns.len());
        let (old, rows, _) = alike.max_by_key(|(_, _, old)| shared(old))?;
        let new = &resource.table;
        let text = format!(
            "`{new}` is a new table, and no resource of the config has the table `{old}` any more, whose {rows} rows have the same columns: if `{new}` is its \
             new name, `lakeward table rename CONFIG {old} {new} --apply` keeps them in one table, its cursor too, once \
             `lakeward table drop CONFIG {new} --apply` has taken out what a run has published of the new one"
        );
        Some(Warning::new(WarningCode::TableLeftBehind, text))
    }
}
