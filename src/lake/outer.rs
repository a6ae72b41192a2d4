//! Lakes and pipelines that would be in each other's way: a lake below another one, whose readers would see its files as rows of a table, and
//! pipelines whose folders are one where case and Unicode form do not count.

use std::path::Path;

use crate::base::folded;
use crate::config::{LakeLocation, LakePlan};
use crate::lake::bucket::Bucket;
use crate::lake::layout::HOME;
use crate::lake::store::Store;
use crate::lake::{LakeError, Layout};

/// Prefixes above a lake's that are looked at in a bucket.
const PREFIXES_MAX: usize = 16;

/// Refuses a lake on disk that lies below another one, before its folder is made.
///
/// # Errors
/// [`LakeError::WithinLake`].
pub(super) fn check_folder(plan: &LakePlan) -> Result<(), LakeError> {
    let LakeLocation::Disk(root) = &plan.location else { return Ok(()) };
    let absolute = std::path::absolute(root).unwrap_or_else(|_| root.clone());
    match absolute.ancestors().skip(1).find(|outer| outer.join(HOME).is_dir()) {
        Some(outer) => Err(within(&absolute, outer.display().to_string())),
        None => Ok(()),
    }
}

/// Refuses a lake in a bucket that lies below another one, and a pipeline whose name is another one's but for case or Unicode form: once, before
/// the pipeline first writes to the lake.
///
/// # Errors
/// [`LakeError::WithinLake`], [`LakeError::SamePipeline`]; the store's.
pub(super) async fn check_new(store: &dyn Store, plan: &LakePlan, layout: &Layout) -> Result<(), LakeError> {
    if store.head(&layout.marker()).await?.is_some() {
        return Ok(());
    }
    let pipelines = store.folders(HOME).await?;
    if let Some(other) = pipelines.iter().find(|other| *other != layout.pipeline() && folded(other) == folded(layout.pipeline()))
    {
        let (pipeline, other) = (layout.pipeline().to_owned(), other.clone());
        return Err(LakeError::SamePipeline { pipeline, other, place: store.place("") });
    }
    let LakeLocation::S3 { bucket, prefix } = &plan.location else { return Ok(()) };
    let mut outer = prefix.trim_matches('/');
    for _ in 0..PREFIXES_MAX {
        if outer.is_empty() || !pipelines.is_empty() {
            break;
        }
        outer = outer.rsplit_once('/').map_or("", |(outer, _)| outer);
        let above = Bucket::s3(bucket, outer, &plan.options)?;
        // Credentials for the lake's own prefix need not hold above it.
        if above.list(HOME).await.is_ok_and(|found| !found.is_empty()) {
            return Err(within(Path::new(&store.place("")), above.place("")));
        }
    }
    Ok(())
}

fn within(root: &Path, outer: String) -> LakeError {
    LakeError::WithinLake { place: root.display().to_string(), outer }
}
