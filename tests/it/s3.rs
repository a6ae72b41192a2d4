//! The lake in a bucket: SeaweedFS checks signatures and conditional writes, DuckDB and pyarrow read through S3.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::{environment, read_table};
use crate::support::sandbox::{Running, Sandbox, files_under};

/// A bucket and an identity for it.
pub(crate) struct Access {
    endpoint: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    secret: String,
}

/// SeaweedFS by the identity that may write (`""`) or only read (`"RO_"`); `None` outside `./tests/run`.
pub(crate) fn seaweedfs(identity: &str) -> Option<Access> {
    Some(Access {
        endpoint: environment("LAKEWARD_TEST_S3_ENDPOINT")?,
        bucket: environment("LAKEWARD_TEST_S3_BUCKET")?,
        key: environment(&format!("LAKEWARD_TEST_S3_{identity}KEY"))?,
        secret: environment(&format!("LAKEWARD_TEST_S3_{identity}SECRET"))?,
    })
}

/// moto, which lets anyone in and forgets everything.
pub(crate) fn moto() -> Option<Access> {
    let endpoint = environment("LAKEWARD_TEST_MOTO_ENDPOINT")?;
    Some(Access { endpoint, bucket: environment("LAKEWARD_TEST_S3_BUCKET")?, key: "any".to_owned(), secret: "any".to_owned() })
}

/// The guide with its lake under `prefix`.
fn guide(access: &Access, api: &FakeApi, prefix: &str) -> Sandbox {
    let config = guide_config(&api.url()).replace("url: ./lake", &format!("url: s3://{}/{prefix}", access.bucket));
    in_bucket(Sandbox::with_config(&config).env("BILLING_API_KEY", KEY), access)
}

/// The same with what reaches the bucket.
pub(crate) fn in_bucket(sandbox: Sandbox, access: &Access) -> Sandbox {
    sandbox
        .env("AWS_ENDPOINT", &access.endpoint)
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", &access.key)
        .env("AWS_SECRET_ACCESS_KEY", &access.secret)
}

/// What DuckDB and pyarrow read of the usage table under `prefix`.
fn read(access: &Access, prefix: &str) -> Value {
    read_table(&format!("s3://{}/{prefix}/customer_usage", access.bucket)).unwrap()
}

/// Both nights without a kill; what the readers see after each.
fn uninterrupted(access: &Access, prefix: &str) -> [Value; 2] {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = guide(access, &api, prefix);
    sandbox.run_ok();
    let first = read(access, prefix);
    billing.second_night();
    sandbox.run_ok();
    [first, read(access, prefix)]
}

#[test]
fn two_nights_in_a_bucket_are_read_by_duckdb_and_pyarrow() {
    let Some(access) = seaweedfs("") else { return };
    let [first, second] = uninterrupted(&access, "two-nights/lake");
    assert_eq!((first["rows"].as_u64(), second["rows"].as_u64()), (Some(1234), Some(1237)));
    let billing = Billing::guide();
    billing.second_night();
    let units: i64 = billing.records("/v1/customer_usage").iter().map(|record| record["units"].as_i64().unwrap()).sum();
    assert_eq!(second["sums"]["units"], units.to_string());
}

#[test]
fn a_night_without_changes_writes_no_object() {
    let Some(access) = seaweedfs("") else { return };
    let api = Billing::guide().serve();
    let sandbox = guide(&access, &api, "no-changes");
    sandbox.run_ok();
    let ended = sandbox.run_ok();
    assert_eq!(
        (&ended.table("customer_usage")["files_put"], &ended.table("customer_usage")["rows_written"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn a_night_killed_while_it_publishes_is_finished_by_the_next() {
    let Some(access) = seaweedfs("") else { return };
    let expected = uninterrupted(&access, "killed/reference");
    for (number, point) in
        ["lake.commit.before_create", "lake.commit.after_create", "lake.publish.put#2", "lake.publish.before_done"]
            .iter()
            .enumerate()
    {
        let billing = Billing::guide();
        let api = billing.serve();
        let prefix = format!("killed/lake-{number}");
        let sandbox = guide(&access, &api, &prefix);
        sandbox.run_ok();
        billing.second_night();
        let fault = format!("{point}=kill");
        let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
        assert_eq!(ended.status.signal(), Some(9), "{point}: {ended}");
        sandbox.run_ok();
        assert_eq!(read(&access, &prefix)["digest"], expected[1]["digest"], "{point}");
    }
}

/// What a run was answered lies on the machine that it ran on.
#[test]
fn a_night_into_a_bucket_that_is_killed_before_its_commit_is_gone_on_with_on_the_same_machine() {
    for (number, access) in [seaweedfs(""), moto()].into_iter().flatten().enumerate() {
        let api = Billing::guide().serve();
        let sandbox = guide(&access, &api, &format!("gone-on-with/lake-{number}"));
        let temporary = sandbox.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        let sandbox = sandbox.env("TMPDIR", temporary.to_str().unwrap());
        let text = std::fs::read_to_string(sandbox.path().join("lakeward.yaml")).unwrap();
        sandbox.write("lakeward.yaml", &format!("{text}\nresume: 6h\n"));
        let fault = "lake.commit.before_create=kill";
        let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
        assert_eq!(ended.status.signal(), Some(9), "{ended}");
        let asked = api.requests().len();
        let status = sandbox.lakeward(&["status", "lakeward.yaml"]);
        assert!(status.stdout.contains("customer_usage: an interrupted run of "), "{status}");
        let ended = sandbox.run_ok();
        assert_eq!((ended.table("customer_usage")["requests"].as_u64(), api.requests().len()), (Some(0), asked), "{ended}");
        let left: Vec<String> = files_under(&temporary).into_keys().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn an_identity_that_may_only_read_is_a_matter_of_credentials() {
    let Some(access) = seaweedfs("RO_") else { return };
    let api = Billing::guide().serve();
    let ended = guide(&access, &api, "read-only").run();
    assert_eq!(ended.code(), Some(4), "{ended}");
    assert!(!ended.stderr.contains(&access.secret), "{ended}");
}

/// What the bucket lets this identity do, `check --online` finds out as a run would, with an upload that is never completed.
#[test]
fn check_online_tries_out_whether_the_bucket_takes_a_file_and_leaves_nothing_there() {
    let check = |sandbox: &Sandbox| sandbox.lakeward(&["check", "lakeward.yaml", "--online", "--json"]);
    for (number, access) in [seaweedfs(""), moto()].into_iter().flatten().enumerate() {
        let api = Billing::guide().serve();
        let sandbox = guide(&access, &api, &format!("checked-{number}"));
        for night in ["before the first night", "behind it"] {
            let ended = check(&sandbox);
            assert_eq!((ended.code(), &ended.summary()["lake"]["writable"]), (Some(0), &json!(true)), "{night}: {ended}");
            let doctor = sandbox.lakeward(&["doctor", "lakeward.yaml"]);
            assert!(!doctor.stdout.contains("upload") && !doctor.stderr.contains("upload"), "{night}: {doctor}");
            sandbox.run_ok();
        }
    }
    let Some(access) = seaweedfs("RO_") else { return };
    let api = Billing::guide().serve();
    let ended = check(&guide(&access, &api, "checked-0"));
    assert_eq!((ended.code(), &ended.summary()["lake"]["writable"]), (Some(4), &json!(false)), "{ended}");
    assert!(!ended.stderr.contains(&access.secret), "{ended}");
}

#[test]
fn a_wrong_secret_is_a_matter_of_credentials() {
    let Some(access) = seaweedfs("") else { return };
    let api = Billing::guide().serve();
    let ended = guide(&Access { secret: "wrong".to_owned(), ..access }, &api, "wrong-secret").run();
    assert_eq!(ended.code(), Some(4), "{ended}");
    assert!(api.requests().is_empty(), "the lake is opened before the API is asked");
}

#[test]
fn a_bucket_that_does_not_exist_is_named() {
    let Some(access) = moto() else { return };
    let api = Billing::guide().serve();
    let ended = guide(&Access { bucket: "no-such-bucket".to_owned(), ..access }, &api, "lake").run();
    assert!([2, 3, 4].contains(&ended.code().unwrap()), "{ended}");
    assert!(ended.stderr.contains("no-such-bucket"), "{ended}");
    assert!(api.requests().is_empty(), "the lake is opened before the API is asked");
}

#[test]
fn a_store_that_is_not_there_is_unavailable() {
    let Some(access) = seaweedfs("") else { return };
    let api = Billing::guide().serve();
    let gone = Access { endpoint: FakeApi::start().url(), ..access };
    guide(&gone, &api, "gone").run().failed_with(75, &[]);
}

#[test]
fn a_bucket_adopts_files_and_takes_what_was_set_aside_once_it_fits() {
    for access in [seaweedfs(""), moto()].into_iter().flatten() {
        let orders = json!([{"id": 1, "price": 10}, {"id": 2, "price": "a few"}]).to_string();
        let api = FakeApi::start().on("/orders", move |_| Reply::json(orders.clone()));
        let sandbox = guide(&access, &api, "");
        let config = |lake: &str, columns: &str| {
            format!(
                "name: shop\nclient: {{base_url: {}}}\nresources:\n  - {{name: orders, primary_key: id, write_disposition: merge, {columns}, \
                 on_reject: quarantine, max_rejects: 9, endpoint: {{path: orders, paginator: single_page}}}}\nlake: {{url: {lake}}}\n",
                api.url()
            )
        };
        let (narrow, mended) = ("columns: {price: {data_type: bigint}}", "columns: {}");
        let prefix = format!("repaired-{}", api.url().rsplit(':').next().unwrap());
        let bucket = |name: &str| format!("\"s3://{}/{prefix}/{name}\"", access.bucket);
        let lakeward = |arguments: &[&str], words: &str| {
            let ended = sandbox.lakeward(arguments);
            assert!(ended.code() == Some(0) && ended.stdout.contains(words), "{arguments:?}, {words}: {ended}");
        };
        sandbox.write("s3.yaml", &config(&bucket("night"), narrow));
        lakeward(&["run", "s3.yaml"], "\"rejects\":1");
        sandbox.write("s3.yaml", &config(&bucket("night"), mended));
        lakeward(&["repair", "s3.yaml"], "1 record would be loaded");
        lakeward(&["repair", "s3.yaml", "--apply"], "1 record loaded");
        lakeward(&["repair", "s3.yaml", "--apply"], "nothing to repair");
        lakeward(&["verify", "s3.yaml", "--deep"], "2 rows in 1 file");

        sandbox.write("local.yaml", &config("./lake", mended));
        lakeward(&["run", "local.yaml"], "success");
        sandbox.write("adopted.yaml", &config(&bucket("adopted"), mended));
        lakeward(&["adopt", "adopted.yaml", "orders", "--from", "lake/orders", "--apply"], "1 file with 2 rows");
        lakeward(&["verify", "adopted.yaml", "--deep"], "2 rows in 1 file");
        lakeward(&["run", "adopted.yaml"], "\"rows_unchanged\":2");
    }
}
