//! The total of records that an API tells beside its links, though nothing in the config says where.
//!
//! A header of a name that means nothing else is believed; a member of the body is only a guess, since `count` may be the page's own.

use reqwest::header::HeaderMap;

use crate::base::JsonPath;
use crate::source::paginate::Seen;
use crate::source::paginate::signs::{Role, reduced};

/// Headers that tell how many records there are in all: json-server and others, GitLab, WordPress, Yii.
const HEADERS: [&str; 5] = ["x-total-count", "x-total", "total-count", "x-wp-total", "x-pagination-total-count"];

/// What the headers of an answer tell.
pub(in crate::source) fn of_headers(headers: &HeaderMap) -> Option<(&'static str, u64)> {
    HEADERS.into_iter().find_map(|name| Some((name, headers.get(name)?.to_str().ok()?.trim().parse().ok()?)))
}

/// The total that the body of the first page and those after it tell.
#[derive(Debug, Default)]
pub(super) struct BodyTotal(Option<JsonPath>);

impl BodyTotal {
    /// Chooses where the total stands, by the first page: it is more than the records of that page.
    pub(super) fn settle(&mut self, page: &Seen<'_>) {
        self.0 = place(page);
    }

    /// What `page` tells.
    pub(super) fn of(&self, page: &Seen<'_>) -> Option<u64> {
        let first = if page.page == 1 { place(page) } else { None };
        let path = first.as_ref().or(self.0.as_ref())?;
        page.facts.signs.iter().find(|sign| sign.path == *path)?.number()
    }
}

fn place(page: &Seen<'_>) -> Option<JsonPath> {
    let signs = page.facts.signs.iter().filter(|sign| sign.role() == Some(Role::Total));
    let totals = signs.filter(|sign| sign.number().is_some_and(|total| total > page.facts.records));
    totals.min_by_key(|sign| reduced(sign.name()) == "count").map(|sign| sign.path.clone())
}
