//! Charts as SVG: bars of nights, and the timeline of a run.
//!
//! In: numbers, and texts that the caller has made harmless and that are escaped here. Out: SVG without styles, scripts or references, with a name that
//! a screen reader says.

use crate::report::survey::{Night, Track};

/// Width of a bar and of the gap behind it.
const STEP: usize = 5;
const WIDE: usize = 4;

/// What is drawn of nights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// Rows that came, changed or went.
    Changes,
    /// Rows of the table.
    Rows,
    /// Seconds.
    Time,
}

/// Nights as bars, the oldest first; those that failed as low bars of another colour.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "heights of bars")]
pub(super) fn nights(nights: &[Night], of: Of, height: usize) -> String {
    let value = |night: &Night| match of {
        Of::Changes => night.inserted.saturating_add(night.updated).saturating_add(night.deleted) as f64,
        Of::Rows => night.rows.unwrap_or(0) as f64,
        Of::Time => night.seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0),
    };
    let most = nights.iter().map(value).fold(0.0, f64::max);
    let (mut good, mut failed, mut passed) = (String::new(), String::new(), String::new());
    for (at, night) in nights.iter().rev().enumerate() {
        let x = at * STEP;
        let part = if most > 0.0 { (value(night) / most).clamp(0.0, 1.0) } else { 0.0 };
        let tall = ((part * height as f64).ceil() as usize).clamp(1, height);
        match night.status.as_str() {
            "published" => good.push_str(&format!("M{x} {height}v-{tall}h{WIDE}v{tall}z")),
            "refused" | "cancelled" | "skipped" => passed.push_str(&format!("M{x} {height}v-2h{WIDE}v2z")),
            _ => failed.push_str(&format!("M{x} {height}v-{}h{WIDE}v{}z", height / 2, height / 2)),
        }
    }
    let bad =
        nights.iter().filter(|night| !matches!(night.status.as_str(), "published" | "refused" | "cancelled" | "skipped")).count();
    let what = match of {
        Of::Changes => "rows changed",
        Of::Rows => "rows of the table",
        Of::Time => "seconds",
    };
    let label = format!("{what} in the last {} nights, {bad} of them failed", nights.len());
    let width = nights.len().max(1) * STEP;
    format!(
        "<svg role=\"img\" aria-label=\"{label}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\
         <title>{label}</title><path class=\"g\" d=\"{good}\"/><path class=\"f\" d=\"{failed}\"/><path class=\"p\" d=\"{passed}\"/></svg>"
    )
}

/// The timeline of a run: for each resource when its pages came and when its files were finished.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "places in a picture")]
pub(super) fn timeline(tracks: &[Track], end: f64, escape: impl Fn(&str) -> String) -> String {
    const NAMES: usize = 220;
    const WIDTH: usize = 700;
    const TALL: usize = 22;
    let place = |seconds: f64| ((seconds / end.max(0.001)).clamp(0.0, 1.0) * WIDTH as f64) as usize;
    let height = tracks.len() * TALL + 4;
    let whole = NAMES + WIDTH + 10;
    let mut svg = format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\"><svg role=\"img\" aria-label=\"when each of {} resources was read and \
         finished, over {end:.1} seconds\" width=\"{whole}\" height=\"{height}\" viewBox=\"0 0 {whole} {height}\">",
        tracks.len()
    );
    for (at, track) in tracks.iter().enumerate() {
        let y = at * TALL;
        let (from, pages, to) = (place(track.from), place(track.pages), place(track.to).max(place(track.from) + 2));
        let class = if track.status == "published" { "g" } else { "f" };
        let name: String = track.resource.chars().take(32).collect();
        svg.push_str(&format!(
            "<text x=\"0\" y=\"{}\">{}</text><rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\"><title>{:.1} s to {:.1} s</title></rect>",
            y + 15,
            escape(&name),
            NAMES + from,
            y + 4,
            pages.saturating_sub(from).max(2),
            track.from,
            track.to,
        ));
        if to > pages {
            svg.push_str(&format!(
                "<rect class=\"p\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\"/>",
                NAMES + pages,
                y + 4,
                to - pages
            ));
        }
    }
    svg.push_str("</svg></div><p class=\"soft\">Blue or red while pages came, grey while files were finished.</p>");
    svg
}
