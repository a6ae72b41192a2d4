//! Paths that need the whole document, evaluated within a budget.
//!
//! In: a query of RFC 9535, segment by segment, and a document. Out: where its values are, or [`PathExhausted`]. RFC 9535 lists a value as often
//! as the query reaches it, so that several `..` one after the other find more values than any memory holds. What a document's own
//! values can account for is never refused: the budget grows with their number.

use crate::base::path::{JsonPathError, Step};

/// Values that a path may find beyond as many as the document has.
const SPARE_VALUES: usize = 10_000;
/// Steps of its evaluation for each value of the document.
const STEPS_PER_VALUE: usize = 100;
/// Steps that are always granted.
const SPARE_STEPS: usize = 1_000_000;
/// `..` within the queries of one filter: each of them multiplies what one test of it takes.
const RECURSIONS_MAX: usize = 1;

/// A path that passes its budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{path}` leads to more values than the document's {values} can account for, each `..` multiplies them: write a shorter path"
)]
pub(crate) struct PathExhausted {
    /// The path as written.
    pub(crate) path: String,
    /// Values in the document.
    pub(crate) values: usize,
}

/// One query, ready to be evaluated.
#[derive(Debug)]
pub(super) struct Bounded {
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    query: serde_json_path::JsonPath,
    /// `..`: it looks at everything below.
    descends: bool,
    /// A filter with a `..` of its own: each test looks at everything below.
    tests_deeply: bool,
}

/// What is left of a budget.
struct Budget {
    steps: usize,
    found: usize,
}

impl Bounded {
    /// Reads a query whose segments are `[…]` and `..[…]`, or names behind a point.
    ///
    /// # Errors
    /// [`JsonPathError`] for what is no query, or a filter that no budget could bound.
    pub(super) fn parse(path: &str, query: &str) -> Result<Self, JsonPathError> {
        let unsupported = |what: &str| JsonPathError::Unsupported { path: path.to_owned(), what: what.to_owned() };
        let parse = |segment: &str| {
            serde_json_path::JsonPath::parse(&format!("${segment}"))
                .map_err(|error| JsonPathError::Query { path: path.to_owned(), why: error.message().to_owned() })
        };
        let mut segments = Vec::new();
        let parts = parts(query);
        for part in &parts {
            let plain = unquoted(part);
            let is_filter = plain.contains('?');
            let recursions = plain.trim_start_matches('.').matches("..").count();
            if is_filter && recursions > RECURSIONS_MAX {
                return Err(unsupported("more than one `..` in a filter"));
            }
            // A segment by itself has another root than the query.
            if is_filter && plain.contains('$') {
                if parts.iter().filter(|part| unquoted(part).contains("..")).count() > 1 {
                    return Err(unsupported("a filter that asks from the root, together with several `..`"));
                }
                let whole = query.trim_start_matches('$');
                let descends = unquoted(whole).contains("..");
                return Ok(Self { segments: vec![Segment { query: parse(whole)?, descends, tests_deeply: true }] });
            }
            let descends = part.starts_with("..");
            segments.push(Segment { query: parse(part)?, descends, tests_deeply: is_filter && recursions > 0 });
        }
        Ok(Self { segments })
    }

    /// Where in `document` its values are, in the order of RFC 9535.
    ///
    /// # Errors
    /// How many values the document has, where the budget does not do.
    pub(super) fn locate(&self, document: &serde_json::Value) -> Result<Vec<Vec<Step>>, usize> {
        let (values, depth) = (count(document), depth(document));
        let spare = SPARE_STEPS.saturating_add(values.saturating_mul(STEPS_PER_VALUE));
        let mut budget = Budget { steps: spare, found: values.saturating_add(SPARE_VALUES) };
        let mut found = vec![(Vec::new(), document)];
        for segment in &self.segments {
            let mut next = Vec::new();
            for (place, value) in &found {
                budget.take(segment.cost(value, depth)).ok_or(values)?;
                for node in segment.query.query_located(value).iter() {
                    let mut place: Vec<Step> = place.clone();
                    place.extend(node.location().iter().map(step));
                    next.push((place, node.node()));
                    if next.len() > budget.found {
                        return Err(values);
                    }
                }
            }
            found = next;
        }
        Ok(found.into_iter().map(|(place, _)| place).collect())
    }
}

impl Budget {
    fn take(&mut self, steps: usize) -> Option<()> {
        self.steps = self.steps.checked_sub(steps)?;
        Some(())
    }
}

impl Segment {
    /// Steps that its evaluation on `value` takes, in a document of this depth.
    fn cost(&self, value: &serde_json::Value, depth: usize) -> usize {
        if !self.descends && !self.tests_deeply {
            return 1 + children(value);
        }
        let below = count(value);
        if self.descends && self.tests_deeply { below.saturating_mul(depth) } else { below }
    }
}

fn step(element: &serde_json_path::PathElement<'_>) -> Step {
    match element.as_index() {
        Some(index) => Step::Index(index),
        None => Step::Key(element.as_name().unwrap_or_default().to_owned()),
    }
}

fn children(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => items.len(),
        serde_json::Value::Object(members) => members.len(),
        _ => 0,
    }
}

/// The values of a document, itself included.
fn count(value: &serde_json::Value) -> usize {
    1 + match value {
        serde_json::Value::Array(items) => items.iter().map(count).sum(),
        serde_json::Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn depth(value: &serde_json::Value) -> usize {
    1 + match value {
        serde_json::Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// The segments of a query, without its `$`.
fn parts(query: &str) -> Vec<&str> {
    let query = query.strip_prefix('$').unwrap_or(query);
    let (mut parts, mut start, mut level, mut quote, mut escaped) = (Vec::new(), 0, 0_usize, None, false);
    let mut previous = ' ';
    for (at, c) in query.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            // A segment begins at a point or bracket that does not follow a point.
            (None, '.' | '[') if level == 0 && previous != '.' && at > start => {
                parts.push(&query[start..at]);
                start = at;
                level += usize::from(c == '[');
            }
            (None, '[') => level += 1,
            (None, ']') => level = level.saturating_sub(1),
            _ => {}
        }
        previous = c;
    }
    parts.extend(query.get(start..).filter(|rest| !rest.is_empty()));
    parts
}

/// A text without what stands in quotes.
fn unquoted(text: &str) -> String {
    let (mut out, mut quote, mut escaped) = (String::new(), None, false);
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, c) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::JsonPath;

    #[test]
    fn a_query_falls_into_its_segments() {
        assert_eq!(
            parts("$['a.b'][0]..['c'][?@['x'][0] == '].[']..[*]"),
            ["['a.b']", "[0]", "..['c']", "[?@['x'][0] == '].[']", "..[*]"]
        );
        assert_eq!(parts("$.a..b[*].c"), [".a", "..b", "[*]", ".c"]);
        assert!(parts("$").is_empty());
    }

    /// Objects within each other, `levels` deep, each with the members `a` and `b`.
    fn nested(levels: usize) -> serde_json::Value {
        (0..levels).fold(serde_json::json!({"id": 1}), |inner, _| serde_json::json!({"a": inner, "b": 1}))
    }

    #[test]
    fn paths_that_multiply_end_within_their_budget() {
        let document = nested(60);
        for text in ["$..*..*..*..*..*..*", "$..a..a..a..a..a..a", "$..*..*..*", "$.*..a.*..*.*..a..a..a"] {
            let path = JsonPath::parse(text).unwrap();
            let error = path.locate(&document).unwrap_err();
            assert_eq!((error.path.as_str(), error.values), (text, count(&document)));
        }
    }

    #[test]
    fn paths_that_a_document_accounts_for_are_found_in_full_and_in_order() {
        for text in [
            "$..id",
            "$..a..id",
            "$..*",
            "a.a.*",
            "$..a[?(@.b == 1)]",
            "$..[?(@..id)]",
            "$[?(@.a.b == $.b)]",
            "a|b",
            "a[?(@.id)]",
            "$..a..b",
        ] {
            let (document, path) = (nested(20), JsonPath::parse(text).unwrap());
            let whole: Vec<Vec<Step>> = crate::base::path::translate::queries(text)
                .unwrap()
                .iter()
                .flat_map(|query| {
                    let query = serde_json_path::JsonPath::parse(query).unwrap();
                    let located = query.query_located(&document);
                    located.locations().map(|location| location.iter().map(step).collect()).collect::<Vec<Vec<Step>>>()
                })
                .collect();
            assert_eq!(path.locate(&document).unwrap(), whole, "{text}");
        }
        let records = serde_json::json!({"pages": (0..300).map(|_| (0..300).map(|id| serde_json::json!({"id": id})).collect::<Vec<_>>()).collect::<Vec<_>>()});
        assert_eq!(JsonPath::parse("$..id").unwrap().locate(&records).unwrap().len(), 90_000);
    }

    #[test]
    fn a_path_that_finds_little_and_looks_at_much_ends_within_its_budget() {
        // For each of the objects within each other all that lies below is looked through.
        let bottom = serde_json::json!((0..6000).collect::<Vec<_>>());
        let document = (0..300).fold(bottom, |inner, _| serde_json::json!({"a": inner}));
        let path = JsonPath::parse("$..[?(@..none)]").unwrap();
        let error = path.locate(&document).unwrap_err();
        assert_eq!((error.path.as_str(), error.values), ("$..[?(@..none)]", count(&document)));
    }

    #[test]
    fn filters_that_no_budget_bounds_are_refused() {
        for text in ["$[?(@..a..b)]", "$..a..b[?(@.x == $.y)]"] {
            assert!(matches!(JsonPath::parse(text), Err(JsonPathError::Unsupported { .. })), "{text}");
        }
        assert!(JsonPath::parse("$[?(@.name == '..a..b')]").is_ok());
    }
}
