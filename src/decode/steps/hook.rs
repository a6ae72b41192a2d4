//! Steps in the chain that every record passes, and what the quarantine may see of a record that they cannot handle.

use crate::base::{JsonPath, Warning, WarningCode};
use crate::config::{StepAction, StepPlan};
use crate::decode::Json;
use crate::decode::shape::{PageHook, RecordFault, RecordHook};
use crate::decode::steps::cover::{hashed, masked};
use crate::decode::steps::places::{at_places, keep, remove, rename};
use crate::decode::steps::{StepMisfit, Steps};
use crate::source::Page;

impl RecordHook for Steps {
    fn begin<'h>(&'h self, _page: &'h Page) -> Box<dyn PageHook + 'h> {
        Box::new(AtWork(self))
    }

    fn notices(&self) -> Vec<Warning> {
        self.unmatched()
            .into_iter()
            .map(|named| format!("{named}, which no record has: is it the member's exact name?"))
            .map(|text| Warning::new(WarningCode::StepWithoutMember, text))
            .collect()
    }
}

struct AtWork<'s>(&'s Steps);

impl PageHook for AtWork<'_> {
    fn record(&mut self, record: Json, out: &mut Vec<Json>) -> Result<(), RecordFault> {
        let came = record.clone();
        self.0.apply(record, out).map_err(|misfit| {
            let StepMisfit { path, expected, actual } = misfit;
            let record = covered(came.clone(), self.0.plans());
            RecordFault { path, expected, actual, is_whole: record == came, record: Box::new(record) }
        })
    }
}

/// The record as it came, without what the steps would have taken out, hashed or masked.
fn covered(mut record: Json, steps: &[StepPlan]) -> Json {
    let each = |record: &mut Json, paths: &[JsonPath], change: &dyn Fn(Json) -> Json| {
        for path in paths {
            let done = at_places(record, path.steps(), &mut |value| {
                let was = std::mem::replace(value, Json::Null);
                *value = if was == Json::Null { was } else { change(was) };
                Ok::<(), ()>(())
            });
            debug_assert!(done.is_ok(), "nothing here fails");
        }
    };
    for (at, step) in steps.iter().enumerate() {
        match &step.action {
            StepAction::Drop(paths) => {
                for path in paths {
                    remove(&mut record, path.steps());
                }
            }
            StepAction::Keep(paths) => record = keep(record, &paths.iter().map(JsonPath::steps).collect::<Vec<_>>()),
            StepAction::Rename(renames) => {
                for (path, name) in renames {
                    if rename(&mut record, path.steps(), name).is_err() {
                        // Later steps may mean either of the two.
                        remove(&mut record, path.steps());
                    }
                }
            }
            StepAction::Hash { paths, key } => {
                each(&mut record, paths, &|value| hashed(value, key.as_ref().map(crate::base::Secret::expose)));
            }
            StepAction::Mask { paths, keep_last, with } => {
                each(&mut record, paths, &|value| masked(value, *keep_last, *with).unwrap_or(Json::Null));
            }
            // What later steps take out of the elements stands in a list here.
            StepAction::Explode { path, .. } => {
                let covers =
                    |step: &StepPlan| !matches!(step.action, StepAction::Filter(_) | StepAction::Set(_) | StepAction::Cast(_));
                if steps.iter().skip(at + 1).any(covers) {
                    remove(&mut record, path.steps());
                }
            }
            StepAction::Filter(_) | StepAction::Set(_) | StepAction::Cast(_) => {}
        }
    }
    record
}
