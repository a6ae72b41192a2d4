use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};

use super::*;
use crate::schema::ColumnType;

fn column(name: &str, column_type: ColumnType) -> Column {
    Column::inferred(name, column_type)
}

fn table() -> (TableSchema, RecordBatch) {
    let city: ArrayRef = Arc::new(StringArray::from(vec![Some("Köln, \"links\""), Some(""), Some("hidden")]));
    let fields = vec![Arc::new(Field::new("city", DataType::Utf8, true))];
    let address = StructArray::new(fields.into(), vec![city], Some(NullBuffer::from(vec![true, true, false])));
    let tags = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None, Some(vec![])]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![Some(i64::MAX), None, Some(3)]))),
        ("amount", Arc::new(Decimal128Array::from(vec![Some(1250), Some(-5), None]).with_precision_and_scale(20, 2).unwrap())),
        ("rate", Arc::new(Float64Array::from(vec![Some(0.1), Some(1e21), Some(3.0)]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![Some(1_500_000), None, Some(0)]).with_timezone("UTC"))),
        ("address", Arc::new(address)),
        ("tags", Arc::new(tags)),
        ("raw", Arc::new(StringArray::from(vec![Some("{\"a\":\n1}"), Some("[]"), None]))),
    ];
    let schema = TableSchema {
        columns: vec![
            column("id", ColumnType::Int64 { wide: true }),
            column("amount", ColumnType::Decimal { precision: 20, scale: 2 }),
            column("rate", ColumnType::Float64(crate::schema::Digits::UNKNOWN)),
            column("at", ColumnType::Timestamp),
            column("address", ColumnType::Struct(vec![column("city", ColumnType::Text)])),
            column("tags", ColumnType::List(Box::new(ColumnType::Int64 { wide: false }))),
            column("raw", ColumnType::Json),
        ],
    };
    (schema, RecordBatch::try_from_iter(columns).unwrap())
}

#[track_caller]
fn check_csv(nested: Nested, expected: &str) {
    let (schema, batch) = table();
    let mut out = Vec::new();
    Csv::new(&schema, nested).unwrap().write([Ok(batch)].into_iter(), &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn csv_has_objects_as_columns_or_as_json_text_and_tells_null_from_empty() {
    check_csv(
        Nested::Flatten,
        "id,amount,rate,at,address.city,tags,raw\n\
         9223372036854775807,12.50,0.1,1970-01-01T00:00:01.500Z,\"Köln, \"\"links\"\"\",\"[1,null]\",\"{\"\"a\"\":\n1}\"\n\
         ,-0.05,1e21,,\"\",,[]\n\
         3,,3.0,1970-01-01T00:00:00Z,,[],\n",
    );
    check_csv(
        Nested::Json,
        "id,amount,rate,at,address,tags,raw\n\
         9223372036854775807,12.50,0.1,1970-01-01T00:00:01.500Z,\"{\"\"city\"\":\"\"Köln, \\\"\"links\\\"\"\"\"}\",\"[1,null]\",\"{\"\"a\"\":\n1}\"\n\
         ,-0.05,1e21,,\"{\"\"city\"\":\"\"\"\"}\",,[]\n\
         3,,3.0,1970-01-01T00:00:00Z,,[],\n",
    );
}

#[test]
fn ndjson_has_every_digit_and_one_line_a_row() {
    let (schema, batch) = table();
    let mut out = Vec::new();
    Ndjson::new(&schema).write([Ok(batch)].into_iter(), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"id\":9223372036854775807,\"amount\":12.50,\"rate\":0.1,\"at\":\"1970-01-01T00:00:01.500Z\",\"address\":{\"city\":\"Köln, \\\"links\\\"\"},\"tags\":[1,null],\"raw\":{\"a\": 1}}\n\
         {\"id\":null,\"amount\":-0.05,\"rate\":1e21,\"at\":null,\"address\":{\"city\":\"\"},\"tags\":null,\"raw\":[]}\n\
         {\"id\":3,\"amount\":null,\"rate\":3.0,\"at\":\"1970-01-01T00:00:00Z\",\"address\":null,\"tags\":[],\"raw\":null}\n"
    );
}

#[test]
fn two_columns_of_csv_with_one_name_are_refused_and_json_text_is_the_way_out() {
    let inner = ColumnType::Struct(vec![column("b", ColumnType::Text)]);
    let schema = TableSchema { columns: vec![column("a.b", ColumnType::Text), column("a", inner)] };
    assert!(matches!(Csv::new(&schema, Nested::Flatten), Err(ExportError::SameName(name)) if name == "a.b"));
    assert!(Csv::new(&schema, Nested::Json).is_ok());
}

#[test]
fn a_null_that_is_alone_in_its_row_is_no_empty_line() {
    let schema = TableSchema { columns: vec![column("a", ColumnType::Text)] };
    let batch = RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec![None, Some("x")])) as ArrayRef)]).unwrap();
    let mut out = Vec::new();
    Csv::new(&schema, Nested::Flatten).unwrap().write([Ok(batch)].into_iter(), &mut out).unwrap();
    assert_eq!(out, b"a\n\"\"\nx\n");
}

#[test]
fn runs_in_order_become_one_in_order_and_equal_rows_keep_theirs() {
    let run = |rows: &[(Option<i64>, &str)], piece: usize| {
        let ids: Int64Array = rows.iter().map(|(id, _)| *id).collect();
        let names: StringArray = rows.iter().map(|(_, name)| Some(*name)).collect();
        let all = RecordBatch::try_from_iter([("id", Arc::new(ids) as ArrayRef), ("name", Arc::new(names) as ArrayRef)]).unwrap();
        let starts = (0..all.num_rows()).step_by(piece);
        let pieces: Vec<_> = starts.map(|start| Ok(all.slice(start, piece.min(all.num_rows() - start)))).collect();
        pieces.into_iter()
    };
    let runs = vec![
        run(&[(Some(9), "a"), (Some(5), "b"), (Some(5), "c"), (None, "d")], 1),
        run(&[(Some(7), "e"), (Some(5), "f"), (Some(1), "g"), (None, "h")], 3),
        run(&[], 1),
    ];
    let sort = [SortField { column: "id".to_owned(), descending: true }];
    let merged = Merged::new(runs, &sort, 3).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let names: String = merged.iter().flat_map(|batch| batch.column(1).as_string::<i32>().iter().flatten()).collect();
    assert_eq!(names, "aebcfgdh");
}
