//! Which record of a key becomes its row: `dedup_sort`, `hard_delete`, and the strategies of `merge`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::billing::{Billing, things_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::leave_for_readers;
use crate::support::sandbox::{Ended, Sandbox};
use crate::table_keys::Things;

const MERGE: &str = "primary_key: id\nwrite_disposition: merge";

/// What the summary says became of the rows: new, changed, unchanged, deleted, not there to delete, repeated.
fn became(ended: &Ended) -> [u64; 6] {
    assert_eq!(ended.code(), Some(0), "{ended}");
    let table = ended.table("things");
    ["rows_inserted", "rows_updated", "rows_unchanged", "rows_deleted", "deletes_unmatched", "rows_deduplicated"]
        .map(|count| table[count].as_u64().unwrap())
}

/// The column `v` by key.
fn values(things: &Things) -> BTreeMap<i64, Value> {
    things.sandbox.by_key("things", "id").into_iter().map(|(id, row)| (id, row["v"].clone())).collect()
}

fn expected(values: &[(i64, Value)]) -> BTreeMap<i64, Value> {
    values.iter().cloned().collect()
}

#[test]
fn the_record_with_the_greatest_or_the_least_value_stays_and_of_equal_ones_the_last() {
    let records = json!([
        {"id": 1, "v": "new", "at": "2026-11-22T10:00:00+02:00"}, {"id": 1, "v": "old", "at": "2026-11-22T07:59:59Z"},
        {"id": 2, "v": "first", "at": "2026-11-22T00:00:00Z"}, {"id": 2, "v": "last", "at": "2026-11-22T00:00:00Z"},
        {"id": 3, "v": "known", "at": "2026-01-01T00:00:00Z"}, {"id": 3, "v": "null", "at": null},
        {"id": 4, "v": "earlier", "at": null}, {"id": 4, "v": "later"},
    ]);
    for (order, first) in [("desc", "new"), ("asc", "old")] {
        for disposition in ["merge", "replace", "append"] {
            let keys = format!("primary_key: id\nwrite_disposition: {disposition}\ncolumns: {{at: {{dedup_sort: {order}}}}}");
            let things = Things::new(records.clone(), &keys);
            assert_eq!(became(&things.sandbox.run_ok()), [4, 0, 0, 0, 0, 4]);
            let stays = [(1, json!(first)), (2, json!("last")), (3, json!("known")), (4, json!("later"))];
            assert_eq!(values(&things), expected(&stays), "{order} {disposition}");
        }
    }
}

#[test]
fn values_are_compared_as_what_the_column_is_in_the_end() {
    let page = |id: i64, rank: Value, v: &str| json!({"id": id, "rank": rank, "v": v});
    // Between the pages of the first and the last record lie rows enough that the first ones have long been written.
    let filler = |from: i64| (from..from + 400).map(|id| page(id, json!(1), "filler"));
    let check = |ranks: [Value; 3], greatest: &str| {
        let [early, late, wide] = ranks;
        let records = [page(1, early, "early"), page(1, late, "late")].into_iter();
        let records: Vec<Value> = records.chain(filler(1000)).chain([page(2, wide.clone(), "wide")]).collect();
        let api = Billing::new(&[("/things", records)]);
        let served = api.serve();
        let endpoint = "endpoint: {path: /things, data_selector: data, paginator: {type: offset, limit: 100}}";
        let config = things_config(&served.url(), &format!("{endpoint}\n{MERGE}\ncolumns: {{rank: {{dedup_sort: desc}}}}"));
        let sandbox = Sandbox::with_config(&config);
        for _ in 0..2 {
            sandbox.run_ok();
            assert_eq!(sandbox.by_key("things", "id")[&1]["v"], json!(greatest), "{wide}");
        }
    };
    check([json!(10), json!(9), json!(3)], "early");
    check([json!(10), json!(9), json!(0.5)], "early");
    check([json!(10), json!(9), json!("ten")], "late");
    check([json!(9.5), json!(10.0), json!("ten")], "early");
    check([json!("2026-10-01"), json!("2026-09-01"), json!("soon")], "early");
    check([json!(18_446_744_073_709_551_615_u64), json!(9), json!(1)], "early");
}

#[test]
fn the_order_is_among_the_records_of_a_run_and_the_runs_row_replaces_the_tables() {
    let things = Things::new(json!([{"id": 1, "v": "a", "n": 5}]), &format!("{MERGE}\ncolumns: {{n: {{dedup_sort: desc}}}}"));
    things.sandbox.run_ok();
    things.then(json!([{"id": 1, "v": "b", "n": 3}, {"id": 1, "v": "c", "n": 2}]));
    assert_eq!(values(&things), expected(&[(1, json!("b"))]), "as in dlt, the stored row has no say");
}

#[test]
fn a_deciding_column_that_is_not_there_or_has_no_order_is_an_error_that_names_it() {
    let sorted = format!("{MERGE}\ncolumns: {{meta: {{dedup_sort: desc}}}}");
    let things = Things::new(json!([{"id": 1, "metta": 1}]), &sorted);
    things
        .sandbox
        .run()
        .failed_with(3, &["`dedup_sort` of `things` names the column `meta`, which no record has; did you mean `metta`?"]);
    let words = |found: &str| format!("`dedup_sort` of `things` names the column `meta`, which is {found} and has no order");
    for (value, found) in [(json!({"a": 1}), "struct"), (json!([1]), "list of bigint")] {
        let things = Things::new(json!([{"id": 1, "meta": value}, {"id": 1, "meta": value}]), &sorted);
        things.sandbox.run().failed_with(3, &[&words(found), "a `set` step brings a member of an object up as a column"]);
        assert!(things.sandbox.data_files().is_empty());
    }
    let things = Things::new(json!([{"id": 1, "meta": 1}, {"id": 1, "meta": {"a": 1}}]), &sorted);
    things.sandbox.run().failed_with(3, &[&words("json")]);
    let flagged = format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}");
    let things = Things::new(json!([{"id": 1, "gonne": true}]), &flagged);
    things.sandbox.run().failed_with(3, &["`hard_delete` of `things` names the column `gone`, which no record has"]);
    let declared = format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true, data_type: bool}}}}");
    let things = Things::new(json!([{"id": 1}]), &declared);
    things.sandbox.run_ok();
}

#[test]
fn flagged_records_delete_rows_which_come_back_and_move_between_partitions() {
    let keys = format!("{MERGE}\npartition_by: city\ncolumns: {{gone: {{hard_delete: true}}}}");
    let thing = |id: i64, city: &str, gone: Option<bool>| json!({"id": id, "city": city, "gone": gone, "v": id});
    let no = Some(false);
    let first: Vec<Value> = (1..=6).map(|id| thing(id, if id <= 4 { "Lund" } else { "Oslo" }, no)).collect();
    let things = Things::new(json!(first), &keys);
    assert_eq!(became(&things.sandbox.run_ok()), [6, 0, 0, 0, 0, 0]);
    let folders = || things.sandbox.files("things").into_keys().map(|path| path.split('/').next().unwrap().to_owned());
    assert_eq!(folders().collect::<Vec<_>>(), ["city=Lund", "city=Oslo"]);

    // 5 and 6 leave Oslo, which loses its file; the flag counts, not the city beside it; 9 was never there.
    let night = json!([
        thing(5, "Bonn", Some(true)),
        thing(6, "Lund", no),
        thing(1, "Lund", None),
        thing(2, "Lund", Some(true)),
        thing(9, "Lund", Some(true)),
        thing(3, "Lund", no),
        thing(3, "Lund", Some(true)),
    ]);
    let ended = things.then(night.clone());
    assert_eq!(became(&ended), [0, 2, 0, 3, 1, 1]);
    assert!(ended.stderr.contains("2 changed, 3 deleted, 1 not there to delete, 1 repeated in this run"), "{ended}");
    assert_eq!(things.sandbox.by_key("things", "id").into_keys().collect::<Vec<_>>(), [1, 4, 6]);
    assert_eq!(folders().collect::<Vec<_>>(), ["city=Lund"]);
    let before = things.sandbox.data_files();
    assert_eq!(became(&things.then(night)), [0, 0, 2, 0, 4, 1]);
    assert!(before == things.sandbox.data_files(), "deleting again changed the table");

    let back = json!([thing(2, "Oslo", no), thing(5, "Lund", no), thing(4, "Oslo", no), thing(1, "Lund", Some(true))]);
    assert_eq!(became(&things.then(back)), [2, 1, 0, 1, 0, 0]);
    let rows = things.sandbox.by_key("things", "id");
    let cities: Vec<(i64, &str)> = rows.iter().map(|(id, row)| (*id, row["city"].as_str().unwrap())).collect();
    assert_eq!(cities, [(2, "Oslo"), (4, "Oslo"), (5, "Lund"), (6, "Lund")]);
    assert!(rows[&2].contains_key("gone"), "the column stays in the table, as in dlt");
    leave_for_readers("hard_delete", &things.sandbox.lake().join("things"), 4, &[("id", 17), ("v", 17)]);
}

#[test]
fn a_table_whose_last_row_is_deleted_keeps_its_columns_in_a_file_without_rows_and_fills_again() {
    let things =
        Things::new(json!([{"id": 1, "gone": false, "v": 1}]), &format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}"));
    things.sandbox.run_ok();
    assert_eq!(became(&things.then(json!([{"id": 1, "gone": true, "v": 1}]))), [0, 0, 0, 1, 0, 0]);
    assert_eq!(things.sandbox.files("things").into_keys().collect::<Vec<_>>(), ["part-000001.parquet"]);
    assert_eq!(things.sandbox.rows("things"), Vec::<serde_json::Map<String, Value>>::new());
    leave_for_readers("no_rows", &things.sandbox.lake().join("things"), 0, &[]);
    assert_eq!(became(&things.then(json!([{"id": 1, "gone": true, "v": 1}]))), [0, 0, 0, 0, 1, 0]);
    assert_eq!(became(&things.then(json!([{"id": 1, "gone": false, "v": 2}]))), [1, 0, 0, 0, 0, 0]);
    assert_eq!(values(&things), expected(&[(1, json!(2))]));
}

#[test]
fn in_a_column_of_another_type_any_value_deletes_and_false_beside_text_does_not() {
    let keys = format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}");
    let check = |flags: [Value; 4], left: &[i64]| {
        let record = |(id, gone): (i64, &Value)| json!({"id": id, "gone": gone, "v": id});
        let all: Vec<i64> = vec![1, 2, 3, 4];
        let things = Things::new(json!(all.iter().map(|id| json!({"id": id, "v": id})).collect::<Vec<_>>()), MERGE);
        things.sandbox.run_ok();
        let config = std::fs::read_to_string(things.sandbox.path().join("lakeward.yaml")).unwrap();
        things.sandbox.write(
            "lakeward.yaml",
            &config.replace("    primary_key", "    columns: {gone: {hard_delete: true}}\n    primary_key"),
        );
        things.then(json!((1..).zip(&flags).map(record).collect::<Vec<_>>()));
        assert_eq!(values(&things).into_keys().collect::<Vec<_>>(), left, "{flags:?}");
        // And on a first load.
        let first = Things::new(json!((1..).zip(&flags).map(record).collect::<Vec<_>>()), &keys);
        first.sandbox.run_ok();
        assert_eq!(values(&first).into_keys().collect::<Vec<_>>(), left, "{flags:?}");
    };
    check([json!("2026-11-22T00:00:00Z"), Value::Null, json!("2026-11-21T00:00:00Z"), Value::Null], &[2, 4]);
    check([json!(1_700_000_000), Value::Null, json!(0), Value::Null], &[2, 4]);
    check([json!("yes"), json!(false), json!(true), Value::Null], &[2, 4]);
    check([json!({"at": 1}), Value::Null, json!({}), Value::Null], &[2, 4]);
}

#[test]
fn the_winner_among_the_records_of_a_key_decides_whether_its_row_goes() {
    let keys = format!("{MERGE}\ncolumns: {{n: {{dedup_sort: desc}}, gone: {{hard_delete: true}}}}");
    let things = Things::new(json!([{"id": 1, "v": 1, "n": 0, "gone": false}, {"id": 2, "v": 2, "n": 0, "gone": false}]), &keys);
    things.sandbox.run_ok();
    let ended = things.then(json!([
        {"id": 1, "v": 11, "n": 9, "gone": false}, {"id": 1, "v": 12, "n": 5, "gone": true},
        {"id": 2, "v": 21, "n": 9, "gone": true}, {"id": 2, "v": 22, "n": 5, "gone": false},
    ]));
    assert_eq!(became(&ended), [0, 1, 0, 1, 0, 2]);
    assert_eq!(values(&things), expected(&[(1, json!(11))]));
}

#[test]
fn a_full_refresh_leaves_flagged_records_out() {
    let records = json!([{"id": 1, "v": 1, "gone": false}, {"id": 2, "v": 2, "gone": true}]);
    let things = Things::new(records, &format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}"));
    things.sandbox.run_ok();
    let ended = things.sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh"]);
    assert_eq!(became(&ended), [1, 0, 0, 0, 1, 0]);
    assert_eq!(values(&things), expected(&[(1, json!(1))]));
}

#[test]
fn delete_insert_by_the_primary_key_leaves_the_table_that_upsert_leaves() {
    let nights = [
        json!([{"id": 1, "v": "a"}, {"id": 2, "v": "b"}]),
        json!([{"id": 2, "v": "c"}, {"id": 3, "v": "d"}, {"id": 3, "v": "e"}]),
    ];
    let tables = ["upsert", "delete-insert", "delete-insert, deduplicated: true"].map(|strategy| {
        let keys = format!("primary_key: id\nmerge_key: id\nwrite_disposition: {{disposition: merge, strategy: {strategy}}}");
        let things = Things::new(nights[0].clone(), &keys);
        things.sandbox.run_ok();
        assert_eq!(became(&things.then(nights[1].clone())), [1, 1, 0, 0, 0, 1]);
        things.sandbox.data_files()
    });
    assert!(tables[0] == tables[1] && tables[1] == tables[2]);
}

#[test]
fn insert_only_adds_new_keys_and_leaves_known_rows_as_they_are() {
    let keys = "primary_key: id\nwrite_disposition: {disposition: merge, strategy: insert-only}\npartition_by: city\n\
                columns: {n: {dedup_sort: asc}, gone: {hard_delete: true, data_type: bool}}";
    let thing = |id: i64, city: &str, n: i64, v: &str| json!({"id": id, "city": city, "n": n, "v": v});
    let things = Things::new(json!([thing(1, "Lund", 1, "a"), thing(2, "Oslo", 1, "b")]), keys);
    things.sandbox.run_ok();
    let known = things.sandbox.files("things").into_iter().find(|(path, _)| path.starts_with("city=Oslo")).unwrap();
    let mut flagged = thing(1, "Lund", 1, "x");
    flagged["gone"] = json!(true);
    let mut never = thing(9, "Lund", 1, "x");
    never["gone"] = json!(true);
    let ended = things.then(json!([
        flagged,
        never,
        thing(2, "Bonn", 1, "y"),
        thing(3, "Lund", 2, "later"),
        thing(3, "Lund", 1, "sooner"),
    ]));
    assert_eq!(became(&ended), [1, 0, 2, 0, 1, 1]);
    assert_eq!(values(&things), expected(&[(1, json!("a")), (2, json!("b")), (3, json!("sooner"))]));
    assert!(things.sandbox.files("things").get(&known.0) == Some(&known.1), "a file without new rows was written");
    let checked = things.sandbox.lakeward(&["check", "lakeward.yaml"]);
    assert!(checked.stdout.contains("things: merge (insert-only) by id, partitioned by city"), "{checked}");
    leave_for_readers("insert_only", &things.sandbox.lake().join("things"), 3, &[("id", 6)]);
}

#[test]
fn e_70_many_repeats_of_keys_are_told_as_the_sign_of_a_key_that_is_not_the_whole_one() {
    let records = |rows: i64, keys: i64| json!((0..rows).map(|row| json!({"id": row % keys, "v": row})).collect::<Vec<_>>());
    let warned = |rows: i64, keys: i64| {
        let ended = Things::new(records(rows, keys), MERGE).sandbox.run_ok();
        let told = format!(
            "{} of {rows} rows have the `primary_key` (id) of another row of this run, and one row a key stays; is it the whole key",
            rows - keys
        );
        ended.stderr.contains(&told)
    };
    assert!(warned(900, 800), "100 of 900");
    assert!(!warned(1000, 900), "100 of 1000 are a tenth, and not more");
    assert!(!warned(198, 99), "99 are too few to tell");
}

#[test]
fn a_key_that_most_records_share_is_an_error_and_each_way_out_works() {
    let records = |rows: i64| json!((0..rows).map(|row| json!({"id": row, "cat": row % 3, "v": row})).collect::<Vec<_>>());
    for disposition in ["merge", "replace"] {
        let keys = |key: &str| format!("write_disposition: {disposition}\nprimary_key: {key}");
        let things = Things::new(records(530), &keys("cat"));
        things.sandbox.run().failed_with(
            3,
            &[
                "527 of the 530 records of `things` have the `primary_key` (cat) of another one",
                "name all columns",
                "{dedup_sort: desc}",
            ],
        );
        assert!(things.sandbox.data_files().is_empty());
        for (way, rows) in [(keys("id"), 530), (format!("{}\ncolumns: {{v: {{dedup_sort: desc}}}}", keys("cat")), 3)] {
            let things = Things::new(records(530), &way);
            things.sandbox.run_ok();
            assert_eq!(things.sandbox.rows("things").len(), rows, "{way}");
        }
        // Few records tell nothing, and those of the table do not count: they come again on each night.
        let few = Things::new(records(19), &keys("cat"));
        few.sandbox.run_ok();
        let again = Things::new(records(30), &keys("id"));
        again.sandbox.run_ok();
        again.then(records(30));
        let half = json!((0..40).map(|row| json!({"id": row % 20, "v": 1})).collect::<Vec<_>>());
        Things::new(half, &keys("id")).sandbox.run_ok();
    }
}

#[test]
fn flags_of_zero_and_one_do_not_empty_a_first_load_in_silence() {
    let records = json!([{"id": 1, "v": 1, "gone": 0}, {"id": 2, "v": 2, "gone": 1}]);
    let keys = format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}");
    let things = Things::new(records.clone(), &keys);
    things.sandbox.run().failed_with(3, &["all 2 rows of `things` are deletions by `gone`", "cast", "bool", "max_shrink: null"]);
    let cast = Things::new(records.clone(), &format!("{keys}\nprocessing_steps: [{{cast: {{gone: bool}}}}]"));
    cast.sandbox.run_ok();
    assert_eq!(values(&cast), expected(&[(1, json!(1))]));
    for any in ["null", "100%"] {
        let allowed = Things::new(records.clone(), &format!("{keys}\nexpect: {{max_shrink: {any}}}"));
        assert_eq!(allowed.sandbox.run_ok().table("things")["table_rows"], 0, "{any}");
    }
}

#[test]
fn a_merge_that_deletes_most_of_a_table_is_stopped_unless_the_config_allows_it() {
    let rows = |gone: i64| (0..240).map(|id| json!({"id": id, "v": id, "gone": id < gone})).collect::<Vec<_>>();
    let keys = format!("{MERGE}\ncolumns: {{gone: {{hard_delete: true}}}}");
    let things = Things::new(json!(rows(0)), &keys);
    things.sandbox.run_ok();
    assert_eq!(things.then(json!(rows(50))).table("things")["rows_deleted"], 50);
    things.then(json!(rows(239))).failed_with(3, &["`things` would shrink from 190 to", "expect.max_shrink"]);
    assert_eq!(values(&things).len(), 190);
}

/// Five posts with ten comments each; `comment` makes the one of this number below the post.
fn comments(comment: fn(i64, i64) -> Value) -> FakeApi {
    let posts: Vec<Value> = (1..=5).map(|id| json!({"id": id})).collect();
    let api = FakeApi::start().page("/posts", json!({"data": posts}).to_string());
    (1..=5).fold(api, |api, post| {
        let comments: Vec<Value> = (1..=10).map(|number| comment(post, number)).collect();
        api.page(&format!("/posts/{post}/comments"), json!({"data": comments}).to_string())
    })
}

/// A run of the comments with these keys.
fn run_comments(api: &FakeApi, keys: &str) -> (Sandbox, Ended) {
    let sandbox = Sandbox::with_config(&format!(
        "name: blog\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - {{name: posts, selected: false, endpoint: {{path: posts, data_selector: data}}}}\n  - name: comments\n    endpoint: {{path: 'posts/{{resources.posts.id}}/comments', data_selector: data}}\n    {keys}\n",
        api.url()
    ));
    let ended = sandbox.run();
    (sandbox, ended)
}

#[test]
fn a_childs_key_that_most_records_share_is_an_error_unless_they_are_the_same_records() {
    // Numbered anew below each post.
    let numbered = comments(|post, number| json!({"n": number, "text": format!("{post}/{number}"), "tags": [number]}));
    for disposition in ["merge", "replace", "append"] {
        let keys = |more: &str| format!("write_disposition: {disposition}\n    {more}");
        let (sandbox, ended) = run_comments(&numbered, &keys("primary_key: n"));
        ended.failed_with(
            3,
            &["40 of the 50 records of `comments` have the `primary_key` (n) of another one", "name all columns"],
        );
        assert!(sandbox.data_files().is_empty());
        for (way, rows) in [
            ("include_from_parent: [id]\n    primary_key: [_posts_id, n]", 50),
            ("primary_key: n\n    columns: {text: {dedup_sort: desc}}", 10),
        ] {
            let (sandbox, ended) = run_comments(&numbered, &keys(way));
            assert_eq!((ended.code(), sandbox.rows("comments").len()), (Some(0), rows), "{way}\n{ended}");
        }
    }
    // The same ten below each post, one of them with a float where others have an integer, and one that half the posts have changed.
    let shared = comments(|post, number| {
        let size = if number == 3 && post > 2 { json!(3.0) } else { json!(number) };
        let text = if number == 4 { format!("{post}") } else { "x".to_owned() };
        json!({"n": number, "size": size, "text": text, "gone": Value::Null})
    });
    let (sandbox, ended) = run_comments(&shared, "write_disposition: merge\n    primary_key: n");
    assert_eq!((ended.code(), sandbox.rows("comments").len()), (Some(0), 10), "{ended}");
    // Whose post they are of is lost where the table has it.
    let (_, ended) = run_comments(&shared, "write_disposition: merge\n    primary_key: n\n    include_from_parent: [id]");
    ended.failed_with(3, &["40 of the 50 records of `comments`"]);
}

#[test]
fn a_windows_key_that_most_records_share_is_an_error() {
    let api = FakeApi::start().on("/events", |request| {
        let (from, to) = (request.number("from", 0), request.number("to", 0));
        let events: Vec<Value> = (from..to).map(|at| json!({"kind": at % 4, "at": at, "v": at})).collect();
        Reply::json(json!({"data": events}).to_string())
    });
    let run = |key: &str| {
        let sandbox = Sandbox::with_config(&format!(
            "name: w\nclient: {{base_url: {}, paginator: single_page}}\nlake: {{url: ./lake}}\nresources:\n  - name: events\n    write_disposition: merge\n    primary_key: {key}\n    endpoint: {{path: events, data_selector: data, incremental: {{cursor_path: at, initial_value: 0, end_value: 60, step: 10, start_param: from, end_param: to}}}}\n",
            api.url()
        ));
        let ended = sandbox.run();
        (sandbox, ended)
    };
    run("kind").1.failed_with(3, &["56 of the 60 records of `events` have the `primary_key` (kind)"]);
    let (sandbox, ended) = run("at");
    assert_eq!((ended.code(), sandbox.rows("events").len()), (Some(0), 60), "{ended}");
}
