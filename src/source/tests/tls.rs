//! Certificates: the config's authority vouches for a server, and the client's own certificate is shown to trusted hosts only.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::fake_api::ids;
use super::harness::*;
use crate::base::{ErrorKind, Secret};
use crate::config::{AuthPlan, PaginatorPlan, TlsPlan};

const AUTHORITY: &str = include_str!("../../../tests/fixtures/keys/tls-ca.pem");
const SERVER: &str = include_str!("../../../tests/fixtures/keys/tls-server.pem");
const SERVER_KEY: &str = include_str!("../../../tests/fixtures/keys/tls-server.key.pem");
const CLIENT: &str = include_str!("../../../tests/fixtures/keys/tls-client.pem");
const CLIENT_KEY: &str = include_str!("../../../tests/fixtures/keys/tls-client.key.pem");

const FAULTY_AUTHORITY: &str = include_str!("../../../tests/fixtures/keys/tls-faulty-ca.pem");
const FAULTY_KEY: &str = include_str!("../../../tests/fixtures/keys/tls-faulty.key.pem");
const EXPIRED: &str = include_str!("../../../tests/fixtures/keys/tls-expired.pem");
const NOT_YET: &str = include_str!("../../../tests/fixtures/keys/tls-not-yet.pem");
const OTHER_NAME: &str = include_str!("../../../tests/fixtures/keys/tls-other-name.pem");
const IS_AUTHORITY: &str = include_str!("../../../tests/fixtures/keys/tls-is-authority.pem");
const NOT_FOR_SERVERS: &str = include_str!("../../../tests/fixtures/keys/tls-not-for-servers.pem");
const SELF_SIGNED: &str = include_str!("../../../tests/fixtures/keys/tls-self-signed.pem");

/// A server over TLS that wishes for a client's certificate, and notes whether one came.
struct TlsApi {
    host: String,
    certified: Arc<Mutex<Vec<bool>>>,
    connections: Arc<AtomicUsize>,
}

impl TlsApi {
    /// Answers every request with what `reply` makes of having seen a certificate: a status line's rest, and a `Location` or nothing.
    async fn start(reply: impl Fn(bool) -> (&'static str, String) + Send + 'static) -> Self {
        Self::presenting(SERVER, SERVER_KEY, reply).await
    }

    /// The same, with this certificate and its key.
    async fn presenting(certificate: &str, key: &str, reply: impl Fn(bool) -> (&'static str, String) + Send + 'static) -> Self {
        Self::listening((certificate, key), true, reply).await
    }

    /// A server that speaks to nobody without a certificate.
    async fn demanding() -> Self {
        Self::listening((SERVER, SERVER_KEY), false, |_| ("200 OK", String::new())).await
    }

    async fn listening(
        (certificate, key): (&str, &str),
        allows_anyone: bool,
        reply: impl Fn(bool) -> (&'static str, String) + Send + 'static,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(AUTHORITY.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
        let verifier = if allows_anyone { verifier.allow_unauthenticated() } else { verifier }.build().unwrap();
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api =
            Self { host: listener.local_addr().unwrap().to_string(), certified: Arc::default(), connections: Arc::default() };
        let (certified, connections) = (Arc::clone(&api.certified), Arc::clone(&api.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0)
                {}
                let has_certificate = stream.get_ref().1.peer_certificates().is_some();
                certified.lock().unwrap().push(has_certificate);
                let (status, location) = reply(has_certificate);
                let body = ids(0..3);
                let text = format!(
                    "HTTP/1.1 {status}\r\n{location}content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(text.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        api
    }

    fn seen(&self) -> Vec<bool> {
        self.certified.lock().unwrap().clone()
    }

    fn case(&self, tls: Option<TlsPlan>) -> Case {
        Case::at(&format!("https://{}", self.host), PaginatorPlan::SinglePage).with(|case| {
            case.client.auth = None;
            case.client.tls = tls;
            case.client.retry.max_retries = Some(0);
        })
    }
}

fn plan(with_identity: bool) -> Option<TlsPlan> {
    let identity = with_identity.then(|| Secret::new(format!("{CLIENT}{CLIENT_KEY}")));
    Some(TlsPlan { identity, authorities: Some(Secret::new(AUTHORITY)) })
}

fn only_certified(has_certificate: bool) -> (&'static str, String) {
    (if has_certificate { "200 OK" } else { "403 Forbidden" }, String::new())
}

#[tokio::test]
async fn the_clients_certificate_lets_it_in() {
    let api = TlsApi::start(only_certified).await;
    let outcome = api.case(plan(true)).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    assert_eq!(api.seen(), [true]);
    let outcome = api.case(plan(false)).read().await;
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Credentials);
    assert_eq!(api.seen(), [true, false]);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let api = TlsApi::start(only_certified).await;
    let outcome = api.case(None).read().await;
    assert!(outcome.error().contains("the TLS certificate of"), "{}", outcome.error());
    assert_eq!(api.seen(), [false; 0]);
}

#[tokio::test]
async fn e_22_a_faulty_certificate_is_tried_twice_and_told_in_plain_words() {
    for (certificate, words, advice) in [
        (EXPIRED, "expired ", "has to be renewed"),
        (NOT_YET, "is not valid yet: is this machine's clock right?", "has to be renewed"),
        (OTHER_NAME, "is for another host name", "into `client.base_url`"),
        (SELF_SIGNED, "is signed by no authority that this machine trusts", "`client.tls: {ca_certificate: \"${file:ca.pem}\"}`"),
        (IS_AUTHORITY, "is an authority's own (`CA:TRUE`), which no server may show", "basicConstraints=critical,CA:FALSE"),
        (NOT_FOR_SERVERS, "is not for servers", "extendedKeyUsage=serverAuth"),
    ] {
        let api = TlsApi::presenting(certificate, FAULTY_KEY, only_certified).await;
        let plan = TlsPlan { identity: None, authorities: Some(Secret::new(FAULTY_AUTHORITY)) };
        let outcome = api.case(Some(plan)).with(|case| case.client.retry.max_retries = Some(3)).read().await;
        let expected = format!("the TLS certificate of `{}` {words}", api.host);
        assert!(outcome.error().contains(&expected), "{}", outcome.error());
        let error = outcome.result.unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains(advice)), "{:?}", error.hint());
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!((api.connections.load(Ordering::SeqCst), api.seen().len()), (2, 0), "{words}");
    }
}

#[tokio::test]
async fn e_22_a_certificate_that_signs_itself_is_trusted_where_the_config_names_it() {
    for (certificate, is_trusted) in [(SELF_SIGNED, true), (IS_AUTHORITY, false)] {
        let api = TlsApi::presenting(certificate, FAULTY_KEY, |_| ("200 OK", String::new())).await;
        let plan = TlsPlan { identity: None, authorities: Some(Secret::new(certificate)) };
        let outcome = api.case(Some(plan)).read().await;
        assert_eq!(outcome.result.is_ok(), is_trusted, "{outcome:?}");
    }
}

#[tokio::test]
async fn e_22_a_server_that_wants_the_clients_certificate_is_told_with_the_keys_to_write() {
    let api = TlsApi::demanding().await;
    let outcome = api.case(plan(true)).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    let other = Some(Secret::new(format!("{SELF_SIGNED}{FAULTY_KEY}")));
    for (identity, words) in [
        (None, "is shown to clients with a certificate of their own only"),
        (other, "is right, but the server does not accept the client's own certificate"),
    ] {
        let plan = TlsPlan { identity, authorities: Some(Secret::new(AUTHORITY)) };
        let outcome = api.case(Some(plan)).read().await;
        assert!(outcome.error().contains(&format!("the TLS certificate of `{}` {words}", api.host)), "{}", outcome.error());
        let error = outcome.result.unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.contains("`client.tls: {certificate: ")), "{:?}", error.hint());
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[tokio::test]
async fn tls_and_plain_http_on_each_others_ports_are_told_and_a_matter_of_the_config() {
    // As servers do, without waiting for the end of what is no request.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read_buf(&mut Vec::new()).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    let outcome = Case::at(&format!("https://{plain}"), PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().contains("does not speak TLS: write `http://`"), "{}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Config);
    let tls = TlsApi::start(only_certified).await;
    let outcome = Case::at(&format!("http://{}", tls.host), PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().contains("write `https://`"), "{}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Config);
    let go = super::fake_api::FakeApi::start();
    let go = go.on("/orders", |_| super::fake_api::Reply::status(400).body("Client sent an HTTP request to an HTTPS server.\n"));
    let outcome = Case::new(&go, PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().contains("the port speaks TLS: write `https://`"), "{}", outcome.error());
    assert_eq!(outcome.result.unwrap_err().kind(), ErrorKind::Config);
}

/// A server that closes without a word whatever does not begin with one of the bytes that `speaks` it, and answers in plain HTTP else.
async fn closing_server(speaks: fn(u8) -> bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut begin = Vec::new();
            let _ = stream.read_buf(&mut begin).await;
            if begin.first().is_some_and(|first| speaks(*first)) {
                let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        }
    });
    host
}

#[tokio::test]
async fn e_22_a_server_that_closes_without_a_word_is_asked_once_whether_it_speaks_the_other_scheme() {
    let is_kind =
        |outcome: &Outcome, kind: ErrorKind| assert_eq!(outcome.result.as_ref().unwrap_err().kind(), kind, "{outcome:?}");
    let plain = closing_server(|first| first == b'G').await;
    let outcome = Case::at(&format!("https://{plain}"), PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().contains("answers plain HTTP: write `http://`"), "{}", outcome.error());
    is_kind(&outcome, ErrorKind::Config);
    assert!(outcome.waits().is_empty(), "nothing is tried again");

    // TLS that does not say why it closes.
    let tls = TlsApi::start(only_certified).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (host, behind) = (listener.local_addr().unwrap(), tls.host.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0];
            if stream.peek(&mut first).await.is_ok() && first[0] == 0x16 {
                let mut to = tokio::net::TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut stream, &mut to).await });
            }
        }
    });
    let outcome = Case::at(&format!("http://{host}"), PaginatorPlan::SinglePage).read().await;
    assert!(outcome.error().contains("speaks TLS: write `https://`"), "{}", outcome.error());
    is_kind(&outcome, ErrorKind::Config);

    // Neither: it may be there again in a while.
    let neither = closing_server(|_| false).await;
    for (scheme, words) in [("https", "breaks off the TLS handshake"), ("http", "broke before an answer came")] {
        let outcome = Case::at(&format!("{scheme}://{neither}"), PaginatorPlan::SinglePage).read().await;
        assert!(outcome.error().contains(words), "{}", outcome.error());
        is_kind(&outcome, ErrorKind::Unavailable);
        assert_eq!(outcome.waits().len(), 3, "{scheme}");
    }
}

#[tokio::test]
async fn e_30_the_clients_certificate_is_not_shown_to_a_second_origin() {
    let evil = TlsApi::start(|_| ("200 OK", String::new())).await;
    let to = format!("location: https://{}/steal\r\n", evil.host);
    let api = TlsApi::start(move |_| ("302 Found", to.clone())).await;
    let allow = vec![evil.host.clone()];
    let outcome = api.case(plan(true)).with(|case| case.client.allow_hosts = allow).read().await;
    assert_eq!(outcome.ids, [0, 1, 2], "{outcome:?}");
    assert_eq!((api.seen(), evil.seen()), (vec![true], vec![false]));

    // A token endpoint elsewhere is no trusted host either.
    let token = TlsApi::start(|_| ("400 Bad Request", String::new())).await;
    let url = format!("https://{}/token", token.host).parse().unwrap();
    let credentials = super::auth::client_credentials(&super::fake_api::FakeApi::start());
    let crate::config::Grant::ClientCredentials { client, .. } = credentials.grant.clone() else { panic!() };
    let client = crate::config::OAuthClient { url, ..client };
    let grant = crate::config::Grant::ClientCredentials { access_token: None, client };
    let auth = AuthPlan::Token(Box::new(crate::config::TokenPlan { grant, ..credentials }));
    let outcome = api.case(plan(true)).with(|case| case.client.auth = Some(auth)).read().await;
    assert!(outcome.error().contains("refused with 400"), "{}", outcome.error());
    assert_eq!(token.seen(), [false]);
}
