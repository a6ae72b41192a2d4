//! What is wrong with a config, all of it at once, each fault with its place.
//!
//! No fault shows a value that came from the environment or a file (it is shown as written, `${NAME}`), and none shows the
//! value of a key that holds a credential.

use std::borrow::Cow;
use std::fmt;

use crate::config::tree::join_key;

/// Every fault found in one config, at least one, in the file's order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct ConfigErrors {
    file: String,
    faults: Vec<Fault>,
}

/// One fault and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Line, from 1.
    pub(crate) line: usize,
    /// Column in characters, from 1.
    pub(crate) column: usize,
    /// The key's path, as `resources[0].endpoint.paginator.limit`; empty for the file as a whole.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) problem: Problem,
}

/// What can be wrong with a config.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The text is not YAML.
    #[error("not valid YAML: {what}{advice}")]
    Syntax {
        /// The parser's words.
        what: String,
        /// What most likely helps, or nothing.
        advice: String,
    },
    /// YAML that a config has no use for.
    #[error("{what} cannot be used in a config")]
    Unusable {
        /// The construct.
        what: &'static str,
    },
    /// A bound of the file was passed.
    #[error("{what} passes the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The largest allowed, with its unit.
        limit: String,
    },
    /// A key stands twice in one map.
    #[error("this key is given twice, first on line {first}")]
    DuplicateKey {
        /// Line of the first.
        first: usize,
    },
    /// A key nobody knows.
    #[error("unknown key; {}", advice(nearest.as_deref(), known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key it is nearest to.
        nearest: Option<String>,
        /// The keys known there.
        known: Vec<String>,
    },
    /// A key that belongs elsewhere.
    #[error("`{key}` does not stand here; write it as `{home}`")]
    MisplacedKey {
        /// The key.
        key: String,
        /// Where it belongs.
        home: String,
    },
    /// Something dlt has and this version does not.
    #[error("`{what}` is not supported yet")]
    NotYet {
        /// The key or name.
        what: String,
    },
    /// Something dlt has and lakeward does not want.
    #[error("`{what}` is refused: {why}")]
    Refused {
        /// The key or name.
        what: String,
        /// Why, and what to write instead.
        why: &'static str,
    },
    /// Something dlt has that a config file cannot express.
    #[error("`{what}` needs Python and has no place in a config file; {instead}")]
    PythonOnly {
        /// The key.
        what: String,
        /// What to use.
        instead: &'static str,
    },
    /// A name outside a closed list.
    #[error("unknown {what}{}; {}", shown(found.as_deref()), advice(nearest.as_deref(), known))]
    UnknownName {
        /// What the list is of.
        what: &'static str,
        /// The name as written; `None` where it could be a credential.
        found: Option<String>,
        /// The name it is nearest to.
        nearest: Option<String>,
        /// The list.
        known: Vec<String>,
    },
    /// A value of another type, form or range.
    #[error("expected {expected}, found {found}")]
    Wrong {
        /// What was expected.
        expected: String,
        /// What was found, as written; its kind only where it could be a credential.
        found: String,
    },
    /// A required key is not there.
    #[error("`{key}` is missing: {meaning}")]
    Missing {
        /// The key.
        key: String,
        /// What it stands for.
        meaning: String,
    },
    /// Keys that do not go together, or a value that another one rules out.
    #[error("{why}")]
    Conflict {
        /// Which, and what to do.
        why: String,
    },
    /// A `${…}` that cannot be read as one.
    #[error(
        "`{text}` is not a reference: write `${{NAME}}`, `${{NAME:-default}}`, `${{NAME:public}}` or `${{file:PATH}}`, and `$${{` for the characters themselves"
    )]
    Reference {
        /// As written.
        text: String,
    },
    /// A variable as shells take it, `$NAME`.
    #[error(
        "a variable needs braces, or it is sent as it is: write `${{{name}}}` in place of `${name}`; for these very characters, write `${{DOLLAR:-$}}` in place of the `$`"
    )]
    Unbraced {
        /// Its name; `NAME` where there is none of it, since it could be a credential.
        name: String,
    },
    /// An environment variable that is not there.
    #[error("environment variable `{name}` is {}", if *empty { "empty" } else { "not set" })]
    Variable {
        /// Its name.
        name: String,
        /// It is set, to nothing.
        empty: bool,
    },
    /// A file named in the config that cannot be used.
    #[error("file `{file}` {why}")]
    File {
        /// As written.
        file: String,
        /// Why not, as a sentence about the file.
        why: String,
    },
    /// A brace without its other half.
    #[error("a `{brace}` without its `{other}`; write `{brace}{brace}` for the character", other = if *brace == '{' { '}' } else { '{' })]
    Brace {
        /// `{` or `}`.
        brace: char,
    },
    /// A `{…}` that nothing can fill.
    #[error("`{{{name}}}` {why}")]
    Placeholder {
        /// What stands between the braces.
        name: String,
        /// Why not.
        why: Cow<'static, str>,
    },
}

/// Advice for a misspelling: the nearest name, or all of them.
fn advice(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "nothing can stand here".to_owned(),
        None => format!("expected {}", listed(known)),
    }
}

fn shown(found: Option<&str>) -> String {
    found.map_or_else(String::new, |name| format!(" `{name}`"))
}

/// `one of `a`, `b`, `c``, or just `` `a` ``.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if quoted.len() == 1 { quoted.concat() } else { format!("one of {}", quoted.join(", ")) }
}

/// What a config has, and what others call it. Of several that stand where the name does, the first one is meant.
const OTHER_NAMES: [(&str, &[&str]); 33] = [
    ("merge", &["upsert", "update"]),
    ("replace", &["overwrite", "truncate", "full_refresh"]),
    ("append", &["insert", "add"]),
    (
        "data_selector",
        &[
            "dataselector",
            "records_path",
            "record_path",
            "records_selector",
            "record_selector",
            "data_path",
            "results_path",
            "result_path",
            "items_path",
            "item_path",
            "json_path",
            "jsonpath",
            "selector",
            "root_path",
            "data_key",
            "results_key",
        ],
    ),
    ("base_url", &["url", "uri", "host", "endpoint", "api_url", "root_url"]),
    ("path", &["url", "uri", "route"]),
    ("url", &["path", "dir", "folder", "location", "bucket", "bucket_url", "uri", "root"]),
    ("paginator", &["pagination", "paging", "pager"]),
    ("params", &["query", "query_params", "query_parameters", "parameters", "querystring", "query_string"]),
    ("json", &["body", "payload", "request_body", "json_body"]),
    ("method", &["verb", "http_method"]),
    ("primary_key", &["key", "keys", "pk", "unique_key", "primary_keys"]),
    ("write_disposition", &["mode", "disposition", "write_mode", "sync_mode", "load_mode", "strategy"]),
    ("partition_by", &["partition", "partitions", "partitioned_by", "partitioning"]),
    ("sort_by", &["order_by", "sort", "cluster_by"]),
    ("table_name", &["table", "target", "target_table"]),
    ("cursor_path", &["cursor", "cursor_field", "cursor_column", "replication_key", "incremental_key", "updated_at"]),
    ("initial_value", &["start_value", "start_date", "start", "since", "from"]),
    ("end_value", &["end_date", "end", "until", "to"]),
    ("start_param", &["since_param", "from_param"]),
    ("end_param", &["until_param", "to_param"]),
    ("limit", &["page_size", "per_page", "size"]),
    ("token", &["api_key", "key", "access_token", "bearer", "bearer_token"]),
    ("api_key", &["key", "value", "token", "apikey", "secret"]),
    ("username", &["user", "login"]),
    ("password", &["pass", "secret"]),
    ("resources", &["streams", "endpoints", "tables", "sources"]),
    ("client", &["api", "connection", "source"]),
    ("lake", &["destination", "output", "sink", "target"]),
    ("single_page", &["none", "off", "false"]),
    ("header_link", &["link_header", "link"]),
    ("http_basic", &["basic"]),
    ("retry", &["retries", "max_retries"]),
];

/// The key or word in `known` that `name` most likely stands for: what is called so elsewhere, or the nearest spelling.
pub(crate) fn meant<S: AsRef<str>>(name: &str, known: &[S]) -> Option<String> {
    let written = name.to_lowercase().replace('-', "_");
    let is_known = |name: &&str| known.iter().any(|known| known.as_ref() == *name);
    let mut called = OTHER_NAMES.iter().filter(|(_, others)| others.contains(&&*written)).map(|(name, _)| *name);
    called.find(is_known).map(str::to_owned).or_else(|| nearest(name, known))
}

/// The name in `known` that is spelled nearest to `name`.
pub(crate) fn nearest<S: AsRef<str>>(name: &str, known: &[S]) -> Option<String> {
    let written = name.to_lowercase().replace('-', "_");
    let near = known.iter().map(AsRef::as_ref).filter_map(|candidate| {
        let edits = strsim::damerau_levenshtein(&written, candidate);
        let shorter = candidate.len().min(written.len());
        let one_within_other = shorter >= 4 && (written.contains(candidate) || candidate.contains(&*written));
        // Two edits away is near, but in a short word, which is then another one.
        let allowed = if shorter < 5 { 1 } else { 2.max(shorter / 3) };
        // Of two that are as near, the one that begins like it is meant.
        (edits <= allowed || one_within_other).then(|| ((edits, !candidate.starts_with(&*written)), candidate))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate.to_owned())
}

impl Fault {
    /// The path of the key that an unknown one most likely stands for.
    fn meant(&self) -> Option<String> {
        match &self.problem {
            Problem::UnknownKey { key, nearest: Some(nearest), .. } => {
                let parent = self.path.strip_suffix(key.as_str())?;
                Some(format!("{parent}{nearest}"))
            }
            _ => None,
        }
    }

    /// The key this fault is about, or the file as a whole.
    fn place(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!("`{}`: ", self.path) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place(), self.problem)
    }
}

impl ConfigErrors {
    /// The faults of `file`, put in the file's order, each once. A key that is missing only because it is misspelt is left
    /// to the misspelling.
    #[must_use]
    pub(crate) fn new(file: &str, mut faults: Vec<Fault>) -> Self {
        let misspelt: Vec<String> = faults.iter().filter_map(Fault::meant).collect();
        faults.retain(|fault| match &fault.problem {
            Problem::Missing { key, .. } => !misspelt.contains(&join_key(&fault.path, key)),
            _ => true,
        });
        faults.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        faults.dedup();
        Self { file: file.to_owned(), faults }
    }

    /// One line a fault: `file:line:column: `key.path`: what is wrong`, which editors and terminals make clickable.
    #[must_use]
    pub(crate) fn lines(&self) -> Vec<String> {
        self.faults.iter().map(|fault| format!("{}:{}:{}: {fault}", self.file, fault.line, fault.column)).collect()
    }

    /// The faults, in the file's order.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}
