//! `lakeward demo`: a sample API on loopback, loaded on two nights, and how to read the result.
//!
//! The config is the one of the user's guide, as shipped in `examples/billing.yaml`.

mod api;
mod data;
mod tree;

use std::path::Path;

use crate::cli::args::{DemoArgs, LogFormat};
use crate::cli::demo::api::SampleApi;
use crate::cli::demo::data::Night;
use crate::cli::exit::Failure;
use crate::cli::load::plan_from;
use crate::cli::run::run_plan;
use crate::cli::terminal::print;
use crate::config::Choice;
use crate::pipeline::RunOptions;
use crate::report;

/// The guide's config.
const CONFIG: &str = include_str!("../../../examples/billing.yaml");

/// The demo's API key; the sample API refuses any other.
const API_KEY: &str = "demo-key";

/// Serves the sample API, runs the guide's config twice against it, and tells how to read the tables.
pub(crate) async fn demo(args: DemoArgs, log_format: LogFormat) -> Result<u8, Failure> {
    let folder = std::path::absolute(&args.folder).map_err(|error| cannot(&args.folder, &error))?;
    if folder.exists() {
        if !folder.join("billing.yaml").exists() {
            return Err(Failure::config(vec![format!(
                "`{}` is there already and is not a demo's; name another with --folder",
                args.folder.display()
            )]));
        }
        std::fs::remove_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    }
    std::fs::create_dir_all(&folder).map_err(|error| cannot(&folder, &error))?;
    std::fs::write(folder.join("billing.yaml"), CONFIG).map_err(|error| cannot(&folder, &error))?;
    let api = SampleApi::start(API_KEY).await.map_err(|error| Failure::internal("starting the sample API", &error))?;
    print(&format!("The sample API answers on {} until this command ends.", api.url()));
    print(&format!("The config is the guide's: {}", shown(&args.folder, "billing.yaml")));
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
    let lake = folder.join("lake");
    print(&format!("── The lake: {} ──", shown(&args.folder, "lake")));
    for line in tree::lines(&lake).map_err(|error| cannot(&lake, &error))? {
        print(&line);
    }
    reading(&args.folder);
    Ok(0)
}

async fn one_night(folder: &Path, api: &SampleApi, log_format: LogFormat) -> Result<u8, Failure> {
    let url = api.url();
    let variable = |name: &str| match name {
        "BILLING_URL" => Some(url.clone()),
        "BILLING_API_KEY" => Some(API_KEY.to_owned()),
        _ => None,
    };
    let plan = plan_from(CONFIG, &folder.join("billing.yaml"), Choice::default(), folder, &variable)?;
    let (facts, _) = run_plan(&plan, &RunOptions::default(), log_format).await;
    let facts = facts?;
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
    print("Your own API: copy the config, then");
    print("  lakeward check CONFIG     lakeward preview CONFIG RESOURCE     lakeward run CONFIG     lakeward status CONFIG");
}

fn shown(folder: &Path, inside: &str) -> String {
    folder.join(inside).display().to_string()
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::config(vec![format!("cannot write the demo to `{}`: {error}", path.display())])
}
