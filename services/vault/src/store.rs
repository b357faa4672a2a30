//! Reads and writes of the vault's rows, typed, over one transaction.
//!
//! Invariant: the generations of a vault that is read are at least one, and grow.

use bytes::Bytes;
use cluster_store::schema::{self, AccountKey, RoomKey, Row, ServerKey};
use cluster_store::{RowRange, Scan, StoreError, Table, Transaction};
use cluster_types::{AccountId, RoomId, Week};
use proto::storage::v1;

use crate::name::KeyName;
use crate::secret::Generation;
use crate::source::SourceKind;

/// How argon2id makes a key of a passphrase.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Derivation {
    pub(crate) salt: [u8; 16],
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// What proves that somebody has the key of a generation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredGeneration {
    pub(crate) generation: Generation,
    pub(crate) check: Bytes,
    pub(crate) derivation: Option<Derivation>,
}

/// Under what data keys are wrapped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredVault {
    pub(crate) source: SourceKind,
    pub(crate) generations: Vec<StoredGeneration>,
}

/// A data key as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct WrappedKey {
    pub(crate) generation: Generation,
    pub(crate) wrapped: Bytes,
}

/// How far a rotation has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredRotation {
    pub(crate) to: Generation,
    pub(crate) after: Option<KeyName>,
    pub(crate) done: u64,
}

impl StoredVault {
    /// The generation that wraps what is new.
    pub(crate) fn current(&self) -> Generation {
        let last = self.generations.last();
        last.expect("a stored vault has a generation").generation
    }

    /// The first generation that may still wrap something.
    pub(crate) fn oldest(&self) -> Generation {
        let first = self.generations.first();
        first.expect("a stored vault has a generation").generation
    }
}

pub(crate) async fn vault(tx: &Transaction) -> Result<Option<StoredVault>, StoreError> {
    let row = tx.row(&schema::Vault {}).await?;
    row.map(vault_of_row).transpose()
}

pub(crate) fn set_vault(tx: &Transaction, vault: &StoredVault) -> Result<(), StoreError> {
    let source = match vault.source {
        SourceKind::File => v1::KeySource::File,
        SourceKind::Passphrase => v1::KeySource::Passphrase,
        SourceKind::Kms => v1::KeySource::Kms,
        SourceKind::Unsealed => v1::KeySource::Unsealed,
    };
    let generations = vault.generations.iter().map(generation_row).collect();
    let row = v1::Vault {
        source: source.into(),
        generations,
    };
    tx.set_row(&schema::Vault {}, &row)
}

pub(crate) async fn rotation(tx: &Transaction) -> Result<Option<StoredRotation>, StoreError> {
    let row = tx.row(&schema::KeyRotation {}).await?;
    let Some(row) = row else { return Ok(None) };
    let after = match &row.after[..] {
        [] => None,
        key => Some(KeyName::decode(key).ok_or(corrupt(Table::KeyRotation))?),
    };
    Ok(Some(StoredRotation {
        to: Generation(row.generation),
        after,
        done: row.done,
    }))
}

pub(crate) fn set_rotation(tx: &Transaction, rotation: &StoredRotation) -> Result<(), StoreError> {
    let row = v1::KeyRotation {
        generation: rotation.to.0,
        after: rotation.after.map(KeyName::encode).unwrap_or_default(),
        done: rotation.done,
    };
    tx.set_row(&schema::KeyRotation {}, &row)
}

pub(crate) fn clear_rotation(tx: &Transaction) -> Result<(), StoreError> {
    tx.clear_row(&schema::KeyRotation {})
}

/// The rows of these keys, in their order. The commit fails if another transaction changes one first.
pub(crate) async fn keys(
    tx: &Transaction,
    names: &[KeyName],
) -> Result<Vec<Option<WrappedKey>>, StoreError> {
    let (mut server, mut accounts, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match *name {
            KeyName::Server(purpose) => server.push(purpose.row()),
            KeyName::Account(account, month) => accounts.push(AccountKey { account, month }),
            KeyName::Room(room, week) => rooms.push(RoomKey { room, week }),
        }
    }
    let found = (&server[..], &accounts[..], &rooms[..]);
    let (server, accounts, rooms) = tx.look_up(found).await?;
    let (mut server, mut accounts, mut rooms) =
        (server.into_iter(), accounts.into_iter(), rooms.into_iter());
    let rows = names.iter().map(|name| match name {
        KeyName::Server(_) => server.next(),
        KeyName::Account(..) => accounts.next(),
        KeyName::Room(..) => rooms.next(),
    });
    Ok(rows.map(|row| row.flatten().map(key_of_row)).collect())
}

pub(crate) fn set_key(tx: &Transaction, name: KeyName, key: &WrappedKey) -> Result<(), StoreError> {
    let row = v1::DataKey {
        generation: key.generation.0,
        wrapped: key.wrapped.clone(),
    };
    match name {
        KeyName::Server(purpose) => tx.set_row(&purpose.row(), &row),
        KeyName::Account(account, month) => tx.set_row(&AccountKey { account, month }, &row),
        KeyName::Room(room, week) => tx.set_row(&RoomKey { room, week }, &row),
    }
}

/// Up to `limit_rows` data keys after a name, in the order in which a rotation walks: the server's, the
/// accounts', the rooms'. Fewer only at the end. Others may change them meanwhile.
pub(crate) async fn key_page(
    tx: &Transaction,
    after: Option<KeyName>,
    limit_rows: usize,
) -> Result<Vec<(KeyName, WrappedKey)>, StoreError> {
    let mut rows = Vec::new();
    let (server, account, room) = match after {
        None => (Some(RowRange::all()), Some(RowRange::all()), None),
        Some(KeyName::Server(purpose)) => {
            let rest = RowRange::all().after(&purpose.row());
            (Some(rest), Some(RowRange::all()), None)
        }
        Some(KeyName::Account(account, month)) => {
            let rest = RowRange::all().after(&AccountKey { account, month });
            (None, Some(rest), None)
        }
        Some(KeyName::Room(room, week)) => {
            let rest = RowRange::all().after(&RoomKey { room, week });
            (None, None, Some(rest))
        }
    };
    if let Some(range) = server {
        add_page::<ServerKey>(tx, range, limit_rows, &mut rows).await?;
    }
    if let Some(range) = account {
        add_page::<AccountKey>(tx, range, limit_rows, &mut rows).await?;
    }
    let range = room.unwrap_or_else(RowRange::all);
    add_page::<RoomKey>(tx, range, limit_rows, &mut rows).await?;
    Ok(rows)
}

async fn add_page<K>(
    tx: &Transaction,
    mut range: RowRange<K>,
    limit_rows: usize,
    rows: &mut Vec<(KeyName, WrappedKey)>,
) -> Result<(), StoreError>
where
    K: Row<Value = v1::DataKey>,
    for<'a> KeyName: From<&'a K>,
{
    while rows.len() < limit_rows {
        let scan = Scan {
            limit_rows: limit_rows - rows.len(),
            snapshot: true,
            ..Scan::default()
        };
        let page = tx.scan(range.clone(), scan).await?;
        let last = page.rows.last().map(|(key, _)| range.clone().after(key));
        for (key, row) in page.rows {
            rows.push((KeyName::from(&key), key_of_row(row)));
        }
        match last {
            Some(rest) if page.more => range = rest,
            _ => break,
        }
    }
    Ok(())
}

pub(crate) fn clear_account(tx: &Transaction, account: AccountId) -> Result<(), StoreError> {
    tx.clear_rows(AccountKey::of(account))
}

pub(crate) fn clear_room(tx: &Transaction, room: RoomId) -> Result<(), StoreError> {
    tx.clear_rows(RoomKey::of(room))
}

/// Clears the keys of a room's weeks before `end`, and not the one that belongs to no week.
pub(crate) fn clear_weeks(tx: &Transaction, room: RoomId, end: Week) -> Result<(), StoreError> {
    let [first, end] = [Week::FIRST, end].map(|week| RoomKey { room, week });
    tx.clear_rows(RowRange::between(&first, &end))
}

pub(crate) fn clear_week(tx: &Transaction, room: RoomId, week: Week) -> Result<(), StoreError> {
    tx.clear_row(&RoomKey { room, week })
}

fn vault_of_row(row: v1::Vault) -> Result<StoredVault, StoreError> {
    let source = match row.source() {
        v1::KeySource::File => SourceKind::File,
        v1::KeySource::Passphrase => SourceKind::Passphrase,
        v1::KeySource::Kms => SourceKind::Kms,
        v1::KeySource::Unsealed => SourceKind::Unsealed,
        v1::KeySource::Unspecified => return Err(corrupt(Table::Vault)),
    };
    let generations = row.generations.into_iter().map(generation_of_row);
    let generations = generations.collect::<Result<Vec<_>, _>>()?;
    let grow = generations.is_sorted_by(|one, next| one.generation < next.generation);
    if generations.is_empty() || !grow {
        return Err(corrupt(Table::Vault));
    }
    Ok(StoredVault {
        source,
        generations,
    })
}

fn generation_of_row(row: v1::KeyGeneration) -> Result<StoredGeneration, StoreError> {
    let derivation = if row.salt.is_empty() {
        None
    } else {
        let salt = row.salt[..].try_into();
        Some(Derivation {
            salt: salt.map_err(|_| corrupt(Table::Vault))?,
            memory_kib: row.memory_kib,
            passes: row.passes,
            lanes: row.lanes,
        })
    };
    Ok(StoredGeneration {
        generation: Generation(row.number),
        check: row.check,
        derivation,
    })
}

fn generation_row(stored: &StoredGeneration) -> v1::KeyGeneration {
    let derivation = stored.derivation;
    v1::KeyGeneration {
        number: stored.generation.0,
        check: stored.check.clone(),
        salt: derivation.map_or_else(Bytes::new, |made| Bytes::copy_from_slice(&made.salt)),
        memory_kib: derivation.map_or(0, |made| made.memory_kib),
        passes: derivation.map_or(0, |made| made.passes),
        lanes: derivation.map_or(0, |made| made.lanes),
    }
}

fn key_of_row(row: v1::DataKey) -> WrappedKey {
    WrappedKey {
        generation: Generation(row.generation),
        wrapped: row.wrapped,
    }
}

const fn corrupt(table: Table) -> StoreError {
    StoreError::Corrupt { table }
}
