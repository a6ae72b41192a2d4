//! `status` and its like: why a run is not whole, what is set aside, that the files were looked at, in one wording with `history`.

use serde_json::json;

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Sandbox};

/// Two resources, `orders` with a column that takes integers alone, and `users`, which the API has or not.
fn shop(has_users: bool) -> (FakeApi, Sandbox) {
    let api = FakeApi::start().on("/orders", |_| answer(&json!([{"id": 1, "price": 7}, {"id": 2, "price": "dear"}])));
    let api = api.on("/users", move |_| if has_users { answer(&json!([{"id": 1}])) } else { Reply::status(404) });
    let sandbox = Sandbox::new();
    configure(&sandbox, &api, "columns: {price: {data_type: bigint}}");
    (api, sandbox)
}

fn configure(sandbox: &Sandbox, api: &FakeApi, columns: &str) {
    let of = |name: &str, more: &str| {
        format!(
            "  - {{name: {name}, primary_key: id, write_disposition: merge, endpoint: {{path: /{name}, paginator: single_page}}{more}}}\n"
        )
    };
    let orders = of("orders", &format!(", on_reject: quarantine, max_rejects: 9, {columns}"));
    let config = format!(
        "name: shop\nclient: {{base_url: {}}}\nlake: {{url: ./lake}}\nresources:\n{orders}{}",
        api.url(),
        of("users", "")
    );
    sandbox.write("lakeward.yaml", &config);
}

fn status(sandbox: &Sandbox) -> Ended {
    let ended = sandbox.lakeward(&["status", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    ended
}

#[test]
fn status_and_doctor_tell_of_records_that_are_set_aside_until_they_are_in_the_table() {
    let (api, sandbox) = shop(true);
    sandbox.run_ok();
    let aside = "1 record set aside, which could not become rows: `lakeward repair lakeward.yaml orders`";
    let doctor = sandbox.lakeward(&["doctor", "lakeward.yaml"]);
    assert!(doctor.code() == Some(0) && doctor.stdout.contains(aside), "{doctor}");
    let seen = status(&sandbox);
    assert_eq!(seen.stdout.matches(aside).count(), 1, "{seen}");
    let json = sandbox.lakeward(&["doctor", "lakeward.yaml", "--json"]).summary();
    assert_eq!((&json["findings"][0]["kind"], &json["findings"][0]["table"]), (&json!("quarantine"), &json!("orders")));
    // The command works as it is typed.
    configure(&sandbox, &api, "columns: {price: {data_type: text}}");
    sandbox.lakeward(&["run", "lakeward.yaml", "--full-refresh", "--resource", "orders"]).failed_with(0, &[]);
    for looked in [status(&sandbox), sandbox.lakeward(&["doctor", "lakeward.yaml"])] {
        assert!(!looked.stdout.contains("set aside"), "{looked}");
    }
}

#[test]
fn status_tells_why_a_run_is_not_whole_and_that_the_files_were_looked_at() {
    let (_api, sandbox) = shop(true);
    sandbox.run_ok();
    let (whole, whose) = ("every file of the tables is in its place", "users: ");
    let seen = status(&sandbox);
    assert!(seen.stdout.contains(whole) && !seen.stdout.contains(whose), "{seen}");
    let (api, other) = shop(false);
    assert_eq!(other.run().code(), Some(20));
    let partial = status(&other);
    let line = format!("    users: `users`, page 1, `{}/users`: answered 404", api.url());
    assert!(partial.stdout.lines().any(|told| told.starts_with(&line)), "{line}\n{partial}");
    // What ends a run as a whole has no table.
    let mut files = sandbox.files("users").into_keys();
    std::fs::remove_file(sandbox.lake().join("users").join(files.next().unwrap())).unwrap();
    assert_ne!(sandbox.run().code(), Some(0));
    let seen = sandbox.lakeward(&["status", "lakeward.yaml"]);
    assert!(!seen.stdout.contains(whole) && seen.stdout.contains("users"), "{seen}");
}

#[test]
fn status_and_history_have_one_word_for_what_a_commit_was_made_for() {
    let (api, sandbox) = shop(true);
    sandbox.run_ok();
    configure(&sandbox, &api, "columns: {price: {data_type: bigint}}, partition_by: [price]");
    sandbox.lakeward(&["table", "repartition", "lakeward.yaml", "orders", "--apply"]).failed_with(0, &[]);
    sandbox.lakeward(&["table", "rename", "lakeward.yaml", "users", "people", "--apply"]).failed_with(0, &[]);
    for command in ["status", "history"] {
        let told = sandbox.lakeward(&[command, "lakeward.yaml"]);
        for words in ["table repartition or rekey", "table rename"] {
            assert!(told.stdout.contains(words), "{words}: {told}");
        }
    }
}

#[test]
fn a_misspelt_resource_table_or_version_is_told_with_what_there_is() {
    let (_api, sandbox) = shop(true);
    sandbox.run_ok();
    for arguments in [
        &["run", "lakeward.yaml", "--resource", "usres"][..],
        &["preview", "lakeward.yaml", "usres"],
        &["files", "lakeward.yaml", "usres"],
        &["verify", "lakeward.yaml", "usres"],
        &["repair", "lakeward.yaml", "usres"],
        &["compact", "lakeward.yaml", "usres"],
        &["history", "lakeward.yaml", "usres"],
        &["diff", "lakeward.yaml", "1", "1", "usres"],
        &["table", "drop", "lakeward.yaml", "usres"],
    ] {
        sandbox.lakeward(arguments).failed_with(2, &["did you mean `users`?"]);
    }
    let config = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
    sandbox.write("my shop.yaml", &config);
    for arguments in [&["files", "my shop.yaml", "users", "--at", "9"][..], &["diff", "my shop.yaml", "1", "9"]] {
        let ended = sandbox.lakeward(arguments);
        ended.failed_with(2, &["there is no version 9: the newest is 1", "`lakeward history 'my shop.yaml'` lists"]);
    }
    let keyed = config.replace("name: users, primary_key: id", "name: users, primary_key: [id, x]");
    sandbox.write("lakeward.yaml", &keyed);
    let rekey = "`lakeward table rekey lakeward.yaml users --apply`";
    let check = sandbox.lakeward(&["check", "lakeward.yaml", "--online"]);
    assert!(check.stderr.contains(rekey) && !check.stderr.contains("CONFIG"), "{check}");
    let ran = sandbox.run();
    assert!(ran.stderr.contains(rekey) && !ran.stderr.contains("CONFIG"), "{ran}");
}

#[test]
fn a_difference_is_written_to_a_name_that_says_parquet_and_to_no_other() {
    let (_api, sandbox) = shop(true);
    sandbox.run_ok();
    let diff = |out: &str| sandbox.lakeward(&["diff", "lakeward.yaml", "1", "1", "users", "--out", out]);
    for out in ["c.csv", "c", "parquet"] {
        diff(out).failed_with(2, &["give the file a name that ends in `.parquet`"]);
        assert!(!sandbox.path().join(out).exists());
    }
    diff("c.parquet").failed_with(0, &[]);
}
