//! What is coalesced: counters of rooms that are not followed, and hints.

use super::*;

#[test]
fn counters_of_a_room_are_one_counter() {
    let mut state = greeted(4, 2);
    deliver(&mut state, 5..=9);
    assert_eq!(texts(&drain(&mut state)), ["7 of 9 unread"]);
    deliver(&mut state, [9]);
    assert!(state.is_idle(), "it is known already");
}

#[test]
fn a_room_that_is_followed_sends_no_counter() {
    let mut state = greeted(4, 2);
    deliver(&mut state, [5]);
    assert_eq!(state.follow(cursor(ROOM, 6, false)), Followed::Yes);
    read_on(&mut state, 5);
    assert_eq!(texts(&drain(&mut state)), ["live 5"]);
}

#[test]
fn what_one_says_one_has_read() {
    let mut state = greeted(4, 2);
    for run in Run::of(
        ROOM,
        [
            said(ROOM, 5, PEER, 5, 1),
            said(ROOM, 6, ME, 6, 1),
            message(7),
        ],
    ) {
        state.deliver(&run);
    }
    assert_eq!(texts(&drain(&mut state)), ["1 of 7 unread"]);
}

#[test]
fn after_a_gap_the_store_says_what_is_unread() {
    let mut state = greeted(4, 4);
    deliver(&mut state, [5]);
    assert!(!state.wants_actor(), "nothing is missing");
    deliver(&mut state, [9]);
    assert!(drain(&mut state).is_empty(), "of whom the store is asked");
    assert!(state.wants_actor());
    let read = state.next_read().expect("a read");
    assert_eq!(read.what, ToRead::Counts);
    // The account itself said the seventh.
    state.checked(read, counts(9, 7));
    assert_eq!(texts(&drain(&mut state)), ["2 of 9 unread"]);
    assert_eq!(state.next_read(), None);
}

#[test]
fn a_read_mark_counts_on_every_device() {
    let mut state = greeted(4, 2);
    state.mark(ROOM, 3);
    assert_eq!(texts(&drain(&mut state)), ["1 of 4 unread"]);
    state.mark(ROOM, 3);
    assert!(state.is_idle());
}

#[test]
fn a_counter_tells_the_loudest_message_since_the_last_one() {
    let mut state = greeted(0, 0);
    let mut loud = message(1);
    loud.priority = Some(Priority::Urgent);
    for run in Run::of(ROOM, [loud, message(2)]) {
        state.deliver(&run);
    }
    let priority = |items: Vec<Item>| match &items[..] {
        [Item::RoomCounter(counter)] => counter.highest_priority(),
        other => panic!("{other:?}"),
    };
    assert_eq!(priority(drain(&mut state)), proto::v1::Priority::Urgent);
    deliver(&mut state, [3]);
    assert_eq!(priority(drain(&mut state)), proto::v1::Priority::Normal);
}

#[test]
fn who_stops_following_hears_how_far_the_room_is() {
    let mut state = live_at(4);
    deliver(&mut state, [5]);
    state.unfollow(ROOM);
    assert_eq!(texts(&drain(&mut state)), ["event 5", "1 of 5 unread"]);
    deliver(&mut state, [6]);
    assert_eq!(texts(&drain(&mut state)), ["2 of 6 unread"]);
}

#[test]
fn who_was_removed_inside_a_gap_is_told_no_counter() {
    let doubt = |state: &mut State| state.doubt(ROOM, (&message(6)).into());
    let miss = |state: &mut State| state.miss(ROOM, (&message(6)).into());
    let deliver_over = |state: &mut State| deliver(state, [6]);
    let unfollow = |state: &mut State| {
        assert_eq!(state.follow(cursor(ROOM, 5, false)), Followed::Yes);
        deliver(state, [6]);
        state.unfollow(ROOM);
    };
    for tells in [doubt, miss, deliver_over, unfollow] {
        let mut state = greeted(4, 2);
        // A counter that waits would tell what came after, too.
        state.mark(ROOM, 3);
        tells(&mut state);
        deliver(&mut state, [7]);
        assert!(drain(&mut state).is_empty());
        assert!(state.wants_actor());
        let read = state.next_read().expect("a read");
        assert_eq!(read.what, ToRead::Counts);
        assert!(state.leave(ROOM, Some(read.stay)), "the store says so");
        assert_eq!(texts(&drain(&mut state)), ["lost"]);
    }
}

#[test]
fn who_is_still_in_the_room_behind_a_gap_gets_the_counter_that_was_held_back() {
    let mut state = greeted(4, 2);
    deliver(&mut state, [6]);
    assert!(drain(&mut state).is_empty());
    assert!(state.wants_actor());
    let read = state.next_read().expect("a read");
    // In doubt once more, while it was read.
    deliver(&mut state, [8]);
    assert!(drain(&mut state).is_empty());
    state.checked(read, counts(6, 2));
    assert!(drain(&mut state).is_empty());
    let read = state.next_read().expect("a read");
    state.checked(read, counts(8, 2));
    assert_eq!(texts(&drain(&mut state)), ["6 of 8 unread"]);
}

#[test]
fn how_far_others_have_read_is_told_to_who_has_got_as_far() {
    let mut state = live_at(4);
    for (account, seq) in [(PEER, 5), (ME, 6)] {
        let (room, seq) = (ROOM, Seq(seq));
        state.hint(Hint::Read { room, account, seq });
    }
    assert_eq!(texts(&drain(&mut state)), ["read 6"]);
    deliver(&mut state, [5]);
    let (room, account, seq) = (ROOM, PEER, Seq(5));
    state.hint(Hint::Read { room, account, seq });
    assert_eq!(texts(&drain(&mut state)), ["event 5", "read 5"]);
}

#[test]
fn what_was_lost_on_the_way_is_counted_or_read() {
    let missed = Missed::from(&message(3))
        .and((&message(2)).into())
        .and((&message(5)).into());
    let mut passive = greeted(1, 1);
    passive.miss(ROOM, missed);
    assert_eq!(texts(&drain(&mut passive)), ["4 of 5 unread"]);

    let mut following = live_at(1);
    following.miss(ROOM, missed);
    read_on(&mut following, 5);
    assert_eq!(
        texts(&drain(&mut following)).last().expect("some"),
        "live 5"
    );

    let mut further = live_at(5);
    further.miss(ROOM, missed);
    assert!(
        !further.wants_actor() && further.is_idle(),
        "it has all that"
    );
}

#[test]
fn hints_are_coalesced_and_bounded() {
    let mut state = live_at(5);
    for seq in 1..=5 {
        let (room, account, seq) = (ROOM, PEER, Seq(seq));
        state.hint(Hint::Read { room, account, seq });
        state.hint(Hint::Typing { room, account });
    }
    let account = PEER;
    for state_now in [presence::State::Away, presence::State::Online] {
        let state_now = Hint::Presence {
            account,
            state: state_now,
        };
        state.hint(state_now);
    }
    assert_eq!(texts(&drain(&mut state)), ["1 type", "read 5", "Online"]);

    for number in 0..2_000_u16 {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        let (room, account) = (ROOM, AccountId::from_bytes(bytes));
        state.hint(Hint::Typing { room, account });
        state.hint(Hint::Read {
            room,
            account,
            seq: Seq(1),
        });
    }
    let items = drain(&mut state);
    assert_eq!(texts(&items[..1]), [format!("{HINTS_MAX} type")]);
    assert_eq!(items.len(), 1 + HINTS_MAX);
}

#[test]
fn nobody_is_told_that_one_writes_oneself() {
    let mut state = live_at(0);
    for account in [ME, PEER] {
        state.hint(Hint::Typing {
            room: ROOM,
            account,
        });
    }
    match &drain(&mut state)[..] {
        [Item::Typing(typing)] => {
            assert_eq!(typing.accounts, [cluster_rpc::name::of_account(PEER)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn hints_of_a_room_are_for_who_looks_at_it() {
    let mut state = greeted(0, 0);
    state.hint(Hint::Typing {
        room: ROOM,
        account: PEER,
    });
    assert!(state.is_idle());
    let mut state = live_at(0);
    state.hint(Hint::Typing {
        room: ROOM,
        account: PEER,
    });
    state.unfollow(ROOM);
    assert_eq!(texts(&drain(&mut state)), ["0 of 0 unread"]);
}
