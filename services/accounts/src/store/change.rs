//! Changes of sign-ins, as other nodes read them.

use cluster_store::schema::{SignInChange, Table};
use cluster_store::{RowRange, Scan, StoreError, Transaction};
use cluster_types::{AccountId, Seq, SignInId};
use proto::storage::v1;

use super::{bytes, digest, id};
use crate::limits::CHANGES_KEPT;
use crate::secret::Digest;

/// What became of a sign-in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) token: Digest,
    /// Whose it was; `None` if it goes on.
    pub(crate) ended: Option<(AccountId, SignInId)>,
}

/// The number of the newest change. The commit fails if another one comes first.
pub(crate) async fn newest_change(tx: &Transaction) -> Result<Seq, StoreError> {
    let scan = Scan {
        limit_rows: 1,
        reverse: true,
        ..Scan::default()
    };
    let page = tx.scan(RowRange::<SignInChange>::all(), scan).await?;
    Ok(page.rows.first().map_or(Seq(0), |(key, _)| key.seq))
}

/// Adds changes, and clears as many that are old.
pub(crate) async fn add_changes(tx: &Transaction, changes: &[Change]) -> Result<(), StoreError> {
    let Seq(newest) = newest_change(tx).await?;
    for (change, seq) in changes.iter().zip(newest + 1..) {
        let (account, sign_in) = change.ended.unzip();
        let row = v1::SignInChange {
            token_hash: bytes(&change.token),
            ended_account_id: account.map_or_else(Default::default, |id| bytes(id.as_bytes())),
            ended_sign_in_id: sign_in.map_or_else(Default::default, |id| bytes(id.as_bytes())),
        };
        tx.set_row(&SignInChange { seq: Seq(seq) }, &row)?;
        if let Some(old) = seq.checked_sub(CHANGES_KEPT) {
            tx.clear_row(&SignInChange { seq: Seq(old) })?;
        }
    }
    Ok(())
}

/// The next changes after one, with their numbers, and whether there are more.
pub(crate) async fn changes_after(
    tx: &Transaction,
    seq: Seq,
) -> Result<(Vec<(Seq, Change)>, bool), StoreError> {
    let range = RowRange::all().after(&SignInChange { seq });
    let page = tx.scan(range, Scan::default()).await?;
    let read = |(key, row): (SignInChange, v1::SignInChange)| Ok((key.seq, change(&row)?));
    let changes: Result<_, StoreError> = page.rows.into_iter().map(read).collect();
    Ok((changes?, page.more))
}

fn change(row: &v1::SignInChange) -> Result<Change, StoreError> {
    const TABLE: Table = Table::SignInChange;
    let ended = !row.ended_sign_in_id.is_empty();
    let whose = || {
        Ok((
            id(&row.ended_account_id, TABLE)?,
            id(&row.ended_sign_in_id, TABLE)?,
        ))
    };
    Ok(Change {
        token: digest(&row.token_hash, TABLE)?,
        ended: ended.then(whose).transpose()?,
    })
}
