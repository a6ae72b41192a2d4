//! Lines that stay at the foot of a terminal while a run goes on.

use std::sync::PoisonError;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::shown;
use crate::cli::terminal::LIVE;

/// All of them, one a resource.
pub(crate) struct LiveLines(MultiProgress);

/// One of them.
pub(crate) struct LiveLine(ProgressBar);

impl LiveLines {
    /// None yet. From here on they stay below whatever is said.
    pub(crate) fn start() -> Self {
        let lines = MultiProgress::new();
        *LIVE.lock().unwrap_or_else(PoisonError::into_inner) = Some(lines.clone());
        Self(lines)
    }

    /// A further line, which begins with `name`.
    pub(crate) fn add(&self, name: &str) -> LiveLine {
        let bar = self.0.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(shown(name).into_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        LiveLine(bar)
    }

    /// Takes them away.
    pub(crate) fn clear(&self) {
        // A terminal that is gone has nothing to clear.
        let _ = self.0.clear();
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
