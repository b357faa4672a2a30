//! The service Files but for its streams: beginning an upload, asking how it stands and which there are, giving it up.

use proto::v1::files_client::FilesClient;
use proto::v1::{
    DeleteUploadRequest, GetUploadRequest, ListUploadsRequest, ListUploadsResponse,
    StartUploadRequest, Upload,
};

use super::{call, pages};
use crate::{Client, Error};

impl Client {
    /// Begins an upload: its name, `files/{file}`, is what [`Client::continue_upload`] goes on with. Its size
    /// counts in the account's quota from here on. Begun again under the same
    /// [request id](crate::new_request_id), also after a restart, it is the same upload as long as no message
    /// carries it.
    ///
    /// # Errors
    /// INVALID_ARGUMENT about the name, and for a file that is empty or larger than the server takes;
    /// FAILED_PRECONDITION if the account's quota has not as much left, or too many of its uploads are in no
    /// message yet; ALREADY_EXISTS if the id was used for another file.
    pub async fn start_upload(&self, request: StartUploadRequest) -> Result<Upload, Error> {
        call!(self, again, FilesClient, start_upload, request)
    }

    /// How one's own upload `files/{file}` stands.
    ///
    /// # Errors
    /// NOT_FOUND if there is none, also once a message carries it.
    pub async fn upload_state(&self, name: &str) -> Result<Upload, Error> {
        let name = name.to_owned();
        let request = GetUploadRequest { name };
        call!(self, again, FilesClient, get_upload, request)
    }

    /// A page of one's own uploads.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_uploads(
        &self,
        request: ListUploadsRequest,
    ) -> Result<ListUploadsResponse, Error> {
        call!(self, again, FilesClient, list_uploads, request)
    }

    /// One's own uploads that no message carries yet, all of them.
    ///
    /// # Errors
    /// As any call.
    pub async fn all_uploads(&self) -> Result<Vec<Upload>, Error> {
        pages::all(|page_token| async move {
            let request = ListUploadsRequest {
                page_size: 0,
                page_token,
            };
            let page = self.list_uploads(request).await?;
            Ok((page.uploads, page.next_page_token))
        })
        .await
    }

    /// Gives one's own upload up.
    ///
    /// # Errors
    /// NOT_FOUND if there is none, also once a message carries it.
    pub async fn delete_upload(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = DeleteUploadRequest { name };
        call!(self, once, FilesClient, delete_upload, request)
    }

    /// As [`Client::upload_state`], asked once.
    pub(crate) async fn upload_once(&self, name: &str) -> Result<Upload, Error> {
        let name = name.to_owned();
        let request = GetUploadRequest { name };
        call!(self, once, FilesClient, get_upload, request)
    }
}
