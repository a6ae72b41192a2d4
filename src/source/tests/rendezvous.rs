//! How fetch, decode and verdict meet: nobody waits for anything behind it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::fake_api::{FakeApi, Reply, ids};
use super::harness::*;
use crate::source::{Chain, Page, PageFacts, Reader, Source, SourceError};

/// What happens at a page, by its number.
type At = Arc<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

struct Scripted {
    reader: TestReader<'static>,
    decode: At,
    take: At,
}

impl Reader for Scripted {
    type Decoded = (u64, <TestReader<'static> as Reader>::Decoded);
    type Error = SourceError;

    fn decode(&self, page: Page) -> BoxFuture<'static, Result<Self::Decoded, SourceError>> {
        let (number, script, decoded) = (page.number, Arc::clone(&self.decode), self.reader.decode(page));
        async move {
            script(number).await;
            Ok((number, decoded.await?))
        }
        .boxed()
    }

    fn facts(&mut self, (_, page): &mut Self::Decoded) -> Option<PageFacts> {
        self.reader.facts(page)
    }

    async fn take(&mut self, (number, page): Self::Decoded) -> Result<bool, SourceError> {
        (self.take)(number).await;
        self.reader.take(page).await
    }
}

/// Five pages of ten records.
fn api() -> FakeApi {
    FakeApi::start().on("/orders", |request| {
        let offset = request.number("offset", 0);
        Reply::json(format!(r#"{{"data":{},"total":50}}"#, ids(offset.min(50)..(offset + 10).min(50))))
    })
}

fn reader(decode: At, take: At) -> Scripted {
    let wanted: &'static [crate::base::JsonPath] = Vec::leak(vec![path("total")]);
    Scripted { reader: TestReader::new(wanted), decode, take }
}

/// Decodes page 3 with all of the `budget` until page 2 is being taken, which says so by `is_taken`; page 2 is decoded once that has begun.
fn greedy(budget: &Arc<Semaphore>, is_taken: &CancellationToken) -> At {
    let (budget, is_taken, has_budget) = (Arc::clone(budget), is_taken.clone(), CancellationToken::new());
    Arc::new(move |page| {
        let (budget, is_taken, has_budget) = (Arc::clone(&budget), is_taken.clone(), has_budget.clone());
        async move {
            match page {
                2 => has_budget.cancelled().await,
                3 => {
                    let _permit = budget.acquire_owned().await;
                    has_budget.cancel();
                    is_taken.cancelled().await;
                }
                _ => {}
            }
        }
        .boxed()
    })
}

async fn in_time<T>(reading: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("nobody waits for ever")
}

/// Two chains share a budget. The one behind is held up in taking its page 2 until the one before it has ended, and has its page 3 in the
/// decoder meanwhile, with all of the budget.
#[tokio::test]
async fn a_chain_that_is_held_up_keeps_no_budget_from_the_chain_before_it() {
    let api = api();
    let Case { client, resource, request, bounds, clock, .. } = Case::new(&api, offset(10, stop_rules()));
    let source = Source::bounded(&client, Arc::new(clock), CancellationToken::new(), Arc::new(|_| ()), bounds).unwrap();
    let (budget, is_held_up, has_ended) = (Arc::new(Semaphore::new(1)), CancellationToken::new(), CancellationToken::new());
    let (held_up, ended) = (is_held_up.clone(), has_ended.clone());
    let hold: At = Arc::new(move |page| {
        let (held_up, ended) = (held_up.clone(), ended.clone());
        async move {
            if page == 2 {
                held_up.cancel();
                ended.cancelled().await;
            }
        }
        .boxed()
    });
    let mut behind = reader(greedy(&budget, &is_held_up), hold);
    let spend: At = Arc::new(move |_| {
        let budget = Arc::clone(&budget);
        async move { drop(budget.acquire_owned().await) }.boxed()
    });
    let mut before = reader(spend, Arc::new(|_| futures::future::ready(()).boxed()));
    let chain = || Chain::new(request.clone(), Arc::default(), 4);
    let reading = async {
        is_held_up.cancelled().await;
        let end = source.read(&resource, chain(), &mut before).await;
        has_ended.cancel();
        end
    };
    let (behind_end, before_end) = in_time(async { tokio::join!(source.read(&resource, chain(), &mut behind), reading) }).await;
    assert_eq!((before_end.unwrap().unwrap().records, behind_end.unwrap().unwrap().records), (50, 50));
    assert_eq!((before.reader.ids.len(), behind.reader.ids.len()), (50, 50));
}

/// A page that counts is decoded once more before it is taken, while a page behind it has all of the budget.
#[tokio::test]
async fn a_page_that_is_decoded_again_waits_for_no_page_behind_it_to_be_taken() {
    let api = api();
    let Case { client, resource, request, bounds, clock, .. } = Case::new(&api, offset(10, stop_rules()));
    let source = Source::bounded(&client, Arc::new(clock), CancellationToken::new(), Arc::new(|_| ()), bounds).unwrap();
    let (budget, is_taken) = (Arc::new(Semaphore::new(1)), CancellationToken::new());
    let decode = greedy(&budget, &is_taken);
    let again: At = Arc::new(move |page| {
        let (budget, is_taken) = (Arc::clone(&budget), is_taken.clone());
        async move {
            if page == 2 {
                is_taken.cancel();
                drop(budget.acquire_owned().await);
            }
        }
        .boxed()
    });
    let mut reader = reader(decode, again);
    let chain = Chain::new(request, Arc::default(), 4);
    let end = in_time(source.read(&resource, chain, &mut reader)).await;
    assert_eq!((end.unwrap().unwrap().records, reader.reader.ids.len()), (50, 50));
}
