//! One chain of pages, as far as its answers were kept.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use url::Url;

use crate::config::Method;
use crate::source::attempt::Answer;
use crate::source::flight::Span;
use crate::source::kept::log::{BODY_BYTES_MAX, Entry, Head};
use crate::source::kept::{KeptAnswer, KeptAnswers};
use crate::source::preview::Redactor;
use crate::source::request::PageRequest;

/// Headers that let somebody in, or tell of it.
const CREDENTIALS: [&str; 6] =
    ["set-cookie", "set-cookie2", "authorization", "authentication-info", "proxy-authentication-info", "www-authenticate"];

/// What a chain is answered from.
#[derive(Debug)]
pub(in crate::source) struct KeptChain {
    kept: Arc<KeptAnswers>,
    chain: u128,
    method: Method,
    /// Answers that were not given out, of `kept.entries`.
    next: usize,
    end: usize,
    /// Pages that were judged in their turn.
    judged: u32,
    /// Whether an answer could not be kept: nothing behind it would be used.
    is_cut: bool,
}

/// How a request was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Asked {
    request: u128,
    /// Where the log has its answer; `None`: of the API.
    pub(in crate::source) kept_at: Option<u64>,
}

/// What is to be kept of an answer, once its page is judged.
#[derive(Debug)]
pub(in crate::source) struct Keep {
    status: u16,
    path: Option<String>,
    headers: Vec<(String, String)>,
    body: Bytes,
    is_plain: bool,
}

impl KeptChain {
    pub(super) fn new(kept: Arc<KeptAnswers>, chain: u128, method: Method) -> Self {
        let next = kept.entries.partition_point(|entry| entry.chain < chain);
        let end = next + kept.entries[next..].partition_point(|entry| entry.chain == chain);
        Self { kept, chain, method, next, end, judged: 0, is_cut: false }
    }

    /// The log.
    pub(in crate::source) fn log(&self) -> Arc<KeptAnswers> {
        Arc::clone(&self.kept)
    }

    /// The tick behind all those of the answers that were kept.
    pub(in crate::source) fn ticks(&self) -> u64 {
        let answered = self.kept.entries[self.next..self.end].iter().map(|entry| entry.answered);
        answered.max().map_or(0, |last| last.saturating_add(1))
    }

    /// Who answers `request`. Behind a page that the API is asked for, the API is asked.
    pub(in crate::source) fn ask(&mut self, request: &PageRequest, is_behind_api: bool) -> Asked {
        let request = self.kept.key(self.method, request);
        let next = self.kept.entries[self.next..self.end].first();
        let kept_at = next.filter(|entry: &&Entry| !is_behind_api && entry.request == request).map(|entry| entry.offset);
        self.next += usize::from(kept_at.is_some());
        Asked { request, kept_at }
    }

    /// Whether nothing more of it is kept.
    pub(in crate::source) fn is_over(&self) -> bool {
        self.is_cut || self.kept.writer.is_over()
    }

    /// A page was judged in its turn: what is to be written of it. One of the API that was not dropped by a rule ends what is answered from the log.
    pub(in crate::source) fn judged(
        &mut self,
        (asked, Span { sent, answered }): (Asked, Span),
        is_dropped: bool,
        keep: Option<Keep>,
        now: DateTime<Utc>,
    ) -> Option<KeptAnswer> {
        let position = self.judged;
        self.judged = self.judged.saturating_add(1);
        if asked.kept_at.is_some() || is_dropped {
            return None;
        }
        self.next = self.end;
        self.is_cut |= keep.is_none();
        let Keep { status, path, headers, body, is_plain } = keep.filter(|_| !self.is_cut)?;
        let (chain, request, at) = (self.chain, asked.request, now.timestamp());
        let head = Head {
            chain,
            position,
            request,
            sent,
            answered,
            at,
            status,
            path,
            headers,
            is_packed: false,
            body_bytes: 0,
            kept_bytes: 0,
            checksum: 0,
        };
        Some(KeptAnswer { head, body, is_plain })
    }
}

impl KeptAnswers {
    /// Has an answer written, unless the log has ended.
    pub(in crate::source) async fn keep(&self, answer: KeptAnswer) {
        self.writer.keep(answer).await;
    }
}

/// What is to be kept of `answer`, which was asked for at `requested`; `None` of one that is too large, or may hold a credential: it is asked for again.
pub(in crate::source) fn keep_of(answer: &Answer, requested: &Url, redactor: &Redactor) -> Option<Keep> {
    let Answer { url, headers, status, body, packed, spooled, skipped, .. } = answer;
    if spooled.is_some() || skipped.is_some() || redactor.shows_credential(body) {
        return None;
    }
    let path = (url.path() != requested.path()).then(|| url.path().to_owned());
    let mut same = requested.clone();
    same.set_path(url.path());
    // The rest of where a redirect leads may be what lets somebody in.
    if same != *url || path.as_ref().is_some_and(|path| redactor.shows_credential(path.as_bytes())) {
        return None;
    }
    let headers = texts(headers, redactor)?;
    let (body, is_plain) = packed.as_ref().map_or((body, true), |packed| (packed, false));
    (body.len() as u64 <= BODY_BYTES_MAX).then(|| Keep { status: *status, path, headers, body: body.clone(), is_plain })
}

/// The headers but for those that let somebody in; `None` where another one shows a credential.
fn texts(headers: &HeaderMap, redactor: &Redactor) -> Option<Vec<(String, String)>> {
    let kept = headers.iter().filter(|(name, _)| !CREDENTIALS.contains(&name.as_str()));
    kept.map(|(name, value)| {
        let text = value.as_bytes().iter().copied().map(char::from).collect();
        (!redactor.shows_credential(value.as_bytes())).then(|| (name.as_str().to_owned(), text))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;
    use crate::source::Slice;
    use crate::source::kept::Terms;

    fn terms() -> Terms {
        Terms {
            resource: "x".to_owned(),
            run: "r".to_owned(),
            fingerprint: 1,
            base: "b".to_owned(),
            started: "2026-11-30T03:15:00.123456789Z".parse().unwrap(),
            age_max: Duration::from_secs(3600),
            salt: 7,
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn request(page: u64) -> PageRequest {
        PageRequest { number: page, url: format!("http://api.test/x?page={page}").parse().unwrap(), body: None }
    }

    fn keep() -> Option<Keep> {
        Some(Keep { status: 200, path: None, headers: Vec::new(), body: Bytes::from_static(b"[]"), is_plain: true })
    }

    fn chain(kept: &Arc<KeptAnswers>) -> KeptChain {
        kept.chain(&Slice::default(), Method::Get, &request(1))
    }

    /// A log with the answers to pages 1 to 5.
    async fn five() -> File {
        let file = tempfile::tempfile().unwrap();
        let kept = Arc::new(KeptAnswers::begin(file.try_clone().unwrap(), &terms()).unwrap());
        let mut chain = chain(&kept);
        for page in 1..=5 {
            let asked = chain.ask(&request(page), false);
            assert_eq!(asked.kept_at, None);
            let answer =
                chain.judged((asked, Span { sent: page, answered: page + 2 }), false, keep(), at("2026-11-30T04:00:00Z"));
            kept.keep(answer.unwrap()).await;
        }
        kept.finish();
        std::io::Seek::rewind(&mut &file).unwrap();
        file
    }

    fn gone_on(file: &File, terms: &Terms, now: &str) -> Option<Arc<KeptAnswers>> {
        std::io::Seek::rewind(&mut &*file).unwrap();
        KeptAnswers::go_on(file.try_clone().unwrap(), terms, at(now)).unwrap().map(Arc::new)
    }

    const SOON: &str = "2026-11-30T04:30:00Z";

    #[tokio::test]
    async fn a_log_is_gone_on_with_under_its_terms_and_in_its_time() {
        let file = five().await;
        let later = Terms { run: "s".to_owned(), started: at(SOON), salt: 8, ..terms() };
        let kept = gone_on(&file, &later, SOON).unwrap();
        assert_eq!((kept.started(), kept.left().unwrap().pages), (terms().started, 5));
        for now in ["2026-11-30T05:00:00Z", "2026-11-30T02:59:59Z", "2027-11-30T05:00:00Z"] {
            assert!(gone_on(&file, &later, now).is_none(), "{now}");
        }
        let other = |change: fn(&mut Terms)| {
            let mut terms = later.clone();
            change(&mut terms);
            gone_on(&file, &terms, SOON).is_none()
        };
        assert!(other(|terms| terms.fingerprint = 2));
        assert!(other(|terms| terms.base = "c".to_owned()));
        assert!(other(|terms| terms.resource = "y".to_owned()));
        assert!(!other(|terms| terms.age_max = Duration::from_secs(1801)));
    }

    #[tokio::test]
    async fn behind_an_answer_of_the_api_no_kept_one_counts() {
        let file = five().await;
        let kept = gone_on(&file, &terms(), SOON).unwrap();
        let mut read = chain(&kept);
        assert_eq!(read.ticks(), 8, "what is asked now comes behind all that was answered");
        // Behind a page that the API was asked for, and that is not judged.
        let first = read.ask(&request(1), false);
        assert!(first.kept_at.is_some() && read.judged((first, Span::default()), false, None, at(SOON)).is_none());
        assert_eq!(read.ask(&request(7), false).kept_at, None, "it was another request");
        assert_eq!(read.ask(&request(2), true).kept_at, None);
        // That page turned out void: what follows is what was kept.
        let second = read.ask(&request(2), false);
        assert!(second.kept_at.is_some());
        // A page that a rule drops has no rows.
        let dropped = read.ask(&request(9), false);
        assert!(read.judged((dropped, Span::default()), true, None, at(SOON)).is_none());
        let third = read.ask(&request(3), false);
        assert!(third.kept_at.is_some());
        // A page that counts ends it.
        let of_api = read.ask(&request(10), false);
        assert!(read.judged((of_api, Span::default()), false, keep(), at(SOON)).is_some());
        assert_eq!(read.ask(&request(4), false).kept_at, None);
    }

    #[tokio::test]
    async fn behind_an_answer_that_cannot_be_kept_none_is() {
        let kept = Arc::new(KeptAnswers::begin(tempfile::tempfile().unwrap(), &terms()).unwrap());
        let mut chain = chain(&kept);
        for (page, keep, is_kept) in [(1, keep(), true), (2, None, false), (3, keep(), false)] {
            let asked = chain.ask(&request(page), false);
            assert_eq!(chain.judged((asked, Span::default()), false, keep, at(SOON)).is_some(), is_kept, "page {page}");
        }
    }

    #[tokio::test]
    async fn chains_are_told_apart_by_what_they_are_for() {
        use crate::source::ParentRecord;
        let file = five().await;
        let kept = gone_on(&file, &terms(), SOON).unwrap();
        let of_record = |value: &str| {
            let record = ParentRecord { number: 0, values: vec![Some(value.into())] };
            kept.chain(&Slice { parents: vec![record], cursor: None }, Method::Get, &request(1)).chain
        };
        let all =
            [chain(&kept).chain, of_record("1"), of_record("2"), kept.chain(&Slice::default(), Method::Post, &request(1)).chain];
        assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    }
}
