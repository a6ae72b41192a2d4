//! Reading a config and what it points at: the only place where config files are opened.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::cli::args::{ConfigArgs, quoted};
use crate::cli::exit::Failure;
use crate::compat::{self, Choice};
use crate::config::{ConfigErrors, Inputs, LakeOnly, Plan};
use crate::pipeline::{self, RunError};
use crate::source::Taken;

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

/// What stands for a variable or a file: its name, whether it is a file, and the value that is there.
pub(crate) type Give<'g> = dyn Fn(&str, bool, Option<String>) -> Option<String> + 'g;

/// The same with what `given` makes of each variable and file: it has the name, whether it is a file, and the value that is there. What was taken is told
/// beside the plan.
///
/// # Errors
/// As [`load_plan`].
pub(crate) fn load_plan_given(of: &ConfigArgs, given: &Give<'_>) -> Result<(Plan, Vec<Taken>), Failure> {
    let (text, current_dir) = read(&of.config)?;
    let taken: RefCell<Vec<Taken>> = RefCell::default();
    let take = |name: &str, is_file: bool, present: Option<String>| {
        let value = given(name, is_file, present)?;
        let mut taken = taken.borrow_mut();
        if taken.iter().all(|(known, of_file, _)| (known.as_str(), *of_file) != (name, is_file)) {
            taken.push((name.to_owned(), is_file, value.clone()));
        }
        Some(value)
    };
    let variable = |name: &str| take(name, false, std::env::var(name).ok());
    let read_file = |path: &Path| match std::fs::read_to_string(path) {
        Ok(text) => Ok(take(&path.display().to_string(), true, Some(text.clone())).unwrap_or(text)),
        Err(error) => take(&path.display().to_string(), true, None).ok_or(error),
    };
    let file = of.config.display().to_string();
    let inputs = Inputs { text: &text, file: &file, current_dir: &current_dir, env: &variable, read_file: &read_file };
    let plan = compat::load(&inputs, of.choice()).map_err(|errors| Failure::config(errors.lines()))?;
    let plan = checked(plan, &of.config)?;
    Ok((plan, taken.into_inner()))
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
    checked(read_from(text, path, current_dir, variable, |inputs| compat::load(inputs, choice))?, path)
}

/// The plan, where all of it can be done.
fn checked(plan: Plan, path: &Path) -> Result<Plan, Failure> {
    let faults = pipeline::validate(&plan);
    if !faults.is_empty() {
        let lines = faults.iter().map(|fault| format!("{}: {}", path.display(), fault.chain())).collect();
        return Err(Failure::config(lines).with_hints(faults.iter().flat_map(RunError::hints)).of_pipeline(&plan.name));
    }
    Ok(plan)
}
