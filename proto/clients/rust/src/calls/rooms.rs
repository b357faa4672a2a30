//! The service Rooms. A room that one is not a member of is NOT_FOUND, as if it did not exist.

use proto::v1::member::Role;
use proto::v1::rooms_client::RoomsClient;
use proto::v1::{
    AddMemberRequest, ArchiveRoomRequest, BanAccountRequest, CreateRoomLinkRequest,
    CreateRoomRequest, DeleteRoomLinkRequest, DeleteRoomRequest, GetRoomRequest, JoinRoomRequest,
    LeaveRoomRequest, ListBansRequest, ListBansResponse, ListMembersRequest, ListMembersResponse,
    ListRoomsRequest, ListRoomsResponse, Member, MuteMemberRequest, OpenDirectRoomRequest,
    RemoveMemberRequest, Room, SetMemberRoleRequest, UnarchiveRoomRequest, UnbanAccountRequest,
    UnmuteMemberRequest, UpdateRoomRequest,
};

use super::{call, pages};
use crate::{Client, Error, new_request_id};

/// Members or bans of a page where all are wanted: the largest that a server gives.
const PEOPLE_PAGE_SIZE: i32 = 1_000;

/// The same for rooms.
const ROOMS_PAGE_SIZE: i32 = 200;

impl Client {
    /// Makes a room that one owns.
    ///
    /// # Errors
    /// INVALID_ARGUMENT about name or topic.
    pub async fn create_room(&self, display_name: &str, topic: &str) -> Result<Room, Error> {
        let request = CreateRoomRequest {
            display_name: display_name.to_owned(),
            topic: topic.to_owned(),
            request_id: new_request_id(),
        };
        self.create_room_as(request).await
    }

    /// As [`Client::create_room`], under a request id that the program keeps: asked again with the same
    /// id, also after a restart, it is the same room.
    ///
    /// # Errors
    /// As [`Client::create_room`]; ALREADY_EXISTS if the id was used for another name or topic.
    pub async fn create_room_as(&self, request: CreateRoomRequest) -> Result<Room, Error> {
        call!(self, again, RoomsClient, create_room, request)
    }

    /// The one direct conversation with `accounts/{account}`.
    ///
    /// # Errors
    /// NOT_FOUND if there is no such account.
    pub async fn open_direct_room(&self, account: &str) -> Result<Room, Error> {
        let account = account.to_owned();
        let request = OpenDirectRoomRequest { account };
        call!(self, again, RoomsClient, open_direct_room, request)
    }

    /// One room: `rooms/{room}`.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn room(&self, name: &str) -> Result<Room, Error> {
        let name = name.to_owned();
        call!(self, again, RoomsClient, get_room, GetRoomRequest { name })
    }

    /// A page of one's rooms.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_rooms(&self, request: ListRoomsRequest) -> Result<ListRoomsResponse, Error> {
        call!(self, again, RoomsClient, list_rooms, request)
    }

    /// All of one's rooms.
    ///
    /// # Errors
    /// As any call.
    pub async fn all_rooms(&self) -> Result<Vec<Room>, Error> {
        pages::all(|page_token| async move {
            let request = ListRoomsRequest {
                page_size: ROOMS_PAGE_SIZE,
                page_token,
            };
            let page = self.list_rooms(request).await?;
            Ok((page.rooms, page.next_page_token))
        })
        .await
    }

    /// Sets display name, topic, or both (`None`: as it is).
    ///
    /// # Errors
    /// PERMISSION_DENIED to members; INVALID_ARGUMENT about name or topic.
    pub async fn update_room(
        &self,
        name: &str,
        display_name: Option<&str>,
        topic: Option<&str>,
    ) -> Result<Room, Error> {
        let given = [("display_name", display_name), ("topic", topic)];
        let set = given.iter().filter(|(_, value)| value.is_some());
        let paths = set.map(|(field, _)| (*field).to_owned()).collect();
        let room = Room {
            name: name.to_owned(),
            display_name: display_name.unwrap_or_default().to_owned(),
            topic: topic.unwrap_or_default().to_owned(),
            ..Room::default()
        };
        let request = UpdateRoomRequest {
            room: Some(room),
            update_mask: Some(prost_types::FieldMask { paths }),
        };
        call!(self, again, RoomsClient, update_room, request)
    }

    /// From here on, the room can be read and not written.
    ///
    /// # Errors
    /// PERMISSION_DENIED to all but owners.
    pub async fn archive_room(&self, name: &str) -> Result<Room, Error> {
        let name = name.to_owned();
        let request = ArchiveRoomRequest { name };
        call!(self, again, RoomsClient, archive_room, request)
    }

    /// From here on, the room can be written again.
    ///
    /// # Errors
    /// As [`Client::archive_room`].
    pub async fn unarchive_room(&self, name: &str) -> Result<Room, Error> {
        let name = name.to_owned();
        let request = UnarchiveRoomRequest { name };
        call!(self, again, RoomsClient, unarchive_room, request)
    }

    /// Deletes the room and all that was said in it.
    ///
    /// # Errors
    /// PERMISSION_DENIED to all but owners.
    pub async fn delete_room(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = DeleteRoomRequest { name };
        call!(self, once, RoomsClient, delete_room, request)
    }

    /// A page of a room's members.
    ///
    /// # Errors
    /// As any call.
    pub async fn list_members(
        &self,
        request: ListMembersRequest,
    ) -> Result<ListMembersResponse, Error> {
        call!(self, again, RoomsClient, list_members, request)
    }

    /// All members of a room.
    ///
    /// # Errors
    /// As any call.
    pub async fn all_members(&self, room: &str) -> Result<Vec<Member>, Error> {
        pages::all(|page_token| async move {
            let request = ListMembersRequest {
                parent: room.to_owned(),
                page_size: PEOPLE_PAGE_SIZE,
                page_token,
            };
            let page = self.list_members(request).await?;
            Ok((page.members, page.next_page_token))
        })
        .await
    }

    /// Adds `accounts/{account}` to a room.
    ///
    /// # Errors
    /// PERMISSION_DENIED to members and for a role above one's own; NOT_FOUND if there is no such
    /// account.
    pub async fn add_member(&self, room: &str, account: &str, role: Role) -> Result<Member, Error> {
        let request = AddMemberRequest {
            parent: room.to_owned(),
            account: account.to_owned(),
            role: role.into(),
        };
        call!(self, once, RoomsClient, add_member, request)
    }

    /// Takes a room from a member: `rooms/{room}/members/{account}`.
    ///
    /// # Errors
    /// PERMISSION_DENIED unless the member's role is below one's own.
    pub async fn remove_member(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = RemoveMemberRequest { name };
        call!(self, once, RoomsClient, remove_member, request)
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// FAILED_PRECONDITION for the last owner of a room with other members.
    pub async fn leave_room(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        let request = LeaveRoomRequest { name };
        call!(self, once, RoomsClient, leave_room, request)
    }

    /// Sets the role of `rooms/{room}/members/{account}`.
    ///
    /// # Errors
    /// PERMISSION_DENIED to all but owners; FAILED_PRECONDITION for the last owner.
    pub async fn set_member_role(&self, name: &str, role: Role) -> Result<Member, Error> {
        let request = SetMemberRoleRequest {
            name: name.to_owned(),
            role: role.into(),
        };
        call!(self, again, RoomsClient, set_member_role, request)
    }

    /// Keeps `rooms/{room}/members/{account}` from writing, until then or until unmuted.
    ///
    /// # Errors
    /// PERMISSION_DENIED unless the member's role is below one's own.
    pub async fn mute_member(
        &self,
        name: &str,
        until: Option<prost_types::Timestamp>,
    ) -> Result<Member, Error> {
        let name = name.to_owned();
        let request = MuteMemberRequest { name, until };
        call!(self, again, RoomsClient, mute_member, request)
    }

    /// Lets a muted member write again.
    ///
    /// # Errors
    /// As [`Client::mute_member`].
    pub async fn unmute_member(&self, name: &str) -> Result<Member, Error> {
        let name = name.to_owned();
        let request = UnmuteMemberRequest { name };
        call!(self, again, RoomsClient, unmute_member, request)
    }

    /// Removes `accounts/{account}` from a room if it is a member, and keeps it out.
    ///
    /// # Errors
    /// PERMISSION_DENIED unless the account's role is below one's own.
    pub async fn ban_account(&self, room: &str, account: &str) -> Result<(), Error> {
        let request = BanAccountRequest {
            parent: room.to_owned(),
            account: account.to_owned(),
        };
        call!(self, again, RoomsClient, ban_account, request)
    }

    /// Lets a banned account in again; it does not become a member by that.
    ///
    /// # Errors
    /// PERMISSION_DENIED to members.
    pub async fn unban_account(&self, room: &str, account: &str) -> Result<(), Error> {
        let request = UnbanAccountRequest {
            parent: room.to_owned(),
            account: account.to_owned(),
        };
        call!(self, once, RoomsClient, unban_account, request)
    }

    /// A page of the accounts that are kept out of a room.
    ///
    /// # Errors
    /// PERMISSION_DENIED to members.
    pub async fn list_bans(&self, request: ListBansRequest) -> Result<ListBansResponse, Error> {
        call!(self, again, RoomsClient, list_bans, request)
    }

    /// All accounts that are kept out of a room, `accounts/{account}`.
    ///
    /// # Errors
    /// As [`Client::list_bans`].
    pub async fn all_bans(&self, room: &str) -> Result<Vec<String>, Error> {
        pages::all(|page_token| async move {
            let request = ListBansRequest {
                parent: room.to_owned(),
                page_size: PEOPLE_PAGE_SIZE,
                page_token,
            };
            let page = self.list_bans(request).await?;
            Ok((page.accounts, page.next_page_token))
        })
        .await
    }

    /// A link that lets whoever has it join, `rk_l_...`. It voids the previous one.
    ///
    /// # Errors
    /// PERMISSION_DENIED to members.
    pub async fn create_room_link(&self, room: &str) -> Result<String, Error> {
        let parent = room.to_owned();
        let request = CreateRoomLinkRequest { parent };
        let response = call!(self, once, RoomsClient, create_room_link, request)?;
        Ok(response.link)
    }

    /// Voids a room's link.
    ///
    /// # Errors
    /// PERMISSION_DENIED to members.
    pub async fn delete_room_link(&self, room: &str) -> Result<(), Error> {
        let parent = room.to_owned();
        let request = DeleteRoomLinkRequest { parent };
        call!(self, once, RoomsClient, delete_room_link, request)
    }

    /// Joins a room by its link.
    ///
    /// # Errors
    /// NOT_FOUND for a void link and for a banned account alike.
    pub async fn join_room(&self, link: &str) -> Result<Room, Error> {
        let link = link.to_owned();
        let request = JoinRoomRequest { link };
        call!(self, again, RoomsClient, join_room, request)
    }
}
