use super::*;

/// The generated schema that editors use.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/config.schema.json");

#[test]
fn the_json_schema_file_is_that_of_the_types() {
    let fresh = json_schema();
    if std::env::var_os("LAKEWARD_UPDATE").is_some() {
        std::fs::write(FILE, &fresh).unwrap();
    }
    let stored = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        stored == fresh,
        "schemas/config.schema.json is stale; refresh it with `LAKEWARD_UPDATE=1 cargo test --lib config::tests::schema`"
    );
}

/// Every key of every section is documented, so that editors can explain it.
#[test]
fn every_key_has_a_description() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let sections = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let mut keys = 0;
    for section in sections {
        for (key, value) in section["properties"].as_object().into_iter().flatten() {
            assert!(value["description"].is_string(), "`{key}` has no description in {section}");
            keys += 1;
        }
    }
    assert!(keys > 40, "{keys}");
}

#[test]
fn every_key_is_in_the_documentation() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let documentation = include_str!("../../../docs/config.md");
    let mut waiting = vec![&schema];
    while let Some(value) = waiting.pop() {
        for key in value["properties"].as_object().into_iter().flatten().map(|(key, _)| key) {
            let shown = [format!("`{key}`"), format!("{{{key}"), format!(", {key}"), format!("`{key}: ")];
            assert!(shown.iter().any(|shown| documentation.contains(shown)), "`{key}` is not in docs/config.md");
        }
        match value {
            serde_json::Value::Array(items) => waiting.extend(items),
            serde_json::Value::Object(members) => waiting.extend(members.values()),
            _ => {}
        }
    }
}

/// The config that the documentation shows first is the guide's.
#[test]
fn the_documentations_config_is_accepted() {
    let documentation = include_str!("../../../docs/config.md");
    let yaml = documentation.split("```").nth(1).and_then(|block| block.strip_prefix("yaml")).unwrap();
    assert_eq!(plan(yaml).resources.len(), 2);
}
