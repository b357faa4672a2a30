//! Files for tests: rows alone, without bytes.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cluster_store::schema::{File as FileRow, Upload as UploadRow};
use cluster_store::{RowRange, Scan, StoreError, Table, Transaction};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use proto::storage::v1;
use services_vault::KeyBytes;

use super::{World, draft};
use crate::{
    Action, AttachError, Attachment, Attachments, ClientMessageId, Draft, Unattachable, WhyNot,
};

/// Keeps files in rows alone. An upload is made by [`World::uploads`].
#[derive(Debug)]
pub(super) struct Kept;

#[async_trait]
impl Attachments for Kept {
    async fn find(
        &self,
        tx: &Transaction,
        account: AccountId,
        room: RoomId,
        files: &[FileId],
    ) -> Result<Vec<Attachment>, AttachError> {
        for (place, file) in files.iter().enumerate() {
            let file = *file;
            let refused = |why| Err(AttachError::Unattachable(Unattachable { place, why }));
            let Some(upload) = tx.row(&UploadRow { account, file }).await? else {
                let is_there = tx.row(&FileRow { file }).await?.is_some();
                return refused(if is_there {
                    WhyNot::Taken
                } else {
                    WhyNot::NoSuchUpload
                });
            };
            if upload.room_id[..] != *room.as_bytes() {
                return refused(WhyNot::OtherRoom);
            }
            if !upload.finished {
                return refused(WhyNot::NotFinished);
            }
        }
        Ok(files.iter().map(|file| attachment(*file)).collect())
    }

    async fn take(
        &self,
        tx: &Transaction,
        account: AccountId,
        _room: RoomId,
        files: &[FileId],
    ) -> Result<(), StoreError> {
        for file in files {
            let file = *file;
            let carried = tx.row(&FileRow { file }).await?;
            let uses = carried.map_or(0, |row| row.uses) + 1;
            tx.clear_row(&UploadRow { account, file })?;
            tx.set_row(
                &FileRow { file },
                &v1::File {
                    uses,
                    ..Default::default()
                },
            )?;
        }
        Ok(())
    }

    async fn release(&self, tx: &Transaction, file: FileId) -> Result<(), StoreError> {
        match tx.row(&FileRow { file }).await? {
            Some(v1::File { uses: 1, .. }) => tx.clear_row(&FileRow { file }),
            // Nobody may release what he does not carry.
            _ => Err(StoreError::Corrupt { table: Table::File }),
        }
    }
}

impl World {
    /// Makes an upload of `account` for `room`.
    pub(crate) async fn uploads(&self, room: RoomId, account: AccountId, file: FileId) {
        self.begins_upload(room, account, file, true).await;
    }

    /// As [`World::uploads`]; without all of its bytes if it is not `finished`.
    pub(crate) async fn begins_upload(
        &self,
        room: RoomId,
        account: AccountId,
        file: FileId,
        finished: bool,
    ) {
        let row = &v1::Upload {
            room_id: Bytes::copy_from_slice(room.as_bytes()),
            finished,
            ..Default::default()
        };
        let begin =
            |tx: Transaction, _| async move { tx.set_row(&UploadRow { account, file }, row) };
        self.store.run(begin).await.expect("is written");
    }

    /// The files that messages carry, and how many messages do.
    pub(crate) async fn carried(&self) -> Vec<(FileId, u32)> {
        let read = |tx: Transaction| async move {
            tx.scan(RowRange::<FileRow>::all(), Scan::default()).await
        };
        let found: Result<_, StoreError> = self.store.read(read).await;
        let rows = found.expect("reads").rows.into_iter();
        rows.map(|(FileRow { file }, row)| (file, row.uses))
            .collect()
    }
}

pub(crate) const fn file(number: u8) -> FileId {
    FileId::from_bytes([number; 16])
}

/// What comes with a message that carries this file.
pub(crate) fn attachment(file: FileId) -> Attachment {
    let number = file.as_bytes()[0];
    Attachment {
        file,
        key: Arc::new(KeyBytes::copied(&[number; 32])),
        name: format!("{number}.png"),
        size: 100 + u64::from(number),
        media_type: "image/png".to_owned(),
        sha256: [number; 32],
    }
}

/// Says something that carries these files.
pub(crate) fn send_files(id: ClientMessageId, body: &str, files: &[FileId]) -> Action {
    let files = files.to_vec();
    Action::Send(Draft {
        files,
        ..draft(id, body)
    })
}

/// Says something else, without these files.
pub(crate) fn edit_without(
    target: Seq,
    id: ClientMessageId,
    body: &str,
    files: &[FileId],
) -> Action {
    let files = files.to_vec();
    let draft = Draft {
        files,
        ..draft(id, body)
    };
    Action::Edit { target, draft }
}
