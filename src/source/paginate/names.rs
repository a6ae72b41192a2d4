//! The names that tell of paging, of members around the records and of headers, and what each of them tells.
//!
//! One table for every paginator: what it knows is looked for on every page, and judged at every end. `docs/config.md` lists it, which a test
//! compares. Names count in lower-case letters and digits alone: `has_more`, `hasMore` and `Has-More` are one.

/// Objects that tell of paging, by their names alone.
pub(super) const AROUND: [&str; 30] = [
    "meta",
    "metadata",
    "pagination",
    "paging",
    "paginginfo",
    "paginationinfo",
    "page",
    "pageinfo",
    "pager",
    "cursor",
    "cursors",
    "responsemetadata",
    "links",
    "info",
    "resultinfo",
    "resultset",
    "pageable",
    "paginator",
    "searchmetadata",
    "listinfo",
    "listmetadata",
    "pageinformation",
    "pagemetadata",
    "pagingmetadata",
    "paginationmetadata",
    "extensions",
    "view",
    "hydraview",
    "additionaldata",
    "resultsetmetadata",
];

/// What a member or a header tells, going by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Role {
    /// A link, a cursor or a number of the next page.
    Next,
    /// A cursor that may also be the page's own.
    Cursor,
    /// True when there is more.
    HasMore,
    /// False when there is more.
    IsLast,
    /// True when records are missing, and false on every other page.
    Partial,
    /// The number of pages.
    Pages,
    /// The number of this page.
    Page,
    /// The number of records, in all or in this page.
    Total,
    /// What such a number is to the true one: `eq`, or `gte` for a lower bound; or whether it is exact.
    Relation,
    /// What such a number is measured in, which is no number of records then.
    Unit,
    /// True when there is a page before.
    HasPrevious,
    /// A link or the number of the page before.
    Previous,
    /// A link or the number of the first page; false when there is one before.
    First,
    /// The number of records before this page.
    Offset,
    /// The number of records asked for.
    Limit,
    /// The number of records behind this page.
    Remaining,
}

/// The names of each role that has any wherever it stands.
pub(super) const NAMES: [(Role, &[&str]); 12] = [
    (
        Role::HasMore,
        &[
            "hasmore",
            "hasnext",
            "hasnextpage",
            "more",
            "moreavailable",
            "istruncated",
            "truncated",
            "moredataavailable",
            "hasmoredata",
            "hasmoreitems",
            "hasmorerecords",
            "hasmoreresults",
            "hasmorepages",
            "moreresults",
            "morerecords",
            "moredata",
            "morepages",
            "moreitems",
            "exceededtransferlimit",
            "moreitemsincollection",
        ],
    ),
    (
        Role::IsLast,
        &[
            "islast",
            "islastpage",
            "last",
            "done",
            "isdone",
            "final",
            "isfinal",
            "finished",
            "isfinished",
            "isend",
            "eof",
            "endoflist",
            "endofresults",
            "endofrecords",
            "endofstream",
        ],
    ),
    (Role::Partial, &["incompleteresults", "resultsincomplete", "partialresults", "partial", "ispartial"]),
    (
        Role::Next,
        &[
            "next",
            "nextpage",
            "nexturl",
            "nextlink",
            "nexthref",
            "nextpageurl",
            "nextpagelink",
            "odatanextlink",
            "nexturi",
            "nextcursor",
            "nexttoken",
            "nextpagetoken",
            "nextpagecursor",
            "nextoffset",
            "nextstart",
            "nextstartat",
            "nextstartindex",
            "nextindex",
            "nextposition",
            "nextpos",
            "nextskip",
            "nextfrom",
            "nextid",
            "nextrecordid",
            "nextsince",
            "nextsinceid",
            "nextafter",
            "nextpagenumber",
            "nextpageno",
            "nextpageindex",
            "nextcursormark",
            "nextrecordsurl",
            "nextkey",
            "lastevaluatedkey",
            "continue",
            "nextmarker",
            "nextcontinuationtoken",
            "nextpageuri",
            "hydranext",
            "afterurl",
            "resumptiontoken",
            "searchafter",
            "nextsearchafter",
        ],
    ),
    (
        Role::Cursor,
        &["cursor", "endcursor", "continuation", "continuationtoken", "scrollid", "startingafter", "bookmark", "aftercursor"],
    ),
    (
        Role::Pages,
        &["totalpages", "pagecount", "lastpage", "numpages", "pagestotal", "pages", "totalpagecount", "totalnumberofpages"],
    ),
    (Role::HasPrevious, &["hasprevious", "hasprev", "haspreviouspage", "hasprevpage"]),
    (
        Role::Previous,
        &[
            "previous",
            "prev",
            "previouspage",
            "prevpage",
            "previousurl",
            "prevurl",
            "previouslink",
            "prevlink",
            "previouspageurl",
            "prevpageurl",
            "previouspagenumber",
            "prevpagenumber",
            "hydraprevious",
        ],
    ),
    (Role::First, &["first", "isfirst", "isfirstpage", "firstpage", "firstpageurl", "firsturl", "firstlink", "hydrafirst"]),
    (Role::Page, &["page", "currentpage", "pagenumber", "pageno", "pageindex", "number"]),
    (
        Role::Remaining,
        &["remaining", "remainingcount", "remainingitemcount", "remainingitems", "remainingrecords", "remainingresults"],
    ),
    (
        Role::Total,
        &[
            "total",
            "totalcount",
            "totalresults",
            "totalrecords",
            "totalitems",
            "totalhits",
            "totalelements",
            "totalsize",
            "totalrows",
            "totalentries",
            "numfound",
            "found",
            "count",
            "odatacount",
            "hydratotalitems",
            "opensearchtotalresults",
            "totaldocs",
            "totalobjects",
            "totalfound",
            "totalmatches",
            "totalavailable",
            "totalnumber",
            "totalnumberofresults",
            "totalitemcount",
            "totalrecordcount",
            "totalresultcount",
            "totalresultscount",
            "itemstotal",
            "recordstotal",
            "resultstotal",
            "itemcount",
            "recordcount",
            "resultcount",
            "resultscount",
            "hitcount",
            "nbhits",
            "numberofresults",
            "numrows",
            "rowcount",
            "numresults",
            "totalnum",
            "recordsfiltered",
            "counttotal",
            "grandtotal",
        ],
    ),
];

/// What stands before a name in headers.
pub(super) const PREFIXES: [&str; 8] = ["x", "opc", "xpagination", "xpaging", "xwp", "xms", "xpw", "pagination"];
/// Signs of the next page that are lists: the place of the last record, by what the records are sorted by.
pub(super) const LISTS: [&str; 2] = ["searchafter", "nextsearchafter"];
/// Headers that hold the members of a page's place as JSON.
pub(super) const OBJECT_HEADERS: [&str; 3] = ["x-pagination", "x-paging", "pagination"];

/// A name in lower-case letters and digits alone: `@odata.nextLink` and `odata_next_link` are one.
pub(super) fn reduced(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a member of this name is a number of records; it may be an object that has the number.
pub(super) fn is_total(name: &str) -> bool {
    role_of(&reduced(name)) == Some(Role::Total)
}

fn role_of(reduced: &str) -> Option<Role> {
    NAMES.iter().find(|(_, names)| names.contains(&reduced)).map(|(role, _)| *role)
}

/// What the member at the end of these names tells.
pub(super) fn role(path: &[&str]) -> Option<Role> {
    let (last, parents) = path.split_last()?;
    let name = reduced(last);
    let below_next = || parents.iter().any(|part| ["next", "nextpage"].contains(&&*reduced(part)));
    let below = |names: [&str; 4]| parents.last().is_some_and(|part| names.contains(&&*reduced(part)));
    let below_cursors =
        || parents.last().is_some_and(|part| ["cursors", "cursor", "paging", "pagination"].contains(&&*reduced(part)));
    let below_total = || parents.last().is_some_and(|parent| is_total(parent));
    match name.as_str() {
        "href" | "url" | "uri" | "link" | "after" | "offset" | "cursor" | "token" | "page" | "start" | "skip"
        | "startingafter"
            if below_next() =>
        {
            Some(Role::Next)
        }
        "href" | "url" | "uri" | "link" if below(["prev", "previous", "prevpage", "previouspage"]) => Some(Role::Previous),
        "href" | "url" | "uri" | "link" if below(["first", "firstpage", "firstpageurl", "firsturl"]) => Some(Role::First),
        "value" if below_total() => Some(Role::Total),
        "relation" if below_total() => Some(Role::Relation),
        "currency" | "currencycode" | "unit" if below_total() => Some(Role::Unit),
        "numfoundexact" | "exhaustivenbhits" => Some(Role::Relation),
        "offset" | "skip" | "startat" | "startindex" | "start" | "from" => Some(Role::Offset),
        "limit" | "perpage" | "pagesize" | "maxresults" => Some(Role::Limit),
        "after" if below_cursors() => Some(Role::Cursor),
        // Reddit's, beside its list.
        "after" if parents.last().is_some_and(|part| reduced(part) == "data") => Some(Role::Next),
        name => role_of(name),
    }
}

/// What a header of this name tells. Alone, a `Total-…` or `Next…` does; a limit of requests is none of them.
pub(super) fn header_role(name: &str) -> Option<Role> {
    let name = reduced(name);
    let behind = PREFIXES.iter().find_map(|prefix| role_of(name.strip_prefix(prefix)?));
    let alone = || role_of(&name).filter(|_| name.starts_with("total") || name.starts_with("next"));
    match behind.or_else(alone)? {
        // `X-First: …` may be anything; `Link` has the relations.
        Role::First | Role::Previous | Role::HasPrevious => None,
        // A header has none of its own page.
        Role::Cursor if name.contains("continuation") => Some(Role::Next),
        Role::Cursor | Role::Remaining => None,
        // `X-Count`, and `X-Number`.
        Role::Total if name.ends_with("xcount") || name == "paginationcount" || name == "xpaginationcount" => None,
        role => Some(role),
    }
}

/// Whether an object at the end of these names may stand for what is next.
pub(super) fn may_be_object(path: &[&str]) -> bool {
    role(path) == Some(Role::Next)
}

/// Whether a list at the end of these names may be one of links: FHIR's `link`, HATEOAS' `links`.
pub(super) fn may_be_links(path: &[&str]) -> bool {
    path.last().is_some_and(|last| ["link", "links"].contains(&&*reduced(last)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What stands between backticks.
    fn quoted(text: &str) -> BTreeSet<&str> {
        text.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_document_lists_every_name_that_counts() {
        let document = include_str!("../../../docs/config.md");
        let section = document.split("\n#### Signs\n").nth(1).and_then(|rest| rest.split("\n#### ").next()).unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(rows.len(), NAMES.len());
        for ((role, names), row) in NAMES.iter().zip(rows) {
            let told = quoted(row.trim_end_matches(" |").rsplit(" | ").next().unwrap());
            assert_eq!(told, names.iter().copied().collect(), "{role:?}");
        }
        let around = section.lines().find(|line| line.starts_with("Around the records are")).unwrap();
        assert_eq!(quoted(around), AROUND.into_iter().collect());
    }

    #[test]
    fn headers_tell_by_the_names_of_members() {
        for (name, expected) in [
            ("x-next-page", Some(Role::Next)),
            ("x-ms-continuation", Some(Role::Next)),
            ("x-ms-continuationtoken", Some(Role::Next)),
            ("opc-next-page", Some(Role::Next)),
            ("x-pagination-total-pages", Some(Role::Pages)),
            ("next", Some(Role::Next)),
            ("x-has-more", Some(Role::HasMore)),
            ("x-wp-totalpages", Some(Role::Pages)),
            ("x-pagination-page-count", Some(Role::Pages)),
            ("x-total", Some(Role::Total)),
            ("x-records-total", Some(Role::Total)),
            ("x-pagination-total-count", Some(Role::Total)),
            ("total-results", Some(Role::Total)),
            ("x-remaining", None),
            ("x-ratelimit-remaining", None),
            ("x-count", None),
            ("x-request-id", None),
            ("page", None),
            ("link", None),
        ] {
            assert_eq!(header_role(name), expected, "{name}");
        }
    }
}
