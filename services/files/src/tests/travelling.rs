//! Files travel: what comes out is what went in, over breaks and restarts, and nobody reads it in between.

use cluster_store::Transaction;
use cluster_store::schema::{Row as _, Upload as UploadRow};

use super::*;
use crate::WriteError;
use crate::limits::{CHUNK_BYTES, SEGMENT_BYTES};

#[tokio::test]
async fn what_was_sent_reads_back_whole_and_in_ranges() {
    let world = World::new(Policy::default()).await;
    for length in [
        1,
        CHUNK_BYTES,
        CHUNK_BYTES + 1,
        SEGMENT_BYTES,
        2 * SEGMENT_BYTES + 70_000,
    ] {
        let sent = bytes(length);
        let file = world.begin(length).await;
        let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
        for (place, piece) in sent.chunks(99_999).enumerate() {
            let offset = (place * 99_999) as u64;
            writer.write(offset, piece).await.expect("is taken");
        }
        assert_eq!(
            (writer.received(), writer.taken()),
            (length as u64, length as u64)
        );
        let of = world.files.finish(ACCOUNT, file).await.expect("finishes");
        assert_eq!((of.size, of.sha256), (length as u64, hash(&sent)));
        assert_eq!(of.name.as_str(), NAME);
        assert!(
            world.read(&of, 0, length).await.expect("reads") == sent,
            "{length}"
        );
        let edges = [
            0,
            1,
            CHUNK_BYTES - 1,
            CHUNK_BYTES,
            SEGMENT_BYTES - 1,
            SEGMENT_BYTES + 5,
            length,
        ];
        for from in edges.into_iter().filter(|edge| *edge <= length) {
            for to in edges
                .into_iter()
                .filter(|edge| (from..=length).contains(edge))
            {
                let read = world.read(&of, from, to).await.expect("reads");
                assert!(read == sent[from..to], "{from}..{to} of {length}");
            }
        }
    }
}

#[tokio::test]
async fn an_upload_goes_on_in_another_process_from_what_is_durable() {
    let mut world = World::new(Policy::default()).await;
    let sent = bytes(3 * SEGMENT_BYTES + 3 * SEGMENT_BYTES / 4);
    let sha256 = Some(hash(&sent));
    let begun = world.files.start(ACCOUNT, new(sent.len(), sha256)).await;
    let file = begun.expect("an upload");
    let mut breaks = 0;
    loop {
        let stands = world
            .files
            .upload(ACCOUNT, file)
            .await
            .expect("reads")
            .expect("there");
        let from = usize::try_from(stands.received).expect("small");
        assert_eq!(
            from,
            (breaks * SEGMENT_BYTES).min(sent.len()),
            "what was not full is lost"
        );
        if from == sent.len() {
            break;
        }
        let mut writer = world.files.writer(ACCOUNT, file).await.expect("a writer");
        let to = (from + SEGMENT_BYTES + SEGMENT_BYTES / 2).min(sent.len());
        writer
            .write(stands.received, &sent[from..to])
            .await
            .expect("is taken");
        writer.settle().await.expect("is durable");
        drop(writer);
        world.restart();
        breaks += 1;
    }
    let of = world
        .files
        .finish(ACCOUNT, file)
        .await
        .expect("the hash went on too");
    assert!(world.read(&of, 0, sent.len()).await.expect("reads") == sent);
    let again = world
        .files
        .finish(ACCOUNT, file)
        .await
        .expect("done before");
    assert_eq!(again.sha256, of.sha256);
}

#[tokio::test]
async fn of_two_writers_the_one_that_was_overtaken_writes_nothing() {
    let world = World::new(Policy::default()).await;
    let (sent, other) = (bytes(SEGMENT_BYTES + 1), vec![7; SEGMENT_BYTES]);
    let file = world.begin(sent.len()).await;
    let mut slow = world.files.writer(ACCOUNT, file).await.expect("a writer");
    slow.write(0, &other[..10]).await.expect("is taken");
    let mut fast = world.files.writer(ACCOUNT, file).await.expect("another");
    fast.write(0, &sent[..SEGMENT_BYTES])
        .await
        .expect("is taken");
    fast.settle().await.expect("is durable");
    let late = slow.write(10, &other[10..]).await;
    late.expect("is taken");
    let overtaken = slow.settle().await;
    assert!(matches!(overtaken, Err(WriteError::Moved)), "{overtaken:?}");
    fast.write(SEGMENT_BYTES as u64, &sent[SEGMENT_BYTES..])
        .await
        .expect("is taken");
    let of = world.files.finish(ACCOUNT, file).await.expect("finishes");
    assert!(world.read(&of, 0, sent.len()).await.expect("reads") == sent);
    drop((slow, fast));
    let writing = world.files.inner.writing.lock();
    let mut kept = writing.values();
    assert!(
        kept.all(|lock| lock.strong_count() == 0),
        "nothing is kept of them"
    );
}

#[tokio::test]
async fn nothing_of_a_file_can_be_read_where_it_lies() {
    let world = World::new(Policy::default()).await;
    let text = "canary content 0815 plugh ".repeat(10_000);
    let of = world.upload(text.as_bytes()).await;
    let key = &UploadRow {
        account: ACCOUNT,
        file: of.file,
    }
    .encode();
    let read = |tx: Transaction| async move { tx.get(key).await };
    let row = world.store.read(read).await.expect("reads").expect("there");
    let mut places = vec![("row".to_owned(), row.to_vec())];
    for object in world.objects() {
        let relative = object
            .strip_prefix(world.folder.path())
            .expect("below")
            .display()
            .to_string();
        places.push((relative, std::fs::read(&object).expect("reads")));
    }
    assert_eq!(places.len(), 2);
    for (place, bytes) in places {
        for needle in [&b"canary"[..], b"text/plain", of.key.expose(), &of.sha256] {
            assert!(
                !bytes.windows(needle.len()).any(|window| window == needle),
                "{place}"
            );
            assert!(!place.contains("canary"));
        }
    }
    assert_eq!(of.media_type, "text/plain");
}

#[tokio::test]
async fn what_was_changed_exchanged_or_cut_off_does_not_read() {
    let world = World::new(Policy::default()).await;
    let sent = bytes(2 * SEGMENT_BYTES);
    let of = world.upload(&sent).await;
    let objects = world.objects();
    let [first, second] = &objects[..] else {
        panic!("two segments: {objects:?}");
    };
    let whole = std::fs::read(first).expect("reads");
    let mut changed = whole.clone();
    changed[SEGMENT_BYTES / 2] ^= 1;
    let cut = whole[..whole.len() - 1].to_vec();
    let exchanged = std::fs::read(second).expect("reads");
    for wrong in [changed, cut, exchanged] {
        std::fs::write(first, wrong).expect("writes");
        let read = world.read(&of, 0, SEGMENT_BYTES).await;
        assert!(
            matches!(read, Err(ReadError::Broken | ReadError::Objects(_))),
            "{:?}",
            read.err()
        );
    }
    std::fs::remove_file(first).expect("removes");
    assert!(matches!(world.read(&of, 0, 1).await, Err(ReadError::Gone)));
}
