//! Secrets and URLs that redact themselves, so that no error or log line can leak them.

use std::fmt;

/// A credential. `Debug` and `Display` print `***`; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Wraps a credential.
    #[must_use]
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself. For the request about to be sent, nothing else.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// Whether the header of this name lets somebody in, as far as its name tells.
#[must_use]
pub(crate) fn names_credential(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    ["auth", "key", "token", "secret", "cookie", "password"].iter().any(|word| name.contains(word))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A URL fit for people: no user info, and every query value that is not plainly harmless is `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct RedactedUrl(String);

/// Query parameters of paging and selection, whose values help to find a fault and are never credentials, in lower-case letters alone: `$skip`,
/// `_page` and `page[number]` are `skip`, `page` and `pagenumber`. A name with `token` or `key` in it is none, though some APIs page by one.
const HARMLESS: [&str; 60] = [
    "limit",
    "offset",
    "page",
    "perpage",
    "pagesize",
    "size",
    "count",
    "start",
    "sort",
    "order",
    "since",
    "until",
    "updatedsince",
    "skip",
    "top",
    "take",
    "rows",
    "first",
    "last",
    "from",
    "to",
    "after",
    "before",
    "cursor",
    "p",
    "pg",
    "pagenumber",
    "pageno",
    "pageindex",
    "pageoffset",
    "pagelimit",
    "pagecursor",
    "pageafter",
    "pagebefore",
    "maxresults",
    "maxitems",
    "itemsperpage",
    "startat",
    "startindex",
    "startfrom",
    "startid",
    "startingafter",
    "endingbefore",
    "sinceid",
    "maxid",
    "minid",
    "lastid",
    "fromid",
    "afterid",
    "nextcursor",
    "endcursor",
    "aftercursor",
    "beforecursor",
    "marker",
    "bookmark",
    "skipcount",
    "createdafter",
    "createdsince",
    "updatedafter",
    "modifiedsince",
];

/// Longest value of such a parameter that is shown.
const SHOWN_MAX: usize = 64;

/// Whether the value of a query parameter is shown: one of paging that is no token by its form.
#[must_use]
pub(crate) fn is_harmless_parameter(name: &str, value: &str) -> bool {
    let reduced: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let is_token = value.starts_with("eyJ") && value.matches('.').count() == 2;
    HARMLESS.contains(&reduced.as_str()) && value.len() <= SHOWN_MAX && !is_token
}

impl RedactedUrl {
    /// Redacts `url`.
    #[must_use]
    pub(crate) fn new(url: &url::Url) -> Self {
        let mut clean = url.clone();
        let _ = clean.set_username("");
        let _ = clean.set_password(None);
        clean.set_fragment(None);
        let query: Vec<String> = url
            .query_pairs()
            .map(|(name, value)| format!("{name}={}", if is_harmless_parameter(&name, &value) { value.as_ref() } else { "***" }))
            .collect();
        clean.set_query(None);
        Self(if query.is_empty() { clean.to_string() } else { format!("{clean}?{}", query.join("&")) })
    }
}

impl fmt::Debug for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_pages_are_shown_and_whatever_may_be_a_credential_is_not() {
        let check = |query: &str, expected: &str| {
            let url = format!("https://me:pw@api.test/x?{query}#part").parse().unwrap();
            assert_eq!(RedactedUrl::new(&url).to_string(), format!("https://api.test/x?{expected}"));
        };
        for shown in [
            "skip=40&take=20",
            "after=ord_9&limit=5",
            "cursor=dXNlcjpXMDdRQ1JQQTQ=",
            "starting_after=cus_1",
            "pageSize=50&pageNumber=2",
            "page[number]=2",
            "$skip=4&$top=2",
            "_page=3",
        ] {
            check(shown, shown);
        }
        check("page=2&X-Amz-Signature=ab12&X-Amz-Credential=AKIA", "page=2&X-Amz-Signature=***&X-Amz-Credential=***");
        check("sig=12&se=2026&sv=1", "sig=***&se=***&sv=***");
        check("page_token=12&next_token=1&key=7&api_key=7&pin=1", "page_token=***&next_token=***&key=***&api_key=***&pin=***");
        check("cursor=eyJhbGciOiJI.eyJzdWIi.c2ln", "cursor=***");
        check(&format!("after={}", "a".repeat(65)), "after=***");
        check("customer=7&q=x", "customer=***&q=***");
    }
}
