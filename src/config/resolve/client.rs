//! `client`: address, patience and limits.

use std::time::Duration;

use url::Url;

use crate::config::raw::{self, Field, OneOrMany, Paginator, Scalar, Tagged};
use crate::config::resolve::{Context, auth, rules, tls};
use crate::config::tree::NodeId;
use crate::config::{ClientPlan, RateLimit, RetryPlan};

/// Status codes tried again unless the config says otherwise: dlt's without those that no wait mends, and what CDNs and proxies
/// answer while the API behind them is away.
const RETRY_STATUSES: [u16; 17] = [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 528, 529];

/// What the resources need of the client.
pub(crate) struct Client {
    /// The settled client; `None` after a fault.
    pub(crate) plan: Option<ClientPlan>,
    /// To join paths to, also after a fault.
    pub(crate) base_url: Url,
    /// The paginator of endpoints without one.
    pub(crate) paginator: Field<Tagged<Paginator>>,
}

impl Client {
    /// Stands in for a client that is missing, so that the resources are checked all the same.
    pub(crate) fn unknown() -> Self {
        let base_url = Url::parse("http://invalid/").expect("this is a URL");
        Self { plan: None, base_url, paginator: Field::Absent }
    }
}

/// The client's settings; `plan` is `None` when a fault leaves them open.
pub(crate) fn resolve(cx: Context<'_>, id: NodeId, client: &raw::Client) -> Client {
    let meaning = "the API's address, such as `https://api.example.com`";
    let base_url = cx.required(&client.base_url, id, "base_url", meaning).and_then(|(id, text)| base_url(cx, id, text));
    let headers = auth::headers(cx, &client.headers, &mut |_, _, secret| Some(secret.clone()));
    let fallback = Client::unknown();
    let auth = auth::resolve(cx, &client.auth, base_url.as_ref().unwrap_or(&fallback.base_url));
    let tls = client.tls.set().and_then(|(id, tls)| tls::resolve(cx, id, tls));
    let no_timeout = raw::Timeout::default();
    let timeout = client.timeout.get().unwrap_or(&no_timeout);
    let retry = retry(cx, &client.retry);
    let (connect_timeout, read_timeout) = (positive(cx, &timeout.connect, 10), positive(cx, &timeout.read, 60));
    let page_timeout = positive(cx, &timeout.page, 600);
    let rate_limits = rate_limits(cx, &client.rate_limit);
    let concurrency = usize::try_from(cx.within(&client.concurrency, 1..=64, 4)).unwrap_or(1);
    let allow_hosts = auth::hosts(cx, &client.allow_hosts);
    let lists = rules::Lists {
        place: "client",
        actions: &client.response_actions,
        throttle: &client.throttle_when,
        fail: &client.fail_when,
    };
    let rules = lists.resolve(cx);
    let plan = base_url.clone().map(|base_url| ClientPlan {
        base_url,
        headers,
        auth,
        retry,
        connect_timeout,
        read_timeout,
        page_timeout,
        rate_limits,
        concurrency,
        allow_hosts,
        rules,
        tls,
    });
    Client { plan, base_url: base_url.unwrap_or(fallback.base_url), paginator: client.paginator.clone() }
}

fn base_url(cx: Context<'_>, id: NodeId, text: &str) -> Option<Url> {
    let Ok(url) = Url::parse(text.trim()) else {
        cx.reader.no_url(id, text);
        return None;
    };
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        cx.reader.no_url(id, text);
    } else if !url.username().is_empty() || url.password().is_some() {
        cx.reader
            .conflict(id, "credentials do not belong into a URL; write `auth: {type: http_basic, username: …, password: …}`");
    } else if url.query().is_some() || url.fragment().is_some() {
        cx.reader.conflict(id, "paths are joined to this URL, so it cannot hold `?` or `#`; write `endpoint.params`");
    } else {
        return Some(url);
    }
    None
}

fn retry(cx: Context<'_>, field: &Field<raw::Retry>) -> RetryPlan {
    let none = raw::Retry::default();
    let retry = field.get().unwrap_or(&none);
    let mut statuses = RETRY_STATUSES.to_vec();
    if let Some(items) = retry.statuses.get() {
        statuses = Vec::new();
        for item in items {
            match item.set().map(|(id, &status)| (id, u16::try_from(status).ok().filter(|status| (400..600).contains(status)))) {
                Some((_, Some(status))) => statuses.push(status),
                Some((id, None)) => cx.reader.wrong(id, "a status code from 400 to 599"),
                None => {}
            }
        }
    }
    let mut backoff_factor = 2.0;
    if let Some((id, &factor)) = retry.backoff_factor.set() {
        backoff_factor = factor;
        if !(1.0..=10.0).contains(&factor) {
            cx.reader.wrong(id, "a number from 1 to 10");
        }
    }
    RetryPlan {
        max_retries: retry.max_retries.set().and_then(|_| u32::try_from(cx.within(&retry.max_retries, 0..=20, 0)).ok()),
        backoff_factor,
        initial_delay: duration(&retry.initial_delay, 1),
        statuses,
        max_wait: duration(&retry.max_wait, 600),
    }
}

fn duration(field: &Field<Scalar<Duration>>, default_seconds: u64) -> Duration {
    field.get().map_or(Duration::from_secs(default_seconds), |&Scalar(duration)| duration)
}

fn positive(cx: Context<'_>, field: &Field<Scalar<Duration>>, default_seconds: u64) -> Duration {
    if let Some((id, &Scalar(Duration::ZERO))) = field.set() {
        cx.reader.wrong(id, "a duration of more than 0");
    }
    duration(field, default_seconds)
}

fn rate_limits(cx: Context<'_>, field: &Field<OneOrMany<Field<raw::RateLimit>>>) -> Vec<RateLimit> {
    let Some(OneOrMany(items)) = field.get() else { return Vec::new() };
    let mut limits = Vec::new();
    for (id, limit) in items.iter().filter_map(Field::set) {
        let requests = cx.required(&limit.requests, id, "requests", "requests admitted");
        let requests = requests.map(|_| cx.within(&limit.requests, 1..=u64::from(u32::MAX), 1));
        let per = cx.required(&limit.per, id, "per", "`second`, `minute`, `hour`, or a duration").map(|(id, Scalar(per))| {
            if per.0.is_zero() {
                cx.reader.wrong(id, "a duration of more than 0");
            }
            per.0
        });
        if let (Some(requests), Some(per)) = (requests.and_then(|requests| u32::try_from(requests).ok()), per) {
            limits.push(RateLimit { requests, per });
        }
    }
    limits
}
