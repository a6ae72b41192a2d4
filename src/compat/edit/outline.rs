//! The outline of a config's text: which characters each value takes up, and how it is written.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Deepest nesting; a config that was read is not deeper.
const DEPTH_MAX: usize = 64;

/// A value and the characters it takes up.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) start: usize,
    /// Behind its last character.
    pub(super) end: usize,
    /// Whether it carries an anchor or a tag: what is changed here is changed elsewhere, or means something else.
    tied: bool,
    pub(super) form: Form,
}

/// How a value is written.
#[derive(Debug)]
pub(super) enum Form {
    /// A scalar, with its text.
    Scalar(String),
    /// A list, within `[ ]` or not.
    List(Vec<Outline>, bool),
    /// A map, within `{ }` or not.
    Map(Vec<Member>, bool),
    /// An alias, or a key that is no text.
    Other,
}

/// A key of a map.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: Outline,
}

impl Outline {
    /// Reads a text that is known to be a config; `None` where it is not.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut parser = Parser::new_from_str(text);
        loop {
            let (event, span) = parser.next_event()?.ok()?;
            if !matches!(event, Event::StreamStart | Event::DocumentStart(_) | Event::Nothing) {
                return value(&mut parser, event, span, 0);
            }
        }
    }

    /// The member `key` of a map that may be edited.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        self.members()?.iter().find(|member| member.key == key)
    }

    /// The members of a map that may be edited: not tied, without merge keys.
    pub(super) fn members(&self) -> Option<&[Member]> {
        match &self.form {
            Form::Map(members, _) if !self.tied && members.iter().all(|member| member.key != "<<") => Some(members),
            _ => None,
        }
    }

    /// The text of a scalar that may be edited.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.form {
            Form::Scalar(text) if !self.tied => Some(text),
            _ => None,
        }
    }

    /// Whether it stands within `{ }` or `[ ]`.
    pub(super) fn is_flow(&self) -> bool {
        matches!(self.form, Form::List(_, true) | Form::Map(_, true))
    }
}

type Events<'t> = Parser<'t, saphyr_parser::StrInput<'t>>;

fn value(parser: &mut Events<'_>, event: Event<'_>, span: Span, depth: usize) -> Option<Outline> {
    let (start, end) = (span.start.index(), span.end.index());
    let flow = end > start;
    if depth > DEPTH_MAX {
        return None;
    }
    Some(match event {
        Event::Scalar(text, style, anchor, tag) => {
            let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
            let form = if block { Form::Other } else { Form::Scalar(text.into_owned()) };
            Outline { start, end, tied: anchor > 0 || tag.is_some(), form }
        }
        Event::SequenceStart(anchor, tag) => {
            let mut items = Vec::new();
            loop {
                let (event, span) = parser.next_event()?.ok()?;
                if matches!(event, Event::SequenceEnd) {
                    let end = span.end.index();
                    break Outline { start, end, tied: anchor > 0 || tag.is_some(), form: Form::List(items, flow) };
                }
                items.push(value(parser, event, span, depth + 1)?);
            }
        }
        Event::MappingStart(anchor, tag) => {
            let mut members = Vec::new();
            loop {
                let (event, span) = parser.next_event()?.ok()?;
                if matches!(event, Event::MappingEnd) {
                    let end = span.end.index();
                    break Outline { start, end, tied: anchor > 0 || tag.is_some(), form: Form::Map(members, flow) };
                }
                let key = value(parser, event, span, depth + 1)?;
                let (event, span) = parser.next_event()?.ok()?;
                let value = value(parser, event, span, depth + 1)?;
                let Form::Scalar(text) = key.form else { return None };
                members.push(Member { key: text, start: key.start, end: key.end, value });
            }
        }
        Event::Alias(_) => Outline { start, end, tied: true, form: Form::Other },
        _ => return None,
    })
}
