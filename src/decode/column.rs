//! Column builders: what a page's values become before they are arrays, so that a column can widen, or lose its last rows,
//! without being read again.
//!
//! Invariants: `values` has `len` slots, except that a struct's fields may lag behind and a list's items are as many as the
//! last offset says; null slots hold defaults; bytes of texts are at most those of the page, so offsets fit 32 bits.
//! Not here: when a column widens (`push`), and to what it turns then (`convert`).

use crate::decode::Spelling;
use crate::decode::number::Significant;
use crate::decode::spelling::NumberSpelling;
use crate::decode::structs::StructBuilder;
use crate::decode::temporal::parse_timestamp;
use crate::decode::token::Number;
use crate::schema::Digits;

/// One column, struct field or list's items.
#[derive(Debug, Clone)]
pub(super) struct ColumnBuilder {
    /// Slots so far.
    pub(super) len: usize,
    pub(super) validity: Validity,
    pub(super) values: Values,
    /// Whether the type is declared, and so never widens.
    pub(super) declared: bool,
    /// Whether its values tell rows apart, so that a number is never rounded.
    pub(super) exact: bool,
    /// The same of fields below it, by their path from here.
    pub(super) exact_below: Vec<Vec<String>>,
    /// Whether numbers and booleans, declared, may also come as texts.
    pub(super) accept_text: bool,
    /// Whether an empty text is null.
    pub(super) empty_as_null: bool,
    /// Whether a value that does not fit the declared type is null, and counted.
    pub(super) unfit_as_null: bool,
}

/// Values by type.
#[derive(Debug, Clone)]
pub(super) enum Values {
    Unknown,
    Boolean(Bits),
    Int64 { values: Vec<i64>, wide: bool },
    Decimal(Decimals),
    Float64(Floats),
    Timestamp(Times),
    Date(Vec<i32>),
    Text(Texts),
    Json(Texts),
    Struct(StructBuilder),
    List(ListBuilder),
}

/// A list's offsets into its items; one more than lists.
#[derive(Debug, Clone)]
pub(super) struct ListBuilder {
    pub(super) offsets: Vec<i32>,
    pub(super) items: Box<ColumnBuilder>,
}

impl ColumnBuilder {
    /// A column without rows.
    pub(super) fn new(values: Values, declared: bool) -> Self {
        Self {
            len: 0,
            validity: Validity::default(),
            values,
            declared,
            exact: false,
            exact_below: Vec::new(),
            accept_text: false,
            empty_as_null: false,
            unfit_as_null: false,
        }
    }

    /// Makes it, or what is at `path` below it, one whose numbers are never rounded, and whose texts have no character that did not come.
    pub(super) fn keep_exact(&mut self, path: &[String]) {
        if path.is_empty() {
            self.exact = true;
            return;
        }
        match &mut self.values {
            Values::Struct(fields) => fields.keep_exact(path),
            _ => self.exact_below.push(path.to_vec()),
        }
    }

    /// An object is the first value: a struct of the column's own.
    pub(super) fn become_struct(&mut self) {
        let mut fields = StructBuilder::default();
        self.exact_below.iter().for_each(|path| fields.keep_exact(path));
        self.values = Values::Struct(fields);
    }

    /// Makes null of what does not fit the declared types of the column and of all below it.
    pub(super) fn discard_unfit(&mut self) {
        self.unfit_as_null = self.declared;
        match &mut self.values {
            Values::Struct(fields) => fields.discard_unfit(),
            Values::List(list) => list.items.discard_unfit(),
            _ => {}
        }
    }

    /// Counts the value just put into `values`.
    #[inline]
    pub(super) fn count_valid(&mut self) {
        if let Some(bits) = &mut self.validity.bits {
            bits.push(true);
        }
        self.len += 1;
    }

    /// Appends a null.
    #[inline]
    pub(super) fn push_null(&mut self) {
        self.validity.push_null(self.len);
        self.values.push_defaults(1);
        self.len += 1;
    }

    /// Appends nulls up to `len` slots.
    pub(super) fn fill(&mut self, len: usize) {
        let missing = len.saturating_sub(self.len);
        for slot in self.len..self.len + missing {
            self.validity.push_null(slot);
        }
        self.values.push_defaults(missing);
        self.len += missing;
    }

    /// Makes room for `more` slots like those there are.
    pub(super) fn reserve(&mut self, more: usize) {
        let len = self.len.max(1);
        match &mut self.values {
            Values::Unknown | Values::Boolean(_) => {}
            Values::Int64 { values, .. } => values.reserve(more),
            Values::Decimal(decimals) => decimals.values.reserve(more),
            Values::Float64(floats) => floats.values.reserve(more),
            Values::Timestamp(times) => times.values.reserve(more),
            Values::Date(values) => values.reserve(more),
            Values::Text(texts) | Values::Json(texts) => {
                texts.offsets.reserve(more);
                texts.bytes.reserve(texts.bytes.len() * more / len);
            }
            Values::Struct(fields) => fields.reserve(self.len, more),
            Values::List(list) => {
                list.offsets.reserve(more);
                list.items.reserve(list.items.len * more / len);
            }
        }
    }

    /// Forgets the slots from `len` on, and what an unfinished value left behind them.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        if let Some(bits) = &mut self.validity.bits {
            bits.truncate(len);
        }
        self.values.truncate(len);
    }

    /// Whether the slot holds a value.
    #[inline]
    pub(super) fn is_valid(&self, slot: usize) -> bool {
        slot < self.len && self.validity.bits.as_ref().is_none_or(|bits| bits.get(slot))
    }

    /// Slots that hold a value.
    pub(super) fn valid_slots(&self) -> impl Iterator<Item = usize> {
        (0..self.len).filter(|&slot| self.is_valid(slot))
    }

    /// Whether there is one value at least.
    pub(super) fn has_values(&self) -> bool {
        self.valid_slots().next().is_some()
    }
}

impl Values {
    /// Defaults for `count` null slots.
    pub(super) fn push_defaults(&mut self, count: usize) {
        match self {
            Self::Unknown | Self::Struct(_) => {}
            Self::Boolean(bits) => (0..count).for_each(|_| bits.push(false)),
            Self::Int64 { values, .. } => values.resize(values.len() + count, 0),
            Self::Decimal(decimals) => decimals.values.resize(decimals.values.len() + count, 0),
            Self::Float64(floats) => floats.values.resize(floats.values.len() + count, 0.0),
            Self::Timestamp(times) => times.values.resize(times.values.len() + count, 0),
            Self::Date(values) => values.resize(values.len() + count, 0),
            Self::Text(texts) | Self::Json(texts) => texts.push_empty(count),
            Self::List(list) => repeat_last(&mut list.offsets, count),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Unknown => {}
            Self::Boolean(bits) => bits.truncate(len),
            Self::Int64 { values, .. } => values.truncate(len),
            Self::Decimal(decimals) => {
                decimals.values.truncate(len);
                truncate_exceptions(&mut decimals.exceptions, len);
            }
            Self::Float64(floats) => {
                floats.values.truncate(len);
                truncate_exceptions(&mut floats.exceptions, len);
            }
            Self::Timestamp(times) => {
                times.values.truncate(len);
                truncate_exceptions(&mut times.exceptions, len);
            }
            Self::Date(values) => values.truncate(len),
            Self::Text(texts) | Self::Json(texts) => texts.truncate(len),
            Self::Struct(fields) => fields.truncate(len),
            Self::List(list) => {
                list.offsets.truncate(len + 1);
                list.items.truncate(last(&list.offsets));
            }
        }
    }
}

impl ListBuilder {
    /// `len` empty lists of items of no known type.
    pub(super) fn empty(len: usize, items: ColumnBuilder) -> Self {
        Self { offsets: vec![0; len + 1], items: Box::new(items) }
    }

    /// Ends the list whose items have just been appended.
    #[inline]
    pub(super) fn end(&mut self) {
        self.offsets.push(self.items.len as i32);
    }

    /// The items' slots of one list.
    pub(super) fn range(&self, slot: usize) -> std::ops::Range<usize> {
        let at = |slot: usize| self.offsets.get(slot).map_or(0, |&offset| offset as usize);
        at(slot)..at(slot + 1)
    }
}

/// Slots, ascending, and texts that their values do not give back.
pub(super) type Exceptions = Vec<(u32, Box<str>)>;

/// Floats, the digits seen, and how they were spelled.
#[derive(Debug, Clone, Default)]
pub(super) struct Floats {
    pub(super) values: Vec<f64>,
    pub(super) digits: Digits,
    pub(super) spelling: NumberSpelling,
    pub(super) exceptions: Exceptions,
}

impl Floats {
    /// Appends a number that is the shortest decimal of `value`.
    #[inline]
    pub(super) fn push(&mut self, number: &Number<'_>, value: f64) {
        let (whole, fraction) = number.digits_max();
        if whole > usize::from(self.digits.whole) || fraction > usize::from(self.digits.fraction) || number.has_exponent() {
            self.digits = self.digits.max(number.places());
        }
        if !self.spelling.note_float(number, value) {
            self.exceptions.push((self.values.len() as u32, number.text.into()));
        }
        self.values.push(value);
    }

    /// Appends a number of which `value` is only the nearest float.
    pub(super) fn push_rounded(&mut self, number: &Number<'_>, value: f64) {
        let rounded = Significant::of_float(value);
        self.digits = self.digits.max(rounded.places());
        self.exceptions.push((self.values.len() as u32, number.text.into()));
        self.values.push(value);
    }
}

/// Decimals, and how they were spelled.
#[derive(Debug, Clone)]
pub(super) struct Decimals {
    pub(super) values: Vec<i128>,
    pub(super) precision: u8,
    pub(super) scale: i8,
    pub(super) spelling: NumberSpelling,
    pub(super) exceptions: Exceptions,
}

impl Decimals {
    /// No decimals yet.
    pub(super) fn new(precision: u8, scale: i8) -> Self {
        Self { values: Vec::new(), precision, scale, spelling: NumberSpelling::default(), exceptions: Vec::new() }
    }

    /// Those of floats whose shortest decimals they are; `None` if no decimal has room for all of them.
    pub(super) fn of_floats(floats: &Floats) -> Option<Self> {
        let (precision, scale) = floats.digits.decimal()?;
        let unscaled = |value: &f64| Significant::of_float(*value).unscaled(precision, scale);
        let values = floats.values.iter().map(unscaled).collect::<Option<_>>()?;
        Some(Self { values, precision, scale, spelling: floats.spelling, exceptions: floats.exceptions.clone() })
    }

    /// Appends a number that takes `digits`, with more digits for all where it takes them; `false` if no decimal has so many.
    pub(super) fn push(&mut self, number: &Number<'_>, digits: Digits) -> bool {
        let Some((precision, scale)) = Digits::of_decimal(self.precision, self.scale).max(digits).decimal() else { return false };
        let Some(unscaled) = number.decimal(precision, scale) else { return false };
        if scale > self.scale {
            let power = 10_i128.pow(u32::from((scale - self.scale).unsigned_abs()));
            self.values.iter_mut().for_each(|value| *value *= power);
        }
        (self.precision, self.scale) = (precision, scale);
        if !self.spelling.note_decimal(number, unscaled, scale) {
            self.exceptions.push((self.values.len() as u32, number.text.into()));
        }
        self.values.push(unscaled);
        true
    }
}

/// Times, and how they were spelled.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    pub(super) values: Vec<i64>,
    pub(super) spelling: Option<Spelling>,
    pub(super) exceptions: Exceptions,
}

impl Times {
    /// Appends `text`, unless it is no time.
    #[inline]
    pub(super) fn push(&mut self, text: &str) -> bool {
        let Some((micros, spelling)) = parse_timestamp(text) else {
            return false;
        };
        if spelling != self.spelling || spelling.is_none() {
            self.note_deviation(text, spelling);
        }
        self.values.push(micros);
        true
    }

    #[cold]
    fn note_deviation(&mut self, text: &str, spelling: Option<Spelling>) {
        if self.spelling.is_none() && spelling.is_some() {
            self.spelling = spelling;
        } else {
            self.exceptions.push((self.values.len() as u32, text.into()));
        }
    }
}

/// Texts, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    pub(super) offsets: Vec<i32>,
    pub(super) bytes: Vec<u8>,
    /// Whether most of them were no JSON strings but numbers or booleans.
    pub(super) bare: bool,
    /// The others, as JSON.
    pub(super) exceptions: Exceptions,
}

impl Texts {
    /// `len` empty texts.
    pub(super) fn empty(len: usize) -> Self {
        Self { offsets: vec![0; len + 1], bytes: Vec::new(), bare: false, exceptions: Vec::new() }
    }

    /// Ends the text whose bytes have just been appended.
    #[inline]
    pub(super) fn end(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
    }

    /// Appends a text.
    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end();
    }

    /// The text in a slot.
    pub(super) fn get(&self, slot: usize) -> &str {
        let at = |slot: usize| self.offsets.get(slot).map_or(0, |&offset| offset as usize);
        std::str::from_utf8(self.bytes.get(at(slot)..at(slot + 1)).unwrap_or_default()).unwrap_or_default()
    }

    /// The slot that the next text gets.
    pub(super) fn next_slot(&self) -> u32 {
        (self.offsets.len() - 1) as u32
    }

    fn push_empty(&mut self, count: usize) {
        repeat_last(&mut self.offsets, count);
    }

    fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.bytes.truncate(last(&self.offsets));
        truncate_exceptions(&mut self.exceptions, len);
    }
}

/// The text kept for a slot as it came, if there is one.
pub(super) fn exception(exceptions: &[(u32, Box<str>)], slot: usize) -> Option<&str> {
    let found = exceptions.binary_search_by_key(&slot, |&(slot, _)| slot as usize).ok()?;
    exceptions.get(found).map(|(_, text)| &**text)
}

fn truncate_exceptions(exceptions: &mut Exceptions, len: usize) {
    while exceptions.last().is_some_and(|&(slot, _)| slot as usize >= len) {
        exceptions.pop();
    }
}

fn last(offsets: &[i32]) -> usize {
    offsets.last().map_or(0, |&offset| offset as usize)
}

fn repeat_last(offsets: &mut Vec<i32>, count: usize) {
    let end = offsets.last().copied().unwrap_or_default();
    offsets.resize(offsets.len() + count, end);
}

/// Which slots hold a value; all, until the first null.
#[derive(Debug, Clone, Default)]
pub(super) struct Validity {
    pub(super) bits: Option<Bits>,
}

impl Validity {
    /// Notes a null in the slot after the first `len`.
    #[inline]
    fn push_null(&mut self, len: usize) {
        self.bits.get_or_insert_with(|| Bits::ones(len)).push(false);
    }
}

/// Bits, least significant first, as Arrow has them.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits {
    pub(super) words: Vec<u64>,
    pub(super) len: usize,
}

impl Bits {
    fn ones(len: usize) -> Self {
        let mut bits = Self { words: vec![u64::MAX; len.div_ceil(64)], len: len.div_ceil(64) * 64 };
        bits.truncate(len);
        bits
    }

    /// `len` zeros.
    pub(super) fn zeros(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(64)], len }
    }

    #[inline]
    pub(super) fn push(&mut self, bit: bool) {
        let place = self.len % 64;
        if place == 0 {
            self.words.push(u64::from(bit));
        } else if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << place;
        }
        self.len += 1;
    }

    pub(super) fn get(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.words.truncate(len.div_ceil(64));
        if let (Some(word), place @ 1..) = (self.words.last_mut(), len % 64) {
            *word &= (1 << place) - 1;
        }
    }
}
