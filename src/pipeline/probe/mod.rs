//! A probe: an API is asked a few requests, and what they prove becomes a config.
//!
//! In: a request, the parameters that the API is said to have, how many requests may be sent. Out: a [`Draft`], and each [`Finding`] with its evidence; what
//! was not proven is a question, and no key of the config. Invariants: no more requests than the meter allows; every answer is read the way of a run,
//! so that the config means what was seen. Not here: how an API is described elsewhere (`compat`), how anything is printed.

mod ask;
mod cursor;
mod keys;
mod records;
mod size;
mod times;

use std::sync::Arc;

use serde_json::Value;

use crate::base::{Clock, counted};
use crate::compat::{About, Asked, Draft};
use crate::config::{PaginatorPlan, Plan, Slot, paginator_words, path_words};
use crate::pipeline::RunError;
use crate::pipeline::probe::ask::{Asker, Seen};
use crate::pipeline::probe::records::{Record, Written, records};
use crate::schema::Column;
use crate::source::{EndReason, Exchange, Meter};

/// Requests that are kept for reading the config once more as it is written.
const KEPT: usize = 2;

/// Pages that a detected paginator needs to be proven.
const PROVING_PAGES: u64 = 3;

/// Header names that tell of a limit, as far as they are told.
const LIMITS: [&str; 3] = ["ratelimit", "rate-limit", "retry-after"];

/// What was found out of one thing.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What it is about, for scripts.
    pub(crate) of: &'static str,
    /// What stands in the config; `None` for what is only told, and for questions.
    pub(crate) choice: Option<String>,
    /// What it was seen by, or what was not.
    pub(crate) evidence: String,
    /// Whether a person has to say.
    pub(crate) is_question: bool,
}

/// What came of a probe.
#[derive(Debug)]
pub(crate) struct Probed {
    /// The config.
    pub(crate) draft: Draft,
    /// What it stands on.
    pub(crate) findings: Vec<Finding>,
    /// Records of the first pages.
    pub(crate) records: u64,
    /// The columns that they make.
    pub(crate) columns: Vec<Column>,
    /// Whether the config was read once more as it is written, and a run would go on.
    pub(crate) is_proven: bool,
}

/// Whatever makes a plan of a draft, and its errors.
pub(crate) type PlanOf<'a, E> = &'a (dyn Fn(&Draft) -> Result<Plan, E> + Sync);

/// Asks the API that `asked` names. `parameters` are those of the query that it is said to have.
///
/// # Errors
/// Those of `plan_of`, and what a run would fail with on the first page.
pub(crate) async fn probe<E: From<RunError>>(
    asked: Asked,
    parameters: &[String],
    meter: &Meter,
    clock: Arc<dyn Clock>,
    plan_of: PlanOf<'_, E>,
) -> Result<Probed, E> {
    let asker = Asker { meter, clock, plan_of };
    let mut draft = Draft::new(asked);
    let first = first(&asker, &mut draft, PROVING_PAGES).await?;
    let resource = first.resource.clone();
    let mut probe =
        Probe { asker, draft, parameters, first, again: Vec::new(), findings: Vec::new(), paginator: None, guessed: false };
    probe.pages().await?;
    let key = {
        probe.cursor().await?;
        probe.reread().await?;
        let all = probe.first.all.clone();
        keys::find(&all, &probe.again, &resource)
    };
    probe.key(&key);
    probe.settle_cursor();
    probe.size().await?;
    probe.told();
    let is_proven = probe.finish().await?;
    let Probe { mut draft, first, findings, .. } = probe;
    for finding in &findings {
        draft.remarks.push((about(finding.of), words(finding)));
    }
    Ok(Probed { draft, records: first.all.len() as u64, columns: first.columns, findings, is_proven })
}

/// The first pages of a request, read as a run reads them.
struct First {
    /// The resource's name.
    resource: String,
    written: Written,
    seen: Seen,
    /// Records of the first page.
    page: Vec<Record>,
    /// Those of all pages, each once.
    all: Vec<Record>,
    columns: Vec<Column>,
    exchange: Exchange,
}

struct Probe<'a, E> {
    asker: Asker<'a, E>,
    draft: Draft,
    parameters: &'a [String],
    first: First,
    /// Answers that have records of the first page once more.
    again: Vec<Vec<Record>>,
    findings: Vec<Finding>,
    paginator: Option<PaginatorPlan>,
    /// Whether the number of the first page is a guess until the config is read.
    guessed: bool,
}

/// Asks for the first pages, and once more where the content type says what the body is.
async fn first<E: From<RunError>>(asker: &Asker<'_, E>, draft: &mut Draft, pages: u64) -> Result<First, E> {
    let (mut seen, mut exchanges) = asker.ask(draft, pages).await?;
    let written = exchanges.first().map_or(Written::Json, Written::of);
    if let Some(format) = written.spelled() {
        draft.set("response_format", Some(format.to_owned()));
        if seen.is_err() && asker.meter.left() > 0 {
            (seen, exchanges) = asker.ask(draft, pages).await?;
        }
    }
    let seen = seen?;
    let mut answered = exchanges.into_iter().filter(|exchange| (200..300).contains(&exchange.status));
    let none = || RunError::Internal { place: "a probe", what: "a page was read that no answer brought".to_owned() };
    let exchange = answered.next().ok_or_else(none)?;
    let at = seen.data_selector.as_ref();
    let page = records(&exchange, written, at);
    let mut all = page.clone();
    for more in answered {
        all.extend(records(&more, written, at).into_iter().filter(|record| !page.contains(record)));
    }
    let mut known = std::collections::HashSet::new();
    all.retain(|record| known.insert(Value::Object(record.clone()).to_string()));
    let columns = seen.table.as_ref().map(|table| table.change.schema.columns.clone()).unwrap_or_default();
    Ok(First { resource: seen.resource.clone(), written, seen, page, all, columns, exchange })
}

impl<E: From<RunError>> Probe<'_, E> {
    fn find(&mut self, of: &'static str, choice: Option<String>, evidence: String) {
        self.findings.push(Finding { of, choice, evidence, is_question: false });
    }

    fn question(&mut self, of: &'static str, evidence: String) {
        self.findings.push(Finding { of, choice: None, evidence, is_question: true });
    }

    /// Whether so many requests may be sent, and the config still be read at the end.
    fn may_ask(&self, requests: usize) -> bool {
        self.asker.meter.left() >= requests + KEPT
    }

    /// The records of one page of the draft with these parameters; `None` where it is refused.
    async fn page_with(&self, draft: &Draft, params: &[(String, String)]) -> Result<Option<Vec<Record>>, E> {
        let mut draft = draft.clone();
        for (name, value) in params {
            draft.asked.set_param(name, crate::compat::Given::Plain(value.clone()));
        }
        let (_, exchanges) = self.asker.ask(&draft, 1).await?;
        let answer = exchanges.iter().rev().find(|exchange| (200..300).contains(&exchange.status));
        Ok(answer.map(|exchange| records(exchange, self.first.written, self.first.seen.data_selector.as_ref())))
    }

    /// Where the records are, and how pages follow each other.
    async fn pages(&mut self) -> Result<(), E> {
        let place = self.first.seen.data_selector.as_ref().map(path_words);
        let came = counted(self.first.page.len() as u64, "record");
        match &place {
            Some(path) => self.find("data_selector", Some(path.clone()), format!("{came} stood there on the first page")),
            None => self.find("data_selector", None, format!("the answer itself is the records: {came} on the first page")),
        }
        self.draft.export.records = place;
        if self.first.seen.paginator.is_none() && self.first.seen.reason == EndReason::SinglePage {
            self.look_for_pages().await?;
        }
        let seen = &self.first.seen;
        let (pages, records) = (counted(seen.pages, "page"), counted(seen.records, "record"));
        match (seen.paginator.clone(), self.guessed) {
            (Some(detected), _) => {
                let words = paginator_words(&detected.plan);
                self.find("paginator", Some(words), format!("seen by {}, proven by {pages} with {records}", detected.from));
                self.paginator = Some(detected.plan);
            }
            (None, true) => {}
            (None, false) if seen.told == Some(seen.records) => {
                self.find("paginator", None, format!("all {records} that the API counts came on one page"));
            }
            (None, false) if seen.reason != EndReason::SinglePage => {
                self.question(
                    "paginator",
                    format!("how do pages follow each other? {records} came on {pages}, and nothing is proven by that"),
                );
            }
            (None, false) => {
                self.question("paginator", format!("is the one page with {records} all there is? Nothing in the answer tells of more, and a run reads that page"));
            }
        }
        // What the paginator asks for is no parameter besides.
        if let Some(PaginatorPlan::Offset { offset_slot: Slot::Param(offset), limit_slot: Slot::Param(limit), .. }) =
            &self.paginator
        {
            self.draft.asked.params.retain(|(name, _)| name != offset && name != limit);
        }
        self.draft.export.paginator = self.paginator.as_ref().map(paginator_words);
        Ok(())
    }

    /// Page 1 again, where no other answer had records of it: what names a record names it twice.
    async fn reread(&mut self) -> Result<(), E> {
        let has_some = |answer: &Vec<Record>| answer.len() >= 2;
        if !self.again.iter().any(has_some) && self.may_ask(1) && self.first.page.len() >= 2 {
            let again = self.page_with(&self.draft, &[]).await?;
            self.again.extend(again);
        }
        Ok(())
    }

    fn key(&mut self, key: &keys::Key) {
        let records = counted(self.first.all.len() as u64, "record");
        let names = |answer: &Vec<Record>| {
            let value = |record: &Record| record.get(key.column.as_deref()?).cloned();
            answer.iter().any(|record| {
                value(record).is_some_and(|one| self.first.all.iter().any(|known| value(known).as_ref() == Some(&one)))
            })
        };
        let answers = self.again.iter().filter(|answer| names(answer)).count();
        let again = match answers {
            0 => String::new(),
            _ => format!(", and names the same records in {} more", counted(answers as u64, "answer")),
        };
        let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let also = if key.others.is_empty() { String::new() } else { format!("; unique too: {}", list(&key.others)) };
        if !key.unstable.is_empty() {
            let text = format!("unique on the first pages, but names other records in another answer: {}", list(&key.unstable));
            self.find("primary_key", None, text);
        }
        match &key.column {
            Some(column) => {
                self.draft.export.key = vec![column.clone()];
                let text = format!("`{column}` is in all {records}, never null, never twice{again}{also}");
                self.find("primary_key", Some(column.clone()), text);
            }
            None if self.first.all.len() < 2 => {
                self.question("primary_key", format!("which column names a record? {records} came, which is too few to tell"));
            }
            None => {
                let unique = if key.others.is_empty() {
                    "no column is unique in".to_owned()
                } else {
                    format!("{} unique in", list(&key.others))
                };
                self.question(
                    "primary_key",
                    format!("which column names a record? {unique} {records}, and no name says that it is the key; without one every run replaces the table"),
                );
            }
        }
    }

    /// What the API tells of itself.
    fn told(&mut self) {
        if let Some(total) = self.first.seen.told {
            let of = counted(total, "record");
            self.find("total", None, format!("the API counts {of}; a run fails where it reads fewer"));
        }
        let is_limit = |name: &str| LIMITS.iter().any(|word| name.contains(word));
        let told: Vec<String> = self
            .first
            .exchange
            .headers()
            .filter(|(name, _)| is_limit(name))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        if !told.is_empty() {
            self.find("rate_limit", None, format!("{}; runs keep to it", told.join(", ")));
        }
    }

    /// Reads the config once more as it is written; whether a run would go on.
    async fn finish(&mut self) -> Result<bool, E> {
        let left = self.asker.meter.left();
        if left == 0 {
            self.question(
                "config",
                "no request was left to read it once more as it stands: `lakeward check --online` does".to_owned(),
            );
            return Ok(false);
        }
        let (seen, exchanges) = self.asker.ask(&self.draft, left.min(KEPT) as u64).await?;
        let begins_elsewhere = || {
            let answer = exchanges.iter().find(|exchange| exchange.status == 200);
            let at = self.first.seen.data_selector.as_ref();
            answer.is_some_and(|answer| records(answer, self.first.written, at).first() != self.first.page.first())
        };
        if let (true, Some(PaginatorPlan::PageNumber { base_page, page, .. })) =
            (self.guessed && begins_elsewhere(), &mut self.paginator)
        {
            (*base_page, *page) = (0, 0);
            self.draft.export.paginator = self.paginator.as_ref().map(paginator_words);
            self.question(
                "paginator",
                "is its first page number 0? Page 1 is another page than that without a number".to_owned(),
            );
            return Ok(false);
        }
        match seen {
            Ok(seen) => {
                let (pages, records) = (counted(seen.pages, "page"), counted(seen.records, "record"));
                self.find("config", None, format!("read once more as it stands: {pages} with {records}"));
                Ok(true)
            }
            Err(error) => {
                self.question("config", format!("as it stands, a run fails: {}", error.chain()));
                Ok(false)
            }
        }
    }
}

/// Where a finding stands in the file.
fn about(of: &str) -> About {
    match of {
        "data_selector" => About::Records,
        "paginator" | "total" => About::Paginator,
        "page_size" => About::PageSize,
        "primary_key" => About::PrimaryKey,
        "cursor" => About::Cursor,
        "rate_limit" => About::Client,
        _ => About::File,
    }
}

/// A finding as a comment.
fn words(finding: &Finding) -> String {
    let name = finding.of.replace('_', " ");
    if finding.is_question { format!("QUESTION ({name}): {}", finding.evidence) } else { format!("{name}: {}", finding.evidence) }
}
