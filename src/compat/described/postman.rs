//! A request of a Postman collection (2.0 and 2.1).
//!
//! `{{name}}` stands for a variable of the collection; one that it does not give becomes a variable of the environment, where it may: not in the URL's host or
//! path, which `--param` then gives.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compat::asked::{Asked, Body, Credentials, Given};
use crate::compat::described::{
    Described, DescribedFault, Wishes, add_header, choose, list_of, parse, spelled, text_of, with_params,
};

/// Deepest nesting of folders.
const DEPTH_MAX: usize = 32;

/// Times that a variable may stand for another one.
const VARIABLES_DEEP: usize = 10;

/// A request, with the credentials of the folders that it is in.
struct Entry<'d> {
    name: String,
    request: &'d Value,
    auth: Option<&'d Value>,
}

/// The requests below `items`.
fn entries<'d>(items: &'d [Value], (folder, auth, depth): (&str, Option<&'d Value>, usize), into: &mut Vec<Entry<'d>>) {
    for item in items.iter().filter(|_| depth < DEPTH_MAX) {
        let name =
            if folder.is_empty() { text_of(item, "name").to_owned() } else { format!("{folder}/{}", text_of(item, "name")) };
        let auth = own_auth(item).or(auth);
        entries(list_of(item, "item"), (&name, auth, depth + 1), into);
        if let Some(request) = item.get("request") {
            let is_data = request.is_string() || matches!(text_of(request, "method"), "" | "GET" | "POST");
            into.extend(is_data.then(|| Entry { name, request, auth: own_auth(request).or(auth) }));
        }
    }
}

fn own_auth(value: &Value) -> Option<&Value> {
    value.get("auth").filter(|auth| auth.is_object())
}

/// What `{{name}}` stands for.
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..VARIABLES_DEEP {
            let before = text.clone();
            for (name, value) in &self.0 {
                text = text.replace(&format!("{{{{{name}}}}}"), value);
            }
            if text == before {
                break;
            }
        }
        text
    }

    /// A value, or the variable of the environment that stands for it; a secret where its name says so.
    fn given(&self, name: &str, text: &str) -> Given {
        let filled = self.filled(text);
        match filled.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
            Some(open) if !open.contains(['{', '}']) => Given::Variable(variable(open)),
            _ => Given::named(name, &filled),
        }
    }
}

/// A name as the environment has it.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The request of a collection.
///
/// # Errors
/// [`DescribedFault`].
pub(crate) fn from_postman(text: &str, wishes: &Wishes) -> Result<Described, DescribedFault> {
    let what = "Postman collection";
    let document = parse(text, what, false)?;
    // Exports of its API have it one level down.
    let collection = document.get("collection").unwrap_or(&document);
    let no_such = |why: &str| DescribedFault::NoSuch { what, why: why.to_owned() };
    if collection.get("requests").is_some() {
        return Err(no_such("it is of version 1; export it as version 2.1"));
    }
    let items = collection.get("item").and_then(Value::as_array).ok_or_else(|| no_such("it has no `item`"))?;
    let mut all = Vec::new();
    entries(items, ("", own_auth(collection), 0), &mut all);
    let names: Vec<String> = all.iter().map(|entry| entry.name.clone()).collect();
    let which = wishes.which.as_deref();
    let is_meant =
        |entry: &&Entry<'_>| which.is_none_or(|which| entry.name == which || entry.name.rsplit('/').next() == Some(which));
    let mut meant = all.iter().filter(is_meant);
    let entry = match (meant.next(), which.is_some() || all.len() == 1) {
        (Some(entry), true) => entry,
        _ => return Err(choose(which, &names, "by its name")),
    };
    let own = list_of(collection, "variable").iter();
    let mut variables: BTreeMap<String, String> = own
        .filter_map(|variable| {
            let name = [text_of(variable, "key"), text_of(variable, "id")].into_iter().find(|name| !name.is_empty())?;
            Some((name.to_owned(), variable.get("value").and_then(spelled).filter(|value| !value.is_empty())?))
        })
        .collect();
    variables.extend(wishes.params.iter().cloned());
    described(entry, &Variables(variables), wishes)
}

fn described(entry: &Entry<'_>, variables: &Variables, wishes: &Wishes) -> Result<Described, DescribedFault> {
    let request = entry.request;
    let url = request.get("url").unwrap_or(request);
    let raw = url.as_str().unwrap_or_else(|| text_of(url, "raw"));
    let mut place = variables.filled(raw.split(['?', '#']).next().unwrap_or_default());
    for path in list_of(url, "variable") {
        let name = text_of(path, "key");
        let given = wishes.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if let Some(value) = given.or_else(|| path.get("value").and_then(spelled)) {
            place = place.replace(&format!(":{name}"), &variables.filled(&value));
        }
    }
    if let Some(open) = place.split("{{").nth(1).and_then(|rest| rest.split("}}").next()) {
        let text = format!("`{}` needs `{open}`, which the collection does not give: write `--param {open}=…`", entry.name);
        return Err(DescribedFault::Missing(text));
    }
    if !place.starts_with("http://") && !place.starts_with("https://") {
        place = format!("https://{place}");
    }
    let mut asked = Asked::of_url(&place)?;
    asked.is_post = text_of(request, "method") == "POST";
    let query: Vec<(String, String)> = match url.get("query").and_then(Value::as_array) {
        Some(pairs) => pairs
            .iter()
            .filter(|pair| is_on(pair))
            .map(|pair| (text_of(pair, "key").to_owned(), text_of(pair, "value").to_owned()))
            .collect(),
        None => {
            let written = raw.split_once('?').map_or("", |(_, query)| query.split('#').next().unwrap_or_default());
            url::form_urlencoded::parse(written.as_bytes()).into_owned().collect()
        }
    };
    let off = url.get("query").and_then(Value::as_array).into_iter().flatten().filter(|pair| !is_on(pair));
    let parameters = off.map(|pair| text_of(pair, "key").to_owned()).chain(query.iter().map(|(name, _)| name.clone())).collect();
    asked.params = query.iter().map(|(name, value)| (name.clone(), variables.given(name, value))).collect();
    let mut notes = Vec::new();
    for header in list_of(request, "header").iter().filter(|header| is_on(header)) {
        let (name, value) = (text_of(header, "key"), text_of(header, "value"));
        match variables.given(name, value) {
            Given::Variable(variable) => asked.headers.push((name.to_owned(), Given::Variable(variable))),
            _ => add_header(&mut asked, name, &variables.filled(value))?,
        }
    }
    if asked.is_post {
        asked.body = body(request.get("body").unwrap_or(&Value::Null), variables);
    }
    match entry.auth.map(|auth| credentials(auth, variables)) {
        Some(Ok(auth)) => asked.auth = auth.or(asked.auth.take()),
        Some(Err(kind)) => notes.push(format!("credentials of the kind `{kind}` were not carried over: give them with `--auth`")),
        None => {}
    }
    let mut described = Described { asked, parameters, notes };
    let is_of_query = |name: &String| described.parameters.contains(name);
    let rest =
        Wishes { params: wishes.params.iter().filter(|(name, _)| is_of_query(name)).cloned().collect(), ..Wishes::default() };
    with_params(&mut described, &rest);
    Ok(described)
}

fn is_on(value: &Value) -> bool {
    !value.get("disabled").and_then(Value::as_bool).unwrap_or(false)
}

/// The credentials of a request; the kind where it is none that is known.
fn credentials(auth: &Value, variables: &Variables) -> Result<Option<Credentials>, String> {
    let kind = text_of(auth, "type");
    // A list of keys and values in 2.1, an object in 2.0.
    let of = |name: &str| -> Option<String> {
        let values = auth.get(kind)?;
        let listed = || values.as_array()?.iter().find(|pair| text_of(pair, "key") == name)?.get("value").and_then(spelled);
        values.get(name).and_then(spelled).or_else(listed)
    };
    let given = |name: &str| {
        let text = of(name).unwrap_or_default();
        match variables.given("token", &text) {
            Given::Secret(empty) if empty.is_empty() => Given::Variable(variable(name)),
            other => other,
        }
    };
    match kind {
        "noauth" | "" => Ok(None),
        "bearer" => Ok(Some(Credentials::Bearer(given("token")))),
        "oauth2" => Ok(Some(Credentials::Bearer(given("accessToken")))),
        "basic" => {
            let user = variables.given("user", &of("username").unwrap_or_default());
            Ok(Some(Credentials::Basic(user, given("password"))))
        }
        "apikey" => {
            let name = of("key").unwrap_or_else(|| "Authorization".to_owned());
            let is_query = of("in").as_deref() == Some("query");
            Ok(Some(if is_query { Credentials::Query(name, given("value")) } else { Credentials::Header(name, given("value")) }))
        }
        other => Err(other.to_owned()),
    }
}

fn body(body: &Value, variables: &Variables) -> Option<Body> {
    match text_of(body, "mode") {
        "raw" => {
            let text = variables.filled(text_of(body, "raw"));
            match serde_json::from_str(&text) {
                Ok(Value::Object(members)) => Some(Body::Json(members)),
                _ => (!text.is_empty()).then_some(Body::Text(text)),
            }
        }
        "urlencoded" => {
            let pairs = list_of(body, "urlencoded").iter().filter(|pair| is_on(pair));
            Some(Body::Form(
                pairs
                    .map(|pair| (text_of(pair, "key").to_owned(), variables.given(text_of(pair, "key"), text_of(pair, "value"))))
                    .collect(),
            ))
        }
        "graphql" => {
            let graphql = body.get("graphql")?;
            let inner = serde_json::from_str(text_of(graphql, "variables")).unwrap_or(Value::Object(serde_json::Map::new()));
            let members = [("query".to_owned(), Value::from(text_of(graphql, "query"))), ("variables".to_owned(), inner)];
            Some(Body::Json(members.into_iter().collect()))
        }
        _ => None,
    }
}
