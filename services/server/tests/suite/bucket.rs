//! Files in a bucket that speaks S3, served by SeaweedFS: what the folder does not show, that the object store asks for
//! what such a server understands. The step `s3` of `cargo xtask test` installs it.
//!
//! Leaves out: a bucket that does not answer, which is waited for as long as a call may take.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use futures::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectMeta, ObjectStore as _};
use proto::v1;
use services_server::config::Config;
use services_server::files::S3Config;

use crate::files::{
    PIECE, SEGMENT, attach, bytes, messages, room_with, stands, take, until, wanted,
};
use crate::process::refused;
use crate::support::Server;
use crate::world::{invite, register, upload};

const NAME: &str = "chat-files";

/// Who asks it.
const KEY_ID: &str = "AKIDOFTHETEST";
const KEY: &str = "not-a-secret-of-anybody";

/// What the parts of the server listen at; the first one is the bucket's.
const PORTS: [&str; 10] = [
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
];

/// A bucket of this machine. Gone when dropped.
struct Bucket {
    folder: tempfile::TempDir,
    endpoint: String,
    weed: Child,
    objects: AmazonS3,
}

impl Bucket {
    async fn start() -> Self {
        let folder = tempfile::TempDir::new().expect("a folder");
        let credentials = folder.path().join("credentials");
        let text = format!("aws_access_key_id = {KEY_ID}\naws_secret_access_key = {KEY}\n");
        std::fs::write(&credentials, text).expect("writes");
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&credentials, mode).expect("sets");
        let ports = free_ports();
        let flags = PORTS.iter().zip(&ports);
        let said = File::create(folder.path().join("said")).expect("a file");
        let weed = Command::new("weed")
            .arg(format!("-logdir={}", folder.path().display()))
            .args(["mini", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"])
            .args(["-webdav=false", "-admin.ui=false"])
            .arg(format!("-bucket={NAME}"))
            .args(flags.map(|(name, port)| format!("-{name}={port}")))
            .arg(format!("-dir={}", folder.path().display()))
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", KEY)
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("weed is missing; this installs it: cargo xtask test --only s3");
        let endpoint = format!("http://127.0.0.1:{}", ports[0]);
        let objects = AmazonS3Builder::new()
            .with_bucket_name(NAME)
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_access_key_id(KEY_ID)
            .with_secret_access_key(KEY);
        let bucket = Self {
            folder,
            endpoint,
            weed,
            objects: objects.build().expect("a bucket"),
        };
        until("the bucket", async || bucket.listed().await.is_ok()).await;
        bucket
    }

    fn credentials(&self) -> PathBuf {
        self.folder.path().join("credentials")
    }

    /// Has files lie in it.
    fn set(&self, config: &mut Config) {
        config.files.s3 = S3Config {
            bucket: Some(NAME.to_owned()),
            endpoint: Some(self.endpoint.clone()),
            credentials_file: Some(self.credentials()),
            ..S3Config::default()
        };
    }

    async fn listed(&self) -> object_store::Result<Vec<ObjectMeta>> {
        self.objects.list(None).try_collect().await
    }

    /// The names of all objects of files, in their order.
    async fn objects(&self) -> Vec<String> {
        let listed = self.listed().await.expect("lists");
        // `rookery/{file}/{name}`, and beside the files whose they are.
        let name = |object: &ObjectMeta| {
            let name = object.location.parts().nth(2)?;
            Some(name.as_ref().to_owned())
        };
        let mut names: Vec<_> = listed.iter().filter_map(name).collect();
        names.sort();
        names
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ended = self.weed.kill().and_then(|()| self.weed.wait());
    }
}

/// As many ports as it wants, which nobody had a moment ago.
fn free_ports() -> [u16; PORTS.len()] {
    let listeners = PORTS.map(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_travels_through_a_bucket_in_pieces_and_goes_with_its_message() {
    let (bucket, data) = (
        Bucket::start().await,
        tempfile::TempDir::new().expect("a folder"),
    );
    let mut server = Server::start_in(data.path(), |config| bucket.set(config)).await;
    let mut connection = server.connect().await;
    let ada = register(&connection, "ada", &server.invitation().await).await;
    let bob = invite(&connection, &ada, "bob").await;
    let room = room_with(&connection, &ada, &bob).await;
    let token = Some(ada.token.as_str());
    let file = bytes(2 * SEGMENT + 70_000);
    let new = upload(&room, "flight.bin", file.len() as u64);
    let begun = connection.call(token, "Files/StartUpload", &new).await;
    let name = begun.ok::<v1::Upload>().name;
    let mut from = 0;
    for to in [3 * PIECE + 5, SEGMENT + PIECE] {
        let some = messages(&name, &file, from, to);
        let sent = connection.call_with(token, "Files/UploadFile", &some).await;
        sent.ok::<v1::Upload>();
        drop(connection);
        server.stop().await;
        server = Server::start_in(data.path(), |config| bucket.set(config)).await;
        connection = server.connect().await;
        let received = stands(&connection, &ada, &name).await.received_size;
        from = usize::try_from(received).expect("it is small");
        assert_eq!(from, to / PIECE * PIECE);
    }
    let tail = format!("tail-{from}");
    assert_eq!(bucket.objects().await, ["0", &tail]);
    let rest = messages(&name, &file, from, file.len());
    let sent = connection.call_with(token, "Files/UploadFile", &rest).await;
    assert!(sent.ok::<v1::Upload>().finished);
    assert_eq!(bucket.objects().await, ["0", "1", "2"]);
    let seq = attach(&connection, &ada, &room, &name).await;
    for offset in [0, 1, SEGMENT - 1, 2 * SEGMENT + 69_999] {
        let request = wanted(&room, seq, &name, offset);
        let mut stream = connection
            .listen(&bob.token, "Files/DownloadFile", &request)
            .await;
        let mut got = Vec::new();
        take(&mut stream, &mut got, usize::MAX).await;
        assert_eq!(stream.code, Some(0), "from {offset}: {} bytes", got.len());
        assert!(got == file[offset..], "from {offset}");
    }
    let delete = v1::DeleteMessageRequest { room, seq };
    let deleted = connection
        .call(token, "Messages/DeleteMessage", &delete)
        .await;
    deleted.ok::<v1::DeleteMessageResponse>();
    until("the sweep", async || bucket.objects().await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_another_server_is_refused_by_name() {
    let (bucket, data) = (
        Bucket::start().await,
        tempfile::TempDir::new().expect("a folder"),
    );
    let server = Server::start_in(data.path(), |config| bucket.set(config)).await;
    server.stop().await;
    let other = tempfile::TempDir::new().expect("a folder");
    let credentials = bucket.credentials();
    let credentials = credentials.to_str().expect("it is text");
    let (code, said) = refused(
        other.path(),
        &[],
        &[
            ("ROOKERY_FILES__S3__BUCKET", NAME),
            ("ROOKERY_FILES__S3__ENDPOINT", &bucket.endpoint),
            ("ROOKERY_FILES__S3__CREDENTIALS_FILE", credentials),
        ],
    );
    assert!(code.is_some_and(|code| code != 0), "{said}");
    assert!(
        said.contains("belong to the deployment") && said.contains("files.s3"),
        "{said}"
    );
}
