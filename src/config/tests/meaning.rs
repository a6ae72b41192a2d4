use super::*;
use crate::base::{JsonPath, Secret};
use std::time::Duration;

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap()
}

fn endpoint_of(text: &str) -> EndpointPlan {
    plan(text).resources.remove(0).endpoint
}

fn paginator(keys: &str) -> PaginatorPlan {
    endpoint_of(&endpoint(&format!("paginator: {keys}"))).paginator
}

/// The request of an endpoint without open placeholders.
fn request(endpoint: &EndpointPlan) -> Request {
    endpoint.request.bind(&|_| None).unwrap()
}

fn param(name: &str) -> Slot {
    Slot::Param(name.to_owned())
}

#[test]
fn the_guides_config_means_what_the_guide_says() {
    let text = include_str!("../../../examples/billing.yaml");
    let Plan { name, client, resources, lake, resume: _, hooks: _ } = plan(text);
    assert_eq!(name, "billing");
    assert_eq!(client.base_url.as_str(), "https://api.example.com/");
    let Some(AuthPlan::ApiKey { name, key, location, hosts }) = client.auth else { panic!("{:?}", client.auth) };
    assert_eq!((name.as_str(), key.expose(), location, hosts.len()), ("api_key", "s3cr3t-K3Y", KeyLocation::Query, 0));
    let retry = RetryPlan {
        max_retries: None,
        backoff_factor: 2.0,
        initial_delay: Duration::from_secs(1),
        statuses: vec![408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529],
        max_wait: Duration::from_secs(600),
    };
    assert_eq!(client.retry, retry);
    assert_eq!((client.connect_timeout, client.read_timeout), (Duration::from_secs(10), Duration::from_secs(60)));
    assert_eq!((client.concurrency, client.rate_limits.len(), client.allow_hosts.len()), (4, 0, 0));
    let offset = PaginatorPlan::Offset {
        limit: 100,
        offset: 0,
        offset_slot: param("offset"),
        limit_slot: param("limit"),
        stop: StopRules { total: TotalPath::Optional(path("total")), stop_after_empty_page: true, ..StopRules::default() },
    };
    let names: Vec<&str> = resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(names, ["customer_usage", "wallets"]);
    for resource in &resources {
        assert_eq!(request(&resource.endpoint).url.as_str(), format!("https://api.example.com/v1/{}", resource.name));
        assert_eq!(resource.endpoint.paginator, offset);
        assert_eq!(resource.endpoint.data_selector, Some(path("data")));
        assert_eq!(resource.primary_key, ["id"]);
        assert_eq!(resource.write_disposition, WriteDisposition::Merge);
        assert_eq!(resource.on_reject, OnReject::Fail);
        assert_eq!(resource.expect, Expect { min_rows: None, max_shrink: Some(0.5), total: ExpectTotal::Undeclared });
    }
    let month = PartitionField { column: "created_at".into(), transform: Transform::Month, name: "created_at_month".into() };
    assert_eq!(resources[0].partition_by, [month]);
    assert_eq!(lake.location, LakeLocation::Disk("/etc/lakeward/lake".into()));
    assert_eq!((lake.compression, lake.target_file_size), (Compression::Zstd(1), 256_000_000));
    assert_eq!((lake.adopt, lake.allow_unsafe_store, lake.publish_together, lake.compat), (false, false, false, Compat::Legacy));
}

#[test]
fn json_is_yaml() {
    let text = r#"{"name": "n", "client": {"base_url": "http://a.test"}, "resources": ["posts"], "lake": {"url": "s3://bucket/a/b/\ud83d\ude42/"}}"#;
    let plan = plan(text);
    assert_eq!(request(&plan.resources[0].endpoint).url.as_str(), "http://a.test/posts");
    assert_eq!(plan.lake.location, LakeLocation::S3 { bucket: "bucket".into(), prefix: "a/b/🙂".into() });
    assert_eq!(plan.resources[0].write_disposition, WriteDisposition::Append);
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let text = root(
        "  - {name: b, endpoint: {<<: &e {data_selector: items, method: POST}, path: x, method: GET}}\n  - {name: c, endpoint: *e}",
    );
    let plan = plan(&text);
    assert_eq!((plan.resources[1].endpoint.method, plan.resources[2].endpoint.method), (Method::Get, Method::Post));
    assert_eq!(plan.resources[1].endpoint.data_selector, plan.resources[2].endpoint.data_selector);
}

#[test]
fn paths_are_joined_as_dlt_joins_them() {
    let url = |path: &str| request(&endpoint_of(&endpoint("").replace("path: p", &format!("path: '{path}'")))).url.to_string();
    assert_eq!(url("p"), "http://a.test/v1/p");
    assert_eq!(url("/p"), "http://a.test/v1/p");
    assert_eq!(url(""), "http://a.test/v1/");
    assert_eq!(url("p?x=1"), "http://a.test/v1/p?x=1");
    assert_eq!(url("https://b.test/q"), "https://b.test/q");
    assert_eq!(url("a{{b}}"), "http://a.test/v1/a%7Bb%7D");
    assert_eq!(url("${BRACED}"), "http://a.test/v1/a%7Bb%7Dc");
}

#[test]
fn short_forms_stand_for_the_full_ones() {
    let text = config("", "", "", "", "  - posts\n  - {name: users, endpoint: people}");
    let plan = plan(&text);
    let urls: Vec<String> = plan.resources.iter().map(|resource| request(&resource.endpoint).url.to_string()).collect();
    assert_eq!(urls, ["http://a.test/v1/p", "http://a.test/v1/posts", "http://a.test/v1/people"]);
    assert_eq!(paginator("single_page"), PaginatorPlan::SinglePage);
    assert_eq!(paginator("auto"), PaginatorPlan::Undeclared);
    assert_eq!(paginator("{}"), PaginatorPlan::Undeclared);
    assert_eq!(endpoint_of(&endpoint("")).paginator, PaginatorPlan::Undeclared);
    assert_eq!(paginator("json_response"), PaginatorPlan::JsonLink { next_url_path: path("next"), stop: StopRules::default() });
}

#[test]
fn paginators_have_dlts_defaults() {
    let stop = |total, maximum, empty, has_more| StopRules {
        total,
        maximum,
        stop_after_empty_page: empty,
        has_more_path: has_more,
        ..StopRules::default()
    };
    let total = || TotalPath::Optional(path("total"));
    assert_eq!(
        paginator("page_number"),
        PaginatorPlan::PageNumber { base_page: 0, page: 0, page_slot: param("page"), stop: stop(total(), None, true, None) }
    );
    assert_eq!(
        paginator(
            "{type: page_number, base_page: 1, page_body_path: a.b, total_path: null, maximum_page: 9, has_more_path: more}"
        ),
        PaginatorPlan::PageNumber {
            base_page: 1,
            page: 1,
            page_slot: Slot::Body(vec!["a".into(), "b".into()]),
            stop: stop(TotalPath::None, Some(9), true, Some(path("more"))),
        }
    );
    assert_eq!(
        paginator("cursor"),
        PaginatorPlan::Cursor { cursor_path: path("cursors.next"), cursor_slot: param("cursor"), stop: StopRules::default() }
    );
    assert_eq!(paginator("header_link"), PaginatorPlan::HeaderLink { links_next_key: "next".into(), stop: StopRules::default() });
    assert_eq!(
        paginator("header_cursor"),
        PaginatorPlan::HeaderCursor { cursor_key: "next".into(), cursor_param: "cursor".into(), stop: StopRules::default() }
    );
}

/// dlt looks for `total` unless told otherwise and fails without it. lakeward does so only when nothing else ends the resource.
#[test]
fn an_unset_total_is_required_only_when_nothing_else_ends_the_resource() {
    let total = |keys: &str| match paginator(&format!("{{type: offset, limit: 5, {keys}}}")) {
        PaginatorPlan::Offset { stop, .. } => stop.total,
        other => panic!("{other:?}"),
    };
    assert_eq!(total("offset: 0"), TotalPath::Optional(path("total")));
    assert_eq!(total("stop_after_empty_page: false"), TotalPath::Required(path("total")));
    assert_eq!(total("stop_after_empty_page: false, maximum_offset: 10"), TotalPath::Optional(path("total")));
    assert_eq!(total("total_path: meta.count"), TotalPath::Required(path("meta.count")));
    assert_eq!(total("total_path: null"), TotalPath::None);
}

/// Endpoint, then `resource_defaults.endpoint`, then the single-entity rule, then the client.
#[test]
fn the_nearest_paginator_wins_and_null_takes_a_default_back() {
    let check = |path: &str, own: &str, default: &str, client: &str, expected: &PaginatorPlan| {
        let key = |value: &str| if value.is_empty() { String::new() } else { format!(", paginator: {value}") };
        let text = config(
            key(client).trim_start_matches(", "),
            "",
            "",
            "",
            &format!("resource_defaults: {{endpoint: {{method: GET{}}}}}", key(default)),
        );
        let text = text.replace("path: p", &format!("path: '{path}', params: {{id: 7}}{}", key(own)));
        assert_eq!(&endpoint_of(&text).paginator, expected, "{text}");
    };
    let link = |name: &str| PaginatorPlan::HeaderLink { links_next_key: name.to_owned(), stop: StopRules::default() };
    let (own, default, client) = (
        "{type: header_link, links_next_key: o}",
        "{type: header_link, links_next_key: d}",
        "{type: header_link, links_next_key: c}",
    );
    check("p", own, default, client, &link("o"));
    check("p", "", default, client, &link("d"));
    check("p", "", "", client, &link("c"));
    check("p", "null", default, client, &link("c"));
    check("p", "null", default, "", &PaginatorPlan::Undeclared);
    check("p", "auto", default, client, &link("c"));
    check("p/{id}", "", "", client, &PaginatorPlan::SinglePage);
    check("p/{id}", "null", default, client, &PaginatorPlan::SinglePage);
    check("p/{id}", "", default, client, &link("d"));
    check("p/{id}/q", "", "", client, &link("c"));
}

#[test]
fn a_path_that_ends_in_a_placeholder_is_one_record() {
    let one = endpoint_of(&endpoint("params: {id: 7, x: 1}").replace("path: p", "path: 'users/{id}'"));
    assert_eq!(request(&one).url.as_str(), "http://a.test/v1/users/7");
    assert_eq!(request(&one).params, [("x".to_owned(), "1".to_owned())], "what fills the path is not sent again");
    assert_eq!(one.data_selector, Some(JsonPath::root()));
    for (path, is_one) in
        [("users/{id}?full=1", true), ("users/{id}.json", true), ("users?id={id}", false), ("users?at=a/{id}", false)]
    {
        let resolved = endpoint_of(&endpoint("params: {id: 7}").replace("path: p", &format!("path: '{path}'")));
        assert_eq!(resolved.paginator == PaginatorPlan::SinglePage, is_one, "{path}");
    }
    let many = endpoint_of(&endpoint("params: {id: 7}").replace("path: p", "path: 'users/{id}/posts'"));
    assert_eq!((request(&many).url.as_str(), many.data_selector), ("http://a.test/v1/users/7/posts", None));
}

#[test]
fn params_are_sent_as_dlt_sends_them() {
    let endpoint = endpoint_of(&endpoint(
        "params: {a: x, b: true, c: [1, null, two], d: null, e: '', f: 1.50, g: '{{\"k\": 1}}', h: '${BRACED}', i: 0123, j: []}",
    ));
    let params: Vec<String> = request(&endpoint).params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(params, ["a=x", "b=True", "c=1", "c=two", "e=", "f=1.50", "g={\"k\": 1}", "h=a{b}c", "i=0123"]);
}

#[test]
fn a_json_body_keeps_its_types() {
    let endpoint =
        endpoint_of(&endpoint("method: POST, json: {a: 1, b: [true, null, 1.5, '{{x}}'], c: {d: '7'}, e: 18446744073709551615}"));
    let expected: serde_json::Value =
        serde_json::from_str(r#"{"a": 1, "b": [true, null, 1.5, "{x}"], "c": {"d": "7"}, "e": 18446744073709551615}"#).unwrap();
    assert_eq!((endpoint.method, request(&endpoint).json), (Method::Post, Some(expected)));
}

#[test]
fn resource_defaults_are_merged_by_dlts_rules() {
    let defaults = "resource_defaults:
  primary_key: [a, b]
  write_disposition: merge
  endpoint:
    params: {limit: 5, sort: up}
    json: {x: 1, y: 2}
    headers: {A: default, B: default}
    data_selector: items";
    let own = "params: {sort: down, q: z}, json: {y: 3}, headers: {A: own}";
    let merged = plan(&config("", own, "primary_key: id", "", defaults)).resources.remove(0);
    assert_eq!((merged.primary_key, merged.write_disposition), (vec!["id".to_owned()], WriteDisposition::Merge));
    let params: Vec<String> = request(&merged.endpoint).params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(params, ["limit=5", "sort=down", "q=z"]);
    assert_eq!(request(&merged.endpoint).json, Some(serde_json::json!({"x": 1, "y": 3})));
    assert_eq!(request(&merged.endpoint).headers, [("A".to_owned(), Secret::new("own"))], "headers are replaced whole");
    assert_eq!(merged.endpoint.data_selector, Some(path("items")));
    let taken_back = plan(&config("", "params: null, data_selector: null", "", "", defaults)).resources.remove(0);
    assert_eq!((request(&taken_back.endpoint).params.len(), taken_back.endpoint.data_selector), (0, None));
}

#[test]
fn auth_without_a_type_is_bearer() {
    let auth = |keys: &str| plan(&client(&format!("auth: {keys}"))).client.auth;
    assert!(matches!(auth("{token: t, hosts: [B.test]}"), Some(AuthPlan::Bearer { hosts, .. }) if hosts == ["b.test"]));
    assert!(
        matches!(auth("{type: http_basic, username: '', password: ''}"), Some(AuthPlan::HttpBasic { username, .. }) if username.is_empty())
    );
    let Some(AuthPlan::ApiKey { name, location, .. }) = auth("{type: api_key, api_key: k}") else { panic!() };
    assert_eq!((name.as_str(), location), ("Authorization", KeyLocation::Header));
    assert!(auth("null").is_none());
}

#[test]
fn client_settings_are_read_with_their_units() {
    let client = plan(&client(
        "retry: {max_retries: 0, initial_delay: 250ms, max_wait: 1.5}, timeout: {connect: 2s}, allow_hosts: [CDN.test:8080], rate_limit: {requests: 10, per: minute}",
    ))
    .client;
    assert_eq!((client.retry.max_retries, client.retry.initial_delay), (Some(0), Duration::from_millis(250)));
    assert_eq!((client.retry.max_wait, client.connect_timeout), (Duration::from_millis(1500), Duration::from_secs(2)));
    assert_eq!(client.allow_hosts, ["cdn.test:8080"]);
    assert_eq!(client.rate_limits, [RateLimit { requests: 10, per: Duration::from_secs(60) }]);
    let several = super::client("rate_limit: [{requests: 1, per: second}, {requests: 9, per: 1h}]");
    assert_eq!(plan(&several).client.rate_limits.len(), 2);
}

#[test]
fn partitions_and_order_have_short_forms() {
    let table = plan(&resource(
        "partition_by: [region, {column: id, transform: 'bucket[16]'}, {column: code, transform: truncate, width: 4, as: short}, {column: at, transform: hour}]\nsort_by: [a, -b, {column: c, order: desc}]",
    ))
    .resources
    .remove(0);
    let partitions: Vec<(&str, Transform)> =
        table.partition_by.iter().map(|field| (field.name.as_str(), field.transform)).collect();
    let expected = [
        ("region", Transform::Identity),
        ("id_bucket", Transform::Bucket { buckets: 16 }),
        ("short", Transform::Truncate { width: 4 }),
        ("at_hour", Transform::Hour),
    ];
    assert_eq!(partitions, expected);
    let order: Vec<(&str, bool)> = table.sort_by.iter().map(|field| (field.column.as_str(), field.descending)).collect();
    assert_eq!(order, [("a", false), ("b", true), ("c", true)]);
}

#[test]
fn guards_and_rejects() {
    let table = |keys: &str| plan(&resource(keys)).resources.remove(0);
    assert_eq!(table("write_disposition: replace").expect.max_shrink, Some(0.5));
    assert_eq!(table("write_disposition: replace\nexpect: {max_shrink: null}").expect.max_shrink, None);
    assert_eq!(table("expect: {max_shrink: 10%, min_rows: 5, total: meta.count}").expect.max_shrink, Some(0.1));
    assert_eq!(table("on_reject: quarantine\nmax_rejects: 9").on_reject, OnReject::Quarantine { max_rejects: Some(9) });
    assert_eq!(
        table("schema: schemas/wallets.json").schema,
        Some(SchemaFile { path: "schemas/wallets.json".into(), text: "{}".into() })
    );
    let upsert = table("write_disposition: {disposition: merge, strategy: upsert}\nprimary_key: id");
    assert_eq!(upsert.write_disposition, WriteDisposition::Merge);
}

#[test]
fn a_resource_that_is_not_selected_is_not_loaded() {
    let plan = plan(&root("  - {name: s, selected: false}"));
    assert_eq!(plan.resources.len(), 1);
}

#[test]
fn lakes_are_folders_or_buckets() {
    let location = |url: &str| plan(&lake("").replace("./lake", url)).lake.location;
    assert_eq!(location("a/./b"), LakeLocation::Disk("/etc/lakeward/a/b".into()));
    assert_eq!(location("/srv/lake"), LakeLocation::Disk("/srv/lake".into()));
    assert_eq!(location("file:///srv/my%20lake"), LakeLocation::Disk("/srv/my lake".into()));
    assert_eq!(location("s3://bucket"), LakeLocation::S3 { bucket: "bucket".into(), prefix: String::new() });
    let lake = plan(&lake("compression: zstd(9), target_file_size: 64MiB, publish: together, on_schema_change: leave, max_partitions: 20000, keep_versions: 30, compat: modern, options: {AWS_Region: x, aws_allow_http: true}")).lake;
    assert_eq!((lake.compression, lake.target_file_size), (Compression::Zstd(9), 64 << 20));
    assert!(lake.publish_together && lake.compat == Compat::Modern && lake.on_schema_change == OnSchemaChange::Leave);
    assert_eq!((lake.max_partitions, plan(&super::lake("")).lake.max_partitions), (20_000, 10_000));
    assert_eq!((lake.keep_versions, plan(&super::lake("")).lake.keep_versions), (30, 1));
    let options: Vec<(&str, &str)> = lake.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(options, [("aws_region", "x"), ("aws_allow_http", "true")]);
}

/// The request of the second of two resources, with these values of the parent's fields.
fn child(endpoint: &str, values: &[&str]) -> (ResourcePlan, Request) {
    let text = format!("{}  - {{name: b, endpoint: {endpoint}}}\n", root(""));
    let child = plan(&text).resources.remove(1);
    let request = child.endpoint.request.bind(&|binding| match binding {
        Binding::Parent { parent: 0, field } => values.get(*field).copied(),
        _ => None,
    });
    (child, request.unwrap())
}

#[test]
fn values_of_a_parent_go_into_path_params_body_and_headers() {
    let endpoint = "{path: 'r/{resources.r.id}/x', params: {n: 'a{resources.r.user.name}'}, \
                    json: {id: '{resources.r.id}', '{resources.r.user.name}': ['{resources.r.id}!']}, headers: {X-Id: '{resources.r.id:>3}'}}";
    let (plan, request) = child(endpoint, &["\"bo\"", "7"]);
    let fields: Vec<String> = plan.parents[0].fields.iter().map(ToString::to_string).collect();
    assert_eq!((plan.parents[0].resource.as_str(), fields), ("r", vec!["$.user.name".to_owned(), "$.id".to_owned()]));
    assert_eq!(request.url.as_str(), "http://a.test/v1/r/7/x");
    assert_eq!(request.params, [("n".to_owned(), "abo".to_owned())]);
    assert_eq!(request.json, Some(serde_json::json!({"id": 7, "bo": ["7!"]})));
    assert_eq!(request.headers[0].1.expose(), "  7");
}

#[test]
fn the_older_form_of_a_parents_value_is_the_same() {
    let (plan, request) = child("{path: 'r/{rid}/x', params: {rid: {type: resolve, resource: r, field: id}, z: 1}}", &["7"]);
    assert_eq!(plan.parents.len(), 1);
    assert_eq!(request.url.as_str(), "http://a.test/v1/r/7/x");
    assert_eq!(request.params, [("z".to_owned(), "1".to_owned())]);
}

#[test]
fn data_is_a_form_or_goes_as_it_is() {
    let data = |data: &str| request(&endpoint_of(&endpoint(&format!("method: POST, data: {data}")))).data.unwrap();
    let form =
        |pairs: &[(&str, &str)]| RequestData::Form(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect());
    assert_eq!(data("{a: 1, b: [x, y], c: null}"), form(&[("a", "1"), ("b", "x"), ("b", "y")]));
    assert_eq!(data("[[a, 1], [a, true]]"), form(&[("a", "1"), ("a", "True")]));
    assert_eq!(data("'<q>{{}}</q>'"), RequestData::Raw("<q>{}</q>".to_owned()));
}

#[test]
fn a_resource_that_is_not_selected_is_read_where_another_needs_it() {
    let text = format!(
        "{}  - {{name: b, endpoint: 'r/{{resources.c.id}}/x'}}\n  - {{name: c, selected: false}}\n  - {{name: d, selected: false}}\n",
        root("")
    );
    let plans: Vec<(String, bool)> = plan(&text).resources.into_iter().map(|plan| (plan.name, plan.selected)).collect();
    assert_eq!(plans, [("r".to_owned(), true), ("b".to_owned(), true), ("c".to_owned(), false)]);
}

#[test]
fn a_fingerprint_is_of_what_is_asked_and_not_of_credentials_or_speed() {
    let of = |client: &str, endpoint: &str, lake: &str| {
        let text = format!(
            "name: n\nclient: {{base_url: http://a.test{client}}}\nresources: [{{name: x, endpoint: {{path: x{endpoint}}}}}]\nlake: {{url: ./lake{lake}}}\n"
        );
        plan(&text).fingerprint()
    };
    let plain = of("", "", "");
    let token = |token: &str| of(&format!(", auth: {{type: bearer, token: {token}}}, headers: {{X-Api-Key: {token}}}"), "", "");
    assert_eq!(token("one-token"), token("another-token"));
    for same in [of(", concurrency: 1, timeout: {page: 1m}, retry: {max_retries: 0}", "", ""), of("", "", ", keep_versions: 3")] {
        assert_eq!(same, plain);
    }
    let others = [
        token("one-token"),
        of("/v1", "", ""),
        of(", headers: {X-Shop: a}", "", ""),
        of(", headers: {X-Shop: b}", "", ""),
        of("", ", headers: {X-Shop: a}", ""),
        of("", ", headers: {X-Shop: b}", ""),
        of("", ", params: {kind: a}", ""),
        of("", ", params: {kind: b}", ""),
        of("", ", data_selector: data", ""),
    ];
    let different: std::collections::BTreeSet<u128> = others.into_iter().chain([plain]).collect();
    assert_eq!(different.len(), others.len() + 1);
}
