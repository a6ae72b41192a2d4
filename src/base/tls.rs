//! One implementation of cryptography for every TLS connection of the process, and the clients that use it.

use std::sync::Once;

/// Makes `ring` what every TLS connection uses: the first time, since it can be settled once.
pub(crate) fn settle_tls() {
    static SETTLED: Once = Once::new();
    // Where another one was settled before, that one is used.
    SETTLED.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

/// A client yet to be set up.
pub(crate) fn http_client() -> reqwest::ClientBuilder {
    settle_tls();
    #[expect(clippy::disallowed_methods, reason = "the one place where it is settled before")]
    reqwest::Client::builder()
}
