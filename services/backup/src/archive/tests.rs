//! What is written is read; what is altered, cut, moved or somebody else's is refused, with the chunk.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it expects, and fails at anything else"
)]

use std::collections::HashMap;
use std::io::Write as _;

use age::x25519::Identity;
use bytes::Bytes;
use proptest::prelude::*;
use proto::storage::v1::BackupManifest;

use super::frame::{self, Frame, Link};
use super::*;
use crate::limits::{CHUNK_BYTES_TARGET, CHUNK_PLAIN_MAX, RECORD_BYTES_MAX};

const ID: BackupId = BackupId([7; 16]);

fn writer(identity: &Identity, id: BackupId) -> Writer<Vec<u8>> {
    let recipients: Vec<Box<dyn age::Recipient + Send>> = vec![Box::new(identity.to_public())];
    Writer::create(Vec::new(), id, recipients).expect("begins")
}

/// One chunk for each text, with its number as progress, and the manifest.
fn archive(identity: &Identity, id: BackupId, texts: &[&str]) -> Vec<u8> {
    let mut writer = writer(identity, id);
    for (number, text) in texts.iter().enumerate() {
        writer.push(Bytes::from((*text).to_owned())).expect("fits");
        let progress = [u8::try_from(number + 1).expect("few")];
        writer = writer.flush(&progress).expect("writes");
    }
    let about = BackupManifest {
        counts: HashMap::from([("texts".to_owned(), texts.len() as u64)]),
        ..Default::default()
    };
    writer.finish(&[], about).expect("ends")
}

fn read(archive: &[u8], identity: &Identity) -> Result<Vec<Bytes>, ReadError> {
    let mut reader = Reader::open(archive, vec![Box::new(identity.clone())])?;
    let mut records = Vec::new();
    while let Some(chunk) = reader.next_chunk()? {
        records.extend(chunk.records);
    }
    let manifest = reader.manifest().expect("it has been read to its end");
    assert_eq!(manifest.records, records.len() as u64);
    Ok(records)
}

/// Where the opening and each chunk end.
fn ends(archive: &[u8]) -> Vec<usize> {
    let mut rest = archive;
    let mut at = frame::read_opening(&mut rest).expect("begins").at;
    let mut ends = vec![archive.len() - rest.len()];
    while let Some((_, next)) = frame::read(&mut rest, &at).expect("is whole") {
        at = next;
        ends.push(archive.len() - rest.len());
    }
    ends
}

fn frames(archive: &[u8]) -> Vec<Frame> {
    let mut rest = archive;
    let mut at = frame::read_opening(&mut rest).expect("begins").at;
    let mut frames = Vec::new();
    while let Some((frame, next)) = frame::read(&mut rest, &at).expect("is whole") {
        at = next;
        frames.push(frame);
    }
    frames
}

/// An archive of these chunks, with a chain as it should be.
fn forged(id: BackupId, frames: &[&Frame]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at: Link = frame::write_opening(&mut out, id).expect("writes");
    for frame in frames {
        at = frame::write(&mut out, &at, frame).expect("writes");
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_written_is_read_in_its_order(
        chunks in prop::collection::vec(
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
            0..5,
        ),
    ) {
        let identity = Identity::generate();
        let mut writer = writer(&identity, ID);
        for records in &chunks {
            for record in records {
                writer.push(Bytes::from(record.clone())).expect("fits");
            }
            writer = writer.flush(b"on the way").expect("writes");
        }
        let archive = writer.finish(&[], BackupManifest::default()).expect("ends");
        let all: Vec<Bytes> = chunks.concat().into_iter().map(Bytes::from).collect();
        prop_assert_eq!(read(&archive, &identity).expect("reads"), all);
    }
}

#[test]
fn every_flipped_bit_is_found_with_its_chunk() {
    let identity = Identity::generate();
    let archive = archive(&identity, ID, &["one", "two"]);
    let ends = ends(&archive);
    assert_eq!(ends.len(), 4, "the opening, two chunks, the manifest");
    for at in 0..archive.len() {
        let mut altered = archive.clone();
        altered[at] ^= 1 << (at % 8);
        let expected = ends.iter().filter(|end| **end <= at).count().max(1);
        match read(&altered, &identity).expect_err("it was altered") {
            ReadError::NotABackup => assert!(at < 15, "{at}"),
            ReadError::NewerFormat { .. } => assert_eq!(at, 15),
            // A length can claim bytes that the file does not have, or end within the chunk.
            ReadError::Damaged { chunk } | ReadError::Truncated { chunk } => {
                assert_eq!(chunk as usize, expected, "{at}");
            }
            other => panic!("byte {at}: {other}"),
        }
    }
}

#[test]
fn an_archive_that_is_cut_off_anywhere_is_refused() {
    let identity = Identity::generate();
    let archive = archive(&identity, ID, &["one", "two"]);
    let ends = ends(&archive);
    for length in 0..archive.len() {
        let missing = ends.iter().filter(|end| **end <= length).count().max(1);
        match read(&archive[..length], &identity).expect_err("it was cut") {
            ReadError::NotABackup => assert!(length < 16),
            ReadError::Truncated { chunk } => assert_eq!(chunk as usize, missing, "{length}"),
            other => panic!("{length} bytes: {other}"),
        }
    }
}

#[test]
fn who_is_no_recipient_reads_nothing() {
    let archive = archive(&Identity::generate(), ID, &["one"]);
    let error = read(&archive, &Identity::generate()).expect_err("it is somebody else's");
    assert!(matches!(error, ReadError::WrongIdentity), "{error}");
}

#[test]
fn every_recipient_reads_everything() {
    let identities = [Identity::generate(), Identity::generate()];
    let recipients = identities.iter().map(|identity| {
        let recipient: Box<dyn age::Recipient + Send> = Box::new(identity.to_public());
        recipient
    });
    let mut writer = Writer::create(Vec::new(), ID, recipients.collect()).expect("begins");
    writer.push(Bytes::from_static(b"for both")).expect("fits");
    let archive = writer
        .finish(b"all", BackupManifest::default())
        .expect("ends");
    for identity in &identities {
        assert_eq!(read(&archive, identity).expect("reads"), ["for both"]);
    }
}

#[test]
fn chunks_of_another_archive_or_place_are_found_though_the_chain_is_right() {
    let identity = Identity::generate();
    let (own, other) = (
        frames(&archive(&identity, ID, &["one", "two"])),
        frames(&archive(&identity, BackupId([8; 16]), &["one", "two"])),
    );
    for (frames, foreign) in [
        (vec![&own[0], &other[1], &own[2]], 2),
        (vec![&own[1], &own[0], &own[2]], 1),
        (vec![&own[0], &own[0], &own[2]], 2),
        (vec![&own[0], &own[2]], 2),
        (vec![&own[0], &own[1], &other[2]], 3),
    ] {
        let error = read(&forged(ID, &frames), &identity).expect_err("it is forged");
        assert!(
            matches!(error, ReadError::Foreign { chunk } if chunk == foreign),
            "{error}"
        );
    }
    assert!(read(&forged(ID, &own.iter().collect::<Vec<_>>()), &identity).is_ok());
}

#[test]
fn a_chunk_that_is_only_said_to_be_the_last_is_not() {
    let identity = Identity::generate();
    let mut frame = frames(&archive(&identity, ID, &["one"])).remove(0);
    frame.is_last = true;
    let error = read(&forged(ID, &[&frame]), &identity).expect_err("it is forged");
    assert!(matches!(error, ReadError::Foreign { chunk: 1 }), "{error}");
}

#[test]
fn nothing_may_follow_the_end() {
    let identity = Identity::generate();
    let mut archive = archive(&identity, ID, &["one"]);
    archive.push(0);
    let error = read(&archive, &identity).expect_err("something follows");
    assert!(matches!(error, ReadError::Trailing { chunk: 2 }), "{error}");
}

#[test]
fn an_archive_that_was_interrupted_anywhere_is_gone_on_with() {
    let identity = Identity::generate();
    let texts = ["one", "two", "three"];
    let whole = archive(&identity, ID, &texts);
    let ends = ends(&whole);
    for length in ends[0]..=ends[3] {
        let found = resume(&whole[..length]).expect("it can be gone on with");
        assert_eq!(found.id, ID);
        assert_eq!(found.bytes, ends[found.chunks() as usize] as u64);
        let done = found
            .progress
            .as_ref()
            .map_or(0, |progress| usize::from(progress[0]));
        assert_eq!(done, found.chunks() as usize);
        if !ends.contains(&length) {
            // What is gone on with is cut off there, so it is the same for all lengths up to the next end.
            continue;
        }
        let mut out = whole[..length].to_vec();
        out.truncate(usize::try_from(found.bytes).expect("small"));
        let recipients: Vec<Box<dyn age::Recipient + Send>> = vec![Box::new(identity.to_public())];
        let mut writer = Writer::go_on(out, found, recipients, done as u64).expect("goes on");
        for text in &texts[done..] {
            writer.push(Bytes::from(*text)).expect("fits");
        }
        let archive = writer
            .finish(b"rest", BackupManifest::default())
            .expect("ends");
        assert_eq!(read(&archive, &identity).expect("reads"), texts);
    }
}

#[test]
fn an_archive_is_gone_on_with_before_its_first_damage() {
    let identity = Identity::generate();
    let mut archive = archive(&identity, ID, &["one", "two", "three"]);
    let ends = ends(&archive);
    archive[ends[1] + 60] ^= 1;
    let found = resume(&archive[..]).expect("it can be gone on with");
    assert_eq!((found.chunks(), found.bytes), (1, ends[1] as u64));
}

#[test]
fn what_is_complete_says_so_and_what_is_no_archive_is_not_gone_on_with() {
    let identity = Identity::generate();
    let archive = archive(&identity, ID, &["one"]);
    let found = resume(&archive[..]).expect("it is whole");
    assert_eq!(
        (found.is_complete, found.bytes),
        (true, archive.len() as u64)
    );
    let cut = resume(&archive[..archive.len() - 1]).expect("it can be gone on with");
    assert!(!cut.is_complete);
    let error = resume(&b"something else"[..]).expect_err("it is none");
    assert!(
        matches!(error, ResumeError::Read(ReadError::NotABackup)),
        "{error}"
    );
}

#[test]
fn a_chunk_that_decompresses_to_too_much_is_not_read() {
    let identity = Identity::generate();
    let recipient = identity.to_public();
    let zeros = vec![0; CHUNK_PLAIN_MAX + 1];
    let compressed = zstd::bulk::compress(&zeros, 1).expect("compresses");
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).expect("encrypts");
    let mut sealed = Vec::new();
    let mut stream = encryptor.wrap_output(&mut sealed).expect("writes");
    stream.write_all(&compressed).expect("writes");
    stream.finish().expect("writes");
    let frame = Frame {
        is_last: false,
        progress: Vec::new(),
        sealed,
    };
    let error = read(&forged(ID, &[&frame]), &identity).expect_err("it is too much");
    assert!(matches!(error, ReadError::Damaged { chunk: 1 }), "{error}");
}

#[test]
fn what_is_too_long_is_refused_before_anything_is_written() {
    let mut writer = writer(&Identity::generate(), ID);
    let record = Bytes::from(vec![0; RECORD_BYTES_MAX]);
    let longer = Bytes::from(vec![0; RECORD_BYTES_MAX + 1]);
    let error = writer.push(longer).expect_err("it is too long");
    assert_eq!(
        error.to_string(),
        "record is 1048577 bytes long, 1048576 are allowed"
    );
    for _ in 0..CHUNK_BYTES_TARGET / RECORD_BYTES_MAX {
        assert!(!writer.is_full());
        writer.push(record.clone()).expect("fits");
    }
    assert!(writer.is_full());
    assert_eq!(writer.chunks(), 0);
    let error = writer
        .flush(&[0; 5_000])
        .expect_err("the progress is too long");
    assert!(
        matches!(
            error,
            WriteError::TooLarge {
                what: "progress",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn an_archive_that_nobody_could_read_is_not_begun() {
    let error = Writer::create(Vec::new(), ID, Vec::new()).expect_err("no recipients");
    assert!(matches!(error, WriteError::NoRecipients), "{error}");
}
