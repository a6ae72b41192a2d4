use super::*;

#[test]
fn misspelt_keys_name_the_nearest_one() {
    check(
        &client("concurency: 4, timeout: {conect: 3s}"),
        &[
            "2:41: `client.concurency`: unknown key; did you mean `concurrency`?",
            "2:66: `client.timeout.conect`: unknown key; did you mean `connect`?",
        ],
    );
    check(
        &endpoint("paginator: {type: offset, limt: 5}"),
        &["6:51: `resources[0].endpoint.paginator.limt`: unknown key; did you mean `limit`?"],
    );
    check(
        &resource("primary_keys: id\npartitionby: [a]"),
        &[
            "7:5: `resources[0].primary_keys`: unknown key; did you mean `primary_key`?",
            "8:5: `resources[0].partitionby`: unknown key; did you mean `partition_by`?",
        ],
    );
    check(&lake("compresion: snappy"), &["3:21: `lake.compresion`: unknown key; did you mean `compression`?"]);
    check(
        &root("resource_default: {}\nfoo: 1"),
        &[
            "7:1: `resource_default`: unknown key; did you mean `resource_defaults`?",
            "8:1: `foo`: unknown key; expected one of `name`, `client`, `resource_defaults`, `resources`, `lake`, `resume`, `hooks`",
        ],
    );
}

#[test]
fn a_key_two_edits_away_is_told_also_where_its_place_is_another_section() {
    let known = |key: &str, meant: &str| format!("`{key}`: unknown key; did you mean `{meant}`?");
    let moved = |key: &str, written: &str, home: &str| format!("`{key}`: `{written}` does not stand here; write it as `{home}`");
    for (text, expected) in [
        (endpoint("data_selektor: data"), known("resources[0].endpoint.data_selektor", "data_selector")),
        (endpoint("dta_selecter: data"), known("resources[0].endpoint.dta_selecter", "data_selector")),
        (endpoint("haedrs: {a: b}"), known("resources[0].endpoint.haedrs", "headers")),
        (resource("write_dispositon: merge"), known("resources[0].write_dispositon", "write_disposition")),
        (lake("compresion_: snappy"), known("lake.compresion_", "compression")),
        (client("retyr: {max_retries: 1}"), known("client.retyr", "retry")),
        (resource("data_selektor: data"), moved("resources[0].data_selektor", "data_selektor", "endpoint.data_selector")),
        (resource("cursr_path: at"), moved("resources[0].cursr_path", "cursr_path", "endpoint.incremental.cursor_path")),
        (endpoint("primary_keys: id"), moved("resources[0].endpoint.primary_keys", "primary_keys", "resources[].primary_key")),
        (lake("partition_by: at"), moved("lake.partition_by", "partition_by", "resources[].partition_by")),
        (root("retry: {max_retries: 1}"), moved("retry", "retry", "client.retry")),
        (root("write_dispositon: merge"), moved("write_dispositon", "write_dispositon", "resource_defaults.write_disposition")),
    ] {
        let lines = load_text(&text).unwrap_err().lines();
        assert!(lines.iter().any(|line| line.ends_with(&expected)), "`{expected}` is not in {lines:#?}");
    }
}

#[test]
fn misspelt_names_name_the_nearest_one() {
    check(
        &client("auth: {type: apikey, api_key: k}"),
        &["2:54: `client.auth.type`: unknown auth type `apikey`; did you mean `api_key`?"],
    );
    check(
        &client("auth: {type: api_key, api_key: k, location: body}"),
        &["2:85: `client.auth.location`: unknown location `body`; expected one of `header`, `query`, `param`, `cookie`"],
    );
    check(
        &endpoint("paginator: ofset"),
        &["6:36: `resources[0].endpoint.paginator`: unknown paginator type `ofset`; did you mean `offset`?"],
    );
    check(
        &endpoint("method: DELETE"),
        &["6:33: `resources[0].endpoint.method`: unknown method `DELETE`; expected one of `GET`, `POST`"],
    );
    check(
        &resource("write_disposition: upsert\nnested: natve\non_reject: ignore"),
        &[
            "7:24: `resources[0].write_disposition`: unknown write disposition `upsert`; did you mean `merge`?",
            "8:13: `resources[0].nested`: unknown value `natve`; did you mean `native`?",
            "9:16: `resources[0].on_reject`: unknown value `ignore`; expected one of `fail`, `quarantine`",
        ],
    );
    check(
        &resource("partition_by: [{column: a, transform: mnth}]\nsort_by: [{column: b, order: down}]"),
        &[
            "7:43: `resources[0].partition_by[0].transform`: expected `identity`, `year`, `month`, `day`, `hour`, `'bucket[16]'` (1 to 65536 of them) or `'truncate[4]'` (1 or more), found the text `mnth`",
            "8:34: `resources[0].sort_by[0].order`: unknown value `down`; expected one of `asc`, `desc`",
        ],
    );
    check(
        &lake("publish: all, on_schema_change: keep, compat: new, max_partitions: 0, keep_versions: 1001"),
        &[
            "3:30: `lake.publish`: unknown value `all`; expected one of `each`, `together`",
            "3:53: `lake.on_schema_change`: unknown value `keep`; expected one of `rewrite`, `leave`",
            "3:67: `lake.compat`: unknown value `new`; expected one of `legacy`, `modern`",
            "3:88: `lake.max_partitions`: expected a number of partitions, from 1, found the number `0`",
            "3:106: `lake.keep_versions`: expected a number of commits from 0 to 1000, found the number `1001`",
        ],
    );
}

#[test]
fn keys_that_dlt_has_and_lakeward_does_not_yet_are_not_called_misspelt() {
    check(
        &client("session: {}"),
        &[
            "2:41: `client.session`: `session` needs Python and has no place in a config file; see `client.timeout`, `client.retry` and `client.headers`",
        ],
    );
}

#[test]
fn keys_at_the_wrong_level_are_sent_home() {
    check(
        &resource("path: x\npaginator: auto"),
        &[
            "7:5: `resources[0].path`: `path` does not stand here; write it as `endpoint.path`",
            "8:5: `resources[0].paginator`: `paginator` does not stand here; write it as `endpoint.paginator`",
        ],
    );
    check(
        &endpoint("primary_key: id"),
        &["6:25: `resources[0].endpoint.primary_key`: `primary_key` does not stand here; write it as `resources[].primary_key`"],
    );
    check(&root("base_url: x"), &["7:1: `base_url`: `base_url` does not stand here; write it as `client.base_url`"]);
}

#[test]
fn a_position_goes_to_a_body_that_has_room_for_it() {
    let cursor = "method: POST, paginator: {type: cursor, cursor_body_path: page.after}";
    plan(&endpoint(cursor));
    plan(&endpoint(&format!("{cursor}, json: {{page: {{size: 5}}}}")));
    plan(&endpoint(&format!("{cursor}, json: {{page: null}}")));
    check(
        &endpoint(&format!("{cursor}, data: {{a: 1}}")),
        &[
            "6:102: `resources[0].endpoint.data`: the paginator writes `page.after` into a JSON body, and `data` is another one; write `json`",
        ],
    );
    check(
        &endpoint(&format!("{cursor}, json: {{page: 1}}")),
        &["6:102: `resources[0].endpoint.json`: the paginator writes `page.after` into the body, and `page` there is no map"],
    );
}

#[test]
fn wrong_types_tell_what_was_expected_and_found() {
    check("- a", &["1:1: expected a map, found a list"]);
    check(
        "name: [n]\nclient: x\nlake: y\nresources: z",
        &[
            "1:7: `name`: expected text, found a list",
            "2:9: `client`: expected a map, as in `client: {base_url: https://api.example.com}`, found text",
            "3:7: `lake`: expected a map, as in `lake: {url: ./lake}`, found text",
            "4:12: `resources`: expected a list, found text",
        ],
    );
    check(
        &client("concurrency: four, retry: 3, allow_hosts: a.b"),
        &[
            "2:54: `client.concurrency`: expected a whole number, 0 or more, found the text `four`",
            "2:67: `client.retry`: expected a map, found a number",
            "2:83: `client.allow_hosts`: expected a list, found text",
        ],
    );
    check(
        &client("auth: {token: 5}, headers: {X-A: 5, X-B: null}"),
        &[
            "2:55: `client.auth.token`: expected text (in quotes), found a number",
            "2:74: `client.headers.X-A`: expected text (in quotes), found a number",
            "2:82: `client.headers.X-B`: expected text, found nothing",
        ],
    );
    check(
        &client("auth: [x], paginator: 5, timeout: {connect: soon, read: true}"),
        &[
            "2:47: `client.auth`: expected a map or the name of a type, found a list",
            "2:63: `client.paginator`: expected a map or the name of a type, found a number",
            r#"2:85: `client.timeout.connect`: expected a duration such as "30s", "500ms", "10m" or "1h", or a number of seconds, found the text `soon`"#,
            r#"2:97: `client.timeout.read`: expected a duration such as "30s", "500ms", "10m" or "1h", or a number of seconds, found `true`"#,
        ],
    );
}

#[test]
fn wrong_types_in_resources_and_lake_tell_what_was_expected_and_found() {
    check(
        &endpoint("paginator: {type: offset, limit: '5', offset: -1, stop_after_empty_page: yes}"),
        &[
            "6:58: `resources[0].endpoint.paginator.limit`: expected a whole number, without quotes, found the text `5`",
            "6:71: `resources[0].endpoint.paginator.offset`: expected a whole number, 0 or more, found the number `-1`",
            "6:98: `resources[0].endpoint.paginator.stop_after_empty_page`: expected `true` or `false`, found the text `yes`",
        ],
    );
    check(
        &endpoint("paginator: {type: [a]}, json: [1], params: 5"),
        &[
            "6:43: `resources[0].endpoint.paginator.type`: expected the name of a type, found a list",
            "6:55: `resources[0].endpoint.json`: expected a map, found a list",
            "6:68: `resources[0].endpoint.params`: expected a map, found a number",
        ],
    );
    check(
        &resource("primary_key: 5\npartition_by: [5]\nsort_by: ['-', [a]]\nexpect: 4\nschema: [a]"),
        &[
            "7:18: `resources[0].primary_key`: expected text (in quotes), found the number `5`",
            "8:20: `resources[0].partition_by[0]`: expected text or a map, found the number `5`",
            "9:15: `resources[0].sort_by[0]`: expected a column, or `-column` for the greatest first, found the text `-`",
            "9:20: `resources[0].sort_by[1]`: expected text or a map, found a list",
            "10:13: `resources[0].expect`: expected a map, found a number",
            "11:13: `resources[0].schema`: expected text, found a list",
        ],
    );
    check(
        &lake("adopt: 1, compression: zstd(40), target_file_size: 5TB, options: {a: [1]}"),
        &[
            "3:28: `lake.adopt`: expected `true` or `false`, found the number `1`",
            "3:44: `lake.compression`: expected `zstd(1)` to `zstd(22)`, `snappy` or `none`, found the text `zstd(40)`",
            r#"3:72: `lake.target_file_size`: expected a size such as "256MB" (kB, MB, GB, KiB, MiB or GiB), found the text `5TB`"#,
            "3:90: `lake.options.a`: expected text, found a list",
        ],
    );
}

#[test]
fn missing_keys_are_named_where_they_are_missing() {
    check(
        "name: n",
        &[
            "1:1: `client` is missing: how the API is reached",
            "1:1: `lake` is missing: where the tables go",
            "1:1: `resources` is missing: the endpoints to read",
        ],
    );
    check(
        &client("auth: bearer, rate_limit: [{per: 1s}]"),
        &[
            "2:47: `client.auth`: `token` is missing: the bearer token",
            "2:68: `client.rate_limit[0]`: `requests` is missing: requests admitted",
        ],
    );
    check(
        &client("auth: {type: http_basic}"),
        &[
            "2:47: `client.auth`: `username` is missing: the user name, which may be empty",
            "2:47: `client.auth`: `password` is missing: the password, which may be empty",
        ],
    );
    check(
        &endpoint("paginator: offset"),
        &["6:36: `resources[0].endpoint.paginator`: `limit` is missing: the number of records to ask for a page"],
    );
    check(
        &endpoint("paginator: {limit: 5}"),
        &[
            "6:36: `resources[0].endpoint.paginator`: `type` is missing: one of `auto`, `single_page`, `offset`, `page_number`, `cursor`, `json_link`, `json_response`, `header_link`, `header_cursor`, `relay`",
        ],
    );
    check(
        &resource(
            "partition_by: [{transform: day}, {column: b, transform: bucket}]\nsort_by: [{order: asc}]\nwrite_disposition: {strategy: upsert}",
        ),
        &[
            "7:20: `resources[0].partition_by[0]`: `column` is missing: the column to partition by",
            "7:38: `resources[0].partition_by[1]`: `buckets` is missing: the number of buckets; or write `'bucket[16]'`",
            "8:15: `resources[0].sort_by[0]`: `column` is missing: the column to sort by",
            "9:24: `resources[0].write_disposition`: `disposition` is missing: how rows enter the table",
        ],
    );
    check(
        &root("  - endpoint: x\n  - null\nresource_defaults: {endpoint: {paginator: {type: offset}}}"),
        &[
            "7:5: `resources[1]`: `name` is missing: the resource's name, and its table's",
            "8:5: `resources[2]`: expected a resource, found nothing",
            "9:43: `resource_defaults.endpoint.paginator`: `limit` is missing: the number of records to ask for a page",
        ],
    );
}

#[test]
fn client_values_out_of_range_are_refused() {
    check(
        &client("concurrency: 65, retry: {max_retries: 99, backoff_factor: 0.5, statuses: [200, 999999]}, timeout: {read: 0}"),
        &[
            "2:54: `client.concurrency`: expected a whole number from 1 to 64, found the number `65`",
            "2:79: `client.retry.max_retries`: expected a whole number from 0 to 20, found the number `99`",
            "2:99: `client.retry.backoff_factor`: expected a number from 1 to 10, found the number `0.5`",
            "2:115: `client.retry.statuses[0]`: expected a status code from 400 to 599, found the number `200`",
            "2:120: `client.retry.statuses[1]`: expected a status code from 400 to 599, found the number `999999`",
            "2:146: `client.timeout.read`: expected a duration of more than 0, found the number `0`",
        ],
    );
    check(
        &client("rate_limit: [{requests: 0, per: 0s}, {requests: 1, per: fortnight}, {requests: 1, per: 30d}]"),
        &[
            "2:65: `client.rate_limit[0].requests`: expected a whole number, 1 or more, found the number `0`",
            "2:73: `client.rate_limit[0].per`: expected a duration of more than 0, found the text `0s`",
            r#"2:97: `client.rate_limit[1].per`: expected `second`, `minute`, `hour`, or a duration such as "10s", found the text `fortnight`"#,
            r#"2:128: `client.rate_limit[2].per`: expected `second`, `minute`, `hour`, or a duration such as "10s", found the text `30d`"#,
        ],
    );
    check(
        &client(r#"headers: {'bad name': x, A: "a\nb"}, allow_hosts: [a.b, 'https://c', 'x:y', '']"#),
        &[
            r#"2:63: `client.headers["bad name"]`: expected a header name (letters, digits and `-`), found `bad name`"#,
            "2:69: `client.headers.A`: expected one line of text, found text with a line break or another control character",
            "2:97: `client.allow_hosts[1]`: expected a host such as `files.example.com` or `localhost:8080`, found the text `https://c`",
            "2:110: `client.allow_hosts[2]`: expected a host such as `files.example.com` or `localhost:8080`, found the text `x:y`",
            "2:117: `client.allow_hosts[3]`: expected text that is not empty, found empty text",
        ],
    );
    check(&client("auth: {token: ''}"), &["2:55: `client.auth.token`: expected a credential, found empty text"]);
    check(
        &client("auth: {type: http_basic, username: 'a:b', password: ''}"),
        &["2:76: `client.auth.username`: a user name of HTTP basic authentication cannot hold `:` (RFC 7617)"],
    );
    check(
        &client("auth: {type: api_key, api_key: k, name: 'a b', hosts: ['http://x']}"),
        &[
            "2:81: `client.auth.name`: expected a header or cookie name (letters, digits and `-`), found the text `a b`",
            "2:96: `client.auth.hosts[0]`: expected a host such as `files.example.com` or `localhost:8080`, found the text `http://x`",
        ],
    );
}

#[test]
fn invalid_bytes_are_set_aside_only_where_their_record_is_known() {
    let quarantine = |keys: &str, endpoint_keys: &str| {
        endpoint(&format!("response_format: {{invalid_utf8: quarantine{keys}}}{endpoint_keys}"))
    };
    let resource = &plan(&quarantine(", nul_characters: strip, duplicate_members: error", "")).resources[0];
    let format = &resource.endpoint.response_format;
    assert_eq!((format.invalid, format.strip_nul, format.unique_names), (InvalidBytes::Quarantine, true, true));
    assert_eq!(resource.on_reject, OnReject::Quarantine { max_rejects: None });
    plan(&quarantine(", encoding: utf-8", ", data_selector: 'data.items[*]'"));
    let check = |keys: &str, endpoint_keys: &str, why: &str| {
        let place = "6:57: `resources[0].endpoint.response_format.invalid_utf8`: `invalid_utf8: quarantine`";
        check(&quarantine(keys, endpoint_keys), &[&format!("{place} {why}")]);
    };
    check(", encoding: latin1", "", "is for UTF-8, and `encoding` is another one");
    check(", json: lenient", "", "does not go with `json: lenient`");
    let path = "needs the records at one path of names, `[0]` and `[*]`";
    check("", ", data_selector: '$..items'", path);
    check("", ", records: {map_values: data}", path);
}

#[test]
fn keys_of_other_bodies_that_mean_nothing_are_refused() {
    check(
        &endpoint(
            "response_format: {type: csv, skip_rows: -1, skip_footer: 2000000, header_match: '(', footer_match: '', comment: ','}",
        ),
        &[
            "6:65: `resources[0].endpoint.response_format.skip_rows`: expected a whole number, 0 or more, found the number `-1`",
            "6:82: `resources[0].endpoint.response_format.skip_footer`: expected a number of lines from 0 to 1000000, found the number `2000000`",
            "6:105: `resources[0].endpoint.response_format.header_match`: not a regular expression: unclosed group",
            "6:124: `resources[0].endpoint.response_format.footer_match`: expected a regular expression that is not empty, found empty text",
            "6:137: `resources[0].endpoint.response_format.comment`: the `delimiter` cannot begin a comment as well",
        ],
    );
    check(
        &endpoint("response_format: {type: csv, comment: '\"', skip_row: 1}"),
        &[
            "6:63: `resources[0].endpoint.response_format.comment`: the `quote` cannot begin a comment as well",
            "6:68: `resources[0].endpoint.response_format.skip_row`: unknown key; did you mean `skip_rows`?",
        ],
    );
    check(
        &endpoint("response_format: {type: event_stream, comment: '#'}, data_selector: data"),
        &[
            "6:72: `resources[0].endpoint.response_format.comment`: this key goes with `type: csv` and `type: auto` only",
            "6:93: `resources[0].endpoint.data_selector`: every line or row is a record; only `$` goes with this `response_format`",
        ],
    );
    check(
        &endpoint("response_format: xml"),
        &[
            "6:42: `resources[0].endpoint.response_format`: XML has records where `endpoint.data_selector` says, such as `data_selector: rss.channel.item`",
        ],
    );
    check(
        &endpoint("response_format: xml, data_selector: 'rss.item[0]'"),
        &["6:62: `resources[0].endpoint.data_selector`: records of XML are at a path of names, such as `rss.channel.item`"],
    );
    check(
        &endpoint("response_format: xlm"),
        &["6:42: `resources[0].endpoint.response_format`: unknown response format `xlm`; did you mean `xml`?"],
    );
}

#[test]
fn formats_and_records_that_contradict_themselves_are_refused() {
    check(
        &endpoint("response_format: {type: ndjson, delimiter: ';', xssi_prefix: true}, data_selector: data"),
        &[
            "6:68: `resources[0].endpoint.response_format.delimiter`: this key goes with `type: csv` and `type: auto` only",
            "6:86: `resources[0].endpoint.response_format.xssi_prefix`: this key goes with `type: json` and `type: auto` only",
            "6:108: `resources[0].endpoint.data_selector`: every line or row is a record; only `$` goes with this `response_format`",
        ],
    );
    check(
        &endpoint("response_format: {type: csv, delimiter: ';;', header: 7, encoding: klingon}, records: {paths: a}"),
        &[
            "6:65: `resources[0].endpoint.response_format.delimiter`: expected one ASCII character, or `tab`, found the text `;;`",
            "6:79: `resources[0].endpoint.response_format.header`: expected true, false, `first_page` or a list of names, found the number `7`",
            "6:92: `resources[0].endpoint.response_format.encoding`: expected an encoding such as `utf-8`, `utf-16le`, `latin1` or `windows-1252`, found the text `klingon`",
            "6:119: `resources[0].endpoint.records.paths`: every line or row is a record; there is no path to them",
        ],
    );
    check(
        &endpoint("data_selector: data, records: {paths: [a, b], map_values: c, single: true, php_empty: true, php_empty_at: x}"),
        &[
            "6:63: `resources[0].endpoint.records.paths`: `data_selector` says already where the records are",
            "6:83: `resources[0].endpoint.records.map_values`: `data_selector` says already where the records are",
            "6:83: `resources[0].endpoint.records.map_values`: `paths` says already where the records are",
            "6:94: `resources[0].endpoint.records.single`: `single` does not go with `map_values`, which has a record for each key",
            "6:131: `resources[0].endpoint.records.php_empty_at`: `php_empty: true` means every path",
        ],
    );
    check(
        &endpoint("data_selector: 'rows.`len`', records: {key_as: id}"),
        &[
            "6:40: `resources[0].endpoint.data_selector`: `rows.`len`` uses the operator `len`, which lakeward does not have: a path finds values and does not compute",
            "6:72: `resources[0].endpoint.records.key_as`: `key_as` goes with `map_values` only",
        ],
    );
}

#[test]
fn resource_and_lake_values_out_of_range_are_refused() {
    check(
        &endpoint("paginator: {type: offset, limit: 0, total_path: a.}"),
        &[
            "6:58: `resources[0].endpoint.paginator.limit`: expected a whole number, 1 or more, found the number `0`",
            "6:73: `resources[0].endpoint.paginator.total_path`: `a.` is not a JSON path: a name is missing at character 3",
        ],
    );
    check(
        &endpoint("paginator: {type: page_number, page: 0, base_page: 1, page_body_path: a..b}"),
        &[
            "6:62: `resources[0].endpoint.paginator.page`: expected a page number from `base_page`, 1, found the number `0`",
            "6:95: `resources[0].endpoint.paginator.page_body_path`: expected a dotted path into the JSON body, such as `paging.offset`, found the text `a..b`",
        ],
    );
    check(
        &endpoint("data_selector: 'a[', json: {a: 123456789012345678901234567890}"),
        &[
            "6:40: `resources[0].endpoint.data_selector`: `a[` is not a JSON path: an index, `*` or a quoted name is missing at character 3",
            "6:56: `resources[0].endpoint.json.a`: expected an integer of at most 64 bits, or the number as text, found the number `123456789012345678901234567890`",
        ],
    );
    check(
        &resource("expect: {min_rows: -1, max_shrink: 150%, total: 'a['}"),
        &[
            "7:24: `resources[0].expect.min_rows`: expected a whole number, 0 or more, found the number `-1`",
            r#"7:40: `resources[0].expect.max_shrink`: expected a part such as "50%" or 0.5, at most "100%" or 1, found the text `150%`"#,
            "7:53: `resources[0].expect.total`: `a[` is not a JSON path: an index, `*` or a quoted name is missing at character 3",
        ],
    );
    check(
        &resource(
            "partition_by: [{column: c, transform: 'bucket[0]'}, {column: d, transform: bucket, buckets: 0}]\nprimary_key: []",
        ),
        &[
            "7:43: `resources[0].partition_by[0].transform`: expected `identity`, `year`, `month`, `day`, `hour`, `'bucket[16]'` (1 to 65536 of them) or `'truncate[4]'` (1 or more), found the text `bucket[0]`",
            "7:97: `resources[0].partition_by[1].buckets`: expected a whole number from 1 to 65536, found the number `0`",
            "8:18: `resources[0].primary_key`: expected at least one column, found an empty list",
        ],
    );
    check(
        &lake("target_file_size: 1B"),
        &["3:39: `lake.target_file_size`: expected a size from 1kB to 16GB, found the text `1B`"],
    );
}

#[test]
fn what_ends_pages_is_refused_in_each_wrong_form() {
    // Each with the text at which the fault is.
    let wrong = |keys: &str, at: &str, key: &str, said: &str| {
        let column = 37 + keys.find(at).unwrap();
        let fault = format!("6:{column}: `resources[0].endpoint.paginator.{key}`: {said}");
        check(&endpoint(&format!("paginator: {{{keys}}}")), &[&fault]);
    };
    let path = r#"expected a JSON path such as "data.items", found"#;
    wrong("type: json_link, has_more_path: 5", "5", "has_more_path", &format!("{path} the number `5`"));
    wrong("type: json_link, end_path: [a]", "[", "end_path", &format!("{path} a list"));
    let unread = "`a[` is not a JSON path: an index, `*` or a quoted name is missing at character 3";
    wrong("type: json_link, total_records_path: 'a['", "'", "total_records_path", unread);
    wrong("type: header_link, end_pth: isLast", "end_pth", "end_pth", "unknown key; did you mean `end_path`?");
    let flag = "expected `true` or `false`, found the number `2`";
    wrong("type: cursor, stop_after_empty_page: 2", "2", "stop_after_empty_page", flag);
    let name = "expected the name of a header, such as `X-Total-Count`, found";
    wrong("type: cursor, total_records_header: 'X Total'", "'", "total_records_header", &format!("{name} the text `X Total`"));
    wrong("type: cursor, total_pages_header: ''", "'", "total_pages_header", &format!("{name} empty text"));
    let both = "`total_records_path` and `total_records_header` exclude each other; keep one";
    wrong("type: cursor, total_records_path: A, total_records_header: B", "B", "total_records_header", both);
    let other = "`total_path` is of `offset`, where it counts records, and of `page_number`, where it counts pages; write `total_records_path` or `total_pages_path`";
    wrong("type: header_cursor, total_path: A", "total_path", "total_path", other);
    let twice = "`total_path` and `total_records_header` are both the total of records; keep one";
    wrong("type: offset, limit: 5, total_path: A, total_records_header: B", "A", "total_path", twice);
    let twice = "`total_path` and `total_pages_path` are both the total of pages; keep one";
    wrong("type: page_number, total_path: A, total_pages_path: B", "A", "total_path", twice);
    let behind =
        "`total_records_path` counts the records before this `page`, too, and nobody knows how many these are; keep one of them";
    wrong("type: page_number, page: 3, total_records_path: A", "3", "page", behind);
    let behind =
        "`total_pages_header` counts the pages before this `offset`, too, and nobody knows how many these are; keep one of them";
    wrong("type: offset, limit: 5, offset: 10, total_pages_header: A", "10", "offset", behind);
    plan(&endpoint("paginator: {type: offset, limit: 5, total_path: null, stop_after_empty_page: false, end_path: a}"));
    let estimate = config("", "paginator: {type: json_link, total_records_path: total}", "expect: {total: estimate}", "", "");
    check(
        &estimate,
        &[
            "7:21: `resources[0].expect.total`: the paginator's `total_records_path` ends the pages at a total of records, and `estimate` says that it is none; keep one of them",
        ],
    );
}

#[test]
fn keys_that_do_not_go_together_are_refused() {
    check(
        &endpoint("paginator: {type: offset, limit: 5, total_path: null, stop_after_empty_page: false}"),
        &[
            "6:36: `resources[0].endpoint.paginator`: nothing ends this paginator; set one of `total_path`, `total_records_header`, `maximum_offset`, `has_more_path` and `end_path`, or `stop_after_empty_page: true`",
        ],
    );
    check(
        &endpoint("paginator: {type: cursor, cursor_param: a, cursor_body_path: b}"),
        &[
            "6:65: `resources[0].endpoint.paginator.cursor_param`: `cursor_param` and `cursor_body_path` exclude each other; keep one",
        ],
    );
    check(
        &endpoint("paginator: {type: offset, limit: 5, limit_param: offset}"),
        &["6:36: `resources[0].endpoint.paginator`: the offset and the limit cannot go to the same place"],
    );
    check(
        &endpoint("paginator: {type: cursor, cursor_param: ''}"),
        &["6:65: `resources[0].endpoint.paginator.cursor_param`: expected text that is not empty, found empty text"],
    );
    check(
        &client("headers: {x-b: a, X-B: b}"),
        &["2:64: `client.headers.X-B`: header `X-B` is given twice; case does not count"],
    );
    check(
        &resource("write_disposition: merge"),
        &["7:24: `resources[0].write_disposition`: `merge` needs a `primary_key`, and resource `r` has none"],
    );
    check(
        &resource("write_disposition: {disposition: append, strategy: upsert}\nmax_rejects: 4"),
        &[
            "7:56: `resources[0].write_disposition.strategy`: `strategy` goes with `disposition: merge` only",
            "8:18: `resources[0].max_rejects`: `max_rejects` goes with `on_reject: quarantine` only; `fail` stops at the first reject",
        ],
    );
    check(
        &resource("primary_key: [id, id]\nsort_by: [a, -a]"),
        &[
            "7:23: `resources[0].primary_key[1]`: column `id` is given twice",
            "8:18: `resources[0].sort_by[1]`: column `a` is given twice",
        ],
    );
    check(
        &resource("partition_by: [{column: c, buckets: 4}, {column: d, transform: day, width: 2}]"),
        &[
            "7:41: `resources[0].partition_by[0].buckets`: `buckets` goes with `transform: bucket` only",
            "7:80: `resources[0].partition_by[1].width`: `width` goes with `transform: truncate` only",
        ],
    );
    check(
        &resource(
            "partition_by: [a, A, {column: _id}, {column: 'x/y', transform: 'bucket[2]'}, {column: z, transform: day, as: a}]",
        ),
        &[
            "7:23: `resources[0].partition_by[1]`: two levels of partition folders are named `A`; rename one with `as`",
            "7:35: `resources[0].partition_by[2].column`: `_id` cannot name folders: readers pass over a leading `_` or `.`, and `/`, `=` and quotes break paths; name them with `as`",
            "7:50: `resources[0].partition_by[3].column`: `x/y_bucket` cannot name folders: readers pass over a leading `_` or `.`, and `/`, `=` and quotes break paths; name them with `as`",
            "7:82: `resources[0].partition_by[4]`: two levels of partition folders are named `a`; rename one with `as`",
        ],
    );
    check(&resource("selected: false"), &["5:3: `resources`: nothing to load: every resource is `selected: false`"]);
    check(
        &root("  - r\n  - r\nresource_defaults: {name: x}"),
        &[
            "7:5: `resources[1]`: resource `r` is given twice",
            "8:5: `resources[2]`: resource `r` is given twice",
            "9:27: `resource_defaults.name`: a name belongs to one resource, not to `resource_defaults`",
        ],
    );
}

#[test]
fn a_merge_without_a_key_in_the_defaults_names_the_resource() {
    check(
        &root("resource_defaults: {write_disposition: merge}"),
        &["7:40: `resource_defaults.write_disposition`: `merge` needs a `primary_key`, and resource `r` has none"],
    );
}

#[test]
fn objects_and_braces_in_params_are_explained() {
    check(
        &endpoint("params: {a: {b: 1}, c: '{x}', d: [[1]], e: 'a}', f: '{open'}"),
        &[
            r#"6:37: `resources[0].endpoint.params.a`: expected text, a number, a boolean or a list; an object is sent as text, `'{{"key": 1}}'`, found a map"#,
            "6:48: `resources[0].endpoint.params.c`: `{x}` cannot be filled in; write `{{` and `}}` for braces",
            "6:59: `resources[0].endpoint.params.d[0]`: expected text, a number or a boolean within the list, found a list",
            "6:68: `resources[0].endpoint.params.e`: a `}` without its `{`; write `}}` for the character",
            "6:77: `resources[0].endpoint.params.f`: a `{` without its `}`; write `{{` for the character",
        ],
    );
    check(
        &endpoint("headers: {B: 'x{y}', C: 'a}b'}, json: {c: [{d: '{x}'}]}"),
        &[
            "6:38: `resources[0].endpoint.headers.B`: `{…}` cannot be filled in; write `{{` and `}}` for braces",
            "6:49: `resources[0].endpoint.headers.C`: a `}` without its `{`; write `}}` for the character",
            "6:72: `resources[0].endpoint.json.c[0].d`: `{x}` cannot be filled in; write `{{` and `}}` for braces",
        ],
    );
    check(
        &endpoint("").replace("path: p", "path: 'a/{id}/x'"),
        &[
            "6:22: `resources[0].endpoint.path`: `{id}` is not in `params`; write `{resources.NAME.id}` for a value of another resource, `{{` and `}}` for braces",
        ],
    );
    check(
        &endpoint("").replace("path: p", "path: 'a/{resources.p.id}'"),
        &["6:22: `resources[0].endpoint.path`: unknown resource `p`; did you mean `r`?"],
    );
    check(
        &endpoint("").replace("path: p", "path: 'https://u:pw@x'"),
        &["6:22: `resources[0].endpoint.path`: credentials do not belong into a URL; write `endpoint.auth`"],
    );
    check(
        &endpoint("").replace("path: p", "path: 'https://'"),
        &[
            "6:22: `resources[0].endpoint.path`: expected a path below `client.base_url`, or an `http(s)://` URL, found the text `https://`",
        ],
    );
}

#[test]
fn lake_and_api_addresses() {
    for (slip, meant) in [
        ("s3:/bucket/x", "s3://bucket/x"),
        ("s3:bucket", "s3://bucket"),
        ("s3//bucket/x", "s3://bucket/x"),
        ("S3:/bucket", "s3://bucket"),
        ("file:/data/lake", "file:///data/lake"),
    ] {
        let why = format!(
            "3:13: `lake.url`: `{slip}` lacks the slashes of a URL; did you mean `{meant}`? A folder of this name is `./{slip}`"
        );
        check(&lake("").replace("./lake", &format!("\"{slip}\"")), &[&why]);
        assert!(load_text(&lake("").replace("./lake", &format!("\"./{slip}\""))).is_ok());
    }
    check(
        &lake("").replace("./lake", "gs://b/x"),
        &[
            "3:13: `lake.url`: Google Cloud Storage completes no multipart upload on a condition, so that a publish could overwrite what another run has published; write a folder or `s3://bucket/prefix`",
        ],
    );
    check(
        &lake("").replace("./lake", "s3://Bad_Bucket/x"),
        &["3:13: `lake.url`: expected a folder, `file:///folder` or `s3://bucket/prefix`, found the text `s3://Bad_Bucket/x`"],
    );
    check(
        &lake("").replace("./lake", "s3://bucket/a/../b"),
        &["3:13: `lake.url`: expected a folder, `file:///folder` or `s3://bucket/prefix`, found the text `s3://bucket/a/../b`"],
    );
    check(
        &client("").replace("http://a.test/v1/", "ftp://x"),
        &["2:20: `client.base_url`: expected an `http://` or `https://` URL, found the text `ftp://x`"],
    );
    check(
        &client("").replace("http://a.test/v1/", "a.test"),
        &["2:20: `client.base_url`: expected an `http://` or `https://` URL, found the text `a.test`"],
    );
    check(
        &client("").replace("http://a.test/v1/", "http://u:pw@x"),
        &[
            "2:20: `client.base_url`: credentials do not belong into a URL; write `auth: {type: http_basic, username: …, password: …}`",
        ],
    );
    check(
        &client("").replace("http://a.test/v1/", "http://x?a=1"),
        &["2:20: `client.base_url`: paths are joined to this URL, so it cannot hold `?` or `#`; write `endpoint.params`"],
    );
}

#[test]
fn names_are_safe_path_segments() {
    check(
        "name: _n/x\nclient: {base_url: 'http://a.test'}\nlake: {url: x}\nresources: [a=b, '.c', 'd e', _lakeward, '']",
        &[
            "1:7: `name`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `_n/x`",
            "4:13: `resources[0]`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `a=b`",
            "4:18: `resources[1]`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `.c`",
            "4:24: `resources[2]`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `d e`",
            "4:31: `resources[3]`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found the text `_lakeward`",
            "4:42: `resources[4]`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, at most 128 characters, found empty text",
        ],
    );
}

#[test]
fn yaml_that_a_config_has_no_use_for_is_refused() {
    check("", &["1:1: expected a config, found nothing"]);
    check("# only a comment", &["1:1: expected a config, found nothing"]);
    check("name: [", &["2:1: `name`: not valid YAML: while parsing a node, did not find expected node content"]);
    check(
        &resource("partition_by: [{column: id, transform: bucket[16]}]"),
        &[
            "7:50: `resources[0].partition_by[0]`: not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'; put a transform with a number in quotes where it stands within `{ }` or `[ ]`: `transform: 'bucket[16]'`",
        ],
    );
    let advice = "; is line 1 indented as the line above?";
    check("a: b: c", &[&format!("1:5: not valid YAML: mapping values are not allowed in this context{advice}")]);
    check("name: n\n---\nb: 1", &["2:1: a second YAML document cannot be used in a config"]);
    check("? [a]\n: b", &["1:3: a key that is not plain text cannot be used in a config"]);
    check("name: *a", &["1:7: `name`: not valid YAML: while parsing node, found unknown anchor"]);
    check("name: &a [*a]", &["1:11: `name`: an alias of the value it stands in cannot be used in a config"]);
    check(&root("name: again"), &["7:1: `name`: this key is given twice, first on line 1"]);
    check(
        &client("headers: {A: !env X}, retry: {<<: 5}"),
        &[
            "2:54: `client.headers.A`: a YAML tag cannot be used in a config",
            "2:71: `client.retry.<<`: expected a map to merge, found a number",
        ],
    );
}

#[test]
fn nesting_size_and_aliases_are_bounded() {
    let deep = "[".repeat(100);
    check(&deep, &[&format!("1:65: `{}`: nesting passes the limit of 64 levels", "[0]".repeat(63))]);
    let wide = format!("name: [{}]", "1,".repeat(100_001));
    let laughs: String = (1..9).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let inner = format!("*a{}, ", level - 1).repeat(9);
        format!("{text}a{level}: &a{level} [{inner}]\n")
    });
    let long = format!("name: {}", "x".repeat(4 << 20));
    for (text, expected) in [
        (wide, "the number of values passes the limit of 100000"),
        (laughs, "the number of values passes the limit of 100000"),
        (long, "the file passes the limit of 4 MiB"),
    ] {
        let errors = load_text(&text).unwrap_err().to_string();
        assert!(errors.ends_with(expected), "{errors}");
    }
}

#[test]
fn faults_are_told_together_one_a_line_with_the_file() {
    let errors = load_text(&config("concurrency: 0", "methd: GET", "", "", "")).unwrap_err();
    let expected = "\
/etc/lakeward/test.yaml:2:54: `client.concurrency`: expected a whole number from 1 to 64, found the number `0`
/etc/lakeward/test.yaml:6:25: `resources[0].endpoint.methd`: unknown key; did you mean `method`?";
    assert_eq!(errors.to_string(), expected);
    assert_eq!(errors.faults().len(), 2);
}

proptest::proptest! {
    /// Whatever is cut out of a config, doubled or put into it: an answer, not a panic.
    #[test]
    fn no_text_panics(from in 0..900_usize, length in 0..40_usize, what in "[\\[\\]{}:,#&*!|>'\"%@`$ \\n\\t\\-?a0.é]{0,6}") {
        let config: Vec<char> = include_str!("../../../examples/billing.yaml").chars().collect();
        let from = from.min(config.len());
        let to = (from + length).min(config.len());
        let cut: String = config[..from].iter().copied().chain(what.chars()).chain(config[to..].iter().copied()).collect();
        let _ = load_text(&cut);
        let doubled: String = config[..to].iter().chain(&config[from..]).collect();
        let _ = load_text(&doubled);
    }
}

#[test]
fn placeholders_of_parents_are_checked_before_any_request() {
    let two = |first: &str, second: &str| root(&format!("  - name: a\n    {first}\n  - name: b\n    {second}\n"));
    check(
        &two("endpoint: a", "endpoint: {path: 'a/{resources.aa.id}'}"),
        &["10:22: `resources[2].endpoint.path`: unknown resource `aa`; did you mean `a`?"],
    );
    check(
        &two("endpoint: a", "endpoint: {path: 'a/{resources.a}'}"),
        &[
            "10:22: `resources[2].endpoint.path`: `{resources.a}` names a resource and no field of its records; write `{resources.NAME.FIELD}`",
        ],
    );
    check(
        &two("endpoint: a", "endpoint: {path: 'a/{incremental.start_value}'}"),
        &[
            "10:22: `resources[2].endpoint.path`: `{incremental.start_value}` needs `endpoint.incremental`, which this endpoint does not have",
        ],
    );
    check(
        &two("endpoint: a", "endpoint: {path: 'a/{resources.a.id:.2f}'}"),
        &[
            "10:22: `resources[2].endpoint.path`: `{resources.a.id:.2f}` has a format other than fill, alignment, `0`, width, precision, `s` and `d`",
        ],
    );
    check(
        &two("endpoint: {path: '{resources.b.id}/x'}", "endpoint: {path: '{resources.a.id}/x'}"),
        &["7:5: `resources[1]`: resource `a` waits for itself, by way of `b`"],
    );
    check(
        &two("endpoint: a", "endpoint: {path: '{resources.a.id}/{resources.r.id}/x'}"),
        &[
            "10:22: `resources[2].endpoint.path`: a resource has one parent, and this one names `a` and `r`; with `parents: cross_product` it is requested for every combination of their records",
        ],
    );
    check(
        &two("endpoint: a", "include_from_parent: [id]"),
        &[
            "10:27: `resources[2].include_from_parent[0]`: `include_from_parent` needs one parent: a placeholder such as `{resources.NAME.FIELD}` in path, params, json, data or headers; of several, name one with `parent`",
        ],
    );
    check(
        &two("endpoint: a", "endpoint: {path: x, params: {a: {type: resolve, resource: a, field: id}}}"),
        &[
            "10:37: `resources[2].endpoint.params.a`: a parameter of `type: resolve` has to stand in the path as `{its name}`; elsewhere write `{resources.NAME.FIELD}`",
        ],
    );
    check(
        &two("endpoint: a", "endpoint: {path: 'x/{a}', params: {a: {type: resolve, resorce: a, field: id}}}"),
        &["10:68: `resources[2].endpoint.params.a.resorce`: unknown key; did you mean `resource`?"],
    );
    check(
        &two("endpoint: a", "endpoint: {path: 'https://{resources.a.id}.example.com/x'}"),
        &["10:22: `resources[2].endpoint.path`: the host of a URL has to be written out"],
    );
}
