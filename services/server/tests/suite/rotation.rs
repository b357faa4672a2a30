//! The key is replaced while people use the server: nothing fails, and nothing is left under an old key.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster_store::open_deployment;
use cluster_store::schema::{self, Row};
use cluster_store::{Embedded, EmbeddedOptions, RowRange, Scan, Store, StoreError, Transaction};
use cluster_types::{AccountId, Rng, RoomId, UnixMillis};
use futures::future::join_all;
use proto::storage::v1 as storage;
use proto::v1;
use proto::v1::key_rotation::State;
use rustix::process::Signal;
use services_vault::{KeySource, Parts, Vault};
use tempfile::TempDir;

use crate::process::Process;
use crate::support::Connection;
use crate::world::{Person, message, register, sign_in, uuid};

/// Stored keys besides those of the people here: a rotation takes a dozen transactions for them.
const KEYS: u64 = 800;

/// Rotations, one after the other.
const ROTATIONS: u32 = 3;

/// People who use the server meanwhile.
const PEOPLE: usize = 4;

/// How long anything may take on a slow day. A bound against hanging, and nothing that is measured.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the rotation is asked about.
const LOOK_EVERY: Duration = Duration::from_millis(10);

const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

fn open(data: &Path) -> Store {
    Store::new(Embedded::open(data, EmbeddedOptions::default()).expect("nobody else has it"))
}

/// Makes a store with as many keys as a busy server has after a while.
async fn a_while(data: &Path) {
    let (store, rng) = (open(data), Rng::from_os());
    let vault = Vault::open(Parts {
        store: store.clone(),
        deployment: open_deployment(&store, &rng).await.expect("opens"),
        source: KeySource::file(data.join("rookery.keys")),
        rng: rng.fork(),
    });
    let vault = vault.await.expect("opens");
    let (author, room) = (AccountId::random(&rng), RoomId::random(&rng));
    let pairs = (0..KEYS).map(|week| vault.sealing_pair(author, room, UnixMillis(week * WEEK_MS)));
    for pair in join_all(pairs).await {
        pair.expect("made");
    }
    store.close().await;
}

/// What the rows of a table are wrapped under.
async fn generations<K: Row<Value = storage::DataKey>>(
    tx: &Transaction,
) -> Result<Vec<u32>, StoreError> {
    let page = tx.scan::<K>(RowRange::all(), Scan::default()).await?;
    assert!(!page.more, "all of them");
    Ok(page
        .rows
        .into_iter()
        .map(|(_, row)| row.generation)
        .collect())
}

/// Says, renames and signs in until the rotations are over. Every answer has to be good.
async fn use_it(
    server: std::net::SocketAddr,
    name: String,
    person: Person,
    over: &AtomicBool,
) -> usize {
    let connection = Connection::to(server).await;
    let token = Some(person.token.as_str());
    let create = v1::CreateRoomRequest {
        display_name: name.clone(),
        topic: String::new(),
        request_id: uuid(),
    };
    let room: v1::Room = connection
        .call(token, "Rooms/CreateRoom", &create)
        .await
        .ok();
    let mut rounds = 0;
    while !over.load(Ordering::Relaxed) {
        let said = message(&room.name, "all is well");
        let said = connection.call(token, "Messages/SendMessage", &said).await;
        said.ok::<v1::SendMessageResponse>();
        let display_name = format!("{name} the {rounds}th");
        let rename = v1::UpdateAccountRequest { display_name };
        let renamed = connection
            .call(token, "Accounts/UpdateAccount", &rename)
            .await;
        renamed.ok::<v1::Account>();
        if rounds % 16 == 0 {
            let create = v1::CreateRoomRequest {
                request_id: uuid(),
                ..create.clone()
            };
            let made = connection.call(token, "Rooms/CreateRoom", &create).await;
            made.ok::<v1::Room>();
        }
        rounds += 1;
    }
    sign_in(&connection, &name).await;
    rounds
}

/// Rotates, and watches it to the end.
async fn rotate(connection: &Connection, administrator: &Person) -> v1::KeyRotation {
    let token = Some(administrator.token.as_str());
    let request = v1::RotateKeysRequest {};
    let begun = connection
        .call(token, "Administration/RotateKeys", &request)
        .await;
    let mut rotation: v1::KeyRotation = begun.ok();
    assert_eq!(rotation.state(), State::Running, "there is much to do");
    assert!(rotation.total >= KEYS, "{rotation:?}");
    let watched = async {
        while rotation.state() == State::Running {
            tokio::time::sleep(LOOK_EVERY).await;
            let request = v1::GetKeyRotationRequest {};
            let path = "Administration/GetKeyRotation";
            rotation = connection.call(token, path, &request).await.ok();
        }
    };
    tokio::time::timeout(PATIENCE, watched)
        .await
        .expect("it ends");
    rotation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_rotated_under_load_without_an_error_and_nothing_is_left_under_an_old_one() {
    let dir = TempDir::new().expect("a folder");
    let data = dir.path().join("data");
    a_while(&data).await;
    let config = dir.path().join("rookery.toml");
    let limits = "[limits.calls]\naccount_rate = {per_second = 1000000, burst = 1000000}\n\
                  address_rate = {per_second = 1000000, burst = 1000000}\n";
    std::fs::write(&config, limits).expect("writes");
    let config = config.to_str().expect("a path that is text");
    let mut process =
        Process::start(dir.path(), &["--config", config, "--self-registration"]).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let administrator = register(&connection, "ada", &invitation).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        let name = format!("person{number}");
        let person = register(&connection, &name, "").await;
        people.push(use_it(process.address, name, person, &over));
    }
    let rotations = async {
        for rotation in 1..=ROTATIONS {
            let ended = rotate(&connection, &administrator).await;
            assert_eq!(ended.state(), State::Finished);
            assert_eq!(ended.generation, rotation + 1);
        }
        over.store(true, Ordering::Relaxed);
    };
    let (rounds, ()) = futures::join!(join_all(people), rotations);
    assert!(rounds.iter().all(|rounds| *rounds > 10), "{rounds:?}");
    drop(connection);
    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await, Some(0));

    let store = open(&data);
    let read = |tx: Transaction| async move {
        let vault = tx.row(&schema::Vault {}).await?.expect("a vault");
        let mut wrapped = generations::<schema::ServerKey>(&tx).await?;
        wrapped.extend(generations::<schema::AccountKey>(&tx).await?);
        wrapped.extend(generations::<schema::RoomKey>(&tx).await?);
        Ok::<_, StoreError>((vault, wrapped))
    };
    let (vault, wrapped) = store.read(read).await.expect("reads");
    let current: Vec<_> = vault.generations.iter().map(|row| row.number).collect();
    assert_eq!(current, [ROTATIONS + 1], "one generation");
    let old = wrapped
        .iter()
        .filter(|generation| **generation != ROTATIONS + 1);
    assert_eq!(old.count(), 0, "of {}", wrapped.len());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_seals_nothing_has_no_key_to_rotate() {
    let dir = TempDir::new().expect("a folder");
    let process = Process::start(dir.path(), &["--unsealed"]).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let administrator = register(&connection, "ada", &invitation).await;
    let token = Some(administrator.token.as_str());
    let request = v1::RotateKeysRequest {};
    let refused = connection
        .call(token, "Administration/RotateKeys", &request)
        .await;
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (9, "NOTHING_SEALED")
    );
    let request = v1::GetKeyRotationRequest {};
    let stands = connection
        .call(token, "Administration/GetKeyRotation", &request)
        .await;
    assert_eq!(stands.ok::<v1::KeyRotation>().state(), State::Idle);
}
