//! Where the rows go: a file that is replaced as a whole, stdout, or a few of them to a person.
//!
//! Invariants: what is wrong with the place is told before a request is made; a file has either its old content or all of the new one.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::args::{DataFormat, GetArgs, NestedForm, quoted};
use crate::cli::exit::Failure;
use crate::cli::replace::file_at;
use crate::cli::terminal;
use crate::config::nearest;
use crate::lake::{ExportError, ExportFormat, ExportTable, Nested};

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
        let path = file_at(output, ("-o", "export.parquet"))?;
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

/// Whether the reader at the other end has gone away.
pub(super) fn is_closed(error: &ExportError) -> bool {
    matches!(error, ExportError::Write(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a table is that has never been written.
pub(super) fn no_table() -> ExportTable {
    ExportTable::default()
}
