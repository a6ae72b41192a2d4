//! The sample data: customer usage and wallets, a pure function of the night and the index.

use serde_json::{Value, json};

/// Which state of the data the sample API serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Night {
    /// The first load.
    First,
    /// Some records changed, some new.
    Second,
}

/// The sample API's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// `/v1/customer_usage`
    CustomerUsage,
    /// `/v1/wallets`
    Wallets,
}

impl Resource {
    /// Records that the API has on `night`.
    pub(crate) fn total(self, night: Night) -> u64 {
        match (self, night) {
            (Self::CustomerUsage, Night::First) => 24_000,
            (Self::CustomerUsage, Night::Second) => 24_300,
            (Self::Wallets, Night::First) => 1_200,
            (Self::Wallets, Night::Second) => 1_212,
        }
    }

    /// Record `index` as the API has it on `night`.
    pub(crate) fn record(self, night: Night, index: u64) -> Value {
        match self {
            Self::CustomerUsage => customer_usage(night, index),
            Self::Wallets => wallet(night, index),
        }
    }
}

/// SplitMix64, so that the data is the same everywhere and always.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const EVENTS: [&str; 5] = ["api_call", "storage_gb_hours", "compute_seconds", "egress_gb", "seat_active"];
const REGIONS: [&str; 4] = ["eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"];
const CURRENCIES: [&str; 3] = ["EUR", "USD", "GBP"];

fn pick<'a>(choices: &[&'a str], random: u64) -> &'a str {
    let at = usize::try_from(random % choices.len() as u64).unwrap_or(0);
    choices.get(at).copied().unwrap_or_default()
}

/// A time of the ninety days from 2026-08-20, `per_day` records a day.
fn time(index: u64, per_day: u64) -> String {
    let start = chrono::DateTime::from_timestamp(1_787_184_000, 0).unwrap_or_default();
    let seconds = index * 86_400 / per_day;
    let time = start + chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0));
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn customer_usage(night: Night, index: u64) -> Value {
    let random = mix(index);
    let changed = night == Night::Second && index % 40 == 7;
    let units = 1 + random % 10_000 + if changed { 10_000 } else { 0 };
    let price = 1 + mix(random) % 25_000;
    json!({
        "id": format!("use_{:016x}", mix(index ^ 0xaced)),
        "customer_id": format!("cus_{:05}", random % 700),
        "transaction_id": format!("txn_{:012x}", mix(index ^ 0xbeef) & 0xffff_ffff_ffff),
        "event_name": pick(&EVENTS, random >> 8),
        "region": pick(&REGIONS, random >> 16),
        "status": if changed { "corrected" } else { "rated" },
        "units": units,
        "unit_price": f64::from(u32::try_from(price).unwrap_or(1)) / 10_000.0,
        "currency": pick(&CURRENCIES, random >> 24),
        "created_at": time(index, 267),
        "invoice_id": (random.is_multiple_of(3)).then(|| format!("inv_{:08x}", random & 0xffff_ffff)),
        "charge": {"model": "standard", "amount_cents": units * price / 100, "prorated": random.is_multiple_of(2)},
        "tags": [pick(&REGIONS, random >> 32), pick(&EVENTS, random >> 40)],
    })
}

fn wallet(night: Night, index: u64) -> Value {
    let random = mix(index ^ 0x5a11e7);
    let changed = night == Night::Second && index % 30 == 3;
    json!({
        "id": index + 1,
        "customer_id": format!("cus_{index:05}"),
        "balance_cents": random % 1_000_000 + if changed { 5_000 } else { 0 },
        "currency": pick(&CURRENCIES, random >> 24),
        "created_at": time(index, 14),
        "closed": index % 50 == 49,
    })
}
