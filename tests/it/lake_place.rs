//! A relative lake lies beside its config, wherever the command is typed.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use crate::support::billing::{answer, things};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Ended, Running, Sandbox};

fn api() -> FakeApi {
    things(|_| answer(&json!([{"id": 1}, {"id": 2}])))
}

fn config(api: &FakeApi, url: &str) -> String {
    format!(
        "name: shop\nclient: {{base_url: '{}', paginator: single_page}}\nlake: {{url: {url}}}\nresources: [things]\n",
        api.url()
    )
}

fn project(api: &FakeApi, url: &str) -> String {
    format!(
        "sources:\n  shop: {{type: rest_api, client: {{base_url: '{}', paginator: single_page}}, resources: [things]}}\n\
         destinations:\n  out: {{type: filesystem, bucket_url: {url}}}\n\
         pipelines:\n  shop: {{source: shop, destination: out, dataset_name: sales}}\n",
        api.url()
    )
}

/// `lakeward` with these arguments, typed in `folder` of the sandbox.
fn typed_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Ended {
    Running::spawn(sandbox.command(arguments).current_dir(sandbox.path().join(folder))).end()
}

#[test]
fn a_relative_lake_is_beside_its_config_wherever_the_command_is_typed() {
    let api = api();
    let sandbox = Sandbox::new();
    sandbox.write("home/notes.txt", "");
    for (text, file, lake) in
        [(config(&api, "./lake"), "shop.yaml", "etc/lake"), (project(&api, "out"), "dlt.yml", "etc/out/sales")]
    {
        sandbox.write(&format!("etc/{file}"), &text);
        let absolute = sandbox.path().join("etc").join(file).display().to_string();
        let lake = sandbox.path().join(lake);
        for (folder, typed) in
            [("home", format!("../etc/{file}")), (".", format!("etc/{file}")), ("etc", file.to_owned()), ("home", absolute)]
        {
            let run = typed_in(&sandbox, folder, &["run", &typed]);
            assert_eq!(run.code(), Some(0), "{run}");
            let place = fs::canonicalize(&lake).unwrap().display().to_string();
            assert_eq!(run.stderr.lines().next(), Some(&*format!("lake: {place}")), "{run}");
            let status = typed_in(&sandbox, folder, &["status", &typed]);
            assert!(status.code() == Some(0) && status.stdout.contains("things"), "{status}");
        }
        assert!(lake.join("things/part-000000.parquet").exists());
    }
    let home: Vec<_> = fs::read_dir(sandbox.path().join("home")).unwrap().collect();
    assert_eq!(home.len(), 1, "{home:?}");
}

#[test]
fn a_lake_that_was_made_below_the_current_folder_is_not_left_behind() {
    let api = api();
    for (file, text, key) in [("shop.yaml", config as fn(&FakeApi, &str) -> String, "url"), ("dlt.yml", project, "bucket_url")] {
        let sandbox = Sandbox::new();
        // As an older lakeward left it, typed in `home`.
        sandbox.write(&format!("home/{file}"), &text(&api, "./lake"));
        let first = typed_in(&sandbox, "home", &["run", file]);
        assert_eq!(first.code(), Some(0), "{first}");
        sandbox.write(&format!("etc/{file}"), &text(&api, "./lake"));
        let root = fs::canonicalize(sandbox.path()).unwrap().display().to_string();
        let written = |folder: &str| format!("{key}: \"{root}/{folder}/lake\"");
        let said = [
            &*format!("{root}/home/lake"),
            &format!("`{}` to go on with it", written("home")),
            &format!("`{}` to begin anew", written("etc")),
        ];
        for command in ["run", "check", "status", "history", "gc", "doctor"] {
            let ended = typed_in(&sandbox, "home", &[command, &format!("../etc/{file}")]);
            ended.failed_with(2, &said);
            assert!(!sandbox.path().join("etc/lake").exists(), "{ended}");
        }
        // Typed elsewhere there is no such lake, and a lake of another pipeline is none of this one.
        assert_eq!(typed_in(&sandbox, "etc", &["check", file]).code(), Some(0));
        sandbox.write(
            &format!("etc/other-{file}"),
            &text(&api, "./lake").replace(": shop\n", ": other\n").replace("  shop: {source", "  other: {source"),
        );
        let other = typed_in(&sandbox, "home", &["check", &format!("../etc/other-{file}")]);
        assert_eq!(other.code(), Some(0), "{other}");

        let config = |folder: &str| text(&api, "./lake").replace(&format!("{key}: ./lake"), &written(folder));
        sandbox.write(&format!("etc/{file}"), &config("etc"));
        assert_eq!(typed_in(&sandbox, "home", &["check", &format!("../etc/{file}")]).code(), Some(0));
        sandbox.write(&format!("etc/{file}"), &config("home"));
        let history = typed_in(&sandbox, "home", &["history", &format!("../etc/{file}"), "--json"]);
        assert!(history.code() == Some(0) && history.stdout.lines().count() == 1, "{history}");
        sandbox.write(&format!("etc/{file}"), &text(&api, "./lake"));
        fs::rename(sandbox.path().join("home/lake"), sandbox.path().join("etc/lake")).unwrap();
        let history = typed_in(&sandbox, "home", &["history", &format!("../etc/{file}"), "--json"]);
        assert!(history.code() == Some(0) && history.stdout.lines().count() == 1, "{history}");
    }
}

#[test]
fn a_config_that_comes_through_a_pipe_has_its_lake_in_the_current_folder() {
    let api = api();
    let sandbox = Sandbox::new();
    let mut child = sandbox.command(&["run", "/dev/stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(config(&api, "./lake").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(sandbox.rows("things").len(), 2);
}
