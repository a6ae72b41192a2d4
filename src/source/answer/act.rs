//! From what an answer means to what the attempt comes to.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use url::Url;

use crate::base::{Warning, WarningCode};
use crate::config::{PartialData, Rule, RuleAction, Scope};
use crate::source::SourceError;
use crate::source::answer::graphql::{GraphQlAnswer, PATHS_MAX, read_graphql};
use crate::source::answer::wait::{wait_at, wait_in_body};
use crate::source::attempt::{Answer, Failure};
use crate::source::error::Place;
use crate::source::page::Skipped;
use crate::source::preview::Redactor;

/// Bytes of an answer that errors quote from.
const QUOTED_BYTES_MAX: usize = 8 << 10;

/// An answer that a rule is about.
pub(in crate::source) struct Ruled<'a> {
    /// Where it came from.
    pub(in crate::source) place: Place,
    /// The same, in full.
    pub(in crate::source) url: Url,
    /// Its status.
    pub(in crate::source) status: u16,
    /// Its headers.
    pub(in crate::source) headers: HeaderMap,
    /// Its body, or the start of it.
    pub(in crate::source) body: &'a [u8],
    /// Hides secrets in it.
    pub(in crate::source) redactor: &'a Redactor,
    /// The config's key that holds the credential, if there is one.
    pub(in crate::source) key: Option<&'static str>,
    /// Whether that is a token that can be fetched again.
    pub(in crate::source) renewable: bool,
}

impl Ruled<'_> {
    /// What `rule` makes of it.
    ///
    /// # Errors
    /// Whatever is neither a page nor a skipped one.
    pub(in crate::source) fn obey(self, rule: &Rule, now: DateTime<Utc>) -> Result<Answer, Failure> {
        let Self { place, url, status, headers, body, redactor, key: credential, renewable } = self;
        let preview = redactor.preview(&body[..body.len().min(QUOTED_BYTES_MAX)]);
        let key = rule.key.clone();
        let again = |why, is_throttle, told, wait| Failure::Again {
            status,
            headers: headers.clone(),
            why,
            is_throttle,
            told,
            wait,
            preview: preview.clone(),
        };
        Err(match &rule.action {
            RuleAction::Skip(Scope::Parent) => Failure::Final(Box::new(SourceError::ParentSkipped { place, status, key })),
            RuleAction::Skip(scope) => {
                let skipped = Some(Skipped { ends: *scope == Scope::Resource, status, key });
                return Ok(Answer {
                    url,
                    headers,
                    status,
                    is_part: false,
                    body: Bytes::new(),
                    spooled: None,
                    packed: None,
                    skipped,
                });
            }
            RuleAction::Fail { message } => {
                let message = message.clone().unwrap_or_default();
                Failure::Final(Box::new(SourceError::RuleFails { place, status, key, message, preview }))
            }
            RuleAction::Retry => again(format!("`{key}` says to try again"), false, None, None),
            RuleAction::Throttle { told_at, wait } => {
                let told = match told_at {
                    Some(at) => wait_at(at, body, &headers, now),
                    None => wait_in_body(body, &headers, now),
                };
                again(format!("`{key}` takes it for a throttle"), true, told, *wait)
            }
            RuleAction::RefreshAuth if renewable => Failure::Expired { status, headers, preview },
            RuleAction::RefreshAuth => {
                let (withheld, key) = (false, credential);
                Failure::Final(Box::new(SourceError::Credentials { place, status, withheld, preview, key, sent: None }))
            }
        })
    }

    /// What GraphQL says in it. Errors beside data that are allowed go to `tally`.
    ///
    /// # Errors
    /// Errors, and throttles.
    pub(in crate::source) fn heed_graphql(&self, partial: PartialData, tally: &Mutex<PartialErrors>) -> Result<(), Failure> {
        let place = &self.place;
        let preview = |text: &str| self.redactor.preview(text.as_bytes());
        let fails = |preview, count, partial| {
            Err(Failure::Final(Box::new(SourceError::GraphQl { place: place.clone(), count, partial, preview })))
        };
        match read_graphql(self.body) {
            GraphQlAnswer::Data => Ok(()),
            GraphQlAnswer::Throttled(wait) => Err(self.throttled(wait)),
            GraphQlAnswer::TooDear(cost, most) => {
                let text = format!("the query costs {cost}, and the API allows {most}: ask for fewer records a page");
                fails(text, 1, false)
            }
            GraphQlAnswer::Errors { partial: true, paths, .. } if partial == PartialData::Allow => {
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(PartialErrors(paths));
                Ok(())
            }
            GraphQlAnswer::Errors { count, messages, partial, .. } => fails(preview(&messages), count, partial),
        }
    }

    fn throttled(&self, wait: Option<Duration>) -> Failure {
        Failure::Again {
            status: self.status,
            headers: self.headers.clone(),
            why: "GraphQL says that it is throttled".to_owned(),
            is_throttle: true,
            told: None,
            wait,
            preview: String::new(),
        }
    }
}

/// GraphQL errors beside data that counts, by their path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PartialErrors(BTreeMap<String, u64>);

impl PartialErrors {
    /// Counts those of `other`.
    pub(in crate::source) fn add(&mut self, other: Self) {
        for (path, count) in other.0 {
            let path = if self.0.len() >= PATHS_MAX && !self.0.contains_key(&path) { "…".to_owned() } else { path };
            *self.0.entry(path).or_insert(0) += count;
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The warning of a resource that had some.
    pub(in crate::source) fn warning(&self) -> Option<Warning> {
        let total = self.count();
        let listed: Vec<String> = self.0.iter().map(|(path, count)| format!("{count} at `{path}`")).collect();
        let errors = if total == 1 { "error" } else { "errors" };
        (total > 0).then(|| {
            let text = format!("GraphQL gave {total} {errors} beside its data, which counts all the same: {}", listed.join(", "));
            Warning::new(WarningCode::PartialErrors, text)
        })
    }
}
