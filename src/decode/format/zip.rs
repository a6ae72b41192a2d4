//! zip archives: the one file inside, or those that the config names.

use std::io::{Cursor, Read};

use serde_json::Value;
use zip::ZipArchive;

use crate::config::yaml;

/// How a zip archive with something in it begins.
const MAGIC: &[u8] = b"PK\x03\x04";
/// How one with nothing in it does.
const EMPTY_MAGIC: &[u8] = b"PK\x05\x06";
/// Most bytes that come out of an archive.
const UNPACKED_MAX: u64 = 1 << 30;
/// Most entries of an archive, folders included.
const ENTRIES_MAX: usize = 10_000;

/// A file of an archive.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Whether a body that begins so is a zip archive.
pub(super) fn is_archive(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || head.starts_with(EMPTY_MAGIC)
}

/// The files of `body` that are read, in the order of their names; `None` when it is no archive. Why not, otherwise.
pub(super) fn members(body: &[u8], wanted: Option<&str>) -> Result<Option<Vec<Member>>, String> {
    if !is_archive(body) {
        return Ok(None);
    }
    let damaged = |error: zip::result::ZipError| format!("is a damaged zip archive: {error}");
    let mut archive = ZipArchive::new(Cursor::new(body)).map_err(damaged)?;
    if archive.len() > ENTRIES_MAX {
        return Err(format!("is a zip archive of more than {ENTRIES_MAX} files"));
    }
    let (mut names, mut others) = (Vec::new(), Vec::new());
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at).map_err(damaged)?;
        let name = file.name().map_err(damaged)?.into_owned();
        let is_wanted = match wanted {
            Some(pattern) => matches(pattern, &name),
            // What macOS puts beside the files.
            None => !name.starts_with("__MACOSX/"),
        };
        if is_wanted && !file.is_dir() {
            names.push((name, at));
        } else if !file.is_dir() {
            others.push(name);
        }
    }
    names.sort();
    match (names.as_slice(), wanted) {
        ([], Some(pattern)) if !others.is_empty() => {
            return Err(format!("is a zip archive without a file `{pattern}`; {}", named(&others)));
        }
        ([], _) => return Err(format!("is a zip archive without a file; {NONE}")),
        ([_, _, ..], None) => {
            let names: Vec<String> = names.into_iter().map(|(name, _)| name).collect();
            return Err(format!("is a zip archive of {} files; {}", names.len(), named(&names)));
        }
        _ => {}
    }
    let (mut left, mut all) = (UNPACKED_MAX, Vec::new());
    for (name, at) in names {
        let file = archive.by_index(at).map_err(damaged)?;
        let mut bytes = Vec::new();
        // The sizes that an archive tells may be wrong: what comes out is counted.
        let read = file
            .take(left + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| format!("is a damaged zip archive at `{name}`: {error}"))?;
        left = left.checked_sub(read as u64).ok_or_else(|| format!("unpacks to more than {UNPACKED_MAX} bytes"))?;
        all.push(Member { name, bytes });
    }
    Ok(Some(all))
}

/// What to write where an archive has nothing in it.
const NONE: &str = r#"where that is a page without records, `endpoint.response_actions: [{content: "PK\u0005\u0006", action: ignore}]` ends the resource there"#;
/// Most files that are named.
const NAMED_MAX: usize = 5;

/// The files of an archive, and what to write for the first of them.
fn named(names: &[String]) -> String {
    let mut shown: Vec<String> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    if names.len() > NAMED_MAX {
        shown.push(format!("{} more", names.len() - NAMED_MAX));
    }
    let member = yaml(&Value::from(names[0].as_str()));
    format!("it has {}: write which in `endpoint.response_format`, such as `member: {member}`", shown.join(", "))
}

/// Whether `name`, or its last part, is what `pattern` says; `*` stands for any characters.
fn matches(pattern: &str, name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    glob(pattern.as_bytes(), name.as_bytes()) || glob(pattern.as_bytes(), last.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where to go on when what follows the latest `*` does not match.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if text.get(t) == Some(byte) => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    (p, t) = (after, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}
