//! Links that count: those whose URL differs from the page's own in a page number or an offset.
//!
//! Such a link names a place among the records as `page_number` and `offset` do, and what stands there moves when rows come or go.
//! A link with a cursor or a key names a record, and nothing moves under it.

use url::Url;

use crate::source::paginate::names::reduced;

/// Parameters that count records.
const OFFSETS: [&str; 6] = ["offset", "pageoffset", "skip", "start", "startat", "startindex"];

/// The page number or offset that `to` counts up to from `from`; at least 1.
pub(super) fn counted(from: &Url, to: &Url) -> Option<u64> {
    if from.path() != to.path() {
        return None;
    }
    let value = |url: &Url, wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    let mut found = None;
    for (name, new) in to.query_pairs() {
        let old = value(from, &name);
        if old.as_deref() == Some(&*new) {
            continue;
        }
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() <= 15);
        let counts_records = OFFSETS.contains(&&*reduced(&name));
        let up_to = match (old.as_deref().map(number), number(&new)) {
            // The first page's own request need not say its place.
            (None, Some(new)) if counts_records => Some(new),
            (None, Some(new)) => Some(new).filter(|new| *new <= 2),
            (Some(Some(old)), Some(new)) if counts_records => Some(new).filter(|new| *new > old),
            (Some(Some(old)), Some(new)) => Some(new).filter(|new| *new == old + 1),
            (None, None) => continue,
            (Some(_), _) => return None,
        };
        match (up_to.filter(|number| *number > 0), old) {
            (Some(number), _) => {
                if found.replace(number).is_some() {
                    return None;
                }
            }
            // Parameters that the API adds of its own, such as its page size.
            (None, None) => {}
            (None, Some(_)) => return None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(from: &str, to: &str, expected: Option<u64>) {
        let url = |query: &str| Url::parse(&format!("https://api.test/orders{query}")).unwrap();
        assert_eq!(counted(&url(from), &url(to)), expected, "{from} to {to}");
    }

    #[test]
    fn e_81_links_with_page_numbers_and_offsets_count() {
        check("?_page=1&_limit=100", "?_page=2&_limit=100", Some(2));
        check("?page=7", "?per_page=30&page=8", Some(8));
        check("?page%5Bnumber%5D=2", "?page%5Bnumber%5D=3", Some(3));
        check("", "?page=2", Some(2));
        check("", "?page=1&size=50", Some(1));
        check("?limit=50", "?limit=50&offset=50", Some(50));
        check("?offset=50", "?offset=97", Some(97));
        check("?page=2&api_key=s", "?page=3", Some(3));
    }

    #[test]
    fn e_81_links_with_cursors_and_keys_do_not() {
        for (from, to) in [
            ("?cursor=abc", "?cursor=abd"),
            ("", "?cursor=abc"),
            ("?since=46", "?since=92"),
            ("", "?since=46"),
            ("?page=2", "?page=2"),
            ("?page=3", "?page=2"),
            ("?page=2&day=1", "?page=3&day=2"),
            ("?page=2&cursor=x", "?page=3&cursor=y"),
            ("?page=18446744073709551615", "?page=0"),
        ] {
            check(from, to, None);
        }
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(counted(&url("https://api.test/a?page=1"), &url("https://api.test/b?page=2")), None);
    }
}
