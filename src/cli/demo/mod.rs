//! `lakeward demo`: a sample API on loopback, loaded on two nights, and how to read the result.
//!
//! The config is the one of the user's guide, as shipped in `examples/billing.yaml`.

mod api;
mod data;
mod tree;
mod written;

use std::path::Path;

use crate::base::SystemClock;
use crate::cli::args::{DemoArgs, LogFormat, quoted};
use crate::cli::demo::api::SampleApi;
use crate::cli::demo::data::Night;
use crate::cli::exit::Failure;
use crate::cli::load::plan_of_ours;
use crate::cli::run::run_plan;
use crate::cli::terminal::print;
use crate::pipeline::{NewRun, RunOptions};
use crate::report;

/// The guide's config.
const CONFIG: &str = include_str!("../../../examples/billing.yaml");

/// The config's file in the demo's folder, and the lake's.
const CONFIG_FILE: &str = "billing.yaml";
const LAKE: &str = "lake";
/// What the demo's runs leave in the lake.
const LAKE_FOLDERS: [&str; 3] = ["_lakeward", "customer_usage", "wallets"];

/// The demo's API key; the sample API refuses any other.
const API_KEY: &str = "demo-key";

/// Serves the sample API, runs the guide's config twice against it, and tells how to read the tables.
pub(crate) async fn demo(args: DemoArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let folder = std::path::absolute(&args.folder).map_err(|error| cannot(&args.folder, &error))?;
    if folder.exists() {
        let kept = foreign(&folder).map_err(|error| cannot(&folder, &error))?;
        if !kept.is_empty() {
            let why = format!(
                "`{}` is there already and holds what the demo did not write: {}; name another with --folder, nothing was touched",
                args.folder.display(),
                kept.join(", ")
            );
            return Err(Failure::config(vec![why]));
        }
        print(&format!("replacing the demo in {}", args.folder.display()));
        std::fs::remove_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    std::fs::write(folder.join(CONFIG_FILE), CONFIG).map_err(|error| cannot(&folder, &error))?;
    let api = SampleApi::start(API_KEY).await.map_err(|error| Failure::internal("starting the sample API", &error))?;
    print(&format!("The sample API answers on {} until this command ends.", api.url()));
    print(&format!("The config is the guide's: {}", shown(&args.folder, CONFIG_FILE)));
    print("");
    for (night, title) in [(Night::First, "First night"), (Night::Second, "Second night: some records changed, some are new")] {
        api.set_night(night);
        print(&format!("── {title} ──"));
        let code = one_night(&folder, &api, log_format).await?;
        print(&format!("The sample API answered {} requests; {}", api.take_requests(), api.take_faults()));
        print("");
        if code != 0 {
            return Ok(code);
        }
    }
    written::note(&folder).map_err(|error| cannot(&folder, &error))?;
    let lake = folder.join(LAKE);
    print(&format!("── The lake: {} ──", shown(&args.folder, LAKE)));
    for line in tree::lines(&lake).map_err(|error| cannot(&lake, &error))? {
        print(&line);
    }
    reading(&args.folder);
    Ok(0)
}

/// What lies in a folder and is not as the demo leaves it, by name.
fn foreign(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut found = Vec::new();
    if folder.is_symlink() || !folder.is_dir() {
        found.push("it is no folder".to_owned());
        return Ok(found);
    }
    let is_own = |name: &str| [CONFIG_FILE, LAKE, written::FILE].contains(&name);
    found.extend(names(folder)?.into_iter().filter(|name| !is_own(name)).map(|name| format!("`{name}`")));
    let config = folder.join(CONFIG_FILE);
    if config.is_symlink() || config.exists() && std::fs::read(&config)? != CONFIG.as_bytes() {
        found.push(format!("`{CONFIG_FILE}`, which was edited"));
    }
    let lake = folder.join(LAKE);
    if lake.is_symlink() || lake.exists() && !lake.is_dir() {
        found.push(format!("`{LAKE}`, which is no folder"));
    } else if lake.is_dir() {
        let is_own = |name: &str| LAKE_FOLDERS.contains(&name);
        found.extend(names(&lake)?.into_iter().filter(|name| !is_own(name)).map(|name| format!("`{LAKE}/{name}`")));
    }
    // What is named already has no list of its own.
    if found.is_empty() {
        found.extend(written::others(folder)?.into_iter().map(|name| format!("`{name}`")));
    }
    Ok(found)
}

/// The names in a folder, in order.
fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = entries.collect::<std::io::Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

async fn one_night(folder: &Path, api: &SampleApi, log_format: LogFormat) -> Result<u8, Failure> {
    let url = api.url();
    let variable = |name: &str| match name {
        "BILLING_URL" => Some(url.clone()),
        "BILLING_API_KEY" => Some(API_KEY.to_owned()),
        _ => None,
    };
    let plan = plan_of_ours(CONFIG, (folder, CONFIG_FILE), &variable)?;
    let (facts, _) = run_plan(&plan, &RunOptions::default(), &NewRun::now(&SystemClock), log_format).await;
    let facts = facts.map_err(|ended| ended.failure)?;
    for line in report::run_lines(&facts) {
        print(&line);
    }
    print(&format!("took {}", report::duration(facts.took)));
    Ok(report::exit_code(&facts))
}

fn reading(folder: &Path) {
    let table = shown(folder, "lake/customer_usage");
    print("");
    print("── Read it ──");
    print("DuckDB:");
    print(&format!(
        "  SELECT status, count(*), sum(units) FROM read_parquet('{table}/**/*.parquet', hive_partitioning=true) GROUP BY 1;"
    ));
    print("Spark:");
    print(&format!("  spark.read.parquet(\"{table}\").groupBy(\"status\").count().show()"));
    print("");
    let config = quoted(&shown(folder, CONFIG_FILE));
    print("The lake:");
    print(&format!("  lakeward status {config}"));
    print(&format!("  lakeward history {config}"));
    print(&format!("  lakeward rollback {config} --to 1"));
    print("");
    print("Your own API: copy the config, then");
    print("  lakeward check CONFIG     lakeward preview CONFIG RESOURCE     lakeward run CONFIG     lakeward status CONFIG");
}

fn shown(folder: &Path, inside: &str) -> String {
    folder.join(inside).display().to_string()
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::config(vec![format!("cannot write the demo to `{}`: {error}", path.display())])
}
