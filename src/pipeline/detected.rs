//! What a run finds out where the config leaves something open, remembered beside the resource's state, so that it holds on later runs.
//!
//! In and out: JSON under the key `detected` of a resource's state, which may be missing. Where the records are is taken up as if it were
//! declared; what stands there, a list or one object, must stay; a paginator that is proven must be the one that was proven before.
//! `--full-refresh` begins anew.

use serde_json::{Map, Value, json};

use crate::base::JsonPath;
use crate::config::{PaginatorPlan, ResourcePlan, paginator_words};
use crate::decode::{Decoder, RecordsShape};
use crate::pipeline::RunError;

/// What was found out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Detected {
    /// Where the records are, declared or not.
    records_at: Option<JsonPath>,
    /// What stands there.
    shape: Option<RecordsShape>,
    /// The paginator, as a config would have it, but for the size of its pages.
    paginator: Option<String>,
}

impl Detected {
    /// Reads it from the state of a resource; whatever is not there, or not as it is written, is not known.
    pub(crate) fn read(state: Option<&Value>) -> Self {
        let text = |key: &str| state?.get("detected")?.get(key)?.as_str();
        Self {
            records_at: text("data_selector").and_then(|path| JsonPath::parse(path).ok()),
            shape: text("shape").and_then(RecordsShape::of_name),
            paginator: text("paginator").map(str::to_owned),
        }
    }

    /// Where the records are.
    pub(crate) fn records_at(&self) -> Option<&JsonPath> {
        self.records_at.as_ref()
    }

    /// As the state keeps it; null for nothing.
    pub(crate) fn to_json(&self) -> Value {
        let members = [
            ("data_selector", self.records_at.as_ref().map(ToString::to_string)),
            ("shape", self.shape.map(|shape| shape.name().to_owned())),
            ("paginator", self.paginator.clone()),
        ];
        let members: Map<String, Value> =
            members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect();
        if members.is_empty() { Value::Null } else { Value::Object(members) }
    }

    /// Tells the decoder of `resource` what it need not find out again.
    pub(crate) fn tell(&self, resource: &ResourcePlan, decoder: &Decoder) {
        if resource.endpoint.records.is_some() {
            return;
        }
        let declared = resource.endpoint.data_selector.clone().map(JsonPath::without_last_every);
        // What stood at another place tells nothing of this one.
        let is_there = declared.is_none() || declared == self.records_at;
        decoder.remember(self.records_at.clone(), self.shape.filter(|_| is_there));
    }

    /// What is known after a run that has read `records`, whose decoder and paginator have found this.
    ///
    /// # Errors
    /// [`RunError::OtherPaginator`].
    pub(crate) fn then(
        self,
        resource: &ResourcePlan,
        decoder: &Decoder,
        paginator: Option<PaginatorPlan>,
        records: u64,
    ) -> Result<Self, RunError> {
        let paginator = paginator.map(|plan| words(&plan));
        if let (Some(was), Some(is)) = (&self.paginator, &paginator)
            && way_of(was) != way_of(is)
        {
            let (resource, was, is) = (resource.name.clone(), was.clone(), is.clone());
            return Err(RunError::OtherPaginator { resource, was, is });
        }
        let is_open = resource.endpoint.paginator == PaginatorPlan::Undeclared;
        let paginator = paginator.or(self.paginator).filter(|_| is_open);
        if records == 0 || resource.endpoint.records.is_some() {
            // An empty list may be any list.
            return Ok(Self { paginator, ..self });
        }
        let declared = resource.endpoint.data_selector.clone().map(JsonPath::without_last_every);
        Ok(Self { records_at: declared.or_else(|| decoder.found().cloned()), shape: decoder.shape(), paginator })
    }
}

/// A paginator in words without what ends its pages: a flag or a total that is there one night and not the other makes no other paginator.
fn way_of(words: &str) -> Vec<&str> {
    let ends = |member: &str| {
        let key = member.split(':').next().unwrap_or_default();
        key.starts_with("total_") || ["has_more_path", "end_path", "stop_after_empty_page", "allow_drift"].contains(&key)
    };
    words.trim_matches(['{', '}']).split(", ").filter(|member| !ends(member)).collect()
}

/// A paginator as a config would have it; how many records its pages have is the API's affair, and changes.
fn words(plan: &PaginatorPlan) -> String {
    let mut plan = plan.clone();
    if let PaginatorPlan::Offset { limit, .. } = &mut plan {
        *limit = 1;
    }
    paginator_words(&plan)
}
