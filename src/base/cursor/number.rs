//! Exact decimal numbers, as multiples of 10⁻¹⁸.

/// Digits behind the point.
const SCALE: usize = 18;
/// Digits before it: enough for any 64-bit integer. Both together fit an `i128`.
const WHOLE_MAX: usize = 20;
/// One.
pub(super) const ONE: i128 = 10_i128.pow(18);

/// Reads `-12.50`, `1e3`; `None` for anything else, and for a number with more digits than there is room for.
pub(super) fn parse(text: &str) -> Option<i128> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || mantissa.ends_with('.') || mantissa.len() > 64 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    // The point stands this many digits behind the first of `digits`.
    let behind = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
    let kept = digits.trim_end_matches('0');
    if kept.is_empty() {
        return Some(0);
    }
    let power = i64::try_from(SCALE).ok()? - behind + i64::try_from(digits.len() - kept.len()).ok()?;
    let length = i64::try_from(kept.len()).ok()? + power;
    if power < 0 || length > i64::try_from(SCALE + WHOLE_MAX).ok()? {
        return None;
    }
    let value = kept.parse::<i128>().ok()?.checked_mul(10_i128.checked_pow(u32::try_from(power).ok()?)?)?;
    Some(if negative { -value } else { value })
}

/// As a plain decimal number, without zeros at its end.
pub(super) fn write(value: i128) -> String {
    let (whole, fraction) = (value.unsigned_abs() / ONE.unsigned_abs(), value.unsigned_abs() % ONE.unsigned_abs());
    let sign = if value < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let fraction = format!("{fraction:0SCALE$}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}
