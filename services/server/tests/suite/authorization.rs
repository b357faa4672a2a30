//! The matrix, cell by cell, on a real server; and that it has a row for everything there is.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorSet;
use proto::v1;
use proto::v1::client_frame::Command;

use crate::matrix::{code, rows};
use crate::support::Answer;
use crate::world::{PASSWORD, Person, Room, Standing, World, member, message, sign_in, uuid};

/// Everything that can be called, by the descriptors of the API.
fn callable() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(v1::FILE_DESCRIPTOR_SET)
        .expect("descriptors")
        .file;
    let mut found = BTreeSet::new();
    for file in &files {
        for service in &file.service {
            let methods = service.method.iter();
            found.extend(methods.map(|method| format!("{}/{}", service.name(), method.name())));
        }
        let frames = file
            .message_type
            .iter()
            .filter(|message| message.name() == "ClientFrame");
        let fields = frames
            .flat_map(|frame| &frame.field)
            .filter(|field| field.oneof_index.is_some());
        // The greeting is the call itself.
        let commands = fields
            .map(prost_types::FieldDescriptorProto::name)
            .filter(|n| *n != "hello");
        found.extend(commands.map(|name| format!("Sessions/Connect#{name}")));
    }
    found
}

#[test]
fn every_call_and_every_command_has_one_row() {
    let rows = rows();
    let named: BTreeSet<String> = rows.iter().map(|(call, _)| (*call).to_owned()).collect();
    assert_eq!(named.len(), rows.len(), "a row stands twice");
    assert_eq!(named, callable());
    for (call, words) in &rows {
        assert_eq!(words.len(), Standing::ALL.len(), "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_can_do_more_or_less_than_the_matrix_says() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    let mut cells = 0;
    let mut room = world.room().await;
    for (call, words) in rows() {
        for (standing, word) in Standing::ALL.into_iter().zip(words) {
            let answer = cell(&world, &room, call, standing).await;
            cells += 1;
            if answer.code == 0 && !only_reads(call) {
                room = world.room().await;
            }
            if answer.code != code(word) {
                let Answer { code, message, .. } = answer;
                wrong.push(format!(
                    "{call} by {standing:?}: {code} ({message}), expected {word}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {cells} cells are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(cells, rows().len() * Standing::ALL.len());
}

/// Whether a call leaves the room as it was, whoever makes it. A refused call does in any case.
fn only_reads(call: &str) -> bool {
    let touches_rooms = [
        "Rooms/",
        "Messages/",
        "Administration/DeleteServerRoom",
        "Sessions/Connect#",
    ];
    let reads = [
        "/Get",
        "/List",
        "/MarkRead",
        "/SetTyping",
        "#mark_read",
        "#set_",
        "follow_room",
    ];
    !touches_rooms.iter().any(|prefix| call.starts_with(prefix))
        || reads.iter().any(|part| call.contains(part))
        || call == "Sessions/Connect#watch_presence"
}

/// Calls `call` about `room`, by somebody of this standing.
async fn cell(world: &World, room: &Room, call: &str, standing: Standing) -> Answer {
    let mut caller = world.person(standing).cloned();
    if let ("Accounts/SignOut", Some(person)) = (call, &caller) {
        caller = Some(sign_in(&world.connection, &person.user_name).await);
    }
    let token = caller.as_ref().map(|person| person.token.as_str());
    match call.split_once('#') {
        Some((_, command)) => stream(world, token, &command_of(world, room, command)).await,
        None if call == "Sessions/Connect" => {
            stream(
                world,
                token,
                &Command::UnfollowRoom(v1::UnfollowRoom {
                    room: room.name.clone(),
                }),
            )
            .await
        }
        None => {
            let payload = payload(world, room, call, caller.as_ref()).await;
            world.connection.call_with(token, call, &[payload]).await
        }
    }
}

/// Greets, gives one command, and answers what its reply says.
async fn stream(world: &World, token: Option<&str>, command: &Command) -> Answer {
    let frame = |request_id, command| {
        v1::ClientFrame {
            request_id,
            command: Some(command),
        }
        .encode_to_vec()
    };
    let frames = [
        frame(0, Command::Hello(v1::Hello::default())),
        frame(7, command.clone()),
    ];
    let mut answer = world
        .connection
        .call_with(token, "Sessions/Connect", &frames)
        .await;
    let decoded = answer
        .messages
        .iter()
        .map(|bytes| v1::ServerFrame::decode(bytes.clone()));
    let items = decoded
        .flat_map(|frame| frame.expect("a frame").items)
        .filter_map(|i| i.item);
    for item in items {
        if let v1::server_item::Item::Reply(reply) = item
            && let Some(v1::reply::Result::Error(error)) = reply.result
        {
            answer.code = error.code;
            answer.message = error.message;
        }
    }
    answer
}

fn command_of(world: &World, room: &Room, command: &str) -> Command {
    let name = room.name.clone();
    match command {
        "follow_room" => Command::FollowRoom(v1::FollowRoom {
            room: name,
            ..v1::FollowRoom::default()
        }),
        "unfollow_room" => Command::UnfollowRoom(v1::UnfollowRoom { room: name }),
        "send_message" => Command::SendMessage(message(&name, "hello")),
        "edit_message" => Command::EditMessage(edit(room)),
        "delete_message" => Command::DeleteMessage(v1::DeleteMessageRequest {
            room: name,
            seq: room.said,
        }),
        "mark_read" => Command::MarkRead(v1::MarkReadRequest {
            room: name,
            seq: room.said,
        }),
        "set_typing" => Command::SetTyping(v1::SetTypingRequest { room: name }),
        "set_presence" => Command::SetPresence(v1::SetPresence {
            state: v1::presence::State::Away.into(),
        }),
        "watch_presence" => {
            let accounts = vec![world.target.account.clone()];
            Command::WatchPresence(v1::WatchPresence { accounts })
        }
        other => panic!("no command {other}"),
    }
}

fn edit(room: &Room) -> v1::EditMessageRequest {
    v1::EditMessageRequest {
        room: room.name.clone(),
        seq: room.said,
        body: "goodbye".to_owned(),
        format: 0,
        client_message_id: uuid(),
    }
}

async fn payload(world: &World, room: &Room, call: &str, caller: Option<&Person>) -> Vec<u8> {
    match call.split_once('/').expect("a service") {
        ("Accounts", method) => account_payload(world, method, caller).await,
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
        other => panic!("no call {other}"),
    }
}

fn room_payload(world: &World, room: &Room, method: &str) -> Vec<u8> {
    let name = room.name.clone();
    let parent = name.clone();
    let target = member(&name, &world.target);
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
        "RemoveMember" => v1::RemoveMemberRequest { name: target }.encode_to_vec(),
        "LeaveRoom" => v1::LeaveRoomRequest { name }.encode_to_vec(),
        "SetMemberRole" => {
            let role = v1::member::Role::Moderator.into();
            v1::SetMemberRoleRequest { name: target, role }.encode_to_vec()
        }
        "MuteMember" => v1::MuteMemberRequest {
            name: target,
            until: None,
        }
        .encode_to_vec(),
        "UnmuteMember" => v1::UnmuteMemberRequest { name: target }.encode_to_vec(),
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
