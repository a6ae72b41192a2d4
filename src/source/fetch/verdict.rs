//! The one judgement of every end, whatever the paginator: it contradicts nothing that the pages tell, or the resource fails.
//!
//! In: totals and signs of all pages that counted, and how the paginator ended. Out: nothing, a warning where the config accepts it, or an error
//! with a way out. `expect: {total: estimate}` silences all of it; where the paginator was detected, what is no total speaks still.

use crate::config::{PaginatorPlan, Slot, StopRules, TotalPath, paginator_words, path_words};
use crate::source::error::{PagingFault, Place};
use crate::source::fetch::Fetch;
use crate::source::flight::Tally;
use crate::source::paginate::{
    ALL, NO_NEXT, Proof, Seen, USUAL_SIZES, Way, estimate, is_page_parameter, name_of, page_before, way,
};
use crate::source::{EndReason, SourceError};

impl Fetch {
    /// Whether the end `way` agrees with what the pages tell, `read` records in all.
    ///
    /// # Errors
    /// [`PagingFault::FirstPageEmpty`], [`PagingFault::TotalMissed`], [`PagingFault::CopiesCounted`], [`PagingFault::PagesMissed`],
    /// [`PagingFault::MorePages`].
    pub(super) fn check_end(&self, place: &Place, end: &Way, read: u64) -> Result<(), SourceError> {
        let hears_totals = self.totals.are_looked_for();
        let hears_signs = hears_totals || self.plan == PaginatorPlan::Undeclared;
        if hears_totals && self.tally.ignored == 0 {
            self.check_first(place, hears_signs)?;
            self.check_totals(place, read)?;
            self.check_copies(place, read)?;
            self.check_pages(place, end)?;
        }
        if hears_signs { self.check_signs(place, end) } else { Ok(()) }
    }

    /// How far a total speaks for what was read.
    pub(super) fn proof(&self, read: u64) -> Proof {
        let Tally { total, total_is_bound, first: (first_records, first_total), tells_all, ignored, .. } = self.tally;
        let declared = total.filter(|_| !total_is_bound).or(self.paginator.total_records());
        let is_met = declared == Some(read);
        let is_all =
            self.totals.proves(read) || self.paginator.meets_total() || is_met && first_total == declared && read > first_records;
        let may_be_size = USUAL_SIZES.contains(&first_records);
        match (ignored == 0 && is_all, tells_all && !may_be_size) {
            (true, _) => Proof::Strong,
            (false, true) => Proof::Weak,
            (false, false) => Proof::None,
        }
    }

    /// Pages that the request itself passes over.
    pub(super) fn passed_over(&self) -> u64 {
        match &self.plan {
            PaginatorPlan::PageNumber { base_page, page, .. } => page.saturating_sub(*base_page),
            // Nobody knows how many pages those are.
            PaginatorPlan::Offset { offset: 2.., .. } => u64::MAX / 2,
            _ => {
                let own = self.call.template.asked.iter().find(|(slot, _)| is_page_parameter(name_of(slot)));
                own.map_or(0, |(_, number)| number.saturating_sub(1))
            }
        }
    }

    /// Whether the first page, where the request has its number and the paginator none, tells of one before it.
    ///
    /// # Errors
    /// [`PagingFault::NotFirst`].
    pub(super) fn check_begin(&self, page: &Seen<'_>) -> Result<(), SourceError> {
        if page.page > 1 || self.first_number.is_some() || !self.totals.are_looked_for() {
            return Ok(());
        }
        let asked = page.asked.iter().find(|(slot, _)| is_page_parameter(name_of(slot)));
        let said = asked.and_then(|(_, number)| page_before(page, *number, false));
        said.map_or(Ok(()), |said| Err(PagingFault::NotFirst { place: page.at(), said }.into()))
    }

    /// Whether an only page without records says that there are others.
    fn check_first(&self, place: &Place, takes_signs: bool) -> Result<(), SourceError> {
        let counts = matches!(self.plan, PaginatorPlan::Offset { .. } | PaginatorPlan::PageNumber { .. });
        let Some(said) = self.promises.of_empty(counts, takes_signs).filter(|_| self.tally.pages == 1) else { return Ok(()) };
        let error = PagingFault::FirstPageEmpty { place: place.clone(), said, number: self.first_number };
        self.accept_or(SourceError::from(error), true)
    }

    /// Whether the totals that nobody declared are met. Where only the name of one says so, and rows before a cursor are not asked for,
    /// it may well count these too.
    fn check_totals(&self, place: &Place, read: u64) -> Result<(), SourceError> {
        let exceeded = || self.totals.exceeded(read, self.promises.filled(), self.drift.has_overlap());
        let (told, total, way) = match (self.totals.beyond(read), exceeded()) {
            (Some(told), _) => (told, told.total(), way(&self.plan)),
            (None, Some(told)) => {
                (told, told.most(), "do pages overlap, or come again? Look at the paginator's type and parameters")
            }
            (None, None) => return Ok(()),
        };
        let (place, of) = (place.clone(), told.shown());
        let error = SourceError::from(if read == 0 && self.first_number == Some(0) {
            PagingFault::FirstPageEmpty { place, said: format!("{of} says {total}"), number: self.first_number }
        } else {
            PagingFault::TotalMissed { place, of, read, total, way, estimate: estimate(&self.plan) }
        });
        self.accept_or(error, told.is_guess())
    }

    /// Whether as many different records came as the API counts, where as many came.
    fn check_copies(&self, place: &Place, read: u64) -> Result<(), SourceError> {
        let Some((distinct, total)) = self.drift.lacks(read) else { return Ok(()) };
        let (place, estimate) = (place.clone(), estimate(&self.plan));
        let error = PagingFault::CopiesCounted { place, read, distinct, total, estimate };
        self.accept_or(SourceError::from(error), false)
    }

    /// Whether as many pages have records as the API tells of. A paginator that counts pages by a total of its own judges that itself.
    fn check_pages(&self, place: &Place, end: &Way) -> Result<(), SourceError> {
        let Some(told) = self.promises.pages_missed(end) else { return Ok(()) };
        let read = self.promises.filled();
        let (place, of, total) = (place.clone(), told.shown.clone(), told.number);
        let is_base = self.first_number == Some(1) && end.reason == EndReason::EmptyPage && read + 1 == total;
        let way = if is_base {
            format!("page {total} of {total} is empty: does the API count from 0? Write `base_page: 0`")
        } else if self.plan == PaginatorPlan::Undeclared {
            way(&self.plan).to_owned()
        } else {
            format!("how does it page? Write `paginator: {}`", paginator_words(&self.likely(end)))
        };
        let error = PagingFault::PagesMissed { place, of, read, total, way, estimate: estimate(&self.plan) };
        self.accept_or(SourceError::from(error), true)
    }

    /// Whether nothing says that there are more pages.
    fn check_signs(&self, place: &Place, end: &Way) -> Result<(), SourceError> {
        let Some(hint) = self.promises.contradiction(end) else { return Ok(()) };
        let how = match end.reason {
            EndReason::EmptyPage => format!("page {} has no records", place.page),
            EndReason::TotalReached => "as many came as the total says".to_owned(),
            EndReason::HasMoreFalse | EndReason::EndTrue => {
                let stop = self.plan.stop();
                let path = stop.and_then(|stop| {
                    if end.reason == EndReason::EndTrue { stop.end_path.as_ref() } else { stop.has_more_path.as_ref() }
                });
                format!(
                    "{} says that there is no more",
                    path.map_or_else(|| "a flag".to_owned(), |path| format!("`{}`", path_words(path)))
                )
            }
            _ => NO_NEXT.to_owned(),
        };
        let likely = paginator_words(&self.likely(end));
        let write = match &self.plan {
            PaginatorPlan::Undeclared => {
                format!("paginator: {likely}`, or, if this is all, `paginator: {{type: single_page}}` and `{ALL}")
            }
            PaginatorPlan::Offset { stop: StopRules { total: TotalPath::Required(_), .. }, .. } => {
                format!("paginator: {likely}`, or, if this is all, `{ALL}` in place of the paginator's `total_path")
            }
            _ => format!("paginator: {likely}`, or, if this is all, `{ALL}"),
        };
        Err(SourceError::from(PagingFault::MorePages { place: place.clone(), how, hint, write }))
    }

    /// The paginator that the pages speak for: a link or cursor that they name; behind offsets that lead nowhere, page numbers under the same
    /// name; else what detection would take.
    fn likely(&self, end: &Way) -> PaginatorPlan {
        let named = self.suggested.clone().filter(|plan| {
            !matches!(plan, PaginatorPlan::Offset { .. } | PaginatorPlan::PageNumber { .. }) || end.reason != EndReason::EmptyPage
        });
        match (&self.plan, named) {
            (_, Some(named)) => named,
            (PaginatorPlan::Offset { offset_slot, stop, .. }, None) => {
                let page_slot =
                    if end.reason == EndReason::EmptyPage { offset_slot.clone() } else { Slot::Param("page".to_owned()) };
                let total = if let TotalPath::Required(_) = stop.total { TotalPath::None } else { stop.total.clone() };
                let stop = StopRules { total, maximum: None, ..stop.clone() };
                PaginatorPlan::PageNumber { base_page: 0, page: 0, page_slot, stop }
            }
            _ => self.suggested.clone().unwrap_or(PaginatorPlan::Undeclared),
        }
    }
}
