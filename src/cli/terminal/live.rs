//! Lines that stay at the foot of a terminal while a run goes on: a line each for what is at work, and one for all of it.

use std::sync::PoisonError;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::shown;
use crate::cli::terminal::LIVE;

/// Characters that a name has at most, and is filled up to at least.
const NAME_CHARS: (usize, usize) = (24, 14);

/// All of them.
pub(crate) struct LiveLines {
    lines: MultiProgress,
    /// The line for all, the last one.
    foot: ProgressBar,
}

/// One of them.
pub(crate) struct LiveLine(ProgressBar);

impl LiveLines {
    /// None yet. From here on they stay below whatever is said.
    pub(crate) fn start() -> Self {
        let lines = MultiProgress::new();
        *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines.clone());
        let foot = lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            foot.set_style(style);
        }
        Self { lines, foot }
    }

    /// A further line, which begins with `name`.
    pub(crate) fn add(&self, name: &str) -> LiveLine {
        let bar = self.lines.insert_before(&self.foot, ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        let (most, least) = NAME_CHARS;
        let name = shown(name);
        let clipped = match name.chars().count() > most {
            true => name.chars().take(most - 1).chain(['…']).collect(),
            false => name.into_owned(),
        };
        bar.set_prefix(format!("{clipped:least$}"));
        bar.enable_steady_tick(Duration::from_millis(120));
        LiveLine(bar)
    }

    /// Shows `text` below the lines.
    pub(crate) fn set_foot(&self, text: &str) {
        self.foot.set_message(shown(text).into_owned());
    }

    /// Takes them away.
    pub(crate) fn clear(&self) {
        self.foot.finish_and_clear();
        // A terminal that is gone has nothing to clear.
        let _ = self.lines.clear();
        *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl LiveLine {
    /// Shows `text` behind its name.
    pub(crate) fn set(&self, text: &str) {
        self.0.set_message(shown(text).into_owned());
    }

    /// Takes it away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
