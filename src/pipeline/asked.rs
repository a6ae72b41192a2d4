//! What a child asks of one record of its parent: one set of values, or one for each element of a list in the record.
//!
//! In: what was found at each field, element by element. Out: [`ParentRecord`]s, distinct, in the list's order.
//! Invariant: values of different elements never meet in one request.

use std::collections::HashSet;

use serde_json::value::RawValue;

use crate::base::{JsonPath, Step};
use crate::config::{Binding, ResourcePlan};
use crate::pipeline::RunError;
use crate::source::ParentRecord;

/// Elements of a record's list that are asked for.
const ELEMENTS_MAX: usize = 100_000;

/// What one child asks of one of its parents.
#[derive(Debug)]
pub(crate) struct Asked {
    resource: String,
    parent: String,
    fields: Vec<Field>,
}

/// One field that is asked for.
#[derive(Debug)]
struct Field {
    /// The list that it may find several values in: fields of one list go together.
    list: Option<String>,
    /// Whether requests are made of it; others only add columns.
    is_requested: bool,
}

/// What was found at one field: an entry for each element, without a value where the element lacks it.
pub(crate) type Found<'t> = Vec<Option<&'t str>>;

impl Asked {
    /// What `child` asks of the parent at place `parent` of its plan.
    pub(crate) fn new(child: &ResourcePlan, parent: usize) -> Self {
        let bindings = child.endpoint.request.bindings();
        let requested = |field: usize| bindings.contains(&&Binding::Parent { parent, field });
        let plan = child.parents.get(parent);
        let fields = plan.map_or(&[][..], |plan| &plan.fields);
        Self {
            resource: child.name.clone(),
            parent: plan.map(|plan| plan.resource.clone()).unwrap_or_default(),
            fields: fields
                .iter()
                .enumerate()
                .map(|(at, path)| Field { list: list_of(path), is_requested: requested(at) })
                .collect(),
        }
    }

    /// The sets of values of the parent's record `number`.
    ///
    /// # Errors
    /// [`RunError::ManyLists`] where it is not said which values go together; [`RunError::TooManyElements`].
    pub(crate) fn sets(&self, number: u64, found: &[Found<'_>]) -> Result<Vec<ParentRecord>, RunError> {
        let mut list: Option<(&str, usize)> = None;
        for (field, values) in self.fields.iter().zip(found) {
            let Some(name) = field.list.as_deref().filter(|_| field.is_requested && values.len() > 1) else { continue };
            match list {
                Some((other, _)) if other != name => {
                    let (resource, parent) = (self.resource.clone(), self.parent.clone());
                    return Err(RunError::ManyLists { resource, parent, first: other.to_owned(), second: name.to_owned() });
                }
                _ => list = Some((name, values.len())),
            }
        }
        let Some((name, elements)) = list else { return Ok(vec![self.set(number, found, None)]) };
        if elements > ELEMENTS_MAX {
            let (resource, parent, list) = (self.resource.clone(), self.parent.clone(), name.to_owned());
            return Err(RunError::TooManyElements { resource, parent, record: number + 1, list, limit: ELEMENTS_MAX });
        }
        let (mut sets, mut seen) = (Vec::new(), HashSet::new());
        for at in 0..elements {
            let set = self.set(number, found, Some((name, at)));
            let of_list = |field: &Field| field.is_requested && field.list.as_deref() == Some(name);
            // An element that has nothing of what is asked for is none of the values that the placeholder finds.
            let finds = self.fields.iter().zip(&set.values).any(|(field, value)| of_list(field) && value.is_some());
            if finds && seen.insert(set.values.clone()) {
                sets.push(set);
            }
        }
        Ok(sets)
    }

    /// The values of one element; of other lists the first one.
    fn set(&self, number: u64, found: &[Found<'_>], element: Option<(&str, usize)>) -> ParentRecord {
        let value = |(field, values): (&Field, &Found<'_>)| {
            let of_list = element.filter(|(name, _)| field.list.as_deref() == Some(*name));
            let value = match of_list {
                Some((_, at)) => values.get(at).copied().flatten(),
                None => values.iter().copied().flatten().next(),
            };
            value.map(Box::from)
        };
        ParentRecord { number, values: self.fields.iter().zip(found).map(value).collect() }
    }
}

/// What [`crate::decode::DecodedPage::for_children`] holds of one field.
///
/// # Errors
/// It is not that.
pub(crate) fn found_in(text: &str) -> Result<Found<'_>, serde_json::Error> {
    let elements: Vec<Vec<&RawValue>> = serde_json::from_str(text)?;
    Ok(elements.into_iter().map(|element| element.first().map(|value| value.get())).collect())
}

/// The list in which `path` may find several values: up to the last `[*]`, or all of a path that chooses.
fn list_of(path: &JsonPath) -> Option<String> {
    if !path.is_simple() {
        return Some(path.to_string());
    }
    let last = path.steps().iter().rposition(|step| *step == Step::Every)?;
    Some(JsonPath::from_steps(path.steps()[..=last].to_vec()).to_string())
}

#[cfg(test)]
impl Asked {
    /// For these fields, each with whether requests are made of it.
    pub(crate) fn for_fields(fields: &[(&str, bool)]) -> Self {
        let field = |(path, is_requested): &(&str, bool)| Field {
            list: list_of(&JsonPath::parse(path).expect("a path")),
            is_requested: *is_requested,
        };
        Self { resource: "c".to_owned(), parent: "p".to_owned(), fields: fields.iter().map(field).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[(&str, bool)], found: &[Found<'_>], expected: &[&[Option<&str>]]) {
        let sets = Asked::for_fields(fields).sets(4, found).unwrap();
        let sets: Vec<Vec<Option<&str>>> = sets.iter().map(|set| set.values.iter().map(Option::as_deref).collect()).collect();
        assert_eq!(sets, expected);
    }

    #[test]
    fn every_value_is_asked_for_once_and_in_order() {
        let list = ("items[*].id", true);
        check(&[("id", true)], &[vec![Some("1")]], &[&[Some("1")]]);
        check(&[list], &[vec![Some("7"), Some("5"), Some("7")]], &[&[Some("7")], &[Some("5")]]);
        check(&[list], &[vec![Some("7"), None, Some("5")]], &[&[Some("7")], &[Some("5")]]);
        check(&[list], &[vec![]], &[&[None]]);
        check(&[("$..id", true)], &[vec![Some("1"), Some("2")]], &[&[Some("1")], &[Some("2")]]);
    }

    #[test]
    fn values_of_one_element_go_together() {
        let fields = [("items[*].id", true), ("items[*].name", true), ("id", true), ("items[*].note", false), ("tags[*]", false)];
        let found = [
            vec![Some("1"), Some("2")],
            vec![Some("a"), None],
            vec![Some("9")],
            vec![None, Some("n")],
            vec![Some("x"), Some("y")],
        ];
        let expected: [&[Option<&str>]; 2] =
            [&[Some("1"), Some("a"), Some("9"), None, Some("x")], &[Some("2"), None, Some("9"), Some("n"), Some("x")]];
        check(&fields, &found, &expected);
    }

    #[test]
    fn two_lists_are_refused_and_so_is_a_list_without_end() {
        let two = Asked::for_fields(&[("a[*]", true), ("b[*]", true)]);
        let found = [vec![Some("1"), Some("2")], vec![Some("3"), Some("4")]];
        assert!(matches!(two.sets(0, &found), Err(RunError::ManyLists { .. })));
        assert_eq!(two.sets(0, &[vec![Some("1"), Some("2")], vec![Some("3")]]).unwrap().len(), 2);
        let many = Asked::for_fields(&[("a[*]", true)]);
        assert!(matches!(many.sets(0, &[vec![Some("1"); ELEMENTS_MAX + 1]]), Err(RunError::TooManyElements { .. })));
    }
}
