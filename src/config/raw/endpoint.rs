//! `endpoint`: what is requested.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::base::JsonPath;
use crate::config::raw::{
    Auth, Credential, Either, Entries, Field, GraphQl, Incremental, Node, OneOrMany, Paginator, ResponseAction, Scalar, Tagged,
};

/// What is requested, page by page.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Endpoint {
    /// Path below `client.base_url`, or a whole `http(s)://` URL. `{name}` is filled from `params.name`, which is then not sent;
    /// `{resources.NAME.FIELD}` from the records of another resource; `{{` and `}}` are braces. Default: the resource's name. In `resource_defaults` it has no effect.
    pub(crate) path: Field<String>,
    /// Default: `GET`.
    pub(crate) method: Field<Method>,
    /// Query parameters. Lists are repeated, null is left out, booleans are sent as `True` and `False`, numbers as written. Default: none.
    pub(crate) params: Field<Entries<Node>>,
    /// JSON body, an object. Default: none.
    pub(crate) json: Field<Entries<Node>>,
    /// Any other body: a form as a map or a list of pairs, or text that is sent as it is. Not together with `json`. Default: none.
    pub(crate) data: Field<Node>,
    /// Headers besides the client's, winning over them. Values are treated as secrets. Default: none.
    pub(crate) headers: Field<Entries<Credential>>,
    /// JSON path of the records in a page; `$` is the page itself. Default: found on the first page, or refused there when that is a guess; `$`
    /// where the path ends in a `{placeholder}`.
    pub(crate) data_selector: Field<Scalar<JsonPath>>,
    /// What bodies are written in; a name stands for a format without further keys. gzip, zstd and brotli are undone whatever stands here. Default: `json`.
    pub(crate) response_format: Field<Either<FormatName, ResponseFormat>>,
    /// How records are found where a list of objects at one path is not all there is to say. Default: a list of objects, or one object, at
    /// `data_selector`.
    pub(crate) records: Field<Records>,
    /// How the next page is found. Null takes a default of `resource_defaults` back. Default: that of `resource_defaults`; else `single_page` where
    /// the path ends in a `{placeholder}`; else the client's.
    pub(crate) paginator: Field<Tagged<Paginator>>,
    /// Credentials instead of the client's. Default: the client's.
    pub(crate) auth: Field<Tagged<Auth>>,
    /// Incremental loading. Default: every run reads everything.
    pub(crate) incremental: Field<Incremental>,
    /// Rules on answers, tried in order and before the client's: conditions and an action. Default: none.
    pub(crate) response_actions: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// Answers that mean "too fast", by the conditions of `response_actions`: short for `action: throttle`. Default: none.
    pub(crate) throttle_when: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// Answers that are errors whatever their status, by the conditions of `response_actions`: short for `action: fail`. Default: none.
    pub(crate) fail_when: Field<Vec<Field<Either<String, ResponseAction>>>>,
    /// The endpoint answers as GraphQL does: `errors` in an answer are errors. Default: it does not.
    pub(crate) graphql: Field<GraphQl>,
}

/// What bodies are written in.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FormatName {
    /// JSON.
    Json,
    /// JSON values on lines: one each, or several objects and lists on one.
    Ndjson,
    /// JSON values one behind the other, whatever space or line breaks are in them and between them, or a sequence as RFC 7464 has it.
    ConcatenatedJson,
    /// Server-sent events (`data:` lines) whose data is JSON.
    EventStream,
    /// Comma-separated values, with a header.
    Csv,
    /// XML, as converters write it as JSON: attributes are `@name`, text beside attributes or elements is `#text`, elements of one name are a list, and
    /// all values are texts. `data_selector` names the elements that are records.
    Xml,
    /// NDJSON, RFC 7464, server-sent events or CSV where the `Content-Type` says so, JSON otherwise.
    Auto,
}

/// What bodies are written in, in full.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResponseFormat {
    /// Default: `json`.
    pub(crate) r#type: Field<FormatName>,
    /// The encoding, such as `utf-16le` or `latin1`, whatever the headers say. Default: UTF-8 where the body is that, else what its byte order mark
    /// or the `Content-Type` says.
    pub(crate) encoding: Field<String>,
    /// What becomes of bytes that mean nothing. Default: `error`.
    pub(crate) invalid_utf8: Field<InvalidText>,
    /// Whether NUL characters are taken out of texts, and counted. Default: `keep`.
    pub(crate) nul_characters: Field<NulCharacters>,
    /// Of the members of one name in an object, the last counts, and how many came is told; or the record is a reject. Default: `last`.
    pub(crate) duplicate_members: Field<DuplicateMembers>,
    /// True: a known prefix that keeps scripts from reading JSON, such as `)]}',`, is passed over where it is there; a text: this one is. Default:
    /// false, an error.
    pub(crate) xssi_prefix: Field<Node>,
    /// `lenient`: `NaN`, `Infinity` and `-Infinity` are null. Default: `strict`, an error.
    pub(crate) json: Field<JsonRules>,
    /// Which file of a zip archive is read; `*` stands for any characters, and several files are read in the order of their names. Default: the
    /// only one.
    pub(crate) member: Field<String>,
    /// CSV: lines before the header, or before the first row where there is no header, that are passed over. Default: 0.
    pub(crate) skip_rows: Field<usize>,
    /// CSV: regular expression; lines are passed over up to the first that it matches, which is the header, or the first row where there is no header.
    /// Behind those of `skip_rows`. Default: none.
    pub(crate) header_match: Field<String>,
    /// CSV: lines behind the last row that are passed over; empty lines at the end do not count. Default: 0.
    pub(crate) skip_footer: Field<usize>,
    /// CSV: regular expression; the first row behind the header that it matches, and all behind it, are passed over. Default: none.
    pub(crate) footer_match: Field<String>,
    /// CSV: the character that a line begins with that is a comment. Default: none.
    pub(crate) comment: Field<String>,
    /// CSV: the character between fields. Default: `,`, for `text/tab-separated-values` under `auto` a tab.
    pub(crate) delimiter: Field<String>,
    /// CSV: the character around fields; null for none. Default: `"`.
    pub(crate) quote: Field<String>,
    /// CSV: true: the first row has the columns' names; `first_page`: that of the first page has, and those of the others are records; false:
    /// there are none, and they are `column_1` and so on; a list: these, and every row is a record. Default: true.
    pub(crate) header: Field<Node>,
    /// CSV: the fields that are null. Default: `[""]`.
    pub(crate) null_values: Field<OneOrMany<Field<String>>>,
    /// CSV: `text`: fields are texts, except where a declared schema says otherwise; `infer`: plain numbers (`7`, `-1.5`, but not `007`) and
    /// `true` and `false` are such. Default: `text`.
    pub(crate) types: Field<CsvTypes>,
}

/// What becomes of bytes that mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvalidText {
    /// The page is an error.
    Error,
    /// They become U+FFFD, and are counted.
    Replace,
    /// The record that has them is a reject; the others are loaded.
    Quarantine,
}

/// What becomes of NUL characters.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NulCharacters {
    /// They stay.
    Keep,
    /// They are taken out, and counted.
    Strip,
}

/// What becomes of a member whose name comes again in its object.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DuplicateMembers {
    /// The last of them counts, and how many there were is told.
    Last,
    /// The record is a reject.
    Error,
}

/// How strictly JSON is read.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JsonRules {
    /// As RFC 8259 has it.
    Strict,
    /// With `NaN`, `Infinity` and `-Infinity` as null.
    Lenient,
}

/// What the fields of CSV are.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CsvTypes {
    /// Texts.
    Text,
    /// What they look like, where that loses nothing.
    Infer,
}

/// How the records of a page are found.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Records {
    /// JSON paths at which the records may be: the first that holds something counts, page by page. Instead of `data_selector`. Default: that.
    pub(crate) paths: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// JSON path of an object whose values are the records, `{"17": {…}, "18": {…}}`; a list among them counts element by element. Instead of
    /// `data_selector`. Default: none.
    pub(crate) map_values: Field<Scalar<JsonPath>>,
    /// Column that keeps the key of such a record. Goes with `map_values`. Default: the key is dropped.
    pub(crate) key_as: Field<String>,
    /// True: what is there is one object, and a list is an error; false: it is a list, and an object is an error. Default: an object is one record.
    pub(crate) single: Field<bool>,
    /// Column that values other than objects are put into: `["a", "b"]` with `wrap: value` is two records. Default: such records are rejects.
    pub(crate) wrap: Field<String>,
    /// Whether a page may have nothing, or null, where its records should be, or no records beside a sign of failure; it then has no records. Default: false, an error.
    pub(crate) optional: Field<bool>,
    /// JSON paths within a record at which a single value stands for a list of one, as converters from XML write it. Default: none.
    pub(crate) force_list: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
    /// Whether every `[]` within a record is an empty object, as PHP writes it. Default: false.
    pub(crate) php_empty: Field<bool>,
    /// JSON paths within a record at which `[]` is an empty object. Default: none.
    pub(crate) php_empty_at: Field<OneOrMany<Field<Scalar<JsonPath>>>>,
}

/// HTTP method.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Method {
    /// GET
    Get,
    /// POST, with `json` as its body.
    Post,
}
