//! Abandoning a commit of which staged files are gone for good.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::rig::*;
use crate::base::arm_fault;
use crate::lake::log::{read_commit, versions};
use crate::lake::open::Opening;
use crate::lake::ops::Archive;
use crate::lake::store::Handle;
use crate::lake::tests::s3_server::{Manner, S3Server};
use crate::lake::{Lake, LakeError, Look, Owner, Purpose};

pub(super) fn marks_name(state: &mut Value) -> Option<&mut Value> {
    state.get_mut("marks")
}

async fn open_to_abandon(rig: &Rig, run: &str, version: u64) -> Result<Lake, LakeError> {
    let owner = Owner { host: "elsewhere".to_owned(), pid: 7, identity: None };
    let clock: Arc<TestClock> = Arc::clone(&rig.clock);
    Lake::open_for(Arc::clone(&rig.store), (&rig.plan, "p"), clock, run, owner, Opening::Abandonment(version)).await
}

/// Abandons commit `version` as `run`, to the end.
pub(super) async fn abandon(rig: &Rig, run: &str, version: u64) -> Result<u64, LakeError> {
    let mut lake = open_to_abandon(rig, run, version).await?;
    let done = lake.abandon(&rig.plan, marks_name).await;
    let closed = lake.close().await;
    let (_, commit) = done?;
    closed?;
    match commit.untidy {
        Some(error) => Err(error),
        None => Ok(commit.version),
    }
}

/// A run that commits tonight's files, published up to `fault`; it sleeps then.
async fn asleep_in(rig: &Rig, fault: &str) -> Lake {
    let mut lake = rig.open("asleep").await.unwrap();
    let table = tonight(&lake).await;
    let armed = arm_fault(fault);
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop(armed);
    rig.clock.advance(31);
    lake
}

/// Loses what is still staged of commit `version`, as a bucket rule does, or somebody who cleans up.
async fn lose_staged(rig: &Rig, lake: &Lake, version: u64) {
    let commit = read_commit(&*rig.store, &lake.layout, version).await.unwrap().unwrap();
    for change in &commit.files {
        match &change.handle {
            Some(Handle::Staged(path)) => rig.store.remove(path).await.unwrap(),
            Some(Handle::Upload { id, .. }) => rig.store.drop_upload(&change.path, id).await.unwrap(),
            None => {}
        }
    }
}

/// Whether the store tells that an upload is gone; moto answers with a 500, for which the file may be published later.
async fn is_lost(rig: &Rig) -> bool {
    matches!(rig.open("next").await.unwrap_err(), LakeError::Lost { .. })
}

/// The contents that readers see, whatever the names.
fn contents(seen: &BTreeMap<String, String>) -> Vec<String> {
    let mut contents: Vec<String> = seen.values().cloned().collect();
    contents.sort();
    contents
}

#[tokio::test]
async fn what_was_before_a_commit_that_lost_files_comes_back_with_its_cursors_however_much_was_published() {
    for fault in ["lake.commit.after_create=io", "lake.publish.put=io", "lake.publish.put#2=io", "lake.publish.put#3=io"] {
        for rig in Rig::every().await {
            last_night(&rig).await;
            let asleep = asleep_in(&rig, fault).await;
            lose_staged(&rig, &asleep, 2).await;
            if !is_lost(&rig).await {
                continue;
            }
            assert_eq!(abandon(&rig, "abandons", 2).await.unwrap(), 3, "{fault} {rig:?}");
            assert_eq!(contents(&rig.visible().await), ["one", "two"], "{fault} {rig:?}");
            let lake = rig.open("night-3").await.unwrap();
            assert_eq!(
                (lake.view().state("t"), lake.view().table("t").await.unwrap().rows()),
                (Some(&json!({ "cursor": 1 })), 2)
            );
            lake.close().await.unwrap();
            assert_eq!(versions(&*rig.store, &asleep.layout).await.unwrap().pending, Vec::<u64>::new());
            // The run that slept is not told that it is green, and undoes nothing.
            let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
            let error = asleep.publisher().publish(&commit).await.unwrap_err();
            assert!(matches!(error, LakeError::Abandoned { version: 2 }), "{error:?}");
            assert_eq!(contents(&rig.visible().await), ["one", "two"], "{fault} {rig:?}");
            // The night after loads what was given up.
            let mut lake = rig.open("night-4").await.unwrap();
            let table = staged(&lake, "t", &[("k=9/part-000009.parquet", Some("more"))]).await;
            lake.commit(vec![table], state("t", 2)).await.unwrap();
            lake.close().await.unwrap();
            assert_eq!(contents(&rig.visible().await), ["more", "one", "two"]);
        }
    }
}

#[tokio::test]
async fn what_a_commit_deletes_comes_back_under_another_name_since_a_run_that_slept_may_still_delete_it() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let asleep = asleep_in(&rig, "lake.commit.after_create=io").await;
        lose_staged(&rig, &asleep, 2).await;
        if !is_lost(&rig).await {
            continue;
        }
        abandon(&rig, "abandons", 2).await.unwrap();
        // It is right before its deletion.
        rig.store.remove("t/k=2/part-000001.parquet").await.unwrap();
        assert_eq!(contents(&rig.visible().await), ["one", "two"]);
        assert_eq!(rig.open("next").await.unwrap().view().table("t").await.unwrap().rows(), 2);
    }
}

#[tokio::test]
async fn nothing_of_an_abandoned_commit_is_published_later_by_a_run_that_slept() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let asleep = asleep_in(&rig, "lake.commit.after_create=io").await;
        let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
        // One file is lost, and the others are staged still: a run that opens the lake fails before it has put them.
        let mut whole = commit.clone();
        whole.files.retain(|change| change.path.contains("k=3"));
        let Some(Handle::Staged(path)) = &whole.files[0].handle else {
            let Some(Handle::Upload { id, .. }) = &whole.files[0].handle else { panic!() };
            rig.store.drop_upload(&whole.files[0].path, id).await.unwrap();
            continue;
        };
        rig.store.remove(path).await.unwrap();
        let armed = arm_fault("lake.publish.put#3=io");
        let _ = open_to_abandon(&rig, "killed", 2).await;
        drop(armed);
        rig.clock.advance(31);
        abandon(&rig, "abandons", 2).await.unwrap();
        let visible = rig.visible().await;
        for change in &commit.files {
            if let Some(Handle::Staged(path)) = &change.handle {
                assert!(rig.store.head(path).await.unwrap().is_none(), "{path}");
            }
        }
        asleep.publisher().publish(&commit).await.unwrap_err();
        assert_eq!(rig.visible().await, visible);
    }
}

#[tokio::test]
async fn an_abandonment_that_is_killed_anywhere_is_ended_by_the_same_command_or_the_next_run() {
    let points = [
        "lake.open.leased",
        "lake.abandon.dropped",
        "lake.commit.before_stage",
        "lake.commit.after_stage",
        "lake.commit.after_claims",
        "lake.commit.after_manifests",
        "lake.commit.before_create",
        "lake.commit.after_create",
        "lake.publish.put",
        "lake.publish.put#2",
        "lake.publish.after_puts",
        "lake.publish.delete",
        "lake.publish.delete#2",
        "lake.publish.before_done",
        "lake.publish.before_done#2",
        "lake.publish.after_done",
        "lake.publish.cleaning#2",
    ];
    for point in points {
        for rig in [Rig::disk().await, Rig::in_memory()] {
            last_night(&rig).await;
            let asleep = asleep_in(&rig, "lake.publish.put#2=io").await;
            lose_staged(&rig, &asleep, 2).await;
            rig.open("next").await.unwrap_err();
            {
                // The first passes of a publish are those of the try to finish the commit.
                let mut lake = open_to_abandon(&rig, "killed", 2).await.unwrap();
                let armed = arm_fault(&format!("{point}=io"));
                let outcome = lake.abandon(&rig.plan, marks_name).await;
                assert!(armed.passed() > 0 || point == "lake.open.leased", "{point} was not passed");
                assert!(point == "lake.open.leased" || outcome.is_err() || outcome.unwrap().1.untidy.is_some(), "{point}");
            }
            rig.clock.advance(31);
            match abandon(&rig, "again", 2).await {
                Ok(version) => assert_eq!(version, 3, "{point}"),
                Err(LakeError::NothingToAbandon { by, .. }) => assert_eq!(by, Some(3), "{point}"),
                Err(error) => panic!("{point}: {error:?}"),
            }
            let lake = rig.open_later("next").await;
            assert_eq!(lake.view().state("t"), Some(&json!({ "cursor": 1 })), "{point}");
            assert_eq!(contents(&rig.visible().await), ["one", "two"], "{point}");
            lake.view().table("t").await.unwrap();
            lake.close().await.unwrap();
            assert_eq!(rig.store.list("_lakeward/p/staging").await.unwrap(), [], "{point}");
        }
    }
}

#[tokio::test]
async fn a_commit_that_can_be_finished_is_finished_and_never_abandoned() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("other").await.unwrap();
        let table = staged(&lake, "t", &[]).await;
        lake.commit(vec![table], state("t", 1)).await.unwrap();
        lake.close().await.unwrap();
        let asleep = asleep_in(&rig, "lake.publish.put#2=io").await;
        drop(asleep);
        let error = abandon(&rig, "abandons", 2).await.unwrap_err();
        assert!(matches!(error, LakeError::NothingToAbandon { version: 2, by: None }), "{error:?}");
        assert_eq!(rig.visible().await, after_tonight());
        for (version, is_there) in [(1, true), (7, false), (0, false)] {
            match abandon(&rig, "abandons", version).await.unwrap_err() {
                LakeError::NothingToAbandon { by: None, .. } if is_there => {}
                LakeError::NoVersion { newest: 2, .. } if !is_there => {}
                error => panic!("{version}: {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_first_commit_that_is_abandoned_leaves_an_empty_lake_and_no_claim() {
    for rig in Rig::every().await {
        let mut lake = rig.open("first").await.unwrap();
        let table = staged(&lake, "t", &[("part-000000.parquet", Some("a")), ("part-000001.parquet", Some("b"))]).await;
        let armed = arm_fault("lake.publish.put#2=io");
        lake.commit(vec![table], state("t", 1)).await.unwrap_err();
        drop(armed);
        rig.clock.advance(31);
        lose_staged(&rig, &lake, 1).await;
        if !is_lost(&rig).await {
            continue;
        }
        assert_eq!(abandon(&rig, "abandons", 1).await.unwrap(), 2);
        assert_eq!(rig.visible().await, BTreeMap::new());
        let mut other = rig.open_as("q", "other").await.unwrap();
        other.check_claims(&["t"]).await.unwrap();
        let table = staged(&other, "t", &[("part-000002.parquet", Some("c"))]).await;
        other.commit(vec![table], state("t", 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_the_commit_dropped_comes_back_and_stays_this_pipelines() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("asleep").await.unwrap();
        let mut tables: Vec<_> = lake.to_drop(&[]).await.unwrap().into_iter().map(|dropped| dropped.staged).collect();
        tables.push(staged(&lake, "u", &[("part-000000.parquet", Some("u"))]).await);
        let armed = arm_fault("lake.commit.after_create=io");
        let forgotten = Map::from_iter([("t".to_owned(), Value::Null), ("u".to_owned(), json!({ "cursor": 9 }))]);
        lake.commit(tables, forgotten).await.unwrap_err();
        drop(armed);
        rig.clock.advance(31);
        lose_staged(&rig, &lake, 2).await;
        if !is_lost(&rig).await {
            continue;
        }
        abandon(&rig, "abandons", 2).await.unwrap();
        assert_eq!(contents(&rig.visible().await), ["one", "two"]);
        let next = rig.open("next").await.unwrap();
        assert_eq!(next.view().state("t"), Some(&json!({ "cursor": 1 })));
        assert_eq!(next.view().table("t").await.unwrap().rows(), 2);
        next.check_claims(&["t"]).await.unwrap();
        next.close().await.unwrap();
        let other = rig.open_as("q", "other").await.unwrap();
        assert!(matches!(other.check_claims(&["t"]).await.unwrap_err(), LakeError::Claimed { .. }));
    }
}

#[tokio::test]
async fn without_kept_versions_a_commit_is_abandoned_as_long_as_nothing_was_replaced() {
    for (fault, comes_back) in [("lake.commit.after_create=io", true), ("lake.publish.after_puts=io", false)] {
        let mut rig = Rig::disk().await;
        rig.plan.keep_versions = 0;
        last_night(&rig).await;
        let asleep = asleep_in(&rig, fault).await;
        lose_staged(&rig, &asleep, 2).await;
        if !comes_back {
            // A published file that somebody took away again.
            rig.store.remove("t/k=3/part-000002.parquet").await.unwrap();
        }
        let before = rig.visible().await;
        match abandon(&rig, "abandons", 2).await {
            Ok(version) => assert!(comes_back && version == 3),
            Err(error) => {
                assert!(!comes_back && matches!(error, LakeError::NotAbandonable { .. }), "{error:?}");
                assert!(error.hint().unwrap().contains("--full-refresh"));
                assert_eq!(rig.visible().await, before);
            }
        }
    }
}

#[tokio::test]
async fn what_lies_in_the_place_of_a_lost_file_is_never_touched() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let asleep = asleep_in(&rig, "lake.publish.put#2=io").await;
        lose_staged(&rig, &asleep, 2).await;
        rig.open("next").await.unwrap_err();
        let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
        let there = rig.visible().await;
        let lost =
            commit.files.iter().map(|change| change.path.clone()).find(|path| path.contains("k=4") && !there.contains_key(path));
        let lost = lost.unwrap();
        rig.store.put(&lost, b"somebody's".to_vec()).await.unwrap();
        let error = abandon(&rig, "abandons", 2).await.unwrap_err();
        assert!(matches!(&error, LakeError::Taken { place, .. } if place.ends_with(&lost)), "{error:?}");
        assert_eq!(rig.visible().await[&lost], "somebody's");
        rig.store.remove(&lost).await.unwrap();
        abandon(&rig, "abandons", 2).await.unwrap();
        assert_eq!(contents(&rig.visible().await), ["one", "two"]);
    }
}

#[tokio::test]
async fn a_bucket_tells_whether_an_upload_was_dropped_and_nothing_is_written_to_know_it() {
    let server = S3Server::start(Manner { wants_conditions: true, ..Manner::default() }).await;
    let rig = Rig::on(&server).await;
    last_night(&rig).await;
    let asleep = asleep_in(&rig, "lake.commit.after_create=io").await;
    let before = rig.store.list("").await.unwrap();
    let look = Look::open(&rig.plan, "p", &*rig.clock).await.unwrap();
    let error = look.abandonment(2, &*rig.clock, marks_name).await.unwrap_err();
    assert!(matches!(error, LakeError::CanBeFinished { version: 2 }), "{error:?}");
    lose_staged(&rig, &asleep, 2).await;
    let found = look.abandonment(2, &*rig.clock, marks_name).await.unwrap();
    assert_eq!(found.files.iter().filter(|file| file.fate == crate::lake::Fate::Lost).count(), 3);
    assert_eq!(rig.store.list("").await.unwrap(), before);
}

#[tokio::test]
async fn versions_before_an_abandoned_one_can_still_be_brought_back() {
    let mut rig = Rig::disk().await;
    rig.plan.keep_versions = 5;
    last_night(&rig).await;
    let asleep = asleep_in(&rig, "lake.publish.put#2=io").await;
    lose_staged(&rig, &asleep, 2).await;
    abandon(&rig, "abandons", 2).await.unwrap();
    let archive = Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap();
    let history = archive.history(9, None, 5).await.unwrap();
    assert_eq!((history[0].purpose, history[0].can_be_undone), (Purpose::Abandonment { of: 2 }, false));
    let error = archive.tables_at(2, None).await.unwrap_err();
    assert!(matches!(error, LakeError::NotKept { .. }), "{error:?}");
    let mut lake = rig.open("back").await.unwrap();
    lake.rollback(1, &rig.plan, marks_name).await.unwrap();
    assert_eq!(contents(&rig.visible().await), ["one", "two"]);
}
