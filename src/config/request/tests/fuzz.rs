//! Whatever stands behind a placeholder's name, and whatever an API puts into its records.

use super::*;
use crate::base::fuzz;

const WORDS: &[&str] = &[
    "!r",
    "!s",
    "!a",
    ":",
    ":>5",
    ":05d",
    ":*^9",
    ":.3",
    ":<",
    "0",
    "999",
    "1001",
    "99999999999999999999999",
    "d",
    "s",
    "x",
    ".2f",
    "=",
    "+",
    "é",
    "..",
    "%2e",
    "%2E.",
    "/",
    "\\",
    "?",
    "#",
    "%",
    "@",
    "://",
    "//evil.test/",
    "\t",
    "\n",
    " ",
    "\u{0}",
    "&",
    "{",
    "}",
];

#[test]
fn any_format_is_pythons_or_refused_and_makes_texts_as_wide_as_it_says() {
    fuzz("format", WORDS, |input| {
        let written = String::from_utf8_lossy(input);
        let Ok(format) = Format::parse(&written) else { return };
        let spec = written.split_once(':').map_or("", |(_, spec)| spec);
        let spec = spec.trim_end_matches(['s', 'd']).split('.').next().unwrap_or_default();
        let digits = spec.chars().rev().take_while(char::is_ascii_digit).count();
        let width: usize = spec[spec.len() - digits..].parse().unwrap_or(if digits == 0 { 0 } else { usize::MAX });
        for value in ["1", "-42", "1.50", "true", r#""ab""#, r#""it's \"é\"\\""#, r#""""#, "[1]", "12345678901234567890"] {
            let Ok(text) = format.apply(value) else { continue };
            assert!(text.chars().count() >= width, "{written:?} makes {text:?} of {value}");
            assert!(text.chars().count() <= 2_000, "{written:?}");
        }
    });
}

#[test]
fn no_value_of_a_record_leads_a_request_elsewhere() {
    let open = [
        "http://a.test/x/{0}",
        "http://a.test/x/{0}/y",
        "http://a.test/x/.{0}/y",
        "http://a.test/x/{0}{0}/y",
        "http://a.test/x/y?q={0}&z=1",
    ];
    let open = open.map(|text| (text, template(text)));
    fuzz("value", WORDS, |input| {
        let value = serde_json::Value::from(String::from_utf8_lossy(input)).to_string();
        let values = [Some(value.as_str())];
        for (text, template) in &open {
            let Ok(url) = template.url(&with(&values)) else { continue };
            let url = url::Url::parse(&url).unwrap_or_else(|error| panic!("{text} with {value} is {url}: {error}"));
            assert_eq!((url.scheme(), url.host_str(), url.port()), ("http", Some("a.test"), None), "{text} with {value}");
            assert_eq!((url.username(), url.password(), url.fragment()), ("", None, None), "{text} with {value}");
            let path = url.path();
            assert!(path.starts_with("/x/") && (!text.ends_with("/y") || path.ends_with("/y")), "{text} with {value} is {url}");
            let keys: Vec<String> = url.query_pairs().map(|(key, _)| key.into_owned()).collect();
            assert_eq!(keys, if text.contains('?') { vec!["q", "z"] } else { vec![] }, "{text} with {value} is {url}");
        }
    });
}
