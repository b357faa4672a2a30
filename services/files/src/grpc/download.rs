//! The stream that a file goes by.
//!
//! Invariant: a client gets no more than [`TURN_BYTES`](crate::limits::TURN_BYTES) of a file after it has lost the
//! message or the room. Nothing is read before the client has taken what was read last.

use bytes::Bytes;
use cluster_types::Caller;
use futures::{Stream, stream};
use proto::v1;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{status, stored};
use crate::limits::PIECE_BYTES_MAX;
use crate::transfers::{Dependencies, Transfer, Transfers};
use crate::wire::{self, Wanted};
use crate::{Descriptor, ReadError, Reader};

/// What one client is sent of a file.
pub(super) struct Download {
    transfer: Transfer,
    wanted: Wanted,
    reader: Reader,
    /// What is sent first.
    start: Option<v1::DownloadFileResponse>,
    /// Of what was read, what was not sent yet.
    rest: Bytes,
}

impl Download {
    pub(super) async fn begin(
        transfers: &Transfers,
        caller: Caller,
        leaving: CancellationToken,
        wanted: Wanted,
    ) -> Result<Self, Status> {
        let begun = transfers.begin(caller, leaving).await;
        let transfer = begun.map_err(|error| status(&error))?;
        let of = carried(&transfers.with, caller, &wanted).await?;
        let range = wanted.range(of.size)?;
        let start = wire::download_start(&of, &range);
        let reader = transfers.with.files.reader(&of, range);
        Ok(Self {
            transfer,
            wanted,
            reader: reader.map_err(|error| status(&error))?,
            start: Some(start),
            rest: Bytes::new(),
        })
    }

    pub(super) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<v1::DownloadFileResponse, Status>> + Send {
        stream::unfold(Some(self), |download| async move {
            let mut download = download?;
            match download.next().await {
                Ok(Some(message)) => Some((Ok(message), Some(download))),
                Ok(None) => None,
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<v1::DownloadFileResponse>, Status> {
        self.transfer.check().map_err(|error| status(&error))?;
        if let Some(start) = self.start.take() {
            return Ok(Some(start));
        }
        if self.rest.is_empty() {
            let read = self.transfer.of_node(self.reader.next()).await;
            let read = read.map_err(|error| status(&error))?;
            match read {
                Ok(Some(bytes)) => self.rest = bytes,
                Ok(None) => return Ok(None),
                Err(error @ (ReadError::Gone | ReadError::Broken)) => {
                    return Err(self.lost(&error).await);
                }
                Err(error) => return Err(stored(&error)),
            }
        }
        let bytes = self.rest.len().min(PIECE_BYTES_MAX);
        let turned = self.transfer.count(bytes).await;
        if turned.map_err(|error| status(&error))? {
            let (with, caller) = (self.transfer.with(), self.transfer.caller());
            carried(with, caller, &self.wanted).await?;
        }
        Ok(Some(wire::download_data(self.rest.split_to(bytes))))
    }

    /// What to say of a file whose bytes are not there as they were: its message may have gone meanwhile. If it has
    /// not, a person has to look, unless the store was restored without its files.
    async fn lost(&self, error: &ReadError) -> Status {
        let (with, caller) = (self.transfer.with(), self.transfer.caller());
        if let Err(not_carried) = carried(with, caller, &self.wanted).await {
            return not_carried;
        }
        let Wanted {
            room, seq, file, ..
        } = self.wanted;
        if !matches!(with.files.is_there(file).await, Ok(false)) {
            tracing::error!(%file, %room, seq = seq.0, "a message carries a file, and {error}");
        }
        status(error)
    }
}

async fn carried(
    with: &Dependencies,
    caller: Caller,
    wanted: &Wanted,
) -> Result<Descriptor, Status> {
    let Wanted {
        room, seq, file, ..
    } = *wanted;
    let found = with.carriers.carried(caller.account, room, seq, file).await;
    found.map_err(|refused| status(&*refused))
}
