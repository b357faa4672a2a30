//! No traces (P13): what must not be kept is looked for in everything that is kept.
//!
//! A client from an address of its own does all that people do, with passwords, tokens and words that stand
//! nowhere else ([`canaries`](crate::canaries)), while the server logs as much as it can. Then every byte of
//! the logs and of the data directory is searched, in the forms in which such things turn up.

use std::path::{Path, PathBuf};

use prost::Message as _;
use proto::v1;
use proto::v1::client_frame::Command;

use crate::canaries::{self, BODY, find, forms};
use crate::process::Process;
use crate::support::Connection;
use crate::world::{self, message, uuid};

/// An address of this machine that nothing else uses.
const ADDRESS: [u8; 4] = [127, 66, 77, 88];
const PASSWORD: &str = "Yellow-Bird-4711-Xyzzy!q";
const NEW_PASSWORD: &str = "Green-Parrot-1174-Plover!z";

/// Where to look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// What the server logs.
    Log,
    /// What the server prints for whoever starts it: how to go on, with the first invitation.
    Printed,
    /// What people write lies here, sealed.
    Store,
}

/// What to look for, in one of its forms.
struct Needle {
    what: &'static str,
    bytes: Vec<u8>,
    nowhere_in: &'static [Place],
}

/// What came to be while somebody lived here.
struct Life {
    token: String,
    /// One that was printed at the start, and one made by an administrator.
    invitations: [String; 2],
    link: String,
}

const EVERYWHERE: &[Place] = &[Place::Log, Place::Printed, Place::Store];
const NOT_PRINTED: &[Place] = &[Place::Log, Place::Store];

fn needles(life: &Life) -> Vec<Needle> {
    let mut needles = Vec::new();
    let mut add = |what, text: &str, nowhere_in| {
        needles.extend(forms(text).into_iter().map(|bytes| Needle {
            what,
            bytes,
            nowhere_in,
        }));
    };
    add("password", PASSWORD, EVERYWHERE);
    add("new password", NEW_PASSWORD, EVERYWHERE);
    // Secrets without the prefix that says what they are.
    let [printed, made] = &life.invitations;
    add("token", &life.token["rk_s_".len()..], EVERYWHERE);
    add("first invitation", &printed["rk_i_".len()..], NOT_PRINTED);
    add("invitation", &made["rk_i_".len()..], EVERYWHERE);
    add("link", &life.link["rk_l_".len()..], EVERYWHERE);
    add("address", "127.66.77.88", EVERYWHERE);
    for (what, text, _) in canaries::ALL {
        add(what, text, EVERYWHERE);
    }
    needles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_do_leaves_no_trace() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &["--log", "trace"]).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let connection = Connection::from(process.address, ADDRESS).await;
    let life = live(&connection, &invitation).await;
    process.kill();

    let mut hits = Vec::new();
    let mut bytes_searched = 0;
    let needles = needles(&life);
    let looked_for: Vec<&[u8]> = needles.iter().map(|needle| &needle.bytes[..]).collect();
    for (file, place) in files(dir.path()) {
        let bytes = std::fs::read(&file).expect("reads");
        bytes_searched += bytes.len();
        let found = canaries::find_all(&bytes, &looked_for).into_iter();
        let found = found.map(|number| &needles[number]);
        for needle in found.filter(|needle| needle.nowhere_in.contains(&place)) {
            hits.push(format!("{} in {}", needle.what, file.display()));
        }
        if place == Place::Log {
            let log = String::from_utf8_lossy(&bytes);
            assert!(log.contains("TRACE"), "the server logs as much as it can");
        }
    }
    assert!(hits.is_empty(), "{hits:#?} in {bytes_searched} bytes");
}

/// The search itself is searched: it has to find what is known to be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_finds_what_is_there() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &["--unsealed"]).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    live(
        &Connection::from(process.address, ADDRESS).await,
        &invitation,
    )
    .await;
    process.kill();
    let stored = files(dir.path()).into_iter();
    let stored = stored.filter(|(_, place)| *place == Place::Store);
    let stored: Vec<_> = stored
        .map(|(file, _)| std::fs::read(file).expect("reads"))
        .collect();
    for (what, text, _) in canaries::ALL.iter().filter(|(_, _, stays)| *stays) {
        let found = stored.iter().any(|bytes| find(bytes, text.as_bytes()));
        assert!(found, "{what} is in the store, which is not sealed");
    }
}

/// Everything that people do, at least once, rightly and wrongly.
async fn live(connection: &Connection, invitation: &str) -> Life {
    let register = v1::RegisterAccountRequest {
        user_name: canaries::USER_NAME.to_owned(),
        display_name: canaries::DISPLAY_NAME.to_owned(),
        password: PASSWORD.to_owned(),
        invitation: invitation.to_owned(),
        device_label: canaries::LABEL.to_owned(),
        ..v1::RegisterAccountRequest::default()
    };
    let registered = connection
        .call(None, "Accounts/RegisterAccount", &register)
        .await;
    let registered: v1::SignInResponse = registered.ok();
    let token = Some(registered.token.as_str());

    fail(connection, &register, &registered.token).await;
    let change = v1::ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: NEW_PASSWORD.to_owned(),
    };
    let changed = connection
        .call(token, "Accounts/ChangePassword", &change)
        .await;
    changed.ok::<()>();
    let request = v1::CreateInvitationRequest::default();
    let noted = v1::CreateInvitationRequest {
        note: canaries::NOTE.to_owned(),
        ..request.clone()
    };
    let kept = connection
        .call(token, "Administration/CreateInvitation", &noted)
        .await;
    kept.ok::<v1::CreateInvitationResponse>();
    let made = connection
        .call(token, "Administration/CreateInvitation", &request)
        .await;
    let made: v1::CreateInvitationResponse = made.ok();
    let guest = world::register(connection, "guest", &made.secret).await;

    let room = talk(connection, token).await;
    let request = v1::CreateRoomLinkRequest { parent: room };
    let link = connection
        .call(token, "Rooms/CreateRoomLink", &request)
        .await;
    let link = link.ok::<v1::CreateRoomLinkResponse>().link;
    let join = v1::JoinRoomRequest { link: link.clone() };
    let joined = connection
        .call(Some(&guest.token), "Rooms/JoinRoom", &join)
        .await;
    joined.ok::<v1::Room>();
    whisper(connection, token, &guest.account).await;
    Life {
        token: registered.token,
        invitations: [invitation.to_owned(), made.secret],
        link,
    }
}

/// What is refused: a wrong password, an invitation that is used up, a token that is none.
async fn fail(connection: &Connection, register: &v1::RegisterAccountRequest, token: &str) {
    let wrong = v1::SignInRequest {
        user_name: canaries::USER_NAME.to_owned(),
        password: format!("{PASSWORD}!"),
        ..v1::SignInRequest::default()
    };
    assert_eq!(
        connection.call(None, "Accounts/SignIn", &wrong).await.code,
        16
    );
    let again = connection
        .call(Some(token), "Accounts/RegisterAccount", register)
        .await;
    assert_ne!(again.code, 0, "the invitation is used up");
    let stray = format!("{}x", token);
    let list = v1::ListRoomsRequest::default();
    assert_eq!(
        connection
            .call(Some(&stray), "Rooms/ListRooms", &list)
            .await
            .code,
        16
    );
}

/// What people do in rooms, by calls and on a stream. The room.
async fn talk(connection: &Connection, token: Option<&str>) -> String {
    let create = v1::CreateRoomRequest {
        display_name: canaries::OLD_ROOM_NAME.to_owned(),
        topic: canaries::OLD_TOPIC.to_owned(),
        request_id: uuid(),
    };
    let room: v1::Room = connection
        .call(token, "Rooms/CreateRoom", &create)
        .await
        .ok();
    let send = message(&room.name, BODY);
    let sent = connection.call(token, "Messages/SendMessage", &send).await;
    let sent: v1::SendMessageResponse = sent.ok();
    let mut twice = send.clone();
    twice.body.push('!');
    assert_eq!(
        connection
            .call(token, "Messages/SendMessage", &twice)
            .await
            .code,
        6
    );
    let read = v1::MarkReadRequest {
        room: room.name.clone(),
        seq: sent.seq,
    };
    connection
        .call(token, "Messages/MarkRead", &read)
        .await
        .ok::<v1::MarkReadResponse>();
    let list = v1::ListEventsRequest {
        parent: room.name.clone(),
        ..v1::ListEventsRequest::default()
    };
    connection
        .call(token, "Messages/ListEvents", &list)
        .await
        .ok::<v1::ListEventsResponse>();
    change(connection, token, &room.name).await;
    send_files(connection, token, &room.name).await;
    stream(connection, token, &room.name).await;
    room.name
}

/// What is said otherwise, taken back, and named anew.
async fn change(connection: &Connection, token: Option<&str>, room: &str) {
    let mut seqs = Vec::new();
    for body in [canaries::REPLACED, canaries::DELETED] {
        let send = message(room, body);
        let sent = connection.call(token, "Messages/SendMessage", &send).await;
        seqs.push(sent.ok::<v1::SendMessageResponse>().seq);
    }
    let edit = v1::EditMessageRequest {
        room: room.to_owned(),
        seq: seqs[0],
        body: canaries::EDITED.to_owned(),
        client_message_id: uuid(),
        ..v1::EditMessageRequest::default()
    };
    let edited = connection.call(token, "Messages/EditMessage", &edit).await;
    edited.ok::<v1::EditMessageResponse>();
    let delete = v1::DeleteMessageRequest {
        room: room.to_owned(),
        seq: seqs[1],
    };
    let deleted = connection
        .call(token, "Messages/DeleteMessage", &delete)
        .await;
    deleted.ok::<v1::DeleteMessageResponse>();
    let renamed = v1::Room {
        name: room.to_owned(),
        display_name: canaries::ROOM_NAME.to_owned(),
        topic: canaries::TOPIC.to_owned(),
        ..v1::Room::default()
    };
    let update = v1::UpdateRoomRequest {
        room: Some(renamed),
        update_mask: None,
    };
    let updated = connection.call(token, "Rooms/UpdateRoom", &update).await;
    updated.ok::<v1::Room>();
}

/// Files of every kind: in a message, in one that is deleted, in none yet, and one that came by half.
async fn send_files(connection: &Connection, token: Option<&str>, room: &str) {
    for (name, text) in [
        (canaries::FILE_NAME, canaries::FILE),
        (canaries::GONE_NAME, canaries::GONE),
        (canaries::WHOLE_NAME, canaries::WHOLE),
        (canaries::HALF_NAME, canaries::HALF),
    ] {
        let is_half = name == canaries::HALF_NAME;
        // What came by half lies on the disk once an object of it is full.
        let bytes = if is_half { 4 << 20 } else { 10_000 };
        let all = text.repeat(bytes / text.len() + 1);
        let size = if is_half { 2 * all.len() } else { all.len() };
        let begun = world::upload(room, name, size as u64);
        let begun = connection.call(token, "Files/StartUpload", &begun).await;
        let file = begun.ok::<v1::Upload>().name;
        let mut messages = vec![world::upload_start(&file, 0).encode_to_vec()];
        messages.extend(all.as_bytes().chunks(64 << 10).map(|piece| {
            let part = v1::upload_file_request::Part::Data(piece.to_vec().into());
            v1::UploadFileRequest { part: Some(part) }.encode_to_vec()
        }));
        let sent = connection
            .call_with(token, "Files/UploadFile", &messages)
            .await;
        let sent: v1::Upload = sent.ok();
        assert!(sent.received_size > 0 && sent.finished != is_half);
        if [canaries::FILE_NAME, canaries::GONE_NAME].contains(&name) {
            carry(connection, token, room, &file, name == canaries::GONE_NAME).await;
        }
    }
}

/// Says something with a file, reads that, fetches the file, and takes it back if it is to go.
async fn carry(connection: &Connection, token: Option<&str>, room: &str, file: &str, goes: bool) {
    let mut send = message(room, "");
    send.attachments.push(file.to_owned());
    let sent = connection.call(token, "Messages/SendMessage", &send).await;
    let (room, seq) = (room.to_owned(), sent.ok::<v1::SendMessageResponse>().seq);
    let get = v1::GetEventRequest {
        room: room.clone(),
        seq,
    };
    let got = connection.call(token, "Messages/GetEvent", &get).await;
    got.ok::<v1::Event>();
    let fetch = v1::DownloadFileRequest {
        room: room.clone(),
        seq,
        file: file.to_owned(),
        ..v1::DownloadFileRequest::default()
    };
    let fetched = connection.call(token, "Files/DownloadFile", &fetch).await;
    fetched.ok::<v1::DownloadFileResponse>();
    if goes {
        let delete = v1::DeleteMessageRequest { room, seq };
        let deleted = connection
            .call(token, "Messages/DeleteMessage", &delete)
            .await;
        deleted.ok::<v1::DeleteMessageResponse>();
    }
}

/// Something for one other alone.
async fn whisper(connection: &Connection, token: Option<&str>, account: &str) {
    let open = v1::OpenDirectRoomRequest {
        account: account.to_owned(),
    };
    let direct = connection.call(token, "Rooms/OpenDirectRoom", &open).await;
    let send = message(&direct.ok::<v1::Room>().name, canaries::DIRECT);
    let sent = connection.call(token, "Messages/SendMessage", &send).await;
    sent.ok::<v1::SendMessageResponse>();
}

/// A session that follows a room, says something in it, and hears it.
async fn stream(connection: &Connection, token: Option<&str>, room: &str) {
    let follow = v1::FollowRoom {
        room: room.to_owned(),
        ..v1::FollowRoom::default()
    };
    let commands = [
        Command::Hello(v1::Hello::default()),
        Command::FollowRoom(follow),
        Command::SendMessage(message(room, BODY)),
    ];
    let frames: Vec<_> = (0..)
        .zip(commands)
        .map(|(request_id, command)| {
            let command = Some(command);
            let frame = v1::ClientFrame {
                request_id,
                command,
            };
            frame.encode_to_vec()
        })
        .collect();
    let answer = connection
        .call_with(token, "Sessions/Connect", &frames)
        .await;
    assert_eq!(answer.code, 0, "{}", answer.message);
    let heard = answer
        .messages
        .iter()
        .any(|frame| find(frame, BODY.as_bytes()));
    assert!(heard, "what is said comes back");
}

/// Every file below `dir`, and what it is.
fn files(dir: &Path) -> Vec<(PathBuf, Place)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                // Else it is the socket for backups, which holds nothing.
                let place = if path.ends_with("stderr") {
                    Place::Log
                } else if path.ends_with("stdout") {
                    Place::Printed
                } else {
                    Place::Store
                };
                found.push((path, place));
            }
        }
    }
    assert!(
        found.len() >= 4,
        "the store, the certificate and two logs: {found:?}"
    );
    found
}
