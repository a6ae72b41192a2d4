//! `{placeholders}` in paths, params, bodies and headers, as dlt writes them (Python's `str.format`).
//!
//! Braces that came in by `${…}` are text. `{{` and `}}` are braces.

use crate::config::Problem;
use crate::config::tree::Text;

/// The text with its placeholders filled in by `value`, which answers `None` for a name it does not have.
///
/// # Errors
/// The first placeholder that cannot be filled in. With `hide`, the message does not show it.
pub(crate) fn fill(
    text: &Text,
    hide: bool,
    value: &mut dyn FnMut(&str) -> Option<Result<String, Problem>>,
) -> Result<String, Problem> {
    let mut filled = String::with_capacity(text.text.len());
    let mut rest = text.text.char_indices().peekable();
    let refuse = |name: &str, why| Err(Problem::Placeholder { name: if hide { "…".to_owned() } else { name.to_owned() }, why });
    while let Some((at, c)) = rest.next() {
        let given = text.given.iter().any(|range| range.contains(&at));
        let doubled = !given && rest.peek().is_some_and(|(_, next)| *next == c);
        match c {
            '{' | '}' if given => filled.push(c),
            '{' | '}' if doubled => {
                rest.next();
                filled.push(c);
            }
            '}' => return Err(Problem::Brace { brace: c }),
            '{' if !text.text[at..].contains('}') => return Err(Problem::Brace { brace: c }),
            '{' => {
                let name: String = rest.by_ref().map(|(_, c)| c).take_while(|&c| c != '}').collect();
                if name.starts_with("resources.") || name.starts_with("incremental.") {
                    return Err(Problem::NotYet { what: format!("{{{name}}}") });
                }
                match value(&name) {
                    Some(value) => filled.push_str(&value?),
                    None => return refuse(&name, "cannot be filled in; write `{{` and `}}` for braces"),
                }
            }
            c => filled.push(c),
        }
    }
    Ok(filled)
}

/// The text of a value that has no names to fill in.
///
/// # Errors
/// A placeholder in it.
pub(crate) fn fill_none(text: &Text, hide: bool) -> Result<String, Problem> {
    fill(text, hide, &mut |_| None)
}

/// dlt's rule for an endpoint with a single record: the last segment of its path has a placeholder.
pub(crate) fn names_single_entity(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().replace("{{", "").replace("}}", "");
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    last.split('{')
        .skip(1)
        .any(|part| part.split_once('}').is_some_and(|(inner, _)| !inner.is_empty() && inner.chars().all(name)))
}
