//! Hooks between parents and children: values of the parent's record become members of the child's, and what children ask for is kept.

use crate::base::{JsonPath, Step};
use crate::config::IncludePlan;
use crate::decode::shape::{PageHook, RecordFault, RecordHook};
use crate::decode::{DecodedPage, Json};
use crate::source::Page;

/// Adds the parent's values (`include_from_parent`) to each record of a child.
#[derive(Debug)]
pub(crate) struct IncludeFromParent {
    includes: Vec<IncludePlan>,
}

impl IncludeFromParent {
    /// A hook for these values; a missing one is null.
    pub(crate) fn new(includes: Vec<IncludePlan>) -> Self {
        Self { includes }
    }
}

impl RecordHook for IncludeFromParent {
    fn begin<'h>(&'h self, page: &'h Page) -> Box<dyn PageHook + 'h> {
        let value = |include: &IncludePlan| {
            let text = page.slice.parents.get(include.parent).and_then(|record| record.values.get(include.field)?.as_deref());
            (include.column.clone(), text.and_then(Json::parse).unwrap_or(Json::Null))
        };
        Box::new(Including { members: self.includes.iter().map(value).collect() })
    }
}

struct Including {
    members: Vec<(String, Json)>,
}

impl PageHook for Including {
    fn record(&mut self, mut record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        if let Json::Object(members) = &mut record {
            let clash = self.members.iter().find(|(name, _)| members.iter().any(|(known, _)| known == name));
            if let Some((name, _)) = clash {
                return Err(RecordFault {
                    path: JsonPath::from_steps(vec![Step::Key(name.clone())]).to_string(),
                    expected: "no member of the name that `include_from_parent` gives".to_owned(),
                    actual: record.member(name).map_or("nothing", Json::kind).to_owned(),
                    record: Box::new(record),
                    is_whole: false,
                });
            }
            members.extend(self.members.iter().cloned());
        }
        out.push(record);
        Ok(())
    }
}

/// Keeps what children ask of each record: [`DecodedPage::for_children`].
#[derive(Debug)]
pub(crate) struct ForChildren {
    /// The list that each field goes through, and its place within one of the list's elements.
    fields: Vec<(JsonPath, JsonPath)>,
}

impl ForChildren {
    /// A hook for these fields of each record.
    pub(crate) fn new(fields: Vec<JsonPath>) -> Self {
        Self { fields: fields.iter().map(in_list).collect() }
    }
}

/// `items[*].id` as `items[*]` and `id`, so that the fields of one list stay together; any other path is looked up as a whole.
fn in_list(field: &JsonPath) -> (JsonPath, JsonPath) {
    let steps = field.steps();
    match steps.iter().rposition(|step| *step == Step::Every) {
        _ if !field.is_simple() => (field.clone(), JsonPath::root()),
        Some(last) => (JsonPath::from_steps(steps[..=last].to_vec()), JsonPath::from_steps(steps[last + 1..].to_vec())),
        None => (JsonPath::root(), field.clone()),
    }
}

impl RecordHook for ForChildren {
    fn begin<'h>(&'h self, _: &'h Page) -> Box<dyn PageHook + 'h> {
        Box::new(Keeping { fields: &self.fields, records: Vec::new() })
    }
}

struct Keeping<'h> {
    fields: &'h [(JsonPath, JsonPath)],
    records: Vec<Vec<Box<str>>>,
}

impl PageHook for Keeping<'_> {
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        let found = |(list, place): &(JsonPath, JsonPath)| {
            let mut text = vec![b'['];
            for (i, element) in record.all(list)?.into_iter().enumerate() {
                text.extend_from_slice(if i > 0 { b",[" } else { b"[" });
                if let Some(value) = element.first(place)? {
                    value.write(&mut text);
                }
                text.push(b']');
            }
            text.push(b']');
            // What is written as JSON is UTF-8.
            Ok(String::from_utf8(text).unwrap_or_default().into_boxed_str())
        };
        match self.fields.iter().map(found).collect() {
            Ok(found) => self.records.push(found),
            Err(error) => return Err(RecordFault::exhausted(&error, record)),
        }
        out.push(record);
        Ok(())
    }

    fn end(self: Box<Self>, decoded: &mut DecodedPage) {
        decoded.for_children = self.records;
    }
}
