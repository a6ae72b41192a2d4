//! Rows that are added and removed while their pages are read.

use std::sync::atomic::{AtomicBool, Ordering};

use super::fake_api::{FakeApi, Reply};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::{PaginatorPlan, StopRules};

fn rows(ids: &[u64], start: u64, around: &str) -> Reply {
    let rows: Vec<String> = ids.iter().skip(start as usize).take(10).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    Reply::json(format!(r#"{{"data":[{}]{around}}}"#, rows.join(",")))
}

/// Rows `before`, which become `after` once the third page is asked for; with a total.
fn changing(before: std::ops::Range<u64>, after: Vec<u64>) -> FakeApi {
    let changed = AtomicBool::new(false);
    let before: Vec<u64> = before.collect();
    FakeApi::start().on("/orders", move |request| {
        let start = request.number("offset", 0);
        if start >= 20 {
            changed.store(true, Ordering::SeqCst);
        }
        let ids = if changed.load(Ordering::SeqCst) { &after } else { &before };
        rows(ids, start, &format!(r#","total":{}"#, ids.len()))
    })
}

/// The same behind links with page numbers: `link` writes the page's link and total into the reply.
fn changing_behind_links(after: Vec<u64>, link: impl Fn(Reply, Option<u64>, usize) -> Reply + Send + Sync + 'static) -> FakeApi {
    let changed = AtomicBool::new(false);
    let before: Vec<u64> = (0..50).collect();
    FakeApi::start().on("/orders", move |request| {
        let page = request.number("page", 1);
        if page >= 3 {
            changed.store(true, Ordering::SeqCst);
        }
        let ids = if changed.load(Ordering::SeqCst) { &after } else { &before };
        let next = (page * 10 < ids.len() as u64).then_some(page + 1);
        let around = next.map_or_else(String::new, |next| format!(r#","next":"/orders?page={next}","count":{}"#, ids.len()));
        link(rows(ids, (page - 1) * 10, &around), next, ids.len())
    })
}

fn link_header(reply: Reply, next: Option<u64>, total: usize) -> Reply {
    let reply = reply.header("X-Total-Count", &total.to_string());
    match next {
        Some(next) => reply.header("Link", &format!("</orders?page={next}>; rel=\"next\"")),
        None => reply,
    }
}

fn header_link(allow_drift: bool) -> PaginatorPlan {
    PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), stop: StopRules { allow_drift, ..StopRules::default() } }
}

async fn read(api: &FakeApi, paginator: PaginatorPlan, key: &[&str]) -> Outcome {
    let one_by_one = |case: &mut Case| {
        case.client.concurrency = 1;
        case.resource.primary_key = key.iter().map(|&column| column.to_owned()).collect();
    };
    Case::new(api, paginator).with(one_by_one).read().await
}

/// What was read, each row once.
fn unique(outcome: &Outcome) -> Vec<u64> {
    assert!(outcome.result.is_ok(), "{}", outcome.error());
    let mut ids = outcome.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[tokio::test]
async fn e_81_rows_removed_before_the_place_at_hand_are_not_skipped_over() {
    for removed in [1, 3, 9] {
        let api = changing(0..50, (removed..50).collect());
        let outcome = read(&api, offset(10, stop_rules()), &["id"]).await;
        assert_eq!(unique(&outcome), (0..50).collect::<Vec<_>>(), "{removed} removed");
        let told = format!("the API's total fell from 50 to {} while pages were read", 50 - removed);
        assert!(outcome.warnings()[0].starts_with(&told), "{:?}", outcome.warnings());
    }
    // More than a page of them: two pages are read again, the first of which joins nothing.
    let api = changing(0..50, (14..50).collect());
    assert_eq!(unique(&read(&api, offset(10, stop_rules()), &["id"]).await), (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn e_81_rows_removed_are_an_error_where_pages_cannot_be_read_again() {
    let api = || changing(0..50, (3..50).collect());
    let outcome = read(&api(), offset(10, stop_rules()), &[]).await;
    for word in
        ["page 3, `", "rows may have been skipped", "fell from 50 to 47", "declare a `primary_key`", "`allow_drift: true`"]
    {
        assert!(outcome.error().contains(word), "{}", outcome.error());
    }
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
    let stop = crate::config::StopRules { allow_drift: true, ..stop_rules() };
    let outcome = read(&api(), offset(10, stop), &[]).await;
    assert_eq!(outcome.ids.len(), 47, "{outcome:?}");
}

#[tokio::test]
async fn e_81_rows_added_before_the_place_at_hand_come_twice_and_cost_nothing() {
    let api = changing(0..50, [100, 101].into_iter().chain(0..50).collect());
    let outcome = read(&api, offset(10, stop_rules()), &["id"]).await;
    assert_eq!(unique(&outcome), (0..50).collect::<Vec<_>>());
    assert_eq!(outcome.ids.len(), 52);
    assert!(outcome.warnings().is_empty(), "{:?}", outcome.warnings());
}

#[tokio::test]
async fn e_81_an_order_that_is_none_is_an_error() {
    let api = FakeApi::start().on("/orders", |request| {
        let ids: Vec<u64> = match request.number("offset", 0) {
            0 => (0..10).collect(),
            start => (start..start + 9).chain([start - 5]).collect(),
        };
        rows(&ids, 0, "")
    });
    let outcome = read(&api, offset(10, without_total()), &["id"]).await;
    assert!(outcome.error().contains("1 records came again in another order than they had"), "{}", outcome.error());
    assert!(outcome.error().contains("sort the API's answer"), "{}", outcome.error());
    assert!(api.requests().len() < 20, "it goes on for ever");
}

#[tokio::test]
async fn e_83_a_total_that_grows_while_pages_are_read_is_followed() {
    let api = changing(0..45, (0..57).collect());
    assert_eq!(unique(&read(&api, offset(10, stop_rules()), &[]).await), (0..57).collect::<Vec<_>>());
}

#[tokio::test]
async fn e_89_copies_are_counted_where_no_key_tells_them() {
    let api = FakeApi::start().on("/orders", |request| match request.number("cursor", 0) {
        0 => rows(&[0, 1, 2, 3], 0, r#","next":1"#),
        1 => rows(&[3, 4, 4, 0], 0, r#","next":2"#),
        _ => rows(&[5], 0, ""),
    });
    let outcome = read(&api, cursor(), &[]).await;
    assert_eq!(outcome.ids, [0, 1, 2, 3, 3, 4, 4, 0, 5]);
    assert_eq!(outcome.warnings(), ["exact copies of records of earlier pages: 2; without a `primary_key` all of them are kept"]);
    assert!(read(&api, cursor(), &["id"]).await.warnings().is_empty());
}

#[tokio::test]
async fn e_81_rows_removed_behind_links_with_page_numbers_are_not_skipped_over() {
    for removed in [1, 3, 9, 14] {
        let after: Vec<u64> = (removed..50).collect();
        let api = changing_behind_links(after.clone(), link_header);
        let outcome = read(&api, header_link(false), &["id"]).await;
        assert_eq!(unique(&outcome), (0..50).collect::<Vec<_>>(), "header_link, {removed} removed");
        let told = format!("the API's total fell from 50 to {} while pages were read", 50 - removed);
        assert!(outcome.warnings()[0].starts_with(&told), "{:?}", outcome.warnings());

        let api = changing_behind_links(after, |reply, _, _| reply);
        let outcome = read(&api, json_link(), &["id"]).await;
        assert_eq!(unique(&outcome), (0..50).collect::<Vec<_>>(), "json_link, {removed} removed");
        assert_eq!(outcome.end().total, Some(50 - removed), "the body's latest count");
    }
}

#[tokio::test]
async fn e_81_rows_removed_behind_links_are_an_error_without_a_key_unless_that_is_accepted() {
    let api = || changing_behind_links((3..50).collect(), link_header);
    let outcome = read(&api(), header_link(false), &[]).await;
    for word in ["page 3, `", "fell from 50 to 47", "declare a `primary_key`", "`allow_drift: true`"] {
        assert!(outcome.error().contains(word), "{}", outcome.error());
    }
    let outcome = read(&api(), header_link(true), &[]).await;
    assert_eq!(outcome.ids.len(), 47, "{outcome:?}");
}

#[tokio::test]
async fn e_81_nothing_moves_behind_links_with_cursors() {
    let api = FakeApi::start().on("/orders", |request| {
        let ids: Vec<u64> = (0..30).collect();
        let (start, total) = match request.param("after") {
            None => (0, 30),
            Some("x9") => (10, 28),
            Some(_) => (20, 25),
        };
        let next = ["x9", "y9"].get(start as usize / 10);
        let around = next.map_or_else(String::new, |next| format!(r#","next":"/orders?after={next}","total":{total}"#));
        rows(&ids, start, &around)
    });
    let outcome = read(&api, json_link(), &["id"]).await;
    assert_eq!(outcome.ids, (0..30).collect::<Vec<_>>());
    assert!(outcome.warnings().is_empty(), "{:?}", outcome.warnings());
    assert_eq!(api.requests().len(), 3);
}

#[tokio::test]
async fn e_81_a_detected_paginator_reads_again_too() {
    let api = changing_behind_links((3..50).collect(), link_header);
    let outcome = read(&api, PaginatorPlan::Undeclared, &["id"]).await;
    assert_eq!(unique(&outcome), (0..50).collect::<Vec<_>>(), "links");
    assert!(outcome.warnings()[0].contains("the API's total fell from 50 to 47"), "{:?}", outcome.warnings());
}

#[tokio::test]
async fn e_83_links_that_end_before_the_total_of_a_header_are_an_error() {
    let api = || {
        FakeApi::start().on("/orders", |request| {
            let page = request.number("page", 1);
            let ids: Vec<u64> = (0..50).collect();
            // The third page has lost its link.
            link_header(rows(&ids, (page - 1) * 10, ""), (page < 3).then_some(page + 1), 50)
        })
    };
    let outcome = read(&api(), header_link(false), &["id"]).await;
    for word in ["page 3, `", "ended after 30 records", "`x-total-count` says 50", "`expect: {total: estimate}`"] {
        assert!(outcome.error().contains(word), "{}", outcome.error());
    }
    assert_eq!(read(&api(), header_link(true), &["id"]).await.ids.len(), 30);
    let whole = FakeApi::start().on("/orders", |_| link_header(rows(&[1, 2], 0, ""), None, 2));
    assert_eq!(read(&whole, header_link(false), &["id"]).await.end().total, Some(2), "that many came: it is proven");
}

/// Rows 0 to 39 by page number, of which the first is gone once page `at` is asked for; `around` writes what tells of them, and the headers.
fn shrinking(
    at: u64,
    tell: impl Fn(Reply, u64, u64) -> Reply + Send + Sync + 'static,
    around: fn(u64, u64) -> String,
) -> FakeApi {
    let changed = AtomicBool::new(false);
    FakeApi::start().on("/orders", move |request| {
        let page = request.number("page", 1);
        if page >= at {
            changed.store(true, Ordering::SeqCst);
        }
        let ids: Vec<u64> = (u64::from(changed.load(Ordering::SeqCst))..40).collect();
        tell(rows(&ids, (page - 1) * 10, &around(page, ids.len() as u64)), page, ids.len() as u64)
    })
}

#[tokio::test]
async fn e_81_a_total_of_records_is_watched_beside_one_of_pages() {
    let laravel = |page: u64, total: u64| format!(r#","current_page":{page},"last_page":{},"total":{total}"#, total.div_ceil(10));
    for at in 2..=4 {
        let api = shrinking(at, |reply, _, _| reply, laravel);
        let stop = crate::config::StopRules { total: crate::config::TotalPath::Required(path("last_page")), ..stop_rules() };
        let outcome = read(&api, page_number(1, stop), &["id"]).await;
        assert_eq!(unique(&outcome), (0..40).collect::<Vec<_>>(), "{at}");
        assert!(outcome.warnings()[0].contains("total fell from 40 to 39"), "{:?}", outcome.warnings());
    }
}

#[tokio::test]
async fn e_81_a_cursor_that_is_a_page_number_counts() {
    let gitlab = |reply: Reply, page: u64, total: u64| {
        let next = if page * 10 < total { (page + 1).to_string() } else { String::new() };
        reply.header("X-Total", &total.to_string()).header("X-Next-Page", &next)
    };
    let paginator = || PaginatorPlan::HeaderCursor {
        cursor_key: "X-Next-Page".to_owned(),
        cursor_param: "page".to_owned(),
        stop: StopRules::default(),
    };
    for at in 2..=4 {
        let api = shrinking(at, gitlab, |_, _| String::new());
        let outcome = read(&api, paginator(), &["id"]).await;
        assert_eq!(unique(&outcome), (0..40).collect::<Vec<_>>(), "{at}");
    }
    let outcome = read(&shrinking(3, gitlab, |_, _| String::new()), paginator(), &[]).await;
    assert!(outcome.error().contains("total fell from 40 to 39"), "{outcome:?}");
}

#[tokio::test]
async fn e_81_rows_removed_while_a_paginator_is_detected_are_an_error() {
    let rails = |page: u64, total: u64| {
        format!(r#","meta":{{"current_page":{page},"total_pages":{},"total_count":{total}}}"#, total.div_ceil(10))
    };
    let outcome = read(&shrinking(2, |reply, _, _| reply, rails), PaginatorPlan::Undeclared, &["id"]).await;
    for word in ["rows may have been skipped", "fell from 40 to 39", "run again"] {
        assert!(outcome.error().contains(word), "{outcome:?}");
    }
    for at in 3..=4 {
        let outcome = read(&shrinking(at, |reply, _, _| reply, rails), PaginatorPlan::Undeclared, &["id"]).await;
        assert_eq!(unique(&outcome), (0..40).collect::<Vec<_>>(), "{at}");
    }
    // A cursor has no place that moves.
    let cursor = |page: u64, total: u64| {
        let next = if page < 4 { format!("\"c{}\"", page + 1) } else { "null".to_owned() };
        format!(r#","total":{total},"next_cursor":{next}"#)
    };
    let changed = AtomicBool::new(false);
    let api = FakeApi::start().on("/orders", move |request| {
        let at = request.param("cursor").map_or(1, |cursor| cursor[1..].parse().unwrap());
        let total = 41 - u64::from(changed.swap(true, Ordering::SeqCst));
        let ids: Vec<u64> = (0..40).collect();
        rows(&ids, (at - 1) * 10, &cursor(at, total))
    });
    let outcome = read(&api, PaginatorPlan::Undeclared, &["id"]).await;
    assert_eq!(unique(&outcome), (0..40).collect::<Vec<_>>());
}

/// 45 rows, and one more at the end that page `early` does not count yet when it is asked for first.
fn growing(early: u64) -> FakeApi {
    let asked = AtomicBool::new(false);
    FakeApi::start().on("/orders", move |request| {
        let page = request.number("page", 1);
        let is_early = page == 1 || page == early && !asked.swap(true, Ordering::SeqCst);
        let total: usize = if is_early { 45 } else { 46 };
        let ids: Vec<u64> = (0..total as u64).collect();
        rows(&ids, (page - 1) * 10, "").header("X-Total-Count", &total.to_string())
    })
}

#[tokio::test]
async fn e_81_a_total_that_rises_while_pages_are_under_way_does_not_fall() {
    for key in [&[][..], &["id"]] {
        for early in [3, 4] {
            let together = |case: &mut Case| {
                case.client.concurrency = 4;
                case.resource.primary_key = key.iter().map(|&column| column.to_owned()).collect();
            };
            let outcome = Case::new(&growing(early), page_number(1, stop_rules())).with(together).read().await;
            assert_eq!(unique(&outcome), (0..46).collect::<Vec<_>>(), "{early} {key:?}");
            assert!(outcome.warnings().is_empty(), "{:?}", outcome.warnings());
        }
    }
    // Page after page, the same is a fall.
    let outcome = read(&growing(3), page_number(1, stop_rules()), &[]).await;
    assert!(outcome.error().contains("total fell from 46 to 45"), "{outcome:?}");
}

#[tokio::test]
async fn e_81_rows_removed_while_pages_are_under_way_are_not_skipped_over() {
    for removed in [1, 3, 9] {
        let together = |case: &mut Case| {
            case.client.concurrency = 4;
            case.resource.primary_key = vec!["id".to_owned()];
        };
        let api = changing(0..90, (removed..90).collect());
        let outcome = Case::new(&api, offset(10, stop_rules())).with(together).read().await;
        assert_eq!(unique(&outcome), (0..90).collect::<Vec<_>>(), "{removed} removed");
        let outcome = read(&changing(0..90, (removed..90).collect()), offset(10, stop_rules()), &[]).await;
        assert!(outcome.error().contains("fell from 90"), "{outcome:?}");
    }
}

/// Rows `before` up to place 20, and `after` from there on, but for the page at place 30, which is answered first, and so with `before`. The total is
/// that of the rows, or `told`.
fn growing_while_under_way(before: &[u64], after: &[u64], told: Option<usize>) -> FakeApi {
    let (asked, before, after) = (AtomicBool::new(false), before.to_vec(), after.to_vec());
    FakeApi::start().on("/orders", move |request| {
        let start = request.number("offset", 0);
        let is_before = start < 20 || start == 30 && !asked.swap(true, Ordering::SeqCst);
        let ids = if is_before { &before } else { &after };
        rows(ids, start, &format!(r#","total":{}"#, told.unwrap_or(ids.len())))
    })
}

#[tokio::test]
async fn e_81_rows_added_while_pages_are_under_way_hide_none_behind_them() {
    let before: Vec<u64> = (0..200).collect();
    let in_front: Vec<u64> = (900..903).chain(0..200).collect();
    let within: Vec<u64> = (0..25).chain([900]).chain(25..200).collect();
    for (after, told, new) in [(&in_front, None, vec![]), (&in_front, Some(203), vec![]), (&within, None, vec![900])] {
        let together = |case: &mut Case| {
            case.client.concurrency = 8;
            case.resource.primary_key = vec!["id".to_owned()];
        };
        let api = growing_while_under_way(&before, after, told);
        let outcome = Case::new(&api, offset(10, stop_rules())).with(together).read().await;
        if told.is_some() {
            // The API counted them from the start, and they never came.
            assert!(outcome.error().contains("only 200 of them are different"), "{}", outcome.error());
        } else {
            assert_eq!(unique(&outcome), (0..200).chain(new).collect::<Vec<_>>());
        }
        let (requests, rounds) = (api.requests().len(), if told.is_some() { 5 } else { 3 });
        assert!(requests <= 21 + rounds * 8, "{requests}");
    }
}

/// Rows `before`, which become `after` once the page at `place` is asked for. The total stays.
fn rearranged(before: Vec<u64>, after: Vec<u64>, place: u64) -> FakeApi {
    assert_eq!(before.len(), after.len());
    let changed = AtomicBool::new(false);
    FakeApi::start().on("/orders", move |request| {
        let start = request.number("offset", 0);
        if start >= place {
            changed.store(true, Ordering::SeqCst);
        }
        let ids = if changed.load(Ordering::SeqCst) { &after } else { &before };
        rows(ids, start, &format!(r#","total":{}"#, ids.len()))
    })
}

#[tokio::test]
async fn e_81_rows_that_change_places_over_a_border_are_all_read() {
    let all: Vec<u64> = (0..100).collect();
    let swapped = |one: usize, other: usize| {
        let mut rows = all.clone();
        rows.swap(one, other);
        rows
    };
    for (after, place) in [(swapped(19, 20), 20), (swapped(19, 23), 20), (swapped(89, 90), 90), (swapped(49, 50), 50)] {
        let outcome = read(&rearranged(all.clone(), after, place), offset(10, stop_rules()), &["id"]).await;
        assert_eq!(unique(&outcome), all, "{place}");
        assert!(outcome.warnings()[0].contains("reading the page before page"), "{:?}", outcome.warnings());
    }
}

#[tokio::test]
async fn e_81_a_row_that_moves_to_the_front_meanwhile_is_read_or_an_error() {
    let all: Vec<u64> = (0..100).collect();
    let moved: Vec<u64> = [99].into_iter().chain(0..99).collect();
    // As far back as pages are read again, up to the first one.
    for place in [10, 20, 30] {
        let api = rearranged(all.clone(), moved.clone(), place);
        let outcome = read(&api, offset(10, stop_rules()), &["id"]).await;
        assert_eq!(unique(&outcome), all, "{place}");
        assert!(api.requests().len() <= 10 + 1 + 2 * 3 + 1, "{}", api.requests().len());
    }
    for place in [50, 90] {
        let outcome = read(&rearranged(all.clone(), moved.clone(), place), offset(10, stop_rules()), &["id"]).await;
        for word in ["rows may have been skipped", "1 records came again at the border", "still 100", "sort the API's answer"] {
            assert!(outcome.error().contains(word), "{place}: {}", outcome.error());
        }
    }
    // What the config accepts is no error.
    let stop = crate::config::StopRules { allow_drift: true, ..stop_rules() };
    let outcome = read(&rearranged(all, moved, 50), offset(10, stop), &["id"]).await;
    assert_eq!(unique(&outcome), (0..99).collect::<Vec<_>>());
}

#[tokio::test]
async fn e_81_copies_that_the_api_counts_may_stand_for_rows_that_never_came() {
    let check = async |ids: Vec<u64>, key: &[&str], distinct: Option<usize>| {
        let requests = ids.len() as u64 / 10 + 1;
        let total = ids.len();
        let api = FakeApi::start()
            .on("/orders", move |request| rows(&ids, request.number("offset", 0), &format!(r#","total":{total}"#)));
        let outcome = read(&api, offset(10, stop_rules()), key).await;
        match distinct {
            Some(distinct) => {
                let told = format!("{total} records came, and the API counts {total}, but only {distinct} of them are different");
                assert!(outcome.error().contains(&told), "{}", outcome.error());
                assert!(outcome.error().contains("write `expect: {total: estimate}`"), "{}", outcome.error());
            }
            None => assert!(outcome.result.is_ok(), "{}", outcome.error()),
        }
        api.requests().len() as u64 - requests
    };
    let with = |at: usize, id: u64| {
        let mut ids: Vec<u64> = (0..95).collect();
        ids[at] = id;
        ids
    };
    // At a border, where the pages are read again first: two requests more.
    assert_eq!(check(with(20, 19), &["id"], Some(94)).await, 2);
    // Far away, as where the order has ties.
    assert_eq!(check(with(70, 3), &["id"], Some(94)).await, 0);
    // The API repeats records within a page, and counts them.
    let mut twins = with(15, 14);
    twins[70] = 3;
    check(twins, &["id"], None).await;
    // Rows without a key may well be the same.
    check(with(70, 3), &[], None).await;
    // A last page that begins earlier has copies, and all rows.
    let last = FakeApi::start().on("/orders", |request| {
        let ids: Vec<u64> = (0..95).collect();
        rows(&ids, request.number("offset", 0).min(85), r#","total":95"#)
    });
    let outcome = read(&last, offset(10, without_total()), &["id"]).await;
    assert!(outcome.result.is_ok() || !outcome.error().contains("different"), "{}", outcome.error());
}
