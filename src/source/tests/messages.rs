//! Every error as it is printed, and what the operator has to do about it.

use std::time::Duration;

use super::harness::path;
use crate::base::{ErrorKind, RedactedUrl};
use crate::source::SourceError;
use crate::source::error::{NamedBy, PagingFault, Place, Repeated};
use crate::source::transport::TransportError;

fn place() -> Place {
    let url = RedactedUrl::new(&"http://api.test/orders?page=2&key=sesame".parse().unwrap());
    Place { resource: "orders".to_owned(), page: 2, url }
}

fn check(error: &SourceError, kind: ErrorKind, message: &str) {
    let message = message.replace('@', "`orders`, page 2, `http://api.test/orders?page=2&key=***`");
    assert_eq!((error.to_string(), error.kind()), (message, kind));
}

fn transport() -> TransportError {
    crate::base::http_client().build().unwrap().get("not a url").build().unwrap_err().into()
}

#[test]
fn unavailable_errors_tell_what_was_tried() {
    use ErrorKind::Unavailable;
    let place = place();
    let error = SourceError::Unavailable { place: place.clone(), status: 503, attempts: 4.into(), preview: "down".to_owned() };
    check(&error, Unavailable, "@: answered 503 at attempt 4, and no attempt is left, saying `down`");
    let seconds = Duration::from_secs;
    let resets = "2026-11-23T00:00:00Z".parse().unwrap();
    let why = "answered 429 and asks".to_owned();
    let error = SourceError::WaitTooLong { place: place.clone(), why, wait: seconds(9000), max_wait: seconds(600), resets };
    check(
        &error,
        Unavailable,
        "@: answered 429 and asks to wait 9000s, more than the 600s of `max_wait`; it resets 2026-11-23 00:00:00 UTC",
    );
    let why = "`api.test` refuses connections".to_owned();
    let no_answer = |lasting| SourceError::NoAnswer {
        place: place.clone(),
        why: why.clone(),
        attempts: 4.into(),
        lasting,
        source: transport(),
    };
    check(&no_answer(false), Unavailable, "@: `api.test` refuses connections (attempt 4, the last)");
    check(&no_answer(true), ErrorKind::Config, "@: `api.test` refuses connections (attempt 4, the last)");
    let (why, preview) = ("`client.throttle_when[0]` takes it for a throttle".to_owned(), "slow down".to_owned());
    let error = SourceError::NoAttemptLeft { place: place.clone(), status: 200, why, attempts: 4.into(), preview };
    let message =
        "@: answered 200, `client.throttle_when[0]` takes it for a throttle, and no attempt is left after 4, saying `slow down`";
    check(&error, Unavailable, message);
    let error = SourceError::Truncated { place, received_bytes: 17, attempts: 4.into(), source: transport() };
    check(&error, Unavailable, "@: the answer broke off after 17 bytes (attempt 4, the last)");
}

#[test]
fn refusals_tell_the_reason_the_server_gave() {
    let (place, preview) = (place(), String::new());
    let error = SourceError::Credentials {
        place: place.clone(),
        status: 401,
        withheld: false,
        preview: "expired".to_owned(),
        key: Some("client.auth.token"),
        sent: None,
    };
    check(&error, ErrorKind::Credentials, "@: credentials refused with 401, saying `expired`");
    let error = SourceError::Credentials {
        place: place.clone(),
        status: 403,
        withheld: true,
        preview: preview.clone(),
        key: None,
        sent: None,
    };
    let message = "@: credentials refused with 403 (this host was given none: list it in `auth.hosts` if it may have them)";
    check(&error, ErrorKind::Credentials, message);
    check(&SourceError::Refused { place, status: 404, preview }, ErrorKind::Data, "@: answered 404");
}

#[test]
fn errors_by_rule_name_the_rule() {
    use ErrorKind::Data;
    let (place, key) = (place(), "endpoint.fail_when[0]".to_owned());
    let (message, preview) = ("the account is closed".to_owned(), "closed".to_owned());
    let error = SourceError::RuleFails { place: place.clone(), status: 200, key: key.clone(), message, preview };
    let message = "@: answered 200, which `endpoint.fail_when[0]` takes for an error: the account is closed, saying `closed`";
    check(&error, Data, message);
    let error = SourceError::ParentSkipped { place: place.clone(), status: 404, key };
    check(&error, Data, "@: answered 404, for which `endpoint.fail_when[0]` skips the parent's record");
    let error = SourceError::GraphQl { place: place.clone(), count: 2, partial: true, preview: "no owner".to_owned() };
    check(&error, Data, "@: answered with 2 GraphQL errors, saying `no owner`");
    assert!(error.hint().unwrap().contains("partial: allow"));
}

#[test]
fn errors_of_bodies_tell_what_came() {
    use ErrorKind::Data;
    let (place, source) = (place(), std::io::Error::other("bad checksum"));
    let error = SourceError::Damaged { place: place.clone(), packing: "gzip", attempts: 4.into(), source };
    check(&error, Data, "@: the body is damaged gzip (attempt 4, the last)");
    let error = SourceError::UnknownEncoding { place: place.clone(), encoding: "compress".to_owned() };
    check(&error, Data, "@: the body is encoded as `compress`, but only gzip, zstd and brotli were asked for");
    let server = "server `x`".to_owned();
    let (found, expected) = ("HTML", "JSON");
    let error = SourceError::Instead { place: place.clone(), found, expected, server, preview: "<html>".to_owned() };
    check(&error, Data, "@: answered with HTML instead of JSON (from server `x`), saying `<html>`");
    let error = SourceError::EmptyBody { place: place.clone(), status: 204 };
    check(&error, Data, "@: answered 204 with an empty body instead of JSON");
    let error = SourceError::BodyTooLarge { place: place.clone(), limit_bytes: 10 };
    check(&error, Data, "@: the body is larger than 10 bytes; ask for fewer records a page");
    let error = SourceError::Bomb { place: place.clone(), packed_bytes: 10, ratio_max: 500 };
    check(&error, Data, "@: the body's 10 bytes unpack to more than 500 times as many, which records never do");
    let error = SourceError::BodyTooLargeForRules { place: place.clone(), bytes: 11, limit_bytes: 10 };
    let message = "@: the body has 11 bytes; rules that look into bodies, and `endpoint.graphql`, can with at most 10: ask for fewer records a page, or do without";
    check(&error, Data, message);
    let error = SourceError::Spool { place, source: std::io::Error::other("no space left") };
    let message = "@: the body is too large for memory, and cannot be kept in a file in the system's temporary folder";
    check(&error, ErrorKind::Unavailable, message);
}

#[test]
fn errors_of_links_tell_where_they_lead() {
    use ErrorKind::Data;
    let (place, to) = (place(), RedactedUrl::new(&"http://evil.test/?token=abc".parse().unwrap()));
    let error = SourceError::RedirectRefused { place: place.clone(), to: to.clone(), why: "it is another host" };
    check(&error, Data, "@: redirected to `http://evil.test/?token=***`, which is refused: it is another host");
    let error = SourceError::LinkRefused { place: place.clone(), to, why: "it is another host" };
    check(&error, Data, "@: the next link leads to `http://evil.test/?token=***`, which is refused: it is another host");
    let error = SourceError::BadLink { place, what: "the next link".to_owned() };
    check(&error, Data, "@: the next link is not a URL");
}

#[test]
fn errors_of_paging_tell_both_pages_and_what_to_write() {
    use ErrorKind::Data;
    let place = place();
    let repeats = |what| SourceError::from(PagingFault::Repeats { place: place.clone(), what, earlier: 1 });
    let advice = "going on would never end; look at the paginator, or, if the page is the last one, name in it what tells so: `has_more_path`, `end_path`, `total_records_path` or `total_pages_path`";
    check(&repeats(Repeated::Cursor), Data, &format!("@: gives the cursor of page 1 again: {advice}"));
    check(&repeats(Repeated::Link), Data, &format!("@: gives the next link of page 1 again: {advice}"));
    let advice = "the API repeats a page, so it may not know the paginator's parameters: check their names, or let `paginator: {type: auto}` detect them; the usual ways are `{type: page_number, base_page: 1}`, `{type: offset, limit: 100}` and a cursor";
    check(&repeats(Repeated::Records), Data, &format!("@: has the records of page 1 again: {advice}"));
    let error = SourceError::from(PagingFault::EmptyPages { place: place.clone(), in_a_row: 6, write: "X".to_owned() });
    let message = "@: 6 pages in a row have no records, and each names a next one; if that is the end, write X";
    check(&error, Data, message);
    let error = SourceError::from(PagingFault::RecordsPastEnd { place: place.clone(), later: 3 });
    check(&error, Data, "@: the resource ends here, yet page 3 has records: rows would be lost");
    let (hint, write) = ("`$.next` is a URL".to_owned(), "paginator: {type: json_link}".to_owned());
    let error =
        SourceError::from(PagingFault::MorePages { place, how: "the paginator finds no next page".to_owned(), hint, write });
    check(&error, Data, "@: the paginator finds no next page, but `$.next` is a URL; write `paginator: {type: json_link}`");
}

#[test]
fn errors_of_totals_and_flags_tell_the_path() {
    use ErrorKind::Data;
    let (place, total) = (place(), path("total"));
    let (expected, found) = ("a whole number", "other text");
    let error = SourceError::from(PagingFault::BadValue {
        place: place.clone(),
        key: "total_path",
        path: total.clone(),
        expected,
        found,
        near: Some("totals".to_owned()),
    });
    check(&error, Data, "@: `$.total` should be a whole number, but is other text (`total_path`); did you mean `totals`?");
    let contradicted = |at: Option<&str>, by| {
        SourceError::from(PagingFault::TotalContradicted {
            place: place.clone(),
            unit: "records",
            read: 95,
            total: 120,
            at: at.map(str::to_owned),
            by,
            meant: None,
        })
    };
    let message = "@: the resource ended after 95 records, but the API's total is 120";
    check(&contradicted(None, NamedBy::Nothing), Data, message);
    check(&contradicted(Some("at `$.total`"), NamedBy::Expect), Data, &format!("{message} (at `$.total`)"));
    let advice = "(at `$.total`; set `total_path: null` if that is something else)";
    check(&contradicted(Some("at `$.total`"), NamedBy::Nothing), Data, &format!("{message} {advice}"));
    let error = SourceError::from(PagingFault::MoreWithoutWay {
        place: place.clone(),
        path: path("more"),
        why: "there is no next cursor",
    });
    check(&error, Data, "@: `$.more` says there are more records, but there is no next cursor");
    let error = SourceError::from(PagingFault::TotalMissing { place, path: total, near: None });
    check(&error, Data, "@: no page has a number at `$.total`, which `expect.total` names");
}

#[test]
fn errors_of_the_program_and_its_config_are_told_apart() {
    let what = "the bearer token".to_owned();
    let message =
        "the bearer token cannot be sent as an HTTP header: names are letters, digits and `-`, values have no line breaks";
    check(&SourceError::BadHeader { what }, ErrorKind::Config, message);
    check(
        &SourceError::Setup { source: transport() },
        ErrorKind::Internal,
        "the HTTP client cannot be made with this machine's certificates and proxy settings",
    );
    let resource = || "orders".to_owned();
    check(&SourceError::Cancelled { resource: resource() }, ErrorKind::Cancelled, "`orders`: cancelled");
    let error = SourceError::Abandoned { resource: resource(), page: 2 };
    check(&error, ErrorKind::Internal, "`orders`, page 2: nobody decodes the pages any more");
}
