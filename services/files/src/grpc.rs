//! The Files service: who is asking comes from the gateway, what is asked from `wire`.
//!
//! Invariant: an error of the object store is logged here with its cause, once, and the caller hears only that
//! the store is not there.

use std::pin::Pin;

use cluster_rpc::name;
use cluster_types::{Caller, Coded};
use futures::Stream;
use proto::v1;
use proto::v1::files_server::Files as Service;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::transfers::Transfers;
use crate::{FinishError, wire};

mod download;
#[cfg(test)]
mod tests;
mod upload;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Service for Transfers {
    async fn start_upload(&self, request: Request<v1::StartUploadRequest>) -> Answer<v1::Upload> {
        let (caller, request) = open(request)?;
        let new = wire::new_upload(request)?;
        let may_send = self.with.carriers.may_send(caller.account, new.room);
        may_send.await.map_err(|refused| status(&*refused))?;
        let begun = self.with.files.start(caller.account, new).await;
        let file = begun.map_err(|error| status(&error))?;
        self.upload(caller, file).await
    }

    async fn get_upload(&self, request: Request<v1::GetUploadRequest>) -> Answer<v1::Upload> {
        let (caller, request) = open(request)?;
        let file = name::file(&request.name, "name")?;
        self.upload(caller, file).await
    }

    async fn list_uploads(
        &self,
        request: Request<v1::ListUploadsRequest>,
    ) -> Answer<v1::ListUploadsResponse> {
        let (Caller { account, .. }, request) = open(request)?;
        let (after, limit) = wire::list_uploads(account, &request)?;
        let found = self.with.files.uploads(account, after, limit).await;
        let (page, last) = found.map_err(|error| status(&error))?;
        Ok(Response::new(wire::uploads(account, page, last)))
    }

    async fn delete_upload(&self, request: Request<v1::DeleteUploadRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let file = name::file(&request.name, "name")?;
        let given_up = self.with.files.give_up(caller.account, file).await;
        if given_up.map_err(|error| status(&error))? {
            Ok(Response::new(()))
        } else {
            Err(status(&FinishError::NoSuchUpload))
        }
    }

    async fn upload_file(
        &self,
        request: Request<Streaming<v1::UploadFileRequest>>,
    ) -> Answer<v1::Upload> {
        let (caller, leaving) = (cluster_rpc::caller(&request)?, leaving(&request));
        let file = upload::receive(self, caller, leaving, request.into_inner()).await?;
        self.upload(caller, file).await
    }

    type DownloadFileStream =
        Pin<Box<dyn Stream<Item = Result<v1::DownloadFileResponse, Status>> + Send>>;

    async fn download_file(
        &self,
        request: Request<v1::DownloadFileRequest>,
    ) -> Answer<Self::DownloadFileStream> {
        let leaving = leaving(&request);
        let (caller, request) = open(request)?;
        let wanted = wire::wanted(&request)?;
        let download = download::Download::begin(self, caller, leaving, wanted).await?;
        Ok(Response::new(Box::pin(download.into_stream())))
    }
}

impl Transfers {
    /// How an upload of the caller stands.
    async fn upload(&self, caller: Caller, file: cluster_types::FileId) -> Answer<v1::Upload> {
        let found = self.with.files.upload(caller.account, file).await;
        let found = found.map_err(|error| status(&error))?;
        let upload = found.ok_or_else(|| status(&FinishError::NoSuchUpload))?;
        Ok(Response::new(wire::upload(file, upload)))
    }
}

/// Put there by whoever runs the connection, and cancelled when that has to go.
fn leaving<T>(request: &Request<T>) -> CancellationToken {
    let leaving = request.extensions().get::<CancellationToken>();
    leaving.cloned().unwrap_or_default()
}

/// Who asks, and for what.
fn open<T>(request: Request<T>) -> Result<(Caller, T), Status> {
    Ok((cluster_rpc::caller(&request)?, request.into_inner()))
}

fn status(error: &dyn Coded) -> Status {
    cluster_rpc::status(error)
}

/// The status for an error that may have come from the object store.
fn stored(error: &dyn Coded) -> Status {
    if let Some(cause) = error.source() {
        tracing::error!(cause, "{error}");
    }
    status(error)
}
