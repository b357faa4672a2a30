//! [`Batch`]: the facts of one transaction, what was read at its start and what it has done since.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_store::{StoreError, Transaction};
use cluster_types::AccountId;

use crate::state::{Earlier, Facts, Prepared, State};
use crate::{ClientMessageId, Command, Event, store};

pub(super) struct Batch {
    /// What a lone edit or deletion is about.
    target: Option<Event>,
    /// Whether who comes alone is in all the rooms it can be in.
    has_no_place: bool,
    /// What client message ids were used for, before this batch or in it.
    earlier: BTreeMap<(AccountId, ClientMessageId), Earlier>,
}

impl Batch {
    pub(super) async fn read(
        tx: &Transaction,
        state: &State,
        commands: &[Arc<Command>],
    ) -> Result<Self, StoreError> {
        let (mut target, mut has_no_place) = (None, false);
        // Only messages share a transaction: they have no target, and nobody comes by them.
        if let [command] = commands {
            if let Some(seq) = command.target() {
                target = store::stored_event(tx, state.room, seq).await?;
            }
            let comer = command.comer();
            if let Some(account) = comer.filter(|account| !state.members.contains_key(account)) {
                has_no_place = store::has_no_place(tx, account).await?;
            }
        }
        let keys: Vec<_> = commands.iter().filter_map(|command| key(command)).collect();
        let rows = store::earlier(tx, &keys).await?;
        let earlier = keys.into_iter().zip(rows);
        Ok(Self {
            target,
            has_no_place,
            earlier: earlier.filter_map(|(key, row)| Some((key, row?))).collect(),
        })
    }

    /// What there is to know about one of the commands.
    pub(super) fn facts(&self, command: &Command) -> Facts {
        Facts {
            earlier: key(command).and_then(|key| self.earlier.get(&key).copied()),
            target: self.target.clone(),
            has_no_place: self.has_no_place,
        }
    }

    /// From here on, the same id in this batch is a retry.
    pub(super) fn remember(&mut self, prepared: &Prepared) {
        if let Some((id, earlier)) = prepared.used {
            self.earlier.insert((prepared.actor, id), earlier);
        }
    }
}

fn key(command: &Command) -> Option<(AccountId, ClientMessageId)> {
    Some((command.account, command.draft()?.client_message_id))
}
