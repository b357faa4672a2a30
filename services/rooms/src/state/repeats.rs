//! Whether something was asked before, under the same client message id.
//!
//! An id leads to its event and to a digest of what was asked for. The salt of the digest lies with the
//! message, also after edits: as long as the message is not deleted, an id is good for one thing only.
//! Afterwards nothing is left to compare with, and a known id counts as asked before.

use super::{Earlier, Facts, Salted, State, Used};
use crate::{Action, Command, CommandError, EventKind, Outcome};

impl State {
    /// What an equal command did before, if one did: also where the caller may not do it any more, as
    /// long as it is a member. A member only learns what its own ids were for.
    pub(super) fn done_before(
        &self,
        command: &Command,
        facts: &Facts,
    ) -> Result<Option<Outcome>, CommandError> {
        let Some(Earlier { used, at, is_same }) = facts.earlier else {
            return Ok(None);
        };
        self.member(command.account)?;
        if used.room != self.room || !is_same {
            return Err(CommandError::IdReused);
        }
        Ok(Some(Outcome {
            seq: used.seq,
            at,
            member: None,
        }))
    }
}

impl Command {
    /// Whether this command made `event`, for which its id was `used`, as far as that can still be told.
    /// `target` is what the command is about.
    pub(crate) fn made(&self, used: Used, event: &Salted, target: Option<&Salted>) -> bool {
        let salt = match (&self.action, &event.event.kind) {
            (Action::Send(_), EventKind::Message(_)) => event.salt,
            (Action::Edit { target: seq, .. }, EventKind::Edit { target: edited, .. })
                if seq == edited =>
            {
                target.and_then(|target| target.salt)
            }
            _ => return false,
        };
        // Without a salt, the message is deleted.
        salt.is_none_or(|salt| used.digest == self.digest(used.room, salt))
    }
}
