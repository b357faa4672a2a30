//! Sign-ins and their tokens.

use cluster_store::schema::{self, Table};
use cluster_store::{RowPage, RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Day, SignInId};
use proto::storage::v1;

use super::{bytes, digest, id};
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

/// The sign-ins of an account, all of them unless tries at the same moment went over the bound.
/// With `snapshot`, others may add and end some before the commit.
pub(crate) async fn sign_ins(
    tx: &Transaction,
    account: AccountId,
    snapshot: bool,
) -> Result<Vec<SignIn>, StoreError> {
    let scan = Scan {
        limit_rows: SIGN_INS_MAX * 2,
        snapshot,
        ..Scan::default()
    };
    let page = tx.scan(schema::SignIn::of(account), scan).await?;
    let rows = page.rows.into_iter();
    rows.map(|(key, row)| sign_in_of_row(key.sign_in, row))
        .collect()
}

pub(crate) async fn sign_in_page(
    tx: &Transaction,
    account: AccountId,
    after: Option<SignInId>,
    limit_rows: usize,
) -> Result<(Vec<SignIn>, bool), StoreError> {
    let all = schema::SignIn::of(account);
    let range = match after {
        Some(sign_in) => all.after(&schema::SignIn { account, sign_in }),
        None => all,
    };
    let page = tx
        .scan(
            range,
            Scan {
                limit_rows,
                snapshot: true,
                ..Scan::default()
            },
        )
        .await?;
    let rows = page.rows.into_iter();
    let rows: Result<_, _> = rows
        .map(|(key, row)| sign_in_of_row(key.sign_in, row))
        .collect();
    Ok((rows?, page.more))
}

/// A stretch of all sign-ins of everybody, for the walk that removes old ones.
pub(crate) async fn sign_in_walk(
    tx: &Transaction,
    after: Option<&schema::SignIn>,
) -> Result<RowPage<schema::SignIn>, StoreError> {
    let range = match after {
        Some(key) => RowRange::all().after(key),
        None => RowRange::all(),
    };
    let scan = Scan {
        limit_rows: WALK_ROWS,
        snapshot: true,
        ..Scan::default()
    };
    tx.scan(range, scan).await
}

pub(crate) fn set_sign_in(
    tx: &Transaction,
    account: AccountId,
    sign_in: &SignIn,
) -> Result<(), StoreError> {
    let row = v1::SignIn {
        token_hash: bytes(&sign_in.token),
        device_label: sign_in.device_label.clone(),
        expiry_day: sign_in.expiry.0,
        keep_signed_in: sign_in.kept,
    };
    tx.set_row(
        &schema::SignIn {
            account,
            sign_in: sign_in.id,
        },
        &row,
    )?;
    let row = v1::Token {
        account_id: bytes(account.as_bytes()),
        sign_in_id: bytes(sign_in.id.as_bytes()),
        expiry_day: sign_in.expiry.0,
    };
    tx.set_row(
        &schema::Token {
            hash: sign_in.token,
        },
        &row,
    )
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
        device_label: row.device_label,
        expiry: Day(row.expiry_day),
        kept: row.keep_signed_in,
    })
}
