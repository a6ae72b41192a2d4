//! `Content-Range`: the part of all that an answer holds, and how much there is in all (RFC 9110, section 14.4).
//!
//! APIs count records by it under units of their own, or none at all (PostgREST). What counts bytes tells nothing of records.

use reqwest::header::{CONTENT_RANGE, HeaderMap};

/// What the header says, as far as it is understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct ContentRange {
    /// Whether it counts bytes.
    pub(in crate::source) is_bytes: bool,
    /// The place of the first one, and of the last one.
    pub(super) places: Option<(u64, u64)>,
    /// How many there are in all.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// What the headers of an answer say: `items 0-9/25`, `0-9/*`, `bytes */25`.
    pub(in crate::source) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
        let (unit, range) = text.rsplit_once(' ').unwrap_or(("", text));
        let (places, total) = range.rsplit_once('/')?;
        let places = places.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        Some(Self { is_bytes: unit.trim().eq_ignore_ascii_case("bytes"), places, total: total.parse().ok() })
    }

    /// Whether it says that all is there.
    pub(in crate::source) fn is_all(self) -> bool {
        matches!((self.places, self.total), (Some((0, last)), Some(total)) if last.checked_add(1) == Some(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_bytes: bool, places: Option<(u64, u64)>, total: Option<u64>, is_all: bool) {
        let headers: HeaderMap = [(CONTENT_RANGE, text.parse().unwrap())].into_iter().collect();
        let range = ContentRange::of(&headers).unwrap();
        assert_eq!(range, ContentRange { is_bytes, places, total }, "{text}");
        assert_eq!(range.is_all(), is_all, "{text}");
    }

    #[test]
    fn ranges_are_read_with_and_without_units_and_totals() {
        check("items 0-9/25", false, Some((0, 9)), Some(25), false);
        check("0-24/25", false, Some((0, 24)), Some(25), true);
        check("Bytes 0-99/*", true, Some((0, 99)), None, false);
        check("items */0", false, None, Some(0), false);
        check("items 0-18446744073709551615/18446744073709551615", false, Some((0, u64::MAX)), Some(u64::MAX), false);
        for text in ["", "items 0-9", "items"] {
            let headers: HeaderMap = [(CONTENT_RANGE, text.parse().unwrap())].into_iter().collect();
            assert_eq!(ContentRange::of(&headers), None, "{text}");
        }
    }
}
