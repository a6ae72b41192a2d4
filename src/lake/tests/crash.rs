//! Runs that are killed, sleep or meet: last night's lake or tonight's, and never anything else.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::{ErrorKind, FAULT_POINTS, arm_fault};
use crate::lake::lease::LeaseFile;
use crate::lake::log::{Commit, read_commit, to_json};
use crate::lake::open::inspect_in;
use crate::lake::tests::faulty::{Fault, Faulty};
use crate::lake::tests::rig::{
    Rig, after_last_night, after_tonight, last_night, seen, spool, staged, staged_over, state, tonight,
};
use crate::lake::{Lake, LakeError, PreparedTable, manifest};

/// Kills a run at `fault` (as far as one process can), then lets another one open the lake and commit tonight's changes.
async fn check_crash(fault: &str) {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let armed = arm_fault(&format!("{fault}=io"));
        let outcome = async {
            let mut lake = rig.open("killed").await?;
            let table = tonight(&lake).await;
            // What fails once all is published is told, and is no error: here it is the kill.
            let commit = lake.commit(vec![table], state("t", 2)).await?;
            commit.untidy.map_or(Ok(()), Err)?;
            lake.close().await
        };
        // What was open is forgotten, as by a kill: nothing is closed or cleaned.
        let result = outcome.await;
        let passed = armed.passed() > 0;
        drop(armed);
        assert_eq!(result.is_err(), passed, "{fault}: {result:?}");

        let between = rig.visible().await;
        for (path, content) in &between {
            let is_whole = after_last_night().get(path) == Some(content) || after_tonight().get(path) == Some(content);
            assert!(is_whole, "{fault}: {path} holds {content:?}");
        }
        let mut lake = rig.open_later("next").await;
        let is_committed = lake.view().state("t") == Some(&json!({ "cursor": 2 }));
        let expected = if is_committed { after_tonight() } else { after_last_night() };
        assert_eq!(rig.visible().await, expected, "{fault}");
        if !is_committed {
            let table = tonight(&lake).await;
            lake.commit(vec![table], state("t", 2)).await.unwrap();
        }
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 3, "{fault}");
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, after_tonight(), "{fault}");
        let view = inspect_in(&rig.store, "p", &[], &*rig.clock).await.unwrap();
        assert_eq!((view.pending, view.unfinished_runs, view.lease), (vec![], Vec::<String>::new(), None), "{fault}");
    }
}

#[tokio::test]
async fn a_run_killed_at_any_fault_point_leaves_last_night_or_tonight() {
    for fault in FAULT_POINTS {
        check_crash(fault).await;
    }
}

#[tokio::test]
async fn a_run_killed_between_two_files_is_finished_by_the_next() {
    for fault in ["lake.stage.file#2", "lake.publish.put#2", "lake.publish.put#3"] {
        check_crash(fault).await;
    }
}

#[tokio::test]
async fn a_run_killed_while_it_recovers_is_recovered_in_turn() {
    for fault in ["lake.recover.before_fence", "lake.recover.after_fence", "lake.publish.put#2", "lake.publish.cleaning"] {
        for rig in Rig::every().await {
            last_night(&rig).await;
            let first = if fault.starts_with("lake.recover") { "lake.commit.after_stage" } else { "lake.publish.put#2" };
            let mut lake = rig.open("killed").await.unwrap();
            let table = tonight(&lake).await;
            let armed = arm_fault(&format!("{first}=io"));
            lake.commit(vec![table], state("t", 2)).await.unwrap_err();
            drop(armed);
            rig.clock.advance(31);
            let armed = arm_fault(&format!("{fault}=io"));
            let second = rig.open("killed-too").await;
            assert_eq!(second.is_err(), armed.passed() > 0, "{fault}");
            drop((armed, second));
            let mut lake = rig.open_later("next").await;
            if lake.view().state("t") == Some(&json!({ "cursor": 1 })) {
                let table = tonight(&lake).await;
                lake.commit(vec![table], state("t", 2)).await.unwrap();
            }
            lake.close().await.unwrap();
            assert_eq!(rig.visible().await, after_tonight(), "{fault}");
        }
    }
}

/// Tonight's run, asleep behind its commit, when one of its files is published.
pub(super) async fn fall_asleep_in_publish(rig: &Rig) -> Lake {
    let mut asleep = rig.open("asleep").await.unwrap();
    let table = tonight(&asleep).await;
    let _armed = arm_fault("lake.publish.put#2=io");
    let error = asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
    assert!(matches!(error, LakeError::Unpublished { version: 2, .. }), "{error:?}");
    asleep
}

#[tokio::test]
async fn a_run_that_wakes_up_in_its_publish_undoes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let asleep = fall_asleep_in_publish(&rig).await;

        let mut lake = rig.open_later("awake").await;
        let files = [
            ("k=1/part-000000.parquet", Some("one, changed again")),
            ("k=3/part-000002.parquet", None),
            ("k=5/part-000004.parquet", Some("five")),
        ];
        let table = staged(&lake, "t", &files).await;
        lake.commit(vec![table], state("t", 3)).await.unwrap();
        let expected = seen(&[
            ("t/k=1/part-000000.parquet", "one, changed again"),
            ("t/k=4/part-000003.parquet", "four"),
            ("t/k=5/part-000004.parquet", "five"),
        ]);
        assert_eq!(rig.visible().await, expected);

        let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
        asleep.publisher().publish(&commit).await.unwrap();
        assert_eq!(rig.visible().await, expected);
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 3);
        lake.close().await.unwrap();
        asleep.close().await.unwrap();
        assert_eq!(rig.visible().await, expected);
    }
}

/// Everything of a commit up to the creation of its commit, where the run falls asleep.
pub(super) async fn fall_asleep(lake: &mut Lake, table: &PreparedTable, state: &Map<String, Value>) -> Commit {
    let tables = [table.clone()];
    let (mut commit, manifests) = lake.draft(&tables, state).await.unwrap();
    commit.files = lake.format.stage(&commit, &tables).await.unwrap().files;
    for manifest in manifests {
        manifest::store(&*lake.store, &lake.layout, manifest).await.unwrap();
    }
    commit
}

#[tokio::test]
async fn a_run_that_was_cleaned_away_cannot_commit_when_it_wakes_up() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let commit = fall_asleep(&mut asleep, &table, &state("t", 2)).await;
        // The other run finds nothing to commit, so no commit of its own stands in the way.
        rig.open_later("awake").await.close().await.unwrap();

        let error = asleep.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { run } if run == "awake"), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { .. }), "{error:?}");
        asleep.close().await.unwrap();
        assert_eq!(rig.visible().await, after_last_night());
        assert_eq!(rig.open_later("next").await.view().table("t").await.unwrap().rows(), 2);
    }
}

#[tokio::test]
async fn of_two_runs_on_one_table_the_second_to_commit_changes_nothing() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut slow = rig.open("slow").await.unwrap();
        let table = tonight(&slow).await;
        let commit = fall_asleep(&mut slow, &table, &state("t", 2)).await;
        let mut quick = rig.open_later("quick").await;
        let other = staged(&quick, "t", &[("k=1/part-000000.parquet", Some("one, by the quick"))]).await;
        quick.commit(vec![other], state("t", 3)).await.unwrap();
        let error = slow.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Conflict { run } if run == "quick"), "{error:?}");
        slow.close().await.unwrap();
        quick.close().await.unwrap();
        let expected = seen(&[("t/k=1/part-000000.parquet", "one, by the quick"), ("t/k=2/part-000001.parquet", "two")]);
        assert_eq!(rig.visible().await, expected);
    }
}

#[tokio::test]
async fn two_runs_on_different_tables_both_commit() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut quick = rig.open("quick").await.unwrap();
        let other = staged(&quick, "u", &[("part-000000.parquet", Some("u"))]).await;
        let mut slow = rig.open_later("slow").await;
        let table = tonight(&slow).await;
        let commit = fall_asleep(&mut slow, &table, &state("t", 2)).await;
        if rig.store.root().is_some() {
            // On disk the slow one removed the other's spool.
            spool(&quick, "u-0.tmp", "u");
        }
        let commit_of_quick = fall_asleep(&mut quick, &other, &state("u", 1)).await;
        let commit_of_quick = Commit { parent: commit.parent, version: commit.version, ..commit_of_quick };
        assert!(rig.store.create(&slow.layout.commit(commit.version), to_json(&commit_of_quick)).await.unwrap());

        let commit = slow.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap();
        slow.publisher().publish(&commit).await.unwrap();
        quick.close().await.unwrap();
        slow.close().await.unwrap();
        let mut expected = after_tonight();
        expected.insert("u/part-000000.parquet".to_owned(), "u".to_owned());
        assert_eq!(rig.visible().await, expected);
        let lake = rig.open_later("next").await;
        assert_eq!((lake.view().table("t").await.unwrap().rows(), lake.view().table("u").await.unwrap().rows()), (3, 1));
        assert_eq!(
            (lake.view().state("t"), lake.view().state("u")),
            (Some(&json!({ "cursor": 2 })), Some(&json!({ "cursor": 1 })))
        );
    }
}

#[tokio::test]
async fn a_committed_file_that_vanished_is_a_loud_error_and_a_full_refresh_is_the_way_out() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("killed").await.unwrap();
        let table = tonight(&lake).await;
        let armed = arm_fault("lake.publish.put=io");
        lake.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        rig.store.clear(&lake.layout.staging("killed"), false).await.unwrap();
        rig.clock.advance(31);
        let error = rig.open("next").await.unwrap_err();
        assert_eq!(rig.visible().await, after_last_night());
        // moto answers a dropped upload with a 500, for which the file may be published later.
        let LakeError::Lost { version: 2, .. } = &error else {
            assert!(matches!(error, LakeError::Store { .. }), "{error:?}");
            continue;
        };
        assert!(error.hint().unwrap().contains("--full-refresh"), "{error}");
        // A run that loads another table anew does not help.
        rig.open_needing("other", &["t"]).await.unwrap_err();
        let mut lake = rig.open_needing("rebuilding", &[]).await.unwrap();
        let old = lake.view().table_to_rebuild("t").await.unwrap();
        let paths: Vec<&str> = old.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["t/k=1/part-000000.parquet"]);
        let files = [("k=1/part-000000.parquet", None), ("k=1/part-000009.parquet", Some("anew"))];
        let table = staged_over(&lake, "t", old, &files).await;
        lake.commit(vec![table], state("t", 3)).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, seen(&[("t/k=1/part-000009.parquet", "anew")]));
        assert_eq!(rig.open("last").await.unwrap().view().table("t").await.unwrap().rows(), 1);
    }
}

#[tokio::test]
async fn a_damaged_file_goes_with_the_refresh_of_its_table() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        rig.store.put("t/k=1/part-000000.parquet", b"damaged".to_vec()).await.unwrap();
        rig.store.remove("t/k=2/part-000001.parquet").await.unwrap();
        let mut lake = rig.open_needing("rebuilding", &[]).await.unwrap();
        assert!(lake.view().table("t").await.unwrap_err().hint().unwrap().contains("--full-refresh"));
        let old = lake.view().table_to_rebuild("t").await.unwrap();
        let table = staged_over(&lake, "t", old, &[("k=1/part-000000.parquet", Some("anew"))]).await;
        lake.commit(vec![table], state("t", 2)).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, seen(&[("t/k=1/part-000000.parquet", "anew")]));
    }
}

#[tokio::test]
async fn unfinished_uploads_that_are_gone_or_cannot_be_dropped_are_no_obstacle() {
    for cannot_be_dropped in [false, true] {
        let bucket = Faulty::new();
        let rig = Rig::of(Arc::clone(&bucket));
        last_night(&rig).await;
        let mut lake = rig.open("killed").await.unwrap();
        let table = tonight(&lake).await;
        let armed = arm_fault("lake.commit.after_stage=io");
        lake.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        if cannot_be_dropped {
            bucket.set(Some(Fault::NoAborts));
        } else {
            let staging = lake.layout.staging("killed");
            let notes = rig.store.list(&staging).await.unwrap();
            let kept = rig.store.get(&notes[0].path).await.unwrap().unwrap();
            rig.store.clear(&staging, false).await.unwrap();
            rig.store.put(&notes[0].path, kept.bytes).await.unwrap();
        }
        let mut lake = rig.open_later("next").await;
        assert_eq!(rig.store.list(&lake.layout.stagings()).await.unwrap(), []);
        let table = tonight(&lake).await;
        lake.commit(vec![table], state("t", 2)).await.unwrap();
        assert_eq!(rig.visible().await, after_tonight());
    }
}

#[tokio::test]
async fn a_run_gives_signs_of_life_while_it_finishes_what_another_began() {
    let rig = Rig::in_memory();
    last_night(&rig).await;
    let mut lake = rig.open("killed").await.unwrap();
    let table = tonight(&lake).await;
    let armed = arm_fault("lake.publish.put=io");
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop(armed);
    // Looks for the lost file go on for a while.
    rig.store.clear(&lake.layout.staging("killed"), false).await.unwrap();
    rig.clock.advance(31);
    rig.clock.hurry();
    let beats = async {
        let mut beats = BTreeSet::new();
        for _ in 0..50 {
            let lease = rig.store.get(&lake.layout.lease()).await.unwrap();
            beats.extend(
                lease.as_ref().and_then(LeaseFile::parse).filter(|lease| lease.run == "next").map(|lease| lease.heartbeat),
            );
            rig.clock.advance(1);
            tokio::task::yield_now().await;
        }
        beats
    };
    let (opened, beats) = futures::future::join(rig.open("next"), beats).await;
    opened.unwrap_err();
    assert!(beats.len() > 1, "{beats:?}");
}

/// Lets the n-th request of a night fail, for every n; the night may end well or not, the next one ends well.
async fn check_failing_requests(fault: fn(u64) -> Fault) {
    for nth in 1.. {
        let bucket = Faulty::new();
        let rig = Rig::of(Arc::clone(&bucket));
        last_night(&rig).await;
        bucket.set(Some(fault(nth)));
        let result = async {
            let mut lake = rig.open("tonight").await?;
            let table = async {
                // The helper unwraps, so the failing request must not be one of its own.
                lake.view().table("t").await.map(drop)
            };
            let outcome = match table.await {
                Ok(()) => {
                    let table = unfailing(&bucket, tonight(&lake)).await;
                    lake.commit(vec![table], state("t", 2)).await.map(drop)
                }
                Err(error) => Err(error),
            };
            outcome.and(lake.close().await)
        }
        .await;
        let is_over = bucket.requests() < nth;
        bucket.set(None);
        let told = format!("request {nth}: {result:?}");
        assert!(result.is_ok() || !is_over, "{told}");

        let mut lake = rig.open_later("next").await;
        let is_committed = lake.view().state("t") == Some(&json!({ "cursor": 2 }));
        assert_eq!(rig.visible().await, if is_committed { after_tonight() } else { after_last_night() }, "{told}");
        assert!(is_committed || result.is_err(), "{told}");
        if !is_committed {
            let table = tonight(&lake).await;
            lake.commit(vec![table], state("t", 2)).await.unwrap();
        }
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, after_tonight(), "{told}");
        if is_over {
            assert!(nth > 20, "only {nth} requests");
            return;
        }
    }
}

/// Awaits `work` without the bucket's fault, and without counting its requests.
async fn unfailing<T>(bucket: &Faulty, work: impl Future<Output = T>) -> T {
    let paused = bucket.pause();
    let result = work.await;
    bucket.resume(paused);
    result
}

#[tokio::test]
async fn a_store_that_refuses_any_one_request_costs_a_night_at_most() {
    check_failing_requests(Fault::Refused).await;
}

#[tokio::test]
async fn a_store_that_loses_any_one_answer_costs_a_night_at_most() {
    check_failing_requests(Fault::AnswerLost).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_made_once() {
    let bucket = Faulty::new();
    let rig = Rig::of(Arc::clone(&bucket));
    last_night(&rig).await;
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    let commit = fall_asleep(&mut lake, &table, &state("t", 2)).await;
    bucket.set(Some(Fault::AnswerLost(1)));
    let commit = lake.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap();
    assert_eq!((commit.version, commit.run.as_str()), (2, "tonight"));
    // The first file's answer is lost in the publish, too, behind five requests that keep the old files and the look at its place.
    bucket.set(Some(Fault::AnswerLost(7)));
    lake.publisher().publish(&commit).await.unwrap();
    assert_eq!(rig.visible().await, after_tonight());
}
