//! Whether something was asked before, under the same client message id.
//!
//! An id leads to its event, and nothing else is kept of what was asked: no digest that could be tried
//! against likely words after these are gone. So a repeat is compared with what stands in the log. What
//! has been edited or taken back since cannot be compared any more, and counts as asked before.

use super::{Earlier, Facts, State};
use crate::{Action, Command, CommandError, Draft, Event, EventKind, Message, Outcome};

impl State {
    /// What an equal command did before, if one did: also where the caller may not do it any more, as
    /// long as it is a member. A member only learns what its own ids were for.
    pub(super) fn done_before(
        &self,
        command: &Command,
        facts: &Facts,
    ) -> Result<Option<Outcome>, CommandError> {
        let Some(Earlier { used, is_same }) = facts.earlier else {
            return Ok(None);
        };
        self.member(command.account)?;
        if used.room != self.room || !is_same {
            return Err(CommandError::IdReused);
        }
        Ok(Some(Outcome {
            seq: used.seq,
            at: used.at,
            member: None,
        }))
    }
}

impl Command {
    /// Whether this command made `event`, for which its id was used, as far as the log still tells.
    /// `target` is what the command is about.
    pub(crate) fn made(&self, event: &Event, target: Option<&Event>) -> bool {
        match (&self.action, &event.kind) {
            (Action::Send(draft), EventKind::Message(message)) => {
                message.edited.is_some() || draft.is_said_by(message)
            }
            (Action::Edit { target: seq, draft }, EventKind::Edit { target: edited, .. }) => {
                seq == edited && !target.is_some_and(|target| draft.is_not_left_by(event, target))
            }
            _ => false,
        }
    }
}

impl Draft {
    fn is_said_by(&self, message: &Message) -> bool {
        let asked = (&self.body, self.format, self.priority, self.reply_to);
        asked
            == (
                &message.body,
                message.format,
                message.priority,
                message.reply_to,
            )
    }

    /// Whether `edit` was the last to change its target, and left other words than these.
    fn is_not_left_by(&self, edit: &Event, target: &Event) -> bool {
        match &target.kind {
            EventKind::Message(message) => {
                let left = (&message.body, message.format);
                message.edited == Some(edit.seq) && left != (&self.body, self.format)
            }
            EventKind::Edit { .. }
            | EventKind::Deletion { .. }
            | EventKind::Membership(_)
            | EventKind::Room(_) => false,
        }
    }
}
