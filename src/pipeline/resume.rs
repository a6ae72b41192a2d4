//! A chain whose API lets its cursors expire: begun anew from the farthest record, as often as that leads on.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::base::{Warning, WarningCode};
use crate::decode::CursorProgress;
use crate::pipeline::RunError;
use crate::pipeline::chain::{Accepted, Chains, Ended};
use crate::pipeline::cursors::{from_farthest, may_read_on};
use crate::pipeline::event::warn;
use crate::source::Chain;

/// Times in a row that reading may begin anew and come no farther.
const IN_VAIN_MAX: u32 = 3;

impl Chains<'_> {
    /// Runs a chain to its end, over as many expired cursors as it takes; its pages go to `out`.
    pub(crate) async fn run_on(&self, mut chain: Chain, out: mpsc::Sender<Accepted>) -> Ended {
        if !may_read_on(self.resource) {
            return self.run(chain, out, CursorProgress::default()).await;
        }
        let (mut before, mut progress, mut in_vain) = ((0, 0), CursorProgress::default(), 0);
        loop {
            let mut ended = self.run(chain.clone(), out.clone(), progress).await;
            match self.anew(&chain, &ended, &mut in_vain) {
                Some(next) => {
                    before = (before.0 + ended.taken.0, before.1 + ended.taken.1);
                    progress = ended.progress;
                    progress.begin_anew();
                    chain = next;
                }
                None => {
                    ended.taken = (before.0 + ended.taken.0, before.1 + ended.taken.1);
                    if let Ok(end) = &mut ended.end
                        && ended.progress.restarts > 0
                    {
                        (end.pages, end.records) = ended.taken;
                        // The API's last total is that of the last part.
                        end.total = None;
                    }
                    return ended;
                }
            }
        }
    }

    /// The chain that goes on where `chain` ended because a cursor had expired.
    fn anew(&self, chain: &Chain, ended: &Ended, in_vain: &mut u32) -> Option<Chain> {
        let error = ended.end.as_ref().err()?;
        let plan = self.resource.endpoint.incremental.as_ref()?;
        if !matches!(error, RunError::Source(source) if source.is_expired_cursor()) {
            return None;
        }
        let slice = from_farthest(plan, &chain.slice, &ended.progress)?;
        let farthest = ended.progress.farthest.as_ref()?;
        let start = chain.slice.cursor.as_ref().and_then(|cursor| cursor.range.start.as_ref());
        *in_vain = if start.is_none_or(|start| plan.is_farther(farthest, start)) { 0 } else { *in_vain + 1 };
        if *in_vain > IN_VAIN_MAX {
            return None;
        }
        let request = self.resource.endpoint.request.bind(&|binding| slice.value(binding)).ok()?;
        let text = format!(
            "{error}: taken for a cursor that has expired; reading on from {farthest}, and what comes again becomes one row by its key"
        );
        warn(self.events, &self.resource.name, [Warning::new(WarningCode::CursorExpired, text)]);
        Some(Chain { request, slice: Arc::new(slice), ..chain.clone() })
    }
}
