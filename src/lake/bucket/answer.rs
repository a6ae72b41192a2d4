//! A store's refusals, put into our words.
//!
//! In: object_store's errors, whose text holds whole URLs and XML bodies. Out: [`LakeError::Store`] with the place, what it
//! means, and the answer's status, code and message, from which every configured secret is struck.

use object_store::Error;

use crate::base::Secret;
use crate::lake::{LakeError, StoreAnswer, StoreProblem};

/// Longest text taken from an answer, in characters.
const TEXT_MAX: usize = 200;

/// Explains errors of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    root: String,
    secrets: Vec<Secret>,
}

impl Answers {
    /// For the bucket at `root` (`s3://bucket`), never showing `secrets`.
    pub(super) fn new(root: String, secrets: Vec<Secret>) -> Self {
        Self { root, secrets }
    }

    /// A key as people write it.
    pub(super) fn place(&self, key: &str) -> String {
        if key.is_empty() { self.root.clone() } else { format!("{}/{key}", self.root) }
    }

    /// Whether the answer is that there is no such object, in a bucket that may exist: `HEAD` has no body to tell.
    pub(super) fn is_missing_object(&self, error: &Error) -> bool {
        matches!(error, Error::NotFound { .. }) && Facts::of(error).code.as_deref() != Some("NoSuchBucket")
    }

    /// Whether the answer is that there is no such upload (any more).
    pub(super) fn is_missing_upload(&self, error: &Error) -> bool {
        let facts = Facts::of(error);
        facts.code.as_deref() == Some("NoSuchUpload") || self.is_missing_object(error) || facts.is_memory_upload
    }

    /// The error of doing `action` at `key`.
    pub(super) fn explain(&self, action: &'static str, key: &str, error: &Error) -> LakeError {
        let facts = Facts::of(error);
        let mut text = facts.text();
        for secret in self.secrets.iter().filter(|secret| secret.expose().len() >= 4) {
            text = text.replace(secret.expose(), "***");
        }
        LakeError::Store { action, place: self.place(key), problem: facts.problem(error), source: StoreAnswer(text) }
    }
}

/// What can be told from an error.
#[derive(Debug, Default)]
struct Facts {
    /// As `503 Service Unavailable`.
    status: Option<String>,
    /// S3's error code.
    code: Option<String>,
    /// S3's message.
    message: Option<String>,
    /// The innermost cause.
    cause: String,
    asks_for_credentials: bool,
    is_memory_upload: bool,
}

impl Facts {
    fn of(error: &Error) -> Self {
        let text = error.to_string();
        let status =
            text.split_once("status code: ").map(|(_, rest)| rest.split([':', '<']).next().unwrap_or(rest).trim().to_owned());
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        Self {
            status,
            code: element(&text, "Code"),
            message: element(&text, "Message"),
            // Where a server that lends credentials to machines would be: nothing else was configured.
            asks_for_credentials: text.contains("169.254.169.254"),
            is_memory_upload: text.contains("MultipartUpload not found"),
            cause: cause.to_string(),
        }
    }

    fn problem(&self, error: &Error) -> StoreProblem {
        let code = self.code.as_deref().unwrap_or_default();
        let is_denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
        if matches!(code, "RequestTimeTooSkewed" | "SlowDown" | "RequestTimeout" | "InternalError") {
            return StoreProblem::Failed;
        }
        if is_denied || self.asks_for_credentials || matches!(code, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") {
            return StoreProblem::Denied;
        }
        if code == "NoSuchBucket" || (matches!(error, Error::NotFound { .. }) && code.is_empty()) {
            return StoreProblem::NoBucket;
        }
        if matches!(code, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException")
            || self.cause.contains("redirect without LOCATION")
            || self.status.as_deref().is_some_and(|status| status.starts_with('3'))
        {
            return StoreProblem::WrongPlace;
        }
        match error {
            Error::Precondition { .. } => StoreProblem::Changed,
            _ if self.status.is_some() || self.code.is_some() => StoreProblem::Failed,
            _ => StoreProblem::NoAnswer,
        }
    }

    fn text(&self) -> String {
        if self.asks_for_credentials {
            return "no credentials are configured: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `lake.options`"
                .to_owned();
        }
        let parts: Vec<&str> = [&self.status, &self.code, &self.message].into_iter().flatten().map(String::as_str).collect();
        // The innermost cause of a transport error is the system's word; of anything else it may be a whole answer.
        let text = if parts.is_empty() { without_urls(&self.cause) } else { parts.join(": ") };
        text.chars().take(TEXT_MAX).collect()
    }
}

/// The text of an XML element without children.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inner.trim().to_owned()).filter(|inner| !inner.is_empty())
}

/// Replaces every URL: one may carry user info or a signature.
fn without_urls(text: &str) -> String {
    let word = |word: &str| if word.contains("://") { "(url)".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::base::ErrorKind;

    fn check(error: &Error, expected: &str, kind: ErrorKind) {
        let answers = Answers::new("s3://lake".to_owned(), vec![Secret::new("AKIAEXAMPLE")]);
        let told = answers.explain("write", "a/b", error);
        let source = told.source().map(ToString::to_string).unwrap_or_default();
        assert_eq!((format!("{told}: {source}").as_str(), told.kind()), (expected, kind));
    }

    fn generic(text: &str) -> Error {
        Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn a_refusal_shows_status_code_and_message_and_no_secret() {
        let body = "Error performing PUT http://h/lake/a?X-Amz-Signature=s in 1s - Server returned non-2xx status code: 403 Forbidden: \
            <Error><Code>InvalidAccessKeyId</Code><Message>no such key AKIAEXAMPLE</Message><StringToSign>x</StringToSign></Error>";
        check(
            &Error::PermissionDenied { path: "a".to_owned(), source: body.into() },
            "cannot write `s3://lake/a/b`: access denied: 403 Forbidden: InvalidAccessKeyId: no such key ***",
            ErrorKind::Credentials,
        );
    }

    #[test]
    fn an_expired_token_is_a_matter_of_credentials() {
        check(
            &generic("x - Server returned non-2xx status code: 400 Bad Request: <Code>ExpiredToken</Code>"),
            "cannot write `s3://lake/a/b`: access denied: 400 Bad Request: ExpiredToken",
            ErrorKind::Credentials,
        );
    }

    #[test]
    fn a_busy_store_and_a_silent_one_may_be_tried_later() {
        check(
            &generic("x status code: 503 Service Unavailable: <Code>SlowDown</Code>"),
            "cannot write `s3://lake/a/b`: the store failed: 503 Service Unavailable: SlowDown",
            ErrorKind::Unavailable,
        );
        check(
            &generic("error sending request for url (http://u:p@h/x)"),
            "cannot write `s3://lake/a/b`: the store does not answer: error sending request for url (url)",
            ErrorKind::Unavailable,
        );
    }

    #[test]
    fn a_missing_bucket_is_a_matter_of_the_config() {
        let body = "status code: 404 Not Found: <Code>NoSuchBucket</Code><Message>gone</Message>";
        check(
            &Error::NotFound { path: "a".to_owned(), source: body.into() },
            "cannot write `s3://lake/a/b`: the bucket does not exist: 404 Not Found: NoSuchBucket: gone",
            ErrorKind::Config,
        );
    }

    #[test]
    fn missing_credentials_are_said_to_be_missing() {
        check(
            &generic("Error performing PUT http://169.254.169.254/latest/api/token - timed out"),
            "cannot write `s3://lake/a/b`: access denied: no credentials are configured: \
             set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `lake.options`",
            ErrorKind::Credentials,
        );
    }
}
