//! A project file as a run reads it.

use std::io;
use std::path::Path;

use super::*;
use crate::compat::load;
use crate::config::*;

/// Loads `text` as `/etc/lakeward/dlt.yml`, run in `/data`, with a small environment.
fn load_choice(text: &str, choice: Choice<'_>) -> Result<Plan, ConfigErrors> {
    let inputs = Inputs {
        text,
        file: "/etc/lakeward/dlt.yml",
        folder: Path::new("/etc/lakeward"),
        current_dir: Path::new("/data"),
        has_lake: &|_, _| false,
        env: &|name| {
            let value = match name {
                "BILLING_URL" => "https://api.example.com",
                "BILLING_API_KEY" | "KEY" => "s3cr3t-K3Y",
                "BRACED" => "a{b}c",
                "LIMIT" => "250",
                "EMPTY" => "",
                _ => return None,
            };
            Some(value.to_owned())
        },
        read_file: &|path| match path.to_str() {
            Some("/run/secrets/key") => Ok("from-file-s3cr3t\n".to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    };
    load(&inputs, choice)
}

const PROJECT: &str = "\
project: {name: shop, default_profile: dev, bucket: s3://shop-data}
sources:
  billing:
    type: rest_api
    client:
      base_url: \"{env.BILLING_URL}/{current_profile}\"
      auth: {type: api_key, name: key, location: query}
    resource_defaults: {primary_key: id, write_disposition: merge}
    resources:
      - name: orders
        endpoint: {path: \"shops/{name}/orders\", params: {name: main}, paginator: single_page, data_selector: data}
  weather:
    type: dlt.sources.rest_api.rest_api
    client: {base_url: \"http://a.test\"}
    resources: [days]
destinations:
  lake:
    type: filesystem
    bucket_url: /srv/lake
  bucket:
    type: filesystem
    bucket_url: \"{bucket}/raw/\"
    credentials: {aws_access_key_id: id, aws_secret_access_key: \"${KEY}\", endpoint_url: \"http://s3.test\", region_name: eu}
    compression: snappy
pipelines:
  billing_daily: {source: billing, destination: lake, dataset_name: billing_data}
  weather: {source: weather, destination: bucket}
profiles:
  prod:
    sources:
      billing: {client: {auth: {api_key: \"${KEY}\"}}}
    destinations:
      lake: {bucket_url: \"s3://prod-bucket\"}
  broken:
    sources: {billing: {client: {base_url: \"{env.NOPE}\"}}}
";

fn choice<'a>(pipeline: &'a str, profile: &'a str) -> Choice<'a> {
    Choice { pipeline: Some(pipeline), profile: Some(profile).filter(|profile| !profile.is_empty()) }
}

fn of(text: &str, pipeline: &str, profile: &str) -> Plan {
    load_choice(text, choice(pipeline, profile)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Checks the faults of a project, as `check` does those of a config.
fn faults(text: &str, choice: Choice<'_>, expected: &[&str]) {
    let faults = match load_choice(text, choice) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.faults().iter().map(|fault| format!("{}:{}: {fault}", fault.line, fault.column)).collect(),
    };
    assert_eq!(faults, expected, "\n{text}");
}

fn check(text: &str, expected: &[&str]) {
    faults(text, Choice::default(), expected);
}

/// A config in which all is well, and `keys` at its root.
fn root(keys: &str) -> String {
    format!(
        "name: n\nclient: {{base_url: \"http://a.test/v1/\"}}\nlake: {{url: ./lake}}\nresources:\n  - name: r\n    endpoint: {{path: p}}\n{keys}\n"
    )
}

#[test]
fn a_pipeline_of_a_project_is_a_config() {
    let billing = of(PROJECT, "billing_daily", "prod");
    assert_eq!(billing.name, "billing_daily");
    assert_eq!(billing.client.base_url.as_str(), "https://api.example.com/prod");
    assert_eq!(billing.lake.location, LakeLocation::S3 { bucket: "prod-bucket".into(), prefix: "billing_data".into() });
    let Some(AuthPlan::ApiKey { key, name, .. }) = &billing.client.auth else { panic!("{:?}", billing.client.auth) };
    assert_eq!((key.expose(), name.as_str()), ("s3cr3t-K3Y", "key"));
    assert_eq!(billing.resources[0].primary_key, ["id"]);
    assert_eq!(
        billing.resources[0].endpoint.request.bind(&|_| None).unwrap().url.as_str(),
        "https://api.example.com/prod/shops/main/orders",
        "`{{name}}` in a path is the path's, though the project has a name"
    );

    let weather = of(PROJECT, "weather", "");
    assert_eq!(weather.lake.location, LakeLocation::S3 { bucket: "shop-data".into(), prefix: "raw/weather_dataset".into() });
    assert_eq!(weather.lake.compression, Compression::Snappy);
    let options: Vec<(&str, &str)> = weather.lake.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(
        options,
        [
            ("aws_access_key_id", "id"),
            ("aws_secret_access_key", "s3cr3t-K3Y"),
            ("aws_endpoint", "http://s3.test"),
            ("aws_region", "eu")
        ]
    );
}

#[test]
fn dlts_own_example_of_a_project_is_read() {
    let text = "\
sources:
  pokemon:
    type: rest_api
    client: {base_url: \"https://pokeapi.co/api/v2/\", paginator: auto}
    resource_defaults: {primary_key: name, endpoint: {params: {limit: 1000}}}
    resources: [pokemon, {name: enc, endpoint: {path: encounter-conditions}, write_disposition: append}]
destinations:
  lake: {type: filesystem, bucket_url: s3://bucket/x}
pipelines:
  p: {source: pokemon, dataset_name: pokemon_dataset}
datasets: {pokemon_dataset: {destination: [lake]}}
profiles: {dev: {destinations: {lake: {bucket_url: dev}}}, prod: {}}
project: {name: p, data_dir: d, local_dir: l, default_profile: prod, allow_undefined_entities: false}
";
    let plan = load_choice(text, Choice::default()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.resources.iter().map(|resource| resource.name.as_str()).collect::<Vec<_>>(), ["pokemon", "enc"]);
    assert_eq!(plan.lake.location, LakeLocation::S3 { bucket: "bucket".into(), prefix: "x/pokemon_dataset".into() });
    let dev = of(text, "p", "dev");
    assert_eq!(dev.lake.location, LakeLocation::Disk("/etc/lakeward/dev/pokemon_dataset".into()));
}

#[test]
fn a_pipeline_profile_source_or_destination_that_is_not_there_is_named_with_the_nearest() {
    faults(
        PROJECT,
        Choice::default(),
        &["26:3: `pipelines`: there is more than one pipeline; choose with `--pipeline`, one of `billing_daily`, `weather`"],
    );
    faults(PROJECT, choice("wether", ""), &["26:3: `pipelines`: unknown pipeline `wether`; did you mean `weather`?"]);
    faults(PROJECT, choice("weather", "pord"), &["29:3: `profiles`: unknown profile `pord`; did you mean `prod`?"]);
    let other = PROJECT.replace("source: weather, destination: bucket", "source: wheather, destination: bucke");
    faults(
        &other,
        choice("weather", ""),
        &[
            "27:21: `pipelines.weather.source`: unknown source `wheather`; did you mean `weather`?",
            "27:44: `pipelines.weather.destination`: unknown destination `bucke`; did you mean `bucket`?",
        ],
    );
    check(
        PROJECT.replace("  weather: {source: weather, destination: bucket}\n", "").as_str(),
        &[
            "7:13: `sources.billing.client.auth`: `api_key` is missing: write it, or set dlt's variable for it, `SOURCES__REST_API__BILLING__CREDENTIALS__API_KEY` or `SOURCES__CREDENTIALS__API_KEY`, or `.dlt/secrets.toml`",
        ],
    );
}

#[test]
fn faults_keep_the_place_they_have_in_the_project() {
    let text = PROJECT
        .replace("write_disposition: merge}", "write_disposition: merge, on_rejects: fail}")
        .replace("aws_access_key_id: id", "aws_key: id, profile_name: p")
        .replace("compression: snappy", "compression: snapy")
        .replace("resources: [days]", "resources: [days]\n    clients: 1")
        .replace("base_url: \"http://a.test\"", "base_url: a.test, timout: 3");
    faults(
        &text,
        choice("weather", "dev"),
        &[
            "14:24: `sources.weather.client.base_url`: expected an `http://` or `https://` URL, found the text `a.test`",
            "14:32: `sources.weather.client.timout`: unknown key; did you mean `timeout`?",
            "16:5: `sources.weather.clients`: unknown key; did you mean `client`?",
            "24:19: `destinations.bucket.credentials.aws_key`: unknown key; expected one of `aws_access_key_id`, `aws_secret_access_key`, `aws_session_token`, `endpoint_url`, `region_name`",
            "24:32: `destinations.bucket.credentials.profile_name`: `profile_name` is not supported yet",
            "25:18: `destinations.bucket.compression`: expected `zstd(1)` to `zstd(22)`, `snappy` or `none`, found the text `snapy`",
        ],
    );
    faults(
        &text.replace("[days]\n    clients: 1", "[days]").replace("name: billing_data", "name: _x"),
        choice("billing_daily", "prod"),
        &[
            "8:68: `sources.billing.resource_defaults.on_rejects`: unknown key; did you mean `on_reject`?",
            "26:69: `pipelines.billing_daily.dataset_name`: expected a name of letters, digits, `_`, `-` and `.`, not beginning with `_` or `.`, found the text `_x`",
        ],
    );
    faults(
        PROJECT,
        choice("billing_daily", "broken"),
        &[
            "7:13: `sources.billing.client.auth`: `api_key` is missing: write it, or set dlt's variable for it, `SOURCES__REST_API__BILLING__CREDENTIALS__API_KEY` or `SOURCES__CREDENTIALS__API_KEY`, or `.dlt/secrets.toml`",
            "35:44: `profiles.broken.sources.billing.client.base_url`: environment variable `NOPE` is not set",
        ],
    );
}

#[test]
fn other_sources_and_destinations_are_refused_in_a_sentence() {
    let text = PROJECT
        .replace("type: dlt.sources.rest_api.rest_api", "type: sql_database")
        .replace("  bucket:\n    type: filesystem", "  bucket:\n    type: duckdb");
    faults(
        &text,
        choice("weather", ""),
        &[
            "13:11: `sources.weather.type`: expected `rest_api`, the one source that lakeward reads, found the text `sql_database`",
            "21:11: `destinations.bucket.type`: expected `filesystem`, the one destination that lakeward writes: Parquet files in a folder or a bucket, found the text `duckdb`",
        ],
    );
    let text = PROJECT.replace("    compression: snappy", "    file_format: jsonl\n    layout: \"{table_name}\"");
    faults(
        &text,
        choice("weather", ""),
        &[
            "24:18: `destinations.bucket.file_format`: expected `parquet`, which is what lakeward writes, found the text `jsonl`",
            "25:5: `destinations.bucket.layout`: `layout` is not supported yet",
        ],
    );
    let text = PROJECT.replace("destination: bucket}", "destination: bucket, dev_mode: true}") + "caches: {}\nsource: {}\n";
    faults(
        &text,
        choice("weather", ""),
        &[
            "27:51: `pipelines.weather.dev_mode`: `dev_mode` is not supported yet",
            "36:1: `caches`: `caches` is not supported yet",
            "37:1: `source`: unknown key; did you mean `sources`?",
        ],
    );
}

#[test]
fn a_missing_credential_comes_from_dlts_variable_and_what_is_written_wins() {
    let token = |auth: &str, variable: &str| {
        let text = format!(
            "sources: {{my-api: {{type: rest_api, client: {{base_url: \"http://a.test\", auth: {auth}}}, resources: [r]}}}}\n\
             destinations: {{d: {{type: filesystem}}}}\npipelines: {{pipe: {{source: my-api, destination: d}}}}\n"
        );
        let inputs = Inputs {
            text: &text,
            file: "dlt.yml",
            folder: Path::new("/data"),
            current_dir: Path::new("/data"),
            has_lake: &|_, _| false,
            env: &|name| match name {
                "DESTINATION__D__BUCKET_URL" => Some("/srv/lake".to_owned()),
                name => (name == variable).then(|| "{from}-environment".to_owned()),
            },
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        };
        let plan = load(&inputs, Choice::default()).map_err(|errors| errors.to_string())?;
        assert_eq!(plan.lake.location, LakeLocation::Disk("/srv/lake/pipe_dataset".into()));
        match plan.client.auth {
            Some(AuthPlan::Bearer { token, .. }) => Ok(token.expose().to_owned()),
            other => panic!("{other:?}"),
        }
    };
    for variable in [
        "PIPE__SOURCES__REST_API__MY_API__CREDENTIALS__TOKEN",
        "SOURCES__REST_API__MY_API__CREDENTIALS__TOKEN",
        "SOURCES__MY_API__CREDENTIALS__TOKEN",
        "SOURCES__REST_API__CREDENTIALS__TOKEN",
        "SOURCES__CREDENTIALS__TOKEN",
        "CREDENTIALS__TOKEN",
    ] {
        for auth in ["bearer", "{type: bearer}", "{token: null}", "{hosts: []}"] {
            assert_eq!(token(auth, variable).as_deref(), Ok("{from}-environment"), "{auth} by {variable}");
        }
        assert_eq!(token("{token: written}", variable).as_deref(), Ok("written"));
    }
    assert_eq!(
        token("bearer", "TOKEN"),
        Err("dlt.yml:1:78: `sources.my-api.client.auth`: `token` is missing: write it, or set dlt's variable for it, `SOURCES__REST_API__MY_API__CREDENTIALS__TOKEN` or `SOURCES__CREDENTIALS__TOKEN`, or `.dlt/secrets.toml`".to_owned())
    );
}

/// The plan of a project whose token, bucket and its credentials stand in `files`, by their paths, or in `variables`.
fn provided(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<crate::config::Plan, String> {
    let text = "sources: {my-api: {type: rest_api, client: {base_url: \"http://a.test\", auth: bearer}, resources: [r]}}\n\
                destinations: {d: {type: filesystem}}\npipelines: {pipe: {source: my-api, destination: d}}\n";
    let inputs = Inputs {
        text,
        file: "projects/dlt.yml",
        folder: Path::new("/data"),
        current_dir: Path::new("/data"),
        has_lake: &|_, _| false,
        env: &|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        read_file: &|path| {
            let found = files.iter().find(|(known, _)| Path::new(known) == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
        },
    };
    load(&inputs, Choice::default()).map_err(|errors| errors.to_string())
}

#[test]
fn dlts_toml_files_give_what_no_variable_does() {
    let token = |files: &[(&str, &str)], variables: &[(&str, &str)]| -> Result<String, String> {
        match provided(files, variables)?.client.auth {
            Some(AuthPlan::Bearer { token, .. }) => Ok(token.expose().to_owned()),
            other => panic!("{other:?}"),
        }
    };
    let general = "[sources.my-api.credentials]\ntoken = \"general\"\n[destination.filesystem]\nbucket_url = \"/srv/lake\"\n";
    let files: &[(&str, &str)] = &[
        ("projects/.dlt/secrets.toml", general),
        ("projects/.dlt/config.toml", "[sources.rest_api.my-api.credentials]\ntoken = \"of the config\"\n"),
    ];
    assert_eq!(token(files, &[]).as_deref(), Ok("general"), "secrets before config");
    let plan = provided(files, &[]).unwrap();
    assert_eq!(plan.lake.location, LakeLocation::Disk("/srv/lake/pipe_dataset".into()));
    let files = &[files[0], ("projects/.dlt/dev.secrets.toml", "credentials.token = 7\n")];
    assert_eq!(token(files, &[]).as_deref(), Ok("7"), "the profile's before the general one");
    assert_eq!(token(files, &[("CREDENTIALS__TOKEN", "of the environment")]).as_deref(), Ok("of the environment"));
    let home: &[(&str, &str)] = &[("/people/me/.dlt/secrets.toml", general)];
    assert_eq!(token(home, &[("HOME", "/people/me")]).as_deref(), Ok("general"));
    assert_eq!(
        token(&[("projects/.dlt/secrets.toml", "[a]\ntoken = hush\n")], &[]).unwrap_err().lines().next(),
        Some(
            "projects/dlt.yml:1:1: `projects/.dlt/secrets.toml`, line 2 is no TOML: string values must be quoted, expected literal string"
        )
    );
}

#[test]
fn a_buckets_credentials_come_from_dlts_variables_and_files() {
    let secrets = "[sources.credentials]\ntoken = \"t\"\n[destination.filesystem]\nbucket_url = \"s3://lake\"\n\
                   [destination.filesystem.credentials]\naws_access_key_id = \"of the file\"\naws_secret_access_key = \"hush\"\n";
    let variables = &[("DESTINATION__D__CREDENTIALS__AWS_ACCESS_KEY_ID", "of the variable")];
    let plan = provided(&[("projects/.dlt/secrets.toml", secrets)], variables).unwrap();
    let found: Vec<_> = plan.lake.options.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(found, [("aws_access_key_id", "of the variable"), ("aws_secret_access_key", "hush")]);
}

#[test]
fn placeholders_of_a_resource_are_left_to_it() {
    let text = PROJECT.replace(
        "params: {name: main}",
        "params: {name: main, a: \"{{env.KEY}}\", b: \"{env.BRACED}\", c: \"${BRACED}{env.LIMIT}\"}",
    );
    let plan = of(&text, "billing_daily", "prod");
    let shown = format!("{:?}", plan.resources[0].endpoint.request.bind(&|_| None).unwrap().params);
    for expected in ["{env.KEY}", "a{b}c", "a{b}c250"] {
        assert!(shown.contains(expected), "{shown}");
    }
    faults(
        &PROJECT.replace("params: {name: main}", "params: {name: main, a: {env.KEY}}"),
        choice("billing_daily", "prod"),
        &[
            "11:73: `sources.billing.resources[0].endpoint.params.a`: `{env.KEY}` without quotes is a map in YAML; write \"{env.KEY}\"",
        ],
    );
}

#[test]
fn a_project_and_a_config_are_not_mixed() {
    check(
        &root("pipelines: {}"),
        &[
            "7:1: `pipelines`: `pipelines` is of dlt's project file, which has `sources`, `destinations` and `pipelines` and no `client`, `resources` or `lake` beside them",
        ],
    );
    faults(
        &root(""),
        choice("p", ""),
        &[
            "1:1: `--pipeline` and `--profile` choose from a dlt project file (`sources`, `destinations`, `pipelines`), and this is no such file",
        ],
    );
    check("sources: {}\n", &["1:1: `pipelines` is missing: what to run: a source, a destination, a dataset"]);
    check(
        "pipelines: {p: {}}\n",
        &[
            "1:16: `pipelines.p`: `source` is missing: the name of a source under `sources`",
            "1:16: `pipelines.p`: `destination` is missing: the name of a destination under `destinations`",
        ],
    );
}
