//! What a transport is given and gives back: enough to answer a run without a socket.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};

use super::fake_api::ids;
use super::harness::*;
use crate::config::{KeyLocation, Method};
use crate::source::transport::{Answered, Request, Transport, TransportError};

/// A status, where it redirects to, and the pieces of the body.
type Reply = (u16, Option<&'static str>, Vec<Bytes>);

/// Answers from memory, and remembers what it was asked.
#[derive(Debug, Default)]
struct Memory {
    answers: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Memory {
    async fn send(&self, request: Request) -> Result<Answered, TransportError> {
        let Request { method, url, headers, body, is_trusted, .. } = request;
        let key = headers.get("x-key").map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8(body.unwrap_or_default().to_vec()).unwrap();
        self.asked.lock().unwrap().push(format!("{method} {url} [{key}] {body} {is_trusted}"));
        let (status, location, pieces) = self.answers.lock().unwrap().pop_front().expect("one answer for each request");
        let mut headers = HeaderMap::new();
        headers.extend(location.map(|to| (LOCATION, HeaderValue::from_static(to))));
        let body = futures::stream::iter(pieces.into_iter().map(Ok)).boxed();
        Ok(Answered::new((StatusCode::from_u16(status).unwrap(), headers, None), body))
    }
}

#[tokio::test]
async fn a_run_needs_no_more_of_the_network_than_a_transport_gives() {
    let memory = Arc::new(Memory::default());
    let page = format!(r#"{{"data":{}}}"#, ids(0..3));
    let (one, other) = page.split_at(7);
    memory.answers.lock().unwrap().extend([
        (503, None, Vec::new()),
        (307, Some("/moved"), Vec::new()),
        (200, None, [one, other].map(|piece| Bytes::from(piece.to_owned())).to_vec()),
    ]);
    let case = Case::at("http://api.test", crate::config::PaginatorPlan::SinglePage).with(|case| {
        case.client.auth = Some(api_key(KeyLocation::Header, &[]));
        case.resource.endpoint.method = Method::Post;
        case.request.json = Some(serde_json::json!({"query": "all"}));
    });
    let outcome = case.read_over(Arc::clone(&memory) as Arc<dyn Transport>).await;
    assert_eq!((outcome.ids.as_slice(), outcome.waits()), (&[0, 1, 2][..], vec![1]), "{outcome:?}");
    let orders = r#"POST http://api.test/orders [sesame/1] {"query":"all"} true"#;
    let moved = r#"POST http://api.test/moved [sesame/1] {"query":"all"} true"#;
    assert_eq!(*memory.asked.lock().unwrap(), [orders, orders, moved]);
}
