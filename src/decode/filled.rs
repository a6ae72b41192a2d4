//! The end of a page's decoding: from filled columns to what the decoder hands out.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};

use crate::decode::envelope::{Findings, RecordsShape};
use crate::decode::error::{DecodeError, PagePlace};
use crate::decode::structs::StructBuilder;
use crate::decode::{DecodedPage, Note, Reject, TableRows, TypedBatch};
use crate::schema::{Column, TableSchema};
use crate::source::PageFacts;

/// Most values of a page, nulls for absent members included: what some records of many columns may need, and memory can hold.
const VALUES_MAX: usize = 1 << 27;

/// The records of a page in columns.
pub(super) struct Filled {
    pub(super) columns: StructBuilder,
    pub(super) schema: Vec<Column>,
    pub(super) rows: usize,
    pub(super) records: u64,
    pub(super) rejects: Vec<Reject>,
    pub(super) duplicates: u64,
    pub(super) hashes: Vec<u64>,
    pub(super) discarded: u64,
    pub(super) met: usize,
    pub(super) notes: Vec<Note>,
    pub(super) rounded: u64,
}

/// The decoded page of `records` records, from its filled builders.
pub(super) fn finish(
    filled: Filled,
    findings: Findings,
    records: u64,
    so_far: &Arc<TableSchema>,
    place: PagePlace,
) -> Result<DecodedPage, DecodeError> {
    let (len, count, columns) = (filled.rows, filled.columns.count(), filled.schema);
    if len.saturating_mul(count) > VALUES_MAX {
        return Err(DecodeError::TooManyValues { place, records: len, columns: count, limit: VALUES_MAX });
    }
    let schema = if columns == so_far.columns { Arc::clone(so_far) } else { Arc::new(TableSchema { columns }) };
    schema.check_limits().map_err(|source| DecodeError::Schema { place: place.clone(), source: source.into() })?;
    // Absent members have no slots until the arrays are made; null ones have.
    let fields = filled.columns.fields.iter().enumerate();
    let absent = fields.filter(|(_, field)| field.column.len == 0).map(|(at, _)| at).collect();
    let arrow_schema = schema.to_arrow();
    let mut originals = Vec::new();
    let batch = filled
        .columns
        .finish(len, arrow_schema.fields(), &mut Vec::new(), &mut originals)
        .and_then(|arrays| {
            let options = RecordBatchOptions::new().with_row_count(Some(len));
            RecordBatch::try_new_with_options(Arc::clone(&arrow_schema), arrays, &options)
        })
        .map_err(|source| DecodeError::Batch { place, source })?;
    let facts = PageFacts {
        records,
        records_hash: findings.records_hash,
        values: findings.values,
        signs: findings.hints.signs,
        null_next: findings.hints.null_next,
        records_at: findings.records_at,
        list_inside: findings.list_inside,
        record_hashes: filled.hashes,
        ..PageFacts::default()
    };
    let table = TableRows {
        rows: TypedBatch { schema, batch, originals },
        discarded_values: filled.discarded,
        absent,
        part_lacks: None,
        notes: filled.notes,
        rounded_numbers: filled.rounded,
    };
    let (rejects, duplicate_members) = (filled.rejects, filled.duplicates);
    let (replaced_characters, stripped_characters) = (findings.mended.replaced, findings.mended.stripped);
    Ok(DecodedPage {
        is_null: findings.shape == Some(RecordsShape::Null),
        facts,
        table,
        rejects,
        duplicate_members,
        replaced_characters,
        stripped_characters,
        filtered: 0,
        exploded: 0,
        lists_beside: Vec::new(),
        for_children: Vec::new(),
        cursors: None,
    })
}
