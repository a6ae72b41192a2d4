//! The formats of placeholders: `{x!r}`, `{x:>5}`, `{x:05d}`.
//!
//! Of Python's format language (the "Format Specification Mini-Language" of its library reference) the part for text and integers: fill,
//! alignment, `0`, width, precision, `s` and `d`. What is left out is refused by name when the config is read.

use crate::config::request::template::as_text;

/// Widest text that a format makes, in characters.
const WIDTH_MAX: usize = 1000;

/// How a value becomes text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Format {
    /// `!r`: text in Python's quotes.
    quoted: bool,
    fill: Option<char>,
    align: Option<Align>,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    integer: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    Middle,
}

/// Why a format cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormatError {
    /// `d` and something that is no integer.
    #[error("its format `d` is for integers, and the value is none")]
    NotInteger,
}

impl Format {
    /// Reads what follows the name: `!s`, `!r`, `:spec`, or both.
    ///
    /// # Errors
    /// What is not understood, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut format = Self::default();
        let mut rest = text;
        if let Some(conversion) = rest.strip_prefix('!') {
            let end = conversion.find(':').unwrap_or(conversion.len());
            match &conversion[..end] {
                "s" => {}
                "r" => format.quoted = true,
                _ => return Err("has a conversion other than `!s` and `!r`"),
            }
            rest = &conversion[end..];
        }
        let Some(spec) = rest.strip_prefix(':') else {
            return if rest.is_empty() { Ok(format) } else { Err("has something behind its name that is no format") };
        };
        format.read_spec(spec)?;
        Ok(format)
    }

    fn read_spec(&mut self, spec: &str) -> Result<(), &'static str> {
        let chars: Vec<char> = spec.chars().collect();
        let mut at = 0;
        match (chars.first().copied(), chars.get(1).copied().and_then(align)) {
            (Some(fill), Some(align)) => (self.fill, self.align, at) = (Some(fill), Some(align), 2),
            (Some(first), None) if align(first).is_some() => (self.align, at) = (align(first), 1),
            _ => {}
        }
        if chars.get(at) == Some(&'0') {
            (self.zero, at) = (true, at + 1);
        }
        let number = |at: &mut usize| -> Option<usize> {
            let start = *at;
            while chars.get(*at).is_some_and(char::is_ascii_digit) {
                *at += 1;
            }
            // A number past the largest is too wide as well.
            (start < *at).then(|| chars[start..*at].iter().collect::<String>().parse().unwrap_or(usize::MAX))
        };
        self.width = number(&mut at).unwrap_or(0);
        if chars.get(at) == Some(&'.') {
            at += 1;
            self.precision = Some(number(&mut at).ok_or("has a format with a precision that is no number")?);
        }
        match chars[at..] {
            [] | ['s'] => {}
            ['d'] if self.precision.is_none() => self.integer = true,
            _ => return Err("has a format other than fill, alignment, `0`, width, precision, `s` and `d`"),
        }
        if self.width > WIDTH_MAX { Err("has a format wider than 1000 characters") } else { Ok(()) }
    }

    /// The text of a JSON value in this format.
    ///
    /// # Errors
    /// [`FormatError`].
    pub(super) fn apply(&self, json: &str) -> Result<String, FormatError> {
        let is_number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if self.integer && (!is_number || json.contains(['.', 'e', 'E'])) {
            return Err(FormatError::NotInteger);
        }
        let mut text = as_text(json).into_owned();
        if self.quoted && json.starts_with('"') {
            let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
            let escaped = text.replace('\\', "\\\\").replace('\n', "\\n").replace(quote, &format!("\\{quote}"));
            text = format!("{quote}{escaped}{quote}");
        }
        if let Some(precision) = self.precision {
            text = text.chars().take(precision).collect();
        }
        let missing = self.width.saturating_sub(text.chars().count());
        let fill = self.fill.unwrap_or(if self.zero { '0' } else { ' ' });
        let default = if is_number && !self.quoted { Align::Right } else { Align::Left };
        let pad = |count: usize| fill.to_string().repeat(count);
        Ok(match self.align.unwrap_or(default) {
            Align::Right if self.zero && self.align.is_none() && text.starts_with('-') => {
                format!("-{}{}", pad(missing), &text[1..])
            }
            Align::Right => format!("{}{text}", pad(missing)),
            Align::Left => format!("{text}{}", pad(missing)),
            Align::Middle => format!("{}{text}{}", pad(missing / 2), pad(missing - missing / 2)),
        })
    }
}

fn align(c: char) -> Option<Align> {
    match c {
        '<' => Some(Align::Left),
        '>' => Some(Align::Right),
        '^' => Some(Align::Middle),
        _ => None,
    }
}
