//! What may not be shown: every secret that this process was told, found again in a text however the text spells it.
//!
//! In: values that came by `${…}`, credentials of a config, tokens and cookies that came while the run went on. Out: texts and JSON
//! with `***` in their place. There is one [`secrets()`] for the process: whatever writes asks it, whoever told it.
//!
//! A secret is kept as its *windows*, all pieces of sixteen bytes, so that a piece of it is found too: the start of one that was cut
//! short, a line of a key. Letters count the same in either case, and so do `+`, `-` and a space, and `_` and `/`, by which the alphabets
//! of Base64 and of forms differ. `spelling` undoes what APIs do to texts; in base 16, 32 and 64 a secret is known by its digits (`digits`).
//! So a text is looked through once for each encoding that is undone, and the work for a spelling is done once a secret.

mod digits;
mod spelling;
mod window;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use serde_json::{Map, Value};

use crate::base::secrets::spelling::{View, undone};
use crate::base::secrets::window::Windows;

/// What stands in a secret's place.
const HIDDEN: &str = "***";
/// Characters of the shortest credential that is hidden: less stands in every second word.
const CREDENTIAL_CHARS_MIN: usize = 4;
/// Characters of the shortest value from outside the config that is hidden.
const VALUE_CHARS_MIN: usize = 6;
/// A value of digits alone is hidden from so many on; a shorter one is a limit, a page or an id.
const DIGITS_MIN: usize = 10;
/// Windows of secrets that came while the run went on, after which the older ones are forgotten in halves.
const PASSING_MAX: usize = 500_000;
/// Encodings within encodings that are undone.
const DEPTH_MAX: usize = 4;

/// The secrets of this process.
pub(crate) fn secrets() -> &'static Secrets {
    static SECRETS: LazyLock<Secrets> = LazyLock::new(Secrets::default);
    &SECRETS
}

/// Secrets that were told.
#[derive(Default)]
pub(crate) struct Secrets(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// Those of the config, kept whole: what turns out to be public is taken out again.
    told: Vec<String>,
    public: HashSet<String>,
    lasting: Windows,
    passing: [Windows; 2],
}

impl Secrets {
    /// Remembers a value that came by `${…}`. One of fewer than six characters, a number of fewer than ten digits and a date or time are
    /// no secrets: hiding them would blank half of every message.
    pub(crate) fn value(&self, text: &str) {
        if text.chars().count() >= VALUE_CHARS_MIN && !is_number(text) && !is_time(text) {
            self.tell(text);
        }
    }

    /// Remembers a credential, from four characters on.
    pub(crate) fn credential(&self, text: &str) {
        if text.chars().count() >= CREDENTIAL_CHARS_MIN {
            self.tell(text);
        }
    }

    /// Remembers a secret that came while the run went on, by the rule of [`Secrets::credential`], if it is no number or time. There may
    /// be many; the latest are known.
    pub(crate) fn passing(&self, text: &str) {
        if text.chars().count() < CREDENTIAL_CHARS_MIN || is_number(text) || is_time(text) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.passing[0].count() > PASSING_MAX / 2 {
            known.passing.swap(0, 1);
            known.passing[0] = Windows::default();
        }
        known.passing[0].add(text);
    }

    /// Lets a text be shown, also where it was told as a secret.
    pub(crate) fn allow(&self, text: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        if text.is_empty() || !known.public.insert(text.to_owned()) {
            return;
        }
        known.told.retain(|told| told != text);
        known.lasting = Windows::default();
        known.told.iter().for_each(|told| known.lasting.add(told));
    }

    /// Whether a text was said to be public.
    pub(crate) fn is_public(&self, text: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).public.contains(text)
    }

    fn tell(&self, text: &str) {
        let is_known = |known: &Known| known.public.contains(text) || known.told.iter().any(|told| told == text);
        if is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !is_known(&known) {
            known.lasting.add(text);
            known.told.push(text.to_owned());
        }
    }

    /// The text with `***` for every secret.
    pub(crate) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let found = self.find(text.as_bytes());
        if found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(struck(text, found)) }
    }

    /// Where secrets, or pieces of them, stand in `text`, in order and joined where they meet.
    pub(crate) fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut view = View::plain(text);
        for depth in 0..DEPTH_MAX {
            if depth > 0 {
                let Some(decoded) = view.decoded() else { break };
                view = decoded;
            }
            known.find(&view, &mut found);
        }
        joined(found)
    }

    /// Whether a secret stands in `bytes`, by the rules of [`Secrets::hide`], without a look for where.
    pub(crate) fn stand_in(&self, bytes: &[u8]) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return false;
        }
        let mut bytes = Cow::Borrowed(bytes);
        for _ in 1..DEPTH_MAX {
            if known.stand_in(&bytes) {
                return true;
            }
            let Some(undone) = undone(&bytes, |_| ()) else { return false };
            bytes = Cow::Owned(undone);
        }
        known.stand_in(&bytes)
    }

    /// The value with `***` for every secret in its texts and names.
    pub(crate) fn hide_in(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.hide(&text).into_owned()),
            Value::Array(elements) => elements.into_iter().map(|element| self.hide_in(element)).collect(),
            Value::Object(members) => {
                let mut hidden = Map::with_capacity(members.len());
                for (name, value) in members {
                    let mut name = self.hide(&name).into_owned();
                    // Two names that are hidden stay two.
                    while hidden.contains_key(&name) {
                        name.push('*');
                    }
                    hidden.insert(name, self.hide_in(value));
                }
                Value::Object(hidden)
            }
            other => other,
        }
    }
}

impl Known {
    fn is_empty(&self) -> bool {
        self.lasting.count() + self.passing[0].count() + self.passing[1].count() == 0
    }

    /// Adds to `found` where pieces of secrets stand in the text that `view` was made of.
    fn find(&self, view: &View<'_>, found: &mut Vec<Range<usize>>) {
        for windows in self.windows() {
            windows.find(view.bytes(), |range| {
                found.push(view.place(range));
                false
            });
        }
    }

    fn stand_in(&self, bytes: &[u8]) -> bool {
        self.windows().into_iter().any(|windows| windows.find(bytes, |_| true))
    }

    fn windows(&self) -> [&Windows; 3] {
        [&self.lasting, &self.passing[0], &self.passing[1]]
    }
}

/// The ranges in order, those that meet as one.
fn joined(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in found {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}

/// `text` with each of the `found` ranges as `***`.
fn struck(text: &str, found: Vec<Range<usize>>) -> String {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    for range in found {
        // A piece may begin or end within a character.
        let (start, end) = (text.floor_char_boundary(range.start).max(at), text.ceil_char_boundary(range.end));
        out.push_str(&text[at..start]);
        out.push_str(HIDDEN);
        at = end.max(start);
    }
    out.push_str(&text[at..]);
    out
}

fn is_number(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits < DIGITS_MIN && text.parse::<f64>().is_ok()
}

/// A day, or a day and a time in whatever form.
fn is_time(text: &str) -> bool {
    let day = text.get(..10).unwrap_or_default();
    let is_day = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d").is_ok();
    is_day && text.len() <= 35 && text[10..].bytes().all(|b| b.is_ascii_digit() || b"T :.+-Z".contains(&b))
}

#[cfg(test)]
mod tests;
