//! What nobody needs goes, and nothing else does.

use super::*;
use crate::Swept;

const NOTHING: Swept = Swept {
    uploads: 0,
    files: 0,
    strays: 0,
};

#[tokio::test(start_paused = true)]
async fn a_file_goes_with_its_message_and_not_before() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(&bytes(crate::limits::SEGMENT_BYTES + 1)).await;
    world.take(ROOM, of.file).await.expect("is carried");
    world.next_day();
    world.next_day();
    assert_eq!(world.files.sweep().await.expect("sweeps"), NOTHING);
    assert_eq!(world.objects().len(), 2);
    world.release(of.file).await;
    world.release(of.file).await;
    assert_eq!(world.used().await, (0, 0));
    let swept = world.files.sweep().await.expect("sweeps");
    assert_eq!(
        swept,
        Swept {
            files: 1,
            ..NOTHING
        }
    );
    assert!(world.objects().is_empty());
    assert_eq!(world.files.sweep().await.expect("sweeps"), NOTHING);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_no_message_carries_is_swept_after_its_day() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(b"hello").await;
    let begun = world.begin(7).await;
    world.next_day();
    assert_eq!(
        world.files.sweep().await.expect("sweeps"),
        NOTHING,
        "it has this day"
    );
    world.next_day();
    let swept = world.files.sweep().await.expect("sweeps");
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
    let folder = world.folder.path().join("objects/files");
    let stray = folder.join(FileId::random(&world.rng).to_string());
    std::fs::create_dir(&stray).expect("a folder");
    std::fs::write(stray.join("0"), b"left by a crash").expect("writes");
    std::fs::write(folder.join("notes.txt"), b"somebody's").expect("writes");
    let swept = world.files.sweep().await.expect("sweeps");
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
