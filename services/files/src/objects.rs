//! [`Objects`]: the segments of files in an object store.
//!
//! Invariant: names of objects are made of random ids and numbers, and of nothing that a client says. What was
//! put is durable, as far as the store keeps its word.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cluster_types::FileId;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _};

/// Where the bytes of files lie.
#[derive(Clone)]
pub(crate) struct Objects(pub(crate) Arc<dyn ObjectStore>);

impl Objects {
    pub(crate) async fn put(&self, file: FileId, segment: u64, bytes: Bytes) -> Result<(), Error> {
        let put = self.0.put(&path(file, segment), bytes.into()).await;
        put.map(|_version| ())
    }

    pub(crate) async fn read(
        &self,
        file: FileId,
        segment: u64,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>, Error> {
        self.0.get_ranges(&path(file, segment), ranges).await
    }

    /// Removes a segment. One that is not there is removed.
    pub(crate) async fn remove(&self, file: FileId, segment: u64) -> Result<(), Error> {
        self.remove_at(&path(file, segment)).await
    }

    pub(crate) async fn remove_at(&self, path: &Path) -> Result<(), Error> {
        match self.0.delete(path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// All objects, in no order, with the file of each; `None` if it has another name than files have.
    pub(crate) fn all(&self) -> BoxStream<'static, Result<(Path, Option<FileId>), Error>> {
        let all = self.0.list(None);
        let named = |object: ObjectMeta| {
            let file = file_of(&object.location);
            (object.location, file)
        };
        all.map_ok(named).boxed()
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Objects({})", self.0)
    }
}

fn path(file: FileId, segment: u64) -> Path {
    Path::from(format!("{file}/{segment}"))
}

fn file_of(path: &Path) -> Option<FileId> {
    path.parts().next()?.as_ref().parse().ok()
}
