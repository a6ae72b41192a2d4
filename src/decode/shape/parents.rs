//! Hooks between parents and children: values of the parent's record become members of the child's, and what children ask for is kept.

use crate::base::JsonPath;
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
                    path: JsonPath::from_steps(vec![crate::base::Step::Key(name.clone())]).to_string(),
                    expected: "no member of the name that `include_from_parent` gives".to_owned(),
                    actual: record.member(name).map_or("nothing", Json::kind).to_owned(),
                    record: Box::new(record),
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
    fields: Vec<JsonPath>,
}

impl ForChildren {
    /// A hook for these fields of each record.
    pub(crate) fn new(fields: Vec<JsonPath>) -> Self {
        Self { fields }
    }
}

impl RecordHook for ForChildren {
    fn begin<'h>(&'h self, _: &'h Page) -> Box<dyn PageHook + 'h> {
        Box::new(Keeping { fields: &self.fields, records: Vec::new() })
    }
}

struct Keeping<'h> {
    fields: &'h [JsonPath],
    records: Vec<Vec<Option<Box<str>>>>,
}

impl PageHook for Keeping<'_> {
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        let value = |field: &JsonPath| {
            let mut text = Vec::new();
            record.first(field)?.write(&mut text);
            String::from_utf8(text).ok().map(String::into_boxed_str)
        };
        self.records.push(self.fields.iter().map(value).collect());
        out.push(record);
        Ok(())
    }

    fn end(self: Box<Self>, decoded: &mut DecodedPage) {
        decoded.for_children = self.records;
    }
}
