//! What every reader opens, and whether a file is of that kind.
//!
//! In: the footer of a file. Out: whether a column chunk is in the encodings that the lake's files may have, and whether the file as
//! a whole is right for its readers. Files of an older lakeward may not be: they are brought up to date once.

use parquet::basic::{ColumnOrder, ConvertedType, Encoding, LogicalType, Type};
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use crate::config::Compat;
use crate::lake::parquet::ParquetSource;

/// The note by which Spark 3 and later know that no value was counted by the calendar before 1582. Without it they refuse dates
/// before 1582-10-15 and times before 1900. Any version from 3.0 on says so.
const CALENDAR_NOTE: (&str, &str) = ("org.apache.spark.version", "3.1.0");
/// 1582-10-15, the first day of today's calendar, in days from 1970-01-01.
const FIRST_DAY: i32 = -141_427;
/// 1900-01-01T00:00:00Z in microseconds from 1970-01-01: from there on all zones count as they do today.
const FIRST_MICROSECOND: i64 = -2_208_988_800_000_000;

/// The note that the file's times stand as they are.
pub(super) fn calendar_note() -> KeyValue {
    let (key, value) = CALENDAR_NOTE;
    KeyValue::new(key.to_owned(), value.to_owned())
}

/// Whether a column chunk is in encodings that files for these readers may have.
pub(super) fn may_stand(chunk: &ColumnChunkMetaData, compat: Compat) -> bool {
    compat == Compat::Modern || chunk.encodings().all(is_plain)
}

/// Columns of a row order that readers can be told of, of those with these types: none behind a floating-point column, where
/// `-0.0` and `0.0` are equal to some readers and ordered to others.
pub(super) fn told_order(types: impl Iterator<Item = Type>) -> usize {
    let mut told = 0;
    for found in types {
        told += 1;
        if matches!(found, Type::FLOAT | Type::DOUBLE) {
            break;
        }
    }
    told
}

impl ParquetSource {
    /// Whether the file is as the lake's files are for these readers.
    pub(crate) fn is_fit_for(&self, compat: Compat) -> bool {
        let notes = self.metadata().file_metadata().key_value_metadata();
        let names_calendar = notes.is_some_and(|notes| notes.iter().any(|note| note.key == CALENDAR_NOTE.0));
        let is_fit = |chunk: &ColumnChunkMetaData| may_stand(chunk, compat) && (names_calendar || !may_be_old(chunk));
        let orders = self.metadata().file_metadata().column_orders();
        let tells_known_orders = orders.is_none_or(|orders| !orders.contains(&ColumnOrder::IEEE_754_TOTAL_ORDER));
        tells_known_orders
            && self.row_groups().iter().all(|found| found.columns().iter().all(is_fit) && tells_order_rightly(found))
    }
}

fn tells_order_rightly(row_group: &RowGroupMetaData) -> bool {
    let Some(told) = row_group.sorting_columns() else { return true };
    let leaf = |index: i32| usize::try_from(index).ok().and_then(|index| row_group.columns().get(index));
    told_order(told.iter().filter_map(|order| leaf(order.column_idx)).map(ColumnChunkMetaData::column_type)) == told.len()
}

fn is_plain(encoding: Encoding) -> bool {
    #[expect(deprecated, reason = "old files may have it")]
    let is_bit_packed = encoding == Encoding::BIT_PACKED;
    is_bit_packed || matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE | Encoding::RLE_DICTIONARY)
}

/// Whether a chunk may hold a date or time that another calendar would count otherwise; statistics that are not there deny nothing.
fn may_be_old(chunk: &ColumnChunkMetaData) -> bool {
    let column = chunk.column_descr();
    let is_date = column.converted_type() == ConvertedType::DATE || column.logical_type_ref() == Some(&LogicalType::Date);
    let is_time = matches!(column.logical_type_ref(), Some(LogicalType::Timestamp(_)))
        || matches!(column.converted_type(), ConvertedType::TIMESTAMP_MICROS | ConvertedType::TIMESTAMP_MILLIS);
    if !is_date && !is_time {
        return false;
    }
    match chunk.statistics() {
        Some(Statistics::Int32(found)) => match found.min_opt() {
            Some(least) => *least < FIRST_DAY,
            None => found.null_count_opt() != u64::try_from(chunk.num_values()).ok(),
        },
        Some(Statistics::Int64(found)) => match found.min_opt() {
            Some(least) => *least < FIRST_MICROSECOND,
            None => found.null_count_opt() != u64::try_from(chunk.num_values()).ok(),
        },
        _ => true,
    }
}
