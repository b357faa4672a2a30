//! The bare server, spoken to by the SDK as benchmarks do.

use proto::v1::{Attachment, StartUploadRequest};
use rookery_client::{Attached, Client, KnownServers, Outgoing, Server, Tuning};

use super::*;
use crate::console::Stage;
use crate::frames::{Glance, glances};
use crate::lines::{self, Caller, from_head};

const ROOM: &str = "rooms/00000000000000000000000000";

async fn server(tasks: &mut JoinSet<()>, folder: &tempfile::TempDir) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let files = folder.path().to_owned();
    tasks.spawn(async move { serve(listener, &files).await.expect("serves") });
    let known = KnownServers::open(folder.path().join("known")).expect("a new file");
    crate::rookery::server(address, known, Tuning::LIGHT).expect("an address")
}

async fn next_event(line: &mut lines::Line) -> Vec<Glance> {
    let frame = line.receiver.next_encoded().await.expect("open");
    glances(&frame.expect("not ended"))
        .collect::<Result<_, _>>()
        .expect("readable")
}

#[tokio::test]
async fn a_message_reaches_everybody_who_follows_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tasks = JoinSet::new();
    let server = server(&mut tasks, &folder).await;
    let callers = Caller::nobody(3, &[from_head(ROOM)]);
    let stage = Stage::hidden();
    let mut followers = lines::open_many(&server, &callers, &stage)
        .await
        .expect("opens");
    let sender = lines::open(&server, &Caller::nobody(1, &[])[0])
        .await
        .expect("opens");

    for seq in 1..=2 {
        let message = Outgoing::new(ROOM, "hello").request().clone();
        let command = Some(Command::SendMessage(message));
        let frame = ClientFrame {
            request_id: 0,
            command,
        };
        sender.sender.send(frame).await.expect("open");
        for line in &mut followers {
            assert_eq!(next_event(line).await, [Glance::Event { seq }]);
        }
    }
}

#[tokio::test]
async fn a_message_is_echoed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tasks = JoinSet::new();
    let client: Client = server(&mut tasks, &folder)
        .await
        .connect()
        .await
        .expect("connects");
    let sent = client.send_message(&Outgoing::new(ROOM, "hello")).await;
    assert_eq!(sent.expect("an echo").seq, 5);
}

#[tokio::test]
async fn a_file_that_is_written_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tasks = JoinSet::new();
    let server = server(&mut tasks, &folder).await;
    let client = server.connect().await.expect("connects");
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let sha256 = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let sha256 = sha256.as_ref().to_vec();
    for display_name in [files::WRITTEN, files::DROPPED] {
        let request = StartUploadRequest {
            display_name: display_name.to_owned(),
            size: bytes.len() as u64,
            sha256: sha256.clone(),
            ..StartUploadRequest::default()
        };
        let upload = client.start_upload(request).await.expect("begun");
        let mut source = std::io::Cursor::new(&bytes);
        let sent = client.continue_upload(&upload.name, &mut source, |_| {});
        sent.await.expect("taken");
    }
    let of = Attached {
        file: Attachment {
            size: bytes.len() as u64,
            sha256,
            ..Attachment::default()
        },
        room: String::new(),
        seq: 0,
    };
    let mut sink = Vec::new();
    let fetched = client.download(&of, &mut sink, |_| {}).await;
    fetched.expect("what was written, and not what was dropped");
    assert!(sink == bytes);
}
