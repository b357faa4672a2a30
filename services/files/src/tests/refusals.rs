//! Whatever is wrong is refused by its own name, and changes nothing.

use cluster_types::{Coded, ErrorCode};

use super::*;

fn refused<T, E: Coded>(result: Result<T, E>) -> (ErrorCode, &'static str, Vec<String>) {
    let error = result.err().expect("refused");
    let fields = error
        .violations()
        .into_iter()
        .map(|violation| violation.field);
    (error.code(), error.reason(), fields.collect())
}

fn field(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

#[tokio::test]
async fn an_upload_that_may_not_begin_counts_nothing() {
    let policy = Policy {
        size_max: 100,
        account_quota: 150,
        ..Policy::default()
    };
    let world = World::new(policy).await;
    let start = async |size| world.files.start(ACCOUNT, new(size, None)).await;
    for size in [0, 101] {
        assert_eq!(
            refused(start(size).await),
            (ErrorCode::Invalid, "FILE_SIZE", field("size"))
        );
    }
    start(100).await.expect("the largest");
    assert_eq!(
        refused(start(51).await),
        (ErrorCode::Conflict, "FILE_QUOTA", vec![])
    );
    assert_eq!(world.used().await, (100, 1));
    start(50).await.expect("what is left");
    assert_eq!(world.used().await, (150, 2));
    let others = world.files.start(OTHER, new(100, None)).await;
    others.expect("another account has a quota of its own");
}

#[tokio::test]
async fn a_request_begins_one_upload_as_long_as_it_is_one() {
    let world = World::new(Policy::default()).await;
    let hash_of = Some(hash(b"hello"));
    let new = new(5, hash_of);
    let start = async |account, new: &NewUpload| world.files.start(account, new.clone()).await;
    let file = start(ACCOUNT, &new).await.expect("begins");
    assert_eq!(start(ACCOUNT, &new).await, Ok(file));
    let others = start(OTHER, &new).await.expect("ids are an account's own");
    assert_ne!(others, file);
    let room = RoomId::from_bytes([9; 16]);
    let name = FileName::new("other".to_owned()).expect("a name");
    let sha256 = Some(hash(b"hallo"));
    for other in [
        NewUpload {
            room,
            ..new.clone()
        },
        NewUpload {
            name,
            ..new.clone()
        },
        NewUpload {
            size: 6,
            ..new.clone()
        },
        NewUpload {
            sha256,
            ..new.clone()
        },
    ] {
        let reused = (ErrorCode::AlreadyExists, "REQUEST_ID_REUSED", vec![]);
        assert_eq!(refused(start(ACCOUNT, &other).await), reused);
    }
    let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
    writer.write(0, b"hello").await.expect("is taken");
    world.files.finish(ACCOUNT, file).await.expect("finishes");
    assert_eq!(
        start(ACCOUNT, &new).await,
        Ok(file),
        "as far as it has come"
    );
    assert_eq!(world.used().await, (5, 1));
    world.take(ROOM, file).await.expect("is carried");
    let next = start(ACCOUNT, &new).await.expect("the first is no upload");
    assert_ne!(next, file);
    assert!(world.files.give_up(ACCOUNT, next).await.expect("gives up"));
    let last = start(ACCOUNT, &new).await.expect("neither is the second");
    assert_ne!(last, next);
}

#[tokio::test]
async fn bytes_that_do_not_belong_are_not_taken() {
    let world = World::new(Policy::default()).await;
    let file = world.begin(10).await;
    let theirs = world.files.writer(OTHER, file).await;
    assert_eq!(
        refused(theirs),
        (ErrorCode::NotFound, "UPLOAD_NOT_FOUND", vec![])
    );
    let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
    writer.write(0, b"hello").await.expect("is taken");
    let ahead = (ErrorCode::Invalid, "UPLOAD_OFFSET", field("start.offset"));
    let behind = (ErrorCode::Contended, "UPLOAD_MOVED", vec![]);
    for (offset, elsewhere) in [(0, &behind), (4, &behind), (6, &ahead)] {
        assert_eq!(refused(writer.write(offset, b"w").await), *elsewhere);
    }
    let more = refused(writer.write(5, b"worlds").await);
    assert_eq!(more, (ErrorCode::Invalid, "UPLOAD_TOO_LONG", field("data")));
    let early = refused(world.files.finish(ACCOUNT, file).await);
    assert_eq!(early, (ErrorCode::Conflict, "UPLOAD_INCOMPLETE", vec![]));
    writer
        .write(5, b"world")
        .await
        .expect("what was refused changed nothing");
    let of = world.files.finish(ACCOUNT, file).await.expect("finishes");
    assert_eq!(world.read(&of, 0, 10).await.expect("reads"), b"helloworld");
    let late = refused(world.files.writer(ACCOUNT, file).await);
    assert_eq!(late, (ErrorCode::Conflict, "UPLOAD_FINISHED", vec![]));
    let outside = refused(world.files.reader(&of, 0..11));
    assert_eq!(outside, (ErrorCode::Invalid, "FILE_RANGE", field("range")));
}

#[tokio::test]
async fn what_hashes_to_something_else_does_not_finish() {
    let world = World::new(Policy::default()).await;
    let begun = world
        .files
        .start(ACCOUNT, new(5, Some(hash(b"hello"))))
        .await;
    let file = begun.expect("an upload");
    let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
    writer.write(0, b"hallo").await.expect("is taken");
    let differs = refused(world.files.finish(ACCOUNT, file).await);
    assert_eq!(
        differs,
        (ErrorCode::Conflict, "UPLOAD_HASH_DIFFERS", vec![])
    );
    let stands = world.files.upload(ACCOUNT, file).await.expect("reads");
    assert!(!stands.expect("there").finished);
}

#[tokio::test]
async fn a_refused_type_is_known_by_its_bytes_and_not_by_its_name() {
    let policy = Policy {
        refused_types: vec!["application/x-executable".to_owned()],
        ..Policy::default()
    };
    let world = World::new(policy).await;
    let program = [&b"\x7fELF\x02\x01\x01"[..], &[0; 93]].concat();
    let file = world.begin(program.len()).await;
    let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
    let taken = refused(writer.write(0, &program).await);
    assert_eq!(taken, (ErrorCode::Forbidden, "FILE_TYPE_REFUSED", vec![]));
    assert!(world.objects().is_empty(), "nothing of it was stored");
}

#[tokio::test]
async fn a_message_carries_only_finished_uploads_of_its_sender_for_its_room() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    let begun = world.begin(5).await;
    let room = RoomId::from_bytes([9; 16]);
    for (account, room, file, reason) in [
        (ACCOUNT, room, of.file, "UPLOAD_FOR_ANOTHER_ROOM"),
        (ACCOUNT, ROOM, begun, "UPLOAD_NOT_FINISHED"),
        (OTHER, ROOM, of.file, "UPLOAD_NOT_FOUND"),
    ] {
        assert_eq!(
            refused(world.descriptor(account, room, file).await).1,
            reason
        );
        let take =
            |tx: Transaction, _| async move { Files::take(&tx, account, room, &[file]).await };
        assert_eq!(refused(world.store.run(take).await).1, reason);
    }
    let found = world.descriptor(ACCOUNT, ROOM, of.file).await;
    assert!(found.expect("its own").key.is(&of.key));
    world.take(ROOM, of.file).await.expect("is carried");
    let twice = (ErrorCode::Conflict, "UPLOAD_TAKEN", vec![]);
    assert_eq!(refused(world.take(ROOM, of.file).await), twice);
    assert_eq!(
        refused(world.descriptor(ACCOUNT, ROOM, of.file).await),
        twice
    );
    assert_eq!(
        refused(world.descriptor(OTHER, ROOM, of.file).await).1,
        "UPLOAD_NOT_FOUND",
        "others do not learn that it is there"
    );
    assert_eq!(world.used().await, (10, 1), "it still counts in the quota");
    assert!(
        !world.files.give_up(ACCOUNT, of.file).await.expect("asks"),
        "it is no upload"
    );
    assert_eq!(world.read(&of, 0, 5).await.expect("reads"), b"hello");
}
