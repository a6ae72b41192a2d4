//! Records: a page's objects go into column builders as they are read.
//!
//! Invariants: after a success every builder that was touched has one slot more; after a [`Misfit`] or a fault the caller
//! truncates to the row's start. Of equal names in an object the last wins, and the others are counted.
//! This is the hot path: what happens for every value is here, the rest is in `push`, `convert` and `canonical`.

use crate::decode::NoteKind;
use crate::decode::column::{ColumnBuilder, Decimals, ListBuilder, Values};
use crate::decode::compact::copy_compact;
use crate::decode::decoder::COLUMNS_MAX;
use crate::decode::fault::{Fault, Misfit, Outcome, Stop};
use crate::decode::push::{Unfit, push_boolean, push_json, push_number, push_text};
use crate::decode::reader::{Reader, StringToken};
use crate::decode::structs::{FieldBuilder, StructBuilder};
use crate::decode::token::Number;
use crate::schema::{FIELDS_MAX, Undeclared};

/// Levels of objects and arrays that become structs and lists where the config says nothing: DuckDB's time to open a file doubles with each list
/// within a list, and no table is of use that deep.
const LEVELS_MAX: usize = 20;

/// What a text has to be where values tell rows apart, and what stands there otherwise.
const WHOLE_TEXT: &str = "a text whose characters all came, for it tells rows apart";
const MENDED_TEXT: &str = "a text with half of a surrogate pair, or with bytes that mean nothing";

/// Reads records of one page.
#[derive(Debug)]
pub(super) struct RecordReader<'a> {
    pub(super) reader: Reader<'a>,
    /// Members superseded by a later one of the same name.
    pub(super) duplicates: u64,
    /// Members left out because they are not declared, and values that are null because they do not fit.
    pub(super) discarded: u64,
    /// What the record at hand makes of columns that their reader should know of, and where its values begin.
    pub(super) noted: Vec<(NoteKind, usize)>,
    /// Whether a number that no float holds as it is written is rounded to the nearest, and how many were.
    round: bool,
    pub(super) rounded: u64,
    /// Levels of objects and arrays that become structs and lists, where nothing is known of a column.
    nesting_max: usize,
    /// Levels that the member at hand lies within.
    level: usize,
    /// Lists within one another that the value at hand lies within.
    lists: usize,
    /// Columns and struct fields of the page so far.
    pub(super) columns: usize,
    /// Where the record would be too long.
    pub(super) record_end_max: usize,
    /// Unescaped text of the string at hand.
    scratch: Vec<u8>,
    /// The members of the objects at hand, the innermost last.
    places: Vec<u16>,
}

impl<'a> RecordReader<'a> {
    /// A reader of records under a schema of `columns` columns.
    pub(super) fn new(reader: Reader<'a>, columns: usize, nesting_max: Option<usize>, round: bool) -> Self {
        let nesting_max = nesting_max.unwrap_or(LEVELS_MAX);
        Self {
            reader,
            duplicates: 0,
            discarded: 0,
            noted: Vec::new(),
            round,
            rounded: 0,
            nesting_max,
            level: 0,
            lists: 0,
            columns,
            record_end_max: usize::MAX,
            scratch: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Reads the object that is next into slot `slot` of `fields`.
    pub(super) fn object(&mut self, fields: &mut StructBuilder, slot: usize) -> Outcome<()> {
        let at = self.reader.pos;
        let (is_nested, first) = (self.level > 0, self.places.len());
        self.reader.enter()?;
        if self.reader.peek() == b'}' {
            self.reader.leave();
        } else {
            self.members(fields, slot, first)?;
        }
        if is_nested {
            fields.note_layout(slot, self.places.get(first..).unwrap_or_default());
            self.places.truncate(first);
        }
        if fields.required { check_required(fields, slot, at) } else { Ok(()) }
    }

    /// Reads the members of an object that has some, and notes those of a nested one from `first` on.
    fn members(&mut self, fields: &mut StructBuilder, slot: usize, first: usize) -> Outcome<()> {
        let is_nested = self.level > 0;
        let (mut foreseen, mut previous) = (fields.first, None);
        loop {
            let place = match fields.foreseen(foreseen, self.reader.rest()) {
                Some(length) => {
                    self.reader.pos += length;
                    if self.reader.peek() <= b' ' {
                        self.reader.skip_space();
                    }
                    Some(foreseen)
                }
                None => self.unforeseen(fields, previous)?,
            };
            match place.and_then(|place| fields.fields.get_mut(place as usize)) {
                Some(field) => {
                    if field.column.len != slot && line_up(&mut field.column, slot) {
                        self.duplicates += 1;
                        self.forget_place(first, place);
                    }
                    if is_nested {
                        self.places.push(place.unwrap_or_default() as u16);
                    }
                    self.value(&mut field.column)?;
                    foreseen = field.next;
                    previous = place;
                }
                None => {
                    self.discarded += 1;
                    self.reader.skip_value()?;
                }
            }
            if self.reader.pos > self.record_end_max {
                return Err(Fault::RecordTooLarge { at: self.reader.pos }.into());
            }
            if !self.reader.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Forgets the record that is not read to its end.
    pub(super) fn forget_members(&mut self) {
        self.places.clear();
    }

    /// Of equal names the last counts.
    #[cold]
    fn forget_place(&mut self, first: usize, place: Option<u32>) {
        if let Some(at) = self.places.iter().skip(first).position(|known| Some(u32::from(*known)) == place) {
            self.places.remove(first + at);
        }
    }

    /// Reads a name that was not foreseen: its place, added if need be; `None` if the member is to be ignored.
    #[cold]
    fn unforeseen(&mut self, fields: &mut StructBuilder, previous: Option<u32>) -> Outcome<Option<u32>> {
        let at = self.reader.pos;
        let key = self.reader.key()?;
        let mut scratch = std::mem::take(&mut self.scratch);
        let name = self.reader.resolve(key, &mut scratch);
        let place = match (fields.find(name), fields.undeclared) {
            (Some(place), _) => Some(place),
            (None, Undeclared::Ignore) => None,
            (None, Undeclared::Reject) => {
                return Err(Misfit::new(at, "no member that is not declared", "an undeclared one").into());
            }
            (None, Undeclared::Infer) if !fields.unbounded && fields.fields.len() >= FIELDS_MAX => {
                return Err(Box::new(Stop::Overgrown { at }));
            }
            (None, Undeclared::Infer) => {
                self.columns += 1;
                if self.columns > COLUMNS_MAX {
                    return Err(Fault::TooManyColumns { at }.into());
                }
                Some(fields.add(FieldBuilder::new(name, ColumnBuilder::new(Values::Unknown, false))))
            }
        };
        self.scratch = scratch;
        if let Some(place) = place {
            fields.learn(previous, place);
        }
        Ok(place)
    }

    /// Reads the value that is next into a new slot of `column`.
    fn value(&mut self, column: &mut ColumnBuilder) -> Outcome<()> {
        match self.reader.peek() {
            b'"' => {
                let token = self.reader.string()?;
                if column.exact && self.is_mended(token) {
                    return Err(Misfit::new(token.start - 1, WHOLE_TEXT, MENDED_TEXT).into());
                }
                match &mut column.values {
                    Values::Text(texts) if !texts.bare => {
                        self.reader.unescape_into(token, &mut texts.bytes);
                        texts.end();
                    }
                    Values::Timestamp(times) => {
                        if !times.push(self.reader.slice(token.start, token.end)) {
                            return self.any_text(column, token);
                        }
                    }
                    _ => return self.any_text(column, token),
                }
                column.count_valid();
                Ok(())
            }
            b'-' | b'0'..=b'9' => {
                let at = self.reader.pos;
                let number = self.reader.number()?;
                match (&mut column.values, number.int()) {
                    (Values::Int64 { values, wide }, Some(int)) => {
                        values.push(int);
                        *wide |= !crate::decode::token::exact(int);
                    }
                    _ => return self.any_number(column, &number, at),
                }
                column.count_valid();
                Ok(())
            }
            b'n' => {
                self.reader.literal("null")?;
                column.push_null();
                Ok(())
            }
            b'{' => self.object_value(column),
            b'[' => self.array(column),
            byte @ (b't' | b'f') => {
                let at = self.reader.pos;
                self.reader.literal(if byte == b't' { "true" } else { "false" })?;
                if let Values::Boolean(bits) = &mut column.values {
                    bits.push(byte == b't');
                    column.count_valid();
                    return Ok(());
                }
                self.note_scalar(column, at);
                push_boolean(column, byte == b't').or_else(|_| self.unfit(column, at, "boolean"))
            }
            _ => self.reader.expected("a value"),
        }
    }

    /// Whether a part of the text may not be what came: then two texts may have become one.
    fn is_mended(&mut self, token: StringToken) -> bool {
        (self.reader.rules.is_mended || self.reader.mended.replaced > 0)
            && self.reader.resolve(token, &mut self.scratch).contains(char::REPLACEMENT_CHARACTER)
    }

    #[cold]
    fn any_text(&mut self, column: &mut ColumnBuilder, token: StringToken) -> Outcome<()> {
        self.note_scalar(column, token.start - 1);
        let text = self.reader.resolve(token, &mut self.scratch);
        let pushed = push_text(column, text);
        self.told(column, pushed, token.start - 1, "string")
    }

    fn any_number(&mut self, column: &mut ColumnBuilder, number: &Number<'_>, at: usize) -> Outcome<()> {
        self.note_scalar(column, at);
        let pushed = push_number(column, number, self.round);
        self.told(column, pushed, at, "number")
    }

    /// Notes a number that was rounded, and sees to a value that does not fit.
    #[inline]
    fn told(&mut self, column: &mut ColumnBuilder, pushed: Result<bool, Unfit>, at: usize, actual: &'static str) -> Outcome<()> {
        match pushed {
            Ok(false) => Ok(()),
            Ok(true) => {
                if self.rounded == 0 {
                    self.noted.push((NoteKind::Rounded, at));
                }
                self.rounded += 1;
                Ok(())
            }
            Err(Unfit) => self.unfit(column, at, actual),
        }
    }

    /// A value of kind `actual`, read, that `column` does not take: null where the config says so.
    #[cold]
    fn unfit(&mut self, column: &mut ColumnBuilder, at: usize, actual: &'static str) -> Outcome<()> {
        if !column.unfit_as_null {
            return Err(Misfit::of(column, at, actual).into());
        }
        self.discarded += 1;
        column.push_null();
        Ok(())
    }

    /// The same for a value that is next.
    #[cold]
    fn unfit_next(&mut self, column: &mut ColumnBuilder, actual: &'static str) -> Outcome<()> {
        let at = self.reader.pos;
        if column.unfit_as_null {
            self.reader.skip_value()?;
        }
        self.unfit(column, at, actual)
    }

    /// Makes a column JSON whose values so far and the next one have no other type in common.
    #[cold]
    fn conflict(&mut self, column: &mut ColumnBuilder) {
        column.become_json();
        self.noted.push((NoteKind::Conflict, self.reader.pos));
    }

    /// The same before a scalar, where the column holds objects or arrays.
    #[inline]
    fn note_scalar(&mut self, column: &ColumnBuilder, at: usize) {
        if !column.declared && matches!(column.values, Values::Struct(_) | Values::List(_)) {
            self.noted.push((NoteKind::Conflict, at));
        }
    }

    fn object_value(&mut self, column: &mut ColumnBuilder) -> Outcome<()> {
        let slot = column.len;
        loop {
            match &mut column.values {
                Values::Struct(fields) => {
                    let (start, depth, mended) = (self.reader.pos, self.reader.depth, self.reader.mended);
                    let (discarded, duplicates, places) = (self.discarded, self.duplicates, self.places.len());
                    let (level, lists) = (self.level, self.lists);
                    (self.level, self.lists) = (self.inner_level() + 1, 0);
                    let read = self.object(fields, slot);
                    (self.level, self.lists) = (level, lists);
                    match read {
                        Err(stop) if matches!(*stop, Stop::Overgrown { .. }) => {
                            // The object is read again, into the column of texts that this one becomes.
                            (self.reader.pos, self.reader.depth, self.reader.mended) = (start, depth, mended);
                            (self.discarded, self.duplicates) = (discarded, duplicates);
                            self.places.truncate(places);
                            self.columns = self.columns.saturating_sub(fields.count());
                            self.noted.push((NoteKind::Overgrown, start));
                            column.become_json();
                        }
                        read => break read?,
                    }
                }
                Values::Unknown if self.inner_level() >= self.nesting_max => column.become_json(),
                Values::Unknown => column.become_struct(),
                Values::Json(texts) => {
                    break push_json(texts, |out| copy_compact(&mut self.reader, out, &mut self.duplicates))?;
                }
                _ if column.declared => return self.unfit_next(column, "object"),
                _ => self.conflict(column),
            }
        }
        column.count_valid();
        Ok(())
    }

    fn array(&mut self, column: &mut ColumnBuilder) -> Outcome<()> {
        loop {
            match &mut column.values {
                Values::List(list) => {
                    self.lists += 1;
                    let read = self.items(list);
                    self.lists -= 1;
                    break read?;
                }
                Values::Unknown if self.level + self.lists >= self.nesting_max => column.become_json(),
                Values::Unknown => {
                    let items = ColumnBuilder::new(Values::Unknown, false);
                    column.values = Values::List(ListBuilder::empty(column.len, items));
                }
                Values::Json(texts) => {
                    break push_json(texts, |out| copy_compact(&mut self.reader, out, &mut self.duplicates))?;
                }
                _ if column.declared => return self.unfit_next(column, "array"),
                _ => self.conflict(column),
            }
        }
        column.count_valid();
        Ok(())
    }

    /// Levels around the object at hand: the elements of a list are no deeper than the list, unless they are lists.
    fn inner_level(&self) -> usize {
        self.level + self.lists.saturating_sub(1)
    }

    fn items(&mut self, list: &mut ListBuilder) -> Outcome<()> {
        self.reader.enter()?;
        if self.reader.peek() == b']' {
            self.reader.leave();
        } else {
            loop {
                self.value(&mut list.items)?;
                if self.reader.pos > self.record_end_max {
                    return Err(Fault::RecordTooLarge { at: self.reader.pos }.into());
                }
                if !self.reader.more(b']')? {
                    break;
                }
            }
        }
        list.end();
        Ok(())
    }
}

/// Brings a column to `slot` slots: nulls for the objects that lacked the member; `true` if this object had it already.
#[cold]
fn line_up(column: &mut ColumnBuilder, slot: usize) -> bool {
    if column.len > slot {
        column.truncate(slot);
        return true;
    }
    column.fill(slot);
    false
}

fn check_required(fields: &StructBuilder, slot: usize, at: usize) -> Outcome<()> {
    match fields.missing(slot) {
        None => Ok(()),
        Some((name, is_null)) => Err(Misfit {
            at,
            missing: Some(name.to_owned()),
            expected: "a value".to_owned(),
            actual: if is_null { "null" } else { "nothing" },
        }
        .into()),
    }
}

impl Misfit {
    pub(super) fn new(at: usize, expected: &str, actual: &'static str) -> Self {
        Self { at, missing: None, expected: expected.to_owned(), actual }
    }

    /// A value of kind `actual` that `column` does not take.
    #[cold]
    fn of(column: &ColumnBuilder, at: usize, actual: &'static str) -> Self {
        let expected = match &column.values {
            Values::Boolean(_) => "a boolean",
            Values::Int64 { .. } => "an integer of 64 bits",
            Values::Decimal(Decimals { precision, scale, .. }) => {
                return Self::new(at, &format!("a decimal of {precision} digits, {scale} of them after the point"), actual);
            }
            Values::Float64(_) if column.exact => {
                "a number that a 64-bit float holds to its last digit, for it tells rows apart (`decimal` and `text` hold more)"
            }
            Values::Float64(_) => "a number that a 64-bit float can hold",
            Values::Timestamp(_) => "a date-time with a zone (RFC 3339)",
            Values::Date(_) => "a date (YYYY-MM-DD)",
            Values::Text(_) => "a text",
            Values::Struct(_) => "an object",
            Values::List(_) => "an array",
            Values::Unknown | Values::Json(_) => "a value",
        };
        Self::new(at, expected, actual)
    }
}
