//! Struct builders: fields by name, found first where the last object had them.
//!
//! Invariants: a field's builder may have fewer slots than its struct (the rest are nulls) and never more, but while an
//! object is read. Names are the exact JSON names, each once.

use hashbrown::HashMap;

use crate::decode::column::ColumnBuilder;
use crate::decode::layout::Layouts;
use crate::schema::Undeclared;

/// Up to this many fields, looking at each beats hashing the name.
const LINEAR_MAX: usize = 8;

/// The fields of a struct, or the columns of the page.
#[derive(Debug, Clone, Default)]
pub(super) struct StructBuilder {
    pub(super) fields: Vec<FieldBuilder>,
    /// Which members the objects had; of a record, nobody asks.
    pub(super) layouts: Layouts,
    /// From name to place, once there are more than `LINEAR_MAX`.
    index: HashMap<Box<str>, u32>,
    /// The field that the last object began with.
    pub(super) first: u32,
    /// Whether a field must not be null or absent.
    pub(super) required: bool,
    /// Names that must have a value and for which there is no field yet.
    pub(super) awaited: Vec<String>,
    /// Paths to fields that tell rows apart.
    pub(super) exact: Vec<Vec<String>>,
    /// What happens to members that no field is declared for.
    pub(super) undeclared: Undeclared,
    /// Whether it may have any number of fields: the page's columns, what is declared, and what the table has so.
    pub(super) unbounded: bool,
    /// Of the page's columns: levels of objects and arrays that become structs and lists.
    pub(super) nesting_max: Option<usize>,
    /// Of the page's columns: whether numbers are rounded to floats.
    pub(super) round: bool,
}

/// A field and its values.
#[derive(Debug, Clone)]
pub(super) struct FieldBuilder {
    pub(super) name: Box<str>,
    /// `"name":`, as an object has it that is written without spaces; empty if the name needs escapes.
    quoted: Box<[u8]>,
    /// The field that followed this one in the last object.
    pub(super) next: u32,
    /// Whether null or absence is a misfit.
    pub(super) required: bool,
    pub(super) nullable: bool,
    pub(super) description: Option<String>,
    pub(super) column: ColumnBuilder,
}

impl FieldBuilder {
    /// A field that may be null.
    pub(super) fn new(name: &str, column: ColumnBuilder) -> Self {
        let plain = !name.bytes().any(|byte| byte < 0x20 || byte == b'"' || byte == b'\\');
        let quoted = if plain { format!("\"{name}\":").into_bytes().into() } else { Box::default() };
        Self { name: name.into(), quoted, next: u32::MAX, required: false, nullable: true, description: None, column }
    }
}

impl StructBuilder {
    /// A struct without fields.
    pub(super) fn new(undeclared: Undeclared) -> Self {
        Self { undeclared, ..Self::default() }
    }

    /// The place of the field `name`.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        if self.fields.len() <= LINEAR_MAX {
            return self.fields.iter().position(|field| *field.name == *name).map(|at| at as u32);
        }
        self.index.get(name).copied()
    }

    /// Adds a field that is not there yet, and gives its place.
    pub(super) fn add(&mut self, mut field: FieldBuilder) -> u32 {
        let at = self.fields.len() as u32;
        if let Some(awaited) = self.awaited.iter().position(|name| **name == *field.name) {
            self.awaited.swap_remove(awaited);
            field.required = true;
        }
        self.required |= field.required;
        for (name, below) in self.exact.iter().filter_map(|path| path.split_first()) {
            if **name == *field.name {
                field.column.keep_exact(below);
            }
        }
        if self.fields.len() == LINEAR_MAX {
            self.index = (0..).zip(&self.fields).map(|(at, field)| (field.name.clone(), at)).collect();
        }
        if self.fields.len() >= LINEAR_MAX {
            self.index.insert(field.name.clone(), at);
        }
        // Objects that repeat the schema's order are foreseen before the first one.
        if let Some(last) = self.fields.last_mut() {
            last.next = at;
        }
        self.fields.push(field);
        at
    }

    /// The length of the name and colon at the start of `rest`, if they are those of the field at `place`.
    #[inline]
    pub(super) fn foreseen(&self, place: u32, rest: &[u8]) -> Option<usize> {
        let quoted = &self.fields.get(place as usize)?.quoted;
        (!quoted.is_empty() && rest.starts_with(quoted)).then_some(quoted.len())
    }

    /// Remembers that the field at `place` came after `previous`, or first.
    pub(super) fn learn(&mut self, previous: Option<u32>, place: u32) {
        match previous.and_then(|previous| self.fields.get_mut(previous as usize)) {
            Some(field) => field.next = place,
            None => self.first = place,
        }
    }

    /// Makes room for `more` slots after the `len` there are, in the fields that have kept up.
    pub(super) fn reserve(&mut self, len: usize, more: usize) {
        for field in self.fields.iter_mut().filter(|field| field.column.len == len) {
            field.column.reserve(more);
        }
    }

    /// Forgets the slots from `len` on in every field.
    pub(super) fn truncate(&mut self, len: usize) {
        self.layouts.truncate(len);
        for field in &mut self.fields {
            field.column.truncate(len);
        }
    }

    /// Notes that the object in `slot` has the members at `places`.
    pub(super) fn note_layout(&mut self, slot: usize, places: &[u16]) {
        let is_null = |place: &u16| self.fields.get(usize::from(*place)).is_some_and(|field| !field.column.is_valid(slot));
        let has_null = places.iter().any(is_null);
        self.layouts.push(slot, places, has_null);
    }

    /// Makes null of what does not fit the fields' declared types, but where there must be a value.
    pub(super) fn discard_unfit(&mut self) {
        for field in self.fields.iter_mut().filter(|field| !field.required) {
            field.column.discard_unfit();
        }
    }

    /// Makes `name` a member that must have a value.
    pub(super) fn require(&mut self, name: &str) {
        self.required = true;
        match self.fields.iter_mut().find(|field| *field.name == *name) {
            Some(field) => field.required = true,
            None => self.awaited.push(name.to_owned()),
        }
    }

    /// Makes the field at `path` one whose numbers are never rounded, whether it is there yet or not.
    pub(super) fn keep_exact(&mut self, path: &[String]) {
        let Some((name, below)) = path.split_first() else { return };
        match self.find(name) {
            Some(at) => self.fields[at as usize].column.keep_exact(below),
            None => self.exact.push(path.to_vec()),
        }
    }

    /// The name of a required member without a value in `slot`, and whether it is null there.
    pub(super) fn missing(&self, slot: usize) -> Option<(&str, bool)> {
        let field = self.fields.iter().find(|field| field.required && !field.column.is_valid(slot));
        field
            .map(|field| (&*field.name, field.column.len > slot))
            .or_else(|| self.awaited.first().map(|name| (name.as_str(), false)))
    }
}
