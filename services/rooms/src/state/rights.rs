//! Who may do what in a room.
//!
//! | what | who | in a direct room | in an archived room |
//! |---|---|---|---|
//! | read, move one's mark | members, also muted ones | yes | yes |
//! | send; edit what one has said | members that are not muted | yes | no |
//! | delete what one has said | members, also muted ones | yes | yes |
//! | delete what a member of lower rank, or one who has left, has said | moderators | no | yes |
//! | set name and topic | moderators | no | no |
//! | add, up to one's own role; come by link | moderators; who has the link | no | no |
//! | remove, mute, let write again, ban: members of lower rank | moderators | no | yes |
//! | ban who is not there, lift a ban, list bans, set the link | moderators | no | yes |
//! | set roles | owners | no | yes |
//! | archive, bring back, delete the room | owners; administrators may delete any room | no | yes |
//! | leave | members, but not the last owner | no | yes |
//!
//! An archived room takes in nothing new. What takes something away stays possible: nobody has to
//! leave standing what was said, or who may read it, because the room is closed.
//!
//! To whoever is not a member, a room does not exist; who has a void link or is banned learns no more.

use cluster_types::{AccountId, UnixMillis};

use super::State;
use crate::{CommandError, Kind, Member, Role};

impl State {
    /// The member, to whom alone the room exists.
    pub(super) fn member(&self, account: AccountId) -> Result<Member, CommandError> {
        self.members
            .get(&account)
            .copied()
            .ok_or(CommandError::NoSuchRoom)
    }

    pub(super) fn may_write(
        &self,
        account: AccountId,
        now: UnixMillis,
    ) -> Result<(), CommandError> {
        may_write(&self.member(account)?, self.about.archived, now)
    }

    pub(super) const fn not_archived(&self) -> Result<(), CommandError> {
        not_archived(self.about.archived)
    }

    /// The caller's role, if it suffices and if the room has roles at all.
    pub(super) fn ranks_in_group(
        &self,
        caller: AccountId,
        needs: Role,
    ) -> Result<Role, CommandError> {
        let role = self.member(caller)?.role;
        if self.kind == Kind::Direct {
            return Err(CommandError::Direct);
        }
        at_least(role, needs)
    }

    /// The member, if it ranks below `own`.
    pub(super) fn below(&self, own: Role, account: AccountId) -> Result<Member, CommandError> {
        let member = self.other(account)?;
        if member.role < own {
            Ok(member)
        } else {
            Err(CommandError::RankTooLow)
        }
    }

    /// A member that the caller, a member too, wants something done about.
    pub(super) fn other(&self, account: AccountId) -> Result<Member, CommandError> {
        self.members
            .get(&account)
            .copied()
            .ok_or(CommandError::NoSuchMember)
    }

    pub(super) fn not_the_last_owner(&self, account: AccountId) -> Result<(), CommandError> {
        let mut owners = self
            .members
            .iter()
            .filter(|(_, member)| member.role == Role::Owner)
            .map(|(owner, _)| *owner);
        if owners.next() == Some(account) && owners.next().is_none() {
            Err(CommandError::LastOwner)
        } else {
            Ok(())
        }
    }
}

/// The role, if it suffices.
pub(super) fn at_least(role: Role, needs: Role) -> Result<Role, CommandError> {
    if role < needs {
        Err(CommandError::RoleTooLow { needs })
    } else {
        Ok(role)
    }
}

/// Whether a member may say something in a room that is archived, or is not.
pub(crate) fn may_write(
    member: &Member,
    archived: bool,
    now: UnixMillis,
) -> Result<(), CommandError> {
    not_archived(archived)?;
    if member.is_muted(now) {
        Err(CommandError::Muted)
    } else {
        Ok(())
    }
}

const fn not_archived(archived: bool) -> Result<(), CommandError> {
    if archived {
        Err(CommandError::Archived)
    } else {
        Ok(())
    }
}
