//! Whatever is written where a path belongs.

use serde_json::Value;

use super::*;
use crate::base::fuzz;

const WORDS: &[&str] = &[
    "$",
    ".",
    "..",
    "[",
    "]",
    "[*]",
    "*",
    "[0]",
    "[-1]",
    "[1:3]",
    "[::2]",
    "['",
    "']",
    "\"",
    "\\",
    "\\u0061",
    "`len`",
    "|",
    "(",
    ")",
    "[?(@.x > 1)]",
    "[?@.a == 'b']",
    "@",
    "=~",
    "&",
    "&&",
    "||",
    "!",
    "length(",
    "/",
    "~1",
    "~0",
    "a",
    "b",
    "data",
    "0",
    "-",
    " ",
    "99999999999999999999",
    "\n",
    "\u{0}",
    "é",
    "@odata.nextLink",
];

fn document() -> Value {
    serde_json::json!({
        "a": {"x": 1, "y": {"x": 2}, "a": [[1, 2], [3]], "": 0, "0": "zero", "a-b": {"x y": null}},
        "b": [{"x": 3, "name": "one", "a": {"x": 5}}, {"x": 4, "name": "two"}, [], "text", null],
        "data": {"items": [{"id": 1}, {"id": 2}], "next": "n"},
        "@odata.nextLink": "u", "it's": {"\\": 1, "\n": 2}, "é": [true],
    })
}

/// What a simple path without `[*]` leads to, step by step.
fn walked<'v>(steps: &[Step], mut value: &'v Value) -> Option<&'v Value> {
    for step in steps {
        value = match step {
            Step::Key(name) => value.as_object()?.get(name)?,
            Step::Index(index) => value.as_array()?.get(*index)?,
            Step::Every => return None,
        };
    }
    Some(value)
}

#[test]
fn any_text_is_a_path_or_not_and_a_path_is_the_same_when_it_is_shown_and_read_again() {
    let document = document();
    fuzz("json_path", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let path = match JsonPath::parse(&text) {
            Ok(path) => path,
            Err(error) => return assert!(!error.to_string().is_empty()),
        };
        // A path that passes its budget finds nothing at all.
        let Ok(found) = path.locate(&document) else { return };
        for place in &found {
            assert!(walked(place, &document).is_some(), "{path:?} finds {place:?}, which is not there");
        }
        if path.is_simple() && !path.steps().contains(&Step::Every) {
            assert_eq!(walked(path.steps(), &document).is_some(), !found.is_empty(), "{path:?}");
        }
        let _ = path.has_no_choice(&document);
        let shown = path.to_string();
        let again = JsonPath::parse(&shown).unwrap_or_else(|error| panic!("{text:?} is shown as {shown:?}: {error}"));
        assert_eq!(again, path, "{text:?} is shown as {shown:?}");
        assert_eq!(again.locate(&document).as_ref(), Ok(&found), "{text:?} is shown as {shown:?}");
        assert_eq!(path.clone().without_last_every().without_last_every(), path.without_last_every());
    });
}
