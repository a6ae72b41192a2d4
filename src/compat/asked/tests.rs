use super::*;

fn curl(command: &str) -> Result<(Asked, Option<String>), AskedFault> {
    let variable = |name: &str| (name == "TOKEN").then(|| "t0k3n-of-the-shell".to_owned());
    let read = |path: &str| match path {
        "body.json" => Ok("{\"query\": \"all\"}\n".to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    from_curl(command, &variable, &read)
}

/// The config that a command becomes.
#[track_caller]
fn check(command: &str, expected: &str) {
    let (asked, _) = curl(command).unwrap();
    let made = export_config(&asked, &Export::default()).unwrap();
    let endpoint = made.text.split("lake:").next().unwrap().split_once("client:\n").unwrap().1;
    assert_eq!(endpoint.trim_end(), expected.trim_end());
}

#[track_caller]
fn refused(command: &str, words: &str) {
    let said = curl(command).unwrap_err().to_string();
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_command_of_a_browser_becomes_its_request_without_what_is_the_connections_own() {
    check(
        "curl 'https://api.test/v1/orders?status=paid&page=1' \\\n  -H 'accept: application/json' \\\n  -H 'accept-encoding: gzip, br' \\\n  \
         -H 'authorization: Bearer abc.def' -H $'x-note: it\\'s' -b 'session=c00kie' --compressed -sSL -o out.json",
        "  base_url: https://api.test
  headers:
    accept: application/json
    x-note: it's
    Cookie: ${ORDERS_COOKIE}
  auth:
    type: bearer
    token: ${ORDERS_TOKEN}
resources:
  - name: orders
    endpoint:
      path: /v1/orders
      params:
        status: paid
        page: \"1\"
    write_disposition: replace"
            .replace("x-note: it's", "x-note: \"it's\"")
            .as_str(),
    );
}

#[test]
fn data_is_json_a_form_or_text_as_its_type_says() {
    check(
        "curl -XPOST https://api.test/search -H 'Content-Type: application/json' -d '{\"q\": \"a{b}\", \"deep\": {\"token\": \"s3cr3t\"}, \"n\": 7}'",
        "  base_url: https://api.test
resources:
  - name: search
    endpoint:
      path: /search
      method: POST
      json:
        q: a{{b}}
        deep:
          token: ${SEARCH_TOKEN}
        \"n\": 7
    write_disposition: replace",
    );
    check(
        "curl https://api.test/search --data-urlencode 'q=a b&c' -d limit=5",
        "  base_url: https://api.test
resources:
  - name: search
    endpoint:
      path: /search
      method: POST
      data:
        - - q
          - \"a b&c\"
        - - limit
          - \"5\"
    write_disposition: replace"
            .replace("\"a b&c\"", "a b&c")
            .as_str(),
    );
    let (asked, _) = curl("curl https://api.test/s -H 'Content-Type: text/plain' --data-binary 'a=b'").unwrap();
    assert_eq!(asked.body, Some(Body::Text("a=b".to_owned())));
    let (asked, _) = curl("curl --json @body.json https://api.test/s").unwrap();
    assert!(matches!(asked.body, Some(Body::Json(members)) if members["query"] == "all"));
    let (asked, _) = curl("curl -G https://api.test/s?a=1 -d b=2 --data-urlencode 'c=x y'").unwrap();
    let names: Vec<&str> = asked.params.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((asked.is_post, asked.body, names), (false, None, vec!["a", "b", "c"]));
}

#[test]
fn words_are_those_of_a_shell() {
    let (asked, left_out) = curl(r#"curl "https://api.test/a b"?x=1&y="2 3" -u 'me:p:w' | jq . > out"#).unwrap();
    assert_eq!(asked.url.as_str(), "https://api.test/a%20b");
    assert_eq!(asked.params[1], ("y".to_owned(), Given::Plain("2 3".to_owned())));
    assert_eq!(asked.auth, Some(Credentials::Basic(Given::Plain("me".to_owned()), Given::Secret("p:w".to_owned()))));
    assert!(left_out.is_some());
    let (asked, left_out) = curl("curl https://api.test/s -H \"X-Api-Key: $TOKEN\" --url-query 'token=${TOKEN}'").unwrap();
    assert_eq!(asked.headers[0].1, Given::Secret("t0k3n-of-the-shell".to_owned()));
    assert_eq!((asked.params[0].1.clone(), left_out), (Given::Secret("${TOKEN}".to_owned()), None));
    refused("curl https://api.test/s -H \"Authorization: Bearer $MISSING\"", "`$MISSING` from the environment");
    refused("curl 'https://api.test/s", "`'` that is not closed");
    refused("curl \"https://api.test/s\" -H \"a: $(cat key)\"", "is not run");
    refused("curl ^\"https://api.test/s^\"", "cURL (bash)");
}

#[test]
fn every_option_that_cannot_be_carried_over_is_named() {
    refused(
        "curl -k --cert me.pem -F file=@x --frobnicate -Z https://api.test/s",
        "`-k` (write `client.tls` into the config that `--save` makes), `--cert` (write `client.tls` into the config that `--save` makes), \
         `-F` (only JSON, a form or text can be sent), `--frobnicate`, which is not known here, `-Z`, which is not known here",
    );
    refused("curl -X DELETE https://api.test/s", "method is DELETE");
    refused("curl -u me https://api.test/s", "no password");
    refused("curl https://api.test/a https://api.test/b", "two URLs");
    refused("curl -s", "no URL");
    refused("curl https://api.test/a -H", "`-H` has no value");
    refused("wget https://api.test/a", "does not begin with `curl`");
    refused("curl -d @missing https://api.test/a", "`missing`");
}

#[test]
fn a_url_is_taken_apart_and_its_credentials_are_secrets() {
    let asked = Asked::of_url("https://me:pass%20word@api.test/v1/orders?api_key=k3y&sort_key=id&page_token=a#part").unwrap();
    assert_eq!(asked.url.as_str(), "https://api.test/v1/orders");
    assert_eq!(asked.secrets().collect::<Vec<_>>(), ["pass word", "k3y"]);
    let fault = |text: &str| Asked::of_url(text).unwrap_err().to_string();
    assert_eq!(fault("api.test/v1?key=abc"), "`api.test/v1` has no scheme; write `https://api.test/v1`");
    assert_eq!(fault("localhost:8080/v1"), "`localhost:8080/v1` has no scheme; write `http://localhost:8080/v1`");
    assert!(fault("ftp://me:pw@api.test/v1").starts_with("`ftp://api.test/v1` is no URL"));
    assert!(fault("https://").contains("is no URL"));
}

#[test]
fn credentials_are_told_apart_and_a_fault_says_nothing_of_them() {
    let parse = |text: &str| Credentials::parse(text);
    assert_eq!(parse("bearer:env:TOKEN"), Ok(Credentials::Bearer(Given::Variable("TOKEN".to_owned()))));
    assert_eq!(
        parse("basic:env:USER:file:/run/pw"),
        Ok(Credentials::Basic(Given::Variable("USER".to_owned()), Given::File("/run/pw".to_owned())))
    );
    assert_eq!(parse("header:X-Key=a=b"), Ok(Credentials::Header("X-Key".to_owned(), Given::Secret("a=b".to_owned()))));
    for wrong in ["s3cr3t", "token:s3cr3t", "bearer:", "basic:s3cr3t", "query:s3cr3t", "bearer:s3cr3t\nX: y"] {
        let said = parse(wrong).unwrap_err().to_string();
        assert!(said.contains("`--auth`") && !said.contains("s3cr3t"), "{said}");
    }
}

#[test]
fn a_header_is_one_line() {
    let mut asked = Asked::of_url("https://api.test/x").unwrap();
    asked.add_header("X-A: 1").unwrap();
    asked.add_header("x-a: 2").unwrap();
    assert_eq!(asked.headers, [("x-a".to_owned(), Given::Plain("2".to_owned()))]);
    assert!(asked.add_header("X-B: 1\r\nX-C: 2").unwrap_err().to_string().contains("line break"));
    assert!(asked.add_header("X B: 1").unwrap_err().to_string().contains("name"));
    assert!(asked.add_header("X-B").unwrap_err().to_string().contains("no header"));
}

#[test]
fn the_config_of_an_export_says_all_that_is_wanted() {
    let mut asked = Asked::of_url("https://api.test/2024?id=1&id=2").unwrap();
    asked.auth = Some(Credentials::Header("X-Key".to_owned(), Given::Secret("k3y".to_owned())));
    let export = Export {
        records: Some("data.items".to_owned()),
        paginator: Some("{type: page_number, base_page: 1, total_path: \"meta['total pages']\"}".to_owned()),
        key: vec!["id".to_owned()],
        filter: Some("status == \"paid\"".to_owned()),
        select: vec!["id".to_owned(), "address.city".to_owned()],
        sort: vec![SortBy { column: "id".to_owned(), descending: true }],
    };
    let made = export_config(&asked, &export).unwrap();
    assert_eq!(
        made.secrets.iter().map(|(name, secret)| (name.as_str(), secret.expose())).collect::<Vec<_>>(),
        [("API_TEST_X_KEY", "k3y")]
    );
    assert_eq!(
        made.text,
        "name: api.test
client:
  base_url: https://api.test
  auth:
    type: api_key
    name: X-Key
    api_key: ${API_TEST_X_KEY}
    location: header
resources:
  - name: api.test
    endpoint:
      path: /2024
      params:
        id:
          - \"1\"
          - \"2\"
      data_selector: data.items
      paginator:
        type: page_number
        base_page: 1
        total_path: \"meta['total pages']\"
    processing_steps:
      - filter: \"status == \\\"paid\\\"\"
      - keep:
          - id
          - address.city
    primary_key:
      - id
    write_disposition: merge
    sort_by:
      - column: id
        order: desc
lake:
  url: ./lake
"
    );
    let wrong = Export { paginator: Some("{type}".to_owned()), ..Export::default() };
    assert!(export_config(&asked, &wrong).unwrap_err().contains("is no paginator"));
}
