//! [`Batch`]: the facts of one transaction, what was read at its start and what it has done since.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_store::{StoreError, Transaction};
use cluster_types::{AccountId, Seq, UnixMillis};

use crate::limits::EARLIER_AT_ONCE;
use crate::state::{Earlier, Facts, Prepared, Salted, State, Used};
use crate::store::{self, Opener};
use crate::{AttachError, Attachments, ClientMessageId, Command, EventKind};

pub(super) struct Batch<'a> {
    commands: &'a [Arc<Command>],
    /// What was read for each of the commands.
    facts: Vec<Facts>,
    /// What client message ids have been used for in this batch, when, and by which of the commands.
    here: BTreeMap<(AccountId, ClientMessageId), (Used, UnixMillis, usize)>,
}

impl<'a> Batch<'a> {
    pub(super) async fn read(
        tx: &Transaction,
        opener: &Opener<'_>,
        files: &dyn Attachments,
        state: &State,
        commands: &'a [Arc<Command>],
    ) -> Result<Self, StoreError> {
        let mut batch = Self {
            commands,
            facts: vec![Facts::default(); commands.len()],
            here: BTreeMap::new(),
        };
        // Only messages without files share a transaction: they have no target, and nobody comes by them.
        if let ([command], [facts]) = (commands, &mut batch.facts[..]) {
            if let Some(seq) = command.target() {
                facts.target = store::events(tx, opener, &[seq]).await?.pop();
            }
            let comer = command.comer();
            if let Some(account) = comer.filter(|account| !state.members.contains_key(account)) {
                facts.has_no_place = store::has_no_place(tx, account).await?;
            }
            let (sender, uploads) = (command.account, command.uploads());
            if !uploads.is_empty() && state.members.contains_key(&sender) {
                match files.find(tx, sender, state.room, uploads).await {
                    Ok(found) => facts.attachments = found,
                    Err(AttachError::Unattachable(file)) => facts.unattachable = Some(file),
                    Err(AttachError::Store(error)) => return Err(error),
                }
            }
        }
        let looks = batch.read_uses(tx, state).await?;
        for some in looks.chunks(EARLIER_AT_ONCE) {
            batch.look(tx, opener, some).await?;
        }
        Ok(batch)
    }

    /// Reads what ids were used for. Returns the events that have to be looked at, each with the place
    /// of the command that asks the same once more, or that answers it.
    async fn read_uses(
        &mut self,
        tx: &Transaction,
        state: &State,
    ) -> Result<Vec<(usize, Seq)>, StoreError> {
        let commands = self.commands.iter().enumerate();
        let (places, keys): (Vec<_>, Vec<_>) = commands
            .filter_map(|(place, command)| Some((place, key(command)?)))
            .unzip();
        let mut looks = Vec::new();
        for (place, used) in places.into_iter().zip(store::uses(tx, &keys).await?) {
            let answered = self.commands[place].answers();
            // An event of this batch is a message, as all that share one are.
            let answered = answered.filter(|seq| *seq <= state.head.seq);
            let here = used.map_or(answered, |used| {
                (used.room == state.room).then_some(used.seq)
            });
            looks.extend(here.map(|seq| (place, seq)));
            self.facts[place].earlier = used.map(|used| Earlier {
                used,
                at: UnixMillis::default(),
                is_same: false,
            });
        }
        Ok(looks)
    }

    async fn look(
        &mut self,
        tx: &Transaction,
        opener: &Opener<'_>,
        looks: &[(usize, Seq)],
    ) -> Result<(), StoreError> {
        let seqs: Vec<_> = looks.iter().map(|(_, seq)| *seq).collect();
        let events = store::events(tx, opener, &seqs).await?.into_iter();
        let events: BTreeMap<_, _> = events.map(|found| (found.event.seq, found)).collect();
        for (place, seq) in looks {
            let (command, facts) = (&self.commands[*place], &mut self.facts[*place]);
            let (found, target) = (events.get(seq), facts.target.as_ref());
            match &mut facts.earlier {
                Some(earlier) => {
                    let used = earlier.used;
                    earlier.at = found.map(|found| found.event.at).unwrap_or_default();
                    earlier.is_same = found.is_none_or(|found| command.made(used, found, target));
                }
                None => {
                    let is_message =
                        |found: &Salted| matches!(found.event.kind, EventKind::Message(_));
                    facts.answers_no_message = !found.is_none_or(is_message);
                }
            }
        }
        Ok(())
    }

    /// What there is to know about the command at this place, which is asked for once.
    pub(super) fn facts(&mut self, place: usize) -> Facts {
        let mut facts = std::mem::take(&mut self.facts[place]);
        let command = &self.commands[place];
        if facts.earlier.is_none()
            && let Some(key) = key(command)
            && let Some((used, at, other)) = self.here.get(&key)
        {
            facts.earlier = Some(Earlier {
                used: *used,
                at: *at,
                is_same: self.commands[*other].action == command.action,
            });
        }
        facts
    }

    /// From here on, the same id in this batch is a retry.
    pub(super) fn remember(&mut self, place: usize, prepared: &Prepared) {
        if let Some((id, used)) = prepared.used {
            let made = (used, prepared.outcome.at, place);
            self.here.insert((prepared.actor, id), made);
        }
    }
}

fn key(command: &Command) -> Option<(AccountId, ClientMessageId)> {
    Some((command.account, command.draft()?.client_message_id))
}
