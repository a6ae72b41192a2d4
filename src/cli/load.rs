//! Reading a config and what it points at: the only place where config files are opened.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::cli::args::{ConfigArgs, quoted};
use crate::cli::exit::Failure;
use crate::compat::{self, Choice};
use crate::config::{ConfigErrors, Inputs, LakeOnly, LakePlan, Plan, nearest};
use crate::lake::{HOME, Layout};
use crate::pipeline::{self, RunError};
use crate::source::Taken;

/// The largest config file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// Files of a folder that are looked at for a name that was meant.
const FILES_BESIDE_MAX: usize = 10_000;

/// Reads the config `of` the command line, of a project file what it chooses, and the files it names, under the process's environment.
///
/// # Errors
/// Every fault of the file, each in a line with its place.
pub(crate) fn load_plan(of: &ConfigArgs) -> Result<Plan, Failure> {
    let text = read(&of.config)?;
    plan_from(&text, &of.config, of.choice(), &|name| std::env::var(name).ok())
}

/// What stands for a variable or a file: its name, whether it is a file, and the value that is there.
pub(crate) type Give<'g> = dyn Fn(&str, bool, Option<String>) -> Option<String> + 'g;

/// The same with what `given` makes of each variable and file: it has the name, whether it is a file, and the value that is there. What was taken is told
/// beside the plan.
///
/// # Errors
/// As [`load_plan`].
pub(crate) fn load_plan_given(of: &ConfigArgs, given: &Give<'_>) -> Result<(Plan, Vec<Taken>), Failure> {
    let text = read(&of.config)?;
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
    let plan = read_from(&text, &of.config, (&variable, &read_file), |inputs| compat::load(inputs, of.choice()))?;
    let plan = checked(plan, &of.config)?;
    Ok((plan, taken.into_inner()))
}

/// Reads of a config what is said of its lake, for commands that ask nothing of the API: what only the API's part takes
/// from the environment may be missing.
///
/// # Errors
/// Every fault of that part, each in a line with its place.
pub(crate) fn load_lake(of: &ConfigArgs) -> Result<LakeOnly, Failure> {
    let text = read(&of.config)?;
    let variable = |name: &str| std::env::var(name).ok();
    read_from(&text, &of.config, (&variable, &read_whole), |inputs| compat::load_lake(inputs, of.choice()))
}

/// Reads of a config where its lake is, for commands that only look at it: credentials may be missing.
///
/// # Errors
/// Every fault of that part, each in a line with its place.
pub(crate) fn load_place(of: &ConfigArgs) -> Result<LakeOnly, Failure> {
    let text = read(&of.config)?;
    let variable = |name: &str| std::env::var(name).ok();
    read_from(&text, &of.config, (&variable, &read_whole), |inputs| compat::load_place(inputs, of.choice()))
}

/// The lake at a place, read as a config that has nothing but that would have it, in the current folder.
///
/// # Errors
/// A place that is none.
pub(crate) fn lake_at(place: &str) -> Result<LakePlan, Failure> {
    let current_dir = std::env::current_dir().map_err(|error| Failure::internal("finding the current folder", &error))?;
    let text = serde_json::json!({"name": "lake", "lake": {"url": place}}).to_string();
    let folders = (&*current_dir, &*current_dir);
    let found =
        read_below(&text, place, folders, (&|_| None, &read_whole), |inputs| compat::load_place(inputs, Choice::default()));
    found.map(|found| found.lake)
}

/// A config that cannot be read.
fn unread(path: &Path, why: &str) -> Failure {
    Failure::config(vec![format!("cannot read the config `{}`: {why}", path.display())])
}

/// The config's text.
fn read(path: &Path) -> Result<String, Failure> {
    let cannot = |why: String| unread(path, &why);
    if path.extension().is_some_and(|end| end == "py") && path.exists() {
        let (script, config) = (quoted(&path.display().to_string()), quoted(&path.with_extension("yaml").display().to_string()));
        let failure = cannot("it is a Python script".to_owned());
        return Err(failure.with_hints([format!("`lakeward import {script} --output {config}` makes a config of it")]));
    }
    let size = match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Err(cannot("it is a folder".to_owned())),
        Ok(found) => found.len(),
        Err(error) => return Err(cannot(error.to_string()).with_hints(named_alike(path, false))),
    };
    if size > CONFIG_BYTES_MAX {
        return Err(cannot(format!("it has {size} bytes, more than {CONFIG_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}

/// That there is nothing at `path`, where a lake or a config is meant.
pub(crate) fn nothing_at(path: &Path) -> Failure {
    let why = format!("there is neither the folder of a lake nor a config at `{}`", path.display());
    let hint = "name the folder or bucket prefix that `lake.url` of the config says, or the config itself".to_owned();
    Failure::config(vec![why]).with_hints(named_alike(path, true).into_iter().chain([hint]))
}

/// What was most likely meant by a config that is not there: the file beside it whose name is nearest, or the lake, where one may be meant.
fn named_alike(path: &Path, or_lake: bool) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let is_config = |name: &String| [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let beside =
        std::fs::read_dir(folder).ok()?.take(FILES_BESIDE_MAX).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let is_lake = |name: &String| or_lake && folder.join(name).join(HOME).is_dir();
    let beside: Vec<String> = beside.filter(|name| is_config(name) || is_lake(name)).collect();
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let meant = beside.iter().find(|other| stem(other) == stem(name)).cloned().or_else(|| nearest(name, &beside))?;
    Some(format!("did you mean `{}`?", path.with_file_name(meant).display()))
}

/// The folder of a config, without links and `..`. A config that comes through a pipe has the current one.
fn folder_of(path: &Path, current_dir: &Path) -> std::io::Result<PathBuf> {
    match path.parent().filter(|_| !path.exists() || path.is_file()) {
        Some(folder) => std::fs::canonicalize(current_dir.join(folder)),
        None => Ok(current_dir.to_owned()),
    }
}

fn read_whole(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

/// Where variables and files come from.
type Reading<'r> = (&'r dyn Fn(&str) -> Option<String>, &'r dyn Fn(&Path) -> std::io::Result<String>);

/// What `load` makes of a config's text and the files that it names.
fn read_from<T>(
    text: &str,
    path: &Path,
    reading: Reading<'_>,
    load: impl FnOnce(&Inputs<'_>) -> Result<T, ConfigErrors>,
) -> Result<T, Failure> {
    let current_dir = std::env::current_dir().map_err(|error| unread(path, &error.to_string()))?;
    let folder = folder_of(path, &current_dir).map_err(|error| unread(path, &error.to_string()))?;
    read_below(text, &path.display().to_string(), (&folder, &current_dir), reading, load)
}

/// The same of a config that is in `folder`, or would be.
fn read_below<T>(
    text: &str,
    file: &str,
    (folder, current_dir): (&Path, &Path),
    (env, read_file): Reading<'_>,
    load: impl FnOnce(&Inputs<'_>) -> Result<T, ConfigErrors>,
) -> Result<T, Failure> {
    let has_lake = |folder: &Path, pipeline: &str| folder.join(Layout::new(pipeline).log()).is_dir();
    let inputs = Inputs { text, file, folder, current_dir, has_lake: &has_lake, env, read_file };
    load(&inputs).map_err(|errors| Failure::config(errors.lines()))
}

/// The plan of a config's text, with variables from `variable`.
///
/// # Errors
/// Every fault of the text.
pub(crate) fn plan_from(
    text: &str,
    path: &Path,
    choice: Choice<'_>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, Failure> {
    checked(read_from(text, path, (variable, &read_whole), |inputs| compat::load(inputs, choice))?, path)
}

/// The same of a config of our own in `folder`, which has never had another lake.
///
/// # Errors
/// Every fault of the text; a folder that is not there.
pub(crate) fn plan_of_ours(
    text: &str,
    (folder, file): (&Path, &str),
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, Failure> {
    let path = folder.join(file);
    let folder = std::fs::canonicalize(folder).map_err(|error| unread(&path, &error.to_string()))?;
    let load = |inputs: &Inputs<'_>| compat::load(inputs, Choice::default());
    checked(read_below(text, &path.display().to_string(), (&folder, &folder), (variable, &read_whole), load)?, &path)
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
