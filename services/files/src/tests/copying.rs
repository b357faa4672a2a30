//! Files are copied as they lie, by whoever has no key.

use object_store::memory::InMemory;

use super::*;
use crate::limits::{CHUNK_BYTES, SEGMENT_BYTES};
use crate::{SealedFiles, WriteError};

/// Copies a file in pieces of so many bytes. What was copied.
async fn copy(from: &SealedFiles, to: &SealedFiles, of: &Descriptor, most: u64) -> u64 {
    let all = SealedFiles::bytes(of.size).expect("there is a file of this size");
    let mut writer = to.writer(of.file, of.size).expect("a writer");
    let mut at = 0;
    while at < all {
        let read = from.read(of.file, of.size, at, most).await.expect("reads");
        writer.write(&read).await.expect("is taken");
        at += read.len() as u64;
    }
    let more = writer.write(b"!").await;
    assert!(matches!(more, Err(WriteError::TooMany { .. })), "{more:?}");
    at
}

#[tokio::test]
async fn a_copy_of_the_objects_is_a_copy_of_the_file() {
    let world = World::new(Policy::default()).await;
    let copied: Arc<dyn object_store::ObjectStore> = Arc::new(InMemory::new());
    let to = SealedFiles::new(Arc::clone(&copied));
    to.mark(DEPLOYMENT).await.expect("is nobody's");
    assert!(to.is_empty().await.expect("lists"));
    for length in [1, CHUNK_BYTES, SEGMENT_BYTES, 2 * SEGMENT_BYTES + 70_000] {
        let sent = bytes(length);
        let of = world.upload(&sent).await;
        for most in [1_000_000, 1 << 40] {
            let lying = copy(&world.files.sealed(), &to, &of, most).await;
            assert_eq!(Some(lying), SealedFiles::bytes(of.size));
        }
        let mut other = Files::new(Parts {
            objects: Arc::clone(&copied),
            store: world.store.clone(),
            deployment: DEPLOYMENT,
            vault: world.vault.clone(),
            clock: world.clock.clone(),
            rng: world.rng.fork(),
            people: world.gone.clone(),
            policy: Policy::default(),
            tasks: Tasks::new(),
        })
        .reader(&of, 0..of.size)
        .expect("a reader");
        let mut read = Vec::new();
        while let Some(bytes) = other.next().await.expect("opens") {
            read.extend_from_slice(&bytes);
        }
        assert!(read == sent, "{length}");
    }
    assert!(!to.is_empty().await.expect("lists"));
}

#[tokio::test]
async fn what_is_gone_or_cut_off_is_not_copied() {
    let world = World::new(Policy::default()).await;
    let of = world.upload(&bytes(CHUNK_BYTES)).await;
    let sealed = world.files.sealed();
    let end = SealedFiles::bytes(of.size).expect("there is a file of this size");
    let past = sealed.read(of.file, of.size, end, 1).await;
    assert!(
        matches!(past, Err(ReadError::OutOfRange { .. })),
        "{past:?}"
    );
    assert_eq!(
        (SealedFiles::bytes(0), SealedFiles::bytes(u64::MAX)),
        (None, None)
    );

    // As a folder has it that was not copied whole.
    let object = world.objects().pop().expect("is there");
    let file = std::fs::OpenOptions::new().write(true).open(&object);
    file.expect("opens").set_len(end - 1).expect("is cut off");
    let cut = sealed.read(of.file, of.size, 0, end).await;
    assert!(!matches!(cut, Ok(_) | Err(ReadError::Gone)), "{cut:?}");
    std::fs::remove_file(object).expect("removes");
    let gone = sealed.read(of.file, of.size, 0, end).await;
    assert!(matches!(gone, Err(ReadError::Gone)), "{gone:?}");
}
