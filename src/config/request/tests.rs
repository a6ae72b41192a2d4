use super::*;

mod fuzz;

/// A template of `{0}`, `{1}` … in `text`, bound to `values`; an optional format stands behind the number.
fn template(text: &str) -> Template {
    let mut parts = Vec::new();
    for (i, piece) in text.split('{').enumerate() {
        let (inside, rest) = if i == 0 { ("", piece) } else { piece.split_once('}').unwrap() };
        if i > 0 {
            let format = (inside.len() > 1).then(|| Format::parse(&inside[1..]).unwrap());
            let field = inside[..1].parse().unwrap();
            parts.push(Part::Value(Placeholder { of: Binding::Parent { parent: 0, field }, name: format!("p{field}"), format }));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
    }
    Template { parts }
}

fn with<'v>(values: &'v [Option<&'v str>]) -> impl Fn(&Binding) -> Option<&'v str> + 'v {
    move |binding| match binding {
        Binding::Parent { field, .. } => values[*field],
        Binding::Incremental(_) => None,
    }
}

fn text(template_text: &str, value: &str) -> String {
    let values = [Some(value)];
    template(template_text).text(&with(&values)).unwrap_or_else(|error| format!("error: {error}"))
}

fn url(template_text: &str, value: Option<&str>) -> String {
    let values = [value];
    template(template_text).url(&with(&values)).unwrap_or_else(|error| format!("error: {error}"))
}

#[test]
fn values_become_text_as_dlt_writes_them() {
    assert_eq!(text("a{0}b", r#""x\u00e9\n""#), "axé\nb");
    assert_eq!(text("{0}", "true"), "True");
    assert_eq!(text("{0}", "1.50"), "1.50");
    assert_eq!(text("{0}", r#"{"a":1}"#), r#"{"a":1}"#);
    assert_eq!(text("{0}", "null"), "error: `{p0}` has no value");
}

#[test]
fn formats_are_pythons() {
    for (format, value, expected) in [
        ("{0:>5}", r#""ab""#, "   ab"),
        ("{0:*^6}", r#""ab""#, "**ab**"),
        ("{0:5}|", r#""ab""#, "ab   |"),
        ("{0:5}|", "42", "   42|"),
        ("{0:05d}", "42", "00042"),
        ("{0:05d}", "-42", "-0042"),
        ("{0:.3}", r#""abcdef""#, "abc"),
        ("{0!r}", r#""it's""#, r#""it's""#),
        ("{0!r}", r#""ab""#, "'ab'"),
        ("{0!s:>3}", "1", "  1"),
        ("{0:d}", r#""a""#, "error: `{p0}`"),
    ] {
        assert_eq!(text(format, value), expected, "{format} {value}");
    }
    assert!(Format::parse(":.2f").is_err());
    assert!(Format::parse("!a").is_err());
    assert!(Format::parse(":99999").is_err());
    assert!(Format::parse(":99999999999999999999999").is_err());
}

#[test]
fn a_value_in_a_url_cannot_change_where_it_leads() {
    assert_eq!(url("http://a.test/x/{0}/y", Some(r#""a b?c#d""#)), "http://a.test/x/a%20b%3Fc%23d/y");
    assert_eq!(url("http://a.test/repos/{0}", Some(r#""owner/name""#)), "http://a.test/repos/owner/name");
    assert_eq!(url("http://a.test/x/{0}", Some(r#""100%""#)), "http://a.test/x/100%25");
    assert_eq!(url("http://a.test/x/{0}", Some(r#""a%20b""#)), "http://a.test/x/a%2520b");
    assert_eq!(url("http://a.test/x?q={0}", Some(r#""a%41&%""#)), "http://a.test/x?q=a%2541%26%25");
    assert_eq!(url("http://a.test/x/{0}", Some(r#""..%2fadmin""#)), "http://a.test/x/..%252fadmin");
    assert_eq!(url("http://a.test/x/{0}/y", Some(r#""%2e%2E/admin""#)), "http://a.test/x/%252e%252E/admin/y");
    assert_eq!(url("http://a.test/x?q={0}&z=1", Some(r#""a&b+c""#)), "http://a.test/x?q=a%26b%2Bc&z=1");
    assert_eq!(
        url("http://a.test/x/{0}", Some(r#""../admin""#)),
        "error: `{p0}` makes a `.` or `..` of a part of the path, which would lead to another endpoint"
    );
    for (open, value) in [
        ("{0}", "../admin"),
        ("{0}", "a/.."),
        (".{0}", "."),
        ("%2e{0}", "."),
        ("{0}{0}", "."),
        ("{0}.", "."),
        ("{0}", r"a\\..\\b"),
    ] {
        let found = url(&format!("http://a.test/x/{open}/y"), Some(&format!("\"{value}\"")));
        assert_eq!(
            found, "error: `{p0}` makes a `.` or `..` of a part of the path, which would lead to another endpoint",
            "{open} with {value}"
        );
    }
    assert_eq!(url("http://a.test/x/{0}.json", Some(r#"".""#)), "http://a.test/x/..json");
    assert_eq!(url("http://a.test/x/{0}", Some(r#""""#)), "error: `{p0}` has no value");
    assert_eq!(url("http://a.test/x/{0}", None), "error: `{p0}` has no value");
    assert!(url("http://a.test/x/{0}", Some("[1]")).contains("is an array"));
}

#[test]
fn a_placeholder_alone_in_json_keeps_its_type() {
    let json = |text: &str, value: &str| {
        let values = [Some(value)];
        let json = JsonTemplate::Text(template(text)).bind(&with(&values));
        json.map_or_else(|error| format!("error: {error}"), |json| json.to_string())
    };
    assert_eq!(json("{0}", "5"), "5");
    assert_eq!(json("{0}", r#""5""#), r#""5""#);
    assert_eq!(json("{0}", "true"), "true");
    assert_eq!(json("{0}", "[1,2]"), "[1,2]");
    assert_eq!(json("{0}", "null"), "null");
    assert_eq!(json("n{0}", "null"), "error: `{p0}` has no value");
    assert_eq!(json("n{0}", "5"), r#""n5""#);
    assert_eq!(json("{0:d}", "5"), r#""5""#);
    assert!(json("{0}", "123456789012345678901234567890").starts_with("error: `{p0}` is a number"));
}

#[test]
fn a_parameter_of_incremental_loading_without_a_value_is_left_out() {
    let of = Binding::Incremental(IncrementalValue::Start);
    let open = Template { parts: vec![Part::Value(Placeholder { of, name: "incremental.start_value".into(), format: None })] };
    let request = RequestTemplate {
        url: Template::fixed("http://a.test/"),
        params: vec![(Template::fixed("since"), open), (Template::fixed("n"), Template::fixed("1"))],
        ..RequestTemplate::default()
    };
    assert_eq!(request.bind(&|_| None).unwrap().params, [("n".to_owned(), "1".to_owned())]);
}
