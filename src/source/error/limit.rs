//! Refusals that name a limit: behind a met total they are no sign that the total is all, since it may be capped where the API stops.

use crate::source::SourceError;

/// Words for how far an API goes.
const LIMIT: [&str; 6] = ["window", "limit of", "limited to", "limit exceeded", "maximum of", "maximum allowed"];
/// Words that say it, too, unless it is the end of the data that they speak of.
const BOUND: [&str; 11] = [
    "too large",
    "too high",
    "too deep",
    "exceed",
    "maximum",
    "at most",
    "must not",
    "less than or equal",
    "no more than",
    "limit reached",
    "limit is",
];
/// Words for the end of the data.
const END: [&str; 6] = ["total", "last page", "number of pages", "page count", "out of range", "out of bounds"];
/// Words for how often may be asked.
const RATE: [&str; 5] = ["rate limit", "ratelimit", "rate_limit", "too many requests", "quota"];

/// Whether what an API says of a place speaks of how far it goes: "Only the first 1000 search results are available".
pub(in crate::source) fn names_limit(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    !says(&RATE) && (says(&LIMIT) || says_first(&said) || says(&BOUND) && !says(&END))
}

/// "first 1000", "first 1,000".
fn says_first(said: &str) -> bool {
    let digit = |rest: &str| rest.trim_start_matches([' ', '[', '(']).starts_with(|c: char| c.is_ascii_digit());
    said.match_indices("first ").any(|(at, word)| digit(&said[at + word.len()..]))
}

impl SourceError {
    /// Whether it is how APIs answer where they have no page.
    pub(in crate::source) fn is_no_page(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 404 | 410 | 416 | 422, .. } | Self::EmptyBody { .. })
    }

    /// Whether the server refuses in words for a limit.
    pub(in crate::source) fn names_limit(&self) -> bool {
        match self {
            Self::Refused { preview, .. }
            | Self::Credentials { preview, .. }
            | Self::Unavailable { preview, .. }
            | Self::NoAttemptLeft { preview, .. }
            | Self::RuleFails { preview, .. } => !preview.starts_with('<') && names_limit(preview),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_limit_are_told_from_words_for_the_end() {
        for said in [
            "Result window is too large, from + size must be less than or equal to: [10000] but was [10010]",
            "Only the first 1000 search results are available",
            "the first 1,000 records",
            "Pagination limit exceeded: offset + limit must not exceed 30",
            "offset exceeds the maximum of 30",
            "`skip` may be at most 1000",
        ] {
            assert!(names_limit(said), "{said}");
        }
        for said in [
            "",
            "not found",
            "Invalid page.",
            "page out of range",
            "offset 30 exceeds the total of 30",
            "page must be less than or equal to the last page",
            r#"{"offset": 30, "limit": 10, "error": "no such page"}"#,
            "rate limit exceeded",
        ] {
            assert!(!names_limit(said), "{said}");
        }
    }
}
