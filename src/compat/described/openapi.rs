//! An operation of an OpenAPI document (3.0, 3.1) or of a Swagger 2 one.
//!
//! `$ref`s within the document are followed where they are needed, and no further than [`HOPS_MAX`], so that a circle ends. What is said of answers is not
//! used: what comes is what counts.

use serde_json::{Map, Value};

use crate::compat::asked::{Asked, Body, Credentials, Given};
use crate::compat::described::{
    Described, DescribedFault, Wishes, add_header, choose, joined, list_of, parse, spelled, text_of, with_params,
};

/// `$ref`s that are followed one after the other.
const HOPS_MAX: usize = 50;

/// An operation, where it stands.
struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    item: &'d Value,
    operation: &'d Value,
}

impl Operation<'_> {
    fn id(&self) -> &str {
        text_of(self.operation, "operationId")
    }

    fn name(&self) -> String {
        if self.id().is_empty() { format!("{} {}", self.method, self.path) } else { self.id().to_owned() }
    }

    fn is(&self, which: &str) -> bool {
        self.id() == which || self.path == which || format!("{} {}", self.method, self.path).eq_ignore_ascii_case(which)
    }
}

/// A document.
struct Spec<'d>(&'d Value);

impl<'d> Spec<'d> {
    /// The value, `$ref`s followed.
    fn resolve(&self, mut value: &'d Value) -> &'d Value {
        for _ in 0..HOPS_MAX {
            let Some(pointer) = value.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#')) else {
                return value;
            };
            let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
            let Some(target) = self.0.pointer(&pointer) else { return value };
            value = target;
        }
        &Value::Null
    }

    fn is_swagger(&self) -> bool {
        self.0.get("swagger").is_some()
    }

    fn operations(&self) -> Vec<Operation<'d>> {
        let mut found = Vec::new();
        let paths = self.0.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let item = self.resolve(item);
            for method in ["GET", "POST"] {
                if let Some(operation) = item.get(method.to_ascii_lowercase()) {
                    found.push(Operation { method, path, item, operation });
                }
            }
        }
        found
    }

    /// The operation that is meant.
    fn choose(&self, which: Option<&str>) -> Result<Operation<'d>, DescribedFault> {
        let mut all = self.operations();
        let how = "by its operationId or as `GET /path`";
        if let Some(which) = which {
            let names: Vec<String> = all.iter().map(Operation::name).collect();
            let at = all.iter().position(|operation| operation.is(which));
            return at.map(|at| all.swap_remove(at)).ok_or_else(|| choose(Some(which), &names, how));
        }
        // A list is read by GET, of a path without an id.
        all.retain(|operation| operation.method == "GET" && !operation.path.contains('{'));
        let names: Vec<String> = all.iter().map(Operation::name).collect();
        if all.len() == 1 { Ok(all.swap_remove(0)) } else { Err(choose(None, &names, how)) }
    }

    /// Where the API is.
    fn base(&self, operation: &Operation<'d>, wishes: &Wishes) -> Result<String, DescribedFault> {
        let missing = || DescribedFault::Missing("it does not say where the API is: write `--base-url https://…`".to_owned());
        let told = match self.is_swagger() {
            true => {
                let schemes: Vec<&str> = list_of(self.0, "schemes").iter().filter_map(Value::as_str).collect();
                let scheme = if schemes.contains(&"http") && !schemes.contains(&"https") { "http" } else { "https" };
                let (host, path) = (text_of(self.0, "host"), text_of(self.0, "basePath"));
                if host.is_empty() { path.to_owned() } else { format!("{scheme}://{host}{path}") }
            }
            false => {
                let places = [operation.operation, operation.item, self.0];
                let server = places.iter().find_map(|place| list_of(place, "servers").first());
                server.map(with_variables).unwrap_or_default()
            }
        };
        let is_whole = told.starts_with("http://") || told.starts_with("https://");
        match &wishes.base_url {
            Some(base) if is_whole || told.is_empty() => Ok(base.clone()),
            Some(base) => Ok(format!("{}/{}", base.trim_end_matches('/'), told.trim_start_matches('/'))),
            None if is_whole => Ok(told),
            None => Err(missing()),
        }
    }

    /// The parameters of an operation, its own winning over those of its path.
    fn parameters(&self, operation: &Operation<'d>) -> Vec<&'d Value> {
        let mut all: Vec<&Value> = Vec::new();
        for parameter in list_of(operation.operation, "parameters").iter().chain(list_of(operation.item, "parameters")) {
            let parameter = self.resolve(parameter);
            let is_same = |known: &&Value| {
                text_of(known, "name") == text_of(parameter, "name") && text_of(known, "in") == text_of(parameter, "in")
            };
            if !text_of(parameter, "name").is_empty() && !all.iter().any(is_same) {
                all.push(parameter);
            }
        }
        all
    }

    /// What stands for a parameter that has to be sent.
    fn value(&self, parameter: &'d Value) -> Option<String> {
        let schema = parameter.get("schema").map_or(parameter, |schema| self.resolve(schema));
        let places = [
            parameter.get("example"),
            schema.get("default"),
            schema.get("example"),
            parameter.get("default"),
            parameter.get("x-example"),
        ];
        let example = parameter.get("examples").and_then(Value::as_object).and_then(|examples| examples.values().next());
        let example = example.and_then(|example| self.resolve(example).get("value"));
        let one = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first());
        places.into_iter().flatten().chain(example).chain(one).find_map(spelled)
    }

    /// Who asks, with a variable in place of each credential.
    fn auth(&self, operation: &Operation<'d>, notes: &mut Vec<String>) -> Option<Credentials> {
        let of_operation = operation.operation.get("security").and_then(Value::as_array);
        let wanted = of_operation.or_else(|| self.0.get("security").and_then(Value::as_array))?;
        let name = wanted.iter().find_map(|one| one.as_object()?.keys().next())?;
        let schemes = match self.is_swagger() {
            true => self.0.get("securityDefinitions"),
            false => self.0.get("components").and_then(|components| components.get("securitySchemes")),
        };
        let scheme = self.resolve(schemes?.get(name)?);
        let variable = |word: &str| Given::Variable(format!("{}_{word}", self.prefix()));
        let of_key = |name: &str| (name.to_owned(), variable("API_KEY"));
        match (text_of(scheme, "type"), text_of(scheme, "scheme").to_ascii_lowercase().as_str(), text_of(scheme, "in")) {
            ("http", "basic", _) | ("basic", _, _) => Some(Credentials::Basic(variable("USER"), variable("PASSWORD"))),
            ("http", _, _) => Some(Credentials::Bearer(variable("TOKEN"))),
            ("apiKey", _, "query") => Some(of_key(text_of(scheme, "name"))).map(|(name, value)| Credentials::Query(name, value)),
            ("apiKey", _, "header") => {
                Some(of_key(text_of(scheme, "name"))).map(|(name, value)| Credentials::Header(name, value))
            }
            ("oauth2" | "openIdConnect", _, _) => {
                notes.push(format!("`{name}` is OAuth 2: a token is taken from the environment; `client.auth: {{type: oauth2_client_credentials}}` fetches one"));
                Some(Credentials::Bearer(variable("TOKEN")))
            }
            (kind, _, place) => {
                notes
                    .push(format!("the credentials `{name}` ({kind} in {place}) were not carried over: give them with `--auth`"));
                None
            }
        }
    }

    /// How the variables of the API begin.
    fn prefix(&self) -> String {
        let title = self.0.get("info").map_or("", |info| text_of(info, "title"));
        let word: String = title.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
        let word = word.trim_matches('_').to_owned();
        if word.starts_with(|c: char| c.is_ascii_uppercase()) { word } else { "API".to_owned() }
    }

    /// An example of the JSON object that is sent.
    fn body(&self, operation: &Operation<'d>) -> Option<Body> {
        let body = self.resolve(operation.operation.get("requestBody")?);
        let content = body.get("content")?.get("application/json")?;
        let schema = content.get("schema").map(|schema| self.resolve(schema));
        let of_examples = || self.resolve(content.get("examples")?.as_object()?.values().next()?).get("value");
        let example =
            content.get("example").or_else(of_examples).or_else(|| schema?.get("example")).or_else(|| schema?.get("default"));
        example?.as_object().cloned().map(Body::Json)
    }
}

/// A server's URL with the defaults of its variables.
fn with_variables(server: &Value) -> String {
    let mut url = text_of(server, "url").to_owned();
    for (name, variable) in server.get("variables").and_then(Value::as_object).into_iter().flatten() {
        url = url.replace(&format!("{{{name}}}"), text_of(variable, "default"));
    }
    url
}

/// A value as a part of a path.
fn encoded(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The request of an operation.
///
/// # Errors
/// [`DescribedFault`].
pub(crate) fn from_openapi(text: &str, wishes: &Wishes) -> Result<Described, DescribedFault> {
    let document = parse(text, "OpenAPI document", true)?;
    let spec = Spec(&document);
    if !spec.is_swagger() && document.get("openapi").is_none() {
        let why = "it has neither `openapi` nor `swagger` at its top".to_owned();
        return Err(DescribedFault::NoSuch { what: "OpenAPI document", why });
    }
    let operation = spec.choose(wishes.which.as_deref())?;
    let (mut path, mut missing, mut notes, mut parameters) = (operation.path.to_owned(), Vec::new(), Vec::new(), Vec::new());
    let (mut query, mut headers) = (Vec::new(), Vec::new());
    let given = |name: &str| wishes.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    for parameter in spec.parameters(&operation) {
        let (name, place) = (text_of(parameter, "name"), text_of(parameter, "in"));
        let is_required = place == "path" || parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
        let value = given(name).or_else(|| if is_required { spec.value(parameter) } else { None });
        if is_required && value.is_none() && matches!(place, "path" | "query" | "header") {
            missing.push(name.to_owned());
        }
        match (place, value) {
            ("path", Some(value)) => {
                path = path.replace(&format!("{{{name}}}"), &encoded(&value));
            }
            ("query", value) => {
                parameters.push(name.to_owned());
                query.extend(value.map(|value| (name.to_owned(), Given::named(name, &value))));
            }
            ("header", Some(value)) => headers.push((name.to_owned(), value)),
            _ => {}
        }
    }
    // What a path names has to be filled, described or not.
    let undescribed = path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).map(str::to_owned).collect::<Vec<_>>();
    for name in undescribed.into_iter().filter(|name| !missing.contains(name)).collect::<Vec<_>>() {
        match given(&name) {
            Some(value) => path = path.replace(&format!("{{{name}}}"), &encoded(&value)),
            None => missing.push(name),
        }
    }
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().map(|name| format!("`--param {name}=…`")).collect();
        let text = format!("`{}` needs values that the document does not give: write {}", operation.name(), names.join(" "));
        return Err(DescribedFault::Missing(text));
    }
    let url = joined(&spec.base(&operation, wishes)?, &path)?;
    let auth = spec.auth(&operation, &mut notes);
    let body = if operation.method == "POST" { spec.body(&operation).or_else(|| Some(Body::Json(Map::new()))) } else { None };
    let mut asked = Asked { url, is_post: operation.method == "POST", params: query, headers: Vec::new(), body, auth };
    for (name, value) in headers {
        add_header(&mut asked, &name, &value)?;
    }
    let mut described = Described { asked, parameters, notes };
    let of_path = |name: &String| operation.path.contains(&format!("{{{name}}}"));
    let rest = Wishes { params: wishes.params.iter().filter(|(name, _)| !of_path(name)).cloned().collect(), ..Wishes::default() };
    with_params(&mut described, &rest);
    Ok(described)
}
