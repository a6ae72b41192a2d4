//! Columns that a header lacks: in CSV none is left out because it is empty, and so every row under such a header has null where its value should be.
//!
//! In: the rows of each page, in order. Out: which columns no header of the run has, and which only some. A page without rows, or without a
//! header, says nothing.

use std::collections::BTreeMap;

use crate::base::{Warning, WarningCode};
use crate::config::{ResourcePlan, StepPlan};
use crate::decode::TableRows;
use crate::schema::{TableSchema, nearest_column};

/// Columns that are listed.
const LISTED_MAX: usize = 20;

/// What the headers of a run have had.
#[derive(Debug, Default)]
pub(super) struct HeaderWatch {
    /// The first page with rows under a header.
    first: Option<u64>,
    /// The first page that has a column, and the first that lacks it.
    had: BTreeMap<String, u64>,
    lacked: BTreeMap<String, u64>,
}

impl HeaderWatch {
    /// Takes the rows of `page`.
    pub(super) fn note(&mut self, taken: &TableRows, page: u64) {
        let Some(part_lacks) = &taken.part_lacks else { return };
        let first = *self.first.get_or_insert(page);
        for (at, column) in taken.rows.schema.columns.iter().enumerate() {
            let (name, is_absent) = (&column.name, taken.absent.contains(&at));
            let is_new = !is_absent && !self.had.contains_key(name);
            if is_new {
                self.had.insert(name.clone(), page);
            }
            let lacking = if is_new && page > first { Some(first) } else { None };
            let lacking = lacking.or((is_absent || part_lacks.contains(name)).then_some(page));
            if let Some(lacking) = lacking.filter(|_| !self.lacked.contains_key(name)) {
                self.lacked.insert(name.clone(), lacking);
            }
        }
    }

    /// Whether rows had a header.
    pub(super) fn has_any(&self) -> bool {
        self.first.is_some()
    }

    /// What a person should know of it. What `table` has and no header, others tell.
    pub(super) fn warnings(&self, resource: &ResourcePlan, table: &TableSchema) -> Vec<Warning> {
        let is_missed = |name: &&String| StepPlan::taking_out(&resource.processing_steps, name).is_none();
        let is_declared = |name: &str| resource.columns.iter().any(|hint| hint.name == name && hint.declared.is_some());
        let never = self.lacked.keys().filter(|name| !self.had.contains_key(*name) && is_declared(name)).filter(is_missed);
        let never: Vec<&str> = never.filter(|name| table.column(name).is_none()).map(String::as_str).collect();
        let others: Vec<&str> = self.had.keys().map(String::as_str).filter(|name| !is_declared(name)).collect();
        let some = self.lacked.iter().filter(|(name, _)| self.had.contains_key(*name) && is_missed(name));
        let some: Vec<(&str, u64)> = some.map(|(name, page)| (name.as_str(), *page)).collect();
        let of_others = |name: &str, page: u64| {
            // What another page calls it is what this one has instead.
            let near: Vec<&str> = some.iter().filter(|(_, lacking)| *lacking != page).map(|(name, _)| *name).collect();
            nearest_column(name, &near).map_or_else(String::new, |near| format!(", which may call it `{near}`"))
        };
        let near =
            |name: &str| nearest_column(name, &others).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        let never_text = |names: Vec<String>| {
            let names = names.join(", ");
            format!("the config declares columns that no header has, and that are null in every row: {names}; {}", self.shown())
        };
        let some_text = |names: Vec<String>| {
            format!("columns that some headers have and others lack, whose rows have null there: {}", names.join(", "))
        };
        let never = never.iter().map(|name| format!("`{name}`{}", near(name)));
        let some_named = some.iter().map(|(name, page)| format!("`{name}` (not on page {page}{})", of_others(name, *page)));
        let texts = [listed(never).map(never_text), listed(some_named).map(some_text)];
        texts.into_iter().flatten().map(|text| Warning::new(WarningCode::ColumnNotInHeader, text)).collect()
    }

    /// The columns of the headers in words.
    fn shown(&self) -> String {
        let names: Vec<String> = self.had.keys().take(LISTED_MAX).map(|name| format!("`{name}`")).collect();
        let more = if self.had.len() > LISTED_MAX { ", …" } else { "" };
        format!("the header has {}{more}", names.join(", "))
    }
}

/// The first of these, and how many more; `None` of none.
fn listed(names: impl Iterator<Item = String>) -> Option<Vec<String>> {
    let mut names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED_MAX);
    names.truncate(LISTED_MAX);
    names.extend((more > 0).then(|| format!("{more} more")));
    (!names.is_empty()).then_some(names)
}
