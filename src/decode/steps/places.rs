//! Places in a record: what a path leads to, changed, taken out or put in.
//!
//! Members keep their order; what is put in anew comes last.

use crate::base::Step;
use crate::decode::Json;

/// Calls `change` for every value that `steps` lead to; whether there was one.
///
/// # Errors
/// The first of `change`.
pub(super) fn at_places<E>(
    value: &mut Json,
    steps: &[Step],
    change: &mut dyn FnMut(&mut Json) -> Result<(), E>,
) -> Result<bool, E> {
    let Some((step, rest)) = steps.split_first() else {
        change(value)?;
        return Ok(true);
    };
    match (step, value) {
        (Step::Key(name), Json::Object(members)) => match members.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => at_places(value, rest, change),
            None => Ok(false),
        },
        (Step::Index(index), Json::Array(items)) => match items.get_mut(*index) {
            Some(item) => at_places(item, rest, change),
            None => Ok(false),
        },
        (Step::Every, Json::Array(items)) => {
            let mut found = false;
            for item in items {
                found |= at_places(item, rest, change)?;
            }
            Ok(found)
        }
        _ => Ok(false),
    }
}

/// Changes an object's members at the place of the one it is about.
type MembersChange<'c, E> = dyn FnMut(&mut Vec<(String, Json)>, usize) -> Result<(), E> + 'c;

/// Calls `change` with every object that has the last name of `steps`, and that name; whether one had it.
fn at_owners<E>(record: &mut Json, steps: &[Step], change: &mut MembersChange<'_, E>) -> Result<bool, E> {
    let Some((Step::Key(name), way)) = steps.split_last() else { return Ok(false) };
    let mut found = false;
    at_places(record, way, &mut |owner| {
        if let Json::Object(members) = owner
            && let Some(at) = members.iter().position(|(known, _)| known == name)
        {
            found = true;
            change(members, at)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Takes out the members that `steps` lead to; whether there was one. The last step is a name.
pub(super) fn remove(record: &mut Json, steps: &[Step]) -> bool {
    let removed = at_owners(record, steps, &mut |members, at| {
        members.remove(at);
        Ok::<(), ()>(())
    });
    removed.unwrap_or(false)
}

/// Gives the members that `steps` lead to another name; whether there was one.
///
/// # Errors
/// Another member has the name.
pub(super) fn rename(record: &mut Json, steps: &[Step], name: &str) -> Result<bool, ()> {
    at_owners(record, steps, &mut |members, at| {
        if members.iter().enumerate().any(|(other, (known, _))| other != at && known == name) {
            return Err(());
        }
        if let Some((known, _)) = members.get_mut(at) {
            name.clone_into(known);
        }
        Ok(())
    })
}

/// Puts null in the place that `steps`, all names, lead to, and gives what was there.
pub(super) fn take(record: &mut Json, steps: &[Step]) -> Option<Json> {
    let mut taken = None;
    let found = at_places(record, steps, &mut |value| {
        taken = Some(std::mem::replace(value, Json::Null));
        Ok::<(), ()>(())
    });
    taken.filter(|_| found == Ok(true))
}

/// Puts a value where `steps`, all names, lead to, and makes the objects on the way, also in place of null.
///
/// # Errors
/// The kind of what stands in the way and is no object.
pub(super) fn put(record: &mut Json, steps: &[Step], value: Json) -> Result<(), &'static str> {
    let Some((Step::Key(name), rest)) = steps.split_first() else {
        *record = value;
        return Ok(());
    };
    if *record == Json::Null {
        *record = Json::Object(Vec::new());
    }
    let Json::Object(members) = record else { return Err(record.kind()) };
    let at = members.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
        members.push((name.clone(), Json::Null));
        members.len() - 1
    });
    members.get_mut(at).map_or(Ok(()), |(_, member)| put(member, rest, value))
}

/// The record with nothing but what `paths`, names and `[*]`, lead to.
pub(super) fn keep(value: Json, paths: &[&[Step]]) -> Json {
    if paths.iter().any(|steps| steps.is_empty()) {
        return value;
    }
    match value {
        Json::Object(members) => {
            let kept = members.into_iter().filter_map(|(name, member)| {
                let inner: Vec<&[Step]> = paths
                    .iter()
                    .filter_map(|steps| after(steps, |step| matches!(step, Step::Key(key) if *key == name)))
                    .collect();
                (!inner.is_empty()).then(|| (name, keep(member, &inner)))
            });
            Json::Object(kept.collect())
        }
        Json::Array(items) => {
            let inner: Vec<&[Step]> = paths.iter().filter_map(|steps| after(steps, |step| *step == Step::Every)).collect();
            Json::Array(items.into_iter().map(|item| keep(item, &inner)).collect())
        }
        // A path that leads on from a scalar leads nowhere; the scalar is not what was asked for.
        _ => Json::Null,
    }
}

fn after(steps: &[Step], first: impl Fn(&Step) -> bool) -> Option<&[Step]> {
    steps.split_first().filter(|(step, _)| first(step)).map(|(_, rest)| rest)
}
