//! Whatever a server writes into a `Link` header.

use reqwest::header::{HeaderMap, HeaderValue, LINK};

use crate::base::fuzz;
use crate::source::link::target;

const WORDS: &[&str] = &[
    "<",
    ">",
    ";",
    ",",
    "=",
    "\"",
    "\\",
    "\\\"",
    " ",
    "\n",
    "rel",
    "REL",
    "rel=next",
    "; rel=\"next\"",
    "rel=\"prev next\"",
    "title*=UTF-8''x",
    "<https://api.test/x?page=2&ids=1,2>",
    "</x>",
    "<>",
    "next",
    "last",
    "anchor=\"#a\"",
    "é",
    "\t",
];

fn headers(input: &[u8]) -> HeaderMap {
    let values = input.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
    values.map(|value| (LINK, value)).collect()
}

#[test]
fn any_link_header_has_a_next_link_or_none_and_a_link_before_it_changes_nothing() {
    fuzz("link", WORDS, |input| {
        let next = target(&headers(input), "next");
        let before = [b"</first>; rel=\"first prev\"; title=\"a, b; rel=next\", ", input].concat();
        assert_eq!(target(&headers(&before), "next"), next);
        let Some(next) = next else { return };
        assert!(!next.contains('>') && next.trim() == next, "{next:?}");
        assert!(String::from_utf8_lossy(input).contains(&next), "{next:?} is not in the header");
        if next.is_ascii() {
            let shown = format!("<{next}>; rel=\"next\"");
            assert_eq!(target(&headers(shown.as_bytes()), "next").as_deref(), Some(next.as_str()));
        }
    });
}
