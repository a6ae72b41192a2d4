//! `lakeward import`: the guide's script becomes a config that runs unchanged.

use crate::support::billing::{Billing, KEY};
use crate::support::sandbox::Sandbox;

/// The script of the user's guide, for the API at `url`.
fn guide(url: &str) -> String {
    let resource = |name: &str| {
        format!(
            r#"        {{
            "name": "{name}",
            "endpoint": {{
                "path": "/v1/{name}",
                "data_selector": "data",
                "paginator": {{
                    "type": "offset",
                    "limit": 100
                }}
            }}
        }}"#
        )
    };
    format!(
        r#"import dlt
from dlt.sources.rest_api import rest_api_source

source = rest_api_source({{
    "client": {{
        "base_url": "{url}",
        "auth": {{
            "type": "api_key",
            "name": "api_key",
            "api_key": dlt.secrets["api_key"],
            "location": "query"
        }}
    }},
    "resource_defaults": {{
        "primary_key": "id",
        "write_disposition": "merge"
    }},
    "resources": [
{},
{}
    ]
}})
"#,
        resource("customer_usage"),
        resource("wallets")
    )
}

#[test]
fn the_guides_script_converts_checks_and_runs() {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = Sandbox::new().env("API_KEY", KEY);
    sandbox.write("pipeline.py", &guide(&api.url()));

    let ended = sandbox.lakeward(&["import", "pipeline.py"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.stderr, "set: API_KEY\n", "{ended}");
    sandbox.write("lakeward.yaml", &ended.stdout);

    let ended = sandbox.lakeward(&["check", "lakeward.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let ended = sandbox.run_ok();
    assert_eq!(ended.summary()["status"], "success");
    assert_eq!(sandbox.by_key("customer_usage", "id").len(), 1234);
    assert_eq!(sandbox.by_key("wallets", "id").len(), 240);
}

#[test]
fn what_is_left_out_is_told_and_a_config_is_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "p.py",
        "rest_api_source({'client': {'base_url': 'http://a.test'}, 'resources': [{'name': 'r', 'table_name': lambda r: 't'}]})\n",
    );
    let ended = sandbox.lakeward(&["import", "p.py", "--output", "p.yaml"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.stderr, "not carried over: line 1: `resources[0].table_name`: a lambda, `lambda r: 't'`\n");
    assert!(ended.stdout.contains("lakeward check p.yaml"), "{ended}");
    let written = std::fs::read_to_string(sandbox.path().join("p.yaml")).unwrap();
    assert!(written.contains("#   line 1: `resources[0].table_name`: a lambda"), "{written}");
    assert_eq!(sandbox.lakeward(&["check", "p.yaml"]).code(), Some(0));
    sandbox.lakeward(&["import", "p.py", "--output", "p.yaml"]).failed_with(2, &["cannot write `p.yaml`"]);
}

#[test]
fn a_script_that_cannot_be_converted_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.lakeward(&["import", "none.py"]).failed_with(2, &["cannot read the script `none.py`"]);
    sandbox.write("broken.py", "rest_api_source({\n");
    sandbox.lakeward(&["import", "broken.py"]).failed_with(2, &["broken.py:", "not valid Python"]);
    sandbox.write("other.py", "print(1)\n");
    sandbox
        .lakeward(&["import", "other.py"])
        .failed_with(2, &["other.py: no dlt REST config found; looked for `rest_api_source("]);
}
