//! Files that were lost or damaged are put back from what is kept, on every store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::rig::*;
use crate::base::arm_fault;
use crate::lake::ops::Archive;
use crate::lake::{Committed, Cure, Damages, LakeError, Purpose};

fn marks_name(state: &mut Value) -> Option<&mut Value> {
    state.get_mut("marks")
}

async fn archive(rig: &Rig) -> Archive {
    Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap()
}

/// A lake that is last night's again: what came since, and what it was, is kept.
async fn rolled_back(rig: &mut Rig) {
    rig.plan.keep_versions = 5;
    last_night(rig).await;
    let mut lake = rig.open("night-2").await.unwrap();
    let table = tonight(&lake).await;
    lake.commit(vec![table], state("t", 2)).await.unwrap();
    lake.close().await.unwrap();
    let mut lake = rig.open("back").await.unwrap();
    lake.rollback(1, &rig.plan, marks_name).await.unwrap();
    lake.close().await.unwrap();
}

/// Each file that is not what was committed, and whether it can be put back.
fn bad(found: &BTreeMap<String, Damages>) -> Vec<(String, bool)> {
    let files = found.values().flat_map(|damages| &damages.files);
    files.map(|bad| (bad.file.path.clone(), !matches!(bad.cure, Cure::None))).collect()
}

async fn restore(rig: &Rig, run: &str) -> Result<Committed, LakeError> {
    let mut lake = rig.open(run).await?;
    let found = lake.archive().unwrap().damages(None).await?;
    let prepared = lake.restoration(&found, &rig.plan).await?;
    let done = lake.commit_for(Purpose::Restoration, prepared, Map::new()).await;
    let closed = lake.close().await;
    let done = done?;
    closed.map(|()| done)
}

/// The contents that readers see, whatever the names.
fn contents(seen: &BTreeMap<String, String>) -> Vec<String> {
    let mut contents: Vec<String> = seen.values().cloned().collect();
    contents.sort();
    contents
}

/// Takes another file's place in front of the live file that holds `content`.
async fn lose(rig: &Rig, content: &str, instead: Option<&str>) -> String {
    let (path, _) = rig.visible().await.into_iter().find(|(_, there)| there == content).unwrap();
    // The content may have other names, as what is kept has.
    rig.store.remove(&path).await.unwrap();
    if let Some(instead) = instead {
        rig.store.put(&path, instead.as_bytes().to_vec()).await.unwrap();
    }
    path
}

#[tokio::test]
async fn a_file_that_is_lost_cut_or_changed_gets_its_content_back_from_a_copy_under_its_own_name() {
    for instead in [None, Some("onE"), Some("o"), Some("much longer")] {
        for mut rig in Rig::every().await {
            rolled_back(&mut rig).await;
            assert_eq!(bad(&archive(&rig).await.damages(None).await.unwrap()), []);
            let before = rig.visible().await;
            let (one, two) = (lose(&rig, "one", instead).await, lose(&rig, "two", None).await);
            let lost = [(one.clone(), true), (two.clone(), true)];
            assert_eq!(bad(&archive(&rig).await.damages(Some("t")).await.unwrap()), lost, "{instead:?} {rig:?}");
            let done = restore(&rig, "repairs").await.unwrap();
            assert_eq!((done.version, rig.visible().await), (4, before), "{instead:?} {rig:?}");
            let lake = rig.open("next").await.unwrap();
            assert_eq!(lake.view().table("t").await.unwrap().rows(), 2);
            assert_eq!(lake.view().state("t"), state("t", 1).get("t"));
            lake.close().await.unwrap();
            assert_eq!(bad(&archive(&rig).await.damages(None).await.unwrap()), []);
            // What came before can be had as before.
            let mut lake = rig.open("forward").await.unwrap();
            lake.rollback(2, &rig.plan, marks_name).await.unwrap();
            lake.close().await.unwrap();
            assert_eq!(contents(&rig.visible().await), contents(&after_tonight()), "{instead:?} {rig:?}");
            let mut lake = rig.open("back-again").await.unwrap();
            lake.rollback(1, &rig.plan, marks_name).await.unwrap();
            lake.close().await.unwrap();
            assert_eq!(contents(&rig.visible().await), ["one", "two"], "{instead:?} {rig:?}");
        }
    }
}

#[tokio::test]
async fn a_file_without_a_whole_copy_stays_as_it_is_and_is_named() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let one = lose(&rig, "one", Some("onE")).await;
        // What is kept and has its size alone is no copy.
        rig.store.put("_lakeward/p/kept/00000000000000000001/x/t/k=1/part-000000.parquet.kept", b"oNe".to_vec()).await.unwrap();
        let there = rig.visible().await;
        assert_eq!(bad(&archive(&rig).await.damages(None).await.unwrap()), [(one, false)], "{rig:?}");
        assert!(!restore(&rig, "repairs").await.unwrap().is_new);
        assert_eq!(rig.visible().await, there);
    }
}

#[tokio::test]
async fn a_restoration_that_stops_anywhere_is_ended_by_the_next_one() {
    let points = [
        "lake.stage.file",
        "lake.commit.after_manifests",
        "lake.commit.after_create",
        "lake.publish.put#2",
        "lake.publish.after_puts",
        "lake.publish.before_done",
    ];
    for point in points {
        for mut rig in Rig::every().await {
            rolled_back(&mut rig).await;
            let before = rig.visible().await;
            lose(&rig, "one", Some("onE")).await;
            lose(&rig, "two", None).await;
            let armed = arm_fault(&format!("{point}=io"));
            drop(restore(&rig, "stops").await);
            assert!(armed.passed() > 0, "{point}");
            drop(armed);
            rig.clock.advance(31);
            restore(&rig, "repairs").await.unwrap();
            assert_eq!(rig.visible().await, before, "{point} {rig:?}");
            assert_eq!(bad(&archive(&rig).await.damages(None).await.unwrap()), []);
        }
    }
}

#[tokio::test]
async fn a_restoration_takes_no_undo() {
    let mut rig = Rig::disk().await;
    rolled_back(&mut rig).await;
    rig.plan.keep_versions = 1;
    lose(&rig, "one", None).await;
    restore(&rig, "repairs").await.unwrap();
    assert_eq!(archive(&rig).await.oldest_undoable(1).await.unwrap(), 3);
    let mut lake = rig.open("forward").await.unwrap();
    lake.rollback(2, &rig.plan, marks_name).await.unwrap();
    assert_eq!(contents(&rig.visible().await), contents(&after_tonight()));
}
