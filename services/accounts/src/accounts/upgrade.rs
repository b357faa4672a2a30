//! The upgrade from schema version 1: what is personal is sealed, and user names are found by a keyed hash.
//!
//! Invariant: every answer is the same before, during and after it. Each row is read in both forms, and a
//! name moves from its old place to its new one in one transaction that registrations conflict with.

use cluster_store::{StoreError, Transaction, Upgrade};

use super::Accounts;
use crate::store;

impl Accounts {
    /// Takes all steps of accounts. May be stopped anywhere, and goes on there.
    ///
    /// # Errors
    /// If the store fails. Repeat it then.
    pub async fn upgrade(&self, upgrade: &Upgrade) -> Result<(), StoreError> {
        let vault = &self.inner.vault;
        let name =
            |tx: Transaction, key, row| async move { store::move_name(&tx, vault, key, &row) };
        upgrade.walk("accounts.names", name).await?;
        let account = |tx, key, row| store::seal_account(tx, vault, key, row);
        upgrade.walk("accounts.accounts", account).await?;
        let sign_in = |tx, key, row| store::seal_sign_in(tx, vault, key, row);
        upgrade.walk("accounts.sign_ins", sign_in).await?;
        let invitation = |tx: Transaction, key, row| async move {
            store::seal_invitation(&tx, vault, &key, row)
        };
        upgrade.walk("accounts.invitations", invitation).await?;
        Ok(())
    }
}
