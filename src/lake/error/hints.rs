//! What the operator can do about a failure of the lake, in words that work when typed.

use std::io;
use std::ops::RangeInclusive;

use crate::base::ErrorKind;
use crate::lake::error::kinds::io_kind;
use crate::lake::format::UNKNOWN;
use crate::lake::{LakeError, StoreProblem};
use crate::schema::nearest;

/// What is tried of a lake that is only looked at.
const LOOKS: [&str; 4] = ["list", "look at", "read", "open"];

impl LakeError {
    /// What the operator can do, where that is not plain from the message; of partitions, [`crate::lake::PartitionError::hint`] tells it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Foreign { is_new: true, place, .. } => Some(format!(
                "move them out of `{place}`, and run again: the table is then loaded anew; or let them be, and load into another place: another \
                 `table_name` (of a dlt.yml: `dataset_name`) or `lake.url`"
            )),
            Self::Foreign { table, files, more_files, .. } => {
                let are_unknown = |file: &String| file.ends_with(UNKNOWN);
                let move_out = "move unknown files out of the table's folder";
                Some(match *more_files {
                    0 if files.iter().all(are_unknown) => move_out.to_owned(),
                    0 if !files.iter().any(are_unknown) => repair_words(Some(table)),
                    _ => format!("{move_out}; for files that are gone or changed, {}", repair_words(Some(table))),
                })
            }
            Self::NoTable { table, tables, .. } => {
                let names: Vec<&str> = tables.iter().map(String::as_str).collect();
                nearest(table, &names).map(|near| format!("did you mean `{near}`?"))
            }
            Self::NotInDelta { .. } => Some(
                "give such a column another name with a step (`rename`), or store the table as Parquet alone: `table_format: native`".to_owned(),
            ),
            Self::Delta { table, .. } => Some(format!(
                "undo that in the engine that did it, or load into another table; or run `lakeward table drop CONFIG {table} --apply` and load it anew"
            )),
            Self::Damaged { table, .. } => Some(repair_words(table.as_deref())),
            Self::NotKept { kept, .. } | Self::MarksGone { kept, .. } => Some(kept_words(kept)),
            Self::Unpublished { source, .. } => source.hint(),
            Self::Unread(source) => source.hint(),
            _ => self.plain_hint().map(str::to_owned),
        }
    }

    fn plain_hint(&self) -> Option<&'static str> {
        match self {
            Self::Disk { source, .. } if is_full(source) => Some(
                "make room there, and run again: nothing that was committed is lost; `lakeward gc CONFIG` lists what the lake itself can do without",
            ),
            Self::Disk { action, source, .. } if io_kind(source) == ErrorKind::Config => match source.kind() {
                io::ErrorKind::PermissionDenied if LOOKS.contains(action) => Some(
                    "this user may not look at it: let it list the folders and read the files below `lake.url`, and write there too where it is to run",
                ),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("look at `lake.url`: it has to be a folder that this user may write to; let it, or name another one")
                }
                _ => Some("look at `lake.url`: it has to be a folder that this user may write to"),
            },
            Self::Store { problem: StoreProblem::Denied, .. } => {
                Some("renew the credentials, or let them list, read, write and delete below `lake.url`")
            }
            Self::Unfinished { .. } => Some(
                "`lakeward run CONFIG` without `--dry-run` finishes it first; `lakeward doctor CONFIG` tells what is in its way",
            ),
            Self::SameFolder { .. } => Some("set the resource's `table_name` to the name that the lake has, or to another one"),
            Self::WithinLake { .. } => Some("set `lake.url` to a folder outside of that lake, such as one beside it"),
            Self::SamePipeline { .. } => Some("set `name` to the name that the lake has, or to another one"),
            Self::NoColumns { .. } => Some(
                "set `data_selector` to where the records are, or declare what they may have with `columns`, as in `columns: {id: {data_type: text}}`",
            ),
            Self::Adopt { .. } => Some("move the files elsewhere and let lakeward load the table anew"),
            Self::UnsafeStore { .. } => Some("use a store that honours If-None-Match, or set `lake.allow_unsafe_store: true`"),
            Self::Outlived { .. } => Some(
                "run again: the next run goes on from what the lake holds, with these rows or without them, and loses and doubles none",
            ),
            Self::Locked { .. } => Some("wait for it to end; a lease without a heartbeat for 30 s is taken over"),
            Self::Unreadable { why, .. } if why.ends_with("newer lakeward") => {
                Some("run the lakeward that wrote it, or a newer one")
            }
            Self::Unreadable { place, .. } if place.contains("/_tables/") => Some(
                "put it back from a copy of the lake, or move it away: the next run writes the claim anew from the newest commit",
            ),
            Self::Unreadable { .. } => Some(
                "put it back from a copy of the lake; where there is none, move the pipeline's folder under `_lakeward` and the folders of its tables away, and the next run loads everything anew",
            ),
            Self::Refused { .. } => Some("find out who put it there, move it away, and run again"),
            Self::TooLarge { .. } => {
                Some("give the table fewer files: a larger `lake.target_file_size`, coarser partitions, then `--full-refresh`")
            }
            Self::Taken { .. } => Some("move it out of the table's folder and run again; the commit is then finished"),
            Self::Claimed { .. } => Some(
                "give the resource another `table_name`; or hand the table over: take it out of the other pipeline's config and run that \
                 with `--full-refresh=drop_sources`; or, if that pipeline is no more and its data may go, move its folder under `_lakeward`, \
                 the table's folder and this claim away, and run again",
            ),
            Self::ClaimedTwice { .. } => Some(
                "give the resource another `table_name` in all configs but one, and write the claim of that one, a file in that place with \
                 {\"format\":1,\"table\":\"<table>\",\"pipeline\":\"<pipeline>\"}",
            ),
            Self::NoVersion { .. } => Some("`lakeward history CONFIG` lists the versions"),
            Self::NothingCommitted { .. } => Some(
                "is this the lake? A relative `lake.url` is relative to the config's folder; is its disk there, and the `name` of the pipeline as it was?",
            ),
            Self::Lost { .. } | Self::StagedDamaged { .. } | Self::NotAbandonable { .. } => Some(
                "put the file back from a copy of the lake, or load its table anew with `--full-refresh`: rows that the API has no more are lost then; \
                 nothing was changed",
            ),
            _ => self.hint_of_version(),
        }
    }

    fn hint_of_version(&self) -> Option<&'static str> {
        match self {
            Self::NothingToAbandon { by: None, .. } => {
                Some("`lakeward rollback CONFIG --to VERSION` brings an older version back")
            }
            Self::NotComparable { .. } => Some(
                "`lakeward files CONFIG TABLE --at VERSION` lists the files of each, for a reader that knows how to compare them",
            ),
            Self::CanBeFinished { .. } => Some("`lakeward run CONFIG` finishes it"),
            _ => None,
        }
    }
}

/// What brings back files of a table, or of any: what loses nothing comes first.
pub(crate) fn repair_words(table: Option<&str>) -> String {
    let table = table.map_or_else(String::new, |table| format!(" {table}"));
    format!(
        "`lakeward repair CONFIG{table} --apply` puts back what the lake has a copy of; else put the files back from a copy of the lake; or load the table \
         anew with `--full-refresh`: rows that the API has no more are lost then"
    )
}

/// Which versions there are instead of one that is not kept.
fn kept_words(kept: &RangeInclusive<u64>) -> String {
    let there = match (kept.start(), kept.end()) {
        (oldest, newest) if oldest >= newest => "no older version is kept".to_owned(),
        (oldest, newest) if *oldest + 1 == *newest => format!("of the older versions, {oldest} is kept"),
        (oldest, newest) => format!("of the older versions, {oldest} to {} are kept", newest - 1),
    };
    format!("{there}; `lake.keep_versions` says how many commits can be undone from now on")
}

/// Whether there is no room left.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
