//! What the operator can do about an error, in words that work when typed.

use crate::config::BindError;
use crate::decode::Reject;
use crate::lake::LakeError;
use crate::pipeline::RunError;
use crate::schema::nearest;

impl RunError {
    /// Advice for the operator, a line each.
    pub(crate) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Source(error) => return error.hint().into_iter().collect(),
            Self::Decode(error) => return error.hint().map(str::to_owned).into_iter().collect(),
            Self::Rejected { first, is_key, declared, lists, .. } => {
                let beside = (!lists.is_empty()).then(|| {
                    let lists: Vec<String> = lists.iter().map(|list| format!("`{list}`")).collect();
                    format!(
                        "`data_selector` leads to one object, and the page has a list at {}: is that the records?",
                        lists.join(" and ")
                    )
                });
                return beside.into_iter().chain([rejected(first, *is_key, declared.as_deref())]).collect();
            }
            Self::NewColumn { .. } | Self::NewType { .. } | Self::NewTable { .. } => {
                "if the change is wanted, run once with `schema_contract: evolve`"
            }
            Self::NoOrder { .. } => {
                "name a column of numbers, times, dates or text; a `set` step brings a member of an object up as a column"
            }
            Self::NoSuchResource { name, known } => {
                let known: Vec<&str> = known.split(", ").map(|known| known.trim_matches('`')).collect();
                let near = nearest(name, &known);
                return near.map(|near| format!("did you mean `{near}`?")).into_iter().collect();
            }
            Self::OnlyRejects { .. } => {
                "the declared schema or the `primary_key` is of another table; `preview` shows what comes"
            }
            Self::OtherPaginator { .. } => {
                "write the API's own paginator into the config, as `check --online --write` does; or, where the API has changed for good, run once with `--full-refresh`"
            }
            Self::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room there, or set `TMPDIR` to a folder that has some, and run again"
            }
            Self::Incremental { source, .. } => return vec![source.hint()],
            Self::ResetOfAppend { .. } => "`--full-refresh` rebuilds the table; `--resource` leaves it out",
            Self::ManyRejects { .. } => {
                "look at what comes with `preview`; where it is right, `max_rejects` says how many rejects a run may have"
            }
            Self::AllDeleted { .. } => {
                "any value deletes but null and false: `processing_steps: [{cast: {COLUMN: boolean}}]` makes flags of 0 and 1 right; `expect: {max_shrink: null}` lets it be"
            }
            Self::KeyRepeats { .. } => {
                "name all columns of the key; where several versions of a record come, `columns: {COLUMN: {dedup_sort: desc}}` says that the one with the greatest value stays"
            }
            Self::Held(error) => return vec![error.hint()],
            Self::Replay { hint, .. } => hint,
            Self::Family(error) => return vec![error.hint()],
            Self::Strict { .. } => {
                "run without `--strict` to take the tables as they came; `docs/warnings.md` says what each code means"
            }
            Self::MuchSetAside { .. } => {
                "ask the API again: `lakeward backfill CONFIG` loads a range of an incremental resource, and `lakeward run CONFIG --full-refresh --resource NAME` \
                 all of it; what was set aside before counts no more then"
            }
            Self::TooFewRows { .. } => "look at what the API answers; when so few rows are right, lower `expect.min_rows`",
            Self::Shrinks { .. } => {
                "look at what the API answers; when the loss is real, write `expect: {max_shrink: null}` under the resource for one run"
            }
            Self::Lake(LakeError::Partition(source)) | Self::Partitions { source, .. } => {
                return source.hint().into_iter().collect();
            }
            Self::Lake(error) => return of_lake(error),
            _ => return self.of_parents().map(str::to_owned).into_iter().collect(),
        };
        vec![hint.to_owned()]
    }

    /// Advice about the records that a resource is requested for.
    fn of_parents(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoParentField { key: "the request", .. } => {
                "`preview` shows the names; `on_missing_parent_field: skip` passes over records that lack one, and counts them"
            }
            Self::NoParentField { .. } => "`preview` shows the names; leave out of `include_from_parent` what no record has yet",
            Self::Request { source: BindError::Missing { .. }, .. } => {
                "is it the field's exact name, as `preview` shows it? `on_missing_parent_field: skip` passes over such records, and counts them"
            }
            Self::TooManyGone { .. } => {
                "look at `endpoint.path`; if those records are really gone, write under `endpoint`: `response_actions: [{status_code: [404, 410], action: skip, scope: parent}]`"
            }
            Self::ManyLists { .. } => {
                "ask for fields of one list, or bring the other list's value up as a column with a `set` step of the parent"
            }
            Self::TooManyElements { .. } => {
                "make records of the list's elements with the parent's `data_selector`, or with an `explode` step"
            }
            Self::AllSkipped { .. } => "look at `endpoint.path` and where its values come from",
            _ => return None,
        })
    }
}

impl RunError {
    /// The error, which ended `resource`, and its hints, as [`of_resource`] says them.
    pub(crate) fn told_of(&self, resource: &str) -> (String, Vec<String>) {
        let hints = self.hints().iter().map(|hint| of_resource(hint, resource)).collect();
        (of_resource(&self.chain(), resource), hints)
    }

    /// Words about one resource, as [`of_resource`] says them.
    pub(crate) fn words_of(text: &str, resource: &str) -> String {
        of_resource(text, resource)
    }

    /// The hints, where one may be about the table of a resource that `resource_of` knows.
    pub(crate) fn hints_among<'n>(&self, resource_of: impl Fn(&str) -> Option<&'n str>) -> Vec<String> {
        let hints = self.hints();
        let table = match self {
            Self::Lake(error) => error.table(),
            _ => None,
        };
        match table.and_then(resource_of) {
            Some(resource) => hints.iter().map(|hint| of_resource(hint, resource)).collect(),
            None => hints,
        }
    }
}

/// Advice about an error of the lake.
fn of_lake(error: &LakeError) -> Vec<String> {
    let abandon = error.abandonable().map(|version| {
        format!("or give the whole commit up: `lakeward abandon CONFIG {version}` lists what it brought, and with --apply steps past it")
    });
    error.hint().into_iter().chain(abandon).collect()
}

/// Advice or a message about one resource: a rebuild that it names, or a new start, is one of that resource alone, and so is every other run.
fn of_resource(text: &str, resource: &str) -> String {
    let text = text.replace("--resource NAME", &format!("--resource {resource}"));
    ["--full-refresh", "--full-refresh=drop_data", "--reset-state"]
        .iter()
        .fold(text, |text, flag| text.replace(&format!("`{flag}`"), &format!("`{flag} --resource {resource}`")))
}

/// What to do about a record that cannot become a row; `declared`: the config's key for the type that its value has not.
fn rejected(first: &Reject, is_key: bool, declared: Option<&str>) -> String {
    let aside = "to keep such records aside";
    if is_of_format(first) {
        return "`on_reject: quarantine` keeps such records aside; `response_format` says how they are read".to_owned();
    }
    if first.path == "$" && first.expected == "an object" {
        return "values become records with `endpoint.records: {wrap: COLUMN}`".to_owned();
    }
    if first.missing().is_some() || first.actual == "nothing" {
        return missing(first, is_key);
    }
    match declared {
        Some(key) => format!("change `{key}`, or set `on_reject: quarantine` {aside}"),
        None => format!("declare the column's type in `schema:`, or set `on_reject: quarantine` {aside}"),
    }
}

/// What to do where a record lacks what the config names.
fn missing(first: &Reject, is_key: bool) -> String {
    let near = first.meant().map(|near| format!("did you mean `{near}`?"));
    let exact = "is it the member's exact name, as `preview` shows it?";
    let aside = "`on_reject: quarantine` keeps such records aside";
    if let Some(name) = first.missing() {
        let near = near.unwrap_or_else(|| format!("where records may lack it, write `{name} is defined and …`"));
        return format!("the step names `{name}`: {near}");
    }
    let name = first.path.trim_start_matches("$.");
    match near {
        Some(near) if is_key => format!("`primary_key` names `{name}`, and every record needs it: {near}"),
        None if is_key => format!("`primary_key` names `{name}`, and every record needs it: {exact} {aside}"),
        near => format!("every record needs it: {} {aside}", near.unwrap_or_else(|| exact.to_owned())),
    }
}

/// Whether a reject is one for how the body is written, and not for what it says.
fn is_of_format(reject: &Reject) -> bool {
    ["a broken line", "bytes that mean nothing", "it again"].contains(&reject.actual.as_str())
        || reject.expected.contains(" fields at byte ")
}
