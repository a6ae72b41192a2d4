//! Every spelling in which a server may echo a secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::*;

const SECRET: &str = "S3cr3t~k+y/Zq9=<&>\"'";

impl Secrets {
    /// What is hidden of a text, which has to be known without a look for where.
    fn hidden<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let hidden = self.hide(text);
        assert_eq!(self.stand_in(text.as_bytes()), matches!(hidden, Cow::Owned(_)), "{text}");
        hidden
    }
}

fn knowing(secret: &str) -> Secrets {
    let secrets = Secrets::default();
    secrets.credential(secret);
    secrets
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(knowing(SECRET).hidden(text), expected, "{text}");
}

/// Every character of `text` by `spell`.
fn each(text: &str, spell: impl Fn(char) -> String) -> String {
    text.chars().map(spell).collect()
}

#[test]
fn a_secret_is_found_as_it_is_and_wherever_it_stands() {
    check(&format!("a {SECRET} b {SECRET}"), "a *** b ***");
    check(&format!("{SECRET}{SECRET}"), "***");
    check("nothing of it: S3cr3t", "nothing of it: S3cr3t");
    check(&SECRET.to_uppercase(), "***");
    check(&format!("cut: {}…", &SECRET[..17]), "cut: ***…");
    check(&format!("é{SECRET}é"), "é***é");
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    let form: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let all = percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string();
    let (lower, twice) = (all.to_lowercase(), all.replace('%', "%25"));
    let php = SECRET.replace('"', "\\\"").replace('/', "\\/");
    let net = each(SECRET, |c| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\u{:04X}", u32::from(c)) });
    let named = each(SECRET, |c| match c {
        '+' => "&plus;".to_owned(),
        '/' => "&sol;".to_owned(),
        '=' => "&equals;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '&' => "&amp;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&apos;".to_owned(),
        other => other.to_string(),
    });
    let decimal = each(SECRET, |c| format!("&#{};", u32::from(c)));
    let hex = each(SECRET, |c| format!("&#x{:x};", u32::from(c)));
    let script = each(SECRET, |c| format!("\\x{:02x}", u32::from(c)));
    let debug = format!("{SECRET:?}");
    let json = json!({"url": format!("/?k={all}")}).to_string();
    for spelled in [&form, &all, &lower, &twice, &php, &net, &named, &decimal, &hex, &script, &net.to_lowercase()] {
        check(&format!("<{spelled}>"), "<***>");
    }
    check(&debug, "\"***\"");
    check(&json, r#"{"url":"/?k=***"}"#);
    check(&json.replace('/', "\\/"), r#"{"url":"\/?k=***"}"#);
}

#[test]
fn a_secret_is_found_in_base64_with_whatever_stands_beside_it() {
    for neighbours in [("", ""), ("u:", ""), ("us:", "x"), ("user:", "\n"), ("a", "bc")] {
        let whole = format!("{}{SECRET}{}", neighbours.0, neighbours.1);
        for text in [STANDARD.encode(&whole), URL_SAFE.encode(&whole)] {
            let hidden = knowing(SECRET).hidden(&format!("Basic {text}.")).into_owned();
            let left = hidden.replace("***", "");
            assert!(hidden.contains("***") && left.len() <= "Basic .".len() + 14, "{hidden}");
            let middle = STANDARD.encode(SECRET);
            assert!(!hidden.contains(&middle[8..20]), "{hidden}");
        }
    }
}

fn base_32(bytes: &[u8]) -> String {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let digit = |bits: &[u8]| {
        let bits = std::str::from_utf8(bits).unwrap();
        char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from_str_radix(&format!("{bits:0<5}"), 2).unwrap()])
    };
    bits.as_bytes().chunks(5).map(digit).collect()
}

#[test]
fn a_secret_is_found_in_digits_of_base_16_32_and_64_twice_with_whatever_stands_beside_it() {
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for secret in [SECRET, "sesame", "k-7Qx2-s3cret", "0123456789"] {
        for neighbours in [("", ""), ("u:", ""), ("us:", "x"), ("user:", "\n"), ("a", "bc")] {
            let whole = format!("{}{secret}{}", neighbours.0, neighbours.1);
            let spelled = [
                hex(&whole),
                hex(&whole).to_uppercase(),
                base_32(whole.as_bytes()),
                base_32(whole.as_bytes()).to_lowercase(),
                STANDARD.encode(STANDARD.encode(&whole)),
                URL_SAFE.encode(STANDARD.encode(&whole)),
                STANDARD.encode(hex(&whole)),
                hex(&STANDARD.encode(&whole)),
            ];
            for (at, text) in spelled.iter().enumerate() {
                // Base64 of base 16 is two steps, of which none is known as it is.
                if at == 6 {
                    continue;
                }
                let shown = format!("/x/{text}?q");
                let hidden = knowing(secret).hidden(&shown).into_owned();
                assert!(hidden.contains("***"), "{at} {secret} {whole:?} {hidden}");
                let left = hidden.replace("***", "");
                assert!(left.len() <= shown.len() - text.len() + 26, "{at} {whole:?} {shown} {hidden}");
            }
        }
        let octal: String = secret.bytes().map(|byte| format!("\\{byte:03o}")).collect();
        assert_eq!(knowing(secret).hidden(&format!("<{octal}>")), "<***>", "{octal}");
    }
}

#[test]
fn what_digits_stand_for_by_chance_is_no_short_secret() {
    let words = "Dependencies uncharacteristically misunderstood 31323334 0123456789abcdef 0xdeadbeef \\101 cafe-babe-2026-11-30";
    let mut blob = String::new();
    let mut state = 7_u64;
    for _ in 0..100_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        blob.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize]));
    }
    for secret in ["1234", "abcd", "A0b1", "zzzzz"] {
        for text in [words, &blob] {
            assert!(text.to_lowercase().contains(&secret.to_lowercase()) || knowing(secret).hidden(text) == text, "{secret}");
        }
    }
}

#[test]
fn spaces_are_found_as_forms_and_urls_write_them() {
    for text in ["open sesame", "open+sesame", "open%20sesame", "open%2Bsesame", "open\\u0020sesame"] {
        assert_eq!(knowing("open sesame").hidden(text), "***", "{text}");
    }
}

#[test]
fn letters_that_are_not_english_are_found_too() {
    let secrets = knowing("pässwörter-für-zürich 🔑");
    assert_eq!(secrets.hidden("p%C3%A4ssw%c3%b6rter-f%C3%BCr-z%C3%BCrich %F0%9F%94%91!"), "***!");
    assert_eq!(secrets.hidden("p\\u00e4ssw\\u00F6rter-f\\u00fcr-z&#252;rich \\ud83d\\udd11!"), "***!");
}

#[test]
fn a_line_of_a_key_is_found_and_its_head_is_shown() {
    let secrets = knowing(
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\nAASCBKcwggSjAgEAAoIBAQDB\n-----END PRIVATE KEY-----\n",
    );
    assert_eq!(secrets.hidden("MIIEvQIBADANBgkqhkiG9w0BAQEF\\nAASCBKcwggSjAgEAAoIBAQDB"), "***\\n***");
    assert_eq!(secrets.hidden("no -----BEGIN PRIVATE KEY-----"), "no -----BEGIN PRIVATE KEY-----");
}

#[test]
fn what_is_short_a_number_or_a_time_is_shown() {
    for text in ["prod", "DEBUG", "1000000", "-0.25", "2026-11-01", "2026-11-01T00:00:00+01:00", "2026-11-01 00:00:00.123Z"] {
        let secrets = Secrets::default();
        secrets.value(text);
        assert_eq!(secrets.hidden(text), text);
    }
    for text in ["prod-1", "sesame", "1234567890", "2026-11-01-key"] {
        let secrets = Secrets::default();
        secrets.value(text);
        assert_eq!(secrets.hidden(text), "***");
    }
    assert_eq!(knowing("abc").hidden("abc"), "abc");
    assert_eq!(knowing("abcd").hidden("abcd"), "***");
}

#[test]
fn what_is_public_is_shown_whenever_that_was_said() {
    let secrets = Secrets::default();
    secrets.value("eu-central");
    secrets.value("sesame-street");
    secrets.allow("eu-central");
    secrets.value("eu-central");
    assert_eq!(secrets.hidden("eu-central sesame-street"), "eu-central ***");
}

#[test]
fn what_came_long_ago_makes_room_for_what_comes() {
    let secrets = knowing("of-the-config");
    for number in 0..2000 {
        secrets.passing(&format!("{number:04}-{}", "token".repeat(40)));
        let known = secrets.0.read().unwrap();
        assert!(known.passing.iter().map(Windows::count).sum::<usize>() <= PASSING_MAX + 1000);
    }
    assert_eq!(secrets.hidden("of-the-config 1999-tokentokent"), "*** ***");
}

#[test]
fn names_and_texts_of_json_are_hidden_and_none_is_lost() {
    let secrets = knowing("sesame-1");
    let value = json!({"sesame-1": 1, "Sesame-1": ["sesame%2d1", 2.50], "a": {"b": "x sesame+1"}});
    assert_eq!(secrets.hide_in(value).to_string(), r#"{"***":1,"****":["***",2.5],"a":{"b":"x ***"}}"#);
}
