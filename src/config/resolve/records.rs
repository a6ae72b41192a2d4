//! `endpoint.records`: where the records of a page are.

use crate::base::JsonPath;
use crate::config::raw::{self, Field, OneOrMany, Scalar};
use crate::config::resolve::Context;
use crate::config::{PhpEmpty, RecordsPlan};

/// What `raw.records` means; `None` where it says nothing.
pub(crate) fn resolve(cx: Context<'_>, raw: &raw::Endpoint) -> Option<RecordsPlan> {
    let (_, records) = raw.records.set()?;
    let mut places = paths(&records.paths);
    for field in [records.paths.place(), records.map_values.place()] {
        if let (Some(id), false) = (field, raw.data_selector.is_unset()) {
            cx.reader.conflict(id, "`data_selector` says already where the records are");
        }
    }
    if let (Some(id), true) = (records.map_values.place(), !places.is_empty()) {
        cx.reader.conflict(id, "`paths` says already where the records are");
    }
    if let (Some(id), true) = (records.key_as.place(), records.map_values.is_unset()) {
        cx.reader.conflict(id, "`key_as` goes with `map_values` only");
    }
    if let (Some(id), true) = (records.single.place(), records.map_values.set().is_some()) {
        cx.reader.conflict(id, "`single` does not go with `map_values`, which has a record for each key");
    }
    if let Some(Scalar(path)) = records.map_values.get() {
        places = vec![path.clone()];
    }
    for field in [&records.key_as, &records.wrap] {
        if let Some((id, name)) = field.set()
            && name.is_empty()
        {
            cx.reader.wrong(id, "the name of a column");
        }
    }
    let php_empty = match (records.php_empty.get(), paths(&records.php_empty_at)) {
        (Some(true), at) => {
            if let (Some(id), false) = (records.php_empty_at.place(), at.is_empty()) {
                cx.reader.conflict(id, "`php_empty: true` means every path");
            }
            PhpEmpty::Everywhere
        }
        (_, at) if at.is_empty() => PhpEmpty::No,
        (_, at) => PhpEmpty::At(at),
    };
    Some(RecordsPlan {
        paths: places.into_iter().map(JsonPath::without_last_every).collect(),
        by_key: records.map_values.set().is_some(),
        key_as: records.key_as.get().cloned(),
        single: records.single.get().copied(),
        wrap: records.wrap.get().cloned(),
        optional: records.optional.get() == Some(&true),
        force_list: paths(&records.force_list),
        php_empty,
    })
}

fn paths(field: &Field<OneOrMany<Field<Scalar<JsonPath>>>>) -> Vec<JsonPath> {
    let Some(OneOrMany(paths)) = field.get() else { return Vec::new() };
    paths.iter().filter_map(|path| path.get().map(|Scalar(path)| path.clone())).collect()
}
