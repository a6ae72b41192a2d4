//! The arguments of commands that begin with a request and not with a config.

use std::path::PathBuf;

/// Which API is asked, and how far.
#[derive(Debug, clap::Args)]
pub(crate) struct AskArgs {
    /// The endpoint, whole, with its query.
    pub(crate) url: Option<String>,
    /// A curl command, as a browser or an API's documentation gives it.
    #[arg(long, value_name = "COMMAND", conflicts_with = "url")]
    pub(crate) from_curl: Option<String>,
    /// An operation of an OpenAPI or Swagger file, JSON or YAML: FILE, or FILE#operationId, or "FILE#GET /path".
    #[arg(long, value_name = "FILE[#OPERATION]", conflicts_with_all = ["url", "from_curl"])]
    pub(crate) openapi: Option<String>,
    /// A request that a browser has saved: FILE, or FILE#part-of-its-URL, or FILE#7.
    #[arg(long, value_name = "FILE[#REQUEST]", conflicts_with_all = ["url", "from_curl", "openapi"])]
    pub(crate) har: Option<String>,
    /// A request of a Postman collection: FILE, or FILE#name.
    #[arg(long, value_name = "FILE[#NAME]", conflicts_with_all = ["url", "from_curl", "openapi", "har"])]
    pub(crate) postman: Option<String>,
    /// Where the API is, where the file does not say.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// The credentials: bearer:TOKEN, basic:USER:PASSWORD, query:NAME=VALUE or header:NAME=VALUE; each value also as env:NAME or file:PATH.
    #[arg(long, value_name = "CREDENTIALS")]
    pub(crate) auth: Option<String>,
    /// A header of every request; may be given several times.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// A parameter of the path or the query; may be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) params: Vec<String>,
    /// Requests that may be sent, retries among them.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) requests: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// Write the config to this file, which must not exist; else it is printed.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Declare the columns that were seen in this file, which must not exist, and name it in the config.
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ProbeArgs {
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}
