//! `endpoint`: the first request of a resource, and how the next ones follow.

use crate::base::JsonPath;
use crate::config::raw::{self, Scalar};
use crate::config::request::RequestTemplate;
use crate::config::resolve::client::Client;
use crate::config::resolve::request::{self, Texts};
use crate::config::resolve::template::{Names, names_single_entity};
use crate::config::resolve::{Context, auth, format, paginator, records, rules};
use crate::config::tree::{NodeId, Text, Value};
use crate::config::{EndpointPlan, FormatKind, Method, PaginatorPlan};

/// The plan of an endpoint already merged with its defaults; `None` when a fault leaves it open. `id` and `name` are the
/// resource's: its name is the path of an endpoint without one.
pub(crate) fn resolve(
    cx: Context<'_>,
    id: NodeId,
    name: &str,
    raw: &raw::Endpoint,
    client: &Client,
    names: &Names<'_>,
) -> Option<EndpointPlan> {
    let path_id = raw.path.place().unwrap_or(id);
    let path = match (raw.path.set(), cx.reader.document()) {
        (Some((id, _)), document) => match &document.node(id).value {
            Value::Text(text) => text.clone(),
            _ => Text::default(),
        },
        (None, _) => Text { text: name.to_owned(), ..Text::default() },
    };
    let single = names_single_entity(&path.text);
    let request = request::resolve(Texts { cx, names }, path_id, &path, raw, &client.base_url);
    let auth = auth::resolve(cx, &raw.auth, &client.base_url);
    let records = records::resolve(cx, raw);
    let lists =
        rules::Lists { place: "endpoint", actions: &raw.response_actions, throttle: &raw.throttle_when, fail: &raw.fail_when };
    let rules = lists.resolve(cx);
    let mut response_format = format::resolve(cx, raw);
    // One object is the page itself, whatever lists it has.
    let is_object = records.as_ref().is_some_and(|records| records.single == Some(true));
    if raw.response_format.is_unset() && raw.data_selector.is_unset() && records.is_none() && !single && raw.graphql.is_unset() {
        response_format.kind = FormatKind::Undeclared { takes_csv: false };
    }
    let is_inferred = single && raw.paginator.is_unset();
    let warning = (is_inferred && paginator::is_declared(&client.paginator)).then(|| {
        "its path ends in a placeholder, so it is read as a single page and not by `client.paginator`, as in dlt; write `endpoint.paginator` to settle it".to_owned()
    });
    let paginator =
        if is_inferred { Some(PaginatorPlan::SinglePage) } else { paginator::resolve(cx, &raw.paginator, &client.paginator) };
    if let (Some(paginator), Some(request)) = (&paginator, &request) {
        check_body(cx, raw, paginator, request);
    }
    let data_selector = raw.data_selector.get().map(|Scalar(path)| path.clone());
    Some(EndpointPlan {
        request: request?,
        method: match raw.method.get() {
            None | Some(raw::Method::Get) => Method::Get,
            Some(raw::Method::Post) => Method::Post,
        },
        data_selector: data_selector.or_else(|| (single || is_object).then(JsonPath::root)),
        response_format,
        records,
        paginator: paginator?,
        warnings: warning.into_iter().collect(),
        auth,
        incremental: None,
        rules,
        graphql: rules::graphql(&raw.graphql),
    })
}

/// Refuses positions of pages that would go to a JSON body which is not there, or over something that stands in it.
fn check_body(cx: Context<'_>, raw: &raw::Endpoint, paginator: &PaginatorPlan, request: &RequestTemplate) {
    for path in paginator.body_paths() {
        if let Some(id) = raw.data.place().filter(|_| request.data.is_some()) {
            let why =
                format!("the paginator writes `{}` into a JSON body, and `data` is another one; write `json`", path.join("."));
            cx.reader.conflict(id, why);
        }
        if let (Some(id), Some(at)) = (raw.json.place(), request.json.as_ref().and_then(|json| json.obstacle(path))) {
            let (path, at) = (path.join("."), path[..at].join("."));
            cx.reader.conflict(id, format!("the paginator writes `{path}` into the body, and `{at}` there is no map"));
        }
    }
}
