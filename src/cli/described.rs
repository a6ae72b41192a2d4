//! Files that describe requests, as arguments name them: `FILE`, or `FILE#which`.

use std::io::{Error, ErrorKind, Result as IoResult};
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::compat::{DESCRIBED_BYTES_MAX, Described, DescribedFault, Wishes, from_har, from_openapi, from_postman};

/// What reads one kind of such files.
type Reader = fn(&str, &Wishes) -> Result<Described, DescribedFault>;

/// Such a file, as it is named.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) openapi: Option<&'a str>,
    pub(crate) har: Option<&'a str>,
    pub(crate) postman: Option<&'a str>,
}

/// The request of the file that is named, if one is; `params` and `base_url` add to it.
///
/// # Errors
/// What of the file cannot be read, or is no request.
pub(crate) fn described(
    named: Named<'_>,
    params: &[(String, String)],
    base_url: Option<&str>,
) -> Result<Option<Described>, Failure> {
    let (file, from): (&str, Reader) = match (named.openapi, named.har, named.postman) {
        (Some(file), ..) => (file, from_openapi),
        (_, Some(file), _) => (file, from_har),
        (.., Some(file)) => (file, from_postman),
        (None, None, None) => return Ok(None),
    };
    let (path, which) = place(file);
    let shown = path.display();
    let text =
        read(&path, DESCRIBED_BYTES_MAX).map_err(|error| Failure::config(vec![format!("cannot read `{shown}`: {error}")]))?;
    let wishes = Wishes { which, params: params.to_vec(), base_url: base_url.map(str::to_owned) };
    let described = from(&text, &wishes).map_err(|error| Failure::config(vec![format!("`{shown}`: {error}")]))?;
    Ok(Some(described))
}

/// A file, and what is named of it behind `#`; a name with such a sign in it is a file as long as there is one.
fn place(text: &str) -> (PathBuf, Option<String>) {
    match text.split_once('#') {
        Some((path, which)) if !Path::new(text).exists() => {
            (PathBuf::from(path), Some(which.to_owned()).filter(|which| !which.is_empty()))
        }
        _ => (PathBuf::from(text), None),
    }
}

/// A file's text; bytes that are none become U+FFFD, since bodies that somebody saved as they came are not what is read here.
///
/// # Errors
/// The system's, and that it is too large.
pub(crate) fn read(path: &Path, bytes_max: u64) -> IoResult<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > bytes_max {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it has {bytes} bytes, more than {bytes_max}")));
    }
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}
