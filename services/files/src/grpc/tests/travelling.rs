//! What goes up comes down, piece by piece.

use super::*;
use crate::limits::{PIECE_BYTES_MAX, SEGMENT_BYTES, TURN_BYTES};
use crate::tests::hash;

#[tokio::test]
async fn a_file_goes_up_in_pieces_and_goes_on_where_it_stood() {
    let house = House::new().await;
    let sent = bytes(SEGMENT_BYTES + 70_000);
    let upload = house.start(sent.len()).await;
    assert_eq!(
        (&upload.display_name[..], upload.size, upload.received_size),
        ("notes.txt", sent.len() as u64, 0)
    );
    let pieces = |from: usize, to: usize| sent[from..to].chunks(PIECE_BYTES_MAX).map(piece);
    let cut = SEGMENT_BYTES + 10;
    let first = [from(&upload, 0)].into_iter().chain(pieces(0, cut));
    let answer = house.send(ACCOUNT, first.collect()).await;
    let stands = answer.expect("as far as it came").into_inner();
    assert!(!stands.finished);
    assert_eq!(stands.received_size, SEGMENT_BYTES as u64);
    assert_eq!(stands, house.stands(&upload).await);
    let rest = [from(&upload, stands.received_size)].into_iter();
    let rest = rest.chain(pieces(SEGMENT_BYTES, sent.len()));
    let answer = house.send(ACCOUNT, rest.collect()).await;
    let stands = answer.expect("all came").into_inner();
    assert!(stands.finished);
    assert_eq!(stands.sha256, hash(&sent));
    let again = house.send(ACCOUNT, vec![from(&upload, stands.size)]).await;
    assert_eq!(again.expect("the same answer").into_inner(), stands);
    assert_eq!(house.transfers.count(), 0);
}

#[tokio::test]
async fn a_file_comes_down_whole_or_in_a_range() {
    let house = House::new().await;
    let sent = bytes(SEGMENT_BYTES + 70_000);
    let size = sent.len() as u64;
    let file = house.carry(&sent).await;
    for (offset, length, range) in [
        (0, 0, 0..sent.len()),
        (5, 0, 5..sent.len()),
        (size - 1, 1, sent.len() - 1..sent.len()),
        (70_000, 200_000, 70_000..270_000),
        (size, 0, sent.len()..sent.len()),
    ] {
        let mut stream = house
            .fetch(download(file, offset, length))
            .await
            .expect("begins");
        let first = stream.message().await.expect("goes on").expect("a message");
        let start = v1::DownloadStart {
            size,
            media_type: "application/octet-stream".to_owned(),
            sha256: hash(&sent).to_vec(),
            offset,
            length: range.len() as u64,
        };
        assert_eq!(first.part, Some(Sent::Start(start)));
        let mut got = Vec::new();
        while let Some(message) = stream.message().await.expect("goes on") {
            let Some(Sent::Data(bytes)) = message.part else {
                panic!("a piece is due");
            };
            assert!((1..=PIECE_BYTES_MAX).contains(&bytes.len()));
            got.extend_from_slice(&bytes);
        }
        assert!(got == sent[range.clone()], "{range:?}");
    }
    assert_eq!(house.transfers.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_transfer_that_is_too_fast_for_its_account_waits_and_goes_on() {
    let house = House::new().await;
    let sent = bytes(3 * SEGMENT_BYTES);
    let file = house.carry(&sent).await;
    house.others.calls_left.store(1, Ordering::SeqCst);
    let mut stream = house.fetch(download(file, 0, 0)).await.expect("begins");
    let (mut got, began) = (0, tokio::time::Instant::now());
    while got < 2 * TURN_BYTES - PIECE_BYTES_MAX {
        let message = stream.message().await.expect("goes on").expect("a message");
        if let Some(Sent::Data(bytes)) = message.part {
            got += bytes.len();
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO, "the first turn is counted");
    let late = tokio::time::timeout(Duration::from_secs(60), stream.message()).await;
    assert!(late.is_err(), "it waits");
    house.others.calls_left.store(10, Ordering::SeqCst);
    while let Some(message) = stream.message().await.expect("goes on") {
        if let Some(Sent::Data(bytes)) = message.part {
            got += bytes.len();
        }
    }
    assert_eq!(got, sent.len());
}
