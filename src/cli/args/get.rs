//! The arguments of `get`.

use std::path::PathBuf;

use clap::ValueEnum;

const EXAMPLES: &str = "\
Examples:
  lakeward get https://api.example.com/v1/orders                                  ten rows, and the columns
  lakeward get https://api.example.com/v1/orders -o orders.parquet --auth bearer:env:TOKEN
  lakeward get https://api.example.com/v1/orders --param since=-30d --where 'status == \"paid\"' --select id,amount -o paid.csv
  lakeward get --from-curl 'curl https://api.example.com/v1/orders -H \"X-Key: $KEY\"' -o orders.ndjson --save orders.yaml

Without -o only the first pages are read. With it, all of them are, and the file is written when nothing is missing: exit code 3 leaves it as it was.";

/// What `get` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GetArgs {
    /// What is read, with http:// or https://; its query is sent with every page.
    #[arg(required_unless_present_any = ["from_curl", "openapi", "har", "postman"], conflicts_with_all = ["from_curl", "openapi", "har", "postman"])]
    pub(crate) url: Option<String>,
    /// The file, which is replaced as a whole once all rows are there: .parquet, .csv, .ndjson, .jsonl, .arrow or .feather. `-` is stdout, with
    /// --format. Without it, ten rows and the columns are shown.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What is written; by default what the file's name says. Without -o, to stdout.
    #[arg(long, value_enum)]
    pub(crate) format: Option<DataFormat>,
    /// Of objects in CSV: a column for each member, or one of JSON text. Lists are JSON text.
    #[arg(long, value_enum, default_value_t = NestedForm::Flatten)]
    pub(crate) nested: NestedForm,
    /// Who asks: bearer:TOKEN, basic:USER:PASSWORD, query:NAME=VALUE or header:NAME=VALUE. Each value may be env:NAME or file:PATH, so that it is in no
    /// history of a shell.
    #[arg(long, value_name = "KIND:…")]
    pub(crate) auth: Option<String>,
    /// A header of every request, `Name: value`; may be given several times.
    #[arg(long, short = 'H', value_name = "HEADER")]
    pub(crate) header: Vec<String>,
    /// A parameter of the query, NAME=VALUE; may be given several times. A value such as -30d, -12h, -15m or -2w is that time ago.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) param: Vec<String>,
    /// A JSON object to send with POST, or @FILE.
    #[arg(long, value_name = "JSON|@FILE")]
    pub(crate) json: Option<String>,
    /// Where the records are in an answer, such as data.items. Default: found.
    #[arg(long, value_name = "PATH")]
    pub(crate) records: Option<String>,
    /// How the next page is found: a type, or `{type: offset, limit: 100}` as in a config. Default: detected, and proven by the second page.
    #[arg(long, value_name = "PAGINATOR")]
    pub(crate) paginator: Option<String>,
    /// The column, or columns, of which a value comes once: of records that share it the last one counts.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// Rows that are wanted; no page behind them is asked for.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// The members that are kept, in this order: id,email,address.city.
    #[arg(long, value_name = "PATHS", value_delimiter = ',')]
    pub(crate) select: Vec<String>,
    /// Which records are kept, as in `processing_steps: [{filter: …}]`: 'status == "paid" and amount > 100'.
    #[arg(long = "where", value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub(crate) filter: Option<String>,
    /// The column, or columns, by which rows are sorted; -COLUMN for the greatest first.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', allow_hyphen_values = true)]
    pub(crate) sort: Vec<String>,
    /// A curl command, as a browser or a documentation gives it; @FILE, or - for stdin. The other options add to it.
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub(crate) from_curl: Option<String>,
    /// An operation of an OpenAPI or Swagger file: FILE, or FILE#operationId, or "FILE#GET /path".
    #[arg(long, value_name = "FILE[#OPERATION]", conflicts_with = "from_curl")]
    pub(crate) openapi: Option<String>,
    /// A request that a browser has saved: FILE, or FILE#part-of-its-URL, or FILE#7.
    #[arg(long, value_name = "FILE[#REQUEST]", conflicts_with_all = ["from_curl", "openapi"])]
    pub(crate) har: Option<String>,
    /// A request of a Postman collection: FILE, or FILE#name.
    #[arg(long, value_name = "FILE[#NAME]", conflicts_with_all = ["from_curl", "openapi", "har"])]
    pub(crate) postman: Option<String>,
    /// Where the API is, where such a file does not say.
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Write the config of this export, with what was detected, to a file that is not there yet. Credentials become ${VARIABLES}.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
}

/// What rows are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DataFormat {
    /// Parquet.
    Parquet,
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// Arrow IPC: a file, or on stdout a stream.
    Arrow,
}

/// What becomes of objects in CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NestedForm {
    /// A column for each member.
    Flatten,
    /// A column of JSON text.
    Json,
}
