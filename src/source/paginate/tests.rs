//! The contract of every paginator, against an API made of arithmetic.

use crate::source::error::PagingFault;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::config::{ClientPlan, ExpectTotal, RetryPlan, StopRules, TotalPath};

const ROWS: u64 = 47;
const SIZE: u64 = 10;
const EXPECT: Expect = Expect { min_rows: None, max_shrink: None, total: ExpectTotal::Undeclared };

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

fn param(name: &str) -> Slot {
    Slot::Param(name.to_owned())
}

fn stop(total: TotalPath, has_more: bool) -> StopRules {
    StopRules { total, stop_after_empty_page: true, has_more_path: has_more.then(|| path("more")), ..StopRules::default() }
}

/// Every kind of paginator, with each of its ways to end.
fn plans() -> Vec<PaginatorPlan> {
    let mut plans = vec![
        PaginatorPlan::JsonLink { next_url_path: path("next_url"), stop: StopRules::default() },
        PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), stop: StopRules::default() },
        PaginatorPlan::HeaderCursor {
            cursor_key: "x-next".to_owned(),
            cursor_param: "start".to_owned(),
            stop: StopRules::default(),
        },
    ];
    for more in [None, Some(path("more"))] {
        let (cursor_path, cursor_slot) = (path("next"), param("start"));
        let stop = StopRules { has_more_path: more, ..StopRules::default() };
        plans.push(PaginatorPlan::Cursor { cursor_path, cursor_slot, stop });
    }
    for total in [TotalPath::None, TotalPath::Optional(path("total")), TotalPath::Required(path("total"))] {
        for more in [false, true] {
            let stop = stop(total.clone(), more);
            let (offset_slot, limit_slot) = (param("start"), param("limit"));
            plans.push(PaginatorPlan::Offset { limit: SIZE, offset: 0, offset_slot, limit_slot, stop: stop.clone() });
            plans.push(PaginatorPlan::PageNumber { base_page: 1, page: 1, page_slot: param("page"), stop });
        }
    }
    plans
}

/// Where a request starts, by any of the parameters above.
fn start_of(position: &Position) -> u64 {
    let number = |text: &str| text.parse::<u64>().unwrap();
    match &position.place {
        Place::Link(url) => url.query_pairs().find(|(name, _)| name == "start").map_or(0, |(_, value)| number(&value)),
        Place::Slots(slots) => slots.iter().fold(0, |start, (slot, value)| match slot {
            Slot::Param(name) if name == "start" || name == "offset" => number(value.to_string().trim_matches('"')),
            Slot::Param(name) if name == "page" => (value.as_u64().unwrap() - 1) * SIZE,
            _ => start,
        }),
    }
}

struct Api {
    reach: Reach,
    /// Names the same next page for ever.
    loops: bool,
    /// The members that a paginator which has to find its own way may see.
    signs: &'static [&'static str],
    has_link: bool,
}

impl Api {
    fn new(loops: bool) -> Self {
        let base_url: Url = "http://api.test/rows".parse().unwrap();
        let client = ClientPlan {
            base_url: base_url.clone(),
            headers: vec![],
            auth: None,
            retry: RetryPlan {
                max_retries: Some(0),
                backoff_factor: 1.0,
                initial_delay: std::time::Duration::ZERO,
                statuses: vec![],
                max_wait: std::time::Duration::ZERO,
            },
            connect_timeout: std::time::Duration::ZERO,
            read_timeout: std::time::Duration::ZERO,
            page_timeout: std::time::Duration::ZERO,
            rate_limits: vec![],
            concurrency: 1,
            allow_hosts: vec![],
            rules: vec![],
            tls: None,
        };
        Self { reach: Reach::new(&client, &base_url, None), loops, signs: &[], has_link: true }
    }

    /// Steps over the page at `position`; gives its records and the step.
    fn step(
        &self,
        paginator: &mut dyn Paginator,
        page: u64,
        position: &Position,
        pages: bool,
    ) -> Result<(u64, Step), SourceError> {
        let start = start_of(position).min(ROWS);
        let end = (start + SIZE).min(ROWS);
        let next = if self.loops { SIZE } else { end };
        let more = self.loops || end < ROWS;
        let mut headers = HeaderMap::new();
        if more {
            headers.insert("x-next", next.into());
        }
        if more && self.has_link {
            headers.insert("link", format!("<?start={next}>; rel=next").parse().unwrap());
        }
        let total = if pages { ROWS.div_ceil(SIZE) } else { ROWS };
        let body = json!({"next": more.then_some(next), "next_url": more.then(|| format!("?start={next}")), "more": more, "total": total});
        let found = |path: &JsonPath| match path.steps() {
            [crate::base::Step::Key(key)] => body.get(key).cloned(),
            _ => None,
        };
        let facts = PageFacts {
            records: if self.loops { SIZE } else { end - start },
            records_hash: u128::from(start) + 1,
            record_hashes: (start..if self.loops { start + SIZE } else { end }).collect(),
            values: paginator.wanted().iter().map(found).collect(),
            signs: self
                .signs
                .iter()
                .filter_map(|name| Some(Sign { path: path(name), value: found(&path(name))? }))
                .filter(|sign| !sign.value.is_null())
                .collect(),
            ..PageFacts::default()
        };
        let url: Url = format!("http://api.test/rows?start={start}").parse().unwrap();
        let ordinal = position.ordinal;
        let seen = Seen {
            resource: "rows",
            page,
            url: &url,
            headers: &headers,
            ordinal,
            facts: &facts,
            reach: &self.reach,
            asked: &[],
            is_reread: false,
            is_part: false,
            is_last: false,
            has_json: false,
            largest: 0,
            more: None,
        };
        paginator.step(&seen).map(|step| (facts.records, step))
    }
}

fn honours_contract(plan: &PaginatorPlan) {
    honours_contract_with(plan, &Api::new(false));
}

fn honours_contract_with(plan: &PaginatorPlan, api: &Api) {
    let counts_pages = matches!(plan, PaginatorPlan::PageNumber { .. });
    let mut paginator = paginator(plan, &EXPECT);
    let (mut position, mut page, mut read, mut guess) = (paginator.first(), 1, 0, None);
    assert!(paginator.ahead(&position).is_none(), "{plan:?}: nothing is guessed before the first page");
    loop {
        assert!(guess.is_none_or(|guess| guess == position), "{plan:?}: a full page is followed by the page guessed");
        let (records, step) = api.step(paginator.as_mut(), page, &position, counts_pages).unwrap();
        read += records;
        guess = if records == SIZE { paginator.ahead(&position) } else { None };
        match step {
            Step::Next(next) => {
                assert_ne!(next, position, "{plan:?}");
                (position, page) = (next, page + 1);
            }
            Step::Again(_) | Step::Over(_) => panic!("{plan:?}: no page came twice"),
            Step::End(reason) => {
                assert_ne!(reason, EndReason::SinglePage, "{plan:?}");
                assert_eq!(read, ROWS, "{plan:?} ended with {reason:?}");
                assert!(page <= ROWS.div_ceil(SIZE) + 1, "{plan:?}");
                return;
            }
        }
    }
}

#[test]
fn every_paginator_honours_the_contract() {
    plans().iter().for_each(honours_contract);
}

#[test]
fn the_detecting_paginator_honours_the_contract_whatever_it_finds() {
    honours_contract(&PaginatorPlan::Undeclared);
    for signs in [&["next_url"][..], &["total"]] {
        honours_contract_with(&PaginatorPlan::Undeclared, &Api { signs, has_link: false, ..Api::new(false) });
    }
}

#[test]
fn every_paginator_that_is_told_where_to_go_notices_a_circle() {
    for plan in plans() {
        let counts = matches!(plan, PaginatorPlan::Offset { .. } | PaginatorPlan::PageNumber { .. });
        if counts {
            continue;
        }
        let (api, mut paginator) = (Api::new(true), paginator(&plan, &EXPECT));
        let (_, step) = api.step(paginator.as_mut(), 1, &Position::start(), false).unwrap();
        let Step::Next(next) = step else { panic!("{plan:?}: {step:?}") };
        let error = api.step(paginator.as_mut(), 2, &next, false).unwrap_err();
        assert!(matches!(error, SourceError::Paging(PagingFault::Repeats { earlier: 1, .. })), "{plan:?}: {error}");
    }
}

#[test]
fn the_decoder_is_asked_for_the_paths_in_order() {
    let expect = Expect { min_rows: None, max_shrink: None, total: ExpectTotal::At(path("meta.count")) };
    let shown = |plan: &PaginatorPlan| wanted_paths(plan, &expect).iter().map(ToString::to_string).collect::<Vec<_>>();
    let all: Vec<Vec<String>> = plans().iter().map(shown).collect();
    assert_eq!(all[0], ["$.next_url", "$.meta.count"]);
    assert_eq!(all[1], ["$.meta.count"]);
    assert_eq!(all[4], ["$.next", "$.more", "$.meta.count"]);
    assert_eq!(all.last().unwrap(), &["$.total", "$.more", "$.meta.count"]);
    assert_eq!(wanted_paths(&PaginatorPlan::Undeclared, &Expect { total: ExpectTotal::Undeclared, ..expect }), []);
}

#[test]
fn totals_are_whole_numbers_also_as_text() {
    for (value, expected) in [
        (json!(5), Some(5)),
        (json!("5"), Some(5)),
        (json!(5.0), Some(5)),
        (json!(5.5), None),
        (json!(-1), None),
        (json!("many"), None),
        (json!(true), None),
        (Value::Null, None),
    ] {
        assert_eq!(whole_number(&value), expected, "{value}");
    }
}
