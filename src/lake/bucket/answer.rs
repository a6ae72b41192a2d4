//! A store's refusals, put into our words.
//!
//! In: object_store's errors, whose text holds whole URLs and XML bodies. Out: [`LakeError::Store`] with the place, what it
//! means, and the answer's status, code and message, from which every configured secret is struck.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::base::{Secret, start_of};
use crate::lake::{LakeError, StoreAnswer, StoreProblem};
use crate::source::{causes, is_no_http, is_plain, is_refusal_of_http};

/// Longest text taken from an answer, in characters.
const TEXT_MAX: usize = 200;

/// Explains errors of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    root: String,
    secrets: Vec<Secret>,
    /// Whether the bucket has answered with what was asked for.
    has_worked: Arc<AtomicBool>,
}

impl Answers {
    /// For the bucket at `root` (`s3://bucket`), never showing `secrets`.
    pub(super) fn new(root: String, secrets: Vec<Secret>) -> Self {
        Self { root, secrets, has_worked: Arc::default() }
    }

    /// The bucket has answered with what was asked for: there are credentials.
    pub(super) fn note_success(&self) {
        self.has_worked.store(true, Ordering::Relaxed);
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
        let (facts, has_worked) = (Facts::of(error), self.has_worked.load(Ordering::Relaxed));
        let mut text = facts.text(has_worked);
        for secret in self.secrets.iter().filter(|secret| secret.expose().len() >= 4) {
            text = text.replace(secret.expose(), "***");
        }
        LakeError::Store { action, place: self.place(key), problem: facts.problem(error, has_worked), source: StoreAnswer(text) }
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
    /// How no answer came.
    silence: Option<HttpErrorKind>,
    /// Whether it was the server that lends credentials to machines that was asked: nothing else was configured.
    of_metadata: bool,
    is_redirect: bool,
    is_plain: bool,
    is_tls: bool,
    is_memory_upload: bool,
}

impl Facts {
    /// object_store has a type for how no answer came, and only the beginnings of texts for what was asked and for the status that came.
    fn of(error: &Error) -> Self {
        let mut facts = Self { is_plain: is_plain(error), is_tls: is_no_http(error), ..Self::default() };
        for cause in causes(error) {
            let text = cause.to_string();
            if let Some(http) = cause.downcast_ref::<HttpError>() {
                facts.silence = Some(http.kind());
            }
            if let Some(asked) = text.strip_prefix("Error performing ") {
                facts.of_metadata = asked.split(' ').nth(1).is_some_and(is_metadata);
            }
            let answer = ["Server returned non-2xx status code: ", "Server returned error response: "];
            if let Some(answer) = answer.iter().find_map(|start| text.strip_prefix(start)) {
                let status = answer.split([':', '<']).next().unwrap_or(answer).trim();
                facts.status = Some(status.to_owned()).filter(|status| status.starts_with(|c: char| c.is_ascii_digit()));
                facts.code = element(answer, "Code");
                facts.message = element(answer, "Message");
                let number = status.split(' ').next().and_then(|number| number.parse().ok());
                facts.is_tls |= number.is_some_and(|number| is_refusal_of_http(number, answer));
            }
            facts.is_redirect |= text.starts_with("Received redirect without LOCATION");
            facts.is_memory_upload |= text.contains("MultipartUpload not found");
            facts.cause = text;
        }
        facts
    }

    /// What it means that the server for machines' credentials lends none: `None` where that is no matter of the configuration. A server that
    /// is not there is no hiccup, unless credentials came from it before.
    fn lends_none(&self, has_worked: bool) -> bool {
        let answered = self.status.as_deref().map(|status| !status.starts_with('5') && !status.starts_with("429"));
        self.of_metadata
            && answered.unwrap_or(!has_worked && matches!(self.silence, Some(HttpErrorKind::Connect | HttpErrorKind::Timeout)))
    }

    fn problem(&self, error: &Error, has_worked: bool) -> StoreProblem {
        let code = self.code.as_deref().unwrap_or_default();
        let is_denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
        if self.is_plain || self.is_tls {
            return if self.is_plain { StoreProblem::NotTls } else { StoreProblem::Tls };
        }
        if self.of_metadata {
            let is_answered = self.status.is_some();
            return match self.lends_none(has_worked) {
                true => StoreProblem::Denied,
                false if is_answered => StoreProblem::Failed,
                false => StoreProblem::NoAnswer,
            };
        }
        if matches!(code, "RequestTimeTooSkewed" | "SlowDown" | "RequestTimeout" | "InternalError") {
            return StoreProblem::Failed;
        }
        if is_denied || matches!(code, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") {
            return StoreProblem::Denied;
        }
        if code == "NoSuchBucket" || (matches!(error, Error::NotFound { .. }) && code.is_empty()) {
            return StoreProblem::NoBucket;
        }
        if matches!(code, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException")
            || self.is_redirect
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

    fn text(&self, has_worked: bool) -> String {
        let parts: Vec<&str> = [&self.status, &self.code, &self.message].into_iter().flatten().map(String::as_str).collect();
        // The innermost cause of a transport error is the system's word; of anything else it may be a whole answer.
        let text = if parts.is_empty() { without_urls(&self.cause) } else { parts.join(": ") };
        let text = match (self.of_metadata, self.lends_none(has_worked)) {
            (false, _) => text,
            (true, false) => format!("the credentials of this machine's role cannot be had at the moment: {text}"),
            (true, true) => {
                "no credentials are configured: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `lake.options`".to_owned()
            }
        };
        start_of(&text, TEXT_MAX)
    }
}

/// Whether a URL is of the server that lends credentials to machines (EC2's instance metadata service).
fn is_metadata(url: &str) -> bool {
    let url = url::Url::parse(url).ok();
    url.is_some_and(|url| {
        let is_local = matches!(url.host_str(), Some("169.254.169.254" | "[fd00:ec2::254]"));
        is_local && url.path().starts_with("/latest/")
    })
}

/// The text of an XML element without children.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
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

    /// Errors within errors, as object_store nests them: what was asked, and what came of it.
    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Nested {
        text: String,
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    }

    fn nested(
        asked: &str,
        came: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Box<dyn std::error::Error + Send + Sync> {
        let came = came.into();
        Box::new(Nested { text: format!("Error performing {asked} in 1s - {came}"), source: Some(came) })
    }

    fn status(text: &str) -> Box<dyn std::error::Error + Send + Sync> {
        Box::new(Nested { text: format!("Server returned non-2xx status code: {text}"), source: None })
    }

    fn generic(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Generic { store: "S3", source }
    }

    const PUT: &str = "PUT http://h/lake/a?X-Amz-Signature=s";

    #[test]
    fn a_refusal_shows_status_code_and_message_and_no_secret() {
        let body = "403 Forbidden: <Error><Code>InvalidAccessKeyId</Code><Message>no such key AKIAEXAMPLE</Message><StringToSign>x</StringToSign></Error>";
        check(
            &Error::PermissionDenied { path: "a".to_owned(), source: nested(PUT, status(body)) },
            "cannot write `s3://lake/a/b`: access denied: 403 Forbidden: InvalidAccessKeyId: no such key ***",
            ErrorKind::Credentials,
        );
    }

    #[test]
    fn an_expired_token_is_a_matter_of_credentials() {
        check(
            &generic(nested(PUT, status("400 Bad Request: <Code>ExpiredToken</Code>"))),
            "cannot write `s3://lake/a/b`: access denied: 400 Bad Request: ExpiredToken",
            ErrorKind::Credentials,
        );
    }

    #[test]
    fn a_busy_store_and_a_silent_one_may_be_tried_later() {
        check(
            &generic(nested(PUT, status("503 Service Unavailable: <Code>SlowDown</Code>"))),
            "cannot write `s3://lake/a/b`: the store failed: 503 Service Unavailable: SlowDown",
            ErrorKind::Unavailable,
        );
        let silent =
            HttpError::new(HttpErrorKind::Connect, std::io::Error::other("error sending request for url (http://u:p@h/x)"));
        check(
            &generic(nested(PUT, silent)),
            "cannot write `s3://lake/a/b`: the store does not answer: error sending request for url (url)",
            ErrorKind::Unavailable,
        );
    }

    #[test]
    fn a_missing_bucket_is_a_matter_of_the_config() {
        let body = "404 Not Found: <Code>NoSuchBucket</Code><Message>gone</Message>";
        check(
            &Error::NotFound { path: "a".to_owned(), source: nested(PUT, status(body)) },
            "cannot write `s3://lake/a/b`: the bucket does not exist: 404 Not Found: NoSuchBucket: gone",
            ErrorKind::Config,
        );
    }

    #[test]
    fn tls_and_plain_http_on_each_others_ports_are_a_matter_of_the_config() {
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let plain = HttpError::new(HttpErrorKind::Connect, std::io::Error::new(std::io::ErrorKind::InvalidData, plain));
        check(
            &generic(nested(PUT, plain)),
            "cannot write `s3://lake/a/b`: the endpoint does not speak TLS: write `http://` in it: received corrupt message of type InvalidContentType",
            ErrorKind::Config,
        );
        check(
            &generic(nested(PUT, status("400 Bad Request: Client sent an HTTP request to an HTTPS server."))),
            "cannot write `s3://lake/a/b`: the endpoint speaks TLS: write `https://` in it: 400 Bad Request",
            ErrorKind::Config,
        );
    }

    const TOKEN: &str = "PUT http://169.254.169.254/latest/api/token";

    #[test]
    fn missing_credentials_are_said_to_be_missing() {
        for kind in [HttpErrorKind::Connect, HttpErrorKind::Timeout] {
            check(
                &generic(nested(TOKEN, HttpError::new(kind, std::io::Error::other("timed out")))),
                "cannot write `s3://lake/a/b`: access denied: no credentials are configured: \
                 set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `lake.options`",
                ErrorKind::Credentials,
            );
        }
        check(
            &generic(nested("GET http://169.254.169.254/latest/meta-data/iam/security-credentials/", status("404 Not Found: "))),
            "cannot write `s3://lake/a/b`: access denied: no credentials are configured: \
             set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or `lake.options`",
            ErrorKind::Credentials,
        );
    }

    #[test]
    fn a_hiccup_of_an_instance_role_may_be_tried_later() {
        for answer in ["500 Internal Server Error: ", "503 Service Unavailable: ", "429 Too Many Requests: "] {
            check(
                &generic(nested(TOKEN, status(answer))),
                &format!(
                    "cannot write `s3://lake/a/b`: the store failed: the credentials of this machine's role cannot be had at the moment: {}",
                    answer.trim_end_matches(": ")
                ),
                ErrorKind::Unavailable,
            );
        }
        let answers = Answers::new("s3://lake".to_owned(), Vec::new());
        let silent = generic(nested(TOKEN, HttpError::new(HttpErrorKind::Timeout, std::io::Error::other("timed out"))));
        answers.note_success();
        assert_eq!(answers.explain("write", "a", &silent).kind(), ErrorKind::Unavailable, "credentials came from there before");
        // An answer about that address is none of it.
        let quoted = status("503 Service Unavailable: <Message>http://169.254.169.254/latest/ is not for you</Message>");
        assert_eq!(answers.explain("write", "a", &generic(nested(PUT, quoted))).kind(), ErrorKind::Unavailable);
    }
}
