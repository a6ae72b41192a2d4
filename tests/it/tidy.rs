//! The house's order, read from the sources: layers, sizes, headers, and documents that say what is true.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of the data's journey; a room may use only those before it.
const ROOMS: [&str; 11] =
    ["base", "config", "compat", "source", "schema", "decode", "merge", "lake", "pipeline", "report", "cli"];
/// Lines of a source file, its tests not counted.
const FILE_LINES_MAX: usize = 600;
/// Lines of a `mod tests` inside a source file; longer ones have a file of their own.
const INLINE_TEST_LINES_MAX: usize = 200;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under `folder`, as paths from the repository's root, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no Rust file under {folder}");
    found
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// The text before an inline `mod tests`, and that module.
fn split_tests(text: &str) -> (&str, &str) {
    match text.find("\n#[cfg(test)]\nmod tests {") {
        Some(at) => text.split_at(at + 1),
        None => (text, ""),
    }
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The rooms that a file names by `crate::room` or `crate::{room, …}`, comments left out.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 1;
            let end = list.find(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0
            });
            let mut depth = 0;
            for part in list[..end.unwrap_or(list.len())].split(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0 && c == ','
            }) {
                used.insert(name_at_start(part.trim_start()));
            }
        } else {
            used.insert(name_at_start(rest));
        }
    }
    used
}

fn name_at_start(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_room_uses_only_the_rooms_before_it() {
    let mut faults = Vec::new();
    for (path, text) in sources("src") {
        let Some(room) = path.components().nth(1).and_then(|part| part.as_os_str().to_str()) else { continue };
        let Some(own) = ROOMS.iter().position(|name| *name == room) else {
            let entry = ["main.rs", "lib.rs"].contains(&room);
            assert!(entry, "{} is in no room: {ROOMS:?}", path.display());
            continue;
        };
        for used in rooms_used(&text) {
            if ROOMS.iter().position(|name| *name == used).is_some_and(|index| index > own) {
                faults.push(format!("{} uses `{used}`, which comes after `{room}`", path.display()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_layer_check_sees_every_way_to_name_a_room() {
    let text = "use crate::lake::{Lake, Table};\nuse crate::{base::{A, B}, merge};\n// crate::cli\nfn f() { crate::report::x() }";
    assert_eq!(rooms_used(text).into_iter().collect::<Vec<_>>(), ["base", "lake", "merge", "report"]);
}

#[test]
fn source_files_are_short() {
    let mut faults = Vec::new();
    for (path, text) in sources("src") {
        if is_test_file(&path) {
            continue;
        }
        let (code, tests) = split_tests(&text);
        let (lines, test_lines) = (code.lines().count(), tests.lines().count());
        if lines > FILE_LINES_MAX {
            faults.push(format!("{} has {lines} lines without its tests, at most {FILE_LINES_MAX} are allowed", path.display()));
        }
        if test_lines > INLINE_TEST_LINES_MAX {
            faults.push(format!(
                "{} has {test_lines} lines of tests: move them to `{}/tests.rs`",
                path.display(),
                path.with_extension("").display()
            ));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_starts_by_saying_what_it_is_for() {
    let mut faults = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests/it")) {
        let header: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        if header.concat().len() < 10 && !is_test_file(&path) {
            faults.push(format!("{} has no `//!` header", path.display()));
        }
        let is_room = path.file_name().is_some_and(|name| name == "mod.rs") && path.components().count() == 3;
        if is_room && path.starts_with("src") && header.len() < 3 {
            faults.push(format!("{}: a room's header says what comes in, what goes out and what is not for it", path.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let marks =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let mut faults = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn tests_do_not_sleep_and_are_not_ignored() {
    let marks = [concat!("#[ig", "nore"), concat!("thread::sle", "ep("), concat!("time::sle", "ep(")];
    let mut faults = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        // The fakes imitate slow servers; the tests themselves wait for events.
        if path.starts_with("tests/it/support") {
            continue;
        }
        let text = if is_test_file(&path) || path.starts_with("tests") { text.as_str() } else { split_tests(&text).1 };
        for line in text.lines().filter(|line| marks.iter().any(|mark| line.contains(mark))) {
            faults.push(format!("{}: {}", path.display(), line.trim()));
        }
    }
    assert_none(&faults);
}

/// Files of `src/cli` that print, by their paths from there; those of `terminal` write.
fn printing() -> (Vec<(PathBuf, String)>, BTreeSet<String>) {
    let (writing, other): (Vec<_>, Vec<_>) =
        sources("src").into_iter().partition(|(path, _)| path.starts_with("src/cli/terminal"));
    assert!(writing.len() > 2, "src/cli/terminal is gone");
    let in_cli = other.iter().filter_map(|(path, text)| Some((path.strip_prefix("src/cli").ok()?, text)));
    let printing = in_cli.filter(|(_, text)| text.contains("terminal::")).map(|(path, _)| path.to_str().unwrap().to_owned());
    let printing = printing.collect();
    (other, printing)
}

#[test]
fn only_the_terminal_writes_to_the_streams() {
    let marks = ["print!(", "println!(", "stdout()", "stderr()", "indicatif", "tracing_subscriber", "/dev/std", "/dev/tty"];
    let mut faults = Vec::new();
    for (path, text) in printing().0 {
        for line in text.lines().filter(|line| marks.iter().any(|mark| line.contains(mark)) && !line.contains("\"print(")) {
            faults.push(format!("{}: {}: use `terminal`, which shows no secret and no escape", path.display(), line.trim()));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_that_prints_is_sent_hostile_names() {
    let tried: BTreeSet<String> = crate::hostile::PLACES.iter().map(|(place, _)| (*place).to_owned()).collect();
    assert_eq!(printing().1, tried, "`PLACES` of tests/it/hostile.rs has every file of src/cli that prints");
}

/// The Markdown files people read.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].iter().map(|name| root().join(name)).collect();
    if let Ok(entries) = fs::read_dir(root().join("docs")) {
        paths.extend(entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    paths.sort();
    paths.into_iter().filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text))).collect()
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for (path, text) in documents() {
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !outside && !path.parent().unwrap().join(target).exists() {
                faults.push(format!("{} links to `{target}`, which does not exist", path.display()));
            }
        }
    }
    assert_none(&faults);
}

/// The words after `lakeward` on the command lines in a document's code blocks.
fn commands_shown(text: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        for line in block.lines().skip(1) {
            let line = line.trim_start_matches("$ ").trim();
            for start in ["lakeward ", "cargo run --release -- ", "./target/release/lakeward "] {
                if let Some(rest) = line.strip_prefix(start) {
                    shown.push(rest.split('#').next().unwrap_or_default().trim().to_owned());
                }
            }
        }
    }
    shown
}

#[test]
fn a_thing_is_called_by_the_word_of_the_glossary() {
    let glossary = fs::read_to_string(root().join("docs/glossary.md")).unwrap();
    let (_, banned) = glossary.split_once("## Not these").unwrap();
    let banned: Vec<String> =
        table_rows(banned).iter().filter_map(|row| Some(row[0].strip_prefix('`')?.trim_end_matches('`').to_owned())).collect();
    assert!(!banned.is_empty(), "docs/glossary.md has lost its words");
    let documents = documents().into_iter().filter(|(path, _)| !path.ends_with("glossary.md"));
    let mut faults = Vec::new();
    for (path, text) in sources("src").into_iter().chain(documents) {
        let words = |line: &str| line.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
        for (number, line) in text.lines().enumerate() {
            let line = format!(" {} ", words(line));
            let used = banned.iter().filter(|word| line.contains(&format!(" {word} ")) || line.contains(&format!(" {word}s ")));
            faults.extend(used.map(|word| format!("{}:{}: `{word}`, see docs/glossary.md", path.display(), number + 1)));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_command_in_the_documents_exists() {
    let help = |words: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lakeward")).args(words).arg("--help").output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut faults = Vec::new();
    for (path, text) in documents() {
        for line in commands_shown(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(command) = words.iter().find(|word| !word.starts_with('-')) else { continue };
            let (mut known, mut text) = help(&[command]);
            let second = words.iter().skip_while(|word| word != &command).nth(1);
            if let Some(second) = second.filter(|_| text.contains("\nCommands:")) {
                (known, text) = help(&[command, second]);
            }
            if !known {
                faults.push(format!("{}: `lakeward {line}`: there is no command `{command}`", path.display()));
            }
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let name = option.split('=').next().unwrap_or_default();
                if known && !text.contains(name) {
                    faults.push(format!("{}: `lakeward {line}`: `{command}` has no option `{name}`", path.display()));
                }
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_readme_names_the_commands_that_are_all_it_takes() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["cargo run --release -- demo", "./tests/run"] {
        assert!(readme.contains(command), "README.md does not say `{command}`");
    }
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_lakeward")).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for code in ["0", "2", "3", "4", "20", "70", "75", "130"] {
        assert!(readme.contains(&format!("| {code}")), "README.md does not explain the exit code {code}");
        assert!(help.contains(code), "`lakeward --help` does not explain the exit code {code}");
    }
}

/// The rows of a document's tables, cell by cell, header lines left out.
fn table_rows(text: &str) -> Vec<Vec<String>> {
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id |") && !line.starts_with("| dlt |"));
    let cells = |line: &str| {
        line.trim_matches('|').replace("\\|", "\u{0}").split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
    };
    rows.map(cells).collect()
}

/// Every test function of the repository.
fn tests_there_are() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, text) in sources("src").into_iter().chain(sources("tests")) {
        for (at, _) in text.match_indices("fn ") {
            let name: String = text[at + 3..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            names.insert(name);
        }
    }
    names
}

/// What stands in backquotes in a cell and looks like the name of a test.
fn tests_named(cell: &str) -> Vec<&str> {
    let is_name =
        |word: &&str| word.matches('_').count() > 2 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    cell.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_guarantee_and_every_invariant_names_its_test() {
    let tests = tests_there_are();
    let mut faults = Vec::new();
    for (document, head, least) in [("docs/guarantees.md", "promise", 60), ("ARCHITECTURE.md", "invariant", 15)] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let rows: Vec<Vec<String>> = table_rows(&text).into_iter().filter(|row| row[0] != head).collect();
        assert!(rows.len() > least, "{document} has lost its rows");
        for row in rows {
            let named = tests_named(row.last().unwrap());
            // A step of the suite is what holds it, too.
            if named.is_empty() && !row.last().unwrap().contains("./tests/run") {
                faults.push(format!("{document}: no test is named: {}", row[0]));
            }
            let missing = named.iter().filter(|name| !tests.contains(**name));
            faults.extend(missing.map(|name| format!("{document}: there is no test `{name}`")));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_row_of_what_is_promised_names_tests_that_exist() {
    let tests = tests_there_are();
    let mut faults = Vec::new();
    for document in ["docs/reliability.md", "docs/dlt-compatibility.md"] {
        let rows = table_rows(&fs::read_to_string(root().join(document)).unwrap());
        assert!(rows.len() > 60, "{document} has lost its rows");
        let mut ids: Vec<&str> =
            rows.iter().map(|row| row[0].as_str()).filter(|id| id.starts_with("E-") || id.starts_with("H-")).collect();
        ids.sort_unstable();
        faults.extend(
            ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| format!("{document}: `{}` is two rows", pair[0])),
        );
        for row in rows {
            let named: Vec<&str> = row.last().unwrap().split(',').map(|name| name.trim().trim_matches('`')).collect();
            for name in named.iter().filter(|name| !tests.contains(**name)) {
                faults.push(format!("{document}: `{}`: there is no test `{name}`", row[0]));
            }
            if let Some(id) = row[0].strip_prefix("E-") {
                let prefix = format!("e_{id}_");
                if !named.iter().any(|name| name.starts_with(&prefix)) {
                    faults.push(format!("{document}: {} names no test of its own", row[0]));
                }
            }
        }
    }
    assert_none(&faults);
}
