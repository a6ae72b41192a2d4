//! The records of a parent on their way to its children.
//!
//! In: the values that children ask for, record by record, in page order. Out: [`ParentRecords`], which every child reads for itself once the
//! parent is whole. Values wait as lines of JSON in a file of the spool, so that memory holds few of them. Not here: what a child does with them.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::base::{JsonPath, in_place};
use crate::config::{Binding, OnMissing, Plan, ResourcePlan, path_words};
use crate::pipeline::RunError;
use crate::pipeline::asked::{Asked, Found};
use crate::schema::{ColumnType, TableSchema, nearest};
use crate::source::ParentRecord;

/// Bytes of lines that wait in memory before they go to the file.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// Records that a child reads at once.
const BATCH_RECORDS: usize = 1000;

/// The fields that the children of `parent` ask for, each once.
pub(crate) fn fields_asked(plan: &Plan, parent: &str) -> Vec<JsonPath> {
    let mut fields: Vec<JsonPath> = Vec::new();
    for asked in plan.resources.iter().flat_map(|resource| &resource.parents).filter(|asked| asked.resource == parent) {
        for field in &asked.fields {
            if !fields.contains(field) {
                fields.push(field.clone());
            }
        }
    }
    fields
}

/// Takes the values of a parent's records, as its pages are accepted.
#[derive(Debug)]
pub(crate) struct ParentLog {
    resource: Arc<str>,
    fields: Vec<JsonPath>,
    path: PathBuf,
    waiting: Vec<u8>,
    file: Option<File>,
    records: u64,
    found: FoundFields,
}

impl ParentLog {
    /// An empty log of `fields` that keeps its lines at `path`, in a folder that need not exist.
    pub(crate) fn new(resource: &str, fields: Vec<JsonPath>, path: PathBuf) -> Self {
        let found = FoundFields::new(fields.len());
        Self { resource: Arc::from(resource), fields, path, waiting: Vec::new(), file: None, records: 0, found }
    }

    /// The fields that it takes of each record.
    pub(crate) fn fields(&self) -> &[JsonPath] {
        &self.fields
    }

    /// Takes what was found of the next record: for each field a JSON list with `[value]` or `[]` for each element.
    ///
    /// # Errors
    /// [`RunError::Disk`].
    pub(crate) fn push(&mut self, found: &[Box<str>]) -> Result<(), RunError> {
        self.found.note(found);
        self.waiting.push(b'[');
        for (i, field) in found.iter().enumerate() {
            if i > 0 {
                self.waiting.push(b',');
            }
            self.waiting.extend_from_slice(field.as_bytes());
        }
        self.waiting.extend_from_slice(b"]\n");
        self.records += 1;
        if self.waiting.len() >= WAITING_BYTES_MAX { in_place(|| self.set_aside()) } else { Ok(()) }
    }

    fn set_aside(&mut self) -> Result<(), RunError> {
        let failed = |source| RunError::Disk { what: "keep the parent's records in the spool", source };
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if let Some(folder) = self.path.parent() {
                    std::fs::create_dir_all(folder).map_err(failed)?;
                }
                none.insert(File::create(&self.path).map_err(failed)?)
            }
        };
        file.write_all(&self.waiting).map_err(failed)?;
        self.waiting.clear();
        Ok(())
    }

    /// All records are in; `columns` are those of their table.
    pub(crate) fn finish(self, columns: Vec<String>) -> ParentRecords {
        ParentRecords {
            found: self.found,
            columns,
            resource: self.resource,
            fields: self.fields,
            file: self.file.is_some().then_some(self.path),
            rest: self.waiting.into(),
        }
    }
}

/// The records of a parent that is whole.
#[derive(Debug)]
pub(crate) struct ParentRecords {
    resource: Arc<str>,
    fields: Vec<JsonPath>,
    file: Option<PathBuf>,
    rest: Arc<[u8]>,
    found: FoundFields,
    /// The columns of the parent's table.
    columns: Vec<String>,
}

/// Which of the fields that are asked for some record has.
#[derive(Debug)]
pub(crate) struct FoundFields {
    is_found: Vec<bool>,
    has_records: bool,
}

impl FoundFields {
    /// None yet, of so many.
    pub(crate) fn new(fields: usize) -> Self {
        Self { is_found: vec![false; fields], has_records: false }
    }

    /// Notes what was found of a record: for each field a JSON list with `[value]` or `[]` for each element.
    pub(crate) fn note(&mut self, found: &[Box<str>]) {
        self.has_records = true;
        let has_value = |found: &str| found.contains("[[[") || found.bytes().any(|byte| !b"[],".contains(&byte));
        for (is_found, field) in self.is_found.iter_mut().zip(found) {
            *is_found |= has_value(field);
        }
    }

    /// Checks that some record has what `child` asks of its parent at place `parent`; `fields` are those noted, `columns` what records
    /// have. A column of which `table` has had values is one that records may lack, and so is what a request is made of, unless it `is_needed`.
    ///
    /// # Errors
    /// [`RunError::NoParentField`].
    pub(crate) fn check(
        &self,
        fields: &[JsonPath],
        (child, parent): (&ResourcePlan, usize),
        columns: &[&str],
        (table, is_needed): (&TableSchema, bool),
    ) -> Result<(), RunError> {
        let Some(asked) = child.parents.get(parent).filter(|_| self.has_records) else { return Ok(()) };
        let is_known = |column: &str| table.column(column).is_some_and(|known| known.column_type != ColumnType::Unknown);
        let included = child.include_from_parent.iter().filter(|include| include.parent == parent && !is_known(&include.column));
        let included = included.map(|include| (include.field, false));
        let requested = child.endpoint.request.bindings().into_iter().filter(|_| is_needed).filter_map(|binding| match binding {
            Binding::Parent { parent: of, field } if *of == parent => Some((*field, true)),
            _ => None,
        });
        let is_unfound =
            |field: &JsonPath| fields.iter().zip(&self.is_found).any(|(noted, is_found)| noted == field && !is_found);
        let mut unfound =
            requested.chain(included).filter_map(|(field, is_requested)| Some((asked.fields.get(field)?, is_requested)));
        let Some((field, is_requested)) = unfound.find(|(field, _)| is_unfound(field)) else { return Ok(()) };
        let (field, key) = (path_words(field), if is_requested { "the request" } else { "`include_from_parent`" });
        let spelled =
            |field: &str| if is_requested { format!("{{resources.{}.{field}}}", asked.resource) } else { field.to_owned() };
        let near = nearest(&field, columns).map(spelled);
        Err(RunError::NoParentField {
            resource: child.name.clone(),
            parent: asked.resource.clone(),
            key,
            field: spelled(&field),
            near,
        })
    }
}

impl ParentRecords {
    /// Checks that some record has what `child` asks of this parent, the one at place `parent` of its plan.
    ///
    /// # Errors
    /// [`RunError::NoParentField`].
    pub(crate) fn check(&self, child: &ResourcePlan, parent: usize, table: &TableSchema) -> Result<(), RunError> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        let is_needed = child.on_missing_parent_field == OnMissing::Fail;
        self.found.check(&self.fields, (child, parent), &columns, (table, is_needed))
    }

    /// Reads them from the first on, with the fields that `child` asks of them, in its order. `parent` is the parent's place in its plan.
    ///
    /// # Errors
    /// [`RunError::Disk`].
    pub(crate) fn reader(self: &Arc<Self>, child: &ResourcePlan, parent: usize) -> Result<RecordReader, RunError> {
        let asked = child.parents.get(parent).map_or(&[][..], |asked| &asked.fields);
        let places = asked.iter().map(|field| self.fields.iter().position(|known| known == field));
        let file = self.file.as_ref().map(File::open).transpose();
        let file = file.map_err(|source| RunError::Disk { what: "read the parent's records from the spool", source })?;
        Ok(RecordReader {
            resource: Arc::clone(&self.resource),
            asked: Asked::new(child, parent),
            places: places.collect(),
            file: file.map(BufReader::new),
            rest: Arc::clone(&self.rest),
            at: 0,
            next: 0,
        })
    }
}

/// Reads a parent's records in order. Blocks on the disk.
#[derive(Debug)]
pub(crate) struct RecordReader {
    resource: Arc<str>,
    asked: Asked,
    places: Vec<Option<usize>>,
    file: Option<BufReader<File>>,
    rest: Arc<[u8]>,
    at: usize,
    next: u64,
}

impl RecordReader {
    /// The next sets of values, those of at most [`BATCH_RECORDS`] records; none at the end.
    ///
    /// # Errors
    /// [`RunError::Disk`]; [`RunError::ManyLists`]; [`RunError::TooManyElements`]; [`RunError::Internal`] for a line that is not what was
    /// written.
    pub(crate) fn batch(&mut self) -> Result<Vec<ParentRecord>, RunError> {
        let (mut batch, mut line) = (Vec::new(), Vec::new());
        while batch.len() < BATCH_RECORDS && self.line(&mut line)? {
            let damaged =
                |_| RunError::Internal { place: "the parent's records", what: format!("a line of `{}`", self.resource) };
            let fields: Vec<Vec<Vec<&RawValue>>> = serde_json::from_slice(&line).map_err(damaged)?;
            let found = |place: &Option<usize>| -> Found<'_> {
                let elements = place.and_then(|place| fields.get(place)).map_or(&[][..], Vec::as_slice);
                elements.iter().map(|element| element.first().map(|value| value.get())).collect()
            };
            let found: Vec<Found<'_>> = self.places.iter().map(found).collect();
            batch.extend(self.asked.sets(self.next, &found)?);
            self.next += 1;
        }
        Ok(batch)
    }

    fn line(&mut self, line: &mut Vec<u8>) -> Result<bool, RunError> {
        line.clear();
        if let Some(file) = &mut self.file {
            let read = file.read_until(b'\n', line);
            if read.map_err(|source| RunError::Disk { what: "read the parent's records from the spool", source })? > 0 {
                return Ok(true);
            }
            self.file = None;
        }
        let rest = self.rest.get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        line.extend_from_slice(&rest[..end]);
        self.at += end;
        Ok(end > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_back_in_order_from_memory_and_disk() {
        let folder = tempfile::tempdir().unwrap();
        let fields = vec![JsonPath::parse("id").unwrap(), JsonPath::parse("name").unwrap()];
        let mut log = ParentLog::new("posts", fields, folder.path().join("_parents/posts.jsonl"));
        let long = format!("\"{}\"", "x".repeat(500));
        for id in 0..5000 {
            let name = if id % 2 == 0 { format!("[[{long}]]") } else { "[[]]".to_owned() };
            log.push(&[format!("[[{id}]]").into(), name.into()]).unwrap();
        }
        let records = Arc::new(log.finish(vec!["id".to_owned()]));
        assert!(records.file.is_some() && !records.rest.is_empty());
        let mut reader = RecordReader {
            resource: "posts".into(),
            asked: Asked::for_fields(&[("name", true), ("id", true), ("other", false)]),
            places: vec![Some(1), Some(0), None],
            file: records.file.as_ref().map(|path| BufReader::new(File::open(path).unwrap())),
            rest: Arc::clone(&records.rest),
            at: 0,
            next: 0,
        };
        let mut seen = 0;
        loop {
            let batch = reader.batch().unwrap();
            if batch.is_empty() {
                break;
            }
            for record in batch {
                assert_eq!(record.number, seen);
                assert_eq!(record.values[1].as_deref(), Some(seen.to_string().as_str()));
                assert_eq!((record.values[0].is_some(), record.values[2].is_some()), (seen % 2 == 0, false));
                seen += 1;
            }
        }
        assert_eq!(seen, 5000);
    }
}
