//! What lies in the place of a file: nothing, what the commit replaces, or something that it leaves alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::base::{ErrorKind, arm_fault};
use crate::lake::tests::faulty::Faulty;
use crate::lake::tests::rig::{Rig, after_last_night, after_tonight, last_night, staged, state, tonight};
use crate::lake::{LakeError, Layout, manifest};

/// Stages and commits tonight with `foreign` put into a place right before the publish.
async fn disturbed_night(rig: &Rig, place: &str, foreign: &str) -> LakeError {
    last_night(rig).await;
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    let armed = arm_fault("lake.commit.after_create=io");
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop((armed, lake));
    rig.store.put(place, foreign.as_bytes().to_vec()).await.unwrap();
    rig.clock.advance(31);
    rig.open("next").await.unwrap_err()
}

#[tokio::test]
async fn a_publish_puts_nothing_over_what_no_manifest_knows() {
    // In the place of a new file, of a replacement (each with the size of what is there, of what is put, or another), of a file that goes.
    let places = [
        ("t/k=3/part-000002.parquet", "not ours"),
        ("t/k=3/part-000002.parquet", "THREE"),
        ("t/k=1/part-000000.parquet", "ONE, CHANGED"),
        ("t/k=1/part-000000.parquet", "not ours"),
        ("t/k=1/part-000000.parquet", "OWN"),
        ("t/k=2/part-000001.parquet", "not ours"),
    ];
    for (place, foreign) in places {
        for rig in Rig::every().await {
            let error = disturbed_night(&rig, place, foreign).await;
            let LakeError::Taken { version: 2, place: named } = &error else { panic!("{place}: {error:?}") };
            assert!(named.ends_with(place), "{error}");
            assert_eq!(error.kind(), ErrorKind::Data);
            assert_eq!(rig.visible().await.get(place).map(String::as_str), Some(foreign), "{rig:?}");
            // The way out that the message names.
            rig.store.remove(place).await.unwrap();
            rig.open("last").await.unwrap().close().await.unwrap();
            assert_eq!(rig.visible().await, after_tonight(), "{place} {rig:?}");
        }
    }
}

#[tokio::test]
async fn a_file_that_was_put_back_with_the_same_bytes_is_replaced_as_if_it_had_never_gone() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("tonight").await.unwrap();
        let table = tonight(&lake).await;
        rig.store.put("t/k=1/part-000000.parquet", b"one".to_vec()).await.unwrap();
        lake.commit(vec![table], state("t", 2)).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(rig.visible().await, after_tonight());
    }
}

#[tokio::test]
async fn the_same_bytes_under_another_etag_are_accepted_and_remembered() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut restored = BTreeMap::new();
        for (path, content) in after_last_night() {
            rig.store.remove(&path).await.unwrap();
            rig.store.put(&path, content.into_bytes()).await.unwrap();
            restored.insert(path.clone(), rig.store.head(&path).await.unwrap().unwrap().etag);
        }
        let mut lake = rig.open("night-2").await.unwrap();
        let table = tonight(&lake).await;
        let mut tonight = table.clone();
        tonight.changes.truncate(0);
        tonight.after = lake.view().table("t").await.unwrap();
        for file in &tonight.after.files {
            assert_eq!(file.etag, restored[&file.path], "{rig:?}");
        }
        let is_new = lake.commit(vec![tonight], state("t", 1)).await.unwrap().is_new;
        // On disk there is no tag, so nothing has changed.
        assert_eq!(is_new, rig.store.root().is_none());
        lake.close().await.unwrap();
        let head = rig.open("night-3").await.unwrap();
        let entry = head.head.as_ref().unwrap().tables["t"].clone();
        let known = manifest::load(&*rig.store, &head.layout, "t", &entry).await.unwrap();
        for file in known.files {
            assert_eq!(file.etag, restored[&file.path], "{rig:?}");
        }
        assert_eq!(rig.visible().await, after_last_night());
    }
}

#[tokio::test]
async fn a_damaged_manifest_under_the_next_ones_name_is_not_taken_for_it() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let mut lake = rig.open("tonight").await.unwrap();
        let table = tonight(&lake).await;
        let manifest::Encoded { name, content } = manifest::encode("tonight", "t", &table.after);
        rig.store.put(&Layout::new("p").manifest(&name), content[..content.len() / 2].to_vec()).await.unwrap();
        lake.commit(vec![table], state("t", 2)).await.unwrap();
        assert_eq!(lake.view().table("t").await.unwrap().rows(), 3);
        assert_eq!(lake.view().state("t"), Some(&json!({ "cursor": 2 })));
    }
}

#[tokio::test]
async fn a_staged_file_that_was_damaged_is_not_published_by_a_later_run_and_a_full_refresh_is_the_way_out() {
    for damaged in ["THREE", "three and more"] {
        let rig = Rig::disk().await;
        last_night(&rig).await;
        let mut lake = rig.open("tonight").await.unwrap();
        let table = tonight(&lake).await;
        let armed = arm_fault("lake.commit.after_create=io");
        lake.commit(vec![table], state("t", 2)).await.unwrap_err();
        drop(armed);
        let staged = lake.spool().join("t-2.tmp");
        std::fs::write(&staged, damaged).unwrap();
        rig.clock.advance(31);
        let error = rig.open("next").await.unwrap_err();
        let LakeError::StagedDamaged { place, .. } = &error else { panic!("{error:?}") };
        assert_eq!(place, &staged.display().to_string());
        assert!(error.kind() == ErrorKind::Data && error.hint().unwrap().contains("--full-refresh"), "{error}");
        assert!(!rig.visible().await.values().any(|content| content == damaged), "{:?}", rig.visible().await);
        // Of another table it is no help that this one is loaded anew.
        rig.open_needing("other", &["t"]).await.unwrap_err();
        let lake = rig.open_needing("rebuilding", &[]).await.unwrap();
        let [(table, place)] = lake.lost() else { panic!("{:?}", lake.lost()) };
        assert!(table == "t" && place.ends_with(".parquet"), "{place}");
        assert!(!rig.visible().await.values().any(|content| content == damaged));
        lake.close().await.unwrap();
        rig.open("last").await.unwrap();
    }
}

#[tokio::test]
async fn the_log_is_read_once_a_look_however_many_files_are_lost() {
    let mut requests = Vec::new();
    for count in [10, 60] {
        let store = Faulty::new();
        let rig = Rig::of(Arc::clone(&store));
        let mut lake = rig.open("killed").await.unwrap();
        let names: Vec<String> = (0..count).map(|number| format!("k={number}/part-000000.parquet")).collect();
        let files: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), Some("new"))).collect();
        let table = staged(&lake, "t", &files).await;
        let armed = arm_fault("lake.commit.after_create=io");
        lake.commit(vec![table], state("t", 1)).await.unwrap_err();
        drop(armed);
        rig.store.clear(&lake.layout.staging("killed"), false).await.unwrap();
        rig.clock.advance(31);
        store.set(None);
        let lake = rig.open_needing("next", &[]).await.unwrap();
        assert_eq!(lake.lost().len(), count);
        requests.push(store.requests());
    }
    // Of each file: a look before the put, the put, and four looks at its place.
    assert_eq!(requests[1] - requests[0], 50 * 6);
}
