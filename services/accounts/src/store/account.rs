//! Accounts and their names.

use std::mem::take;

use cluster_store::schema::{self, Table};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::{AccountId, Day};
use proto::storage::v1;
use services_vault::{LookupDomain, Sealer, Vault};

use super::sealing::{self, open_field, seal_field};
use super::{bytes, id, page, role, role_row};
use crate::limits::WALK_ROWS;
use crate::state::{Profile, Role};

/// The name under which a password hash is bound to its row. It is part of what is stored.
const PASSWORD_HASH: &str = "password_hash";

/// An account as it is stored: what it may do can be read, who it is has to be opened.
#[derive(Clone)]
pub(crate) struct StoredAccount {
    pub(super) id: AccountId,
    pub(super) row: v1::Account,
}

impl StoredAccount {
    /// One that is not stored yet. `sealer` is the account's own.
    pub(crate) fn new(
        vault: &Vault,
        sealer: &Sealer,
        profile: &Profile,
        password_hash: &str,
        created: Day,
    ) -> Result<Self, StoreError> {
        let mut account = Self {
            id: profile.account,
            row: v1::Account {
                role: role_row(profile.role).into(),
                suspended: profile.suspended,
                created_day: created.0,
                ..Default::default()
            },
        };
        account.set_profile(sealer, profile)?;
        account.set_password_hash(vault, password_hash)?;
        Ok(account)
    }

    /// Somebody who has a password and is not there.
    pub(crate) fn nobody(vault: &Vault, password_hash: &str) -> Result<Self, StoreError> {
        let id = AccountId::from_bytes([0; 16]);
        let row = v1::Account::default();
        let mut nobody = Self { id, row };
        nobody.set_password_hash(vault, password_hash)?;
        Ok(nobody)
    }

    pub(crate) const fn id(&self) -> AccountId {
        self.id
    }

    pub(crate) fn role(&self) -> Role {
        role(self.row.role())
    }

    pub(crate) fn set_role(&mut self, role: Role) {
        self.row.role = role_row(role).into();
    }

    pub(crate) const fn is_suspended(&self) -> bool {
        self.row.suspended
    }

    pub(crate) const fn set_suspended(&mut self, suspended: bool) {
        self.row.suspended = suspended;
    }

    pub(crate) const fn created(&self) -> Day {
        Day(self.row.created_day)
    }

    /// Whether it is an administrator who can act.
    pub(crate) fn is_active_administrator(&self) -> bool {
        self.role() == Role::Administrator && !self.is_suspended()
    }

    /// Who it is; `None` if it is sealed and its key is gone: then it was erased. `opener` is the
    /// account's own.
    pub(crate) fn profile(&self, opener: Option<&Sealer>) -> Result<Option<Profile>, StoreError> {
        let row = match opener {
            Some(opener) => sealing::open(opener, &self.key(), self.row.clone())?,
            None if self.row.sealed.is_empty() => self.row.clone(),
            None => return Ok(None),
        };
        Ok(Some(Profile {
            account: self.id,
            role: self.role(),
            suspended: self.is_suspended(),
            user_name: row.user_name,
            display_name: row.display_name,
        }))
    }

    /// Changes what it is called, and nothing else.
    pub(crate) fn set_profile(
        &mut self,
        sealer: &Sealer,
        profile: &Profile,
    ) -> Result<(), StoreError> {
        let row = v1::Account {
            user_name: profile.user_name.clone(),
            display_name: profile.display_name.clone(),
            ..take(&mut self.row)
        };
        self.row = sealing::seal(sealer, &self.key(), row)?;
        Ok(())
    }

    /// A PHC string.
    pub(crate) fn password_hash(&self, vault: &Vault) -> Result<String, StoreError> {
        let sealed = &self.row.sealed_password_hash;
        if sealed.is_empty() {
            return Ok(self.row.password_hash.clone());
        }
        let opened = open_field(vault.server_sealer(), &self.key(), PASSWORD_HASH, sealed)?;
        let table = Table::Account;
        String::from_utf8(opened).map_err(|_| StoreError::Corrupt { table })
    }

    pub(crate) fn set_password_hash(
        &mut self,
        vault: &Vault,
        password_hash: &str,
    ) -> Result<(), StoreError> {
        let text = password_hash.as_bytes();
        let sealed = seal_field(vault.server_sealer(), &self.key(), PASSWORD_HASH, text)?;
        self.row.sealed_password_hash = sealed;
        self.row.password_hash.clear();
        Ok(())
    }

    const fn key(&self) -> schema::Account {
        schema::Account { account: self.id }
    }
}

pub(crate) async fn account(
    tx: &Transaction,
    account: AccountId,
) -> Result<Option<StoredAccount>, StoreError> {
    let row = tx.row(&schema::Account { account }).await?;
    Ok(row.map(|row| StoredAccount { id: account, row }))
}

/// Who these accounts are, in their order; `None` for those that are not there or were erased.
pub(crate) async fn profiles(
    tx: &Transaction,
    vault: &Vault,
    accounts: &[AccountId],
) -> Result<Vec<Option<Profile>>, StoreError> {
    let keys = accounts.iter().map(|id| schema::Account { account: *id });
    let rows = tx.rows(&keys.collect::<Vec<_>>()).await?;
    let openers = sealing::openers(vault, accounts).await?;
    let found = accounts.iter().zip(rows).zip(openers);
    let profile = |((id, row), opener): ((&AccountId, Option<v1::Account>), Option<Sealer>)| {
        let stored = row.map(|row| StoredAccount { id: *id, row });
        stored.map_or(Ok(None), |stored| stored.profile(opener.as_ref()))
    };
    found.map(profile).collect()
}

/// As [`profiles`], for one.
pub(crate) async fn profile(
    tx: &Transaction,
    vault: &Vault,
    account: AccountId,
) -> Result<Option<Profile>, StoreError> {
    let found = profiles(tx, vault, &[account]).await?;
    Ok(found.into_iter().next().flatten())
}

/// A stretch of all profiles, and after which account the next one begins.
pub(crate) async fn profile_page(
    tx: &Transaction,
    vault: &Vault,
    after: Option<AccountId>,
    limit_rows: usize,
) -> Result<(Vec<Profile>, Option<AccountId>), StoreError> {
    let (page, more) = account_page(tx, after, limit_rows).await?;
    let ids: Vec<_> = page.iter().map(StoredAccount::id).collect();
    let openers = sealing::openers(vault, &ids).await?;
    let profiles = page.iter().zip(&openers);
    let profiles = profiles.map(|(stored, opener)| stored.profile(opener.as_ref()));
    let profiles = profiles.collect::<Result<Vec<_>, _>>()?;
    let next = ids.last().filter(|_| more).copied();
    Ok((profiles.into_iter().flatten().collect(), next))
}

pub(crate) fn set_account(tx: &Transaction, account: &StoredAccount) -> Result<(), StoreError> {
    tx.set_row(&account.key(), &account.row)
}

/// Who has a user name. Looks in the same places whether somebody has it or not.
pub(crate) async fn account_of_name(
    tx: &Transaction,
    vault: &Vault,
    folded: &str,
) -> Result<Option<AccountId>, StoreError> {
    let before = schema::AccountName {
        folded: folded.to_owned(),
    };
    let (now, before) = tx.look_up((&name_key(vault, folded), &before)).await?;
    now.or(before)
        .map(|row| id(&row.account_id, Table::AccountNameHash))
        .transpose()
}

pub(crate) fn set_name(
    tx: &Transaction,
    vault: &Vault,
    folded: &str,
    account: AccountId,
) -> Result<(), StoreError> {
    let row = v1::AccountName {
        account_id: bytes(account.as_bytes()),
    };
    tx.set_row(&name_key(vault, folded), &row)
}

/// An administrator who can act, other than `except`. Walks the accounts until it finds one; then that
/// one, and no other, must not change before the commit.
pub(crate) async fn administrator(
    tx: &Transaction,
    except: Option<AccountId>,
) -> Result<Option<AccountId>, StoreError> {
    let mut after = None;
    loop {
        let (page, more) = account_page(tx, after, WALK_ROWS).await?;
        let mut others = page.iter().filter(|account| Some(account.id) != except);
        if let Some(found) = others.find(|account| account.is_active_administrator()) {
            account(tx, found.id).await?;
            return Ok(Some(found.id));
        }
        match page.last() {
            Some(last) if more => after = Some(last.id),
            _ => return Ok(None),
        }
    }
}

async fn account_page(
    tx: &Transaction,
    after: Option<AccountId>,
    limit_rows: usize,
) -> Result<(Vec<StoredAccount>, bool), StoreError> {
    let after = after.map(|account| schema::Account { account });
    let page = page(tx, RowRange::all(), after.as_ref(), limit_rows).await?;
    let rows = page.rows.into_iter();
    let stored = rows.map(|(schema::Account { account: id }, row)| StoredAccount { id, row });
    Ok((stored.collect(), page.more))
}

pub(super) fn name_key(vault: &Vault, folded: &str) -> schema::AccountNameHash {
    let hash = vault.lookups().hash(LookupDomain::UserName, folded);
    schema::AccountNameHash { hash }
}
