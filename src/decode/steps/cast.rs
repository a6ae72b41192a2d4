//! Casts: a value brought to a declared type, exactly or not at all.

use crate::config::{CastPlan, CastType};
use crate::decode::steps::Unfit;
use crate::decode::steps::scope::float_of;
use crate::decode::steps::time::{date, timestamp};
use crate::decode::{Json, Spelling, write_date, write_float, write_time};

/// Largest power of ten that is computed with; 10^38 still fits.
const POWER_MAX: u32 = 38;

/// The value as `plan` wants it. Not called with null.
pub(super) fn cast(value: Json, plan: &CastPlan) -> Result<Json, Unfit> {
    if let (Json::Text(text), true) = (&value, plan.empty_as_null)
        && text.trim().is_empty()
    {
        return Ok(Json::Null);
    }
    let actual = value.kind();
    let unfit = |expected: &str| Unfit { expected: expected.to_owned(), actual };
    let written = |write: &dyn Fn(&mut String)| {
        let mut text = String::new();
        write(&mut text);
        Json::Text(text)
    };
    match &plan.to {
        CastType::Integer => {
            let integer = number_text(&value).and_then(Decimal::parse).and_then(|number| number.divided_by(1));
            integer
                .map(|integer| Json::Number(integer.to_string().into()))
                .ok_or_else(|| unfit("an integer of at most 38 digits"))
        }
        CastType::Float => {
            let float = number_text(&value).filter(|text| is_number(text)).and_then(float_of);
            let mut token = String::new();
            write_float(
                &mut token,
                float.ok_or_else(|| unfit("a number that a 64-bit float can hold"))?,
                Some(Spelling::PointedNumber),
            );
            Ok(Json::Number(token.into()))
        }
        CastType::Decimal { precision, scale } => {
            let token = number_text(&value).and_then(Decimal::parse).and_then(|number| number.spelled(*precision, *scale));
            token
                .map(|token| Json::Number(token.into()))
                .ok_or_else(|| unfit(&format!("a decimal of {precision} digits, {scale} of them after the point")))
        }
        CastType::Text => Ok(Json::Text(text_of(value))),
        CastType::Boolean => boolean(&value).map(Json::Bool).ok_or_else(|| unfit("true, false, 0, 1, yes or no")),
        CastType::Timestamp(source) => {
            let micros = timestamp(&value, source)?;
            Ok(written(&|out| write_time(out, micros, None)))
        }
        CastType::Date(source) => {
            let days = date(&value, source)?;
            Ok(written(&|out| write_date(out, days)))
        }
        CastType::Json => Ok(value),
    }
}

/// The text of a number, or of a text that may be one.
fn number_text(value: &Json) -> Option<&str> {
    match value {
        Json::Number(token) => Some(token),
        Json::Text(text) => Some(text.trim()),
        _ => None,
    }
}

fn is_number(text: &str) -> bool {
    Decimal::split(text).is_some()
}

fn text_of(value: Json) -> String {
    match value {
        Json::Text(text) => text,
        other => {
            let mut out = Vec::new();
            other.write(&mut out);
            String::from_utf8(out).unwrap_or_default()
        }
    }
}

fn boolean(value: &Json) -> Option<bool> {
    let word = match value {
        Json::Bool(value) => return Some(*value),
        other => number_text(other)?.to_ascii_lowercase(),
    };
    match word.as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// A number as an integer times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decimal {
    mantissa: i128,
    exponent: i64,
}

impl Decimal {
    /// Reads digits with or without sign, point and exponent; leading zeros are fine.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, whole, fraction, exponent) = Self::split(text)?;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        let mantissa: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
        let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
        let exponent = exponent + zeros - i64::try_from(fraction.len()).ok()?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent: if mantissa == 0 { 0 } else { exponent } })
    }

    /// Sign, digits before and behind the point, exponent.
    fn split(text: &str) -> Option<(bool, &str, &str, i64)> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = [whole, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        (all_digits && !(whole.is_empty() && fraction.is_empty())).then_some((negative, whole, fraction, exponent))
    }

    pub(super) fn times_power_of_ten(self, power: i64) -> Option<Self> {
        Some(Self { exponent: if self.mantissa == 0 { 0 } else { self.exponent.checked_add(power)? }, ..self })
    }

    /// The whole number that is left when divided by `divisor`, a power of ten; `None` when there is a remainder.
    pub(super) fn divided_by(self, divisor: i128) -> Option<i128> {
        let power = u32::try_from(self.exponent.unsigned_abs()).ok().filter(|power| *power <= POWER_MAX);
        let power = 10_i128.checked_pow(power?)?;
        let (numerator, denominator) = if self.exponent < 0 {
            (self.mantissa, power.checked_mul(divisor)?)
        } else {
            (self.mantissa.checked_mul(power)?, divisor)
        };
        (numerator.checked_rem(denominator)? == 0).then_some(numerator / denominator)
    }

    /// The number with `scale` digits after the point, if that is all of it and no more than `precision` digits.
    fn spelled(self, precision: u8, scale: i8) -> Option<String> {
        let scaled = self.times_power_of_ten(i64::from(scale))?.divided_by(1)?;
        let places = usize::try_from(scale).ok()?;
        let digits = format!("{:0>width$}", scaled.unsigned_abs(), width = places + 1);
        if scaled.unsigned_abs() >= 10_u128.checked_pow(u32::from(precision))? {
            return None;
        }
        let (whole, fraction) = digits.split_at_checked(digits.len() - places)?;
        let sign = if scaled < 0 { "-" } else { "" };
        Some(if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") })
    }
}
