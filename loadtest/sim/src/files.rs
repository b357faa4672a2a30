//! Files and rooms of a node, each as the other needs it, and what an operator finds of files in the end.
//!
//! Leaves out: downloads, which go through a service of their own, and what a file holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use cluster_store::schema::{File as FileRow, FileQuota, RoomEvent, Upload};
use cluster_store::{Row, RowPage, RowRange, Scan, Store, StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::memory::InMemory;
use proto::storage::v1;
use proto::storage::v1::room_event::Kind;
use services_files::{Descriptor, FileName, Files, NewUpload, RequestId, TakeError};
use services_rooms::{AttachError, Attachment, Attachments, Unattachable, WhyNot};

use crate::history::{KeptFile, Quota, World as Happened};
use crate::world::World;

/// Files, as rooms need them.
#[derive(Debug)]
pub(crate) struct Carried(pub(crate) Files);

#[async_trait]
impl Attachments for Carried {
    async fn find(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<Vec<Attachment>, AttachError> {
        let found = self.0.descriptors(tx, account, room, files).await;
        let found = found.map_err(|error| refusal(error, files))?;
        Ok(found.into_iter().map(attachment).collect())
    }

    async fn take(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<(), StoreError> {
        let taken = Files::take(tx, account, room, files).await;
        taken.map_err(|error| match refusal(error, files) {
            AttachError::Store(error) => error,
            AttachError::Unattachable(_) => StoreError::Contended,
        })
    }

    async fn release(&self, tx: &Transaction, file: FileId) -> Result<(), StoreError> {
        Files::release(tx, file).await
    }
}

fn refusal(error: TakeError, files: &[FileId]) -> AttachError {
    let (file, why) = match error {
        TakeError::NoSuchUpload { file } => (file, WhyNot::NoSuchUpload),
        TakeError::Taken { file } => (file, WhyNot::Taken),
        TakeError::OtherRoom { file } => (file, WhyNot::OtherRoom),
        TakeError::NotFinished { file } => (file, WhyNot::NotFinished),
        TakeError::Store(error) => return AttachError::Store(error),
    };
    let place = files.iter().position(|asked| *asked == file);
    let place = place.unwrap_or_default();
    Unattachable { place, why }.into()
}

fn attachment(of: Descriptor) -> Attachment {
    Attachment {
        file: of.file,
        name: of.name.as_str().to_owned(),
        size: of.size,
        sha256: of.sha256,
        key: Arc::new(of.key),
        media_type: of.media_type,
    }
}

/// Uploads a small file, whole. `None` if anything went wrong: what is left of it is for the sweep.
pub(crate) async fn upload(
    files: &Files,
    account: AccountId,
    room: RoomId,
    size: u64,
    request: RequestId,
) -> Option<FileId> {
    let name = FileName::new("notes.txt".to_owned()).ok()?;
    let new = NewUpload {
        request,
        room,
        name,
        size,
        sha256: None,
    };
    let file = files.start(account, new).await.ok()?;
    let mut writer = files.writer(account, file).await.ok()?;
    let bytes = vec![b'x'; usize::try_from(size).ok()?];
    writer.write(0, &bytes).await.ok()?;
    files.finish(account, file).await.ok()?;
    Some(file)
}

/// All that is kept of files, once nobody wants anything any more.
pub(crate) async fn kept(
    store: &Store,
    objects: &InMemory,
    world: &World,
) -> anyhow::Result<Happened> {
    let mut carried: BTreeMap<FileId, Vec<(RoomId, Seq)>> = BTreeMap::new();
    for (RoomEvent { room, seq }, row) in rows::<RoomEvent>(store).await? {
        if let Some(Kind::Message(message)) = row.kind {
            for id in message.file_ids {
                let file = FileId::try_from(&id[..])?;
                carried.entry(file).or_default().push((room, seq));
            }
        }
    }
    let files: BTreeMap<_, _> = rows::<FileRow>(store).await?.into_iter().collect();
    let uploads = rows::<Upload>(store).await?.into_iter();
    let uploads: BTreeSet<_> = uploads.map(|(Upload { file, .. }, _)| file).collect();
    let mut stored: BTreeMap<FileId, u32> = BTreeMap::new();
    for object in objects.list(None).try_collect::<Vec<_>>().await? {
        let mut parts = object.location.parts();
        let (file, segment) = (parts.next(), parts.next());
        // Beside the files lies whose they are.
        if segment.is_none() {
            continue;
        }
        let file = file.and_then(|name| name.as_ref().parse().ok());
        *stored
            .entry(file.context("an object of no file")?)
            .or_default() += 1;
    }
    let mut bytes: BTreeMap<AccountId, u64> = BTreeMap::new();
    for row in files.values() {
        let account = AccountId::try_from(&row.account_id[..])?;
        *bytes.entry(account).or_default() += row.size;
    }
    let quotas = rows::<FileQuota>(store).await?;
    let mut all: BTreeSet<_> = carried
        .keys()
        .chain(&uploads)
        .chain(stored.keys())
        .collect();
    all.extend(files.keys().map(|FileRow { file }| file));
    let mut state = world.lock();
    let kept = all.into_iter().map(|file| KeptFile {
        uses: files.get(&FileRow { file: *file }).map(|row| row.uses),
        carried: {
            let carried = carried.get(file).into_iter().flatten();
            carried
                .map(|(room, seq)| (state.room(*room), *seq))
                .collect()
        },
        is_upload: uploads.contains(file),
        objects: stored.get(file).copied().unwrap_or_default(),
        file: state.names.file(*file),
    });
    let kept = kept.collect();
    let quota = |(FileQuota { account }, row): (FileQuota, v1::FileQuota)| Quota {
        who: state.names.person(account),
        counted: row.bytes,
        kept: bytes.get(&account).copied().unwrap_or_default(),
        uploads: row.uploads,
    };
    let quotas = quotas.into_iter().map(quota).collect();
    Ok(Happened::Files { kept, quotas })
}

/// Every row of a table.
async fn rows<K: Row>(store: &Store) -> Result<Vec<(K, K::Value)>, StoreError> {
    let (mut rest, mut rows) = (Some(RowRange::<K>::all()), Vec::new());
    while let Some(range) = rest {
        let read = |tx: Transaction| {
            let range = range.clone();
            async move { tx.scan(range, Scan::default()).await }
        };
        let page: RowPage<K> = store.read(read).await?;
        let last = page.rows.last().filter(|_| page.more);
        rest = last.map(|(last, _)| range.clone().after(last));
        rows.extend(page.rows);
    }
    Ok(rows)
}
