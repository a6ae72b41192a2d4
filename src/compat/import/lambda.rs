//! A filter that a script has as a lambda, as a config would have it: members of the record compared with what stands there.
//!
//! In: the lambda. Out: the expression, where it is so simple that both mean the same of records that have these members. Not here: putting it into
//! the config, which is for a person to do.

use ruff_python_ast::{BoolOp, CmpOp, Expr, ExprCompare, ExprLambda, Number, UnaryOp};

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 20;

/// The expression of a lambda over one record.
pub(super) fn filter_of(lambda: &ExprLambda) -> Option<String> {
    let parameters = lambda.parameters.as_deref()?;
    let [record] = &*parameters.args else { return None };
    expression(&lambda.body, record.parameter.name.as_str(), 0)
}

fn expression(expr: &Expr, record: &str, depth: usize) -> Option<String> {
    let inner = |expr: &Expr| if depth < DEPTH_MAX { expression(expr, record, depth + 1) } else { None };
    match expr {
        Expr::Subscript(member) => match (&*member.value, &*member.slice) {
            (Expr::Name(of), Expr::StringLiteral(name)) if of.id.as_str() == record && is_name(name.value.to_str()) => {
                Some(name.value.to_str().to_owned())
            }
            _ => None,
        },
        Expr::Compare(compare) => comparison(compare, &inner),
        Expr::BoolOp(operation) => {
            let parts: Option<Vec<String>> = operation.values.iter().map(inner).collect();
            let word = if operation.op == BoolOp::And { " and " } else { " or " };
            Some(format!("({})", parts?.join(word)))
        }
        Expr::UnaryOp(unary) if unary.op == UnaryOp::Not => Some(format!("not ({})", inner(&unary.operand)?)),
        Expr::StringLiteral(text) => {
            let text = text.value.to_str();
            (!text.contains(['\'', '"', '\\', '\n'])).then(|| format!("'{text}'"))
        }
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(int) => Some(int.to_string()),
            Number::Float(float) if float.is_finite() => Some(format!("{float:?}")),
            Number::Float(_) | Number::Complex { .. } => None,
        },
        Expr::BooleanLiteral(literal) => Some(literal.value.to_string()),
        Expr::NoneLiteral(_) => Some("none".to_owned()),
        _ => None,
    }
}

fn comparison(compare: &ExprCompare, inner: &dyn Fn(&Expr) -> Option<String>) -> Option<String> {
    let mut text = inner(&compare.left)?;
    for (op, right) in compare.ops.iter().zip(compare.comparators.iter()) {
        let op = match (op, right) {
            (CmpOp::Is, Expr::NoneLiteral(_)) => "is",
            (CmpOp::IsNot, Expr::NoneLiteral(_)) => "is not",
            (CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn, _) => return None,
            (op, _) => op.as_str(),
        };
        text.push_str(&format!(" {op} {}", inner(right)?));
    }
    Some(text)
}

/// Whether an expression can name a member so.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
