//! What every store promises, and how it refuses.

use std::error::Error as _;
use std::sync::Arc;

use futures::future::join_all;
use xxhash_rust::xxh3::xxh3_64;

use crate::base::{ErrorKind, Secret};
use crate::config::LakeLocation;
use crate::lake::bucket::Bucket;
use crate::lake::store::{Before, Handle, Published, Spooled, Target, open_store, probe};
use crate::lake::tests::faulty::{Fault, Faulty};
use crate::lake::tests::rig::Rig;
use crate::lake::{LakeError, Layout};

#[tokio::test]
async fn of_many_creates_at_once_one_succeeds() {
    for rig in Rig::every_atomic().await {
        let creates = (0..16u8).map(|n| rig.store.create("log/1", vec![n; 100]));
        let results: Vec<bool> = join_all(creates).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|created| **created).count(), 1, "{rig:?}");
        let blob = rig.store.get("log/1").await.unwrap().unwrap();
        let winner = results.iter().position(|created| *created).unwrap();
        assert_eq!(blob.bytes, vec![u8::try_from(winner).unwrap(); 100]);
    }
}

#[tokio::test]
async fn a_swap_needs_what_was_read() {
    for rig in Rig::every().await {
        rig.store.put("lease", b"one".to_vec()).await.unwrap();
        let known = rig.store.get("lease").await.unwrap().unwrap();
        assert!(rig.store.swap("lease", &known, b"two".to_vec()).await.unwrap());
        assert!(!rig.store.swap("lease", &known, b"three".to_vec()).await.unwrap());
        assert_eq!(rig.store.get("lease").await.unwrap().unwrap().bytes, b"two");
        rig.store.remove("lease").await.unwrap();
        rig.store.remove("lease").await.unwrap();
        assert!(!rig.store.swap("lease", &known, b"four".to_vec()).await.unwrap());
        assert_eq!(rig.store.get("lease").await.unwrap(), None);
    }
}

/// A file of `bytes` in the run's staging; its handle.
pub(super) async fn stage(rig: &Rig, to: &str, content: &[u8]) -> Handle {
    let folder = match rig.store.root() {
        Some(root) => root.join("staging/run"),
        None => rig.temporary.path().to_owned(),
    };
    std::fs::create_dir_all(&folder).unwrap();
    let from = folder.join("file.tmp");
    std::fs::write(&from, content).unwrap();
    let file = Spooled { from, behind: None, to: to.to_owned(), bytes: content.len() as u64 };
    rig.store.stage("staging/run", &[file]).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_staged_file_is_not_visible_until_it_is_published_once() {
    for rig in Rig::every().await {
        // Three parts of an upload, the last one short.
        let content: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
        let path = "t/k=a%2Fb c%C3%A9/z=__HIVE_DEFAULT_PARTITION__/part-000000.parquet";
        let handle = stage(&rig, path, &content).await;
        assert_eq!(rig.store.list("t").await.unwrap(), []);
        let target =
            |bytes: usize, before| Target { path: path.to_owned(), bytes: bytes as u64, checksum: String::new(), before };
        let first = target(content.len(), Before::Nothing);
        assert!(matches!(rig.store.publish(&handle, &first).await.unwrap(), Published::Done(_)));
        assert!(rig.store.get(path).await.unwrap().unwrap().bytes == content);
        let found = rig.store.list("t").await.unwrap();
        assert_eq!((found.len(), found[0].path.as_str(), found[0].bytes), (1, path, content.len() as u64));
        assert_eq!(rig.store.head(path).await.unwrap().as_ref(), Some(&found[0]));

        // Newer content stays, whatever an old handle is told.
        let newer = stage(&rig, path, b"newer").await;
        let etag = found[0].etag.clone();
        let checksum = format!("{:016x}", xxh3_64(&content));
        let over = target(5, Before::File { bytes: content.len() as u64, checksum, etag });
        assert!(matches!(rig.store.publish(&newer, &over).await.unwrap(), Published::Done(_)));
        for target in [first, over] {
            let again = rig.store.publish(&handle, &target).await.unwrap();
            assert!(matches!(again, Published::Gone | Published::Taken | Published::Unknown(_)), "{again:?}");
        }
        assert_eq!(rig.store.get(path).await.unwrap().unwrap().bytes, b"newer");
    }
}

#[tokio::test]
async fn a_cleared_staging_leaves_handles_that_publish_nothing() {
    for rig in Rig::every().await {
        let handle = stage(&rig, "t/part.parquet", b"content").await;
        assert_eq!(rig.store.folders("staging").await.unwrap(), ["run"]);
        rig.store.clear("staging/run", false).await.unwrap();
        assert_eq!(rig.store.folders("staging").await.unwrap(), Vec::<String>::new());
        let target = Target { path: "t/part.parquet".to_owned(), bytes: 7, checksum: String::new(), before: Before::Nothing };
        let published = rig.store.publish(&handle, &target).await.unwrap();
        assert!(matches!(published, Published::Gone | Published::Unknown(_)), "{published:?}");
        assert_eq!(rig.store.list("t").await.unwrap(), []);
    }
}

#[tokio::test]
async fn empty_folders_go_with_their_last_file() {
    let rig = Rig::disk().await;
    rig.store.put("t/a=1/b=1/x", vec![]).await.unwrap();
    rig.store.put("t/a=1/b=2/x", vec![]).await.unwrap();
    let root = rig.store.root().unwrap();
    rig.store.remove("t/a=1/b=1/x").await.unwrap();
    assert!((root.join("t/a=1/b=1").exists(), root.join("t/a=1/b=2").exists()) == (false, true));
    rig.store.remove("t/a=1/b=2/x").await.unwrap();
    assert!((root.join("t").exists(), root.exists()) == (false, true));
    // Lakeward's own folder stays.
    rig.store.put("_lakeward/x", vec![]).await.unwrap();
    rig.store.remove("_lakeward/x").await.unwrap();
    assert!(root.join("_lakeward").exists());
    rig.store.settle(&["t/a=1/b=2/x".to_owned()]).await.unwrap();
}

/// How a lake with other settings than the rig's refuses: its message with cause, and kind.
async fn refusal(rig: &Rig, location: LakeLocation, options: &[(&str, &str)]) -> (String, ErrorKind) {
    let mut plan = rig.plan.clone();
    plan.location = location;
    for (name, value) in options {
        plan.options.retain(|(known, _)| known != name);
        plan.options.push(((*name).to_owned(), Secret::new(*value)));
    }
    let opened = async { probe(&*open_store(&plan, true).await?, &Layout::new("p"), false).await };
    let error: LakeError = opened.await.unwrap_err();
    let told = format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
    for (_, secret) in &plan.options {
        let is_secret = secret.expose().len() > 12 && !secret.expose().starts_with("http");
        assert!(!(is_secret && told.contains(secret.expose())), "{told}");
    }
    (told, error.kind())
}

#[tokio::test]
async fn a_server_that_refuses_is_quoted_without_secrets() {
    let Some(rig) = Rig::s3("S3").await else { return };
    let location = rig.plan.location.clone();
    let (told, kind) = refusal(&rig, location.clone(), &[("aws_secret_access_key", "not-the-secret-at-all")]).await;
    assert!(told.contains("access denied: 403 Forbidden: SignatureDoesNotMatch"), "{told}");
    assert_eq!(kind, ErrorKind::Credentials);
    let (told, kind) = refusal(&rig, location.clone(), &[("aws_access_key_id", "NOT-THE-KEY-AT-ALL")]).await;
    assert!(told.contains("access denied: 403 Forbidden: InvalidAccessKeyId"), "{told}");
    assert_eq!(kind, ErrorKind::Credentials);
    let var = |name: &str| std::env::var(format!("LAKEWARD_TEST_S3_{name}")).unwrap();
    let read_only = [("aws_access_key_id", &*var("RO_KEY")), ("aws_secret_access_key", &*var("RO_SECRET"))];
    let (told, kind) = refusal(&rig, location, &read_only).await;
    assert!(told.contains("access denied: 403 Forbidden: AccessDenied"), "{told}");
    assert_eq!(kind, ErrorKind::Credentials);
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named() {
    // SeaweedFS makes a missing bucket for those who may.
    let Some(rig) = Rig::s3("MOTO").await else { return };
    let nowhere = LakeLocation::S3 { bucket: "no-such-bucket-here".to_owned(), prefix: String::new() };
    let (told, kind) = refusal(&rig, nowhere, &[]).await;
    assert!(
        told.starts_with("cannot create `s3://no-such-bucket-here/_lakeward/p/store.json`: the bucket does not exist"),
        "{told}"
    );
    assert_eq!(kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_within_bounded_tries() {
    let rig = Rig::in_memory();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let location = LakeLocation::S3 { bucket: "bucket".to_owned(), prefix: "lake".to_owned() };
    let endpoint = format!("http://127.0.0.1:{port}");
    let options =
        [("aws_endpoint", &*endpoint), ("aws_access_key_id", "some-key"), ("aws_secret_access_key", "some-secret-text")];
    let (told, kind) = refusal(&rig, location, &options).await;
    assert!(told.starts_with("cannot create `s3://bucket/lake/_lakeward/p/store.json`: the store does not answer: "), "{told}");
    assert!(told.contains("refused"), "{told}");
    assert_eq!(kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_option_that_no_store_knows_is_named() {
    let rig = Rig::in_memory();
    let location = LakeLocation::S3 { bucket: "bucket".to_owned(), prefix: String::new() };
    let (told, kind) = refusal(&rig, location.clone(), &[("aws_acces_key", "x")]).await;
    assert!(told.starts_with("`lake.options.aws_acces_key`: object_store's S3 client has no such option"), "{told}");
    assert_eq!(kind, ErrorKind::Config);
    let (told, kind) = refusal(&rig, location, &[("aws_virtual_hosted_style_request", "perhaps")]).await;
    assert!(told.starts_with("`lake.options.") && !told.contains("perhaps-secret"), "{told}");
    assert_eq!(kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_file_in_the_place_of_the_lake_is_a_matter_of_the_config() {
    let rig = Rig::disk().await;
    let file = rig.temporary.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let (told, kind) = refusal(&rig, LakeLocation::Disk(file.join("lake")), &[]).await;
    assert!(told.contains(&format!("`{}`", file.join("lake").display())), "{told}");
    assert_eq!(kind, ErrorKind::Config);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_unless_allowed() {
    let store = Faulty::new();
    let bucket = Bucket::of(Arc::clone(&store), "");
    let layout = Layout::new("p");
    store.set(Some(Fault::IgnoredConditions));
    let error = probe(&bucket, &layout, false).await.unwrap_err();
    assert!(matches!(error, LakeError::UnsafeStore { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Config);
    probe(&bucket, &layout, true).await.unwrap();
    store.set(None);
    probe(&bucket, &layout, false).await.unwrap();
    probe(&bucket, &layout, false).await.unwrap();
    // Once proven, one request tells.
    assert_eq!(store.requests(), 2);
}
