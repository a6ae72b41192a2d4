//! Garbage collection: what goes, what stays, and what a kill or a run that slept makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::crash::fall_asleep;
use super::rig::*;
use crate::base::{ErrorKind, arm_fault};
use crate::lake::log::{Commit, to_json};
use crate::lake::ops::{Archive, Garbage};
use crate::lake::{Lake, LakeError, PreparedTable, Purpose, Snapshot};

/// No state names marks.
fn none(_: &Value) -> Option<&str> {
    None
}

/// `count` nights over last night, each of which gives the file of `k=1` another content.
async fn nights(rig: &Rig, count: i64) {
    last_night(rig).await;
    for night in 2..=count {
        let mut lake = rig.open(&format!("night-{night}")).await.unwrap();
        let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some(&format!("night {night}")))]).await;
        lake.commit(vec![table], state("t", night)).await.unwrap();
        lake.close().await.unwrap();
    }
}

async fn collect(rig: &Rig, run: &str) -> Result<Garbage, LakeError> {
    let mut lake = rig.open(run).await?;
    let garbage = lake.collect(3, none).await?.0;
    lake.close().await?;
    Ok(garbage)
}

/// Names in the folders of the log and the manifests, and versions that are kept.
async fn own_files(rig: &Rig) -> [Vec<String>; 3] {
    let mut lists = ["log", "manifest", "kept"].map(|_| Vec::new());
    for (list, folder) in lists.iter_mut().zip(["log", "manifest", "kept"]) {
        let prefix = format!("_lakeward/p/{folder}/");
        for found in rig.store.list(prefix.trim_end_matches('/')).await.unwrap() {
            list.push(found.path.strip_prefix(&prefix).unwrap().to_owned());
            list.retain(|name| !name.ends_with("/keeper.json"));
        }
    }
    lists
}

fn seen_after(night: i64) -> BTreeMap<String, String> {
    seen_after_content(&format!("night {night}"))
}

fn seen_after_content(content: &str) -> BTreeMap<String, String> {
    seen(&[("t/k=1/part-000000.parquet", content), ("t/k=2/part-000001.parquet", "two")])
}

#[tokio::test]
async fn what_nothing_needs_goes_and_the_next_nights_find_what_they_need() {
    for rig in Rig::every().await {
        nights(&rig, 6).await;
        let garbage = collect(&rig, "gc").await.unwrap();
        // Three commits are left: the collection's own and the two before it.
        let [log, manifests, kept] = own_files(&rig).await;
        let records: Vec<&String> = log.iter().filter(|name| name.ends_with(".json")).collect();
        assert_eq!(records, ["00000000000000000005.json", "00000000000000000006.json", "00000000000000000007.json"]);
        // Last night can still be undone: the collection changed no file.
        assert_eq!((manifests.len(), kept), (2, vec!["00000000000000000006/night-6/t/k=1/part-000000.kept".to_owned()]));
        assert_eq!((garbage.manifests.len(), garbage.commits.len()), (4, 8));
        assert_eq!(rig.visible().await, seen_after(6));
        let commits = Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap().history(10, None, 1).await.unwrap();
        assert_eq!(commits.iter().map(|commit| commit.version).collect::<Vec<_>>(), [7, 6, 5]);
        assert_eq!(commits[0].purpose, Purpose::Collection);

        let mut lake = rig.open("night-7").await.unwrap();
        assert_eq!(lake.view().state("t"), state("t", 6).get("t"));
        let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("night 7"))]).await;
        lake.commit(vec![table], state("t", 7)).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, seen_after(7));
    }
}

#[tokio::test]
async fn a_lake_without_garbage_is_left_as_it_is() {
    let rig = Rig::disk().await;
    nights(&rig, 2).await;
    let before = own_files(&rig).await;
    assert!(collect(&rig, "gc").await.unwrap().files().next().is_none());
    assert_eq!(own_files(&rig).await, before);
}

#[tokio::test]
async fn a_collection_that_is_killed_leaves_a_lake_that_opens_and_the_next_one_ends_it() {
    for make in [0, 1] {
        for instant in 1..=8 {
            let rig = if make == 0 { Rig::disk().await } else { Rig::in_memory() };
            nights(&rig, 6).await;
            let armed = arm_fault(&format!("lake.gc.removed#{instant}=io"));
            let killed = collect(&rig, "killed").await.is_err();
            assert_eq!(killed, armed.passed() >= instant, "{instant}");
            drop(armed);
            let mut lake = rig.open_later("next").await;
            assert_eq!(lake.view().state("t"), state("t", 6).get("t"));
            lake.collect(3, none).await.unwrap();
            lake.close().await.unwrap();
            assert_eq!(rig.visible().await, seen_after(6), "{instant}");
            let [log, ..] = own_files(&rig).await;
            assert!(!log.contains(&"00000000000000000004.json".to_owned()), "{instant}: {log:?}");
        }
    }
}

#[tokio::test]
async fn a_run_that_slept_until_its_version_was_collected_commits_nothing() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let commit = fall_asleep(&mut asleep, &table, &state("t", 2)).await;
        rig.clock.advance(31);
        for night in 2..=6 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some(&format!("night {night}")))]).await;
            lake.commit(vec![table], state("t", night)).await.unwrap();
            lake.close().await.unwrap();
        }
        collect(&rig, "gc").await.unwrap();
        let before = own_files(&rig).await;
        assert!(!before[0].contains(&"00000000000000000002.json".to_owned()), "{before:?}");
        let error = asleep.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(error, LakeError::Outlived { version: 2 }), "{error}");
        assert_eq!(own_files(&rig).await, before);
        assert_eq!(rig.visible().await, seen_after(6));
    }
}

#[tokio::test]
async fn a_collection_that_slept_removes_nothing_that_is_new() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        nights(&rig, 6).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let (garbage, _) = asleep.condemn(3, none).await.unwrap();
        let mut lake = rig.open_later("awake").await;
        // The content of the third night again, whose manifest is garbage.
        let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("night 3"))]).await;
        let table = PreparedTable { after: Snapshot { next_number: 3, ..table.after }, ..table };
        lake.commit(vec![table], state("t", 7)).await.unwrap();
        lake.close().await.unwrap();
        asleep.discard(&garbage).await.unwrap();
        let lake = rig.open_later("next").await;
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 2);
        assert_eq!(rig.visible().await, seen_after_content("night 3"));
        lake.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_collection_that_another_run_overtakes_collects_nothing() {
    let rig = Rig::in_memory();
    nights(&rig, 6).await;
    let mut asleep = rig.open("asleep").await.unwrap();
    asleep.purpose = Purpose::Collection;
    let (commit, _) = asleep.draft(&[], &Map::new()).await.unwrap();
    let mut lake = rig.open_later("awake").await;
    let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("night 7"))]).await;
    lake.commit(vec![table], state("t", 7)).await.unwrap();
    lake.close().await.unwrap();
    let before = own_files(&rig).await;
    let error = asleep.create_commit(commit, &BTreeSet::new(), &Map::new()).await.unwrap_err();
    assert!(matches!(&error, LakeError::Conflict { run } if run == "awake"), "{error}");
    assert_eq!(own_files(&rig).await, before);
}

/// A lake of which versions 1 and 2 are collected, and the second one as a run would commit it that slept.
async fn late_commit(rig: &Rig) -> (Lake, Commit) {
    last_night(rig).await;
    let mut asleep = rig.open("asleep").await.unwrap();
    let table = tonight(&asleep).await;
    let commit = fall_asleep(&mut asleep, &table, &state("t", 2)).await;
    for night in 2..=3 {
        let mut lake = rig.open_later(&format!("night-{night}")).await;
        let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some(&format!("night {night}")))]).await;
        lake.commit(vec![table], state("t", night)).await.unwrap();
        lake.close().await.unwrap();
    }
    while own_files(rig).await[0].contains(&"00000000000000000002.json".to_owned()) {
        collect(rig, "gc").await.unwrap();
    }
    (asleep, commit)
}

#[tokio::test]
async fn a_run_that_slept_commits_nothing_under_a_collected_number_right_before_the_oldest() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        let (mut asleep, commit) = late_commit(&rig).await;
        let before = own_files(&rig).await;
        assert!(before[0].contains(&"00000000000000000003.json".to_owned()), "{before:?}");
        let error = asleep.create_commit(commit, &BTreeSet::from(["t"]), &state("t", 2)).await.unwrap_err();
        assert!(matches!(error, LakeError::Outlived { version: 2 }), "{error}");
        assert_eq!(own_files(&rig).await, before);
    }
}

#[tokio::test]
async fn a_run_that_slept_behind_its_commit_until_that_was_collected_is_told_that_nobody_knows() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let commit = fall_asleep(&mut asleep, &table, &state("t", 2)).await;
        assert!(rig.store.create(&asleep.layout.commit(2), to_json(&commit)).await.unwrap());
        for night in 3..=5 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some(&format!("night {night}")))]).await;
            lake.commit(vec![table], state("t", night)).await.unwrap();
            lake.close().await.unwrap();
        }
        collect(&rig, "gc").await.unwrap();
        let before = own_files(&rig).await;
        assert!(!before[0].contains(&"00000000000000000002.json".to_owned()), "{before:?}");
        let error = asleep.check_newest(commit).await.unwrap_err();
        assert!(matches!(error, LakeError::Outlived { version: 2 }), "{error}");
        assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Unavailable, true));
        assert_eq!(own_files(&rig).await, before);
    }
}

#[tokio::test]
async fn a_commit_under_a_collected_number_does_not_count_and_is_garbage() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        let (asleep, commit) = late_commit(&rig).await;
        // Killed before it sees that its number is none any more.
        assert!(rig.store.create(&asleep.layout.commit(2), to_json(&commit)).await.unwrap());
        drop(asleep);
        for (run, cursor) in [("next", 3), ("next-but-one", 4)] {
            let mut lake = rig.open_later(run).await;
            assert_eq!(lake.view().state("t"), state("t", cursor).get("t"));
            let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some(run))]).await;
            lake.commit(vec![table], state("t", 4)).await.unwrap();
            lake.close().await.unwrap();
            collect(&rig, &format!("gc-after-{run}")).await.unwrap();
        }
        let [log, ..] = own_files(&rig).await;
        assert!(!log.contains(&"00000000000000000002.json".to_owned()), "{log:?}");
        assert_eq!(rig.visible().await, seen_after_content("next-but-one"));
    }
}
