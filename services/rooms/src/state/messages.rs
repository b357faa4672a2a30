//! What is said, changed and taken back.

use cluster_types::{AccountId, FileId, Seq, UnixMillis};

use super::rights::at_least;
use super::{Change, Decision, Facts, Head, Rewritten, Salt, State};
use crate::{Attachment, CommandError, Draft, Event, EventKind, FutureSeq, Message, Role};

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
            FutureSeq::check(FutureSeq::REPLY, seq, head.seq)?;
        }
        if facts.answers_no_message {
            return Err(CommandError::NoSuchMessage);
        }
        if let Some(unattachable) = facts.unattachable {
            return Err(unattachable.into());
        }
        Ok(Message {
            body: draft.body.clone(),
            format: draft.format,
            priority: draft.priority,
            reply_to: draft.reply_to,
            client_message_id: draft.client_message_id,
            edited: None,
            deleted: false,
            attachments: facts.attachments.clone(),
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
        let attachments = without(&message.attachments, &draft.files)?;
        if draft.body.is_empty() && attachments.is_empty() {
            return Err(CommandError::NothingLeft);
        }
        let message = Message {
            body: draft.body.clone(),
            format: draft.format,
            edited: Some(head.seq.next()),
            attachments,
            ..message.clone()
        };
        let edited = Rewritten::new(event, message, salt, draft.files.clone());
        Ok(Some(Change::Edit(edited)))
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
            let target = facts.target.as_ref();
            let files = target.map_or_else(Vec::new, |target| target.forgotten.clone());
            let release = Change::Release {
                target: seq,
                files: files.clone(),
            };
            return Ok((!files.is_empty()).then_some(release));
        }
        let tombstone = Message::tombstone(head.seq.next());
        let files = message.attachments.iter().map(|gone| gone.file);
        let gone = Rewritten::new(event, tombstone, None, files.collect());
        Ok(Some(Change::Deletion(gone)))
    }
}

/// What a message still carries once it has lost these files.
fn without(carried: &[Attachment], lost: &[FileId]) -> Result<Vec<Attachment>, CommandError> {
    let is_there = |file: &FileId| carried.iter().any(|attachment| attachment.file == *file);
    if let Some(place) = lost.iter().position(|file| !is_there(file)) {
        return Err(CommandError::NoSuchAttachment { place });
    }
    let kept = carried.iter().filter(|kept| !lost.contains(&kept.file));
    Ok(kept.cloned().collect())
}

/// The message at `seq`, deleted or not, and its salt.
fn said(
    head: Head,
    seq: Seq,
    facts: &Facts,
) -> Result<(&Event, &Message, Option<Salt>), CommandError> {
    FutureSeq::check(FutureSeq::TARGET, seq, head.seq)?;
    let target = facts.target.as_ref().ok_or(CommandError::NoSuchMessage)?;
    match &target.event.kind {
        EventKind::Message(message) => Ok((&target.event, message, target.salt)),
        EventKind::Edit { .. }
        | EventKind::Deletion { .. }
        | EventKind::Membership(_)
        | EventKind::Room(_) => Err(CommandError::NoSuchMessage),
    }
}
