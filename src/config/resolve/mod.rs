//! What a config means: defaults filled in, sections merged, keys checked against each other.
//!
//! In: [`raw::Config`] and the inputs it was read from. Out: the [`Plan`]. Every fault is recorded with its place, and the
//! search goes on; a plan made in spite of faults is thrown away by the caller.

mod auth;
mod client;
mod endpoint;
mod incremental;
mod format;
mod hints;
mod hooks;
mod lake;
mod merging;
mod paginator;
mod parents;
mod request;
mod records;
mod resource;
mod rules;
mod steps;
mod table;
mod template;
mod tls;

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::folded;
use crate::config::fault::Problem;
use crate::config::raw::{self, Either, Field, Scalar};
use crate::config::read::Reader;
use crate::config::tree::{Document, NodeId};
use crate::config::{Inputs, LakeOnly, Outline, Plan, ResourcePlan};

/// Longest name of a pipeline, table or partition folder, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// What every part of the resolving needs.
#[derive(Clone, Copy)]
struct Context<'a> {
    reader: &'a Reader<'a>,
    inputs: &'a Inputs<'a>,
}

/// The plan of `config`, or `None` when too much of it is missing; in both cases faults may have been recorded.
pub(crate) fn resolve(reader: &Reader<'_>, inputs: &Inputs<'_>, config: &raw::Config) -> Option<Plan> {
    let cx = Context { reader, inputs };
    let root = Document::ROOT;
    let name = cx.required(&config.name, root, "name", "the pipeline's name, for its state and log in the lake");
    let name = name.and_then(|(id, name)| cx.checked_name(id, name));
    let client = cx.required(&config.client, root, "client", "how the API is reached");
    let client = client.map(|(id, client)| client::resolve(cx, id, client));
    let lake = cx.required(&config.lake, root, "lake", "where the tables go");
    let lake = lake.and_then(|(id, lake)| lake::resolve(cx, id, lake, name.as_deref()));
    let resources = cx.required(&config.resources, root, "resources", "the endpoints to read");
    let settled = client.unwrap_or_else(client::Client::unknown);
    let resources = resources.map(|(id, resources)| {
        let plans = all_resources(cx, id, resources, config.resource_defaults.get(), &settled);
        // What is said for all endpoints may be about children alone.
        if plans.len() == resources.len() && plans.iter().all(|plan| plan.parents.is_empty()) {
            let of_client = config.client.get().map(|client| client.response_actions.clone());
            let of_defaults = config.resource_defaults.get().map(|defaults| resource::endpoint_of(defaults).response_actions);
            of_client.iter().chain(&of_defaults).for_each(|actions| rules::check_no_parent(cx, actions));
        }
        plans
    });
    let hooks = hooks::resolve(cx, &config.hooks);
    Some(Plan { name: name?, client: settled.plan?, resources: resources?, lake: lake?, resume: resume(config), hooks })
}

/// The lake of `config`, or `None` when too much of it is missing; in both cases faults may have been recorded.
pub(crate) fn lake_only(reader: &Reader<'_>, inputs: &Inputs<'_>, config: &raw::Config) -> Option<LakeOnly> {
    let cx = Context { reader, inputs };
    let name = cx.required(&config.name, Document::ROOT, "name", "the pipeline's name, for its state and log in the lake");
    let name = name.and_then(|(id, name)| cx.checked_name(id, name));
    let lake = cx.required(&config.lake, Document::ROOT, "lake", "where the tables go");
    let lake = lake.and_then(|(id, lake)| lake::resolve(cx, id, lake, name.as_deref()));
    let none = raw::Resource::default();
    let defaults = config.resource_defaults.get().unwrap_or(&none);
    let entries = config.resources.get().map_or(&[][..], Vec::as_slice);
    let outlines = entries.iter().filter_map(|entry| match entry.get()? {
        Either::Text(name) => {
            let raw = raw::Resource { name: Field::Set(Document::ROOT, name.clone()), ..raw::Resource::default() };
            resource::outline(cx, raw, defaults)
        }
        Either::Map(raw) => resource::outline(cx, raw.clone(), defaults),
    });
    let resources: Vec<Outline> = outlines.collect();
    let has_all = !entries.is_empty() && resources.len() == entries.len();
    Some(LakeOnly { name: name?, lake: lake?, resources, has_all, resume: resume(config) })
}

/// How long kept answers wait.
fn resume(config: &raw::Config) -> Duration {
    config.resume.get().map_or(RESUME, |&Scalar(duration)| duration)
}

/// How long they wait where the config does not say.
const RESUME: Duration = Duration::from_hours(6);

/// Whether a name can be that of a pipeline or a table, which is a folder's on every file system and in every bucket.
pub(crate) fn is_file_name(name: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.starts_with(['_', '.']) && name.chars().all(safe)
}

/// The resources to load, in the file's order, names unique.
fn all_resources(
    cx: Context<'_>,
    id: NodeId,
    entries: &[Field<Either<String, raw::Resource>>],
    defaults: Option<&raw::Resource>,
    client: &client::Client,
) -> Vec<ResourcePlan> {
    if entries.is_empty() {
        cx.reader.wrong(id, "at least one resource");
    }
    let (mut names, mut plans): (Vec<String>, Vec<ResourcePlan>) = (Vec::new(), Vec::new());
    let none = raw::Resource::default();
    let defaults = defaults.unwrap_or(&none);
    if let Some(id) = defaults.name.place() {
        cx.reader.conflict(id, "a name belongs to one resource, not to `resource_defaults`");
    }
    let all_names: Vec<String> = entries
        .iter()
        .filter_map(|entry| match entry {
            Field::Set(_, Either::Map(resource)) => resource.name.get().cloned(),
            Field::Set(_, Either::Text(name)) => Some(name.clone()),
            Field::Null(_) | Field::Invalid | Field::Absent => None,
        })
        .collect();
    let (mut skipped, mut places) = (false, Vec::new());
    for entry in entries {
        let (id, resource) = match entry {
            Field::Set(id, Either::Map(resource)) => (*id, resource.clone()),
            Field::Set(id, Either::Text(name)) => {
                (*id, raw::Resource { name: Field::Set(*id, name.clone()), ..raw::Resource::default() })
            }
            Field::Null(id) => {
                cx.reader.wrong(*id, "a resource");
                continue;
            }
            Field::Invalid | Field::Absent => {
                skipped = true;
                continue;
            }
        };
        let Some((name_id, name)) = cx.required(&resource.name, id, "name", "the resource's name, and its table's") else {
            continue;
        };
        if names.contains(name) {
            cx.reader.conflict(name_id, format!("resource `{name}` is given twice"));
        }
        names.push(name.clone());
        let selected = resource.selected.clone().or(&defaults.selected).get().copied().unwrap_or(true);
        match resource::resolve(cx, id, resource, defaults, (client, &all_names)) {
            Some(plan) => {
                plans.push(plan);
                places.push(id);
            }
            None => skipped |= selected,
        }
    }
    check_tables(cx, &plans, &places);
    parents::check_circles(cx, &plans, &places);
    parents::check_fields(cx, &plans, &places);
    parents::check_products(cx, &plans, &places);
    parents::check_replaced(cx, &plans, &places);
    parents::feed_once(cx, &mut plans, &places);
    let plans = parents::needed(plans);
    if plans.is_empty() && !skipped && !entries.is_empty() && names.len() == entries.len() {
        cx.reader.conflict(id, "nothing to load: every resource is `selected: false`");
    }
    plans
}

/// Two resources that write one table would take each other's rows out.
fn check_tables(cx: Context<'_>, plans: &[ResourcePlan], places: &[NodeId]) {
    for (at, (plan, place)) in plans.iter().zip(places).enumerate().filter(|(_, (plan, _))| plan.selected) {
        let earlier = plans
            .iter()
            .take(at)
            .find(|other| other.selected && folded(&other.table) == folded(&plan.table) && other.name != plan.name);
        if let Some(other) = earlier {
            let why = format!(
                "resources `{}` and `{}` would both write the table `{}`{}; give one another `table_name`",
                other.name,
                plan.name,
                plan.table,
                if other.table == plan.table { "" } else { ", since case does not count in the names of folders everywhere" }
            );
            cx.reader.conflict(*place, why);
        }
    }
}

impl<'a> Context<'a> {
    /// The value of a key that must be there.
    fn required<'f, T>(self, field: &'f Field<T>, parent: NodeId, key: &str, meaning: &str) -> Option<(NodeId, &'f T)> {
        match field {
            Field::Null(id) => self.reader.conflict(*id, format!("nothing stands here: it is {meaning}")),
            field if field.is_unset() => self.reader.missing(parent, key, meaning),
            _ => {}
        }
        field.set()
    }

    /// A whole number within bounds, or `default`.
    fn within(self, field: &Field<u64>, bounds: RangeInclusive<u64>, default: u64) -> u64 {
        let Some((id, &number)) = field.set() else { return default };
        if !bounds.contains(&number) {
            let (least, most) = (bounds.start(), bounds.end());
            let expected = if *most >= u64::from(u32::MAX) {
                format!("a whole number, {least} or more")
            } else {
                format!("a whole number from {least} to {most}")
            };
            self.reader.wrong(id, expected);
        }
        number
    }

    /// A text that is not empty, or `default`.
    fn filled(self, field: &Field<String>, default: &str) -> String {
        match field.set() {
            Some((id, text)) if text.trim().is_empty() => {
                self.reader.wrong(id, "text that is not empty");
                default.to_owned()
            }
            Some((_, text)) => text.clone(),
            None => default.to_owned(),
        }
    }

    /// The texts of a list, each not empty.
    fn texts(self, items: &[Field<String>]) -> Vec<(NodeId, String)> {
        let mut texts = Vec::new();
        for item in items {
            match item {
                Field::Set(id, text) if !text.trim().is_empty() => texts.push((*id, text.clone())),
                Field::Set(id, _) | Field::Null(id) => self.reader.wrong(*id, "text that is not empty"),
                Field::Absent | Field::Invalid => {}
            }
        }
        texts
    }

    /// A pipeline's or table's name: one safe path segment.
    fn checked_name(self, id: NodeId, name: &str) -> Option<String> {
        if !is_file_name(name) {
            let expected = format!(
                "a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most {NAME_BYTES_MAX} characters"
            );
            self.reader.wrong(id, expected);
            return None;
        }
        Some(name.to_owned())
    }

    /// Records a fault.
    fn fault(self, id: NodeId, problem: Problem) {
        self.reader.fault(id, problem);
    }
}
