//! One chain of pages, as far as its answers were kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use url::Url;

use crate::config::Method;
use crate::source::attempt::Answer;
use crate::source::flight::Span;
use crate::source::kept::log::{self, BODY_BYTES_MAX, Entry, Head, Spot};
use crate::source::kept::{KeptAnswer, KeptAnswers};
use crate::source::paginate::{Place, Position};
use crate::source::preview::Redactor;
use crate::source::request::{PageRequest, Template};

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
    /// Whether one of them was of the API.
    has_gained: bool,
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

/// What was kept of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Standing {
    /// Nothing, or nothing that another run can go on from.
    Nothing,
    /// All of it.
    Whole,
    /// Its begin, of more than one page: where the log has its first page, and its last one with records.
    Begun { first: u64, last: u64 },
}

/// A page that the log has: its request, and a hash of the records that count of it.
#[derive(Debug)]
pub(in crate::source) struct LastPage {
    pub(in crate::source) request: PageRequest,
    pub(in crate::source) records: Option<u128>,
}

/// What is to be kept of an answer, once its page is judged.
#[derive(Debug)]
pub(in crate::source) struct Keep {
    spot: Spot,
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
        Self { kept, chain, method, next, end, judged: 0, has_gained: false, is_cut: false }
    }

    /// What was kept of it.
    pub(in crate::source) fn standing(&self) -> Standing {
        let entries = &self.kept.entries[self.next..self.end];
        // A page that a rule dropped is not there, and may count now.
        if entries.last().is_some_and(|last| last.is_last && last.position as usize + 1 == entries.len()) {
            return Standing::Whole;
        }
        let last = entries.iter().rfind(|entry| entry.has_records);
        let begun = |(first, last): (&Entry, &Entry)| Standing::Begun { first: first.offset, last: last.offset };
        // Where that is the first page, it is asked for again anyway, and tells what comes behind it.
        entries.first().zip(last).filter(|(first, last)| first.offset != last.offset).map_or(Standing::Nothing, begun)
    }

    /// What was kept from the page at `offset` on counts no more: the API is asked for it again, since only what it says today leads on.
    pub(in crate::source) fn end_before(&mut self, offset: u64) {
        let entries = &self.kept.entries[self.next..self.end];
        self.end = self.next + entries.iter().position(|entry| entry.offset == offset).unwrap_or(0);
    }

    /// Nothing that was kept of it counts.
    pub(in crate::source) fn forget(&mut self) {
        self.next = self.end;
    }

    /// Whether the log had all of it, and has given it out: what is behind is not there.
    pub(in crate::source) fn is_given_out(&self) -> bool {
        let all = &self.kept.entries[..self.end];
        self.next == self.end && !self.has_gained && all.last().is_some_and(|last| last.chain == self.chain && last.is_last)
    }

    fn head(&self, (position, request, Span { sent, answered }): (u32, u128, Span), spot: Spot, now: DateTime<Utc>) -> Head {
        Head {
            chain: self.chain,
            position,
            request,
            spot,
            records: None,
            is_last: false,
            sent,
            answered,
            at: now.timestamp(),
            status: 0,
            path: None,
            headers: Vec::new(),
            is_packed: false,
            body_bytes: 0,
            kept_bytes: 0,
            checksum: 0,
        }
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
        (asked, span): (Asked, Span),
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
        self.has_gained = true;
        self.is_cut |= keep.is_none();
        let Keep { spot, status, path, headers, body, is_plain } = keep.filter(|_| !self.is_cut)?;
        let head = Head { status, path, headers, ..self.head((position, asked.request, span), spot, now) };
        Some(KeptAnswer { head, body, is_plain })
    }
}

impl KeptAnswer {
    /// Adds what its page came to: a hash of its records, if they count, and whether its chain ended with it.
    pub(in crate::source) fn came_to(mut self, records: Option<u128>, is_last: bool) -> Self {
        (self.head.records, self.head.is_last) = (records, is_last);
        self
    }

    /// Whether it is of the first page of its chain, and the last.
    pub(in crate::source) fn is_all(&self) -> bool {
        self.head.position == 0 && self.head.is_last
    }
}

impl KeptAnswers {
    /// Counts time that was spent on an answer that may be kept.
    pub(in crate::source) fn spend(&self, took: Duration) {
        self.writer.spend(took);
    }

    /// Has an answer written, unless the log has ended.
    pub(in crate::source) async fn keep(&self, answer: KeptAnswer) {
        self.writer.keep(answer).await;
    }

    /// The page that the log has at `offset`; `None` where `template` asks for another one there, or may not ask for it.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::source) fn page_at(&self, offset: u64, template: &Template) -> io::Result<Option<LastPage>> {
        let (Head { position, request: known, spot, records, .. }, _) = self.read(offset)?;
        let place = match spot {
            Spot::Slots(slots) => Place::Slots(slots),
            Spot::Link(url) => match url.parse().ok().filter(|url| template.may_ask(url)) {
                Some(url) => Place::Link(url),
                None => return Ok(None),
            },
        };
        let request = template.page(u64::from(position) + 1, &Position { ordinal: 0, place });
        let is_same = self.key(template.method, &request) == known;
        Ok(is_same.then_some(LastPage { request, records }))
    }

    /// The answer at `offset`, its body as it came.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn read(&self, offset: u64) -> io::Result<(Head, Vec<u8>)> {
        let file = self.file.as_ref().ok_or_else(|| io::Error::other("there is no log"))?;
        log::read(file, offset)
    }
}

/// What is to be kept of `answer`, which `place` was asked for at `requested`; `None` of one that is too large, or may hold a credential: it is
/// asked for again.
pub(in crate::source) fn keep_of(answer: &Answer, (place, requested): (&Place, &Url), redactor: &Redactor) -> Option<Keep> {
    let Answer { url, headers, status, body, packed, spooled, skipped, .. } = answer;
    if spooled.is_some() || skipped.is_some() || redactor.shows_credential(body) {
        return None;
    }
    let spot = match place {
        Place::Slots(slots) => Spot::Slots(slots.clone()),
        Place::Link(link) => Spot::Link((!redactor.shows_credential(link.as_str().as_bytes())).then(|| link.to_string())?),
    };
    let path = (url.path() != requested.path()).then(|| url.path().to_owned());
    let mut same = requested.clone();
    same.set_path(url.path());
    // The rest of where a redirect leads may be what lets somebody in.
    if same != *url || path.as_ref().is_some_and(|path| redactor.shows_credential(path.as_bytes())) {
        return None;
    }
    let headers = texts(headers, redactor)?;
    let (body, is_plain) = packed.as_ref().map_or((body, true), |packed| (packed, false));
    (body.len() as u64 <= BODY_BYTES_MAX).then(|| Keep { spot, status: *status, path, headers, body: body.clone(), is_plain })
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
            credentials: 2,
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
        PageRequest { number: page, url: format!("http://api.test/x?page={page}").parse().unwrap(), body: None, may_fail: false }
    }

    fn keep() -> Option<Keep> {
        Some(Keep {
            spot: Spot::Slots(Vec::new()),
            status: 200,
            path: None,
            headers: Vec::new(),
            body: Bytes::from_static(b"[]"),
            is_plain: true,
        })
    }

    fn chain(kept: &Arc<KeptAnswers>) -> KeptChain {
        kept.chain(&Slice::default(), Method::Get, &request(1))
    }

    /// A log with the answers to pages 1 to 5.
    async fn five() -> File {
        let file = tempfile::tempfile().unwrap();
        let of_log = file.try_clone();
        let kept = Arc::new(KeptAnswers::begin(move || of_log, &terms()));
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
        assert!(other(|terms| terms.credentials = 3));
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
        let kept = Arc::new(KeptAnswers::begin(tempfile::tempfile, &terms()));
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

    /// What stands of a chain whose pages are kept at these places, whether they have records, and whether the last one ends it.
    async fn standing(pages: &[(u32, bool)], ends: bool) -> Standing {
        let mut file = tempfile::tempfile().unwrap();
        let (of_log, places) = (file.try_clone(), Arc::new(KeptAnswers::begin(tempfile::tempfile, &terms())));
        let kept = Arc::new(KeptAnswers::begin(move || of_log, &terms()));
        let template = chain(&places);
        for (at, (position, has_records)) in pages.iter().enumerate() {
            let head = template.head((*position, 0, Span::default()), Spot::Slots(Vec::new()), at_soon());
            let answer = KeptAnswer { head, body: Bytes::new(), is_plain: false };
            kept.keep(answer.came_to(has_records.then_some(1), ends && at + 1 == pages.len())).await;
        }
        kept.finish();
        std::io::Seek::rewind(&mut file).unwrap();
        gone_on(&file, &terms(), SOON).map_or(Standing::Nothing, |kept| chain(&kept).standing())
    }

    fn at_soon() -> DateTime<Utc> {
        at(SOON)
    }

    #[tokio::test]
    async fn what_stands_of_a_chain_is_all_of_it_or_its_begin_up_to_the_last_page_with_records() {
        assert_eq!(standing(&[], false).await, Standing::Nothing);
        assert_eq!(standing(&[(0, false)], false).await, Standing::Nothing, "no page shows whether rows moved");
        assert_eq!(
            standing(&[(0, true), (1, false)], false).await,
            Standing::Nothing,
            "the first page is asked for again anyway"
        );
        assert_eq!(standing(&[(0, true), (1, false)], true).await, Standing::Whole);
        for (pages, ends, last) in [
            (&[(0, true), (1, true), (2, false)][..], false, 1),
            (&[(0, true), (1, true), (2, true)], false, 2),
            // A page that a rule dropped may count by now.
            (&[(0, true), (2, true)], true, 1),
        ] {
            let Standing::Begun { first, last: found } = standing(pages, ends).await else { panic!("{pages:?}") };
            let (Standing::Begun { last: of_all, .. }, true) = (standing(&pages[..=last], false).await, first <= found) else {
                panic!("{pages:?}")
            };
            assert_eq!(found, of_all, "{pages:?}");
        }
    }
}
