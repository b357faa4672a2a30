//! Sign-ins and their tokens.

use cluster_store::schema::{self, Table};
use cluster_store::{RowPage, RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, SignInId};
use proto::storage::v1;
use services_vault::{Sealer, Vault};

use super::sealing::{self, openers};
use super::{bytes, digest, id, page};
use crate::limits::{SIGN_INS_MAX, WALK_ROWS};
use crate::secret::Digest;
use crate::state::SignIn;

/// What a token opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedBy {
    pub(crate) account: AccountId,
    pub(crate) sign_in: SignInId,
    pub(crate) expiry: Day,
}

pub(crate) async fn sign_in(
    tx: &Transaction,
    account: AccountId,
    sign_in: SignInId,
) -> Result<Option<SignIn>, StoreError> {
    let row = tx.row(&schema::SignIn { account, sign_in }).await?;
    row.map(|row| sign_in_of_row(sign_in, row)).transpose()
}

/// All sign-ins of an account, in several goes if an earlier release allowed more than this one does.
/// The commit fails if another transaction adds, changes or ends one first.
pub(crate) async fn sign_ins(
    tx: &Transaction,
    account: AccountId,
) -> Result<Vec<SignIn>, StoreError> {
    let scan = Scan {
        limit_rows: SIGN_INS_MAX,
        ..Scan::default()
    };
    let mut all = Vec::new();
    let mut range = schema::SignIn::of(account);
    loop {
        let RowPage { rows, more } = tx.scan(range, scan).await?;
        let last = rows.last().filter(|_| more).map(|(key, _)| key.clone());
        for (key, row) in rows {
            all.push(sign_in_of_row(key.sign_in, row)?);
        }
        match last {
            Some(last) => range = schema::SignIn::of(account).after(&last),
            None => return Ok(all),
        }
    }
}

/// A stretch of an account's sign-ins with what their devices are called, and after which the next one
/// begins.
pub(crate) async fn sign_in_page(
    tx: &Transaction,
    vault: &Vault,
    account: AccountId,
    after: Option<SignInId>,
    limit_rows: usize,
) -> Result<(Vec<(SignIn, String)>, Option<SignInId>), StoreError> {
    let after = after.map(|sign_in| schema::SignIn { account, sign_in });
    let all = schema::SignIn::of(account);
    let page = page(tx, all, after.as_ref(), limit_rows).await?;
    let opener = openers(vault, &[account]).await?.pop().flatten();
    let mut opened = Vec::with_capacity(page.rows.len());
    for (key, row) in page.rows {
        let row = match &opener {
            Some(opener) => sealing::open(opener, &key, row)?,
            // Of version 1, or of an account that was erased.
            None => row,
        };
        let label = row.device_label.clone();
        opened.push((sign_in_of_row(key.sign_in, row)?, label));
    }
    let next = opened.last().filter(|_| page.more);
    let next = next.map(|(sign_in, _)| sign_in.id);
    Ok((opened, next))
}

/// A stretch of all sign-ins of everybody, for the walk that removes old ones.
pub(crate) async fn sign_in_walk(
    tx: &Transaction,
    after: Option<&schema::SignIn>,
) -> Result<RowPage<schema::SignIn>, StoreError> {
    page(tx, RowRange::all(), after, WALK_ROWS).await
}

/// Writes a new sign-in. `sealer` is the account's own.
pub(crate) fn set_sign_in(
    tx: &Transaction,
    sealer: &Sealer,
    account: AccountId,
    sign_in: &SignIn,
    device_label: &str,
) -> Result<(), StoreError> {
    let row = v1::SignIn {
        token_hash: bytes(&sign_in.token),
        device_label: device_label.to_owned(),
        expiry_day: sign_in.expiry.0,
        keep_signed_in: sign_in.kept,
        ..Default::default()
    };
    let key = schema::SignIn {
        account,
        sign_in: sign_in.id,
    };
    tx.set_row(&key, &sealing::seal(sealer, &key, row)?)?;
    set_token(tx, account, sign_in)
}

/// Moves the day on which a sign-in ends to that of `sign_in`, and leaves the rest of it.
pub(crate) async fn set_expiry(
    tx: &Transaction,
    account: AccountId,
    sign_in: &SignIn,
) -> Result<(), StoreError> {
    let key = schema::SignIn {
        account,
        sign_in: sign_in.id,
    };
    let Some(row) = tx.row(&key).await? else {
        return Ok(());
    };
    let expiry_day = sign_in.expiry.0;
    tx.set_row(&key, &v1::SignIn { expiry_day, ..row })?;
    set_token(tx, account, sign_in)
}

fn set_token(tx: &Transaction, account: AccountId, sign_in: &SignIn) -> Result<(), StoreError> {
    let row = v1::Token {
        account_id: bytes(account.as_bytes()),
        sign_in_id: bytes(sign_in.id.as_bytes()),
        expiry_day: sign_in.expiry.0,
    };
    let hash = sign_in.token;
    tx.set_row(&schema::Token { hash }, &row)
}

pub(crate) fn clear_sign_in(
    tx: &Transaction,
    account: AccountId,
    sign_in: &SignIn,
) -> Result<(), StoreError> {
    tx.clear_row(&schema::SignIn {
        account,
        sign_in: sign_in.id,
    })?;
    tx.clear_row(&schema::Token {
        hash: sign_in.token,
    })
}

pub(crate) async fn token(tx: &Transaction, token: Digest) -> Result<Option<OpenedBy>, StoreError> {
    let Some(row) = tx.row(&schema::Token { hash: token }).await? else {
        return Ok(None);
    };
    Ok(Some(OpenedBy {
        account: id(&row.account_id, Table::Token)?,
        sign_in: id(&row.sign_in_id, Table::Token)?,
        expiry: Day(row.expiry_day),
    }))
}

pub(crate) fn sign_in_of_row(id: SignInId, row: v1::SignIn) -> Result<SignIn, StoreError> {
    Ok(SignIn {
        id,
        token: digest(&row.token_hash, Table::SignIn)?,
        expiry: Day(row.expiry_day),
        kept: row.keep_signed_in,
    })
}
