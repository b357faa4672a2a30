//! Files on their way down: what goes on after a break, and what is at a path meanwhile and afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use proto::v1::event::Kind;
use proto::v1::{Event, Message, MessageDeletion, MessageEdit};
use rookery_client::{
    Attached, Client, Code, Error, Existing, Progress, Retry, Token, discard_part,
};
use tempfile::TempDir;

use super::{bytes, few, unseen};
use crate::fake::{Fake, TOKEN, is_refused};

/// A client that makes a call once, and tries a transfer three times.
async fn client(fake: &Fake) -> Client {
    let builder = fake.builder().retry(Retry::never()).transfer_retry(few());
    let client = builder.connect().await;
    let client = client.expect("it listens");
    client.with_token(Token::new(TOKEN)).expect("a good token")
}

/// A folder and a path in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.bin");
    (folder, path)
}

/// What is in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("listed"))).collect();
    names.sort();
    names
}

/// The one file there.
fn part(folder: &Path) -> String {
    let mut names = names(folder);
    let part = names.pop().expect("a part");
    assert!(names.is_empty(), "{names:?}");
    part
}

/// Begins to save a file, and leaves the part behind.
async fn begun(fake: &Fake, client: &Client, of: &Attached, path: &Path) -> String {
    fake.state.files.lock().cut_after = Some(0);
    let saved = client.save(of, path, Existing::Keep, unseen).await;
    assert!(saved.is_err());
    fake.state.files.lock().cut_after = None;
    part(path.parent().expect("in a folder"))
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_however_often() {
    let fake = Fake::start().await;
    let file = bytes(1_000_000);
    let of = fake.state.files.lock().carry(&file);
    fake.state.files.lock().cut_after = Some(150_000);
    let (mut sink, mut seen) = (Vec::new(), Vec::new());
    let client = client(&fake).await;
    let down = client.download(&of, &mut sink, |progress| seen.push(progress));
    down.await.expect("more breaks than attempts");
    assert!(sink == file);
    let offsets = fake.state.files.lock().offsets.clone();
    assert_eq!(
        offsets,
        [0, 150_000, 300_000, 450_000, 600_000, 750_000, 900_000]
    );
    let total = file.len() as u64;
    assert_eq!(
        seen.last(),
        Some(&Progress {
            bytes: total,
            total
        })
    );
    assert!(seen.is_sorted_by_key(|progress| progress.bytes));
}

#[tokio::test]
async fn a_range_is_what_was_asked_for_and_an_empty_one_is_nothing() {
    let fake = Fake::start().await;
    let file = bytes(100_000);
    let of = fake.state.files.lock().carry(&file);
    fake.state.files.lock().cut_after = Some(20_000);
    let client = client(&fake).await;
    let mut sink = Vec::new();
    let part = client.download_range(&of, 10_000..60_000, &mut sink, unseen);
    part.await.expect("a part of it");
    assert!(sink == file[10_000..60_000]);
    let nothing = client.download_range(&of, 5..5, &mut sink, unseen);
    nothing.await.expect("nothing");
    assert_eq!(sink.len(), 50_000);
    let too_many = client.download_range(&of, 0..100_001, &mut sink, unseen);
    let refused = too_many.await.expect_err("one too many");
    assert!(is_refused(&refused, Code::InvalidArgument));
}

#[tokio::test]
async fn a_file_that_came_altered_is_not_said_to_be_there() {
    let fake = Fake::start().await;
    let of = fake.state.files.lock().carry(&bytes(50_000));
    fake.state.files.lock().alter(&of);
    let client = client(&fake).await;
    let altered = client.download(&of, &mut Vec::new(), unseen).await;
    assert!(matches!(altered, Err(Error::Altered)), "{altered:?}");
    let (folder, path) = place();
    let altered = client.save(&of, &path, Existing::Keep, unseen).await;
    assert!(matches!(altered, Err(Error::Altered)), "{altered:?}");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_saved_file_is_there_whole_or_not_at_all() {
    let fake = Fake::start().await;
    let file = bytes(700_000);
    let of = fake.state.files.lock().carry(&file);
    let (folder, path) = place();
    let client = client(&fake).await;

    // It is dropped in the middle.
    fake.state.files.lock().cut_after = Some(600_000);
    let cut = client.save(&of, &path, Existing::Keep, |progress| {
        if progress.bytes >= 600_000 {
            fake.state.files.lock().cut_after = Some(0);
        }
    });
    assert!(cut.await.expect_err("nothing more comes").is_transient());
    let part = part(folder.path());
    assert!(
        part.starts_with("a.bin.") && part.ends_with(".part"),
        "{part}"
    );
    let kept = fs::metadata(folder.path().join(part)).expect("there").len();
    assert!(kept > 0);
    fake.state.files.lock().cut_after = None;
    fake.state.files.lock().offsets.clear();
    let saved = client.save(&of, &path, Existing::Keep, unseen).await;
    saved.expect("the rest");
    assert_eq!(fake.state.files.lock().offsets, [kept]);
    assert_eq!(names(folder.path()), ["a.bin"]);
    assert!(fs::read(&path).expect("there") == file);
}

#[tokio::test]
async fn what_a_save_has_left_can_be_discarded_unless_it_goes_on() {
    let fake = Fake::start().await;
    let of = fake.state.files.lock().carry(&bytes(700_000));
    let (folder, path) = place();
    let client = client(&fake).await;
    discard_part(&of, &path).await.expect("there is none");
    fake.state.files.lock().cut_after = Some(600_000);
    let (going, mut is_going) = tokio::sync::mpsc::channel(1);
    let mut save = Box::pin(client.save(&of, &path, Existing::Keep, move |_| {
        let _ = going.try_send(());
    }));
    tokio::select! {
        saved = &mut save => panic!("{saved:?}"),
        moved = is_going.recv() => moved.expect("it goes on"),
    }
    let refused = discard_part(&of, &path).await;
    assert!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
    assert_eq!(names(folder.path()).len(), 1);
    drop(save);
    discard_part(&of, &path).await.expect("nobody writes it");
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_part_that_is_not_what_it_should_be_is_fetched_anew() {
    let fake = Fake::start().await;
    let file = bytes(100_000);
    let of = fake.state.files.lock().carry(&file);
    let client = client(&fake).await;
    for length in [50_000, 100_000, 200_000] {
        let (folder, path) = place();
        let part = begun(&fake, &client, &of, &path).await;
        fs::write(folder.path().join(part), vec![7; length]).expect("written");
        let saved = client.save(&of, &path, Existing::Keep, unseen).await;
        saved.expect("it comes anew");
        assert!(fs::read(&path).expect("there") == file, "{length}");
        assert_eq!(names(folder.path()), ["a.bin"]);
    }
}

#[tokio::test]
async fn what_exists_is_kept_unless_it_is_to_be_replaced() {
    let fake = Fake::start().await;
    let file = bytes(100_000);
    let of = fake.state.files.lock().carry(&file);
    let (folder, path) = place();
    let client = client(&fake).await;
    fs::write(&path, "mine").expect("written");
    let kept = client.save(&of, &path, Existing::Keep, unseen).await;
    assert!(matches!(kept, Err(Error::Exists { .. })), "{kept:?}");
    assert!(
        fake.state.files.lock().offsets.is_empty(),
        "nothing is fetched"
    );
    assert_eq!(fs::read(&path).expect("there"), b"mine");
    let replaced = client.save(&of, &path, Existing::Replace, unseen).await;
    replaced.expect("it was asked for");
    assert!(fs::read(&path).expect("there") == file);
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[tokio::test]
async fn what_comes_into_being_meanwhile_is_kept_too() {
    let fake = Fake::start().await;
    let of = fake.state.files.lock().carry(&bytes(100_000));
    let (_folder, path) = place();
    let client = client(&fake).await;
    let late = client.save(&of, &path, Existing::Keep, |_| {
        fs::write(&path, "mine").expect("written");
    });
    let kept = late.await;
    assert!(matches!(kept, Err(Error::Exists { .. })), "{kept:?}");
    assert_eq!(fs::read(&path).expect("there"), b"mine");
}

#[cfg(unix)]
#[tokio::test]
async fn a_saved_file_is_its_owners_alone_and_a_link_leads_it_nowhere() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let fake = Fake::start().await;
    let file = bytes(100_000);
    let of = fake.state.files.lock().carry(&file);
    let (folder, path) = place();
    let client = client(&fake).await;
    let part = folder.path().join(begun(&fake, &client, &of, &path).await);
    fs::remove_file(&part).expect("removed");
    let theirs = folder.path().join("theirs");
    symlink(&theirs, &part).expect("linked");
    let saved = client.save(&of, &path, Existing::Keep, unseen).await;
    assert!(matches!(saved, Err(Error::File { path, .. }) if path == part));
    assert!(!theirs.exists());
    fs::remove_file(&part).expect("removed");
    let saved = client.save(&of, &path, Existing::Keep, unseen).await;
    saved.expect("no link");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn one_program_at_a_time_saves_a_file() {
    let fake = Fake::start().await;
    let file = bytes(100_000);
    let of = fake.state.files.lock().carry(&file);
    let (folder, path) = place();
    let client = client(&fake).await;
    let part = begun(&fake, &client, &of, &path).await;
    let other = fs::File::open(folder.path().join(part)).expect("there");
    other.lock().expect("nobody saves it now");
    let refused = client.save(&of, &path, Existing::Keep, unseen).await;
    let refused = refused.expect_err("the other one saves it").to_string();
    assert!(refused.contains("another program"), "{refused}");
    drop(other);
    let saved = client.save(&of, &path, Existing::Keep, unseen).await;
    saved.expect("nobody else saves it");
    assert!(fs::read(&path).expect("there") == file);
}

#[tokio::test]
async fn a_file_that_no_message_carries_is_an_answer() {
    let fake = Fake::start().await;
    let mut of = fake.state.files.lock().carry(&bytes(10));
    of.file.file = "files/none".to_owned();
    let client = client(&fake).await;
    let refused = client.download(&of, &mut Vec::new(), unseen).await;
    let refused = refused.expect_err("nobody carries it");
    assert!(is_refused(&refused, Code::NotFound));
    assert_eq!(fake.state.files.lock().offsets, [0]);
}

#[test]
fn an_event_leads_to_the_files_of_its_message() {
    let fake = Attached {
        room: "rooms/a".to_owned(),
        seq: 7,
        file: Default::default(),
    };
    let message = Message {
        attachments: vec![fake.file.clone(), fake.file.clone()],
        ..Message::default()
    };
    let of = |seq, kind| {
        Attached::of(&Event {
            room: fake.room.clone(),
            seq,
            kind: Some(kind),
            ..Event::default()
        })
    };
    assert_eq!(of(7, Kind::Message(message.clone())), vec![fake.clone(); 2]);
    let message = Some(message);
    let target_seq = 7;
    let edit = MessageEdit {
        target_seq,
        message,
    };
    assert_eq!(of(9, Kind::MessageEdit(edit)), vec![fake.clone(); 2]);
    assert_eq!(
        of(9, Kind::MessageDeletion(MessageDeletion { target_seq })),
        []
    );
}
