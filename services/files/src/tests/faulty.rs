//! An object store that fails, from a seed: before it has done something or after, and in the middle of a list.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::Rng;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

use crate::objects::MARK;

/// Objects in memory, which now and then cannot be reached. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Faulty(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    objects: InMemory,
    rng: Rng,
    /// Calls of a million that fail.
    parts: AtomicU64,
    failed: AtomicU64,
    /// Locked while nothing is put.
    gate: Arc<tokio::sync::Mutex<()>>,
    puts_begun: AtomicU64,
    /// What can never be removed, by the beginning of its name.
    stuck: Mutex<Option<String>>,
}

impl Faulty {
    pub(super) fn new(rng: Rng) -> Self {
        Self(Arc::new(Inner {
            objects: InMemory::new(),
            rng,
            parts: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            gate: Arc::default(),
            puts_begun: AtomicU64::new(0),
            stuck: Mutex::new(None),
        }))
    }

    /// From here on, so many calls of a million fail.
    pub(super) fn fail(&self, parts: u64) {
        self.0.parts.store(parts, Ordering::SeqCst);
    }

    pub(super) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::SeqCst)
    }

    /// As long as this is held, whatever is put is not done.
    pub(super) async fn hold(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.0.gate).lock_owned().await
    }

    pub(super) fn puts_begun(&self) -> u64 {
        self.0.puts_begun.load(Ordering::SeqCst)
    }

    /// From here on, objects whose names begin so are never removed.
    pub(super) fn stick(&self, beginning: &str) {
        *self.0.stuck.lock() = Some(beginning.to_owned());
    }

    fn is_stuck(&self, path: &Path) -> bool {
        let stuck = self.0.stuck.lock();
        let stuck = stuck.as_ref();
        stuck.is_some_and(|beginning| path.as_ref().starts_with(beginning))
    }

    /// Names of all objects of files.
    pub(super) async fn names(&self) -> Vec<String> {
        let names = self.0.objects.list(None);
        let names = names.map_ok(|object| object.location.to_string());
        let mut names: Vec<_> = names.try_collect().await.expect("memory lists");
        names.retain(|name| name != MARK);
        names
    }

    fn may_fail(&self) -> Result<()> {
        if !self
            .0
            .rng
            .one_in_million(self.0.parts.load(Ordering::SeqCst))
        {
            return Ok(());
        }
        self.0.failed.fetch_add(1, Ordering::SeqCst);
        Err(failed())
    }
}

fn failed() -> Error {
    Error::Generic {
        store: "faulty",
        source: "cannot be reached".into(),
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.0.puts_begun.fetch_add(1, Ordering::SeqCst);
        let _open = self.0.gate.lock().await;
        self.may_fail()?;
        let put = self.0.objects.put_opts(location, payload, opts).await?;
        self.may_fail()?;
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.objects.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.may_fail()?;
        self.0.objects.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.may_fail()?;
        self.0.objects.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (before, after) = (self.clone(), self.clone());
        let locations = locations.map(move |path| {
            before.may_fail()?;
            match path {
                Ok(path) if before.is_stuck(&path) => Err(failed()),
                path => path,
            }
        });
        let deleted = self.0.objects.delete_stream(locations.boxed());
        deleted
            .map(move |path| {
                after.may_fail()?;
                path
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let faulty = self.clone();
        let objects = self.0.objects.list(prefix);
        objects
            .map(move |object| {
                faulty.may_fail()?;
                object
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.objects.copy_opts(from, to, options).await
    }
}
