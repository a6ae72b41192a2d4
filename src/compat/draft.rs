//! A config that says why it is as it is: what was found out of an API, written down with its evidence, and what was not, as questions.
//!
//! In: the request, what is wanted of its answers, remarks on the keys. Out: the text of a config with comments, as a person would write it. Not here: how
//! anything is found out.

use crate::base::{is_special, shown};
use crate::compat::asked::{Asked, Export, ExportConfig, export_config};

/// Characters of a comment's line.
const WIDTH: usize = 110;

/// What a remark is about, and so above which of its lines it stands: the first of them that the config has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The whole file.
    File,
    /// How the API is reached.
    Client,
    /// Where the records are.
    Records,
    /// How pages follow each other.
    Paginator,
    /// How many records a page has.
    PageSize,
    /// The key.
    PrimaryKey,
    /// What a run goes on from.
    Cursor,
}

impl About {
    fn lines(self) -> &'static [&'static str] {
        match self {
            Self::File => &["name:"],
            Self::Client => &["client:"],
            Self::Records => &["      data_selector:", "      path:"],
            Self::Paginator => &["      paginator:", "      path:"],
            Self::PageSize => &["      params:", "      paginator:", "      path:"],
            Self::PrimaryKey => &["    primary_key:", "    write_disposition:"],
            Self::Cursor => &["      incremental:", "      path:"],
        }
    }
}

/// A config to be.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// The request.
    pub(crate) asked: Asked,
    /// What is wanted of its answers.
    pub(crate) export: Export,
    /// Further keys of the endpoint, with their values as YAML on one line.
    pub(crate) endpoint: Vec<(&'static str, String)>,
    /// Further keys of the resource.
    pub(crate) resource: Vec<(&'static str, String)>,
    /// What is said of the keys, in the order in which it stands.
    pub(crate) remarks: Vec<(About, String)>,
}

impl Draft {
    /// Of a request, and nothing else.
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, export: Export::default(), endpoint: Vec::new(), resource: Vec::new(), remarks: Vec::new() }
    }

    /// Sets a key of the endpoint, or takes it out.
    pub(crate) fn set(&mut self, key: &'static str, value: Option<String>) {
        self.endpoint.retain(|(known, _)| *known != key);
        self.endpoint.extend(value.map(|value| (key, value)));
    }

    /// The config, with its remarks.
    ///
    /// # Errors
    /// What of it is no value, as a sentence.
    pub(crate) fn config(&self) -> Result<ExportConfig, String> {
        let mut config = export_config(&self.asked, &self.export)?;
        let mut lines: Vec<String> = config.text.lines().map(str::to_owned).collect();
        let of = |keys: &[(&'static str, String)], indent: &str| -> Vec<String> {
            keys.iter().map(|(key, value)| format!("{indent}{key}: {value}")).collect()
        };
        insert(&mut lines, &["      path:"], 1, of(&self.endpoint, "      "));
        insert(&mut lines, &["    endpoint:"], 0, of(&self.resource, "    "));
        for (about, text) in &self.remarks {
            insert(&mut lines, about.lines(), 0, Vec::from([text.clone()]));
            comment(&mut lines, text);
        }
        config.text = lines.join("\n") + "\n";
        Ok(config)
    }
}

/// Puts `new` before (or `behind` so many lines) the first line that begins as one of `marks`, the earlier ones first.
fn insert(lines: &mut Vec<String>, marks: &[&str], behind: usize, new: Vec<String>) {
    let at = marks.iter().find_map(|mark| lines.iter().position(|line| line.starts_with(mark)));
    let at = at.map_or(lines.len(), |at| (at + behind).min(lines.len()));
    lines.splice(at..at, new);
}

/// The line that is `text` becomes a comment, indented as the line below it.
fn comment(lines: &mut Vec<String>, text: &str) {
    let Some(at) = lines.iter().position(|line| line == text) else { return };
    let below = lines.get(at + 1).map_or("", String::as_str);
    let indent = below.len() - below.trim_start().len();
    // What came from outside ends no comment, and shows no secret.
    let safe: String = shown(text).chars().map(|c| if is_special(c) { ' ' } else { c }).collect();
    let mut wrapped = vec![String::new()];
    for word in safe.split(' ') {
        let last = wrapped.last_mut().expect("it begins with one");
        if !last.is_empty() && last.chars().count() + word.chars().count() + indent > WIDTH {
            wrapped.push(word.to_owned());
        } else {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines.splice(at..=at, wrapped.into_iter().map(|line| format!("{:indent$}# {line}", "")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_stand_above_what_they_are_about_and_end_no_comment() {
        let mut draft = Draft::new(Asked::of_url("https://api.example.com/v1/orders?status=open").unwrap());
        draft.export.key = vec!["id".to_owned()];
        draft.set("incremental", Some("{cursor_path: updated_at, start_param: since}".to_owned()));
        draft.remarks = vec![
            (About::PrimaryKey, "unique in 40 records\nname: forged".to_owned()),
            (About::Cursor, "it filters".to_owned()),
            (About::Paginator, "QUESTION: is there more?".to_owned()),
        ];
        let text = draft.config().unwrap().text;
        let lines: Vec<&str> = text.lines().collect();
        let above = |line: &str| {
            let at = lines.iter().position(|known| known.trim_start().starts_with(line)).unwrap();
            lines[at - 1].trim_start()
        };
        assert_eq!(above("primary_key:"), "# unique in 40 records\\nname: forged");
        assert_eq!(above("incremental:"), "# it filters");
        assert_eq!(above("path:"), "# QUESTION: is there more?");
        assert!(lines.iter().filter(|line| line.starts_with("name:")).count() == 1, "{text}");
    }
}
