//! Where a page's records are, and what stands there: found or declared, settled by the first page, and the same on all others.

use std::borrow::Cow;

use crate::base::JsonPath;
use crate::config::path_words;
use crate::decode::Decoder;
use crate::decode::answer::{error_member, is_identity, is_no_record, members};
use crate::decode::decoder::Body;
use crate::decode::envelope::{Findings, RecordsShape};
use crate::decode::error::{DecodeError, PagePlace, Spot};
use crate::decode::explain::explain;
use crate::decode::failure::{failure, reduced};
use crate::decode::find::{Found, find_records, lists};
use crate::decode::locate::top_level;
use crate::decode::map::records_in_map;
use crate::schema::{TableSchema, nearest};
use crate::source::{Header, Page};

impl Decoder {
    /// Where the page's records are.
    pub(super) fn records_path(&self, text: &str, page: u64, place: &PagePlace) -> Result<JsonPath, DecodeError> {
        if let Some(path) = self.plan.records.as_ref().or_else(|| self.found.get()) {
            return Ok(path.clone());
        }
        match find_records(text).map_err(|stop| explain(*stop, text, place.clone()))? {
            Found::At(path) => {
                if page == 1 {
                    // Another thread may have decoded the page too, and found the same.
                    let _ = self.found.set(path.clone());
                }
                Ok(path)
            }
            Found::Ambiguous(doubt, paths) => Err(DecodeError::AmbiguousRecords { place: place.clone(), doubt, paths }),
        }
    }

    /// Whether what stands where the records are is what stood there before, and is not a failure, or an envelope without its list.
    pub(super) fn check_shape(
        &self,
        page: &Page,
        Body { text, is_all, .. }: Body<'_>,
        path: &JsonPath,
        findings: &Findings,
        place: &PagePlace,
    ) -> Result<(), DecodeError> {
        let Some(shape) = findings.shape.filter(|_| !is_all) else { return Ok(()) };
        let said = |(name, value): (String, &str)| (name, page.redactor.preview(value.as_bytes()));
        if shape == RecordsShape::Null {
            return match failure(text, path, false) {
                None => Ok(()),
                Some(failure) => {
                    let spot = Spot { offset: Some(findings.null_at), path: Some(path.to_string()) };
                    Err(DecodeError::NullBesideFailure { place: place.clone(), spot, said: said(failure) })
                }
            };
        }
        if shape == RecordsShape::Object
            && let Some(count) = records_in_map(text, path)
        {
            return Err(DecodeError::MapOfRecords { place: place.clone(), path: path.to_string(), count });
        }
        let is_whole = self.plan.records.is_none() && path.steps().is_empty();
        if is_whole
            && shape == RecordsShape::Object
            && let Some(why) = is_no_record(text)
        {
            let said = error_member(text).map(|(name, value)| (name.to_owned(), page.redactor.preview(value.as_bytes())));
            return Err(DecodeError::NoRecord { place: place.clone(), why, found: top_level(text), said });
        }
        self.settle_shape(shape, path, place)
    }

    /// What a page with so many records says of its own failure, unless the config takes it as it is.
    pub(super) fn failure_of(&self, page: &Page, text: &str, findings: &Findings, records: u64) -> Option<(String, String)> {
        let plan = self.plan.shape.as_ref().and_then(|shape| shape.records.as_ref());
        if plan.is_some_and(|plan| plan.optional) {
            return None;
        }
        let at = findings.records_at.clone().or_else(|| plan?.paths.first().cloned()).unwrap_or_else(JsonPath::root);
        // The records are most of a page, and were read: what stands around them is little.
        let around = match &findings.list_at {
            Some(list) if records > 0 && !at.steps().is_empty() => {
                Cow::Owned([&text[..list.start], "[]", &text[list.end..]].concat())
            }
            _ => Cow::Borrowed(text),
        };
        failure(&around, &at, records > 0).map(|(name, value)| (name, page.redactor.preview(value.as_bytes())))
    }

    /// What the last line of a page says of a failure, if it is no record: it has no key of its own, and a member that no column of the table has.
    pub(super) fn failure_of_line(&self, page: &Page, line: &str, so_far: &TableSchema) -> Option<(String, String)> {
        let records = self.plan.shape.as_ref().and_then(|shape| shape.records.as_ref());
        let members = members(line);
        let is_known = |name: &str| so_far.columns.iter().any(|column| column.name == name);
        let is_record = members.iter().any(|(name, value)| is_identity(name) && *value != "null")
            || members.iter().all(|(name, _)| is_known(name));
        if is_record || records.is_some_and(|records| records.optional) {
            return None;
        }
        let (name, value) = failure(line, &JsonPath::root(), false)?;
        Some((name, page.redactor.preview(value.as_bytes())))
    }

    /// What the only line of a page of CSV says of a failure, if it is no header: it has none of the key's columns, or, where there is no key and no
    /// column is known, is words.
    pub(super) fn failure_of_header(&self, header: &Header, so_far: &TableSchema) -> Option<(String, String)> {
        let records = self.plan.shape.as_ref().and_then(|shape| shape.records.as_ref());
        if self.plan.renames || header.table.is_some() || records.is_some_and(|records| records.optional) {
            return None;
        }
        let known = so_far.columns.iter().map(|column| &column.name);
        // What the run itself puts beside the records begins with `_`.
        let keys: Vec<&String> = self.plan.key_columns.iter().filter(|name| !name.starts_with('_')).collect();
        let is_known = known.chain(keys.iter().copied()).any(|name| header.names.contains(name));
        let is_words = |name: &String| name.contains([' ', '<', ':']) || reduced(name).starts_with("error");
        let is_failure = if keys.is_empty() { matches!(&*header.names, [name] if is_words(name)) } else { true };
        (!is_known && is_failure).then(|| ("first line".to_owned(), header.shown.clone()))
    }

    /// Compares `shape` with that of earlier pages and runs.
    pub(super) fn settle_shape(&self, shape: RecordsShape, path: &JsonPath, place: &PagePlace) -> Result<(), DecodeError> {
        let before = *self.shape.get_or_init(|| shape);
        if before == shape {
            return Ok(());
        }
        let is_declared = self.plan.records.is_some();
        Err(DecodeError::OtherShape { place: place.clone(), path: path.to_string(), before, shape, is_declared })
    }

    /// The error of a page without records, with what the API may have said instead.
    pub(super) fn no_records(&self, page: &Page, text: &str, place: PagePlace, path: String) -> DecodeError {
        let said = error_member(text).map(|(name, value)| (name, page.redactor.preview(value.as_bytes())));
        let is_declared = self.plan.records.is_some() || self.plan.shape.as_ref().is_some_and(|shape| shape.records.is_some());
        let lists: Vec<String> = lists(text).iter().map(path_words).collect();
        let names: Vec<&str> = lists.iter().map(String::as_str).collect();
        let near = nearest(path.strip_prefix("$.").unwrap_or(&path), &names).map(str::to_owned);
        DecodeError::NoRecords { place, path, found: top_level(text), lists, near, said, is_declared }
    }
}
