//! Throttles that do not say 429.

use memchr::memmem;
use reqwest::header::HeaderMap;

use crate::source::answer::wait::tells_wait;

/// What AWS answers with 400 (AWS SDK's list of throttling error codes).
const AWS_CODES: [&[u8]; 12] = [
    b"Throttling",
    b"ThrottledException",
    b"RequestThrottled",
    b"TooManyRequestsException",
    b"ProvisionedThroughputExceededException",
    b"TransactionInProgressException",
    b"RequestLimitExceeded",
    b"BandwidthLimitExceeded",
    b"LimitExceededException",
    b"SlowDown",
    b"PriorRequestNotComplete",
    b"EC2ThrottledException",
];
/// What a 403 says that is no refusal, in lower case: GitHub's secondary limits, Google's `rateLimitExceeded`.
const WORDS: [&[u8]; 5] = [b"rate limit", b"rate-limit", b"rate_limit", b"ratelimit", b"too many requests"];

/// Whether an answer with this status says "too fast". `start` is the start of its body.
pub(in crate::source) fn is_throttle(status: u16, headers: &HeaderMap, start: &[u8]) -> bool {
    let waits = tells_wait(headers);
    match status {
        429 | 420 => true,
        418 => waits,
        403 => {
            let none_left = headers.get("x-ratelimit-remaining").is_some_and(|value| value.as_bytes() == b"0");
            let text = start.to_ascii_lowercase();
            waits || none_left || WORDS.iter().any(|words| memmem::find(&text, words).is_some())
        }
        400 => AWS_CODES.iter().any(|code| memmem::find(start, code).is_some()),
        503 => waits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, header: Option<(&'static str, &'static str)>, body: &str, expected: bool) {
        let headers: HeaderMap =
            header.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        assert_eq!(is_throttle(status, &headers, body.as_bytes()), expected, "{status} {body}");
    }

    #[test]
    fn e_07_throttles_are_known_by_more_than_429() {
        check(429, None, "", true);
        check(420, None, "Enhance your calm", true);
        check(403, None, r#"{"message":"You have exceeded a secondary Rate Limit"}"#, true);
        check(403, None, r#"{"errors":[{"reason":"userRateLimitExceeded"}]}"#, true);
        check(403, Some(("retry-after", "60")), "", true);
        check(403, Some(("x-ratelimit-remaining", "0")), "", true);
        check(403, Some(("x-ratelimit-remaining", "10")), "forbidden", false);
        check(400, None, r#"{"__type":"ThrottlingException"}"#, true);
        check(400, None, "no such column", false);
        check(418, Some(("retry-after", "60")), "", true);
        check(418, None, "I'm a teapot", false);
        check(503, Some(("retry-after", "60")), "", true);
        check(503, None, "", false);
        check(200, None, "rate limit", false);
    }
}
