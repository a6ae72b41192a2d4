use std::io;
use std::path::Path;

use super::*;
use crate::compat::{Choice, load};
use crate::config::tree::Document;
use crate::config::{Inputs, Plan};

/// The script of the user's guide.
const GUIDE: &str = r#"import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source({
    "client": {
        "base_url": "https://api.example.com",
        "auth": {
            "type": "api_key",
            "name": "api_key",
            "api_key": dlt.secrets["api_key"],
            "location": "query"
        }
    },
    "resource_defaults": {
        "primary_key": "id",
        "write_disposition": "merge"
    },
    "resources": [
        {
            "name": "customer_usage",
            "endpoint": {
                "path": "/v1/customer_usage",
                "data_selector": "data",
                "paginator": {
                    "type": "offset",
                    "limit": 100
                }
            }
        },
        {
            "name": "wallets",
            "endpoint": {
                "path": "/v1/wallets",
                "data_selector": "data",
                "paginator": {
                    "type": "offset",
                    "limit": 100
                }
            }
        }
    ]
})
"#;

fn imported(script: &str) -> Imported {
    import(script, "pipeline.py", "pipeline").unwrap_or_else(|error| panic!("{error}\n{script}"))
}

/// The plan of a converted script, all its variables set to `value`.
fn plan_of(script: &str, value: &str) -> Plan {
    let yaml = imported(script).yaml;
    let inputs = Inputs {
        text: &yaml,
        file: "imported.yaml",
        folder: Path::new("/data"),
        current_dir: Path::new("/data"),
        has_lake: &|_, _| false,
        env: &|_| Some(value.to_owned()),
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    load(&inputs, Choice::default()).unwrap_or_else(|errors| panic!("{errors}\n{yaml}"))
}

/// A script with this client, endpoint and further lines before the call.
fn script(before: &str, client: &str, endpoint: &str) -> String {
    format!(
        "import dlt, os\nfrom dlt.sources.rest_api import rest_api_source\n{before}\nrest_api_source({{\"client\": {{\"base_url\": \"http://a.test\"{client}}}, \"resources\": [{{\"name\": \"r\", \"endpoint\": {{\"path\": \"p\"{endpoint}}}}}]}})\n"
    )
}

/// Checks the YAML between `client:` and `resources:`, without the base URL.
fn check_client(before: &str, client: &str, expected: &str) {
    let yaml = imported(&script(before, client, "")).yaml;
    let part = yaml.split("  base_url: http://a.test\n").nth(1).and_then(|rest| rest.split("resources:").next());
    assert_eq!(part.unwrap_or_default(), expected, "{yaml}");
}

/// Checks the YAML of the endpoint, without its path and its indentation.
fn check(before: &str, endpoint: &str, expected: &str) {
    let yaml = imported(&script(before, "", endpoint)).yaml;
    let part = yaml.split("path: p\n").nth(1).and_then(|rest| rest.split("lake:").next()).unwrap_or_default();
    let lines: Vec<&str> = part.lines().map(|line| line.strip_prefix("      ").unwrap_or(line)).collect();
    assert_eq!(lines.join("\n"), expected, "{yaml}");
}

fn notes(script: &str) -> Vec<String> {
    imported(script).notes.iter().map(Note::to_string).collect()
}

#[test]
fn the_guides_script_becomes_this_config() {
    let expected = "\
# Converted from pipeline.py by `lakeward import`.
#
# Set in the environment:
#   API_KEY: dlt.secrets[\"api_key\"] (line 10)
name: pipeline
client:
  base_url: https://api.example.com
  auth:
    type: api_key
    name: api_key
    api_key: ${API_KEY}
    location: query
resource_defaults:
  primary_key: id
  write_disposition: merge
resources:
  - name: customer_usage
    endpoint:
      path: /v1/customer_usage
      data_selector: data
      paginator:
        type: offset
        limit: 100
  - name: wallets
    endpoint:
      path: /v1/wallets
      data_selector: data
      paginator:
        type: offset
        limit: 100
lake:
  url: ./lake
";
    assert_eq!(imported(GUIDE).yaml, expected);
    assert_eq!(imported(GUIDE).notes, []);
    let plan = plan_of(GUIDE, "k");
    assert_eq!(plan.resources.iter().map(|resource| resource.name.as_str()).collect::<Vec<_>>(), ["customer_usage", "wallets"]);
}

#[test]
fn secrets_and_the_environment_become_references() {
    for (python, yaml) in [
        ("dlt.secrets[\"a.b.token\"]", "${A__B__TOKEN}"),
        ("dlt.secrets.get('api-key')", "${API_KEY}"),
        ("dlt.config[\"x\"]", "${X}"),
        ("dlt.secrets.value", "${CREDENTIALS__TOKEN}"),
        ("os.environ[\"TOKEN_1\"]", "${TOKEN_1}"),
        ("os.environ.get(\"T\")", "${T}"),
        ("os.getenv(\"T\", \"none yet\")", "${T:-none yet}"),
        ("os.getenv(\"T\") or \"other\"", "${T:-other}"),
        ("str(os.getenv(\"T\"))", "${T}"),
        ("f\"Token {os.environ['T']}\"", "Token ${T}"),
        ("\"a-\" + os.environ['T']", "a-${T}"),
        ("\"cost ${T} $5\"", "cost $${T} $5"),
        ("TOKEN", "${MY_TOKEN}"),
    ] {
        let before = "TOKEN = dlt.secrets['my_token']";
        check_client(before, &format!(", \"auth\": {{\"token\": {python}}}"), &format!("  auth:\n    token: {yaml}\n"));
    }
}

#[test]
fn classes_of_credentials_and_paginators_become_maps() {
    check_client(
        "from dlt.sources.helpers.rest_client.auth import APIKeyAuth as Key",
        ", \"auth\": Key(\"X-Key\", api_key='k', location='query'), \"paginator\": HeaderLinkPaginator()",
        "  auth:\n    type: api_key\n    name: X-Key\n    api_key: k\n    location: query\n  paginator:\n    type: header_link\n",
    );
    check_client("", ", \"auth\": BearerTokenAuth('t')", "  auth:\n    type: bearer\n    token: t\n");
    check_client(
        "",
        ", \"auth\": HttpBasicAuth('me', dlt.secrets['p'])",
        "  auth:\n    type: http_basic\n    username: me\n    password: ${P}\n",
    );
    check_client(
        "",
        ", \"auth\": 'http_basic'",
        "  auth:\n    type: http_basic\n    username: ${CREDENTIALS__USERNAME}\n    password: ${CREDENTIALS__PASSWORD}\n",
    );
    for (python, yaml) in [
        ("OffsetPaginator(limit=10, total_path=None)", "type: offset\n  limit: 10\n  total_path: null"),
        ("rest_client.paginators.OffsetPaginator(initial_limit=10)", "type: offset\n  limit: 10"),
        ("PageNumberPaginator(1, total_path='pages')", "type: page_number\n  base_page: 1\n  total_path: pages"),
        ("JSONLinkPaginator('a.next')", "type: json_link\n  next_url_path: a.next"),
        (
            "JSONResponseCursorPaginator(cursor_path='c', cursor_param='after')",
            "type: cursor\n  cursor_path: c\n  cursor_param: after",
        ),
        ("HeaderCursorPaginator()", "type: header_cursor"),
        ("SinglePagePaginator()", "type: single_page"),
        ("dict(type='offset', **{'limit': 5})", "type: offset\n  limit: 5"),
    ] {
        check("", &format!(", \"paginator\": {python}"), &format!("paginator:\n  {yaml}"));
    }
}

#[test]
fn an_incremental_is_a_map_of_the_type_that_its_place_wants() {
    check(
        "",
        ", \"params\": {\"since\": dlt.sources.incremental('updated_at', initial_value='2024-01-01', last_value_func=max)}",
        "params:\n  since:\n    type: incremental\n    cursor_path: updated_at\n    initial_value: \"2024-01-01\"\n    last_value_func: max",
    );
    check(
        "",
        ", \"incremental\": {\"cursor_path\": 'u', \"initial_value\": -5, \"convert\": lambda v: v}",
        "incremental:\n  cursor_path: u\n  initial_value: -5",
    );
}

#[test]
fn literals_and_names_are_followed() {
    let before = "PAGE = 50\nBASE = {'a': 1, 'b': [True, None, 1.5, -2]}\nV = 'v1'\nBASE2 = BASE | {'c': 'x' 'y'}";
    for (python, yaml) in [
        ("{**BASE, 'a': PAGE}", "a: 50\n  b:\n    - true\n    - null\n    - 1.5\n    - -2"),
        ("{'x': f'{V}/{{id}}', 'w': ('a', 'b')}", "x: v1/{id}\n  w:\n    - a\n    - b"),
        (
            "{'s': 60 * 60, 'z': '007', 't': 'yes', 'e': '', 'c': 'a: b'}",
            "s: 3600\n  z: \"007\"\n  t: \"yes\"\n  e: \"\"\n  c: \"a: b\"",
        ),
        (
            "{'d': '2024-01-01', 'm': 'a\\n\"b\\\\', 'w': ' x', 'u': 'é'}",
            "d: \"2024-01-01\"\n  m: \"a\\n\\\"b\\\\\"\n  w: \" x\"\n  u: \"é\"",
        ),
        ("{'l': [{'a': {}}, [], [1, [2]]]}", "l:\n    - a: {}\n    - []\n    - - 1\n      - - 2"),
        (
            "{'k': BASE2['c'], 'i': BASE['b'][3], '@odata.x': '{resources.a.b}'}",
            "k: xy\n  i: -2\n  \"@odata.x\": \"{resources.a.b}\"",
        ),
    ] {
        check(before, &format!(", \"json\": {python}"), &format!("json:\n  {yaml}"));
    }
    check("X = 1\ndef later():\n    global X\n", ", \"params\": {\"x\": X}\n", "params:\n  x: 1");
}

#[test]
fn whatever_the_writer_writes_the_reader_reads_back() {
    let texts = [
        "plain",
        "a b",
        " a",
        "a ",
        "",
        "~",
        "null",
        "True",
        "no",
        "1",
        "1e5",
        "0x1",
        "-",
        "- a",
        "a:",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "|",
        ">",
        "%",
        "@a",
        "`a",
        "'a'",
        "\"a\"",
        "a\nb",
        "a\tb",
        "\u{85}x\u{2028}",
        "{a}",
        "[a]",
        "a,b",
        "?x",
        "${A}",
        "$${A}",
        "$",
        "a${",
        "2024-01-01",
        "12:30",
        "=",
        "<<",
        "/v1/{id}",
        "data[*].x",
        "é✓",
        "C:\\x",
        "http://a/b?c=d&e=f",
    ];
    for text in texts {
        let entries = vec![("x".to_owned(), value::Value::List(vec![value::Value::text(text)]))];
        let yaml = write::config("f", &entries, &[], &[]);
        let mut document = Document::parse(&yaml, &mut Vec::new()).unwrap_or_else(|fault| panic!("{fault:?}\n{yaml}"));
        let inputs = Inputs {
            text: "",
            file: "",
            folder: Path::new("/"),
            current_dir: Path::new("/"),
            has_lake: &|_, _| false,
            env: &|_| None,
            read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        };
        let root = Document::ROOT;
        crate::config::substitute::substitute(&mut document, root, &inputs, &mut Vec::new());
        let list = document.entries(root)[0].node;
        let crate::config::tree::Value::List(elements) = &document.node(list).value else { panic!("{yaml}") };
        let crate::config::tree::Value::Text(read) = &document.node(elements[0]).value else { panic!("{yaml}") };
        assert_eq!(read.text, text, "{yaml}");
    }
}

/// A script with much of what cannot be carried over.
const PYTHON: &str = r#"
import dlt
from settings import REGION
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

def clean(row):
    return row

def load(since, page_size=20):
    config: RESTAPIConfig = {
        "client": {"base_url": f"https://{REGION}.example.com", "session": make_session()},
        "resources": [
            {
                "name": "a",
                "table_name": lambda row: row["kind"],
                "processing_steps": [{"filter": lambda r: r["ok"]}, {"map": clean}],
                "endpoint": {
                    "path": "a",
                    "params": {"since": since, "limit": page_size, "at": now()},
                    "response_actions": [{"status_code": 404, "action": "ignore"}, handler],
                },
            },
            *[{"name": n} for n in NAMES],
        ],
    }
    config["resources"].append("b")
    pipeline = dlt.pipeline("my pipe", destination="duckdb", dev_mode=True)
    source = rest_api_source(config, section="x", max_table_nesting=2).add_limit(3)
    pipeline.run(source, write_disposition="replace")
"#;

#[test]
fn a_filter_that_is_a_simple_lambda_is_told_as_a_config_has_it() {
    let noted = |lambda: &str| {
        let script = format!(
            "rest_api_source({{'client': {{'base_url': 'http://a.test'}}, 'resources': [{{'name': 'r', 'processing_steps': [{{'filter': {lambda}}}]}}]}})\n"
        );
        let note = notes(&script).swap_remove(0);
        note.split_once("; write `filter: ").map(|(_, filter)| filter.trim_end_matches('`').to_owned())
    };
    for (lambda, filter) in [
        ("lambda r: r['n'] > 5", "n > 5"),
        ("lambda r: r['s'] == 'new' and not r['gone']", "(s == 'new' and not (gone))"),
        ("lambda r: 1 < r['n'] <= 2.5 or r['x'] is not None", "(1 < n <= 2.5 or x is not none)"),
    ] {
        assert_eq!(noted(lambda), Some(format!("\"{filter}\"")), "{lambda}");
    }
    for lambda in ["lambda r: r['n'] in known", "lambda r: keep(r)", "lambda r: r.get('n')", "lambda a, b: a['n']"] {
        assert_eq!(noted(lambda), None, "{lambda}");
    }
}

#[test]
fn what_is_not_carried_over_is_named_with_its_line() {
    let expected = [
        "line 11: `client.base_url`: the value of `REGION`, which is imported; the config takes it from `REGION`",
        "line 11: `client.session`: a Python object; see `client.timeout`, `client.retry` and `client.headers`",
        "line 15: `resources[0].table_name`: a lambda, `lambda row: row[\"kind\"]`",
        "line 16: `resources[0].processing_steps[0].filter`: a lambda, `lambda r: r[\"ok\"]`; write `filter: \"ok\"`",
        "line 16: `resources[0].processing_steps[1].map`: a Python function, `clean`",
        "line 19: `resources[0].endpoint.params.at`: a call, `now(…)`",
        "line 19: `resources[0].endpoint.params.since`: the value of `since`, which is a parameter; the config takes it from `SINCE`",
        "line 20: `resources[0].endpoint.response_actions[1]`: `handler`, which is bound nowhere",
        "line 23: `resources[1]`: a comprehension, `[{\"name\": n} for n in NAMES]`",
        "line 26: what the script does to `config` after it is made: it calls `append` on it",
        "line 27: the destination `duckdb`; the tables go to `./lake`",
        "line 27: the pipeline's argument `dev_mode`",
        "line 28: the source's argument `section`",
        "line 28: what the script does to the source: it calls `add_limit` on it",
        "line 29: the argument `write_disposition` of `run`",
    ];
    assert_eq!(notes(PYTHON), expected);
    let yaml = imported(PYTHON).yaml;
    let config = "\
name: my_pipe
client:
  base_url: https://${REGION}.example.com
resource_defaults:
  max_table_nesting: 2
resources:
  - name: a
    endpoint:
      path: a
      params:
        since: ${SINCE}
        limit: 20
      response_actions:
        - status_code: 404
          action: ignore
lake:
  url: ./lake
";
    let (head, rest) = yaml.split_at(yaml.find("name:").unwrap());
    assert_eq!(rest, config);
    for line in expected {
        assert!(head.contains(&format!("\n#   {line}\n")), "{head}");
    }
    assert!(head.contains("\n#   REGION: REGION (line 11)\n#   SINCE: since (line 19)\n"), "{head}");
}

#[test]
fn a_name_stands_for_what_was_bound_to_it_before() {
    let rebound = script("X = 'a'", "", ", \"params\": {\"x\": X}") + "X = 'b'\n";
    assert!(imported(&rebound).yaml.contains("x: a\n"));
    let branch = script("X = 'a'\nif debug:\n    X = 'b'", "", ", \"params\": {\"x\": X}");
    assert_eq!(
        notes(&branch),
        ["line 6: `resources[0].endpoint.params.x`: `X` is bound in a branch or loop; the last value before this line is taken"]
    );
    let main = "from dlt.sources.rest_api import rest_api_resources\ndef f():\n    yield from rest_api_resources(CONFIG)\nCONFIG = {'client': {'base_url': URL}, 'resources': ['r']}\nif __name__ == '__main__':\n    f()\n";
    assert!(imported(main).yaml.contains("base_url: ${URL}\n"));
}

#[test]
fn a_pipeline_on_files_says_where_the_lake_is() {
    let lake = |pipeline: &str| {
        let text = script("from dlt.destinations import filesystem", "", "") + pipeline;
        let yaml = imported(&text).yaml;
        (
            yaml.split("name: ").nth(1).unwrap().lines().next().unwrap().to_owned(),
            yaml.split("lake:\n").nth(1).unwrap().to_owned(),
        )
    };
    assert_eq!(
        lake("dlt.pipeline(pipeline_name='p', destination='filesystem', dataset_name='d')"),
        ("p".to_owned(), "  url: ${DESTINATION__FILESYSTEM__BUCKET_URL}/d_lakeward\n".to_owned())
    );
    assert_eq!(
        lake(
            "dest = filesystem('s3://b/x/', credentials={'aws_access_key_id': dlt.secrets['k'], 'region_name': 'eu'})\ndlt.pipeline('p', destination=dest)"
        ),
        (
            "p".to_owned(),
            "  url: s3://b/x/p_dataset_lakeward\n  options:\n    aws_access_key_id: ${K}\n    aws_region: eu\n".to_owned()
        )
    );
    assert_eq!(lake("dlt.pipeline('_p/q', progress='log')"), ("p_q".to_owned(), "  url: ./lake\n".to_owned()));
    let plan = plan_of(
        &(script("", "", "") + "dlt.pipeline('p', destination=dlt.destinations.filesystem(bucket_url='out'), dataset_name='d')"),
        "v",
    );
    assert_eq!(plan.lake.location, crate::config::LakeLocation::Disk("/data/out/d_lakeward".into()));
}

#[test]
fn a_script_without_a_config_that_can_be_read_is_refused_with_its_place() {
    let check = |script: &str, expected: &str| {
        let error = import(script, "f.py", "f").unwrap_err();
        assert_eq!(error.to_string(), expected, "{script}");
    };
    check(
        "print('hello')\n",
        "no dlt REST config found; looked for `rest_api_source({…})`, `rest_api_resources({…})`, `name: RESTAPIConfig = {…}`, and a dict with `client` and `resources`",
    );
    check(
        "def f(config):\n    return rest_api_source(config)\n",
        "2:1: the config of `rest_api_source` is `config`, not a dict that can be read without running the script; write the dict itself there, or give it a name: `config = {…}`, then `rest_api_source(config)`",
    );
    check("x = {\n  'a': 1,\n  'b' 2\n}\n", "3:7: not valid Python: Expected `:`, found int");
    check(&"x = 1\n".repeat(50_000), "the script passes the limit of 256 KiB");
    check(&format!("x = {}1{}", "[".repeat(100), "]".repeat(100)), "the nesting of brackets passes the limit of 64 levels");
    let doubling: String = (1..40).map(|i| format!("x{i} = {{'a': x{}, 'b': x{}}}\n", i - 1, i - 1)).collect();
    check(
        &format!("x0 = {{}}\n{doubling}rest_api_source(x39)"),
        "the config, names followed, passes the limit of 64 levels and 100000 values",
    );
    check(
        &format!("x = {}1\n", "-".repeat(20_000)),
        "no dlt REST config found; looked for `rest_api_source({…})`, `rest_api_resources({…})`, `name: RESTAPIConfig = {…}`, and a dict with `client` and `resources`",
    );
}

#[test]
fn decorators_chains_hints_and_arguments_without_names_are_named() {
    let text = r#"import dlt
from dlt.sources.rest_api import rest_api_source

@dlt.source(name="shop", max_table_nesting=0)
def shop():
    return rest_api_source({"client": {"base_url": "http://a.test"}, "resources": ["r"]}, "shop").with_resources("r").add_limit(2)

@dlt.resource(write_disposition="append", primary_key="id")
def extra():
    yield [1]

source = shop()
source.resources["r"].apply_hints(primary_key="id")
source.max_table_nesting = 2
shop().r.add_map(lambda row: row)
dlt.pipeline("p", "dir").run(source, "other")
"#;
    let expected = [
        "line 4: the argument `max_table_nesting` of `@dlt.source` of `shop`",
        "line 4: the argument `name` of `@dlt.source` of `shop`",
        "line 6: argument 2 of the source, given without a name",
        "line 6: what the script does to the source: it calls `add_limit` on it",
        "line 6: what the script does to the source: it calls `with_resources` on it",
        "line 8: the argument `primary_key` of `@dlt.resource` of `extra`",
        "line 8: the argument `write_disposition` of `@dlt.resource` of `extra`",
        "line 8: what Python makes under `@dlt.resource` of `extra`",
        "line 13: what the script does to `source` after it is made: it calls `apply_hints` on it",
        "line 14: what the script does to `source` after it is made: it assigns to a part of it",
        "line 15: what the script does to `shop` after it is made: it calls `add_map` on it",
        "line 16: an argument of `run`, given without a name",
        "line 16: argument 2 of the pipeline, given without a name",
    ];
    assert_eq!(notes(text), expected);
}

#[test]
fn a_config_without_a_resource_is_refused_with_what_was_left_out() {
    let refused = |resources: &str| {
        let text = format!("rest_api_source({{'client': {{'base_url': 'http://a.test'}}{resources}}})\n");
        import(&text, "f.py", "f").unwrap_err().to_string()
    };
    let none = "1:1: the config has no resource that can be read without running the script";
    assert_eq!(refused(""), none);
    assert_eq!(refused(", 'resources': []"), none);
    assert_eq!(
        refused(", 'resources': [{'name': n} for n in NAMES]"),
        format!("{none}; left out: line 1: `resources`: a comprehension, `[{{'name': n}} for n in NAMES]`")
    );
    assert_eq!(
        refused(", 'resources': A if debug else B"),
        format!("{none}; left out: line 1: `resources`: a conditional expression, `A if debug else B`")
    );
    let deleted = script("c = {'path': 'x'}\ndel c['path']", "", ", \"params\": c");
    assert_eq!(notes(&deleted), ["line 4: what the script does to `c` after it is made: it deletes a part of it"]);
}

#[test]
fn several_configs_are_told() {
    let text = script("", "", "") + "\nrest_api_source({'client': {'base_url': 'http://b.test'}, 'resources': ['x']})\n";
    assert_eq!(notes(&text), ["line 6: the config of another `rest_api_source`; convert it from a file of its own"]);
    let named = "C = {'client': {'base_url': 'http://b.test'}, 'resources': ['x']}\n";
    assert!(imported(named).yaml.contains("http://b.test"), "a dict alone is enough");
}

#[test]
fn hints_that_choose_among_the_records_of_a_key_are_carried_over() {
    let hints = r#""write_disposition": {"disposition": "merge", "strategy": "delete-insert"},
            "columns": {"updated_at": {"dedup_sort": "desc"}, "is_deleted": {"hard_delete": True}},
            "name": "wallets","#;
    let plan = plan_of(&GUIDE.replace(r#""name": "wallets","#, hints), "x");
    let merge = &plan.resources[1].merge;
    assert_eq!(merge.dedup_sort.as_ref().map(|sort| (sort.column.as_str(), sort.greatest)), Some(("updated_at", true)));
    assert_eq!(merge.hard_delete.as_deref(), Some("is_deleted"));
}
