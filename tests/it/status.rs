//! `status` and its like: why a run is not whole, what is set aside, that the files were looked at, in one wording with `history`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use serde_json::json;

use crate::support::billing::answer;
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox};

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
    let failure = format!("`users`, page 1, `{}/users`: answered 404", api.url());
    assert_eq!(partial.stdout.matches(&failure).count(), 1, "{failure}\n{partial}");
    // Once the table is loaded, the run that failed tells it.
    let _api = api.on("/users", |_| Reply::json("[]"));
    assert_eq!(other.run().code(), Some(0));
    let behind = status(&other);
    assert_eq!(behind.stdout.matches(&format!("    {failure}")).count(), 1, "{behind}");
    // What ends a run as a whole has no table.
    let mut files = sandbox.files("users").into_keys();
    fs::remove_file(sandbox.lake().join("users").join(files.next().unwrap())).unwrap();
    assert_ne!(sandbox.run().code(), Some(0));
    let seen = sandbox.lakeward(&["status", "lakeward.yaml"]);
    assert!(!seen.stdout.contains(whole) && seen.stdout.contains("users"), "{seen}");
}

#[test]
fn history_marks_the_versions_that_files_diff_and_rollback_can_have() {
    for keep in [0, 1, 2, 9] {
        let price = Arc::new(AtomicI64::new(0));
        let tonight = Arc::clone(&price);
        let api = FakeApi::start().on("/orders", move |_| answer(&json!([{"id": 1, "price": tonight.load(SeqCst)}])));
        let sandbox = Sandbox::with_config(&format!(
            "name: shop\nclient: {{base_url: {}}}\nlake: {{url: ./lake, keep_versions: {keep}}}\nresources:\n  - {{name: orders, primary_key: id, write_disposition: merge, endpoint: {{path: /orders, paginator: single_page}}}}\n",
            api.url()
        ));
        for night in 1..=5 {
            price.store(night, SeqCst);
            sandbox.run_ok();
        }
        let told = sandbox.lakeward(&["history", "lakeward.yaml"]);
        let json = sandbox.lakeward(&["history", "lakeward.yaml", "--json"]);
        for version in 1..=5 {
            let line = told.stdout.lines().find(|line| line.starts_with(&format!("version {version} "))).unwrap();
            let files = sandbox.lakeward(&["files", "lakeward.yaml", "orders", "--at", &version.to_string()]);
            assert_eq!(line.contains("  kept"), files.code() == Some(0), "keep_versions {keep}: {line}\n{files}");
            let facts = json.stdout.lines().find(|line| line.contains(&format!("\"version\":{version}"))).unwrap();
            assert!(facts.contains(&format!("\"kept\":{}", line.contains("  kept"))), "{facts}");
        }
    }
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
    let config = fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
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

/// The user that nobody is.
const NOBODY: u32 = 65_534;

/// `lakeward` as a user who has no rights of its own on what the test makes, also where the tests are root's.
fn as_another(sandbox: &Sandbox, command: &str) -> Ended {
    if sandbox.path().metadata().unwrap().uid() != 0 {
        return sandbox.lakeward(&[command, "lakeward.yaml"]);
    }
    // The program may lie where only root looks.
    let program = sandbox.path().join("program");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_lakeward"), &program).unwrap();
    }
    let mut run = Command::new(program);
    run.args([command, "lakeward.yaml"]).current_dir(sandbox.path()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    Running::spawn(run.uid(NOBODY).gid(NOBODY)).end()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder and all below it.
fn folders(of: &Path) -> Vec<PathBuf> {
    let below = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    std::iter::once(of.to_owned()).chain(below.flat_map(|folder| folders(&folder))).collect()
}

#[test]
fn a_lake_that_this_user_may_not_read_or_write_is_told_as_what_it_is() {
    let (_api, sandbox) = shop(true);
    sandbox.run_ok();
    folders(sandbox.path()).iter().for_each(|folder| set_mode(folder, 0o777));
    let healthy = as_another(&sandbox, "doctor");
    assert!(healthy.code() == Some(0) && healthy.stdout.contains("nothing stands in the way"), "{healthy}");
    let log = sandbox.lake().join("_lakeward/shop/log");
    for folder in [sandbox.lake(), log.clone(), sandbox.lake().join("orders")] {
        set_mode(&folder, 0o555);
        let doctor = as_another(&sandbox, "doctor");
        assert_eq!(doctor.code(), Some(3), "{doctor}");
        let named = format!("cannot write into `{}`", folder.canonicalize().unwrap().display());
        for words in ["something needs the operator", &named, "a folder that this user may write to"] {
            assert!(doctor.stdout.contains(words), "{words}: {doctor}");
        }
        // Who looks needs no more than to read.
        assert_eq!(as_another(&sandbox, "status").code(), Some(0), "{named}");
        set_mode(&folder, 0o777);
    }
    set_mode(&log, 0o000);
    for command in ["status", "doctor", "history"] {
        let looked = as_another(&sandbox, command);
        looked.failed_with(2, &["Permission denied", "this user may not look at it: let it list the folders and read the files"]);
        assert!(!looked.stderr.contains("has to be a folder that this user may write to"), "{looked}");
    }
    set_mode(&log, 0o755);
}
