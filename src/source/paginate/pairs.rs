//! The names that go together in a request: of the number of records that a page is to have, and of the place where it begins.
//!
//! One table for whatever is guessed of a request, and for telling what a number in a request means.

use crate::config::Slot;
use crate::source::paginate::names::reduced;

/// Sizes at which APIs cap a page: a list of exactly so many records may be the first of several.
pub(in crate::source) const USUAL_SIZES: [u64; 20] =
    [10, 20, 25, 30, 40, 50, 60, 75, 80, 100, 150, 200, 250, 300, 400, 500, 1000, 2000, 5000, 10000];

/// What a place counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// The records before it.
    Records,
    /// The pages.
    Pages,
}

/// A size, and the places that go with it, the likeliest first.
type Pair = (&'static str, &'static [(Counts, &'static str)]);

/// Names as they are written, with their marks: these go before those of the same letters.
const WRITTEN: [Pair; 9] = [
    ("page[size]", &[(Counts::Pages, "page[number]")]),
    ("page[limit]", &[(Counts::Records, "page[offset]"), (Counts::Pages, "page[number]")]),
    ("pagination[pageSize]", &[(Counts::Pages, "pagination[page]")]),
    ("pagination[limit]", &[(Counts::Records, "pagination[start]")]),
    ("$top", &[(Counts::Records, "$skip"), (Counts::Pages, "page")]),
    ("$limit", &[(Counts::Records, "$offset"), (Counts::Records, "$skip")]),
    ("_limit", &[(Counts::Records, "_start"), (Counts::Pages, "_page")]),
    ("_per_page", &[(Counts::Pages, "_page")]),
    ("_count", &[(Counts::Records, "_offset")]),
];
/// Names in lower-case letters and digits alone.
const LETTERS: [Pair; 18] = [
    ("limit", &[(Counts::Records, "offset"), (Counts::Pages, "page"), (Counts::Records, "skip")]),
    ("perpage", &[(Counts::Pages, "page")]),
    ("pagesize", &[(Counts::Pages, "page"), (Counts::Pages, "pageNumber")]),
    ("size", &[(Counts::Pages, "page"), (Counts::Records, "from")]),
    ("maxresults", &[(Counts::Records, "startAt"), (Counts::Pages, "page")]),
    ("top", &[(Counts::Records, "skip"), (Counts::Pages, "page")]),
    ("rows", &[(Counts::Records, "start"), (Counts::Pages, "page")]),
    ("take", &[(Counts::Records, "skip"), (Counts::Pages, "page")]),
    ("count", &[(Counts::Records, "offset"), (Counts::Pages, "page")]),
    ("first", &[(Counts::Records, "skip")]),
    ("results", &[(Counts::Pages, "page")]),
    ("pagelimit", &[(Counts::Pages, "page")]),
    ("itemsperpage", &[(Counts::Pages, "page")]),
    ("resultsperpage", &[(Counts::Pages, "page")]),
    ("recordsperpage", &[(Counts::Pages, "page")]),
    ("hitsperpage", &[(Counts::Pages, "page")]),
    ("pagelen", &[(Counts::Pages, "page")]),
    ("resultrecordcount", &[(Counts::Records, "resultOffset")]),
];
/// Names of offsets that come with no other size than the one here.
const SIZES_OF: [(&str, &str); 6] = [
    ("skip", "limit"),
    ("start", "rows"),
    ("startat", "maxResults"),
    ("startindex", "count"),
    ("from", "size"),
    ("pageoffset", "page[limit]"),
];

/// The places that go with the size called `size`, spelled as it is.
pub(super) fn places_of(size: &str) -> Vec<(Counts, String)> {
    let written = WRITTEN.iter().find(|(name, _)| *name == size);
    let letters = || LETTERS.iter().find(|(name, _)| *name == reduced(size));
    let Some((_, places)) = written.or_else(letters) else { return Vec::new() };
    places.iter().map(|(counts, name)| (*counts, spelled_as(size, name))).collect()
}

/// `pageNumber` beside `page_size` is `page_number`, and beside `PageSize`, `PageNumber`.
fn spelled_as(size: &str, name: &str) -> String {
    if name == "pageNumber" && size.contains('_') {
        return "page_number".to_owned();
    }
    match size.chars().next() {
        Some(first) if first.is_ascii_uppercase() => {
            let mut rest = name.chars();
            rest.next().map(|first| first.to_ascii_uppercase().to_string() + rest.as_str()).unwrap_or_default()
        }
        _ => name.to_owned(),
    }
}

/// The name of the size that goes with the offset called `offset`.
pub(super) fn size_beside(offset: &str) -> &'static str {
    SIZES_OF.iter().find(|(name, _)| *name == reduced(offset)).map_or("limit", |(_, size)| size)
}

/// Whether a parameter or member of this name asks for a number of records a page.
pub(in crate::source) fn is_size(name: &str) -> bool {
    let name = reduced(name);
    LETTERS.iter().any(|(known, _)| *known == name) || ["paginationpagesize", "paginationlimit"].contains(&&*name)
}

/// Whether a parameter of this name is the number of a page.
pub(in crate::source) fn is_page_parameter(name: &str) -> bool {
    ["page", "p", "pagenumber", "pageno", "pageindex", "pg", "paginationpage"].contains(&&*reduced(name))
}

/// Whether a parameter of this name counts the records before a page.
pub(in crate::source) fn is_offset_parameter(name: &str) -> bool {
    let names = ["offset", "skip", "start", "startat", "startindex", "from", "pageoffset", "resultoffset", "paginationstart"];
    names.contains(&&*reduced(name))
}

/// The name of a parameter, or of a member of the body.
pub(in crate::source) fn name_of(slot: &Slot) -> &str {
    match slot {
        Slot::Param(name) => name,
        Slot::Body(path) => path.last().map_or("", String::as_str),
    }
}

/// The place called `name` beside `slot`.
pub(super) fn beside(slot: &Slot, name: &str) -> Slot {
    match slot {
        Slot::Param(_) => Slot::Param(name.to_owned()),
        Slot::Body(path) => {
            let mut path = path.clone();
            path.pop();
            path.push(name.to_owned());
            Slot::Body(path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(size: &str, expected: &[&str]) {
        let names: Vec<String> = places_of(size).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, expected, "{size}");
        assert!(is_size(size) || size == "_count", "{size}");
        for (counts, name) in places_of(size) {
            let is_known = match counts {
                Counts::Records => is_offset_parameter(&name),
                Counts::Pages => is_page_parameter(&name),
            };
            assert!(is_known, "{name}");
        }
    }

    #[test]
    fn names_go_together_as_apis_spell_them() {
        check("$limit", &["$offset", "$skip"]);
        check("$top", &["$skip", "page"]);
        check("top", &["skip", "page"]);
        check("limit", &["offset", "page", "skip"]);
        check("per_page", &["page"]);
        check("perPage", &["page"]);
        check("pageSize", &["page", "pageNumber"]);
        check("page_size", &["page", "page_number"]);
        check("PageSize", &["Page", "PageNumber"]);
        check("page[size]", &["page[number]"]);
        check("page[limit]", &["page[offset]", "page[number]"]);
        check("pagination[pageSize]", &["pagination[page]"]);
        check("size", &["page", "from"]);
        check("rows", &["start", "page"]);
        check("maxResults", &["startAt", "page"]);
        check("count", &["offset", "page"]);
        check("first", &["skip"]);
        check("_limit", &["_start", "_page"]);
        check("_per_page", &["_page"]);
        check("resultRecordCount", &["resultOffset"]);
        for offset in ["skip", "start", "startAt", "startIndex", "from", "offset"] {
            assert!(is_size(size_beside(offset)), "{offset}");
        }
        for name in ["q", "count_only", "firstName", "status", "region"] {
            assert!(!is_size(name) && !is_page_parameter(name) && !is_offset_parameter(name), "{name}");
        }
    }
}
