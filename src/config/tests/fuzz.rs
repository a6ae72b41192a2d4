//! Whatever is written into a config.

use super::*;
use crate::base::fuzz;
use crate::config::plan::ResourcePlan;

const WORDS: &[&str] = &[
    "name: ",
    "client: ",
    "base_url: ",
    "resources:\n  - ",
    "endpoint: ",
    "path: ",
    "params: ",
    "paginator: ",
    "type: ",
    "auth: ",
    "lake: ",
    "url: ",
    "json: ",
    "headers: ",
    "incremental: ",
    "cursor_path: ",
    "write_disposition: ",
    "primary_key: ",
    "null",
    "true",
    "-1",
    "1e999",
    "99999999999999999999",
    "{}",
    "[]",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ", ",
    "- ",
    "\n",
    "\n  ",
    "\t",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "#",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "---\n",
    "...",
    "${KEY}",
    "\"${KEY}\"",
    "${NOPE:-x}",
    "${file:none}",
    "$$",
    "{resources.parent.id}",
    "{id}",
    "{{",
    "}}",
    "http://a.test",
    "é",
    "\u{feff}",
    "\u{0}",
    "cursor",
    "offset",
    "json_link",
    "5s",
    "50%",
];

/// `KEY` is all there is in the environment.
fn load_fuzzed(text: &str) -> Result<Plan, ConfigErrors> {
    let inputs = Inputs {
        text,
        file: "test.yaml",
        folder: Path::new("/data"),
        current_dir: Path::new("/data"),
        has_lake: &|_, _| false,
        env: &|name| (name == "KEY").then(|| "pl4nt3d".to_owned()),
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    load_config(&inputs)
}

/// What every plan promises to those who run it.
fn assert_sound(plan: &Plan) {
    let is_segment = |name: &str| !name.is_empty() && !name.starts_with(['.', '_']) && !name.contains(['/', '\\', '\0', '\n']);
    assert!(is_segment(&plan.name), "{:?}", plan.name);
    assert!(matches!(plan.client.base_url.scheme(), "http" | "https") && plan.client.base_url.has_host());
    let names: Vec<&str> = plan.resources.iter().map(|resource: &ResourcePlan| resource.name.as_str()).collect();
    for (at, resource) in plan.resources.iter().enumerate() {
        assert!(is_segment(&resource.name), "{:?}", resource.name);
        assert!(!names[..at].contains(&names[at]), "two resources are `{}`", resource.name);
        for parent in &resource.parents {
            assert!(names.contains(&parent.resource.as_str()), "`{}` has a parent that is none", resource.name);
        }
        let needs_key = resource.write_disposition == WriteDisposition::Merge;
        assert!(!needs_key || !resource.primary_key.is_empty(), "`{}` merges without a key", resource.name);
    }
}

#[test]
fn any_config_is_a_sound_plan_or_has_faults_with_places_and_without_secrets() {
    fuzz("config", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        match load_fuzzed(&text) {
            Ok(plan) => {
                assert_sound(&plan);
                let again = load_fuzzed(&text).unwrap_or_else(|errors| panic!("refused the second time: {errors}"));
                assert_eq!(format!("{again:?}"), format!("{plan:?}"));
            }
            Err(errors) => {
                assert!(!errors.faults().is_empty());
                let lines = text.split('\n').count() + text.matches(['\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
                for fault in errors.faults() {
                    assert!((1..=lines + 1).contains(&fault.line) && fault.column >= 1, "{fault:?} in {lines} lines");
                    let shown = format!("{fault} {fault:?}");
                    assert!(!shown.contains("pl4nt3d"), "{shown}");
                }
            }
        }
    });
}

/// A config whose path, parameter, body and header are `text`.
fn with_template(text: &str) -> String {
    let text = serde_json::Value::from(text);
    serde_json::json!({
        "name": "n", "client": {"base_url": "http://a.test/v1/"}, "lake": {"url": "./lake"},
        "resources": [
            {"name": "parent", "endpoint": {"path": "p"}},
            {"name": "child", "endpoint": {
                "path": text, "params": {"id": 7, "q": text}, "json": {"v": [text]}, "headers": {"A": text},
                "paginator": "single_page",
            }},
        ],
    })
    .to_string()
}

#[test]
fn any_template_is_refused_or_filled_in_and_its_values_never_choose_the_host() {
    fuzz("template", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let Ok(plan) = load_fuzzed(&with_template(&text)) else { return };
        let request = &plan.resources[1].endpoint.request;
        let fixed = request.bind(&|_| Some("1"));
        for value in
            [r#""evil.test:80/x""#, r#""@evil.test""#, r#""../..""#, "-1.50", "true", r#""\\\\evil.test\\x""#, r#""é \t""#]
        {
            if let (Ok(bound), Ok(fixed)) = (request.bind(&|_| Some(value)), &fixed) {
                assert_eq!(bound.url.origin(), fixed.url.origin(), "{text:?} with {value}");
                assert_eq!(bound.params.len(), fixed.params.len());
            }
        }
        if !text.contains(['{', '}', '$']) {
            let bound = fixed.unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(bound.params.last().map(|(name, value)| (name.as_str(), value.as_str())), Some(("q", text.as_ref())));
        }
    });
}
