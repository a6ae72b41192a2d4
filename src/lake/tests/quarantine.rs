//! Which rejects still count, on every store.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::rig::*;
use crate::decode::Reject;
use crate::lake::ops::Archive;
use crate::lake::{Lake, Purpose, RejectLog};

fn marks_name(state: &mut Value) -> Option<&mut Value> {
    state.get_mut("marks")
}

/// A night of `t` that writes one file and sets one record aside.
async fn night(rig: &Rig, number: i64, prepare: impl FnOnce(&mut Lake)) {
    let mut lake = rig.open(&format!("night-{number}")).await.unwrap();
    let content = number.to_string();
    let table = staged(&lake, "t", &[("part-000000.parquet", Some(&content))]).await;
    let mut log = RejectLog::new("t", lake.spool().to_owned());
    let text = |text: &str| text.to_owned();
    let (path, expected, actual, raw) = (text("$"), text("a number"), text("text"), format!("{{\"id\":{number}}}"));
    log.push(&[Reject { page: 1, record: 0, path, expected, actual, raw, passed: Some(Arc::default()) }]).await.unwrap();
    lake.quarantine("t", &log).await.unwrap();
    prepare(&mut lake);
    lake.commit(vec![table], state("t", number)).await.unwrap();
    lake.close().await.unwrap();
}

/// The records that count, each by its text, with whether a run after it is known to have loaded the table.
async fn counting(rig: &Rig) -> Vec<(String, u64, bool)> {
    let archive = Archive::open_in(Arc::clone(&rig.store), "p").await.unwrap().unwrap();
    let found = archive.set_aside(&[("t".to_owned(), "t".to_owned()), ("u".to_owned(), "u".to_owned())]).await.unwrap();
    let mut records = Vec::new();
    for (_, found) in found {
        for file in &found.files {
            for line in archive.reject_lines(file).await.unwrap().0 {
                let is_newer = found.is_newer_load_than((file.version, &file.run));
                records.push((line["raw"].as_str().unwrap().to_owned(), file.version, is_newer));
            }
        }
    }
    records
}

fn records(numbers: &[(u64, bool)]) -> Vec<(String, u64, bool)> {
    numbers.iter().map(|(number, is_newer)| (format!("{{\"id\":{number}}}"), *number, *is_newer)).collect()
}

#[tokio::test]
async fn rejects_count_where_their_commit_is_part_of_the_content_and_nothing_came_over_them() {
    for mut rig in Rig::every().await {
        rig.plan.keep_versions = 9;
        night(&rig, 1, |_| {}).await;
        night(&rig, 2, |_| {}).await;
        night(&rig, 3, |_| {}).await;
        assert_eq!(counting(&rig).await, records(&[(1, true), (2, true), (3, false)]), "{rig:?}");
        // What was rolled back is not there.
        let mut lake = rig.open("back").await.unwrap();
        lake.rollback(1, &rig.plan, marks_name).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(counting(&rig).await, records(&[(1, false)]), "{rig:?}");
        // A run that changed nothing tells of itself by its report.
        let lake = rig.open("night-4").await.unwrap();
        let report = json!({"run_id": "night-4", "version": 4, "tables": {"t": {"status": "published"}}});
        lake.report(&report).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(counting(&rig).await, records(&[(1, true)]), "{rig:?}");
        // A repair went through it, and left some.
        let mut lake = rig.open("repair").await.unwrap();
        let mut log = RejectLog::new("t", lake.spool().to_owned());
        log.push_again([json!({"raw": "{\"id\":5}"})]).await.unwrap();
        lake.quarantine("t", &log).await.unwrap();
        lake.note_repaired("t");
        lake.commit_for(Purpose::Repair, Vec::new(), Map::new()).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(counting(&rig).await, records(&[(5, false)]), "{rig:?}");
        night(&rig, 6, |lake| lake.note_rebuilt("t")).await;
        assert_eq!(counting(&rig).await, records(&[(6, false)]), "{rig:?}");
        // What was dropped has nothing set aside, and nor has what came in its place.
        let mut lake = rig.open("drop").await.unwrap();
        let dropped = lake.to_drop(&[]).await.unwrap().into_iter().map(|dropped| dropped.staged).collect();
        lake.commit_for(Purpose::Drop, dropped, Map::from_iter([("t".to_owned(), Value::Null)])).await.unwrap();
        lake.close().await.unwrap();
        assert_eq!(counting(&rig).await, [], "{rig:?}");
    }
}
