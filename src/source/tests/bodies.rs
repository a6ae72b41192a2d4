//! Bodies that are cut, damaged, packed, empty or no JSON.

use std::io::Write;

use super::fake_api::{FakeApi, Reply, gzip, ids};
use super::harness::*;
use crate::base::ErrorKind;
use crate::config::PaginatorPlan;

/// Serves `bad` `times` times, then the right page.
async fn check(bad: Reply, times: usize, requests: u64) {
    let api = (0..times).fold(FakeApi::start().page("/orders", ids(0..300)), |api, _| api.then("/orders", bad.clone()));
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert_eq!(outcome.ids.len(), 300, "{bad:?}: {outcome:?}");
    assert_eq!(outcome.end().requests, requests, "{bad:?}");
}

async fn check_error(bad: Reply, kind: ErrorKind, requests: usize, message: &str) {
    let api = FakeApi::start().on("/orders", move |_| bad.clone());
    let case = Case::new(&api, PaginatorPlan::SinglePage).with(|case| case.bounds.body_bytes_max = 1 << 16);
    let outcome = case.read().await;
    let text = outcome.error().replace(&api.url(), "http://api");
    assert!(text.starts_with(&format!("`orders`, page 1, `http://api/orders`: {message}")), "{text}\n{message}");
    assert_eq!(outcome.result.unwrap_err().kind(), kind);
    assert_eq!(api.requests().len(), requests, "{text}");
    assert_eq!(outcome.ids, [0u64; 0]);
}

fn page() -> Reply {
    Reply::json(ids(0..300))
}

#[tokio::test]
async fn e_23_a_reset_in_the_middle_is_tried_again() {
    check(page().reset_at(1000), 3, 4).await;
    check(Reply::reset(), 3, 4).await;
    check_error(page().reset_at(1000), ErrorKind::Unavailable, 4, "the answer broke off after").await;
}

#[tokio::test]
async fn e_24_a_short_body_is_never_taken_for_whole() {
    check(page().cut_at(1000), 1, 2).await;
    check(page().told_length(100_000), 1, 2).await;
    check(page().chunked().cut_at(1000), 1, 2).await;
    check(page().chunked().drip(700, std::time::Duration::ZERO), 1, 1).await;
    check_error(page().told_length(50_000), ErrorKind::Unavailable, 4, "the answer broke off after").await;
}

#[tokio::test]
async fn e_25_a_body_without_length_is_for_the_decoder_to_judge() {
    check(page().without_length(), 1, 1).await;
    let api = FakeApi::start().then("/orders", page().without_length().cut_at(1000));
    let outcome = Case::new(&api, PaginatorPlan::SinglePage).read().await;
    assert_eq!(outcome.error(), "`orders`, page 1: nobody decodes the pages any more");
}

#[tokio::test]
async fn e_26_gzip_is_known_by_its_bytes() {
    let packed = gzip(ids(0..300).as_bytes());
    check(page().gzip(), 1, 1).await;
    check(page().header("content-encoding", "gzip"), 1, 1).await;
    check(page().body(packed.clone()), 1, 1).await;
    check(page().body(gzip(&packed)).header("content-encoding", "gzip"), 1, 1).await;
    let text = ids(0..300);
    let (left, right) = text.split_at(500);
    let members = [gzip(left.as_bytes()), gzip(right.as_bytes())].concat();
    check(page().body(members).header("content-encoding", "gzip"), 1, 1).await;
}

/// `{"items":[…]}`-like pages in brotli, made once with the reference encoder: three records.
fn brotli() -> Vec<u8> {
    include_bytes!("../../../tests/fixtures/ids.json.br").to_vec()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn e_26_zstd_and_brotli_are_asked_for_and_undone() {
    let packed = zstd(ids(0..300).as_bytes());
    check(page().body(packed.clone()).header("content-encoding", "zstd"), 1, 1).await;
    check(page().body(packed.clone()), 1, 1).await;
    check(page().body(gzip(&packed)).header("content-encoding", "zstd, gzip"), 1, 1).await;
    check(page().body(brotli()).header("content-encoding", "br"), 1, 1).await;
    check(page().body(gzip(&brotli())).header("content-encoding", "br, gzip"), 1, 1).await;
    check(page().header("content-encoding", "br"), 1, 1).await;
    let mut wrong_sum = packed.clone();
    *wrong_sum.last_mut().unwrap() ^= 1;
    for (damaged, name, packing) in [
        (packed[..packed.len() / 2].to_vec(), "zstd", "zstd"),
        (packed[..packed.len() - 2].to_vec(), "zstd", "zstd"),
        (wrong_sum, "zstd", "zstd"),
        (brotli()[..40].to_vec(), "br", "brotli"),
        (brotli()[..brotli().len() - 1].to_vec(), "br", "brotli"),
    ] {
        let bad = page().body(damaged).header("content-encoding", name);
        check(bad.clone(), 3, 4).await;
        check_error(bad, ErrorKind::Data, 4, &format!("the body is damaged {packing} (attempt 4, the last): ")).await;
    }
    let bomb = page().body(zstd(&vec![b' '; 200_000])).header("content-encoding", "zstd");
    check_error(bomb, ErrorKind::Data, 1, "the body is larger than 65536 bytes").await;
}

#[tokio::test]
async fn e_26_damaged_gzip_is_tried_again_then_refused() {
    let packed = gzip(ids(0..300).as_bytes());
    let mut wrong_sum = packed.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    for damaged in [packed[..packed.len() / 2].to_vec(), packed[..packed.len() - 3].to_vec(), wrong_sum] {
        let bad = page().body(damaged).header("content-encoding", "gzip");
        check(bad.clone(), 3, 4).await;
        check_error(bad, ErrorKind::Data, 4, "the body is damaged gzip (attempt 4, the last): ").await;
    }
}

#[tokio::test]
async fn e_26_a_bomb_does_not_go_off() {
    let bomb = page().body(gzip(&vec![b' '; 200_000])).header("content-encoding", "gzip");
    check_error(bomb, ErrorKind::Data, 1, "the body is larger than 65536 bytes").await;
    check_error(page().body(vec![b' '; 100_000]), ErrorKind::Data, 1, "the body is larger than 65536 bytes").await;
    let unannounced = page().body(vec![b' '; 100_000]).without_length();
    check_error(unannounced, ErrorKind::Data, 1, "the body is larger than 65536 bytes").await;
}

#[tokio::test]
async fn e_26_a_body_packed_beyond_what_records_can_be_is_refused_before_it_fills_the_disk() {
    let pack = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let bomb = pack(&vec![b' '; 4 << 20]);
    let records = pack(ids(0..100_000).as_bytes());
    let read = async |body: Vec<u8>, bomb_bytes_min: u64| {
        let api = FakeApi::start().on("/orders", move |_| Reply::json(body.clone()));
        let case = Case::new(&api, PaginatorPlan::SinglePage).with(|case| case.bounds.bomb_bytes_min = bomb_bytes_min);
        (case.read().await, api.requests().len())
    };
    let bytes = bomb.len();
    let (outcome, requests) = read(bomb, 1 << 20).await;
    let expected = format!("the body's {bytes} bytes unpack to more than 500 times as many, which records never do");
    assert!(outcome.error().ends_with(&expected), "{}", outcome.error());
    assert_eq!((outcome.result.unwrap_err().kind(), requests), (ErrorKind::Data, 1));
    // What is small may be packed as tightly as it likes, and records are not packed so tightly.
    assert!(!read(pack(&vec![b' '; 1 << 19]), 1 << 20).await.0.error().contains("unpack"));
    assert_eq!(read(records, 1 << 10).await.0.ids.len(), 100_000);
}

#[tokio::test]
async fn e_26_an_encoding_nobody_asked_for_is_named() {
    let odd = Reply::json("\u{1}\u{2}").header("content-encoding", "compress");
    check_error(odd, ErrorKind::Data, 1, "the body is encoded as `compress`, but only gzip, zstd and brotli were asked for")
        .await;
    check(page().header("content-encoding", "utf-8"), 1, 1).await;
}

#[tokio::test]
async fn e_41_a_page_for_people_is_tried_again_once_then_shown() {
    check(Reply::html(), 1, 2).await;
    let portal = Reply::html().header("server", "HotelGate/2").header("via", "1.1 proxy");
    let message = "answered with HTML instead of JSON (from server `HotelGate/2`, via `1.1 proxy`), saying `<!doctype html>";
    check_error(portal, ErrorKind::Data, 2, message).await;
    check_error(Reply::json("<?xml version='1.0'?><a/>"), ErrorKind::Data, 2, "answered with XML instead of JSON, saying").await;
    check(page().header("content-type", "text/html"), 1, 1).await;
}

#[tokio::test]
async fn e_41_an_empty_body_is_no_page() {
    check(Reply::json(""), 1, 2).await;
    check_error(Reply::json(" \n"), ErrorKind::Data, 2, "answered 200 with an empty body instead of JSON").await;
    check_error(Reply::status(204), ErrorKind::Data, 1, "answered 204 with an empty body instead of JSON").await;
}

#[tokio::test]
async fn e_47_a_byte_order_mark_is_dropped() {
    check(page().body([b"\xEF\xBB\xBF", ids(0..300).as_bytes()].concat()), 1, 1).await;
}

#[tokio::test]
async fn e_31_a_captive_portal_is_named() {
    let portal = Reply::html().header("server", "HotelGate/2");
    let message = "answered with HTML instead of JSON (from server `HotelGate/2`), saying `<!doctype html>";
    check_error(portal, ErrorKind::Data, 2, message).await;
}

/// Serves `reply` to a source with little memory: whether its one page is in a file, and how the resource ended.
async fn in_little_memory(reply: Reply, body_in_memory_max: u64) -> (bool, Outcome) {
    let api = FakeApi::start().on("/orders", move |_| reply.clone());
    let case = Case::new(&api, PaginatorPlan::SinglePage).with(|case| {
        (case.bounds.body_in_memory_max, case.bounds.body_bytes_max) = (body_in_memory_max, 1 << 16);
    });
    let outcome = case.read().await;
    (outcome.spooled, outcome)
}

#[tokio::test]
async fn a_body_too_large_for_memory_comes_in_a_file_whatever_it_is_packed_in() {
    let packed = gzip(ids(0..300).as_bytes());
    let in_file = packed.len() as u64 - 1;
    for (reply, memory, expected) in [
        (page(), 1000, true),
        (page().without_length(), 1000, true),
        (page().chunked().drip(700, std::time::Duration::ZERO), 1000, true),
        (page().body([b"\xEF\xBB\xBF", ids(0..300).as_bytes()].concat()), 1000, true),
        // Packed, it has room.
        (page().gzip(), packed.len() as u64 + 100, true),
        (page().gzip(), in_file, true),
        (page().body(gzip(&packed)).header("content-encoding", "gzip"), in_file, true),
        (page(), 1 << 20, false),
    ] {
        let (spooled, outcome) = in_little_memory(reply.clone(), memory).await;
        assert_eq!(outcome.ids.len(), 300, "{reply:?}: {outcome:?}");
        assert!(outcome.end().bytes >= ids(0..300).len() as u64);
        assert_eq!(spooled, expected, "{reply:?}");
    }
}

#[tokio::test]
async fn a_body_in_a_file_is_checked_as_one_in_memory_is() {
    let failing = async |reply: Reply, message: &str| {
        let (_, outcome) = in_little_memory(reply, 100).await;
        assert!(outcome.error().contains(message), "{}", outcome.error());
        assert_eq!(outcome.ids, [0u64; 0]);
    };
    let packed = gzip(ids(0..300).as_bytes());
    let mut wrong_sum = packed.clone();
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    failing(page().cut_at(1000), "the answer broke off after").await;
    failing(page().body(packed[..packed.len() - 3].to_vec()).header("content-encoding", "gzip"), "the body is damaged gzip")
        .await;
    failing(page().body(wrong_sum).header("content-encoding", "gzip"), "the body is damaged gzip").await;
    failing(page().body(gzip(&vec![b' '; 200_000])), "the body is larger than 65536 bytes").await;
    failing(page().body(vec![b' '; 100_000]).without_length(), "the body is larger than 65536 bytes").await;
    failing(Reply::html().body(format!("<!doctype html>{}", " ".repeat(1000))), "answered with HTML instead of JSON").await;
}

#[tokio::test]
async fn rules_look_into_a_body_in_a_file_as_far_as_memory_allows() {
    use crate::config::{Conditions, Rule, RuleAction};
    let read = async |whole_max: u64| {
        let api = FakeApi::start().on("/orders", |_| page());
        let when = Conditions { content: Some("{\"id\":299}".to_owned()), ..Conditions::default() };
        let action = RuleAction::Fail { message: None };
        let rule = Rule { when, action, key: "client.fail_when[0]".to_owned() };
        let case = Case::new(&api, PaginatorPlan::SinglePage).with(|case| {
            (case.bounds.body_in_memory_max, case.bounds.body_whole_max) = (1000, whole_max);
            case.client.rules.push(rule);
        });
        case.read().await.error().replace(&api.url(), "http://api")
    };
    assert!(read(1 << 16).await.contains("client.fail_when[0]"));
    let bytes = ids(0..300).len();
    let expected =
        format!("the body has {bytes} bytes; rules that look into bodies, and `endpoint.graphql`, can with at most 2000");
    assert!(read(2000).await.contains(&expected));
}
