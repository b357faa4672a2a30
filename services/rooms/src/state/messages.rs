//! What is said, changed and taken back.

use cluster_types::{AccountId, Seq, UnixMillis};

use super::rights::at_least;
use super::{Change, Decision, Facts, Head, Rewritten, Salt, State};
use crate::{CommandError, Draft, Event, EventKind, FutureSeq, Message, Role};

impl State {
    pub(super) fn send(
        &self,
        caller: AccountId,
        head: Head,
        draft: &Draft,
        facts: &Facts,
        now: UnixMillis,
    ) -> Result<Message, CommandError> {
        self.may_write(caller, now)?;
        if let Some(seq) = draft.reply_to {
            FutureSeq::check("reply_to_seq", seq, head.seq)?;
        }
        if facts.answers_no_message {
            return Err(CommandError::NoSuchMessage);
        }
        Ok(Message {
            body: draft.body.clone(),
            format: draft.format,
            priority: draft.priority,
            reply_to: draft.reply_to,
            client_message_id: draft.client_message_id,
            edited: None,
            deleted: false,
            attachments: Vec::new(),
        })
    }

    pub(super) fn edit(
        &self,
        caller: AccountId,
        head: Head,
        seq: Seq,
        draft: &Draft,
        facts: &Facts,
        now: UnixMillis,
    ) -> Decision {
        self.may_write(caller, now)?;
        let (event, message, salt) = said(head, seq, facts)?;
        if event.actor != caller {
            return Err(CommandError::NotTheAuthor);
        }
        if message.deleted {
            return Err(CommandError::NoSuchMessage);
        }
        let message = Message {
            body: draft.body.clone(),
            format: draft.format,
            edited: Some(head.seq.next()),
            ..message.clone()
        };
        Ok(Some(Change::Edit(Rewritten::new(event, message, salt))))
    }

    pub(super) fn delete(
        &self,
        caller: AccountId,
        head: Head,
        seq: Seq,
        facts: &Facts,
    ) -> Decision {
        let role = self.member(caller)?.role;
        let (event, message, _) = said(head, seq, facts)?;
        if event.actor != caller {
            at_least(role, Role::Moderator)?;
            // Who said it may have left since: then there is no rank to respect.
            let author = self.members.get(&event.actor);
            if author.is_some_and(|author| author.role >= role) {
                return Err(CommandError::RankTooLow);
            }
        }
        if message.deleted {
            return Ok(None);
        }
        let tombstone = Message::tombstone(head.seq.next());
        let gone = Rewritten::new(event, tombstone, None);
        Ok(Some(Change::Deletion(gone)))
    }
}

/// The message at `seq`, deleted or not, and its salt.
fn said(
    head: Head,
    seq: Seq,
    facts: &Facts,
) -> Result<(&Event, &Message, Option<Salt>), CommandError> {
    FutureSeq::check("seq", seq, head.seq)?;
    let target = facts.target.as_ref().ok_or(CommandError::NoSuchMessage)?;
    match &target.event.kind {
        EventKind::Message(message) => Ok((&target.event, message, target.salt)),
        EventKind::Edit { .. }
        | EventKind::Deletion { .. }
        | EventKind::Membership(_)
        | EventKind::Room(_) => Err(CommandError::NoSuchMessage),
    }
}
