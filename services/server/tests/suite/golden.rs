//! A store that an earlier release wrote says the same under this one: before the upgrade, while it runs,
//! after it, and after a restart.
//!
//! `golden/v{schema version}` holds what one life on a server left behind, compressed: the store, its keys and its
//! files, and `answers.txt`, in which each line is a person, a call, its request and its answer, in hexadecimal.
//! Each version has one, made by the release that had it, and it stays as it is: this release's is there to be
//! opened by the next one, and to show that nothing was changed in a version that people have.
//!
//! ```text
//! ROOKERY_GOLDEN=make cargo nextest run -p services-server golden
//! ```
//!
//! makes the folder of this release's version where there is none yet.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use cluster_store::schema::SCHEMA_VERSION;
use prost::Message;
use proto::v1;

use crate::files;
use crate::support::{Connection, Server};
use crate::world::{Person, invite, member, message, register, sign_in, uuid};

/// What of a data directory is kept. A server makes itself another certificate.
const KEPT: [&str; 3] = ["rookery.redb", "rookery.keys", "files"];

/// What is behind the names of packed files.
const PACKED: &str = ".zst";

/// Bytes of the file that is sent.
const FILE: usize = 10_000;

/// Questions and answers, beside them.
const ANSWERS: &str = "answers.txt";

/// Schema versions that this release opens.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=SCHEMA_VERSION;

/// Level of the compression: the files are made once and kept for ever.
const LEVEL: i32 = 19;

/// Messages of the longest conversation: an upgrade needs more than one transaction for them.
const MESSAGES: u64 = 150;

/// Larger than everything that is listed here.
const PAGE: i32 = 1_000;

/// How long an upgrade may take on a slow day. A bound against hanging, and nothing that is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the server is asked whether it is over.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The end of 2099, in seconds: a mute that no test outlives.
const FAR: i64 = 4_102_444_799;

pub(crate) fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}"))
}

/// Who calls what, and with what request.
pub(crate) type Question = (String, String, Vec<u8>);

/// Somebody's calls.
struct Caller<'a> {
    connection: &'a Connection,
    person: &'a Person,
}

impl Caller<'_> {
    async fn ok<T: Message + Default>(&self, path: &str, message: &impl Message) -> T {
        let token = Some(self.person.token.as_str());
        self.connection.call(token, path, message).await.ok()
    }

    async fn say(&self, room: &str, body: &str) -> u64 {
        let sent: v1::SendMessageResponse =
            self.ok("Messages/SendMessage", &message(room, body)).await;
        sent.seq
    }

    async fn room(&self, display_name: &str) -> v1::Room {
        let request = v1::CreateRoomRequest {
            display_name: display_name.to_owned(),
            topic: "what is said here".to_owned(),
            request_id: uuid(),
        };
        self.ok("Rooms/CreateRoom", &request).await
    }
}

/// What is left of a life: rooms, and a file of the first one.
struct Left {
    rooms: Vec<String>,
    file: v1::DownloadFileRequest,
}

/// All that can be done to what is stored.
async fn live(connection: &Connection, invitation: &str) -> Left {
    let administrator = register(connection, "Ada", invitation).await;
    let mut people = BTreeMap::new();
    for name in ["ben", "cleo", "dan", "eve"] {
        people.insert(name, invite(connection, &administrator, name).await);
    }
    let ada = &Caller {
        connection,
        person: &administrator,
    };
    let ben = &Caller {
        connection,
        person: &people["ben"],
    };
    let named = v1::UpdateAccountRequest {
        display_name: "Ada of the Nest".to_owned(),
    };
    let _: v1::Account = ada.ok("Accounts/UpdateAccount", &named).await;
    let waits = v1::CreateInvitationRequest {
        note: "for whoever comes next".to_owned(),
        ..Default::default()
    };
    let _: v1::CreateInvitationResponse = ada.ok("Administration/CreateInvitation", &waits).await;
    let suspended = v1::SuspendAccountRequest {
        name: people["eve"].account.clone(),
    };
    let _: v1::Account = ada.ok("Administration/SuspendAccount", &suspended).await;

    let nest = full_room(ada, ben, &people).await;
    let gone = ada.room("gone").await.name;
    ada.say(&gone, "nobody reads this").await;
    ada.ok::<()>("Rooms/DeleteRoom", &v1::DeleteRoomRequest { name: gone })
        .await;
    let quiet = ada.room("quiet").await.name;
    let archive = v1::ArchiveRoomRequest {
        name: quiet.clone(),
    };
    let _: v1::Room = ada.ok("Rooms/ArchiveRoom", &archive).await;
    let direct = v1::OpenDirectRoomRequest {
        account: people["ben"].account.clone(),
    };
    let direct: v1::Room = ada.ok("Rooms/OpenDirectRoom", &direct).await;
    ada.say(&direct.name, "between the two of us").await;
    ben.say(&direct.name, "as ever").await;
    let file = carried(ben, &nest).await;
    let rooms = vec![nest, quiet, direct.name];
    Left { rooms, file }
}

/// A message with a file.
async fn carried(by: &Caller<'_>, room: &str) -> v1::DownloadFileRequest {
    let bytes = files::bytes(FILE);
    let sent = files::send(by.connection, by.person, room, &bytes).await;
    let seq = files::attach(by.connection, by.person, room, &sent.name).await;
    files::wanted(room, seq, &sent.name, 0)
}

/// A room with members of every kind.
async fn full_room(ada: &Caller<'_>, ben: &Caller<'_>, people: &BTreeMap<&str, Person>) -> String {
    let mut room = ada.room("Egg").await;
    let name = room.name.clone();
    for (person, role) in [
        ("ben", v1::member::Role::Moderator),
        ("cleo", v1::member::Role::Member),
        ("dan", v1::member::Role::Member),
    ] {
        let add = v1::AddMemberRequest {
            parent: name.clone(),
            account: people[person].account.clone(),
            role: role.into(),
        };
        let _: v1::Member = ada.ok("Rooms/AddMember", &add).await;
    }
    let mute = v1::MuteMemberRequest {
        name: member(&name, &people["cleo"]),
        until: Some(prost_types::Timestamp {
            seconds: FAR,
            nanos: 0,
        }),
    };
    let _: v1::Member = ada.ok("Rooms/MuteMember", &mute).await;
    let ban = v1::BanAccountRequest {
        parent: name.clone(),
        account: people["dan"].account.clone(),
    };
    ada.ok::<()>("Rooms/BanAccount", &ban).await;
    room.display_name = "Nest".to_owned();
    let update = v1::UpdateRoomRequest {
        room: Some(room),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["display_name".to_owned()],
        }),
    };
    let _: v1::Room = ada.ok("Rooms/UpdateRoom", &update).await;
    let link = v1::CreateRoomLinkRequest {
        parent: name.clone(),
    };
    let _: v1::CreateRoomLinkResponse = ada.ok("Rooms/CreateRoomLink", &link).await;
    talk(ada, ben, &name).await;
    name
}

/// Messages of every kind, and what becomes of them.
async fn talk(ada: &Caller<'_>, ben: &Caller<'_>, room: &str) {
    let name = room.to_owned();
    let first = ada.say(&name, "the first word").await;
    for number in 0..MESSAGES {
        let who = if number % 2 == 0 { ada } else { ben };
        who.say(&name, &format!("word {number} — ünïcödé 🐦")).await;
    }
    let urgent = v1::SendMessageRequest {
        format: v1::Format::Markdown.into(),
        priority: v1::Priority::Urgent.into(),
        reply_to_seq: first,
        ..message(&name, "**now**")
    };
    let urgent: v1::SendMessageResponse = ben.ok("Messages/SendMessage", &urgent).await;
    for body in ["the first word, said better", "the first word, said best"] {
        let edit = v1::EditMessageRequest {
            room: name.clone(),
            seq: first,
            body: body.to_owned(),
            client_message_id: uuid(),
            ..Default::default()
        };
        let _: v1::EditMessageResponse = ada.ok("Messages/EditMessage", &edit).await;
    }
    let delete = v1::DeleteMessageRequest {
        room: name.clone(),
        seq: first + 1,
    };
    let _: v1::DeleteMessageResponse = ada.ok("Messages/DeleteMessage", &delete).await;
    let read = v1::MarkReadRequest {
        room: name.clone(),
        seq: urgent.seq,
    };
    let _: v1::MarkReadResponse = ada.ok("Messages/MarkRead", &read).await;
}

/// What can be asked about all this, each line a person, a call and its request.
fn questions(Left { rooms, file }: &Left) -> Vec<Question> {
    let mut asked = Vec::new();
    let mut ask = |path: &str, bytes: Vec<u8>| {
        let people = ["ada", "ben", "cleo", "dan"];
        asked.extend(people.map(|person| (person.to_owned(), path.to_owned(), bytes.clone())));
    };
    for user_name in ["ADA", "ben", "Cleo", "nobody"] {
        let user_name = user_name.to_owned();
        ask(
            "Accounts/LookUpAccount",
            v1::LookUpAccountRequest { user_name }.encode_to_vec(),
        );
    }
    let accounts = v1::ListAccountsRequest {
        page_size: PAGE,
        ..Default::default()
    };
    ask("Administration/ListAccounts", accounts.encode_to_vec());
    let list = v1::ListRoomsRequest {
        page_size: PAGE,
        ..Default::default()
    };
    ask("Rooms/ListRooms", list.encode_to_vec());
    ask("Files/DownloadFile", file.encode_to_vec());
    for name in rooms {
        let parent = || name.clone();
        ask(
            "Rooms/GetRoom",
            v1::GetRoomRequest { name: parent() }.encode_to_vec(),
        );
        let members = v1::ListMembersRequest {
            parent: parent(),
            page_size: PAGE,
            ..Default::default()
        };
        ask("Rooms/ListMembers", members.encode_to_vec());
        let bans = v1::ListBansRequest {
            parent: parent(),
            page_size: PAGE,
            ..Default::default()
        };
        ask("Rooms/ListBans", bans.encode_to_vec());
        let events = v1::ListEventsRequest {
            parent: parent(),
            page_size: PAGE,
            ..Default::default()
        };
        ask("Messages/ListEvents", events.encode_to_vec());
        let readers = v1::ListReadersRequest {
            parent: parent(),
            seq: 9,
            page_size: PAGE,
            ..Default::default()
        };
        ask("Messages/ListReaders", readers.encode_to_vec());
    }
    asked
}

/// What is answered, a line each: person, call, request, code and answer.
pub(crate) async fn answers(
    connection: &Connection,
    questions: &[Question],
) -> Vec<(String, Bytes)> {
    let mut people = BTreeMap::new();
    let mut lines = Vec::new();
    for (person, path, request) in questions {
        if !people.contains_key(person) {
            people.insert(person.clone(), sign_in(connection, person).await);
        }
        let token = Some(people[person].token.as_str());
        let answer = connection
            .call_with(token, path, std::slice::from_ref(request))
            .await;
        let bytes = Bytes::from(answer.messages.concat());
        let line = format!("{person} {path} {} {}", hex(request), answer.code);
        lines.push((line, bytes));
    }
    lines
}

fn hex(bytes: &[u8]) -> String {
    // An empty word would be no word.
    let mut text = String::from("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("text grows");
    }
    text
}

fn unhex(word: &str) -> Vec<u8> {
    let digits = word.strip_prefix("0x").expect("a word of bytes");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits"))
        .collect()
}

/// What was asked and what was answered when the store was made.
pub(crate) fn recorded(folder: &Path) -> (Vec<Question>, Vec<(String, Bytes)>) {
    let text = String::from_utf8(unpacked(folder, ANSWERS)).expect("text");
    let lines = text.lines().map(|line| {
        let (question, answer) = line.rsplit_once(' ').expect("words");
        let words: Vec<_> = question.split(' ').collect();
        let asked = (words[0].to_owned(), words[1].to_owned(), unhex(words[2]));
        (asked, (question.to_owned(), Bytes::from(unhex(answer))))
    });
    lines.unzip()
}

/// Compares line by line, so that a failure names the call.
pub(crate) fn check(found: &[(String, Bytes)], expected: &[(String, Bytes)], when: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.0, expected.0, "{when}");
        assert!(
            found.1 == expected.1,
            "{when}: {}\nanswered {}\nexpected {}",
            found.0,
            hex(&found.1),
            hex(&expected.1)
        );
    }
}

/// A life on a server of this release. It is kept if there is none of this version yet and it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_golden_store_says_the_same_after_a_restart() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(data.path(), |_| {}).await;
    let connection = server.connect().await;
    let left = live(&connection, &server.invitation().await).await;
    let questions = questions(&left);
    let expected = answers(&connection, &questions).await;
    drop(connection);
    server.stop().await;

    let server = Server::start_in(data.path(), |_| {}).await;
    let found = answers(&server.connect().await, &questions).await;
    check(&found, &expected, "after a restart");
    server.stop().await;

    let folder = folder(SCHEMA_VERSION);
    if !folder.exists() && std::env::var("ROOKERY_GOLDEN").is_ok_and(|what| what == "make") {
        keep(data.path(), &folder, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_each_version_says_the_same_while_it_is_upgraded_and_after() {
    for version in VERSIONS {
        let folder = folder(version);
        assert!(folder.exists(), "version {version} has no golden store");
        let data = tempfile::tempdir().expect("a folder");
        unpack(&folder, data.path());
        let (questions, expected) = recorded(&folder);
        let when = |when: &str| format!("version {version}, {when}");

        let server = Server::start_in(data.path(), |_| {}).await;
        let connection = server.connect().await;
        let found = answers(&connection, &questions).await;
        check(&found, &expected, &when("at once"));
        upgraded(&connection).await;
        let found = answers(&connection, &questions).await;
        check(&found, &expected, &when("after the upgrade"));
        drop(connection);
        server.stop().await;

        let server = Server::start_in(data.path(), |_| {}).await;
        let found = answers(&server.connect().await, &questions).await;
        check(&found, &expected, &when("after a restart"));
        server.stop().await;
    }
}

/// Waits until no row has an earlier form.
async fn upgraded(connection: &Connection) {
    let ada = sign_in(connection, "ada").await;
    let status = async || {
        let request = v1::GetServerStatusRequest {};
        let token = Some(ada.token.as_str());
        let path = "Administration/GetServerStatus";
        let answer = connection.call(token, path, &request).await;
        answer.ok::<v1::ServerStatus>()
    };
    let waited = tokio::time::timeout(PATIENCE, async {
        while status().await.upgrading_from_schema != 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
    waited.await.expect("the upgrade comes to its end");
}

/// Writes a golden store.
fn keep(data: &Path, folder: &Path, answers: &[(String, Bytes)]) {
    fs::create_dir_all(folder).expect("a folder");
    for name in KEPT.iter().flat_map(|name| below(data, Path::new(name))) {
        pack(folder, &name, &fs::read(data.join(&name)).expect("reads"));
    }
    let mut text = String::new();
    for (line, answer) in answers {
        writeln!(text, "{line} {}", hex(answer)).expect("text grows");
    }
    pack(folder, Path::new(ANSWERS), text.as_bytes());
}

/// The files in `folder` that lie under `name`, or are it.
fn below(folder: &Path, name: &Path) -> Vec<PathBuf> {
    let path = folder.join(name);
    if path.is_file() {
        return vec![name.to_owned()];
    }
    let inside = fs::read_dir(path).into_iter().flatten();
    let names = inside.map(|entry| name.join(entry.expect("reads").file_name()));
    names.flat_map(|name| below(folder, &name)).collect()
}

fn pack(folder: &Path, name: &Path, bytes: &[u8]) {
    let packed = folder.join(format!("{}{PACKED}", name.display()));
    fs::create_dir_all(packed.parent().expect("lies in the folder")).expect("a folder");
    let bytes = zstd::encode_all(bytes, LEVEL).expect("packs");
    fs::write(packed, bytes).expect("writes");
}

fn unpacked(folder: &Path, name: &str) -> Vec<u8> {
    let packed = fs::read(folder.join(format!("{name}{PACKED}"))).expect("reads");
    zstd::decode_all(&packed[..]).expect("unpacks")
}

/// Lays the data directory of a golden store out in `data`.
pub(crate) fn unpack(folder: &Path, data: &Path) {
    for packed in below(folder, Path::new("")) {
        let name = packed.to_str().and_then(|name| name.strip_suffix(PACKED));
        let name = name.expect("all of it is packed");
        if name != ANSWERS {
            write(&data.join(name), &unpacked(folder, name));
        }
    }
}

/// Writes a file as a server does: what others may read is refused.
fn write(file: &Path, bytes: &[u8]) {
    let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
    let parent = file.parent().expect("lies in the folder");
    fs::create_dir_all(parent).expect("a folder");
    fs::set_permissions(parent, mode(0o700)).expect("a folder of ours");
    fs::write(file, bytes).expect("writes");
    fs::set_permissions(file, mode(0o600)).expect("a file of ours");
}
