//! Parents and children: which resources are requested for the records of which, and which are therefore read.

use crate::base::{JsonPath, Step};
use crate::config::raw::{self, Either, Field, Include, OnMissingParentField};
use crate::config::resolve::Context;
use crate::config::resolve::template::Names;
use crate::config::tree::NodeId;
use crate::config::{
    Binding, Dedup, IncludePlan, OnMissing, Outside, Problem, ResourcePlan, StepPlan, WriteDisposition, descendants,
};

/// What a resource takes over from its parents' records.
pub(crate) fn includes(cx: Context<'_>, raw: &raw::Resource, names: &Names<'_>) -> Vec<IncludePlan> {
    let Some((list_id, items)) = raw.include_from_parent.set() else { return Vec::new() };
    let mut includes: Vec<IncludePlan> = Vec::new();
    for (id, item) in items.iter().filter_map(Field::set) {
        let include = match item {
            Either::Text(field) => Include { field: Field::Set(id, field.clone()), ..Include::default() },
            Either::Map(include) => include.clone(),
        };
        let Some((field_id, field)) = cx.required(&include.field, id, "field", "the value in the parent's record") else {
            continue;
        };
        let Some(parent) = parent_of(cx, id, &include, names) else { continue };
        let path = match JsonPath::parse(field) {
            Ok(path) => path,
            Err(error) => {
                cx.reader.conflict(field_id, error.to_string());
                continue;
            }
        };
        let column = cx.filled(&include.column, &format!("_{parent}_{}", plain(field)));
        if includes.iter().any(|other| other.column == column) {
            cx.reader.conflict(id, format!("column `{column}` is given twice; rename one with `as`"));
        }
        match names.parent(field_id, &parent, path) {
            Ok(Binding::Parent { parent, field }) => includes.push(IncludePlan { parent, field, column }),
            Ok(Binding::Incremental(_)) => {}
            Err(problem) => cx.fault(field_id, problem),
        }
    }
    if items.is_empty() {
        cx.reader.wrong(list_id, "at least one field");
    }
    includes
}

/// The parent that an include is about: the one it names, or the only one.
fn parent_of(cx: Context<'_>, id: NodeId, include: &Include, names: &Names<'_>) -> Option<String> {
    match (include.parent.set(), names.only_parent()) {
        (Some((_, named)), _) if names.has_parent(named) => Some(named.clone()),
        _ if names.is_faulty() => None,
        (Some((id, named)), _) => {
            cx.reader.conflict(id, format!("no placeholder of this resource names `{named}`, so it is no parent of it"));
            None
        }
        (None, Some(only)) => Some(only),
        (None, None) => {
            let why = "`include_from_parent` needs one parent: a placeholder such as `{resources.NAME.FIELD}` in path, params, json, data or headers; of several, name one with `parent`";
            cx.reader.conflict(id, why);
            None
        }
    }
}

/// A path as part of a column's name: as it is where it is a plain name.
fn plain(field: &str) -> String {
    let path = field.trim().trim_start_matches("$.");
    let mut name: String = path.chars().map(|c| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' }).collect();
    while name.contains("__") && !path.contains("__") {
        name = name.replace("__", "_");
    }
    name.trim_end_matches('_').to_owned()
}

/// `on_missing_parent_field`.
pub(crate) fn on_missing(field: &Field<OnMissingParentField>) -> OnMissing {
    match field.get() {
        Some(OnMissingParentField::Skip) => OnMissing::Skip,
        Some(OnMissingParentField::Fail) | None => OnMissing::Fail,
    }
}

/// Refuses children that ask for what the parent's own steps take out: they see its records as these leave them.
pub(crate) fn check_fields(cx: Context<'_>, plans: &[ResourcePlan], places: &[NodeId]) {
    for (plan, &place) in plans.iter().zip(places) {
        for asked in &plan.parents {
            let Some(parent) = plans.iter().find(|parent| parent.name == asked.resource) else { continue };
            let names = asked.fields.iter().filter_map(|field| match field.steps().first() {
                Some(Step::Key(name)) => Some(name),
                _ => None,
            });
            for name in names {
                if let Some(step) = StepPlan::taking_out(&parent.processing_steps, name) {
                    let why = format!("`{}` asks `{}` for `{name}`, which `{step}` there takes out", plan.name, parent.name);
                    cx.reader.conflict(place, why);
                }
            }
        }
    }
}

/// Refuses a table that keeps only the last run's rows where a run reads only the new ones of the records that it is requested for.
pub(crate) fn check_replaced(cx: Context<'_>, plans: &[ResourcePlan], places: &[NodeId]) {
    let is_replaced = |plan: &ResourcePlan| plan.selected && plan.write_disposition == WriteDisposition::Replace;
    for (plan, &place) in plans.iter().zip(places).filter(|(plan, _)| is_replaced(plan)) {
        let feeds = |root: &ResourcePlan| descendants(plans, &root.name).iter().any(|child| child.name == plan.name);
        if let Some(root) = plans.iter().find(|root| root.goes_on_from_cursor() && feeds(root)) {
            let (name, root) = (&plan.name, &root.name);
            let why = format!(
                "`{name}` is `replace`, and of `{root}` a run reads only what lies behind its cursor: the rows for its older records would go; give `{name}` `write_disposition: merge` with a `primary_key`, or `append`, or take `incremental` out of `{root}`"
            );
            cx.reader.conflict(place, why);
        }
    }
}

/// A merge that goes on from a cursor takes records again, which replace themselves. Where an `append` is requested for its records it takes none
/// again that has not changed.
pub(crate) fn feed_once(cx: Context<'_>, plans: &mut [ResourcePlan], places: &[NodeId]) {
    let feeds = |plan: &ResourcePlan| descendants(plans, &plan.name).iter().any(|child| child.adds_again());
    let is_meant = |plan: &ResourcePlan| plan.goes_on_from_cursor() && plan.write_disposition != WriteDisposition::Append;
    let meant: Vec<bool> = plans.iter().map(|plan| is_meant(plan) && feeds(plan)).collect();
    for ((plan, &place), _) in plans.iter_mut().zip(places).zip(meant).filter(|(_, is_meant)| *is_meant) {
        let Some(incremental) = &mut plan.endpoint.incremental else { continue };
        if incremental.outside == Outside::Keep {
            let why = "`strict_window: keep` takes records again on each run, and an `append` that is requested for them would have its rows twice; leave it out, or make that a `merge`";
            cx.reader.conflict(place, why);
        }
        incremental.dedup = Dedup::Record;
    }
}

/// Refuses combinations with records of a parent of which a run reads only the new ones: those of its older records with what is new of another
/// parent would never be asked for.
pub(crate) fn check_products(cx: Context<'_>, plans: &[ResourcePlan], places: &[NodeId]) {
    for (plan, &place) in plans.iter().zip(places).filter(|(plan, _)| plan.selected && plan.parents.len() > 1) {
        let feeds = |root: &ResourcePlan| descendants(plans, &root.name).iter().any(|child| child.name == plan.name);
        if let Some(root) = plans.iter().find(|root| root.goes_on_from_cursor() && feeds(root)) {
            let (name, root) = (&plan.name, &root.name);
            let why = format!(
                "`{name}` is requested for combinations, and of `{root}` a run reads only what lies behind its cursor: those of its older records with new ones of another parent would never be asked for; take `incremental` out of `{root}`, or give it `write_disposition: replace`, which reads all of it"
            );
            cx.reader.conflict(place, why);
        }
    }
}

/// Refuses resources that wait for each other. `places` are those of the resources, in order.
pub(crate) fn check_circles(cx: Context<'_>, plans: &[ResourcePlan], places: &[NodeId]) {
    let parents = |name: &str| {
        let plan = plans.iter().find(|plan| plan.name == name);
        plan.into_iter().flat_map(|plan| plan.parents.iter().map(|parent| parent.resource.clone()))
    };
    for (plan, &place) in plans.iter().zip(places) {
        let (mut seen, mut open) = (Vec::new(), vec![plan.name.clone()]);
        while let Some(name) = open.pop() {
            for parent in parents(&name) {
                if parent == plan.name {
                    let why = format!("resource `{}` waits for itself{}", plan.name, by_way_of(&plan.name, &name));
                    cx.fault(place, Problem::Conflict { why });
                    return;
                }
                if !seen.contains(&parent) {
                    seen.push(parent.clone());
                    open.push(parent);
                }
            }
        }
    }
}

fn by_way_of(resource: &str, last: &str) -> String {
    if resource == last { String::new() } else { format!(", by way of `{last}`") }
}

/// The resources that are loaded and those that are read for them, in the file's order; the others are left out.
pub(crate) fn needed(plans: Vec<ResourcePlan>) -> Vec<ResourcePlan> {
    let mut needed: Vec<String> = plans.iter().filter(|plan| plan.selected).map(|plan| plan.name.clone()).collect();
    let mut next = 0;
    while let Some(name) = needed.get(next).cloned() {
        next += 1;
        let Some(plan) = plans.iter().find(|plan| plan.name == name) else { continue };
        for parent in &plan.parents {
            if !needed.contains(&parent.resource) {
                needed.push(parent.resource.clone());
            }
        }
    }
    plans.into_iter().filter(|plan| needed.contains(&plan.name)).collect()
}
