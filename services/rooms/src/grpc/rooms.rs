//! The Rooms service: what rooms there are, what they are called, and who is in them.

use cluster_rpc::{InvalidRequest, name, page, required};
use cluster_types::{AccountId, Caller, RoomId};
use proto::v1;
use proto::v1::rooms_server::Rooms as Service;
use tonic::{Request, Response, Status};

use super::{Answer, open, refuse, unreadable};
use crate::limits::{MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX, ROOMS_PAGE_DEFAULT, ROOMS_PAGE_MAX};
use crate::{Action, CommandError, NewRoom, Role, Rooms, wire};

#[tonic::async_trait]
impl Service for Rooms {
    async fn create_room(&self, request: Request<v1::CreateRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        let new = NewRoom {
            display_name: wire::display_name(request.display_name, "display_name")?,
            topic: wire::topic(request.topic, "topic")?,
            request_id: wire::client_message_id(&request.request_id, "request_id")?,
        };
        let room = self.create(caller.account, &new).await.map_err(refuse)?;
        Ok(Response::new(wire::room(room)))
    }

    async fn open_direct_room(
        &self,
        request: Request<v1::OpenDirectRoomRequest>,
    ) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        let peer = name::account(&request.account, "account")?;
        let room = self
            .open_direct(caller.account, peer)
            .await
            .map_err(refuse)?;
        Ok(Response::new(wire::room(room)))
    }

    async fn get_room(&self, request: Request<v1::GetRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        self.seen_by(caller, name::room(&request.name, "name")?)
            .await
    }

    async fn list_rooms(
        &self,
        request: Request<v1::ListRoomsRequest>,
    ) -> Answer<v1::ListRoomsResponse> {
        const CALL: &str = "ListRooms";
        let (caller, request) = open(request)?;
        let limit = page::size(request.page_size, ROOMS_PAGE_DEFAULT, ROOMS_PAGE_MAX)?;
        let scope = caller.account.as_bytes();
        let after = page::fixed_cursor(CALL, scope, &request.page_token)?;
        let after = after.map(RoomId::from_bytes);
        let found = self
            .list(caller.account, after, limit)
            .await
            .map_err(unreadable)?;
        let (rooms, next) = found;
        Ok(Response::new(v1::ListRoomsResponse {
            rooms: rooms.into_iter().map(wire::room).collect(),
            next_page_token: next
                .map(|last| page::token(CALL, scope, last.as_bytes()))
                .unwrap_or_default(),
        }))
    }

    async fn update_room(&self, request: Request<v1::UpdateRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        let asked = required(request.room, "room")?;
        let room = name::room(&asked.name, "room.name")?;
        let action = update(asked, request.update_mask.unwrap_or_default().paths)?;
        self.act(caller, room, action).await?;
        self.seen_by(caller, room).await
    }

    async fn archive_room(&self, request: Request<v1::ArchiveRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        self.set_archived(caller, &request.name, true).await
    }

    async fn unarchive_room(&self, request: Request<v1::UnarchiveRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        self.set_archived(caller, &request.name, false).await
    }

    async fn delete_room(&self, request: Request<v1::DeleteRoomRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.name, "name")?;
        let by_administrator = false;
        self.act(caller, room, Action::DeleteRoom { by_administrator })
            .await?;
        Ok(Response::new(()))
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Answer<v1::ListMembersResponse> {
        const CALL: &str = "ListMembers";
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let limit = page::size(request.page_size, MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX)?;
        let after = account_cursor(CALL, room, &request.page_token)?;
        let found = self
            .members(caller.account, room, after, limit)
            .await
            .map_err(unreadable)?;
        let (members, more) = found;
        let last = members.last().map(|(account, _)| *account).filter(|_| more);
        let to_wire = |(account, member)| wire::member(room, account, member);
        Ok(Response::new(v1::ListMembersResponse {
            members: members.into_iter().map(to_wire).collect(),
            next_page_token: account_token(CALL, room, last),
        }))
    }

    async fn add_member(&self, request: Request<v1::AddMemberRequest>) -> Answer<v1::Member> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let account = name::account(&request.account, "account")?;
        let role = wire::role(request.role)?.unwrap_or(Role::Member);
        self.on_member(caller, room, account, Action::Add { account, role })
            .await
    }

    async fn remove_member(&self, request: Request<v1::RemoveMemberRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let (room, account) = name::member(&request.name, "name")?;
        self.act(caller, room, Action::Remove(account)).await?;
        Ok(Response::new(()))
    }

    async fn leave_room(&self, request: Request<v1::LeaveRoomRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.name, "name")?;
        self.act(caller, room, Action::Leave).await?;
        Ok(Response::new(()))
    }

    async fn set_member_role(
        &self,
        request: Request<v1::SetMemberRoleRequest>,
    ) -> Answer<v1::Member> {
        let (caller, request) = open(request)?;
        let (room, account) = name::member(&request.name, "name")?;
        let role = required(wire::role(request.role)?, "role")?;
        self.on_member(caller, room, account, Action::SetRole { account, role })
            .await
    }

    async fn mute_member(&self, request: Request<v1::MuteMemberRequest>) -> Answer<v1::Member> {
        let (caller, request) = open(request)?;
        let (room, account) = name::member(&request.name, "name")?;
        let until = request
            .until
            .map(|until| wire::mute_until(&until, "until"))
            .transpose()?;
        self.on_member(caller, room, account, Action::Mute { account, until })
            .await
    }

    async fn unmute_member(&self, request: Request<v1::UnmuteMemberRequest>) -> Answer<v1::Member> {
        let (caller, request) = open(request)?;
        let (room, account) = name::member(&request.name, "name")?;
        self.on_member(caller, room, account, Action::Unmute(account))
            .await
    }

    async fn ban_account(&self, request: Request<v1::BanAccountRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let account = name::account(&request.account, "account")?;
        self.act(caller, room, Action::Ban(account)).await?;
        Ok(Response::new(()))
    }

    async fn unban_account(&self, request: Request<v1::UnbanAccountRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let account = name::account(&request.account, "account")?;
        self.act(caller, room, Action::Unban(account)).await?;
        Ok(Response::new(()))
    }

    async fn list_bans(
        &self,
        request: Request<v1::ListBansRequest>,
    ) -> Answer<v1::ListBansResponse> {
        const CALL: &str = "ListBans";
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let limit = page::size(request.page_size, MEMBERS_PAGE_DEFAULT, MEMBERS_PAGE_MAX)?;
        let after = account_cursor(CALL, room, &request.page_token)?;
        let found = self
            .bans(caller.account, room, after, limit)
            .await
            .map_err(unreadable)?;
        let (accounts, more) = found;
        let last = accounts.last().copied().filter(|_| more);
        Ok(Response::new(v1::ListBansResponse {
            accounts: accounts.into_iter().map(name::of_account).collect(),
            next_page_token: account_token(CALL, room, last),
        }))
    }

    async fn create_room_link(
        &self,
        request: Request<v1::CreateRoomLinkRequest>,
    ) -> Answer<v1::CreateRoomLinkResponse> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        let link = self.make_link(caller.account, room).await.map_err(refuse)?;
        Ok(Response::new(v1::CreateRoomLinkResponse { link }))
    }

    async fn delete_room_link(&self, request: Request<v1::DeleteRoomLinkRequest>) -> Answer<()> {
        let (caller, request) = open(request)?;
        let room = name::room(&request.parent, "parent")?;
        self.act(caller, room, Action::SetLink(None)).await?;
        Ok(Response::new(()))
    }

    async fn join_room(&self, request: Request<v1::JoinRoomRequest>) -> Answer<v1::Room> {
        let (caller, request) = open(request)?;
        let room = self
            .join(caller.account, &request.link)
            .await
            .map_err(refuse)?;
        Ok(Response::new(wire::room(room)))
    }
}

impl Rooms {
    async fn seen_by(&self, caller: Caller, room: RoomId) -> Answer<v1::Room> {
        let view = self.view(caller.account, room).await.map_err(unreadable)?;
        Ok(Response::new(wire::room(view)))
    }

    async fn set_archived(&self, caller: Caller, name: &str, archived: bool) -> Answer<v1::Room> {
        let room = name::room(name, "name")?;
        self.act(caller, room, Action::SetArchived(archived))
            .await?;
        self.seen_by(caller, room).await
    }

    /// Does something about a member, and answers with the member as it stands.
    async fn on_member(
        &self,
        caller: Caller,
        room: RoomId,
        account: AccountId,
        action: Action,
    ) -> Answer<v1::Member> {
        let outcome = self.act(caller, room, action).await?;
        let member = outcome
            .member
            .ok_or_else(|| refuse(CommandError::NoSuchMember))?;
        Ok(Response::new(wire::member(room, account, member)))
    }
}

fn update(room: v1::Room, mask: Vec<String>) -> Result<Action, InvalidRequest> {
    let known = ["display_name", "topic"];
    if let Some(path) = mask.iter().find(|path| !known.contains(&path.as_str())) {
        let text = format!("has {path}: only display_name and topic can be set");
        return Err(InvalidRequest::field("update_mask", text));
    }
    let wanted = |path: &str| mask.is_empty() || mask.iter().any(|p| p == path);
    let display_name = wanted("display_name")
        .then(|| wire::display_name(room.display_name, "room.display_name"))
        .transpose()?;
    let topic = wanted("topic")
        .then(|| wire::topic(room.topic, "room.topic"))
        .transpose()?;
    Ok(Action::Update {
        display_name,
        topic,
    })
}

fn account_cursor(call: &str, room: RoomId, token: &str) -> Result<Option<AccountId>, Status> {
    let cursor = page::fixed_cursor(call, room.as_bytes(), token)?;
    Ok(cursor.map(AccountId::from_bytes))
}

fn account_token(call: &str, room: RoomId, last: Option<AccountId>) -> String {
    last.map(|last| page::token(call, room.as_bytes(), last.as_bytes()))
        .unwrap_or_default()
}
