//! What a Delta log says of a file's values, so that readers pass over files that have none of theirs.
//!
//! In: the footer of a finished file of this program. Out: `stats`, a JSON text: rows, and for each of the first columns how many are null, the least
//! and the greatest value. Source: the Delta transaction log protocol, "Per-file Statistics". Invariants: no value is outside of what is told,
//! and a bound that is told is exact, but for text, of which the first characters count. Not here: files of others, which tell their own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use arrow_schema::{DataType, Schema, TimeUnit};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

use crate::lake::LakeError;
use crate::lake::partition::decimal_text;

/// Columns that are told of, as Delta's own writers do unless told otherwise.
const COLUMNS_MAX: usize = 32;

/// Characters of a text that count.
const TEXT_CHARS: usize = 32;

/// Comes behind all texts that begin as a bound that was cut does.
const LAST_CHARACTER: char = char::MAX;

/// Bytes of a file's trailer: the length of its footer, and the magic.
const TRAILER: usize = 8;

/// Reads the footer of the finished file at `path`, which may be the end of a file whose first bytes lie elsewhere.
///
/// # Errors
/// [`LakeError::Disk`], [`LakeError::Parquet`].
pub(super) fn footer(path: &Path) -> Result<ParquetMetaData, LakeError> {
    let failed = |source| LakeError::of_disk("read", path, source);
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let read = |from: u64, length: usize| {
        let mut buffer = vec![0; length];
        file.read_exact_at(&mut buffer, from).map(|()| buffer)
    };
    let trailer = bytes.checked_sub(TRAILER as u64).ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    let length = read(trailer, TRAILER).map_err(failed)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let start = trailer.checked_sub(u64::from(length)).ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    let footer = read(start, length as usize).map_err(failed)?;
    ParquetMetaDataReader::decode_metadata(&footer).map_err(|source| LakeError::Parquet {
        action: "read",
        path: path.display().to_string(),
        source,
    })
}

/// The statistics of a file with columns of `schema`.
pub(super) fn stats(footer: &ParquetMetaData, schema: &Schema) -> String {
    let (groups, columns) = (footer.row_groups(), footer.file_metadata().schema_descr());
    let (mut least, mut greatest, mut nulls) = (Bounds::default(), Bounds::default(), Map::new());
    for leaf in 0..columns.num_columns().min(COLUMNS_MAX) {
        let column = columns.column(leaf);
        let [name] = column.path().parts() else { continue };
        let Ok(field) = schema.field_with_name(name) else { continue };
        if field.data_type().is_nested() {
            continue;
        }
        if let Some(count) = null_count(groups, leaf) {
            nulls.insert(name.clone(), count.into());
        }
        if let Some((min, max)) = bounds(groups, leaf, field.data_type()) {
            least.push(name, &min);
            greatest.push(name, &max);
        }
    }
    let rows: i64 = groups.iter().map(RowGroupMetaData::num_rows).sum();
    format!(
        r#"{{"numRecords":{rows},"minValues":{},"maxValues":{},"nullCount":{},"tightBounds":true}}"#,
        least.json(),
        greatest.json(),
        Value::Object(nulls)
    )
}

/// Values by column, as JSON text: decimals have more digits than a JSON value in memory.
#[derive(Default)]
struct Bounds(Vec<String>);

impl Bounds {
    fn push(&mut self, name: &str, value: &str) {
        self.0.push(format!("{}:{}", json!(name), value));
    }

    fn json(&self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

fn null_count(groups: &[RowGroupMetaData], leaf: usize) -> Option<u64> {
    groups.iter().map(|group| group.column(leaf).statistics()?.null_count_opt()).sum()
}

/// The least and the greatest value, where every row group that has values tells them.
fn bounds(groups: &[RowGroupMetaData], leaf: usize, data_type: &DataType) -> Option<(String, String)> {
    let has_values = |group: &&RowGroupMetaData| {
        let nulls = group.column(leaf).statistics().and_then(Statistics::null_count_opt);
        nulls.is_none_or(|nulls| i64::try_from(nulls).is_ok_and(|nulls| nulls < group.num_rows()))
    };
    let statistics = groups.iter().filter(has_values).map(|group| group.column(leaf).statistics());
    let statistics: Vec<&Statistics> = statistics.collect::<Option<_>>()?;
    macro_rules! range {
        ($kind:ident, $of:expr, $told:expr) => {{
            let values = statistics.iter().map(|statistics| match statistics {
                Statistics::$kind(found) => Some(($of(found.min_opt()?)?, $of(found.max_opt()?)?)),
                _ => None,
            });
            let values: Vec<_> = values.collect::<Option<_>>()?;
            let least = values.iter().map(|(least, _)| least).reduce(|one, other| if other < one { other } else { one })?;
            let greatest =
                values.iter().map(|(_, greatest)| greatest).reduce(|one, other| if other > one { other } else { one })?;
            Some(($told(least, false)?, $told(greatest, true)?))
        }};
    }
    let text = |text: String| Some(json!(text).to_string());
    match data_type {
        DataType::Int64 => range!(Int64, |value: &i64| Some(*value), |value: &i64, _| Some(value.to_string())),
        DataType::Float64 => {
            range!(Double, |value: &f64| value.is_finite().then_some(*value), |value: &f64, _| Some(json!(value).to_string()))
        }
        DataType::Date32 => range!(Int32, |value: &i32| Some(*value), |days: &i32, _| {
            text(NaiveDate::from_epoch_days(*days)?.format("%Y-%m-%d").to_string())
        }),
        DataType::Timestamp(TimeUnit::Microsecond, _) => range!(Int64, |value: &i64| Some(*value), |micros: &i64, _| {
            text(DateTime::from_timestamp_micros(*micros)?.to_rfc3339_opts(SecondsFormat::Micros, true))
        }),
        DataType::Utf8 => range!(
            ByteArray,
            |value: &parquet::data_type::ByteArray| value.as_utf8().ok().map(str::to_owned),
            |value: &String, is_max| { text(cut(value, is_max)) }
        ),
        DataType::Decimal128(_, scale) => {
            let told = |unscaled: &i128, _| Some(decimal_text(*unscaled, *scale));
            match statistics.first()? {
                Statistics::Int32(_) => range!(Int32, |value: &i32| Some(i128::from(*value)), told),
                Statistics::Int64(_) => range!(Int64, |value: &i64| Some(i128::from(*value)), told),
                _ => range!(FixedLenByteArray, |value: &parquet::data_type::FixedLenByteArray| unscaled(value.data()), told),
            }
        }
        _ => None,
    }
}

/// The first characters of a text; of the greatest one, what comes behind all that begin so.
fn cut(text: &str, is_max: bool) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => {
            let mut cut = text[..end].to_owned();
            if is_max {
                cut.push(LAST_CHARACTER);
            }
            cut
        }
    }
}

/// A decimal's digits from big-endian two's complement.
fn unscaled(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first()? & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_bounds_that_hold() {
        assert_eq!(cut("short", true), "short");
        let long = "é".repeat(40);
        assert_eq!(cut(&long, false), "é".repeat(32));
        assert!(cut(&long, false) < long && cut(&long, true) > long);
    }

    #[test]
    fn decimals_of_any_width_are_read() {
        assert_eq!(unscaled(&[0xFF, 0xFE]), Some(-2));
        assert_eq!(unscaled(&[0x01, 0x00]), Some(256));
        assert_eq!(unscaled(&[]), None);
        assert_eq!(unscaled(&[0; 17]), None);
    }
}
