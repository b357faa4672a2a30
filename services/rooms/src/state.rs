//! The state of a room, and what may be done in it. Pure: no I/O, no clock, no chance.
//!
//! [`State::prepare`] decides about a command and changes nothing. What it decided is a
//! [`Prepared`]: the actor writes it, and only then [`State::commit`] applies it.
//!
//! Invariants: every event is one further than the one before, and no earlier; `head.member_count` is
//! the number of members; a group has an owner as long as it exists, and no owner is muted.
//!
//! Leaves out: who may do what (`rights`), what was asked before (`repeats`), and what each command does
//! (`messages`, `members`, `settings`).

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{AccountId, Day, FileId, LogId, RoomId, Seq, UnixMillis};

use crate::{
    Action, Attachment, ClientMessageId, Command, CommandError, Event, EventKind, Kind, LinkHash,
    Member, MembershipChange, MembershipKind, Message, Mute, Outcome, RoomChange, Standing,
    Unattachable,
};

mod digest;
mod members;
mod messages;
mod repeats;
mod rights;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use digest::{Digest, SALT_BYTES, Salt};
pub(crate) use rights::may_write;

/// The end of a log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) seq: Seq,
    pub(crate) message_count: u64,
    pub(crate) at: UnixMillis,
    pub(crate) member_count: u64,
}

/// All that an actor knows of its room.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct State {
    pub(crate) room: RoomId,
    pub(crate) kind: Kind,
    pub(crate) log_id: LogId,
    pub(crate) created: Day,
    pub(crate) about: RoomChange,
    /// The newest event that changed what the room is about.
    pub(crate) changed: Option<Seq>,
    pub(crate) link: Option<LinkHash>,
    pub(crate) head: Head,
    pub(crate) members: BTreeMap<AccountId, Member>,
    pub(crate) bans: BTreeSet<AccountId>,
}

/// What the store knows and the state does not: read in the transaction that writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// What the command's client message id was used for.
    pub(crate) earlier: Option<Earlier>,
    /// The event that an edit or a deletion is about.
    pub(crate) target: Option<Salted>,
    /// Whether a message answers something that is there and is no message.
    pub(crate) answers_no_message: bool,
    /// What a message carries.
    pub(crate) attachments: Vec<Attachment>,
    /// The first file that it wants to carry and cannot.
    pub(crate) unattachable: Option<Unattachable>,
    /// Whether the account that would come is in all the rooms it can be in.
    pub(crate) has_no_place: bool,
}

/// An earlier use of a command's client message id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Earlier {
    pub(crate) used: Used,
    /// When that was, as far as that can still be told.
    pub(crate) at: UnixMillis,
    /// Whether it was for the same thing, as far as that can still be told.
    pub(crate) is_same: bool,
}

/// What a client message id was used for: the event that it made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Used {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    /// Of what was said; `None` if it made a room.
    pub(crate) digest: Option<Digest>,
}

/// An event as it is stored, and the salt of what it says: `None` if it is deleted, or no message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Salted {
    pub(crate) event: Event,
    pub(crate) salt: Option<Salt>,
    /// The files that its row still names, if it is a message whose key was destroyed: it reads as deleted.
    pub(crate) forgotten: Vec<FileId>,
}

/// A decision: the log as it will be, and the change that makes it so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) actor: AccountId,
    pub(crate) head: Head,
    /// `None`: all is as it should be already.
    pub(crate) change: Option<Change>,
    /// What a client message id is used for from here on.
    pub(crate) used: Option<(ClientMessageId, Used)>,
    /// Who comes or goes by it, or is told again.
    pub(crate) standing: Option<Standing>,
    pub(crate) outcome: Outcome,
}

/// What is to be written. All but [`Change::Release`], [`Change::Link`] and [`Change::Delete`] append one event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// A message is said, and the salt of its digest.
    Message(Message, Salt),
    /// A message says something else: its row, as it will be.
    Edit(Rewritten),
    /// A message is taken back: its row, as it will be.
    Deletion(Rewritten),
    /// A message whose key was destroyed, and which reads as deleted, gives back the files that its row still names.
    Release {
        /// The message.
        target: Seq,
        /// All of its files.
        files: Vec<FileId>,
    },
    /// Somebody's standing in the room changes.
    Membership(MembershipChange),
    /// The room itself changes.
    Room(RoomChange),
    /// Another link is in force, or none.
    Link(Option<LinkHash>),
    /// The room is no more.
    Delete,
}

/// An earlier message as it will stand, with all that stays of its event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Rewritten {
    pub(crate) target: Seq,
    pub(crate) at: UnixMillis,
    pub(crate) actor: AccountId,
    pub(crate) message_count: u64,
    pub(crate) message: Message,
    pub(crate) salt: Option<Salt>,
    /// The files that it carries no more.
    pub(crate) released: Vec<FileId>,
}

type Decision = Result<Option<Change>, CommandError>;

impl State {
    /// Decides about `command`, at `now`, on top of `head`: the head of this state, or of what has
    /// been prepared before it in the same transaction. `salt` has been drawn for it.
    pub(crate) fn prepare(
        &self,
        head: Head,
        command: &Command,
        facts: &Facts,
        now: UnixMillis,
        salt: Salt,
    ) -> Result<Prepared, CommandError> {
        if let Some(outcome) = self.done_before(command, facts)? {
            return Ok(Prepared {
                actor: command.account,
                head,
                change: None,
                used: None,
                standing: None,
                outcome,
            });
        }
        let change = self.decide(head, command, facts, now, salt)?;
        let after = match &change {
            Some(change) if change.appends() => self.head_after(head, change, now),
            Some(_) | None => head,
        };
        let used = command.draft().zip(change.as_ref()).map(|(draft, change)| {
            let used = Used {
                room: self.room,
                seq: after.seq,
                digest: change
                    .salt()
                    .and_then(|salt| command.digest(self.room, salt)),
            };
            (draft.client_message_id, used)
        });
        let outcome = Outcome {
            seq: deletion_before(&change, command, facts).unwrap_or(after.seq),
            at: after.at,
            member: self.member_after(command, change.as_ref()),
        };
        let standing = if command.action == Action::TellAgain {
            Some(Standing::Gained(command.account))
        } else {
            self.standing(change.as_ref())
        };
        Ok(Prepared {
            actor: command.account,
            head: after,
            used,
            standing,
            change,
            outcome,
        })
    }

    /// Applies what has been written.
    pub(crate) fn commit(&mut self, prepared: &Prepared) {
        self.head = prepared.head;
        match &prepared.change {
            Some(Change::Membership(change)) => self.commit_membership(*change),
            Some(Change::Room(about)) => {
                self.about = about.clone();
                self.changed = Some(prepared.head.seq);
            }
            Some(Change::Link(link)) => self.link = *link,
            Some(Change::Delete) => self.members.clear(),
            Some(
                Change::Message(..)
                | Change::Edit(_)
                | Change::Deletion(_)
                | Change::Release { .. },
            )
            | None => {}
        }
    }

    fn commit_membership(&mut self, change: MembershipChange) {
        match change.member {
            Some(member) => self.members.insert(change.account, member),
            None => self.members.remove(&change.account),
        };
        match change.kind {
            MembershipKind::Banned => _ = self.bans.insert(change.account),
            MembershipKind::Unbanned => _ = self.bans.remove(&change.account),
            MembershipKind::Added
            | MembershipKind::Joined
            | MembershipKind::Left
            | MembershipKind::Removed
            | MembershipKind::RoleSet
            | MembershipKind::Muted
            | MembershipKind::Unmuted => {}
        }
    }

    fn head_after(&self, head: Head, change: &Change, now: UnixMillis) -> Head {
        let (gained, lost) = match self.standing(Some(change)) {
            Some(Standing::Gained(_)) => (1, 0),
            Some(Standing::Lost(_)) => (0, 1),
            None => (0, 0),
        };
        Head {
            seq: head.seq.next(),
            message_count: head.message_count + u64::from(matches!(change, Change::Message(..))),
            // The clock may run backwards; a log does not.
            at: head.at.max(now),
            member_count: head.member_count + gained - lost,
        }
    }

    /// Who comes or goes by a change. A ban of somebody who was not there is nobody's loss.
    fn standing(&self, change: Option<&Change>) -> Option<Standing> {
        let Some(Change::Membership(change)) = change else {
            return None;
        };
        let account = change.account;
        match (self.members.contains_key(&account), change.member) {
            (false, Some(_)) => Some(Standing::Gained(account)),
            (true, None) => Some(Standing::Lost(account)),
            (true, Some(_)) | (false, None) => None,
        }
    }

    fn decide(
        &self,
        head: Head,
        command: &Command,
        facts: &Facts,
        now: UnixMillis,
        salt: Salt,
    ) -> Decision {
        let caller = command.account;
        match &command.action {
            Action::Send(draft) => {
                let message = self.send(caller, head, draft, facts, now)?;
                Ok(Some(Change::Message(message, salt)))
            }
            Action::Edit { target, draft } => self.edit(caller, head, *target, draft, facts, now),
            Action::Delete { target } => self.delete(caller, head, *target, facts),
            Action::Update {
                display_name,
                topic,
            } => self.update(caller, display_name.as_ref(), topic.as_ref()),
            Action::SetArchived(archived) => self.set_archived(caller, *archived),
            Action::DeleteRoom { by_administrator } => self.delete_room(caller, *by_administrator),
            Action::Add { account, role } => self.add(caller, *account, *role, facts),
            Action::Join(link) => self.join(caller, *link, facts),
            Action::Remove(account) => self.remove(caller, *account),
            Action::Leave => self.leave(caller),
            Action::SetRole { account, role } => self.set_role(caller, *account, *role),
            Action::Mute { account, until } => {
                self.set_mute(caller, *account, Some(Mute { until: *until }))
            }
            Action::Unmute(account) => self.set_mute(caller, *account, None),
            Action::Ban(account) => self.ban(caller, *account),
            Action::Unban(account) => self.unban(caller, *account),
            Action::SetLink(link) => self.set_link(caller, *link),
            Action::TellAgain => self.member(caller).map(|_| None),
        }
    }

    /// The member that a command is about, as it will be.
    fn member_after(&self, command: &Command, change: Option<&Change>) -> Option<Member> {
        if let Some(Change::Membership(change)) = change {
            return change.member;
        }
        match &command.action {
            Action::Add { account, .. }
            | Action::SetRole { account, .. }
            | Action::Mute { account, .. }
            | Action::Unmute(account) => self.members.get(account).copied(),
            Action::Join(_) => self.members.get(&command.account).copied(),
            Action::Send(_)
            | Action::Edit { .. }
            | Action::Delete { .. }
            | Action::Update { .. }
            | Action::SetArchived(_)
            | Action::DeleteRoom { .. }
            | Action::Remove(_)
            | Action::Leave
            | Action::Ban(_)
            | Action::Unban(_)
            | Action::SetLink(_)
            | Action::TellAgain => None,
        }
    }
}

impl Change {
    /// Whether it adds an event to the log.
    const fn appends(&self) -> bool {
        !matches!(self, Self::Release { .. } | Self::Link(_) | Self::Delete)
    }

    /// The salt of what it says, if it says anything.
    const fn salt(&self) -> Option<Salt> {
        match self {
            Self::Message(_, salt) => Some(*salt),
            Self::Edit(message) => message.salt,
            Self::Deletion(_)
            | Self::Release { .. }
            | Self::Membership(_)
            | Self::Room(_)
            | Self::Link(_)
            | Self::Delete => None,
        }
    }

    /// The event that it appends, if it appends one.
    fn into_event(self) -> Option<EventKind> {
        match self {
            Self::Message(message, _) => Some(EventKind::Message(message)),
            Self::Edit(Rewritten {
                target, message, ..
            }) => Some(EventKind::Edit {
                target,
                message: Some(message),
            }),
            Self::Deletion(Rewritten { target, .. }) => Some(EventKind::Deletion { target }),
            Self::Membership(change) => Some(EventKind::Membership(change)),
            Self::Room(change) => Some(EventKind::Room(change)),
            Self::Release { .. } | Self::Link(_) | Self::Delete => None,
        }
    }
}

impl Rewritten {
    /// `event` with another message in its place, which is under this salt and has lost these files.
    fn new(event: &Event, message: Message, salt: Option<Salt>, released: Vec<FileId>) -> Self {
        Self {
            target: event.seq,
            at: event.at,
            actor: event.actor,
            message_count: event.message_count,
            message,
            salt,
            released,
        }
    }

    /// The event in whose row the message lies.
    pub(crate) fn event(&self) -> Event {
        Event {
            seq: self.target,
            at: self.at,
            actor: self.actor,
            message_count: self.message_count,
            kind: EventKind::Message(self.message.clone()),
        }
    }
}

impl Prepared {
    /// The event that it appends, if it appends one.
    pub(crate) fn into_event(self) -> Option<Event> {
        let kind = self.change?.into_event()?;
        let Head {
            seq,
            message_count,
            at,
            ..
        } = self.head;
        Some(Event {
            seq,
            at,
            actor: self.actor,
            message_count,
            kind,
        })
    }
}

/// Where a message was deleted before, if that is why a deletion appends nothing.
fn deletion_before(change: &Option<Change>, command: &Command, facts: &Facts) -> Option<Seq> {
    match (&change, &command.action, &facts.target.as_ref()?.event.kind) {
        (
            None | Some(Change::Release { .. }),
            Action::Delete { .. },
            EventKind::Message(message),
        ) => message.edited,
        _ => None,
    }
}
