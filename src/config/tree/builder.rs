//! From the parser's events to the nodes of a document: keys, aliases, merge keys, bounds.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::config::fault::{Fault, Problem};
use crate::config::tree::{DEPTH_MAX, Entry, Link, Mark, NODES_MAX, Node, NodeId, Text, Value, join_key, path_of};

/// The tree under construction.
#[derive(Default)]
pub(crate) struct Builder {
    pub(crate) nodes: Vec<Node>,
    /// Lists and maps not yet closed, the innermost last.
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    /// Faults that leave the rest readable.
    pub(crate) faults: Vec<Fault>,
}

struct Open {
    id: NodeId,
    /// In a map: the key whose value comes next.
    key: Option<(String, Mark, bool)>,
}

impl Builder {
    /// Takes in a whole text.
    ///
    /// # Errors
    /// The fault that ended the reading.
    pub(crate) fn run(&mut self, text: &str) -> Result<(), Box<Fault>> {
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0_usize;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let mark = Mark { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                let problem = |advice| Problem::Syntax { what: error.info().to_owned(), advice };
                match tab_near(text, mark.line) {
                    Some(tab) => self.fault_here(tab, problem("; this line is indented with a tab: write spaces".to_owned())),
                    None => self.fault_here(mark, problem(advice(error.info(), text, mark.line))),
                }
            })?;
            let mark = Mark::of(span);
            match event {
                Event::DocumentStart(_) if documents > 0 => {
                    return Err(self.fault_here(mark, Problem::Unusable { what: "a second YAML document" }));
                }
                Event::DocumentStart(_) => documents += 1,
                Event::Scalar(text, style, anchor, tag) => self.scalar(text.into_owned(), style, anchor, tag.as_deref(), mark)?,
                Event::SequenceStart(anchor, tag) => self.start(Value::List(Vec::new()), anchor, tag.as_deref(), mark)?,
                Event::MappingStart(anchor, tag) => self.start(Value::Map(Vec::new()), anchor, tag.as_deref(), mark)?,
                Event::SequenceEnd | Event::MappingEnd => self.end(),
                Event::Alias(anchor) => self.alias(anchor, mark)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    /// A fault at `mark`, under the innermost open value.
    fn fault_here(&self, mark: Mark, problem: Problem) -> Box<Fault> {
        let path = self.open.last().map_or_else(String::new, |open| {
            let path = path_of(&self.nodes, open.id);
            open.key.as_ref().map_or(path.clone(), |(key, ..)| join_key(&path, key))
        });
        Box::new(Fault { line: mark.line, column: mark.column, path, problem })
    }

    fn check_tag(&mut self, tag: Option<&Tag>, mark: Mark) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema() && !tag.suffix.is_empty()) {
            let fault = self.fault_here(mark, Problem::Unusable { what: "a YAML tag" });
            self.faults.push(*fault);
        }
    }

    fn awaits_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.key.is_none() && matches!(self.nodes[open.id.0 as usize].value, Value::Map(_)))
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        mark: Mark,
    ) -> Result<(), Box<Fault>> {
        let plain = style == ScalarStyle::Plain && tag.is_none();
        if self.awaits_key() {
            let merge = plain && text == "<<";
            self.start_entry(text, mark, merge);
            return Ok(());
        }
        self.check_tag(tag, mark);
        let value = match tag {
            Some(tag) if tag.suffix == "str" || tag.suffix.is_empty() => Value::Text(Text { text, ..Text::default() }),
            _ if style == ScalarStyle::Plain => plain_scalar(text),
            _ => Value::Text(Text { text, ..Text::default() }),
        };
        let id = self.add(value, mark)?;
        self.anchors.insert(anchor, id);
        Ok(())
    }

    fn start_entry(&mut self, key: String, mark: Mark, merge: bool) {
        let first = self.open.last().and_then(|open| match &self.nodes[open.id.0 as usize].value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| entry.mark.line),
            _ => None,
        });
        if let Some(open) = self.open.last_mut() {
            open.key = Some((key, mark, merge));
        }
        if let Some(first) = first {
            let fault = self.fault_here(mark, Problem::DuplicateKey { first });
            self.faults.push(*fault);
        }
    }

    /// Puts a value where the innermost open list or map awaits one.
    fn add(&mut self, value: Value, mark: Mark) -> Result<NodeId, Box<Fault>> {
        if self.awaits_key() {
            return Err(self.fault_here(mark, Problem::Unusable { what: "a key that is not plain text" }));
        }
        if self.nodes.len() >= NODES_MAX {
            return Err(self.fault_here(mark, Problem::TooLarge { what: "the number of values", limit: NODES_MAX.to_string() }));
        }
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let parent = self.open.last_mut().map(|open| (open.id, open.key.take()));
        let parent = parent.and_then(|(parent, key)| {
            let link = match (&mut self.nodes[parent.0 as usize].value, key) {
                (Value::List(items), _) => {
                    items.push(id);
                    Link::Index(items.len() - 1)
                }
                (Value::Map(entries), Some((key, mark, merge))) => {
                    if !entries.iter().any(|entry| entry.key == key) {
                        entries.push(Entry { key: key.clone(), mark, node: id, merge });
                    }
                    Link::Key(key)
                }
                _ => return None,
            };
            Some((parent, link))
        });
        self.nodes.push(Node { mark, value, parent });
        Ok(id)
    }

    fn start(&mut self, value: Value, anchor: usize, tag: Option<&Tag>, mark: Mark) -> Result<(), Box<Fault>> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.fault_here(mark, Problem::TooLarge { what: "nesting", limit: format!("{DEPTH_MAX} levels") }));
        }
        self.check_tag(tag, mark);
        let id = self.add(value, mark)?;
        self.anchors.insert(anchor, id);
        self.open.push(Open { id, key: None });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.merge(open.id);
        }
    }

    /// Copies the anchored value to where the alias stands.
    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), Box<Fault>> {
        match self.anchors.get(&anchor) {
            Some(&target) if !self.open.iter().any(|open| open.id == target) => self.copy(target, mark),
            _ => Err(self.fault_here(mark, Problem::Unusable { what: "an alias of the value it stands in" })),
        }
    }

    fn copy(&mut self, target: NodeId, mark: Mark) -> Result<(), Box<Fault>> {
        match self.nodes[target.0 as usize].value.clone() {
            Value::List(items) => {
                self.start(Value::List(Vec::new()), 0, None, mark)?;
                for item in items {
                    self.copy(item, mark)?;
                }
                self.open.pop();
            }
            Value::Map(entries) => {
                self.start(Value::Map(Vec::new()), 0, None, mark)?;
                for entry in entries {
                    self.start_entry(entry.key, mark, false);
                    self.copy(entry.node, mark)?;
                }
                self.open.pop();
            }
            scalar => {
                self.add(scalar, mark)?;
            }
        }
        Ok(())
    }

    /// Brings the keys of a map's `<<` into it; its own keys win, then the earlier of several merged maps.
    fn merge(&mut self, id: NodeId) {
        let Value::Map(entries) = &self.nodes[id.0 as usize].value else { return };
        let Some(merge) = entries.iter().find(|entry| entry.merge).cloned() else { return };
        let mut merged: Vec<Entry> = entries.iter().filter(|entry| !entry.merge).cloned().collect();
        let sources = match &self.nodes[merge.node.0 as usize].value {
            Value::List(items) => items.clone(),
            _ => vec![merge.node],
        };
        for source in sources {
            let value = self.nodes[source.0 as usize].value.clone();
            let Value::Map(entries) = value else {
                let problem = Problem::Wrong { expected: "a map to merge".to_owned(), found: value.kind().to_owned() };
                let path = path_of(&self.nodes, merge.node);
                self.faults.push(Fault { line: merge.mark.line, column: merge.mark.column, path, problem });
                continue;
            };
            for entry in entries {
                if !merged.iter().any(|own| own.key == entry.key) {
                    self.nodes[entry.node.0 as usize].parent = Some((id, Link::Key(entry.key.clone())));
                    merged.push(entry);
                }
            }
        }
        self.nodes[id.0 as usize].value = Value::Map(merged);
    }
}

/// YAML 1.2's core schema.
fn plain_scalar(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(&text) => Value::Number(text),
        _ => Value::Text(Text { text, ..Text::default() }),
    }
}

/// A decimal number: digits with an optional sign, point and exponent. Text with leading zeros is no number: it is a code.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let coded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    digits.starts_with(|c: char| c.is_ascii_digit())
        && !coded
        && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The first tab that indents a line at which the reading may have ended: the parser tells of the line before.
fn tab_near(text: &str, line: usize) -> Option<Mark> {
    let near = text.lines().enumerate().skip(line.saturating_sub(1)).take(2);
    let tab = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let mut tabs = near.filter(|(_, line)| line.trim_start_matches(' ').starts_with('\t') && !line.trim().is_empty());
    tabs.next().map(|(number, line)| Mark { line: number + 1, column: tab(line) + 1 })
}

/// What most likely helps against broken YAML on this line.
fn advice(what: &str, text: &str, line: usize) -> String {
    let number = line;
    let line = text.lines().nth(line - 1).unwrap_or_default();
    let has_placeholder = ["{resources.", "{incremental."].iter().any(|name| line.contains(name));
    if has_placeholder && what.contains("did not find expected") {
        "; put a text with a placeholder in quotes where it stands within `{ }` or `[ ]`: `path: 'orders/{resources.NAME.FIELD}'`"
            .to_owned()
    } else if line.contains("${") && line.contains(['{', '[']) {
        "; put `${…}` in quotes where it stands within `{ }` or `[ ]`".to_owned()
    } else if line.contains("bucket[") || line.contains("truncate[") {
        "; put a transform with a number in quotes where it stands within `{ }` or `[ ]`: `transform: 'bucket[16]'`".to_owned()
    } else if what.contains("mapping values are not allowed") {
        format!("; is line {number} indented as the line above?")
    } else {
        String::new()
    }
}
