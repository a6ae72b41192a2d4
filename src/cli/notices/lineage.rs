//! Where OpenLineage events go: to an HTTP backend, a file or stderr, by the variables that its clients share
//! (<https://openlineage.io/docs/client/python/configuration>).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::base::{Clock, Secret, SystemClock, http_client, secrets, shown_json};
use crate::cli::terminal;
use crate::config::Plan;
use crate::pipeline::NewRun;
use crate::report::{Job, ParentRun};

/// Time that a request has, as in OpenLineage's own clients.
const TIME: Duration = Duration::from_secs(5);
/// What a URL is completed by.
const ENDPOINT: &str = "api/v1/lineage";
/// The prefix of what a transport is told.
const TRANSPORT: &str = "OPENLINEAGE__TRANSPORT__";

/// Events that are asked for.
pub(super) struct Lineage {
    transport: Transport,
    namespace: String,
    parent: Option<ParentRun>,
    root: Option<ParentRun>,
    /// Whether it was told that events do not arrive: once is enough.
    is_lost: bool,
}

enum Transport {
    Http {
        url: Url,
        key: Option<Secret>,
    },
    File {
        path: PathBuf,
        /// All events in one file, a line each; else a file for each.
        append: bool,
    },
    Console,
}

/// What the environment says.
fn given(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

impl Lineage {
    /// Where the environment wants events to go; `None` where it wants none, or says it in a way that is told to be none.
    pub(super) fn asked() -> Option<Self> {
        let is_on = |name: &str| given(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if is_on("OPENLINEAGE_DISABLED") {
            return None;
        }
        let transport = match Transport::asked() {
            Ok(transport) => transport?,
            Err(why) => {
                terminal::tell("warning", &format!("no lineage is told: {why}"));
                return None;
            }
        };
        let parent = |name: &str| {
            let text = given(name)?;
            let parent = ParentRun::parse(&text);
            if parent.is_none() {
                terminal::tell("warning", &format!("`{name}` is not `namespace/job/run`, whose run is a UUID, and is left out"));
            }
            parent
        };
        Some(Self {
            transport,
            namespace: given("OPENLINEAGE_NAMESPACE").unwrap_or_else(|| "default".to_owned()),
            parent: parent("OPENLINEAGE_PARENT_ID"),
            root: parent("OPENLINEAGE_ROOT_PARENT_ID"),
            is_lost: false,
        })
    }

    /// Sends the event that `make` makes.
    pub(super) async fn tell(&mut self, make: impl FnOnce(&Job<'_>) -> Value, plan: &Plan, run: &NewRun) {
        let (parent, root) = (self.parent.as_ref(), self.root.as_ref());
        let event = make(&Job { namespace: &self.namespace, parent, root, plan, run });
        if let Err(why) = self.transport.send(event).await
            && !std::mem::replace(&mut self.is_lost, true)
        {
            terminal::tell("warning", &format!("an event of OpenLineage cannot be delivered: {why}"));
        }
    }
}

impl Transport {
    fn asked() -> Result<Option<Self>, String> {
        let option = |name: &str| given(&format!("{TRANSPORT}{name}"));
        let url = option("URL").or_else(|| given("OPENLINEAGE_URL"));
        let kind = option("TYPE").or_else(|| url.is_some().then(|| "http".to_owned()));
        let Some(kind) = kind else {
            let unread = given("OPENLINEAGE_CONFIG").is_some();
            return match unread {
                true => Err(format!("`OPENLINEAGE_CONFIG` is not read; set `{TRANSPORT}TYPE` and its other variables")),
                false => Ok(None),
            };
        };
        match kind.to_ascii_lowercase().as_str() {
            "console" => Ok(Some(Self::Console)),
            "file" => {
                let path = option("LOG_FILE_PATH").ok_or_else(|| format!("`{TRANSPORT}LOG_FILE_PATH` is not set"))?;
                let append = option("APPEND").is_some_and(|value| value.eq_ignore_ascii_case("true"));
                Ok(Some(Self::File { path: path.into(), append }))
            }
            "http" => {
                let url = url.ok_or_else(|| format!("neither `OPENLINEAGE_URL` nor `{TRANSPORT}URL` is set"))?;
                let endpoint = option("ENDPOINT").or_else(|| given("OPENLINEAGE_ENDPOINT"));
                let whole =
                    format!("{}/{}", url.trim_end_matches('/'), endpoint.as_deref().unwrap_or(ENDPOINT).trim_start_matches('/'));
                let url = Url::parse(&whole).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
                let url = url.ok_or("its URL is not one of `http://` or `https://`")?;
                let key = ["AUTH__API_KEY", "AUTH__APIKEY"]
                    .iter()
                    .find_map(|name| option(name))
                    .or_else(|| given("OPENLINEAGE_API_KEY"));
                if let Some(key) = &key {
                    secrets().credential(key);
                }
                Ok(Some(Self::Http { url, key: key.map(Secret::new) }))
            }
            other => Err(format!("`{TRANSPORT}TYPE` is `{other}`; lakeward has `http`, `file` and `console`")),
        }
    }

    async fn send(&self, event: Value) -> Result<(), String> {
        let text = shown_json(event);
        match self {
            Self::Console => {
                terminal::tell("lineage", &text);
                Ok(())
            }
            Self::File { path, append } => write(path, *append, &text).map_err(|error| format!("`{}`: {error}", path.display())),
            Self::Http { url, key } => {
                let place = url.origin().ascii_serialization();
                let client = http_client()
                    .timeout(TIME)
                    .redirect(reqwest::redirect::Policy::none())
                    .user_agent(concat!("lakeward/", env!("CARGO_PKG_VERSION")))
                    .build()
                    .map_err(|error| error.without_url().to_string())?;
                let mut request = client.post(url.clone()).header("content-type", "application/json").body(text);
                if let Some(key) = key {
                    request = request.bearer_auth(key.expose());
                }
                let answer = request.send().await.map_err(|error| format!("{place}: {}", error.without_url()))?;
                let status = answer.status();
                if status.is_success() { Ok(()) } else { Err(format!("{place} answered {}", status.as_u16())) }
            }
        }
    }
}

/// Writes an event: behind the others, or into a file of its own that ends in the time, as OpenLineage's Python client does.
fn write(path: &PathBuf, append: bool, text: &str) -> io::Result<()> {
    if append {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        return file.write_all(format!("{text}\n").as_bytes());
    }
    let time = SystemClock.now().format("%Y%m%d-%H%M%S.%3f");
    fs::write(format!("{}-{time}.json", path.display()), text)
}
