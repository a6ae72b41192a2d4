//! Two pipelines in one lake: a table is one's or the other's, whoever comes first.

use futures::future::join;
use serde_json::{Map, json};
use tokio::sync::Barrier;

use crate::base::{ErrorKind, arm_fault};
use crate::lake::log::{Action, read_commit, to_json};
use crate::lake::tests::rig::{Rig, after_last_night, last_night, seen, staged, state};
use crate::lake::{Lake, LakeError, Layout};

/// What a night of a pipeline comes to that writes one file of `t`.
async fn night(rig: &Rig, pipeline: &str) -> Result<(), LakeError> {
    let mut lake = rig.open_as(pipeline, "run").await?;
    let outcome = write(&mut lake, pipeline).await;
    lake.close().await.unwrap();
    outcome
}

async fn write(lake: &mut Lake, content: &str) -> Result<(), LakeError> {
    lake.check_claims(&["t"]).await?;
    // Between the check and the commit both are at work.
    tokio::task::yield_now().await;
    let table = staged(lake, "t", &[("part-000000.parquet", Some(content))]).await;
    lake.commit(vec![table], state("t", 1)).await.map(drop)
}

/// The pipeline that the refused one is told of.
fn owner(refused: &LakeError) -> &str {
    match refused {
        LakeError::Claimed { table, owner, .. } if table == "t" => owner,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_second_pipeline_of_a_table_is_refused_before_it_asks_for_anything() {
    for rig in Rig::every().await {
        night(&rig, "first").await.unwrap();
        let error = night(&rig, "second").await.unwrap_err();
        assert_eq!((owner(&error), error.kind()), ("first", ErrorKind::Config));
        assert!(error.hint().unwrap().contains("another `table_name`"), "{error:?}");
        assert_eq!(rig.visible().await, seen(&[("t/part-000000.parquet", "first")]));
        // The other spelling of the same folder is the same table.
        let lake = rig.open_as("second", "run").await.unwrap();
        assert!(matches!(lake.check_claims(&["T"]).await, Err(LakeError::Claimed { owner, .. }) if owner == "first"));
        lake.check_claims(&["u"]).await.unwrap();
        lake.close().await.unwrap();
        let mut lake = rig.open_as("first", "next").await.unwrap();
        lake.check_claims(&["t"]).await.unwrap();
        let table = staged(&lake, "t", &[("part-000001.parquet", Some("more"))]).await;
        lake.commit(vec![table], Map::new()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pipeline_that_claims_a_table_right_after_the_other_looked_is_named() {
    for rig in [Rig::disk().await, Rig::in_memory()] {
        let second = rig.open_as("second", "run").await.unwrap();
        second.check_claims(&["t"]).await.unwrap();
        night(&rig, "first").await.unwrap();
        assert_eq!(owner(&second.view().table("t").await.unwrap_err()), "first");
        assert_eq!(owner(&second.view().table_to_rebuild("t").await.unwrap_err()), "first");
    }
}

#[tokio::test]
async fn of_two_pipelines_at_the_same_instant_one_has_the_table_200_times() {
    for rig in Rig::every().await {
        let races = if rig.store.root().is_some() { 200 } else { 20 };
        let mut lakes = [rig.open_as("first", "run").await.unwrap(), rig.open_as("second", "run").await.unwrap()];
        for race in 0..races {
            let table = format!("t{race}");
            let together = Barrier::new(2);
            let race_of = async |lake: &mut Lake, pipeline: &str| {
                lake.check_claims(&[&table]).await.unwrap();
                let staged = staged(lake, &table, &[("part-000000.parquet", Some(pipeline))]).await;
                together.wait().await;
                lake.commit(vec![staged], state("t", race)).await.map(drop)
            };
            let [one, other] = &mut lakes;
            let (first, second) = join(race_of(one, "first"), race_of(other, "second")).await;
            let (winner, refused) = match (first, second) {
                (Ok(()), Err(refused)) => ("first", refused),
                (Err(refused), Ok(())) => ("second", refused),
                both => panic!("race {race} on {rig:?}: {both:?}"),
            };
            let LakeError::Claimed { owner, late: true, .. } = &refused else { panic!("race {race} on {rig:?}: {refused:?}") };
            assert_eq!((owner.as_str(), refused.kind()), (winner, ErrorKind::Data), "{rig:?}");
            let blob = rig.store.get(&format!("{table}/part-000000.parquet")).await.unwrap().unwrap();
            assert_eq!(blob.bytes, winner.as_bytes(), "{rig:?}");
        }
    }
}

#[tokio::test]
async fn a_claim_made_right_before_a_kill_is_the_pipelines_own_on_its_next_night() {
    for rig in Rig::every().await {
        let mut lake = rig.open_as("first", "killed").await.unwrap();
        let armed = arm_fault("lake.commit.after_claims=io");
        write(&mut lake, "first").await.unwrap_err();
        drop((armed, lake));
        rig.clock.advance(31);
        let error = night(&rig, "second").await.unwrap_err();
        assert_eq!(owner(&error), "first");
        night(&rig, "first").await.unwrap();
    }
}

/// Takes the claims away, as a lakeward without claims left the lake.
async fn before_claims(rig: &Rig) {
    rig.store.remove(&Layout::new("p").claim("t", 0)).await.unwrap();
}

#[tokio::test]
async fn a_lake_from_before_claims_belongs_to_the_pipeline_that_has_the_table() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        before_claims(&rig).await;
        let error = night(&rig, "second").await.unwrap_err();
        assert_eq!((owner(&error), error.kind()), ("p", ErrorKind::Config));
        assert_eq!(rig.visible().await, after_last_night());
        let lake = rig.open("night-2").await.unwrap();
        lake.check_claims(&["t"]).await.unwrap();
        lake.close().await.unwrap();
        let claim = rig.store.get(&Layout::new("p").claim("t", 0)).await.unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&claim.bytes).unwrap()["pipeline"], "p");
    }
}

#[tokio::test]
async fn a_table_that_two_pipelines_wrote_before_claims_is_refused_to_both() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        before_claims(&rig).await;
        let commit = read_commit(&*rig.store, &Layout::new("p"), 1).await.unwrap().unwrap();
        let mut theirs = commit.clone();
        theirs.files.clear();
        rig.store.create(&Layout::new("q").commit(1), to_json(&theirs)).await.unwrap();
        rig.store.create(&Layout::new("q").done(1), b"{}".to_vec()).await.unwrap();
        for pipeline in ["p", "q"] {
            let error = night(&rig, pipeline).await.unwrap_err();
            let LakeError::ClaimedTwice { pipelines, .. } = &error else { panic!("{error:?}") };
            assert!(pipelines.contains(&"p".to_owned()) && pipelines.contains(&"q".to_owned()), "{error}");
            assert_eq!(error.kind(), ErrorKind::Config);
        }
        // The way out that the message names.
        let claim = json!({ "format": 1, "table": "t", "pipeline": "p" }).to_string().into_bytes();
        rig.store.put(&Layout::new("p").claim("t", 0), claim).await.unwrap();
        rig.open("next").await.unwrap().check_claims(&["t"]).await.unwrap();
        assert_eq!(owner(&night(&rig, "q").await.unwrap_err()), "p");
    }
}

#[tokio::test]
async fn the_claim_of_a_dropped_table_goes_with_it_also_after_a_kill() {
    for rig in Rig::every().await {
        night(&rig, "first").await.unwrap();
        let layout = Layout::new("first");
        let mut commit = read_commit(&*rig.store, &layout, 1).await.unwrap().unwrap();
        (commit.version, commit.parent) = (2, 1);
        for change in &mut commit.files {
            (change.action, change.handle, change.replaces) = (Action::Delete, None, None);
        }
        commit.tables.clear();
        commit.released = vec!["t".to_owned()];
        rig.store.create(&layout.commit(2), to_json(&commit)).await.unwrap();
        let armed = arm_fault("lake.publish.release=io");
        rig.open_as("first", "killed").await.unwrap_err();
        drop(armed);
        rig.clock.advance(31);
        rig.open_as("first", "next").await.unwrap().close().await.unwrap();
        night(&rig, "other").await.unwrap();
        // A late process that finishes the old commit once more takes nothing away.
        let lake = rig.open_as("first", "late").await.unwrap();
        lake.publisher().publish(&commit).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, seen(&[("t/part-000000.parquet", "other")]));
        assert_eq!(owner(&night(&rig, "first").await.unwrap_err()), "other");
    }
}

/// The pipeline that has `t` by its claim.
async fn claimed_by(lake: &Lake) -> Option<String> {
    lake.claims().owner("t").await.unwrap().1.unwrap()
}

/// Drops `t`, whose only commit is version 1.
async fn drop_t(rig: &Rig) {
    let mut lake = rig.open_later("drop").await;
    let dropped = lake.to_drop(&[]).await.unwrap().into_iter().map(|dropped| dropped.staged).collect();
    lake.commit(dropped, Map::new()).await.unwrap();
    assert_eq!(claimed_by(&lake).await, None);
    lake.close().await.unwrap();
}

#[tokio::test]
async fn a_claim_that_was_taken_again_is_given_back_by_no_run_that_slept() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        drop_t(&rig).await;
        let dropped = read_commit(&*rig.store, &Layout::new("p"), 2).await.unwrap().unwrap();
        let mut lake = rig.open_later("back").await;
        lake.rollback(1, &rig.plan, |state| state.get_mut("marks")).await.unwrap();
        // One that slept before it looked at the claim, and one that had looked at it.
        lake.publisher().publish(&dropped).await.unwrap();
        assert_eq!(claimed_by(&lake).await.as_deref(), Some("p"), "{rig:?}");
        assert!(!rig.store.create(&lake.layout.claim("t", 1), b"{}".to_vec()).await.unwrap());
        assert_eq!(claimed_by(&lake).await.as_deref(), Some("p"), "{rig:?}");
        lake.close().await.unwrap();
        assert_eq!(owner(&night(&rig, "second").await.unwrap_err()), "p");
    }
}

#[tokio::test]
async fn a_claim_of_an_older_lakeward_is_given_back_with_its_table() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let claim = json!({ "format": 1, "table": "t", "pipeline": "p" }).to_string().into_bytes();
        rig.store.put(&Layout::new("p").claim("t", 0), claim).await.unwrap();
        drop_t(&rig).await;
        night(&rig, "second").await.unwrap();
        let lake = rig.open_later("next").await;
        assert_eq!(claimed_by(&lake).await.as_deref(), Some("second"));
        assert!(
            matches!(lake.check_claims(&["t"]).await, Err(LakeError::Claimed { place, .. }) if place.ends_with("_tables/2/t.json"))
        );
    }
}

#[tokio::test]
async fn a_table_that_comes_back_uses_no_name_of_its_dropped_files_whoever_has_it() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        drop_t(&rig).await;
        let dropped = read_commit(&*rig.store, &Layout::new("p"), 2).await.unwrap().unwrap();
        // A run that is killed behind its claim hands the number on, too.
        let killed = rig.open_as("second", "killed").await.unwrap();
        killed.claims().take(&["t"], 1, false).await.unwrap();
        assert_eq!(killed.view().table("t").await.unwrap().next_number, 2);
        killed.claims().release("t", (1, 0)).await.unwrap();
        killed.close().await.unwrap();

        let mut lake = rig.open_later("back").await;
        lake.rollback(1, &rig.plan, |state| state.get_mut("marks")).await.unwrap();
        let back = rig.visible().await;
        assert_eq!(back.values().map(String::as_str).collect::<Vec<_>>(), ["one", "two"]);
        // A run that slept right before it deleted a file of the dropped table wakes up.
        for change in &dropped.files {
            rig.store.remove(&change.path).await.unwrap();
        }
        assert_eq!((rig.visible().await, dropped.files.len()), (back, 2));
        lake.close().await.unwrap();
    }
}
