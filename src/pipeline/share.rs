//! Shards of a run: its requests cut into parts that ask side by side, on one machine or many, and its commit, which is answered from what they recorded.
//!
//! In: a plan. Out: a [`ShardSpec`] for each shard; what a shard asked and was answered, as a recording in the lake, and a [`ShardManifest`]; and from the
//! manifests of all shards one run that asks nobody. So all that a run proves is proven of the whole: paginators, counts, guards and cursors
//! see every page once, and rows, dedup and commit are those of a run on one machine.
//!
//! A run is cut by slices: windows of time, and records of parents. Parents are read once, by whoever plans, and every shard is answered from that. A resource
//! whose paginator or place of records the config leaves open is read by one shard, since each chain would settle it for itself. A shard never exceeds its
//! part of the API's limits.
//!
//! Invariants: shards write nothing that a reader sees, and take no lease; a shard that is run twice leaves two recordings, of which the one whose manifest
//! is committed counts; a manifest that is missing, doubled, edited or of another run is refused, and so is a config or a lake that has changed
//! since the plan.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{PaginatorPlan, Plan, ResourcePlan};
use crate::lake::LeftFile;

/// What this program writes.
const FORMAT: u32 = 1;

/// Most shards of a run.
pub(crate) const SHARDS_MAX: u32 = 10_000;

/// What of a run is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// What others are requested for.
    Parents {
        /// When the run began.
        began: DateTime<Utc>,
    },
    /// A shard.
    Shard {
        /// Its number, from 0.
        number: u32,
        /// How many there are.
        of: u32,
        /// When the run began.
        began: DateTime<Utc>,
    },
}

impl Part {
    /// When the run began, as of which all parts ask.
    pub(super) fn began(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Parents { began } | Self::Shard { began, .. } => Some(*began),
        }
    }

    /// Whether resources without children are asked for.
    pub(super) fn asks_leaves(&self) -> bool {
        matches!(self, Self::Shard { .. })
    }

    /// Which slices of a resource are asked for; all of them where none is told.
    pub(super) fn of(&self, resource: &ResourcePlan, plan: &Plan) -> Option<SliceShare> {
        let Self::Shard { number, of, .. } = self else { return None };
        let place = plan.resources.iter().position(|known| known.name == resource.name).unwrap_or(0) as u64;
        let (number, of) = (u64::from(*number), u64::from(*of));
        let is_settled = resource.endpoint.paginator != PaginatorPlan::Undeclared
            && (resource.endpoint.data_selector.is_some() || resource.endpoint.records.is_some());
        Some(match is_settled {
            true => SliceShare::Every { of, rest: (number + of - place % of) % of },
            false if place % of == number => SliceShare::All,
            false => SliceShare::None,
        })
    }
}

/// Which slices of a resource a shard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SliceShare {
    /// All of them.
    All,
    /// None.
    None,
    /// Those whose number leaves this rest.
    Every {
        /// Shards.
        of: u64,
        /// The rest.
        rest: u64,
    },
}

impl SliceShare {
    /// Whether the slice of this number, from 0, is one of them.
    pub(super) fn has(self, number: u64) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Every { of, rest } => number % of == rest,
        }
    }
}

/// A shard of a run, as its planner hands it out: one JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardSpec {
    /// [`FORMAT`] of the writer.
    pub(crate) format: u32,
    /// The pipeline.
    pub(crate) pipeline: String,
    /// The run.
    pub(crate) run: String,
    /// When it began.
    pub(crate) began: DateTime<Utc>,
    /// Of what the config asks of the API, told from others' by the run.
    pub(crate) fingerprint: String,
    /// The number of the shard, from 0.
    pub(crate) shard: u32,
    /// How many there are.
    pub(crate) of: u32,
    /// What the parents' requests were answered, if there are any.
    pub(crate) parents: Option<LeftFile>,
}

/// What a shard came to: one JSON line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShardManifest {
    /// What it was.
    pub(crate) spec: ShardSpec,
    /// What it asked and was answered; nothing where no slice was its.
    pub(crate) answers: Option<LeftFile>,
    /// Requests that were answered, or failed.
    pub(crate) exchanges: u64,
}

/// Why manifests do not make a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShardFault {
    /// A line is none.
    #[error("line {line} is no {what}: {why}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// There is none.
    #[error("there is no line: the manifests of all shards are wanted, one a line")]
    Nothing,
    /// They are of several runs.
    #[error("line {line} is of another run, or was changed")]
    Foreign {
        /// The line, from 1.
        line: usize,
    },
    /// A shard is there twice.
    #[error("shard {shard} is there twice, in line {line} again: hand in one attempt of it")]
    Doubled {
        /// Its number.
        shard: u32,
        /// The second line, from 1.
        line: usize,
    },
    /// Shards are missing.
    #[error("{} of {of} shards are missing: {}{}", missing.len(), first(missing), if missing.len() > 10 { ", …" } else { "" })]
    Missing {
        /// Their numbers.
        missing: Vec<u32>,
        /// How many there are.
        of: u32,
    },
    /// The config asks for something else than it did when the run was planned.
    #[error("the config has changed since the shards were planned")]
    OtherConfig,
}

fn first(missing: &[u32]) -> String {
    missing.iter().take(10).map(u32::to_string).collect::<Vec<_>>().join(", ")
}

impl ShardSpec {
    /// The specs of a run.
    pub(crate) fn all(plan: &Plan, (run, began): (&str, DateTime<Utc>), of: u32, parents: Option<&LeftFile>) -> Vec<Self> {
        let spec = |shard| Self {
            format: FORMAT,
            pipeline: plan.name.clone(),
            run: run.to_owned(),
            began,
            fingerprint: fingerprint(plan, run),
            shard,
            of,
            parents: parents.cloned(),
        };
        (0..of).map(spec).collect()
    }

    /// Reads one.
    ///
    /// # Errors
    /// [`ShardFault::Line`]; [`ShardFault::OtherConfig`].
    pub(crate) fn parse(text: &str, plan: &Plan) -> Result<Self, ShardFault> {
        let fault = |why: String| ShardFault::Line { line: 1, what: "shard", why };
        let spec: Self = serde_json::from_str(text.trim()).map_err(|error| fault(error.to_string()))?;
        spec.check().map_err(fault)?;
        match spec.pipeline == plan.name && spec.fingerprint == fingerprint(plan, &spec.run) {
            true => Ok(spec),
            false => Err(ShardFault::OtherConfig),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format {} is of another lakeward", self.format));
        }
        if !(1..=SHARDS_MAX).contains(&self.of) || self.shard >= self.of {
            return Err(format!("there is no shard {} of {}", self.shard, self.of));
        }
        Ok(())
    }

    /// What it asks for.
    pub(crate) fn part(&self) -> Part {
        Part::Shard { number: self.shard, of: self.of, began: self.began }
    }
}

impl ShardManifest {
    /// Reads those of a run: one of each shard.
    ///
    /// # Errors
    /// [`ShardFault`].
    pub(crate) fn all(text: &str, plan: &Plan) -> Result<Vec<Self>, ShardFault> {
        let mut found: BTreeMap<u32, Self> = BTreeMap::new();
        let mut first: Option<ShardSpec> = None;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        for (line, text) in lines.map(|(at, text)| (at + 1, text)) {
            let fault = |why: String| ShardFault::Line { line, what: "manifest of a shard", why };
            let manifest: Self = serde_json::from_str(text.trim()).map_err(|error| fault(error.to_string()))?;
            manifest.spec.check().map_err(fault)?;
            let shard = manifest.spec.shard;
            let of_run = first.get_or_insert_with(|| manifest.spec.clone());
            if (ShardSpec { shard, ..of_run.clone() }) != manifest.spec {
                return Err(ShardFault::Foreign { line });
            }
            if found.insert(shard, manifest).is_some() {
                return Err(ShardFault::Doubled { shard, line });
            }
        }
        let Some(spec) = first else { return Err(ShardFault::Nothing) };
        if spec.pipeline != plan.name || spec.fingerprint != fingerprint(plan, &spec.run) {
            return Err(ShardFault::OtherConfig);
        }
        let missing: Vec<u32> = (0..spec.of).filter(|shard| !found.contains_key(shard)).collect();
        match missing.is_empty() {
            true => Ok(found.into_values().collect()),
            false => Err(ShardFault::Missing { missing, of: spec.of }),
        }
    }
}

/// Of what the config asks of the API, told from others' by the run.
fn fingerprint(plan: &Plan, run: &str) -> String {
    format!("{:032x}", xxh3_128(format!("{run}{:032x}", plan.fingerprint()).as_bytes()))
}

/// The plan of a shard, which keeps to its part of the API's limits.
pub(crate) fn within_share(mut plan: Plan, of: u32) -> Plan {
    for limit in &mut plan.client.rate_limits {
        limit.per = limit.per.saturating_mul(of);
    }
    plan.client.concurrency = plan.client.concurrency.div_ceil(of as usize).max(1);
    plan
}
