//! Parents and children: read for every record, in one order, once, and never fewer without a word.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

const POSTS: i64 = 7;

/// Posts 1 to 7 by authors, and two comments for each; the earlier the post, the later its comments are answered.
fn blog() -> FakeApi {
    let posts: Vec<Value> =
        (1..=POSTS).map(|id| json!({"id": id, "author": {"name": format!("a{}", id % 3)}, "slug": format!("p/{id}")})).collect();
    let api = FakeApi::start().page("/posts", json!({"data": posts}).to_string());
    (1..=POSTS).fold(api, |api, id| {
        let comments = json!([{"id": id * 10, "text": "x"}, {"id": id * 10 + 1, "text": "y"}]);
        let slow = Duration::from_millis(u64::try_from(POSTS - id).unwrap() * 10);
        api.on(&format!("/posts/{id}/comments"), move |_| answer(&comments).delay(slow))
    })
}

/// A config with these resources, as YAML list entries.
fn config(api: &FakeApi, resources: &str) -> String {
    format!(
        "name: blog\nclient: {{base_url: {}, paginator: single_page, concurrency: 4, retry: {{initial_delay: 10ms, max_retries: 1}}}}\nresources:\n{resources}\nlake: {{url: ./lake}}\n",
        api.url()
    )
}

const POSTS_RESOURCE: &str = "  - {name: posts, endpoint: {path: posts, data_selector: data}}\n";

fn run(api: &FakeApi, resources: &str) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(&config(api, resources));
    let ended = sandbox.run();
    (sandbox, ended)
}

fn ids(sandbox: &Sandbox, table: &str) -> Vec<i64> {
    sandbox.rows(table).iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

/// The requests of paths that begin with `prefix`.
fn asked(api: &FakeApi, prefix: &str) -> usize {
    api.requests().iter().filter(|request| request.path.starts_with(prefix)).count()
}

#[test]
fn children_are_read_for_every_record_and_stand_in_the_parents_order() {
    let api = blog();
    let comments = "  - name: comments\n    endpoint: posts/{resources.posts.id}/comments\n    include_from_parent: [id, {field: author.name, as: author}]\n";
    let (sandbox, ended) = run(&api, &format!("{POSTS_RESOURCE}{comments}"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(ended.stderr.contains("14 records on 7 pages (the only page of each of 7 records of its parent)"), "{ended}");
    let expected: Vec<i64> = (1..=POSTS).flat_map(|id| [id * 10, id * 10 + 1]).collect();
    assert_eq!(ids(&sandbox, "comments"), expected, "in the order of the posts, whatever was answered first");
    for row in sandbox.rows("comments") {
        let post = row["id"].as_i64().unwrap() / 10;
        assert_eq!(
            (row["_posts_id"].as_i64().unwrap(), row["author"].as_str().unwrap()),
            (post, format!("a{}", post % 3).as_str())
        );
    }
    assert_eq!(asked(&api, "/posts/"), 7, "each once");
    assert_eq!(api.requests().iter().filter(|request| request.path == "/posts").count(), 1, "a parent is fetched once a run");
    assert_eq!(ended.table("comments")["parent_records"], json!({"read": 7, "repeated": 0, "skipped": 0, "skipped_first": []}));
    let again = sandbox.run_ok();
    assert_eq!(again.table("comments")["records"], 14);
}

#[test]
fn the_older_form_and_grandchildren_work_and_an_unselected_parent_has_no_table() {
    let api = (1..=POSTS).fold(blog(), |api, id| {
        let likes = json!([{"id": id}]);
        api.on(&format!("/comments/{}/likes", id * 10), move |_| answer(&likes))
            .page(&format!("/comments/{}/likes", id * 10 + 1), "[]")
    });
    let rest = "  - {name: comments, selected: false, endpoint: {path: 'posts/{post}/comments', params: {post: {type: resolve, resource: posts, field: id}}}}\n\
                \u{20} - {name: likes, endpoint: 'comments/{resources.comments.id}/likes'}\n";
    let (sandbox, ended) = run(&api, &format!("{POSTS_RESOURCE}{rest}"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ids(&sandbox, "likes"), (1..=POSTS).collect::<Vec<_>>());
    assert!(!sandbox.lake().join("comments").exists(), "what is not selected has no table");
    assert_eq!(ended.table("comments")["status"], "read_for_children");
}

#[test]
fn a_resource_asked_for_alone_brings_its_parent_along() {
    let api = blog();
    let sandbox = Sandbox::with_config(&config(
        &api,
        &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'posts/{{resources.posts.id}}/comments'}}\n"),
    ));
    let ended = sandbox.lakeward(&["run", "lakeward.yaml", "--resource", "comments"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ids(&sandbox, "comments").len(), 14);
    assert!(!sandbox.lake().join("posts").exists());
}

#[test]
fn values_go_into_params_bodies_and_headers_with_their_types() {
    let api = FakeApi::start().page("/posts", r#"{"data": [{"id": 5, "name": "a&b"}]}"#).on("/search", |request| {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body, json!({"post": 5, "text": "post 5", "tags": ["a&b"]}), "{request:?}");
        assert_eq!((request.param("name"), request.header("x-post")), (Some("a&b"), Some("5")), "{request:?}");
        Reply::json(r#"[{"id": 1}]"#)
    });
    let search = "  - name: search\n    endpoint:\n      path: search\n      method: POST\n      params: {name: '{resources.posts.name}'}\n      json: {post: '{resources.posts.id}', text: 'post {resources.posts.id}', tags: ['{resources.posts.name}']}\n      headers: {X-Post: '{resources.posts.id}'}\n";
    let (sandbox, ended) = run(&api, &format!("{POSTS_RESOURCE}{search}"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ids(&sandbox, "search"), [1]);
}

#[test]
fn e_90_a_child_whose_parent_vanished_is_skipped_counted_and_listed() {
    let api = blog().on("/posts/3/comments", |_| Reply::status(404));
    let (sandbox, ended) =
        run(&api, &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'posts/{{resources.posts.id}}/comments'}}\n"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    let expected: Vec<i64> = [1, 2, 4, 5, 6, 7].iter().flat_map(|id| [id * 10, id * 10 + 1]).collect();
    assert_eq!(ids(&sandbox, "comments"), expected);
    let of = &ended.table("comments")["parent_records"];
    assert_eq!((&of["read"], &of["skipped"]), (&json!(6), &json!(1)));
    assert!(of["skipped_first"][0].as_str().unwrap().contains("/posts/3/comments"), "{of}");
    assert!(ended.stderr.contains("skipped: ") && ended.stderr.contains("/posts/3/comments"), "{ended}");
}

/// `count` posts, of which the comments of the first `gone` are gone.
fn vanishing(count: u64, gone: u64) -> FakeApi {
    let posts: Vec<Value> = (1..=count).map(|id| json!({"id": id})).collect();
    let api = FakeApi::start().page("/posts", json!({"data": posts}).to_string());
    (1..=count).fold(api, |api, id| {
        let status = if id % 2 == 0 { 404 } else { 410 };
        api.on(
            &format!("/posts/{id}/comments"),
            move |_| {
                if id <= gone { Reply::status(status) } else { answer(&json!([{"id": id}])) }
            },
        )
    })
}

#[test]
fn more_vanished_parents_than_5_percent_are_an_error_that_names_the_rule() {
    let comments = "  - {name: comments, endpoint: {path: 'posts/{resources.posts.id}/comments'";
    for (count, gone, is_fine) in
        [(7, 1, true), (7, 2, false), (39, 1, true), (39, 2, false), (40, 2, true), (40, 3, false), (25, 24, false)]
    {
        let api = vanishing(count, gone);
        let (sandbox, ended) = run(&api, &format!("{POSTS_RESOURCE}{comments}}}}}\n"));
        if is_fine {
            assert_eq!(
                (ended.code(), ids(&sandbox, "comments").len() as u64),
                (Some(0), count - gone),
                "{gone} of {count}: {ended}"
            );
            continue;
        }
        let rule = "response_actions: [{status_code: [404, 410], action: skip, scope: parent}]";
        ended.failed_with(20, &[&format!("{gone} of {count} requests of `comments`"), "/posts/1/comments", rule]);
        assert!(!sandbox.lake().join("comments").exists());
        // The rule as it is told, typed.
        let (sandbox, ended) = run(&api, &format!("{POSTS_RESOURCE}{comments}, {rule}}}}}\n"));
        assert_eq!((ended.code(), ids(&sandbox, "comments").len() as u64), (Some(0), count - gone), "{gone} of {count}: {ended}");
        assert_eq!(ended.table("comments")["parent_records"]["skipped"], gone);
    }
}

#[test]
fn a_placeholder_that_finds_several_values_asks_for_all_of_them() {
    let orders = r#"{"data": [{"id": 1, "items": [{"id": 7, "sku": "x"}, {"id": 5, "sku": "y"}, {"id": 7, "sku": "x"}]}, {"id": 2, "items": [{"id": 9, "sku": "z"}]}]}"#;
    let api = FakeApi::start().page("/orders", orders).on("/lines", |request| {
        answer(&json!([{"id": format!("{}-{}", request.param("item").unwrap(), request.param("sku").unwrap_or("none"))}]))
    });
    let orders = "  - {name: orders, endpoint: {path: orders, data_selector: data}}\n";
    let lines = |rest: &str| {
        format!(
            "{orders}  - {{name: lines, include_from_parent: [id, 'items[*].sku'], endpoint: {{path: lines, params: {{item: '{{resources.orders.items[*].id}}'{rest}}}}}}}\n"
        )
    };
    let (sandbox, ended) = run(&api, &lines(""));
    assert_eq!(ended.code(), Some(0), "{ended}");
    let read = |sandbox: &Sandbox| -> Vec<String> {
        sandbox.rows("lines").iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(read(&sandbox), ["7-none", "5-none", "9-none"]);
    let skus: Vec<String> =
        sandbox.rows("lines").iter().map(|row| format!("{}{}", row["_orders_id"], row["_orders_items_sku"])).collect();
    assert_eq!(skus, ["1\"x\"", "1\"y\"", "2\"z\""], "each with the values of its own element");
    let (sandbox, ended) = run(&api, &lines(", sku: '{resources.orders.items[*].sku}'"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(read(&sandbox), ["7-x", "5-y", "9-z"]);
    let (_, ended) = run(&api, &lines(", all: '{resources.orders.$..sku}'"));
    ended.failed_with(
        20,
        &["asks `orders` for values of two lists, `$.items[*]` and `$..sku`", "hint: ask for fields of one list"],
    );
}

#[test]
fn a_percent_sign_of_a_parent_is_data_and_its_null_is_null_in_json() {
    let codes = ["50%", "a%41", "..%2fadmin", "%2e%2e", "R&D", "a+b"];
    let list: Vec<Value> = codes.iter().map(|code| json!({"code": code, "note": null})).collect();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&seen);
    let api = codes.iter().fold(FakeApi::start().page("/codes", json!({"data": list}).to_string()), |api, code| {
        let path = url::form_urlencoded::byte_serialize(code.as_bytes()).collect::<String>();
        let noted = std::sync::Arc::clone(&noted);
        // What a server sees that decodes once.
        api.on(&format!("/code/{}", path.replace("%26", "&").replace("%2B", "+").replace("%2F", "/")), move |request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body, json!({"note": null, "code": body["code"]}), "{request:?}");
            noted.lock().unwrap().push((body["code"].as_str().unwrap().to_owned(), request.param("q").unwrap().to_owned()));
            answer(&json!([{"id": 1}]))
        })
    });
    let resources = "  - {name: codes, endpoint: {path: codes, data_selector: data}}\n  - {name: one, endpoint: {path: 'code/{resources.codes.code}', method: POST, params: {q: '{resources.codes.code}'}, json: {note: '{resources.codes.note}', code: '{resources.codes.code}'}}}\n";
    let (_, ended) = run(&api, resources);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let expected: Vec<(String, String)> = codes.iter().map(|code| ((*code).to_owned(), (*code).to_owned())).collect();
    let mut got = seen.lock().unwrap().clone();
    got.sort_by_key(|(code, _)| codes.iter().position(|known| known == code));
    assert_eq!(got, expected);
}

#[test]
fn e_40_one_forbidden_child_fails_the_resource_unless_a_rule_says_otherwise() {
    let api = blog().on("/posts/3/comments", |_| Reply::status(403));
    let (sandbox, ended) =
        run(&api, &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'posts/{{resources.posts.id}}/comments'}}\n"));
    ended.failed_with(20, &["/posts/3/comments", "403"]);
    assert!(!sandbox.lake().join("comments").exists());
    assert_eq!(ids(&sandbox, "posts").len(), 7);
}

#[test]
fn when_every_child_is_gone_the_path_is_wrong() {
    let api = FakeApi::start().page("/posts", r#"{"data": [{"id": 1}, {"id": 2}]}"#);
    let (_, ended) =
        run(&api, &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'pots/{{resources.posts.id}}/comments'}}\n"));
    ended.failed_with(
        20,
        &[
            "`comments` was read for none of the 2 asked for of its parent's records; the first: `comments`, page 1",
            "/pots/1/comments",
            "hint: look at `endpoint.path`",
        ],
    );
}

#[test]
fn a_parent_that_fails_costs_no_requests_of_its_children() {
    let api = blog().on("/posts", |_| Reply::status(500));
    let (sandbox, ended) =
        run(&api, &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'posts/{{resources.posts.id}}/comments'}}\n"));
    ended.failed_with(75, &["`comments` was not read, because `posts`, whose records it needs, failed"]);
    assert_eq!(asked(&api, "/posts/"), 0);
    assert!(sandbox.data_files().is_empty());
}

#[test]
fn a_parent_without_records_has_children_without_rows() {
    let api = FakeApi::start().page("/posts", r#"{"data": []}"#);
    let (_, ended) =
        run(&api, &format!("{POSTS_RESOURCE}  - {{name: comments, endpoint: 'posts/{{resources.posts.id}}/comments'}}\n"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.table("comments")["end_reason"], "no_parents");
}

#[test]
fn a_missing_field_fails_the_child_or_skips_the_record() {
    let api = || {
        FakeApi::start()
            .page("/posts", r#"{"data": [{"id": 1}, {"id": null}, {"name": "x"}]}"#)
            .page("/posts/1/comments", r#"[{"id": 1}]"#)
    };
    let comments = "  - {name: comments, endpoint: 'posts/{resources.posts.id}/comments'";
    let (_, ended) = run(&api(), &format!("{POSTS_RESOURCE}{comments}}}\n"));
    ended.failed_with(
        20,
        &[
            "the request of `comments` for record 2 of `posts` cannot be made: `{resources.posts.id}` has no value",
            "on_missing_parent_field: skip",
        ],
    );
    let (sandbox, ended) = run(&api(), &format!("{POSTS_RESOURCE}{comments}, on_missing_parent_field: skip}}\n"));
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!((ids(&sandbox, "comments"), &ended.table("comments")["parent_records"]["skipped"]), (vec![1], &json!(2)));
}

#[test]
fn equal_requests_are_sent_once() {
    let api =
        blog().page("/authors/a0", r#"[{"id": 0}]"#).page("/authors/a1", r#"[{"id": 1}]"#).page("/authors/a2", r#"[{"id": 2}]"#);
    let (sandbox, ended) = run(
        &api,
        &format!(
            "{POSTS_RESOURCE}  - {{name: authors, endpoint: {{path: 'authors/{{resources.posts.author.name}}', data_selector: $}}}}\n"
        ),
    );
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!((ids(&sandbox, "authors"), asked(&api, "/authors/")), (vec![1, 2, 0], 3));
    assert_eq!(ended.table("authors")["parent_records"]["repeated"], 4);
}

#[test]
fn two_parents_are_a_cross_product_when_asked() {
    let api = FakeApi::start()
        .page("/a", r#"[{"id": 1}, {"id": 2}]"#)
        .page("/b", r#"[{"id": "x"}, {"id": "y"}, {"id": "z"}]"#)
        .on("/pairs", |request| {
            answer(&json!([{"id": format!("{}{}", request.param("a").unwrap(), request.param("b").unwrap())}]))
        });
    let resources = "  - a\n  - b\n  - name: pairs\n    parents: cross_product\n    include_from_parent: [{parent: b, field: id, as: of_b}]\n    endpoint: {path: pairs, params: {a: '{resources.a.id}', b: '{resources.b.id}'}}\n";
    let (sandbox, ended) = run(&api, resources);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let rows: Vec<String> = sandbox
        .rows("pairs")
        .iter()
        .map(|row| format!("{}{}", row["id"].as_str().unwrap(), row["of_b"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, ["1xx", "1yy", "1zz", "2xx", "2yy", "2zz"]);
}

#[test]
fn pages_of_many_children_keep_their_own_position() {
    let api = FakeApi::start().page("/lists", r#"[{"id": 1}, {"id": 2}, {"id": 3}]"#);
    let api = (1..=3).fold(api, |api, list| {
        api.on(&format!("/lists/{list}"), move |request| {
            let from = i64::try_from(request.number("offset", 0)).unwrap();
            let records: Vec<Value> = (from..(from + 2).min(4 + list)).map(|i| json!({"id": list * 100 + i})).collect();
            answer(&json!({"items": records, "total": 4 + list}))
        })
    });
    let resources = "  - lists\n  - {name: members, endpoint: {path: 'lists/{resources.lists.id}', data_selector: items, paginator: {type: offset, limit: 2}}}\n";
    let (sandbox, ended) = run(&api, resources);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let expected: Vec<i64> = (1..=3).flat_map(|list| (0..4 + list).map(move |i| list * 100 + i)).collect();
    assert_eq!(ids(&sandbox, "members"), expected);
    assert_eq!(
        (&ended.table("members")["completeness"], &ended.table("members")["end_reason"]),
        (&json!("proven"), &json!("total_reached"))
    );
}

#[test]
fn preview_and_check_read_a_child_for_the_first_record_of_its_parent() {
    let api = blog();
    let comments = "  - {name: comments, endpoint: 'posts/{resources.posts.id}/comments', include_from_parent: [id]}\n";
    let sandbox = Sandbox::with_config(&config(&api, &format!("{POSTS_RESOURCE}{comments}")));
    let shown = sandbox.lakeward(&["preview", "lakeward.yaml", "comments"]);
    assert_eq!(shown.code(), Some(0), "{shown}");
    assert!(shown.stdout.contains("_posts_id") && shown.stdout.contains("2 of 2 records"), "{shown}");
    assert_eq!((asked(&api, "/posts"), asked(&api, "/posts/1/")), (2, 1));
    let checked = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert_eq!(checked.code(), Some(0), "{checked}");
    assert!(!sandbox.lake().exists());
    let empty = FakeApi::start().page("/posts", r#"{"data": []}"#);
    let sandbox = Sandbox::with_config(&config(&empty, &format!("{POSTS_RESOURCE}{comments}")));
    let shown = sandbox.lakeward(&["preview", "lakeward.yaml", "comments"]);
    shown.failed_with(3, &["`comments` cannot be looked at: the first page of `posts` has no record with all that it asks for"]);
}

#[test]
fn a_misspelt_field_to_include_is_an_error_with_the_name_and_a_sparse_one_is_none_on_later_nights() {
    let api = blog();
    let comments = |fields: &str| {
        format!(
            "{POSTS_RESOURCE}  - name: comments\n    endpoint: posts/{{resources.posts.id}}/comments\n    include_from_parent: {fields}\n"
        )
    };
    let named =
        ["`include_from_parent` of `comments` names `idd`, which no record of `posts` has; did you mean `id`?", "leave out"];
    let (sandbox, ended) = run(&api, &comments("[idd]"));
    ended.failed_with(20, &named);
    sandbox.lakeward(&["check", "--online", "lakeward.yaml"]).failed_with(3, &named[..1]);
    sandbox.write("lakeward.yaml", &config(&api, &comments("[slug]")));
    assert_eq!(sandbox.run().code(), Some(0));
    // The posts of the next night have no slug.
    let sparse =
        FakeApi::start().page("/posts", r#"{"data": [{"id": 1}]}"#).page("/posts/1/comments", r#"[{"id": 10, "text": "x"}]"#);
    sandbox.write("lakeward.yaml", &config(&sparse, &comments("[slug]")));
    let ended = sandbox.run();
    assert_eq!(ended.code(), Some(0), "{ended}");
}
