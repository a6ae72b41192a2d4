//! From a fault, which has an offset, to the error that names its place.

use crate::decode::RECORD_BYTES_MAX;
use crate::decode::decoder::COLUMNS_MAX;
use crate::decode::envelope::VALUE_BYTES_MAX;
use crate::decode::error::{DecodeError, PagePlace, Spot};
use crate::decode::fault::{Fault, Stop};
use crate::decode::locate::path_at;
use crate::decode::reader::DEPTH_MAX;

/// Gives a fault its place.
pub(super) fn explain(stop: Stop, text: &str, place: PagePlace) -> DecodeError {
    let spot = |at: usize| Spot { offset: Some(at), path: path_at(text, at).map(|path| path.to_string()) };
    let fault = match stop {
        Stop::Fault(fault) => fault,
        // Misfits are rejects before they get here.
        Stop::Misfit(misfit) => Fault::NotRecords { at: misfit.at, actual: misfit.actual },
        // So are columns that become JSON.
        Stop::Overgrown { at } => Fault::TooManyColumns { at },
    };
    match fault {
        Fault::Syntax { at, .. } if text.get(at..).is_none_or(|rest| rest.trim_ascii().is_empty()) => {
            DecodeError::CutOff { spot: spot(at), place }
        }
        Fault::Syntax { at, expected } => DecodeError::Syntax { spot: spot(at), place, expected },
        Fault::PathExhausted(source) => DecodeError::PathExhausted { place, source },
        Fault::TooDeep { at } => DecodeError::TooDeep { spot: spot(at), place, limit: DEPTH_MAX },
        Fault::TooManyColumns { at } => DecodeError::TooManyColumns { spot: spot(at), place, limit: COLUMNS_MAX },
        Fault::RecordTooLarge { at } => DecodeError::RecordTooLarge { spot: spot(at), place, limit: RECORD_BYTES_MAX },
        Fault::ValueTooLong { at } => DecodeError::ValueTooLong { spot: spot(at), place, limit: VALUE_BYTES_MAX },
        Fault::PagingTwice { at } => DecodeError::PagingTwice { spot: spot(at), place },
        Fault::NotRecords { at, actual } => DecodeError::NotRecords { spot: spot(at), place, actual },
    }
}
