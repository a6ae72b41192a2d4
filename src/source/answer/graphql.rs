//! What a GraphQL answer says besides its data (GraphQL specification §7; cost throttling as Shopify has it).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Codes that mean "too fast": Shopify's, GitHub's, Apollo's.
const THROTTLES: [&str; 5] = ["THROTTLED", "RATE_LIMITED", "RATE_LIMIT", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS"];
/// Errors whose messages are shown.
const SHOWN_MAX: usize = 3;
/// Paths by which errors are counted; what comes after them is counted as `…`.
pub(in crate::source) const PATHS_MAX: usize = 100;

/// What an answer says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::source) enum GraphQlAnswer {
    /// Data, and nothing else.
    Data,
    /// Too fast: come again after the wait, where it tells one.
    Throttled(Option<Duration>),
    /// The query costs more than the API ever allows: its cost, and what it allows.
    TooDear(u64, u64),
    /// Errors.
    Errors {
        /// How many.
        count: u64,
        /// The first few messages.
        messages: String,
        /// Whether there is data besides.
        partial: bool,
        /// How many at each path, numbers of elements as `*`.
        paths: BTreeMap<String, u64>,
    },
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    data: Option<IgnoredAny>,
    #[serde(default)]
    errors: Option<Value>,
    #[serde(default)]
    extensions: Option<Value>,
}

/// Reads a whole body. One that is no JSON object says nothing: whoever decodes it tells what is wrong.
pub(in crate::source) fn read_graphql(body: &[u8]) -> GraphQlAnswer {
    let Ok(Body { data, errors, extensions }) = serde_json::from_slice::<Body>(body) else { return GraphQlAnswer::Data };
    let errors = match errors {
        None => Vec::new(),
        Some(Value::Array(errors)) => errors,
        Some(other) => vec![other],
    };
    if errors.is_empty() {
        return GraphQlAnswer::Data;
    }
    if errors.iter().any(is_throttle) {
        return throttled(extensions.as_ref());
    }
    let mut paths = BTreeMap::new();
    for error in &errors {
        let path = path_of(error);
        let path = if paths.len() >= PATHS_MAX && !paths.contains_key(&path) { "…".to_owned() } else { path };
        *paths.entry(path).or_insert(0) += 1;
    }
    let message = |error: &Value| match error.get("message").unwrap_or(error) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let messages: Vec<String> = errors.iter().take(SHOWN_MAX).map(message).collect();
    GraphQlAnswer::Errors { count: errors.len() as u64, messages: messages.join("; "), partial: data.is_some(), paths }
}

fn is_throttle(error: &Value) -> bool {
    let places = ["/extensions/code", "/code", "/type"];
    let codes = places.iter().filter_map(|place| error.pointer(place)?.as_str());
    codes.into_iter().any(|code| THROTTLES.iter().any(|throttle| code.eq_ignore_ascii_case(throttle)))
}

/// The wait until the bucket holds what the query needs.
fn throttled(extensions: Option<&Value>) -> GraphQlAnswer {
    let number = |place: &str| extensions?.pointer(place)?.as_f64().filter(|number| *number >= 0.0);
    let needed = number("/cost/requestedQueryCost");
    let status = |name: &str| number(&format!("/cost/throttleStatus/{name}"));
    if let (Some(needed), Some(most)) = (needed, status("maximumAvailable"))
        && needed > most
    {
        return GraphQlAnswer::TooDear(whole(needed), whole(most));
    }
    let missing = needed.zip(status("currentlyAvailable")).map(|(needed, available)| needed - available);
    let seconds = missing.zip(status("restoreRate").filter(|rate| *rate > 0.0)).map(|(missing, rate)| missing / rate);
    let wait = seconds.filter(|seconds| *seconds > 0.0).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    GraphQlAnswer::Throttled(wait)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; the cast saturates")]
fn whole(number: f64) -> u64 {
    number as u64
}

fn path_of(error: &Value) -> String {
    let steps = error.get("path").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<&str> = steps.iter().map(|step| step.as_str().unwrap_or("*")).collect();
    if words.is_empty() { "no path".to_owned() } else { words.join(".") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, expected: GraphQlAnswer) {
        assert_eq!(read_graphql(body.as_bytes()), expected, "{body}");
    }

    #[test]
    fn e_08_a_cost_throttle_tells_how_long_to_wait() {
        let body = |needed: u32, available: u32| {
            format!(
                r#"{{"errors":[{{"message":"Throttled","extensions":{{"code":"THROTTLED"}}}}],"extensions":{{"cost":{{"requestedQueryCost":{needed},"throttleStatus":{{"maximumAvailable":1000,"currentlyAvailable":{available},"restoreRate":50.0}}}}}}}}"#
            )
        };
        check(&body(600, 100), GraphQlAnswer::Throttled(Some(Duration::from_secs(10))));
        check(&body(600, 700), GraphQlAnswer::Throttled(None));
        check(&body(1200, 1000), GraphQlAnswer::TooDear(1200, 1000));
        check(r#"{"errors":[{"type":"RATE_LIMITED"}]}"#, GraphQlAnswer::Throttled(None));
    }

    #[test]
    fn e_43_errors_are_told_with_their_messages_and_counted_by_path() {
        let errors = r#"[{"message":"no owner","path":["orders",0,"owner"]},{"message":"no owner","path":["orders",7,"owner"]},{"message":"x"}]"#;
        let paths = BTreeMap::from([("orders.*.owner".to_owned(), 2), ("no path".to_owned(), 1)]);
        let expected = |partial| GraphQlAnswer::Errors {
            count: 3,
            messages: "no owner; no owner; x".to_owned(),
            partial,
            paths: paths.clone(),
        };
        check(&format!(r#"{{"data":{{"orders":[]}},"errors":{errors}}}"#), expected(true));
        check(&format!(r#"{{"data":null,"errors":{errors}}}"#), expected(false));
        check(r#"{"data":{},"errors":[]}"#, GraphQlAnswer::Data);
        check(r#"{"data":{},"errors":null}"#, GraphQlAnswer::Data);
        check("<html>", GraphQlAnswer::Data);
    }
}
