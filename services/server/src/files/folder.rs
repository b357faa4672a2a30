//! [`Folder`]: files in a folder of this machine, a folder for each.
//!
//! Invariants: it is there, writable and its owner's alone before the server takes a connection; what is put into it
//! is synced before it counts, and leaves the file system its `Floor`. Of what else lies there nothing is listed, and nothing looked into: no link is
//! followed, and a folder that does not read is an error in the middle of a list, which goes on.

use std::fmt;
use std::fs::{DirBuilder, DirEntry, File, ReadDir, read_dir, remove_file};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_types::FileId;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use rustix::fs::{Access, access};
use services_files::is_object_name;
use tokio::task::spawn_blocking;

use super::FilesError;
use super::floor::Floor;

/// Objects in a folder.
#[derive(Debug)]
struct Folder {
    objects: LocalFileSystem,
    path: PathBuf,
    floor: Arc<Floor>,
}

/// The folder at `path`, which is made unless it is there, for a server that writes into it as long as its file system
/// has `free_min` bytes free.
pub(super) fn open(path: &Path, free_min: u64) -> Result<Arc<dyn ObjectStore>, FilesError> {
    make(path).map_err(|source| FilesError::Make {
        path: path.to_owned(),
        source,
    })?;
    let not_writable = |source| FilesError::NotWritable {
        path: path.to_owned(),
        source,
    };
    let rights = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    access(path, rights).map_err(|error| not_writable(error.into()))?;
    remove_halves(path).map_err(not_writable)?;
    Ok(at(path, free_min)?)
}

/// The same for who only reads: nothing is made or removed.
pub(super) fn look(path: &Path) -> Result<Arc<dyn ObjectStore>> {
    at(path, 0)
}

fn at(path: &Path, free_min: u64) -> Result<Arc<dyn ObjectStore>> {
    let objects = LocalFileSystem::new_with_prefix(path)?;
    Ok(Arc::new(Folder {
        objects: objects.with_fsync(true).with_automatic_cleanup(true),
        path: path.to_owned(),
        floor: Arc::new(Floor::of(path, free_min)),
    }))
}

/// Makes the folder, durably and for its owner alone, unless it is there.
fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => File::open(".")?.sync_all(),
    }
}

/// Removes what the last process had begun to write when it was killed. The library writes an object beside its
/// place first, under its name with `#` and a number, and lists nothing that is called so.
fn remove_halves(path: &Path) -> io::Result<()> {
    for of_file in read_dir(path)? {
        let of_file = of_file?;
        let Some(file) = file_of(&of_file) else {
            continue;
        };
        if let Err(error) = remove_halves_of(&of_file.path()) {
            tracing::warn!(%file, %error, "what a kill may have left of this file was not removed");
        }
    }
    Ok(())
}

fn remove_halves_of(path: &Path) -> io::Result<()> {
    for object in read_dir(path)? {
        let object = object?;
        let name = object.file_name();
        let half = name.to_str().and_then(|name| name.split_once('#'));
        let is_half =
            |(name, number): (&str, &str)| is_object_name(name) && number.parse::<u64>().is_ok();
        if half.is_some_and(is_half) {
            remove_file(object.path())?;
        }
    }
    Ok(())
}

/// The file whose folder this is.
fn file_of(entry: &DirEntry) -> Option<FileId> {
    let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
    let name = entry.file_name();
    let file = name.to_str()?.parse().ok()?;
    is_folder.then_some(file)
}

/// The objects of the next file; `None` after the last.
fn next_file(folder: &mut ReadDir) -> Option<Vec<Result<ObjectMeta>>> {
    loop {
        let of_file = match folder.next()? {
            Ok(entry) => entry,
            Err(error) => return Some(vec![Err(unread(error))]),
        };
        if let Some(file) = file_of(&of_file) {
            return Some(match read_dir(of_file.path()) {
                Ok(objects) => objects.filter_map(|entry| object(file, entry)).collect(),
                Err(error) => vec![Err(unread(error))],
            });
        }
    }
}

/// One object of a file, if it is one.
fn object(file: FileId, entry: io::Result<DirEntry>) -> Option<Result<ObjectMeta>> {
    let read = entry.and_then(|entry| {
        let name = entry.file_name();
        let name = name.to_str().filter(|name| is_object_name(name));
        // Of the entry itself: a link is none.
        let about = entry.metadata()?;
        let Some(name) = name.filter(|_| about.is_file()) else {
            return Ok(None);
        };
        Ok(Some(ObjectMeta {
            location: Location::from(format!("{file}/{name}")),
            last_modified: about.modified()?.into(),
            size: about.len(),
            e_tag: None,
            version: None,
        }))
    });
    match read {
        Ok(object) => object.map(Ok),
        // It went while it was looked at.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(unread(error))),
    }
}

fn unread(error: io::Error) -> Error {
    Error::Generic {
        store: "folder",
        source: Box::new(error),
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

#[async_trait]
impl ObjectStore for Folder {
    async fn put_opts(
        &self,
        location: &Location,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let floor = Arc::clone(&self.floor);
        let checked = spawn_blocking(move || floor.check()).await;
        checked.map_err(|panic| unread(io::Error::other(panic)))??;
        self.objects.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Location,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Location, options: GetOptions) -> Result<GetResult> {
        self.objects.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Location, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.objects.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Location>>,
    ) -> BoxStream<'static, Result<Location>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, Result<ObjectMeta>> {
        if prefix.is_some() {
            return self.objects.list(prefix);
        }
        let files = match read_dir(&self.path) {
            Ok(folder) => folder,
            Err(error) => return stream::iter([Err(unread(error))]).boxed(),
        };
        let objects = stream::unfold(files, |mut files| async move {
            let next = spawn_blocking(move || (next_file(&mut files), files));
            // Only a runtime that goes down does not run it to its end.
            let (objects, files) = next.await.ok()?;
            Some((stream::iter(objects?), files))
        });
        objects.flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Location, to: &Location, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
