//! Decoding speed of one core: MB of page bytes a CPU-second, on pages of 1000 usage records (21 fields, about 650 bytes each).
//!
//! `cargo bench --features bench --bench decode`. Takes the rooms' sources as its own modules, so that the library need not open its
//! doors; hence the feature, without which it is not built.
#![expect(dead_code, unused_imports, clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, not the program")]

#[path = "../src/base/mod.rs"]
mod base;
#[path = "../src/config/mod.rs"]
mod config;
#[path = "../src/source/mod.rs"]
mod source;
#[path = "../src/schema/mod.rs"]
mod schema;
#[path = "../src/decode/mod.rs"]
mod decode;

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use base::{JsonPath, RedactedUrl};
use decode::{DecodePlan, Decoder};
use source::Page;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PAGES: u64 = 64;
const RECORDS: u64 = 1000;
const ROUNDS: usize = 5;

fn main() {
    let pages: Vec<Page> = (1..=PAGES).map(page).collect();
    let bytes: usize = pages.iter().map(|page| page.body.len()).sum();
    let decoder = Decoder::new(DecodePlan { records: Some(JsonPath::parse("data").unwrap()), ..DecodePlan::default() });
    let schema = decoder.decode(&pages[0], &Arc::default()).unwrap().rows.schema;
    let mut best = f64::INFINITY;
    for round in 0..=ROUNDS {
        let started = cpu_seconds();
        for page in &pages {
            std::hint::black_box(decoder.decode(page, &schema).unwrap());
        }
        let spent = cpu_seconds() - started;
        if round > 0 {
            best = best.min(spent);
        }
    }
    let rate = bytes as f64 / best / 1e6;
    println!("decode: {rate:.0} MB/s per CPU-second, best of {ROUNDS}; {} bytes a record", bytes as u64 / (PAGES * RECORDS));
}

/// CPU time of this process, user and system, from `/proc`; wall time elsewhere.
fn cpu_seconds() -> f64 {
    let ticks = || -> Option<f64> {
        let stat = std::fs::read_to_string("/proc/self/schedstat").ok()?;
        stat.split_whitespace().next()?.parse::<f64>().ok()
    };
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    ticks().map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

fn page(number: u64) -> Page {
    let mut random = fastrand::Rng::with_seed(number);
    let mut body = String::from("{\"data\":[");
    for index in 0..RECORDS {
        if index > 0 {
            body.push(',');
        }
        record(number * RECORDS + index, &mut random, &mut body);
    }
    write!(body, "],\"meta\":{{\"total\":{},\"page\":{number}}}}}", PAGES * RECORDS).unwrap();
    let url = url::Url::parse("http://127.0.0.1/v1/customer_usage?limit=1000").unwrap();
    Page {
        resource: "customer_usage".into(),
        number,
        url: RedactedUrl::new(&url),
        body: body.into(),
        spooled: None,
        slice: Arc::default(),
        redactor: Arc::default(),
        content_type: None,
        server_time: None,
    }
}

fn record(index: u64, random: &mut fastrand::Rng, out: &mut String) {
    let (units, price, cents) = (random.u64(1..10_000), random.u64(1..25_000), random.u64(1..1_000_000));
    let pick = |random: &mut fastrand::Rng, of: &[&'static str]| of[random.usize(..of.len())];
    let time = |millis: u64| {
        let (seconds, millis) = (millis / 1000 % 86_400, millis % 1000);
        let day = index / 11_000 % 28 + 1;
        format!("2025-06-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    let created = index * 7_776;
    write!(
        out,
        "{{\"id\":\"{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}\",\"customer_id\":\"cus_{:06}\",\"transaction_id\":\"txn_{:016x}\",\
         \"event_name\":\"{}\",\"event_code\":{},\"plan\":\"{}\",\"region\":\"{}\",\"status\":\"{}\",\"units\":{units},\
         \"unit_price\":{}.{:04},\"amount\":\"{}.{:04}\",\"currency\":\"{}\",\"is_test\":{},\"created_at\":\"{}\",\"updated_at\":\"{}\",",
        random.u32(..),
        random.u16(..),
        random.u16(..0xfff),
        random.u16(0x8000..0xbfff),
        random.u64(..1 << 48),
        random.u32(..20_000),
        random.u64(..),
        pick(random, &["api_call", "storage_gb_hours", "compute_seconds", "egress_gb", "seat_active", "webhook_delivered"]),
        random.u32(1001..3002),
        pick(random, &["starter", "team", "business", "enterprise"]),
        pick(random, &["eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"]),
        pick(random, &["pending", "rated", "billed"]),
        price / 10_000,
        price % 10_000,
        units * price / 10_000,
        units * price % 10_000,
        pick(random, &["EUR", "USD", "GBP", "JPY"]),
        random.u8(..50) == 0,
        time(created),
        time(created + random.u64(..172_800_000)),
    )
    .unwrap();
    let nullable = |name: &str, value: Option<String>, out: &mut String| match value {
        Some(value) => write!(out, "\"{name}\":\"{value}\",").unwrap(),
        None => write!(out, "\"{name}\":null,").unwrap(),
    };
    nullable("processed_at", (random.u8(..3) > 0).then(|| time(created + 1500)), out);
    nullable("invoice_id", (random.u8(..3) == 0).then(|| format!("inv_{:012x}", random.u64(..1 << 48))), out);
    let words = ["usage", "adjustment", "retry", "for", "batch", "\\u00fcber", "\\\"quoted\\\"", "café", "late", "event"];
    let described = random.u8(..4) == 0;
    nullable("description", described.then(|| (0..3).map(|_| pick(random, &words)).collect::<Vec<_>>().join(" ")), out);
    write!(
        out,
        "\"charge\":{{\"id\":\"ch_{:012x}\",\"model\":\"{}\",\"amount_cents\":{cents},\"tax_rate\":{},\"prorated\":{}}},\"groups\":[",
        random.u64(..1 << 48),
        pick(random, &["standard", "graduated", "package", "volume"]),
        pick(random, &["0.0", "0.07", "0.19", "0.2"]),
        random.bool(),
    )
    .unwrap();
    let groups = random.usize(..4);
    let groups = ["region", "cluster", "team"][..groups.min(3)]
        .iter()
        .map(|key| format!("{{\"key\":\"{key}\",\"value\":\"v{}\"}}", random.u32(..500)));
    out.push_str(&groups.collect::<Vec<_>>().join(","));
    out.push_str("],\"tags\":[");
    let tags: Vec<String> =
        (0..random.usize(..4)).map(|_| format!("\"{}\"", pick(random, &["prod", "staging", "internal", "trial"]))).collect();
    out.push_str(&tags.join(","));
    out.push_str("]}");
}
