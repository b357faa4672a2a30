//! Rows of schema version 1, rewritten as this version has them.
//!
//! Invariant: a row that has the newest form says the same afterwards.

use cluster_store::schema;
use cluster_store::{StoreError, Transaction};
use proto::storage::v1;
use services_vault::Vault;

use super::account::{StoredAccount, name_key, set_account};
use super::sealing::{self, Sealable as _};

/// Who has a name is found by the hash of it from now on.
pub(crate) fn move_name(
    tx: &Transaction,
    vault: &Vault,
    key: schema::AccountName,
    row: &v1::AccountName,
) -> Result<(), StoreError> {
    tx.set_row(&name_key(vault, &key.folded), row)?;
    tx.clear_row(&key)
}

/// The two parts of an account are sealed one by one: a changed password or name seals its own.
pub(crate) async fn seal_account(
    tx: Transaction,
    vault: &Vault,
    key: schema::Account,
    mut row: v1::Account,
) -> Result<(), StoreError> {
    if row.sealed().is_empty() {
        let sealer = sealing::sealer(vault, key.account).await?;
        row = sealing::seal(&sealer, &key, row)?;
    }
    let mut account = StoredAccount {
        id: key.account,
        row,
    };
    let password_hash = account.password_hash(vault)?;
    account.set_password_hash(vault, &password_hash)?;
    set_account(&tx, &account)
}

pub(crate) async fn seal_sign_in(
    tx: Transaction,
    vault: &Vault,
    key: schema::SignIn,
    mut row: v1::SignIn,
) -> Result<(), StoreError> {
    if row.sealed().is_empty() {
        let sealer = sealing::sealer(vault, key.account).await?;
        tx.set_row(&key, &sealing::seal(&sealer, &key, row)?)?;
    }
    Ok(())
}

pub(crate) fn seal_invitation(
    tx: &Transaction,
    vault: &Vault,
    key: &schema::Invitation,
    mut row: v1::Invitation,
) -> Result<(), StoreError> {
    if row.sealed().is_empty() {
        tx.set_row(key, &sealing::seal(vault.server_sealer(), key, row)?)?;
    }
    Ok(())
}
