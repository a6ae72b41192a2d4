//! Durations and byte sizes as people write them.

use std::time::Duration;

/// Longest duration of a config: a week.
const SECONDS_MAX: f64 = 7.0 * 86_400.0;

/// `30s`, `500ms`, `10m`, `1h`, `1d`, or a bare number of seconds; at most a week.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    seconds(number * factor)
}

/// A number of seconds, 0 or more, at most a week.
pub(crate) fn seconds(number: f64) -> Option<Duration> {
    (0.0..=SECONDS_MAX).contains(&number).then(|| Duration::from_secs_f64(number))
}

/// `256MB`, `64KiB`, or a bare number of bytes.
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    whole(number * factor)
}

/// A whole number that `f64` holds exactly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(crate) fn whole(number: f64) -> Option<u64> {
    (0.0..9e15).contains(&number).then(|| number.round() as u64)
}

/// A plain decimal number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_with_their_units() {
        assert_eq!(duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("1.5 m"), Some(Duration::from_secs(90)));
        assert_eq!(duration("7"), Some(Duration::from_secs(7)));
        assert_eq!(bytes("256MB"), Some(256_000_000));
        assert_eq!(bytes("64 KiB"), Some(65_536));
        for wrong in ["", "s", "-1s", "1y", "8d", "1e3", "1.2.3s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        for wrong in ["", "MB", "-1MB", "1TB", "1mb"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
