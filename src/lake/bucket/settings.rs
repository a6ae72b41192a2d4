//! How an S3 bucket is reached: `AWS_*` variables, then `lake.options`, then what the protocol needs.

use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::client::ClientConfigKey;
use object_store::{BackoffConfig, RetryConfig};

use crate::base::Secret;
use crate::lake::LakeError;
use crate::lake::bucket::condition::Conditions;
use crate::source::is_loopback;

/// Tries after the first one.
const RETRIES_MAX: usize = 4;

/// No further try is begun this long after the first.
const RETRY_TIME_MAX: Duration = Duration::from_secs(60);

/// Longest time for one request, enough for a part on a slow line.
const REQUEST_TIME_MAX: &str = "60 s";

/// A client for `bucket` that completes uploads on `conditions`, the secrets that no message may show, and whether parts may be copied.
///
/// # Errors
/// [`LakeError::Option`] for an option that object_store does not know or cannot use.
pub(super) fn build(
    bucket: &str,
    options: &[(String, Secret)],
    conditions: &Conditions,
) -> Result<(AmazonS3, Vec<Secret>, bool), LakeError> {
    let mut builder = AmazonS3Builder::from_env();
    for (name, value) in options {
        let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
        let key = key.map_err(|_| LakeError::Option {
            name: name.clone(),
            why: "object_store's S3 client has no such option".to_owned(),
        })?;
        builder = builder.with_config(key, value.expose());
    }
    let is_set = |builder: &AmazonS3Builder, key| builder.get_config_value(&AmazonS3ConfigKey::Client(key)).is_some();
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        // Who writes `http://` means it; signatures do not reveal the key.
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::AllowHttp), "true");
    }
    let endpoint = endpoint.and_then(|endpoint| endpoint.parse::<url::Url>().ok());
    if endpoint.is_some_and(|endpoint| is_loopback(&endpoint)) && !is_set(&builder, ClientConfigKey::ProxyUrl) {
        // A proxy that leaves out this machine keeps those of the environment from being asked for what is on it. Addresses are
        // named too, because the client matches `*` with names alone.
        builder = builder
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ProxyUrl), "http://127.0.0.1")
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ProxyExcludes), "127.0.0.0/8,::1,*");
    }
    if !is_set(&builder, ClientConfigKey::Timeout) {
        builder = builder.with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIME_MAX);
    }
    let secrets = [AmazonS3ConfigKey::SecretAccessKey, AmazonS3ConfigKey::Token, AmazonS3ConfigKey::AccessKeyId];
    let secrets = secrets.iter().filter_map(|key| builder.get_config_value(key)).map(Secret::new).collect();
    let is_given = |name: &str| name.parse().is_ok_and(|key| builder.get_config_value(&key).is_some());
    let copies = !["aws_checksum_algorithm", "aws_sse_customer_key_base64"].into_iter().any(is_given);
    let retry = RetryConfig { max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX, backoff: BackoffConfig::default() };
    let store = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(retry)
        .with_http_connector(conditions.clone())
        .build()
        .map_err(|error| LakeError::Option { name: "*".to_owned(), why: unprefixed(&error) })?;
    Ok((store, secrets, copies))
}

/// object_store's complaint about settings, which names them and not their values.
fn unprefixed(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}
