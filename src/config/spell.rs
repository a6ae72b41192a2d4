//! Paginators as a config would have them: what was detected, for a person to keep.

use serde_json::Value;

use crate::base::{JsonPath, Step};
use crate::config::{PaginatorPlan, Slot, StopRules, TotalAt, TotalPath};

/// The keys of a paginator, in the order of the documentation, defaults left out.
#[must_use]
pub(crate) fn spell_paginator(plan: &PaginatorPlan) -> Vec<(&'static str, Value)> {
    let mut keys = Keys(Vec::new());
    match plan {
        PaginatorPlan::Undeclared => keys.text("type", "auto", ""),
        PaginatorPlan::SinglePage => keys.text("type", "single_page", ""),
        PaginatorPlan::Offset { limit, offset, offset_slot, limit_slot, stop } => {
            keys.text("type", "offset", "");
            keys.add("limit", Value::from(*limit));
            if *offset > 0 {
                keys.add("offset", Value::from(*offset));
            }
            keys.slot("offset_param", "offset_body_path", offset_slot, "offset");
            keys.slot("limit_param", "limit_body_path", limit_slot, "limit");
            keys.stop("maximum_offset", stop);
        }
        PaginatorPlan::PageNumber { base_page, page, page_slot, stop } => {
            keys.text("type", "page_number", "");
            if *base_page > 0 {
                keys.add("base_page", Value::from(*base_page));
            }
            if page != base_page {
                keys.add("page", Value::from(*page));
            }
            keys.slot("page_param", "page_body_path", page_slot, "page");
            keys.stop("maximum_page", stop);
        }
        PaginatorPlan::Cursor { cursor_path, cursor_slot, stop } => {
            keys.text("type", "cursor", "");
            keys.path("cursor_path", cursor_path);
            keys.slot("cursor_param", "cursor_body_path", cursor_slot, "cursor");
            keys.ends(stop, false);
        }
        PaginatorPlan::JsonLink { next_url_path, stop } => {
            keys.text("type", "json_link", "");
            keys.path("next_url_path", next_url_path);
            keys.ends(stop, false);
        }
        PaginatorPlan::HeaderLink { links_next_key, stop } => {
            keys.text("type", "header_link", "");
            keys.text("links_next_key", links_next_key, "next");
            keys.ends(stop, false);
        }
        PaginatorPlan::HeaderCursor { cursor_key, cursor_param, stop } => {
            keys.text("type", "header_cursor", "");
            keys.text("cursor_key", cursor_key, "next");
            keys.text("cursor_param", cursor_param, "cursor");
            keys.ends(stop, false);
        }
    }
    keys.0
}

/// A paginator as a YAML flow map, `{type: page_number, base_page: 1}`.
#[must_use]
pub(crate) fn paginator_words(plan: &PaginatorPlan) -> String {
    flow_map(&spell_paginator(plan))
}

/// A JSON path as a config would have it: names with dots where they allow it.
#[must_use]
pub(crate) fn path_words(path: &JsonPath) -> String {
    let full = path.to_string();
    let plain = path.steps().iter().all(|step| matches!(step, Step::Key(name) if is_plain_name(name)));
    match full.strip_prefix("$.") {
        Some(short) if plain => short.to_owned(),
        _ => full,
    }
}

/// Keys and values as a YAML flow map.
#[must_use]
pub(crate) fn flow_map(keys: &[(&'static str, Value)]) -> String {
    let members: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {}", yaml(value))).collect();
    format!("{{{}}}", members.join(", "))
}

/// A scalar as YAML, also within a flow map.
#[must_use]
pub(crate) fn yaml(value: &Value) -> String {
    match value {
        Value::String(text) if text.split('.').all(is_plain_name) && !is_reserved(text) => text.clone(),
        Value::String(text) => Value::from(text.as_str()).to_string(),
        other => other.to_string(),
    }
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_reserved(text: &str) -> bool {
    ["null", "true", "false", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str())
}

struct Keys(Vec<(&'static str, Value)>);

impl Keys {
    fn add(&mut self, key: &'static str, value: Value) {
        self.0.push((key, value));
    }

    fn text(&mut self, key: &'static str, text: &str, default: &str) {
        if text != default {
            self.add(key, Value::from(text));
        }
    }

    fn path(&mut self, key: &'static str, path: &JsonPath) {
        self.add(key, Value::from(path_words(path)));
    }

    fn slot(&mut self, param: &'static str, body: &'static str, slot: &Slot, default: &str) {
        match slot {
            Slot::Param(name) => self.text(param, name, default),
            Slot::Body(path) => self.add(body, Value::from(path.join("."))),
        }
    }

    fn stop(&mut self, maximum: &'static str, stop: &StopRules) {
        match &stop.total {
            TotalPath::None if stop.totals.is_empty() => self.add("total_path", Value::Null),
            TotalPath::None | TotalPath::Optional(_) => {}
            TotalPath::Required(path) => self.path("total_path", path),
        }
        if let Some(most) = stop.maximum {
            self.add(maximum, Value::from(most));
        }
        self.ends(stop, true);
    }

    /// What ends the pages of any paginator; `counts`: by default the first empty one does.
    fn ends(&mut self, stop: &StopRules, counts: bool) {
        for total in &stop.totals {
            match &total.at {
                TotalAt::Body(path) => self.path(total.key(), path),
                TotalAt::Header(name) => self.text(total.key(), name, ""),
            }
        }
        if stop.stop_after_empty_page != counts {
            self.add("stop_after_empty_page", Value::Bool(!counts));
        }
        if stop.allow_drift {
            self.add("allow_drift", Value::Bool(true));
        }
        stop.has_more_path.iter().for_each(|path| self.path("has_more_path", path));
        stop.end_path.iter().for_each(|path| self.path("end_path", path));
    }
}
