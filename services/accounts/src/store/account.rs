//! Accounts and their names.

use cluster_store::schema::{self, Table};
use cluster_store::{RowRange, StoreError, Transaction};
use cluster_types::{AccountId, Day};
use proto::storage::v1;

use super::{bytes, id, page, role, role_row};
use crate::limits::WALK_ROWS;
use crate::state::Profile;

/// An account with what only this service sees of it.
#[derive(Clone)]
pub(crate) struct StoredAccount {
    pub(crate) profile: Profile,
    /// A PHC string.
    pub(crate) password_hash: String,
    pub(crate) created: Day,
}

pub(crate) async fn account(
    tx: &Transaction,
    account: AccountId,
) -> Result<Option<StoredAccount>, StoreError> {
    let row = tx.row(&schema::Account { account }).await?;
    Ok(row.map(|row| account_of_row(account, row)))
}

pub(crate) async fn accounts(
    tx: &Transaction,
    accounts: &[AccountId],
) -> Result<Vec<Option<StoredAccount>>, StoreError> {
    let keys: Vec<_> = accounts
        .iter()
        .map(|id| schema::Account { account: *id })
        .collect();
    let rows = tx.rows(&keys).await?;
    let found = accounts.iter().zip(rows);
    Ok(found
        .map(|(id, row)| row.map(|row| account_of_row(*id, row)))
        .collect())
}

pub(crate) async fn account_page(
    tx: &Transaction,
    after: Option<AccountId>,
    limit_rows: usize,
) -> Result<(Vec<StoredAccount>, bool), StoreError> {
    let after = after.map(|account| schema::Account { account });
    let page = page(tx, RowRange::all(), after.as_ref(), limit_rows).await?;
    let rows = page.rows.into_iter();
    Ok((
        rows.map(|(key, row)| account_of_row(key.account, row))
            .collect(),
        page.more,
    ))
}

pub(crate) fn set_account(tx: &Transaction, account: &StoredAccount) -> Result<(), StoreError> {
    let profile = &account.profile;
    let row = v1::Account {
        user_name: profile.user_name.clone(),
        display_name: profile.display_name.clone(),
        password_hash: account.password_hash.clone(),
        role: role_row(profile.role).into(),
        suspended: profile.suspended,
        created_day: account.created.0,
    };
    tx.set_row(
        &schema::Account {
            account: profile.account,
        },
        &row,
    )
}

pub(crate) async fn account_of_name(
    tx: &Transaction,
    folded: &str,
) -> Result<Option<AccountId>, StoreError> {
    let row = tx
        .row(&schema::AccountName {
            folded: folded.to_owned(),
        })
        .await?;
    row.map(|row| id(&row.account_id, Table::AccountName))
        .transpose()
}

pub(crate) fn set_name(
    tx: &Transaction,
    folded: &str,
    account: AccountId,
) -> Result<(), StoreError> {
    let row = v1::AccountName {
        account_id: bytes(account.as_bytes()),
    };
    tx.set_row(
        &schema::AccountName {
            folded: folded.to_owned(),
        },
        &row,
    )
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
        let found = page.iter().find(|account| {
            account.profile.is_active_administrator() && Some(account.profile.account) != except
        });
        if let Some(found) = found {
            let id = found.profile.account;
            account(tx, id).await?;
            return Ok(Some(id));
        }
        match page.last() {
            Some(last) if more => after = Some(last.profile.account),
            _ => return Ok(None),
        }
    }
}

fn account_of_row(account: AccountId, row: v1::Account) -> StoredAccount {
    let role = role(row.role());
    StoredAccount {
        profile: Profile {
            account,
            user_name: row.user_name,
            display_name: row.display_name,
            role,
            suspended: row.suspended,
        },
        password_hash: row.password_hash,
        created: Day(row.created_day),
    }
}
