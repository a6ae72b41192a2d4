//! The `Link` header (RFC 8288).
//!
//! In: header values. Out: the target of a relation, as written. Quoted strings, commas inside `<…>`, several relations in
//! one `rel`, upper case and several headers are all understood; a damaged link is skipped, the ones after it are not.

use reqwest::header::{HeaderMap, LINK};

use crate::base::start_of;

/// Most characters of a header that are shown.
const SHOWN_CHARS_MAX: usize = 100;

/// The first link of relation `rel` (compared without case), as written between `<` and `>`.
pub(super) fn target(headers: &HeaderMap, rel: &str) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        Links { rest: &text }.find(|link| link.has_rel(rel) && !link.is_empty).map(|link| link.target.to_owned())
    })
}

/// Whether a header has a link of relation `rel` that can be read, also one that says that nothing is there.
pub(super) fn has(headers: &HeaderMap, rel: &str) -> bool {
    headers.get_all(LINK).iter().any(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        Links { rest: &text }.any(|link| link.has_rel(rel))
    })
}

/// A header that names a link of relation `rel`, but not so that it can be read: `rel='next'`, or a target without `<` and `>`.
pub(super) fn unread(headers: &HeaderMap, rel: &str) -> Option<String> {
    if has(headers, rel) {
        return None;
    }
    let texts = headers.get_all(LINK).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    texts.into_iter().find(|text| names_relation(text, rel)).map(|text| start_of(text.trim(), SHOWN_CHARS_MAX))
}

/// Whether `rel` follows a `rel=` of the text, whatever is around it.
fn names_relation(text: &str, rel: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.match_indices("rel").any(|(at, name)| {
        let Some(value) = lower[at + name.len()..].trim_start().strip_prefix('=') else { return false };
        let value = value.split([';', ',']).next().unwrap_or_default();
        value.split(|c: char| c.is_ascii_whitespace() || "'\"<>`".contains(c)).any(|word| word.eq_ignore_ascii_case(rel))
    })
}

struct Link<'a> {
    target: &'a str,
    rel: Option<String>,
    /// Sentry's `results="false"`: the page that it leads to has no records.
    is_empty: bool,
}

impl Link<'_> {
    fn has_rel(&self, wanted: &str) -> bool {
        self.rel.as_ref().is_some_and(|rel| rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case(wanted)))
    }
}

/// Links of one header value.
struct Links<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Links<'a> {
    type Item = Link<'a>;

    fn next(&mut self) -> Option<Link<'a>> {
        loop {
            self.rest = self.rest.trim_start_matches(|c: char| c == ',' || c.is_ascii_whitespace());
            if self.rest.is_empty() {
                return None;
            }
            if let Some(inside) = self.rest.strip_prefix('<') {
                let (target, rest) = inside.split_once('>')?;
                self.rest = rest;
                let (rel, is_empty) = self.parameters();
                return Some(Link { target: target.trim(), rel, is_empty });
            }
            self.skip_to_comma();
        }
    }
}

impl<'a> Links<'a> {
    /// Reads `;name=value` up to the next link: the first `rel` (RFC 8288 §3.3), and whether `results` is false.
    fn parameters(&mut self) -> (Option<String>, bool) {
        let (mut rel, mut is_empty) = (None, false);
        loop {
            self.rest = self.rest.trim_ascii_start();
            let Some(parameter) = self.rest.strip_prefix(';') else {
                self.skip_to_comma();
                return (rel, is_empty);
            };
            let parameter = parameter.trim_ascii_start();
            let name_end = parameter.find(['=', ';', ',']).unwrap_or(parameter.len());
            let (name, rest) = parameter.split_at(name_end);
            self.rest = rest;
            let Some(value) = rest.strip_prefix('=') else { continue };
            let value = self.value(value.trim_ascii_start());
            is_empty |= name.trim().eq_ignore_ascii_case("results") && value.eq_ignore_ascii_case("false");
            if name.trim().eq_ignore_ascii_case("rel") && rel.is_none() {
                rel = Some(value);
            }
        }
    }

    fn value(&mut self, text: &'a str) -> String {
        // The caller hands in a part of `self.rest`, so what is left is measured from its end.
        let (value, left) = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = text.find([';', ',']).unwrap_or(text.len());
                (text[..end].trim().to_owned(), text.len() - end)
            }
        };
        self.rest = &self.rest[self.rest.len() - left..];
        value
    }

    fn skip_to_comma(&mut self) {
        self.rest = self.rest.find(',').map_or("", |at| &self.rest[at..]);
    }
}

/// The text of a quoted string and how many bytes stand behind its closing quote.
fn unquote(quoted: &str) -> (String, usize) {
    let (mut value, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            _ => value.push(c),
        }
    }
    (value, chars.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], next: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(LINK, value.parse().unwrap());
        }
        assert_eq!(target(&headers, "next").as_deref(), next, "{values:?}");
    }

    #[test]
    fn e_87_link_headers_are_read_by_rfc_8288() {
        check(&[r#"<https://a.test/x?page=2>; rel="next""#], Some("https://a.test/x?page=2"));
        check(&["<https://a.test/x?page=2>; rel=next"], Some("https://a.test/x?page=2"));
        check(&[r#"<https://a.test/x?page=2>;REL="NEXT""#], Some("https://a.test/x?page=2"));
        check(&[r#"</1>; rel="prev", </3>; rel="next""#], Some("/3"));
        check(&[r#"</1>; rel="prev""#, r#"</3>; rel="last next""#], Some("/3"));
        check(&[r#"</x?ids=1,2,3>; title="a, \"b\"; rel=next"; rel="next", </y>; rel=last"#], Some("/x?ids=1,2,3"));
        check(&[r#"< /x >; rel = "next""#], Some("/x"));
        check(&["</first>; rel=first; rel=next, </second>; rel=next"], Some("/second"));
        check(&["broken, </x>; rel=next"], Some("/x"));
        check(&[r#"</1>; rel="previous"; results="false", </2>; rel="next"; results="true"; cursor="0:1""#], Some("/2"));
        check(&[r#"</1>; rel="previous"; results="true", </2>; rel="next"; results="false"; cursor="0:1""#], None);
    }

    #[test]
    fn a_next_link_that_cannot_be_read_is_told_from_none() {
        let unread = |text: &str| unread(&[(LINK, text.parse().unwrap())].into_iter().collect(), "next").is_some();
        for text in ["</x>; rel='next'", r#"/x; rel="next""#, "https://a.test/x?page=2; REL=Next", "</x; rel=\"prev next\""] {
            assert!(unread(text), "{text}");
        }
        for text in ["</x>; rel=next", "</x>; rel='prev'", "</next>; rel=prev", r#"</x>; rel="nextish""#, "next", ""] {
            assert!(!unread(text), "{text}");
        }
    }

    #[test]
    fn no_next_link_is_none() {
        check(&[], None);
        check(&[""], None);
        check(&["<"], None);
        check(&["</x>"], None);
        check(&[r#"</x>; rel="nextish""#], None);
        check(&[r#"</x>; rel="next"#.trim_end_matches("next")], None);
        check(&["</x>; rel"], None);
    }

    proptest::proptest! {
        #[test]
        fn any_header_text_is_read_without_panic(text in "[<>;,=\" a-zé\\\\]{0,60}") {
            let _ = Links { rest: &text }.count();
        }
    }
}
