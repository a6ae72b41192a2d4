use super::*;
use crate::compat::asked::{Body, Credentials};

fn wishes(which: &str) -> Wishes {
    Wishes { which: (!which.is_empty()).then(|| which.to_owned()), ..Wishes::default() }
}

const OPENAPI: &str = r##"
openapi: 3.0.3
info: {title: Acme API, version: "1"}
servers: [{url: "https://{region}.acme.test/v1", variables: {region: {default: eu}}}]
security: [{key: []}]
components:
  securitySchemes: {key: {type: apiKey, in: header, name: X-Key}}
  parameters:
    limit: {name: limit, in: query, required: true, schema: {$ref: "#/components/schemas/Limit"}}
    loop: {$ref: "#/components/parameters/pool"}
    pool: {$ref: "#/components/parameters/loop"}
  schemas:
    Limit: {type: integer, default: 50}
    Tree: {properties: {children: {items: {$ref: "#/components/schemas/Tree"}}}}
paths:
  /orders:
    parameters: [{$ref: "#/components/parameters/limit"}, {$ref: "#/components/parameters/loop"}]
    get:
      operationId: listOrders
      parameters: [{name: updated_since, in: query, schema: {type: string}}, {name: X-Version, in: header, required: true, example: 3}]
  /shops/{shop}/orders:
    get: {operationId: ofShop, parameters: [{name: shop, in: path, required: true}]}
    post: {operationId: search, security: [], parameters: [{name: shop, in: path, required: true, example: a b}],
      requestBody: {content: {application/json: {example: {status: open}}}}}
"##;

#[test]
fn an_operation_is_the_request_that_it_describes() {
    let found = from_openapi(OPENAPI, &wishes("listOrders")).unwrap();
    assert_eq!(found.asked.url.as_str(), "https://eu.acme.test/v1/orders");
    assert_eq!(found.asked.params, [("limit".to_owned(), Given::Plain("50".to_owned()))]);
    assert_eq!(found.asked.headers, [("X-Version".to_owned(), Given::Plain("3".to_owned()))]);
    assert_eq!(found.asked.auth, Some(Credentials::Header("X-Key".to_owned(), Given::Variable("ACME_API_API_KEY".to_owned()))));
    assert_eq!(found.parameters, ["updated_since", "limit"]);
    assert_eq!(from_openapi(OPENAPI, &wishes("GET /orders")).unwrap(), found);
    assert_eq!(from_openapi(OPENAPI, &wishes("")).unwrap(), found, "it is the only list");

    let search = from_openapi(OPENAPI, &wishes("search")).unwrap().asked;
    assert_eq!((search.url.as_str(), search.is_post, &search.auth), ("https://eu.acme.test/v1/shops/a%20b/orders", true, &None));
    assert!(matches!(&search.body, Some(Body::Json(members)) if members["status"] == "open"));
    let missing = from_openapi(OPENAPI, &wishes("ofShop")).unwrap_err().to_string();
    assert_eq!(missing, "`ofShop` needs values that the document does not give: write `--param shop=…`");
    let given = Wishes {
        which: Some("ofShop".to_owned()),
        params: vec![("shop".to_owned(), "7".to_owned())],
        base_url: Some("http://127.0.0.1:8".to_owned()),
    };
    let of_shop = from_openapi(OPENAPI, &given).unwrap().asked;
    assert_eq!((of_shop.url.as_str(), of_shop.params.len()), ("http://127.0.0.1:8/shops/7/orders", 0));
}

#[test]
fn a_swagger_document_and_json_are_read_alike() {
    let text = r#"{"swagger": "2.0", "info": {"title": "x"}, "host": "a.test", "basePath": "/v2", "schemes": ["https"],
        "securityDefinitions": {"b": {"type": "basic"}}, "security": [{"b": []}],
        "paths": {"/pets": {"get": {"parameters": [{"name": "status", "in": "query", "required": true, "type": "array", "enum": ["new"]}]}}}}"#;
    let found = from_openapi(text, &wishes("")).unwrap().asked;
    assert_eq!((found.url.as_str(), found.params.len()), ("https://a.test/v2/pets", 1));
    assert!(matches!(found.auth, Some(Credentials::Basic(..))));
}

#[test]
fn what_is_wrong_with_a_document_is_said() {
    let fault = |text: &str, which: &str| from_openapi(text, &wishes(which)).unwrap_err().to_string();
    assert!(fault(OPENAPI, "listOrder").contains("(did you mean `listOrders`?)"));
    assert!(fault("{", "").starts_with("it is no OpenAPI document: EOF"));
    assert!(fault("a: [", "").starts_with("it is no OpenAPI document: line"));
    assert!(fault("", "").contains("it is empty"));
    assert!(
        fault("openapi: 3.0.0\npaths: {/a: {get: {}}, /b: {get: {}}}", "")
            .contains("it has several requests: name one behind `#`")
    );
    assert!(fault("openapi: 3.0.0\npaths: {/a: {get: {}}}", "").contains("write `--base-url https://…`"));
    assert!(fault("openapi: 3.0.0\npaths: {}", "").contains("it has no request of records"));
    let deep = format!("openapi: 3.0.0\nx: {}{}", "[".repeat(300), "]".repeat(300));
    assert!(fault(&deep, "").starts_with("it is no OpenAPI document: line"), "{}", fault(&deep, ""));
    let mut bomb = "openapi: 3.0.0\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let alias = format!("*a{}", n - 1);
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![alias; 10].join(", ")));
    }
    assert!(fault(&bomb, "").contains("values"), "{}", fault(&bomb, ""));
}

#[test]
fn a_document_of_20_megabytes_is_read() {
    let mut text = OPENAPI.to_owned();
    for n in 0..190_000 {
        text.push_str(&format!(
            "  /things/{n}/{{id}}: {{get: {{summary: \"a description of some length, that nobody reads, number {n}\"}}}}\n"
        ));
    }
    assert!(text.len() > 19_000_000);
    let found = from_openapi(&text, &wishes("listOrders")).unwrap();
    assert_eq!(found.asked.url.as_str(), "https://eu.acme.test/v1/orders");
}

fn har(entries: &str) -> String {
    format!(r#"{{"log": {{"entries": [{entries}]}}}}"#)
}

#[test]
fn a_request_of_a_har_leaves_out_what_is_the_browsers() {
    let image = r#"{"request": {"method": "GET", "url": "https://a.test/x.png"}, "response": {"status": 200, "content": {"mimeType": "image/png", "encoding": "base64", "text": "!!!"}}}"#;
    let list = r#"{"request": {"method": "GET", "url": "https://a.test/v1/orders?status=open&token=t", "headers": [{"name": "sec-ch-ua", "value": "x"}, {"name": "Cookie", "value": "s=1"},
        {"name": "X-Shop", "value": "7"}, {"name": "accept", "value": "*/*"}]}, "response": {"status": 200, "content": {"mimeType": "application/json; charset=utf-8", "text": "bm8="}}}"#;
    let post = r#"{"request": {"method": "POST", "url": "https://a.test/search", "postData": {"mimeType": "application/json", "text": "{\"q\": 1}"}}, "response": {"status": 201, "content": {"mimeType": "application/json"}}}"#;
    let found = from_har(&har(&format!("{image}, {list}, {{}}, 7")), &wishes("")).unwrap();
    assert_eq!(
        found.asked.params,
        [("status".to_owned(), Given::Plain("open".to_owned())), ("token".to_owned(), Given::Secret("t".to_owned()))]
    );
    let headers: Vec<&str> = found.asked.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((headers, found.notes.len()), (vec!["Cookie", "X-Shop"], 1));
    let both = har(&format!("{list}, {image}, {post}"));
    let several = from_har(&both, &wishes("")).unwrap_err().to_string();
    assert!(
        several.contains("`1: GET https://a.test/v1/orders`, `3: POST https://a.test/search`") && !several.contains("token"),
        "{several}"
    );
    assert!(matches!(from_har(&both, &wishes("search")).unwrap().asked.body, Some(Body::Json(_))));
    assert_eq!(from_har(&both, &wishes("1")).unwrap().asked.url.path(), "/v1/orders");
    assert!(from_har(&both, &wishes("9")).unwrap_err().to_string().contains("it has no request `9`"));
    assert!(from_har("[]", &wishes("")).is_err() && from_har(&har(image), &wishes("")).is_err());
}

#[test]
fn a_request_of_a_collection_has_its_variables_and_the_credentials_of_its_folder() {
    let text = r#"{"info": {}, "variable": [{"key": "base", "value": "{{host}}/v1"}, {"key": "host", "value": "https://a.test"}],
        "item": [{"name": "Shop", "auth": {"type": "apikey", "apikey": {"key": "k", "value": "{{shop_key}}", "in": "query"}}, "item": [
            {"name": "List", "request": {"method": "GET", "url": {"raw": "{{base}}/o/:id?a=1", "query": [{"key": "a", "value": "{{tenant}}"}, {"key": "since", "disabled": true}], "variable": [{"key": "id", "value": "5"}]},
                "header": [{"key": "X-T", "value": "{{t}}"}, {"key": "off", "value": "1", "disabled": true}]}},
            {"name": "Search", "request": {"method": "POST", "auth": {"type": "hawk"}, "url": "{{base}}/s", "body": {"mode": "graphql", "graphql": {"query": "{a}", "variables": "{\"n\": 1}"}}}},
            {"name": "Open", "request": "{{nowhere}}/x"}]}]}"#;
    let found = from_postman(text, &wishes("List")).unwrap();
    assert_eq!(found.asked.url.as_str(), "https://a.test/v1/o/5");
    assert_eq!(found.asked.params, [("a".to_owned(), Given::Variable("TENANT".to_owned()))]);
    assert_eq!(found.asked.auth, Some(Credentials::Query("k".to_owned(), Given::Variable("SHOP_KEY".to_owned()))));
    assert_eq!(found.asked.headers, [("X-T".to_owned(), Given::Variable("T".to_owned()))]);
    assert_eq!(found.parameters, ["since", "a"]);
    let search = from_postman(text, &wishes("Shop/Search")).unwrap();
    assert!(matches!(&search.asked.body, Some(Body::Json(members)) if members["variables"]["n"] == 1));
    assert_eq!(search.notes.len(), 1, "{:?}", search.notes);
    assert!(from_postman(text, &wishes("Open")).unwrap_err().to_string().contains("write `--param nowhere=…`"));
    assert!(from_postman(text, &wishes("")).unwrap_err().to_string().contains("`Shop/List`, `Shop/Search`, `Shop/Open`"));
    assert!(from_postman(r#"{"requests": []}"#, &wishes("")).unwrap_err().to_string().contains("version 1"));
}
