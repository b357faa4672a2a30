//! Requests that are refused for what they are, each with the field that is at fault.

use cluster_rpc::name;
use cluster_types::RoomId;
use prost_types::{FieldMask, Timestamp};
use proto::v1::list_events_request::Start;

use super::*;
use crate::limits::{BODY_BYTES_MAX, DISPLAY_NAME_CHARS_MAX, TOPIC_CHARS_MAX};
use crate::testing::file;

/// The fields that an answer names.
fn fields<T: std::fmt::Debug>(answer: Result<Response<T>, Status>) -> Vec<String> {
    let status = answer.expect_err("is refused");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let bad = details.bad_request().expect("names fields");
    let mut violations = bad.field_violations.iter();
    assert!(
        violations
            .clone()
            .all(|field| !field.description.is_empty())
    );
    violations
        .by_ref()
        .map(|violation| violation.field.clone())
        .collect()
}

/// Each request, with the fields that its refusal names.
macro_rules! refuses {
    ($rooms:expr, $service:ident::$call:ident: $($request:expr => $fields:expr),+ $(,)?) => {$(
        let request = $request;
        let shown: String = format!("{request:?}").chars().take(300).collect();
        let answer = $service::$call($rooms, by(OWNER, request)).await;
        assert_eq!(fields(answer), $fields, "{shown}");
    )+};
}

/// The name of a file that is not there.
fn a_file() -> String {
    name::of_file(file(8))
}

struct Place {
    world: World,
    room: RoomId,
    name: String,
    member: String,
}

async fn place() -> Place {
    let (world, _disk) = World::simulated().await;
    let room = world.room().await;
    Place {
        world,
        room,
        name: name::of_room(room),
        member: name::of_member(room, MEMBER),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_sent() {
    let Place { world, name, .. } = place().await;
    let good = v1::SendMessageRequest {
        room: name,
        client_message_id: ID.to_owned(),
        body: "hello".to_owned(),
        ..Default::default()
    };
    let with = |change: fn(&mut v1::SendMessageRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    refuses!(&world.rooms, MessagesService::send_message:
        with(|r| r.room.clear()) => ["room"],
        with(|r| r.room = "rooms/of-mine".to_owned()) => ["room"],
        with(|r| r.room = name::of_account(OWNER)) => ["room"],
        with(|r| r.client_message_id.clear()) => ["client_message_id"],
        with(|r| r.client_message_id = "7".to_owned()) => ["client_message_id"],
        with(|r| r.client_message_id = ID.replace('-', "")) => ["client_message_id"],
        with(|r| r.client_message_id = format!("{{{ID}}}")) => ["client_message_id"],
        with(|r| r.client_message_id = ID.replace("01", "g1")) => ["client_message_id"],
        with(|r| r.client_message_id = uuid::Uuid::nil().to_string()) => ["client_message_id"],
        with(|r| r.body.clear()) => ["body"],
        with(|r| r.body = "x".repeat(BODY_BYTES_MAX + 1)) => ["body"],
        with(|r| r.attachments = vec![a_file(); 11]) => ["attachments"],
        with(|r| r.attachments = vec![a_file(); 2]) => ["attachments[1]"],
        with(|r| r.attachments = vec!["files/x".to_owned(), a_file(), String::new()])
            => ["attachments[0]", "attachments[2]"],
        with(|r| r.format = 4) => ["format"],
        with(|r| r.format = -1) => ["format"],
        with(|r| r.priority = 4) => ["priority"],
        with(|r| r.reply_to_seq = 4) => ["reply_to_seq"],
        with(|r| r.reply_to_seq = u64::MAX) => ["reply_to_seq"],
        v1::SendMessageRequest { format: 9, priority: 9, ..Default::default() }
            => ["room", "client_message_id", "body", "format", "priority"],
    );
    let largest = with(|r| r.body = "x".repeat(BODY_BYTES_MAX));
    let sent = MessagesService::send_message(&world.rooms, by(OWNER, largest)).await;
    assert_eq!(sent.expect("just fits").into_inner().seq, 4);
}

#[tokio::test(start_paused = true)]
async fn edits_and_deletions_of_nothing() {
    let Place {
        world, room, name, ..
    } = place().await;
    let said = world.says(room, OWNER, "hello").await.0;
    let good = v1::EditMessageRequest {
        room: name.clone(),
        seq: said,
        body: "hello!".to_owned(),
        client_message_id: ID.to_owned(),
        ..Default::default()
    };
    let with = |change: fn(&mut v1::EditMessageRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    refuses!(&world.rooms, MessagesService::edit_message:
        with(|r| r.room.push('x')) => ["room"],
        with(|r| r.seq = 0) => ["seq"],
        with(|r| r.seq = 5) => ["seq"],
        with(|r| r.body.clear()) => ["body"],
        with(|r| r.body = "x".repeat(BODY_BYTES_MAX + 1)) => ["body"],
        with(|r| r.format = 17) => ["format"],
        with(|r| r.client_message_id = "x".repeat(36)) => ["client_message_id"],
        v1::EditMessageRequest { format: 9, ..Default::default() }
            => ["room", "seq", "client_message_id", "format"],
        with(|r| r.remove_attachments = vec![a_file(); 11]) => ["remove_attachments"],
        with(|r| r.remove_attachments = vec![a_file(); 2]) => ["remove_attachments[1]"],
        with(|r| r.remove_attachments = vec![String::new()]) => ["remove_attachments[0]"],
    );
    let delete = |seq| v1::DeleteMessageRequest {
        room: name.clone(),
        seq,
    };
    refuses!(&world.rooms, MessagesService::delete_message:
        delete(0) => ["seq"],
        delete(5) => ["seq"],
        v1::DeleteMessageRequest::default() => ["room", "seq"],
    );
    let missing = MessagesService::delete_message(&world.rooms, by(OWNER, delete(1))).await;
    assert_eq!(
        refusal(missing),
        (Code::NotFound, "MESSAGE_NOT_FOUND".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn places_in_the_log_that_are_not_there() {
    let Place {
        world, room, name, ..
    } = place().await;
    let event = |seq| v1::GetEventRequest {
        room: name.clone(),
        seq,
    };
    refuses!(&world.rooms, MessagesService::get_event:
        event(0) => ["seq"],
        v1::GetEventRequest { room: "rooms/".to_owned(), seq: 1 } => ["room"],
    );
    let missing = MessagesService::get_event(&world.rooms, by(OWNER, event(4))).await;
    assert_eq!(
        refusal(missing),
        (Code::NotFound, "EVENT_NOT_FOUND".to_owned())
    );
    let mark = |seq| v1::MarkReadRequest {
        room: name.clone(),
        seq,
    };
    refuses!(&world.rooms, MessagesService::mark_read:
        mark(0) => ["seq"],
        mark(4) => ["seq"],
        v1::MarkReadRequest { room: ID.to_owned(), seq: 1 } => ["room"],
    );
    refuses!(&world.rooms, MessagesService::set_typing:
        v1::SetTypingRequest::default() => ["room"],
    );
    assert_eq!(
        world.log(room, OWNER).await.len(),
        3,
        "nothing of that has done anything"
    );
}

#[tokio::test(start_paused = true)]
async fn pages_that_cannot_be_turned_to() {
    let Place { world, name, .. } = place().await;
    let good = v1::ListEventsRequest {
        parent: name.clone(),
        page_size: 1,
        ..Default::default()
    };
    let with = |change: &dyn Fn(&mut v1::ListEventsRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    let page = MessagesService::list_events(&world.rooms, by(OWNER, good.clone())).await;
    let token = page.expect("a page").into_inner().next_page_token;
    let readers = |seq, page_size, page_token: &str| v1::ListReadersRequest {
        parent: name.clone(),
        seq,
        page_size,
        page_token: page_token.to_owned(),
    };
    let page = MessagesService::list_readers(&world.rooms, by(OWNER, readers(1, 1, ""))).await;
    let of_readers = page.expect("a page").into_inner().next_page_token;
    assert!(!token.is_empty() && !of_readers.is_empty());
    let other_room = name::of_room(world.lonely_room().await);
    let time = |seconds, nanos| Some(Start::FromTime(Timestamp { seconds, nanos }));
    refuses!(&world.rooms, MessagesService::list_events:
        with(&|r| r.parent = name::of_account(OWNER)) => ["parent"],
        with(&|r| r.page_size = -1) => ["page_size"],
        with(&|r| r.direction = 3) => ["direction"],
        with(&|r| r.start = Some(Start::FromSeq(0))) => ["from_seq"],
        with(&|r| r.start = Some(Start::FromSeq(4))) => ["from_seq"],
        with(&|r| r.start = Some(Start::FromSeq(u64::MAX))) => ["from_seq"],
        with(&|r| r.start = time(-1, 0)) => ["from_time"],
        with(&|r| r.start = time(1, -1)) => ["from_time"],
        with(&|r| r.page_token = "?".to_owned()) => ["page_token"],
        with(&|r| r.page_token = of_readers.clone()) => ["page_token"],
        with(&|r| { r.page_token = token.clone(); r.direction = 2 }) => ["page_token"],
        with(&|r| { r.page_token = token.clone(); r.parent = other_room.clone() })
            => ["page_token"],
    );
    refuses!(&world.rooms, MessagesService::list_readers:
        readers(0, 0, "") => ["seq"],
        readers(4, 0, "") => ["seq"],
        readers(1, -5, "") => ["page_size"],
        readers(1, 0, &token) => ["page_token"],
        readers(2, 0, &of_readers) => ["page_token"],
    );
}

#[tokio::test(start_paused = true)]
async fn rooms_that_cannot_be() {
    let Place { world, name, .. } = place().await;
    let create = |display_name: &str, topic: &str, request_id: &str| v1::CreateRoomRequest {
        display_name: display_name.to_owned(),
        topic: topic.to_owned(),
        request_id: request_id.to_owned(),
    };
    let long_name = "é".repeat(DISPLAY_NAME_CHARS_MAX + 1);
    let long_topic = "é".repeat(TOPIC_CHARS_MAX + 1);
    refuses!(&world.rooms, RoomsService::create_room:
        create("", "", ID) => ["display_name"],
        create(" \u{a0}", "", ID) => ["display_name"],
        create("two\nlines", "", ID) => ["display_name"],
        create(&long_name, "", ID) => ["display_name"],
        create("tea", &long_topic, ID) => ["topic"],
        create("tea", "\u{7}", ID) => ["topic"],
        create("tea", "", "") => ["request_id"],
    );
    refuses!(&world.rooms, RoomsService::open_direct_room:
        v1::OpenDirectRoomRequest { account: name.clone() } => ["account"],
    );
    let update = |display_name: &str, topic: &str, paths: &[&str]| v1::UpdateRoomRequest {
        room: Some(v1::Room {
            name: name.clone(),
            display_name: display_name.to_owned(),
            topic: topic.to_owned(),
            ..Default::default()
        }),
        update_mask: Some(FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    refuses!(&world.rooms, RoomsService::update_room:
        v1::UpdateRoomRequest::default() => ["room"],
        v1::UpdateRoomRequest { room: Some(v1::Room::default()), update_mask: None }
            => ["room.name"],
        update("x", "", &["archived"]) => ["update_mask"],
        update("", "", &[]) => ["room.display_name"],
        update("", "", &["display_name"]) => ["room.display_name"],
        update("", &long_topic, &["topic"]) => ["room.topic"],
    );
}

#[tokio::test(start_paused = true)]
async fn lists_of_rooms_that_are_another_accounts() {
    let Place { world, .. } = place().await;
    world.lonely_room().await;
    let list = |page_size, page_token: &str| v1::ListRoomsRequest {
        page_size,
        page_token: page_token.to_owned(),
    };
    let page = RoomsService::list_rooms(&world.rooms, by(OWNER, list(1, ""))).await;
    let token = page.expect("a page").into_inner().next_page_token;
    assert!(!token.is_empty());
    refuses!(&world.rooms, RoomsService::list_rooms:
        list(-1, "") => ["page_size"],
        list(0, "AAAA") => ["page_token"],
    );
    let stolen = RoomsService::list_rooms(&world.rooms, by(MEMBER, list(0, &token))).await;
    assert_eq!(fields(stolen), ["page_token"]);
}

#[tokio::test(start_paused = true)]
async fn names_of_rooms_that_are_none() {
    let Place { world, member, .. } = place().await;
    let rooms = &world.rooms;
    let bad = || member.clone();
    refuses!(rooms, RoomsService::get_room: v1::GetRoomRequest { name: bad() } => ["name"]);
    refuses!(rooms, RoomsService::archive_room: v1::ArchiveRoomRequest { name: bad() } => ["name"]);
    refuses!(rooms, RoomsService::unarchive_room:
        v1::UnarchiveRoomRequest { name: bad() } => ["name"]);
    refuses!(rooms, RoomsService::delete_room: v1::DeleteRoomRequest { name: bad() } => ["name"]);
    refuses!(rooms, RoomsService::leave_room: v1::LeaveRoomRequest { name: bad() } => ["name"]);
    refuses!(rooms, RoomsService::create_room_link:
        v1::CreateRoomLinkRequest { parent: bad() } => ["parent"]);
    refuses!(rooms, RoomsService::delete_room_link:
        v1::DeleteRoomLinkRequest { parent: bad() } => ["parent"]);
}

#[tokio::test(start_paused = true)]
async fn members_that_cannot_be() {
    let Place {
        world,
        name,
        member,
        ..
    } = place().await;
    let rooms = &world.rooms;
    let add = |parent: &str, account: String, role| v1::AddMemberRequest {
        parent: parent.to_owned(),
        account,
        role,
    };
    refuses!(rooms, RoomsService::add_member:
        add("", name::of_account(STRANGER), 0) => ["parent"],
        add(&name, member.clone(), 0) => ["account"],
        add(&name, name::of_account(STRANGER), 4) => ["role"],
    );
    refuses!(rooms, RoomsService::remove_member:
        v1::RemoveMemberRequest { name: name.clone() } => ["name"]);
    let set_role = |name: &str, role| v1::SetMemberRoleRequest {
        name: name.to_owned(),
        role,
    };
    refuses!(rooms, RoomsService::set_member_role:
        set_role(&name, 1) => ["name"],
        set_role(&member, 0) => ["role"],
        set_role(&member, -4) => ["role"],
    );
    let mute = |name: &str, seconds| v1::MuteMemberRequest {
        name: name.to_owned(),
        until: Some(Timestamp { seconds, nanos: 0 }),
    };
    refuses!(rooms, RoomsService::mute_member:
        mute(&name, 5) => ["name"],
        mute(&member, -5) => ["until"],
        mute(&member, 0) => ["until"],
    );
    refuses!(rooms, RoomsService::unmute_member:
        v1::UnmuteMemberRequest { name: name.clone() } => ["name"]);
    let ban = |parent: &str, account: &str| v1::BanAccountRequest {
        parent: parent.to_owned(),
        account: account.to_owned(),
    };
    refuses!(rooms, RoomsService::ban_account:
        ban(&name, "accounts/me") => ["account"],
        ban("", &name::of_account(MEMBER)) => ["parent"],
    );
    let unban = v1::UnbanAccountRequest {
        parent: name,
        account: "me".to_owned(),
    };
    refuses!(rooms, RoomsService::unban_account: unban => ["account"]);
}

#[tokio::test(start_paused = true)]
async fn lists_of_members_that_are_another_lists() {
    let Place {
        world,
        name,
        member,
        ..
    } = place().await;
    let list = |parent: &str, page_size| v1::ListMembersRequest {
        parent: parent.to_owned(),
        page_size,
        page_token: String::new(),
    };
    let page = RoomsService::list_members(&world.rooms, by(OWNER, list(&name, 1))).await;
    let page_token = page.expect("a page").into_inner().next_page_token;
    assert!(!page_token.is_empty());
    refuses!(&world.rooms, RoomsService::list_members:
        list(&name, -1) => ["page_size"],
        list(&member, 1) => ["parent"],
    );
    let bans = v1::ListBansRequest {
        parent: name,
        page_size: 0,
        page_token,
    };
    refuses!(&world.rooms, RoomsService::list_bans: bans => ["page_token"]);
}
