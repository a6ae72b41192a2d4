//! Where a rotated refresh token is kept between runs.
//!
//! In: the config's refresh token. Out: the one that counts. The file is written beside itself, synced and renamed, readable by its
//! owner only, and under an advisory lock on `<file>.lock`, which is held from before the API is asked until the answer is kept.
//! A stored token counts as long as the config's is the one it descends from, which a hash tells.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::base::Secret;
use crate::source::auth::TokenFault;

/// Longest token file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Owner only.
const MODE: u32 = 0o600;
/// Stands in the lock file from before the API is asked until its answer is kept.
const ASKED: &[u8] = b"asked\n";

/// The refresh token of one client, locked against other processes until this is dropped.
pub(super) struct Kept {
    file: PathBuf,
    lock: File,
    descends_from: String,
    token: Secret,
    is_cut_short: bool,
}

impl Kept {
    /// Locks `file` and finds the token that counts; `None` while another process has the lock.
    ///
    /// # Errors
    /// [`TokenFault::File`] when a rotated token could not be kept there, or what lies there is no token file.
    pub(super) fn open(file: &Path, of_config: &Secret) -> Result<Option<Self>, TokenFault> {
        let fault = |why: String| TokenFault::File { file: file.display().to_string(), why };
        let lock = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(MODE).open(beside(file, "lock"));
        let mut lock = lock.map_err(|error| fault(error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(fault(format!("it cannot be locked: {error}"))),
        }
        let mut mark = Vec::new();
        (&mut lock).take(ASKED.len() as u64).read_to_end(&mut mark).map_err(|error| fault(error.to_string()))?;
        let descends_from = hash(of_config);
        let stored = stored(file, &descends_from).map_err(fault)?;
        let token = stored.unwrap_or_else(|| of_config.clone());
        Ok(Some(Self { file: file.to_owned(), lock, descends_from, token, is_cut_short: mark == ASKED }))
    }

    /// The refresh token to send.
    pub(super) fn token(&self) -> &Secret {
        &self.token
    }

    /// Whether an earlier run asked the API and ended before it could keep the answer.
    pub(super) fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }

    /// Notes that the API is about to be asked.
    ///
    /// # Errors
    /// [`TokenFault::File`]: then a rotated token could not be kept either.
    pub(super) fn begin(&mut self) -> Result<(), TokenFault> {
        self.mark(ASKED).map_err(|error| TokenFault::File { file: self.file.display().to_string(), why: error.to_string() })
    }

    /// Notes that the answer is in and nothing is lost.
    pub(super) fn settle(&mut self) {
        // A mark left behind only makes a later message more careful.
        let _ = self.mark(b"");
    }

    /// Keeps `token` instead. When this returns, it outlives the machine's power.
    ///
    /// # Errors
    /// [`TokenFault::Lost`].
    pub(super) fn replace(&mut self, token: &Secret) -> Result<(), TokenFault> {
        let lost = |error: io::Error| TokenFault::Lost { file: self.file.display().to_string(), why: error.to_string() };
        self.write(token).map_err(lost)?;
        self.token = token.clone();
        Ok(())
    }

    fn mark(&mut self, text: &[u8]) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        self.lock.write_all(text)?;
        self.lock.sync_data()
    }

    fn write(&self, token: &Secret) -> io::Result<()> {
        let stored = json!({
            "about": "the refresh token that the API gave lakeward in exchange for the config's; keep it secret",
            "descends_from_sha256": self.descends_from,
            "refresh_token": token.expose(),
        });
        let staged = beside(&self.file, "new");
        match fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&staged)?;
        file.write_all(format!("{stored:#}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&staged, &self.file)?;
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The stored token, if it descends from the config's.
fn stored(file: &Path, descends_from: &str) -> Result<Option<Secret>, String> {
    let mut text = String::new();
    match File::open(file) {
        Ok(file) => file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let stored: Value = serde_json::from_str(&text).unwrap_or_default();
    match (&stored["descends_from_sha256"], &stored["refresh_token"]) {
        (Value::String(origin), Value::String(token)) => Ok((origin == descends_from).then(|| Secret::new(token))),
        _ => Err("it is no token file of lakeward; if it may go, remove it".to_owned()),
    }
}

fn hash(secret: &Secret) -> String {
    Sha256::digest(secret.expose()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(file: &Path, of_config: &str) -> Kept {
        Kept::open(file, &Secret::new(of_config)).unwrap().unwrap()
    }

    #[test]
    fn e_37_a_rotated_token_counts_until_the_configs_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.token");
        open(&file, "r1").replace(&Secret::new("r2")).unwrap();
        assert_eq!(open(&file, "r1").token().expose(), "r2");
        assert_eq!(open(&file, "other").token().expose(), "other");
        open(&file, "other").replace(&Secret::new("r3")).unwrap();
        assert_eq!(open(&file, "other").token().expose(), "r3");
        assert_eq!(open(&file, "r1").token().expose(), "r1");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(!fs::read_to_string(&file).unwrap().contains("other"));
    }

    #[test]
    fn e_37_only_one_process_renews_a_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.token");
        let first = open(&file, "r1");
        assert!(Kept::open(&file, &Secret::new("r1")).unwrap().is_none());
        drop(first);
        open(&file, "r1");
    }

    #[test]
    fn e_37_a_run_that_ended_before_the_answer_was_kept_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.token");
        let mut first = open(&file, "r1");
        assert!(!first.is_cut_short());
        first.begin().unwrap();
        drop(first);
        let mut second = open(&file, "r1");
        assert!(second.is_cut_short());
        second.begin().unwrap();
        second.settle();
        drop(second);
        assert!(!open(&file, "r1").is_cut_short());
    }

    #[test]
    fn what_is_no_token_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.token");
        fs::write(&file, "precious").unwrap();
        let fault = Kept::open(&file, &Secret::new("r1")).err().unwrap();
        assert!(fault.to_string().ends_with("it is no token file of lakeward; if it may go, remove it"), "{fault}");
        let fault = Kept::open(Path::new("/nonexistent/t.token"), &Secret::new("r1")).err().unwrap();
        assert!(fault.to_string().contains("No such file"), "{fault}");
    }
}
