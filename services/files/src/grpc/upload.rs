//! The stream that an upload comes by.
//!
//! Invariants: whatever ends a call, the whole chunks that it brought are made durable, within a deadline: a client whose
//! line breaks again and again gets on with each attempt. And nothing is read from the client while what it has sent is made durable, so HTTP/2's windows are all
//! that waits in memory beside one segment.

use cluster_types::{Caller, FileId};
use proto::v1;
use scopeguard::ScopeGuard;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, Streaming};

use super::{status, stored};
use crate::transfers::{Transfer, Transfers};
use crate::{FinishError, WriteError, Writer, wire};

type Pieces = Streaming<v1::UploadFileRequest>;

/// Takes what comes. Which upload it was, once the client has ended the stream.
pub(super) async fn receive(
    transfers: &Transfers,
    caller: Caller,
    leaving: CancellationToken,
    mut pieces: Pieces,
) -> Result<FileId, Status> {
    let begun = transfers.begin(caller, leaving).await;
    let mut transfer = begun.map_err(|error| status(&error))?;
    let first = next(&mut transfer, &mut pieces).await?;
    let (file, offset) = wire::upload_start(first.and_then(|first| first.part))?;
    let files = &transfers.with.files;
    // What the call before this one leaves behind counts for where this one begins.
    let written = transfer.of_node(files.written(file)).await;
    written.map_err(|error| status(&error))?;
    match files.writer(caller.account, file).await {
        Ok(writer) => take(&mut transfer, writer, offset, &mut pieces).await?,
        // What is sent once more because the answer got lost.
        Err(WriteError::Finished) => is_over(&mut transfer, file, offset, &mut pieces).await?,
        Err(error) => return Err(stored(&error)),
    }
    match files.finish(caller.account, file).await {
        Ok(_) | Err(FinishError::Incomplete { .. }) => Ok(file),
        Err(error) => Err(status(&error)),
    }
}

/// Takes pieces from `offset` on, which has to be where the upload stands.
async fn take(
    transfer: &mut Transfer,
    writer: Writer,
    offset: u64,
    pieces: &mut Pieces,
) -> Result<(), Status> {
    let mut writer = scopeguard::guard(writer, Writer::keep_later);
    let at_its_place = writer.write(offset, &[]).await;
    at_its_place.map_err(|error| stored(&error))?;
    may_send(transfer, &writer).await?;
    while let Some(piece) = next(transfer, pieces).await? {
        let bytes = wire::piece(piece.part)?;
        let offset = writer.taken();
        let taken = transfer.of_node(writer.write(offset, &bytes)).await;
        let taken = taken.map_err(|error| status(&error))?;
        taken.map_err(|error| stored(&error))?;
        let turned = transfer.came(bytes.len()).await;
        if turned.map_err(|error| status(&error))? {
            may_send(transfer, &writer).await?;
        }
    }
    let kept = transfer.of_node(ScopeGuard::into_inner(writer).keep());
    let kept = kept.await.map_err(|error| status(&error))?;
    kept.map(|_received| ()).map_err(|error| stored(&error))
}

/// Who cannot send into the room any more fills no disk for it either.
async fn may_send(transfer: &Transfer, writer: &Writer) -> Result<(), Status> {
    let (carriers, account) = (&transfer.with().carriers, transfer.caller().account);
    let may_send = carriers.may_send(account, writer.room()).await;
    may_send.map_err(|refused| status(&*refused))
}

/// Whether the client, which goes on at `offset`, has nothing more to send of a finished upload. One that was not
/// finished when the client asked has moved on.
async fn is_over(
    transfer: &mut Transfer,
    file: FileId,
    offset: u64,
    pieces: &mut Pieces,
) -> Result<(), Status> {
    let (files, account) = (&transfer.with().files, transfer.caller().account);
    let found = files.upload(account, file).await;
    let upload = found.map_err(|error| status(&error))?;
    let size = upload.map_or(0, |upload| upload.size);
    if offset < size {
        return Err(status(&WriteError::Moved));
    }
    if offset == size && next(transfer, pieces).await?.is_none() {
        Ok(())
    } else {
        Err(status(&WriteError::Finished))
    }
}

/// The next message of the client; `None` once it has ended the stream.
async fn next(
    transfer: &mut Transfer,
    pieces: &mut Pieces,
) -> Result<Option<v1::UploadFileRequest>, Status> {
    let message = transfer.of_client(pieces.message()).await;
    let message = message.map_err(|error| status(&error))?;
    message.map_err(|error| {
        // tonic's word for a message that is larger than the edge takes.
        if error.code() == Code::OutOfRange {
            wire::too_long().into()
        } else {
            error
        }
    })
}
