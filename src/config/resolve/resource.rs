//! `resources[]`: merged with `resource_defaults` by dlt's rules, then settled.

use std::path::Path;

use crate::config::raw::{self, Disposition, DispositionMap, Either, Endpoint, Entries, Field, Resource, Scalar, TableFormat};
use crate::config::resolve::client::Client;
use crate::config::resolve::hints::Hints;
use crate::config::resolve::template::{Names, Used};
use crate::config::resolve::{Context, endpoint, hints, incremental, merging, paginator, parents, rules, steps, table};
use crate::config::tree::NodeId;
use crate::config::{
    Contract, EndpointPlan, Expect, ExpectTotal, FormatKind, InvalidBytes, OnReject, Outline, Problem, ResourcePlan, SchemaFile,
    WriteDisposition,
};

/// The plan of one resource; `None` when a fault leaves it open.
pub(crate) fn resolve(
    cx: Context<'_>,
    id: NodeId,
    raw: Resource,
    defaults: &Resource,
    (client, resources): (&Client, &[String]),
) -> Option<ResourcePlan> {
    let raw = merged(raw, defaults);
    let (name_id, name) = raw.name.set()?;
    let name = cx.checked_name(name_id, name);
    let mut endpoint_raw = endpoint_of(&raw);
    let incremental = incremental::take(cx, &mut endpoint_raw);
    let names = Names::new(resources, !incremental.is_empty());
    let endpoint = endpoint::resolve(cx, id, raw.name.get()?, &endpoint_raw, client, &names);
    let include_from_parent = parents::includes(cx, &raw, &names);
    let is_open = names.is_faulty();
    let used = names.into_used();
    check_parents(cx, &raw, &used, is_open);
    if used.parents.is_empty()
        && !is_open
        && endpoint_raw.response_actions.place() != endpoint_of(defaults).response_actions.place()
    {
        rules::check_no_parent(cx, &endpoint_raw.response_actions);
    }
    let processing_steps = steps::steps(cx, &raw.processing_steps);
    let write_disposition = disposition(cx, &raw.write_disposition);
    let Hints { table, columns, primary_key, merge, contract, nesting_max, round_numbers } =
        hints::hints(cx, &raw, name.as_ref(), write_disposition);
    let of = incremental::Of {
        steps: &processing_steps,
        primary_key: &primary_key,
        disposition: write_disposition,
        has_parent: !used.parents.is_empty(),
        discards_members: contract.columns == Contract::DiscardValue,
        needs: &used.needs,
    };
    let mut endpoint = endpoint.map(|endpoint| incremental::join(cx, endpoint, incremental, of));
    if write_disposition == Some(WriteDisposition::Merge) && primary_key.is_empty() {
        check_keyed(cx, id, &raw);
    }
    let expect = expect(&raw.expect, write_disposition);
    heed_estimate(cx, &raw.expect, &expect, endpoint.as_mut());
    let sets_bytes_aside = endpoint.as_ref().is_some_and(|endpoint| endpoint.response_format.invalid == InvalidBytes::Quarantine);
    let on_reject = on_reject(cx, &raw, contract.discards_rows() || sets_bytes_aside);
    let mut plan = ResourcePlan {
        partition_by: table::partition_by(cx, &raw.partition_by),
        sort_by: table::sort_by(cx, &raw.sort_by),
        is_delta: raw.table_format.get().map(|&Scalar(format)| format == TableFormat::Delta),
        name: name?,
        table: table?,
        columns,
        contract,
        nesting_max,
        round_numbers,
        endpoint: endpoint?,
        parents: used.parents,
        include_from_parent,
        on_missing_parent_field: parents::on_missing(&raw.on_missing_parent_field),
        selected: raw.selected.get().copied().unwrap_or(true),
        processing_steps,
        primary_key,
        write_disposition: write_disposition?,
        appends_unasked: raw.write_disposition.is_unset(),
        merge,
        schema: schema(cx, &raw.schema),
        expect,
        on_reject,
    };
    plan.appends_unasked &= appends_again(&plan) && plan.primary_key.is_empty();
    if let FormatKind::Undeclared { takes_csv } = &mut plan.endpoint.response_format.kind {
        *takes_csv = plan.columns.is_empty() && plan.schema.is_none() && plan.endpoint.incremental.is_none();
    }
    plan.endpoint.warnings.extend(surprise(&plan));
    check_kept(cx, id, &raw, &plan);
    Some(plan)
}

/// What can be told of a resource without its endpoint; `None` when its name or its table's cannot.
pub(crate) fn outline(cx: Context<'_>, raw: Resource, defaults: &Resource) -> Option<Outline> {
    let endpoints = [raw.endpoint.place(), defaults.endpoint.place()];
    let raw = merged(raw, defaults);
    let name = raw.name.get()?.clone();
    let table = match &raw.table_name {
        Field::Absent | Field::Null(_) => name.clone(),
        Field::Set(_, table) => table.clone(),
        Field::Invalid => return None,
    };
    let write_disposition = disposition(cx, &raw.write_disposition);
    let starts_anew = write_disposition == Some(WriteDisposition::Replace);
    let said = incremental::take(cx, &mut endpoint_of(&raw));
    let has_cursor = !said.is_empty() && !starts_anew;
    let asks_from_cursor = has_cursor && incremental::asks_from_cursor(cx, &said, endpoints.into_iter().flatten());
    let has_selector = !endpoint_of(&raw).data_selector.is_unset();
    let sort_by = table::sort_by(cx, &raw.sort_by);
    let primary_key = hints::hints(cx, &raw, Some(&name), write_disposition).primary_key;
    let partition_by = table::partition_by(cx, &raw.partition_by);
    let selected = raw.selected.get() != Some(&false);
    Some(Outline {
        name,
        table,
        has_cursor,
        asks_from_cursor,
        has_selector,
        write_disposition,
        selected,
        primary_key,
        partition_by,
        sort_by,
    })
}

/// Checks that several parents are meant; one placeholder that `is_open` may name any.
fn check_parents(cx: Context<'_>, raw: &Resource, used: &Used, is_open: bool) {
    if let (Some(id), true) = (used.second, raw.parents.is_unset()) {
        let named: Vec<String> = used.parents.iter().map(|parent| format!("`{}`", parent.resource)).collect();
        let why = format!(
            "a resource has one parent, and this one names {}; with `parents: cross_product` it is requested for every combination of their records",
            named.join(" and ")
        );
        cx.reader.conflict(id, why);
    }
    if let (Some(id), true) = (raw.parents.place(), used.second.is_none() && !is_open) {
        cx.reader.conflict(id, "`parents: cross_product` goes with placeholders of two or more resources");
    }
}

/// Refuses a merge without a key, unless what the config says of one is at fault already.
fn check_keyed(cx: Context<'_>, id: NodeId, raw: &Resource) {
    if let (true, Some(name)) = (raw.primary_key.is_unset(), raw.name.get()) {
        let why = format!("`merge` needs a `primary_key`, and resource `{name}` has none");
        cx.reader.conflict(raw.write_disposition.place().unwrap_or(id), why);
    }
}

/// What a disposition that the config leaves as it is may do against what its keys look like.
fn surprise(plan: &ResourcePlan) -> Option<String> {
    (appends_again(plan) && !plan.primary_key.is_empty()).then(|| {
        "`append` without `incremental` loads every record again on each run, and its `primary_key` keeps one of them in a run, not in the table; write `merge` or `replace`".to_owned()
    })
}

/// Whether every run appends all records again.
fn appends_again(plan: &ResourcePlan) -> bool {
    plan.write_disposition == WriteDisposition::Append && plan.endpoint.incremental.is_none()
}

/// Refuses steps that take out the columns which the resource itself names.
fn check_kept(cx: Context<'_>, id: NodeId, raw: &Resource, plan: &ResourcePlan) {
    let kept = [
        ("primary_key", raw.primary_key.place().or(raw.columns.place()), plan.primary_key.iter().collect::<Vec<_>>()),
        ("partition_by", raw.partition_by.place(), plan.partition_by.iter().map(|field| &field.column).collect()),
        ("sort_by", raw.sort_by.place(), plan.sort_by.iter().map(|field| &field.column).collect()),
        ("columns", raw.columns.place(), plan.columns.iter().filter(|hint| !hint.nullable).map(|hint| &hint.name).collect()),
        ("columns", raw.columns.place(), plan.merge.columns().collect()),
    ];
    for (key, place, names) in kept {
        steps::check_kept(cx, &plan.processing_steps, (key, place.unwrap_or(id)), names);
    }
}

/// The endpoint of a resource whose short form is spelled out.
pub(crate) fn endpoint_of(raw: &Resource) -> Endpoint {
    match &raw.endpoint {
        Field::Set(_, Either::Map(endpoint)) => endpoint.clone(),
        _ => Endpoint::default(),
    }
}

/// dlt's merge: a resource's keys replace the defaults'; `endpoint` is merged one level deep, `params` and `json` in it one
/// more. Null counts as a value. The default path never applies: a resource without one has its name as path.
fn merged(raw: Resource, defaults: &Resource) -> Resource {
    Resource {
        name: raw.name,
        endpoint: merged_endpoint(raw.endpoint, &defaults.endpoint),
        processing_steps: raw.processing_steps.or(&defaults.processing_steps),
        primary_key: raw.primary_key.or(&defaults.primary_key),
        write_disposition: raw.write_disposition.or(&defaults.write_disposition),
        schema: raw.schema.or(&defaults.schema),
        partition_by: raw.partition_by.or(&defaults.partition_by),
        sort_by: raw.sort_by.or(&defaults.sort_by),
        table_name: raw.table_name.or(&defaults.table_name),
        columns: raw.columns.or(&defaults.columns),
        merge_key: raw.merge_key.or(&defaults.merge_key),
        schema_contract: raw.schema_contract.or(&defaults.schema_contract),
        max_table_nesting: raw.max_table_nesting.or(&defaults.max_table_nesting),
        table_format: raw.table_format.or(&defaults.table_format),
        file_format: raw.file_format.or(&defaults.file_format),
        references: raw.references.or(&defaults.references),
        nested: raw.nested.or(&defaults.nested),
        numbers: raw.numbers.or(&defaults.numbers),
        expect: raw.expect.or(&defaults.expect),
        on_reject: raw.on_reject.or(&defaults.on_reject),
        max_rejects: raw.max_rejects.or(&defaults.max_rejects),
        include_from_parent: raw.include_from_parent.or(&defaults.include_from_parent),
        parents: raw.parents.or(&defaults.parents),
        on_missing_parent_field: raw.on_missing_parent_field.or(&defaults.on_missing_parent_field),
        selected: raw.selected.or(&defaults.selected),
        parallelized: raw.parallelized.or(&defaults.parallelized),
    }
}

type EndpointField = Field<Either<String, Endpoint>>;

fn merged_endpoint(raw: EndpointField, defaults: &EndpointField) -> EndpointField {
    let Some((default_id, Either::Map(defaults))) = defaults.set() else { return full(raw) };
    let (id, raw) = match full(raw) {
        Field::Set(id, Either::Map(raw)) => (id, raw),
        Field::Invalid => return Field::Invalid,
        _ => (default_id, Endpoint::default()),
    };
    let endpoint = Endpoint {
        path: raw.path,
        method: raw.method.or(&defaults.method),
        params: merged_entries(raw.params, &defaults.params),
        json: merged_entries(raw.json, &defaults.json),
        data: raw.data.or(&defaults.data),
        headers: raw.headers.or(&defaults.headers),
        data_selector: raw.data_selector.or(&defaults.data_selector),
        response_format: raw.response_format.or(&defaults.response_format),
        records: raw.records.or(&defaults.records),
        paginator: raw.paginator.or(&defaults.paginator),
        auth: raw.auth.or(&defaults.auth),
        incremental: raw.incremental.or(&defaults.incremental),
        response_actions: raw.response_actions.or(&defaults.response_actions),
        throttle_when: raw.throttle_when.or(&defaults.throttle_when),
        fail_when: raw.fail_when.or(&defaults.fail_when),
        graphql: raw.graphql.or(&defaults.graphql),
    };
    Field::Set(id, Either::Map(endpoint))
}

/// The short form, a path, as the full one.
fn full(raw: EndpointField) -> EndpointField {
    match raw {
        Field::Set(id, Either::Text(path)) => {
            Field::Set(id, Either::Map(Endpoint { path: Field::Set(id, path), ..Endpoint::default() }))
        }
        other => other,
    }
}

fn merged_entries<T: Clone>(raw: Field<Entries<T>>, defaults: &Field<Entries<T>>) -> Field<Entries<T>> {
    match (raw, defaults) {
        (Field::Set(id, Entries(own)), Field::Set(_, Entries(defaults))) => {
            let kept = defaults.iter().filter(|(key, _)| !own.iter().any(|(own, _)| own == key)).cloned();
            Field::Set(id, Entries(kept.chain(own.iter().cloned()).collect()))
        }
        (raw, defaults) => raw.or(defaults),
    }
}

fn disposition(cx: Context<'_>, field: &Field<Either<Disposition, DispositionMap>>) -> Option<WriteDisposition> {
    let disposition = match field {
        Field::Absent | Field::Null(_) => Disposition::Append,
        Field::Invalid => return None,
        Field::Set(_, Either::Text(disposition)) => *disposition,
        Field::Set(id, Either::Map(map)) => {
            let disposition = *cx.required(&map.disposition, *id, "disposition", "how rows enter the table")?.1;
            merging::check_map(cx, map, disposition);
            disposition
        }
    };
    Some(match disposition {
        Disposition::Append => WriteDisposition::Append,
        Disposition::Replace => WriteDisposition::Replace,
        Disposition::Merge => WriteDisposition::Merge,
        Disposition::Skip => WriteDisposition::Skip,
    })
}

fn schema(cx: Context<'_>, field: &Field<String>) -> Option<SchemaFile> {
    let (id, path) = field.set()?;
    match cx.inputs.read(Path::new(path)) {
        Ok(text) => Some(SchemaFile { path: path.clone(), text }),
        Err(why) => {
            cx.fault(id, Problem::File { file: path.clone(), why });
            None
        }
    }
}

/// An estimate ends no pages.
fn heed_estimate(cx: Context<'_>, field: &Field<raw::Expect>, expect: &Expect, endpoint: Option<&mut EndpointPlan>) {
    let place = field.get().and_then(|expect| expect.total.place());
    if let (ExpectTotal::Estimate, Some(place), Some(endpoint)) = (&expect.total, place, endpoint) {
        paginator::without_total(cx, place, &mut endpoint.paginator);
    }
}

fn expect(field: &Field<raw::Expect>, disposition: Option<WriteDisposition>) -> Expect {
    let none = raw::Expect::default();
    let raw = field.get().unwrap_or(&none);
    let max_shrink = match &raw.max_shrink {
        Field::Set(_, Scalar(fraction)) => Some(fraction.0),
        Field::Absent if disposition.is_some_and(|disposition| disposition != WriteDisposition::Skip) => Some(Expect::MAX_SHRINK),
        _ => None,
    };
    let total = raw.total.get().map(|Scalar(total)| total.0.clone()).unwrap_or_default();
    Expect { min_rows: raw.min_rows.get().copied(), max_shrink, total }
}

/// `on_reject`; `sets_aside`: something else in the config says that records are to be.
fn on_reject(cx: Context<'_>, raw: &Resource, sets_aside: bool) -> OnReject {
    let max_rejects = raw.max_rejects.get().copied();
    match (raw.on_reject.get(), raw.max_rejects.set()) {
        (Some(raw::OnReject::Quarantine), _) => OnReject::Quarantine { max_rejects },
        (None, _) if sets_aside && raw.on_reject.is_unset() => OnReject::Quarantine { max_rejects },
        (_, Some((id, _))) => {
            cx.reader.conflict(id, "`max_rejects` goes with `on_reject: quarantine` only; `fail` stops at the first reject");
            OnReject::Fail
        }
        (_, None) => OnReject::Fail,
    }
}
