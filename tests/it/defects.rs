//! A defect of the program, in whatever task it strikes: exit code 70 with its words, a summary, and a lake that the next run goes on with.

use crate::support::fake_api::{FakeApi, Reply};
use crate::support::sandbox::{Ended, Running, Sandbox};

/// A page of two records padded to `bytes`.
fn page(bytes: usize) -> Reply {
    Reply::json(format!(r#"{{"data":[{{"id":1}},{{"id":2}}],"pad":"{}"}}"#, "x".repeat(bytes))).gzip()
}

/// An API with a token endpoint and that page.
fn api() -> FakeApi {
    FakeApi::start().page("/token", r#"{"access_token":"t0ken","expires_in":3600}"#).on("/things", move |_| page(0))
}

fn sandbox(api: &FakeApi) -> Sandbox {
    let url = api.url();
    Sandbox::with_config(&format!(
        "name: things\nclient:\n  base_url: {url}\n  auth: {{type: oauth2_client_credentials, access_token_url: \"{url}/token\", client_id: me, client_secret: s3cret}}\n\
         resources:\n  - {{name: things, primary_key: id, write_disposition: merge, endpoint: {{path: things, data_selector: data, paginator: single_page}}}}\nlake: {{url: ./lake}}\n"
    ))
}

fn run_with(sandbox: &Sandbox, fault: &str) -> Ended {
    Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end()
}

/// The names of the points within tasks, as the program lists them.
fn task_points() -> Vec<&'static str> {
    let source = include_str!("../../src/base/fault.rs");
    let list = source.split_once("TASK_POINTS").unwrap().1.split_once("];").unwrap().0;
    list.split('"').skip(1).step_by(2).collect()
}

#[test]
fn a_panic_in_any_kind_of_task_is_exit_code_70_with_its_words_and_never_an_interruption() {
    let points = task_points();
    assert_eq!(points.len(), 8, "{points:?}");
    for point in points {
        // Only a body that is too large for memory is written by a task.
        let api = if point == "task.body" { api().then("/things", page(65 << 20)) } else { api() };
        let sandbox = sandbox(&api);
        let ended = run_with(&sandbox, &format!("{point}=panic"));
        ended.failed_with(70, &["a task panicked", &format!("fault point `{point}`")]);
        assert!(!ended.to_string().contains("nothing was lost"), "{point}: {ended}");
        let summary = ended.summary();
        assert_eq!(summary["status"], "failed", "{point}: {ended}");
        let summary = summary.to_string();
        assert!(summary.contains(&format!("fault point `{point}`")) && summary.contains("internal"), "{point}: {ended}");
        assert!(sandbox.data_files().is_empty(), "{point}: a run with a defect published");
        sandbox.run_ok();
        assert_eq!(sandbox.by_key("things", "id").len(), 2, "{point}");
    }
}

#[test]
fn a_defect_of_one_resource_is_told_by_the_exit_code_whatever_is_published_beside_it() {
    let api = FakeApi::start().page("/a", r#"[{"id":1}]"#).page("/b", r#"[{"id":1}]"#);
    let sandbox = Sandbox::with_config(&format!(
        "name: two\nclient: {{base_url: {}, paginator: single_page}}\nresources: [a, b]\nlake: {{url: ./lake}}\n",
        api.url()
    ));
    let ended = run_with(&sandbox, "task.table=panic");
    assert_eq!(ended.code(), Some(70), "{ended}");
    assert_eq!(sandbox.data_files().len(), 1, "{ended}");
}
