//! What packages carry beside the binary: its version, completions, man pages.

use std::fs;

use crate::support::sandbox::Sandbox;

#[test]
fn the_version_says_what_was_built() {
    let ended = Sandbox::new().lakeward(&["--version"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let version = format!("lakeward {} (", env!("CARGO_PKG_VERSION"));
    assert!(ended.stdout.starts_with(&version) && ended.stdout.contains("commit, features: "), "{ended}");
}

#[test]
fn every_shell_has_completions_that_know_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = Sandbox::new().lakeward(&["completions", shell]);
        assert_eq!(ended.code(), Some(0), "{ended}");
        for word in ["run", "full-refresh", "drop_sources"] {
            assert!(ended.stdout.contains(word), "{shell} knows no `{word}`");
        }
    }
    Sandbox::new().lakeward(&["completions", "zhs"]).failed_with(2, &["zsh"]);
}

#[test]
fn every_command_has_a_man_page() {
    let sandbox = Sandbox::new();
    let ended = sandbox.lakeward(&["man", "pages"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let help = sandbox.lakeward(&["--help"]).stdout;
    let commands = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| **name != "help") {
        let page = fs::read_to_string(sandbox.path().join(format!("pages/lakeward-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    assert!(fs::read_to_string(sandbox.path().join("pages/lakeward.1")).unwrap().contains("unavailable: run again later"));
    sandbox.write("file", "");
    sandbox.lakeward(&["man", "file"]).failed_with(2, &["cannot write man pages into `file`"]);
}
