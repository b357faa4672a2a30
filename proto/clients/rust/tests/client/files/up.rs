//! Files on their way up: what goes on after a break, from where, and what is found out at the end.

use std::io::{Cursor, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rookery_client::{Client, Code, Error, Outgoing, Progress, Token, Tuning};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::time::{Sleep, sleep};
use tonic::Status;

use super::{bytes, few, unseen};
use crate::fake::files::STEP;
use crate::fake::{Fake, TOKEN, is_refused};

const ROOM: &str = "rooms/a";

/// A client that tries three times, calls and transfers.
async fn client(fake: &Fake) -> Client {
    let builder = fake.builder().retry(few()).transfer_retry(few());
    let client = builder.connect().await;
    let client = client.expect("it listens");
    client.with_token(Token::new(TOKEN)).expect("a good token")
}

#[tokio::test]
async fn an_upload_goes_on_from_what_is_durable_however_often_it_breaks() {
    let fake = Fake::start().await;
    fake.state.files.lock().cut_after = Some(100_000);
    let file = bytes(1_000_000);
    let mut seen = Vec::new();
    let sent = client(&fake)
        .await
        .upload(ROOM, "a.bin", &mut Cursor::new(&file), |progress| {
            seen.push(progress);
        })
        .await
        .expect("more breaks than attempts, and progress between them");
    let shelf = fake.state.files.lock();
    assert!(sent.finished && shelf.sent(&sent.name) == file);
    assert!(shelf.offsets.len() > few().attempts_max as usize);
    let durable = |offset: &u64| *offset == file.len() as u64 || offset.is_multiple_of(STEP as u64);
    assert!(shelf.offsets.iter().all(durable), "{:?}", shelf.offsets);
    assert!(shelf.offsets.is_sorted(), "{:?}", shelf.offsets);
    let all = Progress {
        bytes: file.len() as u64,
        total: file.len() as u64,
    };
    assert_eq!(
        seen.iter().max_by_key(|progress| progress.bytes),
        Some(&all)
    );
}

#[tokio::test]
async fn an_upload_that_does_not_get_on_is_given_up() {
    let fake = Fake::start().await;
    fake.state.files.lock().cut_after = Some(0);
    fake.state.files.lock().begin("files/x", 1_000, &[]);
    let mut source = Cursor::new(bytes(1_000));
    let sent = client(&fake)
        .await
        .continue_upload("files/x", &mut source, unseen)
        .await;
    assert!(sent.expect_err("no progress").is_transient());
    assert_eq!(fake.state.files.lock().offsets, [0; 3]);
}

#[tokio::test]
async fn what_changed_while_it_was_sent_is_found_out() {
    let fake = Fake::start().await;
    fake.state.files.lock().cut_after = Some(65_000);
    let mut source = Changing {
        bytes: Cursor::new(bytes(200_000)),
        sought: 0,
    };
    let sent = client(&fake)
        .await
        .upload(ROOM, "a.bin", &mut source, unseen)
        .await;
    assert!(matches!(sent, Err(Error::Altered)), "{sent:?}");
    assert!(fake.state.files.lock().is_empty(), "it is given up");
}

#[tokio::test]
async fn what_another_program_began_goes_on() {
    let fake = Fake::start().await;
    let file = bytes(150_000);
    fake.state
        .files
        .lock()
        .begin("files/x", file.len(), &file[..100_000]);
    let mut seen = None;
    let sent = client(&fake)
        .await
        .continue_upload("files/x", &mut Cursor::new(&file), |progress| {
            seen.get_or_insert(progress.bytes);
        })
        .await;
    assert!(sent.expect("half was there").finished);
    let shelf = fake.state.files.lock();
    assert_eq!(shelf.offsets, [100_000]);
    assert!(shelf.sent("files/x") == file);
    assert!(seen > Some(100_000), "{seen:?}");
}

#[tokio::test]
async fn no_call_waits_while_what_another_program_sent_is_read_from_a_slow_disk() {
    let fake = Fake::start().await;
    let file = bytes(150_000);
    let half = &file[..100_000];
    fake.state.files.lock().begin("files/x", file.len(), half);
    let mut seen = Vec::new();
    let mut source = Slow {
        bytes: Cursor::new(&file),
        slow_to: half.len() as u64,
        calls: || fake.state.files.lock().offsets.len(),
        seen: &mut seen,
        turning: None,
    };
    let client = client(&fake).await;
    let sent = client.continue_upload("files/x", &mut source, unseen).await;
    assert!(sent.expect("half was there").finished);
    assert!(!seen.is_empty() && seen.iter().all(|calls| *calls == 0));
}

#[tokio::test]
async fn what_another_program_began_with_another_file_is_found_out() {
    let fake = Fake::start().await;
    let file = bytes(150_000);
    let other = vec![0; 100_000];
    fake.state.files.lock().begin("files/x", file.len(), &other);
    let sent = client(&fake)
        .await
        .continue_upload("files/x", &mut Cursor::new(&file), unseen)
        .await;
    assert!(matches!(sent, Err(Error::Altered)), "{sent:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_without_sending_again() {
    let fake = Fake::start().await;
    fake.state.files.lock().lose_answers = 2;
    let file = bytes(100_000);
    let sent = client(&fake)
        .await
        .upload(ROOM, "a.bin", &mut Cursor::new(&file), unseen)
        .await;
    assert!(sent.expect("the third answer").finished);
    let whole = file.len() as u64;
    assert_eq!(fake.state.files.lock().offsets, [0, whole, whole]);
}

/// What broke can still be at work when the server is asked where the upload stands.
#[tokio::test]
async fn an_upload_that_has_moved_on_meanwhile_is_asked_about_again() {
    let fake = Fake::start().await;
    fake.state.files.lock().cut_after = Some(100_000);
    fake.state.files.lock().stale = 2;
    let file = bytes(150_000);
    let sent = fake
        .client()
        .await
        .upload(ROOM, "a.bin", &mut Cursor::new(&file), unseen)
        .await
        .expect("the third answer");
    let shelf = fake.state.files.lock();
    assert!(shelf.sent(&sent.name) == file);
    assert_eq!((shelf.stale, &shelf.offsets[..3]), (0, &[0, 0, 0][..]));
}

#[tokio::test]
async fn an_upload_whose_attempts_ran_out_stays() {
    let fake = Fake::start().await;
    fake.state.files.lock().cut_after = Some(0);
    let sent = client(&fake)
        .await
        .upload(ROOM, "a.bin", &mut Cursor::new(bytes(1_000)), unseen)
        .await;
    assert!(sent.expect_err("no progress").is_transient());
    assert!(!fake.state.files.lock().is_empty());
}

#[tokio::test]
async fn a_source_that_became_shorter_is_an_error_and_not_tried_again() {
    let fake = Fake::start().await;
    fake.state.files.lock().begin("files/x", 100_000, &[]);
    let sent = client(&fake)
        .await
        .continue_upload("files/x", &mut Cursor::new(bytes(90_000)), unseen)
        .await;
    assert!(matches!(sent, Err(Error::Read(_))), "{sent:?}");
    assert!(fake.state.files.lock().offsets.len() <= 1);
}

#[tokio::test]
async fn a_file_is_sent_under_its_own_name() {
    let fake = Fake::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notes.txt");
    std::fs::write(&path, "hello").expect("written");
    let client = client(&fake).await;
    let sent = client.upload_file(ROOM, &path, unseen).await;
    let sent = sent.expect("a small file");
    assert_eq!((sent.display_name.as_str(), sent.size), ("notes.txt", 5));
    let message = Outgoing::new(ROOM, "").attach(&sent.name);
    assert_eq!(message.request().attachments, [sent.name]);
    let nothing = folder.path().join("none");
    let error = client.upload_file(ROOM, &nothing, unseen).await;
    assert!(matches!(error, Err(Error::File { path, .. }) if path == nothing));
    let error = client.upload_file(ROOM, folder.path(), unseen).await;
    let error = error.expect_err("a folder is no file").to_string();
    assert!(error.ends_with("is no file"), "{error}");
}

#[tokio::test]
async fn an_upload_is_begun_once_whatever_became_of_the_answers() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    let mut file = Cursor::new(b"hello");
    fake.state.files.lock().lose_begun = 2;
    let sent = client.upload(ROOM, "a", &mut file, unseen).await;
    let sent = sent.expect("the third answer");
    assert_eq!(sent.name, "files/0");
    let other = client.upload(ROOM, "a", &mut file, unseen).await;
    assert_eq!(other.expect("another one").name, "files/1");
    let refused = Status::failed_precondition("no quota");
    fake.state.faults.lock().refuse.push_back(refused);
    let refused = client.upload(ROOM, "a", &mut file, unseen).await;
    let refused = refused.expect_err("for good");
    assert!(is_refused(&refused, Code::FailedPrecondition));
}

#[tokio::test]
async fn a_server_that_stands_still_is_asked_anew() {
    let fake = Fake::start().await;
    fake.state.files.lock().stand_still = 1;
    let quiet = Tuning {
        keepalive: None,
        ..Tuning::NORMAL
    };
    let client = fake.builder().tuning(quiet).connect().await;
    let client = client.expect("it listens").with_token(Token::new(TOKEN));
    let client = client.expect("a good token");
    // All of it has left when the server hears of it.
    let mut source = Cursor::new(bytes(100_000));
    let upload = client.upload(ROOM, "a.bin", &mut source, unseen);
    let stood_still = async {
        fake.until_calls(1).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31)).await;
        tokio::time::resume();
    };
    let (sent, ()) = tokio::join!(upload, stood_still);
    assert!(sent.expect("the second call").finished);
    assert_eq!(fake.state.files.lock().offsets, [0, 0]);
}

/// A file whose bytes change whenever somebody goes back in it.
struct Changing {
    bytes: Cursor<Vec<u8>>,
    sought: u8,
}

impl AsyncRead for Changing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let begin = buffer.filled().len();
        let sought = self.sought;
        let read = Pin::new(&mut self.bytes).poll_read(context, buffer);
        for byte in &mut buffer.filled_mut()[begin..] {
            *byte ^= sought;
        }
        read
    }
}

impl AsyncSeek for Changing {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> std::io::Result<()> {
        self.sought += 1;
        Pin::new(&mut self.bytes).start_seek(to)
    }

    fn poll_complete(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<u64>> {
        Pin::new(&mut self.bytes).poll_complete(context)
    }
}

/// A file of which the beginning is read slowly, and how many calls for bytes there were each time.
struct Slow<'a, C> {
    bytes: Cursor<&'a Vec<u8>>,
    slow_to: u64,
    calls: C,
    seen: &'a mut Vec<usize>,
    turning: Option<Pin<Box<Sleep>>>,
}

impl<C: Fn() -> usize + Unpin> AsyncRead for Slow<'_, C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.bytes.position() < self.slow_to {
            let turn = || Box::pin(sleep(Duration::from_millis(50)));
            let turning = self.turning.get_or_insert_with(turn);
            ready!(turning.as_mut().poll(context));
            self.turning = None;
            let calls = (self.calls)();
            self.seen.push(calls);
        }
        Pin::new(&mut self.bytes).poll_read(context, buffer)
    }
}

impl<C: Unpin> AsyncSeek for Slow<'_, C> {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> std::io::Result<()> {
        Pin::new(&mut self.bytes).start_seek(to)
    }

    fn poll_complete(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<u64>> {
        Pin::new(&mut self.bytes).poll_complete(context)
    }
}
