//! From a fault, which has an offset, to the error that names its place.

use crate::decode::RECORD_BYTES_MAX;
use crate::decode::decoder::COLUMNS_MAX;
use crate::decode::envelope::VALUE_BYTES_MAX;
use crate::decode::error::{DecodeError, Instead, PagePlace, Spot};
use crate::decode::fault::{Fault, Stop};
use crate::decode::format::is_value;
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
        Fault::Syntax { at, expected } => {
            DecodeError::Syntax { spot: spot(at), place, expected, instead: instead(text, at, expected) }
        }
        Fault::PathExhausted(source) => DecodeError::PathExhausted { place, source },
        Fault::TooDeep { at } => DecodeError::TooDeep { spot: spot(at), place, limit: DEPTH_MAX },
        Fault::TooManyColumns { at } => DecodeError::TooManyColumns { spot: spot(at), place, limit: COLUMNS_MAX },
        Fault::RecordTooLarge { at } => DecodeError::RecordTooLarge { spot: spot(at), place, limit: RECORD_BYTES_MAX },
        Fault::ValueTooLong { at } => DecodeError::ValueTooLong { spot: spot(at), place, limit: VALUE_BYTES_MAX },
        Fault::PagingTwice { at } => DecodeError::PagingTwice { spot: spot(at), place },
        Fault::NotRecords { at, actual } => DecodeError::NotRecords { spot: spot(at), place, actual },
    }
}

/// What has to stand behind the value of a page.
pub(super) const END: &str = "the end of the page";

/// What a text most likely is that is no JSON from byte `at` on.
fn instead(text: &str, at: usize, expected: &str) -> Option<Instead> {
    let (before, from) = (text.get(..at)?, text.get(at..)?);
    let is_no_number = |text: &str| ["NaN", "Infinity", "-Infinity"].iter().any(|name| text.starts_with(name));
    // The sign is read as that of a number.
    if is_no_number(from) || before.ends_with('-') && from.starts_with("Infinity") {
        return Some(Instead::NoNumber);
    }
    let first = text.lines().next().unwrap_or_default().trim();
    if expected == END && from.starts_with('{') && before.trim_start().starts_with('{') {
        let is_behind_line = before.trim_end_matches([' ', '\t']).ends_with('\n');
        return Some(if is_behind_line && is_value(first) { Instead::Lines } else { Instead::Values });
    }
    // What is put before JSON against readers that must not have it (`)]}',`) and the call of JSONP begin in another way, or have parentheses.
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '"' | '_' | '\'');
    let is_row =
        before.trim().is_empty() && first.starts_with(is_name) && first.contains([',', ';', '\t']) && !first.contains(['(', '{']);
    is_row.then_some(Instead::Csv)
}
