//! Uploads whose calls end before a segment is full.

use super::*;
use crate::WriteError;
use crate::limits::{CHUNK_BYTES, SEGMENT_BYTES};

const CHUNK: u64 = CHUNK_BYTES as u64;

/// Sends a part of an upload, in one call that ends then. How many bytes are durable.
async fn send(world: &World, file: FileId, sent: &[u8]) -> Result<u64, WriteError> {
    let mut writer = world.files.writer(ACCOUNT, file).await?;
    writer.write(writer.taken(), sent).await?;
    writer.keep().await
}

/// The tails that lie there.
fn tails(world: &World) -> Vec<PathBuf> {
    let is_tail = |path: &PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy();
        name.starts_with("tail-")
    };
    world.objects().into_iter().filter(is_tail).collect()
}

#[tokio::test]
async fn an_upload_gets_on_however_soon_each_call_ends() {
    let mut world = World::new(Policy::default()).await;
    let sent = bytes(2 * SEGMENT_BYTES + CHUNK_BYTES + 5);
    let new = new(sent.len(), Some(hash(&sent)));
    let file = world.files.start(ACCOUNT, new).await.expect("begins");
    let (mut at, mut calls) = (0, 0);
    while at < sent.len() {
        let to = sent.len().min(at + 7 * CHUNK_BYTES + 10);
        let kept = send(&world, file, &sent[at..to]).await.expect("is kept");
        let whole = if to == sent.len() {
            to
        } else {
            at + 7 * CHUNK_BYTES
        };
        assert_eq!(kept, whole as u64, "whole chunks are durable");
        at = whole;
        calls += 1;
        world.restart();
        let stands = world.files.upload(ACCOUNT, file).await.expect("reads");
        assert_eq!(stands.expect("is there").received, kept);
        assert!(tails(&world).len() <= 1, "none but the last one stays");
    }
    assert_eq!(calls, 19);
    let of = world.files.finish(ACCOUNT, file).await.expect("its hash");
    assert!(world.read(&of, 0, sent.len()).await.expect("reads") == sent);
    assert_eq!(world.objects().len(), 3, "its segments, and no tail");
}

#[tokio::test]
async fn a_call_that_brings_no_whole_chunk_changes_nothing() {
    let world = World::new(Policy::default()).await;
    let file = world.begin(SEGMENT_BYTES).await;
    let less = send(&world, file, &bytes(CHUNK_BYTES - 1)).await;
    assert_eq!(less.expect("ends"), 0);
    assert!(world.objects().is_empty());
    let kept = send(&world, file, &bytes(CHUNK_BYTES)).await;
    assert_eq!(kept.expect("ends"), CHUNK);
    let before = std::fs::read(&tails(&world)[0]).expect("reads");
    for sent in [&[][..], &[1]] {
        assert_eq!(send(&world, file, sent).await.expect("ends"), CHUNK);
        assert_eq!(std::fs::read(&tails(&world)[0]).expect("reads"), before);
    }
}

#[tokio::test]
async fn a_tail_is_sealed_anew_under_another_prefix() {
    let world = World::new(Policy::default()).await;
    let (sent, file) = (bytes(2 * CHUNK_BYTES), world.begin(SEGMENT_BYTES).await);
    let (first, second) = sent.split_at(CHUNK_BYTES);
    send(&world, file, first).await.expect("is kept");
    let before = std::fs::read(&tails(&world)[0]).expect("reads");
    send(&world, file, second).await.expect("is kept");
    let after = std::fs::read(&tails(&world)[0]).expect("reads");
    assert_ne!(before[1..8], after[1..8], "the prefix");
    assert_ne!(before[8..24], after[8..24], "what it seals");
}

#[tokio::test]
async fn a_tail_that_was_changed_or_lost_is_not_gone_on_with() {
    let world = World::new(Policy::default()).await;
    let file = world.begin(SEGMENT_BYTES).await;
    let sent = bytes(2 * CHUNK_BYTES);
    send(&world, file, &sent).await.expect("is kept");
    let path = tails(&world).pop().expect("a tail");
    let good = std::fs::read(&path).expect("reads");
    let mut flipped = good.clone();
    flipped[CHUNK_BYTES] ^= 1;
    let longer = [&good[..], &[0; CHUNK_BYTES + 16]].concat();
    for bad in [&flipped[..], &good[..good.len() - 1], &good[..5], &longer] {
        std::fs::write(&path, bad).expect("writes");
        let refused = send(&world, file, b"more").await;
        assert!(matches!(refused, Err(WriteError::Broken)), "{refused:?}");
    }
    std::fs::remove_file(&path).expect("removes");
    let refused = send(&world, file, b"more").await;
    assert!(
        matches!(refused, Err(WriteError::Objects(_))),
        "{refused:?}"
    );
    let stands = world.files.upload(ACCOUNT, file).await.expect("reads");
    assert_eq!(stands.expect("is there").received, 2 * CHUNK);
}

#[tokio::test]
async fn a_call_that_was_overtaken_keeps_nothing_and_harms_nothing() {
    let world = World::new(Policy::default()).await;
    let sent = bytes(SEGMENT_BYTES + 1);
    let file = world.begin(sent.len()).await;
    send(&world, file, &sent[..CHUNK_BYTES])
        .await
        .expect("kept");
    let writer = || world.files.writer(ACCOUNT, file);
    let mut slow = writer().await.expect("a writer");
    let mut late = writer().await.expect("another");
    let more = &sent[CHUNK_BYTES..];
    slow.write(CHUNK, &more[..CHUNK_BYTES])
        .await
        .expect("taken");
    let rest = send(&world, file, more).await;
    assert_eq!(rest.expect("is durable"), sent.len() as u64);
    let overtaken = slow.keep().await;
    assert!(matches!(overtaken, Err(WriteError::Moved)), "{overtaken:?}");
    let overtaken = late.write(CHUNK, more).await;
    assert!(matches!(overtaken, Err(WriteError::Moved)), "{overtaken:?}");
    let of = world.files.finish(ACCOUNT, file).await.expect("finishes");
    assert!(world.read(&of, 0, sent.len()).await.expect("reads") == sent);
}

#[tokio::test(start_paused = true)]
async fn tails_go_with_their_upload_and_what_broken_calls_left_is_swept() {
    let world = World::new(Policy::default()).await;
    let (given_up, sent) = (world.begin(SEGMENT_BYTES).await, bytes(3 * CHUNK_BYTES));
    send(&world, given_up, &sent[..CHUNK_BYTES])
        .await
        .expect("kept");
    world.files.give_up(ACCOUNT, given_up).await.expect("asks");
    assert_eq!(world.files.sweep().await.files, 1);
    assert!(world.objects().is_empty());

    let of = world.upload(&sent).await;
    let growing = world.begin(SEGMENT_BYTES).await;
    send(&world, growing, &sent).await.expect("is kept");
    let (tail, segment) = (tails(&world).remove(0), format!("objects/{}", of.file));
    let left = world.folder.path().join(segment).join("tail-65536");
    std::fs::copy(&tail, &left).expect("copies");
    world.take(ROOM, of.file).await.expect("is carried");
    assert_eq!(world.files.sweep().await.strays, 0, "it is young");
    world.far_future();
    // Its day is over, too.
    let swept = world.files.sweep().await;
    assert_eq!((swept.uploads, swept.strays, swept.failures), (1, 1, 0));
    world.files.sweep().await;
    assert_eq!(world.objects().len(), 1, "the segment of the file");
    assert_eq!(world.read(&of, 0, sent.len()).await.expect("reads"), sent);
}
