//! Versions: what commits replaced stays readable, and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::rig::*;
use crate::lake::log::read_commit;
use crate::lake::ops::Archive;
use crate::lake::{Lake, LakeError, Purpose};

/// Plays last night and tonight, which replaces, removes and adds.
async fn two_nights(rig: &Rig) {
    last_night(rig).await;
    commit_tonight(rig).await;
}

async fn commit_tonight(rig: &Rig) {
    let mut lake = rig.open("night-2").await.unwrap();
    let table = tonight(&lake).await;
    lake.commit(vec![table], state("t", 2)).await.unwrap();
    lake.close().await.unwrap();
}

async fn archive(rig: &Rig) -> Archive {
    Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap()
}

/// Content of the files of `t` at a version, by the path that the table has.
async fn at(rig: &Rig, version: u64) -> BTreeMap<String, String> {
    let mut content = BTreeMap::new();
    for file in &archive(rig).await.tables_at(version, Some("t")).await.unwrap()["t"].files {
        let blob = rig.store.get(&file.path).await.unwrap().unwrap();
        content.insert(file.file.path.clone(), String::from_utf8(blob.bytes).unwrap());
    }
    content
}

async fn roll_back(rig: &Rig, run: &str, to: u64) -> Result<Lake, LakeError> {
    let mut lake = rig.open(run).await?;
    match lake.rollback(to, &rig.plan, marks_name).await {
        Ok(_) => Ok(lake),
        Err(error) => {
            lake.close().await?;
            Err(error)
        }
    }
}

/// Where a state of these tests names its marks.
fn marks_name(state: &mut Value) -> Option<&mut Value> {
    state.get_mut("marks")
}

/// The marks that it names.
fn marks_named(state: &Value) -> Option<&str> {
    state.get("marks")?.as_str()
}

async fn kept(rig: &Rig) -> Vec<String> {
    let found = rig.store.list("_lakeward/p/kept").await.unwrap();
    let names = found.into_iter().map(|found| found.path.strip_prefix("_lakeward/p/kept/").unwrap().to_owned());
    names.filter(|name| !name.ends_with("/keeper.json")).collect()
}

#[tokio::test]
async fn what_a_commit_replaces_or_removes_stays_readable_in_its_partition_folders() {
    for rig in Rig::every().await {
        two_nights(&rig).await;
        assert_eq!(
            kept(&rig).await,
            ["00000000000000000002/night-2/t/k=1/part-000000.kept", "00000000000000000002/night-2/t/k=2/part-000001.kept"]
        );
        assert_eq!(at(&rig, 1).await, after_last_night());
        assert_eq!(at(&rig, 2).await, after_tonight());
        assert_eq!(rig.visible().await, after_tonight());
    }
}

#[tokio::test]
async fn a_copy_that_a_run_makes_after_it_was_overtaken_does_not_count() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut asleep = rig.open("asleep").await.unwrap();
        let table = tonight(&asleep).await;
        let armed = crate::base::arm_fault("lake.commit.after_create=io");
        asleep.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        // It has seen that the old file is there, and sleeps until another run has replaced it.
        rig.open_later("awake").await.close().await.unwrap();
        let path = "t/k=1/part-000000.parquet";
        let now = rig.store.head(path).await.unwrap().unwrap();
        rig.store.keep(&now, &asleep.layout.kept(2, "asleep", path)).await.unwrap();
        assert_eq!(at(&rig, 1).await, after_last_night());
        let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
        asleep.publisher().publish(&commit).await.unwrap();
        assert_eq!(at(&rig, 1).await, after_last_night());
        roll_back(&rig, "back", 1).await.unwrap().close().await.unwrap();
        assert_eq!(rig.visible().await["t/k=1/part-000000.parquet"], "one");
    }
}

#[tokio::test]
async fn a_rollback_brings_files_and_cursors_back_and_forward_again_is_one_too() {
    for rig in Rig::every().await {
        two_nights(&rig).await;
        let lake = roll_back(&rig, "back", 1).await.unwrap();
        assert_eq!(lake.head.as_ref().unwrap().purpose, Purpose::Rollback { to: 1 });
        assert_eq!(lake.view().state("t"), state("t", 1).get("t"));
        lake.close().await.unwrap();
        // A removed path is never written again.
        let back = seen(&[("t/k=1/part-000000.parquet", "one"), ("t/part-000004.parquet", "two")]);
        assert_eq!(rig.visible().await, back);
        let lake = roll_back(&rig, "forward", 2).await.unwrap();
        assert_eq!(lake.view().state("t"), state("t", 2).get("t"));
        lake.close().await.unwrap();
        let content: Vec<String> = rig.visible().await.into_values().collect();
        assert_eq!(content, ["one, changed", "three", "four"]);
    }
}

#[tokio::test]
async fn a_rollback_to_the_newest_version_does_nothing() {
    let rig = Rig::disk().await;
    two_nights(&rig).await;
    let lake = roll_back(&rig, "nothing", 2).await.unwrap();
    assert_eq!(lake.version(), 2);
    lake.close().await.unwrap();
}

#[tokio::test]
async fn a_version_past_those_that_are_kept_is_refused_by_name() {
    for mut rig in [Rig::disk().await, Rig::in_memory()] {
        rig.plan.keep_versions = 0;
        two_nights(&rig).await;
        assert_eq!(kept(&rig).await, [""; 0]);
        let told = archive(&rig).await.history(10, None, 1).await.unwrap();
        assert!(told.iter().all(|commit| !commit.can_be_undone), "{told:?}");
        let error = roll_back(&rig, "back", 1).await.unwrap_err();
        assert!(matches!(error, LakeError::NotKept { version: 1, by: 2, .. }), "{error}");
        let error = roll_back(&rig, "back", 7).await.unwrap_err();
        assert!(matches!(error, LakeError::NoVersion { version: 7, newest: 2 }), "{error}");
        assert_eq!(rig.visible().await, after_tonight());
    }
}

#[tokio::test]
async fn a_night_removes_what_is_kept_of_more_commits_than_are_wanted() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        let mut lake = rig.open("night-3").await.unwrap();
        let table = staged(&lake, "t", &[("k=3/part-000002.parquet", None)]).await;
        lake.commit(vec![table], state("t", 3)).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(kept(&rig).await, ["00000000000000000003/night-3/t/k=3/part-000002.kept"]);
        assert_eq!(at(&rig, 2).await, after_tonight());
        let error = roll_back(&rig, "back", 1).await.unwrap_err();
        assert!(matches!(error, LakeError::NotKept { version: 1, by: 2, .. }), "{error}");
        assert!(error.hint().unwrap().starts_with("of the older versions, 2 is kept; "), "{:?}", error.hint());
    }
}

#[tokio::test]
async fn a_kept_file_that_was_damaged_ends_a_rollback_and_changes_nothing() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        let path = "_lakeward/p/kept/00000000000000000002/night-2/t/k=1/part-000000.kept";
        rig.store.put(path, b"ONE".to_vec()).await.unwrap();
        let error = roll_back(&rig, "back", 1).await.unwrap_err();
        assert!(matches!(&error, LakeError::Damaged { place, .. } if place.ends_with(path)), "{error}");
        assert_eq!(rig.visible().await, after_tonight());
    }
}

#[tokio::test]
async fn a_dropped_table_comes_back_with_its_state() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut lake = rig.open("drop").await.unwrap();
        let dropped = lake.to_drop(&[]).await.unwrap().into_iter().map(|dropped| dropped.staged).collect();
        let forgotten = Map::from_iter([("t".to_owned(), Value::Null)]);
        lake.commit(dropped, forgotten).await.unwrap();
        lake.close().await.unwrap();
        assert!(rig.visible().await.is_empty());
        let lake = roll_back(&rig, "back", 1).await.unwrap();
        assert_eq!(lake.view().state("t"), state("t", 1).get("t"));
        lake.close().await.unwrap();
        let content: Vec<String> = rig.visible().await.into_values().collect();
        assert_eq!(content, ["one", "two"]);
    }
}

#[tokio::test]
async fn history_tells_what_each_commit_did() {
    let rig = Rig::disk().await;
    two_nights(&rig).await;
    roll_back(&rig, "back", 1).await.unwrap().close().await.unwrap();
    let commits = archive(&rig).await.history(10, Some("t"), 1).await.unwrap();
    let told: Vec<_> = commits
        .iter()
        .map(|commit| {
            let facts = &commit.tables["t"];
            (commit.version, commit.purpose, facts.files_added, facts.files_replaced, facts.files_removed, facts.rows)
        })
        .collect();
    let expected = [
        (3, Purpose::Rollback { to: 1 }, 1, 1, 2, Some(2)),
        (2, Purpose::Run, 2, 1, 1, Some(3)),
        (1, Purpose::Run, 2, 0, 0, Some(2)),
    ];
    assert_eq!(told, expected);
    assert_eq!(archive(&rig).await.history(1, None, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_commit_that_changes_no_file_takes_no_undo() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        for night in 3..=5 {
            let mut lake = rig.open(&format!("night-{night}")).await.unwrap();
            lake.commit(vec![], state("t", night)).await.unwrap();
            lake.close().await.unwrap();
        }
        assert_eq!(at(&rig, 1).await, after_last_night());
        let lake = roll_back(&rig, "back", 1).await.unwrap();
        assert_eq!(lake.view().state("t"), state("t", 1).get("t"));
        lake.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_compaction_takes_no_undo_and_the_night_before_it_is_undone_past_it() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        let mut lake = rig.open("compact").await.unwrap();
        let files =
            [("k=3/part-000002.parquet", None), ("k=4/part-000003.parquet", None), ("part-000004.parquet", Some("three, four"))];
        let table = staged(&lake, "t", &files).await;
        lake.commit_for(Purpose::Compaction, vec![table], Map::new()).await.unwrap();
        lake.close().await.unwrap();
        let told = archive(&rig).await.history(10, None, 1).await.unwrap();
        assert_eq!(told.iter().map(|commit| commit.can_be_undone).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(at(&rig, 2).await, after_tonight());
        roll_back(&rig, "back", 1).await.unwrap().close().await.unwrap();
        let content: Vec<String> = rig.visible().await.into_values().collect();
        assert_eq!(content, ["one", "two"]);
        // The rollback is the newest that counts.
        assert_eq!(roll_back(&rig, "further", 2).await.unwrap_err().kind(), crate::base::ErrorKind::Config);
        roll_back(&rig, "forward", 3).await.unwrap().close().await.unwrap();
        let content: Vec<String> = rig.visible().await.into_values().collect();
        assert_eq!(content, ["one, changed", "three, four"]);
    }
}

#[tokio::test]
async fn a_rollback_that_is_asked_for_twice_is_done_once() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        for version in [3, 3] {
            let lake = roll_back(&rig, &format!("back-{version}"), 1).await.unwrap();
            assert_eq!(lake.version(), version);
            lake.close().await.unwrap();
            let content: Vec<String> = at(&rig, 1).await.into_values().collect();
            assert_eq!(content, ["one", "two"]);
        }
    }
}

#[tokio::test]
async fn a_version_whose_marks_are_gone_is_refused_and_nothing_changes() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    for night in 2..=4 {
        let mut lake = rig.open(&format!("night-{night}")).await.unwrap();
        let file = lake.keep_marks("t", vec![night]).await.unwrap();
        let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
        let remembered = Map::from_iter([("t".to_owned(), serde_json::json!({ "marks": file }))]);
        let listed = lake.all_marks().await.unwrap();
        lake.commit(vec![table], remembered).await.unwrap();
        lake.sweep_marks("t", &listed, marks_named).await.unwrap();
        lake.close().await.unwrap();
    }
    let before = rig.visible().await;
    let error = roll_back(&rig, "back", 2).await.unwrap_err();
    assert!(matches!(&error, LakeError::MarksGone { version: 2, kept, .. } if *kept == (3..=4)), "{error}");
    assert_eq!(rig.visible().await, before);
    roll_back(&rig, "back", 3).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_run_that_slept_after_its_commit_sweeps_no_marks_of_a_later_one() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut lakes = Vec::new();
        for night in 2..=4u8 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let file = lake.keep_marks("t", vec![night]).await.unwrap();
            let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
            let remembered = Map::from_iter([("t".to_owned(), serde_json::json!({ "marks": file }))]);
            let listed = lake.all_marks().await.unwrap();
            lake.commit(vec![table], remembered).await.unwrap();
            lakes.push((lake, listed, file));
        }
        for (lake, listed, _) in &lakes[..2] {
            lake.sweep_marks("t", listed, marks_named).await.unwrap();
        }
        let (lake, _, newest) = &lakes[2];
        assert_eq!(lake.view().marks("t", newest).await.unwrap(), Some(vec![4]));
    }
}

#[tokio::test]
async fn marks_that_a_rollback_brings_back_are_swept_by_no_run_that_slept() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut asleep = Vec::new();
        for night in 2..=4u8 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let file = lake.keep_marks("t", vec![night]).await.unwrap();
            let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
            let listed = lake.all_marks().await.unwrap();
            let remembered = Map::from_iter([("t".to_owned(), serde_json::json!({ "cursor": 2, "marks": file }))]);
            lake.commit(vec![table], remembered).await.unwrap();
            asleep.push((lake, listed));
        }
        // A second time nothing is done.
        for run in ["back", "again"] {
            rig.clock.advance(31);
            let lake = roll_back(&rig, run, 2).await.unwrap();
            assert_eq!(lake.version(), 5);
            lake.close().await.unwrap();
        }
        for (lake, listed) in &asleep {
            lake.sweep_marks("t", listed, marks_named).await.unwrap();
        }
        let lake = rig.open_later("next").await;
        let state = lake.view().state("t").unwrap();
        assert_eq!(lake.view().marks("t", marks_named(state).unwrap()).await.unwrap(), Some(vec![2]), "{rig:?}");
    }
}

#[tokio::test]
async fn a_run_that_slept_until_its_commit_was_collected_sweeps_no_marks_that_it_named() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        last_night(&rig).await;
        let mut asleep = rig.open_later("asleep").await;
        let file = asleep.keep_marks("t", vec![2]).await.unwrap();
        let table = staged(&asleep, "t", &[("part-2.parquet", Some("more"))]).await;
        let listed = asleep.all_marks().await.unwrap();
        asleep.commit(vec![table], Map::from_iter([("t".to_owned(), serde_json::json!({ "marks": file }))])).await.unwrap();
        for night in 3..=4 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
            lake.commit(vec![table], Map::new()).await.unwrap();
            lake.close().await.unwrap();
        }
        rig.open_later("collects").await.collect(1, marks_named).await.unwrap();
        assert!(rig.store.head(&asleep.layout.commit(2)).await.unwrap().is_none());
        asleep.sweep_marks("t", &listed, marks_named).await.unwrap();
        let lake = rig.open_later("next").await;
        assert_eq!(marks_named(lake.view().state("t").unwrap()), Some(file.as_str()));
        assert_eq!(lake.view().marks("t", &file).await.unwrap(), Some(vec![2]));
    }
}

#[tokio::test]
async fn marks_that_were_damaged_end_a_rollback_and_nothing_changes() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    for night in 2..=3u8 {
        let mut lake = rig.open(&format!("night-{night}")).await.unwrap();
        let file = lake.keep_marks("t", vec![night]).await.unwrap();
        let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
        lake.commit(vec![table], Map::from_iter([("t".to_owned(), serde_json::json!({ "marks": file }))])).await.unwrap();
        rig.store.put(&lake.layout.marks(&file), b"other".to_vec()).await.unwrap();
        lake.close().await.unwrap();
    }
    let before = rig.visible().await;
    let error = roll_back(&rig, "back", 2).await.unwrap_err();
    assert!(matches!(&error, LakeError::Damaged { place, .. } if place.contains("/marks/")), "{error}");
    assert_eq!(rig.visible().await, before);
}

#[tokio::test]
async fn a_version_that_a_collection_is_about_to_remove_is_refused() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        two_nights(&rig).await;
        for night in 3..=5 {
            let mut lake = rig.open_later(&format!("night-{night}")).await;
            let table = staged(&lake, "t", &[(&format!("part-{night}.parquet"), Some("more"))]).await;
            lake.commit(vec![table], state("t", night)).await.unwrap();
            lake.close().await.unwrap();
        }
        let mut asleep = rig.open_later("collects").await;
        asleep.condemn(1, marks_named).await.unwrap();
        assert!(rig.store.head(&asleep.layout.commit(3)).await.unwrap().is_some());
        rig.clock.advance(31);
        let error = roll_back(&rig, "back", 3).await.unwrap_err();
        assert!(matches!(error, LakeError::NoVersion { version: 3, newest: 6 }), "{error}");
        roll_back(&rig, "back-4", 4).await.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_live_file_that_was_damaged_ends_a_commit_over_it_before_it_is_recorded() {
    let rig = Rig::disk().await;
    two_nights(&rig).await;
    rig.store.put("t/k=1/part-000000.parquet", b"ONE, changed".to_vec()).await.unwrap();
    let error = roll_back(&rig, "back", 1).await.unwrap_err();
    assert!(matches!(&error, LakeError::Damaged { place, .. } if place.ends_with("k=1/part-000000.parquet")), "{error}");
    let mut lake = rig.open("night-3").await.unwrap();
    assert_eq!(lake.version(), 2);
    let table = staged(&lake, "t", &[("k=1/part-000000.parquet", Some("three"))]).await;
    let error = lake.commit(vec![table], state("t", 3)).await.unwrap_err();
    assert!(matches!(&error, LakeError::Damaged { .. }), "{error}");
    lake.close().await.unwrap();
    assert_eq!(rig.open("night-4").await.unwrap().version(), 2);
}

#[tokio::test]
async fn a_live_file_that_is_damaged_after_the_commit_was_recorded_goes_with_the_refresh_of_its_table() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    let mut lake = rig.open("killed").await.unwrap();
    let table = tonight(&lake).await;
    let armed = crate::base::arm_fault("lake.commit.after_create=io");
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop((armed, lake));
    rig.store.put("t/k=1/part-000000.parquet", b"ONE".to_vec()).await.unwrap();
    rig.clock.advance(31);
    let error = rig.open("next").await.unwrap_err();
    assert!(matches!(&error, LakeError::Taken { .. }), "{error}");
    let mut lake = rig.open_needing("refresh", &[]).await.unwrap();
    let rebuilt = lake.view().table_to_rebuild("t").await.unwrap();
    let table = staged_over(&lake, "t", rebuilt, &[("k=1/part-000000.parquet", Some("anew"))]).await;
    lake.commit(vec![table], state("t", 3)).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(rig.visible().await["t/k=1/part-000000.parquet"], "anew");
}
