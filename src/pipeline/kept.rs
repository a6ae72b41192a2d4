//! Which of a run's answers wait for the next run, and for how long: each resource has a log of its own, and each end of a resource says what becomes of it.
//!
//! In: the plan, the lake as the run finds it, what its resources came to. Out: the [`KeptAnswers`] of each resource. Invariants: a log is used under the
//! config, the table and the state that it was begun with; it stays where only another run is needed, and goes where its answers are published or
//! may be the reason for a failure. What keeps answers from being kept ends no run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::base::{Clock, ErrorKind, blocking};
use crate::config::{LakeOnly, LakePlan, Plan, ResourcePlan};
use crate::lake::{AnswerFolder, Lake};
use crate::pipeline::facts::ResourceResult;
use crate::pipeline::run::{Refresh, RunOptions};
use crate::pipeline::{Event, Events, RunError};
use crate::source::{KeptAnswers, Left, Terms, look_at_answers};

/// The kept answers of a run.
pub(super) struct KeptOfRun {
    /// `None` where none are kept.
    folder: Option<AnswerFolder>,
    terms: Terms,
    clock: Arc<dyn Clock>,
    open: Mutex<BTreeMap<String, Arc<KeptAnswers>>>,
}

/// What becomes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The next run goes on with it.
    Stays,
    /// Nobody needs it, or it may be the reason for a failure.
    Goes,
}

impl KeptOfRun {
    /// Keeps answers for the run of `plan` on `lake`, unless the config says that none are kept, or the past does not count.
    pub(super) fn new(
        plan: &Plan,
        options: &RunOptions,
        lake: &Lake,
        (clock, run, started): (&Arc<dyn Clock>, &str, DateTime<Utc>),
    ) -> Self {
        let folder = lake.answers();
        // A dry run asks for all pages, and leaves to the next run what is kept for it.
        let keeps = options.asking.keeps_answers() && !options.dry_run;
        let is_kept = !plan.resume.is_zero() && options.refresh == Refresh::No;
        // What an interrupted run left is for one that asks the API.
        for (resource, facts) in folder.list().into_iter().filter(|_| keeps) {
            let age = facts.modified().ok().and_then(|modified| SystemTime::from(clock.now()).duration_since(modified).ok());
            let is_known = plan.resources.iter().any(|known| known.name == resource);
            if !is_kept || !is_known || age.is_some_and(|age| age >= plan.resume) {
                remove(&folder, &resource);
            }
        }
        let terms = Terms {
            resource: String::new(),
            run: run.to_owned(),
            fingerprint: plan.fingerprint(),
            credentials: plan.credentials_check(),
            base: String::new(),
            started,
            age_max: plan.resume,
            salt: 0,
        };
        Self { folder: (is_kept && keeps).then_some(folder), terms, clock: Arc::clone(clock), open: Mutex::default() }
    }

    /// Where the answers of `resource` are kept, with those that an interrupted run left.
    pub(super) async fn of(&self, lake: &Lake, resource: &ResourcePlan, events: &Events) -> Option<Arc<KeptAnswers>> {
        let folder = self.folder.clone()?;
        let base = lake.base_of(&resource.name, &resource.table);
        let terms = Terms { resource: resource.name.clone(), base, salt: self.clock.random(), ..self.terms.clone() };
        let now = self.clock.now();
        let opened = blocking(move || {
            if let Some(file) = folder.take(&terms.resource)? {
                if let Some(kept) = KeptAnswers::go_on(file, &terms, now)? {
                    return Ok(kept);
                }
                folder.remove(&terms.resource)?;
            }
            let (name, path) = (terms.resource.clone(), folder.file(&terms.resource));
            let create = move || {
                let told = |error: std::io::Error| std::io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
                folder.create(&name).map_err(told)
            };
            Ok(KeptAnswers::begin(create, &terms))
        });
        match opened.await {
            Ok(kept) => {
                if let Some(left) = kept.left() {
                    events(Event::Resumed { resource: Arc::from(resource.name.as_str()), left: left.clone() });
                }
                let kept = Arc::new(kept);
                self.open().insert(resource.name.clone(), Arc::clone(&kept));
                Some(kept)
            }
            Err(error) => {
                let path = self.folder.as_ref().map(|folder| folder.file(&resource.name).display().to_string());
                tracing::warn!(path, error = %error, "no answers are kept for a run that is interrupted");
                None
            }
        }
    }

    /// The run is over: `outcome` is what its resources came to, or what it failed by as a whole, and `plan` tells which were requested for which.
    pub(super) async fn settle(&self, plan: &Plan, outcome: Result<&[(String, ResourceResult)], ErrorKind>) {
        let result_of =
            |name: &str| outcome.map(|results| results.iter().find(|(known, _)| known == name).map(|(_, result)| result));
        let kind_of = |name: &str| match result_of(name) {
            Ok(Some(ResourceResult::Failed { kind, .. })) => Some(*kind),
            Ok(_) => None,
            Err(kind) => Some(kind),
        };
        let fate = |name: &str| {
            let family = plan.descendants(name).into_iter().map(|child| child.name.as_str()).chain([name]);
            match result_of(name) {
                Ok(Some(ResourceResult::Published(_))) => Fate::Goes,
                // What a parent was answered is what its children are asked for by.
                _ => fate_of(family.filter_map(kind_of)),
            }
        };
        self.close(fate).await;
    }

    async fn close(&self, fate: impl Fn(&str) -> Fate) {
        let open = std::mem::take(&mut *self.open());
        let Some(folder) = self.folder.clone() else { return };
        let fates: Vec<(String, Arc<KeptAnswers>, Fate)> = open
            .into_iter()
            .map(|(name, kept)| {
                let fate = fate(&name);
                (name, kept, fate)
            })
            .collect();
        let closed = blocking(move || {
            for (name, kept, fate) in fates {
                match fate {
                    Fate::Stays => kept.finish(),
                    Fate::Goes => {
                        kept.give_up();
                        remove(&folder, &name);
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(error = %error, "kept answers cannot be closed");
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<KeptAnswers>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for KeptOfRun {
    /// A panic may be what the answers lead to.
    fn drop(&mut self) {
        if let Some(folder) = self.folder.as_ref().filter(|_| std::thread::panicking()) {
            for (name, kept) in &*self.open() {
                kept.give_up();
                remove(folder, name);
            }
        }
    }
}

/// What becomes of answers that led to failures of these kinds. Only where nothing but another run is needed, they are not to blame.
fn fate_of(failures: impl IntoIterator<Item = ErrorKind>) -> Fate {
    let mut fate = Fate::Goes;
    for kind in failures {
        match kind {
            ErrorKind::Unavailable | ErrorKind::Cancelled => fate = Fate::Stays,
            ErrorKind::Config | ErrorKind::Data | ErrorKind::Credentials | ErrorKind::Internal => return Fate::Goes,
        }
    }
    fate
}

fn remove(folder: &AnswerFolder, resource: &str) {
    if let Err(error) = folder.remove(resource) {
        tracing::warn!(path = %folder.file(resource).display(), error = %error, "kept answers cannot be removed");
    }
}

/// What an interrupted run left for the next run of the config, by resource, and until when.
///
/// # Errors
/// The lake's.
pub(crate) async fn left_for_next_run(plan: &LakeOnly, now: DateTime<Utc>) -> Result<Vec<(Left, DateTime<Utc>)>, RunError> {
    let folder = AnswerFolder::of(&plan.lake, &plan.name).await?;
    let resources = plan.resources.iter().map(|resource| &resource.name);
    let left = resources.filter_map(|name| look_at_answers(&folder.look(name).ok()??).ok()?);
    let is_used = |left: &Left| !plan.resume.is_zero() && !left.is_expired(now, plan.resume);
    Ok(left.filter(is_used).map(|left| (left.clone(), left.until(plan.resume))).collect())
}

/// What interrupted runs of a pipeline left, as far as this machine has it.
///
/// # Errors
/// The lake's.
pub(crate) async fn left_in_lake(plan: &LakePlan, pipeline: &str) -> Result<Vec<Left>, RunError> {
    let folder = AnswerFolder::of(plan, pipeline).await?;
    let looked = folder.list().into_iter().filter_map(|(name, _)| look_at_answers(&folder.look(&name).ok()??).ok()?);
    Ok(looked.collect())
}

/// Files of kept answers that no run uses any more, with their sizes: those that are older than `resume` and those of resources that the config does not
/// have.
///
/// # Errors
/// The lake's.
pub(crate) async fn expired_answers(plan: &LakeOnly, now: DateTime<Utc>) -> Result<Vec<(String, u64)>, RunError> {
    let folder = AnswerFolder::of(&plan.lake, &plan.name).await?;
    let is_fresh = |modified: SystemTime| SystemTime::from(now).duration_since(modified).unwrap_or(Duration::ZERO) < plan.resume;
    let is_known = |name: &str| !plan.has_all || plan.resources.iter().any(|resource| resource.name == name);
    let mut expired = folder.list();
    expired.retain(|(name, facts)| !(is_known(name) && facts.modified().is_ok_and(is_fresh)));
    Ok(expired.into_iter().map(|(name, facts)| (name, facts.len())).collect())
}

/// Removes the files that [`expired_answers`] told.
///
/// # Errors
/// The lake's.
pub(crate) async fn remove_answers(plan: &LakeOnly, expired: &[(String, u64)]) -> Result<(), RunError> {
    let folder = AnswerFolder::of(&plan.lake, &plan.name).await?;
    expired.iter().for_each(|(name, _)| remove(&folder, name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stay_only_where_nothing_but_another_run_is_needed() {
        use ErrorKind::{Cancelled, Config, Credentials, Data, Internal, Unavailable};
        for kinds in [&[Unavailable][..], &[Cancelled], &[Unavailable, Cancelled]] {
            assert_eq!(fate_of(kinds.iter().copied()), Fate::Stays, "{kinds:?}");
        }
        for kinds in [&[][..], &[Config], &[Data], &[Credentials], &[Internal], &[Unavailable, Data], &[Data, Unavailable]] {
            assert_eq!(fate_of(kinds.iter().copied()), Fate::Goes, "{kinds:?}");
        }
    }
}
