//! The SDK and a whole server: files from one person's disk to another's, restarts in between.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use proto::v1;
use rookery_client::{
    Attached, Client, Code, Error, Existing, KnownServers, Outgoing, Progress, Token, Trust,
};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::{Connection, Server};
use crate::world::{Person, invite, register, uuid};

/// Two segments and a bit.
const BYTES: usize = (8 << 20) + 3;

/// A server with two people in a room, and a folder for what is sent and saved.
struct House {
    folder: TempDir,
    address: SocketAddr,
    server: Server,
    ada: Client,
    bob: Client,
    room: String,
}

impl House {
    async fn build() -> Self {
        let folder = TempDir::new().expect("a folder");
        let server = Server::start_in(&folder.path().join("data"), |_| {}).await;
        let connection = server.connect().await;
        let ada = register(&connection, "ada", &server.invitation().await).await;
        let bob = invite(&connection, &ada, "bob").await;
        let room = room(&connection, &ada, &bob).await;
        let address = server.address;
        Self {
            ada: client(&folder, address, &ada).await,
            bob: client(&folder, address, &bob).await,
            folder,
            address,
            server,
            room,
        }
    }

    /// Stops the server, and starts it again where it was.
    async fn restart(self) -> Self {
        self.server.stop().await;
        let data = self.folder.path().join("data");
        let server = Server::start_in(&data, |config| config.listen = self.address).await;
        Self { server, ..self }
    }

    /// A file to send.
    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("minutes.bin");
        fs::write(&path, bytes).expect("written");
        path
    }

    /// Ada says something with a file, and Bob hears of it.
    async fn say(&self, upload: &v1::Upload) -> Attached {
        let message = Outgoing::new(&self.room, "").attach(&upload.name);
        let sent = self.ada.send_message(&message).await.expect("said");
        let event = self.bob.event(&self.room, sent.seq).await.expect("heard");
        let mut files = Attached::of(&event);
        assert_eq!(files.len(), 1);
        files.remove(0)
    }
}

async fn client(folder: &TempDir, address: SocketAddr, person: &Person) -> Client {
    let known = KnownServers::open(folder.path().join("known")).expect("a file");
    let client = Client::builder(format!("https://{address}"))
        .trust(Trust::first_use(known, |_, _| true))
        .connect()
        .await;
    let client = client.expect("it listens");
    let token = Token::new(person.token.clone());
    client.with_token(token).expect("a good token")
}

async fn room(connection: &Connection, ada: &Person, bob: &Person) -> String {
    let token = Some(ada.token.as_str());
    let request = v1::CreateRoomRequest {
        display_name: "files".to_owned(),
        topic: String::new(),
        request_id: uuid(),
    };
    let made = connection.call(token, "Rooms/CreateRoom", &request).await;
    let room: v1::Room = made.ok();
    let request = v1::AddMemberRequest {
        parent: room.name.clone(),
        account: bob.account.clone(),
        role: v1::member::Role::Member.into(),
    };
    let added = connection.call(token, "Rooms/AddMember", &request).await;
    let _: v1::Member = added.ok();
    room.name
}

/// Bytes of which no two stretches are alike.
fn bytes(length: usize) -> Vec<u8> {
    let numbers = (1_u32..).map(|number| number.wrapping_mul(2_654_435_761));
    numbers.flat_map(u32::to_le_bytes).take(length).collect()
}

fn unseen(_: Progress) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_from_one_disk_to_another_across_restarts() {
    let mut house = House::build().await;
    let sent = bytes(BYTES);
    let path = house.file(&sent);
    let (half, mut seen) = watch::channel(0);
    let reached = |progress: Progress| {
        half.send_if_modified(|most| {
            let is_more = progress.bytes > *most;
            *most = (*most).max(progress.bytes);
            is_more
        });
    };
    let (ada, room) = (house.ada.clone(), house.room.clone());
    let upload = ada.upload_file(&room, &path, reached);
    let restart = async {
        let half = |most: &u64| *most >= BYTES as u64 / 2;
        seen.wait_for(half).await.expect("it goes on");
        house.restart().await
    };
    let (upload, again) = tokio::join!(upload, restart);
    house = again;
    let upload = upload.expect("it goes on afterwards");
    assert_eq!(
        (upload.display_name.as_str(), upload.size),
        ("minutes.bin", BYTES as u64)
    );

    let of = house.say(&upload).await;
    assert_eq!(of.file.display_name, "minutes.bin");
    half.send_replace(0);
    let saved = house.folder.path().join("saved.bin");
    let bob = house.bob.clone();
    let fetch = bob.save(&of, &saved, Existing::Keep, reached);
    let restart = async {
        let half = |most: &u64| *most >= BYTES as u64 / 2;
        seen.wait_for(half).await.expect("it goes on");
        house.restart().await
    };
    let (fetched, again) = tokio::join!(fetch, restart);
    house = again;
    fetched.expect("it goes on afterwards");
    assert!(fs::read(&saved).expect("there") == sent);
    house.server.stop().await;
}

#[tokio::test]
async fn a_part_of_a_file_is_fetched_across_segments() {
    let house = House::build().await;
    let sent = bytes(BYTES);
    let path = house.file(&sent);
    let upload = house.ada.upload_file(&house.room, &path, unseen).await;
    let of = house.say(&upload.expect("sent")).await;
    let (begin, end) = ((4 << 20) - 1_000, (4 << 20) + 70_000);
    let mut part = Vec::new();
    let range = begin as u64..end as u64;
    let fetched = house.bob.download_range(&of, range, &mut part, unseen);
    fetched.await.expect("a part of it");
    assert!(part == sent[begin..end]);
}

#[tokio::test]
async fn a_file_that_an_edit_has_dropped_is_fetched_by_nobody() {
    let house = House::build().await;
    let path = house.file(b"hello");
    let upload = house.ada.upload_file(&house.room, &path, unseen).await;
    let of = house.say(&upload.expect("sent")).await;
    let mut sink = Vec::new();
    let fetched = house.bob.download(&of, &mut sink, unseen).await;
    fetched.expect("it is there");
    let edit = v1::EditMessageRequest {
        room: house.room.clone(),
        seq: of.seq,
        body: "not that one".to_owned(),
        client_message_id: rookery_client::new_request_id(),
        remove_attachments: vec![of.file.file.clone()],
        ..v1::EditMessageRequest::default()
    };
    house.ada.edit_message(edit).await.expect("changed");
    let gone = house.bob.download(&of, &mut sink, unseen).await;
    assert_eq!(gone.expect_err("dropped").code(), Some(Code::NotFound));
}

#[tokio::test]
async fn what_a_server_does_not_take_is_said_in_words() {
    let house = House::build().await;
    let path = house.file(b"");
    let refused = house.ada.upload_file(&house.room, &path, unseen).await;
    let refused = refused.expect_err("an empty file");
    assert_eq!(refused.code(), Some(Code::InvalidArgument));
    assert!(refused.to_string().contains("bytes"), "{refused}");
    assert!(matches!(refused, Error::Refused(_)));
}
