//! The readers that users have: DuckDB, pyarrow and Spark.
//!
//! Starting Spark takes ten seconds, so a test leaves the table it wrote ([`leave_for_readers`]), and one session reads all of them
//! after the Rust tests (`tests/readers/check_tables.py`). Tables on S3 are read at once by DuckDB and pyarrow ([`read_table`]).
//! Without `./tests/run` there is no such environment: leaving does nothing, and what needs a server is not run.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::sandbox::files_under;

/// The value of a variable that `./tests/run` sets. Without it a test that needs it has nothing to talk to: `None`,
/// unless the whole environment was promised.
pub(crate) fn environment(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    assert!(value.is_some() || env::var("LAKEWARD_TEST_FULL").is_err(), "{name} is missing");
    value
}

/// Copies the table in `folder` to where all three readers will read it, with the rows and the sums of integer columns (as exact
/// text) that they must find. `test` must be unique.
pub(crate) fn leave_for_readers(test: &str, folder: &Path, rows: u64, sums: &[(&str, i64)]) {
    let Some(tables) = environment("LAKEWARD_TEST_TABLES") else { return };
    let name = folder.file_name().unwrap().to_str().unwrap();
    let target = Path::new(&tables).join(test).join(name);
    assert!(!target.exists(), "two tests leave a table `{test}/{name}`");
    for (path, bytes) in files_under(folder) {
        let file = target.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    let sums: BTreeMap<&str, String> = sums.iter().map(|(column, sum)| (*column, sum.to_string())).collect();
    let expected = json!({"rows": rows, "sums": sums}).to_string();
    fs::write(Path::new(&tables).join(test).join(format!("{name}.expected.json")), expected).unwrap();
}

/// What DuckDB and pyarrow agree on about the table at `url`: `rows`, `sums`, `digest`, `columns`, `files`.
pub(crate) fn read_table(url: &str) -> Option<Value> {
    let python = environment("LAKEWARD_TEST_PYTHON")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/read_table.py");
    let output = Command::new(python).arg(script).arg(url).args(["--readers", "duckdb,pyarrow"]).output().unwrap();
    assert!(output.status.success(), "{url}: {}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
