//! A server and programs that ask it for rows.

use std::time::Duration;

use age::x25519::Identity;
use cluster_store::Simulated;
use cluster_types::{FileId, Rng, RoomId};
use tempfile::TempDir;

use super::*;
use crate::archive::BackupId;
use crate::collect::Scope;
use crate::file::{BackupError, back_up};
use crate::keys::Recipients;
use crate::origin::Origin;
use crate::restore::verify;
use crate::testing::{Files, Op, World};

struct Listening {
    folder: TempDir,
    store: Store,
    files: Files,
    tasks: Tasks,
    key: Identity,
}

impl Listening {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(Simulated::reliable());
        cluster_store::open_deployment(&store, &Rng::seeded(1))
            .await
            .expect("opens");
        let mut world = World::new(store.clone(), RoomId::from_bytes([2; 16])).await;
        // More than fits between a server and a program that does not read.
        world.body = "long ".repeat(12_000);
        for _ in 0..40 {
            world.apply(Op::Send).await;
        }
        let files = Files::default();
        for number in 1..4 {
            let file = FileId::from_bytes([number; 16]);
            files.put(&store, file, 1_000_000, 1).await;
        }
        let tasks = Tasks::new();
        // As a process leaves it that was killed.
        drop(UnixListener::bind(path_in(folder.path())).expect("binds"));
        let path = path_in(folder.path());
        listen(&path, store.clone(), files.sealed(), &tasks).expect("listens");
        Self {
            folder,
            store,
            files,
            tasks,
            key: Identity::generate(),
        }
    }

    async fn back_up(&self, name: &str, from: Origin) -> Result<Progress, BackupError> {
        let to = self.folder.path().join(name);
        let recipients: Recipients = vec![Box::new(self.key.to_public())];
        back_up(
            from,
            Scope::All,
            &to,
            BackupId([1; 16]),
            recipients,
            |_, _| (),
        )
        .await
    }

    fn server(&self) -> Origin {
        Origin::Server(path_in(self.folder.path()))
    }
}

#[tokio::test]
async fn what_a_server_hands_out_is_what_its_store_holds() {
    let server = Listening::new().await;
    let over = server
        .back_up("over", server.server())
        .await
        .expect("is backed up");
    let here = Origin::Store(server.store.clone(), server.files.sealed());
    let direct = server.back_up("direct", here).await.expect("is backed up");
    assert_eq!(over, direct);
    assert_eq!((over.counts["events"], over.counts["files"]), (40, 3));
    let identities = server.key.clone().into();
    let mut found = Vec::new();
    for name in ["over", "direct"] {
        let path = server.folder.path().join(name);
        let verified = verify(&path, &identities, |_| ()).await.expect("is whole");
        found.push((verified.records, verified.files, verified.deployment));
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test(start_paused = true)]
async fn after_each_part_it_rests_as_long_as_it_has_worked() {
    let server = Listening::new().await;
    let path = path_in(server.folder.path());
    let remote = Remote::connect(&path, Progress::default()).await;
    let mut remote = remote.expect("connects");
    remote.step().await.expect("what the store is");
    // A part that is longer than what lies between the two keeps the server as long as nobody reads it.
    sleep(REST_MAX * 2).await;
    remote.step().await.expect("the first page");
    let read = Instant::now();
    remote.step().await.expect("the second page");
    assert!(read.elapsed() >= REST_MAX, "{:?}", read.elapsed());
}

#[tokio::test]
async fn one_backup_may_follow_another_at_once() {
    let server = Listening::new().await;
    for number in 0..20 {
        let name = format!("backup {number}");
        let made = server.back_up(&name, server.server()).await;
        made.expect("the place of the last one is free");
    }
}

#[tokio::test]
async fn one_program_is_served_at_a_time_and_the_other_is_told_so() {
    let server = Listening::new().await;
    let path = path_in(server.folder.path());
    let first = Remote::connect(&path, Progress::default()).await;
    let mut first = first.expect("connects");
    first.step().await.expect("is served");
    let error = server
        .back_up("second", server.server())
        .await
        .expect_err("is refused");
    let BackupError::Source { source, .. } = error else {
        panic!("{error}");
    };
    let passes = matches!(source, SourceError::Refused { passes: true, .. });
    let source = source.to_string();
    assert!(
        passes && source.contains("another backup is under way"),
        "{source}"
    );
    drop(first);
    // Its place is free once the server has seen that it is gone.
    while server.back_up("second", server.server()).await.is_err() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn who_does_not_read_loses_its_place() {
    let server = Listening::new().await;
    let path = path_in(server.folder.path());
    let silent = UnixStream::connect(&path).await.expect("connects");
    let error = server.back_up("one", server.server()).await;
    error.expect_err("the place is taken");
    tokio::time::pause();
    sleep(READER_PATIENCE * 2).await;
    tokio::time::resume();
    let first = Remote::connect(&path, Progress::default()).await;
    let mut first = first.expect("connects");
    first.step().await.expect("is served");
    tokio::time::pause();
    sleep(READER_PATIENCE * 2).await;
    tokio::time::resume();
    let second = server.back_up("two", server.server()).await;
    second.expect("is served");
    drop((silent, first));
}

#[tokio::test]
async fn a_stop_ends_it_and_takes_the_socket_away() {
    let server = Listening::new().await;
    let path = path_in(server.folder.path());
    let remote = Remote::connect(&path, Progress::default()).await;
    let mut remote = remote.expect("connects");
    remote.step().await.expect("is served");
    server.tasks.stop();
    assert_eq!(server.tasks.ended(Duration::from_secs(10)).await, 0);
    assert!(!path.exists());
    let error = server
        .back_up("late", server.server())
        .await
        .expect_err("is gone");
    assert!(error.to_string().contains("run it again"), "{error}");
}

#[tokio::test]
async fn a_backup_of_another_server_is_not_gone_on_with() {
    let server = Listening::new().await;
    let mut collector = Collector::new(
        server.store.clone(),
        Files::default().sealed(),
        Progress::default(),
    );
    collector.step().await.expect("reads");
    let mut begun = collector.progress().clone();
    begun.deployment = vec![1; 16].into();
    let path = path_in(server.folder.path());
    let mut remote = Remote::connect(&path, begun).await.expect("connects");
    let error = remote.step().await.expect_err("is refused");
    let is_final = matches!(error, SourceError::Refused { passes: false, .. });
    assert!(
        is_final && error.to_string().contains("another deployment"),
        "{error}"
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Listening::new().await;
    let path = path_in(server.folder.path());
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    send(&mut stream, &[0xff; 40]).await.expect("sends");
    let answer = receive(&mut stream, PART_BYTES_MAX).await.expect("answers");
    let part = wire::read_part(answer).expect("decodes");
    assert!(matches!(part, Part::Trouble(_)), "{part:?}");
    let mut stream = UnixStream::connect(&path).await.expect("connects");
    stream.write_all(&[0xff; 8]).await.expect("sends");
    let gone = receive(&mut stream, PART_BYTES_MAX).await;
    assert!(gone.is_err(), "nobody waits for four gigabytes");
}
