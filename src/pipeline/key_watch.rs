//! Rows of one key that are not the same: what a child's or a window's key would leave out.
//!
//! In: the rows of a resource as they come, the first hundred thousand of them. Out: how many were looked at, and how many have the key of
//! an earlier row but other values, so that one of the two would be lost. The same record under several parents is one row rightly. Only columns of scalars are
//! compared, whatever their types have become meanwhile.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::config::ResourcePlan;
use crate::merge::{MergeError, hash_keys};

/// Rows that are looked at: enough to tell what a key is.
const ROWS_MAX: u64 = 100_000;

/// What was seen of a resource's keys.
#[derive(Debug, Default)]
pub(crate) struct KeyWatch {
    /// The columns of the key; none where nothing is looked at.
    key: Vec<String>,
    /// The values of the row that had a key last, as a hash.
    rows: HashMap<u128, u128>,
    seen: Overruled,
}

/// Rows that were looked at, and those of them that another row of their key overrules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Overruled {
    pub(crate) rows: u64,
    pub(crate) overruled: u64,
}

impl KeyWatch {
    /// Looks at resources that are read for several parents' records, or window by window.
    pub(crate) fn new(resource: &ResourcePlan) -> Self {
        let has_step = resource.endpoint.incremental.as_ref().is_some_and(|plan| plan.step.is_some());
        let is_several = !resource.parents.is_empty() || has_step;
        let is_open = resource.merge.dedup_sort.is_none();
        let key = if is_several && is_open { resource.primary_key.clone() } else { Vec::new() };
        Self { key, ..Self::default() }
    }

    /// Takes a page's rows. What is no key is for the table to tell.
    pub(crate) fn note(&mut self, batch: &RecordBatch) {
        if self.key.is_empty() || self.seen.rows >= ROWS_MAX || batch.num_rows() == 0 {
            return;
        }
        let key: Option<Vec<ArrayRef>> = self.key.iter().map(|name| batch.column_by_name(name).cloned()).collect();
        let mut keys = Vec::new();
        let is_key = key.is_some_and(|key| hash_keys(&key, &mut keys).is_ok());
        let Some(values) = self.values(batch).ok().filter(|_| is_key) else { return };
        for (key, values) in keys.into_iter().zip(values) {
            self.seen.rows += 1;
            let before = self.rows.insert(key, values);
            self.seen.overruled += u64::from(before.is_some_and(|before| before != values));
        }
    }

    /// What was seen.
    pub(crate) fn seen(&self) -> Overruled {
        self.seen
    }

    /// A hash a row of the values beside the key, whatever the order of the columns; a null is none.
    fn values(&self, batch: &RecordBatch) -> Result<Vec<u128>, MergeError> {
        let (mut values, mut hashes) = (vec![0_u128; batch.num_rows()], Vec::new());
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let is_scalar = !matches!(field.data_type(), DataType::Struct(_) | DataType::List(_));
            if !is_scalar || self.key.contains(field.name()) {
                continue;
            }
            hash_keys(std::slice::from_ref(column), &mut hashes)?;
            for (row, hash) in hashes.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                let of_name = (*hash as u64) ^ (*hash >> 64) as u64;
                values[row] = values[row].wrapping_add(xxh3_128_with_seed(field.name().as_bytes(), of_name));
            }
        }
        Ok(values)
    }
}
