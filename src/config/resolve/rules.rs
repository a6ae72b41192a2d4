//! `response_actions`, `throttle_when`, `fail_when` and `graphql`: dlt's rules and ours, checked.

use serde_json::Value as Json;

use crate::config::raw::{
    ActionName, Either, Field, GraphQl, Node, OneOrMany, PartialName, ResponseAction, Scalar, ScopeName, WaitUnitName,
};
use crate::config::resolve::Context;
use crate::config::tree::{NodeId, Value};
use crate::config::{Conditions, PartialData, Problem, Rule, RuleAction, Scope, Test, ToldWait, WaitUnit};

/// Longest regular expression, compiled, in bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A list of rules as the file has it; an entry may be text, which names a Python function.
pub(crate) type RuleList = Field<Vec<Field<Either<String, ResponseAction>>>>;

/// The three lists of one place, which is `endpoint` or `client`.
pub(crate) struct Lists<'r> {
    /// The place.
    pub(crate) place: &'static str,
    /// `response_actions`.
    pub(crate) actions: &'r RuleList,
    /// `throttle_when`.
    pub(crate) throttle: &'r RuleList,
    /// `fail_when`.
    pub(crate) fail: &'r RuleList,
}

impl Lists<'_> {
    /// All of them, in the order in which they are tried.
    pub(crate) fn resolve(&self, cx: Context<'_>) -> Vec<Rule> {
        let lists = [
            ("response_actions", self.actions, None),
            ("throttle_when", self.throttle, Some(ActionName::Throttle)),
            ("fail_when", self.fail, Some(ActionName::Fail)),
        ];
        let mut rules = Vec::new();
        for (list, field, action) in lists {
            for (index, entry) in field.get().into_iter().flatten().enumerate() {
                let key = format!("{}.{list}[{index}]", self.place);
                rules.extend(entry.set().and_then(|(id, entry)| rule(cx, id, entry, list, action, key)));
            }
        }
        rules
    }
}

/// Refuses rules that skip a parent's record, where there is no parent.
pub(crate) fn check_no_parent(cx: Context<'_>, actions: &RuleList) {
    for (_, entry) in actions.get().into_iter().flatten().filter_map(Field::set) {
        let Either::Map(raw) = entry else { continue };
        if let Some((id, ScopeName::Parent)) = raw.scope.set() {
            let why = "`scope: parent` is about the parent's record that a child is requested for, and there is no parent here; write `scope: resource`, or `page`";
            cx.reader.conflict(id, why);
        }
    }
}

/// What `graphql` says.
pub(crate) fn graphql(field: &Field<GraphQl>) -> Option<PartialData> {
    field.get().map(|graphql| match graphql.partial.get() {
        Some(PartialName::Allow) => PartialData::Allow,
        Some(PartialName::Fail) | None => PartialData::Fail,
    })
}

fn rule(
    cx: Context<'_>,
    id: NodeId,
    entry: &Either<String, ResponseAction>,
    list: &str,
    fixed: Option<ActionName>,
    key: String,
) -> Option<Rule> {
    let raw = match entry {
        Either::Map(raw) => raw,
        Either::Text(text) => {
            cx.fault(id, python(text));
            return None;
        }
    };
    let when = conditions(cx, id, raw);
    let action = action(cx, id, raw, list, fixed);
    Some(Rule { when: when?, action: action?, key })
}

/// The answer to a function in the place of a rule or action.
fn python(name: &str) -> Problem {
    Problem::PythonOnly {
        what: name.to_owned(),
        instead: "write conditions (`status_code`, `content`, `header`, `json_path`) and an action: `ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`",
    }
}

fn conditions(cx: Context<'_>, id: NodeId, raw: &ResponseAction) -> Option<Conditions> {
    let tests = [&raw.contains, &raw.matches].into_iter().filter_map(Field::place);
    let tests: Vec<NodeId> = tests.chain(raw.equals.place()).chain(raw.exists.place()).collect();
    let mut conditions = Conditions::default();
    if let Some((list_id, OneOrMany(items))) = raw.status_code.set() {
        if items.is_empty() {
            cx.reader.wrong(list_id, "a status, or a list of at least one");
        }
        conditions.statuses = items.iter().filter_map(Field::get).map(|&Scalar(status)| status).collect();
    }
    match raw.content.set() {
        Some((id, text)) if text.is_empty() => cx.reader.wrong(id, "text that is not empty"),
        content => conditions.content = content.map(|(_, text)| text.clone()),
    }
    if let Some((id, header)) = raw.header.set() {
        let tests =
            Tests { equals: &header.equals, contains: &header.contains, matches: &header.matches, exists: &header.exists };
        let name = cx.required(&header.name, id, "name", "the header's name");
        conditions.header = name.map(|(_, name)| name.trim().to_ascii_lowercase()).zip(tests.resolve(cx));
    }
    let tests_of_json = Tests { equals: &raw.equals, contains: &raw.contains, matches: &raw.matches, exists: &raw.exists };
    match (raw.json_path.get(), tests.first()) {
        (Some(Scalar(path)), _) => conditions.json = Some(path.clone()).zip(tests_of_json.resolve(cx)),
        (None, Some(&test)) if raw.json_path.is_unset() => {
            cx.reader
                .conflict(test, "this is about the value at `json_path`, which is missing; a header's test stands in `header`");
        }
        (None, _) => {}
    }
    let has_any = [raw.status_code.place(), raw.content.place(), raw.header.place(), raw.json_path.place()];
    if has_any.iter().all(Option::is_none) && tests.is_empty() {
        let why = "a rule without conditions would be about every answer; give `status_code`, `content`, `header` or `json_path`";
        cx.reader.conflict(id, why);
        return None;
    }
    Some(conditions)
}

/// One of four tests, as written.
struct Tests<'r> {
    equals: &'r Field<Node>,
    contains: &'r Field<String>,
    matches: &'r Field<String>,
    exists: &'r Field<bool>,
}

impl Tests<'_> {
    fn resolve(&self, cx: Context<'_>) -> Option<Test> {
        let places = [self.equals.place(), self.contains.place(), self.matches.place(), self.exists.place()];
        if let Some(&second) = places.iter().flatten().nth(1) {
            cx.reader.conflict(
                second,
                "one of `equals`, `contains`, `matches` and `exists` is enough; write a second rule for another",
            );
            return None;
        }
        if let Some(id) = self.equals.place() {
            return scalar(cx, id).map(Test::Equals);
        }
        if let Some((_, text)) = self.contains.set() {
            return Some(Test::Contains(text.clone()));
        }
        if let Some((id, text)) = self.matches.set() {
            return regex(cx, id, text).map(Test::Matches);
        }
        Some(Test::Exists(self.exists.get().copied().unwrap_or(true)))
    }
}

/// The regular expression of a text at `id`, or the fault recorded.
pub(super) fn regex(cx: Context<'_>, id: NodeId, text: &str) -> Option<regex::Regex> {
    let built = regex::RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    built.map_err(|error| cx.reader.conflict(id, format!("not a regular expression: {}", last_line(&error)))).ok()
}

/// The part of a regular expression's error that says what is wrong, without the picture of where.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn scalar(cx: Context<'_>, id: NodeId) -> Option<Json> {
    match &cx.reader.document().node(id).value {
        Value::Text(text) => Some(text.text.clone().into()),
        Value::Bool(value) => Some((*value).into()),
        Value::Number(number) => {
            let number: Option<serde_json::Number> = serde_json::from_str(number).ok();
            if number.is_none() {
                cx.reader.wrong(id, "a number as JSON writes it, or text");
            }
            number.map(Json::Number)
        }
        Value::Faulty => None,
        Value::Null | Value::List(_) | Value::Map(_) => {
            cx.reader.wrong(id, "text, a number or a boolean; `exists: false` is for what is null or missing");
            None
        }
    }
}

fn action(cx: Context<'_>, id: NodeId, raw: &ResponseAction, list: &str, fixed: Option<ActionName>) -> Option<RuleAction> {
    let name = match (fixed, raw.action.set()) {
        (Some(_), Some((id, _))) => {
            cx.reader.conflict(id, format!("`{list}` has its action; write the entry in `response_actions` for another"));
            return None;
        }
        (Some(name), None) => name,
        (None, None) => {
            cx.required(&raw.action, id, "action", "`ignore`, `skip`, `retry`, `fail`, `throttle` or `refresh_auth`")?;
            return None;
        }
        (None, Some((_, OneOrMany(items)))) if items.len() == 1 => *items[0].get()?,
        (None, Some((id, _))) => {
            cx.reader
                .conflict(id, "one action a rule; dlt's lists are of Python functions, which have no place in a config file");
            return None;
        }
    };
    let goes_with = [
        ("scope", raw.scope.place(), name == ActionName::Skip, "skip"),
        ("wait", raw.wait.place(), name == ActionName::Throttle, "throttle"),
        ("wait_path", raw.wait_path.place(), name == ActionName::Throttle, "throttle"),
        ("wait_unit", raw.wait_unit.place(), name == ActionName::Throttle, "throttle"),
        ("message", raw.message.place(), name == ActionName::Fail, "fail"),
    ];
    for (key, place, fits, action) in goes_with {
        if let (Some(id), false) = (place, fits) {
            cx.reader.conflict(id, format!("`{key}` goes with `action: {action}` only"));
        }
    }
    Some(match name {
        ActionName::Ignore => RuleAction::Skip(Scope::Resource),
        ActionName::Skip => RuleAction::Skip(match raw.scope.get() {
            None | Some(ScopeName::Page) => Scope::Page,
            Some(ScopeName::Resource) => Scope::Resource,
            Some(ScopeName::Parent) => Scope::Parent,
        }),
        ActionName::Retry => RuleAction::Retry,
        ActionName::Fail => RuleAction::Fail { message: raw.message.get().cloned() },
        ActionName::Throttle => {
            RuleAction::Throttle { told_at: told_at(cx, raw), wait: raw.wait.get().map(|&Scalar(wait)| wait) }
        }
        ActionName::RefreshAuth => RuleAction::RefreshAuth,
    })
}

/// Where the wait stands.
fn told_at(cx: Context<'_>, raw: &ResponseAction) -> Option<ToldWait> {
    let unit = match raw.wait_unit.get() {
        Some(WaitUnitName::Millis) => WaitUnit::Millis,
        Some(WaitUnitName::Seconds) | None => WaitUnit::Seconds,
    };
    if let (Some(id), true) = (raw.wait_unit.place(), raw.wait_path.is_unset()) {
        cx.reader
            .conflict(id, "`wait_unit` is about the number at `wait_path`, which is missing; a `wait` has its unit: `1500ms`");
    }
    raw.wait_path.get().map(|Scalar(path)| ToldWait { path: path.clone(), unit })
}
