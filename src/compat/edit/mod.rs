//! Edit: what was detected, written into a config's text where a person would have written it; everything else stays as it is.
//!
//! In: the text, and what to keep of which resource. Out: the changed text, or `None` where the place cannot be changed safely: the value
//! has an anchor, comes from an alias or a merge key, or spreads over lines. Whoever writes the text checks that it still means
//! the same. Not here: files.

mod outline;

use serde_json::Value;

use crate::base::JsonPath;
use crate::compat::edit::outline::{Form, Member, Outline};
use crate::config::spell::{flow_map, spell_paginator, yaml};
use crate::config::{PaginatorPlan, path_words};

/// What to keep of a resource.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    /// The resource's name.
    pub(crate) resource: String,
    /// Where its records are, if that was found.
    pub(crate) data_selector: Option<JsonPath>,
    /// Its paginator, if that was found.
    pub(crate) paginator: Option<PaginatorPlan>,
}

/// Characters to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    start: usize,
    end: usize,
    text: String,
}

/// Keys to write, with their values as text.
type Keys = [(&'static str, String)];

impl Keep {
    /// The keys to write below `endpoint`, for a person to add by hand.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.keys(false).into_iter().map(|(key, value)| format!("{key}: {value}")).collect()
    }

    fn keys(&self, json: bool) -> Vec<(&'static str, String)> {
        let selector = self.data_selector.as_ref().map(|path| {
            let path = Value::from(path_words(path));
            ("data_selector", if json { path.to_string() } else { yaml(&path) })
        });
        let paginator = self.paginator.as_ref().map(|plan| {
            let keys = spell_paginator(plan);
            let members: Vec<String> = keys.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
            ("paginator", if json { format!("{{{}}}", members.join(", ")) } else { flow_map(&keys) })
        });
        selector.into_iter().chain(paginator).collect()
    }
}

/// Writes what is to be kept of one resource into `text`; `None` where its place cannot be changed safely.
#[must_use]
pub(crate) fn keep_detected(text: &str, keep: &Keep) -> Option<String> {
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let own = text.strip_prefix(mark)?;
    let root = Outline::of(own)?;
    let chars: Vec<char> = own.chars().collect();
    let writer = Writer { chars: &chars, json: serde_json::from_str::<serde::de::IgnoredAny>(own).is_ok() };
    let resources = &root.member("resources")?.value;
    let Form::List(entries, list_is_flow) = &resources.form else { return None };
    let mut named = entries.iter().filter(|resource| match resource.scalar() {
        Some(name) => name == keep.resource,
        None => resource.member("name").and_then(|name| name.value.scalar()) == Some(&keep.resource),
    });
    let (resource, None) = (named.next()?, named.next()) else { return None };
    let mut changes = writer.resource(resource, *list_is_flow, &keep.keys(writer.json))?;
    changes.sort_by_key(|change| change.start);
    Some(writer.apply(&changes, mark))
}

struct Writer<'t> {
    chars: &'t [char],
    json: bool,
}

impl Writer<'_> {
    fn resource(&self, resource: &Outline, list_is_flow: bool, keys: &Keys) -> Option<Vec<Change>> {
        if resource.scalar().is_some() {
            let name = self.slice(resource.start, self.end(resource.start, resource.end));
            let endpoint = self.map(keys, None);
            let text = if list_is_flow {
                format!("{{{}: {name}, {}: {endpoint}}}", self.key("name"), self.key("endpoint"))
            } else {
                format!("name: {name}\n{}endpoint: {endpoint}", self.indent(resource.start))
            };
            return Some(vec![self.replace(resource.start, resource.end, text)]);
        }
        let members = resource.members()?;
        match resource.member("endpoint") {
            None if resource.is_flow() => Some(vec![self.append(members, &[("endpoint", self.map(keys, None))])?]),
            None => {
                let name = resource.member("name")?;
                let text = format!("\n{}endpoint: {}", self.indent(members.first()?.start), self.map(keys, None));
                Some(vec![self.after_line(&name.value, text)?])
            }
            Some(endpoint) => match endpoint.value.scalar() {
                Some(path) => self.path_alone(&endpoint.value, path, keys),
                None => self.endpoint(&endpoint.value, keys),
            },
        }
    }

    /// `endpoint: /x`, which becomes `endpoint: {path: /x, …}`.
    fn path_alone(&self, endpoint: &Outline, path: &str, keys: &Keys) -> Option<Vec<Change>> {
        if path.is_empty() {
            return None;
        }
        let raw = self.slice(endpoint.start, self.end(endpoint.start, endpoint.end));
        let is_plain = raw.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.'));
        let path = if is_plain || raw.starts_with(['"', '\'']) { raw } else { Value::from(path).to_string() };
        Some(vec![self.replace(endpoint.start, endpoint.end, self.map(keys, Some(path)))])
    }

    fn endpoint(&self, endpoint: &Outline, keys: &Keys) -> Option<Vec<Change>> {
        let members = endpoint.members()?;
        let (mut changes, mut missing) = (Vec::new(), Vec::new());
        for (key, value) in keys {
            let Some(Member { value: old, .. }) = endpoint.member(key) else {
                missing.push((*key, value.clone()));
                continue;
            };
            let is_whole = old.end > old.start && (old.scalar().is_some() || (old.is_flow() && old.members().is_some()));
            changes.push(is_whole.then(|| self.replace(old.start, old.end, value.clone()))?);
        }
        if missing.is_empty() {
            return Some(changes);
        }
        changes.push(if !endpoint.is_flow() {
            self.lines(endpoint, &missing)?
        } else if members.is_empty() {
            let members: Vec<String> = missing.iter().map(|(key, value)| format!("{}: {value}", self.key(key))).collect();
            Change { start: endpoint.start + 1, end: endpoint.start + 1, text: members.join(", ") }
        } else {
            self.append(members, &missing)?
        });
        Some(changes)
    }

    /// Lines of their own: behind that of the path, or before all others.
    fn lines(&self, endpoint: &Outline, keys: &Keys) -> Option<Change> {
        let first = endpoint.members()?.first()?.start;
        let indent = self.indent(first);
        let behind = |path: &Member| {
            let text = keys.iter().map(|(key, value)| format!("\n{indent}{key}: {value}")).collect();
            self.after_line(&path.value, text)
        };
        Some(endpoint.member("path").and_then(behind).unwrap_or_else(|| {
            let text = keys.iter().map(|(key, value)| format!("{key}: {value}\n{indent}")).collect();
            Change { start: first, end: first, text }
        }))
    }

    /// A map of these keys within `{ }`, with `path` before them.
    fn map(&self, keys: &Keys, path: Option<String>) -> String {
        let path = path.map(|path| ("path", path));
        let members = path.iter().chain(keys).map(|(key, value)| format!("{}: {value}", self.key(key)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
    }

    fn key(&self, key: &str) -> String {
        if self.json { format!("\"{key}\"") } else { key.to_owned() }
    }

    /// More members behind the last one of a map within `{ }`.
    fn append(&self, members: &[Member], more: &Keys) -> Option<Change> {
        let last = members.last()?;
        let is_empty = last.value.end <= last.value.start;
        let at = if is_empty { self.end(last.start, last.end) } else { self.end(last.value.start, last.value.end) };
        let text = more.iter().map(|(key, value)| format!(", {}: {value}", self.key(key))).collect();
        Some(Change { start: at, end: at, text })
    }

    /// Text behind the line on which a scalar stands; `None` when it spreads over several.
    fn after_line(&self, scalar: &Outline, text: String) -> Option<Change> {
        scalar.scalar().filter(|text| !text.is_empty())?;
        let end = self.end(scalar.start, scalar.end);
        if self.chars.get(scalar.start..end)?.contains(&'\n') {
            return None;
        }
        let line_end = self.chars.iter().skip(end).position(|c| *c == '\n').map_or(self.chars.len(), |more| end + more);
        let is_crlf = line_end.checked_sub(1).and_then(|before| self.chars.get(before)) == Some(&'\r');
        let at = line_end - usize::from(is_crlf);
        Some(Change { start: at, end: at, text })
    }

    fn replace(&self, start: usize, end: usize, text: String) -> Change {
        Change { start, end: self.end(start, end), text }
    }

    /// The end of a value without the space and the comment that a parser may count to it.
    fn end(&self, start: usize, end: usize) -> usize {
        let value = self.chars.get(start..end).unwrap_or_default();
        if let Some(quote @ ('"' | '\'')) = value.first() {
            let mut rest = value.iter().enumerate().skip(1);
            while let Some((at, c)) = rest.next() {
                let is_doubled = *quote == '\'' && value.get(at + 1) == Some(&'\'');
                match c {
                    '\\' if *quote == '"' => drop(rest.next()),
                    c if c == quote && is_doubled => drop(rest.next()),
                    c if c == quote => return start + at + 1,
                    _ => {}
                }
            }
        }
        start + value.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1)
    }

    fn slice(&self, start: usize, end: usize) -> String {
        self.chars.get(start..end).unwrap_or_default().iter().collect()
    }

    /// Spaces up to the column of `at`.
    fn indent(&self, at: usize) -> String {
        let before = self.chars.get(..at).unwrap_or_default();
        " ".repeat(before.iter().rev().take_while(|c| **c != '\n').count())
    }

    fn apply(&self, changes: &[Change], mark: &str) -> String {
        let has_crlf = self.chars.windows(2).any(|two| two == ['\r', '\n']);
        let (mut text, mut at) = (String::new(), 0);
        for change in changes {
            text.push_str(&self.slice(at, change.start));
            text.push_str(&if has_crlf { change.text.replace('\n', "\r\n") } else { change.text.clone() });
            at = change.end;
        }
        text.push_str(&self.slice(at, self.chars.len()));
        format!("{mark}{text}")
    }
}

/// The lines between the first and the last that differ, as `@@ line 7`, `-old` and `+new`.
pub(crate) fn changed_lines(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let rest = old.len().min(new.len()) - same;
    let tail = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(old, new)| old == new).count();
    let shown = |sign: char, lines: &[&str]| -> Vec<String> {
        lines.get(same..lines.len() - tail).unwrap_or_default().iter().map(|line| format!("{sign}{line}")).collect()
    };
    [vec![format!("@@ line {}", same + 1)], shown('-', &old), shown('+', &new)].concat()
}

#[cfg(test)]
mod tests;
