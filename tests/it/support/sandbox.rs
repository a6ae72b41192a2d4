//! A folder in which the binary runs as a user runs it: a config, a lake beside it, an environment of its own.
//!
//! In: config text. Out: [`Ended`] runs (exit code, both outputs, the JSON summary), and the lake's tables read back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::table::{Row, read_rows};

/// The folder, gone when it is dropped.
pub(crate) struct Sandbox {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::with_prefix("lakeward-").unwrap(), environment: Vec::new() }
    }

    /// A folder with `config` as its `lakeward.yaml`.
    pub(crate) fn with_config(config: &str) -> Self {
        let sandbox = Self::new();
        sandbox.write("lakeward.yaml", config);
        sandbox
    }

    /// Sets a variable of every run's environment, which is otherwise empty.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The lake of a config that says `url: ./lake`.
    pub(crate) fn lake(&self) -> PathBuf {
        self.path().join("lake")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `lakeward` with these arguments, in this folder, not started yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lakeward"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `lakeward` with these arguments to its end.
    pub(crate) fn lakeward(&self, arguments: &[&str]) -> Ended {
        Running::spawn(&mut self.command(arguments)).end()
    }

    /// `lakeward run lakeward.yaml`, whatever comes of it.
    pub(crate) fn run(&self) -> Ended {
        self.lakeward(&["run", "lakeward.yaml"])
    }

    /// `lakeward run lakeward.yaml`, which must succeed.
    pub(crate) fn run_ok(&self) -> Ended {
        let ended = self.run();
        assert_eq!(ended.code(), Some(0), "{ended}");
        ended
    }

    /// `lakeward run lakeward.yaml` in the background.
    pub(crate) fn start(&self) -> Running {
        Running::spawn(&mut self.command(&["run", "lakeward.yaml"]))
    }

    /// All rows of a table of the lake, in no particular order, partition columns included as text.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        read_rows(&self.lake().join(table))
    }

    /// Rows of a table by the integer column `key`, which must be unique.
    pub(crate) fn by_key(&self, table: &str, key: &str) -> BTreeMap<i64, Row> {
        let rows = self.rows(table);
        let count = rows.len();
        let by_key: BTreeMap<i64, Row> = rows.into_iter().map(|row| (row[key].as_i64().unwrap(), row)).collect();
        assert_eq!(by_key.len(), count, "`{key}` is not unique in `{table}`");
        by_key
    }

    /// Every file of a table, by its path from the table's folder, with its bytes.
    pub(crate) fn files(&self, table: &str) -> BTreeMap<String, Vec<u8>> {
        files_under(&self.lake().join(table))
    }

    /// Every live data file of the lake, by its path from the lake's folder, with its bytes.
    pub(crate) fn data_files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = files_under(&self.lake());
        files.retain(|path, _| !path.starts_with("_lakeward/"));
        files
    }
}

/// All files under `folder` with their bytes; none when it does not exist.
pub(crate) fn files_under(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A process that runs; it is killed when a test ends before it does.
pub(crate) struct Running(Option<Child>);

impl Running {
    /// Starts `command`.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(Some(command.spawn().unwrap()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.as_ref().map(Child::id).unwrap()
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Ended {
        let output = self.0.take().unwrap().wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Ends it by SIGKILL. True when that is what ended it.
    pub(crate) fn kill(mut self) -> bool {
        self.0.as_mut().unwrap().kill().unwrap();
        self.end().status.signal() == Some(9)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A process that has ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; `None` when a signal ended the process.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The last line of stdout as JSON.
    pub(crate) fn summary(&self) -> Value {
        let last = self.stdout.trim_end().lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("the last line of stdout is not JSON: {error}\n{self}"))
    }

    /// One table's part of the summary.
    pub(crate) fn table(&self, name: &str) -> Value {
        let table = self.summary()["tables"][name].clone();
        assert!(table.is_object(), "the summary has no table `{name}`\n{self}");
        table
    }

    /// Asserts the exit code, and that stderr has each of `words`.
    #[track_caller]
    pub(crate) fn failed_with(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code(), Some(code), "{self}");
        for word in words {
            assert!(self.stderr.contains(word), "stderr does not say `{word}`\n{self}");
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shorten = |text: &str| text.chars().take(6000).collect::<String>();
        write!(f, "{}\n--- stdout\n{}\n--- stderr\n{}", self.status, shorten(&self.stdout), shorten(&self.stderr))
    }
}
