//! What is refused, each with its code, its reason and the field at fault.

use super::*;
use crate::limits::{PIECE_BYTES_MAX, SEGMENT_BYTES, UPLOADS_MAX};
use crate::tests::{bytes, hash};

const INVALID: (Code, &str) = (Code::InvalidArgument, "INVALID_REQUEST");

fn is((code, reason): (Code, &str), fields: &[&str]) -> (Code, String, Vec<String>) {
    let fields = fields.iter().map(|field| (*field).to_owned());
    (code, reason.to_owned(), fields.collect())
}

#[tokio::test]
async fn uploads_that_cannot_begin() {
    let house = House::with(Policy {
        size_max: 100,
        account_quota: 150,
        refused_types: Vec::new(),
    })
    .await;
    let start = async |change: &dyn Fn(&mut v1::StartUploadRequest)| {
        let mut request = start_upload(5);
        change(&mut request);
        refusal(house.client().start_upload(by(ACCOUNT, request)).await)
    };
    let all = start(&|new| {
        new.room = "lobby".to_owned();
        new.display_name = "../notes".to_owned();
        new.sha256 = vec![1; 31];
        new.request_id = "4711".to_owned();
    });
    let fields = ["room", "display_name", "sha256", "request_id"];
    assert_eq!(all.await, is(INVALID, &fields));
    let size = (Code::InvalidArgument, "FILE_SIZE");
    assert_eq!(start(&|new| new.size = 0).await, is(size, &["size"]));
    assert_eq!(start(&|new| new.size = 101).await, is(size, &["size"]));
    let elsewhere = name::of_room(RoomId::from_bytes([8; 16]));
    let foreign = start(&|new| new.room.clone_from(&elsewhere)).await;
    assert_eq!(foreign, is((Code::NotFound, "ROOM_NOT_FOUND"), &[]));
    house.start(100).await;
    let quota = start(&|new| new.size = 51).await;
    assert_eq!(quota, is((Code::FailedPrecondition, "FILE_QUOTA"), &[]));
    let stranger = by(OTHER, start_upload(5));
    let stranger = house.client().start_upload(stranger).await;
    assert_eq!(
        refusal(stranger),
        is((Code::NotFound, "ROOM_NOT_FOUND"), &[])
    );
}

#[tokio::test]
async fn uploads_that_no_message_carries_are_so_many() {
    let house = House::new().await;
    for _ in 0..UPLOADS_MAX {
        house.start(5).await;
    }
    let more = by(ACCOUNT, start_upload(5));
    let more = refusal(house.client().start_upload(more).await);
    let too_many = (Code::FailedPrecondition, "TOO_MANY_UPLOADS");
    assert_eq!(more, is(too_many, &[]));
}

#[tokio::test]
async fn bytes_that_do_not_belong() {
    let house = House::new().await;
    let upload = house.start(10).await;
    let send =
        async |messages: Vec<v1::UploadFileRequest>| refusal(house.send(ACCOUNT, messages).await);
    let nothing = v1::UploadFileRequest { part: None };
    let begin = || from(&upload, 0);
    let nameless = v1::Upload {
        name: "notes.txt".to_owned(),
        ..v1::Upload::default()
    };
    let unknown = v1::Upload {
        name: name::of_file(FileId::from_bytes([5; 16])),
        ..v1::Upload::default()
    };
    let offset = (Code::InvalidArgument, "UPLOAD_OFFSET");
    let too_long = (Code::InvalidArgument, "UPLOAD_TOO_LONG");
    let not_found = (Code::NotFound, "UPLOAD_NOT_FOUND");
    for (what, messages, refused) in [
        ("nothing", vec![], is(INVALID, &["start"])),
        ("no part", vec![nothing.clone()], is(INVALID, &["start"])),
        ("no start", vec![piece(b"a")], is(INVALID, &["start"])),
        (
            "no name",
            vec![from(&nameless, 0)],
            is(INVALID, &["start.name"]),
        ),
        ("unknown", vec![from(&unknown, 0)], is(not_found, &[])),
        (
            "offset",
            vec![from(&upload, 1)],
            is(offset, &["start.offset"]),
        ),
        ("two starts", vec![begin(), begin()], is(INVALID, &["data"])),
        ("no data", vec![begin(), nothing], is(INVALID, &["data"])),
        ("empty", vec![begin(), piece(b"")], is(INVALID, &["data"])),
        (
            "large",
            vec![begin(), piece(&[0; PIECE_BYTES_MAX + 1])],
            is(INVALID, &["data"]),
        ),
        (
            "huge",
            vec![begin(), piece(&[0; 5 << 20])],
            is(INVALID, &["data"]),
        ),
        (
            "more than said",
            vec![begin(), piece(b"01234567"), piece(b"89a")],
            is(too_long, &["data"]),
        ),
    ] {
        assert_eq!(send(messages).await, refused, "{what}");
    }
    let theirs = house.send(OTHER, vec![begin()]).await;
    assert_eq!(refusal(theirs), is(not_found, &[]));
    let stands = house.stands(&upload).await;
    assert_eq!((stands.received_size, stands.finished), (0, false));
    let sent = house.send(ACCOUNT, vec![begin(), piece(b"0123456789")]);
    assert!(sent.await.expect("all came").into_inner().finished);
    let finished = (Code::FailedPrecondition, "UPLOAD_FINISHED");
    for late in [
        vec![from(&upload, 10), piece(b"a")],
        vec![from(&upload, 11)],
    ] {
        assert_eq!(send(late).await, is(finished, &[]));
    }
}

/// An earlier call can count its bytes after the client has asked where the upload stands.
#[tokio::test]
async fn who_begins_where_the_upload_stood_before_is_to_ask_again() {
    let house = House::new().await;
    let upload = house.start(SEGMENT_BYTES + 1).await;
    let sent = bytes(SEGMENT_BYTES);
    let pieces = sent.chunks(PIECE_BYTES_MAX).map(piece);
    let messages = std::iter::once(from(&upload, 0)).chain(pieces).collect();
    house.send(ACCOUNT, messages).await.expect("a segment");
    let moved = is((Code::Aborted, "UPLOAD_MOVED"), &[]);
    let behind = || async { refusal(house.send(ACCOUNT, vec![from(&upload, 0)]).await) };
    assert_eq!(behind().await, moved);
    let stands = house.stands(&upload).await.received_size;
    let last = vec![from(&upload, stands), piece(b"a")];
    let answer = house.send(ACCOUNT, last).await.expect("the last byte");
    assert!(answer.into_inner().finished);
    assert_eq!(behind().await, moved, "also once it is finished");
}

#[tokio::test]
async fn what_is_not_what_was_said_or_is_not_taken_here() {
    let house = House::with(Policy {
        refused_types: vec!["application/x-executable".to_owned()],
        ..Policy::default()
    })
    .await;
    let mut new = start_upload(5);
    new.sha256 = hash(b"hello").to_vec();
    let begun = house.client().start_upload(by(ACCOUNT, new)).await;
    let upload = begun.expect("begins").into_inner();
    let sent = house.send(ACCOUNT, vec![from(&upload, 0), piece(b"hallo")]);
    let differs = (Code::FailedPrecondition, "UPLOAD_HASH_DIFFERS");
    assert_eq!(refusal(sent.await), is(differs, &[]));
    let upload = house.start(100).await;
    let program = [&b"\x7fELF\x02\x01\x01"[..], &[0; 93]].concat();
    let sent = house.send(ACCOUNT, vec![from(&upload, 0), piece(&program)]);
    let refused = (Code::PermissionDenied, "FILE_TYPE_REFUSED");
    assert_eq!(refusal(sent.await), is(refused, &[]));
}

#[tokio::test]
async fn an_upload_is_its_senders_alone() {
    let house = House::new().await;
    let name = house.start(5).await.name;
    let not_found = is((Code::NotFound, "UPLOAD_NOT_FOUND"), &[]);
    let get = |account, name: &String| {
        let (name, mut client) = (name.clone(), house.client());
        async move {
            client
                .get_upload(by(account, v1::GetUploadRequest { name }))
                .await
        }
    };
    let delete = |account, name: &String| {
        let (name, mut client) = (name.clone(), house.client());
        async move {
            client
                .delete_upload(by(account, v1::DeleteUploadRequest { name }))
                .await
        }
    };
    house.others.members.lock().push(OTHER);
    assert_eq!(refusal(get(OTHER, &name).await), not_found);
    assert_eq!(refusal(delete(OTHER, &name).await), not_found);
    let nameless = "uploads/1".to_owned();
    assert_eq!(
        refusal(get(ACCOUNT, &nameless).await),
        is(INVALID, &["name"])
    );
    assert_eq!(
        refusal(delete(ACCOUNT, &nameless).await),
        is(INVALID, &["name"])
    );
    delete(ACCOUNT, &name).await.expect("its own");
    assert_eq!(refusal(get(ACCOUNT, &name).await), not_found);
    assert_eq!(refusal(delete(ACCOUNT, &name).await), not_found);
}

#[tokio::test]
async fn ranges_and_files_that_are_not_there() {
    let house = House::new().await;
    let file = house.carry(b"hello").await;
    let fetch = async |change: &dyn Fn(&mut v1::DownloadFileRequest)| {
        let mut request = download(file, 0, 0);
        change(&mut request);
        refusal(house.fetch(request).await)
    };
    let all = fetch(&|request| {
        request.room = String::new();
        request.seq = 0;
        request.file = "notes.txt".to_owned();
    });
    assert_eq!(all.await, is(INVALID, &["room", "seq", "file"]));
    assert_eq!(fetch(&|r| r.offset = 6).await, is(INVALID, &["offset"]));
    assert_eq!(fetch(&|r| r.length = 6).await, is(INVALID, &["length"]));
    let behind = fetch(&|r| (r.offset, r.length) = (u64::MAX, u64::MAX)).await;
    assert_eq!(behind, is(INVALID, &["offset"]));
    let other = name::of_file(FileId::from_bytes([5; 16]));
    let not_found = is((Code::NotFound, "ROOM_NOT_FOUND"), &[]);
    assert_eq!(fetch(&|r| r.file.clone_from(&other)).await, not_found);
    assert_eq!(fetch(&|r| r.seq += 1).await, not_found);
    for object in house.world.objects() {
        std::fs::remove_file(object).expect("removes");
    }
    let mut stream = house.fetch(download(file, 0, 0)).await.expect("begins");
    stream.message().await.expect("the start");
    let gone = refusal(stream.message().await);
    assert_eq!(gone, is((Code::DataLoss, "FILE_GONE"), &[]));

    // The message goes while its file is fetched.
    let mut stream = house.fetch(download(file, 0, 0)).await.expect("begins");
    house.others.carried.lock().take();
    stream.message().await.expect("the start");
    assert_eq!(refusal(stream.message().await), not_found);
}
