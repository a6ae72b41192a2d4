//! How many records the API gives a page, and by which parameter; and pages that nothing in the first answer tells of.

use serde_json::Value;

use crate::base::{count, counted};
use crate::compat::{Draft, Given};
use crate::config::{PaginatorPlan, Slot, StopRules, paginator_words};
use crate::pipeline::RunError;
use crate::pipeline::probe::records::Record;
use crate::pipeline::probe::{First, Probe, first};

/// Names of the number of records a page, the likeliest first.
const SIZES: [&str; 4] = ["limit", "per_page", "page_size", "pageSize"];

/// Records a page that are asked for.
const MOST: u64 = 1_000;

/// Pages that a paginator needs to be proven of which nothing in an answer tells: the first one is asked for by its number, too.
const PROVING_A_GUESS: u64 = 4;

/// Records of an only page from which on there may be more of them.
const FULL: usize = 10;

/// Levels of objects around the records in which a size is looked for.
const TOLD_DEEP: u32 = 2;

/// Whether a parameter of this name asks for a number of records a page.
fn is_size(name: &str) -> bool {
    let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    ["limit", "perpage", "pagesize", "size", "count", "maxresults", "top", "pagelimit", "itemsperpage", "rows"].contains(&&*word)
}

/// Whether a parameter of this name is the number of a page.
fn is_page(name: &str) -> bool {
    let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    ["page", "p", "pagenumber", "pageno", "pageindex", "pg"].contains(&&*word)
}

impl<E: From<RunError>> Probe<'_, E> {
    /// Those of the parameters that the API is said to have which are such, or the usual names.
    fn names_or(&self, is_such: impl Fn(&str) -> bool, usual: &[&str]) -> Vec<String> {
        let named: Vec<String> = self.parameters.iter().filter(|name| is_such(name)).cloned().collect();
        if named.is_empty() { usual.iter().map(|name| (*name).to_owned()).collect() } else { named }
    }

    /// An only page that may not be all: whether it can be had in parts, and then how they follow each other.
    pub(super) async fn look_for_pages(&mut self) -> Result<(), E> {
        let records = self.first.page.len();
        let is_all = self.first.seen.told == Some(records as u64);
        if records < FULL || is_all {
            return Ok(());
        }
        let part = records / 2;
        if let Some(name) = self.size_parameter(part).await? {
            let mut draft = self.draft.clone();
            draft.export.records = None;
            draft.asked.set_param(&name, Given::Plain(part.to_string()));
            if self.may_ask(PROVING_A_GUESS as usize) {
                let smaller = first(&self.asker, &mut draft, PROVING_A_GUESS).await;
                if let Ok(smaller) = smaller
                    && smaller.seen.paginator.is_some()
                {
                    self.take(draft, smaller);
                    return Ok(());
                }
            }
            self.draft.asked.set_param(&name, Given::Plain(records.to_string()));
            self.question(
                "page_size",
                format!(
                    "`{name}` says how many records come, and the pages behind the first were not found: what asks for them?"
                ),
            );
            return Ok(());
        }
        for name in self.names_or(is_page, &["page"]).into_iter().take(2) {
            if !self.may_ask(1) {
                break;
            }
            let second = self.page_with(&self.draft, &[(name.clone(), "2".to_owned())]).await?.unwrap_or_default();
            let is_other = !second.is_empty() && !second.iter().any(|record| self.first.page.contains(record));
            if is_other {
                let stop = StopRules { stop_after_empty_page: true, ..StopRules::default() };
                let plan = PaginatorPlan::PageNumber { base_page: 1, page: 1, page_slot: Slot::Param(name.clone()), stop };
                let text = format!("`{name}=2` brought {} that the first page has not", counted(second.len() as u64, "record"));
                self.find("paginator", Some(paginator_words(&plan)), text);
                self.first.all.extend(second);
                (self.paginator, self.guessed) = (Some(plan), true);
                break;
            }
        }
        Ok(())
    }

    /// What was seen with smaller pages counts.
    fn take(&mut self, draft: Draft, smaller: First) {
        let records = draft.export.records.clone().or_else(|| self.draft.export.records.clone());
        self.draft = draft;
        self.draft.export.records = records;
        self.first = smaller;
    }

    /// The parameter by which `part` of the records of the first page come.
    async fn size_parameter(&self, part: usize) -> Result<Option<String>, E> {
        let known = |name: &String| self.draft.asked.params.iter().any(|(known, _)| known == name);
        let told = self.first.exchange.text().and_then(|page| told_size(&page, self.first.page.len() as u64));
        let usual = told.as_deref().map_or(SIZES.to_vec(), |told| vec![told]);
        let mut names: Vec<String> = self.names_or(is_size, &usual).into_iter().filter(|name| !known(name)).collect();
        let is_part = |page: Option<Vec<Record>>| page.is_some_and(|page| page.len() == part);
        let with = |names: &[String]| names.iter().map(|name| (name.clone(), part.to_string())).collect::<Vec<_>>();
        if names.is_empty() || !self.may_ask(1) || !is_part(self.page_with(&self.draft, &with(&names)).await?) {
            return Ok(None);
        }
        while names.len() > 1 && self.may_ask(1) {
            let behind = names.split_off(names.len().div_ceil(2));
            if !is_part(self.page_with(&self.draft, &with(&names)).await?) {
                names = behind;
            }
        }
        Ok(Some(names.swap_remove(0)).filter(|_| names.is_empty()))
    }

    /// Asks for large pages, which cost fewer requests.
    pub(super) async fn size(&mut self) -> Result<(), E> {
        let of_paginator = match &self.paginator {
            Some(PaginatorPlan::Offset { limit_slot: Slot::Param(name), .. }) => Some(name.clone()),
            _ => None,
        };
        let came = self.first.page.len() as u64;
        let in_request = || self.draft.asked.params.iter().map(|(name, _)| name).find(|name| is_size(name)).cloned();
        let known = || self.parameters.iter().find(|name| is_size(name)).cloned();
        let told = || told_size(&self.first.exchange.text()?, came);
        let name = of_paginator.clone().or_else(in_request).or_else(known).or_else(told);
        let (Some(name), Some(_)) = (name, &self.paginator) else { return Ok(()) };
        if !self.may_ask(1) || came >= MOST {
            return Ok(());
        }
        let answer = self.page_with(&self.sized(&name, of_paginator.is_some(), MOST).0, &[]).await?;
        let Some(answer) = answer else {
            self.find("page_size", None, format!("{} a page are refused; {} came", count(MOST), counted(came, "record")));
            return Ok(());
        };
        let most = answer.len() as u64;
        if most <= came {
            self.find("page_size", None, format!("of {} asked for a page, {} came: that is the most", count(MOST), count(most)));
            return Ok(());
        }
        let is_all = self.first.seen.told.is_some_and(|told| most >= told);
        let size = if is_all { MOST } else { most };
        (self.draft, self.paginator) = self.sized(&name, of_paginator.is_some(), size);
        let text = match is_all {
            true => format!("of {} asked for a page, all {} came", count(MOST), count(most)),
            false => format!("of {} asked for a page, {} came: that is the most", count(MOST), count(most)),
        };
        self.find("page_size", Some(format!("{name}={size}")), text);
        Ok(())
    }

    /// The draft and its paginator with pages of this size.
    fn sized(&self, name: &str, is_of_paginator: bool, size: u64) -> (Draft, Option<PaginatorPlan>) {
        let (mut draft, mut paginator) = (self.draft.clone(), self.paginator.clone());
        if let (true, Some(PaginatorPlan::Offset { limit, .. })) = (is_of_paginator, &mut paginator) {
            *limit = size;
            draft.export.paginator = paginator.as_ref().map(paginator_words);
        } else {
            draft.asked.set_param(name, Given::Plain(size.to_string()));
        }
        (draft, paginator)
    }
}

/// The name of a number around the records that is the size of the page.
fn told_size(page: &str, came: u64) -> Option<String> {
    let page: Value = serde_json::from_str(page).ok()?;
    let mut open = vec![(&page, 0)];
    while let Some((value, depth)) = open.pop() {
        for (name, value) in value.as_object().into_iter().flatten() {
            if is_size(name) && value.as_u64() == Some(came) {
                return Some(name.clone());
            }
            if value.is_object() && depth < TOLD_DEEP {
                open.push((value, depth + 1));
            }
        }
    }
    None
}
