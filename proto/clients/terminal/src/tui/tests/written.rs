//! What somebody wrote: it goes where it was meant to go, and nothing of it is lost.

use std::time::Duration;

use rookery_client::Code;
use rookery_client::v1::EditMessageRequest;

use super::*;
use crate::tui::model::{Call, Outcome, Tell};

#[test]
fn nobody_goes_on_writing_in_another_room_when_one_is_taken_away() {
    let mut stage = Stage::ada();
    stage.write("what I think of B");
    stage.take(Msg::Item(Item::RoomLost {
        room: LOBBY.to_owned(),
    }));
    stage.asked();
    stage.enter("o: old/new ways");
    let quiet = |effect: &Effect| matches!(effect, Effect::Tell(Tell::Watch(_)));
    assert!(stage.asked().iter().all(quiet));
    assert!(stage.chat().open.is_none());
    assert!(stage.chat().unsent.is_empty());
    stage.shows_all(&["You are not in lobby any more.", "goes to a room", "○ Bo"]);
    // Nor when the list of rooms comes again, or when a room is gained.
    let room = |name: &str| Room {
        name: name.to_owned(),
        display_name: "attic".to_owned(),
        kind: RoomKind::Group.into(),
        ..Room::default()
    };
    stage.take(Msg::Rooms(Ok(vec![room(WITH_BO), room("rooms/attic")])));
    stage.take(Msg::Done(Ok(Outcome::Room(room("rooms/cellar")))));
    assert!(stage.chat().open.is_none());
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    assert!(stage.chat().open.is_some(), "until a room is picked");
    assert!(!stage.text().contains("any more."));
}

#[test]
fn commands_are_written_where_no_room_is_open() {
    let mut stage = Stage::ada();
    stage.take(Msg::Item(Item::RoomLost {
        room: LOBBY.to_owned(),
    }));
    stage.press(KeyCode::Esc);
    stage.asked();
    stage.enter("hello");
    stage.enter("/new attic");
    let new = Effect::from(Call::NewRoom("attic".to_owned()));
    assert_eq!(stage.asked(), [new]);
}

#[test]
fn a_room_that_cannot_be_followed_now_stays_open_and_is_asked_for_again() {
    let mut stage = Stage::ada();
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    stage.write("half a thought");
    let follows = |stage: &mut Stage| {
        let asked = stage.asked();
        let follows = asked
            .iter()
            .filter(|e| matches!(e, Effect::Tell(Tell::Follow(..))));
        follows.count()
    };
    assert_eq!(follows(&mut stage), 1);
    let error = refused(Code::Unavailable, "not now");
    stage.take(Msg::Followed(WITH_BO.to_owned(), Err(error)));
    assert_eq!(stage.open(), WITH_BO);
    stage.shows_all(&["› half a thought", "not now"]);
    assert!(!stage.text().contains("no room"));
    assert_eq!(follows(&mut stage), 0, "not at once");
    stage.take(Msg::Tick(Duration::from_secs(3)));
    assert_eq!(follows(&mut stage), 1);
}

/// Changes the lobby's only message and saves it.
fn save_a_change(stage: &mut Stage) -> EditMessageRequest {
    stage.enter("/edit");
    stage.press(KeyCode::Backspace);
    stage.asked();
    stage.enter("lo");
    let asked = stage.asked();
    let Some(Effect::Ask(Ask::Edit(request))) = asked.last() else {
        panic!("{asked:?}");
    };
    request.clone()
}

#[test]
fn a_change_that_is_not_saved_comes_back() {
    let mut stage = Stage::ada();
    stage.say(1, ADA, "helo");
    let request = save_a_change(&mut stage);
    let error = || refused(Code::Unavailable, "not now");
    stage.take(Msg::Edited(request, Err(error())));
    stage.shows_all(&["✎ hello", "not saved: not now"]);

    // What is being written meanwhile stays, and the change waits.
    stage.press(KeyCode::Esc);
    let request = save_a_change(&mut stage);
    stage.write("next");
    stage.take(Msg::Edited(request, Err(error())));
    stage.shows_all(&["› next", "/edit goes on"]);
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('u'));
    stage.enter("/edit");
    stage.shows_all(&["✎ hello", "changing number 1"]);
}

/// Ada, signed out in the middle of a thought and with a message on its way.
fn signed_out_in_mid_sentence() -> Stage {
    let mut stage = Stage::ada();
    down(&mut stage);
    stage.enter("on its way");
    stage.write("half a thought");
    stage.take(Msg::Item(Item::SignedOut));
    stage.asked();
    stage
}

#[test]
fn what_was_written_is_there_when_the_same_person_signs_in_again() {
    let mut stage = signed_out_in_mid_sentence();
    stage.take(Msg::SignedIn(Ok(account("ada"))));
    stage.shows_all(&["on its way", "› half a thought"]);
    stage.asked();
    stage.take(Msg::Opened(Ok(())));
    let asked = stage.asked();
    let sent =
        |effect: &&Effect| matches!(effect, Effect::Send(m) if m.request().body == "on its way");
    assert_eq!(asked.iter().filter(sent).count(), 1, "{asked:?}");
    let follows =
        |effect: &Effect| matches!(effect, Effect::Tell(Tell::Follow(room, _)) if room == LOBBY);
    assert!(asked.iter().any(follows), "{asked:?}");
}

#[test]
fn what_was_written_is_shown_to_nobody_else() {
    let mut stage = signed_out_in_mid_sentence();
    stage.take(Msg::SignedIn(Ok(account("bo"))));
    stage.take(Msg::Opened(Ok(())));
    assert!(!stage.text().contains("thought"));
    assert!(!stage.asked().iter().any(|e| matches!(e, Effect::Send(_))));
    assert_eq!(stage.model.unsent(), None);
}

#[test]
fn whoever_leaves_is_told_what_no_room_has() {
    let mut stage = Stage::ada();
    assert_eq!(stage.model.unsent(), None);
    stage.enter("one");
    let one = "1 message was not sent:\n  lobby: one";
    assert_eq!(stage.model.unsent().as_deref(), Some(one));
    stage.enter("two");
    let two = "2 messages were not sent:\n  lobby: one\n  lobby: two";
    assert_eq!(stage.model.unsent().as_deref(), Some(two));
    for last in [Item::SignedOut, Item::Ended(Error::Ended)] {
        stage.take(Msg::Item(last));
        assert_eq!(stage.model.unsent().as_deref(), Some(two));
    }
    assert_eq!(crate::exit::Failure::Unsent(two.to_owned()).number(), 75);
}
