//! Coming and going, and the end of a stream.

use super::*;

#[test]
fn who_leaves_gets_nothing_more() {
    let mut state = live_at(4);
    deliver(&mut state, [5]);
    state.hint(Hint::Typing {
        room: ROOM,
        account: PEER,
    });
    assert!(state.leave(ROOM, None));
    deliver(&mut state, [6, 7]);
    assert_eq!(texts(&drain(&mut state)), ["event 5", "lost"]);
    assert!(!state.leave(ROOM, None), "once");
}

#[test]
fn a_page_that_was_read_before_leaving_is_not_sent_after_it() {
    let mut state = live_at(4);
    deliver(&mut state, [6]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    state.leave(ROOM, None);
    state.gain(ROOM, Seq::ZERO);
    let page = [5, 6].map(message).map(|event| (event.seq, event.frame));
    assert_eq!(state.fill(read, page, Seq(6)), Filled::Taken);
    assert_eq!(texts(&drain(&mut state)), ["lost", "gained"]);
}

#[test]
fn who_has_come_back_does_not_lose_the_room_by_old_news() {
    let mut state = live_at(4);
    deliver(&mut state, [6]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("it is behind");
    // The read finds that the account is not a member. By then it is one again.
    state.leave(ROOM, None);
    state.gain(ROOM, Seq::ZERO);
    assert!(!state.leave(ROOM, Some(read.stay)));
    assert!(state.rooms.contains_key(&ROOM));
    state.leave(ROOM, None);
    let stay = state.enter(ROOM);
    assert!(state.leave(ROOM, Some(stay)));
}

#[test]
fn nothing_is_said_of_rooms_before_the_session_stands() {
    let mut state = State::new(ME);
    let new = RoomId::from_bytes([9; 16]);
    let stay = state.enter(ROOM);
    state.gain(new, Seq::ZERO);
    deliver(&mut state, [1]);
    state.gain(RoomId::from_bytes([8; 16]), Seq::ZERO);
    state.leave(RoomId::from_bytes([8; 16]), None);
    assert!(state.is_idle() && !state.wants_actor());
    state.greet(ready(), [(ROOM, stay, counts(3, 1))]);
    let expected = ["reply 0", "gained", "2 of 3 unread"];
    assert_eq!(texts(&drain(&mut state)), expected);
}

#[test]
fn who_was_removed_after_the_store_was_read_is_looked_up_again() {
    let mut state = State::new(ME);
    let before = state.enter(ROOM);
    assert!(state.leave(ROOM, None));
    // The client has asked for it, by what was read before.
    state.enter(ROOM);
    state.greet(ready(), [(ROOM, before, counts(3, 1))]);
    assert_eq!(state.follow(cursor(ROOM, 1, false)), Followed::Yes);
    deliver(&mut state, [4]);
    assert_eq!(texts(&drain(&mut state)), ["reply 0", "gained"]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("a read");
    assert_eq!(read.what, ToRead::Counts);
    assert!(state.leave(ROOM, Some(read.stay)), "the store says so");
    assert_eq!(texts(&drain(&mut state)), ["lost"]);
}

#[test]
fn a_room_that_is_lost_is_not_followed() {
    let mut state = greeted(3, 3);
    state.leave(ROOM, None);
    assert_eq!(state.follow(cursor(ROOM, 1, false)), Followed::Gone);
    deliver(&mut state, [4]);
    assert_eq!(texts(&drain(&mut state)), ["lost"]);
}

#[test]
fn a_room_waits_once_to_be_read_however_often_one_comes_and_goes() {
    let mut state = greeted(0, 0);
    for _ in 0..100 {
        state.leave(ROOM, None);
        state.gain(ROOM, Seq::ZERO);
    }
    assert_eq!(state.to_read, [ROOM]);
}

#[test]
fn who_does_not_read_is_sent_away_before_too_much_waits() {
    let mut state = live_at(0);
    deliver(&mut state, 1..=OUTBOX_ITEMS_MAX as u64);
    for _ in 0..OUTBOX_FORCED_ITEMS_MAX {
        assert!(!state.is_overfull());
        assert!(!state.wants_actor());
        state.push(ready());
    }
    state.push(ready());
    assert!(state.is_overfull());
    assert!(state.wants_actor(), "who ends the stream");
    let all = OUTBOX_ITEMS_MAX + OUTBOX_FORCED_ITEMS_MAX;
    assert_eq!(drain(&mut state).len(), all);
    state.push(ready());
    state.gain(RoomId::from_bytes([9; 16]), Seq::ZERO);
    deliver(&mut state, [OUTBOX_ITEMS_MAX as u64 + 1]);
    assert!(
        drain(&mut state).is_empty(),
        "nothing after what is missing"
    );
    let refusal = || End::Failed(Refusal::FellBehind);
    assert_eq!(
        state.close(refusal(), None, true),
        [ROOM, RoomId::from_bytes([9; 16])]
    );
    assert!(!state.is_overfull() && !state.wants_actor());
}

#[test]
fn a_room_is_counted_only_once_the_store_says_that_one_is_in_it() {
    let mut state = greeted(0, 0);
    let new = RoomId::from_bytes([9; 16]);
    state.gain(new, Seq::ZERO);
    for run in Run::of(new, [said(new, 8, PEER, 6, 10)]) {
        state.deliver(&run);
    }
    assert_eq!(texts(&drain(&mut state)), ["gained"]);
    assert!(state.wants_actor());
    let read = state.next_read().expect("the counts");
    assert_eq!(read.what, ToRead::Counts);
    // The account was added after five messages.
    let (head, messages, read_count) = (Seq(7), 5, 5);
    let counts = Counts {
        head,
        messages,
        read: read_count,
    };
    state.checked(read, counts);
    assert_eq!(texts(&drain(&mut state)), ["1 of 6 unread"]);
}

#[test]
fn the_end_comes_after_what_waits() {
    let mut state = live_at(0);
    deliver(&mut state, [1]);
    assert_eq!(
        state.close(End::Finished, Some(read_back::marker(9)), false),
        [ROOM]
    );
    deliver(&mut state, [2]);
    state.push(read_back::marker(10));
    assert!(state.take_end().is_none());
    assert_eq!(texts(&drain(&mut state)), ["event 1", "reply 9"]);
    assert!(matches!(state.take_end(), Some(End::Finished)));
}

#[test]
fn an_end_at_once_forgets_what_waits() {
    let mut state = live_at(0);
    deliver(&mut state, [1, 3]);
    state.close(End::Finished, Some(read_back::marker(9)), true);
    assert!(!state.is_idle() && !state.wants_actor());
    assert_eq!(texts(&drain(&mut state)), ["reply 9"]);
}

#[test]
fn an_end_at_once_overtakes_an_end_after_what_waits() {
    let mut state = live_at(0);
    deliver(&mut state, [1]);
    state.close(End::Finished, Some(read_back::marker(8)), false);
    state.close(End::Finished, Some(read_back::marker(9)), true);
    state.close(End::Finished, Some(read_back::marker(10)), false);
    assert_eq!(texts(&drain(&mut state)), ["reply 9"]);
    assert!(matches!(state.take_end(), Some(End::Finished)));
}

#[test]
fn a_client_that_leaves_its_answers_lying_is_not_listened_to() {
    let mut state = greeted(0, 0);
    for number in 0..OUTBOX_ITEMS_MAX as u64 {
        assert!(state.takes_input());
        state.push(read_back::marker(number));
    }
    assert!(!state.takes_input());
    state.take();
    assert!(state.takes_input());
}

#[test]
fn an_idle_outbox_gives_its_memory_back() {
    let mut state = live_at(0);
    deliver(&mut state, 1..=1);
    for seq in 2..=200 {
        deliver(&mut state, [seq]);
    }
    drain(&mut state);
    assert!(state.queue.capacity() <= crate::limits::OUTBOX_FRAMES_IDLE);
}

#[test]
fn a_removal_that_is_told_after_a_newer_return_is_looked_up() {
    let mut state = greeted(4, 4);
    assert!(state.is_lost_by(ROOM, Seq(5)));
    state.leave(ROOM, None);
    state.gain(ROOM, Seq(9));
    // An earlier home of the room tells late.
    assert!(!state.is_lost_by(ROOM, Seq(5)));
    let read = state.next_read().expect("something is in doubt");
    assert_eq!(read.what, ToRead::Counts);
    assert!(state.is_lost_by(ROOM, Seq(10)), "a newer one is believed");
}

#[test]
fn a_loss_that_comes_after_the_gain_behind_it_takes_nobody_out() {
    let mut state = greeted(11, 11);
    // Removed by event 12 and added again by 14, of which another node tells first.
    state.gain(ROOM, Seq(14));
    assert!(state.wants_actor(), "what there is now is read");
    assert!(!state.is_lost_by(ROOM, Seq(12)));
    // Nothing is known of this one: it is held already.
    let mut state = greeted(11, 11);
    state.gain(ROOM, Seq::ZERO);
    assert!(!state.wants_actor());
}
