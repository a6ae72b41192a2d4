//! A bucket: the requests that the real [`crate::lake::bucket::Bucket`] makes, each with an effect at one instant.
//!
//! In: object_store's calls. Out: what S3 documents: creates and updates by condition, uploads that become visible when they are completed, a
//! listing that is consistent but for what changes between two pages of it. A second complete of an upload is answered by its object's
//! tag while that is there, or by an error, as the history says.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartId, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use super::schedule::Sim;
use super::world::{Upload, World, etag};
use crate::lake::store::Found;

/// The bucket.
#[derive(Debug)]
pub(super) struct SimBucket {
    pub(super) sim: Arc<Sim>,
    /// Whether a second complete is answered like the first.
    pub(super) repeats_completes: bool,
}

impl fmt::Display for SimBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimBucket")
    }
}

fn failure() -> Error {
    Error::Generic { store: "S3", source: "the simulator's error".into() }
}

fn no_upload(id: &str) -> Error {
    Error::Generic { store: "S3", source: format!("MultipartUpload not found: {id}").into() }
}

fn missing(path: &Path) -> Error {
    Error::NotFound { path: path.to_string(), source: "no such object".into() }
}

fn put_result(id: u64) -> PutResult {
    PutResult { e_tag: Some(format!("\"{}\"", etag(id))), version: None, extensions: Default::default() }
}

fn meta(location: Path, bytes: u64, id: u64) -> ObjectMeta {
    let e_tag = Some(format!("\"{}\"", etag(id)));
    ObjectMeta { location, last_modified: DateTime::UNIX_EPOCH, size: bytes, e_tag, version: None }
}

impl SimBucket {
    fn put_now(world: &mut World, path: &Path, bytes: Bytes, mode: &PutMode) -> Result<PutResult> {
        let there = world.files.get(path.as_ref()).map(|file| etag(file.id));
        match mode {
            PutMode::Create if there.is_some() => {
                return Err(Error::AlreadyExists { path: path.to_string(), source: "412".into() });
            }
            PutMode::Update(known) if there.as_deref() != known.e_tag.as_deref().map(|tag| tag.trim_matches('"')) => {
                return Err(Error::Precondition { path: path.to_string(), source: "412".into() });
            }
            _ => {}
        }
        Ok(put_result(world.write(path.as_ref(), bytes)))
    }

    /// A page of a listing: all that is left, or about half of it and where the next page begins.
    fn page(world: &World, folder: &str, after: &str, in_two: bool) -> (Vec<(Found, u64)>, Option<String>) {
        let mut found: Vec<(Found, u64)> =
            world.below(folder, after).into_iter().map(|found| (found.clone(), world.files[&found.path].id)).collect();
        if !in_two || found.len() < 2 {
            return (found, None);
        }
        found.truncate(found.len() / 2);
        let last = found.last().map(|(found, _)| found.path.clone());
        (found, last)
    }
}

#[async_trait]
impl ObjectStore for SimBucket {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let bytes = Bytes::from(payload);
        let verb = match &opts.mode {
            PutMode::Overwrite => "put",
            PutMode::Create => "create",
            PutMode::Update(_) => "swap",
        };
        let put = |world: &mut World| Self::put_now(world, location, bytes.clone(), &opts.mode);
        self.sim.request(verb, location.as_ref(), failure, put).await
    }

    async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        Err(failure())
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let get = |world: &mut World| {
            let file = world.files.get(location.as_ref()).ok_or_else(|| missing(location))?;
            Ok((file.bytes.clone(), file.id))
        };
        let verb = if options.head { "head" } else { "get" };
        let (bytes, id) = self.sim.request(verb, location.as_ref(), failure, get).await?;
        let size = bytes.len() as u64;
        let payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
        let meta = meta(location.clone(), size, id);
        Ok(GetResult { payload, meta, range: 0..size, attributes: Default::default(), extensions: Default::default() })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let sim = Arc::clone(&self.sim);
        let delete = move |location: Result<Path>| {
            let sim = Arc::clone(&sim);
            async move {
                let location = location?;
                let remove = |world: &mut World| {
                    world.remove(location.as_ref());
                    Ok(())
                };
                sim.request("delete", location.as_ref(), failure, remove).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (sim, folder) = (Arc::clone(&self.sim), prefix.map(ToString::to_string).unwrap_or_default());
        let pages = async move {
            let in_two = sim.state().rng.u8(..8) == 0;
            let first = |world: &mut World| Ok(Self::page(world, &folder, "", in_two));
            let (mut found, next) = sim.request("list", &folder, failure, first).await?;
            if let Some(after) = next {
                let second = |world: &mut World| Ok(Self::page(world, &folder, &after, false));
                found.extend(sim.request("list on", &folder, failure, second).await?.0);
            }
            Ok(found)
        };
        let metas = |pages: Result<Vec<(Found, u64)>>| match pages {
            Err(error) => vec![Err(error)],
            Ok(found) => found.into_iter().map(|(found, id)| Ok(meta(Path::parse(&found.path)?, found.bytes, id))).collect(),
        };
        stream::once(pages).flat_map(move |pages| stream::iter(metas(pages))).boxed()
    }

    async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
        Err(failure())
    }

    async fn copy_opts(&self, from: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        let copy = |world: &mut World| {
            let file = world.files.get(from.as_ref()).cloned().ok_or_else(|| missing(from))?;
            world.write(to.as_ref(), file.bytes);
            Ok(())
        };
        self.sim.request("copy", to.as_ref(), failure, copy).await
    }
}

#[async_trait]
impl MultipartStore for SimBucket {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let begin = |world: &mut World| {
            let id = format!("u{}", world.new_id());
            world.uploads.insert(id.clone(), Upload { path: path.to_string(), parts: Default::default(), completed: None });
            Ok(id)
        };
        self.sim.request("begin", path.as_ref(), failure, begin).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part_idx: usize, data: PutPayload) -> Result<PartId> {
        let bytes = Bytes::from(data);
        let send = |world: &mut World| {
            let upload = world.uploads.get_mut(id).filter(|upload| upload.completed.is_none()).ok_or_else(|| no_upload(id))?;
            upload.parts.insert(part_idx, bytes.clone());
            Ok(PartId { content_id: format!("p{part_idx}") })
        };
        self.sim.request("send", path.as_ref(), failure, send).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, _: Vec<PartId>) -> Result<PutResult> {
        let complete = |world: &mut World| {
            let upload = world.uploads.get(id).filter(|upload| upload.path == path.as_ref()).ok_or_else(|| no_upload(id))?;
            if let Some(object) = upload.completed {
                let is_there = world.files.get(path.as_ref()).is_some_and(|file| file.id == object);
                return if self.repeats_completes && is_there { Ok(put_result(object)) } else { Err(no_upload(id)) };
            }
            let bytes = Bytes::from(upload.parts.values().flatten().copied().collect::<Vec<u8>>());
            let object = world.write(path.as_ref(), bytes);
            if let Some(upload) = world.uploads.get_mut(id) {
                upload.completed = Some(object);
            }
            Ok(put_result(object))
        };
        self.sim.request("complete", path.as_ref(), failure, complete).await
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let abort = |world: &mut World| match world.uploads.get(id) {
            Some(upload) if upload.completed.is_none() => {
                world.uploads.remove(id);
                Ok(())
            }
            _ => Err(no_upload(id)),
        };
        self.sim.request("abort", path.as_ref(), failure, abort).await
    }
}
