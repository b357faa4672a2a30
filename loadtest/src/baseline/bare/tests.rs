//! The bare server, spoken to by the SDK as benchmarks do.

use rookery_client::{Client, KnownServers, Outgoing, Server, Tuning};

use super::*;
use crate::console::Stage;
use crate::frames::{Glance, glances};
use crate::lines::{self, Caller, from_head};

const ROOM: &str = "rooms/00000000000000000000000000";

async fn server(tasks: &mut JoinSet<()>, folder: &tempfile::TempDir) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tasks.spawn(async move { serve(listener).await.expect("serves") });
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
