//! Screens of every size: the narrow ones stay of use, and none is too small to be drawn.

use super::*;

#[test]
fn a_narrow_screen_is_all_conversation() {
    let mut stage = Stage::ada().resize(32, 10);
    stage.say(
        1,
        BO,
        "a message that is longer than a line 漢字漢字漢字漢字",
    );
    stage.shows(&[
        "lobby  8 members  whatever come…",
        "",
        "This is where it begins.",
        "── Monday 23 November 2026 ─────",
        "Bo  12:01",
        "  a message that is longer than",
        "  a line 漢字漢字漢字漢字",
        "",
        "›",
        " ● connected  3 unread elsewhere",
    ]);
}

#[test]
fn no_size_is_too_small_to_be_drawn() {
    for columns in (1..=12).chain([20, 31, 40, 63, 64, 65, 80, 90]) {
        for rows in [1, 2, 3, 4, 5, 6, 9, 24] {
            let mut stage = Stage::ada().resize(columns, rows);
            stage.say(1, BO, "# Title\n```\ncode\n```\n> quote 漢字 and **more**");
            stage.write("/re");
            assert_eq!(stage.lines().len(), usize::from(rows));
            stage.press(KeyCode::F(1));
            stage.lines();
            stage.press(KeyCode::Esc);
            stage.press(KeyCode::PageUp);
            stage.press_with(KeyModifiers::CONTROL, KeyCode::Char('g'));
            stage.lines();
        }
    }
}

#[test]
fn every_other_screen_is_drawn_at_every_size() {
    for (columns, rows) in [(1, 1), (3, 2), (20, 5), (39, 8), (200, 60)] {
        let mut stage = Stage::fresh(Wish::default()).resize(columns, rows);
        stage.lines();
        let fingerprint = rookery_client::Fingerprint::of(b"x");
        stage.model.screen = Screen::Trust(fingerprint);
        stage.lines();
        stage.take(Msg::Connected(Ok(None)));
        stage.press(KeyCode::F(2));
        stage.write("a name much longer than the field that it is written into");
        stage.lines();
    }
}

#[test]
fn the_form_fits_a_small_screen() {
    let mut stage = Stage::ada().resize(36, 8);
    stage.take(Msg::Item(Item::SignedOut));
    stage.shows(&[
        "┌ Sign in ─────────────────────────┐",
        "│ User name       ada              │",
        "│ Password                         │",
        "│ Stay signed in  [x]              │",
        "│ You were signed out.             │",
        "│ Enter go   F2 I have an          │",
        "│ invitation   Esc leave           │",
        "└──────────────────────────────────┘",
    ]);
}

#[test]
fn a_long_text_scrolls_in_the_input() {
    let mut stage = Stage::ada();
    for number in 1..=20 {
        stage.take(Msg::Paste(format!("line {number}\n")));
    }
    stage.shows_all(&["line 20", "line 14"]);
    assert!(!stage.text().contains("line 12"));
    stage.shows_all(&["lobby  8 members"]);
}
