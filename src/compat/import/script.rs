//! What a script binds and calls: its names in their scopes, and the calls worth looking at.
//!
//! In: the syntax tree. Out: a [`Script`] to look names up in. A name stands for what was last bound to it before the place
//! where it is used; within a function, a name of the module stands for what the module binds to it last.

use ruff_python_ast::visitor::{Visitor, walk_expr, walk_stmt};
use ruff_python_ast::{Arguments, Expr, ExprCall, Parameters, Stmt, StmtFunctionDef};

use crate::compat::import::{DEPTH_MAX, place};

/// What a name is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bound<'a> {
    /// An expression.
    Value(&'a Expr),
    /// A function or class of the script.
    Code(&'static str),
    /// Something that the script does not say: an import, a parameter, a loop's variable.
    Outside(&'static str),
}

/// One binding of a name.
#[derive(Debug)]
struct Binding<'a> {
    name: &'a str,
    at: usize,
    bound: Bound<'a>,
    /// Whether it stands in a branch or loop, and so may not have happened.
    conditional: bool,
}

#[derive(Debug, Default)]
struct Scope<'a> {
    parent: Option<usize>,
    bindings: Vec<Binding<'a>>,
}

/// A call and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) call: &'a ExprCall,
    pub(super) scope: usize,
    /// The name that its result is bound to.
    pub(super) target: Option<&'a str>,
}

/// A place at which the value of a name is changed.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) name: &'a str,
    pub(super) at: usize,
    pub(super) what: String,
    /// Whether only a source or resource of dlt can be changed so, whatever its name is.
    pub(super) of_dlt: bool,
}

/// A function that dlt's decorators make a source or a resource of.
#[derive(Debug)]
pub(super) struct Decorated<'a> {
    /// The function.
    pub(super) name: &'a str,
    /// `source`, `resource` or `transformer`.
    pub(super) decorator: &'static str,
    /// The arguments that the decorator is given.
    pub(super) arguments: Option<&'a Arguments>,
    /// Where the function stands.
    pub(super) at: usize,
}

/// A script's names and calls.
#[derive(Debug)]
pub(super) struct Script<'a> {
    text: &'a str,
    scopes: Vec<Scope<'a>>,
    /// All calls, in the script's order.
    pub(super) calls: Vec<Call<'a>>,
    /// Bindings annotated as `RESTAPIConfig`: scope and name.
    pub(super) declared: Vec<(usize, &'a str, &'a Expr)>,
    /// Changes of values after they were bound.
    pub(super) changes: Vec<Change<'a>>,
    /// Functions that dlt's decorators stand on.
    pub(super) decorated: Vec<Decorated<'a>>,
    /// Names imported under another one: that, and the original.
    aliases: Vec<(&'a str, &'a str)>,
}

impl<'a> Script<'a> {
    /// Reads a module.
    pub(super) fn read(text: &'a str, body: &'a [Stmt]) -> Self {
        let script = Self {
            text,
            scopes: vec![Scope::default()],
            calls: Vec::new(),
            declared: Vec::new(),
            changes: Vec::new(),
            decorated: Vec::new(),
            aliases: Vec::new(),
        };
        let mut walk = Walk { script, scope: 0, conditions: 0, depth: 0, functions: Vec::new(), target: None };
        body.iter().for_each(|statement| walk.visit_stmt(statement));
        while let Some((scope, function)) = walk.functions.pop() {
            walk.function(scope, function);
        }
        let mut script = walk.script;
        script.calls.sort_by_key(|call| usize::from(call.call.range_start));
        script.changes.sort_by_key(|change| change.at);
        script
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        place(self.text, at).0
    }

    /// The script's text between two bytes, on one line.
    pub(super) fn quoted(&self, from: usize, to: usize) -> String {
        let text = self.text.get(from..to).unwrap_or_default();
        let line: Vec<&str> = text.split_whitespace().collect();
        let line = line.join(" ");
        if line.chars().count() <= 60 { line } else { line.chars().take(57).chain("...".chars()).collect() }
    }

    /// What `name` stands for where it is used at the byte `at`, the scope of that, and whether another path through the script
    /// may bind it otherwise.
    pub(super) fn look_up(&self, name: &str, mut scope: usize, mut at: usize) -> Option<(usize, Bound<'a>, bool)> {
        loop {
            let here = self.scopes.get(scope)?;
            let before = |binding: &&Binding<'_>| binding.name == name && binding.at < at;
            if let Some(binding) = here.bindings.iter().rfind(before) {
                return Some((scope, binding.bound, binding.conditional));
            }
            scope = here.parent?;
            at = usize::MAX;
        }
    }

    /// The name by which a function or class is known to dlt, of the name that the script calls it by: without modules.
    pub(super) fn known_name<'n>(&self, dotted: &'n str) -> &'n str
    where
        'a: 'n,
    {
        match self.aliases.iter().find(|(alias, _)| *alias == dotted) {
            Some((_, original)) => original,
            None => dotted.rsplit('.').next().unwrap_or(dotted),
        }
    }

    /// Names of the module bound to dict literals, in order.
    pub(super) fn dicts(&self) -> impl Iterator<Item = (&'a str, &'a Expr)> + use<'_, 'a> {
        self.scopes.iter().take(1).flat_map(|scope| &scope.bindings).filter_map(|binding| match binding.bound {
            Bound::Value(value @ Expr::Dict(_)) => Some((binding.name, value)),
            _ => None,
        })
    }
}

/// The dotted name that an expression is, as `dlt.secrets`.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    let mut names = Vec::new();
    let mut next = expr;
    loop {
        match next {
            Expr::Name(name) => {
                names.push(name.id.as_str());
                names.reverse();
                return Some(names.join("."));
            }
            Expr::Attribute(attribute) => {
                names.push(attribute.attr.id.as_str());
                next = &attribute.value;
            }
            _ => return None,
        }
    }
}

/// The name whose value `a["b"].c` is a part of, or the call it is chained to.
fn root(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => root(&attribute.value),
        Expr::Subscript(subscript) => root(&subscript.value),
        Expr::Call(call) => root(&call.func),
        _ => None,
    }
}

/// Methods that change the list or dict they are called on.
const CHANGING: [&str; 9] = ["append", "extend", "insert", "update", "pop", "popitem", "setdefault", "remove", "clear"];

/// Methods that only sources and resources of dlt have, and that change them.
const CHANGING_DLT: [&str; 11] = [
    "add_limit",
    "with_resources",
    "apply_hints",
    "add_map",
    "add_filter",
    "add_yield_map",
    "add_pipe",
    "add_step",
    "with_name",
    "set_incremental",
    "parallelize",
];

/// dlt's decorators that make sources and resources.
const DECORATORS: [&str; 3] = ["source", "resource", "transformer"];

struct Walk<'a> {
    script: Script<'a>,
    scope: usize,
    conditions: usize,
    depth: usize,
    functions: Vec<(usize, &'a StmtFunctionDef)>,
    /// The name and value of the assignment being walked.
    target: Option<(&'a str, &'a Expr)>,
}

impl<'a> Walk<'a> {
    fn bind(&mut self, name: &'a str, at: usize, bound: Bound<'a>) {
        let conditional = self.conditions > 0;
        if let Some(scope) = self.script.scopes.get_mut(self.scope) {
            scope.bindings.push(Binding { name, at, bound, conditional });
        }
    }

    fn assign(&mut self, target: &'a Expr, at: usize, bound: Bound<'a>) {
        match target {
            Expr::Name(name) => self.bind(name.id.as_str(), at, bound),
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|target| self.assign(target, at, Bound::Outside("unpacked"))),
            Expr::List(list) => list.elts.iter().for_each(|target| self.assign(target, at, Bound::Outside("unpacked"))),
            Expr::Starred(starred) => self.assign(&starred.value, at, Bound::Outside("unpacked")),
            changed => self.change(changed, at, "assigns to a part of it".to_owned(), false),
        }
    }

    fn change(&mut self, expr: &'a Expr, at: usize, what: String, of_dlt: bool) {
        let name = root(expr).or(of_dlt.then_some("the source"));
        if let Some(name) = name {
            self.script.changes.push(Change { name, at, what, of_dlt });
        }
    }

    /// Notes dlt's decorators of a function: `@dlt.source`, `@dlt.resource(name="x")`.
    fn decorators(&mut self, function: &'a StmtFunctionDef) {
        for decorator in &function.decorator_list {
            let (named, arguments) = match &decorator.expression {
                Expr::Call(call) => (dotted(&call.func), Some(&call.arguments)),
                other => (dotted(other), None),
            };
            let Some(named) = named else { continue };
            let known = self.script.known_name(&named);
            let is_dlts = named.starts_with("dlt.") || !named.contains('.');
            if let Some(decorator) = DECORATORS.into_iter().find(|name| is_dlts && *name == known) {
                let at = usize::from(function.range.start());
                self.script.decorated.push(Decorated { name: function.name.id.as_str(), decorator, arguments, at });
            }
        }
    }

    fn function(&mut self, parent: usize, function: &'a StmtFunctionDef) {
        self.script.scopes.push(Scope { parent: Some(parent), bindings: Vec::new() });
        (self.scope, self.conditions) = (self.script.scopes.len() - 1, 0);
        self.parameters(&function.parameters);
        function.body.iter().for_each(|statement| self.visit_stmt(statement));
    }

    fn parameters(&mut self, parameters: &'a Parameters) {
        let all = parameters.posonlyargs.iter().chain(&parameters.args).chain(&parameters.kwonlyargs);
        for parameter in all {
            let bound = match &parameter.default {
                Some(default) if !matches!(**default, Expr::NoneLiteral(_)) => Bound::Value(default),
                _ => Bound::Outside("a parameter"),
            };
            self.bind(parameter.parameter.name.id.as_str(), 0, bound);
        }
    }

    /// Takes in what a statement binds, before its parts are walked.
    fn take_in(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(assign) => {
                let at = usize::from(assign.range.end());
                assign.targets.iter().for_each(|target| self.assign(target, at, Bound::Value(&assign.value)));
                if let [Expr::Name(name)] = assign.targets.as_slice() {
                    self.target = Some((name.id.as_str(), &assign.value));
                }
            }
            Stmt::AnnAssign(assign) => {
                let Some(value) = &assign.value else { return };
                self.assign(&assign.target, usize::from(assign.range.end()), Bound::Value(value));
                if let Expr::Name(name) = &*assign.target {
                    self.target = Some((name.id.as_str(), value));
                    if dotted(&assign.annotation).is_some_and(|name| self.script.known_name(&name) == "RESTAPIConfig") {
                        self.script.declared.push((self.scope, name.id.as_str(), value));
                    }
                }
            }
            Stmt::AugAssign(assign) => {
                self.change(&assign.target, usize::from(assign.range.start()), "adds to it".to_owned(), false);
            }
            Stmt::Delete(delete) => {
                let at = usize::from(delete.range.start());
                delete.targets.iter().for_each(|target| self.change(target, at, "deletes a part of it".to_owned(), false));
            }
            Stmt::For(statement) => {
                self.assign(&statement.target, usize::from(statement.range.start()), Bound::Outside("a loop's variable"));
            }
            Stmt::With(with) => {
                for target in with.items.iter().filter_map(|item| item.optional_vars.as_deref()) {
                    self.assign(target, usize::from(with.range.start()), Bound::Outside("bound by `with`"));
                }
            }
            Stmt::FunctionDef(function) => {
                self.decorators(function);
                self.bind(function.name.id.as_str(), usize::from(function.range.start()), Bound::Code("a Python function"));
            }
            Stmt::ClassDef(class) => {
                self.bind(class.name.id.as_str(), usize::from(class.range.start()), Bound::Code("a Python class"));
            }
            Stmt::Import(import) => {
                for name in &import.names {
                    let bound = name.asname.as_ref().unwrap_or(&name.name);
                    self.bind(bound.id.as_str(), usize::from(import.range.start()), Bound::Outside("imported"));
                }
            }
            Stmt::ImportFrom(import) => {
                for name in &import.names {
                    let bound = name.asname.as_ref().unwrap_or(&name.name);
                    self.bind(bound.id.as_str(), usize::from(import.range.start()), Bound::Outside("imported"));
                    if name.asname.is_some() {
                        self.script.aliases.push((bound.id.as_str(), name.name.id.as_str()));
                    }
                }
            }
            _ => {}
        }
    }
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if self.depth > DEPTH_MAX {
            return;
        }
        self.take_in(statement);
        self.depth += 1;
        match statement {
            Stmt::FunctionDef(function) => self.functions.push((self.scope, function)),
            Stmt::ClassDef(_) => {}
            Stmt::If(_) | Stmt::For(_) | Stmt::While(_) | Stmt::Match(_) | Stmt::Try(_) => {
                let always = matches!(statement, Stmt::If(branch) if is_main(&branch.test));
                self.conditions += usize::from(!always);
                walk_stmt(self, statement);
                self.conditions -= usize::from(!always);
            }
            _ => walk_stmt(self, statement),
        }
        self.depth -= 1;
        self.target = None;
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        if self.depth > 2 * DEPTH_MAX {
            return;
        }
        if let Expr::Call(call) = expr {
            let target = self.target.filter(|(_, value)| std::ptr::eq(*value, expr)).map(|(name, _)| name);
            self.script.calls.push(Call { call, scope: self.scope, target });
            if let Expr::Attribute(method) = &*call.func {
                let of_dlt = CHANGING_DLT.contains(&method.attr.id.as_str());
                if of_dlt || CHANGING.contains(&method.attr.id.as_str()) {
                    let what = format!("calls `{}` on it", method.attr.id);
                    self.change(&method.value, usize::from(call.range_start), what, of_dlt);
                }
            }
        }
        self.depth += 1;
        walk_expr(self, expr);
        self.depth -= 1;
    }
}

/// `__name__ == "__main__"`.
fn is_main(test: &Expr) -> bool {
    matches!(test, Expr::Compare(compare) if matches!(&*compare.left, Expr::Name(name) if name.id.as_str() == "__name__"))
}
