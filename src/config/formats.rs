//! What bodies are written in, settled (`endpoint.response_format`).

use encoding_rs::Encoding;
use regex::Regex;

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
    /// JSON values on lines.
    Ndjson,
    /// JSON values one behind the other.
    Concatenated,
    /// Server-sent events.
    EventStream,
    /// Comma-separated values.
    Csv(CsvPlan),
    /// XML.
    Xml(XmlPlan),
    /// What the `Content-Type` says of these, JSON where it says nothing.
    Auto(CsvPlan),
    /// Nothing is declared: what the `Content-Type` says, unless the body contradicts it; CSV only where no type and no cursor is declared, which
    /// texts would have to fit.
    Undeclared {
        /// Whether that is so.
        takes_csv: bool,
    },
}

impl FormatKind {
    /// Whether its values are texts, which types that are declared have to be read from.
    pub(crate) fn has_texts_only(&self) -> bool {
        matches!(self, Self::Csv(_) | Self::Xml(_) | Self::Auto(_))
    }
}

/// How XML is read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct XmlPlan {
    /// Paths of the elements that are records, by names from the outermost on; they are lists, however many there are.
    pub(crate) records: Vec<Vec<String>>,
}

/// A regular expression; two are equal that are written alike.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// How CSV is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CsvPlan {
    /// Lines before the header, or before the first row where there is none.
    pub(crate) skip_rows: usize,
    /// What the first line behind those matches that is not passed over.
    pub(crate) header_match: Option<Pattern>,
    /// Lines behind the last row, empty ones not counted.
    pub(crate) skip_footer: usize,
    /// What the first row matches that is no row any more.
    pub(crate) footer_match: Option<Pattern>,
    /// What a line begins with that is passed over.
    pub(crate) comment: Option<u8>,
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
        Self {
            skip_rows: 0,
            header_match: None,
            skip_footer: 0,
            footer_match: None,
            comment: None,
            delimiter: b',',
            quote: Some(b'"'),
            header: CsvHeader::Present,
            null_values,
            infer: false,
        }
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
