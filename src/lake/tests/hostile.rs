//! A lake whose own files somebody else wrote: refused by name, and nothing outside is read, written, emptied or waited for.

use std::collections::BTreeMap;

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::base::ErrorKind;
use crate::lake::log::{Action, Commit, read_commit, to_json};
use crate::lake::store::{Handle, SMALL_BYTES_MAX};
use crate::lake::tests::rig::{Rig, after_last_night, last_night, state, tonight};
use crate::lake::{LakeError, Layout};

/// The next commit as a hostile hand writes it: it deletes one file.
async fn forged(rig: &Rig, change: impl Fn(&mut Commit)) -> Commit {
    let mut commit = read_commit(&*rig.store, &Layout::new("p"), 1).await.unwrap().unwrap();
    (commit.version, commit.parent) = (2, 1);
    commit.files.truncate(1);
    let file = &mut commit.files[0];
    (file.action, file.handle) = (Action::Delete, None);
    change(&mut commit);
    commit
}

#[tokio::test]
async fn a_record_that_leads_out_of_its_table_is_refused_by_name() {
    let forgeries: [fn(&mut Commit); 19] = [
        |commit| commit.files[0].path = "t/../../outside".to_owned(),
        |commit| commit.files[0].path = "/etc/passwd".to_owned(),
        |commit| commit.files[0].path = "u/k=1/part-000000.parquet".to_owned(),
        |commit| commit.files[0].path = "t//part".to_owned(),
        |commit| commit.files[0].path = "t/a\\b".to_owned(),
        |commit| (commit.files[0].table, commit.files[0].path) = ("_lakeward".to_owned(), "_lakeward/p/lease.json".to_owned()),
        |commit| {
            commit.files[0].action = Action::Put;
            commit.files[0].handle = Some(Handle::Staged("_lakeward/p/staging/night-1/../../../../outside".to_owned()));
        },
        |commit| commit.run = "..".to_owned(),
        |commit| commit.fences = vec!["../../..".to_owned()],
        |commit| commit.tables.get_mut("t").unwrap().manifest = "../../q/manifest/x.json".to_owned(),
        |commit| commit.tables.get_mut("t").unwrap().version = 3,
        |commit| {
            let entry = commit.tables["t"].clone();
            commit.tables.insert("../u".to_owned(), entry);
        },
        |commit| commit.released = vec!["../p/lease".to_owned()],
        |commit| commit.quarantine = vec!["_lakeward/p/../../outside".to_owned()],
        |commit| commit.quarantine = vec!["_lakeward/q/quarantine/t/night-1-0.jsonl".to_owned()],
        |commit| commit.next_numbers = BTreeMap::from([("t".to_owned(), u64::MAX)]),
        |commit| commit.next_numbers = BTreeMap::from([("../t".to_owned(), 1)]),
        |commit| commit.version = u64::MAX,
        |commit| commit.parent = 0,
    ];
    for (number, forgery) in forgeries.into_iter().enumerate() {
        for rig in Rig::every().await {
            last_night(&rig).await;
            let outside = rig.temporary.path().join("outside");
            std::fs::write(&outside, "theirs").unwrap();
            let commit = forged(&rig, forgery).await;
            rig.store.create(&Layout::new("p").commit(2), to_json(&commit)).await.unwrap();
            let error = rig.open("next").await.unwrap_err();
            assert!(matches!(&error, LakeError::Unreadable { place, .. } if place.ends_with("2.json")), "{number}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Data);
            assert_eq!(std::fs::read(&outside).unwrap(), b"theirs");
            assert_eq!(rig.visible().await, after_last_night());
        }
    }
}

#[tokio::test]
async fn a_version_that_no_run_reaches_or_a_gap_is_refused_by_name() {
    for (version, told) in [(u64::MAX, "no run reaches this version"), (0, "no run reaches"), (3, "it is missing, and version 3")]
    {
        for rig in Rig::every().await {
            last_night(&rig).await;
            let commit = forged(&rig, |commit| commit.version = version).await;
            rig.store.create(&Layout::new("p").commit(version), to_json(&commit)).await.unwrap();
            let error = rig.open("next").await.unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
    }
}

#[tokio::test]
async fn a_manifest_that_leads_out_of_its_table_is_refused_by_name() {
    for rig in Rig::every().await {
        last_night(&rig).await;
        let entry = read_commit(&*rig.store, &Layout::new("p"), 1).await.unwrap().unwrap().tables["t"].clone();
        let path = Layout::new("p").manifest(&entry.manifest);
        let text = String::from_utf8(rig.store.get(&path).await.unwrap().unwrap().bytes).unwrap();
        rig.store.put(&path, text.replace("t/k=1/", "t/../u/k=1/").into_bytes()).await.unwrap();
        let error = rig.open("next").await.unwrap().view().table("t").await.unwrap_err();
        assert!(error.to_string().contains("is not a path in the folder of table"), "{error}");
    }
}

/// Lets `make` put something in a place of the lake, and opens it; the error, which came at once.
async fn opened(path: &str, make: impl Fn(&Path, &Path)) -> (String, Rig) {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    let place = rig.store.root().unwrap().join(path);
    let outside = rig.temporary.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("theirs"), "theirs").unwrap();
    let _ = std::fs::rename(&place, place.with_extension("away"));
    make(&place, &outside);
    let error = rig.open("next").await.unwrap_err();
    assert!(matches!(error, LakeError::Refused { .. }), "{path}: {error:?}");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(std::fs::read(outside.join("theirs")).unwrap(), b"theirs", "{path}");
    (error.to_string(), rig)
}

#[tokio::test]
async fn what_is_no_plain_file_under_lakewards_own_names_is_refused_and_not_waited_for() {
    let files = ["_lakeward/p/lease.json", "_lakeward/p/log/00000000000000000001.json"];
    let fifo = |place: &Path, _: &Path| assert!(Command::new("mkfifo").arg(place).status().unwrap().success());
    for path in files {
        let (told, _) = opened(path, fifo).await;
        assert!(told.contains(path) && told.contains("is a FIFO"), "{told}");
        let (told, _) = opened(path, |place, _| symlink("/dev/zero", place).unwrap()).await;
        assert!(told.contains("is a link"), "{told}");
        let (told, _) = opened(path, |place, outside| symlink(outside.join("theirs"), place).unwrap()).await;
        assert!(told.contains("is a link"), "{told}");
        let huge = |place: &Path, _: &Path| std::fs::File::create(place).unwrap().set_len(SMALL_BYTES_MAX + 1).unwrap();
        let (told, _) = opened(path, huge).await;
        assert!(told.contains("is larger than 67108864 bytes"), "{told}");
    }
    for folder in ["_lakeward", "_lakeward/p", "_lakeward/p/staging", "_lakeward/p/log", "_lakeward/p/manifest"] {
        let (told, _) = opened(folder, |place, outside| symlink(outside, place).unwrap()).await;
        assert!(told.contains(folder) && told.contains("is a link"), "{told}");
    }
}

#[tokio::test]
async fn a_staged_name_that_is_a_link_is_not_published() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    let mut lake = rig.open("tonight").await.unwrap();
    let table = tonight(&lake).await;
    let armed = crate::base::arm_fault("lake.commit.after_create=io");
    lake.commit(vec![table], state("t", 2)).await.unwrap_err();
    drop(armed);
    let outside = rig.temporary.path().join("outside");
    std::fs::write(&outside, "three").unwrap();
    let staged = lake.spool().join("t-2.tmp");
    std::fs::remove_file(&staged).unwrap();
    symlink(&outside, &staged).unwrap();
    rig.clock.advance(31);
    let error = rig.open("next").await.unwrap_err();
    assert!(matches!(&error, LakeError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("t-2.tmp` is a link"), "{error}");
}

#[tokio::test]
async fn a_planted_temporary_name_is_not_written_through() {
    let rig = Rig::disk().await;
    last_night(&rig).await;
    let outside = rig.temporary.path().join("outside");
    std::fs::write(&outside, "theirs").unwrap();
    let log = rig.store.root().unwrap().join("_lakeward/p/log");
    for number in 0..64 {
        let name = format!("00000000000000000002.json.{}-{number}.tmp", std::process::id());
        symlink(&outside, log.join(name)).unwrap();
    }
    let mut lake = rig.open("next").await.unwrap();
    let table = tonight(&lake).await;
    lake.commit(vec![table], state("t", 2)).await.unwrap();
    lake.close().await.unwrap();
    assert_eq!(std::fs::read(&outside).unwrap(), b"theirs");
}

#[tokio::test]
async fn what_is_fetched_is_not_written_through_a_planted_name() {
    for rig in Rig::every().await {
        rig.store.put("_lakeward/p/kept/1/x.kept", b"ours".to_vec()).await.unwrap();
        let (outside, planted) = (rig.temporary.path().join("outside"), rig.temporary.path().join("kept-000000.tmp"));
        std::fs::write(&outside, "theirs").unwrap();
        symlink(&outside, &planted).unwrap();
        let error = rig.store.fetch("_lakeward/p/kept/1/x.kept", &planted).await.unwrap_err();
        assert!(error.to_string().contains("kept-000000.tmp") || error.to_string().contains("x.kept"), "{error}");
        assert_eq!(std::fs::read(&outside).unwrap(), b"theirs");
    }
}
