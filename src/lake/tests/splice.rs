//! A file that begins with all bytes of a stored one, staged in a bucket.

use crate::base::arm_fault;
use crate::lake::LakeError;
use crate::lake::checksum::{Hashing, checksum_with};
use crate::lake::store::{Before, Found, Handle, Published, Spooled, Target};
use crate::lake::tests::rig::Rig;
use crate::lake::tests::s3_server::{Manner, S3Server};
use crate::lake::tests::store::stage;

const PATH: &str = "t/k=a%2Fb c%C3%A9+%25/part-000000.parquet";

/// The old content, and what comes behind it.
fn contents() -> (Vec<u8>, Vec<u8>) {
    let old: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    (old, b"the rest".to_vec())
}

fn checksum(content: &[u8]) -> String {
    let mut hash = Hashing::like("");
    hash.update(content);
    hash.finish()
}

/// A bucket with the old file, and the file that is to be staged over it.
async fn before(rig: &Rig) -> (Spooled, Target) {
    let (old, rest) = contents();
    let handle = stage(rig, PATH, &old).await;
    let target = Target { path: PATH.to_owned(), bytes: old.len() as u64, checksum: String::new(), before: Before::Nothing };
    assert!(matches!(rig.store.publish(&handle, &target).await.unwrap(), Published::Done(_)));
    let behind = rig.store.head(PATH).await.unwrap().unwrap();
    let (from, bytes) = (rig.temporary.path().join("rest.tmp"), behind.bytes + rest.len() as u64);
    std::fs::write(&from, &rest).unwrap();
    let before = Before::File { bytes: behind.bytes, checksum: checksum(&old), etag: behind.etag.clone() };
    let target = Target { path: PATH.to_owned(), bytes, checksum: String::new(), before };
    (Spooled { from, behind: Some(behind), to: PATH.to_owned(), bytes }, target)
}

async fn check_published(rig: &Rig, handle: &Handle, target: &Target) {
    let (old, rest) = contents();
    assert!(matches!(rig.store.publish(handle, target).await.unwrap(), Published::Done(_)));
    let told = checksum_with(&checksum(&old), old.len() as u64, &rest);
    assert!(rig.store.holds(PATH, target.bytes, &told).await.unwrap());
    assert!(rig.store.get(PATH).await.unwrap().unwrap().bytes == [old, rest].concat());
}

#[tokio::test]
async fn the_store_copies_the_old_bytes_of_a_file_and_one_that_cannot_is_sent_them() {
    for rig in Rig::every().await.into_iter().filter(|rig| rig.store.root().is_none()) {
        let (file, target) = before(&rig).await;
        let handle = rig.store.stage("staging/run", &[file]).await.unwrap().remove(0);
        let Handle::Upload { parts, .. } = &handle else { panic!("{handle:?}") };
        // Sent, they are three parts of 8 MiB at most.
        let is_memory = rig.store.place("").starts_with("memory");
        assert_eq!(parts.len(), if is_memory { 3 } else { 2 }, "{rig:?}");
        check_published(&rig, &handle, &target).await;
    }
}

#[tokio::test]
async fn a_copy_that_the_store_does_not_make_ends_in_another_upload_and_both_are_noted() {
    let server = S3Server::start(Manner { ignores_copies: true, ..Manner::default() }).await;
    let rig = Rig::on(&server).await;
    let (file, target) = before(&rig).await;
    let handle = rig.store.stage("staging/run", std::slice::from_ref(&file)).await.unwrap().remove(0);
    let Handle::Upload { parts, .. } = &handle else { panic!("{handle:?}") };
    assert_eq!((parts.len(), server.open_uploads()), (3, 1));
    check_published(&rig, &handle, &target).await;

    // Killed behind the copy, whatever came of it: no upload is left.
    for ignores_copies in [true, false] {
        server.set(Manner { ignores_copies, ..Manner::default() });
        let behind = rig.store.head(PATH).await.unwrap();
        let file = Spooled { bytes: target.bytes + 8, behind, ..file.clone() };
        let _armed = arm_fault("lake.stage.copied=io");
        rig.store.stage("staging/other", &[file]).await.unwrap_err();
        assert_eq!(server.open_uploads(), 1);
        rig.store.clear("staging/other", false).await.unwrap();
        assert_eq!(server.open_uploads(), 0);
    }
}

#[tokio::test]
async fn content_that_is_not_the_one_that_was_committed_is_not_copied() {
    for rig in [Rig::on(&S3Server::start(Manner::default()).await).await] {
        let (file, _) = before(&rig).await;
        rig.store.put(PATH, vec![1; 20_000_000]).await.unwrap();
        let error = rig.store.stage("staging/run", std::slice::from_ref(&file)).await.unwrap_err();
        assert!(matches!(&error, LakeError::Store { place, .. } if place.ends_with(PATH)), "{error:?}");
        let gone = Spooled { behind: file.behind.map(|found| Found { path: "t/none".to_owned(), ..found }), ..file };
        rig.store.stage("staging/run", &[gone]).await.unwrap_err();
    }
}
