//! What a transaction seals with, found before it begins: a key that is not there yet is made in a
//! transaction of its own.
//!
//! Invariant: keys are made for members only, and for messages that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cluster_store::schema::RoomEvent;
use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, Seq, UnixMillis};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use services_vault::{Pair, Vault, VaultError};

use crate::Command;
use crate::directory::Dependencies;
use crate::limits::KEYS_AT_ONCE;
use crate::state::State;
use crate::store::{self, Seals};

/// What `commands` need if what they say has the time `at`.
pub(super) async fn find(
    with: &Dependencies,
    state: &State,
    commands: &[Arc<Command>],
    at: UnixMillis,
) -> Result<Seals, StoreError> {
    let fields = with.vault.room_sealer(state.room);
    let rewritten = match commands {
        [command] => command.target(),
        _ => None,
    };
    Ok(Seals {
        fields: fields.await.map_err(VaultError::into_store_error)?,
        said: of_senders(&with.vault, state, commands, at).await?,
        rewritten: match rewritten.filter(|seq| *seq <= state.head.seq) {
            Some(seq) => of_message(with, state, seq).await?,
            None => None,
        },
    })
}

async fn of_senders(
    vault: &Vault,
    state: &State,
    commands: &[Arc<Command>],
    at: UnixMillis,
) -> Result<BTreeMap<AccountId, Pair>, StoreError> {
    let senders = commands.iter().filter(|command| command.is_send());
    let senders: BTreeSet<_> = senders.map(|command| command.account).collect();
    let members = senders
        .into_iter()
        .filter(|account| state.members.contains_key(account));
    let pairs = members.map(|author| async move {
        let pair = vault.sealing_pair(author, state.room, at).await;
        pair.map(|pair| (author, pair))
            .map_err(VaultError::into_store_error)
    });
    let pairs = stream::iter(pairs).buffer_unordered(KEYS_AT_ONCE);
    pairs.try_collect().await
}

/// The pair of an earlier message; `None` if there is none, or no message. Who said it and on which day
/// never changes, so it may be read before the transaction.
async fn of_message(
    with: &Dependencies,
    state: &State,
    seq: Seq,
) -> Result<Option<Pair>, StoreError> {
    let room = state.room;
    let read = |tx: Transaction| async move { tx.row(&RoomEvent { room, seq }).await };
    let row: Option<_> = with.store.read(read).await?;
    let Some(row) = row.filter(store::is_message) else {
        return Ok(None);
    };
    let name = store::message_keys(room, &row)?;
    let pair = if row.sealed.is_empty() {
        // Written before anything was sealed: from now on it is.
        let time = UnixMillis(row.time_ms);
        let pair = with.vault.sealing_pair(name.author, room, time).await;
        Some(pair.map_err(VaultError::into_store_error)?)
    } else {
        let pairs = with.vault.opening_pairs(&[name]).await;
        pairs.map_err(VaultError::into_store_error)?.pop().flatten()
    };
    Ok(pair)
}
