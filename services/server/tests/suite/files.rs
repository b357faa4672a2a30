//! Files on a whole server: sent and fetched over connections that are cut and servers that are killed, and gone
//! when they should be.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::Message as _;
use proto::v1;
use proto::v1::download_file_response::Part as Sent;
use proto::v1::upload_file_request::Part;
use services_gateway::ByteCount;
use tokio::time::{Instant, sleep};

use crate::process::{Process, refused};
use crate::support::{Answer, Connection, Server, Stream};
use crate::world::{Person, invite, message, register, sign_in, upload, upload_start, uuid};

/// Bytes of one piece, and of one object.
pub(crate) const PIECE: usize = 64 << 10;
pub(crate) const SEGMENT: usize = 4 << 20;

/// How long anything may take on a slow day.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many bytes that do not repeat soon.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let word = |at: u64| (at ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let words = (0..).flat_map(|at| word(at).to_be_bytes());
    words.take(length).collect()
}

/// Each piece of `bytes` as a message.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(PIECE).map(|piece| {
        let part = Some(Part::Data(piece.to_vec().into()));
        v1::UploadFileRequest { part }.encode_to_vec()
    })
}

/// The messages that send `bytes` from `from` on.
pub(crate) fn messages(name: &str, bytes: &[u8], from: usize, to: usize) -> Vec<Vec<u8>> {
    let start = upload_start(name, from as u64).encode_to_vec();
    let rest = pieces(&bytes[from..to]);
    [start].into_iter().chain(rest).collect()
}

pub(crate) async fn stands(connection: &Connection, person: &Person, name: &str) -> v1::Upload {
    let name = name.to_owned();
    let request = v1::GetUploadRequest { name };
    let token = Some(person.token.as_str());
    connection
        .call(token, "Files/GetUpload", &request)
        .await
        .ok()
}

/// Sends a file in one go.
pub(crate) async fn send(
    connection: &Connection,
    person: &Person,
    room: &str,
    bytes: &[u8],
) -> v1::Upload {
    let token = Some(person.token.as_str());
    let new = upload(room, "notes.txt", bytes.len() as u64);
    let begun = connection.call(token, "Files/StartUpload", &new).await;
    let name = begun.ok::<v1::Upload>().name;
    let all = messages(&name, bytes, 0, bytes.len());
    let sent = connection.call_with(token, "Files/UploadFile", &all).await;
    let sent: v1::Upload = sent.ok();
    assert!(sent.finished);
    sent
}

/// Says something that carries a file.
pub(crate) async fn attach(
    connection: &Connection,
    person: &Person,
    room: &str,
    file: &str,
) -> u64 {
    let mut said = message(room, "");
    said.attachments.push(file.to_owned());
    let token = Some(person.token.as_str());
    let sent = connection.call(token, "Messages/SendMessage", &said).await;
    sent.ok::<v1::SendMessageResponse>().seq
}

pub(crate) fn wanted(room: &str, seq: u64, file: &str, offset: usize) -> v1::DownloadFileRequest {
    v1::DownloadFileRequest {
        room: room.to_owned(),
        seq,
        file: file.to_owned(),
        offset: offset as u64,
        length: 0,
    }
}

/// Takes what comes of a file until there are so many bytes, or no more come.
pub(crate) async fn take(stream: &mut Stream, got: &mut Vec<u8>, enough: usize) {
    while got.len() < enough {
        let Some(message) = stream.next::<v1::DownloadFileResponse>().await else {
            return;
        };
        if let Some(Sent::Data(bytes)) = message.part {
            got.extend_from_slice(&bytes);
        }
    }
}

/// A room of `owner` with this member.
pub(crate) async fn room_with(connection: &Connection, owner: &Person, member: &Person) -> String {
    let token = Some(owner.token.as_str());
    let create = v1::CreateRoomRequest {
        display_name: "nest".to_owned(),
        topic: String::new(),
        request_id: uuid(),
    };
    let room: v1::Room = connection
        .call(token, "Rooms/CreateRoom", &create)
        .await
        .ok();
    let add = v1::AddMemberRequest {
        parent: room.name.clone(),
        account: member.account.clone(),
        role: v1::member::Role::Member.into(),
    };
    let added = connection.call(token, "Rooms/AddMember", &add).await;
    added.ok::<v1::Member>();
    room.name
}

/// Waits until `is_so`.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}: not in time");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Every object in a folder of files.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path())
    };
    let files = list(folder).filter(|path| path.is_dir());
    files.flat_map(|of_file| list(&of_file)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_arrives_whole_over_cut_connections_and_killed_servers() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &[]).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let ada = register(&connection, "ada", &invitation).await;
    let bob = invite(&connection, &ada, "bob").await;
    let room = room_with(&connection, &ada, &bob).await;
    let file = bytes(2 * SEGMENT + 70_000);
    let mut new = upload(&room, "flight.bin", file.len() as u64);
    new.sha256 = sha256(&file);
    let token = Some(ada.token.as_str());
    let begun = connection.call(token, "Files/StartUpload", &new).await;
    let name = begun.ok::<v1::Upload>().name;

    for (round, to) in [SEGMENT + 10, 2 * SEGMENT + 10].into_iter().enumerate() {
        let connection = Connection::to(process.address).await;
        let from = received(&stands(&connection, &ada, &name).await);
        assert_eq!(from, round * SEGMENT, "nothing durable was lost");
        let some = messages(&name, &file, from, to);
        let _never = connection
            .unended(&ada.token, "Files/UploadFile", &some)
            .await;
        let other = Connection::to(process.address).await;
        until("a segment", async || {
            received(&stands(&other, &ada, &name).await) > from
        })
        .await;
        if round == 0 {
            connection.cut();
        } else {
            process.kill();
            process = Process::start(dir.path(), &[]).await;
        }
    }
    let connection = Connection::to(process.address).await;
    let from = received(&stands(&connection, &ada, &name).await);
    assert_eq!(from, 2 * SEGMENT);
    let rest = messages(&name, &file, from, file.len());
    let sent = connection.call_with(token, "Files/UploadFile", &rest).await;
    let sent: v1::Upload = sent.ok();
    assert!(sent.finished && sent.sha256 == sha256(&file));
    let seq = attach(&connection, &ada, &room, &name).await;

    let mut got = Vec::new();
    for round in 0..3 {
        let connection = Connection::to(process.address).await;
        let request = wanted(&room, seq, &name, got.len());
        let mut stream = connection
            .listen(&bob.token, "Files/DownloadFile", &request)
            .await;
        let enough = if round < 2 {
            got.len() + SEGMENT / 2
        } else {
            usize::MAX
        };
        take(&mut stream, &mut got, enough).await;
        if round == 0 {
            connection.cut();
        } else if round == 1 {
            process.kill();
            process = Process::start(dir.path(), &[]).await;
        }
    }
    assert!(got == file, "{} of {} bytes", got.len(), file.len());
}

/// No call brings as much as a segment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_gets_on_over_a_line_that_breaks_again_and_again() {
    let house = House::new(|_| {}).await;
    let file = bytes(SEGMENT / 4);
    let new = upload(&house.room, "flight.bin", file.len() as u64);
    let begun = house.by_ada("Files/StartUpload", &new).await;
    let name = begun.ok::<v1::Upload>().name;
    until("all of it", async || {
        let line = house.server.connect().await;
        let from = received(&stands(&line, &house.ada, &name).await);
        let to = file.len().min(from + 3 * PIECE);
        let some = messages(&name, &file, from, to);
        let _never = line
            .unended(&house.ada.token, "Files/UploadFile", &some)
            .await;
        // By then the server has some of what was sent before.
        stands(&line, &house.ada, &name).await;
        line.cut();
        from == file.len()
    })
    .await;
    let token = Some(house.ada.token.as_str());
    let end = messages(&name, &file, file.len(), file.len());
    let sent = house.connection.call_with(token, "Files/UploadFile", &end);
    let sent: v1::Upload = sent.await.ok();
    assert!(sent.finished && sent.sha256 == sha256(&file));
}

fn received(upload: &v1::Upload) -> usize {
    usize::try_from(upload.received_size).expect("small")
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let digest = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let rustls::SupportedCipherSuite::Tls13(suite) = digest else {
        panic!("a suite of TLS 1.3");
    };
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

/// Ada, an administrator, and Bob in a room of hers, on a server.
struct House {
    server: Server,
    connection: Connection,
    ada: Person,
    bob: Person,
    room: String,
}

impl House {
    async fn new(change: impl FnOnce(&mut services_server::config::Config)) -> Self {
        let server = Server::start(change).await;
        let connection = server.connect().await;
        let ada = register(&connection, "ada", &server.invitation().await).await;
        let bob = invite(&connection, &ada, "bob").await;
        let room = room_with(&connection, &ada, &bob).await;
        Self {
            server,
            connection,
            ada,
            bob,
            room,
        }
    }

    async fn transfers(&self) -> u64 {
        let request = v1::GetServerStatusRequest {};
        let token = Some(self.ada.token.as_str());
        let status = self
            .connection
            .call(token, "Administration/GetServerStatus", &request)
            .await;
        status.ok::<v1::ServerStatus>().file_transfers
    }

    async fn by_ada(&self, path: &str, request: &impl prost::Message) -> Answer {
        let token = Some(self.ada.token.as_str());
        self.connection.call(token, path, request).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfers_end_with_their_sign_in_and_others_go_on() {
    let house = House::new(|_| {}).await;
    let file = bytes(3 * SEGMENT);
    let name = send(&house.connection, &house.ada, &house.room, &file)
        .await
        .name;
    let seq = attach(&house.connection, &house.ada, &house.room, &name).await;
    let phone = sign_in(&house.connection, "bob").await;
    let request = wanted(&house.room, seq, &name, 0);
    let (one, other) = (house.server.connect().await, house.server.connect().await);
    let mut ended = one
        .listen(&phone.token, "Files/DownloadFile", &request)
        .await;
    let mut kept = other
        .listen(&house.bob.token, "Files/DownloadFile", &request)
        .await;
    let new = upload(&house.room, "notes.txt", 5);
    let token = Some(phone.token.as_str());
    let begun = one.call(token, "Files/StartUpload", &new).await;
    let begun = begun.ok::<v1::Upload>().name;
    let start = [upload_start(&begun, 0).encode_to_vec()];
    let uploading = one.unended(&phone.token, "Files/UploadFile", &start).await;
    until("three transfers", async || house.transfers().await == 3).await;
    let out = other
        .call(token, "Accounts/SignOut", &v1::SignOutRequest {})
        .await;
    out.ok::<()>();
    let answer = uploading.await.expect("it is told");
    assert_eq!((answer.code, &answer.reason[..]), (16, "SIGNED_OUT"));
    let mut got = Vec::new();
    take(&mut ended, &mut got, usize::MAX).await;
    assert_eq!(ended.code, Some(16));
    assert!(got.len() < file.len() && file.starts_with(&got));
    got.clear();
    take(&mut kept, &mut got, usize::MAX).await;
    assert_eq!(kept.code, Some(0));
    assert!(got == file);
    until("no transfer", async || house.transfers().await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_removed_does_not_get_the_rest_of_a_file() {
    let house = House::new(|_| {}).await;
    let file = bytes(4 * SEGMENT);
    let name = send(&house.connection, &house.ada, &house.room, &file)
        .await
        .name;
    let seq = attach(&house.connection, &house.ada, &house.room, &name).await;
    let request = wanted(&house.room, seq, &name, 0);
    let other = house.server.connect().await;
    let mut stream = other
        .listen(&house.bob.token, "Files/DownloadFile", &request)
        .await;
    let mut got = Vec::new();
    take(&mut stream, &mut got, 1).await;
    let name = crate::world::member(&house.room, &house.bob);
    let remove = v1::RemoveMemberRequest { name };
    house.by_ada("Rooms/RemoveMember", &remove).await.ok::<()>();
    take(&mut stream, &mut got, usize::MAX).await;
    assert_eq!(stream.code, Some(5));
    assert!(got.len() < file.len(), "{}", got.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_counts_what_is_there_and_what_was_announced() {
    let house = House::new(|config| {
        config.files.size_max = ByteCount::bytes(100);
        config.files.account_quota = ByteCount::bytes(150);
    })
    .await;
    let start = async |size| {
        let new = upload(&house.room, "notes.txt", size);
        house.by_ada("Files/StartUpload", &new).await
    };
    let large = start(101).await;
    assert_eq!((large.code, &large.reason[..]), (3, "FILE_SIZE"));
    assert_eq!(large.fields, ["size"]);
    let sent = send(&house.connection, &house.ada, &house.room, &[7; 100]).await;
    let seq = attach(&house.connection, &house.ada, &house.room, &sent.name).await;
    let full = start(51).await;
    assert_eq!((full.code, &full.reason[..]), (9, "FILE_QUOTA"));
    let begun: v1::Upload = start(50).await.ok();
    assert_eq!(start(1).await.reason, "FILE_QUOTA");
    let delete = v1::DeleteUploadRequest { name: begun.name };
    house.by_ada("Files/DeleteUpload", &delete).await.ok::<()>();
    // What is deleted counts until it is removed, which is soon.
    let start_in_the_end = async |size| loop {
        let begun = start(size).await;
        if begun.reason != "FILE_QUOTA" {
            break begun.ok::<v1::Upload>();
        }
        sleep(Duration::from_millis(50)).await;
    };
    start_in_the_end(50).await;
    let room = house.room.clone();
    let delete = v1::DeleteMessageRequest { room, seq };
    let deleted = house.by_ada("Messages/DeleteMessage", &delete).await;
    deleted.ok::<v1::DeleteMessageResponse>();
    start_in_the_end(100).await;
}

/// Whatever the disk has: the floor is above it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_leave_the_disk_its_floor_and_everything_else_goes_on() {
    let data = tempfile::TempDir::new().expect("a folder");
    let mut server = Server::start_in(data.path(), |_| {}).await;
    let mut connection = server.connect().await;
    let ada = register(&connection, "ada", &server.invitation().await).await;
    let bob = invite(&connection, &ada, "bob").await;
    let room = room_with(&connection, &ada, &bob).await;
    let name = send(&connection, &ada, &room, b"kept").await.name;
    let seq = attach(&connection, &ada, &room, &name).await;
    drop(connection);
    server.stop().await;
    server = Server::start_in(data.path(), |config| {
        config.files.free_space_min = ByteCount::bytes(1 << 60);
    })
    .await;
    connection = server.connect().await;
    let token = Some(ada.token.as_str());
    let new = upload(&room, "notes.txt", 4);
    let begun = connection.call(token, "Files/StartUpload", &new).await;
    let begun = begun.ok::<v1::Upload>().name;
    let more = messages(&begun, b"more", 0, 4);
    let refused = connection.call_with(token, "Files/UploadFile", &more).await;
    assert_eq!((refused.code, &refused.reason[..]), (8, "STORE_FULL"));
    let request = wanted(&room, seq, &name, 0);
    let mut stream = connection
        .listen(&bob.token, "Files/DownloadFile", &request)
        .await;
    let mut got = Vec::new();
    take(&mut stream, &mut got, usize::MAX).await;
    assert_eq!((got, stream.code), (b"kept".to_vec(), Some(0)));
    let said = message(&room, "still here");
    let said = connection.call(token, "Messages/SendMessage", &said).await;
    said.ok::<v1::SendMessageResponse>();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deleted_message_carried_is_not_served_and_goes_from_the_disk() {
    let data = tempfile::TempDir::new().expect("a folder");
    let mut server = Server::start_in(data.path(), |_| {}).await;
    let connection = server.connect().await;
    let ada = register(&connection, "ada", &server.invitation().await).await;
    let bob = invite(&connection, &ada, "bob").await;
    let room = room_with(&connection, &ada, &bob).await;
    let folder = data.path().join("files");
    let kept = send(&connection, &ada, &room, b"kept").await.name;
    let kept_seq = attach(&connection, &ada, &room, &kept).await;
    let name = send(&connection, &ada, &room, &bytes(SEGMENT + 1))
        .await
        .name;
    let seq = attach(&connection, &ada, &room, &name).await;
    assert_eq!(objects(&folder).len(), 3);
    let delete = v1::DeleteMessageRequest {
        room: room.clone(),
        seq,
    };
    let token = Some(ada.token.as_str());
    let deleted = connection
        .call(token, "Messages/DeleteMessage", &delete)
        .await;
    deleted.ok::<v1::DeleteMessageResponse>();
    let fetch = async |seq, name: &str| {
        let request = wanted(&room, seq, name, 0);
        connection.call(token, "Files/DownloadFile", &request).await
    };
    let gone = fetch(seq, &name).await;
    assert_eq!((gone.code, &gone.reason[..]), (5, "ATTACHMENT_NOT_FOUND"));
    assert_eq!(fetch(kept_seq, &name).await.reason, "ATTACHMENT_NOT_FOUND");
    drop(connection);
    server.stop().await;
    // It is swept at each start.
    server = Server::start_in(data.path(), |_| {}).await;
    until("the sweep", async || objects(&folder).len() == 1).await;
    let connection = server.connect().await;
    let request = wanted(&room, kept_seq, &kept, 0);
    let mut stream = connection
        .listen(&bob.token, "Files/DownloadFile", &request)
        .await;
    let mut got = Vec::new();
    take(&mut stream, &mut got, usize::MAX).await;
    assert_eq!((got, stream.code), (b"kept".to_vec(), Some(0)));
}

#[test]
fn a_folder_that_cannot_be_written_is_named_at_the_start() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let file = dir.path().join("taken");
    std::fs::write(&file, b"by a file").expect("writes");
    let folder = file.join("files").display().to_string();
    let (code, said) = refused(dir.path(), &[], &[("ROOKERY_FILES__FOLDER", &folder)]);
    assert_eq!(code, Some(74), "{said}");
    assert!(
        said.contains(&folder) && said.contains("files.folder"),
        "{said}"
    );
}
