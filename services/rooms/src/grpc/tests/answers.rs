//! What comes back: from what was asked to what another call shows of it.

use cluster_rpc::name;
use prost_types::{FieldMask, Timestamp};
use proto::v1::event::Kind;

use super::*;
use crate::testing::file;

fn message(room: &str, id: &str, body: &str) -> v1::SendMessageRequest {
    v1::SendMessageRequest {
        room: room.to_owned(),
        client_message_id: id.to_owned(),
        body: body.to_owned(),
        format: v1::Format::Code.into(),
        priority: v1::Priority::High.into(),
        ..Default::default()
    }
}

async fn named_room(world: &World) -> String {
    name::of_room(world.room().await)
}

fn refused(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

#[tokio::test(start_paused = true)]
async fn without_a_caller_nothing_is_answered() {
    let (world, _disk) = World::simulated().await;
    let room = named_room(&world).await;
    let required = refused(Code::Unauthenticated, "TOKEN_REQUIRED");
    let get = Request::new(v1::GetRoomRequest { name: room.clone() });
    let get = RoomsService::get_room(&world.rooms, get).await;
    assert_eq!(refusal(get), required);
    let send = Request::new(message(&room, ID, "x"));
    let send = MessagesService::send_message(&world.rooms, send).await;
    assert_eq!(refusal(send), required);
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_listed_as_it_was_said() {
    let (world, _disk) = World::simulated().await;
    let id = world.room().await;
    let room = name::of_room(id);
    let question = world.says(id, OWNER, "how does it begin?").await;
    let send = |body| {
        let answer = v1::SendMessageRequest {
            reply_to_seq: question.0,
            ..message(&room, ID, body)
        };
        MessagesService::send_message(&world.rooms, by(MEMBER, answer))
    };
    let sent = send("fn main() {}").await.expect("is sent").into_inner();
    let again = send("fn main() {}").await.expect("is there").into_inner();
    assert_eq!(again, sent);
    let reused = refused(Code::AlreadyExists, "CLIENT_MESSAGE_ID_REUSED");
    assert_eq!(refusal(send("fn main() { }").await), reused);

    let list = v1::ListEventsRequest {
        parent: room.clone(),
        page_size: 1,
        ..Default::default()
    };
    let page = MessagesService::list_events(&world.rooms, by(OWNER, list.clone())).await;
    let page = page.expect("a page").into_inner();
    let said = v1::Message {
        body: "fn main() {}".to_owned(),
        format: v1::Format::Code.into(),
        priority: v1::Priority::High.into(),
        reply_to_seq: question.0,
        client_message_id: ID.to_owned(),
        ..Default::default()
    };
    let event = v1::Event {
        room: room.clone(),
        seq: sent.seq,
        actor: name::of_account(MEMBER),
        create_time: sent.create_time,
        message_count: 2,
        kind: Some(Kind::Message(said)),
    };
    assert_eq!(page.events, std::slice::from_ref(&event));
    let rest = v1::ListEventsRequest {
        page_token: page.next_page_token,
        page_size: 9,
        ..list
    };
    let rest = MessagesService::list_events(&world.rooms, by(OWNER, rest)).await;
    let rest = rest.expect("a page").into_inner();
    let seqs: Vec<_> = rest.events.iter().map(|event| event.seq).collect();
    assert_eq!((seqs, &rest.next_page_token[..]), (vec![4, 3, 2, 1], ""));
    let get = by(
        OWNER,
        v1::GetEventRequest {
            room,
            seq: sent.seq,
        },
    );
    let got = MessagesService::get_event(&world.rooms, get).await;
    assert_eq!(got.expect("is there").into_inner(), event);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_asked_for_twice_answers_with_the_first() {
    let (world, _disk) = World::simulated().await;
    let room = named_room(&world).await;
    let send = by(MEMBER, message(&room, ID, "oops"));
    let sent = MessagesService::send_message(&world.rooms, send).await;
    let seq = sent.expect("is sent").into_inner().seq;
    for (account, text) in [(MEMBER, "is deleted"), (MODERATOR, "has been deleted")] {
        let room = room.clone();
        let delete = by(account, v1::DeleteMessageRequest { room, seq });
        let deleted = MessagesService::delete_message(&world.rooms, delete).await;
        assert_eq!(deleted.expect(text).into_inner().seq, 5);
        world.lonely_room().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mask_says_what_is_set() {
    let (world, _disk) = World::simulated().await;
    let room = named_room(&world).await;
    let update = async |display_name: &str, topic: &str, paths: &[&str]| {
        let asked = v1::Room {
            name: room.clone(),
            display_name: display_name.to_owned(),
            topic: topic.to_owned(),
            ..Default::default()
        };
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateRoomRequest {
            room: Some(asked),
            update_mask: Some(FieldMask { paths }),
        };
        let updated = RoomsService::update_room(&world.rooms, by(MODERATOR, request)).await;
        let room = updated.expect("is set").into_inner();
        format!("{}, {}", room.display_name, room.topic)
    };
    assert_eq!(update("ignored", "cake", &["topic"]).await, "tea, cake");
    assert_eq!(
        update("coffee", "ignored", &["display_name"]).await,
        "coffee, cake"
    );
    assert_eq!(update("water", "", &[]).await, "water, ");
}

#[tokio::test(start_paused = true)]
async fn members_are_shown_as_they_stand() {
    let (world, _disk) = World::simulated().await;
    let id = world.room().await;
    let (parent, account) = (name::of_room(id), name::of_account(STRANGER));
    let add = v1::AddMemberRequest {
        parent: parent.clone(),
        account: account.clone(),
        role: 0,
    };
    let added = RoomsService::add_member(&world.rooms, by(MODERATOR, add)).await;
    let name = name::of_member(id, STRANGER);
    let mut expected = v1::Member {
        name: name.clone(),
        account,
        role: v1::member::Role::Member.into(),
        muted: false,
        muted_until: None,
    };
    assert_eq!(added.expect("is added").into_inner(), expected);

    let until = Some(Timestamp {
        seconds: 2_000_000_000,
        nanos: 0,
    });
    let mute = v1::MuteMemberRequest {
        name: name.clone(),
        until,
    };
    let muted = RoomsService::mute_member(&world.rooms, by(MODERATOR, mute)).await;
    (expected.muted, expected.muted_until) = (true, until);
    assert_eq!(muted.expect("is muted").into_inner(), expected);
    let list = v1::ListMembersRequest {
        parent,
        ..Default::default()
    };
    let listed = RoomsService::list_members(&world.rooms, by(STRANGER, list)).await;
    let listed = listed.expect("a page").into_inner().members;
    assert_eq!(listed.last(), Some(&expected));

    let unmute = by(MODERATOR, v1::UnmuteMemberRequest { name });
    let unmuted = RoomsService::unmute_member(&world.rooms, unmute).await;
    (expected.muted, expected.muted_until) = (false, None);
    assert_eq!(unmuted.expect("may write").into_inner(), expected);
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_codes() {
    let (world, _disk) = World::simulated().await;
    let (rooms, name) = (&world.rooms, named_room(&world).await);
    let get = by(STRANGER, v1::GetRoomRequest { name: name.clone() });
    let get = RoomsService::get_room(rooms, get).await;
    assert_eq!(refusal(get), refused(Code::NotFound, "ROOM_NOT_FOUND"));
    let archive = by(MODERATOR, v1::ArchiveRoomRequest { name: name.clone() });
    let archive = RoomsService::archive_room(rooms, archive).await;
    assert_eq!(
        refusal(archive),
        refused(Code::PermissionDenied, "ROLE_TOO_LOW")
    );
    let leave = by(OWNER, v1::LeaveRoomRequest { name: name.clone() });
    let leave = RoomsService::leave_room(rooms, leave).await;
    assert_eq!(
        refusal(leave),
        refused(Code::FailedPrecondition, "LAST_OWNER")
    );
    let bans = v1::ListBansRequest {
        parent: name,
        ..Default::default()
    };
    let bans = RoomsService::list_bans(rooms, by(MEMBER, bans)).await;
    assert_eq!(
        refusal(bans),
        refused(Code::PermissionDenied, "ROLE_TOO_LOW")
    );
    let link = "rk_l_".to_owned();
    let join = RoomsService::join_room(rooms, by(STRANGER, v1::JoinRoomRequest { link })).await;
    assert_eq!(refusal(join), refused(Code::NotFound, "LINK_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn a_link_lets_in_until_it_is_void() {
    let (world, _disk) = World::simulated().await;
    let (rooms, parent) = (&world.rooms, named_room(&world).await);
    let make = v1::CreateRoomLinkRequest {
        parent: parent.clone(),
    };
    let made = RoomsService::create_room_link(rooms, by(MODERATOR, make)).await;
    let link = made.expect("is made").into_inner().link;
    let join = || by(STRANGER, v1::JoinRoomRequest { link: link.clone() });
    let joined = RoomsService::join_room(rooms, join()).await;
    assert_eq!(joined.expect("joins").into_inner().name, parent);
    let leave = v1::LeaveRoomRequest {
        name: parent.clone(),
    };
    let left = RoomsService::leave_room(rooms, by(STRANGER, leave)).await;
    left.expect("leaves");
    let void = by(MODERATOR, v1::DeleteRoomLinkRequest { parent });
    let void = RoomsService::delete_room_link(rooms, void).await;
    void.expect("is void");
    let too_late = RoomsService::join_room(rooms, join()).await;
    assert_eq!(refusal(too_late), refused(Code::NotFound, "LINK_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_says_what_it_is_and_when_to_come_back() {
    let (world, disk) = World::simulated().await;
    let room = named_room(&world).await;
    disk.set_full(true);
    let send = by(OWNER, message(&room, ID, "x"));
    let refused = MessagesService::send_message(&world.rooms, send).await;
    let status = refused.expect_err("there is no space");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("disk"), "{}", status.message());
    let details = status.get_error_details();
    let retry = details.retry_info().expect("says when").retry_delay;
    assert!(retry.is_some_and(|delay| !delay.is_zero()));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_shown_with_its_files_and_without_their_keys() {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    let name = name::of_room(room);
    world.uploads(room, MEMBER, file(7)).await;
    let request = v1::SendMessageRequest {
        attachments: vec![name::of_file(file(7))],
        ..message(&name, ID, "")
    };
    let sent = MessagesService::send_message(&world.rooms, by(MEMBER, request.clone())).await;
    let seq = sent.expect("needs no words").into_inner().seq;
    let asked = v1::GetEventRequest { room: name, seq };
    let shown = MessagesService::get_event(&world.rooms, by(OWNER, asked)).await;
    let Some(Kind::Message(shown)) = shown.expect("an event").into_inner().kind else {
        panic!("{seq} is not a message");
    };
    let expected = v1::Attachment {
        file: name::of_file(file(7)),
        display_name: "7.png".to_owned(),
        size: 107,
        media_type: "image/png".to_owned(),
        sha256: vec![7; 32],
    };
    assert_eq!(
        (shown.body, shown.attachments),
        (String::new(), vec![expected])
    );
    let other = v1::SendMessageRequest {
        client_message_id: ID.replace("01", "02"),
        ..request
    };
    let taken = MessagesService::send_message(&world.rooms, by(MEMBER, other)).await;
    assert_eq!(
        refusal(taken),
        refused(Code::FailedPrecondition, "UPLOAD_TAKEN")
    );
}
