//! What follows from an error of the source: what the pipeline may do about it, and what the operator can.

use crate::source::SourceError;
use crate::source::auth::TokenFault;
use crate::source::certificate::certificate_fault;

/// For a replay that asks what the recorded run did not.
const UNRECORDED: &str = "a replay asks what the recorded run asked, so long as the config and the program are the same: take back what was changed in the config, or record anew";

/// What to do about XML that nobody asked for.
const OF_XML: &str = "where that is the data, write `endpoint.response_format: xml`, and the elements that are records as `endpoint.data_selector: rss.channel.item`; where it is an error, look at `client.base_url` and `client.auth`";
/// What to do about a page for people.
const OF_PAGE: &str = "this is a page for people, often of a login or a proxy: look at `client.base_url` and `client.auth`";

impl SourceError {
    /// Whether the first page of a chain says that what it was requested for is gone, or a rule of the config skips it.
    #[must_use]
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Refused { place, status: 404 | 410, .. } | Self::ParentSkipped { place, .. } => place.page == 1,
            _ => false,
        }
    }

    /// Whether a recording has no answer.
    #[must_use]
    pub(crate) fn is_unrecorded(&self) -> bool {
        match self {
            Self::Unrecorded { .. } => true,
            Self::Token { fault, .. } => matches!(**fault, TokenFault::Unrecorded { .. }),
            _ => false,
        }
    }

    /// Whether it may be that a cursor or link of the API has expired: pages before were answered, and this one is gone, or is refused with
    /// words for that.
    #[must_use]
    pub(crate) fn is_expired_cursor(&self) -> bool {
        let Self::Refused { place, status, preview } = self else { return false };
        let said = preview.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let is_about_cursors = || {
            says(&["cursor", "token", "continuation", "scroll", "bookmark", "pagination", "next page", "link"])
                && says(&["expire", "invalid", "not valid", "no longer", "not found", "unknown", "stale", "too old"])
        };
        place.page > 1 && (*status == 410 || matches!(status, 400 | 404 | 422) && is_about_cursors())
    }

    /// What the operator can do, where that is not plain from the message.
    #[must_use]
    pub(crate) fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Credentials { withheld: true, .. } => return None,
            Self::Refused { place, status, .. }
            | Self::Credentials { place, status, .. }
            | Self::Unavailable { place, status, .. }
                if place.page > 1 && self.names_limit() =>
            {
                return Some(format!(
                    "earlier pages were answered, and the API goes only so far: with `endpoint.incremental` and `step`, each window of time is read by pages of its own, and `endpoint.params` can ask for a part; where these pages are all there is, write `endpoint.response_actions: [{{status_code: {status}, action: ignore}}]`"
                ));
            }
            Self::Credentials { key: Some(key), sent, .. } => return Some(of_credentials(key, sent.as_deref())),
            Self::Token { fault, .. } => return fault.hint(),
            Self::TokenRefused { .. } => {
                "the token is fresh, so it is a right that is missing: look at the scopes, and at what the client may read"
            }
            Self::Unrecorded { .. } => UNRECORDED,
            Self::NoLongerAnswered { .. } => {
                "a credential that has expired meanwhile is answered so by some APIs: renew it and run again"
            }
            Self::Part { .. } => {
                "take out a `Range` header that the config sends; where the API answers so and this is all, write `expect: {total: estimate}`"
            }
            Self::LoginPage { key: Some(key), .. } => {
                return Some(format!("the API does not accept what it was sent: look at `{key}` and where its value comes from"));
            }
            Self::LoginPage { key: None, .. } => "the API wants to know who asks: write `client.auth`",
            Self::Credentials { key: None, .. } => "the config has no `client.auth`, and none was sent",
            Self::Refused { place, status: status @ (404 | 410), .. } if place.page > 1 => {
                return Some(format!(
                    "earlier pages were answered: where that is how the API ends its pages, write `endpoint.response_actions: [{{status_code: {status}, action: ignore}}]`; else a cursor may have expired, or the API goes only so far: with `endpoint.incremental` and `step`, each window of time is read by pages of its own"
                ));
            }
            Self::Refused { place, status: 400 | 422, .. } if place.page > 1 => {
                "earlier pages were answered: a cursor may have expired, or the API goes only so far; with `endpoint.incremental` and `step`, each window of time is read by pages of its own"
            }
            Self::Refused { status: 404 | 410, .. } => "look at `client.base_url` and `endpoint.path`, which make this URL",
            Self::Refused { status: 400 | 405 | 422, .. } => {
                "look at `endpoint.method`, `endpoint.params` and the paginator's parameter names"
            }
            Self::Instead { found: "XML", .. } => OF_XML,
            Self::Instead { .. } => OF_PAGE,
            Self::NoAnswer { lasting: true, source, .. } if certificate_fault(source).is_some() => {
                return certificate_fault(source).map(|fault| fault.advice.to_owned());
            }
            Self::NoAnswer { lasting: true, .. } => "look at `client.base_url`: waiting does not mend this",
            Self::NoAnswer { .. } => "is `client.base_url` right, and can this machine reach it? If so, run again later",
            Self::Kept { .. } => "run again: what was kept of the interrupted run is removed, and all of it is asked for again",
            Self::Spool { .. } => "make room there, or set `TMPDIR` to a folder that has some",
            Self::WaitTooLong { .. } => {
                "run again then: nothing of this resource's run is published, and a rerun reads it from where the last published run left it; or raise `client.retry.max_wait`"
            }
            Self::ParentSkipped { .. } => {
                "`scope: parent` is about the first page of a resource that is requested for a parent's records; elsewhere, write `scope: resource`"
            }
            Self::NotReady { .. } => {
                "where the same request may be made again, write `endpoint.response_actions: [{status_code: 202, action: retry}]`"
            }
            Self::NoAttemptLeft { status: 202, .. } => {
                "run again later, or wait longer: `client.retry` has the number of retries and their delays"
            }
            Self::Paging(fault) => return fault.hint().map(str::to_owned),
            Self::EmptyBody { status: 204, .. } => {
                "if it means that there are no records, write `endpoint.response_actions: [{status_code: 204, action: ignore}]`"
            }
            Self::GraphQl { partial: true, .. } => "`endpoint.graphql: {partial: allow}` keeps the data beside the errors",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Advice about a credential that was refused, and where it was sent.
fn of_credentials(key: &str, sent: Option<&str>) -> String {
    let more = match sent {
        Some(sent) => format!("; it was sent {sent}: `name` and `location` beside it say where"),
        None if key.ends_with(".token") => "; it was sent as `Authorization: Bearer …`, and a `Bearer ` before it is lakeward's to add; where the API wants it elsewhere, write \
             `auth: {type: api_key, name: NAME, location: header}` or `query`"
            .to_owned(),
        None if key.ends_with(".password") => "; it was sent with `username` as `Authorization: Basic …`".to_owned(),
        None => String::new(),
    };
    format!("look at `{key}` and where its value comes from: it is missing a right, mistyped or expired{more}")
}
