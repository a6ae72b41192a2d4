//! YAML text to a tree in which every value knows its line, its column and its key's path.
//!
//! In: text. Out: a [`Document`] with resolved aliases and merge keys, or the faults. Scalars follow YAML 1.2's core schema;
//! numbers keep their text. Bounds: [`BYTES_MAX`], [`DEPTH_MAX`], [`NODES_MAX`] (aliases count as what they expand to).
//! Not here: `${…}` (`substitute`), types (`read`).

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::config::fault::{Fault, Problem};

/// Longest config text, in bytes.
const BYTES_MAX: usize = 4 << 20;
/// Deepest nesting.
const DEPTH_MAX: usize = 64;
/// Most values in one config.
const NODES_MAX: usize = 100_000;

/// A value of a [`Document`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u32);

/// A place in the text: line and column in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Mark {
    fn of(span: Span) -> Self {
        Self { line: span.start.line().max(1), column: span.start.col() + 1 }
    }
}

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Document {
    nodes: Vec<Node>,
}

/// One value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) mark: Mark,
    pub(crate) value: Value,
    parent: Option<(NodeId, Link)>,
}

/// How a node hangs on its parent.
#[derive(Debug, Clone)]
enum Link {
    Key(String),
    Index(usize),
}

/// What stands at a node.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// Text.
    Text(Text),
    /// A list.
    List(Vec<NodeId>),
    /// A map, keys in the file's order, each once.
    Map(Vec<Entry>),
    /// A value whose fault is already recorded.
    Faulty,
}

impl Value {
    /// What it is, without what it says.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) | Self::Faulty => "text",
            Self::List(items) if items.is_empty() => "an empty list",
            Self::List(_) => "a list",
            Self::Map(entries) if entries.is_empty() => "an empty map",
            Self::Map(_) => "a map",
        }
    }
}

/// One key of a map.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) mark: Mark,
    pub(crate) node: NodeId,
    /// A plain `<<`, which merges maps.
    merge: bool,
}

/// A text, and which parts of it came from outside the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: String,
    /// As it stands in the file, where that differs.
    pub(crate) written: Option<String>,
    /// Byte ranges of `text` that came from the environment or a file.
    pub(crate) given: Vec<Range<usize>>,
}

impl Text {
    /// The text as the file has it.
    pub(crate) fn as_written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }
}

impl Document {
    /// The file's one value.
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Reads YAML. Faults that leave the rest readable (a key given twice, of which the first counts; a tag) go to `faults`.
    ///
    /// # Errors
    /// The fault that ended the reading.
    pub(crate) fn parse(text: &str, faults: &mut Vec<Fault>) -> Result<Self, Box<Fault>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() > BYTES_MAX {
            return Err(Box::new(whole_file(Problem::TooLarge { what: "the file", limit: format!("{} MiB", BYTES_MAX >> 20) })));
        }
        let mut builder = Builder::default();
        let outcome = builder.run(text);
        faults.append(&mut builder.faults);
        outcome?;
        if builder.nodes.is_empty() {
            return Err(Box::new(whole_file(Problem::Wrong { expected: "a config".to_owned(), found: "nothing".to_owned() })));
        }
        Ok(Self { nodes: builder.nodes })
    }

    /// The node of an id that this document gave out.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// All ids.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// Puts another value in a node's place.
    pub(crate) fn replace(&mut self, id: NodeId, value: Value) {
        self.nodes[id.0 as usize].value = value;
    }

    /// The path of keys from the root, as `resources[0].name`.
    pub(crate) fn path(&self, id: NodeId) -> String {
        path_of(&self.nodes, id)
    }
}

/// A key's path below `parent`: dotted where it is a plain word, quoted in brackets otherwise.
pub(crate) fn join_key(parent: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '<'));
    match (plain, parent.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{parent}.{key}"),
        (false, _) => format!("{parent}[{key:?}]"),
    }
}

fn path_of(nodes: &[Node], id: NodeId) -> String {
    let mut links = Vec::new();
    let mut next = &nodes[id.0 as usize].parent;
    while let Some((parent, link)) = next {
        links.push(link);
        next = &nodes[parent.0 as usize].parent;
    }
    links.iter().rev().fold(String::new(), |path, link| match link {
        Link::Key(key) => join_key(&path, key),
        Link::Index(index) => format!("{path}[{index}]"),
    })
}

/// What most likely helps against broken YAML on this line.
fn advice(text: &str, line: usize) -> &'static str {
    let line = text.lines().nth(line - 1).unwrap_or_default();
    if line.contains("${") && line.contains(['{', '[']) {
        "; put `${…}` in quotes where it stands within `{ }` or `[ ]`"
    } else {
        ""
    }
}

fn whole_file(problem: Problem) -> Fault {
    Fault { line: 1, column: 1, path: String::new(), problem }
}

/// The tree under construction.
#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Lists and maps not yet closed, the innermost last.
    open: Vec<Open>,
    anchors: HashMap<usize, NodeId>,
    faults: Vec<Fault>,
}

struct Open {
    id: NodeId,
    /// In a map: the key whose value comes next.
    key: Option<(String, Mark, bool)>,
}

impl Builder {
    fn run(&mut self, text: &str) -> Result<(), Box<Fault>> {
        let mut parser = Parser::new_from_str(text);
        let mut documents = 0_usize;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let mark = Mark { line: error.marker().line().max(1), column: error.marker().col() + 1 };
                self.fault_here(mark, Problem::Syntax { what: error.info().to_owned(), advice: advice(text, mark.line) })
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
