//! Signs of paging in headers: the same names as around the records, behind `X-` and the like, and links of relations.

use reqwest::header::{CONTENT_RANGE, HeaderMap};
use serde_json::Value;
use url::Url;

use crate::config::{StopRules, TotalAt, TotalRule, Unit};
use crate::source::link;
use crate::source::paginate::Seen;
use crate::source::paginate::facts::whole_number;
use crate::source::paginate::names::{OBJECT_HEADERS, Role, header_role, role};
use crate::source::paginate::pairs::{is_offset_parameter, is_page_parameter};

/// A header that tells of paging, or a member of one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HeaderSign {
    /// Its name, in lower case.
    pub(super) name: String,
    /// Where it stands, in words.
    pub(super) shown: String,
    pub(super) role: Role,
    pub(super) value: Value,
}

impl HeaderSign {
    /// `stop`, and the end of the pages by the total of `unit` that the header is, where it is nothing but that.
    pub(super) fn as_rule(&self, unit: Unit, mut stop: StopRules) -> StopRules {
        let is_total = matches!((self.role, unit), (Role::Total, Unit::Records) | (Role::Pages, Unit::Pages));
        if is_total && !OBJECT_HEADERS.contains(&&*self.name) && self.name != CONTENT_RANGE.as_str() {
            stop.totals.push(TotalRule { unit, at: TotalAt::Header(self.name.clone()) });
        }
        stop
    }
}

/// What the headers tell; `Link` is none of them.
pub(super) fn header_signs(headers: &HeaderMap) -> Vec<HeaderSign> {
    let mut found = Vec::new();
    for (name, value) in headers {
        let (name, Ok(text)) = (name.as_str(), value.to_str()) else { continue };
        let (name, shown) = (name.to_owned(), format!("the header `{name}`"));
        if OBJECT_HEADERS.contains(&&*name) {
            let members = serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap_or_default();
            found.extend(members.into_iter().filter_map(|(member, value)| {
                let shown = format!("{shown} (`{member}`)");
                Some(HeaderSign { name: name.clone(), shown, role: role(&[&member])?, value })
            }));
        } else if let Some(role) = header_role(&name) {
            found.push(HeaderSign { name, shown, role, value: Value::from(text.trim()) });
        }
    }
    found
}

/// The header that has the cursor of the next page.
pub(super) fn cursor_header(headers: &HeaderMap) -> Option<String> {
    let is_cursor = |sign: &HeaderSign| {
        let is_alone = !OBJECT_HEADERS.contains(&&*sign.name) && !sign.name.contains("page") && !sign.name.contains("url");
        sign.role == Role::Next && is_alone && !sign.name.contains("link")
    };
    let token = |sign: &HeaderSign| sign.name.contains("token");
    let signs = header_signs(headers);
    signs.iter().find(|sign| sign.role == Role::Next && (is_cursor(sign) || token(sign))).map(|sign| sign.name.clone())
}

/// The last page that the `Link` header names, where it is behind `page`.
pub(super) fn last_behind(page: &Seen<'_>) -> Option<u64> {
    let last = page.url.join(link::target(page.headers, "last")?.trim()).ok()?;
    let number = |url: &Url, name: &str| {
        url.query_pairs().find(|(other, _)| other == name).and_then(|(_, value)| whole_number(&Value::from(&*value)))
    };
    let mut places = last.query_pairs().filter(|(name, _)| is_page_parameter(name) || is_offset_parameter(name));
    places.find_map(|(name, value)| {
        let first = u64::from(is_page_parameter(&name));
        let own = number(page.url, &name).unwrap_or(first);
        whole_number(&Value::from(&*value)).filter(|last| *last > own)
    })
}
