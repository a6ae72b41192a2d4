//! What ends the pages: every rule with every paginator, what it costs, and what contradicts it.

use std::sync::Arc;

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::{PaginatorPlan, StopRules, TotalAt, TotalPath, TotalRule, Unit};
use crate::source::EndReason;

/// Records of a full page.
const SIZE: u64 = 10;

/// What stands around the records of a page, from 0, of so many.
type Around = Arc<dyn Fn(u64, u64) -> String + Send + Sync>;

/// Pages under names that no sign has, each of which leads on for ever.
#[derive(Clone)]
struct Pages {
    number: u64,
    /// Records of the last one.
    last: u64,
    /// Behind the last one: that one again, or a page without records.
    repeats: bool,
    around: Around,
    /// A header with the number of pages, or, under any other name than that, of records.
    total_header: Option<&'static str>,
}

impl Pages {
    fn new(number: u64, last: u64) -> Self {
        Self { number, last, repeats: false, around: Arc::new(|_, _| String::new()), total_header: None }
    }

    fn around(self, around: impl Fn(u64, u64) -> String + Send + Sync + 'static) -> Self {
        Self { around: Arc::new(around), ..self }
    }

    fn header(self, name: &'static str) -> Self {
        Self { total_header: Some(name), ..self }
    }

    fn rows(&self) -> u64 {
        (self.number - 1) * SIZE + self.last
    }

    fn answer(&self, request: &Request) -> Reply {
        let of_page = request.param("page").map(|page| page.parse::<u64>().unwrap() - 1);
        let start = of_page.map_or_else(|| request.number("offset", request.number("at", 0)), |page| page * SIZE);
        let shown = if self.repeats { start.min((self.number - 1) * SIZE) } else { start };
        let (rows, next, asked) = (self.rows(), start + SIZE, start.div_ceil(SIZE));
        let records = ids(shown.min(rows)..(shown + SIZE).min(rows));
        let around = (self.around)(asked, self.number);
        let reply = Reply::json(format!(r#"{{"data":{records},"on":{next},"to":"/orders?at={next}"{around}}}"#));
        let reply = reply.header("X-On", &next.to_string()).header("Link", &format!("</orders?at={next}>; rel=on"));
        match self.total_header {
            Some("X-Sheets") => reply.header("X-Sheets", &self.number.to_string()),
            Some(name) => reply.header(name, &rows.to_string()),
            None => reply,
        }
    }

    fn api(&self) -> FakeApi {
        let pages = self.clone();
        FakeApi::start().on("/orders", move |request| pages.answer(request))
    }

    async fn read(&self, plan: &PaginatorPlan) -> (Outcome, usize) {
        let api = self.api();
        let outcome = Case::new(&api, plan.clone()).with(|case| case.client.concurrency = 16).read().await;
        (outcome, api.requests().len())
    }
}

/// Every paginator, ended by `stop` and what else `counted` pages have.
fn counted(stop: &StopRules) -> Vec<PaginatorPlan> {
    let stop = StopRules { stop_after_empty_page: true, ..stop.clone() };
    vec![offset(SIZE, stop.clone()), page_number(1, stop)]
}

fn following(stop: &StopRules) -> Vec<PaginatorPlan> {
    let stop = || stop.clone();
    vec![
        PaginatorPlan::Cursor { cursor_path: path("on"), cursor_slot: param("at"), stop: stop() },
        PaginatorPlan::JsonLink { next_url_path: path("to"), stop: stop() },
        PaginatorPlan::HeaderLink { links_next_key: "on".to_owned(), stop: stop() },
        PaginatorPlan::HeaderCursor { cursor_key: "x-on".to_owned(), cursor_param: "at".to_owned(), stop: stop() },
    ]
}

fn all(stop: &StopRules) -> Vec<PaginatorPlan> {
    counted(stop).into_iter().chain(following(stop)).collect()
}

fn total(unit: Unit, at: TotalAt) -> StopRules {
    StopRules { totals: vec![TotalRule { unit, at }], ..StopRules::default() }
}

fn in_body(unit: Unit) -> StopRules {
    total(unit, TotalAt::Body(path(if unit == Unit::Records { "sum.rows" } else { "sum.sheets" })))
}

fn in_header(unit: Unit) -> StopRules {
    total(unit, TotalAt::Header(if unit == Unit::Records { "x-rows" } else { "x-sheets" }.to_owned()))
}

fn empty_page() -> StopRules {
    StopRules { stop_after_empty_page: true, ..StopRules::default() }
}

fn flag(more: Option<&str>, end: Option<&str>) -> StopRules {
    StopRules { has_more_path: more.map(path), end_path: end.map(path), ..StopRules::default() }
}

/// Each rule, pages that have what it reads, and as what it ends them.
fn ends(number: u64) -> Vec<(StopRules, Pages, EndReason)> {
    let pages = || Pages::new(number, 5);
    let sums = || pages().around(|_, number| format!(r#","sum":{{"rows":{},"sheets":{number}}}"#, (number - 1) * SIZE + 5));
    let flags = || pages().around(|page, number| format!(r#","go":{},"over":{}"#, page + 1 < number, page + 1 >= number));
    vec![
        (empty_page(), pages(), EndReason::EmptyPage),
        (flag(Some("go"), None), flags(), EndReason::HasMoreFalse),
        (flag(None, Some("over")), flags(), EndReason::EndTrue),
        (in_body(Unit::Records), sums(), EndReason::TotalReached),
        (in_body(Unit::Pages), sums(), EndReason::TotalReached),
        (in_header(Unit::Records), pages().header("X-Rows"), EndReason::TotalReached),
        (in_header(Unit::Pages), pages().header("X-Sheets"), EndReason::TotalReached),
    ]
}

#[tokio::test]
async fn every_end_ends_every_paginator_and_costs_few_requests() {
    for number in [3, 30, 300] {
        for (stop, pages, reason) in ends(number) {
            // Those that are told where to go ask for no page ahead, whatever their number.
            let plans = if number == 300 { counted(&stop) } else { all(&stop) };
            for plan in plans {
                let shown = format!("{number} pages, {plan:?}");
                let (outcome, came) = pages.read(&plan).await;
                assert_eq!(outcome.ids, (0..pages.rows()).collect::<Vec<_>>(), "{shown}");
                assert_eq!(outcome.end().reason, reason, "{shown}");
                let sent = outcome.end().requests;
                assert!(sent * 4 <= number * 5 + 4 && came as u64 <= sent, "{sent} requests for {shown}");
                let is_total = reason == EndReason::TotalReached;
                assert!(!is_total || sent == number, "past a total: {sent} requests for {shown}");
                assert!(outcome.warnings().is_empty(), "{shown}: {:?}", outcome.warnings());
            }
        }
    }
}

#[tokio::test]
async fn behind_a_full_page_that_meets_a_total_one_more_is_asked_for() {
    let sums = |_: u64, number: u64| format!(r#","sum":{{"rows":{},"sheets":{number}}}"#, number * SIZE);
    for repeats in [false, true] {
        let pages = Pages { repeats, ..Pages::new(3, SIZE).around(sums) };
        for stop in [in_body(Unit::Records), in_body(Unit::Pages)] {
            for plan in all(&stop) {
                let (outcome, came) = pages.read(&plan).await;
                assert_eq!((outcome.ids.len(), came), (30, 4), "{plan:?}: {outcome:?}");
                let is_counted = matches!(plan, PaginatorPlan::Offset { .. } | PaginatorPlan::PageNumber { .. });
                let reason = if is_counted && !repeats { EndReason::EmptyPage } else { EndReason::TotalReached };
                assert_eq!(outcome.end().reason, reason, "{plan:?}, repeats: {repeats}");
            }
        }
    }
    // More than the total says.
    let pages = Pages::new(3, SIZE).around(|_, _| r#","sum":{"rows":20,"sheets":2}"#.to_owned());
    for plan in [in_body(Unit::Records), in_body(Unit::Pages)].iter().flat_map(all) {
        let error = pages.read(&plan).await.0.error();
        assert!(error.contains("the API's total is 2"), "{plan:?}: {error}");
    }
}

#[tokio::test]
async fn with_one_request_at_a_time_no_page_is_asked_for_before_the_one_before_it_was_judged() {
    for (stop, pages, reason) in ends(12) {
        for plan in all(&stop) {
            let api = pages.api();
            let outcome = Case::new(&api, plan.clone()).with(|case| case.client.concurrency = 1).read().await;
            let most = 12 + usize::from(reason == EndReason::EmptyPage);
            assert_eq!((outcome.ids.len(), api.requests().len()), (115, most), "{plan:?}");
        }
    }
}

#[tokio::test]
async fn a_flag_is_read_in_every_spelling() {
    for (yes, no) in [
        ("true", "false"),
        ("1", "0"),
        ("1.0", "0.0"),
        (r#""true""#, r#""FALSE""#),
        (r#""Y""#, r#""N""#),
        (r#""yes""#, r#""no""#),
        (r#""1""#, r#""0""#),
    ] {
        for (stop, reason) in [(flag(Some("go"), None), EndReason::HasMoreFalse), (flag(None, Some("over")), EndReason::EndTrue)]
        {
            for plan in all(&stop) {
                let pages = Pages::new(3, SIZE).around(move |page, _| {
                    let (go, over) = if page < 2 { (yes, no) } else { (no, yes) };
                    format!(r#","go":{go},"over":{over}"#)
                });
                let (outcome, _) = pages.read(&plan).await;
                assert_eq!((outcome.ids.len(), outcome.end().reason), (30, reason), "{yes} and {no} of {plan:?}");
            }
        }
    }
    let pages = Pages::new(3, SIZE).around(|_, _| r#","go":"perhaps","over":7"#.to_owned());
    for (stop, key) in [(flag(Some("go"), None), "has_more_path"), (flag(None, Some("over")), "end_path")] {
        for plan in all(&stop) {
            let error = pages.read(&plan).await.0.error();
            assert!(error.contains("should be true or false") && error.contains(key), "{plan:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_flag_of_the_end_may_be_left_out_where_it_is_false_but_not_everywhere() {
    let stop = flag(None, Some("over"));
    let last_only =
        Pages::new(3, 5).around(|page, number| if page + 1 == number { r#","over":true"#.to_owned() } else { String::new() });
    let misspelt = Pages::new(3, 5).around(|_, _| r#","page":{"isLast":false}"#.to_owned());
    for plan in counted(&stop) {
        let (outcome, _) = last_only.read(&plan).await;
        assert_eq!((outcome.ids.len(), outcome.end().reason), (25, EndReason::EndTrue), "{plan:?}");
        let error = misspelt.read(&plan).await.0.error();
        assert!(error.contains("`$.over` should be true or false, but is missing or null (`end_path`)"), "{error}");
    }
}

#[tokio::test]
async fn a_flag_that_promises_more_refuses_an_end_by_a_total_or_without_a_next_page() {
    let more_and_total = Pages::new(3, 5).around(|_, _| r#","go":1,"sum":{"rows":25}"#.to_owned());
    let stop = StopRules { has_more_path: Some(path("go")), ..in_body(Unit::Records) };
    for plan in all(&stop) {
        let error = more_and_total.read(&plan).await.0.error();
        assert!(error.contains("`$.go` says there are more records, but its total of records is reached"), "{plan:?}: {error}");
    }
    let api = FakeApi::start().page("/orders", format!(r#"{{"data":{},"on":null,"to":null,"go":"yes","over":"no"}}"#, ids(0..3)));
    for stop in [flag(Some("go"), None), flag(None, Some("over"))] {
        for plan in following(&stop) {
            let error = Case::new(&api, plan.clone()).read().await.error();
            assert!(error.contains("says there are more records, but there is no next page"), "{plan:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_total_that_is_not_met_is_refused_with_its_place_and_accepted_by_allow_drift() {
    let pages = Pages::new(3, 5).around(|_, _| r#","sum":{"rows":99,"sheets":9}"#.to_owned()).header("X-Sheets");
    let header = total(Unit::Records, TotalAt::Header("x-sheets".to_owned()));
    for (stop, said) in [
        (in_body(Unit::Records), "ended after 25 records, but the API's total is 99 (at `$.sum.rows`)"),
        (in_body(Unit::Pages), "ended after 3 pages, but the API's total is 9 (at `$.sum.sheets`)"),
        (header, "records, but the API's total is 3 (in the header `x-sheets`)"),
    ] {
        for plan in all(&StopRules { stop_after_empty_page: true, ..stop.clone() }) {
            let outcome = pages.read(&plan).await.0;
            assert!(outcome.error().contains(said), "{plan:?}: {}", outcome.error());
            assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
        }
        for plan in all(&StopRules { stop_after_empty_page: true, allow_drift: true, ..stop }) {
            let outcome = pages.read(&plan).await.0;
            assert_eq!((outcome.ids.len(), outcome.end().reason), (25, EndReason::EmptyPage), "{plan:?}");
            assert!(outcome.warnings().iter().any(|text| text.contains("the API's total is")), "{plan:?}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_total_that_is_nowhere_is_refused_with_the_one_that_may_be_meant() {
    let pages = Pages::new(3, 5).around(|_, _| r#","sum":{"rows":"many"},"total":25"#.to_owned()).header("X-Total-Count");
    for (stop, said) in [
        (in_body(Unit::Records), "`$.sum.rows` should be a whole number, but is other text (`total_records_path`)"),
        (
            in_header(Unit::Records),
            "the header `x-rows` should be a whole number, but is missing (`total_records_header`); did you mean `x-total-count`?",
        ),
        (
            total(Unit::Records, TotalAt::Body(path("totl"))),
            "but is missing or null (`total_records_path`); did you mean `total`?",
        ),
    ] {
        for plan in all(&stop) {
            let error = pages.read(&plan).await.0.error();
            assert!(error.contains(said), "{plan:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_total_of_pages_that_is_one_of_records_is_told_with_what_to_write() {
    for number in [3, 30, 300] {
        let pages = Pages::new(number, 5).around(|_, number| format!(r#","rows":{}"#, (number - 1) * SIZE + 5));
        let plan = page_number(1, StopRules { total: TotalPath::Required(path("rows")), ..empty_page() });
        let (outcome, came) = pages.read(&plan).await;
        assert_eq!((outcome.ids.len() as u64, outcome.end().reason), (pages.rows(), EndReason::EmptyPage), "{outcome:?}");
        assert!(came as u64 * 4 <= number * 5 + 4, "{came} requests for {number} pages");
        let said = outcome.warnings().join("\n");
        assert!(said.contains("write `total_records_path: rows` in its place"), "{said}");
        let right =
            page_number(1, StopRules { stop_after_empty_page: true, ..total(Unit::Records, TotalAt::Body(path("rows"))) });
        let (outcome, came) = pages.read(&right).await;
        assert_eq!((came as u64, outcome.end().reason, outcome.warnings().len()), (number, EndReason::TotalReached, 0));
    }
    let pages = Pages::new(3, 5).header("X-Rows");
    let stop = total(Unit::Pages, TotalAt::Header("x-rows".to_owned()));
    for plan in all(&StopRules { stop_after_empty_page: true, ..stop }) {
        let said = pages.read(&plan).await.0.warnings().join("\n");
        assert!(said.contains("write `total_records_header: x-rows` in its place"), "{plan:?}: {said}");
    }
}

#[tokio::test]
async fn a_link_that_leads_back_once_a_total_is_read_is_the_end_also_where_nothing_is_declared() {
    let api = || {
        FakeApi::start().on("/orders", |request| {
            let at = request.number("at", 0).min(20);
            let next = if at < 20 { at + SIZE } else { SIZE };
            Reply::json(format!(r#"{{"data":{},"next":"/orders?at={next}","total":25}}"#, ids(at..(at + SIZE).min(25))))
        })
    };
    for plan in [json_link(), PaginatorPlan::Undeclared] {
        let outcome = Case::new(&api(), plan.clone()).read().await;
        assert_eq!((outcome.ids.len(), outcome.end().reason), (25, EndReason::TotalReached), "{plan:?}");
    }
}

#[tokio::test]
async fn has_more_false_wins_over_a_next_link_that_is_found() {
    let spelled: [(&str, &str); 3] = [("true", "false"), ("1", "0"), (r#""Y""#, r#""N""#)];
    for (yes, no) in spelled {
        for in_header in [false, true] {
            let api = FakeApi::start().on("/orders", move |request| {
                let at = request.number("at", 0);
                let (next, more) = (at + SIZE, if at < 20 { yes } else { no });
                let link = format!("/orders?at={next}");
                let body = |next: &str| format!(r#"{{"data":{},"has_more":{more}{next}}}"#, ids(at.min(25)..next_row(at)));
                match in_header {
                    true => Reply::json(body("")).header("Link", &format!("<{link}>; rel=next")),
                    false => Reply::json(body(&format!(r#","next":"{link}""#))),
                }
            });
            let outcome = Case::new(&api, PaginatorPlan::Undeclared).read().await;
            assert_eq!((outcome.ids.len(), api.requests().len()), (25, 3), "{outcome:?}");
            assert_eq!(outcome.end().reason, EndReason::HasMoreFalse);
            assert!(outcome.detected()[0].ends_with("has_more_path: has_more}"), "{:?}", outcome.detected());
        }
    }
}

fn next_row(at: u64) -> u64 {
    (at + SIZE).min(25)
}

#[tokio::test]
async fn totals_in_headers_and_flags_of_the_end_are_found_and_told_as_the_config_would_have_them() {
    let of_header = |name: &'static str, number: &'static str| {
        FakeApi::start().on("/orders", move |request| {
            let at = request
                .param("page")
                .map_or_else(|| request.number("offset", 0), |page| (page.parse::<u64>().unwrap() - 1) * SIZE);
            Reply::json(ids(at.min(25)..next_row(at).max(at.min(25)))).header(name, number)
        })
    };
    let cases = [
        (of_header("X-WP-TotalPages", "3"), "{type: page_number, base_page: 1, total_pages_header: x-wp-totalpages}"),
        (of_header("X-Total-Count", "25"), "total_records_header: x-total-count}"),
    ];
    for (api, detected) in cases {
        let outcome = Case::new(&api, PaginatorPlan::Undeclared).read().await;
        assert_eq!((outcome.ids.len(), outcome.end().reason), (25, EndReason::TotalReached), "{outcome:?}");
        assert!(outcome.detected()[0].contains(detected), "{:?}", outcome.detected());
    }
    let spring = FakeApi::start().on("/orders", |request| {
        let number = request.number("page", 0);
        Reply::json(format!(
            r#"{{"data":{},"number":{number},"last":{}}}"#,
            ids((number * SIZE).min(25)..next_row(number * SIZE)),
            number >= 2
        ))
    });
    let outcome = Case::new(&spring, PaginatorPlan::Undeclared).read().await;
    assert_eq!((outcome.ids.len(), outcome.end().reason), (25, EndReason::EndTrue), "{outcome:?}");
    assert_eq!(outcome.detected(), ["{type: page_number, total_path: null, end_path: last}"]);
}
