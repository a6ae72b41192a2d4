//! Bodies that are not what they were: pages for people, JSON that is cut, other encodings, other types, other members.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::value::RawValue;

use crate::source::recording::misbehave::story::Story;
use crate::source::recording::misbehave::{Misbehaviour, Truth};

/// See the header.
pub(super) const CONTENT: &[Misbehaviour] = &[
    Misbehaviour {
        name: "html_once",
        sentence: "a page of HTML with 200 once instead of records",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(
                at,
                200,
                &[("content-type", "text/html")],
                "<!doctype html><html><body>We will be right back</body></html>",
            );
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "html_forever",
        sentence: "a page of HTML with 200 instead of records",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(
                at,
                200,
                &[("content-type", "text/html")],
                "<!doctype html><html><body>We will be right back</body></html>",
            );
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "error_with_success",
        sentence: "200 with an error object instead of records",
        outcomes: &[3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 200, &[], "{\"error\":\"internal\",\"message\":\"something went wrong\"}");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "null_body",
        sentence: "200 with null instead of records",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 200, &[], "null");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "empty_object",
        sentence: "200 with an object without members instead of records",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 200, &[], "{}");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "empty_body_once",
        sentence: "200 with nothing once",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first(at, 200, &[], "");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "empty_body_forever",
        sentence: "200 with nothing",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always(at, 200, &[], "");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "no_content",
        sentence: "204 for a page in the middle",
        outcomes: &[3],
        undeclared: Some("declare `expect: {total: PATH}`"),
        play: |story| {
            let page = story.between()?;
            let at = story.pages[page];
            story.always(at, 204, &[], "");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "truncated_json",
        sentence: "a body ends in the middle, and the connection says that it is whole",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = scene.body.slice(..scene.body.len() / 2));
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "truncated_json_once",
        sentence: "a body ends in the middle once, and the connection says that it is whole",
        outcomes: &[0, 3, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first_by(at, |scene| scene.body = scene.body.slice(..scene.body.len() / 2));
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "last_brace_missing",
        sentence: "a body lacks its last byte",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = scene.body.slice(..scene.body.trim_ascii_end().len().saturating_sub(1)));
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "text_behind_json",
        sentence: "more text stands behind the JSON of a page",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = [&scene.body[..], b" Notice: undefined variable"].concat().into());
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "json_twice",
        sentence: "the JSON of a page stands twice in its body",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = [&scene.body[..], b"\n", &scene.body[..]].concat().into());
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "part_of_content",
        sentence: "206 with a part of the records",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| {
                if let Ok((status, headers)) = &mut scene.answer {
                    *status = 206;
                    headers.push(("content-range".to_owned(), "items 0-1/1000000".to_owned()));
                }
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "byte_order_mark",
        sentence: "a byte order mark stands before the JSON",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = [&b"\xEF\xBB\xBF"[..], &scene.body[..]].concat().into());
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "content_type_of_text",
        sentence: "a page comes as text/plain",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            content_type(story, at, "text/plain");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "content_type_of_html",
        sentence: "a page comes as text/html, and is JSON",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            content_type(story, at, "text/html");
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "packed",
        sentence: "a page comes in gzip",
        outcomes: &[0],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| scene.body = packed(&scene.body));
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "packed_and_cut_once",
        sentence: "a page comes in gzip that is cut, once",
        outcomes: &[0, 75],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.first_by(at, |scene| {
                let packed = packed(&scene.body);
                scene.body = packed.slice(..packed.len() / 2);
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "packed_with_a_wrong_checksum",
        sentence: "a page comes in gzip whose checksum is wrong",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| {
                let mut bytes = packed(&scene.body).to_vec();
                let at = bytes.len() - 8;
                bytes[at] ^= 1;
                scene.body = bytes.into();
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "said_to_be_packed",
        sentence: "a page says that it is gzip, and is plain",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| {
                if let Ok((_, headers)) = &mut scene.answer {
                    headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
                }
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "encoding_unknown",
        sentence: "a page comes in an encoding that was not asked for",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            story.always_by(at, |scene| {
                if let Ok((_, headers)) = &mut scene.answer {
                    headers.push(("content-encoding".to_owned(), "br".to_owned()));
                }
                scene.body = Bytes::from_static(b"\x0b\x02\x80records\x03");
            });
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "number_becomes_text",
        sentence: "a number is a text on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |value| value.parse::<f64>().is_ok())?;
            every(story, &column, |value| format!("\"{value}\""))?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "number_becomes_fraction",
        sentence: "a whole number has a fraction on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |value| value.parse::<i64>().is_ok())?;
            every(story, &column, |value| format!("{value}.5"))?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "value_becomes_object",
        sentence: "a value is an object on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |value| !value.starts_with(['{', '[']))?;
            every(story, &column, |value| format!("{{\"value\":{value}}}"))?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "value_becomes_list",
        sentence: "a value is a list on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |value| !value.starts_with(['{', '[']))?;
            every(story, &column, |value| format!("[{value}]"))?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "value_becomes_null",
        sentence: "a column is null on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |_| true)?;
            every(story, &column, |_| "null".to_owned())?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "column_comes",
        sentence: "a new column comes on one page",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let at = story.any()?;
            let records: Vec<String> = story.records(at).iter().map(|record| with_member(record, "chaos_column", "1")).collect();
            story.set_records(at, &records);
            Some(Truth::But("chaos_column".to_owned()))
        },
    },
    Misbehaviour {
        name: "key_becomes_null",
        sentence: "the first member of a record, which most often is its key, is null",
        outcomes: &[0, 3],
        undeclared: Some("declare `primary_key`"),
        play: |story| {
            let column = first_member(story)?;
            one(story, &column, |_| "null".to_owned())?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "member_twice",
        sentence: "a member stands twice in a record, with the same value",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |_| true)?;
            let at = story.any()?;
            let mut records = story.records(at);
            let record = records.first_mut()?;
            let value = member(record, &column)?;
            *record = with_member(record, &column, &value);
            story.set_records(at, &records);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "record_is_text",
        sentence: "a text stands among the records",
        outcomes: &[3],
        undeclared: Some("say what rejects may be by `on_reject` and `max_rejects`"),
        play: |story| {
            let at = story.any()?;
            let mut records = story.records(at);
            records.push("\"oops\"".to_owned());
            story.set_records(at, &records);
            Some(Truth::Same)
        },
    },
    Misbehaviour {
        name: "bare_word",
        sentence: "a number is NaN, which is no JSON",
        outcomes: &[3],
        undeclared: None,
        play: |story| {
            let column = column(story, |_| true)?;
            one(story, &column, |_| "NaN".to_owned())?;
            Some(Truth::But(column))
        },
    },
    Misbehaviour {
        name: "nesting_without_end",
        sentence: "a value has a thousand lists around it",
        outcomes: &[0, 3],
        undeclared: None,
        play: |story| {
            let column = column(story, |_| true)?;
            one(story, &column, |value| format!("{}{value}{}", "[".repeat(1000), "]".repeat(1000)))?;
            Some(Truth::But(column))
        },
    },
];

fn packed(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    // A Vec takes everything.
    written.map_or_else(|_| Bytes::copy_from_slice(bytes), Bytes::from)
}

fn content_type(story: &mut Story, at: usize, kind: &str) {
    story.always_by(at, |scene| {
        if let Ok((_, headers)) = &mut scene.answer {
            headers.retain(|(name, _)| name != "content-type");
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
    });
}

/// The members of a record, in order, with their text.
fn members(record: &str) -> Vec<(String, String)> {
    struct Members(Vec<(String, String)>);
    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visit;
            impl<'de> serde::de::Visitor<'de> for Visit {
                type Value = Members;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                    let mut members = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        members.push((name, value.get().to_owned()));
                    }
                    Ok(Members(members))
                }
            }
            deserializer.deserialize_map(Visit)
        }
    }
    serde_json::from_str::<Members>(record).map_or_else(|_| Vec::new(), |members| members.0)
}

fn member(record: &str, name: &str) -> Option<String> {
    members(record).into_iter().find(|(of, _)| of == name).map(|(_, value)| value)
}

fn first_member(story: &Story) -> Option<String> {
    let record = story.records(*story.pages.first()?).into_iter().next()?;
    members(&record).into_iter().next().map(|(name, _)| name)
}

/// A member behind the first one whose value passes on the first page.
fn column(story: &Story, passes: fn(&str) -> bool) -> Option<String> {
    let record = story.records(*story.pages.first()?).into_iter().next()?;
    let named = members(&record).into_iter().skip(1).find(|(_, value)| value != "null" && passes(value));
    named.map(|(name, _)| name)
}

fn record_of(members: &[(String, String)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name.as_str())));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn with_member(record: &str, name: &str, value: &str) -> String {
    let mut all = members(record);
    all.push((name.to_owned(), value.to_owned()));
    record_of(&all)
}

fn changed(record: &str, name: &str, change: fn(&str) -> String) -> Option<String> {
    let mut all = members(record);
    let (_, value) = all.iter_mut().find(|(of, value)| of == name && value != "null")?;
    *value = change(value);
    Some(record_of(&all))
}

/// Changes a column in all records of a page.
fn every(story: &mut Story, name: &str, change: fn(&str) -> String) -> Option<()> {
    let at = story.any()?;
    let records = story.records(at);
    let new: Vec<String> = records.iter().map(|record| changed(record, name, change).unwrap_or_else(|| record.clone())).collect();
    (new != records).then(|| story.set_records(at, &new))
}

/// Changes a column in one record of a page.
fn one(story: &mut Story, name: &str, change: fn(&str) -> String) -> Option<()> {
    let at = story.any()?;
    let mut records = story.records(at);
    let place = story.below(records.len());
    let record = records.get_mut(place)?;
    *record = changed(record, name, change)?;
    story.set_records(at, &records);
    Some(())
}
