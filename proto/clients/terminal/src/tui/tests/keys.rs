//! Moving, choosing, completing.

use rookery_client::Code;
use std::time::Duration;

use super::*;
use crate::tui::model::Call;
use crate::tui::scroll::Scroll;

#[test]
fn scrolling_up_loads_what_is_older_and_stays_where_it_is() {
    let mut stage = with_log(500);
    stage.shows_all(&["number 500"]);
    for _ in 0..10 {
        stage.press(KeyCode::PageUp);
        answer_pages(&mut stage, 500);
    }
    let before = stage.text();
    assert!(!before.contains("number 500"));
    stage.shows_all(&["End goes to the newest"]);
    stage.say(501, BO, "something new");
    assert!(!stage.text().contains("something new"));
    // Without the list of rooms, which counts what is new.
    let rows = |text: &str| {
        let rows = text.lines().skip(1).take(10);
        rows.filter_map(|row| Some(row.split_once('│')?.1.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rows(&stage.text()),
        rows(&before),
        "nothing moved under the eyes"
    );
    stage.press(KeyCode::End);
    stage.shows_all(&["something new"]);
}

#[test]
fn scrolling_ends_where_the_room_begins() {
    let mut stage = with_log(250);
    for _ in 0..80 {
        stage.press(KeyCode::PageUp);
        answer_pages(&mut stage, 250);
    }
    stage.shows_all(&["── Monday 23 November 2026", "number 1"]);
    let top = stage.text();
    stage.press(KeyCode::PageUp);
    assert_eq!(stage.text(), top);
}

#[test]
fn a_page_is_asked_for_once_and_not_at_once_again_when_it_fails() {
    let mut stage = with_log(500);
    let pages = |stage: &mut Stage| {
        let asked = stage.asked();
        let pages = asked.into_iter().filter_map(|effect| {
            let Effect::Ask(Ask::Page(room, want)) = effect else {
                return None;
            };
            Some((room, want))
        });
        pages.collect::<Vec<_>>()
    };
    let mut first = Vec::new();
    while first.is_empty() {
        stage.press(KeyCode::PageUp);
        first = pages(&mut stage);
    }
    stage.press(KeyCode::PageUp);
    assert_eq!((first.len(), pages(&mut stage).len()), (1, 0));
    let (room, want) = first[0].clone();
    let events = Err(refused(Code::Unavailable, "not now"));
    stage.take(Msg::Page(Page { room, want, events }));
    stage.press(KeyCode::PageUp);
    assert!(pages(&mut stage).is_empty());
    stage.take(Msg::Tick(Duration::from_secs(4)));
    assert_eq!(pages(&mut stage).len(), 1);
}

#[test]
fn a_day_can_be_gone_to_and_come_back_from() {
    let mut stage = with_log(500);
    stage.enter("/goto 2026-11-23 12:50");
    answer_pages(&mut stage, 500);
    let lines = stage.lines();
    assert!(lines[1].contains("── Monday"), "{lines:#?}");
    assert!(lines[3].contains("number 50"), "{lines:#?}");
    stage.say(501, BO, "something new");
    assert!(!stage.text().contains("something new"));
    for _ in 0..60 {
        stage.press(KeyCode::PageDown);
        answer_pages(&mut stage, 501);
    }
    assert!(
        stage.chat().room().expect("open").history.is_live(),
        "it caught up"
    );
    assert_eq!(stage.chat().room().expect("open").scroll, Scroll::Bottom);
}

#[test]
fn a_chosen_message_can_be_answered() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "one");
    stage.say(2, BO, "two");
    stage.press(KeyCode::Up);
    stage.press(KeyCode::Up);
    stage.shows_all(&["r answer"]);
    stage.write("r");
    stage.shows_all(&["answering Bo"]);
    stage.enter("yes");
    let message = &stage.chat().unsent[0].message;
    assert_eq!(message.request().reply_to_seq, 1);
    assert_eq!(message.request().body, "yes");
}

#[test]
fn one_changes_ones_own_messages_and_no_others() {
    let mut stage = Stage::ada();
    stage.say(1, ADA, "helo");
    stage.say(2, BO, "hi");
    stage.press(KeyCode::Up);
    stage.write("e");
    stage.shows_all(&["only messages of your own"]);
    stage.press(KeyCode::Esc);
    stage.enter("/edit");
    stage.shows_all(&["changing number 1", "✎ helo"]);
    stage.press(KeyCode::Backspace);
    stage.asked();
    stage.enter("lo");
    let asked = stage.asked();
    let Some(Effect::Ask(Ask::Edit(request))) = asked.last() else {
        panic!("{asked:?}");
    };
    assert_eq!((request.seq, request.body.as_str()), (1, "hello"));
    stage.enter("/edit");
    stage.press(KeyCode::Esc);
    assert!(stage.chat().room().expect("open").composer.is_empty());
}

#[test]
fn what_cannot_be_undone_is_asked_about() {
    let mut stage = Stage::ada();
    stage.say(1, ADA, "helo");
    stage.asked();
    stage.enter("/delete");
    stage.shows_all(&["Delete this message for everybody?", "y yes"]);
    stage.write("n");
    assert!(stage.asked().is_empty());
    stage.enter("/delete");
    stage.write("y");
    let delete = Effect::from(Call::Delete(LOBBY.to_owned(), 1));
    assert_eq!(stage.asked(), [delete]);
}

#[test]
fn whoever_goes_on_typing_over_a_chosen_message_writes_and_deletes_nothing() {
    for text in ["day", "Dylan", "yes", "do y"] {
        let mut stage = Stage::ada();
        stage.say(1, ADA, "helo");
        stage.asked();
        stage.press(KeyCode::Up);
        stage.write(text);
        assert!(stage.model.overlay.is_none(), "{text}");
        let asked = stage.asked();
        assert!(
            asked.iter().all(|effect| matches!(effect, Effect::Tell(_))),
            "{text}: {asked:?}"
        );
        let room = stage.chat().room().expect("open");
        assert_eq!((room.selected, room.composer.text()), (None, text));
    }
}

#[test]
fn a_chosen_message_is_deleted_by_its_key_and_a_yes() {
    let mut stage = Stage::ada();
    stage.say(1, ADA, "helo");
    stage.asked();
    stage.press(KeyCode::Up);
    stage.shows_all(&["Del delete", "Esc"]);
    stage.press(KeyCode::Delete);
    stage.shows_all(&["Delete this message for everybody?"]);
    stage.write("y");
    let delete = Effect::from(Call::Delete(LOBBY.to_owned(), 1));
    assert_eq!(stage.asked(), [delete]);
}

#[test]
fn a_question_is_gone_with_any_key_but_a_yes() {
    for key in [KeyCode::Char('d'), KeyCode::Enter, KeyCode::Left] {
        let mut stage = Stage::ada();
        stage.say(1, ADA, "helo");
        stage.enter("/delete");
        stage.asked();
        stage.press(key);
        assert!(stage.model.overlay.is_none(), "{key:?}");
        stage.write("y");
        let deletes = Effect::from(Call::Delete(LOBBY.to_owned(), 1));
        assert!(!stage.asked().contains(&deletes), "{key:?}");
    }
    let mut stage = Stage::ada();
    stage.enter("/leave");
    stage.asked();
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('y'));
    assert!(stage.asked().is_empty() && stage.model.overlay.is_none());
}

#[test]
fn a_paste_answers_no_question_and_is_not_lost() {
    let mut stage = Stage::ada();
    stage.enter("/leave");
    stage.asked();
    stage.take(Msg::Paste("y".to_owned()));
    assert!(stage.asked().is_empty() && stage.model.overlay.is_none());
    assert_eq!(stage.chat().room().expect("open").composer.text(), "y");
}

#[test]
fn that_there_are_more_commands_is_said() {
    let mut stage = Stage::ada().resize(60, 24);
    stage.write("/");
    stage.shows_all(&["/new NAME", "/uninvite", "more: /help shows all"]);
    stage.write("re");
    assert!(!stage.text().contains("more: /help"));
}

#[test]
fn several_lines_are_one_message() {
    let mut stage = Stage::ada();
    stage.write("one");
    stage.press_with(KeyModifiers::ALT, KeyCode::Enter);
    stage.write("two");
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('j'));
    stage.take(Msg::Paste("three\nfour".to_owned()));
    stage.shows_all(&["› one", "  two", "  three", "  four"]);
    stage.press(KeyCode::Enter);
    assert_eq!(
        stage.chat().unsent[0].message.request().body,
        "one\ntwo\nthree\nfour"
    );
}

#[test]
fn commands_are_suggested_completed_and_corrected() {
    let mut stage = Stage::ada();
    stage.write("/re");
    stage.shows_all(&[
        "/remove USER",
        "/rename NAME",
        "/reply [TEXT]",
        "/readers",
        "/retry",
    ]);
    stage.write("n");
    stage.press(KeyCode::Tab);
    assert_eq!(
        stage.chat().room().expect("open").composer.text(),
        "/rename "
    );
    stage.press(KeyCode::Enter);
    stage.shows_all(&["/rename NAME", "› /rename"]);
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('u'));
    stage.enter("/nope");
    stage.shows_all(&["there is no /nope"]);
}

#[test]
fn names_are_completed() {
    let mut stage = Stage::ada();
    stage.write("ask @b");
    stage.press(KeyCode::Tab);
    assert_eq!(
        stage.chat().room().expect("open").composer.text(),
        "ask @bo "
    );
}

#[test]
fn rooms_are_reached_by_order_and_by_name() {
    let mut stage = Stage::ada();
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    assert_eq!(stage.open(), WITH_BO);
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    assert_eq!(stage.open(), LOBBY, "around the end");
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('k'));
    stage.write("b");
    stage.shows_all(&["Go to", "› b"]);
    stage.write("o");
    stage.press(KeyCode::Down);
    stage.press(KeyCode::Enter);
    assert!(stage.model.overlay.is_none());
}

#[test]
fn a_draft_stays_in_its_room() {
    let mut stage = Stage::ada();
    stage.write("half a thought");
    stage.press_with(KeyModifiers::ALT, KeyCode::Down);
    assert!(!stage.text().contains("half a thought"));
    stage.press_with(KeyModifiers::ALT, KeyCode::Up);
    stage.shows_all(&["› half a thought"]);
}

#[test]
fn help_scrolls_and_closes() {
    let mut stage = Stage::ada();
    stage.press(KeyCode::F(1));
    stage.shows_all(&["Help", "Enter                  send", "↓ more"]);
    for _ in 0..10 {
        stage.press(KeyCode::PageDown);
    }
    stage.shows_all(&["//text", "/quit"]);
    stage.press(KeyCode::Esc);
    assert!(stage.model.overlay.is_none());
}

#[test]
fn one_can_leave_from_everywhere() {
    for open in ["", "/help"] {
        let mut stage = Stage::ada();
        if !open.is_empty() {
            stage.enter(open);
        }
        stage.asked();
        stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('c'));
        assert_eq!(stage.asked(), [Effect::Quit]);
    }
}

#[test]
fn typing_is_told_every_few_seconds_and_not_for_commands() {
    let mut stage = Stage::ada();
    let told = |stage: &mut Stage| stage.asked().len();
    stage.write("/top");
    assert_eq!(told(&mut stage), 0);
    stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('u'));
    stage.write("hello");
    assert_eq!(told(&mut stage), 1);
    stage.take(Msg::Tick(Duration::from_secs(4)));
    stage.write("hello");
    assert_eq!(told(&mut stage), 1);
}
