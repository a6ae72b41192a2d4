//! End marks: what stands in the place of the next cursor or link, and says that there is none.
//!
//! dlt ends at `null`, an empty text, `false` and 0. APIs write other things there too. What can be no cursor is an end by itself; what may
//! be one ends the pages only where something else says that the page is the last one, and is followed elsewhere, so that no row is lost
//! to a key that is called `none`.

use serde_json::Value;

/// Words for nothing, and the place of the first page.
const WORDS: [&str; 7] = ["0", "null", "none", "nil", "undefined", "false", "end"];

/// Whether `value` can be no cursor, and no link.
pub(super) fn is_end(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64().is_some_and(|number| number == 0.0 || number == -1.0),
        Value::String(text) => ["", "-1"].contains(&text.trim()),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    }
}

/// Whether `value` says that there is none, unless it is a cursor by chance.
pub(super) fn may_be_end(value: &Value) -> bool {
    is_end(value) || value.as_str().is_some_and(|text| WORDS.contains(&&*text.trim().to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_can_be_no_cursor_is_told_from_what_may_be_one() {
        for value in [
            json!(null),
            json!(false),
            json!(0),
            json!(0.0),
            json!(-1),
            json!(""),
            json!("  "),
            json!("-1"),
            json!([]),
            json!({}),
        ] {
            assert!(is_end(&value) && may_be_end(&value), "{value}");
        }
        for value in [json!("0"), json!("null"), json!("None"), json!("FALSE"), json!("undefined")] {
            assert!(!is_end(&value) && may_be_end(&value), "{value}");
        }
        for value in [json!(1), json!(-2), json!("1"), json!("abc"), json!(true), json!({"next": null}), json!([0])] {
            assert!(!may_be_end(&value), "{value}");
        }
    }
}
