//! What the room is called, whether it is open, how one gets in, and its end.

use cluster_types::AccountId;

use super::{Change, Decision, State};
use crate::{LinkHash, Role, RoomChange};

impl State {
    pub(super) fn update(
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

    pub(super) fn set_archived(&self, caller: AccountId, archived: bool) -> Decision {
        self.ranks_in_group(caller, Role::Owner)?;
        let about = RoomChange {
            archived,
            ..self.about.clone()
        };
        Ok((about != self.about).then_some(Change::Room(about)))
    }

    pub(super) fn delete_room(&self, caller: AccountId, by_administrator: bool) -> Decision {
        if !by_administrator {
            self.ranks_in_group(caller, Role::Owner)?;
        }
        Ok(Some(Change::Delete))
    }

    pub(super) fn set_link(&self, caller: AccountId, link: Option<LinkHash>) -> Decision {
        self.ranks_in_group(caller, Role::Moderator)?;
        Ok((link != self.link).then_some(Change::Link(link)))
    }
}
