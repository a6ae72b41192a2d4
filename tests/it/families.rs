//! A resource that goes on from a cursor, and those that are requested for its records: a record is read once, and so for all of them.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// An API of records with two children each, and one child of each of these.
struct Tree {
    /// How many records there are, and the paths that fail.
    now: Arc<Mutex<(i64, Vec<String>)>>,
    api: FakeApi,
}

impl Tree {
    fn new() -> Self {
        let now = Arc::<Mutex<(i64, Vec<String>)>>::default();
        let served = Arc::clone(&now);
        let api = FakeApi::start().on("*", move |request| {
            let (count, failing) = &*served.lock().unwrap();
            if failing.contains(&request.path) {
                return Reply::status(500);
            }
            let path: Vec<&str> = request.path.trim_matches('/').split('/').collect();
            let id = |text: &str| text.parse::<i64>().unwrap();
            let since = i64::try_from(request.number("since", 0)).unwrap();
            let records: Vec<Value> = match path.as_slice() {
                ["par"] => (since.max(1)..=*count).map(|id| json!({"id": id, "c": id})).collect(),
                ["par", of, "kids"] => (0..2).map(|at| json!({"id": id(of) * 10 + at})).collect(),
                ["kids", of, "toys"] => vec![json!({"id": id(of) * 10})],
                _ => vec![json!({"id": 1})],
            };
            Reply::json(json!({"data": records}).to_string())
        });
        Self { now, api }
    }

    fn has(&self, count: i64, failing: &[&str]) {
        *self.now.lock().unwrap() = (count, failing.iter().map(|path| (*path).to_owned()).collect());
    }

    fn asked(&self) -> usize {
        self.api.requests().len()
    }

    fn config(&self, resources: &[String]) -> String {
        let url = self.api.url();
        let resources = resources.concat();
        format!(
            "name: p\nclient: {{base_url: \"{url}\", paginator: single_page, retry: {{max_retries: 0}}}}\nlake: {{url: ./lake}}\nresources:\n{resources}"
        )
    }
}

fn par(disposition: &str, more: &str) -> String {
    format!(
        "  - {{name: par, write_disposition: {disposition}, primary_key: id, endpoint: {{path: par, data_selector: data, incremental: {{cursor_path: c, start_param: since}}}}{more}}}\n"
    )
}

fn kids(disposition: &str, more: &str) -> String {
    format!(
        "  - {{name: kids, write_disposition: {disposition}, primary_key: id, endpoint: {{path: 'par/{{resources.par.id}}/kids', data_selector: data}}{more}}}\n"
    )
}

fn toys(disposition: &str) -> String {
    format!(
        "  - {{name: toys, write_disposition: {disposition}, primary_key: id, endpoint: {{path: 'kids/{{resources.kids.id}}/toys', data_selector: data}}}}\n"
    )
}

/// Rows of `par`, `kids` and `toys`.
fn rows(sandbox: &Sandbox) -> [usize; 3] {
    ["par", "kids", "toys"].map(|table| sandbox.rows(table).len())
}

/// A run with these arguments behind the config's name.
fn run(sandbox: &Sandbox, arguments: &str) -> Ended {
    let arguments: Vec<&str> = ["run", "lakeward.yaml"].into_iter().chain(arguments.split_whitespace()).collect();
    sandbox.lakeward(&arguments)
}

#[track_caller]
fn run_ok(sandbox: &Sandbox, arguments: &str) {
    let ended = run(sandbox, arguments);
    assert_eq!(ended.code(), Some(0), "{ended}");
}

const DISPOSITIONS: [(&str, &str); 4] = [("append", "append"), ("merge", "merge"), ("merge", "append"), ("append", "merge")];

#[test]
fn what_goes_on_from_a_cursor_is_published_with_what_is_requested_for_its_records_or_not_at_all() {
    for (of_par, of_kids) in DISPOSITIONS {
        for is_selected in [true, false] {
            let tree = Tree::new();
            let selected = if is_selected { "" } else { ", selected: false" };
            let config = tree.config(&[par(of_par, selected), kids(of_kids, ""), toys(of_kids)]);
            let sandbox = Sandbox::with_config(&config);
            let all = |count: usize| if is_selected { [count, count * 2, count * 2] } else { [0, count * 2, count * 2] };
            // A failure of any of them, also of the last one, and of a guard.
            for failing in ["/par/2/kids", "/kids/21/toys"] {
                tree.has(3, &[failing]);
                let ended = run(&sandbox, "");
                ended.failed_with(75, &["500"]);
                if is_selected {
                    ended.failed_with(75, &["failed and what goes on from the cursor of `par` is published together"]);
                }
                assert_eq!(rows(&sandbox), [0, 0, 0], "{ended}");
            }
            tree.has(3, &[]);
            run_ok(&sandbox, "");
            assert_eq!(rows(&sandbox), all(3));
            tree.has(5, &["/par/5/kids"]);
            run(&sandbox, "").failed_with(75, &["500"]);
            assert_eq!(rows(&sandbox), all(3));
            tree.has(5, &[]);
            for guarded in if is_selected { &["par", "kids", "toys"][..] } else { &["kids", "toys"] } {
                let guard = format!("name: {guarded}, expect: {{min_rows: 1000}},");
                sandbox.write("lakeward.yaml", &config.replace(&format!("name: {guarded},"), &guard));
                run(&sandbox, "").failed_with(3, &["`expect.min_rows` is 1000"]);
                assert_eq!(rows(&sandbox), all(3), "{guarded}");
            }
            sandbox.write("lakeward.yaml", &config);
            for _ in 0..3 {
                run_ok(&sandbox, "--strict");
                assert_eq!(rows(&sandbox), all(5), "{of_par} {of_kids} {selected}");
            }
        }
    }
}

#[test]
fn a_run_of_a_part_of_what_goes_on_from_a_cursor_is_refused_and_one_of_all_of_it_is_taken() {
    for (of_par, of_kids) in DISPOSITIONS {
        let tree = Tree::new();
        let sandbox = Sandbox::with_config(&tree.config(&[
            par(of_par, ""),
            kids(of_kids, ""),
            "  - {name: other, write_disposition: replace, endpoint: {path: other, data_selector: data}}\n".to_owned(),
        ]));
        tree.has(3, &[]);
        run_ok(&sandbox, "");
        tree.has(4, &[]);
        let asked = tree.asked();
        let way_out = "--resource par --resource kids";
        for (part, missing) in [("par", "`kids`"), ("kids", "`par`")] {
            for before in ["", "--full-refresh", "--reset-state"] {
                let words = ["`par` goes on from its cursor", &format!("leaves out {missing}"), way_out];
                run(&sandbox, &format!("{before} --resource {part}")).failed_with(2, &words);
            }
        }
        assert_eq!(tree.asked(), asked, "nothing was asked for");
        run_ok(&sandbox, "--resource other");
        run_ok(&sandbox, way_out);
        assert_eq!(rows(&sandbox), [4, 8, 0]);
        tree.has(5, &[]);
        run_ok(&sandbox, &format!("--full-refresh {way_out}"));
        run_ok(&sandbox, "");
        assert_eq!(rows(&sandbox), [5, 10, 0], "{of_par} {of_kids}");
    }
}

#[test]
fn what_a_cursor_has_not_fed_from_its_beginning_is_refused_and_a_full_refresh_brings_all_of_it() {
    let full = "--full-refresh --resource par --resource kids";
    for (of_par, of_kids) in DISPOSITIONS {
        let tree = Tree::new();
        let alone = tree.config(&[par(of_par, "")]);
        let both = tree.config(&[par(of_par, ""), kids(of_kids, "")]);
        let elsewhere = tree.config(&[par(of_par, ""), kids(of_kids, ", table_name: children")]);
        let way_outs: &[&str] = if (of_par, of_kids) == ("merge", "merge") {
            &[full, "--reset-state --resource par --resource kids"]
        } else {
            &[full]
        };
        for way_out in way_outs {
            for (before, after) in [(&alone, &both), (&both, &elsewhere)] {
                let sandbox = Sandbox::with_config(before);
                tree.has(3, &[]);
                run_ok(&sandbox, "");
                tree.has(4, &[]);
                sandbox.write("lakeward.yaml", after);
                let asked = tree.asked();
                run(&sandbox, "").failed_with(2, &["were never loaded for `kids`: they would never come", way_out]);
                assert_eq!(tree.asked(), asked);
                run_ok(&sandbox, way_out);
                let table = if std::ptr::eq(after, &both) { "kids" } else { "children" };
                assert_eq!((sandbox.rows("par").len(), sandbox.rows(table).len()), (4, 8));
                tree.has(5, &[]);
                run_ok(&sandbox, "");
                assert_eq!((sandbox.rows("par").len(), sandbox.rows(table).len()), (5, 10));
            }
        }
        // One that is left out for a night is one that was never there.
        let sandbox = Sandbox::with_config(&both);
        tree.has(3, &[]);
        run_ok(&sandbox, "");
        for without in [&alone, &tree.config(&[par(of_par, ""), kids(of_kids, ", selected: false")])] {
            tree.has(4, &[]);
            sandbox.write("lakeward.yaml", without);
            run_ok(&sandbox, "");
            sandbox.write("lakeward.yaml", &both);
            run(&sandbox, "").failed_with(2, &["were never loaded for `kids`", full]);
            run_ok(&sandbox, full);
            assert_eq!(rows(&sandbox), [4, 8, 0]);
        }
    }
}

#[test]
fn a_parent_that_is_read_for_its_children_alone_keeps_its_cursor_and_has_a_table_from_a_full_refresh_on() {
    for (of_par, of_kids) in DISPOSITIONS {
        let tree = Tree::new();
        let without = tree.config(&[par(of_par, ", selected: false"), kids(of_kids, "")]);
        let both = tree.config(&[par(of_par, ""), kids(of_kids, "")]);
        let sandbox = Sandbox::with_config(&without);
        for count in [3, 4, 4] {
            tree.has(count, &[]);
            let asked = tree.asked();
            run_ok(&sandbox, "");
            let requests: Vec<String> = tree.api.requests()[asked..].iter().map(|request| request.path.clone()).collect();
            assert!(requests.len() <= if count == 3 { 4 } else { 3 }, "old records are not asked for again: {requests:?}");
            assert_eq!(rows(&sandbox), [0, usize::try_from(count).unwrap() * 2, 0]);
        }
        run_ok(&sandbox, "--resource kids");
        sandbox.write("lakeward.yaml", &both);
        run(&sandbox, "").failed_with(2, &["were never loaded for `par`", "--full-refresh --resource par --resource kids"]);
        run_ok(&sandbox, "--full-refresh --resource par --resource kids");
        run_ok(&sandbox, "");
        assert_eq!(rows(&sandbox), [4, 8, 0]);
        sandbox.write("lakeward.yaml", &without);
        tree.has(5, &[]);
        run_ok(&sandbox, "");
        assert_eq!(rows(&sandbox), [4, 10, 0]);
        sandbox.write("lakeward.yaml", &both);
        run(&sandbox, "").failed_with(2, &["were never loaded for `par`"]);
    }
}

#[test]
fn a_cursor_that_begins_over_rows_that_would_be_added_again_is_refused() {
    let tree = Tree::new();
    let with = par("append", "");
    let without = with.replace(", incremental: {cursor_path: c, start_param: since}", "").replace("append", "replace");
    for before in [without, with.replace("par,", "old,").replace("par.", "old.")] {
        let children = |parent: &str| kids("append", "").replace("resources.par.", &format!("resources.{parent}."));
        let parent = if before.contains("old") { "old" } else { "par" };
        let sandbox = Sandbox::with_config(&tree.config(&[before.replace("path: old", "path: par"), children(parent)]));
        tree.has(3, &[]);
        run_ok(&sandbox, "");
        sandbox
            .write("lakeward.yaml", &tree.config(&[with.replace("name: par", "name: par, table_name: other"), children("par")]));
        let (asked, way_out) = (tree.asked(), "--full-refresh --resource par --resource kids");
        run(&sandbox, "").failed_with(2, &["`append` would load the 6 rows of `kids` again", way_out]);
        assert_eq!(tree.asked(), asked);
        run_ok(&sandbox, way_out);
        tree.has(4, &[]);
        run_ok(&sandbox, "");
        assert_eq!(sandbox.rows("kids").len(), 8);
    }
}

#[test]
fn a_childs_table_that_is_renamed_stays_fed_and_one_that_is_dropped_is_loaded_from_the_beginning_or_not_at_all() {
    let tree = Tree::new();
    let both = |more: &str| tree.config(&[par("merge", ""), kids("append", more)]);
    let sandbox = Sandbox::with_config(&both(""));
    tree.has(3, &[]);
    run_ok(&sandbox, "");
    let table = |arguments: &[&str]| {
        let ended = sandbox.lakeward(&[&["table", arguments[0], "lakeward.yaml"], &arguments[1..], &["--apply"]].concat());
        assert_eq!(ended.code(), Some(0), "{ended}");
    };
    table(&["rename", "kids", "children"]);
    sandbox.write("lakeward.yaml", &both(", table_name: children"));
    tree.has(4, &[]);
    run_ok(&sandbox, "");
    assert_eq!(sandbox.rows("children").len(), 8);
    let heir = both("").replace("name: kids", "name: toys");
    table(&["rename", "children", "toys"]);
    sandbox.write("lakeward.yaml", &heir);
    run(&sandbox, "").failed_with(2, &["were never loaded for `toys`"]);
    sandbox.write("lakeward.yaml", &both(", table_name: toys"));
    run_ok(&sandbox, "");
    assert_eq!(rows(&sandbox), [4, 0, 8]);
    table(&["drop", "toys"]);
    let way_out = "--full-refresh --resource par --resource kids";
    run(&sandbox, "").failed_with(2, &["were never loaded for `kids`", way_out]);
    run_ok(&sandbox, way_out);
    run_ok(&sandbox, "");
    assert_eq!(rows(&sandbox), [4, 0, 8]);
}

#[test]
fn combinations_with_records_that_are_read_once_are_refused() {
    let all = "  - {name: all, write_disposition: replace, endpoint: {path: all, data_selector: data}}\n";
    let pairs = "  - {name: pairs, parents: cross_product, write_disposition: merge, primary_key: id, endpoint: {path: 'x/{resources.PAR.id}/{resources.all.id}', data_selector: data}}\n";
    for (of, first) in [("par", par("merge", "")), ("kids", par("merge", "") + &kids("merge", ""))] {
        let tree = Tree::new();
        let config = |first: &str| tree.config(&[first.to_owned(), all.to_owned(), pairs.replace("PAR", of)]);
        let sandbox = Sandbox::with_config(&config(&first));
        sandbox.run().failed_with(2, &["of `par` a run reads only what lies behind its cursor", "write_disposition: replace"]);
        assert_eq!(tree.asked(), 0);
        tree.has(2, &[]);
        let whole = first.replace("par, write_disposition: merge", "par, write_disposition: replace");
        sandbox.write("lakeward.yaml", &config(&whole));
        run_ok(&sandbox, "");
        sandbox.write("lakeward.yaml", &config(&first.replace(", incremental: {cursor_path: c, start_param: since}", "")));
        run_ok(&sandbox, "");
    }
}

#[test]
fn a_replace_for_records_that_are_read_once_is_refused() {
    let tree = Tree::new();
    let sandbox = Sandbox::with_config(&tree.config(&[par("merge", ""), kids("merge", ""), toys("replace")]));
    let words = ["`toys` is `replace`, and of `par` a run reads only what lies behind its cursor", "`write_disposition: merge`"];
    sandbox.run().failed_with(2, &words);
    assert_eq!(tree.asked(), 0);
    for (of_par, of_toys) in [("replace", "replace"), ("merge", "merge"), ("merge", "append")] {
        let sandbox = Sandbox::with_config(&tree.config(&[par(of_par, ""), kids("merge", ""), toys(of_toys)]));
        for count in [2, 3] {
            tree.has(count, &[]);
            run_ok(&sandbox, "");
            assert_eq!(sandbox.rows("toys").len(), usize::try_from(count).unwrap() * 2, "{of_par} {of_toys}");
        }
    }
}

#[test]
fn a_backfill_of_a_parent_takes_its_children_along() {
    let range = ["backfill", "lakeward.yaml", "--from", "1", "--to", "3"];
    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("--resource={name}")).collect();
        range.iter().map(|part| (*part).to_owned()).chain(names).collect::<Vec<_>>()
    };
    let tree = Tree::new();
    let from_3 = par("merge", "").replace("cursor_path: c", "cursor_path: c, initial_value: 3, end_param: until");
    let sandbox = Sandbox::with_config(&tree.config(&[from_3.clone(), kids("merge", "")]));
    let backfill = |names: &[&str]| {
        let arguments = named(names);
        sandbox.lakeward(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    tree.has(5, &[]);
    run_ok(&sandbox, "");
    assert_eq!(rows(&sandbox), [3, 6, 0]);
    let asked = tree.asked();
    backfill(&["par"]).failed_with(2, &["`kids` is requested for the records of `par`", "--resource par --resource kids"]);
    assert_eq!(tree.asked(), asked);
    let ended = backfill(&["par", "kids"]);
    assert_eq!((ended.code(), rows(&sandbox)), (Some(0), [5, 10, 0]), "{ended}");
    let ended = backfill(&[]);
    assert_eq!((ended.code(), rows(&sandbox)), (Some(0), [5, 10, 0]), "{ended}");
    tree.has(6, &[]);
    run_ok(&sandbox, "");
    assert_eq!(rows(&sandbox), [6, 12, 0], "the cursor, and what it has fed, are as before");
    sandbox.write("lakeward.yaml", &tree.config(&[from_3, kids("append", "")]));
    backfill(&[]).failed_with(2, &["`kids`: its rows are added by `append`", "run --full-refresh"]);
}

#[test]
fn the_way_out_of_a_refusal_names_all_of_a_family_and_works_when_typed() {
    let tree = Tree::new();
    tree.has(4, &[]);
    let sandbox = Sandbox::with_config(&tree.config(&[par("merge", ""), kids("merge", "")]));
    run_ok(&sandbox, "");
    sandbox.write("lakeward.yaml", &tree.config(&[par("merge", ", partition_by: [c]"), kids("merge", "")]));
    let refused = run(&sandbox, "");
    let words = ["`--full-refresh --resource par --resource kids`", "`lakeward table repartition lakeward.yaml par --apply`"];
    refused.failed_with(2, &words);
    assert!(!refused.stderr.contains("par --resource par"), "{refused}");
    run_ok(&sandbox, "--full-refresh --resource par --resource kids");
    run_ok(&sandbox, "");
    assert_eq!(rows(&sandbox), [4, 8, 0]);
}

#[test]
fn a_new_start_of_a_family_names_all_of_it_and_works_when_typed() {
    let tree = Tree::new();
    tree.has(4, &[]);
    let sandbox = Sandbox::with_config(&tree.config(&[par("merge", ""), kids("merge", "")]));
    run_ok(&sandbox, "");
    let other = par("merge", "").replace("start_param: since", "start_param: since, last_value_func: min");
    sandbox.write("lakeward.yaml", &tree.config(&[other, kids("merge", "")]));
    let refused = run(&sandbox, "");
    refused
        .failed_with(2, &["`--reset-state --resource par --resource kids`", "`--full-refresh --resource par --resource kids`"]);
    run_ok(&sandbox, "--reset-state --resource par --resource kids");
    assert_eq!(rows(&sandbox), [4, 8, 0]);
}
