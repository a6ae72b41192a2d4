//! No paginator in the config: one is detected on the first page, and has to prove itself on the second.
//!
//! dlt believes its first guess, and so repeats, skips or never ends. Here a guess counts once another page has come that shares no record
//! with the first. Until then a page that only repeats is thrown away and the next candidate is tried; when none is left, or a page
//! comes again later, or the API's total is not what was read, the resource fails with the configs to write instead.
//! Of a resource that is read by several chains, the first one that has proven a paginator settles it for those behind it: they try no
//! other, and fail where it does not hold. Whether there is more at all, each chain's own first page says.

mod fault;

use crate::base::{ErrorKind, Warning, WarningCode};
use crate::config::{Expect, ExpectTotal, PaginatorPlan};
use crate::source::drift::Places;
use crate::source::error::{PagingFault, Repeated, names_limit};
use crate::source::paginate::candidates::{Candidate, Choice, candidates, words};
use crate::source::paginate::first::{First, step_with_values, with_values};
use crate::source::paginate::guesses::guesses;
use crate::source::paginate::link::ALL;
use crate::source::paginate::pairs::USUAL_SIZES;
use crate::source::paginate::signs::says_end;
use crate::source::paginate::totals::just_the_page;
use crate::source::paginate::{Detected, Paginator, Position, Seen, Step, Trail, link, paginator};
use crate::source::{EndReason, SourceError};

/// Most candidates that are tried.
const CANDIDATES_MAX: usize = 8;
/// Pages judged before any is fetched ahead.
const PAGES_BEFORE_AHEAD: u64 = 3;

/// The paginator of a resource without one.
pub(super) struct Detect {
    expect: Expect,
    first: Option<First>,
    /// Not tried yet, the likeliest first.
    left: Vec<Candidate>,
    trial: Option<Trial>,
    pages: u64,
    records: u64,
    records_seen: Trail,
    proven: Option<Detected>,
    /// Whether a page was skipped, whose records nobody counted.
    has_skipped: bool,
    /// Whether a probe was refused, and no page with records has come since.
    is_refused: bool,
    /// Whether one was refused in words for a limit.
    is_limited: bool,
    /// Whether a total says that the first page is all: what is asked for behind it costs nothing but requests.
    is_all_told: bool,
    /// What another chain has proven.
    adopted: Option<PaginatorPlan>,
    warning: Option<Warning>,
}

/// The candidate at hand.
struct Trial {
    candidate: Candidate,
    paginator: Box<dyn Paginator>,
    is_proven: bool,
    /// Where its second page is.
    second: Option<Position>,
    /// Why the first page is asked for again, where it is.
    control: Option<Control>,
}

/// What the first page, asked for again, is to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Control {
    /// That its records stay what they are, so that other records are those of another page.
    Records,
    /// That whoever asks is answered still, so that it was the probe itself that was refused.
    Answered,
}

impl Detect {
    /// Nothing is known yet but what `expect` says of totals.
    pub(super) fn new(expect: &Expect) -> Self {
        Self {
            expect: expect.clone(),
            first: None,
            left: Vec::new(),
            trial: None,
            pages: 0,
            records: 0,
            records_seen: Trail::new(Repeated::Records),
            proven: None,
            has_skipped: false,
            is_refused: false,
            is_limited: false,
            is_all_told: false,
            adopted: None,
            warning: None,
        }
    }

    fn total_is_estimate(&self) -> bool {
        self.expect.total == ExpectTotal::Estimate
    }

    fn is_probing(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.candidate.is_probe && !trial.is_proven)
    }

    /// Chooses by the first page.
    fn begin(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        self.left = match (candidates(page, self.total_is_estimate()), self.adopted.clone()) {
            (Choice::Try(found), Some(plan)) if !found.is_empty() => vec![Candidate::adopted(plan)],
            (Choice::Ambiguous(_), Some(plan)) => vec![Candidate::adopted(plan)],
            (Choice::Try(found), _) => found,
            (Choice::Over, _) => return Ok(Step::End(EndReason::SinglePage)),
            (Choice::Ambiguous(choices), None) => {
                return Err(SourceError::from(PagingFault::AmbiguousPaginator {
                    place: page.at(),
                    choices: words(choices.iter().map(|choice| &choice.plan)),
                }));
            }
        };
        if self.left.is_empty() {
            self.left = guesses(page, self.total_is_estimate());
            self.is_all_told = !self.total_is_estimate() && just_the_page(page).is_some();
            if let Some(plan) = &self.adopted {
                // What another chain has proven for a reason that this page lacks does not hold for it.
                self.left.retain(|probe| probe.plan == *plan);
            }
            if self.left.is_empty() {
                self.more_pages(page)?;
            }
        }
        self.left.truncate(CANDIDATES_MAX);
        self.left.reverse();
        if self.left.is_empty() {
            link::more_in_headers(page)?;
            let records = page.facts.records;
            if USUAL_SIZES.contains(&records) && !page.is_last && !says_end(page) {
                self.doubt(&format!(
                    "nothing in the answer tells whether there are more pages, and {records} records are a usual page size"
                ));
            }
            return Ok(Step::End(EndReason::SinglePage));
        }
        self.first = Some(First::new(page));
        self.try_next(page)
    }

    /// Refuses a first page that tells of more and not where.
    fn more_pages(&self, page: &Seen<'_>) -> Result<(), SourceError> {
        let way = link::its_own(page, None);
        let write = format!("{way}`, or, if that is all there is, `paginator: {{type: single_page}}` and `{ALL}");
        link::more_pages(page, self.total_is_estimate(), &write)
    }

    /// Takes up the next candidate, and lets it see the first page.
    fn try_next(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        let (Some(first), Some(candidate)) = (&self.first, self.left.pop()) else { return Ok(Step::End(EndReason::SinglePage)) };
        let mut paginator = paginator(&candidate.plan, &self.expect);
        let ordinal = paginator.first().ordinal;
        let seen = first.seen(page, ordinal);
        let step = step_with_values(paginator.as_mut(), &seen)?;
        if self.adopted.is_some() && step == Step::End(EndReason::NoNext) {
            // The page tells of more, so that what another chain has proven is not this one's way.
            link::more_pages(&seen, self.total_is_estimate(), &link::its_own(&seen, None))?;
        }
        let second = if let Step::Next(second) = &step { Some(second.clone()) } else { None };
        self.trial = Some(Trial { candidate, paginator, is_proven: false, second, control: None });
        Ok(step)
    }

    /// What follows where the page at hand only repeats the first one, or is refused: the next candidate, or, where nothing but a guess spoke
    /// for any, nothing.
    fn go_back(&mut self, page: &Seen<'_>) -> Result<Option<Step>, SourceError> {
        let Some(trial) = &self.trial else { return Ok(None) };
        let (may_fail, is_probe) = (trial.candidate.may_fail, trial.candidate.is_probe);
        while may_fail && !self.left.is_empty() {
            if let Step::Next(next) = self.try_next(page)? {
                return Ok(Some(Step::Again(next)));
            }
        }
        if is_probe { self.only_page(page, Some("brought the first one again")).map(Some) } else { Ok(None) }
    }

    /// The end behind the first page, of which nothing tells but a total that is an estimate, or of that page, if anything. A refusal is a sign
    /// of that only if the first page is answered still, or a total says so: what expires or is blocked meanwhile refuses every page. An empty
    /// page or a refusal answers the question; what a second page was otherwise, in words, tells only that the guess was not understood.
    fn only_page(&mut self, page: &Seen<'_>, doubt: Option<&str>) -> Result<Step, SourceError> {
        let is_refused = std::mem::take(&mut self.is_refused);
        if is_refused
            && !self.is_all_told
            && let Some(trial) = &mut self.trial
        {
            trial.control = Some(Control::Answered);
            return Ok(Step::Again(Position::start()));
        }
        if let Some(first) = &self.first {
            let seen = first.seen(page, page.ordinal);
            self.more_pages(&seen)?;
            link::more_in_headers(&seen)?;
            let refusal = self.is_limited.then_some("was refused in words for a limit");
            if let Some(what) = refusal.or(doubt.filter(|_| !is_refused)) {
                let records = seen.facts.records;
                self.doubt(&format!(
                    "what was asked for as a second page {what}, and {records} records are a full page; write how the API pages"
                ));
            }
        }
        Ok(Step::Over(EndReason::SinglePage))
    }

    /// Warns that there may be more pages.
    fn doubt(&mut self, why: &str) {
        let text = format!("{why}; if they are all there is, write `paginator: single_page`");
        self.warning = Some(Warning::new(WarningCode::MorePagesInDoubt, text));
    }

    /// Whether the second page is another one than the first.
    fn prove(&mut self, page: &Seen<'_>) -> Result<Option<Step>, SourceError> {
        let Some(first) = &self.first else { return Ok(None) };
        let records = page.facts.records;
        let known = page.facts.record_hashes.iter().filter(|hash| first.hashes.contains(hash)).count() as u64;
        let repeats = records > 0 && (page.facts.records_hash == first.facts.records_hash || known == records);
        if let Some(step) = self.control(page, repeats, known)? {
            return Ok(Some(step));
        }
        self.is_refused &= records == 0;
        if self.is_probing() && records == 0 {
            return self.only_page(page, None).map(Some);
        }
        if (repeats || known > 0 && self.is_probing() && self.is_all_told)
            && let Some(step) = self.go_back(page)?
        {
            return Ok(Some(step));
        }
        if repeats || known > 0 {
            let what = if repeats { "the records".to_owned() } else { format!("{known} of the records") };
            return Err(self.failed(page, format!("page {} has {what} of page 1 again", page.page)));
        }
        if records > 0
            && let Some(trial) = &mut self.trial
        {
            trial.is_proven = true;
            if self.adopted.is_none() {
                self.proven = Some(Detected { plan: trial.candidate.plan.clone(), from: trial.candidate.from.clone() });
            }
        }
        Ok(None)
    }

    /// Records that differ on every request would prove any guess: the first page has to come again as it was, before a probe counts that
    /// found others.
    fn control(&mut self, page: &Seen<'_>, repeats: bool, known: u64) -> Result<Option<Step>, SourceError> {
        let records = page.facts.records;
        let Some(trial) = self.trial.as_mut().filter(|trial| trial.candidate.is_probe) else { return Ok(None) };
        match trial.control {
            None => {
                let is_other = records > 0 && known == 0 && !repeats;
                trial.control = is_other.then_some(Control::Records);
                return Ok(is_other.then(|| Step::Again(Position::start())));
            }
            Some(Control::Answered) if records == 0 => {
                let why = "page 1 has no records when it is asked for again, behind a page that was refused".to_owned();
                return Err(self.failed(page, why));
            }
            Some(Control::Answered) => return self.only_page(page, None).map(Some),
            Some(Control::Records) => {}
        }
        if !repeats && known * 2 < records || records == 0 {
            if self.is_all_told {
                return self.only_page(page, Some("brought records that differ on every request")).map(Some);
            }
            let why =
                "page 1 has other records when it is asked for again, so that nothing tells one page from another".to_owned();
            return Err(self.failed(page, why));
        }
        trial.control = None;
        // Seen as a page of its own: it is the second one from here on.
        trial.candidate.is_probe = false;
        Ok(trial.second.clone().map(Step::Again))
    }

    fn go_on(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        if page.facts.records > 0
            && !page.is_reread
            && let Err(SourceError::Paging(PagingFault::Repeats { earlier, .. })) =
                self.records_seen.note(page, page.facts.records_hash)
        {
            return Err(self.failed(page, format!("page {} has the records of page {earlier} again", page.page)));
        }
        self.records += page.facts.records;
        let Some(trial) = &mut self.trial else { return Ok(Step::End(EndReason::SinglePage)) };
        match step_with_values(trial.paginator.as_mut(), page) {
            Ok(Step::End(reason)) => {
                self.check_total(page)?;
                Ok(Step::End(reason))
            }
            Ok(step) => Ok(step),
            // Some name a next page for ever.
            Err(SourceError::Paging(PagingFault::Repeats { .. })) if self.is_total_met(page) => {
                Ok(Step::End(EndReason::TotalReached))
            }
            Err(SourceError::Paging(PagingFault::Repeats { earlier, .. })) => {
                Err(self.failed(page, format!("page {} leads where page {earlier} led, and so on for ever", page.page)))
            }
            Err(SourceError::Paging(PagingFault::TotalContradicted { unit, read, total, .. })) => {
                let instead = self.trial.as_ref().and_then(|trial| trial.candidate.without_total());
                self.left.extend(instead.filter(|_| read > total));
                Err(self.failed(page, format!("it ended after {read} {unit}, but the API's total is {total}")))
            }
            Err(other) => Err(other),
        }
    }
}

impl Paginator for Detect {
    fn ahead(&self, last: &Position) -> Option<Position> {
        let trial = self.trial.as_ref().filter(|trial| trial.is_proven && self.pages >= PAGES_BEFORE_AHEAD)?;
        trial.paginator.ahead(last)
    }

    fn step(&mut self, page: &Seen<'_>) -> Result<Step, SourceError> {
        self.pages += 1;
        if self.pages == 1 {
            self.records = page.facts.records;
            if page.facts.records > 0 {
                self.records_seen.note(page, page.facts.records_hash)?;
            }
            return self.begin(page);
        }
        if self.trial.as_ref().is_some_and(|trial| !trial.is_proven)
            && let Some(step) = self.prove(page)?
        {
            return Ok(step);
        }
        self.go_on(page)
    }

    fn warning(&mut self) -> Option<Warning> {
        self.warning.take().or_else(|| self.trial.as_mut().and_then(|trial| trial.paginator.warning()))
    }

    fn ended(&mut self, page: &Seen<'_>, reason: EndReason) -> Result<(), SourceError> {
        self.trial.as_mut().map_or(Ok(()), |trial| trial.paginator.ended(page, reason))
    }

    fn minds_repeats(&self) -> bool {
        true
    }

    fn places(&self) -> Places {
        self.trial.as_ref().map_or(Places::None, |trial| Places::of(&trial.candidate.plan, trial.is_proven))
    }

    fn total_of(&self, page: &Seen<'_>) -> Option<u64> {
        let trial = self.trial.as_ref()?;
        let facts = with_values(trial.paginator.as_ref(), page);
        trial.paginator.total_of(&Seen { facts: &facts, ..*page })
    }

    fn take_back(&mut self, records: u64) {
        self.records = self.records.saturating_sub(records);
        if let Some(trial) = &mut self.trial {
            trial.paginator.take_back(records);
        }
    }

    fn pass_over(&mut self) {
        self.has_skipped = true;
        if let Some(trial) = &mut self.trial {
            trial.paginator.pass_over();
        }
    }

    fn waits_its_turn(&self, page: &Seen<'_>) -> bool {
        let may_go_on = || match candidates(page, self.total_is_estimate()) {
            Choice::Try(found) => !found.is_empty() || !guesses(page, self.total_is_estimate()).is_empty(),
            Choice::Ambiguous(_) => true,
            Choice::Over => false,
        };
        self.pages == 0 && may_go_on()
    }

    fn refused(&mut self, page: &Seen<'_>, error: SourceError) -> Result<Step, SourceError> {
        self.is_limited |= error.names_limit();
        let is_asked = self.is_probing() && self.trial.as_ref().is_some_and(|trial| trial.control.is_none());
        if is_asked && matches!(error, SourceError::Refused { status: 416, .. }) {
            // The place is understood, and nothing is there.
            self.is_refused = true;
            return self.only_page(page, None);
        }
        let is_of_answer = matches!(error.kind(), ErrorKind::Data | ErrorKind::Unavailable | ErrorKind::Credentials);
        if is_of_answer && let Some(step) = self.no_page(page) {
            return step;
        }
        if self.trial.as_ref().is_some_and(|trial| trial.control.is_some()) {
            return Err(match error {
                SourceError::Refused { place, status, preview } => SourceError::NoLongerAnswered { place, status, preview },
                other => other,
            });
        }
        let is_refused = matches!(
            error,
            SourceError::Refused { .. }
                | SourceError::EmptyBody { .. }
                | SourceError::ParentSkipped { .. }
                | SourceError::Credentials { withheld: false, .. }
                | SourceError::TokenRefused { .. }
        );
        // The API may not know the parameter: the next one may be its own.
        let has_other = !self.left.is_empty() && self.trial.as_ref().is_some_and(|trial| !trial.is_proven);
        let is_unknown = has_other && matches!(error, SourceError::Refused { status: 400 | 404 | 422, .. });
        if !(is_unknown || is_refused && self.is_probing()) {
            return Err(error);
        }
        self.is_refused |= self.is_probing();
        self.go_back(page)?.ok_or(error)
    }

    fn is_trial(&self) -> bool {
        self.is_probing()
    }

    fn no_page(&mut self, page: &Seen<'_>) -> Option<Result<Step, SourceError>> {
        if !self.is_all_told || !self.is_probing() {
            return None;
        }
        self.is_refused = true;
        self.is_limited |= page.facts.failure.as_ref().is_some_and(|(_, said)| names_limit(said));
        self.go_back(page).transpose()
    }

    fn pages_left(&self) -> Option<u64> {
        self.trial.as_ref().and_then(|trial| trial.paginator.pages_left())
    }

    fn adopt(&mut self, plan: PaginatorPlan) {
        self.adopted = Some(plan);
    }

    fn detected(&mut self) -> Option<Detected> {
        self.proven.take()
    }

    fn own_places(&self) -> Vec<String> {
        self.trial.as_ref().map(|trial| trial.paginator.own_places()).unwrap_or_default()
    }

    fn total_records(&self) -> Option<u64> {
        self.trial.as_ref().and_then(|trial| trial.paginator.total_records())
    }
}
