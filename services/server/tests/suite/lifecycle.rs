//! How streams and the whole program end: by a sign-out, by a signal, by a mistake in the configuration;
//! and what they survive.

use std::path::Path;
use std::time::Duration;

use proto::v1;
use proto::v1::farewell::Reason;
use proto::v1::server_item::Item;
use rustix::process::Signal;
use tokio::time::{Instant, timeout};

use crate::process::{Process, refused};
use crate::support::{Connection, Server, Stream};
use crate::world::{Person, message, register, sign_in, uuid};

/// How long anything may take on a slow day.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that is ready.
async fn session(connection: &Connection, person: &Person) -> Stream {
    let hello = v1::ClientFrame {
        request_id: 0,
        command: Some(v1::client_frame::Command::Hello(v1::Hello::default())),
    };
    let mut stream = connection
        .open(&person.token, "Sessions/Connect", &hello)
        .await;
    until(&mut stream, |item| matches!(item, Item::Ready(_))).await;
    stream
}

/// The next item that is `wanted`.
async fn until(stream: &mut Stream, wanted: impl Fn(&Item) -> bool) -> Item {
    let found = timeout(PATIENCE, async {
        loop {
            let frame: v1::ServerFrame = stream.next().await.expect("the stream goes on");
            let mut items = frame.items.into_iter().filter_map(|item| item.item);
            if let Some(item) = items.find(&wanted) {
                return item;
            }
        }
    });
    found.await.expect("in time")
}

/// Waits until the stream is over, and says why the server ended it.
async fn farewell(stream: &mut Stream) -> Option<Reason> {
    let mut reason = None;
    let over = async {
        while let Some(frame) = stream.next::<v1::ServerFrame>().await {
            for item in frame.items {
                if let Some(Item::Farewell(farewell)) = item.item {
                    reason = Some(farewell.reason());
                }
            }
        }
    };
    timeout(PATIENCE, over).await.expect("it ends");
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_streams_of_that_sign_in_and_no_others() {
    let server = Server::start(|_| {}).await;
    let connection = server.connect().await;
    let phone = register(&connection, "ada", &server.invitation().await).await;
    let laptop = sign_in(&connection, "ada").await;
    let mut ended = session(&connection, &phone).await;
    let mut kept = session(&connection, &laptop).await;

    let out = connection
        .call(
            Some(&phone.token),
            "Accounts/SignOut",
            &v1::SignOutRequest {},
        )
        .await;
    out.ok::<()>();
    assert_eq!(farewell(&mut ended).await, Some(Reason::SignedOut));

    // The other one hears what is said after it.
    let create = v1::CreateRoomRequest {
        display_name: "nest".to_owned(),
        topic: String::new(),
        request_id: uuid(),
    };
    let token = Some(laptop.token.as_str());
    let created = connection.call(token, "Rooms/CreateRoom", &create).await;
    created.ok::<v1::Room>();
    until(&mut kept, |item| matches!(item, Item::RoomGained(_))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_says_farewell_to_followers_and_exits_with_success_in_time() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &[]).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let person = register(&connection, "ada", &invitation).await;
    let mut stream = session(&connection, &person).await;

    let asked = Instant::now();
    process.signal(Signal::TERM);
    assert_eq!(farewell(&mut stream).await, Some(Reason::Draining));
    drop((stream, connection));
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    // Less than the ten seconds after which what is left is cut.
    assert!(
        asked.elapsed() < Duration::from_secs(9),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_server_at_once_and_what_was_said_is_kept() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let file = dir.path().join("rookery.toml");
    std::fs::write(&file, "stop_within = '10m'\n").expect("writes");
    let flags = ["--config", file.to_str().expect("a path")];
    let mut process = Process::start(dir.path(), &flags).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let person = register(&connection, "ada", &invitation).await;
    let token = Some(person.token.as_str());
    let create = v1::CreateRoomRequest {
        display_name: "nest".to_owned(),
        topic: String::new(),
        request_id: uuid(),
    };
    let room: v1::Room = connection
        .call(token, "Rooms/CreateRoom", &create)
        .await
        .ok();
    let send = message(&room.name, "kept");
    let sent = connection.call(token, "Messages/SendMessage", &send).await;
    let sent: v1::SendMessageResponse = sent.ok();

    // A call whose request never comes holds up a stop in order. What is answered after it tells that it
    // is under way.
    connection
        .stall(&person.token, "Messages/SendMessage")
        .await;
    let list = v1::ListSignInsRequest::default();
    let listed = connection.call(token, "Accounts/ListSignIns", &list).await;
    listed.ok::<v1::ListSignInsResponse>();
    process.signal(Signal::TERM);
    said(dir.path(), "stopping").await;
    process.signal(Signal::INT);
    assert_eq!(process.ended(PATIENCE).await, Some(0));
    said(dir.path(), "stopped at once").await;

    let process = Process::start(dir.path(), &flags).await;
    let connection = Connection::to(process.address).await;
    let list = v1::ListEventsRequest {
        parent: room.name,
        ..v1::ListEventsRequest::default()
    };
    let listed = connection.call(token, "Messages/ListEvents", &list).await;
    let events = listed.ok::<v1::ListEventsResponse>().events;
    assert!(
        events.iter().any(|event| event.seq == sent.seq),
        "{events:?}"
    );
}

/// Waits until the server in `dir` has logged or printed `text`.
async fn said(dir: &Path, text: &str) {
    let waited = timeout(PATIENCE, async {
        while !std::fs::read_to_string(dir.join("stderr"))
            .expect("reads")
            .contains(text)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(waited.await.is_ok(), "`{text}` is not said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_after_sighup_and_no_stream_is_dropped() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/fixtures");
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let install = |chain: &str, private: &str| {
        std::fs::copy(fixtures.join(chain), &cert).expect("copies");
        std::fs::copy(fixtures.join(private), &key).expect("copies");
    };
    install("ec.crt", "ec-pkcs8.key");
    let text = |path: &Path| path.to_str().expect("a path").to_owned();
    let flags = ["--tls-cert", &text(&cert), "--tls-key", &text(&key)];
    let process = Process::start(dir.path(), &flags).await;
    let connection = Connection::to(process.address).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let person = register(&connection, "ada", &invitation).await;
    let mut stream = session(&connection, &person).await;

    install("rsa.crt", "rsa-pkcs1.key");
    process.signal(Signal::HUP);
    let changed = timeout(PATIENCE, async {
        loop {
            let new = Connection::to(process.address).await;
            if new.fingerprint != connection.fingerprint {
                return;
            }
        }
    });
    changed.await.expect("the new certificate is shown");

    let create = v1::CreateRoomRequest {
        display_name: "nest".to_owned(),
        topic: String::new(),
        request_id: uuid(),
    };
    let token = Some(person.token.as_str());
    let created = connection.call(token, "Rooms/CreateRoom", &create).await;
    created.ok::<v1::Room>();
    until(&mut stream, |item| matches!(item, Item::RoomGained(_))).await;
}

#[test]
fn every_mistake_is_told_with_exit_code_64_and_nothing_is_made() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let flags = [
        "--lisen",
        "127.0.0.1:1",
        "--config",
        "no/such.toml",
        "--tls-cert",
        "no/such.pem",
        "--tls-min",
        "1.1",
        "--web-origin",
        "chat.example.org",
        "--tls-name",
        "not a name",
        "--log",
        "loud=very=much",
        "--nope",
    ];
    let (code, said) = refused(dir.path(), &flags, &[("ROOKERY_SIGN_IN_TRY_EVERY", "0s")]);
    assert_eq!(code, Some(64), "{said}");
    for part in [
        "11 mistakes",
        "--lisen: there is no such flag; did you mean --listen?",
        "--nope: there is no such flag",
        "--config: no/such.toml does not read",
        "--tls-cert: no/such.pem does not open",
        "--tls-key: is missing",
        "--tls-min: `1.1` is none of",
        "--tls-name: are for a certificate that is made",
        "--tls-name: `not a name`",
        "--web-origin: `chat.example.org`",
        "--log: ",
        "ROOKERY_SIGN_IN_TRY_EVERY: ",
    ] {
        assert!(said.contains(part), "{part} is missing in:\n{said}");
    }
    assert!(!dir.path().join("data").exists(), "nothing was made");
}

#[test]
fn each_mistake_alone_has_exit_code_64_and_nothing_is_made() {
    let dir = tempfile::TempDir::new().expect("a folder");
    for flags in [
        &["--web-origin", "https://*"][..],
        &["--tls-name", "not a name"],
        &["--tls-cert", "no/such.pem", "--tls-key", "no/such.pem"],
        &["--config", "no/such.toml"],
        &["--nope"],
        &["--log"],
    ] {
        let (code, said) = refused(dir.path(), flags, &[]);
        assert_eq!(code, Some(64), "{flags:?}: {said}");
        assert!(said.contains(flags[0]), "{flags:?}: {said}");
        assert!(
            !dir.path().join("data").exists(),
            "{flags:?} made something"
        );
    }
}

#[test]
fn a_certificate_that_does_not_work_is_refused_before_anything_is_made() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/tests/fixtures");
    let fixture = |name: &str| fixtures.join(name).to_str().expect("a path").to_owned();
    let (chain, key) = (fixture("rsa.crt"), fixture("ec-pkcs8.key"));
    let (code, said) = refused(dir.path(), &["--tls-cert", &chain, "--tls-key", &key], &[]);
    assert_eq!(code, Some(74), "{said}");
    assert!(said.contains("is not the key of"), "{said}");
    assert!(!dir.path().join("data").exists(), "nothing was made");
}
