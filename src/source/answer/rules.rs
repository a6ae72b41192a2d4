//! The rules of one endpoint: its own, then the client's.

use memchr::memmem;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::config::{ClientPlan, Conditions, EndpointPlan, Rule, RuleAction, Test};
use crate::source::answer::seek::{Found, seek};

/// Rules in the order in which they are tried.
#[derive(Debug, Clone, Default)]
pub(in crate::source) struct Rules(Vec<Rule>);

impl Rules {
    /// The endpoint's rules before the client's.
    pub(in crate::source) fn new(client: &ClientPlan, endpoint: &EndpointPlan) -> Self {
        Self(endpoint.rules.iter().chain(&client.rules).cloned().collect())
    }

    /// Whether a rule that may hold looks into the body.
    pub(in crate::source) fn look_at_body(&self, status: u16, headers: &HeaderMap) -> bool {
        let may_hold = |rule: &&Rule| holds_before_body(&rule.when, status, headers);
        self.0.iter().filter(may_hold).any(|rule| {
            let is_told_there = matches!(rule.action, RuleAction::Throttle { told_at: Some(_), .. });
            rule.when.content.is_some() || rule.when.json.is_some() || is_told_there
        })
    }

    /// The first rule that holds. A body that is not JSON has no values.
    pub(in crate::source) fn find(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Option<&Rule> {
        self.0.iter().find(|rule| {
            let when = &rule.when;
            holds_before_body(when, status, headers)
                && when.content.as_ref().is_none_or(|text| memmem::find(body, text.as_bytes()).is_some())
                && when.json.as_ref().is_none_or(|(path, test)| value_holds(test, &seek(body, path)))
        })
    }
}

fn holds_before_body(when: &Conditions, status: u16, headers: &HeaderMap) -> bool {
    let status_holds = when.statuses.is_empty() || when.statuses.iter().any(|wanted| wanted.is(status));
    status_holds && when.header.as_ref().is_none_or(|(name, test)| header_holds(test, headers, name))
}

fn header_holds(test: &Test, headers: &HeaderMap, name: &str) -> bool {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    let values: Vec<Found> = values.map(|value| Found::Scalar(Value::String(value))).collect();
    value_holds(test, &values)
}

/// Whether one of the values is like that. Null counts as missing.
fn value_holds(test: &Test, found: &[Found]) -> bool {
    let texts = || found.iter().filter_map(Found::text);
    match test {
        Test::Exists(wanted) => found.iter().any(Found::is_something) == *wanted,
        Test::Equals(wanted) => {
            let wanted = Found::Scalar(wanted.clone()).text();
            texts().any(|text| Some(text) == wanted)
        }
        Test::Contains(part) => texts().any(|text| text.contains(part.as_str())),
        Test::Matches(regex) => texts().any(|text| regex.is_match(&text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::JsonPath;
    use crate::config::StatusMatch;

    const BODY: &str = r#"{"error":{"code":"rate_limited","tries":3},"ok":false,"list":[{"a":1},{"a":null}],"none":null}"#;

    fn check(change: impl FnOnce(&mut Conditions), expected: bool) {
        let mut when = Conditions::default();
        change(&mut when);
        let rules = Rules(vec![Rule { when, action: RuleAction::Retry, key: String::new() }]);
        let mut headers = HeaderMap::new();
        headers.insert("x-left", " 0 ".parse().unwrap());
        assert_eq!(rules.find(404, &headers, BODY.as_bytes()).is_some(), expected, "{rules:?}");
    }

    fn check_json(path: &str, test: Test, expected: bool) {
        check(|when| when.json = Some((JsonPath::parse(path).unwrap(), test)), expected);
    }

    #[test]
    fn all_conditions_of_a_rule_must_hold() {
        check(|when| when.statuses = vec![StatusMatch::Exact(404)], true);
        check(|when| when.statuses = vec![StatusMatch::Exact(500), StatusMatch::Class(4)], true);
        check(|when| when.statuses = vec![StatusMatch::Class(5)], false);
        check(|when| when.content = Some("rate_limited".to_owned()), true);
        check(
            |when| {
                *when = Conditions {
                    statuses: vec![StatusMatch::Class(4)],
                    content: Some("absent".to_owned()),
                    ..Conditions::default()
                }
            },
            false,
        );
        check(|when| when.header = Some(("x-left".to_owned(), Test::Equals(0.into()))), true);
        check(|when| when.header = Some(("x-left".to_owned(), Test::Exists(false))), false);
        check(|when| when.header = Some(("x-other".to_owned(), Test::Exists(false))), true);
    }

    #[test]
    fn values_of_the_body_are_compared_as_they_are_spelled() {
        check_json("error.code", Test::Equals("rate_limited".into()), true);
        check_json("error.tries", Test::Equals("3".into()), true);
        check_json("error.tries", Test::Equals(4.into()), false);
        check_json("ok", Test::Equals(false.into()), true);
        check_json("error.code", Test::Matches(regex::Regex::new("^rate_").unwrap()), true);
        check_json("error.code", Test::Contains("limit".to_owned()), true);
        check_json("error", Test::Exists(true), true);
        check_json("error", Test::Contains("rate".to_owned()), false);
        check_json("list[*].a", Test::Equals(1.into()), true);
        check_json("list[1].a", Test::Exists(true), false);
        check_json("none", Test::Exists(false), true);
        check_json("missing.path", Test::Exists(false), true);
    }

    #[test]
    fn a_body_is_looked_at_only_where_a_rule_may_hold() {
        let when = Conditions { statuses: vec![StatusMatch::Exact(200)], content: Some("x".to_owned()), ..Conditions::default() };
        let rules = Rules(vec![Rule { when, action: RuleAction::Retry, key: String::new() }]);
        assert!(rules.look_at_body(200, &HeaderMap::new()));
        assert!(!rules.look_at_body(404, &HeaderMap::new()));
    }
}
