//! Tells the program what it is a build of: `LAKEWARD_BUILD`, the text behind its version.
//!
//! The commit is that of this folder's repository, or of the package that cargo made of one. Builds for tests are not made anew for each commit.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if is_release { repository(&root).or_else(|| package(&root)) } else { None };
    let commit = commit.map_or_else(|| "no known commit".to_owned(), |commit| format!("commit {commit}"));
    let mut features: Vec<String> =
        env::vars().filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase())).collect();
    features.retain(|feature| feature != "default");
    features.sort();
    let features = if features.is_empty() { "none".to_owned() } else { features.join(" ") };
    println!("cargo:rustc-env=LAKEWARD_BUILD={commit}, features: {features}");
}

/// The commit of the repository that has this folder as its root; it says where there are changes besides.
fn repository(root: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Above a package that was unpacked there may be a repository of something else.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? != Path::new(root).canonicalize().ok()? {
        return None;
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo:rerun-if-changed={}", Path::new(root).join(log).display());
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let is_changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if is_changed { commit + ", changed" } else { commit })
}

/// The commit that cargo notes in a package.
fn package(root: &str) -> Option<String> {
    let noted = fs::read_to_string(Path::new(root).join(".cargo_vcs_info.json")).ok()?;
    let commit = noted.split_once("\"sha1\"")?.1.split('"').nth(1)?;
    Some(commit.chars().take(12).collect())
}
