//! Around a table: lines before its header and behind its last row.
//!
//! In: a text, and how many lines or which pattern. Out: the range of the table in it. Invariant: a text too short to have a table behind those lines is an error,
//! never a table without rows: it is what an API says in place of one.

use std::ops::Range;

use crate::config::CsvPlan;
use crate::decode::format::Unreadable;

/// Where the table is; all of a text that holds nothing.
///
/// # Errors
/// [`Unreadable::Format`] when the text has no such lines.
pub(super) fn table(text: &str, plan: &CsvPlan) -> Result<Range<usize>, Unreadable> {
    if text.trim().is_empty() {
        return Ok(0..text.len());
    }
    let short = |what: String| {
        Unreadable::Format(format!(
            "{what}: has no table behind them; where the API answers like this now and then, `endpoint.response_actions` can try it again"
        ))
    };
    let mut start = 0;
    for passed in 0..plan.skip_rows {
        let rest = text.get(start..).unwrap_or_default();
        let Some(end) = rest.find('\n').filter(|end| !rest[end + 1..].trim().is_empty()) else {
            return Err(short(format!("has {} of the {} lines that `skip_rows` passes over", passed + 1, plan.skip_rows)));
        };
        start += end + 1;
    }
    if let Some(pattern) = &plan.header_match {
        let mut at = start;
        let mut lines = text.get(start..).unwrap_or_default().split_inclusive('\n');
        let found = lines.find_map(|line| {
            at += line.len();
            pattern.0.is_match(line.trim_end_matches(['\n', '\r'])).then_some(at - line.len())
        });
        let none = || Unreadable::Format(format!("has no line that `header_match` (`{}`) matches", pattern.0.as_str()));
        start = found.ok_or_else(none)?;
    }
    let mut end = text.len();
    for passed in 0..plan.skip_footer {
        let rest = text.get(start..end).unwrap_or_default().trim_end_matches(['\n', '\r']);
        let Some(before) = rest.rfind('\n') else {
            return Err(short(format!(
                "has {passed} lines behind the first of the {} that `skip_footer` passes over",
                plan.skip_footer
            )));
        };
        end = start + before + 1;
    }
    Ok(start..end)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::config::Pattern;

    #[test]
    fn a_table_is_what_is_between_the_lines() {
        let text = "Report\n\nid,v\n1,a\nTotal,1\n\n";
        let of = |skip_rows: usize, header: Option<&str>, skip_footer: usize, text: &'static str| {
            let header_match = header.map(|pattern| Pattern(Regex::new(pattern).unwrap()));
            let plan = CsvPlan { skip_rows, header_match, skip_footer, ..CsvPlan::default() };
            table(text, &plan).map(|range| &text[range]).map_err(|error| format!("{error:?}"))
        };
        assert_eq!(of(2, None, 1, text).unwrap(), "id,v\n1,a\n");
        assert_eq!(of(0, Some("^id,"), 0, text).unwrap(), "id,v\n1,a\nTotal,1\n\n");
        assert_eq!(of(1, Some("^id,v$"), 2, text).unwrap(), "id,v\n");
        assert_eq!(of(0, Some("^id,v$"), 0, "x\r\nid,v\r\n1,2\r\n").unwrap(), "id,v\r\n1,2\r\n");
        assert_eq!(of(3, Some("x"), 3, " \n").unwrap(), " \n");
        for (skip_rows, header, skip_footer, words) in [
            (3, None, 0, "has 2 of the 3 lines"),
            (0, Some("^nr,"), 0, "no line that `header_match` (`^nr,`) matches"),
            (0, None, 2, "has 1 lines behind the first of the 2"),
        ] {
            let told = of(skip_rows, header, skip_footer, "Busy\ntry later\n").unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }
}
