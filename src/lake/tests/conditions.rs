//! A publish in a bucket carries its condition, and keeps what it promises on a server that forgets no upload.

use serde_json::json;

use crate::base::arm_fault;
use crate::lake::LakeError;
use crate::lake::log::read_commit;
use crate::lake::store::{Before, Published, Target};
use crate::lake::tests::crash::fall_asleep_in_publish;
use crate::lake::tests::rig::{Rig, after_last_night, after_tonight, last_night, staged, state, tonight};
use crate::lake::tests::s3_server::{Completed, Manner, S3Server};
use crate::lake::tests::store::stage;

async fn server(manner: Manner) -> (S3Server, Rig) {
    let server = S3Server::start(manner).await;
    let rig = Rig::on(&server).await;
    (server, rig)
}

#[tokio::test]
async fn a_new_file_is_published_where_nothing_is_and_a_replaced_one_over_what_the_commit_knows() {
    let (server, rig) = server(Manner { wants_conditions: true, ..Manner::default() }).await;
    last_night(&rig).await;
    assert_eq!(server.take_conditions(), ["if-none-match"; 2]);
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    lake.commit(vec![table], state("t", 2)).await.unwrap();
    lake.close().await.unwrap();
    let mut conditions = server.take_conditions();
    conditions.sort();
    assert_eq!(conditions, ["if-match", "if-none-match", "if-none-match"]);
    assert_eq!((rig.visible().await, server.open_uploads()), (after_tonight(), 0));
}

#[tokio::test]
async fn what_came_between_the_look_and_the_publish_is_not_replaced() {
    let (server, rig) = server(Manner::default()).await;
    let path = "t/part-000000.parquet";
    let target = |bytes, before| Target { path: path.to_owned(), bytes, checksum: String::new(), before };
    let old = stage(&rig, path, b"old").await;
    assert!(matches!(rig.store.publish(&old, &target(3, Before::Nothing)).await.unwrap(), Published::Done(_)));
    let etag = rig.store.head(path).await.unwrap().unwrap().etag;
    let newer = stage(&rig, path, b"newer").await;
    server.set(Manner { intrudes: true, ..Manner::default() });
    let before = Before::File { bytes: 3, checksum: String::new(), etag };
    let published = rig.store.publish(&newer, &target(5, before)).await.unwrap();
    assert!(matches!(published, Published::Taken), "{published:?}");
    assert_eq!(rig.store.get(path).await.unwrap().unwrap().bytes, b"intruder");
}

#[tokio::test]
async fn a_conflict_is_tried_again_and_never_taken_for_done() {
    let (server, rig) = server(Manner::default()).await;
    last_night(&rig).await;
    server.set(Manner { conflicts: 2, ..Manner::default() });
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    lake.commit(vec![table], state("t", 2)).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(rig.visible().await, after_tonight());
}

#[tokio::test]
async fn conflicts_without_end_are_told_and_the_next_run_publishes_the_commit() {
    let (server, rig) = server(Manner::default()).await;
    last_night(&rig).await;
    server.set(Manner { conflicts: u32::MAX, ..Manner::default() });
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    let error = lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    let LakeError::Unpublished { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("publish"), "{source}");
    server.set(Manner::default());
    let next = rig.open_later("next").await;
    assert_eq!(next.view().state("t"), Some(&json!({ "cursor": 2 })));
    assert_eq!(rig.visible().await, after_tonight());
}

#[tokio::test]
async fn a_run_that_wakes_up_undoes_nothing_whatever_a_server_does_with_completed_uploads() {
    for completed in [Completed::Forgotten, Completed::Answered, Completed::Alive] {
        for ignores_conditions in [false, true] {
            let (_server, rig) = server(Manner { completed, ignores_conditions, ..Manner::default() }).await;
            last_night(&rig).await;
            let asleep = fall_asleep_in_publish(&rig).await;
            let mut lake = rig.open_later("awake").await;
            // Where an upload lives on for ever, no condition tells a file that was removed from one that never was.
            let removes = completed != Completed::Alive;
            let mut files = vec![("k=1/part-000000.parquet", Some("one, changed again"))];
            files.extend(removes.then_some(("k=3/part-000002.parquet", None)));
            let table = staged(&lake, "t", &files).await;
            lake.commit(vec![table], state("t", 3)).await.unwrap();
            lake.close().await.unwrap();
            let mut expected = after_tonight();
            expected.insert("t/k=1/part-000000.parquet".to_owned(), "one, changed again".to_owned());
            if removes {
                expected.remove("t/k=3/part-000002.parquet");
            }
            assert_eq!(rig.visible().await, expected);
            let commit = read_commit(&*rig.store, &asleep.layout, 2).await.unwrap().unwrap();
            asleep.publisher().publish(&commit).await.unwrap();
            assert_eq!(rig.visible().await, expected, "{completed:?}, conditions ignored: {ignores_conditions}");
        }
    }
}

#[tokio::test]
async fn a_run_that_fails_before_its_commit_leaves_no_upload() {
    let (server, rig) = server(Manner::default()).await;
    last_night(&rig).await;
    let mut lake = rig.open("killed").await.unwrap();
    let table = tonight(&lake).await;
    let armed = arm_fault("lake.commit.after_stage=io");
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop(armed);
    assert_eq!(server.open_uploads(), 3);
    rig.open_later("next").await.close().await.unwrap();
    assert_eq!((rig.visible().await, server.open_uploads()), (after_last_night(), 0));
}
