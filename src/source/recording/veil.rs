//! Secrets of a recording: taken out by value wherever they stand, and put in again where they are known.
//!
//! In: what a config took from outside ([`Given`]), bytes of requests and answers. Out: the same bytes with fillers for secrets, and [`Veil`]s that tell where. What
//! [`secrets()`] finds goes, however it is spelled; a veil tells which secret it was, and how it was spelled, where it is one whole secret of the config in
//! a spelling that can be written again. So a replay that is given the same value has the same bytes. A request is compared part by part: a
//! parameter, a segment or a text in which a secret stands counts as the name of the secret, whatever its value is.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::base::{Secrets, names_credential, secrets};
use crate::source::transport::Request;

/// What stands for a secret in a request that is compared.
const HIDDEN: &str = "***";
/// Tokens that are known again when they come back, the latest ones.
const PASSING_MAX: usize = 256;
/// Members of an answer to a token request that are words of the standards.
const TOKEN_WORDS: [&str; 3] = ["token_type", "scope", "error"];

/// A value that the config took from a variable or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Given {
    /// The variable, or the file as the config names it.
    pub(crate) name: String,
    /// Whether it is a file's text.
    pub(crate) is_file: bool,
    /// The value, with fillers for its secrets.
    pub(crate) text: String,
    /// The secrets in it, in order.
    ids: Vec<u64>,
    /// Sixteen bits of a salted hash, where there are secrets: enough to notice another value, and too little to tell a guess from any other.
    check: u16,
}

/// A place where a secret was taken out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Veil {
    at: usize,
    bytes: usize,
    /// Which secret; 0 where that is not known.
    id: u64,
    spelling: Spelling,
}

/// Spellings that can be written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Spelling {
    Plain,
    Lower,
    Upper,
    Form,
    Percent,
    Json,
    /// JSON within JSON.
    JsonTwice,
    Unknown,
}

const SPELLINGS: [Spelling; 7] =
    [Spelling::Plain, Spelling::Form, Spelling::Percent, Spelling::Json, Spelling::JsonTwice, Spelling::Lower, Spelling::Upper];

impl Spelling {
    fn of(self, secret: &str) -> String {
        match self {
            Self::Plain | Self::Unknown => secret.to_owned(),
            Self::Lower => secret.to_lowercase(),
            Self::Upper => secret.to_uppercase(),
            Self::Form => url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
            Self::Percent => percent_encode(secret.as_bytes(), NON_ALPHANUMERIC).to_string(),
            Self::JsonTwice => Self::Json.of(&Self::Json.of(secret)),
            Self::Json => {
                let text = Value::from(secret).to_string();
                text[1..text.len() - 1].to_owned()
            }
        }
    }
}

/// A request as it is recorded and compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct RecordedRequest {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl RecordedRequest {
    /// What tells it from others.
    pub(super) fn key(&self) -> u128 {
        let Self { method, url, headers, body } = self;
        xxh3_128(format!("{method} {url} {headers:?} {body:?}").as_bytes())
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let body: String = self.body.chars().take(200).collect();
        format!("{} {}{}{body}", self.method, self.url, if body.is_empty() { "" } else { " " })
    }
}

/// The secrets of one recording.
pub(super) struct Vault {
    parts: Vec<Part>,
    passing: Mutex<Passing>,
}

struct Part {
    id: u64,
    name: String,
    text: String,
    own: Secrets,
}

#[derive(Default)]
struct Passing {
    count: u64,
    known: VecDeque<(u64, String)>,
}

/// What a config took from outside: name, whether it is a file, value.
pub(crate) type Taken = (String, bool, String);

impl Vault {
    /// The secrets among the values that a config took, once it is read; and what a recording keeps of them.
    pub(super) fn seal(taken: &[Taken], salt: u64) -> (Self, Vec<Given>) {
        let (mut parts, mut givens): (Vec<Part>, Vec<Given>) = (Vec::new(), Vec::new());
        for (name, is_file, value) in taken {
            let found = secrets().find(value.as_bytes());
            // A file without secrets is a schema, which a replay reads where it is.
            if *is_file && found.is_empty() {
                continue;
            }
            let (mut text, mut ids, mut at) = (String::new(), Vec::new(), 0);
            for range in found {
                let Some(part) = value.get(range.clone()) else { continue };
                let id = parts.len() as u64 + 1;
                text.push_str(&value[at..range.start]);
                text.push_str(&filler(id, part));
                at = range.end;
                parts.push(Part::new(id, name, part));
                ids.push(id);
            }
            text.push_str(&value[at..]);
            let check = if ids.is_empty() { 0 } else { check(salt, value) };
            givens.push(Given { name: name.clone(), is_file: *is_file, text, ids, check });
        }
        (Self::of(parts), givens)
    }

    /// The secrets of a recording, once the config is read with what [`Given::value`] told.
    pub(super) fn open(givens: &[Given], used: &[Taken]) -> Self {
        let mut parts = Vec::new();
        for given in givens {
            let value = used.iter().find(|(name, is_file, _)| (name, *is_file) == (&given.name, given.is_file));
            let Some((_, _, value)) = value else { continue };
            let found = secrets().find(value.as_bytes());
            let texts = found.into_iter().filter_map(|range| value.get(range));
            parts.extend(given.ids.iter().zip(texts).map(|(id, text)| Part::new(*id, &given.name, text)));
        }
        Self::of(parts)
    }

    fn of(parts: Vec<Part>) -> Self {
        let count = parts.iter().map(|part| part.id).max().unwrap_or(0);
        Self { parts, passing: Mutex::new(Passing { count, known: VecDeque::new() }) }
    }

    /// The bytes with fillers where secrets were `found`.
    pub(super) fn veil(&self, bytes: &[u8], found: Vec<Range<usize>>) -> (Vec<u8>, Vec<Veil>) {
        let (mut out, mut veils, mut at) = (Vec::with_capacity(bytes.len()), Vec::new(), 0);
        for range in found {
            out.extend_from_slice(&bytes[at..range.start]);
            let (id, spelling, filler) = self.told(&bytes[range.clone()]);
            veils.push(Veil { at: out.len(), bytes: filler.len(), id, spelling });
            out.extend_from_slice(filler.as_bytes());
            at = range.end;
        }
        out.extend_from_slice(&bytes[at..]);
        (out, veils)
    }

    /// Which secret a text is, how it is spelled, and what stands for it.
    fn told(&self, text: &[u8]) -> (u64, Spelling, String) {
        let digits = || text.iter().all(u8::is_ascii_digit);
        let Ok(text) = std::str::from_utf8(text) else { return (0, Spelling::Unknown, filler(0, "")) };
        for spelling in SPELLINGS {
            if let Some(part) = self.parts.iter().find(|part| spelling.of(&part.text) == text) {
                return (part.id, spelling, filler(part.id, text));
            }
        }
        let passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = passing.known.iter().find(|(_, known)| known == text).map(|(id, _)| *id);
        match id {
            Some(id) => (id, Spelling::Plain, filler(id, text)),
            None => (0, Spelling::Unknown, if digits() { filler(0, text) } else { filler(0, "") }),
        }
    }

    /// Gives tokens numbers, so that each is the same one wherever it comes back.
    pub(super) fn learn(&self, texts: impl IntoIterator<Item = String>) {
        let mut passing = self.passing.lock().unwrap_or_else(PoisonError::into_inner);
        for text in texts {
            if passing.known.iter().all(|(_, known)| *known != text) {
                passing.count += 1;
                let id = passing.count;
                passing.known.push_back((id, text));
            }
            if passing.known.len() > PASSING_MAX {
                passing.known.pop_front();
            }
        }
    }

    /// A request as it is compared.
    pub(super) fn request(&self, request: &Request) -> RecordedRequest {
        let kept = |name: &str| !names_credential(name) && name != "authorization" && name != "cookie";
        let headers = request.headers.iter().filter(|(name, _)| kept(name.as_str()));
        let mut headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.as_str().to_owned(), self.part(&String::from_utf8_lossy(value.as_bytes()))))
            .collect();
        headers.sort();
        RecordedRequest {
            method: request.method.to_string(),
            url: self.url(&request.url),
            headers,
            body: request.body.as_ref().map_or_else(String::new, |body| self.body(body, &request.headers)),
        }
    }

    fn url(&self, url: &Url) -> String {
        let mut text = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        if let Some(port) = url.port() {
            text.push_str(&format!(":{port}"));
        }
        let segments: Vec<String> = url.path().split('/').map(|segment| self.part(segment)).collect();
        text.push_str(&segments.join("/"));
        if let Some(query) = url.query() {
            text.push('?');
            text.push_str(&self.pairs(query));
        }
        text
    }

    fn pairs(&self, text: &str) -> String {
        let pairs = text.split('&').map(|pair| match pair.split_once('=') {
            Some((name, value)) => format!("{}={}", self.part(name), self.part(value)),
            None => self.part(pair),
        });
        pairs.collect::<Vec<_>>().join("&")
    }

    fn body(&self, body: &[u8], headers: &HeaderMap) -> String {
        let text = String::from_utf8_lossy(body);
        if secrets().find(body).is_empty() {
            return text.into_owned();
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match serde_json::from_slice::<Value>(body) {
            Ok(json) => self.json(json).to_string(),
            Err(_) if kind.contains("form") => self.pairs(&text),
            Err(_) => text.split('\n').map(|line| self.part(line)).collect::<Vec<_>>().join("\n"),
        }
    }

    fn json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.part(&text)),
            Value::Number(number) if !secrets().find(number.to_string().as_bytes()).is_empty() => {
                Value::String(self.part(&number.to_string()))
            }
            Value::Array(elements) => elements.into_iter().map(|element| self.json(element)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (self.part(&name), self.json(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            other => other,
        }
    }

    /// A text, or the names of the secrets in it.
    fn part(&self, text: &str) -> String {
        if secrets().find(text.as_bytes()).is_empty() {
            return text.to_owned();
        }
        let mut names: Vec<&str> = self.parts.iter().filter(|part| part.is_in(text)).map(|part| part.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        format!("{HIDDEN}{}{HIDDEN}", names.join("+"))
    }
}

impl Part {
    fn new(id: u64, name: &str, text: &str) -> Self {
        let own = Secrets::default();
        own.credential(text);
        Self { id, name: name.to_owned(), text: text.to_owned(), own }
    }

    fn is_in(&self, text: &str) -> bool {
        !self.own.find(text.as_bytes()).is_empty()
    }
}

impl Given {
    /// The value to read the config with: the one that is `present`, whatever it is, else the recorded one with its fillers; and whether it is the recorded one,
    /// secrets included.
    pub(super) fn value(&self, present: Option<String>, salt: u64) -> (String, bool) {
        let Some(present) = present else { return (self.text.clone(), self.ids.is_empty()) };
        // Where a secret stood, one is: also one that is too short to be taken for one elsewhere.
        if let [id] = self.ids[..]
            && [filler(id, ""), filler(id, &self.text)].contains(&self.text)
        {
            secrets().credential(&present);
        }
        let is_same = self.ids.is_empty() || check(salt, &present) == self.check;
        (present, is_same)
    }
}

/// The values of secrets that a replay has.
#[derive(Default)]
pub(super) struct Values(HashMap<u64, String>);

impl Values {
    /// Those of the `givens` whose value is not lacking.
    pub(super) fn of(givens: &[Given], vault: &Vault, lacking: &[String]) -> Self {
        let is_known = |part: &&Part| givens.iter().any(|given| given.ids.contains(&part.id)) && !lacking.contains(&part.name);
        Self(vault.parts.iter().filter(is_known).map(|part| (part.id, part.text.clone())).collect())
    }

    /// Puts in what is known; whether all of it was.
    pub(super) fn put(&self, bytes: Vec<u8>, veils: &[Veil]) -> (Vec<u8>, bool) {
        let (mut out, mut at, mut is_whole) = (Vec::with_capacity(bytes.len()), 0, true);
        for veil in veils {
            let Some(end) = veil.at.checked_add(veil.bytes).filter(|end| *end <= bytes.len() && veil.at >= at) else {
                return (bytes, false);
            };
            match self.0.get(&veil.id).filter(|_| veil.spelling != Spelling::Unknown) {
                Some(value) => {
                    out.extend_from_slice(&bytes[at..veil.at]);
                    out.extend_from_slice(veil.spelling.of(value).as_bytes());
                }
                None => {
                    is_whole = false;
                    out.extend_from_slice(&bytes[at..end]);
                }
            }
            at = end;
        }
        out.extend_from_slice(&bytes[at..]);
        (out, is_whole)
    }
}

/// What stands for a secret: digits for digits, so that a number stays one. Wherever sixteen bytes of a text are cut out of it, they have the number, so that
/// no filler is taken for another one.
fn filler(id: u64, text: &str) -> String {
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => {
            let digits = format!("{id:03}");
            format!("{}{digits}", "9".repeat(text.len().saturating_sub(digits.len()).max(1)))
        }
        false => format!("secret-{id}-of-recording"),
    }
}

fn check(salt: u64, value: &str) -> u16 {
    let mut hash = Xxh3::new();
    hash.update(&salt.to_le_bytes());
    hash.update(value.as_bytes());
    (hash.digest() >> 48) as u16
}

/// The texts of an answer to a token request that may let somebody in: all but the words of the standards.
pub(super) fn tokens_of(body: &[u8]) -> Vec<String> {
    fn collect(name: &str, value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::String(text) if !TOKEN_WORDS.contains(&name) && text.len() >= 4 && !text.contains(char::is_whitespace) => {
                texts.push(text.clone());
            }
            Value::Number(number) if names_credential(name) => texts.push(number.to_string()),
            Value::Array(elements) => elements.iter().for_each(|element| collect(name, element, texts)),
            Value::Object(members) => members.iter().for_each(|(name, value)| collect(name, value, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    match serde_json::from_slice(body) {
        Ok(json) => collect("", &json, &mut texts),
        // What is no JSON may be the token itself.
        Err(_) => texts.extend(std::str::from_utf8(body).ok().map(|text| text.trim().to_owned()).filter(|text| text.len() >= 4)),
    }
    texts
}

/// Where the texts, or what the process knows, stand in `bytes`.
pub(super) fn find_with(bytes: &[u8], texts: &[String]) -> Vec<Range<usize>> {
    let own = Secrets::default();
    texts.iter().for_each(|text| own.credential(text));
    let mut found = secrets().find(bytes);
    found.extend(own.find(bytes));
    found.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for range in found {
        match joined.last_mut().filter(|last| range.start < last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    joined
}
