//! JSON Schema (2020-12, its older drafts, and OpenAPI's `nullable`), as far as it tells types.
//!
//! `integer` is int64, `number` float64, `string` text, with the formats `date-time` and `date` timestamp and date; `object` is a struct of
//! its `properties`, `array` a list of its `items`; `x-lakeward-type` names a type of lakeward's own form instead, such as `decimal(18,4)`
//! or `json`, and `x-lakeward-accept-text` lets numbers come as text. A property is not nullable when it is `required` and has no
//! `null` among its types. `additionalProperties: false` rejects undeclared members.

use crate::schema::declared::document::Node;
use crate::schema::declared::reader::{Reader, nearest, scalar_type};
use crate::schema::declared::{DeclaredSchema, Undeclared};
use crate::schema::{Column, ColumnType, Digits, SchemaError};

/// Keywords that are read.
const READ: [&str; 14] = [
    "$ref",
    "additionalProperties",
    "anyOf",
    "description",
    "enum",
    "format",
    "items",
    "nullable",
    "oneOf",
    "properties",
    "required",
    "type",
    "x-lakeward-accept-text",
    "x-lakeward-type",
];

/// Keywords that tell nothing of types: annotations, definitions, limits on values.
const PASSED_OVER: [&str; 35] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "$vocabulary",
    "components",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "definitions",
    "dependentRequired",
    "deprecated",
    "example",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "externalDocs",
    "id",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "title",
    "uniqueItems",
    "writeOnly",
    "xml",
];

/// Keywords that change types in ways that no column follows.
const REFUSED: [&str; 17] = [
    "$dynamicRef",
    "$recursiveRef",
    "additionalItems",
    "allOf",
    "contains",
    "dependencies",
    "dependentSchemas",
    "discriminator",
    "else",
    "if",
    "not",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// A subschema's type, and whether null is among its values.
struct Typed {
    column_type: ColumnType,
    nullable: bool,
}

/// Reads the whole file: the schema of one record.
pub(super) fn read<'a>(reader: &mut Reader<'a>, root: &Node<'a>) -> Result<DeclaredSchema, SchemaError> {
    let Typed { column_type, .. } = read_schema(reader, root)?;
    let ColumnType::Struct(columns) = column_type else {
        return Err(root.fault(format!("declares {column_type}; expected the schema of one record, an object with `properties`")));
    };
    if columns.is_empty() {
        return Err(root.fault("declares nothing; expected at least one property"));
    }
    let mut declared = reader.finish(columns, Undeclared::Infer);
    declared.undeclared = declared.place(&[]).undeclared;
    Ok(declared)
}

fn read_schema<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Result<Typed, SchemaError> {
    check_keywords(node)?;
    if let Some(reference) = node.member("$ref") {
        return read_reference(reader, node, &reference);
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(alternatives) = node.member(keyword) {
            return read_alternatives(reader, node, &alternatives, keyword);
        }
    }
    let (word, nullable) = type_of(node)?;
    let column_type = match (node.member("x-lakeward-type"), word) {
        (Some(ours), _) => scalar_type(&ours)?,
        (None, "object") => read_object(reader, node)?,
        (None, "array") => {
            let items = node.member("items").ok_or_else(|| node.fault("an array needs `items`"))?;
            ColumnType::List(Box::new(reader.deeper(&items, |reader| read_schema(reader, &items))?.column_type))
        }
        (None, "string") => match node.member("format").map(|format| format.text()).transpose()? {
            Some("date-time") => ColumnType::Timestamp,
            Some("date") => ColumnType::Date,
            _ => ColumnType::Text,
        },
        (None, "integer") => ColumnType::Int64 { wide: true },
        (None, "number") => ColumnType::Float64(Digits::UNKNOWN),
        (None, _) => ColumnType::Boolean,
    };
    if let Some(accept_text) = node.member("x-lakeward-accept-text")
        && accept_text.flag()?
    {
        reader.accept_text(&accept_text, &column_type)?;
    }
    Ok(Typed { column_type, nullable })
}

/// The one type besides `null`, as JSON Schema calls it, and whether `null` is there.
fn type_of<'a>(node: &Node<'a>) -> Result<(&'a str, bool), SchemaError> {
    const WORDS: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
    let openapi = node.member("nullable").map_or(Ok(false), |nullable| nullable.flag())?;
    let Some(named) = node.member("type") else {
        return match ["properties", "items", "x-lakeward-type"].iter().find(|keyword| node.member(keyword).is_some()) {
            Some(&"properties") => Ok(("object", openapi)),
            Some(&"items") => Ok(("array", openapi)),
            Some(_) => Ok(("string", openapi)),
            None => Err(node.fault("`type` is missing; for any value, write `\"x-lakeward-type\": \"json\"`")),
        };
    };
    let words = named.elements().unwrap_or_else(|| vec![named.clone()]);
    let mut types = Vec::with_capacity(words.len());
    for word in &words {
        let text = word.text()?;
        match WORDS.iter().find(|known| **known == text) {
            Some(known) => types.push(*known),
            None => {
                let near = nearest(text, &WORDS)
                    .map_or_else(|| format!("expected one of {}", WORDS.join(", ")), |near| format!("did you mean `{near}`?"));
                return Err(word.fault(format!("`{text}` is no type of JSON Schema; {near}")));
            }
        }
    }
    let null = openapi || types.contains(&"null");
    types.retain(|word| *word != "null");
    if types.contains(&"number") {
        types.retain(|word| *word != "integer");
    }
    match *types.as_slice() {
        [word] => Ok((word, null)),
        [] => Err(named.fault("declares no type besides null; leave the property out, and its type is inferred")),
        _ if node.member("x-lakeward-type").is_some() => Ok(("string", null)),
        _ => Err(named.fault("declares several types; for a column of any of them, write `\"x-lakeward-type\": \"json\"`")),
    }
}

fn read_object<'a>(reader: &mut Reader<'a>, node: &Node<'a>) -> Result<ColumnType, SchemaError> {
    if let Some(additional) = node.member("additionalProperties") {
        match additional.value() {
            serde_json::Value::Bool(true) => {}
            serde_json::Value::Bool(false) => reader.undeclared(Undeclared::Reject),
            serde_json::Value::Object(schema) if schema.is_empty() => {}
            _ => {
                return Err(additional.fault(
                    "a schema for undeclared members is not supported: write true or false, or make the object \
                     `\"x-lakeward-type\": \"json\"`",
                ));
            }
        }
    }
    let properties = match node.member("properties") {
        Some(properties) => {
            properties.members().ok_or_else(|| properties.fault(format!("expected an object, found {}", properties.what())))?
        }
        None => Vec::new(),
    };
    let required = required_of(node, &properties)?;
    let mut fields = Vec::with_capacity(properties.len());
    for (name, property) in &properties {
        let typed = reader.named(property, name, |reader| read_schema(reader, property))?;
        let description = property.member("description").map(|description| description.text().map(str::to_owned)).transpose()?;
        fields.push(Column {
            name: (*name).to_owned(),
            column_type: typed.column_type,
            nullable: typed.nullable || !required.contains(name),
            declared: true,
            description,
        });
    }
    Ok(ColumnType::Struct(fields))
}

fn required_of<'a>(node: &Node<'a>, properties: &[(&str, Node<'a>)]) -> Result<Vec<&'a str>, SchemaError> {
    let Some(required) = node.member("required") else {
        return Ok(Vec::new());
    };
    let names =
        required.elements().ok_or_else(|| required.fault(format!("expected an array of names, found {}", required.what())))?;
    let known: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let checked = names.iter().map(|name| {
        let text = name.text()?;
        if known.contains(&text) {
            return Ok(text);
        }
        let near = nearest(text, &known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(name.fault(format!("`{text}` is required, but not among the properties{near}")))
    });
    checked.collect()
}

fn read_reference<'a>(reader: &mut Reader<'a>, node: &Node<'a>, reference: &Node<'a>) -> Result<Typed, SchemaError> {
    for keyword in READ.iter().filter(|keyword| !matches!(**keyword, "$ref" | "description" | "nullable")) {
        if let Some(beside) = node.member(keyword) {
            return Err(beside.fault(format!("`{keyword}` beside `$ref` is not supported: put it into the definition")));
        }
    }
    let text = reference.text()?;
    let Some(pointer) = text.strip_prefix('#') else {
        return Err(
            reference.fault(format!("`{text}` leads out of this file; expected a local reference such as `#/$defs/address`"))
        );
    };
    let Some(target) = reader.document.pointed(pointer) else {
        return Err(reference.fault(format!("`{text}` leads nowhere; expected a local reference such as `#/$defs/address`")));
    };
    if reader.within.iter().any(|outer| outer.is(&target)) {
        return Err(reference.fault(format!(
            "`{text}` contains itself, and columns have an end: make this place `\"x-lakeward-type\": \"json\"`"
        )));
    }
    reader.within.push(target.clone());
    let typed = reader.deeper(node, |reader| read_schema(reader, &target));
    reader.within.pop();
    let nullable = node.member("nullable").map_or(Ok(false), |nullable| nullable.flag())?;
    typed.map(|typed| Typed { nullable: typed.nullable || nullable, ..typed })
}

/// `anyOf` and `oneOf` as generators write an optional value: one schema, and `{"type":"null"}`.
fn read_alternatives<'a>(
    reader: &mut Reader<'a>,
    node: &Node<'a>,
    alternatives: &Node<'a>,
    keyword: &str,
) -> Result<Typed, SchemaError> {
    let is_null = |node: &Node<'_>| node.value().get("type").and_then(serde_json::Value::as_str) == Some("null");
    let all = alternatives.elements().unwrap_or_default();
    let real: Vec<_> = all.iter().filter(|alternative| !is_null(alternative)).collect();
    let beside = ["type", "properties", "items", "format", "enum"].iter().find_map(|keyword| node.member(keyword));
    match (real.as_slice(), node.member("x-lakeward-type"), beside) {
        (_, Some(ours), _) => Ok(Typed { column_type: scalar_type(&ours)?, nullable: real.len() < all.len() }),
        ([one], None, None) => {
            let typed = read_schema(reader, one)?;
            Ok(Typed { nullable: typed.nullable || real.len() < all.len(), ..typed })
        }
        _ => Err(alternatives.fault(format!(
            "`{keyword}` is supported only for one schema and null; for a column of any of them, write `\"x-lakeward-type\": \"json\"`"
        ))),
    }
}

fn check_keywords(node: &Node<'_>) -> Result<(), SchemaError> {
    let members = node.members().ok_or_else(|| node.fault(format!("expected a schema, an object, found {}", node.what())))?;
    for (name, member) in &members {
        let passed_over = PASSED_OVER.contains(name) || (name.starts_with("x-") && !name.starts_with("x-lakeward-"));
        if READ.contains(name) || passed_over {
            continue;
        }
        // `x-lakeward-type: json` stands for whatever these would say.
        let json = node.value().get("x-lakeward-type").is_some();
        if REFUSED.contains(name) {
            if json {
                continue;
            }
            return Err(member.fault(format!(
                "`{name}` is not supported, as it changes types: spell the type out, or write `\"x-lakeward-type\": \"json\"`"
            )));
        }
        let near = nearest(name, &READ).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(member.fault(format!("`{name}` is no keyword that is known here{near}")));
    }
    Ok(())
}
