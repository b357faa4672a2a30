//! Reads and writes of this service's rows, typed, over one transaction.
//!
//! Invariants: what is personal leaves here sealed and comes out opened. Rows that belong together change together: an account with its name, a sign-in with its
//! token, an invitation with its secret.

mod account;
mod change;
mod invitation;
mod sealing;
mod sign_in;
mod upgrade;

use cluster_store::schema::Row;
use cluster_store::{RowPage, RowRange, Scan, StoreError, Table, Transaction};
use proto::storage::v1;

pub(crate) use account::*;
pub(crate) use change::*;
pub(crate) use invitation::*;
pub(crate) use sealing::sealer;
pub(crate) use sign_in::*;
pub(crate) use upgrade::*;

use crate::secret::Digest;
use crate::state::Role;

/// The rows of `all` after a key, up to a number of them. Others may change them before the commit.
async fn page<K: Row>(
    tx: &Transaction,
    all: RowRange<K>,
    after: Option<&K>,
    limit_rows: usize,
) -> Result<RowPage<K>, StoreError> {
    let range = match after {
        Some(key) => all.after(key),
        None => all,
    };
    let scan = Scan {
        limit_rows,
        snapshot: true,
        ..Scan::default()
    };
    tx.scan(range, scan).await
}

/// A role that this release does not know gives no rights.
const fn role(row: v1::AccountRole) -> Role {
    match row {
        v1::AccountRole::Administrator => Role::Administrator,
        v1::AccountRole::Member | v1::AccountRole::Unspecified => Role::Member,
    }
}

const fn role_row(role: Role) -> v1::AccountRole {
    match role {
        Role::Member => v1::AccountRole::Member,
        Role::Administrator => v1::AccountRole::Administrator,
    }
}

fn bytes(of: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(of)
}

fn id<'a, T: TryFrom<&'a [u8]>>(bytes: &'a [u8], table: Table) -> Result<T, StoreError> {
    T::try_from(bytes).map_err(|_| StoreError::Corrupt { table })
}

fn digest(bytes: &[u8], table: Table) -> Result<Digest, StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt { table })
}
