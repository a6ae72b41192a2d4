//! The footer's column orders, in the words that every reader knows.
//!
//! In: the end of a file as the `parquet` crate writes it. Out: the same end, in which the order of floating-point columns is the
//! one of their type. The crate calls it IEEE's total order, a member of a Thrift union with which older readers refuse the whole
//! file (polars 0.20 and 1.0) or panic (the `parquet` crate, version 50). The statistics fit both orders: JSON has no NaN, and
//! readers take 0.0 and -0.0 for equal.
//! Rules: the format's `parquet.thrift`, `FileMetaData.column_orders` and `ColumnOrder`, in Thrift's compact protocol.

use parquet::errors::ParquetError;

/// Bytes after the footer: its length and the magic.
const TRAILER: usize = 8;
/// An order: the union's member with an empty struct in it, and the end of the union.
const TYPE_DEFINED: [u8; 3] = [0x1C, 0, 0];
const TOTAL: [u8; 3] = [0x2C, 0, 0];

/// Tells the order of each of `leaves` columns as the one of its type. The orders are the last field of the footer.
///
/// # Errors
/// When the footer does not end in that many orders.
pub(crate) fn tell_known_orders(end_of_file: &mut [u8], leaves: usize) -> Result<(), ParquetError> {
    let unknown = || ParquetError::General(format!("the footer does not end in the orders of {leaves} columns"));
    let stop = end_of_file.len().checked_sub(TRAILER + 1).ok_or_else(unknown)?;
    let first = stop.checked_sub(leaves * TYPE_DEFINED.len()).ok_or_else(unknown)?;
    let (orders, rest) = end_of_file[first..].split_at_mut(stop - first);
    if rest[0] != 0 {
        return Err(unknown());
    }
    for order in orders.chunks_exact_mut(TYPE_DEFINED.len()) {
        if order == TOTAL {
            order.copy_from_slice(&TYPE_DEFINED);
        } else if order != TYPE_DEFINED {
            return Err(unknown());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_that_old_readers_refuse_are_told_by_type() {
        let mut file = b"\x19\x2C\x1C\0\0\x2C\0\0\0\x0A\0\0\0PAR1".to_vec();
        tell_known_orders(&mut file, 2).unwrap();
        assert_eq!(file, b"\x19\x2C\x1C\0\0\x1C\0\0\0\x0A\0\0\0PAR1");
    }

    #[test]
    fn a_footer_of_another_form_is_an_error() {
        for file in [&b"PAR1"[..], b"\x1C\0\0\x3C\0\0\0\x0A\0\0\0PAR1", b"\x1C\0\0\x1C\0\0\x01\x0A\0\0\0PAR1"] {
            assert!(tell_known_orders(&mut file.to_vec(), 2).is_err(), "{file:?}");
        }
    }
}
