//! The lake that a command only looks at, found by itself or by a config, and its survey.
//!
//! Secrets that the config names need not be there: `name` and `lake.url` are enough.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{Clock, SystemClock};
use crate::cli::args::LakeArgs;
use crate::cli::beside;
use crate::cli::exit::Failure;
use crate::cli::load::{lake_at, load_place, nothing_at};
use crate::config::{LakeOnly, LakePlan, nearest};
use crate::lake::{Archive, PipelineFacts, SurveyOptions, SurveyedLake, TableStory};
use crate::pipeline::{self, RunError};
use crate::report::{self, Beside, Survey, Typed};

/// A lake that is looked at.
pub(super) struct Looked {
    /// Where it is, and how it is read.
    pub(super) plan: LakePlan,
    /// What a config says of it.
    pub(super) config: Option<LakeOnly>,
    /// The one pipeline that is looked at.
    pub(super) only: Option<String>,
    /// How commands that go on from here are typed.
    pub(super) typed: Typed,
    /// Records of runs beside the config, the newest first.
    pub(super) beside: Vec<Value>,
}

/// Finds the lake that is meant.
///
/// # Errors
/// A config in which `name` or `lake.url` cannot be told; a place that is none.
pub(super) fn look(args: &LakeArgs) -> Result<Looked, Failure> {
    let given = args.typed();
    match (args.place(), args.config()) {
        (Some(place), _) => {
            let (plan, only) = (lake_at(&place)?, args.pipeline.clone());
            Ok(Looked { plan, config: None, only, typed: Typed { given, config: None }, beside: Vec::new() })
        }
        (None, Some(of)) if !of.config.exists() => Err(nothing_at(&of.config)),
        (None, Some(of)) => {
            let config = load_place(&of)?;
            let (plan, only) = (config.lake.clone(), Some(config.name.clone()));
            let records = beside::kept(&of.config);
            let typed = Typed { config: Some(given.clone()), given };
            Ok(Looked { plan, config: Some(config), only, typed, beside: records })
        }
        (None, None) => Err(Failure::config(vec!["neither a lake nor a config is given".to_owned()])),
    }
}

impl Looked {
    /// The lake.
    ///
    /// # Errors
    /// A store that cannot be opened.
    pub(super) async fn open(&self) -> Result<SurveyedLake, Failure> {
        Ok(SurveyedLake::open(&self.plan).await.map_err(RunError::from)?)
    }

    /// The pipelines that are meant, at least one.
    ///
    /// # Errors
    /// A place without a lake; a pipeline that it does not have.
    pub(super) async fn pipelines(&self, lake: &SurveyedLake) -> Result<Vec<String>, Failure> {
        let names = lake.pipelines().await.map_err(RunError::from)?;
        if let (Some(only), true) = (&self.only, self.config.is_some()) {
            return Ok(vec![only.clone()]);
        }
        if names.is_empty() {
            let why = format!("there is no lake in `{}`: it has no folder `_lakeward` with a pipeline", lake.place());
            let hint = "name the folder or bucket prefix that `lake.url` of the config says, or the config itself".to_owned();
            return Err(Failure::config(vec![why]).with_hints([hint]));
        }
        match &self.only {
            Some(only) if !names.contains(only) => {
                let why = format!("the lake has no pipeline `{only}`; there is {}", listed(&names));
                Err(Failure::config(vec![why]))
            }
            Some(only) => Ok(vec![only.clone()]),
            None => Ok(names),
        }
    }

    /// The one table of this name, of the lake that is open.
    ///
    /// # Errors
    /// No such table, or one of several pipelines; the store's.
    pub(super) async fn table(&self, lake: &SurveyedLake, name: &str) -> Result<TableStory, Failure> {
        let (mut found, mut known) = (Vec::new(), Vec::new());
        for pipeline in self.pipelines(lake).await? {
            let stories = lake.stories(&pipeline).await.map_err(RunError::from)?;
            found.extend(stories.table(name, 0).await.map_err(RunError::from)?);
            known.extend(lake.table_names(&pipeline).await.map_err(RunError::from)?);
        }
        let why = match (found.pop(), found.is_empty(), known.is_empty()) {
            (Some(story), true, _) => return Ok(story),
            (Some(_), false, _) => format!("several pipelines have a table `{name}`: name one by `--pipeline`"),
            (None, _, true) => format!("the lake has no table `{name}`; nothing is committed yet"),
            (None, _, false) => format!("the lake has no table `{name}`; there is {}", listed(&known)),
        };
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let near = nearest(name, &known).map(|near| format!("did you mean `{near}`?"));
        Err(Failure::config(vec![why]).with_hints(near))
    }

    /// What of the lake matters in the morning.
    ///
    /// # Errors
    /// Those of [`Looked::pipelines`]; the store's.
    pub(super) async fn survey(&self) -> Result<Survey, Failure> {
        let lake = self.open().await?;
        self.pipelines(&lake).await?;
        let clock = SystemClock;
        let options =
            SurveyOptions { only: self.only.as_deref(), target_file_size: self.plan.target_file_size, looks_at_folders: true };
        let mut found = lake.survey(options, &clock).await.map_err(RunError::from)?;
        // A pipeline that was only refused so far has no folder, and a record beside its config.
        if let (true, Some(config)) = (found.is_empty(), &self.config) {
            found.push(PipelineFacts { name: config.name.clone(), ..PipelineFacts::default() });
        }
        let mut pipelines = Vec::new();
        for facts in found {
            let left = pipeline::left_in_lake(&self.plan, &facts.name).await?;
            let aside = self.aside(&facts).await?;
            let (config, runs) = (self.config.as_ref(), self.beside.clone());
            pipelines.push((facts, Beside { config, aside, runs, left }));
        }
        Ok(report::survey(lake.place(), &pipelines, &self.typed, clock.now()))
    }

    /// Records that were set aside of each table and still count.
    async fn aside(&self, facts: &PipelineFacts) -> Result<BTreeMap<String, u64>, Failure> {
        let Some(config) = &self.config else { return Ok(BTreeMap::new()) };
        let Some(archive) = Archive::open(&self.plan, &facts.name).await.map_err(RunError::from)? else {
            return Ok(BTreeMap::new());
        };
        let tables: Vec<(String, String)> = config.resources.iter().map(|it| (it.table.clone(), it.name.clone())).collect();
        let aside = archive.records_aside(&tables).await.map_err(RunError::from)?;
        let none = facts.tables.keys().map(|table| (table.clone(), 0));
        Ok(none.chain(aside).collect())
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A survey as one JSON object.
pub(super) fn as_json(survey: &Survey) -> Value {
    serde_json::to_value(survey).unwrap_or_else(|error| json!({"error": error.to_string()}))
}
