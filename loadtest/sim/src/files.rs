//! Files that people send, and what an operator finds of files in the end.
//!
//! Leaves out: downloads, which go through a service of their own, and what a file holds.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use cluster_store::schema::{File as FileRow, FileQuota, RoomEvent, Upload};
use cluster_store::{Row, RowPage, RowRange, Scan, Store, StoreError, Transaction};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use futures::TryStreamExt as _;
use object_store::ObjectStore as _;
use object_store::memory::InMemory;
use proto::storage::v1;
use proto::storage::v1::room_event::Kind;
use services_files::{FileName, Files, NewUpload, RequestId};

use crate::history::{KeptFile, Quota, World as Happened};
use crate::world::World;

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
