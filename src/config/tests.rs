use std::io;
use std::path::Path;

use super::*;

mod auth;
mod faults;
mod fuzz;
mod incremental;
mod meaning;
mod rules;
mod schema;
mod secrets;
mod steps;
mod tables;

/// Loads `text` as `/etc/lakeward/test.yaml`, run in `/data`, with a small environment.
fn load_text(text: &str) -> Result<Plan, ConfigErrors> {
    let inputs = Inputs {
        text,
        file: "/etc/lakeward/test.yaml",
        folder: Path::new("/etc/lakeward"),
        current_dir: Path::new("/data"),
        has_lake: &|_, _| false,
        env: &|name| {
            let value = match name {
                "BILLING_URL" => "https://api.example.com",
                "BILLING_API_KEY" | "KEY" => "s3cr3t-K3Y",
                "BRACED" => "a{b}c",
                "LIMIT" => "250",
                "YES" => "true",
                "YAML" => "x, admin: true}",
                "EMPTY" => "",
                "DLT_INTERVAL_START" => "2026-11-01T00:00:00Z",
                "DLT_INTERVAL_END" => "2026-11-02T00:00:00Z",
                _ => return None,
            };
            Some(value.to_owned())
        },
        read_file: &|path| match path.to_str() {
            Some("/run/secrets/key") => Ok("from-file-s3cr3t\n".to_owned()),
            Some("/etc/lakeward/schemas/wallets.json") => Ok("{}".to_owned()),
            Some("/etc/lakeward/locked") => Err(io::ErrorKind::PermissionDenied.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    };
    load_config(&inputs)
}

/// Loads what is a config already.
pub(super) fn load_config(inputs: &Inputs<'_>) -> Result<Plan, ConfigErrors> {
    load(inputs, |document, faults| {
        substitute::substitute(document, Document::ROOT, inputs, faults);
        true
    })
}

/// A config in which all is well, with room for keys of every section.
fn config(client: &str, endpoint: &str, resource: &str, lake: &str, root: &str) -> String {
    let key = |keys: &str| if keys.is_empty() { String::new() } else { format!(", {keys}") };
    let resource: String = resource.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "name: n\nclient: {{base_url: \"http://a.test/v1/\"{}}}\nlake: {{url: ./lake{}}}\nresources:\n  - name: r\n    endpoint: {{path: p{}}}\n{resource}{root}\n",
        key(client),
        key(lake),
        key(endpoint)
    )
}

fn client(keys: &str) -> String {
    config(keys, "", "", "", "")
}

fn endpoint(keys: &str) -> String {
    config("", keys, "", "", "")
}

fn resource(keys: &str) -> String {
    config("", "", keys, "", "")
}

fn lake(keys: &str) -> String {
    config("", "", "", keys, "")
}

fn root(keys: &str) -> String {
    config("", "", "", "", keys)
}

/// Checks the faults of a config, one a line, as `line:column: …`.
fn check(text: &str, expected: &[&str]) {
    let faults = match load_text(text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.faults().iter().map(|fault| format!("{}:{}: {fault}", fault.line, fault.column)).collect(),
    };
    assert_eq!(faults, expected, "\n{text}");
}

/// The plan of a config without faults.
fn plan(text: &str) -> Plan {
    load_text(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}
