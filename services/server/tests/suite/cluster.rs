//! The suite on a real cluster: `cargo xtask test --fdb CLUSTER_FILE` names its file in `ROOKERY_TEST_FDB`, and
//! each server then keeps its history there, in a part of its own. And what can be tested without one.

use std::path::Path;
use std::time::Duration;

use proto::v1;
use services_server::config::Config;
use services_server::stores::StoreAt;

use crate::process::Process;
use crate::support::Connection;
use crate::world::PASSWORD;
use crate::{backups, golden};

/// What names the cluster file.
const VARIABLE: &str = "ROOKERY_TEST_FDB";

/// What a part of the cluster is called, before what makes it one server's.
const PREFIX: &str = "suite-";

/// A `HealthCheckResponse` whose status (field 1) is `NOT_SERVING` (2).
const NOT_SERVING: &[u8] = &[0x08, 0x02];

/// `UNAVAILABLE` of gRPC.
const UNAVAILABLE: i32 = 14;

fn file() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// The part of the server with this data directory, which finds it again after a restart.
fn prefix(data_dir: &Path) -> String {
    let path = data_dir.as_os_str().as_encoded_bytes();
    // FNV-1a: the folders of a run differ, and that is all there is to it.
    let hash = path.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{PREFIX}{hash:016x}")
}

/// Has a server in this process keep its history in the cluster, if there is one.
pub(crate) fn configure(config: &mut Config) {
    if let Some(file) = file() {
        config.store = StoreAt::Cluster(file.into());
        config.fdb.prefix = Some(prefix(&config.data_dir));
    }
}

/// As [`configure`], for a server that is a process of its own.
pub(crate) fn variables(data_dir: &Path) -> Vec<(&'static str, String)> {
    let Some(file) = file() else {
        return Vec::new();
    };
    vec![
        ("ROOKERY_STORE", format!("fdb:{file}")),
        ("ROOKERY_FDB__PREFIX", prefix(data_dir)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_cluster_is_away_says_so_and_stops_when_asked() {
    let dir = tempfile::TempDir::new().expect("a folder");
    let file = dir.path().join("fdb.cluster");
    // Nobody listens on port 1.
    std::fs::write(&file, "nobody:0@127.0.0.1:1\n").expect("writes");
    let store = format!("fdb:{}", file.display());
    let mut process = Process::waiting(dir.path(), &["--store", &store]).await;
    let connection = Connection::to(process.address).await;

    let health = connection
        .call(None, "grpc.health.v1.Health/Check", &())
        .await;
    assert_eq!(health.messages, [NOT_SERVING]);

    let request = v1::SignInRequest {
        user_name: "ada".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    let anonymous = connection.call(None, "Accounts/SignIn", &request).await;
    let list = v1::ListRoomsRequest::default();
    let signed_in = connection
        .call(Some("some-token"), "Rooms/ListRooms", &list)
        .await;
    for answer in [anonymous, signed_in] {
        assert_eq!(answer.code, UNAVAILABLE, "{}", answer.message);
        assert_eq!(answer.reason, "STORE_UNAVAILABLE");
    }
    let said = std::fs::read_to_string(dir.path().join("stderr")).expect("reads");
    assert_eq!(said.matches("waits for its store").count(), 1, "{said}");

    process.signal(rustix::process::Signal::TERM);
    assert_eq!(process.ended(Duration::from_secs(30)).await, Some(0));
}

/// The steps of `ops/backup.md` with a cluster as the new house, and with a store of the first release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_a_file_moves_into_a_cluster() {
    let file = file().expect("cargo xtask test --fdb CLUSTER_FILE names a cluster");
    let dir = tempfile::TempDir::new().expect("a folder");
    let (old, golden) = (dir.path().join("old"), golden::folder(1));
    std::fs::create_dir(&old).expect("a folder");
    golden::unpack(&golden, &old);
    let recipient = backups::keys(dir.path());
    let backup = format!("backup --to move --recipient {recipient} --data-dir old");
    backups::done(dir.path(), &backup);
    let prefix = prefix(&dir.path().join("data"));
    let config = format!("store = 'fdb:{file}'\nfdb = {{ prefix = '{prefix}' }}\n");
    std::fs::write(dir.path().join("rookery.toml"), config).expect("writes");
    let restore = "restore --from move --identity backup.key --config rookery.toml --data-dir data";
    backups::done(dir.path(), restore);
    let (code, said) = backups::refused(dir.path(), restore);
    assert_eq!(code, 73, "it is not empty any more: {said}");

    let process = Process::start(dir.path(), &[]).await;
    let connection = Connection::to(process.address).await;
    let (questions, expected) = golden::recorded(&golden);
    let is_log = |question: &golden::Question| question.1 == "Messages/ListEvents";
    let (questions, expected): (Vec<_>, Vec<_>) = questions
        .into_iter()
        .zip(expected)
        .filter(|(question, _)| is_log(question))
        .unzip();
    let found = golden::answers(&connection, &questions).await;
    golden::check(&found, &expected, "in the cluster");
}
