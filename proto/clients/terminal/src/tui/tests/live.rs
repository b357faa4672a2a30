//! What comes in, and how it looks.

use std::time::Duration;

use rookery_client::Code;
use rookery_client::v1::presence::State;
use rookery_client::v1::{
    MembershipChange, MessageDeletion, MessageEdit, Presence, Priority, ReadMarker, RoomCounter,
    SendMessageResponse, Typing, membership_change,
};

use super::*;
use crate::tui::model::Tell;

#[test]
fn a_conversation_looks_like_one() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "hello");
    stage.say(2, BO, "did *you* see the `log`?");
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        3,
        ADA,
        Kind::Message(Message {
            reply_to_seq: 2,
            ..message("not yet")
        }),
    ))));
    stage.take(Msg::Item(Item::ReadMarker(ReadMarker {
        room: LOBBY.to_owned(),
        account: BO.to_owned(),
        seq: 3,
    })));
    stage.write("so, ");
    stage.shows(&[
        "Rooms                     │lobby  8 members  whatever comes to mind",
        "# lobby                   │",
        "                          │",
        "People                    │",
        "○ Bo                     3│This is where it begins.",
        "                          │── Monday 23 November 2026 ──────────────────────────",
        "                          │Bo  12:01",
        "                          │  hello",
        "                          │  did you see the log?",
        "                          │Ada  12:03",
        "                          │  ╭ Bo: did *you* see the `log`?",
        "                          │  not yet",
        "                          │  ✓ read by Bo",
        "                          │",
        "                          │› so,",
        " ● connected  ada@localhost:7443                                        F1 help",
    ]);
}

#[test]
fn nothing_that_others_wrote_acts_on_the_terminal() {
    let mut stage = Stage::ada();
    stage.take(Msg::Account(
        "accounts/eve".to_owned(),
        Ok(Account {
            name: "accounts/eve".to_owned(),
            display_name: "Eve\u{1b}[2J\u{202e}".to_owned(),
            ..Account::default()
        }),
    ));
    stage.say(1, "accounts/eve", "a\u{1b}]0;pwned\u{7}b\u{9b}31m\u{202e}c");
    stage.take(Msg::Item(Item::Reconnecting {
        attempt: 1,
        wait: Duration::ZERO,
        cause: "\u{1b}[2J".to_owned(),
    }));
    let screen = stage.text();
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!screen.contains(acts), "{screen:?}");
    stage.shows_all(&["Eve␛[2J", "a␛]0;pwned␇b\u{fffd}31mc"]);
}

#[test]
fn edits_deletions_and_priorities_are_marked() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "helo");
    stage.say(2, BO, "secret");
    let edited = Message {
        edited_seq: 3,
        ..message("hello")
    };
    let edit = MessageEdit {
        target_seq: 1,
        message: Some(edited),
    };
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        3,
        BO,
        Kind::MessageEdit(edit),
    ))));
    let deletion = MessageDeletion { target_seq: 2 };
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        4,
        BO,
        Kind::MessageDeletion(deletion),
    ))));
    for (seq, priority) in [(5, Priority::High), (6, Priority::Urgent)] {
        let loud = Message {
            priority: priority.into(),
            ..message("look")
        };
        stage.take(Msg::Item(Item::Event(event(
            LOBBY,
            seq,
            BO,
            Kind::Message(loud),
        ))));
    }
    stage.shows_all(&["  hello (edited)", "  deleted", "! look", "‼ look"]);
    assert!(!stage.text().contains("secret"));
}

#[test]
fn what_happens_to_the_room_is_told_aside() {
    let mut stage = Stage::ada();
    let change = MembershipChange {
        account: BO.to_owned(),
        kind: membership_change::Kind::Muted.into(),
        until: Some(Timestamp {
            seconds: NOON + 600,
            nanos: 0,
        }),
        ..MembershipChange::default()
    };
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        1,
        ADA,
        Kind::MembershipChange(change),
    ))));
    stage.shows_all(&["Ada muted Bo until 2026-11-23 12:10:00"]);
}

#[test]
fn who_is_in_a_conversation_of_two_goes_without_saying() {
    let mut stage = Stage::ada();
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    stage.take(Msg::Item(Item::Live {
        room: WITH_BO.to_owned(),
        seq: 0,
        log_id: "two".to_owned(),
    }));
    let change = MembershipChange {
        account: BO.to_owned(),
        kind: membership_change::Kind::Added.into(),
        ..MembershipChange::default()
    };
    let added = event(WITH_BO, 1, ADA, Kind::MembershipChange(change));
    stage.take(Msg::Item(Item::Event(added)));
    stage.take(Msg::Item(Item::Event(said(WITH_BO, 2, BO, "hello"))));
    stage.shows_all(&["hello"]);
    assert!(!stage.text().contains("added"));
}

#[test]
fn who_writes_is_shown_for_six_seconds() {
    let mut stage = Stage::ada();
    let typing = Typing {
        room: LOBBY.to_owned(),
        accounts: vec![BO.to_owned(), ADA.to_owned()],
    };
    stage.take(Msg::Item(Item::Typing(typing)));
    stage.shows_all(&["Bo is writing …"]);
    stage.take(Msg::Tick(Duration::from_secs(5)));
    stage.shows_all(&["Bo is writing …"]);
    stage.take(Msg::Tick(Duration::from_secs(6)));
    assert!(!stage.text().contains("writing"));
}

#[test]
fn presence_is_a_dot() {
    let mut stage = Stage::ada();
    for (state, dot) in [
        (State::Online, "● Bo"),
        (State::Away, "◐ Bo"),
        (State::Offline, "○ Bo"),
    ] {
        stage.take(Msg::Item(Item::Presence(Presence {
            account: BO.to_owned(),
            state: state.into(),
        })));
        stage.shows_all(&[dot]);
    }
}

#[test]
fn a_message_waits_on_the_screen_until_its_room_has_it() {
    let mut stage = Stage::ada();
    stage.enter("hello");
    let asked = stage.asked();
    let sent = asked.iter().find_map(|effect| {
        let Effect::Send(message) = effect else {
            return None;
        };
        Some(message.clone())
    });
    let sent = sent.expect("it is sent");
    stage.shows_all(&["  hello", "⋯ sending"]);
    let answer = SendMessageResponse {
        seq: 1,
        create_time: None,
    };
    stage.take(Msg::Sent(sent.id().to_owned(), Ok(answer)));
    stage.shows_all(&["⋯ sending"]);
    let own = Message {
        client_message_id: sent.id().to_owned(),
        ..message("hello")
    };
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        1,
        ADA,
        Kind::Message(own),
    ))));
    assert!(!stage.text().contains("sending"));
    assert_eq!(stage.text().matches("hello").count(), 1, "not twice");
}

#[test]
fn a_message_that_is_refused_says_why_and_can_be_sent_again() {
    let mut stage = Stage::ada();
    stage.enter("hello");
    let id = stage.chat().unsent[0].message.id().to_owned();
    stage.take(Msg::Sent(
        id.clone(),
        Err(refused(Code::PermissionDenied, "you are muted here")),
    ));
    stage.shows_all(&["✗ not sent: you are muted here"]);
    stage.asked();
    stage.enter("/retry");
    let again = stage.asked();
    assert!(matches!(&again[..], [Effect::Send(message)] if message.id() == id));
    stage.take(Msg::Sent(
        id,
        Err(refused(Code::PermissionDenied, "you are muted here")),
    ));
    stage.enter("/discard");
    assert!(!stage.text().contains("hello"));
}

#[test]
fn while_the_connection_is_down_one_goes_on_writing() {
    let mut stage = Stage::ada();
    down(&mut stage);
    stage.enter("hello");
    stage.shows_all(&["○ reconnecting in 3 s, attempt 2  1 to send", "⋯ sending"]);
    stage.take(Msg::Tick(Duration::from_secs(1)));
    stage.shows_all(&["reconnecting in 2 s"]);
    stage.asked();
    stage.take(Msg::Item(Item::Reconnected));
    stage.shows_all(&["● connected"]);
    assert!(stage.asked().contains(&Effect::Ask(Ask::Rooms)));
}

#[test]
fn unread_counts_follow_what_is_said_and_read() {
    let mut stage = Stage::ada();
    stage.shows_all(&["○ Bo                     3"]);
    stage.take(Msg::Item(Item::RoomCounter(RoomCounter {
        room: WITH_BO.to_owned(),
        unread_count: 12,
        ..RoomCounter::default()
    })));
    stage.shows_all(&["○ Bo                    12"]);
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('n'));
    assert_eq!(stage.open(), WITH_BO);
}

#[test]
fn what_is_on_the_screen_is_marked_read_once_and_only_when_somebody_looks() {
    let mut stage = Stage::ada();
    stage.take(Msg::Focus(false));
    stage.say(1, BO, "hello");
    let marks = |stage: &mut Stage| {
        let asked = stage.asked();
        let marks = asked
            .iter()
            .filter(|e| matches!(e, Effect::Tell(Tell::MarkRead(..))));
        marks.count()
    };
    assert_eq!(marks(&mut stage), 0);
    assert_eq!(stage.chat().room().expect("open").room.unread_count, 1);
    stage.take(Msg::Focus(true));
    assert_eq!(marks(&mut stage), 1);
    stage.take(Msg::Tick(Duration::from_secs(1)));
    assert_eq!(marks(&mut stage), 0);
    stage.shows_all(&["── new ──"]);
}

#[test]
fn a_room_that_is_taken_away_disappears_at_once() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "hello");
    stage.take(Msg::Item(Item::RoomLost {
        room: LOBBY.to_owned(),
    }));
    stage.shows_all(&["you are not in lobby any more"]);
    assert!(!stage.text().contains("# lobby"));
}

#[test]
fn a_rebuilt_log_is_shown_from_its_start() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "before");
    stage.take(Msg::Item(Item::Rebuilt {
        room: LOBBY.to_owned(),
    }));
    stage.say(1, BO, "after");
    stage.shows_all(&["after"]);
    assert!(!stage.text().contains("before"));
}

#[test]
fn a_bell_rings_for_what_one_would_miss() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "hello");
    assert!(!stage.asked().contains(&Effect::Bell));
    stage.take(Msg::Focus(false));
    let urgent = Message {
        priority: Priority::Urgent.into(),
        ..message("fire")
    };
    stage.take(Msg::Item(Item::Event(event(
        LOBBY,
        2,
        BO,
        Kind::Message(urgent),
    ))));
    assert!(stage.asked().contains(&Effect::Bell));
}
