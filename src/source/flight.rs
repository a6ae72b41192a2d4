//! What is on its way in a fetch: pages requested, received and delivered, and the tally of those accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use reqwest::header::HeaderMap;
use tokio::sync::{Notify, oneshot};
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::source::attempt::Answer;
use crate::source::client::Call;
use crate::source::error::Place;
use crate::source::kept::{Asked, Keep};
use crate::source::page::{Skipped, Verdict};
use crate::source::paginate::{Position, Seen};
use crate::source::{EndReason, PageFacts, SourceError};

/// Requests without an answer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pub(super) count: AtomicUsize,
    /// Told when one of them has its answer, or is given up.
    pub(super) answered: Notify,
    /// Counts what was sent and what was answered, so that it is known which came first.
    ticks: AtomicU64,
}

impl Requests {
    /// Requests behind others that ended before `tick`.
    pub(super) fn behind(tick: u64) -> Self {
        Self { ticks: AtomicU64::new(tick), ..Self::default() }
    }

    /// The number of what happens here.
    pub(super) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
}

/// When a page was asked for, and when it was answered, by the ticks of its chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) sent: u64,
    pub(super) answered: u64,
}

/// One of [`Requests`], until it is dropped.
pub(super) struct UnderWay(Arc<Requests>);

impl UnderWay {
    pub(super) fn begin(requests: &Arc<Requests>) -> Self {
        requests.count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(requests))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.answered.notify_one();
    }
}

/// A page that was requested.
pub(super) struct Flight {
    pub(super) number: u64,
    pub(super) position: Position,
    /// When it was asked for, by the ticks of its chain.
    pub(super) sent: u64,
    /// Where answers are kept: how it was asked.
    pub(super) asked: Option<Asked>,
    pub(super) answer: AbortOnDropHandle<(Span, Result<Answer, SourceError>)>,
}

/// A page that was received, or not.
pub(super) struct Arrived {
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) span: Span,
    pub(super) asked: Option<Asked>,
    pub(super) answer: Result<Answer, SourceError>,
}

/// A page that was delivered, and waits to be judged.
pub(super) struct Delivered {
    pub(super) number: u64,
    pub(super) position: Position,
    pub(super) span: Span,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// Whether it came with 206.
    pub(super) is_part: bool,
    pub(super) bytes: u64,
    pub(super) asked: Option<Asked>,
    /// What is to be kept of it once it is judged.
    pub(super) keep: Option<Keep>,
    /// Set when a rule drops it: it went to nobody.
    pub(super) skipped: Option<Skipped>,
    /// Not what follows the page before it.
    pub(super) is_void: bool,
    pub(super) facts: oneshot::Receiver<PageFacts>,
    pub(super) verdict: oneshot::Sender<Verdict>,
}

impl Delivered {
    /// For the paginator.
    pub(super) fn seen<'a>(&'a self, call: &'a Call, facts: &'a PageFacts, is_reread: bool) -> Seen<'a> {
        let template = &call.template;
        Seen {
            resource: &template.resource,
            page: self.number,
            url: &self.url,
            headers: &self.headers,
            ordinal: self.position.ordinal,
            facts,
            reach: &template.reach,
            asked: &template.asked,
            is_reread,
            is_part: self.is_part,
            is_last: false,
            has_json: template.has_json(),
            largest: 0,
            more: None,
        }
    }
}

/// What was accepted so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) pages: u64,
    pub(super) records: u64,
    /// Those of them that came once more because pages were read again.
    pub(super) read_again: u64,
    /// Pages that a rule dropped.
    pub(super) ignored: u64,
    pub(super) empty_in_a_row: u32,
    /// Records of the largest page and of the last one.
    pub(super) largest: u64,
    pub(super) last: u64,
    /// The number of the page that was judged last.
    pub(super) judged: u64,
    /// Pages in a row that were about as large as the largest.
    pub(super) full_in_a_row: u64,
    /// The latest value at `expect.total`.
    pub(super) total: Option<u64>,
    /// Whether there may be more than that.
    pub(super) total_is_bound: bool,
    /// What `expect.total` most likely stands for, where it finds nothing.
    pub(super) near_total: Option<String>,
    /// Records of the first page, and the total that the config has it look for.
    pub(super) first: (u64, Option<u64>),
    /// Whether that page is as large as pages get.
    pub(super) is_first_full: bool,
    /// The latest total that the config has it look for.
    pub(super) latest: Option<u64>,
    /// Whether nothing showed that a total is true, so that it proves nothing.
    pub(super) is_unproven: bool,
    /// How the pages ended.
    pub(super) ended: Option<EndReason>,
    /// Whether the page that was judged last has a total of just what was read.
    pub(super) tells_all: bool,
    /// Whether the page that was judged last says outright that there is more.
    pub(super) promises_more: bool,
    /// Whether it says that no page follows.
    pub(super) says_end: bool,
    /// Rows that are still wanted, where they are limited.
    pub(super) wanted: Option<u64>,
    /// Whether the paginator was detected.
    pub(super) is_detected: bool,
    /// The void page with records that lies farthest: its place and number.
    pub(super) farthest_void: Option<(u64, u64)>,
}

/// Why there are no more pages, and where.
pub(super) struct Ending {
    pub(super) reason: EndReason,
    pub(super) place: Place,
    pub(super) at: Position,
}
