//! `lakeward init` and `lakeward probe`: an API is asked a few requests, and what they prove becomes a config, or a table.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::base::{ErrorKind, SystemClock, secrets};
use crate::cli::args::{AskArgs, InitArgs, ProbeArgs, quoted};
use crate::cli::described::{Named, described, read};
use crate::cli::exit::Failure;
use crate::cli::load::plan_from;
use crate::cli::terminal;
use crate::compat::{Asked, AskedFault, Choice, Credentials, Described, Draft, Given, from_curl};
use crate::config::Plan;
use crate::pipeline::{Finding, Probed, probe};
use crate::report;
use crate::schema::declared_json;
use crate::source::Meter;

/// Longest file that a curl command sends.
const SENT_BYTES_MAX: u64 = 4 << 20;

/// Writes the config of an API that was asked a few requests.
pub(crate) async fn init(args: Box<InitArgs>) -> Result<u8, Failure> {
    if let Some(path) = [&args.output, &args.schema].into_iter().flatten().find(|path| path.exists()) {
        return Err(Failure::config(vec![format!("`{}` is there already: name another file, or move it away", path.display())]));
    }
    let asked = asked(&args.ask)?;
    let (mut probed, meter) = ask(asked, &args.ask).await?;
    if let Some(schema) = &args.schema {
        let text = format!("{:#}\n", declared_json(&probed.columns, &probed.draft.export.key));
        write(schema, &text)?;
        let named = schema_path(schema, args.output.as_deref());
        probed.draft.resource.push(("schema", crate::config::yaml(&Value::from(named))));
    }
    let config = probed.draft.config().map_err(|why| Failure::config(vec![why]))?;
    let head = head(&probed, &meter, &config.secrets.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    let text = format!("{head}{}", config.text);
    match &args.output {
        None => terminal::print_document(&text),
        Some(output) => {
            write(output, &text)?;
            let output = quoted(&output.display().to_string());
            terminal::print(&format!("{output} written; next: lakeward check {output} --online"));
        }
    }
    let questions = probed.findings.iter().filter(|finding| finding.is_question).count() as u64;
    let sent = format!("{} of {}", meter.used(), report::counted(u64::from(args.ask.requests), "request"));
    terminal::tell("asked", &format!("{sent}; {} in the file", report::counted(questions, "question")));
    if !config.secrets.is_empty() {
        let names: Vec<&str> = config.secrets.iter().map(|(name, _)| name.as_str()).collect();
        terminal::tell("set", &names.join(" "));
    }
    Ok(code(&probed))
}

/// Prints what a few requests show of an API.
pub(crate) async fn probe_api(args: Box<ProbeArgs>) -> Result<u8, Failure> {
    let asked = asked(&args.ask)?;
    let url = asked.asked.url.to_string();
    let (probed, meter) = ask(asked, &args.ask).await?;
    let code = code(&probed);
    if args.json {
        let findings: Vec<Value> = probed
            .findings
            .iter()
            .map(|found| json!({"of": found.of, "choice": found.choice, "evidence": found.evidence, "question": found.is_question}))
            .collect();
        let columns: Vec<Value> = probed
            .columns
            .iter()
            .map(|column| json!({"name": column.name, "type": report::type_words(&column.column_type)}))
            .collect();
        terminal::print_json(json!({
            "url": url, "requests": meter.used(), "requests_allowed": args.ask.requests, "records": probed.records,
            "columns": columns, "findings": findings, "config_is_proven": probed.is_proven, "exit_code": code,
        }));
        return Ok(code);
    }
    let (sent, allowed) = (meter.used() as u64, report::counted(u64::from(args.ask.requests), "request"));
    terminal::print(&format!("{url}: {} of {allowed}, {}", report::count(sent), report::counted(probed.records, "record")));
    let width =
        probed.findings.iter().map(|found| found.choice.as_deref().unwrap_or("–").chars().count()).max().unwrap_or(1).min(44);
    for Finding { of, choice, evidence, is_question } in &probed.findings {
        let choice = choice.as_deref().unwrap_or(if *is_question { "?" } else { "–" });
        terminal::print(&format!("  {of:13}  {choice:width$}  {evidence}"));
    }
    let columns: Vec<String> =
        probed.columns.iter().map(|column| format!("{} {}", column.name, report::type_words(&column.column_type))).collect();
    terminal::print(&format!("  columns        {}", columns.join(", ")));
    Ok(code)
}

/// What was not read once more as it stands may end a run.
fn code(probed: &Probed) -> u8 {
    if probed.is_proven { 0 } else { ErrorKind::Data.exit_code() }
}

/// The first lines of a config.
fn head(probed: &Probed, meter: &Meter, variables: &[&str]) -> String {
    let (sent, records) = (report::counted(meter.used() as u64, "request"), report::counted(probed.records, "record"));
    let mut head =
        format!("# Written by `lakeward init` from {sent} and {records}. Above each key stands what it was seen by;\n");
    head.push_str("# a QUESTION is what was not proven, and what a person may know.\n");
    if !variables.is_empty() {
        head.push_str(&format!("# Set in the environment: {}\n", variables.join(" ")));
    }
    head
}

/// Asks the API, with the secrets that were given.
async fn ask(described: Described, args: &AskArgs) -> Result<(Probed, Meter), Failure> {
    let Described { asked, parameters, notes } = described;
    for note in &notes {
        terminal::tell("note", note);
    }
    for secret in asked.secrets() {
        secrets().credential(secret);
    }
    let meter = Meter::of(args.requests as usize);
    let plan_of = |draft: &Draft| -> Result<Plan, Failure> {
        let config = draft.config().map_err(|why| Failure::config(vec![why]))?;
        let given =
            |name: &str| config.secrets.iter().find(|(known, _)| known == name).map(|(_, secret)| secret.expose().to_owned());
        let variable = |name: &str| given(name).or_else(|| std::env::var(name).ok());
        plan_from(&config.text, Path::new("the config"), Choice { pipeline: None, profile: None }, &variable)
    };
    let probed = probe::<Failure>(asked, &parameters, &meter, Arc::new(SystemClock), &plan_of).await?;
    Ok((probed, meter))
}

/// The request that the arguments name, whichever way.
fn asked(args: &AskArgs) -> Result<Described, Failure> {
    let mut params = Vec::new();
    for param in &args.params {
        let Some((name, value)) = param.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::config(vec!["`--param` is written as `--param NAME=VALUE`".to_owned()]));
        };
        params.push((name.to_owned(), value.to_owned()));
    }
    let plain = |mut asked: Asked| {
        for (name, value) in &params {
            asked.set_param(name, Given::named(name, value));
        }
        Described { asked, parameters: Vec::new(), notes: Vec::new() }
    };
    let named = Named { openapi: args.openapi.as_deref(), har: args.har.as_deref(), postman: args.postman.as_deref() };
    let file = described(named, &params, args.base_url.as_deref())?;
    let mut described = match (&args.url, &args.from_curl, file) {
        (Some(url), ..) => plain(Asked::of_url(url).map_err(|error| Failure::config(vec![error.to_string()]))?),
        (_, Some(command), _) => {
            let variable = |name: &str| std::env::var(name).ok();
            let read_file = |path: &str| read(Path::new(path), SENT_BYTES_MAX);
            let (asked, more) =
                from_curl(command, &variable, &read_file).map_err(|error| Failure::config(vec![error.to_string()]))?;
            let mut described = plain(asked);
            described.notes.extend(more.map(|more| format!("left out, behind the curl command: {more}")));
            described
        }
        (.., Some(file)) => file,
        (None, None, None) => {
            let why = "nothing names the API: give its URL, `--from-curl`, `--openapi`, `--har` or `--postman`";
            return Err(Failure::config(vec![why.to_owned()]));
        }
    };
    let fault = |error: AskedFault| Failure::config(vec![error.to_string()]);
    for header in &args.headers {
        described.asked.add_header(header).map_err(fault)?;
    }
    if let Some(auth) = &args.auth {
        described.asked.auth = Some(Credentials::parse(auth).map_err(fault)?);
    }
    Ok(described)
}

/// How a config names its schema file: from its own folder where it lies below that.
fn schema_path(schema: &Path, config: Option<&Path>) -> String {
    let folder = config.and_then(Path::parent).unwrap_or(Path::new(""));
    let named = match schema.strip_prefix(folder) {
        Ok(below) => below.to_owned(),
        Err(_) => std::path::absolute(schema).unwrap_or_else(|_| schema.to_owned()),
    };
    named.display().to_string()
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = std::fs::File::create_new(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::config(vec![format!("cannot write `{}`: {error}", path.display())]))
}
