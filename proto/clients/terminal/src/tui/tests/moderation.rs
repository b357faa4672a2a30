//! Commands about rooms and people.

use rookery_client::Code;
use rookery_client::v1::member::Role;

use super::*;
use crate::tui::model::{Act, Call, Outcome};

fn asks(stage: &mut Stage, line: &str) -> Vec<Effect> {
    stage.asked();
    stage.enter(line);
    stage.asked()
}

#[test]
fn each_command_becomes_one_call_about_the_open_room() {
    let mut stage = Stage::ada();
    let about = |act| Call::About(LOBBY.to_owned(), "bo".to_owned(), act);
    for (line, call) in [
        ("/new garden", Call::NewRoom("garden".to_owned())),
        ("/dm bo", Call::Direct("bo".to_owned())),
        ("/join rk_l_x", Call::Join("rk_l_x".to_owned())),
        ("/invite", Call::Invite(LOBBY.to_owned())),
        ("/add bo moderator", about(Act::Add(Role::Moderator))),
        ("/role bo owner", about(Act::SetRole(Role::Owner))),
        ("/mute bo 10m", about(Act::Mute(Some(600)))),
        ("/unmute bo", about(Act::Unmute)),
        ("/unban bo", about(Act::Unban)),
        ("/members", Call::Members(LOBBY.to_owned())),
        (
            "/rename hall",
            Call::Rename(LOBBY.to_owned(), "hall".to_owned()),
        ),
        (
            "/topic tea",
            Call::Topic(LOBBY.to_owned(), "tea".to_owned()),
        ),
        ("/unarchive", Call::Archive(LOBBY.to_owned(), false)),
        ("/nick Ada L.", Call::Nick("Ada L.".to_owned())),
    ] {
        assert_eq!(asks(&mut stage, line), [Effect::from(call)], "{line}");
    }
}

#[test]
fn what_hurts_somebody_is_asked_about_first() {
    for (line, question) in [
        ("/remove bo", "Take this room from bo?"),
        ("/ban bo", "Remove bo and keep them out?"),
        ("/leave", "Leave this room?"),
        ("/archive", "Make this room read-only?"),
        ("/signout", "End this sign-in and forget its token?"),
    ] {
        let mut stage = Stage::ada();
        assert!(asks(&mut stage, line).is_empty(), "{line}");
        stage.shows_all(&[question]);
        stage.write("y");
        assert_eq!(stage.asked().len(), 1, "{line}");
    }
}

#[test]
fn a_new_room_is_opened_and_followed() {
    let mut stage = Stage::ada();
    let room = Room {
        name: "rooms/garden".to_owned(),
        display_name: "garden".to_owned(),
        kind: RoomKind::Group.into(),
        ..Room::default()
    };
    stage.take(Msg::Done(Ok(Outcome::Open(room))));
    assert_eq!(stage.open(), "rooms/garden");
    let follow = crate::tui::model::Tell::Follow("rooms/garden".to_owned(), None);
    assert!(stage.asked().contains(&Effect::Tell(follow)));
    stage.shows_all(&["# garden", "# lobby"]);
}

#[test]
fn a_link_is_shown_to_be_copied_and_stays_until_it_is_closed() {
    let mut stage = Stage::ada();
    stage.take(Msg::Done(Ok(Outcome::Text {
        title: "Link to this room".to_owned(),
        lines: vec!["rk_l_secret".to_owned()],
    })));
    stage.say(1, BO, "hello");
    stage.shows_all(&["Link to this room", "rk_l_secret", "Esc closes"]);
    stage.press(KeyCode::Esc);
    assert!(!stage.text().contains("rk_l_secret"));
}

#[test]
fn what_the_server_refuses_is_said_as_it_says_it() {
    let mut stage = Stage::ada();
    let error = refused(Code::PermissionDenied, "only moderators may add people");
    stage.take(Msg::Done(Err(error)));
    stage.shows_all(&["only moderators may add people"]);
}

#[test]
fn a_room_that_one_gained_appears_and_does_not_push_itself_forward() {
    let mut stage = Stage::ada();
    stage.take(Msg::Item(Item::RoomGained {
        room: "rooms/x".to_owned(),
    }));
    let look = Effect::from(Call::Look("rooms/x".to_owned()));
    assert!(stage.asked().contains(&look));
    let room = Room {
        name: "rooms/x".to_owned(),
        display_name: "attic".to_owned(),
        kind: RoomKind::Group.into(),
        ..Room::default()
    };
    stage.take(Msg::Done(Ok(Outcome::Room(room))));
    stage.shows_all(&["# attic"]);
    assert_eq!(stage.open(), LOBBY);
}

#[test]
fn without_a_room_one_is_told_how_to_get_one() {
    let mut stage = Stage::fresh(Wish::default());
    stage.take(Msg::Connected(Ok(Some(account("ada")))));
    stage.take(Msg::Opened(Ok(())));
    stage.take(Msg::Rooms(Ok(Vec::new())));
    stage.shows_all(&["You are in no room yet.", "/new NAME"]);
    stage.enter("/high hello");
    stage.shows_all(&["open a room first"]);
    assert_eq!(
        asks(&mut stage, "/new lobby"),
        [Effect::from(Call::NewRoom("lobby".to_owned()))]
    );
}

#[test]
fn the_room_of_the_command_line_is_opened() {
    let wish = Wish {
        room: Some("LOBBY".to_owned()),
        ..Wish::default()
    };
    let mut stage = Stage::fresh(wish);
    stage.take(Msg::Connected(Ok(Some(account("ada")))));
    stage.take(Msg::Opened(Ok(())));
    let room = |name: &str, display_name: &str| Room {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        kind: RoomKind::Group.into(),
        ..Room::default()
    };
    stage.take(Msg::Rooms(Ok(vec![
        room("rooms/a", "attic"),
        room(LOBBY, "lobby"),
    ])));
    assert_eq!(stage.open(), LOBBY);
}
