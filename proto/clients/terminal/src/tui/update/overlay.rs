//! Keys while something lies over the rest.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing in most places"
)]

use crossterm::event::{KeyCode, KeyEvent};

use super::keys::edit;
use crate::tui::model::{Effect, Model, Overlay, Screen};
use crate::tui::switch;
use crate::tui::view::help_lines;

pub(super) fn press(model: &mut Model, key: KeyEvent, effects: &mut Vec<Effect>) {
    let Some(overlay) = model.overlay.take() else {
        return;
    };
    model.overlay = match overlay {
        Overlay::Help(skip) => help(model.size.0, skip, key),
        Overlay::Text { title, lines } => match key.code {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') => None,
            _ => Some(Overlay::Text { title, lines }),
        },
        // Whatever is not a yes is a no: a question that waits is answered by the next word.
        Overlay::Confirm { then, .. } => {
            if matches!(key.code, KeyCode::Char('y' | 'Y')) && edit::is_text(key) {
                effects.push(then);
            }
            None
        }
        Overlay::Switch { filter, chosen } => go_to(model, filter, chosen, key),
    };
}

fn help(columns: u16, skip: u16, key: KeyEvent) -> Option<Overlay> {
    let lines = help_lines(columns.saturating_sub(4).into());
    let most = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let skip = match key.code {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q') | KeyCode::F(1) => return None,
        KeyCode::Down | KeyCode::Char('j') => skip.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => skip.saturating_sub(1),
        KeyCode::PageDown | KeyCode::Char(' ') => skip.saturating_add(10),
        KeyCode::PageUp => skip.saturating_sub(10),
        KeyCode::Home => 0,
        _ => skip,
    };
    Some(Overlay::Help(skip.min(most)))
}

fn go_to(model: &mut Model, mut filter: String, chosen: usize, key: KeyEvent) -> Option<Overlay> {
    let Screen::Chat(chat) = &mut model.screen else {
        return None;
    };
    let count = switch::matching(chat, &filter).len();
    let last = count.saturating_sub(1);
    let chosen = match key.code {
        KeyCode::Esc => return None,
        KeyCode::Enter => {
            let rooms = switch::matching(chat, &filter);
            let room = rooms.get(chosen).map(|room| room.name().to_owned());
            if let Some(room) = room {
                chat.go_to(&room);
            }
            return None;
        }
        KeyCode::Down | KeyCode::Tab => (chosen + 1).min(last),
        KeyCode::Up | KeyCode::BackTab => chosen.saturating_sub(1),
        KeyCode::Backspace => {
            filter.pop();
            0
        }
        KeyCode::Char(c) if edit::is_text(key) => {
            filter.push(c);
            0
        }
        _ => chosen,
    };
    Some(Overlay::Switch { filter, chosen })
}
