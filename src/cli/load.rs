//! Reading a config and what it points at: the only place where config files are opened.

use std::path::{Path, PathBuf};

use crate::cli::args::{ConfigArgs, quoted};
use crate::cli::exit::Failure;
use crate::compat::{self, Choice};
use crate::config::{ConfigErrors, Inputs, LakeOnly, Plan};
use crate::pipeline::{self, RunError};

/// The largest config file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Reads the config `of` the command line, of a project file what it chooses, and the files it names, under the process's environment.
///
/// # Errors
/// Every fault of the file, each in a line with its place.
pub(crate) fn load_plan(of: &ConfigArgs) -> Result<Plan, Failure> {
    let (text, current_dir) = read(&of.config)?;
    plan_from(&text, &of.config, of.choice(), &current_dir, &|name| std::env::var(name).ok())
}

/// Reads of a config what is said of its lake, for commands that ask nothing of the API: what only the API's part takes
/// from the environment may be missing.
///
/// # Errors
/// Every fault of that part, each in a line with its place.
pub(crate) fn load_lake(of: &ConfigArgs) -> Result<LakeOnly, Failure> {
    let (text, current_dir) = read(&of.config)?;
    let variable = |name: &str| std::env::var(name).ok();
    read_from(&text, &of.config, &current_dir, &variable, |inputs| compat::load_lake(inputs, of.choice()))
}

/// The config's text, and the current folder.
fn read(path: &Path) -> Result<(String, PathBuf), Failure> {
    let cannot = |why: String| Failure::config(vec![format!("cannot read the config `{}`: {why}", path.display())]);
    if path.extension().is_some_and(|end| end == "py") && path.exists() {
        let (script, config) = (quoted(&path.display().to_string()), quoted(&path.with_extension("yaml").display().to_string()));
        let failure = cannot("it is a Python script".to_owned());
        return Err(failure.with_hints([format!("`lakeward import {script} --output {config}` makes a config of it")]));
    }
    let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > CONFIG_BYTES_MAX {
        return Err(cannot(format!("it has {size} bytes, more than {CONFIG_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    let current_dir = std::env::current_dir().map_err(|error| cannot(error.to_string()))?;
    Ok((text, current_dir))
}

/// What `load` makes of a config's text and the files that it names.
fn read_from<T>(
    text: &str,
    path: &Path,
    current_dir: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
    load: impl FnOnce(&Inputs<'_>) -> Result<T, ConfigErrors>,
) -> Result<T, Failure> {
    let file = path.display().to_string();
    let read_file = |path: &Path| std::fs::read_to_string(path);
    let inputs = Inputs { text, file: &file, current_dir, env: variable, read_file: &read_file };
    load(&inputs).map_err(|errors| Failure::config(errors.lines()))
}

/// The plan of a config's text, with variables from `variable` and a relative lake below `current_dir`.
///
/// # Errors
/// Every fault of the text.
pub(crate) fn plan_from(
    text: &str,
    path: &Path,
    choice: Choice<'_>,
    current_dir: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, Failure> {
    let plan = read_from(text, path, current_dir, variable, |inputs| compat::load(inputs, choice))?;
    let faults = pipeline::validate(&plan);
    if !faults.is_empty() {
        let lines = faults.iter().map(|fault| format!("{}: {}", path.display(), fault.chain())).collect();
        return Err(Failure::config(lines).with_hints(faults.iter().flat_map(RunError::hints)).of_pipeline(&plan.name));
    }
    Ok(plan)
}
