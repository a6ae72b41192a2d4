//! lakeward's own form: `{"columns":[{"name":"id","type":"text","nullable":false}, …], "additional":"reject"}`.
//!
//! A column has `name` and `type`, and may have `nullable` (true), `description`, `accept_text` and `empty_as_null` (false). A `struct` has
//! `fields` and may have `additional`; a `list` has `element`, which is a column without name. `schemas/table.schema.json` is
//! this page for editors.

use crate::schema::declared::document::Node;
use crate::schema::declared::reader::{Reader, scalar_type, unknown_member};
use crate::schema::declared::{DeclaredSchema, Undeclared};
use crate::schema::{Column, ColumnType, SchemaError};

const TABLE: [&str; 4] = ["$schema", "description", "columns", "additional"];
const COLUMN: [&str; 9] =
    ["name", "type", "nullable", "description", "accept_text", "empty_as_null", "fields", "element", "additional"];
const ELEMENT: [&str; 7] = ["type", "description", "accept_text", "empty_as_null", "fields", "element", "additional"];

/// Reads the whole file.
pub(super) fn read<'a>(reader: &mut Reader<'a>, root: &Node<'a>) -> Result<DeclaredSchema, SchemaError> {
    check_members(root, &TABLE)?;
    let columns = root.member("columns").ok_or_else(|| {
        root.fault("`columns` is missing: expected lakeward's own form, with `columns`, or JSON Schema, with `properties`")
    })?;
    let undeclared = undeclared(root, Undeclared::Infer)?;
    let columns = read_columns(reader, &columns, undeclared)?;
    Ok(reader.finish(columns, undeclared))
}

fn read_columns<'a>(reader: &mut Reader<'a>, node: &Node<'a>, outer: Undeclared) -> Result<Vec<Column>, SchemaError> {
    let nodes = node.elements().ok_or_else(|| node.fault(format!("expected an array of columns, found {}", node.what())))?;
    if nodes.is_empty() {
        return Err(node.fault("declares nothing; expected at least one column"));
    }
    let mut columns: Vec<Column> = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let column = read_column(reader, node, outer)?;
        if columns.iter().any(|other| other.name == column.name) {
            return Err(node.fault(format!("`{}` is declared twice", column.name)));
        }
        columns.push(column);
    }
    Ok(columns)
}

fn read_column<'a>(reader: &mut Reader<'a>, node: &Node<'a>, outer: Undeclared) -> Result<Column, SchemaError> {
    check_members(node, &COLUMN)?;
    let name = node.member("name").ok_or_else(|| node.fault("`name` is missing"))?.text()?;
    let column_type = reader.named(node, name, |reader| read_type(reader, node, outer))?;
    Ok(Column {
        name: name.to_owned(),
        column_type,
        nullable: node.member("nullable").map_or(Ok(true), |nullable| nullable.flag())?,
        declared: true,
        description: node.member("description").map(|description| description.text().map(str::to_owned)).transpose()?,
    })
}

/// The type that a column or element declares.
fn read_type<'a>(reader: &mut Reader<'a>, node: &Node<'a>, outer: Undeclared) -> Result<ColumnType, SchemaError> {
    let named = node.member("type").ok_or_else(|| node.fault("`type` is missing"))?;
    let word = named.text()?;
    for (member, of) in [("fields", "struct"), ("additional", "struct"), ("element", "list")] {
        if let Some(member_node) = node.member(member).filter(|_| word != of) {
            return Err(member_node.fault(format!("`{member}` is for type `{of}`, and this is `{word}`")));
        }
    }
    let column_type = match word {
        "struct" => {
            let fields = node.member("fields").ok_or_else(|| node.fault("a struct needs `fields`"))?;
            let inner = undeclared(node, outer)?;
            reader.undeclared(inner);
            ColumnType::Struct(read_columns(reader, &fields, inner)?)
        }
        "list" => {
            let element = node.member("element").ok_or_else(|| node.fault("a list needs `element`"))?;
            check_members(&element, &ELEMENT)?;
            ColumnType::List(Box::new(reader.deeper(&element, |reader| read_type(reader, &element, outer))?))
        }
        _ => scalar_type(&named)?,
    };
    if let Some(accept_text) = node.member("accept_text")
        && accept_text.flag()?
    {
        reader.accept_text(&accept_text, &column_type)?;
    }
    if let Some(empty_as_null) = node.member("empty_as_null")
        && empty_as_null.flag()?
    {
        reader.empty_as_null(&empty_as_null, &column_type)?;
    }
    Ok(column_type)
}

fn undeclared(node: &Node<'_>, outer: Undeclared) -> Result<Undeclared, SchemaError> {
    let Some(additional) = node.member("additional") else {
        return Ok(outer);
    };
    match additional.text()? {
        "infer" => Ok(Undeclared::Infer),
        "reject" => Ok(Undeclared::Reject),
        "ignore" => Ok(Undeclared::Ignore),
        other => Err(additional.fault(format!("expected `infer`, `reject` or `ignore`, found `{other}`"))),
    }
}

fn check_members(node: &Node<'_>, known: &[&str]) -> Result<(), SchemaError> {
    let members = node.members().ok_or_else(|| node.fault(format!("expected an object, found {}", node.what())))?;
    match members.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, member)) => Err(unknown_member(member, name, known)),
        None => Ok(()),
    }
}
