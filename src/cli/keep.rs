//! `check --online --write`: what was detected goes into the config file, which otherwise stays as it is.
//!
//! A place that cannot be changed safely is left to a person, with the lines to add. The file is replaced whole, once the changed text
//! is known to mean the same as before and what was detected, and only if nobody else has changed it since it was read.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::cli::load::plan_from;
use crate::cli::terminal;
use crate::compat::{Choice, Keep, changed_lines, keep_detected};
use crate::config::{FormatKind, Plan};

/// The config's text as it is; `None` where it cannot be read, which loading it tells.
pub(crate) fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Writes `keeps` into the config at `path`, whose text was `before` and whose meaning is `plan`; prints what changed.
///
/// # Errors
/// When the file was changed meanwhile, or cannot be written. It is as it was then.
pub(crate) fn write(path: &Path, before: &Option<String>, plan: &Plan, keeps: &[Keep]) -> Result<(), Failure> {
    let cannot = |why: &str| Failure::config(vec![format!("`{}` was not written: {why}", path.display())]);
    let Some(before) = before else { return Err(cannot("it cannot be read")) };
    if keeps.is_empty() {
        terminal::print("there is nothing to write");
        return Ok(());
    }
    let (mut text, mut meaning) = (before.clone(), plan.clone());
    for keep in keeps {
        let expected = with_kept(&meaning, keep);
        let edited = keep_detected(&text, keep).filter(|text| means(text, path, &expected));
        let Some(edited) = edited else {
            terminal::print(&format!(
                "{}: its place in the file cannot be changed safely; add to its `endpoint` by hand:",
                keep.resource
            ));
            keep.lines().iter().for_each(|line| terminal::print(&format!("    {line}")));
            continue;
        };
        (text, meaning) = (edited, expected);
    }
    if text == *before {
        return Ok(());
    }
    if read(path).as_ref() != Some(before) {
        return Err(cannot("it was changed while the API was asked; run the command again"));
    }
    replace(path, &text).map_err(|error| cannot(&error.to_string()))?;
    terminal::print(&format!("wrote {}:", path.display()));
    changed_lines(before, &text).iter().for_each(|line| terminal::print(line));
    Ok(())
}

/// The plan once what was detected is declared.
fn with_kept(plan: &Plan, keep: &Keep) -> Plan {
    let mut plan = plan.clone();
    for resource in plan.resources.iter_mut().filter(|resource| resource.name == keep.resource) {
        if let Some(path) = &keep.data_selector {
            resource.endpoint.data_selector = Some(path.clone());
            // Where it is written where the records are, the body is JSON.
            if let kind @ FormatKind::Undeclared { .. } = &mut resource.endpoint.response_format.kind {
                *kind = FormatKind::Json;
            }
        }
        if let Some(paginator) = &keep.paginator {
            resource.endpoint.paginator = paginator.clone();
        }
    }
    plan
}

/// Whether a text means `expected`, secrets apart, which no change touches.
fn means(text: &str, path: &Path, expected: &Plan) -> bool {
    let plan = plan_from(text, path, Choice { pipeline: None, profile: None }, &|name| std::env::var(name).ok());
    plan.is_ok_and(|plan| format!("{plan:?}") == format!("{expected:?}"))
}

/// Puts `text` in the file's place at once, with the permissions it has. A link stays one: what it names is replaced.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = fs::canonicalize(path)?;
    let permissions = fs::metadata(&path)?.permissions();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new: PathBuf = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
        file.set_permissions(permissions)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)
    })();
    if written.is_err() {
        // Nobody wants it any more, and the error tells why.
        let _ = fs::remove_file(&new);
    }
    written
}
