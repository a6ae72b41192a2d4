use serde_json::Value;

use super::*;
use crate::schema::ColumnType;

const EXAMPLE: &str = include_str!("../../../examples/schemas/customer_usage.json");
const OWN_FORM: &str = include_str!("../../../schemas/table.schema.json");

/// What `text` declares, as a manifest would keep it, or why it is refused; with all causes.
fn declares(text: &str) -> String {
    match DeclaredSchema::parse("schemas/t.json", text) {
        Ok(declared) => declared.schema.to_json()["columns"].to_string(),
        Err(error) => match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(declares(text), expected, "{text}");
}

fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_own_form_declares_every_type() {
    check(
        r#"{"columns":[
            {"name":"a","type":"boolean"},{"name":"b","type":"int64","nullable":false},{"name":"c","type":"decimal(18,4)"},
            {"name":"d","type":"float64"},{"name":"e","type":"timestamp"},{"name":"f","type":"date"},{"name":"g","type":"text","description":"x"},
            {"name":"h","type":"json"},{"name":"i","type":"struct","fields":[{"name":"j","type":"text"}]},
            {"name":"k","type":"list","element":{"type":"list","element":{"type":"int64"}}}]}"#,
        concat!(
            r#"[{"name":"a","type":"boolean","declared":true},{"name":"b","type":"int64(wide)","nullable":false,"declared":true},"#,
            r#"{"name":"c","type":"decimal(18,4)","declared":true},{"name":"d","type":"float64","declared":true},"#,
            r#"{"name":"e","type":"timestamp","declared":true},{"name":"f","type":"date","declared":true},"#,
            r#"{"name":"g","type":"text","declared":true,"description":"x"},{"name":"h","type":"json","declared":true},"#,
            r#"{"name":"i","type":{"struct":[{"name":"j","type":"text","declared":true}]},"declared":true},"#,
            r#"{"name":"k","type":{"list":{"list":"int64(wide)"}},"declared":true}]"#
        ),
    );
}

#[test]
fn places_say_what_happens_to_undeclared_members_and_to_numbers_as_text() {
    let text = r#"{"additional":"reject","columns":[
        {"name":"a","type":"decimal(9,2)","accept_text":true},
        {"name":"o","type":"struct","additional":"ignore","fields":[{"name":"p","type":"struct","fields":[{"name":"q","type":"text"}]}]},
        {"name":"l","type":"list","element":{"type":"struct","fields":[{"name":"n","type":"int64","accept_text":true}]}}]}"#;
    let declared = DeclaredSchema::parse("t.json", text).unwrap();
    assert_eq!(declared.undeclared, Undeclared::Reject);
    for (at, undeclared) in [
        (&[][..], Undeclared::Reject),
        (&["o"], Undeclared::Ignore),
        (&["o", "p"], Undeclared::Ignore),
        (&["l"], Undeclared::Reject),
    ] {
        assert_eq!(declared.undeclared_at(&path(at)), undeclared, "{at:?}");
    }
    assert!(declared.accepts_text(&path(&["a"])) && declared.accepts_text(&path(&["l", "n"])));
    assert!(!declared.accepts_text(&path(&["l"])) && !declared.accepts_text(&path(&["o", "p", "q"])));
}

#[test]
fn mistakes_in_the_own_form_name_their_place_and_the_nearest_name() {
    let at = |line, path, problem| format!("`schemas/t.json` line {line}, `{path}`: {problem}");
    let column = |members: &str| format!("{{\"columns\": [\n  {{\"name\": \"a\", \"type\": \"text\"}},\n  {{{members}}}\n]}}");
    check(&column(r#""name":"b","type":"txt""#), &at(3, "$.columns[1].type", "`txt` is no type; did you mean `text`?"));
    check(&column(r#""name":"b","type":"String""#), &at(3, "$.columns[1].type", "`String` is no type; did you mean `text`?"));
    check(
        &column(r#""name":"b","type":"decimal""#),
        &at(3, "$.columns[1].type", "`decimal` is no type; did you mean `decimal(18,4)`?"),
    );
    check(
        &column(r#""name":"b","type":"decimal(40,2)""#),
        &at(3, "$.columns[1].type", "`decimal(40,2)` is no decimal: expected decimal(p,s) with p of 1 to 38 and s of 0 to p"),
    );
    check(
        &column(r#""name":"b","type":"geography""#),
        &at(
            3,
            "$.columns[1].type",
            "`geography` is no type; expected one of boolean, int64, decimal(p,s), float64, timestamp, date, text, json, struct, list",
        ),
    );
    check(
        &column("\"name\":\"b\",\n\"type\":\"text\",\n\"nulable\":true"),
        &at(5, "$.columns[1].nulable", "`nulable` is not known here; did you mean `nullable`?"),
    );
    check(&column(r#""name":"a","type":"text""#), &at(3, "$.columns[1]", "`a` is declared twice"));
    check(&column(r#""type":"text""#), &at(3, "$.columns[1]", "`name` is missing"));
    check(&column(r#""name":"b""#), &at(3, "$.columns[1]", "`type` is missing"));
    check(&column(r#""name":"b","type":"struct""#), &at(3, "$.columns[1]", "a struct needs `fields`"));
    check(&column(r#""name":"b","type":"list""#), &at(3, "$.columns[1]", "a list needs `element`"));
    check(
        &column(r#""name":"b","type":"text","fields":[]"#),
        &at(3, "$.columns[1].fields", "`fields` is for type `struct`, and this is `text`"),
    );
    check(
        &column(r#""name":"b","type":"text","accept_text":true"#),
        &at(3, "$.columns[1].accept_text", "is for numbers and booleans that come as text, and this is text"),
    );
    check(
        &column(r#""name":"b","type":"text","nullable":"no""#),
        &at(3, "$.columns[1].nullable", "expected true or false, found a text"),
    );
    check(r#"{"columns":[]}"#, &at(1, "$.columns", "declares nothing; expected at least one column"));
    check(
        r#"{"columns":[{"name":"a","type":"text"}],"additional":"drop"}"#,
        &at(1, "$.additional", "expected `infer`, `reject` or `ignore`, found `drop`"),
    );
    check("[]", &at(1, "$", "expected an object, found an array"));
    check(
        "\n{}",
        &at(2, "$", "`columns` is missing: expected lakeward's own form, with `columns`, or JSON Schema, with `properties`"),
    );
}

#[test]
fn what_is_no_json_is_refused_with_its_line() {
    check("{\"columns\": [\n{\"name\": \"a\",}]}", "`schemas/t.json` is not JSON: trailing comma at line 2 column 14");
    check(
        "{\"columns\": [\n{\"name\": \"a\", \"name\": \"b\"}]}",
        "`schemas/t.json` is not JSON: `name` stands twice in this object at line 2 column 20",
    );
}

#[test]
fn json_schema_is_read_for_its_types() {
    check(
        r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","required":["id","o","when"],
            "properties":{
              "id":{"type":"string","format":"uuid","maxLength":36,"description":"the key"},
              "n":{"type":["integer","null"]},
              "x":{"type":"number","minimum":0},
              "price":{"type":"number","x-lakeward-type":"decimal(18,4)"},
              "when":{"type":["string","null"],"format":"date-time"},
              "day":{"type":"string","format":"date"},
              "o":{"$ref":"#/$defs/address"},
              "tags":{"type":"array","items":{"anyOf":[{"type":"string"},{"type":"null"}]}},
              "any":{"anyOf":[{"type":"string"},{"type":"integer"}],"x-lakeward-type":"json"},
              "ok":{"type":"boolean"}},
            "$defs":{"address":{"type":"object","properties":{"city":{"type":"string"}}}}}"##,
        concat!(
            r#"[{"name":"id","type":"text","nullable":false,"declared":true,"description":"the key"},"#,
            r#"{"name":"n","type":"int64(wide)","declared":true},{"name":"x","type":"float64","declared":true},"#,
            r#"{"name":"price","type":"decimal(18,4)","declared":true},{"name":"when","type":"timestamp","declared":true},"#,
            r#"{"name":"day","type":"date","declared":true},"#,
            r#"{"name":"o","type":{"struct":[{"name":"city","type":"text","declared":true}]},"nullable":false,"declared":true},"#,
            r#"{"name":"tags","type":{"list":"text"},"declared":true},{"name":"any","type":"json","declared":true},"#,
            r#"{"name":"ok","type":"boolean","declared":true}]"#
        ),
    );
}

#[test]
fn json_schema_tells_what_happens_to_undeclared_members() {
    let text = r#"{"additionalProperties":false,"properties":{
        "o":{"type":"object","properties":{"n":{"type":"integer","x-lakeward-accept-text":true}}}}}"#;
    let declared = DeclaredSchema::parse("t.json", text).unwrap();
    assert_eq!((declared.undeclared, declared.undeclared_at(&path(&["o"]))), (Undeclared::Reject, Undeclared::Infer));
    assert!(declared.accepts_text(&path(&["o", "n"])));
}

/// A fault on line 2.
fn at(path: &str, problem: &str) -> String {
    format!("`schemas/t.json` line 2, `{path}`: {problem}")
}

/// A JSON Schema with the property `a` on line 2, and a definition that holds itself.
fn property(schema: &str) -> String {
    format!(
        "{{\"properties\":\n{{\"a\":{schema}}}, \"$defs\": {{\"t\": {{\"type\": \"object\", \"properties\": {{\"t\": {{\"$ref\": \"#/$defs/t\"}}}}}}}}}}"
    )
}

#[test]
fn json_schema_that_no_column_follows_is_refused_by_name() {
    let json = "or write `\"x-lakeward-type\": \"json\"`";
    check(
        &property(r#"{"allOf":[{"type":"string"}]}"#),
        &at("$.properties.a.allOf", &format!("`allOf` is not supported, as it changes types: spell the type out, {json}")),
    );
    check(
        &property(r#"{"type":"object","patternProperties":{}}"#),
        &at(
            "$.properties.a.patternProperties",
            &format!("`patternProperties` is not supported, as it changes types: spell the type out, {json}"),
        ),
    );
    check(
        &property(r#"{"oneOf":[{"type":"string"},{"type":"integer"}]}"#),
        &at(
            "$.properties.a.oneOf",
            "`oneOf` is supported only for one schema and null; for a column of any of them, write `\"x-lakeward-type\": \"json\"`",
        ),
    );
    check(
        &property(r#"{"type":["string","integer"]}"#),
        &at("$.properties.a.type", "declares several types; for a column of any of them, write `\"x-lakeward-type\": \"json\"`"),
    );
    check(
        &property(r#"{"type":"strin"}"#),
        &at("$.properties.a.type", "`strin` is no type of JSON Schema; did you mean `string`?"),
    );
    check(
        &property(r#"{"typ":"string"}"#),
        &at("$.properties.a.typ", "`typ` is no keyword that is known here; did you mean `type`?"),
    );
    check(&property("{}"), &at("$.properties.a", "`type` is missing; for any value, write `\"x-lakeward-type\": \"json\"`"));
    check(&property(r#"{"type":"array"}"#), &at("$.properties.a", "an array needs `items`"));
}

#[test]
fn json_schema_that_leads_nowhere_is_refused() {
    check(
        &property(r##"{"$ref":"other.json#/a"}"##),
        &at(
            "$.properties.a['$ref']",
            "`other.json#/a` leads out of this file; expected a local reference such as `#/$defs/address`",
        ),
    );
    check(
        &property(r##"{"$ref":"#/$defs/u"}"##),
        &at("$.properties.a['$ref']", "`#/$defs/u` leads nowhere; expected a local reference such as `#/$defs/address`"),
    );
    check(
        &property(r##"{"$ref":"#/$defs/t"}"##),
        &at(
            "$['$defs'].t.properties.t['$ref']",
            "`#/$defs/t` contains itself, and columns have an end: make this place `\"x-lakeward-type\": \"json\"`",
        ),
    );
    check(
        &property(r#"{"type":"object","additionalProperties":{"type":"string"}}"#),
        &at(
            "$.properties.a.additionalProperties",
            "a schema for undeclared members is not supported: write true or false, or make the object `\"x-lakeward-type\": \"json\"`",
        ),
    );
    check(
        &property(r#"{"type":"object","properties":{"id":{"type":"string"}},"required":["ID"]}"#),
        &at("$.properties.a.required[0]", "`ID` is required, but not among the properties; did you mean `id`?"),
    );
    check(
        "{\"type\":\n\"array\",\"items\":{\"type\":\"string\"}}",
        "`schemas/t.json` line 1, `$`: declares list of text; expected the schema of one record, an object with `properties`",
    );
}

#[test]
fn references_that_multiply_are_capped() {
    let levels: Vec<String> = (0..40)
        .map(|n| {
            format!(r##""l{n}":{{"properties":{{"a":{{"$ref":"#/$defs/l{m}"}},"b":{{"$ref":"#/$defs/l{m}"}}}}}}"##, m = n + 1)
        })
        .collect();
    let text = format!(r##"{{"$ref":"#/$defs/l0","$defs":{{{},"l40":{{"type":"string"}}}}}}"##, levels.join(","));
    let error = DeclaredSchema::parse("t.json", &text).unwrap_err();
    assert!(matches!(error, SchemaError::TooManyColumns { .. } | SchemaError::Declared { .. }), "{error}");
}

#[test]
fn the_example_declares_the_guides_table() {
    let declared = DeclaredSchema::parse("customer_usage.json", EXAMPLE).unwrap();
    assert_eq!(declared.schema.columns.len(), 21);
    assert_eq!(declared.schema.column("amount").unwrap().column_type, ColumnType::Decimal { precision: 18, scale: 4 });
    assert!(declared.accepts_text(&path(&["amount"])) && !declared.accepts_text(&path(&["unit_price"])));
}

#[test]
fn the_schema_for_editors_accepts_what_is_accepted_and_refuses_what_is_refused() {
    let schema: Value = serde_json::from_str(OWN_FORM).unwrap();
    assert!(is_valid(&serde_json::from_str(EXAMPLE).unwrap(), &schema, &schema));
    let column = r#"{"name":"a","type":"text"}"#;
    for text in [
        r#"{"columns":[]}"#.to_owned(),
        r#"{"additional":"infer"}"#.to_owned(),
        format!(r#"{{"columns":[{column}],"additional":"drop"}}"#),
        format!(r#"{{"columns":[{column}],"partition_by":[]}}"#),
        r#"{"columns":[{"name":"a"}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"string"}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"decimal(40,2)"}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"text","nulable":true}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"struct"}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"list","element":{"type":"list"}}]}"#.to_owned(),
        r#"{"columns":[{"name":"a","type":"list","element":{"type":"text","name":"x"}}]}"#.to_owned(),
    ] {
        assert!(DeclaredSchema::parse("t.json", &text).is_err(), "{text}");
        assert!(!is_valid(&serde_json::from_str(&text).unwrap(), &schema, &schema), "{text}");
    }
    let text = r#"{"columns":[{"name":"a","type":"struct","additional":"ignore","fields":[{"name":"b","type":"int64","accept_text":true}]}]}"#;
    assert!(DeclaredSchema::parse("t.json", text).is_ok() && is_valid(&serde_json::from_str(text).unwrap(), &schema, &schema));
}

/// JSON Schema validation, as far as `table.schema.json` uses it.
fn is_valid(value: &Value, schema: &Value, root: &Value) -> bool {
    let follows = |schema: &Value| is_valid(value, schema, root);
    schema.as_object().unwrap().iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" | "then" => true,
        "$ref" => follows(root.pointer(&rule.as_str().unwrap()[1..]).unwrap()),
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            other => panic!("{other}"),
        },
        "enum" => rule.as_array().unwrap().contains(value),
        "const" => rule == value,
        "pattern" => value.as_str().and_then(ColumnType::from_word).is_some_and(|of| matches!(of, ColumnType::Decimal { .. })),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| is_valid(item, rule, root))),
        "required" => rule.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
        "properties" => {
            rule.as_object().unwrap().iter().all(|(name, rule)| value.get(name).is_none_or(|member| is_valid(member, rule, root)))
        }
        "additionalProperties" => {
            value.as_object().is_none_or(|members| members.keys().all(|name| schema["properties"].get(name).is_some()))
        }
        "anyOf" => rule.as_array().unwrap().iter().any(follows),
        "allOf" => rule.as_array().unwrap().iter().all(follows),
        "if" => !follows(rule) || follows(&schema["then"]),
        other => panic!("{other}"),
    })
}
