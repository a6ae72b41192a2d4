//! `lakeward import`: a dlt pipeline script becomes a config.

use std::path::Path;

use crate::cli::args::{ImportArgs, quoted};
use crate::cli::exit::Failure;
use crate::cli::terminal;
use crate::compat::{ImportError, import};
use crate::report;

/// The largest script that is read, in bytes; the converter has its own, smaller bound and the better message.
const SCRIPT_BYTES_MAX: u64 = 4 << 20;

/// Converts a script and prints the config, or writes it to a file that is not there yet.
pub(crate) fn import_script(args: &ImportArgs) -> Result<u8, Failure> {
    let path = &args.script;
    let shown = path.display();
    if path.extension().is_some_and(|end| ["yml", "yaml", "json"].iter().any(|known| end == *known)) {
        let failure = Failure::config(vec![format!("`{shown}` is no Python script: a config needs no import")]);
        let path = quoted(&path.display().to_string());
        return Err(
            failure.with_hints([format!("`lakeward run {path}` runs it, a dlt.yml of several pipelines with `--pipeline NAME`")])
        );
    }
    let text = read(path).map_err(|why| Failure::config(vec![format!("cannot read the script `{shown}`: {why}")]))?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let imported = import(&text, &shown.to_string(), &stem).map_err(|error| {
        let colon = if matches!(error, ImportError::Syntax { .. } | ImportError::NoDict { .. } | ImportError::NoResources { .. })
        {
            ""
        } else {
            " "
        };
        Failure::config(vec![format!("{shown}:{colon}{error}")])
    })?;
    for note in &imported.notes {
        terminal::tell("not carried over", &note.to_string());
    }
    if !imported.variables.is_empty() {
        let names: Vec<&str> = imported.variables.iter().map(|variable| variable.name.as_str()).collect();
        terminal::tell("set", &names.join(" "));
    }
    match &args.output {
        None => terminal::print_document(&imported.yaml),
        Some(output) => {
            write(output, &imported.yaml)?;
            let notes = report::counted(imported.notes.len() as u64, "note");
            terminal::print(&format!("{} written, {notes}; next: lakeward check {}", output.display(), output.display()));
        }
    }
    Ok(0)
}

fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SCRIPT_BYTES_MAX {
        return Err(format!("it has {size} bytes, more than {SCRIPT_BYTES_MAX}"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// Writes a file that is not there yet: a config that was worked on is not replaced.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::config(vec![format!("cannot write `{}`: {error}", path.display())]))
}
