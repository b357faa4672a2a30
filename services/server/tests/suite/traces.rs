//! No traces (P13): what must not be kept is looked for in everything that is kept.
//!
//! A client from an address of its own does all that people do, with a password, a token and a body that
//! stand nowhere else, while the server logs as much as it can. Then every byte of the logs and of the
//! data directory is searched, in the forms in which such things turn up.

use std::path::{Path, PathBuf};

use proto::v1;

use crate::process::Process;
use crate::support::Connection;
use crate::world::{Person, message, uuid};

/// An address of this machine that nothing else uses.
const ADDRESS: [u8; 4] = [127, 66, 77, 88];
const PASSWORD: &str = "Yellow-Bird-4711-Xyzzy!q";
const BODY: &str = "canary body 0815 plugh";
const LABEL: &str = "canary device 1234";

/// What to look for.
struct Needle {
    what: &'static str,
    bytes: Vec<u8>,
    /// Also where the server keeps what people say: bodies lie in the store, not sealed yet.
    in_store: bool,
}

fn needles(token: &str) -> Vec<Needle> {
    let mut needles = Vec::new();
    let mut add = |what, text: &[u8], in_store| {
        let utf16: Vec<u8> = text.iter().flat_map(|byte| [*byte, 0]).collect();
        let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
        for bytes in [
            text.to_vec(),
            utf16,
            hex.clone().into_bytes(),
            hex.to_uppercase().into(),
        ] {
            needles.push(Needle {
                what,
                bytes,
                in_store,
            });
        }
    };
    add("password", PASSWORD.as_bytes(), true);
    add("token", token.as_bytes(), true);
    // Without the prefix that says what it is.
    add("token", token.trim_start_matches("rk_s_").as_bytes(), true);
    add("address", b"127.66.77.88", true);
    add("body", BODY.as_bytes(), false);
    add("device label", LABEL.as_bytes(), false);
    needles
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn address_password_token_and_body_leave_no_trace() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &["--log", "trace"]).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    let connection = Connection::from(process.address, ADDRESS).await;
    let person = live(&connection, &invitation).await;
    process.kill();

    let mut hits = Vec::new();
    let mut bytes_searched = 0;
    for (file, is_log) in files(dir.path()) {
        let bytes = std::fs::read(&file).expect("reads");
        bytes_searched += bytes.len();
        for needle in needles(&person.token)
            .iter()
            .filter(|needle| is_log || needle.in_store)
        {
            if find(&bytes, &needle.bytes) {
                hits.push(format!("{} in {}", needle.what, file.display()));
            }
        }
        let log = String::from_utf8_lossy(&bytes);
        if is_log && file.ends_with("stderr") {
            assert!(log.contains("TRACE"), "the server logs as much as it can");
        }
    }
    assert!(hits.is_empty(), "{hits:#?} in {bytes_searched} bytes");
}

/// The search itself is searched: it has to find what is known to be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_search_finds_what_is_there() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let mut process = Process::start(dir.path(), &[]).await;
    let invitation = process.invitation.clone().expect("nobody is here yet");
    live(
        &Connection::from(process.address, ADDRESS).await,
        &invitation,
    )
    .await;
    process.kill();
    let stored = files(dir.path()).into_iter().filter(|(_, is_log)| !is_log);
    let found =
        stored.filter(|(file, _)| find(&std::fs::read(file).expect("reads"), BODY.as_bytes()));
    assert!(
        found.count() > 0,
        "the body is in the store, which is not sealed yet"
    );
}

/// Everything that people do, at least once, rightly and wrongly.
async fn live(connection: &Connection, invitation: &str) -> Person {
    let register = v1::RegisterAccountRequest {
        user_name: "tracer".to_owned(),
        password: PASSWORD.to_owned(),
        invitation: invitation.to_owned(),
        device_label: LABEL.to_owned(),
        ..v1::RegisterAccountRequest::default()
    };
    let registered = connection
        .call(None, "Accounts/RegisterAccount", &register)
        .await;
    let registered: v1::SignInResponse = registered.ok();
    let token = Some(registered.token.as_str());
    let account = registered.account.expect("an account").name;

    let wrong = v1::SignInRequest {
        user_name: "tracer".to_owned(),
        password: format!("{PASSWORD}!"),
        ..v1::SignInRequest::default()
    };
    assert_eq!(
        connection.call(None, "Accounts/SignIn", &wrong).await.code,
        16
    );
    let again = connection
        .call(token, "Accounts/RegisterAccount", &register)
        .await;
    assert_ne!(again.code, 0, "the invitation is used up");
    let stray = format!("{}x", registered.token);
    let list = v1::ListRoomsRequest::default();
    assert_eq!(
        connection
            .call(Some(&stray), "Rooms/ListRooms", &list)
            .await
            .code,
        16
    );

    talk(connection, token).await;
    Person {
        account,
        user_name: "tracer".to_owned(),
        token: registered.token,
    }
}

/// What people do in rooms.
async fn talk(connection: &Connection, token: Option<&str>) {
    let create = v1::CreateRoomRequest {
        display_name: "nest".to_owned(),
        topic: String::new(),
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
        parent: room.name,
        ..v1::ListEventsRequest::default()
    };
    connection
        .call(token, "Messages/ListEvents", &list)
        .await
        .ok::<v1::ListEventsResponse>();
}

/// Every file below `dir`, and whether it is a log.
fn files(dir: &Path) -> Vec<(PathBuf, bool)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let is_log = path.ends_with("stdout") || path.ends_with("stderr");
                found.push((path, is_log));
            }
        }
    }
    assert!(
        found.len() >= 4,
        "the store, the certificate and two logs: {found:?}"
    );
    found
}

fn find(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
