//! The requests of one resource: what stays the same from page to page, and what a position changes.

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::sync::Arc;
use url::Url;

use crate::config::{
    AuthPlan, ClientPlan, ExpectTotal, KeyLocation, Method, PartialData, Request, RequestData, ResourcePlan, Slot,
};
use crate::source::SourceError;
use crate::source::answer::Rules;
use crate::source::auth::{Bearing, Credentials, Tokens, header_name, hidden, remove_parameters};
use crate::source::expected::Expected;
use crate::source::packing;
use crate::source::paginate::{Place as Where, Position};
use crate::source::preview::Redactor;
use crate::source::reach::Reach;

/// Client headers that carry no credential and go to every host.
pub(super) const HARMLESS_HEADERS: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];

/// What all requests of a resource share.
#[derive(Debug)]
pub(super) struct Template {
    /// The resource's name.
    pub(super) resource: Arc<str>,
    /// Where its requests may go.
    pub(super) reach: Reach,
    /// Hides its secrets.
    pub(super) redactor: Arc<Redactor>,
    /// What trusted hosts are given.
    pub(super) credentials: Credentials,
    /// The config's key that holds the credential, if there is one.
    pub(super) key: Option<&'static str>,
    /// Where it puts a key, in words.
    pub(super) sent: Option<String>,
    /// GET or POST.
    pub(super) method: Method,
    /// What is done with its answers.
    pub(super) rules: Rules,
    /// It answers as GraphQL does.
    pub(super) graphql: Option<PartialData>,
    /// What its bodies are.
    pub(super) expected: Expected,
    /// Whether a part of an answer (206) is taken for what there is.
    pub(super) takes_parts: bool,
    /// The numbers in the endpoint's own request, and where: what it asks for of pages.
    pub(super) asked: Vec<(Slot, u64)>,
    url: Url,
    params: Vec<(String, String)>,
    json: Option<Value>,
    data: Option<RequestData>,
    client_headers: HeaderMap,
    endpoint_headers: HeaderMap,
}

/// One page's request, without credentials.
#[derive(Debug, Clone)]
pub(super) struct PageRequest {
    /// From 1.
    pub(super) number: u64,
    /// The URL.
    pub(super) url: Url,
    /// The body.
    pub(super) body: Option<Bytes>,
    /// Whether the resource goes on without an answer to it.
    pub(super) may_fail: bool,
}

impl Template {
    /// # Errors
    /// [`SourceError::BadHeader`] when a header of the config cannot be sent.
    pub(super) fn new(
        client: &ClientPlan,
        resource: &ResourcePlan,
        request: Request,
        tokens: &Tokens,
    ) -> Result<Self, SourceError> {
        let endpoint = &resource.endpoint;
        let auth = endpoint.auth.as_ref().or(client.auth.as_ref());
        let credentials = Credentials::new(auth, tokens)?;
        Ok(Self {
            resource: Arc::from(resource.name.as_str()),
            reach: Reach::new(client, &request.url, auth),
            redactor: Arc::new(Redactor::new(client, endpoint, &request)),
            credentials,
            key: auth.map(|auth| key_of(auth, endpoint.auth.is_some())),
            sent: auth.and_then(sent_as),
            method: endpoint.method,
            rules: Rules::new(client, endpoint),
            graphql: endpoint.graphql,
            expected: Expected::of(&endpoint.response_format.kind),
            takes_parts: resource.expect.total == ExpectTotal::Estimate,
            client_headers: headers(&client.headers)?,
            endpoint_headers: headers(&request.headers)?,
            asked: numbers(&request),
            url: request.url,
            params: request.params,
            json: request.json,
            data: request.data,
        })
    }

    /// Whether the endpoint's own request has a JSON body.
    pub(super) fn has_json(&self) -> bool {
        self.json.is_some()
    }

    /// Whether the endpoint's own request has this parameter.
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        let is_it = |own: &str, said: &str| own == name && said == value;
        self.params.iter().any(|(own, said)| is_it(own, said)) || self.url.query_pairs().any(|(own, said)| is_it(&own, &said))
    }

    /// Whether a page may be at `url`, wherever that was found.
    pub(super) fn may_ask(&self, url: &Url) -> bool {
        self.reach.follow(&self.url, url).is_ok()
    }

    /// The request of page `number` at `position`. A position wins over parameters of the same name; a link is taken as it is.
    pub(super) fn page(&self, number: u64, position: &Position) -> PageRequest {
        let mut json = self.json.clone();
        let url = match &position.place {
            Where::Link(url) => url.clone(),
            Where::Slots(slots) => {
                let mut url = self.url.clone();
                let is_static = |name: &str| !slots.iter().any(|(slot, _)| matches!(slot, Slot::Param(param) if param == name));
                for (slot, _) in slots {
                    if let Slot::Param(name) = slot {
                        remove_parameters(&mut url, |key, _| key == name);
                    }
                }
                let fixed =
                    self.params.iter().filter(|(name, _)| is_static(name)).map(|(name, value)| (name.as_str(), value.clone()));
                let placed = slots.iter().filter_map(|(slot, value)| match slot {
                    Slot::Param(name) => Some((name.as_str(), as_parameter(value))),
                    Slot::Body(_) => None,
                });
                let pairs: Vec<(&str, String)> = fixed.chain(placed).collect();
                if !pairs.is_empty() {
                    url.query_pairs_mut().extend_pairs(pairs);
                }
                for (slot, value) in slots {
                    if let Slot::Body(path) = slot {
                        put(json.get_or_insert_with(|| Value::Object(serde_json::Map::new())), path, value.clone());
                    }
                }
                url
            }
        };
        let body = match (json, &self.data) {
            (Some(json), _) => Some(Bytes::from(json.to_string())),
            (None, Some(RequestData::Raw(text))) => Some(Bytes::from(text.clone())),
            (None, Some(RequestData::Form(pairs))) => {
                Some(Bytes::from(url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()))
            }
            (None, None) => None,
        };
        PageRequest { number, url, body, may_fail: false }
    }

    /// Adds to `url` and gives as headers what the host of `url` may have; whether that included the credentials.
    pub(super) fn dress(&self, url: &mut Url, has_body: bool, bearing: &Bearing) -> (HeaderMap, bool) {
        let trusted = self.reach.trusts(url);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.client_headers {
            if trusted || HARMLESS_HEADERS.contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        for (name, value) in &self.endpoint_headers {
            if trusted || self.reach.is_endpoint(url) || HARMLESS_HEADERS.contains(&name.as_str()) {
                headers.insert(name.clone(), value.clone());
            }
        }
        if trusted {
            self.credentials.apply(url, &mut headers, bearing);
        } else {
            self.credentials.strip(url);
        }
        let content_type = match &self.data {
            None => Some("application/json"),
            Some(RequestData::Form(_)) => Some("application/x-www-form-urlencoded"),
            Some(RequestData::Raw(_)) => None,
        };
        if let (true, Some(content_type)) = (has_body, content_type) {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(packing::ACCEPTED));
        (headers, trusted)
    }
}

/// Where the config has a credential: on the endpoint, or on the client.
fn key_of(auth: &AuthPlan, of_endpoint: bool) -> &'static str {
    match (auth, of_endpoint) {
        (AuthPlan::ApiKey { .. }, false) => "client.auth.api_key",
        (AuthPlan::ApiKey { .. }, true) => "endpoint.auth.api_key",
        (AuthPlan::Bearer { .. }, false) => "client.auth.token",
        (AuthPlan::Bearer { .. }, true) => "endpoint.auth.token",
        (AuthPlan::HttpBasic { .. }, false) => "client.auth.password",
        (AuthPlan::HttpBasic { .. }, true) => "endpoint.auth.password",
        (AuthPlan::Token(_), false) => "client.auth",
        (AuthPlan::Token(_), true) => "endpoint.auth",
    }
}

/// Where an API key goes, in words.
fn sent_as(auth: &AuthPlan) -> Option<String> {
    let AuthPlan::ApiKey { name, location, .. } = auth else { return None };
    Some(match location {
        KeyLocation::Header => format!("as the header `{name}`"),
        KeyLocation::Query => format!("as the query parameter `{name}`"),
        KeyLocation::Cookie => format!("as the cookie `{name}`"),
    })
}

fn headers(plan: &[(String, crate::base::Secret)]) -> Result<HeaderMap, SourceError> {
    let pair = |(name, value): &(String, crate::base::Secret)| -> Result<(HeaderName, HeaderValue), SourceError> {
        Ok((header_name(name)?, hidden(value.expose(), &format!("the value of `{name}`"))?))
    };
    plan.iter().map(pair).collect()
}

/// A value as a query parameter, spelled as dlt spells it.
fn as_parameter(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}

/// The numbers among the parameters of a request, and in its JSON body.
fn numbers(request: &Request) -> Vec<(Slot, u64)> {
    let of_params = request.params.iter().map(|(name, value)| (name.clone(), value.clone()));
    let of_url = request.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
    let numbered = |(name, value): (String, String)| Some((Slot::Param(name), value.parse().ok()?));
    let mut found: Vec<(Slot, u64)> = of_params.chain(of_url).filter_map(numbered).collect();
    if let Some(json) = &request.json {
        collect_numbers(json, &mut Vec::new(), &mut found);
    }
    found
}

fn collect_numbers(json: &Value, path: &mut Vec<String>, found: &mut Vec<(Slot, u64)>) {
    for (name, value) in json.as_object().into_iter().flatten() {
        path.push(name.clone());
        match value.as_u64() {
            Some(number) => found.push((Slot::Body(path.clone()), number)),
            None => collect_numbers(value, path, found),
        }
        path.pop();
    }
}

/// Sets `path` in `json`; whatever is no object on the way becomes one.
fn put(json: &mut Value, path: &[String], value: Value) {
    let mut at = json;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        let Value::Object(members) = at else { return };
        at = members.entry(key.clone()).or_insert(Value::Null);
    }
    *at = value;
}
