//! A well-formed request for each call of the matrix: what is refused is refused for who asks.

use prost::Message;
use proto::v1;

use crate::world::{
    PASSWORD, Person, Room, Standing, World, member, message, upload, upload_start, uuid,
};

pub(crate) fn edit(room: &Room) -> v1::EditMessageRequest {
    v1::EditMessageRequest {
        room: room.name.clone(),
        seq: room.said,
        body: "goodbye".to_owned(),
        client_message_id: uuid(),
        ..v1::EditMessageRequest::default()
    }
}

pub(crate) async fn payload(
    world: &World,
    room: &Room,
    call: &str,
    caller: Option<&Person>,
) -> Vec<u8> {
    match call.split_once('/').expect("a service") {
        ("Accounts", method) => account_payload(world, method, caller).await,
        ("Files", method) => file_payload(world, room, method).await,
        ("Administration", method) => administration_payload(world, room, method).await,
        ("Rooms", method) => room_payload(world, room, method),
        ("Messages", method) => message_payload(room, method),
        (other, _) => panic!("no service {other}"),
    }
}

async fn account_payload(world: &World, method: &str, caller: Option<&Person>) -> Vec<u8> {
    let target = &world.target;
    match method {
        "SignIn" => v1::SignInRequest {
            user_name: target.user_name.clone(),
            password: PASSWORD.to_owned(),
            ..v1::SignInRequest::default()
        }
        .encode_to_vec(),
        "RegisterAccount" => v1::RegisterAccountRequest {
            user_name: format!("new-{}", &uuid()[..8]),
            password: PASSWORD.to_owned(),
            invitation: invitation(world).await.secret,
            ..v1::RegisterAccountRequest::default()
        }
        .encode_to_vec(),
        "SignOut" => v1::SignOutRequest {}.encode_to_vec(),
        "ListSignIns" => v1::ListSignInsRequest::default().encode_to_vec(),
        "DeleteSignIn" => {
            // Somebody else's.
            let request = v1::ListSignInsRequest::default();
            let found: v1::ListSignInsResponse =
                world.ok(target, "Accounts/ListSignIns", &request).await;
            v1::DeleteSignInRequest {
                name: found.sign_ins[0].name.clone(),
            }
            .encode_to_vec()
        }
        "ChangePassword" => v1::ChangePasswordRequest {
            current_password: PASSWORD.to_owned(),
            new_password: "Another-Horse-9-Battery".to_owned(),
        }
        .encode_to_vec(),
        "GetAccount" => v1::GetAccountRequest {
            name: target.account.clone(),
        }
        .encode_to_vec(),
        "LookUpAccount" => v1::LookUpAccountRequest {
            user_name: target.user_name.clone(),
        }
        .encode_to_vec(),
        "UpdateAccount" => {
            let display_name = caller
                .map_or("Nobody", |person| &person.user_name)
                .to_owned();
            v1::UpdateAccountRequest { display_name }.encode_to_vec()
        }
        other => panic!("no call {other}"),
    }
}

async fn file_payload(world: &World, room: &Room, method: &str) -> Vec<u8> {
    let new = upload(&room.name, "notes.txt", 5);
    if method == "StartUpload" {
        return new.encode_to_vec();
    }
    // One of the target's, of which it may begin more than there are cells.
    let begun: v1::Upload = world.ok(&world.target, "Files/StartUpload", &new).await;
    let name = begun.name;
    match method {
        "GetUpload" => v1::GetUploadRequest { name }.encode_to_vec(),
        "ListUploads" => v1::ListUploadsRequest::default().encode_to_vec(),
        "DeleteUpload" => v1::DeleteUploadRequest { name }.encode_to_vec(),
        "UploadFile" => upload_start(&name, 0).encode_to_vec(),
        "DownloadFile" => v1::DownloadFileRequest {
            room: room.name.clone(),
            seq: room.said,
            file: name,
            ..v1::DownloadFileRequest::default()
        }
        .encode_to_vec(),
        other => panic!("no call {other}"),
    }
}

async fn invitation(world: &World) -> v1::CreateInvitationResponse {
    let administrator = world.person(Standing::Administrator).expect("somebody");
    let request = v1::CreateInvitationRequest::default();
    world
        .ok(administrator, "Administration/CreateInvitation", &request)
        .await
}

async fn administration_payload(world: &World, room: &Room, method: &str) -> Vec<u8> {
    let name = world.newcomer.account.clone();
    match method {
        "ListAccounts" => v1::ListAccountsRequest::default().encode_to_vec(),
        "SuspendAccount" => v1::SuspendAccountRequest { name }.encode_to_vec(),
        "ResumeAccount" => v1::ResumeAccountRequest { name }.encode_to_vec(),
        "SetAccountRole" => {
            let role = v1::account::Role::Member.into();
            v1::SetAccountRoleRequest { name, role }.encode_to_vec()
        }
        "CreateInvitation" => v1::CreateInvitationRequest::default().encode_to_vec(),
        "ListInvitations" => v1::ListInvitationsRequest::default().encode_to_vec(),
        "DeleteInvitation" => {
            let made = invitation(world).await.invitation.expect("an invitation");
            v1::DeleteInvitationRequest { name: made.name }.encode_to_vec()
        }
        "ListServerRooms" => v1::ListServerRoomsRequest::default().encode_to_vec(),
        "DeleteServerRoom" => v1::DeleteServerRoomRequest {
            name: room.name.clone(),
        }
        .encode_to_vec(),
        "GetServerStatus" => v1::GetServerStatusRequest {}.encode_to_vec(),
        "ListServerNodes" => v1::ListServerNodesRequest::default().encode_to_vec(),
        "MoveServerRoom" => v1::MoveServerRoomRequest {
            name: room.name.clone(),
            // There is none like it.
            node: room.name.replace("rooms/", "nodes/"),
        }
        .encode_to_vec(),
        // There is none like it.
        "DrainServerNode" => v1::DrainServerNodeRequest {
            name: room.name.replace("rooms/", "nodes/"),
        }
        .encode_to_vec(),
        "ResumeServerNode" => v1::ResumeServerNodeRequest {
            name: room.name.replace("rooms/", "nodes/"),
        }
        .encode_to_vec(),
        "RotateKeys" => v1::RotateKeysRequest {}.encode_to_vec(),
        "GetKeyRotation" => v1::GetKeyRotationRequest {}.encode_to_vec(),
        other => panic!("no call {other}"),
    }
}

fn room_payload(world: &World, room: &Room, method: &str) -> Vec<u8> {
    let name = room.name.clone();
    let account = world.newcomer.account.clone();
    match method {
        "CreateRoom" => v1::CreateRoomRequest {
            display_name: "another".to_owned(),
            topic: String::new(),
            request_id: uuid(),
        }
        .encode_to_vec(),
        "OpenDirectRoom" => v1::OpenDirectRoomRequest { account }.encode_to_vec(),
        "GetRoom" => v1::GetRoomRequest { name }.encode_to_vec(),
        "ListRooms" => v1::ListRoomsRequest::default().encode_to_vec(),
        "UpdateRoom" => {
            let display_name = "renamed".to_owned();
            let room = Some(v1::Room {
                name,
                display_name,
                ..v1::Room::default()
            });
            v1::UpdateRoomRequest {
                room,
                update_mask: None,
            }
            .encode_to_vec()
        }
        "ArchiveRoom" => v1::ArchiveRoomRequest { name }.encode_to_vec(),
        "UnarchiveRoom" => v1::UnarchiveRoomRequest { name }.encode_to_vec(),
        "DeleteRoom" => v1::DeleteRoomRequest { name }.encode_to_vec(),
        other => member_payload(world, room, other),
    }
}

fn member_payload(world: &World, room: &Room, method: &str) -> Vec<u8> {
    let parent = room.name.clone();
    let name = member(&parent, &world.target);
    let account = world.newcomer.account.clone();
    match method {
        "ListMembers" => v1::ListMembersRequest {
            parent,
            ..v1::ListMembersRequest::default()
        }
        .encode_to_vec(),
        "AddMember" => v1::AddMemberRequest {
            parent,
            account,
            role: 0,
        }
        .encode_to_vec(),
        "RemoveMember" => v1::RemoveMemberRequest { name }.encode_to_vec(),
        "LeaveRoom" => v1::LeaveRoomRequest { name: parent }.encode_to_vec(),
        "SetMemberRole" => {
            let role = v1::member::Role::Moderator.into();
            v1::SetMemberRoleRequest { name, role }.encode_to_vec()
        }
        "MuteMember" => v1::MuteMemberRequest { name, until: None }.encode_to_vec(),
        "UnmuteMember" => v1::UnmuteMemberRequest { name }.encode_to_vec(),
        "BanAccount" => v1::BanAccountRequest { parent, account }.encode_to_vec(),
        "UnbanAccount" => {
            let banned = world.person(Standing::Banned).expect("somebody");
            v1::UnbanAccountRequest {
                parent,
                account: banned.account.clone(),
            }
            .encode_to_vec()
        }
        "ListBans" => v1::ListBansRequest {
            parent,
            ..v1::ListBansRequest::default()
        }
        .encode_to_vec(),
        "CreateRoomLink" => v1::CreateRoomLinkRequest { parent }.encode_to_vec(),
        "DeleteRoomLink" => v1::DeleteRoomLinkRequest { parent }.encode_to_vec(),
        "JoinRoom" => v1::JoinRoomRequest {
            link: room.link.clone(),
        }
        .encode_to_vec(),
        other => panic!("no call {other}"),
    }
}

fn message_payload(room: &Room, method: &str) -> Vec<u8> {
    let (name, seq) = (room.name.clone(), room.said);
    match method {
        "SendMessage" => message(&name, "hello").encode_to_vec(),
        "EditMessage" => edit(room).encode_to_vec(),
        "DeleteMessage" => v1::DeleteMessageRequest { room: name, seq }.encode_to_vec(),
        "GetEvent" => v1::GetEventRequest { room: name, seq }.encode_to_vec(),
        "ListEvents" => v1::ListEventsRequest {
            parent: name,
            ..v1::ListEventsRequest::default()
        }
        .encode_to_vec(),
        "MarkRead" => v1::MarkReadRequest { room: name, seq }.encode_to_vec(),
        "ListReaders" => {
            let parent = name;
            v1::ListReadersRequest {
                parent,
                seq,
                ..v1::ListReadersRequest::default()
            }
            .encode_to_vec()
        }
        "SetTyping" => v1::SetTypingRequest { room: name }.encode_to_vec(),
        other => panic!("no call {other}"),
    }
}
