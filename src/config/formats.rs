//! What bodies are written in, settled (`endpoint.response_format`).

use encoding_rs::Encoding;

/// How a resource's bodies are read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct FormatPlan {
    /// JSON, lines of it, or CSV.
    pub(crate) kind: FormatKind,
    /// The encoding, whatever the headers say.
    pub(crate) encoding: Option<&'static Encoding>,
    /// What becomes of bytes that mean nothing.
    pub(crate) invalid: InvalidBytes,
    /// NUL characters are taken out of texts.
    pub(crate) strip_nul: bool,
    /// A name that an object has twice makes the record a reject; otherwise the last of them counts.
    pub(crate) unique_names: bool,
    /// What stands before the JSON.
    pub(crate) xssi_prefix: Option<XssiPrefix>,
    /// `NaN`, `Infinity` and `-Infinity` are null.
    pub(crate) lenient: bool,
    /// Which files of a zip archive are read; `*` stands for any characters. `None`: the only one.
    pub(crate) member: Option<String>,
}

/// What becomes of bytes that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum InvalidBytes {
    /// The page is an error.
    #[default]
    Error,
    /// They become U+FFFD.
    Replace,
    /// The record that has them is a reject.
    Quarantine,
}

/// What a body is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum FormatKind {
    /// JSON.
    #[default]
    Json,
    /// A JSON value on each line.
    Ndjson,
    /// Comma-separated values.
    Csv(CsvPlan),
    /// What the `Content-Type` says of these, JSON where it says nothing.
    Auto(CsvPlan),
    /// Nothing is declared: what the `Content-Type` says, unless the body contradicts it; CSV only where no type and no cursor is declared, which
    /// texts would have to fit.
    Undeclared {
        /// Whether that is so.
        takes_csv: bool,
    },
}

/// How CSV is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CsvPlan {
    /// Between fields.
    pub(crate) delimiter: u8,
    /// Around fields; `None`: quotes mean nothing.
    pub(crate) quote: Option<u8>,
    /// Where the columns' names are.
    pub(crate) header: CsvHeader,
    /// Fields that are null.
    pub(crate) null_values: Vec<String>,
    /// Plain numbers and booleans are such, not texts.
    pub(crate) infer: bool,
}

impl Default for CsvPlan {
    fn default() -> Self {
        let null_values = vec![String::new()];
        Self { delimiter: b',', quote: Some(b'"'), header: CsvHeader::Present, null_values, infer: false }
    }
}

/// Where the names of CSV columns are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CsvHeader {
    /// In the first row.
    Present,
    /// In the first row of the first page; every row of the others is a record.
    FirstPage,
    /// There are none: `column_1`, `column_2` and so on.
    Numbered,
    /// Here; every row is a record.
    Names(Vec<String>),
}

/// What stands before JSON so that no script can read it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum XssiPrefix {
    /// One of those that services are known to use, where it is there.
    Known,
    /// This text, where it is there.
    Text(String),
}
