//! How transfers end before their time.

use std::future::pending;

use super::*;
use crate::limits::{
    PIECE_BYTES_MAX, PIECE_COUNTS_MIN, PIECE_WITHIN, TRANSFERS_PER_ACCOUNT_MAX, TURN_BYTES,
    WORK_WITHIN,
};
use crate::transfers::TransferError;

type Refusal = (Code, String, Vec<String>);

fn ended(code: Code, reason: &str) -> Refusal {
    (code, reason.to_owned(), Vec::new())
}

/// Takes all that there is of a download, and how it ends.
async fn drained(stream: &mut Streaming<v1::DownloadFileResponse>) -> (usize, Result<(), Status>) {
    let mut got = 0;
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                if let Some(Sent::Data(bytes)) = message.part {
                    got += bytes.len();
                }
            }
            Ok(None) => return (got, Ok(())),
            Err(status) => return (got, Err(status)),
        }
    }
}

#[tokio::test]
async fn whoever_loses_the_room_or_the_message_gets_one_turn_more_at_most() {
    let house = House::new().await;
    let file = house.carry(&bytes(4 * TURN_BYTES)).await;
    for lost in ["the room", "the message"] {
        let mut stream = house.fetch(download(file, 0, 0)).await.expect("begins");
        stream.message().await.expect("goes on");
        let of = match lost {
            "the room" => {
                house.others.members.lock().clear();
                None
            }
            _ => house.others.carried.lock().take(),
        };
        let (got, end) = drained(&mut stream).await;
        assert!(got <= TURN_BYTES, "{lost}: {got}");
        assert_eq!(refusal(end), ended(Code::NotFound, "ROOM_NOT_FOUND"));
        house.others.members.lock().push(ACCOUNT);
        if of.is_some() {
            *house.others.carried.lock() = of;
        }
    }
    assert_eq!(house.transfers.count(), 0);
}

#[tokio::test]
async fn a_reader_who_keeps_the_room_is_looked_up_once_a_turn() {
    let house = House::new().await;
    let file = house.carry(&bytes(3 * TURN_BYTES + 1)).await;
    let mut stream = house.fetch(download(file, 0, 0)).await.expect("begins");
    let (got, end) = drained(&mut stream).await;
    assert_eq!(got, 3 * TURN_BYTES + 1);
    end.expect("well");
    assert_eq!(house.others.looked_up.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn transfers_end_with_their_sign_in_with_the_node_and_with_their_connection() {
    for (how, end) in [
        ("sign-in", ended(Code::Unauthenticated, "SIGNED_OUT")),
        ("node", ended(Code::Unavailable, "NODE_UNAVAILABLE")),
        ("connection", ended(Code::Unavailable, "CONNECTION_CLOSING")),
    ] {
        let house = House::new().await;
        let file = house.carry(&bytes(PIECE_BYTES_MAX)).await;
        let upload = house.start(100).await;
        let leaving = CancellationToken::new();
        let (sender, comes_to) = house.open(&upload, &leaving);
        let mut request = by(ACCOUNT, download(file, 0, 0));
        request.extensions_mut().insert(leaving.clone());
        let fetched = house.client().download_file(request).await;
        let mut stream = fetched.expect("begins").into_inner();
        let ends = async {
            while house.transfers.count() < 2 {
                tokio::task::yield_now().await;
            }
            match how {
                "sign-in" => {
                    let other = SignInId::from_bytes([1; 16]);
                    house.transfers.sign_in_ended(ACCOUNT, other);
                    house.transfers.sign_in_ended(OTHER, SIGN_IN);
                    assert_eq!(house.transfers.count(), 2);
                    house.transfers.sign_in_ended(ACCOUNT, SIGN_IN);
                }
                "node" => house.transfers.drain(),
                _ => leaving.cancel(),
            }
        };
        let (uploaded, ()) = tokio::join!(comes_to, ends);
        assert_eq!(refusal(uploaded), end, "{how}");
        let (_, down) = drained(&mut stream).await;
        assert_eq!(refusal(down), end, "{how}");
        drop((sender, stream));
        assert_eq!(house.transfers.count(), 0, "{how}");
        if how == "node" {
            let late = house.send(ACCOUNT, vec![from(&upload, 0)]).await;
            assert_eq!(refusal(late), end);
        }
    }
}

#[tokio::test]
async fn a_sign_in_that_ends_while_a_transfer_begins_ends_it() {
    let house = House::new().await;
    let upload = house.start(100).await;
    house.others.signed_out.store(true, Ordering::SeqCst);
    let late = house.send(ACCOUNT, vec![from(&upload, 0)]).await;
    assert_eq!(refusal(late), ended(Code::Unauthenticated, "SIGNED_OUT"));
    assert_eq!(house.transfers.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_moves_slowly_goes_on_and_who_stands_still_is_cut() {
    let house = House::new().await;
    let upload = house.start(5 * PIECE_BYTES_MAX).await;
    let (sender, comes_to) = house.open(&upload, &CancellationToken::new());
    let began = tokio::time::Instant::now();
    let half = piece(&bytes(PIECE_BYTES_MAX / 2));
    let moves = async {
        for _ in 0..10 {
            tokio::time::sleep((PIECE_WITHIN - Duration::from_secs(1)) / 2).await;
            sender.send(half.clone()).await.expect("is taken");
        }
        drop(sender);
    };
    let (answer, ()) = tokio::join!(comes_to, moves);
    assert!(answer.expect("goes on").into_inner().finished);
    assert!(began.elapsed() > 4 * PIECE_WITHIN);

    let upload = house.start(100).await;
    let (_sender, comes_to) = house.open(&upload, &CancellationToken::new());
    let began = tokio::time::Instant::now();
    let cut = refusal(comes_to.await);
    assert_eq!(cut, ended(Code::DeadlineExceeded, "TRANSFER_STILL"));
    assert_eq!(began.elapsed(), PIECE_WITHIN);
    assert_eq!(house.transfers.count(), 0);
}

/// A byte now and then is no upload that goes on.
#[tokio::test(start_paused = true)]
async fn who_all_but_stands_still_is_cut() {
    let house = House::new().await;
    let upload = house.start(100).await;
    let (sender, comes_to) = house.open(&upload, &CancellationToken::new());
    let began = tokio::time::Instant::now();
    let moves = async {
        while sender.send(piece(b"0")).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
    };
    let (answer, ()) = tokio::join!(comes_to, moves);
    let still = ended(Code::DeadlineExceeded, "TRANSFER_STILL");
    assert_eq!(refusal(answer), still);
    assert!(began.elapsed() < PIECE_WITHIN + Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn what_files_lie_in_is_not_waited_for_without_end() {
    let house = House::new().await;
    let request = by(ACCOUNT, ());
    let caller = cluster_rpc::caller(&request).expect("a caller");
    let begin = || house.transfers.begin(caller, CancellationToken::new());
    let transfer = begin().await.expect("begins");
    let began = tokio::time::Instant::now();
    let stuck = transfer.of_node(pending::<()>()).await;
    assert_eq!(stuck, Err(TransferError::Stuck));
    assert_eq!(began.elapsed(), WORK_WITHIN);
    let ends = async { house.transfers.sign_in_ended(ACCOUNT, SIGN_IN) };
    let (out, ()) = tokio::join!(transfer.of_node(pending::<()>()), ends);
    assert_eq!(out, Err(TransferError::SignedOut));
    assert_eq!(began.elapsed(), WORK_WITHIN, "it ends at once");
}

#[tokio::test]
async fn who_may_not_send_into_the_room_any_more_gets_one_turn_more_at_most() {
    let house = House::new().await;
    let upload = house.start(3 * TURN_BYTES).await;
    let (sender, comes_to) = house.open(&upload, &CancellationToken::new());
    let whole = piece(&bytes(PIECE_BYTES_MAX));
    let sends = async {
        let mut sent = 0;
        while sender.send(whole.clone()).await.is_ok() {
            sent += PIECE_BYTES_MAX;
            if sent == TURN_BYTES / 2 {
                house.others.members.lock().clear();
            }
        }
    };
    let (answer, ()) = tokio::join!(comes_to, sends);
    assert_eq!(refusal(answer), ended(Code::NotFound, "ROOM_NOT_FOUND"));
    durable(&house, &upload, TURN_BYTES).await;
    let received = house.stands(&upload).await.received_size;
    assert_eq!(received, TURN_BYTES as u64);
    let again = house.send(ACCOUNT, vec![from(&upload, received)]).await;
    assert_eq!(refusal(again), ended(Code::NotFound, "ROOM_NOT_FOUND"));
}

#[tokio::test]
async fn a_piece_counts_however_small_it_is() {
    let house = House::new().await;
    let upload = house.start(TURN_BYTES).await;
    house.others.calls_left.store(10, Ordering::SeqCst);
    let small = std::iter::repeat_n(piece(b"0"), TURN_BYTES / PIECE_COUNTS_MIN);
    let messages = std::iter::once(from(&upload, 0)).chain(small).collect();
    let stands = house.send(ACCOUNT, messages).await.expect("is taken");
    assert!(!stands.into_inner().finished);
    assert_eq!(house.others.calls_left.load(Ordering::SeqCst), 9);
}

#[tokio::test]
async fn an_account_has_so_many_transfers_and_is_told_when_to_come_back() {
    let house = House::new().await;
    let file = house.carry(&bytes(PIECE_BYTES_MAX)).await;
    let mut streams = Vec::new();
    for _ in 0..TRANSFERS_PER_ACCOUNT_MAX {
        streams.push(house.fetch(download(file, 0, 0)).await.expect("begins"));
    }
    let more = house.fetch(download(file, 0, 0)).await;
    let status = more.expect_err("is refused");
    let details = status.get_error_details();
    let retry = details.retry_info().expect("says when");
    assert!(retry.retry_delay.is_some());
    let full = ended(Code::ResourceExhausted, "TOO_MANY_TRANSFERS");
    assert_eq!(refusal(Err::<(), _>(status)), full);
    house.others.members.lock().push(OTHER);
    let others = by(OTHER, download(file, 0, 0));
    let others = house.client().download_file(others).await;
    others.expect("another account has places of its own");
    streams.pop();
    house
        .fetch(download(file, 0, 0))
        .await
        .expect("there is a place");
}

/// The bytes of an upload that are durable, once they are as many.
async fn durable(house: &House, upload: &v1::Upload, bytes: usize) {
    while house.stands(upload).await.received_size < bytes as u64 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn whole_chunks_of_a_call_that_ends_early_are_durable_however_it_ends() {
    let house = House::new().await;
    let upload = house.start(2 * TURN_BYTES).await;
    let whole = piece(&bytes(PIECE_BYTES_MAX));
    let messages = vec![from(&upload, 0), whole.clone(), whole.clone(), piece(b"0")];
    let stands = house.send(ACCOUNT, messages).await.expect("ends well");
    let mut at = 2 * PIECE_BYTES_MAX;
    assert_eq!(stands.into_inner().received_size, at as u64);
    for how in ["broken by the client", "broken by the node", "nonsense"] {
        let leaving = CancellationToken::new();
        let (sender, receiver) = mpsc::channel(64);
        let first = sender.try_send(from(&upload, at as u64));
        first.expect("there is room");
        let mut request = by(ACCOUNT, received(receiver));
        request.extensions_mut().insert(leaving.clone());
        let mut client = house.client();
        let mut call = Box::pin(client.upload_file(request));
        let sends = async {
            for _ in 0..3 {
                sender.send(whole.clone()).await.expect("is taken");
            }
            sender.send(piece(b"0")).await.expect("is taken");
            // Once the last one is taken, those before it are written.
            while sender.capacity() < sender.max_capacity() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            answer = &mut call => panic!("{answer:?}"),
            () = sends => {}
        }
        match how {
            "broken by the client" => drop(call),
            "broken by the node" => {
                leaving.cancel();
                call.await.expect_err("is ended");
            }
            _ => {
                sender.send(piece(b"")).await.expect("is taken");
                call.await.expect_err("is refused");
            }
        }
        at += 3 * PIECE_BYTES_MAX;
        durable(&house, &upload, at).await;
        assert_eq!(
            house.stands(&upload).await.received_size,
            at as u64,
            "{how}"
        );
    }
}
