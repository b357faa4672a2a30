//! [`Objects`]: the segments of files in an object store, and the mark that says whose they are.
//!
//! What has come of a segment that is not full lies beside the full ones, as the tail of its upload, under a name that
//! says where the upload stands with it: no tail is ever written over a segment, or over another tail.
//!
//! Invariant: names of objects are made of random ids and numbers, and of nothing that a client says. What was
//! put is durable, as far as the store keeps its word. That a segment is not there is said only where the mark is: a
//! disk that is not mounted, or a bucket that is gone, has no files either.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use cluster_types::{FileId, UnixMillis};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, ObjectStoreExt as _};

/// The object that says whose the others are.
pub(crate) const MARK: &str = "rookery-deployment";

/// What names of tails begin with, before the bytes that an upload has with them.
const TAIL: &str = "tail-";

/// Where the bytes of files lie.
#[derive(Clone)]
pub(crate) struct Objects(pub(crate) Arc<dyn ObjectStore>);

/// An object that has the name of a segment or a tail.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) path: Path,
    pub(crate) file: FileId,
    pub(crate) is_tail: bool,
    pub(crate) written: UnixMillis,
}

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
        match self.0.get_ranges(&path(file, segment), ranges).await {
            Err(error @ Error::NotFound { .. }) => {
                self.check_there().await?;
                Err(error)
            }
            read => read,
        }
    }

    /// Puts what is sealed of the segment that grows, of an upload that has so many bytes with it.
    pub(crate) async fn put_tail(
        &self,
        file: FileId,
        received: u64,
        bytes: Bytes,
    ) -> Result<(), Error> {
        let put = self.0.put(&tail(file, received), bytes.into()).await;
        put.map(|_version| ())
    }

    pub(crate) async fn read_tail(&self, file: FileId, received: u64) -> Result<Bytes, Error> {
        match self.0.get(&tail(file, received)).await {
            Err(error @ Error::NotFound { .. }) => {
                self.check_there().await?;
                Err(error)
            }
            found => found?.bytes().await,
        }
    }

    /// Removes a tail, which may be gone already.
    pub(crate) async fn remove_tail(&self, file: FileId, received: u64) -> Result<(), Error> {
        self.remove_all(vec![Ok(tail(file, received))]).await
    }

    /// Removes all tails of an upload: one, and what broken attempts have left.
    pub(crate) async fn remove_tails(&self, file: FileId) -> Result<(), Error> {
        let of_file = self.0.list(Some(&Path::from(file.to_string())));
        let tails = of_file.try_filter_map(async |object| {
            let tail = listed(object).filter(|listed| listed.is_tail);
            Ok(tail.map(|tail| tail.path))
        });
        self.remove_all(tails.collect().await).await
    }

    /// Removes segments of a file. Those that are not there are removed.
    pub(crate) async fn remove(&self, file: FileId, segments: Range<u64>) -> Result<(), Error> {
        let paths = segments.map(|segment| Ok(path(file, segment)));
        self.remove_all(paths.collect()).await
    }

    /// Removes these objects, all that can be.
    pub(crate) async fn remove_all(&self, paths: Vec<Result<Path, Error>>) -> Result<(), Error> {
        let mut removed = self.0.delete_stream(stream::iter(paths).boxed());
        let mut result = Ok(());
        while let Some(one) = removed.next().await {
            match one {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => result = Err(error),
            }
        }
        result
    }

    /// All objects that have names of segments and tails, in no order. A list can go on after an error.
    pub(crate) fn all(&self) -> BoxStream<'static, Result<Listed, Error>> {
        let all = self.0.list(None);
        let named = all.try_filter_map(async |object| Ok(listed(object)));
        named.boxed()
    }

    /// Whether there is no file.
    pub(crate) async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.all().try_next().await?.is_none())
    }

    /// Whose they say that they are.
    pub(crate) async fn whose(&self) -> Result<Option<String>, Error> {
        let found = match self.0.get(&Path::from(MARK)).await {
            Ok(found) => found.bytes().await?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(String::from_utf8_lossy(&found).trim().to_owned()))
    }

    pub(crate) async fn put_mark(&self, text: &str) -> Result<(), Error> {
        let text = Bytes::from(format!("{text}\n"));
        let put = self.0.put(&Path::from(MARK), text.into()).await;
        put.map(|_version| ())
    }

    /// Makes sure that the place is there, whatever is in it.
    pub(crate) async fn check_there(&self) -> Result<(), Error> {
        match self.0.head(&Path::from(MARK)).await {
            Ok(_) => Ok(()),
            Err(Error::NotFound { source, .. }) => Err(Error::Generic {
                store: "files: nothing there says whose they are",
                source,
            }),
            Err(error) => Err(error),
        }
    }

    /// Where they lie.
    pub(crate) fn location(&self) -> String {
        self.0.to_string()
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

fn tail(file: FileId, received: u64) -> Path {
    Path::from(format!("{file}/{TAIL}{received}"))
}

/// Whether an object of a file can be called so.
pub fn is_object_name(name: &str) -> bool {
    let number = name.strip_prefix(TAIL).unwrap_or(name);
    number.parse::<u64>().is_ok()
}

/// What this is an object of; `None` if it has another name than ours have: it is not ours to remove.
fn listed(object: ObjectMeta) -> Option<Listed> {
    let mut parts = object.location.parts();
    let file = parts.next()?.as_ref().parse().ok()?;
    let is_tail = parts
        .next()
        .is_some_and(|name| name.as_ref().starts_with(TAIL));
    let written = object.last_modified.timestamp_millis();
    Some(Listed {
        path: object.location,
        file,
        is_tail,
        written: UnixMillis(u64::try_from(written).unwrap_or(0)),
    })
}
