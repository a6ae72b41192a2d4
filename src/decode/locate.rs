//! Where an offset lies in a page: looked for again once something is wrong, so that reading need not keep track.

use crate::base::{JsonPath, Step, start_of};
use crate::decode::reader::Reader;

/// The path of the innermost value that has begun and not ended before `offset`, or that begins there; from the page's text as far as it is
/// JSON. `None` before the first value.
pub(super) fn path_at(text: &str, offset: usize) -> Option<JsonPath> {
    let mut reader = Reader::new(text);
    reader.skip_space();
    let mut steps = Vec::new();
    (reader.pos <= offset).then(|| {
        descend(&mut reader, offset, &mut steps);
        JsonPath::from_steps(steps)
    })
}

/// Follows the value that is next towards `offset`. Whatever is no JSON ends the walk: it is what was wrong.
fn descend(reader: &mut Reader<'_>, offset: usize, steps: &mut Vec<Step>) {
    let container = reader.peek();
    if !matches!(container, b'{' | b'[') || reader.pos == offset || reader.enter().is_err() {
        return;
    }
    let close = container + 2;
    let mut index = 0;
    while reader.pos <= offset && reader.peek() != close {
        let mut start = reader.pos;
        let step = if container == b'{' {
            let Ok(key) = reader.key() else {
                return;
            };
            Step::Key(reader.resolve(key, &mut Vec::new()).to_owned())
        } else {
            start = reader.pos;
            Step::Index(index)
        };
        let value = reader.clone();
        // Within the name, too, the member is the place; behind the value, its parent is.
        if reader.skip_value().is_err() || (start <= offset && offset < reader.pos) {
            *reader = value;
            steps.push(step);
            descend(reader, offset, steps);
            return;
        }
        index += 1;
        if !matches!(reader.more(close), Ok(true)) {
            return;
        }
    }
}

/// What is at the top of a page, in words: the names of an object's members, or another value's kind.
pub(super) fn top_level(text: &str) -> String {
    const NAMES_MAX: usize = 20;
    let mut reader = Reader::new(text);
    reader.skip_space();
    if reader.peek() != b'{' {
        return format!("no members: it is of kind {}", reader.kind());
    }
    let mut names = Vec::new();
    if reader.enter().is_ok() && reader.peek() != b'}' {
        while let Ok(key) = reader.key() {
            names.push(start_of(reader.resolve(key, &mut Vec::new()), 60));
            if reader.skip_value().is_err() || !matches!(reader.more(b'}'), Ok(true)) {
                break;
            }
        }
    }
    let more = names.len().saturating_sub(NAMES_MAX);
    names.truncate(NAMES_MAX);
    let shown: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match (shown.len(), more) {
        (0, _) => "no members".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
