//! What the documents show is so: their commands are typed as they stand, their messages are those of the program.
//!
//! A block of commands begins in a folder in which `billing.yaml` was run on two nights; the blocks of the tutorial follow each other from an empty one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::Sandbox;

/// Pages of which each block is typed here.
const TYPED: [&str; 8] = [
    "README.md",
    "docs/commands.md",
    "docs/install.md",
    "docs/move.md",
    "docs/operations.md",
    "docs/read.md",
    "docs/s3.md",
    "docs/schedule.md",
];

/// Commands that need what a test of their own makes, and its file.
const ELSEWHERE: [(&str, &str); 7] = [
    ("lakeward abandon ", "tests/it/hostile.rs"),
    ("lakeward adopt ", "tests/it/adopting.rs"),
    ("lakeward backfill events.yaml ", "tests/it/append_once.rs"),
    ("lakeward demo", "tests/it/commands.rs"),
    ("lakeward get ", "tests/it/get.rs"),
    ("lakeward init ", "tests/it/init.rs"),
    ("lakeward probe ", "tests/it/init.rs"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The blocks of a page: how each is marked, and its lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let block = |text| {
        let mut lines = str::lines(text);
        (lines.next().unwrap_or_default(), lines.collect())
    };
    text.split("\n```").skip(1).step_by(2).map(block).collect()
}

/// The commands of a block, without what is said of them.
fn commands<'t>((language, lines): &(&str, Vec<&'t str>)) -> Vec<&'t str> {
    let lines = lines.iter().filter(|line| *language == "sh" && line.starts_with("lakeward "));
    lines.map(|line| line.split(" #").next().unwrap_or(line).trim()).collect()
}

/// Types a command, which must succeed. The versions of the documents are 41 and 42, those of the folder 1 and 2.
#[track_caller]
fn typed(sandbox: &Sandbox, page: &str, command: &str) {
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let arguments: Vec<&str> = arguments
        .into_iter()
        .map(|word| match word {
            "41" => "1",
            "42" => "2",
            word => word,
        })
        .collect();
    let ended = sandbox.lakeward(&arguments);
    assert_eq!(ended.code(), Some(0), "{page}: {command}\n{ended}");
}

/// A folder after two nights.
fn two_nights() -> (FakeApi, Sandbox) {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = Sandbox::new().env("BILLING_API_KEY", KEY).env("BILLING_URL", &api.url());
    sandbox.write("billing.yaml", &guide_config(&api.url()));
    typed(&sandbox, "the first night", "lakeward run billing.yaml");
    billing.second_night();
    typed(&sandbox, "the second night", "lakeward run billing.yaml");
    (api, sandbox)
}

#[test]
fn the_tutorial_works_as_it_stands() {
    let api = Billing::guide().serve();
    let sandbox = Sandbox::new().env("BILLING_API_KEY", KEY).env("BILLING_URL", &api.url());
    let tutorial = page("docs/tutorial.md");
    let mut count = 0;
    for block in blocks(&tutorial) {
        if let ("yaml", [first, ..]) = (block.0, block.1.as_slice()) {
            sandbox.write(first.trim_start_matches("# "), &block.1.join("\n"));
        }
        for command in commands(&block) {
            typed(&sandbox, "docs/tutorial.md", command);
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
    assert!(
        sandbox.files("customer_usage").keys().all(|file| file.starts_with("created_at_month=")),
        "the tutorial ends in folders"
    );
}

#[test]
fn every_command_of_the_how_to_pages_works_as_it_stands() {
    let mut count = 0;
    for name in TYPED {
        for block in blocks(&page(name)) {
            let is_here = |command: &&str| ELSEWHERE.iter().all(|(start, _)| !command.starts_with(start));
            let commands: Vec<&str> = commands(&block).into_iter().filter(is_here).collect();
            if commands.is_empty() {
                continue;
            }
            let (_api, sandbox) = two_nights();
            commands.iter().for_each(|command| typed(&sandbox, name, command));
            count += commands.len();
        }
    }
    assert!(count > 40, "{count}");
    for (command, file) in ELSEWHERE {
        let word = command.split_whitespace().nth(1).unwrap();
        assert!(page(file).contains(&format!("\"{word}\"")), "{file} does not run `{command}`");
    }
}

/// All text of the program's sources, with the line breaks within texts taken out.
fn source_text() -> String {
    fn read(folder: PathBuf, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => read(path, text),
                false => text.push_str(&fs::read_to_string(path).unwrap_or_default()),
            }
        }
    }
    let mut text = String::new();
    read(root().join("src"), &mut text);
    let mut parts = text.split("\\\n");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |joined, part| joined + part.trim_start())
}

#[test]
fn the_messages_of_the_troubleshooting_page_are_those_of_the_program() {
    let (source, troubles) = (source_text(), page("docs/troubleshooting.md"));
    let messages: Vec<&str> = troubles.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0)).collect();
    assert!(messages.len() > 20, "{}", messages.len());
    for message in messages {
        assert!(source.contains(message), "no message of the program has `{message}`");
    }
}

#[test]
fn every_example_is_a_config_that_is_right() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let exported = text.lines().filter_map(|line| line.strip_prefix("#   export ")).flat_map(str::split_whitespace);
            let variables = exported.filter_map(|pair| pair.split_once('='));
            let sandbox = variables.fold(Sandbox::new(), |sandbox, (name, value)| sandbox.env(name, value));
            let ended = sandbox.lakeward(&["check", path.to_str().unwrap()]);
            assert_eq!(ended.code(), Some(0), "{}: {ended}", path.display());
            count += 1;
        }
    }
    assert!(count >= 12, "{count}");
}
