//! What of an upload may not be read where it lies: its name, type, hash and key, sealed into its row.
//!
//! Invariant: it opens in its own row only, and its bytes are overwritten where they were laid out to be sealed, and
//! where they were opened once nothing points into them.

use bytes::Bytes;
use cluster_store::StoreError;
use cluster_store::schema::{Table, Upload};
use prost::Message as _;
use proto::storage::v1;
use services_vault::limits::PLAINTEXT_BYTES_MAX;
use services_vault::{FieldAad, KeyBytes, Sealer, TooLong};
use zeroize::Zeroizing;

use super::{Progress, corrupt};

/// The name under which the sealed part of an upload is bound to its row. It is part of what is stored.
const FIELD: &str = "sealed";

/// What may not.
pub(crate) struct Private {
    pub(crate) name: String,
    /// What it is served as; empty until the first bytes are durable.
    pub(crate) media_type: String,
    /// As the sender said, or empty; once finished, of what came.
    pub(crate) sha256: Bytes,
    pub(crate) key: KeyBytes,
    /// The state of the hash after what is durable; empty at the beginning.
    pub(crate) hashing: Bytes,
}

/// Seals an upload into its row.
pub(crate) fn sealed(
    sealer: &Sealer,
    key: &Upload,
    progress: Progress,
    private: &Private,
) -> Result<v1::Upload, StoreError> {
    let row = v1::Upload {
        name: private.name.clone(),
        media_type: private.media_type.clone(),
        sha256: private.sha256.clone(),
        key: Bytes::from_owner(Zeroizing::new(private.key.expose().to_vec())),
        hashing: private.hashing.clone(),
        ..v1::Upload::default()
    };
    let text = Zeroizing::new(row.encode_to_vec());
    let sealed = sealer.seal(&FieldAad::of(key, FIELD), &text);
    let too_long = |TooLong { bytes }| StoreError::TooLarge {
        what: "value",
        limit: PLAINTEXT_BYTES_MAX,
        actual: bytes,
    };
    Ok(v1::Upload {
        room_id: Bytes::copy_from_slice(progress.room.as_bytes()),
        size: progress.size,
        received: progress.received,
        finished: progress.finished,
        day: progress.day.0,
        request_id: progress
            .request
            .map_or_else(Bytes::new, |request| Bytes::copy_from_slice(&request.0)),
        sealed: sealed.map_err(too_long)?,
        ..v1::Upload::default()
    })
}

/// Opens what may not.
pub(crate) fn private(
    sealer: &Sealer,
    key: &Upload,
    row: &v1::Upload,
) -> Result<Private, StoreError> {
    let opened = sealer.open(&FieldAad::of(key, FIELD), &row.sealed);
    // The row's fields are parts of the text, which is overwritten with the last of them.
    let opened = opened.ok().and_then(|text| {
        let text = Bytes::from_owner(Zeroizing::new(text));
        v1::Upload::decode(text).ok()
    });
    let key_of = |row: &v1::Upload| KeyBytes::from_slice(&row.key);
    let Some((row, key)) = opened.and_then(|row| key_of(&row).map(|key| (row, key))) else {
        tracing::error!(row = ?key, "what is sealed in a row does not open");
        return Err(corrupt(Table::Upload));
    };
    Ok(Private {
        name: row.name,
        media_type: row.media_type,
        sha256: row.sha256,
        key,
        hashing: row.hashing,
    })
}
