//! A curl command as a request: what a browser's "Copy as cURL" and an API's documentation give.
//!
//! In: the command's text, variables and files. Out: an [`Asked`], or every option that cannot be carried over, by name. What only says how curl
//! prints, waits or follows is passed over.

use std::io;

use url::form_urlencoded;

use crate::compat::asked::words::words;
use crate::compat::asked::{Asked, AskedFault, Body, Credentials, Given};

/// What an option does to the request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Url,
    Method,
    Header,
    Data,
    RawData,
    BinaryData,
    EncodedData,
    Json,
    Get,
    User,
    Bearer,
    Cookie,
    UserAgent,
    Referer,
    UrlQuery,
    /// Nothing.
    Nothing,
    /// Nothing, and it has a value.
    NothingWithValue,
    /// It cannot be carried over, with or without a value, and why.
    Refused(bool, &'static str),
}

const TLS: &str = "write `client.tls` into the config that `--save` makes";
const PROXY: &str = "set `HTTPS_PROXY` or `HTTP_PROXY`";
const FILES: &str = "only JSON, a form or text can be sent";
const LOGIN: &str = "only a bearer token, basic authentication, a header or a parameter can be sent";
const PLACE: &str = "the host of the URL is asked as the system finds it";

/// curl's options: the short one, the long one, what it does.
const OPTIONS: [(char, &str, Does); 73] = [
    (' ', "url", Does::Url),
    ('X', "request", Does::Method),
    ('H', "header", Does::Header),
    ('d', "data", Does::Data),
    (' ', "data-ascii", Does::Data),
    (' ', "data-raw", Does::RawData),
    (' ', "data-binary", Does::BinaryData),
    (' ', "data-urlencode", Does::EncodedData),
    (' ', "json", Does::Json),
    ('G', "get", Does::Get),
    ('u', "user", Does::User),
    (' ', "oauth2-bearer", Does::Bearer),
    ('b', "cookie", Does::Cookie),
    ('A', "user-agent", Does::UserAgent),
    ('e', "referer", Does::Referer),
    (' ', "url-query", Does::UrlQuery),
    (' ', "basic", Does::Nothing),
    ('s', "silent", Does::Nothing),
    ('S', "show-error", Does::Nothing),
    ('L', "location", Does::Nothing),
    ('i', "include", Does::Nothing),
    (' ', "show-headers", Does::Nothing),
    ('v', "verbose", Does::Nothing),
    ('f', "fail", Does::Nothing),
    (' ', "fail-with-body", Does::Nothing),
    (' ', "fail-early", Does::Nothing),
    (' ', "compressed", Does::Nothing),
    ('#', "progress-bar", Does::Nothing),
    (' ', "no-progress-meter", Does::Nothing),
    ('N', "no-buffer", Does::Nothing),
    ('O', "remote-name", Does::Nothing),
    ('J', "remote-header-name", Does::Nothing),
    ('g', "globoff", Does::Nothing),
    (' ', "path-as-is", Does::Nothing),
    ('0', "http1.0", Does::Nothing),
    (' ', "http1.1", Does::Nothing),
    (' ', "http2", Does::Nothing),
    ('4', "ipv4", Does::Nothing),
    ('6', "ipv6", Does::Nothing),
    ('1', "tlsv1", Does::Nothing),
    (' ', "tlsv1.2", Does::Nothing),
    (' ', "tlsv1.3", Does::Nothing),
    ('o', "output", Does::NothingWithValue),
    ('w', "write-out", Does::NothingWithValue),
    ('m', "max-time", Does::NothingWithValue),
    (' ', "connect-timeout", Does::NothingWithValue),
    (' ', "retry", Does::NothingWithValue),
    (' ', "retry-delay", Does::NothingWithValue),
    (' ', "retry-max-time", Does::NothingWithValue),
    (' ', "max-redirs", Does::NothingWithValue),
    ('c', "cookie-jar", Does::NothingWithValue),
    ('D', "dump-header", Does::NothingWithValue),
    ('k', "insecure", Does::Refused(false, TLS)),
    ('E', "cert", Does::Refused(true, TLS)),
    (' ', "key", Does::Refused(true, TLS)),
    (' ', "cacert", Does::Refused(true, TLS)),
    ('x', "proxy", Does::Refused(true, PROXY)),
    (' ', "socks5", Does::Refused(true, PROXY)),
    ('F', "form", Does::Refused(true, FILES)),
    ('T', "upload-file", Does::Refused(true, FILES)),
    ('I', "head", Does::Refused(false, "a HEAD has no records in its answer")),
    ('r', "range", Does::Refused(true, "a part of an answer is no page")),
    ('K', "config", Does::Refused(true, "put its options into the command")),
    ('n', "netrc", Does::Refused(false, "write `-u USER:PASSWORD`")),
    (' ', "digest", Does::Refused(false, LOGIN)),
    (' ', "ntlm", Does::Refused(false, LOGIN)),
    (' ', "negotiate", Does::Refused(false, LOGIN)),
    (' ', "anyauth", Does::Refused(false, LOGIN)),
    (' ', "aws-sigv4", Does::Refused(true, LOGIN)),
    (' ', "resolve", Does::Refused(true, PLACE)),
    (' ', "connect-to", Does::Refused(true, PLACE)),
    (' ', "unix-socket", Does::Refused(true, PLACE)),
    (' ', "interface", Does::Refused(true, PLACE)),
];

/// Headers that belong to a connection or an answer's form, which is for the one who asks to know.
const OWN_HEADERS: [&str; 5] = ["accept-encoding", "connection", "content-length", "host", "te"];

/// What curl calls data, unless it is told otherwise.
const FORM: &str = "application/x-www-form-urlencoded";

/// The request of a curl command, and what stands behind the command and is left out, if there is something.
///
/// # Errors
/// [`AskedFault`].
pub(crate) fn from_curl(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&str) -> io::Result<String>,
) -> Result<(Asked, Option<String>), AskedFault> {
    let (words, has_more) = words(text, variable).map_err(AskedFault::Curl)?;
    let Some((name, words)) = words.split_first() else { return Err(AskedFault::Curl("there is no curl command".to_owned())) };
    if name.rsplit('/').next() != Some("curl") {
        return Err(AskedFault::Curl("the command does not begin with `curl`".to_owned()));
    }
    let mut command = Command::new(read_file);
    let mut words = words.iter();
    let mut only_urls = false;
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            Some("-") if !only_urls => only_urls = true,
            Some(option) if !only_urls && !option.is_empty() => match option.strip_prefix('-') {
                Some(long) => command.long(long, &mut words)?,
                None => command.short(option, &mut words)?,
            },
            _ => command.take(Does::Url, "", word)?,
        }
    }
    let left_out = has_more.then(|| "what stands behind the curl command (`|`, `>`, `;` …) is left out".to_owned());
    Ok((command.request()?, left_out))
}

/// A command, option by option.
struct Command<'r> {
    read_file: &'r dyn Fn(&str) -> io::Result<String>,
    url: Option<String>,
    method: Option<String>,
    headers: Vec<String>,
    data: Option<String>,
    is_json: bool,
    is_get: bool,
    auth: Option<Credentials>,
    query: Vec<String>,
    /// What cannot be carried over.
    refused: Vec<String>,
}

impl<'r> Command<'r> {
    fn new(read_file: &'r dyn Fn(&str) -> io::Result<String>) -> Self {
        Self {
            read_file,
            url: None,
            method: None,
            headers: Vec::new(),
            data: None,
            is_json: false,
            is_get: false,
            auth: None,
            query: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn long<'w>(&mut self, option: &str, words: &mut impl Iterator<Item = &'w String>) -> Result<(), AskedFault> {
        let Some((_, _, does)) = OPTIONS.iter().find(|(_, long, _)| *long == option) else {
            // Each switch of curl has a form that turns it off.
            let is_off = option.strip_prefix("no-").is_some_and(|on| OPTIONS.iter().any(|(_, long, _)| *long == on));
            if !is_off {
                self.refused.push(format!("`--{option}`, which is not known here"));
            }
            return Ok(());
        };
        self.option(&format!("--{option}"), *does, None, words)
    }

    /// Short options may stand together, and their value right behind.
    fn short<'w>(&mut self, options: &str, words: &mut impl Iterator<Item = &'w String>) -> Result<(), AskedFault> {
        let mut rest = options;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            let Some((_, _, does)) = OPTIONS.iter().find(|(short, _, _)| *short == letter && letter != ' ') else {
                self.refused.push(format!("`-{letter}`, which is not known here"));
                return Ok(());
            };
            let inline = (takes_value(*does) && !rest.is_empty()).then_some(rest);
            self.option(&format!("-{letter}"), *does, inline, words)?;
            if inline.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn option<'w>(
        &mut self,
        name: &str,
        does: Does,
        inline: Option<&str>,
        words: &mut impl Iterator<Item = &'w String>,
    ) -> Result<(), AskedFault> {
        let value = match inline {
            Some(value) => value,
            None if takes_value(does) => {
                words.next().ok_or_else(|| AskedFault::Curl(format!("curl's option `{name}` has no value")))?
            }
            None => "",
        };
        self.take(does, name, value)
    }

    fn take(&mut self, does: Does, name: &str, value: &str) -> Result<(), AskedFault> {
        match does {
            Does::Url if self.url.is_some() => {
                return Err(AskedFault::Curl("the curl command has two URLs; an export has one".to_owned()));
            }
            Does::Url => self.url = Some(value.to_owned()),
            Does::Method => self.method = Some(value.to_ascii_uppercase()),
            Does::Header if value.starts_with('@') => self.refused.push("`-H @FILE` (write the headers out)".to_owned()),
            Does::Header => self.headers.push(value.to_owned()),
            Does::Data => {
                let text = self.content(value)?;
                let text = if value.starts_with('@') { text.replace(['\n', '\r'], "") } else { text };
                self.add(&text);
            }
            Does::BinaryData => {
                let text = self.content(value)?;
                self.add(&text);
            }
            Does::RawData => self.add(value),
            Does::EncodedData => {
                let text = self.encoded(value)?;
                self.add(&text);
            }
            Does::Json => {
                self.is_json = true;
                let text = self.content(value)?;
                self.data.get_or_insert_default().push_str(&text);
            }
            Does::Get => self.is_get = true,
            Does::User => {
                let Some((user, password)) = value.split_once(':') else {
                    let why = "curl's `-u` has no password, which curl would ask for; write `-u USER:PASSWORD`";
                    return Err(AskedFault::Curl(why.to_owned()));
                };
                self.auth = Some(Credentials::Basic(Given::Plain(user.to_owned()), Given::Secret(password.to_owned())));
            }
            Does::Bearer => self.auth = Some(Credentials::Bearer(Given::Secret(value.to_owned()))),
            Does::Cookie if !value.contains('=') => self.refused.push(format!("`{name} FILE` (write the cookies out)")),
            Does::Cookie => self.headers.push(format!("Cookie: {value}")),
            Does::UserAgent => self.headers.push(format!("User-Agent: {value}")),
            Does::Referer => self.headers.push(format!("Referer: {value}")),
            Does::UrlQuery => {
                let text = if let Some(plain) = value.strip_prefix('+') { plain.to_owned() } else { self.encoded(value)? };
                self.query.push(text);
            }
            Does::Nothing | Does::NothingWithValue => {}
            Does::Refused(_, why) => self.refused.push(format!("`{name}` ({why})")),
        }
        Ok(())
    }

    /// The text, or that of the file that it names.
    fn content(&self, value: &str) -> Result<String, AskedFault> {
        let Some(path) = value.strip_prefix('@') else { return Ok(value.to_owned()) };
        (self.read_file)(path)
            .map_err(|error| AskedFault::Curl(format!("`{path}`, which the curl command sends, cannot be read: {error}")))
    }

    /// `--data-urlencode`: `content`, `=content`, `name=content`, `@file` or `name@file`.
    fn encoded(&self, value: &str) -> Result<String, AskedFault> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        Ok(match value.find(['=', '@']) {
            None => encode(value),
            Some(at) => {
                let (name, rest) = value.split_at(at);
                let content = if rest.starts_with('@') { self.content(rest)? } else { rest[1..].to_owned() };
                if name.is_empty() { encode(&content) } else { format!("{name}={}", encode(&content)) }
            }
        })
    }

    fn add(&mut self, text: &str) {
        match &mut self.data {
            None => self.data = Some(text.to_owned()),
            Some(data) => {
                data.push('&');
                data.push_str(text);
            }
        }
    }

    fn request(self) -> Result<Asked, AskedFault> {
        if !self.refused.is_empty() {
            return Err(AskedFault::Curl(format!("of the curl command cannot be carried over: {}", self.refused.join(", "))));
        }
        let Some(url) = self.url else { return Err(AskedFault::Curl("the curl command has no URL".to_owned())) };
        // As curl does.
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        let mut asked = Asked::of_url(&url)?;
        let query = self.query.iter().map(String::as_str).chain(self.data.as_deref().filter(|_| self.is_get));
        for part in query {
            let pairs = form_urlencoded::parse(part.as_bytes());
            asked.params.extend(pairs.map(|(name, value)| (name.to_string(), Given::named(&name, &value))));
        }
        let mut content_type = None;
        for header in &self.headers {
            let (name, value) = header.split_once([':', ';']).unwrap_or((header, ""));
            let (lower, value) = (name.trim().to_ascii_lowercase(), value.trim());
            match lower.as_str() {
                own if OWN_HEADERS.contains(&own) => {}
                // Without a value curl sends none.
                _ if value.is_empty() => {}
                "content-type" => content_type = Some(value.to_owned()),
                _ => asked.add_header(header)?,
            }
        }
        if let Some(auth) = self.auth {
            asked.auth = Some(auth);
        }
        let data = self.data.filter(|_| !self.is_get);
        asked.is_post = match self.method.as_deref() {
            None => data.is_some(),
            Some("GET") if data.is_none() => false,
            Some("GET") => return Err(AskedFault::Curl("a GET with a body cannot be carried over; is it a POST?".to_owned())),
            Some("POST") => true,
            Some(other) => {
                let why = format!("the curl command's method is {other}; records are read with GET or POST");
                return Err(AskedFault::Curl(why));
            }
        };
        let Some(data) = data else { return Ok(asked) };
        let says_json = self.is_json || content_type.as_deref().is_some_and(|of| of.starts_with("application/json"));
        // curl calls whatever it sends a form, unless it is told otherwise.
        let may_be_json = says_json || content_type.is_none();
        match serde_json::from_str(&data) {
            Ok(serde_json::Value::Object(members)) if may_be_json => asked.body = Some(Body::Json(members)),
            _ if !self.is_json && content_type.as_deref().is_none_or(|of| of.starts_with(FORM)) => {
                let pairs = form_urlencoded::parse(data.as_bytes());
                asked.body =
                    Some(Body::Form(pairs.map(|(name, value)| (name.to_string(), Given::named(&name, &value))).collect()));
            }
            _ => {
                let content_type = content_type.unwrap_or_else(|| "application/json".to_owned());
                asked.headers.push(("Content-Type".to_owned(), Given::Plain(content_type)));
                asked.body = Some(Body::Text(data));
            }
        }
        Ok(asked)
    }
}

fn takes_value(does: Does) -> bool {
    !matches!(does, Does::Get | Does::Nothing | Does::Refused(false, _))
}
