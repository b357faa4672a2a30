//! Following a room: nothing is skipped, nothing comes twice, and the actor is woken for what is missing.

use super::*;

#[test]
fn what_was_missed_comes_before_the_marker_and_what_happens_after_it() {
    let mut state = greeted(3, 3);
    assert_eq!(state.follow(cursor(ROOM, 2, false)), Followed::Yes);
    deliver(&mut state, [4]);
    assert!(drain(&mut state).is_empty(), "it is behind");
    read_on(&mut state, 4);
    deliver(&mut state, [5]);
    let expected = ["event 2", "event 3", "event 4", "live 4", "event 5"];
    assert_eq!(texts(&drain(&mut state)), expected);
}

#[test]
fn an_event_that_was_read_and_comes_again_is_not_sent_again() {
    let mut state = live_at(4);
    deliver(&mut state, [3, 4, 5, 5]);
    deliver(&mut state, [4, 5, 6]);
    assert_eq!(texts(&drain(&mut state)), events([5, 6]));
}

#[test]
fn a_gap_is_filled_from_the_log() {
    let mut state = live_at(4);
    deliver(&mut state, [7]);
    assert!(drain(&mut state).is_empty());
    read_on(&mut state, 7);
    let mut expected = events([5, 6, 7]);
    expected.push("live 7".to_owned());
    assert_eq!(texts(&drain(&mut state)), expected);
}

#[test]
fn a_full_queue_leaves_events_in_the_log() {
    let mut state = live_at(0);
    for seq in 1..=1_000 {
        deliver(&mut state, [seq]);
    }
    assert_eq!(state.queue.size().0, OUTBOX_ITEMS_MAX);
    assert!(!state.wants_actor(), "there is no room to read on");
    let mut items = Vec::new();
    while items.last() != Some(&"live 1000".to_owned()) {
        let message = state.take().expect("something to send");
        items.extend(texts(&read_back::items(&message)));
        if state.queue.size().0 <= OUTBOX_ITEMS_LOW && !state.has_everything() {
            read_on(&mut state, 1_000);
        }
    }
    items.pop();
    assert_eq!(items, events(1..=1_000));
}

#[test]
fn a_run_that_does_not_fit_is_taken_as_far_as_it_does() {
    let mut state = live_at(0);
    deliver(&mut state, 1..=250);
    deliver(&mut state, 251..=300);
    assert_eq!(state.queue.size().0, OUTBOX_ITEMS_MAX);
    assert_eq!(texts(&drain(&mut state)), events(1..=256));
}

#[test]
fn large_events_fill_the_queue_by_bytes() {
    let mut state = live_at(0);
    for seq in 1..=20 {
        let large = said(ROOM, seq, PEER, seq, 64 * 1024);
        for run in Run::of(ROOM, [large]) {
            state.deliver(&run);
        }
    }
    assert_eq!(state.queue.size().0, 15, "a MiB takes fifteen of them");
}

#[test]
fn a_marker_says_once_that_the_log_is_another_one() {
    let mut state = greeted(1, 1);
    assert_eq!(state.follow(cursor(ROOM, 1, true)), Followed::Yes);
    read_on(&mut state, 1);
    assert_eq!(texts(&drain(&mut state)), ["event 1", "rebuilt 1"]);
    deliver(&mut state, [3]);
    read_on(&mut state, 3);
    assert_eq!(texts(&drain(&mut state)), ["event 2", "event 3", "live 3"]);
}

#[test]
fn a_log_that_ends_before_the_cursor_is_sent_from_its_start() {
    let mut state = greeted(9, 9);
    assert_eq!(state.follow(cursor(ROOM, 10, false)), Followed::Yes);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    state.start_over(read, LogId::from_bytes([5; 16]));
    let read = state.next_read().expect("it is behind");
    assert_eq!(read.what, ToRead::Events(Seq(1)));
}

#[test]
fn a_hole_in_the_log_is_not_passed_over() {
    for page in [vec![], vec![message(2)], vec![message(1), message(3)]] {
        let mut state = greeted(3, 3);
        assert_eq!(state.follow(cursor(ROOM, 1, false)), Followed::Yes);
        assert!(state.wants_actor());
        let read = state.next_read().expect("it is behind");
        let page = page.into_iter().map(|event| (event.seq, event.frame));
        assert_eq!(state.fill(read, page, Seq(3)), Filled::Hole);
    }
}

#[test]
fn an_event_that_was_told_and_cannot_be_read_yet_is_read_later() {
    let mut state = live_at(3);
    deliver(&mut state, [5]);
    assert!(state.wants_actor());
    let read = next_of_log(&mut state);
    assert_eq!(state.fill(read, [], Seq(3)), Filled::Early);
    assert_eq!(state.next_read(), Some(read));
}

#[test]
fn only_so_many_rooms_are_followed() {
    let mut state = greeted(0, 0);
    for number in 0..FOLLOWED_ROOMS_MAX {
        let room = RoomId::from_bytes([u8::try_from(number).expect("small") + 10; 16]);
        state.enter(room);
        assert_eq!(state.follow(cursor(room, 1, false)), Followed::Yes);
        assert_eq!(
            state.follow(cursor(room, 1, false)),
            Followed::Yes,
            "again is not more"
        );
    }
    assert_eq!(state.follow(cursor(ROOM, 1, false)), Followed::TooMany);
}

#[test]
fn rooms_that_are_behind_are_read_in_turn() {
    let mut state = greeted(0, 0);
    let rooms = [10, 11, 12].map(|n| RoomId::from_bytes([n; 16]));
    for room in rooms {
        state.enter(room);
        assert_eq!(state.follow(cursor(room, 1, false)), Followed::Yes);
    }
    assert!(state.wants_actor());
    let mut read = Vec::new();
    for _ in 0..9 {
        let next = state.next_read().expect("all are behind");
        read.push(next.room);
        match next.what {
            ToRead::Counts => state.checked(next, counts(500, 500)),
            ToRead::Events(seq) => {
                let event = said(next.room, seq.0, PEER, seq.0, 10);
                let page = [(event.seq, event.frame)];
                assert_eq!(state.fill(next, page, Seq(500)), Filled::Taken);
            }
        }
    }
    assert_eq!(read, [rooms, rooms, rooms].concat());
}

#[test]
fn the_actor_is_woken_once_until_it_has_found_nothing() {
    let mut state = live_at(0);
    deliver(&mut state, [2]);
    assert!(state.wants_actor() && !state.wants_actor());
    let read = next_of_log(&mut state);
    deliver(&mut state, [3]);
    assert!(!state.wants_actor(), "it is reading, and asks again");
    let page = [1, 2].map(message).map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(read, page, Seq(2)), Filled::Taken);
    let again = state.next_read().expect("one has come meanwhile");
    assert_eq!(again.what, ToRead::Events(Seq(3)));
    let page = [message(3)].map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(again, page, Seq(3)), Filled::Taken);
    assert_eq!(state.next_read(), None);
    assert!(!state.wants_actor(), "nothing is behind");
    deliver(&mut state, [9]);
    assert!(state.wants_actor());
}

#[test]
fn what_could_not_be_read_is_read_next() {
    let mut state = live_at(0);
    deliver(&mut state, [2]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    state.put_back(read);
    assert!(!state.has_everything());
    assert!(!state.wants_actor(), "the actor comes back by itself");
    assert_eq!(state.next_read(), Some(read));
}

#[test]
fn a_page_for_a_cursor_that_was_moved_is_ignored() {
    let mut state = live_at(5);
    deliver(&mut state, [7]);
    assert!(state.wants_actor());
    let read = next_of_log(&mut state);
    assert_eq!(state.follow(cursor(ROOM, 2, false)), Followed::Yes);
    let page = [6, 7].map(message).map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(read, page, Seq(7)), Filled::Taken);
    assert!(drain(&mut state).is_empty());
    let again = state.next_read().expect("it is behind still");
    assert_eq!(again.what, ToRead::Events(Seq(2)));
}
