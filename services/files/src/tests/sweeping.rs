//! What nobody needs goes, and nothing else does.

use cluster_store::schema::{File, FileQuota};
use proto::storage::v1;

use super::*;
use crate::Swept;
use crate::limits::{REMOVALS_EVERY, SEGMENT_BYTES, SWEEP_EVERY, SWEEP_PAUSE};

const NOTHING: Swept = Swept {
    ownerless: 0,
    uploads: 0,
    files: 0,
    strays: 0,
    failures: 0,
};

#[tokio::test(start_paused = true)]
async fn a_file_goes_with_its_message_and_not_before() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(&bytes(SEGMENT_BYTES + 1)).await;
    world.take(ROOM, of.file).await.expect("is carried");
    world.next_day();
    world.next_day();
    assert_eq!(world.files.sweep().await, NOTHING);
    assert_eq!(world.objects().len(), 2);
    world.release(of.file).await;
    world.release(of.file).await;
    assert_eq!(
        world.used().await,
        (of.size, 0),
        "it takes room as long as it lies there"
    );
    let swept = world.files.sweep().await;
    assert_eq!(
        swept,
        Swept {
            files: 1,
            ..NOTHING
        }
    );
    assert_eq!(world.used().await, (0, 0));
    assert!(world.objects().is_empty());
    assert_eq!(world.files.sweep().await, NOTHING);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_no_message_carries_is_swept_after_its_day() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    let begun = world.begin(7).await;
    world.next_day();
    assert_eq!(world.files.sweep().await, NOTHING, "it has this day");
    world.next_day();
    let swept = world.files.sweep().await;
    assert_eq!(
        swept,
        Swept {
            uploads: 2,
            files: 2,
            ..NOTHING
        }
    );
    assert_eq!(world.used().await, (0, 0));
    assert!(world.objects().is_empty());
    for file in [of.file, begun] {
        assert_eq!(world.files.upload(ACCOUNT, file).await, Ok(None));
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_was_given_up_is_gone_for_its_writer_too() {
    let world = World::new(Policy::default()).await;
    let file = world.begin(10).await;
    let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
    assert!(!world.files.give_up(OTHER, file).await.expect("asks"));
    assert!(world.files.give_up(ACCOUNT, file).await.expect("asks"));
    assert!(
        !world.files.give_up(ACCOUNT, file).await.expect("asks"),
        "only once"
    );
    assert_eq!(world.files.sweep().await.files, 1);
    assert_eq!(world.used().await, (0, 0));
    let gone = writer.write(0, &[0; 10]).await;
    assert!(
        matches!(gone, Err(crate::WriteError::NoSuchUpload)),
        "{gone:?}"
    );
    assert!(world.objects().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_object_of_no_file_is_swept_and_what_is_not_ours_is_left() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    let folder = world.folder.path().join("objects");
    let stray = folder.join(FileId::random(&world.rng).to_string());
    std::fs::create_dir(&stray).expect("a folder");
    std::fs::write(stray.join("0"), b"left by a crash").expect("writes");
    std::fs::write(folder.join("notes.txt"), b"somebody's").expect("writes");
    world.take(ROOM, of.file).await.expect("is carried");
    assert_eq!(world.files.sweep().await, NOTHING, "it is young");
    world.far_future();
    let swept = world.files.sweep().await;
    assert_eq!(
        swept,
        Swept {
            strays: 1,
            ..NOTHING
        }
    );
    assert_eq!(world.objects().len(), 2);
    assert_eq!(world.read(&of, 0, 5).await.expect("reads"), b"hello");
}

#[tokio::test(start_paused = true)]
async fn the_files_of_an_account_go_with_it_however_many_they_are() {
    let world = World::new(Policy::default()).await;
    let carried = world.upload(b"in a message").await;
    world.take(ROOM, carried.file).await.expect("is carried");
    world.upload(b"in none").await;
    // More than the sweep looks at in one go lie between.
    for other in 3..60 {
        let account = AccountId::from_bytes([other; 16]);
        for _ in 0..2 {
            let begun = world.files.start(account, new(5, None)).await;
            begun.expect("an upload");
        }
    }
    let theirs = world.files.start(OTHER, new(5, None)).await;
    let theirs = theirs.expect("an upload");
    assert_eq!(world.files.sweep().await, NOTHING);

    world.gone.0.lock().insert(ACCOUNT);
    let swept = world.files.sweep().await;
    let expected = Swept {
        ownerless: 2,
        files: 2,
        ..NOTHING
    };
    assert_eq!(swept, expected);
    assert!(world.objects().is_empty());
    let stands = world.files.upload(OTHER, theirs).await.expect("reads");
    assert!(stands.is_some(), "it is somebody else's");
    let read = |tx: Transaction| async move { tx.row(&FileQuota { account: ACCOUNT }).await };
    let quota: Result<_, StoreError> = world.store.read(read).await;
    assert_eq!(quota, Ok(None), "nothing tells that it had files");
    // The message is cleared later, with its room.
    world.release(carried.file).await;
    assert_eq!(world.files.sweep().await, NOTHING);
}

/// An account is gone while one of its calls is still under way.
#[tokio::test(start_paused = true)]
async fn what_begins_after_its_account_has_gone_goes_with_the_next_sweep() {
    let world = World::new(Policy::default()).await;
    world.gone.0.lock().insert(ACCOUNT);
    for _ in 0..2 {
        world.begin(5).await;
        let swept = world.files.sweep().await;
        assert_eq!((swept.ownerless, swept.files), (1, 1));
        assert_eq!(world.used().await, (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_makes_no_sense_keeps_nothing_else_from_going() {
    let world = World::new(Policy::default()).await;
    let file = FileId::from_bytes([0; 16]);
    let nobodys = |tx: Transaction, _| async move {
        let row = v1::File::default();
        tx.set_row(&File { file }, &row)
    };
    world.upload(b"hello").await;
    world.store.run(nobodys).await.expect("writes");
    world.gone.0.lock().insert(ACCOUNT);
    let swept = world.files.sweep().await;
    let expected = Swept {
        ownerless: 1,
        files: 1,
        failures: 1,
        ..NOTHING
    };
    assert_eq!(swept, expected);
    assert!(world.objects().is_empty());
}

/// An upload of gigabytes, of which nothing came, is removed by looking for one object.
#[tokio::test(start_paused = true)]
async fn a_removal_costs_what_came_and_not_what_was_announced() {
    let world = World::new(Policy::default()).await;
    let segment = SEGMENT_BYTES as u64;
    let size = 100 * SEGMENT_BYTES;
    let (nothing, some) = (world.begin(size).await, world.begin(size).await);
    let mut writer = world.files.writer(ACCOUNT, some).await.expect("a writer");
    let taken = writer.write(0, &bytes(SEGMENT_BYTES + 1)).await;
    taken.expect("is taken");
    writer.settle().await.expect("is durable");
    for file in [nothing, some] {
        world
            .files
            .give_up(ACCOUNT, file)
            .await
            .expect("is given up");
    }
    assert_eq!(world.used().await, (3 * segment, 0));
    assert_eq!(world.files.sweep().await.files, 2);
    assert_eq!(world.used().await, (0, 0));
    assert!(world.objects().is_empty());
}

/// What was deleted goes within seconds, and not with the next sweep.
#[tokio::test(start_paused = true)]
async fn whoever_makes_room_has_it_soon() {
    let world = World::new(Policy::default()).await;
    let swept = async {
        world.files.keep_swept(&world.alone().await).await;
    };
    let room = async {
        // After the first sweep.
        tokio::time::sleep(SWEEP_EVERY / 2).await;
        let of = world.upload(b"hello").await;
        assert!(world.files.give_up(ACCOUNT, of.file).await.expect("asks"));
        let asked = tokio::time::Instant::now();
        while world.used().await != (0, 0) {
            tokio::time::sleep(SWEEP_PAUSE).await;
        }
        asked.elapsed()
    };
    tokio::select! {
        () = swept => {}
        waited = room => assert!(waited < 2 * REMOVALS_EVERY, "{waited:?}"),
    }
    assert!(world.objects().is_empty());
}
