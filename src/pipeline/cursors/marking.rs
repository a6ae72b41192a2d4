//! What marks are made with: a mark holds as long as later nights would make the same one of the same record.
//!
//! In: the config of an `append`, or of what an `append` is requested for, and what its state says. Out: nothing, or the refusal of a run that would take records for new that are in the
//! table. Not here: the marks, and where reading starts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::base::{Lag, Step};
use crate::config::{Dedup, IncrementalPlan, ResourcePlan, StepPlan, WriteDisposition};
use crate::pipeline::cursors::state::Remembered;
use crate::pipeline::cursors::{IncrementalError, Kin, start_of};

/// What of a config decides which mark a record has, and how far back marks reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marking {
    /// The columns, [`Value::Null`] for the whole record.
    primary_key: Value,
    time_zone: String,
    lag: Option<Lag>,
    keeps_start: bool,
    /// A hash of the steps that bear on the cursor and the key.
    processing_steps: String,
}

impl Marking {
    /// What `resource` marks its records with; `None` where nothing depends on marks.
    pub(crate) fn of(plan: &IncrementalPlan, resource: &ResourcePlan, kin: Kin) -> Option<Self> {
        let loads_once = resource.write_disposition == WriteDisposition::Append || kin.feeds_append;
        if !loads_once || !plan.has_state() {
            return None;
        }
        let cursor = plan.cursor_path.steps().first().and_then(|step| if let Step::Key(name) = step { Some(name) } else { None });
        let (primary_key, names) = match &plan.dedup {
            Dedup::Key(columns) => (json!(columns), Some(columns.iter().chain(cursor).cloned().collect::<BTreeSet<_>>())),
            Dedup::Record => (Value::Null, None),
            Dedup::Off => (json!([]), cursor.map(|cursor| [cursor.clone()].into())),
        };
        let steps = StepPlan::bearing_on(&resource.processing_steps, names);
        Some(Self {
            primary_key,
            time_zone: plan.form.time_zone.name().to_owned(),
            lag: plan.lag,
            keeps_start: plan.keeps_start,
            processing_steps: format!("{:032x}", xxh3_128(steps.as_bytes())),
        })
    }

    /// As the state keeps it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "primary_key": self.primary_key,
            "time_zone": self.time_zone,
            "lag": self.lag.map(Lag::spelled),
            "range_start": spelled_start(self.keeps_start),
            "processing_steps": self.processing_steps,
        })
    }

    /// Checks that the records at and behind these cursors are known by the marks that they have in the state `stored`. States of older
    /// programs do not say what they were made with.
    ///
    /// # Errors
    /// [`IncrementalError::Changed`], [`IncrementalError::Steps`].
    pub(crate) fn check(
        &self,
        stored: &Map<String, Value>,
        plan: &IncrementalPlan,
        cursors: &BTreeMap<String, Remembered>,
    ) -> Result<(), IncrementalError> {
        let Some(was) = stored.get("marked_by").and_then(Value::as_object) else { return Ok(()) };
        if cursors.values().all(|cursor| cursor.last.is_none() && cursor.marks.is_empty() && cursor.missing_marks.is_empty()) {
            return Ok(());
        }
        let of = |key: &str| was.get(key).unwrap_or(&Value::Null);
        let changed = |key, was: String, is: String| Err(IncrementalError::Changed { key, was, is });
        // States of older programs say nothing of the start. With an open one and no lag they had no marks, and no key.
        let is_older = was.get("range_start").is_none();
        let was_unmarked = is_older && plan.dedup != Dedup::Off && *of("primary_key") == json!([]);
        let open = spelled_start(false);
        if self.keeps_start && (was_unmarked || of("range_start").as_str() == Some(open)) {
            let (was, is) = (format!("`{open}`"), format!("`{}`", spelled_start(true)));
            return changed("endpoint.incremental.range_start", was, is);
        }
        // Nothing at an open start comes again.
        let needs_marks = self.keeps_start || self.lag.is_some() || cursors.values().any(|cursor| !cursor.marks.is_empty());
        if needs_marks && !was_unmarked && *of("primary_key") != self.primary_key {
            return changed("primary_key", spelled_key(of("primary_key")), spelled_key(&self.primary_key));
        }
        if of("time_zone").as_str() != Some(&self.time_zone) {
            let was = format!("`{}`", of("time_zone").as_str().unwrap_or_default());
            return changed("endpoint.incremental.time_zone", was, format!("`{}`", self.time_zone));
        }
        let lag = of("lag").as_str().and_then(Lag::parse);
        if !is_covered(&IncrementalPlan { lag, ..plan.clone() }, plan, cursors) {
            let spelled = |lag: Option<Lag>| lag.map_or_else(|| "none".to_owned(), |lag| format!("`{}`", lag.spelled()));
            return changed("endpoint.incremental.lag", spelled(lag), spelled(self.lag));
        }
        if of("processing_steps").as_str() != Some(&self.processing_steps) {
            return Err(IncrementalError::Steps);
        }
        Ok(())
    }
}

/// Whether a run with the plan `is` starts no earlier than the marks of `was` reach.
fn is_covered(was: &IncrementalPlan, is: &IncrementalPlan, cursors: &BTreeMap<String, Remembered>) -> bool {
    was.lag == is.lag
        || cursors.values().filter(|cursor| cursor.last.is_some()).all(|cursor| {
            let (from, start) = (start_of(was, cursor), start_of(is, cursor));
            from.zip(start).is_some_and(|(from, start)| from.order(&start).is_ok() && !is.is_farther(&from, &start))
        })
}

/// As the config spells it.
fn spelled_start(keeps_start: bool) -> &'static str {
    if keeps_start { "closed" } else { "open" }
}

fn spelled_key(key: &Value) -> String {
    match key {
        Value::Array(columns) if columns.is_empty() => "off".to_owned(),
        Value::Array(columns) => {
            let names: Vec<&str> = columns.iter().filter_map(Value::as_str).collect();
            format!("`{}`", names.join(", "))
        }
        _ => "none".to_owned(),
    }
}
