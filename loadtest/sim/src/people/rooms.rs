//! Making rooms, letting people in and out, saying what they may do.

use std::time::Duration;

use cluster_rpc::time;
use cluster_types::Clock as _;
use proto::v1;
use proto::v1::member::Role;

use super::Somebody;
use super::messages::new_id;
use crate::calls::Wire;
use crate::history::Ask;
use crate::limits::{PAGE, ROOMS_MAX};
use crate::names::{Device, Person, Room};
use crate::plan::{Deed, among, percent};

impl Somebody {
    pub(super) async fn keep_house(&self, deed: Deed, device: Device) {
        let made = match deed {
            Deed::CreateRoom | Deed::OpenDirect if self.has_enough_rooms() => return,
            Deed::CreateRoom => Some(self.a_new_room()),
            Deed::OpenDirect => {
                let peer = self.anybody();
                let account = self.account(peer);
                let wire = Wire::Direct(v1::OpenDirectRoomRequest { account });
                Some((Ask::OpenDirect { peer }, wire))
            }
            Deed::ListRooms => Some((Ask::ListRooms, Wire::List(all_rooms()))),
            _ => None,
        };
        let made = match made {
            Some(made) => Some(made),
            None => self.a_group().and_then(|room| self.about(deed, room)),
        };
        if let Some((ask, wire)) = made {
            let then = match (&ask, deed) {
                (Ask::Remove { room, whom }, Deed::RemoveAndAdd) => Some(self.add(*room, *whom)),
                _ => None,
            };
            self.begin(device, ask, wire).await;
            if let Some((ask, wire)) = then {
                self.rest(Duration::from_millis(self.rng.below(300))).await;
                self.begin(device, ask, wire).await;
            }
        }
    }

    fn a_new_room(&self) -> (Ask, Wire) {
        let (_, request_id) = new_id(&self.rng);
        let display_name = self.a_name();
        let wire = v1::CreateRoomRequest {
            display_name: display_name.clone(),
            topic: String::new(),
            request_id,
        };
        (Ask::CreateRoom { display_name }, Wire::Create(wire))
    }

    fn add(&self, room: Room, whom: Person) -> (Ask, Wire) {
        let role = match self.rng.below(4) {
            0 => Role::Moderator,
            1 => Role::Owner,
            _ => Role::Member,
        };
        let wire = v1::AddMemberRequest {
            parent: self.name(room),
            account: self.account(whom),
            role: role.into(),
        };
        (Ask::Add { room, whom, role }, Wire::Add(wire))
    }

    fn about(&self, deed: Deed, room: Room) -> Option<(Ask, Wire)> {
        let (name, whom) = (self.name(room), self.anybody());
        Some(match deed {
            Deed::ViewRoom => (
                Ask::ViewRoom { room },
                Wire::View(v1::GetRoomRequest { name }),
            ),
            Deed::ListMembers => {
                let wire = v1::ListMembersRequest {
                    parent: name,
                    page_size: i32::try_from(among(&self.rng, PAGE)).unwrap_or(1),
                    page_token: String::new(),
                };
                (Ask::Members { room }, Wire::Members(wire))
            }
            Deed::ListBans => {
                let wire = v1::ListBansRequest {
                    parent: name,
                    ..Default::default()
                };
                (Ask::Bans { room }, Wire::Bans(wire))
            }
            Deed::Rename => {
                let display_name = self.a_name();
                let about = v1::Room {
                    name,
                    display_name: display_name.clone(),
                    ..Default::default()
                };
                let wire = v1::UpdateRoomRequest {
                    room: Some(about),
                    update_mask: Some(prost_types::FieldMask {
                        paths: vec!["display_name".to_owned()],
                    }),
                };
                (Ask::Rename { room, display_name }, Wire::Update(wire))
            }
            Deed::Archive => {
                let archived = true;
                (
                    Ask::Archive { room, archived },
                    Wire::Archive(v1::ArchiveRoomRequest { name }),
                )
            }
            Deed::Unarchive => {
                let wire = v1::UnarchiveRoomRequest { name };
                let archived = false;
                (Ask::Archive { room, archived }, Wire::Unarchive(wire))
            }
            Deed::DeleteRoom => (
                Ask::DeleteRoom { room },
                Wire::DeleteRoom(v1::DeleteRoomRequest { name }),
            ),
            Deed::Leave => (
                Ask::Leave { room },
                Wire::Leave(v1::LeaveRoomRequest { name }),
            ),
            Deed::MakeLink => {
                let wire = v1::CreateRoomLinkRequest { parent: name };
                (Ask::MakeLink { room }, Wire::MakeLink(wire))
            }
            Deed::VoidLink => {
                let wire = v1::DeleteRoomLinkRequest { parent: name };
                (Ask::VoidLink { room }, Wire::VoidLink(wire))
            }
            Deed::Add => self.add(room, whom),
            _ => return self.about_somebody(deed, room, whom),
        })
    }

    fn about_somebody(&self, deed: Deed, room: Room, whom: Person) -> Option<(Ask, Wire)> {
        let parent = self.name(room);
        let account = self.account(whom);
        let member = account.strip_prefix("accounts/").unwrap_or_default();
        let name = format!("{parent}/members/{member}");
        Some(match deed {
            Deed::Remove | Deed::RemoveAndAdd => (
                Ask::Remove { room, whom },
                Wire::Remove(v1::RemoveMemberRequest { name }),
            ),
            Deed::SetRole => {
                let roles = [Role::Member, Role::Moderator, Role::Owner];
                let role = *self.one_of(&roles)?;
                let wire = v1::SetMemberRoleRequest {
                    name,
                    role: role.into(),
                };
                (Ask::SetRole { room, whom, role }, Wire::SetRole(wire))
            }
            Deed::Mute => {
                let now = self.clients.clock.now();
                let until = now.plus(Duration::from_millis(self.rng.below(20_000)));
                let until = percent(&self.rng, 60).then_some(until);
                let wire = v1::MuteMemberRequest {
                    name,
                    until: until.map(time::timestamp),
                };
                (Ask::Mute { room, whom, until }, Wire::Mute(wire))
            }
            Deed::Unmute => (
                Ask::Unmute { room, whom },
                Wire::Unmute(v1::UnmuteMemberRequest { name }),
            ),
            Deed::Ban => (
                Ask::Ban { room, whom },
                Wire::Ban(v1::BanAccountRequest { parent, account }),
            ),
            Deed::Unban => {
                let wire = v1::UnbanAccountRequest { parent, account };
                (Ask::Unban { room, whom }, Wire::Unban(wire))
            }
            Deed::Join => {
                let link = self.clients.world.lock().rooms.get(&room)?.link.clone()?;
                (Ask::Join { room }, Wire::Join(v1::JoinRoomRequest { link }))
            }
            _ => return None,
        })
    }

    fn has_enough_rooms(&self) -> bool {
        self.clients.world.lock().rooms.len() >= ROOMS_MAX
    }

    fn a_name(&self) -> String {
        format!("room {:08x}", self.rng.below(1 << 32))
    }
}

/// A request for all rooms of an account, in one page.
pub(crate) fn all_rooms() -> v1::ListRoomsRequest {
    v1::ListRoomsRequest {
        page_size: 200,
        page_token: String::new(),
    }
}
