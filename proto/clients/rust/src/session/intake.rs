//! From what the server sends to what the program gets.
//!
//! Invariant: pure. What has to be done on the stream comes back as an [`Effect`].

use proto::v1::server_item::Item as Sent;
use proto::v1::{Farewell, Ready, Reply, ServerItem};

use super::Item;
use super::cursors::{Cursors, Reached, Seen};

/// What an item asks of the session's task.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// The stream stands.
    Ready(Ready),
    /// A command was answered.
    Answer(Reply),
    /// Events of this room are missing: ask for them.
    Heal(String),
    /// An event was left on the server: ask for it when there is room.
    Left,
    /// The stream ends.
    End(Farewell),
}

/// Takes one item of a frame in; what the program is to get goes to `out`. While the program is
/// `slow`, events of followed rooms are left on the server, and what is old in a moment is dropped.
pub(super) fn take(
    cursors: &mut Cursors,
    item: ServerItem,
    slow: bool,
    out: &mut Vec<Item>,
) -> Effect {
    let Some(item) = item.item else {
        // An item of a kind that this client does not know yet.
        return Effect::None;
    };
    let item = match item {
        Sent::Ready(ready) => return Effect::Ready(ready),
        Sent::Reply(reply) => return Effect::Answer(reply),
        Sent::Farewell(farewell) => return Effect::End(farewell),
        Sent::Event(event) if slow => {
            cursors.leave(&event.room, event.seq);
            return Effect::Left;
        }
        Sent::Event(event) => match cursors.event(&event.room, event.seq) {
            Seen::New => Item::Event(event),
            Seen::Known => return Effect::None,
            Seen::Rebuilt => {
                let room = event.room.clone();
                out.push(Item::Rebuilt { room });
                Item::Event(event)
            }
            Seen::Gap { expected } => return gap(event.room, expected, event.seq, out),
        },
        Sent::Live(marker) => match cursors.live(&marker) {
            Reached::Stale => return Effect::None,
            Reached::Gap { expected } => return gap(marker.room, expected, marker.seq, out),
            reached @ (Reached::Live | Reached::Rebuilt) => {
                let (room, seq, log_id) = (marker.room, marker.seq, marker.log_id);
                if reached == Reached::Rebuilt {
                    let room = room.clone();
                    out.push(Item::Rebuilt { room });
                }
                Item::Live { room, seq, log_id }
            }
        },
        Sent::Typing(_) if slow => return Effect::None,
        Sent::Typing(typing) => Item::Typing(typing),
        Sent::RoomCounter(counter) => Item::RoomCounter(counter),
        Sent::RoomGained(gained) => Item::RoomGained { room: gained.room },
        Sent::RoomLost(lost) => {
            cursors.forget(&lost.room);
            Item::RoomLost { room: lost.room }
        }
        Sent::Presence(presence) => Item::Presence(presence),
        Sent::ReadMarker(marker) => Item::ReadMarker(marker),
    };
    out.push(item);
    Effect::None
}

fn gap(room: String, expected: u64, found: u64, out: &mut Vec<Item>) -> Effect {
    out.push(Item::Gap {
        room: room.clone(),
        expected,
        found,
    });
    Effect::Heal(room)
}

#[cfg(test)]
mod tests {
    use proto::v1::{Event, FollowRoom, Live, RoomLost, Typing};

    use super::*;

    const ROOM: &str = "rooms/a";

    fn following() -> Cursors {
        let mut cursors = Cursors::default();
        let room = FollowRoom {
            room: ROOM.to_owned(),
            after_seq: 3,
            ..FollowRoom::default()
        };
        assert!(cursors.follow(&room, true));
        cursors
    }

    fn event(seq: u64) -> Sent {
        Sent::Event(Event {
            room: ROOM.to_owned(),
            seq,
            ..Event::default()
        })
    }

    fn take_one(cursors: &mut Cursors, item: Sent, slow: bool) -> (Effect, Vec<Item>) {
        let mut out = Vec::new();
        let effect = take(cursors, ServerItem { item: Some(item) }, slow, &mut out);
        (effect, out)
    }

    #[test]
    fn a_gap_is_told_and_healed() {
        let mut cursors = following();
        let (effect, out) = take_one(&mut cursors, event(6), false);
        assert_eq!(effect, Effect::Heal(ROOM.to_owned()));
        let told = (4, 6);
        assert!(
            matches!(&out[..], [Item::Gap { expected, found, .. }] if (*expected, *found) == told)
        );
    }

    #[test]
    fn the_program_hears_of_a_rebuilt_log_before_its_first_event() {
        let mut cursors = following();
        let (_, out) = take_one(&mut cursors, event(1), false);
        assert!(matches!(&out[..], [Item::Rebuilt { .. }, Item::Event(_)]));

        let empty = Live {
            room: ROOM.to_owned(),
            rebuilt: true,
            ..Live::default()
        };
        let (_, out) = take_one(&mut following(), Sent::Live(empty), false);
        assert!(matches!(
            &out[..],
            [Item::Rebuilt { .. }, Item::Live { .. }]
        ));
    }

    #[test]
    fn a_slow_program_gets_no_events_and_loses_none() {
        let mut cursors = following();
        let (effect, out) = take_one(&mut cursors, event(4), true);
        assert!(effect == Effect::Left && out.is_empty());
        let typing = Sent::Typing(Typing::default());
        assert!(take_one(&mut cursors, typing, true).1.is_empty());
        let (_, out) = take_one(&mut cursors, event(4), false);
        assert!(matches!(&out[..], [Item::Event(_)]));
    }

    #[test]
    fn a_lost_room_gives_nothing_any_more() {
        let mut cursors = following();
        let lost = Sent::RoomLost(RoomLost {
            room: ROOM.to_owned(),
        });
        let (_, out) = take_one(&mut cursors, lost, false);
        assert!(matches!(&out[..], [Item::RoomLost { .. }]));
        assert!(take_one(&mut cursors, event(4), false).1.is_empty());
    }

    #[test]
    fn an_item_of_a_later_version_is_passed_over() {
        let mut out = Vec::new();
        let effect = take(&mut following(), ServerItem { item: None }, false, &mut out);
        assert!(effect == Effect::None && out.is_empty());
    }
}
