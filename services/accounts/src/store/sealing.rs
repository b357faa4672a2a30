//! Rows of which some fields may be read where they lie, and others may not.
//!
//! The others are sealed as bytes of the same message and lie in its field `sealed`: to open a row is to
//! merge the two. So a row of schema version 1, of which nothing is sealed, reads as any other does.
//!
//! Invariants: a row that opens is what was sealed, whatever lies readable beside it. Accounts and sign-ins
//! are under the key of their account, invitations under the server's. **Password hashes are under the
//! server's too**: that key is always at hand, so that a known name costs no look for a key that an unknown
//! one does not.

use std::fmt::Debug;
use std::mem::take;

use bytes::Bytes;
use cluster_store::StoreError;
use cluster_store::schema::{Row, Table};
use prost::Message as _;
use proto::storage::v1;
use services_vault::limits::PLAINTEXT_BYTES_MAX;
use services_vault::{FieldAad, Sealer, TooLong, Vault, VaultError};

use cluster_types::AccountId;

/// The name under which the sealed part of a row is bound to it. It is part of what is stored.
const FIELD: &str = "sealed";

/// A value of which only some fields may be read where it lies.
pub(crate) trait Sealable: prost::Message + Default {
    /// Takes out what may not be read. Each field is named, so that a new one does not compile before
    /// somebody has decided.
    fn take_private(&mut self) -> Self;

    /// Where that lies, sealed.
    fn sealed(&mut self) -> &mut Bytes;
}

impl Sealable for v1::Account {
    fn take_private(&mut self) -> Self {
        let Self {
            user_name,
            display_name,
            password_hash: _,
            role: _,
            suspended: _,
            created_day: _,
            sealed: _,
            sealed_password_hash: _,
        } = self;
        Self {
            user_name: take(user_name),
            display_name: take(display_name),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

impl Sealable for v1::SignIn {
    fn take_private(&mut self) -> Self {
        let Self {
            token_hash: _,
            device_label,
            expiry_day: _,
            keep_signed_in: _,
            sealed: _,
        } = self;
        Self {
            device_label: take(device_label),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

impl Sealable for v1::Invitation {
    fn take_private(&mut self) -> Self {
        let Self {
            secret_hash: _,
            role: _,
            expiry_day: _,
            created_by,
            note,
            sealed: _,
        } = self;
        Self {
            created_by: take(created_by),
            note: take(note),
            ..Self::default()
        }
    }

    fn sealed(&mut self) -> &mut Bytes {
        &mut self.sealed
    }
}

/// Seals what may not be read of a row.
pub(crate) fn seal<K>(sealer: &Sealer, key: &K, mut row: K::Value) -> Result<K::Value, StoreError>
where
    K: Row<Value: Sealable>,
{
    let private = row.take_private().encode_to_vec();
    *row.sealed() = seal_field(sealer, key, FIELD, &private)?;
    Ok(row)
}

/// Opens a row, or leaves one that was never sealed as it is.
pub(crate) fn open<K>(sealer: &Sealer, key: &K, mut row: K::Value) -> Result<K::Value, StoreError>
where
    K: Row<Value: Sealable> + Debug,
{
    let sealed = take(row.sealed());
    if sealed.is_empty() {
        return Ok(row);
    }
    let private = open_field(sealer, key, FIELD, &sealed)?;
    let _not_what_was_sealed = row.take_private();
    match row.merge(&private[..]) {
        Ok(()) => Ok(row),
        Err(_) => Err(corrupt(key)),
    }
}

/// Seals one field of a row by itself.
pub(super) fn seal_field<K: Row>(
    sealer: &Sealer,
    key: &K,
    field: &'static str,
    text: &[u8],
) -> Result<Bytes, StoreError> {
    let sealed = sealer.seal(&FieldAad::of(key, field), text);
    sealed.map_err(|TooLong { bytes }| StoreError::TooLarge {
        what: "value",
        limit: PLAINTEXT_BYTES_MAX,
        actual: bytes,
    })
}

/// Opens what [`seal_field`] made of it.
pub(super) fn open_field<K: Row + Debug>(
    sealer: &Sealer,
    key: &K,
    field: &'static str,
    sealed: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let opened = sealer.open(&FieldAad::of(key, field), sealed);
    opened.map_err(|_| corrupt(key))
}

/// What opens fields of these accounts, in their order; `None` where the account was erased. To be asked
/// for once rows have been read: then each key that they were sealed under is found, unless it is gone.
pub(crate) async fn openers(
    vault: &Vault,
    accounts: &[AccountId],
) -> Result<Vec<Option<Sealer>>, StoreError> {
    let openers = vault.account_openers(accounts).await;
    openers.map_err(VaultError::into_store_error)
}

/// What seals fields of an account, and opens them.
pub(crate) async fn sealer(vault: &Vault, account: AccountId) -> Result<Sealer, StoreError> {
    let sealer = vault.account_sealer(account).await;
    sealer.map_err(VaultError::into_store_error)
}

fn corrupt<K: Row + Debug>(key: &K) -> StoreError {
    let table: Table = K::TABLE;
    tracing::error!(row = ?key, "what is sealed in a row does not open");
    StoreError::Corrupt { table }
}
