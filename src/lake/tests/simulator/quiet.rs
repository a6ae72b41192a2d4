//! When nobody is at work: a fresh run opens the lake, finishes what was left, and everything is as the model says.
//!
//! In: a store in which nothing goes wrong. Out: the first difference, told to the oracle.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actors::{PIPELINES, abandon, marks_named};
use super::disk::checksum;
use super::oracle::Version;
use super::schedule::{ActorClock, Sim};
use crate::config::LakePlan;
use crate::lake::ops::Archive;
use crate::lake::store::Store;
use crate::lake::{Lake, LakeError, Layout, Owner};

/// A run that looks whether all is well.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) sim: Arc<Sim>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<ActorClock>,
    pub(super) plan: LakePlan,
    pub(super) run: String,
    pub(super) pipeline: usize,
}

impl Look {
    /// "After everything quiets down a fresh run opens, finishes, and the lake is what it should be."
    pub(super) async fn look(self) {
        let fault = match self.differences().await {
            Ok(fault) => fault,
            Err(error) => Some(format!("a fresh run of {} fails: {error} ({error:?})", PIPELINES[self.pipeline])),
        };
        if let Some(fault) = fault {
            self.sim.state().world.oracle.fail(fault);
        }
    }

    fn versions(&self) -> Vec<Version> {
        self.sim.state().world.oracle.log(PIPELINES[self.pipeline]).to_vec()
    }

    /// Whether what was before a version cannot come back: it kept nothing of what it replaced; or it is an abandonment, and before it were files
    /// that were lost.
    fn is_stuck(&self, version: u64) -> bool {
        let (pipeline, state) = (PIPELINES[self.pipeline], self.sim.state());
        let oracle = &state.world.oracle;
        let is_abandonment = oracle.abandoned.contains(&(pipeline.to_owned(), version - 1));
        is_abandonment || self.plan.keep_versions == 0 && oracle.has_replaced(pipeline, version)
    }

    async fn differences(&self) -> Result<Option<String>, LakeError> {
        let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
        let (store, clock) = (Arc::clone(&self.store), Arc::<ActorClock>::clone(&self.clock));
        let pipeline = PIPELINES[self.pipeline];
        let open = || {
            Lake::open_in(
                Arc::clone(&store),
                (&self.plan, pipeline),
                Arc::<ActorClock>::clone(&clock),
                &self.run,
                owner.clone(),
                None,
            )
        };
        let lake = match open().await {
            Err(error) if error.abandonable().is_some() && self.sim.state().world.oracle.lossy.contains(pipeline) => {
                let version = self.versions().len() as u64;
                let of = (pipeline, format!("{}-abandons", self.run));
                match abandon((&self.sim, Arc::clone(&store)), Arc::clone(&clock), &self.plan, (of.0, &of.1), version).await {
                    // Of what it would bring back nothing was kept: its tables have to be loaded anew.
                    Err(LakeError::NotAbandonable { .. }) if self.is_stuck(version) => {
                        self.sim.state().world.oracle.stuck.insert(pipeline.to_owned());
                        return Ok(None);
                    }
                    abandoned => abandoned?,
                }
                open().await?
            }
            lake => lake?,
        };
        let versions = self.versions();
        if lake.version() != versions.len() as u64 {
            return Ok(Some(format!("the lake opens at version {} of {}", lake.version(), versions.len())));
        }
        if let Some(newest) = versions.last() {
            for (table, files) in &newest.tables {
                let mut seen = BTreeMap::new();
                for file in lake.view().table(table).await?.files {
                    seen.insert(file.path, file.checksum);
                }
                let expected: BTreeMap<String, String> =
                    files.iter().map(|(path, text)| (path.clone(), checksum(text.as_bytes()))).collect();
                if seen != expected {
                    return Ok(Some(format!("table {table} opens with {seen:?} instead of {expected:?}")));
                }
            }
            if lake.view().states() != Some(&newest.state) {
                return Ok(Some(format!("the state is {:?} instead of {:?}", lake.view().states(), newest.state)));
            }
        }
        lake.close().await?;
        self.old_versions(&versions).await
    }

    /// "What the newest commits replaced or removed stays readable", whatever was collected.
    async fn old_versions(&self, versions: &[Version]) -> Result<Option<String>, LakeError> {
        let pipeline = PIPELINES[self.pipeline];
        let oldest = self.sim.state().world.oracle.oldest_readable(pipeline, self.plan.keep_versions);
        let Some(archive) = Archive::open_in(Arc::clone(&self.store), pipeline).await? else { return Ok(None) };
        for version in oldest..=versions.len() as u64 {
            let model = &versions[version as usize - 1];
            if self.sim.state().world.oracle.abandoned.contains(&(pipeline.to_owned(), version)) {
                continue;
            }
            for marks in model.state.values().filter_map(marks_named) {
                if self.store.head(&Layout::new(pipeline).marks(marks)).await?.is_none() {
                    return Ok(Some(format!("the marks {marks} of version {version} are gone")));
                }
            }
            let tables = archive.tables_at(version, None).await?;
            for (table, files) in &model.tables {
                let mut seen = BTreeMap::new();
                for at in tables.get(table).into_iter().flat_map(|table| &table.files) {
                    let blob = self.store.get(&at.path).await?;
                    let text = blob.map(|blob| String::from_utf8_lossy(&blob.bytes).into_owned());
                    seen.insert(at.file.path.clone(), text.unwrap_or_default());
                }
                let expected: BTreeMap<String, String> =
                    files.iter().map(|(path, text)| (path.clone(), text.to_string())).collect();
                if seen != expected {
                    let run = &model.run;
                    return Ok(Some(format!("version {version} of {run} can be read as {seen:?}, and was {expected:?}")));
                }
            }
        }
        Ok(None)
    }
}

/// Nothing is left, and readers see the newest versions.
pub(super) fn check_at_rest(sim: &Sim) {
    let mut state = sim.state();
    let world = &state.world;
    let open: Vec<String> =
        world.uploads.iter().filter(|(_, upload)| upload.completed.is_none()).map(|(id, _)| id.clone()).collect();
    if let Some(fault) = world.oracle.check_quiet(&world.files, open.into_iter()) {
        state.world.oracle.fail(fault);
    }
}
