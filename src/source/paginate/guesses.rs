//! Where more pages may be that nothing leads to: by offsets, where more records are told than came, and by guesses, where the page is as large
//! as pages get.
//!
//! Each goes under the names that the request or the page has for such places, or else under those that APIs use.

use serde_json::Value;

use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath, Unit};
use crate::source::paginate::Seen;
use crate::source::paginate::candidates::{Candidate, asked_size, ended_by, flag_of_more, stop_rules, with_role};
use crate::source::paginate::names::{Role, reduced};
use crate::source::paginate::pairs::{
    Counts, USUAL_SIZES, beside, is_offset_parameter, is_page_parameter, is_size, name_of, places_of, size_beside,
};
use crate::source::paginate::signs::{Sign, promises_more, relation, says_end};
use crate::source::paginate::totals::{beyond_in_headers, beyond_page, is_lower_bound, just_the_page};

/// What guesses are made from.
struct Guess {
    /// Records of the page.
    records: u64,
    from: String,
    is_probe: bool,
    stop: StopRules,
}

impl Guess {
    fn offset(&self, offset_slot: Slot, offset: u64, limit_slot: Slot) -> Candidate {
        let plan = PaginatorPlan::Offset { limit: self.records, offset, offset_slot, limit_slot, stop: self.stop.clone() };
        Candidate { plan, from: self.from.clone(), may_fail: true, is_probe: self.is_probe }
    }

    /// Pages by their number `first`, counted from `base`.
    fn numbered(&self, base: u64, first: u64, page_slot: Slot) -> Candidate {
        // What is told counts records.
        let stop = StopRules { total: TotalPath::None, ..self.stop.clone() };
        let plan = PaginatorPlan::PageNumber { base_page: base, page: first, page_slot, stop };
        Candidate { plan, from: self.from.clone(), may_fail: true, is_probe: self.is_probe }
    }

    /// Pages from 0 on, and from 1 on.
    fn pages(&self, page_slot: &Slot) -> [Candidate; 2] {
        [0, 1].map(|base| self.numbered(base, base, page_slot.clone()))
    }

    /// By the place that the request itself names.
    fn asked(&self, page: &Seen<'_>, limit_slot: &Slot) -> Option<Candidate> {
        let own = |is_it: fn(&str) -> bool| page.asked.iter().find(|(slot, _)| is_it(name_of(slot)));
        let by_page = own(is_page_parameter).map(|(slot, number)| self.numbered((*number).min(1), *number, slot.clone()));
        by_page.or_else(|| own(is_offset_parameter).map(|(slot, number)| self.offset(slot.clone(), *number, limit_slot.clone())))
    }

    /// By the place that the page tells of itself.
    fn told(&self, page: &Seen<'_>) -> Option<Candidate> {
        let own = own_offset(page)?;
        let asked =
            page.asked.iter().find(|(slot, _)| reduced(name_of(slot)) == reduced(own.name())).map(|(slot, _)| slot.clone());
        let limit = || with_role(&page.facts.signs, Role::Limit).next().map_or_else(|| size_beside(own.name()), Sign::name);
        let limit_slot = asked_size(page).cloned().unwrap_or_else(|| param(limit()));
        Some(self.offset(asked.unwrap_or_else(|| param(own.name())), own.number()?, limit_slot))
    }

    /// By the places that go with the size that is asked for.
    fn beside(&self, size: &Slot) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (counts, name) in places_of(name_of(size)) {
            match counts {
                Counts::Records => found.push(self.offset(beside(size, &name), 0, size.clone())),
                Counts::Pages => found.extend(self.pages(&beside(size, &name))),
            }
        }
        found
    }
}

fn param(name: &str) -> Slot {
    Slot::Param(name.to_owned())
}

/// By an offset, where the API tells its own, or more records in all than came.
pub(super) fn offsets(page: &Seen<'_>, is_estimate: bool) -> Vec<Candidate> {
    let signs = &page.facts.signs;
    let records = page.facts.records;
    let own = own_offset(page);
    let total = beyond_page(page).max_by_key(|(_, total)| *total).map(|(sign, _)| sign);
    let of_header = beyond_in_headers(page).map(|(sign, _)| sign).filter(|_| !is_estimate && own.is_none());
    let more = flag_of_more(page);
    let stop = match (total, own, more) {
        (Some(total), ..) if is_estimate || is_lower_bound(page.facts, total) => stop_rules(),
        (Some(total), ..) => StopRules { total: TotalPath::Required(total.path.clone()), ..stop_rules() },
        (None, Some(_), Some(more)) => ended_by(more, stop_rules()),
        // Jira's `startAt: 0` beside `isLast: false`.
        (None, Some(_), None) if promises_more(page.facts) => stop_rules(),
        (None, None, Some(more)) if is_arcgis(more) => ended_by(more, stop_rules()),
        (None, _, None) if let Some(header) = &of_header => header.as_rule(Unit::Records, stop_rules()),
        _ => return Vec::new(),
    };
    if records == 0 {
        return Vec::new();
    }
    let shown = total.or(more).or(own).map(|sign| format!("`{}`", sign.shown()));
    let is_probe = is_estimate && total.is_some();
    let from = shown.or(of_header.map(|sign| sign.shown)).unwrap_or_default();
    let guess = Guess { records, from, is_probe, stop };
    let limit = with_role(signs, Role::Limit).next().map(Sign::name);
    let size = asked_size(page);
    if let Some(own) = guess.told(page) {
        return vec![own];
    }
    let named = limit.filter(|name| is_size(name)).map(param);
    let limit_slot = size.cloned().or(named).unwrap_or_else(|| param("limit"));
    if let Some(asked) = guess.asked(page, &limit_slot) {
        return vec![asked];
    }
    if more.is_some_and(is_arcgis) {
        return vec![guess.offset(param("resultOffset"), 0, param("resultRecordCount"))];
    }
    let mut found = Vec::new();
    if total.is_some_and(|total| relation(page.facts, total).is_some_and(Value::is_string)) {
        // `total: {value: 25, relation: eq}` is Elasticsearch's, and so are the names that go with it.
        let size = size.filter(|size| name_of(size) == "size").cloned().unwrap_or_else(|| param("size"));
        found.push(guess.offset(beside(&size, "from"), 0, size));
    }
    found.extend(size.map(|size| guess.beside(size)).unwrap_or_default());
    // Nothing speaks of offsets: the pages may be numbered as well.
    let usual = [guess.offset(param("offset"), 0, limit_slot.clone())].into_iter().chain(guess.pages(&param("page")));
    let rare = ["start", "skip"].map(|name| guess.offset(param(name), 0, param(size_beside(name))));
    for candidate in usual.chain(rare.into_iter().filter(|_| size.is_none())) {
        if !found.iter().any(|known: &Candidate| known.plan == candidate.plan) {
            found.push(candidate);
        }
    }
    found
}

/// Whether a flag is one that only ArcGIS has.
fn is_arcgis(more: &Sign) -> bool {
    more.name() == "exceededTransferLimit"
}

/// The offset that the first page tells of itself.
fn own_offset<'a>(page: &Seen<'a>) -> Option<&'a Sign> {
    with_role(&page.facts.signs, Role::Offset).find(|sign| sign.number().is_some_and(|number| is_first(sign, number)))
}

/// Whether an offset is that of the first record. Some count from 1.
fn is_first(sign: &Sign, number: u64) -> bool {
    number == 0 || number == 1 && reduced(sign.name()) == "startindex"
}

/// What is asked for where nothing tells where more is, but the page has just as many records as the request asked for, or fewer than that and as
/// many as APIs allow: the place that the request itself names, or those that go with the name of its size.
fn probes(page: &Seen<'_>) -> Vec<Candidate> {
    let records = page.facts.records;
    let is_full = |number: u64| number == records || number > records && USUAL_SIZES.contains(&records);
    let mut sizes = page.asked.iter().filter(|(slot, _)| is_size(name_of(slot)));
    let Some((size, _)) = sizes.find(|(_, number)| records > 0 && is_full(*number)) else { return Vec::new() };
    let from = format!("`{}` in the request", name_of(size));
    let stop = flag_of_more(page).map_or_else(stop_rules, |more| ended_by(more, stop_rules()));
    let guess = Guess { records, from, is_probe: true, stop };
    guess.asked(page, size).or_else(|| guess.told(page)).map_or_else(|| guess.beside(size), |one| vec![one])
}

/// What is asked for where no sign leads on: what the size of a full page speaks for, or, behind a total of just that page, offsets and page
/// numbers under their usual names.
pub(super) fn guesses(page: &Seen<'_>, is_estimate: bool) -> Vec<Candidate> {
    if says_end(page) {
        return Vec::new();
    }
    let found = probes(page);
    match just_the_page(page).filter(|_| found.is_empty() && !is_estimate) {
        Some(total) => behind_total(page, &total),
        None => found,
    }
}

fn behind_total(page: &Seen<'_>, total: &str) -> Vec<Candidate> {
    let from = format!("a page behind the one that {total} counts");
    let guess = Guess { records: page.facts.records, from, is_probe: true, stop: stop_rules() };
    if let Some(own) = guess.told(page) {
        return vec![own];
    }
    let of_size = asked_size(page).map(|size| guess.beside(size)).unwrap_or_default();
    if !of_size.is_empty() {
        return of_size;
    }
    [guess.offset(param("offset"), 0, param("limit"))].into_iter().chain(guess.pages(&param("page"))).collect()
}
