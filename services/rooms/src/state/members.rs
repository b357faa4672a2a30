//! Who comes and goes, and what members may do.

use cluster_types::AccountId;

use super::{Change, Decision, Facts, State};
use crate::limits::{BANS_MAX, MEMBERS_MAX};
use crate::{CommandError, LinkHash, Member, MembershipChange, MembershipKind, Mute, Role};

impl State {
    pub(super) fn add(
        &self,
        caller: AccountId,
        account: AccountId,
        role: Role,
        facts: &Facts,
    ) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        if role > own {
            return Err(CommandError::RankTooLow);
        }
        self.admit(account, MembershipKind::Added, role, facts)
    }

    pub(super) fn join(&self, caller: AccountId, link: LinkHash, facts: &Facts) -> Decision {
        // A banned account and a void link look the same from outside.
        if self.link != Some(link) || self.bans.contains(&caller) {
            return Err(CommandError::NoSuchLink);
        }
        self.admit(caller, MembershipKind::Joined, Role::Member, facts)
    }

    fn admit(
        &self,
        account: AccountId,
        kind: MembershipKind,
        role: Role,
        facts: &Facts,
    ) -> Decision {
        if self.members.contains_key(&account) {
            return Ok(None);
        }
        self.not_archived()?;
        if self.bans.contains(&account) {
            return Err(CommandError::Banned);
        }
        if self.members.len() >= MEMBERS_MAX {
            return Err(CommandError::RoomFull);
        }
        if facts.has_no_place {
            return Err(CommandError::TooManyRooms);
        }
        Ok(membership(account, kind, Some(Member::new(role))))
    }

    pub(super) fn remove(&self, caller: AccountId, account: AccountId) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        self.below(own, account)?;
        Ok(membership(account, MembershipKind::Removed, None))
    }

    pub(super) fn leave(&self, caller: AccountId) -> Decision {
        self.ranks_in_group(caller, Role::Member)?;
        if self.members.len() == 1 {
            // Nobody could read it, write it or delete it ever after.
            return Ok(Some(Change::Delete));
        }
        self.not_the_last_owner(caller)?;
        Ok(membership(caller, MembershipKind::Left, None))
    }

    pub(super) fn set_role(&self, caller: AccountId, account: AccountId, role: Role) -> Decision {
        self.ranks_in_group(caller, Role::Owner)?;
        let member = self.other(account)?;
        if member.role == role {
            return Ok(None);
        }
        self.not_the_last_owner(account)?;
        let member = Member {
            role,
            // Nobody ranks above an owner, so nobody could lift its mute.
            mute: member.mute.filter(|_| role < Role::Owner),
        };
        Ok(membership(account, MembershipKind::RoleSet, Some(member)))
    }

    pub(super) fn set_mute(
        &self,
        caller: AccountId,
        account: AccountId,
        mute: Option<Mute>,
    ) -> Decision {
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

    pub(super) fn ban(&self, caller: AccountId, account: AccountId) -> Decision {
        let own = self.ranks_in_group(caller, Role::Moderator)?;
        if self.bans.contains(&account) {
            return Ok(None);
        }
        if self.members.contains_key(&account) {
            self.below(own, account)?;
        }
        if self.bans.len() >= BANS_MAX {
            return Err(CommandError::TooManyBans);
        }
        Ok(membership(account, MembershipKind::Banned, None))
    }

    pub(super) fn unban(&self, caller: AccountId, account: AccountId) -> Decision {
        self.ranks_in_group(caller, Role::Moderator)?;
        if !self.bans.contains(&account) {
            return Ok(None);
        }
        Ok(membership(account, MembershipKind::Unbanned, None))
    }
}

const fn membership(
    account: AccountId,
    kind: MembershipKind,
    member: Option<Member>,
) -> Option<Change> {
    Some(Change::Membership(MembershipChange {
        account,
        kind,
        member,
    }))
}
