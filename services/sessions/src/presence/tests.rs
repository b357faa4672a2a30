//! Presence, by its board alone.

use std::time::Duration;

use super::*;
use crate::limits::OFFLINE_AFTER;

const ANN: AccountId = AccountId::from_bytes([1; 16]);
const PHONE: Seat = Seat::Session(SessionId(1));
const DESK: Seat = Seat::Session(SessionId(2));
const OTHER_NODE: Seat = Seat::Node(NodeId::from_bytes([9; 16]));
const A_WHILE: Duration = Duration::from_millis(100);

fn news(board: &mut Board, now: Instant) -> Vec<State> {
    let mut news = Vec::new();
    while let Some((account, some)) = board.next_due(now) {
        assert_eq!(account, ANN);
        news.extend(some.shown);
    }
    news
}

#[tokio::test(start_paused = true)]
async fn an_account_is_as_present_as_its_most_present_session() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, PHONE, State::Away, now);
    assert_eq!(news(&mut board, now), [State::Away]);
    board.set(ANN, DESK, State::Online, now);
    assert_eq!(news(&mut board, now), [State::Online]);
    board.set(ANN, PHONE, State::Offline, now);
    assert_eq!(news(&mut board, now), []);
    board.end(ANN, DESK, now);
    assert_eq!(news(&mut board, now), [State::Offline], "the phone hides");
}

#[tokio::test(start_paused = true)]
async fn however_often_somebody_comes_and_goes_it_is_told_once() {
    let (mut board, now) = (Board::default(), Instant::now());
    for _ in 0..10 {
        board.set(ANN, PHONE, State::Online, now);
        board.set(ANN, PHONE, State::Away, now);
    }
    assert_eq!(board.shown(ANN), State::Offline, "nothing was told yet");
    assert_eq!(news(&mut board, now), [State::Away]);
    assert_eq!(board.shown(ANN), State::Away);
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_is_no_event() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, PHONE, State::Online, now);
    assert_eq!(news(&mut board, now), [State::Online]);
    board.end(ANN, PHONE, now);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER - A_WHILE), []);
    board.set(ANN, DESK, State::Online, now + OFFLINE_AFTER - A_WHILE);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER * 2), []);
    board.end(ANN, DESK, now + OFFLINE_AFTER * 2);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER * 3), [State::Offline]);
    assert!(board.is_empty(), "nothing is kept of who is gone");
}

#[tokio::test(start_paused = true)]
async fn who_goes_right_after_a_change_is_not_offline_at_once() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, PHONE, State::Online, now);
    assert_eq!(news(&mut board, now), [State::Online]);
    board.set(ANN, PHONE, State::Away, now);
    board.end(ANN, PHONE, now);
    assert_eq!(news(&mut board, now + A_WHILE), []);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER), [State::Offline]);
}

#[tokio::test(start_paused = true)]
async fn who_was_never_shown_leaves_no_trace() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.end(ANN, PHONE, now);
    board.set(ANN, PHONE, State::Online, now);
    board.end(ANN, PHONE, now);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER), []);
    assert!(board.is_empty());
}

/// What other nodes are told.
fn here(board: &mut Board, now: Instant) -> Vec<State> {
    let mut here = Vec::new();
    while let Some((_, some)) = board.next_due(now) {
        here.extend(some.here);
    }
    here
}

#[tokio::test(start_paused = true)]
async fn other_nodes_are_told_of_who_is_here_and_at_once() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, OTHER_NODE, State::Online, now);
    assert_eq!(here(&mut board, now), [], "they know");
    board.set(ANN, PHONE, State::Away, now);
    assert_eq!(here(&mut board, now), [State::Away]);
    assert_eq!(board.here().collect::<Vec<_>>(), [(ANN, State::Away)]);
    board.end(ANN, PHONE, now);
    assert_eq!(here(&mut board, now), [State::Offline]);
    assert_eq!(board.here().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_at_another_node_is_there() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, OTHER_NODE, State::Online, now);
    assert_eq!(news(&mut board, now), [State::Online]);
    // The client comes from there to here.
    board.end_all(OTHER_NODE, now);
    board.set(ANN, PHONE, State::Online, now + A_WHILE);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER * 2), []);
    board.end(ANN, PHONE, now + OFFLINE_AFTER * 2);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER * 3), [State::Offline]);
    assert!(board.is_empty(), "nothing is kept of who is gone");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_replaced_is_no_event_for_who_is_less_present_here() {
    let (mut board, now) = (Board::default(), Instant::now());
    board.set(ANN, PHONE, State::Away, now);
    board.set(ANN, OTHER_NODE, State::Online, now);
    assert_eq!(news(&mut board, now), [State::Online]);
    board.end_all(OTHER_NODE, now);
    assert_eq!(news(&mut board, now + A_WHILE), []);
    board.set(ANN, OTHER_NODE, State::Online, now + A_WHILE);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER), []);
    board.end_all(OTHER_NODE, now + OFFLINE_AFTER);
    assert_eq!(news(&mut board, now + OFFLINE_AFTER * 2), [State::Away]);
}
