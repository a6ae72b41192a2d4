//! XML as JSON, in the shape that converters use: attributes are `@name`, text beside attributes or elements is `#text`, elements of one name are a list, an empty
//! element is null, all values are texts.
//!
//! In: a document. Out: the text of an object with its outermost element. Invariants: elements at the paths of the records are lists, also when there is one or none;
//! nesting is bounded; no entity but those of XML itself is known, so that nothing is fetched and nothing grows. Text is without the space around it, but for CDATA.

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::XmlVersion;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::config::XmlPlan;
use crate::decode::Json;
use crate::decode::format::{Formatted, Unreadable};

/// Elements within one another: with a list for each they stay below what JSON may have.
const DEPTH_MAX: usize = 60;
/// Members of an element that are looked through one by one.
const LOOKED_THROUGH: usize = 16;
/// Longest name or entity in a message.
const SHOWN_MAX: usize = 40;

/// An element that has begun.
#[derive(Default)]
struct Element {
    name: String,
    members: Vec<(String, Json)>,
    /// Where each member is, once there are many.
    places: HashMap<String, usize>,
    text: String,
    /// Whether some of the text is CDATA, which keeps the space around it.
    is_verbatim: bool,
    is_nil: bool,
}

/// The encoding that a document names, as a `Content-Type` does.
pub(super) fn encoding(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200))?).into_owned();
    let prolog = head.trim_start_matches('\u{feff}').strip_prefix("<?xml")?.split("?>").next()?;
    let label = prolog.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = label.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(format!("text/xml; charset={}", label.split(quote).nth(1)?))
}

/// Reads a document.
///
/// # Errors
/// [`Unreadable`] when it is none, or breaks off.
pub(super) fn read(text: &str, plan: &XmlPlan) -> Result<Formatted<'static>, Unreadable> {
    if text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    let mut reader = Reader::from_str(text);
    let (mut open, mut root): (Vec<Element>, Option<(String, Json)>) = (Vec::new(), None);
    loop {
        let at = reader.buffer_position();
        let wrong = |what: &str| Unreadable::Format(format!("is no XML: {what} at byte {at}"));
        let event = reader.read_event().map_err(|error| match error {
            // All of these miss their end.
            quick_xml::Error::Syntax(_) => Unreadable::CutOff(text.len()),
            error => Unreadable::Format(format!("is no XML: {error}, at byte {}", reader.error_position())),
        })?;
        match event {
            Event::Start(start) | Event::Empty(start) if root.is_some() && open.is_empty() => {
                return Err(wrong(&format!("a second element `{}` beside the outermost", shown(start.name().as_ref()))));
            }
            Event::Start(start) if open.len() >= DEPTH_MAX => {
                let name = shown(start.name().as_ref());
                return Err(Unreadable::Format(format!("is nested deeper than {DEPTH_MAX} elements, in `{name}` at byte {at}")));
            }
            Event::Start(start) => open.push(begun(&start, &wrong)?),
            Event::Empty(start) => close(begun(&start, &wrong)?, &mut open, &mut root),
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    close(element, &mut open, &mut root);
                }
            }
            Event::Text(part) => add(&part.xml10_content().map_err(|error| wrong(&error.to_string()))?, &mut open, &wrong)?,
            Event::CData(part) => {
                add(&part.xml10_content().map_err(|error| wrong(&error.to_string()))?, &mut open, &wrong)?;
                open.last_mut().map(|element| element.is_verbatim = true).unwrap_or_default();
            }
            Event::GeneralRef(reference) => {
                let name = reference.decode().map_err(|error| wrong(&error.to_string()))?;
                let found = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(Cow::Owned(c.to_string())),
                    Ok(None) => resolve_predefined_entity(&name).map(Cow::Borrowed),
                    Err(_) => None,
                };
                let found = found
                    .ok_or_else(|| wrong(&format!("the entity `&{};`, which XML does not know,", shown(name.as_bytes()))))?;
                add(&found, &mut open, &wrong)?;
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    let (name, value) = root.filter(|_| open.is_empty()).ok_or(Unreadable::CutOff(text.len()))?;
    if name.eq_ignore_ascii_case("html") {
        return Err(Unreadable::Format("is HTML, where XML has to be".to_owned()));
    }
    let mut document = Json::Object(vec![(name, value)]);
    plan.records.iter().for_each(|names| as_list(&mut document, names));
    let mut out = Vec::with_capacity(text.len());
    document.write(&mut out);
    let text = String::from_utf8(out).expect("JSON is written from texts");
    Ok(Formatted { text: Cow::Owned(text), ..Formatted::default() })
}

/// An element with its attributes.
fn begun(start: &BytesStart<'_>, wrong: &impl Fn(&str) -> Unreadable) -> Result<Element, Unreadable> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut element = Element { name: text(start.name().as_ref()), ..Element::default() };
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| wrong(&error.to_string()))?;
        let (name, local) = (text(attribute.key.as_ref()), attribute.key.local_name());
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| wrong(&error.to_string()))?;
        element.is_nil |= local.as_ref() == b"nil" && name.contains(':') && matches!(&*value, "true" | "1");
        if element.put(format!("@{name}"), Json::Text(value.into_owned())).is_some() {
            return Err(wrong(&format!("the attribute `{}` twice in one element", shown(name.as_bytes()))));
        }
    }
    Ok(element)
}

/// Adds text to the innermost element.
fn add(part: &str, open: &mut [Element], wrong: &impl Fn(&str) -> Unreadable) -> Result<(), Unreadable> {
    match open.last_mut() {
        Some(element) => element.text.push_str(part),
        None if part.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
        None => return Err(wrong("text outside of all elements")),
    }
    Ok(())
}

/// An element is over.
fn close(element: Element, open: &mut [Element], root: &mut Option<(String, Json)>) {
    let (name, value) = element.end();
    let Some(parent) = open.last_mut() else {
        *root = Some((name, value));
        return;
    };
    if let Some(value) = parent.put(name.clone(), value)
        && let Some(known) = parent.member(&name)
    {
        match known {
            Json::Array(items) => items.push(value),
            first => *first = Json::Array(vec![std::mem::replace(first, Json::Null), value]),
        }
    }
}

impl Element {
    /// Puts a member there, or gives its value back where there is one of that name.
    fn put(&mut self, name: String, value: Json) -> Option<Json> {
        if self.member(&name).is_some() {
            return Some(value);
        }
        self.members.push((name, value));
        if self.members.len() > LOOKED_THROUGH {
            let from = self.places.len();
            self.places.extend(self.members.iter().enumerate().skip(from).map(|(at, (name, _))| (name.clone(), at)));
        }
        None
    }

    fn member(&mut self, name: &str) -> Option<&mut Json> {
        let at = match self.members.len() {
            ..=LOOKED_THROUGH => self.members.iter().position(|(known, _)| known == name),
            _ => self.places.get(name).copied(),
        };
        self.members.get_mut(at?).map(|(_, value)| value)
    }

    /// Its name and its value.
    fn end(mut self) -> (String, Json) {
        let text = if self.is_verbatim { self.text.as_str() } else { self.text.trim_matches([' ', '\t', '\r', '\n']) };
        let is_blank = text.is_empty() || self.is_verbatim && text.trim().is_empty() && !self.members.is_empty();
        let value = match (self.is_nil, self.members.is_empty(), is_blank) {
            (true, ..) | (_, true, true) => Json::Null,
            (_, true, false) => Json::Text(text.to_owned()),
            (_, false, is_blank) => {
                let text = (!is_blank).then(|| ("#text".to_owned(), Json::Text(text.to_owned())));
                self.members.extend(text);
                Json::Object(self.members)
            }
        };
        (self.name, value)
    }
}

/// Makes a list of what is at a path of names; an element that is there without them has none.
fn as_list(document: &mut Json, names: &[String]) {
    let Some((last, around)) = names.split_last() else { return };
    let mut at = document;
    for name in around {
        let Json::Object(members) = at else { return };
        let Some((_, below)) = members.iter_mut().find(|(known, _)| known == name) else { return };
        at = below;
    }
    if matches!(at, Json::Null) {
        *at = Json::Object(Vec::new());
    }
    let Json::Object(members) = at else { return };
    match members.iter_mut().find(|(known, _)| known == last) {
        Some((_, Json::Array(_))) => {}
        // The outermost element is there once.
        Some((_, Json::Null)) if around.is_empty() => {}
        Some((_, one)) => *one = Json::Array(vec![std::mem::replace(one, Json::Null)]),
        None if around.is_empty() => {}
        None => members.push((last.clone(), Json::Array(Vec::new()))),
    }
}

/// A name, shortened.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(SHOWN_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(text: &str, records: &[&str]) -> Result<String, String> {
        let plan = XmlPlan { records: vec![records.iter().map(|&name| name.to_owned()).collect()] };
        read(text, &plan).map(|read| read.text.into_owned()).map_err(|error| format!("{error:?}"))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(read_at(text, &["a", "b"]).unwrap(), expected);
    }

    #[test]
    fn elements_have_the_shape_that_converters_give_them() {
        check("<a><b>1</b><b>2</b><c>x</c></a>", r#"{"a":{"b":["1","2"],"c":"x"}}"#);
        check("<a><b id=\"7\" lang='de'> x &amp; y </b></a>", r##"{"a":{"b":[{"@id":"7","@lang":"de","#text":"x & y"}]}}"##);
        check("<a><b/><b></b><b> </b></a>", r#"{"a":{"b":[null,null,null]}}"#);
        check("<a><b>&lt;&#65;&#x42;&gt;</b></a>", r#"{"a":{"b":["<AB>"]}}"#);
        check("<a><b><![CDATA[ <i> ]]></b></a>", r#"{"a":{"b":[" <i> "]}}"#);
        check("<a><b><c>1</c><c>2</c><d><e/></d></b></a>", r#"{"a":{"b":[{"c":["1","2"],"d":{"e":null}}]}}"#);
        check("<a><b><c xsi:nil=\"true\"/></b></a>", r#"{"a":{"b":[{"c":null}]}}"#);
        check("<a xmlns='u'><b>007</b></a>", r#"{"a":{"@xmlns":"u","b":["007"]}}"#);
        check(
            "<?xml version='1.0'?>\n<!-- x --><!DOCTYPE a>\n<a><b>x<i>y</i>z</b></a>\n",
            r##"{"a":{"b":[{"i":"y","#text":"xz"}]}}"##,
        );
    }

    #[test]
    fn records_are_a_list_however_many_there_are() {
        check("<a/>", r#"{"a":{"b":[]}}"#);
        check("<a total='0'></a>", r#"{"a":{"@total":"0","b":[]}}"#);
        check("<a><b><id>1</id></b></a>", r#"{"a":{"b":[{"id":"1"}]}}"#);
        check("<z/>", r#"{"z":null}"#);
        assert_eq!(read_at("<a><b/></a>", &["a"]).unwrap(), r#"{"a":[{"b":null}]}"#);
    }

    #[test]
    fn many_names_in_one_element_are_each_there_once() {
        let inner: String = (0..40).map(|at| format!("<c{at}>1</c{at}>")).collect();
        let text = read_at(&format!("<a>{inner}{inner}</a>"), &["a", "b"]).unwrap();
        assert!((0..40).all(|at| text.contains(&format!("\"c{at}\":[\"1\",\"1\"]"))), "{text}");
    }

    #[test]
    fn what_is_no_document_is_told_and_what_breaks_off_is_cut_off() {
        let error = |text: &str, words: &str| {
            let told = read_at(text, &["a", "b"]).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        };
        for cut in ["<a><b>1", "<a><b>1</b>", "<a><b", "<a", "<?xml", "<a><!-- x", "<a><![CDATA[x"] {
            error(cut, "CutOff");
        }
        error("", "Empty");
        error("<a></b>", "is no XML");
        error("<a/><b/>", "a second element `b`");
        error("<a/>x", "text outside of all elements");
        error("{\"a\":1}", "text outside of all elements");
        error("<a>&foo;</a>", "the entity `&foo;`");
        error("<a b='1' b='2'/>", "the attribute `b` twice");
        error("<html><body/></html>", "is HTML");
        error(&"<a>".repeat(1000), "nested deeper than 60 elements");
    }

    #[test]
    fn the_encoding_is_that_of_the_prolog() {
        assert_eq!(encoding(b"<?xml version=\"1.0\" encoding='latin1'?><a/>").as_deref(), Some("text/xml; charset=latin1"));
        assert_eq!(encoding(b"<a encoding='latin1'/>"), None);
    }
}
