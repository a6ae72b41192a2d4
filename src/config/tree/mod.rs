//! YAML text to a tree in which every value knows its line, its column and its key's path.
//!
//! In: text. Out: a [`Document`] with resolved aliases and merge keys, or the faults. Scalars follow YAML 1.2's core schema;
//! numbers keep their text. Bounds: [`BYTES_MAX`], [`DEPTH_MAX`], [`NODES_MAX`] (aliases count as what they expand to).
//! Not here: `${…}` (`substitute`), types (`read`).

mod builder;
mod pairs;

use std::ops::Range;

use saphyr_parser::Span;

use crate::config::fault::{Fault, Problem};
use crate::config::tree::builder::Builder;

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

impl Entry {
    /// A key of a map that is put together from a file's values.
    pub(crate) fn new(key: &str, mark: Mark, node: NodeId) -> Self {
        Self { key: key.to_owned(), mark, node, merge: false }
    }
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
        let outcome = builder.run(&pairs::joined(text));
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

    /// The value at `id` and every value below it, in the file's order.
    pub(crate) fn below(&self, id: NodeId) -> Vec<NodeId> {
        let (mut found, mut waiting) = (Vec::new(), vec![id]);
        while let Some(id) = waiting.pop() {
            found.push(id);
            match &self.node(id).value {
                Value::List(items) => waiting.extend(items),
                Value::Map(entries) => waiting.extend(entries.iter().map(|entry| entry.node)),
                _ => {}
            }
        }
        found.sort_unstable();
        found
    }

    /// The keys of the map at `id`; none where something else stands.
    pub(crate) fn entries(&self, id: NodeId) -> &[Entry] {
        if let Value::Map(entries) = &self.node(id).value { entries } else { &[] }
    }

    /// The entry of a key of the map at `id`.
    pub(crate) fn entry(&self, id: NodeId, key: &str) -> Option<&Entry> {
        self.entries(id).iter().find(|entry| entry.key == key)
    }

    /// A further value, told in messages as standing where `like` stands.
    pub(crate) fn add(&mut self, like: NodeId, value: Value) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        let Node { mark, parent, .. } = self.node(like).clone();
        self.nodes.push(Node { mark, value, parent });
        id
    }

    /// Makes a map of `entries` the root, told in messages as standing where `like` stands. Every value keeps its path.
    pub(crate) fn set_root(&mut self, like: NodeId, entries: Vec<Entry>) {
        let old = self.add(Self::ROOT, self.node(Self::ROOT).value.clone());
        for node in &mut self.nodes {
            if let Some((parent @ Self::ROOT, _)) = &mut node.parent {
                *parent = old;
            }
        }
        let Node { mark, parent, .. } = self.node(like).clone();
        self.nodes[0] = Node { mark, value: Value::Map(entries), parent };
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

fn whole_file(problem: Problem) -> Fault {
    Fault { line: 1, column: 1, path: String::new(), problem }
}
