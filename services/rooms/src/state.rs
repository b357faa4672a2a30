//! The state of a room, and what may be done in it. Pure: no I/O, no clock, no chance.
//!
//! [`State::prepare`] decides about a command and changes nothing. What it decided is a
//! [`Prepared`]: the actor writes it, and only then [`State::commit`] applies it.

use std::collections::{BTreeMap, BTreeSet};

use cluster_types::{AccountId, Day, LogId, RoomId, Seq, UnixMillis};

use crate::limits::MEMBERS_MAX;
use crate::{
    Action, Command, CommandError, Draft, Event, EventKind, Kind, LinkHash, Member,
    MembershipChange, MembershipKind, Message, Mute, Outcome, Role, RoomChange,
};

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
    pub(crate) target: Option<Event>,
}

/// An earlier use of a client message id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Earlier {
    pub(crate) room: RoomId,
    pub(crate) seq: Seq,
    pub(crate) at: UnixMillis,
    pub(crate) digest: [u8; 32],
}

/// A decision: the log as it will be, and the change that makes it so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) actor: AccountId,
    pub(crate) head: Head,
    /// `None`: all is as it should be already.
    pub(crate) change: Option<Change>,
    pub(crate) outcome: Outcome,
}

/// What is to be written. All but [`Change::Link`] and [`Change::Delete`] append one event.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Message(Message),
    Edit {
        target: Event,
        message: Message,
        draft: Draft,
    },
    Deletion {
        target: Event,
        message: Message,
    },
    Membership(MembershipChange),
    Room(RoomChange),
    Link(Option<LinkHash>),
    Delete,
}

impl Change {
    /// Whether it adds an event to the log.
    fn appends(&self) -> bool {
        !matches!(self, Self::Link(_) | Self::Delete)
    }

    /// The event that it appends.
    pub(crate) fn event_kind(&self) -> Option<EventKind> {
        match self {
            Self::Message(message) => Some(EventKind::Message(message.clone())),
            Self::Edit {
                target, message, ..
            } => Some(EventKind::Edit {
                target: target.seq,
                message: Some(message.clone()),
            }),
            Self::Deletion { target, .. } => Some(EventKind::Deletion { target: target.seq }),
            Self::Membership(change) => Some(EventKind::Membership(*change)),
            Self::Room(change) => Some(EventKind::Room(change.clone())),
            Self::Link(_) | Self::Delete => None,
        }
    }
}

impl Prepared {
    /// The event that it appends, if it appends one.
    pub(crate) fn event(&self) -> Option<Event> {
        let kind = self.change.as_ref()?.event_kind()?;
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

type Decision = Result<Option<Change>, CommandError>;

impl State {
    /// Decides about `command`, at `now`, on top of `head`: the head of this state, or of what has
    /// been prepared before it in the same transaction.
    pub(crate) fn prepare(
        &self,
        head: Head,
        command: &Command,
        facts: &Facts,
        now: UnixMillis,
    ) -> Result<Prepared, CommandError> {
        if let Some(outcome) = self.done_before(command, facts)? {
            return Ok(Prepared {
                actor: command.account,
                head,
                change: None,
                outcome,
            });
        }
        let change = self.decide(head, command, facts, now)?;
        let after = match &change {
            Some(change) if change.appends() => self.head_after(head, change, now),
            Some(_) | None => head,
        };
        let member = self.member_after(command, change.as_ref());
        let outcome = Outcome {
            seq: after.seq,
            at: after.at,
            member,
        };
        Ok(Prepared {
            actor: command.account,
            head: after,
            change,
            outcome,
        })
    }

    /// Applies what has been written.
    pub(crate) fn commit(&mut self, prepared: &Prepared) {
        self.head = prepared.head;
        match &prepared.change {
            Some(Change::Membership(MembershipChange {
                account,
                kind,
                member,
            })) => {
                match member {
                    Some(member) => self.members.insert(*account, *member),
                    None => self.members.remove(account),
                };
                match kind {
                    MembershipKind::Banned => _ = self.bans.insert(*account),
                    MembershipKind::Unbanned => _ = self.bans.remove(account),
                    MembershipKind::Added
                    | MembershipKind::Joined
                    | MembershipKind::Left
                    | MembershipKind::Removed
                    | MembershipKind::RoleSet
                    | MembershipKind::Muted
                    | MembershipKind::Unmuted => {}
                }
            }
            Some(Change::Room(about)) => self.about = about.clone(),
            Some(Change::Link(link)) => self.link = *link,
            Some(Change::Delete) => self.members.clear(),
            Some(Change::Message(_) | Change::Edit { .. } | Change::Deletion { .. }) | None => {}
        }
    }

    fn head_after(&self, head: Head, change: &Change, now: UnixMillis) -> Head {
        let member_count = match change {
            Change::Membership(MembershipChange {
                account, member, ..
            }) => {
                let was = u64::from(self.members.contains_key(account));
                head.member_count + u64::from(member.is_some()) - was
            }
            _ => head.member_count,
        };
        Head {
            seq: head.seq.next(),
            message_count: head.message_count + u64::from(matches!(change, Change::Message(_))),
            at: head.at.max(now),
            member_count,
        }
    }

    /// What an equal command did before, if one did. A member only learns what its own ids were for.
    fn done_before(
        &self,
        command: &Command,
        facts: &Facts,
    ) -> Result<Option<Outcome>, CommandError> {
        let (Some(draft), Some(earlier)) = (command.draft(), facts.earlier) else {
            return Ok(None);
        };
        self.member(command.account)?;
        let target = match &command.action {
            Action::Edit { target, .. } => Some(*target),
            _ => None,
        };
        if earlier.room != self.room || earlier.digest != draft.digest(self.room, target) {
            return Err(CommandError::IdReused);
        }
        Ok(Some(Outcome {
            seq: earlier.seq,
            at: earlier.at,
            member: None,
        }))
    }

    fn decide(&self, head: Head, command: &Command, facts: &Facts, now: UnixMillis) -> Decision {
        let caller = command.account;
        match &command.action {
            Action::Send(draft) => self.send(caller, head, draft, now),
            Action::Edit { target, draft } => self.edit(caller, head, *target, draft, facts, now),
            Action::Delete { target } => self.delete(caller, head, *target, facts),
            Action::Update {
                display_name,
                topic,
            } => self.update(caller, display_name.as_ref(), topic.as_ref()),
            Action::SetArchived(archived) => self.set_archived(caller, *archived),
            Action::DeleteRoom { by_administrator } => self.delete_room(caller, *by_administrator),
            Action::Add { account, role } => self.add(caller, *account, *role),
            Action::Join(link) => self.join(caller, *link),
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
        }
    }

    fn send(&self, caller: AccountId, head: Head, draft: &Draft, now: UnixMillis) -> Decision {
        self.may_write(caller, now)?;
        if let Some(seq) = draft.reply_to.filter(|seq| *seq > head.seq) {
            return Err(CommandError::FutureSeq {
                field: "reply_to_seq",
                seq,
                head: head.seq,
            });
        }
        Ok(Some(Change::Message(Message {
            body: draft.body.clone(),
            format: draft.format,
            priority: draft.priority,
            reply_to: draft.reply_to,
            client_message_id: draft.client_message_id,
            edited: None,
            deleted: false,
        })))
    }

    fn edit(
        &self,
        caller: AccountId,
        head: Head,
        seq: Seq,
        draft: &Draft,
        facts: &Facts,
        now: UnixMillis,
    ) -> Decision {
        self.may_write(caller, now)?;
        let (target, message) = said(head, seq, facts)?;
        if target.actor != caller {
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
        Ok(Some(Change::Edit {
            target: target.clone(),
            message,
            draft: draft.clone(),
        }))
    }

    fn delete(&self, caller: AccountId, head: Head, seq: Seq, facts: &Facts) -> Decision {
        let role = self.member(caller)?.role;
        let (target, message) = said(head, seq, facts)?;
        if target.actor != caller {
            self.needs(role, Role::Moderator)?;
            // Who said it may have left since: then there is no rank to respect.
            if self
                .members
                .get(&target.actor)
                .is_some_and(|author| author.role >= role)
            {
                return Err(CommandError::RankTooLow);
            }
        }
        if message.deleted {
            return Ok(None);
        }
        let message = Message {
            body: String::new(),
            edited: Some(head.seq.next()),
            deleted: true,
            reply_to: None,
            ..message.clone()
        };
        Ok(Some(Change::Deletion {
            target: target.clone(),
            message,
        }))
    }

    fn update(
        &self,
        caller: AccountId,
        display_name: Option<&String>,
        topic: Option<&String>,
    ) -> Decision {
        self.ranks_in_group(caller, Role::Moderator)?;
        self.not_archived()?;
        let about = RoomChange {
            display_name: display_name.unwrap_or(&self.about.display_name).clone(),
            topic: topic.unwrap_or(&self.about.topic).clone(),
            archived: false,
        };
        Ok((about != self.about).then_some(Change::Room(about)))
    }

    fn set_archived(&self, caller: AccountId, archived: bool) -> Decision {
        self.ranks_in_group(caller, Role::Owner)?;
        let about = RoomChange {
            archived,
            ..self.about.clone()
        };
        Ok((about != self.about).then_some(Change::Room(about)))
    }

    fn delete_room(&self, caller: AccountId, by_administrator: bool) -> Decision {
        if !by_administrator {
            self.ranks_in_group(caller, Role::Owner)?;
        }
        Ok(Some(Change::Delete))
    }

    fn add(&self, caller: AccountId, account: AccountId, role: Role) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        self.not_archived()?;
        if role > own {
            return Err(CommandError::RankTooLow);
        }
        self.admit(account, MembershipKind::Added, role)
    }

    fn join(&self, caller: AccountId, link: LinkHash) -> Decision {
        // A banned account and a void link look the same from outside.
        if self.link != Some(link) || self.bans.contains(&caller) {
            return Err(CommandError::NoSuchLink);
        }
        self.not_archived()?;
        self.admit(caller, MembershipKind::Joined, Role::Member)
    }

    fn admit(&self, account: AccountId, kind: MembershipKind, role: Role) -> Decision {
        if self.members.contains_key(&account) {
            return Ok(None);
        }
        if self.bans.contains(&account) {
            return Err(CommandError::Banned);
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(CommandError::RoomFull);
        }
        Ok(membership(account, kind, Some(Member::new(role))))
    }

    fn remove(&self, caller: AccountId, account: AccountId) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        self.below(own, account)?;
        Ok(membership(account, MembershipKind::Removed, None))
    }

    fn leave(&self, caller: AccountId) -> Decision {
        self.ranks_in_group(caller, Role::Member)?;
        if self.members.len() == 1 {
            // Nobody could read it, write it or delete it ever after.
            return Ok(Some(Change::Delete));
        }
        self.not_the_last_owner(caller)?;
        Ok(membership(caller, MembershipKind::Left, None))
    }

    fn set_role(&self, caller: AccountId, account: AccountId, role: Role) -> Decision {
        self.ranks_in_group(caller, Role::Owner)?;
        let member = *self
            .members
            .get(&account)
            .ok_or(CommandError::NoSuchMember)?;
        if member.role == role {
            return Ok(None);
        }
        self.not_the_last_owner(account)?;
        Ok(membership(
            account,
            MembershipKind::RoleSet,
            Some(Member { role, ..member }),
        ))
    }

    fn set_mute(&self, caller: AccountId, account: AccountId, mute: Option<Mute>) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        let member = self.below(own, account)?;
        if member.mute == mute {
            return Ok(None);
        }
        let kind = if mute.is_some() {
            MembershipKind::Muted
        } else {
            MembershipKind::Unmuted
        };
        Ok(membership(account, kind, Some(Member { mute, ..member })))
    }

    fn ban(&self, caller: AccountId, account: AccountId) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        if self.bans.contains(&account) {
            return Ok(None);
        }
        if self.members.contains_key(&account) {
            self.below(own, account)?;
        }
        Ok(membership(account, MembershipKind::Banned, None))
    }

    fn unban(&self, caller: AccountId, account: AccountId) -> Decision {
        self.ranks_in_group(caller, Role::Moderator)?;
        if !self.bans.contains(&account) {
            return Ok(None);
        }
        Ok(membership(account, MembershipKind::Unbanned, None))
    }

    fn set_link(&self, caller: AccountId, link: Option<LinkHash>) -> Decision {
        self.ranks_in_group(caller, Role::Moderator)?;
        Ok((link != self.link).then_some(Change::Link(link)))
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
            | Action::SetLink(_) => None,
        }
    }

    // --- Rights ---

    /// To whoever is not in it, a room does not exist.
    fn member(&self, account: AccountId) -> Result<Member, CommandError> {
        self.members
            .get(&account)
            .copied()
            .ok_or(CommandError::NoSuchRoom)
    }

    fn may_write(&self, account: AccountId, now: UnixMillis) -> Result<(), CommandError> {
        let member = self.member(account)?;
        self.not_archived()?;
        if member.is_muted(now) {
            Err(CommandError::Muted)
        } else {
            Ok(())
        }
    }

    fn not_archived(&self) -> Result<(), CommandError> {
        if self.about.archived {
            Err(CommandError::Archived)
        } else {
            Ok(())
        }
    }

    /// The caller's role, if it suffices and if the room has roles at all.
    fn ranks_in_group(&self, caller: AccountId, needs: Role) -> Result<Role, CommandError> {
        let role = self.member(caller)?.role;
        if self.kind == Kind::Direct {
            return Err(CommandError::Direct);
        }
        self.needs(role, needs)?;
        Ok(role)
    }

    fn needs(&self, role: Role, needs: Role) -> Result<(), CommandError> {
        if role < needs {
            Err(CommandError::RoleTooLow { needs })
        } else {
            Ok(())
        }
    }

    /// The member, if it ranks below `own`.
    fn below(&self, own: Role, account: AccountId) -> Result<Member, CommandError> {
        let member = *self
            .members
            .get(&account)
            .ok_or(CommandError::NoSuchMember)?;
        if member.role < own {
            Ok(member)
        } else {
            Err(CommandError::RankTooLow)
        }
    }

    fn not_the_last_owner(&self, account: AccountId) -> Result<(), CommandError> {
        let owners = self
            .members
            .iter()
            .filter(|(_, member)| member.role == Role::Owner);
        let mut others = owners.filter(|(owner, _)| **owner != account);
        let is_owner = self
            .members
            .get(&account)
            .is_some_and(|m| m.role == Role::Owner);
        if is_owner && others.next().is_none() {
            Err(CommandError::LastOwner)
        } else {
            Ok(())
        }
    }
}

/// The message at `seq`, deleted or not.
fn said(head: Head, seq: Seq, facts: &Facts) -> Result<(&Event, &Message), CommandError> {
    if seq > head.seq {
        return Err(CommandError::FutureSeq {
            field: "seq",
            seq,
            head: head.seq,
        });
    }
    match &facts.target {
        Some(
            target @ Event {
                kind: EventKind::Message(message),
                ..
            },
        ) => Ok((target, message)),
        Some(_) | None => Err(CommandError::NoSuchMessage),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every decision has this shape")]
fn membership(account: AccountId, kind: MembershipKind, member: Option<Member>) -> Option<Change> {
    Some(Change::Membership(MembershipChange {
        account,
        kind,
        member,
    }))
}

#[cfg(test)]
mod tests {}
