//! What both forms of a declared schema share: where the reading is, what is said of places, and words for what is wrong.

use crate::schema::declared::document::{Document, Node};
use crate::schema::declared::{DeclaredSchema, Place, Undeclared};
use crate::schema::{Column, ColumnType, DEPTH_MAX, LEAVES_MAX, SchemaError, TableSchema};

/// The types of lakeward's own form.
const TYPES: [&str; 10] = ["boolean", "int64", "decimal(p,s)", "float64", "timestamp", "date", "text", "json", "struct", "list"];

/// What other systems call them.
const ELSEWHERE: [(&str, &str); 22] = [
    ("array", "list"),
    ("bigint", "int64"),
    ("bool", "boolean"),
    ("datetime", "timestamp"),
    ("date-time", "timestamp"),
    ("decimal", "decimal(18,4)"),
    ("double", "float64"),
    ("float", "float64"),
    ("int", "int64"),
    ("int32", "int64"),
    ("integer", "int64"),
    ("jsonb", "json"),
    ("long", "int64"),
    ("map", "json"),
    ("number", "float64"),
    ("numeric", "decimal(18,4)"),
    ("object", "struct"),
    ("str", "text"),
    ("string", "text"),
    ("timestamptz", "timestamp"),
    ("utf8", "text"),
    ("varchar", "text"),
];

/// Reads one file.
pub(super) struct Reader<'a> {
    pub(super) document: &'a Document<'a>,
    places: Vec<(Vec<String>, Place)>,
    path: Vec<String>,
    levels: usize,
    columns: usize,
    /// The definitions that the reading is within, so that one that holds itself is found.
    pub(super) within: Vec<Node<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Document<'a>) -> Self {
        Self { document, places: Vec::new(), path: Vec::new(), levels: 0, columns: 0, within: Vec::new() }
    }

    /// Reads the column or field called `name` with `read`.
    pub(super) fn named<T>(
        &mut self,
        node: &Node<'a>,
        name: &str,
        read: impl FnOnce(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<T, SchemaError> {
        self.columns += 1;
        if self.columns > LEAVES_MAX {
            return Err(SchemaError::TooManyColumns { column: name.to_owned(), max: LEAVES_MAX });
        }
        self.path.push(name.to_owned());
        let read = self.deeper(node, read);
        self.path.pop();
        read
    }

    /// Reads one level further down with `read`.
    pub(super) fn deeper<T>(
        &mut self,
        node: &Node<'a>,
        read: impl FnOnce(&mut Self) -> Result<T, SchemaError>,
    ) -> Result<T, SchemaError> {
        self.levels += 1;
        if self.levels > DEPTH_MAX {
            return Err(node.fault(format!("nested more than {DEPTH_MAX} levels deep")));
        }
        let read = read(self);
        self.levels -= 1;
        read
    }

    /// Notes that numbers or booleans of type `of` may come as text here.
    pub(super) fn accept_text(&mut self, node: &Node<'a>, of: &ColumnType) -> Result<(), SchemaError> {
        use ColumnType::{Boolean, Decimal, Float64, Int64};
        if !matches!(of, Boolean | Int64 { .. } | Decimal { .. } | Float64(_)) {
            return Err(node.fault(format!("is for numbers and booleans that come as text, and this is {of}")));
        }
        self.place().accept_text = true;
        Ok(())
    }

    /// Notes that an empty text is null here.
    pub(super) fn empty_as_null(&mut self, node: &Node<'a>, of: &ColumnType) -> Result<(), SchemaError> {
        if matches!(of, ColumnType::Text | ColumnType::Json) {
            return Err(node.fault(format!("is for types that an empty text is no value of, and this is {of}")));
        }
        self.place().empty_as_null = true;
        Ok(())
    }

    /// Notes what happens to undeclared members of the struct here.
    pub(super) fn undeclared(&mut self, undeclared: Undeclared) {
        if undeclared != Undeclared::Infer {
            self.place().undeclared = undeclared;
        }
    }

    fn place(&mut self) -> &mut Place {
        let at = self.places.iter().position(|(path, _)| *path == self.path).unwrap_or_else(|| {
            self.places.push((self.path.clone(), Place::default()));
            self.places.len() - 1
        });
        &mut self.places[at].1
    }

    pub(super) fn finish(&mut self, columns: Vec<Column>, undeclared: Undeclared) -> DeclaredSchema {
        let places = std::mem::take(&mut self.places);
        DeclaredSchema { schema: TableSchema { columns }, undeclared, places, contract: Undeclared::Infer }
    }
}

/// The scalar type or `json` that `node` names, as lakeward's own form spells it.
pub(super) fn scalar_type(node: &Node<'_>) -> Result<ColumnType, SchemaError> {
    let word = node.text()?;
    match ColumnType::from_word(word) {
        // Whatever the values will be: only values tell whether integers are narrow.
        Some(ColumnType::Int64 { .. }) if word == "int64" => Ok(ColumnType::Int64 { wide: true }),
        Some(ColumnType::Unknown | ColumnType::Int64 { .. }) | None => Err(unknown_type(node, word)),
        Some(known) => Ok(known),
    }
}

fn unknown_type(node: &Node<'_>, word: &str) -> SchemaError {
    let lower = word.to_ascii_lowercase();
    if lower.starts_with("decimal(") {
        return node.fault(format!("`{word}` is no decimal: expected decimal(p,s) with p of 1 to 38 and s of 0 to p"));
    }
    let elsewhere = ELSEWHERE.iter().find(|(name, _)| *name == lower).map(|(_, ours)| *ours);
    match elsewhere.or_else(|| nearest(&lower, &TYPES)) {
        Some(near) => node.fault(format!("`{word}` is no type; did you mean `{near}`?")),
        None => node.fault(format!("`{word}` is no type; expected one of {}", TYPES.join(", "))),
    }
}

/// A fault for a member that is not among `known`.
pub(super) fn unknown_member(node: &Node<'_>, name: &str, known: &[&str]) -> SchemaError {
    match nearest(name, known) {
        Some(near) => node.fault(format!("`{name}` is not known here; did you mean `{near}`?")),
        None => node.fault(format!("`{name}` is not known here; expected one of {}", known.join(", "))),
    }
}

/// The name that `word` is probably a misspelling of.
pub(crate) fn nearest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    let lower = word.to_lowercase();
    let near = names.iter().map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), *name)).min()?;
    (near.0 <= 2.max(word.len() / 4) && near.0 < near.1.len()).then_some(near.1)
}

/// The name that `column` is probably a misspelling of, or the beginning of: `created` of `created_at`.
pub(crate) fn nearest_column<'n>(column: &str, names: &[&'n str]) -> Option<&'n str> {
    let begins = |name: &&&str| name.strip_prefix(column).is_some_and(|rest| rest.starts_with('_'));
    nearest(column, names).or_else(|| {
        let mut longer = names.iter().filter(begins);
        longer.next().copied().filter(|_| longer.next().is_none())
    })
}
