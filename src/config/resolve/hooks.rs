//! `hooks`: commands that have a program.

use crate::config::HooksPlan;
use crate::config::raw::{self, Field};
use crate::config::resolve::Context;

/// The commands.
pub(super) fn resolve(cx: Context<'_>, hooks: &Field<raw::Hooks>) -> HooksPlan {
    let none = raw::Hooks::default();
    let hooks = hooks.get().unwrap_or(&none);
    HooksPlan { on_success: command(cx, &hooks.on_success), on_failure: command(cx, &hooks.on_failure) }
}

fn command(cx: Context<'_>, words: &Field<Vec<Field<String>>>) -> Vec<String> {
    let Some((id, words)) = words.set() else { return Vec::new() };
    let texts: Vec<String> = words.iter().filter_map(|word| word.get().cloned()).collect();
    if words.iter().any(Field::is_unset) || texts.first().is_none_or(|program| program.trim().is_empty()) {
        cx.reader.wrong(id, "a program and its arguments, such as `[curl, -fsS, \"https://hc.example.com/nightly\"]`");
    }
    if texts.iter().any(|text| text.contains('\0')) {
        cx.reader.wrong(id, "a command without NUL characters");
    }
    texts
}
