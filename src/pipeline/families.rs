//! Families: a resource that goes on from a cursor, and those that are requested for its records.
//!
//! A run reads only the records behind the cursor, so that what is requested for a record is loaded in that run or never. So a family is loaded by
//! one run, and publishes and moves its cursors together or not at all; and a cursor's state says which tables it has fed from its beginning, since
//! one that it has not fed lacks the records before it.
//! In: the plan, what the run loads, the states. Out: nothing, or the refusal of a run that would leave records out; what a state is to say.

use serde_json::{Map, Value, json};

use crate::base::ErrorKind;
use crate::config::{Plan, ResourcePlan, WriteDisposition};
use crate::pipeline::RunError;
use crate::pipeline::cursors::Kin;
use crate::pipeline::graph::Graph;

/// Why a run does not load a family.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FamilyError {
    /// The run loads a part of it.
    #[error(
        "`{parent}` goes on from its cursor, and a run reads each of its records for {all} together; this one leaves out {missing}, for which they would not be read again"
    )]
    Apart {
        /// What has the cursor.
        parent: String,
        /// What has to be loaded, in words.
        all: String,
        /// What of it is not, in words.
        missing: String,
        /// What has to be loaded, as `--resource` takes it.
        options: String,
    },
    /// A table that the cursor has not fed.
    #[error(
        "`{parent}` goes on from its cursor, and the records before it were never loaded for `{child}`: they would never come"
    )]
    NeverFed {
        /// What has the cursor.
        parent: String,
        /// What lacks records.
        child: String,
        /// What has to be loaded, as `--resource` takes it.
        options: String,
        /// Whether all of it may be loaded again over the rows that are there.
        may_reset: bool,
    },
    /// A cursor that begins, over rows of a table that are added.
    #[error(
        "`{parent}` has no cursor yet, and would be read from the beginning: `append` would load the {rows} rows of `{child}` again"
    )]
    Again {
        /// What has the cursor.
        parent: String,
        /// What has rows.
        child: String,
        /// How many.
        rows: u64,
        /// What has to be loaded, as `--resource` takes it.
        options: String,
    },
}

impl FamilyError {
    /// Advice for the operator.
    pub(crate) fn hint(&self) -> String {
        match self {
            Self::Apart { options, .. } => format!("load all of them in one run: `{options}`"),
            Self::Again { options, .. } => {
                format!("`--full-refresh {options}` rebuilds their tables from the beginning; or put back the parent as it was")
            }
            Self::NeverFed { options, may_reset, child, .. } => {
                let reset = format!(", or `--reset-state {options}` reads them again over the rows that are there");
                let reset = if *may_reset { reset.as_str() } else { "" };
                format!(
                    "`--full-refresh {options}` rebuilds their tables from the beginning{reset}; or leave `{child}` out of the config"
                )
            }
        }
    }
}

/// The families of `plan`, each in the config's order; those that have a resource in common are one.
pub(super) fn families(plan: &Plan) -> Vec<Vec<&ResourcePlan>> {
    let mut families: Vec<Vec<&str>> = Vec::new();
    for root in plan.resources.iter().filter(|resource| resource.goes_on_from_cursor()) {
        let mut family: Vec<&str> = plan.descendants(&root.name).iter().map(|resource| resource.name.as_str()).collect();
        if family.is_empty() {
            continue;
        }
        family.push(&root.name);
        let (joined, apart) = families.into_iter().partition(|other| other.iter().any(|name| family.contains(name)));
        families = apart;
        let joined: Vec<Vec<&str>> = joined;
        family.extend(joined.into_iter().flatten());
        families.push(family);
    }
    let members = |family: Vec<&str>| plan.resources.iter().filter(move |known| family.contains(&known.name.as_str())).collect();
    families.into_iter().map(members).collect()
}

/// `text`, where a command that it names takes `resource` alone, with the options for all of its family: a part is not loaded.
pub(crate) fn typed_whole(plan: &Plan, resource: &str, text: String) -> String {
    let families = families(plan);
    let Some(family) = families.iter().find(|family| family.iter().any(|member| member.name == resource)) else { return text };
    let all = options_of(family, &[]);
    let alone = format!("--resource {resource}");
    if text.contains(&all) {
        return text;
    }
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut told = String::with_capacity(text.len());
    for (number, rest) in text.split(&alone).enumerate() {
        if number > 0 {
            told.push_str(if rest.starts_with(is_of_name) { &alone } else { &all });
        }
        told.push_str(rest);
    }
    told
}

/// Checks that a run of `graph` loads families as a whole.
///
/// # Errors
/// [`FamilyError::Apart`].
pub(super) fn check_whole(plan: &Plan, graph: &Graph) -> Result<(), FamilyError> {
    for family in families(plan) {
        let place = |member: &ResourcePlan| graph.in_order().find(|(known, _)| known.name == member.name);
        let is_read = family.iter().any(|member| place(member).is_some());
        let loaded = |member: &ResourcePlan| place(member).is_some_and(|(_, tabled)| tabled);
        let missing: Vec<&str> =
            family.iter().filter(|member| member.is_loaded() && !loaded(member)).map(|member| member.name.as_str()).collect();
        if is_read && !missing.is_empty() {
            let all: Vec<&str> =
                family.iter().filter(|member| member.is_loaded() || loaded(member)).map(|member| member.name.as_str()).collect();
            let root = family.iter().find(|member| member.goes_on_from_cursor());
            return Err(FamilyError::Apart {
                parent: root.map_or_else(String::new, |root| root.name.clone()),
                all: words(&all),
                missing: words(&missing),
                options: options(&all),
            });
        }
    }
    Ok(())
}

/// The refusal of `child`, which the cursor of `parent` has not fed.
pub(super) fn never_fed(plan: &Plan, only: &[String], (parent, child): (&ResourcePlan, &ResourcePlan)) -> FamilyError {
    let family = family_of(plan, parent);
    let may_reset = family.iter().all(|member| member.write_disposition != WriteDisposition::Append);
    let (parent, child) = (parent.name.clone(), child.name.clone());
    FamilyError::NeverFed { parent, child, options: options_of(&family, only), may_reset }
}

/// The refusal of `child`, whose rows would be added again, since `parent` begins anew.
pub(super) fn again(plan: &Plan, only: &[String], (parent, child): (&ResourcePlan, &ResourcePlan), rows: u64) -> FamilyError {
    let options = options_of(&family_of(plan, parent), only);
    FamilyError::Again { parent: parent.name.clone(), child: child.name.clone(), rows, options }
}

fn family_of<'p>(plan: &'p Plan, parent: &'p ResourcePlan) -> Vec<&'p ResourcePlan> {
    let family = families(plan).into_iter().find(|family| family.iter().any(|member| member.name == parent.name));
    family.unwrap_or_else(|| vec![parent])
}

/// What a run of `only` loads of a family, as `--resource` takes it.
fn options_of(family: &[&ResourcePlan], only: &[String]) -> String {
    let loaded: Vec<&str> = family.iter().filter(|member| member.is_wanted(only)).map(|member| member.name.as_str()).collect();
    options(&loaded)
}

/// Whether the cursor whose resource has this `state` has fed `member`. States of older programs do not say: there, what has a state was fed.
pub(super) fn is_fed(state: &Value, member: &ResourcePlan, states: Option<&Map<String, Value>>) -> bool {
    match state.get("feeds") {
        Some(feeds) => feeds.get(&member.name).and_then(Value::as_str) == Some(member.table.as_str()),
        None => states.is_some_and(|states| states.contains_key(&member.name)),
    }
}

/// What the state of `root` is to say once the resources `loaded` are published with it; nothing where it has no cursor that goes on.
pub(super) fn fed(plan: &Plan, root: &ResourcePlan, loaded: &[String]) -> Option<Value> {
    let of = |member: &&ResourcePlan| loaded.contains(&member.name);
    let fed: Map<String, Value> =
        plan.with_descendants(root).into_iter().filter(of).map(|member| (member.name.clone(), json!(member.table))).collect();
    root.goes_on_from_cursor().then_some(Value::Object(fed))
}

/// The `state` of a cursor once the resource `from`, which it has fed, is another one with a table of this name, or has none; `None` where it has not
/// fed it.
pub(super) fn moved(state: &Value, from: &str, to: Option<(&str, &str)>) -> Option<Value> {
    let mut state = state.clone();
    let fed = state.get_mut("feeds")?.as_object_mut()?;
    fed.remove(from)?;
    fed.extend(to.map(|(name, table)| (name.to_owned(), json!(table))));
    Some(state)
}

/// What depends on the cursor of `resource`, and what it depends on itself.
pub(super) fn kin(plan: &Plan, resource: &ResourcePlan) -> Kin {
    let feeds = |other: &&ResourcePlan| plan.descendants(&other.name).iter().any(|child| child.name == resource.name);
    Kin {
        feeds_append: plan.descendants(&resource.name).iter().any(|child| child.adds_again()),
        is_fed_once: plan.resources.iter().filter(|other| other.goes_on_from_cursor()).any(|other| feeds(&other)),
    }
}

/// Why `name`, which is ready, is not published: another one of its family has `failed`.
pub(super) fn held_back(plan: &Plan, failed: &[(String, ErrorKind)], name: &str) -> Option<RunError> {
    let family = families(plan).into_iter().find(|family| family.iter().any(|member| member.name == name))?;
    let (failed, kind) = failed.iter().find(|(failed, _)| family.iter().any(|member| member.name == *failed))?;
    let root = family.iter().find(|member| member.goes_on_from_cursor())?;
    let why = format!("what goes on from the cursor of `{}` is published together", root.name);
    Some(RunError::NotAlone { failed: failed.clone(), kind: *kind, why })
}

/// The resources that a run has to load to make the table of `resource` anew, as `--resource` takes them; all of its family.
pub(super) fn options_to_rebuild(plan: &Plan, resource: &ResourcePlan) -> String {
    options_of(&family_of(plan, resource), &[])
}

fn words(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

fn options(names: &[&str]) -> String {
    names.iter().map(|name| format!("--resource {name}")).collect::<Vec<_>>().join(" ")
}
