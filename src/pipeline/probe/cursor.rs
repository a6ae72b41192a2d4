//! What a run goes on from: a column of times, and a parameter by which the API leaves out what lies before.

use serde_json::Value;

use crate::base::counted;
use crate::pipeline::RunError;
use crate::pipeline::probe::Probe;
use crate::pipeline::probe::times::{Filtered, SINCE, Tells, columns, filtered, may_be_start, parting, tells};

/// Parameters that are tried one by one where the API refuses several.
const SINGLES: usize = 3;

/// By which of the columns an answer was filtered, and how.
type Matches = Vec<(String, Filtered)>;

impl<E: From<RunError>> Probe<'_, E> {
    /// Asks for what lies behind a time in the middle of the first page.
    pub(super) async fn cursor(&mut self) -> Result<(), E> {
        let columns = columns(&self.first.page);
        let Some(column) = columns.first().cloned() else {
            self.question(
                "cursor",
                "what was changed since last night? No column of times is in every record, so every run reads all".to_owned(),
            );
            return Ok(());
        };
        let Some(start) = parting(&self.first.page, &column, &columns) else {
            self.question("cursor", format!("can the API leave out what did not change? Too few records tell by `{column}`"));
            return Ok(());
        };
        let own: Vec<String> =
            self.draft.asked.params.iter().map(|(name, _)| name.clone()).filter(|name| may_be_start(name)).collect();
        let said: Vec<String> = self.parameters.iter().filter(|name| may_be_start(name)).cloned().collect();
        let names = match (own.is_empty(), said.is_empty()) {
            (false, _) => own,
            (true, false) => said,
            (true, true) => SINCE.map(str::to_owned).to_vec(),
        };
        if !self.may_ask(1) {
            self.question(
                "cursor",
                format!("can the API leave out what did not change by `{column}`? No request was left to try"),
            );
            return Ok(());
        }
        match self.narrow(names.clone(), &columns, &start).await? {
            Some((name, matches)) => self.judge(&name, &matches, &start),
            None => {
                let tried = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                self.question("cursor", format!("which parameter leaves out what did not change? None of these filters by a column of times: {tried}; every run reads all"));
            }
        }
        Ok(())
    }

    /// The one of these parameters that filters, and by which columns.
    async fn narrow(
        &mut self,
        mut names: Vec<String>,
        columns: &[String],
        start: &Value,
    ) -> Result<Option<(String, Matches)>, E> {
        let mut found = match self.try_starts(&names, columns, start).await? {
            Some(matches) => matches,
            // Some APIs refuse what they do not know.
            None => {
                for name in names.iter().take(SINGLES).filter(|_| names.len() > 1) {
                    if !self.may_ask(1) {
                        break;
                    }
                    let matches = self.try_starts(std::slice::from_ref(name), columns, start).await?;
                    if let Some(matches) = matches.filter(|matches| !matches.is_empty()) {
                        return Ok(Some((name.clone(), matches)));
                    }
                }
                return Ok(None);
            }
        };
        if found.is_empty() {
            return Ok(None);
        }
        while names.len() > 1 {
            if !self.may_ask(1) {
                return Ok(None);
            }
            let behind = names.split_off(names.len().div_ceil(2));
            match self.try_starts(&names, columns, start).await? {
                Some(matches) if !matches.is_empty() => found = matches,
                _ => names = behind,
            }
        }
        Ok(Some((names.swap_remove(0), found)))
    }

    /// By which columns the API filters with these parameters; `None` where it refuses them.
    async fn try_starts(&mut self, names: &[String], columns: &[String], start: &Value) -> Result<Option<Matches>, E> {
        let text = start.as_str().map_or_else(|| start.to_string(), str::to_owned);
        let params: Vec<(String, String)> = names.iter().map(|name| (name.clone(), text.clone())).collect();
        let Some(answer) = self.page_with(&self.draft, &params).await? else { return Ok(None) };
        let is_whole = answer.len() < self.first.page.len();
        let by = |column: &String| (column.clone(), filtered(&self.first.page, &answer, column, start, is_whole));
        let matches = columns.iter().map(by).filter(|(_, how)| *how != Filtered::No).collect();
        self.again.push(answer);
        Ok(Some(matches))
    }

    fn judge(&mut self, name: &str, matches: &Matches, start: &Value) {
        let from = crate::base::start_of(&start.to_string(), 40);
        let [(column, how)] = matches.as_slice() else {
            let names = matches.iter().map(|(column, _)| format!("`{column}`")).collect::<Vec<_>>().join(" and ");
            self.question("cursor", format!("by which column does `{name}` filter? The answers do not tell {names} apart"));
            return;
        };
        let page = counted(self.first.page.len() as u64, "record");
        let evidence = format!("`{name}={from}` left out what lies before it by `{column}` of {page}, and kept what lies behind");
        if tells(column) == Tells::Other {
            let text = format!(
                "does a record ever change behind its `{column}`? {evidence}; if none does, add `incremental: {{cursor_path: {column}, start_param: {name}}}`"
            );
            self.question("cursor", text);
            return;
        }
        // The API leaves out what was changed at the very start, where more may come.
        let (lag, why) = match how {
            Filtered::Behind => (", lag: 1", "; records at the start itself are left out, so that it begins a little before"),
            Filtered::From | Filtered::No => ("", ""),
        };
        let spelled = |text: &str| crate::config::yaml(&Value::from(text));
        let value = format!("{{cursor_path: {}, start_param: {}{lag}}}", spelled(&path_of(column)), spelled(name));
        self.draft.set("incremental", Some(value));
        self.draft.asked.params.retain(|(known, _)| known != name);
        self.find("cursor", Some(format!("{column} by {name}")), format!("{evidence}{why}"));
    }

    /// Without a key, what comes again would stand twice.
    pub(super) fn settle_cursor(&mut self) {
        if !self.draft.export.key.is_empty() {
            return;
        }
        self.draft.set("incremental", None);
        for finding in self.findings.iter_mut().filter(|finding| finding.of == "cursor" && finding.choice.is_some()) {
            finding.choice = None;
            finding.is_question = true;
            finding.evidence.push_str("; it needs a key, by which changed records find their rows");
        }
    }
}

/// A column's name as a path.
fn path_of(column: &str) -> String {
    let is_plain = column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain { column.to_owned() } else { format!("['{}']", column.replace('\'', "\\'")) }
}
