//! Each promise of [`Cursors`] by itself.

use super::*;

const ROOM: &str = "rooms/a";

fn following(after_seq: u64) -> Cursors {
    let mut cursors = Cursors::default();
    let follow = FollowRoom {
        room: ROOM.to_owned(),
        after_seq,
        log_id: "one".to_owned(),
        from_head: false,
    };
    assert!(cursors.follow(&follow, true));
    cursors
}

fn live(seq: u64, rebuilt: bool) -> Live {
    Live {
        room: ROOM.to_owned(),
        seq,
        log_id: "two".to_owned(),
        rebuilt,
    }
}

fn seen(cursors: &mut Cursors, seqs: impl IntoIterator<Item = u64>) -> Vec<Seen> {
    let seqs = seqs.into_iter();
    seqs.map(|seq| cursors.event(ROOM, seq)).collect()
}

fn cursor(cursors: &Cursors) -> (u64, String) {
    let resume = cursors.resume(ROOM).expect("followed");
    (resume.after_seq, resume.log_id)
}

#[test]
fn each_event_is_new_once() {
    let mut cursors = following(5);
    assert_eq!(
        seen(&mut cursors, [6, 7, 6, 7, 8]),
        [Seen::New, Seen::New, Seen::Known, Seen::Known, Seen::New]
    );
    assert_eq!(cursors.live(&live(8, false)), Reached::Live);
    assert_eq!(cursor(&cursors), (8, "two".to_owned()));
}

#[test]
fn a_gap_is_told_once_and_nothing_passes_before_it_is_filled() {
    let mut cursors = following(0);
    assert_eq!(
        seen(&mut cursors, [1, 4, 5, 2, 5, 3, 4]),
        [
            Seen::New,
            Seen::Gap { expected: 2 },
            Seen::Known,
            Seen::New,
            Seen::Gap { expected: 3 },
            Seen::New,
            Seen::New,
        ]
    );
    assert!(!cursors.any_behind());
}

#[test]
fn a_marker_ahead_of_the_events_is_a_gap() {
    let mut cursors = following(3);
    assert_eq!(cursors.live(&live(5, false)), Reached::Gap { expected: 4 });
    assert_eq!(cursors.live(&live(5, false)), Reached::Stale);
    assert_eq!(cursors.behind(), [ROOM]);
    assert_eq!(seen(&mut cursors, [4, 5]), [Seen::New, Seen::New]);
    assert_eq!(cursors.live(&live(5, false)), Reached::Live);
}

#[test]
fn a_rebuilt_log_starts_over() {
    let mut cursors = following(7);
    assert_eq!(
        seen(&mut cursors, [1, 2]),
        [Seen::Rebuilt, Seen::New],
        "a continued log would have gone on at 8"
    );
    assert_eq!(cursors.live(&live(2, true)), Reached::Live);
    assert_eq!(cursor(&cursors), (2, "two".to_owned()));
}

#[test]
fn a_rebuilt_log_may_be_empty() {
    let mut cursors = following(7);
    assert_eq!(cursors.live(&live(0, true)), Reached::Rebuilt);
    assert_eq!(seen(&mut cursors, [1]), [Seen::New]);
}

#[test]
fn the_first_event_again_is_no_rebuilt_log_once_others_came() {
    let mut cursors = following(7);
    assert_eq!(seen(&mut cursors, [8, 1]), [Seen::New, Seen::Known]);
}

#[test]
fn following_from_the_head_begins_at_the_marker() {
    let mut cursors = Cursors::default();
    let follow = FollowRoom {
        room: ROOM.to_owned(),
        from_head: true,
        ..FollowRoom::default()
    };
    assert!(cursors.follow(&follow, true));
    assert!(cursors.hello()[0].from_head);
    assert_eq!(cursors.live(&live(41, false)), Reached::Live);
    assert_eq!(seen(&mut cursors, [41, 42]), [Seen::Known, Seen::New]);
    let again = &cursors.hello()[0];
    assert_eq!((again.after_seq, again.from_head), (42, false));
}

#[test]
fn a_new_stream_resumes_after_the_last_event() {
    let mut cursors = following(5);
    seen(&mut cursors, [6, 7, 9]);
    let hello = cursors.hello();
    assert_eq!((hello[0].after_seq, hello[0].log_id.as_str()), (7, "one"));
    assert!(
        !cursors.any_behind(),
        "the new stream sends what is missing"
    );
    assert_eq!(seen(&mut cursors, [8]), [Seen::New]);
}

#[test]
fn what_is_left_is_asked_for_from_the_cursor() {
    let mut cursors = following(5);
    seen(&mut cursors, [6]);
    cursors.leave(ROOM, 7);
    assert_eq!(seen(&mut cursors, [8]), [Seen::Known]);
    assert_eq!(cursors.resume(ROOM).expect("followed").after_seq, 6);
    assert_eq!(seen(&mut cursors, [7]), [Seen::New]);
}

#[test]
fn a_rebuilt_log_is_noticed_when_its_first_events_were_left() {
    let mut cursors = following(3);
    cursors.leave(ROOM, 1);
    cursors.leave(ROOM, 2);
    assert_eq!(cursors.behind(), [ROOM]);
    // What was on its way goes by: 4 of this log is not what comes after 3 of the other.
    assert_eq!(seen(&mut cursors, [3, 4]), [Seen::Known, Seen::Known]);
    assert_eq!(cursors.live(&live(2, true)), Reached::Stale);
    assert_eq!(cursor(&cursors), (3, "one".to_owned()), "as it was asked");
    assert_eq!(seen(&mut cursors, [1, 2]), [Seen::Rebuilt, Seen::New]);
    assert!(!cursors.any_behind());
}

#[test]
fn a_log_that_goes_on_is_not_taken_for_a_rebuilt_one_when_its_events_were_left() {
    let mut cursors = following(3);
    cursors.leave(ROOM, 4);
    assert_eq!(
        seen(&mut cursors, [1, 4, 5]),
        [Seen::Known, Seen::New, Seen::New]
    );
    let mut fresh = following(0);
    fresh.leave(ROOM, 1);
    assert_eq!(seen(&mut fresh, [1]), [Seen::New], "nothing was had of it");
}

#[test]
fn a_room_is_in_the_hello_only_when_the_server_agreed_to_it() {
    let mut cursors = Cursors::default();
    let follow = FollowRoom {
        room: ROOM.to_owned(),
        ..FollowRoom::default()
    };
    assert!(cursors.follow(&follow, false));
    assert!(cursors.hello().is_empty());
    cursors.agree(ROOM);
    assert_eq!(cursors.hello().len(), 1);
    cursors.forget(ROOM);
    assert_eq!(seen(&mut cursors, [1]), [Seen::Known]);
    assert_eq!(cursors.live(&live(1, false)), Reached::Stale);
}

#[test]
fn the_number_of_rooms_has_a_bound() {
    let mut cursors = Cursors::default();
    let follow = |index: usize| FollowRoom {
        room: format!("rooms/{index}"),
        ..FollowRoom::default()
    };
    for index in 0..limits::FOLLOWED_ROOMS_MAX {
        assert!(cursors.follow(&follow(index), true));
    }
    assert!(!cursors.follow(&follow(limits::FOLLOWED_ROOMS_MAX), true));
    assert!(
        cursors.follow(&follow(0), true),
        "one of them again is fine"
    );
}
