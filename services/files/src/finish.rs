//! The end of an upload: all bytes came, and they are what the sender said.

use bytes::Bytes;
use cluster_store::Transaction;
use cluster_store::schema::Upload as UploadRow;
use cluster_types::{AccountId, FileId};
use sha2::Digest as _;

use crate::files::descriptor;
use crate::store::{self, Progress};
use crate::writer::resumed;
use crate::{Descriptor, Files, FinishError};

impl Files {
    /// Ends an upload whose bytes are all durable. Done again it changes nothing and says the same.
    ///
    /// # Errors
    /// If bytes are missing, or hash to something else than the sender said. The upload stays as it is.
    pub async fn finish(
        &self,
        account: AccountId,
        file: FileId,
    ) -> Result<Descriptor, FinishError> {
        let sealer = self.opener(account).await?;
        let sealer = sealer.ok_or(FinishError::NoSuchUpload)?;
        let (key, sealer) = (&UploadRow { account, file }, &sealer);
        let finish = |tx: Transaction, _maybe_committed| async move {
            let row = tx.row(key).await?.ok_or(FinishError::NoSuchUpload)?;
            let (progress, mut private) =
                (store::progress(&row)?, store::private(sealer, key, &row)?);
            if progress.finished {
                return Ok::<_, FinishError>(descriptor(file, &progress, private)?);
            }
            if progress.received < progress.size {
                let (received, size) = (progress.received, progress.size);
                return Err(FinishError::Incomplete { received, size });
            }
            let hash = resumed(&private.hashing)?.finalize();
            if !private.sha256.is_empty() && private.sha256[..] != hash[..] {
                return Err(FinishError::HashDiffers);
            }
            private.sha256 = Bytes::copy_from_slice(&hash);
            private.hashing = Bytes::new();
            let progress = Progress {
                finished: true,
                ..progress
            };
            tx.set_row(key, &store::sealed(sealer, key, progress, &private)?)?;
            Ok(descriptor(file, &progress, private)?)
        };
        self.inner.store.run(finish).await
    }
}
