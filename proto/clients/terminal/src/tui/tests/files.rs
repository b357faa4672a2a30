//! Files: what is shown of them, how they are sent and saved, and what becomes of them.

use std::path::PathBuf;
use std::time::Duration;

use rookery_client::v1::{Attachment, MessageDeletion, MessageEdit};
use rookery_client::{Attached, Code, Progress};

use super::*;
use crate::limits;
use crate::tui::model::Carried;
use crate::tui::transfers::Errand;

fn file(name: &str) -> Attachment {
    Attachment {
        file: format!("files/{name}"),
        display_name: name.to_owned(),
        size: 1_450_000,
        media_type: "image/png".to_owned(),
        ..Attachment::default()
    }
}

fn with_files(body: &str, names: &[&str]) -> Message {
    Message {
        attachments: names.iter().map(|name| file(name)).collect(),
        ..message(body)
    }
}

/// Bo sends files to the lobby.
fn sends(stage: &mut Stage, seq: u64, body: &str, names: &[&str]) {
    let kind = Kind::Message(with_files(body, names));
    stage.take(Msg::Item(Item::Event(event(LOBBY, seq, BO, kind))));
}

/// The transfers that were begun.
fn begun(stage: &mut Stage) -> Vec<(u64, Errand)> {
    let carried = stage.asked().into_iter().filter_map(|effect| {
        let Effect::Carry(id, errand) = effect else {
            return None;
        };
        Some((id, errand))
    });
    carried.collect()
}

/// What is to be saved, of which message, and where.
fn saved(errand: &Errand) -> (&str, u64, Option<&str>) {
    let Errand::Save { of, to } = errand else {
        panic!("{errand:?}");
    };
    let Attached { seq, file, .. } = &**of;
    let to = to.as_ref().and_then(|path| path.to_str());
    (&file.display_name, *seq, to)
}

fn moved(stage: &mut Stage, id: u64, seconds: u64, bytes: u64) {
    let total = 10_000_000;
    let progress = Progress { bytes, total };
    stage.take(Msg::Moved(id, Duration::from_secs(seconds), progress));
}

#[test]
fn a_message_shows_its_files_with_number_name_size_and_type() {
    let mut stage = Stage::ada();
    sends(&mut stage, 1, "look", &["a.png", "b.png"]);
    sends(&mut stage, 2, "", &["only a file.png"]);
    stage.shows_all(&[
        "│  look\n",
        "│  ▤ 1 a.png  1.4 MB  image/png\n",
        "│  ▤ 2 b.png  1.4 MB  image/png\n",
        "│  ▤ 1 only a file.png  1.4 MB  image/png",
    ]);
    assert!(!stage.text().contains("│\n                          │  ▤"));
}

#[test]
fn a_name_of_others_does_nothing_and_leaves_room_for_its_size() {
    let mut stage = Stage::ada();
    let long = "n".repeat(200);
    sends(&mut stage, 1, "", &["a\u{1b}[2J\u{202e}gnp.exe", &long]);
    stage.shows_all(&["▤ 1 a␛[2Jgnp.exe  1.4 MB", "n…  1.4 MB  image/png"]);
    assert!(!stage.text().contains('\u{202e}'));
}

#[test]
fn an_edit_and_a_deletion_take_files_away() {
    let mut stage = Stage::ada();
    sends(&mut stage, 1, "look", &["a.png", "b.png"]);
    sends(&mut stage, 2, "", &["c.png"]);
    let edit = MessageEdit {
        target_seq: 1,
        message: Some(Message {
            edited_seq: 3,
            ..with_files("look", &["b.png"])
        }),
    };
    let deletion = MessageDeletion { target_seq: 2 };
    for (seq, kind) in [
        (3, Kind::MessageEdit(edit)),
        (4, Kind::MessageDeletion(deletion)),
    ] {
        stage.take(Msg::Item(Item::Event(event(LOBBY, seq, BO, kind))));
    }
    stage.shows_all(&["▤ 1 b.png", "  deleted"]);
    let screen = stage.text();
    assert!(!screen.contains("a.png") && !screen.contains("c.png"));
}

#[test]
fn a_file_is_sent_up_and_then_said() {
    let mut stage = Stage::ada();
    stage.enter("/send '~/my file.png' of *today*");
    let sent = begun(&mut stage);
    let [(id, Errand::Send { room, path, .. })] = &sent[..] else {
        panic!("{sent:?}");
    };
    assert_eq!(
        (room.as_str(), path),
        (LOBBY, &PathBuf::from("~/my file.png"))
    );
    stage.shows_all(&["↑ my file.png …"]);
    moved(&mut stage, *id, 1, 0);
    moved(&mut stage, *id, 3, 5_000_000);
    stage.shows_all(&["↑ my file.png ━━━━", "╌  50%  2.5 MB/s  0:02 left"]);
    stage.take(Msg::Carried(*id, Ok(Carried::Up("files/x".to_owned()))));
    let said = stage.asked().into_iter().find_map(|effect| {
        let Effect::Send(message) = effect else {
            return None;
        };
        Some(message.request().clone())
    });
    let said = said.expect("the message follows");
    assert_eq!(said.attachments, ["files/x"]);
    assert_eq!(
        (said.body.as_str(), said.room.as_str()),
        ("of *today*", LOBBY)
    );
    stage.shows_all(&["  of *today*", "  ▤ my file.png", "⋯ sending"]);
    assert!(!stage.text().contains('↑'));
}

#[test]
fn a_file_may_answer_a_message() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "where is it?");
    stage.enter("/reply");
    stage.enter("/send a.png");
    let (id, _) = begun(&mut stage).pop().expect("begun");
    stage.take(Msg::Carried(id, Ok(Carried::Up("files/x".to_owned()))));
    let answers = |effect: &Effect| matches!(effect, Effect::Send(message) if message.request().reply_to_seq == 1);
    assert!(stage.asked().iter().any(answers));
}

#[test]
fn files_are_saved_by_message_and_by_number() {
    let mut stage = Stage::ada();
    sends(&mut stage, 1, "", &["a.png"]);
    sends(&mut stage, 2, "", &["b.png", "c.png"]);
    stage.say(3, BO, "and?");
    stage.enter("/save 2 ~/x");
    let (id, errand) = begun(&mut stage).pop().expect("begun");
    assert_eq!(saved(&errand), ("c.png", 2, Some("~/x")));
    stage.take(Msg::Carried(id, Ok(Carried::Down("/x/c.png".into()))));
    stage.shows_all(&["saved c.png in /x"]);

    stage.enter("/save 3");
    stage.shows_all(&["that message has no such file"]);
    stage.enter("/save");
    let (id, errand) = begun(&mut stage).pop().expect("the first of two");
    assert_eq!(saved(&errand), ("b.png", 2, None));
    stage.take(Msg::Carried(id, Ok(Carried::Down("/x/b.png".into()))));
    let (id, errand) = begun(&mut stage).pop().expect("the second");
    assert_eq!(saved(&errand), ("c.png", 2, None));
    stage.take(Msg::Carried(id, Ok(Carried::Down("/x/c.png".into()))));

    stage.take(Msg::Tick(limits::NOTICE_SHOWN));
    for _ in 0..3 {
        stage.press(KeyCode::Up);
    }
    stage.shows_all(&["s save"]);
    stage.press(KeyCode::Char('s'));
    let (_, errand) = begun(&mut stage).pop().expect("the chosen one");
    assert_eq!(saved(&errand), ("a.png", 1, None));
}

#[test]
fn a_message_without_files_has_none_to_save() {
    let mut stage = Stage::ada();
    stage.say(1, BO, "hello");
    stage.enter("/save");
    stage.shows_all(&["there is no message with a file in sight"]);
    assert!(begun(&mut stage).is_empty());
}

#[test]
fn one_file_goes_on_at_a_time_and_can_be_given_up() {
    let mut stage = Stage::ada();
    stage.enter("/send a.png");
    stage.enter("/send b.png");
    let sent = begun(&mut stage);
    assert_eq!(sent.len(), 1, "{sent:?}");
    stage.shows_all(&["↑ a.png …", "  +1"]);
    stage.enter("/cancel");
    let asked = stage.asked();
    assert!(asked.contains(&Effect::GiveUp(sent[0].0)), "{asked:?}");
    let next = asked
        .iter()
        .any(|effect| matches!(effect, Effect::Carry(..)));
    assert!(next, "the next one begins");
    stage.shows_all(&["gave up a.png", "↑ b.png …"]);
    // What it led to all the same is nobody's.
    stage.take(Msg::Carried(
        sent[0].0,
        Ok(Carried::Up("files/a".to_owned())),
    ));
    assert!(stage.asked().is_empty());
    stage.enter("/cancel");
    stage.enter("/cancel");
    stage.shows_all(&["no file is on its way"]);
}

#[test]
fn what_failed_says_why_and_waits_for_its_sender() {
    let mut stage = Stage::ada();
    stage.enter("/send a.png");
    let (id, errand) = begun(&mut stage).pop().expect("begun");
    let refused = refused(Code::FailedPrecondition, "no room");
    stage.take(Msg::Carried(id, Err(refused)));
    stage.shows_all(&["✗ a.png: no room  /retry /discard"]);
    assert!(begun(&mut stage).is_empty());
    stage.enter("/retry");
    assert_eq!(begun(&mut stage), [(id, errand)]);
    let unreadable = Error::File {
        path: "a.png".into(),
        problem: "no such file, and ".repeat(9),
    };
    stage.take(Msg::Carried(id, Err(unreadable)));
    stage.shows_all(&["✗ a.png: no such file, and no", "…  /retry /discard"]);
    stage.enter("/discard");
    assert!(!stage.text().contains("a.png"));
}

#[test]
fn more_files_than_anybody_wants_are_refused() {
    let mut stage = Stage::ada();
    for _ in 0..limits::TRANSFERS_MAX {
        stage.enter("/send a.png");
    }
    assert!(!stage.text().contains("too many"));
    stage.enter("/send b.png");
    stage.shows_all(&["too many files are on their way"]);
}

#[test]
fn whoever_leaves_is_told_which_files_were_not_sent() {
    let mut stage = Stage::ada();
    stage.enter("/send a.png look");
    let unsent = stage.model.unsent().expect("one is on its way");
    assert_eq!(unsent, "1 message was not sent:\n  lobby: [a.png] look");
    let (id, _) = begun(&mut stage).pop().expect("begun");
    stage.take(Msg::Carried(id, Ok(Carried::Up("files/x".to_owned()))));
    assert_eq!(
        stage.model.unsent(),
        Some(unsent),
        "its message is not there"
    );
}

#[test]
fn tab_completes_a_path_unless_the_line_is_another_by_then() {
    let mut stage = Stage::ada();
    stage.write("/send not");
    stage.press(KeyCode::Tab);
    let asked = stage.asked();
    assert!(
        asked.contains(&Effect::Complete("/send not".to_owned())),
        "{asked:?}"
    );
    let completed = || Msg::Completed("/send not".to_owned(), "/send notes.txt ".to_owned());
    stage.take(completed());
    stage.shows_all(&["› /send notes.txt"]);
    stage.take(completed());
    stage.write("x");
    stage.shows_all(&["› /send notes.txt x"]);
}

#[test]
fn a_narrow_screen_keeps_what_matters() {
    let mut stage = Stage::ada().resize(40, 10);
    sends(&mut stage, 1, "", &["a rather long name of a picture.png"]);
    stage.enter("/send another rather long name.png");
    let (id, _) = begun(&mut stage).pop().expect("begun");
    moved(&mut stage, id, 1, 0);
    moved(&mut stage, id, 2, 2_000_000);
    stage.shows_all(&["↑ another", " 20%", "1.4 MB"]);
    for columns in 1..40 {
        stage = stage.resize(columns, 10);
        let screen = stage.lines();
        let fits = |line: &String| crate::text::width(line) <= usize::from(columns);
        assert!(screen.iter().all(fits), "{screen:?}");
    }
}
