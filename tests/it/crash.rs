//! Killed at any instant, the next run ends with the lake that an uninterrupted run would have made.
//!
//! The binary is killed by SIGKILL at every fault point it has, and at random instants; then it is run again, and every data file must
//! have the name and the bytes it has without the kill.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::support::billing::{Billing, KEY, guide_config};
use crate::support::fake_api::FakeApi;
use crate::support::sandbox::{Running, Sandbox, files_under};
use crate::support::table::read_rows;

/// Pages of one night of the guide.
const PAGES: u64 = 16;

type Files = BTreeMap<String, Vec<u8>>;

/// The guide's API and a sandbox that reads it.
fn guide() -> (Billing, FakeApi, Sandbox) {
    let billing = Billing::guide();
    let api = billing.serve();
    let sandbox = Sandbox::with_config(&guide_config(&api.url())).env("BILLING_API_KEY", KEY);
    (billing, api, sandbox)
}

/// The data files after each of two uninterrupted nights.
fn uninterrupted() -> [Files; 2] {
    let (billing, _api, sandbox) = guide();
    sandbox.run_ok();
    let first = sandbox.data_files();
    billing.second_night();
    sandbox.run_ok();
    [first, sandbox.data_files()]
}

/// The names of the fault points, as the program lists them.
fn fault_points() -> Vec<&'static str> {
    let source = include_str!("../../src/base/fault.rs");
    let list = source.split_once("FAULT_POINTS").unwrap().1.split_once("];").unwrap().0;
    let points: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(points.len() >= 10, "{points:?}");
    points
}

/// Runs with a fault armed. True when it struck.
fn run_with_fault(sandbox: &Sandbox, fault: &str) -> bool {
    let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
    let killed = ended.status.signal() == Some(9);
    assert!(killed || ended.code() == Some(0), "`{fault}`: {ended}");
    killed
}

/// What any reader may see at any time: whole files, and of each key only rows of one of the two nights.
#[track_caller]
fn check_readable(sandbox: &Sandbox, nights: &[Files]) {
    let known: BTreeSet<&[u8]> = nights.iter().flat_map(BTreeMap::values).map(Vec::as_slice).collect();
    for (path, bytes) in sandbox.data_files() {
        assert!(known.contains(bytes.as_slice()), "{path} is a file of neither night");
    }
    read_rows(&sandbox.lake().join("customer_usage"));
}

#[track_caller]
fn check_lake(sandbox: &Sandbox, expected: &Files, what: &str) {
    let found = sandbox.data_files();
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    assert!(found == *expected, "{what}: a file differs from that of an uninterrupted run");
    let left: Vec<String> = files_under(&sandbox.lake().join("_lakeward/billing/staging")).into_keys().collect();
    assert!(left.is_empty(), "{what}: staging is not clean: {left:?}");
}

/// Kills a night at each fault point in turn, each on a lake of its own. Returns the points that were reached.
fn kill_at_every_point(second_night: bool) -> BTreeSet<&'static str> {
    let nights = uninterrupted();
    let mut reached = BTreeSet::new();
    for point in fault_points() {
        let (billing, _api, sandbox) = guide();
        if second_night {
            sandbox.run_ok();
            billing.second_night();
        }
        if run_with_fault(&sandbox, &format!("{point}=kill")) {
            reached.insert(point);
        }
        check_readable(&sandbox, &nights);
        sandbox.run_ok();
        check_lake(&sandbox, &nights[usize::from(second_night)], point);
    }
    reached
}

#[test]
fn e_102_a_first_night_killed_at_any_fault_point_ends_as_if_it_had_not_been() {
    let reached = kill_at_every_point(false);
    assert!(reached.len() >= 12, "only {reached:?} were reached");
}

#[test]
fn e_102_a_second_night_killed_at_any_fault_point_ends_as_if_it_had_not_been() {
    let reached = kill_at_every_point(true);
    assert!(reached.len() >= 12, "only {reached:?} were reached");
}

/// Kills a second night at `first`, and then the run that mends it at each fault point in turn.
fn kill_the_recovery(first: &str) {
    let nights = uninterrupted();
    let mut reached = BTreeSet::new();
    for point in fault_points() {
        let (billing, _api, sandbox) = guide();
        sandbox.run_ok();
        billing.second_night();
        assert!(run_with_fault(&sandbox, &format!("{first}=kill")), "{first} was not reached");
        if run_with_fault(&sandbox, &format!("{point}=kill")) {
            reached.insert(point);
        }
        check_readable(&sandbox, &nights);
        sandbox.run_ok();
        check_lake(&sandbox, &nights[1], &format!("{first}, then {point}"));
    }
    assert!(reached.iter().any(|point| point.contains("recover")), "only {reached:?} were reached");
}

#[test]
fn a_recovery_of_a_bare_commit_killed_at_any_fault_point_is_recovered_by_the_next() {
    kill_the_recovery("lake.commit.after_create");
}

#[test]
fn a_recovery_of_half_a_publish_killed_at_any_fault_point_is_recovered_by_the_next() {
    kill_the_recovery("lake.publish.put#2");
}

#[test]
fn a_committed_run_is_finished_without_asking_the_api() {
    let nights = uninterrupted();
    let (_billing, api, sandbox) = guide();
    assert!(run_with_fault(&sandbox, "lake.commit.after_create=kill"));
    let brief = guide_config(&api.url()).replace("client:\n", "client:\n  retry: {max_retries: 1}\n");
    sandbox.write("lakeward.yaml", &brief);
    drop(api);
    // The API is gone, so the run itself fails; what was committed is published all the same.
    sandbox.run().failed_with(75, &[]);
    check_lake(&sandbox, &nights[0], "rolled forward");
}

/// Pages that a killed run has kept: each has one head in a log.
fn kept(sandbox: &Sandbox) -> u64 {
    let heads = |bytes: &[u8]| bytes.windows(11).filter(|window| window == b"\"position\":").count() as u64;
    files_under(&sandbox.lake().join("_lakeward/billing/answers")).values().map(|bytes| heads(bytes)).sum()
}

/// Kills at an instant that only `seed` decides: after some pages, and then after up to 40 ms.
fn kill_at_random(seed: u64, billing: &Billing, sandbox: &Sandbox) -> bool {
    let mut random = fastrand::Rng::with_seed(seed);
    let before = billing.answered();
    // What a killed run has kept is not asked for again.
    let pages = random.u64(0..=PAGES.saturating_sub(kept(sandbox)));
    let wait = Duration::from_micros(random.u64(0..40_000));
    let child = sandbox.start();
    billing.wait_for(before + pages, Duration::from_secs(20));
    // Nobody asks for that many pages: this waits for `wait`.
    billing.wait_for(u64::MAX, wait);
    child.kill()
}

/// Kills the two nights at random instants, five times each before they may end.
fn kill_again_and_again(seeds: std::ops::Range<u64>) {
    let nights = uninterrupted();
    let mut kills = 0;
    for seed in seeds {
        let (billing, _api, sandbox) = guide();
        for (night, expected) in nights.iter().enumerate() {
            if night == 1 {
                billing.second_night();
            }
            for again in 0..5 {
                kills += u32::from(kill_at_random(seed * 100 + night as u64 * 10 + again, &billing, &sandbox));
                check_readable(&sandbox, &nights);
            }
            sandbox.run_ok();
            check_lake(&sandbox, expected, &format!("seed {seed}, night {night}"));
        }
    }
    assert!(kills >= 15, "only {kills} runs were killed before their end");
}

#[test]
fn random_kills_change_nothing_first_series() {
    kill_again_and_again(1..4);
}

#[test]
fn random_kills_change_nothing_second_series() {
    kill_again_and_again(4..7);
}

#[test]
fn a_failing_disk_at_any_point_is_a_typed_error_and_the_next_run_mends_it() {
    let nights = uninterrupted();
    for point in fault_points() {
        let (billing, _api, sandbox) = guide();
        sandbox.run_ok();
        billing.second_night();
        let fault = format!("{point}=io");
        let ended = Running::spawn(sandbox.command(&["run", "lakeward.yaml"]).env("LAKEWARD_FAULT", fault)).end();
        // A spooled file belongs to one table: the other is published.
        let codes: &[i32] = if point == "lake.spool.file" { &[20] } else { &[0, 75] };
        assert!(ended.code().is_some_and(|code| codes.contains(&code)), "`{point}`: {ended}");
        check_readable(&sandbox, &nights);
        sandbox.run_ok();
        check_lake(&sandbox, &nights[1], point);
    }
}
