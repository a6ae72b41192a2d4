//! Pages in order, ends with a reason, and APIs that page badly.

use super::fake_api::{FakeApi, Reply, Request, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::{ExpectTotal, Method, PaginatorPlan, Slot, StopRules, TotalPath};
use crate::source::EndReason;

fn page(ids: String, more: &str) -> String {
    format!(r#"{{"data":{ids}{more}}}"#)
}

/// Reads `rows` records to an end for `reason`; gives the requests.
async fn check(api: FakeApi, paginator: PaginatorPlan, rows: u64, reason: EndReason) -> Vec<Request> {
    let outcome = Case::new(&api, paginator).read().await;
    assert_eq!(outcome.end().reason, reason);
    assert_eq!(outcome.ids, (0..rows).collect::<Vec<_>>());
    assert_eq!(outcome.end().records, rows);
    api.requests()
}

async fn check_error(api: FakeApi, paginator: PaginatorPlan, message: &str) {
    let outcome = Case::new(&api, paginator).read().await;
    assert!(outcome.error().contains(message), "{}\n{message}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
}

fn offsets(requests: &[Request]) -> Vec<u64> {
    let mut offsets: Vec<u64> = requests.iter().map(|request| request.number("offset", 0)).collect();
    offsets.sort_unstable();
    offsets
}

fn without_totals(count: u64, size_max: u64) -> FakeApi {
    FakeApi::start().on("/orders", move |request| {
        let start = request.number("offset", 0).min(count);
        let end = (start + request.number("limit", 0).min(size_max)).min(count);
        Reply::json(page(ids(start..end), ""))
    })
}

#[tokio::test]
async fn offset_pages_come_in_order_and_none_is_asked_for_past_the_total() {
    let requests =
        check(FakeApi::start().rows("/orders", 1005, 50), offset(50, stop_rules()), 1005, EndReason::TotalReached).await;
    assert_eq!(offsets(&requests), (0..21).map(|page| page * 50).collect::<Vec<_>>());
    let requests = check(FakeApi::start().rows("/orders", 0, 50), offset(50, stop_rules()), 0, EndReason::EmptyPage).await;
    assert_eq!(requests.len(), 1);
    let requests = check(FakeApi::start().rows("/orders", 7, 50), offset(50, stop_rules()), 7, EndReason::TotalReached).await;
    assert_eq!(requests[0].raw_query, "offset=0&limit=50&x-key=sesame%2F1");
}

#[tokio::test]
async fn offset_without_total_ends_at_an_empty_page() {
    check(without_totals(230, 50), offset(50, stop_rules()), 230, EndReason::EmptyPage).await;
    check(without_totals(200, 50), offset(50, without_total()), 200, EndReason::EmptyPage).await;
    check(without_totals(10, 50), offset(50, without_total()), 10, EndReason::EmptyPage).await;
}

#[tokio::test]
async fn the_maximum_is_exclusive_as_in_dlt() {
    let stop = StopRules { maximum: Some(200), ..without_total() };
    let requests = check(without_totals(1000, 50), offset(50, stop), 200, EndReason::MaximumReached).await;
    assert_eq!(offsets(&requests), [0, 50, 100, 150]);
    let numbered = FakeApi::start().on("/orders", |request| {
        let number = request.number("page", 0);
        Reply::json(page(ids((number - 1) * 10..number * 10), ""))
    });
    let stop = StopRules { maximum: Some(3), ..without_total() };
    check(numbered, page_number(1, stop), 20, EndReason::MaximumReached).await;
}

#[tokio::test]
async fn has_more_ends_a_resource_and_must_be_there() {
    let rules = || StopRules { has_more_path: Some(path("more")), ..without_total() };
    let api = FakeApi::start().on("/orders", |request| {
        let start = request.number("offset", 0).min(35);
        Reply::json(page(ids(start..(start + 10).min(35)), &format!(r#","more":"{}""#, start + 10 < 35)))
    });
    check(api, offset(10, rules()), 35, EndReason::HasMoreFalse).await;
    check_error(without_totals(35, 10), offset(10, rules()), "`$.more` should be true or false, but is missing or null").await;
}

#[tokio::test]
async fn positions_go_into_the_body_where_the_config_says_so() {
    let api = FakeApi::start().on("/orders", |request| {
        let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
        let start = body["paging"]["offset"].as_u64().unwrap();
        assert_eq!(body["q"], "x");
        Reply::json(page(ids(start.min(25)..(start + 10).min(25)), r#","total":25"#))
    });
    let slot = |name: &str| Slot::Body(vec!["paging".to_owned(), name.to_owned()]);
    let paginator = PaginatorPlan::Offset {
        limit: 10,
        offset: 0,
        offset_slot: slot("offset"),
        limit_slot: slot("limit"),
        stop: stop_rules(),
    };
    let post = |case: &mut Case| {
        case.resource.endpoint.method = Method::Post;
        case.request.json = Some(serde_json::json!({"q": "x"}));
    };
    let outcome = Case::new(&api, paginator).with(post).read().await;
    assert_eq!(outcome.ids.len(), 25, "{outcome:?}");
    assert_eq!(api.requests()[0].body, r#"{"q":"x","paging":{"offset":0,"limit":10}}"#);
}

#[tokio::test]
async fn page_numbers_count_to_the_total_of_pages() {
    let api = |base: u64, total: &'static str| {
        FakeApi::start().on("/orders", move |request| {
            let at = request.number("page", 99) - base;
            Reply::json(page(ids((at * 10).min(45)..(at * 10 + 10).min(45)), total))
        })
    };
    let requests = check(api(1, r#","total":5"#), page_number(1, stop_rules()), 45, EndReason::TotalReached).await;
    assert_eq!(requests.len(), 5);
    check(api(0, r#","total":"5""#), page_number(0, stop_rules()), 45, EndReason::TotalReached).await;
    check(api(1, ""), page_number(1, stop_rules()), 45, EndReason::EmptyPage).await;
    // A `total` that nobody declared may count records.
    check(api(1, r#","total":45"#), page_number(1, stop_rules()), 45, EndReason::EmptyPage).await;
    let declared = || StopRules { total: TotalPath::Required(path("total")), ..stop_rules() };
    check_error(
        api(1, r#","total":44"#),
        page_number(1, declared()),
        "ended after 5 pages, but the API's total is 44 (at `$.total`)",
    )
    .await;
    check_error(api(1, ""), page_number(1, declared()), "`$.total` should be a whole number, but is missing or null").await;
}

#[tokio::test]
async fn a_total_of_pages_that_no_counter_holds_is_not_reached() {
    let api = FakeApi::start().on("/orders", |request| {
        let end = request.number("page", 1).min(3) * 10;
        Reply::json(page(ids((end - 10).min(20)..end.min(20)), &format!(r#","total":{}"#, u64::MAX)))
    });
    check_error(api, page_number(1, stop_rules()), &format!("the API's total is {}", u64::MAX)).await;
}

#[tokio::test]
async fn cursors_are_followed_to_their_end() {
    for last in ["", r#","next":null"#, r#","next":"""#, r#","next":0"#, r#","next":false"#] {
        let api = FakeApi::start().on("/orders", move |request| match request.param("cursor") {
            None => Reply::json(page(ids(0..3), r#","next":"a/b+c""#)),
            Some("a/b+c") => Reply::json(page(ids(3..6), r#","next":17"#)),
            Some("17") => Reply::json(page(ids(6..9), last)),
            Some(_) => Reply::status(400),
        });
        let requests = check(api, cursor(), 9, EndReason::NoNext).await;
        assert_eq!(requests[1].raw_query, "cursor=a%2Fb%2Bc&x-key=sesame%2F1");
    }
}

#[tokio::test]
async fn header_cursors_and_links_are_followed() {
    let api = FakeApi::start().on("/orders", |request| match request.param("cursor") {
        None => Reply::json(page(ids(0..3), "")).header("X-Next", "two"),
        Some(_) => Reply::json(page(ids(3..6), "")),
    });
    let plan = PaginatorPlan::HeaderCursor {
        cursor_key: "x-next".to_owned(),
        cursor_param: "cursor".to_owned(),
        stop: StopRules::default(),
    };
    check(api, plan, 6, EndReason::NoNext).await;

    let api = FakeApi::start().on("/orders", |request| match request.param("page") {
        None => Reply::json(page(ids(0..3), "")).header("link", r#"</orders?page=2>; rel="next", </orders?page=9>; rel="last""#),
        Some(_) => Reply::json(page(ids(3..6), "")).header("link", r#"</orders>; rel="first""#),
    });
    check(api, PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), stop: StopRules::default() }, 6, EndReason::NoNext)
        .await;
}

#[tokio::test]
async fn e_75_a_repeated_cursor_or_link_is_an_error() {
    let n = std::sync::atomic::AtomicU64::new(0);
    let api = FakeApi::start().on("/orders", move |_| {
        let n = n.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::json(page(ids(n * 3..n * 3 + 3), &format!(r#","next":"{}""#, ["a", "b"][n as usize % 2])))
    });
    check_error(api, cursor(), "page 3, `").await;
    let to =
        |number: u64, next: u64| Reply::json(page(ids(number * 3..number * 3 + 3), &format!(r#","next":"/orders?page={next}""#)));
    let circle = |last: u64| {
        FakeApi::start().on("/orders", move |request| match request.number("page", 1) {
            1 => to(1, 2),
            2 => to(2, 3),
            _ => to(3, last),
        })
    };
    check_error(circle(2), json_link(), "gives the next link of page 1 again: going on would never end").await;
    check_error(circle(3), json_link(), "gives the next link of page 2 again").await;
    check_error(circle(1), json_link(), "has the records of page 1 again").await;
}

#[tokio::test]
async fn e_76_the_same_records_under_new_cursors_are_an_error() {
    let n = std::sync::atomic::AtomicU64::new(0);
    let api = FakeApi::start().on("/orders", move |_| {
        let n = n.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::json(page(ids(0..3), &format!(r#","next":"{n}x""#)))
    });
    check_error(api, cursor(), "page 2, `").await;
}

#[tokio::test]
async fn e_77_a_few_empty_pages_in_the_middle_are_passed() {
    let api = |empty: u64| {
        FakeApi::start().on("/orders", move |request| match request.number("cursor", 1) {
            1 => Reply::json(page(ids(0..3), r#","next":2"#)),
            n if n < 2 + empty => Reply::json(page("[]".to_owned(), &format!(r#","next":{}"#, n + 1))),
            _ => Reply::json(page(ids(3..6), "")),
        })
    };
    check(api(5), cursor(), 6, EndReason::NoNext).await;
    check_error(api(6), cursor(), "6 pages in a row have no records").await;
}

#[tokio::test]
async fn e_78_a_short_page_in_the_middle_is_no_end_and_loses_nothing() {
    let api = FakeApi::start().on("/orders", |request| {
        let start = request.number("offset", 0).min(100);
        let size = if start == 30 { 4 } else { 10 };
        Reply::json(page(ids(start..(start + size).min(100)), ""))
    });
    check(api, offset(10, without_total()), 100, EndReason::EmptyPage).await;
}

#[tokio::test]
async fn e_79_a_capped_page_size_loses_nothing_and_is_told() {
    let outcome = Case::new(&without_totals(95, 10), offset(50, without_total())).read().await;
    assert_eq!(outcome.ids, (0..95).collect::<Vec<_>>());
    assert_eq!(outcome.warnings(), ["asked for 50 records a page and gets 10: offsets move on by what comes"]);
    check(FakeApi::start().rows("/orders", 95, 10), offset(50, stop_rules()), 95, EndReason::TotalReached).await;
}

#[tokio::test]
async fn pages_fetched_ahead_in_vain_are_discarded() {
    // The page size falls from 10 to 7 after the first page.
    let api = FakeApi::start().on("/orders", |request| {
        let start = request.number("offset", 0).min(200);
        let size = if start == 0 { 10 } else { 7 };
        Reply::json(page(ids(start..(start + size).min(200)), r#","total":200"#))
    });
    let outcome = Case::new(&api, offset(10, stop_rules())).read().await;
    assert_eq!(outcome.ids, (0..200).collect::<Vec<_>>());
    assert_eq!(outcome.end().reason, EndReason::TotalReached);
}

#[tokio::test]
async fn e_80_a_refusal_behind_the_end_does_not_count_and_one_before_it_does() {
    let api = |refuses_from: u64| {
        FakeApi::start().on("/orders", move |request| match request.number("offset", 0) {
            start if start >= refuses_from => Reply::status(400),
            start => Reply::json(page(ids(start..(start + 10).min(100)), r#","total":100"#)),
        })
    };
    check(api(100), offset(10, stop_rules()), 100, EndReason::TotalReached).await;
    let outcome = Case::new(&api(50), offset(10, stop_rules())).read().await;
    assert!(outcome.error().starts_with("`orders`, page 6, `"), "{}", outcome.error());
    assert_eq!(outcome.ids, (0..50).collect::<Vec<_>>());

    let ends_at_30 = FakeApi::start().on("/orders", |request| match request.number("offset", 0) {
        start if start > 30 => Reply::status(404),
        start => Reply::json(page(ids(start..(start + 10).min(30).max(start)), "")),
    });
    check(ends_at_30, offset(10, without_total()), 30, EndReason::EmptyPage).await;
}

#[tokio::test]
async fn e_83_a_total_that_is_not_reached_is_an_error() {
    let api = || {
        FakeApi::start().on("/orders", |request| {
            let start = request.number("offset", 0).min(95);
            Reply::json(page(ids(start..(start + 10).min(95)), r#","total":120"#))
        })
    };
    let message = "the resource ended after 95 records, but the API's total is 120 (at `$.total`; set `total_path: null` if that is something else)";
    check_error(api(), offset(10, stop_rules()), message).await;
    check(api(), offset(10, without_total()), 95, EndReason::EmptyPage).await;
}

#[tokio::test]
async fn e_83_a_total_that_counts_the_page_is_not_believed() {
    let api = FakeApi::start().on("/orders", |request| {
        let start = request.number("offset", 0).min(95);
        let end = (start + 10).min(95);
        Reply::json(page(ids(start..end), &format!(r#","total":{}"#, end - start)))
    });
    check(api, offset(10, stop_rules()), 95, EndReason::EmptyPage).await;
    check(FakeApi::start().rows("/orders", 10, 10), offset(10, stop_rules()), 10, EndReason::EmptyPage).await;
}

#[tokio::test]
async fn e_83_the_expected_total_is_compared_with_what_was_read() {
    for (total, message) in [
        (r#","meta":{"count":9}"#, None),
        (r#","meta":{"count":12}"#, Some("the resource ended after 9 records, but the API's total is 12 (at `$.meta.count`)")),
        ("", Some("no page has a number at `$.meta.count`, which `expect.total` names")),
    ] {
        let api = FakeApi::start().page("/orders", page(ids(0..9), total));
        let case = Case::new(&api, PaginatorPlan::SinglePage);
        let outcome = case.with(|case| case.resource.expect.total = ExpectTotal::At(path("meta.count"))).read().await;
        match message {
            None => assert_eq!(outcome.end().total, Some(9)),
            Some(message) => assert!(outcome.error().ends_with(message), "{}", outcome.error()),
        }
    }
}

#[tokio::test]
async fn e_88_a_last_page_that_comes_again_is_told() {
    let api = FakeApi::start().on("/orders", |request| {
        let number = request.number("page", 1).min(3);
        Reply::json(page(ids(number * 10..number * 10 + 10), ""))
    });
    check_error(api, page_number(1, stop_rules()), "has the records of page 3 again: the API repeats a page").await;
}

#[tokio::test]
async fn an_empty_page_before_a_page_with_records_is_no_end() {
    let api = FakeApi::start().on("/orders", |request| match request.number("page", 1) {
        9 => Reply::json(page("[]".to_owned(), "")),
        number if number < 16 => Reply::json(page(ids(number * 10..number * 10 + 10), "")),
        _ => Reply::json(page("[]".to_owned(), "")),
    });
    check_error(api, page_number(1, stop_rules()), "page 9, `").await;
}

#[tokio::test]
async fn has_more_without_a_cursor_is_an_error() {
    let api = FakeApi::start().page("/orders", page(ids(0..3), r#","more":true,"next":null"#));
    let plan = PaginatorPlan::Cursor {
        cursor_path: path("next"),
        cursor_slot: param("cursor"),
        stop: StopRules { has_more_path: Some(path("more")), ..StopRules::default() },
    };
    check_error(api, plan, "`$.more` says there are more records, but there is no next page").await;
}

#[tokio::test]
async fn e_84_a_cursor_that_expires_is_an_error_and_never_the_end() {
    for status in [400, 410] {
        let api = FakeApi::start()
            .then("/orders", Reply::json(r#"{"data": [{"id": 0}], "next": "b"}"#))
            .then("/orders", Reply::json(r#"{"data": [{"id": 1}], "next": "c"}"#))
            .then("/orders", Reply::status(status).body(r#"{"message": "invalid cursor"}"#));
        let outcome = Case::new(&api, cursor()).read().await;
        let text = outcome.error().replace(&api.url(), "http://api");
        assert!(text.starts_with("`orders`, page 3, `http://api/orders") && text.contains("invalid cursor"), "{text}");
        let error = outcome.result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{error}");
        assert!(error.hint().unwrap().contains("a cursor may have expired"), "{:?}", error.hint());
    }
}

/// Reads one page with this around its records; nothing stands where the paginator looks.
async fn only_page(paginator: PaginatorPlan, around: &str) -> Outcome {
    let body = format!(r#"{{"data":{}{around}}}"#, ids(0..3));
    Case::new(&FakeApi::start().page("/orders", body), paginator).read().await
}

#[tokio::test]
async fn a_misspelt_place_of_the_next_page_is_an_error_where_the_body_tells_of_more() {
    let paginators = || {
        [
            PaginatorPlan::JsonLink { next_url_path: path("nxet"), stop: StopRules::default() },
            PaginatorPlan::Cursor { cursor_path: path("meta.cursor"), cursor_slot: param("cursor"), stop: StopRules::default() },
            PaginatorPlan::HeaderLink { links_next_key: "next".to_owned(), stop: StopRules::default() },
            PaginatorPlan::HeaderCursor {
                cursor_key: "x-next".to_owned(),
                cursor_param: "cursor".to_owned(),
                stop: StopRules::default(),
            },
        ]
    };
    for (around, hint) in [
        (r#","next":"/orders?page=2""#, "`next` is set"),
        (r#","meta":{"next_cursor":"b"}"#, "`meta.next_cursor` is set"),
        (r#","has_more":true"#, "`has_more` is true"),
        (r#","is_last":false"#, "`is_last` is false"),
        (r#","total_pages":4"#, "`total_pages` is 4"),
    ] {
        for paginator in paginators() {
            let outcome = only_page(paginator, around).await;
            let expected = format!("the paginator finds no next page, but {hint}, and it has no ");
            assert!(outcome.error().contains(&expected), "{}", outcome.error());
            assert!(outcome.error().contains("; write `paginator: {type: "), "{}", outcome.error());
            assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Data);
        }
    }
    for paginator in paginators() {
        let outcome = only_page(paginator, r#","page_info":{"totalResults":9}"#).await;
        let expected = "the resource ended after 3 records, but `$.page_info.totalResults` says 9; ";
        assert!(outcome.error().contains(expected), "{}", outcome.error());
        let way_out = "; if that counts something else, write `expect: {total: estimate}`";
        assert!(outcome.error().ends_with(way_out), "{}", outcome.error());
    }
    // What may count something else, or be the page's own, is no proof.
    for around in [r#","total":3,"has_more":false,"next":null"#, r#","paging":{"cursors":{"after":"b"}},"pages":1,"count":3"#] {
        for paginator in paginators() {
            let outcome = only_page(paginator, around).await;
            assert_eq!((outcome.end().reason, outcome.warnings().len()), (EndReason::NoNext, 0), "{around}");
        }
    }
}

#[tokio::test]
async fn a_next_page_that_is_said_to_be_none_is_none_whatever_else_stands_there() {
    let outcome = only_page(json_link(), r#","next":null,"total":3,"total_pages":1"#).await;
    assert_eq!((outcome.end().reason, outcome.warnings().len()), (EndReason::NoNext, 0));
    let outcome = only_page(cursor(), r#","next":"","has_more":true"#).await;
    assert!(outcome.error().contains("the paginator finds no next page, but `has_more` is true"), "{}", outcome.error());
}

/// Requests for `pages` full pages of ten records under a paginator and what stands around them; 31 pages come with a total in a header.
async fn requests(pages: u64, plan: PaginatorPlan, around: fn(u64, u64) -> String) -> (u64, usize) {
    let api = FakeApi::start().on("/orders", move |request| {
        let number =
            request.param("page").map_or_else(|| request.number("offset", 0) / 10, |page| page.parse::<u64>().unwrap() - 1);
        let end = pages * 10;
        let reply = Reply::json(page(ids((number * 10).min(end)..(number * 10 + 10).min(end)), &around(number + 1, pages)));
        if pages == 31 { reply.header("X-Total-Count", &end.to_string()) } else { reply }
    });
    let outcome = Case::new(&api, plan).with(|case| case.client.concurrency = 16).read().await;
    assert_eq!(outcome.ids.len() as u64, pages * 10);
    (outcome.end().requests, api.requests().len())
}

#[tokio::test]
async fn b_71_what_is_asked_for_in_vain_stays_a_small_part_with_every_kind_of_end() {
    let with_more = || StopRules { has_more_path: Some(path("more")), ..without_total() };
    let of_pages = || StopRules { total: TotalPath::Required(path("pages")), ..stop_rules() };
    let nothing: fn(u64, u64) -> String = |_, _| String::new();
    let more: fn(u64, u64) -> String = |number, pages| format!(r#","more":{}"#, number < pages);
    let total: fn(u64, u64) -> String = |_, pages| format!(r#","total":{},"pages":{pages}"#, pages * 10);
    for pages in [3, 30, 31, 300] {
        for (plan, around, in_vain) in [
            (page_number(1, without_total()), nothing, None),
            (offset(10, without_total()), nothing, None),
            (page_number(1, with_more()), more, None),
            (offset(10, with_more()), more, None),
            // A look behind the last page, which is full.
            (page_number(1, of_pages()), total, Some(1)),
            (offset(10, stop_rules()), total, Some(1)),
            // The total that nobody declared counts records, and is no end.
            (page_number(1, stop_rules()), total, Some(1)),
        ] {
            let shown = format!("{pages} pages, {plan:?}");
            let (sent, came) = requests(pages, plan, around).await;
            assert!(sent * 4 <= pages * 5 + 4 && came as u64 <= sent, "{sent} requests for {shown}");
            let most = if pages == 31 && in_vain.is_none() { Some(1) } else { in_vain };
            assert!(most.is_none_or(|most| sent <= pages + most), "{sent} requests for {shown}");
        }
    }
}

#[tokio::test]
async fn b_71_with_one_request_at_a_time_no_page_is_asked_for_before_the_one_before_it_is_judged() {
    let with_more = || StopRules { has_more_path: Some(path("more")), ..without_total() };
    for plan in [page_number(1, with_more()), offset(10, with_more())] {
        let api = FakeApi::start().on("/orders", |request| {
            let number =
                request.param("page").map_or_else(|| request.number("offset", 0) / 10, |page| page.parse::<u64>().unwrap() - 1);
            Reply::json(page(ids(number * 10..number * 10 + 10), &format!(r#","more":{}"#, number < 39)))
        });
        let outcome = Case::new(&api, plan).with(|case| case.client.concurrency = 1).read().await;
        assert_eq!((outcome.end().reason, api.requests().len()), (EndReason::HasMoreFalse, 40));
    }
}
