//! `report` and `ui`: pages that need no script, hold what comes from outside as text, and a server that answers nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command};

use serde_json::json;

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::Sandbox;

/// What would be markup, a template or an order to a terminal.
const HOSTILE: &str = "</td><script>alert('x')</script>\"{{ 7 }}\u{202e}\u{1b}[31m&amp;";

/// A lake of one good table with hostile names and values, and one resource that fails with hostile words.
fn lake() -> Sandbox {
    let rows = json!([{"id": 1, HOSTILE: HOSTILE, "o": {HOSTILE: 1}}, {"id": 2, "price": 7}, {"id": HOSTILE}]);
    let api = FakeApi::start().on("/orders", move |_| answer(&rows)).on("/people", |_| Reply::status(403).body(HOSTILE));
    let sandbox = Sandbox::with_config(&format!(
        "name: shop
client: {{base_url: {}, retry: {{max_retries: 0}}}}
lake: {{url: ./lake}}
resources:
  - name: orders
    primary_key: id
    write_disposition: merge
    on_reject: quarantine
    max_rejects: 5
    columns: {{id: {{data_type: bigint}}}}
    endpoint: {{path: /orders, data_selector: $, paginator: single_page}}
  - {{name: people, write_disposition: replace, endpoint: {{path: /people, data_selector: $, paginator: single_page}}}}
",
        api.url()
    ));
    assert_eq!(sandbox.run().code(), Some(20));
    sandbox
}

/// The tags of a document, each with its attributes as they stand; panics where it is not well formed.
fn tags(html: &str) -> Vec<(String, String)> {
    let (mut found, mut open, mut rest) = (Vec::new(), Vec::new(), html);
    let void = ["meta", "br"];
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("a tag without its end: {}", &rest[..rest.len().min(80)]));
        let (tag, is_closed) = rest[..end].strip_suffix('/').map_or((&rest[..end], false), |tag| (tag, true));
        rest = &rest[end + 1..];
        let (name, attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name), "…{}", &rest[..rest.len().min(80)]),
            None if is_closed || name.starts_with('!') || void.contains(&name) => {
                found.push((name.to_owned(), attributes.to_owned()))
            }
            None => {
                open.push(name.to_owned());
                found.push((name.to_owned(), attributes.to_owned()));
            }
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
    }
    assert!(open.is_empty(), "{open:?} are never closed");
    found
}

/// The values of an attribute, as a browser reads them.
fn values(tags: &[(String, String)], name: &str) -> Vec<String> {
    let start = format!("{name}=\"");
    let of = |attributes: &String| {
        let at = attributes.match_indices(&start).find(|(at, _)| *at == 0 || attributes[..*at].ends_with(' '))?.0;
        let value = attributes[at + start.len()..].split('"').next()?;
        let signs = [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
        Some(signs.iter().fold(value.to_owned(), |value, (name, sign)| value.replace(name, sign)))
    };
    tags.iter().filter_map(|(_, attributes)| of(attributes)).collect()
}

/// Asserts that nothing hostile is markup, that nothing is loaded or run, and that what is named is there.
fn check(html: &str) {
    let tags = tags(html);
    let names: BTreeSet<&str> = tags.iter().map(|(name, _)| name.as_str()).collect();
    for forbidden in ["script", "iframe", "img", "link", "form", "object", "base"] {
        assert!(!names.contains(forbidden), "there is a <{forbidden}>");
    }
    for (name, attributes) in &tags {
        let is_style = attributes.contains(" style=") || attributes.starts_with("style=");
        assert!(!is_style && !attributes.contains(" on") && !attributes.contains("javascript:"), "<{name} {attributes}>");
    }
    assert!(!html.contains(['\u{202e}', '\u{1b}']) && !html.contains("<script"), "something hostile came through");
    assert!(html.contains("&lt;script&gt;"), "nothing hostile is shown");
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(policy.contains("default-src &#x27;none&#x27;") && !policy.contains("unsafe"), "{policy}");
    let ids = values(&tags, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an id is there twice");
    for href in values(&tags, "href").iter().filter_map(|href| href.strip_prefix('#')) {
        assert!(ids.iter().any(|id| id == href), "`#{href}` leads nowhere");
    }
    for label in values(&tags, "aria-labelledby") {
        assert!(ids.contains(&label), "`{label}` labels nothing");
    }
    for (name, attributes) in tags.iter().filter(|(name, _)| name == "th") {
        assert!(attributes.contains("scope="), "<{name} {attributes}> has no scope");
    }
    for (_, attributes) in tags.iter().filter(|(name, _)| name == "svg") {
        assert!(attributes.contains("role=\"img\"") && attributes.contains("aria-label="), "{attributes}");
    }
}

#[test]
fn a_report_is_one_page_that_runs_nothing_and_holds_what_came_from_outside_as_text() {
    let sandbox = lake();
    let made = sandbox.lakeward(&["report", "lake", "-o", "lake.html"]);
    assert!(made.code() == Some(0) && made.stderr.contains("lake.html"), "{made}");
    let html = fs::read_to_string(sandbox.path().join("lake.html")).unwrap();
    check(&html);
    for words in ["orders", "people", "credentials refused with 403", "CREATE OR REPLACE VIEW", "part-", "2 rows"] {
        let is_there = html.contains(words) || words == "2 rows" && html.contains("<dd>2 in 1 file,");
        assert!(is_there, "the page does not say `{words}`");
    }
    // No row of a table unless that is asked for.
    assert!(!html.contains("Some rows"));
    sandbox.lakeward(&["report", "lakeward.yaml", "-o", "lake.html", "--sample"]).failed_with(0, &[]);
    let html = fs::read_to_string(sandbox.path().join("lake.html")).unwrap();
    check(&html);
    assert!(html.contains("Some rows of orders"));
}

#[test]
fn a_report_that_cannot_be_written_says_so_and_leaves_no_half_of_one() {
    let sandbox = lake();
    fs::create_dir(sandbox.path().join("folder")).unwrap();
    sandbox.lakeward(&["report", "lake", "-o", "folder"]).failed_with(2, &["is a folder", "-o folder/lake.html"]);
    sandbox
        .lakeward(&["report", "lake", "-o", "missing/lake.html"])
        .failed_with(2, &["the folder of `missing/lake.html` does not exist", "mkdir -p missing"]);
    sandbox.lakeward(&["report", "lake"]).failed_with(2, &["--output"]);
    // What is no file, such as a device, stays what it is.
    assert!(Command::new("mkfifo").arg(sandbox.path().join("pipe")).status().unwrap().success());
    sandbox.lakeward(&["report", "lake", "-o", "pipe"]).failed_with(2, &["`pipe` is no regular file", "-o -"]);
    assert!(!fs::metadata(sandbox.path().join("pipe")).unwrap().is_file());
    let page = sandbox.lakeward(&["report", "lake", "-o", "-"]);
    assert_eq!(page.code(), Some(0), "{page}");
    check(&page.stdout);
    let names = fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains(".html") || name.starts_with(".lake.html")));
}

/// A server that is killed when a test ends.
struct Ui {
    child: Child,
    host: String,
    root: String,
    _stdout: BufReader<ChildStdout>,
}

impl Ui {
    fn start(sandbox: &Sandbox, of: &str) -> Self {
        let mut child = sandbox.command(&["ui", of]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let (host, root) = line.trim().strip_prefix("http://").unwrap().split_once('/').unwrap();
        let (host, root) = (host.to_owned(), format!("/{root}"));
        Self { child, host, root, _stdout: stdout }
    }

    /// The status and the rest of what is answered to a request as it stands.
    fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String) {
        let host = if headers.contains("host:") { String::new() } else { format!("host: {}\r\n", self.host) };
        self.raw(&format!("{method} {path} HTTP/1.1\r\n{host}{headers}\r\n"))
    }

    fn get(&self, path: &str) -> String {
        let (status, answer) = self.ask("GET", &format!("{}{path}", self.root), "");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }
}

impl Drop for Ui {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_pages_of_a_live_lake_lead_to_each_other_and_show_what_came_since() {
    let sandbox = lake();
    let ui = Ui::start(&sandbox, "lakeward.yaml");
    let (mut seen, mut left) = (BTreeSet::new(), vec![ui.root.clone()]);
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let (status, answer) = ui.ask("GET", &path, "");
        assert_eq!(status, 200, "{path}");
        let (head, html) = answer.split_once("\r\n\r\n").unwrap();
        for header in [
            "content-security-policy: default-src 'none'",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        let tags = tags(html);
        left.extend(values(&tags, "href").into_iter().filter(|href| href.starts_with('/')));
        if !path.contains("/runs/") {
            check(html);
        }
    }
    let kinds = ["/table/shop/orders", "/run/shop/", "/runs/shop"];
    assert!(kinds.iter().all(|kind| seen.iter().any(|path| path.contains(kind))), "{seen:?}");
    assert!(ui.get("table/shop/orders").contains("Some rows of orders"));
}

#[test]
fn a_request_without_the_token_from_another_host_or_origin_or_that_writes_is_refused() {
    let sandbox = lake();
    let ui = Ui::start(&sandbox, "lake");
    let root = ui.root.clone();
    assert_eq!(root.len(), 34, "a token of 128 bits");
    let status = |method: &str, path: &str, headers: &str| ui.ask(method, path, headers).0;
    for path in
        ["/", "/table/shop/orders", &root[..root.len() - 1], &format!("/{}/", "0".repeat(32)), &root.replace(&root[1..2], "x")]
    {
        let (code, answer) = ui.ask("GET", path, "");
        assert!(code == 403 && !answer.contains("shop"), "{path}: {answer}");
    }
    for headers in [
        "host: evil.test\r\n",
        "host: 127.0.0.1\r\n",
        "origin: http://evil.test\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
    ] {
        assert_eq!(status("GET", &root, headers), 403, "{headers}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        assert_eq!(status(method, &root, ""), 405, "{method}");
    }
    let own = format!("origin: http://{}\r\nsec-fetch-site: same-origin\r\n", ui.host);
    assert_eq!((status("GET", &root, &own), status("HEAD", &root, "")), (200, 200));
    for path in
        ["table/shop/none", "table/none/orders", "run/shop/none", "runs/none", "table/shop/..%2f..%2fx", "../../etc", "x/%ff"]
    {
        assert_eq!(status("GET", &format!("{root}{path}"), ""), 404, "{path}");
    }
    // A head that has no end or no host.
    assert_eq!(ui.raw("GET / HTTP/1.1\r\n\r\n").0, 403);
    let long = format!("{root}{}", "x".repeat(100_000));
    assert!(status("GET", &long, "") >= 400);
    assert_eq!(status("GET", &root, ""), 200, "it is still there");
}

#[test]
fn a_port_that_is_taken_or_a_lake_that_is_none_is_told() {
    let sandbox = lake();
    let ui = Ui::start(&sandbox, "lake");
    let port = ui.host.split_once(':').unwrap().1;
    sandbox.lakeward(&["ui", "lake", "--port", port]).failed_with(2, &["cannot listen on 127.0.0.1"]);
    fs::create_dir(sandbox.path().join("empty")).unwrap();
    sandbox.lakeward(&["ui", "empty"]).failed_with(2, &["there is no lake in"]);
    let pid = ui.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let mut ui = ui;
    assert_eq!(ui.child.wait().unwrap().code(), Some(0), "Ctrl-C is how it ends");
}
