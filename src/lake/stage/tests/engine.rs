//! What an engine says of its merge counts only once it is checked.

use super::*;
use crate::lake::stage::engine::{MergeEngine, MergeJob, Merged};

/// Merges as it should, and then changes what it says.
#[derive(Debug)]
struct Lying(fn(&mut Merged));

impl MergeEngine for Lying {
    fn merge(&self, job: MergeJob<'_>) -> Result<Merged, LakeError> {
        let mut merged = Embedded.merge(job)?;
        (self.0)(&mut merged);
        Ok(merged)
    }
}

#[test]
fn an_engines_outcome_is_checked_against_its_files_before_it_is_an_edit() {
    let check = |lie: fn(&mut Merged), expected: &str| {
        let mut lake = Lake::new();
        let settings = lake.settings(WriteDisposition::Merge);
        lake.run(settings, vec![people(0..10, "old")]);
        let settings = StageSettings { engine: Arc::new(Lying(lie)), ..lake.settings(WriteDisposition::Merge) };
        let told = match lake.stage(settings, vec![people(5..15, "new")]) {
            Ok(staged) => format!("{:?}", staged.stats.rows_told()),
            Err(error) => error.to_string(),
        };
        assert!(told.ends_with(expected), "{told}");
        assert_eq!(lake.rows().len(), 10);
    };
    check(|_| (), "10");
    check(|merged| merged.stats.rows_updated += 1, "nothing of it was published: it tells of 11 of 10 rows");
    let count_wrong = |merged: &mut Merged| {
        merged.stats.rows_inserted += 1;
        merged.stats.rows_updated -= 1;
    };
    check(count_wrong, "its files have 1 rows less than it counts");
    check(|merged| merged.rows_repaired += 1, "its files have 1 rows more than it counts");
    let twice = |merged: &mut Merged| {
        let old = merged.edits.all()[0].old_file().unwrap().clone();
        merged.edits.remove(&old);
    };
    check(twice, "`t/part-000000.parquet` is no file of the table, or changes twice");
    let other_footer = |merged: &mut Merged| {
        let new = merged.edits.all()[0].new_file().unwrap().clone();
        merged.edits.add(crate::lake::NewFile { rows: 7, ..new });
    };
    check(other_footer, "has 15 rows instead of 7");
}
