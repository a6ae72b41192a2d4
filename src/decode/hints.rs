//! Hints: what around a page's records looks like more pages.
//!
//! Only names that APIs use for paging and nothing else count, because a hint refuses a resource without declared paginator.

use crate::decode::reader::Reader;

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// The first sign, in words.
    sign: Option<String>,
    /// A total of records: its path and value.
    total: Option<(String, u64)>,
}

impl Hints {
    /// How many objects deep paging is looked for.
    pub(super) const LEVELS_MAX: usize = 3;

    /// Looks at a member: its path, and its value, which is next.
    pub(super) fn note(&mut self, path: &[String], reader: &Reader<'_>) {
        let Some(name) = path.last() else {
            return;
        };
        let name: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let shown = || format!("`{}`", path.join("."));
        match name.as_str() {
            "hasmore" | "hasnext" | "hasnextpage" | "more" | "moreavailable" | "istruncated" | "truncated"
                if reader.peek() == b't' =>
            {
                self.sign.get_or_insert_with(|| format!("{} is true", shown()));
            }
            "islast" | "islastpage" | "lastpage" if reader.peek() == b'f' => {
                self.sign.get_or_insert_with(|| format!("{} is false", shown()));
            }
            "totalpages" | "pagecount" | "lastpage" | "numpages" | "pagestotal" => {
                if let Some(pages @ 2..) = count(reader) {
                    self.sign.get_or_insert_with(|| format!("{} is {pages}", shown()));
                }
            }
            "total" | "totalcount" | "totalresults" | "totalrecords" | "totalitems" | "totalhits" | "count" => {
                if let Some(total) = count(reader)
                    && self.total.as_ref().is_none_or(|(_, known)| *known < total)
                {
                    self.total = Some((shown(), total));
                }
            }
            _ if leads_on(&name, path) && holds_something(reader) => {
                self.sign.get_or_insert_with(|| format!("{} is set", shown()));
            }
            _ => {}
        }
    }

    /// The reason to believe in more pages than this one with `records` records.
    pub(super) fn reason(self, records: u64) -> Option<String> {
        self.sign.or_else(|| {
            let (path, total) = self.total.filter(|&(_, total)| total > records)?;
            Some(format!("{path} is {total} and the page has {records} records"))
        })
    }
}

/// Whether a name, reduced to lower-case letters, is that of a link or cursor to the next page.
fn leads_on(name: &str, path: &[String]) -> bool {
    let paging = |name: &str| {
        ["next", "nextpage", "nexturl", "nextlink", "nexthref", "nextcursor", "nexttoken", "nextpagetoken", "nextpageurl"]
            .contains(&name)
    };
    paging(name)
        || ["cursor", "endcursor", "continuationtoken", "scrollid", "odatanextlink", "nextoffset", "nextpagelink"].contains(&name)
        || (name == "href" && path.len() > 1 && path.iter().any(|part| part.eq_ignore_ascii_case("next")))
}

/// Whether the value that is next is more than null, `false`, 0 or an empty text; objects are judged by their members.
fn holds_something(reader: &Reader<'_>) -> bool {
    let mut ahead = reader.clone();
    match ahead.peek() {
        b'"' => ahead.string().is_ok_and(|token| token.end > token.start),
        b't' => true,
        b'-' | b'0'..=b'9' => count(reader) != Some(0),
        _ => false,
    }
}

/// The number that is next, if it counts something.
fn count(reader: &Reader<'_>) -> Option<u64> {
    let mut ahead = reader.clone();
    ahead.peek().is_ascii_digit().then(|| ahead.number().ok()?.int()?.try_into().ok()).flatten()
}
