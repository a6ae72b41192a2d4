//! Bodies that are no plain JSON, through the binary: CSV with lines around it, values one behind the other, events, XML.

use serde_json::{Value, json};

use crate::support::billing::{things, things_config};
use crate::support::fake_api::{Reply, Request};
use crate::support::sandbox::{Ended, Sandbox};

/// How a resource is run whose pages `reply` gives.
fn run(endpoint: &str, resource: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (Sandbox, Ended) {
    let api = things(reply);
    let endpoint = format!("endpoint: {{path: /things, {endpoint}}}\nwrite_disposition: append\n{resource}");
    let sandbox = Sandbox::with_config(&things_config(&api.url(), &endpoint));
    let ended = sandbox.run();
    (sandbox, ended)
}

/// The same for one page of this content type.
fn one(format: &str, resource: &str, kind: &'static str, body: impl Into<Vec<u8>>) -> (Sandbox, Ended) {
    let body = body.into();
    run(&format!("paginator: single_page, {format}"), resource, move |_| {
        Reply::status(200).header("content-type", kind).body(body.clone())
    })
}

#[track_caller]
fn check(format: &str, kind: &'static str, body: impl Into<Vec<u8>>, expected: &[Value]) {
    let (sandbox, ended) = one(format, "", kind, body);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rows: Vec<Value> = sandbox.rows("things").into_iter().map(|row| json!(row)).collect();
    assert_eq!(rows, expected);
    assert_eq!(ended.table("things")["records"], expected.len());
}

#[track_caller]
fn refused(format: &str, kind: &'static str, body: impl Into<Vec<u8>>, words: &[&str]) {
    let (sandbox, ended) = one(format, "", kind, body);
    ended.failed_with(3, words);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn a_table_of_csv_may_have_lines_before_its_header_comments_and_a_footer() {
    let rows = [json!({"id": "1", "v": "a\n#b"}), json!({"id": "2", "v": "c"})];
    let table = "id,v\n1,\"a\n#b\"\n2,c\n";
    let csv = |keys: &str| format!("response_format: {{type: csv, {keys}}}");
    check(&csv("skip_rows: 2"), "text/csv", format!("Report \"x\n\n{table}"), &rows);
    check(&csv("header_match: '^id,'"), "text/csv", format!("Report\r\nfrom,to\r\n{table}"), &rows);
    check(&csv("skip_rows: 1, header_match: '^id,'"), "text/csv", format!("id,of the report\nx\n{table}"), &rows);
    check(&csv("comment: '#'"), "text/csv", format!("# it's \"new\n{table}# the end\n"), &rows);
    check(&csv("skip_footer: 2"), "text/csv", format!("{table}Total,2\nGenerated\n\n"), &rows);
    check(&csv("footer_match: '^Total'"), "text/csv", format!("{table}Total,2,\nGenerated\n"), &rows);
    check(&csv("header: false, skip_rows: 1"), "text/csv", "x\n1,a\n", &[json!({"column_1": "1", "column_2": "a"})]);
    // The line of a broken row is that of the page.
    refused(&csv("skip_rows: 1, comment: '#'"), "text/csv", "x\nid,v\n# c\n1\n2,b\n", &["2 fields", "in line 4"]);
    // What an API says in place of a table is no page without rows.
    refused(
        &csv("skip_rows: 3"),
        "text/csv",
        "Too many requests\n",
        &["has 1 of the 3 lines that `skip_rows` passes over", "response_actions"],
    );
    refused(&csv("skip_footer: 1"), "text/csv", "Too many requests\n", &["`skip_footer` passes over"]);
    refused(&csv("header_match: '^id,'"), "text/csv", "Too many requests\n", &["no line that `header_match` (`^id,`) matches"]);
}

#[test]
fn objects_one_behind_the_other_are_records_with_and_without_line_breaks() {
    let rows = [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})];
    for body in ["{\"id\":1}{\"id\":2}\n{\"id\":3}", "{\"id\":1} {\"id\":2}{\"id\":3}\n"] {
        check("response_format: ndjson", "application/json", body, &rows);
        check("response_format: concatenated_json", "application/json", body, &rows);
    }
    let spread = "{\n \"id\": 1\n}\n{\n \"id\": 2\n}{\"id\":3}";
    check("response_format: concatenated_json", "application/json", spread, &rows);
    let sequence = "\u{1e}{\n\"id\":1}\n\u{1e}{\"id\":2}\n\u{1e}{\"id\":3}\n";
    check("response_format: concatenated_json", "application/json", sequence, &rows);
    for auto in ["", "response_format: auto"] {
        check(auto, "application/json-seq", sequence, &rows);
    }
    check("response_format: concatenated_json", "application/json", "", &[]);
    // Without separators nobody knows where the next one begins.
    refused("response_format: concatenated_json", "application/json", "{\"id\":1}{\"id\":2,}{\"id\":3}", &["byte 16"]);
    refused("response_format: concatenated_json", "application/json", "{\"id\":1}{\"id\":", &["ends at byte 14", "cut off"]);
    refused(
        "",
        "application/json",
        "{\"id\":1}{\"id\":2}",
        &["one JSON value behind another", "`endpoint.response_format: concatenated_json`"],
    );
}

#[test]
fn a_broken_value_between_separators_is_set_aside_alone() {
    let body = "\u{1e}{\"id\":1}\n\u{1e}{\"id\":2,\n}\n\u{1e}{\"id\":3}\n";
    let (sandbox, ended) = one("response_format: concatenated_json", "on_reject: quarantine", "application/json-seq", body);
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 2), "{ended}");
    let (_, ended) = one("response_format: concatenated_json", "", "application/json-seq", body);
    ended.failed_with(3, &["byte 20 of the page, in line 2"]);
    let (_, ended) = one("response_format: concatenated_json", "", "application/json-seq", "\u{1e}{\"id\":1}\n\u{1e}{\"id\":");
    ended.failed_with(3, &["cut off"]);
}

#[test]
fn the_data_of_server_sent_events_are_records() {
    let rows = [json!({"id": 1}), json!({"id": 2}), json!({"id": 3})];
    let stream = ": ok\n\nevent: message\nid: 7\ndata: {\"id\":1}\n\ndata: {\r\ndata: \"id\":2}\r\n\r\ndata:{\"id\":3}\n\ndata: [DONE]\n\n";
    for format in ["response_format: event_stream", "response_format: auto", ""] {
        check(format, "text/event-stream", stream, &rows);
    }
    // Without the blank lines.
    check("response_format: event_stream", "text/plain", "data: {\"id\":1}\ndata: {\"id\":2}\ndata: {\"id\":3}", &rows);
    check("response_format: event_stream", "text/event-stream", ":\n\n", &[]);
    let refused =
        |body: &str, words: &[&str]| refused("response_format: event_stream", "text/event-stream", body.to_owned(), words);
    refused("data: {\"id\":1}\n\ndata: {\"id\":", &["cut off"]);
    refused("data: {\"id\":1}\n\nda", &["cut off"]);
    refused("data: {\"id\":1}\n\nevent: error\ndata: {\"message\":\"late\"}\n\n", &["an error that the API tells of", "late"]);
    refused("{\"error\":\"busy\"}", &["is JSON, where an event stream has to be", "busy"]);
    refused("Service unavailable\n", &["is no event stream: line 1 is neither a field"]);
    refused("Unauthorized\n", &["is no event stream: it has neither `data:` nor a comment"]);
}

#[test]
fn elements_of_xml_are_records_of_texts() {
    let feed = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>t</title>\
                <item id=\"1\"><name>Caf\u{e9} &amp; co</name><tag>a</tag><tag>b</tag><qty>007</qty></item>\
                <item id=\"2\"><name/><qty> 8 </qty></item></channel></rss>";
    let xml = "data_selector: rss.channel.item, response_format: xml";
    let rows = [
        json!({"@id": "1", "name": "Caf\u{e9} & co", "tag": ["a", "b"], "qty": "007"}),
        json!({"@id": "2", "name": null, "tag": null, "qty": "8"}),
    ];
    check(xml, "application/rss+xml", feed, &rows);
    let latin: Vec<u8> = feed.replace("?>", " encoding=\"ISO-8859-1\"?>").chars().map(|c| c as u8).collect();
    check(xml, "application/xml", latin, &rows);
    let declared = "columns: {qty: {data_type: bigint}}\nprocessing_steps: [{rename: {'@id': id}}]";
    let (sandbox, ended) = one(xml, declared, "text/xml", feed.replace("007", "7"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(json!(sandbox.rows("things")[0]["qty"]), json!(7));
    refused(xml, "text/html", "<!doctype html><p>Sign in</p>", &["answered with HTML instead of XML"]);
    refused(xml, "application/json", "{\"error\":\"busy\"}", &["is JSON, where XML has to be"]);
    refused(xml, "application/xml", "<rss><channel><item><name>x", &["cut off"]);
    refused(xml, "application/xml", "<error><code>42</code></error>", &["has nothing at `$.rss.channel.item`", "`error`"]);
    refused(
        "data_selector: a",
        "application/xml",
        "<?xml version=\"1.0\"?><a/>",
        &["answered with XML instead of JSON", "`endpoint.response_format: xml`"],
    );
}

#[test]
fn pages_of_xml_may_have_one_record_or_none() {
    let pages = ["<r><n>3</n><o><id>1</id></o><o><id>2</id></o></r>", "<r><n>3</n><o><id>3</id></o></r>", "<r><n>3</n></r>"];
    let endpoint = "data_selector: r.o, response_format: xml, paginator: {type: page_number, total_path: null}";
    let (sandbox, ended) = run(endpoint, "", move |request| {
        let page = usize::try_from(request.number("page", 0)).unwrap().min(2);
        Reply::status(200).header("content-type", "application/xml").body(pages[page])
    });
    assert_eq!((ended.code(), sandbox.rows("things").len()), (Some(0), 3), "{ended}");
    assert_eq!(ended.table("things")["end_reason"], "empty_page", "{ended}");
}
