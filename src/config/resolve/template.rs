//! `{placeholders}` in paths, params, bodies and headers, as dlt writes them (Python's `str.format`).
//!
//! In: a text of the config. Out: a [`Template`], and what the placeholders of a resource ask of its parents ([`Names`]).
//! Braces that came in by `${…}` are text. `{{` and `}}` are braces.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use crate::base::JsonPath;
use crate::config::fault::nearest;
use crate::config::request::{Binding, Format, IncrementalValue, Part, Placeholder, Template};
use crate::config::tree::{NodeId, Text};
use crate::config::{ParentPlan, Problem};

/// What the placeholders of one resource may name, and what they have named.
pub(crate) struct Names<'a> {
    /// Every resource of the config.
    resources: &'a [String],
    /// Whether the endpoint loads incrementally.
    is_incremental: bool,
    used: RefCell<Used>,
    /// Whether a placeholder could not be understood, so that nobody knows what it names.
    is_faulty: Cell<bool>,
}

/// What was named.
#[derive(Debug, Default)]
pub(crate) struct Used {
    /// Parents in the order of their first use, with the fields asked of them.
    pub(crate) parents: Vec<ParentPlan>,
    /// Where the second parent is named first.
    pub(crate) second: Option<NodeId>,
    /// The placeholders of incremental loading.
    pub(crate) needs: Vec<Need>,
}

/// A placeholder of incremental loading, and what becomes of it without a value.
#[derive(Debug)]
pub(crate) struct Need {
    /// Where it stands.
    pub(crate) at: NodeId,
    /// What it is.
    pub(crate) value: IncrementalValue,
    /// As written, with its format.
    pub(crate) placeholder: Placeholder,
    /// Whether what it stands in is left out where it has no value; otherwise no request can be made.
    pub(crate) may_be_missing: bool,
}

impl<'a> Names<'a> {
    /// Names of a resource among `resources`.
    pub(crate) fn new(resources: &'a [String], is_incremental: bool) -> Self {
        Self { resources, is_incremental, used: RefCell::default(), is_faulty: Cell::default() }
    }

    /// Whether a placeholder could not be understood: what a resource lacks by it is no fault of its own.
    pub(crate) fn is_faulty(&self) -> bool {
        self.is_faulty.get()
    }

    /// The placeholder that `name`, which nothing fills in, most likely stands for.
    pub(crate) fn meant(&self, name: &str) -> Option<String> {
        let (head, rest) = name.split_once('.')?;
        let is_prefix = nearest(head, &["resources"]).is_some();
        let (resource, field) = if is_prefix { rest.split_once('.')? } else { (head, rest) };
        let resource = nearest(resource, self.resources).filter(|_| !field.is_empty())?;
        Some(format!("{{resources.{resource}.{field}}}"))
    }

    /// What was named.
    pub(crate) fn into_used(self) -> Used {
        self.used.into_inner()
    }

    /// Asks `resource` for `field` of each of its records.
    ///
    /// # Errors
    /// No resource has that name.
    pub(crate) fn parent(&self, at: NodeId, resource: &str, field: JsonPath) -> Result<Binding, Problem> {
        if !self.resources.iter().any(|known| known == resource) {
            return Err(Problem::UnknownName {
                what: "resource",
                found: Some(resource.to_owned()),
                nearest: nearest(resource, self.resources),
                known: self.resources.to_vec(),
            });
        }
        let mut used = self.used.borrow_mut();
        let known = used.parents.iter().position(|parent| parent.resource == resource);
        let parent = known.unwrap_or_else(|| {
            used.parents.push(ParentPlan { resource: resource.to_owned(), fields: Vec::new() });
            used.parents.len() - 1
        });
        if parent > 0 && used.second.is_none() {
            used.second = Some(at);
        }
        let fields = &mut used.parents[parent].fields;
        let field = fields.iter().position(|known| *known == field).unwrap_or_else(|| {
            fields.push(field);
            fields.len() - 1
        });
        Ok(Binding::Parent { parent, field })
    }

    /// Notes what a text at `at` needs of incremental loading. What `may_be_missing` is left out when it is nothing but a value that does not exist.
    pub(crate) fn note(&self, at: NodeId, template: &Template, may_be_missing: bool) {
        let is_alone = template.parts.len() == 1;
        for placeholder in template.placeholders() {
            if let Binding::Incremental(value) = placeholder.of {
                let need = Need { at, value, placeholder: placeholder.clone(), may_be_missing: may_be_missing && is_alone };
                self.used.borrow_mut().needs.push(need);
            }
        }
    }

    /// The first parent's name, where there is one and only one.
    pub(crate) fn only_parent(&self) -> Option<String> {
        match self.used.borrow().parents.as_slice() {
            [only] => Some(only.resource.clone()),
            _ => None,
        }
    }

    /// Whether `resource` is one of the parents.
    pub(crate) fn has_parent(&self, resource: &str) -> bool {
        self.used.borrow().parents.iter().any(|parent| parent.resource == resource)
    }

    /// The placeholder that stands between braces as `written`, if it is one of a parent or of incremental loading.
    fn placeholder(&self, at: NodeId, written: &str) -> Option<Result<Placeholder, Problem>> {
        let refuse = |why: &'static str| Some(Err(Problem::Placeholder { name: written.to_owned(), why: why.into() }));
        let name_end = name_end(written);
        let (name, format) = (&written[..name_end], &written[name_end..]);
        let of = if let Some(rest) = name.strip_prefix("resources.") {
            let known = self.resources.iter().filter(|known| {
                rest.strip_prefix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            });
            // A name may have dots in it: the longest that fits is meant.
            let resource = known
                .max_by_key(|known| known.len())
                .map_or_else(|| rest.split(['.', '[']).next().unwrap_or_default().to_owned(), Clone::clone);
            let field = rest[resource.len()..].trim_start_matches('.');
            if field.is_empty() {
                return refuse("names a resource and no field of its records; write `{resources.NAME.FIELD}`");
            }
            match JsonPath::parse(field) {
                Ok(field) => self.parent(at, &resource, field),
                Err(error) => Err(Problem::Conflict { why: error.to_string() }),
            }
        } else if let Some(attribute) = name.strip_prefix("incremental.") {
            if !self.is_incremental {
                return refuse("needs `endpoint.incremental`, which this endpoint does not have");
            }
            match IncrementalValue::ALL.iter().find(|(known, _)| *known == attribute) {
                Some((_, value)) => Ok(Binding::Incremental(*value)),
                None => {
                    return refuse(
                        "is no value of incremental loading; there are `start_value`, `initial_value`, `last_value`, `end_value` and `lag`",
                    );
                }
            }
        } else {
            return None;
        };
        let format = if format.is_empty() { Ok(None) } else { Format::parse(format).map(Some) };
        let format = match format {
            Ok(format) => format,
            Err(why) => return refuse(why),
        };
        Some(of.map(|of| Placeholder { of, name: written.to_owned(), format }))
    }
}

/// Where the name ends and a format begins; `:` and `!` within brackets belong to a path.
fn name_end(written: &str) -> usize {
    let mut depth = 0_u32;
    for (at, c) in written.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ':' | '!' if depth == 0 => return at,
            _ => {}
        }
    }
    written.len()
}

/// The template of a text at `at`. Names that are no parent's and not of incremental loading are looked up with `value`, which answers
/// `None` for a name it does not have.
///
/// # Errors
/// The first placeholder that cannot be understood. With `hide`, the message does not show it.
pub(crate) fn parse(
    names: &Names<'_>,
    at: NodeId,
    text: &Text,
    hide: bool,
    value: &mut dyn FnMut(&str) -> Option<Result<Template, Problem>>,
) -> Result<Template, Problem> {
    let parsed = parts(names, at, text, hide, value);
    names.is_faulty.set(names.is_faulty.get() || parsed.is_err());
    parsed
}

fn parts(
    names: &Names<'_>,
    at: NodeId,
    text: &Text,
    hide: bool,
    value: &mut dyn FnMut(&str) -> Option<Result<Template, Problem>>,
) -> Result<Template, Problem> {
    let mut template = Template::default();
    let mut rest = text.text.char_indices().peekable();
    let refuse = |name: &str| {
        let meant = names.meant(name).filter(|_| !hide).map(|meant| format!("cannot be filled in; did you mean `{meant}`?"));
        let why = meant.map_or(Cow::Borrowed("cannot be filled in; write `{{` and `}}` for braces"), Cow::Owned);
        Err(Problem::Placeholder { name: if hide { "…".to_owned() } else { name.to_owned() }, why })
    };
    while let Some((place, c)) = rest.next() {
        let given = text.given.iter().any(|range| range.contains(&place));
        let doubled = !given && rest.peek().is_some_and(|(_, next)| *next == c);
        match c {
            '{' | '}' if given => template.push(c),
            '{' | '}' if doubled => {
                rest.next();
                template.push(c);
            }
            '}' => return Err(Problem::Brace { brace: c }),
            '{' if !text.text[place..].contains('}') => return Err(Problem::Brace { brace: c }),
            '{' => {
                let name: String = rest.by_ref().map(|(_, c)| c).take_while(|&c| c != '}').collect();
                match names.placeholder(at, &name) {
                    Some(placeholder) => template.parts.push(Part::Value(placeholder?)),
                    None => match value(&name) {
                        Some(value) => append(&mut template, value?),
                        None => return refuse(&name),
                    },
                }
            }
            c => template.push(c),
        }
    }
    Ok(template)
}

/// Appends a template, texts that meet joined.
fn append(template: &mut Template, more: Template) {
    for part in more.parts {
        match part {
            Part::Text(text) => text.chars().for_each(|c| template.push(c)),
            value @ Part::Value(_) => template.parts.push(value),
        }
    }
}

/// dlt's rule for an endpoint with a single record: the last segment of its path has a placeholder. Unlike dlt, neither one in the query
/// string nor a point in time (`since/{incremental.start_value}`) counts: those are lists.
pub(crate) fn names_single_entity(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().replace("{{", "").replace("}}", "");
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    last.split('{').skip(1).any(|part| {
        part.split_once('}')
            .is_some_and(|(inner, _)| !inner.is_empty() && inner.chars().all(name) && !inner.starts_with("incremental."))
    })
}
