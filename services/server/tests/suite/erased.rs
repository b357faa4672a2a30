//! What was erased does not come back with an older backup: a server is backed up, an account erased, the
//! backup restored, and then searched, through every call that shows what somebody has written.
//!
//! Accounts cannot be erased through the API yet. What whoever erases has to call is called here: the ledger is
//! all that a restore goes by.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cluster_store::erasures::{self, Erased};
use cluster_store::schema::{File, RoomEvent};
use cluster_store::{Embedded, EmbeddedOptions, RowRange, Scan, Store};
use cluster_types::{AccountId, FileId, Rng};
use object_store::local::LocalFileSystem;
use proto::storage::v1 as storage;
use proto::v1;
use proto::v1::event::Kind;
use rustix::process::Signal;
use services_files::SealedFiles;

use crate::backups::{done, keys};
use crate::process::Process;
use crate::support::Connection;
use crate::world::{PASSWORD, Person, invite, message, register, sign_in, uuid};

/// How long anything may take on a slow day.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in each thing that Bob writes, and in nothing else.
const CANARY: &str = "canary";

/// Somebody's calls.
struct Caller<'a>(&'a Connection, &'a Person);

impl Caller<'_> {
    async fn ok<T: prost::Message + Default>(
        &self,
        path: &str,
        message: &impl prost::Message,
    ) -> T {
        let Self(connection, person) = self;
        let call = connection.call(Some(&person.token), path, message);
        call.await.ok()
    }

    async fn room(&self, name: &str, members: &[&Person]) -> String {
        let create = v1::CreateRoomRequest {
            display_name: name.to_owned(),
            topic: String::new(),
            request_id: uuid(),
        };
        let room: v1::Room = self.ok("Rooms/CreateRoom", &create).await;
        for member in members {
            let add = v1::AddMemberRequest {
                parent: room.name.clone(),
                account: member.account.clone(),
                role: v1::member::Role::Member.into(),
            };
            let _: v1::Member = self.ok("Rooms/AddMember", &add).await;
        }
        room.name
    }

    async fn says(&self, room: &str, body: &str) -> u64 {
        let said: v1::SendMessageResponse =
            self.ok("Messages/SendMessage", &message(room, body)).await;
        said.seq
    }

    async fn log(&self, room: &str) -> Vec<v1::Event> {
        let events = v1::ListEventsRequest {
            parent: room.to_owned(),
            page_size: 1_000,
            ..Default::default()
        };
        let page: v1::ListEventsResponse = self.ok("Messages/ListEvents", &events).await;
        page.events
    }

    async fn members(&self, room: &str) -> Vec<v1::Member> {
        let members = v1::ListMembersRequest {
            parent: room.to_owned(),
            ..Default::default()
        };
        let page: v1::ListMembersResponse = self.ok("Rooms/ListMembers", &members).await;
        page.members
    }

    async fn code<M: prost::Message>(&self, path: &str, message: &M) -> i32 {
        let Self(connection, person) = self;
        connection
            .call(Some(&person.token), path, message)
            .await
            .code
    }

    /// Everything of Bob's that can be read in these rooms and about him, in words.
    async fn readable(&self, rooms: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for room in rooms {
            let about = v1::GetRoomRequest {
                name: (*room).to_owned(),
            };
            let about: v1::Room = self.ok("Rooms/GetRoom", &about).await;
            found.push(format!("{about:?}"));
            let log = self.log(room).await;
            found.extend(log.iter().map(|event| format!("{event:?}")));
            let members = self.members(room).await;
            found.extend(members.iter().map(|member| format!("{member:?}")));
        }
        let accounts = v1::ListAccountsRequest::default();
        let accounts: v1::ListAccountsResponse =
            self.ok("Administration/ListAccounts", &accounts).await;
        found.extend(
            accounts
                .accounts
                .iter()
                .map(|account| format!("{account:?}")),
        );
        found.retain(|text| text.contains(CANARY));
        found
    }
}

/// Has the ledger of this store say that an account is erased, as whoever erases it does.
async fn erase(data: &Path, account: AccountId) {
    let store = Embedded::open(data, EmbeddedOptions::default()).expect("opens");
    let store = Store::new(store);
    let erase = |tx, _| async move { erasures::record(&tx, Erased::Account(account)) };
    store.run(erase).await.expect("writes");
    store.close().await;
}

/// A message whose keys are gone: its place and its day are left.
fn without_words(mut event: v1::Event) -> v1::Event {
    if let Some(Kind::Message(message)) = &mut event.kind {
        message.body.clear();
        message.client_message_id.clear();
        message.deleted = true;
    }
    if let Some(time) = &mut event.create_time {
        time.seconds -= time.seconds % (24 * 60 * 60);
        time.nanos = 0;
    }
    event
}

/// Restores the backup without what was erased, and starts a server with it.
async fn move_house(folder: &Path) -> Process {
    let (old, new) = (folder.join("old"), folder.join("new"));
    std::fs::create_dir(&new).expect("makes");
    let restore =
        "restore --from one.backup --identity backup.key --erasures erasures --data-dir new/data";
    let restored = done(folder, restore);
    assert_eq!(restored["accounts_erased"], 1);
    let key = "data/rookery.keys";
    std::fs::copy(old.join(key), new.join(key)).expect("copies");
    Process::start(&new, &[]).await
}

/// Has each message carry a file, as far as it lies readable. Who sent which.
async fn attach(data_dir: &Path) -> Vec<(AccountId, FileId)> {
    let store = Store::new(Embedded::open(data_dir, EmbeddedOptions::default()).expect("opens"));
    let objects = LocalFileSystem::new_with_prefix(data_dir.join("files")).expect("is there");
    let (rng, files) = (Rng::seeded(1), SealedFiles::new(Arc::new(objects)));
    let tx = store.begin().await.expect("begins");
    let events = tx.scan(RowRange::<RoomEvent>::all(), Scan::default());
    let mut carried = Vec::new();
    for (key, mut event) in events.await.expect("reads").rows {
        let Some(storage::room_event::Kind::Message(message)) = &mut event.kind else {
            continue;
        };
        let (file, size) = (FileId::random(&rng), 4_000);
        message.file_ids = vec![file.as_bytes().to_vec().into()];
        let row = storage::File {
            account_id: event.actor_id.clone(),
            room_id: key.room.as_bytes().to_vec().into(),
            size,
            uses: 1,
        };
        carried.push((event.actor_id[..].try_into().expect("an id"), file));
        tx.set_row(&key, &event).expect("sets");
        tx.set_row(&File { file }, &row).expect("sets");
        let lies_in = SealedFiles::bytes(size).expect("a file has this size");
        let bytes = vec![file.as_bytes()[0]; usize::try_from(lies_in).expect("is small")];
        let mut writer = files.writer(file, size).expect("begins");
        writer.write(&bytes).await.expect("is written");
    }
    tx.commit().await.expect("commits");
    store.close().await;
    carried
}

/// Files came along, but for those of who was erased.
fn files_went_with(folder: &Path, carried: Vec<(AccountId, FileId)>, erased: &str) {
    let files = |home: &str| folder.join(home).join("data/files");
    for (sender, file) in carried {
        let object = |home| std::fs::read(files(home).join(file.to_string()).join("0"));
        let was = object("old").expect("is there");
        if sender.to_string() == erased {
            object("new").expect_err("went with him");
        } else {
            assert!(object("new").expect("came along") == was);
        }
    }
}

/// Nobody finds somebody, by id or name, and with the right password there is no way in.
async fn is_gone(caller: &Caller<'_>, person: &Person) {
    let name = person.account.clone();
    let account = v1::GetAccountRequest { name };
    let code = caller.code("Accounts/GetAccount", &account).await;
    assert_eq!(code, 5, "NOT_FOUND");
    let user_name = person.user_name.clone();
    let look_up = v1::LookUpAccountRequest { user_name };
    assert_eq!(caller.code("Accounts/LookUpAccount", &look_up).await, 5);
    let sign_in = v1::SignInRequest {
        user_name: person.user_name.clone(),
        password: PASSWORD.to_owned(),
        ..v1::SignInRequest::default()
    };
    let refused = caller.0.call(None, "Accounts/SignIn", &sign_in).await;
    assert_eq!(refused.code, 16, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_an_erased_account_wrote_can_be_read_after_a_restore() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let old = folder.path().join("old");
    std::fs::create_dir(&old).expect("makes");
    let mut process = Process::start(&old, &[]).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let ada = register(&connection, "ada", &invitation).await;
    let bob = invite(&connection, &ada, "bob-canary").await;
    let cleo = invite(&connection, &ada, "cleo").await;
    let (as_ada, as_bob) = (Caller(&connection, &ada), Caller(&connection, &bob));
    let shared = as_ada.room("shared", &[&bob, &cleo]).await;
    let other = as_ada.room("other", &[&cleo]).await;
    let alone = as_bob.room("a canary's nest", &[]).await;
    for room in [&shared, &other] {
        as_ada.says(room, "hello").await;
    }
    as_bob.says(&alone, "a canary alone").await;
    for body in ["a canary", "another canary"] {
        as_bob.says(&shared, body).await;
    }
    as_ada.says(&shared, "good night").await;
    let (log, others) = (as_ada.log(&shared).await, as_ada.log(&other).await);
    let readable = as_ada.readable(&[&shared, &other]).await;
    assert_eq!(readable.len(), 3, "two messages and a name: {readable:?}");

    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    let carried = attach(&old.join("data")).await;
    let mut process = Process::start(&old, &[]).await;

    let recipient = keys(folder.path());
    let make = |what: &str, to: &str| {
        let line = format!("backup {what} --to {to} --recipient {recipient} --data-dir old/data");
        done(folder.path(), &line)
    };
    assert_eq!(make("", "one.backup")["counts"]["files"], carried.len());
    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    let id = bob.account.trim_start_matches("accounts/");
    erase(&old.join("data"), id.parse().expect("an id")).await;
    make("erasures", "erasures");

    let process = move_house(folder.path()).await;
    files_went_with(folder.path(), carried, id);
    let connection = Connection::to(process.address).await;
    let ada = sign_in(&connection, "ada").await;
    let as_ada = Caller(&connection, &ada);

    let readable = as_ada.readable(&[&shared, &other]).await;
    assert_eq!(readable, [""; 0]);
    assert_eq!(as_ada.log(&other).await, others);
    let expected: Vec<v1::Event> = log
        .into_iter()
        .map(|event| match &event.kind {
            Some(Kind::Message(_)) if event.actor == bob.account => without_words(event),
            _ => event,
        })
        .collect();
    assert_eq!(as_ada.log(&shared).await, expected);
    assert_eq!(as_ada.members(&shared).await.len(), 2);
    is_gone(&as_ada, &bob).await;
    // What he alone was in is not on the server's list either.
    let rooms = v1::ListServerRoomsRequest::default();
    let rooms: v1::ListServerRoomsResponse =
        as_ada.ok("Administration/ListServerRooms", &rooms).await;
    let rooms: Vec<_> = rooms.rooms.into_iter().map(|room| room.name).collect();
    assert!(!rooms.contains(&alone), "{rooms:?}");
    assert!(rooms.contains(&shared) && rooms.contains(&other));
}
