//! From a script's values to a config: which dict is meant, what its pipeline adds, what the credentials lack.

use ruff_python_ast::{Expr, ExprCall};

use crate::compat::import::script::{Bound, Call, Script, dotted};
use crate::compat::import::value::{Evaluator, Part, Value, range, set};
use crate::compat::import::{ImportError, Imported, write};
use crate::compat::project::{OPTIONS, REQUIRED};

/// dlt's functions that take a config.
const SOURCES: [&str; 3] = ["rest_api_source", "rest_api_resources", "rest_api"];
/// Arguments of those that are keys of every resource.
const OF_RESOURCES: [&str; 3] = ["max_table_nesting", "schema_contract", "parallelized"];
/// Arguments of `dlt.pipeline` that name it or say where its data goes.
const OF_PIPELINE: [&str; 5] = ["pipeline_name", "destination", "dataset_name", "progress", "pipelines_dir"];

/// A dict that may be the config.
struct Candidate<'a> {
    expr: &'a Expr,
    scope: usize,
    function: String,
    call: Option<Call<'a>>,
    name: Option<&'a str>,
}

/// A candidate that is a config: what was noted on the way, and its keys.
type Chosen<'a> = (Evaluator<'a>, Candidate<'a>, Vec<(String, Value)>);

/// Converts a script.
///
/// # Errors
/// There is no config in it, or a bound was passed.
pub(super) fn assemble<'a>(script: &'a Script<'a>, file: &str, stem: &str) -> Result<Imported, ImportError> {
    let (mut evaluator, candidate, config) = chosen(script)?;
    let mut config = config;
    let mut name = None;
    if let Some(call) = candidate.call {
        name = source_arguments(&mut evaluator, call, &mut config);
    }
    complete_credentials(&mut evaluator, &mut config);
    let (pipeline_name, lake) = pipeline(&mut evaluator);
    let name = pipeline_name.or(name).unwrap_or_else(|| Value::text(stem));
    note_changes(&mut evaluator, &candidate);
    note_decorators(&mut evaluator);
    evaluator.within_bounds()?;
    if !matches!(Value::Map(config.clone()).get("resources"), Some(Value::List(resources)) if !resources.is_empty()) {
        let notes: Vec<String> = evaluator.notes.iter().map(ToString::to_string).collect();
        let line = script.line(range(candidate.expr).0);
        return Err(ImportError::NoResources { line, left_out: notes.join("; ") });
    }

    let mut entries = vec![("name".to_owned(), safe_name(name))];
    for key in ["client", "resource_defaults", "resources"] {
        let at = config.iter().position(|(own, _)| own == key);
        entries.extend(at.map(|at| config.remove(at)));
    }
    entries.append(&mut config);
    entries.push(("lake".to_owned(), Value::Map(lake)));
    let (mut notes, mut variables) = (evaluator.notes, evaluator.variables);
    notes.sort();
    notes.dedup();
    variables.retain(|variable| entries.iter().any(|(_, value)| reads(value, &variable.name)));
    let yaml = write::config(file, &entries, &notes, &variables);
    Ok(Imported { yaml, notes, variables })
}

/// The first config of the script, evaluated. Others are noted.
fn chosen<'a>(script: &'a Script<'a>) -> Result<Chosen<'a>, ImportError> {
    let mut found: Option<Chosen<'a>> = None;
    let mut refused = None;
    let groups: [Vec<Candidate<'a>>; 3] = [called(script), declared(script), dicts(script)];
    for candidate in groups.into_iter().flatten() {
        if found.is_some() && candidate.call.is_none() {
            break;
        }
        let mut evaluator = Evaluator::new(script);
        let value = evaluator.value(candidate.expr, candidate.scope);
        evaluator.within_bounds()?;
        let from = range(candidate.expr).0;
        let Some(Value::Map(entries)) = value else {
            if candidate.call.is_some() {
                let what = match candidate.expr {
                    Expr::Call(call) => dotted(&call.func).map_or("a call".to_owned(), |name| format!("`{name}(…)`")),
                    expr => dotted(expr).map_or("an expression".to_owned(), |name| format!("`{name}`")),
                };
                refused.get_or_insert(ImportError::NoDict { line: script.line(from), function: candidate.function, what });
            }
            continue;
        };
        if let Some((first, _, same)) = &mut found {
            if entries != *same {
                first.note(from, format!("the config of another `{}`; convert it from a file of its own", candidate.function));
            }
        } else {
            evaluator.used.extend(candidate.name);
            found = Some((evaluator, candidate, entries));
        }
    }
    found.ok_or(refused.unwrap_or(ImportError::Nothing))
}

/// The configs given to dlt's functions.
fn called<'a>(script: &'a Script<'a>) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for &call in &script.calls {
        let Some(function) = dotted(&call.call.func) else { continue };
        let function = script.known_name(&function).to_owned();
        if !SOURCES.contains(&function.as_str()) {
            continue;
        }
        let arguments = &call.call.arguments;
        let named =
            || arguments.keywords.iter().find(|keyword| keyword.arg.as_ref().is_some_and(|arg| arg.id.as_str() == "config"));
        let expr = arguments.args.first().or_else(|| named().map(|keyword| &keyword.value));
        candidates.extend(expr.map(|expr| Candidate { expr, scope: call.scope, function, call: Some(call), name: None }));
    }
    candidates
}

fn declared<'a>(script: &'a Script<'a>) -> Vec<Candidate<'a>> {
    let candidate = |&(scope, name, expr): &(usize, &'a str, &'a Expr)| Candidate {
        expr,
        scope,
        function: "RESTAPIConfig".to_owned(),
        call: None,
        name: Some(name),
    };
    script.declared.iter().map(candidate).collect()
}

/// Dicts of the module with the keys of a config.
fn dicts<'a>(script: &'a Script<'a>) -> Vec<Candidate<'a>> {
    let has = |expr: &Expr, wanted: &str| match expr {
        Expr::Dict(dict) => {
            dict.items.iter().any(|item| matches!(&item.key, Some(Expr::StringLiteral(key)) if key.value.to_str() == wanted))
        }
        _ => false,
    };
    let all = script.dicts().filter(|(_, expr)| has(expr, "client") && has(expr, "resources"));
    all.map(|(name, expr)| Candidate { expr, scope: 0, function: name.to_owned(), call: None, name: Some(name) }).collect()
}

/// What the arguments beside the config add to it; the source's name.
fn source_arguments<'a>(evaluator: &mut Evaluator<'a>, call: Call<'a>, config: &mut Vec<(String, Value)>) -> Option<Value> {
    let mut name = None;
    for (i, expr) in call.call.arguments.args.iter().enumerate().skip(1) {
        evaluator.note(range(expr).0, format!("argument {} of the source, given without a name", i + 1));
    }
    for keyword in &call.call.arguments.keywords {
        let at = range(&keyword.value).0;
        match keyword.arg.as_ref().map(|arg| arg.id.as_str()) {
            Some("config") => {}
            Some("name") => name = evaluator.value(&keyword.value, call.scope).filter(|name| name.literal().is_some()),
            Some(key) if OF_RESOURCES.contains(&key) => {
                let Some(value) = evaluator.value(&keyword.value, call.scope) else { continue };
                let defaults = config.iter_mut().find(|(own, _)| own == "resource_defaults");
                match defaults {
                    Some((_, Value::Map(defaults))) if !defaults.iter().any(|(own, _)| own == key) => set(defaults, key, value),
                    Some(_) => {}
                    None => config.push(("resource_defaults".to_owned(), Value::Map(vec![(key.to_owned(), value)]))),
                }
            }
            Some(key) => evaluator.note(at, format!("the source's argument `{key}`")),
            None => evaluator.note(at, "unpacked arguments"),
        }
    }
    name
}

/// Adds what every `auth` lacks as a reference to dlt's variable for it.
fn complete_credentials(evaluator: &mut Evaluator<'_>, config: &mut [(String, Value)]) {
    for (key, value) in config {
        match (key.as_str(), value) {
            ("client", Value::Map(client)) => complete(evaluator, client),
            ("resource_defaults", Value::Map(resource)) => complete_endpoint(evaluator, resource),
            ("resources", Value::List(resources)) => {
                for resource in resources {
                    if let Value::Map(resource) = resource {
                        complete_endpoint(evaluator, resource);
                    }
                }
            }
            _ => {}
        }
    }
}

fn complete_endpoint(evaluator: &mut Evaluator<'_>, resource: &mut [(String, Value)]) {
    for (key, value) in resource {
        if let ("endpoint", Value::Map(endpoint)) = (key.as_str(), value) {
            complete(evaluator, endpoint);
        }
    }
}

fn complete(evaluator: &mut Evaluator<'_>, owner: &mut [(String, Value)]) {
    let Some((_, auth)) = owner.iter_mut().find(|(key, _)| key == "auth") else { return };
    let kind = match &*auth {
        Value::Text(_) => auth.literal(),
        Value::Map(_) => auth.get("type").map_or(Some("bearer".to_owned()), Value::literal),
        _ => None,
    };
    let Some((kind, required)) = kind.and_then(|kind| REQUIRED.into_iter().find(|(name, _)| *name == kind)) else { return };
    if let Value::Text(_) = auth {
        *auth = Value::Map(vec![("type".to_owned(), Value::text(kind))]);
    }
    let Value::Map(entries) = auth else { return };
    for field in required {
        if entries.iter().any(|(key, value)| key == field && *value != Value::Null) {
            continue;
        }
        let variable = format!("CREDENTIALS__{}", field.to_uppercase());
        let value = evaluator.variable(
            variable,
            None,
            format!("`{field}` of `auth`, which the script leaves to dlt's configuration"),
            None,
        );
        set(entries, field, value);
    }
}

/// The name of the pipeline that the script makes, where it makes one, and the lake.
fn pipeline(evaluator: &mut Evaluator<'_>) -> (Option<Value>, Vec<(String, Value)>) {
    let script = evaluator.script;
    let local = || vec![("url".to_owned(), Value::text("./lake"))];
    let made = |call: &&Call<'_>| match dotted(&call.call.func).as_deref() {
        Some("dlt.pipeline") => true,
        Some(name) => {
            script.known_name(name) == "pipeline" && evaluator.is_imported(name, call.scope, usize::from(call.call.range_start))
        }
        None => false,
    };
    let Some(&Call { call, scope, .. }) = script.calls.iter().find(made) else { return (None, local()) };
    evaluator.path.clear();
    let argument =
        |key: &str| call.arguments.keywords.iter().find(|own| own.arg.as_ref().is_some_and(|arg| arg.id.as_str() == key));
    for keyword in &call.arguments.keywords {
        let key = keyword.arg.as_ref().map_or("**", |arg| arg.id.as_str());
        if !OF_PIPELINE.contains(&key) {
            evaluator.note(range(&keyword.value).0, format!("the pipeline's argument `{key}`"));
        }
    }
    for (i, expr) in call.arguments.args.iter().enumerate().skip(1) {
        evaluator.note(range(expr).0, format!("argument {} of the pipeline, given without a name", i + 1));
    }
    note_runs(evaluator);
    let name = call.arguments.args.first().or_else(|| argument("pipeline_name").map(|keyword| &keyword.value));
    let name = name.and_then(|name| evaluator.value(name, scope)).filter(|name| matches!(name, Value::Text(_)));
    let dataset = argument("dataset_name").and_then(|dataset| evaluator.value(&dataset.value, scope));
    let Some(destination) = argument("destination").map(|keyword| &keyword.value) else { return (name, local()) };
    let default = name.as_ref().and_then(Value::literal).map(|name| Value::text(&format!("{name}_dataset")));
    let lake = lake(evaluator, destination, scope, dataset.or(default));
    (name, lake.unwrap_or_else(local))
}

/// The lake of a filesystem destination. dlt keeps a dataset's tables in `<bucket_url>/<dataset_name>`, whose files no manifest of a lake
/// knows: the lake lies beside that folder.
fn lake<'a>(
    evaluator: &mut Evaluator<'a>,
    destination: &'a Expr,
    scope: usize,
    dataset: Option<Value>,
) -> Option<Vec<(String, Value)>> {
    let (expr, scope) = followed(evaluator.script, destination, scope);
    let at = range(expr).0;
    let named = |expr: &Expr| match expr {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        Expr::Call(call) => dotted(&call.func).map(|name| evaluator.script.known_name(&name).to_owned()),
        _ => dotted(expr),
    };
    let filesystem = named(expr).is_some_and(|name| name.rsplit('.').next() == Some("filesystem"));
    if !filesystem {
        // Its arguments may hold a password.
        let name = named(expr).map_or_else(String::new, |name| format!(" `{name}`"));
        evaluator.note(at, format!("the destination{name}; the tables go to `./lake`"));
        return None;
    }
    let call = if let Expr::Call(call) = expr { Some(call) } else { None };
    let bucket = call.and_then(|call| call.arguments.args.first().or_else(|| keyword(call, "bucket_url")));
    let bucket = match bucket {
        Some(bucket) => evaluator.value(bucket, scope)?,
        None => evaluator.variable(
            "DESTINATION__FILESYSTEM__BUCKET_URL".to_owned(),
            None,
            "the destination `filesystem`".to_owned(),
            at,
        ),
    };
    let Value::Text(mut url) = bucket else { return None };
    if let Some(Part::Literal(last)) = url.last_mut() {
        last.truncate(last.trim_end_matches('/').len());
    }
    url.push(Part::Literal("/".to_owned()));
    if let Some(Value::Text(dataset)) = dataset {
        url.extend(dataset);
        url.push(Part::Literal("_".to_owned()));
    }
    url.push(Part::Literal("lakeward".to_owned()));
    evaluator.note(at, "the folder of dlt's tables: lakeward does not know their files, so that its lake lies beside it");
    let mut entries = vec![("url".to_owned(), Value::Text(url))];
    evaluator.path = vec!["credentials".to_owned()];
    let credentials = call.and_then(|call| keyword(call, "credentials")).and_then(|expr| evaluator.value(expr, scope));
    evaluator.path.clear();
    if let Some(Value::Map(credentials)) = credentials {
        let mut options = Vec::new();
        for (key, value) in credentials {
            match OPTIONS.iter().find(|(dlt, _)| *dlt == key) {
                Some((_, option)) => options.push(((*option).to_owned(), value)),
                None => evaluator.note(at, format!("the destination's credential `{key}`")),
            }
        }
        entries.push(("options".to_owned(), Value::Map(options)));
    }
    for own in call.into_iter().flat_map(|call| &call.arguments.keywords) {
        let key = own.arg.as_ref().map_or("**", |arg| arg.id.as_str());
        if !matches!(key, "bucket_url" | "credentials") {
            evaluator.note(range(&own.value).0, format!("the destination's argument `{key}`"));
        }
    }
    Some(entries)
}

fn keyword<'a>(call: &'a ExprCall, key: &str) -> Option<&'a Expr> {
    let own = call.arguments.keywords.iter().find(|own| own.arg.as_ref().is_some_and(|arg| arg.id.as_str() == key));
    own.map(|own| &own.value)
}

/// The expression that a name stands for, through at most a few names.
fn followed<'a>(script: &'a Script<'a>, mut expr: &'a Expr, mut scope: usize) -> (&'a Expr, usize) {
    for _ in 0..8 {
        let Expr::Name(name) = expr else { break };
        match script.look_up(name.id.as_str(), scope, usize::from(name.range.start())) {
            Some((found, Bound::Value(value), _)) => (expr, scope) = (value, found),
            _ => break,
        }
    }
    (expr, scope)
}

/// Notes the arguments by which a run of the pipeline overrides the config.
fn note_runs(evaluator: &mut Evaluator<'_>) {
    for call in &evaluator.script.calls {
        let Expr::Attribute(method) = &*call.call.func else { continue };
        if method.attr.id.as_str() != "run" {
            continue;
        }
        for expr in call.call.arguments.args.iter().skip(1) {
            evaluator.note(range(expr).0, "an argument of `run`, given without a name");
        }
        for keyword in &call.call.arguments.keywords {
            let key = keyword.arg.as_ref().map_or("**", |arg| arg.id.as_str());
            let parquet = matches!(&keyword.value, Expr::StringLiteral(text) if text.value.to_str() == "parquet");
            if !(key == "loader_file_format" && parquet) {
                evaluator.note(range(&keyword.value).0, format!("the argument `{key}` of `run`"));
            }
        }
    }
}

/// Notes what the script does to the config, or to the source made of it, after they are made.
fn note_changes(evaluator: &mut Evaluator<'_>, candidate: &Candidate<'_>) {
    let script = evaluator.script;
    let target = candidate.call.and_then(|call| call.target);
    // What a function of the script makes may be the source, too.
    let of_function = |call: &&Call<'_>| {
        dotted(&call.call.func).is_some_and(|name| script.decorated.iter().any(|decorated| decorated.name == name))
    };
    let sources: Vec<&str> = script.calls.iter().filter(of_function).filter_map(|call| call.target).chain(target).collect();
    evaluator.path.clear();
    for change in &script.changes {
        if SOURCES.contains(&script.known_name(change.name)) {
            evaluator.note(change.at, format!("what the script does to the source: it {}", change.what));
        } else if change.of_dlt || evaluator.used.contains(change.name) || sources.contains(&change.name) {
            evaluator.note(change.at, format!("what the script does to `{}` after it is made: it {}", change.name, change.what));
        }
    }
}

/// Notes what dlt's decorators say, and resources that are made in Python.
fn note_decorators(evaluator: &mut Evaluator<'_>) {
    for decorated in &evaluator.script.decorated {
        let of = format!("`@dlt.{}` of `{}`", decorated.decorator, decorated.name);
        if decorated.decorator != "source" {
            evaluator.note(decorated.at, format!("what Python makes under {of}"));
        }
        let Some(arguments) = decorated.arguments else { continue };
        for expr in &arguments.args {
            evaluator.note(range(expr).0, format!("an argument of {of}, given without a name"));
        }
        for keyword in &arguments.keywords {
            let key = keyword.arg.as_ref().map_or("**", |arg| arg.id.as_str());
            evaluator.note(range(&keyword.value).0, format!("the argument `{key}` of {of}"));
        }
    }
}

/// A name as lakeward takes it.
fn safe_name(name: Value) -> Value {
    let Some(text) = name.literal() else { return name };
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
    let text: String = text.chars().map(safe).take(128).collect();
    let text = text.trim_start_matches(['_', '.']);
    Value::text(if text.is_empty() { "pipeline" } else { text })
}

/// Whether a value has a reference to this variable.
fn reads(value: &Value, name: &str) -> bool {
    match value {
        Value::Text(parts) => parts.iter().any(|part| matches!(part, Part::Variable(own, _) if own == name)),
        Value::List(list) => list.iter().any(|value| reads(value, name)),
        Value::Map(entries) => entries.iter().any(|(_, value)| reads(value, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
