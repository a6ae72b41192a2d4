//! The arguments of commands that need a lake alone: its place, or a config that names it.

use std::path::PathBuf;

use crate::cli::args::{ConfigArgs, quoted};

/// The lake, by itself or by a config.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LakeArgs {
    /// The lake, a folder or `s3://bucket/prefix`; or a config, of which `name` and `lake.url` are enough.
    #[arg(value_name = "LAKE|CONFIG")]
    of: PathBuf,
    /// Of a lake with several: only this pipeline. Of a dlt project file (dlt.yml): the pipeline.
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// Of a dlt project file: the profile laid over it.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl LakeArgs {
    /// The lake's place, where it is that which is given.
    pub(crate) fn place(&self) -> Option<String> {
        let text = self.of.to_string_lossy();
        (text.contains("://") || self.of.is_dir()).then(|| text.into_owned())
    }

    /// The config, where it is that which is given.
    pub(crate) fn config(&self) -> Option<ConfigArgs> {
        let Self { of, pipeline, profile } = self.clone();
        self.place().is_none().then_some(ConfigArgs { config: of, pipeline, profile })
    }

    /// What is given, as a shell takes it.
    pub(crate) fn typed(&self) -> String {
        let Self { of, pipeline, profile } = self.clone();
        match self.place() {
            Some(place) => {
                let only = pipeline.map_or_else(String::new, |name| format!(" --pipeline {}", quoted(&name)));
                quoted(&place) + &only
            }
            None => ConfigArgs { config: of, pipeline, profile }.typed(),
        }
    }
}
