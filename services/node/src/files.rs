//! Files and rooms, each as the other needs it: messages carry files, and whoever reads a message may fetch them.
//!
//! Invariant: what a message keeps of a file is all of its descriptor, so the way there and back changes nothing.

use std::sync::Arc;

use async_trait::async_trait;
use cluster_store::{StoreError, Table, Transaction};
use cluster_types::{AccountId, FileId, RoomId, Seq};
use services_files::{Carriers, Descriptor, FileName, Files, InvalidFileName, Refused, TakeError};
use services_rooms::{AttachError, Attachment, Attachments, Rooms, Unattachable, WhyNot};
use services_vault::KeyBytes;

/// Rooms, as files need them.
#[derive(Debug)]
pub(crate) struct Members(pub(crate) Rooms);

#[async_trait]
impl Carriers for Members {
    async fn may_send(&self, account: AccountId, room: RoomId) -> Result<(), Refused> {
        let may_send = self.0.check_may_send(account, room).await;
        may_send.map_err(|error| Box::new(error) as Refused)
    }

    async fn carried(
        &self,
        account: AccountId,
        room: RoomId,
        seq: Seq,
        file: FileId,
    ) -> Result<Descriptor, Refused> {
        let carried = self.0.attachment(account, room, seq, file).await;
        let carried = carried.map_err(|error| Box::new(error) as Refused)?;
        descriptor(carried).map_err(|error| Box::new(error) as Refused)
    }
}

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
        match self.0.descriptors(tx, account, room, files).await {
            Ok(found) => Ok(found.into_iter().map(attachment).collect()),
            Err(error) => Err(refusal(error, files)),
        }
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
            // It was found in this transaction: whoever runs it again finds why.
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
    let place = place.expect("what is refused was asked for");
    AttachError::Unattachable(Unattachable { place, why })
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

fn descriptor(of: Attachment) -> Result<Descriptor, StoreError> {
    let table = Table::RoomEvent;
    let name = FileName::new(of.name);
    Ok(Descriptor {
        file: of.file,
        key: KeyBytes::copied(of.key.expose()),
        name: name.map_err(|InvalidFileName| StoreError::Corrupt { table })?,
        size: of.size,
        media_type: of.media_type,
        sha256: of.sha256,
    })
}
