//! What can be asked of a room.

use std::fmt;

use cluster_types::{AccountId, FileId, Seq, UnixMillis};

use crate::limits::REQUEST_OVERHEAD_BYTES;
use crate::{ClientMessageId, Format, LinkHash, Member, Priority, Role};

/// Somebody wants something done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command {
    /// Who.
    pub account: AccountId,
    /// What.
    pub action: Action,
}

/// What can be done. Names and bodies have been validated where they came in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Say something.
    Send(Draft),
    /// Change what one has said.
    Edit {
        /// Which message.
        target: Seq,
        /// What it says from here on, and which files it loses. Priority and reply stay as they were.
        draft: Draft,
    },
    /// Take back what was said.
    Delete {
        /// Which message.
        target: Seq,
    },
    /// Set name or topic; `None` leaves it.
    Update {
        /// The name.
        display_name: Option<String>,
        /// The topic.
        topic: Option<String>,
    },
    /// Let the room be read only, or not.
    SetArchived(bool),
    /// Delete the room and all of its history.
    DeleteRoom {
        /// Whether the caller may do so as an administrator of the server.
        by_administrator: bool,
    },
    /// Make somebody a member.
    Add {
        /// Whom.
        account: AccountId,
        /// As what.
        role: Role,
    },
    /// Become a member by link.
    Join(LinkHash),
    /// Make somebody not a member any more.
    Remove(AccountId),
    /// Stop being a member.
    Leave,
    /// Give somebody another role.
    SetRole {
        /// Whom.
        account: AccountId,
        /// Which.
        role: Role,
    },
    /// Let somebody only read.
    Mute {
        /// Whom.
        account: AccountId,
        /// For how long; `None`: until lifted.
        until: Option<UnixMillis>,
    },
    /// Let somebody write again.
    Unmute(AccountId),
    /// Keep somebody out.
    Ban(AccountId),
    /// Do not keep somebody out any more.
    Unban(AccountId),
    /// Put a new link in force, or none.
    SetLink(Option<LinkHash>),
    /// Be told once more that one is a member: the first time may have been lost with its call.
    TellAgain,
}

/// A message to be said.
#[derive(Clone, Eq, PartialEq)]
pub struct Draft {
    /// Chosen by the sender, the same on every retry.
    pub client_message_id: ClientMessageId,
    /// What to say.
    pub body: String,
    /// How to show it.
    pub format: Format,
    /// How loudly.
    pub priority: Priority,
    /// Which message it answers.
    pub reply_to: Option<Seq>,
    /// Files: of a message, finished uploads of the sender for the room, which it carries; of an edit, those that
    /// the message carries no more. None twice.
    pub files: Vec<FileId>,
}

impl fmt::Debug for Draft {
    /// Shows no body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("bytes", &self.body.len())
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Command {
    /// What it weighs in an inbox.
    pub(crate) fn bytes(&self) -> usize {
        let said = self
            .draft()
            .map_or(0, |draft| draft.body.len() + size_of_val(&draft.files[..]));
        REQUEST_OVERHEAD_BYTES + said
    }

    /// What it says, if it says anything.
    pub(crate) fn draft(&self) -> Option<&Draft> {
        if let Action::Send(draft) | Action::Edit { draft, .. } = &self.action {
            Some(draft)
        } else {
            None
        }
    }

    /// Whether it adds a message.
    pub(crate) const fn is_send(&self) -> bool {
        matches!(self.action, Action::Send(_))
    }

    /// Whether it only adds a message: then it can share a transaction with others of its kind. What one that
    /// carries files reads and writes besides must not keep others waiting, nor be repeated for them.
    pub(crate) const fn shares(&self) -> bool {
        matches!(&self.action, Action::Send(draft) if draft.files.is_empty())
    }

    /// The uploads that it wants to carry.
    pub(crate) fn uploads(&self) -> &[FileId] {
        if let Action::Send(draft) = &self.action {
            &draft.files
        } else {
            &[]
        }
    }

    /// The message that it is about.
    pub(crate) const fn target(&self) -> Option<Seq> {
        if let Action::Edit { target, .. } | Action::Delete { target } = &self.action {
            Some(*target)
        } else {
            None
        }
    }

    /// The message that it answers.
    pub(crate) fn answers(&self) -> Option<Seq> {
        self.draft().and_then(|draft| draft.reply_to)
    }

    /// Somebody who need not be a member, and has to exist.
    pub(crate) const fn newcomer(&self) -> Option<AccountId> {
        if let Action::Add { account, .. } | Action::Ban(account) = &self.action {
            Some(*account)
        } else {
            None
        }
    }

    /// Who becomes a member by it.
    pub(crate) const fn comer(&self) -> Option<AccountId> {
        match self.action {
            Action::Add { account, .. } => Some(account),
            Action::Join(_) => Some(self.account),
            Action::Send(_)
            | Action::Edit { .. }
            | Action::Delete { .. }
            | Action::Update { .. }
            | Action::SetArchived(_)
            | Action::DeleteRoom { .. }
            | Action::Remove(_)
            | Action::Leave
            | Action::SetRole { .. }
            | Action::Mute { .. }
            | Action::Unmute(_)
            | Action::Ban(_)
            | Action::Unban(_)
            | Action::SetLink(_)
            | Action::TellAgain => None,
        }
    }

    /// Whether the caller need not be a member.
    pub(crate) const fn comes_from_outside(&self) -> bool {
        matches!(
            self.action,
            Action::Join(_)
                | Action::DeleteRoom {
                    by_administrator: true
                }
        )
    }

    /// Whether doing it twice ends and answers as doing it once, so that it can be asked again when
    /// its outcome is unknown. Who has removed somebody, has left, has deleted the room or has stepped
    /// down is told the second time that there is no such member or room, or that it may not.
    pub(crate) fn is_repeatable(&self) -> bool {
        match self.action {
            Action::Remove(_) | Action::Leave | Action::DeleteRoom { .. } => false,
            Action::SetRole { account, .. } => account != self.account,
            Action::Send(_)
            | Action::Edit { .. }
            | Action::Delete { .. }
            | Action::Update { .. }
            | Action::SetArchived(_)
            | Action::Add { .. }
            | Action::Join(_)
            | Action::Mute { .. }
            | Action::Unmute(_)
            | Action::Ban(_)
            | Action::Unban(_)
            | Action::SetLink(_)
            | Action::TellAgain => true,
        }
    }
}

impl Command {
    /// Whether doing it once more, whatever others have done since, undoes nothing of that: what carries an id is found
    /// by it, and what was taken back stays so.
    pub(crate) const fn is_the_same_later(&self) -> bool {
        matches!(
            self.action,
            Action::Send(_) | Action::Edit { .. } | Action::Delete { .. } | Action::TellAgain
        )
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The event that it made. If it had nothing to do: the event of the earlier command that did it,
    /// as far as that is known (for messages it always is), else the newest event.
    pub seq: Seq,
    /// Of a message: when it was said. Otherwise: of the newest event.
    pub at: UnixMillis,
    /// The member it was about, as it stands.
    pub member: Option<Member>,
}
