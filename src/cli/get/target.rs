//! Where the rows go: a file that is replaced as a whole, stdout, or a few of them to a person.
//!
//! Invariants: what is wrong with the place is told before a request is made; a file has either its old content or all of the new one.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::args::{DataFormat, GetArgs, NestedForm, quoted};
use crate::cli::exit::Failure;
use crate::cli::terminal;
use crate::config::nearest;
use crate::lake::{ExportError, ExportFormat, ExportTable, Nested};

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Names of files and what they are written in.
const ENDINGS: [(&str, DataFormat); 7] = [
    ("parquet", DataFormat::Parquet),
    ("pq", DataFormat::Parquet),
    ("csv", DataFormat::Csv),
    ("ndjson", DataFormat::Ndjson),
    ("jsonl", DataFormat::Ndjson),
    ("arrow", DataFormat::Arrow),
    ("feather", DataFormat::Arrow),
];

/// Where the rows go.
pub(super) enum Target {
    /// A few of them, and the columns, to a person.
    Look,
    /// All of them to stdout.
    Stdout(ExportFormat),
    /// All of them into a file.
    File {
        /// As it was written.
        shown: String,
        /// The file itself, links followed.
        path: PathBuf,
        /// In what.
        format: ExportFormat,
    },
}

impl Target {
    /// What the options say, tried out as far as that changes nothing.
    ///
    /// # Errors
    /// A name that says no format, and a place that takes no file.
    pub(super) fn of(args: &GetArgs) -> Result<Self, Failure> {
        let config = |why: String| Failure::config(vec![why]);
        let Some(output) = &args.output else {
            return match args.format {
                None => Ok(Self::Look),
                Some(format) => Self::stdout(format),
            };
        };
        if output.as_os_str() == "-" {
            let Some(format) = args.format else {
                return Err(config("`-o -` says no format; add `--format parquet`, `csv`, `ndjson` or `arrow`".to_owned()));
            };
            return Self::stdout(format);
        }
        let shown = output.display().to_string();
        let format = match args.format {
            Some(format) => format,
            None => format_of(output)?,
        };
        let path = fs::canonicalize(output).unwrap_or_else(|_| output.clone());
        match fs::metadata(&path) {
            Ok(facts) if facts.is_dir() => {
                let inside = output.join("export.parquet").display().to_string();
                return Err(config(format!("`{shown}` is a folder; name a file in it, such as `-o {}`", quoted(&inside))));
            }
            Ok(facts) if !facts.is_file() => {
                return Err(config(format!("`{shown}` is no regular file; `-o -` writes to stdout")));
            }
            _ => {}
        }
        let folder = folder_of(&path);
        if !folder.is_dir() {
            let failure = config(format!("the folder of `{shown}` does not exist"));
            return Err(failure.with_hints([format!("`mkdir -p {}` makes it", quoted(&folder.display().to_string()))]));
        }
        NamedTempFile::new_in(folder).map_err(|error| config(format!("cannot write into the folder of `{shown}`: {error}")))?;
        Ok(Self::File { shown, path, format: form(format, false) })
    }

    fn stdout(format: DataFormat) -> Result<Self, Failure> {
        if terminal::is_data_watched() && matches!(format, DataFormat::Parquet | DataFormat::Arrow) {
            let why =
                "stdout is a terminal, which shows no binary file; name a file with `-o FILE`, or another program behind `|`";
            return Err(Failure::config(vec![why.to_owned()]));
        }
        Ok(Self::Stdout(form(format, true)))
    }
}

/// What becomes of objects in CSV.
pub(super) fn nested(form: NestedForm) -> Nested {
    match form {
        NestedForm::Flatten => Nested::Flatten,
        NestedForm::Json => Nested::Json,
    }
}

fn form(format: DataFormat, is_stream: bool) -> ExportFormat {
    match format {
        DataFormat::Parquet => ExportFormat::Parquet,
        DataFormat::Csv => ExportFormat::Csv,
        DataFormat::Ndjson => ExportFormat::Ndjson,
        DataFormat::Arrow if is_stream => ExportFormat::ArrowStream,
        DataFormat::Arrow => ExportFormat::Arrow,
    }
}

fn format_of(output: &Path) -> Result<DataFormat, Failure> {
    let ending = output.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let known = ENDINGS.iter().find(|(name, _)| ending.as_deref() == Some(name));
    if let Some((_, format)) = known {
        return Ok(*format);
    }
    let names: Vec<&str> = ENDINGS.iter().map(|(name, _)| *name).collect();
    let listed = names.iter().map(|name| format!("`.{name}`")).collect::<Vec<_>>().join(", ");
    let shown = output.display();
    let (why, near) = match ending.as_deref() {
        None => (format!("the name `{shown}` does not say in what it is written"), None),
        Some("json") => (format!("`{shown}`: `.json` is not written"), Some("ndjson".to_owned())),
        Some("xlsx" | "xls") => (format!("`{shown}`: `.xlsx` is not written"), Some("csv".to_owned())),
        Some(other) => (format!("`{shown}`: nothing is known of `.{other}`"), nearest(other, &names)),
    };
    let instead = near.map_or_else(
        || format!("it ends in one of {listed}, or `--format` says it"),
        |near| {
            format!(
                "did you mean `-o {}`? It ends in one of {listed}",
                quoted(&output.with_extension(near).display().to_string())
            )
        },
    );
    Err(Failure::config(vec![format!("{why}; {instead}")]))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives the file at `path` the content that `write` writes, once it is there whole; its size then.
///
/// # Errors
/// [`ExportError`]: the file is as it was.
pub(super) fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<(), ExportError>) -> Result<u64, ExportError> {
    let before = fs::metadata(path).ok();
    let permissions = Permissions::from_mode(0o666);
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    let mut new = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .rand_bytes(12)
        .permissions(permissions)
        .tempfile_in(folder_of(path))?;
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, new.as_file_mut());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    if let Some(before) = before {
        new.as_file().set_permissions(before.permissions())?;
        // Else a crash of the machine could leave neither the old content nor the new one.
        new.as_file().sync_all()?;
    }
    let bytes = new.as_file().metadata()?.len();
    new.persist(path).map_err(|error| ExportError::Write(error.error))?;
    Ok(bytes)
}

/// Whether the reader at the other end has gone away.
pub(super) fn is_closed(error: &ExportError) -> bool {
    matches!(error, ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a table is that has never been written.
pub(super) fn no_table() -> ExportTable {
    ExportTable::default()
}
