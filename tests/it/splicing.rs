//! A new column on a table of large files: their bytes stay, on disk and in a bucket, and every command goes on.

use std::os::unix::process::ExitStatusExt;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::s3::{in_bucket, moto, seaweedfs};
use crate::support::fake_api::{FakeApi, Reply};
use crate::support::readers::{leave_for_readers, read_table};
use crate::support::sandbox::{Running, Sandbox};
use crate::support::table::file_schema;

/// What the log says of a file whose bytes stay.
const TOLD: &str = "null columns come behind a file's own bytes";

/// Text that hardly packs.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap()).to_string().replace(['"', '\\'], "~")
    };
    (0..length).map(next).collect()
}

/// An API that sends one large night, and then a record with new columns each.
struct Nights {
    records: Arc<Mutex<Vec<Value>>>,
    sandbox: Sandbox,
    _api: FakeApi,
}

impl Nights {
    fn new(lake: &str) -> Self {
        let records = Arc::new(Mutex::new(Vec::new()));
        let served = Arc::clone(&records);
        let api = FakeApi::start().on("/rows", move |_| Reply::json(json!(*served.lock().unwrap()).to_string()));
        let sandbox = Sandbox::with_config(&format!(
            "name: p\nclient: {{base_url: {}}}\nlake: {{url: \"{lake}\", keep_versions: 10}}\nresources:\n  - {{name: rows, write_disposition: append, \
             endpoint: {{path: /rows, paginator: single_page, incremental: {{cursor_path: id, initial_value: 0}}}}}}\n",
            api.url()
        ));
        Self { records, sandbox, _api: api }
    }

    fn send(&self, night: u64) {
        *self.records.lock().unwrap() = match night {
            1 => (1..=80).map(|id| json!({"id": id, "v": noise(id, 100_000)})).collect(),
            2 => vec![json!({"id": 1000, "more": {"deep": [1], "t": "x"}, "n": 7})],
            _ => vec![json!({"id": 998 + night, "last": 2.5})],
        };
    }

    fn run(&self, night: u64) -> String {
        self.send(night);
        let ended = self.sandbox.lakeward(&["run", "lakeward.yaml", "-vv"]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        ended.stderr
    }

    fn works(&self, arguments: &[&str]) {
        let ended = self.sandbox.lakeward(arguments);
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {ended}");
    }
}

#[test]
fn a_file_that_gets_columns_keeps_its_bytes_and_is_verified_compared_rolled_back_and_compacted() {
    let nights = Nights::new("./lake");
    let (sandbox, mut first) = (&nights.sandbox, Vec::new());
    for night in 1..=3 {
        assert_eq!(nights.run(night).contains(TOLD), night > 1);
        first.push(sandbox.files("rows")["part-000000.parquet"].clone());
    }
    assert!(first[0].len() > 5 << 20 && first[1].starts_with(&first[0]) && first[2].starts_with(&first[1]));
    assert!(first[2].len() < first[0].len() + 10_000, "{} bytes came", first[2].len() - first[0].len());
    let file = sandbox.lake().join("rows/part-000000.parquet");
    let columns: Vec<String> = file_schema(&file).fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(columns, ["id", "v", "more", "n", "last"]);
    let rows = sandbox.by_key("rows", "id");
    assert_eq!(rows.len(), 82);
    assert_eq!(rows[&80]["v"], noise(80, 100_000));
    assert_eq!((&rows[&80]["n"], &rows[&80]["more"], &rows[&1000]["n"]), (&Value::Null, &Value::Null, &json!(7)));
    leave_for_readers("spliced", &sandbox.lake().join("rows"), 82, &[("id", 3240 + 1000 + 1001), ("n", 7)]);

    nights.works(&["verify", "lakeward.yaml", "--deep"]);
    nights.works(&["diff", "lakeward.yaml", "1", "3"]);
    for (version, file) in [(1, &first[0]), (3, &first[2])] {
        nights.works(&["rollback", "lakeward.yaml", "--to", &version.to_string()]);
        assert!(sandbox.files("rows")["part-000000.parquet"] == **file, "version {version}");
        nights.works(&["verify", "lakeward.yaml", "--deep"]);
    }
    // A byte of those that were not read again.
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[1000] ^= 1;
    // Under another inode: what is kept of a version may be this very file.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, damaged).unwrap();
    sandbox.lakeward(&["verify", "lakeward.yaml"]).failed_with(3, &["not what was committed"]);
    nights.works(&["repair", "lakeward.yaml", "--apply"]);
    assert!(std::fs::read(&file).unwrap() == whole);
    nights.works(&["compact", "lakeward.yaml"]);
    nights.works(&["verify", "lakeward.yaml", "--deep"]);
    assert!(sandbox.by_key("rows", "id") == rows);
}

#[test]
fn a_file_in_a_bucket_that_gets_columns_is_copied_there_and_a_killed_night_is_finished_by_the_next() {
    let local = Nights::new("./lake");
    (1..=3).for_each(|night| drop(local.run(night)));
    for access in [seaweedfs(""), moto()].into_iter().flatten() {
        let prefix = format!("spliced-{}", local._api.url().rsplit(':').next().unwrap());
        let url = format!("s3://{}/{prefix}", access.bucket);
        let nights = Nights::new(&url);
        let nights = Nights { sandbox: in_bucket(nights.sandbox, &access), ..nights };
        nights.run(1);
        nights.send(2);
        for (point, exit) in [("lake.stage.copied", 9), ("lake.publish.put", 9)] {
            let fault = format!("{point}=kill");
            let ended = Running::spawn(nights.sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
            assert_eq!(ended.status.signal(), Some(exit), "{point}: {ended}");
        }
        nights.run(2);
        let told = nights.run(3);
        assert!(told.contains(TOLD) && !told.contains("does not copy"), "{told}");
        nights.works(&["verify", "lakeward.yaml", "--deep"]);
        if access.key != "any" {
            let read = |url: &str| read_table(url).unwrap()["digest"].clone();
            assert_eq!(read(&format!("{url}/rows")), read(local.sandbox.lake().join("rows").to_str().unwrap()));
        }
        nights.works(&["rollback", "lakeward.yaml", "--to", "1"]);
        nights.works(&["verify", "lakeward.yaml", "--deep"]);
    }
}
